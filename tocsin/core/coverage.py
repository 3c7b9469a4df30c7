"""Proof over time: from when to when would nobody be reached by a policy, who would be only late, and why; and who is at two places.

Laws:
1. Everything follows from intervals: who stands on a ladder is the same from edge to edge, so nothing is sampled.
2. What an incident would do is asked of `escalation`, with the ladder as it is when it gets to each level.
3. Where chance or other incidents decide (whose turn it is in a round robin), the worst that can happen is told.
4. A person counts as reached when the first page leaves, if nothing takes it back before: the next level does.
5. An incident of high urgency climbs the policy. One of low urgency stays with the first level that has somebody, and is
   told by the rules for low urgency, unless its service lets it escalate; when a service's incidents are of low urgency
   (`low_urgency`) the proof for that service is of those (`by_urgency`).
6. An incident that says nothing of its severity counts as critical. That a service raises what waits when its support hours
   begin is not counted on: somebody may then be reached sooner than is told.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise
from typing import Final

from tocsin.base.times import Span, human_duration, zone_named
from tocsin.core import escalation
from tocsin.core.alert import UrgencyRule, urgency_of
from tocsin.core.escalation import Climb, Exhausted, Ladder, Nobody, Policy, Rule, Step, Strategy
from tocsin.core.events import Urgency
from tocsin.core.schedule import Entry, Stretch

WAIT_MOST: Final = timedelta(days=7)
"""Who would be reached later than this after an incident opens counts as nobody; timelines must reach as far beyond the span."""

NOW: Final = timedelta()


class Kind(StrEnum):
    """Why a level does not do what it is there for."""

    GAP = "gap_in_schedule"
    NO_SCHEDULE = "schedule_gone"
    NO_WAY = "no_contact_method"
    CANNOT_BE_PAGED = "user_unavailable"
    EMPTY_LEVEL = "empty_level"
    TOO_LATE = "paged_too_late"
    LOW_URGENCY = "low_urgency"


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong on a level (from 1; 0 = with the service): with which schedule, person or service, and in words."""

    kind: Kind
    level: int
    about: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Person:
    """What the proof needs to know of somebody.

    first_page  how long after being assigned the first page leaves; None = no contact method that can be used
    kept_off    why this person cannot stand on a level at all (disabled, gone); empty = nothing
    """

    id: str
    name: str
    first_page: timedelta | None
    kept_off: str = ""


ANYBODY: Final = Person("*", "somebody", NOW)
"""Stands for whoever is reached at once: where all of a level are paged, it makes no difference which of them is there."""


class People:
    """Everybody, with what every proof asks of them sorted out once."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.by_id: Mapping[str, Person] = {person.id: person for person in people} | {ANYBODY.id: ANYBODY}
        self.kept_off: Mapping[str, str] = {id_: one.kept_off for id_, one in self.by_id.items() if one.kept_off}
        self.prompt = frozenset(id_ for id_, one in self.by_id.items() if one.first_page == NOW and not one.kept_off)
        """Who is reached as soon as they are assigned."""

    def __getitem__(self, user_id: str) -> Person:
        return self.by_id[user_id]


@dataclass(frozen=True, slots=True)
class Reached:
    """For incidents that open in [start, end): how long until somebody is reached; None = nobody is. Causes say why not at once."""

    start: datetime
    end: datetime
    wait: timedelta | None
    causes: tuple[Cause, ...] = ()

    @property
    def is_gap(self) -> bool:
        return self.wait is None


@dataclass(frozen=True, slots=True)
class Double:
    """Somebody on call on several schedules at once."""

    user_id: str
    start: datetime
    end: datetime
    schedule_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch in which everybody named by the policy's schedules stays who they are."""

    start: datetime
    end: datetime
    on_call: Mapping[str, tuple[str, ...]]
    ladder: Ladder


