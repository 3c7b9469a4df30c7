"""Who is on call: rotations, extra shifts and overrides become people between two instants.

Laws:
1. Rotations of the highest rank that holds somebody are on call, all of that rank together: PagerDuty's v2 layers have a
   rank each, so the highest replaces; its v3 rotations share one rank, so people add up. An empty slot lets lower ranks
   show through: a page that reaches somebody beats one that reaches nobody.
2. A replacement takes the place of one member of one source (a rotation or an extra shift); of two for the same member
   the later made one wins. Extra shifts add their people to whoever is on call.
3. An override owns the whole schedule for its time, fills gaps too, and of several the later made one wins.
4. What a schedule says of the time before an edit never changes: each version rules from its own instant on.
5. `on_call_at`, `timeline` and `final` cannot disagree: the people of an instant come from one function, `_holders`.
6. An edit cuts a person's period only where it changes hands: the period goes on across a version's edge if on both sides
   the same source puts the person on call through the same replacement, the old version does not end that just there, and
   the new one does not begin it just there. Overrides are no part of versions: none but the first cuts their periods.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import Final

from tocsin.base.times import Span, zone_named
from tocsin.core.rotation import People, RecurringShift, Restriction, Turns, pieces_in, stretch_at, turn_at

MOMENT: Final = timedelta(microseconds=1)
"""The shortest time: how far before an edge is looked for what was just before it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Recurring shifts under one name; they do not overlap one another. Higher ranks hide lower ones (law 1)."""

    id: str
    name: str
    shifts: tuple[RecurringShift, ...]
    rank: int = 0


@dataclass(frozen=True, slots=True)
class ExtraShift:
    """People on call once, from `start` to `end`, beside whoever else is (v3's custom shift)."""

    id: str
    start: datetime
    end: datetime
    people: People


@dataclass(frozen=True, slots=True)
class Replacement:
    """One member of one source makes way for another (v3's override), made as number `sequence`.

    member  who is replaced; None = the empty slot of that source
    by      who stands in; None = nobody
    """

    id: str
    source_id: str
    start: datetime
    end: datetime
    member: str | None
    by: str | None
    sequence: int


@dataclass(frozen=True, slots=True)
class Override:
    """One person owns the schedule from `start` to `end` (v2's override), made as number `sequence`."""

    id: str
    start: datetime
    end: datetime
    user_id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Model:
    """What a schedule says at one time of its life. Rotations are in the order they are shown, lowest first."""

    time_zone: str
    rotations: tuple[Rotation, ...] = ()
    extra_shifts: tuple[ExtraShift, ...] = ()
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """A model and the instant from which it rules, until the next version does."""

    number: int
    effective_at: datetime
    model: Model


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule with its versions, oldest first. Before the first one nobody was on call."""

    id: str
    name: str
    versions: tuple[Version, ...]

    @property
    def model(self) -> Model:
        """The newest version's model."""
        return self.versions[-1].model


@dataclass(frozen=True, slots=True)
class OnCall:
    """One person's period on call around an instant, cut at hand-offs, overrides and edits that change hands (law 6)."""

    user_id: str
    schedule_id: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody on call, the rotation, extra shift or override that says so, and what replaced whom there, if so."""

    user_id: str
    source_id: str
    replacement_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a timeline in which the same people hold the schedule; () = a gap."""

    start: datetime
    end: datetime
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One person on call without a break from `start` to `end`."""

    start: datetime
    end: datetime
    user_id: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A stretch in which an edit changes who is on call: whom it takes away and whom it puts there."""

    start: datetime
    end: datetime
    before: People
    after: People


@dataclass(frozen=True, slots=True)
class _Claim:
    """A piece of one source: who it would put on call (law 1: at which rank; None = on top of all)."""

    rank: int | None
    source_id: str
    people: People


# ------------------------------------------------------------------------------------------------------- at an instant


def version_at(schedule: Schedule, instant: datetime) -> Version | None:
    """The version that ruled at `instant`; None before the schedule was made."""
    for version in reversed(schedule.versions):
        if version.effective_at <= instant:
            return version
    return None


def on_call_at(schedule: Schedule, overrides: Sequence[Override], instant: datetime) -> tuple[OnCall, ...]:
    """Who is on call at `instant`, each with the period around it; () = nobody.

    A period reaches as far as the versions given do: one that begins before the oldest of them is cut there.
    """
    version = version_at(schedule, instant)
    if version is None:
        return ()
    bounds = _Bounds(None, None)
    if overrides:
        owner = max((one for one in overrides if one.start <= instant < one.end), key=_made, default=None)
        for other in overrides:
            if other is not owner and (owner is None or other.sequence > owner.sequence):
                bounds = bounds.outside(other.start, other.end, instant)
        if owner is not None:
            bounds = bounds.within(owner.start, owner.end).within(schedule.versions[0].effective_at, None)
            return (bounds.on_call(schedule.id, owner.user_id),)
    found = _reaches(version.model, instant, bounds)
    if len(schedule.versions) == 1:  # as almost always: nothing to join
        first = version.effective_at
        return tuple(reach.within(first, None).on_call(schedule.id, holder.user_id) for holder, reach in found)
    ruling = _ruling(schedule)
    at = ruling.index(version)
    return tuple(_across(ruling, at, holder, reach, bounds).on_call(schedule.id, holder.user_id) for holder, reach in found)


def _ruling(schedule: Schedule) -> tuple[Version, ...]:
    """The versions that ever rule: of several from the same instant, the last."""
    versions = schedule.versions
    return tuple(
        version
        for version, later in zip(versions, (*versions[1:], None), strict=True)
        if later is None or version.effective_at < later.effective_at
    )


def _across(versions: Sequence[Version], at: int, holder: Holder, reach: "_Bounds", free: "_Bounds") -> "_Bounds":
    """How far the holder's period reaches by all versions (law 6), from what `versions[at]` says of it.

    `free` is the time without overrides around it: what is asked of the versions beside it lies within.
    """
    first, start = at, reach.start
    while start is not None and start < (edge := versions[first].effective_at):
        start = edge
        if first == 0:
            break
        first -= 1
        before = _reach_of(holder, versions[first].model, edge - MOMENT, free)
        if before is None or before.end is None or before.end <= edge:
            break
        start = before.start
    last, end = at, reach.end
    while last + 1 < len(versions) and end is not None and end > (edge := versions[last + 1].effective_at):
        end = edge
        last += 1
        after = _reach_of(holder, versions[last].model, edge, free)
        if after is None or after.start is None or after.start >= edge:
            break
        end = after.end
    return _Bounds(start, end)


def timeline(schedule: Schedule, overrides: Sequence[Override], span: Span) -> tuple[Stretch, ...]:
    """Every stretch of `span`, gaps included, cut at every hand-off, override and edit."""
    return tuple(
        stretch
        for part, version in _parts(schedule, span)
        for stretch in (_swept(version.model, overrides, part) if version else (Stretch(part.start, part.end, ()),))
    )


def final(schedule: Schedule, overrides: Sequence[Override], span: Span) -> tuple[Entry, ...]:
    """Who is on call in `span`: one entry per person and unbroken period, cut at the span's bounds, by start."""
    return joined(
        (stretch.start, stretch.end, holder.user_id)
        for stretch in timeline(schedule, overrides, span)
        for holder in stretch.holders
    )


def joined(periods: Iterable[tuple[datetime, datetime, str]]) -> tuple[Entry, ...]:
    """Periods, given in order of their start, with those of one person that touch or overlap made one entry."""
    done: list[Entry] = []
    latest: dict[str, int] = {}
    for start, end, user_id in periods:
        at = latest.get(user_id)
        if at is not None and done[at].end >= start:
            if end > done[at].end:
                done[at] = Entry(done[at].start, end, user_id)
        else:
            latest[user_id] = len(done)
            done.append(Entry(start, end, user_id))
    return tuple(done)


def only(schedule: Schedule, rotation_id: str | None) -> Schedule:
    """The schedule as if it had nothing but this one rotation in any version; with None, nothing at all.

    `final` of it is what one layer says whatever stands above it, or what the overrides say by themselves.
    """
    return replace(
        schedule,
        versions=tuple(
            replace(
                version,
                model=Model(
                    version.model.time_zone,
                    tuple(rotation for rotation in version.model.rotations if rotation.id == rotation_id),
                ),
            )
            for version in schedule.versions
        ),
    )


def overflowing(
    schedule: Schedule, overrides: Sequence[Override], entries: Sequence[Entry], span: Span
) -> tuple[Entry, ...]:
    """The entries of `final`, those cut at the span's bounds made as long as the periods they are cut from."""
    if span.end <= span.start:
        return tuple(entries)
    first = {period.user_id: period.start for period in on_call_at(schedule, overrides, span.start)}
    moment = span.end - MOMENT
    last = {period.user_id: period.end for period in on_call_at(schedule, overrides, moment)}
    return tuple(
        Entry(
            first.get(entry.user_id, entry.start) if entry.start == span.start else entry.start,
            last.get(entry.user_id, entry.end) if entry.end == span.end else entry.end,
            entry.user_id,
        )
        for entry in entries
    )


def periods(schedule: Schedule, overrides: Sequence[Override], span: Span) -> tuple[OnCall, ...]:
    """Everybody's periods on call that overlap `span`, uncut by it, by start; of an empty span, those around its instant."""
    if span.end <= span.start:
        return on_call_at(schedule, overrides, span.start)
    found: list[OnCall] = []
    latest: dict[str, datetime] = {}
    for stretch in timeline(schedule, overrides, span):
        if any(latest.get(holder.user_id, stretch.start) <= stretch.start for holder in stretch.holders):
            for period in on_call_at(schedule, overrides, stretch.start):
                told = latest.get(period.user_id)
                if told is None or told < period.end:
                    # Who comes to be on call by a second source while the first still says so is told once for a time.
                    found.append(period if told is None or told <= period.start else replace(period, start=told))
                    latest[period.user_id] = period.end
    return tuple(sorted(found, key=lambda period: period.start))


def differences(before: Schedule, after: Schedule, overrides: Sequence[Override], span: Span) -> tuple[Difference, ...]:
    """The stretches of `span` in which an edit puts other people on call, neighbours with the same people joined."""
    old, new = timeline(before, overrides, span), timeline(after, overrides, span)
    found: list[Difference] = []
    at = other = 0
    while at < len(old) and other < len(new):
        start, end = max(old[at].start, new[other].start), min(old[at].end, new[other].end)
        were = tuple(holder.user_id for holder in old[at].holders)
        are = tuple(holder.user_id for holder in new[other].holders)
        if frozenset(were) != frozenset(are):
            last = found[-1] if found else None
            if last is not None and (last.end, last.before, last.after) == (start, were, are):
                found[-1] = replace(last, end=end)
            else:
                found.append(Difference(start, end, were, are))
        at, other = at + (old[at].end == end), other + (new[other].end == end)
    return tuple(found)


def coverage(entries: Sequence[Entry], span: Span) -> float:
    """How much of `span` has somebody in it, in per cent (0 to 100)."""
    covered, reached = timedelta(), span.start
    for entry in sorted(entries, key=lambda entry: entry.start):
        start, end = max(entry.start, reached), min(entry.end, span.end)
        if start < end:
            covered, reached = covered + (end - start), end
    return 100 * (covered / (span.end - span.start)) if span.end > span.start else 0.0


def named_users(model: Model) -> frozenset[str]:
    """Every user the model names, whether or not his turn ever comes."""
    return frozenset(
        [user for rotation in model.rotations for shift in rotation.shifts for slot in shift.slots for user in slot]
        + [user for extra in model.extra_shifts for user in extra.people]
        + [one.by for one in model.replacements if one.by is not None],
    )


def named_in_turn(model: Model) -> tuple[str, ...]:
    """The users who ever have a shift, each once, as they stand in the rotations and then in extra shifts; stand-ins are not of them."""
    turns = [user for rotation in model.rotations for shift in rotation.shifts for slot in shift.slots for user in slot]
    return tuple(dict.fromkeys([*turns, *(user for extra in model.extra_shifts for user in extra.people)]))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How far the answer of an instant reaches; None = no bound known yet."""

    start: datetime | None
    end: datetime | None

    def within(self, start: datetime | None, end: datetime | None) -> "_Bounds":
        if start is not None and (self.start is None or start > self.start):
            if end is not None and (self.end is None or end < self.end):
                return _Bounds(start, end)
            return _Bounds(start, self.end)
        if end is not None and (self.end is None or end < self.end):
            return _Bounds(self.start, end)
        return self

    def outside(self, start: datetime, end: datetime, instant: datetime) -> "_Bounds":
        """Kept clear of [start, end), which does not hold `instant`."""
        return self.within(end, None) if end <= instant else self.within(None, start)

    def on_call(self, schedule_id: str, user_id: str) -> OnCall:
        assert self.start is not None  # a claim has both ends: turns, shifts and overrides do
        assert self.end is not None
        return OnCall(user_id, schedule_id, self.start, self.end)


def _reaches(model: Model, instant: datetime, bounds: _Bounds) -> list[tuple[Holder, _Bounds]]:
    """Who is on call at `instant` by one version, and how far that reaches by it within `bounds`."""
    won, standing = _won(model, instant, bounds)
    if len(won) == 1 and not standing:
        claim, reach = won[0]
        return [(Holder(user_id, claim.source_id), reach) for user_id in dict.fromkeys(claim.people)]
    reaches = {claim.source_id: reach for claim, reach in won}
    return [(holder, reaches[holder.source_id]) for holder in _holders([claim for claim, _ in won], standing, None)]


def _reach_of(holder: Holder, model: Model, instant: datetime, bounds: _Bounds) -> _Bounds | None:
    """How far it reaches by one version that `holder` is on call at `instant`, be it by another source too; None: is not."""
    won, standing = _won(model, instant, bounds)
    return next((reach for claim, reach in won if claim.source_id == holder.source_id and holder in _members(claim, standing)), None)


def _won(model: Model, instant: datetime, bounds: _Bounds) -> tuple[list[tuple[_Claim, _Bounds]], list[Replacement]]:
    """The claims that put people on call at `instant`, how far each reaches within `bounds`, and the replacements of then."""
    zone = zone_named(model.time_zone)
    claims: list[tuple[_Claim, _Bounds]] = []
    won: list[tuple[_Claim, _Bounds]] = []
    outer = bounds  # extra shifts stand above all ranks
    ranks = sorted(model.rotations, key=_rank_of, reverse=True) if len(model.rotations) > 1 else model.rotations
    standing = [one for one in model.replacements if one.start <= instant < one.end]
    for _, rotations in groupby(ranks, key=_rank_of):
        beneath = bounds  # what ranks below may reach: only as far as nobody above them takes over
        for rotation in rotations:
            for shift in rotation.shifts:
                stretch = stretch_at(shift, instant, zone)
                beneath = beneath.within(stretch.start, stretch.end)
                if stretch.people is not None:
                    claim = _Claim(rotation.rank, rotation.id, stretch.people)
                    reach = bounds.within(stretch.start, stretch.end)
                    for one in model.replacements:
                        if one.source_id == rotation.id:
                            reach, beneath = _edged(reach, one, instant), _edged(beneath, one, instant)
                    claims.append((claim, reach))
        if won := [(claim, reach) for claim, reach in claims if _members(claim, standing)]:
            break
        bounds, claims = beneath, []
    for extra in model.extra_shifts:
        if extra.start <= instant < extra.end:
            reach = outer.within(extra.start, extra.end)
            for one in model.replacements:
                if one.source_id == extra.id:
                    reach = _edged(reach, one, instant)
            won.append((_Claim(None, extra.id, extra.people), reach))
    return won, standing


def _edged(reach: _Bounds, one: Replacement, instant: datetime) -> _Bounds:
    if one.start <= instant < one.end:
        return reach.within(one.start, one.end)
    return reach.outside(one.start, one.end, instant)


def _holders(claims: Sequence[_Claim], standing: Sequence[Replacement], owner: Override | None) -> tuple[Holder, ...]:
    """Laws 1 to 3: of everything that claims an instant, who is on call; each person once, by the first source."""
    if owner is not None:
        return (Holder(owner.user_id, owner.id),)
    ranks = [claim.rank for claim in claims if claim.rank is not None and _is_held(claim, standing)]
    top = max(ranks, default=None)
    seen: dict[str, Holder] = {}
    for claim in claims:  # rotations before extra shifts, as they come
        if claim.rank is None or claim.rank == top:
            for holder in _members(claim, standing):
                seen.setdefault(holder.user_id, holder)
    return tuple(seen.values())


def _is_held(claim: _Claim, standing: Sequence[Replacement]) -> bool:
    return bool(_members(claim, standing) if standing else claim.people)


def _members(claim: _Claim, standing: Sequence[Replacement]) -> tuple[Holder, ...]:
    """The people of one claim after its replacements (law 2)."""
    if not standing:
        return tuple([Holder(user_id, claim.source_id) for user_id in claim.people])
    # Of two for one member the later made one is put in last, and stays.
    chosen = {one.member: one for one in sorted(standing, key=_made) if one.source_id == claim.source_id}
    holders = []
    for member in claim.people or (None,):
        one = chosen.get(member)
        user_id = one.by if one is not None else member
        if user_id is not None:
            holders.append(Holder(user_id, claim.source_id, one.id if one is not None else None))
    return tuple(holders)


# ------------------------------------------------------------------------------------------------------- over a span


def _parts(schedule: Schedule, span: Span) -> Iterator[tuple[Span, Version | None]]:
    """`span` cut at the versions' edges, each part with the version that rules it (None: before the first)."""
    ruling = version_at(schedule, span.start)
    start = span.start
    for version in schedule.versions:
        if span.start < version.effective_at < span.end:
            if start < version.effective_at:
                yield Span(start, version.effective_at), ruling
            start = version.effective_at
        if version.effective_at <= start:
            ruling = version
    if start < span.end:
        yield Span(start, span.end), ruling


def _swept(model: Model, overrides: Sequence[Override], span: Span) -> Iterator[Stretch]:
    """The timeline of one version: from edge to edge, with what claims the time between them."""
    zone = zone_named(model.time_zone)
    edges: list[tuple[datetime, datetime, int, _Claim | Replacement | Override]] = []
    for rotation in model.rotations:
        for shift in rotation.shifts:
            for piece in pieces_in(shift, span, zone):
                edges.append((piece.start, piece.end, len(edges), _Claim(rotation.rank, rotation.id, piece.people)))
    for extra in model.extra_shifts:
        edges.append((extra.start, extra.end, len(edges), _Claim(None, extra.id, extra.people)))
    for replacement in model.replacements:
        edges.append((replacement.start, replacement.end, len(edges), replacement))
    for override in overrides:
        edges.append((override.start, override.end, len(edges), override))
    edges = sorted(edge for edge in edges if max(edge[0], span.start) < min(edge[1], span.end))
    active: list[tuple[int, datetime, _Claim | Replacement | Override]] = []  # few at any time; in order of the model
    now, at = span.start, 0
    while now < span.end:
        active = [one for one in active if one[1] > now]
        while at < len(edges) and edges[at][0] <= now:
            _, end, order, what = edges[at]
            active.append((order, end, what))
            at += 1
        if len(active) > 1:
            active.sort(key=_order_of)
        until = edges[at][0] if at < len(edges) and edges[at][0] < span.end else span.end
        for _, end, _ in active:
            until = min(until, end)
        yield Stretch(now, until, _active_holders([what for _, _, what in active]))
        now = until


def _active_holders(active: Sequence[_Claim | Replacement | Override]) -> tuple[Holder, ...]:
    claims, standing, owners = [], [], []
    for what in active:
        match what:
            case _Claim():
                claims.append(what)
            case Replacement():
                standing.append(what)
            case Override():
                owners.append(what)
    return _holders(claims, standing, max(owners, key=_made, default=None))


def _made(one: Override | Replacement) -> int:
    return one.sequence


def _order_of(active: tuple[int, datetime, _Claim | Replacement | Override]) -> int:
    return active[0]


def _rank_of(rotation: Rotation) -> int:
    return rotation.rank


# -------------------------------------------------------------------------------------------- PagerDuty's v2 layers


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as PagerDuty's v2 schedules have it (BEHAVIOUR 5.1): a view of a rotation with one shift.

    start, end     it counts only inside [start, end); end None = for good
    virtual_start  where turn 0 of `turn_seconds` begins; may lie before `start`
    """

    id: str
    name: str
    start: datetime
    end: datetime | None
    virtual_start: datetime
    turn_seconds: int
    user_ids: tuple[str, ...]
    restrictions: tuple[Restriction, ...] = ()


def from_layers(time_zone: str, layers: Sequence[Layer]) -> Model:
    """The model of these layers, lowest first: each replaces those before it."""
    return Model(time_zone, tuple(_rotation(layer, rank, 0) for rank, layer in enumerate(layers)))


def to_layers(model: Model) -> tuple[Layer, ...]:
    """The model as layers, lowest first. Raises ValueError when it says more than layers can (BEHAVIOUR 5.4)."""
    if not is_layered(model):
        raise ValueError("this schedule has several people at once or other shifts that layers cannot say")
    return tuple(_layer(rotation) for rotation in sorted(model.rotations, key=_rank_of))


def is_layered(model: Model) -> bool:
    """Whether v2 layers can say all of this model: the one place that knows. Calendar rules are never layers."""
    return (
        not model.extra_shifts
        and not model.replacements
        and len({rotation.rank for rotation in model.rotations}) == len(model.rotations)
        and all(
            len(rotation.shifts) == 1
            and isinstance(rotation.shifts[0].recurrence, Turns)
            and rotation.shifts[0].recurrence.unit == "seconds"
            and rotation.shifts[0].turns_per_slot == 1
            and not rotation.shifts[0].skips_restricted
            and all(len(slot) == 1 for slot in rotation.shifts[0].slots)
            for rotation in model.rotations
        )
    )


def revised(model: Model, time_zone: str, layers: Sequence[Layer], now: datetime) -> Model:
    """The model after a v2 update: `layers` (lowest first) replace those of the same id, new ones are added.

    Layers that are not named stay, just above the one they stood on (BEHAVIOUR 5.1, quirk 3). When only people were added
    to, removed from or moved in a layer, the one on call by it now stays on call, or the next of the old order who is
    still there; a changed turn length or virtual start begins the order anew, as the client asked.
    """
    old = to_layers(model)
    order = list(layers)
    named = {layer.id for layer in layers}
    for at, kept in enumerate(old):
        if kept.id not in named:
            stood_on = old[at - 1].id if at else None
            place = next((spot + 1 for spot, layer in enumerate(order) if layer.id == stood_on), 0)
            order.insert(place, kept)
    before_edit = {rotation.id: rotation.shifts[0] for rotation in model.rotations}
    zone = zone_named(time_zone)
    return Model(
        time_zone,
        tuple(
            _rotation(layer, rank, _phase(before_edit.get(layer.id), layer, now, zone))
            for rank, layer in enumerate(order)
        ),
    )


def _phase(shift: RecurringShift | None, layer: Layer, now: datetime, zone: tzinfo) -> int:
    """The phase by which `layer` goes on from `shift`, its former self."""
    if shift is None or shift.recurrence != Turns(layer.virtual_start, layer.turn_seconds):
        return 0
    if shift.slots == tuple((user_id,) for user_id in layer.user_ids):
        return shift.phase
    assert isinstance(shift.recurrence, Turns)  # it equals the layer's
    moment = max(now, layer.start)
    number = turn_at(shift.recurrence, moment, zone).number
    old = shift.slots
    turn = (number + shift.phase) % len(old)
    upcoming = [user_id for ahead in range(len(old)) for user_id in old[(turn + ahead) % len(old)]]
    for at, user_id in enumerate(upcoming):
        if user_id in layer.user_ids:
            places = [place for place, candidate in enumerate(layer.user_ids) if candidate == user_id]
            best = max(places, key=lambda place: _agreement(layer.user_ids, place, upcoming[at:]))
            return (best - number) % len(layer.user_ids)
    return 0


def _agreement(order: Sequence[str], place: int, upcoming: Sequence[str]) -> int:
    """How many of `upcoming` come in the same order from `place` on."""
    count = 0
    for ahead, user_id in enumerate(upcoming):
        if order[(place + ahead) % len(order)] != user_id:
            break
        count += 1
    return count


def _rotation(layer: Layer, rank: int, phase: int) -> Rotation:
    return Rotation(
        layer.id,
        layer.name,
        (
            RecurringShift(
                id=layer.id,
                name=layer.name,
                recurrence=Turns(layer.virtual_start, layer.turn_seconds),
                since=layer.start,
                until=layer.end,
                slots=tuple((user_id,) for user_id in layer.user_ids),
                restrictions=layer.restrictions,
                phase=phase,
            ),
        ),
        rank,
    )


def _layer(rotation: Rotation) -> Layer:
    (shift,) = rotation.shifts
    turns = shift.recurrence
    assert isinstance(turns, Turns)  # as is_layered says
    return Layer(
        id=rotation.id,
        name=rotation.name,
        start=shift.since,
        end=shift.until,
        virtual_start=turns.anchor,
        turn_seconds=turns.every,
        user_ids=tuple(user_id for slot in shift.slots for user_id in slot),
        restrictions=shift.restrictions,
    )
