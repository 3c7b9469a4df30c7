"""How tests of an incident's life tell it: a ladder with Ada below Bo below Cy, and a teller that decides and folds."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tocsin.core import incident as rules
from tocsin.core import incident_commands as asks
from tocsin.core import incident_state as states
from tocsin.core.effects import DropPages, Effect, LastResort, Page
from tocsin.core.escalation import Ladder, Member, Person, Policy, Rule, Rung, Strategy, Target
from tocsin.core.events import Agent, Event, Urgency
from tocsin.core.incident import Decision
from tocsin.core.incident_commands import Command
from tocsin.core.incident_state import Incident, ServiceRules, Timer

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ADA = Agent("user_reference", "PADA001", "Ada")
BO = Agent("user_reference", "PBO0002", "Bo")
CY = Agent("user_reference", "PCY0003", "Cy")
SENDER = Agent("inbound_integration_reference", "PINT001", "Prometheus")
POLICY = Policy("PPOL001", "Checkout", tuple(Rule(f"PRULE0{n}", 10, (Target("user", "any"),)) for n in (1, 2, 3)))
OTHER_POLICY = Policy("PPOL002", "Storage", (Rule("PRULE09", 5, (Target("user", "any"),)),))
RULES = ServiceRules(acknowledgement_timeout=1800, auto_resolve_timeout=14_400)


def rung(*people: Agent, minutes: int = 10, number: int = 1, ring: bool = False, turn: int = 0) -> Rung:
    """One level with these people on call; none: nobody is."""
    why = "" if people else "nobody is on call on Checkout"
    standing = tuple(Person(person.id) for person in people)
    strategy = Strategy.ROUND_ROBIN if ring else Strategy.EVERYONE
    members = tuple(Member(person.user_id, (person,)) for person in standing) if ring else ()
    return Rung(f"PRULE0{number}", timedelta(minutes=minutes), standing, strategy, members, turn, why)


def ladder(*rungs: Rung, loops: int = 0) -> Ladder:
    return Ladder(rungs, loops)


THREE = ladder(rung(ADA, number=1), rung(BO, number=2), rung(CY, number=3))
EMPTY = ladder(rung(number=1), rung(number=2))


@dataclass
class Story:
    """An incident and everything that was decided about it."""

    incident: Incident
    now: datetime = NOON
    ladder: Ladder = THREE
    rules: ServiceRules = RULES
    events: list[Event] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    last: Decision = field(default_factory=lambda: Decision("nothing yet"))
    asked_so_far: int = 0

    def take(self, decision: Decision) -> Decision:
        for event in decision.events:
            self.incident = states.evolve(self.incident, event)
        self.events += decision.events
        self.effects = list(decision.effects)
        self.last = decision
        return decision

    def ask(self, command: Command) -> Decision:
        return self.take(rules.decide(self.incident, command, self.now))

    def later(self, **span: float) -> "Story":
        self.now += timedelta(**span)
        return self

    def acknowledge(self, agent: Agent = ADA) -> Decision:
        return self.ask(asks.Acknowledge(agent=agent, channel="api", rules=self.rules))

    def unacknowledge(self, agent: Agent = ADA) -> Decision:
        return self.ask(asks.Unacknowledge(agent=agent, channel="api", ladder=self.ladder, rules=self.rules))

    def resolve(self, agent: Agent = ADA, resolution: str | None = None) -> Decision:
        return self.ask(asks.Resolve(agent=agent, channel="api", resolution=resolution))

    def reopen(self, agent: Agent = ADA, **more: object) -> Decision:
        return self.ask(
            asks.Reopen(agent=agent, channel="api", ladder=self.ladder, rules=self.rules, **more)  # type: ignore[arg-type]
        )

    def snooze(self, seconds: int = 3600, agent: Agent = ADA) -> Decision:
        return self.ask(asks.Snooze(agent=agent, channel="api", seconds=seconds))

    def reassign(self, *people: Agent, by: Agent = CY) -> Decision:
        user_ids = tuple(person.id for person in people)
        return self.ask(asks.Reassign(user_ids=user_ids, agent=by, channel="api"))

    def delegate(self, policy: Policy, to: Ladder, by: Agent = CY) -> Decision:
        return self.ask(asks.Delegate(policy=policy, ladder=to, rules=self.rules, agent=by, channel="api"))

    def escalate(self, level: int | None = None, by: Agent = CY) -> Decision:
        return self.ask(asks.Escalate(ladder=self.ladder, rules=self.rules, agent=by, channel="api", level=level))

    def change_urgency(self, urgency: Urgency, by: Agent = CY) -> Decision:
        return self.ask(
            asks.ChangeUrgency(
                urgency=urgency, ladder=self.ladder, rules=self.rules, agent=by, channel="api", reason="asked for"
            )
        )

    def join(self, urgency: Urgency = Urgency.HIGH) -> Decision:
        return self.ask(
            asks.JoinAlert(
                alert_id="QALERT2", summary="Also slow", urgency=urgency, ladder=self.ladder, agent=SENDER,
                channel="api", reason="grouped by time",
            )
        )  # fmt: skip

    def end_alert(self, agent: Agent = SENDER) -> Decision:
        return self.ask(asks.EndAlert(alert_id="QALERT1", summary="Slow", agent=agent, channel="api"))

    def fire(self, timer: Timer) -> Decision:
        """The timer's time comes, and it fires."""
        due_at = states.pending(self.incident)[timer]
        self.now = max(self.now, due_at)
        return self.fire_for(timer, due_at)

    def fire_for(self, timer: Timer, due_at: datetime) -> Decision:
        asked = {walk.policy.id: self.ladder for walk in self.incident.walks}
        return self.ask(asks.TimerFired(timer=timer, due_at=due_at, ladder=self.ladder, rules=self.rules, asked=asked))

    def ask_for_help(self, *people: Agent, policy: Policy | None = None) -> Decision:
        """Cy asks these, and those on call by the policy as the ladder stands."""
        policies = ((policy, self.ladder),) if policy else ()
        users = tuple(one.id for one in people)
        self.asked_so_far += 1
        return self.ask(
            asks.AskForHelp(
                request_id=f"PREQ{self.asked_so_far:03d}", requester_id=CY.id, message="Help", user_ids=users, policies=policies,
                agent=CY, channel="api",
            )
        )  # fmt: skip

    def answer_request(self, agent: Agent, *, joins: bool) -> Decision:
        return self.ask(asks.AnswerRequest(joins=joins, agent=agent, channel="api"))

    def cancel_requests(self, *people: Agent, policy: Policy | None = None) -> Decision:
        users, policies = tuple(one.id for one in people), (policy.id,) if policy else ()
        return self.ask(asks.CancelRequests(user_ids=users, policy_ids=policies, agent=CY, channel="api"))

    @property
    def paged(self) -> list[str]:
        """Who is paged by the last decision."""
        return [user_id for effect in self.effects if isinstance(effect, Page) for user_id in effect.user_ids]

    @property
    def drops(self) -> bool:
        """Whether the last decision drops what is still owed."""
        return any(isinstance(effect, DropPages) and effect.user_ids is None for effect in self.effects)

    @property
    def is_loud(self) -> bool:
        """Whether the last decision tells the last resort."""
        return any(isinstance(effect, LastResort) for effect in self.effects)

    def happened(self) -> list[str]:
        """What the last decision says has happened, by name."""
        return [type(event).__name__ for event in self.last.events]


def opened(
    ladder: Ladder = THREE,
    *,
    urgency: Urgency = Urgency.HIGH,
    rules_: ServiceRules = RULES,
    policy: Policy = POLICY,
    agent: Agent = SENDER,
    alert: bool = True,
    assign_to: tuple[str, ...] = (),
) -> Story:
    """An incident that has just begun."""
    command = asks.Open(
        id="QINC0000000001", number=7, service_id="PSRV001", title="Checkout is slow", urgency=urgency,
        policy=replace(policy, num_loops=ladder.num_loops), ladder=ladder, rules=rules_, agent=agent, channel="api",
        reason="a new problem", key="checkout-slow", alert_id="QALERT1" if alert else None, assign_to=assign_to,
    )  # fmt: skip
    blank, decision = rules.begin(command, NOON)
    story = Story(blank, ladder=ladder, rules=rules_)
    story.take(decision)
    return story
