"""Load, save and find maintenance windows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.maintenance import Window
from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import maintenance_service, maintenance_window

_window, _link = maintenance_window.c, maintenance_service.c

_OF_SERVICES: Final = (
    sa.select(_link.service_id, maintenance_window)
    .join(maintenance_window, _window.id == _link.window_id)
    .where(_link.service_id.in_(sa.bindparam("ids", expanding=True)), _window.end_at > sa.bindparam("since"))
    .order_by(_window.start_at, _window.id)
)


def read(row: sa.Row[Any]) -> Window:
    """The window of a row of the table."""
    return Window(row.id, row.sequence_number, row.start_at, row.end_at, row.description, row.created_by_name)


def of_services(tx: Tx, service_ids: Collection[str], since: datetime) -> dict[str, list[Window]]:
    """By service, its windows that end after an instant, by their start; services without any are missing."""
    found: dict[str, list[Window]] = {}
    if service_ids:
        for row in tx.rows(_OF_SERVICES, {"ids": sorted(set(service_ids)), "since": since}):
            found.setdefault(row.service_id, []).append(read(row))
    return found


def service_ids(tx: Tx, window_ids: Collection[str]) -> dict[str, list[str]]:
    """By window, its services."""
    found: dict[str, list[str]] = {window_id: [] for window_id in window_ids}
    rows = tx.rows(sa.select(maintenance_service).where(_link.window_id.in_(sorted(found))).order_by(_link.service_id))
    for row in rows:
        found[row.window_id].append(row.service_id)
    return found


def insert(tx: Tx, row: Mapping[str, Any], services: Collection[str]) -> None:
    """Keep a new window."""
    tx.execute(sa.insert(maintenance_window), dict(row))
    _link_services(tx, row["id"], services)


def update(tx: Tx, window_id: str, columns: Mapping[str, Any], services: Collection[str] | None = None) -> None:
    """Change a window; `services` None leaves them."""
    tx.execute(sa.update(maintenance_window).where(_window.id == window_id).values(**columns))
    if services is not None:
        tx.execute(sa.delete(maintenance_service).where(_link.window_id == window_id))
        _link_services(tx, window_id, services)


def remove(tx: Tx, window_id: str) -> None:
    """Delete a window with its services."""
    tx.execute(sa.delete(maintenance_service).where(_link.window_id == window_id))
    tx.execute(sa.delete(maintenance_window).where(_window.id == window_id))


def how_many_open(tx: Tx, now: datetime) -> int:
    """Windows that have not ended."""
    return int(tx.scalar(sa.select(sa.func.count()).select_from(maintenance_window).where(_window.end_at > now)))


def _link_services(tx: Tx, window_id: str, services: Collection[str]) -> None:
    rows: Sequence[dict[str, str]] = [{"window_id": window_id, "service_id": one} for one in sorted(set(services))]
    if rows:
        tx.execute(sa.insert(maintenance_service), rows)
