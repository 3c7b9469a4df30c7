"""From the events of a calendar to shifts: who is meant, which event holds when several do, and what was not understood.

Laws:
1. People are named in the summary (by name, by e-mail address, or by the part of it before the @) and as attendees who did
   not decline; the organizer counts only when nobody else is known. Names are not sensitive to case.
2. A priority stands in the summary as [L1], [L2] … (none is 0). Of the events at one time those of the highest priority that
   puts somebody on call hold, all of them together: a page that reaches somebody beats one that reaches nobody.
3. Nothing is dropped silently: an event that puts nobody on call, and a name that nobody here has, become complaints.
4. Shifts do not overlap, are in order and are named by their start: the same calendar always makes the same shifts.
5. The past never changes: a new version is needed only when what is to come differs.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final

from tocsin.base.times import Span, from_wall, to_wall
from tocsin.core.schedule import ExtraShift, Model

MONTHS_AHEAD: Final = 12
"""Calendars are followed at least this many months ahead, to the end of the month after them."""
SHIFTS_MOST: Final = 5_000
"""Shifts that one calendar may make within the months that are followed."""
SHIFT: Final = "CALENDAR"
"""What the ids of shifts begin with that a calendar made (law 4)."""
TELLING: Final = 200
"""Characters of a summary that a complaint tells."""

_PRIORITY: Final = re.compile(r"\[L(\d{1,2})\]", re.IGNORECASE)
_PARTS: Final = re.compile(r"[,;/&|+\n]| and ", re.IGNORECASE)
_WORDS: Final = re.compile(r"[^\s,;:/&|()\[\]<>\"]+")
_EDGES: Final = ".!?'’*_-"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event of a calendar at its time. `attendees` and `organizer` are e-mail addresses."""

    start: datetime
    end: datetime
    summary: str
    attendees: tuple[str, ...] = ()
    organizer: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who may be named."""

    id: str
    name: str
    email: str
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that was not understood of an event: `words` say what; `start` is the first of `count` times it is so."""

    summary: str
    words: str
    start: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Understood:
    """The shifts of a calendar in order, and what was not understood, first things first."""

    shifts: tuple[ExtraShift, ...]
    complaints: tuple[Complaint, ...]


@dataclass(frozen=True, slots=True)
class _Meant:
    """Whom an event means, and what is wrong with it."""

    people: frozenset[str]
    complaints: tuple[str, ...]


