"""Which shape the database has, and how it gets the one this program needs.

Laws:
1. One tree of migrations for both databases, numbered 0001, 0002 …; all that are missing are applied in one transaction.
2. A program never touches a database that a newer program has shaped: it says so and stops.
3. Two programs may upgrade at once: the one that comes second finds it done.
"""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tocsin.store import dialect
from tocsin.store.db import Database

FOLDER: Final = Path(__file__).resolve().parent / "migrations"


class SchemaError(Exception):
    """The database does not have the shape this program needs; the words say what to do."""


def config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration, made here: there is no ini file."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    if connection is not None:
        made.attributes["connection"] = connection
    return made


def known() -> list[str]:
    """The numbers of the migrations this program knows, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][::-1]


def current(db: Database) -> str | None:
    """The number of the newest migration the database has; None when it has no tables yet."""
    with db.read() as tx:
        return MigrationContext.configure(tx.connection).get_current_revision()


def missing(db: Database) -> list[str]:
    """The migrations the database still needs. Raises SchemaError when a newer program has shaped it (law 2)."""
    numbers, at = known(), current(db)
    if at is None:
        return numbers
    if at not in numbers:
        raise SchemaError(
            f"the database has schema {at}, and this program knows only up to {numbers[-1]}: "
            "a newer Tocsin has been here. Start that one, or restore the backup made before the upgrade.",
        )
    return numbers[numbers.index(at) + 1 :]


def check(db: Database) -> None:
    """Raise SchemaError unless the database has exactly the shape this program needs."""
    if lacking := missing(db):
        raise SchemaError(f"the database lacks {len(lacking)} migration(s), from {lacking[0]}: run `tocsin init`")


def upgrade(db: Database) -> list[str]:
    """Bring the database to the shape this program needs, and say which migrations that took."""
    lacking = missing(db)
    if not lacking:
        return []
    try:
        with dialect.reshaping(db.engine) as connection:
            command.upgrade(config(connection), "head")
    except sa.exc.DBAPIError:
        if missing(db):
            raise
        return []  # law 3
    return lacking
