"""Alert grouping settings: the one door for saying which services group their alerts, how, and with which others.

Laws:
1. Every function that changes something takes a `Deed` and leaves an audit record in the same transaction.
2. What changes nothing leaves no record, and `updated_at` stays.
3. A service is in one setting at most. What its own form (`alert_grouping_parameters`) says is a setting of that service
   alone; writing the form takes the service out of a setting it shares.
4. Settings are in seconds; the form says the time window of grouping by time in minutes.
Source: BEHAVIOUR 2.3; the rules are in core/grouping.py.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.core.grouping import CONTENT, CONTENT_OR_LIKENESS, LIKENESS, TIME
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import groupings
from tocsin.store.db import Tx
from tocsin.store.groupings import Setting
from tocsin.store.tables.service_rules import grouping_service, grouping_setting
from tocsin.store.tables.services import service

KINDS: Final[Mapping[str, frozenset[str]]] = {
    TIME: frozenset({"timeout"}),
    LIKENESS: frozenset({"time_window", "iag_fields"}),
    CONTENT: frozenset({"aggregate", "fields", "time_window"}),
    CONTENT_OR_LIKENESS: frozenset({"aggregate", "fields", "time_window"}),
}
"""By kind of grouping, the names its `config` may have."""
FORM_KINDS: Final = (TIME, LIKENESS, CONTENT)
"""What a service's own form can say."""
READ_ONLY: Final = frozenset({"recommended_time_window"})
FIELDS_MOST: Final = 20
SERVICES_MOST: Final = 250
"""Services in one setting."""
NAME_MOST: Final = 255
DESCRIPTION_MOST: Final = 1024
DAY: Final = 86_400


# ------------------------------------------------------------------------------------------------------------ settings


def create(
    tx: Tx,
    deed: Deed,
    *,
    kind: str | None,
    config: Any,
    service_ids: Sequence[str],
    name: str | None = None,
    description: str | None = None,
) -> str:
    """A new setting; returns its id. Raises 400/2001 with one sentence for each breach."""
    wanted = sorted(set(service_ids))
    kept, errors = _checked(kind, config)
    errors += _word_errors(name, description) + _service_errors(tx, str(kind), kept, wanted, None)
    if errors:
        raise invalid(*errors)
    return _insert(tx, deed, str(kind), kept, wanted, name=name, description=description)


def _insert(
    tx: Tx, deed: Deed, kind: str, config: dict[str, Any], service_ids: Sequence[str], *, is_told: bool = True, **words: Any
) -> str:
    setting_id = ids.object_id(deed.chance)
    row = {"name": None, "description": None, **words, "id": setting_id, "type": kind, "config": config}
    groupings.insert(tx, {**row, "created_at": deed.now, "updated_at": deed.now}, service_ids)
    if is_told:
        made = load(tx, setting_id)
        audit.record(tx, deed, reference(made), before=None, after=_told(tx, made))
    return setting_id


def change(tx: Tx, deed: Deed, setting_id: str, changes: Mapping[str, Any]) -> None:
    """Change `kind`, `config`, `name`, `description` or `service_ids`; what is not named stays."""
    _lock(tx, setting_id)
    old = load(tx, setting_id)
    kind = str(changes.get("kind", old.kind))
    kept, errors = dict(old.config), list[str]()
    if "config" in changes or kind != old.kind:
        kept, errors = _checked(kind, changes.get("config"))
    name, description = changes.get("name", old.name), changes.get("description", old.description)
    wanted = sorted(set(changes.get("service_ids", old.service_ids)))
    errors += _word_errors(name, description) + _service_errors(tx, kind, kept, wanted, setting_id)
    if errors:
        raise invalid(*errors)
    columns = {"name": name, "description": description, "type": kind, "config": kept}
    was = {"name": old.name, "description": old.description, "type": old.kind, "config": dict(old.config)}
    if columns == was and tuple(wanted) == old.service_ids:
        return
    before = _told(tx, old)
    tx.execute(sa.update(grouping_setting).where(grouping_setting.c.id == setting_id).values(**columns, updated_at=deed.now))
    if tuple(wanted) != old.service_ids:
        groupings.put(tx, setting_id, wanted)
    after = load(tx, setting_id)
    audit.record(tx, deed, reference(after), before=before, after=_told(tx, after))


def remove(tx: Tx, deed: Deed, setting_id: str) -> None:
    """Delete a setting: its services group no more."""
    _lock(tx, setting_id)
    old = load(tx, setting_id)
    before = _told(tx, old)
    groupings.remove(tx, setting_id)
    audit.record(tx, deed, reference(old), before=before, after=None)


