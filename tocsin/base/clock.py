"""Where the time comes from: the only place in the house that reads the machine's clock."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present instant, always in UTC."""


def system_clock() -> datetime:
    """The machine's own clock, in UTC, with microseconds."""
    return datetime.now(UTC)
