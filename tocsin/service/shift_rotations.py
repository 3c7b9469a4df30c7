"""Rotations of shift-based schedules and their events: made, changed and taken away as far as they lie in the future.

Laws: those of `shift_schedules.py`, and
1. Taking a rotation away keeps its past, ends the event that runs, and drops what was to come, overrides too.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tocsin.base import ids, times
from tocsin.base.errors import not_found
from tocsin.core.shift_event import (
    AHEAD_MOST,
    MEMBERS_MOST,
    NAME_MOST,
    SHIFT_LONGEST,
    SHIFT_SHORTEST,
    SHIFTS_PER_MEMBER_MOST,
    ShiftEvent,
    State,
    Strategy,
    ZonedTime,
    recurring,
)
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.service.shift_exceptions import IN_THE_FUTURE, MUST_END_LATER, OVER, end_overrides
from tocsin.service.shift_schedules import Errors, keep, known_users, locked, now_of, part, refusal, root_of
from tocsin.store import shift_schedules as store
from tocsin.store.db import Tx
from tocsin.store.shift_schedules import ROTATION, KeptRotation

ROTATIONS_MOST: Final = 10
"""Rotations of one schedule."""
EVENTS_MOST: Final = 5
"""Events of one rotation that are not over."""


@dataclass(frozen=True, slots=True)
class AskedAssignment:
    """Who has an event's shifts. `members` has None for an empty place."""

    strategy: Strategy
    shifts_per_member: int | None
    members: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEvent:
    """An event as a client asks for it; None = not said. `until` counts when `says_until`: None is "for good" then."""

    name: str | None = None
    start: ZonedTime | None = None
    end: ZonedTime | None = None
    since: datetime | None = None
    until: datetime | None = None
    says_until: bool = False
    recurrence: tuple[str, ...] | None = None
    assignment: AskedAssignment | None = None


# ------------------------------------------------------------------------------------------------------------ rotations


def add_rotation(tx: Tx, deed: Deed, schedule_id: str) -> str:
    """A new rotation without events. Returns its id."""
    row = locked(tx, schedule_id)
    if len(store.rotations_of(tx, [schedule_id])[schedule_id]) >= ROTATIONS_MOST:
        raise refusal({"rotation": [f"A schedule may have at most {ROTATIONS_MOST} rotations: delete one first"]})
    rotation_id = ids.part_id(deed.chance)
    store.add_rotation(tx, schedule_id, rotation_id, deed.now)
    audit.record(tx, deed, part("schedule_rotation", rotation_id), before=None, after={"events": []}, root=root_of(row))
    return rotation_id


def remove_rotation(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str) -> None:
    """Take a rotation away: who was on call by it stays so in the past, nobody is from now on."""
    row = locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    store.drop_rotation(tx, rotation_id)
    end_overrides(tx, deed, schedule_id, ROTATION, rotation_id)
    keep(tx, deed, schedule_id)
    before = {"events": [_told_event(one) for one in kept.events]}
    audit.record(tx, deed, part("schedule_rotation", rotation_id), before=before, after=None, root=root_of(row))


def rotation(tx: Tx, schedule_id: str, rotation_id: str) -> KeptRotation:
    """A rotation of this schedule. Raises 404."""
    found = store.find_rotation(tx, schedule_id, rotation_id)
    if found is None:
        raise not_found("Rotation")
    return found


# --------------------------------------------------------------------------------------------------------------- events


def event(tx: Tx, schedule_id: str, rotation_id: str, event_id: str) -> ShiftEvent:
    """An event of this rotation. Raises 404."""
    found = next((one for one in rotation(tx, schedule_id, rotation_id).events if one.id == event_id), None)
    if found is None:
        raise not_found("Event")
    return found


def add_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, asked: AskedEvent) -> str:
    """A new event of a rotation. Returns its id."""
    row = locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    if sum(one.state(deed.now) is not State.PAST for one in kept.events) >= EVENTS_MOST:
        raise refusal({"event": [f"A rotation may have at most {EVENTS_MOST} events that are not over: delete one first"]})
    made = _whole_event(tx, deed, None, asked, kept)
    store.save_event(tx, schedule_id, rotation_id, made, deed.now)
    keep(tx, deed, schedule_id)
    told = _told_event(made)
    audit.record(tx, deed, part("schedule_event", made.id, made.name), before=None, after=told, root=root_of(row))
    return made.id


