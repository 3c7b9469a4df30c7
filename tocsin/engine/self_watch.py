"""The passes by which Tocsin watches itself: the ages of its queues, and the calls that say outside that its engine is alive.

Laws:
1. One node judges the queues (a lease). Every node calls for itself: a node that is stuck must be missed, whatever others do.
2. An address is called only while everything of this node is well; so what waits for the call learns of whatever is not.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit

import structlog

from tocsin.base.figures import OWN_ALARMS
from tocsin.channels.http import Answer, Forbidden, Outside, Unreachable
from tocsin.core.self_watch import Tell
from tocsin.service import self_watch as service
from tocsin.store import leases
from tocsin.store import self_watch as store
from tocsin.store.db import Database

_log = structlog.get_logger("tocsin.self")

LEASE: Final = "own queues"
LASTING: Final = timedelta(seconds=45)
LOOKED_AT: Final = timedelta(seconds=15)
CALLED: Final = timedelta(minutes=1)
"""How often an address is called while all is well; while it is not, every look sees whether it is again."""
PATIENCE: Final = timedelta(seconds=10)
"""How long an address may take to answer a call."""
ANSWER_READ: Final = 1024

Call = Callable[[Sequence[str]], Sequence[str | None]]
"""Calls addresses; for each what went wrong, None when it was heard."""


def queues_pass(db: Database, now: datetime, *, node: str, chance: Random, public_url: str = "") -> bool:
    """Look at the queues once, and tell what follows."""
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return False
        looked = service.look(tx, now, chance=chance, public_url=public_url)
    if looked.step.tell is Tell.LATE:
        OWN_ALARMS.inc()
        _log.error("this installation is late", why=looked.step.reason, told=looked.messages)
    elif looked.step.tell is Tell.OVER:
        _log.info("this installation is on time again", why=looked.step.reason, told=looked.messages)
    return False


@dataclass(slots=True)
class Pulse:
    """Calls the addresses of the settings while nothing ails this node. One for the life of a process."""

    db: Database
    node: str
    urls: Sequence[str]
    ailing: Callable[[datetime], Sequence[str]]
    call: Call
    called_at: datetime | None = None

    def __call__(self, now: datetime) -> bool:
        if not self.urls or (self.called_at is not None and abs(now - self.called_at) < CALLED):
            return False
        if ails := self.ailing(now):
            _log.warning("not well: nobody is called", why="; ".join(ails))
            troubles: Sequence[str | None] = ["not called: " + "; ".join(ails)] * len(self.urls)
        else:
            troubles = self.call(self.urls)
            self.called_at = now
        called = [
            {"digest": digest_of(url), "host": urlsplit(url).hostname or "", "trouble": trouble}
            for url, trouble in zip(self.urls, troubles, strict=True)
        ]  # fmt: skip
        for one in called:
            if one["trouble"] and not ails:
                _log.warning("an address did not hear that the engine is alive", host=one["host"], why=one["trouble"])
        with self.db.write() as tx:
            store.keep_pulses(tx, self.node, called, now)
        return False


def digest_of(url: str) -> str:
    """What an address is kept by: it is a secret."""
    return hashlib.sha256(url.encode()).hexdigest()


def outside(allowed: Sequence[str]) -> Call:
    """Calls in the world; `allowed` are private networks that may be called."""

    async def one(way_out: Outside, url: str) -> str | None:
        try:
            answer: Answer = await way_out.request("GET", url, timeout=PATIENCE, answer_most=ANSWER_READ)
        except (Forbidden, Unreachable) as error:
            return str(error).replace(url, "the address")
        return None if answer.is_fine else f"HTTP {answer.status}"

    async def all_of(urls: Sequence[str]) -> list[str | None]:
        way_out = Outside(allowed=allowed)
        try:
            return list(await asyncio.gather(*(one(way_out, url) for url in urls)))
        finally:
            await way_out.close()

    return lambda urls: asyncio.run(all_of(urls))
