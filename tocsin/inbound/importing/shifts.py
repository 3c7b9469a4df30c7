"""Turns with restrictions as recurrences: how a rotation that hands over every so many days is said in shifts by the calendar.

Laws:
1. Turn k begins so many days of the wall clock after turn 0, and time outside the restrictions uses it up (core/rotation law 6).
2. What is made says the same as the turns do, at every instant; ValueError where shifts cannot say it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from math import gcd, lcm

from tocsin.base.times import from_wall, to_wall, zone_named
from tocsin.core.moving_in import WantedEvent
from tocsin.core.rotation import DAY, WEEK, Restriction
from tocsin.core.shift_event import MEMBERS_MOST

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def turned(
    name: str, time_zone: str, first: datetime, days: int, people: Sequence[str | None], restrictions: Sequence[Restriction],
    since: datetime, until: datetime | None,
) -> list[WantedEvent]:  # fmt: skip
    """Events (each for a rotation of its own) of turns of `days` days from `first` on, taken by `people` one after the other."""
    zone = zone_named(time_zone)
    wall = to_wall(first, zone)
    if not people or len(people) > MEMBERS_MOST:
        raise ValueError(f"shifts are taken in turn by 1 to {MEMBERS_MOST} people, not {len(people)}")

    def event(start: datetime, end: datetime, rule: str, members: Sequence[str | None], in_a_row: int = 1) -> WantedEvent:
        return WantedEvent(
            name[:255] or "Shifts", from_wall(start, zone), from_wall(end, zone), time_zone, (f"RRULE:{rule}",), tuple(members),
            max(since, first), until, shifts_per_member=in_a_row,
        )  # fmt: skip

    if not restrictions:
        return [event(wall, wall + timedelta(days=days), f"FREQ=DAILY;INTERVAL={days}", people)]
    found: list[WantedEvent] = []
    rest: list[Restriction] = []
    alike: dict[tuple[int, int], list[int]] = {}
    for one in restrictions:
        period = 1 if one.start_day is None else 7
        if days % period == 0 and not is_cut(one, wall):
            if one.start_day is None:
                start = _starts(one, wall, wall + timedelta(days=2))[0]
                found.append(event(start, start + timedelta(seconds=one.seconds), "FREQ=DAILY", people, days))
            else:
                alike.setdefault((one.start_second, one.seconds), []).append(one.start_day)
        else:
            rest.append(one)
    for (second, seconds), week_days in alike.items():
        chosen = sorted(set(week_days))
        same = [Restriction(day, second, seconds) for day in chosen]
        start = min(_starts(one, wall, wall + timedelta(days=8))[0] for one in same)
        rule = f"FREQ=WEEKLY;BYDAY={','.join(_DAYS[day - 1] for day in chosen)}"
        found.append(event(start, start + timedelta(seconds=seconds), rule, people, days // 7 * len(chosen)))
    for cycle, group in _grouped(rest, wall, days):
        turns = cycle // days
        steps = len(people) // gcd(len(people), turns)
        order = [people[(turn + step * turns) % len(people)] for step in range(steps) for _, _, turn in group]
        start, end, turn = group[0]
        begin_on = {begin.weekday() for begin, _, _ in group}
        if cycle == 7 and 1 < len(group) == len(begin_on) and len(order) <= MEMBERS_MOST:
            found.append(event(start, end, f"FREQ=WEEKLY;BYDAY={','.join(_DAYS[day] for day in sorted(begin_on))}", order))
            continue
        for start, end, turn in group:
            members = [people[(turn + step * turns) % len(people)] for step in range(steps)]
            found.append(event(start, end, f"FREQ=DAILY;INTERVAL={cycle}", members))
    return found


def _grouped(
    restrictions: Sequence[Restriction], wall: datetime, days: int
) -> Iterator[tuple[int, list[tuple[datetime, datetime, int]]]]:
    """By cycle in days, the parts of one cycle (start, end, number of the turn) that have the same times of day, by start."""
    groups: dict[tuple[int, timedelta, timedelta], list[tuple[datetime, datetime, int]]] = {}
    for one in restrictions:
        cycle = days if one.start_day is None else lcm(days, 7)
        for turn in range(cycle // days):
            for start, end in _pieces(one, wall + timedelta(days=days * turn), wall + timedelta(days=days * (turn + 1))):
                clock = timedelta(hours=start.hour, minutes=start.minute, seconds=start.second)
                groups.setdefault((cycle, clock, end - start), []).append((start, end, turn))
    for (cycle, _, _), group in groups.items():
        yield cycle, sorted(group)


def overlap(one: Sequence[Restriction], other: Sequence[Restriction]) -> bool:
    """Whether two sets of restrictions (none = all the time) share any second of the week."""
    if not one or not other:
        return True
    return any(start < there and other_start < end for start, end in _week(one) for other_start, there in _week(other))


def _week(restrictions: Sequence[Restriction]) -> Iterator[tuple[int, int]]:
    """Stretches of seconds of the week, cut at its end."""
    for one in restrictions:
        for day in range(1, 8) if one.start_day is None else (one.start_day,):
            start = (day - 1) * DAY + one.start_second
            end = start + one.seconds
            yield start, min(end, WEEK)
            if end > WEEK:
                yield 0, end - WEEK


def _starts(one: Restriction, low: datetime, high: datetime) -> list[datetime]:
    """When the restriction begins in [low, high), by the wall clock."""
    found = []
    date = low.date()
    while datetime.combine(date, time()) < high:
        at = datetime.combine(date, time()) + timedelta(seconds=one.start_second)
        if (one.start_day is None or date.isoweekday() == one.start_day) and low <= at < high:
            found.append(at)
        date += timedelta(days=1)
    return found


def is_cut(one: Restriction, wall: datetime) -> bool:
    """Whether a hand-over at this time of day (and week) lies within the restriction."""
    length = timedelta(seconds=one.seconds)
    return any(start + length > wall for start in _starts(one, wall - length, wall))


def _pieces(one: Restriction, low: datetime, high: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The parts of the restriction that lie in one turn."""
    length = timedelta(seconds=one.seconds)
    for start in _starts(one, low - length, high):
        begin, end = max(start, low), min(start + length, high)
        if begin < end:
            yield begin, end
