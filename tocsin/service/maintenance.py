"""Maintenance windows: the one door for planning, changing and ending quiet.

Laws:
1. Every function that changes something takes a `Deed` and leaves an audit record in the same transaction.
2. What changes nothing leaves no record.
3. Whoever changes whether a service is in maintenance at this instant tells its webhooks (`service.updated`).
Source: BEHAVIOUR 2.4; the rules are in core/maintenance.py.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.core import maintenance as rules
from tocsin.core.maintenance import Window
from tocsin.service import audit, webhooks
from tocsin.service.audit import Deed
from tocsin.store import counters, maintenance
from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import maintenance_window
from tocsin.store.tables.services import service

DESCRIPTION_MOST: Final = 1024
SERVICES_MOST: Final = 1000
"""Services in one window."""
OPEN_MOST: Final = 10_000
"""Windows of the account that have not ended."""
LONGEST: Final = timedelta(days=366)
"""How long a window may be: quiet that lasts longer is a disabled service."""


def plan(
    tx: Tx,
    deed: Deed,
    *,
    start: datetime,
    end: datetime,
    service_ids: Sequence[str],
    description: str = "",
    own_id: str | None = None,
) -> str:
    """A new window (`own_id`: the id to have, known to be free); a start in the past is now. Returns its id. Raises 400/2001 with one sentence for each breach."""
    start, _ = rules.start_of(start, None, deed.now)
    errors = _errors(tx, start, end, deed.now, description, service_ids)
    if maintenance.how_many_open(tx, deed.now) >= OPEN_MOST:
        errors.append(f"There may be at most {OPEN_MOST} maintenance windows that have not ended: delete some first")
    if errors:
        raise invalid(*errors)
    agent = deed.actor.agent
    row = {
        "id": own_id or ids.object_id(deed.chance),
        "sequence_number": counters.take(tx, "maintenance_windows", 1),
        "start_at": start,
        "end_at": end,
        "description": description,
        "created_by_type": agent.type,
        "created_by_id": agent.id,
        "created_by_name": agent.summary,
        "created_at": deed.now,
        "updated_at": deed.now,
    }
    maintenance.insert(tx, row, service_ids)
    window = read(tx, str(row["id"]))
    audit.record(tx, deed, reference(window), before=None, after=_told(tx, window, service_ids))
    _tell(tx, deed, set(), set(service_ids) if window.standing(deed.now) == rules.ONGOING else set())
    return window.id


def change(
    tx: Tx,
    deed: Deed,
    window_id: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    service_ids: Sequence[str] | None = None,
    description: str | None = None,
) -> None:
    """Change what is given of a window that has not ended; saying what is so already changes nothing.

    Raises 405 for an ended one, 400/2001 with one sentence for each breach.
    """
    window = read(tx, window_id)
    if window.standing(deed.now) == rules.PAST:
        raise rules.ended(window)
    had = maintenance.service_ids(tx, [window_id])[window_id]
    errors: list[str] = []
    new_start, new_end = window.start, window.end
    if start is not None and not _same(start, window.start):
        new_start, wrong = rules.start_of(start, window, deed.now)
        errors += [wrong] if wrong else []
    if end is not None and not _same(end, window.end):
        new_end = end
    wanted = had if service_ids is None else sorted(set(service_ids))
    words = window.description if description is None else description
    errors += _errors(tx, new_start, new_end, deed.now, words, wanted if service_ids is not None else None)
    if errors:
        raise invalid(*errors)
    columns = {"start_at": new_start, "end_at": new_end, "description": words}
    was = {"start_at": window.start, "end_at": window.end, "description": window.description}
    if columns == was and wanted == had:
        return
    before = _told(tx, window, had)
    quiet = set(had) if window.standing(deed.now) == rules.ONGOING else set()
    maintenance.update(tx, window_id, {**columns, "updated_at": deed.now}, None if wanted == had else wanted)
    after = read(tx, window_id)
    audit.record(tx, deed, reference(after), before=before, after=_told(tx, after, wanted))
    _tell(tx, deed, quiet, set(wanted) if after.standing(deed.now) == rules.ONGOING else set())


def remove(tx: Tx, deed: Deed, window_id: str) -> str:
    """Delete a window that has not begun, or end one that runs now; says which. Raises 405 for an ended one."""
    window = read(tx, window_id)
    meaning = rules.removal(window, deed.now)
    had = maintenance.service_ids(tx, [window_id])[window_id]
    before = _told(tx, window, had)
    if meaning == rules.DELETE:
        maintenance.remove(tx, window_id)
        audit.record(tx, deed, reference(window), before=before, after=None)
        return meaning
    maintenance.update(tx, window_id, {"end_at": deed.now, "updated_at": deed.now})
    audit.record(tx, deed, reference(window), before=before, after=_told(tx, read(tx, window_id), had))
    _tell(tx, deed, set(had), set())
    return meaning


def read(tx: Tx, window_id: str) -> Window:
    """The window, locked until this transaction ends. Raises 404."""
    row = tx.one(sa.select(maintenance_window).where(maintenance_window.c.id == window_id).with_for_update())
    if row is None:
        raise not_found("Maintenance Window")
    return maintenance.read(row)


def reference(window: Window) -> dict[str, Any]:
    """The reference of a window."""
    return {"id": window.id, "type": "maintenance_window_reference", "summary": window.description}


def quiet_now(tx: Tx, service_ids: Collection[str], now: datetime) -> dict[str, Window]:
    """The services that are in maintenance at this instant, each with its window."""
    found = {id_: rules.covering(windows, now) for id_, windows in maintenance.of_services(tx, service_ids, now).items()}
    return {id_: window for id_, window in found.items() if window is not None}


def _same(one: datetime, other: datetime) -> bool:
    """Whether two instants read the same on the wire, which has whole seconds."""
    return times.iso(one) == times.iso(other)


def _errors(
    tx: Tx, start: datetime, end: datetime, now: datetime, description: str, service_ids: Sequence[str] | None
) -> list[str]:
    errors = rules.end_errors(start, end, now)
    if end - start > LONGEST:
        errors.append(f"A maintenance window may be at most {LONGEST.days} days long: disable the service for longer")
    if len(description) > DESCRIPTION_MOST:
        errors.append(f"Description may have at most {DESCRIPTION_MOST} characters")
    if service_ids is not None:
        wanted = set(service_ids)
        if not wanted:
            errors.append("Services cannot be empty: name at least one")
        if len(wanted) > SERVICES_MOST:
            errors.append(f"A maintenance window may have at most {SERVICES_MOST} services: make several")
        known = {row.id for row in tx.rows(sa.select(service.c.id).where(service.c.id.in_(sorted(wanted)[: SERVICES_MOST + 1])))}
        errors += [f"Service {id_[:32]} not found" for id_ in sorted(wanted - known)[:5]] if len(wanted) <= SERVICES_MOST else []
    return errors


def _told(tx: Tx, window: Window, service_ids: Collection[str]) -> dict[str, Any]:
    """A window as an audit record tells it."""
    rows = tx.rows(sa.select(service.c.id, service.c.name).where(service.c.id.in_(sorted(service_ids))).order_by(service.c.id))
    return {
        "start_time": times.iso(window.start),
        "end_time": times.iso(window.end),
        "description": window.description,
        "services": [{"id": row.id, "type": "service_reference", "summary": row.name} for row in rows],
    }


def _tell(tx: Tx, deed: Deed, was: set[str], is_: set[str]) -> None:
    """Law 3: those services that began or ceased to be quiet by this deed."""
    for service_id in sorted(was ^ is_):
        webhooks.tell_of_service(tx, deed, service_id, "service.updated")
