"""What a directory of people (SCIM 2.0) may do here: bring users and teams, change them, shut users out, and take them away.

Laws:
1. Every change goes through the doors of `people.py` or leaves its own audit record in the same transaction.
2. Who is shut out is out at once: sessions end and keys open nothing, whatever that leaves uncovered; what it leaves
   uncovered stands in the audit record and in the answer.
3. The Account Owner is out of a directory's reach: neither shut out, nor deleted, nor given another role.
4. The token of a directory opens SCIM and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import Refusal, forbidden, invalid, not_found
from tocsin.base.secret import Seals
from tocsin.base.times import Span
from tocsin.core.permission import Actor
from tocsin.service import audit, coverage, people
from tocsin.service.audit import Deed
from tocsin.service.coverage import Change
from tocsin.service.people import NewKey
from tocsin.store import directory as rows
from tocsin.store import entrance, sessions
from tocsin.store import people as store_people
from tocsin.store.db import Database, Tx

TOKEN_LENGTH: Final = 48
TOKENS_MOST: Final = 20
"""Tokens of directories that work at once."""
LOOKED_AHEAD: Final = timedelta(weeks=4)
"""How far it is looked for what shutting somebody out leaves uncovered."""
HOLES_TOLD: Final = 5
"""How many of those stand in the audit record; the rest is counted."""
NAME_MOST: Final = 255
"""Characters of what a directory calls somebody."""
OWNER: Final = "The Account Owner is out of a directory's reach: hand that role to somebody else first"


# ------------------------------------------------------------------------------------------------------------- tokens


def create_token(tx: Tx, deed: Deed, seals: Seals, *, label: str, expires_at: datetime | None = None) -> NewKey:
    """A token for a directory. `deed.chance` must be the system's. Raises 400 saying what is wrong."""
    label = label.strip()
    if not 1 <= len(label) <= people.NAME_MOST:
        raise invalid(f"Label must have between 1 and {people.NAME_MOST} characters")
    if expires_at is not None and expires_at <= deed.now:
        raise invalid("The token's expiry must lie in the future")
    if sum(row.revoked_at is None for row in entrance.directories(tx)) >= TOKENS_MOST:
        raise invalid(f"There may be at most {TOKENS_MOST} tokens of directories: revoke one first")
    token_id, text = ids.object_id(deed.chance), ids.token(deed.chance, TOKEN_LENGTH)
    row = {
        "id": token_id, "label": label, "digest": seals.digest(text), "last_four": text[-4:], "created_at": deed.now,
        "created_by": deed.actor.user_id, "expires_at": expires_at,
    }  # fmt: skip
    entrance.add_directory(tx, row)
    audit.record(tx, deed, _token_reference(token_id, label), before=None, after={"label": label, "last_four": row["last_four"]})
    return NewKey(token_id, text)


def revoke_token(tx: Tx, deed: Deed, token_id: str) -> None:
    """From now on this token opens nothing. Revoking it again changes nothing."""
    token = entrance.directory_of(tx, token_id)
    if token is None:
        raise not_found("Scim Token")
    if token.revoked_at is None:
        entrance.revoke_directory(tx, token_id, deed.now)
        audit.record(tx, deed, _token_reference(token_id, token.label), before={"is_revoked": False}, after={"is_revoked": True})


def _token_reference(token_id: str, label: str) -> dict[str, Any]:
    return {"id": token_id, "type": "scim_token_reference", "summary": label}


def directory_of(tx: Tx, seals: Seals, text: str, now: datetime) -> tuple[Actor, sa.Row[Any]] | None:
    """Who comes with this token, and its row; None when it opens nothing."""
    row = entrance.directory(tx, seals.digests(text))
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return Actor(kind="app", id=row.id, name=row.label, role="admin", key_last_four=row.last_four, method="identity_provider"), row


