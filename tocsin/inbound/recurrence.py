"""The times at which an event of a calendar recurs, worked out within bounds whatever its rule says (RFC 5545 3.3.10).

Laws:
1. Times are naive, on the wall of the event's own zone: an event at nine stays at nine when the clocks change.
2. The event's own start is the first time, whether or not the rule would say so: calendars show it.
3. A month without the day has no time: a monthly event of the 31st skips the months without one, as calendars show it.
4. Every step is paid for beforehand from a budget of the whole calendar; no rule can take more, be it one that never comes true.

Which days a rule means is worked out in one place of the house, `core.wall_rule`; here is what calendars add to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import prod
from typing import Final

from tocsin.core.wall_rule import HOURLY, MONTHLY, YEARLY, Parsed, starts_in

STEPS_MOST: Final = 400_000
"""Days (for hourly rules, hours) looked at for one calendar, times the times of day that its rules name."""

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


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
    # Only a rule that counts its times must be walked from where it begins.
    begin = first if rule.count is not None else max(first, low)
    clock = prod(len(rule.numbers.get(part, "1")) for part in ("BYHOUR", "BYMINUTE", "BYSECOND"))
    step = _HOUR if rule.frequency == HOURLY else _DAY
    budget.spend((max(high - begin, timedelta()) // step + (366 if rule.frequency == YEARLY else 31)) * clock)
    if low <= first <= high:
        yield first
    count = 1
    for found in starts_in(_named(rule, first), first, begin, high):
        if found == first:
            continue
        count += 1
        if rule.count is not None and count > rule.count:
            return
        if found >= low:
            yield found


def _named(rule: Parsed, first: datetime) -> Parsed:
    """The rule with the day of the month said that it leaves to `first`: such a rule skips the months without it (law 3)."""
    if rule.names_days or rule.frequency > MONTHLY:
        return rule
    named = {"BYMONTHDAY": (first.day,)}
    if rule.frequency == YEARLY:
        named["BYMONTH"] = (first.month,)
    return replace(rule, numbers=named | dict(rule.numbers))
