"""A real browser and the stage it looks at."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.people import ADA
from tests.web import stage as stages
from tests.web.stage import PASSWORD, Stage
from tocsin.base.secret import Seals

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file at a time: while its driver lives, no other test could run an event loop in this thread."""
    if not Path(CHROMIUM).exists():
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed: run `make system` as root")
        pytest.skip("Chromium is not installed: run `make system` as root")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, seals: Seals) -> Iterator[Stage]:
    with stages.stage(tmp_path_factory.mktemp("stage"), empty_sqlite, seals) as running:
        yield running


@dataclass
class Window:
    """A browser window of its own, and what went wrong in it."""

    page: Page
    troubles: list[str]


def opened(
    browser: Browser, stage: Stage, *, size: ViewportSize = DESK, theme: Literal["light", "dark"] = "light", has_scripts: bool = True
) -> Window:
    """A window nobody is signed in with."""
    context = browser.new_context(
        viewport=size,
        color_scheme=theme,
        base_url=stage.url,
        has_touch=size is PHONE,
        timezone_id="UTC",
        java_script_enabled=has_scripts,
    )
    page = context.new_page()
    page.set_default_timeout(8000)
    window = Window(page, [])
    page.on("console", lambda said: window.troubles.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: window.troubles.append(str(error)))
    return window


def sign_in(page: Page, email: str = ADA.email) -> None:
    page.goto("/app/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/app/incidents")
