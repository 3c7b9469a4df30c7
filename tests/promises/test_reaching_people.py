"""Reaching people by their own rules, and never longer than needed (BEHAVIOUR 6, DESIGN 5 and 6)."""

from datetime import timedelta

from tests.world import World, user
from tocsin.channels.spec import Accepted, NotNow, Refused
from tocsin.engine.deliver import claim_due, kept_back


def test_rules_count_from_the_assignment_and_stop_at_the_acknowledgement(world: World):
    ada = world.person("Ada", "webhook", "email", rules={"high": [("webhook", 0), ("email", 3), ("webhook", 10)]})
    world.send(world.service(world.policy((30, [ada]))))
    world.forward(minutes=5)
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "sms"))
    world.forward(hours=1)
    assert [(sent.lane, minute) for sent, (_, minute) in zip(world.phones, world.told(), strict=True)] == [
        ("webhook", 0),
        ("email", 3),
    ]


def test_nobody_is_paged_after_a_resolve(world: World):
    ada = world.person("Ada", rules={"high": [("webhook", 0), ("webhook", 5)]})
    key = world.service(world.policy((3, [ada]), (3, [world.person("Bo")])))
    world.send(key)
    world.forward(minutes=1)
    world.send(key, "resolve")
    world.forward(hours=1)
    assert world.told() == [("Ada", 0)]


def test_a_person_without_rules_is_paged_at_once_on_the_first_way(world: World):
    ada = world.person("Ada", "webhook", rules={})
    world.send(world.service(world.policy((30, [ada]))))
    world.settle()
    assert world.told() == [("Ada", 0)]


def test_a_refused_channel_falls_through_to_the_next_way_at_once(world: World):
    ada = world.person("Ada", "webhook", "email")
    world.answer = lambda claim: Refused("no such number") if claim.lane == "webhook" else Accepted()
    world.send(world.service(world.policy((30, [ada]))))
    world.settle()
    assert [(sent.lane, sent.to) for sent in world.phones] == [("email", "Ada")]


def test_a_failing_provider_is_tried_again_with_the_same_key(world: World):
    ada = world.person("Ada")
    world.answer = lambda claim: Accepted() if claim.pages[0].tries > 2 else NotNow("busy")
    world.send(world.service(world.policy((30, [ada]))))
    world.forward(minutes=5)
    assert world.told() == [("Ada", 0)]
    assert len(world.attempts) == 3
    assert len({claim.key for claim in world.attempts}) == 1


def test_an_escalation_pages_the_next_person_and_no_longer_the_one_before(world: World):
    ada = world.person("Ada", rules={"high": [("webhook", 0), ("webhook", 20)]})
    bo = world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (60, [bo]))))
    world.forward(minutes=50)
    assert world.told() == [("Ada", 0), ("Bo", 5)]


def test_a_snooze_keeps_quiet_and_comes_back(world: World):
    ada = world.person("Ada")
    world.send(world.service(world.policy((30, [ada]))))
    world.settle()
    world.desk(lambda desk: desk.snooze(world.only().id, user(ada, "Ada"), "website", 3600))
    assert world.only().status == "acknowledged"
    world.forward(minutes=59)
    assert world.told() == [("Ada", 0)]
    world.forward(minutes=2)
    assert world.told() == [("Ada", 0), ("Ada", 60)]
    assert world.only().status == "triggered"


def test_a_snooze_comes_back_in_time_although_somebody_else_acknowledges_meanwhile(world: World):
    ada, bo = world.person("Ada"), world.person("Bo")
    world.send(world.service(world.policy((30, [ada]))))
    world.settle()
    world.desk(lambda desk: desk.snooze(world.only().id, user(ada, "Ada"), "website", 3600))
    world.forward(minutes=10)
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(bo, "Bo"), "website"))
    world.forward(minutes=55)
    assert world.only().status == "triggered"
    assert sorted(world.told()[1:]) == [("Ada", 60), ("Bo", 60)]


def test_raising_the_urgency_pages_by_the_other_rules_and_starts_the_clock(world: World):
    ada = world.person("Ada", "webhook", "email", rules={"high": [("webhook", 0)], "low": [("email", 0)]})
    bo = world.person("Bo")
    world.send(world.service(world.policy((5, [ada]), (5, [bo])), urgency="low"))
    world.forward(minutes=10)
    assert world.told() == [("Ada", 0)]
    world.now += timedelta(0)
    from_low = world.only().urgency.__class__("high")
    world.desk(lambda desk: desk.change_urgency(world.only().id, user(bo, "Bo"), "website", from_low))
    world.forward(minutes=6)
    assert world.told() == [("Ada", 0), ("Ada", 10), ("Bo", 15)]


def test_reassigning_pages_the_new_person_and_nothing_escalates_afterwards(world: World):
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy")
    world.send(world.service(world.policy((5, [ada]), (5, [bo]))))
    world.settle()
    world.desk(lambda desk: desk.reassign(world.only().id, user(ada, "Ada"), "website", [cy]))
    world.forward(hours=2)
    assert world.told() == [("Ada", 0), ("Cy", 0)]


def test_a_merge_ends_the_source_and_keeps_its_alerts_open_in_the_target(world: World):
    ada = world.person("Ada")
    key = world.service(world.policy((30, [ada])))
    world.send(key, key="one")
    world.send(key, key="two")
    world.settle()
    first, second = world.incidents()
    world.desk(lambda desk: desk.merge(first.id, [second.id], user(ada, "Ada"), "website"))
    target, source = world.incidents()
    assert (target.status, target.alerts_total, target.alerts_open) == ("triggered", 2, 2)
    assert (source.status, source.merged_into) == ("resolved", first.id)
    world.send(key, "resolve", key="one")
    world.send(key, "resolve", key="two")
    world.settle()
    assert world.incidents()[0].status == "resolved"


def test_that_somebody_was_told_before_it_came_back_is_no_reason_to_tell_nobody_now(world: World):
    world.person("Olga", role="owner")
    ada, bo = world.person("Ada"), world.person("Bo", "email")
    world.send(world.service(world.policy((30, [ada, bo])), acknowledgement_timeout=1800))
    world.settle()
    assert sorted(world.told()) == [("Ada", 0), ("Bo", 0)]
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "website"))
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(bo, "Bo"), "website"))
    with world.db.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM contact_methods WHERE address = 'email:bo'")
    world.answer = lambda claim: Refused("no such number") if claim.user_name == "Ada" else Accepted()
    world.forward(minutes=31)
    assert world.told()[2:] == [("Olga", 30)]


def test_a_message_whose_claim_ran_out_before_it_could_leave_stays_here(world: World):
    ada = world.person("Ada")
    world.send(world.service(world.policy((30, [ada]))))
    world.ingest()
    (claim,) = claim_due(world.db, "webhook", now=world.now, node="one", limit=5, chance=world.chance)
    assert kept_back(claim, world.now + timedelta(seconds=59)) is None
    assert kept_back(claim, world.now + timedelta(seconds=60)) == NotNow("its claim had run out before it could leave")
