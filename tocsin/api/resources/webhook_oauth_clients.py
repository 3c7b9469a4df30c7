"""OAuth clients of webhooks, as PagerDuty's API shows them (BEHAVIOUR 8, tag Webhooks): for admins, the secret never shown.

Making and changing one asks the token address first, outside of any writing transaction, and only then writes.
"""

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import DELETE, SHOW, Action, Body, Paging, Report, Resource, Rows, given
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, oauth_clients
from tocsin.store.tables.attachments import oauth_client

KIND: Final = "webhook_oauth_client"
PATH: Final = "/webhook_subscriptions/oauth_clients"


class ClientWrite(msgspec.Struct):
    """What a client of the API may say of an OAuth client."""

    name: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET
    scope: str | UnsetType | None = UNSET
    token_url: str | UnsetType = UNSET
    grant_type: str | UnsetType = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    names = ("name", "client_id", "scope", "token_url", "grant_type", "status")
    return [
        {**envelope.common(call.house, KIND, row.id, row.name, path=f"{PATH}/{row.id}"), "type": "oauth_client", **{name: getattr(row, name) for name in names}}
        for row in rows
    ]


def _columns(body: ClientWrite) -> dict[str, Any]:
    sent = given(body)
    if "client_secret" in sent:
        sent["secret"] = sent.pop("client_secret")
    if "scope" in sent:
        sent["scope"] = sent["scope"] or None
    return sent


def list_(call: Call) -> Body:
    """All of them, by name."""
    access.allow(call.actor, permission.READ, Thing(KIND))
    rows = call.tx.rows(sa.select(oauth_client).order_by(oauth_client.c.name, oauth_client.c.id))
    return {"oauth_clients": shown(call, rows)}


def create(call: Call, body: ClientWrite) -> Body:
    """A new client, once a token was had with it."""
    access.allow(call.actor, permission.CREATE, Thing(KIND))
    whole = oauth_clients.checked(call.tx, call.seals, _columns(body), None)
    oauth_clients.tried(whole, call.house.allowed_networks)
    with call.house.db.write() as tx:
        id_ = oauth_clients.create(tx, call.deed, call.seals, whole)
        return shown(call, tx.rows(sa.select(oauth_client).where(oauth_client.c.id == id_)))[0]


def update(call: Call, body: ClientWrite) -> Body:
    """Change a client, once a token was had with what it will be; what is so already asks nobody."""
    row = access.find(call.tx, call.actor, KIND, oauth_client, call.id)
    access.allow(call.actor, permission.UPDATE, Thing(KIND, row.id))
    sent = _columns(body)
    whole = oauth_clients.checked(call.tx, call.seals, sent, row)
    if whole != oauth_clients.checked(call.tx, call.seals, {}, row) or row.status != oauth_clients.ACTIVE:
        oauth_clients.tried(whole, call.house.allowed_networks)
        with call.house.db.write() as tx:
            row = access.find(tx, call.actor, KIND, oauth_client, row.id, permission.UPDATE)
            oauth_clients.change(tx, call.deed, call.seals, row, oauth_clients.checked(tx, call.seals, sent, row))
            return shown(call, tx.rows(sa.select(oauth_client).where(oauth_client.c.id == row.id)))[0]
    return shown(call, [row])[0]


def remove(call: Call, row: sa.Row[Any]) -> None:
    oauth_clients.delete(call.tx, call.deed, row)


CLIENTS = Resource(
    name="oauth_client",
    plural="oauth_clients",
    kind=KIND,
    path=PATH,
    scope="webhook_subscriptions",
    tag="Webhooks",
    table=oauth_client,
    verbs=(SHOW, DELETE),
    read=shown,
    delete=remove,
    audits=False,
    paging=Paging.NONE,
)

_WRITE: Final[dict[str, Any]] = {
    "tag": "Webhooks", "body": ClientWrite, "wrap_in": "oauth_client", "wrap_out": "oauth_client", "writes": False,
    "scope": "webhook_subscriptions.write",
}  # fmt: skip

DECLARED = (
    CLIENTS,
    Report(PATH, "Webhooks", list_, scope="webhook_subscriptions.read"),
    Action(method="POST", path=PATH, run=create, status=201, **_WRITE),
    Action(method="PUT", path=f"{PATH}/{{id}}", run=update, **_WRITE),
)
