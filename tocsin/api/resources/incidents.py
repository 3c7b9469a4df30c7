"""Incidents: list, make, change, snooze and merge them, as PagerDuty's API does (BEHAVIOUR 3.1, tag Incidents)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import paging
from tocsin.api.kernel.call import Call, Query
from tocsin.api.kernel.filters import since_until
from tocsin.api.kernel.spec import Action, Body, Bulk, Reference, Report
from tocsin.api.resources import incident_shapes as shapes
from tocsin.base import ids
from tocsin.base.errors import Refusal, invalid, invalid_arguments
from tocsin.core import alert as alert_rules
from tocsin.core import permission
from tocsin.core.events import Status, Urgency
from tocsin.core.incident_state import BASE_TYPE
from tocsin.core.permission import Thing
from tocsin.service import access, incident_types
from tocsin.service.incidents import Desk
from tocsin.store import incident_lists, incidents, policies
from tocsin.store.incident_lists import STATUSES, URGENCIES, Wanted
from tocsin.store.tables.incidents import alert, incident
from tocsin.store.tables.services import escalation_policy, priority, service

CHANNEL: Final = "api"
"""What log entries say of the way a request of this API came."""

RANGE: Final = timedelta(days=30)
RANGE_MOST: Final = timedelta(days=184)
"""How far back a list reaches by itself, and at most (BEHAVIOUR 3.1); `date_range=all` lifts both."""

BULK_MOST: Final = 250
SORTS_MOST: Final = 2

INCLUDES: Final = frozenset(
    {
        "acknowledgers", "agents", "assignees", "body", "conference_bridge", "custom_fields", "escalation_policies",
        "first_trigger_log_entries", "priorities", "services", "teams", "users",
    }
)  # fmt: skip

Title = Annotated[str, Meta(min_length=1, max_length=1024)]


class Bridge(msgspec.Struct):
    """Where people talk about it."""

    conference_number: Annotated[str, Meta(max_length=255)] | None = None
    conference_url: Annotated[str, Meta(max_length=2048)] | None = None


class Assignee(msgspec.Struct):
    assignee: Reference


class IncidentType(msgspec.Struct):
    """A type by its name; its id serves too."""

    name: str | None = None
    id: str | None = None


class Details(msgspec.Struct):
    """What is known of it, in words (BEHAVIOUR 3.1: strings only)."""

    details: str | None = None


class IncidentMake(msgspec.Struct):
    """What a client says of a new incident."""

    type: Literal["incident", "incident_reference"]
    title: Title
    service: Reference
    priority: Reference | str | UnsetType | None = UNSET
    urgency: Literal["high", "low"] | UnsetType | None = UNSET
    body: Details | UnsetType | None = UNSET
    incident_key: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    assignments: list[Assignee] | UnsetType | None = UNSET
    incident_type: IncidentType | UnsetType | None = UNSET
    escalation_policy: Reference | UnsetType | None = UNSET
    conference_bridge: Bridge | UnsetType | None = UNSET


class IncidentChange(msgspec.Struct, kw_only=True):
    """What a client may change of one incident."""

    type: Literal["incident", "incident_reference"] | UnsetType = UNSET
    status: Literal["triggered", "acknowledged", "resolved"] | UnsetType = UNSET
    resolution: Annotated[str, Meta(max_length=25_000)] | UnsetType | None = UNSET
    title: Title | UnsetType = UNSET
    priority: Reference | str | UnsetType | None = UNSET
    escalation_level: Annotated[int, Meta(ge=1)] | UnsetType | None = UNSET
    assignments: list[Assignee] | UnsetType | None = UNSET
    incident_type: IncidentType | UnsetType | None = UNSET
    escalation_policy: Reference | UnsetType | None = UNSET
    urgency: Literal["high", "low"] | UnsetType | None = UNSET
    conference_bridge: Bridge | UnsetType | None = UNSET
    service: Reference | UnsetType | None = UNSET


class IncidentItem(IncidentChange, kw_only=True):
    """One of many to change at once."""

    id: str
    type: Literal["incident", "incident_reference"]


class SnoozeWish(msgspec.Struct):
    duration: int


class MergeWish(msgspec.Struct):
    source_incidents: Annotated[list[Reference], Meta(min_length=1, max_length=1000)]


# --- Finding ---------------------------------------------------------------------------------------------------------


def found(call: Call, id_or_number: str, action: str = permission.READ) -> sa.Row[Any]:
    """The row of an incident, by id or number. Raises 404 when there is none for this actor, 403 when it may not act."""
    id_ = id_or_number
    if id_or_number.isascii() and id_or_number.isdigit() and len(id_or_number) < 16:
        id_ = call.tx.scalar(sa.select(incident.c.id).where(incident.c.number == int(id_or_number))) or id_or_number
    return access.find(call.tx, call.actor, "incident", incident, id_, action)


def id_of(call: Call, action: str = permission.READ) -> str:
    """The id of the incident that the path names."""
    return str(found(call, call.id, action).id)


def body_of(call: Call, incident_id: str) -> Body:
    """One incident as it is now."""
    return shapes.incident_bodies(call, list(incidents.load(call.tx, [incident_id]).values()))[0]


def show(call: Call) -> Body:
    return shapes.incident_bodies(call, incidents.read([found(call, call.id)]))[0]


def list_(call: Call) -> Body:
    """A page of incidents: of the last month unless asked otherwise, oldest first."""
    wanted = _wanted(call)
    window = paging.window(call.query)
    page = incident_lists.page(call.tx, wanted, limit=window.limit + 1, offset=window.offset)
    loaded = incidents.load(call.tx, page[: window.limit])
    listed = [loaded[incident_id] for incident_id in page[: window.limit]]
    total = incident_lists.count(call.tx, wanted) if window.wants_total else None
    return {
        "incidents": shapes.incident_bodies(call, listed),
        **window.answer(more=len(page) > window.limit, total=total),
    }


def _wanted(call: Call) -> Wanted:
    query = call.query
    query.choice("date_range", ("all",), default="")
    span = since_until(query, call.now, default=RANGE, longest=RANGE_MOST, lift=True)
    policy_ids, also = _owned(call)
    return Wanted(
        statuses=_words(query, "statuses[]", STATUSES),
        urgencies=_words(query, "urgencies[]", URGENCIES),
        service_ids=tuple(dict.fromkeys(query.many("service_ids[]"))) or None,
        policy_ids=policy_ids,
        user_ids=query.many("user_ids[]") or None,
        since=span.start if span else None,
        until=span.end if span and query.one("until") else None,
        key=query.one("incident_key"),
        also=also,
        sorts=_sorts(query),
    )


def _owned(call: Call) -> tuple[tuple[str, ...] | None, tuple[sa.ColumnElement[bool], ...]]:
    """The policies whose incidents are asked for and may be seen (None: any), and what else keeps to what may be seen.

    An incident's team is its policy's, so who sees only some teams sees only some policies: those are few and have an
    index, while asking each of a million incidents for its team would take long.
    """
    policy = escalation_policy.c
    conditions: list[sa.ColumnElement[bool]] = []
    if team_ids := call.query.many("team_ids[]"):
        conditions.append(policy.team_id.in_(team_ids))
    seen = access.visible(call.actor, "incident")
    sees_all_but_some = permission.may(call.actor, permission.READ, Thing("incident")).allowed
    mine = access.visible(call.actor, "escalation_policy")
    if not sees_all_but_some and mine is not None:
        conditions.append(mine)
    also = (seen,) if seen is not None and sees_all_but_some else ()
    if not conditions:
        return None, also
    return tuple(row.id for row in call.tx.rows(sa.select(policy.id).where(*conditions).order_by(policy.id))), also


def _words(query: Query, name: str, known: Sequence[str]) -> tuple[str, ...] | None:
    asked = tuple(dict.fromkeys(query.many(name)))
    if unknown := [word for word in asked if word not in known]:
        raise invalid_arguments(f"{name} does not know {', '.join(unknown)}: use {', '.join(known)}")
    return asked or None


def _sorts(query: Query) -> tuple[tuple[str, bool], ...]:
    asked = [word.strip() for value in query.many("sort_by") for word in value.split(",")]
    if len(asked) > SORTS_MOST:
        raise invalid_arguments(f"sort_by takes at most {SORTS_MOST} fields")
    sorts = []
    for word in asked:
        name, _, direction = word.partition(":")
        if name not in incident_lists.SORTS or direction not in {"", "asc", "desc"}:
            raise invalid_arguments(
                f"sort_by must be made of {', '.join(incident_lists.SORTS)}, each with :asc or :desc"
            )
        sorts.append((name, direction == "desc"))
    return tuple(sorts) or (("created_at", False),)


# --- Making ----------------------------------------------------------------------------------------------------------


def make(call: Call, wish: IncidentMake) -> Body:
    """Open an incident by hand: on the service's policy, on another, or directly somebody's."""
    row = access.find(call.tx, call.actor, "service", service, wish.service.id)
    if wish.assignments and wish.escalation_policy:
        raise invalid("An incident is given either assignments or an escalation_policy, not both")
    if row.is_disabled:
        raise invalid(f"Service {row.name} is disabled: enable it first")
    type_name = _type_name(call, wish.incident_type)
    policy_id = _policy(call, wish.escalation_policy) or row.escalation_policy_id
    team = call.tx.scalar(sa.select(escalation_policy.c.team_id).where(escalation_policy.c.id == policy_id))
    access.allow(call.actor, permission.RESPOND, Thing("incident", teams=frozenset({team} if team else ())))
    key = wish.incident_key or ids.uuid_text(call.chance).replace("-", "")
    _key_is_free(call, row.id, key)
    agent = call.actor.agent
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        asked = desk.service(row.id)
        if asked is None:
            raise access.missing("service")
        urgency = Urgency(wish.urgency) if wish.urgency else alert_rules.urgency_of(asked.urgency, None, call.now)[0]
        made = desk.open(
            service=asked,
            title=wish.title,
            urgency=urgency,
            agent=agent,
            channel=CHANNEL,
            reason=f"made by {agent.summary}",
            key=key,
            policy=desk.policy(policy_id),
            assign_to=_assignees(call, wish.assignments or None),
            priority_id=_priority(call, wish.priority),
            details=wish.body.details if isinstance(wish.body, Details) else None,
            type_name=type_name or BASE_TYPE,
        )
        if isinstance(wish.conference_bridge, Bridge):
            desk.change_field(made.id, agent, CHANNEL, "conference_bridge", msgspec.to_builtins(wish.conference_bridge))
    return body_of(call, made.id)


def _key_is_free(call: Call, service_id: str, key: str) -> None:
    """One open incident per service and key; a key may be an incident's own or that of its alert (BEHAVIOUR 3.1)."""
    open_alert = sa.select(alert.c.id).where(
        alert.c.dedup_key == key, alert.c.service_id == service_id, alert.c.status == "triggered"
    )
    if incidents.open_with_key(call.tx, service_id, key) or call.tx.scalar(open_alert.limit(1)):
        raise invalid_arguments("Open incident with matching dedup key already exists on this service")


