"""The only door to a thing for an actor: find it, or refuse without telling that it is there.

Laws:
1. What an actor may not read does not exist for it: 404, the same as an unknown id.
2. What it may read and not change is 403 with the reason.
3. Lists hold only what `find` would give.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.errors import Refusal, forbidden, not_found
from tocsin.core import permission
from tocsin.core.permission import Actor, Level, Thing
from tocsin.store import people as store_people
from tocsin.store.db import Tx
from tocsin.store.tables import business, handoffs, incidents, people, schedules, services

_policy_team = sa.select(services.escalation_policy.c.team_id)

TEAM_OF: Final[Mapping[str, sa.ColumnElement[str | None]]] = {
    "team": people.team.c.id,
    "escalation_policy": services.escalation_policy.c.team_id,
    "schedule": schedules.schedule.c.team_id,
    "business_service": business.business_service.c.team_id,
    "service": _policy_team.where(services.escalation_policy.c.id == services.service.c.escalation_policy_id)
    .correlate(services.service)
    .scalar_subquery(),
    "incident": _policy_team.where(services.escalation_policy.c.id == incidents.incident.c.policy_id)
    .correlate(incidents.incident)
    .scalar_subquery(),
}
"""By kind of thing, the team it belongs to, as a column of (or beside) its table. Other kinds belong to no team."""

OWNER_OF: Final[Mapping[str, sa.ColumnElement[str]]] = {
    "user": people.user.c.id,
    "contact_method": people.contact_method.c.user_id,
    "notification_rule": people.notification_rule.c.user_id,
    "oncall_handoff_notification_rule": handoffs.handoff_rule.c.user_id,
    "status_update_notification_rule": handoffs.status_update_rule.c.user_id,
    "session": people.session.c.user_id,
    "api_key": people.api_key.c.user_id,
}
"""By kind of thing, the person it belongs to."""


def visible(actor: Actor, kind: str) -> sa.ColumnElement[bool] | None:
    """A condition that leaves only what the actor may see in a list of `kind`; None when that is everything."""
    team = TEAM_OF.get(kind)
    if not permission.may(actor, permission.READ, Thing(kind, owner_id=actor.user_id if kind in OWNER_OF else None)).allowed:
        mine = tuple(name for name, role in actor.teams.items() if permission.TEAM_ROLES.get(role, Level.NONE) >= Level.OBSERVER)
        return sa.false() if team is None else team.in_(mine)
    if team is None or not actor.hidden_teams or actor.base >= Level.ADMIN:
        return None
    return sa.or_(team.is_(None), team.not_in(sorted(actor.hidden_teams)))


def allow(actor: Actor, action: str, thing: Thing) -> None:
    """Return if the actor may do this; raise the Refusal (404 when it must not know, else 403) otherwise."""
    verdict = permission.may(actor, action, thing)
    if not verdict.allowed:
        raise forbidden(verdict.reason) if verdict.is_visible else missing(thing.kind)


def find(tx: Tx, actor: Actor, kind: str, table: sa.Table, id_: str, action: str = permission.READ) -> sa.Row[Any]:
    """The row of this thing, locked if it is to be changed. Raises a Refusal: 404 when it is not there for the actor.

    A page that shows a form reads what it may change: in a transaction that only reads, nothing is locked.
    """
    columns: list[sa.ColumnElement[Any]] = [*table.c]
    for name, extra in (("_team", TEAM_OF.get(kind)), ("_owner", OWNER_OF.get(kind))):
        if extra is not None:
            columns.append(extra.label(name))
    statement = sa.select(*columns).where(table.c.id == id_)
    if action != permission.READ and tx.may_write:
        statement = statement.with_for_update(of=table)
    row = tx.one(statement)
    if row is None:
        raise missing(kind)
    allow(actor, action, thing_of(kind, row))
    return row


def known(tx: Tx, actor: Actor, kind: str, table: sa.Table, ids: Iterable[str]) -> dict[str, Thing]:
    """Of these things those that the actor may see, by id, in one read: what may be named to it."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    columns: list[sa.ColumnElement[Any]] = [table.c.id]
    for name, extra in (("_team", TEAM_OF.get(kind)), ("_owner", OWNER_OF.get(kind))):
        if extra is not None:
            columns.append(extra.label(name))
    things = [thing_of(kind, row) for row in tx.rows(sa.select(*columns).where(table.c.id.in_(wanted)))]
    return {thing.id: thing for thing in things if permission.may(actor, permission.READ, thing).allowed}


def memberships(tx: Tx, actor: Actor, user_ids: Sequence[str]) -> dict[str, list[sa.Row[Any]]]:
    """By user, the teams (with `role`) each is in, by name; without private teams of which the actor may not know."""
    found = store_people.memberships(tx, user_ids)
    teams = known(tx, actor, "team", people.team, (row.id for rows in found.values() for row in rows))
    return {user_id: [row for row in found.get(user_id, ()) if row.id in teams] for user_id in user_ids}


def missing(kind: str) -> Refusal:
    """The refusal that says neither more nor less than that there is no such thing here for you."""
    return not_found(kind.replace("_", " ").title())


def thing_of(kind: str, row: sa.Row[Any]) -> Thing:
    """What the permission function needs to know of a row that `find` read."""
    team = getattr(row, "_team", None)
    return Thing(kind, row.id, frozenset({team} if team else ()), getattr(row, "_owner", None))
