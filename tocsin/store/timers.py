"""Timers as rows: set and dropped with the state they belong to, taken by whoever comes first when they are due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as tables


@dataclass(frozen=True, slots=True)
class Due:
    """A timer whose time has come: whose, what for, and the instant it was set for."""

    subject_id: str
    kind: str
    due_at: datetime


def set_many(tx: Tx, timers: Sequence[Due]) -> None:
    """Set these timers; one that is there already moves to its new instant."""
    rows = [{"subject_id": timer.subject_id, "kind": timer.kind, "due_at": timer.due_at} for timer in timers]
    dialect.upsert(tx.connection, tables.timer, rows, ["subject_id", "kind"])


def drop_many(tx: Tx, keys: Sequence[tuple[str, str]]) -> None:
    """Drop the timers of these (subject, kind) pairs; those that are not there are no matter."""
    if keys:
        statement = sa.delete(tables.timer).where(
            tables.timer.c.subject_id == sa.bindparam("subject"), tables.timer.c.kind == sa.bindparam("what")
        )
        tx.execute(statement, [{"subject": subject_id, "what": kind} for subject_id, kind in keys])


def due(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """Up to `limit` due timers, the longest overdue first: to know whose they are before they are taken."""
    timer = tables.timer.c
    chosen = tx.rows(
        sa.select(timer.subject_id, timer.kind, timer.due_at)
        .where(timer.due_at <= now)
        .order_by(timer.due_at)
        .limit(limit)
    )
    return [Due(row.subject_id, row.kind, row.due_at) for row in chosen]


def take(tx: Tx, wanted: Sequence[Due]) -> list[Due]:
    """Take those of these timers that are still set as they were: they are gone when this transaction commits.

    Lock what they belong to first: whoever changes that changes its timers too, and would wait for us as we for them.
    """
    timer = tables.timer.c
    subjects = sorted({one.subject_id for one in wanted})
    rows = tx.rows(
        sa.select(timer.subject_id, timer.kind, timer.due_at).where(timer.subject_id.in_(subjects)).with_for_update()
    )
    there = {(row.subject_id, row.kind): row.due_at for row in rows}
    taken = [one for one in wanted if there.get((one.subject_id, one.kind)) == one.due_at]
    drop_many(tx, [(one.subject_id, one.kind) for one in taken])
    return taken


def next_due(tx: Tx) -> datetime | None:
    """When the next timer is due; None when none is set."""
    found: datetime | None = tx.scalar(sa.select(tables.timer.c.due_at).order_by(tables.timer.c.due_at).limit(1))
    return found


def of_subject(tx: Tx, subject_id: str) -> dict[str, datetime]:
    """What is pending for one subject."""
    timer = tables.timer.c
    return {
        row.kind: row.due_at
        for row in tx.rows(sa.select(timer.kind, timer.due_at).where(timer.subject_id == subject_id))
    }
