"""Follows the event log for extensions of services: what happens to their incidents becomes a webhook that is owed."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from tocsin.engine.followers.spec import Follower
from tocsin.service import extensions
from tocsin.store.db import Tx
from tocsin.store.events import Entry


def read(tx: Tx, entries: Sequence[Entry], now: datetime, chance: Random) -> None:
    """Owe what follows from these entries."""
    extensions.tell(tx, entries, now=now, chance=chance)


def is_idle(tx: Tx, _now: datetime) -> bool:
    """Whether there is no extension that sends."""
    return not extensions.has_senders(tx)


FOLLOWER = Follower("extensions", read, is_idle)
