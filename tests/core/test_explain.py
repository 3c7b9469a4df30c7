"""The chain of reasons from its records alone: every line has its why, and whoever was not paged is told why not."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from tests.core.story import ADA, BO, CY, NOON, Story, ladder, opened, rung
from tocsin.core.events import PersonUnreachable, Urgency
from tocsin.core.explain import Arrival, Level, OwedPage, Records, Standing, Try, explain, text
from tocsin.core.incident_state import Timer

NAMES = {ADA.id: "Ada", BO.id: "Bo", CY.id: "Cy"}
PARIS = ZoneInfo("Europe/Paris")


def arrival(outcome: str | None = "alert", minutes: int = 0) -> Arrival:
    at = NOON + timedelta(minutes=minutes)
    return Arrival(
        f"E{minutes}", at, "events_v2", "Prometheus", "cdef", "Checkout", "trigger", "slow", "Checkout is slow", outcome, "because"
    )  # fmt: skip


def page(
    user: str, state: str, ending: str = "", *, minutes: int = 0, due: int = 0, tries: tuple[Try, ...] = ()
) -> OwedPage:
    at = NOON + timedelta(minutes=minutes)
    reason = "level 1 of Checkout is on call now; rule: at once by sms" + (f"; {ending}" if ending else "")
    return OwedPage(user, "sms", "page", at, at + timedelta(minutes=due), state, reason, at, tries)


def level(number: int, *people: tuple[str, str | None, bool], reached: int | None = None) -> Level:
    standing = tuple(Standing(user, schedule, is_on_call) for user, schedule, is_on_call in people)
    return Level(number, standing, None if reached is None else NOON + timedelta(minutes=reached))


def records(story: Story, **more: object) -> Records:
    return Records(story.incident, [arrival()], story.events, names=NAMES, **more)  # type: ignore[arg-type]


def why_not(told: Records) -> dict[str, str]:
    return {one.user: one.why for one in explain(told).not_paged}


def test_the_chain_goes_from_the_event_to_the_try_and_every_decision_has_a_why() -> None:
    story = opened()
    tried = Try(NOON, "+33 5550100", "accepted", "queued")
    chain = explain(
        records(
            story, pages=[page(ADA.id, "sent", tries=(tried,))], levels=[level(0, (ADA.id, "Days", True), reached=0)]
        )
    )
    assert [link.what for link in chain.links] == [
        "event accepted: trigger 'slow' by Prometheus on Checkout (events_v2, key …cdef)",
        "incident opened with high urgency: Checkout is slow",
        "level 1: Ada (on call on Days)",
        "page owed to Ada by sms at once: sent at 12:00:00",
        "tried +33 5550100 at 12:00:00: accepted",
    ]
    assert all(link.why for link in chain.links)
    assert (chain.next, chain.next_at) == ("it goes to the next level", NOON + timedelta(minutes=10))
    assert chain.not_paged == ()


def test_repeats_that_were_only_counted_are_one_line() -> None:
    story = opened()
    arrivals = [arrival(), *(arrival("repeated", minutes) for minutes in range(1, 40))]
    told = explain(Records(story.incident, arrivals, story.events, names=NAMES))
    lines = [link.what for link in told.links if link.what.startswith("event accepted")]
    assert len(lines) == 2
    assert lines[1].endswith("and 38 more until 12:39:00")


def test_a_skipped_level_says_which_schedule_was_empty() -> None:
    story = opened(ladder(rung(), rung(BO)))
    (skipped,) = [link for link in explain(records(story)).links if "skipped" in link.what]
    assert (skipped.what, skipped.why) == ("level 1: skipped", "nobody is on call on Checkout")


def test_an_event_that_led_to_nothing_is_explained_too() -> None:
    chain = explain(Records(None, [arrival("no_open_alert")]))
    assert (chain.incident, chain.status) == (None, "no_open_alert")
    assert chain.next == "no incident came of it: nobody was paged"
    assert explain(Records(None, [arrival(None)])).next == "it is accepted and waits for its turn"


def test_why_not_when_somebody_acknowledged_first() -> None:
    story = opened()
    story.later(minutes=2).acknowledge()
    told = records(
        story,
        pages=[page(ADA.id, "sent")],
        levels=[level(0, (ADA.id, None, True), reached=0), level(1, (BO.id, None, True))],
    )
    assert why_not(told) == {"Bo": "level 2 was never reached: Ada acknowledged at 12:02:00"}


def test_why_not_when_the_page_was_dropped_before_it_was_due() -> None:
    story = opened()
    told = records(story, pages=[page(ADA.id, "dropped", "acknowledged by Bo", due=5)])
    assert why_not(told) == {"Ada": "the page by sms was due at 12:05:00 and not sent: acknowledged by Bo"}


def test_why_not_when_every_try_failed() -> None:
    told = records(opened(), pages=[page(ADA.id, "failed", "no way is left")])
    assert why_not(told) == {"Ada": "every try failed: no way is left"}


def test_a_page_that_failed_says_why_once_whatever_it_was_planned_by() -> None:
    by_rule = page(ADA.id, "failed", "failed: no mail server")
    at_last = replace(by_rule, reason="last resort: nobody can be reached; failed: no mail server", purpose="last_resort")
    for owed, planned in ((by_rule, "rule: at once by sms"), (at_last, "last resort: nobody can be reached")):
        told = records(opened(), pages=[owed])
        assert why_not(told) == {"Ada": "every try failed: no mail server"}
        (line,) = [link for link in explain(told).links if "owed to Ada" in link.what]
        assert line.why.endswith(f"{planned}; failed: no mail server")


def test_why_not_when_it_was_not_their_shift() -> None:
    story = opened()
    told = records(
        story,
        pages=[page(ADA.id, "sent")],
        levels=[level(0, (ADA.id, "Days", True), (CY.id, "Days", False), reached=0)],
    )
    assert why_not(told) == {"Cy": "they were not on call on Days at 12:00:00"}


def test_why_not_when_there_is_no_way_to_reach_them() -> None:
    story = opened()
    story.events.append(
        PersonUnreachable(
            incident_id="Q",
            service_id="P",
            at=NOON,
            agent=ADA,
            channel="auto",
            reason="no contact method",
            user_id=ADA.id,
        )
    )
    assert why_not(records(story, levels=[level(0, (ADA.id, None, True), reached=0)])) == {"Ada": "no contact method"}


def test_why_not_when_their_account_is_disabled() -> None:
    told = records(opened(), levels=[level(0, (BO.id, None, True))], unavailable={BO.id: "Bo's account is disabled"})
    assert why_not(told) == {"Bo": "Bo's account is disabled"}


def test_why_not_when_urgency_is_low_or_it_was_given_by_hand_or_its_time_is_yet_to_come() -> None:
    above = [level(1, (BO.id, None, True))]
    assert why_not(records(opened(urgency=Urgency.LOW), levels=above))["Bo"].endswith(
        "its urgency is low, and then it does not escalate by itself"
    )
    story = opened()
    assert why_not(records(story, levels=above)) == {
        "Bo": "level 2 was never reached: it goes there at 12:10:00, or later"
    }
    story.reassign(CY)
    assert "assigned by hand" in why_not(records(story, levels=above))["Bo"]


def test_why_not_when_it_was_another_ones_turn() -> None:
    story = opened(ladder(rung(ADA, BO, ring=True)))
    told = records(
        story, pages=[page(ADA.id, "sent")], levels=[level(0, (ADA.id, None, True), (BO.id, None, True), reached=0)]
    )
    assert why_not(told) == {"Bo": "level 1 was reached, and they were not chosen: it was the turn of Ada"}


def test_the_text_is_short_lines_in_the_readers_own_time() -> None:
    story = opened()
    story.fire(Timer.ESCALATE)
    story.later(hours=12).resolve(BO, "restarted")
    told = Records(story.incident, [arrival()], story.events, [page(ADA.id, "sent")], names=NAMES, zone=PARIS)
    lines = text(explain(told), PARIS).splitlines()
    assert lines[0] == "#7 Checkout is slow (resolved)"
    assert "Mon 23 November 2026 (Europe/Paris)" in lines
    assert "Tue 24 November 2026 (Europe/Paris)" in lines
    assert "13:00:00  level 1: Ada" in lines
    assert "          page owed to Ada by sms at once: sent at 13:00:00" in lines
    assert "          why: restarted" in lines
    assert lines[-1] == "Next: it is over"
    assert max(map(len, lines)) <= 102


def test_what_happens_next_is_said_for_every_state() -> None:
    story = opened(ladder(rung(ADA)), rules_=opened().rules)
    story.fire(Timer.ESCALATE)
    assert explain(records(story)).next == "its service resolves it"
    story.acknowledge()
    assert explain(records(story)).next.startswith("the acknowledgement runs out")
    story.snooze(60)
    assert explain(records(story)).next.startswith("its snooze ends")
