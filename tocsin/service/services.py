"""Services and the ways into them: the one door for creating, changing and deleting them.

Laws:
1. Every function that changes something takes a `Deed` and leaves an audit record in the same transaction.
2. What changes nothing leaves no record, and `updated_at` stays.
3. How a service groups is a setting of its own (service/groupings.py); its form here is a way to read and write that.
4. Deleting a service leaves its incidents as they are: they keep their policy, and people end them.
Source: BEHAVIOUR 2.1 and 2.3.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.inbound import email_rules
from tocsin.inbound.email_rules import EMAIL
from tocsin.inbound.roll import READERS
from tocsin.service import audit, groupings, hours, impacts, webhooks
from tocsin.service.audit import Deed
from tocsin.store import dependencies, heartbeats
from tocsin.store.db import Tx
from tocsin.store.tables.services import escalation_policy, integration, service

NAME_MOST: Final = 255
DESCRIPTION_MOST: Final = 1024
SERVICES_MOST: Final = 25_000
INTEGRATIONS_MOST: Final = 100
"""Ways into one service."""
TIMEOUT_MOST: Final = 31_536_000
"""Seconds an automatic resolve or the end of an acknowledgement may be away: a year."""

ALERT_CREATIONS: Final = ("create_alerts_and_incidents", "create_incidents")
PAUSES: Final = (120, 180, 300, 600, 900)
"""Seconds a service may ask to hold alerts back; 0 leaves the number to us."""
URGENCIES: Final = ("high", "low", "severity_based")
CONSTANT_HIGH: Final[Mapping[str, Any]] = {"type": "constant", "urgency": "high"}

EMAIL_TYPE: Final = "generic_email_inbound_integration"
INTEGRATION_TYPES: Final = (
    "events_api_v2_inbound_integration",
    "generic_events_api_inbound_integration",
    "event_transformer_api_inbound_integration",
    EMAIL_TYPE,
    "nagios_inbound_integration",
    "pingdom_inbound_integration",
    "aws_cloudwatch_inbound_integration",
    "keynote_inbound_integration",
    "sql_monitor_inbound_integration",
    "cloudkick_inbound_integration",
)

_READ_ONLY: Final = frozenset({"recommended_timeout"})
_EMAIL: Final = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
_TOLD: Final = (
    "name", "description", "is_disabled", "auto_resolve_timeout", "acknowledgement_timeout", "alert_creation",
    "incident_urgency_rule", "support_hours", "scheduled_actions", "auto_pause", "alert_grouping_parameters",
    "escalates_low_urgency",
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- services


def create_service(tx: Tx, deed: Deed, *, name: str, escalation_policy_id: str, own_id: str | None = None, **more: Any) -> str:
    """A new service. `more` are other columns of its table; those left out have their defaults. Returns its id.
    `own_id` is the id to have, when it is known to be free.

    Timeouts are in seconds; 0 and None turn them off. Raises 400/2001 with one sentence for each breach.
    """
    if (tx.scalar(sa.select(sa.func.count()).select_from(service)) or 0) >= SERVICES_MOST:
        raise invalid(f"There may be at most {SERVICES_MOST} services")
    columns = _checked(tx, {"name": name, "escalation_policy_id": escalation_policy_id, **more}, None)
    row = {
        "id": own_id or ids.object_id(deed.chance),
        "description": None,
        "is_disabled": False,
        "auto_resolve_timeout": None,
        "acknowledgement_timeout": None,
        "alert_creation": ALERT_CREATIONS[0],
        "incident_urgency_rule": dict(CONSTANT_HIGH),
        "support_hours": None,
        "scheduled_actions": [],
        "auto_pause": None,
        "alert_grouping_parameters": None,
        "escalates_low_urgency": False,
        "created_at": deed.now,
        "updated_at": deed.now,
        **columns,
    }
    form = row.pop("alert_grouping_parameters")
    tx.execute(sa.insert(service), row)
    if form is not None:
        groupings.put_form(tx, deed, row["id"], form)
    told = _told(tx, row | {"alert_grouping_parameters": form})
    audit.record(tx, deed, service_reference(row["id"], row["name"]), before=None, after=told)
    hours.set_timers(tx, row["id"], deed.now)
    webhooks.tell_of_service(tx, deed, row["id"], "service.created")
    service_id: str = row["id"]
    return service_id


def change_service(tx: Tx, deed: Deed, service_id: str, changes: Mapping[str, Any]) -> None:
    """Change the given columns; the others stay. Saying what is so already changes nothing."""
    old = service_row(tx, service_id)
    columns = _checked(tx, changes, old)
    old_values = {key: getattr(old, key) for key in columns} | {"alert_grouping_parameters": groupings.forms(tx, [old]).get(service_id)}
    changed = {key: value for key, value in columns.items() if old_values[key] != value}
    if not changed:
        return
    stored = {key: value for key, value in changed.items() if key != "alert_grouping_parameters"}
    tx.execute(sa.update(service).where(service.c.id == service_id).values(**stored, updated_at=deed.now))
    if "alert_grouping_parameters" in changed:
        groupings.put_form(tx, deed, service_id, changed["alert_grouping_parameters"])
    if changed.keys() & hours.ASKED_OF:
        hours.set_timers(tx, service_id, deed.now)
    was = {key: old_values[key] for key in changed}
    reference = service_reference(service_id, changed.get("name", old.name))
    audit.record(tx, deed, reference, before=_told(tx, was), after=_told(tx, changed))
    if "escalation_policy_id" in changed:
        tx.wake("integrations")
    webhooks.tell_of_service(tx, deed, service_id, "service.updated")


def delete_service(tx: Tx, deed: Deed, service_id: str) -> None:
    """Delete a service with its ways in (law 4)."""
    old = service_row(tx, service_id)
    webhooks.tell_of_service(tx, deed, service_id, "service.deleted")
    form = groupings.forms(tx, [old]).get(service_id)
    groupings.forget_service(tx, service_id)
    hours.drop_timers(tx, service_id)
    tx.execute(sa.delete(integration).where(integration.c.service_id == service_id))
    dependencies.forget(tx, ("service", service_id))
    tx.execute(sa.delete(service).where(service.c.id == service_id))
    impacts.settle(tx, deed.now, deed.chance)
    was = {key: getattr(old, key) for key in (*_TOLD, "escalation_policy_id")} | {"alert_grouping_parameters": form}
    audit.record(tx, deed, service_reference(service_id, old.name), before=_told(tx, was), after=None)
    tx.wake("integrations")


def service_row(tx: Tx, service_id: str) -> sa.Row[Any]:
    """The row of a service. Raises 404."""
    found = tx.one(sa.select(service).where(service.c.id == service_id))
    if found is None:
        raise not_found("Service")
    return found


def service_reference(service_id: str, name: str) -> dict[str, Any]:
    return {"id": service_id, "type": "service_reference", "summary": name}


def _told(tx: Tx, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a service as an audit record tells them."""
    told = {key: columns[key] for key in _TOLD if key in columns}
    form = told.get("alert_grouping_parameters")
    if form is not None and "config" not in form:  # it is in a setting that its form cannot say
        told["alert_grouping_parameters"] = {"setting": form["id"]}
    if "escalation_policy_id" in columns:
        policy_id = columns["escalation_policy_id"]
        policy = tx.one(sa.select(escalation_policy.c.name).where(escalation_policy.c.id == policy_id))
        reference = {"id": policy_id, "type": "escalation_policy_reference", "summary": policy.name if policy else None}
        told["escalation_policy"] = reference
    return told


