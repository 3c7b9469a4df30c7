"""Reads calendars in iCalendar (RFC 5545): their events at the times they really are, within a span, whatever is sent.

Laws:
1. What is no whole calendar, or more than is allowed, is Unreadable as a whole: half a calendar would be half a rota. An event
   that cannot be understood is a complaint, and the others count.
2. An event ends at a time of the wall clock when it starts at one: a shift from nine to nine stays so when the clocks change.
3. A time without a zone, and a whole day, are in the zone of whoever reads. A zone that the tz database knows by its name is
   the tz database's; another one is as the calendar itself describes it.
4. Of an event that was changed at one of its times (RECURRENCE-ID), the change holds there; a cancelled one is not there.
The lines are read by icalendar; its own zones are not used, for it remembers those of one calendar for the next.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from icalendar.parser import Contentline, Contentlines
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from tocsin.base.times import Span, from_wall, to_wall, zone_named
from tocsin.core.followed_calendar import Complaint, Occurrence, gathered
from tocsin.core.wall_rule import Parsed, parse
from tocsin.inbound import recurrence
from tocsin.inbound.recurrence import Budget, TooMuch
from tocsin.inbound.spec import Unreadable

SIZE_MOST: Final = 2 * 1024 * 1024
"""Bytes of a calendar."""
EVENTS_MOST: Final = 10_000
"""Events in a calendar."""
OCCURRENCES_MOST: Final = 20_000
"""Times of all events of a calendar in the span that is read."""
DEPTH_MOST: Final = 8
"""How deep parts of a calendar may stand in one another."""
ZONES_MOST: Final = 200
SUMMARY_MOST: Final = 1_000
"""Characters of a summary that are read."""
ATTENDEES_MOST: Final = 200
"""People invited to one event that are read."""
AROUND: Final = timedelta(days=800)
"""How far before and after the span a zone's own description is worked out."""
DATES_MOST: Final = 20_000
"""Times named one by one (RDATE, EXDATE) in one event."""

_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_TIME: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_DURATION: Final = re.compile(r"([+-]?)P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?")
_OFFSET: Final = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?")
_READ: Final = frozenset(
    {"UID", "SUMMARY", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "STATUS", "SEQUENCE",
     "ATTENDEE", "ORGANIZER", "TZID", "X-LIC-LOCATION", "TZOFFSETFROM", "TZOFFSETTO"},
)  # fmt: skip

Line = tuple[Mapping[str, str], str]
"""The parameters and the value of a property."""


@dataclass(frozen=True, slots=True)
class Read:
    """A calendar as it was read: its events in the span, what was not understood, and how many events it has at all."""

    occurrences: tuple[Occurrence, ...]
    complaints: tuple[Complaint, ...]
    event_count: int


@dataclass(slots=True)
class _Part:
    """A part of a calendar: its properties that are read, and the parts in it."""

    kind: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    parts: list["_Part"] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def first(self, name: str) -> Line | None:
        return self.lines[name][0] if name in self.lines else None

    def text(self, name: str) -> str:
        found = self.first(name)
        return found[1].strip() if found else ""


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time as a calendar says it: a wall clock in a zone; is_day = only the day was said."""

    wall: datetime
    zone: tzinfo
    is_day: bool

    @property
    def instant(self) -> datetime:
        return from_wall(self.wall, self.zone)


@dataclass(frozen=True, slots=True)
class _Event:
    """One event as it is written, once or recurring. `at` is the time of the series that it changes, if it does."""

    uid: str
    sequence: int
    start: _Moment
    days: timedelta
    rest: timedelta
    summary: str
    attendees: tuple[str, ...]
    organizer: str | None
    is_cancelled: bool
    at: _Moment | None
    rules: tuple[Parsed, ...]
    more: tuple[tuple[_Moment, datetime | None], ...]
    without: tuple[_Moment, ...]


def read(body: bytes, zone: tzinfo, span: Span) -> Read:
    """The events of a calendar that overlap `span`; `zone` is the reader's (law 3). Raises Unreadable (law 1)."""
    parts = _parts(_text(body))
    written = [part for calendar in parts for part in calendar.parts if part.kind == "VEVENT"]
    if not written:
        raise Unreadable(["the calendar has no events: there is nothing to follow in it"])
    if len(written) > EVENTS_MOST:
        raise Unreadable([f"the calendar has {len(written):,} events; at most {EVENTS_MOST:,} are followed"])
    described = [part for calendar in parts for part in calendar.parts if part.kind == "VTIMEZONE"]
    budget = Budget()
    zones = _Zones(zone, described, span, budget)
    wrong: list[Complaint] = []
    try:
        events = list(_events(written, zones, wrong))
        found = list(_occurrences(events, span, budget, wrong))
    except TooMuch as error:
        raise Unreadable([
            "the events of the calendar recur too often, or since too long ago, to be worked out: give the rules a later start or an end"
        ]) from error  # fmt: skip
    wrong += [Complaint("", f"the time zone '{name[:100]}' is not known: taken as the schedule's") for name in sorted(zones.unknown)]
    return Read(tuple(found), gathered(wrong), len(written))


