"""The load of a rota: how long each person was on call, and how much of that was at night, at weekends and on public holidays.

Laws:
1. It is worked out from the final schedule by interval arithmetic, in elapsed time: a day on which the clocks change has 23 or
   25 hours.
2. Every instant of a shift is in one band, by the wall clock in the person's own zone (BEHAVIOUR 10): business is Monday to
   Friday 8 to 18; off hours are Monday to Friday 18 to 22, Saturday and Sunday 8 to 22; sleep is 22 to 8 every day.
3. Weekend and holiday are days of that same wall clock, beside the bands: an hour may be both.
4. A night is one that begins at 22:00; it counts once, however little of it somebody was on call.
5. An even share is what all of it would be, divided by everybody on the rota. It says nothing of who should have done what.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from tocsin.base.times import Span, from_wall, to_wall
from tocsin.core.schedule import Entry

_EDGES: Final = (0, 8, 18, 22)
"""Hours of the wall clock at which a band, or a day, may begin."""
_NONE: Final = timedelta()


class Band(StrEnum):
    """What kind of hours they are (law 2)."""

    BUSINESS = "business"
    OFF_HOURS = "off_hours"
    SLEEP = "sleep"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on the rota: the zone they live by, and the public holidays of where they are."""

    id: str
    zone: tzinfo
    holidays: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Hours:
    """Time on call, in elapsed time: all of it, by band, and how much of it was on weekends and public holidays."""

    total: timedelta = _NONE
    business: timedelta = _NONE
    off_hours: timedelta = _NONE
    sleep: timedelta = _NONE
    weekend: timedelta = _NONE
    holiday: timedelta = _NONE

    def __add__(self, other: "Hours") -> "Hours":
        return Hours(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __sub__(self, other: "Hours") -> "Hours":
        return Hours(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))

    def __truediv__(self, count: int) -> "Hours":
        return Hours(*(getattr(self, one.name) / count for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a shift within one band of one day."""

    start: datetime
    end: datetime
    band: Band
    day: date
    night: date | None


@dataclass(frozen=True, slots=True)
class ShiftLoad:
    """One unbroken shift: its hours, and the evenings of its nights and the holidays it touches, in order."""

    user_id: str
    start: datetime
    end: datetime
    hours: Hours
    nights: tuple[date, ...]
    holidays: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class PersonLoad:
    """One person's load. `hand_offs`: how often a shift of theirs began or ended within the span."""

    user_id: str
    hours: Hours
    nights: int
    shifts: tuple[ShiftLoad, ...] = field(default=())
    hand_offs: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a rota in a span: everybody on it, most hours first, all together, and an even share of that (law 5)."""

    span: Span
    people: tuple[PersonLoad, ...]
    total: Hours
    even: Hours


def load_of(entries: Sequence[Entry], members: Collection[Member], span: Span) -> Load:
    """The load of these entries of a final schedule, cut to `span`. Everybody in them must be among the members."""
    known = {member.id: member for member in members}
    shifts: dict[str, list[ShiftLoad]] = {member_id: [] for member_id in known}
    for entry in entries:
        start, end = max(entry.start, span.start), min(entry.end, span.end)
        if start < end:
            shifts[entry.user_id].append(shift_load(known[entry.user_id], start, end))
    people = [_person(member_id, tuple(found), span) for member_id, found in shifts.items()]
    people.sort(key=_order)
    total = sum((one.hours for one in people), Hours())
    return Load(span, tuple(people), total, total / len(people) if people else total)


def shift_load(member: Member, start: datetime, end: datetime) -> ShiftLoad:
    """What the time from `start` to `end` is to this person."""
    lasting: dict[Band, timedelta] = dict.fromkeys(Band, _NONE)
    weekend = holiday = _NONE
    nights: dict[date, None] = {}
    holidays: dict[date, None] = {}
    for piece in pieces(start, end, member.zone):
        length = piece.end - piece.start
        lasting[piece.band] += length
        if piece.day.weekday() >= 5:
            weekend += length
        if piece.day in member.holidays:
            holiday += length
            holidays[piece.day] = None
        if piece.night is not None:
            nights[piece.night] = None
    hours = Hours(end - start, lasting[Band.BUSINESS], lasting[Band.OFF_HOURS], lasting[Band.SLEEP], weekend, holiday)
    return ShiftLoad(member.id, start, end, hours, tuple(nights), tuple(holidays))


def pieces(start: datetime, end: datetime, zone: tzinfo) -> Iterator[Piece]:
    """The time from `start` to `end`, cut wherever a band or a day begins on the wall in `zone`."""
    at = start
    while at < end:
        wall = to_wall(at, zone)
        until = min(_next_edge(at, wall, zone), end)
        is_sleep = wall.hour < 8 or wall.hour >= 22
        band = Band.SLEEP if is_sleep else Band.BUSINESS if wall.weekday() < 5 and wall.hour < 18 else Band.OFF_HOURS
        evening = (wall - timedelta(hours=8)).date() if is_sleep else None
        yield Piece(at, until, band, wall.date(), evening)
        at = until


def _next_edge(at: datetime, wall: datetime, zone: tzinfo) -> datetime:
    """When the next band or day begins after `at`."""
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    for hours in (*(edge for edge in _EDGES if edge > wall.hour), *(24 + edge for edge in _EDGES), 48):
        found = from_wall(midnight + timedelta(hours=hours), zone)
        if found > at:  # where the clocks were set back over an edge, its first time may be past
            return found
    return at + timedelta(days=1)


def _person(user_id: str, shifts: tuple[ShiftLoad, ...], span: Span) -> PersonLoad:
    nights = {night for shift in shifts for night in shift.nights}
    hand_offs = sum((shift.start > span.start) + (shift.end < span.end) for shift in shifts)
    return PersonLoad(user_id, sum((shift.hours for shift in shifts), Hours()), len(nights), shifts, hand_offs)


def _order(one: PersonLoad) -> tuple[timedelta, str]:
    return -one.hours.total, one.user_id


def by_start(load: Load) -> list[ShiftLoad]:
    """Every shift of everybody, by start."""
    return sorted((shift for person in load.people for shift in person.shifts), key=_begin)


def _begin(shift: ShiftLoad) -> tuple[datetime, str]:
    return shift.start, shift.user_id


def difference(load: Load) -> Mapping[str, Hours]:
    """By person, how much more (or less) than an even share it was."""
    return {one.user_id: one.hours - load.even for one in load.people}
