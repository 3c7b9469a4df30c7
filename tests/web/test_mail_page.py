"""Mail on the pages: an address is made by clicking, and a mail that was left out is found in the journal with its reason."""

from email.message import EmailMessage

import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from tests.people import CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tests.web.test_every_page import AXE, RULES
from tocsin.base.clock import system_clock
from tocsin.service import processing
from tocsin.service.services import EMAIL_TYPE
from tocsin.store import inbox
from tocsin.store.inbox import Numbering
from tocsin.store.tables.services import integration

SERVICE = "PCHECK1"


def test_an_address_is_made_and_what_became_of_its_mails_is_told(browser: Browser, stage: Stage) -> None:
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto(f"/app/services/{SERVICE}")
    page.get_by_label("A sender of mails").fill("Backups")
    page.get_by_label("Address before @").fill("not an address")
    page.get_by_role("button", name="Make an address").click()
    expect(page.get_by_text("not a valid e-mail address")).to_be_visible()
    page.get_by_label("A sender of mails").fill("Backups")
    page.get_by_label("Address before @").fill("backups")
    page.get_by_role("button", name="Make an address").click()
    expect(page.get_by_text("Mails to backups@localhost open incidents here now")).to_be_visible()
    page.locator("summary", has_text="Backups").click()
    expect(page.get_by_text("Mails of one subject are one incident")).to_be_visible()
    expect(page.get_by_text("No mail is received here")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    made = EmailMessage()
    made["From"], made["Subject"], made["Auto-Submitted"] = "bo@example.org", "Away <b>until</b> Monday", "auto-replied"
    made.set_content("I am away")
    with stage.db.write() as tx:
        key = tx.scalar(sa.select(integration.c.routing_key).where(integration.c.type == EMAIL_TYPE))
        rows = [(key, "email", "trigger", "one", "Away <b>until</b> Monday", made.as_bytes())]
        inbox.append(tx, Numbering(stage.chance).number(rows, system_clock()))
    with stage.db.write() as tx:
        processing.work_off(tx, 100, now=system_clock(), chance=stage.chance)
    page.goto("/app/events")
    page.get_by_text("Away <b>until</b> Monday").first.click()
    expect(page.get_by_text("it is an automatic answer to a mail")).to_be_visible()
    expect(page.get_by_text("I am away")).to_be_visible()
    page.close()
