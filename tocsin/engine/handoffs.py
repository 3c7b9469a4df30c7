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


BATCH: Final = 50
"""Pages owed in one transaction: on a Monday morning many rotas change hands at once."""


def handoffs_pass(db: Database, now: datetime, *, node: str, chance: Random, public_url: str = "", batch: int = BATCH) -> bool:
    """Owe one batch of the notices that are due. True: there may be more."""
    with db.read() as tx:
        only = handoffs.first_of(handoffs.due(tx, now), batch)
    if not only:
        return False
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return False
        return handoffs.tell(tx, now=now, chance=chance, public_url=public_url, only=only) > 0
