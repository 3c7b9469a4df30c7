"""Turns and hand-offs: which turn of a rotation an instant falls in, and when it begins and ends, across clock changes.

Laws:
1. Closed form: the answer for an instant is computed from the anchor by division, never by walking from it.
2. Turns of whole days and months hand over at the same wall-clock time in the schedule's zone, so a daily turn has 23 or
   25 hours when the clocks change; every other length is elapsed seconds.
3. A hand-off at a wall-clock time that happens twice is at its first occurrence; one that never happens moves forward by
   the gap. A turn that a skipped day swallows whole has no length and still counts.
4. A month without the anchor's day hands over on its last day.
5. Restrictions are wall clock. They are united on the wall first and then placed in time, each edge by law 3.
6. Time outside the restrictions uses up turns as PagerDuty does it, unless the shift `skips_restricted`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from math import gcd
from typing import Final, Literal

from tocsin.base.times import Span, from_wall, to_wall
from tocsin.core.calendar_rule import Rule, around, occurrences_in

DAY: Final = 86_400
WEEK: Final = 7 * DAY
DAYS_OF_MONTH: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

People = tuple[str, ...]
"""The ids of those who hold a slot together; () is an empty slot: nobody, on purpose."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Turns back to back, each `every` units long, the one numbered 0 beginning at `anchor`."""

    anchor: datetime
    every: int
    unit: Literal["seconds", "months"] = "seconds"
    kind: Literal["turns"] = "turns"

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError("a turn must last at least one second")

    @property
    def keeps_wall_clock(self) -> bool:
        """Whether these turns hand over at a time of the wall clock (law 2)."""
        return self.unit == "months" or self.every % DAY == 0


