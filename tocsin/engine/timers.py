"""The pass that fires due timers: escalations, acknowledgements that run out, snoozes that end, automatic resolves."""

from datetime import datetime
from random import Random
from typing import Final

from tocsin.core.incident import Timer
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
        desk.fetch({one.subject_id for one in wanted})  # first, as everybody does who changes an incident
        for one in timers.take(tx, wanted):
            desk.fire(one.subject_id, Timer(one.kind), one.due_at)
    return bool(wanted)