# ---------------------------------------------------------------------------------------------------- what is sensible


def _checked(tx: Tx, changes: Mapping[str, Any], old: sa.Row[Any] | None) -> dict[str, Any]:
    """Column values for the given changes. Raises 400/2001 with one sentence for each breach."""
    columns = dict(changes)
    errors: list[str] = []
    if "name" in columns:
        columns["name"] = str(columns["name"] or "").strip()
        errors += _name_errors(tx, columns["name"], old)
    if columns.get("description") is not None and len(columns["description"]) > DESCRIPTION_MOST:
        errors.append(f"Description may have at most {DESCRIPTION_MOST} characters")
    if "escalation_policy_id" in columns:
        known = sa.select(escalation_policy.c.id).where(escalation_policy.c.id == columns["escalation_policy_id"])
        if tx.one(known) is None:
            errors.append("Escalation policy not found")
    for key, label in (("auto_resolve_timeout", "Auto resolve timeout"), ("acknowledgement_timeout", "Acknowledgement timeout")):
        if key in columns:
            columns[key] = columns[key] or None
            if columns[key] is not None and not 0 < columns[key] <= TIMEOUT_MOST:
                errors.append(f"{label} must be between 0 (off) and {TIMEOUT_MOST} seconds")
    if "alert_creation" in columns and columns["alert_creation"] not in ALERT_CREATIONS:
        errors.append(f"Alert creation must be one of {', '.join(ALERT_CREATIONS)}")
    errors += _urgency_errors(columns, old)
    if "auto_pause" in columns:
        columns["auto_pause"], wrong = _auto_pause(columns["auto_pause"])
        errors += wrong
    if "alert_grouping_parameters" in columns:
        columns["alert_grouping_parameters"], wrong = groupings.checked_form(columns["alert_grouping_parameters"])
        errors += wrong
    if errors:
        raise invalid(*errors)
    return columns


