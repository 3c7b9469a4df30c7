"""Requests to take a shift: who may ask and take, what changes hands, who is told, and that one of two wins."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.permission import Actor
from tocsin.core.swap import Status, Swap
from tocsin.service import people, schedules, swaps
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store import swaps as store
from tocsin.store.db import Database, Tx
from tocsin.store.tables import engine
from tocsin.store.tables import people as people_tables

HOUR = timedelta(hours=1)
WAITING_SECONDS = 0.3


@dataclass
class Rota:
    """Ada, Bo and Cy take turns of a day; Ada's is on, and it is nine o'clock of its first hour."""

    world: World
    schedule_id: str
    ada: str
    bo: str
    cy: str

    def deed(self, user_id: str) -> Deed:
        with self.world.db.read() as tx:
            actor = people.actor_of_user(tx, user_id, method="browser")
        assert actor is not None
        return Deed(actor, self.world.now, self.world.chance)

    def span(self, start: float, end: float) -> Span:
        """Hours from now."""
        return Span(self.world.now + start * HOUR, self.world.now + end * HOUR)

    def do(self, user_id: str, run: Callable[[Tx, Deed], Swap]) -> Swap:
        deed = self.deed(user_id)
        with self.world.db.write() as tx:
            return run(tx, deed)

    def ask(self, asker_id: str, span: Span, /, **more: Any) -> Swap:
        return self.do(asker_id, lambda tx, deed: swaps.ask(tx, deed, self.schedule_id, span, **more))

    def accept(self, user_id: str, swap: Swap) -> Swap:
        return self.do(user_id, lambda tx, deed: swaps.accept(tx, deed, swap.id))

    def decline(self, user_id: str, swap: Swap) -> Swap:
        return self.do(user_id, lambda tx, deed: swaps.decline(tx, deed, swap.id))

    def withdraw(self, user_id: str, swap: Swap) -> Swap:
        return self.do(user_id, lambda tx, deed: swaps.withdraw(tx, deed, swap.id))

    def override(self, user_id: str, span: Span) -> None:
        deed = self.deed(user_id)
        with self.world.db.write() as tx:
            schedules.add_overrides(tx, deed, self.schedule_id, [AskedOverride(span.start, span.end, user_id)])

    def on_call(self, hours: float) -> str:
        with self.world.db.read() as tx:
            found = schedules.people_on_call(tx, [self.schedule_id], self.world.now + hours * HOUR)[self.schedule_id]
        names = {self.ada: "Ada", self.bo: "Bo", self.cy: "Cy"}
        return " ".join(names[one.user_id] for one in found)

    def status(self, swap: Swap) -> tuple[str, str | None]:
        with self.world.db.read() as tx:
            found = store.load(tx, swap.id)
        assert found is not None
        return found.status.value, found.reason

    def told(self) -> list[tuple[str, str]]:
        """Who was told what since the last look, in the words of the title."""
        self.world.attempts.clear()
        self.world.settle()
        return sorted((claim.user_name, page.facts.title) for claim in self.world.attempts for page in claim.pages)


@pytest.fixture
def rota(db: Database, now: datetime, chance: Random) -> Rota:
    world = World(db, now, chance)
    ada, bo, cy = world.person("Ada"), world.person("Bo"), world.person("Cy", role="admin")
    layer = AskedLayer(name="Turns", start=now, virtual_start=now, turn_seconds=86400, user_ids=(ada, bo, cy))
    deed = Deed(Actor(kind="house", id="TOCSIN", name="Tocsin", role="owner"), now, chance)
    with db.write() as tx:
        schedule_id = schedules.create(tx, deed, name="First line", time_zone="UTC", layers=[layer])
    return Rota(world, schedule_id, ada, bo, cy)


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(Refusal) as caught:
        run()
    errors = caught.value.errors
    return f"{caught.value.status}: {'; '.join(errors) if isinstance(errors, list) else errors or caught.value.message}"


def test_a_colleague_takes_a_part_of_a_shift_and_everybody_is_told(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo, note="Dentist")
    assert rota.told() == [("Bo", "Ada asks: take a shift on First line?")]
    text = rota.world.attempts[0].pages[0].facts
    assert "Ada asks you to take over on First line: Mon 23 Nov 2026, 15:00 to Mon 23 Nov 2026, 19:00 (UTC)." in text.text
    assert "Ada says: Dentist" in text.text
    assert text.swap_id == swap.id
    assert rota.on_call(7) == "Ada"
    rota.accept(rota.bo, swap)
    assert [rota.on_call(hours) for hours in (5.9, 6, 9.9, 10)] == ["Ada", "Bo", "Bo", "Ada"]
    assert rota.status(swap) == ("accepted", "it was accepted")
    assert rota.told() == [("Ada", "Bo takes your shift")]


def test_anyone_may_take_it_the_first_has_it_and_the_others_are_told(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 24))
    assert swap.asked == (rota.bo, rota.cy)
    assert [name for name, _ in rota.told()] == ["Bo", "Cy"]
    rota.accept(rota.cy, swap)
    assert rota.told() == [("Ada", "Cy takes your shift"), ("Bo", "Cy has taken Ada's shift")]
    assert refused(lambda: rota.accept(rota.bo, swap)) == "400: Somebody has taken this shift already"
    assert rota.on_call(7) == "Cy"


def test_a_true_swap_is_both_shifts_or_neither(rota: Rota):
    back = rota.span(26, 30)
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo, back=back)
    rota.accept(rota.bo, swap)
    assert [rota.on_call(hours) for hours in (7, 27, 31)] == ["Bo", "Ada", "Bo"]
    other = rota.ask(rota.ada, rota.span(12, 16), user_id=rota.cy, back=rota.span(50, 54))
    rota.override(rota.bo, rota.span(51, 52))
    assert refused(lambda: rota.accept(rota.cy, other)) == "400: The shift in exchange is no longer yours: the schedule was changed since"
    assert [rota.on_call(hours) for hours in (13, 50)] == ["Ada", "Cy"]
    assert rota.status(other)[0] == "asked"


def test_it_ends_by_itself_when_the_shift_begins_or_earlier_by_choice(rota: Rota):
    late = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    early = rota.ask(rota.ada, rota.span(12, 16), expires_at=rota.world.now + 2 * HOUR)
    rota.told()
    rota.world.attempts.clear()
    rota.world.forward(hours=2)
    assert rota.status(early) == ("expired", "nobody took it in time")
    assert rota.status(late)[0] == "asked"
    assert [(claim.user_name, claim.pages[0].facts.title) for claim in rota.world.attempts] == [("Ada", "Nobody takes your shift")]
    assert refused(lambda: rota.accept(rota.cy, early)) == "400: This request is over: nobody took the shift in time"
    rota.world.forward(hours=4)
    assert rota.status(late)[0] == "expired"
    with rota.world.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(engine.timer)) == 0


def test_before_the_timer_has_fired_nobody_takes_what_is_over(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    rota.world.now += 6 * HOUR
    assert refused(lambda: rota.accept(rota.bo, swap)) == "400: The time to accept is over"


def test_when_all_decline_the_asker_is_told_and_keeps_the_shift(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10))
    rota.told()
    rota.decline(rota.bo, swap)
    assert rota.told() == []
    assert refused(lambda: rota.decline(rota.bo, swap)) == "400: You have declined already"
    rota.decline(rota.cy, swap)
    assert rota.told() == [("Ada", "Nobody takes your shift")]
    assert rota.status(swap) == ("declined", "everybody who was asked declined")
    assert rota.on_call(7) == "Ada"


def test_who_declined_may_still_change_their_mind_while_nobody_else_has_it(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10))
    rota.decline(rota.bo, swap)
    assert rota.accept(rota.bo, swap).status is Status.ACCEPTED


def test_it_is_withdrawn_by_the_asker_or_whoever_manages_the_schedule(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10))
    rota.told()
    rota.withdraw(rota.ada, swap)
    assert rota.told() == [("Bo", "Ada's request was withdrawn"), ("Cy", "Ada's request was withdrawn")]
    again = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    rota.told()
    rota.withdraw(rota.cy, again)
    assert rota.told() == [("Ada", "Your request was withdrawn"), ("Bo", "Ada's request was withdrawn")]


def test_nobody_takes_what_is_no_longer_the_askers_or_is_theirs_already(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    rota.override(rota.cy, rota.span(9, 12))
    assert refused(lambda: rota.accept(rota.bo, swap)) == "400: The shift is no longer the asker's: the schedule was changed since"
    other = rota.ask(rota.ada, rota.span(1, 4), user_id=rota.bo)
    rota.override(rota.bo, rota.span(2, 3))
    assert "no longer the asker's" in refused(lambda: rota.accept(rota.bo, other))


def test_what_makes_no_sense_is_refused_and_nothing_is_kept(rota: Rota):
    for hours, words in (
        ((20, 30), "You are not on call on this schedule for all of that time"),
        ((-1, 3), "The shift has begun or is over: ask for a part of it that lies ahead"),
        ((3, 3), "The shift must end after its start"),
        ((3, 1000), "One request can be about at most 31 days: ask for the rest in another"),
        ((9000, 9001), "The shift is more than 366 days ahead"),
    ):
        assert refused(partial(rota.ask, rota.ada, rota.span(*hours), user_id=rota.bo)) == f"400: {words}"
    with rota.world.db.read() as tx:
        assert store.of_schedule(tx, rota.schedule_id) == []
    assert rota.told() == []


def test_the_same_time_is_asked_for_once(rota: Rota):
    rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    assert "open already" in refused(lambda: rota.ask(rota.ada, rota.span(8, 12)))
    rota.ask(rota.ada, rota.span(10, 12))


def test_who_may_not_take_shifts_is_not_asked(rota: Rota):
    with rota.world.db.write() as tx:
        tx.execute(sa.update(people_tables.user).where(people_tables.user.c.id == rota.bo).values(role="observer"))
    assert rota.ask(rota.ada, rota.span(6, 10)).asked == (rota.cy,)
    words = refused(lambda: rota.ask(rota.ada, rota.span(12, 16), user_id=rota.bo))
    assert words == "400: Bo may not take shifts on this schedule: observers may not create a override: that takes a Responder"
    with rota.world.db.write() as tx:
        tx.execute(sa.update(people_tables.user).where(people_tables.user.c.id == rota.bo).values(role="limited_user", is_disabled=True))
    assert "not here any more" in refused(lambda: rota.ask(rota.ada, rota.span(12, 16), user_id=rota.bo))


def test_who_lost_the_right_meanwhile_cannot_accept(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    with rota.world.db.write() as tx:
        tx.execute(sa.update(people_tables.user).where(people_tables.user.c.id == rota.bo).values(role="observer"))
    assert refused(lambda: rota.accept(rota.bo, swap)).startswith("403")


def test_a_manager_asks_for_somebody_else_and_a_responder_does_not(rota: Rota):
    assert rota.ask(rota.cy, rota.span(6, 10), asker_id=rota.ada, user_id=rota.bo).asker_id == rota.ada
    with rota.world.db.write() as tx:
        tx.execute(sa.update(people_tables.user).where(people_tables.user.c.id == rota.bo).values(role="limited_user"))
    assert refused(lambda: rota.ask(rota.bo, rota.span(12, 14), asker_id=rota.ada, user_id=rota.cy)).startswith("403")


def test_before_accepting_one_is_warned_of_other_duties_and_of_not_being_reachable(rota: Rota):
    layer = AskedLayer(name="Turns", start=rota.world.now, virtual_start=rota.world.now, turn_seconds=86400, user_ids=(rota.bo,))
    with rota.world.db.write() as tx:
        schedules.create(tx, rota.deed(rota.cy), name="Second line", time_zone="UTC", layers=[layer])
        tx.execute(sa.delete(people_tables.contact_method).where(people_tables.contact_method.c.user_id == rota.bo))
    with rota.world.db.read() as tx:
        assert swaps.warnings(tx, rota.bo, rota.span(6, 10), beside=rota.schedule_id) == [
            "You are on call for Second line at that time too: Mon 23 Nov 2026, 15:00 to Mon 23 Nov 2026, 19:00 (UTC)",
            "You have no contact method that can be used: nobody could page you",
        ]
        assert swaps.warnings(tx, rota.cy, rota.span(6, 10), beside=rota.schedule_id) == []


def test_the_story_and_the_audit_say_who_asked_who_took_it_and_when(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), user_id=rota.bo)
    rota.world.now += HOUR
    rota.accept(rota.bo, swap)
    with rota.world.db.read() as tx:
        assert [one.words for one in swaps.stories(tx, rota.schedule_id)] == ["Ada asked Bo to take a shift; Bo took it"]
        rows = tx.rows(sa.select(engine.audit).where(engine.audit.c.root_id == rota.schedule_id).order_by(engine.audit.c.at))
    told = [(row.actor_name, row.action, row.details["resource"]["type"]) for row in rows[1:]]
    assert ("Ada", "create", "swap_reference") in told
    assert ("Bo", "update", "swap_reference") in told
    assert ("Bo", "create", "override_reference") in told


def test_of_two_who_accept_at_the_very_same_moment_exactly_one_has_it(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10))
    deeds = {one: rota.deed(one) for one in (rota.bo, rota.cy)}

    def second() -> object:
        with rota.world.db.write() as tx:
            return swaps.accept(tx, deeds[rota.cy], swap.id)

    with ThreadPoolExecutor(1) as pool:
        with rota.world.db.write() as tx:
            swaps.accept(tx, deeds[rota.bo], swap.id)
            came = pool.submit(second)
            with pytest.raises(TimeoutError):
                came.result(WAITING_SECONDS)
        assert refused(lambda: came.result(30)) == "400: Somebody has taken this shift already"
    assert rota.on_call(7) == "Bo"


def test_an_acceptance_at_the_moment_it_expires_is_one_or_the_other(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(6, 10), expires_at=rota.world.now + HOUR)
    deed = rota.deed(rota.bo)
    rota.world.now += HOUR
    with ThreadPoolExecutor(1) as pool:
        with rota.world.db.write() as tx:
            swaps.accept(tx, deed, swap.id)  # by a clock that is a little behind
            came = pool.submit(rota.world.fire)
            with pytest.raises(TimeoutError):
                came.result(WAITING_SECONDS)
        came.result(30)
    assert rota.status(swap)[0] == "accepted"
    assert rota.on_call(6) == "Bo"


def deleted(rota: Rota, user_id: str) -> None:
    deed = rota.deed(rota.cy)
    with rota.world.db.write() as tx:
        people.delete_user(tx, deed, user_id, replace_by=rota.cy)


def test_a_request_ends_at_once_when_the_asker_is_deleted(rota: Rota):
    swap = rota.ask(rota.ada, rota.span(2, 6), user_id=rota.bo)
    rota.told()
    deleted(rota, rota.ada)
    assert rota.told() == [("Bo", "A request to take a shift has ended")]
    assert rota.status(swap) == ("withdrawn", "whoever asked for it was deleted")


def test_a_request_ends_at_once_when_nobody_is_left_who_was_asked(rota: Rota):
    one, anyone = rota.ask(rota.ada, rota.span(2, 6), user_id=rota.bo), rota.ask(rota.ada, rota.span(8, 12))
    rota.told()
    deleted(rota, rota.bo)
    assert rota.told() == [("Ada", "Nobody takes your shift")]
    assert rota.status(one) == ("declined", "nobody is left who was asked and has not declined")
    assert rota.status(anyone) == ("asked", None)
    rota.accept(rota.cy, anyone)
    assert rota.on_call(9) == "Cy"
