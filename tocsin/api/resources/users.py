"""Users, as PagerDuty's API shows them (BEHAVIOUR 6, tag Users)."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api import feeds
from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Reference, Report, Resource, Rows, given
from tocsin.api.resources import contact_methods, licenses, notification_rules
from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.core.permission import Level
from tocsin.service import access, calendars, people
from tocsin.store import people as store
from tocsin.store.tables.people import account, team_member, user

NO_IDENTITY = (
    "Because this request was made using an account-level access token, we were unable to determine the user's identity. "
    "Please use a user-level token."
)
"""PagerDuty's Python client tells kinds of keys apart by these words (BEHAVIOUR 6)."""

INCLUDES = frozenset({"contact_methods", "notification_rules", "teams", "subdomains", "calendar_urls"})


class UserWrite(msgspec.Struct):
    """What a client may say of a user. Lengths and addresses are checked by the service, with PagerDuty's sentences."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    time_zone: Annotated[str, Meta(max_length=64)] | UnsetType | None = UNSET
    color: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET
    job_title: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    license: Reference | UnsetType | None = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Users as bodies; teams, contact methods and rules as references unless included."""
    ids = [row.id for row in rows]
    teams = access.memberships(call.tx, call.actor, ids)
    methods, rules = store.contact_methods(call.tx, ids), store.notification_rules(call.tx, ids)
    home = call.tx.one(sa.select(account.c.time_zone, account.c.subdomain))
    kinds = {method.id: method.kind for one in methods.values() for method in one}
    return [
        {
            **envelope.common(call.house, "user", row.id, row.name),
            "name": row.name,
            "email": row.email,
            "time_zone": row.time_zone or (home.time_zone if home else "Etc/UTC"),
            "color": row.color,
            "avatar_url": "",
            "billed": True,
            "role": row.role,
            "description": row.description,
            "invitation_sent": False,
            "job_title": row.job_title or "",
            "created_via_sso": False,
            "teams": [_team(call, team) for team in teams[row.id]],
            "contact_methods": [
                contact_methods.body(call, method) if "contact_methods" in call.includes else contact_methods.reference(call, method)
                for method in methods[row.id]
            ],
            "notification_rules": [
                notification_rules.body(call, rule, kinds)
                if "notification_rules" in call.includes
                else notification_rules.reference(call, rule)
                for rule in rules[row.id]
            ],
        }
        | ({"subdomains": [home.subdomain] if home else []} if "subdomains" in call.includes else {})
        | (_calendar(call, row) if call.request.method == "GET" and call.params.get("id") == row.id else {})
        for row in rows
    ]


def _calendar(call: Call, row: sa.Row[Any]) -> Body:
    """The addresses of the person's calendar: for themselves, and for admins who ask (they open it to whoever has them)."""
    is_own = call.actor.kind == "user" and call.actor.id == row.id
    is_asked = "calendar_urls" in call.includes and call.actor.base >= Level.ADMIN and not call.actor.is_read_only
    return feeds.addresses(call.seals, call.house.base_url, "user", row.id, row.calendar_digest) if is_own or is_asked else {}


def _team(call: Call, team: sa.Row[Any]) -> Body:
    if "teams" not in call.includes:
        return envelope.reference(call.house, "team", team.id, team.name)
    whole = {"name": team.name, "description": team.description or "", "default_role": team.default_role}
    return {**envelope.common(call.house, "team", team.id, team.name), **whole}


def create(call: Call, body: UserWrite) -> str:
    """A new user. Without name and address there is none."""
    sent = _sent(body)
    if missing := [f"{name.capitalize()} cannot be empty" for name in ("name", "email") if not sent.get(name)]:
        raise invalid(*missing)
    if isinstance(body.license, Reference):
        licenses.check(body.license.id, sent.setdefault("role", "user"))
    return people.create_user(call.tx, call.deed, **sent)


def update(call: Call, row: sa.Row[Any], body: UserWrite) -> None:
    """Change what was sent."""
    sent = _sent(body)
    if isinstance(body.license, Reference):
        licenses.check(body.license.id, sent.get("role", row.role))
    people.update_user(call.tx, call.deed, row.id, sent)


def _sent(body: UserWrite) -> dict[str, Any]:
    sent = given(body, "name", "email", "time_zone", "color", "role", "job_title", "description")
    return {name: value for name, value in sent.items() if value is not None or name not in {"role", "color"}}


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a user nothing depends on; `replace_by` first puts another one in their place on escalation policies."""
    people.delete_user(call.tx, call.deed, row.id, replace_by=call.query.one("replace_by"))


def me(call: Call) -> Body:
    """The user whose key this is."""
    found = store.user(call.tx, call.actor.id) if call.actor.kind == "user" else None
    if found is None:
        raise Refusal(400, 2001, NO_IDENTITY, plain=True)
    return shown(call, [found])[0] | _calendar(call, found)


def regenerate(call: Call) -> Body:
    """A new key for the addresses of somebody's calendar: their own, or by an admin. The old addresses answer no more."""
    row = access.find(call.tx, call.actor, "user", user, call.id, permission.UPDATE)
    return {"private_url_key": calendars.regenerate(call.tx, call.deed, call.seals, "user", row.id)}


USERS = Resource(
    name="user",
    plural="users",
    path="/users",
    tag="Users",
    table=user,
    read=shown,
    write=UserWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    searched=(user.c.name, user.c.email),
    filters={
        "team_ids[]": lambda _call, ids: user.c.id.in_(sa.select(team_member.c.user_id).where(team_member.c.team_id.in_(ids))),
    },
    order=(user.c.name,),
    includes=INCLUDES,
    from_needed=True,
)

DECLARED = (
    USERS,
    Report("/users/me", "Users", me, wrap_out="user", includes=INCLUDES),
    Action(method="POST", path="/users/{id}/regenerate_private_url_key", tag="Users", run=regenerate, scope="users.write"),
)
