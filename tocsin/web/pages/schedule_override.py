"""Page of one override to be made: who is on call in a stretch of a schedule instead of whom, filled in from the stretch that was clicked."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from tocsin.base import times
from tocsin.base.errors import Refusal
from tocsin.base.times import Span, human_duration, parse_instant
from tocsin.core.permission import CREATE, Thing
from tocsin.core.schedule import Schedule, named_users
from tocsin.service import access, browsing, rota
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import schedule
from tocsin.web import rota as look
from tocsin.web import weighing
from tocsin.web.pages.me import ZONES
from tocsin.web.visit import Page, View, Visit

UNASKED = timedelta(hours=8)
"""How long an override is when nobody clicked a stretch."""
WALL = "%Y-%m-%dT%H:%M"
HELD_SHOWN = 12
"""Stretches that are told of who would make way."""


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"))
    access.allow(visit.who, CREATE, Thing("override", row.id, access.thing_of("schedule", row).teams))
    word = visit.entry.typed("zone", visit.asked("zone"))
    zone, word = look.zone_asked(visit, word, row.time_zone)
    start, end = _asked(visit)
    loaded = store.load(tx, row.id, Span(start, max(end, start + timedelta(minutes=1))))
    assert loaded is not None  # its row was just read
    board = rota.board(loaded, Span(start, max(end, start + timedelta(minutes=1))))
    names = browsing.user_names(tx)
    crew = sorted(_crew(loaded.schedule) & names.by_id.keys(), key=lambda one: names(one).casefold())
    here = {holder.user_id for part in board.stretches for holder in part.holders}
    looked = look.looking(visit, row.time_zone)
    return {
        "v": look.in_zone(visit, zone),
        "schedule": row,
        "zone_key": zone.key,
        "zone_word": word,
        "offered": look.zone_choices(visit, row.time_zone),
        "zones": ZONES,
        "start": start,
        "end": end,
        "start_text": f"{start.astimezone(zone):{WALL}}",
        "end_text": f"{end.astimezone(zone):{WALL}}",
        "start_was": times.iso(start),
        "end_was": times.iso(end),
        "held": board.stretches[:HELD_SHOWN],
        "held_more": max(len(board.stretches) - HELD_SHOWN, 0),
        "crew": crew,
        "others": [one.id for one in browsing.users(tx, visit.who) if one.id not in crew],
        "chosen": _likely(crew, here, visit.who.id),
        "replaceable": [user_id for user_id in names.by_id if user_id in here] if row.is_shift_based else [],
        "is_shift_based": bool(row.is_shift_based),
        "user_name": names,
        "tones": rota.tones(tx),
        "lasting": human_duration(end - start) if end > start else "",
        "back": look.address(row.id, looked.query()),
        "kept": looked.query(),
        "problem": "",
        "worse": [],
        "weighed_lasting": human_duration,
    }


def _crew(one: Schedule) -> set[str]:
    """Everybody whom the schedule names today."""
    return set(named_users(one.model)) if one.versions else set()


def _likely(crew: list[str], here: set[str], me: str) -> str:
    """Whom the override is probably for: me, if I am of the rota and not there already; else the first who is not there."""
    if me in crew and me not in here:
        return me
    return next((user_id for user_id in crew if user_id not in here), me)


def _asked(visit: Visit) -> tuple[datetime, datetime]:
    """The stretch that was clicked, or the next hours."""
    now = visit.now.replace(second=0, microsecond=0)
    start = _known(visit.entry.typed("start_was", visit.asked("start"))) or now
    end = _known(visit.entry.typed("end_was", visit.asked("end"))) or start + UNASKED
    return start, end


def _known(text: str) -> datetime | None:
    try:
        at = parse_instant(text)
    except (ValueError, OverflowError):
        return None
    return at if at.year in look.YEARS else None


def _typed(visit: Visit, name: str, words: str) -> datetime | None:
    """The instant of a field. Left as it was, it is the very instant that was clicked, also where a wall clock shows it twice."""
    entry = visit.entry
    text, was = entry.typed(name).strip(), _known(entry.typed(f"{name}_was"))
    row_zone = entry.typed("own_zone")
    zone, _ = look.zone_asked(visit, entry.typed("zone"), row_zone or visit.zone.key)
    if was is not None and f"{was.astimezone(zone):{WALL}}" == text:
        return was
    try:
        at = parse_instant(text, zone=zone)
    except (ValueError, OverflowError):
        entry.problem(name, f"Enter {words} as a day and a time")
        return None
    if at.year not in look.YEARS:
        entry.problem(name, f"Enter {words} in the years {look.YEARS.start} to {look.YEARS.stop - 1}")
        return None
    return at


def act(visit: Visit) -> Response:
    """Keep the override, or show the form again: with what is wrong, or with whom incidents would not reach any more."""
    entry, problem, worse = visit.entry, "", []
    start, end = _typed(visit, "start", "the beginning"), _typed(visit, "end", "the end")
    if start is not None and end is not None and end <= start:
        entry.problem("end", "It must end after it begins")
    elif end is not None and end <= visit.now:
        entry.problem("end", "It must end in the future: what happened stays as it was")
    user_id = entry.typed("user")
    if not user_id:
        entry.problem("user", "Choose who is on call")
    with visit.front.db.read() as tx:
        row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"))
        access.allow(visit.who, CREATE, Thing("override", row.id, access.thing_of("schedule", row).teams))
        names = browsing.user_names(tx)
        if user_id and user_id not in names:
            entry.problem("user", "Nobody of this name is here any more: choose somebody else")
    if entry.is_good and start is not None and end is not None:
        span = Span(start, end)

        def keep(tx: Tx) -> None:
            anew = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"))
            rota.stand_in(tx, visit.deed, anew, span, user_id, entry.typed("instead"))

        try:
            if entry.typed("do") != "sure":
                worse = weighing.worse(visit, keep, until=end)
            if not worse:
                with visit.front.db.write() as tx:
                    keep(tx)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            problem = look.words_of(refusal)
    if entry.is_good and not problem and not worse:
        return visit.go(look.address(row.id, _kept(visit)), said=f"{names(user_id)} is on call for this stretch")
    with visit.front.db.read() as tx:
        return visit.page("schedule-override.html", {**facts(visit, tx), "problem": problem, "worse": weighing.told(worse)}, status=422)


def _kept(visit: Visit) -> dict[str, str | None]:
    day = look.day_asked(visit.entry.typed("from"))
    days = visit.entry.typed("days")
    return {"days": days if days in dict(look.RANGES) else None, "from": day.isoformat() if day else None, "zone": visit.entry.typed("view_zone") or None}


PAGES = (Page("/schedules/{id}/override", View("schedule-override.html", facts), act),)
