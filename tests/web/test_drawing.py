"""Times and pictures say what is so, in the viewer's zone, across changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tocsin.base.times import Span
from tocsin.web import times
from tocsin.web.drawing import (
    Bar,
    Block,
    Mark,
    Slice,
    Track,
    bars,
    clock_changes,
    incident_line,
    rota_board,
    rota_rows,
    ticks,
)

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 23, 13, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (NOW, "14:05"),
        (NOW - timedelta(days=2), "Sat 14:05"),
        (NOW - timedelta(days=20), "3 Nov 14:05"),
        (NOW - timedelta(days=400), "19 Oct 2025 15:05"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "00:30"),
    ],
)
def test_a_wall_clock_names_the_day_only_when_it_is_another(at: datetime, words: str):
    assert times.absolute(at, NOW, PARIS) == words


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(seconds=2), "just now"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(minutes=-12), "in 12 min"),
        (timedelta(hours=3, minutes=10), "3 h 10 min ago"),
        (timedelta(days=9, hours=5), "9 d ago"),
    ],
)
def test_a_relative_time_says_ago_or_in(gap: timedelta, words: str):
    assert times.relative(NOW - gap, NOW) == words


def test_a_time_on_a_page_has_utc_in_its_title():
    assert 'title="2026-11-23 13:05:09 UTC"' in times.absolute_tag(NOW, NOW, PARIS)
    assert "2026-11-23 13:05:09 UTC" in times.relative_tag(NOW, NOW, PARIS)


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Paris", "Europe/Paris (CET, UTC+1)"),
        ("Asia/Kolkata", "Asia/Kolkata (IST, UTC+5:30)"),
        ("America/Sao_Paulo", "America/Sao_Paulo (UTC-3)"),
        ("UTC", "UTC"),
    ],
)
def test_a_page_names_its_zone(zone: str, words: str):
    assert times.zone_words(ZoneInfo(zone), NOW) == words


def test_marks_of_an_axis_stand_at_round_wall_clock_times():
    span = Span(NOW, NOW + timedelta(minutes=26))
    local = [at.astimezone(PARIS) for at in ticks(span, PARIS, 7)]
    assert [f"{at:%H:%M:%S}" for at in local] == ["14:10:00", "14:15:00", "14:20:00", "14:25:00", "14:30:00"]


def test_days_of_an_axis_begin_at_midnight_also_after_the_clocks_change():
    span = Span(datetime(2026, 10, 23, 22, tzinfo=UTC), datetime(2026, 10, 27, 23, tzinfo=UTC))
    assert {f"{at.astimezone(PARIS):%H:%M}" for at in ticks(span, PARIS, 9)} == {"00:00"}


def test_a_change_of_the_clocks_is_found_to_the_minute_and_drawn():
    span = Span(datetime(2026, 10, 22, 22, tzinfo=UTC), datetime(2026, 10, 29, 23, tzinfo=UTC))
    assert clock_changes(span, PARIS) == [datetime(2026, 10, 25, 1, 0, tzinfo=UTC)]
    assert 'class="dst"' in rota_board([], span, span.start, PARIS, name="Rota")
    assert clock_changes(Span(NOW, NOW + timedelta(days=7)), PARIS) == []


def test_names_in_a_picture_are_escaped():
    span = Span(NOW, NOW + timedelta(days=1))
    track = Track("<level>", (Block(span.start, span.end, "who tone1", ("<script>",), "<b>", "<script>", '/"><script>'),))
    drawn = rota_board([track], span, NOW, PARIS, name="<script>")
    assert "<script>" not in drawn
    assert "&lt;level&gt;" in drawn
    assert "<b>" not in incident_line([], [Mark(NOW, "page", "<b>")], span, PARIS)


def test_bars_have_their_parts_and_a_line_for_an_even_share() -> None:
    drawn = bars([Bar("Ada <1>", (Slice("business", 10, "Ada: business hours"), Slice("sleep", 0, "none"))), Bar("Bo", ())], 5, "Hours")
    assert drawn.count("<rect") == 1
    assert "Ada &lt;1&gt;" in drawn
    assert "even share 5 h" in drawn


def test_several_people_at_once_stand_below_one_another_and_gaps_are_named():
    span = Span(NOW, NOW + timedelta(days=1))
    half = NOW + timedelta(hours=12)
    both = (Block(NOW, span.end, "who tone1", ("Ada",)), Block(NOW, half, "who tone2", ("Bo",)), Block(half, span.end, "gap", ("Nobody",)))
    drawn = rota_rows(both, [("Mon 23", span)], NOW, PARIS, name="Rota", is_wide=False)
    rows = {line.split('y="')[1].split('"')[0] for line in drawn.split('class="body"')[1:]}
    assert len(rows) == 2
    assert "Nobody" in drawn
    assert 'fill="url(#hatch-narrow)"' in drawn


def test_of_a_name_what_fits_is_written_and_too_narrow_a_stretch_is_no_link():
    span = Span(NOW, NOW + timedelta(days=14))
    short = Block(NOW, NOW + timedelta(hours=1), "who tone1", ("Ada Lovelace", "Ada", "AL"), "", "Ada Lovelace, one hour", "/override")
    long = Block(NOW, NOW + timedelta(days=1), "who tone1", ("Ada Lovelace", "Ada", "AL"), "", "Ada Lovelace, a day", "/override")
    narrow = rota_board([Track("Final", (short,), "final")], span, NOW, PARIS, name="Rota")
    assert "<a " not in narrow
    assert "<text" not in narrow.split('class="body"')[1].split("</g>")[0]
    wide = rota_board([Track("Final", (long,), "final")], span, NOW, PARIS, name="Rota")
    assert ">Ada</text>" in wide
    assert 'href="/override"' in wide
