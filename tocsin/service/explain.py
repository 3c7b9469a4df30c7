"""Gathers all that was written down about an incident or an event, and has it explained (core/explain.py).

Laws:
1. Only what the actor may see is explained; anything else is not there for it.
2. Who was on call is asked of the schedules as they were at that instant, never as they are now.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core import explain as rules
from tocsin.core import permission
from tocsin.core.escalation import Policy
from tocsin.core.events import Assigned, Delegated, Escalated, Event, LevelSkipped, Reopened
from tocsin.core.explain import Arrival, Chain, Level, OwedPage, Records, Standing, Try
from tocsin.core.incident_state import Incident
from tocsin.core.permission import READ, Actor, Thing
from tocsin.service import access, schedules
from tocsin.store import events, incidents, outbox, policies
from tocsin.store.db import Tx
from tocsin.store.tables import engine, people, services
from tocsin.store.tables import incidents as tables
from tocsin.store.tables import schedules as schedule_tables

ASKED_FOR: Final = "incident_or_event"
ARRIVALS_MOST: Final = 500
"""Events of one incident that are told; of more, the newest are left out."""


def explain(tx: Tx, actor: Actor, asked: str, zone: tzinfo = UTC) -> Chain:
    """Why people were or were not paged: of an incident (id, number, `#12`) or an event (journal id, or dedup key: its newest).

    Times in its sentences are wall clock in `zone`. Raises 404 when there is neither for this actor.
    """
    incident = incidents.find(tx, asked.removeprefix("#"))
    if incident is not None:
        _or_neither(tx, actor, "incident", tables.incident, incident.id)
        return rules.explain(_records(tx, incident, zone))
    inbox = engine.inbox
    newest = sa.select(inbox).where(sa.or_(inbox.c.id == asked, inbox.c.dedup_key == asked))
    row = tx.one(newest.order_by(inbox.c.received_at.desc(), inbox.c.id.desc()).limit(1))
    if row is None:
        raise access.missing(ASKED_FOR)
    _may_see(tx, actor, row)
    found = incidents.find(tx, row.incident_id) if row.incident_id else None
    if found is not None:
        _or_neither(tx, actor, "incident", tables.incident, found.id)
        return rules.explain(_records(tx, found, zone))
    return rules.explain(Records(None, _arrivals(tx, [row]), zone=zone))


def _may_see(tx: Tx, actor: Actor, row: sa.Row[Any]) -> None:
    """An event is its service's; one of no service is seen by whoever sees services at all."""
    if row.service_id and tx.scalar(sa.select(services.service.c.id).where(services.service.c.id == row.service_id)):
        _or_neither(tx, actor, "service", services.service, row.service_id)
    elif not permission.may(actor, READ, Thing("service")).allowed:
        raise access.missing(ASKED_FOR)


def _or_neither(tx: Tx, actor: Actor, kind: str, table: sa.Table, id_: str) -> None:
    """Return if the actor may see this; else refuse as if there was neither an incident nor an event."""
    if not access.known(tx, actor, kind, table, [id_]):
        raise access.missing(ASKED_FOR)


def _records(tx: Tx, incident: Incident, zone: tzinfo) -> Records:
    inbox = engine.inbox.c
    arrived = tx.rows(
        sa.select(engine.inbox)
        .where(inbox.incident_id == incident.id)
        .order_by(inbox.received_at, inbox.arrival)
        .limit(ARRIVALS_MOST)
    )
    log = [entry.event for entry in events.of_incident(tx, incident.id)]
    pages = _pages(tx, incident.id)
    levels = _levels(tx, incident, log)
    involved = {one.user_id for level in levels for one in level.standing} | {page.user_id for page in pages}
    involved |= {user_id for event in log for user_id in getattr(event, "user_ids", ())}
    involved |= {event.user_id for event in log if hasattr(event, "user_id")}
    user = people.user.c
    rows = tx.rows(sa.select(user.id, user.name).where(user.id.in_(sorted(involved))))
    return Records(
        incident,
        _arrivals(tx, arrived),
        log,
        pages,
        levels,
        {row.id: row.name for row in rows},
        policies.unavailable(tx, involved),
        zone,
    )


