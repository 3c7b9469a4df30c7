"""The life of an incident, row by row of the tables of states and actions (BEHAVIOUR 3.1 and 4)."""

from datetime import timedelta

import pytest

from tests.core.story import (
    ADA,
    BO,
    CY,
    EMPTY,
    NOON,
    OTHER_POLICY,
    SENDER,
    THREE,
    ladder,
    opened,
    rung,
)
from tocsin.core import incident_commands as asks
from tocsin.core.effects import AdvanceTurn, ResolveAlerts
from tocsin.core.events import Agent, Status, Urgency
from tocsin.core.incident_state import ServiceRules, Timer, pending

# --- It begins


def test_an_event_opens_an_incident_on_the_first_level_and_pages_it() -> None:
    story = opened()
    assert story.incident.status is Status.TRIGGERED
    assert story.incident.user_ids == (ADA.id,)
    assert story.paged == [ADA.id]
    assert story.incident.assigned_via == "escalation_policy"
    assert pending(story.incident) == {
        Timer.ESCALATE: NOON + timedelta(minutes=10),
        Timer.RESOLVE: NOON + timedelta(hours=4),
    }


def test_an_incident_made_for_oneself_begins_acknowledged_and_pages_nobody() -> None:
    story = opened(agent=ADA, alert=False, assign_to=(ADA.id,))
    assert story.incident.status is Status.ACKNOWLEDGED
    assert story.paged == []
    assert pending(story.incident)[Timer.UNACKNOWLEDGE] == NOON + timedelta(minutes=30)
    assert "begins acknowledged" in story.last.reason


def test_an_incident_made_for_somebody_else_pages_them_and_is_never_escalated_by_itself() -> None:
    story = opened(agent=ADA, alert=False, assign_to=(BO.id,))
    assert (story.paged, story.incident.assigned_via) == ([BO.id], "direct_assignment")
    assert Timer.ESCALATE not in pending(story.incident)


def test_with_nobody_on_call_the_incident_exists_is_loud_and_looks_again() -> None:
    story = opened(EMPTY)
    assert story.incident.is_open
    assert story.is_loud
    assert story.incident.nobody_reason == "nobody is on call on any level of Checkout"
    story.fire(Timer.ESCALATE)
    assert not story.is_loud, "the last resort is told once, not every ten minutes"
    story.ladder = THREE
    story.fire(Timer.ESCALATE)
    assert (story.paged, story.incident.nobody_reason) == ([ADA.id], None)


def test_an_empty_level_is_stepped_over_at_once_and_said_so() -> None:
    story = opened(ladder(rung(number=1), rung(BO, number=2)))
    assert story.paged == [BO.id]
    skipped = story.events[1]
    assert type(skipped).__name__ == "LevelSkipped"
    assert skipped.reason == "level 1 is skipped: nobody is on call on Checkout"


# --- Acknowledging


def test_acknowledging_stops_pages_and_escalation_and_starts_the_timeout() -> None:
    story = opened()
    story.later(minutes=2).acknowledge()
    assert (story.incident.status, story.drops, story.paged) == (Status.ACKNOWLEDGED, True, [])
    assert Timer.ESCALATE not in pending(story.incident)
    assert pending(story.incident)[Timer.UNACKNOWLEDGE] == NOON + timedelta(minutes=32)


def test_an_acknowledgement_makes_the_incident_the_acknowledgers() -> None:
    story = opened(ladder(rung(ADA, BO)))
    story.acknowledge(BO)
    assert list(story.incident.user_ids) == [BO.id]
    story.acknowledge(CY)
    assert list(story.incident.user_ids) == [BO.id, CY.id]


def test_an_acknowledgement_by_the_sender_leaves_it_whose_it_was() -> None:
    story = opened()
    story.acknowledge(SENDER)
    assert (story.incident.status, story.incident.user_ids) == (Status.ACKNOWLEDGED, (ADA.id,))


def test_acknowledging_twice_changes_nothing() -> None:
    story = opened()
    story.acknowledge()
    before = story.incident
    assert story.later(minutes=1).acknowledge().events == ()
    assert story.incident == before


def test_without_a_timeout_an_acknowledgement_holds_for_ever() -> None:
    story = opened(rules_=ServiceRules())
    story.acknowledge()
    assert pending(story.incident) == {}


