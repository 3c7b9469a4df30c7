"""Requests to take a shift by tables, and as a machine: whatever people do, it ends once and nobody loses or doubles a shift."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tocsin.base.times import Span
from tocsin.core import swap as core
from tocsin.core.schedule import Entry, Holder, Stretch
from tocsin.core.swap import (
    Accept,
    Decision,
    Decline,
    Elsewhere,
    Expire,
    HandOver,
    Refused,
    Rota,
    Status,
    Swap,
    Withdraw,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PEOPLE = ("ada", "bo", "cy")


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


def rota(*stretches: tuple[float, float, str]) -> Rota:
    return Rota(tuple(Stretch(at(start), at(end), tuple(Holder(name, "layer") for name in names.split())) for start, end, names in stretches))


TURNS = rota((0, 8, "ada"), (8, 12, "ada"), (12, 24, "bo"), (24, 36, "cy"), (36, 48, "ada"))


def wish(start: float = 4, end: float = 10, asked: tuple[str, ...] = ("bo",), **more: Any) -> Swap:
    made = Swap(
        id="S", schedule_id="P", asker_id="ada", start=at(start), end=at(end), asked=asked, to_anyone=len(asked) != 1,
        created_at=NOW, expires_at=at(start),
    )  # fmt: skip
    return replace(made, **more)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (wish(), ""),
        (wish(asked=("bo", "cy")), ""),
        (wish(4, 13), "You are not on call"),
        (wish(10, 4), "must end after its start"),
        (wish(0, 4), "has begun or is over"),
        (wish(4, 4 + 32 * 24), "at most 31 days"),
        (wish(9000, 9001), "more than 366 days ahead"),
        (wish(asked=()), "nobody else on this rota"),
        (wish(asked=("ada",)), "cannot ask yourself"),
        (wish(note="x" * 501), "at most 500 characters"),
        (wish(expires_at=at(5)), "no later than the shift begins"),
        (wish(expires_at=at(-1)), "must end in the future"),
        (wish(back=span(14, 18)), ""),
        (wish(back=span(24, 30)), "That colleague is not on call"),
        (wish(back=span(18, 14)), "must lie ahead, and end after its start"),
        (wish(back=span(14, 14 + 33 * 24)), "at most 31 days long"),
        (wish(asked=("bo", "cy"), back=span(14, 18)), "ask that colleague, not anyone"),
    ],
)
def test_what_may_be_asked(asked: Swap, words: str):
    reasons = core.refused_asking(asked, TURNS, NOW)
    assert words in " ".join(reasons) if words else reasons == []


def test_where_several_are_on_call_at_once_nobody_is_asked_who_is_there_already():
    both = rota((0, 12, "ada bo"), (12, 24, "bo"))
    assert core.refused_asking(wish(), both, NOW) == ["That colleague is on call on this schedule then already"]
    crowded = rota((0, 12, "ada"), (12, 24, "bo ada"))
    assert core.refused_asking(wish(back=span(14, 16)), crowded, NOW) == ["You are on call on this schedule already during the time to take in exchange"]


@pytest.mark.parametrize(
    ("swap", "user", "held", "hours", "words"),
    [
        (wish(), "bo", TURNS, 1, ""),
        (wish(), "cy", TURNS, 1, "You were not asked"),
        (wish(), "ada", TURNS, 1, "It is your own request"),
        (wish(), "bo", TURNS, 4, "The time to accept is over"),
        (wish(), "bo", rota((0, 9, "ada"), (9, 24, "cy")), 1, "no longer the asker's"),
        (wish(), "bo", rota((0, 24, "ada"), (0, 24, "bo")), 1, "You are on call on this schedule then already"),
        (wish(back=span(14, 18)), "bo", TURNS, 1, ""),
        (wish(back=span(14, 18)), "bo", rota((0, 12, "ada"), (12, 15, "bo"), (15, 24, "cy")), 1, "in exchange is no longer yours"),
        (wish(back=span(14, 18)), "bo", rota((0, 12, "ada"), (12, 24, "bo ada")), 1, "The asker is on call already"),
        (wish(back=span(0.5, 1)), "bo", TURNS, 2, "in exchange has begun"),
        (wish(status=Status.WITHDRAWN), "bo", TURNS, 1, "was withdrawn"),
    ],
)
def test_who_may_take_it(swap: Swap, user: str, held: Rota, hours: float, words: str):
    decided = core.decide(swap, Accept(user), held, at(hours))
    if words:
        assert isinstance(decided, Refused)
        assert words in decided.reason
    else:
        assert isinstance(decided, Decision)
        assert decided.swap.taker_id == user
        expected = [HandOver(swap.span, "ada", user)] + ([HandOver(swap.back, user, "ada")] if swap.back else [])
        assert list(decided.hand_overs) == expected


def test_double_duties_are_cut_to_the_shift():
    found = core.double_booked(span(4, 10), [Elsewhere("B", Entry(at(8), at(20), "bo")), Elsewhere("A", Entry(at(0), at(5), "bo")), Elsewhere("C", Entry(at(10), at(11), "bo"))])
    assert [(one.schedule, one.entry.start, one.entry.end) for one in found] == [("A", at(4), at(5)), ("B", at(8), at(10))]


def test_pieces_say_in_which_source_somebody_stands():
    stretches = (
        Stretch(at(0), at(4), (Holder("ada", "one"), Holder("bo", "two"))),
        Stretch(at(4), at(6), (Holder("ada", "one"),)),
        Stretch(at(6), at(8), (Holder("ada", "one", "o1"),)),
    )
    assert [(one.source_id, one.replacement_id, one.span) for one in core.pieces(stretches, span(2, 7), "ada")] == [
        ("one", None, span(2, 6)), ("one", "o1", span(6, 7)),
    ]  # fmt: skip


class Requests(RuleBasedStateMachine):
    """One request under everything that people and time can do to it; who is on call is kept hour by hour, by hand."""

    @initialize(
        start=st.integers(1, 18), long=st.integers(1, 6), back=st.none() | st.integers(24, 44), asked=st.sampled_from([("bo",), ("bo", "cy"), ("cy",)])
    )
    def begin(self, start: int, long: int, back: int | None, asked: tuple[str, ...]) -> None:
        self.hours = {hour: "ada" if hour < 24 else asked[0] for hour in range(60)}
        exchange = span(back, back + long) if back is not None and len(asked) == 1 else None
        self.swap = wish(start, start + long, asked, back=exchange)
        self.now = 0.0
        assert core.refused_asking(self.swap, self.rota(), NOW) == []
        self.ended: Swap | None = None

    def rota(self) -> Rota:
        return rota(*((hour, hour + 1, who) for hour, who in self.hours.items()))

    def do(self, command: core.Command) -> None:
        before = dict(self.hours)
        decided = core.decide(self.swap, command, self.rota(), at(self.now))
        if isinstance(decided, Refused):
            assert decided.reason
            return
        assert self.ended is None  # law 1
        for one in decided.hand_overs:
            for hour in self.hours:
                if one.span.start <= at(hour) < one.span.end:
                    assert before[hour] == one.from_id  # nobody gives what they do not have
                    self.hours[hour] = one.to_id
        changed = {hour for hour in before if before[hour] != self.hours[hour]}
        about = [self.swap.span, *([self.swap.back] if self.swap.back else [])]
        wanted = {hour for hour in self.hours if any(at(hour) in part for part in about)}
        assert changed == (wanted if decided.swap.status is Status.ACCEPTED else set())  # law 3
        self.swap = decided.swap
        if self.swap.status is not Status.ASKED:
            self.ended = self.swap

    @rule(who=st.sampled_from(PEOPLE))
    def accept(self, who: str) -> None:
        self.do(Accept(who))

    @rule(who=st.sampled_from(PEOPLE))
    def decline(self, who: str) -> None:
        self.do(Decline(who))

    @rule()
    def withdraw(self) -> None:
        self.do(Withdraw("ada"))

    @rule(hours=st.integers(1, 8))
    def wait(self, hours: int) -> None:
        self.now += hours
        self.do(Expire())

    @rule(hour=st.integers(0, 59), who=st.sampled_from(PEOPLE))
    def edit(self, hour: int, who: str) -> None:
        self.hours[hour] = who

    @invariant()
    def what_has_ended_stays_as_it_ended(self) -> None:
        if getattr(self, "ended", None) is not None:
            assert self.swap == self.ended
            assert self.swap.waiting_for == ()

    @invariant()
    def it_never_outlives_its_time(self) -> None:
        if hasattr(self, "swap") and at(self.now) >= self.swap.expires_at:
            assert self.swap.status is not Status.ASKED


Requests.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestRequests = Requests.TestCase
