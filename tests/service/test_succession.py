"""Somebody takes somebody else's place from now on; the past stays as it was."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.calendar_rule import Rule
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import WEEK, RecurringShift, Turns
from tocsin.core.schedule import Model, Replacement, Rotation, on_call_at
from tocsin.service import people, succession
from tocsin.service.audit import Deed
from tocsin.store import people as rows
from tocsin.store import schedules as store
from tocsin.store.db import Database, Tx

DAY = timedelta(days=1)


@pytest.fixture
def deed(now: datetime, chance: Random) -> Deed:
    return Deed(HOUSE, now, chance)


def scheduled(tx: Tx, now: datetime) -> None:
    """Ada is on call alone since ten days ago; she also has one override that runs and one to come on Bo's schedule."""
    for id_, who in (("PSADA01", ADA.id), ("PSBO001", BO.id)):
        start = now - 10 * DAY
        shift = RecurringShift("L1", "L1", Turns(start, WEEK), start, None, ((who,),))
        columns = {"id": id_, "name": id_, "description": None, "team_id": None}
        store.insert(tx, columns, Model("UTC", (Rotation("L1", "L1", (shift,)),)), start)
    spans = (Span(now - DAY, now + DAY), Span(now + 2 * DAY, now + 3 * DAY), Span(now - 3 * DAY, now - 2 * DAY))
    store.add_overrides(tx, "PSBO001", [(f"PO{number}", span, ADA.id) for number, span in enumerate(spans)], now)


def on_call(tx: Tx, schedule_id: str, instant: datetime) -> list[str]:
    loaded = store.load(tx, schedule_id)
    assert loaded is not None
    return [one.user_id for one in on_call_at(loaded.schedule, loaded.overrides, instant)]


def test_everything_that_names_a_person_is_listed_before_they_are_deleted(
    db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime
) -> None:
    with db.write() as tx:
        scheduled(tx, now)
        assert succession.blocking(tx, ADA.id, now) == [
            "User is on schedule 'PSADA01' (PSADA01)",
            "User has an override on schedule 'PSBO001' (PSBO001) until 2026-11-24T09:00:00Z",
            "User has an override on schedule 'PSBO001' (PSBO001) until 2026-11-26T09:00:00Z",
        ]
        with pytest.raises(Refusal):
            people.delete_user(tx, deed, ADA.id)


def test_a_successor_is_on_call_from_now_on_and_the_past_stays(
    db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime
) -> None:
    with db.write() as tx:
        scheduled(tx, now)
        people.delete_user(tx, deed, ADA.id, replace_by=CY.id)
    with db.read() as tx:
        assert rows.user(tx, ADA.id) is None
        assert on_call(tx, "PSADA01", now - timedelta(seconds=1)) == [ADA.id]
        assert on_call(tx, "PSADA01", now) == [CY.id]
        assert on_call(tx, "PSBO001", now - timedelta(hours=1)) == [ADA.id]
        assert on_call(tx, "PSBO001", now + timedelta(hours=1)) == [CY.id]
        assert on_call(tx, "PSBO001", now + timedelta(days=1, hours=1)) == [BO.id]
        assert on_call(tx, "PSBO001", now + timedelta(days=2, hours=1)) == [CY.id]
        assert on_call(tx, "PSBO001", now - timedelta(days=2, hours=12)) == [ADA.id]


def test_who_would_hold_one_slot_twice_holds_it_once(now: datetime) -> None:
    shift = RecurringShift("L1", "L1", Turns(now, WEEK), now, None, (("A", "B"), ("A",), ()))
    model = Model("UTC", (Rotation("L1", "L1", (shift,)),), (), (Replacement("R", "L1", now, now + DAY, "A", None, 1),))
    changed = succession.with_successor(model, "A", "B")
    assert changed.rotations[0].shifts[0].slots == (("B",), ("B",), ())
    assert (changed.replacements[0].member, changed.replacements[0].by) == ("B", None)


def test_a_successor_takes_the_shifts_of_a_calendar_rule(now: datetime) -> None:
    rule = Rule(now, 3600, "UTC", "FREQ=WEEKLY;BYDAY=MO")
    model = Model("UTC", (Rotation("R", "R", (RecurringShift("S", "S", rule, now, None, (("A",), ("C",))),)),))
    (shift,) = succession.with_successor(model, "A", "B").rotations[0].shifts
    assert (shift.recurrence, shift.slots) == (rule, (("B",), ("C",)))


@pytest.mark.parametrize("by", [ADA.id, "PNOBODY", ""])
def test_a_successor_is_another_user_who_is_there(db: Database, staff: tuple[Persona, ...], deed: Deed, by: str) -> None:
    with db.write() as tx, pytest.raises(Refusal, match="replace_by must be the id of another user"):
        succession.replace_everywhere(tx, deed, ADA.id, by)


def test_a_succession_is_told_in_the_audit_trail(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        scheduled(tx, now)
        succession.replace_everywhere(tx, deed, ADA.id, CY.id)
        told = tx.rows(sa.text("select root_id from audit_records"))
    assert sorted(row[0] for row in told) == ["PSADA01", "PSBO001", "PSBO001"]
