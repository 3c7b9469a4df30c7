"""The chain of reasons from what is really written down: found by any name, for those who may see it."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tests.sending import accept, event, save_service, save_ways, send, user
from tocsin.base.errors import Refusal
from tocsin.core.events import Agent
from tocsin.core.permission import HOUSE, Actor
from tocsin.engine.timers import timers_pass
from tocsin.service import schedules
from tocsin.service.audit import Deed
from tocsin.service.explain import explain
from tocsin.service.incidents import Desk
from tocsin.service.schedules import AskedLayer
from tocsin.store.db import Database, Tx

Staff = tuple[Persona, Persona, Persona]


@pytest.fixture
def at_work(db: Database, staff: Staff, now: datetime) -> Database:
    """Ada on the first level, nobody on the second, Bo on the third and Cy on the fourth."""
    save_ways(db, now, ADA.id, BO.id)
    save_service(db, now, [user(ADA.id)], [], [user(BO.id)], [user(CY.id)])
    return db


def only_incident(tx: Tx) -> str:
    return str(tx.scalar(sa.text("select id from incidents")))


def test_an_incident_is_explained_from_its_event_to_who_was_not_paged(
    at_work: Database, now: datetime, chance: Random
) -> None:
    send(at_work, [event()], now, chance)
    later = now + timedelta(minutes=10)
    timers_pass(at_work, later, chance=chance)
    with at_work.write() as tx, Desk(tx, now=later + timedelta(minutes=1), chance=chance) as desk:
        desk.acknowledge(only_incident(tx), Agent("user_reference", BO.id, "Bo"), "api")
    with at_work.read() as tx:
        chain = explain(tx, HOUSE, "1")
    told = [link.what for link in chain.links]
    assert told == [
        "event accepted: trigger 'disk' by Prometheus on Database (events_v2, key …cdef)",
        "incident opened with high urgency: Disk full on db1",
        "level 1: Ada (named by the policy)",
        "page owed to Ada by email at once: not sent",
        "page owed to Ada by sms at 09:05:00: not sent",
        "level 2: skipped",
        "level 3: Bo (named by the policy)",
        "page owed to Bo by email at once: not sent",
        "page owed to Bo by sms at 09:15:00: not sent",
        "acknowledged by Bo, holds until 09:41:00",
    ]
    assert [one.user for one in chain.not_paged] == ["Ada", "Bo", "Cy"]
    assert chain.not_paged[2].why == "level 4 was never reached: Bo acknowledged at 09:11:00"


def test_it_is_found_by_id_number_event_and_key(at_work: Database, now: datetime, chance: Random) -> None:
    (event_id,) = send(at_work, [event()], now, chance)
    with at_work.read() as tx:
        chains = [explain(tx, HOUSE, word) for word in (only_incident(tx), "1", "#1", event_id, "disk")]
        assert all(chain == chains[0] for chain in chains)
        with pytest.raises(Refusal) as refused:
            explain(tx, HOUSE, "nothing")
    assert refused.value.status == 404


def test_an_event_of_which_nothing_came_and_one_that_waits_are_explained(
    at_work: Database, now: datetime, chance: Random
) -> None:
    send(at_work, [event("resolve", "never-opened")], now, chance)
    accept(at_work, [event("trigger", "waiting")], now, chance)
    with at_work.read() as tx:
        nothing, waiting = explain(tx, HOUSE, "never-opened"), explain(tx, HOUSE, "waiting")
    assert (nothing.incident, nothing.status, len(nothing.links)) == (None, "no_open_alert", 1)
    assert nothing.links[0].why.startswith("no open alert: no alert with this key is open")
    assert waiting.next == "it is accepted and waits for its turn"


def test_whoever_was_on_call_is_named_with_the_schedule_as_it_was_then(
    db: Database, staff: Staff, now: datetime, chance: Random
) -> None:
    save_ways(db, now, ADA.id, BO.id)
    layer = AskedLayer(
        id=None, name="Layer", start=now, end=None, virtual_start=now, turn_seconds=86_400, user_ids=(ADA.id, BO.id)
    )
    with db.write() as tx:
        days = schedules.create(tx, Deed(HOUSE, now, chance), name="Days", time_zone="Etc/UTC", layers=[layer])
    save_service(db, now, [{"type": "schedule", "id": days}])
    send(db, [event()], now + timedelta(hours=1), chance)
    with db.read() as tx:
        chain = explain(tx, HOUSE, "1")
    assert "level 1: Ada (on call on Days)" in [link.what for link in chain.links]
    assert [(one.user, one.why.partition(" at ")[0]) for one in chain.not_paged if one.user == "Bo"] == [
        ("Bo", "they were not on call on Days")
    ]


def test_who_may_not_see_the_service_is_told_nothing(at_work: Database, now: datetime, chance: Random) -> None:
    send(at_work, [event(), event("resolve", "never-opened")], now, chance)
    stranger = Actor(kind="user", id="PSTRANGE", name="Eve", role="restricted_access")
    with at_work.read() as tx:
        for word in ("1", "disk", "never-opened"):
            with pytest.raises(Refusal) as refused:
                explain(tx, stranger, word)
            assert refused.value.status == 404
