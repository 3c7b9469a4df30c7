"""What happens at the very same moment is decided as if one had come after the other, on whichever node it came."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.world import World, user
from tocsin.engine import ingest
from tocsin.service import processing
from tocsin.service.incidents import Desk
from tocsin.store import alerts, leases
from tocsin.store.alerts import Alert

WAITING_SECONDS = 0.3
"""How long the one who comes second is given to arrive at what the first one holds."""


def meanwhile(world: World, first: Callable[[Desk], object], held: list[str], second: Callable[[], object]) -> None:
    """`first` has taken the incidents `held` when `second` begins, and does what it wants to do while that one waits."""
    with ThreadPoolExecutor(1) as pool:
        with world.db.write() as tx, Desk(tx, now=world.now, chance=world.chance) as desk:
            desk.fetch(held)
            came = pool.submit(second)
            with pytest.raises(TimeoutError):
                came.result(WAITING_SECONDS)
            first(desk)
        came.result(30)


def of_incident(world: World, incident_id: str) -> list[Alert]:
    with world.db.read() as tx:
        return alerts.of_incidents(tx, [incident_id])


def test_a_trigger_at_the_moment_of_a_resolve_is_a_new_problem_and_pages(world: World):
    ada = world.person("Ada")
    key = world.service(world.policy((30, [ada])))
    world.send(key)
    world.settle()
    incident = world.only()
    world.send(key)
    meanwhile(world, lambda desk: desk.resolve(incident.id, user(ada, "Ada"), "website"), [incident.id], world.ingest)
    world.settle()
    assert [one.status for one in world.incidents()] == ["resolved", "triggered"]
    assert world.told() == [("Ada", 0), ("Ada", 0)]


def test_a_resolve_at_the_moment_of_a_merge_ends_the_alert_where_it_is_now(world: World):
    ada = world.person("Ada")
    key = world.service(world.policy((30, [ada])))
    world.send(key, key="one")
    world.send(key, key="two")
    world.settle()
    target, source = world.incidents()
    world.send(key, "resolve", key="two")
    meanwhile(
        world,
        lambda desk: desk.merge(target.id, [source.id], user(ada, "Ada"), "website"),
        [target.id, source.id],
        world.ingest,
    )
    target = world.incidents()[0]
    assert (target.status, target.alerts_total, target.alerts_open) == ("triggered", 2, 1)
    assert sorted(one.status for one in of_incident(world, target.id)) == ["resolved", "triggered"]
    world.send(key, "resolve", key="one")
    world.settle()
    assert world.incidents()[0].status == "resolved"


def test_an_alert_that_two_resolve_at_the_same_moment_counts_once(world: World):
    ada = world.person("Ada")
    key = world.service(
        world.policy((30, [ada])), alert_grouping_parameters={"type": "time", "config": {"timeout": 5}}
    )
    for name in ("one", "two"):
        world.send(key, key=name)
    world.settle()
    incident = world.only()
    chosen = of_incident(world, incident.id)[:1]

    def resolve() -> None:
        with world.db.write() as tx, Desk(tx, now=world.now, chance=world.chance) as desk:
            desk.resolve_alerts(chosen, user(ada, "Ada"), "website")

    meanwhile(
        world, lambda desk: desk.resolve_alerts(chosen, user(ada, "Ada"), "website"), [incident.id], resolve
    )
    assert (world.only().status, world.only().alerts_open) == ("triggered", 1)


def test_an_acknowledgement_at_the_moment_of_an_escalation_is_not_turned_down(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo]))))
    world.settle()
    incident = world.only()
    world.now = incident.escalate_at or world.now
    meanwhile(world, lambda desk: desk.acknowledge(incident.id, user(ada, "Ada"), "sms"), [incident.id], world.fire)
    world.forward(hours=1)
    assert world.only().status == "acknowledged"
    assert world.told() == [("Ada", 0)]


def test_two_nodes_that_come_to_the_inbox_at_the_same_moment_take_each_event_once(world: World):
    key = world.service(world.policy((30, [world.person("Ada")])))
    world.send(key)
    with ThreadPoolExecutor(1) as pool:
        with world.db.write() as tx:
            assert leases.hold(tx, ingest.LEASE, "one", now=world.now, lasting=ingest.LASTING)
            came = pool.submit(ingest.ingest_pass, world.db, world.now, node="two", chance=world.chance)
            with pytest.raises(TimeoutError):
                came.result(WAITING_SECONDS)
            assert processing.work_off(tx, 10, now=world.now, chance=world.chance)[0] == 1
        assert came.result(30) is False
    assert [outcome for outcome, _ in world.journal()] == ["alert"]
    assert len(world.incidents()) == 1


def test_a_lease_is_anothers_when_its_time_is_over_and_never_an_older_versions(world: World):
    later, long = world.now + timedelta(seconds=11), timedelta(seconds=10)
    with world.db.write() as tx:
        assert leases.hold(tx, "work", "one", now=world.now, lasting=long)
        assert not leases.hold(tx, "work", "two", now=world.now, lasting=long)
        assert leases.hold(tx, "work", "two", now=later, lasting=long, version=2)
        assert not leases.hold(tx, "work", "one", now=later, lasting=long, version=2)
        assert not leases.hold(tx, "work", "one", now=later + 2 * long, lasting=long, version=1)
