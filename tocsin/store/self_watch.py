"""Keep how Tocsin does itself: the ages of its queues, its alarm, and the addresses that its engine calls while it is well."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.self_watch import Alarm
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables.engine import outbox
from tocsin.store.tables.watching import alarm, pulse

QUEUES: Final = "queues"
FORGOTTEN_AFTER: Final = timedelta(days=1)
"""How long it is remembered that a node that is no more called an address."""


def lanes(tx: Tx, now: datetime) -> dict[str, tuple[int, datetime]]:
    """By channel, how many pages should have left (due, or being sent) and since when the oldest."""
    of = outbox.c
    found: dict[str, tuple[int, datetime]] = {}
    for state in ("due", "sending"):
        chosen = (
            sa.select(of.lane, sa.func.count().label("how_many"), sa.func.min(of.due_at).label("oldest"))
            .where(of.state == state, of.due_at <= now)
            .group_by(of.lane)
        )
        for row in tx.rows(chosen):
            count, oldest = found.get(row.lane, (0, row.oldest))
            found[row.lane] = (count + row.how_many, min(oldest, row.oldest))
    return found


def load(tx: Tx, name: str = QUEUES) -> Alarm:
    """How the alarm stands."""
    row = tx.one(sa.select(alarm).where(alarm.c.name == name))
    return Alarm() if row is None else Alarm(row.late_since, row.raised_at, row.told_at, row.calm_since)


def words(tx: Tx, name: str = QUEUES) -> str | None:
    """What it is about, while it is raised."""
    found: str | None = tx.scalar(sa.select(alarm.c.words).where(alarm.c.name == name, alarm.c.raised_at.is_not(None)))
    return found


def keep(tx: Tx, found: Alarm, reason: str, name: str = QUEUES) -> None:
    """Keep how it stands."""
    row = {
        "name": name, "late_since": found.late_since, "raised_at": found.raised_at, "told_at": found.told_at,
        "calm_since": found.calm_since, "words": reason,
    }  # fmt: skip
    dialect.upsert(tx.connection, alarm, [row], ["name"])


def keep_pulses(tx: Tx, node: str, called: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """What became of the calls of this node: `digest`, `host`, `trouble` (None: it was heard)."""
    of = pulse.c
    digests = [one["digest"] for one in called]
    gone = sa.or_(sa.and_(of.node == node, of.digest.not_in(digests)), of.tried_at < now - FORGOTTEN_AFTER)
    tx.execute(sa.delete(pulse).where(gone))
    before = {row.digest: row.heard_at for row in tx.rows(sa.select(of.digest, of.heard_at).where(of.node == node))}
    rows = [
        {"node": node, **one, "tried_at": now, "heard_at": before.get(one["digest"]) if one["trouble"] else now} for one in called
    ]  # fmt: skip
    if rows:
        dialect.upsert(tx.connection, pulse, rows, ["node", "digest"])


def pulses(tx: Tx) -> Sequence[sa.Row[Any]]:
    """Every address by node, with when it last heard from us."""
    return tx.rows(sa.select(pulse).order_by(pulse.c.host, pulse.c.node, pulse.c.digest))