@dataclass(frozen=True, slots=True)
class _Leg:
    """Incidents that come to their next step in [start, end), `offset` after they opened, from where they stand.

    level    the rung they stand on; -1 = they open now
    pending  when a page that is still owed would leave, counted from the opening
    """

    start: datetime
    end: datetime
    offset: timedelta
    level: int = -1
    loop: int = 0
    tried: int = 0
    holders: tuple[str, ...] = ()
    pending: timedelta | None = None
    causes: tuple[Cause, ...] = ()

    @property
    def place(self) -> tuple[object, ...]:
        """What the rest of the way depends on."""
        return self.start, self.end, self.offset, self.level, self.loop, self.tried, self.holders, self.pending


def prove(
    policy: Policy,
    timelines: Mapping[str, Sequence[Stretch]],
    people: People,
    names: Mapping[str, str],
    span: Span,
    *,
    escalates: bool = True,
) -> tuple[Reached, ...]:
    """What becomes of incidents that open in `span`, gapless and in order, neighbours with the same answer joined.

    timelines  schedule id → its timeline from span.start to WAIT_MOST after span.end; one that is missing no longer exists
    people     everybody whom the policy or a timeline names
    names      schedule id → what it is called
    escalates  whether they climb the policy; False for those of low urgency that stay where they began (law 5)
    """
    pieces = _pieces(policy, timelines, people, names, Span(span.start, span.end + WAIT_MOST))
    starts = [piece.start for piece in pieces]
    found: list[Reached] = []
    legs = [_Leg(span.start, span.end, NOW)]
    seen: set[tuple[object, ...]] = set()
    while legs:
        leg = legs.pop()
        at = bisect_right(starts, leg.start) - 1
        while at < len(pieces) and pieces[at].start < leg.end:
            piece = pieces[at]
            at += 1
            part = replace(leg, start=max(leg.start, piece.start), end=min(leg.end, piece.end))
            for onward in _step(policy, piece, part, people, names, escalates=escalates):
                if isinstance(onward, Reached):
                    found.append(onward)
                elif onward.place not in seen:
                    seen.add(onward.place)
                    legs.append(onward)
    return tuple(_worst(found))


def gaps(reached: Iterable[Reached]) -> tuple[Reached, ...]:
    """Where nobody is reached."""
    return tuple(one for one in reached if one.is_gap)


def low_urgency(rule: UrgencyRule, span: Span) -> tuple[Span, ...]:
    """When incidents of a service with this rule would be of low urgency, in order, neighbours joined."""
    edges = {span.start, span.end}
    if rule.hours is not None:
        zone = zone_named(rule.hours.zone)
        edges |= _wall_edges((rule.hours.start, rule.hours.end), zone, span)
    found: list[Span] = []
    for start, end in pairwise(sorted(edges)):
        if urgency_of(rule, None, start)[0] is Urgency.HIGH:
            continue
        if found and found[-1].end == start:
            found[-1] = Span(found[-1].start, end)
        else:
            found.append(Span(start, end))
    return tuple(found)


def _wall_edges(clocks: Iterable[time], zone: tzinfo, span: Span) -> set[datetime]:
    """Every instant within the span at which the wall shows midnight or one of these clocks, or jumps."""
    edges: set[datetime] = set()
    day = span.start.astimezone(zone).date() - timedelta(days=1)
    last = span.end.astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        walls = [datetime.combine(day, clock, zone) for clock in (time(), *clocks)]
        edges |= {wall.replace(fold=fold).astimezone(UTC) for wall in walls for fold in (0, 1)}
        noon, later = (datetime.combine(day + timedelta(days=more), time(12), zone) for more in (0, 1))
        if noon.utcoffset() != later.utcoffset():
            edges.add(_jump(noon.astimezone(UTC), later.astimezone(UTC), zone))
        day += timedelta(days=1)
    return {edge for edge in edges if span.start < edge < span.end}


