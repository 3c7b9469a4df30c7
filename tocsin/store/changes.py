"""Change events: keep and find what senders say was changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import change_event

_change = change_event.c


@dataclass(frozen=True, slots=True)
class Change:
    """One change event. `id` is that of its row in the journal."""

    id: str
    service_id: str
    integration_id: str | None
    routing_key: str
    summary: str
    source: str | None
    timestamp: datetime
    custom_details: Any
    links: list[dict[str, Any]]
    images: list[dict[str, Any]]
    updated_at: datetime


def insert(tx: Tx, changes: Sequence[Change]) -> None:
    """Keep new change events."""
    if changes:
        tx.execute(sa.insert(change_event), [{name: getattr(one, name) for name in Change.__slots__} for one in changes])


def newest_before(tx: Tx, service_ids: Sequence[str], since: datetime, until: datetime, most: int) -> Sequence[sa.Row[Any]]:
    """The newest changes of these services within [since, until], newest first."""
    statement = sa.select(change_event).where(
        _change.service_id.in_(sorted(set(service_ids))), _change.timestamp >= since, _change.timestamp <= until
    )
    return tx.rows(statement.order_by(_change.timestamp.desc(), _change.id.desc()).limit(most))


def forget(tx: Tx, before: datetime, limit: int) -> int:
    """Remove change events of before an instant; one that came, or was put into other words, later is kept."""
    old = sa.select(_change.id).where(_change.timestamp < before, _change.updated_at < before).order_by(_change.timestamp, _change.id).limit(limit)
    return tx.execute(sa.delete(change_event).where(_change.id.in_(old.scalar_subquery()))).rowcount
