"""Maintenance windows, as PagerDuty's API shows them (BEHAVIOUR 2.4, tag Maintenance Windows).

A window is seen by whoever sees one of its services, and names only those; changing it takes the right over all of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, filters, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Reference, Report
from tocsin.api.resources import shapes, teams, users
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import maintenance as rules
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.service import maintenance as deeds
from tocsin.store import maintenance as store
from tocsin.store.tables.people import team, user
from tocsin.store.tables.service_rules import maintenance_service, maintenance_window
from tocsin.store.tables.services import escalation_policy, service

KIND = "maintenance_window"
TAG = "Maintenance Windows"
INCLUDES = frozenset({"teams", "services", "users"})


class WindowWrite(msgspec.Struct):
    """What a client may say of a window."""

    start_time: str | UnsetType | None = UNSET
    end_time: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    services: list[Reference] | UnsetType | None = UNSET


def shown(call: Call, rows: Sequence[sa.Row[Any]]) -> list[Body]:
    """Windows as bodies, with those of their services that the actor may see."""
    linked = store.service_ids(call.tx, [row.id for row in rows])
    known = shapes.seen_by_id(call, "service", service, (id_ for ids in linked.values() for id_ in ids))
    policies = shapes.rows_by_id(call, escalation_policy, (row.escalation_policy_id for row in known.values()))
    named = shapes.seen_by_id(call, "team", team, (policy.team_id for policy in policies.values()))
    makers = shapes.rows_by_id(call, user, (row.created_by_id for row in rows if row.created_by_type == "user_reference"))
    whole: dict[tuple[str, str], Body] = {}
    if "services" in call.includes:
        found = list(known.values())
        whole |= {("service", row.id): body for row, body in zip(found, shapes.services(call, found), strict=True)}
    if "users" in call.includes:
        found = list(makers.values())
        whole |= {("user", row.id): body for row, body in zip(found, users.shown(call, found), strict=True)}
    if "teams" in call.includes:
        found = list(named.values())
        whole |= {("team", row.id): body for row, body in zip(found, teams.shown(call, found), strict=True)}
    zone = shapes.zone(call.query.one("time_zone"))
    bodies = []
    for row in rows:
        mine = sorted((known[id_] for id_ in linked[row.id] if id_ in known), key=lambda one: (one.name, one.id))
        team_ids = dict.fromkeys(policies[one.escalation_policy_id].team_id for one in mine)
        body = {
            **envelope.common(call.house, KIND, row.id, row.description),
            "sequence_number": row.sequence_number,
            "start_time": times.iso(row.start_at, zone),
            "end_time": times.iso(row.end_at, zone),
            "description": row.description,
            "services": [
                whole.get(("service", one.id)) or envelope.reference(call.house, "service", one.id, one.name) for one in mine
            ],
            "teams": [
                whole.get(("team", id_)) or envelope.reference(call.house, "team", id_, named[id_].name)
                for id_ in team_ids
                if id_ in named
            ],
        }
        if row.created_by_type == "user_reference":
            body["created_by"] = whole.get(("user", row.created_by_id)) or envelope.reference(
                call.house, "user", row.created_by_id, row.created_by_name
            )
        bodies.append(body)
    return bodies


def visible(call: Call) -> list[sa.ColumnElement[bool]]:
    """Only windows of services that the actor may see."""
    seen = access.visible(call.actor, "service")
    return [] if seen is None else [maintenance_window.c.id.in_(_of(seen))]


def _of(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The windows of services that fulfil a condition."""
    return (
        sa.select(maintenance_service.c.window_id)
        .join(service, service.c.id == maintenance_service.c.service_id)
        .where(condition)
    )


def list_(call: Call) -> Body:
    conditions = visible(call) + filters.searched(call.query, [maintenance_window.c.description])
    wanted = rules.FILTERS[call.query.choice("filter", tuple(rules.FILTERS), default="all")]
    start, end, now = maintenance_window.c.start_at, maintenance_window.c.end_at, call.now
    stands = {rules.PAST: end <= now, rules.ONGOING: sa.and_(start <= now, end > now), rules.FUTURE: start > now}
    conditions.append(sa.or_(*(stands[word] for word in wanted)))
    if ids := call.query.many("service_ids[]"):
        conditions.append(maintenance_window.c.id.in_(_of(service.c.id.in_(ids))))
    if ids := call.query.many("team_ids[]"):
        conditions.append(maintenance_window.c.id.in_(_of(access.TEAM_OF["service"].in_(ids))))
    window = paging.window(call.query)
    chosen = sa.select(maintenance_window).where(*conditions).order_by(start, maintenance_window.c.id)
    rows = call.tx.rows(chosen.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(maintenance_window).where(*conditions))
    return {
        "maintenance_windows": shown(call, rows[: window.limit]),
        **window.answer(more=len(rows) > window.limit, total=total),
    }


