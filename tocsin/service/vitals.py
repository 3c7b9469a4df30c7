"""How this installation is doing now: what waits, how long it has waited, what is late. Read by `/metrics` and `doctor`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from tocsin.store import inbox, incidents, self_watch, timers
from tocsin.store.db import Database, Tx
from tocsin.store.tables import engine as tables

READY_WITHIN_SECONDS: Final = 60.0
"""An event or timer that has waited longer than this means that this installation is not keeping up."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """Ages are in seconds, 0 when nothing waits. `lanes` maps a channel to (pages due, age of the oldest)."""

    events_waiting: int
    oldest_event_age: float
    timer_lateness: float
    lanes: dict[str, tuple[int, float]]
    open_incidents: dict[tuple[str, str], int]
    own_alarm: str | None = None  # what people were told of, while it lasts
    pulses: tuple[tuple[str, str, float | None], ...] = ()  # (host, node, seconds since an address heard that it is alive)

    @property
    def complaints(self) -> list[str]:
        """What is wrong, in words; empty when all is well."""
        found = []
        if self.oldest_event_age > READY_WITHIN_SECONDS:
            found.append(f"{self.events_waiting} accepted events wait, the oldest for {self.oldest_event_age:.0f} s")
        if self.timer_lateness > READY_WITHIN_SECONDS:
            found.append(f"a timer is {self.timer_lateness:.0f} s late")
        for lane, (count, age) in self.lanes.items():
            if age > READY_WITHIN_SECONDS:
                found.append(f"{count} pages by {lane} wait, the oldest for {age:.0f} s")
        return found


def vitals(tx: Tx, now: datetime) -> Vitals:
    """Take them."""
    out = tables.outbox.c
    rows = tx.rows(
        sa.select(out.lane, sa.func.count().label("how_many"), sa.func.min(out.due_at).label("oldest"))
        .where(out.state == "due", out.due_at <= now)
        .group_by(out.lane)
    )
    return Vitals(
        events_waiting=inbox.how_many_wait(tx),
        oldest_event_age=_age(inbox.oldest_waiting_at(tx), now),
        timer_lateness=_age(timers.next_due(tx), now),
        lanes={row.lane: (row.how_many, _age(row.oldest, now)) for row in rows},
        open_incidents=incidents.counts(tx),
        own_alarm=self_watch.words(tx),
        pulses=tuple(
            (row.host, row.node, _age(row.heard_at, now) if row.heard_at is not None else None) for row in self_watch.pulses(tx)
        ),
    )


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def take(db: Database, now: datetime) -> Vitals:
    """Take them in a read of their own."""
    with db.read() as tx:
        return vitals(tx, now)


def gauges(taken: Vitals) -> Iterator[tuple[str, str, dict[str, str], float]]:
    """(name, help, labels, value) of each figure, for `/metrics`."""
    yield "tocsin_inbox_waiting", "Accepted events not yet decided.", {}, taken.events_waiting
    yield "tocsin_inbox_oldest_seconds", "Age of the oldest event not yet decided.", {}, taken.oldest_event_age
    yield "tocsin_timer_lateness_seconds", "How late the most overdue timer is.", {}, taken.timer_lateness
    for lane, (count, age) in sorted(taken.lanes.items()):
        yield "tocsin_outbox_due", "Pages due and not yet sent.", {"channel": lane}, count
        yield "tocsin_outbox_oldest_seconds", "Age of the oldest page due and not yet sent.", {"channel": lane}, age
    yield "tocsin_own_alarm", "1 while people are told that this installation itself is late.", {}, taken.own_alarm is not None
    for host, node, unheard in taken.pulses:
        if unheard is not None:
            yield "tocsin_pulse_age_seconds", "Since when an outside address has not heard.", {"host": host, "node": node}, unheard
    for (status, urgency), count in sorted(taken.open_incidents.items()):
        yield "tocsin_open_incidents", "Open incidents.", {"status": status, "urgency": urgency}, count
