"""The outbox: what is owed, claimed, settled and dropped, the same on both databases."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.pages import pages, receipts, save_incident, save_service, save_way
from tests.people import Persona
from tocsin.store import outbox
from tocsin.store.db import Database
from tocsin.store.tables import people


@pytest.fixture
def incident(db: Database, staff: Sequence[Persona], now: datetime) -> str:
    with db.write() as tx:
        save_service(tx, now)
        save_way(tx, "PSMS001", "PADA001", "sms", "5550111", now, country_code=1, rules=[("high", 0), ("low", 15)])
        save_way(tx, "PMAIL01", "PADA001", "email", "ada@example.org", now, position=1, rules=())
        save_way(tx, "PSMS002", "PBO0002", "sms", "5550112", now, country_code=1)
        return save_incident(tx, 7, ["PADA001", "PBO0002"], now)


def row(page_id: str, incident: str, now: datetime, **more: Any) -> dict[str, Any]:
    plain = {
        "id": page_id, "incident_id": incident, "user_id": "PADA001", "contact_method_id": "PSMS001", "lane": "sms",
        "purpose": "page", "urgency": "high", "created_at": now, "due_at": now, "reason": "on call",
    }  # fmt: skip
    return plain | more


def owed(db: Database, *rows: dict[str, Any]) -> None:
    with db.write() as tx:
        outbox.owe(tx, rows)


def test_how_people_are_reached_is_read_for_all_of_them_at_once(db: Database, incident: str):
    with db.read() as tx:
        found = outbox.reach_of(tx, ["PADA001", "PBO0002", "PCY0003", "PNOBODY"])
    assert sorted(found) == ["PADA001", "PBO0002"]
    assert sorted(found["PADA001"].methods) == [("PMAIL01", "email", 1, True), ("PSMS001", "sms", 0, True)]
    assert sorted(found["PADA001"].rules) == [("PSMS001", 0, "high"), ("PSMS001", 15, "low")]


def test_disabled_people_are_not_reached(db: Database, incident: str):
    with db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == "PADA001").values(is_disabled=True))
        assert sorted(outbox.reach_of(tx, ["PADA001", "PBO0002"])) == ["PBO0002"]


def test_a_page_due_at_once_rings_its_lanes_bell_after_the_commit_only(db: Database, incident: str, now: datetime):
    rung: list[str] = []
    db.bell.listen(rung.append)
    with db.write() as tx:
        outbox.owe(
            tx, [row("N1", incident, now), row("N2", incident, now, lane="email", due_at=now + timedelta(minutes=5))]
        )
        assert rung == []
    assert rung == ["deliver:sms"]


def test_only_what_is_due_on_the_lane_is_taken_the_longest_due_first(db: Database, incident: str, now: datetime):
    owed(
        db,
        row("N1", incident, now),
        row("N2", incident, now, due_at=now - timedelta(seconds=5)),
        row("N3", incident, now, due_at=now + timedelta(seconds=5)),
        row("N4", incident, now, lane="email"),
    )
    with db.write() as tx:
        assert [page.id for page in outbox.due(tx, "sms", now=now, limit=10)] == ["N2", "N1"]
        assert [page.id for page in outbox.due(tx, "sms", now=now, limit=1)] == ["N2"]


def test_each_lane_says_when_it_has_something_to_do(db: Database, incident: str, now: datetime):
    later = now + timedelta(minutes=5)
    owed(db, row("N1", incident, now, due_at=later), row("N2", incident, now, lane="email"))
    with db.read() as tx:
        assert outbox.next_due(tx, ("sms", "email", "phone")) == {"sms": later, "email": now}
        assert outbox.next_due(tx, ()) == {}


def test_a_page_being_sent_is_not_taken_twice_and_comes_back_when_its_claim_runs_out(
    db: Database, incident: str, now: datetime
):
    owed(db, row("N1", incident, now))
    until = now + timedelta(seconds=60)
    with db.write() as tx:
        outbox.claim(tx, ["N1"], until=until, node="one")
        outbox.begin_deliveries(tx, [receipt("D1", "N1", incident, now)])
    with db.write() as tx:
        assert outbox.due(tx, "sms", now=now, limit=10) == []
        assert not outbox.has_lost(tx, until)
        assert outbox.has_lost(tx, until + timedelta(seconds=1))
        assert outbox.return_lost(tx, now=until) == 0
        assert outbox.return_lost(tx, now=until + timedelta(seconds=1)) == 1
        assert [page.tries for page in outbox.due(tx, "sms", now=now, limit=10)] == [1]
    assert [one.outcome for one in receipts(db)] == ["unknown"]


def receipt(delivery_id: str, page: str, incident: str, now: datetime) -> dict[str, Any]:
    return {"id": delivery_id, "outbox_id": page, "incident_id": incident, "user_id": "PADA001", "channel": "sms",
            "address": "+15550111", "started_at": now, "idempotency_key": page}  # fmt: skip


def test_a_restarted_node_gets_back_only_what_it_had(db: Database, incident: str, now: datetime):
    owed(db, row("N1", incident, now), row("N2", incident, now))
    with db.write() as tx:
        outbox.claim(tx, ["N1"], until=now + timedelta(hours=1), node="one")
        outbox.claim(tx, ["N2"], until=now + timedelta(hours=1), node="two")
    with db.write() as tx:
        assert outbox.return_lost(tx, now=now, holder="one") == 1
    assert {page.id: page.state for page in pages(db)} == {"N1": "due", "N2": "sending"}


def test_dropping_ends_only_what_is_still_due_and_says_why(db: Database, incident: str, now: datetime):
    with db.write() as tx:
        other = save_incident(tx, 8, ["PADA001"], now)
    owed(
        db,
        row("N1", incident, now),
        row("N2", incident, now, user_id="PBO0002"),
        row("N3", incident, now),
        row("N4", other, now),
    )
    with db.write() as tx:
        outbox.claim(tx, ["N3"], until=now, node="one")
        assert outbox.drop(tx, [(incident, "PADA001")], "it was acknowledged") == 1
        assert outbox.drop(tx, [(incident, None)], "it was resolved") == 1
    assert {page.id: page.state for page in pages(db)} == {
        "N1": "dropped",
        "N2": "dropped",
        "N3": "sending",
        "N4": "due",
    }
    assert next(page.reason for page in pages(db) if page.id == "N1") == "on call; it was acknowledged"


def test_a_late_answer_of_an_earlier_try_settles_nothing(db: Database, incident: str, now: datetime):
    owed(db, row("N1", incident, now))
    with db.write() as tx:
        outbox.claim(tx, ["N1"], until=now, node="one")
        outbox.return_lost(tx, now=now + timedelta(seconds=1))
        outbox.claim(tx, ["N1"], until=now + timedelta(hours=1), node="two")
        assert outbox.still_ours(tx, {"N1": 1}) == set()
        assert outbox.still_ours(tx, {"N1": 2}) == {"N1"}


def test_an_acceptance_counts_even_after_the_claim_ran_out(db: Database, incident: str, now: datetime):
    owed(db, row("N1", incident, now))
    with db.write() as tx:
        outbox.claim(tx, ["N1"], until=now, node="one")
        outbox.return_lost(tx, now=now + timedelta(seconds=1))
        outbox.mark_sent(tx, ["N1"], now=now)
    assert [page.state for page in pages(db)] == ["sent"]


def test_the_receipt_of_a_provider_that_was_quicker_than_its_answer_stands(db: Database, incident: str, now: datetime):
    owed(db, row("N1", incident, now))
    with db.write() as tx:
        outbox.begin_deliveries(tx, [receipt("D1", "N1", incident, now)])
        outbox.set_receipt(tx, ["D1"], outcome="delivered", detail="it rang", now=now)
        outbox.end_deliveries(
            tx, [{"id": "D1", "ended_at": now, "outcome": "accepted", "detail": "", "provider_id": "SM1"}]
        )
    assert [one.outcome for one in receipts(db)] == ["delivered"]


def test_the_latest_message_to_a_number_is_found(db: Database, incident: str, now: datetime):
    later = now + timedelta(seconds=5)
    with db.write() as tx:
        outbox.begin_deliveries(tx, [receipt("D1", "N1", incident, now), receipt("D2", "N2", incident, later)])
        assert [one.id for one in outbox.last_messages_to(tx, "sms", "+15550111", 1)] == ["D2"]
        assert outbox.last_messages_to(tx, "sms", "+15559999", 1) == []


def test_counts_are_of_what_is_owed_or_under_way(db: Database, incident: str, now: datetime, chance: Random):
    owed(db, row("N1", incident, now), row("N2", incident, now), row("N3", incident, now, lane="email"))
    with db.write() as tx:
        outbox.claim(tx, ["N2"], until=now, node="one")
        assert outbox.counts(tx) == {("sms", "due"): 1, ("sms", "sending"): 1, ("email", "due"): 1}
