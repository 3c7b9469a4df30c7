"""Shift-based schedules keep what was asked for, and rule by what is made of it, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE
from tocsin.core.schedule import on_call_at
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import schedules, shift_exceptions, shift_rotations, succession
from tocsin.service import shift_schedules as service
from tocsin.service.audit import Deed
from tocsin.service.shift_exceptions import AskedOverride, AskedShift
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store import schedules as versions
from tocsin.store import shift_schedules as store
from tocsin.store.db import Database, Tx
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION
from tocsin.store.tables import shift_schedules as tables
from tocsin.store.tables.schedules import schedule_user

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def deed(now: datetime, chance: Random) -> Deed:
    return Deed(HOUSE, now, chance)


def daily(start: datetime, *members: str | None, strategy: Strategy = Strategy.ROTATING) -> AskedEvent:
    return AskedEvent(
        name="Daily", start=ZonedTime(start, "UTC", "9"), end=ZonedTime(start + DAY, "UTC", "9"), since=start,
        recurrence=("RRULE:FREQ=DAILY",), assignment=AskedAssignment(strategy, 1, members),
    )  # fmt: skip


def made(tx: Tx, deed: Deed, *members: str | None) -> tuple[str, str, str]:
    """A schedule with one rotation with one event; their ids."""
    schedule_id = service.create(tx, deed, name="Shifts", time_zone="UTC")
    rotation_id = shift_rotations.add_rotation(tx, deed, schedule_id)
    return schedule_id, rotation_id, shift_rotations.add_event(tx, deed, schedule_id, rotation_id, daily(deed.now, *members))


def on_call(tx: Tx, schedule_id: str, instant: datetime) -> set[str]:
    loaded = versions.load(tx, schedule_id, Span(instant, instant))
    assert loaded is not None
    return {one.user_id for one in on_call_at(loaded.schedule, loaded.overrides, instant)}


def test_what_was_asked_for_comes_back_and_rules(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        schedule_id, rotation_id, event_id = made(tx, deed, ADA.id, None, BO.id)
        shift = AskedShift(start=now + HOUR, end=now + 2 * HOUR, member=CY.id, says_member=True)
        (extra,) = shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [shift])
        asked = AskedOverride(
            source_type=ROTATION, source_id=rotation_id, start=now + 3 * HOUR, end=now + 4 * HOUR, overridden=ADA.id, overriding=None
        )
        other = replace(asked, source_type=CUSTOM_SHIFT, source_id=extra.id, start=now + HOUR, overridden=CY.id, overriding=BO.id)
        first, second = shift_exceptions.add_overrides(tx, deed, schedule_id, [asked, other])
    with db.read() as tx:
        (kept,) = store.rotations_of(tx, [schedule_id])[schedule_id]
        (event,) = kept.events
        assert (kept.id, event.id, event.members, event.until) == (rotation_id, event_id, (ADA.id, None, BO.id), None)
        assert event.recurrence == ("RRULE:FREQ=DAILY",)
        assert store.find_custom_shift(tx, schedule_id, extra.id) == extra
        assert store.find_override(tx, schedule_id, first.id) == first
        assert store.overrides_of(tx, schedule_id) == (second, first)
        assert store.find_override(tx, "PNOSUCH", first.id) is None
        assert second.sequence == first.sequence + 1
        assert [on_call(tx, schedule_id, now + hours * HOUR) for hours in (0, 1, 3, 5, 30, 50)] == [
            {ADA.id}, {ADA.id, BO.id}, set(), {ADA.id}, set(), {BO.id},
        ]  # fmt: skip
        assert on_call(tx, schedule_id, now - HOUR) == set()
        named = {row.user_id for row in tx.rows(sa.select(schedule_user).where(schedule_user.c.schedule_id == schedule_id))}
        assert named == {ADA.id, BO.id, CY.id}


def test_deleting_a_schedule_takes_all_of_it_away(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        schedule_id, rotation_id, _ = made(tx, deed, ADA.id)
        shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [AskedShift(start=now, end=now + HOUR, member=None, says_member=True)])
        shift_exceptions.add_overrides(
            tx, deed, schedule_id,
            [AskedOverride(source_type=ROTATION, source_id=rotation_id, start=now, end=now + HOUR, overridden=ADA.id, overriding=BO.id)],
        )  # fmt: skip
        schedules.delete(tx, deed, schedule_id)
    with db.read() as tx:
        for table in (tables.rotation, tables.event, tables.custom_shift, tables.shift_override):
            assert tx.rows(sa.select(table)) == []


def test_a_refusal_leaves_everything_as_it_was(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        schedule_id, rotation_id, _ = made(tx, deed, ADA.id)
    good = AskedShift(start=now, end=now + HOUR, member=BO.id, says_member=True)
    with pytest.raises(Refusal) as refused, db.write() as tx:
        shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [good, replace(good, end=now - HOUR)])
    assert refused.value.errors == {"custom_shifts.1.end_time": [shift_exceptions.MUST_END_LATER]}
    with pytest.raises(Refusal) as refused, db.write() as tx:
        shift_rotations.add_event(tx, deed, schedule_id, rotation_id, daily(now + DAY, BO.id))
    assert list(refused.value.errors) == ["event.effective_since"]
    with db.read() as tx:
        loaded = versions.load(tx, schedule_id)
        assert loaded is not None
        assert [version.number for version in loaded.schedule.versions] == [1, 2]
        assert store.custom_shifts_of(tx, schedule_id) == ()


def test_there_is_a_limit_to_what_is_to_come(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    one = AskedShift(start=now, end=now + HOUR, member=BO.id, says_member=True)
    with db.write() as tx:
        schedule_id = service.create(tx, deed, name="Shifts", time_zone="UTC")
        for _ in range(shift_exceptions.COMING_MOST // shift_exceptions.ITEMS_MOST):
            shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [one] * shift_exceptions.ITEMS_MOST)
        with pytest.raises(Refusal, match="at most 500"):
            shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [one])
        later = replace(deed, now=now + HOUR)  # those are over by then
        assert len(shift_exceptions.add_custom_shifts(tx, later, schedule_id, [replace(one, end=now + DAY)])) == 1


def test_succession_and_the_next_edit_agree(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        schedule_id, rotation_id, _ = made(tx, deed, ADA.id, BO.id)
        asked = AskedOverride(
            source_type=ROTATION, source_id=rotation_id, start=now + DAY, end=now + 2 * DAY, overridden=BO.id, overriding=ADA.id
        )
        shift_exceptions.add_overrides(tx, deed, schedule_id, [asked])
        later = replace(deed, now=now + HOUR)
        succession.replace_on_schedules(tx, later, ADA.id, CY.id)
        loaded = versions.load(tx, schedule_id)
        assert loaded is not None
        assert service.model_of(tx, schedule_id, "UTC", later.now) == loaded.schedule.model
        assert [on_call(tx, schedule_id, now + hours * HOUR) for hours in (0, 2, 25, 49)] == [{ADA.id}, {CY.id}, {CY.id}, {CY.id}]
        assert succession.blocking(tx, ADA.id, later.now) == []
        assert succession.blocking(tx, CY.id, later.now) == [f"User is on schedule 'Shifts' ({schedule_id})"]


def test_a_schedule_with_layers_is_not_taken_for_one(db: Database, staff: tuple[Persona, ...], deed: Deed, now: datetime) -> None:
    with db.write() as tx:
        layered = schedules.create(tx, deed, name="Layers", time_zone="UTC", layers=[])
        shifted = service.create(tx, deed, name="Shifts", time_zone="UTC")
        with pytest.raises(Refusal, match="Not Found"):
            shift_rotations.add_rotation(tx, deed, layered)
        with pytest.raises(Refusal, match="shift-based"):
            schedules.change(tx, deed, shifted, {}, layers=[])
        with pytest.raises(Refusal, match="shift-based"):
            schedules.add_overrides(tx, deed, shifted, [schedules.AskedOverride(now, now + DAY, ADA.id)])
        assert store.shift_based(tx, [layered, shifted]) == [shifted]
