"""Alerts that are held back: which, until when, by what, and how it ended."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import paused_alert

TIMER: Final = "pause_over"
"""The kind of the timer that ends a pause; its subject is the alert."""
AUTO_PAUSE, RULES = "auto_pause", "rules"
TRIGGERED, RESOLVED, DROPPED = "triggered", "resolved", "dropped"
"""How a pause ends: with an incident, with the alert's end, or because the service cannot open anything any more."""

_paused = paused_alert.c
_AT_ONCE: Final = 400


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause. `event_id` is the journal row of the trigger; `ending` None while it lasts."""

    alert_id: str
    service_id: str
    event_id: str
    suspended_by: str
    created_at: datetime
    until_at: datetime
    ended_at: datetime | None = None
    ending: str | None = None


_COLUMNS: Final = tuple(_paused[name] for name in Pause.__slots__)


def insert(tx: Tx, pauses: Sequence[Pause]) -> None:
    """Keep new pauses."""
    if pauses:
        tx.execute(sa.insert(paused_alert), [{name: getattr(one, name) for name in Pause.__slots__} for one in pauses])


def lock(tx: Tx, alert_ids: Collection[str]) -> dict[str, Pause]:
    """Those of these alerts that are held back now; nobody else may end their pauses until we are done."""
    wanted = sorted(set(alert_ids))
    found: dict[str, Pause] = {}
    for at in range(0, len(wanted), _AT_ONCE):
        some = sa.select(*_COLUMNS).where(_paused.alert_id.in_(wanted[at : at + _AT_ONCE]), _paused.ended_at.is_(None))
        rows = tx.rows(some.order_by(_paused.alert_id).with_for_update())
        found |= {row.alert_id: Pause(*list(row)) for row in rows}
    return found


def end(tx: Tx, alert_id: str, ending: str, now: datetime) -> None:
    """Write down how a pause ended."""
    statement = sa.update(paused_alert).where(_paused.alert_id == alert_id, _paused.ended_at.is_(None))
    tx.execute(statement.values(ending=ending, ended_at=now))


def of_service(tx: Tx, service_id: str, most: int) -> list[Pause]:
    """Up to `most` alerts of a service that are held back now, the newest first."""
    statement = sa.select(*_COLUMNS).where(_paused.service_id == service_id, _paused.ended_at.is_(None))
    rows = tx.rows(statement.order_by(_paused.created_at.desc(), _paused.alert_id).limit(most))
    return [Pause(*list(row)) for row in rows]


def counts(tx: Tx, conditions: Sequence[sa.ColumnElement[bool]]) -> dict[str | None, int]:
    """How many pauses fulfil these conditions, by how they ended (None: they last)."""
    statement = sa.select(_paused.ending, sa.func.count().label("many")).where(*conditions).group_by(_paused.ending)
    return {row.ending: row.many for row in tx.rows(statement)}


def newest(tx: Tx, conditions: Sequence[sa.ColumnElement[bool]], ending: str, most: int) -> list[Pause]:
    """The newest pauses that ended so."""
    statement = sa.select(*_COLUMNS).where(*conditions, _paused.ending == ending)
    rows = tx.rows(statement.order_by(_paused.created_at.desc(), _paused.alert_id).limit(most))
    return [Pause(*list(row)) for row in rows]


def forget(tx: Tx, before: datetime, limit: int) -> int:
    """Remove pauses that ended before an instant."""
    old: Any = sa.select(_paused.alert_id).where(_paused.created_at < before, _paused.ended_at.is_not(None))
    old = old.order_by(_paused.created_at).limit(limit)
    return tx.execute(sa.delete(paused_alert).where(_paused.alert_id.in_(old.scalar_subquery()))).rowcount
