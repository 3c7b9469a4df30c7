"""Status updates of an incident, and who hears of them (BEHAVIOUR 3.1 and 10, tag Incidents)."""

from typing import Annotated, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import incident_shapes, incidents, shapes
from tocsin.api.resources.notification_subscriptions import ACCOUNT
from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, status_updates, subscriptions
from tocsin.service.incidents import Desk
from tocsin.store import subscriptions as store
from tocsin.store.tables.people import team, user
from tocsin.store.tables.responding import status_update

_TABLES: Final = {"user": user, "team": team}


class UpdateWish(msgspec.Struct):
    message: Annotated[str, Meta(min_length=1, max_length=status_updates.MESSAGE_MOST)]
    subject: Annotated[str, Meta(min_length=1, max_length=status_updates.SUBJECT_MOST)] | None = None
    html_message: Annotated[str, Meta(min_length=1, max_length=status_updates.HTML_MOST)] | None = None


class Subscriber(msgspec.Struct):
    subscriber_id: Annotated[str, Meta(min_length=1, max_length=100)]
    subscriber_type: Literal["user", "team"]


class Subscribers(msgspec.Struct):
    subscribers: Annotated[list[Subscriber], Meta(min_length=1, max_length=subscriptions.THINGS_MOST)]


def publish(call: Call, wish: UpdateWish) -> Body:
    """Tell how it stands; a subject and an HTML message together replace what the mail would say."""
    id_ = incidents.id_of(call, permission.RESPOND)
    if not wish.message.strip():
        raise invalid("message must not be empty")
    if (wish.subject is None) != (wish.html_message is None):
        raise invalid("subject and html_message go together: send both, or neither")
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        update_id = desk.publish_update(
            id_, call.actor.agent, incidents.CHANNEL, wish.message, subject=wish.subject, html=wish.html_message,
            public_url=call.house.base_url,
        )  # fmt: skip
    row = call.tx.one(sa.select(status_update).where(status_update.c.id == update_id))
    assert row is not None
    people = shapes.rows_by_id(call, user, [row.user_id] if row.user_id else [])
    sender = (
        shapes.reference_in(call, "user", row.user_id, people)
        if row.user_id
        else envelope.reference(call.house, "bot_user", row.id, "Tocsin")
    )
    told: Body = {
        "id": row.id,
        "message": row.message,
        "created_at": times.iso(row.created_at, incident_shapes.zone_of(call)),
        "sender": sender,
    }
    return told | ({"subject": row.subject, "html_message": row.html_message} if row.html_message else {})


# ----------------------------------------------------------------------------------------------------------- subscribers


def list_subscribers(call: Call) -> Body:
    """Who subscribed, in the order in which they did."""
    id_ = incidents.id_of(call)
    found = [one for one in store.subscribers(call.tx, ("incident", id_)) if _reference(call, one, permission.READ)]
    part, window = paging.page_of(call.query, found)
    told = [
        {"subscriber_id": one, "subscriber_type": kind, "has_indirect_subscription": False, "subscribed_via": None}
        for kind, one in part
    ]
    return {"subscribers": told, "account_id": ACCOUNT, **window}


def subscribe(call: Call, wish: Subscribers) -> Body:
    """Let these hear of it; each answers for itself. Oneself, or others by whoever may act on the incident."""
    id_ = incidents.id_of(call)
    results = []
    for one in wish.subscribers:
        reference = _reference(call, (one.subscriber_type, one.subscriber_id), permission.UPDATE)
        result = subscriptions.UNAUTHORIZED
        if reference is not None:
            result = subscriptions.subscribe(call.tx, call.deed, reference, [("incident", id_)])[0]
        results.append(
            {
                "subscriber_id": one.subscriber_id,
                "subscriber_type": one.subscriber_type,
                "subscribable_id": id_,
                "subscribable_type": "incident",
                "account_id": ACCOUNT,
                "result": result,
            }
        )
    return {"subscriptions": results}


def unsubscribe(call: Call, wish: Subscribers) -> Body:
    """Let these hear of it no longer; how many that were, and how many were not there or may not be named."""
    id_ = incidents.id_of(call)
    counts = {subscriptions.SUCCESS: 0, subscriptions.UNAUTHORIZED: 0, "missing": 0}
    for one in {(one.subscriber_type, one.subscriber_id): None for one in wish.subscribers}:
        reference = _reference(call, one, permission.UPDATE)
        if reference is None:
            counts[subscriptions.UNAUTHORIZED] += 1
            continue
        for name, count in subscriptions.unsubscribe(call.tx, call.deed, reference, [("incident", id_)]).items():
            counts[name] += count
    return {
        "deleted_count": counts[subscriptions.SUCCESS],
        "unauthorized_count": counts[subscriptions.UNAUTHORIZED],
        "non_existent_count": counts["missing"],
    }


def _reference(call: Call, subscriber: tuple[str, str], action: str) -> Body | None:
    """A user or team as a reference; None when the actor may not see it, or may not subscribe it.

    Everybody subscribes themselves; who may act on the incident subscribes anybody (as one adds people to a mail).
    """
    kind, id_ = subscriber
    try:
        row = access.find(call.tx, call.actor, kind, _TABLES[kind], id_)
        is_self = kind == "user" and id_ == call.actor.user_id
        if action != permission.READ and not is_self:
            incidents.id_of(call, permission.RESPOND)
        elif action != permission.READ:
            access.allow(call.actor, action, Thing("notification_subscription", owner_id=id_))
    except Refusal:
        return None
    return envelope.reference(call.house, kind, row.id, row.name)


_AT: Final = "/incidents/{id}/status_updates"

DECLARED = (
    Action(
        method="POST", path=_AT, tag="Incidents", run=publish, body=UpdateWish, wrap_out="status_update",
        scope="incidents.write", from_needed=True,
    ),
    Report(f"{_AT}/subscribers", "Incidents", list_subscribers, scope="subscribers.read"),
    Action(method="POST", path=f"{_AT}/subscribers", tag="Incidents", run=subscribe, body=Subscribers, scope="subscribers.write"),
    Action(method="POST", path=f"{_AT}/unsubscribe", tag="Incidents", run=unsubscribe, body=Subscribers, scope="subscribers.write"),
)  # fmt: skip
