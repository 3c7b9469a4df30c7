"""Webhooks v3: who subscribes, what a webhook says, and when one is given up.

Laws (BEHAVIOUR 8):
1. What a webhook says of an incident is how the incident stood right after the event it tells of, not how it stands now.
2. A body is kept with addresses relative to this server (`"self": "/incidents/Q…"`); they become whole when it is sent.
3. The secret is shown once, when the subscription is made; values of custom headers are never shown again.
4. Every change of a subscription takes a `Deed` and leaves an audit record.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from tocsin.base import ids, json, times
from tocsin.base.errors import invalid, not_found
from tocsin.base.secret import Seals
from tocsin.core import events as happened
from tocsin.core import incident_state as states
from tocsin.core.escalation import Policy
from tocsin.core.events import Agent
from tocsin.core.incident_state import Incident
from tocsin.service import audit, incident_types
from tocsin.service.audit import Deed
from tocsin.service.incident_types import Defined
from tocsin.store import events as log
from tocsin.store import incidents
from tocsin.store import webhooks as store
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables.people import team, user
from tocsin.store.tables.services import escalation_policy, priority, service, webhook_subscription
from tocsin.store.webhooks import Owed

SUBSCRIPTIONS_MOST: Final = 1000
URL_MOST: Final = 2048
DESCRIPTION_MOST: Final = 1024
HEADERS_MOST: Final = 20
HEADER_VALUE_MOST: Final = 4096

RETRY_FOR: Final = timedelta(hours=48)
"""How long a webhook is tried again."""
DROPS_MOST: Final = 3
"""So many dropped in a row and the subscription is disabled."""
DISABLED_FOR: Final = timedelta(hours=24)
WHOLE_MOST: Final = 55 * 1024
"""Bytes up to which a body is sent whole; in a larger one the details are left out."""
BODY_MOST: Final = 256 * 1024
"""Bytes beyond which a webhook is dropped."""
TRIMMED_AT: Final = 25_000
"""Characters of a note or status update that a webhook carries."""
REDACTED: Final = "-- redacted --"

PING: Final = "pagey.ping"
INCIDENT_EVENTS: Final = (
    "incident.acknowledged", "incident.action_invocation.created", "incident.action_invocation.terminated",
    "incident.action_invocation.updated", "incident.annotated", "incident.conference_bridge.updated",
    "incident.custom_field_values.updated", "incident.delegated", "incident.escalated", "incident.incident_type.changed",
    "incident.priority_updated", "incident.reassigned", "incident.reopened", "incident.resolved",
    "incident.responder.added", "incident.responder.replied", "incident.role.assigned", "incident.service_updated",
    "incident.status_update_published", "incident.task.completed", "incident.task.created", "incident.task.updated",
    "incident.triggered", "incident.unacknowledged", "incident.workflow.completed", "incident.workflow.started",
)  # fmt: skip
SERVICE_EVENTS: Final = ("service.created", "service.custom_field_values.updated", "service.deleted", "service.updated")
EVENT_TYPES: Final = frozenset({*INCIDENT_EVENTS, *SERVICE_EVENTS})
"""What can be subscribed to. Those for things Tocsin does not have yet are accepted and never come (docs/webhooks.md)."""

FILTERS: Final = {"account_reference": None, "service_reference": service, "team_reference": team}

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_OURS: Final = frozenset({"content-type", "content-length", "host", "user-agent", "connection", "transfer-encoding"})
_PATHS: Final = {
    "user": "/users",
    "team": "/teams",
    "service": "/services",
    "escalation_policy": "/escalation_policies",
    "incident": "/incidents",
    "priority": "/priorities",
}
_PAGES: Final = frozenset(_PATHS) - {"priority"}


# ------------------------------------------------------------------------------------------------------ subscriptions


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A subscription just made, and its secret: the only moment it is shown."""

    id: str
    secret: str


