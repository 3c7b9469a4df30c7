"""What escalation policies mean now: who stands on each level, read once for a whole batch of decisions."""

from collections.abc import Collection
from datetime import datetime

from tocsin.core import escalation
from tocsin.core.escalation import Ladder, Policy, Strategy
from tocsin.service import schedules
from tocsin.store import policies
from tocsin.store.db import Tx
from tocsin.store.policies import Turn


class Ladders:
    """The ladders of one instant. A turn taken on a round-robin level counts at once for the next incident."""

    def __init__(self, tx: Tx, now: datetime) -> None:
        self._tx = tx
        self._now = now
        self._on_call: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, str] = {}
        self._unavailable: dict[str, str] = {}
        self._asked_users: set[str] = set()
        self._asked_schedules: set[str] = set()
        self._turns: dict[str, Turn] = {}
        self._changed: set[str] = set()
        self._known: dict[Policy, Ladder] = {}

    def of(self, policy: Policy) -> Ladder:
        """The ladder of `policy` now."""
        found = self._known.get(policy)
        if found is None:
            self.prepare([policy])
            found = escalation.stand(
                policy,
                self._on_call,
                unavailable=self._unavailable,
                turns={id_: turn.target_id for id_, turn in self._turns.items() if turn.target_id},
                schedule_names=self._names,
            )
            self._known[policy] = found
        return found

    def prepare(self, wanted: Collection[Policy]) -> None:
        """Read what the ladders of these policies need, in as few statements as there are kinds of things."""
        rules = [rule for policy in wanted for rule in policy.rules]
        targets = {target for rule in rules for target in rule.targets}
        schedule_ids = {target.id for target in targets if target.type != "user"} - self._asked_schedules
        if schedule_ids:
            self._asked_schedules |= schedule_ids
            self._names |= policies.schedule_names(self._tx, schedule_ids)
            on_call = schedules.people_on_call(self._tx, sorted(schedule_ids), self._now)
            self._on_call |= {
                schedule_id: tuple(one.user_id for one in people)
                for schedule_id, people in on_call.items()
                if schedule_id in self._names
            }
        user_ids = {target.id for target in targets if target.type == "user"}
        user_ids |= {user_id for people in self._on_call.values() for user_id in people}
        if user_ids := user_ids - self._asked_users:
            self._asked_users |= user_ids
            self._unavailable |= policies.unavailable(self._tx, user_ids)
        rings = {rule.id for rule in rules if rule.strategy is Strategy.ROUND_ROBIN} - self._turns.keys()
        if rings:
            self._turns |= policies.turns(self._tx, rings)

    def advance(self, rule_id: str, target_id: str) -> None:
        """A round-robin level used the turn of this target."""
        known = self._turns.get(rule_id)
        self._turns[rule_id] = Turn((known.used if known else 0) + 1, target_id)
        self._changed.add(rule_id)
        self._known = {
            policy: known for policy, known in self._known.items() if all(rule.id != rule_id for rule in policy.rules)
        }

    def save(self) -> None:
        """Keep the turns that were used."""
        policies.set_turns(self._tx, {rule_id: self._turns[rule_id] for rule_id in sorted(self._changed)})
        self._changed.clear()
