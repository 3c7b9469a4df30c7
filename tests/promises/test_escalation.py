"""Escalation, as a team experiences it (BEHAVIOUR section 4)."""

import sqlalchemy as sa

from tests.world import World, user
from tocsin.core.events import Agent, Urgency
from tocsin.store.tables import people


def test_levels_are_climbed_in_order_each_after_its_delay(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    world.send(world.service(world.policy((5, [ada]), (10, [bo]), (15, [cy]))))
    world.forward(hours=2)
    assert world.told() == [("Ada", 0), ("Bo", 5), ("Cy", 15)]
    assert world.kinds()[-1] == "policy_exhausted"
    assert world.only().user_ids == (cy,)


def test_all_of_a_level_are_told_at_the_same_time(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada, bo]))))
    world.forward(minutes=1)
    assert sorted(world.told()) == [("Ada", 0), ("Bo", 0)]


def test_the_policy_begins_again_as_often_as_it_says(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo]), loops=2)))
    world.forward(hours=3)
    assert world.told() == [("Ada", 0), ("Bo", 5), ("Ada", 10), ("Bo", 15), ("Ada", 20), ("Bo", 25)]
    assert world.kinds().count("policy_repeated") == 2


def test_an_empty_level_is_skipped_at_once_and_says_why(world: World):
    bo = world.person("Bo")
    world.send(world.service(world.policy((5, ["PGONE00"]), (5, [bo]))))
    world.forward(minutes=1)
    assert world.told() == [("Bo", 0)]
    skipped = [event.reason for event in world.log() if type(event).__name__ == "LevelSkipped"]
    assert skipped == ["level 1 is skipped: user PGONE00 no longer exists"]


def test_an_acknowledgement_stops_the_clock(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo]))))
    world.forward(minutes=4)
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "sms"))
    world.forward(hours=5)
    assert world.told() == [("Ada", 0)]
    assert world.pending() == {}


def test_an_acknowledgement_that_runs_out_pages_its_people_again_and_starts_the_clock_anew(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo])), acknowledgement_timeout=1800))
    world.forward(minutes=2)
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "sms"))
    assert world.pending() == {"unacknowledge": 30}
    world.forward(minutes=40)
    assert world.told() == [("Ada", 0), ("Ada", 32), ("Bo", 37)]


def test_low_urgency_stays_where_it_is(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo])), urgency="low"))
    world.forward(hours=5)
    assert world.told() == [("Ada", 0)]


def test_low_urgency_escalates_where_the_service_asks_for_it(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo])), urgency="low", escalates_low_urgency=True))
    world.forward(hours=1)
    assert world.told() == [("Ada", 0), ("Bo", 5)]