Recurrence = Turns | Rule
"""How shifts recur: back to back, or by the calendar. Kept with a `kind`, by which a stored one is read."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """A weekly or daily stretch of the wall clock in which a shift counts.

    start_day     1 = Monday … 7 = Sunday; None = every day
    start_second  of that day, by the wall clock
    seconds       how long by the wall clock; may cross midnight and the week's end
    """

    start_day: int | None
    start_second: int
    seconds: int

    def __post_init__(self) -> None:
        if self.start_day is not None and not 1 <= self.start_day <= 7:
            raise ValueError("the day of a weekly restriction is 1 (Monday) to 7 (Sunday)")
        if not 0 <= self.start_second < DAY:
            raise ValueError("a restriction starts at a time of day between 00:00:00 and 23:59:59")
        if not 1 <= self.seconds <= WEEK:
            raise ValueError("a restriction lasts between one second and a week")


@dataclass(frozen=True, slots=True)
class RecurringShift:
    """Shifts that recur and whose holders take turns: a layer of PagerDuty's v2, an event of a rotation of its v3.

    Between the shifts of a calendar rule it does not apply, as outside its restrictions; shift k of the rule is turn k.

    since, until      the shift counts only inside [since, until); until None = for good
    slots             in turn order; turn k is held by slot (k // turns_per_slot + phase) mod their number
    phase             moves the order along, so that an edit can leave the one on call now where he is
    skips_restricted  our option (law 6): turns that lie wholly outside the restrictions are not counted
    """

    id: str
    name: str
    recurrence: Recurrence
    since: datetime
    until: datetime | None
    slots: tuple[People, ...]
    restrictions: tuple[Restriction, ...] = ()
    turns_per_slot: int = 1
    phase: int = 0
    skips_restricted: bool = False

    def __post_init__(self) -> None:
        if not self.slots:
            raise ValueError("a shift needs at least one slot, be it empty")
        if self.turns_per_slot < 1:
            raise ValueError("a slot holds at least one turn")
        if isinstance(self.recurrence, Rule):
            if self.restrictions or self.skips_restricted:
                raise ValueError("a calendar rule says itself when its shifts are: it takes no restrictions")
        elif self.skips_restricted and (self.recurrence.unit != "seconds" or not self.recurrence.keeps_wall_clock):
            raise ValueError("only turns of whole days can leave out the days outside the restrictions")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: [start, end), by its number from the anchor."""

    number: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch in which one slot holds a shift."""

    start: datetime
    end: datetime
    people: People


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a shift says around an instant, and how far that reaches; None = without end in that direction.

    people None = the shift does not apply (outside its dates or restrictions); () = an empty slot holds it.
    """

    start: datetime | None
    end: datetime | None
    people: People | None


def turn_start(turns: Turns, number: int, zone: tzinfo) -> datetime:
    """When turn `number` begins."""
    if not turns.keeps_wall_clock:
        return turns.anchor + timedelta(seconds=turns.every * number)
    return _wall_start(turns, number, to_wall(turns.anchor, zone), zone)


def turn_at(turns: Turns, instant: datetime, zone: tzinfo) -> Turn:
    """The turn that `instant` falls in."""
    if not turns.keeps_wall_clock:
        length = timedelta(seconds=turns.every)
        number = (instant - turns.anchor) // length
        return Turn(number, turns.anchor + number * length, turns.anchor + (number + 1) * length)
    wall, anchor = to_wall(instant, zone), to_wall(turns.anchor, zone)
    if turns.unit == "months":
        number = ((wall.year - anchor.year) * 12 + wall.month - anchor.month) // turns.every
    else:
        number = (wall - anchor) // timedelta(seconds=turns.every)
    start = _wall_start(turns, number, anchor, zone)
    while instant < start:  # the wall clock's guess is off by one near a hand-off, by a few where the clocks change
        number -= 1
        start = _wall_start(turns, number, anchor, zone)
    end = _wall_start(turns, number + 1, anchor, zone)
    while end <= instant:
        number, start = number + 1, end
        end = _wall_start(turns, number + 1, anchor, zone)
    return Turn(number, start, end)


def turns_in(turns: Turns, span: Span, zone: tzinfo) -> Iterator[Turn]:
    """The turns that overlap `span`, in order, uncut, those without length left out."""
    turn = turn_at(turns, span.start, zone)
    while turn.start < span.end:
        if turn.start < turn.end:
            yield turn
        turn = Turn(turn.number + 1, turn.end, turn_start(turns, turn.number + 2, zone))


def holders_of_turn(shift: RecurringShift, number: int, zone: tzinfo) -> People:
    """Who holds turn `number` of the shift, which is shift `number` of a calendar rule."""
    return shift.slots[_slot_of_turn(shift, number, zone)]


def stretch_at(shift: RecurringShift, instant: datetime, zone: tzinfo) -> Stretch:
    """What the shift says at `instant`, and from when to when it says just that."""
    if isinstance(shift.recurrence, Rule):
        return _stretch_of_rule(shift, shift.recurrence, instant, zone)
    if instant < shift.since:
        return Stretch(None, shift.since, None)
    if shift.until is not None and instant >= shift.until:
        return Stretch(max(shift.until, shift.since), None, None)
    window_start: datetime | None = None
    window_end: datetime | None = None
    if windows := week_windows(shift.restrictions):
        window_start, window_end, is_inside = _window_at(windows, instant, zone)
        if not is_inside:
            return Stretch(
                None if window_start < shift.since else window_start,
                None if shift.until is not None and window_end >= shift.until else window_end,
                None,
            )
    turn = turn_at(shift.recurrence, instant, zone)
    start, end = max(turn.start, shift.since), turn.end
    if window_start is not None and window_start > start:
        start = window_start
    if window_end is not None and window_end < end:
        end = window_end
    if shift.until is not None and shift.until < end:
        end = shift.until
    return Stretch(start, end, holders_of_turn(shift, turn.number, zone))


def pieces_in(shift: RecurringShift, span: Span, zone: tzinfo) -> Iterator[Piece]:
    """The stretches of `span` in which the shift applies, in order, cut at the span's bounds and at every hand-off."""
    start = max(span.start, shift.since)
    end = span.end if shift.until is None else min(span.end, shift.until)
    if start >= end:
        return
    inside = Span(start, end)
    if isinstance(shift.recurrence, Rule):
        for one in occurrences_in(shift.recurrence, inside):
            yield Piece(max(one.start, start), min(one.end, end), holders_of_turn(shift, one.number, zone))
        return
    windows = week_windows(shift.restrictions)
    allowed = _windows_in(windows, inside, zone) if windows else iter((inside,))
    window = next(allowed, None)
    for turn in turns_in(shift.recurrence, inside, zone):
        people = holders_of_turn(shift, turn.number, zone)
        while window is not None and window.start < turn.end:
            if (first := max(window.start, turn.start)) < (last := min(window.end, turn.end)):
                yield Piece(first, last, people)
            if window.end > turn.end:
                break
            window = next(allowed, None)


def _stretch_of_rule(shift: RecurringShift, rule: Rule, instant: datetime, zone: tzinfo) -> Stretch:
    """`stretch_at` for a calendar rule: what it says around the instant, cut to the dates of the shift."""
    since, until = shift.since, shift.until
    if until is not None and until <= since:
        return Stretch(None, None, None)
    # Outside the dates, what the rule says just inside them tells how far that reaches.
    is_early, is_late = instant < since, until is not None and instant >= until
    moment = since if is_early else until - timedelta(microseconds=1) if is_late and until is not None else instant
    found = around(rule, moment)
    start, end = found.start, found.end
    if found.number is not None and not is_early and not is_late:
        assert start is not None  # a shift has both ends
        assert end is not None
        last = end if until is None else min(end, until)
        return Stretch(max(start, since), last, holders_of_turn(shift, found.number, zone))
    if is_early and found.number is not None:
        start, end = None, since
    if is_late and found.number is not None:
        start, end = until, None
    # A shift that ends before the dates begin, or begins after their end, is no edge.
    return Stretch(
        None if start is None or start <= since else start,
        None if end is None or (until is not None and end >= until) else end,
        None,
    )


@lru_cache(maxsize=4096)
def week_windows(restrictions: tuple[Restriction, ...]) -> tuple[tuple[int, int], ...]:
    """The restrictions united, as (from, to) seconds after Monday 00:00 by the wall clock, in order.

    Only the last may reach past the week's end. () = no restriction, which is also what covering the week amounts to.
    """
    pieces: list[tuple[int, int]] = []
    for restriction in restrictions:
        days = range(7) if restriction.start_day is None else (restriction.start_day - 1,)
        for day in days:
            start = day * DAY + restriction.start_second
            end = start + restriction.seconds
            pieces.append((start, min(end, WEEK)))
            if end > WEEK:
                pieces.append((0, end - WEEK))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(pieces):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    if merged == [(0, WEEK)]:
        return ()
    if len(merged) > 1 and merged[0][0] == 0 and merged[-1][1] == WEEK:
        merged[-1] = (merged[-1][0], WEEK + merged[0][1])
        del merged[0]
    return tuple(merged)


def _wall_start(turns: Turns, number: int, anchor: datetime, zone: tzinfo) -> datetime:
    """When turn `number` begins, of turns that keep the wall clock; `anchor` is theirs on the wall."""
    if turns.unit == "months":
        return from_wall(_months_later(anchor, turns.every * number), zone)
    return from_wall(anchor + timedelta(seconds=turns.every * number), zone)


def _months_later(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 29 if month == 1 and is_leap else DAYS_OF_MONTH[month]
    return wall.replace(year=year, month=month + 1, day=min(wall.day, last))


def _slot_of_turn(shift: RecurringShift, number: int, zone: tzinfo) -> int:
    if len(shift.slots) == 1:
        return 0
    if shift.skips_restricted and isinstance(shift.recurrence, Turns) and (windows := week_windows(shift.restrictions)):
        anchor = to_wall(shift.recurrence.anchor, zone)
        midnight = anchor.replace(hour=0, minute=0, second=0, microsecond=0)
        into_week = anchor.weekday() * DAY + (anchor - midnight) // timedelta(seconds=1)
        counted = _turns_counted(windows, into_week, shift.recurrence.every)
        rounds, rest = divmod(number, len(counted) - 1)
        number = rounds * counted[-1] + counted[rest]
    return (number // shift.turns_per_slot + shift.phase) % len(shift.slots)


@lru_cache(maxsize=4096)
def _turns_counted(windows: tuple[tuple[int, int], ...], into_week: int, every: int) -> tuple[int, ...]:
    """How many of the first 0, 1, 2 … turns touch a window, up to where turns and weeks fall together again."""
    turns = 7 // gcd(7, every // DAY)
    counted = [0]
    for number in range(turns):
        first = (into_week + number * every) % WEEK
        touches = any(
            start + shift < first + every and first < end + shift
            for start, end in windows
            for shift in range(-WEEK, every + WEEK + 1, WEEK)
        )
        counted.append(counted[-1] + touches)
    return tuple(counted)


def _window_at(
    windows: tuple[tuple[int, int], ...], instant: datetime, zone: tzinfo,
) -> tuple[datetime, datetime, bool]:  # fmt: skip
    """The window around `instant` and True, or the gap between two windows around it and False."""
    wall = to_wall(instant, zone)
    monday = _monday(wall)
    second = (wall - monday) // timedelta(seconds=1)
    at = sum(start <= second for start, _ in windows) - 1
    near = []
    is_even = True  # whether the wall clock runs as time does from the window before to the window after
    for number in (at, at + 1, at - 1):
        start_wall, end_wall = _on_the_wall(windows, monday, number)
        start, end = from_wall(start_wall, zone), from_wall(end_wall, zone)
        if start <= instant < end:
            return start, end, True
        near.append((start, end))
        is_even = is_even and start - instant == start_wall - wall and end - instant == end_wall - wall
    if not is_even:
        # The clocks change nearby, so that a window may lie elsewhere than the wall clock says: look at two weeks of them
        # on each side: a day that a zone leaves out may swallow the only one of a week.
        near = [_placed(windows, monday, number, zone) for number in range(at - 2 * len(windows), at + 2 * len(windows) + 1)]
        for start, end in near:
            if start <= instant < end:
                return start, end, True
    return (
        max(end for start, end in near if end <= instant and start < end),
        min(start for start, end in near if start > instant and start < end),
        False,
    )


def _windows_in(windows: tuple[tuple[int, int], ...], span: Span, zone: tzinfo) -> Iterator[Span]:
    """The windows that overlap `span`, in order, cut to it, none overlapping the one before."""
    monday = _monday(to_wall(span.start, zone))
    beyond = span.end + timedelta(days=2)  # a clock change moves a window by at most a day
    placed: list[tuple[datetime, datetime]] = []
    number = -len(windows)  # a window of last week may reach into this one
    while not placed or placed[-1][0] < beyond:
        placed.append(_placed(windows, monday, number, zone))
        number += 1
    last = span.start
    for start, end in sorted(placed):
        if (first := max(start, last)) < (until := min(end, span.end)):
            yield Span(first, until)
            last = until


def _placed(
    windows: tuple[tuple[int, int], ...], monday: datetime, number: int, zone: tzinfo,
) -> tuple[datetime, datetime]:  # fmt: skip
    """Window `number`, counted from the first of the week of `monday`, in time."""
    start, end = _on_the_wall(windows, monday, number)
    return from_wall(start, zone), from_wall(end, zone)


def _on_the_wall(windows: tuple[tuple[int, int], ...], monday: datetime, number: int) -> tuple[datetime, datetime]:
    week, at = divmod(number, len(windows))
    first = monday + timedelta(days=7 * week)
    start, end = windows[at]
    return first + timedelta(seconds=start), first + timedelta(seconds=end)


def _monday(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=wall.weekday())
