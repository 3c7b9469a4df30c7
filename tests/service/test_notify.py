"""Owing pages: by a person's rules, to the last resort, as a test; and dropping them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.pages import pages, save_incident, save_service, save_way
from tests.people import Persona
from tocsin.base.errors import Refusal
from tocsin.service import notify
from tocsin.service.notify import PageOrder
from tocsin.store.db import Database
from tocsin.store.tables import people


@pytest.fixture
def incident(db: Database, staff: Sequence[Persona], now: datetime) -> str:
    with db.write() as tx:
        save_service(tx, now)
        save_way(tx, "PSMS001", "PADA001", "sms", "5550111", now, country_code=1, rules=[("high", 0), ("high", 5)])
        save_way(tx, "PMAIL01", "PADA001", "email", "ada@example.org", now, position=1, rules=[("low", 0)])
        save_way(tx, "PMAIL03", "PCY0003", "email", "cy@example.org", now)
        tx.execute(
            sa.insert(people.account),
            {
                "id": "account",
                "name": "Acme",
                "subdomain": "acme",
                "time_zone": "UTC",
                "settings": {},
                "created_at": now,
            },
        )
        return save_incident(tx, 7, ["PADA001", "PBO0002"], now)


def test_pages_are_owed_by_each_persons_rules_and_nobody_is_forgotten_silently(
    db: Database, incident: str, now: datetime, chance: Random
):
    ada_high, ada_low = (PageOrder(incident, "PADA001", urgency, "level 1") for urgency in ("high", "low"))
    bo = PageOrder(incident, "PBO0002", "high", "level 1")
    with db.write() as tx:
        assert notify.owe_pages(tx, [ada_high, ada_low, bo], now=now, chance=chance) == {ada_high: 2, ada_low: 1, bo: 0}
    kept = pages(db)
    assert sorted((page.lane, page.due_at - now) for page in kept) == [
        ("email", timedelta()), ("sms", timedelta()), ("sms", timedelta(minutes=5)),
    ]  # fmt: skip
    assert all(page.reason.startswith("level 1; rule:") for page in kept)


def test_no_orders_write_nothing(db: Database, incident: str, now: datetime, chance: Random):
    with db.write() as tx:
        assert notify.owe_pages(tx, [], now=now, chance=chance) == {}
    assert pages(db) == []


def test_what_is_dropped_says_why(db: Database, incident: str, now: datetime, chance: Random):
    with db.write() as tx:
        notify.owe_pages(tx, [PageOrder(incident, "PADA001", "high", "level 1")], now=now, chance=chance)
        assert notify.drop_pages(tx, [(incident, "PBO0002")], reason="given away", now=now) == 0
        assert notify.drop_pages(tx, [(incident, None)], reason="Ada acknowledged it", now=now) == 2
    assert {page.reason.rpartition("; ")[2] for page in pages(db)} == {"Ada acknowledged it"}


def test_without_a_setting_the_last_resort_is_the_admins_on_every_way_once(
    db: Database, incident: str, now: datetime, chance: Random
):
    with db.write() as tx:
        save_way(tx, "PSMS003", "PCY0003", "sms", "5550333", now, position=1, country_code=81, rules=())
        assert notify.owe_last_resort(tx, incident, reason="nobody on call", now=now, chance=chance) == 2
        assert notify.owe_last_resort(tx, incident, reason="nobody on call", now=now, chance=chance) == 0
    assert {(page.user_id, page.lane, page.purpose, page.reason) for page in pages(db)} == {
        ("PCY0003", "email", "last_resort", "last resort: nobody on call"),
        ("PCY0003", "sms", "last_resort", "last resort: nobody on call"),
    }


def test_the_accounts_setting_names_the_last_resort(db: Database, incident: str, now: datetime, chance: Random):
    with db.write() as tx:
        tx.execute(sa.update(people.account).values(settings={"last_resort": ["PADA001", "PGONE00"]}))
        assert notify.owe_last_resort(tx, incident, reason="nobody on call", now=now, chance=chance) == 2
    assert {page.user_id for page in pages(db)} == {"PADA001"}


def test_a_last_resort_that_cannot_be_reached_falls_back_to_the_admins(
    db: Database, incident: str, now: datetime, chance: Random
):
    with db.write() as tx:
        tx.execute(sa.update(people.account).values(settings={"last_resort": ["PBO0002"]}))
        assert notify.owe_last_resort(tx, incident, reason="nobody on call", now=now, chance=chance) == 1
    assert {page.user_id for page in pages(db)} == {"PCY0003"}


def test_a_test_goes_to_the_one_contact_method_at_once(db: Database, incident: str, now: datetime, chance: Random):
    with db.write() as tx:
        page_id = notify.owe_test(tx, "PADA001", "PSMS001", now=now, chance=chance)
        claims = notify.claim(tx, "sms", now=now, node="one", limit=5, chance=chance)
    assert [page.outbox_id for page in claims[0].pages] == [page_id]
    assert "This is a test" in claims[0].pages[0].facts.text


def test_a_test_of_somebody_elses_contact_method_is_refused(db: Database, incident: str, now: datetime, chance: Random):
    with db.write() as tx, pytest.raises(Refusal, match="Not Found"):
        notify.owe_test(tx, "PBO0002", "PSMS001", now=now, chance=chance)
