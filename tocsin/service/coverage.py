"""Gathers what the proof of coverage needs, for every policy and service an actor may see (core/coverage.py).

Laws:
1. What is proven is what would happen: schedules, people and their rules are read as the engine reads them.
2. An actor is shown only the policies and services they may see; people are looked for at two places on those policies'
   schedules. A schedule they may not see counts in the proof, and is not named.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from tocsin.base.errors import invalid_arguments
from tocsin.base.times import Span
from tocsin.core import coverage as rules
from tocsin.core import notify, schedule
from tocsin.core.coverage import Double, Person, Reached
from tocsin.core.escalation import Policy
from tocsin.core.permission import Actor
from tocsin.core.schedule import Stretch
from tocsin.service import access
from tocsin.store import outbox, policies
from tocsin.store import people as store_people
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables import schedules as schedule_tables
from tocsin.store.tables import services as tables

WEEKS_MOST: Final = 26
"""How many weeks are proven at once."""
SPAN_MOST: Final = timedelta(weeks=WEEKS_MOST)
URGENCY: Final = "high"
HIDDEN: Final = "a schedule of a private team"


@dataclass(frozen=True, slots=True)
class Named:
    """A thing with its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PolicyCoverage:
    """What was proven of one policy, and for which services it holds."""

    policy: Policy
    services: tuple[Named, ...]
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
    if span.end <= span.start:
        raise invalid_arguments("until must be after since")
    if span.end - span.start > SPAN_MOST:
        raise invalid_arguments(f"The range from since to until must be at most {WEEKS_MOST} weeks")
    chosen = _chosen(tx, actor, service_ids, policy_ids, team_ids)
    proof = _proof(tx, actor, chosen, span)
    served = _services(tx, actor, chosen)
    proven = [PolicyCoverage(proof.policies[id_], tuple(served.get(id_, ())), found) for id_, found in proof.reached.items()]
    entries = {
        id_: schedule.joined(
            (stretch.start, min(stretch.end, span.end), holder.user_id)
            for stretch in line
            if stretch.start < span.end
            for holder in stretch.holders
        )
        for id_, line in proof.lines.items()
        if id_ in proof.seen
    }
    proven.sort(key=lambda one: (one.covered_share, not one.weak, one.policy.name.casefold(), one.policy.id))
    return Coverage(span, tuple(proven), rules.doubles(entries), proof.user_names, proof.schedule_names)


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit of a schedule would do to one policy: when nobody would be reached any more, and when somebody again."""

    policy: Policy
    opens: tuple[Reached, ...]
    closes: tuple[Reached, ...]


def would_change(tx: Tx, actor: Actor, edited: Loaded, span: Span) -> list[Change]:
    """What keeping `edited` in the place of the schedule with its id would do to the policies that the actor may see."""
    target = tables.policy_target.c
    using = [row.policy_id for row in tx.rows(sa.select(target.policy_id).where(target.target_id == edited.schedule.id))]
    chosen = _chosen(tx, actor, (), using, ()) if using else []
    before = _proof(tx, actor, chosen, span)
    after = _proof(tx, actor, chosen, span, edited)
    changes = []
    for id_, policy in before.policies.items():
        were, will_be = rules.gaps(before.reached[id_]), rules.gaps(after.reached[id_])
        change = Change(policy, rules.beyond(will_be, were), rules.beyond(were, will_be))
        if change.opens or change.closes:
            changes.append(change)
    return sorted(changes, key=lambda change: (change.policy.name.casefold(), change.policy.id))


@dataclass(frozen=True, slots=True)
class _Proof:
    """What was proven of some policies, and what it was proven from."""

    policies: Mapping[str, Policy]
    reached: Mapping[str, tuple[Reached, ...]]
    lines: Mapping[str, Sequence[Stretch]]
    seen: frozenset[str]
    user_names: Mapping[str, str]
    schedule_names: Mapping[str, str]


def _proof(tx: Tx, actor: Actor, policy_ids: Collection[str], span: Span, edited: Loaded | None = None) -> _Proof:
    """The proof for these policies; `edited` stands in the place of the schedule with its id."""
    loaded = policies.load(tx, policy_ids)
    targets = {target for policy in loaded.values() for rule in policy.rules for target in rule.targets}
    reach = Span(span.start, span.end + rules.WAIT_MOST)
    known = store_schedules.load_many(tx, {target.id for target in targets if target.type != "user"}, reach)
    if edited is not None and edited.schedule.id in known:
        known[edited.schedule.id] = edited
    lines = {id_: schedule.timeline(one.schedule, one.overrides, reach) for id_, one in known.items()}
    seen = _seen(tx, actor, known)
    names = {id_: one.schedule.name if id_ in seen else HIDDEN for id_, one in known.items()}
    people = _people(tx, {target.id for target in targets if target.type == "user"} | _held(lines), span.start)
    crew = rules.People(people.values())
    reached = {id_: rules.prove(policy, lines, crew, names, span) for id_, policy in loaded.items()}
    return _Proof(loaded, reached, lines, seen, {one.id: one.name for one in people.values()}, names)


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


def _services(tx: Tx, actor: Actor, policy_ids: Sequence[str]) -> dict[str, list[Named]]:
    """The services that are switched on and use these policies, by policy."""
    table = tables.service
    statement = sa.select(table.c.id, table.c.name, table.c.escalation_policy_id).where(
        table.c.escalation_policy_id.in_(policy_ids), table.c.is_disabled.is_(False)
    )
    seen = access.visible(actor, "service")
    if seen is not None:
        statement = statement.where(seen)
    found: dict[str, list[Named]] = {}
    for row in tx.rows(statement.order_by(table.c.name, table.c.id)):
        found.setdefault(row.escalation_policy_id, []).append(Named(row.id, row.name))
    return found


def _held(lines: Mapping[str, Sequence[Stretch]]) -> set[str]:
    return {holder.user_id for line in lines.values() for stretch in line for holder in stretch.holders}


def _people(tx: Tx, user_ids: Collection[str], at: datetime) -> dict[str, Person]:
    """Each of these people, with when their first page of high urgency would leave."""
    kept_off = policies.unavailable(tx, user_ids)
    reaches = outbox.reach_of(tx, user_ids)
    names = {id_: row.name for id_, row in store_people.users(tx, user_ids).items()}
    found = {}
    for user_id in user_ids:
        reach = reaches.get(user_id)
        ways = tuple(notify.Way(*method) for method in reach.methods) if reach else ()
        told = tuple(notify.Rule(*rule) for rule in reach.rules) if reach else ()
        planned = notify.plan(ways, told, URGENCY, "", at)
        first = min((one.due_at - at for one in planned), default=None)
        found[user_id] = Person(user_id, names.get(user_id, user_id), first, kept_off.get(user_id, ""))
    return found
