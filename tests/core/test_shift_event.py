"""Events of rotations: their lines are taken apart, their state in time, whose turn it is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tocsin.base.times import Span, zone_named
from tocsin.core.rotation import pieces_in
from tocsin.core.shift_event import LINES_MOST, ShiftEvent, State, Strategy, ZonedTime, read_lines, recurring, slots

MONDAY = datetime(2026, 11, 23, 14, tzinfo=UTC)  # 09:00 in New York
DAY = timedelta(days=1)
NEW_YORK = "America/New_York"


def zoned(at: datetime, zone: str = NEW_YORK) -> ZonedTime:
    return ZonedTime(at, zone, at.isoformat())


EVENT = ShiftEvent(
    "E", "Weekdays", zoned(MONDAY), zoned(MONDAY + timedelta(hours=8)), MONDAY, None, ("RRULE:FREQ=WEEKLY;BYDAY=MO,TU",),
    Strategy.ROTATING, 1, ("A", None, "B"),
)  # fmt: skip


def held(event: ShiftEvent, days: int) -> list[tuple[datetime, tuple[str, ...]]]:
    shift = recurring(event)
    return [(piece.start, piece.people) for piece in pieces_in(shift, Span(MONDAY, MONDAY + days * DAY), zone_named("UTC"))]


def test_members_take_turns_and_an_empty_place_is_a_turn_of_nobody() -> None:
    assert held(EVENT, 9) == [(MONDAY, ("A",)), (MONDAY + DAY, ()), (MONDAY + 7 * DAY, ("B",)), (MONDAY + 8 * DAY, ("A",))]


def test_each_member_has_as_many_shifts_in_a_row_as_was_said() -> None:
    event = replace(EVENT, shifts_per_member=2, members=("A", "B"))
    assert [people for _, people in held(event, 16)] == [("A",), ("A",), ("B",), ("B",), ("A",), ("A",)]


def test_all_members_together_hold_every_shift() -> None:
    event = replace(EVENT, strategy=Strategy.EVERYBODY, shifts_per_member=5, members=("A", None, "B", "A"))
    assert slots(event) == (("A", "B"),)
    assert {people for _, people in held(event, 9)} == {("A", "B")}
    assert slots(replace(event, members=(None,))) == ((),)


def test_shifts_keep_the_wall_clock_of_their_own_zone() -> None:
    event = replace(EVENT, recurrence=("RRULE:FREQ=WEEKLY",), since=MONDAY)
    shift = recurring(event)
    march = Span(MONDAY + 100 * DAY, MONDAY + 130 * DAY)  # the clocks go forward on 14 March 2027
    starts = [piece.start.astimezone(zone_named(NEW_YORK)).hour for piece in pieces_in(shift, march, zone_named("UTC"))]
    assert set(starts) == {9}


def test_exceptions_and_additions_are_read_in_all_their_forms() -> None:
    lines = ("EXDATE:20261124T140000Z", "RRULE:FREQ=DAILY", "EXDATE;TZID=America/New_York:20261125T090000,20261126T090000",
             "exdate;value=date:20261127", "RDATE;TZID=Europe/Paris:20261128T200000")  # fmt: skip
    rule, out, added = read_lines(lines, zoned(MONDAY))
    assert rule == "FREQ=DAILY"
    assert out == tuple(MONDAY + days * DAY for days in (1, 2, 3, 4))
    assert added == (datetime(2026, 11, 28, 19, tzinfo=UTC),)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "exactly one RRULE, not 0"),
        (("RRULE:FREQ=DAILY", "RRULE:FREQ=DAILY"), "exactly one RRULE, not 2"),
        (("FREQ=DAILY",), "must begin with RRULE"),
        (("RRULE:FREQ=DAILY", "EXDATE:tomorrow"), "not a date"),
        (("RRULE:FREQ=DAILY", "EXDATE:20261332T090000Z"), "not a date"),
        (("RRULE:FREQ=DAILY", "EXDATE:00010101T000000"), None),
        (("RRULE:FREQ=DAILY", "RDATE;VALUE=PERIOD:20261124T090000Z/PT5H"), "not understood"),
        (("RRULE:FREQ=DAILY", "EXDATE;TZID=Mars/Olympus:20261124T090000"), "not a time zone"),
        (("RRULE:FREQ=DAILY", "RDATE:20200101T090000Z"), "cannot begin before"),
        (("RRULE:FREQ=SECONDLY",), "refused"),
        (("RRULE:FREQ=MINUTELY",), "more than one shift an hour"),
        (("RRULE:FREQ=DAILY;BYHOUR=" + ",".join(map(str, range(24))) + ";BYMINUTE=0,30",), "more than one shift an hour"),
        (("RRULE:FREQ=NEVER",), "FREQ"),
        (("RRULE:FREQ=DAILY",) * (LINES_MOST + 1), "at most"),
        (("X" * 5000,), "must begin"),
        (("RRULE:FREQ=DAILY", "EXDATE:" + ",".join(["20261124T140000Z"] * 100)) + ("EXDATE:" + ",".join(["20261124T140000Z"] * 100),) * 5, "at most 500 dates"),
    ],
)  # fmt: skip
def test_a_recurrence_that_makes_no_sense_is_refused_in_words(lines: tuple[str, ...], why: str | None) -> None:
    event = replace(EVENT, recurrence=lines)
    if why is None:
        recurring(event)  # an exception that never happens harms nobody
        return
    with pytest.raises(ValueError, match=why):
        recurring(event)


def test_an_event_is_over_running_or_to_come() -> None:
    event = replace(EVENT, since=MONDAY, until=MONDAY + DAY)
    assert event.state(MONDAY - timedelta(seconds=1)) is State.FUTURE
    assert event.state(MONDAY) is State.ACTIVE
    assert event.state(MONDAY + DAY) is State.PAST
    assert EVENT.state(MONDAY + 9999 * DAY) is State.ACTIVE


def test_only_the_ranges_in_which_events_count_may_not_overlap() -> None:
    first = replace(EVENT, since=MONDAY, until=MONDAY + DAY)
    assert not first.overlaps(replace(EVENT, since=MONDAY + DAY))
    assert not replace(EVENT, since=MONDAY + DAY).overlaps(first)
    assert first.overlaps(replace(EVENT, since=MONDAY + DAY - timedelta(seconds=1)))
    assert replace(first, until=None).overlaps(replace(EVENT, since=MONDAY + 300 * DAY))
