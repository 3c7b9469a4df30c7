"""Custom shifts and overrides of shift-based schedules (PagerDuty's v3, BEHAVIOUR 5.4).

Laws:
1. Several are asked for at once and kept all or none; they are answered in the order they came.
2. Lists need a range, and cut what they show at its bounds unless `overflow`; one by itself is always told whole.
3. Times are told in `time_zone`, else in the schedule's own zone.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import schedules
from tocsin.api.resources.schedules_v3 import (
    ONE,
    TAG,
    MemberWrite,
    addressed,
    found,
    found_part,
    instant,
    member,
    page,
    range_of,
    told_member,
)
from tocsin.base import times
from tocsin.core import permission
from tocsin.service import shift_exceptions as service
from tocsin.service.shift_exceptions import ITEMS_MOST, AskedOverride, AskedShift
from tocsin.service.shift_schedules import Errors, refusal
from tocsin.store import shift_schedules as store
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION, CustomShift, ShiftOverride

Item = TypeVar("Item")

SHIFTS, OVERRIDES = "custom_shifts", "overrides"


class AssignmentWrite(msgspec.Struct):
    """Who has a custom shift."""

    member: MemberWrite
    type: str = ""


class ShiftWrite(msgspec.Struct):
    """What a client may say of a custom shift."""

    type: str = ""
    start_time: str | UnsetType = UNSET
    end_time: str | UnsetType = UNSET
    assignments: list[AssignmentWrite] | UnsetType = UNSET


class ShiftsWrite(msgspec.Struct):
    """Custom shifts that are made together."""

    custom_shifts: list[ShiftWrite]


class OverrideWrite(msgspec.Struct):
    """What a client may say of an override."""

    type: str = ""
    rotation_id: str | UnsetType | None = UNSET
    custom_shift_id: str | UnsetType | None = UNSET
    start_time: str | UnsetType = UNSET
    end_time: str | UnsetType = UNSET
    overridden_member: MemberWrite | UnsetType = UNSET
    overriding_member: MemberWrite | UnsetType = UNSET


class OverridesWrite(msgspec.Struct):
    """Overrides that are made together."""

    overrides: list[OverrideWrite]


# ------------------------------------------------------------------------------------------------------- custom shifts


def shifts(call: Call) -> Body:
    """The custom shifts that overlap the range, by start."""
    row = found(call)
    span = range_of(call, needed=True)
    assert span is not None  # both bounds are needed
    kept = store.custom_shifts_of(call.tx, row.id, span=span)
    if not call.query.flag("overflow"):
        kept = tuple(replace(one, start=max(one.start, span.start), end=min(one.end, span.end)) for one in kept)
    zone = _zone(call, row)
    return page(call, SHIFTS, kept, lambda part: [_shift(call, row.id, one, zone) for one in part])


def show_shift(call: Call) -> Body:
    """One custom shift."""
    row = found(call)
    return _shift(call, row.id, service.custom_shift(call.tx, row.id, call.params["custom_shift_id"]), _zone(call, row))


def create_shifts(call: Call, body: ShiftsWrite) -> Body:
    """Keep custom shifts."""
    row = found_part(call, permission.CREATE, "custom_shift")
    zone = times.zone_named(row.time_zone)
    errors = Errors()
    asked = [
        _asked_shift(one, f"{SHIFTS}.{number}", zone, errors, is_new=True)
        for number, one in enumerate(_some(SHIFTS, body.custom_shifts))
    ]
    if errors:
        raise refusal(errors)
    made = service.add_custom_shifts(call.tx, call.deed, row.id, asked)
    return {SHIFTS: [_shift(call, row.id, one, _zone(call, row)) for one in made]}


def update_shift(call: Call, body: ShiftWrite) -> Body:
    """Change a custom shift as far as it lies in the future."""
    row = found_part(call, permission.UPDATE, "custom_shift")
    errors = Errors()
    asked = _asked_shift(body, "custom_shift", times.zone_named(row.time_zone), errors, is_new=False)
    if errors:
        raise refusal(errors)
    service.change_custom_shift(call.tx, call.deed, row.id, call.params["custom_shift_id"], asked)
    return _shift(call, row.id, service.custom_shift(call.tx, row.id, call.params["custom_shift_id"]), _zone(call, row))


def remove_shift(call: Call) -> Reply:
    """Take a custom shift away: one to come is gone, one that runs ends now."""
    row = found_part(call, permission.DELETE, "custom_shift")
    service.remove_custom_shift(call.tx, call.deed, row.id, call.params["custom_shift_id"])
    return Reply(204)


def _asked_shift(one: ShiftWrite, at: str, zone: tzinfo, errors: Errors, *, is_new: bool) -> AskedShift:
    _type(one.type, "custom_shift", at, errors)
    who = None
    if one.assignments is not UNSET and len(one.assignments) == 1:
        _type(one.assignments[0].type, "shift_assignment", f"{at}.assignments.0", errors)
        who = member(one.assignments[0].member, f"{at}.assignments.0.member", errors)
    elif is_new or one.assignments is not UNSET:
        errors[f"{at}.assignments"] = ["must be exactly one"]
    return AskedShift(
        start=_instant(one.start_time, zone, f"{at}.start_time", errors),
        end=_instant(one.end_time, zone, f"{at}.end_time", errors),
        member=who,
        says_member=one.assignments is not UNSET,
    )


def _shift(call: Call, schedule_id: str, one: CustomShift, zone: tzinfo) -> Body:
    return addressed(call, "custom_shift", one.id, schedule_id, SHIFTS) | {
        "start_time": times.iso(one.start, zone),
        "end_time": times.iso(one.end, zone),
        "assignments": [{"id": one.assignment_id, "type": "shift_assignment", "member": told_member(one.user_id)}],
    }


# ----------------------------------------------------------------------------------------------------------- overrides


def overrides(call: Call) -> Body:
    """The overrides that overlap the range, by start."""
    row = found(call)
    span = range_of(call, needed=True)
    assert span is not None  # both bounds are needed
    kept = store.overrides_of(call.tx, row.id, span=span)
    if not call.query.flag("overflow"):
        kept = tuple(replace(one, start=max(one.start, span.start), end=min(one.end, span.end)) for one in kept)
    zone = _zone(call, row)
    return page(call, OVERRIDES, kept, lambda part: [_override(call, row.id, one, zone) for one in part])


def show_override(call: Call) -> Body:
    """One override."""
    row = found(call)
    return _override(call, row.id, service.override(call.tx, row.id, call.params["override_id"]), _zone(call, row))


def create_overrides(call: Call, body: OverridesWrite) -> Body:
    """Keep overrides."""
    row = found_part(call, permission.CREATE, "override")
    zone = times.zone_named(row.time_zone)
    errors = Errors()
    asked = [
        _asked_override(one, f"{OVERRIDES}.{number}", zone, errors)
        for number, one in enumerate(_some(OVERRIDES, body.overrides))
    ]
    if errors:
        raise refusal(errors)
    made = service.add_overrides(call.tx, call.deed, row.id, asked)
    return {OVERRIDES: [_override(call, row.id, one, _zone(call, row)) for one in made]}


def update_override(call: Call, body: OverrideWrite) -> Body:
    """Change an override as far as it lies in the future; what it is of stays."""
    row = found_part(call, permission.UPDATE, "override")
    old = service.override(call.tx, row.id, call.params["override_id"])
    errors = Errors()
    zone = times.zone_named(row.time_zone)
    _type(body.type, "override_shift", "override", errors)
    source = {ROTATION: body.rotation_id, CUSTOM_SHIFT: body.custom_shift_id}
    for kind, sent in source.items():
        if sent and (kind, sent) != (old.source_type, old.source_id):
            errors[f"override.{kind}_id"] = ["cannot be changed: take the override away and make another"]
    if body.overridden_member is not UNSET and member(body.overridden_member, "override.overridden_member", errors) != old.overridden:
        errors.setdefault("override.overridden_member", ["cannot be changed: take the override away and make another"])
    asked = AskedOverride(
        start=_instant(body.start_time, zone, "override.start_time", errors),
        end=_instant(body.end_time, zone, "override.end_time", errors),
        overriding=None if body.overriding_member is UNSET else member(body.overriding_member, "override.overriding_member", errors),
        says_overriding=body.overriding_member is not UNSET,
    )
    if errors:
        raise refusal(errors)
    service.change_override(call.tx, call.deed, row.id, old.id, asked)
    return _override(call, row.id, service.override(call.tx, row.id, old.id), _zone(call, row))


def remove_override(call: Call) -> Reply:
    """Take an override away: one to come is gone, one that runs ends now."""
    row = found_part(call, permission.DELETE, "override")
    service.remove_override(call.tx, call.deed, row.id, call.params["override_id"])
    return Reply(204)


def _asked_override(one: OverrideWrite, at: str, zone: tzinfo, errors: Errors) -> AskedOverride:
    _type(one.type, "override_shift", at, errors)
    named = [(kind, id_) for kind, id_ in ((ROTATION, one.rotation_id), (CUSTOM_SHIFT, one.custom_shift_id)) if id_]
    if len(named) != 1:
        errors[f"{at}.rotation_id"] = ["exactly one of rotation_id and custom_shift_id is required"]
    people: list[str | None] = []
    for field, sent in (("overridden_member", one.overridden_member), ("overriding_member", one.overriding_member)):
        if sent is UNSET:
            errors[f"{at}.{field}"] = ["is required"]
        people.append(None if sent is UNSET else member(sent, f"{at}.{field}", errors))
    kind, id_ = named[0] if named else ("", "")
    return AskedOverride(
        source_type=kind,
        source_id=str(id_),
        start=_instant(one.start_time, zone, f"{at}.start_time", errors),
        end=_instant(one.end_time, zone, f"{at}.end_time", errors),
        overridden=people[0],
        overriding=people[1],
        says_overriding=True,
    )


def _override(call: Call, schedule_id: str, one: ShiftOverride, zone: tzinfo) -> Body:
    return addressed(call, "override_shift", one.id, schedule_id, OVERRIDES) | {
        f"{one.source_type}_id": one.source_id,
        "start_time": times.iso(one.start, zone),
        "end_time": times.iso(one.end, zone),
        "overridden_member": told_member(one.overridden),
        "overriding_member": told_member(one.overriding),
    }


# --------------------------------------------------------------------------------------------------------------- reading


def _some(plural: str, items: list[Item]) -> list[Item]:
    """The items of a body. Raises 400 for none and for too many."""
    if not items:
        raise refusal({plural: ["must be a list of at least one"]})
    if len(items) > ITEMS_MOST:
        raise refusal({plural: [f"may be at most {ITEMS_MOST} in one request: send the others in another"]})
    return items


def _instant(text: str | UnsetType, zone: tzinfo, field: str, errors: Errors) -> datetime | None:
    return None if text is UNSET else instant(text, zone, field, errors)


def _type(sent: str, expected: str, at: str, errors: Errors) -> None:
    """A type may be left out; another one is a mistake."""
    if sent not in {"", expected}:
        errors[f"{at}.type"] = [f"must be {expected}"]


def _zone(call: Call, row: sa.Row[Any]) -> tzinfo:
    return schedules.zone_asked_for(call.query, row.time_zone)


def _declared() -> Iterable[Action]:
    shift, override = f"{ONE}/{SHIFTS}/{{custom_shift_id}}", f"{ONE}/{OVERRIDES}/{{override_id}}"
    yield Report(f"{ONE}/{SHIFTS}", TAG, shifts, maps_errors=True)
    yield Report(shift, TAG, show_shift, wrap_out="custom_shift", maps_errors=True)
    yield Report(f"{ONE}/{OVERRIDES}", TAG, overrides, maps_errors=True)
    yield Report(override, TAG, show_override, wrap_out="override", maps_errors=True)
    for method, path, run, wrap, body, status in (
        ("POST", f"{ONE}/{SHIFTS}", create_shifts, None, ShiftsWrite, 201),
        ("PUT", shift, update_shift, "custom_shift", ShiftWrite, 200),
        ("DELETE", shift, remove_shift, None, None, 204),
        ("POST", f"{ONE}/{OVERRIDES}", create_overrides, None, OverridesWrite, 201),
        ("PUT", override, update_override, "override", OverrideWrite, 200),
        ("DELETE", override, remove_override, None, None, 204),
    ):
        yield Action(
            method=method, path=path, tag=TAG, run=run, body=body, wrap_in=wrap if body else None, wrap_out=wrap,
            status=status, maps_errors=True,
        )  # fmt: skip


DECLARED = tuple(_declared())
