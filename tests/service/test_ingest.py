"""Accepting: shared commits, the answer after the disk, and trouble with either."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.ports import free_port
from tests.serving import KEY, save_ways_in, served
from tocsin.base.clock import system_clock
from tocsin.base.errors import Refusal
from tocsin.service.ingest import Columns, Ingest
from tocsin.store import hot
from tocsin.store.db import Database
from tocsin.store.tables import engine

HERE = Path(__file__).resolve().parents[2]


def columns(name: str) -> Columns:
    return (KEY, "events_v2", "trigger", name, name, b"{}")


def with_ingest(db: Database, now: datetime, story: Callable[[Ingest], Coroutine[Any, Any, None]]) -> Ingest:
    """Run a story in a loop with an open ingest, and close it."""
    ingest = Ingest(db, clock=lambda: now, chance=Random(3))

    async def run() -> None:
        await ingest.start()
        try:
            await story(ingest)
        finally:
            await ingest.stop()

    asyncio.run(run())
    return ingest


def names(db: Database) -> list[str]:
    with db.read() as tx:
        return [row.summary for row in tx.rows(sa.select(engine.inbox.c.summary).order_by(engine.inbox.c.arrival))]


def test_requests_that_wait_together_share_a_commit(db: Database, now: datetime) -> None:
    async def story(ingest: Ingest) -> None:
        await asyncio.gather(*(ingest.accept([columns(str(at))]) for at in range(50)))

    ingest = with_ingest(db, now, story)
    assert names(db) == [str(at) for at in range(50)]
    assert ingest.figures.commits <= 2
    assert ingest.figures.waiting == 0


def test_the_answer_waits_until_the_commit_is_done(sqlite_db: Database, now: datetime) -> None:
    async def story(ingest: Ingest) -> None:
        assert sqlite_db.writing is not None
        sqlite_db.writing.acquire()  # somebody of this process is writing
        waiting = asyncio.ensure_future(ingest.accept([columns("a")]))
        beats = 0
        for _ in range(20):
            await asyncio.sleep(0.005)
            beats += 1
        assert not waiting.done()
        assert beats == 20  # and the loop was never held up
        assert names(sqlite_db) == []
        sqlite_db.writing.release()
        await asyncio.wait_for(waiting, 5)
        assert names(sqlite_db) == ["a"]

    with_ingest(sqlite_db, now, story)


def test_the_bell_rings_after_the_commit(db: Database, now: datetime) -> None:
    seen: list[list[str]] = []

    async def story(ingest: Ingest) -> None:
        db.bell.listen(lambda name: seen.append(names(db)) if name == "ingest" else None)
        await ingest.accept([columns("a"), columns("b")])

    with_ingest(db, now, story)
    assert seen == [["a", "b"]]


def test_a_bad_row_does_not_take_its_neighbours_down(db: Database, now: datetime) -> None:
    bad: Columns = (KEY, "events_v2", "trigger", None, None, None)  # type: ignore[assignment]

    async def story(ingest: Ingest) -> None:
        asked = [ingest.accept([columns("a")]), ingest.accept([bad]), ingest.accept([columns("b")])]
        first, second, third = await asyncio.gather(*asked, return_exceptions=True)
        assert (first, third) == (None, None)
        assert isinstance(second, Refusal)
        await ingest.accept([columns("c")])

    with_ingest(db, now, story)
    assert sorted(names(db)) == ["a", "b", "c"]


def test_a_database_locked_from_outside_is_answered_503_with_nothing_kept_and_recovers(
    sqlite_url: str, sqlite_db: Database, now: datetime
) -> None:
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    event = {
        "routing_key": KEY,
        "event_action": "trigger",
        "payload": {"summary": "x", "source": "y", "severity": "info"},
    }
    with served(sqlite_db) as running:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = running.post("/v2/enqueue", event)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        assert "was not kept; send it again" in answer.json["errors"][0]
        assert time.monotonic() - began < hot.BUSY_SECONDS + 3
        assert not running.inbox()
        other.execute("ROLLBACK")
        assert running.post("/v2/enqueue", event).status == 202
        assert len(running.inbox()) == 1
    other.close()


def test_more_than_can_wait_are_told_to_come_again(sqlite_db: Database, now: datetime) -> None:
    async def story(ingest: Ingest) -> None:
        ingest._requests = [None] * 20_000  # type: ignore[list-item]
        with pytest.raises(Refusal) as refused:
            await ingest.accept([columns("a")])
        ingest._requests = []
        assert refused.value.status == 503

    with_ingest(sqlite_db, now, story)


def test_a_key_known_before_still_works_while_the_database_cannot_be_asked(sqlite_db: Database, now: datetime) -> None:
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)

    async def story(ingest: Ingest) -> None:
        known = await ingest.way(KEY)
        assert known is not None
        assert ingest.way_at_once(KEY) is known
        with sqlite_db.write() as tx:
            tx.connection.exec_driver_sql("ALTER TABLE integrations RENAME TO away")
        ingest._ways[KEY] = (-99.0, known)
        assert await ingest.way(KEY) is known
        with pytest.raises(Refusal):
            await ingest.way("f" * 32)
        with sqlite_db.write() as tx:
            tx.connection.exec_driver_sql("ALTER TABLE away RENAME TO integrations")

    with_ingest(sqlite_db, now, story)


def test_what_was_answered_202_survives_kill_9(db_url: str) -> None:
    db = Database(db_url, pool_size=2)
    with db.write() as tx:
        save_ways_in(tx, system_clock())
    accepted: list[str] = []
    for turn in range(3):
        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.argv = ['x', '--serve', {db_url!r}, '{port}']; from bench.accept import main; main()"],
            cwd=HERE, env={**os.environ, "PYTHONPATH": str(HERE)},
        )  # fmt: skip
        _until_it_answers(port)
        senders = [threading.Thread(target=_send, args=(port, f"{turn}-{at}", accepted)) for at in range(8)]
        for sender in senders:
            sender.start()
        time.sleep(0.25)
        server.send_signal(signal.SIGKILL)
        server.wait()
        for sender in senders:
            sender.join()
    assert len(accepted) > 20
    with db.read() as tx:
        kept = [row.dedup_key for row in tx.rows(sa.select(engine.inbox.c.dedup_key))]
    db.close()
    assert set(accepted) <= set(kept)
    assert len(kept) == len(set(kept))
    assert len(set(kept) - set(accepted)) <= 3 * 8  # what was under way when it died, at most one a sender


def _send(port: int, name: str, accepted: list[str]) -> None:
    """Send events one after another until the server is gone; note those that were answered 202."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    number = 0
    while True:
        key = f"{name}-{number}"
        event = {
            "routing_key": KEY, "event_action": "trigger", "dedup_key": key,
            "payload": {"summary": "x", "source": "y", "severity": "info"},
        }  # fmt: skip
        try:
            connection.request("POST", "/v2/enqueue", json.dumps(event))
            answer = connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            return
        assert answer.status == 202
        accepted.append(key)
        number += 1


def _until_it_answers(port: int) -> None:
    for _ in range(200):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise AssertionError("the server did not come up")
