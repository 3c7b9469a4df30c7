"""The inbox: order, identity, the hot path and its plain twin, and what becomes of an event."""

import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from tests.serving import KEY, OTHER_KEY, save_ways_in
from tocsin.store import hot, inbox
from tocsin.store.db import Database
from tocsin.store.tables import engine


def columns(name: str, *, key: str | None = "k", raw: bytes = b"{}") -> tuple[Any, ...]:
    return (KEY, "events_v2", "trigger", key, name, raw)


def kept(db: Database) -> Sequence[sa.Row[Any]]:
    with db.read() as tx:
        return tx.rows(sa.select(engine.inbox).order_by(engine.inbox.c.arrival, engine.inbox.c.id))


AWKWARD = [
    columns("plain"),
    columns("quotes ' \" \\ ; --", key=None),
    columns("naïve ☃ \U0001f525\n\t\\N \\.", key="ключ"),
    columns("", raw=bytes(range(256)) * 10),
    (KEY, "change_events", None, None, None, b"\\N\t\\.\n"),
]


def test_the_hot_path_keeps_the_same_rows_as_its_plain_twin(db: Database, now: datetime, chance: Random) -> None:
    rows = inbox.Numbering(chance).number(AWKWARD, now)
    appender = hot.open_appender(db)
    appender.append(rows, may_wait=True)
    appender.close()
    by_hot_path = kept(db)
    with db.write() as tx:
        tx.execute(sa.delete(engine.inbox))
        inbox.append(tx, rows)
    assert kept(db) == by_hot_path
    assert [bytes(row.raw) for row in by_hot_path] == [row[-1] for row in rows]
    assert {row.received_at for row in by_hot_path} == {now}


def test_a_batch_larger_than_one_statement_is_kept_whole_and_in_order(
    db: Database, now: datetime, chance: Random
) -> None:
    rows = inbox.Numbering(chance).number([columns(str(at)) for at in range(333)], now)
    appender = hot.open_appender(db)
    appender.append(rows, may_wait=True)
    appender.close()
    assert [row.summary for row in kept(db)] == [str(at) for at in range(333)]


def test_a_batch_with_a_bad_row_is_not_kept_at_all_and_the_next_one_is(
    db: Database, now: datetime, chance: Random
) -> None:
    numbering = inbox.Numbering(chance)
    good = numbering.number([columns("good")], now)
    twice = numbering.number([columns("a"), columns("b")], now)
    twice[1] = (twice[0][0], *twice[1][1:])  # two rows with one id
    appender = hot.open_appender(db)
    with pytest.raises(hot.NotKept) as refused:
        appender.append(twice, may_wait=True)
    assert refused.value.is_rows_fault
    assert not kept(db)
    appender.append(good, may_wait=True)
    appender.close()
    assert [row.summary for row in kept(db)] == ["good"]


def test_a_full_disk_keeps_nothing_says_so_and_recovers(sqlite_db: Database, now: datetime, chance: Random) -> None:
    numbering, appender = inbox.Numbering(chance), hot.open_appender(sqlite_db)
    appender.append(numbering.number([columns("before")], now), may_wait=True)
    connection = appender._connection()  # type: ignore[attr-defined]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")  # the file may not grow: what a full disk looks like
    with pytest.raises(hot.NotKept, match="full"):
        appender.append(numbering.number([columns("lost", raw=b"x" * 100_000)], now), may_wait=True)
    appender.append(numbering.number([columns("after")], now), may_wait=True)
    appender.close()
    assert [row.summary for row in kept(sqlite_db)] == ["before", "after"]


def test_another_process_that_writes_makes_it_busy_not_broken(
    sqlite_url: str, sqlite_db: Database, now: datetime, chance: Random
) -> None:
    numbering, appender = inbox.Numbering(chance), hot.open_appender(sqlite_db)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(hot.Busy):
        appender.append(numbering.number([columns("a")], now), may_wait=False)
    other.execute("ROLLBACK")
    appender.append(numbering.number([columns("b")], now), may_wait=False)
    appender.close()
    other.close()
    assert [row.summary for row in kept(sqlite_db)] == ["b"]


def test_a_server_that_restarted_is_found_again(postgres_url: str, now: datetime, chance: Random) -> None:
    db = Database(postgres_url, pool_size=2)
    numbering, appender = inbox.Numbering(chance), hot.open_appender(db)
    appender.append(numbering.number([columns("before")], now), may_wait=True)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    appender.append(numbering.number([columns("after")], now), may_wait=True)
    appender.close()
    assert [row.summary for row in kept(db)] == ["before", "after"]
    db.close()


