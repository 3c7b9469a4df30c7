"""Rows of people: users, keys, contact methods, rules, teams and memberships. Reading many at once where lists need it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import people, schedules, services

Row = sa.Row[Any]


def fold_email(email: str) -> str:
    """The form by which two addresses are the same account."""
    return email.strip().casefold()


def user(tx: Tx, user_id: str) -> Row | None:
    return tx.one(sa.select(people.user).where(people.user.c.id == user_id))


def users(tx: Tx, ids: Iterable[str]) -> dict[str, Row]:
    """Users by id, in one read; unknown ids are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {row.id: row for row in tx.rows(sa.select(people.user).where(people.user.c.id.in_(wanted)))}


def user_by_email(tx: Tx, email: str) -> Row | None:
    return tx.one(sa.select(people.user).where(people.user.c.email_folded == fold_email(email)))


def owner(tx: Tx) -> Row | None:
    """The account's owner."""
    return tx.one(sa.select(people.user).where(people.user.c.role == "owner").order_by(people.user.c.created_at))


def teams(tx: Tx, ids: Iterable[str]) -> dict[str, Row]:
    """Teams by id, in one read; unknown ids are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {row.id: row for row in tx.rows(sa.select(people.team).where(people.team.c.id.in_(wanted)))}


def team_named(tx: Tx, name: str) -> Row | None:
    return tx.one(sa.select(people.team).where(people.team.c.name == name))


def memberships(tx: Tx, user_ids: Sequence[str]) -> dict[str, list[Row]]:
    """By user, the teams (with `role`) each is in, by name."""
    found: dict[str, list[Row]] = defaultdict(list)
    if user_ids:
        joined = people.team.join(people.team_member, people.team_member.c.team_id == people.team.c.id)
        statement = (
            sa.select(people.team, people.team_member.c.user_id, people.team_member.c.role)
            .select_from(joined)
            .where(people.team_member.c.user_id.in_(user_ids))
            .order_by(people.team.c.name, people.team.c.id)
        )
        for row in tx.rows(statement):
            found[row.user_id].append(row)
    return found


def membership(tx: Tx, team_id: str, user_id: str) -> Row | None:
    table = people.team_member
    return tx.one(sa.select(table).where(table.c.team_id == team_id, table.c.user_id == user_id))


def private_teams(tx: Tx) -> frozenset[str]:
    """Ids of teams whose things only members see."""
    return frozenset(row.id for row in tx.rows(sa.select(people.team.c.id).where(people.team.c.default_role == "none")))


def contact_methods(tx: Tx, user_ids: Sequence[str]) -> dict[str, list[Row]]:
    """By user, the contact methods in the order they are fallen back on."""
    return _by_user(tx, people.contact_method, user_ids, people.contact_method.c.position)


def notification_rules(tx: Tx, user_ids: Sequence[str]) -> dict[str, list[Row]]:
    """By user, the notification rules, soonest first."""
    return _by_user(tx, people.notification_rule, user_ids, people.notification_rule.c.start_delay_in_minutes)


def _by_user(tx: Tx, table: sa.Table, user_ids: Sequence[str], order: sa.ColumnElement[Any]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    if user_ids:
        for row in tx.rows(
            sa.select(table).where(table.c.user_id.in_(user_ids)).order_by(order, table.c.created_at, table.c.id)
        ):
            found[row.user_id].append(row)
    return found


def key_by_digests(tx: Tx, digests: Sequence[str]) -> Row | None:
    """The API key with one of these digests, whatever its state."""
    return tx.one(sa.select(people.api_key).where(people.api_key.c.digest.in_(digests)))


def note_key_use(tx: Tx, key_id: str, at: datetime) -> None:
    tx.execute(sa.update(people.api_key).where(people.api_key.c.id == key_id).values(last_used_at=at))


def naming_user(tx: Tx, user_id: str) -> Mapping[str, Sequence[Row]]:
    """What names this user and would miss them: escalation policies and schedules (id and name)."""
    policy, target = services.escalation_policy, services.policy_target
    schedule, link = schedules.schedule, schedules.schedule_user
    return {
        "escalation_policy": tx.rows(
            sa.select(policy.c.id, policy.c.name)
            .where(policy.c.id.in_(sa.select(target.c.policy_id).where(target.c.target_id == user_id)))
            .order_by(policy.c.name, policy.c.id)
        ),
        "schedule": tx.rows(
            sa.select(schedule.c.id, schedule.c.name)
            .where(schedule.c.id.in_(sa.select(link.c.schedule_id).where(link.c.user_id == user_id)))
            .order_by(schedule.c.name, schedule.c.id)
        ),
    }
