"""Swaps and cover: somebody on a rota asks one colleague, or anyone on it, to take a shift or a part of one.

Laws:
1. A request is `asked` until exactly one thing ends it: somebody accepts, everybody asked declines, the asker withdraws it,
   its time comes, or those who could end it are deleted. What has ended stays as it ended.
2. Of several who accept, the first one has it. Nobody takes a shift that is no longer the asker's, nor one where they are
   on call already.
3. A true swap is both shifts or neither.
4. Nothing here is a bare yes or no: every refusal says why, in words for the one who asked or answered.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from tocsin.base.times import Span
from tocsin.core.schedule import Entry, Stretch

EXPIRY: Final = "swap_expiry"
"""The kind of the timer that ends a request."""
LONGEST: Final = timedelta(days=31)
"""The longest time that one request may be about."""
FURTHEST: Final = timedelta(days=366)
"""How far ahead a shift may be that somebody is asked to take."""
NOTE_MOST: Final = 500
"""Characters of the asker's own words."""
ASKED_MOST: Final = 200
"""People asked by one request: the longest rota there can be."""


class Status(StrEnum):
    """How far a request is."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One request.

    start, end  what is to be taken; back: what the asker takes in exchange, None = cover without one
    asked       who is asked, in the order of the rota; one colleague, or (`to_anyone`) everybody else on it
    declined    those of them who said no
    expires_at  when nobody may accept any more: the shift's start, or earlier
    """

    id: str
    schedule_id: str
    asker_id: str
    start: datetime
    end: datetime
    asked: tuple[str, ...]
    to_anyone: bool
    created_at: datetime
    expires_at: datetime
    back: Span | None = None
    note: str | None = None
    declined: frozenset[str] = frozenset()
    status: Status = Status.ASKED
    taker_id: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Those who may still answer."""
        return tuple(one for one in self.asked if one not in self.declined) if self.status is Status.ASKED else ()


@dataclass(frozen=True, slots=True)
class Rota:
    """Who is on call on the schedule: its timeline over all that a request is about."""

    stretches: tuple[Stretch, ...]

    def holds(self, user_id: str, span: Span) -> bool:
        """Whether this person is on call for the whole of `span`."""
        covered = span.start
        for one in self.stretches:
            if one.start <= covered < one.end and any(holder.user_id == user_id for holder in one.holders):
                covered = one.end
        return covered >= span.end

    def touches(self, user_id: str, span: Span) -> bool:
        """Whether this person is on call at any time of `span`."""
        return any(
            one.start < span.end and span.start < one.end and any(holder.user_id == user_id for holder in one.holders)
            for one in self.stretches
        )

    def is_shared(self, user_id: str, span: Span) -> bool:
        """Whether anybody else is on call at any time of `span`."""
        return any(
            one.start < span.end and span.start < one.end and any(holder.user_id != user_id for holder in one.holders)
            for one in self.stretches
        )


# ------------------------------------------------------------------------------------------------------------- asking


def out_of_reach(part: Span, now: datetime) -> str:
    """Why a time is none, or too far away to be looked at at all; empty when it can be."""
    if part.end <= part.start:
        return "The shift must end after its start"
    if part.start < now - FURTHEST:
        return "The shift has begun or is over: ask for a part of it that lies ahead"
    if part.end > now + FURTHEST + LONGEST:
        return f"The shift is more than {FURTHEST.days} days ahead"
    return ""


def refused_asking(swap: Swap, rota: Rota, now: datetime) -> list[str]:
    """Why this cannot be asked for, in sentences; empty when it can. Who may ask whom is settled elsewhere."""
    reasons: list[str] = []
    if swap.end <= swap.start:
        reasons.append("The shift must end after its start")
    elif swap.start <= now:
        reasons.append("The shift has begun or is over: ask for a part of it that lies ahead")
    elif swap.end - swap.start > LONGEST:
        reasons.append(f"One request can be about at most {LONGEST.days} days: ask for the rest in another")
    elif swap.start > now + FURTHEST:
        reasons.append(f"The shift is more than {FURTHEST.days} days ahead")
    elif not rota.holds(swap.asker_id, swap.span):
        reasons.append("You are not on call on this schedule for all of that time")
    if not swap.asked:
        reasons.append("There is nobody else on this rota to ask")
    if len(swap.asked) > ASKED_MOST:
        reasons.append(f"At most {ASKED_MOST} people can be asked at once: ask one colleague")
    if swap.asker_id in swap.asked:
        reasons.append("You cannot ask yourself")
    if len(swap.note or "") > NOTE_MOST:
        reasons.append(f"The note may have at most {NOTE_MOST} characters")
    if not now < swap.expires_at <= swap.start and not reasons:
        reasons.append("The request must end in the future, and no later than the shift begins")
    if reasons:
        return reasons
    if not swap.to_anyone and rota.touches(swap.asked[0], swap.span):
        reasons.append("That colleague is on call on this schedule then already")
    if swap.back is not None:
        reasons += _refused_back(swap, swap.back, rota, now)
    return reasons


def _refused_back(swap: Swap, back: Span, rota: Rota, now: datetime) -> list[str]:
    if swap.to_anyone:
        return ["A shift to take in exchange is one colleague's: ask that colleague, not anyone"]
    if back.end <= back.start or back.start <= now:
        return ["The shift to take in exchange must lie ahead, and end after its start"]
    if back.end - back.start > LONGEST or back.start > now + FURTHEST:
        return [f"The shift to take in exchange can be at most {LONGEST.days} days long and {FURTHEST.days} days ahead"]
    if not rota.holds(swap.asked[0], back):
        return ["That colleague is not on call on this schedule for all of the time to take in exchange"]
    if rota.touches(swap.asker_id, back):
        return ["You are on call on this schedule already during the time to take in exchange"]
    return []


# ---------------------------------------------------------------------------------------------------------- answering


@dataclass(frozen=True, slots=True)
class Accept:
    """Somebody takes the shift."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Decline:
    """Somebody who was asked says no."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The asker (or whoever manages the schedule) takes the request back."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Its time has come, or somebody in it has been deleted; `gone` are those of its people who are no longer there."""

    gone: frozenset[str] = frozenset()


