"""Promise 8 for shift-based schedules: who the final schedule names at an instant is who an incident of that instant pages."""

from datetime import datetime, timedelta

from tests.world import World
from tocsin.base.times import Span
from tocsin.core.assignments import assignments
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import coverage, policies, shift_exceptions, shift_rotations
from tocsin.service import shift_schedules as service
from tocsin.service.audit import Deed
from tocsin.service.shift_exceptions import AskedOverride, AskedShift
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store import schedules as versions
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION

HOUR = timedelta(hours=1)


def deed(world: World) -> Deed:
    return Deed(HOUSE, world.now, world.chance)


def event(world: World, strategy: Strategy, *members: str | None) -> AskedEvent:
    """Shifts of six hours round the clock, from now on."""
    return AskedEvent(
        name="Six hours",
        start=ZonedTime(world.now, "Europe/Paris", world.now.isoformat()),
        end=ZonedTime(world.now + 6 * HOUR, "Europe/Paris", ""),
        since=world.now,
        recurrence=("RRULE:FREQ=DAILY;BYHOUR=4,10,16,22",),
        assignment=AskedAssignment(strategy, 1, members),
    )


def rota(world: World, ada: str, bo: str, cy: str) -> str:
    """Ada, nobody and Bo take turns; Cy stands in for Bo once; Bo has a shift of his own that Ada takes over in part."""
    with world.db.write() as tx:
        schedule_id = service.create(tx, deed(world), name="Shifts", time_zone="Europe/Paris")
        rotation_id = shift_rotations.add_rotation(tx, deed(world), schedule_id)
        shift_rotations.add_event(tx, deed(world), schedule_id, rotation_id, event(world, Strategy.ROTATING, ada, None, bo))
        start = world.now + 9 * HOUR
        (shift,) = shift_exceptions.add_custom_shifts(
            tx, deed(world), schedule_id, [AskedShift(start=start, end=start + 4 * HOUR, member=bo, says_member=True)]
        )
        people = (
            AskedOverride(source_type=ROTATION, source_id=rotation_id, start=start, end=start + 6 * HOUR, overridden=bo, overriding=cy),
            AskedOverride(source_type=CUSTOM_SHIFT, source_id=shift.id, start=start + HOUR, end=start + 2 * HOUR, overridden=bo, overriding=ada),
        )
        shift_exceptions.add_overrides(tx, deed(world), schedule_id, people)
    return schedule_id


def named(world: World, schedule_id: str, instant: datetime) -> set[str]:
    """Who the final schedule says has a shift then."""
    with world.db.read() as tx:
        loaded = versions.load(tx, schedule_id)
    assert loaded is not None
    found = assignments(loaded.schedule, Span(instant, instant + timedelta(minutes=1)))
    return {one.user_id for one in found if one.start <= instant and one.user_id is not None}


def test_an_incident_pages_exactly_those_whom_the_final_schedule_names(world: World) -> None:
    people = {name: world.person(name) for name in ("Ada", "Bo", "Cy")}
    schedule_id = rota(world, *people.values())
    with world.db.write() as tx:
        rule = policies.level(30, Target("schedule", schedule_id))
        policy_id = policies.create_policy(tx, deed(world), name="Shifts", rules=[rule])
    key = world.service(policy_id)
    seen = []
    for hour in range(20):
        with world.db.read() as tx:
            (proven,) = coverage.look(tx, HOUSE, Span(world.now, world.now + timedelta(minutes=1)), policy_ids=[policy_id]).policies
        expected = {name for name, id_ in people.items() if id_ in named(world, schedule_id, world.now)}
        before = len(world.phones)
        world.send(key, key=f"disk {hour}")
        world.settle()
        told = {sent.to for sent in world.phones[before:]}
        assert told == expected, world.now
        assert (proven.reached[0].wait is None) == (not expected), world.now
        world.send(key, "resolve", key=f"disk {hour}")
        world.settle()
        world.now += HOUR
        seen.append(frozenset(expected))
    # Every kind of hour came up: one person, an empty place, several at once.
    assert {len(names) for names in seen} == {0, 1, 2}
    assert {name for names in seen for name in names} == set(people)
