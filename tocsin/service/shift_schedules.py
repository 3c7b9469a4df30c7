"""Shift-based schedules (PagerDuty's v3): the one door for their rotations, events, custom shifts and overrides.

Laws:
1. The past never changes: what is over is refused, what runs can only be ended, what is to come can be changed and taken away.
2. What is given a start in the past starts now.
3. After every change the model is made anew of what is not over, and rules from now on as a version of its own.
4. Whoever asks for several shifts or overrides at once gets all of them or none.
5. A refusal is a map from field to sentences, and nothing was changed.
Source: BEHAVIOUR 5.4 and 5.5.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import Refusal, not_found
from tocsin.core.schedule import ExtraShift, Model, Replacement, Rotation, Schedule
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
from tocsin.service import audit, schedules
from tocsin.service.audit import Deed
from tocsin.store import schedules as versions
from tocsin.store import shift_schedules as store
from tocsin.store.db import Tx
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION, CustomShift, KeptRotation, ShiftOverride
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule

ROTATIONS_MOST: Final = 10
"""Rotations of one schedule."""
EVENTS_MOST: Final = 5
"""Events of one rotation that are not over."""
ITEMS_MOST: Final = 100
"""Custom shifts or overrides in one request."""
COMING_MOST: Final = 500
"""Custom shifts of one schedule that are not over, and as many overrides."""
DURATION_MOST: Final = SHIFT_LONGEST
"""How long a custom shift or an override may be."""

Errors = dict[str, list[str]]
"""By field, what is wrong with it."""

OVER: Final = "is over: what happened stays as it was"
MUST_END_LATER: Final = "must be after start_time"
IN_THE_FUTURE: Final = "must be in the future"


# ------------------------------------------------------------------------------------------------------ what is asked for


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


def refusal(errors: Errors) -> Refusal:
    """400/2001 as the v3 schedules have it: `errors` is a map from field to sentences."""
    return Refusal(400, 2001, "Invalid Request", errors)


# ----------------------------------------------------------------------------------------------------------- schedules


def create(
    tx: Tx, deed: Deed, *, name: str | None, time_zone: str | None, description: str | None = None, team_id: str | None = None
) -> str:
    """A new schedule without rotations. Returns its id."""
    columns = _checked(tx, {"name": name, "description": description, "team_id": team_id}, time_zone, is_new=True)
    model = Model(str(time_zone))
    schedule_id = ids.object_id(deed.chance)
    versions.insert(tx, {"id": schedule_id, "is_shift_based": True, **columns}, model, deed.now)
    told = _told(tx, columns, model.time_zone)
    audit.record(tx, deed, schedules.reference(schedule_id, columns["name"]), before=None, after=told)
    return schedule_id


def change(tx: Tx, deed: Deed, schedule_id: str, columns: Mapping[str, Any], *, time_zone: str | None = None) -> None:
    """Change what is given: `columns` (name, description, team_id) and the zone. Saying what is so already is no change."""
    row = _locked(tx, schedule_id)
    old = {name: getattr(row, name) for name in ("name", "description", "team_id")}
    new = old | _checked(tx, columns, time_zone, is_new=False)
    zone = row.time_zone if time_zone is None else time_zone
    if new != old:
        tx.execute(sa.update(schedule).where(schedule.c.id == schedule_id).values(**new, updated_at=deed.now))
    if zone != row.time_zone:
        _keep(tx, deed, schedule_id, zone)
    audit.record(
        tx,
        deed,
        schedules.reference(schedule_id, new["name"]),
        before=_told(tx, old, row.time_zone),
        after=_told(tx, new, zone),
    )


def _checked(tx: Tx, columns: Mapping[str, Any], time_zone: str | None, *, is_new: bool) -> dict[str, Any]:
    checked, errors = dict(columns), Errors()
    if "name" in checked:
        checked["name"] = (checked["name"] or "").strip()
        if not 1 <= len(checked["name"]) <= schedules.NAME_MOST:
            errors["schedule.name"] = [f"must have between 1 and {schedules.NAME_MOST} characters"]
    if len(checked.get("description") or "") > schedules.DESCRIPTION_MOST:
        errors["schedule.description"] = [f"may have at most {schedules.DESCRIPTION_MOST} characters"]
    if time_zone is None and is_new:
        errors["schedule.time_zone"] = ["is required"]
    elif time_zone is not None:
        try:
            times.zone_named(time_zone)
        except ValueError as error:
            errors["schedule.time_zone"] = [str(error)]
    team_id = checked.get("team_id")
    if team_id and tx.one(sa.select(team.c.id).where(team.c.id == team_id)) is None:
        errors["schedule.teams"] = [f"Team {team_id} Not Found"]
    if errors:
        raise refusal(errors)
    return checked


# ----------------------------------------------------------------------------------------------------------- rotations


def add_rotation(tx: Tx, deed: Deed, schedule_id: str) -> str:
    """A new rotation without events. Returns its id."""
    row = _locked(tx, schedule_id)
    if len(store.rotations_of(tx, [schedule_id])[schedule_id]) >= ROTATIONS_MOST:
        raise refusal({"rotation": [f"A schedule may have at most {ROTATIONS_MOST} rotations: delete one first"]})
    rotation_id = ids.part_id(deed.chance)
    store.add_rotation(tx, schedule_id, rotation_id, deed.now)
    audit.record(tx, deed, _part("schedule_rotation", rotation_id), before=None, after={"events": []}, root=_root(row))
    return rotation_id


def remove_rotation(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str) -> None:
    """Take a rotation away: who was on call by it stays so in the past, nobody is from now on."""
    row = _locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    store.drop_rotation(tx, rotation_id)
    _end_overrides(tx, deed, schedule_id, ROTATION, rotation_id)
    _keep(tx, deed, schedule_id)
    before = {"events": [_told_event(one) for one in kept.events]}
    audit.record(tx, deed, _part("schedule_rotation", rotation_id), before=before, after=None, root=_root(row))


def rotation(tx: Tx, schedule_id: str, rotation_id: str) -> KeptRotation:
    """A rotation of this schedule. Raises 404."""
    found = store.find_rotation(tx, schedule_id, rotation_id)
    if found is None:
        raise not_found("Rotation")
    return found


# -------------------------------------------------------------------------------------------------------------- events


def event(tx: Tx, schedule_id: str, rotation_id: str, event_id: str) -> ShiftEvent:
    """An event of this rotation. Raises 404."""
    found = next((one for one in rotation(tx, schedule_id, rotation_id).events if one.id == event_id), None)
    if found is None:
        raise not_found("Event")
    return found


def add_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, asked: AskedEvent) -> str:
    """A new event of a rotation. Returns its id."""
    row = _locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    if sum(one.state(deed.now) is not State.PAST for one in kept.events) >= EVENTS_MOST:
        raise refusal({"event": [f"A rotation may have at most {EVENTS_MOST} events that are not over: delete one first"]})
    made = _whole_event(tx, deed, None, asked, kept)
    store.save_event(tx, schedule_id, rotation_id, made, deed.now)
    _keep(tx, deed, schedule_id)
    told = _told_event(made)
    audit.record(tx, deed, _part("schedule_event", made.id, made.name), before=None, after=told, root=_root(row))
    return made.id


def change_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, event_id: str, asked: AskedEvent) -> None:
    """Change an event: all of one to come, the end of one that runs, nothing of one that is over."""
    row = _locked(tx, schedule_id)
    kept = rotation(tx, schedule_id, rotation_id)
    old = event(tx, schedule_id, rotation_id, event_id)
    state = old.state(deed.now)
    if state is State.PAST:
        raise refusal({"event": [OVER]})
    new = _ended_otherwise(deed, old, asked, kept) if state is State.ACTIVE else _whole_event(tx, deed, old, asked, kept)
    if new == old:
        return
    store.save_event(tx, schedule_id, rotation_id, new, deed.now)
    _keep(tx, deed, schedule_id)
    reference = _part("schedule_event", event_id, new.name)
    audit.record(tx, deed, reference, before=_told_event(old), after=_told_event(new), root=_root(row))


def remove_event(tx: Tx, deed: Deed, schedule_id: str, rotation_id: str, event_id: str) -> None:
    """Take an event away: one to come is gone, one that runs ends now."""
    row = _locked(tx, schedule_id)
    old = event(tx, schedule_id, rotation_id, event_id)
    now = _now(deed)
    if old.state(deed.now) is State.PAST:
        raise refusal({"event": [OVER]})
    reference = _part("schedule_event", event_id, old.name)
    if old.since < now:
        new = replace(old, until=now)
        store.save_event(tx, schedule_id, rotation_id, new, deed.now)
        audit.record(tx, deed, reference, before=_told_event(old), after=_told_event(new), root=_root(row))
    else:
        store.drop_event(tx, event_id)
        audit.record(tx, deed, reference, before=_told_event(old), after=None, root=_root(row))
    _keep(tx, deed, schedule_id)


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
    if new.until is not None and new.until != old.until and new.until < _now(deed):
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
    now = _now(deed)
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
    known = _known(tx, asked.members)
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


# ------------------------------------------------------------------------------------------------------- custom shifts


def custom_shift(tx: Tx, schedule_id: str, shift_id: str) -> CustomShift:
    """A custom shift of this schedule. Raises 404."""
    found = store.find_custom_shift(tx, schedule_id, shift_id)
    if found is None:
        raise not_found("Custom Shift")
    return found


def add_custom_shifts(tx: Tx, deed: Deed, schedule_id: str, asked: Sequence[AskedShift]) -> list[CustomShift]:
    """Keep these custom shifts, all or none, in this order."""
    row = _locked(tx, schedule_id)
    known, errors = _known(tx, [one.member for one in asked]), Errors()
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
            start = max(one.start, _now(deed))
            made.append(CustomShift(ids.part_id(deed.chance), start, one.end, ids.part_id(deed.chance), one.member))
    if errors:
        raise refusal(errors)
    for shift in made:
        store.save_custom_shift(tx, schedule_id, shift, deed.now)
        reference = _part("custom_shift", shift.id)
        audit.record(tx, deed, reference, before=None, after=_told_shift(shift), root=_root(row))
    _keep(tx, deed, schedule_id)
    return made


def change_custom_shift(tx: Tx, deed: Deed, schedule_id: str, shift_id: str, asked: AskedShift) -> None:
    """Change a custom shift: all of one to come, the end of one that has begun, nothing of one that is over."""
    row = _locked(tx, schedule_id)
    old = custom_shift(tx, schedule_id, shift_id)
    errors = _change_errors(deed, "custom_shift", (old.start, old.end), (asked.start, asked.end))
    if asked.says_member and asked.member != old.user_id:
        if old.start <= deed.now:
            errors["custom_shift.assignments"] = ["cannot be changed once the shift has begun: only end_time can"]
        elif asked.member is not None and not _known(tx, [asked.member]):
            errors["custom_shift.assignments.0.member.user_id"] = [f"User {asked.member[:64]} Not Found"]
    if errors:
        raise refusal(errors)
    start, end = _moved(deed, (old.start, old.end), (asked.start, asked.end))
    new = replace(old, start=start, end=end, user_id=asked.member if asked.says_member else old.user_id)
    if new == old:
        return
    store.save_custom_shift(tx, schedule_id, new, deed.now)
    _keep(tx, deed, schedule_id)
    reference = _part("custom_shift", shift_id)
    audit.record(tx, deed, reference, before=_told_shift(old), after=_told_shift(new), root=_root(row))


def remove_custom_shift(tx: Tx, deed: Deed, schedule_id: str, shift_id: str) -> None:
    """Take a custom shift away: one to come is gone with its overrides, one that has begun ends now."""
    row = _locked(tx, schedule_id)
    old = custom_shift(tx, schedule_id, shift_id)
    if old.end <= deed.now:
        raise refusal({"custom_shift": [OVER]})
    reference = _part("custom_shift", shift_id)
    if old.start < _now(deed):
        new = replace(old, end=_now(deed))
        store.save_custom_shift(tx, schedule_id, new, deed.now)
        audit.record(tx, deed, reference, before=_told_shift(old), after=_told_shift(new), root=_root(row))
    else:
        store.drop_custom_shift(tx, shift_id)
        audit.record(tx, deed, reference, before=_told_shift(old), after=None, root=_root(row))
    _end_overrides(tx, deed, schedule_id, CUSTOM_SHIFT, shift_id)
    _keep(tx, deed, schedule_id)


# ----------------------------------------------------------------------------------------------------------- overrides


def override(tx: Tx, schedule_id: str, override_id: str) -> ShiftOverride:
    """An override of this schedule. Raises 404."""
    found = store.find_override(tx, schedule_id, override_id)
    if found is None:
        raise not_found("Override")
    return found


def add_overrides(tx: Tx, deed: Deed, schedule_id: str, asked: Sequence[AskedOverride]) -> list[ShiftOverride]:
    """Keep these overrides, all or none, in this order; of two for one member the later one wins."""
    row = _locked(tx, schedule_id)
    known, errors = _known(tx, [one.overriding for one in asked]), Errors()
    coming = len(store.overrides_of(tx, schedule_id, ending_after=deed.now))
    errors |= _too_many("overrides", len(asked), coming)
    rotations = {one.id: one for one in store.rotations_of(tx, [schedule_id])[schedule_id]}
    sequence = store.next_sequence(tx, schedule_id)
    made = []
    for number, one in enumerate(asked):
        at = f"overrides.{number}"
        errors |= _range_errors(deed, at, one.start, one.end)
        errors |= _source_errors(tx, deed, at, schedule_id, one, rotations)
        if one.overriding is not None and one.overriding not in known:
            errors[f"{at}.overriding_member.user_id"] = [f"User {one.overriding[:64]} Not Found"]
        if one.overriding == one.overridden:
            errors.setdefault(f"{at}.overriding_member", ["must be another than overridden_member"])
        if not errors:
            assert one.start is not None  # `_range_errors` has seen to these
            assert one.end is not None
            start = max(one.start, _now(deed))
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
        reference = _part("override_shift", kept.id)
        audit.record(tx, deed, reference, before=None, after=_told_override(kept), root=_root(row))
    _keep(tx, deed, schedule_id)
    return made


def change_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str, asked: AskedOverride) -> None:
    """Change an override: all of one to come, the end of one that has begun, nothing of one that is over."""
    row = _locked(tx, schedule_id)
    old = override(tx, schedule_id, override_id)
    errors = _change_errors(deed, "override", (old.start, old.end), (asked.start, asked.end))
    if asked.says_overriding and asked.overriding != old.overriding:
        at = "override.overriding_member"
        if old.start <= deed.now:
            errors[at] = ["cannot be changed once the override has begun: end it, and make another"]
        elif asked.overriding == old.overridden:
            errors[at] = ["must be another than overridden_member"]
        elif asked.overriding is not None and not _known(tx, [asked.overriding]):
            errors[f"{at}.user_id"] = [f"User {asked.overriding[:64]} Not Found"]
    if errors:
        raise refusal(errors)
    start, end = _moved(deed, (old.start, old.end), (asked.start, asked.end))
    new = replace(old, start=start, end=end, overriding=asked.overriding if asked.says_overriding else old.overriding)
    if new == old:
        return
    store.save_override(tx, schedule_id, new, deed.now)
    _keep(tx, deed, schedule_id)
    reference = _part("override_shift", override_id)
    audit.record(tx, deed, reference, before=_told_override(old), after=_told_override(new), root=_root(row))


def remove_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str) -> None:
    """Take an override away: one to come is gone, one that has begun ends now."""
    row = _locked(tx, schedule_id)
    old = override(tx, schedule_id, override_id)
    if old.end <= deed.now:
        raise refusal({"override": [OVER]})
    new = _ended_override(tx, deed, schedule_id, old)
    after = None if new is None else _told_override(new)
    reference = _part("override_shift", override_id)
    audit.record(tx, deed, reference, before=_told_override(old), after=after, root=_root(row))
    _keep(tx, deed, schedule_id)


def _ended_override(tx: Tx, deed: Deed, schedule_id: str, old: ShiftOverride) -> ShiftOverride | None:
    if old.start < _now(deed):
        new = replace(old, end=_now(deed))
        store.save_override(tx, schedule_id, new, deed.now)
        return new
    store.drop_override(tx, old.id)
    return None


def _end_overrides(tx: Tx, deed: Deed, schedule_id: str, source_type: str, source_id: str) -> None:
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


# -------------------------------------------------------------------------------------------------------------- checks


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
    if end - max(start, _now(deed)) > DURATION_MOST:
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
    if end is not None and end != old[1] and end < _now(deed):
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
    start = old[0] if asked[0] is None or asked[0] == old[0] else max(asked[0], _now(deed))
    return start, old[1] if asked[1] is None else asked[1]


def _too_many(plural: str, asked: int, coming: int) -> Errors:
    if asked > ITEMS_MOST:
        return {plural: [f"may be at most {ITEMS_MOST} in one request: send the others in another"]}
    if asked + coming > COMING_MOST:
        return {plural: [f"of one schedule may be at most {COMING_MOST} that are not over"]}
    return {}


def _known(tx: Tx, wanted: Collection[str | None]) -> frozenset[str]:
    named = sorted({user_id for user_id in wanted if user_id is not None})
    return frozenset(tx.connection.scalars(sa.select(user.c.id).where(user.c.id.in_(named)))) if named else frozenset()


def _now(deed: Deed) -> datetime:
    return deed.now.replace(microsecond=0)


# ----------------------------------------------------------------------------------------------------------- the model


def model_of(tx: Tx, schedule_id: str, time_zone: str, now: datetime) -> Model:
    """What is not over of all that was asked for, as the model that rules (law 3)."""
    rotations = []
    for number, kept in enumerate(store.rotations_of(tx, [schedule_id])[schedule_id], start=1):
        live = [one for one in kept.events if one.state(now) is not State.PAST]
        if live:
            name = f"Rotation {number}: {live[0].name}"
            rotations.append(Rotation(kept.id, name, tuple(recurring(one) for one in live)))
    extras = [
        ExtraShift(one.id, one.start, one.end, () if one.user_id is None else (one.user_id,))
        for one in store.custom_shifts_of(tx, schedule_id, ending_after=now)
    ]
    standing = [
        Replacement(one.id, one.source_id, one.start, one.end, one.overridden, one.overriding, one.sequence)
        for one in store.overrides_of(tx, schedule_id, ending_after=now)
    ]
    return Model(time_zone, tuple(rotations), tuple(extras), tuple(standing))


def _keep(tx: Tx, deed: Deed, schedule_id: str, time_zone: str | None = None) -> Schedule:
    """Let what is asked for now rule from now on, if that is something else than what rules already."""
    loaded = versions.load(tx, schedule_id)
    assert loaded is not None  # the row is locked
    known = loaded.schedule
    model = model_of(tx, schedule_id, time_zone or known.model.time_zone, deed.now)
    return known if model == known.model else versions.save_version(tx, known, model, deed.now)


def _locked(tx: Tx, schedule_id: str) -> sa.Row[Any]:
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    if row is None or not row.is_shift_based:
        raise not_found("Schedule")
    return row


# --------------------------------------------------------------------------------------------------------------- audit


def _root(row: sa.Row[Any]) -> dict[str, Any]:
    return schedules.reference(row.id, row.name)


def _part(kind: str, id_: str, summary: str | None = None) -> dict[str, Any]:
    return {"id": id_, "type": f"{kind}_reference", "summary": summary}


def _told(tx: Tx, columns: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    team_id = columns["team_id"]
    name = tx.scalar(sa.select(team.c.name).where(team.c.id == team_id)) if team_id else None
    return {
        "name": columns["name"],
        "description": columns["description"],
        "time_zone": time_zone,
        "teams": [{"id": team_id, "type": "team_reference", "summary": name}] if team_id else [],
    }


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