def subscribe(
    tx: Tx,
    deed: Deed,
    seals: Seals,
    *,
    url: str,
    events: Sequence[str],
    filter_type: str = "account_reference",
    filter_id: str | None = None,
    description: str | None = None,
    custom_headers: Sequence[Mapping[str, str]] = (),
    is_active: bool = True,
) -> NewSubscription:
    """A new subscription. `deed.chance` must be the system's: the secret comes from it. Raises 400/2001."""
    known = sa.select(sa.func.count()).where(webhook_subscription.c.filter_type != store.EXTENSION)
    if (tx.scalar(known) or 0) >= SUBSCRIPTIONS_MOST:
        raise invalid(f"There may be at most {SUBSCRIPTIONS_MOST} webhook subscriptions")
    errors = url_errors(url) + headers_errors(custom_headers)
    if errors:
        raise invalid(*errors)
    columns = _checked(
        tx,
        {"events": events, "filter_type": filter_type, "filter_id": filter_id, "description": description, "is_active": is_active},
        None,
    )
    secret = ids.token(deed.chance, 64)
    row = {
        "id": ids.object_id(deed.chance),
        "url": url,
        "custom_headers": [{"name": one["name"], "sealed": seals.seal(one["value"])} for one in custom_headers],
        "sealed_secret": seals.seal(secret),
        "created_at": deed.now,
        "consecutive_drops": 0,
        **columns,
    }
    tx.execute(sa.insert(webhook_subscription), row)
    audit.record(tx, deed, _subscription_reference(row), before=None, after=_told(row))
    return NewSubscription(row["id"], secret)


def change_subscription(tx: Tx, deed: Deed, subscription_id: str, changes: Mapping[str, Any]) -> None:
    """Change description, events, filter_type, filter_id or is_active; the way of delivery stays what it is."""
    old = subscription_row(tx, subscription_id)
    columns = _checked(tx, changes, old)
    changed = {key: value for key, value in columns.items() if getattr(old, key) != value}
    if not changed:
        return
    tx.execute(sa.update(webhook_subscription).where(webhook_subscription.c.id == subscription_id).values(changed))
    was = {key: getattr(old, key) for key in changed}
    reference = _subscription_reference({"id": subscription_id, "description": changed.get("description", old.description)})
    audit.record(tx, deed, reference, before=_told(was), after=_told(changed))


def unsubscribe(tx: Tx, deed: Deed, subscription_id: str) -> None:
    """Delete a subscription and what is still owed to it."""
    old = subscription_row(tx, subscription_id)
    tx.execute(sa.delete(webhook_subscription).where(webhook_subscription.c.id == subscription_id))
    row = {key: getattr(old, key) for key in ("id", "description", "url", "events", "filter_type", "filter_id", "is_active")}
    audit.record(tx, deed, _subscription_reference(row), before=_told(row), after=None)


def enable(tx: Tx, deed: Deed, subscription_id: str) -> None:
    """Let a subscription that was disabled for refusing too often hear again at once."""
    old = subscription_row(tx, subscription_id)
    if old.disabled_until is not None or old.consecutive_drops:
        store.set_drops(tx, subscription_id, 0)
        was = is_disabled(old, deed.now)
        reference = _subscription_reference({"id": subscription_id, "description": old.description})
        audit.record(tx, deed, reference, before={"temporarily_disabled": was}, after={"temporarily_disabled": False})


def ping(tx: Tx, deed: Deed, subscription_id: str) -> str:
    """Owe a `pagey.ping`, so that its owner can see that it arrives. Returns the webhook's id."""
    subscription_row(tx, subscription_id)
    said = {"message": "Hello from Tocsin", "type": "ping"}
    body = _body(ids.uuid_text(deed.chance), PING, "pagey", deed.now, deed.actor.agent, said)
    owed = Owed(ids.uuid_text(deed.chance), subscription_id, subscription_id, PING, json.text(body))
    store.owe(tx, [owed], now=deed.now)
    return owed.id


