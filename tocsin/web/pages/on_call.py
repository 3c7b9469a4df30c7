"""Page of who is on call: now, until when, and who is next; and the next days as a picture."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any

from markupsafe import Markup

from tocsin.base.times import Span, from_wall
from tocsin.core.schedule import Entry
from tocsin.service import access, browsing, roster, rota
from tocsin.service.roster import Roster
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import schedule
from tocsin.web import rota as look
from tocsin.web.drawing import Track, clock_changes, rota_board
from tocsin.web.pages.me import ZONES
from tocsin.web.visit import Page, View, Visit

DAYS = 7


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    span = week(visit)
    page = visit.asked("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 4 else 1
    found = roster.look(tx, visit.who, span, team_id=visit.asked("team"), words=visit.asked("q").strip(), page=number)
    names, tones = browsing.user_names(tx), rota.tones(tx)
    teams = browsing.teams(tx, visit.who)
    at, at_zone, at_problem = look.at_asked(visit, "")
    return {
        "found": found,
        "number": number,
        "span": span,
        "user_name": names,
        "teams": teams,
        "team_name": {row.id: row.name for row in teams},
        "asked_team": visit.asked("team"),
        "words": visit.asked("q"),
        "duties": roster.duties(tx, visit.who.id, visit.now),
        "drawn": {one.policy.id: drawn(one, span, visit, names, tones) for one in found.rosters},
        "changes": clock_changes(span, visit.zone),
        "is_narrowed": bool(visit.asked("team") or visit.asked("q")),
        "schedule_ids": seen_schedules(tx, visit, found.rosters),
        "at": at,
        "at_text": visit.asked("at"),
        "at_zone": at_zone,
        "at_problem": at_problem,
        "offered": look.zone_choices(visit, ""),
        "zones": ZONES,
        "kept": {name: visit.asked(name) for name in ("q", "team", "page") if visit.asked(name)},
        **(told_at(visit, tx, at, at_zone, number) if at is not None else {}),
    }


def seen_schedules(tx: Tx, visit: Visit, rosters: Sequence[Roster]) -> Collection[str]:
    """Of the schedules of these policies those that the viewer may open."""
    named = {seat.schedule_id for one in rosters for level in one.levels for seat in level.seats if seat.schedule_id}
    return access.known(tx, visit.who, "schedule", schedule, named).keys()


def told_at(visit: Visit, tx: Tx, at: datetime, at_zone: str, number: int) -> Mapping[str, Any]:
    """Who stands on every level of the policies shown at an instant, and why."""
    span = Span(at, at + timedelta(seconds=1))
    rosters = roster.look(tx, visit.who, span, team_id=visit.asked("team"), words=visit.asked("q").strip(), page=number).rosters
    schedule_ids = {seat.schedule_id for one in rosters for level in one.levels for seat in level.seats if seat.schedule_id}
    zone, _ = look.zone_asked(visit, at_zone, visit.zone.key)
    return {
        "at_key": zone.key,
        "at_clock": look.clock_in(zone),
        "at_rosters": rosters,
        "at_answers": {one.schedule_id: one for one in rota.answers(tx, visit.who, schedule_ids, at)},
    }


def week(visit: Visit) -> Span:
    """From the last midnight of the viewer's zone, for some days."""
    today = visit.now.astimezone(visit.zone).date()
    start = from_wall(datetime.combine(today, time()), visit.zone)
    return Span(start, from_wall(datetime.combine(today + timedelta(days=DAYS), time()), visit.zone))


def drawn(one: Roster, span: Span, visit: Visit, names: browsing.Names, tones: Mapping[str, int]) -> Markup:
    """The picture of a policy: a row a seat."""
    painter = look.Painter(names, tones, visit.zone, visit.now)
    tracks = [
        Track(f"Level {level.number}" if at == 0 else "", painter.final(seat.entries, gaps(seat.entries, Span(visit.now, span.end))))
        for level in one.levels
        for at, seat in enumerate(level.seats)
    ]
    return rota_board(tracks, span, visit.now, visit.zone, name=f"{one.policy.name}: who is on call over the next days; the table says who it is now", key=one.policy.id)


def gaps(entries: Sequence[Entry], span: Span) -> list[Span]:
    """Where nobody is from now on."""
    found, at = [], span.start
    for one in sorted(entries, key=lambda entry: entry.start):
        if one.start > at:
            found.append(Span(at, one.start))
        at = max(at, one.end)
    if at < span.end:
        found.append(Span(at, span.end))
    return found


def mark(visit: Visit, tx: Tx) -> object:
    """Hand-offs make no event: the page is looked at anew every minute, and when rules or overrides change."""
    minute = visit.now.replace(second=0, microsecond=0)
    return minute, roster.change_mark(tx)


PAGES = (Page("/on-call", View("on-call.html", facts, mark)),)
