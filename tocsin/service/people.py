"""People: the one door for creating, changing and deleting users, keys and memberships.

Laws:
1. Every function that changes something takes a `Deed` and leaves an audit record in the same transaction.
2. There is always exactly one Account Owner.
3. A key is shown once, when it is made; afterwards only its last four characters are known.
4. Who may is settled before, by `service/access.py`; what is sensible is settled here.
Texts that PagerDuty's clients compare: BEHAVIOUR 6 and 11.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, secret, times
from tocsin.base.errors import forbidden, invalid, not_found
from tocsin.base.secret import Seals
from tocsin.channels import keeping
from tocsin.channels.roll import BY_KIND
from tocsin.core import permission, sign_in, swap
from tocsin.core.permission import Actor, Level
from tocsin.service import audit, handoffs, succession, tags
from tocsin.service.audit import Deed
from tocsin.store import people as rows
from tocsin.store import sessions, subscriptions, timers
from tocsin.store import swaps as store_swaps
from tocsin.store.db import Tx
from tocsin.store.tables import business, people, schedules, services
from tocsin.store.timers import Due

COLORS: Final = (
    "purple", "red", "green", "blue", "teal", "orange", "brown", "turquoise", "dark-slate-blue", "cayenne", "orange-red",
    "dark-orchid", "dark-slate-grey", "lime-green", "magenta", "chartreuse", "pale-violet-red", "steel-blue", "olive",
)  # fmt: skip
"""Colours a user may get on a schedule, by PagerDuty's names."""

EMAIL_MOST: Final = 100
NAME_MOST: Final = 100
KEY_LENGTH: Final = 20

CONTACT_METHODS_MOST: Final = 50
DEFAULT_COUNTRY: Final = 1
"""The country's code of a telephone number that comes without one, as PagerDuty reads it."""
DELAY_MOST: Final = 10_080
"""Minutes a notification rule may wait: a week."""

EMAIL_TAKEN: Final = "Email has already been taken"
ON_TEAM_POLICY: Final = "User cannot be removed as they belong to an escalation policy on this team"

_EMAIL: Final = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


# ------------------------------------------------------------------------------------------------------------- actors


def actor_of_user(tx: Tx, user_id: str, *, method: str, key: sa.Row[Any] | None = None) -> Actor | None:
    """The actor a user is; None when there is no such user or they are disabled.

    `method` is how they came (browser, api_token, mail …); `key` is the API key, if one was used.
    """
    user = rows.user(tx, user_id)
    if user is None or user.is_disabled:
        return None
    teams = {row.id: row.role for row in rows.memberships(tx, [user_id])[user_id]}
    return Actor(
        kind="user",
        id=user.id,
        name=user.name,
        email=user.email,
        role=user.role,
        teams=teams,
        hidden_teams=rows.private_teams(tx) - teams.keys(),
        is_read_only=bool(key is not None and key.is_read_only),
        key_last_four=key.last_four if key is not None else None,
        method=method,
    )


# -------------------------------------------------------------------------------------------------------------- users


def create_user(
    tx: Tx,
    deed: Deed,
    *,
    name: str,
    email: str,
    role: str = "user",
    time_zone: str | None = None,
    color: str | None = None,
    job_title: str | None = None,
    description: str | None = None,
    password: str | None = None,
    own_id: str | None = None,
) -> str:
    """A new user with an e-mail contact method and rules that use it at once, for both urgencies. Returns the id.

    `own_id` is the id to have, when it is known to be free; so it is for everything below that can be made.

    Raises 400/2001 with the sentence PagerDuty's clients know when the address is taken, and for every other breach.
    """
    columns = _checked(
        tx,
        deed,
        {"name": name, "email": email, "role": role, "time_zone": time_zone, "job_title": job_title, "description": description},
        None,
    )
    if password is not None:
        columns["password_hash"] = _hashed(password, columns["name"], columns["email"])
    user_id = own_id or ids.object_id(deed.chance)
    columns["color"] = _color(color) or deed.chance.choice(COLORS)
    tx.execute(sa.insert(people.user), {"id": user_id, "created_at": deed.now, **columns})
    audit.record(tx, deed, user_reference(user_id, columns["name"]), before=None, after=_told(columns))
    _reach_by_email(tx, deed, user_id, columns["email"])
    return user_id


