"""Support hours that begin raise what is open with low urgency, through the same door as everybody (BEHAVIOUR 2.1)."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.core.permission import HOUSE
from tocsin.engine.housekeeping import Keep, housekeeping_pass
from tocsin.service import hours, services
from tocsin.service.audit import Deed
from tocsin.store import timers
from tocsin.store.db import Database
from tocsin.store.tables.services import service

SUNDAY_NIGHT = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
SUPPORT: dict[str, Any] = {
    "incident_urgency_rule": {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    },
    "support_hours": {
        "type": "fixed_time_per_day",
        "time_zone": "UTC",
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    },
    "scheduled_actions": [
        {"type": "urgency_change", "at": {"type": "named_time", "name": "support_hours_start"}, "to_urgency": "high"}
    ],
}


@pytest.fixture
def world(db: Database, chance: Random) -> World:
    return World(db, SUNDAY_NIGHT, chance)


def supported(world: World, **more: Any) -> tuple[str, str]:
    """A service with support hours, and its routing key; Ada is called for high urgency and gets mail for low."""
    ada = world.person("Ada", "webhook", "email", rules={"high": [("webhook", 0)], "low": [("email", 0)]})
    policy_id = world.policy((30, [ada]))
    with world.db.write() as tx:
        deed = Deed(HOUSE, world.now, world.chance)
        service_id = services.create_service(tx, deed, name="Payments", escalation_policy_id=policy_id, **{**SUPPORT, **more})
        way_id = services.add_integration(tx, deed, service_id, name="Prometheus")
        return service_id, str(services.integration_row(tx, way_id).routing_key)


def due(world: World, service_id: str) -> dict[str, datetime]:
    with world.db.read() as tx:
        return timers.of_subject(tx, service_id)


def change(world: World, service_id: str, changes: dict[str, Any]) -> None:
    with world.db.write() as tx:
        services.change_service(tx, Deed(HOUSE, world.now, world.chance), service_id, changes)


def test_what_opened_at_night_is_raised_and_pages_when_support_hours_begin(world: World) -> None:
    service_id, key = supported(world)
    world.send(key)
    world.settle()
    assert (world.only().urgency, [sent.lane for sent in world.phones]) == ("low", ["email"])
    world.forward(hours=11)
    assert world.only().urgency == "high"
    assert (world.phones[1].lane, world.phones[1].at) == ("webhook", SUNDAY_NIGHT + timedelta(hours=11))
    assert any("the support hours of Payments begin" in event.reason for event in world.log())
    assert due(world, service_id) == {"support_hours_start": SUNDAY_NIGHT + timedelta(hours=35)}


def test_what_is_acknowledged_is_raised_without_a_page_and_what_is_over_is_left_alone(world: World) -> None:
    _, key = supported(world)
    world.send(key, key="seen")
    world.send(key, key="over")
    world.send(key, "acknowledge", key="seen")
    world.send(key, "resolve", key="over")
    world.forward(hours=12)
    seen, over = world.incidents()
    assert (seen.urgency, seen.status, over.urgency) == ("high", "acknowledged", "low")
    assert {sent.lane for sent in world.phones} <= {"email"}


def test_the_timers_follow_the_service(world: World) -> None:
    service_id, _ = supported(world)
    monday = SUNDAY_NIGHT + timedelta(hours=11)
    assert due(world, service_id) == {"support_hours_start": monday}
    ends = [{"type": "urgency_change", "at": {"type": "named_time", "name": "support_hours_end"}, "to_urgency": "high"}]
    change(world, service_id, {"scheduled_actions": [*SUPPORT["scheduled_actions"], *ends]})
    assert due(world, service_id) == {"support_hours_start": monday, "support_hours_end": monday + timedelta(hours=8)}
    change(world, service_id, {"support_hours": {**SUPPORT["support_hours"], "start_time": "08:00:00"}})
    assert due(world, service_id)["support_hours_start"] == monday - timedelta(hours=1)
    change(world, service_id, {"incident_urgency_rule": {"type": "constant", "urgency": "low"}})
    assert due(world, service_id) == {}
    change(world, service_id, SUPPORT)
    assert due(world, service_id) != {}
    with world.db.write() as tx:
        services.delete_service(tx, Deed(HOUSE, world.now, world.chance), service_id)
    assert due(world, service_id) == {}


def test_more_incidents_than_one_bite_are_all_raised(world: World) -> None:
    _, key = supported(world)
    for at in range(hours.AT_ONCE + 3):
        world.send(key, key=f"k{at}")
    world.forward(hours=12)
    assert {one.urgency for one in world.incidents()} == {"high"}


def test_a_service_made_before_there_were_timers_gets_its_own(world: World) -> None:
    service_id, _ = supported(world)
    with world.db.write() as tx:
        hours.drop_timers(tx, service_id)
        assert tx.scalar(sa.select(sa.func.count()).select_from(service)) == 1
    housekeeping_pass(world.db, world.now, node="one", keep=Keep())
    assert due(world, service_id) == {"support_hours_start": SUNDAY_NIGHT + timedelta(hours=11)}
    housekeeping_pass(world.db, world.now, node="one", keep=Keep())
    assert len(due(world, service_id)) == 1
