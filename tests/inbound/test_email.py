"""Mails: what is read of them, whatever they are, and what the rules of an integration make of it."""

import time
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tocsin.inbound import email, email_rules, mail
from tocsin.inbound.spec import AlertEvent, LeftOut, Payload


def raw(subject: str = "Disk full on db1", body: str = "Host: db1\nState: CRITICAL\n", sender: str = "mon@example.org", **headers: str) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, "checkout@acme.example.org", subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(body)
    return made.as_bytes()


def event(octets: bytes, **rules: Any) -> AlertEvent:
    assert email_rules.verify({"email": email_rules.normal(rules)}) == []
    (accepted,) = email.check(Payload(octets))
    (found,) = email.read(Payload(accepted.raw, "key", accepted.dedup_key or "fresh", {"email": email_rules.normal(rules)}))
    assert isinstance(found, AlertEvent)
    return found


def why_left_out(octets: bytes, **rules: Any) -> str:
    with pytest.raises(LeftOut) as left_out:
        event(octets, **rules)
    return str(left_out.value)


def leaf(kind: str, part: str, matcher: str) -> dict[str, Any]:
    return {"type": kind, "part": part, "matcher": matcher, "children": []}


def parser(predicate: dict[str, Any], *extractors: dict[str, Any], action: str = "trigger") -> dict[str, Any]:
    key = {"type": "regex", "part": "body", "value_name": "incident_key", "regex": r"^Host: (\w+)$"}
    return {"action": action, "match_predicate": predicate, "value_extractors": list(extractors) or [key]}


# ---------------------------------------------------------------------------------------------------------- what is read


def test_a_mail_is_an_event_with_its_sender_subject_text_and_attachments():
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Mönitor <mon@example.org>", "a@x.org, b@x.org", "Größe überschritten"
    made.set_content("Grüße\n")
    made.add_alternative("<p>Grüße</p>", subtype="html")
    made.add_attachment(b"\x89PNG" * 100, maintype="image", subtype="png", filename="gräph.png")
    found = event(made.as_bytes())
    assert (found.action, found.summary, found.source, found.dedup_key, found.channel) == (
        "trigger", "Größe überschritten", "mon@example.org", "Größe überschritten", "email"
    )  # fmt: skip
    assert found.details == {
        "from": ["mon@example.org"], "to": ["a@x.org", "b@x.org"], "subject": "Größe überschritten", "plain_body": "Grüße\n",
        "attachments": [{"name": "gräph.png", "type": "image/png", "bytes": 400}],
    }  # fmt: skip


def test_of_a_mail_in_html_alone_rules_see_the_source_and_people_the_text():
    made = EmailMessage()
    made["From"], made["Subject"] = "mon@example.org", "x"
    made.set_content("<style>p{}</style><p>Disk &amp; <b>swap</b></p><p>full</p>", subtype="html")
    found = mail.read(made.as_bytes())
    assert "<b>swap</b>" in found.body
    assert found.text == "Disk & swap\nfull"


@pytest.mark.parametrize(
    ("octets", "subject", "body"),
    [
        (b"Subject: =?utf-8?b?w6k=?=\r\n\r\nx", "é", "x"),
        (b"Subject: d\xc3\xa9j\xc3\xa0\r\n\r\nd\xe9j\xe0", "déjà", "déjà"),
        (b"Subject: =?nonsense?q?abc?=\r\nContent-Type: text/plain; charset=nonsense\r\n\r\n\xff", "abc", "ÿ"),
        (b"Subject: a\0b\r\n\r\nc\0d", "a\ufffdb", "c\ufffdd"),
        (b"Content-Type: text/plain; charset=punycode\r\n\r\nx-y", "", "x-y"),
        (b"Content-Type: multipart/mixed\r\nSubject: none\r\n\r\nno boundary", "none", "no boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ncut sho", "", "cut sho"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n!!!not base64", "", None),
        (b"", "", ""), (b"\r\n\r\n", "", "\n"), (b"no headers at all", "", None), (b"\x00" * 50, "", None),
    ],
)  # fmt: skip
def test_what_is_broken_is_read_as_well_as_it_can_be(octets: bytes, subject: str, body: str | None):
    found = mail.read(octets)
    assert found.subject == subject
    assert body is None or found.body == body
    assert event(octets).summary == (subject or "(no subject)")


HOSTILE = {
    "deep": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(30_000)),
    "deep and long": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(20)) + b"x\r\n" * 300_000,
    "parameters": b"Content-Type: multipart/mixed; " + b"a*1*=b;" * 250_000 + b"\r\n\r\nx",
    "sender": b"From: " + b"(" * 2_000_000 + b"\r\n\r\nx",
    "words": b"Subject: " + b"=?utf-8?q?a?= " * 140_000 + b"\r\n\r\nx",
    "headers": b"A: b\r\n" * 300_000 + b"\r\nx",
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 180_000,
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<script<!--" * 180_000,
    "within": b"Content-Type: message/rfc822\r\n\r\n" * 60_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_mail_takes_long(name: str):
    began = time.process_time()
    found = event(HOSTILE[name][: email.MOST], email_incident_creation="use_rules", email_parsers=[parser(leaf("regex", "body", "(x+x+)+y"))])
    assert found.summary
    assert time.process_time() - began < 5


