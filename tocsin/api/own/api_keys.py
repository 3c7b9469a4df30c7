"""API keys over the API: one's own, and for admins everybody's and the account's. A key is shown once, when it is made."""

from typing import Any

import msgspec
import sqlalchemy as sa

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import DELETE, LIST, SHOW, Action, Body, Resource, Rows
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, people
from tocsin.store import people as store
from tocsin.store.tables.people import api_key


class KeyWrite(msgspec.Struct):
    """A key to be made: of the one who asks, or (`kind` account, or another's `user_id`) by an admin."""

    label: str
    kind: str = "user"
    user_id: str | None = None
    read_only: bool = False
    expires_at: str | None = None


def shown(call: Call, rows: Rows) -> list[Body]:
    owners = store.users(call.tx, (row.user_id for row in rows if row.user_id))
    return [
        {
            **envelope.common(call.house, "api_key", row.id, row.label, path=f"/api_keys/{row.id}"),
            "label": row.label,
            "last_four": row.last_four,
            "user": envelope.reference(call.house, "user", row.user_id, owners[row.user_id].name) if row.user_id else None,
            "read_only": row.is_read_only,
            "created_at": times.iso(row.created_at),
            "expires_at": _iso(row.expires_at),
            "revoked_at": _iso(row.revoked_at),
            "last_used_at": _iso(row.last_used_at),
        }
        for row in rows
    ]


def _iso(instant: Any) -> str | None:
    return None if instant is None else times.iso(instant)


def mine(call: Call) -> list[sa.ColumnElement[bool]]:
    """Admins see every key, everybody else their own."""
    if permission.may(call.actor, permission.READ, Thing("api_key")).allowed:
        return []
    return [api_key.c.user_id == (call.actor.user_id or "")]


def create(call: Call, body: KeyWrite) -> Reply:
    """Make a key and show it, this once, as `secret`."""
    if body.kind not in {"user", "account"}:
        raise invalid("kind must be user or account")
    owner = None if body.kind == "account" else body.user_id or call.actor.user_id
    if body.kind == "user" and owner is None:
        raise invalid("user_id is needed: this request was made with a key of the account")
    access.allow(call.actor, permission.CREATE, Thing("api_key", owner_id=owner))
    expires_at = None
    if body.expires_at is not None:
        try:
            expires_at = times.parse_instant(body.expires_at)
        except ValueError as error:
            raise invalid(f"expires_at: {error}") from error
    made = people.create_key(
        call.tx, call.deed, call.seals, label=body.label, user_id=owner, is_read_only=body.read_only, expires_at=expires_at
    )  # fmt: skip
    row = call.tx.rows(sa.select(api_key).where(api_key.c.id == made.id))
    return Reply(201, {"api_key": {**shown(call, row)[0], "secret": made.text}})


def revoke(call: Call, row: sa.Row[Any]) -> None:
    """From now on the key opens nothing. It stays in the list."""
    people.revoke_key(call.tx, call.deed, row.id)


KEYS = Resource(
    name="api_key",
    plural="api_keys",
    path="/api_keys",
    tag="API Keys",
    table=api_key,
    read=shown,
    verbs=(LIST, SHOW, DELETE),
    delete=revoke,
    audits=False,
    where=mine,
    searched=(api_key.c.label,),
    order=(api_key.c.created_at.desc(),),
)

DECLARED = (
    KEYS,
    Action(
        method="POST", path="/api_keys", tag="API Keys", run=create, body=KeyWrite, wrap_in="api_key", scope="api_keys.write",
        status=201,
    ),
)  # fmt: skip
