"""Applications that come in by OAuth, for admins: made with a secret that is shown once, listed, and shut out."""

from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import DELETE, LIST, SHOW, Action, Body, Resource, Rows
from tocsin.base import times
from tocsin.core import permission
from tocsin.service import access, applications
from tocsin.store import entrance
from tocsin.store.tables.entrance import oauth_client

PATH: Final = "/api/v1/oauth_clients"
TAG: Final = "Applications"


class ClientWrite(msgspec.Struct):
    """An application to be made: what it is called and what it may."""

    name: str
    scopes: Annotated[list[str], Meta(max_length=200)]


def shown(call: Call, rows: Rows) -> list[Body]:
    tokens = entrance.count_tokens(call.tx, call.now)
    return [
        {
            **envelope.common(call.house, "oauth_client", row.id, row.name, path=f"{PATH}/{row.id}"),
            "name": row.name,
            "client_id": row.id,
            "last_four": row.last_four,
            "scopes": row.scopes,
            "tokens": tokens.get(row.id, 0),
            "created_at": times.iso(row.created_at),
            "revoked_at": times.iso(row.revoked_at) if row.revoked_at else None,
            "last_used_at": times.iso(row.last_used_at) if row.last_used_at else None,
        }
        for row in rows
    ]


def create(call: Call, body: ClientWrite) -> Reply:
    """Make an application and show its secret, this once, as `client_secret`."""
    made = applications.create(call.tx, call.deed, call.seals, name=body.name, scopes=body.scopes)
    rows = call.tx.rows(sa.select(oauth_client).where(oauth_client.c.id == made.id))
    return Reply(201, {"oauth_client": {**shown(call, rows)[0], "client_secret": made.secret}})


def revoke(call: Call, row: sa.Row[object]) -> None:
    """Its secret and its tokens open nothing any more. It stays in the list."""
    applications.revoke(call.tx, call.deed, row.id)


def end_tokens(call: Call) -> Reply:
    """End the tokens it has; with its secret it gets new ones."""
    access.find(call.tx, call.actor, "oauth_client", oauth_client, call.id, permission.DELETE)
    applications.end_tokens(call.tx, call.deed, call.id)
    return Reply(204)


DECLARED = (
    Resource(
        name="oauth_client", plural="oauth_clients", path=PATH, tag=TAG, table=oauth_client, read=shown, verbs=(LIST, SHOW, DELETE),
        delete=revoke, audits=False, searched=(oauth_client.c.name,), order=(oauth_client.c.created_at.desc(),),
    ),
    Action(
        method="POST", path=PATH, tag=TAG, run=create, body=ClientWrite, wrap_in="oauth_client",
        needs=(permission.CREATE, "oauth_client"), scope="oauth_clients.write", status=201,
    ),
    Action(method="DELETE", path=f"{PATH}/{{id}}/tokens", tag=TAG, run=end_tokens, scope="oauth_clients.write"),
)  # fmt: skip