def update_user(tx: Tx, deed: Deed, user_id: str, changes: Mapping[str, Any]) -> None:
    """Change name, email, role, time_zone, color, job_title or description. What is not in `changes` stays."""
    old = rows.user(tx, user_id)
    if old is None:
        raise not_found("User")
    columns = _checked(tx, deed, changes, old)
    if "color" in changes:
        columns["color"] = _color(changes["color"]) or old.color
    changed = {name: value for name, value in columns.items() if getattr(old, name) != value}
    if not changed:
        return
    if changed.get("role") == "owner":
        _hand_over(tx, deed)
    tx.execute(sa.update(people.user).where(people.user.c.id == user_id).values(changed))
    was = {name: getattr(old, name) for name in changed}
    audit.record(tx, deed, user_reference(user_id, changed.get("name", old.name)), before=_told(was), after=_told(changed))


def set_password(tx: Tx, deed: Deed, user_id: str, password: str) -> None:
    """Give a user another password and sign them out everywhere. Raises 400 saying what is wrong with it."""
    user = rows.user(tx, user_id)
    if user is None:
        raise not_found("User")
    hashed = _hashed(password, user.name, user.email)
    sessions.set_password_hash(tx, user_id, hashed)
    sessions.drop_of_user(tx, user_id)
    audit.record(tx, deed, user_reference(user_id, user.name), before={"password": "(old)"}, after={"password": "(new)"})


def delete_user(tx: Tx, deed: Deed, user_id: str, *, replace_by: str | None = None) -> None:
    """Delete a user, once nothing depends on them any more.

    Refused with one sentence for each open incident, escalation policy, schedule and override that names them.
    `replace_by` first puts another user in their place on policies and schedules, from now on.
    """
    user = rows.user(tx, user_id)
    if user is None:
        raise not_found("User")
    if user.role == "owner":
        raise invalid("The Account Owner cannot be deleted: give that role to somebody else first")
    if replace_by is not None:
        succession.replace_everywhere(tx, deed, user_id, replace_by)
    if reasons := succession.blocking(tx, user_id, deed.now):
        raise invalid(*reasons)
    _end_swaps(tx, user_id, deed.now)
    subscriptions.forget(tx, ("user", user_id))
    tags.forget(tx, "user", user_id)
    tx.execute(sa.delete(people.user).where(people.user.c.id == user_id))
    audit.record(tx, deed, user_reference(user_id, user.name), before=_told(_columns(user)), after=None)


def _end_swaps(tx: Tx, user_id: str, now: datetime) -> None:
    """Let the requests to take a shift that cannot do without this user end as soon as the user is gone."""
    ending = []
    for one in store_swaps.open_naming(tx, user_id):
        named = {one.asker_id, *one.asked}
        gone = (named - rows.users(tx, named).keys()) | {user_id}
        if swap.ends_without(one, gone) is not None:
            ending.append(Due(one.id, swap.EXPIRY, now))
    timers.set_many(tx, ending)


def user_reference(user_id: str, name: str) -> dict[str, Any]:
    return {"id": user_id, "type": "user_reference", "summary": name}


def _checked(tx: Tx, deed: Deed, changes: Mapping[str, Any], old: sa.Row[Any] | None) -> dict[str, Any]:
    """Column values for the given changes of a user. Raises 400/2001 with one sentence for each breach."""
    columns: dict[str, Any] = {}
    errors: list[str] = []
    if "name" in changes:
        columns["name"] = str(changes["name"]).strip()
        if not 1 <= len(columns["name"]) <= NAME_MOST:
            errors.append(f"Name must have between 1 and {NAME_MOST} characters")
    if "email" in changes:
        email = columns["email"] = str(changes["email"]).strip()
        columns["email_folded"] = rows.fold_email(email)
        if not 6 <= len(email) <= EMAIL_MOST or not _EMAIL.fullmatch(email):
            errors.append("Email is not a valid e-mail address of 6 to 100 characters")
        else:
            taken = rows.user_by_email(tx, email)
            if taken is not None and (old is None or taken.id != old.id):
                errors.append(EMAIL_TAKEN)
    if "time_zone" in changes:
        columns["time_zone"] = changes["time_zone"]
        if changes["time_zone"] is not None:
            try:
                times.zone_named(changes["time_zone"])
            except ValueError as error:
                errors.append(f"Time zone {error}")
    for name, most in (("job_title", 100), ("description", 1024)):
        if name in changes:
            columns[name] = changes[name]
            if changes[name] is not None and len(changes[name]) > most:
                errors.append(f"{name.replace('_', ' ').capitalize()} may have at most {most} characters")
    if "role" in changes:
        columns["role"] = changes["role"]
        errors += _role_errors(deed.actor, changes["role"], old)
    if errors:
        raise invalid(*errors)
    return columns


