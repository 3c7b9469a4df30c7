"""Signing in at the company's own door: a real provider with real signatures, who is let in by it, and who is not."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import httpx2
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.people import ADA, BO
from tests.web.provider import CLIENT, SECRET, Claims, Person, Provider, providing
from tests.web.stage import PASSWORD, settle
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.channels import oidc
from tocsin.core.permission import HOUSE
from tocsin.service import people, sessions, single_sign_on
from tocsin.service.audit import Deed
from tocsin.service.single_sign_on import SingleSignOn
from tocsin.store import people as store_people
from tocsin.store.db import Database
from tocsin.store.tables.engine import audit
from tocsin.store.tables.people import user
from tocsin.web.app import make_app
from tocsin.web.visit import WebSettings

BASE = "https://tocsin.example.org"


@dataclass
class Door:
    """Our pages with a company's door, and the provider behind it."""

    db: Database
    seals: Seals
    provider: Provider
    settings: SingleSignOn
    later: timedelta = timedelta()
    apps: dict[SingleSignOn, Any] = field(default_factory=dict)

    def clock(self) -> datetime:
        return system_clock() + self.later

    def browser(self, base: str = BASE) -> TestClient:
        if self.settings not in self.apps:
            settings = WebSettings(base_url=BASE, single_sign_on=self.settings)
            self.apps[self.settings] = make_app(self.db, self.seals, settings, clock=self.clock, chance=random.SystemRandom())
        return TestClient(self.apps[self.settings], base_url=base, follow_redirects=False)

    def with_(self, **changed: Any) -> "Door":
        return replace(self, settings=replace(self.settings, **changed))

    def way(self, browser: TestClient, path: str = "/app/sign-in/company") -> str:
        """To the provider and back: the address it sends the browser to, with the code."""
        there = browser.get(path)
        assert there.status_code == 303, there.text
        answer = httpx.get(there.headers["location"])
        assert answer.status_code == 302
        return str(answer.headers["location"])

    def come_in(self, browser: TestClient | None = None, path: str = "/app/sign-in/company") -> httpx2.Response:
        found = browser or self.browser()
        return found.get(self.way(found, path))


@pytest.fixture
def door(sqlite_db: Database, seals: Seals) -> Iterator[Door]:
    with opened(sqlite_db, seals) as found:
        yield found


@pytest.fixture
def either_door(db: Database, seals: Seals) -> Iterator[Door]:
    """The same on each of the two databases."""
    with opened(db, seals) as found:
        yield found


@contextmanager
def opened(db: Database, seals: Seals) -> Iterator[Door]:
    settle(db, system_clock())
    provider = Provider()
    with providing(provider):
        yield made(db, seals, provider)


def made(db: Database, seals: Seals, provider: Provider, allowed: tuple[str, ...] = ("127.0.0.0/8",)) -> Door:
    found = Door(db, seals, provider, SingleSignOn(provider=oidc.Provider(provider.url, CLIENT, SECRET, allowed=allowed), base_url=BASE, name="Example"))
    provider.clock = found.clock
    return found


def problem(answer: httpx2.Response) -> str:
    """What the page for signing in says is wrong."""
    assert "Sign in with Example" in answer.text
    assert SECRET not in answer.text
    return answer.text


def test_whoever_the_provider_knows_comes_in_and_goes_on_to_the_page_that_was_wanted(door: Door) -> None:
    browser = door.browser()
    page = browser.get("/app/sign-in?next=/app/on-call")
    assert "Sign in with Example" in page.text
    there = browser.get("/app/sign-in/company?next=/app/on-call")
    kept = next(one for one in there.headers.get_list("set-cookie") if one.startswith("__Host-tocsin-way="))
    assert "httponly" in kept.lower()
    assert "secure" in kept.lower()
    query = httpx.URL(there.headers["location"]).params
    assert (query["response_type"], query["code_challenge_method"], query["client_id"]) == ("code", "S256", CLIENT)
    assert query["redirect_uri"] == f"{BASE}/app/sign-in/company/back"
    back = httpx.get(there.headers["location"]).headers["location"]
    answer = browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/app/on-call")
    assert answer.headers["cache-control"] == "no-store"
    assert ADA.name in browser.get("/app/me").text
    again = browser.get(back)
    assert again.status_code == 400
    assert "not begun in this browser" in problem(again)
    assert door.browser().get(back).status_code == 400  # a code that somebody else got is of no use to them


