"""Who is asking: from the Authorization header (and `From`) to an actor, or 401.

Laws:
1. A key is looked for by its keyed digest; the key itself is nowhere in the database.
2. An unknown, malformed, revoked or expired key, and one of a disabled user, get the same 401.
3. `From` matters only to account keys and tokens of applications: a user's key already says who is asking (BEHAVIOUR 7).
4. A token of an application acts as an account key does, for the operations that its scopes name and no other.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel.call import House, Request
from tocsin.base.errors import Refusal, from_malformed, from_missing, from_unknown, unauthorized
from tocsin.core.permission import Actor, Person
from tocsin.service import people
from tocsin.store import entrance
from tocsin.store import people as store_people
from tocsin.store.db import Tx

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""`last_used_at` of a key is written at most this often."""

_TOKEN = re.compile(r'\s*Token\s+token="?([^\s",]{1,512})"?\s*', re.IGNORECASE)
_BEARER = re.compile(r"\s*Bearer\s+([^\s]{1,512})\s*", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request came with: a key, or a token of an application (which alone has `scopes`)."""

    row: sa.Row[Any]
    scopes: tuple[str, ...] | None = None


def credential_of(house: House, tx: Tx, request: Request) -> Credential:
    """The key or the token this request carries. Raises 401."""
    header = request.headers.get("authorization", "")
    as_key, as_bearer = _TOKEN.fullmatch(header), _BEARER.fullmatch(header)
    found = as_key or as_bearer
    digests = house.seals.digests(found.group(1)) if found else []
    if as_bearer and (token := entrance.token(tx, digests)) is not None:
        if token.revoked_at is not None or token.expires_at <= request.now:
            raise unauthorized()
        return Credential(token, tuple(token.scopes))
    row = store_people.key_by_digests(tx, digests) if found else None
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= request.now):
        raise unauthorized()
    return Credential(row)


def actor_of(tx: Tx, credential: Credential, request: Request, *, writes: bool, from_needed: bool) -> Actor:
    """The actor a credential stands for. Raises 401 for a disabled owner, and the three `From` refusals of account keys."""
    row = credential.row
    if credential.scopes is not None:
        behind = _behind(tx, request, from_needed=from_needed) if writes else None
        return Actor(
            kind="app", id=row.client_id, name=row.name, role="admin", key_last_four=row.last_four, method="oauth", on_behalf=behind
        )
    if row.user_id is not None:
        actor = people.actor_of_user(tx, row.user_id, method="api_token", key=row)
        if actor is None:
            raise unauthorized()
        return actor
    behind = _behind(tx, request, from_needed=from_needed) if writes else None
    return Actor(
        kind="api_key",
        id=row.id,
        name=row.label,
        role="admin",
        is_read_only=row.is_read_only,
        key_last_four=row.last_four,
        method="api_token",
        on_behalf=behind,
    )


def check_scope(credential: Credential, needed: str | None) -> None:
    """Raise PagerDuty's 403 when a token lacks the scope an operation needs; keys have no scopes and may all."""
    if credential.scopes is not None and needed is not None and needed not in credential.scopes:
        refusal = Refusal(403, 2010, "Access Denied", [f"This token's scopes do not include {needed}"])
        refusal.more = {"required_scopes": needed, "token_scopes": " ".join(credential.scopes)}
        raise refusal


def _behind(tx: Tx, request: Request, *, from_needed: bool) -> Person | None:
    """In whose name an account key writes. Where `From` is not needed, one that names nobody is passed over."""
    email = request.headers.get("from", "").strip()
    if not email:
        if from_needed:
            raise from_missing()
        return None
    user = store_people.user_by_email(tx, email) if _EMAIL.fullmatch(email) and "\0" not in email else None
    if user is not None:
        return Person(user.id, user.name, user.email)
    if from_needed:
        raise from_unknown() if _EMAIL.fullmatch(email) else from_malformed()
    return None


def note_use(house: House, credential: Credential, request: Request) -> None:
    """Keep when the key was last used, if what is kept is older than a minute. Of tokens the day they were made is enough."""
    row = credential.row
    if credential.scopes is None and (row.last_used_at is None or request.now - row.last_used_at >= USE_NOTED_EVERY):
        with house.db.write() as tx:
            store_people.note_key_use(tx, row.id, request.now)
