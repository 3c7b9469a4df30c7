"""Swaps and cover: the one door by which people ask each other to take shifts, answer, and are told what became of it.

Laws:
1. The schedule is locked before the request, always: of several who accept at once the first one has it.
2. What changes hands becomes overrides of the schedule in the transaction that accepts: all of them, or nothing happened.
3. Everybody whom it concerns is told: those asked, the asker, and those asked when another one has taken it.
4. A request ends by itself: its timer is a row, set when it is made and dropped when it ends. When somebody whom it
   cannot do without is deleted, the timer is due at once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, assert_never

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.base.times import Span
from tocsin.core import message, permission
from tocsin.core import schedule as rules
from tocsin.core import swap as core
from tocsin.core.handoff import listed, wall, zone_name
from tocsin.core.permission import HOUSE, Actor, Thing
from tocsin.core.swap import (
    Accept,
    Command,
    Decision,
    Decline,
    Elsewhere,
    Expire,
    HandOver,
    Refused,
    Rota,
    Status,
    Swap,
    Withdraw,
)
from tocsin.service import access, audit, notify, people, schedules, shift_exceptions
from tocsin.service.audit import Deed
from tocsin.store import account, outbox, timers
from tocsin.store import handoffs as store_handoffs
from tocsin.store import people as store_people
from tocsin.store import schedules as store_schedules
from tocsin.store import swaps as store
from tocsin.store.db import Tx
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION
from tocsin.store.tables.schedules import schedule
from tocsin.store.timers import Due

EXPIRY: Final = core.EXPIRY
OPEN_MOST: Final = 50
"""Open requests that one person may have."""
SHARED: Final = "Somebody else is on call at the same time here, and an override of this schedule would take their place too"
"""Only shift-based schedules can replace one of several people."""
ROUNDS_MOST: Final = 20
"""Sources of one schedule in which one person may stand at one time."""


# ------------------------------------------------------------------------------------------------------------- asking


def ask(
    tx: Tx,
    deed: Deed,
    schedule_id: str,
    span: Span,
    *,
    user_id: str | None = None,
    back: Span | None = None,
    expires_at: datetime | None = None,
    note: str | None = None,
    asker_id: str | None = None,
) -> Swap:
    """Ask one colleague (`user_id`), or with None everybody else on the rota, to take `span` of the asker's time on call.

    back        what the asker takes in exchange; only with a colleague
    expires_at  when it ends if nobody accepts; the shift's start, if None
    asker_id    somebody else, for whom whoever may change the schedule asks; the actor, if None
    Raises 400/2001 with one sentence for each breach, 403 and 404 as the permission function says.
    """
    row = _locked_schedule(tx, schedule_id)
    asker = _asker(deed, row, asker_id)
    if far := [words for part in (span, back) if part is not None and (words := core.out_of_reach(part, deed.now))]:
        raise invalid(far[0])
    loaded = _loaded(tx, schedule_id, span, back)
    rota = _rota(loaded, span, back)
    if user_id is None:
        members = [one for one in rules.named_in_turn(loaded.schedule.model) if one != asker and not rota.touches(one, span)]
        asked = tuple(one for one in members if not _why_not(tx, row, one))
    else:
        asked = (user_id,)
        if user_id != asker and (why := _why_not(tx, row, user_id)):
            raise invalid(why)
    made = Swap(
        id=ids.object_id(deed.chance), schedule_id=schedule_id, asker_id=asker, start=span.start, end=span.end, asked=asked,
        to_anyone=user_id is None, created_at=deed.now, expires_at=expires_at or span.start, back=back,
        note=(note or "").strip() or None,
    )  # fmt: skip
    if reasons := core.refused_asking(made, rota, deed.now):
        raise invalid(*reasons)
    if not row.is_shift_based and (rota.is_shared(asker, span) or (back is not None and rota.is_shared(asked[0], back))):
        raise invalid(SHARED)
    if store.count_open_by(tx, asker) >= OPEN_MOST:
        raise invalid(f"At most {OPEN_MOST} requests can be open at once: withdraw one first")
    for other in store.by_asker(tx, asker, since=deed.now):
        if other.status is Status.ASKED and other.schedule_id == schedule_id and other.span.overlaps(span):
            raise invalid("A request for some of that time is open already: withdraw it first")
    store.insert(tx, made)
    timers.set_many(tx, [Due(made.id, EXPIRY, made.expires_at)])
    tx.wake("timers")
    _record(tx, deed, row, None, made)
    _tell_asked(tx, row.name, made, deed.now, deed.chance)
    return made


def _asker(deed: Deed, row: sa.Row[Any], asker_id: str | None) -> str:
    own = deed.actor.user_id
    access.allow(deed.actor, permission.READ, _thing(row))
    if asker_id is not None and asker_id != own:
        access.allow(deed.actor, permission.UPDATE, _thing(row))
        return asker_id
    access.allow(deed.actor, permission.CREATE, _thing(row, "swap"))
    if own is None:
        raise invalid("A person asks for this: use a key of a user, or name the asker")
    return own


def colleagues(tx: Tx, schedule_id: str, asker_id: str) -> list[str]:
    """The others on this rota who may be asked, in the order of their turns."""
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id))
    loaded = store_schedules.load(tx, schedule_id)
    if row is None or loaded is None:
        return []
    found = rules.named_in_turn(loaded.schedule.model)
    return [one for one in found if one != asker_id and not _why_not(tx, row, one)]


def _why_not(tx: Tx, row: sa.Row[Any], user_id: str) -> str:
    """Why this person may not take shifts here; empty when they may."""
    actor = people.actor_of_user(tx, user_id, method="other")
    if actor is None:
        return "That colleague is not here any more"
    for action, kind in ((permission.READ, "schedule"), (permission.CREATE, "override")):
        verdict = permission.may(actor, action, _thing(row, kind))
        if not verdict.allowed:
            return f"{actor.name} may not take shifts on this schedule: {verdict.reason[:1].lower()}{verdict.reason[1:]}"
    return ""


def _thing(row: sa.Row[Any], kind: str = "schedule") -> Thing:
    return Thing(kind, row.id, frozenset({row.team_id} if row.team_id else ()))


# ---------------------------------------------------------------------------------------------------------- answering


def accept(tx: Tx, deed: Deed, swap_id: str) -> Swap:
    """The actor takes the shift. Raises 400/2001 with the reason when it cannot be taken any more, or not by them."""
    return _answer(tx, deed, swap_id, Accept(_person(deed)), permission.CREATE, "override")


def decline(tx: Tx, deed: Deed, swap_id: str) -> Swap:
    """The actor, who was asked, says no. Raises 400/2001 when there is nothing to decline."""
    return _answer(tx, deed, swap_id, Decline(_person(deed)), permission.UPDATE, "swap")


def withdraw(tx: Tx, deed: Deed, swap_id: str) -> Swap:
    """The asker, or whoever may change the schedule, takes the request back. Raises 400/2001 when it has ended."""
    found = store.load(tx, swap_id)
    is_own = found is not None and found.asker_id == deed.actor.user_id
    kind = "swap" if is_own else "schedule"
    return _answer(tx, deed, swap_id, Withdraw(deed.actor.user_id or deed.actor.id), permission.UPDATE, kind)


def _person(deed: Deed) -> str:
    if deed.actor.user_id is None:
        raise invalid("A person answers this: use a key of a user")
    return deed.actor.user_id


def _answer(tx: Tx, deed: Deed, swap_id: str, command: Command, action: str, kind: str) -> Swap:
    row, swap = _locked(tx, swap_id)
    access.allow(deed.actor, action, _thing(row, kind))
    rota = _rota(_loaded(tx, row.id, swap.span, swap.back), swap.span, swap.back)
    decision = core.decide(swap, command, rota, deed.now)
    if isinstance(decision, Refused):
        raise invalid(decision.reason)
    if not row.is_shift_based and any(rota.is_shared(one.from_id, one.span) for one in decision.hand_overs):
        raise invalid(SHARED)
    _apply(tx, deed, row, swap, decision)
    return decision.swap


def _apply(tx: Tx, deed: Deed, row: sa.Row[Any], before: Swap, decision: Decision) -> None:
    after = decision.swap
    _hand_over(tx, deed, row, decision.hand_overs)
    store.update(tx, before, after, deed.now)
    if after.status is not Status.ASKED:
        timers.drop_many(tx, [(after.id, EXPIRY)])
    _record(tx, deed, row, before, after)
    _tell_outcome(tx, row.name, before, after, deed.now, deed.chance, by=deed.actor.user_id)


def _hand_over(tx: Tx, deed: Deed, row: sa.Row[Any], hand_overs: Sequence[HandOver]) -> None:
    """Make the overrides by which time changes hands (law 2)."""
    if not row.is_shift_based:
        asked = [schedules.AskedOverride(one.span.start, one.span.end, one.to_id) for one in hand_overs]
        taken = schedules.add_overrides(tx, deed, row.id, asked) if asked else []
        if errors := [error for one in taken for error in one.errors]:
            raise invalid(*errors)
        return
    for one in hand_overs:
        for _ in range(ROUNDS_MOST):
            # One at a time: who stands in two sources shows by the second only when the first is given away.
            if not (replaced := _replacements(tx, row.id, one)):
                break
            shift_exceptions.add_overrides(tx, deed, row.id, replaced)


def _replacements(tx: Tx, schedule_id: str, one: HandOver) -> list[shift_exceptions.AskedOverride]:
    loaded = _loaded(tx, schedule_id, one.span, None)
    model = loaded.schedule.model
    members = {standing.id: standing.member for standing in model.replacements}
    rotations = {rotation.id for rotation in model.rotations}
    return [
        shift_exceptions.AskedOverride(
            source_type=ROTATION if piece.source_id in rotations else CUSTOM_SHIFT, source_id=piece.source_id,
            start=piece.span.start, end=piece.span.end,
            overridden=members[piece.replacement_id] if piece.replacement_id is not None else one.from_id,
            overriding=one.to_id, says_overriding=True,
        )
        for piece in core.pieces(rules.timeline(loaded.schedule, loaded.overrides, one.span), one.span, one.from_id)
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- expiry


def hold(tx: Tx, swap_ids: Iterable[str]) -> dict[str, tuple[sa.Row[Any], Swap]]:
    """Lock these requests, schedules first, in everybody's order; those that are gone are missing."""
    found = {swap_id: store.schedule_of(tx, swap_id) for swap_id in swap_ids}
    held: dict[str, tuple[sa.Row[Any], Swap]] = {}
    for swap_id, schedule_id in sorted(found.items(), key=lambda pair: (pair[1] or "", pair[0])):
        if schedule_id is not None:
            row, swap = _locked_schedule(tx, schedule_id), store.load(tx, swap_id, lock=True)
            if swap is not None:
                held[swap_id] = (row, swap)
    return held