def _role_errors(actor: Actor, role: str, old: sa.Row[Any] | None) -> list[str]:
    if role not in permission.BASE_ROLES:
        return [f"Role must be one of {', '.join(permission.BASE_ROLES)}"]
    if old is not None and old.role == role:
        return []
    if old is not None and old.role == "owner":
        return ["There must be one Account Owner: give the role to somebody else, and this user becomes a Global Admin"]
    verdict = permission.may(actor, permission.ASSIGN_ROLE, permission.Thing("user", old.id if old is not None else ""))
    if not verdict.allowed:
        raise forbidden(verdict.reason)
    if role == "owner" and (actor.base < Level.OWNER or old is None):
        raise forbidden("Only the Account Owner may hand that role to another user")
    return []


def _hand_over(tx: Tx, deed: Deed) -> None:
    """The owner so far becomes a Global Admin."""
    before = rows.owner(tx)
    if before is not None:
        tx.execute(sa.update(people.user).where(people.user.c.id == before.id).values(role="admin"))
        reference = user_reference(before.id, before.name)
        audit.record(tx, deed, reference, before={"role": "owner"}, after={"role": "admin"})


def create_owner(tx: Tx, deed: Deed, *, name: str, email: str, password: str | None, time_zone: str | None = None) -> str:
    """The first user of an installation: its Account Owner. Raises 400 when there is one already."""
    if rows.owner(tx) is not None:
        raise invalid("This installation has an Account Owner already")
    user_id = create_user(tx, deed, name=name, email=email, role="admin", time_zone=time_zone, password=password)
    tx.execute(sa.update(people.user).where(people.user.c.id == user_id).values(role="owner"))
    audit.record(tx, deed, user_reference(user_id, name), before={"role": "admin"}, after={"role": "owner"})
    return user_id


def _color(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9-]{0,30}|#[0-9a-fA-F]{6}", name):
        raise invalid("Color must be the name of a colour such as 'purple', or like '#5b2a86'")
    return name


def _hashed(password: str, name: str, email: str) -> str:
    if problem := sign_in.password_problem(password, name=name, email=email):
        raise invalid(problem)
    return secret.hash_password(password)


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a user as an audit record tells them."""
    told = ("name", "email", "role", "time_zone", "color", "job_title", "description")
    return {name: columns[name] for name in told if name in columns}


def _columns(user: sa.Row[Any]) -> dict[str, Any]:
    return {column.key: getattr(user, column.key) for column in people.user.c}


def _reach_by_email(tx: Tx, deed: Deed, user_id: str, email: str) -> None:
    """The contact method "Default" and a rule for each urgency that every new user starts with (BEHAVIOUR 6)."""
    method_id = ids.object_id(deed.chance)
    tx.execute(
        sa.insert(people.contact_method),
        {
            "id": method_id, "user_id": user_id, "kind": "email", "label": "Default", "address": email, "fields": {},
            "is_enabled": True, "position": 0, "created_at": deed.now,
        },
    )  # fmt: skip
    for urgency in ("high", "low"):
        rule = {"user_id": user_id, "contact_method_id": method_id, "start_delay_in_minutes": 0, "urgency": urgency}
        tx.execute(sa.insert(people.notification_rule), {"id": ids.object_id(deed.chance), "created_at": deed.now, **rule})


# --------------------------------------------------------------------------------------------------------------- keys


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment its text exists outside its owner's hands."""

    id: str
    text: str


