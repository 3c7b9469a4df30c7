"""The load of a rota: bands, nights, weekends and holidays, compared with an even share."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.base.times import Span, from_wall, to_wall
from tocsin.core.load import Band, Hours, Member, by_start, difference, load_of, pieces, shift_load
from tocsin.core.schedule import Entry

HOUR = timedelta(hours=1)
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
CHRISTMAS = date(2026, 12, 25)


def local(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return from_wall(datetime.fromisoformat(text), zone)


def hours(found: Hours) -> tuple[float, ...]:
    return tuple(one / HOUR for one in (found.total, found.business, found.off_hours, found.sleep, found.weekend, found.holiday))


def test_a_day_of_the_week_and_one_of_the_weekend_are_split_by_the_persons_clock():
    ada = Member("ADA", PARIS, frozenset({CHRISTMAS}))
    week_day = shift_load(ada, local("2026-11-23 00:00"), local("2026-11-24 00:00"))
    assert hours(week_day.hours) == (24, 10, 4, 10, 0, 0)
    assert week_day.nights == (date(2026, 11, 22), date(2026, 11, 23))
    saturday = shift_load(ada, local("2026-11-28 00:00"), local("2026-11-29 00:00"))
    assert hours(saturday.hours) == (24, 0, 14, 10, 24, 0)
    friday = shift_load(ada, local("2026-12-25 09:00"), local("2026-12-26 09:00"))
    assert (hours(friday.hours), friday.holidays) == ((24, 9, 5, 10, 9, 15), (CHRISTMAS,))
    elsewhere = shift_load(Member("BO", NEW_YORK), local("2026-11-23 09:00"), local("2026-11-23 18:00"))
    assert hours(elsewhere.hours) == (9, 4, 0, 5, 0, 0)  # 3:00 to 12:00 in New York


@pytest.mark.parametrize(("day", "lasting"), [("2027-03-28", 23), ("2027-10-31", 25)])
def test_a_day_on_which_the_clocks_change_has_its_elapsed_hours(day: str, lasting: int):
    start = local(f"{day} 00:00")
    found = shift_load(Member("ADA", PARIS), start, local(f"{day} 23:59") + timedelta(minutes=1))
    assert (found.hours.total, found.hours.sleep) == (lasting * HOUR, (lasting - 14) * HOUR)


def test_shifts_hand_offs_nights_and_the_even_share_are_counted():
    start = local("2026-11-23 09:00")
    entries = [Entry(start + number * 24 * HOUR, start + (number + 1) * 24 * HOUR, who) for number, who in enumerate(["A", "B", "A"])]
    members = [Member(who, PARIS) for who in "ABC"]
    found = load_of(entries, members, Span(start, start + 72 * HOUR))
    assert [(one.user_id, one.hours.total / HOUR, one.nights, len(one.shifts), one.hand_offs) for one in found.people] == [
        ("A", 48, 2, 2, 2), ("B", 24, 1, 1, 2), ("C", 0, 0, 0, 0)
    ]  # fmt: skip
    assert (found.total.total, found.even.total) == (72 * HOUR, 24 * HOUR)
    assert [difference(found)[who].total / HOUR for who in "ABC"] == [24, 0, -24]
    assert [(one.user_id, one.start) for one in by_start(found)] == [(one.user_id, one.start) for one in entries]
    assert load_of([], [], found.span).even == Hours()
    cut = load_of(entries, members, Span(start + 12 * HOUR, start + 30 * HOUR))
    assert [one.hours.total / HOUR for one in cut.people] == [12, 6, 0]


ZONES = st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana", "America/Asuncion", "Africa/Casablanca", "UTC"]).map(ZoneInfo)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC))  # noqa: DTZ001


@settings(max_examples=80, deadline=None)
@given(ZONES, INSTANTS, st.integers(1, 60 * 24 * 6))
def test_every_minute_is_in_the_band_its_wall_clock_says_and_the_bands_sum_to_the_hours(zone, start, minutes):
    end = start + timedelta(minutes=minutes)
    found: Counter[Band] = Counter()
    at = start
    while at < end:
        wall = to_wall(at, zone)
        sleeps = wall.hour < 8 or wall.hour >= 22
        found[Band.SLEEP if sleeps else Band.BUSINESS if wall.weekday() < 5 and wall.hour < 18 else Band.OFF_HOURS] += 1
        at += timedelta(minutes=1)
    hours_found = shift_load(Member("A", zone), start, end).hours
    assert {band: getattr(hours_found, band.value) / timedelta(minutes=1) for band in found} == dict(found)
    assert hours_found.business + hours_found.off_hours + hours_found.sleep == hours_found.total == end - start
    cut = list(pieces(start, end, zone))
    assert cut[0].start == start
    assert cut[-1].end == end
    assert all(to_wall(one.start, zone).date() == one.day for one in cut)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABC"), INSTANTS, st.integers(1, 5000)), max_size=8))
def test_the_people_sum_to_the_length_of_all_shifts(drawn):
    entries = [Entry(start, start + timedelta(minutes=length), who) for who, start, length in drawn]
    span = Span(datetime(2026, 3, 1, tzinfo=UTC), datetime(2027, 9, 1, tzinfo=UTC))
    found = load_of(entries, [Member(who, PARIS) for who in "ABC"], span)
    within = sum((max(timedelta(), min(one.end, span.end) - max(one.start, span.start)) for one in entries), timedelta())
    assert sum((one.hours.total for one in found.people), timedelta()) == found.total.total == within