def _type_name(call: Call, wished: IncidentType | UnsetType | None) -> str | None:
    """The name of the type that is wished for. Raises 400 when there is none like it, or it is disabled."""
    if not isinstance(wished, IncidentType):
        return None
    named = wished.name or wished.id
    if named is None:
        raise invalid("incident_type needs a name")
    return incident_types.usable(call.tx, named).name


def _policy(call: Call, wished: Reference | UnsetType | None) -> str | None:
    """The id of the policy that is wished for. Raises 400/1014 when there is none for this actor."""
    if not isinstance(wished, Reference):
        return None
    try:
        return str(access.find(call.tx, call.actor, "escalation_policy", escalation_policy, wished.id).id)
    except Refusal as refusal:
        raise Refusal(
            400, 1014, "Escalation Policy Not Found", [f"There is no escalation policy {wished.id}"]
        ) from refusal


def _assignees(call: Call, wished: list[Assignee] | UnsetType | None) -> tuple[str, ...]:
    """The ids of the people that are wished for. Raises 400/1007 when one of them cannot be paged."""
    if not isinstance(wished, list):
        return ()
    people = tuple(dict.fromkeys(one.assignee.id for one in wished))
    if missing := policies.unavailable(call.tx, people):
        raise Refusal(400, 1007, "Assignee Not Found", sorted(missing.values()))
    return people


