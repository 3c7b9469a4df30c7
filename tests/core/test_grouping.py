"""Which open incident an alert joins, and why (BEHAVIOUR 2.3)."""

from datetime import UTC, datetime, timedelta

from tocsin.core.grouping import Candidate, Grouping, choose, grouped_content
from tocsin.core.incident import MAX_ALERTS

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
