"""Delivering: pages leave at once, each lane alone, with receipts, retries, next ways, and never after they are stopped."""

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import pytest

from tests.pages import couriering, owe, pages, receipts, save_incident, save_service, save_way, told
from tests.people import Persona
from tocsin.app.sinks import Sinks
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.store import events
from tocsin.store.db import Database


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
    assert sorted((event.kind, event.outcome) for event in log) == [("email", "accepted"), ("webhook", "accepted")]  # type: ignore[attr-defined]
    assert all(event.at.tzinfo is UTC for event in log)
