"""From contact methods, rules and urgency to planned notifications: who is told, how, when, why, and what ends it.

Laws:
1. A person with any way of being reached is never planned nothing: without a rule for the urgency the first way is used at once.
2. A page leaves on its way, moves to the person's next way, or is recorded as failed with a reason: never silence.
3. A retry keeps the idempotency key of the first try, so that a provider can drop a repeat.
4. The first page to a quiet person waits for nothing; only those that follow within the window are held to go together.
5. No clock and no chance of its own: both are handed in.
Sources: BEHAVIOUR 6 (rules count from the assignment; stop at acknowledge, resolve, reassign; bundling), DESIGN 5 and 6.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from tocsin.core.message import HELP, LAST_RESORT, PAGE

QUICK_TRIES: Final = 6
"""Tries on one way before the page moves on to the person's next way (about a minute with the pauses below)."""

FIRST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(seconds=60)
"""The pause doubles from the first to the longest. A provider's `Retry-After` beyond the longest counts as giving up on this way."""

SLOW_TRIES: Final = 60
"""More tries, once a minute, on a person's last way; then the page has failed for good (an hour in all)."""

GOES_ON: Final = frozenset({PAGE, LAST_RESORT, HELP})
"""Purposes for which a page that fails moves to the person's next way. A test says honestly that its way failed."""

BUNDLE_MAX: Final = 500
"""Pages that one message may stand for; more make a second message."""


@dataclass(frozen=True, slots=True)
class Way:
    """One contact method: a way of reaching a person. `kind` is the channel's name and the lane it is sent on."""

    id: str
    kind: str
    position: int = 0
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """After so many minutes, by this way; for incidents of one urgency."""

    way_id: str
    delay_minutes: int
    urgency: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One page owed: on which way, when, and why, in words."""

    way: Way
    due_at: datetime
    reason: str


def plan(ways: Sequence[Way], rules: Sequence[Rule], urgency: str, why: str, now: datetime) -> tuple[Planned, ...]:
    """The pages a person is owed from `now` on; empty only when there is no enabled way at all (law 1)."""
    usable = {way.id: way for way in ways if way.is_enabled}
    if not usable:
        return ()
    chosen = sorted(
        (rule.delay_minutes, usable[rule.way_id].position, rule.way_id)
        for rule in rules
        if rule.urgency == urgency and rule.way_id in usable
    )
    if not chosen:
        first = min(usable.values(), key=lambda way: (way.position, way.id))
        return (Planned(first, now, f"{why}; no usable rule for {urgency} urgency, so at once by {first.kind}"),)
    planned = []
    for delay, _, way_id in chosen:
        way = usable[way_id]
        when = f"at once by {way.kind}" if delay == 0 else f"after {delay} min by {way.kind}"
        planned.append(Planned(way, now + timedelta(minutes=delay), f"{why}; rule: {when}"))
    return tuple(planned)


def quiet_ways(ways: Sequence[Way], rules: Sequence[Rule]) -> tuple[Way, ...]:
    """The ways for what is no incident: those that the person's low-urgency rules use first, else the first way there is."""
    planned = plan(ways, rules, "low", "", datetime.min)  # noqa: DTZ901 - only the order of the instants counts
    soonest = min((one.due_at for one in planned), default=None)
    return tuple({one.way.id: one.way for one in planned if one.due_at == soonest}.values())


@dataclass(frozen=True, slots=True)
class Sibling:
    """A page of the same plan (same incident and person, owed since the same instant), and how far it is."""

    id: str
    way_id: str
    state: str  # due | sending | sent | failed | dropped


def next_way(ways: Iterable[Way], siblings: Collection[Sibling]) -> Way | None:
    """The person's next way in their own order: one that this plan has not used, or uses only later."""
    used = {sibling.way_id for sibling in siblings if sibling.state != "due"}
    left = [way for way in ways if way.is_enabled and way.id not in used]
    return min(left, key=lambda way: (way.position, way.id)) if left else None


def is_reached(siblings: Iterable[Sibling]) -> bool:
    """Whether some page of the plan has left, or still may."""
    return any(sibling.state in {"due", "sending", "sent"} for sibling in siblings)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Same way, same key, at this instant. `is_last_hope`: from now on only because there is no other way left."""

    at: datetime
    reason: str
    is_last_hope: bool = False


@dataclass(frozen=True, slots=True)
class MoveOn:
    """This page has failed on this way: the person's next way at once, if there is one."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """This page has failed and there is no other way."""

    reason: str


Then = TryAgain | MoveOn | GiveUp