def test_arrivals_only_grow_even_when_the_clock_steps_back(now: datetime, chance: Random) -> None:
    numbering = inbox.Numbering(chance)
    found = []
    for step in (0, 0, 1, -3600, 5, -1):
        found += [row[2] for row in numbering.number([columns("x")] * 3, now + timedelta(seconds=step))]
    assert found == sorted(set(found))
    again = inbox.Numbering(chance, not_before=found[-1])
    assert again.number([columns("x")], now - timedelta(days=1))[0][2] > found[-1]


def test_two_processes_at_the_same_moment_differ(now: datetime) -> None:
    one, other = (inbox.Numbering(Random(seed)).number([columns("x")] * 100, now) for seed in (1, 2))
    assert not {row[0] for row in one} & {row[0] for row in other}
    assert not {row[2] for row in one} & {row[2] for row in other}


def test_an_identifier_is_a_ulid_and_rises_with_time(now: datetime, chance: Random) -> None:
    numbering = inbox.Numbering(chance)
    ids = [numbering.number([columns("x")], now + timedelta(milliseconds=at))[0][0] for at in range(50)]
    assert all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", one) for one in ids)
    assert ids == sorted(ids)
    milliseconds = 0
    for letter in ids[0][:10]:
        milliseconds = milliseconds * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    assert datetime.fromtimestamp(milliseconds / 1000, UTC) == now


def test_waiting_events_come_in_order_until_they_are_settled(db: Database, now: datetime, chance: Random) -> None:
    rows = inbox.Numbering(chance).number([columns(str(at), key=f"k{at}") for at in range(5)], now)
    with db.write() as tx:
        assert inbox.oldest_waiting_at(tx) is None
        assert inbox.highest_arrival(tx) == 0
        inbox.append(tx, list(reversed(rows)))
    with db.write() as tx:
        first, second = inbox.waiting(tx, 2)
        assert [first.id, second.id] == [rows[0][0], rows[1][0]]
        assert (first.routing_key, first.reader, first.dedup_key, bytes(first.raw), first.received_at) == (
            KEY,
            "events_v2",
            "k0",
            b"{}",
            now,
        )
        assert (inbox.how_many_wait(tx), inbox.oldest_waiting_at(tx)) == (5, now)
        assert inbox.highest_arrival(tx) == rows[-1][2]
        inbox.settle(
            tx,
            [
                inbox.Settled(first.id, "alert", "it opened an alert", "PS", "QA", "QI", "trigger", "k0", "said"),
                inbox.Settled(second.id, "dropped", "nothing to resolve"),
            ],
            now + timedelta(seconds=1),
        )
        inbox.settle(tx, [], now)
    with db.read() as tx:
        assert [row.id for row in inbox.waiting(tx, 9)] == [row[0] for row in rows[2:]]
    done = kept(db)[0]
    assert (done.outcome, done.reason, done.service_id, done.alert_id, done.incident_id) == (
        "alert",
        "it opened an alert",
        "PS",
        "QA",
        "QI",
    )
    assert done.processed_at == now + timedelta(seconds=1)


def test_a_routing_key_is_looked_up(db: Database, now: datetime) -> None:
    with db.write() as tx:
        save_ways_in(tx, now, settings={"mapping": {"summary": "$.a"}})
    with db.read() as tx:
        assert inbox.way(tx, OTHER_KEY) == inbox.Way(
            OTHER_KEY, "PGATE04", "PGATE02", "events_api_v2_inbound_integration", {"mapping": {"summary": "$.a"}}
        )
        assert inbox.way(tx, "f" * 32) is None


def test_refusals_add_up(db: Database) -> None:
    for times in (2, 3):
        with db.write() as tx:
            inbox.add_refused(tx, [inbox.Refused("2026-11-23", "events_v2", "JSON parse error", times)])
            inbox.add_refused(tx, [])
    with db.write() as tx:
        inbox.add_refused(tx, [inbox.Refused("2026-11-22", "events_v1", "JSON parse error", 1)])
    with db.read() as tx:
        assert inbox.refused(tx, "2026-11-23") == [inbox.Refused("2026-11-23", "events_v2", "JSON parse error", 5)]
        assert len(inbox.refused(tx, "2026-11-01")) == 2


def test_accepting_is_durable_by_its_settings(sqlite_url: str) -> None:
    assert Path(sqlite_url.removeprefix("sqlite:///")).exists()
    db = Database(sqlite_url)
    connection = hot.open_appender(db)._connection()  # type: ignore[attr-defined]
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    db.close()
