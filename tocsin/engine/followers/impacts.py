"""Follows the event log for business services: whoever subscribed hears when one becomes impacted, and when it is over."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from tocsin.engine.followers.spec import Follower
from tocsin.service import impacts
from tocsin.store.db import Tx
from tocsin.store.events import Entry


def read(tx: Tx, entries: Sequence[Entry], now: datetime, chance: Random) -> None:
    """Tell what follows from these entries."""
    impacts.follow(tx, entries, now, chance)


def is_idle(tx: Tx, _now: datetime) -> bool:
    """Whether there is nothing that could be impacted."""
    return impacts.is_idle(tx)


FOLLOWER = Follower("impacts", read, is_idle)
