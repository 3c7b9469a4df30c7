"""One person takes another's place everywhere, from now on, in one call: policies, schedules, overrides, incidents, teams.

Laws:
1. What is touched is listed before and after in the same words (`places`), so that a look and the deed tell the same.
2. All of it is done or none; each thing that changes leaves its own audit record.
3. What was is not rewritten (`succession`); incidents keep the policy they started with, as with every edit of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import times
from tocsin.base.errors import invalid, not_found
from tocsin.core.events import Agent
from tocsin.service import people, succession
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store import people as rows
from tocsin.store.db import Tx
from tocsin.store.tables import incidents
from tocsin.store.tables.calendars import followed_calendar

KEEP, REASSIGN = "keep", "reassign"
JOIN, MOVE = "join", "move"
INCIDENTS: Final = (KEEP, REASSIGN)
"""What becomes of the open incidents somebody holds: they stay theirs, or go to the successor."""
TEAMS: Final = (KEEP, JOIN, MOVE)
"""What becomes of their teams: nothing, the successor joins them too, or joins them and they leave."""
UNTIL_READ: Final = "has their turns until the calendar that it follows is read again: name them in that calendar too"


@dataclass(frozen=True, slots=True)
class Place:
    """One thing in which the person is replaced, and what becomes of it in words."""

    kind: str  # escalation_policy | schedule | override | incident | team
    id: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Who takes the place, and what else goes over to them. Raises 400 for a word that is none of the choices."""

    by: str
    incidents: str = KEEP
    teams: str = KEEP

    def __post_init__(self) -> None:
        if self.incidents not in INCIDENTS:
            raise invalid(f"incidents must be one of {', '.join(INCIDENTS)}")
        if self.teams not in TEAMS:
            raise invalid(f"teams must be one of {', '.join(TEAMS)}")


def places(tx: Tx, user_id: str, wish: Wish, now: datetime) -> tuple[Place, ...]:
    """Everything that `replace` would touch, in the order policies, schedules, overrides, incidents, teams."""
    naming = rows.naming_user(tx, user_id)
    found = [Place("escalation_policy", row.id, row.name, "is named in their place") for row in naming["escalation_policy"]]
    following = {row.schedule_id for row in tx.rows(sa.select(followed_calendar.c.schedule_id))}
    found += [Place("schedule", row.id, row.name, UNTIL_READ if row.id in following else "has their turns from now on") for row in naming["schedule"]]
    found += [
        Place("override", row.id, row.name, f"stands in from {times.iso(max(row.start_at, now))} to {times.iso(row.end_at)}")
        for row in succession.coming_overrides(tx, user_id, now)
    ]
    if wish.incidents == REASSIGN:
        found += [Place("incident", row.id, f"#{row.number} {row.title}", "is assigned to it by hand, and it does not escalate by itself any more") for row in _held(tx, user_id)]
    if wish.teams != KEEP:
        leaves = " and they leave it" if wish.teams == MOVE else ""
        found += [Place("team", row.id, row.name, f"joins it as {row.role}{leaves}") for row in rows.memberships(tx, [user_id])[user_id]]
    return tuple(found)


def replace(tx: Tx, deed: Deed, user_id: str, wish: Wish) -> tuple[Place, ...]:
    """Put `wish.by` in the place of `user_id`; answers what was touched. Raises 404 and 400 with the reason."""
    user, successor = rows.user(tx, user_id), rows.user(tx, wish.by)
    if user is None:
        raise not_found("User")
    if successor is None or wish.by == user_id:
        raise invalid("by must be the id of another user")
    if successor.is_disabled:
        raise invalid(f"{successor.name}'s account is disabled: nobody can be paged in their place")
    touched = places(tx, user_id, wish, deed.now)
    succession.replace_everywhere(tx, deed, user_id, wish.by)
    if wish.incidents == REASSIGN:
        _reassign(tx, deed, user_id, wish.by)
    if wish.teams != KEEP:
        for team in rows.memberships(tx, [user_id])[user_id]:
            if rows.membership(tx, team.id, wish.by) is None:
                people.join_team(tx, deed, team.id, wish.by, team.role)
            if wish.teams == MOVE:
                people.leave_team(tx, deed, team.id, user_id)
    return touched


def _reassign(tx: Tx, deed: Deed, user_id: str, by: str) -> None:
    agent: Agent = deed.actor.agent
    with Desk(tx, now=deed.now, chance=deed.chance) as desk:
        for row in _held(tx, user_id):
            holders = [by if one == user_id else one for one in desk.incident(row.id).user_ids]
            desk.reassign(row.id, agent, "api" if deed.actor.method != "browser" else "website", holders)


def _held(tx: Tx, user_id: str) -> Sequence[sa.Row[Any]]:
    """The open incidents that are assigned to somebody."""
    incident, link = incidents.incident.c, incidents.assignee.c
    mine = sa.select(link.incident_id).where(link.user_id == user_id)
    statement = sa.select(incident.id, incident.number, incident.title).where(incident.id.in_(mine), incident.status != "resolved")
    return tx.rows(statement.order_by(incident.number))