def change_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, event_id: str, asked: AskedEvent) -> None:
    """Change an event: all of one to come, the end of one that runs, nothing of one that is over."""
    row = locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    old = event(tx, schedule_id, rotation_id, event_id)
    state = old.state(deed.now)
    if state is State.PAST:
        raise refusal({"event": [OVER]})
    new = _ended_otherwise(deed, old, asked, kept) if state is State.ACTIVE else _whole_event(tx, deed, old, asked, kept)
    if new == old:
        return
    store.save_event(tx, schedule_id, rotation_id, new, deed.now)
    keep(tx, deed, schedule_id)
    reference = part("schedule_event", event_id, new.name)
    audit.record(tx, deed, reference, before=_told_event(old), after=_told_event(new), root=root_of(row))


def remove_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, event_id: str) -> None:
    """Take an event away: one to come is gone, one that runs ends now."""
    row = locked(tx, schedule_id)
    old = event(tx, schedule_id, rotation_id, event_id)
    now = now_of(deed)
    if old.state(deed.now) is State.PAST:
        raise refusal({"event": [OVER]})
    reference = part("schedule_event", event_id, old.name)
    if old.since < now:
        new = replace(old, until=now)
        store.save_event(tx, schedule_id, rotation_id, new, deed.now)
        audit.record(tx, deed, reference, before=_told_event(old), after=_told_event(new), root=root_of(row))
    else:
        store.drop_event(tx, event_id)
        audit.record(tx, deed, reference, before=_told_event(old), after=None, root=root_of(row))
    keep(tx, deed, schedule_id)


def _ended_otherwise(deed: Deed, old: ShiftEvent, asked: AskedEvent, kept: KeptRotation) -> ShiftEvent:
    """An event that runs, with another end (law 1)."""
    fixed = "cannot be changed once the event has begun: only effective_until can"
    asked_slots = asked.assignment
    said = {
        "event.name": asked.name not in {None, old.name},
        "event.start_time": asked.start is not None and (asked.start.at, asked.start.zone) != (old.start.at, old.start.zone),
        "event.end_time": asked.end is not None and (asked.end.at, asked.end.zone) != (old.end.at, old.end.zone),
        "event.effective_since": asked.since not in {None, old.since},
        "event.recurrence": asked.recurrence not in {None, old.recurrence},
        "event.assignment_strategy": asked_slots is not None and asked_slots != _assignment(old, asked_slots),
    }
    errors: Errors = {field: [fixed] for field, differs in said.items() if differs}
    new = replace(old, until=asked.until) if asked.says_until else old
    if new.until is not None and new.until != old.until and new.until < now_of(deed):
        errors["event.effective_until"] = [IN_THE_FUTURE]
    errors |= _clash(deed, new, kept)
    if errors:
        raise refusal(errors)
    return new


def _assignment(old: ShiftEvent, asked: AskedAssignment) -> AskedAssignment:
    """What an event says of its members, in the words of `asked`, so that the two can be compared."""
    says_number = asked.shifts_per_member is not None and old.strategy is Strategy.ROTATING
    return AskedAssignment(old.strategy, old.shifts_per_member if says_number else asked.shifts_per_member, old.members)