def _words(error: Exception) -> str:
    return "its time is out of the range of dates" if isinstance(error, OverflowError) else str(error)


# --------------------------------------------------------------------------------------------------------- lines and parts


def _text(body: bytes) -> str:
    """The calendar as text. Raises Unreadable when it is too large, empty, or no calendar."""
    if len(body) > SIZE_MOST:
        raise Unreadable([f"the calendar is larger than {SIZE_MOST // 1024 // 1024} MiB: follow one with less of the past in it"])
    if not body.strip():
        raise Unreadable(["there is nothing there: an empty answer is no calendar"])
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("latin-1")
    text = text.strip("\ufeff \t\r\n\0")
    if text[:15].upper() != "BEGIN:VCALENDAR":
        beginning = " ".join("".join(one if one.isprintable() else " " for one in text[:60]).split())
        raise Unreadable([f"this is no calendar: it begins with '{beginning}', not with BEGIN:VCALENDAR"])
    return text


def _lines(text: str) -> list[Contentline]:
    """The lines of a calendar, those that were folded made whole."""
    found: list[Contentline] = Contentlines.from_ical(text)  # type: ignore[no-untyped-call]
    return found


def _parts(text: str) -> list[_Part]:
    """The calendars in a text. Raises Unreadable when one is cut short or is nested too deep."""
    done: list[_Part] = []
    stack: list[_Part] = []
    for line in _lines(text):
        found = _NAME.match(line)
        name = found[0].upper() if found else ""
        if name == "BEGIN":
            stack.append(_Part(line.partition(":")[2].strip().upper()))
            if len(stack) > DEPTH_MOST:
                raise Unreadable([f"parts of the calendar stand in one another more than {DEPTH_MOST} deep"])
        elif name == "END":
            if not stack or stack[-1].kind != line.partition(":")[2].strip().upper():
                raise Unreadable([f"the calendar ends '{line.partition(':')[2].strip()[:40]}' where it does not begin"])
            part = stack.pop()
            if stack and stack[-1].kind in {"VCALENDAR", "VTIMEZONE"}:
                stack[-1].parts.append(part)
            elif not stack:
                done.append(part)
        elif name in _READ and stack:
            _take(stack[-1], name, line)
    if stack:
        raise Unreadable(["the calendar is cut short: it does not end with END:VCALENDAR"])
    return [part for part in done if part.kind == "VCALENDAR"]


def _take(part: _Part, name: str, line: Contentline) -> None:
    try:
        _, parameters, value = line.parts()
    except ValueError:
        part.wrong.append(f"its {name} cannot be read")
        return
    plain = {key.upper(): ",".join(said) if isinstance(said, list) else str(said) for key, said in parameters.items()}
    cleaned = "".join(one if one.isprintable() else " " for one in value)
    part.lines.setdefault(name, []).append((plain, cleaned))


# ------------------------------------------------------------------------------------------------------------------ events


def _events(written: Sequence[_Part], zones: "_Zones", wrong: list[Complaint]) -> Iterator[_Event]:
    """The events that can be understood; of the others, why not."""
    for number, part in enumerate(written):
        summary = part.text("SUMMARY")[:SUMMARY_MOST]
        try:
            yield _event(part, zones, summary, number)
        except (ValueError, OverflowError) as error:
            wrong.append(Complaint(summary, f"it is left out: {_words(error)}"))
        wrong += [Complaint(summary, words) for words in part.wrong]