def test_when_an_acknowledgement_runs_out_its_people_are_paged_and_the_levels_time_starts_anew() -> None:
    story = opened()
    story.acknowledge(BO)
    story.fire(Timer.UNACKNOWLEDGE)
    assert (story.incident.status, story.paged, story.incident.acknowledgements) == (Status.TRIGGERED, [BO.id], ())
    assert story.events[-1].channel == "timeout"
    assert pending(story.incident)[Timer.ESCALATE] == story.now + timedelta(minutes=10)


def test_taking_an_acknowledgement_back_pages_again() -> None:
    story = opened()
    story.acknowledge()
    story.unacknowledge()
    assert (story.incident.status, story.paged) == (Status.TRIGGERED, [ADA.id])
    refused = story.unacknowledge().refusal
    assert refused is not None
    assert refused.code == 1012


def test_who_acknowledges_what_nobody_was_on_call_for_ends_the_loudness() -> None:
    story = opened(EMPTY)
    story.acknowledge(CY)
    assert (story.incident.nobody_reason, story.incident.user_ids) == (None, (CY.id,))
    story.unacknowledge(CY)
    assert story.paged == [CY.id]


# --- Resolving and reopening


def test_resolving_empties_assignments_and_acknowledgements_and_drops_all_that_is_pending() -> None:
    story = opened()
    story.acknowledge()
    story.resolve(resolution="restarted")
    assert story.incident.status is Status.RESOLVED
    assert (story.incident.assignments, story.incident.acknowledgements, pending(story.incident)) == ((), (), {})
    assert story.drops
    assert ResolveAlerts("resolved by Ada") in story.effects
    assert story.incident.resolved_by == ADA


@pytest.mark.parametrize("act", ["acknowledge", "unacknowledge", "resolve", "snooze", "escalate"])
def test_a_resolved_incident_refuses_to_be_acted_on(act: str) -> None:
    story = opened()
    story.resolve()
    refused = getattr(story, act)().refusal
    assert (refused.status, refused.code) == (400, 1001)


def test_a_resolved_incident_still_takes_notes_and_fields() -> None:
    story = opened()
    story.resolve()
    story.ask(asks.Annotate(note_id="PNOTE01", content="disk", agent=ADA, channel="api"))
    assert story.happened() == ["Annotated"]
    story.ask(asks.ChangeField(name="title", value="Disk full", agent=ADA, channel="api"))
    assert story.incident.title == "Disk full"
    story.ask(asks.ChangePriority(priority_id="PPRIO01", agent=ADA, channel="api"))
    assert story.incident.priority_id == "PPRIO01"


def test_the_incident_goes_with_its_last_open_alert() -> None:
    story = opened()
    story.join()
    assert story.end_alert().reason == "other alerts of the incident are still open"
    assert story.incident.is_open
    story.end_alert()
    assert story.incident.status is Status.RESOLVED
    assert story.events[-1].reason == "its last open alert was resolved"
    assert story.drops


def test_it_is_resolved_when_it_was_open_for_longer_than_the_service_allows() -> None:
    story = opened()
    story.acknowledge()
    story.fire(Timer.RESOLVE)
    assert (story.incident.status, story.now) == (Status.RESOLVED, NOON + timedelta(hours=4))


def test_reopened_as_triggered_it_goes_to_the_first_level_and_pages() -> None:
    story = opened()
    story.later(minutes=12).fire(Timer.ESCALATE)
    story.resolve()
    story.later(hours=1).reopen()
    assert (story.incident.status, story.paged, story.incident.level) == (Status.TRIGGERED, [ADA.id], 0)
    assert (story.incident.reopened_at, story.incident.resolved_at) == (story.now, None)
    assert pending(story.incident)[Timer.RESOLVE] == story.now + timedelta(hours=4)


def test_reopened_as_acknowledged_it_is_the_callers_and_pages_nobody() -> None:
    story = opened()
    story.resolve()
    story.reopen(BO, acknowledged=True)
    assert (story.incident.status, story.incident.user_ids, story.paged) == (Status.ACKNOWLEDGED, (BO.id,), [])


def test_reopened_for_somebody_it_is_theirs() -> None:
    story = opened()
    story.resolve()
    story.reopen(BO, assign_to=(CY.id,))
    assert (story.incident.user_ids, story.paged, story.incident.assigned_via) == (
        (CY.id,),
        [CY.id],
        "direct_assignment",
    )


def test_an_open_incident_cannot_be_reopened() -> None:
    refused = opened().reopen().refusal
    assert refused is not None
    assert refused.code == 1003