LINES = st.sampled_from([
    b"From: a@b", b"From: <<>>,;:@", b"Subject: =?utf-8?b?!!!?=", b"Content-Type: multipart/mixed; boundary=b", b"--b", b"--b--", b"",
    b"Content-Type: text/html; charset=utf-16", b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename*=x'y'%zz",
    b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: quoted-printable", b"=", b"=ZZ", b" folded", b'Content-Type: ;;;="',
    b"begin 644 x", b"Content-Transfer-Encoding: x-uuencode", b"Content-Type: multipart/report; report-type=delivery-status", b"Auto-Submitted: no",
    b'Content-Type: text/plain; charset="unicode_escape', b"\\N{x}", b"Content-Type: message/delivery-status",
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES | st.binary(max_size=40), max_size=20).map(b"\r\n".join) | st.binary(max_size=300))
@example(b"From: =?utf-8?q?=\xff?= <a@b>\r\n\r\n")
def test_whatever_is_sent_becomes_an_event_or_is_left_out_in_words(octets: bytes):
    try:
        found = event(octets, email_incident_creation="on_new_email")
    except LeftOut as left_out:
        assert str(left_out)  # noqa: PT017
        return
    assert 1 <= len(found.summary) <= 1024
    assert found.dedup_key == "fresh" or found.dedup_key.startswith("mail-")
    told = f"{found.summary}{found.details}{found.source}"
    assert "\0" not in told
    assert told.encode()


# -------------------------------------------------------------------------------------------------------------- rules


def test_each_way_of_opening_incidents_has_its_key():
    first, again = raw(Message_ID="<1@x.org>"), raw(Message_ID="<2@x.org>")
    assert event(first).dedup_key == event(again).dedup_key == "Disk full on db1"
    each = [event(one, email_incident_creation="on_new_email").dedup_key for one in (first, first, again)]
    assert each[0] == each[1] != each[2]
    assert event(raw(), email_incident_creation="on_new_email").dedup_key == "fresh"
    assert event(raw(), email_incident_creation="only_if_no_open_incidents").joins_open
    long = [event(raw(subject="x" * 400 + end)).dedup_key for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) <= 255


@pytest.mark.parametrize(
    ("mode", "first", "second", "goes"),
    [
        ("all-email", "nothing", "nothing", True), ("or-rules-email", "Disk", "nothing", True), ("or-rules-email", "nothing", "no", False),
        ("and-rules-email", "Disk", "db1$", True), ("and-rules-email", "Disk", "nothing", False),
    ],
)  # fmt: skip
def test_filters_let_through_what_one_of_them_or_all_of_them_want(mode: str, first: str, second: str, goes: bool):
    always = {"body_mode": "always", "from_email_mode": "always"}
    filters = [{"subject_mode": "match", "subject_regex": one, **always} for one in (first, second)]
    rules = {"email_filter_mode": mode, "email_filters": filters}
    if goes:
        assert event(raw(), **rules).action == "trigger"
    else:
        assert "the subject does not match 'nothing'" in why_left_out(raw(), **rules)


def test_a_filter_looks_at_subject_body_and_sender_and_may_want_that_they_do_not_match():
    def one(**more: str) -> dict[str, Any]:
        modes = {"subject_mode": "always", "body_mode": "always", "from_email_mode": "always"}
        return {"email_filter_mode": "and-rules-email", "email_filters": [{**modes, **more}]}

    assert event(raw(), **one(body_mode="match", body_regex="^State: CRIT", from_email_mode="match", from_email_regex="@example\\.org$"))
    assert why_left_out(raw(), **one(from_email_mode="no-match", from_email_regex="^mon@")).endswith("the sender matches '^mon@'")
    assert "the body matches" in why_left_out(raw(), **one(body_mode="no-match", body_regex="db1"))


