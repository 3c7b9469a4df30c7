"""Counters that leave no gaps: taken in the same transaction as what they number, so an undone one takes nothing."""

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as tables


def take(tx: Tx, name: str, count: int) -> int:
    """Take `count` numbers and return the first of them; the first number ever is 1.

    The counter's row is held until the transaction ends: take late, so that others wait little.
    """
    last: int = tx.scalar(_taking(dialect.kind(tx.connection)), {"name": name, "value": count})
    return last - count + 1


def taken(tx: Tx, name: str) -> int:
    """The last number that was taken; 0 while none was."""
    return tx.scalar(sa.select(tables.counter.c.value).where(tables.counter.c.name == name)) or 0


@lru_cache(maxsize=2)
def _taking(spoken: str) -> Any:
    statement = dialect.insert_for(tables.counter, spoken)
    return statement.on_conflict_do_update(
        index_elements=["name"], set_={"value": tables.counter.c.value + statement.excluded.value}
    ).returning(tables.counter.c.value)
