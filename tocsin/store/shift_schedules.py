"""Load, save and find what PagerDuty's v3 API says of shift-based schedules: rotations, events, custom shifts, overrides.

Laws:
1. These rows are what was asked for; the versions of `store/schedules.py`, made from them, are what rules.
2. Rows of what is over stay, so that they can be listed; the model holds only what is not over yet.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.base.times import Span
from tocsin.core.shift_event import ShiftEvent, Strategy, ZonedTime
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.shift_schedules import custom_shift, event, rotation, shift_override

ROTATION, CUSTOM_SHIFT = "rotation", "custom_shift"
"""What an override may be of."""


@dataclass(frozen=True, slots=True)
class KeptRotation:
    """A rotation with its events, by when they begin to count."""

    id: str
    events: tuple[ShiftEvent, ...]


@dataclass(frozen=True, slots=True)
class CustomShift:
    """A shift that happens once. user_id None = an empty one."""

    id: str
    start: datetime
    end: datetime
    assignment_id: str
    user_id: str | None


@dataclass(frozen=True, slots=True)
class ShiftOverride:
    """One member of one source makes way for another; None = an empty place."""

    id: str
    source_type: str
    source_id: str
    start: datetime
    end: datetime
    overridden: str | None
    overriding: str | None
    sequence: int


# ----------------------------------------------------------------------------------------------------------- rotations


def rotations_of(tx: Tx, schedule_ids: Collection[str]) -> dict[str, tuple[KeptRotation, ...]]:
    """By schedule, its rotations in the order they were made, with all their events."""
    found: dict[str, list[KeptRotation]] = {id_: [] for id_ in schedule_ids}
    if not found:
        return {}
    events: dict[str, list[ShiftEvent]] = {}
    chosen = sa.select(event).where(event.c.schedule_id.in_(sorted(found)))
    for row in tx.rows(chosen.order_by(event.c.effective_since, event.c.id)):
        events.setdefault(row.rotation_id, []).append(_event(row))
    kept = sa.select(rotation).where(rotation.c.schedule_id.in_(sorted(found)))
    for row in tx.rows(kept.order_by(rotation.c.position, rotation.c.id)):
        found[row.schedule_id].append(KeptRotation(row.id, tuple(events.get(row.id, ()))))
    return {id_: tuple(rotations) for id_, rotations in found.items()}


def find_rotation(tx: Tx, schedule_id: str, rotation_id: str) -> KeptRotation | None:
    """One rotation of this schedule."""
    return next((one for one in rotations_of(tx, [schedule_id])[schedule_id] if one.id == rotation_id), None)


def add_rotation(tx: Tx, schedule_id: str, rotation_id: str, now: datetime) -> None:
    last = tx.scalar(sa.select(sa.func.max(rotation.c.position)).where(rotation.c.schedule_id == schedule_id)) or 0
    row = {"id": rotation_id, "schedule_id": schedule_id, "position": last + 1, "created_at": now}
    tx.execute(sa.insert(rotation), row)


def drop_rotation(tx: Tx, rotation_id: str) -> None:
    """The rotation and its events are gone from these rows; the versions of the past have them still."""
    tx.execute(sa.delete(event).where(event.c.rotation_id == rotation_id))
    tx.execute(sa.delete(rotation).where(rotation.c.id == rotation_id))


def save_event(tx: Tx, schedule_id: str, rotation_id: str, one: ShiftEvent, now: datetime) -> None:
    """Keep this event, be it new or known."""
    told = {
        "name": one.name,
        "start_at": one.start.at,
        "start_text": one.start.text,
        "start_zone": one.start.zone,
        "end_at": one.end.at,
        "end_text": one.end.text,
        "end_zone": one.end.zone,
        "effective_since": one.since,
        "effective_until": one.until,
        "recurrence": list(one.recurrence),
        "strategy": one.strategy.value,
        "shifts_per_member": one.shifts_per_member,
        "members": list(one.members),
    }
    if not tx.execute(sa.update(event).where(event.c.id == one.id).values(told)).rowcount:
        fresh = {"id": one.id, "schedule_id": schedule_id, "rotation_id": rotation_id, "created_at": now}
        tx.execute(sa.insert(event), fresh | told)


def drop_event(tx: Tx, event_id: str) -> None:
    tx.execute(sa.delete(event).where(event.c.id == event_id))


def _event(row: sa.Row[Any]) -> ShiftEvent:
    return ShiftEvent(
        id=row.id,
        name=row.name,
        start=ZonedTime(row.start_at, row.start_zone, row.start_text),
        end=ZonedTime(row.end_at, row.end_zone, row.end_text),
        since=row.effective_since,
        until=row.effective_until,
        recurrence=tuple(row.recurrence),
        strategy=Strategy(row.strategy),
        shifts_per_member=row.shifts_per_member,
        members=tuple(row.members),
    )


# -------------------------------------------------------------------------------------------------------- custom shifts


def custom_shifts_of(
    tx: Tx, schedule_id: str, *, span: Span | None = None, ending_after: datetime | None = None
) -> tuple[CustomShift, ...]:
    """The custom shifts that overlap `span` or are not over at `ending_after` (all, without either), by start."""
    chosen = sa.select(custom_shift).where(custom_shift.c.schedule_id == schedule_id)
    if span is not None:
        chosen = chosen.where(custom_shift.c.start_at < span.end, custom_shift.c.end_at > span.start)
    if ending_after is not None:
        chosen = chosen.where(custom_shift.c.end_at > ending_after)
    return tuple(map(_custom_shift, tx.rows(chosen.order_by(custom_shift.c.start_at, custom_shift.c.id))))


def find_custom_shift(tx: Tx, schedule_id: str, shift_id: str) -> CustomShift | None:
    """One custom shift of this schedule."""
    row = tx.one(sa.select(custom_shift).where(custom_shift.c.id == shift_id, custom_shift.c.schedule_id == schedule_id))
    return None if row is None else _custom_shift(row)


def save_custom_shift(tx: Tx, schedule_id: str, one: CustomShift, now: datetime) -> None:
    """Keep this custom shift, be it new or known."""
    told = {"start_at": one.start, "end_at": one.end, "assignment_id": one.assignment_id, "user_id": one.user_id}
    if not tx.execute(sa.update(custom_shift).where(custom_shift.c.id == one.id).values(told)).rowcount:
        tx.execute(sa.insert(custom_shift), {"id": one.id, "schedule_id": schedule_id, "created_at": now} | told)


def drop_custom_shift(tx: Tx, shift_id: str) -> None:
    tx.execute(sa.delete(custom_shift).where(custom_shift.c.id == shift_id))


def _custom_shift(row: sa.Row[Any]) -> CustomShift:
    return CustomShift(row.id, row.start_at, row.end_at, row.assignment_id, row.user_id)


# ------------------------------------------------------------------------------------------------------------ overrides


def overrides_of(
    tx: Tx, schedule_id: str, *, span: Span | None = None, ending_after: datetime | None = None
) -> tuple[ShiftOverride, ...]:
    """The overrides that overlap `span` or are not over at `ending_after` (all, without either), by start."""
    chosen = sa.select(shift_override).where(shift_override.c.schedule_id == schedule_id)
    if span is not None:
        chosen = chosen.where(shift_override.c.start_at < span.end, shift_override.c.end_at > span.start)
    if ending_after is not None:
        chosen = chosen.where(shift_override.c.end_at > ending_after)
    ordered = chosen.order_by(shift_override.c.start_at, shift_override.c.sequence, shift_override.c.id)
    return tuple(map(_override, tx.rows(ordered)))


def find_override(tx: Tx, schedule_id: str, override_id: str) -> ShiftOverride | None:
    """One override of this schedule."""
    here = sa.and_(shift_override.c.id == override_id, shift_override.c.schedule_id == schedule_id)
    row = tx.one(sa.select(shift_override).where(here))
    return None if row is None else _override(row)


def next_sequence(tx: Tx, schedule_id: str) -> int:
    """The number of the next override to be made. The schedule's row must be locked."""
    statement = sa.select(sa.func.max(shift_override.c.sequence)).where(shift_override.c.schedule_id == schedule_id)
    return int(tx.scalar(statement) or 0) + 1


