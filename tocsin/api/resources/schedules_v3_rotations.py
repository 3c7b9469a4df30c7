"""Rotations of shift-based schedules and their events (PagerDuty's v3, BEHAVIOUR 5.4).

Laws: those of `schedules_v3.py`.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources.schedules_v3 import (
    ONE,
    TAG,
    MemberWrite,
    found,
    instant,
    member,
    page,
    range_of,
    told_event,
    told_rotation,
)
from tocsin.base import times
from tocsin.core import permission
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import shift_rotations as service
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.service.shift_schedules import Errors, refusal
from tocsin.store import shift_schedules as store

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")


class ZonedWrite(msgspec.Struct):
    """A time and the zone by whose wall clock it recurs."""

    date_time: str
    time_zone: str


class StrategyWrite(msgspec.Struct):
    """Who has the shifts of an event."""

    type: str
    members: list[MemberWrite]
    shifts_per_member: int | UnsetType | None = UNSET


class EventWrite(msgspec.Struct):
    """What a client may say of an event."""

    name: str | UnsetType = UNSET
    start_time: ZonedWrite | UnsetType = UNSET
    end_time: ZonedWrite | UnsetType = UNSET
    effective_since: str | UnsetType = UNSET
    effective_until: str | UnsetType | None = UNSET
    recurrence: list[str] | UnsetType = UNSET
    assignment_strategy: StrategyWrite | UnsetType = UNSET


# ------------------------------------------------------------------------------------------------- rotations and events


def rotations(call: Call) -> Body:
    """The rotations of a schedule, in the order they were made."""
    row = found(call)
    kept = store.rotations_of(call.tx, [row.id])[row.id]
    return page(call, "rotations", kept, lambda part: [told_rotation(call, row.id, one, None) for one in part])


def show_rotation(call: Call) -> Body:
    """A rotation with its events; with a range, those that count in it."""
    row = found(call)
    kept = service.rotation(call.tx, row.id, call.params["rotation_id"])
    return told_rotation(call, row.id, kept, range_of(call))


def create_rotation(call: Call) -> Body:
    """A new rotation without events; the body is empty."""
    row = found(call, permission.UPDATE)
    if call.request.body.strip() and call.document() not in ({}, {"rotation": {}}):
        raise refusal({"rotation": ["must be empty: what a rotation does is said by its events"]})
    rotation_id = service.add_rotation(call.tx, call.deed, row.id)
    return told_rotation(call, row.id, service.rotation(call.tx, row.id, rotation_id), None)


def remove_rotation(call: Call) -> Reply:
    """Take a rotation away; what it said of the past stays in the final schedule."""
    row = found(call, permission.UPDATE)
    service.remove_rotation(call.tx, call.deed, row.id, call.params["rotation_id"])
    return Reply(204)


def events(call: Call) -> Body:
    """All events of a rotation, past ones too, by when they begin to count."""
    row = found(call)
    kept = service.rotation(call.tx, row.id, call.params["rotation_id"])
    return page(call, "events", kept.events, lambda part: [told_event(call, row.id, kept.id, one) for one in part])


def show_event(call: Call) -> Body:
    """One event."""
    row = found(call)
    range_of(call)  # a malformed range is refused here too
    return _event_again(call, row.id, call.params["event_id"])


def create_event(call: Call, body: EventWrite) -> Body:
    """A new event of a rotation."""
    row = found(call, permission.UPDATE)
    asked = _asked(body)
    return _event_again(call, row.id, service.add_event(call.tx, call.deed, row.id, call.params["rotation_id"], asked))


def update_event(call: Call, body: EventWrite) -> Body:
    """Change an event as far as it lies in the future."""
    row = found(call, permission.UPDATE)
    asked = _asked(body)
    service.change_event(call.tx, call.deed, row.id, call.params["rotation_id"], call.params["event_id"], asked)
    return _event_again(call, row.id, call.params["event_id"])


def remove_event(call: Call) -> Reply:
    """Take an event away: one to come is gone, one that runs ends now."""
    row = found(call, permission.UPDATE)
    service.remove_event(call.tx, call.deed, row.id, call.params["rotation_id"], call.params["event_id"])
    return Reply(204)


def _event_again(call: Call, schedule_id: str, event_id: str) -> Body:
    rotation_id = call.params["rotation_id"]
    return told_event(call, schedule_id, rotation_id, service.event(call.tx, schedule_id, rotation_id, event_id))


def _asked(body: EventWrite) -> AskedEvent:
    """An event in the service's words. Raises 400 with everything that cannot be read."""
    errors = Errors()
    utc = times.zone_named("UTC")
    until = instant(body.effective_until, utc, "event.effective_until", errors) if body.effective_until else None
    asked = AskedEvent(
        name=None if body.name is UNSET else body.name,
        start=None if body.start_time is UNSET else _zoned(body.start_time, "event.start_time", errors),
        end=None if body.end_time is UNSET else _zoned(body.end_time, "event.end_time", errors),
        since=None
        if body.effective_since is UNSET
        else instant(body.effective_since, utc, "event.effective_since", errors),
        until=until,
        says_until=body.effective_until is not UNSET,
        recurrence=None if body.recurrence is UNSET else tuple(body.recurrence),
        assignment=None if body.assignment_strategy is UNSET else _assignment(body.assignment_strategy, errors),
    )
    if errors:
        raise refusal(errors)
    return asked


def _zoned(one: ZonedWrite, field: str, errors: Errors) -> ZonedTime | None:
    try:
        zone = times.zone_named(one.time_zone)
    except ValueError as error:
        errors[f"{field}.time_zone"] = [str(error)]
        return None
    at = instant(one.date_time, zone, f"{field}.date_time", errors)
    if at is None:
        return None
    return ZonedTime(at, one.time_zone, one.date_time if _RFC_3339.fullmatch(one.date_time) else times.iso(at))


def _assignment(one: StrategyWrite, errors: Errors) -> AskedAssignment | None:
    at = "event.assignment_strategy"
    if one.type not in {strategy.value for strategy in Strategy}:
        errors[f"{at}.type"] = [f"must be one of {', '.join(strategy.value for strategy in Strategy)}"]
        return None
    members = tuple(member(each, f"{at}.members.{number}", errors) for number, each in enumerate(one.members))
    return AskedAssignment(Strategy(one.type), one.shifts_per_member or None, members)


def _declared() -> Iterable[Action]:
    rotation = f"{ONE}/rotations/{{rotation_id}}"
    event = f"{rotation}/events/{{event_id}}"
    yield Report(f"{ONE}/rotations", TAG, rotations, maps_errors=True)
    yield Report(rotation, TAG, show_rotation, wrap_out="rotation", maps_errors=True)
    yield Report(f"{rotation}/events", TAG, events, maps_errors=True)
    yield Report(event, TAG, show_event, wrap_out="event", maps_errors=True)
    for method, path, run, wrap, body, status in (
        ("POST", f"{ONE}/rotations", create_rotation, "rotation", None, 201),
        ("DELETE", rotation, remove_rotation, None, None, 204),
        ("POST", f"{rotation}/events", create_event, "event", EventWrite, 201),
        ("PUT", event, update_event, "event", EventWrite, 200),
        ("DELETE", event, remove_event, None, None, 204),
    ):
        yield Action(
            method=method, path=path, tag=TAG, run=run, body=body, wrap_in=wrap if body else None, wrap_out=wrap,
            status=status, maps_errors=True,
        )  # fmt: skip


DECLARED = tuple(_declared())