def _name_errors(tx: Tx, name: str, old: sa.Row[Any] | None) -> list[str]:
    if not name:
        return ["Name cannot be empty"]
    if len(name) > NAME_MOST:
        return [f"Name may have at most {NAME_MOST} characters"]
    taken = tx.one(sa.select(service.c.id).where(service.c.name == name))
    return ["Name has already been taken"] if taken is not None and (old is None or taken.id != old.id) else []


def _urgency_errors(columns: dict[str, Any], old: sa.Row[Any] | None) -> list[str]:
    """Check the urgency rule with the support hours it needs; what an unused one leaves behind is cleared."""
    if not columns.keys() & {"incident_urgency_rule", "support_hours", "scheduled_actions"}:
        return []
    if "incident_urgency_rule" in columns:
        columns["incident_urgency_rule"] = rule = columns["incident_urgency_rule"] or dict(CONSTANT_HIGH)
    else:
        rule = old.incident_urgency_rule if old is not None else CONSTANT_HIGH
    errors = _rule_errors(rule)
    if "support_hours" in columns and columns["support_hours"] is not None:
        columns["support_hours"], wrong = _support_hours(columns["support_hours"])
        errors += wrong
    hours = columns.get("support_hours", old.support_hours if old is not None else None)
    if "scheduled_actions" in columns:
        columns["scheduled_actions"] = columns["scheduled_actions"] or []
        errors += _action_errors(columns["scheduled_actions"])
    if rule.get("type") == "use_support_hours":
        if hours is None:
            errors.append("Support hours are needed by an incident urgency rule of the type use_support_hours")
        return errors
    for key, nothing, label in (("support_hours", None, "Support hours"), ("scheduled_actions", [], "Scheduled actions")):
        if columns.get(key):
            errors.append(f"{label} are used only by an incident urgency rule of the type use_support_hours")
        columns[key] = nothing
    return errors


def _rule_errors(rule: Any) -> list[str]:
    if not isinstance(rule, Mapping) or rule.get("type") not in {"constant", "use_support_hours"}:
        return ["Incident urgency rule must have the type constant or use_support_hours"]
    if rule["type"] == "constant":
        return [] if rule.get("urgency") in URGENCIES else [f"Incident urgency rule needs an urgency: one of {', '.join(URGENCIES)}"]
    errors = []
    for part in ("during_support_hours", "outside_support_hours"):
        inner = rule.get(part)
        if not isinstance(inner, Mapping) or inner.get("type") != "constant" or inner.get("urgency") not in URGENCIES:
            errors.append(f"Incident urgency rule needs {part}: the type constant and an urgency of {', '.join(URGENCIES)}")
    return errors


def _support_hours(hours: Any) -> tuple[dict[str, Any] | None, list[str]]:
    if not isinstance(hours, Mapping):
        return None, ["Support hours must be an object"]
    errors = []
    if hours.get("type", "fixed_time_per_day") != "fixed_time_per_day":
        errors.append("Support hours must have the type fixed_time_per_day")
    try:
        times.zone_named(str(hours.get("time_zone") or ""))
    except ValueError as error:
        errors.append(f"Support hours: {error}")
    clocks: dict[str, str] = {}
    for name in ("start_time", "end_time"):
        try:
            clocks[name] = time.fromisoformat(str(hours.get(name))).replace(tzinfo=None).isoformat("seconds")
        except ValueError:
            errors.append(f"Support hours need a {name} like 09:00:00")
    days = hours.get("days_of_week")
    if not isinstance(days, list) or not days or any(type(day) is not int or not 1 <= day <= 7 for day in days):
        errors.append("Support hours need days_of_week: numbers from 1 (Monday) to 7")
        days = []
    zone = hours.get("time_zone")
    told = {"type": "fixed_time_per_day", "time_zone": zone, **clocks, "days_of_week": sorted(set(days))}
    return told, errors


