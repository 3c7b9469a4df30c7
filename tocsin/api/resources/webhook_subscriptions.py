"""Webhook subscriptions (v3), as PagerDuty's API shows them (BEHAVIOUR 8, tag Webhooks)."""

from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import DELETE, LIST, SHOW, UPDATE, Action, Body, Resource, Rows, given
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.service import access, oauth_clients, webhooks
from tocsin.store import webhooks as store
from tocsin.store.tables.services import webhook_subscription

HTTP: Final = "http_delivery_method"


class HeaderWrite(msgspec.Struct):
    """A header every webhook of the subscription carries; its value is a secret."""

    name: str
    value: str


class MethodWrite(msgspec.Struct):
    """How webhooks are delivered. Fixed when the subscription is made."""

    url: str | UnsetType = UNSET
    type: str = HTTP
    custom_headers: list[HeaderWrite] | UnsetType | None = UNSET


class FilterWrite(msgspec.Struct):
    """Whose events are wanted: the account's, a service's or a team's."""

    type: str
    id: str | UnsetType | None = UNSET


class SubscriptionWrite(msgspec.Struct):
    """What a client may say of a subscription."""

    delivery_method: MethodWrite | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET
    filter: FilterWrite | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    active: bool | UnsetType = UNSET
    oauth_client_id: str | UnsetType | None = UNSET


def shown(call: Call, rows: Rows, *, secret: str | None = None) -> list[Body]:
    """Subscriptions as bodies. `secret` only in the answer to making one. Those that carry an extension's webhooks are not there."""
    if any(row.filter_type == store.EXTENSION for row in rows):
        raise access.missing("webhook_subscription")
    clients = oauth_clients.of_subscriptions(call.tx, [row.id for row in rows])
    return [
        {
            **envelope.common(call.house, "webhook_subscription", row.id, row.description),
            "active": row.is_active,
            "delivery_method": {
                "id": row.id,
                "type": HTTP,
                "url": row.url,
                "secret": secret,
                "temporarily_disabled": webhooks.is_disabled(row, call.now),
                "custom_headers": [{"name": one["name"], "value": webhooks.REDACTED} for one in row.custom_headers],
            },
            "description": row.description or "",
            "events": row.events,
            "filter": {"type": row.filter_type} | ({"id": row.filter_id} if row.filter_id else {}),
            "oauth_client": {"id": clients[row.id].id, "type": "oauth_client_reference", "summary": clients[row.id].name}
            if row.id in clients
            else None,
        }
        for row in rows
    ]


def create(call: Call, body: SubscriptionWrite) -> Body:
    """A new subscription; the answer is the only place where its secret is."""
    access.allow(call.actor, permission.CREATE, permission.Thing("webhook_subscription"))
    method = body.delivery_method
    missing = []
    if not isinstance(method, MethodWrite) or method.url is UNSET:
        missing.append("Delivery method needs a url")
    if body.events is UNSET:
        missing.append("Events cannot be empty")
    if body.filter is UNSET:
        missing.append("Filter cannot be empty: it has the type account_reference, service_reference or team_reference")
    if missing or not isinstance(method, MethodWrite):
        raise invalid(*missing)
    if method.type != HTTP:
        raise invalid(f"Delivery method must have the type {HTTP}")
    headers = method.custom_headers if isinstance(method.custom_headers, list) else []
    sent = columns(call, body)
    made = webhooks.subscribe(
        call.tx,
        call.deed,
        call.seals,
        url=str(method.url),
        custom_headers=[{"name": one.name, "value": one.value} for one in headers],
        **sent,
    )
    _name_client(call, made.id, body)
    return shown(call, [webhooks.subscription_row(call.tx, made.id)], secret=made.secret)[0]


def _name_client(call: Call, subscription_id: str, body: SubscriptionWrite) -> None:
    """Let it use the OAuth client that was sent, if any. Who names one lets its tokens be read: that is for admins."""
    if body.oauth_client_id is UNSET:
        return
    row = webhooks.subscription_row(call.tx, subscription_id)
    known = oauth_clients.of_subscriptions(call.tx, [row.id]).get(row.id)
    if body.oauth_client_id != (known.id if known else None):
        access.allow(call.actor, permission.READ, permission.Thing("webhook_oauth_client"))
        oauth_clients.name_for(call.tx, call.deed, row, body.oauth_client_id)


