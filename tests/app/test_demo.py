"""The demo: a company made by the front door, a day lived through with a turned clock, and a start and stop that are clean."""

import json
import signal
import smtplib
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.ports import free_port
from tocsin.app.demo import company, day, replay
from tocsin.app.demo import run as demo
from tocsin.app.demo.live import Colleagues
from tocsin.app.premises import open_up
from tocsin.app.settings import Address, Settings
from tocsin.base import times
from tocsin.base.json import encode
from tocsin.core.permission import HOUSE
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import Payload
from tocsin.service import schedules
from tocsin.service.audit import Deed
from tocsin.store import timers
from tocsin.store.db import Database
from tocsin.store.tables import engine, incidents, people, services
from tocsin.store.tables import schedules as rota_tables

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY = "0" * 32


@pytest.fixture
def made(sqlite_db: Database) -> company.Company:
    with sqlite_db.write() as tx:
        deed = Deed(HOUSE, START - timedelta(days=60), Random(3))
        return company.found(tx, deed, password="tide-lantern-4242", phone_url="http://127.0.0.1:1/phone")


def rows(db: Database, table: sa.Table) -> list[sa.Row[Any]]:
    with db.read() as tx:
        return list(tx.rows(sa.select(table)))


# ------------------------------------------------------------------------------------------------------------- the day


def test_the_same_seed_tells_the_same_day():
    assert day.day(Random(1), START) == day.day(Random(1), START)
    assert day.day(Random(1), START) != day.day(Random(2), START)


def test_every_signal_is_one_that_its_reader_accepts():
    for one in day.day(Random(1), START):
        reader = reader_named(one.reader)
        assert reader is not None
        _, body = day.post_of(one, KEY)
        assert reader.check(Payload(encode(body), KEY))


def test_a_day_has_what_days_have():
    signals = day.day(Random(1), START)
    assert signals == sorted(signals, key=lambda one: one.at)
    assert all(START <= one.at < START + day.DAY for one in signals)
    assert {one.reader for one in signals} == {"events_v2", "change_events", "alertmanager"}
    assert {one.service for one in signals} == {offer.name for offer in company.SERVICES}
    told = [one.body for one in signals if one.reader == "events_v2"]
    severities = Counter(body["payload"]["severity"] for body in told if "payload" in body)
    assert set(severities) >= {"critical", "error", "warning", "info"}
    triggers = Counter(body["dedup_key"] for body in told if body["event_action"] == "trigger")
    assert max(triggers.values()) >= 8  # repeated every minute
    first: dict[str, str] = {}
    for body in told:
        first.setdefault(body["dedup_key"], body["event_action"])
    assert "resolve" in first.values()  # news that overtook each other
    busiest = Counter(one.at.replace(second=0, microsecond=0) for one in signals).most_common(1)[0][1]
    assert busiest >= 12  # the storm


def test_the_trickle_never_ends_and_its_signals_are_as_of_now():
    told = day.trickle(Random(1))
    waits, signals = zip(*(next(told) for _ in range(200)), strict=True)
    assert all(wait >= 0 for wait in waits)
    assert 5 <= sum(waits) / len(waits) <= 60
    for one in signals:
        fresh = day.freshened(one, START)
        if "payload" in fresh.body and one.reader == "events_v2":
            assert START - timedelta(minutes=2) <= datetime.fromisoformat(fresh.body["payload"]["timestamp"]) <= START
        for alert in fresh.body.get("alerts", ()):
            assert alert["startsAt"] == "2026-11-22T09:00:00Z"


# --------------------------------------------------------------------------------------------------------- the company


