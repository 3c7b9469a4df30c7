"""What an incident's page lets people do about help, updates and fields: by clicking, and against strangers' input."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from tests.people import ADA, BO, CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tocsin.base.clock import system_clock
from tocsin.core.events import Agent
from tocsin.core.permission import HOUSE
from tocsin.core.responders import State
from tocsin.service import incident_types
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store import incidents
from tocsin.store.tables import engine


@pytest.fixture
def incident_id(stage: Stage) -> str:
    return stage.open_incident("PCHECK1", "Card payments fail: 38 % of orders in Lyon").id


def test_help_is_asked_for_and_the_one_who_is_asked_joins(browser: Browser, stage: Stage, incident_id: str):
    cy = opened(browser, stage)
    sign_in(cy.page, CY.email)
    cy.page.goto(f"/app/incidents/{incident_id}")
    cy.page.get_by_text("Ask for help").click()
    cy.page.get_by_label("A person").select_option(label=BO.name)
    cy.page.get_by_label("What you need").fill("Which release <b>went</b> to Lyon?")
    cy.page.get_by_role("button", name="Ask now").click()
    expect(cy.page.get_by_text("Asked; they are paged until they join or decline")).to_be_visible()
    expect(cy.page.get_by_text("Which release <b>went</b> to Lyon?").first).to_be_visible()
    bo = opened(browser, stage)
    sign_in(bo.page, BO.email)
    bo.page.goto(f"/app/incidents/{incident_id}")
    expect(bo.page.get_by_text("You are asked to help.")).to_be_visible()
    bo.page.get_by_role("button", name="Join").click()
    expect(bo.page.get_by_text("Bo joined").first).to_be_visible()
    with stage.db.read() as tx:
        one = incidents.load(tx, [incident_id])[incident_id]
    assert [(each.user_id, each.state) for each in one.responders] == [(BO.id, State.JOINED)]
    assert cy.troubles == bo.troubles == []


def test_the_link_of_a_mail_joins_without_signing_in(browser: Browser, stage: Stage, incident_id: str):
    now = system_clock()
    agent = Agent("user_reference", CY.id, CY.name)
    with stage.db.write() as tx, Desk(tx, now=now, chance=stage.chance) as desk:
        desk.ask_for_help(incident_id, agent, "website", requester_id=CY.id, message="Come", user_ids=[BO.id])
    claims: dict[str, object] = {"incident": incident_id, "user": BO.id, "do": "join"}
    link = stage.seals.sign(claims, purpose="mail-action", expires_at=now + timedelta(hours=1))
    window = opened(browser, stage)
    window.page.goto(f"/act/{link}")
    with stage.db.read() as tx:
        assert incidents.load(tx, [incident_id])[incident_id].responders[0].state is State.PENDING
    window.page.get_by_role("button", name="Join").click()
    expect(window.page.get_by_text("Bo joined")).to_be_visible()
    window.page.goto(f"/act/{link}")
    expect(window.page.get_by_text("you have answered")).to_be_visible()
    with stage.db.read() as tx:
        assert incidents.load(tx, [incident_id])[incident_id].responders[0].state is State.JOINED
    assert window.troubles == []


def test_an_update_reaches_who_asked_to_hear_of_it(browser: Browser, stage: Stage, incident_id: str):
    cy = opened(browser, stage)
    sign_in(cy.page, CY.email)
    cy.page.goto(f"/app/incidents/{incident_id}")
    cy.page.get_by_text("Tell how it stands").click()
    cy.page.get_by_role("button", name="Tell me too").click()
    expect(cy.page.get_by_text("You hear of every update from now on")).to_be_visible()
    ada = opened(browser, stage)
    sign_in(ada.page, ADA.email)
    ada.page.goto(f"/app/incidents/{incident_id}")
    ada.page.get_by_text("Tell how it stands").click()
    ada.page.get_by_label("For those who are not working on it").fill("Orders are taken again")
    ada.page.get_by_role("button", name="Tell them").click()
    expect(ada.page.get_by_text("Orders are taken again")).to_be_visible()
    with stage.db.read() as tx:
        of = engine.outbox.c
        told = {row.user_id for row in tx.rows(sa.select(of.user_id).where(of.purpose == "status_update"))}
    assert told == {CY.id}
    assert ada.troubles == cy.troubles == []


def test_fields_are_filled_in_and_a_wrong_value_is_refused_in_words(browser: Browser, stage: Stage, incident_id: str):
    deed = Deed(HOUSE, system_clock(), stage.chance)
    with stage.db.write() as tx:
        base = incident_types.find(tx, "incident_default")
        for name, more in (
            ("place", {"data_type": "string", "field_type": "single_value_fixed", "options": ("Lyon", "Nice")}),
            ("customers", {"data_type": "integer", "field_type": "single_value"}),
            ("tags", {"data_type": "string", "field_type": "multi_value"}),
        ):
            incident_types.make_field(tx, deed, base, name=name, display_name=name.capitalize(), **more)
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto(f"/app/incidents/{incident_id}?tab=fields")
    page.get_by_label("Place").select_option("Nice")
    page.get_by_label("Customers").fill("many")
    page.get_by_role("button", name="Save the fields").click()
    expect(page.get_by_text("customers must be a whole number")).to_be_visible()
    page.goto(f"/app/incidents/{incident_id}?tab=fields")
    page.get_by_label("Place").select_option("Nice")
    page.get_by_label("Customers").fill("12")
    page.get_by_label("Tags").fill("a\nb <i>\n\na")
    page.get_by_role("button", name="Save the fields").click()
    expect(page.get_by_label("Customers")).to_have_value("12")
    with stage.db.read() as tx:
        one = incidents.load(tx, [incident_id])[incident_id]
        named = {field.name: one.values.get(field.id) for field in incident_types.fields_of_type(tx, one.type_name)}
    assert named == {"place": "Nice", "customers": 12, "tags": ["a", "b <i>"]}


def test_incidents_like_it_are_shown_with_how_alike_they_are(browser: Browser, stage: Stage, incident_id: str):
    again = stage.open_incident("PLEDGER", "Card payments fail: 12 % of orders in Lyon")
    with stage.db.write() as tx, Desk(tx, now=system_clock(), chance=stage.chance) as desk:
        assert desk.incident(incident_id).is_open
    window = opened(browser, stage)
    sign_in(window.page, CY.email)
    window.page.goto(f"/app/incidents/{again.id}?tab=alike")
    expect(window.page.get_by_role("link", name="38 % of orders in Lyon").first).to_be_visible()
    expect(window.page.get_by_text("% alike").first).to_be_visible()
    assert window.troubles == []