def load(tx: Tx, setting_id: str) -> Setting:
    """The setting. Raises 404."""
    found = groupings.load(tx, [setting_id]).get(setting_id)
    if found is None:
        raise not_found("Alert Grouping Setting")
    return found


def _lock(tx: Tx, setting_id: str) -> None:
    """Let nobody else change the setting until this transaction ends."""
    tx.one(sa.select(grouping_setting.c.id).where(grouping_setting.c.id == setting_id).with_for_update())


def reference(setting: Setting) -> dict[str, Any]:
    """The reference of a setting."""
    return {"id": setting.id, "type": "alert_grouping_setting_reference", "summary": setting.name}


def _told(tx: Tx, setting: Setting) -> dict[str, Any]:
    """A setting as an audit record tells it."""
    rows = tx.rows(sa.select(service.c.id, service.c.name).where(service.c.id.in_(setting.service_ids)).order_by(service.c.id))
    return {
        "name": setting.name,
        "description": setting.description,
        "grouping": setting.kind,
        "config": dict(setting.config),
        "services": [{"id": row.id, "type": "service_reference", "summary": row.name} for row in rows],
    }


# --------------------------------------------------------------------------------------------------- the service's form


def form_of(setting: Setting) -> dict[str, Any] | None:
    """What the form of a service in this setting says; None when the form cannot say it (shared, or not in its words)."""
    if len(setting.service_ids) > 1 or setting.kind not in FORM_KINDS:
        return None
    config = dict(setting.config)
    if setting.kind == TIME and "timeout" in config:
        minutes, rest = divmod(config["timeout"] or 0, 60)
        if rest:
            return None
        config["timeout"] = minutes
    return {"type": setting.kind, "config": config}


def forms(tx: Tx, rows: Sequence[sa.Row[Any]]) -> dict[str, dict[str, Any]]:
    """By service, what its form shows: how it groups, or a reference to a setting the form cannot say."""
    settings = groupings.of_services(tx, [row.id for row in rows])
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        setting = settings.get(row.id)
        if setting is not None:
            found[row.id] = form_of(setting) or reference(setting)
        elif row.alert_grouping_parameters:
            found[row.id] = row.alert_grouping_parameters
    return found


def put_form(tx: Tx, deed: Deed, service_id: str, form: Mapping[str, Any] | None) -> None:
    """Let a service group as its form says (checked by `checked_form`); None: not at all. Its setting is made or changed.

    The caller tells the audit trail what the service's form said before and says now.
    """
    setting = groupings.of_services(tx, [service_id]).get(service_id)
    if setting is not None:
        _lock(tx, setting.id)
        setting = groupings.of_services(tx, [service_id]).get(service_id)
    tx.execute(sa.update(service).where(service.c.id == service_id).values(alert_grouping_parameters=None))
    if setting is not None and len(setting.service_ids) > 1:
        row = tx.one(sa.select(service.c.name).where(service.c.id == service_id))
        groupings.put(tx, setting.id, [one for one in setting.service_ids if one != service_id])
        left = {"id": service_id, "type": "service_reference", "summary": row.name if row else None}
        audit.record_link(tx, deed, reference(setting), "services", removed=[left])
        setting = None
    if form is None:
        if setting is not None:
            groupings.remove(tx, setting.id)
        return
    config = dict(form["config"])
    if form["type"] == TIME and config.get("timeout") is not None:
        config["timeout"] *= 60
    if setting is None:
        _insert(tx, deed, form["type"], config, [service_id], is_told=False)
        return
    columns = {"type": form["type"], "config": config, "updated_at": deed.now}
    tx.execute(sa.update(grouping_setting).where(grouping_setting.c.id == setting.id).values(**columns))


def forget_service(tx: Tx, service_id: str) -> None:
    """A service is about to be deleted: a setting that was only its own goes with it."""
    setting = groupings.of_services(tx, [service_id]).get(service_id)
    if setting is not None and len(setting.service_ids) == 1:
        groupings.remove(tx, setting.id)
    tx.execute(sa.delete(grouping_service).where(grouping_service.c.service_id == service_id))


def checked_form(parameters: Any) -> tuple[dict[str, Any] | None, list[str]]:
    """The grouping that a service's form asks for, and what is wrong with it. A kind of None turns it off."""
    label = "Alert grouping parameters"
    if parameters is None:
        return None, []
    if not isinstance(parameters, Mapping):
        return None, [f"{label} must be an object"]
    if unknown := sorted(parameters.keys() - {"type", "config"}):
        return None, [f"{label} do not know {', '.join(unknown)}"]
    kind = parameters.get("type")
    if kind is None:
        return None, []
    if kind not in FORM_KINDS:
        return None, [f"{label}: type must be one of {', '.join(FORM_KINDS)}, or null"]
    kept, errors = _config(kind, parameters.get("config"), label, is_form=True)
    return {"type": kind, "config": kept}, errors


