"""The pass that works off the inbox: accepted events in order, a batch a transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final, Protocol

from tocsin.service import processing
from tocsin.service.notify import Claim
from tocsin.store import leases
from tocsin.store.db import Database, Tx

LEASE: Final = "ingest"
LASTING: Final = timedelta(seconds=10)
"""How long another node waits before it takes over from one that is silent."""
VERSION: Final = 1
"""Raised when the meaning of this work changes, so that an older node stops doing it."""
BATCH: Final = 500
"""Events decided in one transaction: large enough to be quick, small enough that other writers wait little."""


class Sender(Protocol):
    """Whoever sends pages and can take those of a batch along in its transaction (`engine/deliver.Courier`)."""

    def claim_in(self, tx: Tx, now: datetime) -> list[Claim]: ...
    def go(self, claims: Sequence[Claim]) -> None: ...
    def forget(self, claims: Sequence[Claim]) -> None: ...


def ingest_pass(
    db: Database, now: datetime, *, node: str, chance: Random, batch: int = BATCH, sender: Sender | None = None
) -> bool:
    """Work off one batch. True: there may be more. One node does this at a time, so events keep their order.

    With a `sender` the pages that are due at once are claimed in the same transaction and leave right after it.
    """
    with db.read() as tx:
        if not processing.is_waiting(tx):
            return False
    claims: list[Claim] = []
    try:
        with db.write() as tx:
            if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING, version=VERSION):
                return False
            count, decided_at = processing.work_off(tx, batch, now=now, chance=chance)
            if sender is not None:
                claims = sender.claim_in(tx, decided_at)
    except BaseException:
        if sender is not None:
            sender.forget(claims)
        raise
    if sender is not None:
        sender.go(claims)
    return count > 0
