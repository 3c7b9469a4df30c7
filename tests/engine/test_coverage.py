"""The pass that watches the coverage: what opens is remembered with since when and after what, and forgotten when it closes."""

from datetime import datetime, timedelta
from random import Random

import sqlalchemy as sa

from tests.people import ADA, BO, Persona
from tests.service.test_coverage import Shop
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.engine.coverage import CoveragePass
from tocsin.service import people, policies
from tocsin.service.audit import Deed
from tocsin.store import coverage as store
from tocsin.store.db import Database
from tocsin.store.tables.people import contact_method

MINUTE = timedelta(minutes=1)


def holes(db: Database) -> list[tuple[str, int, str, datetime, str | None]]:
    with db.read() as tx:
        return [(cause.kind, cause.level, cause.about, hole.found_at, hole.after) for cause, hole in sorted(store.holes(tx).items())]


def test_who_deletes_the_last_way_of_being_reached_is_seen_and_since_when(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        policy_id = shop.policy(Target("user", ADA.id))
        shop.policy(Target("schedule", shop.rota(BO)), name="By day")
    watch = CoveragePass(db, "one")
    assert watch(now) is False
    (night,) = holes(db)
    assert (night[0], night[3], night[4]) == ("gap_in_schedule", now, None)
    with db.write() as tx:
        method = tx.one(sa.select(contact_method).where(contact_method.c.user_id == ADA.id))
        assert method is not None
        people.remove_contact_method(tx, Deed(HOUSE, now + MINUTE, chance), method)
    watch(now + 2 * MINUTE)
    assert ("no_contact_method", 1, ADA.id, now + 2 * MINUTE, "Tocsin: delete assignment notification rule, delete email contact method") in holes(db)
    CoveragePass(db, "two")(now + 3 * MINUTE)  # another node does not hold the lease, and tells of nothing
    assert len(holes(db)) == 2
    with db.write() as tx:
        policies.change_policy(tx, Deed(HOUSE, now + 4 * MINUTE, chance), policy_id, {"rules": [policies.level(30, Target("user", BO.id))]})
    watch(now + 4 * MINUTE)
    assert holes(db) == [night]
    with db.write() as tx:
        policies.delete_policy(tx, Deed(HOUSE, now + 5 * MINUTE, chance), policy_id)
    watch(now + 5 * MINUTE)
    assert holes(db) == [night]
