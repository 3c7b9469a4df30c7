"""Whatever is edited, by whichever door, who was on call at an instant that is past stays who it was."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.people import ADA, BO, CY, Persona
from tests.service.test_shift_swaps import CALENDAR, event
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE
from tocsin.core.schedule import MOMENT, final, on_call_at
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import (
    followed_calendars,
    people,
    schedules,
    shift_exceptions,
    shift_rotations,
    shift_schedules,
    succession,
    swaps,
)
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer
from tocsin.service.shift_exceptions import AskedShift
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store import schedules as store
from tocsin.store import shift_schedules as shifts
from tocsin.store.db import Database, Tx
from tocsin.store.shift_schedules import CUSTOM_SHIFT, ROTATION

HOUR = timedelta(hours=1)
LOOKED_AT = 5 * HOUR
"""How far apart the instants are that are remembered, beside those just before an edit."""
WHO = st.sampled_from([ADA.id, BO.id, CY.id])
CREW = st.lists(WHO, min_size=1, max_size=3)
ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/New_York"])
AHEAD = st.integers(-30, 60)  # hours from now: what a client asks for may lie in the past
LONG = st.integers(1, 40)

Edit = Callable[[Tx, Deed], object]


class Rotas(RuleBasedStateMachine):
    """One schedule of layers, one of shifts and one that follows a calendar, edited by every door while time passes."""

    db: Database
    begins_at: datetime
    chance: Random  # one for all runs: they share a database, and ids must differ

    def __init__(self) -> None:
        super().__init__()
        self.now = self.begins_at.replace(microsecond=250_000)
        self.was: dict[tuple[str, datetime], frozenset[str]] = {}
        self.event_ids: list[str] = []

    @initialize(crew=CREW)
    def it_begins(self, crew: list[str]) -> None:
        with self.db.write() as tx:
            deed = Deed(HOUSE, self.now, self.chance)
            self.layered = schedules.create(tx, deed, name="Layers", time_zone="Europe/Paris", layers=[self.layer(crew, 24)])
            self.followed = schedules.create(tx, deed, name="Followed", time_zone="UTC", layers=[self.layer(crew, 12)])
            self.shifted = shift_schedules.create(tx, deed, name="Shifts", time_zone="UTC")
            self.rotation = shift_rotations.add_rotation(tx, deed, self.shifted)
        self.seen = self.now
        self.time_passes(7)

    def layer(self, crew: list[str], hours: int) -> AskedLayer:
        return AskedLayer(name="Turns", start=self.now, virtual_start=self.now, turn_seconds=3600 * hours, user_ids=tuple(crew))

    def do(self, edit: Edit) -> None:
        """An edit that is refused changes nothing."""
        with suppress(Refusal), self.db.write() as tx:
            edit(tx, Deed(HOUSE, self.now, self.chance))

    def at(self, hours: int) -> datetime:
        return self.now + hours * HOUR

    def people_at(self, instants: dict[str, list[datetime]]) -> dict[tuple[str, datetime], frozenset[str]]:
        found = {}
        with self.db.read() as tx:
            for schedule_id, loaded in store.load_many(tx, list(instants)).items():
                for instant in instants[schedule_id]:
                    on_call = on_call_at(loaded.schedule, loaded.overrides, instant)
                    found[schedule_id, instant] = frozenset(one.user_id for one in on_call)
                    shown = final(loaded.schedule, loaded.overrides, Span(instant, instant + MOMENT))
                    assert found[schedule_id, instant] == {one.user_id for one in shown}
        return found

    # --- What may come

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        instants = [self.now - MOMENT]
        while self.seen < self.now:
            instants.append(self.seen)
            self.seen += LOOKED_AT
        self.was |= self.people_at(dict.fromkeys((self.layered, self.followed, self.shifted), instants))

    @rule(crew=CREW, hours=st.sampled_from([6, 24, 168]), zone=ZONES, anew=st.booleans(), start=AHEAD)
    def the_layers_are_edited(self, crew: list[str], hours: int, zone: str, anew: bool, start: int) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            loaded = store.load(tx, self.layered)
            assert loaded is not None
            first = loaded.schedule.model.rotations[0].id
            layer = AskedLayer(
                id=None if anew else first, name="Turns", start=self.at(start), virtual_start=self.at(start), turn_seconds=3600 * hours, user_ids=tuple(crew)
            )
            schedules.change(tx, deed, self.layered, {}, time_zone=zone, layers=[layer])

        self.do(edit)

    @rule(who=WHO, start=AHEAD, long=LONG, on_followed=st.booleans())
    def an_override_is_made(self, who: str, start: int, long: int, on_followed: bool) -> None:
        asked = schedules.AskedOverride(self.at(start), self.at(start + long), who)
        self.do(lambda tx, deed: schedules.add_overrides(tx, deed, self.followed if on_followed else self.layered, [asked]))

    @rule(pick=st.integers(0, 9), until=AHEAD, removes=st.booleans())
    def an_override_is_taken_back_or_made_shorter(self, pick: int, until: int, removes: bool) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            if found := store.overrides_of(tx, [self.layered], None)[self.layered]:
                one = found[pick % len(found)]
                if removes:
                    schedules.remove_override(tx, deed, self.layered, one.id)
                else:
                    schedules.shorten_override(tx, deed, self.layered, one.id, self.at(until))

        self.do(edit)

    @rule(crew=CREW, since=AHEAD, long=st.sampled_from([8, 24]), strategy=st.sampled_from([Strategy.ROTATING, Strategy.EVERYBODY]))
    def an_event_of_shifts_is_added(self, crew: list[str], since: int, long: int, strategy: Strategy) -> None:
        start, end = (ZonedTime(self.at(hours).replace(microsecond=0), "UTC", "x") for hours in (since, since + long))
        assignment = AskedAssignment(strategy, 1 if strategy is Strategy.ROTATING else None, tuple(dict.fromkeys(crew)))
        asked = AskedEvent(name="Shift", start=start, end=end, since=start.at, recurrence=("RRULE:FREQ=DAILY",), assignment=assignment)
        self.do(lambda tx, deed: self.event_ids.append(shift_rotations.add_event(tx, deed, self.shifted, self.rotation, asked)))

    @rule(pick=st.integers(0, 9), until=AHEAD, removes=st.booleans())
    def an_event_of_shifts_is_ended(self, pick: int, until: int, removes: bool) -> None:
        if not self.event_ids:
            return
        event_id, end = self.event_ids[pick % len(self.event_ids)], AskedEvent(until=self.at(until).replace(microsecond=0), says_until=True)
        if removes:
            self.do(lambda tx, deed: shift_rotations.remove_event(tx, deed, self.shifted, self.rotation, event_id))
        else:
            self.do(lambda tx, deed: shift_rotations.change_event(tx, deed, self.shifted, self.rotation, event_id, end))

    @rule(who=WHO, start=AHEAD, long=LONG)
    def a_custom_shift_is_made(self, who: str, start: int, long: int) -> None:
        asked = AskedShift(start=self.at(start), end=self.at(start + long), member=who, says_member=True)
        self.do(lambda tx, deed: shift_exceptions.add_custom_shifts(tx, deed, self.shifted, [asked]))

    @rule(pick=st.integers(0, 9), end=AHEAD, removes=st.booleans())
    def a_custom_shift_is_changed(self, pick: int, end: int, removes: bool) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            if found := shifts.custom_shifts_of(tx, self.shifted):
                one = found[pick % len(found)]
                if removes:
                    shift_exceptions.remove_custom_shift(tx, deed, self.shifted, one.id)
                else:
                    shift_exceptions.change_custom_shift(tx, deed, self.shifted, one.id, AskedShift(end=self.at(end)))

        self.do(edit)

    @rule(member=WHO, by=WHO, start=AHEAD, long=LONG, of_rotation=st.booleans())
    def somebody_stands_in(self, member: str, by: str, start: int, long: int, of_rotation: bool) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            extras = shifts.custom_shifts_of(tx, self.shifted)
            kind, source = (CUSTOM_SHIFT, extras[-1].id) if extras and not of_rotation else (ROTATION, self.rotation)
            asked = shift_exceptions.AskedOverride(
                source_type=kind, source_id=source, start=self.at(start), end=self.at(start + long), overridden=member, overriding=by, says_overriding=True
            )
            shift_exceptions.add_overrides(tx, deed, self.shifted, [asked])

        self.do(edit)

    @rule(pick=st.integers(0, 9), end=AHEAD, removes=st.booleans())
    def a_stand_in_is_changed(self, pick: int, end: int, removes: bool) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            if found := shifts.overrides_of(tx, self.shifted):
                one = found[pick % len(found)]
                if removes:
                    shift_exceptions.remove_override(tx, deed, self.shifted, one.id)
                else:
                    shift_exceptions.change_override(tx, deed, self.shifted, one.id, shift_exceptions.AskedOverride(end=self.at(end)))

        self.do(edit)

    @rule(gone=WHO, by=WHO)
    def somebody_takes_anothers_place(self, gone: str, by: str) -> None:
        self.do(lambda tx, deed: succession.replace_everywhere(tx, deed, gone, by))

    @rule(drawn=st.lists(st.tuples(st.sampled_from([ADA, BO, CY]), AHEAD, LONG), min_size=1, max_size=3))
    def another_calendar_is_followed(self, drawn: list[tuple[Persona, int, int]]) -> None:
        events = [
            event(number, who.email, *(f"{self.at(hours):%Y%m%dT%H%M%SZ}" for hours in (start, start + long)))
            for number, (who, start, long) in enumerate(drawn)
        ]
        text = CALENDAR.format("".join(events)).replace("\n", "\r\n")
        self.do(lambda tx, deed: followed_calendars.follow_file(tx, deed, self.followed, text))

    @rule()
    def no_calendar_is_followed_any_more(self) -> None:
        self.do(lambda tx, deed: followed_calendars.stop(tx, deed, self.followed))

    @rule(asker=WHO, taker=WHO, start=st.integers(1, 60), long=st.integers(1, 6), of_shifts=st.booleans())
    def a_shift_is_swapped(self, asker: str, taker: str, start: int, long: int, of_shifts: bool) -> None:
        def edit(tx: Tx, deed: Deed) -> None:
            actors = [people.actor_of_user(tx, one, method="browser") for one in (asker, taker)]
            asks, takes = (Deed(actor, deed.now, deed.chance) for actor in actors if actor is not None)
            schedule_id = self.shifted if of_shifts else self.layered
            swap = swaps.ask(tx, asks, schedule_id, Span(self.at(start), self.at(start + long)), user_id=taker)
            swaps.accept(tx, takes, swap.id)

        self.do(edit)

    # --- What must hold

    @invariant()
    def the_past_is_as_it_was(self) -> None:
        instants: dict[str, list[datetime]] = {}
        for schedule_id, instant in self.was:
            instants.setdefault(schedule_id, []).append(instant)
        assert self.people_at(instants) == self.was


def test_no_sequence_of_edits_by_any_door_ever_changes_who_was_on_call(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    class Here(Rotas):
        pass

    Here.db, Here.begins_at, Here.chance = db, now, chance
    run_state_machine_as_test(
        Here, settings=settings(max_examples=4, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    )