def save_override(tx: Tx, schedule_id: str, one: ShiftOverride, now: datetime) -> None:
    """Keep this override, be it new or known."""
    told = {
        "source_type": one.source_type,
        "source_id": one.source_id,
        "start_at": one.start,
        "end_at": one.end,
        "overridden_user_id": one.overridden,
        "overriding_user_id": one.overriding,
        "sequence": one.sequence,
    }
    if not tx.execute(sa.update(shift_override).where(shift_override.c.id == one.id).values(told)).rowcount:
        tx.execute(sa.insert(shift_override), {"id": one.id, "schedule_id": schedule_id, "created_at": now} | told)


def drop_override(tx: Tx, override_id: str) -> None:
    tx.execute(sa.delete(shift_override).where(shift_override.c.id == override_id))


def _override(row: sa.Row[Any]) -> ShiftOverride:
    return ShiftOverride(
        row.id,
        row.source_type,
        row.source_id,
        row.start_at,
        row.end_at,
        row.overridden_user_id,
        row.overriding_user_id,
        row.sequence,
    )


# ----------------------------------------------------------------------------------------------------- who is named


def coming_users(
    rotations: Sequence[KeptRotation], shifts: Sequence[CustomShift], overrides: Sequence[ShiftOverride], now: datetime
) -> frozenset[str]:
    """Everybody whom what is not over at `now` names as somebody to be on call."""
    named = {
        user_id
        for kept in rotations
        for one in kept.events
        if one.until is None or one.until > now
        for user_id in one.members
    }
    named |= {one.user_id for one in shifts if one.end > now}
    named |= {one.overriding for one in overrides if one.end > now}
    return frozenset(user_id for user_id in named if user_id is not None)


