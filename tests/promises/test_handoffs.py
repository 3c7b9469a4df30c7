"""People are told of the hand-offs they asked to be told of: beforehand, once, and as the schedule then stands."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.base import ids
from tocsin.core.permission import HOUSE
from tocsin.engine.handoffs import handoffs_pass
from tocsin.service import handoffs, schedules
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store.tables import engine, people
from tocsin.store.tables.handoffs import handoff_rule
from tocsin.store.tables.services import escalation_policy, policy_target

DAY, STEP = timedelta(days=1), timedelta(minutes=5)


def deed(world: World) -> Deed:
    return Deed(HOUSE, world.now, world.chance)


def rule(world: World, user_id: str, minutes: int, kind: str = "both") -> str:
    with world.db.write() as tx:
        method = tx.scalar(sa.select(people.contact_method.c.id).where(people.contact_method.c.user_id == user_id))
        return handoffs.add_rule(
            tx, deed(world), user_id, contact_method_id=method, notify_advance_in_minutes=minutes, handoff_type=kind
        )


def rota(world: World, *user_ids: str, name: str = "First line", turn: timedelta = DAY) -> str:
    """A schedule whose turns change every `turn`, the first one an hour ago."""
    start = world.now - timedelta(hours=1)
    layer = AskedLayer(name="Turns", start=start, virtual_start=start, turn_seconds=int(turn.total_seconds()), user_ids=user_ids)
    with world.db.write() as tx:
        return schedules.create(tx, deed(world), name=name, time_zone="UTC", layers=[layer])


def policy_on(world: World, schedule_id: str, *, has_service: bool = True, setting: str = "if_has_services", name: str = "Payments") -> str:
    policy_id = world.policy((30, []))
    rules = [{"id": ids.object_id(world.chance), "delay_minutes": 30, "strategy": "assign_to_everyone", "targets": [{"type": "schedule", "id": schedule_id}]}]
    with world.db.write() as tx:
        tx.execute(
            sa.update(escalation_policy).where(escalation_policy.c.id == policy_id)
            .values(rules=rules, name=name, on_call_handoff_notifications=setting)
        )  # fmt: skip
        tx.execute(sa.insert(policy_target), {"policy_id": policy_id, "target_id": schedule_id, "target_type": "schedule"})
    if has_service:
        world.service(policy_id)
    return policy_id


def look(world: World, **span: float) -> list[tuple[str, int, str]]:
    """Let time pass, looking every five minutes; who was told what, how many minutes from now."""
    began, known = world.now, len(world.phones)
    for _ in range(int(timedelta(**span) / STEP) + 1):
        handoffs_pass(world.db, world.now, node=world.node, chance=world.chance, public_url="https://tocsin.example.org")
        world.deliver()
        world.now += STEP
    world.now -= STEP
    titles = [page.facts.title for claim in world.attempts for page in claim.pages]
    return [(sent.to, int((sent.at - began).total_seconds() // 60), title) for sent, title in list(zip(world.phones, titles, strict=True))[known:]]


def texts(world: World) -> list[str]:
    return [page.facts.text for claim in world.attempts for page in claim.pages]


def override(world: World, schedule_id: str, user_id: str, start: timedelta, end: timedelta) -> str:
    with world.db.write() as tx:
        taken = schedules.add_overrides(tx, deed(world), schedule_id, [AskedOverride(world.now + start, world.now + end, user_id)])
    made = taken[0].override
    assert made is not None
    return made.id


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def owed(world: World) -> Sequence[sa.Row[Any]]:
    with world.db.read() as tx:
        return tx.rows(sa.select(engine.outbox).where(engine.outbox.c.purpose == "handoff"))


def test_who_goes_on_and_who_comes_off_is_told_beforehand_by_his_own_rules(world: World):
    world.now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    ada, bo = world.person("Ada"), world.person("Bo")
    rule(world, ada, 60)
    rule(world, bo, 30, "oncall")
    rule(world, bo, 0, "oncall")
    schedule = rota(world, ada, bo)
    policy_on(world, schedule)
    world.now += hours(20)
    assert look(world, hours=5) == [
        ("Ada", 120, "You come off call: First line"),
        ("Bo", 150, "You go on call: First line"),
        ("Bo", 180, "You go on call: First line"),
    ]
    assert texts(world)[:2] == [
        "You come off call for First line (escalation policy: Payments) on Tue 24 Nov 2026, 08:00 (UTC). Bo takes over.",
        "You go on call for First line (escalation policy: Payments) on Tue 24 Nov 2026, 08:00, until Wed 25 Nov 2026, 08:00 (UTC). Ada hands over to you.",
    ]
    assert {claim.pages[0].facts.link for claim in world.attempts} == {"https://tocsin.example.org/app/shifts"}


def test_who_follows_himself_is_told_nothing(world: World):
    ada = world.person("Ada")
    rule(world, ada, 30)
    schedule = rota(world, ada, turn=hours(2))
    policy_on(world, schedule)
    world.now += hours(1)  # that the schedule was made, and put Ada on call, is a hand-off of its own
    override(world, schedule, ada, hours(1), hours(3))
    assert look(world, hours=6) == []


def test_an_edit_before_a_notice_is_due_moves_or_drops_it_and_a_later_one_is_told_at_once(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    for one in (ada, bo, cy):
        rule(world, one, 60, "oncall")
    schedule = rota(world, ada, bo)
    policy_on(world, schedule)
    world.now += hours(20)  # the hand-off to Bo is in three hours
    first = override(world, schedule, cy, hours(2.5), hours(8))
    assert look(world, hours=1.25) == []
    with world.db.write() as tx:
        schedules.remove_override(tx, deed(world), schedule, first)
    assert look(world, hours=0.5) == []
    override(world, schedule, cy, hours(1), hours(30))  # in Bo's place, before Bo is told
    assert look(world, hours=0.25) == [("Cy", 0, "You go on call: First line")]
    assert look(world, hours=3) == []
    override(world, schedule, ada, hours(0), hours(1))
    assert look(world, hours=0.5) == [("Ada", 0, "You go on call: First line"), ("Cy", 0, "You go on call: First line")]


def test_a_hand_off_is_told_once_whoever_looks_and_whenever_it_is_looked_again(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    rule(world, bo, 60, "oncall")
    schedule = rota(world, ada, bo)
    policy_on(world, schedule)
    world.now += hours(22.5)
    for node in ("one", "two", "one", "three"):
        handoffs_pass(world.db, world.now, node=node, chance=world.chance)
        world.now += timedelta(seconds=30)
    world.now += timedelta(minutes=40)
    handoffs_pass(world.db, world.now, node="two", chance=world.chance)
    assert len(owed(world)) == 1


def test_an_engine_that_dies_before_its_commit_has_told_nothing_and_the_next_one_tells(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    rule(world, bo, 60, "oncall")
    policy_on(world, rota(world, ada, bo))
    world.now += hours(22.5)

    def tell_and_die() -> None:
        with world.db.write() as tx:
            assert handoffs.tell(tx, now=world.now, chance=world.chance) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell_and_die()
    assert owed(world) == []
    assert look(world, minutes=2) == [("Bo", 0, "You go on call: First line")]
    assert {claim.key for claim in world.attempts} == {row.id for row in owed(world)}


def test_two_nodes_that_look_at_the_same_moment_tell_it_once(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    rule(world, bo, 60, "oncall")
    policy_on(world, rota(world, ada, bo))
    world.now += hours(22.5)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda node: handoffs_pass(world.db, world.now, node=node, chance=world.chance), ("one", "two", "three", "four")))
    assert len(owed(world)) == 1


def test_what_an_engine_that_stood_still_missed_is_told_late_but_not_too_late(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    for one in (bo, cy):
        rule(world, one, 0, "oncall")
    policy_on(world, rota(world, ada, bo, cy))
    world.now += hours(23.25)  # a quarter of an hour after the hand-off to Bo
    assert look(world, minutes=1) == [("Bo", 0, "You go on call: First line")]
    assert "You went on call" in texts(world)[0]
    world.now += hours(24.75)
    assert look(world, minutes=1) == []  # an hour after that to Cy


def test_schedules_that_no_policy_with_a_service_uses_are_silent_unless_the_policy_says_always(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    rule(world, bo, 30, "oncall")
    rota(world, ada, bo, name="Of no policy")
    policy_on(world, rota(world, ada, bo, name="Of no service"), has_service=False, name="Unused")
    policy_on(world, rota(world, ada, bo, name="Always"), has_service=False, setting="always")
    world.now += hours(22)
    assert look(world, hours=1) == [("Bo", 30, "You go on call: Always")]


def test_who_cannot_or_may_not_be_told_is_not_and_a_rule_that_goes_is_silent(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    rule(world, bo, 30)
    gone = rule(world, ada, 30)
    rule(world, cy, 30)
    policy_on(world, rota(world, ada, bo, cy, turn=hours(2)))
    with world.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == bo).values(is_disabled=True))
        tx.execute(sa.update(people.contact_method).where(people.contact_method.c.user_id == cy).values(is_enabled=False))
        row = tx.one(sa.select(handoff_rule).where(handoff_rule.c.id == gone))
        assert row is not None
        handoffs.remove_rule(tx, deed(world), row)
    assert look(world, hours=7) == []
