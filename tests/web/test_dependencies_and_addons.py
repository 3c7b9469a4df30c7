"""A service's page shows what it hangs together with, an incident's page the add-ons of its service, as links."""

import pytest
from playwright.sync_api import Browser, expect

from tests.people import CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tocsin.base.clock import system_clock
from tocsin.core.dependencies import BUSINESS, TECHNICAL, Edge
from tocsin.core.permission import HOUSE
from tocsin.service import addons, business_services, dependencies
from tocsin.service.audit import Deed


@pytest.fixture
def incident_id(stage: Stage) -> str:
    deed = Deed(HOUSE, system_clock(), stage.chance)
    with stage.db.write() as tx:
        business_id = business_services.create(tx, deed, {"name": "Sales <b>in Lyon</b>"})
        dependencies.associate(tx, deed, [Edge((TECHNICAL, "PCHECK1"), (BUSINESS, business_id))])
        addons.create(tx, deed, {"type": addons.ON_INCIDENTS, "name": "Runbook <i>", "src": "https://example.org/run?a=1&b=2"}, ["PCHECK1"])
    return stage.open_incident("PCHECK1", "Card payments fail").id


def test_both_are_shown_and_nothing_from_elsewhere_is_loaded(browser: Browser, stage: Stage, incident_id: str):
    cy = opened(browser, stage)
    sign_in(cy.page, CY.email)
    cy.page.goto("/app/services/PCHECK1")
    box = cy.page.get_by_role("region", name="Dependencies")
    expect(box.get_by_text("Needed by")).to_be_visible()
    expect(box.get_by_text("Sales <b>in Lyon</b>")).to_be_visible()
    cy.page.goto(f"/app/incidents/{incident_id}")
    link = cy.page.get_by_role("link", name="Runbook <i>")
    expect(link).to_have_attribute("href", "https://example.org/run?a=1&b=2")
    assert cy.page.locator("iframe").count() == 0
    assert cy.troubles == []
