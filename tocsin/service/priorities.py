"""Priorities: the words by which incidents are said to matter, most severe first; each change leaves its audit record."""

import re

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.tables.incidents import incident
from tocsin.store.tables.services import priority

NAME_MOST = 100
PRIORITIES_MOST = 100


def add(tx: Tx, deed: Deed, *, name: str, color: str, own_id: str | None = None) -> str:
    """A new priority below all others (`own_id`: the id to have, known to be free); `color` is six hexadecimal digits. Returns its id."""
    wanted, colour = name.strip(), color.removeprefix("#").lower()
    if not 1 <= len(wanted) <= NAME_MOST:
        raise invalid(f"Name must have between 1 and {NAME_MOST} characters")
    if not re.fullmatch(r"[0-9a-f]{6}", colour):
        raise invalid("Color must be six hexadecimal digits, like a8171c")
    if tx.one(sa.select(priority.c.id).where(priority.c.name == wanted)) is not None:
        raise invalid("Name has already been taken")
    if (tx.scalar(sa.select(sa.func.count()).select_from(priority)) or 0) >= PRIORITIES_MOST:
        raise invalid(f"There may be at most {PRIORITIES_MOST} priorities")
    last = tx.scalar(sa.select(sa.func.max(priority.c.order))) or 0
    columns = {"name": wanted, "description": None, "color": colour, "order": last + 1}
    priority_id = own_id or ids.object_id(deed.chance)
    tx.execute(sa.insert(priority), {"id": priority_id, "created_at": deed.now, **columns})
    audit.record(tx, deed, {"id": priority_id, "type": "priority_reference", "summary": wanted}, before=None, after=columns)
    return priority_id


def remove(tx: Tx, deed: Deed, priority_id: str) -> None:
    """End a priority that no open incident has."""
    row = tx.one(sa.select(priority).where(priority.c.id == priority_id))
    if row is None:
        raise not_found("Priority")
    held = sa.select(sa.func.count()).where(incident.c.priority_id == priority_id, incident.c.status != "resolved")
    if number := tx.scalar(held):
        raise invalid(f"{number} open incidents have this priority: give them another one first")
    tx.execute(sa.delete(priority).where(priority.c.id == priority_id))
    reference = {"id": priority_id, "type": "priority_reference", "summary": row.name}
    audit.record(tx, deed, reference, before={"name": row.name, "color": row.color, "order": row.order}, after=None)
