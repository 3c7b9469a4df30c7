"""Heartbeats: something promises to call by a time; what a call means, when silence is told, and what a gap of ours excuses.

Laws:
1. Silence is told once: from DOWN only a good ping, or a person, leads away.
2. A ping is judged by the clock of its arrival alone; what came before it does not matter, so a clock that steps does no harm.
3. Time in which nobody could have heard a ping excuses silence: what was expected then is waited for anew, and why is said.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tocsin.base.times import human_duration
from tocsin.core.calendar_rule import Rule, around

PERIOD_LEAST: Final = timedelta(seconds=10)
PERIOD_MOST: Final = timedelta(days=366)
GRACE_LEAST: Final = timedelta(seconds=5)
GRACE_MOST: Final = timedelta(days=31)

GAP: Final = timedelta(seconds=90)
"""A watch that has not looked for longer than this was not there: it, its machine or its database stood still, or the clock was set forward."""
STEP_BACK: Final = timedelta(seconds=30)
"""A clock that is further behind the last look than this was set back (nodes may differ by less)."""

_OCCURRENCE: Final = 60
"""Seconds that an occurrence of a calendar rule lasts: only its start matters."""


class State(StrEnum):
    """What is kept of a heartbeat."""

    NEW = "new"  # no ping yet: nothing is expected
    UP = "up"
    DOWN = "down"
    PAUSED = "paused"


LATE: Final = "late"
"""How an `up` heartbeat stands while its grace runs."""


class Kind(StrEnum):
    """What a ping says."""

    SUCCESS = "success"
    START = "start"
    FAIL = "fail"


class Say(StrEnum):
    """What is sent to the service."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Period:
    """A ping is expected this long after the last good one."""

    every: timedelta

    def __post_init__(self) -> None:
        if not PERIOD_LEAST <= self.every <= PERIOD_MOST:
            raise ValueError(f"a period lasts between {human_duration(PERIOD_LEAST)} and {PERIOD_MOST.days} days")


Schedule = Period | Rule


def calendar(first: datetime, time_zone: str, rule: str) -> Rule:
    """A ping is expected at each start of this recurrence. Raises ValueError in words."""
    return Rule(first, _OCCURRENCE, time_zone, rule)


def check_grace(grace: timedelta) -> None:
    """Raise ValueError unless this can be a grace."""
    if not GRACE_LEAST <= grace <= GRACE_MOST:
        raise ValueError(f"a grace lasts between {human_duration(GRACE_LEAST)} and {GRACE_MOST.days} days")


