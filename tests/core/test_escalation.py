"""The ladder of escalation, in plain words (BEHAVIOUR section 4)."""

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.core.story import ADA, BO, CY, ladder, rung
from tocsin.core import escalation
from tocsin.core.escalation import Climb, Exhausted, Nobody, Policy, Rule, Strategy, Target


def standing(policy: Policy, on_call: dict[str, list[str]], gone: dict[str, str] | None = None) -> escalation.Ladder:
    return escalation.stand(
        policy, on_call, unavailable=gone or {}, turns={}, schedule_names={"PSCHED1": "Checkout days"}
    )


def policy(*targets: Target, strategy: Strategy = Strategy.EVERYONE) -> Policy:
    return Policy("PPOL001", "Checkout", (Rule("PRULE01", 15, targets, strategy),))


def test_a_schedule_stands_for_whoever_is_on_call_on_it() -> None:
    (level,) = standing(policy(Target("schedule", "PSCHED1")), {"PSCHED1": [ADA.id, BO.id]}).rungs
    assert [(person.user_id, person.schedule_id) for person in level.people] == [
        (ADA.id, "PSCHED1"),
        (BO.id, "PSCHED1"),
    ]
    assert level.delay == timedelta(minutes=15)


def test_a_person_named_twice_is_reached_once() -> None:
    both = policy(Target("user", ADA.id), Target("schedule", "PSCHED1"))
    (level,) = standing(both, {"PSCHED1": [ADA.id]}).rungs
    assert [person.user_id for person in level.people] == [ADA.id]


def test_an_empty_level_says_which_schedule_is_empty() -> None:
    (level,) = standing(policy(Target("schedule", "PSCHED1")), {"PSCHED1": []}).rungs
    assert level.why_empty == "nobody is on call on Checkout days"


def test_a_schedule_that_is_gone_is_said_so() -> None:
    (level,) = standing(policy(Target("schedule", "PGONE01")), {}).rungs
    assert level.why_empty == "schedule PGONE01 no longer exists"


def test_who_cannot_be_paged_does_not_stand_on_the_ladder() -> None:
    (level,) = standing(policy(Target("user", ADA.id)), {}, {ADA.id: "Ada's account is disabled"}).rungs
    assert (level.people, level.why_empty) == ((), "Ada's account is disabled")


def test_a_level_that_names_nobody_is_said_so() -> None:
    (level,) = standing(policy(), {}).rungs
    assert level.why_empty == "the level names nobody"


def test_it_begins_on_the_first_level_with_somebody_and_tells_what_it_stepped_over() -> None:
    step = escalation.first(ladder(rung(number=1), rung(number=2), rung(CY, number=3)))
    assert isinstance(step, Climb)
    assert (step.level, [skip.level for skip in step.skipped]) == (2, [0, 1])


def test_empty_levels_are_stepped_over_on_the_way_up_too() -> None:
    step = escalation.following(ladder(rung(ADA), rung(), rung(CY)), level=0, loop=0, ring_tried=0)
    assert isinstance(step, Climb)
    assert (step.level, len(step.skipped)) == (2, 1)


def test_nobody_anywhere_is_neither_an_end_nor_a_drop() -> None:
    step = escalation.first(ladder(rung(minutes=7), rung(minutes=3)))
    assert isinstance(step, Nobody)
    assert step.retry == timedelta(minutes=3)


def test_the_last_level_begins_again_while_repeats_are_left_then_ends() -> None:
    twice = ladder(rung(ADA), rung(BO), loops=1)
    again = escalation.following(twice, level=1, loop=0, ring_tried=0)
    assert isinstance(again, Climb)
    assert (again.level, again.loop, again.repeats) == (0, 1, True)
    assert isinstance(escalation.following(twice, level=1, loop=1, ring_tried=0), Exhausted)


def test_by_hand_it_goes_to_the_named_level_or_the_next_with_somebody() -> None:
    step = escalation.to_level(ladder(rung(ADA), rung(), rung(CY)), 1, loop=0)
    assert isinstance(step, Climb)
    assert step.level == 2


def test_a_ring_goes_on_with_who_comes_after_the_holder() -> None:
    ring = ladder(rung(ADA, BO, CY, ring=True, turn=7), rung(CY))
    step = escalation.following(ring, level=0, loop=0, ring_tried=1, holders=[BO.id])
    assert isinstance(step, Climb)
    assert ([person.user_id for person in step.people], step.advances) == ([CY.id], None)


def test_a_ring_that_has_been_gone_round_is_left() -> None:
    ring = ladder(rung(ADA, BO, ring=True), rung(CY))
    step = escalation.following(ring, level=0, loop=0, ring_tried=2, holders=[BO.id])
    assert isinstance(step, Climb)
    assert step.level == 1


def ring_of(*targets: Target, on_call: dict[str, list[str]], last: str | None = None) -> escalation.Rung:
    ring = policy(*targets, strategy=Strategy.ROUND_ROBIN)
    turns = {"PRULE01": last} if last else {}
    return escalation.stand(ring, on_call, unavailable={}, turns=turns).rungs[0]


THREE_TARGETS = (Target("user", ADA.id), Target("schedule", "PSCHED1"), Target("user", CY.id))


def test_a_schedules_turn_is_whoever_is_on_call_on_it_all_together() -> None:
    rung = ring_of(*THREE_TARGETS, on_call={"PSCHED1": [BO.id, "PDEE"]}, last=ADA.id)
    assert [person.user_id for person in rung.next_people] == [BO.id, "PDEE"]
    assert [member.target_id for member in rung.ring] == [ADA.id, "PSCHED1", CY.id]
    step = escalation.first(escalation.Ladder((rung,)))
    assert isinstance(step, Climb)
    assert (step.advances, step.turn_of, len(step.people)) == ("PRULE01", "PSCHED1", 2)


def test_a_schedule_with_nobody_is_passed_over_and_costs_the_others_nothing() -> None:
    rung = ring_of(*THREE_TARGETS, on_call={"PSCHED1": []}, last=ADA.id)
    assert [person.user_id for person in rung.next_people] == [CY.id]


def test_after_the_last_of_the_ring_comes_the_first_and_after_a_stranger_too() -> None:
    for last in (CY.id, "PGONE"):
        assert ring_of(*THREE_TARGETS, on_call={"PSCHED1": [BO.id]}, last=last).turn == 0


def test_who_stands_in_the_ring_twice_has_one_turn() -> None:
    rung = ring_of(*THREE_TARGETS, on_call={"PSCHED1": [ADA.id]}, last=ADA.id)
    assert ([member.target_id for member in rung.ring], rung.turn) == ([ADA.id, CY.id], 1)


@given(st.integers(1, 6), st.integers(1, 40), st.data())
def test_over_many_incidents_each_of_a_ring_gets_within_one_of_the_others(size: int, incidents: int, data: st.DataObject) -> None:
    """However often a schedule in the ring comes and goes, those who are always there stay level."""
    targets = (*(Target("user", f"P{number}") for number in range(size)), Target("schedule", "PSCHED1"))
    last: str | None = None
    had = Counter[str]()
    for _ in range(incidents):
        rung = ring_of(*targets, on_call={"PSCHED1": [BO.id] if data.draw(st.booleans()) else []}, last=last)
        step = escalation.first(escalation.Ladder((rung,)))
        assert isinstance(step, Climb)
        last = step.turn_of
        had[last] += 1
    always = [had[f"P{number}"] for number in range(size)]
    assert max(always) - min(always) <= 1
    assert had["PSCHED1"] <= max(always) + 1
