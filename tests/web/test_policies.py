"""The pages of escalation policies: reading, trying at an instant, and editing with a look at what would change first."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from tests.people import ADA, BO, CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tests.web.test_strangers import signed_in, token
from tocsin.base.clock import system_clock
from tocsin.core.escalation import Policy, Target
from tocsin.core.permission import HOUSE
from tocsin.service import policies as service_policies
from tocsin.service.audit import Deed
from tocsin.store import policies

EDIT = "/app/policies/PPOL002/edit"
NEW = "/app/policies/new"


def form(page: str, **changed: Any) -> dict[str, Any]:
    """What a browser would post of the editor as it is shown, with some fields changed."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(name[1], []).append(value[1] if value else "")
    for name, inner in re.findall(r'<select[^>]*name="([^"]+)">(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', inner) or re.search(r'value="([^"]*)"', inner)
        found[name] = [chosen[1] if chosen else ""]
    return {**found, **changed}


def load(stage: Stage, policy_id: str = "PPOL002") -> Policy:
    with stage.db.read() as tx:
        return policies.load(tx, [policy_id])[policy_id]


@pytest.fixture
def cy(stage: Stage) -> TestClient:
    return signed_in(stage, CY.email)


def test_buttons_change_the_form_and_nothing_else(stage: Stage, cy: TestClient) -> None:
    before = load(stage)
    page = cy.get(EDIT).text
    for verb in ("more", "down:0", "drop:1", "add:0", "up:0", "nonsense:9"):
        page = cy.post(EDIT, data=form(page, do=verb, **{"add-0": f"user:{ADA.id}"})).text
    assert re.findall(r'name="level" value="(\d+)"', page) == ["0", "2"]
    assert f'value="user:{ADA.id}" checked' in page
    assert load(stage) == before


def test_what_an_edit_would_open_is_shown_before_it_is_kept(stage: Stage, cy: TestClient) -> None:
    before = load(stage)
    lonely = form(cy.get(EDIT).text, **{"target-1": [], "add-1": "user:PMORE01"})  # Eli has no way of being reached
    for verb in ("look", "save"):
        answer = cy.post(EDIT, data=lonely | {"do": verb})
        assert answer.status_code == 200
        assert "Nobody any more" in answer.text
        assert "Eli Novak has no contact method that can be used" in answer.text
        assert load(stage) == before
    kept = cy.post(EDIT, data=form(answer.text, do="sure"))
    assert (kept.status_code, kept.headers["location"]) == (303, "/app/policies/PPOL002")
    assert [target.id for target in load(stage).rules[1].targets] == ["PMORE01"]
    back = form(cy.get(EDIT).text, do="look", **{"target-1": [f"user:{CY.id}"]})
    answer = cy.post(EDIT, data=back)
    assert "Somebody again" in answer.text
    assert cy.post(EDIT, data=back | {"do": "save"}).status_code == 303
    assert load(stage) == before


def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(stage: Stage, cy: TestClient) -> None:
    typed = form(cy.get(NEW).text, do="save", name=" ", description="For the shop", **{"minutes-0": "0", "add-0": ""})
    answer = cy.post(NEW, data=typed)
    assert answer.status_code == 422
    for words in ("Enter a name", "Enter the minutes as a whole number from 1 to 1440", "Choose at least one person or schedule"):
        assert words in answer.text
    assert 'value="For the shop"' in answer.text
    taken = form(cy.get(NEW).text, do="save", name="Platform", **{"add-0": f"user:{CY.id}"})
    answer = cy.post(NEW, data=taken)
    assert (answer.status_code, "Another policy has this name already" in answer.text) == (422, True)
    many = taken | {"name": "Many", "target-0": [f"user:P{number}" for number in range(11)]}
    assert "A level may have at most 10 people and schedules" in cy.post(NEW, data=many).text
    ghost = taken | {"name": "Ghost", "target-0": ["user:PGHOST", "team:PTEAM01", "nonsense"]}
    assert "Target user PGHOST does not exist" in cy.post(NEW, data=ghost).text


def test_what_somebody_else_changed_meanwhile_is_not_overwritten_unseen(stage: Stage, cy: TestClient) -> None:
    first = form(cy.get(EDIT).text, do="save", description="Mine")
    assert cy.post(EDIT, data=form(cy.get(EDIT).text, do="save", description="Theirs")).status_code == 303
    answer = cy.post(EDIT, data=first)
    assert (answer.status_code, "Somebody else has changed this policy meanwhile" in answer.text) == (422, True)
    assert cy.post(EDIT, data=form(answer.text, do="save")).status_code == 303
    assert "Mine" in cy.get("/app/policies/PPOL002").text


