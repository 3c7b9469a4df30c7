"""What people do at the pages, done in a real browser, and what strangers cannot."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.people import ADA, BO, CY
from tests.web.conftest import PHONE, opened, sign_in
from tests.web.stage import PASSWORD, Stage
from tocsin.base.clock import system_clock
from tocsin.channels.spec import Refused
from tocsin.core.events import Agent
from tocsin.service import notify
from tocsin.service.incidents import Desk
from tocsin.service.notify import Result
from tocsin.store import incidents
from tocsin.store.db import Database
from tocsin.web.app import POLICY


def status(stage: Stage, incident_id: str) -> str:
    with stage.db.read() as tx:
        return incidents.load(tx, [incident_id])[incident_id].status.value


def link(stage: Stage, incident_id: str, do: str = "acknowledge", *, lasts: timedelta = timedelta(days=7)) -> str:
    claims: dict[str, object] = {"incident": incident_id, "user": BO.id, "do": do}
    return "/act/" + stage.seals.sign(claims, purpose="mail-action", expires_at=system_clock() + lasts)


def test_without_scripts_one_can_sign_in_read_and_acknowledge(browser: Browser, stage: Stage):
    incident = stage.open_incident("PCHECK1", "Orders wait in the queue")
    page = opened(browser, stage, size=PHONE, has_scripts=False).page
    sign_in(page)
    page.get_by_role("link", name=incident.title).click()
    expect(page.get_by_text("(level 2")).to_be_visible()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Acknowledged by Ada").first).to_be_visible()
    assert status(stage, incident.id) == "acknowledged"


def test_an_open_incident_page_follows_what_others_do(browser: Browser, stage: Stage):
    incident = stage.open_incident("PLEDGER", "Replica lags by 40 s")
    page = opened(browser, stage).page
    sign_in(page)
    page.goto(f"/app/incidents/{incident.id}")
    page.get_by_label("Add a note").fill("half a sentence")
    with stage.db.write() as tx, Desk(tx, now=system_clock(), chance=stage.chance) as desk:
        desk.acknowledge(incident.id, Agent("user_reference", BO.id, BO.name), "sms")
    expect(page.locator(".timeline").get_by_text("Acknowledged by Bo")).to_be_visible()
    expect(page.get_by_label("Add a note")).to_have_value("half a sentence")


def test_what_another_node_did_is_seen_too(browser: Browser, stage: Stage):
    incident = stage.open_incident("PLEDGER", "Backups are late")
    page = opened(browser, stage).page
    sign_in(page)
    page.goto(f"/app/incidents/{incident.id}")
    expect(page.locator("[data-live-mark]").last).to_have_text("live")
    other_node = Database(stage.db.url, pool_size=2)
    with other_node.write() as tx, Desk(tx, now=system_clock(), chance=stage.chance) as desk:
        desk.resolve(incident.id, Agent("user_reference", BO.id, BO.name), "sms")
    other_node.close()
    expect(page.locator(".next")).to_contain_text("Resolved")


def test_every_action_of_an_incident_does_what_its_button_says(browser: Browser, stage: Stage):
    incident = stage.open_incident("PCHECK1", "Sessions are lost")
    other = stage.open_incident("PCHECK1", "Logins fail")
    window = opened(browser, stage)
    page = window.page
    sign_in(page, CY.email)
    page.goto(f"/app/incidents/{incident.id}")

    def menu(name: str) -> None:
        page.locator("summary.button", has_text=name).click()

    page.get_by_label("Add a note").fill("Looks like the cache")
    page.get_by_role("button", name="Note it").click()
    expect(page.locator(".timeline").get_by_text("Looks like the cache")).to_be_visible()
    menu("Escalate")
    page.get_by_role("button", name="Level 3").click()
    expect(page.locator(".timeline").get_by_text("Escalated to Cy, level 3")).to_be_visible()
    menu("Reassign")
    page.get_by_label("To one person").select_option(label="Bo")
    page.get_by_role("button", name="Reassign", exact=True).click()
    expect(page.locator(".timeline").get_by_text("Assigned to Bo by hand")).to_be_visible()
    expect(page.locator(".next")).to_contain_text("does not escalate by itself")
    menu("More")
    page.get_by_label("Priority").select_option(label="P1")
    page.locator("form", has=page.get_by_label("Priority")).get_by_role("button", name="Set").click()
    expect(page.locator(".meta")).to_contain_text("P1")
    menu("More")
    page.get_by_label("Urgency").select_option("low")
    page.locator("form", has=page.get_by_label("Urgency")).get_by_role("button", name="Set").click()
    expect(page.locator(".meta")).to_contain_text("Low urgency")
    menu("Snooze")
    page.get_by_role("button", name="4 h", exact=True).click()
    expect(page.locator(".next")).to_contain_text("Comes back from its snooze")
    menu("More")
    page.get_by_text("Merge others into this").click()
    page.get_by_label(f"#{other.number} {other.title}").check()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_role("status").get_by_text("1 merged into this one")).to_be_visible()
    assert status(stage, other.id) == "resolved"
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.locator(".next")).to_contain_text("Resolved")
    page.get_by_role("button", name="Open again").click()
    expect(page.locator(".meta .state-triggered")).to_be_visible()
    assert window.troubles == []


def test_opening_a_message_link_changes_nothing_and_pressing_its_button_acts(browser: Browser, stage: Stage):
    incident = stage.open_incident("PCHECK1", "Search answers nothing")
    page = opened(browser, stage, size=PHONE).page
    page.goto(link(stage, incident.id))
    expect(page.get_by_role("heading", name=incident.title)).to_be_visible()
    assert status(stage, incident.id) == "triggered"
    page.get_by_role("button", name="Acknowledge").tap()
    expect(page.get_by_text("Acknowledged by Bo")).to_be_visible()
    assert status(stage, incident.id) == "acknowledged"


def test_a_forged_or_old_message_link_says_so_and_does_nothing(stage: Stage):
    incident = stage.open_incident("PCHECK1", "Search answers slowly")
    old = link(stage, incident.id, lasts=timedelta(seconds=-1))
    for address in (old, link(stage, incident.id)[:-3] + "abc", "/act/nothing"):
        for answer in (httpx.get(stage.url + address), httpx.post(stage.url + address)):
            assert answer.status_code == 400
            assert "This link" in answer.text
    assert status(stage, incident.id) == "triggered"


def test_a_phones_button_may_post_to_a_message_link(stage: Stage):
    incident = stage.open_incident("PCHECK1", "Search answers nonsense")
    assert httpx.post(stage.url + link(stage, incident.id, "resolve")).status_code == 200
    assert status(stage, incident.id) == "resolved"


def signed_in(stage: Stage, email: str = ADA.email) -> tuple[httpx.Client, str]:
    """A client with a session, and the token its forms carry."""
    client = httpx.Client(base_url=stage.url)
    first = client.get("/app/sign-in").text
    client.post("/app/sign-in", data={"csrf": token(first), "email": email, "password": PASSWORD})
    return client, token(client.get("/app/incidents").text + client.get("/app/me").text)


def token(html: str) -> str:
    return html.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def test_a_form_without_its_token_or_from_another_site_does_nothing(stage: Stage):
    incident = stage.open_incident("PCHECK1", "Baskets are empty")
    client, csrf = signed_in(stage)
    address = f"/app/incidents/{incident.id}"
    assert client.post(address, data={"do": "resolve"}).status_code == 403
    assert client.post(address, data={"do": "resolve", "csrf": "0" * 64}).status_code == 403
    stolen = client.post(address, data={"do": "resolve", "csrf": csrf}, headers={"Sec-Fetch-Site": "cross-site"})
    assert stolen.status_code == 403
    assert status(stage, incident.id) == "triggered"
    assert client.post(address, data={"do": "resolve", "csrf": csrf}).status_code == 303
    assert status(stage, incident.id) == "resolved"


def test_nobody_unknown_sees_a_page_and_after_signing_in_they_are_where_they_wanted(stage: Stage):
    with httpx.Client(base_url=stage.url) as client:
        answer = client.get("/app/events?q=lyon")
        assert answer.status_code == 303
        target = urlsplit(answer.headers["location"])
        assert parse_qs(target.query) == {"next": ["/app/events?q=lyon"]}
        html = client.get(answer.headers["location"]).text
        form = {"csrf": token(html), "email": ADA.email, "password": PASSWORD, "next": "/app/events?q=lyon"}
        assert client.post("/app/sign-in", data=form).headers["location"] == "/app/events?q=lyon"
    with httpx.Client(base_url=stage.url) as client:
        html = client.get("/app/sign-in").text
        form = {"csrf": token(html), "email": ADA.email, "password": PASSWORD, "next": "//evil.example/app/"}
        assert client.post("/app/sign-in", data=form).headers["location"] == "/app/incidents"


def test_signing_out_ends_the_session_on_the_server(stage: Stage):
    client, csrf = signed_in(stage)
    kept = client.cookies.get("tocsin")
    assert client.post("/app/sign-out", data={"csrf": csrf}).status_code == 303
    with httpx.Client(base_url=stage.url, cookies={"tocsin": str(kept)}) as thief:
        assert thief.get("/app/incidents").status_code == 303


def test_pages_carry_their_policy_and_their_cookie_is_out_of_reach(stage: Stage):
    with httpx.Client(base_url=stage.url) as client:
        html = client.get("/app/sign-in").text
        answer = client.post("/app/sign-in", data={"csrf": token(html), "email": ADA.email, "password": PASSWORD})
        cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("tocsin="))
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        page = client.get("/app/incidents")
    assert page.headers["content-security-policy"] == POLICY
    assert "unsafe-inline" not in POLICY
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert " onclick=" not in page.text


@pytest.mark.parametrize("path", ["/app/keys", "/app/account"])
def test_the_offices_are_closed_to_those_who_are_no_admin(stage: Stage, path: str):
    client, _ = signed_in(stage, ADA.email)
    answer = client.get(path)
    assert answer.status_code in {403, 404}


def test_an_observer_sees_incidents_and_no_buttons_and_cannot_post_either(stage: Stage):
    incident = stage.open_incident("PCHECK1", "Coupons are refused")
    client, csrf = signed_in(stage, "eli@example.org")
    html = client.get(f"/app/incidents/{incident.id}").text
    assert incident.title in html
    assert 'value="resolve"' not in html
    assert client.post(f"/app/incidents/{incident.id}", data={"csrf": csrf, "do": "resolve"}).status_code == 403
    assert status(stage, incident.id) == "triggered"


def test_a_way_is_added_tested_and_ruled_by_clicking(browser: Browser, stage: Stage):
    window = opened(browser, stage)
    page = window.page
    sign_in(page, BO.email)
    page.goto("/app/me")
    page.get_by_role("link", name="SMS").click()
    page.get_by_label("Country code").fill("33")
    page.get_by_label("Telephone number").fill("not a number")
    page.get_by_role("button", name="Add SMS").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Telephone number")).to_have_value("not a number")
    page.get_by_label("Telephone number").fill("612345679")
    page.get_by_role("button", name="Add SMS").click()
    expect(page.get_by_text("+33 612345679")).to_be_visible()
    page.get_by_role("listitem").filter(has_text="+33 612345679").get_by_role("button", name="Page me now").click()
    expect(page.get_by_text("Test on its way")).to_be_visible()
    low = page.locator("section", has=page.get_by_role("heading", name="low urgency"))
    low.get_by_label("When").select_option("5")
    low.get_by_label("By").select_option(label="SMS (SMS)")
    low.get_by_role("button", name="Add rule").click()
    expect(low.get_by_text("after 5 min").first).to_be_visible()
    assert [one for one in window.troubles if "422" not in one] == []


def test_a_key_is_shown_once_and_revoked_by_clicking(browser: Browser, stage: Stage):
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto("/app/keys")
    page.get_by_label("What it is for").fill("Terraform in CI")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#the-secret").inner_text()
    assert len(secret) == 20
    page.get_by_role("link", name="I have it").click()
    row = page.get_by_role("row").filter(has_text="Terraform in CI")
    expect(row).to_contain_text(secret[-4:])
    assert secret not in page.content()
    row.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row").filter(has_text="Terraform in CI")).to_contain_text("Revoked")


def test_a_new_person_gets_a_link_and_comes_in_by_it(browser: Browser, stage: Stage):
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto("/app/people")
    page.get_by_text("New person").click()
    page.get_by_label("Name").fill("Gus Moreau")
    page.get_by_label("E-mail address").fill("gus@example.org")
    page.get_by_role("button", name="Add, and make a link").click()
    address = page.locator("#the-secret").inner_text()
    fresh = opened(browser, stage).page
    fresh.goto(urlsplit(address).path)
    fresh.get_by_label("Choose a password").fill("grey seals on a rock")
    fresh.get_by_label("The same once more").fill("grey seals on a rock")
    fresh.get_by_role("button", name="Set the password").click()
    expect(fresh.get_by_text("Welcome. Now say how you are to be reached")).to_be_visible()


def test_a_service_gets_a_key_and_its_page_has_the_command_to_try_it(browser: Browser, stage: Stage):
    page = opened(browser, stage).page
    sign_in(page, CY.email)
    page.goto("/app/services")
    page.get_by_text("New service").click()
    page.get_by_label("Name").fill("Receipts by mail")
    page.get_by_label("Who is paged").select_option(label="Platform")
    page.get_by_role("button", name="Make the service").click()
    expect(page.get_by_role("heading", name="Receipts by mail")).to_be_visible()
    key = page.locator(".secret code").inner_text()
    assert len(key) == 32
    expect(page.locator("pre").first).to_contain_text(f'"routing_key": "{key}"')


def test_the_journal_is_searched_from_the_address_and_says_why(stage: Stage):
    stage.receive(
        {"routing_key": "1" * 32, "event_action": "resolve", "dedup_key": "never-opened"},
        {
            "routing_key": "1" * 32,
            "event_action": "trigger",
            "dedup_key": "seen",
            "payload": {"summary": "Boiler 4 is cold", "source": "b4", "severity": "critical"},
        },
    )
    client, _ = signed_in(stage)
    html = client.get("/app/events", params={"q": "never-opened"}).text
    assert "No open alert" in html
    assert "Boiler 4" not in html
    assert "Boiler 4 is cold" in client.get("/app/events", params={"outcome": "alert"}).text


def test_a_browser_that_follows_the_apis_address_of_a_thing_lands_on_its_page(stage: Stage):
    answer = httpx.get(f"{stage.url}/incidents/QABC")
    assert answer.headers["location"] == "/app/incidents/QABC"
    assert httpx.get(f"{stage.url}/schedules/PABC").headers["location"] == "/app/schedules/PABC"
    assert httpx.get(f"{stage.url}/escalation_policies/PABC").headers["location"] == "/app/policies/PABC"


def test_without_a_connection_the_last_state_is_shown_and_marked(browser: Browser, stage: Stage):
    incident = stage.open_incident("PCHECK1", "Fridge is warm")
    page = opened(browser, stage, size=PHONE).page
    sign_in(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.goto("/app/incidents")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.goto("/app/incidents")
    expect(page.get_by_role("link", name=incident.title)).to_be_visible()
    page.context.set_offline(True)
    page.goto("/app/incidents")
    expect(page.get_by_text("No connection: this is how things stood")).to_be_visible()
    expect(page.get_by_role("link", name=incident.title)).to_be_visible()
    page.context.set_offline(False)


def test_a_narrowed_list_never_says_that_all_is_quiet(stage: Stage):
    stage.open_incident("PCHECK1", "Ovens do not heat")
    client, _ = signed_in(stage)
    assert "All quiet" not in client.get("/app/incidents", params={"q": "no such words"}).text


def test_a_test_page_shows_its_result_the_moment_the_provider_answers(browser: Browser, stage: Stage):
    page = opened(browser, stage, size=PHONE).page
    sign_in(page, CY.email)
    page.goto("/app/me")
    row = page.get_by_role("listitem").filter(has_text="https://ntfy.example.org/cy")
    row.get_by_role("button", name="Page me now").tap()
    expect(row.get_by_text("Test on its way")).to_be_visible()
    now = system_clock()
    with stage.db.write() as tx:
        claims = notify.claim(tx, "ntfy", now=now, node="test", limit=50, chance=stage.chance)
    results = [Result(claim, Refused("404 Not Found: no such topic"), now) for claim in claims]
    with stage.db.write() as tx:
        notify.record(tx, results, now=now, chance=stage.chance)
    expect(row.get_by_text("Test failed")).to_be_visible()
    expect(row).to_contain_text("404 Not Found: no such topic")
