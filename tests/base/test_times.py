"""Instants in and out, and what clocks on the wall say on the days they are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.base import times

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T12:00:00Z",
        "2026-11-24T12:00Z",
        "2026-11-24 12:00:00z",
        "2026-11-24T12:00:00",
        "2026-11-24T13:00:00+01:00",
        "2026-11-24T13:00:00+0100",
        "2026-11-24T13:00:00+01",
        "2026-11-24T08:30:00-03:30",
        "2026-11-24T12:00:00.000Z",
        "2026-11-24T12:00:00,000000000Z",
        " 2026-11-24 12:00:00 +0000 UTC ",
        "2026-11-24 13:00:00 +0100 CET m=+0.000123",
    ],
)
def test_an_instant_is_read_in_every_form_that_clients_send(text):
    assert times.parse_instant(text) == NOON


def test_without_an_offset_it_is_a_wall_clock_of_the_zone_that_is_meant():
    assert times.parse_instant("2026-11-24T13:00:00", zone=PARIS) == NOON
    assert times.parse_instant("2026-11-24", zone=PARIS) == datetime(2026, 11, 23, 23, tzinfo=UTC)


def test_parts_of_a_second_are_kept_to_the_microsecond():
    assert times.parse_instant("2026-11-24T12:00:00.123456789Z").microsecond == 123456


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-13-01T00:00:00Z", "2026-02-30", "2026-11-24T25:00:00Z", "24.11.2026", "1764000000", "2026-11-24T12:00:00+25:00",
     "2026-11-24T12:00:00Z; drop", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"],
)  # fmt: skip
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        times.parse_instant(text)


def test_an_instant_is_written_as_pagerduty_writes_it():
    assert times.iso(NOON + timedelta(microseconds=5)) == "2026-11-24T12:00:00Z"
    assert times.iso(NOON, PARIS) == "2026-11-24T13:00:00+01:00"
    assert times.iso(NOON, ZoneInfo("America/St_Johns")) == "2026-11-24T08:30:00-03:30"


def test_what_is_written_is_read_again_as_the_same():
    for zone in (UTC, PARIS, ZoneInfo("Asia/Kathmandu")):
        assert times.parse_instant(times.iso(NOON, zone)) == NOON


def test_a_time_that_happens_twice_is_the_first():
    twice = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - a wall clock has no zone
    assert times.from_wall(twice, PARIS) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_time_that_never_happens_moves_forward_by_the_gap():
    never = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 - a wall clock has no zone
    moved = times.from_wall(never, PARIS)
    assert times.to_wall(moved, PARIS) == datetime(2026, 3, 29, 3, 30)  # noqa: DTZ001


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "Europe", "x" * 300, "a\0b"])
def test_a_zone_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="not a time zone"):
        times.zone_named(name)


def test_a_span_has_its_start_and_not_its_end():
    hour = timedelta(hours=1)
    span = times.Span(NOON, NOON + hour)
    assert NOON in span
    assert NOON + hour not in span
    assert not span.overlaps(times.Span(NOON + hour, NOON + 2 * hour))
    assert span.overlaps(times.Span(NOON + hour / 2, NOON + 2 * hour))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (9000, "2 h 30 min"), (86400, "1 d"), (273600, "3 d 4 h"),
     (-90, "-1 min")],
)  # fmt: skip
def test_a_duration_is_said_in_short_words(seconds, words):
    assert times.human_duration(timedelta(seconds=seconds)) == words