def create_key(
    tx: Tx,
    deed: Deed,
    seals: Seals,
    *,
    label: str,
    user_id: str | None,
    is_read_only: bool = False,
    expires_at: datetime | None = None,
) -> NewKey:
    """A key of this user, or of the account when `user_id` is None. `deed.chance` must be the system's: it is a secret."""
    if not 1 <= len(label.strip()) <= 100:
        raise invalid("Label must have between 1 and 100 characters")
    if expires_at is not None and expires_at <= deed.now:
        raise invalid("The key's expiry must lie in the future")
    user = rows.user(tx, user_id) if user_id is not None else None
    if user_id is not None and user is None:
        raise not_found("User")
    if user is not None and user.role == "owner" and deed.actor.base < Level.OWNER:
        raise forbidden("Only the Account Owner may make a key of the Account Owner: it could do all that they may")
    key_id, text = ids.object_id(deed.chance), ids.token(deed.chance, KEY_LENGTH)
    row = {
        "id": key_id, "label": label.strip(), "digest": seals.digest(text), "last_four": text[-4:], "user_id": user_id,
        "is_read_only": is_read_only, "created_at": deed.now, "created_by": deed.actor.user_id, "expires_at": expires_at,
    }  # fmt: skip
    tx.execute(sa.insert(people.api_key), row)
    told = {name: row[name] for name in ("label", "last_four", "user_id", "is_read_only")}
    audit.record(tx, deed, {"id": key_id, "type": "api_key_reference", "summary": label.strip()}, before=None, after=told)
    return NewKey(key_id, text)


def revoke_key(tx: Tx, deed: Deed, key_id: str) -> None:
    """From now on this key opens nothing. Revoking it again changes nothing."""
    table = people.api_key
    key = tx.one(sa.select(table).where(table.c.id == key_id))
    if key is None:
        raise not_found("API Key")
    if key.revoked_at is None:
        tx.execute(sa.update(table).where(table.c.id == key_id).values(revoked_at=deed.now))
        reference = {"id": key_id, "type": "api_key_reference", "summary": key.label}
        audit.record(tx, deed, reference, before={"is_revoked": False}, after={"is_revoked": True})


def keys_of(tx: Tx, user_id: str | None) -> Sequence[sa.Row[Any]]:
    """The keys of a user, or those of the account for None, newest first; revoked ones too."""
    table = people.api_key
    owned = table.c.user_id.is_(None) if user_id is None else table.c.user_id == user_id
    return tx.rows(sa.select(table).where(owned).order_by(table.c.created_at.desc(), table.c.id))


# -------------------------------------------------------------------------------------------------------------- teams


def create_team(tx: Tx, deed: Deed, *, name: str, description: str | None = None, own_id: str | None = None) -> str:
    """A new team at the top, with nobody in it. Returns its id. Raises 400 when there is one of this name."""
    if not 1 <= len(name.strip()) <= NAME_MOST:
        raise invalid(f"Name must have between 1 and {NAME_MOST} characters")
    if rows.team_named(tx, name.strip()) is not None:
        raise invalid("Name has already been taken")
    row = {"id": own_id or ids.object_id(deed.chance), "name": name.strip(), "description": description, "default_role": "manager"}
    tx.execute(sa.insert(people.team), {**row, "created_at": deed.now})
    reference = {"id": row["id"], "type": "team_reference", "summary": row["name"]}
    audit.record(tx, deed, reference, before=None, after={"name": row["name"], "description": description, "default_role": "manager"})
    return str(row["id"])


def join_team(tx: Tx, deed: Deed, team_id: str, user_id: str, role: str | None) -> None:
    """Put a user into a team, or give them another role in it. Without a role: the one that fits their base role."""
    team, user = rows.teams(tx, [team_id]).get(team_id), rows.user(tx, user_id)
    if team is None:
        raise not_found("Team")
    if user is None:
        raise not_found("User")
    if user.role in permission.STAKEHOLDERS:
        raise invalid("Stakeholders cannot be added to a team")
    if role is not None and role not in permission.TEAM_ROLES:
        raise invalid(f"Role must be one of {', '.join(permission.TEAM_ROLES)}")
    table, old = people.team_member, rows.membership(tx, team_id, user_id)
    root, member = _team_reference(team), user_reference(user_id, user.name)
    if old is None:
        chosen = role or permission.DEFAULT_TEAM_ROLE.get(user.role, "manager")
        tx.execute(sa.insert(table), {"team_id": team_id, "user_id": user_id, "role": chosen})
        audit.record_link(tx, deed, root, "members", added=[member])
    elif role is not None and role != old.role:
        tx.execute(sa.update(table).where(table.c.team_id == team_id, table.c.user_id == user_id).values(role=role))
        audit.record(tx, deed, member, before={"team_role": old.role}, after={"team_role": role}, root=root)