def _jump(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """The instant (a whole second) between these two at which the zone's offset changes."""
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def by_urgency(high: Sequence[Reached], low: Sequence[Reached], when_low: Sequence[Span], service: Cause) -> tuple[Reached, ...]:
    """The proof for a service: of `low` when its incidents are of low urgency, of `high` at other times.

    `service` is added as the cause where low urgency is why somebody is reached later, or nobody is.
    """
    proven = {edge for one in (*high, *low) for edge in (one.start, one.end)}
    edges = sorted(proven | {edge for span in when_low for edge in (span.start, span.end)})
    found: list[Reached] = []
    at = lower = hole = 0
    for start, end in pairwise(edges):
        while high[at].end <= start:
            at += 1
        while low[lower].end <= start:
            lower += 1
        while hole < len(when_low) and when_low[hole].end <= start:
            hole += 1
        usual, one = high[at], high[at]
        if hole < len(when_low) and when_low[hole].start <= start:
            one = low[lower]
            if _badness(one) > _badness(usual):
                one = replace(one, causes=_each((service, *one.causes)))
        found.append(replace(one, start=start, end=end))
    return tuple(_worst(found))


@dataclass(frozen=True, slots=True)
class Repeated:
    """Stretches that say the same, told together: the first of them, how many there are, and how long they last in all."""

    first: Reached
    count: int
    lasting: timedelta


def together(stretches: Iterable[Reached]) -> list[Repeated]:
    """Stretches are often the same every night: each kind once, the longest in all first."""
    found: dict[object, list[Reached]] = {}
    for one in stretches:
        found.setdefault((one.wait, one.causes), []).append(one)
    rows = [Repeated(same[0], len(same), sum((one.end - one.start for one in same), timedelta())) for same in found.values()]
    return sorted(rows, key=lambda row: row.lasting, reverse=True)


def beyond(gaps_there: Sequence[Reached], others: Sequence[Reached]) -> tuple[Reached, ...]:
    """The parts of these gaps that are in none of the others; both by start, none overlapping its neighbour."""
    found: list[Reached] = []
    at = 0
    for gap in gaps_there:
        start = gap.start
        while at < len(others) and others[at].end <= start:
            at += 1
        number = at
        while number < len(others) and others[number].start < gap.end:
            if others[number].start > start:
                found.append(replace(gap, start=start, end=others[number].start))
            start = max(start, others[number].end)
            number += 1
        if start < gap.end:
            found.append(replace(gap, start=start))
    return tuple(found)


def later(was: Sequence[Reached], will_be: Sequence[Reached]) -> tuple[Reached, ...]:
    """The parts of the second proof in which somebody is reached, but later than in the first; both gapless over one span."""
    found: list[Reached] = []
    at = 0
    for one in will_be:
        while at < len(was) and was[at].end <= one.start:
            at += 1
        for number in range(at, len(was)):
            before = was[number]
            if before.start >= one.end or one.wait is None:
                break
            if before.wait is None or before.wait >= one.wait:
                continue
            part = replace(one, start=max(one.start, before.start), end=min(one.end, before.end))
            if found and found[-1].end == part.start and (found[-1].causes, found[-1].wait) == (part.causes, part.wait):
                found[-1] = replace(found[-1], end=part.end)
            else:
                found.append(part)
    return tuple(found)


def covered_share(reached: Sequence[Reached]) -> float:
    """How much of the proven time has somebody reached, in per cent."""
    whole = sum((one.end - one.start for one in reached), NOW)
    open_ = sum((one.end - one.start for one in reached if one.is_gap), NOW)
    return 100 * ((whole - open_) / whole) if whole else 100.0


def doubles(entries: Mapping[str, Sequence[Entry]]) -> tuple[Double, ...]:
    """Who is on call on several of these schedules at once, by start; `entries` are theirs over one span."""
    held: dict[str, list[tuple[datetime, datetime, str]]] = {}
    for schedule_id, theirs in entries.items():
        for entry in theirs:
            held.setdefault(entry.user_id, []).append((entry.start, entry.end, schedule_id))
    found: list[Double] = []
    for user_id, shifts in held.items():
        if len({schedule_id for _, _, schedule_id in shifts}) > 1:
            found += _doubles_of(user_id, shifts)
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.user_id)))


