"""From the inbox to incidents: every event gets one outcome and a reason, row by row of the semantics (BEHAVIOUR 1.1)."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, Persona
from tests.sending import KEY, accept, event, save_service, save_ways, send, user
from tocsin.core.incident_state import Incident
from tocsin.service import processing
from tocsin.store import incidents
from tocsin.store.db import Database
from tocsin.store.tables import engine, services
from tocsin.store.tables import incidents as tables

Staff = tuple[Persona, Persona, Persona]


@pytest.fixture
def at_work(db: Database, staff: Staff, now: datetime) -> Database:
    save_ways(db, now, ADA.id, BO.id)
    save_service(db, now, [user(ADA.id)], [user(BO.id)])
    return db


def outcomes(db: Database) -> list[str | None]:
    """What became of every event, in the order of acceptance."""
    box = engine.inbox.c
    with db.read() as tx:
        rows = tx.rows(sa.select(box.outcome, box.reason, box.service_id).order_by(box.arrival))
    assert all(row.reason for row in rows if row.outcome)
    return [row.outcome for row in rows]


def all_incidents(db: Database) -> list[Incident]:
    with db.read() as tx:
        return incidents.read(tx.rows(sa.select(tables.incident.c.state).order_by(tables.incident.c.number)))


@pytest.mark.parametrize(
    ("sent", "expected", "states"),
    [
        ([("trigger", "a")], ["alert"], ["triggered"]),
        ([("trigger", "a"), ("trigger", "a")], ["alert", "repeated"], ["triggered"]),
        ([("trigger", "a"), ("trigger", "b")], ["alert", "alert"], ["triggered", "triggered"]),
        ([("trigger", "a"), ("acknowledge", "a")], ["alert", "acknowledged"], ["acknowledged"]),
        ([("trigger", "a"), ("resolve", "a")], ["alert", "resolved"], ["resolved"]),
        (
            [("trigger", "a"), ("resolve", "a"), ("trigger", "a")],
            ["alert", "resolved", "alert"],
            ["resolved", "triggered"],
        ),
        ([("acknowledge", "a")], ["no_open_alert"], []),
        ([("resolve", "a")], ["no_open_alert"], []),
        ([("trigger", "a"), ("resolve", "a"), ("resolve", "a")], ["alert", "resolved", "no_open_alert"], ["resolved"]),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_what_becomes_of_events_is_the_same_in_one_batch_and_one_by_one(
    at_work: Database,
    now: datetime,
    chance: Random,
    sent: list[tuple[str, str]],
    expected: list[str],
    states: list[str],
    together: bool,
) -> None:
    bodies = [event(action, key) for action, key in sent]
    for batch in [bodies] if together else [[body] for body in bodies]:
        send(at_work, batch, now, chance)
    assert outcomes(at_work) == expected
    assert [one.status.value for one in all_incidents(at_work)] == states


def test_a_repeat_pages_nobody_again_even_while_acknowledged(at_work: Database, now: datetime, chance: Random) -> None:
    send(at_work, [event(), event("acknowledge"), event(), event()], now, chance)
    (incident,) = all_incidents(at_work)
    assert incident.status == "acknowledged"
    with at_work.read() as tx:
        assert tx.scalar(sa.select(tables.alert.c.trigger_count)) == 3
        assert tx.rows(sa.select(engine.outbox.c.id).where(engine.outbox.c.state == "due")) == []


def test_the_same_key_through_another_way_in_is_another_alert(at_work: Database, now: datetime, chance: Random) -> None:
    other = "e" * 32
    save_service(at_work, now, [user(BO.id)], service_id="PSRV002", name="Web", routing_key=other)
    send(at_work, [event(), event(routing_key=other), event("resolve", routing_key=other)], now, chance)
    assert outcomes(at_work) == ["alert", "alert", "resolved"]
    assert [one.status.value for one in all_incidents(at_work)] == ["triggered", "resolved"]


def test_a_disabled_service_opens_nothing_and_still_resolves(at_work: Database, now: datetime, chance: Random) -> None:
    send(at_work, [event(key="before")], now, chance)
    with at_work.write() as tx:
        tx.execute(sa.update(services.service).values(is_disabled=True))
    send(at_work, [event(key="after"), event("resolve", "before")], now, chance)
    assert outcomes(at_work) == ["alert", "service_disabled", "resolved"]


def test_with_nobody_on_call_the_incident_is_kept_and_is_loud(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_service(db, now, [])
    send(db, [event()], now, chance)
    (incident,) = all_incidents(db)
    assert incident.is_open
    assert incident.nobody_reason


def test_a_resolve_that_overtook_its_trigger_closes_it(at_work: Database, now: datetime, chance: Random) -> None:
    send(at_work, [event("resolve", timestamp=(now + timedelta(seconds=1)).isoformat())], now, chance)
    late = event("trigger", timestamp=(now - timedelta(seconds=5)).isoformat())
    send(at_work, [late], now + timedelta(seconds=2), chance)
    assert outcomes(at_work) == ["no_open_alert", "closed_early"]
    assert all_incidents(at_work) == []


def test_an_event_of_a_key_that_is_gone_is_settled_and_holds_up_nobody(
    at_work: Database, now: datetime, chance: Random
) -> None:
    accept(at_work, [event(routing_key="f" * 32), event()], now, chance)
    with at_work.write() as tx:
        assert processing.work_off(tx, 10, now=now, chance=chance) == (2, now)
    assert outcomes(at_work) == ["no_service", "alert"]


@pytest.mark.parametrize(("ahead", "followed"), [(-5.0, 0.0), (0.3, 0.3), (5.0, 5.0), (3600.0, 5.0)])
def test_nothing_is_written_down_as_earlier_than_its_cause(
    at_work: Database, now: datetime, chance: Random, ahead: float, followed: float
) -> None:
    """An event may be kept after the pass has looked at its clock; a clock that is far ahead is not followed."""
    accept(at_work, [event()], now + timedelta(seconds=ahead), chance)
    decided_at = now + timedelta(seconds=followed)
    with at_work.write() as tx:
        assert processing.work_off(tx, 10, now=now, chance=chance) == (1, decided_at)
    assert all_incidents(at_work)[0].created_at == decided_at


def test_grouped_by_time_alerts_share_an_incident_that_goes_with_the_last(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_ways(db, now, ADA.id)
    save_service(db, now, [user(ADA.id)], alert_grouping_parameters={"type": "time", "config": {"timeout": 5}})
    send(db, [event(key="a"), event(key="b")], now, chance)
    send(db, [event(key="c")], now + timedelta(minutes=4), chance)
    send(db, [event(key="d")], now + timedelta(minutes=6), chance)
    assert outcomes(db) == ["alert", "grouped", "grouped", "alert"]
    send(db, [event("resolve", key) for key in ("a", "b")], now, chance)
    first, second = all_incidents(db)
    assert (first.alerts_total, first.alerts_open, second.alerts_total) == (3, 1, 1)
    send(db, [event("resolve", "c")], now, chance)
    assert [one.is_open for one in all_incidents(db)] == [False, True]


def test_within_one_batch_nothing_joins_what_the_batch_has_closed(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_service(db, now, [user(ADA.id)], alert_grouping_parameters={"type": "time", "config": {"timeout": 0}})
    send(db, [event(key="a"), event("resolve", "a"), event(key="b")], now, chance)
    assert [one.status.value for one in all_incidents(db)] == ["resolved", "triggered"]


def test_severity_decides_urgency_only_where_the_service_says_so(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    rule = {"type": "constant", "urgency": "severity_based"}
    save_service(db, now, [user(ADA.id)], incident_urgency_rule=rule)
    save_service(db, now, [user(ADA.id)], service_id="PSRV002", name="Web", routing_key="e" * 32)
    send(
        db,
        [event(severity="info"), event(severity="error", key="b"), event(severity="info", routing_key="e" * 32)],
        now,
        chance,
    )
    assert [one.urgency.value for one in all_incidents(db)] == ["low", "high", "high"]


def test_every_event_is_settled_once_and_events_of_one_key_in_order(
    at_work: Database, now: datetime, chance: Random
) -> None:
    wishes = ["trigger", "resolve"] * 10
    accept(at_work, [event(action, "flap") for action in wishes], now, chance)
    done = []
    for _ in range(8):
        with at_work.write() as tx:
            done.append(processing.work_off(tx, 3, now=now, chance=chance)[0])
    assert done == [3] * 6 + [2, 0]
    assert outcomes(at_work) == ["alert", "resolved"] * 10
    with at_work.read() as tx:
        assert not processing.is_waiting(tx)
        assert (
            tx.scalar(sa.select(sa.func.count()).select_from(tables.alert).where(tables.alert.c.routing_key == KEY))
            == 10
        )
