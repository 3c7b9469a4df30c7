"""Turns as people say them and as a rota keeps them: there and back, in words, and whose turn it is when hand-offs move."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tocsin.core import handover
from tocsin.core.calendar_rule import Rule
from tocsin.core.handover import Hours, Rhythm
from tocsin.core.rotation import DAY, WEEK, RecurringShift, Restriction, Turns, holders_of_turn, turn_at

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 25, 13, 30, tzinfo=UTC)  # a Wednesday
NINE = 9 * 3600


@pytest.mark.parametrize(
    "rhythm",
    [
        Rhythm(1, "weeks", NINE, 1), Rhythm(2, "weeks", 17 * 3600 + 1800, 5), Rhythm(1, "days", NINE, 3), Rhythm(3, "days", 0, 3),
        Rhythm(12, "hours", 8 * 3600, 3), Rhythm(8, "hours", 0, 3), Rhythm(90, "minutes", NINE, 3),
    ],
)  # fmt: skip
def test_what_is_said_is_kept_and_said_again(rhythm: Rhythm) -> None:
    anchor = handover.anchored(rhythm, NOW, PARIS)
    again = handover.rhythm_of(rhythm.seconds, anchor, PARIS)
    assert (again.seconds, again.second_of_day % min(rhythm.seconds, DAY)) == (rhythm.seconds, rhythm.second_of_day % min(rhythm.seconds, DAY))
    if rhythm.unit == "weeks":
        assert again == rhythm


@pytest.mark.parametrize("rhythm", [Rhythm(1, "weeks", NINE, 1), Rhythm(1, "days", NINE, 3), Rhythm(8, "hours", 0, 3), Rhythm(2, "weeks", 0, 7)])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_turn_around_a_moment_is_the_one_that_was_asked_for(rhythm: Rhythm, place: int) -> None:
    for hours in range(0, 400, 7):
        moment = NOW + timedelta(hours=hours)
        turns = Turns(handover.anchored(rhythm, moment, PARIS, place), rhythm.seconds)
        assert turn_at(turns, moment, PARIS).number == place


def test_hand_offs_stay_at_their_wall_clock_time_when_the_clocks_change() -> None:
    rhythm = Rhythm(1, "days", NINE, 1)
    turns = Turns(handover.anchored(rhythm, datetime(2026, 10, 24, 12, tzinfo=UTC), PARIS), DAY)
    starts = [turn_at(turns, datetime(2026, 10, 24, 12, tzinfo=UTC) + timedelta(days=ahead), PARIS).start for ahead in range(3)]
    assert [f"{at.astimezone(PARIS):%H:%M}" for at in starts] == ["09:00"] * 3
    assert {after - before for before, after in pairwise(starts)} == {timedelta(hours=25), timedelta(hours=24)}


def shift(*people: str) -> RecurringShift:
    return RecurringShift("R", "R", Turns(datetime(2026, 11, 2, 9, tzinfo=UTC), WEEK), datetime(2026, 11, 2, 9, tzinfo=UTC), None, tuple((one,) for one in people))


def test_whoever_has_the_turn_keeps_it_and_who_is_gone_makes_way_for_the_next() -> None:
    one = shift("A", "B", "C", "D")
    number = turn_at(Turns(one.since, WEEK), NOW, PARIS).number
    assert holders_of_turn(one, number, PARIS) == ("D",)
    assert handover.place_of_turn(one, ["D", "A", "B"], NOW, PARIS) == 0
    assert handover.place_of_turn(one, ["X", "C", "B", "A"], NOW, PARIS) == 3
    assert handover.place_of_turn(one, ["X"], NOW, PARIS) == 0


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (Hours(handover.EVERY_DAY, NINE, 8 * 3600), "every day 09:00–17:00"),
        (Hours(frozenset({1, 2, 3, 4, 5}), NINE, 8 * 3600), "Monday to Friday 09:00–17:00"),
        (Hours(frozenset({6, 7}), 0, DAY), "Saturday and Sunday, all day"),
        (Hours(frozenset({5}), 17 * 3600, 64 * 3600), "Friday 17:00 to 09:00, 3 days later"),
        (Hours(frozenset({1, 3, 5}), 22 * 3600, 8 * 3600), "Monday, Wednesday and Friday 22:00–06:00"),
    ],
)
def test_hours_are_said_in_words_and_kept_as_restrictions(hours: Hours, words: str) -> None:
    assert handover.hours_words(hours) == words
    assert handover.hours_of(handover.restrictions_of([hours])) == (hours,)


def test_the_same_hours_on_every_day_are_one_daily_restriction() -> None:
    assert handover.restrictions_of([Hours(handover.EVERY_DAY, NINE, 3600)]) == (Restriction(None, NINE, 3600),)
    weekly = tuple(Restriction(day, NINE, 3600) for day in range(1, 8))
    assert handover.hours_of(weekly) == (Hours(handover.EVERY_DAY, NINE, 3600),)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every week on Monday to Friday 09:00–17:00 (Europe/Paris)"),
        ("FREQ=DAILY", "every day 09:00–17:00 (Europe/Paris)"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SA", "every 2 weeks on Saturday 09:00–17:00 (Europe/Paris)"),
        ("FREQ=MONTHLY;BYDAY=1MO", "by the calendar rule FREQ=MONTHLY;BYDAY=1MO, from 09:00 for 8 h (Europe/Paris)"),
    ],
)
def test_a_calendar_rule_is_said_in_words(rule: str, words: str) -> None:
    assert handover.rule_words(Rule(datetime(2026, 11, 2, 8, tzinfo=UTC), 8 * 3600, "Europe/Paris", rule)) == words


def test_a_rhythm_is_said_in_words() -> None:
    assert handover.shift_words(shift("A", "B"), PARIS) == "every week, handing over on Mondays at 10:00"
    assert handover.shift_words(shift("A"), PARIS) == "always the same"
    assert handover.rhythm_words(Rhythm(12, "hours", 8 * 3600, 1)) == "every 12 hours, counted from 08:00"