def is_disabled(row: sa.Row[Any], now: datetime) -> bool:
    """Whether a subscription hears nothing now because it refused too often."""
    return row.disabled_until is not None and row.disabled_until > now


def subscription_row(tx: Tx, subscription_id: str) -> sa.Row[Any]:
    """The row of a subscription, locked. Raises 404."""
    found = store.subscription(tx, subscription_id)
    if found is None:
        raise not_found("Webhook Subscription")
    return found


def _subscription_reference(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], "type": "webhook_subscription_reference", "summary": row["description"]}


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    names = ("description", "url", "events", "filter_type", "filter_id", "is_active")
    return {name: columns[name] for name in names if name in columns}


def _checked(tx: Tx, changes: Mapping[str, Any], old: sa.Row[Any] | None) -> dict[str, Any]:
    columns = dict(changes)
    errors: list[str] = []
    if "events" in columns:
        columns["events"] = [*dict.fromkeys(columns["events"])]  # as they were sent: clients compare lists by place
        if not columns["events"]:
            errors.append("Events cannot be empty")
        if unknown := [name for name in columns["events"] if name not in EVENT_TYPES]:
            errors.append(f"Events does not know {', '.join(unknown)}")
    if columns.get("description") is not None:
        columns["description"] = columns["description"].strip() or None
    if columns.get("description") is not None:
        if len(columns["description"]) > DESCRIPTION_MOST:
            errors.append(f"Description may have at most {DESCRIPTION_MOST} characters")
        same = sa.select(webhook_subscription.c.id).where(webhook_subscription.c.description == columns["description"])
        taken = tx.one(same)
        if taken is not None and (old is None or taken.id != old.id):
            errors.append("Description has already been taken")
    if "filter_type" in columns:
        errors += _filter_errors(tx, columns)
    if errors:
        raise invalid(*errors)
    return columns


def _filter_errors(tx: Tx, columns: dict[str, Any]) -> list[str]:
    kind, id_ = columns["filter_type"], columns.get("filter_id")
    if kind not in FILTERS:
        return [f"Filter must have one of the types {', '.join(FILTERS)}"]
    table = FILTERS[kind]
    if table is None:
        columns["filter_id"] = None
        return []
    if not id_:
        return [f"Filter needs an id for the type {kind}"]
    if tx.one(sa.select(table.c.id).where(table.c.id == id_)) is None:
        return [f"Filter names a {kind.removesuffix('_reference')} that does not exist"]
    return []