# -------------------------------------------------------------------------------------------------------------- users


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user as a directory has them. Empty `name`: the address stands for it."""

    user_name: str
    email: str
    name: str
    title: str | None = None
    time_zone: str | None = None
    role: str | None = None
    is_active: bool = True
    external_id: str | None = None


def bring(tx: Tx, deed: Deed, person: Person) -> str:
    """A new user. Returns the id. Raises 400 for what is wrong, 409 when somebody goes by the name or has the address."""
    _unclaimed(tx, person, None)
    if person.role == "owner":
        raise forbidden(OWNER)
    user_id = people.create_user(
        tx, deed, name=person.name, email=person.email, role=person.role or "user", time_zone=person.time_zone, job_title=person.title
    )  # fmt: skip
    _keep(tx, deed, user_id, person)
    if not person.is_active:
        _shut_out(tx, deed, user_id, person.name, ())
    return user_id


def change(tx: Tx, deed: Deed, user_id: str, person: Person, holes: Sequence[Change] = ()) -> None:
    """Make a user what the directory has; `holes` is what shutting them out leaves uncovered, as `holes_of` found it."""
    old = store_people.user(tx, user_id)
    if old is None:
        raise not_found("User")
    if old.role == "owner" and (not person.is_active or person.role not in {None, "owner"}):
        raise forbidden(OWNER)
    if old.role != "owner" and person.role == "owner":
        raise forbidden(OWNER)
    _unclaimed(tx, person, user_id)
    changes = {"name": person.name, "email": person.email, "job_title": person.title, "time_zone": person.time_zone}
    if person.role is not None:
        changes["role"] = person.role
    people.update_user(tx, deed, user_id, changes)
    _keep(tx, deed, user_id, person)
    if old.is_disabled and person.is_active:
        rows.set_disabled(tx, user_id, is_disabled=False)
        reference = people.user_reference(user_id, person.name)
        audit.record(tx, deed, reference, before={"is_disabled": True}, after={"is_disabled": False})
    elif not old.is_disabled and not person.is_active:
        _shut_out(tx, deed, user_id, person.name, holes)


def holes_of(db: Database, deed: Deed, user_id: str, person: Person) -> list[Change]:
    """What shutting this user out would leave uncovered in the next weeks, without doing it. Raises what it is refused with."""
    start = deed.now.replace(second=0, microsecond=0)
    changes = coverage.rehearsed(db, deed.actor, Span(start, start + LOOKED_AHEAD), lambda tx: change(tx, deed, user_id, person))
    return [one for one in changes if one.opens or one.later]


def words_of(holes: Sequence[Change]) -> list[str]:
    """Each hole as a sentence."""
    told = []
    for one in holes:
        what = f"{one.policy.name}, {one.service.name}" if one.service else one.policy.name
        for words, parts in (("nobody is reached", one.opens), ("somebody is reached later", one.later)):
            told += [f"{what}: {words} from {times.iso(part.start)} to {times.iso(part.end)}" for part in parts]
    return told


def _shut_out(tx: Tx, deed: Deed, user_id: str, name: str, holes: Sequence[Change]) -> None:
    """End what a user could come in by; keys stay revoked even when the user is let in again."""
    rows.set_disabled(tx, user_id, is_disabled=True)
    sessions.drop_of_user(tx, user_id)
    for key in entrance.keys_that_open(tx, user_id):
        people.revoke_key(tx, deed, key.id)
    told = words_of(holes)
    more = [f"and {len(told) - HOLES_TOLD} more"] if len(told) > HOLES_TOLD else []
    after = {"is_disabled": True, "left_uncovered": "; ".join([*told[:HOLES_TOLD], *more]) or "nothing"}
    audit.record(tx, deed, people.user_reference(user_id, name), before={"is_disabled": False}, after=after)


def take_away(tx: Tx, deed: Deed, user_id: str) -> None:
    """Delete a user by the door everybody uses. Raises 409 with the list of what would miss them."""
    try:
        people.delete_user(tx, deed, user_id)
    except Refusal as refusal:
        if refusal.status == 400:
            refusal.status = 409
        raise


def _keep(tx: Tx, deed: Deed, user_id: str, person: Person) -> None:
    is_address = store_people.fold_email(person.user_name) == store_people.fold_email(person.email)
    name = None if is_address and person.user_name == person.email else person.user_name
    rows.keep_user(tx, user_id, external_id=person.external_id, user_name=name, now=deed.now)


def _unclaimed(tx: Tx, person: Person, own_id: str | None) -> None:
    """Raise 400 for names out of bounds, 409 when another user goes by the name or has the address."""
    if not 1 <= len(person.user_name.strip()) <= NAME_MOST or len(person.external_id or "") > NAME_MOST:
        raise invalid(f"userName and externalId may have at most {NAME_MOST} characters, and userName must not be empty")
    for which, words in ((rows.is_named(person.user_name), "userName"), (rows.has_address(person.email), "e-mail address")):
        if any(row.id != own_id for row in rows.users(tx, [which])):
            raise Refusal(409, 2001, f"Another user has this {words}")


# -------------------------------------------------------------------------------------------------------------- teams


def bring_team(tx: Tx, deed: Deed, *, name: str, member_ids: Sequence[str], external_id: str | None) -> str:
    """A new team with these members. Returns the id. Raises 400 for what is wrong, 409 when there is one of this name."""
    _free_name(tx, name, None)
    team_id = people.create_team(tx, deed, name=name)
    rows.keep_team(tx, team_id, external_id=external_id, now=deed.now)
    _gather(tx, deed, team_id, member_ids)
    return team_id


def change_team(tx: Tx, deed: Deed, team_id: str, *, name: str, member_ids: Sequence[str], external_id: str | None) -> None:
    """Make a team what the directory has. Who is in it already keeps their role in it."""
    old = rows.team_of(tx, team_id)
    if old is None:
        raise not_found("Team")
    name = name.strip()
    if name != old.name:
        if not 1 <= len(name) <= people.NAME_MOST:
            raise invalid(f"Name must have between 1 and {people.NAME_MOST} characters")
        _free_name(tx, name, team_id)
        rows.rename_team(tx, team_id, name)
        audit.record(tx, deed, _team_reference(team_id, name), before={"name": old.name}, after={"name": name})
    rows.keep_team(tx, team_id, external_id=external_id, now=deed.now)
    _gather(tx, deed, team_id, member_ids)


def take_team_away(tx: Tx, deed: Deed, team_id: str) -> None:
    """Delete a team; what belongs to it belongs to no team from now on, as when a person deletes it."""
    old = rows.team_of(tx, team_id)
    if old is None:
        raise not_found("Team")
    people.release_team(tx, deed, team_id, reassign_to=None)
    rows.drop_team(tx, team_id)
    audit.record(tx, deed, _team_reference(team_id, old.name), before={"name": old.name}, after=None)


def _gather(tx: Tx, deed: Deed, team_id: str, member_ids: Sequence[str]) -> None:
    """Let exactly these be the members."""
    there = [row.id for row in rows.members(tx, [team_id]).get(team_id, ())]
    if unknown := sorted(set(member_ids) - store_people.users(tx, member_ids).keys()):
        raise invalid(f"members: there is no user {', '.join(one[:40] for one in unknown[:5])}")
    for user_id in there:
        if user_id not in member_ids:
            people.leave_team(tx, deed, team_id, user_id)
    for user_id in dict.fromkeys(member_ids):
        if user_id not in there:
            people.join_team(tx, deed, team_id, user_id, None)


def _free_name(tx: Tx, name: str, own_id: str | None) -> None:
    taken = store_people.team_named(tx, name.strip())
    if taken is not None and taken.id != own_id:
        raise Refusal(409, 2001, "Another group has this displayName")


def _team_reference(team_id: str, name: str) -> dict[str, Any]:
    return {"id": team_id, "type": "team_reference", "summary": name}
