"""Every page, in both themes, on a phone and at a desk: nothing goes wrong in it, it fits, and everybody can use it."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.people import CY
from tests.web import story
from tests.web.conftest import DESK, PHONE, Window, opened, sign_in
from tests.web.stage import Stage

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})).violations.map((one) => one.id + ': ' + one.help + ' ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | '))"
SIZES: dict[str, ViewportSize] = {"desk": DESK, "phone": PHONE}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def addresses(stage: Stage) -> dict[str, str]:
    return story.tell(stage)


Windows = Callable[[Literal["light", "dark"], str], Window]


@pytest.fixture(scope="module")
def windows(browser: Browser, stage: Stage) -> Iterator[Windows]:
    """One signed-in window for each theme and size, opened when it is first asked for, whatever the order of the tests."""

    @cache
    def window(theme: Literal["light", "dark"], size: str) -> Window:
        fresh = opened(browser, stage, size=SIZES[size], theme=theme)
        sign_in(fresh.page, CY.email)
        return fresh

    yield window
    for theme, size in product(THEMES, SIZES):
        window(theme, size).page.context.close()


@pytest.mark.parametrize("name", story.PAGES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", THEMES)
def test_a_page_fits_speaks_no_error_and_is_accessible(
    windows: Windows, addresses: dict[str, str], theme: Literal["light", "dark"], size: str, name: str
):
    window = windows(theme, size)
    page = window.page
    window.troubles.clear()
    page.goto(addresses[name])
    page.wait_for_load_state("load")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.evaluate("window.innerWidth"), f"{name} is {width} px wide"
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    assert window.troubles == []


def test_the_story_names_every_page_it_tells(addresses: dict[str, str]):
    assert set(story.PAGES) == set(addresses)
