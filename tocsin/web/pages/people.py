"""Pages of people and teams: who is here, what they may do, and, for admins, coming and going."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.core.permission import ASSIGN_ROLE, BASE_ROLES, CREATE, DELETE, TEAM_ROLES, UPDATE, Level, Thing
from tocsin.service import access, browsing, people, roster, sessions, teams
from tocsin.store import people as rows
from tocsin.store import self_tests as tested_rows
from tocsin.store.db import Tx
from tocsin.store.tables.people import team, user
from tocsin.web import wording
from tocsin.web.visit import PREFIX, Page, View, Visit

ROLES = [(role, level.words) for role, level in BASE_ROLES.items() if level is not Level.OWNER and not role.startswith("read_only")]
"""Roles to choose from, with their words; the owner hands over elsewhere, stakeholders are made through the API."""


def role_words(role: str) -> str:
    """What a base role is called."""
    return "Stakeholder" if role.startswith("read_only") else BASE_ROLES[role].words if role in BASE_ROLES else role


# --- People ----------------------------------------------------------------------------------------------------------


def list_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    found = browsing.users(tx, visit.who)
    ids = [row.id for row in found]
    return {
        "rows": found,
        "teams_of": access.memberships(tx, visit.who, ids),
        "ways_of": rows.contact_methods(tx, ids),
        "proofs": tested_rows.proofs(tx) if visit.who.base >= Level.MANAGER else None,
        "role_words": role_words,
        "roles": ROLES,
        "may_create": permission.may(visit.who, CREATE, Thing("user")).allowed,
        "problem": "",
    }


def create(visit: Visit) -> Response:
    """A new person, and the link by which they set a password: shown once, to be handed over."""
    entry, front = visit.entry, visit.front
    name = entry.text("name", "a name", least=1, most=people.NAME_MOST)
    email = entry.email("email", "an e-mail address")
    role = entry.choice("role", "a role", dict(ROLES))
    problem = ""
    if entry.is_good:
        try:
            with front.db.write() as tx:
                access.allow(visit.who, CREATE, Thing("user"))
                user_id = people.create_user(tx, visit.deed, name=name, email=email, role=role)
                link = sessions.welcome_link(tx, front.seals, user_id, now=visit.now)
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            problem = " ".join(refusal.errors)
        else:
            return _welcome(visit, user_id, link)
    with front.db.read() as tx:
        return visit.page("people.html", {**list_facts(visit, tx), "problem": problem}, status=422)


def _welcome(visit: Visit, user_id: str, link: str) -> Response:
    with visit.front.db.read() as tx:
        person = rows.user(tx, user_id)
    address = f"{visit.front.settings.base_url}{PREFIX}/welcome/{link}"
    response = visit.page("secret.html", {"title": f"A link for {person.name if person else ''}", "secret": address, "back": f"{PREFIX}/people/{user_id}", "words": "With this link they set a password and sign in. It works once, for three days. Send it to them by a way you trust; it is not shown again."})
    response.headers["Cache-Control"] = "no-store"
    return response


def one_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "user", user, visit.segment("id"))
    thing = Thing("user", row.id, owner_id=row.id)
    may_see_ways = permission.may(visit.who, permission.READ, Thing("contact_method", owner_id=row.id)).allowed
    return {
        "person": row,
        "teams": access.memberships(tx, visit.who, [row.id])[row.id],
        "ways": rows.contact_methods(tx, [row.id])[row.id] if may_see_ways else [],
        "rules": rows.notification_rules(tx, [row.id])[row.id] if may_see_ways else [],
        "proofs": tested_rows.proofs(tx, [row.id]) if may_see_ways else {},
        "duties": roster.duties(tx, row.id, visit.now),
        "role_words": role_words,
        "roles": ROLES,
        "may_assign": permission.may(visit.who, ASSIGN_ROLE, thing).allowed and row.role != "owner",
        "may_delete": permission.may(visit.who, DELETE, thing).allowed and row.role != "owner" and row.id != visit.who.id,
        "others": [other for other in browsing.users(tx, visit.who) if other.id != row.id],
        "wording": wording,
        "problem": "",
    }


def act(visit: Visit) -> Response:
    """Another role, a new link, or leaving."""
    user_id, verb, front = visit.segment("id"), visit.entry.typed("do"), visit.front
    here = f"{PREFIX}/people/{user_id}"
    try:
        with front.db.write() as tx:
            row = access.find(tx, visit.who, "user", user, user_id)
            thing = Thing("user", user_id)
            if verb == "role":
                role = visit.entry.choice("role", "a role", dict(ROLES))
                if not visit.entry.is_good:
                    raise invalid("Choose a role")
                people.update_user(tx, visit.deed, user_id, {"role": role})
                return visit.go(here, said=f"{row.name} is {role_words(role)} now")
            if verb == "link":
                access.allow(visit.who, ASSIGN_ROLE, thing)
                if row.role == "owner" and visit.who.id != user_id:
                    raise invalid("Only the Account Owner may change their own password")
                return _welcome(visit, user_id, sessions.welcome_link(tx, front.seals, user_id, now=visit.now))
            if verb == "delete":
                access.allow(visit.who, DELETE, thing)
                people.delete_user(tx, visit.deed, user_id, replace_by=visit.entry.typed("replace_by") or None)
                return visit.go(f"{PREFIX}/people", said=f"{row.name} is gone")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with front.db.read() as tx:
            return visit.page("person.html", {**one_facts(visit, tx), "problem": " · ".join(refusal.errors)}, status=422)
    return visit.go(here)


# --- Teams -----------------------------------------------------------------------------------------------------------


def team_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    found = browsing.teams(tx, visit.who)
    return {
        "rows": found,
        "members": browsing.members(tx, [row.id for row in found]),
        "people": browsing.users(tx, visit.who),
        "roles": list(TEAM_ROLES),
        "may_create": permission.may(visit.who, CREATE, Thing("team")).allowed,
        "may_change": {row.id: permission.may(visit.who, UPDATE, Thing("team", row.id, frozenset({row.id}))).allowed for row in found},
        "problem": "",
    }


def act_on_teams(visit: Visit) -> Response:
    """Make or end a team; let somebody in or out."""
    entry, verb = visit.entry, visit.entry.typed("do")
    here = f"{PREFIX}/teams"
    try:
        with visit.front.db.write() as tx:
            if verb == "create":
                access.allow(visit.who, CREATE, Thing("team"))
                name = entry.text("name", "a name", least=1)
                teams.create_team(tx, visit.deed, name=name)
                return visit.go(here, said=f"{name} is there; now add its people")
            row = access.find(tx, visit.who, "team", team, entry.typed("team"), DELETE if verb == "delete" else UPDATE)
            if verb == "delete":
                teams.delete_team(tx, visit.deed, row.id)
                return visit.go(here, said=f"{row.name} is gone")
            if verb == "join":
                people.join_team(tx, visit.deed, row.id, entry.typed("user"), entry.typed("role") or None)
                return visit.go(f"{here}#{row.id}", said=f"One more in {row.name}")
            if verb == "leave":
                people.leave_team(tx, visit.deed, row.id, entry.typed("user"))
                return visit.go(f"{here}#{row.id}", said=f"One fewer in {row.name}")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with visit.front.db.read() as tx:
            return visit.page("teams.html", {**team_facts(visit, tx), "problem": " ".join(refusal.errors)}, status=422)
    return visit.go(here)


PAGES = (
    Page("/people", View("people.html", list_facts), create),
    Page("/people/{id}", View("person.html", one_facts), act),
    Page("/teams", View("teams.html", team_facts), act_on_teams),
)
