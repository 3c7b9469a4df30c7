"""The main story at the pages: sign in, see an incident arrive, acknowledge it with a thumb."""

from playwright.sync_api import Browser, expect

from tests.web.conftest import PHONE, opened, sign_in
from tests.web.stage import Stage


def test_an_incident_arrives_without_reload_and_is_acknowledged_on_a_phone(browser: Browser, stage: Stage):
    window = opened(browser, stage, size=PHONE)
    page = window.page
    sign_in(page)
    expect(page.get_by_text("All quiet: nothing is open")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    incident = stage.open_incident("PCHECK1", "Card payments fail: 38 % of orders in Lyon")
    link = page.get_by_role("link", name=incident.title)
    expect(link).to_be_visible()
    assert page.evaluate("window.notReloaded")
    page.get_by_label(f"Tick #{incident.number}").check()
    page.get_by_role("button", name="Acknowledge").tap()
    expect(page.get_by_text("1 incident acknowledged")).to_be_visible()
    expect(page.locator(f"#i-{incident.id} .state-acknowledged")).to_be_visible()
    assert window.troubles == []