def test_it_leads_nowhere_else_afterwards(door: Door) -> None:
    assert door.come_in(path="/app/sign-in/company?next=https://evil.example/").headers["location"] == "/app/incidents"


def test_whoever_begins_at_another_address_of_ours_is_led_to_the_public_one_first(door: Door) -> None:
    moved = door.browser("http://127.0.0.1:8080").get("/app/sign-in/company?next=/app/me")
    assert moved.headers["location"] == f"{BASE}/app/sign-in/company?next=%2Fapp%2Fme&moved=1"
    assert door.browser("http://inside").get("/app/sign-in/company?moved=1").headers["location"].startswith(door.provider.url)


LIES: list[tuple[str, Any, str]] = [
    ("iss", "https://elsewhere.example", "another provider"), ("aud", "somebody-else", "another application"), ("nonce", "guessed", "another sign-in"),
    ("exp", 1, "expired"), ("iat", 4_000_000_000, "future"), ("sub", "", "whom"),
]  # fmt: skip


def test_a_token_that_lies_lets_nobody_in(door: Door) -> None:
    for name, value, words in LIES:
        door.provider.bend = lambda claims, name=name, value=value: {**claims, name: value}  # type: ignore[misc]
        browser = door.browser()
        answer = door.come_in(browser)
        assert answer.status_code == 502
        assert words in problem(answer), name
        assert browser.get("/app/me").status_code == 303, "nobody is signed in"


def test_a_signature_that_is_not_the_providers_is_not_believed(door: Door) -> None:
    for algorithm, key, words in (("none", 0, "is not believed"), ("HS256", 0, "is not believed"), ("RS256", 1, "a key that the provider does not have")):
        door.provider.algorithm, door.provider.key = algorithm, key
        answer = door.come_in()
        assert answer.status_code == 502
        assert words in problem(answer)
    door.provider.algorithm, door.provider.key = "RS256", 0

    def forged(claims: Claims) -> Claims:
        return claims

    door.provider.bend = forged
    door.provider.published = (1,)  # the name of the key is right, the key is another
    door.later += timedelta(hours=2)
    keys = door.provider.keys
    door.provider.keys = lambda: {"keys": [{**keys()["keys"][0], "kid": "key-0"}]}  # type: ignore[method-assign]
    assert "signature" in problem(door.come_in())


def test_a_new_key_is_found_at_once_and_an_old_one_is_forgotten(door: Door) -> None:
    assert door.come_in().status_code == 303
    fetched = door.provider.asked.count("/keys")
    assert door.come_in().status_code == 303
    assert door.provider.asked.count("/keys") == fetched
    door.provider.key, door.provider.published = 1, (1,)
    assert door.come_in().status_code == 502  # looked for only every few seconds, so that nobody can make us ask and ask
    door.later += timedelta(seconds=11)
    assert door.come_in().status_code == 303
    door.provider.key = 0
    door.later += timedelta(hours=1)
    assert door.come_in().status_code == 502


def test_clocks_may_differ_a_little(door: Door) -> None:
    door.provider.clock = lambda: door.clock() + timedelta(seconds=100)
    assert door.come_in().status_code == 303
    door.provider.clock = lambda: door.clock() + timedelta(seconds=200)
    assert "clocks" in problem(door.come_in())


