"""Maintenance windows: how they stand at an instant, and what may still be done with them (BEHAVIOUR 2.4)."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.base.errors import Refusal
from tocsin.core import maintenance as rules
from tocsin.core.maintenance import Window

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def window(begins: timedelta = -HOUR, ends: timedelta = HOUR, number: int = 1, description: str = "Move") -> Window:
    """A window that begins and ends so long from noon."""
    return Window(f"PWIN{number:03d}", number, NOON + begins, NOON + ends, description, "Ada")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON - HOUR - SECOND, "future"),
        (NOON - HOUR, "ongoing"),
        (NOON, "ongoing"),
        (NOON + HOUR - SECOND, "ongoing"),
        (NOON + HOUR, "past"),
    ],
)
def test_the_start_belongs_to_a_window_and_the_end_does_not(at: datetime, expected: str) -> None:
    assert window().standing(at) == expected


def test_of_several_open_windows_the_one_that_lasts_longest_is_named() -> None:
    short, long, past, future = window(ends=HOUR / 2), window(number=2), window(ends=-SECOND, number=3), window(begins=SECOND, ends=9 * HOUR, number=4)
    assert rules.covering([short, long, past, future], NOON) == long
    assert rules.covering([past, future], NOON) is None
    assert rules.words(long) == "maintenance window 2 (Move) of Ada, until 2026-11-23T13:00:00Z"
    assert rules.words(window(description="")) == "maintenance window 1 of Ada, until 2026-11-23T13:00:00Z"


def test_a_start_in_the_past_is_now_and_of_a_running_window_it_stays() -> None:
    assert rules.start_of(NOON - 9 * HOUR, None, NOON) == (NOON, "")
    assert rules.start_of(NOON + HOUR, None, NOON) == (NOON + HOUR, "")
    assert rules.start_of(NOON - 9 * HOUR, window(), NOON) == (NOON - HOUR, "")
    assert rules.start_of(NOON + SECOND, window(), NOON)[1]
    assert rules.start_of(NOON - HOUR, window(begins=SECOND), NOON) == (NOON, "")


def test_an_end_is_in_the_future_and_after_the_start() -> None:
    assert rules.end_errors(NOON - HOUR, NOON, NOON) == ["End time must be in the future"]
    assert rules.end_errors(NOON + HOUR, NOON + HOUR, NOON) == ["End time must be after the start time"]
    assert rules.end_errors(NOON, NOON + SECOND, NOON) == []


def test_what_has_not_begun_goes_what_runs_ends_and_what_is_over_stays() -> None:
    assert rules.removal(window(begins=SECOND), NOON) == rules.DELETE
    assert rules.removal(window(), NOON) == rules.END
    with pytest.raises(Refusal) as refused:
        rules.removal(window(ends=timedelta(0)), NOON)
    assert (refused.value.status, refused.value.code) == (405, 5003)
