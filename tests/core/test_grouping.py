"""Which open incident an alert joins, and why (BEHAVIOUR 2.3)."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.core.grouping import Candidate, Grouping, choose, grouped_content, likeness, recommended_window
from tocsin.core.incident_state import MAX_ALERTS

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BY_TIME = Grouping("time", HOUR)
BY_HOST = Grouping("content_based", HOUR, ("source", "class"))


def candidate(
    number: int = 1,
    *,
    began: timedelta = timedelta(0),
    newest: timedelta | None = None,
    alerts: int = 1,
    content: dict[str, str | None] | None = None,
) -> Candidate:
    """An open incident that began so long before noon."""
    newest_at = NOON - (began if newest is None else newest)
    return Candidate(f"QINC{number}", number, NOON - began, newest_at, alerts, content or {})


def test_without_grouping_every_alert_opens_its_own() -> None:
    assert choose(None, {}, [candidate()], NOON) is None


def test_by_time_it_joins_the_newest_incident_within_the_window() -> None:
    joined = choose(BY_TIME, {}, [candidate(1, began=HOUR / 2), candidate(2, began=HOUR / 4)], NOON)
    assert joined is not None
    assert joined.incident_id == "QINC2"
    assert joined.reason == "grouped by time: #2 began less than 60 min ago on the same service"


def test_by_time_what_began_before_the_window_is_not_joined() -> None:
    assert choose(BY_TIME, {}, [candidate(began=HOUR + timedelta(seconds=1))], NOON) is None


def test_by_time_without_a_window_it_joins_as_long_as_the_incident_is_open() -> None:
    assert choose(Grouping("time", None), {}, [candidate(began=timedelta(days=9))], NOON) is not None


def test_by_content_all_fields_must_be_equal() -> None:
    same: dict[str, str | None] = {"source": "db1", "class": "disk"}
    assert choose(BY_HOST, same, [candidate(content=same)], NOON) is not None
    assert choose(BY_HOST, same | {"class": "cpu"}, [candidate(content=same)], NOON) is None


def test_by_content_any_field_is_enough_where_it_says_any() -> None:
    any_field = Grouping("content_based", HOUR, ("source", "class"), every_field=False)
    joined = choose(any_field, {"source": "db1", "class": "cpu"}, [candidate(7, content={"source": "db1"})], NOON)
    assert joined is not None
    assert joined.reason == "grouped by content: the same source as #7"


def test_the_window_of_content_is_counted_from_the_newest_alert_and_ends_after_a_day() -> None:
    same: dict[str, str | None] = {"source": "db1", "class": "disk"}
    fresh = candidate(began=timedelta(hours=23), newest=HOUR / 2, content=same)
    assert choose(BY_HOST, same, [fresh], NOON) is not None
    old = candidate(began=timedelta(hours=25), newest=HOUR / 2, content=same)
    assert choose(BY_HOST, same, [old], NOON) is None
    quiet = candidate(began=timedelta(hours=2), content=same)
    assert choose(BY_HOST, same, [quiet], NOON) is None


def test_a_full_incident_takes_no_more() -> None:
    assert choose(BY_TIME, {}, [candidate(alerts=MAX_ALERTS)], NOON) is None


def test_what_is_grouped_by_may_lie_in_the_details() -> None:
    grouping = Grouping("content_based", HOUR, ("source", "custom_details.cluster", "group"))
    content = grouped_content(grouping, {"source": "db1", "group": None}, {"cluster": 3})
    assert content == {"source": "db1", "custom_details.cluster": "3", "group": None}


BY_TEXT = Grouping("intelligent", HOUR, text_fields=("summary",))
EITHER = Grouping("content_based_intelligent", HOUR, ("source",), text_fields=("summary",))


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("Disk full on host 12", "disk FULL on host 345", 1.0),
        ("Disk full", "Certificate expires", 0.0),
        ("", "", 0.0),
        ("disk full on db", "disk full on web", 0.6),
    ],
)
def test_likeness_is_the_share_of_words_that_are_in_both(one: str, other: str, share: float) -> None:
    assert likeness(one, other) == likeness(other, one) == share


def test_by_likeness_it_joins_what_is_said_in_nearly_the_same_words() -> None:
    known = candidate(7, content={"summary": "Disk full on host 12"})
    joined = choose(BY_TEXT, {"summary": "Disk full on host 99"}, [known], NOON)
    assert joined is not None
    assert joined.reason == "grouped by likeness: 100% of the words of summary are those of #7"
    assert choose(BY_TEXT, {"summary": "Certificate expires"}, [known], NOON) is None
    assert choose(BY_TEXT, {"summary": None}, [candidate(content={"summary": None})], NOON) is None


def test_the_window_holds_for_likeness_too() -> None:
    old = candidate(began=HOUR + timedelta(seconds=1), content={"summary": "Disk full"})
    assert choose(BY_TEXT, {"summary": "Disk full"}, [old], NOON) is None


def test_by_content_or_likeness_either_is_enough_and_content_is_named_first() -> None:
    known = [candidate(content={"source": "db1", "summary": "Disk full"})]
    by_content = choose(EITHER, {"source": "db1", "summary": "Disk full"}, known, NOON)
    by_likeness = choose(EITHER, {"source": "db2", "summary": "Disk full"}, known, NOON)
    assert by_content is not None
    assert by_content.reason == "grouped by content: the same source as #1"
    assert by_likeness is not None
    assert by_likeness.reason.startswith("grouped by likeness")
    assert choose(EITHER, {"source": "db2", "summary": "Mail late"}, known, NOON) is None


def test_a_field_that_neither_has_is_not_the_same() -> None:
    nothing: dict[str, str | None] = {"source": None, "class": None}
    assert choose(BY_HOST, nothing, [candidate(content=nothing)], NOON) is None
    any_field = Grouping("content_based", HOUR, ("source", "class"), every_field=False)
    assert choose(any_field, nothing, [candidate(content=nothing)], NOON) is None


def test_details_are_looked_into_by_dots() -> None:
    grouping = Grouping("content_based", HOUR, ("custom_details.rack.row", "custom_details.a.b", "custom_details.no.such"))
    found = grouped_content(grouping, {}, {"rack": {"row": 7}, "a.b": "whole name", "no": "text"})
    assert found == {"custom_details.rack.row": "7", "custom_details.a.b": "whole name", "custom_details.no.such": None}


@pytest.mark.parametrize(
    ("minutes", "expected"), [([], 5), ([0], 5), ([0, 1], 5), ([0, 10], 10), ([0, 10, 21], 11), ([0, 500], 60)]
)
def test_the_recommended_window_is_the_mean_distance_within_bounds(minutes: list[int], expected: int) -> None:
    arrivals = [NOON + timedelta(minutes=at) for at in reversed(minutes)]
    assert recommended_window(arrivals) == timedelta(minutes=expected)
