"""Who is asking: from the Authorization header (and `From`) to an actor, or 401.

Laws:
1. A key is looked for by its keyed digest; the key itself is nowhere in the database.
2. An unknown, malformed, revoked or expired key, and one of a disabled user, get the same 401.
3. `From` matters only to account keys: a user's key already says who is asking (BEHAVIOUR 7).
"""

import re
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel.call import House, Request
from tocsin.base.errors import from_malformed, from_missing, from_unknown, unauthorized
from tocsin.core.permission import Actor, Person
from tocsin.service import people
from tocsin.store import people as store_people
from tocsin.store.db import Tx

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""`last_used_at` of a key is written at most this often."""

_TOKEN = re.compile(r'\s*Token\s+token="?([^\s",]{1,512})"?\s*', re.IGNORECASE)
_BEARER = re.compile(r"\s*Bearer\s+([^\s]{1,512})\s*", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def key_of(house: House, tx: Tx, request: Request) -> sa.Row[Any]:
    """The row of the key this request carries. Raises 401."""
    header = request.headers.get("authorization", "")
    found = _TOKEN.fullmatch(header) or _BEARER.fullmatch(header)
    row = store_people.key_by_digests(tx, house.seals.digests(found.group(1))) if found else None
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= request.now):
        raise unauthorized()
    return row


def actor_of(tx: Tx, row: sa.Row[Any], request: Request, *, writes: bool, from_needed: bool) -> Actor:
    """The actor a key stands for. Raises 401 for a disabled owner, and the three `From` refusals of account keys."""
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


def note_use(house: House, row: sa.Row[Any], request: Request) -> None:
    """Keep when the key was last used, if what is kept is older than a minute."""
    if row.last_used_at is None or request.now - row.last_used_at >= USE_NOTED_EVERY:
        with house.db.write() as tx:
            store_people.note_key_use(tx, row.id, request.now)
