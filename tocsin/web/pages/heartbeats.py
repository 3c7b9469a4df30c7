"""Page of heartbeats: what promises to call, how each stands, its last pings as ticks, and making, pausing and deleting them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.core import heartbeat as rules
from tocsin.core import permission
from tocsin.core.permission import CREATE, DELETE, READ_KEY, UPDATE, Thing
from tocsin.service import access, browsing
from tocsin.service import heartbeats as deeds
from tocsin.store import heartbeats as store
from tocsin.store.db import Tx
from tocsin.store.tables.services import service
from tocsin.store.tables.watching import heartbeat
from tocsin.web.visit import PREFIX, Page, View, Visit

HERE = f"{PREFIX}/heartbeats"
SHOWN = 200
"""Heartbeats on the page; the API lists them all."""
TICKS = 30
"""Pings drawn of each."""
STATES = {
    "new": ("quiet", "Waits for its first ping"), "up": ("resolved", "On time"), "late": ("acknowledged", "Late"),
    "down": ("triggered", "Silent"), "paused": ("quiet", "Paused"),
}  # fmt: skip
TICK_WORDS = {"success": "ping", "start": "start", "fail": "failure"}


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    seen = access.visible(visit.who, "service")
    chosen = store.WHOLE.where(*([] if seen is None else [seen])).order_by(heartbeat.c.name, heartbeat.c.id)
    found = tx.rows(chosen.limit(SHOWN))
    things = access.known(tx, visit.who, "service", service, [row.service_id for row in found])
    offered = browsing.services(tx, visit.who)
    return {
        "rows": [
            {
                "row": row,
                "state": STATES[rules.standing(store.beat(row), visit.now)],
                "promise": promise(row),
                "address": deeds.address(visit.front.seals, visit.front.settings.base_url, row) if _may(visit, READ_KEY, things, row) else "",
                "may_change": _may(visit, UPDATE, things, row),
            }
            for row in found
        ],
        "pings": store.pings(tx, [row.id for row in found], TICKS),
        "tick_words": TICK_WORDS,
        "lasting": times.human_duration,
        "services": [(row.id, row.name) for row in offered],
        "may_create": bool(offered) and permission.may(visit.who, CREATE, Thing("heartbeat", teams=frozenset(visit.who.teams))).allowed,
        "problem": "",
    }


def _may(visit: Visit, action: str, things: Mapping[str, Thing], row: sa.Row[Any]) -> bool:
    owner = things.get(row.service_id)
    return owner is not None and permission.may(visit.who, action, owner if action == READ_KEY else Thing("heartbeat", row.id, owner.teams)).allowed


def promise(row: sa.Row[Any]) -> str:
    """What it promised, in words."""
    kept, grace = row.schedule, times.human_duration(timedelta(seconds=row.grace_seconds))
    if kept["type"] == "period":
        return f"every {times.human_duration(timedelta(seconds=kept['seconds']))}, grace {grace}"
    return f"{kept['rule']} in {kept['time_zone']}, grace {grace}"


def mark(visit: Visit, tx: Tx) -> object:
    of = heartbeat.c
    return tuple(tx.one(sa.select(sa.func.count(), sa.func.sum(of.ping_count), sa.func.max(of.updated_at), sa.func.min(of.due_at))) or ()), int(
        visit.now.timestamp() // 30
    )


def act(visit: Visit) -> Response:
    """Do what a button says; a form that cannot be used comes back as it was typed."""
    problem, said = "", ""
    try:
        said = create(visit) if visit.entry.typed("do") == "create" else change(visit)
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        problem = " ".join(refusal.errors)
    if said:
        return visit.go(HERE, said=said)
    with visit.front.db.read() as tx:
        return visit.page("heartbeats.html", {**facts(visit, tx), "problem": problem}, status=422)


def create(visit: Visit) -> str:
    """A new one: a period, or a rule of the calendar in the viewer's zone."""
    entry = visit.entry
    name = entry.text("name", "a name", least=1, most=deeds.NAME_MOST)
    minutes = entry.number("minutes", "the minutes", least=1, most=527_040) if not entry.typed("rule").strip() else 0
    grace = entry.number("grace", "the minutes", least=1, most=44_640)
    if not entry.is_good:
        return ""
    try:
        rule = entry.typed("rule").strip()
        first = visit.now.replace(second=0, microsecond=0)
        schedule = rules.calendar(first, str(visit.zone), rule) if rule else rules.Period(timedelta(minutes=minutes))
    except ValueError as error:
        entry.problem("rule", str(error)[:1].upper() + str(error)[1:])
        return ""
    with visit.front.db.write() as tx:
        owner = access.find(tx, visit.who, "service", service, entry.typed("service"))
        access.allow(visit.who, CREATE, Thing("heartbeat", teams=access.thing_of("service", owner).teams))
        deeds.create(
            tx, visit.deed, visit.front.seals, service_id=owner.id, name=name, schedule=schedule, grace=timedelta(minutes=grace)
        )  # fmt: skip
    return f"{name} is there, and waits for its first ping"


def change(visit: Visit) -> str:
    """Pause, resume, make a new address, delete."""
    verb = visit.entry.typed("do")
    with visit.front.db.write() as tx:
        row = store.find(tx, visit.entry.typed("heartbeat"))
        owner = access.known(tx, visit.who, "service", service, [row.service_id] if row is not None else ())
        if row is None or row.service_id not in owner:
            raise access.missing("heartbeat")
        access.allow(visit.who, DELETE if verb == "delete" else UPDATE, Thing("heartbeat", row.id, owner[row.service_id].teams))
        match verb:
            case "pause":
                deeds.pause(tx, visit.deed, row.id)
                return f"{row.name} is paused"
            case "resume":
                deeds.resume(tx, visit.deed, row.id)
                return f"{row.name} is waited for again"
            case "regenerate":
                deeds.regenerate(tx, visit.deed, visit.front.seals, row.id)
                return f"{row.name} has a new address; the old one is unknown from now on"
            case "delete":
                deeds.remove(tx, visit.deed, row.id)
                return f"{row.name} is gone"
            case _:
                raise invalid("This page has no such button; load it again")


PAGES = (Page("/heartbeats", View("heartbeats.html", facts, mark), act),)
