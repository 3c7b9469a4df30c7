"""Load and save whose public holidays count for a user or a schedule."""

from collections.abc import Collection

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.calendars import holiday_place

Place = tuple[str, str | None]
"""A country (ISO 3166-1, two letters) and perhaps a part of it."""


def places(tx: Tx, subject_ids: Collection[str]) -> dict[str, Place]:
    """The places of these users and schedules; those without one are missing."""
    chosen = sa.select(holiday_place).where(holiday_place.c.subject_id.in_(sorted(subject_ids)))
    return {row.subject_id: (row.country, row.subdivision) for row in tx.rows(chosen)} if subject_ids else {}


def save(tx: Tx, subject_id: str, place: Place | None) -> None:
    """Let this be the place of the user or schedule; None takes it away."""
    tx.execute(sa.delete(holiday_place).where(holiday_place.c.subject_id == subject_id))
    if place is not None:
        tx.execute(sa.insert(holiday_place), {"subject_id": subject_id, "country": place[0], "subdivision": place[1]})