def _doubles_of(user_id: str, shifts: list[tuple[datetime, datetime, str]]) -> list[Double]:
    edges = sorted(
        [(start, True, schedule_id) for start, _, schedule_id in shifts] + [(end, False, schedule_id) for _, end, schedule_id in shifts],
    )
    found: list[Double] = []
    active: set[str] = set()
    for number, (at, begins, schedule_id) in enumerate(edges):  # at one instant, ends come before beginnings
        if begins:
            active.add(schedule_id)
        else:
            active.discard(schedule_id)
        until = edges[number + 1][0] if number + 1 < len(edges) else at
        if len(active) > 1 and until > at:
            places = tuple(sorted(active))
            if found and found[-1].end == at and found[-1].schedule_ids == places:
                found[-1] = replace(found[-1], end=until)
            else:
                found.append(Double(user_id, at, until, places))
    return found


# ------------------------------------------------------------------------------------------------------------ one step


def _step(
    policy: Policy, piece: _Piece, leg: _Leg, people: People, names: Mapping[str, str], *, escalates: bool
) -> Iterator[Reached | _Leg]:
    """Where incidents go that come to their next step within one piece."""
    opened, opened_end = leg.start - leg.offset, leg.end - leg.offset
    step = _asked(piece.ladder, leg)
    causes = list(leg.causes)
    for skip in step.skipped:
        causes += _why_empty(policy.rules[skip.level], skip.level, piece, people, names)
    match step:
        case Nobody():
            if not policy.rules:
                causes.append(Cause(Kind.EMPTY_LEVEL, 1, None, "the policy has no levels"))
            yield Reached(opened, opened_end, None, _each(causes))
        case Exhausted():
            yield Reached(opened, opened_end, leg.pending, _each(causes))
        case Climb():
            for chosen in _chosen(piece.ladder, step, leg):
                yield _climbed(step, chosen, leg, causes, people, (opened, opened_end), escalates=escalates)


def _asked(ladder: Ladder, leg: _Leg) -> Step:
    if leg.level < 0:
        return escalation.first(ladder)
    return escalation.following(ladder, level=leg.level, loop=leg.loop, ring_tried=leg.tried, holders=leg.holders)


def _chosen(ladder: Ladder, step: Climb, leg: _Leg) -> list[tuple[str, ...]]:
    """Whom the step may mean: one answer, or each of the ring where the turn is not known beforehand (law 3)."""
    rung = ladder.rungs[step.level]
    ring = {person.user_id for person in rung.people}
    if rung.strategy is Strategy.ROUND_ROBIN and (step.ring_tried == 1 or ring.isdisjoint(leg.holders)):
        return [tuple(person.user_id for person in member.people) for member in rung.ring]
    return [tuple(person.user_id for person in step.people)]


def _climbed(
    step: Climb, chosen: tuple[str, ...], leg: _Leg, causes: list[Cause], people: People, opened: tuple[datetime, datetime],
    *, escalates: bool,
) -> Reached | _Leg:  # fmt: skip
    delays = [delay for user_id in chosen if (delay := people[user_id].first_page) is not None]
    soonest = min(delays, default=None)
    if soonest is not None and (soonest < step.delay or not escalates):
        return Reached(*opened, leg.offset + soonest, _each(causes))
    why = [*causes, *(_why_not(people[user_id], step) for user_id in chosen)]
    if not escalates:
        return Reached(*opened, None, _each(why))
    offset = leg.offset + step.delay
    if offset > WAIT_MOST:
        return Reached(*opened, None, _each(why))
    return _Leg(
        leg.start + step.delay,
        leg.end + step.delay,
        offset,
        step.level,
        step.loop,
        step.ring_tried,
        chosen,
        None if soonest is None else leg.offset + soonest,
        _each(why),
    )