Command = Accept | Decline | Withdraw | Expire


@dataclass(frozen=True, slots=True)
class HandOver:
    """One person's time on the schedule becomes another's."""

    span: Span
    from_id: str
    to_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The request as it is afterwards, and what changes hands: nothing, one shift, or two (law 3)."""

    swap: Swap
    hand_overs: tuple[HandOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changes, for this reason."""

    reason: str


def decide(swap: Swap, command: Command, rota: Rota, now: datetime) -> Decision | Refused:
    """What becomes of a request. Whether this person may do that to this schedule is settled elsewhere."""
    if swap.status is not Status.ASKED:
        return Refused(_ended(swap))
    match command:
        case Accept():
            return _accept(swap, command.user_id, rota, now)
        case Decline():
            return _decline(swap, command.user_id, now)
        case Withdraw():
            return Decision(_ending(swap, Status.WITHDRAWN, now, "it was withdrawn"))
        case Expire():
            if (end := ends_without(swap, command.gone)) is not None:
                return Decision(_ending(swap, end[0], now, end[1]))
            if now < swap.expires_at:
                return Refused("its time has not come")
            return Decision(_ending(swap, Status.EXPIRED, now, "nobody took it in time"))
        case _:
            assert_never(command)


def ends_without(swap: Swap, gone: Collection[str]) -> tuple[Status, str] | None:
    """How and why an open request ends when these people are deleted; None when it goes on without them."""
    if swap.status is not Status.ASKED:
        return None
    if swap.asker_id in gone:
        return Status.WITHDRAWN, "whoever asked for it was deleted"
    if all(one in gone for one in swap.waiting_for):
        return Status.DECLINED, "nobody is left who was asked and has not declined"
    return None