def _arrivals(tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[Arrival]:
    way, service = services.integration.c, services.service.c
    keys = sorted({row.routing_key for row in rows})
    ways = {
        row.routing_key: row.name
        for row in tx.rows(sa.select(way.routing_key, way.name).where(way.routing_key.in_(keys)))
    }
    ids = sorted({row.service_id for row in rows if row.service_id})
    names = {row.id: row.name for row in tx.rows(sa.select(service.id, service.name).where(service.id.in_(ids)))}
    return [
        Arrival(
            row.id,
            row.received_at,
            row.reader,
            ways.get(row.routing_key, ""),
            row.routing_key[-4:],
            names.get(row.service_id, "a service that is gone"),
            row.action or "",
            row.dedup_key or "",
            row.summary or "",
            row.outcome,
            row.reason or "",
        )
        for row in rows
    ]


def _pages(tx: Tx, incident_id: str) -> list[OwedPage]:
    tries: dict[str, list[Try]] = {}
    for one in outbox.deliveries_of_incident(tx, incident_id):
        tries.setdefault(one.outbox_id, []).append(Try(one.started_at, one.address, one.outcome, one.detail or ""))
    return [
        OwedPage(
            row.user_id,
            row.lane,
            row.purpose,
            row.created_at,
            row.due_at,
            row.state,
            row.reason,
            row.sent_at,
            tuple(tries.get(row.id, ())),
        )
        for row in outbox.pages_of_incident(tx, incident_id)
    ]


def _levels(tx: Tx, incident: Incident, log: Sequence[Event]) -> list[Level]:
    """Each level of the policy, with whom it names and who was there when the incident came to it."""
    began = incident.created_at
    reached: dict[int, datetime] = {}
    passed: dict[int, datetime] = {}
    for event in log:
        match event:
            case Assigned() | Escalated() if event.level >= 0:
                reached.setdefault(event.level, event.at)
            case LevelSkipped():
                passed.setdefault(event.level, event.at)
            case Delegated() | Reopened():
                reached.clear()
                passed.clear()
                began = event.at
            case _:
                pass
    policy = incident.policy
    ids = sorted({target.id for rule in policy.rules for target in rule.targets if target.type != "user"})
    names = policies.schedule_names(tx, ids)
    members = _members(tx, ids)
    levels = []
    for number in range(len(policy.rules)):
        came_at = reached.get(number) or passed.get(number)
        standing = _standing(tx, policy, number, came_at or began, names, members)
        levels.append(Level(number, standing, reached.get(number)))
    return levels


def _members(tx: Tx, schedule_ids: Sequence[str]) -> dict[str, list[str]]:
    link = schedule_tables.schedule_user.c
    found: dict[str, list[str]] = {}
    rows = tx.rows(
        sa.select(link.schedule_id, link.user_id).where(link.schedule_id.in_(schedule_ids)).order_by(link.user_id)
    )
    for row in rows:
        found.setdefault(row.schedule_id, []).append(row.user_id)
    return found


def _standing(
    tx: Tx, policy: Policy, number: int, instant: datetime, names: dict[str, str], members: dict[str, list[str]]
) -> tuple[Standing, ...]:
    """Whom a level names: the people themselves, who is on call on its schedules at the instant, and their other members."""
    targets = policy.rules[number].targets
    on_call = schedules.people_on_call(tx, [target.id for target in targets if target.type != "user"], instant)
    found: dict[str, Standing] = {}
    for target in targets:
        if target.type == "user":
            found[target.id] = Standing(target.id, None, is_on_call=True)
            continue
        schedule = names.get(target.id, "a schedule that is gone")
        for one in on_call.get(target.id, ()):
            if one.user_id not in found or not found[one.user_id].is_on_call:
                found[one.user_id] = Standing(one.user_id, schedule, is_on_call=True)
        for user_id in members.get(target.id, ()):
            found.setdefault(user_id, Standing(user_id, schedule, is_on_call=False))
    return tuple(found.values())
