"""Housekeeping removes what is old and nothing else."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.engine.housekeeping import Keep, housekeeping_pass
from tocsin.store.db import Database
from tocsin.store.tables import engine, incidents


@pytest.fixture
def world(db: Database, now, chance) -> World:
    return World(db, now, chance)


def _count(world: World, table: sa.Table) -> int:
    with world.db.read() as tx:
        return int(tx.scalar(sa.select(sa.func.count()).select_from(table)))


def test_the_journal_is_kept_for_its_time_and_incidents_for_ever(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    world.send(key)
    world.send(key, "resolve")
    world.settle()
    keep = Keep(journal=timedelta(days=90))
    housekeeping_pass(world.db, world.now + timedelta(days=89), node="one", keep=keep)
    assert _count(world, engine.inbox) == 2
    housekeeping_pass(world.db, world.now + timedelta(days=91), node="one", keep=keep)
    assert _count(world, engine.inbox) == 0
    assert _count(world, incidents.incident) == 1


def test_an_event_that_still_waits_is_never_removed(world: World):
    world.send(world.service(world.policy((30, [world.person("Ada")]))))
    housekeeping_pass(world.db, world.now + timedelta(days=400), node="one", keep=Keep())
    assert _count(world, engine.inbox) == 1


def test_resolved_incidents_go_with_all_that_hangs_on_them_when_that_is_asked_for(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    world.send(key)
    world.send(key, "resolve")
    world.send(key, key="open one")
    world.settle()
    keep = Keep(incidents=timedelta(days=30))
    assert not housekeeping_pass(world.db, world.now + timedelta(days=31), node="one", keep=keep)
    assert world.only().status == "triggered"
    assert _count(world, incidents.alert) == 1
    assert {event.incident_id for event in world.log()} == {world.only().id}
    assert _count(world, engine.event) == len(world.log())


def test_a_large_heap_is_removed_in_bites(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    for _ in range(5):
        world.send(key, "resolve")
    world.settle()
    late = world.now + timedelta(days=100)
    assert housekeeping_pass(world.db, late, node="one", keep=Keep(), bite=2)
    assert _count(world, engine.inbox) == 3
