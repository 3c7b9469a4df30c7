"""Page on which a schedule is let follow a calendar: what it would change is looked at first; and how it stands with it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.base.times import Span, human_duration
from tocsin.core.permission import UPDATE
from tocsin.core.schedule import Difference, differences
from tocsin.service import access, browsing
from tocsin.service import followed_calendars as service
from tocsin.service.followed_calendars import Preview
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import schedule
from tocsin.web.visit import PREFIX, Page, View, Visit

AHEAD = timedelta(weeks=13)
CHANGES_SHOWN = 15


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"), UPDATE)
    return _shown(visit, tx, row)


def _shown(visit: Visit, tx: Tx, row: Any, looked: Preview | None = None, problem: str = "") -> Mapping[str, Any]:
    changes: tuple[Difference, ...] = ()
    if looked is not None:
        after = looked.loaded.schedule
        before = replace(after, versions=after.versions[:-1])
        changes = differences(before, after, looked.loaded.overrides, Span(visit.now, visit.now + AHEAD))
    return {
        "schedule": row,
        "followed": service.state(tx, row.id, visit.now),
        "looked": looked,
        "changes": changes[:CHANGES_SHOWN],
        "change_count": len(changes),
        "weeks": AHEAD.days // 7,
        "user_name": browsing.user_names(tx),
        "lasting": human_duration,
        "complaints_shown": service.COMPLAINTS_KEPT,
        "problem": problem,
    }


def act(visit: Visit) -> Response:
    """Look at what a calendar would change, follow it, or stop following."""
    entry, verb, schedule_id = visit.entry, visit.entry.typed("do"), visit.segment("id")
    with visit.front.db.read() as tx:
        row = access.find(tx, visit.who, "schedule", schedule, schedule_id)
        access.allow(visit.who, UPDATE, access.thing_of("schedule", row))
    address, file = entry.typed("address").strip(), entry.typed("file").strip()
    here = f"{PREFIX}/schedules/{row.id}"
    try:
        if verb == "stop":
            with visit.front.db.write() as tx:
                service.stop(tx, visit.deed, row.id)
            return visit.go(here, said=f"{row.name} says again what it said before it followed")
        if bool(address) == bool(file):
            entry.problem("address", "Give either an address or the text of a calendar")
        elif verb == "follow":
            with visit.front.db.write() as tx:
                if address:
                    service.follow_address(tx, visit.deed, visit.front.seals, row.id, address)
                else:
                    service.follow_file(tx, visit.deed, row.id, file)
            return visit.go(here, said=f"{row.name} follows the calendar" + (" as soon as it has been read" if address else ""))
        else:
            body = file.encode() if file else service.fetched(address, visit.front.settings.allowed_networks)
            with visit.front.db.read() as tx:
                return visit.page("followed-calendar.html", _shown(visit, tx, row, service.preview(tx, visit.now, row.id, body)))
        problem = ""
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        problem = " · ".join(map(str, refusal.errors)) or refusal.message
    with visit.front.db.read() as tx:
        return visit.page("followed-calendar.html", _shown(visit, tx, row, problem=problem), status=422)


PAGES = (Page("/schedules/{id}/calendar", View("followed-calendar.html", facts), act),)
