"""Add-ons: pages from elsewhere that stand beside ours, for everybody or on incidents of some services; each change audited."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.tables.attachments import addon, addon_service

FULL_PAGE: Final = "full_page_addon"
ON_INCIDENTS: Final = "incident_show_addon"
TYPES: Final = (FULL_PAGE, ON_INCIDENTS)
ADDONS_MOST: Final = 500
NAME_MOST: Final = 100
SRC_MOST: Final = 2048
SERVICES_MOST: Final = 1000
"""Services on whose incidents one add-on stands."""


def create(tx: Tx, deed: Deed, columns: Mapping[str, Any], service_ids: Sequence[str]) -> str:
    """A new add-on. Returns its id. Raises 400."""
    if (tx.scalar(sa.select(sa.func.count()).select_from(addon)) or 0) >= ADDONS_MOST:
        raise invalid(f"There may be at most {ADDONS_MOST} add-ons")
    missing = [f"{name.capitalize()} cannot be empty" for name in ("type", "name", "src") if name not in columns]
    if missing:
        raise invalid(*missing)
    checked = _checked(columns, service_ids)
    id_ = ids.object_id(deed.chance)
    tx.execute(sa.insert(addon), {"id": id_, "created_at": deed.now, "updated_at": deed.now, **checked})
    _place(tx, id_, service_ids)
    audit.record(tx, deed, reference(id_, checked["name"]), before=None, after=_told(checked, service_ids))
    return id_


def change(tx: Tx, deed: Deed, old: sa.Row[Any], columns: Mapping[str, Any], service_ids: Sequence[str] | None) -> None:
    """Change type, name, src, or the services it stands with. Raises 400."""
    was = {name: getattr(old, name) for name in ("type", "name", "src")}
    there = services_of(tx, [old.id])[old.id]
    if service_ids is None:  # one that gets a page of its own stands with services no more
        service_ids = there if columns.get("type", old.type) == ON_INCIDENTS else ()
    after = _checked(was | dict(columns), service_ids)
    placed = sorted(set(service_ids))
    if after == was and placed == sorted(there):
        return
    tx.execute(sa.update(addon).where(addon.c.id == old.id).values(**after, updated_at=deed.now))
    if placed != sorted(there):
        tx.execute(sa.delete(addon_service).where(addon_service.c.addon_id == old.id))
        _place(tx, old.id, placed)
    audit.record(tx, deed, reference(old.id, after["name"]), before=_told(was, there), after=_told(after, placed))


def delete(tx: Tx, deed: Deed, old: sa.Row[Any]) -> None:
    """End an add-on."""
    was = {name: getattr(old, name) for name in ("type", "name", "src")}
    told = _told(was, services_of(tx, [old.id])[old.id])
    tx.execute(sa.delete(addon).where(addon.c.id == old.id))
    audit.record(tx, deed, reference(old.id, old.name), before=told, after=None)


def services_of(tx: Tx, addon_ids: Sequence[str]) -> dict[str, list[str]]:
    """By add-on, the services on whose incidents it stands; none: on those of all."""
    found: dict[str, list[str]] = {id_: [] for id_ in addon_ids}
    chosen = sa.select(addon_service).where(addon_service.c.addon_id.in_(addon_ids))
    for row in tx.rows(chosen.order_by(addon_service.c.service_id)):
        found[row.addon_id].append(row.service_id)
    return found


def on_incidents_of(tx: Tx, service_ids: Sequence[str]) -> dict[str, list[sa.Row[Any]]]:
    """By service, the add-ons that stand on its incidents, by name."""
    rows = tx.rows(sa.select(addon).where(addon.c.type == ON_INCIDENTS).order_by(addon.c.name, addon.c.id))
    places = services_of(tx, [row.id for row in rows]) if rows else {}
    return {id_: [row for row in rows if not places[row.id] or id_ in places[row.id]] for id_ in service_ids}


def full_pages(tx: Tx) -> Sequence[sa.Row[Any]]:
    """The add-ons with a page of their own, by name."""
    return tx.rows(sa.select(addon).where(addon.c.type == FULL_PAGE).order_by(addon.c.name, addon.c.id))


def reference(id_: str, name: str) -> dict[str, Any]:
    return {"id": id_, "type": "addon_reference", "summary": name}


def _place(tx: Tx, addon_id: str, service_ids: Sequence[str]) -> None:
    if service_ids:
        tx.execute(sa.insert(addon_service), [{"addon_id": addon_id, "service_id": id_} for id_ in dict.fromkeys(service_ids)])


def _told(columns: Mapping[str, Any], service_ids: Sequence[str]) -> dict[str, Any]:
    services = [{"id": id_, "type": "service_reference", "summary": None} for id_ in dict.fromkeys(service_ids)]
    return dict(columns) | {"services": services}


def _checked(columns: Mapping[str, Any], service_ids: Sequence[str]) -> dict[str, Any]:
    checked, errors = dict(columns), []
    checked["name"] = checked["name"].strip()
    if checked["type"] not in TYPES:
        errors.append(f"Type must be {' or '.join(TYPES)}")
    if not 1 <= len(checked["name"]) <= NAME_MOST:
        errors.append(f"Name must have between 1 and {NAME_MOST} characters")
    if not _is_https(checked["src"]):
        errors.append(f"Src must be an address that begins with https:// and has at most {SRC_MOST} characters")
    if len(set(service_ids)) > SERVICES_MOST:
        errors.append(f"An add-on may stand with at most {SERVICES_MOST} services")
    if service_ids and checked["type"] == FULL_PAGE:
        errors.append(f"Only an add-on of the type {ON_INCIDENTS} stands with services")
    if errors:
        raise invalid(*errors)
    return checked


def _is_https(src: str) -> bool:
    try:
        parts = urlsplit(src)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = src.isprintable() and not any(letter in src for letter in " \\<>\"'")
    return parts.scheme == "https" and bool(parts.hostname) and not parts.username and port_is_fine and is_plain and len(src) <= SRC_MOST
