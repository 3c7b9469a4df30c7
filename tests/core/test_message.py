"""What a message says: it counts, it fits, and it cuts nothing off without saying so."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.channels.sms import HOW_TO_ANSWER
from tocsin.core.message import SHORT, Facts, compose

SINCE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def fact(number: int, title: str = "Disk full", service: str = "Payments") -> Facts:
    return Facts(
        title,
        "level 1 of Payments",
        f"Q{number}",
        number,
        service,
        "high",
        SINCE,
        link=f"https://t/incidents/Q{number}",
    )


def test_one_page_says_what_where_since_when_and_why():
    message = compose("page", [fact(7)])
    assert message.subject == "[#7] Disk full (Payments)"
    assert message.short == "#7 Disk full (Payments)"
    for words in (
        "Incident #7, high urgency",
        "Service: Payments",
        "2026-11-23 09:00:00 UTC",
        "Why you: level 1",
        "https://t/",
    ):
        assert words in message.long
    assert message.spoken == "This is Tocsin with incident 7 on Payments. Disk full."


def test_several_pages_are_counted_first_and_listed():
    message = compose("page", [fact(number) for number in range(1, 6)])
    assert message.count == 5
    assert message.subject == "[5 pages on Payments] Disk full and 4 more"
    assert message.short.startswith("5 pages on Payments: #1 Disk full;")
    assert "5 pages on Payments" in message.spoken


def test_what_does_not_fit_is_counted():
    message = compose("page", [fact(number, f"A rather long title {number}") for number in range(1, 61)])
    assert "more" in message.short
    shown = message.short.count("#")
    assert message.short.endswith(f"+{60 - shown} more")
    assert "... and 35 more" in message.long


def test_pages_of_several_services_say_how_many_services():
    assert "2 pages on 2 services" in compose("page", [fact(1), fact(2, service="Search")]).subject


def test_a_last_resort_page_says_that_it_is_one():
    assert compose("last_resort", [fact(7)]).short.startswith("LAST RESORT #7")


def test_a_message_about_no_incident_cannot_be_answered():
    message = compose("test", [Facts("Test", "asked for", text="It works.")])
    assert not message.can_be_answered
    assert message.short == "It works."


def test_nothing_to_say_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        compose("page", [])


def test_typographic_characters_do_not_make_an_sms_longer():
    assert compose("page", [fact(7, "\u201cDisk\u201d \u2014 full\u2026")]).short == '#7 "Disk" - full... (Payments)'


@given(st.lists(st.tuples(st.text(max_size=400), st.text(max_size=120)), min_size=1, max_size=40))
def test_the_short_form_is_always_one_sms(pages: list[tuple[str, str]]):
    message = compose("page", [fact(10_000 + at, title, service) for at, (title, service) in enumerate(pages)])
    assert len(message.short) <= SHORT
    assert len(message.short + HOW_TO_ANSWER) <= 160
    assert "\n" not in message.subject
    assert "\n" not in message.short
