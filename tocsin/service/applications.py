"""Applications that come in by OAuth: made by admins, given short-lived tokens for their secret, and shut out again.

Laws:
1. Secrets and tokens are shown once and kept as keyed digests.
2. A token never holds a scope that its application does not, lasts a day, and is gone with its application.
3. Wrong secrets are throttled as wrong passwords are; an unknown application and a wrong secret look the same.
Source: BEHAVIOUR 7, RFC 6749 section 4.4, RFC 7009.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from tocsin.base import ids
from tocsin.base.errors import Refusal, invalid, not_found
from tocsin.base.secret import Seals, same
from tocsin.base.times import human_duration
from tocsin.core import scopes as rules
from tocsin.core import sign_in
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import entrance, sessions
from tocsin.store.db import Database, Tx

TOKEN_LASTS: Final = timedelta(days=1)
"""How long a token opens anything: 86,400 seconds (BEHAVIOUR 7)."""
BEGINNING: Final = "pdus+_0"
"""How PagerDuty's tokens begin."""
TOKENS_MOST: Final = 200
"""Tokens an application may have at once; a new one ends the oldest."""
CLIENTS_MOST: Final = 200
"""Applications that work at once."""
SECRET_LENGTH: Final = 48
NAME_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class NewClient:
    """An application just made: the only moment its secret exists outside its owner's hands."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A token just given out, and the scopes it has."""

    text: str
    scope: str
    lasts: timedelta


def create(tx: Tx, deed: Deed, seals: Seals, *, name: str, scopes: Sequence[str]) -> NewClient:
    """An application with these scopes. `deed.chance` must be the system's. Raises 400 saying all that is wrong."""
    name = name.strip()
    errors = [] if 1 <= len(name) <= NAME_MOST else [f"Name must have between 1 and {NAME_MOST} characters"]
    if errors := errors + rules.problems(scopes):
        raise invalid(*errors)
    if sum(row.revoked_at is None for row in entrance.clients(tx)) >= CLIENTS_MOST:
        raise invalid(f"There may be at most {CLIENTS_MOST} applications: revoke one first")
    client_id, secret = ids.uuid_text(deed.chance), ids.token(deed.chance, SECRET_LENGTH)
    row = {
        "id": client_id, "name": name, "digest": seals.digest(secret), "last_four": secret[-4:], "scopes": sorted(set(scopes)),
        "created_at": deed.now, "created_by": deed.actor.user_id,
    }  # fmt: skip
    entrance.add_client(tx, row)
    told = {"name": name, "last_four": row["last_four"], "scopes": " ".join(sorted(set(scopes)))}
    audit.record(tx, deed, _reference(client_id, name), before=None, after=told)
    return NewClient(client_id, secret)


def revoke(tx: Tx, deed: Deed, client_id: str) -> None:
    """Shut an application out: its secret and all its tokens open nothing any more. Again changes nothing."""
    client = entrance.client(tx, client_id)
    if client is None:
        raise not_found("Oauth Client")
    if client.revoked_at is None:
        entrance.revoke_client(tx, client_id, deed.now)
        audit.record(tx, deed, _reference(client_id, client.name), before={"is_revoked": False}, after={"is_revoked": True})


def end_tokens(tx: Tx, deed: Deed, client_id: str) -> int:
    """End the tokens an application has; it may get new ones. Answers how many there were."""
    client = entrance.client(tx, client_id)
    if client is None:
        raise not_found("Oauth Client")
    ended = entrance.end_tokens(tx, client_id)
    audit.record(tx, deed, _reference(client_id, client.name), before={"tokens": str(ended)}, after={"tokens": "0"})
    return ended


def issue(db: Database, seals: Seals, client_id: str, secret: str, scope: str, address: str, *, now: datetime, chance: Random) -> Issued:
    """A token for an application that shows its secret; `address` is where it asks from.

    Raises Refusal 401 (not this application's secret), 429 (too many tries), or 400 (a scope it does not have).
    """
    client = _proven(db, seals, client_id, secret, address, now=now)
    try:
        granted, told = rules.asked(scope, client.scopes)
    except ValueError as error:
        raise invalid(str(error)) from error
    text = BEGINNING + ids.token(chance, SECRET_LENGTH)
    row = {
        "id": ids.long_id(chance, prefix="T"), "digest": seals.digest(text), "last_four": text[-4:], "client_id": client.id,
        "scopes": list(granted), "created_at": now, "expires_at": now + TOKEN_LASTS,
    }  # fmt: skip
    with db.write() as tx:
        entrance.add_token(tx, row, most=TOKENS_MOST)
    return Issued(text, told, TOKEN_LASTS)


def give_back(db: Database, seals: Seals, client_id: str, secret: str, token: str, address: str, *, now: datetime) -> None:
    """End one token of an application that shows its secret; an unknown one is as good as ended (RFC 7009)."""
    client = _proven(db, seals, client_id, secret, address, now=now)
    with db.write() as tx:
        entrance.end_token(tx, client.id, seals.digests(token))


def _proven(db: Database, seals: Seals, client_id: str, secret: str, address: str, *, now: datetime) -> Any:
    """The application that has this secret; wrong ones are counted for the pair and for the address."""
    pair, place = f"application {client_id[:64]} {address}", f"applications {address}"
    with db.read() as tx:
        left = max(
            sign_in.wait(sessions.failures(tx, pair), free_tries=sign_in.FREE_TRIES_PAIR, now=now),
            sign_in.wait(sessions.failures(tx, place), free_tries=sign_in.FREE_TRIES_ADDRESS, now=now),
        )
        client = entrance.client(tx, client_id)
        has_failed = sessions.failures(tx, pair) is not None
    if left:
        raise Refusal(429, 2020, f"Too many tries. Wait {human_duration(left)}, then try again")
    if client is not None and client.revoked_at is None and any(same(client.digest, digest) for digest in seals.digests(secret)):
        if has_failed:
            with db.write() as tx:
                sessions.forgive(tx, pair)
        return client
    with db.write() as tx:
        for subject in (pair, place):
            sessions.keep_failures(tx, subject, sign_in.after_failure(sessions.failures(tx, subject), now))
    raise Refusal(401, 2006, "This client_id and client_secret do not belong together, or the application was revoked")


def _reference(client_id: str, name: str) -> dict[str, Any]:
    return {"id": client_id, "type": "oauth_client_reference", "summary": name}
