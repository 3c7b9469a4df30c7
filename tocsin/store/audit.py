"""The audit trail's rows: append one, read a page newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.store.db import Tx
from tocsin.store.tables import engine


def append(tx: Tx, row: Mapping[str, Any], chance: Random) -> None:
    """Keep one record. Its id is ours; its order is the instant, then the id."""
    tx.execute(sa.insert(engine.audit), {"id": ids.uuid_text(chance), **row})


def page(
    tx: Tx, conditions: Sequence[sa.ColumnElement[bool]], *, limit: int, after: tuple[datetime, str] | None
) -> Sequence[sa.Row[Any]]:
    """Up to `limit` records that meet all `conditions`, newest first, following the one named by `after` (at, id)."""
    table = engine.audit
    statement = sa.select(table).where(*conditions).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    if after is not None:
        at, id_ = after
        statement = statement.where(sa.or_(table.c.at < at, sa.and_(table.c.at == at, table.c.id < id_)))
    return tx.rows(statement)


def drop_before(tx: Tx, instant: datetime) -> int:
    """Forget records older than `instant`; returns how many."""
    return tx.execute(sa.delete(engine.audit).where(engine.audit.c.at < instant)).rowcount
