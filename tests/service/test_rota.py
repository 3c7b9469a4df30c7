"""A schedule as people look at it: the reasons of who is on call, what is hidden, and everybody's colour."""

from datetime import datetime, timedelta
from random import Random

from tests.people import ADA, BO, CY, save_people
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import Restriction
from tocsin.service import rota, schedules
from tocsin.service.audit import Deed
from tocsin.service.rota import Board
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store import schedules as store
from tocsin.store.db import Database
from tocsin.store.schedules import Loaded

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def made(db: Database, now: datetime, chance: Random) -> Loaded:
    """Ada by night and day, Bo above her from 9 to 17, Cy by an override from 16 to 18 of the first day. All in UTC, from `now`."""
    with db.write() as tx:
        save_people(tx, [ADA, BO, CY], now)
        office = (Restriction(None, 9 * 3600, 8 * 3600),)
        layers = [
            AskedLayer(name=name, user_ids=(user_id,), restrictions=hours, start=now, virtual_start=now, turn_seconds=86_400)
            for name, user_id, hours in (("Always", ADA.id, ()), ("Office", BO.id, office))
        ]
        deed = Deed(HOUSE, now, chance)
        id_ = schedules.create(tx, deed, name="Rota", time_zone="UTC", layers=layers)
        schedules.add_overrides(tx, deed, id_, [AskedOverride(now + 7 * HOUR, now + 9 * HOUR, CY.id)])
        loaded = store.load(tx, id_)
        assert loaded is not None
        return loaded


def told(loaded: Loaded, at: datetime) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(one.user_id, one.reason.kind, one.reason.name, one.reason.instead) for one in rota.answer(loaded, at).duty]


def test_the_reason_names_the_layer_or_the_override_and_whom_it_replaces(db: Database, now: datetime, chance: Random) -> None:
    loaded = made(db, now, chance)
    assert told(loaded, now) == [(BO.id, "layer", "Office", ())]
    assert told(loaded, now + 7 * HOUR) == [(CY.id, "override", "", (BO.id,))]
    assert told(loaded, now + 8 * HOUR) == [(CY.id, "override", "", (ADA.id,))]
    assert told(loaded, now + 10 * HOUR) == [(ADA.id, "layer", "Always", ())]
    then = rota.answer(loaded, now).then
    assert then is not None
    assert (then.start, then.holders[0].user_id) == (now + 7 * HOUR, CY.id)
    assert rota.answer(loaded, now - HOUR).is_before


def test_a_board_says_what_each_layer_says_and_where_something_above_says_otherwise(db: Database, now: datetime, chance: Random) -> None:
    loaded = made(db, now, chance)
    shown: Board = rota.board(loaded, Span(now, now + DAY))
    assert [row.name for row in shown.rows] == ["Office", "Always"]
    office, always = shown.rows
    assert office.hidden == (Span(now + 7 * HOUR, now + 8 * HOUR),)
    assert always.hidden == (Span(now, now + 9 * HOUR),)
    assert [(one.kind, one.user_id) for one in shown.overrides] == [("override", CY.id)]
    assert shown.gaps == ()
    assert rota.board(loaded, Span(now - HOUR, now)).gaps == (Span(now - HOUR, now),)


def test_what_one_set_of_spans_has_beyond_another(now: datetime) -> None:
    def spans(*pairs: tuple[int, int]) -> tuple[Span, ...]:
        return tuple(Span(now + start * HOUR, now + end * HOUR) for start, end in pairs)

    assert rota.beyond(spans((0, 10)), spans((2, 3), (5, 6))) == spans((0, 2), (3, 5), (6, 10))
    assert rota.beyond(spans((0, 2), (4, 6)), spans((1, 5))) == spans((0, 1), (5, 6))
    assert rota.beyond(spans((1, 2)), spans((0, 3))) == ()


def test_everybody_has_a_colour_that_newcomers_do_not_change(db: Database, now: datetime, chance: Random) -> None:
    with db.write() as tx:
        save_people(tx, [BO, ADA], now)
        before = rota.tones(tx)
        save_people(tx, [CY], now + HOUR)
        after = rota.tones(tx)
    assert len(set(before.values())) == 2
    assert {user_id: after[user_id] for user_id in before} == dict(before)