def test_an_exhausted_incident_that_is_reopened_is_exhausted_no_more() -> None:
    story = opened(ladder(rung(ADA)))
    story.fire(Timer.ESCALATE)
    assert story.incident.is_exhausted
    story.resolve()
    story.ladder = EMPTY
    story.reopen()
    assert not story.incident.is_exhausted


# --- Snoozing


def test_snoozing_acknowledges_and_comes_back_triggered() -> None:
    story = opened()
    story.snooze(3600)
    assert (story.incident.status, story.incident.is_snoozed, story.drops) == (Status.ACKNOWLEDGED, True, True)
    assert pending(story.incident)[Timer.UNACKNOWLEDGE] == NOON + timedelta(hours=1)
    story.fire(Timer.UNACKNOWLEDGE)
    assert (story.incident.status, story.paged, story.last.reason) == (Status.TRIGGERED, [ADA.id], "its snooze is over")


@pytest.mark.parametrize("seconds", [0, -1, 604_801])
def test_a_snooze_is_between_a_second_and_a_week(seconds: int) -> None:
    refused = opened().snooze(seconds).refusal
    assert refused is not None
    assert refused.code == 1013


def test_a_snooze_may_outlast_the_acknowledgement() -> None:
    story = opened()
    story.acknowledge()
    story.snooze(7200)
    assert pending(story.incident)[Timer.UNACKNOWLEDGE] == NOON + timedelta(hours=2)


# --- Reassigning, delegating, escalating


def test_reassigned_to_people_it_is_never_escalated_by_itself_afterwards() -> None:
    story = opened()
    story.reassign(BO, CY)
    assert (story.paged, story.drops, story.incident.assigned_via) == ([BO.id, CY.id], True, "direct_assignment")
    assert Timer.ESCALATE not in pending(story.incident)


def test_reassigning_an_acknowledged_incident_triggers_it() -> None:
    story = opened()
    story.acknowledge()
    story.reassign(BO)
    assert (story.incident.status, story.happened()) == (Status.TRIGGERED, ["Unacknowledged", "Assigned"])


def test_reassigning_to_who_has_it_already_pages_nobody_again() -> None:
    story = opened()
    story.reassign(BO)
    assert story.reassign(BO).events == ()


def test_reassigning_to_nobody_is_refused() -> None:
    refused = opened().reassign().refusal
    assert refused is not None
    assert refused.code == 1007


def test_delegated_to_a_policy_it_begins_at_its_first_level() -> None:
    story = opened()
    story.fire(Timer.ESCALATE)
    story.delegate(OTHER_POLICY, ladder(rung(CY, minutes=5)))
    assert (story.incident.policy, story.incident.level, story.paged) == (OTHER_POLICY, 0, [CY.id])
    assert story.happened() == ["Delegated", "Assigned"]
    assert pending(story.incident)[Timer.ESCALATE] == story.now + timedelta(minutes=5)


def test_delegating_twice_pages_nobody_twice() -> None:
    story = opened()
    story.delegate(OTHER_POLICY, ladder(rung(CY)))
    assert story.delegate(OTHER_POLICY, ladder(rung(CY))).events == ()


def test_escalated_by_hand_it_goes_to_the_next_or_to_a_named_level() -> None:
    story = opened()
    story.escalate()
    assert (story.incident.level, story.paged, story.happened()) == (1, [BO.id], ["Escalated"])
    story.escalate(0)
    assert (story.incident.level, story.paged) == (0, [ADA.id])
    assert story.escalate(0).events == (), "it is there already"


def test_escalated_by_hand_to_a_level_of_nobody_it_goes_round_once_and_stays_with_whoever_is_there() -> None:
    story = opened(ladder(rung(ADA, number=1), rung(number=2), loops=2))
    assert story.escalate(1).events == (), "it would only come back to Ada, whose time is running"
    story.acknowledge()
    story.escalate(1)
    assert (story.incident.level, story.incident.status) == (0, Status.TRIGGERED)
    assert story.escalate(1).events == ()


def test_escalating_an_acknowledged_incident_triggers_it() -> None:
    story = opened()
    story.acknowledge()
    story.escalate()
    assert (story.incident.status, story.happened()) == (Status.TRIGGERED, ["Unacknowledged", "Escalated"])


