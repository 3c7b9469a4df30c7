"""Page on which somebody takes another person's place everywhere: what would be touched and opened first, then the deed."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.base.times import human_duration
from tocsin.core.coverage import together
from tocsin.core.permission import DELETE
from tocsin.service import access, browsing, replacement
from tocsin.service.coverage import Change
from tocsin.service.replacement import Place, Wish
from tocsin.store.db import Tx
from tocsin.store.tables.people import user
from tocsin.web import weighing
from tocsin.web.visit import PREFIX, Page, View, Visit

INCIDENTS = ((replacement.KEEP, "They stay theirs"), (replacement.REASSIGN, "Assign them to the successor"))
TEAMS = ((replacement.KEEP, "Leave them as they are"), (replacement.JOIN, "The successor joins them too"), (replacement.MOVE, "The successor joins, they leave"))
KINDS = {"escalation_policy": "Policy", "schedule": "Schedule", "override": "Override on", "incident": "Incident", "team": "Team"}
ADDRESSES = {"escalation_policy": "policies", "schedule": "schedules", "incident": "incidents"}


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "user", user, visit.segment("id"), DELETE)
    return _shown(visit, tx, row)


def _shown(visit: Visit, tx: Tx, row: Any, looked: tuple[list[Place], list[Change]] | None = None, problem: str = "") -> Mapping[str, Any]:
    return {
        "person": row,
        "others": [one for one in browsing.users(tx, visit.who) if one.id != row.id and not one.is_disabled],
        "incident_choices": INCIDENTS,
        "team_choices": TEAMS,
        "places": looked[0] if looked else None,
        "changes": [{"name": one.service.name if one.service else one.policy.name, "opens": together(one.opens), "later": together(one.later), "closes": together(one.closes)} for one in looked[1]] if looked else [],
        "kinds": KINDS,
        "addresses": ADDRESSES,
        "weeks": weighing.WEEKS_LOOKED_AT,
        "lasting": human_duration,
        "problem": problem,
    }  # fmt: skip


def act(visit: Visit) -> Response:
    """Look at what it would touch, or do it."""
    entry, user_id = visit.entry, visit.segment("id")
    touched: list[Place] = []

    def deed(tx: Tx) -> None:
        access.find(tx, visit.who, "user", user, user_id, DELETE)
        wish = Wish(entry.typed("by"), entry.typed("incidents", replacement.KEEP), entry.typed("teams", replacement.KEEP))
        touched.extend(replacement.replace(tx, visit.deed, user_id, wish))

    with visit.front.db.read() as tx:
        row = access.find(tx, visit.who, "user", user, user_id, DELETE)
    if not entry.typed("by"):
        entry.problem("by", "Choose who takes their place")
    problem = ""
    if entry.is_good:
        try:
            if entry.typed("do") == "replace":
                with visit.front.db.write() as tx:
                    deed(tx)
                return visit.go(f"{PREFIX}/people/{user_id}", said=f"{row.name} is replaced in {len(touched)} place{'s' if len(touched) != 1 else ''}")
            changes = weighing.changes(visit, deed)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            problem = " · ".join(map(str, refusal.errors)) or refusal.message
        else:
            with visit.front.db.read() as tx:
                return visit.page("replacement.html", _shown(visit, tx, row, (touched, changes)))
    with visit.front.db.read() as tx:
        return visit.page("replacement.html", _shown(visit, tx, row, problem=problem), status=422)


PAGES = (Page("/people/{id}/replace", View("replacement.html", facts), act),)
