"""A dry run: who would be paged, when and how, for an incident that opened at some instant and that nobody acknowledged.

Laws:
1. It asks what the engine asks: the same ladder at the instant each level is come to, the same plan of pages.
2. Nothing is kept, and no turn of a round robin is used. In the dry run itself turns move on, as they would.
3. Of the past it is told with the schedules as they were then, and with the policy and the people as they are now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.base.times import Span
from tocsin.core import escalation, notify
from tocsin.core.alert import UrgencyRule, urgency_of
from tocsin.core.escalation import Climb, Exhausted, Nobody, Person, Policy, Skip, Step, Strategy
from tocsin.core.events import Urgency
from tocsin.core.permission import Actor
from tocsin.core.schedule import on_call_at
from tocsin.service import access
from tocsin.service.coverage import HIDDEN
from tocsin.store import outbox, policies
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables.schedules import schedule

STEPS_MOST: Final = 100
"""Steps that are told; a policy of many levels and repeats goes on for longer."""
LASTING_MOST: Final = timedelta(days=7)
"""How long after the incident opened it is followed."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page that would be owed: when it would leave, and by which kind of contact method."""

    at: datetime
    kind: str


@dataclass(frozen=True, slots=True)
class Paged:
    """Somebody who would be paged. No pages: there is no contact method that can be used."""

    person: Person
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """One step of the incident: at an instant it comes to a level (from 1) in a round (from 1), past levels with nobody."""

    at: datetime
    level: int
    round: int
    people: tuple[Paged, ...]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would happen. `end` says in words how it ends if nobody acknowledges; `end_skipped` why nobody was found there."""

    policy: Policy
    at: datetime
    urgency: Urgency
    steps: tuple[Taken, ...]
    end: str
    ends_at: datetime | None
    end_skipped: tuple[Skip, ...]
    schedule_names: Mapping[str, str]

    @property
    def user_ids(self) -> frozenset[str]:
        """Everybody who would be paged."""
        return frozenset(one.person.user_id for step in self.steps for one in step.people)


def run(
    tx: Tx,
    actor: Actor,
    policy: Policy,
    at: datetime,
    *,
    rule: UrgencyRule | None = None,
    escalates_low: bool = False,
    urgency: Urgency | None = None,
) -> DryRun:
    """What would become of an incident that opens at `at` and climbs `policy`, as `actor` may be told of it.

    rule           the service's rule of urgency; without one and without `urgency` it is high
    escalates_low  whether an incident of low urgency escalates
    """
    urgent = urgency or (urgency_of(rule, None, at)[0] if rule else Urgency.HIGH)
    escalates = urgent is Urgency.HIGH or escalates_low
    scene = _Scene(tx, actor, policy, Span(at, at + LASTING_MOST))
    steps: list[Taken] = []
    now, step = at, escalation.first(scene.ladder(at))
    while isinstance(step, Climb):
        paged = tuple(Paged(person, scene.pages(person, urgent, now)) for person in step.people)
        steps.append(Taken(now, step.level + 1, step.loop + 1, paged, step.skipped))
        if step.advances:
            scene.turns[step.advances] = step.turn_of
        if not escalates:
            return scene.told(at, urgent, steps, "It is of low urgency: it stays with these people and does not escalate", None)
        now += step.delay
        if len(steps) == STEPS_MOST or now - at > LASTING_MOST:
            return scene.told(at, urgent, steps, "It goes on; no more of it is told here", now)
        holders = [person.user_id for person in step.people]
        step = escalation.following(
            scene.ladder(now), level=step.level, loop=step.loop, ring_tried=step.ring_tried, holders=holders
        )
    return scene.told(at, urgent, steps, _end(step, steps), now, step.skipped)


def _end(step: Step, steps: Collection[Taken]) -> str:
    match step:
        case Exhausted():
            return "The policy ends: nobody else is paged, and the last people keep it"
        case Nobody() if steps:
            return "Nobody is on call on any level any more: the last resort is told, and it looks for somebody again and again"
        case Nobody() | Climb():
            return "Nobody is on call on any level: the last resort is told, and it looks for somebody again and again"


class _Scene:
    """What the run asks of the database, read once."""

    def __init__(self, tx: Tx, actor: Actor, policy: Policy, span: Span) -> None:
        self.policy = policy
        targets = {target for rule in policy.rules for target in rule.targets}
        self._schedules: Mapping[str, Loaded] = store_schedules.load_many(tx, {target.id for target in targets if target.type != "user"}, span)
        seen = access.known(tx, actor, "schedule", schedule, self._schedules)
        self.names = {id_: one.schedule.name if id_ in seen else HIDDEN for id_, one in self._schedules.items()}
        self.turns = policies.last_turns(tx, [rule.id for rule in policy.rules if rule.strategy is Strategy.ROUND_ROBIN])
        self._direct = {target.id for target in targets if target.type == "user"}
        self._tx = tx
        self._unavailable: dict[str, str] = {}
        self._asked: set[str] = set()
        self._reach: dict[str, outbox.Reach] = {}

    def ladder(self, now: datetime) -> escalation.Ladder:
        """Who stands on each level at an instant."""
        on_call = {
            id_: tuple(one.user_id for one in on_call_at(found.schedule, found.overrides, now)) for id_, found in self._schedules.items()
        }
        self._ask(self._direct.union(*on_call.values()) - self._asked)
        return escalation.stand(self.policy, on_call, unavailable=self._unavailable, turns=self.turns, schedule_names=self.names)

    def _ask(self, user_ids: Collection[str]) -> None:
        if user_ids:
            self._asked.update(user_ids)
            self._unavailable |= policies.unavailable(self._tx, user_ids)
            self._reach |= outbox.reach_of(self._tx, user_ids)

    def pages(self, person: Person, urgency: Urgency, now: datetime) -> tuple[Page, ...]:
        """The pages somebody would be owed."""
        reach = self._reach.get(person.user_id)
        if reach is None:
            return ()
        ways, told = [notify.Way(*one) for one in reach.methods], [notify.Rule(*one) for one in reach.rules]
        return tuple(Page(one.due_at, one.way.kind) for one in notify.plan(ways, told, urgency.value, "", now))

    def told(
        self, at: datetime, urgency: Urgency, steps: Sequence[Taken], end: str, ends_at: datetime | None, skipped: tuple[Skip, ...] = ()
    ) -> DryRun:
        return DryRun(self.policy, at, urgency, tuple(steps), end, ends_at, skipped, self.names)