@pytest.mark.parametrize(("level", "code"), [(3, 1006), (-1, 1006)])
def test_there_is_no_escalating_to_a_level_that_is_not_there(level: int, code: int) -> None:
    refused = opened().escalate(level).refusal
    assert refused is not None
    assert refused.code == code


def test_there_is_no_escalating_past_the_last_level() -> None:
    story = opened(ladder(rung(ADA)))
    refused = story.escalate().refusal
    assert refused is not None
    assert refused.code == 1006


def test_an_incident_of_low_urgency_cannot_be_escalated_unless_its_service_says_so() -> None:
    story = opened(urgency=Urgency.LOW)
    refused = story.escalate().refusal
    assert refused is not None
    assert refused.code == 1006
    story.rules = ServiceRules(escalates_low_urgency=True)
    assert story.escalate().refusal is None


def test_escalating_to_nobody_is_refused_and_the_acknowledgement_stays() -> None:
    story = opened()
    story.acknowledge()
    story.ladder = EMPTY
    refused = story.escalate().refusal
    assert refused is not None
    assert (refused.code, story.incident.status) == (1015, Status.ACKNOWLEDGED)


# --- Escalating by itself


def test_levels_are_climbed_in_order_then_the_policy_is_exhausted_and_the_last_people_keep_it() -> None:
    story = opened()
    climbed = [story.paged]
    while Timer.ESCALATE in pending(story.incident):
        story.fire(Timer.ESCALATE)
        climbed.append(story.paged)
    assert climbed == [[ADA.id], [BO.id], [CY.id], []]
    assert story.incident.is_exhausted
    assert (story.incident.status, story.incident.user_ids) == (Status.TRIGGERED, (CY.id,))
    assert story.happened() == ["PolicyExhausted"]


def test_a_policy_begins_again_as_often_as_it_says() -> None:
    story = opened(ladder(rung(ADA), rung(BO), loops=2))
    climbed = [*story.paged]
    while Timer.ESCALATE in pending(story.incident):
        story.fire(Timer.ESCALATE)
        climbed += story.paged
    assert climbed == [ADA.id, BO.id] * 3
    assert sum(type(event).__name__ == "PolicyRepeated" for event in story.events) == 2


def test_going_on_to_the_next_level_drops_what_the_level_before_is_owed() -> None:
    story = opened()
    story.fire(Timer.ESCALATE)
    assert story.drops
    assert story.incident.user_ids == (BO.id,)


def test_low_urgency_pages_once_and_does_not_escalate() -> None:
    story = opened(urgency=Urgency.LOW)
    assert story.paged == [ADA.id]
    assert pending(story.incident) == {Timer.RESOLVE: NOON + timedelta(hours=4)}


def test_low_urgency_escalates_where_the_service_says_so() -> None:
    story = opened(urgency=Urgency.LOW, rules_=ServiceRules(escalates_low_urgency=True))
    story.fire(Timer.ESCALATE)
    assert story.paged == [BO.id]


def test_the_policy_is_the_one_it_began_with() -> None:
    story = opened()
    assert story.incident.policy.name == "Checkout"
    assert story.incident.policy.rules[0].delay_minutes == 10


# --- Round robin


def test_a_round_robin_level_pages_one_and_moves_its_turn_on() -> None:
    story = opened(ladder(rung(ADA, BO, ring=True, turn=1)))
    assert story.paged == [BO.id]
    assert AdvanceTurn("PRULE01", BO.id) in story.effects


def test_the_rest_of_the_ring_comes_before_the_next_level() -> None:
    story = opened(ladder(rung(ADA, BO, ring=True), rung(CY, number=2)))
    climbed = [*story.paged]
    while Timer.ESCALATE in pending(story.incident):
        story.fire(Timer.ESCALATE)
        climbed += story.paged
    assert climbed == [ADA.id, BO.id, CY.id]


def test_the_whole_ring_is_reached_whatever_turns_other_incidents_took() -> None:
    story = opened(ladder(rung(ADA, BO, CY, ring=True, turn=0)))
    reached = [*story.paged]
    story.ladder = ladder(rung(ADA, BO, CY, ring=True, turn=3))  # two other incidents began meanwhile
    story.fire(Timer.ESCALATE)
    reached += story.paged
    story.ladder = ladder(rung(ADA, BO, CY, ring=True, turn=5))
    story.fire(Timer.ESCALATE)
    reached += story.paged
    assert reached == [ADA.id, BO.id, CY.id]


