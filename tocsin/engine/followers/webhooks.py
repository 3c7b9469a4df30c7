"""Follows the event log for webhooks: each entry that somebody subscribed to becomes a webhook that is owed."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from tocsin.engine.followers.spec import Follower
from tocsin.service import webhooks
from tocsin.store import webhooks as store
from tocsin.store.db import Tx
from tocsin.store.events import Entry


def read(tx: Tx, entries: Sequence[Entry], now: datetime, chance: Random) -> None:
    """Owe what follows from these entries."""
    webhooks.tell_of_incidents(tx, entries, now=now, chance=chance)


def is_idle(tx: Tx, _now: datetime) -> bool:
    """Whether there is no subscription at all, not even a silent one: whoever subscribes later hears of what is later still."""
    return not store.has_subscriptions(tx)


FOLLOWER = Follower("webhooks", read, is_idle)
