"""Hand-offs: who goes on call and who comes off, who is told of it beforehand, and in which words.

Laws:
1. What is due is read off the schedule as it stands: an edit before a notice is due changes or drops it.
2. Who follows himself hands off to nobody: only the ends of unbroken periods are hand-offs.
3. A notice that could not be sent in time is sent late, but not later than `LATE` after the hand-off; and nobody is told
   of a hand-off that was over before the rule was made.
Source: BEHAVIOUR 6 (`notify_advance_in_minutes`, `handoff_type`) and 4 (`on_call_handoff_notifications`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from tocsin.base.times import Span
from tocsin.core.schedule import Entry

ONCALL: Final = "oncall"
OFFCALL: Final = "offcall"
BOTH: Final = "both"
TYPES: Final = (BOTH, ONCALL, OFFCALL)

ADVANCE_MOST: Final = 10_080
"""Minutes before a hand-off at which a rule may tell of it: a week."""

LATE: Final = timedelta(minutes=30)
"""How long after a hand-off a notice is still worth sending, when the engine was not running or the edit came late."""

IF_HAS_SERVICES: Final = "if_has_services"
ALWAYS: Final = "always"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long before which kind of hand-off a person is told, and by which contact method."""

    id: str
    user_id: str
    way_id: str
    advance: timedelta
    kind: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Handoff:
    """Somebody goes on call by a schedule (`oncall`) or comes off (`offcall`) at an instant."""

    schedule_id: str
    user_id: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One hand-off that one rule is to tell of."""

    rule: Rule
    handoff: Handoff

    @property
    def key(self) -> tuple[str, str, datetime, str]:
        """What makes it one: told once, it is never told again."""
        return self.rule.id, self.handoff.schedule_id, self.handoff.at, self.handoff.kind


def wants_notices(setting: str, *, has_services: bool) -> bool:
    """Whether a policy tells of the hand-offs on its schedules, by its `on_call_handoff_notifications`."""
    return setting == ALWAYS or has_services


def looked_at(rules: Collection[Rule], now: datetime) -> Span:
    """The time in which a hand-off may be one that somebody is to be told of now."""
    furthest = max((rule.advance for rule in rules), default=timedelta())
    margin = timedelta(minutes=1)  # what begins or ends at the very edge of a look cannot be told from what goes on
    return Span(now - LATE - margin, now + furthest + margin)


def handoffs(schedule_id: str, entries: Sequence[Entry], span: Span) -> tuple[Handoff, ...]:
    """The hand-offs within `span`, by time. `entries` are the schedule's in it, periods of one person joined (law 2)."""
    found = [Handoff(schedule_id, one.user_id, ONCALL, one.start) for one in entries if one.start > span.start]
    found += [Handoff(schedule_id, one.user_id, OFFCALL, one.end) for one in entries if one.end < span.end]
    return tuple(sorted(found, key=lambda one: (one.at, one.kind, one.user_id)))


def due(rules: Sequence[Rule], found: Sequence[Handoff], now: datetime) -> tuple[Notice, ...]:
    """What is to be told now, whether or not it was told before (law 3)."""
    by_user: dict[str, list[Rule]] = {}
    for rule in rules:
        by_user.setdefault(rule.user_id, []).append(rule)
    return tuple(
        Notice(rule, one)
        for one in found
        for rule in by_user.get(one.user_id, ())
        if rule.kind in {BOTH, one.kind}
        and one.at - rule.advance <= now
        and one.at > now - LATE
        and (one.at > now or rule.made_at <= one.at)
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a message says of one hand-off.

    until   when the time on call ends; None when that is beyond the look ahead. Only of `oncall`
    others  who was on call before (`oncall`), or is afterwards (`offcall`)
    """

    schedule: str
    policies: tuple[str, ...]
    kind: str
    at: datetime
    until: datetime | None
    others: tuple[str, ...]


def title(kind: str, schedules: Sequence[str]) -> str:
    """The subject: `You go on call: Payments primary`."""
    return f"You {'go on' if kind == ONCALL else 'come off'} call: {listed(schedules)}"


def words(told: Sequence[Told], now: datetime, zone: tzinfo) -> str:
    """The message for hand-offs of one person at one instant, in the person's zone."""
    return "\n".join(_sentence(one, now, zone) for one in told)


def _sentence(one: Told, now: datetime, zone: tzinfo) -> str:
    used = f" (escalation {'policy' if len(one.policies) == 1 else 'policies'}: {listed(one.policies)})" if one.policies else ""
    at, name = wall(one.at, zone), zone_name(zone)
    if one.kind == ONCALL:
        end = f", until {wall(one.until, zone)}" if one.until else ""
        go = "go on call" if one.at > now else "went on call"
        before = f" {listed(one.others)} {'hands' if len(one.others) == 1 else 'hand'} over to you." if one.others else ""
        return f"You {go} for {one.schedule}{used} on {at}{end} ({name}).{before}"
    come = "come off call" if one.at > now else "came off call"
    after = f"{listed(one.others)} {'takes' if len(one.others) == 1 else 'take'} over." if one.others else "Nobody is on call there from then on."
    return f"You {come} for {one.schedule}{used} on {at} ({name}). {after}"


def wall(instant: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov 2026, 18:00`: what the wall shows in this zone."""
    local = instant.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M}"


def zone_name(zone: tzinfo) -> str:
    """The zone as people know it: its name in the tz database."""
    return str(zone)


def listed(names: Sequence[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


# Written out: the words must not follow the locale of the machine.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