@dataclass(frozen=True, slots=True)
class Beat:
    """How a heartbeat stands.

    expected_at  when the next good ping is expected; None when none is
    due_at       when silence is told; None when it is not waited for
    started_at   when the run began that has not ended yet
    """

    schedule: Schedule
    grace: timedelta
    state: State = State.NEW
    expected_at: datetime | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a heartbeat, what its service is told (None: nothing), and why."""

    beat: Beat
    say: Say | None
    reason: str


def next_expected(schedule: Schedule, after: datetime) -> datetime | None:
    """When a ping is expected that comes after this one; None when the rule has ended."""
    if isinstance(schedule, Period):
        return after + schedule.every
    here = around(schedule, after)
    if here.number is None or here.end is None:
        return here.end
    later = around(schedule, here.end)
    return here.end if later.number is not None and later.start == here.end else later.end


def waiting(beat: Beat, since: datetime) -> Beat:
    """The wait begins anew, as after a good ping."""
    expected = next_expected(beat.schedule, since)
    return replace(
        beat, state=State.UP, expected_at=expected, due_at=expected and expected + beat.grace, started_at=None
    )


def pinged(beat: Beat, kind: Kind, now: datetime, detail: str = "") -> Change:
    """What a ping means; `detail` is what it says of itself, like its exit status."""
    if beat.state is State.PAUSED:
        return Change(beat, None, "it is paused: the ping is kept, and nothing follows from it")
    if kind is Kind.START:
        due = None if beat.state is State.DOWN else min(at for at in (beat.due_at, now + beat.grace) if at is not None)
        return Change(replace(beat, started_at=now, due_at=due), None, f"it has started, and should end within {human_duration(beat.grace)}")
    if kind is Kind.FAIL:
        failed = replace(beat, state=State.DOWN, expected_at=None, due_at=None, started_at=None)
        words = "it says that it failed" + (f" ({detail})" if detail else "")
        return Change(failed, None if beat.state is State.DOWN else Say.TRIGGER, words)
    return Change(waiting(beat, now), Say.RESOLVE if beat.state is State.DOWN else None, "it has called")


def fell_silent(beat: Beat, now: datetime) -> Change | None:
    """What follows when nothing was heard until now; None while it is not due."""
    if beat.due_at is None or beat.due_at > now or beat.state in {State.DOWN, State.PAUSED}:
        return None
    if beat.started_at is not None and beat.started_at + beat.grace <= beat.due_at:
        why = f"it started at {_utc(beat.started_at)} and has not said since that it ended, for {human_duration(now - beat.started_at)}"
    elif beat.expected_at is not None:
        why = f"a ping was expected at {_utc(beat.expected_at)}, and none came within {human_duration(beat.grace)}"
    else:
        why = f"no ping came until {_utc(beat.due_at)}"
    return Change(replace(beat, state=State.DOWN, expected_at=None, due_at=None, started_at=None), Say.TRIGGER, why)


def paused(beat: Beat) -> Change:
    """Nothing is expected until it is resumed; an open alert of it ends."""
    resting = replace(beat, state=State.PAUSED, expected_at=None, due_at=None, started_at=None)
    return Change(resting, Say.RESOLVE if beat.state is State.DOWN else None, "it was paused")


def resumed(beat: Beat, now: datetime, *, has_pinged: bool) -> Change:
    """Waited for again from now on; one that never called is new again."""
    if has_pinged:
        return Change(waiting(beat, now), None, "it was resumed: the wait begins anew")
    return Change(replace(beat, state=State.NEW, expected_at=None, due_at=None, started_at=None), None, "it was resumed")


def rescheduled(beat: Beat, schedule: Schedule, grace: timedelta, now: datetime) -> Beat:
    """Another promise: what is waited for begins anew from now; what is down, paused or new stays so."""
    changed = replace(beat, schedule=schedule, grace=grace)
    return waiting(changed, now) if beat.state is State.UP else changed


def standing(beat: Beat, now: datetime) -> str:
    """`new`, `up`, `late`, `down` or `paused`."""
    if beat.state is State.UP and beat.expected_at is not None and beat.expected_at < now:
        return LATE
    return beat.state.value


# ---------------------------------------------------------------------------------------------- when nobody was listening


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which no ping could be heard, as far as the clock shows."""

    gone: datetime
    back: datetime


def gap_since(looked_at: datetime | None, now: datetime) -> Gap | None:
    """The gap between the last look and this one; None when the watch was there."""
    return Gap(looked_at, now) if looked_at is not None and now - looked_at > GAP else None


def stepped_back(looked_at: datetime | None, now: datetime) -> bool:
    """Whether the clock was set back since the last look."""
    return looked_at is not None and looked_at - now > STEP_BACK


def after_gap(beat: Beat, gap: Gap) -> Change | None:
    """What a gap changes; None when it changes nothing.

    A ping expected in the gap may have come and not been heard: the whole wait begins anew. One that was late already
    gets its grace once more. What was due before the gap is not excused by it.
    """
    if beat.due_at is None or beat.due_at <= gap.gone or beat.state in {State.DOWN, State.PAUSED}:
        return None
    nobody = f"nobody could hear it from {_utc(gap.gone)} to {_utc(gap.back)}"
    if beat.expected_at is not None and gap.gone < beat.expected_at <= gap.back:
        return Change(waiting(beat, gap.back), None, f"{nobody}: what was expected then is waited for anew")
    was_late = beat.expected_at is not None and beat.expected_at <= gap.gone
    renewed = gap.back + beat.grace
    if (was_late or beat.due_at <= gap.back) and beat.due_at < renewed:
        return Change(replace(beat, due_at=renewed, started_at=None), None, f"{nobody}: its grace begins anew")
    return None


def after_step_back(beat: Beat, now: datetime) -> Change | None:
    """What a clock that was set back changes: nothing is waited for longer than its wait lasts from now."""
    if beat.due_at is None or beat.state is not State.UP:
        return None
    fresh = waiting(beat, now)
    if fresh.due_at is None or beat.due_at <= fresh.due_at:
        return None
    return Change(fresh, None, "the clock was set back: the wait begins anew")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
