"""Calendars of who is on call at their secret addresses, as iCalendar (RFC 5545): `/calendars/users/ID/KEY.ics`, `/calendars/schedules/ID/KEY.ics`.

Laws:
1. The address is all the authority there is: a wrong one is 404, and says no more.
2. Times are UTC, so that every calendar program shows them on its own wall.
"""

import re
from datetime import datetime, timedelta
from typing import Final

import icalendar

from tocsin.api.callbacks import Answer
from tocsin.base.secret import Seals
from tocsin.service import calendars
from tocsin.service.calendars import Feed
from tocsin.store.db import Database

PREFIX: Final = "/calendars/"
FRESH: Final = timedelta(minutes=15)
"""How soon a calendar program is asked to look again."""

_ADDRESS: Final = re.compile(r"/calendars/(user|schedule)s/([A-Z0-9]{1,40})/([A-Z2-7]{32})(?:\.ics)?")
_PLAIN: Final = {"content-type": "text/plain; charset=utf-8"}


def addresses(seals: Seals, base_url: str, kind: str, id_: str, seed: str | None) -> dict[str, str]:
    """`http_cal_url` and `web_cal_url` of a `user` or a `schedule`, as PagerDuty calls them."""
    path = calendars.path(seals, kind, id_, seed)
    return {"http_cal_url": base_url + path, "web_cal_url": "webcal://" + base_url.partition("://")[2] + path}


def answer(db: Database, seals: Seals, base_url: str, method: str, path: str, *, now: datetime) -> Answer:
    """Answer one request for a calendar."""
    if method not in {"GET", "HEAD"}:
        return Answer(405, b"Only GET is answered here\n", _PLAIN | {"allow": "GET, HEAD"})
    found = _ADDRESS.fullmatch(path)
    feed = None
    if found is not None:
        kind, id_, key = found.groups()
        with db.read() as tx:
            feed = calendars.feed(tx, seals, kind, id_, key, now)
    if feed is None:
        return Answer(404, b"There is no calendar at this address: it may have been made anew\n", _PLAIN)
    headers = {"content-type": "text/calendar; charset=utf-8", "cache-control": f"private, max-age={FRESH.seconds}"}
    return Answer(200, b"" if method == "HEAD" else written(feed, base_url, now), headers)


def written(feed: Feed, base_url: str, now: datetime) -> bytes:
    """A calendar in its own language."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Tocsin//On call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", icalendar.vText(feed.name))
    calendar.add("refresh-interval", FRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", icalendar.vDuration(FRESH))
    for shift in feed.shifts:
        event = icalendar.Event()
        event.add("uid", shift.uid)
        event.add("dtstamp", now.replace(microsecond=0))
        event.add("dtstart", shift.start)
        event.add("dtend", shift.end)
        event.add("summary", shift.title)
        event.add("url", f"{base_url}/schedules/{shift.schedule_id}")
        event.add("transp", "TRANSPARENT")  # who is on call is not busy
        calendar.add_component(event)
    return bytes(calendar.to_ical())