def test_parsers_decide_what_is_triggered_and_resolved_and_what_is_taken_out():
    critical = {"type": "all", "children": [leaf("contains", "body", "CRITICAL"), {"type": "not", "children": [leaf("exactly", "subject", "Test")]}]}
    between = {"type": "between", "part": "body", "value_name": "state", "starts_after": "State: ", "ends_with": "\n"}
    whole = {"type": "entire", "part": "from_addresses", "value_name": "from"}
    key = parser(critical)["value_extractors"][0]
    fine = {"type": "any", "children": [leaf("regex", "subject", "(?i)^ok\\b"), leaf("contains", "from_addresses", "recovered@")]}
    rules: dict[str, Any] = {
        "email_incident_creation": "use_rules", "email_parsing_fallback": "discard",
        "email_parsers": [parser(critical, key, between, whole), parser(fine, action="resolve")],
    }  # fmt: skip
    found = event(raw(), **rules)
    assert (found.action, found.dedup_key) == ("trigger", "db1")
    assert isinstance(found.details, dict)
    assert (found.details["state"], found.details["from_value"]) == ("CRITICAL", "mon@example.org")
    over = event(raw(subject="OK db1", body="Host: db1\n"), **rules)
    assert (over.action, over.dedup_key) == ("resolve", "db1")
    assert event(raw(subject="x", body="Host: db2\n", sender="recovered@x.org"), **rules).action == "resolve"
    assert "no parser" in why_left_out(raw(subject="Test"), **rules)
    assert "no parser" in why_left_out(raw(body="CRITICAL without a host"), **rules)
    assert event(raw(subject="Test"), **{**rules, "email_parsing_fallback": "open_new_incident"}).dedup_key == "fresh"


def test_mails_that_answer_by_themselves_and_our_own_open_nothing():
    assert "automatic answer" in why_left_out(raw(Auto_Submitted="auto-replied; x=y"))
    assert "our own pages" in why_left_out(raw(X_Tocsin_Incidents="PABC"))
    report = b"From: <>\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nnot delivered\r\n--b--\r\n"
    assert "report on the delivery" in why_left_out(report)
    assert "circle" in why_left_out(b"Received: x\r\n" * 60 + raw())
    assert event(raw(Auto_Submitted="auto-generated")).action == "trigger", "monitors say that of what they send"


LEAF = leaf("contains", "body", "x")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"email_incident_creation": "never"}, "Email incident creation must be one of on_new_email"),
        ({"email_filter_mode": "some"}, "Email filter mode must be one of"), ({"email_parsing_fallback": "x"}, "Email parsing fallback must be"),
        ({"email_filters": {}}, "Email filters must be an array"), ({"email_filters": [{}]}, "Email filter 1: subject_mode must be one of"),
        ({"email_filters": [{"subject_mode": "match", "body_mode": "always", "from_email_mode": "always"}]}, "subject_regex is needed"),
        ({"email_filters": [{"subject_mode": "match", "subject_regex": "(?=x)", "body_mode": "always", "from_email_mode": "always"}]}, "no look-ahead"),
        ({"email_filters": [{}] * 51}, "at most 50 email filters"), ({"email_incident_creation": "use_rules"}, "at least one"),
        ({"email_parsers": [{}]}, "action must be trigger or resolve"), ({"email_parsers": [{"action": "trigger", "match_predicate": {}}]}, "a type of"),
        ({"email_parsers": [parser({"type": "all", "children": []})]}, "'all' needs children"),
        ({"email_parsers": [parser(leaf("regex", "body", "("))]}, "missing )"), ({"email_parsers": [parser(leaf("contains", "header", "x"))]}, "needs a part of"),
        ({"email_parsers": [parser({"type": "all", "children": [LEAF] * 101})]}, "at most 100 conditions"),
        ({"email_parsers": [parser(LEAF, {"type": "entire", "part": "body", "value_name": "x"})]}, "exactly one"),
        ({"email_parsers": [parser(LEAF, {"type": "regex", "part": "body", "value_name": "incident_key", "regex": "x"})]}, "must capture"),
        ({"email_parsers": [parser(LEAF, {"type": "between", "part": "body", "value_name": "incident_key", "starts_after": "x"})]}, "ends_before is needed"),
        ({"colour": "red"}, "do not know 'colour'"),
    ],
)  # fmt: skip
def test_rules_that_cannot_work_are_refused_with_the_reason(rules: dict[str, Any], words: str):
    errors = email_rules.verify({"email": email_rules.normal(rules)})
    assert words in " ".join(errors)