def test_who_is_let_in(either_door: Door) -> None:
    door = either_door
    door.provider.person = Person("sub-new", "new@example.org", "Nia New")
    refused = door.come_in()
    assert refused.status_code == 403
    assert "nobody here has the address" in problem(refused)
    assert "not let in here" in problem(door.with_(new_role="limited_user", domains=("other.org",)).come_in())
    door.provider.person.is_verified = None
    assert "verified" in problem(door.with_(new_role="limited_user").come_in())
    assert door.with_(new_role="limited_user", trusts_unverified=True).come_in().status_code == 303
    with door.db.read() as tx:
        nia = store_people.user_by_email(tx, "new@example.org")
        methods = tx.rows(sa.select(audit.c.method, audit.c.action))
    assert nia is not None
    assert (nia.name, nia.role, nia.password_hash) == ("Nia New", "limited_user", None)
    assert ("identity_provider", "create") in {tuple(row) for row in methods}
    door.provider.person = Person("sub-new", "married@example.org", "Nia N")  # the provider's name for her is what counts
    browser = door.browser()
    assert door.come_in(browser).status_code == 303
    assert "Nia New" in browser.get("/app/me").text


def test_an_address_that_went_to_somebody_else_does_not_let_them_in(either_door: Door) -> None:
    door = either_door
    assert door.come_in().status_code == 303
    door.provider.person = Person("sub-thief", ADA.email, "Not Ada")
    refused = door.come_in()
    assert refused.status_code == 403
    assert "another name" in problem(refused)
    with door.db.write() as tx:
        single_sign_on.loosen(tx, Deed(HOUSE, door.clock(), random.Random(1)), ADA.id)
    assert door.come_in().status_code == 303


def test_a_disabled_account_stays_out_whether_it_was_in_before_or_not(either_door: Door) -> None:
    door = either_door
    assert door.come_in().status_code == 303
    with door.db.write() as tx:
        tx.execute(sa.update(user).where(user.c.id.in_([ADA.id, BO.id])).values(is_disabled=True))
    assert "disabled" in problem(door.come_in())
    door.provider.person = Person("sub-bo", BO.email, "Bo")
    assert "disabled" in problem(door.come_in())


def test_what_the_id_token_does_not_say_is_asked_for(door: Door) -> None:
    door.provider.in_userinfo = True
    assert door.come_in().status_code == 303
    assert "/userinfo" in door.provider.asked


def test_what_the_provider_refuses_is_told_in_its_words_and_only_to_who_began(door: Door) -> None:
    door.provider.refuses = "You are <b>not</b> in the group"
    answer = door.come_in()
    assert answer.status_code == 403
    assert "You are &lt;b&gt;not&lt;/b&gt; in the group" in answer.text
    stranger = door.browser().get("/app/sign-in/company/back?error=x&error_description=Call+this+number&state=y")
    assert stranger.status_code == 400
    assert "Call this number" not in stranger.text


def test_a_way_that_took_too_long_or_has_another_state_ends(door: Door) -> None:
    browser = door.browser()
    back = door.way(browser)
    assert "another one was begun" in problem(browser.get(back.replace("state=", "state=x")))
    back = door.way(browser)
    door.later += timedelta(minutes=11)
    assert "too long" in problem(browser.get(back))
    for query in ("", "?state=", "?code=x", "?state=%00&code=%00", "?code=" + "x" * 9000):
        assert browser.get("/app/sign-in/company/back" + query).status_code == 400


def test_a_provider_that_cannot_be_asked_or_says_nonsense_is_told_as_such(door: Door) -> None:
    for about, words in (
        ({"issuer": "https://elsewhere.example"}, "must be exactly that"), ({"token_endpoint": ""}, "no token_endpoint"),
        ({"jwks_uri": "http://login.example.org/keys"}, "not an https address"), ({"authorization_endpoint": "javascript:alert(1)"}, "not an https address"),
    ):  # fmt: skip
        door.provider.about = about
        answer = made(door.db, door.seals, door.provider).browser().get("/app/sign-in/company")
        assert answer.status_code == 502
        assert words in problem(answer)
    nobody = replace(door.settings, provider=oidc.Provider("http://127.0.0.1:9", CLIENT, SECRET, allowed=("127.0.0.0/8",)))
    assert "cannot be reached" in problem(replace(door, settings=nobody).browser().get("/app/sign-in/company"))
    inside = replace(door.settings, provider=oidc.Provider(door.provider.url, CLIENT, SECRET))
    assert "private or special address" in problem(replace(door, settings=inside).browser().get("/app/sign-in/company"))
    wrong = replace(door.settings, provider=oidc.Provider(door.provider.url, CLIENT, "an old secret", allowed=("127.0.0.0/8",)))
    door.provider.about = {}
    told = problem(replace(door, settings=wrong).come_in())
    assert "invalid_client" in told
    assert "an old secret" not in told


