"""Page of who is on call: now, until when, and who is next; and the next days as a picture."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from markupsafe import Markup

from tocsin.base.times import Span, from_wall
from tocsin.service import browsing, roster
from tocsin.service.roster import Roster
from tocsin.store.db import Tx
from tocsin.web.drawing import Lane, Stretch, clock_changes, on_call_strip
from tocsin.web.visit import Page, View, Visit

DAYS = 7
TONES = 6
"""People of a policy get these many quiet colours in turn; the name stands in the block."""


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    span = week(visit)
    page = visit.asked("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 4 else 1
    found = roster.look(tx, visit.who, span, team_id=visit.asked("team"), words=visit.asked("q").strip(), page=number)
    names = browsing.user_names(tx)
    teams = browsing.teams(tx, visit.who)
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
        "drawn": {one.policy.id: drawn(one, span, visit, names) for one in found.rosters},
        "changes": clock_changes(span, visit.zone),
        "is_narrowed": bool(visit.asked("team") or visit.asked("q")),
    }


def week(visit: Visit) -> Span:
    """From the last midnight of the viewer's zone, for some days."""
    today = visit.now.astimezone(visit.zone).date()
    start = from_wall(datetime.combine(today, time()), visit.zone)
    return Span(start, from_wall(datetime.combine(today + timedelta(days=DAYS), time()), visit.zone))


def drawn(one: Roster, span: Span, visit: Visit, names: browsing.Names) -> Markup:
    """The picture of a policy: a lane a seat."""
    people = [entry.user_id for level in one.levels for seat in level.seats for entry in seat.entries]
    tones = {user_id: number % TONES for number, user_id in enumerate(dict.fromkeys(people))}
    lanes = []
    for level in one.levels:
        for at, seat in enumerate(level.seats):
            stretches = [
                Stretch(entry.start, entry.end, f"tone{tones[entry.user_id]}", names(entry.user_id)) for entry in seat.entries
            ]
            lanes.append(Lane(f"Level {level.number}" if at == 0 else "", (*stretches, *gaps(stretches, Span(visit.now, span.end)))))
    return on_call_strip(lanes, span, visit.now, visit.zone)


def gaps(stretches: list[Stretch], span: Span) -> list[Stretch]:
    """Where nobody is from now on."""
    found, at = [], span.start
    for one in sorted(stretches, key=lambda stretch: stretch.start):
        if one.start > at:
            found.append(Stretch(at, one.start, "gap", "nobody"))
        at = max(at, one.end)
    if at < span.end:
        found.append(Stretch(at, span.end, "gap", "nobody"))
    return found


def mark(visit: Visit, tx: Tx) -> object:
    """Hand-offs make no event: the page is looked at anew every minute, and when rules or overrides change."""
    minute = visit.now.replace(second=0, microsecond=0)
    return minute, roster.change_mark(tx)


PAGES = (Page("/on-call", View("on-call.html", facts, mark)),)