def expire(tx: Tx, row: sa.Row[Any], swap: Swap, *, now: datetime, chance: Random) -> None:
    """End a request whose time has come or whose people are gone; one that has ended stays as it is. It must be held."""
    named = {swap.asker_id, *swap.asked}
    decision = core.decide(swap, Expire(frozenset(named - store_people.users(tx, named).keys())), Rota(()), now)
    if isinstance(decision, Decision):
        _apply(tx, Deed(HOUSE, now, chance), row, swap, decision)


# ------------------------------------------------------------------------------------------------------------ reading


def find(tx: Tx, actor: Actor, swap_id: str, *, schedule_id: str | None = None) -> Swap:
    """A request on a schedule that the actor may see. Raises 404."""
    if schedule_id is not None:  # first: who may not see the schedule learns nothing of what there is on it
        access.find(tx, actor, "schedule", schedule, schedule_id)
    swap = store.load(tx, swap_id)
    if swap is None or schedule_id not in {None, swap.schedule_id}:
        raise not_found("Swap")
    access.find(tx, actor, "schedule", schedule, swap.schedule_id)
    return swap


def refusal(tx: Tx, swap: Swap, user_id: str, now: datetime) -> str:
    """Why this person cannot accept it now; empty when they can."""
    return core.refused_accepting(swap, user_id, _rota(_loaded(tx, swap.schedule_id, swap.span, swap.back), swap.span, swap.back), now)