def url_errors(url: str, what: str = "Delivery method") -> list[str]:
    """What is wrong with the address that webhooks go to."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return [f"{what} needs a url that is one"]
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine or re.search(r"[\s\\]", url):
        return [f"{what} needs a url that begins with https:// or http://"]
    return [f"{what}: the url may have at most {URL_MOST} characters"] if len(url) > URL_MOST else []


def headers_errors(headers: Sequence[Mapping[str, str]], what: str = "Delivery method") -> list[str]:
    """What is wrong with the headers that webhooks carry."""
    errors = []
    if len(headers) > HEADERS_MOST:
        errors.append(f"{what} may have at most {HEADERS_MOST} custom headers")
    for header in headers:
        name, value = header["name"], header["value"]
        if not _HEADER.fullmatch(name) or name.lower() in _OURS or name.lower().startswith(("x-pagerduty-", "x-webhook-")):
            errors.append(f"Custom header '{name[:64]}' cannot be set")
        if len(value) > HEADER_VALUE_MOST or not value.isprintable() or not value.isascii():
            errors.append(f"The value of the custom header '{name[:64]}' must be printable ASCII of at most {HEADER_VALUE_MOST}")
    return errors


# ------------------------------------------------------------------------------------------------- what a webhook says


def reference(kind: str, id_: str, summary: str | None) -> dict[str, Any]:
    """A reference with addresses relative to this server (law 2)."""
    return {
        "html_url": f"{_PATHS[kind]}/{id_}" if kind in _PAGES else None,
        "id": id_,
        "self": f"{_PATHS[kind]}/{id_}" if kind in _PATHS else None,
        "summary": summary,
        "type": f"{kind}_reference",
    }


def _body(
    event_id: str,
    event_type: str,
    resource_type: str,
    at: datetime,
    agent: Agent | None,
    told: Mapping[str, Any],
    *,
    client: str | None = None,
) -> dict[str, Any]:
    who = reference(agent.type.removesuffix("_reference"), agent.id, agent.summary) if agent else None
    occurred_at = f"{times.iso(at).removesuffix('Z')}.{at.microsecond // 1000:03d}Z"
    return {
        "event": {
            "id": event_id,
            "event_type": event_type,
            "resource_type": resource_type,
            "occurred_at": occurred_at,
            "agent": who,
            "client": {"name": client} if client else None,
            "data": told,
        }
    }


def finished(body: str, base_url: str) -> bytes:
    """The bytes to send: addresses made whole, and within the sizes of BEHAVIOUR 8. Raises ValueError when too large.

    What is left out of a large one is said by `<name>_omitted: true` beside it.
    """
    document = json.decode(body)
    heap: list[Any] = [document]
    while heap:
        item = heap.pop()
        if isinstance(item, dict):
            for name in ("self", "html_url"):
                if isinstance(item.get(name), str) and item[name].startswith("/"):
                    item[name] = base_url + item[name]
            heap.extend(item.values())
        elif isinstance(item, list):
            heap.extend(item)
    raw = json.encode(document)
    if len(raw) <= WHOLE_MOST:
        return raw
    told = document["event"]["data"] if "event" in document else document["messages"][0]["incident"]
    for name in ("body", "content", "message", "details", "title", "description", "conference_bridge"):
        if len(raw) <= WHOLE_MOST:
            break
        if told.get(name):
            told[name] = None
            told[f"{name}_omitted"] = True
            raw = json.encode(document)
    if len(raw) > BODY_MOST:
        raise ValueError(f"the webhook has {len(raw)} bytes; more than {BODY_MOST} are not sent")
    return raw


# --------------------------------------------------------------------------------------------------------- of services


def tell_of_service(
    tx: Tx, deed: Deed, service_id: str, event_type: str, more: Mapping[str, Any] | None = None
) -> None:
    """Owe an event of a service to whoever subscribed to it, in the transaction of the change. `more`: what else it tells."""
    row = tx.one(
        sa.select(service, escalation_policy.c.name.label("policy_name"), team.c.id.label("team_id"), team.c.name.label("team_name"))
        .join(escalation_policy, escalation_policy.c.id == service.c.escalation_policy_id)
        .outerjoin(team, team.c.id == escalation_policy.c.team_id)
        .where(service.c.id == service_id)
    )
    hearers = store.listening(tx, deed.now)
    if row is None or not (hearers := wanting(hearers, event_type, service_id, row.team_id)):
        return
    whole = reference("service", row.id, row.name)
    told = {
        **whole,
        "type": "service",
        "name": row.name,
        "description": row.description,
        "alert_creation": row.alert_creation,
        "auto_resolve_timeout": row.auto_resolve_timeout,
        "acknowledgement_timeout": row.acknowledgement_timeout,
        "created_at": times.iso(row.created_at),
        "updated_at": times.iso(row.updated_at),
        "escalation_policy": reference("escalation_policy", row.escalation_policy_id, row.policy_name),
        "teams": [reference("team", row.team_id, row.team_name)] if row.team_id else [],
        **(more or {}),
    }
    body = json.text(_body(ids.uuid_text(deed.chance), event_type, "service", deed.now, deed.actor.agent, told))
    owed = [Owed(ids.uuid_text(deed.chance), one.id, service_id, event_type, body) for one in hearers]
    store.owe(tx, owed, now=deed.now)


def wanting(
    hearers: Sequence[sa.Row[Any]], event_type: str, service_id: str, team_id: str | None
) -> list[sa.Row[Any]]:
    """Those subscriptions that want to hear of this event."""
    passes = {("account_reference", None), ("service_reference", service_id), ("team_reference", team_id)}
    return [one for one in hearers if event_type in one.events and (one.filter_type, one.filter_id) in passes]


# -------------------------------------------------------------------------------------------------------- of incidents


def event_type_of(event: happened.Event, before: Incident) -> str | None:
    """PagerDuty's name for what happened to an incident that stood as `before`; None when no webhook tells of it."""
    match event:
        case happened.Assigned():
            moved = before.user_ids and event.via == states.VIA_DIRECT and event.user_ids != before.user_ids
            return "incident.reassigned" if moved else None
        case happened.FieldChanged():
            named = {"conference_bridge": "incident.conference_bridge.updated", "service": "incident.service_updated"}
            return named.get(event.name)
        case _:
            return _TYPES.get(type(event))


