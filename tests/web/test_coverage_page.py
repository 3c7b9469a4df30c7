"""What the page of coverage puts together: stretches that say the same are told once."""

from datetime import timedelta

from tests.core.test_coverage import DAY, HOUR
from tests.core.test_schedule import START
from tocsin.core.coverage import Cause, Kind, Reached, Repeated, together

GAP = Cause(Kind.GAP, 1, "PS1", "nobody is on call on Days")


def test_the_same_every_night_is_told_once_with_how_often_and_how_long() -> None:
    nights = [Reached(START + number * DAY, START + number * DAY + 8 * HOUR, timedelta(), (GAP,)) for number in range(3)]
    late = Reached(START + 4 * DAY, START + 4 * DAY + HOUR, timedelta(minutes=30), (GAP,))
    assert together([late, *nights]) == [Repeated(nights[0], 3, 24 * HOUR), Repeated(late, 1, HOUR)]
