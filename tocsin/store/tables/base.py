"""The one register of all tables, and how their constraints are named (the same on both databases)."""

from typing import Any

import sqlalchemy as sa

from tocsin.store.types import UtcTime

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def key(name: str = "id") -> sa.Column[str]:
    """The text identifier made by us that a row is known by."""
    return sa.Column(name, sa.Text, primary_key=True)


def at(name: str, *, null: bool = False, **more: Any) -> sa.Column[Any]:
    """An instant."""
    return sa.Column(name, UtcTime, nullable=null, **more)


def word(name: str, *, null: bool = False, **more: Any) -> sa.Column[str]:
    """A text."""
    return sa.Column(name, sa.Text, nullable=null, **more)
