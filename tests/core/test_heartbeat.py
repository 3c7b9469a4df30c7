"""Heartbeats by their rules alone: when a ping is expected, when silence is told, and what a gap of ours excuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.heartbeat import (
    GAP,
    Beat,
    Change,
    Gap,
    Kind,
    Period,
    Say,
    State,
    after_gap,
    after_step_back,
    calendar,
    check_grace,
    fell_silent,
    gap_since,
    next_expected,
    paused,
    pinged,
    rescheduled,
    resumed,
    standing,
    stepped_back,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOURLY = Beat(Period(HOUR), 5 * MINUTE)


def up(beat: Beat = HOURLY, at: datetime = NOW) -> Beat:
    return pinged(beat, Kind.SUCCESS, at).beat


def test_nothing_is_expected_before_the_first_ping() -> None:
    assert fell_silent(HOURLY, NOW + 365 * 24 * HOUR) is None
    assert standing(HOURLY, NOW) == "new"


def test_silence_is_told_once_after_the_grace_and_a_ping_ends_it() -> None:
    beat = up()
    assert standing(beat, NOW + HOUR) == "up"
    assert standing(beat, NOW + HOUR + MINUTE) == "late"
    assert fell_silent(beat, NOW + HOUR + 5 * MINUTE - timedelta(microseconds=1)) is None
    told = fell_silent(beat, NOW + HOUR + 5 * MINUTE)
    assert told is not None
    assert (told.say, told.beat.state) == (Say.TRIGGER, State.DOWN)
    assert told.reason == "a ping was expected at 2026-11-23 10:00:00 UTC, and none came within 5 min"
    assert fell_silent(told.beat, NOW + 99 * HOUR) is None
    back = pinged(told.beat, Kind.SUCCESS, NOW + 2 * HOUR)
    assert (back.say, back.beat) == (Say.RESOLVE, up(at=NOW + 2 * HOUR))


def test_a_failure_is_told_at_once_and_only_once() -> None:
    told = pinged(up(), Kind.FAIL, NOW + MINUTE, "exit status 3")
    assert (told.say, told.reason) == (Say.TRIGGER, "it says that it failed (exit status 3)")
    assert pinged(told.beat, Kind.FAIL, NOW + 2 * MINUTE).say is None
    assert pinged(told.beat, Kind.START, NOW + 3 * MINUTE).say is None


def test_what_started_has_to_end_within_its_grace() -> None:
    begun = pinged(HOURLY, Kind.START, NOW).beat
    told = fell_silent(begun, NOW + 5 * MINUTE)
    assert told is not None
    assert "it started at 2026-11-23 09:00:00 UTC" in told.reason
    assert up(begun, NOW + 2 * MINUTE).started_at is None
    late = pinged(up(), Kind.START, NOW + HOUR + 3 * MINUTE).beat
    assert late.due_at == NOW + HOUR + 5 * MINUTE  # starting does not put off what is owed


def test_pausing_ends_the_alert_and_resuming_waits_anew() -> None:
    down = pinged(up(), Kind.FAIL, NOW).beat
    assert paused(down).say is Say.RESOLVE
    resting = paused(up()).beat
    assert paused(up()).say is None
    assert fell_silent(resting, NOW + 99 * HOUR) is None
    assert pinged(resting, Kind.FAIL, NOW).beat == resting
    assert resumed(resting, NOW + HOUR, has_pinged=True).beat == up(at=NOW + HOUR)
    assert resumed(resting, NOW, has_pinged=False).beat.state is State.NEW


def test_another_schedule_begins_the_wait_anew_only_for_what_is_waited_for() -> None:
    assert rescheduled(up(), Period(2 * HOUR), MINUTE, NOW + HOUR).due_at == NOW + 3 * HOUR + MINUTE
    assert rescheduled(HOURLY, Period(2 * HOUR), MINUTE, NOW).due_at is None


def test_a_calendar_rule_is_followed_on_its_own_wall_clock() -> None:
    nightly = calendar(datetime(2026, 1, 1, 2, 30, tzinfo=UTC), "Europe/Paris", "FREQ=DAILY;BYHOUR=3;BYMINUTE=30")
    assert next_expected(nightly, NOW) == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)
    assert next_expected(nightly, datetime(2026, 7, 1, 1, 30, tzinfo=UTC)) == datetime(2026, 7, 2, 1, 30, tzinfo=UTC)
    often = calendar(NOW, "UTC", "FREQ=MINUTELY;INTERVAL=1")
    assert next_expected(often, NOW) == NOW + MINUTE
    assert next_expected(often, NOW + timedelta(seconds=30)) == NOW + MINUTE
    ended = calendar(NOW, "UTC", "FREQ=DAILY;COUNT=2")
    assert next_expected(ended, NOW - HOUR) == NOW
    assert next_expected(ended, NOW + 48 * HOUR) is None
    assert up(replace(HOURLY, schedule=ended), NOW + 48 * HOUR).due_at is None


def test_what_was_expected_while_nobody_could_hear_is_waited_for_anew() -> None:
    gap = Gap(NOW + 30 * MINUTE, NOW + 3 * HOUR)
    changed = after_gap(up(), gap)
    assert changed is not None
    assert changed.beat.due_at == NOW + 4 * HOUR + 5 * MINUTE
    assert changed.say is None
    assert "nobody could hear it from 2026-11-23 09:30:00 UTC to 2026-11-23 12:00:00 UTC" in changed.reason


def test_what_was_late_already_gets_its_grace_once_more() -> None:
    gap = Gap(NOW + HOUR + MINUTE, NOW + 3 * HOUR)
    changed = after_gap(up(), gap)
    assert changed is not None
    assert changed.beat.due_at == NOW + 3 * HOUR + 5 * MINUTE


def test_a_gap_excuses_neither_what_was_due_before_it_nor_what_is_expected_after_it() -> None:
    assert after_gap(up(), Gap(NOW + 2 * HOUR, NOW + 3 * HOUR)) is None
    assert after_gap(up(), Gap(NOW + MINUTE, NOW + 30 * MINUTE)) is None
    assert after_gap(HOURLY, Gap(NOW, NOW + HOUR)) is None


def test_a_clock_set_back_makes_no_wait_longer() -> None:
    changed = after_step_back(up(), NOW - 24 * HOUR)
    assert changed is not None
    assert changed.beat.due_at == NOW - 23 * HOUR + 5 * MINUTE
    assert after_step_back(up(), NOW + MINUTE) is None


def test_a_look_knows_a_gap_from_a_late_round_and_a_step_back_from_another_nodes_clock() -> None:
    assert gap_since(None, NOW) is None
    assert gap_since(NOW - GAP, NOW) is None
    assert gap_since(NOW - GAP - timedelta(seconds=1), NOW) is not None
    assert not stepped_back(NOW + timedelta(seconds=5), NOW)
    assert stepped_back(NOW + HOUR, NOW)


@pytest.mark.parametrize("wrong", [lambda: Period(timedelta(0)), lambda: Period(timedelta(days=9999)), lambda: check_grace(timedelta(0)), lambda: calendar(NOW, "UTC", "FREQ=SOMETIMES")])
def test_what_cannot_be_a_promise_is_refused_in_words(wrong) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        wrong()


STEPS = st.lists(st.tuples(st.sampled_from(["ok", "fail", "start", "wait", "gap", "pause", "resume"]), st.integers(1, 7200)), max_size=40)


def _after(beat: Beat, what: str, before: datetime, now: datetime) -> Change | None:
    match what:
        case "ok" | "fail" | "start":
            return pinged(beat, {"ok": Kind.SUCCESS, "fail": Kind.FAIL, "start": Kind.START}[what], now)
        case "wait":
            return fell_silent(beat, now)
        case "gap":
            return after_gap(beat, Gap(before, now))
        case "pause":
            return paused(beat)
        case _:
            return resumed(beat, now, has_pinged=True) if beat.state is State.PAUSED else None


@given(STEPS)
def test_triggers_and_resolves_take_turns_whatever_happens(steps: list[tuple[str, int]]) -> None:
    beat, now, said = HOURLY, NOW, []
    for what, seconds in steps:
        before, now = now, now + timedelta(seconds=seconds)
        change = _after(beat, what, before, now)
        if change is not None:
            beat = change.beat
            said += [change.say] if change.say else []
        assert (beat.due_at is None) or beat.state in {State.UP, State.NEW}
    assert all(one is (Say.TRIGGER if at % 2 == 0 else Say.RESOLVE) for at, one in enumerate(said))
