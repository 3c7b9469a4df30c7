"""Calendars in iCalendar: what is read of them, at which times, and what is refused."""

import time
from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tocsin.base.times import Span
from tocsin.core.wall_rule import parse
from tocsin.inbound import recurrence
from tocsin.inbound.calendar import EVENTS_MOST, SIZE_MOST, Read, read
from tocsin.inbound.recurrence import Budget
from tocsin.inbound.spec import Unreadable

PARIS = ZoneInfo("Europe/Paris")
YEAR = Span(datetime(2026, 11, 23, 9, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC))


def event(*lines: str, start: str = "DTSTART:20261201T090000", lasts: str = "DURATION:PT8H", summary: str = "Ada") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"SUMMARY:{summary}", start, lasts, *lines, "END:VEVENT"])


def calendar(*parts: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *parts, "END:VCALENDAR", ""]).encode()


def of(*parts: str, span: Span = YEAR) -> Read:
    return read(calendar(*parts), PARIS, span)


def starts(found: Read) -> list[str]:
    return [f"{one.start:%Y-%m-%d %H:%M}" for one in found.occurrences]


def spans(found: Read) -> list[tuple[str, str]]:
    return [(f"{one.start:%m-%d %H:%M}", f"{one.end:%m-%d %H:%M}") for one in found.occurrences]


def test_a_time_without_a_zone_and_a_whole_day_are_in_the_schedules_zone():
    found = of(event(), event(start="DTSTART;VALUE=DATE:20261205", lasts="DTEND;VALUE=DATE:20261207"))
    assert spans(found) == [("12-01 08:00", "12-01 16:00"), ("12-04 23:00", "12-06 23:00")]
    assert spans(of(event(start="DTSTART;VALUE=DATE:20261205", lasts="X-NO:1"))) == [("12-04 23:00", "12-05 23:00")]


def test_zones_are_understood_by_name_by_windows_name_by_a_makers_name_and_by_description():
    described = """BEGIN:VTIMEZONE\r\nTZID:Ours\r\nBEGIN:STANDARD\r\nDTSTART:16011028T030000\r\nTZOFFSETFROM:+0600\r
TZOFFSETTO:+0530\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:16010325T020000\r
TZOFFSETFROM:+0530\r\nTZOFFSETTO:+0600\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE"""
    zones = ["America/New_York", "Eastern Standard Time", "/example.org/20260101/America/New_York", "Ours", "Nowhere/At All"]
    found = of(described, *(event(start=f"DTSTART;TZID={zone}:20261201T090000") for zone in zones))
    assert [f"{one.start:%H:%M}" for one in found.occurrences] == ["14:00", "14:00", "14:00", "03:30", "08:00"]
    assert [one.words for one in found.complaints] == ["the time zone 'Nowhere/At All' is not known: taken as the schedule's"]
    summer = of(described, event(start="DTSTART;TZID=Ours:20270701T090000"))
    assert starts(summer) == ["2027-07-01 03:00"]


def test_the_zone_of_one_calendar_is_not_the_zone_of_the_next():
    def zone(offset: str) -> str:
        return (
            f"BEGIN:VTIMEZONE\r\nTZID:Mine\r\nBEGIN:STANDARD\r\nDTSTART:20000101T000000\r\nTZOFFSETFROM:{offset}\r\n"
            f"TZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE"
        )

    mine = event(start="DTSTART;TZID=Mine:20261201T090000")
    assert [starts(of(zone(offset), mine)) for offset in ("+0200", "-0300")] == [["2026-12-01 07:00"], ["2026-12-01 12:00"]]


def test_a_shift_from_nine_to_nine_stays_so_when_the_clocks_change():
    weekly = event("RRULE:FREQ=WEEKLY;COUNT=3", start="DTSTART;TZID=Europe/Paris:20270315T090000", lasts="DTEND;TZID=Europe/Paris:20270322T090000")
    assert spans(of(weekly)) == [("03-15 08:00", "03-22 08:00"), ("03-22 08:00", "03-29 07:00"), ("03-29 07:00", "04-05 07:00")]


