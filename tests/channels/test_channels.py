"""What each channel puts on the wire, and how it understands the answers; with real servers that keep what arrives."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Reply, Sinks
from tocsin.base import json
from tocsin.channels import roll, twilio, voice
from tocsin.channels.http import EVERYWHERE, Outside
from tocsin.channels.spec import Accepted, Action, Channel, Means, NotNow, Outcome, Parcel, Refused, Smtp, Twilio
from tocsin.core.message import Facts, compose

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    with Sinks() as running:
        yield running


def parcel(address: str, *, key: str = "NKEY1", count: int = 1, title: str = "Disk full", **fields: Any) -> Parcel:
    facts = [
        Facts(
            title, "level 1 of Payments", f"Q{n}", n, "Payments", "high", NOW, link=f"https://t.example/incidents/Q{n}"
        )
        for n in range(1, count + 1)
    ]
    actions = tuple(
        Action(f"Q{n}", do, do.title(), f"https://t.example/act/{do}{n}")
        for n in range(1, count + 1)
        for do in ("acknowledge", "resolve")
    )
    code = 1 if address.isdigit() else None
    return Parcel(key, address, code, fields, "PADA001", "Ada", compose("page", facts), NOW, actions)


def sent(kind: str, sinks: Sinks, *parcels: Parcel, **more: Any) -> list[Outcome]:
    async def run() -> list[Outcome]:
        outside, provider = Outside(allowed=["127.0.0.0/8"]), Outside(allowed=EVERYWHERE)
        settings: dict[str, Any] = {
            "public_url": "https://t.example",
            "smtp": Smtp("127.0.0.1", sinks.smtp_port, "Tocsin <tocsin@example.org>"),
            "twilio": Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, sinks.url),
        }
        try:
            means = Means(outside, provider, **{**settings, **more})
            return [await roll.BY_KIND[kind].send(means, one) for one in parcels]
        finally:
            await outside.close()
            await provider.close()

    return asyncio.run(run())


def test_a_mail_has_text_and_html_links_and_a_thread(sinks: Sinks):
    outcome = sent("email", sinks, parcel("ada@example.org", title="<b>Disk</b> & co"))[0]
    mail = sinks.arrived("email")[0]
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id == mail.headers["Message-ID"] == "<NKEY1.page@example.org>"
    assert mail.headers["References"] == mail.headers["In-Reply-To"] == "<Q1.incident@example.org>"
    assert mail.headers["Subject"] == "[#1] <b>Disk</b> & co (Payments)"
    assert "Acknowledge #1: https://t.example/act/acknowledge1" in mail.text
    assert "&lt;b&gt;Disk&lt;/b&gt; &amp; co" in mail.body
    assert 'href="https://t.example/act/resolve1"' in mail.body


def test_a_repeated_mail_has_the_same_message_id_and_two_mails_of_an_incident_one_thread(sinks: Sinks):
    sent("email", sinks, parcel("ada@example.org"), parcel("ada@example.org"), parcel("ada@example.org", key="NKEY2"))
    mails = sinks.arrived("email")
    assert [mail.headers["Message-ID"] for mail in mails] == ["<NKEY1.page@example.org>"] * 2 + [
        "<NKEY2.page@example.org>"
    ]
    assert len({mail.headers["References"] for mail in mails}) == 1


def test_a_bundle_is_one_mail_that_counts(sinks: Sinks):
    sent("email", sinks, parcel("ada@example.org", count=30))
    mail = sinks.arrived("email")[0]
    assert mail.title.startswith("[30 pages on Payments]")
    assert "30 pages in one message" in mail.body
    assert "and 5 more" in mail.body


@pytest.mark.parametrize("title", ["two\r\nBcc: x@example.org", "\u0000null", "\U0001f525 fire", "x" * 5000])
def test_hostile_titles_cannot_break_a_mail(sinks: Sinks, title: str):
    outcome = sent("email", sinks, parcel("ada@example.org", title=title))[0]
    assert isinstance(outcome, Accepted), outcome
    mail = sinks.arrived("email")[0]
    assert "Bcc" not in mail.headers


def test_a_mail_server_that_says_never_is_a_refusal_and_one_that_says_later_is_tried_again(sinks: Sinks):
    sinks.answering = lambda _way, to: Reply(550 if to.startswith("no") else 451, "told you")
    outcomes = sent("email", sinks, parcel("no@example.org"), parcel("later@example.org"))
    assert isinstance(outcomes[0], Refused)
    assert "550" in outcomes[0].reason
    assert isinstance(outcomes[1], NotNow)


def test_no_mail_server_at_all_is_a_refusal_and_a_silent_one_is_tried_again(sinks: Sinks):
    assert isinstance(sent("email", sinks, parcel("a@example.org"), smtp=None)[0], Refused)
    assert isinstance(sent("email", sinks, parcel("a@example.org"), smtp=Smtp("127.0.0.1", 1))[0], NotNow)


def test_a_webhook_is_signed_with_the_persons_secret_and_carries_everything(sinks: Sinks):
    outcome = sent("webhook", sinks, parcel(f"{sinks.url}/phone/ada", count=2, secret="s3cret"))[0]
    posted = sinks.arrived("webhook")[0]
    assert isinstance(outcome, Accepted)
    assert posted.body["count"] == 2
    assert [page["acknowledge_url"] for page in posted.body["pages"]] == [
        f"https://t.example/act/acknowledge{n}" for n in (1, 2)
    ]
    expected = hmac.new(b"s3cret", json.encode(posted.body), hashlib.sha256).hexdigest()
    assert posted.headers["X-Tocsin-Signature"] == f"v1={expected}"
    assert posted.headers["Idempotency-Key"] == "NKEY1"


@pytest.mark.parametrize(
    ("status", "kind"), [(503, NotNow), (429, NotNow), (404, Refused), (302, Refused), (200, Accepted), (204, Accepted)]
)
def test_what_a_webhooks_answers_mean(sinks: Sinks, status: int, kind: type):
    sinks.answering = lambda _way, _to: Reply(status, headers={"Retry-After": "7"})
    outcome = sent("webhook", sinks, parcel(f"{sinks.url}/phone/ada"))[0]
    assert isinstance(outcome, kind)
    if isinstance(outcome, NotNow):
        assert outcome.retry_after is not None
        assert outcome.retry_after.total_seconds() == 7


def test_a_webhook_into_a_private_network_is_refused_with_the_reason(sinks: Sinks):
    outcome = sent("webhook", sinks, parcel("http://169.254.169.254/latest/meta-data"))[0]
    assert isinstance(outcome, Refused)
    assert "private or special" in outcome.reason


def test_ntfy_gets_priority_a_click_and_buttons(sinks: Sinks):
    outcome = sent("ntfy", sinks, parcel(f"{sinks.url}/ntfy/adas-topic", token="tk"))[0]
    got = sinks.arrived("ntfy", "adas-topic")[0]
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id == "ntfy1"
    assert got.headers["Authorization"] == "Bearer tk"
    assert (got.body["priority"], got.body["click"]) == (5, "https://t.example/incidents/Q1")
    assert [(button["action"], button["label"], button["method"]) for button in got.body["actions"]] == [
        ("http", "Acknowledge", "POST"), ("http", "Resolve", "POST"),
    ]  # fmt: skip


def test_an_sms_is_one_sms_and_asks_for_a_receipt(sinks: Sinks):
    outcome = sent("sms", sinks, parcel("5550111", title="x" * 500))[0]
    got = sinks.arrived("sms", "+15550111")[0]
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id == got.body["Sid"]
    assert len(got.text) <= 160
    assert got.text.endswith("Reply 4 to ack, 6 to resolve")
    assert got.body["StatusCallback"] == "https://t.example/callbacks/twilio/status?key=NKEY1"
    assert got.body["From"] == OWN_NUMBER


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(400, {"code": 21211, "message": "Invalid 'To'"}), Refused, "21211"),
        (Reply(429, {"code": 20429, "message": "Too Many"}), NotNow, "20429"),
        (Reply(500, "<html>"), NotNow, "HTTP 500"),
    ],
)
def test_what_the_telephone_providers_errors_mean(sinks: Sinks, reply: Reply, kind: type, words: str):
    sinks.answering = lambda _way, _to: reply
    outcome = sent("sms", sinks, parcel("5550111"))[0]
    assert isinstance(outcome, kind)
    assert words in outcome.reason  # type: ignore[union-attr]


def test_wrong_credentials_and_no_provider_are_refusals(sinks: Sinks):
    wrong = Twilio(ACCOUNT_SID, "wrong", OWN_NUMBER, sinks.url)
    assert isinstance(sent("sms", sinks, parcel("5550111"), twilio=wrong)[0], Refused)
    assert isinstance(sent("phone", sinks, parcel("5550111"), twilio=None)[0], Refused)
    assert isinstance(sent("phone", sinks, parcel("5550111"), public_url="")[0], Refused)


def test_twiml_says_hostile_words_as_words():
    text = voice.asking('<Hangup/> & "x"', 'https://t.example/keys?key=a"b&c')
    assert "<Hangup/>" not in text
    assert "&lt;Hangup/&gt; &amp;" in text


def test_signatures_are_those_of_the_providers_published_example():
    """Twilio's documentation of X-Twilio-Signature has this request and its signature."""
    form = [
        ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("Digits", "1234"), ("From", "+14158675310"), ("To", "+18005551212"),
    ]  # fmt: skip
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert twilio.signature(url, form, "12345") == "L/OH5YylLD5NRKLltdqwSvS0BnU="
    assert twilio.is_genuine(url, form, "12345", "L/OH5YylLD5NRKLltdqwSvS0BnU=")
    assert not twilio.is_genuine(url, form, "12345", "")


@pytest.mark.parametrize("channel", roll.CHANNELS, ids=lambda channel: channel.kind)
def test_every_channel_declares_an_address_and_refuses_nonsense(channel: Channel):
    assert "address" in {field.name for field in channel.fields}
    assert channel.check("", None, {}) != []
    assert channel.check("\x00 nonsense", None, {}) != []
    assert channel.limits.concurrency > 0


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("email", "ada@example.org"),
        ("webhook", "https://example.org/x"),
        ("ntfy", "https://ntfy.sh/topic"),
        ("sms", "5550111"),
        ("phone", "5550111"),
    ],
)
def test_every_channel_takes_a_good_address(kind: str, address: str):
    assert roll.BY_KIND[kind].check(address, 1, {}) == []
