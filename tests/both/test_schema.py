"""A database that was upgraded step by step is the one that the tables in the code describe."""

from typing import Any

import pytest
import sqlalchemy as sa

from tocsin.store import schema
from tocsin.store.db import Database
from tocsin.store.tables.roll import METADATA


@pytest.fixture
def bare(db):
    """A database without any table."""
    with db.write() as tx:
        METADATA.drop_all(tx.connection)
    return db


def described(db: Database) -> dict[str, Any]:
    """Everything about the tables that two databases of one shape must agree on."""
    with db.engine.connect() as connection:
        inspector = sa.inspect(connection)
        return {
            name: {
                "columns": {
                    column["name"]: (str(column["type"]), column["nullable"], str(column["default"]).strip("'()"))
                    for column in inspector.get_columns(name)
                },
                "primary key": inspector.get_pk_constraint(name)["constrained_columns"],
                "foreign keys": sorted(
                    (key["constrained_columns"], key["referred_table"], key["referred_columns"], str(key["options"]))
                    for key in inspector.get_foreign_keys(name)
                ),
                "unique": sorted(rule["column_names"] for rule in inspector.get_unique_constraints(name)),
                "indexes": sorted(
                    (index["name"] or "", index["column_names"], bool(index["unique"]), where(index))
                    for index in inspector.get_indexes(name)
                ),
            }
            for name in inspector.get_table_names()
            if name != "alembic_version"
        }


def where(index: Any) -> str:
    """The condition of a partial index."""
    return next((str(value) for name, value in index.get("dialect_options", {}).items() if name.endswith("_where")), "")


def test_an_upgraded_database_is_the_one_the_tables_describe(bare):
    assert schema.upgrade(bare) == schema.known()
    upgraded = described(bare)
    with bare.write() as tx:
        tx.execute(sa.text("DROP TABLE alembic_version"))
        METADATA.drop_all(tx.connection)
        METADATA.create_all(tx.connection)
    assert upgraded == described(bare), 'the tables changed: make migration NAME="what changed"'


def test_upgrading_twice_changes_nothing(bare):
    schema.upgrade(bare)
    assert schema.upgrade(bare) == []
    schema.check(bare)


def test_a_database_that_lacks_a_migration_is_refused_with_what_to_do(bare):
    with pytest.raises(schema.SchemaError, match="run `tocsin init`"):
        schema.check(bare)


def test_a_database_shaped_by_a_newer_program_is_refused_and_left_alone(bare):
    schema.upgrade(bare)
    with bare.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (schema.check, schema.upgrade):
        with pytest.raises(schema.SchemaError, match="a newer Tocsin has been here"):
            attempt(bare)
    assert schema.current(bare) == "9999"


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(bare):
    with bare.write() as tx:
        tx.execute(sa.text("CREATE TABLE account (id TEXT)"))  # in the way of the first migration
    with pytest.raises(sa.exc.DBAPIError):
        schema.upgrade(bare)
    with bare.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["account"]
    assert schema.current(bare) is None
