"""Removing what need not be kept any more, a bounded number of rows at a time, oldest first."""

from datetime import datetime

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import engine, incidents

_inbox, _incident = engine.inbox.c, incidents.incident.c


def forget_events(tx: Tx, before: datetime, limit: int) -> int:
    """Remove processed events received before an instant from the journal; those that wait are never removed."""
    old = sa.select(_inbox.id).where(_inbox.received_at < before, _inbox.outcome.is_not(None))
    old = old.order_by(_inbox.received_at, _inbox.id).limit(limit)
    return tx.execute(sa.delete(engine.inbox).where(_inbox.id.in_(old.scalar_subquery()))).rowcount


def forget_incidents(tx: Tx, before: datetime, limit: int) -> int:
    """Remove incidents resolved before an instant with everything that hangs on them."""
    old = sa.select(_incident.id).where(_incident.resolved_at < before, _incident.status == "resolved")
    gone = [row.id for row in tx.rows(old.order_by(_incident.resolved_at, _incident.id).limit(limit))]
    if not gone:
        return 0
    for table in (incidents.alert, incidents.note, engine.outbox, engine.delivery, engine.event, engine.inbox):
        tx.execute(sa.delete(table).where(table.c.incident_id.in_(gone)))
    tx.execute(sa.delete(incidents.incident).where(_incident.id.in_(gone)))
    return len(gone)


def forget_resolved_alerts(tx: Tx, before: datetime, limit: int) -> int:
    """Remove resolved alerts that belong to no incident (closed early, suppressed) and are older than the journal."""
    alert = incidents.alert.c
    old = sa.select(alert.id).where(alert.incident_id.is_(None), alert.resolved_at < before).order_by(alert.resolved_at)
    return tx.execute(sa.delete(incidents.alert).where(alert.id.in_(old.limit(limit).scalar_subquery()))).rowcount
