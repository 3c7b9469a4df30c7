"""Owing pages to people: plan them by their rules, drop them, claim what is due, and record what became of each try.

Laws:
1. Everything here is in the caller's transaction: a page is owed with what caused it, or not at all.
2. A page that fails moves at once to the person's next way; a person with none left is said so in the incident's log;
   when nobody of the incident can be reached, the last resort is paged.
3. A whole batch costs a handful of statements, whatever its size.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, assert_never

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import not_found
from tocsin.channels import roll
from tocsin.channels.spec import Accepted, NotNow, Outcome, Refused
from tocsin.core import message, notify
from tocsin.core.events import TOCSIN, Event, LastResortPaged, Notified, PersonUnreachable
from tocsin.core.message import Facts
from tocsin.core.notify import Due, GiveUp, MoveOn, Rule, Sibling, TryAgain, Way
from tocsin.store import events, outbox
from tocsin.store.db import Tx
from tocsin.store.outbox import Reach
from tocsin.store.tables import engine, incidents, people

CLAIM_FOR: Final = timedelta(seconds=60)
"""How long a claimed page is left to its node; longer than any channel's time-out, so that only a dead node loses it."""

LOOKED_AT: Final = notify.BUNDLE_MAX
"""Due pages looked at in one claim, so that those of one person are found together."""

LAST_RESORT_SETTING: Final = "last_resort"
"""The account's setting with the ids of the users who are paged when nobody else can be."""


@dataclass(frozen=True, slots=True)
class PageOrder:
    """Reach this person about this incident by their rules for this urgency (`high` or `low`); `reason` says why, in words."""

    incident_id: str
    user_id: str
    urgency: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimedPage:
    """One page within a message that is about to be sent. `tries` counts this try."""

    outbox_id: str
    delivery_id: str
    tries: int
    incident_id: str | None
    service_id: str | None
    owed_at: datetime
    is_prompt: bool  # the first try of a page that was due as soon as it was owed
    facts: Facts


