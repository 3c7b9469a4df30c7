"""The times at which an event of a calendar recurs, worked out within bounds whatever its rule says (RFC 5545 3.3.10).

Laws:
1. Times are naive, on the wall of the event's own zone: an event at nine stays at nine when the clocks change.
2. The event's own start is the first time, whether or not the rule would say so: calendars show it.
3. A month without the day has no time: a monthly event of the 31st skips the months without one, as calendars show it.
4. Every step is paid for beforehand from a budget of the whole calendar; no rule can take more, be it one that never comes true.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, datetime, timedelta
from itertools import product
from typing import Final

from tocsin.core.wall_rule import DAILY, HOURLY, MONTHLY, WEEKLY, YEARLY, Parsed

STEPS_MOST: Final = 400_000
"""Days (for hourly rules, hours) looked at for one calendar, times the times of day that its rules name."""

_DATES_BEGIN: Final = datetime(1, 1, 1)  # noqa: DTZ001 - law 1
_LAST_DAY: Final = datetime(MAXYEAR, 12, 31).toordinal()  # noqa: DTZ001 - law 1
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)


class TooMuch(Exception):
    """The rules of a calendar would take more steps than are allowed."""


@dataclass(slots=True)
class Budget:
    """What is left of the steps of one calendar."""

    left: int = STEPS_MOST

    def spend(self, steps: int) -> None:
        """Raises TooMuch when there are not so many left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch


