"""Delivering: pages leave at once, each lane alone, with receipts, retries, next ways, and never after they are stopped."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.pages import couriering, owe, pages, receipts, save_incident, save_service, save_way, set_status, told
from tests.people import Persona, save_people
from tocsin.app.sinks import Reply, Sinks
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.channels import roll
from tocsin.channels.spec import Accepted, Means, NotNow, Outcome, Parcel, Refused
from tocsin.core import message
from tocsin.core.events import LastResortPaged, Notified, PersonUnreachable
from tocsin.core.notify import QUICK_TRIES
from tocsin.engine.deliver import claim_due, record_results, return_lost
from tocsin.service import notify
from tocsin.service.notify import CLAIM_FOR, Claim, PageOrder, Result
from tocsin.store import events
from tocsin.store.db import Database
from tocsin.store.tables import incidents, people


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    with Sinks() as running:
        yield running


@pytest.fixture
def now() -> datetime:
    """The real present: the courier works by the real clock."""
    return system_clock()


def test_a_page_reaches_a_webhook_and_a_mailbox_and_leaves_receipts(
    db: Database, staff: tuple[Persona, ...], sinks: Sinks, seals: Seals, chance: Random, now: datetime
):
    with db.write() as tx:
        save_service(tx, now)
        incident = save_incident(tx, 7, ["PADA001"], now)
        save_way(tx, "PWAY001", "PADA001", "webhook", f"{sinks.url}/phone/ada", now, fields={"secret": "s3"})
        save_way(tx, "PWAY002", "PADA001", "email", "ada@example.org", now, position=1)
    with couriering(db, told(sinks), seals):
        assert owe(db, incident, "PADA001", system_clock(), chance) == 2
        posted = sinks.wait_for(1, "webhook", "ada")[0]
        mail = sinks.wait_for(1, "email", "ada@example.org")[0]
    assert posted.body["pages"][0]["title"] == "Disk full"
    assert posted.body["count"] == 1
    assert posted.headers["X-Tocsin-Signature"].startswith("v1=")
    assert mail.title == "[#7] Disk full (Payments)"
    assert "http://tocsin.test/act/" in mail.text
    assert [page.state for page in pages(db)] == ["sent", "sent"]
    kept = receipts(db)
    assert {receipt.outcome for receipt in kept} == {"accepted"}
    assert posted.headers["Idempotency-Key"] in {receipt.idempotency_key for receipt in kept}
    with db.read() as tx:
        log = [entry.event for entry in events.of_incident(tx, incident)]
    notified = [event for event in log if isinstance(event, Notified)]
    assert sorted((event.kind, event.outcome) for event in notified) == [("email", "accepted"), ("webhook", "accepted")]


# ------------------------------------------------------------------------------------------- with a clock that we turn


def answered(claims: Sequence[Claim], outcome: Outcome, at: datetime) -> list[Result]:
    return [Result(claim, outcome, at) for claim in claims]


def taken(db: Database, lane: str, at: datetime, chance: Random, node: str = "one", limit: int = 50) -> list[Claim]:
    return claim_due(db, lane, now=at, node=node, limit=limit, chance=chance)


@pytest.fixture
def payments(db: Database, staff: tuple[Persona, ...], monday: datetime) -> str:
    """Ada has SMS first and e-mail second; incident 7 is hers. Its id."""
    with db.write() as tx:
        save_service(tx, monday)
        save_way(tx, "PSMS001", "PADA001", "sms", "5550111", monday, country_code=1)
        save_way(tx, "PMAIL01", "PADA001", "email", "ada@example.org", monday, position=1, rules=())
        return save_incident(tx, 7, ["PADA001"], monday)


@pytest.fixture
def monday() -> datetime:
    return datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_a_channel_in_trouble_is_tried_again_later_each_time_with_the_same_key(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    at, keys, pauses = monday, [], []
    for _ in range(QUICK_TRIES - 1):
        claims = taken(db, "sms", at, chance)
        keys.append(claims[0].key)
        record_results(db, answered(claims, NotNow("busy"), at), now=at, chance=chance)
        again = pages(db)[0].due_at
        assert taken(db, "sms", again - timedelta(milliseconds=1), chance) == []
        pauses.append((again - at).total_seconds())
        at = again
    assert len(set(keys)) == 1
    assert pauses == sorted(pauses)
    assert 2 <= pauses[0] <= 2.5
    assert 32 <= pauses[-1] <= 40
    record_results(db, answered(taken(db, "sms", at, chance), Accepted("SM1"), at), now=at, chance=chance)
    assert [receipt.outcome for receipt in receipts(db)] == ["unreachable"] * (QUICK_TRIES - 1) + ["accepted"]
    assert pages(db)[0].state == "sent"


def test_a_refusal_for_good_goes_to_the_next_way_at_once(db: Database, payments: str, monday: datetime, chance: Random):
    owe(db, payments, "PADA001", monday, chance)
    claims = taken(db, "sms", monday, chance)
    record_results(db, answered(claims, Refused("no such number"), monday), now=monday, chance=chance)
    states = {page.lane: page for page in pages(db)}
    assert states["sms"].state == "failed"
    assert "no such number" in states["sms"].reason
    assert states["email"].state == "due"
    assert "sms failed (no such number), so at once by email" in states["email"].reason
    assert len(taken(db, "email", monday, chance)) == 1


def test_a_page_already_planned_for_later_on_the_next_way_comes_forward(
    db: Database, staff: tuple[Persona, ...], monday: datetime, chance: Random
):
    with db.write() as tx:
        save_service(tx, monday)
        save_way(tx, "PSMS001", "PADA001", "sms", "5550111", monday, country_code=1)
        save_way(tx, "PMAIL01", "PADA001", "email", "ada@example.org", monday, position=1, rules=[("high", 10)])
        incident = save_incident(tx, 7, ["PADA001"], monday)
    assert owe(db, incident, "PADA001", monday, chance) == 2
    record_results(db, answered(taken(db, "sms", monday, chance), Refused("no"), monday), now=monday, chance=chance)
    assert len(taken(db, "email", monday, chance)) == 1
    assert len(pages(db)) == 2


def test_a_channel_that_stays_in_trouble_hands_over_to_the_next_way(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    at = monday
    for _ in range(QUICK_TRIES):
        record_results(db, answered(taken(db, "sms", at, chance), NotNow("HTTP 503"), at), now=at, chance=chance)
        at = pages(db)[0].due_at if pages(db)[0].state == "due" else at
    assert {page.lane: page.state for page in pages(db)} == {"sms": "failed", "email": "due"}
    assert at - monday < timedelta(seconds=80)


def test_when_every_way_has_failed_the_incident_says_so_and_the_last_resort_is_paged(
    db: Database, payments: str, monday: datetime, chance: Random
):
    with db.write() as tx:
        save_way(tx, "PMAIL03", "PCY0003", "email", "cy@example.org", monday)
    owe(db, payments, "PADA001", monday, chance)
    record_results(
        db, answered(taken(db, "sms", monday, chance), Refused("no such number"), monday), now=monday, chance=chance
    )
    record_results(
        db, answered(taken(db, "email", monday, chance), Refused("no such box"), monday), now=monday, chance=chance
    )
    with db.read() as tx:
        log = [entry.event for entry in events.of_incident(tx, payments)]
    unreachable = [event for event in log if isinstance(event, PersonUnreachable)]
    assert [(event.user_id, event.reason) for event in unreachable] == [("PADA001", "no such box")]
    assert [event.user_ids for event in log if isinstance(event, LastResortPaged)] == [("PCY0003",)]
    last = taken(db, "email", monday, chance)
    assert [(claim.user_id, claim.purpose) for claim in last] == [("PCY0003", "last_resort")]


def test_the_only_way_in_trouble_is_tried_on_for_an_hour_and_said_so_once(
    db: Database, staff: tuple[Persona, ...], monday: datetime, chance: Random
):
    with db.write() as tx:
        save_service(tx, monday)
        save_way(tx, "PSMS001", "PADA001", "sms", "5550111", monday, country_code=1)
        incident = save_incident(tx, 7, ["PADA001"], monday)
    owe(db, incident, "PADA001", monday, chance)
    at = monday
    while (page := pages(db)[0]).state == "due":
        at = page.due_at
        record_results(db, answered(taken(db, "sms", at, chance), NotNow("HTTP 503"), at), now=at, chance=chance)
    assert page.state == "failed"
    assert timedelta(minutes=55) < at - monday < timedelta(minutes=90)
    with db.read() as tx:
        log = [entry.event for entry in events.of_incident(tx, incident)]
    assert len([event for event in log if isinstance(event, PersonUnreachable)]) == 1


@pytest.mark.parametrize("status", ["acknowledged", "resolved"])
def test_nobody_is_paged_after_it_was_acknowledged_or_resolved(
    db: Database, payments: str, monday: datetime, chance: Random, status: str
):
    owe(db, payments, "PADA001", monday, chance)
    under_way = taken(db, "sms", monday, chance)
    set_status(db, payments, status)
    record_results(db, answered(under_way, NotNow("busy"), monday), now=monday, chance=chance)
    later = monday + timedelta(minutes=5)
    assert taken(db, "sms", later, chance) == []
    assert pages(db)[0].state == "dropped"
    assert f"the incident was {status} before this page left" in pages(db)[0].reason


def test_nobody_is_paged_after_the_incident_was_given_to_somebody_else(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    with db.write() as tx:
        tx.execute(sa.update(incidents.assignee).values(user_id="PBO0002"))
    assert taken(db, "sms", monday, chance) == []
    assert "no longer assigned" in pages(db)[0].reason


def test_several_pages_for_one_person_become_one_message_that_counts_them(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    first = taken(db, "sms", monday, chance)
    assert len(first[0].pages) == 1, "the first page of a quiet day waits for nothing"
    record_results(db, answered(first, Accepted("SM1"), monday), now=monday, chance=chance)
    with db.write() as tx:
        others = [
            save_incident(tx, number, ["PADA001"], monday, title=f"Queue {number} slow") for number in range(8, 48)
        ]
    for incident in others:
        owe(db, incident, "PADA001", monday, chance)
    assert taken(db, "sms", monday + timedelta(seconds=9), chance) == []
    together = taken(db, "sms", monday + timedelta(seconds=10), chance)
    assert [len(claim.pages) for claim in together] == [40]
    assert len({receipt.idempotency_key for receipt in receipts(db)}) == 2
    words = message.compose("page", [page.facts for page in together[0].pages])
    assert words.short.startswith("40 pages on Payments:")
    assert len(words.short) <= 130


def test_pages_for_different_people_are_never_one_message(
    db: Database, payments: str, monday: datetime, chance: Random
):
    with db.write() as tx:
        save_way(tx, "PSMS002", "PBO0002", "sms", "5550112", monday, country_code=1)
        tx.execute(sa.insert(incidents.assignee), {"incident_id": payments, "user_id": "PBO0002"})
    owe(db, payments, "PADA001", monday, chance)
    owe(db, payments, "PBO0002", monday, chance)
    assert sorted(claim.user_id for claim in taken(db, "sms", monday, chance)) == ["PADA001", "PBO0002"]


def test_a_page_whose_sender_died_is_sent_again_with_the_same_key(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    lost = taken(db, "sms", monday, chance, node="dead")
    soon = monday + CLAIM_FOR - timedelta(seconds=1)
    assert return_lost(db, now=soon) == 0, "a claim belongs to its node until it has run out"
    late = monday + CLAIM_FOR + timedelta(seconds=1)
    assert return_lost(db, now=late) == 1
    again = taken(db, "sms", late, chance, node="two")
    assert [claim.key for claim in again] == [claim.key for claim in lost]
    assert receipts(db)[0].outcome == "unknown"
    record_results(db, answered(again, Accepted("SM2"), late), now=late, chance=chance)
    record_results(db, answered(lost, NotNow("too late"), late), now=late, chance=chance)
    assert pages(db)[0].state == "sent", "what the dead node says afterwards changes nothing"


def test_a_bundle_whose_sender_died_comes_back_as_the_same_bundle(
    db: Database, payments: str, monday: datetime, chance: Random
):
    with db.write() as tx:
        second = save_incident(tx, 8, ["PADA001"], monday)
        third = save_incident(tx, 9, ["PADA001"], monday)
    for incident in (payments, second):
        owe(db, incident, "PADA001", monday, chance)
    lost = taken(db, "sms", monday, chance, node="dead")
    assert return_lost(db, now=monday, holder="dead") == 1 + 1
    owe(db, third, "PADA001", monday, chance)
    again = taken(db, "sms", monday + timedelta(seconds=30), chance)
    assert {claim.key: len(claim.pages) for claim in again}[lost[0].key] == 2


def test_two_nodes_never_take_the_same_page(db: Database, payments: str, monday: datetime, chance: Random):
    owe(db, payments, "PADA001", monday, chance)
    assert len(taken(db, "sms", monday, chance, node="one")) == 1
    assert taken(db, "sms", monday, chance, node="two") == []


def test_a_disabled_person_is_not_planned_and_a_removed_contact_method_fails_over(
    db: Database, payments: str, monday: datetime, chance: Random
):
    owe(db, payments, "PADA001", monday, chance)
    with db.write() as tx:
        tx.execute(sa.delete(people.notification_rule))
        tx.execute(sa.delete(people.contact_method).where(people.contact_method.c.id == "PSMS001"))
    claim = taken(db, "sms", monday, chance)[0]
    assert claim.address == ""
    record_results(db, answered([claim], Refused("gone"), monday), now=monday, chance=chance)
    assert len(taken(db, "email", monday, chance)) == 1
    with db.write() as tx:
        tx.execute(sa.update(people.user).values(is_disabled=True))
    assert owe(db, payments, "PADA001", monday, chance) == 0


# -------------------------------------------------------------------------------------------------- with a live courier


def test_a_slow_channel_does_not_delay_another(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    def slow_phone(way: str, _to: str) -> Reply | None:
        return Reply(delay_s=3) if way == "webhook" else None

    with sqlite_db.write() as tx:
        save_people(tx, [ada], now)
        save_service(tx, now)
    with Sinks(answering=slow_phone) as sinks, couriering(sqlite_db, told(sinks), seals):
        with sqlite_db.write() as tx:
            save_way(tx, "PHOOK01", ada.id, "webhook", f"{sinks.url}/phone/ada", now)
            save_way(tx, "PMAIL01", ada.id, "email", ada.email, now)
            many = [save_incident(tx, number, [ada.id], now) for number in range(1, 400)]
            orders = [PageOrder(incident, ada.id, "high", "test") for incident in many]
            notify.owe_pages(tx, orders, now=system_clock(), chance=chance)
        mails = sinks.wait_for(1, "email", within_s=2)
        assert sinks.arrived("webhook") == []
        assert mails[0].title.startswith("[399 pages on Payments]")
        sinks.wait_for(30, "webhook", within_s=20)


def test_a_phone_that_answers_503_is_tried_again_with_the_same_key(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    asked: list[str] = []

    def troubled(_way: str, to: str) -> Reply | None:
        asked.append(to)
        return Reply(503) if len(asked) < 2 else None

    with sqlite_db.write() as tx:
        save_people(tx, [ada], now)
        save_service(tx, now)
        incident = save_incident(tx, 1, [ada.id], now)
    with Sinks(answering=troubled) as sinks, couriering(sqlite_db, told(sinks), seals):
        with sqlite_db.write() as tx:
            save_way(tx, "PHOOK01", ada.id, "webhook", f"{sinks.url}/phone/ada", now)
        owe(sqlite_db, incident, ada.id, system_clock(), chance)
        arrived = sinks.wait_for(1, "webhook")[0]
    assert len(asked) == 2
    assert {receipt.idempotency_key for receipt in receipts(sqlite_db)} == {arrived.headers["Idempotency-Key"]}
    assert [receipt.outcome for receipt in receipts(sqlite_db)] == ["unreachable", "accepted"]


def test_a_mailbox_that_does_not_exist_leads_to_an_sms(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    def no_such_box(way: str, _to: str) -> Reply | None:
        return Reply(550, "5.1.1 no such box") if way == "email" else None

    with sqlite_db.write() as tx:
        save_people(tx, [ada], now)
        save_service(tx, now)
        save_way(tx, "PMAIL01", ada.id, "email", ada.email, now)
        save_way(tx, "PSMS001", ada.id, "sms", "5550111", now, position=1, country_code=1, rules=())
        incident = save_incident(tx, 1, [ada.id], now)
    with Sinks(answering=no_such_box) as sinks, couriering(sqlite_db, told(sinks), seals):
        owe(sqlite_db, incident, ada.id, system_clock(), chance)
        sms = sinks.wait_for(1, "sms", "+15550111")[0]
    assert sms.text == "#1 Disk full (Payments) Reply 4 to ack, 6 to resolve"


def test_stopping_finishes_what_is_under_way_and_takes_nothing_new(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    with sqlite_db.write() as tx:
        save_people(tx, [ada], now)
        save_service(tx, now)
        incident = save_incident(tx, 1, [ada.id], now)
    seen = threading.Event()

    def takes_a_while(_way: str, _to: str) -> Reply | None:
        seen.set()
        return Reply(delay_s=0.5)

    with Sinks(answering=takes_a_while) as sinks:
        with sqlite_db.write() as tx:
            save_way(tx, "PHOOK01", ada.id, "webhook", f"{sinks.url}/phone/ada", now)
        with couriering(sqlite_db, told(sinks), seals):
            owe(sqlite_db, incident, ada.id, system_clock(), chance)
            assert seen.wait(5)
        assert [page.state for page in pages(sqlite_db)] == ["sent"]
        owe(sqlite_db, incident, ada.id, system_clock(), chance)
    assert [page.state for page in pages(sqlite_db)] == ["sent", "due"]


def test_what_an_earlier_life_of_the_node_was_sending_is_sent_again_at_the_start(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    with Sinks() as sinks:
        with sqlite_db.write() as tx:
            save_people(tx, [ada], now)
            save_service(tx, now)
            incident = save_incident(tx, 1, [ada.id], now)
            save_way(tx, "PHOOK01", ada.id, "webhook", f"{sinks.url}/phone/ada", now)
        owe(sqlite_db, incident, ada.id, now, chance)
        lost = taken(sqlite_db, "webhook", now, chance, node="test")
        with couriering(sqlite_db, told(sinks), seals):
            arrived = sinks.wait_for(1, "webhook", within_s=3)[0]
    assert arrived.headers["Idempotency-Key"] == lost[0].key


def test_a_channel_that_breaks_is_a_receipt_with_a_reason_and_not_an_end(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    async def breaks(_means: Means, _parcel: Parcel) -> Outcome:
        raise KeyError("oops")

    with sqlite_db.write() as tx:
        save_people(tx, [ada], now)
        save_service(tx, now)
        save_way(tx, "PMAIL01", ada.id, "email", ada.email, now)
        incident = save_incident(tx, 1, [ada.id], now)
    broken = replace(roll.BY_KIND["email"], send=breaks)
    with Sinks() as sinks, couriering(sqlite_db, told(sinks), seals, channels=[broken]):
        owe(sqlite_db, incident, ada.id, system_clock(), chance)
        deadline = system_clock() + timedelta(seconds=5)
        while not any(receipt.outcome for receipt in receipts(sqlite_db)) and system_clock() < deadline:
            threading.Event().wait(0.02)
    receipt = receipts(sqlite_db)[0]
    assert receipt.outcome == "unreachable"
    assert receipt.detail == "the email channel failed: KeyError: 'oops'"
    assert pages(sqlite_db)[0].state == "due"


def test_two_nodes_that_work_at_the_same_time_share_the_pages_without_doubling_one(
    db: Database, payments: str, monday: datetime, chance: Random
):
    with db.write() as tx:
        save_way(tx, "PHOOK02", "PBO0002", "webhook", "http://127.0.0.1:9/x", monday)
        many = [save_incident(tx, number, ["PBO0002"], monday) for number in range(100, 300)]
        notify.owe_pages(tx, [PageOrder(one, "PBO0002", "high", "test") for one in many], now=monday, chance=chance)

    def work(node: str) -> list[str]:
        mine: list[str] = []
        own_chance = Random(node)
        while claims := taken(db, "webhook", monday, own_chance, node=node, limit=7):
            mine += [claim.pages[0].outbox_id for claim in claims]
        return mine

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(work, ["one", "two"])
    assert len(one) + len(two) == len(set(one) | set(two)) == 200


def test_one_dead_webhook_does_not_fill_the_lane_of_the_others(
    sqlite_db: Database, seals: Seals, chance: Random, now: datetime, ada: Persona, bo: Persona
):
    def adas_phone_hangs(_way: str, to: str) -> Reply | None:
        return Reply(delay_s=4) if to == "ada" else None

    with Sinks(answering=adas_phone_hangs) as sinks, couriering(sqlite_db, told(sinks), seals):
        with sqlite_db.write() as tx:
            save_people(tx, [ada, bo], now)
            save_service(tx, now)
            save_way(tx, "PHOOK01", ada.id, "webhook", f"{sinks.url}/phone/ada", now)
            save_way(tx, "PHOOK02", bo.id, "webhook", f"{sinks.url}/phone/bo", now)
            many = [save_incident(tx, number, [ada.id], now) for number in range(1, 600)]
            bos = save_incident(tx, 700, [bo.id], now)
            orders = [PageOrder(incident, ada.id, "high", "test") for incident in many]
            notify.owe_pages(tx, orders, now=system_clock(), chance=chance)
        owe(sqlite_db, bos, bo.id, system_clock(), chance)
        sinks.wait_for(1, "webhook", "bo", within_s=3)
        assert sinks.arrived("webhook", "ada") == []
        with sqlite_db.write() as tx:
            notify.drop_pages(tx, [(incident, None) for incident in many], reason="the test is over", now=now)


def test_pages_of_a_batch_leave_with_its_commit_and_are_given_back_when_it_is_undone(
    db: Database, staff: tuple[Persona, ...], sinks: Sinks, seals: Seals, chance: Random, now: datetime
):
    with db.write() as tx:
        save_service(tx, now)
        incident = save_incident(tx, 7, ["PADA001"], now)
        save_way(tx, "PWAY001", "PADA001", "webhook", f"{sinks.url}/phone/ada", now, fields={"secret": "s3"})
    order = PageOrder(incident, "PADA001", "high", "level 1")
    with couriering(db, told(sinks), seals) as courier:
        undone: list[Claim] = []

        def fail_before_the_commit() -> None:
            with db.write() as tx:
                notify.owe_pages(tx, [order], now=system_clock(), chance=chance)
                undone.extend(courier.claim_in(tx, system_clock()))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail_before_the_commit()
        courier.forget(undone)
        assert pages(db) == []
        with db.write() as tx:
            notify.owe_pages(tx, [order], now=system_clock(), chance=chance)
            claims = courier.claim_in(tx, system_clock())
        assert [page.state for page in pages(db)] == ["sending"]
        courier.go(claims)
        sinks.wait_for(1, "webhook", "ada")
    assert [page.state for page in pages(db)] == ["sent"]
    assert [receipt.outcome for receipt in receipts(db)] == ["accepted"]
