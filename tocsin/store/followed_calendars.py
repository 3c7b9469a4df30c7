"""Load, save and find the calendars that schedules follow."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.core.schedule import Model
from tocsin.store import schedules
from tocsin.store.db import Row, Tx
from tocsin.store.tables.calendars import followed_calendar
from tocsin.store.tables.people import user

_row = followed_calendar.c


def find(tx: Tx, schedule_id: str) -> Row | None:
    """The calendar that this schedule follows, if it follows one."""
    return tx.one(sa.select(followed_calendar).where(_row.schedule_id == schedule_id))


def is_followed(tx: Tx, schedule_id: str) -> bool:
    """Whether this schedule follows a calendar."""
    return tx.one(sa.select(_row.schedule_id).where(_row.schedule_id == schedule_id)) is not None


def model_before(tx: Tx, schedule_id: str) -> Model:
    """What this schedule said before it followed."""
    text = sa.type_coerce(_row.model_before, sa.Text)
    return schedules.read_model(str(tx.scalar(sa.select(text).where(_row.schedule_id == schedule_id))))


def save(tx: Tx, schedule_id: str, columns: dict[str, Any]) -> None:
    """Keep these columns, of a new row or the one there is."""
    if is_followed(tx, schedule_id):
        tx.execute(sa.update(followed_calendar).where(_row.schedule_id == schedule_id).values(**columns))
    else:
        tx.execute(sa.insert(followed_calendar).values(schedule_id=schedule_id, **columns))


def drop(tx: Tx, schedule_id: str) -> None:
    tx.execute(sa.delete(followed_calendar).where(_row.schedule_id == schedule_id))


def next_due(tx: Tx) -> datetime | None:
    """When the next calendar is to be looked at."""
    found: datetime | None = tx.scalar(sa.select(sa.func.min(_row.due_at)))
    return found


def due(tx: Tx, now: datetime, limit: int) -> list[Row]:
    """The calendars that are to be looked at by now, the longest due first."""
    return list(tx.rows(sa.select(followed_calendar).where(_row.due_at <= now).order_by(_row.due_at, _row.schedule_id).limit(limit)))


def all_without_copies(tx: Tx) -> list[Row]:
    """What is known of every followed calendar, but for the copies themselves."""
    columns = [column for column in _row if column.name not in {"copy", "model_before"}]
    return list(tx.rows(sa.select(*columns).order_by(_row.schedule_id)))


def candidates(tx: Tx, roles: Collection[str]) -> list[Row]:
    """Everybody who may be named, but for those with one of these roles: id, name, email, is_disabled."""
    chosen = sa.select(user.c.id, user.c.name, user.c.email, user.c.is_disabled).where(user.c.role.not_in(sorted(roles)))
    return list(tx.rows(chosen.order_by(user.c.id)))
