"""Gathers what the proof of coverage needs, for every policy and service an actor may see (core/coverage.py).

Laws:
1. What is proven is what would happen: schedules, people and their rules are read as the engine reads them.
2. What an edit would do is found by doing it, through its own door, in a transaction that leaves nothing.
3. An actor is shown only the policies and services they may see; people are looked for at two places on those policies'
   schedules. A schedule they may not see counts in the proof, and is not named.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from tocsin.base.errors import invalid_arguments
from tocsin.base.times import Span
from tocsin.core import coverage as rules
from tocsin.core import notify, schedule
from tocsin.core.alert import UrgencyRule
from tocsin.core.coverage import Cause, Double, Kind, Person, Reached
from tocsin.core.escalation import Policy
from tocsin.core.permission import Actor
from tocsin.core.schedule import Stretch
from tocsin.service import access
from tocsin.store import outbox, policies, services
from tocsin.store import people as store_people
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Database, Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables import schedules as schedule_tables
from tocsin.store.tables import services as tables

WEEKS_MOST: Final = 26
"""How many weeks are proven at once."""
SPAN_MOST: Final = timedelta(weeks=WEEKS_MOST)
HIDDEN: Final = "a schedule of a private team"


@dataclass(frozen=True, slots=True)
class Named:
    """A thing with its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Served:
    """A service that is switched on, with what decides how urgent its incidents are."""

    id: str
    name: str
    urgency: UrgencyRule = field(default_factory=UrgencyRule)
    escalates_low: bool = False

    @property
    def has_own_proof(self) -> bool:
        """Whether its incidents may be of low urgency by the clock, so that not all is as its policy says."""
        return "low" in {self.urgency.during, self.urgency.outside}


@dataclass(frozen=True, slots=True)
class Proven:
    """What was proven of something, over the span that was asked for."""

    reached: tuple[Reached, ...]

    @property
    def gaps(self) -> tuple[Reached, ...]:
        """When nobody would be reached."""
        return rules.gaps(self.reached)

    @property
    def weak(self) -> tuple[Reached, ...]:
        """When somebody would be reached, but not by the first level or not in its time."""
        return tuple(one for one in self.reached if not one.is_gap and one.causes)

    @property
    def covered_share(self) -> float:
        """How much of the span has somebody reached, in per cent."""
        return rules.covered_share(self.reached)


@dataclass(frozen=True, slots=True)
class ServiceCoverage(Proven):
    """What was proven of a service whose incidents are sometimes of low urgency: then it is not what its policy says."""

    service: Served


