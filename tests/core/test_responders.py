"""Asking for help, decided: who is asked, who is paged, how far a policy is climbed."""

from tests.core.story import ADA, BO, CY, OTHER_POLICY, ladder, opened, rung
from tocsin.core import events as happened
from tocsin.core import responders
from tocsin.core.effects import AskHelp, DropRequests, Page
from tocsin.core.incident_state import Timer, pending
from tocsin.core.responders import State


def test_who_is_asked_is_paged_to_help_and_the_incident_stays_whose_it_is() -> None:
    story = opened(ladder(rung(ADA)))
    story.ask_for_help(BO, BO)
    (ask,) = story.effects
    assert isinstance(ask, AskHelp)
    assert ask.user_ids == (BO.id,)
    assert not any(isinstance(effect, Page) for effect in story.effects)
    story.answer_request(BO, joins=True)
    assert story.effects == [DropRequests((BO.id,), "Bo joined")]
    assert story.incident.user_ids == (ADA.id,)


def test_an_answer_may_be_changed_and_said_twice_without_harm() -> None:
    story = opened(ladder(rung(ADA)))
    story.ask_for_help(BO)
    for joins, state in ((False, State.DECLINED), (True, State.JOINED), (True, State.JOINED)):
        story.answer_request(BO, joins=joins)
        assert responders.state_of(story.incident.responders, BO.id) is state
    assert story.last.events == ()


def test_who_was_not_asked_or_is_asked_no_longer_cannot_answer() -> None:
    story = opened(ladder(rung(ADA)))
    assert story.answer_request(BO, joins=True).refusal is not None
    story.ask_for_help(BO)
    story.cancel_requests(BO)
    assert story.answer_request(BO, joins=True).refusal is not None


def test_a_policy_on_whose_level_somebody_joined_already_is_not_climbed() -> None:
    story = opened(ladder(rung(ADA, BO), rung(CY, number=2)))
    story.ask_for_help(BO)
    story.answer_request(BO, joins=True)
    story.ask_for_help(policy=OTHER_POLICY)
    assert Timer.ASK_FURTHER not in pending(story.incident)
    assert responders.state_of(story.incident.responders, ADA.id) is State.PENDING


def test_a_policy_is_climbed_once_whatever_its_repeats_say() -> None:
    story = opened(ladder(rung(ADA), rung(BO, number=2), loops=3))
    story.ask_for_help(policy=OTHER_POLICY)
    story.fire(Timer.ASK_FURTHER)
    assert [one.user_id for one in story.incident.responders] == [ADA.id, BO.id]
    story.fire(Timer.ASK_FURTHER)
    assert isinstance(story.last.events[-1], happened.PolicyAskedInVain)
    assert Timer.ASK_FURTHER not in pending(story.incident)


def test_resolving_ends_every_request_and_what_was_to_be_asked_further() -> None:
    story = opened(ladder(rung(ADA), rung(BO, number=2)))
    story.ask_for_help(CY, policy=OTHER_POLICY)
    story.resolve()
    assert any(isinstance(effect, DropRequests) and effect.user_ids is None for effect in story.effects)
    assert pending(story.incident) == {}
    assert story.ask_for_help(BO).refusal is not None


def test_an_incident_holds_only_so_many_requests() -> None:
    story = opened(ladder(rung(ADA)))
    for _ in range(responders.REQUESTS_MOST):
        story.ask_for_help(BO)
    refusal = story.ask_for_help(BO).refusal
    assert refusal is not None
    assert refusal.code == 2019
