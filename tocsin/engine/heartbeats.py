"""The pass that tells of heartbeats that fell silent, and keeps account of when it was not there to hear them.

Laws:
1. One node does this at a time (a lease): so one clock judges, and a node whose clock is apart does not undo another's wait.
2. Before any silence is told it is asked whether anybody could have heard: after a gap, waits begin anew first.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Final

import structlog

from tocsin.service import heartbeats
from tocsin.store import heartbeats as store
from tocsin.store import leases
from tocsin.store.db import Database

_log = structlog.get_logger("tocsin.heartbeats")

LEASE: Final = "heartbeats"
LASTING: Final = timedelta(seconds=30)
"""How long another node waits before it takes over; shorter than the gap that excuses silence."""
MARK_EVERY: Final = timedelta(seconds=15)
"""How often it is written down that the watch is here."""
BATCH: Final = 100


def heartbeats_pass(db: Database, now: datetime, *, node: str, chance: Random, batch: int = BATCH) -> bool:
    """Tell one batch. True: there may be more."""
    with db.read() as tx:
        due_at, looked_at = store.next_due(tx), store.looked_at(tx)
    is_due = due_at is not None and due_at <= now
    if not is_due and (due_at is None or (looked_at is not None and abs(now - looked_at) < MARK_EVERY)):
        return False
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return False
        excused = heartbeats.look(tx, now)
        told = heartbeats.tell_silence(tx, now, chance=chance, most=batch)
    for one in excused:
        _log.warning("a heartbeat's wait begins anew", heartbeat=one.heartbeat_id, name=one.name, why=one.reason)
    return told == batch
