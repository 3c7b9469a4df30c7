"""The driver-level statements of the accepting path: one batch of events onto the disk, as quickly as the driver can.

Laws:
1. Each statement here has a twin in `store/inbox.py` in SQLAlchemy Core, and a test that holds them to the same rows,
   on both databases.
2. `append` keeps all rows or none, and returns only when they are on disk.
3. A failed `append` leaves a connection that works, or none: the next call opens a fresh one.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, Protocol

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.db import Database

InboxTuple = tuple[str, int, int, str, str, str | None, str | None, str | None, bytes]
"""id, received_at and arrival (see store/inbox.py), routing_key, reader, action, dedup_key, summary, raw."""

_COLUMNS: Final = "id, received_at, arrival, routing_key, reader, action, dedup_key, summary, raw"
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MOST_ROWS: Final = 64
_INSERT: Final = f"INSERT INTO inbox ({_COLUMNS}) VALUES "  # noqa: S608 - constants only
_APPEND: Final = [_INSERT + ", ".join([_ROW] * size) for size in range(_MOST_ROWS + 1)]
"""The statement for each number of rows. One statement for many rows, because the driver hands the interpreter over to
other threads and takes it back once a statement: with one a row, a batch under load spends most of its time on that."""
_COPY: Final = f"COPY inbox ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES: Final = ("text", "int8", "int8", "text", "text", "text", "text", "text", "bytea")
_KEPT: Final = "SELECT 1 FROM inbox WHERE id = %s"

BUSY_SECONDS: Final = 3
"""How long a batch waits for another process that is writing to the same file, before it is given up."""


class Busy(Exception):
    """Somebody else is writing at this moment; nothing was done."""


class NotKept(Exception):
    """The rows are not on disk. The message is the database's; `is_rows_fault` when a row itself was the reason."""

    def __init__(self, message: str, *, is_rows_fault: bool = False) -> None:
        super().__init__(message)
        self.is_rows_fault = is_rows_fault


class Appender(Protocol):
    """Puts batches on disk over one connection of its own. Not for two threads at once."""

    is_quick: bool
    """Whether `append(…, may_wait=False)` is quick enough for an event loop's own turn."""

    def append(self, rows: Sequence[InboxTuple], *, may_wait: bool) -> None:
        """Keep the rows. Raises `Busy` (only when it may not wait) or `NotKept`."""

    def close(self) -> None: ...


def open_appender(db: Database) -> Appender:
    """The quickest appender that this database has."""
    return _InFile(db.engine) if dialect.one_writer(db.engine) else _OverTheWire(db.engine)


class _Connected:
    """One connection taken out of the pool for good, and replaced after a failure."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        dbapi = engine.dialect.loaded_dbapi
        self._error: type[Exception] = dbapi.Error
        self._rows_fault: tuple[type[Exception], ...] = (dbapi.DataError, dbapi.IntegrityError)
        self._held: sa.PoolProxiedConnection | None = None

    def _connection(self) -> Any:
        if self._held is None:
            self._held = self._engine.raw_connection()
            self._held.detach()
        return self._held.dbapi_connection

    def _drop(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            held.close()

    def close(self) -> None:
        self._drop()


class _InFile(_Connected):
    is_quick = True
    _patience: int | None = None

    def _cursor(self, patience: int) -> Any:
        if self._held is None or self._patience != patience:
            self._connection().execute(f"PRAGMA busy_timeout = {patience}")
            self._patience = patience
        return self._connection().cursor()

    def append(self, rows: Sequence[InboxTuple], *, may_wait: bool) -> None:
        try:
            cursor = self._cursor(BUSY_SECONDS * 1000 if may_wait else 0)
            cursor.execute("BEGIN IMMEDIATE")
        except (self._error, sa.exc.DBAPIError) as error:
            if not may_wait:
                raise Busy(str(error)) from error
            self._drop()
            raise NotKept(str(error)) from error
        try:
            for at in range(0, len(rows), _MOST_ROWS):
                part = rows[at : at + _MOST_ROWS]
                cursor.execute(_APPEND[len(part)], [*chain.from_iterable(part)])
            cursor.execute("COMMIT")
        except self._error as error:
            self._drop()  # closing undoes whatever was begun
            raise NotKept(str(error), is_rows_fault=isinstance(error, self._rows_fault)) from error


class _OverTheWire(_Connected):
    is_quick = False

    def _connection(self) -> Any:
        is_fresh = self._held is None
        connection = super()._connection()
        if is_fresh:
            connection.autocommit = True  # one COPY is one transaction: no BEGIN and COMMIT to wait for
        return connection

    def append(self, rows: Sequence[InboxTuple], *, may_wait: bool) -> None:
        try:
            self._copy(rows)
        except (self._error, sa.exc.DBAPIError) as error:
            self._drop()
            if isinstance(error, self._rows_fault):
                raise NotKept(str(error), is_rows_fault=True) from error
            self._again(rows)

    def _again(self, rows: Sequence[InboxTuple]) -> None:
        """Once more over a fresh connection (the server may have restarted), unless the first try did arrive."""
        try:
            with self._connection().cursor() as cursor:
                cursor.execute(_KEPT, (rows[0][0],))
                arrived = cursor.fetchone() is not None
            if not arrived:
                self._copy(rows)
        except (self._error, sa.exc.DBAPIError) as error:
            self._drop()
            raise NotKept(str(error), is_rows_fault=isinstance(error, self._rows_fault)) from error

    def _copy(self, rows: Sequence[InboxTuple]) -> None:
        with self._connection().cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_COPY_TYPES)
            for row in rows:
                copy.write_row(row)
