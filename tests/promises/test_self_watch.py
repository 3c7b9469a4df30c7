"""Tocsin that is late says so itself, by the ways that still work, once an hour; and its pulse stops when its engine does."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.channels.spec import Accepted
from tocsin.core.self_watch import PURPOSE
from tocsin.engine.deliver import claim_due, record_results
from tocsin.engine.self_watch import Pulse, digest_of, outside, queues_pass
from tocsin.service import vitals
from tocsin.service.notify import Result
from tocsin.store import outbox
from tocsin.store import self_watch as store
from tocsin.store.tables import engine


class Company:
    """Ada is paged by webhook, whose provider hangs; Cy, an admin, can be reached by mail too."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.person("Cy", "webhook", "email", role="admin")
        self.key = world.service(world.policy((300, [world.person("Ada")])))
        self.hangs = True

    def minute(self, minutes: int) -> None:
        """Time passes; the courier of webhooks hangs, that of mails does not."""
        for _ in range(minutes * 4):
            queues_pass(self.world.db, self.world.now, node="one", chance=self.world.chance)
            self.world.ingest()
            self.world.fire()
            if not self.hangs:
                with self.world.db.write() as tx:
                    outbox.return_lost(tx, now=self.world.now)
            for lane in ("email",) if self.hangs else ("email", "webhook"):
                claims = claim_due(self.world.db, lane, now=self.world.now, node="one", limit=50, chance=self.world.chance)
                results = [Result(claim, Accepted(), self.world.now) for claim in claims]
                if results:
                    record_results(self.world.db, results, now=self.world.now, chance=self.world.chance)
            self.world.now += timedelta(seconds=15)

    def told(self) -> list[tuple[str, str, str]]:
        """(title, way, state) of what was said of Tocsin itself."""
        of = engine.outbox.c
        with self.world.db.read() as tx:
            rows = tx.rows(sa.select(of.facts, of.lane, of.state).where(of.purpose == PURPOSE).order_by(of.created_at, of.lane))
        return [(row.facts["title"], row.lane, row.state) for row in rows]


@pytest.fixture
def company(world: World) -> Company:
    return Company(world)


def test_a_provider_that_hangs_is_told_by_the_other_ways_once_an_hour_and_its_end_too(company: Company) -> None:
    company.minute(3)
    assert company.told() == []
    company.world.send(company.key)
    company.world.ingest()
    # The courier took it, and neither it nor its provider was heard of again.
    assert claim_due(company.world.db, "webhook", now=company.world.now, node="one", limit=50, chance=company.world.chance)
    company.minute(4)
    assert company.told() == [("Tocsin itself is late", "email", "sent"), ("Tocsin itself is late", "webhook", "due")]
    with company.world.db.read() as tx:
        assert "pages by webhook wait, late by" in str(store.words(tx))
    company.minute(20)
    assert len(company.told()) == 2
    taken = vitals.take(company.world.db, company.world.now)
    assert ("tocsin_own_alarm", 1.0) in [(name, float(value)) for name, _, _, value in vitals.gauges(taken)]
    company.hangs = False
    company.minute(4)
    assert [(title, state) for title, _, state in company.told()[2:]] == [("Tocsin is on time again", "sent")] * 2
    with company.world.db.read() as tx:
        assert store.words(tx) is None


def test_events_that_wait_are_told_and_of_two_nodes_one_tells(company: Company) -> None:
    company.world.send(company.key)
    for _ in range(8):
        for node in ("one", "two"):
            queues_pass(company.world.db, company.world.now, node=node, chance=company.world.chance)
        company.world.now += timedelta(seconds=15)
    assert [title for title, _, _ in company.told()] == ["Tocsin itself is late"] * 2


class Listener:
    """An outside address that counts who calls it."""

    def __init__(self) -> None:
        calls: list[str] = []

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                calls.append(self.path)
                self.send_response(500 if self.path == "/broken" else 200)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                pass

        self.calls = calls
        self.server = HTTPServer(("127.0.0.1", 0), Answering)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


def test_the_pulse_is_heard_only_while_all_is_well(world: World) -> None:
    listener, ails = Listener(), ["the timers pass last ran 5 min ago"]

    def ailing(_now: object) -> Sequence[str]:
        return ails

    urls = (f"{listener.url}/secret", f"{listener.url}/broken")
    pulse = Pulse(world.db, "one", urls, ailing, outside(["127.0.0.1/32"]))
    pulse(world.now)
    assert listener.calls == []
    ails.clear()
    world.now += timedelta(seconds=15)
    pulse(world.now)
    pulse(world.now + timedelta(seconds=59))
    assert sorted(listener.calls) == ["/broken", "/secret"]
    with world.db.read() as tx:
        rows = {row.digest: row for row in store.pulses(tx)}
    assert (rows[digest_of(urls[0])].trouble, rows[digest_of(urls[0])].heard_at) == (None, world.now)
    assert (rows[digest_of(urls[1])].trouble, rows[digest_of(urls[1])].heard_at) == ("HTTP 500", None)
    guarded = Pulse(world.db, "one", urls[:1], ailing, outside([]))
    guarded(world.now)
    with world.db.read() as tx:
        (row,) = store.pulses(tx)
    assert "private or special address" in row.trouble
    assert (row.heard_at, listener.calls.count("/secret")) == (world.now, 1)
    listener.server.shutdown()
    listener.server.server_close()
