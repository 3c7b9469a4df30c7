"""Pages owed to people and the receipts of every try: owe, claim, settle, drop.

Laws:
1. A try is written before it is made: a delivery row without outcome, and the page `sending` until its claim runs out.
2. What is settled is settled for the try that was claimed; an answer that comes too late only completes its receipt,
   unless it says that the page arrived.
3. A page leaves the states `due` and `sending` only with a reason, or because it was sent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import engine, incidents, people, services

# In the statements of the hot path the states `due` and `sending` are written out: only so do the partial indexes serve.
DUE: Final = "due"
SENDING: Final = "sending"
SENT: Final = "sent"
FAILED: Final = "failed"
DROPPED: Final = "dropped"

CHUNK: Final = 5000
"""Ids asked for in one statement; databases limit how many parameters a statement may have."""

_outbox, _delivery = engine.outbox, engine.delivery
_method, _user, _rule = people.contact_method, people.user, people.notification_rule


@dataclass(frozen=True, slots=True)
class Reach:
    """One person's contact methods and rules as rows: (id, kind, position, is_enabled) and (method id, minutes, urgency)."""

    methods: tuple[tuple[str, str, int, bool], ...]
    rules: tuple[tuple[str, int, str], ...]


_REACH: Final = (
    sa.select(
        _method.c.user_id, _method.c.id, _method.c.kind, _method.c.position, _method.c.is_enabled,
        _rule.c.start_delay_in_minutes, _rule.c.urgency,
    )
    .select_from(
        _method.join(_user, _user.c.id == _method.c.user_id).outerjoin(_rule, _rule.c.contact_method_id == _method.c.id)
    )
    .where(_method.c.user_id.in_(sa.bindparam("user_ids", expanding=True)), _user.c.is_disabled.is_(False))
)  # fmt: skip


def reach_of(tx: Tx, user_ids: Collection[str]) -> dict[str, Reach]:
    """How each of these people can be reached, in one statement; disabled and unknown people are not in it."""
    found: dict[str, Reach] = {}
    for part in _chunks(sorted(set(user_ids))):
        methods: dict[str, dict[str, tuple[str, str, int, bool]]] = {}
        rules: dict[str, list[tuple[str, int, str]]] = {}
        for row in tx.rows(_REACH, {"user_ids": part}):
            methods.setdefault(row.user_id, {})[row.id] = (row.id, row.kind, row.position, row.is_enabled)
            if row.urgency is not None:
                rules.setdefault(row.user_id, []).append((row.id, row.start_delay_in_minutes, row.urgency))
        found |= {user: Reach(tuple(ways.values()), tuple(rules.get(user, ()))) for user, ways in methods.items()}
    return found


def bell_of(lane: str) -> str:
    """The bell that rings when a page of this lane is due at once. What is due later is found by looking."""
    return f"deliver:{lane}"