def found(call: Call, action: str = permission.READ) -> sa.Row[Any]:
    """The window. Raises 404 when there is none that the actor may see, 403 when it may not do this to every service of it."""
    row = call.tx.one(sa.select(maintenance_window).where(maintenance_window.c.id == call.id, *visible(call)))
    if row is None:
        raise access.missing(KIND)
    if action != permission.READ:
        allow(call, action, store.service_ids(call.tx, [row.id])[row.id])
    return row


def allow(call: Call, action: str, service_ids: Sequence[str]) -> None:
    """Return if the actor may do this to a window of these services; a service it may not see is not there for it."""
    access.allow(call.actor, action, Thing(KIND)) if not service_ids else None
    for id_ in dict.fromkeys(service_ids):
        row = access.find(call.tx, call.actor, "service", service, id_)
        access.allow(call.actor, action, Thing(KIND, teams=access.thing_of("service", row).teams))


def _instant(text: str | UnsetType | None, name: str) -> datetime | None:
    """The instant of a field. Raises 400/2001 when it is none."""
    if not isinstance(text, str):
        return None
    try:
        return times.parse_instant(text)
    except ValueError as error:
        raise invalid(f"{name}: {error}") from error


def _ids(wish: WindowWrite) -> list[str] | None:
    return [one.id for one in wish.services] if isinstance(wish.services, list) else None


def create(call: Call, wish: WindowWrite) -> Body:
    if not permission.may(call.actor, permission.CREATE, Thing(KIND)).allowed and not call.actor.teams:
        access.allow(call.actor, permission.CREATE, Thing(KIND))
    start, end, service_ids = _instant(wish.start_time, "Start time"), _instant(wish.end_time, "End time"), _ids(wish)
    missing = [] if start else ["Start time cannot be empty"]
    missing += [] if end else ["End time cannot be empty"]
    missing += [] if service_ids else ["Services cannot be empty: name at least one"]
    if start is None or end is None or not service_ids:
        raise invalid(*missing)
    if len(service_ids) <= deeds.SERVICES_MOST:
        allow(call, permission.CREATE, service_ids)
    words = wish.description if isinstance(wish.description, str) else ""
    made = deeds.plan(call.tx, call.deed, start=start, end=end, service_ids=service_ids, description=words)
    return _body(call, made)


def show(call: Call) -> Body:
    return shown(call, [found(call)])[0]


def update(call: Call, wish: WindowWrite) -> Body:
    row = found(call, permission.UPDATE)
    service_ids = _ids(wish)
    if service_ids is not None and len(service_ids) <= deeds.SERVICES_MOST:
        allow(call, permission.UPDATE, service_ids)
    words = "" if wish.description is None else wish.description
    deeds.change(
        call.tx,
        call.deed,
        row.id,
        start=_instant(wish.start_time, "Start time"),
        end=_instant(wish.end_time, "End time"),
        service_ids=service_ids,
        description=words if isinstance(words, str) else None,
    )
    return _body(call, row.id)


def remove(call: Call) -> Reply:
    deeds.remove(call.tx, call.deed, found(call, permission.DELETE).id)
    return Reply(204)


def _body(call: Call, window_id: str) -> Body:
    row = call.tx.one(sa.select(maintenance_window).where(maintenance_window.c.id == window_id))
    if row is None:
        raise access.missing(KIND)
    return shown(call, [row])[0]


_ALL, _ONE = "/maintenance_windows", "/maintenance_windows/{id}"

DECLARED = (
    Report(_ALL, TAG, list_, scope="services.read", includes=INCLUDES),
    Action(
        method="POST", path=_ALL, tag=TAG, run=create, body=WindowWrite, wrap_in=KIND, wrap_out=KIND, status=201,
        scope="services.write", from_needed=True,
    ),
    Report(_ONE, TAG, show, scope="services.read", wrap_out=KIND, includes=INCLUDES),
    Action(method="PUT", path=_ONE, tag=TAG, run=update, body=WindowWrite, wrap_in=KIND, wrap_out=KIND, scope="services.write"),
    Action(method="DELETE", path=_ONE, tag=TAG, run=remove, scope="services.write", also=(405,)),
)  # fmt: skip
