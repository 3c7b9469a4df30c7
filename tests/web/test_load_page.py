"""The page of a rota's load, and what the page of a schedule says of a calendar that it follows: in both themes and sizes."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, ViewportSize

from tests.people import CY
from tests.web.conftest import DESK, PHONE, opened, sign_in
from tests.web.stage import Stage
from tests.web.test_every_page import AXE, RULES
from tocsin.base.clock import system_clock
from tocsin.core.permission import HOUSE
from tocsin.service import followed_calendars, public_holidays
from tocsin.service.audit import Deed
from tocsin.service.followed_calendars import Outcome
from tocsin.store.tables.calendars import followed_calendar
from tocsin.store.tables.schedules import schedule

CALENDAR = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
SUMMARY:Cy
DTSTART:20260101T080000Z
DURATION:P1D
RRULE:FREQ=DAILY
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Zoe & <b>co</b>
DTSTART:20260101T080000Z
DURATION:PT8H
RRULE:FREQ=DAILY
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def rotas(stage: Stage) -> tuple[str, str]:
    """A rota of three with public holidays, and one that follows a calendar whose address fails now."""
    now = system_clock()
    with stage.db.write() as tx:
        deed = Deed(HOUSE, now, stage.chance)
        ids = {row.name: row.id for row in tx.rows(sa.select(schedule.c.name, schedule.c.id))}
        primary, office = ids["Payments primary"], ids["Platform office hours"]
        public_holidays.choose(tx, deed, {"id": primary, "type": "schedule_reference", "summary": "Payments primary"}, "FR", None)
        followed_calendars.follow_file(tx, deed, office, CALENDAR)
        followed_calendars.follow_address(tx, deed, stage.seals, office, "https://calendar.example.org/hush.ics")
        revision = tx.scalar(sa.select(followed_calendar.c.revision))
        error = Outcome(None, error="the address answers HTTP 503 instead of a calendar")
        followed_calendars.take_in(tx, deed, office, revision, error, every=timedelta(minutes=15))
    return primary, office


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_load_and_the_followed_calendar_are_readable_everywhere(
    browser: Browser, stage: Stage, rotas: tuple[str, str], theme: Literal["light", "dark"], size: ViewportSize
):
    window = opened(browser, stage, size=size, theme=theme)
    page = window.page
    sign_in(page, CY.email)
    for name, address, words in (
        ("load", f"/app/schedules/{rotas[0]}/load", ("Load of Payments primary", "Beyond an even share", "Bo", "Ada")),
        ("followed", f"/app/schedules/{rotas[1]}", ("Follows a calendar", "The last good copy is used", "calendar.example.org", "HTTP 503", "Zoe & <b>co</b>")),
        ("calendar", f"/app/schedules/{rotas[1]}/calendar", ("Follow a calendar", "Stop following it", "BEGIN:VCALENDAR")),
    ):
        window.troubles.clear()
        page.goto(address)
        for fold in page.locator("details#not-understood").all():
            fold.click()
        text = page.locator("main").inner_text()
        assert [one for one in words if one.casefold() not in text.casefold()] == []
        assert "hush" not in page.content()
        assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("window.innerWidth")
        if folder := os.environ.get("TOCSIN_TEST_PICTURES"):
            page.screenshot(path=f"{folder}/{name}-{theme}-{size['width']}.png", full_page=True)
        page.evaluate(AXE.read_text())
        assert page.evaluate(RULES) == []
        assert window.troubles == []
    page.context.close()


def test_the_schedule_leads_to_its_load_which_can_be_taken_along(browser: Browser, stage: Stage, rotas: tuple[str, str], tmp_path: Path):
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto(f"/app/schedules/{rotas[0]}")
    page.get_by_role("link", name="Load and fairness").click()
    page.wait_for_url("**/load")
    with page.expect_download() as coming:
        page.get_by_role("button", name="A row a shift").click()
    lines = Path(coming.value.path()).read_text().splitlines()
    assert lines[0].startswith("id,name,email,time_zone,start,end,hours")
    assert len(lines) > 2
    page.context.close()
    stranger = opened(browser, stage).page
    sign_in(stranger, "eli@example.org")
    stranger.goto(f"/app/schedules/{rotas[0]}")
    assert stranger.get_by_role("link", name="Load and fairness").count() == 0
    answer = stranger.goto(f"/app/schedules/{rotas[0]}/load")
    assert answer is not None
    assert answer.status == 403
    stranger.context.close()


def test_a_calendar_is_looked_at_before_it_is_followed_and_can_be_left_again(browser: Browser, stage: Stage, rotas: tuple[str, str]):
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto(f"/app/schedules/{rotas[0]}")
    page.get_by_role("link", name="Follow a calendar").click()
    page.get_by_label("Its address").fill("http://127.0.0.1:9/hush.ics")
    page.get_by_role("button", name="See what would change").click()
    assert "private or special" in page.get_by_role("alert").inner_text()
    page.get_by_label("Its address").fill("")
    page.get_by_label("Or its text").fill(CALENDAR)
    page.get_by_role("button", name="See what would change").click()
    text = page.locator("main").inner_text()
    assert "nothing is kept yet" in text
    assert "instead of" in text
    assert "Zoe & <b>co</b>" in text
    if folder := os.environ.get("TOCSIN_TEST_PICTURES"):
        page.screenshot(path=f"{folder}/calendar-looked.png", full_page=True)
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    page.get_by_role("button", name="Follow it now").click()
    page.wait_for_url(f"**/schedules/{rotas[0]}")
    text = page.locator("main").inner_text()
    assert "sent as a file" in text
    assert "besides the others" not in text  # what the calendar says is no exception
    page.get_by_role("link", name="Follow a calendar").click()
    page.get_by_role("button", name="Stop following it").click()
    page.wait_for_url(f"**/schedules/{rotas[0]}")
    assert "Follows a calendar" not in page.locator("main").inner_text()
    page.context.close()
