"""Whoever is asked to help is paged until they answer; a policy that is asked is climbed (BEHAVIOUR 3.1)."""

import sqlalchemy as sa

from tests.world import World, user
from tocsin.channels.spec import Accepted, Refused
from tocsin.core.responders import State
from tocsin.service.incidents import Desk
from tocsin.store.tables import people


def asked(world: World, requester: str, *user_ids: str, policy_ids: tuple[str, ...] = ()) -> None:
    """Cy asks these to help with the only incident."""

    def ask(desk: Desk) -> None:
        desk.ask_for_help(
            world.only().id, user(requester, "Cy"), "website", requester_id=requester, message="Join the bridge",
            user_ids=user_ids, policy_ids=policy_ids,
        )  # fmt: skip

    world.settle()
    world.desk(ask)


def answered(world: World, user_id: str, name: str, *, joins: bool) -> None:
    world.desk(lambda desk: desk.answer_request(world.only().id, user(user_id, name), "website", joins=joins))


def states(world: World) -> dict[str, str]:
    return {one.user_id: one.state.value for one in world.only().responders}


def test_who_is_asked_is_paged_by_the_rules_for_high_urgency_and_no_more_once_they_joined(world: World):
    ada, cy = world.person("Ada"), world.person("Cy")
    bo = world.person("Bo", "webhook", "email", rules={"high": [("webhook", 0), ("email", 3), ("webhook", 20)], "low": []})
    world.send(world.service(world.policy((30, [ada])), urgency="low"))
    world.settle()
    asked(world, cy, bo)
    world.forward(minutes=5)
    answered(world, bo, "Bo", joins=True)
    world.forward(hours=1)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Bo", 3)]
    assert states(world) == {bo: State.JOINED}
    assert world.only().user_ids == (ada,)


def test_an_acknowledgement_does_not_silence_who_was_asked_and_a_resolve_does(world: World):
    ada, cy = world.person("Ada"), world.person("Cy")
    bo = world.person("Bo", rules={"high": [("webhook", 0), ("webhook", 10), ("webhook", 40)]})
    world.send(world.service(world.policy((30, [ada]))))
    asked(world, cy, bo)
    world.forward(minutes=1)
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "website"))
    world.forward(minutes=20)
    world.desk(lambda desk: desk.resolve(world.only().id, user(ada, "Ada"), "website"))
    world.forward(hours=2)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Bo", 10)]


def test_a_refused_way_falls_through_to_the_next_as_for_any_page(world: World):
    ada, cy = world.person("Ada"), world.person("Cy")
    bo = world.person("Bo", "webhook", "email")
    world.answer = lambda claim: Refused("gone") if (claim.user_name, claim.lane) == ("Bo", "webhook") else Accepted()
    world.send(world.service(world.policy((30, [ada]))))
    asked(world, cy, bo)
    assert [sent.lane for sent in world.phones if sent.to == "Bo"] == ["email"]


def test_a_policy_that_is_asked_is_climbed_until_somebody_joins(world: World):
    ada, cy, bo, dee, eve = (world.person(name) for name in ("Ada", "Cy", "Bo", "Dee", "Eve"))
    world.send(world.service(world.policy((90, [ada]))))
    asked(world, cy, policy_ids=(world.policy((10, [bo]), (10, [dee]), (10, [eve]), loops=3, name="Network"),))
    assert world.pending()["ask_further"] == 10
    world.forward(minutes=15)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Dee", 10)]
    answered(world, dee, "Dee", joins=True)
    world.forward(hours=1)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Dee", 10)]
    assert "ask_further" not in world.pending()
    assert states(world) == {bo: State.PENDING, dee: State.JOINED}


def test_a_level_on_which_all_declined_has_had_its_time(world: World):
    ada, cy, bo, dee = (world.person(name) for name in ("Ada", "Cy", "Bo", "Dee"))
    world.send(world.service(world.policy((90, [ada]))))
    asked(world, cy, policy_ids=(world.policy((30, [bo]), (30, [dee]), name="Network"),))
    world.forward(minutes=2)
    answered(world, bo, "Bo", joins=False)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Dee", 2)]
    world.forward(hours=3)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Dee", 2)]
    assert "policy_asked_in_vain" in world.kinds()


def test_a_policy_with_nobody_says_so_and_cancelling_stops_the_climb(world: World):
    ada, cy, bo, dee = (world.person(name) for name in ("Ada", "Cy", "Bo", "Dee"))
    world.send(world.service(world.policy((90, [ada]))))
    empty, network = world.policy(name="Empty"), world.policy((30, [bo]), (30, [dee]), name="Network")
    asked(world, cy, policy_ids=(empty, network))
    assert [target[1] for target in world.only().requests[0].targets] == [empty, network]
    fates: list[str] = []
    world.desk(
        lambda desk: fates.extend(
            desk.cancel_requests(world.only().id, user(cy, "Cy"), "website", [("escalation_policy", network), ("user", ada)])
        )
    )
    world.forward(hours=1)
    assert fates == ["cancelled", "not_found"]
    assert states(world) == {bo: State.CANCELLED}
    assert [sent.to for sent in world.phones] == ["Ada", "Bo"]


def test_who_cannot_be_reached_is_said_in_the_incident_and_the_last_resort_is_left_alone(world: World):
    ada, cy = world.person("Ada"), world.person("Cy")
    bo = world.person("Bo")
    world.send(world.service(world.policy((90, [ada]))))
    world.settle()
    with world.db.write() as tx:
        method = people.contact_method
        tx.execute(sa.update(method).where(method.c.user_id == bo).values(is_enabled=False))
    asked(world, cy, bo)
    assert "person_unreachable" in world.kinds()
    assert "last_resort" not in world.kinds()


def test_asking_twice_pages_anew_and_never_who_has_joined(world: World):
    ada, cy = world.person("Ada"), world.person("Cy")
    bo = world.person("Bo", rules={"high": [("webhook", 0), ("webhook", 30)]})
    world.send(world.service(world.policy((90, [ada]))))
    asked(world, cy, bo)
    world.forward(minutes=10)
    asked(world, cy, bo)
    world.forward(minutes=25)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Bo", 10)]
    answered(world, bo, "Bo", joins=True)
    asked(world, cy, bo)
    world.forward(hours=1)
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Bo", 10)]
