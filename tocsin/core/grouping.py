"""Which open incident an alert joins, and why.

Laws (BEHAVIOUR 2.3):
1. Only an open incident of the services that are grouped together is joined, and none that holds `MAX_ALERTS` already.
2. By time: the newest open incident that began within the window (0: as long as it is open).
3. By content: the newest open incident whose latest alert has equal fields (all of them, or any) within the window,
   counted from its newest alert and at most 24 hours from its first. A field that an alert does not have equals nothing.
4. By likeness ("intelligent"): as by content, where the words of the two texts are nearly the same. It is plain counting
   of words and says so: `LIKENESS_LEAST` of all words of the two must be in both; numbers count as equal.
5. By content or likeness: by content first, else by likeness.
6. Without grouping every alert opens an incident of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from tocsin.core.incident_state import MAX_ALERTS

LONGEST_WINDOW = timedelta(hours=24)
LIKENESS_LEAST: Final = 0.6
"""The share of the words of two texts that must be in both for them to be alike."""
TEXT_MOST: Final = 4096
"""Characters of a field that are compared; the rest of it says nothing."""
SHORTEST_RECOMMENDED: Final = timedelta(seconds=300)
LONGEST_RECOMMENDED: Final = timedelta(seconds=3600)

TIME, CONTENT, LIKENESS, CONTENT_OR_LIKENESS = "time", "content_based", "intelligent", "content_based_intelligent"

_WORD: Final = re.compile(r"[^\W\d_]+|\d+")


@dataclass(frozen=True, slots=True)
class Grouping:
    """How services group.

    window       None: by time as long as the incident is open, else the recommended one
    fields       what must be equal, by content
    text_fields  what must be alike, by likeness
    service_ids  all that are grouped together; empty: only the alert's own
    """

    kind: str
    window: timedelta | None
    fields: tuple[str, ...] = ()
    every_field: bool = True
    text_fields: tuple[str, ...] = ()
    service_ids: tuple[str, ...] = ()

    @property
    def compares(self) -> tuple[str, ...]:
        """Every field it looks at."""
        return (*self.fields, *self.text_fields)

    @property
    def asks_for_window(self) -> bool:
        """Whether its window is to be the recommended one."""
        return self.kind != TIME and self.window is None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open incident of the services. `content` holds the compared fields of its newest alert."""

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


def newest(candidates: Sequence[Candidate]) -> Joined | None:
    """The newest open incident that has room, for a sender who wants no second one; None: there is none."""
    room = [one for one in candidates if one.alerts_total < MAX_ALERTS]
    found = max(room, key=lambda one: (one.began_at, one.number), default=None)
    return None if found is None else Joined(found.incident_id, "its integration opens an incident only when none is open, and this one is")


def choose(
    grouping: Grouping | None, content: Mapping[str, str | None], candidates: Sequence[Candidate], now: datetime
) -> Joined | None:
    """The incident an alert with this `content` joins; None: it opens its own. `candidates`: the open ones."""
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
    if grouping.kind == TIME:
        where = "on the same service" if len(grouping.service_ids) < 2 else "on a service of the same grouping"
        if grouping.window is None:
            return f"grouped by time: #{candidate.number} is open {where}"
        if now - candidate.began_at <= grouping.window:
            minutes = int(grouping.window.total_seconds() // 60)
            return f"grouped by time: #{candidate.number} began less than {minutes} min ago {where}"
        return None
    window = grouping.window or LONGEST_WINDOW
    if now - candidate.newest_alert_at > window or now - candidate.began_at > LONGEST_WINDOW:
        return None
    equal = [name for name in grouping.fields if content.get(name) is not None and content[name] == candidate.content.get(name)]
    if equal and (len(equal) == len(grouping.fields) or not grouping.every_field):
        return f"grouped by content: the same {', '.join(equal)} as #{candidate.number}"
    if grouping.text_fields:
        share = likeness(_text(grouping, content), _text(grouping, candidate.content))
        if share >= LIKENESS_LEAST:
            return f"grouped by likeness: {share:.0%} of the words of {', '.join(grouping.text_fields)} are those of #{candidate.number}"
    return None


def likeness(one: str, other: str) -> float:
    """The share of the words of two texts that are in both, from 0 to 1; case does not matter, any number is `0`."""
    these, those = _words(one), _words(other)
    either = these | those
    return len(these & those) / len(either) if either else 0.0


def _words(text: str) -> frozenset[str]:
    return frozenset("0" if word.isdigit() else word.lower() for word in _WORD.findall(text))


def _text(grouping: Grouping, content: Mapping[str, str | None]) -> str:
    return "\n".join(content.get(name) or "" for name in grouping.text_fields)


def grouped_content(
    grouping: Grouping | None, fields: Mapping[str, object], details: Mapping[str, object]
) -> dict[str, str | None]:
    """The fields of an alert that its service groups by, as text (`custom_details.x.y` looks into the details)."""
    if grouping is None:
        return {}
    found: dict[str, str | None] = {}
    for name in grouping.compares:
        inner = name.removeprefix("custom_details.")
        value = _inside(details, inner) if inner != name else fields.get(name)
        found[name] = None if value is None else str(value)[:TEXT_MOST]
    return found


def _inside(details: Mapping[str, object], path: str) -> object:
    """The value at a dotted path; a name that itself has dots is found first."""
    if path in details:
        return details[path]
    value: Any = details
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def recommended_window(arrivals: Sequence[datetime]) -> timedelta:
    """The window that fits how often alerts came: their mean distance in whole minutes, 5 minutes to 1 hour."""
    if len(arrivals) < 2:
        return SHORTEST_RECOMMENDED
    mean = (max(arrivals) - min(arrivals)) / (len(arrivals) - 1)
    minutes = timedelta(minutes=-(-mean // timedelta(minutes=1)))
    return min(max(minutes, SHORTEST_RECOMMENDED), LONGEST_RECOMMENDED)
