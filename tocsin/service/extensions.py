"""Extensions of services: the one door by which they are made, changed and ended, and what their webhooks say.

Laws:
1. One of the generic kind sends PagerDuty's older webhooks (v2) for the incidents of its services, by the same carrier and
   under the same rules as webhook subscriptions; one of any other kind is kept and does nothing (docs/webhooks.md).
2. Its address and its config are sealed; what its headers say is shown only to who may change it.
3. A webhook says how the incident stood right after what it tells of; what was before the extension is not told.
Source: BEHAVIOUR 8 (extensions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, json, times
from tocsin.base.errors import invalid
from tocsin.base.secret import Seals
from tocsin.core import events as happened
from tocsin.core.incident_state import Incident
from tocsin.service import audit, webhooks
from tocsin.service.audit import Deed
from tocsin.service.webhooks import Names, Stands
from tocsin.store import webhooks as store
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables.attachments import extension, extension_service
from tocsin.store.tables.services import webhook_subscription
from tocsin.store.webhooks import Owed

EXTENSIONS_MOST: Final = 5000
NAME_MOST: Final = 255
SERVICES_MOST: Final = 1000
"""Services that one extension is for."""
CONFIG_MOST: Final = 16_384
"""Bytes of a config as JSON."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of extension."""

    id: str
    key: str
    label: str
    description: str
    send_types: tuple[str, ...]


SENT: Final[Mapping[type[happened.Event], str]] = {
    happened.Triggered: "trigger",
    happened.Reopened: "trigger",
    happened.Acknowledged: "acknowledge",
    happened.Unacknowledged: "unacknowledge",
    happened.Resolved: "resolve",
    happened.Delegated: "delegate",
    happened.Escalated: "escalate",
    happened.Assigned: "assign",
    happened.Annotated: "annotate",
}
"""What a v2 webhook tells of, by what happened."""

_TYPES: Final = ("trigger", "acknowledge", "resolve", "delegate", "escalate", "unacknowledge", "assign")

GENERIC: Final = Schema("PJFWPEP", "generic_v2_webhook", "Generic V2 Webhook", "Posts what happens to a service's incidents to an address", _TYPES)
SERVICE_NOW: Final = Schema("PAKM60Z", "service_now_v7", "ServiceNow (v7)", "Kept for clients that write it; Tocsin does not call ServiceNow", ())
SCHEMAS: Final[Mapping[str, Schema]] = {one.id: one for one in (GENERIC, SERVICE_NOW)}
"""All kinds by id, in the order of their labels. BEHAVIOUR 11 lists those that PagerDuty's Terraform provider looks up."""


# ------------------------------------------------------------------------------------------------------------- the door


@dataclass(frozen=True, slots=True)
class Wish:
    """What an extension is to be, whole. The config is as it was sent."""

    name: str
    schema_id: str
    endpoint: str | None
    config: dict[str, Any]
    service_ids: tuple[str, ...]


def opened(tx: Tx, seals: Seals, row: sa.Row[Any]) -> Wish:
    """What an extension is."""
    endpoint = seals.open(row.sealed_endpoint) if row.sealed_endpoint is not None else None
    config = json.decode(seals.open(row.sealed_config)) if row.sealed_config is not None else {}
    return Wish(row.name, row.schema_id, endpoint, config, tuple(services_of(tx, [row.id])[row.id]))


def create(tx: Tx, deed: Deed, seals: Seals, wish: Wish) -> str:
    """A new extension. Returns its id. Raises 400."""
    if (tx.scalar(sa.select(sa.func.count()).select_from(extension)) or 0) >= EXTENSIONS_MOST:
        raise invalid(f"There may be at most {EXTENSIONS_MOST} extensions")
    _check(wish)
    id_ = ids.object_id(deed.chance)
    tx.execute(sa.insert(extension), {"id": id_, "created_at": deed.now, **_row(seals, wish), "updated_at": deed.now})
    _place(tx, id_, wish)
    if wish.schema_id == GENERIC.id:
        carrier = {
            "id": id_, "description": None, "events": [], "filter_type": store.EXTENSION, "filter_id": None, "url": "",
            "custom_headers": _sealed_headers(seals, wish), "sealed_secret": seals.seal(ids.token(deed.chance, 64)), "is_active": True,
            "disabled_until": None, "consecutive_drops": 0, "created_at": deed.now,
        }  # fmt: skip
        tx.execute(sa.insert(webhook_subscription), carrier)
    audit.record(tx, deed, reference(id_, wish.name), before=None, after=_told(wish))
    return id_


