"""Teams and who is in them, as PagerDuty's API shows them (BEHAVIOUR 6, tag Teams)."""

from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import among
from tocsin.api.kernel.spec import Body, Link, Reference, Report, Resource, Rows, given
from tocsin.api.kernel.verbs import including
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.service import access, people
from tocsin.store import people as store
from tocsin.store.tables.people import team, team_member, user
from tocsin.store.tables.services import escalation_policy

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Role = Literal["manager", "responder", "observer"]


class TeamWrite(msgspec.Struct):
    """What a client may say of a team."""

    name: Name | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1024)] | UnsetType | None = UNSET
    default_role: Literal["manager", "none"] | UnsetType = UNSET
    parent: Reference | UnsetType | None = UNSET


class MemberWrite(msgspec.Struct):
    """The optional body of adding somebody to a team."""

    role: Role | None = None


def shown(call: Call, rows: Rows) -> list[Body]:
    """Teams as bodies."""
    parents = store.teams(call.tx, (row.parent_id for row in rows if row.parent_id))
    return [
        {
            **envelope.common(call.house, "team", row.id, row.name),
            "name": row.name,
            "description": row.description or "",
            "default_role": row.default_role,
            "parent": envelope.reference(call.house, "team", parents[row.parent_id].id, parents[row.parent_id].name)
            if row.parent_id in parents
            else None,
        }
        | ({"privileges": _privileges(call, row.id)} if "privileges" in call.includes else {})
        for row in rows
    ]


def _privileges(call: Call, team_id: str) -> Body:
    thing = permission.Thing("team", team_id, frozenset({team_id}))
    verbs = (permission.READ, permission.UPDATE, permission.DELETE)
    return {"permissions": [verb for verb in verbs if permission.may(call.actor, verb, thing).allowed]}


def values(call: Call, body: TeamWrite, old: sa.Row[Any] | None) -> dict[str, Any]:
    """Checked column values of a team."""
    columns = given(body, "name", "description", "default_role")
    if old is None and "name" not in columns:
        raise invalid("Name cannot be empty")
    if "name" in columns:
        columns["name"] = columns["name"].strip()
        if not columns["name"]:
            raise invalid("Name cannot be empty")
        taken = store.team_named(call.tx, columns["name"])
        if taken is not None and (old is None or taken.id != old.id):
            raise invalid("Name has already been taken")
    if body.parent is not UNSET:
        columns["parent_id"] = _parent(call, body.parent.id if body.parent else None, old)
    if old is None:
        columns.setdefault("default_role", "manager")
    return columns


def _parent(call: Call, parent_id: str | None, old: sa.Row[Any] | None) -> str | None:
    """The id of a parent that is there and is neither the team itself nor below it."""
    at = parent_id
    while at is not None:
        above = access.find(call.tx, call.actor, "team", team, at)
        if old is not None and above.id == old.id:
            raise invalid("A team cannot be its own parent, or below itself")
        at = above.parent_id
    return parent_id


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a team; what belongs to it goes to `reassignment_team`, or to no team."""
    heir = call.query.one("reassignment_team")
    if heir is not None and not access.known(call.tx, call.actor, "team", team, [heir]):
        raise invalid("reassignment_team must be the id of another team")
    people.release_team(call.tx, call.deed, row.id, reassign_to=heir)
    call.tx.execute(sa.delete(team).where(team.c.id == row.id))


def members(call: Call) -> Body:
    """A page of a team's members with their roles."""
    call = including(call, frozenset({"users"}))
    access.find(call.tx, call.actor, "team", team, call.id)
    window = paging.window(call.query)
    joined = team_member.join(user, user.c.id == team_member.c.user_id)
    chosen = sa.select(user.c.id, user.c.name, team_member.c.role).select_from(joined).where(team_member.c.team_id == call.id)
    rows = call.tx.rows(chosen.order_by(user.c.name, user.c.id).limit(window.limit + 1).offset(window.offset))
    total = call.tx.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) if window.wants_total else None
    listed = [
        {"user": envelope.reference(call.house, "user", row.id, row.name), "role": row.role} for row in rows[: window.limit]
    ]
    return {"members": listed, **window.answer(more=len(rows) > window.limit, total=total)}


def take_policy(call: Call, _body: None) -> None:
    """Give an escalation policy to a team."""
    _move_policy(call, call.id)


def drop_policy(call: Call) -> None:
    """Take an escalation policy from a team; one that is not the team's stays as it is (BEHAVIOUR 4)."""
    access.find(call.tx, call.actor, "escalation_policy", escalation_policy, call.params["escalation_policy_id"])
    _move_policy(call, None)


def _move_policy(call: Call, team_id: str | None) -> None:
    access.find(call.tx, call.actor, "team", team, call.id, permission.UPDATE)
    policy_id = call.params["escalation_policy_id"]
    policy = access.find(call.tx, call.actor, "escalation_policy", escalation_policy, policy_id, permission.UPDATE)
    if team_id is not None or policy.team_id == call.id:
        people.give_policy(call.tx, call.deed, policy, team_id)


def join(call: Call, body: MemberWrite) -> None:
    """Put somebody into a team, or give them another role in it."""
    access.find(call.tx, call.actor, "team", team, call.id, permission.UPDATE)
    people.join_team(call.tx, call.deed, call.id, call.params["user_id"], body.role)


def leave(call: Call) -> None:
    """Take somebody out of a team."""
    access.find(call.tx, call.actor, "team", team, call.id, permission.UPDATE)
    people.leave_team(call.tx, call.deed, call.id, call.params["user_id"])


TEAMS = Resource(
    name="team",
    plural="teams",
    path="/teams",
    tag="Teams",
    table=team,
    read=shown,
    write=TeamWrite,
    values=values,
    delete=remove,
    searched=(team.c.name, team.c.description),
    filters={"team_ids[]": among(team.c.id)},
    order=(team.c.name,),
    includes=frozenset({"privileges"}),
)

DECLARED = (
    TEAMS,
    Report("/teams/{id}/members", "Teams", members, scope="teams.read"),
    Link(path="/teams/{id}/users/{user_id}", tag="Teams", join=join, part=leave, body=MemberWrite, scope="teams"),
    Link(
        path="/teams/{id}/escalation_policies/{escalation_policy_id}",
        tag="Teams",
        join=take_policy,
        part=drop_policy,
        scope="teams",
    ),
)