def test_a_policy_in_use_is_not_deleted_and_one_that_is_not_is(stage: Stage, cy: TestClient) -> None:
    csrf = token(cy.get("/app/policies/PPOL001").text)
    answer = cy.post("/app/policies/PPOL001", data={"csrf": csrf, "do": "delete"})
    assert (answer.status_code, "used by the service &#39;Checkout API&#39;" in answer.text) == (422, True)
    made = cy.post(NEW, data=form(cy.get(NEW).text, do="save", name="Spare", **{"add-0": f"user:{CY.id}"})).headers["location"]
    assert cy.post(made, data={"csrf": csrf, "do": "delete"}).headers["location"] == "/app/policies"
    assert cy.get(made).status_code == 404


def test_a_dry_run_says_what_is_wrong_with_an_instant(stage: Stage, cy: TestClient) -> None:
    assert "Enter a date and a time" in cy.get("/app/policies/PPOL001?at=noon").text
    assert "Enter a date between 2000 and 2100" in cy.get("/app/policies/PPOL001?at=0001-01-01T00:00").text
    assert "it stays with these people" in cy.get("/app/policies/PPOL001?at=2026-11-24T03:00&urgency=low").text


def test_a_person_is_replaced_after_a_look(stage: Stage, cy: TestClient) -> None:
    here = f"/app/people/{ADA.id}/replace"
    typed = form(cy.get(here).text, do="look")
    assert "Choose who takes their place" in cy.post(here, data=typed).text
    answer = cy.post(here, data=typed | {"by": "PMORE02", "teams": "join"})
    assert (answer.status_code, load(stage, "PPOL001").rules[0].targets[0].id) == (200, ADA.id)
    for words in ("Payments: day and night", "Payments primary", "joins it as manager", "Later than now", "Fay Lindqvist has no contact method"):
        assert words in answer.text
    assert cy.post(here, data=form(answer.text, do="replace")).headers["location"] == f"/app/people/{ADA.id}"
    assert load(stage, "PPOL001").rules[0].targets[0].id == "PMORE02"


def test_who_would_leave_an_incident_with_nobody_is_asked_again(stage: Stage) -> None:
    bo = signed_in(stage, BO.email)
    page = bo.get("/app/me").text
    only = {"csrf": token(page), "do": "remove-method", "method": "PM00003"}
    with stage.db.write() as tx:
        deed = Deed(HOUSE, system_clock(), stage.chance)
        service_policies.create_policy(tx, deed, name="Bo alone", rules=[service_policies.level(10, Target("user", BO.id))])
    answer = bo.post("/app/me", data=only)
    assert (answer.status_code, "Bo alone: nobody is reached" in answer.text) == (422, True)
    assert "PM00003" in bo.get("/app/me").text
    slow = {"csrf": token(page), "do": "remove-rule", "rule": "PR00003"}
    assert bo.post("/app/me", data=slow).status_code == 303  # without a rule the first way is used at once
    later = {"csrf": token(page), "do": "add-rule", "method": "PM00003", "urgency": "high", "delay": "30"}
    answer = bo.post("/app/me", data=later)
    assert (answer.status_code, "Bo alone: only after 30 min" in answer.text) == (422, True)
    assert bo.post("/app/me", data=form(answer.text.partition("</form>")[0], do="add-rule")).status_code == 303
    assert bo.post("/app/me", data=only | {"sure": "yes"}).status_code == 303
    assert "PM00003" not in bo.get("/app/me").text


def test_a_policy_is_made_in_a_browser_and_tried(browser: Browser, stage: Stage) -> None:
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto("/app/policies")
    page.get_by_role("link", name="New policy").click()
    page.get_by_label("Name").fill("Front desk")
    page.locator("#f-add-0").select_option(label="Payments primary")
    page.get_by_role("button", name="Add a level").click()
    page.locator("#f-add-1").select_option(label="Cy")
    page.get_by_label("Minutes to answer").first.fill("7")
    page.get_by_role("button", name="See what would change").last.click()
    expect(page.get_by_text("Nothing is kept yet.")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Save")).first.click()
    expect(page.get_by_text("Front desk is kept")).to_be_visible()
    expect(page.get_by_text("Level 1: 7 min to answer, then the next")).to_be_visible()
    page.get_by_label("An incident at").fill("2026-12-24T03:00")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#run ~ * table, section:has(#run) table")).to_contain_text("Cy")
    assert window.troubles == []
    page.context.close()