def columns(call: Call, body: SubscriptionWrite) -> dict[str, Any]:
    """What was sent, as columns of the table."""
    sent = given(body, "events", "description")
    if body.active is not UNSET:
        sent["is_active"] = body.active
    if isinstance(body.filter, FilterWrite):
        sent["filter_type"] = body.filter.type
        sent["filter_id"] = body.filter.id if isinstance(body.filter.id, str) else None
        table, kind = webhooks.FILTERS.get(body.filter.type), body.filter.type.removesuffix("_reference")
        if table is not None and sent["filter_id"] and not access.known(call.tx, call.actor, kind, table, [sent["filter_id"]]):
            raise invalid(f"Filter names a {kind} that does not exist")
    return sent


def update(call: Call, row: sa.Row[Any], body: SubscriptionWrite) -> None:
    """Change what was sent. A delivery method that says what is so is let pass; another one is refused."""
    method = body.delivery_method
    if isinstance(method, MethodWrite):
        names = [one.name for one in method.custom_headers] if isinstance(method.custom_headers, list) else None
        same = method.type == HTTP and method.url in {UNSET, row.url}
        same = same and (names is None or sorted(names) == sorted(one["name"] for one in row.custom_headers))
        told = method.custom_headers if isinstance(method.custom_headers, list) else []
        if not same or not all(_is_known(call, row, one) for one in told):
            raise invalid("Delivery method cannot be changed: make another subscription")
    webhooks.change_subscription(call.tx, call.deed, row.id, columns(call, body))
    _name_client(call, row.id, body)


def _is_known(call: Call, row: sa.Row[Any], header: HeaderWrite) -> bool:
    kept = {one["name"]: one["sealed"] for one in row.custom_headers}
    return header.value == webhooks.REDACTED or call.seals.open(kept[header.name]) == header.value


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a subscription."""
    webhooks.unsubscribe(call.tx, call.deed, row.id)


def _found(call: Call) -> sa.Row[Any]:
    """The subscription in the path, to be changed. Raises 404 or 403."""
    row = access.find(call.tx, call.actor, "webhook_subscription", webhook_subscription, call.id, permission.UPDATE)
    if row.filter_type == store.EXTENSION:
        raise access.missing("webhook_subscription")
    return row


def enable(call: Call) -> Body:
    """Let a subscription hear again that was disabled for refusing too often."""
    row = _found(call)
    webhooks.enable(call.tx, call.deed, row.id)
    return shown(call, [webhooks.subscription_row(call.tx, row.id)])[0]


def ping(call: Call) -> None:
    """Owe a `pagey.ping`."""
    row = _found(call)
    webhooks.ping(call.tx, call.deed, row.id)


def filtered(call: Call) -> list[sa.ColumnElement[bool]]:
    """`filter_type=account|service|team` and `filter_id=`."""
    kind = call.query.choice("filter_type", ("account", "service", "team"), default="")
    id_ = call.query.one("filter_id")
    conditions = [webhook_subscription.c.filter_type == f"{kind}_reference" if kind else webhook_subscription.c.filter_type != store.EXTENSION]
    return conditions + ([webhook_subscription.c.filter_id == id_] if id_ else [])


SUBSCRIPTIONS = Resource(
    name="webhook_subscription",
    plural="webhook_subscriptions",
    path="/webhook_subscriptions",
    tag="Webhooks",
    table=webhook_subscription,
    verbs=(LIST, SHOW, UPDATE, DELETE),
    read=shown,
    write=SubscriptionWrite,
    update=update,
    delete=remove,
    audits=False,
    where=filtered,
    order=(webhook_subscription.c.created_at,),
)

DECLARED = (
    SUBSCRIPTIONS,
    Action(
        method="POST",
        path="/webhook_subscriptions",
        tag="Webhooks",
        body=SubscriptionWrite,
        wrap_in="webhook_subscription",
        wrap_out="webhook_subscription",
        status=200,
        scope="webhook_subscriptions.write",
        run=create,
    ),
    Action(
        method="POST",
        path="/webhook_subscriptions/{id}/enable",
        tag="Webhooks",
        wrap_out="webhook_subscription",
        scope="webhook_subscriptions.write",
        run=enable,
    ),
    Action(
        method="POST",
        path="/webhook_subscriptions/{id}/ping",
        tag="Webhooks",
        status=202,
        scope="webhook_subscriptions.write",
        run=ping,
    ),
)
