"""Business services and who hears of them, as PagerDuty's API shows them (BEHAVIOUR 10, tag Business Services)."""

from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import among
from tocsin.api.kernel.spec import Action, Body, Report, Resource, Rows, given
from tocsin.api.resources import shapes
from tocsin.api.resources.notification_subscriptions import ACCOUNT
from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, business_services, subscriptions
from tocsin.store import subscriptions as store
from tocsin.store.tables.business import business_service
from tocsin.store.tables.people import team, user

KIND: Final = "business_service"
TAG: Final = "Business Services"
_TABLES: Final = {"user": user, "team": team}


class TeamWrite(msgspec.Struct):
    """The team that owns it."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]


class BusinessServiceWrite(msgspec.Struct):
    """What a client may say of a business service."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    point_of_contact: str | UnsetType | None = UNSET
    team: TeamWrite | UnsetType | None = UNSET


class Subscriber(msgspec.Struct):
    subscriber_id: Annotated[str, Meta(min_length=1, max_length=100)]
    subscriber_type: Literal["user", "team"]


class Subscribers(msgspec.Struct):
    subscribers: Annotated[list[Subscriber], Meta(min_length=1, max_length=subscriptions.THINGS_MOST)]


def shown(call: Call, rows: Rows) -> list[Body]:
    """Business services as bodies; a team of which the actor may not know is not named."""
    teams = shapes.seen_by_id(call, "team", team, (row.team_id for row in rows))
    return [
        {
            **envelope.common(call.house, KIND, row.id, row.name),
            "name": row.name,
            **{name: said for name in ("description", "point_of_contact") if (said := getattr(row, name)) is not None},
            "team": envelope.reference(call.house, "team", row.team_id, teams[row.team_id].name) if row.team_id in teams else None,
        }
        for row in rows
    ]


def _columns(call: Call, body: BusinessServiceWrite, old_team: str | None) -> dict[str, Any]:
    columns = given(body, "name", "description", "point_of_contact")
    if body.team is not UNSET:
        columns["team_id"] = body.team.id if body.team else None
        if columns["team_id"] not in {None, old_team} and not access.known(call.tx, call.actor, "team", team, [columns["team_id"]]):
            raise invalid("Team names a team that does not exist")
    return columns


def create(call: Call, body: BusinessServiceWrite) -> str:
    return business_services.create(call.tx, call.deed, _columns(call, body, None))


def update(call: Call, row: sa.Row[Any], body: BusinessServiceWrite) -> None:
    business_services.change(call.tx, call.deed, row, _columns(call, body, row.team_id))


def remove(call: Call, row: sa.Row[Any]) -> None:
    business_services.delete(call.tx, call.deed, row)


def found(call: Call, action: str = permission.READ, param: str = "id") -> sa.Row[Any]:
    """The business service that the path names. Raises 404 or 403."""
    return access.find(call.tx, call.actor, KIND, business_service, call.params[param], action)


# ---------------------------------------------------------------------------------------------------------- subscribers


def subscribe_account(call: Call) -> Body:
    """Let everybody here hear of it."""
    business_services.subscribe_account(call.tx, call.deed, found(call, permission.UPDATE), is_subscribed=True)
    return {"account_is_subscribed": True}


def unsubscribe_account(call: Call) -> None:
    business_services.subscribe_account(call.tx, call.deed, found(call, permission.UPDATE), is_subscribed=False)


def list_subscribers(call: Call) -> Body:
    """The users and teams that subscribed to it, the oldest subscription first."""
    row = found(call)
    listed = [one for one in store.subscribers(call.tx, (KIND, row.id)) if _reference(call, row, one, permission.READ)]
    part, window = paging.page_of(call.query, listed)
    return {"subscribers": [{"subscriber_id": id_, "subscriber_type": kind} for kind, id_ in part], "account_id": ACCOUNT, **window}


def subscribe(call: Call, wish: Subscribers) -> Body:
    """Let these hear of it; each answers for itself."""
    row = found(call)
    results = []
    for one in wish.subscribers:
        reference = _reference(call, row, (one.subscriber_type, one.subscriber_id), permission.UPDATE)
        result = subscriptions.UNAUTHORIZED
        if reference is not None:
            result = subscriptions.subscribe(call.tx, call.deed, reference, [(KIND, row.id)])[0]
        results.append(
            {
                "subscriber_id": one.subscriber_id,
                "subscriber_type": one.subscriber_type,
                "subscribable_id": row.id,
                "subscribable_type": KIND,
                "account_id": ACCOUNT,
                "result": result,
            }
        )
    return {"subscriptions": results}


def unsubscribe(call: Call, wish: Subscribers) -> Body:
    """Let these hear of it no longer; how many that were, and how many were not there or may not be named."""
    row = found(call)
    counts = {subscriptions.SUCCESS: 0, subscriptions.UNAUTHORIZED: 0, "missing": 0}
    for one in {(one.subscriber_type, one.subscriber_id): None for one in wish.subscribers}:
        reference = _reference(call, row, one, permission.UPDATE)
        if reference is None:
            counts[subscriptions.UNAUTHORIZED] += 1
            continue
        for name, count in subscriptions.unsubscribe(call.tx, call.deed, reference, [(KIND, row.id)]).items():
            counts[name] += count
    return {
        "deleted_count": counts[subscriptions.SUCCESS],
        "unauthorized_count": counts[subscriptions.UNAUTHORIZED],
        "non_existent_count": counts["missing"],
    }


def _reference(call: Call, row: sa.Row[Any], subscriber: tuple[str, str], action: str) -> Body | None:
    """A user or team as a reference; None when the actor may not see it, or may not subscribe it.

    Everybody subscribes themselves; who may change the business service subscribes anybody.
    """
    kind, id_ = subscriber
    try:
        one = access.find(call.tx, call.actor, kind, _TABLES[kind], id_)
        if action != permission.READ and kind == "user" and id_ == call.actor.user_id:
            access.allow(call.actor, action, Thing("notification_subscription", owner_id=id_))
        elif action != permission.READ:
            access.allow(call.actor, action, Thing(KIND, row.id, frozenset({row.team_id} if row.team_id else ())))
    except Refusal:
        return None
    return envelope.reference(call.house, kind, one.id, one.name)


SERVICES = Resource(
    name=KIND,
    plural="business_services",
    path="/business_services",
    tag=TAG,
    table=business_service,
    scope="services",
    read=shown,
    write=BusinessServiceWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    create_status=200,
    searched=(business_service.c.name, business_service.c.description),
    filters={"team_ids[]": among(business_service.c.team_id)},
    order=(business_service.c.name,),
)

_ONE: Final = "/business_services/{id}"

DECLARED = (
    SERVICES,
    Action(method="POST", path=f"{_ONE}/account_subscription", tag=TAG, run=subscribe_account, scope="subscribers.write"),
    Action(method="DELETE", path=f"{_ONE}/account_subscription", tag=TAG, run=unsubscribe_account, status=204, scope="subscribers.write"),
    Report(f"{_ONE}/subscribers", TAG, list_subscribers, scope="subscribers.read"),
    Action(method="POST", path=f"{_ONE}/subscribers", tag=TAG, run=subscribe, body=Subscribers, scope="subscribers.write"),
    Action(method="POST", path=f"{_ONE}/unsubscribe", tag=TAG, run=unsubscribe, body=Subscribers, scope="subscribers.write"),
)
