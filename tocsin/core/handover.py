"""Turns as people say them (every week, Mondays at 09:00) and as a rota keeps them (a length and an anchor), both ways.

Laws:
1. What is said of kept turns and kept again is the same turns.
2. When hand-offs move, whoever's turn it is keeps it; somebody who is no longer in the order makes way for the next who is.
3. Restrictions that differ only in their day are said together, and kept as one a day; all seven days are a daily one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from tocsin.base.times import from_wall, human_duration, to_wall, zone_named
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import DAY, WEEK, RecurringShift, Restriction, Turns, holders_of_turn, turn_at

UNITS: Final = {"weeks": WEEK, "days": DAY, "hours": 3600, "minutes": 60, "seconds": 1}
"""Seconds of each unit that the length of a turn can be said in, longest first."""
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EVERY_DAY: Final = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How turns follow one another: `every` `unit`s, handing over at a time of day and, for weeks, on a weekday.

    second_of_day  of the hand-off, by the wall clock of the schedule
    weekday        1 = Monday … 7 = Sunday; counts only when the unit is weeks
    """

    every: int
    unit: str
    second_of_day: int
    weekday: int

    @property
    def seconds(self) -> int:
        """How long a turn lasts."""
        return self.every * UNITS[self.unit]


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of some weekdays: from `start_second` of each of these days, `seconds` long."""

    days: frozenset[int]
    start_second: int
    seconds: int


def rhythm_of(turn_seconds: int, anchor: datetime, zone: tzinfo) -> Rhythm:
    """What these turns are, said in the longest unit that fits."""
    unit = next(name for name, length in UNITS.items() if turn_seconds % length == 0)
    wall = to_wall(anchor, zone)
    return Rhythm(turn_seconds // UNITS[unit], unit, _into_day(wall), wall.isoweekday())


def anchored(rhythm: Rhythm, moment: datetime, zone: tzinfo, place: int = 0) -> datetime:
    """The anchor with which the turn that `moment` falls in is the one of `place` in the order, counted from 0."""
    wall = to_wall(moment, zone)
    handoff = wall.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=rhythm.second_of_day)
    if rhythm.unit == "weeks":
        handoff -= timedelta(days=(handoff.isoweekday() - rhythm.weekday) % 7)
    if handoff > wall:
        handoff -= timedelta(days=7 if rhythm.unit == "weeks" else 1)
    length = timedelta(seconds=rhythm.seconds)
    turns = place - (wall - handoff) // length
    if rhythm.seconds % DAY == 0:
        return from_wall(handoff - turns * length, zone)
    return from_wall(handoff, zone) - turns * length


def place_of_turn(shift: RecurringShift, order: Sequence[str], moment: datetime, zone: tzinfo) -> int:
    """The place in `order` of whoever's turn it is at `moment`, or of the next of the old order who is in it (law 2)."""
    match shift.recurrence:
        case Turns() as turns:
            number = turn_at(turns, max(moment, shift.since), zone).number
            for ahead in range(len(shift.slots)):
                for user_id in holders_of_turn(shift, number + ahead, zone):
                    if user_id in order:
                        return list(order).index(user_id)
        case Rule():  # its shifts are given out by the calendar, not by an anchor
            pass
    return 0


def hours_of(restrictions: Iterable[Restriction]) -> tuple[Hours, ...]:
    """Restrictions as hours of weekdays, in the order in which they first come."""
    days: dict[tuple[int, int], set[int]] = {}
    for one in restrictions:
        days.setdefault((one.start_second, one.seconds), set()).update(EVERY_DAY if one.start_day is None else {one.start_day})
    return tuple(Hours(frozenset(found), start, seconds) for (start, seconds), found in days.items())


def restrictions_of(hours: Iterable[Hours]) -> tuple[Restriction, ...]:
    """Hours of weekdays as restrictions (law 3). Raises ValueError for a length that no restriction has."""
    found: list[Restriction] = []
    for one in hours:
        days: list[int | None] = [None] if one.days == EVERY_DAY else [*sorted(one.days)]
        found += [Restriction(day, one.start_second, one.seconds) for day in days]
    return tuple(dict.fromkeys(found))


def days_words(days: Iterable[int]) -> str:
    """Weekdays in words: `every day`, `Monday to Friday`, `Saturday and Sunday`, `Monday, Wednesday and Friday`."""
    wanted = sorted(set(days))
    if len(wanted) == 7:
        return "every day"
    names = [DAYS[day - 1] for day in wanted]
    if len(wanted) > 2 and wanted[-1] - wanted[0] == len(wanted) - 1:
        return f"{names[0]} to {names[-1]}"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else "no day"


