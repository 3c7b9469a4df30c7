"""A second opinion on who is on call: every minute looked at by itself, every turn walked to from the anchor, nothing shared."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tocsin.core.rotation import DAY, RecurringShift, Turns
from tocsin.core.schedule import Model, Override, Schedule

MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=100_000)
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant whose wall clock reads `wall`, or as long after the gap's start as `wall` is; found by looking."""
    around = wall.replace(tzinfo=UTC) - timedelta(hours=38)
    offsets = [
        (around + timedelta(minutes=15 * step)).astimezone(zone).utcoffset() or timedelta() for step in range(4 * 76)
    ]
    fits = [wall.replace(tzinfo=UTC) - offset for offset in offsets]
    real = [instant for instant in fits if instant.astimezone(zone).replace(tzinfo=None) == wall]
    if real:
        return min(real)
    before = around.astimezone(zone).utcoffset() or timedelta()
    return wall.replace(tzinfo=UTC) - before


def turn_start(turns: Turns, number: int, zone: ZoneInfo) -> datetime:
    if turns.unit == "months":
        wall = turns.anchor.astimezone(zone).replace(tzinfo=None)
        year, month = wall.year, wall.month
        for _ in range(abs(number) * turns.every):
            month += 1 if number > 0 else -1
            if month == 13:
                year, month = year + 1, 1
            if month == 0:
                year, month = year - 1, 12
        return instant_of(wall.replace(year=year, month=month, day=min(wall.day, monthrange(year, month)[1])), zone)
    if turns.every % DAY:
        return turns.anchor + number * timedelta(seconds=turns.every)
    wall = turns.anchor.astimezone(zone).replace(tzinfo=None)
    return instant_of(wall + number * timedelta(seconds=turns.every), zone)


def turn_number(turns: Turns, instant: datetime, zone: ZoneInfo) -> int:
    """Walk from the anchor to the instant, turn by turn."""
    number = 0
    while turn_start(turns, number, zone) > instant:
        number -= 1
    while turn_start(turns, number + 1, zone) <= instant:
        number += 1
    return number


def is_allowed(shift: RecurringShift, instant: datetime, zone: ZoneInfo) -> bool:
    """Whether the instant is inside a run of allowed wall-clock minutes of the fortnight around it."""
    if not shift.restrictions:
        return True
    allowed = [False] * (7 * 24 * 60)
    for restriction in shift.restrictions:
        for day in range(7) if restriction.start_day is None else [restriction.start_day - 1]:
            first = day * 1440 + restriction.start_second // 60
            for minute in range(first, first + restriction.seconds // 60):
                allowed[minute % len(allowed)] = True
    if all(allowed):
        return True
    wall = instant.astimezone(zone).replace(tzinfo=None)
    monday = wall.replace(hour=0, minute=0) - timedelta(days=wall.weekday())
    runs: list[list[int]] = []
    for minute in range(-len(allowed), 2 * len(allowed)):
        if allowed[minute % len(allowed)]:
            if runs and runs[-1][1] == minute:
                runs[-1][1] = minute + 1
            else:
                runs.append([minute, minute + 1])
    return any(
        instant_of(monday + start * MINUTE, zone) <= instant < instant_of(monday + end * MINUTE, zone)
        for start, end in runs
    )


def people_of_shift(shift: RecurringShift, instant: datetime, zone: ZoneInfo) -> tuple[str, ...] | None:
    if instant < shift.since or (shift.until is not None and instant >= shift.until):
        return None
    if not is_allowed(shift, instant, zone):
        return None
    number = turn_number(shift.recurrence, instant, zone)
    return shift.slots[(number // shift.turns_per_slot + shift.phase) % len(shift.slots)]


def people_of_model(model: Model, overrides: Sequence[Override], instant: datetime) -> set[str]:
    owners = [one for one in overrides if one.start <= instant < one.end]
    if owners:
        return {max(owners, key=lambda one: one.sequence).user_id}
    zone = ZoneInfo(model.time_zone)

    def swapped(source_id: str, people: tuple[str, ...]) -> set[str]:
        stand_ins: dict[str | None, str | None] = {}
        for one in sorted(model.replacements, key=lambda one: one.sequence):
            if one.source_id == source_id and one.start <= instant < one.end:
                stand_ins[one.member] = one.by
        members: tuple[str | None, ...] = people or (None,)
        return {user for user in (stand_ins.get(member, member) for member in members) if user is not None}

    on_call: set[str] = set()
    for rank in sorted({rotation.rank for rotation in model.rotations}, reverse=True):
        for rotation in model.rotations:
            if rotation.rank == rank:
                for shift in rotation.shifts:
                    people = people_of_shift(shift, instant, zone)
                    if people is not None:
                        on_call |= swapped(rotation.id, people)
        if on_call:
            break
    for extra in model.extra_shifts:
        if extra.start <= instant < extra.end:
            on_call |= swapped(extra.id, extra.people)
    return on_call


def people_at(schedule: Schedule, overrides: Sequence[Override], instant: datetime) -> set[str]:
    ruling = [version for version in schedule.versions if version.effective_at <= instant]
    return people_of_model(ruling[-1].model, overrides, instant) if ruling else set()
