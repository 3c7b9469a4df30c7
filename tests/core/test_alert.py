"""What an accepted event means, row by row of the table of semantics (BEHAVIOUR 1.1)."""

from datetime import UTC, datetime, time, timedelta

import pytest

from tocsin.core import alert
from tocsin.core.alert import EarlyResolve, Outcome, SupportHours, UrgencyRule, Verdict, urgency_of
from tocsin.core.events import Urgency

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def judged(
    action: str,
    *,
    is_open: bool = False,
    disabled: bool = False,
    early: EarlyResolve | None = None,
    event_at: datetime | None = None,
    now: datetime = NOON,
) -> Verdict:
    return alert.judge(action, is_open=is_open, service_disabled=disabled, early=early, event_at=event_at, now=now)


@pytest.mark.parametrize(
    ("action", "is_open", "outcome"),
    [
        ("trigger", False, Outcome.ALERT),
        ("trigger", True, Outcome.REPEATED),
        ("acknowledge", True, Outcome.ACKNOWLEDGED),
        ("resolve", True, Outcome.RESOLVED),
        ("acknowledge", False, Outcome.NO_OPEN_ALERT),
        ("resolve", False, Outcome.NO_OPEN_ALERT),
    ],
)
def test_what_an_event_means_depends_on_whether_its_alert_is_open(action: str, is_open: bool, outcome: Outcome) -> None:
    verdict = judged(action, is_open=is_open)
    assert verdict.outcome is outcome
    assert verdict.reason


def test_a_disabled_service_opens_nothing_and_says_how_to_be_paged() -> None:
    verdict = judged("trigger", disabled=True)
    assert verdict.outcome is Outcome.SERVICE_DISABLED
    assert "enable it" in verdict.reason


def test_what_is_open_on_a_disabled_service_can_still_be_resolved() -> None:
    assert judged("resolve", is_open=True, disabled=True).outcome is Outcome.RESOLVED


def test_a_resolve_that_came_before_its_trigger_closes_it() -> None:
    early = EarlyResolve(resolved_at=NOON, received_at=NOON)
    older = judged("trigger", early=early, event_at=NOON - timedelta(seconds=3), now=NOON + timedelta(seconds=1))
    assert older.outcome is Outcome.CLOSED_EARLY


def test_a_trigger_younger_than_the_resolve_is_a_new_problem() -> None:
    early = EarlyResolve(resolved_at=NOON, received_at=NOON)
    assert judged("trigger", early=early, event_at=NOON + timedelta(seconds=3)).outcome is Outcome.ALERT


def test_a_trigger_that_does_not_say_its_time_is_a_new_problem() -> None:
    assert judged("trigger", early=EarlyResolve(NOON, NOON)).outcome is Outcome.ALERT


def test_an_early_resolve_waits_for_five_minutes_only() -> None:
    early = EarlyResolve(resolved_at=NOON, received_at=NOON)
    late = judged(
        "trigger", early=early, event_at=NOON - timedelta(minutes=1), now=NOON + timedelta(minutes=5, seconds=1)
    )
    assert late.outcome is Outcome.ALERT


@pytest.mark.parametrize(
    ("severity", "urgency"),
    [("critical", "high"), ("error", "high"), (None, "high"), ("warning", "low"), ("info", "low")],
)
def test_severity_decides_the_urgency_where_the_service_says_so(severity: str | None, urgency: str) -> None:
    found, why = urgency_of(UrgencyRule("severity_based"), severity, NOON)
    assert found == urgency
    assert urgency in why


def test_elsewhere_the_severity_decides_nothing() -> None:
    assert urgency_of(UrgencyRule(), "info", NOON)[0] is Urgency.HIGH
    assert urgency_of(UrgencyRule("low"), "critical", NOON)[0] is Urgency.LOW


OFFICE = SupportHours("Europe/Paris", time(9), time(17), (1, 2, 3, 4, 5))
NIGHT = SupportHours("Europe/Paris", time(22), time(6), (5,))


def test_support_hours_are_the_wall_clock_of_their_zone() -> None:
    rule = UrgencyRule("high", "severity_based", OFFICE)
    assert urgency_of(rule, "info", NOON)[0] is Urgency.HIGH  # 13:00 in Paris
    assert urgency_of(rule, "info", NOON.replace(hour=16))[0] is Urgency.LOW  # 17:00: over
    assert urgency_of(rule, "info", NOON - timedelta(days=1))[0] is Urgency.LOW  # Sunday


def test_support_hours_may_go_over_midnight_into_the_next_day() -> None:
    friday = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)  # 23:30 in Paris
    assert friday in NIGHT
    assert friday + timedelta(hours=6) in NIGHT  # Saturday 05:30
    assert friday + timedelta(hours=7) not in NIGHT
    assert friday - timedelta(hours=18) not in NIGHT  # Friday 05:30 belongs to Thursday's night


def test_in_a_window_a_trigger_opens_nothing_and_a_resolve_does_not_count() -> None:
    def quietly(action: str, *, is_open: bool = False, is_held: bool = False, disabled: bool = False) -> Outcome:
        return alert.judge(
            action, is_open=is_open, service_disabled=disabled, early=None, event_at=None, now=NOON, quiet="window 1", is_held=is_held
        ).outcome

    assert quietly("trigger") is Outcome.MAINTENANCE
    assert quietly("trigger", is_open=True) is Outcome.REPEATED
    assert quietly("acknowledge", is_open=True) is Outcome.ACKNOWLEDGED
    assert quietly("resolve", is_open=True) is Outcome.MAINTENANCE
    assert quietly("resolve", is_open=True, is_held=True) is Outcome.RESOLVED
    assert quietly("resolve") is Outcome.NO_OPEN_ALERT
    assert quietly("trigger", disabled=True) is Outcome.SERVICE_DISABLED


def test_what_is_held_back_cannot_be_acknowledged() -> None:
    held = alert.judge("acknowledge", is_open=True, service_disabled=False, early=None, event_at=None, now=NOON, is_held=True)
    assert held.outcome is Outcome.PAUSED


OFFICE = SupportHours("Europe/Paris", time(9), time(17), (1, 2, 3, 4, 5))
NIGHT = SupportHours("Europe/Paris", time(22), time(6), (5,))


@pytest.mark.parametrize(
    ("hours", "name", "after", "expected"),
    [
        (OFFICE, alert.START_OF_SUPPORT, "2026-11-23T07:59:59", "2026-11-23T08:00:00"),
        (OFFICE, alert.START_OF_SUPPORT, "2026-11-23T08:00:00", "2026-11-24T08:00:00"),
        (OFFICE, alert.END_OF_SUPPORT, "2026-11-23T08:00:00", "2026-11-23T16:00:00"),
        (OFFICE, alert.START_OF_SUPPORT, "2026-11-27T12:00:00", "2026-11-30T08:00:00"),  # over the weekend
        (OFFICE, alert.START_OF_SUPPORT, "2026-03-27T12:00:00", "2026-03-30T07:00:00"),  # over the change of clocks
        (NIGHT, alert.START_OF_SUPPORT, "2026-11-23T12:00:00", "2026-11-27T21:00:00"),
        (NIGHT, alert.END_OF_SUPPORT, "2026-11-27T22:00:00", "2026-11-28T05:00:00"),  # Friday's hours end on Saturday
    ],
)
def test_support_hours_begin_and_end_by_the_clock_on_the_wall(hours: SupportHours, name: str, after: str, expected: str) -> None:
    asked, told = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (after, expected))
    assert alert.next_named(hours, name, asked) == told
