"""Keep when people's ways are tested, and what became of each test."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.core.self_test import Proof
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables.people import contact_method, user
from tocsin.store.tables.watching import self_test, test_plan

_plan, _test = test_plan.c, self_test.c


def plan(tx: Tx, user_id: str) -> sa.Row[Any] | None:
    """When this person's ways are tested."""
    return tx.one(sa.select(test_plan).where(_plan.user_id == user_id))


def keep_plans(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep plans; one that is there is replaced."""
    if rows:
        dialect.upsert(tx.connection, test_plan, [dict(row) for row in rows], ["user_id"])


def without_plan(tx: Tx, limit: int) -> Sequence[sa.Row[Any]]:
    """People who can be reached and have no plan yet: (id, time_zone)."""
    reachable = sa.exists().where(contact_method.c.user_id == user.c.id, contact_method.c.is_enabled.is_(True))
    chosen = (
        sa.select(user.c.id, user.c.time_zone)
        .outerjoin(test_plan, _plan.user_id == user.c.id)
        .where(_plan.user_id.is_(None), user.c.is_disabled.is_(False), reachable)
        .order_by(user.c.id)
    )
    return tx.rows(chosen.limit(limit))


def due_plans(tx: Tx, now: datetime, limit: int) -> Sequence[sa.Row[Any]]:
    """The plans whose time has come, with their person's `time_zone` and whether they are still here, locked."""
    chosen = (
        sa.select(test_plan, user.c.time_zone, user.c.is_disabled)
        .join(user, user.c.id == _plan.user_id)
        .where(_plan.next_at <= now)
        .order_by(_plan.next_at, _plan.user_id)
    )
    return tx.rows(chosen.limit(limit).with_for_update(of=test_plan))


def anything_due(tx: Tx, now: datetime) -> bool:
    """Whether a test is to be sent, or one was not confirmed in its time."""
    plans = sa.select(_plan.user_id).where(_plan.next_at <= now).limit(1)
    silent = sa.select(_test.id).where(*_silent(now)).limit(1)
    return tx.one(plans) is not None or tx.one(silent) is not None


def add(tx: Tx, row: Mapping[str, Any]) -> None:
    """Keep a test that is sent."""
    tx.execute(sa.insert(self_test), dict(row))


def find(tx: Tx, test_id: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """One test, with the label and the kind of its way and the name of its person."""
    chosen = (
        sa.select(self_test, contact_method.c.label, contact_method.c.kind, user.c.name.label("user_name"))
        .join(contact_method, contact_method.c.id == _test.contact_method_id)
        .join(user, user.c.id == _test.user_id)
        .where(_test.id == test_id)
    )
    return tx.one(chosen.with_for_update(of=self_test) if lock else chosen)


def of_pages(tx: Tx, outbox_ids: Collection[str]) -> list[str]:
    """The tests that these pages of the outbox carried."""
    return [row.id for row in tx.rows(sa.select(_test.id).where(_test.outbox_id.in_(sorted(outbox_ids))))]


def mark(tx: Tx, test_id: str, **columns: datetime) -> None:
    """Write down what became of a test (`confirmed_at`, `missed_at`)."""
    tx.execute(sa.update(self_test).where(_test.id == test_id).values(**columns))


def unanswered(tx: Tx, now: datetime, limit: int) -> Sequence[sa.Row[Any]]:
    """Tests whose time to answer is over, of which nobody has been told yet, locked."""
    return tx.rows(sa.select(self_test).where(*_silent(now)).order_by(_test.answer_by, _test.id).limit(limit).with_for_update())


def _silent(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return _test.answer_by <= now, _test.confirmed_at.is_(None), _test.missed_at.is_(None)


def proofs(tx: Tx, user_ids: Collection[str] | None = None) -> dict[str, Proof]:
    """By contact method, what its tests say; of these people's, or of all. A way that was never tested is missing."""
    wanted = [] if user_ids is None else [_test.user_id.in_(sorted(user_ids))]
    newest = sa.func.row_number().over(partition_by=_test.contact_method_id, order_by=(_test.sent_at.desc(), _test.id)).label("rank")
    last = sa.func.max(_test.confirmed_at).over(partition_by=_test.contact_method_id).label("last_confirmed_at")
    ranked = sa.select(self_test, newest, last).where(*wanted).subquery()
    return {
        row.contact_method_id: Proof(
            row.last_confirmed_at, None if row.confirmed_at is not None else row.id, row.sent_at, row.missed_at is not None and row.confirmed_at is None
        )
        for row in tx.rows(sa.select(ranked).where(ranked.c.rank == 1))
    }


def forget(tx: Tx, before: datetime) -> None:
    """Forget tests sent so long ago, but of each way the newest and the newest that was confirmed."""
    other = self_test.alias()
    newer = sa.exists().where(other.c.contact_method_id == _test.contact_method_id, other.c.sent_at > _test.sent_at)
    better = sa.exists().where(
        other.c.contact_method_id == _test.contact_method_id, other.c.sent_at > _test.sent_at, other.c.confirmed_at.is_not(None)
    )
    tx.execute(sa.delete(self_test).where(_test.sent_at < before, newer, sa.or_(_test.confirmed_at.is_(None), better)))