def _action_errors(actions: Any) -> list[str]:
    for action in actions if isinstance(actions, list) else [{}]:
        at = action.get("at") if isinstance(action, Mapping) else None
        if (
            not isinstance(action, Mapping)
            or not isinstance(at, Mapping)
            or action.get("type") != "urgency_change"
            or action.get("to_urgency") != "high"
            or at.get("type") != "named_time"
            or at.get("name") not in {"support_hours_start", "support_hours_end"}
        ):
            return ["Scheduled actions must be urgency changes to high at support_hours_start or support_hours_end"]
    return []


def _auto_pause(pause: Any) -> tuple[dict[str, Any] | None, list[str]]:
    if pause is None:
        return None, []
    if not isinstance(pause, Mapping):
        return None, ["Auto pause notifications parameters must be an object"]
    errors = [f"Auto pause notifications parameters do not know {name}" for name in pause.keys() - {"enabled", "timeout"} - _READ_ONLY]
    enabled, seconds = pause.get("enabled", False), pause.get("timeout")
    if not isinstance(enabled, bool):
        errors.append("Auto pause notifications parameters: enabled must be true or false")
    if (seconds is None and enabled) or (seconds is not None and (type(seconds) is not int or seconds not in {0, *PAUSES})):
        errors.append(f"Auto pause notifications parameters: timeout must be 0 or one of {', '.join(map(str, PAUSES))} seconds")
    kept = {"enabled": enabled, "timeout": seconds}
    return (None if kept == {"enabled": False, "timeout": None} else kept), errors


# ------------------------------------------------------------------------------------------------------- integrations


def add_integration(
    tx: Tx,
    deed: Deed,
    service_id: str,
    *,
    name: str,
    type_: str = INTEGRATION_TYPES[0],
    vendor_id: str | None = None,
    email: str | None = None,
    settings: Mapping[str, Any] | None = None,
    own_id: str | None = None,
    own_key: str | None = None,
) -> str:
    """A new way into a service, with a key of its own. `deed.chance` must be the system's. Returns its id.

    `settings` is what a reader of ours needs: the `mapping` of the generic one; an e-mail integration's rules under `email`
    (inbound/email_rules.py), beside its address.
    `own_id` and `own_key`: the id and the routing key to have, known to be free, of one that senders use elsewhere already.
    """
    service_row(tx, service_id)
    if type_ not in INTEGRATION_TYPES:
        raise invalid(f"Type must be one of {', '.join(INTEGRATION_TYPES)}")
    held = sa.select(sa.func.count()).select_from(integration).where(integration.c.service_id == service_id)
    if (tx.scalar(held) or 0) >= INTEGRATIONS_MOST:
        raise invalid(f"A service may have at most {INTEGRATIONS_MOST} integrations")
    sent = {"name": name, "vendor_id": vendor_id, "email": email, "settings": settings or {}}
    columns = _checked_integration(tx, sent, type_, None)
    row = {
        "id": own_id or ids.object_id(deed.chance),
        "service_id": service_id,
        "type": type_,
        "routing_key": own_key or ids.integration_key(deed.chance),
        "created_at": deed.now,
        **columns,
    }
    tx.execute(sa.insert(integration), row)
    root = _root(tx, service_id)
    audit.record(tx, deed, _integration_reference(row["id"], type_, row["name"]), before=None, after=_told_way(row), root=root)
    tx.wake("integrations")
    integration_id: str = row["id"]
    return integration_id


