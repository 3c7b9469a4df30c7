"""The account of moving in: sums must agree, and two lists of who is on call are compared by instants."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from tocsin.base.times import Span
from tocsin.core.moving_in import POLICY, USER, Account, Difference, Held, Unbalanced, WantedUser, differences

START = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)


def held(first: int, last: int, user: str | None) -> Held:
    return Held(START + first * HOUR, START + last * HOUR, user)


def test_what_is_read_and_neither_carried_nor_left_stops_everything() -> None:
    account = Account("elsewhere")
    account.read(USER, 2)
    account.want(WantedUser("P1", "Ada", "ada@example.org"))
    with pytest.raises(Unbalanced, match="user: 2 read, 1 carried, 0 left"):
        account.check()
    account.leave(USER, "P2", "Bo", "for a reason")
    account.check()
    account.leave(POLICY, "P3", "Never read", "for a reason")
    with pytest.raises(Unbalanced, match="escalation policy: 0 read, 0 carried, 1 left"):
        account.check()


def test_the_same_people_cut_otherwise_are_the_same() -> None:
    span = Span(START, START + 10 * HOUR)
    there = [held(-5, 4, "ada"), held(4, 8, "ada"), held(6, 20, "bo")]
    here = [held(0, 8, "ada"), held(6, 10, "bo"), held(2, 3, "ada"), held(0, 10, None)]
    assert differences(there, here, span) == []
    found = differences([held(0, 10, "ada")], [held(0, 4, "ada"), held(6, 10, "bo")], span)
    assert found == [
        Difference(START + 4 * HOUR, START + 6 * HOUR, ("ada",), ()), Difference(START + 6 * HOUR, START + 10 * HOUR, ("ada",), ("bo",)),
    ]  # fmt: skip


def test_differences_are_those_that_counting_hour_by_hour_finds() -> None:
    chance, span = Random(7), Span(START, START + 30 * HOUR)
    for _ in range(200):
        sides = [[held(at := chance.randrange(-5, 30), at + chance.randrange(1, 9), chance.choice(["ada", "bo", "cy"])) for _ in range(8)] for _ in range(2)]
        found = differences(sides[0], sides[1], span)
        for hour in range(30):
            instant = START + hour * HOUR
            there, here = (tuple(sorted({one.user or "" for one in side if one.start <= instant < one.end})) for side in sides)
            told = [one for one in found if one.start <= instant < one.end]
            assert [(one.there, one.here) for one in told] == ([(there, here)] if there != here else [])
