"""Load, save and find alerts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.core.alert import ORDERING_WINDOW, EarlyResolve
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables import incidents as tables

_alert = tables.alert.c
_early = engine_tables.early_resolve.c
_AT_ONCE = 400


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing wrong, by its dedup key. `body` is the first trigger event as JSON text (as its reader understood it)."""

    id: str
    service_id: str
    integration_id: str | None
    routing_key: str
    dedup_key: str
    incident_id: str | None
    status: str  # triggered | resolved
    severity: str | None
    summary: str
    is_suppressed: bool
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    trigger_count: int
    body: str

    @property
    def key(self) -> tuple[str, str]:
        return (self.routing_key, self.dedup_key)

    @property
    def content(self) -> dict[str, Any]:
        """The body, read."""
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found


_NAMES = tuple(field.name for field in fields(Alert))
_columns = tuple(_alert[name] for name in _NAMES)


def _read(rows: Sequence[sa.Row[Any]]) -> list[Alert]:
    return [Alert(*list(row)) for row in rows]


_OPEN_BY_KEY: Final = sa.select(*_columns).where(
    _alert.dedup_key.in_(sa.bindparam("keys", expanding=True)),  # not pairs: SQLite would walk the whole index for them
    _alert.status == sa.literal_column("'triggered'"),  # a constant, so that the index of open keys can serve
)


def open_by_key(tx: Tx, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], Alert]:
    """The open alerts of these (routing key, dedup key) pairs."""
    wanted = set(keys)
    dedup_keys = sorted({dedup_key for _, dedup_key in wanted})
    found: dict[tuple[str, str], Alert] = {}
    for at in range(0, len(dedup_keys), _AT_ONCE):
        alerts = _read(tx.rows(_OPEN_BY_KEY, {"keys": dedup_keys[at : at + _AT_ONCE]}))
        found |= {alert.key: alert for alert in alerts if alert.key in wanted}
    return found


def load(tx: Tx, alert_ids: Collection[str]) -> dict[str, Alert]:
    """These alerts by id."""
    wanted = sorted(set(alert_ids))
    found: dict[str, Alert] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        rows = tx.rows(sa.select(*_columns).where(_alert.id.in_(wanted[at : at + _AT_ONCE])))
        found |= {alert.id: alert for alert in _read(rows)}
    return found


def of_incidents(tx: Tx, incident_ids: Collection[str], *, only_open: bool = False) -> list[Alert]:
    """The alerts of these incidents, oldest first."""
    statement = sa.select(*_columns).where(_alert.incident_id.in_(sorted(incident_ids)))
    if only_open:
        statement = statement.where(_alert.status == "triggered")
    return _read(tx.rows(statement.order_by(_alert.created_at, _alert.id)))


def first_of_incidents(tx: Tx, incident_ids: Collection[str]) -> dict[str, Alert]:
    """The oldest alert of each of these incidents."""
    found: dict[str, Alert] = {}
    for alert in of_incidents(tx, incident_ids):
        found.setdefault(str(alert.incident_id), alert)
    return found


def matching(tx: Tx, statement: sa.Select[Any]) -> list[Alert]:
    """The alerts a statement over `columns()` selects."""
    return _read(tx.rows(statement))


def columns() -> tuple[sa.Column[Any], ...]:
    return _columns


def insert(tx: Tx, alerts: Sequence[Alert]) -> None:
    if alerts:
        tx.execute(sa.insert(tables.alert), [{name: getattr(alert, name) for name in _NAMES} for alert in alerts])


_update = sa.update(tables.alert).where(_alert.id == sa.bindparam("the_id"))
_CHANGING = ("incident_id", "status", "is_suppressed", "updated_at", "resolved_at", "trigger_count")
_update = _update.values({name: sa.bindparam(f"new_{name}") for name in _CHANGING})


def update(tx: Tx, alerts: Sequence[Alert]) -> None:
    """Keep what may change of these alerts."""
    if alerts:
        rows = [{"the_id": alert.id} | {f"new_{name}": getattr(alert, name) for name in _CHANGING} for alert in alerts]
        tx.execute(_update, rows)


def resolve_of_incidents(tx: Tx, incident_ids: Collection[str], now: datetime) -> int:
    """Resolve every open alert of these incidents; returns how many there were."""
    if not incident_ids:
        return 0
    statement = (
        sa.update(tables.alert)
        .where(_alert.incident_id.in_(sorted(incident_ids)), _alert.status == "triggered")
        .values(status="resolved", resolved_at=now, updated_at=now)
    )
    return tx.execute(statement).rowcount


def move(tx: Tx, alert_ids: Collection[str], incident_id: str, now: datetime) -> None:
    """Let these alerts belong to another incident."""
    tx.execute(
        sa.update(tables.alert).where(_alert.id.in_(sorted(alert_ids))).values(incident_id=incident_id, updated_at=now)
    )


_EARLY: Final = sa.select(engine_tables.early_resolve).where(
    _early.routing_key.in_(sa.bindparam("routing_keys", expanding=True))
)


def early_resolves(tx: Tx, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], EarlyResolve]:
    """Resolves of these keys that came too early and still wait."""
    if not keys:
        return {}
    routing_keys = sorted({routing_key for routing_key, _ in keys})
    rows = tx.rows(_EARLY, {"routing_keys": routing_keys})
    found = {(row.routing_key, row.dedup_key): EarlyResolve(row.resolved_at, row.received_at) for row in rows}
    return {key: resolve for key, resolve in found.items() if key in keys}


def keep_early(tx: Tx, resolves: dict[tuple[str, str], EarlyResolve]) -> None:
    """Keep resolves that found nothing open for the ordering window."""
    rows = [
        {"routing_key": key[0], "dedup_key": key[1], "resolved_at": one.resolved_at, "received_at": one.received_at}
        for key, one in resolves.items()
    ]
    dialect.upsert(tx.connection, engine_tables.early_resolve, rows, ["routing_key", "dedup_key"])


def forget_early(tx: Tx, now: datetime) -> int:
    """Drop resolves whose ordering window is over."""
    return tx.execute(sa.delete(engine_tables.early_resolve).where(_early.received_at < now - ORDERING_WINDOW)).rowcount
