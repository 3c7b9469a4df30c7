"""The final schedule of a shift-based schedule: every place of every shift, and never other people than those on call."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from tocsin.base.times import Span
from tocsin.core.assignments import Assignment, assignments, overflowing
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import RecurringShift
from tocsin.core.schedule import (
    ExtraShift,
    Model,
    Replacement,
    Rotation,
    Schedule,
    Version,
    final,
    on_call_at,
)

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE = ("A", "B", "C", "D")


def daily(*slots: tuple[str, ...], id_: str = "E", hours: int = 24, rule: str = "FREQ=DAILY", zone: str = "UTC") -> RecurringShift:
    recurrence = Rule(MONDAY, hours * 3600, zone, rule)
    return RecurringShift(id_, id_, recurrence, MONDAY, None, slots)


def schedule(*models: Model, every: timedelta = DAY) -> Schedule:
    """A schedule with these versions, the first from Monday on, each next one `every` later."""
    versions = tuple(Version(number, MONDAY + number * every, model) for number, model in enumerate(models))
    return Schedule("S", "S", versions)


def told(found: tuple[Assignment, ...]) -> list[tuple[float, float, str | None, str]]:
    """Hours after Monday, who, and through what."""
    return [((one.start - MONDAY) / HOUR, (one.end - MONDAY) / HOUR, one.user_id, one.replacement_id or one.source_id) for one in found]


def hours(count: int) -> Span:
    return Span(MONDAY, MONDAY + count * HOUR)


def test_every_member_of_a_shift_is_told_and_an_empty_place_too() -> None:
    one = schedule(Model("UTC", (Rotation("R", "R", (daily(("A", "B"), ()),)),)))
    assert told(assignments(one, hours(48))) == [(0, 24, "A", "R"), (0, 24, "B", "R"), (24, 48, None, "R")]


def test_rotations_and_extra_shifts_add_up() -> None:
    extra = ExtraShift("X", MONDAY + 2 * HOUR, MONDAY + 3 * HOUR, ("C",))
    rotations = (Rotation("R", "R", (daily(("A",)),)), Rotation("Q", "Q", (daily(("B",)),)))
    one = schedule(Model("UTC", rotations, (extra,)))
    assert told(assignments(one, hours(24))) == [(0, 24, "A", "R"), (0, 24, "B", "Q"), (2, 3, "C", "X")]


def test_a_replacement_stands_for_its_member_only_and_the_later_made_one_wins() -> None:
    standing = (
        Replacement("O1", "R", MONDAY + 2 * HOUR, MONDAY + 6 * HOUR, "A", "C", 1),
        Replacement("O2", "R", MONDAY + 4 * HOUR, MONDAY + 5 * HOUR, "A", None, 2),
        Replacement("O3", "Q", MONDAY, MONDAY + 9 * HOUR, "A", "D", 3),
    )
    one = schedule(Model("UTC", (Rotation("R", "R", (daily(("A", "B")),)),), (), standing))
    assert told(assignments(one, hours(24))) == [
        (0, 2, "A", "R"), (0, 24, "B", "R"), (2, 4, "C", "O1"), (4, 5, None, "O2"), (5, 6, "C", "O1"), (6, 24, "A", "R"),
    ]  # fmt: skip


def test_an_edit_that_changes_nobody_does_not_cut_a_shift() -> None:
    model = Model("UTC", (Rotation("R", "R", (daily(("A",), ("B",)),)),))
    extra = ExtraShift("X", MONDAY + 30 * DAY, MONDAY + 31 * DAY, ("C",))
    one = schedule(model, Model("UTC", model.rotations, (extra,)), model, every=5 * HOUR)
    assert told(assignments(one, hours(48))) == [(0, 24, "A", "R"), (24, 48, "B", "R")]


def test_what_was_before_an_edit_stays_as_it_was() -> None:
    before, after = (Model("UTC", (Rotation("R", "R", (daily((who,)),)),)) for who in ("A", "B"))
    one = schedule(before, after, every=5 * HOUR)
    assert told(assignments(one, hours(24))) == [(0, 5, "A", "R"), (5, 24, "B", "R")]
    assert assignments(one, Span(MONDAY - DAY, MONDAY)) == ()


def test_shifts_are_cut_at_the_bounds_or_told_whole() -> None:
    one = schedule(Model("UTC", (Rotation("R", "R", (daily(("A",), ("B",)),)),)))
    span = Span(MONDAY + 12 * HOUR, MONDAY + 36 * HOUR)
    assert told(assignments(one, span)) == [(12, 24, "A", "R"), (24, 36, "B", "R")]
    assert told(overflowing(one, span, 30 * DAY)) == [(0, 24, "A", "R"), (24, 48, "B", "R")]


def test_more_than_can_be_told_is_refused_in_words() -> None:
    model = Model("UTC", tuple(Rotation(name, name, (daily(("A",), hours=1, rule="FREQ=HOURLY"),)) for name in "RSTUVW"))
    with pytest.raises(ValueError, match="shorter range"):
        assignments(schedule(model), Span(MONDAY, MONDAY + 400 * DAY))


def drawn(chance: Random) -> Model:
    """Any model that v3 can say."""
    def instant() -> datetime:
        return MONDAY + timedelta(minutes=chance.randrange(0, 7 * 24 * 60, 30))

    rules = ("FREQ=DAILY", "FREQ=HOURLY;INTERVAL=7", "FREQ=WEEKLY;BYDAY=TU,TH,SU", "FREQ=DAILY;INTERVAL=2")
    rotations = []
    for name in chance.sample("RSTU", chance.randint(1, 3)):
        slots = tuple(tuple(chance.sample(PEOPLE, chance.randint(0, 2))) for _ in range(chance.randint(1, 3)))
        shift = daily(*slots, id_=name, hours=chance.choice((3, 8, 24, 30)), rule=chance.choice(rules), zone=chance.choice(("UTC", "America/New_York")))
        rotations.append(Rotation(name, name, (shift,)))
    extras, standing = [], []
    for number in range(chance.randint(0, 3)):
        start = instant()
        extras.append(ExtraShift(f"X{number}", start, start + chance.randint(1, 40) * HOUR, tuple(chance.sample(PEOPLE, chance.randint(0, 1)))))
    for number in range(chance.randint(0, 4)):
        start = instant()
        member, by = chance.choice((*PEOPLE, None)), chance.choice((*PEOPLE, None))
        source = chance.choice([one.id for one in rotations] + [one.id for one in extras])
        standing.append(Replacement(f"O{number}", source, start, start + chance.randint(1, 60) * HOUR, member, by, number))
    return Model("Europe/Paris", tuple(rotations), tuple(extras), tuple(standing))


@pytest.mark.parametrize("seed", range(24))
def test_it_names_those_who_are_on_call_and_nobody_else(seed: int) -> None:
    chance = Random(seed)
    one = schedule(*(drawn(chance) for _ in range(3)), every=2 * DAY)
    span = Span(MONDAY - DAY, MONDAY + 8 * DAY)
    found = assignments(one, span)
    assert all(first.start <= second.start for first, second in pairwise(found))
    for step in range(9 * 24 * 2):
        instant = span.start + step * HOUR / 2
        named = {each.user_id for each in found if each.start <= instant < each.end} - {None}
        assert named == {each.user_id for each in on_call_at(one, (), instant)}, instant
    covered = {(entry.user_id, entry.start) for entry in final(one, (), span)}
    assert {user for user, _ in covered} == {each.user_id for each in found} - {None}