def _priority(call: Call, wished: Reference | str | UnsetType | None) -> str | None:
    """The id of the priority that is wished for, by id or by name; the highest of that name. Raises 400/1020."""
    if not wished:
        return None
    if isinstance(wished, Reference):
        chosen = call.tx.scalar(sa.select(priority.c.id).where(priority.c.id == wished.id))
    else:
        named = sa.select(priority.c.id).where(sa.func.lower(priority.c.name) == str(wished).strip().lower())
        chosen = call.tx.scalar(named.order_by(priority.c.order, priority.c.id).limit(1))
    if chosen is None:
        asked = wished.id if isinstance(wished, Reference) else wished
        raise Refusal(400, 1020, "Incident Priority Not Found", [f"There is no priority {asked}"])
    return str(chosen)


# --- Changing --------------------------------------------------------------------------------------------------------


def change(call: Call, wish: IncidentChange) -> Body:
    id_ = id_of(call, permission.RESPOND)
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        _change(call, desk, id_, wish)
    return body_of(call, id_)


def change_many(call: Call, wishes: list[IncidentItem]) -> list[Body]:
    """All of them or none: the first refusal undoes the whole request and says which incident it is about."""
    places = {
        wish.id: str(found(call, wish.id, permission.RESPOND).id) for wish in sorted(wishes, key=lambda wish: wish.id)
    }
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        desk.fetch(places.values())
        for at, wish in enumerate(wishes):
            try:
                _change(call, desk, places[wish.id], wish)
            except Refusal as refusal:
                if isinstance(refusal.errors, list):
                    refusal.errors = [f"incidents[{at}] ({wish.id}): {text}" for text in refusal.errors]
                raise
    loaded = incidents.load(call.tx, places.values())
    return shapes.incident_bodies(call, [loaded[places[wish.id]] for wish in wishes])


