"""From event to alert: what an accepted event means for the one thing its dedup key names.

Laws (BEHAVIOUR 1.1, DESIGN 5):
1. One open alert per (routing key, dedup key).
2. A trigger for an open alert is counted; it makes nothing new. A trigger after a resolve makes a new alert.
3. An acknowledge or resolve without an open alert changes nothing, and says so.
4. A resolve that came before its trigger closes it when it comes, if the trigger says by its own timestamp that it is
   the older one and comes within the ordering window. A trigger that says nothing of its time is a new problem: a page
   too many beats a silence.
5. In a maintenance window nothing new opens and a sender's resolve does not count (core/maintenance.py); an alert that is
   held back has no incident, so its resolve ends it and its acknowledgement changes nothing.
6. Severity decides urgency only where the service says so: critical, error and none are high; warning and info are low.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from tocsin.base.times import from_wall, to_wall
from tocsin.core.events import Urgency

ORDERING_WINDOW = timedelta(minutes=5)
"""How long a resolve that came too early waits for its trigger."""

_LOW_SEVERITIES = frozenset({"warning", "info"})


class Outcome(StrEnum):
    """What became of an accepted event: the journal's words."""

    ALERT = "alert"  # a new alert, in an incident of its own
    GROUPED = "grouped"  # a new alert that joined an open incident
    REPEATED = "repeated"  # the alert was open already; counted
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NO_OPEN_ALERT = "no_open_alert"  # acknowledge or resolve of what is not open
    CLOSED_EARLY = "closed_early"  # its resolve had come before it
    SUPPRESSED = "suppressed"  # kept as an alert, pages nobody
    PAUSED = "paused"  # held back for a while: an incident only if it is not resolved before that is over
    DROPPED = "dropped"
    SERVICE_DISABLED = "service_disabled"
    MAINTENANCE = "maintenance"  # its service is in a maintenance window: nothing is opened, no resolve counts
    NO_SERVICE = "no_service"  # its key belongs to nothing any more
    CHANGE = "change"  # a change event: kept, opens nothing
    UNREADABLE = "unreadable"  # its reader cannot make sense of it any more


