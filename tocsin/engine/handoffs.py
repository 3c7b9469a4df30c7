"""The pass that tells people of the hand-offs that come: who goes on call, and who comes off.

Laws:
1. Looking costs no write; only what is due opens a transaction, which looks again before it owes.
2. One node does this at a time: a second one that comes meanwhile waits for the first, and finds it told.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Final

from tocsin.service import handoffs
from tocsin.store import leases
from tocsin.store.db import Database

LEASE: Final = "handoffs"
LASTING: Final = timedelta(seconds=10)
"""How long another node waits before it takes over from one that is silent."""


def handoffs_pass(db: Database, now: datetime, *, node: str, chance: Random, public_url: str = "") -> bool:
    """Owe the notices that are due. Always False: one round owes all there are."""
    with db.read() as tx:
        if not handoffs.due(tx, now):
            return False
    with db.write() as tx:
        if leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            handoffs.tell(tx, now=now, chance=chance, public_url=public_url)
    return False
