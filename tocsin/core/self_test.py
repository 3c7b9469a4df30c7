"""Weekly tests of the ways people are reached: when the next one is, and what is known of a way from its tests.

Laws:
1. A test is sent at the hour its person chose, on their own wall clock, or not at all: one that is late waits for the next week.
2. A way is proven by a person who says that a test reached them, never by a provider's word.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from tocsin.base.times import from_wall, to_wall

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKDAY: Final = 0
HOUR: Final = 10
"""When tests are sent to who chose no time: Monday at ten, by their own clock."""
LATE: Final = timedelta(hours=1)
"""How late a test may be sent."""
ANSWER_WITHIN: Final = timedelta(hours=24)
"""How long a person has to confirm a test before they are told by another way."""


def next_at(weekday: int, hour: int, zone: tzinfo, after: datetime) -> datetime:
    """The next time that this weekday (0 is Monday) and hour come on the wall clock of a zone, after an instant."""
    wall = to_wall(after, zone)
    day = wall.date() + timedelta(days=(weekday - wall.weekday()) % 7)
    for week in range(3):
        at = from_wall(datetime.combine(day + timedelta(weeks=week), time(hour)), zone)
        if at > after:
            return at
    raise ValueError("a week without that hour")  # no zone has three of them


@dataclass(frozen=True, slots=True)
class Proof:
    """What a way's tests say of it.

    confirmed_at  when a person last confirmed that a test by it reached them; None: never
    open_id       the last test, while it waits for an answer
    sent_at       when the last test was sent
    missed        whether the last test was not confirmed in its time
    """

    confirmed_at: datetime | None = None
    open_id: str | None = None
    sent_at: datetime | None = None
    missed: bool = False