def test_exceptions_changed_times_further_times_and_cancelled_ones_count():
    series = event("UID:a", "RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20261202T090000", "RDATE:20261210T090000,20261212T100000")
    moved = event("UID:a", "RECURRENCE-ID:20261203T090000", start="DTSTART:20261203T120000", summary="Bo")
    gone = event("UID:a", "RECURRENCE-ID:20261204T090000", "STATUS:CANCELLED", start="DTSTART:20261204T090000")
    found = of(series, moved, gone, event("UID:b", "STATUS:CANCELLED"))
    assert [(one.summary, f"{one.start:%d %H}") for one in found.occurrences] == [
        ("Ada", "01 08"), ("Ada", "05 08"), ("Ada", "10 08"), ("Ada", "12 09"), ("Bo", "03 11")
    ]  # fmt: skip
    daily = event("RRULE:FREQ=DAILY;COUNT=4", "EXDATE;VALUE=DATE:20261202", "EXDATE:20261203T080000Z")
    assert starts(of(daily)) == ["2026-12-01 08:00", "2026-12-04 08:00"]


def test_the_newest_of_two_texts_of_one_event_counts():
    found = of(event("UID:a", "SEQUENCE:1", summary="Old"), event("UID:a", "SEQUENCE:2", summary="New"))
    assert [one.summary for one in found.occurrences] == ["New"]


def test_a_period_and_a_duration_say_how_long_it_lasts():
    found = of(event("RDATE;VALUE=PERIOD:20261205T090000/PT1H,20261206T090000/20261206T110000", lasts="DURATION:P1DT2H"))
    assert spans(found) == [("12-01 08:00", "12-02 10:00"), ("12-05 08:00", "12-05 09:00"), ("12-06 08:00", "12-06 10:00")]


def test_attendees_who_declined_and_rooms_are_not_people():
    (one,) = of(event(
        'ATTENDEE;CN="Ada: on call";PARTSTAT=ACCEPTED:mailto:ada@example.org', "ATTENDEE;PARTSTAT=DECLINED:mailto:bo@example.org",
        "ATTENDEE;CUTYPE=ROOM:mailto:room@example.org", "ORGANIZER:mailto:cy@example.org",
    )).occurrences  # fmt: skip
    assert (one.attendees, one.organizer) == (("ada@example.org",), "cy@example.org")


def test_an_event_that_makes_no_sense_is_told_and_the_others_count():
    odd = ["DTSTART:20261399T090000", "DTSTART:tomorrow", "X-START:1", "DTSTART:99991231T235959Z"]
    found = of(event(), *(event(start=line, summary=f"Odd {number}") for number, line in enumerate(odd)),
               event(lasts="DTEND:20261130T090000", summary="Backwards"), event(lasts="X:1", summary="No length"),
               event("RRULE:FREQ=SECONDLY", summary="Each second"), event("RRULE:FREQ=MINUTELY", summary="Each minute"),
               event("RRULE:FREQ=DAILY;INTERVAL=0", summary="Never"), event("RRULE:nonsense", summary="Nonsense"))  # fmt: skip
    assert starts(found) == ["2026-12-01 08:00"]
    assert {one.summary for one in found.complaints} == {
        "Odd 0", "Odd 1", "Odd 2", "Backwards", "No length", "Each second", "Each minute", "Never", "Nonsense"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "nothing there"), (b" \r\n\0", "no calendar"), (b"<html>Sign in</html>", "begins with '<html>"), (calendar(), "no events"),
        (calendar(event())[:-17], "cut short"), (b"BEGIN:VCALENDAR\r\nEND:VEVENT\r\n", "where it does not begin"),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:X\r\n" * 50_000, "stand in one another"), (b"BEGIN:VCALENDAR\r\n" + b"x" * SIZE_MOST, "larger than"),
        (calendar(*[event()] * (EVENTS_MOST + 1)), "at most 10,000"), (b"\xff\xfe\x00\x01" * 9, "no calendar"),
    ],
)  # fmt: skip
def test_what_is_no_whole_calendar_is_refused_with_the_reason(body: bytes, words: str):
    with pytest.raises(Unreadable, match=words):
        read(body, PARIS, YEAR)


