"""Turns and restrictions across clock changes, against cases worked out by hand and a second opinion by the minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import brute_force
from tocsin.base.times import Span, parse_instant
from tocsin.core.rotation import (
    DAY,
    WEEK,
    RecurringShift,
    Restriction,
    Turns,
    pieces_in,
    stretch_at,
    turn_at,
    turn_start,
    turns_in,
    week_windows,
)

HOUR = 3600
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
LORD_HOWE, APIA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")


def at(text: str) -> datetime:
    return parse_instant(text)


def shift(turns: Turns, *slots: str, **more: object) -> RecurringShift:
    since = more.pop("since", at("2000-01-01"))
    holders = tuple(tuple(slot.split()) for slot in slots)
    return RecurringShift(id="S", name="S", recurrence=turns, since=since, until=None, slots=holders, **more)  # type: ignore[arg-type]


# anchor, turn length, zone, then the hand-offs that follow a given instant
HAND_OFFS = [
    ("daily in spring, Paris: 23 hours", "2026-03-27T08:00Z", DAY, PARIS, "2026-03-28T08:00Z 2026-03-29T07:00Z 2026-03-30T07:00Z"),
    ("daily in autumn, Paris: 25 hours", "2026-10-24T07:00Z", DAY, PARIS, "2026-10-25T08:00Z 2026-10-26T08:00Z"),
    ("weekly over spring, New York", "2026-03-02T14:00Z", WEEK, NEW_YORK, "2026-03-09T13:00Z 2026-03-16T13:00Z"),
    ("weekly over autumn, New York", "2026-10-26T13:00Z", WEEK, NEW_YORK, "2026-11-02T14:00Z 2026-11-09T14:00Z"),
    ("24 hours given in seconds are a day", "2026-03-28T08:00Z", 24 * HOUR, PARIS, "2026-03-29T07:00Z"),
    ("12-hour turns are elapsed time", "2026-03-28T08:00Z", 12 * HOUR, PARIS, "2026-03-28T20:00Z 2026-03-29T08:00Z 2026-03-29T20:00Z"),
    ("36-hour turns are elapsed time", "2026-03-28T08:00Z", 36 * HOUR, PARIS, "2026-03-29T20:00Z 2026-03-31T08:00Z"),
    ("hand-off in the hour that is skipped", "2026-03-27T01:30Z", DAY, PARIS, "2026-03-28T01:30Z 2026-03-29T01:30Z 2026-03-30T00:30Z"),
    ("hand-off in the hour that comes twice", "2026-10-23T00:30Z", DAY, PARIS, "2026-10-24T00:30Z 2026-10-25T00:30Z 2026-10-26T01:30Z"),
    ("half an hour of summer, Lord Howe", "2026-10-02T22:00Z", DAY, LORD_HOWE, "2026-10-03T21:30Z 2026-10-04T21:30Z"),
    ("half an hour back, Lord Howe", "2026-04-03T21:00Z", DAY, LORD_HOWE, "2026-04-04T21:30Z 2026-04-05T21:30Z"),
    ("the day Apia left out", "2011-12-28T20:00Z", DAY, APIA, "2011-12-29T20:00Z 2011-12-30T20:00Z 2011-12-31T20:00Z"),
]


@pytest.mark.parametrize(("anchor", "every", "zone", "expected"), [case[1:] for case in HAND_OFFS], ids=[case[0] for case in HAND_OFFS])
def test_hand_offs_keep_the_wall_clock_for_whole_days_and_count_seconds_otherwise(
    anchor: str, every: int, zone: ZoneInfo, expected: str
) -> None:
    turns = Turns(at(anchor), every)
    wanted = [at(text) for text in expected.split()]
    found = [turn.start for turn in turns_in(turns, Span(at(anchor), wanted[-1] + timedelta(seconds=1)), zone)]
    assert found[-len(wanted) :] == wanted
    for turn in turns_in(turns, Span(at(anchor), wanted[-1]), zone):
        assert turn_at(turns, turn.start, zone) == turn
        assert turn_at(turns, turn.end - timedelta(microseconds=1), zone) == turn


def test_the_turn_that_a_left_out_day_swallows_still_counts() -> None:
    turns = Turns(at("2011-12-28T20:00Z"), DAY)  # 10:00 in Apia, on the 28th of December
    assert turn_start(turns, 2, APIA) == turn_start(turns, 3, APIA)
    assert turn_at(turns, at("2011-12-30T21:00Z"), APIA).number == 3


def test_a_month_without_the_anchors_day_hands_over_on_its_last() -> None:
    turns = Turns(at("2027-01-31T09:00Z"), 1, "months")
    starts = [turn.start for turn in turns_in(turns, Span(at("2027-01-31T09:00Z"), at("2028-04-01")), ZoneInfo("UTC"))]
    assert [(start.month, start.day) for start in starts[:5]] == [(1, 31), (2, 28), (3, 31), (4, 30), (5, 31)]
    assert starts[13].date().isoformat() == "2028-02-29"


def test_turns_before_the_anchor_go_on_backwards() -> None:
    daily = shift(Turns(at("2026-06-10T00:00Z"), DAY), "Ada", "Bo", "Cy")
    assert stretch_at(daily, at("2026-06-10T12:00Z"), UTC).people == ("Ada",)
    assert stretch_at(daily, at("2026-06-09T12:00Z"), UTC).people == ("Cy",)
    assert stretch_at(daily, at("2026-06-08T12:00Z"), UTC).people == ("Bo",)


def test_an_instant_decades_from_the_anchor_costs_no_walk() -> None:
    hourly = Turns(at("1971-01-01T00:00Z"), HOUR)
    assert turn_at(hourly, at("2999-01-01T00:30Z"), UTC).start == at("2999-01-01T00:00Z")
    daily = Turns(at("1971-01-01T08:00Z"), DAY)
    assert turn_at(daily, at("2036-07-01T12:00Z"), PARIS).start == at("2036-07-01T07:00Z")


@pytest.mark.parametrize(
    ("restrictions", "windows"),
    [
        ((), ()),
        ((Restriction(None, 0, DAY),), ()),
        ((Restriction(1, 9 * HOUR, 8 * HOUR),), ((9 * HOUR, 17 * HOUR),)),
        ((Restriction(1, 9 * HOUR, 2 * HOUR), Restriction(1, 10 * HOUR, 4 * HOUR)), ((9 * HOUR, 14 * HOUR),)),
        ((Restriction(1, 9 * HOUR, 2 * HOUR), Restriction(1, 11 * HOUR, HOUR)), ((9 * HOUR, 12 * HOUR),)),
        ((Restriction(7, 22 * HOUR, 4 * HOUR),), ((6 * DAY + 22 * HOUR, WEEK + 2 * HOUR),)),
        ((Restriction(7, 22 * HOUR, 4 * HOUR), Restriction(1, HOUR, 4 * HOUR)), ((6 * DAY + 22 * HOUR, WEEK + 5 * HOUR),)),
        ((Restriction(3, 12 * HOUR, WEEK),), ()),
        ((Restriction(3, 12 * HOUR, WEEK - 1),), ((2 * DAY + 12 * HOUR, WEEK + 2 * DAY + 12 * HOUR - 1),)),
    ],
)
def test_restrictions_are_united_on_the_wall_clock(
    restrictions: tuple[Restriction, ...], windows: tuple[tuple[int, int], ...]
) -> None:
    assert week_windows(restrictions) == windows


def test_a_nightly_restriction_becomes_seven_windows_across_midnight() -> None:
    windows = week_windows((Restriction(None, 20 * HOUR, 12 * HOUR),))
    assert len(windows) == 7
    assert windows[0] == (20 * HOUR, 32 * HOUR)
    assert windows[-1] == (6 * DAY + 20 * HOUR, WEEK + 8 * HOUR)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Restriction(0, 0, 1), "Monday"),
        (lambda: Restriction(8, 0, 1), "Sunday"),
        (lambda: Restriction(None, DAY, 1), "time of day"),
        (lambda: Restriction(None, 0, 0), "between one second and a week"),
        (lambda: Restriction(None, 0, WEEK + 1), "between one second and a week"),
        (lambda: Turns(at("2026-01-01"), 0), "at least one second"),
        (lambda: shift(Turns(at("2026-01-01"), DAY)), "at least one slot"),
        (lambda: shift(Turns(at("2026-01-01"), DAY), "Ada", turns_per_slot=0), "at least one turn"),
        (lambda: shift(Turns(at("2026-01-01"), HOUR), "Ada", skips_restricted=True), "whole days"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(wrong: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wrong()  # type: ignore[operator]


def test_time_outside_the_restrictions_uses_up_turns_unless_it_is_skipped() -> None:
    weekdays = tuple(Restriction(day, 9 * HOUR, 8 * HOUR) for day in range(1, 6))
    daily = Turns(at("2026-06-01T00:00Z"), DAY)  # a Monday
    counting = shift(daily, "Ada", "Bo", "Cy", restrictions=weekdays)
    skipping = shift(daily, "Ada", "Bo", "Cy", restrictions=weekdays, skips_restricted=True)
    span = Span(at("2026-06-01T00:00Z"), at("2026-06-10T00:00Z"))
    assert [piece.people[0] for piece in pieces_in(counting, span, UTC)] == ["Ada", "Bo", "Cy", "Ada", "Bo", "Bo", "Cy"]
    assert [piece.people[0] for piece in pieces_in(skipping, span, UTC)] == ["Ada", "Bo", "Cy", "Ada", "Bo", "Cy", "Ada"]
    assert stretch_at(skipping, at("2026-05-29T12:00Z"), UTC).people == ("Cy",)


def test_a_slot_may_hold_several_turns_and_several_people_or_nobody() -> None:
    daily = shift(Turns(at("2026-06-01T00:00Z"), DAY), "Ada Bo", "", "Cy", turns_per_slot=2)
    span = Span(at("2026-06-01T00:00Z"), at("2026-06-08T00:00Z"))
    assert [piece.people for piece in pieces_in(daily, span, UTC)] == [
        ("Ada", "Bo"), ("Ada", "Bo"), (), (), ("Cy",), ("Cy",), ("Ada", "Bo"),
    ]  # fmt: skip


ZONES_AND_CHANGES = [
    ("Europe/Paris", "2026-03-29T01:00Z"),
    ("Europe/Paris", "2026-10-25T01:00Z"),
    ("America/New_York", "2026-03-08T07:00Z"),
    ("America/New_York", "2026-11-01T06:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
    ("Pacific/Apia", "2011-12-30T10:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00Z"),
    ("Asia/Kathmandu", "2026-06-01T00:00Z"),
    ("UTC", "2026-06-01T00:00Z"),
]
ANY_RESTRICTIONS = st.lists(
    st.builds(
        Restriction,
        st.one_of(st.none(), st.integers(1, 7)),
        st.integers(0, 95).map(lambda quarters: quarters * 900),
        st.one_of(st.integers(1, 16), st.integers(1, 7 * 96)).map(lambda quarters: quarters * 900),
    ),
    max_size=3,
).map(tuple)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES_AND_CHANGES),
    st.integers(-700, 700),
    st.sampled_from([HOUR, 12 * HOUR, DAY, 2 * DAY, WEEK]),
    ANY_RESTRICTIONS,
    st.lists(st.integers(-3 * 1440, 3 * 1440), min_size=1, max_size=12),
)
def test_a_shift_says_the_same_as_the_second_opinion_near_every_kind_of_clock_change(
    place: tuple[str, str], quarters: int, every: int, restrictions: tuple[Restriction, ...], minutes: list[int]
) -> None:
    zone, change = ZoneInfo(place[0]), at(place[1])
    one = shift(Turns(change + timedelta(minutes=15 * quarters), every), "Ada", "Bo Cy", "", restrictions=restrictions)
    pieces = list(pieces_in(one, Span(change - timedelta(days=3), change + timedelta(days=3, minutes=1)), zone))
    for minute in [*minutes, *range(-120, 121, 15)]:
        instant = change + timedelta(minutes=minute)
        expected = brute_force.people_of_shift(one, instant, zone)
        stretch = stretch_at(one, instant, zone)
        assert stretch.people == expected, instant
        assert [piece.people for piece in pieces if piece.start <= instant < piece.end] == [expected] * (expected is not None)
        assert stretch.start is None or stretch.start <= instant
        assert stretch.end is None or instant < stretch.end
        for edge in (stretch.start, stretch.end and stretch.end - timedelta(minutes=1)):
            if edge is not None:
                assert brute_force.people_of_shift(one, edge, zone) == expected, (instant, edge)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ZONES_AND_CHANGES), st.integers(-40, 40), st.integers(1, 5), st.integers(-5 * 1440, 5 * 1440))
def test_monthly_turns_say_the_same_as_the_second_opinion(place: tuple[str, str], days: int, every: int, minutes: int) -> None:
    zone, change = ZoneInfo(place[0]), at(place[1])
    turns = Turns(change + timedelta(days=days), every, "months")
    instant = change + timedelta(minutes=minutes)
    assert turn_at(turns, instant, zone).number == brute_force.turn_number(turns, instant, zone)
