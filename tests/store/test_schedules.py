"""Schedules are kept in versions, come back as they were, and a whole batch is read at once, on both databases."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.calendar_rule import Rule
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import RecurringShift, Restriction, Turns
from tocsin.core.schedule import (
    ExtraShift,
    Layer,
    Model,
    OnCall,
    Replacement,
    Rotation,
    final,
    from_layers,
    named_users,
    on_call_at,
)
from tocsin.service import schedules as service
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store import schedules as store
from tocsin.store.db import Database
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule, schedule_user, schedule_version

DAY = timedelta(days=1)


def daily(now: datetime, *user_ids: str, layer_id: str = "L1") -> Model:
    return from_layers("Europe/Paris", [Layer(layer_id, "Days", now, None, now, 86_400, user_ids)])


def keep(db: Database, model: Model, now: datetime, id_: str = "PSCHED1") -> None:
    with db.write() as tx:
        store.insert(tx, {"id": id_, "name": "First line", "description": None, "team_id": None}, model, now)


def test_a_model_with_everything_in_it_comes_back_as_it_was(db: Database, now: datetime) -> None:
    shift = RecurringShift(
        id="S1",
        name="Nights",
        recurrence=Turns(now, 2, "months"),
        since=now,
        until=now + 90 * DAY,
        slots=((ADA.id, BO.id), (), (CY.id,)),
        restrictions=(Restriction(None, 3600, 7200), Restriction(7, 0, 60)),
        turns_per_slot=3,
        phase=2,
    )
    model = Model(
        "Australia/Lord_Howe",
        (Rotation("R1", "Nights", (shift,), 4),),
        (ExtraShift("X1", now, now + DAY, (BO.id,)),),
        (
            Replacement("O1", "R1", now, now + DAY, None, CY.id, 1),
            Replacement("O2", "X1", now, now + DAY, BO.id, None, 2),
        ),
    )
    keep(db, model, now)
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        assert loaded.schedule.model == model
        assert set(tx.connection.scalars(sa.select(schedule_user.c.user_id))) == named_users(model)


def test_a_calendar_rule_comes_back_as_it_was(db: Database, now: datetime) -> None:
    rule = Rule(now, 3600, "Asia/Tokyo", "FREQ=WEEKLY;BYDAY=MO", (now + 7 * DAY,), (now + DAY, now + 2 * DAY))
    shift = RecurringShift("S1", "Mondays", rule, now, None, ((ADA.id,), ()), turns_per_slot=2, phase=1)
    turns = RecurringShift("S2", "Days", Turns(now, 86_400), now, None, ((BO.id,),))
    model = Model("Europe/Paris", (Rotation("R1", "Both", (shift, turns)),))
    keep(db, model, now)
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
    assert loaded is not None
    assert loaded.schedule.model == model


def test_a_model_kept_before_there_were_calendar_rules_is_read_as_it_was() -> None:
    kept = (
        '{"time_zone":"UTC","rotations":[{"id":"R","name":"","shifts":[{"id":"S","name":"","recurrence":{"anchor":'
        '"2026-01-05T09:00:00Z","every":86400,"unit":"seconds","kind":"turns"},"since":"2026-01-05T09:00:00Z","until":null,'
        '"slots":[["PADA"],[]],"restrictions":[{"start_day":null,"start_second":0,"seconds":60}],"turns_per_slot":1,"phase":0,'
        '"skips_restricted":false}],"rank":0}],"extra_shifts":[],"replacements":[]}'
    )
    ((shift,),) = (rotation.shifts for rotation in store.read_model(kept).rotations)
    assert shift.recurrence == Turns(datetime(2026, 1, 5, 9, tzinfo=UTC), 86_400)
    assert shift.slots == (("PADA",), ())
    assert shift.restrictions == (Restriction(None, 0, 60),)


def test_a_recurrence_that_only_a_newer_version_knows_is_refused_in_words() -> None:
    kept = (
        '{"time_zone":"UTC","rotations":[{"id":"R","name":"","shifts":[{"id":"S","name":"","recurrence":{"kind":"moon"},'
        '"since":"2026-01-05T09:00:00Z","until":null,"slots":[[]]}]}]}'
    )
    with pytest.raises(ValueError, match="newer version"):
        store.read_model(kept)


def test_each_version_rules_from_its_own_instant_and_stays(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now)
    for number, person in enumerate((BO, CY), start=1):
        with db.write() as tx:
            loaded = store.load(tx, "PSCHED1")
            assert loaded is not None
            store.save_version(tx, loaded.schedule, daily(now, person.id), now + number * DAY)
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        assert [version.number for version in loaded.schedule.versions] == [1, 2, 3]
        entries = final(loaded.schedule, loaded.overrides, Span(now - DAY, now + 3 * DAY))
        assert [(entry.user_id, entry.start, entry.end) for entry in entries] == [
            (ADA.id, now, now + DAY),
            (BO.id, now + DAY, now + 2 * DAY),
            (CY.id, now + 2 * DAY, now + 3 * DAY),
        ]
        assert tx.scalar(sa.select(schedule.c.updated_at)) == now + 2 * DAY
        assert list(tx.connection.scalars(sa.select(schedule_user.c.user_id))) == [CY.id]


def test_a_node_whose_clock_is_behind_does_not_put_a_version_before_another(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now)
    with db.write() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        edited = store.save_version(tx, loaded.schedule, daily(now, BO.id), now - timedelta(seconds=3))
    assert [version.effective_at for version in edited.versions] == [now, now]
    assert [one.user_id for one in on_call_at(edited, (), now)] == [BO.id]


@pytest.mark.parametrize(
    ("first", "last", "numbers"),
    [(0, 0, [1]), (1, 1, [2]), (-2, -1, []), (-1, 0, [1]), (0, 2, [1, 2, 3]), (2, 9, [3]), (3, 9, [3])],
)
def test_a_read_for_a_span_brings_the_versions_that_bear_on_it(
    db: Database, now: datetime, first: int, last: int, numbers: list[int]
) -> None:
    keep(db, daily(now, ADA.id), now)
    for days in (1, 2):
        with db.write() as tx:
            loaded = store.load(tx, "PSCHED1")
            assert loaded is not None
            store.save_version(tx, loaded.schedule, daily(now, BO.id, layer_id=f"L{days}"), now + days * DAY)
    with db.read() as tx:
        part = store.load(tx, "PSCHED1", Span(now + first * DAY, now + last * DAY))
    assert part is not None
    assert [version.number for version in part.schedule.versions] == numbers


def test_overrides_keep_the_order_in_which_they_were_made(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now)
    with db.write() as tx:
        store.add_overrides(
            tx, "PSCHED1", [("O1", Span(now, now + DAY), BO.id), ("O2", Span(now, now + DAY), CY.id)], now
        )
        store.add_overrides(tx, "PSCHED1", [("O3", Span(now + DAY, now + 2 * DAY), BO.id)], now)
        store.add_overrides(tx, "PSCHED1", [], now)
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1", Span(now, now))
        assert loaded is not None
        assert [(one.id, one.sequence) for one in loaded.overrides] == [("O1", 1), ("O2", 2), ("O3", 3)]
        assert on_call_at(loaded.schedule, loaded.overrides, now) == (OnCall(CY.id, "PSCHED1", now, now + DAY),)
        found = store.overrides_of(tx, ["PSCHED1"], Span(now + DAY, now + 2 * DAY))
        assert [one.id for one in found["PSCHED1"]] == ["O3"]
        assert store.find_override(tx, "PSCHED1", "O2") is not None
        assert store.find_override(tx, "PSCHED2", "O2") is None
    with db.write() as tx:
        store.end_override(tx, "O1", now + timedelta(hours=1))
        store.drop_override(tx, "O2")
    with db.read() as tx:
        ended = store.find_override(tx, "PSCHED1", "O1")
        assert ended is not None
        assert ended.end == now + timedelta(hours=1)
        assert store.find_override(tx, "PSCHED1", "O2") is None


def test_a_deleted_schedule_takes_its_versions_with_it(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now)
    with db.write() as tx:
        tx.execute(sa.delete(schedule))
    with db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schedule_version)) == 0
        assert store.load(tx, "PSCHED1") is None


@pytest.mark.usefixtures("staff")
def test_a_batch_of_schedules_says_who_is_on_call_and_unknown_ones_say_nobody(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now, "PSCHED1")
    keep(db, daily(now, BO.id), now + DAY, "PSCHED2")
    with db.write() as tx:
        deed = Deed(HOUSE, now, Random(1))
        service.add_overrides(tx, deed, "PSCHED1", [AskedOverride(now + DAY, now + 2 * DAY, CY.id)])
    with db.read() as tx:
        ids = ["PSCHED1", "PSCHED2", "PNOSUCH"]
        assert service.people_on_call(tx, ids, now) == {
            "PSCHED1": (OnCall(ADA.id, "PSCHED1", now, now + DAY),), "PSCHED2": (), "PNOSUCH": (),
        }  # fmt: skip
        assert [one.user_id for one in service.people_on_call(tx, ids, now + DAY)["PSCHED1"]] == [CY.id]
        assert [one.user_id for one in service.people_on_call(tx, ids, now + DAY)["PSCHED2"]] == [BO.id]
        assert service.people_on_call(tx, [], now) == {}


@pytest.mark.usefixtures("staff")
def test_a_refused_change_keeps_nothing(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id), now)
    for layers in (
        [AskedLayer(id="L1", user_ids=("PNOBODY",))],
        [AskedLayer(id="L9")],
        [AskedLayer(id="L1"), AskedLayer(id="L1")],
    ):
        with pytest.raises(Refusal), db.write() as tx:
            service.change(tx, Deed(HOUSE, now + DAY, Random(1)), "PSCHED1", {"name": "Other"}, layers=layers)
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        assert (loaded.schedule.name, len(loaded.schedule.versions)) == ("First line", 1)


@pytest.mark.usefixtures("staff")
def test_somebody_who_is_gone_may_stay_in_a_layer_that_is_not_about_him(db: Database, now: datetime) -> None:
    keep(db, daily(now, ADA.id, BO.id), now)
    with db.write() as tx:
        tx.execute(sa.delete(user).where(user.c.id == BO.id))
        service.change(
            tx,
            Deed(HOUSE, now + DAY, Random(1)),
            "PSCHED1",
            {},
            layers=[AskedLayer(id="L1", name="Late", user_ids=(ADA.id, BO.id))],
        )
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        assert loaded.schedule.model.rotations[0].name == "Late"


@pytest.mark.usefixtures("staff")
def test_a_schedule_that_layers_cannot_say_is_not_changed_through_them(db: Database, now: datetime) -> None:
    shift = RecurringShift("S1", "Pair", Turns(now, 86_400), now, None, ((ADA.id, BO.id),))
    keep(db, Model("UTC", (Rotation("R1", "Pair", (shift,)),)), now)
    with pytest.raises(Refusal, match="says more than layers can"), db.write() as tx:
        service.change(tx, Deed(HOUSE, now, Random(1)), "PSCHED1", {}, layers=[])
    with db.write() as tx:
        service.change(tx, Deed(HOUSE, now, Random(1)), "PSCHED1", {"name": "Pairs"}, time_zone="Asia/Tokyo")
    with db.read() as tx:
        loaded = store.load(tx, "PSCHED1")
        assert loaded is not None
        assert (loaded.schedule.name, loaded.schedule.model.time_zone) == ("Pairs", "Asia/Tokyo")
        assert [one.user_id for one in on_call_at(loaded.schedule, (), now)] == [ADA.id, BO.id]


def test_a_text_that_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="time_zone"):
        store.read_model("{}")
