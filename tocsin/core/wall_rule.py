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
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import lcm
from typing import Any, Final, Literal, Protocol

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, WEEKLY, YEARLY, rrule, weekday

YEARS_FOLLOWED: Final = 100
"""A rule runs for so many years after its first shift, and then ends, so that no question can cost more than that."""

MOST_A_YEAR: Final = 1_000
"""The most starts in one year of a rule that must be counted year by year (law 2)."""

MOST_INTERVAL: Final = 10_000
"""The largest INTERVAL."""

LONGEST_TEXT: Final = 2_000
"""The most characters of a rule."""

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
Frequency = Literal[0, 1, 2, 3, 4, 5]
"""FREQ as dateutil numbers it, the longest first."""

_FREQUENCIES: Final[dict[str, Frequency]] = {
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

    frequency: Frequency
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
    beginning = _period_start(rule, first) if rule.frequency == WEEKLY else first
    found = _expanded(rule, first, beginning, first + timedelta(seconds=period) - _SECOND)
    offsets = tuple((start - first) // _SECOND for start in found if start >= first)
    end = _end(first)
    whole = _Repeating(first, period, offsets, 10**9)
    if not offsets:
        return _Repeating(first, period, (0,), -1)
    last = whole.number_at(end if until is None else min(until, end))
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
    beginning = _beginning(rule, first, year)
    latest = min(datetime(year, 12, 31, 23, 59, 59), _end(first))  # noqa: DTZ001
    if until is not None:
        latest = min(latest, until)
    if beginning is None or beginning > latest or (rule.count is not None and before >= rule.count):
        return before, ()
    earliest = max(first, datetime(year, 1, 1))  # noqa: DTZ001
    found = tuple(start for start in _expanded(rule, first, beginning, latest) if start >= earliest)
    return before, found if rule.count is None else found[: rule.count - before]


def _end(first: datetime) -> datetime:
    """Up to when a rule is followed."""
    return first + timedelta(days=365 * YEARS_FOLLOWED)


def _beginning(rule: Parsed, first: datetime, year: int) -> datetime | None:
    """A beginning of a period of the rule, in step with its INTERVAL, from which no start of `year` is missed."""
    new_year = first.replace(year=year, month=1, day=1)
    if rule.frequency == YEARLY:
        return None if (year - first.year) % rule.interval else new_year
    if rule.frequency == MONTHLY:
        month = first.year * 12 + first.month - 1
        month += max(0, -((month - year * 12) // rule.interval)) * rule.interval
        return first.replace(year=month // 12, month=month % 12 + 1, day=1)
    start = _period_start(rule, first)
    # One whole step early, so that a week which reaches over the new year is not missed.
    steps = max(0, (new_year - start) // timedelta(seconds=rule.step) - 1)
    return start + timedelta(seconds=steps * rule.step)


def _period_start(rule: Parsed, first: datetime) -> datetime:
    """The beginning of the week of `first`, where the rule goes by weeks."""
    if rule.frequency != WEEKLY:
        return first
    return first - timedelta(days=(first.weekday() - rule.week_start) % 7)


def _expanded(rule: Parsed, first: datetime, beginning: datetime, latest: datetime) -> list[datetime]:
    """The starts from `beginning`, which begins a period, to `latest`; what the rule leaves open is as in `first`."""
    parts: dict[str, Any] = {name.lower(): values for name, values in rule.numbers.items()}
    if rule.days:
        parts["byweekday"] = [weekday(day, n) for n, day in rule.days]
    is_last_day = False
    is_by_week = rule.frequency == WEEKLY or (rule.frequency == YEARLY and "BYWEEKNO" in rule.numbers)
    if is_by_week and not rule.days:
        parts["byweekday"] = first.weekday()
    elif not rule.names_days and rule.frequency in {MONTHLY, YEARLY}:
        if rule.frequency == YEARLY:
            parts.setdefault("bymonth", first.month)
        is_last_day = first.day > 28 and "BYSETPOS" not in rule.numbers
        parts["bymonthday"] = tuple(range(28, first.day + 1)) if is_last_day else first.day
    try:
        found = list(
            rrule(rule.frequency, dtstart=beginning, interval=rule.interval, wkst=rule.week_start, until=latest, **parts)
        )
    except ValueError:  # dateutil finds an INTERVAL that never meets the BY parts
        return []
    if is_last_day:
        last = {(start.year, start.month): start.day for start in found}  # the last of those that a month has
        found = [start for start in found if start.day == last[start.year, start.month]]
    return found
