"""A schedule as people look at it: its final timeline beside what each layer and the overrides say, and who is on call when, and why.

Laws:
1. What is shown comes from the functions that page: `core/schedule.py` says who holds each stretch, and through what.
2. A colour belongs to a person wherever they are shown, until somebody who came before them is deleted.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.errors import invalid
from tocsin.base.times import Span
from tocsin.core import schedule as rules
from tocsin.core import swap
from tocsin.core.followed_calendar import is_of_calendar
from tocsin.core.permission import Actor
from tocsin.core.schedule import Entry, Holder, Model, Schedule
from tocsin.service import access, schedules, shift_exceptions
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedOverride
from tocsin.store import audit as store_audit
from tocsin.store import dialect, policies
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION
from tocsin.store.tables import engine
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, policy_target

TONES: Final = 24
"""How many colours people get in turn."""
AHEAD: Final = timedelta(days=90)
"""How far ahead the next hand-off is looked for."""
LISTED: Final = 50
"""Schedules on one page of the list."""


@dataclass(frozen=True, slots=True)
class Held:
    """A stretch of a timeline with the same people, and through what each is there; () = nobody."""

    start: datetime
    end: datetime
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """What one layer (or rotation) says by itself, and where something above it says otherwise."""

    id: str
    name: str
    entries: tuple[Entry, ...]
    hidden: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A schedule over a span.

    stretches  the final timeline, gapless; neighbours with the same people through the same sources are one
    entries    the final schedule: who is on call, one entry per person and unbroken period
    gaps       where nobody is on call
    rows       what each layer says by itself, the highest first
    overrides  those that bear on the span, and shifts beside the rotations, by start
    """

    span: Span
    stretches: tuple[Held, ...]
    entries: tuple[Entry, ...]
    gaps: tuple[Span, ...]
    rows: tuple[Row, ...]
    overrides: tuple["StandIn", ...]


@dataclass(frozen=True, slots=True)
class StandIn:
    """Somebody on call once, whatever the layers or rotations say.

    kind     override (owns the whole schedule), replacement (of one member of a rotation) or extra (beside everybody)
    user_id  None = nobody stands in
    instead  whom a replacement takes the place of
    """

    kind: str
    id: str
    start: datetime
    end: datetime
    user_id: str | None
    instead: str | None = None


def stand_ins(loaded: Loaded) -> tuple[StandIn, ...]:
    """Every override, replacement and extra shift that is known of a schedule, by start."""
    found = [StandIn("override", one.id, one.start, one.end, one.user_id) for one in loaded.overrides]
    if loaded.schedule.versions:
        model = loaded.schedule.model
        found += [StandIn("replacement", one.id, one.start, one.end, one.by, one.member) for one in model.replacements]
        found += [StandIn("extra", one.id, one.start, one.end, user_id) for one in model.extra_shifts if not is_of_calendar(one) for user_id in one.people or (None,)]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.id)))


def board(loaded: Loaded, span: Span) -> Board:
    """The schedule over `span`. `loaded` must hold what bears on it."""
    one, overrides = loaded.schedule, loaded.overrides
    line = rules.timeline(one, overrides, span)
    stretches: list[Held] = []
    for part in line:
        last = stretches[-1] if stretches else None
        if last is not None and last.holders == part.holders:
            stretches[-1] = replace(last, end=part.end)
        else:
            stretches.append(Held(part.start, part.end, part.holders))
    rows = []
    for rotation_id, name in _rotations(one, span).items():
        entries = rules.final(rules.only(one, rotation_id), (), span)
        rows.append(Row(rotation_id, name, entries, _hidden(rotation_id, entries, line)))
    inside = tuple(found for found in stand_ins(loaded) if found.start < span.end and found.end > span.start)
    return Board(span, tuple(stretches), rules.final(one, overrides, span), gaps_of(line), tuple(rows), inside)


def gaps_of(line: Sequence[rules.Stretch]) -> tuple[Span, ...]:
    """Where nobody holds a timeline, neighbours joined."""
    found: list[Span] = []
    for part in line:
        if not part.holders:
            if found and found[-1].end == part.start:
                found[-1] = Span(found[-1].start, part.end)
            else:
                found.append(Span(part.start, part.end))
    return tuple(found)


