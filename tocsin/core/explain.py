"""Why was somebody paged, or why not: the chain of reasons from an event to each delivery, as short lines with a why each.

Laws:
1. Nothing is guessed: every line is a record, and every why is the one that was written down when it was decided.
2. Names, not ids; oldest first; what one thing led to stands under it.
3. Whoever the policy names and nobody paged is told why not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

from tocsin.base.times import human_duration
from tocsin.core import events as happened
from tocsin.core.events import Event, Status
from tocsin.core.incident_state import Incident, pending

WIDTH: Final = 100
"""Columns of the text form."""

_OUTCOMES: Final = {"alert": "a new alert", "grouped": "a new alert in an open incident", "repeated": "counted"}
_STATES: Final = {
    "sent": "sent",
    "dropped": "not sent",
    "failed": "failed",
    "due": "still owed",
    "sending": "being sent",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """An accepted event. `way` is the integration it came by, `key` how its routing key ends."""

    id: str
    at: datetime
    reader: str
    way: str
    key: str
    service: str
    action: str
    dedup_key: str
    summary: str
    outcome: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Try:
    """One delivery. `outcome` None: under way."""

    at: datetime
    address: str
    outcome: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class OwedPage:
    """A page that is or was owed, with its tries. `reason` is why it was planned and, after that, how it ended."""

    user_id: str
    kind: str
    purpose: str
    at: datetime
    due_at: datetime
    state: str
    reason: str
    sent_at: datetime | None = None
    tries: tuple[Try, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Somebody a level names, at the instant the incident came to it (or began, if it never came).

    schedule   the schedule that names them; None: the policy names them itself
    is_on_call whether they were there then
    """

    user_id: str
    schedule: str | None
    is_on_call: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the policy the incident runs on, from 0. `reached_at` None: it never came there."""

    number: int
    standing: tuple[Standing, ...]
    reached_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """All that was written down about one incident, or about an event that led to none."""

    incident: Incident | None
    arrivals: Sequence[Arrival]
    events: Sequence[Event] = ()
    pages: Sequence[OwedPage] = ()
    levels: Sequence[Level] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # users
    unavailable: Mapping[str, str] = field(default_factory=dict)  # user id → why they cannot be paged now
    zone: tzinfo = UTC

    def clock(self, instant: datetime) -> str:
        """The wall clock at an instant, where the reader is."""
        return f"{instant.astimezone(self.zone):%H:%M:%S}"

    def name(self, user_id: str) -> str:
        return self.names.get(user_id, f"user {user_id}")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain. `depth` 1 stands under the link before it."""

    at: datetime
    what: str
    why: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class NotPaged:
    """Somebody the policy names whom nobody paged, and why not."""

    user: str
    why: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole explanation. `incident` is its number, None when no incident came of the event."""

    incident: int | None
    title: str
    status: str
    links: tuple[Link, ...]
    next: str
    next_at: datetime | None = None
    not_paged: tuple[NotPaged, ...] = ()


def explain(records: Records) -> Chain:
    """The chain of reasons in these records."""
    links = [
        *((link.at, 0, link) for link in _arrivals(records)),
        *((link.at, 1, link) for link in _happened(records)),
        *((page.at, 2, link) for page in records.pages for link in _page(page, records)),
    ]
    links.sort(key=lambda item: item[:2])
    told = tuple(link for _, _, link in links)
    incident = records.incident
    if incident is None:
        first = records.arrivals[0]
        waits = (
            "it is accepted and waits for its turn"
            if first.outcome is None
            else "no incident came of it: nobody was paged"
        )
        return Chain(None, first.summary, first.outcome or "accepted", told, waits)
    words, at = _next(incident)
    return Chain(incident.number, incident.title, incident.status.value, told, words, at, _not_paged(records, incident))


# --- What arrived


def _arrivals(records: Records) -> Iterable[Link]:
    """Each event that arrived; of a run of repeats that were only counted, the first and how many followed."""
    arrivals = records.arrivals
    at = 0
    while at < len(arrivals):
        one = arrivals[at]
        run = at + 1
        while one.outcome == "repeated" and run < len(arrivals) and arrivals[run].outcome == "repeated":
            run += 1
        by = f"by {one.way} on {one.service}" if one.way else f"by a key that ends in {one.key}"
        what = f"event accepted: {one.action or 'event'} '{one.dedup_key}' {by} ({one.reader}, key …{one.key})"
        if run - at > 1:
            what += f", and {run - at - 1} more until {records.clock(arrivals[run - 1].at)}"
        outcome = one.outcome and _OUTCOMES.get(one.outcome, one.outcome.replace("_", " "))
        yield Link(one.at, what, f"{outcome}: {one.reason}" if outcome else "it waits for its turn")
        at = run


# --- What happened


def _happened(records: Records) -> Iterable[Link]:
    for event in records.events:
        what = _what(event, records)
        if what:
            yield Link(event.at, what, _why(event))


def _what(event: Event, records: Records) -> str:  # noqa: C901 - one flat case an event
    """An event in one short sentence; empty when other records tell it better."""
    by = event.agent.summary

    def people(user_ids: Iterable[str]) -> str:
        return ", ".join(records.name(user_id) for user_id in user_ids)

    match event:
        case happened.Triggered():
            return f"incident opened with {event.urgency.value} urgency: {event.title}"
        case happened.AlertJoined():
            return f"an alert joined: {event.summary}"
        case happened.AlertResolved():
            return f"an alert is over: {event.summary}"
        case happened.Assigned() if event.via == "direct_assignment":
            return f"assigned to {people(event.user_ids)}"
        case happened.Assigned() | happened.Escalated():
            return f"level {event.level + 1}: {_standing(event, records)}"
        case happened.LevelSkipped():
            return f"level {event.level + 1}: skipped"
        case happened.Delegated():
            return f"handed to the policy {event.policy.name} by {by}"
        case happened.PolicyRepeated():
            return "the policy begins again"
        case happened.PolicyExhausted():
            return "the policy has ended"
        case happened.NobodyOnCall():
            return f"nobody is on call; looking again at {records.clock(event.retry_at)}"
        case happened.Acknowledged():
            return f"acknowledged by {by}" + _for(event, records)
        case happened.Unacknowledged():
            return "triggered again"
        case happened.Snoozed():
            return f"snoozed by {by} until {records.clock(event.until)}"
        case happened.Resolved():
            into = f"; merged into #{event.merged_into_number}" if event.merged_into_number else ""
            return (f"resolved by {by}" if event.agent.is_user else "resolved") + into
        case happened.Reopened():
            return f"opened again by {by}"
        case happened.UrgencyChanged():
            return f"urgency is {event.urgency.value} now, before {event.before.value}"
        case happened.PersonUnreachable():
            return f"{people([event.user_id])} cannot be reached"
        case happened.LastResortPaged():
            return "the last resort"
        case happened.AlertsMoved():
            return "alerts came" if event.count > 0 else "alerts went"
        case happened.Annotated():
            return f"note by {by}: {event.content.splitlines()[0][:80] if event.content else ''}"
        case happened.TriggeredAgain() | happened.Notified():
            return ""  # told by what arrived, and by the tries
        case _:
            return event.reason


def _for(event: happened.Acknowledged, records: Records) -> str:
    return f", holds until {records.clock(event.unacknowledge_at)}" if event.unacknowledge_at else ""


def _why(event: Event) -> str:
    """The reason without what the sentence before it has said already."""
    match event:
        case happened.LevelSkipped():
            return event.reason.partition(" is skipped: ")[2] or event.reason
        case happened.Acknowledged() | happened.Annotated() | happened.Delegated():
            return ""
        case happened.Resolved() if event.agent.is_user:
            return event.resolution or ""
        case happened.Snoozed():
            return f"for {human_duration(event.until - event.at)}"
        case _:
            return event.reason


def _standing(event: happened.Assigned | happened.Escalated, records: Records) -> str:
    """Who was reached on a level, each with the schedule that put them there."""
    known: dict[str, Standing] = {}
    for level in records.levels:
        if level.number == event.level:
            known |= {one.user_id: one for one in level.standing}
    told = []
    for user_id in event.user_ids:
        one = known.get(user_id)
        where = "" if one is None else f" (on call on {one.schedule})" if one.schedule else " (named by the policy)"
        told.append(records.name(user_id) + where)
    return ", ".join(told)


# --- Who was told


def _page(page: OwedPage, records: Records) -> Iterable[Link]:
    who = records.name(page.user_id)
    planned, ended = _parted(page.reason)
    when = f"at {records.clock(page.due_at)}" if page.due_at > page.at else "at once"
    label = {"last_resort": "last-resort page", "help": "request for help"}.get(page.purpose, "page")
    state = _STATES.get(page.state, page.state)
    if page.state == "sent" and page.sent_at:
        state = f"sent at {records.clock(page.sent_at)}"
    known = {event.reason for event in records.events if event.at == page.at}  # said already, by what owed the page
    why = "; ".join(part for part in planned.split("; ") if part not in known) or planned
    why = f"{why}; {state}: {ended}" if ended else why
    yield Link(page.at, f"{label} owed to {who} by {page.kind} {when}: {state}", why, 1)
    for one in page.tries:
        outcome = one.outcome or "under way"
        yield Link(one.at, f"tried {one.address} at {records.clock(one.at)}: {outcome}", one.detail, 2)


def _parted(reason: str) -> tuple[str, str]:
    """Why a page was planned, and how it ended: what was added after the rule it was planned by."""
    parts = reason.split("; ")
    rules = [at for at, part in enumerate(parts) if part.startswith(("rule: ", "no usable rule"))]
    failures = [at for at, part in enumerate(parts) if part.startswith("failed: ")]
    cut = rules[-1] + 1 if rules else failures[0] if failures else len(parts)
    return "; ".join(parts[:cut]), "; ".join(parts[cut:]).removeprefix("failed: ")


# --- Why not


def _not_paged(records: Records, incident: Incident) -> tuple[NotPaged, ...]:
    paged = {page.user_id for page in records.pages if page.state in {"sent", "sending", "due"}}
    named = dict.fromkeys(one.user_id for level in records.levels for one in level.standing)
    named |= dict.fromkeys(page.user_id for page in records.pages)
    return tuple(
        NotPaged(records.name(user_id), why_not(records, incident, user_id))
        for user_id in named
        if user_id not in paged
    )


def why_not(records: Records, incident: Incident, user_id: str) -> str:
    """Why this person was not paged for the incident; they have no page that was sent or still may be."""
    mine = [page for page in records.pages if page.user_id == user_id]
    if mine:
        last = mine[-1]
        ended = _parted(last.reason)[1] or "no reason was kept"
        if last.state == "dropped":
            return f"the page by {last.kind} was due at {records.clock(last.due_at)} and not sent: {ended}"
        return f"every try failed: {ended}"
    for event in records.events:
        if isinstance(event, happened.PersonUnreachable) and event.user_id == user_id:
            return event.reason
    places = [(level, one) for level in records.levels for one in level.standing if one.user_id == user_id]
    if not places:
        return f"no level of {incident.policy.name} names them"
    if user_id in records.unavailable:
        return records.unavailable[user_id]
    there = [level for level, one in places if one.is_on_call]
    if not there:
        level, one = places[0]
        when = f"at {records.clock(level.reached_at)}" if level.reached_at else "when it began"
        return f"they were not on call on {one.schedule} {when}"
    unreached = [level for level in there if level.reached_at is None]
    if unreached:
        return f"level {unreached[0].number + 1} was never reached: {_ended(records, incident)}"
    return f"level {there[0].number + 1} was reached, and they were not chosen: {_chosen(records, there[0])}"


def _chosen(records: Records, level: Level) -> str:
    """Whom the level chose instead, or what made paging needless."""
    for event in records.events:
        if isinstance(event, happened.Assigned | happened.Escalated) and event.level == level.number:
            return f"it was the turn of {', '.join(records.name(one) for one in event.user_ids)}"
    return "it was acknowledged at once"


def _ended(records: Records, incident: Incident) -> str:
    """What kept the incident from climbing further."""
    for event in records.events:
        if isinstance(event, happened.Acknowledged):
            return f"{event.agent.summary} acknowledged at {records.clock(event.at)}"
    for event in records.events:
        if isinstance(event, happened.Resolved):
            return f"it was over at {records.clock(event.at)}: {event.reason}"
    if incident.assigned_via == "direct_assignment":
        return "it was assigned by hand, and then it does not escalate by itself"
    if incident.escalate_at is not None:
        return f"it goes there at {records.clock(incident.escalate_at)}, or later"
    if incident.urgency == "low":
        return "its urgency is low, and then it does not escalate by itself"
    return "nothing escalates it by itself"


def _next(incident: Incident) -> tuple[str, datetime | None]:
    """What happens by itself if nobody does anything."""
    waiting = sorted(pending(incident).items(), key=lambda item: item[1])
    if not incident.is_open:
        return "it is over", None
    if waiting:
        timer, at = waiting[0]
        words = {
            "escalate": "it looks again for somebody on call"
            if incident.nobody_reason
            else "it goes to the next level",
            "unacknowledge": "its snooze ends and its people are paged again"
            if incident.is_snoozed
            else "the acknowledgement runs out and its people are paged again",
            "resolve": "its service resolves it",
        }
        return words[timer.value], at
    if incident.status is Status.ACKNOWLEDGED:
        return "it stays acknowledged until somebody resolves it", None
    if incident.is_exhausted:
        return "nobody else will be paged: the policy has ended", None
    return "nothing by itself", None


# --- To read at night


def text(chain: Chain, zone: tzinfo) -> str:
    """The chain in short lines; times are wall clock in `zone` (that of its records), the date where it changes."""
    head = (
        f"#{chain.incident} {chain.title} ({chain.status})"
        if chain.incident
        else f"{chain.title} ({chain.status.replace('_', ' ')})"
    )
    lines = [head]
    day = ""
    for link in chain.links:
        local = link.at.astimezone(zone)
        if (today := f"{local:%a %d %B %Y}") != day:
            day = today
            lines += ["", f"{day} ({zone})"]
        stamp = f"{local:%H:%M:%S}  " if link.depth == 0 else " " * 8 + "  " * link.depth
        lines += _wrapped(stamp, link.what)
        if link.why:
            lines += _wrapped(" " * (10 + 2 * link.depth) + "why: ", link.why)
    if chain.not_paged:
        lines += ["", "Not paged"]
        for one in chain.not_paged:
            lines += _wrapped(f"  {one.user}: ", one.why)
    when = f" at {chain.next_at.astimezone(zone):%H:%M:%S}" if chain.next_at else ""
    return "\n".join([*lines, "", f"Next: {chain.next}{when}"])


def _wrapped(start: str, words: str) -> list[str]:
    """The words after `start`, broken between words, later lines as deep as the first."""
    lines, line = [], start
    for word in words.split():
        if len(line) + len(word) > WIDTH and line.strip() and line != start:
            lines.append(line.rstrip())
            line = " " * len(start)
        line += word + " "
    return [*lines, line.rstrip()]