def _event(part: _Part, zones: "_Zones", summary: str, number: int) -> _Event:
    """An event as it is written. Raises ValueError, saying what is wrong with it."""
    begins = part.first("DTSTART")
    if begins is None:
        raise ValueError("it has no start")
    start = zones.moment(*begins)
    days, rest = _length(part, zones, start)
    rules = []
    for _, text in part.lines.get("RRULE", ()):
        rule = parse(text)
        rules.append(replace(rule, until=_until(rule, start)))
    if "EXRULE" in part.lines:
        part.wrong.append("its EXRULE is not understood (RFC 5545 has none): the times that it takes away are still there")
    at = None
    if "RECURRENCE-ID" in part.lines:
        parameters, value = part.lines["RECURRENCE-ID"][0]
        at = zones.moment(parameters, value)
        if parameters.get("RANGE", "").upper() == "THISANDFUTURE":
            part.wrong.append("it changes all later times too (RANGE=THISANDFUTURE), which is not understood: only this one is changed")
    more = tuple(_named(part, "RDATE", zones, start))
    people = [_address(line) for line in part.lines.get("ATTENDEE", ())[:ATTENDEES_MOST] if _comes(line[0])]
    if len(part.lines.get("ATTENDEE", ())) > ATTENDEES_MOST:
        part.wrong.append(f"it has more than {ATTENDEES_MOST} attendees: the others are not read")
    organizer = part.first("ORGANIZER")
    sequence = part.text("SEQUENCE")
    return _Event(
        uid=part.text("UID") or f"event {number}",
        sequence=int(sequence) if re.fullmatch(r"[0-9]{1,9}", sequence) else 0,
        start=start,
        days=days,
        rest=rest,
        summary=summary,
        attendees=tuple(dict.fromkeys(person for person in people if person)),
        organizer=_address(organizer) if organizer else None,
        is_cancelled=part.text("STATUS").upper() == "CANCELLED",
        at=at,
        rules=tuple(rules),
        more=more,
        without=tuple(moment for moment, _ in _named(part, "EXDATE", zones, start)),
    )


def _length(part: _Part, zones: "_Zones", start: _Moment) -> tuple[timedelta, timedelta]:
    """How long the event lasts: so long by the wall clock, and then so much longer (law 2). Raises ValueError when it does not last."""
    ends, said = part.first("DTEND"), part.text("DURATION")
    none = timedelta()
    if ends is not None:
        end = zones.moment(*ends)
        if end.instant <= start.instant:
            raise ValueError("it does not end after its start")
        if end.zone is start.zone or str(end.zone) == str(start.zone):
            return end.wall - start.wall, none
        return none, end.instant - start.instant
    if said:
        days, rest = _duration(said)
    else:
        days, rest = (timedelta(days=1), none) if start.is_day else (none, none)
    if days + rest <= none:
        raise ValueError("it does not say how long it lasts")
    return days, rest


def _duration(text: str) -> tuple[timedelta, timedelta]:
    found = _DURATION.fullmatch(text.strip().upper())
    if found is None or found[1] == "-":
        raise ValueError(f"its duration '{text[:40]}' is not one like PT8H or P1D")
    weeks, days, hours, minutes, seconds = (int(one or 0) for one in found.groups()[1:])
    return timedelta(weeks=weeks, days=days), timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _until(rule: Parsed, start: _Moment) -> datetime | None:
    """The last time of the rule, on the wall of the event's own zone."""
    if rule.until is None or not rule.until_is_utc:
        return rule.until
    return to_wall(rule.until.replace(tzinfo=UTC), start.zone)


def _named(part: _Part, name: str, zones: "_Zones", start: _Moment) -> Iterator[tuple[_Moment, datetime | None]]:
    """Times that are named one by one; of a period also its end."""
    for parameters, value in part.lines.get(name, ()):
        values = value.split(",")
        if len(values) > DATES_MOST:
            raise ValueError(f"its {name} names more than {DATES_MOST:,} times")
        for text in values:
            begin, is_period, end = text.strip().partition("/")
            if not begin:
                continue
            moment = zones.moment(parameters, begin, start.zone)
            until: datetime | None = None
            if is_period and end.upper().startswith("P"):
                days, rest = _duration(end)
                until = from_wall(moment.wall + days, moment.zone) + rest
            elif is_period:
                until = zones.moment(parameters, end, start.zone).instant
            yield moment, until


