"""Who is on call: layers, people side by side, overrides, replacements, and a past that no edit changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core import brute_force
from tests.core.test_rotation import ANY_RESTRICTIONS, ZONES_AND_CHANGES, at
from tocsin.base.times import Span
from tocsin.core.rotation import DAY, WEEK, RecurringShift, Restriction, Turns
from tocsin.core.schedule import (
    Entry,
    ExtraShift,
    Layer,
    Model,
    OnCall,
    Override,
    Replacement,
    Rotation,
    Schedule,
    Version,
    coverage,
    differences,
    final,
    from_layers,
    is_layered,
    named_users,
    on_call_at,
    only,
    overflowing,
    periods,
    revised,
    timeline,
    to_layers,
    version_at,
)

HOUR = 3600
START = at("2026-06-01T00:00Z")  # a Monday
DAYTIME = (Restriction(None, 9 * HOUR, 8 * HOUR),)


def layer(name: str, users: str, *, turn: int = DAY, start: datetime = START, **more: object) -> Layer:
    return Layer(name, name, start, None, START, turn, tuple(users.split()), **more)  # type: ignore[arg-type]


def schedule(*layers: Layer, zone: str = "UTC", since: datetime = START) -> Schedule:
    return Schedule("PSCHED1", "First line", (Version(1, since, from_layers(zone, layers)),))


def of_model(model: Model) -> Schedule:
    return Schedule("PSCHED1", "First line", (Version(1, START, model),))


def rota(name: str, *slots: str, turn: int = DAY, rank: int = 0) -> Rotation:
    holders = tuple(tuple(slot.split()) for slot in slots)
    return Rotation(name, name, (RecurringShift(name, name, Turns(START, turn), START, None, holders),), rank)


def people(one: Schedule, instant: str | datetime, overrides: Sequence[Override] = ()) -> list[str]:
    moment = at(instant) if isinstance(instant, str) else instant
    return [on_call.user_id for on_call in on_call_at(one, overrides, moment)]


def entries(found: Sequence[Entry]) -> list[str]:
    return [f"{entry.user_id} {entry.start:%d %H:%M} {entry.end:%d %H:%M}" for entry in found]


def days(first: int, last: int) -> Span:
    return Span(START + timedelta(days=first), START + timedelta(days=last))


# ---------------------------------------------------------------------------------------------------------------- layers


def test_the_highest_layer_that_has_somebody_replaces_those_below() -> None:
    one = schedule(layer("low", "Ada Bo"), layer("high", "Cy", restrictions=DAYTIME))
    assert people(one, "2026-06-01T08:59Z") == ["Ada"]
    assert people(one, "2026-06-01T09:00Z") == ["Cy"]
    assert people(one, "2026-06-01T17:00Z") == ["Ada"]
    assert entries(final(one, (), days(0, 2))) == [
        "Ada 01 00:00 01 09:00", "Cy 01 09:00 01 17:00", "Ada 01 17:00 02 00:00",
        "Bo 02 00:00 02 09:00", "Cy 02 09:00 02 17:00", "Bo 02 17:00 03 00:00",
    ]  # fmt: skip


def test_the_period_on_call_reaches_from_edge_to_edge() -> None:
    one = schedule(layer("low", "Ada Bo"), layer("high", "Cy", restrictions=DAYTIME))
    assert on_call_at(one, (), at("2026-06-01T20:00Z")) == (
        OnCall("Ada", "PSCHED1", at("2026-06-01T17:00Z"), at("2026-06-02T00:00Z")),
    )
    assert on_call_at(one, (), at("2026-06-01T03:00Z")) == (
        OnCall("Ada", "PSCHED1", at("2026-06-01T00:00Z"), at("2026-06-01T09:00Z")),
    )


def test_a_layer_counts_from_its_start_to_its_end_and_keeps_its_phase() -> None:
    one = schedule(replace(layer("only", "Ada Bo", start=START + timedelta(days=1, hours=6)), end=START + timedelta(days=3)))
    assert people(one, "2026-06-01T12:00Z") == []
    assert entries(final(one, (), days(0, 5))) == ["Bo 02 06:00 03 00:00", "Ada 03 00:00 04 00:00"]


def test_nobody_is_on_call_in_a_gap_or_before_the_schedule_was_made() -> None:
    one = schedule(layer("only", "Ada", restrictions=DAYTIME))
    assert people(one, "2026-06-01T08:00Z") == []
    assert people(one, "2026-05-31T12:00Z") == []
    assert version_at(one, at("2026-05-31T12:00Z")) is None
    assert [stretch.holders for stretch in timeline(one, (), Span(START - timedelta(days=1), START))] == [()]


def test_a_schedule_without_layers_is_a_gap() -> None:
    assert people(schedule(), START) == []
    assert final(schedule(), (), days(0, 3)) == ()


def test_turns_of_one_person_in_a_row_are_one_entry() -> None:
    one = schedule(layer("only", "Ada Ada Bo"))
    assert entries(final(one, (), days(0, 4))) == ["Ada 01 00:00 03 00:00", "Bo 03 00:00 04 00:00", "Ada 04 00:00 05 00:00"]


def test_restrictions_follow_the_schedules_zone_through_the_year() -> None:
    one = schedule(layer("only", "Ada", restrictions=DAYTIME), zone="America/New_York", since=at("2026-01-01"))
    one = replace(one, versions=(replace(one.versions[0], model=from_layers("America/New_York", [layer("only", "Ada", start=at("2026-01-01"), restrictions=DAYTIME)])),))  # fmt: skip
    assert people(one, "2026-03-07T14:00Z") == ["Ada"]
    assert people(one, "2026-03-08T13:00Z") == ["Ada"]
    assert people(one, "2026-03-08T21:00Z") == []
    assert people(one, "2026-11-01T13:59Z") == []


def test_a_day_that_a_zone_leaves_out_may_hold_the_only_window_of_its_week() -> None:
    """Apia left out Friday, 30 December 2011."""
    friday = layer("only", "Ada", start=at("2011-12-01"), restrictions=(Restriction(5, 0, DAY),))
    one = schedule(friday, layer("low", "Bo", start=at("2011-12-01")), zone="Pacific/Apia", since=at("2011-12-01"))
    one = replace(one, versions=(replace(one.versions[0], model=replace(one.model, rotations=one.model.rotations[::-1])),))
    for instant in ("2011-12-29T12:00Z", "2011-12-30T09:59Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"):
        assert people(one, instant) == ["Bo"], instant
    assert people(schedule(friday, zone="Pacific/Apia", since=at("2011-12-01")), "2011-12-30T09:59Z") == []


def test_coverage_is_the_share_of_the_span_with_somebody_in_it() -> None:
    one = schedule(layer("only", "Ada", restrictions=DAYTIME))
    assert coverage(final(one, (), days(0, 3)), days(0, 3)) == pytest.approx(100 / 3)
    assert coverage((), days(0, 3)) == 0
    assert coverage(final(schedule(layer("only", "Ada Bo")), (), days(0, 3)), days(0, 3)) == 100
    assert coverage((), Span(START, START)) == 0


def test_a_layer_is_rendered_by_itself_even_where_others_hide_it() -> None:
    one = schedule(layer("low", "Ada Bo"), layer("high", "Cy"))
    assert entries(final(only(one, "low"), (), days(-1, 2))) == ["Ada 01 00:00 02 00:00", "Bo 02 00:00 03 00:00"]


def test_entries_reach_beyond_the_span_when_they_may() -> None:
    one = schedule(layer("low", "Ada Bo"), layer("high", "Cy", restrictions=DAYTIME))
    span = Span(at("2026-06-01T10:00Z"), at("2026-06-01T19:00Z"))
    cut = final(one, (), span)
    assert entries(cut) == ["Cy 01 10:00 01 17:00", "Ada 01 17:00 01 19:00"]
    assert entries(overflowing(one, (), cut, span)) == ["Cy 01 09:00 01 17:00", "Ada 01 17:00 02 00:00"]


def test_periods_are_cut_at_hand_offs_and_not_at_the_bounds_of_what_is_asked_for() -> None:
    one = schedule(layer("low", "Ada"), layer("high", "Cy", restrictions=DAYTIME))
    span = Span(at("2026-06-01T10:00Z"), at("2026-06-02T01:00Z"))
    found = [f"{one.user_id} {one.start:%d %H:%M} {one.end:%d %H:%M}" for one in periods(one, (), span)]
    assert found == ["Cy 01 09:00 01 17:00", "Ada 01 17:00 02 00:00", "Ada 02 00:00 02 09:00"]
    assert periods(one, (), Span(span.start, span.start)) == on_call_at(one, (), span.start)


def test_what_an_edit_changes_is_shown_and_nothing_else() -> None:
    before = schedule(layer("only", "Ada Bo"))
    after = replace(before, versions=(*before.versions, Version(2, NOW, revised(before.model, "UTC", (layer("only", "Ada Cy"),), NOW))))
    changed = [f"{one.start:%d %H:%M} {one.end:%d %H:%M} {one.before} {one.after}" for one in differences(before, after, (), days(0, 7))]
    assert changed == ["04 12:00 05 00:00 ('Bo',) ('Ada',)", "05 00:00 06 00:00 ('Ada',) ('Cy',)", "06 00:00 07 00:00 ('Bo',) ('Ada',)", "07 00:00 08 00:00 ('Ada',) ('Cy',)"]  # fmt: skip
    assert differences(before, before, (), days(0, 7)) == ()


# ------------------------------------------------------------------------------------------------------------- overrides


def override(user: str, start: str, end: str, sequence: int = 1) -> Override:
    return Override(f"O{sequence}", at(start), at(end), user, sequence)


def test_an_override_owns_the_slot_and_the_latest_made_wins() -> None:
    one = schedule(layer("low", "Ada Bo"), layer("high", "Cy", restrictions=DAYTIME))
    first = override("Bo", "2026-06-01T08:00Z", "2026-06-01T16:00Z", 1)
    second = override("Dee", "2026-06-01T10:00Z", "2026-06-01T12:00Z", 2)
    assert entries(final(one, (second, first), days(0, 1))) == [
        "Ada 01 00:00 01 08:00", "Bo 01 08:00 01 10:00", "Dee 01 10:00 01 12:00", "Bo 01 12:00 01 16:00",
        "Cy 01 16:00 01 17:00", "Ada 01 17:00 02 00:00",
    ]  # fmt: skip
    assert on_call_at(one, (first, second), at("2026-06-01T14:00Z")) == (
        OnCall("Bo", "PSCHED1", at("2026-06-01T12:00Z"), at("2026-06-01T16:00Z")),
    )
    assert on_call_at(one, (first, second), at("2026-06-01T07:00Z")) == (
        OnCall("Ada", "PSCHED1", at("2026-06-01T00:00Z"), at("2026-06-01T08:00Z")),
    )


def test_an_override_made_earlier_does_not_cut_into_one_made_later() -> None:
    one = schedule(layer("only", "Ada"))
    older = override("Bo", "2026-06-01T10:00Z", "2026-06-01T12:00Z", 1)
    newer = override("Cy", "2026-06-01T08:00Z", "2026-06-01T16:00Z", 2)
    assert on_call_at(one, (older, newer), at("2026-06-01T09:00Z")) == (
        OnCall("Cy", "PSCHED1", at("2026-06-01T08:00Z"), at("2026-06-01T16:00Z")),
    )


def test_an_override_fills_a_gap() -> None:
    one = schedule(layer("only", "Ada", restrictions=DAYTIME))
    assert people(one, "2026-06-01T20:00Z", (override("Bo", "2026-06-01T19:00Z", "2026-06-01T21:00Z"),)) == ["Bo"]


def test_the_overrides_alone_are_shown_as_who_wins_each_moment() -> None:
    first = override("Bo", "2026-06-01T08:00Z", "2026-06-01T16:00Z", 1)
    second = override("Dee", "2026-06-01T10:00Z", "2026-06-01T12:00Z", 2)
    assert entries(final(only(schedule(layer("only", "Ada")), None), (first, second), days(0, 1))) == ["Bo 01 08:00 01 10:00", "Dee 01 10:00 01 12:00", "Bo 01 12:00 01 16:00"]


# ---------------------------------------------------------------------------------------- several people, v3's overrides


def test_rotations_of_one_rank_add_their_people_up() -> None:
    one = of_model(Model("UTC", (rota("A", "Ada", "Bo"), rota("B", "Cy Dee", ""))))
    assert people(one, "2026-06-01T12:00Z") == ["Ada", "Cy", "Dee"]
    assert people(one, "2026-06-02T12:00Z") == ["Bo"]
    assert entries(final(one, (), days(0, 2))) == [
        "Ada 01 00:00 02 00:00", "Cy 01 00:00 02 00:00", "Dee 01 00:00 02 00:00", "Bo 02 00:00 03 00:00",
    ]  # fmt: skip


def test_somebody_on_call_by_two_sources_is_on_call_once() -> None:
    one = of_model(Model("UTC", (rota("A", "Ada"), rota("B", "Ada Bo"))))
    assert people(one, "2026-06-01T12:00Z") == ["Ada", "Bo"]


def test_an_empty_slot_lets_lower_ranks_show_through() -> None:
    one = of_model(Model("UTC", (rota("low", "Ada"), rota("high", "Cy", "", rank=1))))
    assert people(one, "2026-06-01T12:00Z") == ["Cy"]
    assert people(one, "2026-06-02T12:00Z") == ["Ada"]


def test_an_extra_shift_adds_its_people() -> None:
    extra = ExtraShift("X", at("2026-06-01T10:00Z"), at("2026-06-01T12:00Z"), ("Dee",))
    one = of_model(Model("UTC", (rota("A", "Ada"),), (extra,)))
    assert people(one, "2026-06-01T09:00Z") == ["Ada"]
    assert on_call_at(one, (), at("2026-06-01T11:00Z")) == (
        OnCall("Ada", "PSCHED1", at("2026-06-01T00:00Z"), at("2026-06-02T00:00Z")),
        OnCall("Dee", "PSCHED1", at("2026-06-01T10:00Z"), at("2026-06-01T12:00Z")),
    )


def replaced(member: str | None, by: str | None, sequence: int = 1, source: str = "A") -> Replacement:
    return Replacement(f"R{sequence}", source, at("2026-06-01T10:00Z"), at("2026-06-01T12:00Z"), member, by, sequence)


@pytest.mark.parametrize(
    ("replacements", "expected"),
    [
        ((replaced("Ada", "Dee"),), ["Dee", "Bo", "Cy"]),
        ((replaced("Ada", None),), ["Bo", "Cy"]),
        ((replaced("Cy", "Dee"),), ["Ada", "Bo", "Cy"]),  # Cy is not a member of that source
        ((replaced("Cy", "Dee", source="B"),), ["Ada", "Bo", "Dee"]),
        ((replaced("Ada", "Dee", 1), replaced("Ada", "Eve", 2)), ["Eve", "Bo", "Cy"]),
        ((replaced("Ada", "Eve", 2), replaced("Ada", "Dee", 1)), ["Eve", "Bo", "Cy"]),
        ((replaced("Ada", "Bo"),), ["Bo", "Cy"]),
        ((replaced(None, "Dee"),), ["Ada", "Bo", "Cy"]),  # no empty slot there
    ],
)
def test_a_replacement_takes_the_place_of_one_member_of_one_source(
    replacements: tuple[Replacement, ...], expected: list[str]
) -> None:
    one = of_model(Model("UTC", (rota("A", "Ada Bo"), rota("B", "Cy")), (), replacements))
    assert people(one, "2026-06-01T11:00Z") == expected
    assert people(one, "2026-06-01T12:00Z") == ["Ada", "Bo", "Cy"]


def test_a_replacement_fills_an_empty_slot() -> None:
    one = of_model(Model("UTC", (rota("A", ""),), (), (replaced(None, "Dee"),)))
    assert people(one, "2026-06-01T09:00Z") == []
    assert on_call_at(one, (), at("2026-06-01T11:00Z")) == (
        OnCall("Dee", "PSCHED1", at("2026-06-01T10:00Z"), at("2026-06-01T12:00Z")),
    )
    (holder,) = timeline(one, (), Span(at("2026-06-01T10:00Z"), at("2026-06-01T12:00Z")))[0].holders
    assert (holder.source_id, holder.replacement_id) == ("A", "R1")


def test_every_user_a_model_names_is_known() -> None:
    extra = ExtraShift("X", START, START + timedelta(hours=1), ("Dee",))
    model = Model("UTC", (rota("A", "Ada Bo", ""),), (extra,), (replaced("Ada", "Eve"), replaced("Bo", None, 2)))
    assert named_users(model) == {"Ada", "Bo", "Dee", "Eve"}


# ------------------------------------------------------------------------------------------------------ v2 as a view


def test_layers_become_a_model_and_come_back_as_they_were() -> None:
    layers = (layer("low", "Ada Bo Ada", turn=WEEK), layer("high", "Cy", turn=12 * HOUR, restrictions=DAYTIME))
    assert to_layers(from_layers("Europe/Paris", layers)) == layers


@pytest.mark.parametrize(
    "model",
    [
        Model("UTC", (rota("A", "Ada Bo"),)),
        Model("UTC", (rota("A", ""),)),
        Model("UTC", (rota("A", "Ada"), rota("B", "Bo"))),
        Model("UTC", (), (ExtraShift("X", START, START, ("Ada",)),)),
        Model("UTC", (), (), (replaced("Ada", "Bo"),)),
    ],
)
def test_what_layers_cannot_say_is_not_shown_as_layers(model: Model) -> None:
    assert not is_layered(model)
    with pytest.raises(ValueError, match="layers cannot say"):
        to_layers(model)


NOW = at("2026-06-04T12:00Z")  # turn 3 of a daily rotation from START


@pytest.mark.parametrize(
    ("before", "after", "on_call", "next_day"),
    [
        ("Ada Bo Cy", "Ada Bo Cy Dee", "Ada", "Bo"),
        ("Ada Bo Cy Dee", "Ada Bo Dee", "Dee", "Ada"),
        ("Ada Bo Cy Dee", "Ada Bo Cy", "Ada", "Bo"),  # Dee was on call and is gone: the next of the old order
        ("Ada Bo Cy", "Cy Bo Ada", "Ada", "Cy"),
        ("Ada Bo Cy", "Dee Eve", "Eve", "Dee"),  # nobody is left: the order begins anew
        ("Ada Bo Ada Cy", "Ada Bo Ada Cy Dee", "Cy", "Dee"),
        ("Ada Ada Bo", "Ada Ada Bo Cy", "Ada", "Ada"),  # Ada's first of two turns stays the first of two
    ],
)
def test_adding_and_removing_people_leaves_the_one_on_call_on_call(
    before: str, after: str, on_call: str, next_day: str
) -> None:
    model = from_layers("UTC", (layer("only", before),))
    edited = of_model(revised(model, "UTC", (layer("only", after),), NOW))
    assert people(edited, NOW) == [on_call]
    assert people(edited, NOW + timedelta(days=1)) == [next_day]


def test_an_update_that_says_the_same_changes_nothing() -> None:
    model = from_layers("UTC", (layer("only", "Ada Bo Cy"),))
    model = revised(model, "UTC", (layer("only", "Ada Bo Cy Dee"),), NOW)
    assert revised(model, "UTC", to_layers(model), NOW + timedelta(days=9)) == model


def test_a_changed_turn_begins_the_order_anew_as_the_client_asked() -> None:
    model = from_layers("UTC", (layer("only", "Ada Bo Cy"),))
    model = revised(model, "UTC", (layer("only", "Ada Bo Cy Dee"),), NOW)
    weekly = of_model(revised(model, "UTC", (layer("only", "Ada Bo Cy Dee", turn=WEEK),), NOW))
    assert people(weekly, NOW) == ["Ada"]


@pytest.mark.parametrize(
    ("named", "order"),
    [
        ("A B C", "A B C"),
        ("A", "A B C"),
        ("C A", "C A B"),
        ("A N", "A B C N"),
        ("", "A B C"),
        ("B", "A B C"),
        ("C", "A B C"),
        ("N A B C", "N A B C"),
    ],
)
def test_a_layer_that_an_update_does_not_name_stays_on_the_one_it_stood_on(named: str, order: str) -> None:
    model = from_layers("UTC", [layer(name, "Ada") for name in "ABC"])
    edited = revised(model, "UTC", [layer(name, "Ada") for name in named.split()], NOW)
    assert " ".join(rotation.id for rotation in edited.rotations) == order


# --------------------------------------------------------------------------------------------------------------- history


def test_an_edit_changes_nothing_before_it() -> None:
    old = from_layers("UTC", (layer("only", "Ada Bo"),))
    edited = Schedule("PSCHED1", "First line", (Version(1, START, old), Version(2, NOW, from_layers("UTC", (layer("only", "Cy"),)))))
    assert entries(final(edited, (), days(2, 5))) == ["Ada 03 00:00 04 00:00", "Bo 04 00:00 04 12:00", "Cy 04 12:00 06 00:00"]
    assert on_call_at(edited, (), NOW - timedelta(hours=1))[0].end == NOW
    assert on_call_at(edited, (), NOW)[0].start == NOW


def edited_at(*edits: tuple[str, Model]) -> Schedule:
    return Schedule("PSCHED1", "First line", tuple(Version(number, at(instant), model) for number, (instant, model) in enumerate(edits, start=1)))


def told(found: Sequence[OnCall]) -> list[str]:
    return [f"{one.user_id} {one.start:%d %H:%M} {one.end:%d %H:%M}" for one in found]


def test_an_edit_that_leaves_somebody_on_call_does_not_cut_their_period() -> None:
    plain = Model("UTC", (rota("A", "Ada", "Bo"), rota("B", "Cy")))
    more = replace(plain, rotations=(*plain.rotations, rota("C", "Dee")))
    one = edited_at(("2026-06-01", plain), ("2026-06-02T09:00Z", more), ("2026-06-02T12:00Z", plain), ("2026-06-02T12:00Z", more))
    for instant in ("2026-06-02T08:00Z", "2026-06-02T09:00Z", "2026-06-02T11:59Z", "2026-06-02T12:00Z", "2026-06-02T23:00Z"):
        assert {"Bo 02 00:00 03 00:00", "Cy 02 00:00 03 00:00"} <= set(told(on_call_at(one, (), at(instant)))), instant
    assert told(on_call_at(one, (), at("2026-06-02T18:00Z")))[2:] == ["Dee 02 09:00 03 00:00"]
    assert told(periods(one, (), Span(at("2026-06-02T06:00Z"), at("2026-06-02T18:00Z")))) == [
        "Bo 02 00:00 03 00:00", "Cy 02 00:00 03 00:00", "Dee 02 09:00 03 00:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((rota("A", "Ada"),), (rota("A", "Ada", turn=2 * DAY),), "Ada 01 00:00 03 00:00"),  # the shift is made longer
        ((rota("A", "Ada"),), (rota("B", "Ada"),), "Ada 01 12:00 02 00:00"),  # of another rotation: another shift
        ((rota("A", "Ada", turn=12 * HOUR),), (rota("A", "Ada"),), "Ada 01 12:00 02 00:00"),  # the old one ended just there
        ((rota("A", "Ada"),), (rota("A", "Ada", turn=12 * HOUR),), "Ada 01 12:00 02 00:00"),  # the new one begins just there
        ((rota("A", "Bo"),), (rota("A", "Ada"),), "Ada 01 12:00 02 00:00"),
        ((), (rota("A", "Ada"),), "Ada 01 12:00 02 00:00"),
    ],
)
def test_a_period_is_cut_where_an_edit_changes_hands(before: tuple[Rotation, ...], after: tuple[Rotation, ...], expected: str) -> None:
    one = edited_at(("2026-06-01", Model("UTC", before)), ("2026-06-01T12:00Z", Model("UTC", after)))
    assert expected in told(on_call_at(one, (), at("2026-06-01T18:00Z")))
    goes_on = expected == "Ada 01 00:00 03 00:00"
    for period in on_call_at(one, (), at("2026-06-01T06:00Z")):  # it is told so from before the edit too
        assert (period.end > at("2026-06-01T12:00Z")) == goes_on


def test_a_second_source_is_not_cut_by_an_edit_while_the_first_one_names_the_same_person() -> None:
    plain = Model("UTC", (rota("A", "Ada", "Bo", turn=12 * HOUR), rota("B", "Ada")))
    one = edited_at(("2026-06-01", plain), ("2026-06-01T06:00Z", replace(plain, rotations=(*plain.rotations, rota("C", "Cy")))))
    assert "Ada 01 00:00 02 00:00" in told(on_call_at(one, (), at("2026-06-01T18:00Z")))


def test_what_was_over_before_an_edit_is_not_taken_back_by_it() -> None:
    """A version does not name replacements and extra shifts that were over when it was made."""
    shift = rota("A", "Ada")
    one = edited_at(
        ("2026-06-01", Model("UTC", (shift,), (), (replaced("Ada", "Bo"),))), ("2026-06-01T15:00Z", Model("UTC", (shift,)))
    )
    assert told(on_call_at(one, (), at("2026-06-01T18:00Z"))) == ["Ada 01 12:00 02 00:00"]
    assert told(on_call_at(one, (), at("2026-06-01T11:00Z"))) == ["Bo 01 10:00 01 12:00"]


def test_an_edit_under_an_override_does_not_cut_it_and_what_comes_after_begins_at_its_end() -> None:
    one = edited_at(("2026-06-01", Model("UTC", (rota("A", "Ada"),))), ("2026-06-01T12:00Z", Model("UTC", (rota("A", "Ada", "Cy"),))))
    owned = (override("Bo", "2026-06-01T11:00Z", "2026-06-01T13:00Z"),)
    assert told(on_call_at(one, owned, at("2026-06-01T12:30Z"))) == ["Bo 01 11:00 01 13:00"]
    assert told(on_call_at(one, owned, at("2026-06-01T14:00Z"))) == ["Ada 01 13:00 02 00:00"]
    assert told(on_call_at(one, (override("Bo", "2026-05-30", "2026-06-01T13:00Z"),), at("2026-06-01T12:30Z"))) == ["Bo 01 00:00 01 13:00"]


def test_who_comes_to_be_on_call_by_a_second_source_is_told_for_all_of_the_time() -> None:
    one = of_model(Model("UTC", (rota("A", "Ada", "Bo", turn=12 * HOUR), rota("B", "Ada"))))
    assert told(periods(one, (), days(0, 1))) == ["Ada 01 00:00 01 12:00", "Bo 01 12:00 02 00:00", "Ada 01 12:00 02 00:00"]


ANY_LAYER = st.builds(
    lambda name, users, turn, quarters, hours, restrictions: (name, users, turn, quarters, hours, restrictions),
    st.sampled_from("ABC"),
    st.lists(st.sampled_from(["Ada", "Bo", "Cy", "Dee"]), min_size=1, max_size=4).map(tuple),
    st.sampled_from([HOUR, 12 * HOUR, DAY, WEEK]),
    st.integers(-500, 500),
    st.integers(-60, 60),
    ANY_RESTRICTIONS,
)


def layers_of(drawn: Sequence[tuple[str, tuple[str, ...], int, int, int, tuple[Restriction, ...]]], change: datetime) -> list[Layer]:
    return [
        Layer(name, name, change + timedelta(hours=hours), None, change + timedelta(minutes=15 * quarters), turn, users, windows)
        for name, users, turn, quarters, hours, windows in {one[0]: one for one in drawn}.values()
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES_AND_CHANGES),
    st.lists(ANY_LAYER, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(1, 900), st.sampled_from(["Ada", "Eve"])), max_size=3),
    st.lists(st.integers(-3 * 1440, 3 * 1440), min_size=1, max_size=10),
)
def test_layers_and_overrides_say_the_same_as_the_second_opinion(
    place: tuple[str, str],
    drawn: list[tuple[str, tuple[str, ...], int, int, int, tuple[Restriction, ...]]],
    drawn_overrides: list[tuple[int, int, str]],
    minutes: list[int],
) -> None:
    change = at(place[1])
    one = schedule(*layers_of(drawn, change), zone=place[0], since=change - timedelta(days=2))
    overrides = [
        Override(f"O{number}", change + timedelta(minutes=start), change + timedelta(minutes=start + length), user, number)
        for number, (start, length, user) in enumerate(drawn_overrides)
    ]
    assert_all_agree(one, overrides, change, minutes)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES_AND_CHANGES),
    st.lists(st.tuples(st.lists(st.sampled_from([(), ("Ada",), ("Bo", "Cy"), ("Dee", "Ada")]), min_size=1, max_size=3),
                       st.integers(0, 1), st.sampled_from([5 * HOUR, DAY])), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(1, 2000)), max_size=2),
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(1, 2000), st.sampled_from("012X"),
                       st.sampled_from([None, "Ada", "Bo", "Dee"]), st.sampled_from([None, "Eve", "Bo"])), max_size=4),
    st.lists(st.integers(-3 * 1440, 3 * 1440), min_size=1, max_size=10),
)  # fmt: skip
def test_people_side_by_side_say_the_same_as_the_second_opinion(
    place: tuple[str, str],
    rotations: list[tuple[list[tuple[str, ...]], int, int]],
    extras: list[tuple[int, int]],
    swaps: list[tuple[int, int, str, str | None, str | None]],
    minutes: list[int],
) -> None:
    change = at(place[1])

    def moment(minute: int) -> datetime:
        return change + timedelta(minutes=minute)

    model = Model(
        place[0],
        tuple(
            Rotation(str(number), "", (RecurringShift(str(number), "", Turns(change, turn), moment(-4000), None, tuple(slots)),), rank)
            for number, (slots, rank, turn) in enumerate(rotations)
        ),
        tuple(ExtraShift("X", moment(start), moment(start + length), ("Eve", "Dee")) for start, length in extras[:1]),
        tuple(
            Replacement(f"R{number}", source, moment(start), moment(start + length), member, by, number)
            for number, (start, length, source, member, by) in enumerate(swaps)
        ),
    )
    assert_all_agree(Schedule("P", "", (Version(1, change - timedelta(days=3), model),)), (), change, minutes)


def assert_all_agree(one: Schedule, overrides: Sequence[Override], change: datetime, minutes: list[int]) -> None:
    """`on_call_at`, `timeline` and `final` against the second opinion, at these minutes and at each change of hands."""
    span = Span(change - timedelta(days=3), change + timedelta(days=3, minutes=1))
    stretches = timeline(one, overrides, span)
    assert [stretch.start for stretch in stretches[1:]] == [stretch.end for stretch in stretches[:-1]]
    assert (stretches[0].start, stretches[-1].end) == (span.start, span.end)
    found = final(one, overrides, span)
    for instant in [change + timedelta(minutes=minute) for minute in minutes] + [stretch.start for stretch in stretches[:40]]:
        expected = brute_force.people_at(one, overrides, instant)
        on_call = on_call_at(one, overrides, instant)
        assert {period.user_id for period in on_call} == expected, instant
        assert {entry.user_id for entry in found if entry.start <= instant < entry.end} == expected, instant
        (stretch,) = [stretch for stretch in stretches if stretch.start <= instant < stretch.end]
        assert {holder.user_id for holder in stretch.holders} == expected, instant
        for period in on_call:
            assert period.start <= instant < period.end
            for edge in (period.start, period.end - timedelta(minutes=1)):
                assert period.user_id in brute_force.people_at(one, overrides, edge), (instant, period)


ANY_ROTATION = st.tuples(
    st.sampled_from("AB"),
    st.lists(st.sampled_from(["Ada", "Bo", "Cy Ada", ""]), min_size=1, max_size=2),
    st.sampled_from([5 * HOUR, DAY, 2 * DAY]),
    st.integers(0, 1),
)
ANY_EDIT = st.tuples(
    st.lists(ANY_ROTATION, max_size=3),
    st.lists(st.tuples(st.integers(-1500, 2500), st.integers(1, 1500), st.sampled_from(["A", "B", "X"]), st.sampled_from([None, "Ada", "Bo"])), max_size=2),
    st.booleans(),
    st.one_of(st.sampled_from([0, 60, 300, 720]), st.integers(1, 900)),
)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES_AND_CHANGES),
    st.lists(ANY_EDIT, min_size=2, max_size=6),
    st.lists(st.tuples(st.integers(-1500, 1500), st.integers(1, 900)), max_size=1),
    st.lists(st.integers(-2000, 3000), min_size=1, max_size=5),
)
def test_a_period_goes_on_across_an_edit_exactly_where_the_second_opinion_says_so(
    place: tuple[str, str],
    edits: list[tuple[list[tuple[str, list[str], int, int]], list[tuple[int, int, str, str | None]], bool, int]],
    owned: list[tuple[int, int]],
    minutes: list[int],
) -> None:
    change = at(place[1])
    versions: list[Version] = []
    now = change - timedelta(days=1)
    rotations: dict[str, Rotation] = {}
    for number, (drawn, swaps, has_extra, later) in enumerate(edits, start=1):  # an edit changes what it names, the rest stays
        for name, slots, turn, rank in drawn:
            shift = RecurringShift(name, name, Turns(change, turn), change - timedelta(days=9), None, tuple(tuple(slot.split()) for slot in slots))
            rotations[name] = Rotation(name, name, (shift,), rank)
        extras = (ExtraShift("X", change - timedelta(hours=9), change + timedelta(hours=9), ("Bo", "Dee")),) if has_extra else ()
        replacements = tuple(
            Replacement(f"R{which}", source, change + timedelta(minutes=start), change + timedelta(minutes=start + length), member, "Eve", which)
            for which, (start, length, source, member) in enumerate(swaps)
        )
        versions.append(Version(number, now, Model(place[0], tuple(rotations.values()), extras, replacements)))
        now += timedelta(minutes=later)
    one = Schedule("P", "", tuple(versions))
    overrides = [
        Override(f"O{number}", change + timedelta(minutes=start), change + timedelta(minutes=start + length), "Ada", number)
        for number, (start, length) in enumerate(owned)
    ]
    ruling = [version for version in versions if version_at(one, version.effective_at) == version]

    def source_at(instant: datetime, user: str) -> str:
        if any(own.start <= instant < own.end for own in overrides):
            return "override"
        version = version_at(one, instant)
        assert version is not None
        return next(source for who, source in brute_force.grounds_of(version.model, instant) if who == user)

    for instant in [change + timedelta(minutes=minute) for minute in minutes] + [version.effective_at for version in ruling]:
        for period in on_call_at(one, overrides, instant):
            source = source_at(instant, period.user_id)
            for moment in (period.start, period.end - timedelta(microseconds=1)):  # all of a period says the same of it
                assert period in on_call_at(one, overrides, moment) or source_at(moment, period.user_id) != source
            for old, new in pairwise(ruling):
                edge = new.effective_at
                if period.start <= edge <= period.end and not any(own.start <= edge <= own.end for own in overrides):
                    expected = brute_force.outlives(old.model, new.model, edge, period.user_id, source)
                    assert (period.start < edge < period.end) == expected, (edge, period)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(ZONES_AND_CHANGES),
    st.lists(st.tuples(st.lists(ANY_LAYER, min_size=0, max_size=3), st.integers(1, 2000)), min_size=1, max_size=5),
    st.lists(st.integers(-3 * 1440, 5 * 1440), min_size=1, max_size=10),
)
def test_no_edit_ever_changes_the_answer_for_an_instant_before_it(
    place: tuple[str, str],
    edits: list[tuple[list[tuple[str, tuple[str, ...], int, int, int, tuple[Restriction, ...]]], int]],
    minutes: list[int],
) -> None:
    change = at(place[1])
    now = change - timedelta(days=2)
    one = schedule(layer("A", "Ada Bo", start=now), zone=place[0], since=now)
    for number, (drawn, later) in enumerate(edits, start=2):
        now += timedelta(minutes=later)
        model = revised(one.model, place[0], layers_of(drawn, change), now)
        edited = replace(one, versions=(*one.versions, Version(number, now, model)))
        assert {rotation.id for rotation in one.model.rotations} <= {rotation.id for rotation in model.rotations}
        past = [change + timedelta(minutes=minute) for minute in minutes]
        for instant in [moment for moment in past if moment < now] + [now - timedelta(microseconds=1)]:
            assert people(edited, instant) == people(one, instant)
        one = edited


def test_a_zone_of_the_wall_is_taken_from_the_schedule_not_from_the_machine() -> None:
    monday_in_auckland = schedule(layer("only", "Ada", restrictions=(Restriction(1, 0, DAY),)), zone="Pacific/Auckland")
    assert people(monday_in_auckland, "2026-06-07T11:59Z") == []
    assert people(monday_in_auckland, "2026-06-07T12:00Z") == ["Ada"]
    assert at("2026-06-07T12:00Z").astimezone(ZoneInfo("Pacific/Auckland")).weekday() == 0