def change_integration(tx: Tx, deed: Deed, integration_id: str, changes: Mapping[str, Any]) -> None:
    """Change name, vendor_id, email, settings or service_id (move it to another service; its key goes with it)."""
    old = integration_row(tx, integration_id)
    columns = _checked_integration(tx, changes, old.type, old)
    changed = {key: value for key, value in columns.items() if getattr(old, key) != value}
    if not changed:
        return
    tx.execute(sa.update(integration).where(integration.c.id == integration_id).values(**changed))
    was = {key: getattr(old, key) for key in changed}
    reference = _integration_reference(integration_id, old.type, changed.get("name", old.name))
    audit.record(tx, deed, reference, before=_told_way(was), after=_told_way(changed), root=_root(tx, old.service_id))
    tx.wake("integrations")


def remove_integration(tx: Tx, deed: Deed, integration_id: str) -> None:
    """Close this way in; its key is unknown from now on."""
    old = integration_row(tx, integration_id)
    if (watched := heartbeats.on_integration(tx, integration_id)) is not None:
        raise invalid(f"The heartbeat {watched.name} comes in by this integration: delete the heartbeat instead")
    tx.execute(sa.delete(integration).where(integration.c.id == integration_id))
    was = {key: getattr(old, key) for key in ("name", "type", "vendor_id", "email", "settings")}
    reference = _integration_reference(integration_id, old.type, old.name)
    audit.record(tx, deed, reference, before=_told_way(was), after=None, root=_root(tx, old.service_id))
    tx.wake("integrations")


def integration_row(tx: Tx, integration_id: str) -> sa.Row[Any]:
    """The row of an integration. Raises 404."""
    found = tx.one(sa.select(integration).where(integration.c.id == integration_id))
    if found is None:
        raise not_found("Integration")
    return found


def _integration_reference(integration_id: str, type_: str, name: str) -> dict[str, Any]:
    return {"id": integration_id, "type": f"{type_}_reference", "summary": name}


def _root(tx: Tx, service_id: str) -> dict[str, Any]:
    return service_reference(service_id, service_row(tx, service_id).name)


def _told_way(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of an integration as an audit record tells them: without the key, which is a secret."""
    return {key: columns[key] for key in ("name", "type", "vendor_id", "email", "settings", "service_id") if key in columns}


def _checked_integration(tx: Tx, changes: Mapping[str, Any], type_: str, old: sa.Row[Any] | None) -> dict[str, Any]:
    columns = dict(changes)
    errors: list[str] = []
    if "name" in columns:
        columns["name"] = str(columns["name"] or "").strip()
        if not 1 <= len(columns["name"]) <= NAME_MOST:
            errors.append(f"Name must have between 1 and {NAME_MOST} characters")
    if "service_id" in columns and tx.one(sa.select(service.c.id).where(service.c.id == columns["service_id"])) is None:
        errors.append("Service not found")
    if columns.get("email") is not None:
        errors += _address_errors(tx, columns["email"], type_, old)
    elif type_ == EMAIL_TYPE and "email" in columns:
        errors.append("Integration email cannot be empty")
    if "settings" in columns:
        columns["settings"] = settings = dict(columns["settings"] or {})
        if unknown := sorted(settings.keys() - {"mapping", EMAIL}):
            errors.append(f"Settings do not know {', '.join(unknown)}: only the mapping of the generic reader")
        if EMAIL in settings and type_ != EMAIL_TYPE:
            errors.append(f"Rules for mails belong to the type {EMAIL_TYPE} only")
        elif isinstance(settings.get(EMAIL), Mapping):
            settings[EMAIL] = email_rules.normal(settings[EMAIL])
        errors += _readers_errors(columns["settings"])
    if errors:
        raise invalid(*errors)
    return columns


def _address_errors(tx: Tx, email: str, type_: str, old: sa.Row[Any] | None) -> list[str]:
    if type_ != EMAIL_TYPE:
        return [f"Integration email belongs to the type {EMAIL_TYPE} only"]
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        return ["Integration email is not a valid e-mail address"]
    taken = tx.one(sa.select(integration.c.id).where(sa.func.lower(integration.c.email) == email.lower()))
    return ["Integration email has already been taken"] if taken is not None and (old is None or taken.id != old.id) else []


def _readers_errors(settings: Mapping[str, Any]) -> Sequence[str]:
    """What any reader finds wrong with these settings."""
    return list(dict.fromkeys(f"Settings: {fault}" for reader in READERS for fault in reader.verify(settings)))
