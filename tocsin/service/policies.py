"""Escalation policies: the one door for creating, changing and deleting them.

Laws (BEHAVIOUR 4):
1. Every function that changes something takes a `Deed` and leaves an audit record in the same transaction.
2. A level keeps its id as long as it is the same level, so that its round robin and what names it stay.
3. A policy that a service uses cannot be deleted; the refusal names every such service.
4. `policy_targets` says the same as the rules, always: it is written with them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, json
from tocsin.base.errors import Refusal, invalid, not_found
from tocsin.core.escalation import MAX_DELAY_MINUTES, MAX_LOOPS, MAX_RULES, MAX_TARGETS, Rule, Strategy, Target
from tocsin.core.permission import Actor
from tocsin.service import access, audit, tags
from tocsin.service.audit import Deed
from tocsin.store import policies as store
from tocsin.store.db import Tx
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, policy_target, round_robin, service

NAME_MOST: Final = 255
DESCRIPTION_MOST: Final = 1024
HANDOFFS: Final = ("if_has_services", "always")
NAME_TAKEN: Final = "Escalation Policy has already been taken"
"""PagerDuty's sentence, and the whole of its answer: there are no particulars (BEHAVIOUR 4)."""

_TOLD: Final = ("name", "description", "num_loops", "on_call_handoff_notifications", "rules")


def level(delay_minutes: int, *targets: Target, strategy: Strategy = Strategy.EVERYONE, id_: str = "") -> Rule:
    """A level as a caller asks for it; without an id it gets one when it is kept."""
    return Rule(id_, delay_minutes, targets, strategy)


def create_policy(
    tx: Tx,
    deed: Deed,
    *,
    name: str,
    rules: Sequence[Rule],
    description: str | None = None,
    num_loops: int = 0,
    on_call_handoff_notifications: str = HANDOFFS[0],
    team_id: str | None = None,
    own_id: str | None = None,
) -> str:
    """A new policy (`own_id`: the id to have, known to be free). Returns its id. Raises 400/2001 with one sentence for each breach."""
    sent = {
        "name": name,
        "description": description,
        "num_loops": num_loops,
        "on_call_handoff_notifications": on_call_handoff_notifications,
        "team_id": team_id,
        "rules": rules,
    }
    columns = _checked(tx, deed, sent, None)
    row = {"id": own_id or ids.object_id(deed.chance), "created_at": deed.now, "updated_at": deed.now, **columns}
    tx.execute(sa.insert(escalation_policy), row)
    _keep_targets(tx, row["id"], row["rules"])
    audit.record(tx, deed, policy_reference(row["id"], row["name"]), before=None, after=_told(tx, row))
    policy_id: str = row["id"]
    return policy_id


def change_policy(tx: Tx, deed: Deed, policy_id: str, changes: Mapping[str, Any]) -> None:
    """Change the given columns (`rules` as `core.escalation.Rule`); saying what is so already changes nothing.

    Incidents that are open keep the policy they started with (DESIGN 5).
    """
    old = policy_row(tx, policy_id)
    columns = _checked(tx, deed, changes, old)
    changed = {key: value for key, value in columns.items() if getattr(old, key) != value}
    if not changed:
        return
    tx.execute(
        sa.update(escalation_policy)
        .where(escalation_policy.c.id == policy_id)
        .values(**changed, updated_at=deed.now)
    )
    if "rules" in changed:
        _keep_targets(tx, policy_id, changed["rules"])
        gone = {rule["id"] for rule in old.rules} - {rule["id"] for rule in changed["rules"]}
        tx.execute(sa.delete(round_robin).where(round_robin.c.rule_id.in_(sorted(gone))))
    was = {key: getattr(old, key) for key in changed}
    reference = policy_reference(policy_id, changed.get("name", old.name))
    audit.record(tx, deed, reference, before=_told(tx, was), after=_told(tx, changed))


def delete_policy(tx: Tx, deed: Deed, policy_id: str) -> None:
    """Delete a policy that no service uses (law 3)."""
    old = policy_row(tx, policy_id)
    users = tx.rows(
        sa.select(service.c.id, service.c.name)
        .where(service.c.escalation_policy_id == policy_id)
        .order_by(service.c.name, service.c.id)
    )
    if users:
        raise invalid(*(f"The escalation policy is used by the service '{row.name}' ({row.id})" for row in users))
    tx.execute(sa.delete(round_robin).where(round_robin.c.rule_id.in_([rule["id"] for rule in old.rules])))
    tags.forget(tx, "escalation_policy", policy_id)
    tx.execute(sa.delete(escalation_policy).where(escalation_policy.c.id == policy_id))
    was = {key: getattr(old, key) for key in (*_TOLD, "team_id")}
    audit.record(tx, deed, policy_reference(policy_id, old.name), before=_told(tx, was), after=None)


def policy_row(tx: Tx, policy_id: str) -> sa.Row[Any]:
    """The row of a policy. Raises 404."""
    found = tx.one(sa.select(escalation_policy).where(escalation_policy.c.id == policy_id))
    if found is None:
        raise not_found("Escalation Policy")
    return found


def policy_reference(policy_id: str, name: str) -> dict[str, Any]:
    return {"id": policy_id, "type": "escalation_policy_reference", "summary": name}


