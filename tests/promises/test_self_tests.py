"""Every way of reaching somebody is tested when they chose it, confirmed by them alone, and one that stays silent is told by another."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.base.errors import Refusal
from tocsin.core.permission import HOUSE
from tocsin.core.self_test import Proof
from tocsin.engine.self_tests import SelfTests
from tocsin.service import replies, self_tests
from tocsin.service.audit import Deed
from tocsin.store import self_tests as store
from tocsin.store.tables import engine, people

HOUR = timedelta(hours=1)


class Company:
    """Ada has two ways, Bo one; it is Monday, nine in the morning (UTC)."""

    def __init__(self, world: World, *, is_default: bool = False) -> None:
        self.world = world
        self.ada, self.bo = world.person("Ada", "webhook", "email"), world.person("Bo")
        with world.db.write() as tx:
            account = {"id": "account", "name": "Example", "subdomain": "example", "time_zone": "UTC", "settings": {}, "created_at": world.now}
            tx.execute(sa.insert(people.account), [account])
        self.tests = SelfTests(world.db, "one", Random(9), "https://tocsin.example.org", is_default)

    def choose(self, *, is_on: bool | None, weekday: int = 0, hour: int = 11) -> None:
        with self.world.db.write() as tx:
            self_tests.choose(tx, Deed(HOUSE, self.world.now, self.world.chance), self.ada, is_on=is_on, weekday=weekday, hour=hour)

    def pass_time(self, span: timedelta) -> None:
        until = self.world.now + span
        while self.world.now < until:
            self.look()
            self.world.now += min(until - self.world.now, timedelta(minutes=30))
        self.look()

    def look(self) -> None:
        while self.tests(self.world.now):
            pass
        self.world.settle()

    def sent(self) -> list[tuple[str, str, datetime]]:
        """(purpose, way, when)"""
        of = engine.outbox.c
        with self.world.db.read() as tx:
            rows = tx.rows(sa.select(of.purpose, of.lane, of.created_at).order_by(of.created_at, of.purpose, of.lane))
        return [(row.purpose, row.lane, row.created_at) for row in rows]

    def proofs(self) -> dict[str, Proof]:
        """By way of Ada's."""
        with self.world.db.read() as tx:
            kinds = {row.id: row.kind for row in tx.rows(sa.select(people.contact_method.c.id, people.contact_method.c.kind))}
            return {kinds[id_]: proof for id_, proof in store.proofs(tx, [self.ada]).items()}

    def confirm(self, kind: str) -> None:
        with self.world.db.write() as tx:
            self_tests.confirm(tx, str(self.proofs()[kind].open_id), self.world.now)


@pytest.fixture
def company(world: World) -> Company:
    return Company(world)


def test_each_way_is_tested_at_its_hour_and_the_silent_one_is_told_by_the_other(company: Company) -> None:
    began = company.world.now
    company.pass_time(HOUR)
    assert company.sent() == []  # off unless somebody chose it
    company.choose(is_on=True)
    company.pass_time(2 * HOUR)
    assert company.sent() == [("test", "email", began + 2 * HOUR), ("test", "webhook", began + 2 * HOUR)]
    assert [sent.to for sent in company.world.phones] == ["Ada", "Ada"]
    company.confirm("email")
    assert company.proofs()["email"] == Proof(company.world.now, None, began + 2 * HOUR)
    company.pass_time(24 * HOUR)
    assert company.sent()[2:] == [("test_missed", "email", began + 26 * HOUR)]
    assert company.proofs()["webhook"].missed
    company.pass_time(24 * HOUR)
    assert len(company.sent()) == 3
    company.world.now = began + timedelta(days=7) + 2 * HOUR
    company.look()
    assert [purpose for purpose, _, _ in company.sent()[3:]] == ["test", "test"]
    proof = company.proofs()["email"]
    assert (proof.confirmed_at is not None, proof.open_id is not None, proof.missed) == (True, True, False)


def test_a_test_that_is_late_waits_for_the_next_week(company: Company) -> None:
    company.choose(is_on=True)
    company.world.now += 9 * HOUR  # we were down at its hour, and it is evening now
    company.look()
    assert company.sent() == []
    with company.world.db.read() as tx:
        plan = store.plan(tx, company.ada)
    assert plan is not None
    assert plan.next_at == datetime(2026, 11, 30, 11, tzinfo=company.world.now.tzinfo)


def test_the_setting_counts_for_who_chose_nothing(world: World) -> None:
    company = Company(world, is_default=True)
    company.choose(is_on=False)
    company.pass_time(2 * HOUR)
    with world.db.read() as tx:
        asked = {row.user_id for row in tx.rows(sa.select(engine.outbox.c.user_id))}
    assert asked == {company.bo}


def test_a_reply_confirms_the_test_it_answers_and_nobody_can_guess_one(company: Company) -> None:
    with company.world.db.write() as tx:
        tx.execute(sa.update(people.contact_method).where(people.contact_method.c.kind == "webhook").values(kind="sms"))
    company.choose(is_on=True)
    company.pass_time(2 * HOUR)
    with company.world.db.write() as tx:
        pages = [row.id for row in tx.rows(sa.select(engine.outbox.c.id).where(engine.outbox.c.lane == "sms"))]
        assert self_tests.confirm_pages(tx, pages, company.world.now) == "Thank you: webhook works."
        assert self_tests.confirm_pages(tx, ["NNOTHING"], company.world.now) == ""
    assert company.proofs()["sms"].confirmed_at == company.world.now
    with company.world.db.write() as tx, pytest.raises(Refusal):
        self_tests.confirm(tx, "x" * 20, company.world.now)
    assert replies.read("4") == ("acknowledge", None)
