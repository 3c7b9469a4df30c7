"""The pass that fires due timers: escalations, ends of acknowledgements, snoozes and pauses, automatic resolves, support hours."""

from datetime import datetime
from random import Random
from typing import Final

from tocsin.service import alarms
from tocsin.service.incidents import Desk
from tocsin.store import timers
from tocsin.store.db import Database

BATCH: Final = 200
"""Timers fired in one transaction."""


def timers_pass(db: Database, now: datetime, *, chance: Random, batch: int = BATCH) -> bool:
    """Fire one batch of due timers. True: there may be more. Any number of nodes may do this at once."""
    with db.read() as tx:
        due_at = timers.next_due(tx)
        if due_at is None or due_at > now:
            return False
    with db.write() as tx, Desk(tx, now=now, chance=chance) as desk:
        wanted = timers.due(tx, now, batch)
        alarms.ring(desk, wanted)
    return bool(wanted)