def owe(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep these pages as owed and wake whoever sends them. Each row has the outbox's own columns."""
    if rows:
        whole = [
            {"state": DUE, "tries": 0, "claimed_until": None, "claimed_by": None, "sent_at": None, "bundle_id": None, "facts": None, **row}
            for row in rows
        ]  # fmt: skip
        tx.execute(sa.insert(_outbox), whole)
        for lane in {row["lane"] for row in rows if row["due_at"] <= row["created_at"]}:
            tx.wake(bell_of(lane))


def drop(
    tx: Tx,
    incident_ids_and_users: Sequence[tuple[str, str | None]],
    reason: str,
    purposes: Collection[str] = ("page", "last_resort"),
) -> int:
    """End the pages for these purposes still `due` of these incidents (and people; None: everybody). Returns how many."""
    whole = sorted({incident for incident, user in incident_ids_and_users if user is None})
    single = sorted({(incident, user) for incident, user in incident_ids_and_users if user is not None})
    statement = (
        sa.update(_outbox)
        .where(_outbox.c.state == DUE, _outbox.c.purpose.in_(sorted(purposes)))
        .values(state=DROPPED, reason=_outbox.c.reason + f"; {reason}")
    )
    count = 0
    for incidents_part in _chunks(whole):
        count += tx.execute(statement.where(_outbox.c.incident_id.in_(incidents_part))).rowcount
    for incident, user in single:
        count += tx.execute(statement.where(_outbox.c.incident_id == incident, _outbox.c.user_id == user)).rowcount
    return count


def next_due(tx: Tx, lanes: Sequence[str]) -> dict[str, datetime]:
    """The instant at which each lane's first page is due; lanes with nothing are left out."""
    firsts = [
        sa.select(
            sa.literal(lane).label("lane"),
            sa.select(_outbox.c.due_at)
            .where(_outbox.c.lane == lane, _outbox.c.state == sa.literal_column("'due'"))
            .order_by(_outbox.c.due_at)
            .limit(1)
            .scalar_subquery()
            .label("due_at"),
        )
        for lane in lanes
    ]
    return {row.lane: row.due_at for row in tx.rows(sa.union_all(*firsts)) if row.due_at is not None} if firsts else {}


def has_lost(tx: Tx, now: datetime) -> bool:
    """Whether some claim has run out."""
    lost = sa.select(_outbox.c.id).where(
        _outbox.c.state == sa.literal_column("'sending'"), _outbox.c.claimed_until < now
    )
    return tx.one(lost.limit(1)) is not None


def return_lost(tx: Tx, *, now: datetime, holder: str | None = None) -> int:
    """Make pages due again whose claim ran out, or (with `holder`) that an earlier life of this node had claimed.

    They keep their idempotency key. Their unfinished receipts say what happened.
    """
    lost = _outbox.c.claimed_by == holder if holder is not None else _outbox.c.claimed_until < now
    ids = [row.id for row in tx.rows(sa.select(_outbox.c.id).where(_outbox.c.state == SENDING, lost).limit(CHUNK)
                                     .with_for_update(skip_locked=True))]  # fmt: skip
    if ids:
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id.in_(ids), _outbox.c.state == SENDING)
            .values(state=DUE, claimed_until=None, claimed_by=None)
        )  # fmt: skip
        tx.execute(
            sa.update(_delivery).where(_delivery.c.outbox_id.in_(ids), _delivery.c.outcome.is_(None))
            .values(outcome="unknown", ended_at=now, detail="no answer was recorded; sent again with the same key")
        )  # fmt: skip
    return len(ids)


_DUE_COLUMNS: Final = (
    _outbox.c.id, _outbox.c.incident_id, _outbox.c.user_id, _outbox.c.contact_method_id, _outbox.c.purpose,
    _outbox.c.urgency, _outbox.c.created_at, _outbox.c.due_at, _outbox.c.reason, _outbox.c.tries, _outbox.c.bundle_id,
    _outbox.c.facts,
    _method.c.address, _method.c.country_code, _method.c.fields, _method.c.is_enabled, _method.c.last_paged_at,
    _user.c.name.label("user_name"), _user.c.is_disabled,
    incidents.incident.c.status, incidents.incident.c.number, incidents.incident.c.title,
    incidents.incident.c.service_id, incidents.incident.c.created_at.label("incident_created_at"),
    services.service.c.name.label("service_name"), incidents.assignee.c.user_id.label("assignee"),
)  # fmt: skip

_DUE_FROM: Final = (
    _outbox.outerjoin(_method, _method.c.id == _outbox.c.contact_method_id)
    .outerjoin(_user, _user.c.id == _outbox.c.user_id)
    .outerjoin(incidents.incident, incidents.incident.c.id == _outbox.c.incident_id)
    .outerjoin(services.service, services.service.c.id == incidents.incident.c.service_id)
    .outerjoin(
        incidents.assignee,
        sa.and_(
            incidents.assignee.c.incident_id == _outbox.c.incident_id,
            incidents.assignee.c.user_id == _outbox.c.user_id,
        ),
    )
)


def due(
    tx: Tx, lane: str, *, now: datetime, limit: int, crowded: Collection[str] = frozenset()
) -> Sequence[sa.Row[Any]]:
    """The pages of a lane whose time has come, the longest due first, locked, with all that a message says about them.

    Those for the contact methods in `crowded` are left out.
    """
    statement = sa.select(*_DUE_COLUMNS).select_from(_DUE_FROM)
    if crowded:
        statement = statement.where(_outbox.c.contact_method_id.not_in(sorted(crowded)))
    return tx.rows(
        statement.where(_outbox.c.lane == lane, _outbox.c.state == sa.literal_column("'due'"), _outbox.c.due_at <= now)
        .order_by(_outbox.c.due_at, _outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_outbox)
    )


def claim(tx: Tx, ids: Sequence[str], *, until: datetime, node: str) -> None:
    """Mark the pages as being sent by `node` until the claim runs out."""
    for part in _chunks(ids):
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id.in_(part))
            .values(state=SENDING, claimed_until=until, claimed_by=node, tries=_outbox.c.tries + 1)
        )  # fmt: skip