@dataclass(frozen=True, slots=True)
class EarlyResolve:
    """A resolve that found nothing open."""

    resolved_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a trigger, acknowledge or resolve, and why."""

    outcome: Outcome
    reason: str


def judge(
    action: str,
    *,
    is_open: bool,
    service_disabled: bool,
    early: EarlyResolve | None,
    event_at: datetime | None,
    now: datetime,
    quiet: str = "",
    is_held: bool = False,
) -> Verdict:
    """What one event means.

    action    trigger | acknowledge | resolve
    is_open   whether an alert with its key is open now
    early     a resolve of the same key that came before and found nothing
    event_at  what the event itself says of its time (None: it says nothing)
    quiet     the maintenance window that was open when it came, in words; empty without one
    is_held   the open alert is held back: it has no incident yet
    """
    if action == "trigger":
        return _judge_trigger(is_open, service_disabled, early, event_at, now, quiet)
    if not is_open:
        waiting = f"; a trigger older than this that comes within {_minutes(ORDERING_WINDOW)} is closed by it"
        return Verdict(
            Outcome.NO_OPEN_ALERT,
            f"no alert with this key is open, so there is nothing to {action}"
            + (waiting if action == "resolve" else ""),
        )
    if action == "acknowledge" and is_held:
        return Verdict(Outcome.PAUSED, "the alert is held back: nobody was paged, so there is nothing to acknowledge yet")
    if action == "resolve" and is_held:
        return Verdict(Outcome.RESOLVED, "it was over before its pause was: nobody was paged")
    if action == "resolve" and quiet:
        why = f"{quiet}: resolves by senders are ignored, the incident stays open until a person ends it or its sender says so again"
        return Verdict(Outcome.MAINTENANCE, why)
    if action == "acknowledge":
        return Verdict(Outcome.ACKNOWLEDGED, "the incident that holds the alert is acknowledged by its sender")
    return Verdict(Outcome.RESOLVED, "the alert with this key is resolved by its sender")


def _judge_trigger(
    is_open: bool, service_disabled: bool, early: EarlyResolve | None, event_at: datetime | None, now: datetime, quiet: str
) -> Verdict:
    if is_open:
        return Verdict(Outcome.REPEATED, "an alert with this key is open already; it is counted, nobody is paged again")
    if service_disabled:
        return Verdict(Outcome.SERVICE_DISABLED, "the service is disabled, so nothing is opened; enable it to be paged")
    if quiet:
        return Verdict(Outcome.MAINTENANCE, f"{quiet}: nothing is opened and nobody is paged")
    if early is not None and event_at is not None:
        in_time = now - early.received_at <= ORDERING_WINDOW
        if in_time and event_at <= early.resolved_at:
            return Verdict(Outcome.CLOSED_EARLY, "its resolve came before it, so it is closed at once and pages nobody")
    return Verdict(Outcome.ALERT, "a new problem: no alert with this key is open")


def _minutes(span: timedelta) -> str:
    return f"{int(span.total_seconds() // 60)} minutes"


@dataclass(frozen=True, slots=True)
class SupportHours:
    """The hours in which somebody supports a service: wall clock in `zone`, weekdays 1 (Monday) to 7."""

    zone: str
    start: time
    end: time
    weekdays: tuple[int, ...]

    def __contains__(self, instant: datetime) -> bool:
        local = instant.astimezone(ZoneInfo(self.zone))
        clock, weekday = local.time(), local.isoweekday()
        if self.start <= self.end:
            return weekday in self.weekdays and self.start <= clock < self.end
        yesterday = 7 if weekday == 1 else weekday - 1
        return (weekday in self.weekdays and clock >= self.start) or (yesterday in self.weekdays and clock < self.end)


START_OF_SUPPORT, END_OF_SUPPORT = "support_hours_start", "support_hours_end"


def next_named(hours: SupportHours, name: str, after: datetime) -> datetime:
    """The first instant later than `after` at which support hours begin (or end, by `name`): a wall clock in their zone.

    Hours that end before they begin end on the next day. A clock time that never happens moves forward by the gap.
    """
    zone = ZoneInfo(hours.zone)
    clock = hours.start if name == START_OF_SUPPORT else hours.end
    ends_next_day = name == END_OF_SUPPORT and hours.end <= hours.start
    today = to_wall(after, zone).date()
    days = (today + timedelta(days=day) for day in range(-1, 10))
    found = (from_wall(datetime.combine(day, clock), zone) for day in days if _weekday(day, ends_next_day) in hours.weekdays)
    return next(instant for instant in found if instant > after)


def _weekday(day: date, is_day_after: bool) -> int:
    """The weekday the support hours belong to that have their begin or end on this day."""
    return (day - timedelta(days=1) if is_day_after else day).isoweekday()


@dataclass(frozen=True, slots=True)
class UrgencyRule:
    """How urgent a service's alerts are: `high`, `low` or `severity_based`, inside and outside its support hours."""

    during: str = "high"
    outside: str | None = None  # None: the same at all hours
    hours: SupportHours | None = None


def urgency_of(rule: UrgencyRule, severity: str | None, now: datetime) -> tuple[Urgency, str]:
    """How urgent an alert is, and why (BEHAVIOUR 1.1 and 2.1)."""
    word, when = rule.during, ""
    if rule.outside is not None and rule.hours is not None:
        inside = now in rule.hours
        word = rule.during if inside else rule.outside
        when = " during support hours" if inside else " outside support hours"
    if word == "severity_based":
        low = severity in _LOW_SEVERITIES
        urgency = Urgency.LOW if low else Urgency.HIGH
        return urgency, f"severity {severity or 'not given'} means {urgency.value} urgency{when}"
    return Urgency(word), f"the service says {word} urgency{when}"
