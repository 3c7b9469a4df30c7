"""An event of a rotation as PagerDuty's v3 has it: when its shifts recur, whose turn they are, from when until when it counts.

Laws:
1. An event is over, running or to come, by the range in which it counts; the past never changes, so what may be said of it
   depends on which of these it is.
2. Two events of one rotation may not count at the same time, whatever their hours: only their ranges are compared.
3. Exception dates without a time of day mean the shift of that day.
Source: BEHAVIOUR 5.4.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from tocsin.base.times import Span, from_wall, to_wall, zone_named
from tocsin.core.calendar_rule import Rule, occurrences_in
from tocsin.core.rotation import People, RecurringShift

NAME_MOST: Final = 255
MEMBERS_MOST: Final = 20
SHIFTS_PER_MEMBER_MOST: Final = 1000
"""Shifts in a row for one member."""
LINES_MOST: Final = 50
"""Lines of a recurrence."""
LINE_LONGEST: Final = 2000
"""Characters in one line of a recurrence."""
DATES_MOST: Final = 500
"""Exception and additional dates of one event."""
SHIFT_LONGEST: Final = timedelta(days=366)
SHIFT_SHORTEST: Final = timedelta(minutes=1)
OFTEN_MOST: Final = 28 * 24
OFTEN_WITHIN: Final = timedelta(days=28)
"""So many shifts may begin in the first four weeks of an event: one an hour."""
AHEAD_MOST: Final = timedelta(days=366)
"""How far ahead an event may begin to count: twelve months."""

_LINE: Final = re.compile(r"(RRULE|EXDATE|RDATE)((?:;[A-Z-]+=[^:;]*)*):(.*)", re.IGNORECASE)
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z)?)?", re.IGNORECASE)


class Strategy(StrEnum):
    """Who has a shift: one member after the other, or all of them."""

    ROTATING = "rotating_member_assignment_strategy"
    EVERYBODY = "every_member_assignment_strategy"


class State(StrEnum):
    """Where an event stands in time."""

    PAST = "past"
    ACTIVE = "active"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class ZonedTime:
    """An instant with the zone by whose wall clock it recurs, and the text it was written as."""

    at: datetime
    zone: str
    text: str


@dataclass(frozen=True, slots=True)
class ShiftEvent:
    """One event. `start` to `end` is its first shift; `members` has None for an empty place; it counts in [since, until)."""

    id: str
    name: str
    start: ZonedTime
    end: ZonedTime
    since: datetime
    until: datetime | None
    recurrence: tuple[str, ...]
    strategy: Strategy
    shifts_per_member: int
    members: tuple[str | None, ...]

    def state(self, now: datetime) -> State:
        """Law 1."""
        if self.until is not None and self.until <= now:
            return State.PAST
        return State.ACTIVE if self.since <= now else State.FUTURE

    def overlaps(self, other: "ShiftEvent") -> bool:
        """Law 2."""
        return (other.until is None or self.since < other.until) and (self.until is None or other.since < self.until)


def slots(event: ShiftEvent) -> tuple[People, ...]:
    """Who holds the shifts, in turn order."""
    if event.strategy is Strategy.EVERYBODY:
        return (tuple(dict.fromkeys(user_id for user_id in event.members if user_id is not None)),)
    return tuple(() if user_id is None else (user_id,) for user_id in event.members)


def recurring(event: ShiftEvent) -> RecurringShift:
    """The event as the model keeps it. Raises ValueError, saying what is wrong, when its recurrence makes no sense."""
    rule, except_at, added_at = read_lines(event.recurrence, event.start)
    zone = zone_named(event.start.zone)
    length = to_wall(event.end.at, zone) - to_wall(event.start.at, zone)
    recurrence = Rule(
        first=event.start.at,
        seconds=length // timedelta(seconds=1),
        time_zone=event.start.zone,
        rule=rule,
        except_at=except_at,
        added_at=added_at,
    )
    begin = occurrences_in(recurrence, Span(event.start.at, event.start.at + OFTEN_WITHIN))
    if sum(1 for _ in islice(begin, OFTEN_MOST + 1)) > OFTEN_MOST:
        raise ValueError("gives more than one shift an hour: let its shifts begin less often")
    return RecurringShift(
        id=event.id,
        name=event.name,
        recurrence=recurrence,
        since=event.since,
        until=event.until,
        slots=slots(event),
        turns_per_slot=1 if event.strategy is Strategy.EVERYBODY else event.shifts_per_member,
    )


def read_lines(
    lines: Sequence[str], start: ZonedTime
) -> tuple[str, tuple[datetime, ...], tuple[datetime, ...]]:
    """A recurrence taken apart: its rule, its exception dates, its additional dates. Raises ValueError."""
    rules: list[str] = []
    dates: dict[str, list[datetime]] = {"EXDATE": [], "RDATE": []}
    if len(lines) > LINES_MOST:
        raise ValueError(f"may have at most {LINES_MOST} lines")
    for line in lines:
        found = _LINE.fullmatch(line.strip()) if len(line) <= LINE_LONGEST else None
        if found is None:
            raise ValueError(f"'{line[:64]}' must begin with RRULE:, EXDATE: or RDATE: and have at most {LINE_LONGEST} characters")
        word, parameters, value = found.group(1).upper(), found.group(2), found.group(3)
        if word == "RRULE":
            rules.append(value)
        else:
            dates[word] += _dates(value, parameters, start)
    if len(rules) != 1:
        raise ValueError(f"must have exactly one RRULE, not {len(rules)}")
    if sum(map(len, dates.values())) > DATES_MOST:
        raise ValueError(f"may have at most {DATES_MOST} dates")
    return rules[0], tuple(sorted(set(dates["EXDATE"]))), tuple(sorted(set(dates["RDATE"])))


def _dates(value: str, parameters: str, start: ZonedTime) -> list[datetime]:
    named = dict(part.upper().split("=", 1) for part in parameters.split(";") if part)
    original = dict(part.split("=", 1) for part in parameters.split(";") if part)
    zone_name = next((name.strip('"') for key, name in original.items() if key.upper() == "TZID"), start.zone)
    if named.get("VALUE", "DATE-TIME") not in {"DATE", "DATE-TIME"}:
        raise ValueError(f"dates of the kind {named['VALUE'][:32]} are not understood: use DATE or DATE-TIME")
    zone, own = zone_named(zone_name), zone_named(start.zone)
    read = []
    for text in value.split(","):
        found = _DATE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"'{text[:32]}' is not a date like 20261123T090000Z")
        year, month, day, hour, minute, second, is_utc = found.groups()
        date = f"{year}-{month}-{day}"
        try:
            if hour is None:  # law 3
                time = to_wall(start.at, own).time()
                read.append(from_wall(datetime.combine(datetime.fromisoformat(date), time), own))
            else:
                wall = datetime.fromisoformat(f"{date}T{hour}:{minute}:{second}")
                read.append(from_wall(wall, zone_named("UTC") if is_utc else zone))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"'{text[:32]}' is not a date like 20261123T090000Z") from error
    return read
