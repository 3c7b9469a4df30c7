"""The quiet part of a service's page: plan an hour of maintenance, end it, and see to alerts that are held back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.core import permission
from tocsin.core.maintenance import ONGOING
from tocsin.core.permission import CREATE, DELETE, RESPOND, Actor, Thing
from tocsin.service import access, alarms
from tocsin.service import maintenance as deeds
from tocsin.service.incidents import Desk
from tocsin.store import alerts, maintenance, pauses
from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import maintenance_service
from tocsin.store.tables.services import service
from tocsin.web.visit import PREFIX, Visit

LENGTHS: Final = ((30, "30 min"), (60, "1 h"), (120, "2 h"), (240, "4 h"), (480, "8 h"), (1440, "24 h"))
"""How long one may ask for quiet here, in minutes and words; any other length is planned through the API."""
HELD_SHOWN: Final = 20
VERBS: Final = frozenset({"quiet", "end_quiet", "page_held", "end_held"})


def facts(visit: Visit, tx: Tx, row: sa.Row[Any]) -> Mapping[str, Any]:
    """What the service page shows of quiet."""
    thing = access.thing_of("service", row)
    windows = maintenance.of_services(tx, [row.id], visit.now).get(row.id, [])
    shared = maintenance.service_ids(tx, [one.id for one in windows])
    held = pauses.of_service(tx, row.id, HELD_SHOWN)
    known = alerts.load(tx, [one.alert_id for one in held])
    return {
        "windows": [
            {"one": one, "is_on": one.standing(visit.now) == ONGOING, "others": len(shared[one.id]) - 1} for one in windows
        ],
        "held": [{"pause": one, "alert": known[one.alert_id]} for one in held if one.alert_id in known],
        "lengths": LENGTHS,
        "may_quiet": permission.may(visit.who, CREATE, Thing("maintenance_window", teams=thing.teams)).allowed,
        "may_respond": permission.may(visit.who, RESPOND, Thing("alert", teams=thing.teams)).allowed,
    }


def mark(visit: Visit, tx: Tx, service_id: str) -> object:
    """A value that changes when what `facts` shows does, be it by somebody's deed or by time."""
    windows = maintenance.of_services(tx, [service_id], visit.now).get(service_id, [])
    held = [one.alert_id for one in pauses.of_service(tx, service_id, HELD_SHOWN)]
    return [(one, one.standing(visit.now)) for one in windows], held


def act(visit: Visit, service_id: str) -> Response:
    """Begin or end quiet; page somebody for a held-back alert, or end it."""
    here, verb = f"{PREFIX}/services/{service_id}", visit.entry.typed("do")
    with visit.front.db.write() as tx:
        row = access.find(tx, visit.who, "service", service, service_id)
        if verb == "quiet":
            said = _begin(visit, tx, row)
        elif verb == "end_quiet":
            said = _end(visit, tx, row)
        else:
            said = _see_to(visit, tx, row, verb)
    return visit.go(here, said=said)


def _begin(visit: Visit, tx: Tx, row: sa.Row[Any]) -> str:
    _allow(visit.who, tx, CREATE, [row.id])
    lengths = {str(minutes): (minutes, words) for minutes, words in LENGTHS}
    if visit.entry.typed("minutes") not in lengths:
        return "Choose for how long it shall be quiet"
    minutes, words = lengths[visit.entry.typed("minutes")]
    why = visit.entry.text("why", "a reason", most=200)
    if not visit.entry.is_good:
        return "Shorten the reason to 200 characters"
    deeds.plan(
        tx, visit.deed, start=visit.now, end=visit.now + timedelta(minutes=minutes), service_ids=[row.id], description=why
    )
    return f"{row.name} is quiet for {words}: what comes in opens nothing, and is in the journal"


def _end(visit: Visit, tx: Tx, row: sa.Row[Any]) -> str:
    link = maintenance_service.c
    here = sa.select(link.window_id).where(link.window_id == visit.entry.typed("window"), link.service_id == row.id)
    window_id = tx.scalar(here)
    if window_id is None:
        return "That window is gone already"
    _allow(visit.who, tx, DELETE, maintenance.service_ids(tx, [window_id])[window_id])
    try:
        meaning = deeds.remove(tx, visit.deed, window_id)
    except Refusal:  # somebody was quicker, or time was: it is over, as was wanted
        return "That window is over already"
    return f"{row.name} is loud again" if meaning == "end" else "The planned window is gone"


def _see_to(visit: Visit, tx: Tx, row: sa.Row[Any], verb: str) -> str:
    access.allow(visit.who, RESPOND, Thing("alert", teams=access.thing_of("service", row).teams))
    alert_id = visit.entry.typed("alert")
    alert = alerts.load(tx, [alert_id]).get(alert_id)
    if alert is None or alert.service_id != row.id:
        return "That alert is gone already"
    with Desk(tx, now=visit.now, chance=visit.front.chance) as desk:
        if verb == "page_held":
            done = alarms.release_by_hand(desk, alert_id, visit.who.agent)
            return "Somebody is being paged for it" if done else "It is held back no longer"
        done = alarms.resolve_by_hand(desk, alert_id)
        return "It is over, and nobody was paged" if done else "It is held back no longer"


def _allow(who: Actor, tx: Tx, action: str, service_ids: Sequence[str]) -> None:
    """Return if the actor may do this to a window of these services."""
    for id_ in service_ids:
        row = access.find(tx, who, "service", service, id_)
        access.allow(who, action, Thing("maintenance_window", teams=access.thing_of("service", row).teams))
