"""The proof of who is reached: gaps, late and empty levels, round robins, people at two places; and a second opinion by the minute."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.test_schedule import DAYTIME, START, layer, schedule
from tocsin.base.times import Span
from tocsin.core.alert import SupportHours, UrgencyRule
from tocsin.core.coverage import (
    WAIT_MOST,
    Cause,
    Double,
    Kind,
    People,
    Person,
    Reached,
    beyond,
    by_urgency,
    covered_share,
    doubles,
    gaps,
    low_urgency,
    prove,
)
from tocsin.core.escalation import Policy, Rule, Strategy, Target
from tocsin.core.schedule import Entry, Holder, Override, Schedule, Stretch, final, timeline

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AT_ONCE = timedelta()
WEEK = Span(START, START + timedelta(days=7))


def person(name: str, first_page: timedelta | None = AT_ONCE, kept_off: str = "") -> Person:
    return Person(name, name, first_page, kept_off)


def level(*targets: str, after: int = 30, ring: bool = False) -> Rule:
    """A level; names of schedules begin with `@`."""
    named = tuple(Target("schedule", name[1:]) if name.startswith("@") else Target("user", name) for name in targets)
    return Rule("|".join(targets), after, named, Strategy.ROUND_ROBIN if ring else Strategy.EVERYONE)


def policy(*rules: Rule, loops: int = 0) -> Policy:
    return Policy("PPOLICY", "Shop", rules, loops)


def proven(
    one: Policy, schedules: Mapping[str, Schedule], *people: Person, span: Span = WEEK, overrides: Sequence[Override] = ()
) -> tuple[Reached, ...]:
    reach = Span(span.start, span.end + WAIT_MOST)
    lines = {id_: timeline(found, overrides, reach) for id_, found in schedules.items()}
    known = {name: person(name) for name in ("Ada", "Bo", "Cy")} | {one.id: one for one in people}
    return prove(one, lines, People(known.values()), {id_: id_.capitalize() for id_ in schedules}, span)


def told(found: Sequence[Reached]) -> list[str]:
    return [f"{one.start:%d %H:%M} {one.end:%d %H:%M} {'nobody' if one.wait is None else one.wait // MINUTE}" for one in found]


def test_a_policy_that_always_has_somebody_has_one_answer_for_the_whole_span() -> None:
    found = proven(policy(level("@days")), {"days": schedule(layer("only", "Ada Bo Cy"))})
    assert found == (Reached(WEEK.start, WEEK.end, AT_ONCE),)
    assert covered_share(found) == 100


def test_a_gap_in_the_only_schedule_is_found_to_the_second_with_its_reason() -> None:
    found = proven(policy(level("@days")), {"days": schedule(layer("only", "Ada", restrictions=DAYTIME))}, span=Span(START, START + DAY))
    assert told(found) == ["01 00:00 01 09:00 nobody", "01 09:00 01 17:00 0", "01 17:00 02 00:00 nobody"]
    (cause,) = found[0].causes
    assert (cause.kind, cause.level, cause.about, cause.words) == (Kind.GAP, 1, "days", "nobody is on call on Days")
    assert covered_share(found) == pytest.approx(100 / 3)


def test_a_gap_on_the_first_level_is_no_gap_of_the_policy_and_is_still_told() -> None:
    days = schedule(layer("only", "Ada", restrictions=DAYTIME))
    found = proven(policy(level("@days"), level("Bo")), {"days": days}, span=Span(START, START + DAY))
    assert [(one.wait, [cause.kind for cause in one.causes]) for one in found] == [
        (AT_ONCE, [Kind.GAP]), (AT_ONCE, []), (AT_ONCE, [Kind.GAP]),
    ]  # fmt: skip
    assert gaps(found) == ()


def test_somebody_without_a_contact_method_costs_the_time_of_their_level() -> None:
    found = proven(policy(level("Ada", after=20), level("Bo")), {}, person("Ada", None))
    assert told(found) == ["01 00:00 08 00:00 20"]
    assert found[0].causes[0].words == "Ada has no contact method that can be used"


def test_nobody_is_reached_when_the_last_level_cannot_be() -> None:
    found = proven(policy(level("Ada"), loops=2), {}, person("Ada", None))
    assert [(one.wait, one.causes[0].kind) for one in found] == [(None, Kind.NO_WAY)]


def test_one_who_can_be_reached_is_enough_for_a_level() -> None:
    assert told(proven(policy(level("Ada", "Bo")), {}, person("Ada", None))) == ["01 00:00 08 00:00 0"]


def test_a_disabled_person_an_empty_level_and_a_deleted_schedule_are_named() -> None:
    found = proven(policy(level("Ada"), level(), level("@gone")), {}, person("Ada", AT_ONCE, "Ada's account is disabled"))
    assert [(cause.kind, cause.level, cause.words) for cause in found[0].causes] == [
        (Kind.CANNOT_BE_PAGED, 1, "Ada's account is disabled"),
        (Kind.EMPTY_LEVEL, 2, "the level names nobody"),
        (Kind.NO_SCHEDULE, 3, "schedule gone no longer exists"),
    ]
    assert found[0].is_gap


def test_a_first_page_that_leaves_after_the_level_is_over_reaches_nobody() -> None:
    late = person("Ada", 45 * MINUTE)
    found = proven(policy(level("Ada", after=30), level("Bo")), {}, late)
    assert (told(found), found[0].causes[0].kind) == (["01 00:00 08 00:00 30"], Kind.TOO_LATE)
    assert told(proven(policy(level("Ada", after=60), level("Bo")), {}, late)) == ["01 00:00 08 00:00 45"]


def test_on_the_last_level_a_late_page_still_leaves() -> None:
    assert told(proven(policy(level("Ada", after=30)), {}, person("Ada", 45 * MINUTE))) == ["01 00:00 08 00:00 45"]


def test_the_level_above_is_asked_who_is_there_when_the_incident_gets_to_it() -> None:
    nights = schedule(layer("only", "Bo", restrictions=DAYTIME))
    found = proven(policy(level("Ada", after=60), level("@nights")), {"nights": nights}, person("Ada", None), span=Span(START, START + DAY))
    assert told(found) == ["01 00:00 01 08:00 nobody", "01 08:00 01 16:00 60", "01 16:00 02 00:00 nobody"]


def test_a_repeat_finds_who_has_come_on_call_meanwhile() -> None:
    late = schedule(layer("only", "Bo", start=START + 90 * MINUTE))
    found = proven(policy(level("Ada", "@late", after=60), loops=1), {"late": late}, person("Ada", None), span=Span(START, START + 2 * HOUR))
    assert told(found) == ["01 00:00 01 00:30 nobody", "01 00:30 01 01:30 60", "01 01:30 01 02:00 0"]


def test_of_a_round_robin_the_worst_turn_is_told() -> None:
    found = proven(policy(level("Ada", "Bo", "Cy", after=10, ring=True)), {}, person("Ada", None), person("Bo", None))
    assert told(found) == ["01 00:00 08 00:00 20"]
    assert told(proven(policy(level("Ada", "Bo", ring=True)), {})) == ["01 00:00 08 00:00 0"]


def test_the_worst_turn_need_not_be_the_first_of_the_ring() -> None:
    mute = [person(name, None) for name in ("Ada", "Bo", "Dee")]
    assert told(proven(policy(level("Ada", "Cy", "Bo", "Dee", after=10, ring=True)), {}, *mute)) == ["01 00:00 08 00:00 30"]


def test_when_the_holder_has_left_the_ring_any_of_it_may_be_next() -> None:
    mute = [person(name, None) for name in ("Ada", "Bo", "Cy")]
    first = replace(layer("first", "Ada"), end=START + 5 * MINUTE)
    rota = {"rota": schedule(first, layer("then", "Dee", start=START + 5 * MINUTE))}
    ring = policy(level("@rota", "Bo", "Cy", after=10, ring=True))
    found = proven(ring, rota, *mute, person("Dee"), span=Span(START, START + 10 * MINUTE))
    assert told(found) == ["01 00:00 01 00:05 nobody", "01 00:05 01 00:10 20"]


def test_a_page_that_leaves_as_the_level_ends_is_not_counted_on() -> None:
    found = proven(policy(level("Ada", after=45), level("Bo")), {}, person("Ada", 45 * MINUTE), person("Bo", None))
    assert [one.is_gap for one in found] == [True]


def test_a_long_ladder_of_rings_that_reach_nobody_is_proven_quickly() -> None:
    names = [f"U{number}" for number in range(10)]
    ring = policy(*[level(*names, after=1, ring=True) for _ in range(20)], loops=2)
    found = proven(ring, {}, *[person(name, None) for name in names])
    assert [one.wait for one in found] == [None]


def test_a_policy_without_levels_reaches_nobody() -> None:
    assert [one.is_gap for one in proven(policy(), {})] == [True]


def test_an_override_closes_a_gap() -> None:
    days = {"days": schedule(layer("only", "Ada", restrictions=DAYTIME))}
    over = Override("PO1", START, START + 9 * HOUR, "Bo", 1)
    found = proven(policy(level("@days")), days, span=Span(START, START + 12 * HOUR), overrides=(over,))
    assert told(found) == ["01 00:00 01 12:00 0"]


def test_waiting_longer_than_the_longest_wait_counts_as_nobody() -> None:
    slow = [level("Ada", after=1440) for _ in range(8)]
    assert [one.is_gap for one in proven(policy(*slow, level("Bo")), {}, person("Ada", None))] == [True]
    assert [one.is_gap for one in proven(policy(*slow[:7], level("Bo")), {}, person("Ada", None))] == [False]


SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=5)


@given(SPANS, SPANS)
def test_what_is_beyond_other_gaps_is_what_no_minute_of_them_covers(these: list[tuple[int, int]], those: list[tuple[int, int]]) -> None:
    def apart(spans: list[tuple[int, int]]) -> list[Reached]:
        found: list[Reached] = []
        for start, length in sorted(spans):
            if not found or START + start * MINUTE >= found[-1].end:
                found.append(Reached(START + start * MINUTE, START + (start + length) * MINUTE, None))
        return found

    def minutes(found: Sequence[Reached]) -> set[datetime]:
        return {START + at * MINUTE for at in range(30) for one in found if one.start <= START + at * MINUTE < one.end}

    first, second = apart(these), apart(those)
    assert minutes(beyond(first, second)) == minutes(first) - minutes(second)
    assert all(before.end <= after.start for before, after in pairwise(beyond(first, second)))


# ---------------------------------------------------------------------------------------------------------- low urgency

OFFICE = UrgencyRule("high", "low", SupportHours("Europe/Berlin", time(9), time(17), (1, 2, 3, 4, 5)))
QUIET = Cause(Kind.LOW_URGENCY, 0, "PS1", "incidents of Shop are of low urgency then")


def test_an_incident_of_low_urgency_stays_with_the_first_level_that_has_somebody() -> None:
    one = policy(level("@days", after=10), level("Bo"))
    days = {"days": timeline(schedule(layer("only", "Ada", restrictions=DAYTIME)), (), Span(START, START + DAY + WAIT_MOST))}
    slow = People([person("Ada", 45 * MINUTE), person("Bo"), person("Cy")])
    found = prove(one, days, slow, {}, Span(START, START + DAY), escalates=False)
    assert told(found) == ["01 00:00 01 09:00 0", "01 09:00 01 17:00 45", "01 17:00 02 00:00 0"]
    mute = People([person("Ada", None), person("Bo"), person("Cy")])
    found = prove(one, days, mute, {}, Span(START, START + DAY), escalates=False)
    assert [one.is_gap for one in found] == [False, True, False]


def test_outside_support_hours_incidents_are_of_low_urgency() -> None:
    friday = datetime(2026, 11, 27, tzinfo=UTC)
    assert low_urgency(OFFICE, Span(friday, friday + 4 * DAY)) == (
        Span(friday, friday + 8 * HOUR),
        Span(friday + 16 * HOUR, friday + 3 * DAY + 8 * HOUR),
        Span(friday + 3 * DAY + 16 * HOUR, friday + 4 * DAY),
    )
    week = Span(friday, friday + 7 * DAY)
    assert (low_urgency(UrgencyRule("low"), week), low_urgency(UrgencyRule("severity_based"), week)) == ((week,), ())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "UTC"]),
    st.integers(0, 95), st.integers(0, 95), st.sets(st.integers(1, 7), min_size=1), st.sampled_from([(3, 28), (10, 24), (4, 3), (10, 3), (3, 7), (11, 1)]),
)  # fmt: skip
@example("Europe/Berlin", 10, 20, {1, 2, 3, 4, 5, 6, 7}, (3, 28))  # they begin at 02:30, which is left out that night
@example("Europe/Berlin", 10, 20, {1, 2, 3, 4, 5, 6, 7}, (10, 24))  # they begin at 02:30, which comes twice that night
def test_low_urgency_is_what_each_minute_by_itself_says_over_changed_clocks_too(
    zone: str, first: int, last: int, weekdays: set[int], day: tuple[int, int]
) -> None:
    hours = SupportHours(zone, time(first // 4, first % 4 * 15), time(last // 4, last % 4 * 15), tuple(weekdays))
    start = datetime(2026, *day, 5, 30, tzinfo=UTC)
    found = low_urgency(UrgencyRule("high", "low", hours), Span(start, start + 3 * DAY))
    for minute in range(0, 3 * 24 * 60, 15):
        now = start + minute * MINUTE
        assert any(one.start <= now < one.end for one in found) == (now not in hours), now
    assert all(before.end < after.start for before, after in pairwise(found))


def test_a_service_is_proven_by_the_urgency_of_its_incidents() -> None:
    span = Span(START, START + DAY)
    high = (Reached(START, START + 6 * HOUR, AT_ONCE), Reached(START + 6 * HOUR, START + DAY, None))
    low = (Reached(START, START + 12 * HOUR, 8 * HOUR), Reached(START + 12 * HOUR, START + DAY, AT_ONCE))
    found = by_urgency(high, low, [Span(START + 3 * HOUR, START + 20 * HOUR)], QUIET)
    assert [(one.start, one.end) for one in (found[0], found[-1])] == [(span.start, START + 3 * HOUR), (START + 20 * HOUR, span.end)]
    assert [(one.wait, [cause.kind for cause in one.causes]) for one in found] == [
        (AT_ONCE, []), (8 * HOUR, [Kind.LOW_URGENCY]), (8 * HOUR, []), (AT_ONCE, []), (None, []),
    ]  # fmt: skip


def test_somebody_on_two_schedules_at_once_is_found_for_just_that_time() -> None:
    def entry(first: int, last: int, who: str = "Ada") -> Entry:
        return Entry(START + first * HOUR, START + last * HOUR, who)

    found = doubles({"a": [entry(0, 4), entry(6, 9)], "b": [entry(2, 7), entry(7, 8, "Bo")], "c": [entry(3, 4), entry(9, 10)]})
    assert found == (
        Double("Ada", START + 2 * HOUR, START + 3 * HOUR, ("a", "b")),
        Double("Ada", START + 3 * HOUR, START + 4 * HOUR, ("a", "b", "c")),
        Double("Ada", START + 6 * HOUR, START + 7 * HOUR, ("a", "b")),
    )


def test_real_rotas_of_one_person_overlap_where_their_entries_do() -> None:
    rotas = {"days": schedule(layer("only", "Ada Bo")), "desk": schedule(layer("only", "Ada", restrictions=DAYTIME))}
    found = doubles({id_: final(one, (), Span(START, START + 2 * DAY)) for id_, one in rotas.items()})
    assert [(one.start, one.end) for one in found] == [(START + 9 * HOUR, START + 17 * HOUR)]


# ------------------------------------------------------------------------------------------ a second opinion, by the minute

LENGTH = 240
"""Minutes of the made-up span; everything happens on whole minutes."""
NAMES = ("Ada", "Bo", "Cy")
SCHEDULES = ("s1", "s2")


class ByTheMinute:
    """Follows one incident from the minute it opens, knowing nothing of intervals and nothing of `escalation`."""

    def __init__(
        self, one: Policy, lines: Mapping[str, Sequence[Stretch]], people: Mapping[str, Person], *, escalates: bool = True
    ) -> None:
        self.one, self.lines, self.people, self.escalates = one, lines, people, escalates

    def standing(self, number: int, now: datetime) -> list[str]:
        found: list[str] = []
        for target in self.one.rules[number].targets:
            if target.type == "user":
                found.append(target.id)
            else:
                for stretch in self.lines.get(target.id, ()):
                    if stretch.start <= now < stretch.end:
                        found += [holder.user_id for holder in stretch.holders]
        return [name for name in dict.fromkeys(found) if not self.people[name].kept_off]

    def ring(self, number: int, now: datetime) -> list[list[str]]:
        """What each target of the level brings that no earlier one has brought."""
        seen: set[str] = set()
        crowds = []
        for target in self.one.rules[number].targets:
            one = replace(self.one, rules=(replace(self.one.rules[number], targets=(target,)),))
            fresh = [name for name in ByTheMinute(one, self.lines, self.people).standing(0, now) if name not in seen]
            seen.update(fresh)
            crowds += [fresh] if fresh else []
        return crowds

    def wait(self, opened: datetime) -> timedelta | None:
        return self.enter(0, 0, opened, opened, None)

    def enter(self, number: int, loop: int, now: datetime, opened: datetime, pending: timedelta | None) -> timedelta | None:
        """Come to level `number` or the next one with somebody on it."""
        if not any(self.standing(at, now) for at in range(len(self.one.rules))):
            return None
        while number < len(self.one.rules) and not self.standing(number, now):
            number += 1
        if number == len(self.one.rules):
            return self.enter(0, loop + 1, now, opened, pending) if loop < self.one.num_loops else pending
        if self.one.rules[number].strategy is Strategy.EVERYONE:
            return self.stand(number, loop, self.standing(number, now), 0, now, opened)
        return worst([self.stand(number, loop, crowd, 1, now, opened) for crowd in self.ring(number, now)])

    def stand(self, number: int, loop: int, who: list[str], tried: int, now: datetime, opened: datetime) -> timedelta | None:
        delay = self.one.rules[number].delay_minutes * MINUTE
        soonest = min((page for name in who if (page := self.people[name].first_page) is not None), default=None)
        if soonest is not None and (soonest < delay or not self.escalates):
            return now - opened + soonest
        if not self.escalates:
            return None
        later = now + delay
        if later - opened > WAIT_MOST:
            return None
        pending = None if soonest is None else now - opened + soonest
        ring = self.ring(number, later)
        if 0 < tried < len(ring):
            places = [at for at, crowd in enumerate(ring) if set(crowd) & set(who)]
            if places:
                return self.stand(number, loop, ring[(places[-1] + 1) % len(ring)], tried + 1, later, opened)
            return worst([self.stand(number, loop, crowd, tried + 1, later, opened) for crowd in ring])
        return self.enter(number + 1, loop, later, opened, pending)


def worst(waits: Sequence[timedelta | None]) -> timedelta | None:
    return None if None in waits else max(wait for wait in waits if wait is not None)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Stretch, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, LENGTH + 400), max_size=8)))
    edges = [START, *(START + cut * MINUTE for cut in cuts), START + LENGTH * MINUTE + WAIT_MOST]
    crowds = st.lists(st.sampled_from(NAMES), max_size=2, unique=True)
    return tuple(
        Stretch(first, last, tuple(Holder(name, "R") for name in draw(crowds))) for first, last in pairwise(edges)
    )


RULES = st.builds(
    lambda targets, after, ring: level(*targets, after=after, ring=ring),
    st.lists(st.sampled_from([*NAMES, "@s1", "@s2", "@gone"]), max_size=3, unique=True),
    st.integers(1, 60),
    st.booleans(),
)
PEOPLE = st.tuples(*[
    st.builds(lambda page, off, name=name: person(name, page, off), st.sampled_from([AT_ONCE, None, 5 * MINUTE, 40 * MINUTE]), st.sampled_from(["", "", "disabled"]))
    for name in NAMES
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(RULES, max_size=3), st.integers(0, 2), st.tuples(timelines(), timelines()), PEOPLE, st.booleans())
def test_the_proof_says_what_each_minute_by_itself_says(
    rules: list[Rule], loops: int, lines: tuple[tuple[Stretch, ...], tuple[Stretch, ...]], people: tuple[Person, ...], escalates: bool
) -> None:
    one, span = policy(*rules, loops=loops), Span(START, START + LENGTH * MINUTE)
    known = {found.id: found for found in people}
    drawn = dict(zip(SCHEDULES, lines, strict=True))
    found = prove(one, drawn, People(people), {}, span, escalates=escalates)
    assert [found[0].start, found[-1].end] == [span.start, span.end]
    assert all(before.end == after.start for before, after in pairwise(found))
    second = ByTheMinute(one, drawn, known, escalates=escalates)
    at = 0
    for minute in range(LENGTH):
        now = START + minute * MINUTE
        while found[at].end <= now:
            at += 1
        assert found[at].wait == second.wait(now), (minute, found[at])
        assert found[at].wait == AT_ONCE or found[at].causes or any(page.first_page for page in people)
