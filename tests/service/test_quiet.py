"""Maintenance windows, held-back alerts and shared grouping, from the inbox to incidents, on both databases."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, Persona
from tests.sending import KEY, accept, event, save_service, save_ways, send, user
from tests.service.test_processing import all_incidents, outcomes
from tocsin.core.events import Agent
from tocsin.core.permission import HOUSE
from tocsin.engine.timers import timers_pass
from tocsin.service import alarms, groupings, maintenance, processing
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store import pauses, timers
from tocsin.store.db import Database
from tocsin.store.tables import engine
from tocsin.store.tables import incidents as tables
from tocsin.store.tables.service_rules import change_event, paused_alert
from tocsin.store.tables.services import service

Staff = tuple[Persona, Persona, Persona]
PAUSED: dict[str, Any] = {"auto_pause": {"enabled": True, "timeout": 120}}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def at_work(db: Database, staff: Staff, now: datetime) -> Database:
    save_ways(db, now, ADA.id, BO.id)
    save_service(db, now, [user(ADA.id)])
    return db


@pytest.fixture
def pausing(db: Database, staff: Staff, now: datetime) -> Database:
    save_ways(db, now, ADA.id)
    save_service(db, now, [user(ADA.id)], **PAUSED)
    return db


def quiet(db: Database, begins: datetime, ends: datetime, now: datetime, chance: Random) -> str:
    with db.write() as tx:
        deed = Deed(HOUSE, now, chance)
        return maintenance.plan(tx, deed, start=begins, end=ends, service_ids=["PSRV001"], description="Move")


def reasons(db: Database) -> list[str]:
    box = engine.inbox.c
    with db.read() as tx:
        return [row.reason for row in tx.rows(sa.select(box.reason).order_by(box.arrival))]


def pages_due(db: Database) -> int:
    with db.read() as tx:
        return int(tx.scalar(sa.select(sa.func.count()).select_from(engine.outbox).where(engine.outbox.c.state == "due")))


# --------------------------------------------------------------------------------------------------------- maintenance


def test_in_a_window_nothing_opens_and_everything_is_in_the_journal(at_work: Database, now: datetime, chance: Random) -> None:
    send(at_work, [event(key="before")], now, chance)
    quiet(at_work, now, now + 60 * MINUTE, now, chance)
    later = now + MINUTE
    send(at_work, [event(key="new"), event(key="before"), event("acknowledge", "before"), event("resolve", "before")], later, chance)
    assert outcomes(at_work) == ["alert", "maintenance", "repeated", "acknowledged", "maintenance"]
    (open_one,) = all_incidents(at_work)
    assert open_one.status == "acknowledged"
    assert "nothing is opened and nobody is paged" in reasons(at_work)[1]
    assert "resolves by senders are ignored" in reasons(at_work)[-1]


def test_a_window_counts_by_the_instant_of_acceptance_to_the_second(at_work: Database, now: datetime, chance: Random) -> None:
    quiet(at_work, now + MINUTE, now + 2 * MINUTE, now, chance)
    for key, came in (("a", now + MINUTE - timedelta(seconds=1)), ("b", now + MINUTE), ("c", now + 2 * MINUTE - timedelta(seconds=1)), ("d", now + 2 * MINUTE)):
        accept(at_work, [event(key=key)], came, chance)
    with at_work.write() as tx:
        processing.work_off(tx, 10, now=now + 5 * MINUTE, chance=chance)
    assert outcomes(at_work) == ["alert", "maintenance", "maintenance", "alert"]


def test_when_the_window_is_over_the_next_trigger_opens_and_the_next_resolve_counts(
    at_work: Database, now: datetime, chance: Random
) -> None:
    send(at_work, [event(key="old")], now, chance)
    window_id = quiet(at_work, now, now + 60 * MINUTE, now, chance)
    send(at_work, [event(key="new"), event("resolve", "old")], now + MINUTE, chance)
    with at_work.write() as tx:
        assert maintenance.remove(tx, Deed(HOUSE, now + 2 * MINUTE, chance), window_id) == "end"
    send(at_work, [event(key="new"), event("resolve", "old")], now + 3 * MINUTE, chance)
    assert outcomes(at_work) == ["alert", "maintenance", "maintenance", "alert", "resolved"]


def test_open_incidents_go_on_escalating_in_a_window(db: Database, staff: Staff, now: datetime, chance: Random) -> None:
    save_ways(db, now, ADA.id, BO.id)
    save_service(db, now, [user(ADA.id)], [user(BO.id)])
    send(db, [event()], now, chance)
    quiet(db, now, now + 60 * MINUTE, now, chance)
    assert timers_pass(db, now + 10 * MINUTE, chance=chance)
    assert all_incidents(db)[0].user_ids == (BO.id,)


# ------------------------------------------------------------------------------------------------------ held-back alerts


def test_what_is_over_before_its_pause_pages_nobody(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event(), event(), event("acknowledge")], now, chance)
    send(pausing, [event("resolve")], now + MINUTE, chance)
    assert outcomes(pausing) == ["paused", "repeated", "paused", "resolved"]
    assert not timers_pass(pausing, now + 9 * MINUTE, chance=chance)
    assert (all_incidents(pausing), pages_due(pausing)) == ([], 0)
    with pausing.read() as tx:
        assert tx.one(sa.select(paused_alert.c.ending, paused_alert.c.ended_at)) == ("resolved", now + MINUTE)
    send(pausing, [event()], now + 2 * MINUTE, chance)
    assert outcomes(pausing)[-1] == "paused"


def test_what_lasts_longer_than_its_pause_pages_somebody_once(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event()], now, chance)
    assert not timers_pass(pausing, now + 2 * MINUTE - timedelta(seconds=1), chance=chance)
    assert timers_pass(pausing, now + 2 * MINUTE, chance=chance)
    assert not timers_pass(pausing, now + 3 * MINUTE, chance=chance)
    (incident,) = all_incidents(pausing)
    assert (incident.user_ids, incident.alerts_open, pages_due(pausing)) == ((ADA.id,), 1, 2)  # mail at once, a text later
    with pausing.read() as tx:
        row = tx.one(sa.select(engine.inbox.c.outcome, engine.inbox.c.reason, engine.inbox.c.incident_id))
        assert tx.scalar(sa.select(paused_alert.c.ending)) == "triggered"
    assert row is not None
    assert (row.outcome, row.incident_id) == ("paused", incident.id)
    assert "was not over within the 2 min it was held back" in row.reason
    send(pausing, [event("resolve")], now + 4 * MINUTE, chance)
    assert not all_incidents(pausing)[0].is_open


def test_triggered_and_resolved_in_one_batch_leaves_no_timer(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event(), event("resolve")], now, chance)
    with pausing.read() as tx:
        assert timers.next_due(tx) is None
        assert tx.scalar(sa.select(paused_alert.c.ending)) == "resolved"


def test_a_pause_that_ends_in_a_disabled_service_frees_the_key(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event()], now, chance)
    with pausing.write() as tx:
        tx.execute(sa.update(service).values(is_disabled=True))
    assert timers_pass(pausing, now + 2 * MINUTE, chance=chance)
    assert all_incidents(pausing) == []
    with pausing.write() as tx:
        assert tx.scalar(sa.select(paused_alert.c.ending)) == "dropped"
        tx.execute(sa.update(service).values(is_disabled=False))
    send(pausing, [event()], now + 3 * MINUTE, chance)
    assert outcomes(pausing) == ["paused", "paused"]


def test_a_resolve_in_a_window_still_ends_what_is_held_back(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event()], now, chance)
    quiet(pausing, now + timedelta(seconds=1), now + 60 * MINUTE, now, chance)
    send(pausing, [event("resolve")], now + MINUTE, chance)
    assert outcomes(pausing) == ["paused", "resolved"]


def test_a_person_may_page_or_end_what_is_held_back(pausing: Database, now: datetime, chance: Random) -> None:
    send(pausing, [event(key="page"), event(key="end")], now, chance)
    with pausing.read() as tx:
        alert = tables.alert.c
        ids = {row.dedup_key: row.id for row in tx.rows(sa.select(alert.dedup_key, alert.id))}
    later = now + MINUTE
    with pausing.write() as tx, Desk(tx, now=later, chance=chance) as desk:
        assert alarms.release_by_hand(desk, ids["page"], Agent("user_reference", BO.id, "Bo"))
        assert alarms.resolve_by_hand(desk, ids["end"])
    with pausing.write() as tx, Desk(tx, now=later, chance=chance) as desk:
        assert not alarms.release_by_hand(desk, ids["page"], Agent("user_reference", BO.id, "Bo"))
        assert not alarms.resolve_by_hand(desk, ids["end"])
    (incident,) = all_incidents(pausing)
    assert incident.key == "page"
    with pausing.read() as tx:
        assert timers.of_subject(tx, ids["page"]) == {}
        endings = {row.alert_id: row.ending for row in tx.rows(sa.select(paused_alert))}
    assert endings == {ids["page"]: pauses.TRIGGERED, ids["end"]: pauses.RESOLVED}
    assert not timers_pass(pausing, now + 3 * MINUTE, chance=chance)


def test_released_alerts_are_grouped_like_others(db: Database, staff: Staff, now: datetime, chance: Random) -> None:
    save_ways(db, now, ADA.id)
    save_service(db, now, [user(ADA.id)], alert_grouping_parameters={"type": "time", "config": {"timeout": 5}}, **PAUSED)
    send(db, [event(key="a"), event(key="b")], now, chance)
    assert timers_pass(db, now + 2 * MINUTE, chance=chance)
    (incident,) = all_incidents(db)
    assert (incident.alerts_total, pages_due(db)) == (2, 2)  # two ways of one person


# -------------------------------------------------------------------------------------------------------------- grouping


def two_services(db: Database, now: datetime, chance: Random, kind: str, config: dict[str, object]) -> str:
    other = "e" * 32
    save_service(db, now, [user(ADA.id)])
    save_service(db, now, [user(BO.id)], service_id="PSRV002", name="Web", routing_key=other)
    with db.write() as tx:
        deed = Deed(HOUSE, now, chance)
        groupings.create(tx, deed, kind=kind, config=config, service_ids=["PSRV001", "PSRV002"])
    return other


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_services_of_one_setting_share_incidents(db: Database, staff: Staff, now: datetime, chance: Random, together: bool) -> None:
    config: dict[str, object] = {"aggregate": "all", "fields": ["custom_details.rack.row"], "time_window": 600}
    other = two_services(db, now, chance, "content_based", config)
    sent = [
        event(key="a", custom_details={"rack": {"row": 7}}),
        event(key="b", routing_key=other, custom_details={"rack": {"row": 7}}),
        event(key="c", routing_key=other, custom_details={"rack": {"row": 8}}),
        event(key="d", routing_key=other),
    ]
    for batch in [sent] if together else [[body] for body in sent]:
        send(db, batch, now, chance)
    assert outcomes(db) == ["alert", "grouped", "alert", "alert"]
    first = all_incidents(db)[0]
    assert (first.service_id, first.alerts_total) == ("PSRV001", 2)


def test_alike_texts_share_an_incident_and_unlike_ones_do_not(db: Database, staff: Staff, now: datetime, chance: Random) -> None:
    other = two_services(db, now, chance, "intelligent", {"time_window": 600})
    sent = [
        event(key="a", summary="Disk full on host 12 in Oslo"),
        event(key="b", routing_key=other, summary="Disk full on host 34 in Oslo"),
        event(key="c", summary="Certificate expires tomorrow"),
    ]
    send(db, sent, now, chance)
    assert outcomes(db) == ["alert", "grouped", "alert"]
    assert "grouped by likeness: 100%" in reasons(db)[1]


def test_a_window_of_nothing_is_the_recommended_one(db: Database, staff: Staff, now: datetime, chance: Random) -> None:
    two_services(db, now, chance, "content_based", {"aggregate": "all", "fields": ["source"], "time_window": 0})
    send(db, [event(key="a")], now, chance)
    send(db, [event(key="b")], now + 4 * MINUTE, chance)
    send(db, [event(key="c")], now + 10 * MINUTE, chance)
    assert outcomes(db) == ["alert", "grouped", "alert"]


# --------------------------------------------------------------------------------------------------------------- changes


def test_a_change_event_is_kept_with_its_service_and_pages_nobody(at_work: Database, now: datetime, chance: Random) -> None:
    body = {"routing_key": KEY, "payload": {"summary": "Release 7", "custom_details": {"build": 7}}, "links": [{"href": "https://ci/7"}]}
    (id_,) = accept(at_work, [body], now, chance, reader_name="change_events")
    with at_work.write() as tx:
        processing.work_off(tx, 10, now=now, chance=chance)
        row = tx.one(sa.select(change_event))
    assert row is not None
    assert (row.id, row.service_id, row.summary, row.timestamp) == (id_, "PSRV001", "Release 7", now)
    assert (row.custom_details, row.links) == ({"build": 7}, [{"href": "https://ci/7", "text": None}])
    assert (outcomes(at_work), pages_due(at_work)) == (["change"], 0)