def warnings(tx: Tx, user_id: str, span: Span, *, beside: str, zone_of: str | None = None) -> list[str]:
    """What somebody should know before taking `span` of the schedule `beside`: other duties then, and not being reachable."""
    zone = _zones(tx, [zone_of or user_id])[zone_of or user_id]
    others = sorted(store_handoffs.naming(tx, [user_id], span.start) - {beside})
    elsewhere = [
        Elsewhere(loaded.schedule.name, entry)
        for loaded in store_schedules.load_many(tx, others, span).values()
        for entry in rules.final(loaded.schedule, loaded.overrides, span)
        if entry.user_id == user_id
    ]
    found = [
        f"You are on call for {one.schedule} at that time too: {_time(Span(one.entry.start, one.entry.end), zone)}"
        for one in core.double_booked(span, elsewhere)
    ]
    reach = outbox.reach_of(tx, [user_id]).get(user_id)
    if reach is None or not any(is_enabled for _, _, _, is_enabled in reach.methods):
        found.append("You have no contact method that can be used: nobody could page you")
    return found


@dataclass(frozen=True, slots=True)
class Shift:
    """One of somebody's shifts, whole, and what is asked about it."""

    schedule_id: str
    schedule: str
    start: datetime
    end: datetime


def shifts_of(tx: Tx, user_id: str, span: Span, schedule_ids: Collection[str] | None = None) -> list[Shift]:
    """Somebody's shifts on schedules (all, or these) that overlap `span`, by start, each whole."""
    wanted = store_handoffs.naming(tx, [user_id], span.start) if schedule_ids is None else set(schedule_ids)
    found = []
    for schedule_id, loaded in store_schedules.load_many(tx, wanted, store_schedules.around(span)).items():
        entries = rules.final(loaded.schedule, loaded.overrides, span)
        found += [
            Shift(schedule_id, loaded.schedule.name, entry.start, entry.end)
            for entry in rules.overflowing(loaded.schedule, loaded.overrides, entries, span)
            if entry.user_id == user_id
        ]
    return sorted(found, key=lambda one: (one.start, one.schedule, one.schedule_id))


