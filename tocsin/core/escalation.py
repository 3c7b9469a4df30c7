"""The ladder of escalation: who is next, when, and what happens when it ends.

Laws (BEHAVIOUR section 4):
1. All people of a level are reached at the same time; on a round-robin level, those of one target of its ring. The turn
   goes round by targets, so a schedule has one turn however many are on call on it, and one that has nobody just now is
   passed over without costing the others theirs.
2. A level with nobody on call is stepped over at once, and said so, with its reason.
3. After the last level the ladder begins again `num_loops` times; then it is exhausted and its last people keep it.
4. A ladder is what a policy means at one instant; the policy itself is kept with the incident as it was when it opened.
5. A ladder on which nobody stands is never a reason to drop an incident.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

MAX_RULES = 20
MAX_TARGETS = 10
MAX_LOOPS = 9
MAX_DELAY_MINUTES = 1440


class Strategy(StrEnum):
    """How a level is shared out among its targets."""

    EVERYONE = "assign_to_everyone"
    ROUND_ROBIN = "round_robin"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody a level names: a `user` or a `schedule` (whoever is on call on it)."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One level of a policy. `delay_minutes` is how long it may stay unacknowledged before the next level."""

    id: str
    delay_minutes: int
    targets: tuple[Target, ...]
    strategy: Strategy = Strategy.EVERYONE


@dataclass(frozen=True, slots=True)
class Policy:
    """An escalation policy as it was at some instant."""

    id: str
    name: str
    rules: tuple[Rule, ...]
    num_loops: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who stands on a rung, and the schedule that put them there (None: named by the policy itself)."""

    user_id: str
    schedule_id: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One of a round-robin ring: a target, and whoever stands for it now. Who stands in the ring already is not in it again."""

    target_id: str
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Rung:
    """A level at one instant. `people` is empty when nobody is there; `why_empty` then says why.

    For a round-robin rung `ring` has those of its targets that have somebody, in order, and `turn` is the place in it of
    the one that is next; `people` is everybody in it.
    """

    rule_id: str
    delay: timedelta
    people: tuple[Person, ...]
    strategy: Strategy = Strategy.EVERYONE
    ring: tuple[Member, ...] = ()
    turn: int = 0
    why_empty: str = ""

    @property
    def next_people(self) -> tuple[Person, ...]:
        """Who is reached when an incident comes here now."""
        return self.ring[self.turn % len(self.ring)].people if self.ring else self.people


@dataclass(frozen=True, slots=True)
class Ladder:
    """A policy at one instant, bottom rung first."""

    rungs: tuple[Rung, ...]
    num_loops: int = 0


@dataclass(frozen=True, slots=True)
class Skip:
    """A rung that was stepped over."""

    level: int
    reason: str


@dataclass(frozen=True, slots=True)
class Climb:
    """Go to rung `level` (from 0) on pass `loop` (from 0) and reach `people`; try again after `delay`.

    `ring_tried` counts how many of a round-robin ring had their turn; `advances` names the rule whose turn moves on, and
    `turn_of` the target that takes it.
    """

    level: int
    loop: int
    people: tuple[Person, ...]
    delay: timedelta
    skipped: tuple[Skip, ...] = ()
    ring_tried: int = 0
    advances: str | None = None
    turn_of: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The ladder has ended: nobody else will be reached by it."""

    skipped: tuple[Skip, ...] = ()


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody stands on any rung just now; look again after `retry`."""

    skipped: tuple[Skip, ...]
    retry: timedelta


Step = Climb | Exhausted | Nobody


def stand(
    policy: Policy,
    on_call: Mapping[str, Sequence[str]],
    *,
    unavailable: Mapping[str, str],
    turns: Mapping[str, str],
    schedule_names: Mapping[str, str] | None = None,
) -> Ladder:
    """What `policy` means now.

    on_call         schedule id → user ids on call on it now (a schedule that is missing no longer exists)
    unavailable     user id → why this person cannot be paged (disabled, deleted)
    turns           rule id → the target that had the last turn on a round-robin level; missing = none had one yet
    schedule_names  schedule id → its name, for the words of a reason
    """
    names = schedule_names or {}
    return Ladder(tuple(_rung(rule, on_call, unavailable, turns, names) for rule in policy.rules), policy.num_loops)


