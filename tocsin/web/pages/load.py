"""Page of a rota's load: who was on call how long, at night, at weekends and on holidays, as bars and as a table."""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from tocsin.base.times import Span, from_wall
from tocsin.core import load as rules
from tocsin.core.load import Band, PersonLoad
from tocsin.service import load as service
from tocsin.service.load import RotaLoad
from tocsin.store.db import Tx
from tocsin.web.drawing import Bar, Slice, bars
from tocsin.web.visit import Page, View, Visit

WEEKS = (4, 8, 13, 26, 52)
WEEKS_UNASKED = 13
AHEAD = "ahead"
SHIFTS_SHOWN = 200
"""Shifts that the page lists; the download has all of them."""
BANDS = ((Band.BUSINESS, "Business hours"), (Band.OFF_HOURS, "Off hours"), (Band.SLEEP, "Sleep hours"))


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    weeks, is_ahead = _asked(visit)
    found = service.look(tx, visit.who, visit.segment("id"), _span(visit, weeks, is_ahead=is_ahead))
    shifts = rules.by_start(found.load)
    return {
        "found": found,
        "drawn": bars([_bar(found, one) for one in found.load.people], found.load.even.total / timedelta(hours=1), "Hours on call by person"),
        "beyond": rules.difference(found.load),
        "shifts": shifts[:SHIFTS_SHOWN],
        "shift_count": len(shifts),
        "hours": _hours,
        "signed": _signed,
        "bands": BANDS,
        "weeks": weeks,
        "is_ahead": is_ahead,
        "choices": [(str(number), f"{number} weeks") for number in WEEKS],
        "places": any(days for days in found.holidays.values()),
    }


def download(visit: Visit) -> Response:
    """The same as a table for a spreadsheet."""
    weeks, is_ahead = _asked(visit)
    is_by_shift = visit.entry.typed("by") == "shift"
    with visit.front.db.read() as tx:
        found = service.look(tx, visit.who, visit.segment("id"), _span(visit, weeks, is_ahead=is_ahead))
    name = f"load-{found.schedule_id}-{found.load.span.start:%Y%m%d}-{found.load.span.end:%Y%m%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(service.as_csv(found, by_shift=is_by_shift), media_type="text/csv", headers=headers)


def _asked(visit: Visit) -> tuple[int, bool]:
    asked = visit.asked("weeks", str(WEEKS_UNASKED))
    return int(asked) if asked in {str(number) for number in WEEKS} else WEEKS_UNASKED, visit.asked("when") == AHEAD


def _span(visit: Visit, weeks: int, *, is_ahead: bool) -> Span:
    """Whole days of the viewer's zone: up to the end of today, or from its beginning."""
    today = visit.now.astimezone(visit.zone).date()
    if is_ahead:
        first, last = today, today + timedelta(weeks=weeks)
    else:
        first, last = today + timedelta(days=1) - timedelta(weeks=weeks), today + timedelta(days=1)
    return Span(*(from_wall(datetime.combine(day, time()), visit.zone) for day in (first, last)))


def _bar(found: RotaLoad, one: PersonLoad) -> Bar:
    name = found.name(one.user_id)
    slices = [Slice(band.value, getattr(one.hours, band.value) / timedelta(hours=1), f"{name}: {words.lower()}") for band, words in BANDS]
    return Bar(name, tuple(slices))


def _hours(lasting: timedelta) -> str:
    return f"{lasting / timedelta(hours=1):,.1f}".removesuffix(".0")


def _signed(lasting: timedelta) -> str:
    words = _hours(abs(lasting))
    return "0" if words == "0" else f"{'+' if lasting > timedelta() else '–'}{words}"


PAGES = (Page("/schedules/{id}/load", View("load.html", facts), download),)
