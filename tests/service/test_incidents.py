"""The desk: state, log, timers and pages of an incident are written together or not at all, on both databases."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tests.sending import event, save_service, save_ways, send, user
from tocsin.base.errors import Refusal
from tocsin.core.events import Agent
from tocsin.core.incident_state import Incident, Timer, pending
from tocsin.engine.timers import timers_pass
from tocsin.service.incidents import Desk
from tocsin.store import alerts, events, incidents, timers
from tocsin.store.db import Database, Tx
from tocsin.store.tables import engine, people
from tocsin.store.tables import incidents as tables

AGENT = Agent("user_reference", ADA.id, "Ada")
Staff = tuple[Persona, Persona, Persona]


@pytest.fixture
def at_work(db: Database, staff: Staff, now: datetime) -> Database:
    save_ways(db, now, ADA.id, BO.id, CY.id)
    save_service(db, now, [user(ADA.id)], [user(BO.id)])
    return db


def opened(db: Database, now: datetime, chance: Random, key: str = "disk") -> str:
    send(db, [event(key=key)], now, chance)
    with db.read() as tx:
        return str(tx.scalar(sa.select(tables.incident.c.id).order_by(tables.incident.c.number.desc())))


def loaded(db: Database, incident_id: str) -> Incident:
    with db.read() as tx:
        return incidents.load(tx, [incident_id])[incident_id]


def told(db: Database, incident_id: str) -> list[str]:
    with db.read() as tx:
        return [entry.kind for entry in events.of_incident(tx, incident_id)]


def waiting(db: Database, incident_id: str) -> dict[str, datetime]:
    with db.read() as tx:
        return timers.of_subject(tx, incident_id)


def owed(db: Database, state: str = "due") -> list[tuple[str, str]]:
    """(person, channel) of the pages in this state."""
    box = engine.outbox.c
    with db.read() as tx:
        rows = tx.rows(
            sa.select(box.user_id, box.lane).where(box.state == state).order_by(box.user_id, box.due_at, box.lane)
        )
    return [(row.user_id, row.lane) for row in rows]


def test_the_timers_kept_are_always_those_the_state_says(at_work: Database, now: datetime, chance: Random) -> None:
    incident_id = opened(at_work, now, chance)

    def agree() -> None:
        expected = {timer.value: at for timer, at in pending(loaded(at_work, incident_id)).items()}
        assert waiting(at_work, incident_id) == expected

    agree()
    for act in ("acknowledge", "unacknowledge", "snooze", "reassign", "resolve", "reopen"):
        now += timedelta(minutes=1)
        with at_work.write() as tx, Desk(tx, now=now, chance=chance) as desk:
            more = {"snooze": (60,), "reassign": ([BO.id],)}.get(act, ())
            getattr(desk, act)(incident_id, AGENT, "api", *more)
        agree()


def test_an_acknowledgement_drops_what_is_owed_in_the_same_transaction(
    at_work: Database, now: datetime, chance: Random
) -> None:
    incident_id = opened(at_work, now, chance)
    assert owed(at_work) == [(ADA.id, "email"), (ADA.id, "sms")]
    with at_work.write() as tx, Desk(tx, now=now, chance=chance) as desk:
        desk.acknowledge(incident_id, AGENT, "api")
    assert owed(at_work) == []
    assert owed(at_work, "dropped") == [(ADA.id, "email"), (ADA.id, "sms")]


def test_a_refusal_undoes_everything_the_desk_did(at_work: Database, now: datetime, chance: Random) -> None:
    incident_id = opened(at_work, now, chance)
    before, log = loaded(at_work, incident_id), told(at_work, incident_id)

    def two_things() -> None:
        with at_work.write() as tx, Desk(tx, now=now, chance=chance) as desk:
            desk.acknowledge(incident_id, AGENT, "api")
            desk.snooze(incident_id, AGENT, "api", 0)

    with pytest.raises(Refusal):
        two_things()
    assert (loaded(at_work, incident_id), told(at_work, incident_id)) == (before, log)
    assert len(owed(at_work)) == 2


def test_a_timer_that_fires_twice_climbs_once(at_work: Database, now: datetime, chance: Random) -> None:
    incident_id = opened(at_work, now, chance)
    due_at = waiting(at_work, incident_id)["escalate"]
    for _ in range(2):
        with at_work.write() as tx, Desk(tx, now=due_at, chance=chance) as desk:
            desk.fire(incident_id, Timer.ESCALATE, due_at)
    assert loaded(at_work, incident_id).level == 1
    assert told(at_work, incident_id).count("escalated") == 1
    assert waiting(at_work, incident_id)["escalate"] == due_at + timedelta(minutes=10)


def test_climbing_pages_the_next_level_and_drops_the_one_before(
    at_work: Database, now: datetime, chance: Random
) -> None:
    incident_id = opened(at_work, now, chance)
    assert timers_pass(at_work, now + timedelta(minutes=10), chance=chance)
    assert owed(at_work) == [(BO.id, "email"), (BO.id, "sms")]
    assert not timers_pass(at_work, now + timedelta(minutes=10), chance=chance)
    timers_pass(at_work, now + timedelta(minutes=20), chance=chance)
    incident = loaded(at_work, incident_id)
    assert (incident.is_exhausted, incident.user_ids) == (True, (BO.id,))
    assert owed(at_work) == [(BO.id, "email"), (BO.id, "sms")], "what the last level is owed stays owed"


def test_who_cannot_be_reached_is_said_so_and_the_last_resort_is_told(
    at_work: Database, now: datetime, chance: Random
) -> None:
    with at_work.write() as tx:
        tx.execute(sa.delete(people.contact_method).where(people.contact_method.c.user_id == ADA.id))
    incident_id = opened(at_work, now, chance)
    assert told(at_work, incident_id) == ["triggered", "assigned", "person_unreachable", "last_resort"]
    assert owed(at_work) == [(CY.id, "email"), (CY.id, "sms")], "Cy is an admin: nobody else is configured"


def test_with_nobody_on_call_the_last_resort_is_told_once(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_ways(db, now, CY.id)
    save_service(db, now, [], [])
    incident_id = opened(db, now, chance)
    timers_pass(db, now + timedelta(minutes=10), chance=chance)
    timers_pass(db, now + timedelta(minutes=20), chance=chance)
    assert told(db, incident_id).count("nobody_on_call") == 3
    assert told(db, incident_id).count("last_resort") == 1
    assert owed(db) == [(CY.id, "email"), (CY.id, "sms")]


def test_a_round_robin_goes_on_from_incident_to_incident(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_ways(db, now, ADA.id, BO.id)
    save_service(db, now, [user(ADA.id), user(BO.id)], strategy="round_robin")
    turns = [loaded(db, opened(db, now, chance, key)).user_ids for key in ("a", "b", "c")]
    assert turns == [(ADA.id,), (BO.id,), (ADA.id,)]
    send(db, [event(key=key) for key in ("d", "e")], now, chance)
    with db.read() as tx:
        rows = tx.rows(sa.select(tables.incident.c.state).order_by(tables.incident.c.number))
    assert [one.user_ids for one in incidents.read(rows)][3:] == [(BO.id,), (ADA.id,)], "within one batch too"


def test_merging_moves_alerts_and_their_keys_go_on_working(at_work: Database, now: datetime, chance: Random) -> None:
    first, second = opened(at_work, now, chance, "a"), opened(at_work, now, chance, "b")
    with at_work.write() as tx, Desk(tx, now=now, chance=chance) as desk:
        merged = desk.merge(first, [second], AGENT, "api")
    assert (merged.alerts_total, merged.alerts_open) == (2, 2)
    assert loaded(at_work, second).merged_into == first
    with at_work.read() as tx:
        assert {alert.status for alert in alerts.of_incidents(tx, [first])} == {"triggered"}
    send(at_work, [event("resolve", "b"), event("resolve", "a")], now, chance)
    assert not loaded(at_work, first).is_open


def test_people_of_resolved_incidents_are_not_found_by_it_any_more(
    at_work: Database, now: datetime, chance: Random
) -> None:
    incident_id = opened(at_work, now, chance)

    def of_ada(tx: Tx) -> list[str]:
        return [one.id for one in incidents.open_of_user(tx, ADA.id)]

    with at_work.read() as tx:
        assert of_ada(tx) == [incident_id]
    with at_work.write() as tx, Desk(tx, now=now, chance=chance) as desk:
        desk.resolve(incident_id, AGENT, "api")
    with at_work.read() as tx:
        assert of_ada(tx) == []


def test_the_log_is_dense_and_in_order(at_work: Database, now: datetime, chance: Random) -> None:
    for key in ("a", "b", "c"):
        opened(at_work, now, chance, key)
    with at_work.read() as tx:
        log = events.after(tx, 0, 100)
        assert [entry.position for entry in log] == list(range(1, len(log) + 1))
        assert events.last_position(tx) == len(log)
