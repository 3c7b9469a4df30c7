"""Load and keep requests to take a shift, with who was asked and who declined."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.times import Span
from tocsin.core.swap import Status, Swap
from tocsin.store.db import Tx
from tocsin.store.tables.swaps import swap, swap_asked

OPEN: Final = "asked"


def insert(tx: Tx, made: Swap) -> None:
    """Keep a new request."""
    tx.execute(
        sa.insert(swap),
        {
            "id": made.id, "schedule_id": made.schedule_id, "asker_id": made.asker_id, "start_at": made.start,
            "end_at": made.end, "to_anyone": made.to_anyone, "note": made.note, "status": made.status.value,
            "back_start_at": made.back.start if made.back else None, "back_end_at": made.back.end if made.back else None,
            "created_at": made.created_at, "expires_at": made.expires_at, "decided_at": None, "taker_id": None, "reason": None,
        },
    )  # fmt: skip
    rows = [{"swap_id": made.id, "user_id": user_id, "place": place, "declined_at": None} for place, user_id in enumerate(made.asked)]
    tx.execute(sa.insert(swap_asked), rows)


def update(tx: Tx, before: Swap, after: Swap, now: datetime) -> None:
    """Keep how far a request is now."""
    columns = {"status": after.status.value, "decided_at": after.decided_at, "taker_id": after.taker_id, "reason": after.reason}
    tx.execute(sa.update(swap).where(swap.c.id == after.id).values(columns))
    if fresh := sorted(after.declined - before.declined):
        of = swap_asked.c
        tx.execute(sa.update(swap_asked).where(of.swap_id == after.id, of.user_id.in_(fresh)).values(declined_at=now))


def schedule_of(tx: Tx, swap_id: str) -> str | None:
    """The schedule that a request is about; None when there is no such request."""
    found: str | None = tx.scalar(sa.select(swap.c.schedule_id).where(swap.c.id == swap_id))
    return found


def load(tx: Tx, swap_id: str, *, lock: bool = False) -> Swap | None:
    """One request; with `lock` nobody else may change it until the transaction ends."""
    statement = sa.select(swap).where(swap.c.id == swap_id)
    found = _read(tx, tx.rows(statement.with_for_update() if lock else statement))
    return found[0] if found else None


def of_schedule(
    tx: Tx, schedule_id: str, *, statuses: Collection[str] = (), limit: int | None = None, offset: int = 0
) -> list[Swap]:
    """A schedule's requests, the newest first."""
    statement = sa.select(swap).where(swap.c.schedule_id == schedule_id)
    if statuses:
        statement = statement.where(swap.c.status.in_(sorted(statuses)))
    return _read(tx, tx.rows(statement.order_by(swap.c.created_at.desc(), swap.c.id).limit(limit).offset(offset)))


def count(tx: Tx, schedule_id: str, statuses: Collection[str] = ()) -> int:
    """How many requests a schedule has."""
    statement = sa.select(sa.func.count()).select_from(swap).where(swap.c.schedule_id == schedule_id)
    if statuses:
        statement = statement.where(swap.c.status.in_(sorted(statuses)))
    return int(tx.scalar(statement))


def open_for(tx: Tx, user_id: str) -> list[Swap]:
    """The open requests that wait for this person's answer, by the start of the shift."""
    asked = sa.select(swap_asked.c.swap_id).where(swap_asked.c.user_id == user_id, swap_asked.c.declined_at.is_(None))
    statement = sa.select(swap).where(swap.c.status == OPEN, swap.c.id.in_(asked))
    return _read(tx, tx.rows(statement.order_by(swap.c.start_at, swap.c.id)))


def by_asker(tx: Tx, user_id: str, *, since: datetime) -> list[Swap]:
    """What this person asked for: all that is open, and what ended since; by the start of the shift."""
    statement = sa.select(swap).where(
        swap.c.asker_id == user_id, sa.or_(swap.c.status == OPEN, swap.c.decided_at >= since)
    )
    return _read(tx, tx.rows(statement.order_by(swap.c.start_at, swap.c.id)))


def open_naming(tx: Tx, user_id: str) -> list[Swap]:
    """The open requests that this person made or was asked by."""
    asked = sa.select(swap_asked.c.swap_id).where(swap_asked.c.user_id == user_id)
    statement = sa.select(swap).where(swap.c.status == OPEN, sa.or_(swap.c.asker_id == user_id, swap.c.id.in_(asked)))
    return _read(tx, tx.rows(statement.order_by(swap.c.id)))


def count_open_by(tx: Tx, user_id: str) -> int:
    """How many open requests this person has."""
    statement = sa.select(sa.func.count()).select_from(swap).where(swap.c.asker_id == user_id, swap.c.status == OPEN)
    return int(tx.scalar(statement))


def change_mark(tx: Tx) -> object:
    """A value that changes when a request is made, answered, or ends."""
    made = tx.one(sa.select(sa.func.count(), sa.func.max(swap.c.created_at), sa.func.max(swap.c.decided_at)))
    return tuple(made or ()), tx.scalar(sa.select(sa.func.max(swap_asked.c.declined_at)))


def _read(tx: Tx, rows: Sequence[sa.Row[Any]]) -> list[Swap]:
    if not rows:
        return []
    asked: dict[str, list[str]] = {row.id: [] for row in rows}
    declined: dict[str, set[str]] = {row.id: set() for row in rows}
    chosen = sa.select(swap_asked).where(swap_asked.c.swap_id.in_(sorted(asked)))
    for row in tx.rows(chosen.order_by(swap_asked.c.swap_id, swap_asked.c.place)):
        asked[row.swap_id].append(row.user_id)
        if row.declined_at is not None:
            declined[row.swap_id].add(row.user_id)
    return [
        Swap(
            id=row.id, schedule_id=row.schedule_id, asker_id=row.asker_id, start=row.start_at, end=row.end_at,
            asked=tuple(asked[row.id]), to_anyone=row.to_anyone, created_at=row.created_at, expires_at=row.expires_at,
            back=Span(row.back_start_at, row.back_end_at) if row.back_start_at is not None else None, note=row.note,
            declined=frozenset(declined[row.id]), status=Status(row.status), taker_id=row.taker_id,
            decided_at=row.decided_at, reason=row.reason,
        )
        for row in rows
    ]  # fmt: skip