def _change(call: Call, desk: Desk, id_: str, wish: IncidentChange) -> None:
    """What is wished for one incident, in an order in which every part can hold: fields, whose it is, then its status."""
    agent = call.actor.agent
    type_name = _type_name(call, wish.incident_type)
    if type_name is not None:
        desk.change_type(id_, agent, CHANNEL, type_name)
    if wish.title is not UNSET:
        desk.change_field(id_, agent, CHANNEL, "title", wish.title)
    if wish.priority is not UNSET:
        desk.change_priority(id_, agent, CHANNEL, _priority(call, wish.priority))
    if wish.conference_bridge is not UNSET:
        bridge = msgspec.to_builtins(wish.conference_bridge) if wish.conference_bridge else None
        desk.change_field(id_, agent, CHANNEL, "conference_bridge", bridge)
    if isinstance(wish.service, Reference):
        to = access.find(call.tx, call.actor, "service", service, wish.service.id)
        desk.change_field(id_, agent, CHANNEL, "service", to.id)
    _give(call, desk, id_, wish)
    if wish.urgency:
        desk.change_urgency(id_, agent, CHANNEL, Urgency(wish.urgency))
    status = desk.incident(id_).status
    if wish.status == "resolved":
        desk.resolve(id_, agent, CHANNEL, wish.resolution or None)
    elif wish.status == "acknowledged":
        desk.acknowledge(id_, agent, CHANNEL)
    elif wish.status == "triggered" and status is Status.ACKNOWLEDGED:
        desk.unacknowledge(id_, agent, CHANNEL)


def _give(call: Call, desk: Desk, id_: str, wish: IncidentChange) -> None:
    """Whose it is to be: people, a policy, a level; a resolved one is opened again for them."""
    agent = call.actor.agent
    if wish.assignments and wish.escalation_policy:
        raise invalid("An incident is given either assignments or an escalation_policy, not both")
    policy_id = _policy(call, wish.escalation_policy)
    people = _assignees(call, wish.assignments)
    level = wish.escalation_level - 1 if isinstance(wish.escalation_level, int) else None
    if not desk.incident(id_).is_open and wish.status in {"triggered", "acknowledged"}:
        desk.reopen(
            id_, agent, CHANNEL, acknowledged=wish.status == "acknowledged", assign_to=people, policy_id=policy_id
        )
    elif policy_id is not None:
        desk.delegate(id_, agent, CHANNEL, policy_id)
    elif isinstance(wish.assignments, list):
        desk.reassign(id_, agent, CHANNEL, people)
    if level is not None:
        desk.escalate(id_, agent, CHANNEL, level)


def snooze(call: Call, wish: SnoozeWish) -> Body:
    id_ = id_of(call, permission.RESPOND)
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        desk.snooze(id_, call.actor.agent, CHANNEL, wish.duration)
    return body_of(call, id_)


def merge(call: Call, wish: MergeWish) -> Body:
    """Let this incident take the alerts of others, which end by it."""
    target_id = id_of(call, permission.RESPOND)
    asked = sorted({source.id for source in wish.source_incidents})
    source_ids = [str(found(call, source_id, permission.RESPOND).id) for source_id in asked]
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        desk.fetch([target_id, *source_ids])
        merged = desk.merge(target_id, source_ids, call.actor.agent, CHANNEL)
    return shapes.incident_reference(call, merged)


DECLARED = (
    Report("/incidents", "Incidents", list_, scope="incidents.read", includes=INCLUDES),
    Action(
        method="POST", path="/incidents", tag="Incidents", run=make, body=IncidentMake, wrap_in="incident",
        wrap_out="incident", status=201, scope="incidents.write", from_needed=True,
    ),
    Bulk(
        path="/incidents", tag="Incidents", plural="incidents", item=IncidentItem, run=change_many, most=BULK_MOST,
        scope="incidents", from_needed=True,
    ),
    Report("/incidents/{id}", "Incidents", show, scope="incidents.read", wrap_out="incident", includes=INCLUDES),
    Action(
        method="PUT", path="/incidents/{id}", tag="Incidents", run=change, body=IncidentChange, wrap_in="incident",
        wrap_out="incident", scope="incidents.write", from_needed=True,
    ),
    Action(
        method="POST", path="/incidents/{id}/snooze", tag="Incidents", run=snooze, body=SnoozeWish,
        wrap_out="incident", status=201, scope="incidents.write", from_needed=True,
    ),
    Action(
        method="PUT", path="/incidents/{id}/merge", tag="Incidents", run=merge, body=MergeWish,
        wrap_out="incident", scope="incidents.write", from_needed=True,
    ),
)  # fmt: skip
