"""RFC 5545 recurrence rules on the wall clock: which start has a number, and which is the last one by a time.

Laws:
1. Starts are naive times of one wall clock, numbered from 0, never before `first`. `first` gives the time of day, the day
   where the rule names none, and the place from which INTERVAL counts; it is a start only where the rule says so.
2. A rule of days or weeks repeats itself after a fixed number of days: a start is found by division. A rule tied to months
   or to days of the year is counted one calendar year at a time, and the years are kept.
3. A rule that names its days means what RFC 5545 says: a month without the 31st has no start. A rule that leaves the day to
   `first` means the last day of a shorter month, as turns of months do (DESIGN 5).
4. COUNT counts starts from 0; UNTIL is the last time at which one may be.
"""

import re
from bisect import bisect_right
from calendar import isleap, monthrange
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import lcm
from typing import Final, Protocol

YEARS_FOLLOWED: Final = 100
"""A rule runs for so many years after its first shift, and then ends, so that no question can cost more than that."""

MOST_A_YEAR: Final = 1_000
"""The most starts in one year of a rule that must be counted year by year (law 2)."""

MOST_INTERVAL: Final = 10_000
"""The largest INTERVAL."""

LONGEST_TEXT: Final = 2_000
"""The most characters of a rule."""

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY = range(6)
"""FREQ, the longest first: what is greater comes more often."""

_FREQUENCIES: Final = {
    "YEARLY": YEARLY, "MONTHLY": MONTHLY, "WEEKLY": WEEKLY, "DAILY": DAILY, "HOURLY": HOURLY, "MINUTELY": MINUTELY,
}  # fmt: skip
_NUMBERS: Final = {
    "BYMONTH": (1, 12), "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYSETPOS": (-366, 366),
    "BYHOUR": (0, 23), "BYMINUTE": (0, 59), "BYSECOND": (0, 59),
}  # fmt: skip
"""The parts that list numbers, with the smallest and the largest; 0 only where the smallest is 0."""

_DAY_PART: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL_PART: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Parsed:
    """An RRULE value, read. `by` holds the BY parts that were given, days as (n or None, 0 = Monday)."""

    frequency: int
    interval: int
    week_start: int
    count: int | None
    until: datetime | None
    until_is_utc: bool
    numbers: Mapping[str, tuple[int, ...]] = field(hash=False)
    days: tuple[tuple[int | None, int], ...]

    @property
    def has_parts(self) -> bool:
        """Whether any BY part was given."""
        return bool(self.numbers or self.days)

    @property
    def names_days(self) -> bool:
        """Whether the rule itself says on which days it is (law 3)."""
        return bool(self.days) or not self.numbers.keys().isdisjoint({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})

    @property
    def has_many_times(self) -> bool:
        """Whether there may be several starts on one day."""
        return self.is_finer_than_days or any(len(self.numbers.get(part, ())) > 1 for part in ("BYHOUR", "BYMINUTE"))

    @property
    def is_finer_than_days(self) -> bool:
        """Whether it goes by hours or minutes."""
        return self.frequency > DAILY

    @property
    def repeats(self) -> bool:
        """Whether it repeats itself after a number of days (law 2)."""
        tied = {"BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"}
        return self.frequency > MONTHLY and self.numbers.keys().isdisjoint(tied)

    @property
    def step(self) -> int:
        """The seconds between two tries of a rule of minutes, hours, days or weeks."""
        return self.interval * {WEEKLY: 7 * _DAY, DAILY: _DAY, HOURLY: 3600, MINUTELY: 60}[self.frequency]