def clock_words(second_of_day: int) -> str:
    """A time of day: `09:00`, with seconds only where there are some."""
    minutes, seconds = divmod(second_of_day, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")


def hours_words(one: Hours) -> str:
    """Hours in words: `Monday to Friday 09:00–17:00`, `Friday 17:00 to 09:00 3 days later`."""
    end = one.start_second + one.seconds
    later, clock = divmod(end, DAY)
    if one.seconds == DAY and one.start_second == 0:
        return f"{days_words(one.days)}, all day"
    if later == 0 or (later == 1 and one.seconds <= DAY):
        return f"{days_words(one.days)} {clock_words(one.start_second)}–{clock_words(clock)}"
    return f"{days_words(one.days)} {clock_words(one.start_second)} to {clock_words(clock)}, {later} day{'s' if later > 1 else ''} later"


def rhythm_words(rhythm: Rhythm) -> str:
    """A rhythm in words: `every week, handing over on Mondays at 09:00`."""
    length = rhythm.unit[:-1] if rhythm.every == 1 else f"{rhythm.every} {rhythm.unit}"
    if rhythm.unit == "weeks":
        return f"every {length}, handing over on {DAYS[rhythm.weekday - 1]}s at {clock_words(rhythm.second_of_day)}"
    if rhythm.unit == "days":
        return f"every {length}, handing over at {clock_words(rhythm.second_of_day)}"
    return f"every {length}, counted from {clock_words(rhythm.second_of_day)}"


def shift_words(shift: RecurringShift, zone: tzinfo) -> str:
    """How a shift recurs, in words."""
    if len(shift.slots) == 1 and isinstance(shift.recurrence, Turns):
        return "always the same"
    match shift.recurrence:
        case Turns() as turns if turns.unit == "months":
            wall = to_wall(turns.anchor, zone)
            length = "month" if turns.every == 1 else f"{turns.every} months"
            return f"every {length}, handing over on day {wall.day} (or the last of a shorter month) at {clock_words(_into_day(wall))}"
        case Turns() as turns:
            return rhythm_words(rhythm_of(turns.every, turns.anchor, zone))
        case Rule() as rule:
            return rule_words(rule)


def rule_words(rule: Rule) -> str:
    """A rule of the calendar in words: `every week on Monday to Friday 09:00–17:00 (Europe/Paris)`; what has no words is quoted."""
    own = zone_named(rule.time_zone)
    wall = to_wall(rule.first, own)
    said = dict(part.split("=", 1) for part in rule.rule.upper().split(";") if "=" in part)
    every = int(said.pop("INTERVAL", "1"))
    unit = _FREQUENCIES.get(said.pop("FREQ", ""), "")
    days = said.pop("BYDAY", "")
    said.pop("WKST", None)
    until, count = said.pop("UNTIL", ""), said.pop("COUNT", "")
    numbers = [_DAY_CODES[code] for code in days.split(",") if code in _DAY_CODES]
    is_plain = unit and not said and len(numbers) == len([code for code in days.split(",") if code])
    if not is_plain or unit == "month":
        return f"by the calendar rule {rule.rule}, from {clock_words(_into_day(wall))} for {human_duration(timedelta(seconds=rule.seconds))} ({rule.time_zone})"
    if unit == "week" and not numbers:
        numbers = [wall.isoweekday()]
    weekdays = days_words(numbers) if numbers else ""
    when = hours_words(Hours(EVERY_DAY, _into_day(wall), rule.seconds)).removeprefix("every day").strip(", ")
    often = f"every {unit}" if every == 1 else f"every {every} {unit}s"
    if weekdays == "every day" and every == 1:
        often, weekdays = "every day", ""
    end = f", {count} times" if count else f", until {until[:4]}-{until[4:6]}-{until[6:8]}" if until else ""
    changed = f", {len(rule.except_at)} left out" if rule.except_at else ""
    added = f", {len(rule.added_at)} added" if rule.added_at else ""
    return f"{often}{' on ' + weekdays if weekdays else ''} {when}{end}{changed}{added} ({rule.time_zone})"


_FREQUENCIES: Final = {"HOURLY": "hour", "DAILY": "day", "WEEKLY": "week", "MONTHLY": "month"}
_DAY_CODES: Final = {"MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6, "SU": 7}


def _into_day(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second
