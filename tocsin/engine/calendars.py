"""The pass that looks at the calendars that schedules follow: fetches what is due, and lets the schedules say it.

Laws:
1. One node does this at a time (a lease); what it fetched while it lost the lease is thrown away.
2. Nothing is fetched, and nothing read, inside a transaction.
3. Every look also works out the last good copy anew, so that the months ahead never run dry, whatever the address does.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from tocsin.base.secret import Seals
from tocsin.channels import calendars as channel
from tocsin.channels.calendars import Fetched, Wanted
from tocsin.core.permission import HOUSE
from tocsin.inbound.calendar import SIZE_MOST
from tocsin.service import followed_calendars as service
from tocsin.service.audit import Deed
from tocsin.store import followed_calendars as store
from tocsin.store import leases
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Database, Row

LEASE: Final = "calendars"
LASTING: Final = timedelta(minutes=5)
"""How long another node waits before it takes over; longer than a round lasts."""
BATCH: Final = channel.AT_ONCE_MOST
"""Calendars looked at in one round."""
EVERY: Final = timedelta(minutes=15)
"""How often a calendar is looked at, unless the settings say otherwise."""

Fetch = Callable[[Sequence[Wanted]], Sequence[Fetched]]


def outside(allowed: Sequence[str]) -> Fetch:
    """What fetches calendars from the world; `allowed` are private networks that may be called."""
    return partial(channel.fetch, size_most=SIZE_MOST, allowed=allowed)


def calendars_pass(
    db: Database, now: datetime, *, node: str, chance: Random, seals: Seals, fetch: Fetch, every: timedelta = EVERY
) -> bool:
    """Look at one batch of calendars. True: there may be more."""
    with db.read() as tx:
        at = store.next_due(tx)
    if at is None or at > now:
        return False
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return False
        rows = store.due(tx, now, BATCH)
    for row, fetched in zip(rows, _fetched(rows, seals, fetch), strict=True):
        _take(db, row, fetched, now, node, chance, every)
    return len(rows) == BATCH


def _fetched(rows: Sequence[Row], seals: Seals, fetch: Fetch) -> list[Fetched]:
    """What came of each: a calendar that was sent as a file is as it is."""
    answers: dict[str, Fetched] = {}
    wanted: dict[str, Wanted] = {}
    for row in rows:
        if row.sealed_address is None:
            answers[row.schedule_id] = Fetched()
            continue
        try:
            wanted[row.schedule_id] = Wanted(service.address_of(seals, row), row.etag, row.last_modified)
        except ValueError as error:
            answers[row.schedule_id] = Fetched(error=str(error))
    answers |= zip(wanted, fetch(list(wanted.values())) if wanted else (), strict=True)
    return [answers[row.schedule_id] for row in rows]


def _take(db: Database, row: Row, fetched: Fetched, now: datetime, node: str, chance: Random, every: timedelta) -> None:
    with db.read() as tx:
        loaded = store_schedules.load(tx, row.schedule_id)
        people = service.people(tx)
    if loaded is None or not loaded.schedule.versions:
        return
    found = service.outcome(row.copy, fetched.body, fetched.error, loaded.schedule.model.time_zone, people, now)
    if found.body is not None:
        found = service.Outcome(found.understood, found.body, fetched.etag, fetched.last_modified)
    with db.write() as tx:
        if leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            service.take_in(tx, Deed(HOUSE, now, chance), row.schedule_id, row.revision, found, every=every)
