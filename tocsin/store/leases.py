"""Leases: which node may do a thing, until when. Taken in the transaction of the work, so a late holder is fenced off.

Laws:
1. Whoever writes under a lease holds it in the same transaction: a node that slept past its lease finds another's name
   there, and its work is undone instead of done twice.
2. A lease carries the version of the work: an older node never takes over a newer one's.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as tables


def hold(tx: Tx, name: str, holder: str, *, now: datetime, lasting: timedelta, version: int = 1) -> bool:
    """Take or renew the lease. False: another holds it, or a newer version has had it."""
    lease = tables.lease.c
    statement = dialect.insert(tx.connection, tables.lease).values(
        name=name, holder=holder, until_at=now + lasting, version=version
    )
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "until_at": now + lasting, "version": version},
        where=sa.and_(sa.or_(lease.holder == holder, lease.until_at <= now), lease.version <= version),
    ).returning(lease.holder)
    return bool(tx.scalar(statement) == holder)


def give_up(tx: Tx, name: str, holder: str) -> None:
    """Let the next node have it at once (a graceful stop)."""
    tx.execute(sa.delete(tables.lease).where(tables.lease.c.name == name, tables.lease.c.holder == holder))


def holders(tx: Tx) -> dict[str, tuple[str, datetime]]:
    """Who holds what, until when."""
    return {row.name: (row.holder, row.until_at) for row in tx.rows(sa.select(tables.lease))}
