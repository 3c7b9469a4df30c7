"""Signing in and out: who gets in, how long, and what a stranger learns."""

from datetime import timedelta
from random import Random

import pytest

from tests.people import ADA, BO
from tests.web.stage import PASSWORD, settle
from tocsin.base.clock import system_clock
from tocsin.base.errors import Refusal
from tocsin.base.secret import Seals
from tocsin.service import sessions
from tocsin.service.sessions import Browser, Lifetimes
from tocsin.store import sessions as store
from tocsin.store.db import Database

HOME = Browser("192.0.2.1", "a browser")
ELSEWHERE = Browser("198.51.100.7", "another browser")
NOW = system_clock()
LIVES = Lifetimes(idle=timedelta(days=7), total=timedelta(days=30))


@pytest.fixture
def company(db: Database) -> Database:
    settle(db, NOW)
    return db


def enter(db: Database, seals: Seals, password: str = PASSWORD, *, email: str = ADA.email, browser: Browser = HOME, now=NOW):
    return sessions.sign_in(db, seals, email, password, browser, LIVES, now=now, chance=Random(str(now)))


def found(db: Database, seals: Seals, token: str, now=NOW):
    with db.read() as tx:
        return sessions.find(tx, seals, token, LIVES, now=now)


def test_the_right_password_opens_a_session_whatever_the_case_of_the_address(company: Database, seals: Seals):
    opened = enter(company, seals, email="ADA@Example.org ")
    session = found(company, seals, opened.token)
    assert session is not None
    assert session.user_id == ADA.id


def test_a_wrong_address_and_a_wrong_password_are_refused_in_the_same_words(company: Database, seals: Seals):
    with pytest.raises(Refusal) as wrong_password:
        enter(company, seals, "not this one")
    with pytest.raises(Refusal) as wrong_address:
        enter(company, seals, email="nobody@example.org")
    assert wrong_password.value == wrong_address.value


def test_guessing_is_slowed_down_where_it_happens_and_nowhere_else(company: Database, seals: Seals):
    for _ in range(5):
        with pytest.raises(Refusal, match="do not belong together"):
            enter(company, seals, "a guess")
    with pytest.raises(Refusal, match="Wait 15 s"):
        enter(company, seals, PASSWORD)
    assert enter(company, seals, PASSWORD, browser=ELSEWHERE).token
    assert enter(company, seals, PASSWORD, now=NOW + timedelta(seconds=15)).token


def test_a_session_ends_when_it_lies_idle_and_when_it_is_old(company: Database, seals: Seals):
    token = enter(company, seals).token
    assert found(company, seals, token, NOW + timedelta(days=6, hours=23)) is not None
    assert found(company, seals, token, NOW + timedelta(days=7)) is None
    with company.write() as tx:
        session = store.of_user(tx, ADA.id)[0]
        store.touch(tx, session.id, NOW + timedelta(days=29))
    assert found(company, seals, token, NOW + timedelta(days=29, hours=1)) is not None
    assert found(company, seals, token, NOW + timedelta(days=30)) is None


def test_another_password_ends_the_sessions_elsewhere(company: Database, seals: Seals):
    here, there = enter(company, seals), enter(company, seals, browser=ELSEWHERE, now=NOW + timedelta(seconds=1))
    with pytest.raises(Refusal, match="present password"):
        sessions.change_password(company, here.session, "not the old one", "a longer walk by the sea")
    sessions.change_password(company, here.session, PASSWORD, "a longer walk by the sea")
    assert found(company, seals, here.token) is not None
    assert found(company, seals, there.token) is None


def test_a_welcome_link_sets_a_password_once(company: Database, seals: Seals):
    with company.read() as tx:
        link = sessions.welcome_link(tx, seals, BO.id, now=NOW)
    with pytest.raises(Refusal, match="at least 10"):
        sessions.set_first_password(company, seals, link, "short", HOME, LIVES, now=NOW, chance=Random(1))
    opened = sessions.set_first_password(company, seals, link, "seven grey seals", HOME, LIVES, now=NOW, chance=Random(1))
    assert opened.session.user_id == BO.id
    with pytest.raises(Refusal, match="used already"):
        sessions.set_first_password(company, seals, link, "seven other seals", HOME, LIVES, now=NOW, chance=Random(2))


def test_stale_sessions_and_forgotten_failures_are_cleared_away(company: Database, seals: Seals):
    enter(company, seals)
    later = NOW + timedelta(days=8)
    with company.write() as tx:
        gone = store.drop_stale(tx, idle_since=later - LIVES.idle, failed_before=later, now=later)
    assert gone == 1
