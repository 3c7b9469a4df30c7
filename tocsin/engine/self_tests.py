"""The pass that tests the ways people are reached, every week at the hour each chose, and tells of those that stay silent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from tocsin.service import self_tests as service
from tocsin.store import leases
from tocsin.store import self_tests as store
from tocsin.store.db import Database

LEASE: Final = "self tests"
LASTING: Final = timedelta(minutes=2)
LOOKED_AT: Final = timedelta(seconds=30)
BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class SelfTests:
    """One node does this at a time. `chance` is the system's: it makes the links; `is_default`: who chose nothing is tested."""

    db: Database
    node: str
    chance: Random
    public_url: str
    is_default: bool = False

    def __call__(self, now: datetime) -> bool:
        with self.db.read() as tx:
            if not store.anything_due(tx, now) and not (self.is_default and store.without_plan(tx, 1)):
                return False
        with self.db.write() as tx:
            if not leases.hold(tx, LEASE, self.node, now=now, lasting=LASTING):
                return False
            planned = service.plan_everybody(tx, now, most=BATCH) if self.is_default else 0
            sent = service.send_due(
                tx, now, chance=self.chance, public_url=self.public_url, is_default=self.is_default, most=BATCH
            )  # fmt: skip
            missed = service.tell_missed(tx, now, chance=self.chance, public_url=self.public_url, most=BATCH)
        return BATCH in {planned, sent, missed}
