"""The few words SQLite and PostgreSQL say differently. No other file may name either of them.

Laws:
1. A statement that both understand does not belong here.
2. Every function here has a test in `tests/both/`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection


def make_engine(url: str, *, pool_size: int) -> sa.Engine:
    """An engine with the settings each database needs to be durable and quick."""
    parsed = sa.make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:  # as everybody writes it
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        engine = sa.create_engine(
            parsed,
            pool_size=pool_size,
            max_overflow=20,
            hide_parameters=True,  # an error's words end in the log: they must not hold what was to be kept
            poolclass=sa.pool.QueuePool,
            connect_args={"check_same_thread": False, "isolation_level": None, "timeout": 30},
        )
        event.listen(engine, "connect", _sqlite_pragmas)
        return engine
    return sa.create_engine(parsed, pool_size=pool_size, max_overflow=20, pool_pre_ping=True, hide_parameters=True)


def _sqlite_pragmas(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",  # readers never wait for the writer
        "synchronous=FULL",  # a commit is on disk before it is answered
        "foreign_keys=ON",
        "cache_size=-65536",
        "temp_store=MEMORY",
        "wal_autocheckpoint=1000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def is_sqlite(bind: sa.Connection | sa.Engine) -> bool:
    return bind.dialect.name == "sqlite"


def one_writer(engine: sa.Engine) -> bool:
    """Whether this database takes one writer at a time, so that ours should queue in the process."""
    return is_sqlite(engine)


def begin_read(connection: sa.Connection) -> None:
    """Open a snapshot."""
    if is_sqlite(connection):
        connection.exec_driver_sql("BEGIN")
    else:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def begin_write(connection: sa.Connection) -> None:
    """Open a transaction that may write; on SQLite it takes the write lock at once."""
    if is_sqlite(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that knows ON CONFLICT: the two dialects' own, with one interface."""
    return insert_for(table, kind(connection))


def kind(bind: sa.Connection | sa.Engine) -> str:
    """Which of the two is spoken here: a key under which a statement that is made once can be kept."""
    return bind.dialect.name


def insert_for(table: sa.Table, spoken: str) -> Any:
    """The same for a statement that is made once and kept; `spoken` is what `kind` said."""
    return sqlite.insert(table) if spoken == "sqlite" else postgresql.insert(table)


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]], key: Sequence[str]) -> None:
    """Insert the rows, or replace every other column of those whose `key` columns are there already."""
    if rows:
        statement = _upsert(kind(connection), table, tuple(rows[0]), tuple(key))
        connection.execute(statement, list(rows))


@lru_cache(maxsize=256)
def _upsert(spoken: str, table: sa.Table, names: tuple[str, ...], key: tuple[str, ...]) -> Any:
    statement = insert_for(table, spoken)
    update = {name: statement.excluded[name] for name in names if name not in key}
    if update:
        return statement.on_conflict_do_update(index_elements=list(key), set_=update)
    return statement.on_conflict_do_nothing(index_elements=list(key))


def contains(column: sa.ColumnElement[str], words: str) -> sa.ColumnElement[bool]:
    """Whether the text holds `words`, whatever the case."""
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.ilike(f"%{escaped}%", escape="\\")


@contextmanager
def reshaping(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction in which tables may be made anew (as a migration does on SQLite) without losing what refers to them.

    SQLite would empty a table's children when the old copy is dropped, so foreign keys are off meanwhile and checked
    before the end. Raises ValueError when a row would be left that refers to nothing; nothing is kept then.
    """
    with engine.connect() as connection:
        if not is_sqlite(engine):
            with connection.begin():
                yield connection
            return
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                raise ValueError(f"rows would refer to nothing: {broken[:5]}")
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def integrity_problems(connection: sa.Connection) -> list[str]:
    """What the database finds broken in its own file and references; PostgreSQL keeps watch over its own by itself."""
    if not is_sqlite(connection):
        return []
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(10)").all() if row[0] != "ok"]
    missing = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if missing:
        found.append(f"{len(missing)} rows refer to nothing, the first of them in {missing[0][0]}")
    return found


def durability_problems(connection: sa.Connection) -> list[str]:
    """What about this database could lose a commit when the machine stops, in words; empty when nothing could."""
    wanted = {"journal_mode": "wal", "synchronous": "2"} if is_sqlite(connection) else {"fsync": "on", "full_page_writes": "on"}
    ask = "PRAGMA {}" if is_sqlite(connection) else "SHOW {}"
    found = {name: str(connection.exec_driver_sql(ask.format(name)).scalar()).lower() for name in wanted}
    problems = [f"{name} is {found[name]}, not {value}" for name, value in wanted.items() if found[name] != value]
    if not is_sqlite(connection) and connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "off":
        problems.append("synchronous_commit is off")
    return problems
