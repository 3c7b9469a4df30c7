"""Quiet on a service's page: begun and ended by clicking, and alerts that are held back are seen to."""

import json

import pytest
from playwright.sync_api import Browser, expect

from tests.people import CY
from tests.web.conftest import opened, sign_in
from tests.web.stage import Stage
from tests.web.test_every_page import AXE, RULES
from tocsin.base.clock import system_clock
from tocsin.core.permission import HOUSE
from tocsin.service import services
from tocsin.service.audit import Deed

SERVICE = "PCHECK1"


def key_of(stage: Stage) -> str:
    with stage.db.read() as tx:
        key = tx.connection.exec_driver_sql("SELECT routing_key FROM integrations WHERE service_id = ?", (SERVICE,)).scalar()
    return str(key)


def trigger(stage: Stage, key: str) -> None:
    payload = {"summary": f"About {key}", "source": "db1", "severity": "critical"}
    stage.receive({"routing_key": key_of(stage), "event_action": "trigger", "dedup_key": key, "payload": payload})


def outcome(stage: Stage, key: str) -> tuple[str, str]:
    with stage.db.read() as tx:
        row = tx.connection.exec_driver_sql("SELECT outcome, reason FROM inbox WHERE dedup_key = ?", (key,)).one()
    return row.outcome, row.reason


def test_quiet_is_begun_and_ended_by_clicking(browser: Browser, stage: Stage) -> None:
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto(f"/app/services/{SERVICE}")
    page.get_by_label("Quiet for").select_option(label="2 h")
    page.get_by_label("Because").fill("Moving <b>disks</b>")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("is quiet for 2 h")).to_be_visible()
    expect(page.get_by_text("Moving <b>disks</b>")).to_be_visible()
    expect(page.get_by_text("In maintenance")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    trigger(stage, "quiet-1")
    assert outcome(stage, "quiet-1")[0] == "maintenance"
    page.goto("/app/services")
    expect(page.get_by_text("In maintenance")).to_be_visible()
    page.goto(f"/app/services/{SERVICE}")
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_text("is loud again")).to_be_visible()
    expect(page.get_by_text("No quiet is planned")).to_be_visible()


@pytest.mark.parametrize(("button", "said", "expected"), [("Page now", "Somebody is being paged", "opened"), ("Resolve", "nobody was paged", "ended")])
def test_what_is_held_back_is_seen_to_by_clicking(browser: Browser, stage: Stage, button: str, said: str, expected: str) -> None:
    with stage.db.write() as tx:
        deed = Deed(HOUSE, system_clock(), stage.chance)
        services.change_service(tx, deed, SERVICE, {"auto_pause": {"enabled": True, "timeout": 900}})
    trigger(stage, f"held-{expected}")
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto(f"/app/services/{SERVICE}")
    expect(page.get_by_text(f"About held-{expected}")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []
    page.get_by_role("button", name=button).click()
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("heading", name="Held back")).not_to_be_visible()
    what = {"opened": "did not want held back any longer", "ended": "a person ended it"}[expected]
    assert what in outcome(stage, f"held-{expected}")[1]


def test_a_wrong_wish_says_so_and_changes_nothing(browser: Browser, stage: Stage) -> None:
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto(f"/app/services/{SERVICE}")
    token = page.locator("input[name=csrf]").first.input_value()
    before = windows(stage)
    for form in ({"do": "quiet", "minutes": "99999999"}, {"do": "quiet", "minutes": "60", "why": "x" * 201},
                 {"do": "end_quiet", "window": "PNOSUCH"}, {"do": "page_held", "alert": "QNOSUCH"}):  # fmt: skip
        answer = page.request.post(f"/app/services/{SERVICE}", form={"csrf": token, **form}, headers={"origin": stage.url})
        assert answer.status == 200, json.dumps(form)
    assert windows(stage) == before


def windows(stage: Stage) -> int:
    with stage.db.read() as tx:
        return int(tx.connection.exec_driver_sql("SELECT count(*) FROM maintenance_windows").scalar() or 0)