def name_bundles(tx: Tx, bundles: Mapping[str, str]) -> None:
    """Remember under which key (idempotency key) each page goes with others: outbox id → key."""
    if bundles:
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id == sa.bindparam("b_id")).values(bundle_id=sa.bindparam("b_key")),
            [{"b_id": page, "b_key": key} for page, key in bundles.items()],
        )


def note_paged(tx: Tx, method_ids: Collection[str], now: datetime) -> None:
    """A message leaves for these contact methods now."""
    for part in _chunks(sorted(method_ids)):
        tx.execute(sa.update(_method).where(_method.c.id.in_(part)).values(last_paged_at=now))


def hold(tx: Tx, until: Mapping[str, datetime]) -> None:
    """Put these pages off: outbox id → when they are due."""
    if until:
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id == sa.bindparam("b_id")).values(due_at=sa.bindparam("b_due")),
            [{"b_id": page, "b_due": at} for page, at in until.items()],
        )


def end(tx: Tx, reasons: Mapping[str, str], state: str) -> None:
    """End pages that are claimed by us or locked by us in `state`, each with its reason added to why it was planned."""
    if reasons:
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id == sa.bindparam("b_id"))
            .values(state=state, reason=_outbox.c.reason + sa.bindparam("b_reason"), claimed_until=None),
            [{"b_id": page, "b_reason": f"; {reason}"} for page, reason in reasons.items()],
        )  # fmt: skip


def begin_deliveries(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the tries that are about to be made (law 1)."""
    if rows:
        blank = {"ended_at": None, "outcome": None, "detail": None, "provider_id": None, "updated_at": None}
        tx.execute(sa.insert(_delivery), [{**blank, **row} for row in rows])


def end_deliveries(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Complete receipts: each row has id, ended_at, outcome, detail, provider_id."""
    if rows:
        tx.execute(
            sa.update(_delivery).where(
                _delivery.c.id == sa.bindparam("b_id"),
                # A receipt may have overtaken the answer to the request itself: then it stands.
                sa.or_(_delivery.c.outcome.is_(None), _delivery.c.outcome == "unknown"),
            ).values(
                ended_at=sa.bindparam("b_ended_at"), outcome=sa.bindparam("b_outcome"),
                detail=sa.bindparam("b_detail"), provider_id=sa.bindparam("b_provider_id"),
            ),
            [{f"b_{name}": value for name, value in row.items()} for row in rows],
        )  # fmt: skip


def mark_sent(tx: Tx, ids: Sequence[str], *, now: datetime) -> None:
    """These pages have been taken by their provider, even if the claim had run out meanwhile (law 2)."""
    for part in _chunks(ids):
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id.in_(part), _outbox.c.state.in_((DUE, SENDING)))
            .values(state=SENT, sent_at=now, claimed_until=None)
        )  # fmt: skip


def still_ours(tx: Tx, tries: Mapping[str, int]) -> set[str]:
    """Of these pages (outbox id → number of the try) those that are still in that very try; locked."""
    found: set[str] = set()
    for part in _chunks(sorted(tries)):
        statement = (
            sa.select(_outbox.c.id, _outbox.c.tries).where(_outbox.c.id.in_(part), _outbox.c.state == SENDING)
            .order_by(_outbox.c.id).with_for_update()
        )  # fmt: skip
        found |= {row.id for row in tx.rows(statement) if row.tries == tries[row.id]}
    return found


def put_back(tx: Tx, due_at: Mapping[str, datetime]) -> None:
    """Make pages due again: outbox id → when."""
    if due_at:
        tx.execute(
            sa.update(_outbox).where(_outbox.c.id == sa.bindparam("b_id"))
            .values(state=DUE, due_at=sa.bindparam("b_due"), claimed_until=None, claimed_by=None),
            [{"b_id": page, "b_due": at} for page, at in due_at.items()],
        )  # fmt: skip
        tx.wake("deliver")


def siblings(tx: Tx, incident_id: str, user_id: str, owed_at: datetime) -> Sequence[sa.Row[Any]]:
    """The pages of one plan: what was owed to this person for this incident at that instant, with what followed from it."""
    return tx.rows(
        sa.select(_outbox.c.id, _outbox.c.contact_method_id, _outbox.c.state).where(
            _outbox.c.incident_id == incident_id, _outbox.c.user_id == user_id, _outbox.c.created_at == owed_at
        )
    )