def _comes(parameters: Mapping[str, str]) -> bool:
    """Whether an attendee is a person who has not declined."""
    return parameters.get("PARTSTAT", "").upper() != "DECLINED" and parameters.get("CUTYPE", "").upper() not in {"ROOM", "RESOURCE"}


def _address(line: Line) -> str | None:
    """The e-mail address of an attendee or organizer."""
    parameters, value = line
    scheme, _, address = value.strip().partition(":")
    found = address if scheme.lower() == "mailto" else parameters.get("EMAIL", "")
    return found.strip()[:320] or None


# -------------------------------------------------------------------------------------------------------------- occurrences


def _occurrences(events: Sequence[_Event], span: Span, budget: Budget, wrong: list[Complaint]) -> Iterator[Occurrence]:
    """The events at their times (law 4). Raises TooMuch; Unreadable when there are too many."""
    count = 0
    newest: dict[tuple[str, datetime | None], int] = {}
    changed: dict[str, set[datetime]] = {}
    changed_days: dict[str, set[datetime]] = {}
    for event in events:
        key = event.uid, event.at.instant if event.at else None
        newest[key] = max(newest.get(key, 0), event.sequence)
        if event.at is not None:
            (changed_days if event.at.is_day and not event.start.is_day else changed).setdefault(event.uid, set()).add(
                event.at.wall if event.at.is_day and not event.start.is_day else event.at.instant
            )
    for event in events:
        if event.is_cancelled or event.sequence < newest[event.uid, event.at.instant if event.at else None]:
            continue
        instants = set() if event.at else changed.get(event.uid, set())
        days = set() if event.at else changed_days.get(event.uid, set())
        try:
            for start, end in _times(event, span, instants, days, budget):
                count += 1
                if count > OCCURRENCES_MOST:
                    raise Unreadable([f"the events of the calendar come to more than {OCCURRENCES_MOST:,} times in the months that are followed"])
                yield Occurrence(start, end, event.summary, event.attendees, event.organizer)
        except (ValueError, OverflowError) as error:
            wrong.append(Complaint(event.summary, f"it is left out: {_words(error)}"))


def _times(
    event: _Event, span: Span, changed: set[datetime], changed_days: set[datetime], budget: Budget
) -> Iterator[tuple[datetime, datetime]]:
    """When the event is, as far as that overlaps `span`, changed times left out."""
    gone = {moment.instant for moment in event.without if event.start.is_day or not moment.is_day} | changed
    gone_days = {moment.wall for moment in event.without if moment.is_day and not event.start.is_day} | changed_days
    low = to_wall(span.start, event.start.zone) - event.days - event.rest - timedelta(days=2)
    high = to_wall(span.end, event.start.zone) + timedelta(days=2)
    ends: dict[datetime, datetime | None] = {}
    if event.rules:
        for rule in event.rules:
            last = high if rule.until is None else min(rule.until, high)
            ends |= dict.fromkeys(recurrence.times(rule, event.start.wall, low, last, budget))
    elif low <= event.start.wall <= high:
        ends[event.start.wall] = None
    budget.spend(len(event.more) + len(event.without))
    for moment, until in event.more:
        ends[to_wall(moment.instant, event.start.zone)] = until
    for wall, until in sorted(ends.items(), key=_wall):
        start = from_wall(wall, event.start.zone)
        if start in gone or wall.replace(hour=0, minute=0, second=0) in gone_days:
            continue
        end = until or from_wall(wall + event.days, event.start.zone) + event.rest
        if start < end and start < span.end and end > span.start:
            yield start, end


def _wall(one: tuple[datetime, datetime | None]) -> datetime:
    return one[0]


# -------------------------------------------------------------------------------------------------------------------- zones


