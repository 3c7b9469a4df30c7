"""Open a database; read from it; write to it in one transaction.

Laws:
1. `write()` is one transaction: all of it is kept, or none. On SQLite it begins IMMEDIATE, and one process-wide mutex
   puts its writers in a queue, so that nobody waits in a database's busy loop.
2. `read()` sees one consistent snapshot and never blocks a writer.
3. Who was woken by a write is told after the commit, never before (`Tx.wake`).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tocsin.store import dialect
from tocsin.store.turns import Turns

Row = sa.Row[*tuple[Any, ...]]
"""One row of an answer: its columns by name, or unpacked in order."""


class Bell:
    """Wakes the passes of this process by name as soon as there is work for them; deaf ones find it by polling."""

    def __init__(self) -> None:
        self._events: dict[str, list[threading.Event]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def hear(self, *names: str) -> threading.Event:
        """An event that is set whenever one of `names` rings. The hearer clears it."""
        event = threading.Event()
        for name in names:
            self._events.setdefault(name, []).append(event)
        return event

    def listen(self, callback: Callable[[str], None]) -> None:
        """Call `callback(name)` on every ring, in the ringing thread. It must not block."""
        self._listeners.append(callback)

    def unlisten(self, callback: Callable[[str], None]) -> None:
        self._listeners.remove(callback)

    def ring(self, name: str) -> None:
        for event in self._events.get(name, ()):
            event.set()
        for callback in tuple(self._listeners):
            callback(name)


class Tx:
    """One open transaction. A `Tx` from `read()` must not be written to, nor lock anything: `may_write` is false."""

    def __init__(self, connection: sa.Connection, *, may_write: bool = True) -> None:
        self.connection = connection
        self.may_write = may_write
        self.rings: set[str] = set()

    def execute(self, statement: sa.Executable, parameters: Any = None) -> sa.CursorResult[*tuple[Any, ...]]:
        return self.connection.execute(statement, parameters)

    def rows(self, statement: sa.Executable, parameters: Any = None) -> Sequence[Row]:
        return self.connection.execute(statement, parameters).all()

    def one(self, statement: sa.Executable, parameters: Any = None) -> Row | None:
        return self.connection.execute(statement, parameters).first()

    def scalar(self, statement: sa.Executable, parameters: Any = None) -> Any:
        return self.connection.execute(statement, parameters).scalar()

    def wake(self, name: str) -> None:
        """Ring this bell once the transaction is committed."""
        self.rings.add(name)


class Database:
    """An open database. `url` is SQLAlchemy's (`sqlite:////var/lib/tocsin/tocsin.db`, `postgresql+psycopg://…`)."""

    def __init__(self, url: str, *, pool_size: int = 12) -> None:
        self.url = url
        self.engine = dialect.make_engine(url, pool_size=pool_size)
        self.bell = Bell()
        self.writing = Turns() if dialect.one_writer(self.engine) else None

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One consistent view; nothing is written."""
        with self.engine.connect() as connection:
            dialect.begin_read(connection)
            try:
                yield Tx(connection, may_write=False)
            finally:
                connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One transaction: committed when the block ends, undone when it raises. Then its bells ring."""
        if self.writing is not None:
            self.writing.acquire()
        try:
            with self.engine.connect() as connection:
                dialect.begin_write(connection)
                tx = Tx(connection)
                try:
                    yield tx
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
        finally:
            if self.writing is not None:
                self.writing.release()
        for name in tx.rings:
            self.bell.ring(name)

    def close(self) -> None:
        self.engine.dispose()


class Within(Database):
    """A database all of whose transactions are parts of one that is open already, for rehearsals: its end is theirs."""

    def __init__(self, tx: Tx) -> None:
        self.engine, self.bell, self.writing = tx.connection.engine, Bell(), None
        self.url = str(self.engine.url)
        self._tx = tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        yield self._tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        yield self._tx
