"""Pages of schedules: all of them, and one with its layers, overrides and final schedule as a picture, and who is on call at any time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from tocsin.base.errors import Refusal, invalid
from tocsin.base.times import Span, human_duration, parse_instant, zone_named
from tocsin.core import handover, permission
from tocsin.core.permission import CREATE, DELETE, UPDATE, Thing
from tocsin.core.schedule import Model, is_layered
from tocsin.service import access, browsing, calendars, followed_calendars, load, rota, swaps
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import schedule
from tocsin.web import rota as look
from tocsin.web.pages.me import ZONES
from tocsin.web.visit import PREFIX, Page, View, Visit

GAPS_AHEAD = timedelta(days=14)
"""How far ahead the list looks for a gap."""
GAPS_SHOWN = 6
"""Gaps that are told beside the picture; how many more there are is said."""


# --- All of them -----------------------------------------------------------------------------------------------------


def list_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    page = visit.asked("page", "1")
    number = int(page) if page.isdecimal() and page.isascii() and len(page) < 4 else 1
    start = visit.now.replace(second=0, microsecond=0)
    found, has_more = rota.listed(
        tx, visit.who, Span(start, start + GAPS_AHEAD), team_id=visit.asked("team"), words=visit.asked("q").strip(), page=number
    )
    teams = browsing.teams(tx, visit.who)
    return {
        "found": found,
        "has_more": has_more,
        "number": number,
        "user_name": browsing.user_names(tx),
        "tones": rota.tones(tx),
        "teams": teams,
        "team_name": {row.id: row.name for row in teams},
        "asked_team": visit.asked("team"),
        "words": visit.asked("q"),
        "may_create": permission.may(visit.who, CREATE, Thing("schedule")).allowed,
        "days_ahead": GAPS_AHEAD.days,
    }


# --- One of them -----------------------------------------------------------------------------------------------------


def one_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "schedule", schedule, visit.segment("id"))
    thing = access.thing_of("schedule", row)
    looked = look.looking(visit, row.time_zone)
    loaded = store.load(tx, row.id, store.around(Span(min(looked.span.start, visit.now), max(looked.span.end, visit.now + rota.AHEAD))))
    assert loaded is not None  # its row was just read
    board = rota.board(loaded, looked.span)
    entries = look.whole_entries(loaded, board)
    names, tones = browsing.user_names(tx), rota.tones(tx)
    may_override = permission.may(visit.who, CREATE, Thing("override", row.id, thing.teams)).allowed
    override = f"{PREFIX}/schedules/{row.id}/override" if may_override else ""
    painter = look.Painter(names, tones, looked.zone, visit.now, override, looked.query())
    at, at_zone, at_problem = look.at_asked(visit, row.time_zone)
    local = look.in_zone(visit, looked.zone)
    return {
        "v": local,
        "schedule": row,
        "looked": looked,
        "ranges": look.RANGES,
        "offered": look.zone_choices(visit, row.time_zone),
        "zones": ZONES,
        "drawn": look.pictures(painter, looked, board, entries, row.name),
        "painter": painter,
        "board": board,
        "blocks": painter.final(entries, board.gaps),
        "gaps": [gap for gap in board.gaps if gap.end > visit.now],
        "gaps_shown": GAPS_SHOWN,
        "overrides": [one for one in rota.stand_ins(loaded) if one.end > visit.now],
        "now": rota.answer(loaded, visit.now),
        "answer": rota.answer(_around(tx, row.id, at), at) if at is not None else None,
        "at_text": visit.asked("at"),
        "at_zone": at_zone,
        "at_key": look.zone_asked(visit, at_zone, row.time_zone)[0].key,
        "at_clock": look.clock_in(look.zone_asked(visit, at_zone, row.time_zone)[0]),
        "at_problem": at_problem,
        "paged": rota.paged_through(tx, visit.who, row.id),
        "layers": layers_told(loaded.schedule.model, visit.now),
        "zone_differs": looked.zone.key != row.time_zone,
        "is_layered": is_layered(loaded.schedule.model) and not row.is_shift_based,
        "user_name": names,
        "tones": tones,
        "team_name": {one.id: one.name for one in browsing.teams(tx, visit.who)},
        "may_change": permission.may(visit.who, UPDATE, thing).allowed,
        "may_override": may_override,
        "may_remove": permission.may(visit.who, DELETE, Thing("override", row.id, thing.teams)).allowed,
        "lasting": human_duration,
        "links": _links(visit, tx, row, looked.span, is_mine=any(one.user_id == visit.who.id for one in board.entries)),
        "feed": visit.front.settings.base_url + calendars.path(visit.front.seals, "schedule", row.id, row.calendar_digest),
        "stories": swaps.stories(tx, row.id),
        "followed": followed_calendars.state(tx, row.id, visit.now),
        "problem": "",
        "wall": lambda instant: f"{instant.astimezone(looked.zone):%Y-%m-%dT%H:%M}",
    }


LINKS = ((f"{PREFIX}/coverage", "Coverage of the next weeks"),)
"""Pages that belong to every schedule besides its own, as addresses with words: load, asking for cover, calendar feeds."""


def _links(visit: Visit, tx: Tx, row: Any, span: Span, *, is_mine: bool) -> list[tuple[str, str]]:
    """The pages that belong to this schedule, for this viewer."""
    mine = [(f"{PREFIX}/shifts?{urlencode({'ask': row.id})}", "Ask for cover")] if is_mine else []
    mine += [(f"{PREFIX}/schedules/{row.id}/load", "Load and fairness")] if load.may_look(tx, visit.who, row, span) else []
    if not row.is_shift_based and permission.may(visit.who, UPDATE, access.thing_of("schedule", row)).allowed:
        mine.append((f"{PREFIX}/schedules/{row.id}/calendar", "Follow a calendar"))
    return [*LINKS, *mine, ("#feed", "Calendar feed")]


def _around(tx: Tx, schedule_id: str, at: datetime) -> store.Loaded:
    loaded = store.load(tx, schedule_id, store.around(Span(at, at + rota.AHEAD)))
    assert loaded is not None  # its row was just read
    return loaded


def layers_told(model: Model, now: datetime) -> list[dict[str, Any]]:
    """The layers or rotations in words, the highest first, those that are over last."""
    zone = zone_named(model.time_zone)
    told = [
        {
            "id": rotation.id,
            "name": rotation.name if shift.name in {"", rotation.name} else f"{rotation.name}: {shift.name}",
            "rhythm": _sentence(handover.shift_words(shift, zone)),
            "hours": [handover.hours_words(one) for one in handover.hours_of(shift.restrictions)],
            "slots": shift.slots,
            "turns_per_slot": shift.turns_per_slot,
            "since": shift.since,
            "until": shift.until,
            "is_over": shift.until is not None and shift.until <= now,
            "is_to_come": shift.since > now,
        }
        for rotation in sorted(model.rotations, key=lambda one: one.rank, reverse=True)
        for shift in rotation.shifts
    ]
    return sorted(told, key=lambda one: bool(one["is_over"]))


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def act(visit: Visit) -> Response:
    """End, remove or shorten an override."""
    entry, verb, schedule_id = visit.entry, visit.entry.typed("do"), visit.segment("id")
    try:
        with visit.front.db.write() as tx:
            row = access.find(tx, visit.who, "schedule", schedule, schedule_id)
            teams = access.thing_of("schedule", row).teams
            back = _back(visit, row.id)
            if verb == "remove-override":
                access.allow(visit.who, DELETE, Thing("override", row.id, teams))
                rota.take_back(tx, visit.deed, row.id, entry.typed("kind"), entry.typed("override"))
                return visit.go(back, said="The override is gone")
            if verb == "shorten-override":
                access.allow(visit.who, UPDATE, Thing("override", row.id, teams))
                zone, _ = look.zone_asked(visit, entry.typed("zone"), row.time_zone)
                rota.shorten(tx, visit.deed, row.id, entry.typed("kind"), entry.typed("override"), _instant(entry.typed("until"), zone))
                return visit.go(back, said="The override ends earlier")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with visit.front.db.read() as tx:
            return visit.page("schedule.html", {**one_facts(visit, tx), "problem": look.words_of(refusal)}, status=422)
    raise invalid("This page has no such button; load it again")


def _instant(text: str, zone: Any) -> datetime:
    try:
        return parse_instant(text, zone=zone)
    except (ValueError, OverflowError) as error:
        raise invalid("Enter a day and a time, like 2026-11-25T03:00") from error


def _back(visit: Visit, schedule_id: str) -> str:
    """The page as it was looked at when the button was pressed: its query is posted along."""
    day = look.day_asked(visit.entry.typed("from"))
    words = {
        "days": visit.entry.typed("days") if visit.entry.typed("days") in dict(look.RANGES) else None,
        "from": day.isoformat() if day else None,
        "zone": visit.entry.typed("zone") or None,
    }
    return look.address(schedule_id, words)


def mark(visit: Visit, tx: Tx) -> object:
    """Anew every minute, and when rules or overrides change."""
    return visit.now.replace(second=0, microsecond=0), store.load(tx, visit.segment("id"))


PAGES = (
    Page("/schedules", View("schedules.html", list_facts)),
    Page("/schedules/{id}", View("schedule.html", one_facts, mark), act),
)
