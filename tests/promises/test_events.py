"""What events do, as their senders and the paged experience it (BEHAVIOUR 1.1)."""

import pytest

from tests.world import World, user


@pytest.fixture
def ada(world: World) -> str:
    return world.person("Ada")


@pytest.fixture
def key(world: World, ada: str) -> str:
    return world.service(world.policy((30, [ada])))


def test_a_trigger_opens_an_incident_and_pages(world: World, key: str):
    world.send(key, summary="Disk full on db1")
    world.settle()
    assert world.only().title == "Disk full on db1"
    assert world.told() == [("Ada", 0)]
    assert world.journal()[0] == ("alert", world.journal()[0][1])
    assert world.journal()[0][1].endswith("(#1)")


def test_a_repeated_trigger_is_counted_and_pages_nobody_again(world: World, key: str, ada: str):
    world.send(key)
    world.settle()
    world.desk(lambda desk: desk.acknowledge(world.only().id, user(ada, "Ada"), "sms"))
    world.send(key)
    world.send(key)
    world.forward(minutes=10)
    assert world.told() == [("Ada", 0)]
    assert world.kinds().count("triggered_again") == 2
    assert [outcome for outcome, _ in world.journal()] == ["alert", "repeated", "repeated"]


def test_a_resolve_ends_the_alert_and_the_incident_with_its_last_one(world: World, key: str):
    world.send(key)
    world.settle()
    world.send(key, "resolve")
    world.forward(hours=2)
    assert world.only().status == "resolved"
    assert world.told() == [("Ada", 0)]
    assert world.pending() == {}


def test_a_trigger_after_a_resolve_is_a_new_incident(world: World, key: str):
    for action in ("trigger", "resolve", "trigger"):
        world.send(key, action)
    world.settle()
    first, second = world.incidents()
    assert (first.status, second.status) == ("resolved", "triggered")
    assert world.told() == [("Ada", 0)]


def test_an_acknowledge_event_acknowledges_the_incident_and_leaves_it_whose_it_was(world: World, key: str, ada: str):
    world.send(key)
    world.settle()
    world.send(key, "acknowledge")
    world.forward(hours=2)
    assert world.only().status == "acknowledged"
    assert world.only().user_ids == (ada,)
    assert world.told() == [("Ada", 0)]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_what_is_not_open_cannot_be_acknowledged_or_resolved_and_the_journal_says_so(
    world: World, key: str, action: str
):
    world.send(key, action)
    world.settle()
    assert world.incidents() == []
    ((outcome, reason),) = world.journal()
    assert outcome == "no_open_alert"
    assert reason.startswith("no alert with this key is open")


def test_a_trigger_that_comes_after_its_own_resolve_is_closed_at_once(world: World, key: str):
    world.send(key, "resolve")
    world.settle()
    world.send(key, timestamp="2026-11-23T08:59:00Z")
    world.settle()
    assert world.incidents() == []
    assert [outcome for outcome, _ in world.journal()] == ["no_open_alert", "closed_early"]


def test_a_new_problem_soon_after_a_stray_resolve_pages(world: World, key: str):
    world.send(key, "resolve")
    world.forward(seconds=30)
    world.send(key)
    world.settle()
    assert [name for name, _ in world.told()] == ["Ada"]


def test_the_same_key_through_another_way_in_is_another_alert(world: World, key: str, ada: str):
    other = world.service(world.policy((30, [ada])))
    world.send(key)
    world.send(other)
    world.settle()
    assert len(world.incidents()) == 2


def test_events_for_a_disabled_service_open_nothing_and_say_why(world: World, ada: str):
    key = world.service(world.policy((30, [ada])), is_disabled=True)
    world.send(key)
    world.settle()
    assert world.incidents() == []
    assert world.journal()[0][0] == "service_disabled"


@pytest.mark.parametrize(
    ("severity", "urgency"), [("critical", "high"), ("error", "high"), ("warning", "low"), ("info", "low")]
)
def test_severity_decides_urgency_where_the_service_says_so(world: World, ada: str, severity: str, urgency: str):
    key = world.service(world.policy((30, [ada])), urgency="severity_based")
    world.send(key, severity=severity)
    world.settle()
    assert world.only().urgency == urgency


def test_alerts_within_the_window_join_one_incident(world: World, ada: str):
    grouping = {"type": "time", "config": {"timeout": 5}}
    key = world.service(world.policy((30, [ada])), alert_grouping_parameters=grouping)
    for number in range(3):
        world.send(key, key=f"disk {number}")
    world.settle()
    assert world.only().alerts_total == 3
    assert world.told() == [("Ada", 0)]
    for number in range(3):
        world.send(key, "resolve", key=f"disk {number}")
        world.settle()
        assert world.only().status == ("resolved" if number == 2 else "triggered")


def test_the_auto_resolve_time_ends_an_incident_nobody_touched(world: World, ada: str):
    key = world.service(world.policy((30, [ada])), auto_resolve_timeout=14_400)
    world.send(key)
    world.forward(minutes=239)
    assert world.only().status == "triggered"
    world.forward(minutes=2)
    assert world.only().status == "resolved"
