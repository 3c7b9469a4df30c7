"""A small company on a real database, with a clock that moves only when told and phones that keep what they get.

The passes of the engine are plain functions, so this world is the engine: no threads, no sleeping, and the same run
every time.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.channels.spec import Accepted, Outcome
from tocsin.core.events import Agent, Event
from tocsin.core.incident_state import Incident
from tocsin.engine.deliver import claim_due, record_results
from tocsin.engine.ingest import ingest_pass
from tocsin.engine.timers import timers_pass
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import Payload
from tocsin.service.incidents import Desk
from tocsin.service.notify import Claim, Result
from tocsin.store import events, inbox, incidents, outbox, timers
from tocsin.store.db import Database
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import services as service_tables

LANES = ("webhook", "email")
ROUNDS_MAX = 1000
"""A world that does not come to rest within so many rounds of its passes is in a loop, which is a fault."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that reached a phone."""

    at: datetime
    to: str
    lane: str
    incident_ids: tuple[str, ...]
    key: str


@dataclass
class World:
    """The company, its time and its phones."""

    db: Database
    now: datetime
    chance: Random
    node: str = "one"
    phones: list[Sent] = field(default_factory=list)
    attempts: list[Claim] = field(default_factory=list)
    answer: Callable[[Claim], Outcome] = lambda _claim: Accepted()
    _numbering: inbox.Numbering | None = None

    # --- The company

    def person(
        self, name: str, *ways: str, rules: Mapping[str, list[tuple[str, int]]] | None = None, role: str = "user"
    ) -> str:
        """Somebody with ways of being reached (`webhook`, `email`), told at once by the first unless `rules` say else.

        rules  urgency → [(way, minutes)]
        """
        ways = ways or ("webhook",)
        user_id = ids.object_id(self.chance)
        way_ids = {way: ids.object_id(self.chance) for way in ways}
        default = {urgency: [(ways[0], 0)] for urgency in ("high", "low")}
        with self.db.write() as tx:
            person: dict[str, Any] = {"id": user_id, "name": name, "email": f"{name.lower()}@example.org"}
            person |= {"email_folded": person["email"], "color": "purple", "role": role, "created_at": self.now}
            tx.execute(sa.insert(people_tables.user), [person])
            tx.execute(
                sa.insert(people_tables.contact_method),
                [
                    {
                        "id": way_ids[way],
                        "user_id": user_id,
                        "kind": way,
                        "label": way,
                        "address": f"{way}:{name.lower()}",
                        "position": position,
                        "created_at": self.now,
                        "fields": {"bundle_seconds": 0},
                    }
                    for position, way in enumerate(ways)
                ],
            )
            rows = [
                {
                    "id": ids.object_id(self.chance),
                    "user_id": user_id,
                    "contact_method_id": way_ids[way],
                    "start_delay_in_minutes": minutes,
                    "urgency": urgency,
                    "created_at": self.now,
                }
                for urgency, wanted in (rules if rules is not None else default).items()
                for way, minutes in wanted
            ]
            if rows:
                tx.execute(sa.insert(people_tables.notification_rule), rows)
        return user_id

    def policy(
        self,
        *levels: tuple[int, list[str]],
        loops: int = 0,
        strategy: str = "assign_to_everyone",
        name: str = "On call",
    ) -> str:
        """A policy: per level (minutes until the next, ids of users)."""
        policy_id = ids.object_id(self.chance)
        rules = [
            {
                "id": ids.object_id(self.chance),
                "delay_minutes": minutes,
                "targets": [{"type": "user", "id": user_id} for user_id in user_ids],
                "strategy": strategy,
            }
            for minutes, user_ids in levels
        ]
        row = {"id": policy_id, "name": f"{name} {policy_id}", "num_loops": loops, "rules": rules}
        row |= {"on_call_handoff_notifications": "if_has_services", "created_at": self.now, "updated_at": self.now}
        with self.db.write() as tx:
            tx.execute(sa.insert(service_tables.escalation_policy), [row])
        return policy_id

    def service(self, policy_id: str, *, urgency: str = "high", **settings: Any) -> str:
        """A service with one integration; returns its routing key."""
        service_id, routing_key = ids.object_id(self.chance), ids.integration_key(self.chance)
        row: dict[str, Any] = {"id": service_id, "name": f"Payments {service_id}", "escalation_policy_id": policy_id}
        row |= {"alert_creation": "create_alerts_and_incidents", "created_at": self.now, "updated_at": self.now}
        row |= {"incident_urgency_rule": {"type": "constant", "urgency": urgency}} | settings
        integration: dict[str, Any] = {"id": ids.object_id(self.chance), "service_id": service_id, "name": "Prometheus"}
        integration |= {"type": "events_api_v2_inbound_integration", "routing_key": routing_key, "created_at": self.now}
        with self.db.write() as tx:
            tx.execute(sa.insert(service_tables.service), [row])
            tx.execute(sa.insert(service_tables.integration), [integration])
        return routing_key

    # --- What the world does

    def send(self, routing_key: str, action: str = "trigger", key: str = "disk", **payload: Any) -> None:
        """An event is accepted: it stands in the inbox, on disk."""
        body: dict[str, Any] = {"routing_key": routing_key, "event_action": action, "dedup_key": key}
        if action == "trigger":
            body["payload"] = {"summary": "Disk full", "source": "db1", "severity": "critical"} | payload
        reader = reader_named("events_v2")
        assert reader is not None
        accepted = reader.check(Payload(json.dumps(body).encode()))
        self._numbering = self._numbering or inbox.Numbering(self.chance)
        rows = [(one.routing_key, reader.name, one.action, one.dedup_key, one.summary, one.raw) for one in accepted]
        with self.db.write() as tx:
            inbox.append(tx, self._numbering.number(rows, self.now))

    def desk(self, ask: Callable[[Desk], object]) -> None:
        """Somebody asks something of an incident, then the engine works."""
        with self.db.write() as tx, Desk(tx, now=self.now, chance=self.chance) as desk:
            ask(desk)
        self.settle()

    def settle(self) -> None:
        """Run every pass until there is nothing left to do at this instant."""
        for _ in range(ROUNDS_MAX):
            if not (self.ingest() | self.fire() | self.deliver()):
                return
        raise AssertionError("the engine never comes to rest")

    def ingest(self) -> bool:
        return ingest_pass(self.db, self.now, node=self.node, chance=self.chance)

    def fire(self) -> bool:
        return timers_pass(self.db, self.now, chance=self.chance)

    def deliver(self) -> bool:
        worked = False
        for lane in LANES:
            claims = claim_due(self.db, lane, now=self.now, node=self.node, limit=50, chance=self.chance)
            results = [Result(claim, self._carry(claim), self.now) for claim in claims]
            if results:
                record_results(self.db, results, now=self.now, chance=self.chance)
                worked = True
        return worked

    def _carry(self, claim: Claim) -> Outcome:
        self.attempts.append(claim)
        outcome = self.answer(claim)
        if isinstance(outcome, Accepted):
            about = tuple(page.incident_id for page in claim.pages if page.incident_id)
            self.phones.append(Sent(self.now, claim.user_name, claim.lane, about, claim.key))
        return outcome

    def forward(self, **span: float) -> None:
        """Let time pass, stopping at every instant at which something is due."""
        until = self.now + timedelta(**span)
        self.settle()
        while (due := self._next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.settle()
        self.now = until
        self.settle()

    def _next_due(self) -> datetime | None:
        with self.db.read() as tx:
            found = [timers.next_due(tx), *outbox.next_due(tx, LANES).values()]
        return min((at for at in found if at is not None and at > self.now), default=None)

    # --- What can be seen

    def told(self) -> list[tuple[str, int]]:
        """Who was reached, in order, and how many minutes after the world began (whole minutes)."""
        began = self._began()
        return [(sent.to, int((sent.at - began).total_seconds() // 60)) for sent in self.phones]

    def _began(self) -> datetime:
        with self.db.read() as tx:
            found: datetime = tx.scalar(sa.select(sa.func.min(engine_tables.inbox.c.received_at)))
        return found

    def incidents(self) -> list[Incident]:
        with self.db.read() as tx:
            ids_ = [row.id for row in tx.rows(sa.text("SELECT id FROM incidents ORDER BY number"))]
            found = incidents.load(tx, ids_)
        return [found[incident_id] for incident_id in ids_]

    def only(self) -> Incident:
        (incident,) = self.incidents()
        return incident

    def log(self, incident_id: str | None = None) -> list[Event]:
        with self.db.read() as tx:
            entries = events.of_incident(tx, incident_id or self.only().id)
        return [entry.event for entry in entries]

    def kinds(self) -> list[str]:
        """What happened to the only incident, by the names of the log."""
        with self.db.read() as tx:
            return [entry.kind for entry in events.of_incident(tx, self.only().id)]

    def journal(self) -> list[tuple[str, str]]:
        """(outcome, reason) of every event, in the order of acceptance."""
        of = engine_tables.inbox.c
        with self.db.read() as tx:
            return [(row.outcome, row.reason) for row in tx.rows(sa.select(of.outcome, of.reason).order_by(of.arrival))]

    def pending(self) -> dict[str, int]:
        """The timers of the only incident: kind → minutes from now."""
        with self.db.read() as tx:
            found = timers.of_subject(tx, self.only().id)
        return {kind: int((at - self.now).total_seconds() // 60) for kind, at in found.items()}


def user(user_id: str, name: str) -> Agent:
    """A person as the log names them."""
    return Agent("user_reference", user_id, name)
