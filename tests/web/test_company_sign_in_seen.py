"""The whole of a company's sign-in in a real browser: the button, the provider's page, and out again at both places."""

import random
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from playwright.sync_api import Browser, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.people import ADA
from tests.web.conftest import opened
from tests.web.provider import CLIENT, SECRET, Provider, providing
from tests.web.stage import Stage, serving, settle
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.channels import oidc
from tocsin.service.single_sign_on import SingleSignOn
from tocsin.store.db import Database
from tocsin.web.app import make_app
from tocsin.web.visit import WebSettings


@pytest.fixture
def behind_a_door(tmp_path: Path, empty_sqlite: Path, seals: Seals) -> Iterator[tuple[Stage, Provider]]:
    """Served pages whose people sign in at a provider that asks who they are."""
    path = tmp_path / "door.db"
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=4)
    settle(db, system_clock())
    made: list[ASGIApp] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await made[0](scope, receive, send)

    with providing(Provider(asks_first=True)) as provider, serving(app) as url:  # type: ignore[arg-type]
        known = oidc.Provider(provider.url, CLIENT, SECRET, allowed=("127.0.0.0/8",))
        settings = WebSettings(base_url=url, single_sign_on=SingleSignOn(provider=known, base_url=url, name="Example"))
        made.append(make_app(db, seals, settings, clock=system_clock, chance=random.SystemRandom()))
        yield Stage(db, seals, url, Random(7)), provider
    db.close()


def test_one_signs_in_with_the_companys_account_and_out_again(browser: Browser, behind_a_door: tuple[Stage, Provider]) -> None:
    stage, provider = behind_a_door
    window = opened(browser, stage)
    page = window.page
    page.goto("/app/schedules")
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="I am Ada").click()
    page.wait_for_url("**/app/schedules")
    expect(page.get_by_role("heading", name="Schedules", level=1)).to_be_visible()
    expect(page.get_by_text(ADA.name).first).to_be_visible()
    page.goto("/app/me")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.get_by_role("link", name="Sign out at Example too").click()
    expect(page.get_by_role("heading", name="You are out of everything")).to_be_visible()
    page.goto("/app/me")
    expect(page.get_by_role("heading", name="Sign in to")).to_be_visible()
    provider.person.email, provider.person.subject = "nobody@example.org", "sub-nobody"
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="I am Ada").click()
    expect(page.get_by_text("nobody here has the address nobody@example.org")).to_be_visible()
    assert [one for one in window.troubles if "403" not in one and "favicon" not in one and "404" not in one] == []
    page.context.close()