@dataclass(frozen=True, slots=True)
class PolicyCoverage(Proven):
    """What was proven of one policy for incidents of high urgency; the services on it, and those with a proof of their own."""

    policy: Policy
    services: tuple[Served, ...]
    own: tuple[ServiceCoverage, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """Policies with the most uncovered first, people at two places, and the names of people and schedules."""

    span: Span
    policies: tuple[PolicyCoverage, ...]
    doubles: tuple[Double, ...]
    user_names: Mapping[str, str]
    schedule_names: Mapping[str, str]


def look(
    tx: Tx,
    actor: Actor,
    span: Span,
    *,
    service_ids: Collection[str] = (),
    policy_ids: Collection[str] = (),
    team_ids: Collection[str] = (),
) -> Coverage:
    """The proof for the policies the actor may see, narrowed to these services, policies and teams when there are any.

    Raises 400/2002 when the span is turned round or longer than SPAN_MOST.
    """
    check_span(span)
    return proven(gather(tx, actor, span, _chosen(tx, actor, service_ids, policy_ids, team_ids)))


def visible_policies(tx: Tx, actor: Actor) -> list[str]:
    """The policies that may be shown to the actor."""
    return _chosen(tx, actor, (), (), ())


def check_span(span: Span) -> None:
    """Raise 400/2002 when the span is turned round or longer than SPAN_MOST."""
    if span.end <= span.start:
        raise invalid_arguments("until must be after since")
    if span.end - span.start > SPAN_MOST:
        raise invalid_arguments(f"The range from since to until must be at most {WEEKS_MOST} weeks")


def proven(facts: "Facts") -> Coverage:
    """The proof from what was read; it asks no database."""
    proof, span = _Proof(facts), facts.span
    found = [
        PolicyCoverage(proof.of_policy(id_), policy, facts.services.get(id_, ()), proof.own(id_))
        for id_, policy in facts.policies.items()
    ]
    entries = {
        id_: schedule.joined(
            (stretch.start, min(stretch.end, span.end), holder.user_id)
            for stretch in proof.line(id_)
            if stretch.start < span.end
            for holder in stretch.holders
        )
        for id_ in facts.schedules
        if id_ in facts.seen
    }
    found.sort(key=lambda one: (one.covered_share, not one.weak, one.policy.name.casefold(), one.policy.id))
    user_names = {id_: way.high.name for id_, way in facts.people.items()}
    return Coverage(span, tuple(found), rules.doubles(entries), user_names, facts.schedule_names)


# ------------------------------------------------------------------------------------------------------------- what if


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit would do to one policy, or to one service whose proof is its own.

    opens   when nobody would be reached any more
    closes  when somebody would be reached again, as it is now
    later   when somebody would still be reached, but later than now
    """

    policy: Policy
    service: Named | None
    opens: tuple[Reached, ...]
    closes: tuple[Reached, ...]
    later: tuple[Reached, ...]


def would_change(tx: Tx, actor: Actor, edited: Loaded, span: Span) -> list[Change]:
    """What keeping `edited` in the place of the schedule with its id would do to the policies that the actor may see."""
    target = tables.policy_target.c
    using = [row.policy_id for row in tx.rows(sa.select(target.policy_id).where(target.target_id == edited.schedule.id))]
    chosen = _chosen(tx, actor, (), using, ()) if using else []
    return compared(gather(tx, actor, span, chosen), gather(tx, actor, span, chosen, edited))


class _Undone(Exception):
    """Ends a rehearsal: no error, the way out of a transaction that is to leave nothing."""


@contextmanager
def undone(db: Database) -> Iterator[Tx]:
    """A transaction in which everything may be done and nothing is kept."""
    try:
        with db.write() as tx:
            yield tx
            raise _Undone
    except _Undone:
        pass


def rehearsed(db: Database, actor: Actor, span: Span, deed: Callable[[Tx], object]) -> list[Change]:
    """What `deed` would open and close for the actor, without doing it. Raises whatever the deed is refused with.

    It is done through the door by which it would go, in a transaction that is undone; only reading falls into that
    transaction, the proofs are made afterwards.
    """
    check_span(span)
    with db.read() as tx:
        before = gather(tx, actor, span, visible_policies(tx, actor))
    with undone(db) as tx:
        deed(tx)
        after = gather(tx, actor, span, visible_policies(tx, actor))
    return compared(before, after)


def compared(before: "Facts", after: "Facts") -> list[Change]:
    """What becomes different between two states: policies by name, each followed by services with a proof of their own."""
    first, second = _Proof(before), _Proof(after)
    changes: list[Change] = []
    for id_, policy in after.policies.items():
        if id_ not in before.policies or before.about(id_) != after.about(id_):
            was = first.of_policy(id_) if id_ in before.policies else ()
            changes += _change(policy, None, was, second.of_policy(id_))
    old = {one.id: (id_, one) for id_, served in before.services.items() for one in served}
    for id_, served in after.services.items():
        for one in served:
            home, known = old.get(one.id, (None, None))
            is_as_policy = not one.has_own_proof or before.about(id_) == after.about(id_)
            if known == one and home == id_ and is_as_policy:
                continue
            was = first.of_service(home, known) if home is not None and known is not None else ()
            changes += _change(after.policies[id_], Named(one.id, one.name), was, second.of_service(id_, one))
    return sorted(changes, key=lambda one: (one.policy.name.casefold(), one.policy.id, one.service.name if one.service else ""))


def _change(policy: Policy, service: Named | None, was: Sequence[Reached], will_be: Sequence[Reached]) -> list[Change]:
    """The change between two proofs, if there is one; without a proof of before, all that is open afterwards is new."""
    holes, open_ = rules.gaps(was), rules.gaps(will_be)
    change = Change(policy, service, rules.beyond(open_, holes), rules.beyond(holes, open_), rules.later(was, will_be))
    return [change] if change.opens or change.closes or change.later else []


# --------------------------------------------------------------------------------------------------- what is proven from


@dataclass(frozen=True, slots=True)
class Way:
    """Somebody as the proofs need them: with when the first page of high and of low urgency would leave."""

    high: Person
    low: Person


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that proofs over a span are made from, read once. `seen`: the schedules that may be named to the asker."""

    span: Span
    policies: Mapping[str, Policy]
    services: Mapping[str, tuple[Served, ...]]
    schedules: Mapping[str, Loaded]
    people: Mapping[str, Way]
    seen: frozenset[str]
    schedule_names: Mapping[str, str]

    def about(self, policy_id: str) -> object:
        """All that the proof of this policy depends on: when it is equal, the proof is."""
        policy = self.policies.get(policy_id)
        if policy is None:
            return None
        targets = [target for rule in policy.rules for target in rule.targets]
        on_it = {target.id: self.schedules.get(target.id) for target in targets if target.type != "user"}
        named = {target.id for target in targets if target.type == "user"}
        named |= {id_ for one in on_it.values() if one is not None for id_ in _named(one)}
        return policy, on_it, {id_: self.people[id_] for id_ in named}


def gather(tx: Tx, actor: Actor, span: Span, policy_ids: Collection[str], edited: Loaded | None = None) -> Facts:
    """What the proofs of these policies need; `edited` stands in the place of the schedule with its id."""
    loaded = policies.load(tx, policy_ids)
    targets = {target for policy in loaded.values() for rule in policy.rules for target in rule.targets}
    reach = Span(span.start, span.end + rules.WAIT_MOST)
    known = store_schedules.load_many(tx, {target.id for target in targets if target.type != "user"}, reach)
    if edited is not None and edited.schedule.id in known:
        known[edited.schedule.id] = edited
    seen = _seen(tx, actor, known)
    names = {id_: one.schedule.name if id_ in seen else HIDDEN for id_, one in known.items()}
    user_ids = {target.id for target in targets if target.type == "user"}
    user_ids |= {id_ for one in known.values() for id_ in _named(one)}
    return Facts(span, loaded, _services(tx, actor, list(loaded)), known, _people(tx, user_ids, span.start), seen, names)


def _named(loaded: Loaded) -> set[str]:
    """Everybody who may be on call on a schedule at some time."""
    found = {override.user_id for override in loaded.overrides}
    return found.union(*(schedule.named_users(version.model) for version in loaded.schedule.versions))


class _Proof:
    """Proofs over some facts, each made when it is asked for."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._reach = Span(facts.span.start, facts.span.end + rules.WAIT_MOST)
        self._people = rules.People(way.high for way in facts.people.values())
        self._people_low = rules.People(way.low for way in facts.people.values())
        self._lines: dict[str, Sequence[Stretch]] = {}
        self._high: dict[str, tuple[Reached, ...]] = {}
        self._low: dict[tuple[str, bool], tuple[Reached, ...]] = {}

    def line(self, schedule_id: str) -> Sequence[Stretch]:
        """Who is on call on a schedule."""
        if schedule_id not in self._lines:
            one = self.facts.schedules[schedule_id]
            self._lines[schedule_id] = schedule.timeline(one.schedule, one.overrides, self._reach)
        return self._lines[schedule_id]

    def of_policy(self, policy_id: str) -> tuple[Reached, ...]:
        """What becomes of incidents of high urgency."""
        if policy_id not in self._high:
            self._high[policy_id] = self._prove(policy_id, self._people, escalates=True)
        return self._high[policy_id]

    def of_service(self, policy_id: str, service: Served) -> tuple[Reached, ...]:
        """What becomes of a service's incidents, by the urgency they have when they open."""
        when_low = rules.low_urgency(service.urgency, self.facts.span) if service.has_own_proof else ()
        if not when_low:
            return self.of_policy(policy_id)
        key = policy_id, service.escalates_low
        if key not in self._low:
            self._low[key] = self._prove(policy_id, self._people_low, escalates=service.escalates_low)
        stays = "" if service.escalates_low else ", and do not escalate"
        cause = Cause(Kind.LOW_URGENCY, 0, service.id, f"incidents of {service.name} are of low urgency then{stays}")
        return rules.by_urgency(self.of_policy(policy_id), self._low[key], when_low, cause)

    def own(self, policy_id: str) -> tuple[ServiceCoverage, ...]:
        """The services of this policy for which something else holds than for the policy."""
        there = [one for one in self.facts.services.get(policy_id, ()) if one.has_own_proof]
        found = [ServiceCoverage(self.of_service(policy_id, one), one) for one in there]
        return tuple(one for one in found if one.reached != self.of_policy(policy_id))

    def _prove(self, policy_id: str, people: rules.People, *, escalates: bool) -> tuple[Reached, ...]:
        policy = self.facts.policies[policy_id]
        wanted = {target.id for rule in policy.rules for target in rule.targets if target.type != "user"}
        lines = {id_: self.line(id_) for id_ in wanted if id_ in self.facts.schedules}
        return rules.prove(policy, lines, people, self.facts.schedule_names, self.facts.span, escalates=escalates)


def _seen(tx: Tx, actor: Actor, schedule_ids: Collection[str]) -> frozenset[str]:
    """Of these schedules those that may be named to the actor."""
    table = schedule_tables.schedule
    statement = sa.select(table.c.id).where(table.c.id.in_(sorted(schedule_ids)))
    condition = access.visible(actor, "schedule")
    if condition is not None:
        statement = statement.where(condition)
    return frozenset(row.id for row in tx.rows(statement))


def _chosen(
    tx: Tx, actor: Actor, service_ids: Collection[str], policy_ids: Collection[str], team_ids: Collection[str]
) -> list[str]:
    policy, service = tables.escalation_policy, tables.service.c
    conditions = []
    seen = access.visible(actor, "escalation_policy")
    if seen is not None:
        conditions.append(seen)
    if service_ids:
        using = sa.select(service.escalation_policy_id).where(service.id.in_(sorted(service_ids)))
        conditions.append(policy.c.id.in_(using))
    if policy_ids:
        conditions.append(policy.c.id.in_(sorted(policy_ids)))
    if team_ids:
        conditions.append(policy.c.team_id.in_(sorted(team_ids)))
    return [row.id for row in tx.rows(sa.select(policy.c.id).where(*conditions).order_by(policy.c.id))]


def _services(tx: Tx, actor: Actor, policy_ids: Sequence[str]) -> dict[str, tuple[Served, ...]]:
    """The services that are switched on and use these policies, by policy."""
    table = tables.service
    statement = sa.select(table).where(table.c.escalation_policy_id.in_(policy_ids), table.c.is_disabled.is_(False))
    seen = access.visible(actor, "service")
    if seen is not None:
        statement = statement.where(seen)
    found: dict[str, tuple[Served, ...]] = {}
    for row in tx.rows(statement.order_by(table.c.name, table.c.id)):
        urgency = services.read_urgency(row.incident_urgency_rule, row.support_hours)
        one = Served(row.id, row.name, urgency, row.escalates_low_urgency)
        found[row.escalation_policy_id] = (*found.get(row.escalation_policy_id, ()), one)
    return found


def _people(tx: Tx, user_ids: Collection[str], at: datetime) -> dict[str, Way]:
    """Each of these people, with when their first pages would leave."""
    kept_off = policies.unavailable(tx, user_ids)
    reaches = outbox.reach_of(tx, user_ids)
    names = {id_: row.name for id_, row in store_people.users(tx, user_ids).items()}
    found = {}
    for user_id in user_ids:
        reach = reaches.get(user_id)
        ways = tuple(notify.Way(*method) for method in reach.methods) if reach else ()
        told = tuple(notify.Rule(*rule) for rule in reach.rules) if reach else ()
        high, low = (
            min((one.due_at - at for one in notify.plan(ways, told, urgency, "", at)), default=None) for urgency in ("high", "low")
        )
        name, why_not = names.get(user_id, user_id), kept_off.get(user_id, "")
        found[user_id] = Way(Person(user_id, name, high, why_not), Person(user_id, name, low, why_not))
    return found