@dataclass(frozen=True, slots=True)
class Story:
    """One request as a schedule's page tells it: in a sentence, with its shift and when things happened."""

    swap: Swap
    words: str


def stories(tx: Tx, schedule_id: str, *, limit: int = 20) -> list[Story]:
    """The latest requests of a schedule, each told in a sentence: who asked, who took it, and the exchange. For who may see it."""
    found = store.of_schedule(tx, schedule_id, limit=limit)
    named = {user_id for one in found for user_id in (one.asker_id, one.taker_id, *one.asked) if user_id}
    names = _names(tx, named)
    return [Story(one, _story(one, names)) for one in found]


def _story(one: Swap, names: Mapping[str, str]) -> str:
    asker = names[one.asker_id]
    whom = "anyone on the rota" if one.to_anyone else names[one.asked[0]]
    what = "swap shifts" if one.back else "take a shift"
    head = f"{asker} asked {whom} to {what}"
    match one.status:
        case Status.ASKED:
            return f"{head}; nobody has taken it yet"
        case Status.ACCEPTED:
            return f"{head}; {names[one.taker_id or '']} took it"
        case Status.DECLINED | Status.EXPIRED | Status.WITHDRAWN:
            return f"{head}; {one.reason}"
        case _:
            assert_never(one.status)


