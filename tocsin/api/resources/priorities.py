"""Priorities, most severe first. PagerDuty's API only lists them; changing them here is our own (BEHAVIOUR 10)."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Resource, Rows, given
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.store.tables.incidents import incident
from tocsin.store.tables.services import priority

PRIORITIES_MOST = 50


class PriorityWrite(msgspec.Struct):
    """What an admin may say of a priority. `order` counts from 1, the most severe."""

    name: Annotated[str, Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1024)] | UnsetType | None = UNSET
    color: Annotated[str, Meta(pattern=r"^#?[0-9a-fA-F]{6}$")] | UnsetType = UNSET
    order: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    return [
        {
            **envelope.common(call.house, "priority", row.id, row.name),
            "name": row.name,
            "description": row.description or "",
            "color": row.color,
            "order": row.order,
            "schema_version": 0,
            "created_at": times.iso(row.created_at),
        }
        for row in rows
    ]


def values(call: Call, body: PriorityWrite, old: sa.Row[Any] | None) -> dict[str, Any]:
    """Checked column values of a priority."""
    columns = given(body)
    if "color" in columns:
        columns["color"] = columns["color"].removeprefix("#").lower()
    if "name" in columns:
        columns["name"] = columns["name"].strip()
        taken = call.tx.one(sa.select(priority.c.id).where(priority.c.name == columns["name"]))
        if taken is not None and (old is None or taken.id != old.id):
            raise invalid("Name has already been taken")
    if old is None:
        if not columns.get("name"):
            raise invalid("Name cannot be empty")
        last = call.tx.scalar(sa.select(sa.func.max(priority.c.order)))
        if call.tx.scalar(sa.select(sa.func.count()).select_from(priority)) >= PRIORITIES_MOST:
            raise invalid(f"There may be at most {PRIORITIES_MOST} priorities")
        columns.setdefault("order", (last or 0) + 1)
        columns.setdefault("color", "a8a8a8")
    return columns


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a priority that no open incident has."""
    held = sa.select(sa.func.count()).where(incident.c.priority_id == row.id, incident.c.status != "resolved")
    if number := call.tx.scalar(held):
        raise invalid(f"{number} open incidents have this priority: give them another one first")
    call.tx.execute(sa.delete(priority).where(priority.c.id == row.id))


PRIORITIES = Resource(
    name="priority",
    plural="priorities",
    path="/priorities",
    tag="Priorities",
    table=priority,
    read=shown,
    write=PriorityWrite,
    values=values,
    delete=remove,
    order=(priority.c.order,),
    limit=100,
)

DECLARED = (PRIORITIES,)
