"""Business services: the one door by which they are made, changed and ended, and by which the whole account hears of them.

Laws:
1. Each change takes a `Deed` and leaves its audit record; one that changes nothing leaves none.
2. Whoever ends one ends its dependencies, its subscriptions and what was said of its impacts.
"""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.core.dependencies import BUSINESS
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import dependencies, subscriptions
from tocsin.store.db import Tx
from tocsin.store.tables.business import business_service as table

SERVICES_MOST: Final = 5000
NAME_MOST: Final = 255
DESCRIPTION_MOST: Final = 1024
CONTACT_MOST: Final = 255

_TOLD: Final = ("name", "description", "point_of_contact", "team_id")


def create(tx: Tx, deed: Deed, columns: Mapping[str, Any]) -> str:
    """A new business service. Returns its id. Raises 400."""
    if (tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0) >= SERVICES_MOST:
        raise invalid(f"There may be at most {SERVICES_MOST} business services")
    checked = _checked(columns)
    if "name" not in checked:
        raise invalid("Name cannot be empty")
    row = {"id": ids.object_id(deed.chance), "description": None, "point_of_contact": None, "team_id": None} | checked
    tx.execute(sa.insert(table), {**row, "is_account_subscribed": False, "created_at": deed.now, "updated_at": deed.now})
    audit.record(tx, deed, reference(row["id"], row["name"]), before=None, after={name: row[name] for name in _TOLD})
    return str(row["id"])


def change(tx: Tx, deed: Deed, old: sa.Row[Any], columns: Mapping[str, Any]) -> None:
    """Change name, description, point_of_contact or team_id. Raises 400."""
    changed = {name: value for name, value in _checked(columns).items() if getattr(old, name) != value}
    if not changed:
        return
    tx.execute(sa.update(table).where(table.c.id == old.id).values(**changed, updated_at=deed.now))
    before = {name: getattr(old, name) for name in changed}
    audit.record(tx, deed, reference(old.id, changed.get("name", old.name)), before=before, after=changed)


def delete(tx: Tx, deed: Deed, old: sa.Row[Any]) -> None:
    """End a business service (law 2)."""
    dependencies.turn(tx)
    dependencies.forget(tx, (BUSINESS, old.id))
    subscriptions.forget_thing(tx, (BUSINESS, old.id))
    tx.execute(sa.delete(table).where(table.c.id == old.id))
    audit.record(tx, deed, reference(old.id, old.name), before={name: getattr(old, name) for name in _TOLD}, after=None)


def subscribe_account(tx: Tx, deed: Deed, old: sa.Row[Any], *, is_subscribed: bool) -> None:
    """Let everybody here hear when it is impacted, or not any more."""
    if old.is_account_subscribed == is_subscribed:
        return
    tx.execute(sa.update(table).where(table.c.id == old.id).values(is_account_subscribed=is_subscribed, updated_at=deed.now))
    before, after = ({"account_is_subscribed": said} for said in (not is_subscribed, is_subscribed))
    audit.record(tx, deed, reference(old.id, old.name), before=before, after=after)


def row_of(tx: Tx, id_: str) -> sa.Row[Any]:
    """The row of a business service. Raises 404."""
    found = tx.one(sa.select(table).where(table.c.id == id_))
    if found is None:
        raise not_found("Business Service")
    return found


def reference(id_: str, name: str) -> dict[str, Any]:
    return {"id": id_, "type": "business_service_reference", "summary": name}


def _checked(columns: Mapping[str, Any]) -> dict[str, Any]:
    checked, errors = dict(columns), []
    if "name" in checked:
        checked["name"] = (checked["name"] or "").strip()
        if not 1 <= len(checked["name"]) <= NAME_MOST:
            errors.append(f"Name must have between 1 and {NAME_MOST} characters")
    for name, most in (("description", DESCRIPTION_MOST), ("point_of_contact", CONTACT_MOST)):
        if checked.get(name) is not None and len(checked[name]) > most:
            errors.append(f"{name.replace('_', ' ').capitalize()} may have at most {most} characters")
    if errors:
        raise invalid(*errors)
    return checked