# --- Urgency


def test_raising_the_urgency_pages_by_the_other_rules_and_starts_the_clock() -> None:
    story = opened(urgency=Urgency.LOW)
    story.change_urgency(Urgency.HIGH)
    assert (story.paged, story.drops) == ([ADA.id], True)
    assert pending(story.incident)[Timer.ESCALATE] == NOON + timedelta(minutes=10)


def test_lowering_the_urgency_stops_the_clock() -> None:
    story = opened()
    story.change_urgency(Urgency.LOW)
    assert Timer.ESCALATE not in pending(story.incident)
    assert story.change_urgency(Urgency.LOW).events == ()


def test_changing_the_urgency_of_an_acknowledged_incident_pages_nobody() -> None:
    story = opened()
    story.acknowledge()
    story.change_urgency(Urgency.LOW)
    assert story.paged == []


def test_an_alert_of_higher_severity_raises_a_low_incident_and_nothing_lowers_it() -> None:
    story = opened(urgency=Urgency.LOW)
    story.join(Urgency.HIGH)
    assert (story.incident.urgency, story.paged) == (Urgency.HIGH, [ADA.id])
    story.join(Urgency.LOW)
    assert story.incident.urgency is Urgency.HIGH


def test_a_joining_alert_pages_nobody_again() -> None:
    story = opened()
    story.join()
    assert (story.effects, story.incident.alerts_total, story.incident.alerts_open) == ([], 2, 2)


def test_a_repeated_trigger_is_counted_and_pages_nobody() -> None:
    story = opened()
    story.ask(asks.RepeatAlert(alert_id="QALERT1", summary="Slow", agent=SENDER, channel="api"))
    assert (story.happened(), story.effects) == (["TriggeredAgain"], [])


# --- Merging and moving


def test_merged_into_another_it_is_resolved_by_that_and_holds_no_alert() -> None:
    story = opened()
    story.ask(asks.MergeInto(target_id="QINC2", target_number=9, agent=ADA, channel="api"))
    assert (story.incident.merged_into, story.incident.alerts_total, story.drops) == ("QINC2", 0, True)
    assert not any(isinstance(effect, ResolveAlerts) for effect in story.effects), "its alerts go on in the other"


def test_an_incident_holds_at_most_a_thousand_alerts() -> None:
    story = opened()
    refused = story.ask(
        asks.TakeAlerts(count=1000, open_count=0, from_id="QINC2", from_number=9, agent=ADA, channel="api")
    ).refusal
    assert refused is not None
    assert refused.code == 2019


def test_who_gives_its_last_open_alert_away_is_over() -> None:
    story = opened()
    story.ask(asks.GiveAlerts(count=1, open_count=1, to_id="QINC2", to_number=9, agent=ADA, channel="api"))
    assert (story.incident.status, story.incident.alerts_total, story.drops) == (Status.RESOLVED, 0, True)


# --- Timers


@pytest.mark.parametrize("timer", list(Timer))
def test_a_timer_that_was_set_for_something_else_decides_to_nothing(timer: Timer) -> None:
    story = opened()
    before = story.incident
    assert story.fire_for(timer, NOON - timedelta(minutes=1)).events == ()
    assert story.incident == before


def test_a_timer_that_fires_twice_does_nothing_the_second_time() -> None:
    story = opened()
    due_at = pending(story.incident)[Timer.ESCALATE]
    story.fire(Timer.ESCALATE)
    assert story.fire_for(Timer.ESCALATE, due_at).events == ()
    assert story.incident.level == 1


def test_a_timer_of_a_resolved_incident_is_stale() -> None:
    story = opened()
    due_at = pending(story.incident)[Timer.ESCALATE]
    story.resolve()
    decision = story.fire_for(Timer.ESCALATE, due_at)
    assert (decision.events, decision.reason) == ((), "the incident is resolved; this timer is stale")


def test_every_decision_says_why() -> None:
    story = opened()
    story.acknowledge(Agent("user_reference", "PDEE004", "Dee"))
    story.fire(Timer.UNACKNOWLEDGE)
    story.fire(Timer.ESCALATE)
    story.resolve()
    assert all(event.reason for event in story.events)
    assert [event.reason for event in story.events[2:]] == [
        "acknowledged by Dee",
        "the acknowledgement ran out",
        "nobody acknowledged on level 1 in time: level 2 of Checkout is on call now",
        "resolved by Ada",
    ]
