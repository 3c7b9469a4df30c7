"""What a due timer means, by its kind: of an incident, of an alert held back, of support hours, of a request to take a shift.

Laws:
1. What a timer belongs to is locked before the timer is taken, as by everybody who changes it.
2. A timer that somebody else took meanwhile, or that was set anew, means nothing any more.
"""

from collections.abc import Sequence
from typing import Final

from tocsin.base.times import human_duration
from tocsin.core.events import Agent
from tocsin.core.incident_state import Timer
from tocsin.service import hours, swaps
from tocsin.service.incidents import Desk
from tocsin.service.processing import MOST_CANDIDATES, Batch
from tocsin.store import alerts, pauses, timers
from tocsin.store.pauses import Pause
from tocsin.store.timers import Due

_ELSEWHERE: Final = frozenset({pauses.TIMER, swaps.EXPIRY, *hours.KINDS})


def ring(desk: Desk, wanted: Sequence[Due]) -> None:
    """Take these due timers and let happen what they were set for."""
    desk.fetch({one.subject_id for one in wanted if one.kind not in _ELSEWHERE})
    held = _lock_pauses(desk, [one.subject_id for one in wanted if one.kind == pauses.TIMER])
    asked = swaps.hold(desk.tx, [one.subject_id for one in wanted if one.kind == swaps.EXPIRY])
    over: list[Pause] = []
    for one in timers.take(desk.tx, wanted):
        if one.kind == pauses.TIMER:
            over += [held[one.subject_id]] if one.subject_id in held else []
        elif one.kind in hours.KINDS:
            hours.fire(desk, one)
        elif one.kind == swaps.EXPIRY:
            if one.subject_id in asked:
                swaps.expire(desk.tx, *asked[one.subject_id], now=desk.now, chance=desk.chance)
        else:
            desk.fire(one.subject_id, Timer(one.kind), one.due_at)
    if over:
        span = human_duration(over[0].until_at - over[0].created_at)
        Batch(desk, []).release(over, f"was not over within the {span} it was held back")


def _lock_pauses(desk: Desk, alert_ids: Sequence[str]) -> dict[str, Pause]:
    """The pauses of these alerts, locked after the incidents their alerts may join (as events are worked off too)."""
    found = alerts.load(desk.tx, alert_ids)
    for service_id in sorted({alert.service_id for alert in found.values()}):
        service = desk.service(service_id)
        if service is not None and service.grouping is not None:
            together = service.grouping.service_ids or (service_id,)
            desk.open_of_services(together, most=max(MOST_CANDIDATES // len(together), 1))
    return pauses.lock(desk.tx, alert_ids) if alert_ids else {}


def release_by_hand(desk: Desk, alert_id: str, agent: Agent) -> bool:
    """Page somebody for a held-back alert now; False when it is held back no longer."""
    held = _lock_pauses(desk, [alert_id])
    if held:
        Batch(desk, []).release([*held.values()], f"{agent.summary} did not want held back any longer")
    return bool(held)


def resolve_by_hand(desk: Desk, alert_id: str) -> bool:
    """End a held-back alert without paging anybody; False when it is held back no longer."""
    held = pauses.lock(desk.tx, [alert_id])
    if held:
        Batch(desk, []).resolve_held([*held.values()])
    return bool(held)
