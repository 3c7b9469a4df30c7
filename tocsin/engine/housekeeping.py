"""The pass that removes what need not be kept any more, in small bites, and says what it removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.service import hours
from tocsin.service.sessions import Lifetimes
from tocsin.store import alerts, audit, changes, entrance, keeping, leases, pauses, sessions, webhooks
from tocsin.store.db import Database

_log = structlog.get_logger("tocsin.housekeeping")

LEASE: Final = "housekeeping"
LASTING: Final = timedelta(minutes=2)
WEBHOOKS_KEPT: Final = timedelta(days=7)
"""How long webhooks that were sent or dropped are kept, to look at."""
FAILURES_KEPT: Final = timedelta(days=1)
"""How long failed sign-ins are remembered; throttling looks back much less."""
AUDIT_KEPT: Final = timedelta(days=365)
"""How long audit records are kept (BEHAVIOUR 7)."""
PAUSES_KEPT: Final = timedelta(days=184)
"""How long it is known that an alert was held back: as far as reports reach (BEHAVIOUR 10)."""
CHANGES_KEPT: Final = timedelta(days=90)
"""How long change events are kept (BEHAVIOUR 1.2)."""
BITE: Final = 500
"""Rows of one kind removed in one transaction, so that nobody waits for the broom."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept. `incidents` None: for ever."""

    journal: timedelta = timedelta(days=90)
    incidents: timedelta | None = None


def housekeeping_pass(db: Database, now: datetime, *, node: str, keep: Keep, bite: int = BITE) -> bool:
    """Remove one bite of each kind. True: there may be more."""
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return False
        removed = {
            "events": keeping.forget_events(tx, now - keep.journal, bite),
            "alerts": keeping.forget_resolved_alerts(tx, now - keep.journal, bite),
            "early_resolves": alerts.forget_early(tx, now),
            "webhooks": webhooks.forget(tx, now - WEBHOOKS_KEPT, bite),
            "sessions": sessions.drop_stale(
                tx, idle_since=now - Lifetimes().idle, failed_before=now - FAILURES_KEPT, now=now
            ),
            "audit_records": audit.drop_before(tx, now - AUDIT_KEPT),
            "pauses": pauses.forget(tx, now - PAUSES_KEPT, bite),
            "changes": changes.forget(tx, now - CHANGES_KEPT, bite),
            "oauth_tokens": entrance.forget_tokens(tx, now, bite),
            "incidents": keeping.forget_incidents(tx, now - keep.incidents, bite) if keep.incidents else 0,
        }
        hours.heal(tx, now)
    if any(removed.values()):
        _log.info("removed what need not be kept any more", **removed)
    return bite in {removed[kind] for kind in ("webhooks", "events", "alerts", "incidents", "pauses", "changes", "oauth_tokens")}
