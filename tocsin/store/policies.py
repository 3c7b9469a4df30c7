"""Load escalation policies and whose turn it is on their round-robin levels."""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

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


class Turn(NamedTuple):
    """How many turns a round-robin level has used, and the target that had the last one (None: nobody yet)."""

    used: int
    target_id: str | None


def turns(tx: Tx, rule_ids: Collection[str]) -> dict[str, Turn]:
    """The turns of these round-robin levels, held until the transaction ends: of two nodes one waits for the other."""
    table = tables.round_robin
    wanted = sorted(rule_ids)
    held = sa.select(table).where(table.c.rule_id.in_(wanted)).order_by(table.c.rule_id).with_for_update()
    rows = tx.rows(held)
    if len(rows) < len(wanted):
        fresh = dialect.insert(tx.connection, table).on_conflict_do_nothing(index_elements=["rule_id"])
        there = {row.rule_id for row in rows}
        tx.execute(fresh, [{"rule_id": id_, "turn": 0, "last_target_id": None} for id_ in wanted if id_ not in there])
        rows = tx.rows(held)
    return {row.rule_id: Turn(row.turn, row.last_target_id) for row in rows}


def last_turns(tx: Tx, rule_ids: Collection[str]) -> dict[str, str]:
    """By round-robin level the target that had the last turn, as it stands and without holding it."""
    table = tables.round_robin.c
    rows = tx.rows(sa.select(table.rule_id, table.last_target_id).where(table.rule_id.in_(sorted(rule_ids))))
    return {row.rule_id: row.last_target_id for row in rows if row.last_target_id}


def set_turns(tx: Tx, changed: Mapping[str, Turn]) -> None:
    """Keep these turns."""
    rows = [{"rule_id": rule_id, "turn": turn.used, "last_target_id": turn.target_id} for rule_id, turn in changed.items()]
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
