"""Quiet loses nothing: what is not paged is in the journal with its reason, and what is held back is paged unless it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.promises.test_at_the_same_time import WAITING_SECONDS
from tests.world import World
from tocsin.core.permission import HOUSE
from tocsin.service import alarms, maintenance, processing
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store import inbox, services, timers

HELD = {"enabled": True, "timeout": 120}


def service_of(world: World, key: str) -> str:
    with world.db.read() as tx:
        return services.by_routing_key(tx, [key])[key].service_id


def quiet(world: World, key: str, **span: float) -> None:
    """A maintenance window of this service from now on."""
    with world.db.write() as tx:
        deed = Deed(HOUSE, world.now, world.chance)
        maintenance.plan(tx, deed, start=world.now, end=world.now + timedelta(**span), service_ids=[service_of(world, key)])


def then(world: World, first: Callable[[Desk], object], second: Callable[[], object]) -> None:
    """`second` begins while what `first` did is not committed yet, and has to wait for it."""
    with ThreadPoolExecutor(1) as pool:
        with world.db.write() as tx, Desk(tx, now=world.now, chance=world.chance) as desk:
            first(desk)
            came = pool.submit(second)
            with pytest.raises(TimeoutError):
                came.result(WAITING_SECONDS)
        came.result(30)


def test_every_event_of_a_maintenance_window_is_in_the_journal_with_the_window_it_met(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    quiet(world, key, minutes=30)
    for name in "abc":
        world.send(key, key=name)
    world.forward(minutes=29)
    assert world.told() == []
    assert [outcome for outcome, _ in world.journal()] == ["maintenance"] * 3
    assert all("maintenance window 1 of Tocsin, until" in reason for _, reason in world.journal())


def test_who_is_owed_a_page_when_quiet_begins_gets_it_and_the_ladder_is_climbed(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    key = world.service(world.policy((10, [ada]), (10, [bo])))
    world.send(key)
    world.settle()
    quiet(world, key, hours=2)
    world.forward(minutes=15)
    assert world.told() == [("Ada", 0), ("Bo", 10)]


def test_the_first_event_after_quiet_pages_at_once(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    quiet(world, key, minutes=30)
    world.send(key)
    world.forward(minutes=30)
    world.send(key)
    world.settle()
    assert world.told() == [("Ada", 30)]


def test_what_is_held_back_and_does_not_end_pages_when_its_time_is_over(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])), auto_pause=HELD)
    world.send(key)
    world.forward(seconds=119)
    assert world.told() == []
    world.forward(seconds=1)
    assert world.told() == [("Ada", 2)]
    world.forward(minutes=10)
    assert world.told() == [("Ada", 2)]


def test_what_ends_while_it_is_held_back_pages_nobody_ever(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])), auto_pause=HELD)
    world.send(key)
    world.forward(seconds=60)
    world.send(key, "resolve")
    world.forward(hours=5)
    assert (world.told(), world.incidents()) == ([], [])
    assert [outcome for outcome, _ in world.journal()] == ["paused", "resolved"]


def test_a_resolve_at_the_moment_a_pause_ends_resolves_the_incident_it_became(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])), auto_pause=HELD)
    world.send(key)
    world.settle()
    world.now += timedelta(seconds=120)
    world.send(key, "resolve")
    with world.db.read() as tx:
        due = timers.due(tx, world.now, 10)
    then(world, lambda desk: alarms.ring(desk, due), world.ingest)
    world.settle()
    assert world.only().status == "resolved"


def test_a_pause_that_ends_at_the_moment_of_a_resolve_opens_nothing(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])), auto_pause=HELD)
    world.send(key)
    world.settle()
    world.now += timedelta(seconds=120)
    world.send(key, "resolve")

    def work_off(desk: Desk) -> None:
        processing.Batch(desk, inbox.waiting(desk.tx, 10)).work_off()

    then(world, work_off, world.fire)
    world.settle()
    assert (world.incidents(), world.told()) == ([], [])
    with world.db.read() as tx:
        assert timers.next_due(tx) is None