def naming(tx: Tx, schedule_ids: Collection[str], now: datetime) -> Mapping[str, frozenset[str]]:
    """By schedule, everybody whom what is not over at `now` names."""
    return {
        id_: coming_users(
            rotations, custom_shifts_of(tx, id_, ending_after=now), overrides_of(tx, id_, ending_after=now), now
        )
        for id_, rotations in rotations_of(tx, schedule_ids).items()
    }


def shift_based(tx: Tx, schedule_ids: Collection[str]) -> list[str]:
    """Of these schedules those that are shift-based."""
    chosen = sa.select(schedule.c.id).where(schedule.c.id.in_(sorted(schedule_ids)), schedule.c.is_shift_based.is_(True))
    return [row.id for row in tx.rows(chosen)]


def replace_person(tx: Tx, schedule_id: str, user_id: str, by: str, now: datetime) -> None:
    """Put `by` in the place of `user_id` in all that is not over. The versions of the past keep who it was."""

    def person(one: str | None) -> str | None:
        return by if one == user_id else one

    for kept in rotations_of(tx, [schedule_id])[schedule_id]:
        for one in kept.events:
            if user_id in one.members and (one.until is None or one.until > now):
                save_event(tx, schedule_id, kept.id, replace(one, members=tuple(map(person, one.members))), now)
    for shift in custom_shifts_of(tx, schedule_id, ending_after=now):
        if shift.user_id == user_id:
            save_custom_shift(tx, schedule_id, replace(shift, user_id=by), now)
    for over in overrides_of(tx, schedule_id, ending_after=now):
        if user_id in {over.overridden, over.overriding}:
            changed = replace(over, overridden=person(over.overridden), overriding=person(over.overriding))
            save_override(tx, schedule_id, changed, now)
