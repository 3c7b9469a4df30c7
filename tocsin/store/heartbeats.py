"""Load, save and find heartbeats, their last pings, and when the watch over them last looked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import times
from tocsin.core.calendar_rule import Rule
from tocsin.core.heartbeat import Beat, Period, Schedule, State, calendar
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables.services import integration, service
from tocsin.store.tables.watching import heartbeat, heartbeat_ping, watch

KEPT: Final = 100
"""Pings kept of each heartbeat."""
WATCH: Final = "heartbeats"

_of, _ping = heartbeat.c, heartbeat_ping.c

WHOLE: Final = (
    sa.select(heartbeat, integration.c.service_id, integration.c.routing_key, service.c.name.label("service_name"))
    .join(integration, integration.c.id == _of.integration_id)
    .join(service, service.c.id == integration.c.service_id)
)
"""A heartbeat with the service it belongs to."""


def read_schedule(kept: Mapping[str, Any]) -> Schedule:
    """A schedule as it is kept. Raises ValueError or KeyError for what is none."""
    if kept["type"] == "period":
        return Period(timedelta(seconds=kept["seconds"]))
    return calendar(times.parse_instant(kept["first"]), kept["time_zone"], kept["rule"])


def kept_schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule as it is kept and shown."""
    if isinstance(schedule, Rule):
        return {"type": "calendar", "first": times.iso(schedule.first), "time_zone": schedule.time_zone, "rule": schedule.rule}
    return {"type": "period", "seconds": int(schedule.every.total_seconds())}


def beat(row: sa.Row[Any]) -> Beat:
    """What the rules know of a row."""
    return Beat(
        read_schedule(row.schedule), timedelta(seconds=row.grace_seconds), State(row.state), row.expected_at, row.due_at, row.started_at
    )


def columns(found: Beat) -> dict[str, Any]:
    """The columns that a change of state may touch."""
    return {"state": found.state.value, "expected_at": found.expected_at, "due_at": found.due_at, "started_at": found.started_at}


def find(tx: Tx, heartbeat_id: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """One, with its service; locked until the transaction ends if it is to be changed."""
    statement = WHOLE.where(_of.id == heartbeat_id)
    return tx.one(statement.with_for_update(of=heartbeat) if lock else statement)


def by_digest(tx: Tx, digests: Collection[str]) -> sa.Row[Any] | None:
    """The one with this secret, locked."""
    return tx.one(WHOLE.where(_of.digest.in_(sorted(digests))).with_for_update(of=heartbeat))


def is_known(tx: Tx, digests: Collection[str]) -> bool:
    """Whether a heartbeat has this secret: asked before anything is written."""
    return tx.one(sa.select(_of.id).where(_of.digest.in_(sorted(digests)))) is not None


def count(tx: Tx) -> int:
    """How many there are."""
    return int(tx.scalar(sa.select(sa.func.count()).select_from(heartbeat)) or 0)


def insert(tx: Tx, row: Mapping[str, Any]) -> None:
    """Keep a new one."""
    tx.execute(sa.insert(heartbeat), dict(row))


def update(tx: Tx, heartbeat_id: str, changed: Mapping[str, Any]) -> None:
    """Change columns of one."""
    tx.execute(sa.update(heartbeat).where(_of.id == heartbeat_id).values(**changed))


def remove(tx: Tx, heartbeat_id: str) -> None:
    """Delete one, with its pings."""
    tx.execute(sa.delete(heartbeat).where(_of.id == heartbeat_id))


def next_due(tx: Tx) -> datetime | None:
    """When the next silence is due to be told; None when nothing is waited for."""
    found: datetime | None = tx.scalar(sa.select(sa.func.min(_of.due_at)).where(_of.due_at.is_not(None)))
    return found


def due(tx: Tx, now: datetime, limit: int) -> Sequence[sa.Row[Any]]:
    """Those whose silence is due, the longest overdue first, locked."""
    return tx.rows(WHOLE.where(_of.due_at <= now).order_by(_of.due_at, _of.id).limit(limit).with_for_update(of=heartbeat))


def waited_for(tx: Tx) -> Sequence[sa.Row[Any]]:
    """All that are waited for, locked."""
    return tx.rows(WHOLE.where(_of.due_at.is_not(None)).order_by(_of.id).with_for_update(of=heartbeat))


def add_ping(tx: Tx, row: Mapping[str, Any]) -> None:
    """Keep a ping, and no more than the last `KEPT`."""
    tx.execute(sa.insert(heartbeat_ping), dict(row))
    old = sa.delete(heartbeat_ping).where(_ping.heartbeat_id == row["heartbeat_id"], _ping.number <= row["number"] - KEPT)
    tx.execute(old)


def pings(tx: Tx, heartbeat_ids: Collection[str], most: int = KEPT) -> dict[str, list[sa.Row[Any]]]:
    """By heartbeat, its last pings, the newest first."""
    found: dict[str, list[sa.Row[Any]]] = {one: [] for one in heartbeat_ids}
    chosen = (
        sa.select(heartbeat_ping)
        .join(heartbeat, _of.id == _ping.heartbeat_id)
        .where(_ping.heartbeat_id.in_(sorted(found)), _ping.number > _of.ping_count - most)
        .order_by(_ping.heartbeat_id, _ping.number.desc())
    )
    for row in tx.rows(chosen):
        found[row.heartbeat_id].append(row)
    return found


def on_integration(tx: Tx, integration_id: str) -> sa.Row[Any] | None:
    """The heartbeat that comes in by this way."""
    return tx.one(sa.select(_of.id, _of.name).where(_of.integration_id == integration_id))


def looked_at(tx: Tx, name: str = WATCH) -> datetime | None:
    """When this watch last looked."""
    found: datetime | None = tx.scalar(sa.select(watch.c.looked_at).where(watch.c.name == name))
    return found


def keep_look(tx: Tx, now: datetime, name: str = WATCH) -> None:
    """It looks now."""
    dialect.upsert(tx.connection, watch, [{"name": name, "looked_at": now}], ["name"])
