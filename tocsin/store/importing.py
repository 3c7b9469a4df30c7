"""Keeps which of our things came from which of another system's, so that moving in again changes only what changed."""

from datetime import datetime

import sqlalchemy as sa

from tocsin.store.db import Row, Tx
from tocsin.store.tables.importing import imported_thing

_thing = imported_thing.c


def of_source(tx: Tx, source: str) -> dict[tuple[str, str], Row]:
    """Everything that came from this source, by kind and its id there."""
    return {(row.kind, row.foreign_id): row for row in tx.rows(sa.select(imported_thing).where(_thing.source == source))}


def save(tx: Tx, source: str, kind: str, foreign_id: str, *, own_id: str, name: str, digest: str, now: datetime, is_new: bool) -> None:
    """Keep what one of their things is here."""
    values = {"own_id": own_id, "name": name, "digest": digest, "imported_at": now}
    if is_new:
        tx.execute(sa.insert(imported_thing), {"source": source, "kind": kind, "foreign_id": foreign_id, **values})
    else:
        tx.execute(
            sa.update(imported_thing)
            .where(_thing.source == source, _thing.kind == kind, _thing.foreign_id == foreign_id)
            .values(**values)
        )


def forget(tx: Tx, source: str, kind: str, foreign_id: str) -> None:
    """Forget one of their things."""
    tx.execute(
        sa.delete(imported_thing).where(_thing.source == source, _thing.kind == kind, _thing.foreign_id == foreign_id)
    )
