"""Heartbeats by clicking, and a weekly test confirmed from its link."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from tests.people import CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tests.web.test_every_page import AXE, RULES
from tocsin.base.clock import system_clock
from tocsin.core.heartbeat import Kind
from tocsin.service import heartbeats
from tocsin.service.heartbeats import Ping
from tocsin.store import self_tests
from tocsin.store.tables.watching import heartbeat


def test_a_heartbeat_is_made_seen_paused_and_deleted_by_clicking(browser: Browser, stage: Stage) -> None:
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto("/app/heartbeats")
    page.get_by_label("Name").fill("Nightly <b>backup</b>")
    page.get_by_label("Or by the calendar").fill("FREQ=SOMETIMES")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_label("Name")).to_have_value("Nightly <b>backup</b>")
    page.get_by_label("Or by the calendar").fill("FREQ=DAILY;BYHOUR=3;BYMINUTE=0")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("waits for its first ping").first).to_be_visible()
    with stage.db.read() as tx:
        secret = stage.seals.open(str(tx.scalar(sa.select(heartbeat.c.sealed_secret))))
    for kind, status in ((Kind.START, None), (Kind.SUCCESS, 0), (Kind.FAIL, 3)):
        with stage.db.write() as tx:
            heartbeats.hear(tx, stage.seals, secret, Ping(kind, exit_status=status), now=system_clock(), chance=stage.chance)
    page.reload()
    expect(page.get_by_text("Silent", exact=True)).to_be_visible()
    expect(page.get_by_role("img", name="3 pings, the last a failure")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    page.get_by_text("show", exact=True).click()
    expect(page.get_by_text(f"/heartbeat/{secret}")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("On time", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing promises to call yet")).to_be_visible()
    assert window.troubles == [] or all("422" in one for one in window.troubles)


@pytest.mark.parametrize("way", ["by its link", "on one's own page"])
def test_a_weekly_test_is_chosen_and_confirmed(browser: Browser, stage: Stage, way: str) -> None:
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto("/app/me")
    page.get_by_label("Test my ways").select_option(label="Every week")
    page.locator("#weekly ~ form").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your ways are tested every Monday at 10:00")).to_be_visible()
    now, test_id = system_clock(), ("link" if "link" in way else "page") + "x" * 16
    with stage.db.write() as tx:
        self_tests.add(tx, {"id": test_id, "user_id": CY.id, "contact_method_id": "PM00004", "outbox_id": "N1", "sent_at": now, "answer_by": now})
    page.reload()
    expect(page.get_by_text("Weekly test waits for your word")).to_be_visible()
    if "link" in way:
        page.goto(f"/tested/{test_id}")
        page.evaluate(AXE.read_text())
        assert page.evaluate(RULES) == []
        page.get_by_role("button", name="Yes, it reached me").click()
        expect(page.get_by_text("Work works")).to_be_visible()
        page.goto("/tested/nothing")
        expect(page.get_by_text("There is no such test")).to_be_visible()
    else:
        page.get_by_role("button", name="The weekly test reached me").click()
        expect(page.get_by_text("Work is proven")).to_be_visible()
    page.goto("/app/people")
    expect(page.get_by_text("Proven").first).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
