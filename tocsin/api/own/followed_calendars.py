"""The calendar that a schedule follows, over the API: look at it, set it, preview it, stop following it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import schedules, shapes
from tocsin.base import times
from tocsin.base.errors import invalid, not_found
from tocsin.core import permission
from tocsin.core.followed_calendar import Complaint
from tocsin.core.schedule import differences
from tocsin.service import access
from tocsin.service import followed_calendars as service
from tocsin.service.followed_calendars import Preview
from tocsin.store import followed_calendars as store
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule

TAG: Final = "Schedules"
PATH: Final = "/api/v1/schedules/{id}/followed_calendar"
AHEAD: Final = timedelta(weeks=13)
"""How far ahead a preview tells what would change."""
CHANGES_MOST: Final = 500
"""Changes that a preview tells; how many there are is said."""


class CalendarWrite(msgspec.Struct):
    """The calendar to follow: at an `address`, or sent as a `file` (its text)."""

    address: str | UnsetType | None = UNSET
    file: str | UnsetType | None = UNSET


def show(call: Call) -> Body:
    """How it stands with the calendar that the schedule follows."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    return _shown(call, row.id)


def follow(call: Call, body: CalendarWrite) -> Body:
    """Follow a calendar. One at an address holds as soon as it has been read, within seconds; one sent as a file at once."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id, permission.UPDATE)
    address, file = _asked(body)
    if address:
        service.follow_address(call.tx, call.deed, call.seals, row.id, address)
    else:
        service.follow_file(call.tx, call.deed, row.id, file)
    return _shown(call, row.id)


def stop(call: Call) -> None:
    """Follow it no more: the schedule says again what it said before."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id, permission.UPDATE)
    service.stop(call.tx, call.deed, row.id)


def preview(call: Call, body: CalendarWrite) -> Body:
    """What following this calendar would change, and what of it is not understood; without one, of the last good copy."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    access.allow(call.actor, permission.UPDATE, access.thing_of("schedule", row))
    return _previewed(call, service.preview(call.tx, call.now, row.id, _body(call, body, row.id)))


def _asked(body: CalendarWrite) -> tuple[str, str]:
    """The address or the file; the other is empty. Raises 400."""
    address = body.address if isinstance(body.address, str) else ""
    file = body.file if isinstance(body.file, str) else ""
    if bool(address) == bool(file):
        raise invalid("Give either the address of a calendar or a file, its text beginning with BEGIN:VCALENDAR")
    return address, file


def _body(call: Call, body: CalendarWrite, schedule_id: str) -> bytes:
    """The calendar to look at."""
    if not body.address and not body.file:
        known = store.find(call.tx, schedule_id)
        if known is None or known.copy is None:
            raise invalid("There is no copy of a calendar yet: give an address or a file")
        return bytes(known.copy)
    address, file = _asked(body)
    if file:
        return file.encode()
    return service.fetched(address, call.house.allowed_networks)


def _shown(call: Call, schedule_id: str) -> Body:
    state = service.state(call.tx, schedule_id, call.now)
    if state is None:
        raise not_found("Followed Calendar")
    return {
        "type": "followed_calendar",
        "source": "address" if state.host else "file",
        "host": state.host,
        "stale": state.is_stale,
        "copied_at": None if state.copied_at is None else times.iso(state.copied_at),
        "tried_at": None if state.tried_at is None else times.iso(state.tried_at),
        "next_try_at": times.iso(state.due_at),
        "last_error": state.last_error,
        "shift_count": state.shift_count,
        "not_understood": [_complaint(one) for one in state.complaints],
        "not_understood_count": state.complaint_count,
    }


def _previewed(call: Call, found: Preview) -> Body:
    after = found.loaded.schedule
    before = replace(after, versions=after.versions[:-1])
    span = times.Span(call.now, call.now + AHEAD)
    changes = differences(before, after, found.loaded.overrides, span)
    people = shapes.rows_by_id(call, user, {user_id for one in changes for user_id in (*one.before, *one.after)})
    zone = schedules.zone_asked_for(call.query, after.model.time_zone)

    def named(user_ids: tuple[str, ...]) -> list[Any]:
        return [shapes.reference_in(call, "user", user_id, people) for user_id in user_ids]

    return {
        "type": "followed_calendar_preview",
        "schedule": envelope.reference(call.house, "schedule", after.id, after.name),
        "until": times.iso(span.end, zone),
        "shift_count": len(found.understood.shifts),
        "changes": [
            {"start": times.iso(one.start, zone), "end": times.iso(one.end, zone), "before": named(one.before), "after": named(one.after)}
            for one in changes[:CHANGES_MOST]
        ],
        "change_count": len(changes),
        "not_understood": [_complaint(one) for one in found.understood.complaints[: service.COMPLAINTS_KEPT]],
        "not_understood_count": len(found.understood.complaints),
    }


def _complaint(one: Complaint) -> Body:
    return {"summary": one.summary, "words": one.words, "start": None if one.start is None else times.iso(one.start), "count": one.count}


DECLARED = (
    Report(PATH, TAG, show, scope="schedules.read", wrap_out="followed_calendar"),
    Action(
        method="PUT", path=PATH, tag=TAG, run=follow, scope="schedules.write", body=CalendarWrite, wrap_in="followed_calendar",
        wrap_out="followed_calendar",
    ),
    Action(method="DELETE", path=PATH, tag=TAG, run=stop, scope="schedules.write", status=204),
    Action(
        method="POST", path=f"{PATH}/preview", tag=TAG, run=preview, scope="schedules.write", body=CalendarWrite,
        wrap_in="followed_calendar", wrap_out="preview", writes=False,
    ),
)  # fmt: skip
