"""Tocsin watches itself: when its own queues are late, when that is told and when it is over, and whether its engine is alive.

Laws:
1. Late is what lasts: one slow look tells nobody. Over is what stays well below the bound for a while.
2. However often it comes and goes, people are told at most once an hour; an end is told exactly to whom the beginning was.
3. A clock that was set back makes no wait longer than from now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.base.times import human_duration

BOUND: Final = timedelta(seconds=60)
"""How old what waits in a queue may grow."""
CALM_BELOW: Final = timedelta(seconds=30)
"""All queues must be younger than this for it to be over."""
RAISED_AFTER: Final = timedelta(seconds=30)
"""How long a queue must be over its bound before it is told."""
CALM_FOR: Final = timedelta(seconds=60)
"""How long all queues must be calm before it is over."""
TOLD_EVERY: Final = timedelta(hours=1)
PASS_BOUND: Final = timedelta(minutes=2)
"""How much longer than its cadence a pass of the engine may take before the engine counts as stuck."""
PURPOSE: Final = "own_alarm"
"""The purpose of the messages that tell of it."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Something that waits: what it is, in words, how much of it, and the age of its oldest."""

    what: str
    count: int
    age: timedelta

    @property
    def words(self) -> str:
        number = f"{self.count} " if self.count else ""
        return f"{number}{self.what}, late by {human_duration(self.age)}"


class Tell(StrEnum):
    """What people are told."""

    LATE = "late"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Alarm:
    """How it stands.

    late_since  since when a queue is over its bound; None when none is
    raised_at   when it was found to last; None when it is over
    told_at     when people were last told that it is late
    calm_since  since when all queues are calm again, while it is raised
    """

    late_since: datetime | None = None
    raised_at: datetime | None = None
    told_at: datetime | None = None
    calm_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How it stands now, what is told (None: nothing), and why, in words."""

    alarm: Alarm
    tell: Tell | None
    reason: str


def judge(alarm: Alarm, queues: Sequence[Queue], now: datetime) -> Step:
    """What follows from one look at the queues."""
    alarm = Alarm(*(min(at, now) if at is not None else None for at in (alarm.late_since, alarm.raised_at, alarm.told_at, alarm.calm_since)))
    late = [one for one in queues if one.age > BOUND]
    if late:
        since = alarm.late_since or now
        words = "; ".join(one.words for one in late)
        lasting = replace(alarm, late_since=since, calm_since=None)
        if alarm.raised_at is None and now - since < RAISED_AFTER:
            return Step(lasting, None, f"{words}: it is waited whether that lasts")
        raised = replace(lasting, raised_at=alarm.raised_at or now)
        if alarm.told_at is not None and now - alarm.told_at < TOLD_EVERY:
            return Step(raised, None, words)
        return Step(replace(raised, told_at=now), Tell.LATE, words)
    if alarm.raised_at is None:
        return Step(replace(alarm, late_since=None, calm_since=None), None, "nothing waits too long")
    if any(one.age > CALM_BELOW for one in queues):
        return Step(replace(alarm, calm_since=None), None, "what waits grows younger, and is not young yet")
    since = alarm.calm_since or now
    if now - since < CALM_FOR:
        return Step(replace(alarm, calm_since=since), None, "nothing waits too long any more: it is waited whether that lasts")
    was_told = alarm.told_at is not None and alarm.told_at >= alarm.raised_at
    lasted = human_duration(now - (alarm.late_since or alarm.raised_at))
    return Step(Alarm(told_at=alarm.told_at), Tell.OVER if was_told else None, f"nothing waits too long any more; it lasted {lasted}")


def stuck(ran_at: Mapping[str, datetime | None], cadence: Mapping[str, timedelta], now: datetime) -> list[str]:
    """Which passes of the engine have not come to an end within their bound, in words; one that never ran is among them."""
    found = []
    for name, at in sorted(ran_at.items()):
        if at is None:
            found.append(f"the {name} pass has not run yet")
        elif now - at > cadence[name] + PASS_BOUND:
            found.append(f"the {name} pass last ran {human_duration(now - at)} ago")
    return found
