"""Heartbeats over the API: what promises to call by a time, where, and how it stands; silence opens an incident on its service."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.filters import searched
from tocsin.api.kernel.spec import Action, Body, Reference, Report
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import heartbeat as rules
from tocsin.core import permission
from tocsin.core.heartbeat import Schedule
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.service import heartbeats as deeds
from tocsin.store import heartbeats as store
from tocsin.store.tables.services import integration, service
from tocsin.store.tables.watching import heartbeat

KIND = "heartbeat"
TAG = "Heartbeats"
ALL, ONE = "/api/v1/heartbeats", "/api/v1/heartbeats/{id}"
PINGS_LISTED = 10
"""Pings that stand in each heartbeat of a list; the one alone has all that are kept."""


class ScheduleWrite(msgspec.Struct):
    """When a ping is expected: `period` (seconds after the last one) or `calendar` (an RFC 5545 rule, in a zone, from `first` on)."""

    type: str
    seconds: int | None = None
    rule: str | None = None
    time_zone: str | None = None
    first: str | None = None


class HeartbeatWrite(msgspec.Struct):
    """What a client may say of a heartbeat. `grace` is in seconds."""

    name: str | UnsetType = UNSET
    service: Reference | UnsetType = UNSET
    schedule: ScheduleWrite | UnsetType = UNSET
    grace: int | UnsetType = UNSET


def read_schedule(wish: ScheduleWrite, now: datetime) -> Schedule:
    """The schedule that is wished for. Raises 400/2001 in words."""
    try:
        if wish.type == "period" and wish.seconds is not None:
            return rules.Period(timedelta(seconds=wish.seconds))
        if wish.type == "calendar" and wish.rule and wish.time_zone:
            zone = times.zone_named(wish.time_zone)
            first = times.parse_instant(wish.first, zone=zone) if wish.first else now
            return rules.calendar(first.replace(microsecond=0), wish.time_zone, wish.rule)
    except (ValueError, OverflowError) as error:
        raise invalid(f"Schedule: {error}") from error
    raise invalid("Schedule is either of type period with seconds, or of type calendar with rule and time_zone")


def _grace(seconds: int) -> timedelta:
    try:
        return timedelta(seconds=seconds)
    except OverflowError as error:
        raise invalid("Grace: it is too long") from error


def shown(call: Call, rows: Sequence[sa.Row[Any]], pings_most: int = PINGS_LISTED) -> list[Body]:
    """Heartbeats as bodies; the address only for those who may see the keys of their service."""
    pings = store.pings(call.tx, [row.id for row in rows], pings_most)
    things = access.known(call.tx, call.actor, "service", service, (row.service_id for row in rows))
    return [_body(call, row, pings[row.id], things.get(row.service_id, Thing("service"))) for row in rows]


def _body(call: Call, row: sa.Row[Any], pings: Sequence[sa.Row[Any]], owner: Thing) -> Body:
    may_see = permission.may(call.actor, permission.READ_KEY, owner).allowed
    return {
        **envelope.common(call.house, KIND, row.id, row.name, path=f"{ALL}/{row.id}"),
        "name": row.name,
        "service": envelope.reference(call.house, "service", row.service_id, row.service_name),
        "schedule": row.schedule,
        "grace": row.grace_seconds,
        "status": rules.standing(store.beat(row), call.now),
        "reason": row.reason,
        "expected_at": _iso(row.expected_at),
        "due_at": _iso(row.due_at),
        "started_at": _iso(row.started_at),
        "last_ping_at": _iso(row.last_ping_at),
        "ping_count": row.ping_count,
        "address": deeds.address(call.seals, call.house.base_url, row) if may_see else None,
        "created_at": times.iso(row.created_at),
        "pings": [
            {
                "number": one.number, "at": times.iso(one.at), "kind": one.kind, "exit_status": one.exit_status,
                "lasted_ms": one.lasted_ms, "method": one.method, "body": one.body if may_see else None,
            }
            for one in pings
        ],
    }  # fmt: skip


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else times.iso(instant)


def list_(call: Call) -> Body:
    """The heartbeats of services that the actor may see, by name; of some `service_ids[]`, with words of `query`."""
    conditions = searched(call.query, [heartbeat.c.name])
    seen = access.visible(call.actor, "service")
    conditions += [] if seen is None else [seen]
    if ids := call.query.many("service_ids[]"):
        conditions.append(integration.c.service_id.in_(ids))
    window = paging.window(call.query)
    chosen = store.WHOLE.where(*conditions)
    rows = call.tx.rows(chosen.order_by(heartbeat.c.name, heartbeat.c.id).limit(window.limit + 1).offset(window.offset))
    total = call.tx.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) if window.wants_total else None
    return {"heartbeats": shown(call, rows[: window.limit]), **window.answer(more=len(rows) > window.limit, total=total)}


def found(call: Call, action: str = permission.READ) -> sa.Row[Any]:
    """The heartbeat. Raises 404 when there is none that the actor may see, 403 when it may not do this."""
    row = store.find(call.tx, call.id)
    things = access.known(call.tx, call.actor, "service", service, [row.service_id] if row is not None else ())
    if row is None or row.service_id not in things:
        raise access.missing(KIND)
    if action != permission.READ:
        access.allow(call.actor, action, Thing(KIND, row.id, things[row.service_id].teams))
    return row


def show(call: Call) -> Body:
    """One, with all pings that are kept."""
    return _whole(call, found(call).id)


def _whole(call: Call, heartbeat_id: str) -> Body:
    row = store.find(call.tx, heartbeat_id)
    if row is None:
        raise access.missing(KIND)
    return shown(call, [row], store.KEPT)[0]


def create(call: Call, wish: HeartbeatWrite) -> Body:
    """A new one, with its secret address."""
    if not (isinstance(wish.name, str) and isinstance(wish.service, Reference) and isinstance(wish.schedule, ScheduleWrite)):
        access.allow(call.actor, permission.CREATE, Thing(KIND))
        raise invalid("A heartbeat needs a name, a service and a schedule")
    owner = access.find(call.tx, call.actor, "service", service, wish.service.id)
    access.allow(call.actor, permission.CREATE, Thing(KIND, teams=access.thing_of("service", owner).teams))
    schedule = read_schedule(wish.schedule, call.now)
    grace = _grace(wish.grace) if isinstance(wish.grace, int) else timedelta(minutes=5)
    made = deeds.create(call.tx, call.deed, call.seals, service_id=owner.id, name=wish.name, schedule=schedule, grace=grace)
    return _whole(call, made)


def update(call: Call, wish: HeartbeatWrite) -> Body:
    """Change what is sent; its service stays."""
    row = found(call, permission.UPDATE)
    if isinstance(wish.service, Reference) and wish.service.id != row.service_id:
        raise invalid("A heartbeat stays with its service: make one for the other service")
    deeds.change(
        call.tx, call.deed, row.id,
        name=wish.name if isinstance(wish.name, str) else None,
        schedule=read_schedule(wish.schedule, call.now) if isinstance(wish.schedule, ScheduleWrite) else None,
        grace=_grace(wish.grace) if isinstance(wish.grace, int) else None,
    )  # fmt: skip
    return _whole(call, row.id)


def remove(call: Call) -> Reply:
    """Delete it; its address is unknown from now on."""
    deeds.remove(call.tx, call.deed, found(call, permission.DELETE).id)
    return Reply(204)


def pause(call: Call) -> Body:
    """Expect nothing until it is resumed."""
    row = found(call, permission.UPDATE)
    deeds.pause(call.tx, call.deed, row.id)
    return _whole(call, row.id)


def resume(call: Call) -> Body:
    """Wait for it again."""
    row = found(call, permission.UPDATE)
    deeds.resume(call.tx, call.deed, row.id)
    return _whole(call, row.id)


def regenerate(call: Call) -> Body:
    """A new secret address."""
    row = found(call, permission.UPDATE)
    deeds.regenerate(call.tx, call.deed, call.seals, row.id)
    return _whole(call, row.id)


DECLARED = (
    Report(ALL, TAG, list_, scope="services.read"),
    Action(method="POST", path=ALL, tag=TAG, run=create, body=HeartbeatWrite, wrap_in=KIND, wrap_out=KIND, status=201, scope="services.write"),
    Report(ONE, TAG, show, scope="services.read", wrap_out=KIND),
    Action(method="PUT", path=ONE, tag=TAG, run=update, body=HeartbeatWrite, wrap_in=KIND, wrap_out=KIND, scope="services.write"),
    Action(method="DELETE", path=ONE, tag=TAG, run=remove, scope="services.write"),
    Action(method="POST", path=f"{ONE}/pause", tag=TAG, run=pause, wrap_out=KIND, scope="services.write"),
    Action(method="POST", path=f"{ONE}/resume", tag=TAG, run=resume, wrap_out=KIND, scope="services.write"),
    Action(method="POST", path=f"{ONE}/regenerate_address", tag=TAG, run=regenerate, wrap_out=KIND, scope="services.write"),
)