def horizon(now: datetime, zone: tzinfo) -> Span:
    """From now to the first of a month, so that only a new month makes the same calendar say more."""
    wall = to_wall(now, zone)
    month = wall.year * 12 + wall.month - 1 + MONTHS_AHEAD + 1
    end = wall.replace(year=month // 12, month=month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return Span(now, from_wall(end, zone))


def understood(occurrences: Iterable[Occurrence], people: Collection[Candidate], span: Span) -> Understood:
    """The shifts that these events make for these people, as far as they overlap `span`, and what was not understood."""
    directory = _Directory(people)
    known: dict[tuple[str, tuple[str, ...], str | None], _Meant] = {}
    claims: list[tuple[datetime, datetime, int, frozenset[str]]] = []
    wrong: list[Complaint] = []
    for one in sorted(occurrences, key=_begin):
        if one.end <= span.start or one.start >= span.end:
            continue
        key = (one.summary, one.attendees, one.organizer)
        meant = known.get(key)
        if meant is None:
            meant = known[key] = directory.meant(one)
        wrong += [Complaint(one.summary[:TELLING], words, one.start) for words in meant.complaints]
        if meant.people:
            claims.append((one.start, one.end, priority_of(one.summary), meant.people))
    return Understood(tuple(shift for shift in _flat(claims) if shift.end > span.start), gathered(wrong))


def is_of_calendar(extra: ExtraShift) -> bool:
    """Whether a calendar made this shift, and not somebody who put people on call besides the others."""
    return extra.id.startswith(SHIFT)


def priority_of(summary: str) -> int:
    """The priority that a summary says (law 2)."""
    return max((int(found) for found in _PRIORITY.findall(summary)), default=0)


def gathered(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Each complaint once, with its first time and how often it is so."""
    found: dict[tuple[str, str], Complaint] = {}
    for one in complaints:
        key = (one.summary, one.words)
        found[key] = replace(found[key], count=found[key].count + one.count) if key in found else one
    return tuple(found.values())


def followed(model: Model, shifts: Sequence[ExtraShift], now: datetime) -> Model | None:
    """The model that says these shifts from now on; None when what is to come is the same already (law 5)."""
    is_followed = not model.rotations and not model.replacements
    if is_followed and _to_come(model.extra_shifts, now) == _to_come(shifts, now):
        return None
    return Model(model.time_zone, (), tuple(shifts))


def _to_come(shifts: Sequence[ExtraShift], now: datetime) -> list[tuple[datetime, datetime, tuple[str, ...]]]:
    return [(max(one.start, now), one.end, one.people) for one in shifts if one.end > now]


def _flat(claims: Sequence[tuple[datetime, datetime, int, frozenset[str]]]) -> list[ExtraShift]:
    """Laws 2 and 4: at every instant the people of the highest priority, neighbours with the same people joined."""
    edges = sorted(
        [(start, 1, rank, people) for start, end, rank, people in claims if start < end]
        + [(end, -1, rank, people) for start, end, rank, people in claims if start < end],
        key=_edge,
    )
    standing: dict[int, Counter[str]] = {}
    done: list[ExtraShift] = []
    at: datetime | None = None
    for when, step, rank, people in edges:
        if at is not None and when > at and standing:
            _add(done, at, when, tuple(sorted(standing[max(standing)])))
        at = when
        counts = standing.setdefault(rank, Counter())
        for user_id in people:
            counts[user_id] += step
            if not counts[user_id]:
                del counts[user_id]
        if not counts:
            del standing[rank]
    return done


def _add(done: list[ExtraShift], start: datetime, end: datetime, people: tuple[str, ...]) -> None:
    if done and done[-1].end == start and done[-1].people == people:
        done[-1] = replace(done[-1], end=end)
    else:
        done.append(ExtraShift(f"{SHIFT}{start:%Y%m%dT%H%M%S}", start, end, people))


def _begin(one: Occurrence) -> tuple[datetime, datetime, str]:
    return one.start, one.end, one.summary


def _edge(one: tuple[datetime, int, int, frozenset[str]]) -> tuple[datetime, int]:
    return one[0], one[1]


# ------------------------------------------------------------------------------------------------------------- names


class _Directory:
    """People by what they may be called."""

    def __init__(self, people: Collection[Candidate]) -> None:
        self._people = {one.id: one for one in people}
        self._emails: dict[str, set[str]] = {}
        self._logins: dict[str, set[str]] = {}
        self._names: dict[str, dict[tuple[str, ...], set[str]]] = {}
        for one in people:
            email = one.email.casefold()
            self._emails.setdefault(email, set()).add(one.id)
            self._logins.setdefault(email.partition("@")[0], set()).add(one.id)
            words = tuple(_words(one.name))
            if words:
                self._names.setdefault(words[0], {}).setdefault(words, set()).add(one.id)

    def meant(self, event: Occurrence) -> _Meant:
        """Law 1: whom the event means, and what is wrong with it (law 3)."""
        wrong: list[str] = []
        people: set[str] = set()
        unnamed = []
        parts = [part for part in _PARTS.split(_PRIORITY.sub(" ", event.summary)) if part.strip()]
        for part in parts:
            found = self._named(part, wrong)
            people |= found
            if not found:
                unnamed.append(part.strip()[:TELLING])
        for address in event.attendees:
            found = self._emails.get(address.casefold(), set())
            if not found:
                wrong.append(f"nobody here has the address {address[:TELLING]} of an attendee")
            people |= found
        able = self._able(people, wrong)
        if able and len(unnamed) < len(parts):
            wrong += [f"'{part}' names nobody who is known here" for part in unnamed]
        if not able and not people and event.organizer is not None:
            able = self._able(self._emails.get(event.organizer.casefold(), set()), wrong)
            if able:
                wrong.append("it names nobody who is known here, so its organizer is on call")
        if not able:
            wrong.append("it puts nobody on call: it names nobody who is known here and can be")
        return _Meant(frozenset(able), tuple(dict.fromkeys(wrong)))

    def _able(self, people: Iterable[str], wrong: list[str]) -> set[str]:
        """Those who can be on call."""
        able = set()
        for user_id in sorted(people):
            if self._people[user_id].is_disabled:
                wrong.append(f"the account of {self._people[user_id].name} is disabled")
            else:
                able.add(user_id)
        return able

    def _named(self, part: str, wrong: list[str]) -> set[str]:
        """Whom a part of the summary names: by address or name; only if by neither, by what is before the @."""
        words = _words(part)
        people: set[str] = set()
        at = 0
        while at < len(words):
            length, found, called = self._longest(words, at)
            if len(found) > 1:
                wrong.append(f"{len(found)} people here are called '{called}': write the e-mail address")
            elif found:
                people |= found
            elif "@" in words[at]:
                wrong.append(f"nobody here has the address {words[at][:TELLING]}")
            at += length
        if people:
            return people
        for word in words:
            found = self._logins.get(word, set())
            if len(found) > 1:
                wrong.append(f"{len(found)} people here have '{word}' before the @ of their address: write all of it")
            people |= found if len(found) == 1 else set()
        return people

    def _longest(self, words: Sequence[str], at: int) -> tuple[int, set[str], str]:
        """The longest name that begins at this word: how many words it has, who is called so, and the name."""
        if words[at] in self._emails:
            return 1, self._emails[words[at]], words[at]
        names = self._names.get(words[at], {})
        for length in sorted({len(name) for name in names}, reverse=True):
            name = tuple(words[at : at + length])
            if name in names:
                return length, names[name], " ".join(name)
        return 1, set(), ""


def _words(text: str) -> list[str]:
    """The words of a text as they are compared."""
    return [word for found in _WORDS.findall(text.casefold()) if (word := found.strip(_EDGES).removeprefix("@"))]


