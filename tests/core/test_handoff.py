"""Hand-offs by tables: what is one, when a rule tells of it, and in which words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base.times import Span
from tocsin.core import handoff
from tocsin.core.handoff import BOTH, LATE, OFFCALL, ONCALL, Handoff, Rule, Told
from tocsin.core.schedule import Entry, joined

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOW + timedelta(hours=hours)


def rule(minutes: int = 60, kind: str = BOTH, user: str = "ada", made: float = -1000) -> Rule:
    return Rule("r", user, "w", timedelta(minutes=minutes), kind, at(made))


def test_only_the_ends_of_unbroken_periods_within_the_look_are_hand_offs():
    span = Span(at(-1), at(24))
    entries = [Entry(at(-1), at(8), "ada"), Entry(at(8), at(16), "bo"), Entry(at(20), at(24), "bo")]
    assert [(one.kind, one.user_id, one.at) for one in handoff.handoffs("s", entries, span)] == [
        (OFFCALL, "ada", at(8)), (ONCALL, "bo", at(8)), (OFFCALL, "bo", at(16)), (ONCALL, "bo", at(20)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("of", "one", "is_told"),
    [
        (rule(60), Handoff("s", "ada", ONCALL, at(1)), True),
        (rule(60), Handoff("s", "ada", ONCALL, at(1.001)), False),
        (rule(60), Handoff("s", "ada", ONCALL, at(0.25)), True),  # the edit came late
        (rule(60), Handoff("s", "bo", ONCALL, at(1)), False),
        (rule(60, ONCALL), Handoff("s", "ada", OFFCALL, at(1)), False),
        (rule(60, OFFCALL), Handoff("s", "ada", OFFCALL, at(1)), True),
        (rule(0), Handoff("s", "ada", OFFCALL, at(0)), True),
        (rule(0), Handoff("s", "ada", OFFCALL, NOW - LATE), False),
        (rule(0), Handoff("s", "ada", OFFCALL, NOW - LATE + timedelta(seconds=1)), True),
        (rule(0, made=-0.1), Handoff("s", "ada", OFFCALL, at(-0.2)), False),  # over before the rule was made
        (rule(60, made=-0.1), Handoff("s", "ada", OFFCALL, at(0.5)), True),
    ],
)
def test_a_rule_tells_of_a_hand_off_from_its_time_on_until_it_is_too_late(of: Rule, one: Handoff, is_told: bool):
    assert bool(handoff.due([of], [one], NOW)) is is_told


@given(
    st.lists(st.tuples(st.integers(-50, 300), st.integers(1, 60), st.sampled_from(["ada", "bo"])), max_size=12),
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from([BOTH, ONCALL, OFFCALL]), st.sampled_from(["ada", "bo"])), max_size=4),
)
def test_whoever_looks_often_enough_tells_each_hand_off_once_and_in_time(
    stretches: list[tuple[int, int, str]], wanted: list[tuple[int, str, str]]
):
    """Minutes: a day of looks every five minutes, against the hand-offs counted by hand."""
    periods = sorted((at(start / 60), at((start + long) / 60), user) for start, long, user in stretches)
    entries = joined(periods)
    rules = [Rule(str(number), user, "w", timedelta(minutes=minutes), kind, at(-9999)) for number, (minutes, kind, user) in enumerate(wanted)]
    told: dict[tuple[str, str, datetime, str], datetime] = {}
    for minute in range(-400, 420, 5):
        now = at(minute / 60)
        span = handoff.looked_at(rules, now)
        seen = [Entry(max(one.start, span.start), min(one.end, span.end), one.user_id) for one in entries if one.start < span.end and span.start < one.end]
        for notice in handoff.due(rules, handoff.handoffs("s", seen, span), now):
            told.setdefault(notice.key, now)
    expected = {
        (of.id, "s", instant, kind)
        for of in rules
        for one in entries
        if one.user_id == of.user_id
        for kind, instant in ((ONCALL, one.start), (OFFCALL, one.end))
        if of.kind in {BOTH, kind}
    }
    assert told.keys() == expected
    for (rule_id, _, instant, _), when in told.items():
        assert timedelta() <= when - (instant - rules[int(rule_id)].advance) < timedelta(minutes=5)


def test_the_words_say_where_when_until_when_and_who():
    zone = ZoneInfo("Europe/Paris")
    on = Told("First line", ("Shop", "Money"), ONCALL, at(1), at(25), ("Bo",))
    off = Told("First line", (), OFFCALL, at(1), None, ())
    late = Told("First line", ("Shop",), ONCALL, at(-0.1), None, ("Bo", "Cy"))
    assert handoff.title(ONCALL, ["First line", "Second line"]) == "You go on call: First line and Second line"
    assert handoff.words([on], NOW, zone) == (
        "You go on call for First line (escalation policies: Shop and Money) on Mon 23 Nov 2026, 11:00, "
        "until Tue 24 Nov 2026, 11:00 (Europe/Paris). Bo hands over to you."
    )
    assert handoff.words([off], NOW, zone) == (
        "You come off call for First line on Mon 23 Nov 2026, 11:00 (Europe/Paris). Nobody is on call there from then on."
    )
    assert handoff.words([late], NOW, zone).startswith("You went on call for First line (escalation policy: Shop) on Mon 23 Nov 2026, 09:54")
