"""Who hears of what: subscriptions of users and teams to incidents and business services."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.subscriptions import notification_subscription as table

Thing = tuple[str, str]
"""A type (`incident`, `business_service`; `user`, `team`) and an id."""


def of_subscriber(tx: Tx, subscriber: Thing) -> list[Thing]:
    """What this user or team is subscribed to, the oldest subscription first."""
    chosen = sa.select(table.c.subscribable_type, table.c.subscribable_id).where(
        table.c.subscriber_type == subscriber[0], table.c.subscriber_id == subscriber[1]
    )
    rows = tx.rows(chosen.order_by(table.c.created_at, table.c.subscribable_type, table.c.subscribable_id))
    return [(row.subscribable_type, row.subscribable_id) for row in rows]


def subscribers(tx: Tx, subscribable: Thing) -> list[Thing]:
    """The users and teams subscribed to this thing, the oldest subscription first."""
    chosen = sa.select(table.c.subscriber_type, table.c.subscriber_id).where(
        table.c.subscribable_type == subscribable[0], table.c.subscribable_id == subscribable[1]
    )
    rows = tx.rows(chosen.order_by(table.c.created_at, table.c.subscriber_type, table.c.subscriber_id))
    return [(row.subscriber_type, row.subscriber_id) for row in rows]


def add(tx: Tx, subscriber: Thing, subscribables: Sequence[Thing], now: datetime) -> None:
    """Keep these subscriptions, which must be new."""
    if subscribables:
        tx.execute(
            sa.insert(table),
            [
                {
                    "subscribable_type": type_, "subscribable_id": id_, "subscriber_type": subscriber[0],
                    "subscriber_id": subscriber[1], "created_at": now,
                }
                for type_, id_ in subscribables
            ],
        )  # fmt: skip


def remove(tx: Tx, subscriber: Thing, subscribable: Thing) -> bool:
    """End a subscription; False when there was none."""
    statement = sa.delete(table).where(
        table.c.subscribable_type == subscribable[0],
        table.c.subscribable_id == subscribable[1],
        table.c.subscriber_type == subscriber[0],
        table.c.subscriber_id == subscriber[1],
    )
    return tx.execute(statement).rowcount > 0


def forget(tx: Tx, subscriber: Thing) -> None:
    """End all subscriptions of a user or team that is about to go."""
    tx.execute(sa.delete(table).where(table.c.subscriber_type == subscriber[0], table.c.subscriber_id == subscriber[1]))


def forget_thing(tx: Tx, subscribable: Thing) -> None:
    """End all subscriptions to a thing that is about to go."""
    tx.execute(sa.delete(table).where(table.c.subscribable_type == subscribable[0], table.c.subscribable_id == subscribable[1]))
