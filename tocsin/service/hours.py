"""Support hours that begin and end: timers of services, and open incidents of low urgency that are raised by them.

Laws:
1. A service with scheduled actions has one timer for each name it acts at, set for the next instant of that name.
2. A timer reads the service as it is when it fires; it then sets itself for the next time, or not at all.
3. Incidents are raised through the Desk, so whoever holds one is paged as by any change of urgency.
Source: BEHAVIOUR 2.1, `scheduled_actions`.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.alert import END_OF_SUPPORT, START_OF_SUPPORT, next_named
from tocsin.core.events import TOCSIN, Urgency
from tocsin.core.incident_commands import ChangeUrgency
from tocsin.service.incidents import Desk
from tocsin.store import incidents, services, timers
from tocsin.store.db import Tx
from tocsin.store.tables.engine import timer
from tocsin.store.tables.services import service
from tocsin.store.timers import Due

KINDS: Final = (START_OF_SUPPORT, END_OF_SUPPORT)
ASKED_OF: Final = frozenset({"incident_urgency_rule", "support_hours", "scheduled_actions"})
"""What of a service decides when its timers are due."""
AT_ONCE: Final = 500
"""Incidents raised in one transaction; if there are more the timer is due again at once."""
HEALED_AT_ONCE: Final = 200


def set_timers(tx: Tx, service_id: str, now: datetime) -> None:
    """Law 1, for a service that was made or changed."""
    row = tx.one(sa.select(service).where(service.c.id == service_id))
    timers.drop_many(tx, [(service_id, kind) for kind in KINDS])
    if row is not None and (due := _due(row, now)):
        timers.set_many(tx, due)
        tx.wake("timers")


def drop_timers(tx: Tx, service_id: str) -> None:
    """A service is about to be deleted."""
    timers.drop_many(tx, [(service_id, kind) for kind in KINDS])


def heal(tx: Tx, now: datetime) -> int:
    """Set the timers of services that should have some and have none (made by an older version); how many there were."""
    has_one = sa.select(timer.c.subject_id).where(timer.c.kind.in_(KINDS))
    lacking = sa.select(service).where(service.c.scheduled_actions != [], service.c.id.not_in(has_one))
    rows = tx.rows(lacking.order_by(service.c.id).limit(HEALED_AT_ONCE))
    due = [one for row in rows for one in _due(row, now)]
    timers.set_many(tx, due)
    return len(due)


def _due(row: sa.Row[Any], now: datetime) -> list[Due]:
    hours = services.read_urgency(row.incident_urgency_rule, row.support_hours).hours
    names = {action["at"]["name"] for action in row.scheduled_actions or ()}
    if hours is None:
        return []
    return [Due(row.id, name, next_named(hours, name, now)) for name in KINDS if name in names]


def fire(desk: Desk, due: Due) -> None:
    """Support hours of a service begin or end now: what is open with low urgency is raised (laws 2 and 3)."""
    row = desk.tx.one(sa.select(service).where(service.c.id == due.subject_id))
    if row is None:
        return
    following = [one for one in _due(row, desk.now) if one.kind == due.kind]
    if not following:
        return
    ids = incidents.open_with_urgency(desk.tx, row.id, Urgency.LOW.value, most=AT_ONCE)
    desk.fetch(ids)
    what = "begin" if due.kind == START_OF_SUPPORT else "end"
    for id_ in ids:
        if desk.incident(id_).is_open:
            desk.ask_with(
                id_,
                lambda ladder, rules: ChangeUrgency(
                    urgency=Urgency.HIGH,
                    ladder=ladder,
                    rules=rules,
                    agent=TOCSIN,
                    channel="auto",
                    reason=f"the support hours of {row.name} {what}, which raises what is open with low urgency",
                ),
            )
    again = [Due(row.id, due.kind, desk.now)] if len(ids) == AT_ONCE else following
    timers.set_many(desk.tx, again)
