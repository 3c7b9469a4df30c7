"""What a follower of the event log is: a name, and what it does with the next entries, in the transaction of its position."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from tocsin.store.db import Tx
from tocsin.store.events import Entry

Read = Callable[[Tx, Sequence[Entry], datetime, Random], None]
"""(transaction, entries in order, now, chance): do what follows from them."""


def never_idle(_tx: Tx, _now: datetime) -> bool:
    """Most followers want every entry."""
    return False


@dataclass(frozen=True, slots=True)
class Follower:
    """Something that reads all that happens, every entry once and in order.

    name     under which its position is kept: it is for ever
    is_idle  whether nothing at all would follow from any entry now, so that it may pass over them unread
    """

    name: str
    read: Read
    is_idle: Callable[[Tx, datetime], bool] = never_idle
