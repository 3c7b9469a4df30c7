"""Load escalation policies and whose turn it is on their round-robin levels."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.core.escalation import Policy, Rule
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables import people, schedules
from tocsin.store.tables import services as tables

_policy = tables.escalation_policy.c


_IDS: Final[sa.BindParameter[str]] = sa.bindparam("ids", expanding=True)
_LOAD: Final = sa.select(_policy.id, _policy.name, _policy.rules, _policy.num_loops).where(_policy.id.in_(_IDS))
_USERS: Final = sa.select(people.user.c.id, people.user.c.name, people.user.c.is_disabled).where(people.user.c.id.in_(_IDS))
_SCHEDULES: Final = sa.select(schedules.schedule.c.id, schedules.schedule.c.name).where(schedules.schedule.c.id.in_(_IDS))


def load(tx: Tx, policy_ids: Collection[str]) -> dict[str, Policy]:
    """These policies as they are now, by id."""
    rows = tx.rows(_LOAD, {"ids": sorted(policy_ids)})
    return {row.id: Policy(row.id, row.name, read_rules(row.rules), row.num_loops) for row in rows}


def read_rules(rules: list[dict[str, Any]]) -> tuple[Rule, ...]:
    """A policy's levels from their JSON: the fields of `core.escalation.Rule`."""
    return msgspec.convert(rules, tuple[Rule, ...])


def write_rules(rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
    """A policy's levels as JSON."""
    built: list[dict[str, Any]] = msgspec.to_builtins(rules)
    return list(built)


def turns(tx: Tx, rule_ids: Collection[str]) -> dict[str, int]:
    """Whose turn it is on these round-robin levels; a level that never had one is at 0."""
    table = tables.round_robin.c
    rows = tx.rows(sa.select(table.rule_id, table.turn).where(table.rule_id.in_(sorted(rule_ids))).with_for_update())
    return dict.fromkeys(rule_ids, 0) | {row.rule_id: row.turn for row in rows}


def set_turns(tx: Tx, changed: Mapping[str, int]) -> None:
    rows = [{"rule_id": rule_id, "turn": turn} for rule_id, turn in changed.items()]
    dialect.upsert(tx.connection, tables.round_robin, rows, ["rule_id"])


def unavailable(tx: Tx, user_ids: Collection[str]) -> dict[str, str]:
    """Which of these people cannot be paged at all, and why."""
    rows = tx.rows(_USERS, {"ids": sorted(user_ids)})
    known = {row.id: row for row in rows}
    found = {user_id: f"user {user_id} no longer exists" for user_id in user_ids if user_id not in known}
    return found | {row.id: f"{row.name}'s account is disabled" for row in rows if row.is_disabled}


def schedule_names(tx: Tx, schedule_ids: Collection[str]) -> dict[str, str]:
    """What these schedules are called; those that no longer exist are missing."""
    rows = tx.rows(_SCHEDULES, {"ids": sorted(schedule_ids)})
    return {row.id: row.name for row in rows}