class Starts(Protocol):
    """The starts of one rule."""

    def number_at(self, wall: datetime) -> int:
        """The number of the last start at or before `wall`; -1 when none is."""

    def start(self, number: int) -> datetime | None:
        """The start of this number; None when there is none."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Parsed:
    """Read an RRULE value. Raises ValueError in plain words: what is wrong, and what is understood."""
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a recurrence rule has at most {LONGEST_TEXT} characters")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError(f"'{part[:40]}' is not a part of a recurrence rule: parts are NAME=VALUE with ';' between them")
        if name in parts:
            raise ValueError(f"{name} is given twice in the recurrence rule")
        parts[name] = value
    frequency = _FREQUENCIES.get(said := parts.pop("FREQ", ""))
    if frequency is None:
        why = "turns shorter than a minute are refused" if said == "SECONDLY" else f"'{said[:40]}' is not one"
        raise ValueError(f"a recurrence rule needs FREQ, one of {', '.join(_FREQUENCIES)}: {why}")
    interval = _number("INTERVAL", parts.pop("INTERVAL", "1"), 1, MOST_INTERVAL)
    count = _number("COUNT", parts.pop("COUNT"), 1, 1_000_000) if "COUNT" in parts else None
    until, is_utc = _until(parts.pop("UNTIL")) if "UNTIL" in parts else (None, False)
    if count is not None and until is not None:
        raise ValueError("a recurrence rule ends by COUNT or by UNTIL, not by both")
    week_start = parts.pop("WKST", "MO")
    if week_start not in _DAYS:
        raise ValueError(f"WKST is one of {', '.join(_DAYS)}, not '{week_start[:40]}'")
    days = _days(parts.pop("BYDAY")) if "BYDAY" in parts else ()
    numbers = {}
    for name, value in parts.items():
        if name not in _NUMBERS:
            raise ValueError(f"'{name[:40]}' is not a part of a recurrence rule that is understood")
        low, high = _NUMBERS[name]
        numbers[name] = tuple(sorted({_number(name, one, low, high) for one in value.split(",")}))
    parsed = Parsed(frequency, interval, _DAYS.index(week_start), count, until, is_utc, numbers, days)
    _check(parsed)
    return parsed


def _number(name: str, text: str, low: int, high: int) -> int:
    if re.fullmatch(r"[+-]?\d{1,7}", text) is None or not low <= int(text) <= high or (low < 0 and int(text) == 0):
        but = ", but 0" if low < 0 else ""
        raise ValueError(f"{name} is a whole number from {low} to {high}{but}, not '{text[:40]}'")
    return int(text)


def _until(text: str) -> tuple[datetime, bool]:
    found = _UNTIL_PART.fullmatch(text)
    if found is not None:
        day, time, zulu = found.groups()
        try:
            # A date alone is that whole day.
            return datetime.strptime(day + (time or "235959"), "%Y%m%d%H%M%S"), bool(zulu)  # noqa: DTZ007
        except ValueError:
            pass
    raise ValueError(f"UNTIL is a date like 20271231 or a time like 20271231T080000Z, not '{text[:40]}'")


def _days(text: str) -> tuple[tuple[int | None, int], ...]:
    found = []
    for one in text.split(","):
        match = _DAY_PART.fullmatch(one)
        if match is None or (match[1] is not None and not 1 <= abs(int(match[1])) <= 53):
            raise ValueError(f"BYDAY lists days like MO, or 1MO and -1FR in a month or year, not '{one[:40]}'")
        found.append((None if match[1] is None else int(match[1]), _DAYS.index(match[2])))
    return tuple(dict.fromkeys(found))


def _check(rule: Parsed) -> None:
    """What RFC 5545 3.3.10 forbids together, and what we refuse."""
    given = rule.numbers.keys()
    counts_days = any(n is not None for n, _ in rule.days)
    if counts_days and rule.frequency > MONTHLY:
        raise ValueError("BYDAY with a number (like 1MO) needs FREQ=MONTHLY or YEARLY")
    if counts_days and "BYWEEKNO" in given:
        raise ValueError("BYDAY with a number (like 1MO) cannot stand beside BYWEEKNO")
    if "BYWEEKNO" in given and rule.frequency != YEARLY:
        raise ValueError("BYWEEKNO needs FREQ=YEARLY")
    if "BYYEARDAY" in given and rule.frequency in {DAILY, WEEKLY, MONTHLY}:
        raise ValueError("BYYEARDAY cannot stand with FREQ=DAILY, WEEKLY or MONTHLY")
    if "BYMONTHDAY" in given and rule.frequency == WEEKLY:
        raise ValueError("BYMONTHDAY cannot stand with FREQ=WEEKLY")
    if "BYSETPOS" in given and len(given) == 1 and not rule.days:
        raise ValueError("BYSETPOS chooses among what another BY part gives: add one, like BYDAY")
    if "BYSETPOS" in given and rule.is_finer_than_days:
        raise ValueError("BYSETPOS needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY")
    if len(rule.numbers.get("BYSECOND", ())) > 1:
        raise ValueError("turns shorter than a minute are refused: BYSECOND has one value at most")


# ------------------------------------------------------------------------------------------------------- the starts


@lru_cache(maxsize=8192)
def starts_of(text: str, first: datetime, until: datetime | None) -> Starts:
    """The starts of a rule from `first` to `until` (its UNTIL on the same wall clock), for at most YEARS_FOLLOWED years.

    Raises ValueError when the rule does not parse, has no start at all, or too many of them.
    """
    rule = parse(text)
    starts: Starts = _repeating(rule, first, until) if rule.repeats else _Yearly(text, first, until)
    if starts.start(0) is None:
        raise ValueError("the recurrence rule never gives a shift")
    if not rule.repeats:
        for year in (first.year, first.year + 1):
            if len(_year(text, first, until, year)[1]) > MOST_A_YEAR:
                raise ValueError(
                    f"a recurrence rule tied to months or days of the year gives at most {MOST_A_YEAR:,} shifts a year"
                )
    return starts


@dataclass(frozen=True, slots=True)
class _Repeating:
    """Starts that repeat after `period` seconds: `offsets` are those of the first round, in seconds after `first`."""

    first: datetime
    period: int
    offsets: tuple[int, ...]
    last: int

    def number_at(self, wall: datetime) -> int:
        rounds, second = divmod((wall - self.first) // _SECOND, self.period)
        number = rounds * len(self.offsets) + bisect_right(self.offsets, second) - 1
        return min(max(number, -1), self.last)

    def start(self, number: int) -> datetime | None:
        if not 0 <= number <= self.last:
            return None
        rounds, at = divmod(number, len(self.offsets))
        return self.first + timedelta(seconds=rounds * self.period + self.offsets[at])


def _repeating(rule: Parsed, first: datetime, until: datetime | None) -> _Repeating:
    round_of_days = 7 * _DAY if rule.days else _DAY
    period = rule.step if rule.frequency == WEEKLY or not rule.has_parts else lcm(rule.step, round_of_days)
    if rule.is_finer_than_days and not rule.has_parts:
        offsets: tuple[int, ...] = (0,)
    else:
        found = starts_in(rule, first, first, first + timedelta(seconds=period) - _SECOND)
        offsets = tuple((start - first) // _SECOND for start in found)
    if not offsets:
        return _Repeating(first, period, (0,), -1)
    end = _end(first)
    last = _Repeating(first, period, offsets, 10**9).number_at(end if until is None else min(until, end))
    return _Repeating(first, period, offsets, last if rule.count is None else min(last, rule.count - 1))


@dataclass(frozen=True, slots=True)
class _Yearly:
    """Starts counted one calendar year at a time."""

    text: str
    first: datetime
    until: datetime | None

    def number_at(self, wall: datetime) -> int:
        if wall < self.first:
            return -1
        year = min(wall.year, _end(self.first).year)
        before, starts = _year(self.text, self.first, self.until, year)
        return before + bisect_right(starts, wall) - 1

    def start(self, number: int) -> datetime | None:
        if number < 0:
            return None
        for year in range(self.first.year, _end(self.first).year + 1):
            before, starts = _year(self.text, self.first, self.until, year)
            if number < before + len(starts):
                return starts[number - before]
            if self.until is not None and year > self.until.year:
                return None
        return None


@lru_cache(maxsize=16384)
def _year(text: str, first: datetime, until: datetime | None, year: int) -> tuple[int, tuple[datetime, ...]]:
    """How many starts there are before this calendar year, and those in it."""
    before = 0
    if year > first.year:
        earlier, starts = _year(text, first, until, year - 1)
        before = earlier + len(starts)
    rule = parse(text)
    earliest = max(first, datetime(year, 1, 1))  # noqa: DTZ001
    latest = min(datetime(year, 12, 31, 23, 59, 59), _end(first))  # noqa: DTZ001
    if until is not None:
        latest = min(latest, until)
    if earliest > latest or (rule.count is not None and before >= rule.count):
        return before, ()
    found = tuple(starts_in(rule, first, earliest, latest))
    return before, found if rule.count is None else found[: rule.count - before]


def _end(first: datetime) -> datetime:
    """Up to when a rule is followed."""
    return first + timedelta(days=365 * YEARS_FOLLOWED)


# ------------------------------------------------------------------------------------------- one period after another


def starts_in(rule: Parsed, first: datetime, low: datetime, high: datetime) -> Iterator[datetime]:
    """What the rule gives from `low` (not before `first`) to `high`, in order, whatever its COUNT and UNTIL say.

    It takes no longer than there are days between them.
    """
    positions = rule.numbers.get("BYSETPOS")
    for days in _periods(rule, first, low, high):
        found = [start for day in days if _fits(rule, first, day) for start in _on_day(rule, first, day)]
        if positions:
            found = [start for at, start in enumerate(found) if at + 1 in positions or at - len(found) in positions]
        for start in found:
            if low <= start <= high:
                yield start


def _periods(rule: Parsed, first: datetime, low: datetime, high: datetime) -> Iterator[Iterable[datetime]]:
    """The days (their midnights) of every period of the rule, in step with its INTERVAL, that touches [low, high]."""
    if rule.frequency == YEARLY:
        for year in range(_in_step(first.year, low.year, rule.interval), high.year + 1, rule.interval):
            yield _days_from(datetime(year, 1, 1), 365 + isleap(year))  # noqa: DTZ001
        return
    if rule.frequency == MONTHLY:
        earliest, latest = low.year * 12 + low.month - 1, high.year * 12 + high.month - 1
        for month in range(_in_step(first.year * 12 + first.month - 1, earliest, rule.interval), latest + 1, rule.interval):
            day = datetime(month // 12, month % 12 + 1, 1)  # noqa: DTZ001
            yield _days_from(day, monthrange(day.year, day.month)[1])
        return
    start, length, step = _midnight(first), 1, 1 if rule.is_finer_than_days else rule.interval
    if rule.frequency == WEEKLY:
        start -= timedelta(days=(first.weekday() - rule.week_start) % 7)
        length, step = 7, 7 * rule.interval
    ahead = _in_step(0, (low - start).days - length + 1, step)
    while (day := start + timedelta(days=ahead)) <= high:
        yield _days_from(day, length)
        ahead += step


def _in_step(first: int, low: int, interval: int) -> int:
    """The smallest number from `low` on that is a whole number of intervals after `first`, and not before it."""
    return first + max(0, -((first - low) // interval)) * interval


def _days_from(day: datetime, count: int) -> Iterable[datetime]:
    return (day + timedelta(days=ahead) for ahead in range(count))


def _midnight(wall: datetime) -> datetime:
    return wall.replace(hour=0, minute=0, second=0)


def _fits(rule: Parsed, first: datetime, day: datetime) -> bool:
    """Whether the rule allows this day; where it leaves the day open, whether the day is as in `first` (law 3)."""
    numbers = rule.numbers
    months = numbers.get("BYMONTH")
    if months is not None and day.month not in months:
        return False
    if not rule.names_days:
        if rule.frequency == WEEKLY:
            return day.weekday() == first.weekday()
        if rule.frequency == YEARLY and months is None and day.month != first.month:
            return False
        if rule.frequency <= MONTHLY:
            return day.day == min(first.day, monthrange(day.year, day.month)[1])
        return True
    of_month, of_year = numbers.get("BYMONTHDAY"), numbers.get("BYYEARDAY")
    if of_month is not None and not _is_among(of_month, day.day, monthrange(day.year, day.month)[1]):
        return False
    if of_year is not None and not _is_among(of_year, day.timetuple().tm_yday, 365 + isleap(day.year)):
        return False
    if (weeks := numbers.get("BYWEEKNO")) is not None:
        # A week belongs to the year that its fourth day is in.
        fourth = day + timedelta(days=3 - (day.weekday() - rule.week_start) % 7)
        in_year = fourth.timetuple().tm_yday
        count = (in_year - 1) // 7 + (365 + isleap(fourth.year) - in_year) // 7 + 1
        if not _is_among(weeks, (in_year - 1) // 7 + 1, count):
            return False
        if not rule.days:
            return day.weekday() == first.weekday()
    return not rule.days or any(day.weekday() == weekday and _is_nth(rule, n, day) for n, weekday in rule.days)


def _is_among(wanted: tuple[int, ...], number: int, count: int) -> bool:
    """Whether the place `number` of `count` is one of the wanted, which count from the end where they are negative."""
    return number in wanted or number - count - 1 in wanted


def _is_nth(rule: Parsed, n: int | None, day: datetime) -> bool:
    """Whether this is the nth such weekday of the month, or of the year in a yearly rule that names no months."""
    if n is None:
        return True
    if rule.frequency == YEARLY and "BYMONTH" not in rule.numbers:
        place, size = day.timetuple().tm_yday, 365 + isleap(day.year)
    else:
        place, size = day.day, monthrange(day.year, day.month)[1]
    return n in {(place - 1) // 7 + 1, -((size - place) // 7) - 1}


def _on_day(rule: Parsed, first: datetime, day: datetime) -> Iterator[datetime]:
    """The starts on a day that the rule allows."""
    hours, minutes = rule.numbers.get("BYHOUR"), rule.numbers.get("BYMINUTE")
    (second,) = rule.numbers.get("BYSECOND", (first.second,))
    if rule.frequency == MINUTELY:
        since = (day - first.replace(second=0)) // timedelta(minutes=1)
        for minute in range(-since % rule.interval, 1440, rule.interval):
            if (hours is None or minute // 60 in hours) and (minutes is None or minute % 60 in minutes):
                yield day + timedelta(minutes=minute, seconds=second)
        return
    if rule.frequency == HOURLY:
        since = (day - _midnight(first)).days * 24 - first.hour
        of_day = range(-since % rule.interval, 24, rule.interval)
        hours = tuple(hour for hour in of_day if hours is None or hour in hours)
    for hour in (first.hour,) if hours is None else hours:
        for minute in (first.minute,) if minutes is None else minutes:
            yield day + timedelta(hours=hour, minutes=minute, seconds=second)
