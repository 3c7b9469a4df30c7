"""What happens once in a shift-based schedule: custom shifts, and overrides of one member of a rotation or custom shift.

Laws: those of `shift_schedules.py`, and
1. Whoever asks for several at once gets all of them or none.
2. An override is of something that is there, and replaces somebody who is part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base import ids, times
from tocsin.base.errors import not_found
from tocsin.core.shift_event import SHIFT_LONGEST, State
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.service.shift_schedules import Errors, keep, known_users, locked, now_of, part, refusal, root_of
from tocsin.store import shift_schedules as store
from tocsin.store.db import Tx
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION, CustomShift, KeptRotation, ShiftOverride

ITEMS_MOST: Final = 100
"""Custom shifts or overrides in one request."""
COMING_MOST: Final = 500
"""Custom shifts of one schedule that are not over, and as many overrides."""
DURATION_MOST: Final = SHIFT_LONGEST
"""How long a custom shift or an override may be."""

OVER: Final = "is over: what happened stays as it was"
MUST_END_LATER: Final = "must be after start_time"
IN_THE_FUTURE: Final = "must be in the future"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedShift:
    """A custom shift as a client asks for it; `member` (None = an empty place) counts when `says_member`."""

    start: datetime | None = None
    end: datetime | None = None
    member: str | None = None
    says_member: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOverride:
    """An override as a client asks for it; None of a member = an empty place. `overriding` counts when `says_overriding`."""

    source_type: str = ""
    source_id: str = ""
    start: datetime | None = None
    end: datetime | None = None
    overridden: str | None = None
    overriding: str | None = None
    says_overriding: bool = False


# -------------------------------------------------------------------------------------------------------- custom shifts


def custom_shift(tx: Tx, schedule_id: str, shift_id: str) -> CustomShift:
    """A custom shift of this schedule. Raises 404."""
    found = store.find_custom_shift(tx, schedule_id, shift_id)
    if found is None:
        raise not_found("Custom Shift")
    return found


def add_custom_shifts(tx: Tx, deed: Deed, schedule_id: str, asked: Sequence[AskedShift]) -> list[CustomShift]:
    """Keep these custom shifts, all or none, in this order."""
    row = locked(tx, schedule_id)
    known, errors = known_users(tx, [one.member for one in asked]), Errors()
    coming = len(store.custom_shifts_of(tx, schedule_id, ending_after=deed.now))
    errors |= _too_many("custom_shifts", len(asked), coming)
    made = []
    for number, one in enumerate(asked):
        at = f"custom_shifts.{number}"
        errors |= _range_errors(deed, at, one.start, one.end)
        if one.member is not None and one.member not in known:
            errors[f"{at}.assignments.0.member.user_id"] = [f"User {one.member[:64]} Not Found"]
        if not errors:
            assert one.start is not None  # `_range_errors` has seen to these
            assert one.end is not None
            start = max(one.start, now_of(deed))
            made.append(CustomShift(ids.part_id(deed.chance), start, one.end, ids.part_id(deed.chance), one.member))
    if errors:
        raise refusal(errors)
    for shift in made:
        store.save_custom_shift(tx, schedule_id, shift, deed.now)
        reference = part("custom_shift", shift.id)
        audit.record(tx, deed, reference, before=None, after=_told_shift(shift), root=root_of(row))
    keep(tx, deed, schedule_id)
    return made


def change_custom_shift(tx: Tx, deed: Deed, schedule_id: str, shift_id: str, asked: AskedShift) -> None:
    """Change a custom shift: all of one to come, the end of one that has begun, nothing of one that is over."""
    row = locked(tx, schedule_id)
    old = custom_shift(tx, schedule_id, shift_id)
    errors = _change_errors(deed, "custom_shift", (old.start, old.end), (asked.start, asked.end))
    if asked.says_member and asked.member != old.user_id:
        if old.start <= deed.now:
            errors["custom_shift.assignments"] = ["cannot be changed once the shift has begun: only end_time can"]
        elif asked.member is not None and not known_users(tx, [asked.member]):
            errors["custom_shift.assignments.0.member.user_id"] = [f"User {asked.member[:64]} Not Found"]
    if errors:
        raise refusal(errors)
    start, end = _moved(deed, (old.start, old.end), (asked.start, asked.end))
    new = replace(old, start=start, end=end, user_id=asked.member if asked.says_member else old.user_id)
    if new == old:
        return
    store.save_custom_shift(tx, schedule_id, new, deed.now)
    keep(tx, deed, schedule_id)
    reference = part("custom_shift", shift_id)
    audit.record(tx, deed, reference, before=_told_shift(old), after=_told_shift(new), root=root_of(row))


def remove_custom_shift(tx: Tx, deed: Deed, schedule_id: str, shift_id: str) -> None:
    """Take a custom shift away: one to come is gone with its overrides, one that has begun ends now."""
    row = locked(tx, schedule_id)
    old = custom_shift(tx, schedule_id, shift_id)
    if old.end <= deed.now:
        raise refusal({"custom_shift": [OVER]})
    reference = part("custom_shift", shift_id)
    if old.start < now_of(deed):
        new = replace(old, end=now_of(deed))
        store.save_custom_shift(tx, schedule_id, new, deed.now)
        audit.record(tx, deed, reference, before=_told_shift(old), after=_told_shift(new), root=root_of(row))
    else:
        store.drop_custom_shift(tx, shift_id)
        audit.record(tx, deed, reference, before=_told_shift(old), after=None, root=root_of(row))
    end_overrides(tx, deed, schedule_id, CUSTOM_SHIFT, shift_id)
    keep(tx, deed, schedule_id)


# ------------------------------------------------------------------------------------------------------------ overrides


def override(tx: Tx, schedule_id: str, override_id: str) -> ShiftOverride:
    """An override of this schedule. Raises 404."""
    found = store.find_override(tx, schedule_id, override_id)
    if found is None:
        raise not_found("Override")
    return found


def add_overrides(tx: Tx, deed: Deed, schedule_id: str, asked: Sequence[AskedOverride]) -> list[ShiftOverride]:
    """Keep these overrides, all or none, in this order; of two for one member the later one wins."""
    row = locked(tx, schedule_id)
    known, errors = known_users(tx, [one.overriding for one in asked]), Errors()
    coming = store.overrides_of(tx, schedule_id, ending_after=deed.now)
    errors |= _too_many("overrides", len(asked), len(coming))
    rotations = {one.id: one for one in store.rotations_of(tx, [schedule_id])[schedule_id]}
    sequence = store.next_sequence(tx, schedule_id)
    made = []
    for number, one in enumerate(asked):
        at = f"overrides.{number}"
        errors |= _range_errors(deed, at, one.start, one.end)
        errors |= _source_errors(tx, deed, at, schedule_id, one, rotations)
        if one.overriding is not None and one.overriding not in known:
            errors[f"{at}.overriding_member.user_id"] = [f"User {one.overriding[:64]} Not Found"]
        if one.overriding == one.overridden and not any(_is_given_back(one, other) for other in coming):
            errors.setdefault(f"{at}.overriding_member", ["must be another than overridden_member"])
        if not errors:
            assert one.start is not None  # `_range_errors` has seen to these
            assert one.end is not None
            start = max(one.start, now_of(deed))
            made.append(
                ShiftOverride(
                    ids.part_id(deed.chance), one.source_type, one.source_id, start, one.end, one.overridden, one.overriding,
                    sequence + number,
                )
            )  # fmt: skip
    if errors:
        raise refusal(errors)
    for kept in made:
        store.save_override(tx, schedule_id, kept, deed.now)
        reference = part("override_shift", kept.id)
        audit.record(tx, deed, reference, before=None, after=_told_override(kept), root=root_of(row))
    keep(tx, deed, schedule_id)
    return made


def change_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str, asked: AskedOverride) -> None:
    """Change an override: all of one to come, the end of one that has begun, nothing of one that is over."""
    row = locked(tx, schedule_id)
    old = override(tx, schedule_id, override_id)
    errors = _change_errors(deed, "override", (old.start, old.end), (asked.start, asked.end))
    if asked.says_overriding and asked.overriding != old.overriding:
        at = "override.overriding_member"
        if old.start <= deed.now:
            errors[at] = ["cannot be changed once the override has begun: end it, and make another"]
        elif asked.overriding == old.overridden:
            errors[at] = ["must be another than overridden_member"]
        elif asked.overriding is not None and not known_users(tx, [asked.overriding]):
            errors[f"{at}.user_id"] = [f"User {asked.overriding[:64]} Not Found"]
    if errors:
        raise refusal(errors)
    start, end = _moved(deed, (old.start, old.end), (asked.start, asked.end))
    new = replace(old, start=start, end=end, overriding=asked.overriding if asked.says_overriding else old.overriding)
    if new == old:
        return
    store.save_override(tx, schedule_id, new, deed.now)
    keep(tx, deed, schedule_id)
    reference = part("override_shift", override_id)
    audit.record(tx, deed, reference, before=_told_override(old), after=_told_override(new), root=root_of(row))


def remove_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str) -> None:
    """Take an override away: one to come is gone, one that has begun ends now."""
    row = locked(tx, schedule_id)
    old = override(tx, schedule_id, override_id)
    if old.end <= deed.now:
        raise refusal({"override": [OVER]})
    new = _ended_override(tx, deed, schedule_id, old)
    after = None if new is None else _told_override(new)
    reference = part("override_shift", override_id)
    audit.record(tx, deed, reference, before=_told_override(old), after=after, root=root_of(row))
    keep(tx, deed, schedule_id)


def _is_given_back(one: AskedOverride, other: ShiftOverride) -> bool:
    """Whether `one` gives a member back some of what `other` took away."""
    is_same = (one.source_id, one.overridden) == (other.source_id, other.overridden)
    return is_same and one.start is not None and one.end is not None and one.start < other.end and one.end > other.start


def _ended_override(tx: Tx, deed: Deed, schedule_id: str, old: ShiftOverride) -> ShiftOverride | None:
    if old.start < now_of(deed):
        new = replace(old, end=now_of(deed))
        store.save_override(tx, schedule_id, new, deed.now)
        return new
    store.drop_override(tx, old.id)
    return None


def end_overrides(tx: Tx, deed: Deed, schedule_id: str, source_type: str, source_id: str) -> None:
    """What was to stand in for somebody on a source that is gone is gone too."""
    for one in store.overrides_of(tx, schedule_id, ending_after=deed.now):
        if (one.source_type, one.source_id) == (source_type, source_id):
            _ended_override(tx, deed, schedule_id, one)


def _source_errors(
    tx: Tx, deed: Deed, at: str, schedule_id: str, one: AskedOverride, rotations: Mapping[str, KeptRotation]
) -> Errors:
    """Whether there is what the override is of, and whether the one it replaces is part of that."""
    if one.source_type == ROTATION:
        kept = rotations.get(one.source_id)
        if kept is None:
            return {f"{at}.rotation_id": [f"Rotation {one.source_id[:64]} Not Found"]}
        members = {member for each in kept.events if each.state(deed.now) is not State.PAST for member in each.members}
        if one.overridden not in members:
            return {f"{at}.overridden_member": ["is not a member of this rotation"]}
        return {}
    shift = store.find_custom_shift(tx, schedule_id, one.source_id)
    if shift is None or shift.end <= deed.now:
        return {f"{at}.custom_shift_id": [f"Custom Shift {one.source_id[:64]} " + ("Not Found" if shift is None else OVER)]}
    if one.overridden != shift.user_id:
        return {f"{at}.overridden_member": ["is not the member of this custom shift"]}
    if one.start is not None and one.end is not None and not (one.start < shift.end and one.end > shift.start):
        return {f"{at}.start_time": ["the override does not touch this custom shift"]}
    return {}


# --------------------------------------------------------------------------------------------------------------- checks


def _range_errors(deed: Deed, at: str, start: datetime | None, end: datetime | None) -> Errors:
    """What is wrong with a time that is asked for anew."""
    missing = {f"{at}.start_time": start, f"{at}.end_time": end}
    errors: Errors = {field: ["is required"] for field, value in missing.items() if value is None}
    if start is None or end is None:
        return errors
    if end <= start:
        return {f"{at}.end_time": [MUST_END_LATER]}
    if end <= deed.now:
        return {f"{at}.end_time": [IN_THE_FUTURE]}
    if end - max(start, now_of(deed)) > DURATION_MOST:
        return {f"{at}.end_time": [f"must be at most {DURATION_MOST.days} days after start_time"]}
    return {}


def _change_errors(
    deed: Deed, at: str, old: tuple[datetime, datetime], asked: tuple[datetime | None, datetime | None]
) -> Errors:
    """What is wrong with another time for what has one (law 1)."""
    if old[1] <= deed.now:
        raise refusal({at: [OVER]})
    start, end = asked
    if old[0] <= deed.now and start is not None and start != old[0]:
        return {f"{at}.start_time": ["cannot be changed once it has begun: only end_time can"]}
    new_start, new_end = _moved(deed, old, asked)
    if end is not None and end != old[1] and end < now_of(deed):
        return {f"{at}.end_time": [IN_THE_FUTURE]}
    if new_end <= new_start:
        return {f"{at}.end_time": [MUST_END_LATER]}
    if new_end - new_start > DURATION_MOST:
        return {f"{at}.end_time": [f"must be at most {DURATION_MOST.days} days after start_time"]}
    return {}


def _moved(
    deed: Deed, old: tuple[datetime, datetime], asked: tuple[datetime | None, datetime | None]
) -> tuple[datetime, datetime]:
    """The time after a change: nothing to come is moved into the past (law 2)."""
    start = old[0] if asked[0] is None or asked[0] == old[0] else max(asked[0], now_of(deed))
    return start, old[1] if asked[1] is None else asked[1]


def _too_many(plural: str, asked: int, coming: int) -> Errors:
    if asked > ITEMS_MOST:
        return {plural: [f"may be at most {ITEMS_MOST} in one request: send the others in another"]}
    if asked + coming > COMING_MOST:
        return {plural: [f"of one schedule may be at most {COMING_MOST} that are not over"]}
    return {}


# ---------------------------------------------------------------------------------------------------------------- audit


def _told_shift(one: CustomShift) -> dict[str, Any]:
    return {"start_time": times.iso(one.start), "end_time": times.iso(one.end), "member": one.user_id or "nobody"}


def _told_override(one: ShiftOverride) -> dict[str, Any]:
    return {
        "start_time": times.iso(one.start),
        "end_time": times.iso(one.end),
        one.source_type: one.source_id,
        "overridden_member": one.overridden or "nobody",
        "overriding_member": one.overriding or "nobody",
    }
