"""Load, save and find incidents. The whole state is one JSON box; the columns beside it are only for finding."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from tocsin.core.incident_state import Incident
from tocsin.store.db import Tx
from tocsin.store.tables import incidents as tables

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Incident).decode
_incident = tables.incident.c

_LOADING_AT_ONCE = 500  # SQLite takes a limited number of parameters in one statement
_NEWEST_AT_ONCE = 100  # SQLite joins at most 500 selects into one
_OPEN = ("triggered", "acknowledged")


def load(tx: Tx, incident_ids: Collection[str], *, lock: bool = False) -> dict[str, Incident]:
    """These incidents by id; ids of none are missing. `lock`: nobody else may change them until we are done."""
    wanted = sorted(set(incident_ids))  # one order for all, so that two nodes never wait for each other in a circle
    found: dict[str, Incident] = {}
    for at in range(0, len(wanted), _LOADING_AT_ONCE):
        statement = sa.select(_incident.state).where(_incident.id.in_(wanted[at : at + _LOADING_AT_ONCE]))
        if lock:
            statement = statement.order_by(_incident.id).with_for_update()
        for row in tx.rows(statement):
            incident = _decode(row.state)
            found[incident.id] = incident
    return found


def find(tx: Tx, id_or_number: str) -> Incident | None:
    """One incident, by its id or by its number."""
    by_number = id_or_number.isdecimal() and len(id_or_number) < 16
    where = _incident.number == int(id_or_number) if by_number else _incident.id == id_or_number
    row = tx.one(sa.select(_incident.state).where(where))
    return _decode(row.state) if row else None


def read(rows: Sequence[sa.Row[Any]]) -> list[Incident]:
    """The incidents of rows that have a `state` column."""
    return [_decode(row.state) for row in rows]


def _row(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "number": incident.number,
        "service_id": incident.service_id,
        "policy_id": incident.policy.id,
        "status": incident.status.value,
        "urgency": incident.urgency.value,
        "title": incident.title,
        "incident_key": incident.key if incident.is_manual else None,
        "priority_id": incident.priority_id,
        "created_at": incident.created_at,
        "updated_at": incident.updated_at,
        "resolved_at": incident.resolved_at,
        "state": _encode(incident).decode(),
    }


def insert(tx: Tx, incidents: Sequence[Incident]) -> None:
    """Keep new incidents and who they are assigned to."""
    if incidents:
        tx.execute(sa.insert(tables.incident), [_row(incident) for incident in incidents])
        _assign(tx, incidents)


_CHANGING = (
    "service_id",
    "policy_id",
    "status",
    "urgency",
    "title",
    "priority_id",
    "updated_at",
    "resolved_at",
    "state",
)
_update = sa.update(tables.incident).where(_incident.id == sa.bindparam("the_id"))
_update = _update.values({name: sa.bindparam(f"new_{name}") for name in _CHANGING})


def update(tx: Tx, incidents: Sequence[Incident], *, reassigned: Collection[str]) -> None:
    """Keep changed incidents; `reassigned` names those whose people changed."""
    if not incidents:
        return
    rows = []
    for incident in incidents:
        row = _row(incident)
        rows.append({"the_id": incident.id} | {f"new_{name}": row[name] for name in _CHANGING})
    tx.execute(_update, rows)
    gone = [{"of": incident_id} for incident_id in reassigned]
    if gone:
        tx.execute(sa.delete(tables.assignee).where(tables.assignee.c.incident_id == sa.bindparam("of")), gone)
        _assign(tx, [incident for incident in incidents if incident.id in reassigned])


def _assign(tx: Tx, incidents: Sequence[Incident]) -> None:
    rows = [
        {"incident_id": incident.id, "user_id": user_id}
        for incident in incidents
        for user_id in dict.fromkeys(incident.user_ids)
    ]
    if rows:
        tx.execute(sa.insert(tables.assignee), rows)


def open_with_key(tx: Tx, service_id: str, key: str) -> str | None:
    """The id of the open incident on a service that was made with this incident key."""
    found: str | None = tx.scalar(
        sa.select(_incident.id).where(
            _incident.service_id == service_id, _incident.incident_key == key, _incident.status != "resolved"
        )
    )
    return found


def open_of_services(tx: Tx, service_ids: Collection[str], *, most: int) -> list[Incident]:
    """Up to `most` newest open incidents of each of these services."""
    found: list[Incident] = []
    for service_id in sorted(service_ids):
        found += read(
            tx.rows(
                sa.select(_incident.state)
                .where(_incident.service_id == service_id, _incident.status.in_(_OPEN))
                .order_by(_incident.created_at.desc(), _incident.id.desc())
                .limit(most)
            )
        )
    return found


def open_with_urgency(tx: Tx, service_id: str, urgency: str, *, most: int) -> list[str]:
    """The ids of up to `most` open incidents of a service with this urgency, oldest first."""
    chosen = sa.select(_incident.id).where(
        _incident.service_id == service_id, _incident.status.in_(_OPEN), _incident.urgency == urgency
    )
    return [row.id for row in tx.rows(chosen.order_by(_incident.created_at, _incident.id).limit(most))]


def open_of_user(tx: Tx, user_id: str) -> list[Incident]:
    """The open incidents assigned to one person, oldest first."""
    return read(
        tx.rows(
            sa.select(_incident.state)
            .join(tables.assignee, tables.assignee.c.incident_id == _incident.id)
            .where(tables.assignee.c.user_id == user_id, _incident.status != "resolved")
            .order_by(_incident.created_at, _incident.id)
        )
    )


def counts(tx: Tx) -> dict[tuple[str, str], int]:
    """How many open incidents there are, by (status, urgency)."""
    statement = (
        sa.select(_incident.status, _incident.urgency, sa.func.count().label("how_many"))
        .where(_incident.status.in_(["triggered", "acknowledged"]))
        .group_by(_incident.status, _incident.urgency)
    )
    return {(row.status, row.urgency): row.how_many for row in tx.rows(statement)}


def status_of_services(tx: Tx, service_ids: Collection[str]) -> dict[str, str]:
    """`critical`, `warning` or `active` for each service: does it have triggered, only acknowledged, or no incidents?"""
    statement = (
        sa.select(
            _incident.service_id, sa.func.max(sa.case((_incident.status == "triggered", 2), else_=1)).label("worst")
        )
        .where(_incident.service_id.in_(service_ids), _incident.status.in_(["triggered", "acknowledged"]))
        .group_by(_incident.service_id)
    )
    words = {2: "critical", 1: "warning"}
    found = {row.service_id: words[row.worst] for row in tx.rows(statement)}
    return {service_id: found.get(service_id, "active") for service_id in service_ids}


def last_incident_at(tx: Tx, service_ids: Collection[str]) -> dict[str, datetime]:
    """When each service's newest incident began."""
    found: dict[str, datetime] = {}
    wanted = sorted(set(service_ids))
    for at in range(0, len(wanted), _NEWEST_AT_ONCE):
        newest = [
            sa.select(sa.literal(service_id).label("service_id"), sa.func.max(_incident.created_at).label("last_at")).where(
                _incident.service_id == service_id, _incident.status == status
            )
            for service_id in wanted[at : at + _NEWEST_AT_ONCE]
            for status in ("triggered", "acknowledged", "resolved")
        ]  # one end of the index each: grouping would read all of it
        for row in tx.rows(sa.union_all(*newest)):
            if row.last_at is not None:
                found[row.service_id] = max(row.last_at, found.get(row.service_id, row.last_at))
    return found
