"""Anything may be asked of an incident in any order: what must hold all the same, over thousands of random lives."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.core.story import ADA, BO, CY, EMPTY, NOON, OTHER_POLICY, SENDER, Story, ladder, opened, rung
from tocsin.core import events as happened
from tocsin.core import incident as rules
from tocsin.core import incident_state as states
from tocsin.core.effects import Page
from tocsin.core.escalation import Ladder
from tocsin.core.events import Agent, Status, Urgency
from tocsin.core.incident_state import ServiceRules, Timer, pending
from tocsin.core.responders import State

PEOPLE = (ADA, BO, CY)
AGENTS = st.sampled_from([*PEOPLE, SENDER])
SOMEBODY = st.sampled_from(PEOPLE)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    """A policy of one to three levels as it may stand at some instant; any level may be empty."""
    rungs = [
        rung(
            *draw(st.lists(SOMEBODY, unique=True, max_size=3)),
            minutes=draw(st.integers(1, 20)),
            number=number,
            ring=draw(st.booleans()),
            turn=draw(st.integers(0, 5)),
        )
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    return ladder(*rungs, loops=draw(st.integers(0, 2)))


SERVICES = st.builds(
    ServiceRules,
    acknowledgement_timeout=st.sampled_from([None, 60, 1800]),
    auto_resolve_timeout=st.sampled_from([None, 3600]),
    escalates_low_urgency=st.booleans(),
)


class Life(RuleBasedStateMachine):
    """One incident, asked anything."""

    story: Story

    @initialize(
        first=ladders(),
        service=SERVICES,
        urgency=st.sampled_from(Urgency),
        directly=st.lists(SOMEBODY, unique=True, max_size=2),
        agent=AGENTS,
    )
    def it_begins(
        self, first: Ladder, service: ServiceRules, urgency: Urgency, directly: list[Agent], agent: Agent
    ) -> None:
        people = tuple(person.id for person in directly)
        self.story = opened(first, urgency=urgency, rules_=service, agent=agent, assign_to=people, alert=not directly)

    # --- What may come

    @rule(minutes=st.integers(0, 30))
    def time_passes(self, minutes: int) -> None:
        self.story.later(minutes=minutes)

    @rule(anew=st.one_of(ladders(), st.just(EMPTY)))
    def other_people_are_on_call(self, anew: Ladder) -> None:
        self.story.ladder = anew

    @precondition(lambda self: bool(pending(self.story.incident)))
    @rule(pick=st.integers(0, 2))
    def a_timer_fires(self, pick: int) -> None:
        waiting = sorted(pending(self.story.incident))
        timer = waiting[pick % len(waiting)]
        before = self.story.incident
        decision = self.story.fire(timer)
        assert decision.events, "a timer that is due does something"
        self._checked(before, decision)

    @rule(timer=st.sampled_from(Timer), late=st.integers(1, 999))
    def a_stale_timer_fires(self, timer: Timer, late: int) -> None:
        before = self.story.incident
        decision = self.story.fire_for(timer, NOON - timedelta(seconds=late))
        assert decision.events == ()
        assert decision.effects == ()
        assert self.story.incident == before

    @rule(agent=AGENTS, twice=st.booleans())
    def somebody_acknowledges(self, agent: Agent, twice: bool) -> None:
        self._asked(lambda: self.story.acknowledge(agent), twice=twice)

    @rule(agent=SOMEBODY)
    def somebody_takes_it_back(self, agent: Agent) -> None:
        self._asked(lambda: self.story.unacknowledge(agent))

    @rule(agent=AGENTS)
    def somebody_resolves(self, agent: Agent) -> None:
        self._asked(lambda: self.story.resolve(agent), twice=True)

    @rule(agent=SOMEBODY, acknowledged=st.booleans())
    def somebody_reopens(self, agent: Agent, acknowledged: bool) -> None:
        self._asked(lambda: self.story.reopen(agent, acknowledged=acknowledged), twice=True)

    @rule(agent=SOMEBODY, seconds=st.integers(-5, 700_000))
    def somebody_snoozes(self, agent: Agent, seconds: int) -> None:
        self._asked(lambda: self.story.snooze(seconds, agent))

    @rule(people=st.lists(SOMEBODY, unique=True, max_size=2))
    def somebody_reassigns(self, people: list[Agent]) -> None:
        self._asked(lambda: self.story.reassign(*people), twice=True)

    @rule(to=ladders())
    def somebody_delegates(self, to: Ladder) -> None:
        self._asked(lambda: self.story.delegate(OTHER_POLICY, to))
        self.story.ladder = to

    @rule(level=st.one_of(st.none(), st.integers(-1, 4)))
    def somebody_escalates(self, level: int | None) -> None:
        self._asked(lambda: self.story.escalate(level), twice=level is not None)

    @rule(urgency=st.sampled_from(Urgency))
    def somebody_changes_the_urgency(self, urgency: Urgency) -> None:
        self._asked(lambda: self.story.change_urgency(urgency), twice=True)

    @rule(urgency=st.sampled_from(Urgency))
    def an_alert_joins(self, urgency: Urgency) -> None:
        if self.story.incident.is_open:
            self._asked(lambda: self.story.join(urgency))

    @precondition(lambda self: self.story.incident.alerts_open > 0)
    @rule()
    def an_alert_ends(self) -> None:
        self._asked(self.story.end_alert)

    @rule(people=st.lists(SOMEBODY, unique=True, max_size=2), by_policy=st.booleans())
    def somebody_asks_for_help(self, people: list[Agent], by_policy: bool) -> None:
        self._asked(lambda: self.story.ask_for_help(*people, policy=OTHER_POLICY if by_policy else None))

    @rule(agent=AGENTS, joins=st.booleans())
    def somebody_answers(self, agent: Agent, joins: bool) -> None:
        self._asked(lambda: self.story.answer_request(agent, joins=joins), twice=True)

    @rule(people=st.lists(SOMEBODY, unique=True, max_size=2), by_policy=st.booleans())
    def somebody_cancels(self, people: list[Agent], by_policy: bool) -> None:
        self._asked(lambda: self.story.cancel_requests(*people, policy=OTHER_POLICY if by_policy else None), twice=True)

    # --- What must hold of every decision

    def _asked(self, ask: object, *, twice: bool = False) -> None:
        before = self.story.incident
        decision = ask()  # type: ignore[operator]
        if decision.refusal is not None:
            assert self.story.incident == before, "what is refused changes nothing"
            assert decision.refusal.errors, "a refusal says what is wrong"
        self._checked(before, decision)
        if twice:
            after = self.story.incident
            again = ask()  # type: ignore[operator]
            assert not any(isinstance(effect, Page) for effect in again.effects), "asking twice pages nobody twice"
            assert self.story.incident == after, "asking twice changes nothing"

    def _checked(self, before: states.Incident, decision: rules.Decision) -> None:
        after = self.story.incident
        assert decision.reason
        assert all(event.reason for event in decision.events)
        if after.status is not Status.TRIGGERED:
            assert not any(isinstance(effect, Page) for effect in decision.effects), "nobody is paged for it"
            if before.status is Status.TRIGGERED and not decision.refusal:
                assert self.story.drops, "what is still owed is dropped"
        for event in decision.events:
            if isinstance(event, happened.Escalated) and event.agent.id == "TOCSIN":
                assert (event.loop, event.level) >= (before.loop, before.level), "levels are climbed in order"
                between = set(range(before.level + 1, event.level)) if event.loop == before.loop else set()
                skipped = {one.level for one in decision.events if isinstance(one, happened.LevelSkipped)}
                assert between <= skipped, "nobody is skipped silently"

    @invariant()
    def an_open_one_is_waited_on_assigned_or_says_why_not(self) -> None:
        incident = self.story.incident
        if incident.is_open and incident.urgency is Urgency.HIGH:
            assert pending(incident) or incident.assignments or incident.nobody_reason

    @invariant()
    def a_triggered_one_that_nobody_has_is_looked_at_again(self) -> None:
        incident = self.story.incident
        if incident.status is Status.TRIGGERED and not incident.assignments:
            assert Timer.ESCALATE in pending(incident)
            assert incident.nobody_reason

    @invariant()
    def a_triggered_high_one_on_a_policy_climbs_on_or_has_been_exhausted(self) -> None:
        incident = self.story.incident
        if (
            incident.status is Status.TRIGGERED
            and incident.urgency is Urgency.HIGH
            and incident.assigned_via == states.VIA_POLICY
        ):
            assert Timer.ESCALATE in pending(incident) or incident.is_exhausted

    @invariant()
    def a_resolved_one_waits_for_nothing_and_is_nobodys(self) -> None:
        incident = self.story.incident
        if not incident.is_open:
            assert pending(incident) == {}
            assert (incident.assignments, incident.acknowledgements, incident.alerts_open) == ((), (), 0)

    @invariant()
    def an_acknowledged_one_has_somebody_who_said_so(self) -> None:
        incident = self.story.incident
        assert (incident.status is Status.ACKNOWLEDGED) == bool(incident.acknowledgements)

    @invariant()
    def nothing_pending_lies_in_the_past_of_its_setting(self) -> None:
        # A level that was asked to help and declined has had its time at that very instant.
        assert all(at > NOON or timer is Timer.ASK_FURTHER for timer, at in pending(self.story.incident).items())

    @invariant()
    def nobody_is_asked_twice_and_nobody_further_once_somebody_joined(self) -> None:
        incident = self.story.incident
        people = [one.user_id for one in incident.responders]
        assert len(set(people)) == len(people)
        joined = {one.user_id for one in incident.responders if one.state is State.JOINED}
        assert not any(joined & set(walk.asked) for walk in incident.walks)
        assert {walk.request_id for walk in incident.walks} <= {one.id for one in incident.requests}


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
TestLife = Life.TestCase