def test_a_round_robin_gives_each_incident_to_the_next_of_the_ring(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    key = world.service(world.policy((30, [ada, bo, cy]), strategy="round_robin"))
    for number in range(4):
        world.send(key, key=f"disk {number}")
        world.settle()
    assert [name for name, _ in world.told()] == ["Ada", "Bo", "Cy", "Ada"]


def test_a_ring_is_gone_round_before_the_next_level(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    world.send(world.service(world.policy((5, [ada, bo]), (5, [cy]), strategy="round_robin")))
    world.forward(hours=1)
    assert world.told() == [("Ada", 0), ("Bo", 5), ("Cy", 10)]


def test_with_nobody_on_call_the_incident_exists_is_loud_and_looks_again(world: World):
    owner = world.person("Olga", role="owner")
    key = world.service(world.policy((5, ["PGONE00"])))
    world.send(key)
    world.forward(minutes=11)
    incident = world.only()
    assert incident.status == "triggered"
    assert incident.nobody_reason
    assert incident.escalate_at is not None
    assert world.told() == [("Olga", 0)]
    assert owner
    assert world.kinds().count("nobody_on_call") == 3
    assert world.journal()[0][0] == "alert"


def test_the_policy_is_the_one_the_incident_started_with(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    policy = world.policy((5, [ada]), (5, [bo]))
    world.send(world.service(policy))
    world.settle()
    with world.db.write() as tx:
        tx.connection.exec_driver_sql("UPDATE escalation_policies SET rules = '[]'")
    world.forward(minutes=6)
    assert world.told() == [("Ada", 0), ("Bo", 5)]


def test_the_last_resort_is_told_again_when_an_incident_comes_back_and_still_nobody_is_on_call(world: World):
    olga = world.person("Olga", role="owner")
    world.send(world.service(world.policy((5, ["PGONE00"]))))
    world.settle()
    world.desk(lambda desk: desk.resolve(world.only().id, user(olga, "Olga"), "website"))
    world.forward(minutes=30)
    assert world.told() == [("Olga", 0)]
    world.desk(lambda desk: desk.reopen(world.only().id, user(olga, "Olga"), "website"))
    world.forward(minutes=30)
    assert world.told() == [("Olga", 0), ("Olga", 30)]


def test_the_last_resort_is_told_again_when_an_acknowledgement_runs_out_and_its_person_cannot_be_reached(world: World):
    world.person("Olga", role="owner")
    ada = world.person("Ada")
    with world.db.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM contact_methods WHERE address = 'webhook:ada'")
    world.send(world.service(world.policy((5, [ada]), (5, [ada])), acknowledgement_timeout=1800))
    world.forward(minutes=6)
    assert world.told() == [("Olga", 0)]  # once, though both levels reach nobody
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "website"))
    world.forward(minutes=40)
    assert world.told() == [("Olga", 0), ("Olga", 36)]
    assert [event.reason for event in world.log() if type(event).__name__ == "LastResortPaged"] == [
        "nobody the incident is assigned to can be reached; 1 last-resort pages are owed",
        "nobody the incident is assigned to can be reached; the last resort has been told already",
        "nobody the incident is assigned to can be reached; 1 last-resort pages are owed",
    ]


def test_who_comes_on_call_after_nobody_was_is_paged_whatever_the_level_that_was_reached(world: World):
    world.person("Olga", role="owner")
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo]))))
    world.settle()
    disable(world, ada, bo)
    world.forward(minutes=6)
    assert world.told() == [("Ada", 0), ("Olga", 5)]
    enable(world, ada)
    world.forward(minutes=6)
    assert world.told() == [("Ada", 0), ("Olga", 5), ("Ada", 10)]
    assert world.only().nobody_reason is None


def test_handed_to_a_policy_with_nobody_on_call_it_is_nobodys_and_looks_for_somebody(world: World):
    world.person("Olga", role="owner")
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((5, [ada]))))
    world.settle()
    world.desk(lambda desk: desk.reassign(world.only().id, user(ada, "Ada"), "website", [bo]))
    empty = world.policy((5, ["PGONE00"]), name="Empty")
    world.desk(lambda desk: desk.delegate(world.only().id, user(bo, "Bo"), "website", empty))
    assert world.only().user_ids == ()
    assert world.told() == [("Ada", 0), ("Bo", 0), ("Olga", 0)]
    world.desk(lambda desk: desk.change_urgency(world.only().id, user(ada, "Ada"), "website", Urgency.LOW))
    world.desk(lambda desk: desk.change_urgency(world.only().id, user(ada, "Ada"), "website", Urgency.HIGH))
    assert world.pending() == {"escalate": 5}


def test_nobodys_incident_that_its_sender_snoozed_is_loud_again_when_it_comes_back(world: World):
    world.person("Olga", role="owner")
    world.send(world.service(world.policy((5, ["PGONE00"]))))
    world.settle()
    sender = Agent("inbound_integration_reference", "PSENDER", "Prometheus")
    world.desk(lambda desk: desk.snooze(world.only().id, sender, "api", 600))
    world.forward(minutes=30)
    assert world.told() == [("Olga", 0), ("Olga", 10)]


def disable(world: World, *user_ids: str, disabled: bool = True) -> None:
    with world.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id.in_(user_ids)).values(is_disabled=disabled))


def enable(world: World, *user_ids: str) -> None:
    disable(world, *user_ids, disabled=False)
