"""When Tocsin says of itself that it is late, and when that it is over."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.self_watch import Alarm, Queue, Tell, judge, stuck

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def ages(*found: float) -> list[Queue]:
    return [Queue("accepted events wait", 3, seconds(age)) for age in found]


def play(*looks: tuple[float, float], alarm: Alarm | None = None) -> tuple[Alarm, list[tuple[float, Tell]]]:
    """(seconds from the start, age of the queue) of each look → how it ends, and what was told when."""
    alarm, told = alarm or Alarm(), []
    for at, age in looks:
        step = judge(alarm, ages(0, age), NOW + seconds(at))
        alarm = step.alarm
        if step.tell is not None:
            told.append((at, step.tell))
    return alarm, told


def test_one_slow_look_tells_nobody() -> None:
    assert play((0, 99), (15, 10), (30, 99), (45, 0))[1] == []


def test_what_lasts_is_told_and_its_end_is_told() -> None:
    alarm, told = play((0, 61), (15, 76), (30, 91), (45, 106), (60, 40), (75, 20), (90, 45), (105, 5), (150, 0), (165, 0))
    assert told == [(30, Tell.LATE), (165, Tell.OVER)]
    assert alarm == Alarm(told_at=NOW + seconds(30))


def test_it_is_told_again_after_an_hour_and_not_sooner_however_it_comes_and_goes() -> None:
    often = [(at, 99.0 if at % 600 < 300 else 0.0) for at in range(0, 7300, 15)]
    _, told = play(*[(float(at), age) for at, age in often])
    late = [at for at, tell in told if tell is Tell.LATE]
    assert [round(at) for at in late] == [30, 3630, 7230]
    assert [tell for _, tell in told] == [Tell.LATE, Tell.OVER, Tell.LATE, Tell.OVER, Tell.LATE]


def test_while_it_lasts_people_are_reminded_every_hour() -> None:
    _, told = play(*[(float(at), 99.0) for at in range(0, 7300, 15)])
    assert [at for at, _ in told] == [30, 3630, 7230]


def test_the_words_name_what_is_late() -> None:
    alarm = judge(Alarm(), ages(75), NOW).alarm
    assert judge(alarm, ages(75), NOW + seconds(30)).reason == "3 accepted events wait, late by 1 min"


def test_a_clock_set_back_silences_nothing_for_longer_than_an_hour() -> None:
    alarm = Alarm(told_at=NOW + timedelta(days=1))
    looks = [(float(at), 99.0) for at in range(0, 3700, 15)]
    assert [tell for _, tell in play(*looks, alarm=alarm)[1]] == [Tell.LATE]


@given(st.lists(st.tuples(st.integers(1, 900), st.sampled_from([0, 20, 45, 99])), max_size=60))
def test_told_at_most_once_an_hour_and_an_end_only_after_a_beginning(looks: list[tuple[int, int]]) -> None:
    at, moments = 0.0, []
    for span, age in looks:
        at += span
        moments.append((at, float(age)))
    told = play(*moments)[1]
    late = [moment for moment, tell in told if tell is Tell.LATE]
    assert all(later - sooner >= 3600 for sooner, later in pairwise(late))
    assert all(told[index - 1][1] is Tell.LATE for index, (_, tell) in enumerate(told) if tell is Tell.OVER and index)
    assert not told or told[0][1] is Tell.LATE


def test_a_pass_is_stuck_when_it_has_not_ended_within_its_bound() -> None:
    cadence = {"timers": seconds(1), "housekeeping": seconds(60)}
    ran = {"timers": NOW - seconds(122), "housekeeping": NOW - seconds(170)}
    assert stuck(ran, cadence, NOW) == ["the timers pass last ran 2 min ago"]
    assert stuck({"timers": None}, cadence, NOW) == ["the timers pass has not run yet"]