# ---------------------------------------------------------------------------------------------------- what is sensible


def _checked(kind: Any, config: Any) -> tuple[dict[str, Any], list[str]]:
    if kind not in KINDS:
        return {}, [f"Type must be one of {', '.join(KINDS)}"]
    return _config(str(kind), config, "Config", is_form=False)


def _config(kind: str, config: Any, label: str, *, is_form: bool) -> tuple[dict[str, Any], list[str]]:
    """The part of a config that belongs to its kind, and what is wrong with it."""
    if config is not None and not isinstance(config, Mapping):
        return {}, [f"{label}: config must be an object" if is_form else "Config must be an object"]
    known = KINDS[kind]
    everywhere = frozenset[str]().union(*KINDS.values())
    # Clients written in Go send the zero values of fields that belong to the other kinds: those say nothing.
    sent = {name: value for name, value in (config or {}).items() if name not in READ_ONLY}
    foreign = [name for name, value in sent.items() if name not in known and (value or name not in everywhere)]
    if foreign:
        return {}, [f"{label}: the config of {kind} does not know {', '.join(sorted(foreign))}"]
    kept = {name: value for name, value in sent.items() if name in known}
    return kept, _config_errors(kind, kept, label, is_form=is_form)


def _config_errors(kind: str, config: Mapping[str, Any], label: str, *, is_form: bool) -> list[str]:
    errors = []
    span = config.get("timeout")
    least, most, unit = (1, 1440, "minutes") if is_form else (60, DAY, "seconds")
    if span is not None and (type(span) is not int or not (span == 0 or least <= span <= most)):
        least_words = "" if is_form else f" or {least}"
        errors.append(f"{label}: timeout must be 0 (until the incident is resolved){least_words} to {most} {unit}")
    window = config.get("time_window")
    day = DAY if kind == CONTENT else None
    if window is not None and (type(window) is not int or not (window in {0, day} or 300 <= window <= 3600)):
        longest = ", or 86400" if day else ""
        errors.append(f"{label}: time_window must be 0 or 300 to 3600 seconds{longest}")
    needs_fields = kind in {CONTENT, CONTENT_OR_LIKENESS}
    for name in ("fields", "iag_fields"):
        if (name == "fields" and needs_fields) or config.get(name) is not None:
            errors += _fields_errors(name, config.get(name), label)
    if needs_fields and config.get("aggregate") not in {"all", "any"}:
        errors.append(f"{label}: aggregate must be all or any")
    return errors


def _fields_errors(name: str, fields: Any, label: str) -> list[str]:
    if not isinstance(fields, list) or not fields or not all(isinstance(field, str) and field for field in fields):
        return [f"{label}: {name} must be a list of names of fields"]
    if len(fields) > FIELDS_MOST:
        return [f"{label}: {name} may have at most {FIELDS_MOST} names"]
    return []


def _word_errors(name: str | None, description: str | None) -> list[str]:
    errors = []
    if name is not None and len(name) > NAME_MOST:
        errors.append(f"Name may have at most {NAME_MOST} characters")
    if description is not None and len(description) > DESCRIPTION_MOST:
        errors.append(f"Description may have at most {DESCRIPTION_MOST} characters")
    return errors


def _service_errors(
    tx: Tx, kind: str, config: Mapping[str, Any], service_ids: Collection[str], setting_id: str | None
) -> list[str]:
    """What is wrong with the services of a setting (law 3)."""
    if not service_ids:
        return ["Services cannot be empty: name at least one"]
    if len(service_ids) > SERVICES_MOST:
        return [f"An alert grouping setting may have at most {SERVICES_MOST} services"]
    rows = {row.id: row for row in tx.rows(sa.select(service).where(service.c.id.in_(service_ids)))}
    errors = [f"Service {id_[:32]} not found" for id_ in sorted(set(service_ids) - rows.keys())[:5]]
    if len(service_ids) > 1 and kind == CONTENT_OR_LIKENESS:
        errors.append(f"The type {kind} takes exactly one service")
    if len(service_ids) > 1 and kind == CONTENT and config.get("time_window") == DAY:
        errors.append("Config: a time_window of 86400 takes exactly one service")
    taken = groupings.of_services(tx, rows)
    for id_, row in sorted(rows.items()):
        other = taken.get(id_)
        if other is not None and other.id != setting_id:
            errors.append(f"Service {row.name} is in the alert grouping setting {other.id} already: take it out of that one first")
        elif other is None and row.alert_grouping_parameters:
            errors.append(f"Service {row.name} has alert grouping parameters of its own: set those to null first")
    return errors
