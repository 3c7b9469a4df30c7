"""What every test may ask for: a database on either engine, seals, chance, an instant, and the people of the stories.

Laws:
1. `db` runs a test twice, on SQLite and on PostgreSQL; each test has a database of its own, with every table, empty.
2. Without PostgreSQL its half is skipped with a reason; where CI=true it fails instead.
3. Nothing here reads the clock or draws chance that is not seeded.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests import postgres
from tests.people import ADA, BO, CY, Persona, save_people
from tocsin.base.secret import Seals, new_master_key
from tocsin.store.db import Database
from tocsin.store.tables.roll import METADATA

_numbers = count(1)


@pytest.fixture
def now() -> datetime:
    """A quiet Monday morning in winter, when no clock is about to change."""
    return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def chance() -> Random:
    """The same chance in every run."""
    return Random(20261123)


@pytest.fixture(scope="session")
def seals() -> Seals:
    return Seals([new_master_key()])


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row: copied for each test, which is quicker than making the tables."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    database = Database(f"sqlite:///{path}")
    with database.write() as tx:
        METADATA.create_all(tx.connection)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[str]:
    """One throw-away PostgreSQL for the whole run, with a template database that has every table."""
    if postgres.binaries() is None:
        reason = "PostgreSQL's server is not installed: run `make system` as root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with ExitStack() as stack:
        folder = stack.enter_context(postgres.cluster(postgres.CARELESS))
        postgres.statement(folder, "CREATE DATABASE empty")
        database = Database(postgres.url(folder, "empty"), pool_size=1)
        with database.write() as tx:
            METADATA.create_all(tx.connection)
        database.close()
        yield folder


@pytest.fixture
def sqlite_url(empty_sqlite: Path, tmp_path: Path) -> str:
    """The address of a SQLite database of this test's own."""
    path = tmp_path / "tocsin.db"
    shutil.copy(empty_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_cluster: str) -> Iterator[str]:
    """The address of a PostgreSQL database of this test's own."""
    name = f"t{next(_numbers)}"
    postgres.statement(postgres_cluster, f"CREATE DATABASE {name} TEMPLATE empty STRATEGY file_copy")
    yield postgres.url(postgres_cluster, name)
    postgres.statement(postgres_cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def blank_postgres_url(postgres_cluster: str) -> Iterator[str]:
    """The address of a PostgreSQL database of this test's own, without any table."""
    name = f"blank{next(_numbers)}"
    postgres.statement(postgres_cluster, f"CREATE DATABASE {name}")
    yield postgres.url(postgres_cluster, name)
    postgres.statement(postgres_cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest) -> str:
    """The address of a database of this test's own, on each engine in turn: for tests that open it more than once."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    """An open database of this test's own, on each engine in turn."""
    database = Database(db_url, pool_size=4)
    yield database
    database.close()


@pytest.fixture
def sqlite_db(sqlite_url: str) -> Iterator[Database]:
    """An open SQLite database: for tests above the store, to which the engine makes no difference."""
    database = Database(sqlite_url, pool_size=4)
    yield database
    database.close()


@pytest.fixture
def ada() -> Persona:
    return ADA


@pytest.fixture
def bo() -> Persona:
    return BO


@pytest.fixture
def cy() -> Persona:
    return CY


@pytest.fixture
def staff(db: Database, now: datetime) -> tuple[Persona, Persona, Persona]:
    """Ada, Bo and Cy, kept in `db`."""
    with db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
    return ADA, BO, CY


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module that says IN_ORDER tells one story: its tests keep the order of its lines, wherever they were shuffled to."""
    told = [at for at, item in enumerate(items) if getattr(getattr(item, "module", None), "IN_ORDER", False)]
    ordered = sorted((items[at] for at in told), key=lambda item: (str(item.path), item.location[1] or 0))
    for at, item in zip(told, ordered, strict=True):
        items[at] = item
