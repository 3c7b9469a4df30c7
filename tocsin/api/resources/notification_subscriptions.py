"""What users and teams are subscribed to: `notification_subscriptions` of the tags Users and Teams."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, subscriptions
from tocsin.store.tables.people import team, user

ACCOUNT = "account"
_TABLES = {"user": user, "team": team}


class Subscribable(msgspec.Struct):
    """One thing to hear of."""

    subscribable_id: Annotated[str, Meta(min_length=1, max_length=100)]
    subscribable_type: Literal["incident", "business_service"]


class Subscribables(msgspec.Struct):
    """The body of subscribing and of unsubscribing."""

    subscribables: Annotated[list[Subscribable], Meta(min_length=1, max_length=subscriptions.THINGS_MOST)]


def _subscriber(call: Call, kind: str, action: str) -> Body:
    """The user or team in the path, as a reference. One's own subscriptions are one's own; a team's are its managers'."""
    row = access.find(call.tx, call.actor, kind, _TABLES[kind], call.id)
    if kind == "user":
        access.allow(call.actor, action, Thing("notification_subscription", owner_id=row.id))
    else:
        access.allow(call.actor, action, Thing("team", row.id, frozenset({row.id})))
    return envelope.reference(call.house, kind, row.id, row.name)


def _body(subscriber: Body, thing: tuple[str, str]) -> Body:
    return {
        "subscriber_id": subscriber["id"],
        "subscriber_type": subscriber["type"].removesuffix("_reference"),
        "subscribable_id": thing[1],
        "subscribable_type": thing[0],
        "account_id": ACCOUNT,
    }


def listed(kind: str, call: Call) -> Body:
    """What it is subscribed to, by pages."""
    subscriber = _subscriber(call, kind, permission.READ)
    found = subscriptions.of_subscriber(call.tx, call.actor, subscriber)
    part, window = paging.page_of(call.query, found)
    # The name stands where the published shape has it and where the published example has it.
    told = [{"subscription": _body(subscriber, one) | {"subscribable_name": None}, "subscribable_name": None} for one in part]
    return {"subscriptions": told, **window}


def subscribe(kind: str, call: Call, body: Subscribables) -> Body:
    """Subscribe to several things; each answers for itself."""
    subscriber = _subscriber(call, kind, permission.UPDATE)
    things = _things(body)
    results = subscriptions.subscribe(call.tx, call.deed, subscriber, things)
    return {"subscriptions": [_body(subscriber, one) | {"result": result} for one, result in zip(things, results, strict=True)]}


def unsubscribe(kind: str, call: Call, body: Subscribables) -> Body:
    """End several subscriptions."""
    counts = subscriptions.unsubscribe(call.tx, call.deed, _subscriber(call, kind, permission.UPDATE), _things(body))
    return {
        "deleted_count": counts[subscriptions.SUCCESS],
        "unauthorized_count": counts[subscriptions.UNAUTHORIZED],
        "non_existent_count": counts["missing"],
    }


def _things(body: Subscribables) -> list[tuple[str, str]]:
    return [(one.subscribable_type, one.subscribable_id) for one in body.subscribables]


def _action(kind: str, path: str, run: Callable[..., Any]) -> Action:
    at = f"/{kind}s/{{id}}/notification_subscriptions{path}"
    return Action(method="POST", path=at, tag=f"{kind.title()}s", run=partial(run, kind), body=Subscribables, scope="subscribers.write")


DECLARED = tuple(
    operation
    for kind in ("teams", "users")
    for operation in (
        Report(f"/{kind}/{{id}}/notification_subscriptions", kind.title(), partial(listed, kind.removesuffix("s")), scope="subscribers.read"),
        _action(kind.removesuffix("s"), "", subscribe),
        _action(kind.removesuffix("s"), "/unsubscribe", unsubscribe),
    )
)