# ------------------------------------------------------------------------------------------------------ what is common


def _locked_schedule(tx: Tx, schedule_id: str) -> sa.Row[Any]:
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    if row is None:
        raise not_found("Schedule")
    return row


def _locked(tx: Tx, swap_id: str) -> tuple[sa.Row[Any], Swap]:
    held = hold(tx, [swap_id]).get(swap_id)
    if held is None:
        raise not_found("Swap")
    return held


def _loaded(tx: Tx, schedule_id: str, span: Span, back: Span | None) -> store_schedules.Loaded:
    whole = Span(min(span.start, back.start), max(span.end, back.end)) if back else span
    loaded = store_schedules.load(tx, schedule_id, whole)
    if loaded is None:
        raise not_found("Schedule")
    return loaded


def _rota(loaded: store_schedules.Loaded, span: Span, back: Span | None) -> Rota:
    """The timeline of what a request is about; of more than is allowed only as much as shows that it is too long."""
    found: list[rules.Stretch] = []
    for part in sorted([span, *([back] if back else [])], key=lambda one: one.start):
        end = min(part.end, part.start + core.LONGEST + timedelta(days=1))
        found += rules.timeline(loaded.schedule, loaded.overrides, Span(part.start, end)) if end > part.start else ()
    return Rota(tuple(found))


def _names(tx: Tx, user_ids: Collection[str]) -> dict[str, str]:
    found = store_people.users(tx, user_ids)
    return {user_id: found[user_id].name if user_id in found else "somebody who is gone" for user_id in user_ids}


def _zones(tx: Tx, user_ids: Collection[str]) -> dict[str, Any]:
    home, found = account.load(tx).time_zone, store_people.users(tx, user_ids)
    return {one: times.zone_named((found[one].time_zone if one in found else None) or home) for one in user_ids}


def _time(span: Span, zone: Any) -> str:
    return f"{wall(span.start, zone)} to {wall(span.end, zone)} ({zone_name(zone)})"


# -------------------------------------------------------------------------------------------------------- being told


def _tell(tx: Tx, user_ids: Iterable[str], title: str, text: Mapping[str, str], swap: Swap, now: datetime, chance: Random) -> None:
    """Tell each of these people; `text` is by person, because each has their own zone."""
    for user_id in user_ids:
        facts = {"title": title, "text": text[user_id], "swap": swap.id}
        reason = "a request to take a shift"
        notify.owe_quietly(tx, [user_id], purpose=message.SWAP, facts=facts, reason=reason, now=now, chance=chance)


def _tell_asked(tx: Tx, schedule_name: str, swap: Swap, now: datetime, chance: Random) -> None:
    asker, zones = _names(tx, [swap.asker_id])[swap.asker_id], _zones(tx, swap.asked)
    texts = {}
    for user_id in swap.asked:
        zone = zones[user_id]
        whom = "you or anyone else on the rota" if swap.to_anyone and len(swap.asked) > 1 else "you"
        parts = [f"{asker} asks {whom} to take over on {schedule_name}: {_time(swap.span, zone)}."]
        if swap.back is not None:
            parts.append(f"In exchange {asker} takes yours: {_time(swap.back, zone)}.")
        if swap.note:
            parts.append(f"{asker} says: {swap.note}")
        parts.append(f"It can be accepted until {wall(swap.expires_at, zone)}. Nothing changes before you accept.")
        texts[user_id] = "\n".join(parts)
    _tell(tx, swap.asked, f"{asker} asks: take a shift on {schedule_name}?", texts, swap, now, chance)