class _Zones:
    """The zones of one calendar, by the names it gives them."""

    def __init__(self, own: tzinfo, described: Sequence[_Part], span: Span, budget: Budget) -> None:
        self._own = own
        self._span = span
        self._budget = budget
        self._described = {part.text("TZID"): part for part in described[:ZONES_MOST]}
        self._found: dict[str, tzinfo | None] = {}
        self.unknown: set[str] = set()

    def moment(self, parameters: Mapping[str, str], value: str, default: tzinfo | None = None) -> _Moment:
        """A time as it is said. Raises ValueError when it is none."""
        found = _TIME.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"'{value[:40]}' is not a time like 20261123T090000 or a day like 20261123")
        day, clock, zulu = found.groups()
        try:
            wall = datetime.strptime(day + (clock or "000000"), "%Y%m%d%H%M%S")  # noqa: DTZ007
        except ValueError as error:
            raise ValueError(f"'{value[:40]}' is not a day or time that there is") from error
        if zulu:
            return _Moment(wall, UTC, False)
        zone = default or self._own
        if clock and "TZID" in parameters:
            zone = self._named(parameters["TZID"])
        return _Moment(wall, zone, clock is None)

    def _named(self, name: str) -> tzinfo:
        if name not in self._found:
            self._found[name] = self._look_up(name)
        zone = self._found[name]
        if zone is None:
            self.unknown.add(name)
            return self._own
        return zone

    def _look_up(self, name: str) -> tzinfo | None:
        """Law 3: by name, by Windows' name, by the end of a maker's own name, by what the calendar says; in this order."""
        plain = name.strip().strip("/")
        ends = plain.split("/")
        described = self._described.get(name)
        names = [plain, WINDOWS_TO_OLSON.get(plain, "")]
        names += ["/".join(ends[at:]) for at in range(1, len(ends))] if name.startswith("/") else []
        names.append(described.text("X-LIC-LOCATION") if described else "")
        for one in names[:10]:
            if one:
                try:
                    return zone_named(one)
                except ValueError:
                    continue
        return None if described is None else _described(described, self._span, self._budget)


class _Described(tzinfo):
    """A zone as a calendar describes it: from when, by the wall clock, which offset holds."""

    def __init__(self, before: timedelta, changes: Sequence[tuple[datetime, timedelta]]) -> None:
        self._before = before
        self._offsets = [offset for _, offset in changes]
        offsets = [before, *self._offsets]
        # A wall-clock time that happens twice, or never, has the offset of before the change (base/times.py, law 2).
        self._walls = [at + max(offsets[number], offsets[number + 1]) for number, (at, _) in enumerate(changes)]
        self._utc = [at for at, _ in changes]

    def utcoffset(self, at: datetime | None) -> timedelta:
        if at is None:
            return self._before
        number = bisect_right(self._walls, at.replace(tzinfo=None))
        return self._offsets[number - 1] if number else self._before

    def dst(self, at: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, at: datetime | None) -> str:
        return ""

    def fromutc(self, at: datetime) -> datetime:
        number = bisect_right(self._utc, at.replace(tzinfo=None))
        return at + (self._offsets[number - 1] if number else self._before)


def _described(part: _Part, span: Span, budget: Budget) -> tzinfo | None:
    """The zone of a VTIMEZONE, as it is around `span`; None when it says too little."""
    changes: list[tuple[datetime, timedelta, timedelta]] = []
    low, high = (to_wall(at + days, UTC) for at, days in ((span.start, -AROUND), (span.end, AROUND)))
    for rule_part in part.parts[:ZONES_MOST]:
        try:
            before, after = _offset(rule_part.text("TZOFFSETFROM")), _offset(rule_part.text("TZOFFSETTO"))
            first = _wall_time(rule_part.text("DTSTART"))
            walls = {first}
            for _, text in rule_part.lines.get("RRULE", ()):
                rule = parse(text)
                until = rule.until
                if until is not None and rule.until_is_utc:
                    until += before
                walls |= set(recurrence.times(rule, first, low, high if until is None else min(until, high), budget))
            for _, text in rule_part.lines.get("RDATE", ()):
                walls |= {_wall_time(one) for one in text.split(",")[:ZONES_MOST]}
            changes += [(wall - before, before, after) for wall in walls]
        except (ValueError, OverflowError):
            continue
    if not changes:
        return None
    changes.sort(key=_change)
    return _Described(changes[0][1], [(at, after) for at, _, after in changes])


def _change(one: tuple[datetime, timedelta, timedelta]) -> datetime:
    return one[0]


def _wall_time(text: str) -> datetime:
    return datetime.strptime(text.strip()[:15].ljust(15, "0") if "T" in text else f"{text.strip()}T000000", "%Y%m%dT%H%M%S")  # noqa: DTZ007


def _offset(text: str) -> timedelta:
    found = _OFFSET.fullmatch(text)
    if found is None or int(found[2]) > 23:
        raise ValueError(f"'{text[:40]}' is not an offset like +0100")
    length = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))
    return -length if found[1] == "-" else length
