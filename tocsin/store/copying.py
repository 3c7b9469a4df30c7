"""Copy all rows of an installation from one database into another of either kind, and prove that nothing changed.

Laws:
1. What is copied is one snapshot; the copy is one transaction: all of it is there, or none.
2. A copy is compared with its original table by table, every row and column of it, before it counts.
3. Nothing is ever copied over rows that are there already.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.store import counters
from tocsin.store.db import Tx
from tocsin.store.tables.engine import event
from tocsin.store.tables.incidents import alert, incident
from tocsin.store.tables.roll import METADATA

BATCH: Final = 1_000
"""Rows read and written at once."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Tally:
    """One table's rows: how many, and a digest of all of them that does not depend on their order."""

    table: str
    rows: int
    digest: str


class CopyError(Exception):
    """The copy cannot be made or is not the same as the original; the words say what is wrong."""


def filled(tx: Tx) -> list[str]:
    """The names of the tables that hold any row."""
    return [table.name for table in METADATA.sorted_tables if tx.one(sa.select(sa.literal(1)).select_from(table).limit(1))]


def copy(source: Tx, target: Tx) -> tuple[Tally, ...]:
    """Copy every row of every table; returns the tallies of the copy, which are those of the original.

    Raises CopyError when the target is not empty (law 3), or when what was written does not read back the same (law 2).
    """
    if there := filled(target):
        raise CopyError(f"the database to copy into is not empty: {there[0]} has rows")
    original = []
    for table in METADATA.sorted_tables:  # what is referred to comes before what refers to it
        tally, names = _Tally(table.name), [column.name for column in table.columns]
        for rows in _batches(source, table):
            tally.add(rows)
            target.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        original.append(tally.done())
    made = tallies(target)
    for was, is_now in zip(original, made, strict=True):
        if was != is_now:
            raise CopyError(f"{was.table} was not copied truly: {was.rows} rows became {is_now.rows}, or one of them changed")
    return made


def tallies(tx: Tx) -> tuple[Tally, ...]:
    """The tally of every table."""
    found = []
    for table in METADATA.sorted_tables:
        tally = _Tally(table.name)
        for rows in _batches(tx, table):
            tally.add(rows)
        found.append(tally.done())
    return tuple(found)


def problems(tx: Tx) -> list[str]:
    """What is wrong with the rows themselves, in words; empty when nothing is.

    The event log has no hole and ends where its counter says; no alert belongs to an incident that is not there.
    """
    found = []
    first, last, count = tx.rows(
        sa.select(sa.func.min(event.c.position), sa.func.max(event.c.position), sa.func.count()),
    )[0]
    if count and last - first + 1 != count:
        found.append(f"the event log has {last - first + 1 - count} holes between {first} and {last}")
    if count and last != (counted := counters.taken(tx, "events")):
        found.append(f"the event log ends at {last}, and its counter says {counted}")
    of_none = sa.select(sa.func.count()).where(
        alert.c.incident_id.is_not(None), ~sa.exists().where(incident.c.id == alert.c.incident_id)
    )
    if orphans := tx.scalar(of_none):
        found.append(f"{orphans} alerts belong to incidents that are not there")
    return found


class _Tally:
    """Adds up rows as they go by."""

    def __init__(self, name: str) -> None:
        self._name, self._rows, self._sum = name, 0, 0

    def add(self, rows: list[sa.Row[Any]]) -> None:
        for row in rows:
            self._sum += int.from_bytes(hashlib.sha256(_encode(tuple(row))).digest())
        self._rows += len(rows)

    def done(self) -> Tally:
        return Tally(self._name, self._rows, f"{self._sum % 2**256:064x}")


def _batches(tx: Tx, table: sa.Table) -> Iterator[list[sa.Row[Any]]]:
    answer = tx.connection.execute(sa.select(table), execution_options={"yield_per": BATCH})
    for rows in answer.partitions():
        yield list(rows)
