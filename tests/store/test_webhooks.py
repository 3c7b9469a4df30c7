"""Webhooks owed: kept in order, counted, settled once, and forgotten when they are old; on both databases."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from tocsin.store import webhooks
from tocsin.store.db import Database
from tocsin.store.tables.services import webhook_subscription
from tocsin.store.webhooks import Owed


@pytest.fixture
def subscription(db: Database, now: datetime) -> str:
    with db.write() as tx:
        row = {
            "id": "PHOOK01", "description": "Ours", "events": ["incident.triggered"], "filter_type": "account_reference",
            "url": "https://hooks.example.org", "custom_headers": [], "sealed_secret": "sealed", "is_active": True, "created_at": now,
        }  # fmt: skip
        tx.execute(sa.insert(webhook_subscription), row)
    return "PHOOK01"


def owe(db: Database, now: datetime, *ids: str, subject: str = "") -> None:
    with db.write() as tx:
        webhooks.owe(tx, [Owed(id_, "PHOOK01", subject or id_, "incident.triggered", "{}") for id_ in ids], now=now)


def test_positions_are_in_the_order_of_owing(db: Database, now: datetime, subscription: str):
    owe(db, now, "one", "two")
    owe(db, now, "three")
    with db.read() as tx:
        assert [row.id for row in webhooks.of_subscription(tx, subscription)] == ["three", "two", "one"]
        assert [row.position for row in webhooks.of_subscription(tx, subscription)] == [3, 2, 1]


def test_only_the_first_of_a_line_is_due_however_long_it_waits(db: Database, now: datetime, subscription: str):
    owe(db, now, "one", "two", subject="Q1")
    owe(db, now, "three", subject="Q2")
    with db.write() as tx:
        webhooks.mark_retry(tx, "one", "busy", now + timedelta(hours=1))
        assert [one.id for one in webhooks.due(tx, now, 10, per_subscription=5)] == ["three"]
        assert webhooks.next_due(tx) == now
        later = now + timedelta(hours=1)
        assert [one.id for one in webhooks.due(tx, later, 10, per_subscription=5)] == ["three", "one"]
        busy = {("PHOOK01", "Q2")}
        assert [one.id for one in webhooks.due(tx, later, 10, per_subscription=5, busy=busy)] == ["one"]
        assert [one.id for one in webhooks.due(tx, later, 10, per_subscription=1)] == ["three"]


def test_what_is_settled_is_settled_once(db: Database, now: datetime, subscription: str):
    owe(db, now, "one", "two", "three")
    with db.write() as tx:
        assert webhooks.counts(tx) == {"owed": 3, "disabled": 0}
        assert webhooks.mark_sent(tx, "one", now)
        assert not webhooks.mark_sent(tx, "one", now)
        assert not webhooks.mark_dropped(tx, "one", "no", now)
        assert webhooks.drop_queue(tx, "PHOOK01", "disabled", now) == 2
        assert not webhooks.mark_sent(tx, "two", now)
        webhooks.set_drops(tx, "PHOOK01", 0, disabled_until=now + timedelta(days=1))
        assert webhooks.counts(tx) == {"owed": 0, "disabled": 1}


def test_a_silent_or_disabled_subscription_does_not_listen(db: Database, now: datetime, subscription: str):
    with db.write() as tx:
        assert webhooks.has_subscriptions(tx)
        assert [row.id for row in webhooks.listening(tx, now)] == ["PHOOK01"]
        webhooks.set_drops(tx, "PHOOK01", 0, disabled_until=now + timedelta(hours=1))
        assert webhooks.listening(tx, now) == []
        assert len(webhooks.listening(tx, now + timedelta(hours=1))) == 1


def test_old_ones_are_forgotten_in_bites_and_owed_ones_never(db: Database, now: datetime, subscription: str):
    owe(db, now, "one", "two", "three")
    with db.write() as tx:
        webhooks.mark_sent(tx, "one", now)
        webhooks.mark_dropped(tx, "two", "no", now)
        later = now + timedelta(days=8)
        assert webhooks.forget(tx, now, 10) == 0
        assert webhooks.forget(tx, later, 1) == 1
        assert webhooks.forget(tx, later, 10) == 1
        assert [row.id for row in webhooks.of_subscription(tx, subscription)] == ["three"]