def test_the_company_is_whole(sqlite_db: Database, made: company.Company):
    assert len(rows(sqlite_db, people.user)) == len(company.PEOPLE) == 14
    assert {one.time_zone for one in rows(sqlite_db, people.user)} == {company.BERLIN, company.NEW_YORK, company.SINGAPORE}
    assert len(rows(sqlite_db, people.team)) == 5
    assert len(rows(sqlite_db, services.service)) == 12
    assert len(made.keys) == 12
    kinds = Counter(one.kind for one in rows(sqlite_db, people.contact_method))
    assert kinds == {"email": 14, "webhook": 14, "sms": 14, "phone": 14}
    assert {one.role for one in rows(sqlite_db, people.user)} == {"owner", "admin", "user", "limited_user"}
    (account,) = rows(sqlite_db, people.account)
    assert len(account.settings["last_resort"]) == 2
    audited = {one.root_type for one in rows(sqlite_db, engine.audit)}
    assert audited >= {"user_reference", "team_reference", "schedule_reference", "escalation_policy_reference", "service_reference"}


def test_the_sun_is_followed_without_a_gap_and_nobody_of_the_platform_team_is_woken(sqlite_db: Database, made: company.Company):
    zones = {made.users[one.name]: one.zone for one in company.PEOPLE}
    with sqlite_db.read() as tx:
        rota = tx.scalar(sa.select(rota_tables.schedule.c.id).where(rota_tables.schedule.c.name == "SRE follow the sun"))
        for hour in range(7 * 24):
            at = START + timedelta(hours=hour, minutes=30)
            (one,) = schedules.people_on_call(tx, [rota], at)[rota]
            local = at.astimezone(times.zone_named(zones[one.user_id]))
            assert 7 <= local.hour < 20, (at, one.user_id)


def test_one_level_is_empty_on_purpose_and_one_goes_round(sqlite_db: Database, made: company.Company):
    policies = {one.name: one for one in rows(sqlite_db, services.escalation_policy)}
    assert policies["Storefront"].rules[0]["strategy"] == "round_robin"
    desk = policies["Logistics"].rules[0]["targets"][0]["id"]
    with sqlite_db.read() as tx:
        assert schedules.people_on_call(tx, [desk], START) == {desk: ()}


# ---------------------------------------------------------------------------------------------------------- the replay


def lived(db: Database, made: company.Company, hours: int, seed: int = 4) -> datetime:
    until = START + timedelta(hours=hours)
    signals = day.day(Random(5), START, timedelta(hours=hours))
    replay.Replay(db, made.keys, made.users, Random(seed)).run(signals, until)
    return until


def test_a_replayed_day_leaves_a_history_in_the_past(sqlite_db: Database, made: company.Company):
    until = lived(sqlite_db, made, 1)
    found = rows(sqlite_db, incidents.incident)
    assert len(found) > 15
    assert all(START <= one.created_at < until for one in found)
    assert {one.status for one in found} >= {"resolved"}
    told = rows(sqlite_db, engine.event)
    assert [one.position for one in sorted(told, key=lambda one: one.position)] == list(range(1, len(told) + 1))
    assert all(START <= one.at <= until for one in told)
    kinds = Counter(one.kind for one in told)
    assert {"triggered", "acknowledged", "resolved", "notified", "annotated", "escalated"} <= set(kinds)
    assert all(one.outcome for one in rows(sqlite_db, engine.inbox))
    sent = [one for one in rows(sqlite_db, engine.delivery) if one.outcome == "accepted"]
    assert sent
    assert all(one.started_at < until for one in sent)
    with sqlite_db.read() as tx:
        due = timers.next_due(tx)
        assert due is None or due >= until


def test_an_interrupted_replay_goes_on_where_it_was(sqlite_db: Database, made: company.Company):
    until = START + timedelta(hours=2)
    signals = day.day(Random(5), START, timedelta(hours=2))[:60]

    class Interrupted(Exception):
        pass

    def halfway(share: float) -> None:
        if share > 0.5:
            raise Interrupted

    with pytest.raises(Interrupted):
        replay.Replay(sqlite_db, made.keys, made.users, Random(4)).run(signals, until, told=halfway)
    before = len(rows(sqlite_db, engine.inbox))
    replay.Replay(sqlite_db, made.keys, made.users, Random(6)).run(signals, until)
    after = rows(sqlite_db, engine.inbox)
    sent = sum(len(one.body["alerts"]) if one.reader == "alertmanager" else 1 for one in signals)
    assert before < len(after) == sent