def test_bytes_that_are_not_utf8_are_read_as_the_older_code():
    found = read(calendar(event(summary="José")).decode().encode("latin-1"), PARIS, YEAR)
    assert [one.summary for one in found.occurrences] == ["José"]


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;COUNT=1000000", "FREQ=HOURLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=31", "FREQ=DAILY;UNTIL=99991231T000000Z", "FREQ=YEARLY;INTERVAL=9999",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23",
    ],
)  # fmt: skip
def test_whatever_a_rule_says_the_work_is_bounded(rule: str):
    began = time.process_time()
    for start in ("20261201T090000", "00010101T000000"):
        try:
            read(calendar(*[event(f"RRULE:{rule}", start=f"DTSTART:{start}")] * 200), PARIS, YEAR)
        except Unreadable as error:
            assert "recur too often" in str(error) or "come to more than" in str(error)  # noqa: PT017
    assert time.process_time() - began < 10


FREQUENCIES = st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"])
PARTS = st.fixed_dictionaries({}, optional={
    "BYMONTH": st.lists(st.integers(1, 12), min_size=1, max_size=3),
    "BYMONTHDAY": st.lists(st.integers(1, 28) | st.integers(-28, -1), min_size=1, max_size=3),
    "BYDAY": st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=3),
    "BYHOUR": st.lists(st.integers(0, 23), min_size=1, max_size=2),
    "WKST": st.sampled_from(["MO", "SU", "WE"]).map(lambda day: [day]),
})  # fmt: skip
FIRSTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(second=0, microsecond=0, day=min(at.day, 28)))  # noqa: DTZ001
LOW, HIGH = datetime(2027, 1, 1), datetime(2027, 6, 30)  # noqa: DTZ001 - walls


@settings(max_examples=60, deadline=None)
@given(FREQUENCIES, st.integers(1, 3), PARTS, FIRSTS, st.none() | st.integers(1, 40))
def test_times_are_those_that_another_reader_of_the_rules_finds(frequency, interval, parts, first, count):
    # The other reader never comes back from a rule that never comes true: these all do.
    assume("BYMONTH" not in parts or interval == 1)
    text = ";".join([f"FREQ={frequency}", f"INTERVAL={interval}", *(f"{name}={','.join(map(str, said))}" for name, said in parts.items())])
    try:
        rule = parse(text if count is None else f"{text};COUNT={count}")
        expected = [first, *(at for at in takewhile(lambda at: at <= HIGH, rrulestr(text, dtstart=first)) if at != first)]
    except ValueError:
        return
    expected = expected if count is None else expected[:count]
    assert list(recurrence.times(rule, first, LOW, HIGH, Budget())) == [at for at in expected if LOW <= at <= HIGH]


LINES = st.sampled_from([
    "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VALARM", "END:VALARM", "DTSTART:20261201T090000", "DTSTART;TZID=X:20261201T090000", "DURATION:PT1H",
    "DTEND:20261201T100000Z", "RRULE:FREQ=DAILY", "RRULE:FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO", "EXDATE:20261202T090000", "RDATE;VALUE=PERIOD:x/y",
    "RECURRENCE-ID:20261203T090000", "UID:a", "SEQUENCE:x", "BEGIN:VTIMEZONE", "TZID:X", "BEGIN:STANDARD", "TZOFFSETFROM:+9900", "TZOFFSETTO:1",
    "END:STANDARD", "END:VTIMEZONE", "ATTENDEE:mailto:", 'ATTENDEE;"', "SUMMARY:\\", " folded", "\0",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES | st.text(max_size=30), max_size=25), st.booleans())
def test_whatever_is_sent_is_read_or_refused_in_words(lines, is_event):
    body = calendar(event(*lines) if is_event else "\r\n".join(lines))
    try:
        found = read(body, PARIS, YEAR)
    except Unreadable as error:
        assert error.errors  # noqa: PT017
    else:
        assert all(one.start < one.end for one in found.occurrences)
        assert all(one.start < YEAR.end and one.end > YEAR.start for one in found.occurrences)
