"""The event log: append what happened, dense and in order; follow it from a position.

Laws:
1. Positions are dense and in commit order: whoever has read up to a position has seen everything before it.
2. An entry is never changed or removed here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import msgspec
import sqlalchemy as sa

from tocsin.base import ids
from tocsin.core.events import KINDS, NAMES, Event
from tocsin.store import counters, dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as tables

_encode = msgspec.json.Encoder().encode
_decoders = {name: msgspec.json.Decoder(kind).decode for name, kind in KINDS.items()}
_columns = (tables.event.c.position, tables.event.c.id, tables.event.c.kind, tables.event.c.body)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log: where it stands, the id it is known by on the wire, its stored name and what happened."""

    position: int
    id: str
    kind: str
    event: Event


def append(tx: Tx, events: Sequence[Event], *, chance: Random) -> list[Entry]:
    """Write what happened, in this order, and wake whoever follows."""
    if not events:
        return []
    first = counters.take(tx, "events", len(events))
    entries = [
        Entry(first + at, ids.long_id(chance, prefix="R"), NAMES[type(event)], event) for at, event in enumerate(events)
    ]
    tx.execute(
        sa.insert(tables.event),
        [
            {
                "position": entry.position,
                "id": entry.id,
                "kind": entry.kind,
                "incident_id": entry.event.incident_id,
                "service_id": entry.event.service_id,
                "at": entry.event.at,
                "body": _encode(entry.event).decode(),
            }
            for entry in entries
        ],
    )
    tx.wake("events")
    return entries


def after(tx: Tx, position: int, limit: int) -> list[Entry]:
    """The next entries after `position`, in order."""
    return _read(
        tx,
        sa.select(*_columns).where(tables.event.c.position > position).order_by(tables.event.c.position).limit(limit),
    )


def of_incident(tx: Tx, incident_id: str, *, kinds: Collection[str] = ()) -> list[Entry]:
    """All that happened to one incident, oldest first; of these kinds only, if any are named."""
    statement = sa.select(*_columns).where(tables.event.c.incident_id == incident_id)
    if kinds:
        statement = statement.where(tables.event.c.kind.in_(kinds))
    return _read(tx, statement.order_by(tables.event.c.position))


def firsts(tx: Tx, incident_ids: Collection[str]) -> dict[str, Entry]:
    """How each of these incidents began: the first entry of each."""
    event = tables.event.c
    first = sa.select(sa.func.min(event.position)).where(event.incident_id.in_(sorted(incident_ids)))
    found = _read(tx, sa.select(*_columns).where(event.position.in_(first.group_by(event.incident_id))))
    return {entry.event.incident_id: entry for entry in found}


def firsts_of_alerts(tx: Tx, incident_ids: Collection[str], alert_ids: Collection[str]) -> dict[str, Entry]:
    """The entry by which each of these alerts came to its incident, by alert; moved ones are where they came first."""
    event = tables.event.c
    statement = sa.select(*_columns).where(
        event.incident_id.in_(sorted(incident_ids)), event.kind.in_(("triggered", "alert_joined"))
    )
    found: dict[str, Entry] = {}
    for entry in _read(tx, statement.order_by(event.position)):
        alert_id = getattr(entry.event, "alert_id", None)
        if alert_id in alert_ids:
            found.setdefault(str(alert_id), entry)
    return found


def matching(tx: Tx, statement: sa.Select[Any]) -> list[Entry]:
    """The entries a statement over the event table selects (`columns()` names what it must select)."""
    return _read(tx, statement)


def columns() -> tuple[sa.Column[Any], ...]:
    return _columns


def find(tx: Tx, entry_id: str) -> Entry | None:
    found = _read(tx, sa.select(*_columns).where(tables.event.c.id == entry_id))
    return found[0] if found else None


def last_position(tx: Tx) -> int:
    """Where the log ends now; 0 when it is empty."""
    return tx.scalar(sa.select(sa.func.coalesce(sa.func.max(tables.event.c.position), 0))) or 0


def _read(tx: Tx, statement: sa.Select[Any]) -> list[Entry]:
    return [Entry(row.position, row.id, row.kind, _decoders[row.kind](row.body)) for row in tx.rows(statement)]


def position_of(tx: Tx, follower: str) -> int:
    """Up to where `follower` has read; a new one begins at 0, the beginning."""
    return tx.scalar(sa.select(tables.follower.c.position).where(tables.follower.c.name == follower)) or 0


def move_follower(tx: Tx, follower: str, position: int) -> None:
    """Say that `follower` has read up to `position`, in the transaction of what it did with it."""
    dialect.upsert(tx.connection, tables.follower, [{"name": follower, "position": position}], ["name"])


def since(tx: Tx, instant: datetime) -> int:
    """The position before the first entry at or after `instant`: from where to follow to see all since then."""
    found = tx.scalar(sa.select(sa.func.min(tables.event.c.position)).where(tables.event.c.at >= instant))
    return (found - 1) if found else last_position(tx)
