"""The inbox: events accepted and not yet processed; afterwards the journal of what became of each and why.

Laws:
1. `arrival` is the total order of acceptance (ties, which only two processes can make, are broken by `id`). It is the
   microsecond of acceptance, pushed forward where needed so that one process never gives the same number twice,
   followed by ten bits that differ between processes. So several processes may write without asking one another, and
   events of one process are in exact order.
2. A row's identifier starts with the millisecond of its batch, so that rows accepted together lie together on disk.
3. A row is waiting exactly while its outcome is null; `settle` gives it one, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.hot import InboxTuple
from tocsin.store.tables import engine, services
from tocsin.store.types import to_micros

_inbox = engine.inbox.c

NODE_BITS: Final = 10
"""The low bits of `arrival` that tell processes apart."""

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # ULID's alphabet: no I, L, O, U
_TAILS: Final = [a + b + c for a in _CROCKFORD for b in _CROCKFORD for c in _CROCKFORD]
MAX_BATCH: Final = len(_TAILS)
"""Rows that one batch may number."""


class Numbering:
    """Gives identifiers and places in the order of acceptance, for one process. Not for two threads at once."""

    def __init__(self, chance: Random, *, not_before: int = 0) -> None:
        """`not_before`: the highest arrival already given by anybody, so that a clock that stepped back does no harm."""
        self._chance = chance
        self._node = chance.getrandbits(NODE_BITS)
        self._last = not_before >> NODE_BITS

    def number(self, batch: Sequence[tuple[Any, ...]], now: datetime) -> list[InboxTuple]:
        """Whole inbox rows from their last six columns, in this order, all received `now`."""
        received_at = to_micros(now)
        first = max(received_at, self._last + 1)
        self._last = first + len(batch) - 1
        head = self._head(received_at)
        step = 1 << NODE_BITS
        arrival = (first << NODE_BITS) | self._node
        return [(head + _TAILS[at], received_at, arrival + at * step, *columns) for at, columns in enumerate(batch)]

    def _head(self, micros: int) -> str:
        """The first 23 characters of 26: 48 bits of milliseconds and 65 of chance, in ULID's alphabet."""
        bits = ((micros // 1000) << 65) | self._chance.getrandbits(65)
        return "".join([_CROCKFORD[(bits >> shift) & 31] for shift in range(110, -1, -5)])


def highest_arrival(tx: Tx) -> int:
    """The highest arrival among the rows that still wait; 0 when none does."""
    return int(tx.scalar(sa.select(sa.func.max(_inbox.arrival)).where(_inbox.outcome.is_(None))) or 0)


def append(tx: Tx, rows: Sequence[InboxTuple]) -> None:
    """Keep a batch of events: the Core twin of `store/hot.py`."""
    names = ("id", "received_at", "arrival", "routing_key", "reader", "action", "dedup_key", "summary", "raw")
    statement = sa.insert(engine.inbox).values({name: sa.bindparam(name, type_=_BOUND.get(name)) for name in names})
    tx.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


_BOUND: Final[dict[str, Any]] = {"received_at": sa.BigInteger()}  # already whole microseconds: not converted again


class InboxRow(NamedTuple):
    """One event that waits to be processed."""

    id: str
    received_at: datetime
    arrival: int
    routing_key: str
    reader: str
    raw: bytes
    dedup_key: str | None
    summary: str | None = None


_WAITING: Final = (
    sa.select(
        _inbox.id, _inbox.received_at, _inbox.arrival, _inbox.routing_key, _inbox.reader, _inbox.raw, _inbox.dedup_key,
        _inbox.summary,
    )
    .where(_inbox.outcome.is_(None))
    .order_by(_inbox.arrival, _inbox.id)
)  # fmt: skip


def waiting(tx: Tx, limit: int) -> list[InboxRow]:
    """The events not yet processed, in the order they were accepted, at most `limit`."""
    return [InboxRow._make(row) for row in tx.rows(_WAITING.limit(limit))]


def how_many_wait(tx: Tx) -> int:
    """How many events are accepted and not yet processed."""
    return int(tx.scalar(sa.select(sa.func.count()).select_from(engine.inbox).where(_inbox.outcome.is_(None))))


def oldest_waiting_at(tx: Tx) -> datetime | None:
    """When the event that waits longest was received; None when none waits."""
    row = tx.one(_WAITING.limit(1))
    return None if row is None else row.received_at


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one event. `reason` is a sentence for people; the ids are of what it touched."""

    id: str
    outcome: str
    reason: str
    service_id: str | None = None
    alert_id: str | None = None
    incident_id: str | None = None
    action: str | None = None
    dedup_key: str | None = None
    summary: str | None = None


_SETTLED: Final = (
    "outcome", "reason", "service_id", "alert_id", "incident_id", "action", "dedup_key", "summary"
)  # fmt: skip
_SETTLE: Final = (
    sa.update(engine.inbox)
    .where(_inbox.id == sa.bindparam("row_id"))
    .values(
        {name: sa.bindparam(f"new_{name}") for name in _SETTLED} | {"processed_at": sa.bindparam("new_processed_at")}
    )
)


def settle(tx: Tx, outcomes: Sequence[Settled], now: datetime) -> None:
    """Write what became of these events, in one round."""
    if outcomes:
        tx.execute(
            _SETTLE,
            [
                {"row_id": one.id, "new_processed_at": now} | {f"new_{name}": getattr(one, name) for name in _SETTLED}
                for one in outcomes
            ],
        )


def tell_more(tx: Tx, event_id: str, reason: str, *, incident_id: str | None) -> None:
    """A settled event has led to more later on (its pause is over): the reason grows, the outcome stays."""
    row = tx.one(sa.select(_inbox.reason).where(_inbox.id == event_id))
    if row is not None:
        told = {"reason": f"{row.reason}; {reason}"} | ({"incident_id": incident_id} if incident_id else {})
        tx.execute(sa.update(engine.inbox).where(_inbox.id == event_id).values(**told))


# --------------------------------------------------------------------------------------------- who may send by which key


@dataclass(frozen=True, slots=True)
class Way:
    """A way into a service: what a routing key stands for."""

    routing_key: str
    integration_id: str
    service_id: str
    type: str
    settings: dict[str, Any]


def way(tx: Tx, routing_key: str) -> Way | None:
    """What this routing key stands for, or None when it belongs to nothing."""
    of = services.integration.c
    row = tx.one(
        sa.select(of.routing_key, of.id.label("integration_id"), of.service_id, of.type, of.settings).where(
            of.routing_key == routing_key
        )
    )
    if row is None:
        return None
    return Way(row.routing_key, row.integration_id, row.service_id, row.type, row.settings or {})


def way_of_address(tx: Tx, address: str, type_: str) -> Way | None:
    """Where mail to this address goes, case aside: an integration of this type that has it, or whose key is before the @."""
    of, folded = services.integration.c, address.lower()
    row = tx.one(
        sa.select(of.routing_key)
        .where(of.type == type_, sa.or_(sa.func.lower(of.email) == folded, of.routing_key == folded.partition("@")[0]))
        .order_by(sa.case((sa.func.lower(of.email) == folded, 0), else_=1), of.created_at, of.id)
    )
    return None if row is None else way(tx, row.routing_key)


# ------------------------------------------------------------------------------------------------- what was turned away


class Refused(NamedTuple):
    """How many events one reader refused for one reason on one day (UTC, `2026-11-24`)."""

    day: str
    reader: str
    reason: str
    times: int


def add_refused(tx: Tx, counts: Sequence[Refused]) -> None:
    """Add to the counts of refused events."""
    table = engine.refused_event
    if counts:
        new = dialect.insert(tx.connection, table)
        tx.execute(
            new.on_conflict_do_update(
                index_elements=["day", "reader", "reason"], set_={"count": table.c["count"] + new.excluded["count"]}
            ),
            [{"day": one.day, "reader": one.reader, "reason": one.reason, "count": one.times} for one in counts],
        )


def refused(tx: Tx, since_day: str) -> list[Refused]:
    """The counts of refused events from this day on, newest day and largest count first."""
    of = engine.refused_event.c
    return [
        Refused._make(row)
        for row in tx.rows(
            sa.select(of.day, of.reader, of.reason, of["count"])
            .where(of.day >= since_day)
            .order_by(of.day.desc(), of["count"].desc(), of.reader, of.reason)
        )
    ]
