"""The ladder of escalation, in plain words (BEHAVIOUR section 4)."""

from datetime import timedelta

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


def test_it_is_known_who_a_ladder_reaches() -> None:
    assert escalation.reaches(ladder(rung(ADA), rung(BO)), [BO.id])
    assert not escalation.reaches(ladder(rung(ADA)), [CY.id])
