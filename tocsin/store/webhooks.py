"""Webhook subscriptions and the webhooks owed to them: who wants to hear, what is due, what became of it.

Laws:
1. Per subscription and subject (an incident, a service) webhooks leave in the order of their positions: only the first
   one that is still due may be taken, however long it has to wait.
2. A position is taken in the transaction that owes the webhook, so a later one is never sent before it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.store import counters
from tocsin.store.db import Tx
from tocsin.store.tables.attachments import extension, oauth_client, subscription_client
from tocsin.store.tables.services import webhook_delivery, webhook_subscription

DUE, SENT, DROPPED = "due", "sent", "dropped"

_delivery = webhook_delivery.c
_subscription = webhook_subscription.c
_client = oauth_client.c
_CLIENT = ("id", "revision", "client_id", "sealed_secret", "scope", "token_url")

EXTENSION = "extension"
"""The filter of a subscription that carries an extension's webhooks: no list of subscriptions has it."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A webhook to be owed. `id` is what the receiver knows repeats by."""

    id: str
    subscription_id: str
    subject_id: str
    event_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Client:
    """The OAuth client whose token a webhook carries; its secret is sealed. `revision` tells one state of it from another."""

    id: str
    revision: int
    client_id: str
    sealed_secret: str
    scope: str | None
    token_url: str


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook to be sent now, with where it goes and what it is signed with (sealed)."""

    id: str
    subscription_id: str
    subject_id: str
    event_type: str
    body: str
    created_at: datetime
    tries: int
    url: str
    custom_headers: Sequence[dict[str, str]]
    sealed_secret: str
    sealed_endpoint: str | None = None  # of an extension: its address, instead of `url`
    client: Client | None = None


def listening(tx: Tx, now: datetime) -> Sequence[sa.Row[Any]]:
    """The subscriptions that hear now: active, and not disabled for refusing too often."""
    awake = sa.or_(_subscription.disabled_until.is_(None), _subscription.disabled_until <= now)
    return tx.rows(sa.select(webhook_subscription).where(_subscription.is_active, awake).order_by(_subscription.id))


def has_subscriptions(tx: Tx) -> bool:
    """Whether there is any subscription, active or not."""
    return tx.one(sa.select(_subscription.id).limit(1)) is not None


def subscription(tx: Tx, subscription_id: str) -> sa.Row[Any] | None:
    """One subscription, locked until the transaction ends."""
    return tx.one(sa.select(webhook_subscription).where(_subscription.id == subscription_id).with_for_update())


def owe(tx: Tx, owed: Sequence[Owed], *, now: datetime) -> None:
    """Keep webhooks to be sent, in this order."""
    if not owed:
        return
    first = counters.take(tx, "webhooks", len(owed))
    tx.execute(
        sa.insert(webhook_delivery),
        [
            {
                "id": one.id,
                "subscription_id": one.subscription_id,
                "subject_id": one.subject_id,
                "event_type": one.event_type,
                "position": first + at,
                "body": one.body,
                "state": DUE,
                "created_at": now,
                "due_at": now,
                "tries": 0,
            }
            for at, one in enumerate(owed)
        ],
    )
    tx.wake("webhooks")


def due(
    tx: Tx, now: datetime, limit: int, *, per_subscription: int, busy: Collection[tuple[str, str]] = ()
) -> list[Due]:
    """Up to `limit` webhooks to be sent now, the first of each line (law 1), those waiting longest first.

    busy              lines (subscription, subject) that have one under way already: left alone
    per_subscription  how many of one subscription may be under way at once, those of `busy` counted
    """
    heads = (
        sa.select(sa.func.min(_delivery.position).label("position"), _delivery.subscription_id)
        .where(_delivery.state == DUE)
        .group_by(_delivery.subscription_id, _delivery.subject_id)
        .subquery()
    )
    of_head = sa.and_(heads.c.subscription_id == _delivery.subscription_id, heads.c.position == _delivery.position)
    order = (_delivery.due_at, _delivery.position)
    rank = sa.func.row_number().over(partition_by=_delivery.subscription_id, order_by=order).label("rank")
    ranked = (
        sa.select(_delivery.id, _delivery.subscription_id, _delivery.subject_id, rank)
        .join(heads, of_head)
        .where(_delivery.due_at <= now)
        .subquery()
    )
    names = ("id", "subscription_id", "subject_id", "event_type", "body", "created_at", "tries")
    found = tx.rows(
        sa.select(
            *(_delivery[name] for name in names),
            _subscription.url,
            _subscription.custom_headers,
            _subscription.sealed_secret,
            extension.c.sealed_endpoint,
            *(_client[name].label(f"client_{name}") for name in _CLIENT),
        )
        .select_from(webhook_delivery)
        .join(ranked, ranked.c.id == _delivery.id)
        .join(webhook_subscription, _subscription.id == _delivery.subscription_id)
        .outerjoin(extension, extension.c.id == _subscription.id)
        .outerjoin(subscription_client, subscription_client.c.subscription_id == _subscription.id)
        .outerjoin(oauth_client, _client.id == subscription_client.c.client_id)
        .where(ranked.c.rank <= per_subscription)
        .order_by(*order)
        .limit(limit + len(busy))
    )
    return [_due(row) for row in found if (row.subscription_id, row.subject_id) not in busy][:limit]


def _due(row: sa.Row[Any]) -> Due:
    told: list[Any] = list(row)
    client = Client(*told[-len(_CLIENT) :]) if row.client_id is not None else None
    return Due(*[*told[: -len(_CLIENT)], client])


def next_due(tx: Tx) -> datetime | None:
    """When the next webhook wants to be sent; None when none is owed."""
    found: datetime | None = tx.scalar(sa.select(sa.func.min(_delivery.due_at)).where(_delivery.state == DUE))
    return found


def mark_sent(tx: Tx, delivery_id: str, now: datetime) -> bool:
    """It was taken by its receiver. False: it is no longer owed (its subscription was disabled meanwhile)."""
    done = (
        sa.update(webhook_delivery)
        .where(_delivery.id == delivery_id, _delivery.state == DUE)
        .values(state=SENT, ended_at=now, tries=_delivery.tries + 1, last_error=None)
    )
    return tx.execute(done).rowcount == 1


def mark_retry(tx: Tx, delivery_id: str, error: str, due_at: datetime) -> None:
    """It did not work; the next try is at `due_at`."""
    later = (
        sa.update(webhook_delivery)
        .where(_delivery.id == delivery_id, _delivery.state == DUE)
        .values(due_at=due_at, tries=_delivery.tries + 1, last_error=error)
    )
    tx.execute(later)


def mark_dropped(tx: Tx, delivery_id: str, error: str, now: datetime) -> bool:
    """It will not be sent any more. False: it was settled already."""
    gone = (
        sa.update(webhook_delivery)
        .where(_delivery.id == delivery_id, _delivery.state == DUE)
        .values(state=DROPPED, ended_at=now, tries=_delivery.tries + 1, last_error=error)
    )
    return tx.execute(gone).rowcount == 1


def drop_queue(tx: Tx, subscription_id: str, reason: str, now: datetime) -> int:
    """Drop all that is still owed to one subscription; returns how many."""
    gone = (
        sa.update(webhook_delivery)
        .where(_delivery.subscription_id == subscription_id, _delivery.state == DUE)
        .values(state=DROPPED, ended_at=now, last_error=reason)
    )
    return tx.execute(gone).rowcount


def set_drops(tx: Tx, subscription_id: str, drops: int, *, disabled_until: datetime | None = None) -> None:
    """How many webhooks in a row were dropped, and until when nothing is owed because of it."""
    tx.execute(
        sa.update(webhook_subscription)
        .where(_subscription.id == subscription_id)
        .values(consecutive_drops=drops, disabled_until=disabled_until)
    )


def of_subscription(tx: Tx, subscription_id: str, limit: int = 100) -> Sequence[sa.Row[Any]]:
    """The newest webhooks of a subscription, whatever became of them."""
    chosen = sa.select(webhook_delivery).where(_delivery.subscription_id == subscription_id)
    return tx.rows(chosen.order_by(_delivery.position.desc()).limit(limit))


def forget(tx: Tx, before: datetime, limit: int) -> int:
    """Delete up to `limit` settled webhooks that were owed before `before`, oldest first; returns how many."""
    old = sa.select(_delivery.id).where(_delivery.state != DUE, _delivery.created_at < before)
    chosen = old.order_by(_delivery.created_at, _delivery.id).limit(limit)
    return tx.execute(sa.delete(webhook_delivery).where(_delivery.id.in_(chosen))).rowcount


def counts(tx: Tx) -> dict[str, int]:
    """How many webhooks are owed, and how many subscriptions are disabled: for figures."""
    owed = tx.scalar(sa.select(sa.func.count()).select_from(webhook_delivery).where(_delivery.state == DUE))
    disabled = sa.select(sa.func.count()).select_from(webhook_subscription).where(_subscription.disabled_until.is_not(None))
    return {"owed": owed or 0, "disabled": tx.scalar(disabled) or 0}