def same_level(known: Sequence[Rule], sent: Sequence[Rule], chance_id: Sequence[str]) -> tuple[Rule, ...]:
    """The sent levels with their ids: the one they name, that of an equal level, that at their place, or a fresh one.

    `chance_id` has a fresh id for each sent level.
    """
    free = {rule.id: rule for rule in known}
    chosen: dict[int, str] = {}
    for at, rule in enumerate(sent):
        if rule.id in free:
            chosen[at] = rule.id
            del free[rule.id]
    for at, rule in enumerate(sent):
        equal = next((id_ for id_, other in free.items() if replace(rule, id=id_) == other), None)
        if at not in chosen and equal is not None:
            chosen[at] = equal
            del free[equal]
    for at in range(len(sent)):
        if at not in chosen and at < len(known) and known[at].id in free:
            chosen[at] = known[at].id
            del free[known[at].id]
    return tuple(replace(rule, id=chosen.get(at, chance_id[at])) for at, rule in enumerate(sent))


def _checked(tx: Tx, deed: Deed, changes: Mapping[str, Any], old: sa.Row[Any] | None) -> dict[str, Any]:
    """Column values for the given changes. Raises 400/2001 with one sentence for each breach."""
    columns = dict(changes)
    errors: list[str] = []
    if "name" in columns:
        columns["name"] = str(columns["name"] or "").strip()
        if not 1 <= len(columns["name"]) <= NAME_MOST:
            errors.append(f"Name must have between 1 and {NAME_MOST} characters")
        taken = tx.one(sa.select(escalation_policy.c.id).where(escalation_policy.c.name == columns["name"]))
        if taken is not None and (old is None or taken.id != old.id):
            raise Refusal(400, 2001, NAME_TAKEN)
    if columns.get("description") is not None and len(columns["description"]) > DESCRIPTION_MOST:
        errors.append(f"Description may have at most {DESCRIPTION_MOST} characters")
    if "num_loops" in columns and not 0 <= columns["num_loops"] <= MAX_LOOPS:
        errors.append(f"Number of loops must be between 0 and {MAX_LOOPS}")
    if columns.get("on_call_handoff_notifications", HANDOFFS[0]) not in HANDOFFS:
        errors.append(f"On call handoff notifications must be one of {', '.join(HANDOFFS)}")
    if columns.get("team_id") is not None and tx.one(sa.select(team.c.id).where(team.c.id == columns["team_id"])) is None:
        errors.append("Team not found")
    if "rules" in columns:
        sent = tuple(columns["rules"])
        before = {target["id"] for rule in old.rules for target in rule["targets"]} if old is not None else set()
        errors += _rules_errors(tx, deed.actor, sent, before)
        if not errors:
            fresh = [ids.object_id(deed.chance) for _ in sent]
            known = store.read_rules(old.rules) if old is not None else ()
            # As the database gives them back (lists, not tuples), so that what is the same compares equal.
            columns["rules"] = json.decode(json.encode(store.write_rules(same_level(known, sent, fresh))))
    if errors:
        raise invalid(*errors)
    return columns


def _rules_errors(tx: Tx, actor: Actor, rules: Sequence[Rule], before: Collection[str]) -> list[str]:
    """What is wrong with the levels. Nobody points at what they may not see; what was pointed at `before` may stay."""
    if not rules:
        return ["Escalation rules cannot be empty: a policy needs at least one level"]
    errors = []
    if len(rules) > MAX_RULES:
        errors.append(f"May have at most {MAX_RULES} escalation rules")
    for at, rule in enumerate(rules, start=1):
        if not 1 <= rule.delay_minutes <= MAX_DELAY_MINUTES:
            errors.append(f"Escalation rule {at}: the delay must be between 1 and {MAX_DELAY_MINUTES} minutes")
        if not rule.targets:
            errors.append(f"Escalation rule {at} needs at least one target")
        if len(rule.targets) > MAX_TARGETS:
            errors.append(f"May have at most {MAX_TARGETS} escalation targets")
        if len(set(rule.targets)) != len(rule.targets):
            errors.append(f"Escalation rule {at} names the same target twice")
    targets = {target for rule in rules for target in rule.targets}
    for kind, table in (("user", user), ("schedule", schedule)):
        wanted = {target.id for target in targets if target.type == kind}
        known = {row.id for row in tx.rows(sa.select(table.c.id).where(table.c.id.in_(sorted(wanted))))}
        known &= {*access.known(tx, actor, kind, table, known), *before}
        errors += [f"Target {kind} {id_} does not exist" for id_ in sorted(wanted - known)]
    errors += [f"A target must be a user or a schedule, not '{kind}'" for kind in {t.type for t in targets} - {"user", "schedule"}]
    return errors


def _keep_targets(tx: Tx, policy_id: str, rules: Sequence[Mapping[str, Any]]) -> None:
    tx.execute(sa.delete(policy_target).where(policy_target.c.policy_id == policy_id))
    named = {target["id"]: target["type"] for rule in rules for target in rule["targets"]}
    rows = [{"policy_id": policy_id, "target_id": id_, "target_type": kind} for id_, kind in sorted(named.items())]
    tx.execute(sa.insert(policy_target), rows)


def _told(tx: Tx, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a policy as an audit record tells them, under PagerDuty's names."""
    told = {key: columns[key] for key in _TOLD if key in columns}
    if "rules" in told:
        told["escalation_rules"] = told.pop("rules")
    if "team_id" in columns:
        row = tx.one(sa.select(team.c.id, team.c.name).where(team.c.id == columns["team_id"]))
        told["teams"] = [{"id": row.id, "type": "team_reference", "summary": row.name}] if row else []
    return told