@dataclass(frozen=True, slots=True)
class Claim:
    """One message that is about to be sent to one address; `key` is its idempotency key on every repeat.

    until  how long it is left to the node that claimed it; afterwards another may have it, and it must not leave any more
    """

    key: str
    until: datetime
    lane: str
    purpose: str
    user_id: str
    user_name: str
    contact_method_id: str
    address: str
    country_code: int | None
    fields: Mapping[str, Any]
    pages: tuple[ClaimedPage, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one claimed message, and when that was known."""

    claim: Claim
    outcome: Outcome
    ended_at: datetime


# ------------------------------------------------------------------------------------------------------------- owing


def owe_pages(
    tx: Tx, orders: Sequence[PageOrder], *, now: datetime, chance: Random, purpose: str = message.PAGE
) -> dict[PageOrder, int]:
    """Plan and keep the pages of these orders; how many each led to. 0: that person has no way to be reached."""
    reaches = _reaches(tx, {order.user_id for order in orders})
    rows: list[dict[str, Any]] = []
    counts: dict[PageOrder, int] = {}
    for order in orders:
        ways, rules = reaches.get(order.user_id, ((), ()))
        planned = notify.plan(ways, rules, order.urgency, order.reason, now)
        counts[order] = len(planned)
        rows.extend(
            _row(
                one.way,
                one.due_at,
                one.reason,
                order.user_id,
                order.incident_id,
                order.urgency,
                purpose,
                now,
                chance,
            )
            for one in planned
        )
    outbox.owe(tx, rows)
    return counts


def drop_pages(
    tx: Tx,
    incident_ids_and_users: Sequence[tuple[str, str | None]],
    *,
    reason: str,
    now: datetime,  # noqa: ARG001 - part of the interface: every writing function is told the instant
) -> int:
    """End the pages that are still due for these incidents and people (None: everybody of it). Returns how many.

    What is being sent at this moment is on its way and not called back (DESIGN 6, promise 4).
    """
    return outbox.drop(tx, incident_ids_and_users, reason)


def drop_requests(tx: Tx, incident_ids_and_users: Sequence[tuple[str, str | None]], *, reason: str) -> int:
    """End the requests for help still due for these incidents and people (None: everybody who was asked). Returns how many."""
    return outbox.drop(tx, incident_ids_and_users, reason, (message.HELP,))


def owe_last_resort(tx: Tx, incident_id: str, *, reason: str, now: datetime, chance: Random) -> int:
    """Page the account's last-resort people on every way they have, at once. Returns how many pages that made.

    They are `account.settings["last_resort"]` (user ids); with none configured, the owner and the admins. Somebody whom
    the last resort has paged for this incident already, or is about to, is not paged again, as long as the incident has
    been triggered since: one that was acknowledged or resolved meanwhile needs them anew.
    """
    return call_last_resort(tx, incident_id, reason=reason, now=now, chance=chance).pages


@dataclass(frozen=True, slots=True)
class LastResortCall:
    """Whom the last resort pages now, with how many pages; `told_before`: who knows of this incident already."""

    user_ids: tuple[str, ...]
    pages: int
    told_before: bool

    @property
    def words(self) -> str:
        """What the incident's log says of it."""
        if self.pages:
            return f"{self.pages} last-resort pages are owed"
        return "the last resort has been told already" if self.told_before else "nobody is set as last resort"


def call_last_resort(
    tx: Tx, incident_id: str, *, reason: str, now: datetime, chance: Random, is_anew: bool = False
) -> LastResortCall:
    """Page the last-resort people as `owe_last_resort` says.

    is_anew  the incident became triggered in this very transaction, which its log does not say yet
    """
    paged, told = _last_resort(tx, incident_id, reason, now, chance, is_anew=is_anew)
    return LastResortCall(tuple(paged), sum(paged.values()), bool(told))


def owe_test(tx: Tx, user_id: str, contact_method_id: str, *, now: datetime, chance: Random) -> str:
    """Send a test to one contact method, at once; the id of the page. Refuses (404) one that is not this person's."""
    found = tx.one(
        sa.select(people.contact_method.c.id, people.contact_method.c.kind).where(
            people.contact_method.c.id == contact_method_id, people.contact_method.c.user_id == user_id
        )
    )
    if found is None:
        raise not_found("Contact Method")
    row = _row(Way(found.id, found.kind), now, "a test was asked for", user_id, None, None, message.TEST, now, chance)
    row["facts"] = {
        "title": "Test from Tocsin",
        "text": "This is a test from Tocsin: this way of reaching you works. There is nothing to do.",
    }
    outbox.owe(tx, [row])
    return str(row["id"])


def owe_notice(
    tx: Tx, user_id: str, contact_method_id: str, *, purpose: str, facts: Mapping[str, str], reason: str, now: datetime, chance: Random
) -> str:
    """Send what is about no incident to one contact method, at once; the id of the page.

    facts  `title`, `text`, `link`, `html`, and `swap` for a request to take a shift: what `core.message.Facts` says of them
    """
    kind = tx.scalar(sa.select(people.contact_method.c.kind).where(people.contact_method.c.id == contact_method_id))
    if kind is None:
        raise not_found("Contact Method")
    row = _row(Way(contact_method_id, kind), now, reason, user_id, None, "low", purpose, now, chance)
    outbox.owe(tx, [row | {"facts": dict(facts)}])
    return str(row["id"])


def owe_quietly(
    tx: Tx, user_ids: Collection[str], *, purpose: str, facts: Mapping[str, str], reason: str, now: datetime, chance: Random
) -> dict[str, int]:
    """Tell these people, at once, on the ways their own rules use first when nothing is urgent. By person, how many pages."""
    counts = dict.fromkeys(user_ids, 0)
    for user_id, (ways, rules) in sorted(_reaches(tx, set(user_ids)).items()):
        for way in notify.quiet_ways(ways, rules):
            owe_notice(tx, user_id, way.id, purpose=purpose, facts=facts, reason=reason, now=now, chance=chance)
            counts[user_id] += 1
    return counts


def _last_resort(
    tx: Tx, incident_id: str, reason: str, now: datetime, chance: Random, *, is_anew: bool
) -> tuple[dict[str, int], set[str]]:
    """Owe the pages: by user how many; and who had been told before."""
    settings = tx.scalar(sa.select(people.account.c.settings)) or {}
    chosen = [user for user in settings.get(LAST_RESORT_SETTING) or [] if isinstance(user, str)]
    reaches = _reaches(tx, set(chosen)) if chosen else {}
    if not reaches:
        admins = tx.rows(sa.select(people.user.c.id).where(people.user.c.role.in_(("owner", "admin"))))
        reaches = _reaches(tx, {row.id for row in admins})
    told: set[str] = set()
    if not is_anew:
        told = outbox.has_last_resort(tx, incident_id, reaches.keys()) - _told_only_before(tx, incident_id)
    rows: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for user_id in sorted(reaches.keys() - told):
        usable = [way for way in reaches[user_id][0] if way.is_enabled]
        why = f"last resort: {reason}"
        rows.extend(
            _row(way, now, why, user_id, incident_id, "high", message.LAST_RESORT, now, chance) for way in usable
        )
        if usable:
            counts[user_id] = len(usable)
    outbox.owe(tx, rows)
    return counts, told


_CALLS_ANEW: Final = ("triggered", "reopened", "unacknowledged")
"""What makes an incident need somebody who may have been told of it before."""


def _told_only_before(tx: Tx, incident_id: str) -> set[str]:
    """Whom the last resort told only before the incident last became triggered, by its log: clocks may be apart."""
    before: set[str] = set()
    since: set[str] = set()
    for entry in events.of_incident(tx, incident_id, kinds=("last_resort", *_CALLS_ANEW)):
        if isinstance(entry.event, LastResortPaged):
            since.update(entry.event.user_ids)
        else:
            before |= since
            since.clear()
    return before - since


def _row(
    way: Way,
    due_at: datetime,
    reason: str,
    user_id: str,
    incident_id: str | None,
    urgency: str | None,
    purpose: str,
    now: datetime,
    chance: Random,
) -> dict[str, Any]:
    return {
        "id": ids.long_id(chance, prefix="N"), "incident_id": incident_id, "user_id": user_id,
        "contact_method_id": way.id, "lane": way.kind, "purpose": purpose, "urgency": urgency, "created_at": now,
        "due_at": due_at, "reason": reason,
    }  # fmt: skip


def _reaches(tx: Tx, user_ids: set[str]) -> dict[str, tuple[tuple[Way, ...], tuple[Rule, ...]]]:
    return {user: _as_ways(reach) for user, reach in outbox.reach_of(tx, user_ids).items()}


def _as_ways(reach: Reach) -> tuple[tuple[Way, ...], tuple[Rule, ...]]:
    return tuple(Way(*method) for method in reach.methods), tuple(Rule(*rule) for rule in reach.rules)


# ---------------------------------------------------------------------------------------------------------- claiming


def claim(
    tx: Tx,
    lane: str,
    *,
    now: datetime,
    node: str,
    limit: int,
    public_url: str = "",
    chance: Random,
    crowded: Collection[str] = frozenset(),
    most_each: int | None = None,
) -> list[Claim]:
    """Look at the due pages of a lane, drop those nobody wants any more, bundle the rest, and write the tries.

    Returns at most `limit` messages to send, at most `most_each` of them to one contact method and none to the `crowded`
    ones; what is over stays due.
    """
    rows = {row.id: row for row in outbox.due(tx, lane, now=now, limit=_looked_at(lane, limit), crowded=crowded)}
    unwanted: dict[str, str] = {}
    wanted: list[Due] = []
    for row in rows.values():
        reason = notify.stopped(row.purpose, incident_status=row.status, is_assigned=row.assignee is not None)
        if reason is not None:
            unwanted[row.id] = reason
            continue
        key = row.bundle_id or (row.id if row.tries else None)
        wanted.append(Due(row.id, row.contact_method_id, row.purpose, key, _window(lane, row), row.last_paged_at))
    outbox.end(tx, unwanted, outbox.DROPPED)
    decided = notify.bundle(wanted, now)
    leaving = notify.shared_out(decided.now, limit=limit, most_each=most_each or limit)
    outbox.hold(tx, {page.id: until for page, until in decided.held})
    until = now + CLAIM_FOR
    claims = [_claim(key, until, lane, [rows[page.id] for page in pages], public_url, chance) for key, pages in leaving]
    pages = [page.outbox_id for one in claims for page in one.pages]
    outbox.claim(tx, pages, until=until, node=node)
    outbox.name_bundles(
        tx, {page.outbox_id: one.key for one in claims if len(one.pages) > 1 for page in one.pages if page.tries == 1}
    )
    # Only what is gathered needs to know when the last message left.
    outbox.note_paged(
        tx, {rows[page.id].contact_method_id for _, part in leaving for page in part if page.window > 0}, now
    )
    outbox.begin_deliveries(
        tx,
        [
            {
                "id": page.delivery_id, "outbox_id": page.outbox_id, "incident_id": page.incident_id,
                "user_id": one.user_id, "channel": lane, "address": full_address(one.address, one.country_code),
                "started_at": now, "idempotency_key": one.key,
            }
            for one in claims
            for page in one.pages
        ],
    )  # fmt: skip
    return claims


def full_address(address: str, country_code: int | None) -> str:
    """An address as providers and receipts write it: telephone numbers in international form, others as they are."""
    return f"+{country_code}{address}" if country_code else address


def _looked_at(lane: str, limit: int) -> int:
    """How many due pages to look at for `limit` messages: more where those of one person become one."""
    channel = roll.BY_KIND.get(lane)
    return max(limit, LOOKED_AT) if channel and channel.limits.bundle_seconds else limit


def _window(lane: str, row: Any) -> int:
    if row.purpose not in notify.GOES_ON:
        return 0  # what says something of its own goes alone, so that all of it is read
    own = (row.fields or {}).get("bundle_seconds")
    if isinstance(own, int) and 0 <= own <= 3600:
        return own
    channel = roll.BY_KIND.get(lane)
    return channel.limits.bundle_seconds if channel else 0


def _claim(key: str, until: datetime, lane: str, rows: Sequence[Any], public_url: str, chance: Random) -> Claim:
    first = rows[0]
    return Claim(
        key=key,
        until=until,
        lane=lane,
        purpose=first.purpose,
        user_id=first.user_id,
        user_name=first.user_name or "",
        contact_method_id=first.contact_method_id,
        address=first.address if first.address is not None and first.is_enabled and not first.is_disabled else "",
        country_code=first.country_code,
        fields=first.fields or {},
        pages=tuple(
            ClaimedPage(
                outbox_id=row.id,
                delivery_id=ids.long_id(chance, prefix="D"),
                tries=row.tries + 1,
                incident_id=row.incident_id,
                service_id=row.service_id,
                owed_at=row.created_at,
                is_prompt=row.tries == 0 and row.due_at <= row.created_at,
                facts=_facts(row, public_url),
            )
            for row in rows
        ),
    )


def _facts(row: Any, public_url: str) -> Facts:
    if row.incident_id is None or row.status is None:
        told = row.facts or {}
        return Facts(
            title=str(told.get("title", "Message from Tocsin")), text=str(told.get("text", "")), reason=row.reason,
            urgency=row.urgency or "high", link=str(told.get("link", "")), swap_id=str(told.get("swap", "")),
            html=str(told.get("html", "")),
        )  # fmt: skip
    return Facts(
        title=row.title, reason=row.reason, incident_id=row.incident_id, number=row.number, service=row.service_name or "",
        urgency=row.urgency or "high", since=row.incident_created_at,
        link=f"{public_url}/incidents/{row.incident_id}" if public_url else "",
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- recording


def record(tx: Tx, results: Sequence[Result], *, now: datetime, chance: Random) -> None:
    """Write what became of claimed messages: receipts, sent, retried, moved on or failed, and the incident's log."""
    log: list[Event] = []
    receipts: list[dict[str, Any]] = []
    sent: list[str] = []
    troubled: list[tuple[Result, ClaimedPage]] = []
    for result in results:
        outcome, detail, provider_id = _receipt(result.outcome)
        for page in result.claim.pages:
            receipts.append({"id": page.delivery_id, "ended_at": result.ended_at, "outcome": outcome, "detail": detail,
                             "provider_id": provider_id})  # fmt: skip
            if isinstance(result.outcome, Accepted):
                sent.append(page.outbox_id)
            else:
                troubled.append((result, page))
            log.extend(_notified(result, page, outcome, detail))
    outbox.end_deliveries(tx, receipts)
    outbox.mark_sent(tx, sent, now=now)
    if troubled:
        _follow_up(tx, troubled, log, now, chance)
    events.append(tx, log, chance=chance)


def _receipt(outcome: Outcome) -> tuple[str, str, str | None]:
    match outcome:
        case Accepted():
            return "accepted", outcome.detail, outcome.provider_id
        case NotNow():
            return "unreachable", outcome.reason, None
        case Refused():
            return "refused", outcome.reason, None
        case _:
            assert_never(outcome)


def _notified(result: Result, page: ClaimedPage, outcome: str, detail: str) -> list[Event]:
    """The log's line for a try: every one that left or was refused, and of repeated trouble only the first."""
    if page.incident_id is None or (isinstance(result.outcome, NotNow) and page.tries > 1):
        return []
    claim = result.claim
    return [
        Notified(
            incident_id=page.incident_id, service_id=page.service_id or "", at=result.ended_at, agent=TOCSIN,
            channel="auto", reason=page.facts.reason if outcome == "accepted" else f"{page.facts.reason}; {detail}",
            user_id=claim.user_id, kind=claim.lane, address=full_address(claim.address, claim.country_code),
            outcome=outcome, outbox_id=page.outbox_id,
        )
    ]  # fmt: skip


def _follow_up(
    tx: Tx, troubled: Sequence[tuple[Result, ClaimedPage]], log: list[Event], now: datetime, chance: Random
) -> None:
    """Settle the pages whose try did not work, as the rules decide."""
    ours = outbox.still_ours(tx, {page.outbox_id: page.tries for _, page in troubled})
    reaches = _reaches(tx, {result.claim.user_id for result, _ in troubled})
    again: dict[str, datetime] = {}
    for result, page in troubled:
        if page.outbox_id not in ours:
            continue
        ways = reaches.get(result.claim.user_id, ((), ()))[0]
        goes_on = result.claim.purpose in notify.GOES_ON
        plan = _plan(tx, result, page) if goes_on else ()
        other = notify.next_way(ways, plan) if goes_on else None
        if isinstance(result.outcome, NotNow):
            then: notify.Then = notify.after_trouble(
                result.outcome.reason,
                tries=page.tries,
                retry_after=result.outcome.retry_after,
                has_other_way=other is not None,
                now=now,
                chance=chance,
            )
        else:
            assert isinstance(result.outcome, Refused)
            then = notify.after_refusal(result.outcome.reason, has_other_way=other is not None)
        match then:
            case TryAgain():
                again[page.outbox_id] = then.at
                if then.is_last_hope and not _is_reached_without(plan, page.outbox_id):
                    words = f"{then.reason}; it is tried every minute, and there is no other way"
                    _unreachable(tx, result, page, words, log, now, chance)
            case MoveOn():
                outbox.end(tx, {page.outbox_id: f"failed: {then.reason}"}, outbox.FAILED)
                assert other is not None
                _move_on(tx, result, page, plan, other, then.reason, now, chance)
            case GiveUp():
                outbox.end(tx, {page.outbox_id: f"failed: {then.reason}"}, outbox.FAILED)
                if not _is_reached_without(plan, page.outbox_id) and not _said_before(result, page):
                    _unreachable(tx, result, page, then.reason, log, now, chance)
            case _:
                assert_never(then)
    outbox.put_back(tx, again)


def _said_before(result: Result, page: ClaimedPage) -> bool:
    """Whether the incident's log has said before that this person cannot be reached (when the quick tries were spent)."""
    return isinstance(result.outcome, NotNow) and page.tries > notify.QUICK_TRIES


def _plan(tx: Tx, result: Result, page: ClaimedPage) -> tuple[Sibling, ...]:
    """The pages that were owed together with one that failed, itself included."""
    if page.incident_id is None:
        return ()
    rows = outbox.siblings(tx, page.incident_id, result.claim.user_id, page.owed_at)
    return tuple(Sibling(row.id, row.contact_method_id, row.state) for row in rows)


def _is_reached_without(plan: Sequence[Sibling], outbox_id: str) -> bool:
    return notify.is_reached(sibling for sibling in plan if sibling.id != outbox_id)


def _move_on(
    tx: Tx,
    result: Result,
    page: ClaimedPage,
    plan: Sequence[Sibling],
    other: Way,
    reason: str,
    now: datetime,
    chance: Random,
) -> None:
    """Owe the page on the person's next way at once; one planned there for later comes forward."""
    why = f"{page.facts.reason}; {result.claim.lane} failed ({reason}), so at once by {other.kind}"
    waiting = [sibling.id for sibling in plan if sibling.way_id == other.id and sibling.state == outbox.DUE]
    if waiting:
        outbox.put_back(tx, {waiting[0]: now})
        return
    row = _row(
        other, now, why, result.claim.user_id, page.incident_id, page.facts.urgency, result.claim.purpose, now, chance
    )
    # It belongs to the plan that began with the first page: by that instant its siblings are known.
    outbox.owe(tx, [row | {"created_at": page.owed_at}])
    tx.wake(outbox.bell_of(other.kind))


def _unreachable(
    tx: Tx, result: Result, page: ClaimedPage, reason: str, log: list[Event], now: datetime, chance: Random
) -> None:
    """Say in the incident that this person cannot be reached; with nobody else reached, page the last resort."""
    if page.incident_id is None:
        return
    said: dict[str, Any] = {
        "incident_id": page.incident_id, "service_id": page.service_id or "", "at": now, "agent": TOCSIN, "channel": "auto",
    }  # fmt: skip
    user_id = result.claim.user_id
    log.append(PersonUnreachable(**said, reason=reason, user_id=user_id))
    if result.claim.purpose != message.PAGE or outbox.somebody_else_reached(
        tx, page.incident_id, user_id, page.owed_at
    ):
        return
    why = "nobody the incident is assigned to can be reached"
    called = call_last_resort(tx, page.incident_id, reason=why, now=now, chance=chance)
    log.append(LastResortPaged(**said, reason=f"{why}; {called.words}", user_ids=called.user_ids))


# ----------------------------------------------------------------------------------------------------- later receipts


def note_receipt(
    tx: Tx, provider_id: str, key: str, *, arrived: bool, is_final: bool, detail: str, now: datetime, chance: Random
) -> int:
    """A provider's later word on a message: it arrived, or it did not after all. Returns how many pages it was about.

    A message that did not arrive fails for good on this way, and its pages move on as if it had been refused. A word that
    overtakes the answer to the request itself is known by our key.
    """
    rows = outbox.deliveries_by_provider_id(tx, provider_id) or [
        row for row in outbox.deliveries_by_key(tx, key) if key and row.outcome is None
    ]
    if not rows:
        return 0
    if not is_final:
        outbox.set_receipt(
            tx, [row.id for row in rows if row.outcome == "accepted"], outcome="accepted", detail=detail, now=now
        )
        return len(rows)
    if arrived:
        outbox.set_receipt(
            tx, [row.id for row in rows if row.outcome != "delivered"], outcome="delivered", detail=detail, now=now
        )
        return len(rows)
    fresh = [row for row in rows if row.outcome in {"accepted", None}]
    outbox.set_receipt(tx, [row.id for row in fresh], outcome="refused", detail=detail, now=now)
    log: list[Event] = []
    troubled = [again for row in fresh if (again := _as_troubled(tx, row, detail, now)) is not None]
    reopened = [page.outbox_id for _, page in troubled]
    if reopened:
        # The page counts as under way again, so that the same rules settle it.
        tx.execute(sa.update(engine.outbox).where(engine.outbox.c.id.in_(reopened)).values(state=outbox.SENDING))
        for result, page in troubled:
            log.extend(_notified(result, page, "refused", detail))
        _follow_up(tx, troubled, log, now, chance)
        events.append(tx, log, chance=chance)
    return len(rows)


def _as_troubled(tx: Tx, delivery: Any, detail: str, now: datetime) -> tuple[Result, ClaimedPage] | None:
    """A receipt and its page in the form in which results are recorded; None when the page is settled otherwise."""
    page = outbox.page(tx, delivery.outbox_id)
    if page is None or page.state not in {outbox.SENT, outbox.SENDING}:
        return None
    incident = (
        tx.one(sa.select(incidents.incident).where(incidents.incident.c.id == page.incident_id))
        if page.incident_id
        else None
    )
    claimed = ClaimedPage(
        outbox_id=page.id, delivery_id=delivery.id, tries=page.tries, incident_id=page.incident_id,
        service_id=incident.service_id if incident else None, owed_at=page.created_at, is_prompt=False,
        facts=Facts(title=incident.title if incident else "", reason=page.reason, urgency=page.urgency or "high"),
    )  # fmt: skip
    claim = Claim(
        key=delivery.idempotency_key, until=now, lane=page.lane, purpose=page.purpose, user_id=page.user_id, user_name="",
        contact_method_id=page.contact_method_id, address=delivery.address, country_code=None, fields={}, pages=(claimed,),
    )  # fmt: skip
    return Result(claim, Refused(detail), now), claimed
