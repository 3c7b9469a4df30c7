"""Cover on shift-based schedules: one member of one source makes way, and whoever else is on call stays."""

from datetime import datetime, timedelta
from random import Random

import pytest

from tests.people import ADA, BO, CY, Persona
from tests.service.test_shift_schedules import HOUR, daily, made, on_call
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE, Actor
from tocsin.core.shift_event import Strategy
from tocsin.service import followed_calendars, people, schedules, shift_exceptions, shift_rotations, swaps
from tocsin.service import shift_schedules as service
from tocsin.service.audit import Deed
from tocsin.service.shift_exceptions import AskedShift
from tocsin.store import shift_schedules as store
from tocsin.store.db import Database, Tx


@pytest.fixture
def deed(now: datetime, chance: Random) -> Deed:
    return Deed(HOUSE, now, chance)


def as_(tx: Tx, person: Persona, deed: Deed) -> Deed:
    actor: Actor | None = people.actor_of_user(tx, person.id, method="browser")
    assert actor is not None
    return Deed(actor, deed.now, deed.chance)


def span(deed: Deed, start: float, end: float) -> Span:
    return Span(deed.now + start * HOUR, deed.now + end * HOUR)


def test_a_turn_of_a_rotation_is_taken_and_taken_on_by_another(db: Database, staff: tuple[Persona, ...], deed: Deed) -> None:
    with db.write() as tx:
        schedule_id, _, _ = made(tx, deed, ADA.id, BO.id, CY.id)
        first = swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 6, 10))
        assert first.asked == (BO.id, CY.id)
        swaps.accept(tx, as_(tx, BO, deed), first.id)
        assert [on_call(tx, schedule_id, deed.now + hours * HOUR) for hours in (5, 7, 11)] == [{ADA.id}, {BO.id}, {ADA.id}]
        second = swaps.ask(tx, as_(tx, BO, deed), schedule_id, span(deed, 8, 10), user_id=CY.id)  # what he took himself
        swaps.accept(tx, as_(tx, CY, deed), second.id)
        assert [on_call(tx, schedule_id, deed.now + hours * HOUR) for hours in (7, 9, 11)] == [{BO.id}, {CY.id}, {ADA.id}]


def test_where_several_are_on_call_the_others_stay_and_are_not_asked(db: Database, staff: tuple[Persona, ...], deed: Deed) -> None:
    with db.write() as tx:
        schedule_id = service.create(tx, deed, name="Pair", time_zone="UTC")
        rotation_id = shift_rotations.add_rotation(tx, deed, schedule_id)
        shift_rotations.add_event(tx, deed, schedule_id, rotation_id, daily(deed.now, ADA.id, BO.id, strategy=Strategy.EVERYBODY))
        swap = swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 6, 10), user_id=CY.id)
        with pytest.raises(Refusal, match="Invalid"):
            swaps.ask(tx, as_(tx, BO, deed), schedule_id, span(deed, 6, 10), user_id=ADA.id)  # is there already
        swaps.accept(tx, as_(tx, CY, deed), swap.id)
        assert on_call(tx, schedule_id, deed.now + 7 * HOUR) == {BO.id, CY.id}
        assert on_call(tx, schedule_id, deed.now + 11 * HOUR) == {ADA.id, BO.id}


def test_who_stands_in_two_sources_gives_both_away(db: Database, staff: tuple[Persona, ...], deed: Deed) -> None:
    with db.write() as tx:
        schedule_id, rotation_id, _ = made(tx, deed, ADA.id)
        shift = AskedShift(start=deed.now + 6 * HOUR, end=deed.now + 10 * HOUR, member=ADA.id, says_member=True)
        shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [shift])
        swap = swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 7, 9), user_id=BO.id)
        swaps.accept(tx, as_(tx, BO, deed), swap.id)
        assert [on_call(tx, schedule_id, deed.now + hours * HOUR) for hours in (6.5, 8, 9.5)] == [{ADA.id}, {BO.id}, {ADA.id}]
        assert len(store.overrides_of(tx, schedule_id, ending_after=deed.now)) == 2
        assert rotation_id


def test_a_true_swap_of_two_turns(db: Database, staff: tuple[Persona, ...], deed: Deed) -> None:
    with db.write() as tx:
        schedule_id, _, _ = made(tx, deed, ADA.id, BO.id)
        swap = swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 6, 10), user_id=BO.id, back=span(deed, 30, 34))
        swaps.accept(tx, as_(tx, BO, deed), swap.id)
        found = [on_call(tx, schedule_id, deed.now + timedelta(hours=hours)) for hours in (7, 12, 31, 36)]
    assert found == [{BO.id}, {ADA.id}, {ADA.id}, {BO.id}]


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//EN
{}END:VCALENDAR
"""


def event(number: int, name: str, start: str, end: str) -> str:
    lines = ("BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20261101T000000Z", f"DTSTART:{start}", f"DTEND:{end}", f"SUMMARY:{name}", "END:VEVENT")
    return "".join(f"{line}\n" for line in lines)


def test_on_a_schedule_that_follows_a_calendar_an_override_covers_who_is_alone_on_call(db: Database, staff: tuple[Persona, ...], deed: Deed) -> None:
    events = [
        event(1, "ada@example.org", "20261123T100000Z", "20261123T200000Z"),
        event(2, "bo@example.org", "20261123T180000Z", "20261124T080000Z"),
    ]
    with db.write() as tx:
        schedule_id = schedules.create(tx, deed, name="Followed", time_zone="UTC", layers=[])
        followed_calendars.follow_file(tx, deed, schedule_id, CALENDAR.format("".join(events)).replace("\n", "\r\n"))
        swap = swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 2, 4))
        assert swap.asked == (BO.id,)
        with pytest.raises(Refusal) as caught:
            swaps.ask(tx, as_(tx, ADA, deed), schedule_id, span(deed, 8, 10), user_id=CY.id)
        assert caught.value.errors == [swaps.SHARED]
        swaps.accept(tx, as_(tx, BO, deed), swap.id)
        assert [on_call(tx, schedule_id, deed.now + hours * HOUR) for hours in (1.5, 3, 5)] == [{ADA.id}, {BO.id}, {ADA.id}]