def _each(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    return tuple(dict.fromkeys(causes))


def _why_not(person: Person, step: Climb) -> Cause:
    level = step.level + 1
    if person.first_page is None:
        return Cause(Kind.NO_WAY, level, person.id, f"{person.name} has no contact method that can be used")
    words = f"{person.name} is paged only after {human_duration(person.first_page)}, when the incident has gone on"
    return Cause(Kind.TOO_LATE, level, person.id, words)


def _why_empty(
    rule: Rule, level: int, piece: _Piece, people: People, names: Mapping[str, str]
) -> Iterator[Cause]:
    """Why nobody stands on a level."""
    if not rule.targets:
        yield Cause(Kind.EMPTY_LEVEL, level + 1, None, "the level names nobody")
    for target in rule.targets:
        if target.type == "user":
            named: tuple[str, ...] = (target.id,)
        elif target.id in piece.on_call:
            named = piece.on_call[target.id]
            if not named:
                words = f"nobody is on call on {names.get(target.id, target.id)}"
                yield Cause(Kind.GAP, level + 1, target.id, words)
        else:
            named = ()
            yield Cause(Kind.NO_SCHEDULE, level + 1, target.id, f"schedule {target.id} no longer exists")
        for user_id in named:
            yield Cause(Kind.CANNOT_BE_PAGED, level + 1, user_id, people[user_id].kept_off)


# ----------------------------------------------------------------------------------------------------------- intervals


def _pieces(
    policy: Policy,
    timelines: Mapping[str, Sequence[Stretch]],
    people: People,
    names: Mapping[str, str],
    span: Span,
) -> list[_Piece]:
    """The span cut wherever somebody comes or goes on a schedule of the policy."""
    wanted = {target.id for rule in policy.rules for target in rule.targets if target.type != "user"}
    used = [(schedule_id, timelines[schedule_id]) for schedule_id in sorted(wanted) if schedule_id in timelines]
    is_alike = all(rule.strategy is Strategy.EVERYONE for rule in policy.rules)
    places = [0] * len(used)
    known: dict[tuple[tuple[str, ...], ...], tuple[Mapping[str, tuple[str, ...]], Ladder]] = {}
    pieces: list[_Piece] = []
    at = span.start
    while at < span.end:
        standing: list[tuple[str, ...]] = []
        until = span.end
        for number, (_, line) in enumerate(used):
            while line[places[number]].end <= at:
                places[number] += 1
            here = line[places[number]]
            until = min(until, here.end)
            crowd = tuple([holder.user_id for holder in here.holders])
            standing.append((ANYBODY.id,) if is_alike and not people.prompt.isdisjoint(crowd) else crowd)
        key = tuple(standing)
        found = known.get(key)
        if found is None:
            there = {schedule_id: users for (schedule_id, _), users in zip(used, key, strict=True)}
            ladder = escalation.stand(policy, there, unavailable=people.kept_off, turns={}, schedule_names=names)
            found = known[key] = (there, ladder)
        on_call, ladder = found
        if pieces and pieces[-1].ladder is ladder:
            pieces[-1] = _Piece(pieces[-1].start, until, on_call, ladder)
        else:
            pieces.append(_Piece(at, until, on_call, ladder))
        at = until
    return pieces


def _worst(found: list[Reached]) -> Iterator[Reached]:
    """The worst answer of every instant (law 3), neighbours that say the same joined."""
    found.sort(key=lambda one: (one.start, one.end))
    edges = sorted({edge for one in found for edge in (one.start, one.end)})
    at = 0
    active: list[Reached] = []
    last: Reached | None = None
    for start, end in pairwise(edges):
        active = [one for one in active if one.end > start]
        while at < len(found) and found[at].start <= start:
            active.append(found[at])
            at += 1
        worst = max(active, key=_badness)
        if last is not None and last.wait == worst.wait and last.causes == worst.causes:
            last = replace(last, end=end)
            continue
        if last is not None:
            yield last
        last = Reached(start, end, worst.wait, worst.causes)
    if last is not None:
        yield last


def _badness(one: Reached) -> tuple[bool, timedelta]:
    return one.wait is None, one.wait or NOW