def test_a_provider_that_does_not_answer_is_not_asked_by_everybody_at_once(door: Door) -> None:
    door.provider.about = {"issuer": "https://elsewhere.example"}
    browser = door.browser()
    for _ in range(3):
        assert browser.get("/app/sign-in/company").status_code == 502
    assert door.provider.asked.count("/.well-known/openid-configuration") == 1
    door.provider.about, door.later = {}, timedelta(seconds=11)
    assert browser.get("/app/sign-in/company").status_code == 303


def test_something_else_that_was_sealed_here_is_no_note_of_a_sign_in(door: Door) -> None:
    for text in ("1", "[]", '{"state": "y"}', "no json"):
        browser = door.browser()
        browser.cookies.set("__Host-tocsin-way", door.seals.seal(text))
        assert browser.get("/app/sign-in/company/back?code=x&state=y").status_code == 400


def test_passwords_may_be_closed_for_all_but_the_owner(door: Door) -> None:
    closed = door.with_(is_only=True)
    with door.db.write() as tx:
        deed = Deed(HOUSE, door.clock(), random.Random(1))
        owner = people.create_owner(tx, deed, name="Olu", email="olu@example.org", password=PASSWORD)
        link = sessions.welcome_link(tx, door.seals, BO.id, now=door.clock())
    assert owner
    for email, status in ((ADA.email, 403), ("olu@example.org", 303)):
        browser = closed.browser()
        page = browser.get("/app/sign-in").text
        assert "For the Account Owner only" in page
        csrf = page.split('name="csrf" value="')[1].split('"')[0]
        answer = browser.post("/app/sign-in", data={"csrf": csrf, "email": email, "password": PASSWORD})
        assert answer.status_code == status
    browser = closed.browser()
    csrf = browser.get(f"/app/welcome/{link}").text.split('name="csrf" value="')[1].split('"')[0]
    refused = browser.post(f"/app/welcome/{link}", data={"csrf": csrf, "password": "seven grey seals", "again": "seven grey seals"})
    assert "Passwords are closed" in refused.text
    assert closed.come_in().status_code == 303


def test_signing_out_here_offers_to_sign_out_there(door: Door) -> None:
    browser = door.browser()
    assert door.come_in(browser).status_code == 303
    csrf = browser.get("/app/me").text.split('name="csrf" value="')[1].split('"')[0]
    out = browser.post("/app/sign-out", data={"csrf": csrf})
    page = browser.get(out.headers["location"]).text
    assert f'href="{door.provider.url}/out?client_id={CLIENT}' in page
    assert browser.get("/app/me").status_code == 303


def test_the_log_of_a_sign_in_holds_no_secret(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    browser = door.browser()
    back = door.way(browser)
    assert browser.get(back).status_code == 303
    door.provider.bend = lambda claims: {**claims, "aud": "other"}
    assert door.come_in().status_code == 502
    code, session = httpx.URL(back).params["code"], next(one.value for one in browser.cookies.jar if one.name == "__Host-tocsin")
    caplog_of_us = [one.getMessage() for one in caplog.records if one.name.split(".")[0] not in {"httpx", "httpx2", "httpcore", "httpcore2"}]  # the test's own client tells what it asks
    said = "\n".join(caplog_of_us)
    assert [secret for secret in (code, str(session), SECRET, "access-sub-ada", "eyJ", ADA.email) if secret in said] == []


def test_without_a_provider_there_is_no_such_door(door: Door) -> None:
    app = make_app(door.db, door.seals, WebSettings(base_url=BASE), clock=system_clock, chance=random.SystemRandom())
    browser = TestClient(app, base_url=BASE, follow_redirects=False)
    assert "company" not in browser.get("/app/sign-in").text
    for path in ("/app/sign-in/company", "/app/sign-in/company/back?code=x&state=y"):
        assert browser.get(path).headers["location"] == "/app/sign-in"