def somebody_else_reached(tx: Tx, incident_id: str, user_id: str, owed_at: datetime) -> bool:
    """Whether a page for the incident has left, or still may, to another of those it is assigned to.

    Only pages owed since `owed_at` count: who was told of it once, before it came back, has not been told now.
    """
    others = (
        sa.select(_outbox.c.id)
        .join(
            incidents.assignee,
            sa.and_(
                incidents.assignee.c.incident_id == _outbox.c.incident_id,
                incidents.assignee.c.user_id == _outbox.c.user_id,
            ),
        )
        .where(
            _outbox.c.incident_id == incident_id,
            _outbox.c.user_id != user_id,
            _outbox.c.created_at >= owed_at,
            _outbox.c.state.in_((DUE, SENDING, SENT)),
        )
    )
    return tx.one(others.limit(1)) is not None


def has_last_resort(tx: Tx, incident_id: str, users: Collection[str]) -> set[str]:
    """Of these people, those who have a last-resort page for the incident already."""
    statement = sa.select(_outbox.c.user_id).where(
        _outbox.c.incident_id == incident_id, _outbox.c.purpose == "last_resort", _outbox.c.state.in_((DUE, SENDING, SENT)),
        _outbox.c.user_id.in_(sorted(users)),
    )  # fmt: skip
    return {row.user_id for row in tx.rows(statement)}


def page(tx: Tx, outbox_id: str) -> sa.Row[Any] | None:
    """One page as it is kept."""
    return tx.one(sa.select(_outbox).where(_outbox.c.id == outbox_id))


def pages_of_incident(tx: Tx, incident_id: str) -> Sequence[sa.Row[Any]]:
    """Every page that was ever owed for the incident, oldest first."""
    return tx.rows(
        sa.select(_outbox)
        .where(_outbox.c.incident_id == incident_id)
        .order_by(_outbox.c.created_at, _outbox.c.due_at, _outbox.c.id)
    )


def deliveries_of_incident(tx: Tx, incident_id: str) -> Sequence[sa.Row[Any]]:
    """The receipts of every try for the incident, oldest first."""
    return tx.rows(
        sa.select(_delivery)
        .where(_delivery.c.incident_id == incident_id)
        .order_by(_delivery.c.started_at, _delivery.c.id)
    )


def deliveries_of_page(tx: Tx, outbox_id: str) -> Sequence[sa.Row[Any]]:
    """The receipts of every try of one page, oldest first."""
    return tx.rows(
        sa.select(_delivery).where(_delivery.c.outbox_id == outbox_id).order_by(_delivery.c.started_at, _delivery.c.id)
    )


def deliveries_by_key(tx: Tx, key: str) -> Sequence[sa.Row[Any]]:
    """The receipts under one idempotency key: the pages that went as one message."""
    return tx.rows(
        sa.select(_delivery).where(_delivery.c.idempotency_key == key).order_by(_delivery.c.started_at, _delivery.c.id)
    )


def deliveries_by_provider_id(tx: Tx, provider_id: str) -> Sequence[sa.Row[Any]]:
    """The receipts that a provider knows under its own id."""
    return tx.rows(sa.select(_delivery).where(_delivery.c.provider_id == provider_id).order_by(_delivery.c.id))


def last_messages_to(tx: Tx, channel: str, address: str, limit: int) -> Sequence[sa.Row[Any]]:
    """The latest receipts of what left for this address on this channel, newest first, with the person's id."""
    return tx.rows(
        sa.select(_delivery)
        .where(
            _delivery.c.channel == channel, _delivery.c.address == address, _delivery.c.incident_id.is_not(None),
            sa.or_(_delivery.c.outcome.in_(("accepted", "delivered", "unknown")), _delivery.c.outcome.is_(None)),
        )
        .order_by(_delivery.c.started_at.desc(), _delivery.c.id)
        .limit(limit)
    )  # fmt: skip


def set_receipt(tx: Tx, delivery_ids: Sequence[str], *, outcome: str, detail: str, now: datetime) -> None:
    """A provider's later word on a try."""
    for part in _chunks(delivery_ids):
        tx.execute(
            sa.update(_delivery).where(_delivery.c.id.in_(part)).values(outcome=outcome, detail=detail, updated_at=now)
        )


def counts(tx: Tx) -> dict[tuple[str, str], int]:
    """How many pages are owed or under way: (lane, state) → count, for the figures."""
    statement = (
        sa.select(_outbox.c.lane, _outbox.c.state, sa.func.count().label("n"))
        .where(_outbox.c.state.in_((DUE, SENDING))).group_by(_outbox.c.lane, _outbox.c.state)
    )  # fmt: skip
    return {(row.lane, row.state): row.n for row in tx.rows(statement)}


def _chunks(items: Iterable[Any]) -> Iterable[list[Any]]:
    walk = iter(items)
    while part := list(islice(walk, CHUNK)):
        yield part
