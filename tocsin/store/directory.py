"""Rows as a directory sees them: users and teams with what the directory says of each, and who is in which team."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables.entrance import scim_group, scim_user
from tocsin.store.tables.people import team, team_member, user

Row = sa.Row[Any]

_USERS = sa.select(user, scim_user.c.external_id, scim_user.c.user_name, scim_user.c.updated_at).outerjoin(
    scim_user, scim_user.c.user_id == user.c.id
)
_TEAMS = sa.select(team, scim_group.c.external_id, scim_group.c.updated_at).outerjoin(scim_group, scim_group.c.team_id == team.c.id)


def users(tx: Tx, which: Sequence[sa.ColumnElement[bool]] = ()) -> Sequence[Row]:
    """Every user for whom the conditions hold, in the order in which they came."""
    return tx.rows(_USERS.where(*which).order_by(user.c.created_at, user.c.id))


def user_of(tx: Tx, user_id: str, *, lock: bool = False) -> Row | None:
    """This user; with `lock` nobody else changes them until the transaction ends."""
    statement = _USERS.where(user.c.id == user_id)
    return tx.one(statement.with_for_update(of=user) if lock else statement)


def is_named(name: str) -> sa.ColumnElement[bool]:
    """That a user goes by this name: the directory's name for them or, without one, their address."""
    folded = name.strip().casefold()
    return sa.or_(scim_user.c.user_name_folded == folded, sa.and_(scim_user.c.user_name_folded.is_(None), user.c.email_folded == folded))


def has_address(address: str) -> sa.ColumnElement[bool]:
    return user.c.email_folded == address.strip().casefold()


def is_called_outside(external_id: str) -> sa.ColumnElement[bool]:
    return scim_user.c.external_id == external_id


def keep_user(tx: Tx, user_id: str, *, external_id: str | None, user_name: str | None, now: datetime) -> None:
    """Write down what the directory says of a user."""
    row = {
        "user_id": user_id, "external_id": external_id, "user_name": user_name,
        "user_name_folded": user_name.strip().casefold() if user_name else None, "updated_at": now,
    }  # fmt: skip
    dialect.upsert(tx.connection, scim_user, [row], ["user_id"])


def set_disabled(tx: Tx, user_id: str, *, is_disabled: bool) -> None:
    tx.execute(sa.update(user).where(user.c.id == user_id).values(is_disabled=is_disabled))


def teams(tx: Tx, which: Sequence[sa.ColumnElement[bool]] = ()) -> Sequence[Row]:
    """Every team for which the conditions hold, in the order in which they came."""
    return tx.rows(_TEAMS.where(*which).order_by(team.c.created_at, team.c.id))


def team_of(tx: Tx, team_id: str, *, lock: bool = False) -> Row | None:
    statement = _TEAMS.where(team.c.id == team_id)
    return tx.one(statement.with_for_update(of=team) if lock else statement)


def keep_team(tx: Tx, team_id: str, *, external_id: str | None, now: datetime) -> None:
    """Write down what the directory says of a team."""
    dialect.upsert(tx.connection, scim_group, [{"team_id": team_id, "external_id": external_id, "updated_at": now}], ["team_id"])


def rename_team(tx: Tx, team_id: str, name: str) -> None:
    tx.execute(sa.update(team).where(team.c.id == team_id).values(name=name))


def drop_team(tx: Tx, team_id: str) -> None:
    tx.execute(sa.delete(team).where(team.c.id == team_id))


def members(tx: Tx, team_ids: Iterable[str]) -> Mapping[str, Sequence[Row]]:
    """By team, who is in it: `id` and `name`, in the order of ids."""
    found: dict[str, list[Row]] = defaultdict(list)
    wanted = sorted(set(team_ids))
    if wanted:
        link = team_member.c
        chosen = sa.select(link.team_id, user.c.id, user.c.name).join(user, user.c.id == link.user_id)
        for row in tx.rows(chosen.where(link.team_id.in_(wanted)).order_by(link.team_id, user.c.id)):
            found[row.team_id].append(row)
    return found
