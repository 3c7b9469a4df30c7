"""The company of a simulated world: people, rotas about to cross a change of the clocks, policies, services; what happens to it.

Everything is made and changed through the doors that the API uses, so that what they refuse is refused here too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tests.sim.dice import Dice
from tests.sim.world import Node, Sent, World
from tocsin.base import json
from tocsin.base.secret import Seals, new_master_key
from tocsin.core.escalation import Rule, Strategy, Target
from tocsin.core.events import Agent, Urgency
from tocsin.core.incident_state import Incident
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import Restriction
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import Payload
from tocsin.service import alarms, groupings, maintenance, people, policies, schedules, services, webhooks
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store import alerts, incidents
from tocsin.store.db import Tx
from tocsin.store.tables import incidents as incident_tables
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import service_rules as rule_tables

EDGES: Final = (
    (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "Europe/Paris"),  # an hour comes twice
    (datetime(2026, 11, 1, 6, 0, tzinfo=UTC), "America/New_York"),
    (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin"),  # an hour never comes
    (datetime(2026, 3, 8, 7, 0, tzinfo=UTC), "America/New_York"),
    (datetime(2026, 10, 3, 15, 30, tzinfo=UTC), "Australia/Lord_Howe"),  # half an hour never comes
    (datetime(2026, 4, 4, 15, 0, tzinfo=UTC), "Australia/Lord_Howe"),
    (datetime(2026, 11, 23, 12, 0, tzinfo=UTC), "UTC"),  # nothing special
)
NAMES: Final = ("Ada", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus")



@dataclass
class Company:
    """Ids of what there is to happen to."""

    world: World
    chance: Random
    zone: str
    user_ids: list[str] = field(default_factory=list)
    schedule_ids: list[str] = field(default_factory=list)
    policy_ids: list[str] = field(default_factory=list)
    service_ids: list[str] = field(default_factory=list)
    routing_keys: list[str] = field(default_factory=list)
    waiting: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)
    disabled_once: set[str] = field(default_factory=set)
    hush: Random | None = None  # the chance of quiet worlds: with pauses, windows and services that are grouped together

    def deed(self, now: datetime, chance: Random) -> Deed:
        return Deed(HOUSE, now, chance)

    # --- Making it

    def build(self) -> None:
        with self.world.quiet.write() as tx:
            deed = self.deed(self.world.now, self.chance)
            self._people(tx, deed)
            self._rotas(tx, deed)
            self._policies(tx, deed)
            self._services(tx, deed)
            if self.chance.random() < 0.4:
                seals = Seals([new_master_key()])
                webhooks.subscribe(tx, deed, seals, url="https://hooks.example.org/", events=sorted(webhooks.EVENT_TYPES))
                self.world.has_webhooks = True

    def _people(self, tx: Tx, deed: Deed) -> None:
        owner = people.create_owner(tx, deed, name="Olga", email="olga@example.org", password=None)
        self.world.story.names[owner] = "Olga"
        for name in NAMES[: self.chance.randint(3, len(NAMES))]:
            user_id = people.create_user(tx, deed, name=name, email=f"{name.lower()}@example.org")
            self.user_ids.append(user_id)
            self.world.story.names[user_id] = name
            self._ways(tx, deed, user_id, name)
        if self.chance.random() < 0.5:
            told = self.chance.sample(self.user_ids, 1) if self.chance.random() < 0.5 else []
            tx.execute(
                sa.insert(people_tables.account),
                {"id": "account", "name": "Example", "subdomain": "example", "time_zone": "UTC",
                 "settings": {"last_resort": told}, "created_at": deed.now},
            )  # fmt: skip

    def _ways(self, tx: Tx, deed: Deed, user_id: str, name: str) -> None:
        ways = []
        if self.chance.random() < 0.7:
            fields = {"bundle_seconds": self.chance.choice([0, 0, 20])}
            ways.append(people.add_contact_method(
                tx, deed, user_id, kind="webhook", label="Pager", address=f"https://pager.example.org/{name}", fields=fields))  # fmt: skip
        if self.chance.random() < 0.6:
            number = f"20155501{len(self.user_ids):02}"
            ways.append(people.add_contact_method(tx, deed, user_id, kind="sms", label="Phone", address=number, country_code=1))
        for way in ways:
            for urgency in ("high", "low"):
                if self.chance.random() < 0.6:
                    people.add_notification_rule(
                        tx, deed, user_id, contact_method_id=way, start_delay_in_minutes=self.chance.choice([0, 1, 3, 10, 40]),
                        urgency=urgency,
                    )  # fmt: skip
        if self.chance.random() < 0.12:
            for method in tx.rows(sa.select(people_tables.contact_method).where(people_tables.contact_method.c.user_id == user_id)):
                people.remove_contact_method(tx, deed, method)

    def _rotas(self, tx: Tx, deed: Deed) -> None:
        for number in range(self.chance.randint(1, 3)):
            id_ = schedules.create(tx, deed, name=f"Rota {number}", time_zone=self.zone, layers=self._layers(deed))
            self.schedule_ids.append(id_)
            if self.chance.random() < 0.4:
                start = deed.now + timedelta(hours=self.chance.uniform(0, 12))
                asked = AskedOverride(start, start + timedelta(hours=self.chance.uniform(0.2, 8)), self.chance.choice(self.user_ids))
                schedules.add_overrides(tx, deed, id_, [asked])

    def _layers(self, deed: Deed) -> list[AskedLayer]:
        layers = []
        for number in range(self.chance.randint(1, 2)):
            restrictions: tuple[Restriction, ...] = ()
            if self.chance.random() < 0.5:
                start = self.chance.choice([0, 3600, 5400, 7200, 9000, 9 * 3600, 20 * 3600])
                restrictions = (Restriction(None, start, self.chance.choice([1800, 3600, 8 * 3600, 12 * 3600])),)
            layers.append(
                AskedLayer(
                    name=f"Layer {number}",
                    start=deed.now,
                    virtual_start=deed.now - timedelta(hours=self.chance.randint(0, 72)),
                    turn_seconds=self.chance.choice([3600, 5 * 3600, 43_200, 86_400, 604_800]),
                    user_ids=tuple(self.chance.sample(self.user_ids, self.chance.randint(1, min(4, len(self.user_ids))))),
                    restrictions=restrictions,
                )
            )
        return layers

    def _rules(self) -> list[Rule]:
        rules = []
        for _ in range(self.chance.randint(1, 3)):
            targets = {self._target() for _ in range(self.chance.randint(1, 3))}
            strategy = Strategy.ROUND_ROBIN if self.chance.random() < 0.35 else Strategy.EVERYONE
            ordered = tuple(sorted(targets, key=lambda one: (one.type, one.id)))
            rules.append(policies.level(self.chance.choice([1, 2, 5, 15, 30]), *ordered, strategy=strategy))
        return rules

    def _target(self) -> Target:
        if self.chance.random() < 0.5:
            return Target("user", self.chance.choice(self.user_ids))
        return Target("schedule", self.chance.choice(self.schedule_ids))

    def _policies(self, tx: Tx, deed: Deed) -> None:
        for number in range(self.chance.randint(1, 3)):
            self.policy_ids.append(
                policies.create_policy(tx, deed, name=f"Policy {number}", rules=self._rules(), num_loops=self.chance.choice([0, 0, 1, 2]))
            )

    def _services(self, tx: Tx, deed: Deed) -> None:
        for number in range(self.chance.randint(1, 3)):
            id_ = services.create_service(
                tx, deed, name=f"Service {number}", escalation_policy_id=self.chance.choice(self.policy_ids), **self._settings()
            )
            self.service_ids.append(id_)
            for way in range(self.chance.randint(1, 2)):
                made = services.add_integration(tx, deed, id_, name=f"Prometheus {way}")
                self.routing_keys.append(services.integration_row(tx, made).routing_key)

    def _settings(self) -> dict[str, Any]:
        grouping = self.chance.choice(
            [None, None, {"type": "time", "config": {"timeout": self.chance.choice([0, 5, 60])}},
             {"type": "content_based", "config": {"fields": ["source"], "aggregate": "all", "time_window": 600}}]
        )  # fmt: skip
        urgency = self.chance.choice(["high", "high", "high", "low", "severity_based"])
        hushed: dict[str, Any] = {}
        if self.hush is not None:
            hushed["auto_pause"] = {"enabled": self.hush.random() < 0.5, "timeout": self.hush.choice([120, 600])}
        return hushed | {
            "acknowledgement_timeout": self.chance.choice([None, 300, 1800, 7200]),
            "auto_resolve_timeout": self.chance.choice([None, None, 3600, 14_400]),
            "incident_urgency_rule": {"type": "constant", "urgency": urgency},
            "alert_grouping_parameters": grouping,
            "escalates_low_urgency": self.chance.random() < 0.3,
        }

    # --- What senders do

    def traffic(self, until: datetime, an_hour: float) -> None:
        """Plan what senders send until then."""
        at = self.world.now
        while (at := at + timedelta(hours=self.chance.expovariate(an_hour))) < until:
            self.waiting.append((at, self._some_event(at)))
        self.waiting.sort(key=lambda one: one[0])

    def _some_event(self, at: datetime) -> Callable[[], None]:
        routing_key = self.chance.choice(self.routing_keys)
        key = f"disk {self.chance.randint(1, 8)}"
        action = self.chance.choices(("trigger", "resolve", "acknowledge"), (6, 3, 1))[0]
        event = made(self.chance, routing_key, action, key, at)
        if action == "resolve" and self.world.dice.falls("out of order"):
            first = made(self.chance, routing_key, "trigger", key, at - timedelta(seconds=20))
            return lambda: self._send(event, first)
        if self.world.dice.falls("repeated by sender"):
            return lambda: self._send(event, event)
        return lambda: self._send(event)

    def _send(self, *these: Sent) -> None:
        for event in these:
            self.world.send(event)

    # --- What people do

    def meddle(self) -> None:
        """Somebody asks or changes something."""
        if self.hush is not None and self.hush.random() < 0.2:
            self.hush_something(self.hush)
        elif self.chance.random() < 0.75:
            self.ask_something()
        else:
            self.change_something()

    def agent(self) -> Agent:
        if self.chance.random() < 0.1:
            return Agent("inbound_integration_reference", "PSENDER", "Prometheus")
        user_id = self.chance.choice(self.user_ids)
        return Agent("user_reference", user_id, self.world.story.names[user_id])

    def ask_something(self) -> None:
        found = self._incidents()
        if not found:
            return
        open_ones = [one for one in found if one.is_open]
        agent, incident = self.agent(), self.chance.choice(open_ones or found)
        other = self.chance.choice(found)
        people_ = self.chance.sample(self.user_ids, self.chance.randint(1, 2))
        seconds = self.chance.choice([30, 300, 1800, 7200])
        level = self.chance.choice([None, None, 0, 1, 2])
        policy_id = self.chance.choice(self.policy_ids)
        urgency = self.chance.choice([Urgency.HIGH, Urgency.LOW])
        resolved = [one for one in found if not one.is_open] or found
        again = self.chance.choice(resolved)
        acknowledged = self.chance.random() < 0.3
        to_people = tuple(people_) if self.chance.random() < 0.3 else ()
        asks: list[tuple[int, str, Callable[[Desk], object]]] = [
            (6, "acknowledge", lambda desk: desk.acknowledge(incident.id, agent, "website")),
            (3, "take the acknowledgement back", lambda desk: desk.unacknowledge(incident.id, agent, "website")),
            (3, "resolve", lambda desk: desk.resolve(incident.id, agent, "website")),
            (4, "snooze", lambda desk: desk.snooze(incident.id, agent, "website", seconds)),
            (3, "reassign", lambda desk: desk.reassign(incident.id, agent, "website", people_)),
            (3, "delegate", lambda desk: desk.delegate(incident.id, agent, "website", policy_id)),
            (5, f"escalate to level {level}", lambda desk: desk.escalate(incident.id, agent, "website", level)),
            (3, f"urgency {urgency}", lambda desk: desk.change_urgency(incident.id, agent, "website", urgency)),
            (4, f"merge {self.name(other)} into", lambda desk: desk.merge(incident.id, [other.id], agent, "website")),
            (3, f"move an alert of {self.name(other)} to", lambda desk: self._move(desk, other, incident, agent)),
            (2, "resolve an alert of", lambda desk: self._resolve_alert(desk, incident, agent)),
        ]
        reopen = "reopen acknowledged" if acknowledged else "reopen"
        asks.append((
            5, reopen,
            lambda desk: desk.reopen(again.id, agent, "website", acknowledged=acknowledged, assign_to=to_people),
        ))  # fmt: skip
        _, what, asked = self.chance.choices(asks, [one[0] for one in asks])[0]
        about = again if what.startswith("reopen") else incident
        self.world.ask(f"{agent.summary} asks: {what} {self.name(about)}", asked)

    def name(self, incident: Incident) -> str:
        return self.world.story.names.setdefault(incident.id, f"#{incident.number}")

    def _move(self, desk: Desk, source: Incident, target: Incident, agent: Agent) -> None:
        found = alerts.of_incidents(desk.tx, [source.id])
        desk.move_alerts(found[:1], target.id, agent, "website")

    def _resolve_alert(self, desk: Desk, incident: Incident, agent: Agent) -> None:
        desk.resolve_alerts(alerts.of_incidents(desk.tx, [incident.id], only_open=True)[:1], agent, "website")

    def _incidents(self) -> list[Incident]:
        with self.world.quiet.read() as tx:
            of = incident_tables.incident.c
            rows = tx.rows(sa.select(of.state).order_by(of.number.desc()).limit(8))
            return sorted(incidents.read(rows), key=lambda one: one.number)

    def change_something(self) -> None:
        user_id, schedule_id = self.chance.choice(self.user_ids), self.chance.choice(self.schedule_ids)
        name = self.world.story.names[user_id]
        policy_id, service_id = self.chance.choice(self.policy_ids), self.chance.choice(self.service_ids)
        rules, settings = self._rules(), self._settings()
        start, length = self.chance.uniform(-1, 2), self.chance.uniform(0.1, 5)
        disabled = self.chance.random() < 0.5
        layers = self._layers(self.deed(self.world.now, self.chance))
        changes: list[tuple[int, str, Callable[[Tx, Deed], object]]] = [
            (4, f"{name} deletes a contact method", lambda tx, deed: self._drop_way(tx, deed, user_id)),
            (2, f"{name} gets a contact method", lambda tx, deed: self._ways(tx, deed, user_id, name)),
            (3, f"{name}'s account is {'disabled' if disabled else 'enabled'}", lambda tx, _: self._disable(tx, user_id, disabled=disabled)),
            (3, f"policy {policy_id} is edited", lambda tx, deed: policies.change_policy(tx, deed, policy_id, {"rules": rules})),
            (2, f"service {service_id} is edited", lambda tx, deed: services.change_service(tx, deed, service_id, settings)),
            (3, f"{name} overrides {schedule_id}", lambda tx, deed: self._override(tx, deed, schedule_id, user_id, start, length)),
            (2, f"{schedule_id} gets another layer", lambda tx, deed: schedules.change(tx, deed, schedule_id, {}, layers=layers)),
            (1, f"{name} leaves", lambda tx, deed: self._leave(tx, deed, user_id)),
        ]  # fmt: skip
        _, what, change = self.chance.choices(changes, [one[0] for one in changes])[0]

        self.world.policies_edited |= "policy" in what or "leaves" in what

        def do(tx: Tx, node: Node) -> None:
            change(tx, self.deed(self.world.of(node), self.chance))

        self.world.configure(what, do)

    def hush_something(self, chance: Random) -> None:
        """Quiet is planned or ended, a pause is ended by hand, or services are grouped together."""
        service_ids = chance.sample(self.service_ids, chance.randint(1, len(self.service_ids)))
        begins, lasts = timedelta(minutes=chance.choice([0, 0, 20])), timedelta(minutes=chance.choice([1, 10, 90]))
        which = chance.choice(["plan", "plan", "end", "page", "resolve", "group"])
        agent, pick = self.agent(), chance.random()

        def do(tx: Tx, node: Node) -> None:
            now = self.world.of(node)
            deed = self.deed(now, self.chance)
            if which == "plan":
                maintenance.plan(tx, deed, start=now + begins, end=now + begins + lasts, service_ids=service_ids)
            elif which == "end":
                window = rule_tables.maintenance_window
                found = tx.rows(sa.select(window.c.id).where(window.c.end_at > now).order_by(window.c.id))
                if found:
                    maintenance.remove(tx, deed, found[int(pick * len(found))].id)
            elif which == "group":
                setting = rule_tables.grouping_setting
                for row in tx.rows(sa.select(setting.c.id)):
                    groupings.remove(tx, deed, row.id)
                config = {"aggregate": "all", "fields": ["source"], "time_window": 600}
                groupings.create(tx, deed, kind="content_based", config=config, service_ids=service_ids)
            else:
                paused = rule_tables.paused_alert
                held = tx.rows(sa.select(paused.c.alert_id).where(paused.c.ended_at.is_(None)).order_by(paused.c.alert_id))
                if held:
                    with Desk(tx, now=now, chance=self.chance) as desk:
                        alert_id = held[int(pick * len(held))].alert_id
                        if which == "page":
                            alarms.release_by_hand(desk, alert_id, agent)
                        else:
                            alarms.resolve_by_hand(desk, alert_id)

        self.world.configure(f"quiet: {which}", do)

    def _drop_way(self, tx: Tx, deed: Deed, user_id: str) -> None:
        table = people_tables.contact_method
        found = tx.rows(sa.select(table).where(table.c.user_id == user_id).order_by(table.c.id))
        if found:
            people.remove_contact_method(tx, deed, self.chance.choice(found))

    def _disable(self, tx: Tx, user_id: str, *, disabled: bool) -> None:
        self.disabled_once.add(user_id)
        tx.execute(sa.update(people_tables.user).where(people_tables.user.c.id == user_id).values(is_disabled=disabled))

    def _override(self, tx: Tx, deed: Deed, schedule_id: str, user_id: str, start: float, length: float) -> None:
        at = deed.now + timedelta(hours=start)
        schedules.add_overrides(tx, deed, schedule_id, [AskedOverride(at, at + timedelta(hours=length), user_id)])

    def _leave(self, tx: Tx, deed: Deed, user_id: str) -> None:
        others = [one for one in self.user_ids if one != user_id]
        people.delete_user(tx, deed, user_id, replace_by=self.chance.choice(others))


def made(chance: Random, routing_key: str, action: str, key: str, at: datetime) -> Sent:
    """An event as a sender sends it, and the inbox row it becomes."""
    body: dict[str, Any] = {"routing_key": routing_key, "event_action": action, "dedup_key": key}
    if action == "trigger":
        payload = {"summary": f"{key} is full", "source": f"db{chance.randint(1, 3)}"}
        payload["severity"] = chance.choice(["critical", "error", "warning", "info"])
        if chance.random() < 0.5:
            payload["timestamp"] = at.isoformat()
        body["payload"] = payload
    reader = reader_named("events_v2")
    assert reader is not None
    (one,) = reader.check(Payload(json.encode(body)))
    return Sent(routing_key, action, key, (one.routing_key, reader.name, one.action, one.dedup_key, one.summary, one.raw))


def founded(world: World, dice: Dice, start: datetime, zone: str, hush: Random | None = None) -> Company:
    """A company for this world, built. `hush`: the chance of a quiet one."""
    world.now = start - timedelta(hours=dice.chance.uniform(1, 9))
    company = Company(world, dice.chance, zone, hush=hush)
    company.build()
    return company


