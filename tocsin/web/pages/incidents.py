"""Page of the incidents: what is on fire, and is somebody on it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from tocsin.core import permission
from tocsin.core.permission import RESPOND
from tocsin.service import access, browsing
from tocsin.service.browsing import Wanted
from tocsin.service.incidents import Desk
from tocsin.store import events
from tocsin.store.db import Tx
from tocsin.store.tables.incidents import incident as incident_table
from tocsin.web.visit import PREFIX, Page, View, Visit

CHANNEL = "website"
PICKED_MOST = 250
FILTERS = ("status", "urgency", "service", "team", "mine", "q", "page")


def wanted(visit: Visit) -> Wanted:
    """What the address bar asks for."""
    page = visit.asked("page", "1")
    status = visit.asked("status", "open")
    return Wanted(
        status=status if status in browsing.STATUSES else "open",
        urgency=visit.asked("urgency"),
        service_id=visit.asked("service"),
        team_id=visit.asked("team"),
        user_id=visit.who.id if visit.asked("mine") == "1" else "",
        words=visit.asked("q").strip(),
        page=int(page) if page.isdecimal() and len(page) < 5 else 1,
    )


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    asked = wanted(visit)
    found = browsing.list_incidents(tx, visit.who, asked)
    people = {user_id for incident in found.incidents for user_id in incident.user_ids}
    oldest = min((one.created_at for one in found.incidents if one.status == "triggered"), default=None)
    return {
        "asked": asked,
        "found": found,
        "oldest": oldest,
        "services": browsing.services(tx, visit.who),
        "teams": browsing.teams(tx, visit.who),
        "user_name": browsing.user_names(tx, people),
        "service_name": browsing.service_names(tx, {one.service_id for one in found.incidents}),
        "priorities": {row.id: row for row in browsing.priorities(tx)},
        "may_respond": permission.may(visit.who, RESPOND, permission.Thing("incident")).allowed or bool(visit.who.teams),
        "is_narrowed": any((asked.urgency, asked.service_id, asked.team_id, asked.user_id, asked.words)),
        "filters": FILTERS,
    }


def fingerprint(_visit: Visit, tx: Tx) -> object:
    return events.last_position(tx)


def act(visit: Visit) -> Response:
    """Acknowledge or resolve the ticked incidents (or the one whose button was pressed)."""
    entry = visit.entry
    verb, _, one = entry.typed("do").partition(" ")
    picked = [one] if one else entry.many("picked")[:PICKED_MOST]
    back = here_with(visit)
    if verb not in {"acknowledge", "resolve"} or not picked:
        return visit.go(back, said="Tick the incidents first, then press the button")
    done, idle = 0, []
    with visit.front.db.write() as tx, Desk(tx, now=visit.now, chance=visit.front.chance) as desk:
        for incident_id in picked:
            access.find(tx, visit.who, "incident", incident_table, incident_id, RESPOND)
            deed = desk.acknowledge if verb == "acknowledge" else desk.resolve
            decision = deed(incident_id, visit.who.agent, CHANNEL)
            if decision.events:
                done += 1
            else:
                idle.append(decision.reason)
    return visit.go(back, said=outcome(f"{verb}d", done, idle))


def outcome(verb: str, done: int, idle: list[str]) -> str:
    """What was done in one sentence, with the reason for what was not."""
    words = f"{done} incident{'' if done == 1 else 's'} {verb}" if done else ""
    if idle:
        words += ("; " if words else "") + f"{len(idle)} left as {'it was' if len(idle) == 1 else 'they were'}: {idle[0]}"
    return words[:1].upper() + words[1:]


def here_with(visit: Visit) -> str:
    """The list as it was filtered when the form was sent."""
    pairs = [(name, value) for name, value in visit.request.query_params.multi_items() if name in FILTERS]
    return f"{PREFIX}/incidents" + ("?" + urlencode(pairs) if pairs else "")


PAGES = (Page("/incidents", View("incidents.html", facts, fingerprint), act),)