def leave_team(tx: Tx, deed: Deed, team_id: str, user_id: str) -> None:
    """Take a user out of a team. Refused with PagerDuty's sentence while they are on one of its escalation policies."""
    team = rows.teams(tx, [team_id]).get(team_id)
    if team is None:
        raise not_found("Team")
    if rows.membership(tx, team_id, user_id) is None:
        raise not_found("User")
    policy, target = services.escalation_policy, services.policy_target
    named = sa.select(target.c.policy_id).where(target.c.target_id == user_id)
    if tx.one(sa.select(policy.c.id).where(policy.c.team_id == team_id, policy.c.id.in_(named)).limit(1)) is not None:
        raise invalid(ON_TEAM_POLICY)
    table = people.team_member
    tx.execute(sa.delete(table).where(table.c.team_id == team_id, table.c.user_id == user_id))
    user = rows.user(tx, user_id)
    name = user.name if user is not None else user_id
    audit.record_link(tx, deed, _team_reference(team), "members", removed=[user_reference(user_id, name)])


def give_policy(tx: Tx, deed: Deed, policy: sa.Row[Any], team_id: str | None) -> None:
    """Make an escalation policy one of this team's, or of no team."""
    if policy.team_id == team_id:
        return
    table = services.escalation_policy
    tx.execute(sa.update(table).where(table.c.id == policy.id).values(team_id=team_id, updated_at=deed.now))
    reference = {"id": policy.id, "type": "escalation_policy_reference", "summary": policy.name}
    audit.record(tx, deed, reference, before={"team_id": policy.team_id}, after={"team_id": team_id})


def release_team(tx: Tx, deed: Deed, team_id: str, *, reassign_to: str | None) -> None:
    """Give what belongs to a team (policies, schedules, teams below it) to another one, or to none: before it is deleted."""
    if reassign_to is not None and (reassign_to == team_id or reassign_to not in rows.teams(tx, [reassign_to])):
        raise invalid("reassignment_team must be the id of another team")
    subscriptions.forget(tx, ("team", team_id))
    tags.forget(tx, "team", team_id)
    owned = (("escalation_policy", services.escalation_policy), ("schedule", schedules.schedule), ("business_service", business.business_service))
    for kind, table in owned:
        for row in tx.rows(sa.select(table.c.id, table.c.name).where(table.c.team_id == team_id)):
            reference = {"id": row.id, "type": f"{kind}_reference", "summary": row.name}
            audit.record(tx, deed, reference, before={"team_id": team_id}, after={"team_id": reassign_to})
        tx.execute(sa.update(table).where(table.c.team_id == team_id).values(team_id=reassign_to))
    tx.execute(sa.update(people.team).where(people.team.c.parent_id == team_id).values(parent_id=reassign_to))


def _team_reference(team: sa.Row[Any]) -> dict[str, Any]:
    return {"id": team.id, "type": "team_reference", "summary": team.name}


# ---------------------------------------------------------------------------------------------------- contact methods


def contact_kinds() -> tuple[str, ...]:
    """The kinds of contact method there are: those of the channels that can reach a person."""
    return tuple(BY_KIND)


def contact_label(kind: str) -> str:
    """What a contact method of this kind is called when its owner gives it no name."""
    return BY_KIND[kind].label


def is_numbered(kind: str) -> bool:
    """Whether the address is a telephone number: digits, with the country's code beside it."""
    return any(field.name == "country_code" for field in BY_KIND[kind].fields)


