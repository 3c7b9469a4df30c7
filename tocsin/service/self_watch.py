"""Tocsin itself: how old its queues are, telling its last-resort people when they grow too old, and when that is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

import sqlalchemy as sa

from tocsin.core import self_watch as rules
from tocsin.core.self_watch import PURPOSE, Queue, Step, Tell
from tocsin.service import notify
from tocsin.store import heartbeats, inbox, leases, timers, webhooks
from tocsin.store import self_watch as store
from tocsin.store.db import Tx
from tocsin.store.tables import people

WEBHOOKS_LEASE: Final = "webhooks"
"""The lease of whoever sends webhooks (engine/webhooks.py)."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look led to: how it stands, and how many messages were owed to whom."""

    step: Step
    messages: int


def queues(tx: Tx, now: datetime) -> list[Queue]:
    """What waits, and for how long."""
    found = [
        Queue("accepted events wait", inbox.how_many_wait(tx), _age(inbox.oldest_waiting_at(tx), now)),
        Queue("a timer waits", 0, _age(timers.next_due(tx), now)),
        Queue("the silence of a heartbeat waits to be told", 0, _age(heartbeats.next_due(tx), now)),
        Queue("webhooks wait", 0, _unsent(tx, now)),
    ]
    return found + [Queue(f"pages by {lane} wait", count, _age(oldest, now)) for lane, (count, oldest) in sorted(store.lanes(tx, now).items())]


def _unsent(tx: Tx, now: datetime) -> timedelta:
    """How long nobody has sent webhooks that are due. One receiver that is slow or broken holds back only itself: that is its
    own lateness, not ours, and whoever sends holds the lease all the while.
    """
    held = leases.holders(tx).get(WEBHOOKS_LEASE)
    return min(_age(webhooks.next_due(tx), now), _age(held[1], now) if held is not None else timedelta.max)


def _age(since: datetime | None, now: datetime) -> timedelta:
    return max(timedelta(0), now - since) if since is not None else timedelta(0)


def look(tx: Tx, now: datetime, *, chance: Random, public_url: str = "") -> Looked:
    """One look: keep how it stands, and owe the messages that follow."""
    step = rules.judge(store.load(tx), queues(tx, now), now)
    store.keep(tx, step.alarm, step.reason)
    messages = 0
    if step.tell is not None:
        title = "Tocsin itself is late" if step.tell is Tell.LATE else "Tocsin is on time again"
        advice = "Pages may reach people late. `tocsin doctor` on its machine says what to look at." if step.tell is Tell.LATE else ""
        facts = {"title": title, "text": " ".join(part for part in (f"{title}: {step.reason}.", advice) if part), "link": public_url}
        for user_id, way_id in last_resort_ways(tx):
            notify.owe_notice(
                tx, user_id, way_id, purpose=PURPOSE, facts=facts, reason="you are the account's last resort", now=now, chance=chance
            )  # fmt: skip
            messages += 1
    return Looked(step, messages)


def last_resort_ways(tx: Tx) -> Sequence[tuple[str, str]]:
    """Every enabled way of the account's last-resort people; with none that can be reached, of the owner and the admins."""
    settings = tx.scalar(sa.select(people.account.c.settings)) or {}
    chosen = [user for user in settings.get(notify.LAST_RESORT_SETTING) or [] if isinstance(user, str)]
    user, way = people.user.c, people.contact_method.c
    ways = (
        sa.select(way.user_id, way.id)
        .join(people.user, user.id == way.user_id)
        .where(way.is_enabled.is_(True), user.is_disabled.is_(False))
        .order_by(way.user_id, way.position, way.id)
    )
    found = tx.rows(ways.where(way.user_id.in_(chosen))) if chosen else ()
    return [(row.user_id, row.id) for row in found or tx.rows(ways.where(user.role.in_(("owner", "admin"))))]
