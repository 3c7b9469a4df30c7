"""Which open incident an alert joins, and why.

Laws (BEHAVIOUR 2.3):
1. Only an open incident of the same service is joined, and none that holds `MAX_ALERTS` already.
2. By time: the newest open incident of the service that began within the window (0: as long as it is open).
3. By content: the newest open incident whose latest alert has equal fields (all of them, or any) within the window,
   counted from its newest alert and at most 24 hours from its first.
4. Without grouping every alert opens an incident of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.core.incident import MAX_ALERTS

LONGEST_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a service groups: kind `time` or `content_based`; `window` None means as long as the incident is open."""

    kind: str
    window: timedelta | None
    fields: tuple[str, ...] = ()
    every_field: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open incident of the service. `content` holds the grouped fields of its newest alert."""

    incident_id: str
    number: int
    began_at: datetime
    newest_alert_at: datetime
    alerts_total: int
    content: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Joined:
    """The incident an alert joins, and why."""

    incident_id: str
    reason: str


def choose(
    grouping: Grouping | None, content: Mapping[str, str | None], candidates: Sequence[Candidate], now: datetime
) -> Joined | None:
    """The incident an alert with this `content` joins; None: it opens its own. `candidates`: the service's open ones."""
    if grouping is None:
        return None
    for candidate in sorted(candidates, key=lambda one: (one.began_at, one.number), reverse=True):
        if candidate.alerts_total >= MAX_ALERTS:
            continue
        reason = _reason(grouping, content, candidate, now)
        if reason:
            return Joined(candidate.incident_id, reason)
    return None


def _reason(grouping: Grouping, content: Mapping[str, str | None], candidate: Candidate, now: datetime) -> str | None:
    if grouping.kind == "time":
        if grouping.window is None:
            return f"grouped by time: #{candidate.number} is open on the same service"
        if now - candidate.began_at <= grouping.window:
            minutes = int(grouping.window.total_seconds() // 60)
            return f"grouped by time: #{candidate.number} began less than {minutes} min ago on the same service"
        return None
    window = grouping.window or LONGEST_WINDOW
    if now - candidate.newest_alert_at > window or now - candidate.began_at > LONGEST_WINDOW:
        return None
    equal = [name for name in grouping.fields if content.get(name) == candidate.content.get(name)]
    if equal and (len(equal) == len(grouping.fields) or not grouping.every_field):
        return f"grouped by content: the same {', '.join(equal)} as #{candidate.number}"
    return None


def grouped_content(
    grouping: Grouping | None, fields: Mapping[str, object], details: Mapping[str, object]
) -> dict[str, str | None]:
    """The fields of an alert that its service groups by, as text (`custom_details.x` looks into the details)."""
    if grouping is None:
        return {}
    found: dict[str, str | None] = {}
    for name in grouping.fields:
        inner = name.removeprefix("custom_details.")
        value = details.get(inner) if inner != name else fields.get(name)
        found[name] = None if value is None else str(value)
    return found
