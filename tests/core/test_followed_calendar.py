"""Whom the events of a calendar put on call, which of several hold, and what is told that was not understood."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.times import Span
from tocsin.core.followed_calendar import (
    Candidate,
    Occurrence,
    followed,
    horizon,
    is_of_calendar,
    priority_of,
    understood,
)
from tocsin.core.schedule import Model

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
SPAN = Span(NINE, NINE + timedelta(days=30))
PEOPLE = (
    Candidate("ADA", "Ada", "ada@example.org"), Candidate("LOVE", "Ada Lovelace", "ada.lovelace@example.org"),
    Candidate("BO", "Bo", "bo.smith@example.org"), Candidate("CY", "Cy", "cy@example.org"),
    Candidate("TWIN1", "Twin", "twin1@example.org"), Candidate("TWIN2", "Twin", "twin2@example.org"),
    Candidate("OFF", "Olive", "olive@example.org", is_disabled=True),
)  # fmt: skip


def at(summary: str, hours: tuple[int, int] = (0, 8), attendees: tuple[str, ...] = (), organizer: str | None = None) -> Occurrence:
    return Occurrence(NINE + timedelta(hours=hours[0]), NINE + timedelta(hours=hours[1]), summary, attendees, organizer)


def held(*events: Occurrence) -> list[tuple[int, int, str]]:
    hour = timedelta(hours=1)
    return [((one.start - NINE) // hour, (one.end - NINE) // hour, "+".join(one.people)) for one in understood(events, PEOPLE, SPAN).shifts]


def complaints(*events: Occurrence) -> list[str]:
    return [one.words for one in understood(events, PEOPLE, SPAN).complaints]


@pytest.mark.parametrize(
    ("summary", "people"),
    [
        ("Ada", "ADA"), ("on call: ADA", "ADA"), ("[L2] ada (primary)", "ADA"), ("Ada Lovelace is on call", "LOVE"), ("@bo.smith", "BO"),
        ("Bo.Smith@Example.org", "BO"), ("cy@example.org, Bo", "BO+CY"), ("Ada and Bo", "ADA+BO"), ("Bo / Cy", "BO+CY"),
        ("Ada.", "ADA"), ("twin2@example.org", "TWIN2"),
    ],
)  # fmt: skip
def test_people_are_found_in_the_summary_by_name_address_or_login(summary: str, people: str):
    assert held(at(summary)) == [(0, 8, people)]
    assert complaints(at(summary)) == []


@pytest.mark.parametrize("summary", ["Adam", "cadabra", "ada@elsewhere.org", "Zoe", "", "Bolt", "Twin", "Olive"])
def test_who_only_looks_alike_is_not_put_on_call_and_that_is_told(summary: str):
    assert held(at(summary)) == []
    assert complaints(at(summary))[-1].startswith("it puts nobody on call")


def test_what_is_wrong_with_a_name_is_said():
    assert complaints(at("Twin"))[0] == "2 people here are called 'twin': write the e-mail address"
    assert complaints(at("Olive"))[0] == "the account of Olive is disabled"
    assert complaints(at("zoe@example.org"))[0] == "nobody here has the address zoe@example.org"
    assert complaints(at("Ada, Zoe")) == ["'Zoe' names nobody who is known here"]
    (one,) = understood([at("Zoe"), at("Zoe", (10, 12))], PEOPLE, SPAN).complaints
    assert (one.summary, one.start, one.count) == ("Zoe", NINE, 2)


def test_attendees_count_and_the_organizer_only_when_nobody_else_does():
    assert held(at("Shift", attendees=("BO.smith@example.org",), organizer="cy@example.org")) == [(0, 8, "BO")]
    assert complaints(at("Shift", attendees=("cy@example.org", "zoe@example.org")))[0] == "nobody here has the address zoe@example.org of an attendee"
    assert held(at("Shift", organizer="cy@example.org")) == [(0, 8, "CY")]
    assert complaints(at("Shift", organizer="cy@example.org")) == ["it names nobody who is known here, so its organizer is on call"]


def test_the_highest_priority_that_reaches_somebody_holds_and_equal_ones_add_up():
    assert [priority_of(text) for text in ("Ada", "[L1] Ada", "[l12] x", "[L]")] == [0, 1, 12, 0]
    assert held(at("Ada", (0, 10)), at("[L1] Bo", (2, 4)), at("Cy", (8, 12))) == [
        (0, 2, "ADA"), (2, 4, "BO"), (4, 8, "ADA"), (8, 10, "ADA+CY"), (10, 12, "CY")
    ]  # fmt: skip
    assert held(at("Ada", (0, 4)), at("[L9] Zoe", (1, 2))) == [(0, 4, "ADA")]


def test_a_version_is_new_only_when_what_is_to_come_differs():
    shifts = understood([at("Ada", (0, 8)), at("Bo", (8, 16))], PEOPLE, SPAN).shifts
    model = followed(Model("UTC"), shifts, NINE)
    assert model is not None
    later = NINE + timedelta(hours=9)
    assert followed(model, shifts, later) is None
    assert followed(model, shifts[1:], later) is None  # what is over is not missed
    other = understood([at("Bo", (7, 16))], PEOPLE, SPAN).shifts
    assert followed(model, other, later) is None  # it began at another time in the past: nothing to come differs
    assert followed(model, other, NINE) is not None
    assert followed(model, (), later) == Model("UTC")


def test_the_months_ahead_end_with_a_month_of_the_schedules_zone():
    paris = ZoneInfo("Europe/Paris")
    assert horizon(NINE, paris).end == datetime(2027, 11, 30, 23, tzinfo=UTC)
    assert horizon(NINE + timedelta(days=5), paris).end == horizon(NINE, paris).end


EVENTS = st.lists(
    st.builds(
        lambda who, level, start, length: at(f"[L{level}] {who}", (start, start + length)),
        st.sampled_from(["Ada", "Bo", "Cy", "Zoe"]), st.integers(0, 3), st.integers(-5, 40), st.integers(1, 20),
    ),
    max_size=12,
)  # fmt: skip


@given(EVENTS)
def test_the_shifts_say_at_every_hour_what_the_events_say(events):
    shifts = understood(events, PEOPLE, SPAN).shifts
    ids = {"Ada": "ADA", "Bo": "BO", "Cy": "CY"}
    for hour in range(61):
        instant = NINE + timedelta(hours=hour)
        standing = [one for one in events if one.start <= instant < one.end and "Zoe" not in one.summary]
        top = max((priority_of(one.summary) for one in standing), default=0)
        expected = sorted({ids[one.summary.split()[1]] for one in standing if priority_of(one.summary) == top})
        assert [user for one in shifts if one.start <= instant < one.end for user in one.people] == expected
    assert all(one.start < one.end <= two.start for one, two in pairwise(shifts))
    assert len({one.id for one in shifts}) == len(shifts)
    assert all(is_of_calendar(one) for one in shifts)
