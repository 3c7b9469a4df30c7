"""The pass that lets every follower read on in the event log.

Laws:
1. What a follower does with entries and how far it has read are one transaction: each entry counts once, in order.
2. One node does this at a time; a follower that fails holds back only itself.
3. An idle follower costs no write for each event: it passes over the log in leaps.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Final

from tocsin.engine.followers.roll import FOLLOWERS
from tocsin.engine.followers.spec import Follower
from tocsin.store import events, leases
from tocsin.store.db import Database

LEASE: Final = "follow"
LASTING: Final = timedelta(seconds=10)
"""How long another node waits before it takes over from one that is silent."""
VERSION: Final = 1
"""Raised when the meaning of this work changes, so that an older node stops doing it."""
BATCH: Final = 500
"""Entries that one follower reads in one transaction."""
LEAP: Final = 2000
"""Entries that an idle follower lets pass before it notes that it has passed over them."""


def follow_pass(
    db: Database,
    now: datetime,
    *,
    node: str,
    chance: Random,
    followers: Sequence[Follower] = FOLLOWERS,
    batch: int = BATCH,
) -> bool:
    """Let each follower read its next batch. True: there may be more.

    Raises ExceptionGroup with what went wrong in some followers, after all others have read.
    """
    with db.read() as tx:
        last = events.last_position(tx)
        behind = []
        for one in followers:
            left = last - events.position_of(tx, one.name)
            if left >= LEAP or (left > 0 and not one.is_idle(tx, now)):
                behind.append(one)
    errors: list[Exception] = []
    more = False
    for follower in behind:
        try:
            more = _read_on(db, follower, now, node, chance, batch) or more
        except Exception as error:  # noqa: BLE001 - law 2: raised below, when the others have read
            errors.append(error)
    if errors:
        raise ExceptionGroup("followers of the event log failed", errors)
    return more


def _read_on(db: Database, follower: Follower, now: datetime, node: str, chance: Random, batch: int) -> bool:
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING, version=VERSION):
            return False
        if follower.is_idle(tx, now):
            events.move_follower(tx, follower.name, events.last_position(tx))
            return False
        entries = events.after(tx, events.position_of(tx, follower.name), batch)
        if entries:
            follower.read(tx, entries, now, chance)
            events.move_follower(tx, follower.name, entries[-1].position)
    return bool(entries)