def after_trouble(
    reason: str,
    *,
    tries: int,
    retry_after: timedelta | None,
    has_other_way: bool,
    now: datetime,
    chance: Random,
) -> Then:
    """What follows a try that failed for now: the `tries`th on this way."""
    too_long = retry_after is not None and retry_after > LONGEST_PAUSE
    spent = tries >= QUICK_TRIES or too_long
    if spent and has_other_way:
        return MoveOn(f"{reason} (tried {tries} times)" if tries > 1 else reason)
    if tries >= QUICK_TRIES + SLOW_TRIES:
        return GiveUp(f"{reason} (tried {tries} times, and there is no other way)")
    at = now + pause(tries, chance)
    if retry_after is not None:
        at = max(at, now + min(retry_after, LONGEST_PAUSE))
    return TryAgain(at, reason, is_last_hope=tries == QUICK_TRIES or (too_long and tries == 1))


def after_refusal(reason: str, *, has_other_way: bool) -> Then:
    """What follows a try that was refused for good."""
    return MoveOn(reason) if has_other_way else GiveUp(reason)


def pause(tries: int, chance: Random) -> timedelta:
    """How long to wait after the `tries`th failure: doubling, up to a minute, with up to a quarter more by chance."""
    seconds = min(FIRST_PAUSE.total_seconds() * 2 ** (max(tries, 1) - 1), LONGEST_PAUSE.total_seconds())
    return timedelta(seconds=seconds * (1 + chance.random() / 4))


def stopped(purpose: str, *, incident_status: str | None, is_assigned: bool) -> str | None:
    """Why a page that is due must not be sent any more, or None when it is still wanted."""
    if purpose not in GOES_ON:
        return None
    if incident_status is None:
        return "the incident is gone"
    if purpose == HELP:  # whoever answered has had what was still due dropped with the answer
        return "the incident was resolved before this page left" if incident_status == "resolved" else None
    if incident_status != "triggered":
        return f"the incident was {incident_status} before this page left"
    if purpose == PAGE and not is_assigned:
        return "the incident is no longer assigned to this person"
    return None


@dataclass(frozen=True, slots=True)
class Due:
    """A page whose time has come, as far as bundling needs to know it.

    key          the idempotency key of an earlier try; None before the first
    window       how long pages for this way are gathered (seconds; 0: every page alone)
    last_sent_at when the last message left on this way, if ever
    """

    id: str
    way_id: str
    purpose: str
    key: str | None
    window: int
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Bundled:
    """What to do with the due pages: messages to send now (key → pages), and pages held until an instant."""

    now: tuple[tuple[str, tuple[Due, ...]], ...]
    held: tuple[tuple[Due, datetime], ...]


def bundle(due: Sequence[Due], now: datetime) -> Bundled:
    """Decide which pages leave as one message (laws 3 and 4).

    Pages tried before stay together as they were, under their key. Of the fresh ones, those for one way and purpose go
    together; when a message left on that way less than its window ago they are held until the window is over.
    A last-resort page is never held.
    """
    again: dict[str, list[Due]] = {}
    fresh: dict[tuple[str, str], list[Due]] = {}
    messages: list[tuple[str, tuple[Due, ...]]] = []
    held: list[tuple[Due, datetime]] = []
    for page in due:
        if page.key is not None:
            again.setdefault(page.key, []).append(page)
        elif page.window <= 0:
            messages.append((page.id, (page,)))
        else:
            fresh.setdefault((page.way_id, page.purpose), []).append(page)
    messages.extend((key, tuple(pages)) for key, pages in again.items())
    for (_, purpose), pages in fresh.items():
        first = pages[0]
        free_at = now if first.last_sent_at is None else first.last_sent_at + timedelta(seconds=first.window)
        if purpose == PAGE and free_at > now:
            held.extend((page, free_at) for page in pages)
            continue
        for at in range(0, len(pages), BUNDLE_MAX):
            part = tuple(pages[at : at + BUNDLE_MAX])
            messages.append((part[0].id, part))
    return Bundled(tuple(messages), tuple(held))


def shared_out(
    messages: Sequence[tuple[str, tuple[Due, ...]]], *, limit: int, most_each: int
) -> list[tuple[str, tuple[Due, ...]]]:
    """The first `limit` messages, but at most `most_each` for one way, so that one that is slow leaves room for others."""
    leaving: list[tuple[str, tuple[Due, ...]]] = []
    count: dict[str, int] = {}
    for key, pages in messages:
        way = pages[0].way_id
        if count.get(way, 0) < most_each:
            count[way] = count.get(way, 0) + 1
            leaving.append((key, pages))
            if len(leaving) == limit:
                break
    return leaving
