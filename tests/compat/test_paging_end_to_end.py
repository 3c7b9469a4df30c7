"""From an event to a person's mail, webhook, SMS and call, and from what the person does with them back to the incident."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.compat.company import Colleague, Office, Watched, until
from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Reply, all_is_well, signature_of
from tocsin.base.secret import Seals

DELIVERED = "notify_log_entry"
EMPTY: dict[str, str] = {}


def page(url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of what a browser gets, or of what a form posts."""
    data = None if form is None else urlencode(form).encode()
    request = urllib.request.Request(url, data=data, headers={"Accept": "text/html", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def link(mail: str, words: str) -> str:
    """The address behind these words in a mail's text."""
    found = re.search(rf"^{words}[^:\n]*: (http\S+)\s*$", mail, re.MULTILINE)
    assert found, mail
    return found[1]


def status_of(office: Office, incident_id: str) -> str:
    return str(office.house.get(f"/incidents/{incident_id}")["incident"]["status"])


@pytest.fixture
def seals(office: Office) -> Seals:
    """The seals of the running server, to make what it would not make."""
    key: Path = office.house.folder / "master.key"
    return Seals([key.read_text().split()[0]])


def stage(office: Office, *ways: str) -> tuple[Colleague, Watched]:
    """Somebody who is reached in these ways, and a service that pages them."""
    ada = office.person("Ada", ways)
    return ada, office.service(ada)


def test_an_event_reaches_a_person_in_every_way_at_once(office: Office):
    ada, service = stage(office, "webhook", "email", "sms", "phone")
    service.send(summary="Disk is full on db1")
    (hook,), (mail,) = office.told(ada, "webhook"), office.told(ada, "email")
    (text,), (call,) = office.told(ada, "sms"), office.told(ada, "phone")
    incident = service.incident_when("triggered")
    number = incident["incident_number"]
    assert hook.body["pages"][0]["incident_id"] == incident["id"]
    assert hook.body["pages"][0]["html_url"] == incident["html_url"]
    assert mail.title == f"[#{number}] Disk is full on db1 ({service.name})"
    assert "level 1" in mail.text
    assert "Reply 4 to ack, 6 to resolve" in text.text
    assert len(text.text) <= 160
    assert f"incident {number}" in call.text
    assert "Press 4 to acknowledge" in call.text
    assert {one.headers.get("Idempotency-Key") for one in (hook, text)}.isdisjoint({None, ""})


def test_every_delivery_is_in_the_incidents_log(office: Office):
    ada, service = stage(office, "webhook", "email")
    service.send()
    office.told(ada, "webhook")
    office.told(ada, "email")
    incident = service.incident_when("triggered")

    def notified() -> list[dict[str, object]] | None:
        found = [one for one in service.entries(incident["id"]) if one["type"] == DELIVERED]
        return found if len(found) == 2 else None

    told = until(notified, "both deliveries in the log")
    assert {one["user"]["id"] for one in told} == {ada.id}


def test_opening_a_mails_link_changes_nothing_and_its_button_acknowledges(office: Office):
    ada, service = stage(office, "email")
    service.send()
    (mail,) = office.told(ada, "email")
    incident_id = service.incident_when("triggered")["id"]
    url = link(mail.text, "Acknowledge")
    assert urlsplit(url).path.startswith("/act/")
    assert url in mail.body, "the HTML half has the same link"
    for _ in range(2):
        status, html = page(url)
        assert status == 200
        assert 'method="post"' in html
    page(url, headers={"User-Agent": "GoogleImageProxy", "Purpose": "prefetch"})
    assert status_of(office, incident_id) == "triggered"
    status, html = page(url, {})
    assert status == 200
    assert status_of(office, incident_id) == "acknowledged"
    entry = next(one for one in service.entries(incident_id) if one["type"] == "acknowledge_log_entry")
    assert entry["agent"]["id"] == ada.id
    assert entry["channel"]["type"] == "email"
    assert page(link(mail.text, "Resolve"), {})[0] == 200
    assert status_of(office, incident_id) == "resolved"


def test_pressing_a_button_twice_is_no_error(office: Office):
    ada, service = stage(office, "email")
    service.send()
    (mail,) = office.told(ada, "email")
    url = link(mail.text, "Resolve")
    assert [page(url, {})[0] for _ in range(2)] == [200, 200]
    status, html = page(link(mail.text, "Acknowledge"), {})
    assert (status, "it is resolved" in html) == (200, True), html
    assert service.incidents()[0]["status"] == "resolved"


def test_a_forged_or_expired_link_does_nothing_and_says_so(office: Office, seals: Seals):
    ada, service = stage(office, "email")
    service.send()
    office.told(ada, "email")
    incident_id = service.incident_when("triggered")["id"]
    claims: dict[str, object] = {"incident": incident_id, "user": ada.id, "do": "resolve"}
    now = datetime.now(UTC)
    true = seals.sign(claims, purpose="mail-action", expires_at=now + timedelta(minutes=1))
    head, mac = true.split(".")
    wrong = {
        "expired": seals.sign(claims, purpose="mail-action", expires_at=now - timedelta(seconds=2)),
        "for another purpose": seals.sign(claims, purpose="session", expires_at=now + timedelta(minutes=1)),
        "another signature": f"{head}.{mac[::-1]}",
        "another house": Seals(["x" * 43 + "="]).sign(claims, purpose="mail-action", expires_at=now + timedelta(minutes=1)),
        "cut short": true[:-4],
        "nothing": "x",
    }
    for what, signed in wrong.items():
        for form in (None, EMPTY):
            status, html = page(f"{office.house.url}/act/{signed}", form)
            assert status == 400, what
            assert "link" in html, what
    assert "expired" in page(f"{office.house.url}/act/{wrong['expired']}")[1]
    assert status_of(office, incident_id) == "triggered"
    assert page(f"{office.house.url}/act/{true}", {})[0] == 200
    assert status_of(office, incident_id) == "resolved"


def test_a_link_keeps_to_the_rights_of_whom_it_was_sent_to(office: Office, seals: Seals):
    ada, service = stage(office, "webhook")
    watcher = office.person("Cy", (), role="read_only_user")
    service.send()
    office.told(ada)
    incident_id = service.incident_when("triggered")["id"]
    claims: dict[str, object] = {"incident": incident_id, "user": watcher.id, "do": "resolve"}
    signed = seals.sign(claims, purpose="mail-action", expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert page(f"{office.house.url}/act/{signed}", {})[0] == 403
    assert status_of(office, incident_id) == "triggered"


def test_a_webhook_phone_gets_links_that_act(office: Office):
    ada, service = stage(office, "webhook")
    service.send()
    (hook,) = office.told(ada)
    told = hook.body["pages"][0]
    assert page(told["acknowledge_url"], {})[0] == 200
    assert status_of(office, told["incident_id"]) == "acknowledged"
    assert page(told["resolve_url"], {})[0] == 200
    assert status_of(office, told["incident_id"]) == "resolved"


def test_replying_4_acknowledges_and_6_resolves(office: Office):
    ada, service = stage(office, "sms")
    service.send()
    office.told(ada, "sms")
    incident_id = service.incident_when("triggered")["id"]
    number = f"+1{ada.number}"
    office.sinks.reply_sms(number, "4")
    assert status_of(office, incident_id) == "acknowledged"
    office.sinks.reply_sms(number, " 6 ")
    assert status_of(office, incident_id) == "resolved"
    said = [one.text for one in office.sinks.arrived("answer", number)]
    assert said[0].startswith("Acknowledged #")
    assert said[1].startswith("Resolved #")


def test_a_reply_that_means_nothing_is_answered_with_how_to(office: Office):
    ada, service = stage(office, "sms")
    service.send()
    office.told(ada, "sms")
    office.sinks.reply_sms(f"+1{ada.number}", "what?")
    office.sinks.reply_sms("+15559999999", "4")
    assert "Reply 4" in office.sinks.arrived("answer", f"+1{ada.number}")[0].text
    assert "no page" in office.sinks.arrived("answer", "+15559999999")[0].text
    assert service.incidents()[0]["status"] == "triggered"


def test_pressing_6_during_a_call_resolves(office: Office):
    ada, service = stage(office, "phone")
    service.send()
    (call,) = office.told(ada, "phone")
    incident_id = service.incident_when("triggered")["id"]
    office.sinks.press(call.body["Sid"], "9")
    assert status_of(office, incident_id) == "triggered"
    office.sinks.press(call.body["Sid"], "6")
    assert status_of(office, incident_id) == "resolved"
    entry = next(one for one in service.entries(incident_id) if one["type"] == "resolve_log_entry")
    assert entry["agent"]["id"] == ada.id


def test_a_reply_or_key_press_with_a_forged_signature_is_refused(office: Office):
    ada, service = stage(office, "sms", "phone")
    service.send()
    office.told(ada, "sms")
    (call,) = office.told(ada, "phone")
    incident_id = service.incident_when("triggered")["id"]
    number = f"+1{ada.number}"
    reply = f"{office.house.url}/callbacks/twilio/sms"
    form = {"AccountSid": ACCOUNT_SID, "MessageSid": "SM1", "From": number, "To": OWN_NUMBER, "Body": "6"}
    keys = str(call.body["Action"])
    pressed = {"AccountSid": ACCOUNT_SID, "CallSid": str(call.body["Sid"]), "Digits": "6", "To": number}
    assert page(reply, form)[0] == 403
    assert page(keys, pressed)[0] == 403
    for token, body in (("another token", form), (AUTH_TOKEN, {**form, "Body": "4"})):
        assert page(reply, form, {"X-Twilio-Signature": signature_of(reply, body, token)})[0] == 403
    other = f"{keys}x"
    assert page(other, pressed, {"X-Twilio-Signature": signature_of(keys, pressed, AUTH_TOKEN)})[0] == 403
    assert status_of(office, incident_id) == "triggered"
    assert page(reply, form, {"X-Twilio-Signature": signature_of(reply, form, AUTH_TOKEN)})[0] == 200
    assert status_of(office, incident_id) == "resolved"


@pytest.fixture
def provider(office: Office) -> Iterator[dict[tuple[str, str], Reply]]:
    """How the providers answer by (way, to), where it is not well; well again afterwards."""
    ill: dict[tuple[str, str], Reply] = {}
    office.sinks.answering = lambda way, to: ill.get((way, to))
    yield ill
    office.sinks.answering = all_is_well


def test_a_number_that_is_refused_for_good_falls_through_to_the_mail_at_once(
    office: Office, provider: dict[tuple[str, str], Reply]
):
    ada = office.person("Ada", ("sms", "email"), minutes_between=30)
    provider["sms", f"+1{ada.number}"] = Reply(400, {"code": 21610, "message": "The number has opted out"})
    service = office.service(ada)
    service.send()
    office.told(ada, "email")
    incident = service.incident_when("triggered")
    told = str(office.house.get(f"/api/v1/explain/{incident['id']}"))
    assert "21610" in told
    assert "The number has opted out" in told


def test_a_receipt_with_a_forged_signature_is_refused(office: Office):
    ada, service = stage(office, "sms")
    service.send()
    (text,) = office.told(ada, "sms")
    url = text.body["StatusCallback"]
    lost = {"AccountSid": ACCOUNT_SID, "MessageSid": text.body["Sid"], "MessageStatus": "undelivered", "ErrorCode": "30003"}
    assert page(url, lost)[0] == 403, "anybody could say so"
    assert page(url, lost, {"X-Twilio-Signature": signature_of(url, lost, AUTH_TOKEN)})[0] == 204


def test_a_provider_that_fails_is_asked_again_under_the_same_key(
    office: Office, provider: dict[tuple[str, str], Reply]
):
    ada, service = stage(office, "webhook")
    provider["webhook", ada.handle] = Reply(503, {"error": "busy"})
    service.send()
    incident = service.incident_when("triggered")
    until(lambda: "HTTP 503" in str(office.house.get(f"/api/v1/explain/{incident['id']}")), "the failure in the story")
    provider.clear()
    (hook,) = office.told(ada)
    assert hook.headers["Idempotency-Key"] == hook.body["key"]


def test_a_phone_that_does_not_answer_delays_nobody_else(office: Office, provider: dict[tuple[str, str], Reply]):
    slow, quick = office.person("Ada"), office.person("Bo")
    provider["webhook", slow.handle] = Reply(delay_s=4.0)
    stuck, healthy = office.service(slow), office.service(quick)
    for number in range(20):
        stuck.send(dedup_key=f"queue {number}")
    until(lambda: len(stuck.incidents()) == 20, "twenty incidents")
    began = time.monotonic()
    healthy.send()
    office.told(quick)
    assert time.monotonic() - began < 2.0