_TYPES: Final[Mapping[type[happened.Event], str]] = {
    happened.Triggered: "incident.triggered",
    happened.Acknowledged: "incident.acknowledged",
    happened.Unacknowledged: "incident.unacknowledged",
    happened.Resolved: "incident.resolved",
    happened.Reopened: "incident.reopened",
    happened.Escalated: "incident.escalated",
    happened.Delegated: "incident.delegated",
    happened.PriorityChanged: "incident.priority_updated",
    happened.Annotated: "incident.annotated",
    happened.StatusUpdatePublished: "incident.status_update_published",
    happened.UserAsked: "incident.responder.added",
    happened.ResponderJoined: "incident.responder.replied",
    happened.ResponderDeclined: "incident.responder.replied",
    happened.TypeChanged: "incident.incident_type.changed",
    happened.ValuesChanged: "incident.custom_field_values.updated",
}


def tell_of_incidents(tx: Tx, entries: Sequence[Entry], *, now: datetime, chance: Random) -> int:
    """Owe a webhook for each of these log entries to whoever subscribed to it; returns how many."""
    hearers = store.listening(tx, now)
    telling = [entry for entry in entries if _may_tell(entry.event)]
    if not hearers or not telling:
        return 0
    stands = Stands(tx, {entry.event.incident_id for entry in telling})
    names = Names(tx)
    owed: list[Owed] = []
    for entry in telling:
        found = stands.around(entry)
        event_type = event_type_of(entry.event, found[0]) if found else None
        if found is None or event_type is None:
            continue
        after = found[1]
        team_id = names.team_of_policy(after.policy.id)
        wants = [
            one for one in wanting(hearers, event_type, after.service_id, team_id) if entry.event.at >= one.created_at
        ]
        if not wants:
            continue
        told = _told_of(entry.event, after, names)
        body = json.text(_body(entry.id, event_type, "incident", entry.event.at, entry.event.agent, told))
        owed += [Owed(ids.uuid_text(chance), one.id, after.id, event_type, body) for one in wants]
    store.owe(tx, owed, now=now)
    return len(owed)


def _may_tell(event: happened.Event) -> bool:
    return type(event) in _TYPES or isinstance(event, happened.Assigned | happened.FieldChanged)


