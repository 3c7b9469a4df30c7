"""The pass that works off the inbox: accepted events in order, a batch a transaction."""

from datetime import datetime, timedelta
from random import Random
from typing import Final

from tocsin.service import processing
from tocsin.store import leases
from tocsin.store.db import Database

LEASE: Final = "ingest"
LASTING: Final = timedelta(seconds=10)
"""How long another node waits before it takes over from one that is silent."""
VERSION: Final = 1
"""Raised when the meaning of this work changes, so that an older node stops doing it."""
BATCH: Final = 500
"""Events decided in one transaction: large enough to be quick, small enough that other writers wait little."""


def ingest_pass(db: Database, now: datetime, *, node: str, chance: Random, batch: int = BATCH) -> bool:
    """Work off one batch. True: there may be more. One node does this at a time, so events keep their order."""
    with db.read() as tx:
        if not processing.is_waiting(tx):
            return False
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING, version=VERSION):
            return False
        return processing.work_off(tx, batch, now=now, chance=chance) > 0