def beyond(spans: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """The parts of these spans that are in none of the others; both in order, none overlapping its neighbour."""
    found = []
    for one in spans:
        start = one.start
        for other in others:
            if other.end > start and other.start < one.end:
                if other.start > start:
                    found.append(Span(start, other.start))
                start = max(start, other.end)
        if start < one.end:
            found.append(Span(start, one.end))
    return tuple(found)


def _rotations(one: Schedule, span: Span) -> dict[str, str]:
    """The rotations of the versions that rule in the span and say something in it, the highest of the newest first."""
    found: dict[str, str] = {}
    ends = [*(later.effective_at for later in one.versions[1:]), None]
    for version, end in reversed(list(zip(one.versions, ends, strict=True))):
        if version.effective_at < span.end and (end is None or end > span.start):
            for rotation in sorted(version.model.rotations, key=lambda rotation: rotation.rank, reverse=True):
                is_over = all(shift.until is not None and shift.until <= span.start for shift in rotation.shifts)
                if not is_over:
                    found.setdefault(rotation.id, rotation.name)
    return found


def _hidden(rotation_id: str, entries: Sequence[Entry], line: Sequence[rules.Stretch]) -> tuple[Span, ...]:
    found: list[Span] = []
    for part in line:
        if any(holder.source_id == rotation_id for holder in part.holders):
            continue
        for entry in entries:
            start, end = max(entry.start, part.start), min(entry.end, part.end)
            if start < end:
                if found and found[-1].end == start:
                    found[-1] = Span(found[-1].start, end)
                else:
                    found.append(Span(start, end))
    return tuple(found)


# ---------------------------------------------------------------------------------------------- who is on call, and why


@dataclass(frozen=True, slots=True)
class Reason:
    """Through what somebody is on call.

    kind     layer, override, extra (a shift of its own) or replacement (stands in for `instead` in the layer `name`)
    instead  who would have been there otherwise
    """

    kind: str
    name: str
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Somebody on call around an instant, and why."""

    user_id: str
    start: datetime
    end: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Paged:
    """A level of a policy through which the schedule is paged, and after how many unanswered minutes."""

    policy_id: str
    policy: str
    level: int
    after_minutes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Who is on call by a schedule at an instant; nobody when `duty` is empty. `then` is the next change, if one is near."""

    schedule_id: str
    schedule: str
    at: datetime
    duty: tuple[OnDuty, ...]
    then: Held | None
    is_before: bool = False


def answer(loaded: Loaded, at: datetime) -> Answer:
    """Who is on call at `at`, and why. `loaded` must hold what bears on `store.around` the AHEAD after it."""
    one = loaded.schedule
    line = rules.timeline(one, loaded.overrides, Span(at, at + AHEAD))
    version = rules.version_at(one, at)
    if version is None:
        return Answer(one.id, one.name, at, (), None, is_before=True)
    periods = {period.user_id: period for period in rules.on_call_at(one, loaded.overrides, at)}
    duty = tuple(
        OnDuty(holder.user_id, periods[holder.user_id].start, periods[holder.user_id].end, _reason(loaded, version.model, holder, at))
        for holder in line[0].holders
    )
    now = {holder.user_id for holder in line[0].holders}
    later = next((part for part in line if {holder.user_id for holder in part.holders} != now), None)
    return Answer(one.id, one.name, at, duty, None if later is None else Held(later.start, later.end, later.holders))


def _reason(loaded: Loaded, model: Model, holder: Holder, at: datetime) -> Reason:
    rotations = {rotation.id: rotation.name for rotation in model.rotations}
    if holder.replacement_id is not None:
        member = next(one.member for one in model.replacements if one.id == holder.replacement_id)
        return Reason("replacement", rotations.get(holder.source_id, ""), (member,) if member else ())
    if holder.source_id in rotations:
        return Reason("layer", rotations[holder.source_id])
    if any(one.id == holder.source_id for one in loaded.overrides):
        without = rules.on_call_at(loaded.schedule, (), at)
        return Reason("override", "", tuple(one.user_id for one in without if one.user_id != holder.user_id))
    return Reason("extra", "")


def answers(tx: Tx, actor: Actor, schedule_ids: Collection[str], at: datetime) -> list[Answer]:
    """Who is on call at `at` by those of these schedules that the actor may see, by name."""
    seen = access.known(tx, actor, "schedule", schedule, schedule_ids)
    loaded = store.load_many(tx, list(seen), store.around(Span(at, at + AHEAD)))
    return sorted((answer(one, at) for one in loaded.values()), key=lambda one: (one.schedule.casefold(), one.schedule_id))


def paged_through(tx: Tx, actor: Actor, schedule_id: str) -> list[Paged]:
    """The levels of the policies that page whoever is on call by this schedule, by policy; only those the actor may see."""
    using = {row.policy_id for row in tx.rows(sa.select(policy_target.c.policy_id).where(policy_target.c.target_id == schedule_id))}
    seen = access.known(tx, actor, "escalation_policy", escalation_policy, using)
    found = []
    for policy in policies.load(tx, list(seen)).values():
        minutes = 0
        for number, rule in enumerate(policy.rules, start=1):
            if any(target.id == schedule_id for target in rule.targets):
                found.append(Paged(policy.id, policy.name, number, minutes))
            minutes += rule.delay_minutes
    return sorted(found, key=lambda one: (one.policy.casefold(), one.policy_id, one.level))


# ------------------------------------------------------------------------------------------------------------- standing in


def stand_in(tx: Tx, deed: Deed, row: sa.Row[Any], span: Span, user_id: str, instead: str = "") -> None:
    """Put somebody on call for a stretch. On a shift-based schedule in the place of `instead`, or, if empty, beside everybody.

    Raises a Refusal with what is wrong.
    """
    if not row.is_shift_based:
        (taken,) = schedules.add_overrides(tx, deed, row.id, [AskedOverride(span.start, span.end, user_id)])
        if taken.errors:
            raise invalid(*taken.errors)
        return
    if not instead:
        asked = shift_exceptions.AskedShift(start=span.start, end=span.end, member=user_id, says_member=True)
        shift_exceptions.add_custom_shifts(tx, deed, row.id, [asked])
        return
    loaded = store.load(tx, row.id, span)
    if loaded is None or not loaded.schedule.versions:
        raise invalid("This schedule has no rotation yet")
    model = loaded.schedule.model
    members = {one.id: one.member for one in model.replacements}
    rotations = {one.id for one in model.rotations}
    replaced = [
        shift_exceptions.AskedOverride(
            source_type=ROTATION if piece.source_id in rotations else CUSTOM_SHIFT, source_id=piece.source_id,
            start=piece.span.start, end=piece.span.end,
            overridden=members[piece.replacement_id] if piece.replacement_id is not None else instead,
            overriding=user_id, says_overriding=True,
        )
        for piece in swap.pieces(rules.timeline(loaded.schedule, loaded.overrides, span), span, instead)
    ]  # fmt: skip
    if not replaced:
        raise invalid("The one to be replaced is not on call in this stretch: choose somebody who is")
    shift_exceptions.add_overrides(tx, deed, row.id, replaced)


def take_back(tx: Tx, deed: Deed, schedule_id: str, kind: str, id_: str) -> None:
    """Take a StandIn away; one that has begun ends now. Raises a Refusal."""
    if kind == "replacement":
        shift_exceptions.remove_override(tx, deed, schedule_id, id_)
    elif kind == "extra":
        shift_exceptions.remove_custom_shift(tx, deed, schedule_id, id_)
    else:
        schedules.remove_override(tx, deed, schedule_id, id_)


def shorten(tx: Tx, deed: Deed, schedule_id: str, kind: str, id_: str, end: datetime) -> None:
    """Let a StandIn end earlier. Raises a Refusal."""
    if kind == "replacement":
        shift_exceptions.change_override(tx, deed, schedule_id, id_, shift_exceptions.AskedOverride(end=end))
    elif kind == "extra":
        shift_exceptions.change_custom_shift(tx, deed, schedule_id, id_, shift_exceptions.AskedShift(end=end))
    else:
        schedules.shorten_override(tx, deed, schedule_id, id_, end)


# ------------------------------------------------------------------------------------------------------------ all of them


@dataclass(frozen=True, slots=True)
class Listed:
    """A schedule in the list: its row, who is on call now, and its first gap of the days looked at."""

    row: sa.Row[Any]
    answer: Answer
    gap: Span | None


def listed(tx: Tx, actor: Actor, span: Span, *, team_id: str = "", words: str = "", page: int = 1) -> tuple[list[Listed], bool]:
    """The schedules the actor may see, by name, and whether there are more; gaps are looked for in `span`."""
    table = schedule
    statement = sa.select(table).order_by(sa.func.lower(table.c.name), table.c.id)
    visible = access.visible(actor, "schedule")
    if visible is not None:
        statement = statement.where(visible)
    if team_id:
        statement = statement.where(table.c.team_id == team_id)
    if words:
        statement = statement.where(dialect.contains(table.c.name, words))
    rows = tx.rows(statement.limit(LISTED + 1).offset((max(page, 1) - 1) * LISTED))
    shown = rows[:LISTED]
    loaded = store.load_many(tx, [row.id for row in shown], store.around(Span(span.start, max(span.end, span.start + AHEAD))))
    found = []
    for row in shown:
        one = loaded[row.id]
        gaps = gaps_of(rules.timeline(one.schedule, one.overrides, span))
        found.append(Listed(row, answer(one, span.start), gaps[0] if gaps else None))
    return found, len(rows) > LISTED


def tones(tx: Tx) -> Mapping[str, int]:
    """Everybody's colour, from 0 to TONES - 1: given out in the order in which people came (law 2)."""
    rows = tx.rows(sa.select(user.c.id).order_by(user.c.created_at, user.c.id))
    return {row.id: number % TONES for number, row in enumerate(rows)}


def last_saved_by(tx: Tx, schedule_id: str) -> str:
    """Who changed the schedule itself last, by the audit trail; empty when it does not say."""
    table = engine.audit.c
    (*found,) = store_audit.page(tx, [table.root_type == "schedule_reference", table.root_id == schedule_id], limit=1, after=None)
    return str(found[0].actor_name or "") if found else ""