def kept_fields(kind: str, given: Mapping[str, Any], before: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """What a contact method keeps beside its address, as `add_contact_method` takes it: secrets sealed. Raises 400."""
    if errors := keeping.errors(BY_KIND[kind], given):
        raise invalid(*errors)
    return keeping.kept(BY_KIND[kind], given, before, seals)


def secret_fields(kind: str) -> frozenset[str]:
    """The fields of this kind that are secrets: kept, and never shown again."""
    return frozenset(field.name for field in BY_KIND[kind].fields if field.kind == "secret")


def add_contact_method(
    tx: Tx,
    deed: Deed,
    user_id: str,
    *,
    kind: str,
    label: str,
    address: str,
    country_code: int | None = None,
    fields: Mapping[str, Any] | None = None,
    own_id: str | None = None,
) -> str:
    """A new way to reach a user; the last to fall back on. Returns its id. Raises 400 for a bad or a repeated one.

    fields  as `kept_fields` gives them
    """
    table = people.contact_method
    if rows.user(tx, user_id) is None:
        raise not_found("User")
    columns = _reachable(kind, {"label": label, "address": address, "country_code": country_code, "fields": dict(fields or {})})
    _unrepeated(tx, user_id, kind, columns, None)
    last = tx.scalar(sa.select(sa.func.max(table.c.position)).where(table.c.user_id == user_id))
    if len(rows.contact_methods(tx, [user_id])[user_id]) >= CONTACT_METHODS_MOST:
        raise invalid(f"A user may have at most {CONTACT_METHODS_MOST} contact methods")
    method_id = own_id or ids.object_id(deed.chance)
    row = {"id": method_id, "user_id": user_id, "kind": kind, "is_enabled": True, "created_at": deed.now, **columns}
    tx.execute(sa.insert(table), {**row, "position": 0 if last is None else last + 1})
    _audit_method(tx, deed, user_id, kind, method_id, None, columns)
    return method_id


def change_contact_method(tx: Tx, deed: Deed, method: sa.Row[Any], changes: Mapping[str, Any]) -> None:
    """Change label, address, country_code or fields of a contact method."""
    names = ("label", "address", "country_code", "fields")
    old = {name: getattr(method, name) for name in names}
    columns = _reachable(method.kind, {**old, **changes})
    _unrepeated(tx, method.user_id, method.kind, columns, method.id)
    changed = {name: value for name, value in columns.items() if old[name] != value}
    if not changed:
        return
    if {"address", "country_code"} & changed.keys():
        changed |= {"verified_at": None, "failing_since_reason": None}
    tx.execute(sa.update(people.contact_method).where(people.contact_method.c.id == method.id).values(changed))
    _audit_method(tx, deed, method.user_id, method.kind, method.id, old, columns)


def remove_contact_method(tx: Tx, deed: Deed, method: sa.Row[Any]) -> None:
    """Delete a contact method and the notification rules that use it."""
    rules = people.notification_rule
    for rule in tx.rows(sa.select(rules).where(rules.c.contact_method_id == method.id)):
        remove_notification_rule(tx, deed, rule)
    handoffs.remove_rules_of_method(tx, deed, method.id)
    tx.execute(sa.delete(people.contact_method).where(people.contact_method.c.id == method.id))
    old = {name: getattr(method, name) for name in ("label", "address", "country_code", "fields")}
    _audit_method(tx, deed, method.user_id, method.kind, method.id, old, None)


def _audit_method(
    tx: Tx, deed: Deed, user_id: str, kind: str, id_: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    """Record a change of a contact method; of its secrets only that they changed."""
    label = (after or before or {})["label"]
    _audit_part(tx, deed, user_id, f"{kind}_contact_method", id_, label, _unsecret(kind, before, "old"), _unsecret(kind, after, "new"))


def _unsecret(kind: str, columns: Mapping[str, Any] | None, word: str) -> dict[str, Any] | None:
    if columns is None:
        return None
    secrets = secret_fields(kind)
    told = {name: f"({word})" if name in secrets else value for name, value in columns["fields"].items()}
    return {**columns, "fields": told}


def _reachable(kind: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, made regular and checked by the rules of the kind. Raises 400 saying what is wrong."""
    if not keeping.is_kept_rightly(BY_KIND[kind], columns["fields"]):
        raise TypeError("a contact method's secrets come sealed: use kept_fields")
    checked = {**columns, "label": str(columns["label"]).strip()[:100], "address": str(columns["address"]).strip()}
    if is_numbered(kind):
        checked["address"] = re.sub(r"[ ().-]", "", checked["address"])
        checked["country_code"] = checked["country_code"] or DEFAULT_COUNTRY
    else:
        checked["country_code"] = None
    if errors := BY_KIND[kind].check(checked["address"], checked["country_code"], checked["fields"]):
        raise invalid(*errors)
    return checked


def _unrepeated(tx: Tx, user_id: str, kind: str, columns: Mapping[str, Any], own_id: str | None) -> None:
    table = people.contact_method
    code = columns["country_code"]
    same = sa.select(table.c.id).where(
        table.c.user_id == user_id,
        table.c.kind == kind,
        table.c.address == columns["address"],
        table.c.country_code.is_(None) if code is None else table.c.country_code == code,
        table.c.id != (own_id or ""),
    )
    if tx.one(same) is not None:
        raise invalid("User Contact method must be unique")


# ------------------------------------------------------------------------------------------------- notification rules


def add_notification_rule(
    tx: Tx, deed: Deed, user_id: str, *, contact_method_id: str, start_delay_in_minutes: int, urgency: str,
    own_id: str | None = None,
) -> str:  # fmt: skip
    """A new rule: that many minutes after an incident of this urgency is assigned, use that contact method."""
    if rows.user(tx, user_id) is None:
        raise not_found("User")
    columns = {
        "contact_method_id": contact_method_id, "start_delay_in_minutes": start_delay_in_minutes, "urgency": urgency,
    }  # fmt: skip
    _own_rule(tx, user_id, columns, None)
    rule_id = own_id or ids.object_id(deed.chance)
    tx.execute(sa.insert(people.notification_rule), {"id": rule_id, "user_id": user_id, "created_at": deed.now, **columns})
    _audit_part(tx, deed, user_id, "assignment_notification_rule", rule_id, None, None, columns)
    return rule_id


def change_notification_rule(tx: Tx, deed: Deed, rule: sa.Row[Any], changes: Mapping[str, Any]) -> None:
    """Change contact_method_id, start_delay_in_minutes or urgency of a rule."""
    old = {name: getattr(rule, name) for name in ("contact_method_id", "start_delay_in_minutes", "urgency")}
    columns = {**old, **changes}
    if columns == old:
        return
    _own_rule(tx, rule.user_id, columns, rule.id)
    tx.execute(sa.update(people.notification_rule).where(people.notification_rule.c.id == rule.id).values(columns))
    _audit_part(tx, deed, rule.user_id, "assignment_notification_rule", rule.id, None, old, columns)


def remove_notification_rule(tx: Tx, deed: Deed, rule: sa.Row[Any]) -> None:
    """Delete a rule."""
    tx.execute(sa.delete(people.notification_rule).where(people.notification_rule.c.id == rule.id))
    old = {name: getattr(rule, name) for name in ("contact_method_id", "start_delay_in_minutes", "urgency")}
    _audit_part(tx, deed, rule.user_id, "assignment_notification_rule", rule.id, None, old, None)


def _own_rule(tx: Tx, user_id: str, columns: Mapping[str, Any], own_id: str | None) -> None:
    """Raise 400 unless the contact method is the user's own and no other rule is the same."""
    method, rule = people.contact_method, people.notification_rule
    owned = sa.select(method.c.id).where(method.c.id == columns["contact_method_id"], method.c.user_id == user_id)
    if tx.one(owned) is None:
        raise invalid("Contact method must be one of this user's")
    if not 0 <= columns["start_delay_in_minutes"] <= DELAY_MOST:
        raise invalid(f"Start delay must be between 0 and {DELAY_MOST} minutes")
    if columns["urgency"] not in {"high", "low"}:
        raise invalid("Urgency must be high or low")
    same = sa.select(rule.c.id).where(
        rule.c.user_id == user_id,
        *(getattr(rule.c, name) == value for name, value in columns.items()),
        rule.c.id != (own_id or ""),
    )
    if tx.one(same) is not None:
        raise invalid("Channel Start delay must be unique for a given contact method")


def _audit_part(
    tx: Tx,
    deed: Deed,
    user_id: str,
    type_: str,
    part_id: str,
    summary: str | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Record a change of something that is part of a user."""
    user = rows.user(tx, user_id)
    root = user_reference(user_id, user.name if user is not None else user_id)
    part = {"id": part_id, "type": f"{type_}_reference", "summary": summary}
    audit.record(tx, deed, part, before=before, after=after, root=root)