def _whole_event(tx: Tx, deed: Deed, old: ShiftEvent | None, asked: AskedEvent, kept: KeptRotation) -> ShiftEvent:
    """The event that is asked for, made whole of the one there is; raises with everything that is wrong."""
    errors = _missing(asked) if old is None else Errors()
    now = now_of(deed)
    if asked.name is not None and not 1 <= len(asked.name.strip()) <= NAME_MOST:
        errors["event.name"] = [f"must have between 1 and {NAME_MOST} characters"]
    if asked.assignment is not None:
        errors |= _assignment_errors(tx, asked.assignment)
    if asked.since is not None and asked.since > deed.now + AHEAD_MOST:
        errors["event.effective_since"] = ["must be at most 12 months ahead"]
    if errors:
        raise refusal(errors)
    made = _merged(old or _blank(ids.part_id(deed.chance), asked), asked, now)
    if made.end.at <= made.start.at:
        errors["event.end_time"] = [MUST_END_LATER]
    elif not SHIFT_SHORTEST <= made.end.at - made.start.at <= SHIFT_LONGEST:
        errors["event.end_time"] = [f"a shift lasts between a minute and {SHIFT_LONGEST.days} days"]
    if made.until is not None and made.until <= made.since:
        errors["event.effective_until"] = ["must be after effective_since (which is now, if it was in the past)"]
    if not errors:
        try:
            recurring(made)
        except ValueError as error:
            errors["event.recurrence"] = [str(error)]
    errors |= _clash(deed, made, kept)
    if errors:
        raise refusal(errors)
    return made


def _missing(asked: AskedEvent) -> Errors:
    required = {
        "name": asked.name,
        "start_time": asked.start,
        "end_time": asked.end,
        "effective_since": asked.since,
        "recurrence": asked.recurrence,
        "assignment_strategy": asked.assignment,
    }
    return {f"event.{field}": ["is required"] for field, value in required.items() if value is None}


def _blank(event_id: str, asked: AskedEvent) -> ShiftEvent:
    assert asked.start is not None  # `_missing` has seen to these
    assert asked.end is not None
    assert asked.since is not None
    return ShiftEvent(event_id, "", asked.start, asked.end, asked.since, None, (), Strategy.EVERYBODY, 1, ())


def _merged(old: ShiftEvent, asked: AskedEvent, now: datetime) -> ShiftEvent:
    new = replace(
        old,
        name=old.name if asked.name is None else asked.name.strip(),
        start=asked.start or old.start,
        end=asked.end or old.end,
        since=max(asked.since or old.since, now),
        until=asked.until if asked.says_until else old.until,
        recurrence=old.recurrence if asked.recurrence is None else asked.recurrence,
    )
    if asked.assignment is None:
        return new
    one = asked.assignment
    return replace(new, strategy=one.strategy, shifts_per_member=one.shifts_per_member or 1, members=one.members)


def _assignment_errors(tx: Tx, asked: AskedAssignment) -> Errors:
    at, errors = "event.assignment_strategy", Errors()
    if not 1 <= len(asked.members) <= MEMBERS_MOST:
        errors[f"{at}.members"] = [f"must have between 1 and {MEMBERS_MOST} members"]
    if asked.shifts_per_member is None and asked.strategy is Strategy.ROTATING:
        errors[f"{at}.shifts_per_member"] = ["is required"]
    elif asked.shifts_per_member is not None and not 1 <= asked.shifts_per_member <= SHIFTS_PER_MEMBER_MOST:
        errors[f"{at}.shifts_per_member"] = [f"must be between 1 and {SHIFTS_PER_MEMBER_MOST}"]
    known = known_users(tx, asked.members)
    for number, user_id in enumerate(asked.members):
        if user_id is not None and user_id not in known:
            errors[f"{at}.members.{number}.user_id"] = [f"User {user_id[:64]} Not Found"]
    return errors


def _clash(deed: Deed, made: ShiftEvent, kept: KeptRotation) -> Errors:
    for other in kept.events:
        if other.id != made.id and other.state(deed.now) is not State.PAST and made.overlaps(other):
            until = "for good" if other.until is None else f"until {times.iso(other.until)}"
            sentence = f"overlaps the event '{other.name}', which counts from {times.iso(other.since)} {until}"
            return {"event.effective_since": [sentence]}
    return {}


def _told_event(one: ShiftEvent) -> dict[str, Any]:
    return {
        "name": one.name,
        "start_time": f"{times.iso(one.start.at)} ({one.start.zone})",
        "end_time": f"{times.iso(one.end.at)} ({one.end.zone})",
        "effective_since": times.iso(one.since),
        "effective_until": None if one.until is None else times.iso(one.until),
        "recurrence": list(one.recurrence),
        "assignment_strategy": one.strategy.value,
        "shifts_per_member": str(one.shifts_per_member),
        "members": list(one.members),
    }
