"""Escalation policies, as PagerDuty's API shows them (BEHAVIOUR 4, tag Escalation Policies).

Their link to a team is in `teams.py`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import among
from tocsin.api.kernel.spec import Body, Reference, Resource, Rows, given
from tocsin.api.resources import shapes
from tocsin.base.errors import invalid
from tocsin.core.escalation import Rule, Strategy, Target
from tocsin.service import access, policies
from tocsin.store.tables.people import team
from tocsin.store.tables.services import escalation_policy, policy_target

INCLUDES = frozenset({"services", "teams", "targets", "escalation_rule_assignment_strategies"})

_TARGETS = {
    "user": "user",
    "user_reference": "user",
    "schedule": "schedule",
    "schedule_reference": "schedule",
    "schedule_v3": "schedule",
    "schedule_v3_reference": "schedule",
}


class RuleWrite(msgspec.Struct):
    """One level as clients send it. The strategy comes as an object, a word, or a list of one object."""

    escalation_delay_in_minutes: int
    targets: list[Reference]
    id: str | UnsetType | None = UNSET
    escalation_rule_assignment_strategy: Any = None


class PolicyWrite(msgspec.Struct):
    """What a client may say of a policy."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    num_loops: int | UnsetType | None = UNSET
    on_call_handoff_notifications: str | UnsetType | None = UNSET
    escalation_rules: list[RuleWrite] | UnsetType = UNSET
    teams: list[Reference] | UnsetType | None = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Policies as bodies."""
    return shapes.escalation_policies(call, rows, expand=call.includes)


def columns(call: Call, body: PolicyWrite, old: sa.Row[Any] | None) -> dict[str, Any]:
    """What was sent, as columns of the table."""
    sent = given(body, "name", "description", "num_loops", "on_call_handoff_notifications")
    sent = {name: value for name, value in sent.items() if value is not None or name in {"name", "description"}}
    if isinstance(body.escalation_rules, list):
        known = {rule["id"]: rule["strategy"] for rule in old.rules} if old is not None else {}
        sent["rules"] = [_rule(rule, known) for rule in body.escalation_rules]
    if body.teams is not UNSET:
        chosen = body.teams or []
        if len(chosen) > 1:
            raise invalid("Only one team may be associated with an escalation policy")
        sent["team_id"] = access.find(call.tx, call.actor, "team", team, chosen[0].id).id if chosen else None
    return sent


def _rule(sent: RuleWrite, known: dict[str, str]) -> Rule:
    targets = []
    for target in sent.targets:
        kind = _TARGETS.get(target.type)
        if kind is None:
            raise invalid(f"A target must be a user_reference or a schedule_reference, not '{target.type[:64]}'")
        targets.append(Target(kind, target.id))
    id_ = sent.id if isinstance(sent.id, str) else ""
    return Rule(id_, sent.escalation_delay_in_minutes, tuple(targets), _strategy(sent, known.get(id_)))


def _strategy(sent: RuleWrite, before: str | None) -> Strategy:
    """The strategy in any of the three forms; what is not said stays as it was on the level of this id."""
    value = sent.escalation_rule_assignment_strategy
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if len(value) == 1 else None if not value else ""
    if isinstance(value, dict):
        value = value.get("type")
    if value is None:
        return Strategy(before) if before else Strategy.EVERYONE
    if value not in {strategy.value for strategy in Strategy}:
        raise invalid(f"Escalation rule assignment strategy must be one of {', '.join(strategy.value for strategy in Strategy)}")
    return Strategy(value)


def create(call: Call, body: PolicyWrite) -> str:
    """A new policy."""
    sent = columns(call, body, None)
    missing = [] if sent.get("name") else ["Name cannot be empty"]
    if "rules" not in sent:
        missing.append("Escalation rules cannot be empty: a policy needs at least one level")
    if missing:
        raise invalid(*missing)
    return policies.create_policy(call.tx, call.deed, **sent)


def update(call: Call, row: sa.Row[Any], body: PolicyWrite) -> None:
    """Change what was sent."""
    policies.change_policy(call.tx, call.deed, row.id, columns(call, body, row))


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a policy that no service uses."""
    policies.delete_policy(call.tx, call.deed, row.id)


def naming(_call: Call, values: Sequence[str]) -> sa.ColumnElement[bool]:
    """`user_ids[]=`: policies that name one of these users as a target."""
    return escalation_policy.c.id.in_(sa.select(policy_target.c.policy_id).where(policy_target.c.target_id.in_(values)))


ESCALATION_POLICIES = Resource(
    name="escalation_policy",
    plural="escalation_policies",
    path="/escalation_policies",
    tag="Escalation Policies",
    table=escalation_policy,
    read=shown,
    write=PolicyWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    searched=(escalation_policy.c.name,),
    filters={"team_ids[]": among(escalation_policy.c.team_id), "user_ids[]": naming},
    order=(escalation_policy.c.name,),
    sorts={"name": escalation_policy.c.name},
    includes=INCLUDES,
)

DECLARED = (ESCALATION_POLICIES,)
