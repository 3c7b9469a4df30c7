"""What rules ask of the shell, gathered over a batch of decisions and written in the caller's transaction.

Laws:
1. Pages dropped are dropped before new ones are owed, so that being paged anew is never undone by the drop before it.
2. A person who cannot be reached at all is said so in the incident; if nobody of it can, the last resort is told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from random import Random
from typing import Any, assert_never

from tocsin.core import message
from tocsin.core.effects import AdvanceTurn, AskHelp, DropPages, DropRequests, Effect, LastResort, Page, ResolveAlerts
from tocsin.core.events import (
    TOCSIN,
    Event,
    LastResortPaged,
    PersonUnreachable,
    Reopened,
    Triggered,
    Unacknowledged,
    Urgency,
)
from tocsin.core.incident_state import Incident
from tocsin.service import notify
from tocsin.service.ladders import Ladders
from tocsin.service.notify import PageOrder
from tocsin.store import alerts
from tocsin.store.db import Tx


class Queue:
    """The effects of one batch, in order, not yet written."""

    def __init__(self, ladders: Ladders) -> None:
        self._ladders = ladders
        self._orders: dict[PageOrder, None] = {}
        self._drops: dict[str, list[tuple[str, str | None]]] = {}
        self._last_resorts: dict[str, str] = {}
        self._resolving: set[str] = set()
        self._asks: dict[PageOrder, None] = {}
        self._unasks: dict[str, list[tuple[str, str | None]]] = {}

    def add(self, incident_id: str, effects: Iterable[Effect], *, is_new: bool) -> None:
        """Take what was decided for one incident. `is_new`: it has no rows yet, so nothing older is to be dropped."""
        for effect in effects:
            match effect:
                case Page():
                    for user_id in effect.user_ids:
                        self._orders[PageOrder(incident_id, user_id, effect.urgency.value, effect.reason)] = None
                case DropPages():
                    self._drop(incident_id, effect, is_new=is_new)
                case LastResort():
                    self._last_resorts[incident_id] = effect.reason
                case AdvanceTurn():
                    self._ladders.advance(effect.rule_id, effect.target_id)
                case ResolveAlerts():
                    self._resolving.add(incident_id)
                case AskHelp():
                    for user_id in effect.user_ids:
                        self._asks[PageOrder(incident_id, user_id, Urgency.HIGH.value, effect.reason)] = None
                case DropRequests():
                    self._unask(incident_id, effect)
                case _:
                    assert_never(effect)

    def _drop(self, incident_id: str, effect: DropPages, *, is_new: bool) -> None:
        for order in [order for order in self._orders if order.incident_id == incident_id]:
            if effect.user_ids is None or order.user_id in effect.user_ids:
                del self._orders[order]
        if not is_new:
            users: Iterable[str | None] = (None,) if effect.user_ids is None else effect.user_ids
            self._drops.setdefault(effect.reason, []).extend((incident_id, user_id) for user_id in users)

    def _unask(self, incident_id: str, effect: DropRequests) -> None:
        for order in [order for order in self._asks if order.incident_id == incident_id]:
            if effect.user_ids is None or order.user_id in effect.user_ids:
                del self._asks[order]
        users: Iterable[str | None] = (None,) if effect.user_ids is None else effect.user_ids
        self._unasks.setdefault(effect.reason, []).extend((incident_id, user_id) for user_id in users)

    def write(
        self, tx: Tx, incidents: dict[str, Incident], decided: Sequence[Event], *, now: datetime, chance: Random
    ) -> list[Event]:
        """Write everything; returns what else has happened by it (people who cannot be reached).

        decided  what the batch has decided; it is written to the log afterwards, so that the log is held only shortly
        """
        alerts.resolve_of_incidents(tx, self._resolving, now)
        for reason, pairs in self._drops.items():
            notify.drop_pages(tx, pairs, reason=reason, now=now)
        for reason, pairs in self._unasks.items():
            notify.drop_requests(tx, pairs, reason=reason)
        events = self._owe(tx, incidents, now, chance) + self._ask(tx, incidents, now, chance)
        anew = {one.incident_id for one in decided if isinstance(one, Triggered | Reopened | Unacknowledged)}
        for incident_id, reason in self._last_resorts.items():
            called = notify.call_last_resort(
                tx, incident_id, reason=reason, now=now, chance=chance, is_anew=incident_id in anew
            )
            said = _said(incidents[incident_id], now, f"{reason}; {called.words}")
            events.append(LastResortPaged(**said, user_ids=called.user_ids))
        self._ladders.save()
        return events

    def _owe(self, tx: Tx, incidents: dict[str, Incident], now: datetime, chance: Random) -> list[Event]:
        if not self._orders:
            return []
        planned = notify.owe_pages(tx, list(self._orders), now=now, chance=chance)
        events: list[Event] = []
        reached = {order.incident_id for order, count in planned.items() if count}
        for order, count in planned.items():
            if count:
                continue
            reason = "this person has no contact method that can be used"
            events.append(PersonUnreachable(**_said(incidents[order.incident_id], now, reason), user_id=order.user_id))
            if order.incident_id not in reached:
                self._last_resorts.setdefault(order.incident_id, "nobody the incident is assigned to can be reached")
        return events


    def _ask(self, tx: Tx, incidents: dict[str, Incident], now: datetime, chance: Random) -> list[Event]:
        """Owe the requests for help. Whoever cannot be reached is said; the last resort has no part in it."""
        if not self._asks:
            return []
        planned = notify.owe_pages(tx, list(self._asks), now=now, chance=chance, purpose=message.HELP)
        reason = "this person was asked to help and has no contact method that can be used"
        return [
            PersonUnreachable(**_said(incidents[order.incident_id], now, reason), user_id=order.user_id)
            for order, count in planned.items()
            if not count
        ]


def _said(incident: Incident, now: datetime, reason: str) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "service_id": incident.service_id,
        "at": now,
        "agent": TOCSIN,
        "channel": "auto",
        "reason": reason,
    }
