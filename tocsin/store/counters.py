"""Counters that leave no gaps: taken in the same transaction as what they number, so an undone one takes nothing."""

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as tables


def take(tx: Tx, name: str, count: int) -> int:
    """Take `count` numbers and return the first of them; the first number ever is 1.

    The counter's row is held until the transaction ends: take late, so that others wait little.
    """
    statement = dialect.insert(tx.connection, tables.counter).values(name=name, value=count)
    statement = statement.on_conflict_do_update(
        index_elements=["name"], set_={"value": tables.counter.c.value + statement.excluded.value}
    ).returning(tables.counter.c.value)
    last: int = tx.scalar(statement)
    return last - count + 1
