"""A write is one transaction, a read is one snapshot, and bells ring after the commit."""

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, save_people
from tocsin.store.db import Database
from tocsin.store.tables import people


def names(db: Database) -> set[str]:
    with db.read() as tx:
        return {row.name for row in tx.rows(sa.select(people.user.c.name))}


def test_a_write_that_fails_keeps_nothing(db, now):
    def half_a_write() -> None:
        with db.write() as tx:
            save_people(tx, (ADA,), now)
            raise LookupError("in the middle")

    with pytest.raises(LookupError):
        half_a_write()
    assert names(db) == set()


def test_a_write_that_ends_is_kept(db, now):
    with db.write() as tx:
        save_people(tx, (ADA, BO), now)
    assert names(db) == {"Ada", "Bo"}


def test_a_read_does_not_see_what_is_written_meanwhile(db, now):
    with db.read() as tx:
        assert tx.rows(sa.select(people.user.c.id)) == []
        with db.write() as other:
            save_people(other, (ADA,), now)
        assert tx.rows(sa.select(people.user.c.id)) == []
    assert names(db) == {"Ada"}


def test_a_bell_rings_after_the_commit_and_only_then(db, now):
    bell = db.bell.hear("deliver")
    with db.write() as tx:
        tx.wake("deliver")
        assert not bell.is_set()
    assert bell.is_set()


def test_a_bell_stays_silent_when_the_write_fails(db):
    bell = db.bell.hear("deliver")

    def fails() -> None:
        with db.write() as tx:
            tx.wake("deliver")
            raise LookupError("in the middle")

    with pytest.raises(LookupError):
        fails()
    assert not bell.is_set()


def test_instants_come_back_as_they_were_written(staff, db, now):
    with db.read() as tx:
        assert tx.scalar(sa.select(people.user.c.created_at).where(people.user.c.id == ADA.id)) == now
