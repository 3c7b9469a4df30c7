"""Planning, retrying, moving on, stopping and bundling, as pure rules."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.notify import (
    BUNDLE_MAX,
    LONGEST_PAUSE,
    QUICK_TRIES,
    SLOW_TRIES,
    Due,
    GiveUp,
    MoveOn,
    Rule,
    Sibling,
    TryAgain,
    Way,
    after_refusal,
    after_trouble,
    bundle,
    is_reached,
    next_way,
    pause,
    plan,
    shared_out,
    stopped,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SMS, MAIL, PHONE = Way("W1", "sms", 0), Way("W2", "email", 1), Way("W3", "phone", 2)


def test_rules_of_the_urgency_say_when_and_how():
    rules = [Rule("W2", 0, "high"), Rule("W1", 5, "high"), Rule("W2", 0, "low")]
    planned = plan([SMS, MAIL], rules, "high", "on call", NOW)
    assert [(one.way.kind, one.due_at - NOW) for one in planned] == [
        ("email", timedelta()),
        ("sms", timedelta(minutes=5)),
    ]
    assert planned[1].reason == "on call; rule: after 5 min by sms"


def test_a_person_without_a_rule_for_the_urgency_is_reached_at_once_by_their_first_way():
    planned = plan([MAIL, SMS], [Rule("W2", 0, "low")], "high", "on call", NOW)
    assert [(one.way, one.due_at) for one in planned] == [(SMS, NOW)]
    assert "no usable rule for high urgency" in planned[0].reason


def test_rules_that_only_name_a_disabled_way_do_not_silence_a_person():
    off = Way("W1", "sms", 0, is_enabled=False)
    assert [one.way for one in plan([off, MAIL], [Rule("W1", 0, "high")], "high", "", NOW)] == [MAIL]


def test_a_person_without_any_enabled_way_is_planned_nothing():
    assert plan([], [], "high", "", NOW) == ()
    assert plan([Way("W1", "sms", 0, is_enabled=False)], [], "high", "", NOW) == ()


def test_the_next_way_is_the_first_in_order_that_this_plan_has_not_used():
    tried = [Sibling("P1", "W1", "failed"), Sibling("P2", "W2", "sent")]
    assert next_way([PHONE, MAIL, SMS], tried) == PHONE
    assert next_way([MAIL, SMS], tried) is None
    assert next_way([MAIL, SMS], [Sibling("P1", "W1", "failed"), Sibling("P2", "W2", "due")]) == MAIL
    assert not is_reached([Sibling("P1", "W1", "failed"), Sibling("P2", "W2", "dropped")])


def test_trouble_is_retried_then_moved_on_and_with_no_other_way_retried_slowly_then_given_up():
    def then(tries: int, *, other: bool, wait: timedelta | None = None) -> object:
        return after_trouble("busy", tries=tries, retry_after=wait, has_other_way=other, now=NOW, chance=Random(1))

    assert isinstance(then(1, other=True), TryAgain)
    assert isinstance(then(QUICK_TRIES, other=True), MoveOn)
    hope = then(QUICK_TRIES, other=False)
    assert isinstance(hope, TryAgain)
    assert hope.is_last_hope
    later = then(QUICK_TRIES + 1, other=False)
    assert isinstance(later, TryAgain)
    assert not later.is_last_hope
    assert isinstance(then(QUICK_TRIES + SLOW_TRIES, other=False), GiveUp)
    assert isinstance(then(1, other=True, wait=timedelta(hours=1)), MoveOn)
    waiting = then(1, other=True, wait=timedelta(seconds=30))
    assert isinstance(waiting, TryAgain)
    assert waiting.at == NOW + timedelta(seconds=30)


def test_a_refusal_never_tries_the_same_way_again():
    assert isinstance(after_refusal("no", has_other_way=True), MoveOn)
    assert isinstance(after_refusal("no", has_other_way=False), GiveUp)


@given(st.integers(1, 200), st.integers())
def test_pauses_grow_and_stay_bounded(tries: int, seed: int):
    length = pause(tries, Random(seed))
    assert timedelta(seconds=2) <= length <= LONGEST_PAUSE * 1.25


@pytest.mark.parametrize(
    ("purpose", "status", "is_assigned", "words"),
    [
        ("page", "triggered", True, None),
        ("page", "triggered", False, "no longer assigned"),
        ("page", "acknowledged", True, "acknowledged"),
        ("page", "resolved", True, "resolved"),
        ("page", None, False, "gone"),
        ("last_resort", "triggered", False, None),
        ("last_resort", "acknowledged", False, "acknowledged"),
        ("test", None, False, None),
    ],
)
def test_what_stops_a_page(purpose: str, status: str | None, is_assigned: bool, words: str | None):
    reason = stopped(purpose, incident_status=status, is_assigned=is_assigned)
    assert reason is None if words is None else reason is not None and words in reason


def due(
    number: int,
    way: str = "W1",
    *,
    window: int = 10,
    last: datetime | None = None,
    key: str | None = None,
    purpose: str = "page",
) -> Due:
    return Due(f"P{number}", way, purpose, key, window, last)


def test_pages_due_together_for_one_way_are_one_message():
    decided = bundle([due(1), due(2), due(3, "W2")], NOW)
    assert sorted(len(pages) for _, pages in decided.now) == [1, 2]
    assert decided.held == ()


def test_pages_within_the_window_are_held_until_its_end():
    decided = bundle([due(1, last=NOW - timedelta(seconds=4))], NOW)
    assert decided.now == ()
    assert decided.held[0][1] == NOW + timedelta(seconds=6)


def test_after_the_window_they_leave():
    assert len(bundle([due(1, last=NOW - timedelta(seconds=10))], NOW).now) == 1


def test_a_last_resort_page_is_never_held():
    assert len(bundle([due(1, last=NOW, purpose="last_resort")], NOW).now) == 1


def test_a_way_without_a_window_gets_every_page_alone():
    assert [key for key, _ in bundle([due(1, window=0, last=NOW), due(2, window=0)], NOW).now] == ["P1", "P2"]


def test_a_retry_keeps_its_company_and_its_key():
    decided = bundle([due(1, key="P1"), due(2, key="P1"), due(3)], NOW)
    assert {key: len(pages) for key, pages in decided.now} == {"P1": 2, "P3": 1}


@given(
    st.lists(
        st.builds(
            due,
            st.integers(0, 10_000),
            st.sampled_from(["W1", "W2", "W3"]),
            window=st.sampled_from([0, 10]),
            last=st.sampled_from([None, NOW, NOW - timedelta(seconds=5), NOW - timedelta(seconds=60)]),
            key=st.sampled_from([None, None, "K1", "K2"]),
        ),
        max_size=60,
        unique_by=lambda page: page.id,
    )
)
def test_no_page_is_lost_or_doubled_by_bundling(pages: list[Due]):
    decided = bundle(pages, NOW)
    out = [page.id for _, group in decided.now for page in group] + [page.id for page, _ in decided.held]
    assert sorted(out) == sorted(page.id for page in pages)
    assert all(1 <= len(group) <= BUNDLE_MAX for _, group in decided.now)
    assert all(until > NOW for _, until in decided.held)


def test_one_way_leaves_room_for_the_others():
    messages = [(f"K{number}", (due(number, "W1"),)) for number in range(10)] + [("K99", (due(99, "W2"),))]
    leaving = [key for key, _ in shared_out(messages, limit=5, most_each=3)]
    assert leaving == ["K0", "K1", "K2", "K99"]
    assert len(shared_out(messages, limit=2, most_each=3)) == 2