def _accept(swap: Swap, user_id: str, rota: Rota, now: datetime) -> Decision | Refused:
    if reason := refused_accepting(swap, user_id, rota, now):
        return Refused(reason)
    ended = replace(_ending(swap, Status.ACCEPTED, now, "it was accepted"), taker_id=user_id)
    hand_overs = [HandOver(swap.span, swap.asker_id, user_id)]
    if swap.back is not None:
        hand_overs.append(HandOver(swap.back, user_id, swap.asker_id))
    return Decision(ended, tuple(hand_overs))


def refused_accepting(swap: Swap, user_id: str, rota: Rota, now: datetime) -> str:
    """Why this person cannot take it now; empty when they can."""
    if swap.status is not Status.ASKED:
        return _ended(swap)
    if user_id == swap.asker_id:
        return "It is your own request"
    if user_id not in swap.asked:
        return "You were not asked"
    if now >= swap.expires_at:
        return "The time to accept is over"
    if not rota.holds(swap.asker_id, swap.span):
        return "The shift is no longer the asker's: the schedule was changed since"
    if rota.touches(user_id, swap.span):
        return "You are on call on this schedule then already"
    if swap.back is not None:
        if now >= swap.back.start:
            return "The shift in exchange has begun or is over"
        if not rota.holds(user_id, swap.back):
            return "The shift in exchange is no longer yours: the schedule was changed since"
        if rota.touches(swap.asker_id, swap.back):
            return "The asker is on call already during the shift in exchange"
    return ""


def _decline(swap: Swap, user_id: str, now: datetime) -> Decision | Refused:
    if user_id not in swap.asked:
        return Refused("You were not asked")
    if user_id in swap.declined:
        return Refused("You have declined already")
    declined = swap.declined | {user_id}
    if declined.issuperset(swap.asked):
        words = "everybody who was asked declined" if len(swap.asked) > 1 else "it was declined"
        return Decision(replace(_ending(swap, Status.DECLINED, now, words), declined=declined))
    return Decision(replace(swap, declined=declined))


def _ending(swap: Swap, status: Status, now: datetime, reason: str) -> Swap:
    return replace(swap, status=status, decided_at=now, reason=reason)


def _ended(swap: Swap) -> str:
    return {
        Status.ACCEPTED: "Somebody has taken this shift already",
        Status.DECLINED: "This request was declined",
        Status.EXPIRED: "This request is over: nobody took the shift in time",
        Status.WITHDRAWN: "This request was withdrawn: there is nothing to do",
    }[swap.status]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- warnings


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A time at which somebody is on call by another schedule."""

    schedule: str
    entry: Entry


def double_booked(span: Span, elsewhere: Iterable[Elsewhere]) -> tuple[Elsewhere, ...]:
    """The other duties that overlap the shift, each cut to it, by start: what somebody should know before accepting."""
    found = [
        Elsewhere(one.schedule, replace(one.entry, start=max(one.entry.start, span.start), end=min(one.entry.end, span.end)))
        for one in elsewhere
        if one.entry.start < span.end and span.start < one.entry.end
    ]
    return tuple(sorted(found, key=lambda one: (one.entry.start, one.schedule)))


# ------------------------------------------------------------------------------------- on schedules of rotations (v3)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a hand-over: within it, `from_id` stands in `source_id` (a rotation or extra shift; an override by its id)."""

    source_id: str
    replacement_id: str | None
    span: Span


def pieces(stretches: Sequence[Stretch], span: Span, user_id: str) -> tuple[Piece, ...]:
    """Where this person stands in `span`, neighbours of the same source joined."""
    found: list[Piece] = []
    for one in stretches:
        start, end = max(one.start, span.start), min(one.end, span.end)
        for holder in one.holders:
            if holder.user_id != user_id or start >= end:
                continue
            last = found[-1] if found else None
            if last is not None and (last.source_id, last.replacement_id, last.span.end) == (holder.source_id, holder.replacement_id, start):
                found[-1] = replace(last, span=Span(last.span.start, end))
            else:
                found.append(Piece(holder.source_id, holder.replacement_id, Span(start, end)))
    return tuple(found)