def _tell_outcome(
    tx: Tx, schedule_name: str, before: Swap, after: Swap, now: datetime, chance: Random, *, by: str | None
) -> None:
    """Tell the asker, and those who need not answer any more; who did it knows."""
    if after.status is Status.ASKED:
        return
    concerned = {after.asker_id, *before.waiting_for} & store_people.users(tx, {after.asker_id, *before.waiting_for}).keys()
    is_gone = after.asker_id not in concerned
    zones, names = _zones(tx, concerned), _names(tx, {after.asker_id, *concerned, *([after.taker_id] if after.taker_id else [])})
    about = {user_id: f"{schedule_name}, {_time(after.span, zones[user_id])}" for user_id in concerned}
    asker, others = names[after.asker_id], [one for one in before.waiting_for if one != by and one in concerned]
    when = f"asked {before.created_at:%Y-%m-%d %H:%M} UTC, accepted {now:%Y-%m-%d %H:%M} UTC"
    match after.status:
        case Status.ACCEPTED:
            taker = names[after.taker_id or ""]
            text = f"{taker} takes your shift on {about[after.asker_id]} ({when})."
            if after.back is not None:
                text += f"\nYou take {taker}'s: {_time(after.back, zones[after.asker_id])}."
            _tell(tx, [after.asker_id], f"{taker} takes your shift", {after.asker_id: text}, after, now, chance)
            done = {one: f"{taker} has taken {asker}'s shift on {about[one]}. There is nothing to do." for one in others}
            _tell(tx, others, f"{taker} has taken {asker}'s shift", done, after, now, chance)
        case Status.DECLINED | Status.EXPIRED:
            why = after.reason or ""
            text = f"Your request on {about[after.asker_id]} has ended: {why}. The shift is still yours."
            _tell(tx, [after.asker_id], "Nobody takes your shift", {after.asker_id: text}, after, now, chance)
        case Status.WITHDRAWN:
            told = {one: f"The request on {about[one]} has ended: {after.reason}. There is nothing to do." for one in concerned}
            title = "A request to take a shift has ended" if is_gone else f"{asker}'s request was withdrawn"
            _tell(tx, others, title, told, after, now, chance)
            if by != after.asker_id and not is_gone:
                _tell(tx, [after.asker_id], "Your request was withdrawn", told, after, now, chance)
        case _:
            assert_never(after.status)


def _record(tx: Tx, deed: Deed, row: sa.Row[Any], before: Swap | None, after: Swap) -> None:
    names = _names(tx, {after.asker_id, *after.asked, *([after.taker_id] if after.taker_id else [])})
    reference = {"id": after.id, "type": "swap_reference", "summary": _summary(after, names)}
    told = None if before is None else _told(before, names)
    audit.record(tx, deed, reference, before=told, after=_told(after, names), root=schedules.reference(row.id, row.name))


def _summary(swap: Swap, names: Mapping[str, str]) -> str:
    return f"{names[swap.asker_id]} asks {'anyone' if swap.to_anyone else listed([names[one] for one in swap.asked])}"


def _told(swap: Swap, names: Mapping[str, str]) -> dict[str, Any]:
    def person(user_id: str) -> dict[str, Any]:
        return {"id": user_id, "type": "user_reference", "summary": names.get(user_id)}

    return {
        "status": swap.status.value,
        "start": times.iso(swap.start),
        "end": times.iso(swap.end),
        "back_start": times.iso(swap.back.start) if swap.back else None,
        "back_end": times.iso(swap.back.end) if swap.back else None,
        "expires_at": times.iso(swap.expires_at),
        "note": swap.note,
        "asker": person(swap.asker_id),
        "asked": [person(one) for one in swap.asked],
        "declined": [person(one) for one in swap.asked if one in swap.declined],
        "taker": person(swap.taker_id) if swap.taker_id else None,
        "reason": swap.reason,
    }