def change(tx: Tx, deed: Deed, seals: Seals, old: sa.Row[Any], wish: Wish) -> None:
    """Let an extension be this. Its kind stays. Raises 400."""
    was = opened(tx, seals, old)
    if wish.schema_id != was.schema_id:
        raise invalid("Extension schema cannot be changed: make another extension")
    if wish == was:
        return
    _check(wish)
    tx.execute(sa.update(extension).where(extension.c.id == old.id).values(**_row(seals, wish), updated_at=deed.now))
    if wish.service_ids != was.service_ids:
        tx.execute(sa.delete(extension_service).where(extension_service.c.extension_id == old.id))
        _place(tx, old.id, wish)
    if wish.config != was.config:
        headers = {"custom_headers": _sealed_headers(seals, wish)}
        tx.execute(sa.update(webhook_subscription).where(webhook_subscription.c.id == old.id).values(**headers))
    before, after = _told(was), _told(wish)
    if wish.config != was.config:
        before, after = before | {"config": "(old)"}, after | {"config": "(new)"}
    audit.record(tx, deed, reference(old.id, wish.name), before=before, after=after)


def delete(tx: Tx, deed: Deed, seals: Seals, old: sa.Row[Any]) -> None:
    """End an extension, and what it still owes."""
    was = opened(tx, seals, old)
    tx.execute(sa.delete(webhook_subscription).where(webhook_subscription.c.id == old.id))
    tx.execute(sa.delete(extension).where(extension.c.id == old.id))
    audit.record(tx, deed, reference(old.id, old.name), before=_told(was), after=None)


def enable(tx: Tx, deed: Deed, old: sa.Row[Any]) -> None:
    """Let an extension that was disabled for refusing too often send again at once."""
    carrier = store.subscription(tx, old.id)
    if carrier is not None and (carrier.disabled_until is not None or carrier.consecutive_drops):
        store.set_drops(tx, old.id, 0)
        was = webhooks.is_disabled(carrier, deed.now)
        audit.record(
            tx, deed, reference(old.id, old.name), before={"temporarily_disabled": was}, after={"temporarily_disabled": False}
        )  # fmt: skip


def disabled(tx: Tx, extension_ids: Sequence[str], now: datetime) -> set[str]:
    """Those of these extensions that are disabled now because their receiver refused too often."""
    chosen = sa.select(webhook_subscription.c.id, webhook_subscription.c.disabled_until)
    return {row.id for row in tx.rows(chosen.where(webhook_subscription.c.id.in_(extension_ids))) if webhooks.is_disabled(row, now)}


def services_of(tx: Tx, extension_ids: Sequence[str]) -> dict[str, list[str]]:
    """By extension, the services it is for."""
    found: dict[str, list[str]] = {id_: [] for id_ in extension_ids}
    chosen = sa.select(extension_service).where(extension_service.c.extension_id.in_(extension_ids))
    for row in tx.rows(chosen.order_by(extension_service.c.service_id)):
        found[row.extension_id].append(row.service_id)
    return found


def reference(id_: str, name: str) -> dict[str, Any]:
    return {"id": id_, "type": "extension_reference", "summary": name}


def _check(wish: Wish) -> None:
    errors = []
    if not 1 <= len(wish.name) <= NAME_MOST:
        errors.append(f"Name must have between 1 and {NAME_MOST} characters")
    if wish.schema_id not in SCHEMAS:
        errors.append(f"Extension schema must be one of {', '.join(f'{one.id} ({one.label})' for one in SCHEMAS.values())}")
    if wish.endpoint is None:
        errors.append("Endpoint url cannot be empty")
    else:
        errors += webhooks.url_errors(wish.endpoint, "Endpoint url")
    if not wish.service_ids:
        errors.append("Extension objects cannot be empty: name at least one service")
    if len(wish.service_ids) > SERVICES_MOST:
        errors.append(f"An extension may be for at most {SERVICES_MOST} services")
    if len(json.encode(wish.config)) > CONFIG_MOST:
        errors.append(f"Config may have at most {CONFIG_MOST} bytes")
    if wish.schema_id == GENERIC.id:
        errors += _header_errors(wish.config)
    if errors:
        raise invalid(*errors)


def _header_errors(config: Mapping[str, Any]) -> list[str]:
    headers = config.get("headers")
    if headers is None:
        return []
    is_list = isinstance(headers, list) and all(isinstance(one, dict) and {"name", "value"} <= one.keys() for one in headers)
    if not is_list or not all(isinstance(one[name], str) for one in headers for name in ("name", "value")):
        return ["Config: headers must be a list of objects with a name and a value"]
    return webhooks.headers_errors(headers, "Config")


def _sealed_headers(seals: Seals, wish: Wish) -> list[dict[str, str]]:
    return [{"name": one["name"], "sealed": seals.seal(one["value"])} for one in wish.config.get("headers") or []]


def _row(seals: Seals, wish: Wish) -> dict[str, Any]:
    return {
        "name": wish.name,
        "schema_id": wish.schema_id,
        "sealed_endpoint": seals.seal(wish.endpoint or ""),
        "sealed_config": seals.seal(json.text(wish.config)) if wish.config else None,
    }