class Stands:
    """How incidents stood around each entry of their log: folded from their beginning (law 1)."""

    def __init__(self, tx: Tx, incident_ids: Collection[str]) -> None:
        self._around: dict[int, tuple[Incident, Incident]] = {}
        now = incidents.load(tx, incident_ids)
        by_incident: dict[str, list[Entry]] = {}
        event = engine_tables.event.c
        wanted = sorted(now)
        for at in range(0, len(wanted), 400):
            chosen = sa.select(*log.columns()).where(
                event.incident_id.in_(wanted[at : at + 400]), event.kind.not_in(["notified", "triggered_again"])
            )
            for entry in log.matching(tx, chosen.order_by(event.position)):
                by_incident.setdefault(entry.event.incident_id, []).append(entry)
        for incident_id, entries in by_incident.items():
            self._fold(now[incident_id], entries)

    def _fold(self, now: Incident, entries: Sequence[Entry]) -> None:
        first = entries[0].event
        if not isinstance(first, happened.Triggered):
            return
        policy = now.policy if now.policy.id == first.policy_id else Policy(first.policy_id, "", ())
        stands = Incident(
            now.id,
            now.number,
            first.service_id,
            first.title,
            first.urgency,
            policy,
            now.created_at,
            now.created_at,
            key=now.key,
            is_manual=now.is_manual,
        )
        if not any(isinstance(entry.event, happened.PriorityChanged) for entry in entries):
            stands = replace(stands, priority_id=now.priority_id)
        for entry in entries:
            before, stands = stands, states.evolve(stands, entry.event)
            self._around[entry.position] = (before, stands)

    def around(self, entry: Entry) -> tuple[Incident, Incident] | None:
        """How the incident stood before and after this entry; None when it is gone."""
        return self._around.get(entry.position)


