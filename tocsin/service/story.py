"""One incident as people read it: whose it is, what comes next, what happened, who was told, and by which event it came.

Laws:
1. Only what the viewer may see is read.
2. What comes next is asked of the same ladder that the engine will climb; nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.core import escalation
from tocsin.core.escalation import Climb, Exhausted, Ladder, Policy, Strategy
from tocsin.core.incident_state import Incident
from tocsin.core.permission import READ, Actor
from tocsin.service import access, schedules
from tocsin.service.browsing import Names, user_names
from tocsin.store import alerts, events, incidents, outbox, policies
from tocsin.store.alerts import Alert
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables import incidents as incident_tables
from tocsin.store.tables import services as service_tables

EVENTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Next:
    """What happens by itself, and when; `at` None: nothing does."""

    words: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """Everything one page says of an incident."""

    incident: Incident
    service: sa.Row[Any] | None
    next: Next
    entries: Sequence[Entry]
    alerts: Sequence[Alert]
    pages: Sequence[sa.Row[Any]]
    deliveries: dict[str, list[sa.Row[Any]]]
    arrivals: Sequence[sa.Row[Any]]
    names: Names
    ladder: Ladder

    def name_of(self, user_id: str | None) -> str:
        return self.names(user_id)


def tell(tx: Tx, actor: Actor, incident_id: str, now: datetime) -> Story:
    """The whole story of an incident. Raises 404 when there is none that this actor may know of."""
    found = incidents.find(tx, incident_id)
    row = access.find(tx, actor, "incident", incident_tables.incident, found.id if found else incident_id, READ)
    incident = incidents.read([row])[0]
    ladder = ladder_of(tx, incident.policy, now)
    names = user_names(tx)
    deliveries: dict[str, list[sa.Row[Any]]] = {}
    for delivery in outbox.deliveries_of_incident(tx, incident.id):
        deliveries.setdefault(delivery.outbox_id, []).append(delivery)
    table = service_tables.service
    return Story(
        incident,
        tx.one(sa.select(table).where(table.c.id == incident.service_id)),
        next_step(incident, ladder, names),
        events.of_incident(tx, incident.id),
        alerts.of_incidents(tx, [incident.id]),
        outbox.pages_of_incident(tx, incident.id),
        deliveries,
        arrivals(tx, incident.id),
        names,
        ladder,
    )


def change_mark(tx: Tx, incident_id: str) -> object:
    """A value that changes whenever the story has changed."""
    delivery, page, event = engine_tables.delivery.c, engine_tables.outbox.c, engine_tables.event.c
    log = tx.scalar(sa.select(sa.func.max(event.position)).where(event.incident_id == incident_id))
    tried = tx.one(
        sa.select(sa.func.count(), sa.func.max(delivery.ended_at), sa.func.max(delivery.updated_at)).where(delivery.incident_id == incident_id)
    )
    owed = tx.rows(sa.select(page.state, sa.func.count()).where(page.incident_id == incident_id).group_by(page.state).order_by(page.state))
    return log, tuple(tried or ()), tuple(tuple(row) for row in owed)


def arrivals(tx: Tx, incident_id: str) -> Sequence[sa.Row[Any]]:
    """The events of the journal that are about this incident, oldest first; the newest ones if there are many."""
    inbox = engine_tables.inbox
    newest = sa.select(inbox).where(inbox.c.incident_id == incident_id).order_by(inbox.c.received_at.desc(), inbox.c.id.desc())
    return tx.rows(newest.limit(EVENTS_SHOWN))[::-1]


def ladder_of(tx: Tx, policy: Policy, now: datetime) -> Ladder:
    """Who stands on each level of the policy now, read without locking anything."""
    targets = {target for rule in policy.rules for target in rule.targets}
    schedule_ids = sorted(target.id for target in targets if target.type != "user")
    names = policies.schedule_names(tx, schedule_ids)
    on_call = {
        id_: tuple(one.user_id for one in people)
        for id_, people in schedules.people_on_call(tx, schedule_ids, now).items()
        if id_ in names
    }
    people = {target.id for target in targets if target.type == "user"} | {one for many in on_call.values() for one in many}
    rings = [rule.id for rule in policy.rules if rule.strategy is Strategy.ROUND_ROBIN]
    turns = policies.last_turns(tx, rings)
    return escalation.stand(policy, on_call, unavailable=policies.unavailable(tx, people), turns=turns, schedule_names=names)


def next_step(incident: Incident, ladder: Ladder, names: Names) -> Next:
    """What happens by itself if nobody does anything."""
    if not incident.is_open:
        return Next("It is over")
    if incident.unacknowledge_at is not None:
        why = "Comes back from its snooze" if incident.is_snoozed else "The acknowledgement runs out and its people are paged again"
        return Next(why, incident.unacknowledge_at)
    if incident.escalate_at is None:
        return Next(_still(incident))
    if incident.nobody_reason:
        return Next("Nobody is on call; Tocsin looks again for somebody", incident.escalate_at)
    step = escalation.following(ladder, level=incident.level, loop=incident.loop, ring_tried=incident.ring_tried, holders=incident.user_ids)
    if isinstance(step, Climb):
        people = " and ".join(names(person.user_id) for person in step.people)
        again = ", the policy beginning again" if step.repeats else ""
        return Next(f"Escalates to {people} (level {step.level + 1}{again})", incident.escalate_at)
    if isinstance(step, Exhausted):
        return Next("The policy ends; nobody else will be paged", incident.escalate_at)
    return Next("Looks for somebody on call", incident.escalate_at)


def _still(incident: Incident) -> str:
    """Why nothing happens by itself to an open incident."""
    if incident.status == "acknowledged":
        return "Stays acknowledged until somebody resolves it"
    if incident.is_exhausted:
        return "The policy has ended: nobody else will be paged"
    if incident.assigned_via == "direct_assignment":
        return "Assigned by hand: it does not escalate by itself"
    if incident.urgency == "low":
        return "Low urgency: it does not escalate by itself"
    return "Nothing happens by itself"
