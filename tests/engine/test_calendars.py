"""Calendars that schedules follow: fetched from a real address, kept while it fails, and worked out as time goes on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE
from tocsin.engine.calendars import EVERY, calendars_pass, outside
from tocsin.inbound.calendar import SIZE_MOST
from tocsin.service import followed_calendars, schedules
from tocsin.service.audit import Deed
from tocsin.service.followed_calendars import State
from tocsin.service.schedules import AskedLayer
from tocsin.store import leases
from tocsin.store.tables import people
from tocsin.store.tables.calendars import followed_calendar
from tocsin.store.tables.engine import audit
from tocsin.store.tables.schedules import schedule_version

LOOPBACK = ("127.0.0.0/8",)


def ics(*events: tuple[str, str, str]) -> bytes:
    """A calendar of (summary, start, more) whose events last eight hours."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for summary, start, more in events:
        lines += ["BEGIN:VEVENT", f"UID:{summary}{start}", f"SUMMARY:{summary}", f"DTSTART:{start}", "DURATION:PT8H", more, "END:VEVENT"]
    return "\r\n".join([*filter(None, lines), "END:VCALENDAR", ""]).encode()


ADA_DAILY = ics(("Ada", "20261123T080000Z", "RRULE:FREQ=DAILY"))


@dataclass
class Site:
    """An address that answers as it is told."""

    url: str = ""
    status: int = 200
    body: bytes = ADA_DAILY
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    one = Site()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            one.asked.append({name.lower(): value for name, value in self.headers.items()} | {":path": self.path})
            etag = one.headers.get("ETag")
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/team.ics?key=hush")
                self.end_headers()
                return
            is_same = etag is not None and self.headers.get("If-None-Match") == etag
            self.send_response(304 if is_same else one.status)
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if not is_same:
                self.wfile.write(one.body)

        def log_message(self, *_said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    one.url = f"http://127.0.0.1:{server.server_port}/team.ics?key=hush"
    yield one
    server.shutdown()
    server.server_close()


@dataclass
class Stage:
    """A schedule that follows something, and the pass that looks."""

    db: Any
    seals: Any
    now: datetime
    schedule_id: str = ""
    chance: Random = field(default_factory=lambda: Random(5))

    @contextmanager
    def deed(self) -> Iterator[tuple[Any, Deed]]:
        with self.db.write() as tx:
            yield tx, Deed(HOUSE, self.now, self.chance)

    def follow(self, url: str) -> None:
        with self.deed() as (tx, deed):
            followed_calendars.follow_address(tx, deed, self.seals, self.schedule_id, url)

    def look(self, *, allowed: tuple[str, ...] = LOOPBACK, node: str = "one", **later: float) -> State:
        self.now += timedelta(**later)
        calendars_pass(self.db, self.now, node=node, chance=self.chance, seals=self.seals, fetch=outside(allowed))
        with self.db.read() as tx:
            found = followed_calendars.state(tx, self.schedule_id, self.now)
        assert found is not None
        return found

    def on_call(self, **later: float) -> list[str]:
        with self.db.read() as tx:
            found = schedules.people_on_call(tx, [self.schedule_id], self.now + timedelta(**later))
        return [one.user_id for one in found[self.schedule_id]]

    def versions(self) -> int:
        with self.db.read() as tx:
            return int(tx.scalar(sa.select(sa.func.count()).select_from(schedule_version)))


@pytest.fixture
def stage(db: Any, seals: Any, now: datetime, staff: Any) -> Stage:
    stage = Stage(db, seals, now)
    layer = AskedLayer(name="Bo", start=now, virtual_start=now, turn_seconds=86_400, user_ids=(BO.id,))
    with stage.deed() as (tx, deed):
        stage.schedule_id = schedules.create(tx, deed, name="First line", time_zone="Europe/Paris", layers=[layer])
    stage.now += timedelta(minutes=1)
    return stage


def test_a_schedule_follows_an_address_its_changes_and_its_silence(stage: Stage, site: Site):
    stage.follow(site.url)
    assert stage.on_call() == [BO.id]  # until it has been read once, the schedule says what it said
    found = stage.look()
    assert (found.is_stale, found.last_error, found.copied_at, found.host) == (False, None, stage.now, f"127.0.0.1:{site.url.split(':')[2][:5].strip('/')}")
    assert (stage.on_call(), stage.on_call(hours=10)) == ([ADA.id], [])
    versions = stage.versions()
    assert stage.look(minutes=1).tried_at == found.tried_at  # not due yet
    assert stage.look(minutes=15).copied_at == stage.now
    assert stage.versions() == versions  # the same calendar makes no new version

    site.body = ics(("Cy, Zoe", "20261123T080000Z", "RRULE:FREQ=DAILY"), ("Nobody", "20261201T080000Z", ""))
    found = stage.look(minutes=15)
    assert (stage.on_call(), stage.versions()) == ([CY.id], versions + 1)
    assert [(one.summary, one.words) for one in found.complaints] == [
        ("Cy, Zoe", "'Zoe' names nobody who is known here"), ("Nobody", "it puts nobody on call: it names nobody who is known here and can be")
    ]  # fmt: skip
    with stage.db.read() as tx:  # the past never changes
        entries = schedules.entries(tx, stage.schedule_id, Span(stage.now - timedelta(minutes=30), stage.now + timedelta(minutes=1)))
    assert [(one.user_id, one.end) for one in entries] == [(ADA.id, stage.now), (CY.id, stage.now + timedelta(minutes=1))]


def test_while_the_address_fails_or_answers_rubbish_the_last_good_copy_holds(stage: Stage, site: Site):
    stage.follow(site.url)
    good = stage.look()
    versions = stage.versions()
    wrong = [(500, b"", "HTTP 500"), (200, b"", "nothing there"), (200, b"<html>Sign in", "no calendar"), (200, ics(), "no events"),
             (200, ADA_DAILY[:-20], "cut short|does not begin"), (200, b"BEGIN:VCALENDAR\r\n" + b"x" * SIZE_MOST, "larger than"), (404, ADA_DAILY, "HTTP 404")]  # fmt: skip
    for status, body, words in wrong:
        site.status, site.body = status, body
        found = stage.look(minutes=15)
        assert found.last_error is not None
        assert any(word in found.last_error for word in words.split("|"))
        assert (found.is_stale, found.copied_at, found.shift_count) == (True, good.copied_at, good.shift_count)
    assert (stage.on_call(), stage.versions()) == ([ADA.id], versions)
    months = stage.look(days=150)  # nobody mended it: the copy goes on being worked out, so that the months ahead do not run dry
    assert months.last_error is not None
    assert stage.versions() > versions
    assert stage.on_call(days=364) == [ADA.id]
    site.status, site.body = 200, ADA_DAILY
    assert stage.look(minutes=5).is_stale is False


def test_what_has_not_changed_is_not_sent_again(stage: Stage, site: Site):
    site.headers = {"ETag": '"one"', "Last-Modified": "Mon, 23 Nov 2026 08:00:00 GMT"}
    stage.follow(site.url)
    stage.look()
    assert stage.look(minutes=15).copied_at == stage.now
    assert (site.asked[1]["if-none-match"], site.asked[1]["if-modified-since"]) == ('"one"', "Mon, 23 Nov 2026 08:00:00 GMT")


def test_private_addresses_are_refused_and_no_text_tells_the_secret(stage: Stage, site: Site):
    stage.follow(site.url)
    found = stage.look(allowed=())
    assert found.last_error is not None
    assert "private or special" in found.last_error
    assert (site.asked, stage.on_call()) == ([], [BO.id])
    stage.follow(site.url.replace("/team.ics?key=hush", "/moved"))
    assert stage.look().last_error is None  # a redirect within what is allowed is followed
    stage.follow(site.url.replace(f":{site.url.split(':')[2].split('/')[0]}", ":1"))
    assert "hush" not in str(stage.look().last_error)
    with stage.db.read() as tx:
        kept = tx.one(sa.select(followed_calendar))
        told = [str(row.details) for row in tx.rows(sa.select(audit.c.details))]
    assert "hush" not in str([value for name, value in kept._mapping.items() if name != "copy"]) + "".join(told)


def test_one_node_looks_and_what_was_fetched_for_another_address_is_thrown_away(stage: Stage, site: Site):
    stage.follow(site.url)
    with stage.db.write() as tx:
        leases.hold(tx, "calendars", "another", now=stage.now, lasting=timedelta(minutes=5))
    assert stage.look().tried_at is None
    stage.look(minutes=6)
    with stage.db.read() as tx:
        rows = tx.rows(sa.select(followed_calendar))
        found = followed_calendars.outcome(rows[0].copy, ics(("Bo", "20261123T080000Z", "RRULE:FREQ=DAILY")), None, "UTC", followed_calendars.people(tx), stage.now)
    stage.follow(site.url)  # anew, in the meantime
    with stage.deed() as (tx, deed):
        assert followed_calendars.take_in(tx, deed, stage.schedule_id, rows[0].revision, found, every=EVERY) is False
    assert stage.on_call() == [ADA.id]


def test_somebody_who_comes_later_is_found_and_somebody_who_is_disabled_is_told(stage: Stage, site: Site):
    site.body = ics(("Zoe", "20261123T080000Z", "RRULE:FREQ=DAILY"))
    stage.follow(site.url)
    assert stage.look().shift_count == 0
    with stage.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == CY.id).values(name="Zoe"))
    assert stage.look(minutes=15).complaints == ()
    assert stage.on_call() == [CY.id]
    with stage.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == CY.id).values(is_disabled=True))
    assert "disabled" in stage.look(minutes=15).complaints[0].words
    assert stage.on_call() == []


def test_who_stops_following_has_the_layers_of_before_again(stage: Stage, site: Site):
    stage.follow(site.url)
    stage.look()
    assert stage.on_call() == [ADA.id]
    stage.now += timedelta(hours=1)
    with stage.deed() as (tx, deed):
        followed_calendars.stop(tx, deed, stage.schedule_id)
    assert (stage.on_call(), stage.on_call(minutes=-1)) == ([BO.id], [ADA.id])
