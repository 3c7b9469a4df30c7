"""The only door to an incident: load it, decide, fold what happened, save it, queue what follows; all in one transaction.

Laws:
1. Whoever wants something of an incident asks a `Desk`; nobody else writes incidents, their timers or their log.
2. A desk decides in memory over any number of incidents and writes once, when it is closed.
3. Timers are written from the state (`core.incident.pending`), never from what a decision remembers to say.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.core import custom_field, responders
from tocsin.core import incident as rules
from tocsin.core import incident_commands as asks
from tocsin.core import incident_state as states
from tocsin.core.effects import Effect
from tocsin.core.escalation import Ladder, Policy
from tocsin.core.events import Agent, Event, FieldValue, Urgency
from tocsin.core.incident import Decision
from tocsin.core.incident_commands import Command
from tocsin.core.incident_state import BASE_TYPE, Incident, ServiceRules
from tocsin.service import incident_types, status_updates
from tocsin.service.effects import Queue
from tocsin.service.ladders import Ladders
from tocsin.store import alerts, counters, events, incidents, policies, services, timers
from tocsin.store.alerts import Alert
from tocsin.store.db import Tx
from tocsin.store.services import Service
from tocsin.store.tables import incidents as tables


class Desk:
    """Decisions over incidents within one transaction. Use as a context: it writes when it closes without an error."""

    def __init__(self, tx: Tx, *, now: datetime, chance: Random) -> None:
        self.tx = tx
        self.now = now
        self.chance = chance
        self.ladders = Ladders(tx, now)
        self._before: dict[str, Incident] = {}
        self._after: dict[str, Incident] = {}
        self._opened: dict[str, None] = {}
        self._retimed: set[str] = set()
        self._events: list[Event] = []
        self._queue = Queue(self.ladders)
        self._services: dict[str, Service] = {}
        self._policies: dict[str, Policy] = {}
        self._defaults: dict[str, dict[str, Any]] = {}
        self._next_number: int | None = None
        self._numbers_taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.write()

    # --- What is on the desk

    def fetch(self, incident_ids: Collection[str]) -> None:
        """Put these incidents on the desk (locked until the transaction ends), if they are not there already."""
        missing = [incident_id for incident_id in incident_ids if incident_id not in self._after]
        if missing:
            found = incidents.load(self.tx, missing, lock=True)
            self._before |= found
            self._after |= found
            self.fetch_services({incident.service_id for incident in found.values()})

    def fetch_services(self, service_ids: Collection[str]) -> None:
        """Put these services and the policies they use on the desk."""
        missing = [service_id for service_id in service_ids if service_id not in self._services]
        if missing:
            found = services.load(self.tx, missing)
            self._services |= found
            wanted = {service.policy_id for service in found.values()} - self._policies.keys()
            self._policies |= policies.load(self.tx, wanted)
            self.ladders.prepare([self._policies[policy_id] for policy_id in sorted(wanted) if policy_id in self._policies])

    def incident(self, incident_id: str) -> Incident:
        """The incident as it is now on the desk. Refuses (404) one that does not exist."""
        self.fetch([incident_id])
        found = self._after.get(incident_id)
        if found is None:
            raise not_found("Incident")
        return found

    def service(self, service_id: str) -> Service | None:
        self.fetch_services([service_id])
        return self._services.get(service_id)

    def policy(self, policy_id: str) -> Policy:
        """The policy as it is now. Refuses (400) one that does not exist."""
        if policy_id not in self._policies:
            self._policies |= policies.load(self.tx, [policy_id])
        if policy_id not in self._policies:
            raise invalid("Escalation policy not found")
        return self._policies[policy_id]

    def open_of_services(self, service_ids: Collection[str], *, most: int) -> list[Incident]:
        """The newest open incidents of these services, with what this desk has done to them and opened."""
        self.fetch([incident.id for incident in incidents.open_of_services(self.tx, service_ids, most=most)])
        return [one for one in self._after.values() if one.service_id in service_ids and one.is_open]

    # --- What can be asked of it

    def open(
        self,
        *,
        service: Service,
        title: str,
        urgency: Urgency,
        agent: Agent,
        channel: str,
        reason: str,
        key: str | None = None,
        alert_id: str | None = None,
        policy: Policy | None = None,
        assign_to: tuple[str, ...] = (),
        priority_id: str | None = None,
        details: dict[str, object] | str | None = None,
        type_name: str = BASE_TYPE,
    ) -> Incident:
        """Begin an incident on `service`, by its own policy unless another is named."""
        policy = policy or self.policy(service.policy_id)
        command = asks.Open(
            id=ids.long_id(self.chance),
            number=self._number(),
            service_id=service.id,
            title=title,
            urgency=urgency,
            policy=policy,
            ladder=self.ladders.of(policy),
            rules=service.rules,
            agent=agent,
            channel=channel,
            reason=reason,
            key=key,
            alert_id=alert_id,
            assign_to=assign_to,
            priority_id=priority_id,
            details=details,
            type_name=type_name,
            values=self._values_of_new(type_name),
        )
        blank, decision = rules.begin(command, self.now)
        self._services.setdefault(service.id, service)
        self._opened[blank.id] = None
        return self._take(blank, decision)

    def ask(self, incident_id: str, command: Command) -> Decision:
        """Decide one command. A refusal is raised; a decision to do nothing is returned with its reason."""
        incident = self.incident(incident_id)
        decision = rules.decide(incident, command, self.now)
        if decision.refusal is not None:
            raise decision.refusal
        self._take(incident, decision)
        return decision

    def ask_with(self, incident_id: str, command: Callable[[Ladder, ServiceRules], Command]) -> Decision:
        """Decide a command that needs the incident's ladder and its service's rules as they are now."""
        incident = self.incident(incident_id)
        return self.ask(incident_id, command(self.ladders.of(incident.policy), self.rules_of(incident)))

    def rules_of(self, incident: Incident) -> ServiceRules:
        """What the incident's service says; the defaults when the service is gone."""
        service = self.service(incident.service_id)
        return service.rules if service else ServiceRules()

    def acknowledge(self, incident_id: str, agent: Agent, channel: str) -> Decision:
        return self.ask_with(incident_id, lambda _, asked: asks.Acknowledge(agent=agent, channel=channel, rules=asked))

    def unacknowledge(self, incident_id: str, agent: Agent, channel: str) -> Decision:
        return self.ask_with(
            incident_id,
            lambda ladder, asked: asks.Unacknowledge(agent=agent, channel=channel, ladder=ladder, rules=asked),
        )

    def resolve(self, incident_id: str, agent: Agent, channel: str, resolution: str | None = None) -> Decision:
        return self.ask(incident_id, asks.Resolve(agent=agent, channel=channel, resolution=resolution))

    def reopen(
        self,
        incident_id: str,
        agent: Agent,
        channel: str,
        *,
        acknowledged: bool = False,
        assign_to: tuple[str, ...] = (),
        policy_id: str | None = None,
    ) -> Decision:
        incident = self.incident(incident_id)
        service = self.service(incident.service_id)
        current = policy_id or (service.policy_id if service else incident.policy.id)
        policy = self.policy(current)
        return self.ask(
            incident_id,
            asks.Reopen(
                agent=agent,
                channel=channel,
                ladder=self.ladders.of(policy),
                rules=self.rules_of(incident),
                acknowledged=acknowledged,
                assign_to=assign_to,
                policy=policy,
            ),
        )

    def snooze(self, incident_id: str, agent: Agent, channel: str, seconds: int) -> Decision:
        return self.ask(incident_id, asks.Snooze(agent=agent, channel=channel, seconds=seconds))

    def reassign(self, incident_id: str, agent: Agent, channel: str, user_ids: Sequence[str]) -> Decision:
        people = tuple(dict.fromkeys(user_ids))
        if missing := policies.unavailable(self.tx, people):
            raise invalid(*(f"Assignee cannot be paged: {why}" for why in missing.values()))
        return self.ask(incident_id, asks.Reassign(user_ids=people, agent=agent, channel=channel))

    def delegate(self, incident_id: str, agent: Agent, channel: str, policy_id: str) -> Decision:
        policy = self.policy(policy_id)
        return self.ask(
            incident_id,
            asks.Delegate(
                policy=policy,
                ladder=self.ladders.of(policy),
                rules=self.rules_of(self.incident(incident_id)),
                agent=agent,
                channel=channel,
            ),
        )

    def escalate(self, incident_id: str, agent: Agent, channel: str, level: int | None = None) -> Decision:
        """Send it to `level` (from 0) or to the next one."""
        return self.ask_with(
            incident_id,
            lambda ladder, asked: asks.Escalate(ladder=ladder, rules=asked, agent=agent, channel=channel, level=level),
        )

    def change_urgency(self, incident_id: str, agent: Agent, channel: str, urgency: Urgency) -> Decision:
        reason = f"{agent.summary} set its urgency to {urgency.value}"
        return self.ask_with(
            incident_id,
            lambda ladder, asked: asks.ChangeUrgency(
                urgency=urgency, ladder=ladder, rules=asked, agent=agent, channel=channel, reason=reason
            ),
        )

    def change_priority(self, incident_id: str, agent: Agent, channel: str, priority_id: str | None) -> Decision:
        return self.ask(incident_id, asks.ChangePriority(priority_id=priority_id, agent=agent, channel=channel))

    def change_field(self, incident_id: str, agent: Agent, channel: str, name: str, value: object) -> Decision:
        return self.ask(incident_id, asks.ChangeField(name=name, value=value, agent=agent, channel=channel))

    def change_type(self, incident_id: str, agent: Agent, channel: str, name: str) -> Decision:
        """Let it be of the enabled type with this name (or id). Refuses (400) another."""
        type_ = incident_types.usable(self.tx, name)
        defaults = self._values_of_new(type_.name)
        return self.ask(incident_id, asks.ChangeType(name=type_.name, defaults=defaults, agent=agent, channel=channel))

    def change_values(self, incident_id: str, agent: Agent, channel: str, values: Sequence[tuple[str, Any]]) -> Decision:
        """Give fields (by id or name) these values; None takes a value away. Refuses (400) what the fields do not take."""
        fields = incident_types.fields_of_type(self.tx, self.incident(incident_id).type_name)
        errors: list[str] = []
        changes: dict[str, FieldValue] = {}
        for named, value in values:
            found = next((one for one in fields if named in {one.id, one.name}), None)
            if found is None:
                errors.append(f"Custom field '{named[:64]}' does not exist for incidents of this type")
            elif found.id in changes:
                errors.append(f"{found.name} is named twice")
            elif wrong := custom_field.value_errors(found.rule, value):
                errors += wrong
            else:
                changes[found.id] = FieldValue(
                    found.id, found.name, found.display_name, found.data_type, found.field_type, value, None
                )
        if errors:
            raise invalid(*errors)
        return self.ask(incident_id, asks.ChangeValues(changes=tuple(changes.values()), agent=agent, channel=channel))

    def _values_of_new(self, type_name: str) -> dict[str, Any]:
        """What the fields of this type begin with, read once for all incidents on the desk."""
        if type_name not in self._defaults:
            self._defaults[type_name] = incident_types.defaults_of_type(self.tx, type_name)
        return self._defaults[type_name]

    def ask_for_help(
        self,
        incident_id: str,
        agent: Agent,
        channel: str,
        *,
        requester_id: str,
        message: str,
        user_ids: Sequence[str],
        policy_ids: Sequence[str] = (),
    ) -> str:
        """Ask these people, and those on call by these policies, to help; the id of the request."""
        people = tuple(dict.fromkeys(user_ids))
        if missing := policies.unavailable(self.tx, people):
            raise invalid(*(f"Responder cannot be asked: {why}" for why in missing.values()))
        chosen = [self.policy(policy_id) for policy_id in dict.fromkeys(policy_ids)]
        command = asks.AskForHelp(
            request_id=ids.object_id(self.chance),
            requester_id=requester_id,
            message=message,
            user_ids=people,
            policies=tuple((policy, self.ladders.of(policy)) for policy in chosen),
            agent=agent,
            channel=channel,
        )
        self.ask(incident_id, command)
        return command.request_id

    def answer_request(self, incident_id: str, agent: Agent, channel: str, *, joins: bool) -> Decision:
        """The agent, who was asked to help, joins or declines."""
        return self.ask(incident_id, asks.AnswerRequest(joins=joins, agent=agent, channel=channel))

    def cancel_requests(self, incident_id: str, agent: Agent, channel: str, targets: Sequence[tuple[str, str]]) -> list[str]:
        """Ask these targets (`user` or `escalation_policy`, id) no further; by target, what it came to."""
        incident = self.incident(incident_id)
        fates = [responders.fate_if_cancelled(incident.responders, incident.walks, kind, id_) for kind, id_ in targets]
        command = asks.CancelRequests(
            user_ids=tuple(id_ for kind, id_ in targets if kind == "user"),
            policy_ids=tuple(id_ for kind, id_ in targets if kind != "user"),
            agent=agent,
            channel=channel,
        )
        self.ask(incident_id, command)
        return fates

    def publish_update(
        self,
        incident_id: str,
        agent: Agent,
        channel: str,
        text: str,
        *,
        subject: str | None = None,
        html: str | None = None,
        public_url: str = "",
    ) -> str:
        """Tell how it stands to whoever subscribed, and to its assignees; the id of the update."""
        incident = self.incident(incident_id)
        if status_updates.count(self.tx, incident_id) >= status_updates.UPDATES_MOST:
            raise invalid(f"an incident holds at most {status_updates.UPDATES_MOST} status updates")
        update_id = ids.object_id(self.chance)
        update = status_updates.Update(update_id, incident, text, subject, html, agent)
        status_updates.keep(self.tx, update, now=self.now)
        command = asks.PublishStatusUpdate(update_id=update_id, message=text, agent=agent, channel=channel)
        self.ask(incident_id, command)
        status_updates.tell(self.tx, update, public_url=public_url, now=self.now, chance=self.chance)
        return update_id

    def annotate(self, incident_id: str, agent: Agent, channel: str, content: str) -> str:
        """Write a note; returns its id."""
        self.incident(incident_id)
        notes = tables.note.c
        how_many = self.tx.scalar(
            sa.select(sa.func.count()).select_from(tables.note).where(notes.incident_id == incident_id)
        )
        if how_many >= states.MAX_NOTES:
            raise invalid(f"an incident holds at most {states.MAX_NOTES} notes")
        note_id = ids.object_id(self.chance)
        row: dict[str, Any] = {
            "id": note_id,
            "incident_id": incident_id,
            "user_id": agent.id if agent.is_user else None,
            "content": content,
            "channel": channel,
            "created_at": self.now,
            "updated_at": self.now,
        }
        self.tx.execute(sa.insert(tables.note), [row])
        self.ask(incident_id, asks.Annotate(note_id=note_id, content=content, agent=agent, channel=channel))
        return note_id

    def merge(self, target_id: str, source_ids: Sequence[str], agent: Agent, channel: str) -> Incident:
        """Let `target` take the alerts of the sources, which end by it (BEHAVIOUR 3.1, code 1019)."""
        self.fetch([target_id, *source_ids])  # all at once: two merges never wait for each other in a circle
        target = self.incident(target_id)
        sources = [self.incident(source_id) for source_id in dict.fromkeys(source_ids)]
        if not target.is_open:
            raise rules.refuse_merge("the target of a merge must be open")
        for source in sources:
            if source.id == target_id:
                raise rules.refuse_merge("an incident cannot be merged into itself")
            if source.merged_into:
                raise rules.refuse_merge(f"incident #{source.number} was merged already")
        for source in sources:
            moving = alerts.of_incidents(self.tx, [source.id])
            still_open = sum(alert.status == "triggered" for alert in moving)
            self.ask(
                target_id,
                asks.TakeAlerts(
                    count=len(moving),
                    open_count=still_open,
                    from_id=source.id,
                    from_number=source.number,
                    agent=agent,
                    channel=channel,
                ),
            )
            alerts.move(self.tx, [alert.id for alert in moving], target_id, self.now)
            if source.is_open:
                merging = asks.MergeInto(
                    target_id=target_id, target_number=target.number, agent=agent, channel=channel
                )
                self.ask(source.id, merging)
            else:
                self._put(replace(source, merged_into=target_id, alerts_total=0, alerts_open=0))
        return self._after[target_id]

    def resolve_alerts(self, resolving: Sequence[Alert], agent: Agent, channel: str) -> None:
        """Resolve these open alerts by hand; an incident goes with its last one."""
        ended = [
            replace(alert, status="resolved", resolved_at=self.now, updated_at=self.now)
            for alert in self._as_they_are(resolving)
            if alert.status == "triggered"
        ]
        alerts.update(self.tx, ended)
        for alert in ended:
            if alert.incident_id:
                ending = asks.EndAlert(alert_id=alert.id, summary=alert.summary, agent=agent, channel=channel)
                self.ask(alert.incident_id, ending)

    def move_alerts(self, moving: Sequence[Alert], target_id: str, agent: Agent, channel: str) -> None:
        """Let these alerts belong to another, open incident. What is left without an open alert is over by it."""
        moving = self._as_they_are(moving, target_id)
        target = self.incident(target_id)
        by_source: dict[str, list[Alert]] = {}
        for alert in moving:
            if alert.incident_id and alert.incident_id != target_id:
                by_source.setdefault(alert.incident_id, []).append(alert)
        for source_id, these in by_source.items():
            source = self.incident(source_id)
            open_count = sum(alert.status == "triggered" for alert in these)
            self.ask(
                target_id,
                asks.TakeAlerts(
                    count=len(these),
                    open_count=open_count,
                    from_id=source_id,
                    from_number=source.number,
                    agent=agent,
                    channel=channel,
                ),
            )
            giving = asks.GiveAlerts(
                count=len(these),
                open_count=open_count,
                to_id=target_id,
                to_number=target.number,
                agent=agent,
                channel=channel,
            )
            self.ask(source_id, giving)
            alerts.move(self.tx, [alert.id for alert in these], target_id, self.now)

    def _as_they_are(self, known: Sequence[Alert], *also: str) -> list[Alert]:
        """These alerts as they are now that nobody else can change them: their incidents (and `also`) are locked.

        Alerts change only with their incident locked, so those read before the lock may have changed meanwhile.
        """
        wanted = [alert.id for alert in known]
        while True:
            missing = {alert.incident_id for alert in known if alert.incident_id} - self._after.keys()
            self.fetch(missing.union(also))
            found = alerts.load(self.tx, wanted)
            known = [found[alert_id] for alert_id in wanted if alert_id in found]
            if not {alert.incident_id for alert in known if alert.incident_id} - self._after.keys() - missing:
                return known

    def fire(self, incident_id: str, timer: states.Timer, due_at: datetime) -> Decision | None:
        """A timer of the incident is due and its row is taken. None: the incident no longer exists."""
        self.fetch([incident_id])
        if incident_id not in self._after:
            return None
        self._retimed.add(incident_id)
        walks = self._after[incident_id].walks if timer is states.Timer.ASK_FURTHER else ()
        helping = {walk.policy.id: self.ladders.of(walk.policy) for walk in walks}
        return self.ask_with(
            incident_id,
            lambda ladder, asked: asks.TimerFired(
                timer=timer, due_at=due_at, ladder=ladder, rules=asked, asked=helping
            ),
        )

    # --- What is written

    def _number(self) -> int:
        """The next incident number; the counter's row is ours until the transaction ends."""
        if self._next_number is None:
            self._next_number = counters.take(self.tx, "incidents", 0)
        number = self._next_number + self._numbers_taken
        self._numbers_taken += 1
        return number

    def _take(self, incident: Incident, decision: Decision) -> Incident:
        for event in decision.events:
            incident = states.evolve(incident, event)
        self._events.extend(decision.events)
        effects: Iterable[Effect] = decision.effects
        self._queue.add(incident.id, effects, is_new=incident.id in self._opened)
        return self._put(incident)

    def _put(self, incident: Incident) -> Incident:
        self._after[incident.id] = incident
        return incident

    def write(self) -> None:
        """Write all that was decided since the last time."""
        if self._numbers_taken:
            counters.take(self.tx, "incidents", self._numbers_taken)
        opened = [self._after[incident_id] for incident_id in self._opened]
        changed = [
            incident
            for incident_id, incident in self._after.items()
            if incident_id not in self._opened and incident is not self._before[incident_id]
        ]
        incidents.insert(self.tx, opened)
        reassigned = {one.id for one in changed if one.user_ids != self._before[one.id].user_ids}
        incidents.update(self.tx, changed, reassigned=reassigned)
        self._write_timers(opened, changed)
        more = self._queue.write(self.tx, self._after, self._events, now=self.now, chance=self.chance)
        events.append(self.tx, [*self._events, *more], chance=self.chance)
        self._begin_anew()

    def _write_timers(self, opened: Sequence[Incident], changed: Sequence[Incident]) -> None:
        setting: list[timers.Due] = []
        dropping: list[tuple[str, str]] = []
        touched = {one.id: one for one in (*opened, *changed)} | {
            incident_id: self._after[incident_id] for incident_id in self._retimed
        }
        for incident_id, incident in touched.items():
            now_pending = states.pending(incident)
            fresh = incident_id in self._opened or incident_id in self._retimed
            was_pending: Mapping[states.Timer, datetime] = {} if fresh else states.pending(self._before[incident_id])
            setting += [
                timers.Due(incident_id, timer.value, due_at)
                for timer, due_at in now_pending.items()
                if was_pending.get(timer) != due_at
            ]
            gone = (
                was_pending
                if not fresh
                else (states.pending(self._before[incident_id]) if incident_id in self._before else {})
            )
            dropping += [(incident_id, timer.value) for timer in gone if timer not in now_pending]
        timers.drop_many(self.tx, dropping)
        timers.set_many(self.tx, setting)
        if setting:
            self.tx.wake("timers")

    def _begin_anew(self) -> None:
        self._before = dict(self._after)
        self._opened.clear()
        self._retimed.clear()
        self._events.clear()
        self._queue = Queue(self.ladders)
        self._next_number, self._numbers_taken = None, 0