def times(rule: Parsed, first: datetime, low: datetime, high: datetime, budget: Budget) -> Iterator[datetime]:
    """The times from `low` to `high` at which an event that starts at `first` is by this rule, in order.

    UNTIL is the caller's business: `high` is already no later. Raises TooMuch; ValueError for a rule of minutes.
    """
    if rule.frequency > HOURLY:
        raise ValueError("it recurs every few minutes or seconds, which no shift does")
    clock = list(product(rule.numbers.get("BYHOUR", (first.hour,)), rule.numbers.get("BYMINUTE", (first.minute,)),
                         rule.numbers.get("BYSECOND", (first.second,))))  # fmt: skip
    begin = first if rule.count is not None else _near(rule, first, low)
    length = max(high - begin, timedelta())
    step = _HOUR if rule.frequency == HOURLY else _DAY
    budget.spend((length // step + (366 if rule.frequency == YEARLY else 31)) * len(clock))
    count = rule.count
    if first >= low and first <= high:
        yield first
    if count is not None:
        count -= 1
    for found in _all(rule, first, begin, high, clock):
        if count is not None and count <= 0:
            return
        if found > first:
            if found > high:
                return
            if count is not None:
                count -= 1
            if found >= low:
                yield found


def _near(rule: Parsed, first: datetime, low: datetime) -> datetime:
    """A start not after `low` from which INTERVAL counts alike, so that nobody walks there from long ago."""
    if low <= first:
        return first
    if rule.frequency == YEARLY:
        year = first.year + max((low.year - first.year) // rule.interval - 1, 0) * rule.interval
        return first.replace(year=year, month=1, day=1)
    if rule.frequency == MONTHLY:
        months = (low.year - first.year) * 12 + low.month - first.month
        month = first.year * 12 + first.month - 1 + max(months // rule.interval - 1, 0) * rule.interval
        return first.replace(year=month // 12, month=month % 12 + 1, day=1)
    unit = {WEEKLY: 7 * _DAY, DAILY: _DAY, HOURLY: _HOUR}[rule.frequency]
    step = unit * rule.interval
    return first + max((low - first) // step - 1, 0) * step


def _all(rule: Parsed, first: datetime, begin: datetime, high: datetime, clock: list[tuple[int, int, int]]) -> Iterator[datetime]:
    """Period by period, what the rule chooses in it; `begin` is in the first period."""
    period: datetime | None = _period(rule, begin)
    while period is not None and period <= high:
        if rule.frequency == HOURLY:
            found = _in_hour(rule, first, period)
        else:
            found = [
                day.replace(hour=hour, minute=minute, second=second)
                for day in _days(rule, first, period)
                for hour, minute, second in sorted(clock)
            ]
        if positions := rule.numbers.get("BYSETPOS"):
            size = len(found)
            found = sorted({found[at - 1 if at > 0 else size + at] for at in positions if 0 < abs(at) <= size})
        yield from found
        period = _next(rule, period)


def _period(rule: Parsed, begin: datetime) -> datetime:
    """The beginning of the period that this time is in."""
    midnight = begin.replace(hour=0, minute=0, second=0)
    if rule.frequency == YEARLY:
        return midnight.replace(month=1, day=1)
    if rule.frequency == MONTHLY:
        return midnight.replace(day=1)
    if rule.frequency == WEEKLY:
        return midnight - min((midnight.weekday() - rule.week_start) % 7 * _DAY, midnight - _DATES_BEGIN)
    return midnight if rule.frequency == DAILY else begin.replace(minute=0, second=0)


def _next(rule: Parsed, period: datetime) -> datetime | None:
    """The beginning of the next period; None when dates end."""
    if rule.frequency == YEARLY:
        year = period.year + rule.interval
        return period.replace(year=year) if year <= MAXYEAR else None
    if rule.frequency == MONTHLY:
        month = period.year * 12 + period.month - 1 + rule.interval
        return period.replace(year=month // 12, month=month % 12 + 1) if month // 12 <= MAXYEAR else None
    try:
        return period + rule.interval * {WEEKLY: 7 * _DAY, DAILY: _DAY, HOURLY: _HOUR}[rule.frequency]
    except OverflowError:
        return None


def _in_hour(rule: Parsed, first: datetime, hour: datetime) -> list[datetime]:
    hours = rule.numbers.get("BYHOUR")
    if (hours and hour.hour not in hours) or not _fits(rule, first, hour):
        return []
    minutes = rule.numbers.get("BYMINUTE", (first.minute,))
    seconds = rule.numbers.get("BYSECOND", (first.second,))
    return sorted(hour.replace(minute=minute, second=second) for minute, second in product(minutes, seconds))


def _days(rule: Parsed, first: datetime, period: datetime) -> Iterator[datetime]:
    """The days of a period that the rule chooses."""
    count = 1
    if rule.frequency == YEARLY:
        count = _days_in_year(period.year)
    elif rule.frequency == MONTHLY:
        count = _days_in_month(period)
    elif rule.frequency == WEEKLY:
        count = 7
    for number in range(count):
        try:
            day = period + number * _DAY
        except OverflowError:
            return
        if _fits(rule, first, day):
            yield day


def _fits(rule: Parsed, first: datetime, day: datetime) -> bool:
    """Whether the rule's parts let this day through; what no part says is as in `first`."""
    numbers = rule.numbers
    months = numbers.get("BYMONTH")
    if not rule.names_days and rule.frequency in {YEARLY, MONTHLY}:
        if rule.frequency == YEARLY and months is None:
            months = (first.month,)
        if day.day != first.day:
            return False
    if not rule.names_days and rule.frequency == WEEKLY and day.weekday() != first.weekday():
        return False
    if months is not None and day.month not in months:
        return False
    if (of_month := numbers.get("BYMONTHDAY")) and not {day.day, day.day - _days_in_month(day) - 1} & set(of_month):
        return False
    if of_year := numbers.get("BYYEARDAY"):
        number = day.timetuple().tm_yday
        if not {number, number - _days_in_year(day.year) - 1} & set(of_year):
            return False
    if (weeks := numbers.get("BYWEEKNO")) and not set(_week_numbers(rule, day)) & set(weeks):
        return False
    if rule.frequency == YEARLY and "BYWEEKNO" in numbers and not rule.days and not {"BYMONTHDAY", "BYYEARDAY"} & numbers.keys():
        return day.weekday() == first.weekday()
    return not rule.days or any(_is_weekday(rule, day, nth, weekday) for nth, weekday in rule.days)


def _is_weekday(rule: Parsed, day: datetime, nth: int | None, weekday: int) -> bool:
    """Whether this is the weekday, and the nth one of the month (of the year, in a yearly rule without months)."""
    if day.weekday() != weekday:
        return False
    if nth is None or rule.frequency > MONTHLY:
        return True
    if rule.frequency == YEARLY and "BYMONTH" not in rule.numbers:
        at, size = day.timetuple().tm_yday, _days_in_year(day.year)
    else:
        at, size = day.day, _days_in_month(day)
    return nth in {(at - 1) // 7 + 1, -((size - at) // 7 + 1)}


def _week_numbers(rule: Parsed, day: datetime) -> tuple[int, int]:
    """The number of the day's week from the front and from the back of its year, with weeks that start as the rule says."""
    middle = day.toordinal() - (day.weekday() - rule.week_start) % 7 + 3
    year = datetime.fromordinal(min(max(middle, 1), _LAST_DAY)).year
    number = (middle - datetime(year, 1, 1).toordinal()) // 7 + 1  # noqa: DTZ001
    last = datetime(year, 12, 31).toordinal()  # noqa: DTZ001
    weeks = number + (last - middle) // 7
    return number, number - weeks - 1


def _days_in_year(year: int) -> int:
    return 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365


def _days_in_month(day: datetime) -> int:
    if day.month == 2:
        return _days_in_year(day.year) - 337
    return 30 if day.month in {4, 6, 9, 11} else 31