def _rung(
    rule: Rule,
    on_call: Mapping[str, Sequence[str]],
    unavailable: Mapping[str, str],
    turns: Mapping[str, str],
    names: Mapping[str, str],
) -> Rung:
    people: dict[str, Person] = {}
    members: list[Member] = []
    missing: list[str] = []
    for target in rule.targets:
        if target.type == "user":
            found, why = [Person(target.id)], ""
        elif target.id in on_call:
            found = [Person(user_id, target.id) for user_id in on_call[target.id]]
            why = f"nobody is on call on {names.get(target.id, 'schedule ' + target.id)}"
        else:
            found, why = [], f"schedule {target.id} no longer exists"
        fresh: list[Person] = []
        for person in found:
            if person.user_id in unavailable:
                missing.append(unavailable[person.user_id])
            elif person.user_id not in people:
                people[person.user_id] = person
                fresh.append(person)
        if fresh:
            members.append(Member(target.id, tuple(fresh)))
        if not found:
            missing.append(why)
    is_ring = rule.strategy is Strategy.ROUND_ROBIN
    return Rung(
        rule.id,
        timedelta(minutes=rule.delay_minutes),
        tuple(people.values()),
        rule.strategy,
        tuple(members) if is_ring else (),
        _next_turn(rule, members, turns.get(rule.id)) if is_ring else 0,
        "" if people else "; ".join(dict.fromkeys(missing)) or "the level names nobody",
    )


def _next_turn(rule: Rule, members: Sequence[Member], last: str | None) -> int:
    """The place among `members` of the first that comes after the target which had the last turn."""
    order = [target.id for target in rule.targets]
    after = order.index(last) + 1 if last in order else 0
    standing = {member.target_id: place for place, member in enumerate(members)}
    return next((standing[id_] for id_ in (*order[after:], *order[:after]) if id_ in standing), 0)


def first(ladder: Ladder) -> Step:
    """Where an incident begins: the first rung with somebody on it."""
    return _climb_from(ladder, 0, 0, ())


def following(ladder: Ladder, *, level: int, loop: int, ring_tried: int, holders: Collection[str] = ()) -> Step:
    """Where an incident goes that nobody acknowledged on rung `level` during pass `loop`; `holders` have it now.

    On a round-robin rung the rest of the ring comes before the next level (BEHAVIOUR section 4): the one after the
    holder, whatever turns other incidents have taken meanwhile, so that each of the ring is reached once.
    """
    if 0 <= level < len(ladder.rungs):
        rung = ladder.rungs[level]
        if rung.strategy is Strategy.ROUND_ROBIN and 0 < ring_tried < len(rung.ring):
            return Climb(level, loop, _after(rung, holders).people, rung.delay, ring_tried=ring_tried + 1)
    return _climb_from(ladder, level + 1, loop, ())


def _after(rung: Rung, holders: Collection[str]) -> Member:
    """The next in the ring after whoever holds the incident; whose turn it is, when no holder is in the ring."""
    places = [at for at, member in enumerate(rung.ring) if any(person.user_id in holders for person in member.people)]
    return rung.ring[(places[-1] + 1 if places else rung.turn) % len(rung.ring)]


def to_level(ladder: Ladder, level: int, *, loop: int) -> Step:
    """Where an incident goes when somebody sends it to rung `level` (from 0) by hand; empty rungs are stepped over."""
    return _climb_from(ladder, level, loop, ())


def _climb_from(ladder: Ladder, level: int, loop: int, skipped: tuple[Skip, ...]) -> Step:
    for at in range(level, len(ladder.rungs)):
        rung = ladder.rungs[at]
        if rung.people:
            return _take_turn(rung, at, loop, skipped)
        skipped = (*skipped, Skip(at, rung.why_empty))
    if not any(rung.people for rung in ladder.rungs):
        return Nobody(skipped, _shortest_delay(ladder))
    if loop < ladder.num_loops:
        again = _climb_from(Ladder(ladder.rungs, loop + 1), 0, loop + 1, skipped)
        return _repeating(again)
    return Exhausted(skipped)


def _repeating(step: Step) -> Step:
    return replace(step, repeats=True) if isinstance(step, Climb) else step


def _take_turn(rung: Rung, level: int, loop: int, skipped: tuple[Skip, ...]) -> Climb:
    if rung.strategy is Strategy.EVERYONE:
        return Climb(level, loop, rung.people, rung.delay, skipped)
    chosen = rung.ring[rung.turn % len(rung.ring)]
    return Climb(level, loop, chosen.people, rung.delay, skipped, 1, rung.rule_id, chosen.target_id)


def _shortest_delay(ladder: Ladder) -> timedelta:
    return min((rung.delay for rung in ladder.rungs), default=timedelta(minutes=1)) or timedelta(minutes=1)