class Names:
    """Names of what incidents refer to, each read once."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._known: dict[tuple[str, str], str | None] = {}
        self._teams: dict[str, str | None] = {}
        self._fields: dict[str, list[Defined]] = {}

    def fields(self, type_name: str) -> list[Defined]:
        """The fields that incidents of this type have."""
        if type_name not in self._fields:
            self._fields[type_name] = incident_types.fields_of_type(self._tx, type_name)
        return self._fields[type_name]

    def team_of_policy(self, policy_id: str) -> str | None:
        if policy_id not in self._teams:
            chosen = sa.select(escalation_policy.c.team_id).where(escalation_policy.c.id == policy_id)
            self._teams[policy_id] = self._tx.scalar(chosen)
        return self._teams[policy_id]

    def reference(self, kind: str, id_: str) -> dict[str, Any]:
        if (kind, id_) not in self._known:
            table = {"user": user, "team": team, "service": service, "escalation_policy": escalation_policy, "priority": priority}
            self._known[kind, id_] = self._tx.scalar(sa.select(table[kind].c.name).where(table[kind].c.id == id_))
        return reference(kind, id_, self._known[kind, id_])


def _told_of(event: happened.Event, incident: Incident, names: Names) -> dict[str, Any]:
    """The `data` of a webhook: the incident, or the note or status update with a reference to it."""
    whole = reference("incident", incident.id, incident.title)
    match event:
        case happened.Annotated():
            content = event.content[:TRIMMED_AT]
            trimmed = len(content) < len(event.content)
            return {"incident": whole, "id": event.note_id, "content": content, "trimmed": trimmed, "type": "incident_note"}
        case happened.StatusUpdatePublished():
            message = event.message[:TRIMMED_AT]
            trimmed = len(message) < len(event.message)
            return {
                "incident": whole,
                "id": event.update_id,
                "message": message,
                "trimmed": trimmed,
                "type": "incident_status_update",
            }
        case happened.UserAsked() | happened.ResponderJoined() | happened.ResponderDeclined():
            return _told_responder(event, incident, names)
        case happened.ValuesChanged():
            return {
                "incident": whole,
                "custom_fields": [_told_value(one, incident.values.get(one.id)) for one in names.fields(incident.type_name)],
                "changed_custom_fields": [_told_value(one, one.before) for one in event.changes],
                "type": "incident_field_values",
            }
        case _:
            return told_whole(incident, names)


def _told_responder(
    event: happened.UserAsked | happened.ResponderJoined | happened.ResponderDeclined, incident: Incident, names: Names
) -> dict[str, Any]:
    """Somebody who was asked to help, as they stood right after."""
    found = next((one for one in incident.responders if one.user_id == event.user_id), None)
    policy = found.policies[-1] if found and found.policies else None
    return {
        "incident": reference("incident", incident.id, incident.title),
        "user": names.reference("user", event.user_id),
        "escalation_policy": names.reference("escalation_policy", policy[0]) if policy else None,
        "message": event.message[:TRIMMED_AT],
        "state": found.state.value if found else "pending",
        "type": "incident_responder",
    }


def _told_value(one: Defined | happened.FieldValue, value: object) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": "field_value",
        "namespace": "incidents",
        "name": one.name,
        "display_name": one.display_name,
        "data_type": one.data_type,
        "field_type": one.field_type,
        "value": value,
    }


def told_whole(incident: Incident, names: Names) -> dict[str, Any]:
    team_id = names.team_of_policy(incident.policy.id)
    bridge = incident.conference_bridge
    told: dict[str, Any] = {
        "id": incident.id,
        "type": "incident",
        "self": f"/incidents/{incident.id}",
        "html_url": f"/incidents/{incident.id}",
        "number": incident.number,
        "status": incident.status.value,
        "incident_key": incident.key,
        "created_at": times.iso(incident.created_at),
        "title": incident.title,
        "incident_type": {"name": incident.type_name},
        "service": names.reference("service", incident.service_id),
        "assignees": [names.reference("user", user_id) for user_id in incident.user_ids],
        "escalation_policy": names.reference("escalation_policy", incident.policy.id),
        "teams": [names.reference("team", team_id)] if team_id else [],
        "priority": names.reference("priority", incident.priority_id) if incident.priority_id else None,
        "urgency": incident.urgency.value,
        "conference_bridge": bridge,
        "resolve_reason": {"type": "merge_resolve_reason", "incident": reference("incident", incident.merged_into, None)}
        if incident.merged_into
        else None,
    }
    if incident.reopened_at is not None:
        told["reopened_at"] = times.iso(incident.reopened_at)
    if incident.resolved_at is not None:
        told["resolved_at"] = times.iso(incident.resolved_at)
    return told


# --------------------------------------------------------------------------------------------------- what becomes of it


class Fate(StrEnum):
    """What an answer, or none, means for a webhook."""

    SENT = "sent"
    RETRY = "retry"
    DROP = "drop"


def fate_of(status: int) -> Fate:
    """What this HTTP status means: any 2xx is success; 429 and 5xx are tried again; all else is dropped (BEHAVIOUR 8)."""
    if 200 <= status < 300:
        return Fate.SENT
    return Fate.RETRY if status == 429 or status >= 500 else Fate.DROP


def retry_delay(tries: int, chance: Random) -> timedelta:
    """How long to wait after the `tries`-th try (from 1): 10 s, doubling to an hour, half of it by chance."""
    seconds = min(10.0 * 2 ** min(tries - 1, 12), 3600.0)
    return timedelta(seconds=seconds / 2 + seconds / 2 * chance.random())


def settle(
    tx: Tx,
    delivery: store.Due,
    fate: Fate,
    detail: str,
    *,
    now: datetime,
    chance: Random,
    retry_after: timedelta | None = None,
) -> Fate:
    """Keep what became of one try, and disable a subscription whose receiver refused three in a row."""
    row = store.subscription(tx, delivery.subscription_id)
    if row is None:
        return fate
    if fate is Fate.SENT:
        if store.mark_sent(tx, delivery.id, now) and row.consecutive_drops:
            store.set_drops(tx, row.id, 0)
        return fate
    if fate is Fate.RETRY:
        due_at = now + max(retry_delay(delivery.tries + 1, chance), retry_after or timedelta())
        if due_at - delivery.created_at <= RETRY_FOR:
            store.mark_retry(tx, delivery.id, detail[:500], due_at)
            return fate
        detail = f"given up after {times.human_duration(RETRY_FOR)}: {detail}"
    if store.mark_dropped(tx, delivery.id, detail[:500], now) and not is_disabled(row, now):
        drops = row.consecutive_drops + 1
        if drops < DROPS_MOST:
            store.set_drops(tx, row.id, drops)
        else:
            store.set_drops(tx, row.id, 0, disabled_until=now + DISABLED_FOR)
            store.drop_queue(tx, row.id, f"its subscription was disabled after {DROPS_MOST} refused webhooks", now)
    return Fate.DROP
