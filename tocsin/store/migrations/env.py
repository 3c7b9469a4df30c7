"""How Alembic runs the migrations: on the connection it is handed, in the caller's transaction, against our tables."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from tocsin.store.tables.roll import METADATA


def plainly(kind: str, item: Any, _autogen: object) -> str | Literal[False]:
    """Write our own column types into a migration as the plain ones beneath them: a migration must not change later."""
    if kind == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite changes a table by making it anew; the same script serves both databases
    compare_type=True,
    render_item=plainly,
)
with context.begin_transaction():
    context.run_migrations()