def test_colleagues_leave_a_new_incident_alone_and_see_to_it_later(sqlite_db: Database, made: company.Company):
    tale = day.Tale(Random(1), START)
    day.broken_pages(tale)
    replay.Replay(sqlite_db, made.keys, made.users, Random(1)).run(tale.signals[:1], START + timedelta(seconds=5))
    mates = Colleagues(sqlite_db, Random(1), lambda: START, threading.Event())
    statuses = []
    for minute in range(14):
        mates.look(START + timedelta(minutes=minute, seconds=10))
        statuses.append(rows(sqlite_db, incidents.incident)[0].status)
    assert statuses[:2] == ["triggered", "triggered"]
    assert "acknowledged" in statuses
    assert statuses[-1] == "resolved"


# -------------------------------------------------------------------------------------------------------- the whole demo


def test_prepared_twice_it_is_the_same_company_and_its_phones_move_with_the_sinks(tmp_path: Path):
    settings = Settings(data=tmp_path / "demo", http=Address("127.0.0.1", free_port()), https=None)
    said: list[str] = []
    demo.run(settings, said.append, length=timedelta(minutes=15), serve=False)
    premises = open_up(settings)
    before = len(rows(premises.db, incidents.incident))
    assert before > 5
    premises.db.close()
    state = json.loads((settings.data / "demo.json").read_text())
    assert (settings.data / "demo.json").stat().st_mode & 0o077 == 0
    said.clear()
    demo.run(settings, said.append, length=timedelta(minutes=15), serve=False)
    assert said == []
    premises = open_up(settings)
    assert len(rows(premises.db, incidents.incident)) == before
    again = json.loads((settings.data / "demo.json").read_text())
    assert again["password"] == state["password"]
    addresses = {one.address for one in rows(premises.db, people.contact_method) if one.kind == "webhook"}
    assert all(address.startswith(f"http://127.0.0.1:{again['sinks_port']}/phone/") for address in addresses)
    (hook,) = rows(premises.db, services.webhook_subscription)
    assert hook.url == f"http://127.0.0.1:{again['sinks_port']}/phone/team-chat"
    premises.db.close()


def test_it_starts_serves_takes_events_and_stops_cleanly(tmp_path: Path):
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "TOCSIN_DATA": str(tmp_path / "demo"), "TOCSIN_HTTP": str(port), "TOCSIN_HTTPS": "off"}
    began = time.monotonic()
    running = subprocess.Popen(
        [sys.executable, "-m", "tocsin.app", "demo", "--hours", "1"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _visit(running, port, began)
    finally:
        running.kill()  # it has ended by itself, unless something above went wrong
        running.wait()


def _visit(running: subprocess.Popen[str], port: int, began: float) -> None:
    assert running.stdout is not None
    said = []
    for line in running.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    assert time.monotonic() - began < 60
    words = "".join(said)
    assert f"http://127.0.0.1:{port}" in words
    assert "maya@brightwater.example" in words
    assert "Three things to try" in words
    key = words.partition('"routing_key": "')[2][:32]
    event = {"routing_key": key, "event_action": "trigger", "payload": {"summary": "Nobody can pay", "source": "me", "severity": "critical"}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/enqueue", data=json.dumps(event).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202
    address, mail_at = words.partition("mails go to ")[2].split()[0], words.partition("by SMTP at ")[2].split()[0]
    with smtplib.SMTP(mail_at.partition(":")[0], int(mail_at.partition(":")[2]), timeout=10) as client:
        client.sendmail("maya@brightwater.example", [address], "Subject: The report is empty\r\n\r\nAll of it.\r\n")
    where = words.partition("pages arrive at  ")[2].split()[0]
    for _ in range(100):
        with urllib.request.urlopen(f"{where}/arrived.json", timeout=10) as answer:
            arrived = json.load(answer)
        if any("Nobody can pay" in one["title"] for one in arrived):
            break
        time.sleep(0.1)
    assert {one["way"] for one in arrived if "Nobody can pay" in one["title"]} >= {"webhook"}
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Stopped." in rest
    assert "Traceback" not in rest