def _place(tx: Tx, extension_id: str, wish: Wish) -> None:
    tx.execute(sa.insert(extension_service), [{"extension_id": extension_id, "service_id": id_} for id_ in wish.service_ids])


def _told(wish: Wish) -> dict[str, Any]:
    services = [{"id": id_, "type": "service_reference", "summary": None} for id_ in wish.service_ids]
    return {"name": wish.name, "extension_schema": SCHEMAS[wish.schema_id].label, "endpoint_url": wish.endpoint, "extension_objects": services}


# ------------------------------------------------------------------------------------------------- what a webhook says


def has_senders(tx: Tx) -> bool:
    """Whether there is an extension that sends webhooks."""
    return tx.one(sa.select(extension.c.id).where(extension.c.schema_id == GENERIC.id).limit(1)) is not None


def tell(tx: Tx, entries: Sequence[Entry], *, now: datetime, chance: Random) -> int:
    """Owe a webhook for each of these log entries to the extensions of the incident's service; returns how many."""
    telling = [entry for entry in entries if type(entry.event) in SENT]
    if not telling:
        return 0
    hearers: dict[str, list[sa.Row[Any]]] = {}
    awake = sa.or_(webhook_subscription.c.disabled_until.is_(None), webhook_subscription.c.disabled_until <= now)
    chosen = (
        sa.select(extension, extension_service.c.service_id)
        .join(extension_service, extension_service.c.extension_id == extension.c.id)
        .join(webhook_subscription, webhook_subscription.c.id == extension.c.id)
        .where(awake)
    )
    for row in tx.rows(chosen.order_by(extension.c.id)):
        hearers.setdefault(row.service_id, []).append(row)
    if not hearers:
        return 0
    stands, names = Stands(tx, {entry.event.incident_id for entry in telling}), Names(tx)
    owed: list[Owed] = []
    for entry in telling:
        found = stands.around(entry)
        if found is None:
            continue
        after = found[1]
        for one in hearers.get(after.service_id, ()):
            if entry.event.at >= one.created_at:
                word = f"incident.{SENT[type(entry.event)]}"
                body = json.text(_message(entry, word, after, one, names, ids.uuid_text(chance)))
                owed.append(Owed(ids.uuid_text(chance), one.id, after.id, word, body))
    store.owe(tx, owed, now=now)
    return len(owed)


def _message(entry: Entry, word: str, incident: Incident, one: sa.Row[Any], names: Names, id_: str) -> dict[str, Any]:
    """PagerDuty's v2 payload: a list of one message, addresses relative to this server."""
    schema = {"id": one.schema_id, "type": "extension_schema_reference", "summary": SCHEMAS[one.schema_id].label}
    hook = {
        "id": one.id,
        "type": "webhook",
        "summary": one.name,
        "self": f"/extensions/{one.id}",
        "html_url": None,
        "name": one.name,
        "webhook_object": names.reference("service", one.service_id),
        "outbound_integration": schema | {"self": f"/extension_schemas/{one.schema_id}", "html_url": None},
    }
    message = {
        "id": id_,
        "event": word,
        "created_on": times.iso(entry.event.at),
        "webhook": hook,
        "incident": _incident(incident, names),
        "log_entries": [_entry(entry, incident, names)],
    }
    return {"messages": [message]}


def _incident(incident: Incident, names: Names) -> dict[str, Any]:
    """The incident as v2 shows it: as it is in webhooks v3, and in the words of the REST API."""
    return webhooks.told_whole(incident, names) | {
        "summary": f"[#{incident.number}] {incident.title}",
        "incident_number": incident.number,
        "description": incident.title,
        "assignments": [{"at": times.iso(one.at), "assignee": names.reference("user", one.user_id)} for one in incident.assignments],
        "acknowledgements": [
            {"at": times.iso(one.at), "acknowledger": {"id": one.agent.id, "type": one.agent.type, "summary": one.agent.summary}}
            for one in incident.acknowledgements
        ],
        "alert_counts": {
            "all": incident.alerts_total,
            "triggered": incident.alerts_open,
            "resolved": incident.alerts_total - incident.alerts_open,
        },
        "last_status_change_at": times.iso(incident.last_status_at or incident.created_at),
    }


def _entry(entry: Entry, incident: Incident, names: Names) -> dict[str, Any]:
    event = entry.event
    told: dict[str, Any] = {
        "id": entry.id,
        "type": f"{SENT[type(event)]}_log_entry",
        "self": f"/log_entries/{entry.id}",
        "html_url": None,
        "created_at": times.iso(event.at),
        "agent": {"id": event.agent.id, "type": event.agent.type, "summary": event.agent.summary} if event.agent else None,
        "channel": {"type": event.channel},
        "incident": webhooks.reference("incident", incident.id, incident.title),
        "service": names.reference("service", incident.service_id),
        "contexts": [],
    }
    if isinstance(event, happened.Annotated):
        told["channel"] = {"type": "note", "summary": event.content[: webhooks.TRIMMED_AT]}
    return told
