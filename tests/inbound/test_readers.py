"""The readers by themselves: what each takes, refuses and understands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving import KEY
from tocsin.inbound import alertmanager, change_events, events_v1, events_v2, generic, grafana, severity
from tocsin.inbound.roll import READERS, reader_named
from tocsin.inbound.spec import AlertEvent, ChangeEvent, Payload, Reader, Unreadable


def event(**more: Any) -> dict[str, Any]:
    said = {"summary": "The disk is full", "source": "db-3", "severity": "critical"} | more.pop("payload", {})
    return {"routing_key": KEY, "event_action": "trigger", "dedup_key": "disk", "payload": said} | more


def taken(reader: Reader, document: Any, **more: Any) -> list[AlertEvent | ChangeEvent]:
    """Through the whole of a reader: what the gate keeps is read again as the engine does."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    found: list[AlertEvent | ChangeEvent] = []
    for one in reader.check(Payload(body, **more)):
        found += reader.read(Payload(one.raw, one.routing_key, one.dedup_key or "made-by-the-gate"))
    return found


def alert(reader: Reader, document: Any, **more: Any) -> AlertEvent:
    (found,) = taken(reader, document, **more)
    assert isinstance(found, AlertEvent)
    return found


def test_a_v2_event_is_understood_in_full() -> None:
    found = alert(
        events_v2.READER,
        event(
            payload={
                "timestamp": "2015-07-17T08:42:58.315+0000", "component": "postgres", "group": "prod", "class": "disk",
                "custom_details": {"free": "1%"},
            },
            links=[{"href": "http://wiki.example.org", "text": "Runbook"}],
            images=[{"src": "https://img.example.org/a.png", "alt": "graph"}],
            client="Monitor", client_url="https://monitor.example.org",
        ),
    )  # fmt: skip
    assert (found.action, found.routing_key, found.dedup_key) == ("trigger", KEY, "disk")
    assert (found.summary, found.source, found.severity) == ("The disk is full", "db-3", "critical")
    assert found.timestamp == datetime(2015, 7, 17, 8, 42, 58, 315000, tzinfo=UTC)
    assert (found.component, found.group, found.class_) == ("postgres", "prod", "disk")
    assert found.details == {"free": "1%"}
    assert [(link.href, link.text) for link in found.links] == [("http://wiki.example.org", "Runbook")]
    assert [(image.src, image.alt) for image in found.images] == [("https://img.example.org/a.png", "graph")]
    assert (found.client, found.client_url) == ("Monitor", "https://monitor.example.org")


def test_a_summary_too_long_is_cut_and_kept_whole_in_the_details() -> None:
    long = "x" * 3000
    for details, kept in (
        (None, {"full_summary": long}),
        ({"a": 1}, {"a": 1, "full_summary": long}),
        ("text", {"details": "text", "full_summary": long}),
    ):
        found = alert(events_v2.READER, event(payload={"summary": long, "custom_details": details}))
        assert found.summary == "x" * 1024
        assert found.details == kept
    v1 = {"service_key": KEY, "event_type": "trigger", "description": long}
    assert (alert(events_v1.READER, v1).summary, alert(events_v1.READER, v1).details) == (
        "x" * 1024,
        {"full_summary": long},
    )


@pytest.mark.parametrize(
    "more",
    [
        {"payload": {"custom_details": "a bare text"}},
        {"payload": {"timestamp": ""}},
        {"payload": {"timestamp": None, "component": None, "custom_details": None}},
        {"payload": {"timestamp": "2026-11-23T08:42:58Z"}},
        {"payload": {"timestamp": "2026-11-23 08:42:58"}},
        {"links": None, "images": None},
        {"links": [], "images": [], "client_url": ""},
        {"important_field": {"kept": True}},
        {"dedup_key": ""},
        {"dedup_key": None},
        {"payload": {"summary": "naïve ☃ 漢字 \U0001f525"}},
    ],
)
def test_what_real_senders_send_is_taken(more: dict[str, Any]) -> None:
    assert alert(events_v2.READER, event(**more)).severity == "critical"


def test_a_resolve_is_judged_by_its_key_alone() -> None:
    for payload in ({"summary": "", "severity": "whatever"}, None, "text", {"severity": 7}):
        body = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "disk", "payload": payload}
        assert alert(events_v2.READER, body).action == "resolve"


def test_a_byte_order_mark_is_forgiven() -> None:
    assert alert(events_v2.READER, b"\xef\xbb\xbf" + json.dumps(event()).encode()).dedup_key == "disk"


def test_null_characters_never_reach_a_text_column() -> None:
    found = alert(events_v2.READER, event(payload={"summary": "a\0b", "source": "c\0d", "custom_details": {"e": "\0"}}))
    assert (found.summary, found.source) == ("a\ufffdb", "c\ufffdd")


def test_a_number_no_machine_can_hold_does_not_lose_the_event() -> None:
    body = json.dumps(event(payload={"custom_details": {"ok": 1, "big": "HERE"}})).encode().replace(b'"HERE"', b"1e999")
    assert alert(events_v2.READER, body).details == {"ok": 1, "big": "1e999"}


def test_alertmanagers_v1_body_is_taken() -> None:
    body = {
        "service_key": KEY, "event_type": "trigger", "incident_key": "k", "description": "down", "event_action": "",
        "payload": None, "details": {"firing": "x"}, "client": "Alertmanager", "client_url": "http://am.example.org",
        "contexts": [
            {"type": "link", "href": "http://a.example.org"},
            {"type": "image", "src": "https://b.example.org/c.png"},
        ],
    }  # fmt: skip
    found = alert(events_v1.READER, body)
    assert (found.dedup_key, found.summary, found.severity, found.client) == ("k", "down", None, "Alertmanager")
    assert ([link.href for link in found.links], [image.src for image in found.images]) == (
        ["http://a.example.org"],
        ["https://b.example.org/c.png"],
    )


def test_a_change_event_is_understood() -> None:
    body = {"routing_key": KEY, "payload": {"summary": "Deployed 4.2", "source": "ci", "custom_details": {"build": 7}}}
    (found,) = taken(change_events.READER, body)
    assert isinstance(found, ChangeEvent)
    assert (found.summary, found.source, found.details) == ("Deployed 4.2", "ci", {"build": 7})


NOTIFICATION = {
    "version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "tocsin", "externalURL": "http://am.example.org",
    "alerts": [
        {
            "status": "firing", "fingerprint": "aaaa000011112222", "startsAt": "2026-11-23T08:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom.example.org/graph",
            "labels": {"alertname": "DiskFull", "severity": "page", "instance": "db-3:9100", "job": "node", "cluster": "eu"},
            "annotations": {"summary": "Disk of db-3 is full", "runbook_url": "https://wiki.example.org/disk"},
        },
        {
            "status": "resolved", "fingerprint": "bbbb000011112222", "startsAt": "2026-11-23T07:00:00Z",
            "endsAt": "2026-11-23T08:01:00Z", "labels": {"alertname": "NotOkay", "severity": "warning"}, "annotations": {},
        },
    ],
}  # fmt: skip


def test_each_alert_of_an_alertmanager_notification_is_an_event_of_its_own() -> None:
    firing, resolved = taken(alertmanager.READER, NOTIFICATION, routing_key=KEY)
    assert isinstance(firing, AlertEvent)
    assert isinstance(resolved, AlertEvent)
    assert (firing.action, firing.dedup_key, firing.summary) == ("trigger", "aaaa000011112222", "Disk of db-3 is full")
    assert (firing.severity, firing.source, firing.component, firing.group) == ("critical", "db-3:9100", "node", "eu")
    assert firing.class_ == "DiskFull"
    assert firing.timestamp == datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
    assert [link.text for link in firing.links] == ["Source", "Runbook"]
    assert (firing.client, firing.client_url) == ("Alertmanager", "http://am.example.org")
    assert (resolved.action, resolved.dedup_key, resolved.summary) == ("resolve", "bbbb000011112222", "NotOkay")
    assert resolved.timestamp == datetime(2026, 11, 23, 8, 1, tzinfo=UTC)


def test_an_alert_without_a_fingerprint_is_known_by_its_labels() -> None:
    one = {"status": "firing", "labels": {"a": "1", "b": "2"}}
    other = {"status": "resolved", "labels": {"b": "2", "a": "1"}}
    first, second = taken(alertmanager.READER, {"alerts": [one, other]}, routing_key=KEY)
    assert isinstance(first, AlertEvent)
    assert isinstance(second, AlertEvent)
    assert first.dedup_key == second.dedup_key
    assert first.summary == "a=1, b=2"


def test_grafana_brings_its_own_links_and_pictures() -> None:
    body = {
        "receiver": "tocsin", "status": "firing", "title": "[FIRING:1]", "state": "alerting", "orgId": 1, "externalURL": "http://g.example.org/",
        "alerts": [
            {
                "status": "firing", "labels": {"alertname": "Latency", "grafana_folder": "web"}, "annotations": {"description": "slow"},
                "startsAt": "2026-11-23T08:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "c6eadffa33fcdf37",
                "silenceURL": "http://g.example.org/s", "dashboardURL": "http://g.example.org/d", "panelURL": "http://g.example.org/p",
                "imageURL": "https://g.example.org/i.png", "values": {"B": 44.2},
            }
        ],
    }  # fmt: skip
    found = alert(grafana.READER, body, routing_key=KEY)
    assert (found.client, found.summary, found.severity) == ("Grafana", "slow", "error")
    assert [link.text for link in found.links] == ["Dashboard", "Panel", "Silence"]
    assert [image.src for image in found.images] == ["https://g.example.org/i.png"]
    assert isinstance(found.details, dict)
    assert found.details["values"] == {"B": 44.2}


MAPPING = {
    "summary": "$.check.name",
    "source": ["$.host.fqdn", "$.host.name"],
    "severity": {"path": "$.level", "values": {"P1": "critical", "P2": "warning"}, "default": "info"},
    "dedup_key": "$.check['unique id']",
    "action": {"path": "$.state[0]", "values": {"OK": "resolve", "seen": "acknowledge"}},
}


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ("OK", "resolve"), ("ok", "resolve"), ("seen", "acknowledge"), ("not ok", "trigger"), ("broken", "trigger"),
        ("stroke", "trigger"), ("Token expired", "trigger"), ("", "trigger"), ("resolved?", "trigger"),
    ],
)  # fmt: skip
def test_a_mapped_value_counts_whole_or_not_at_all(state: str, action: str) -> None:
    body = {"check": {"name": "ping", "unique id": 77}, "host": {"name": "db-3"}, "level": "P2", "state": [state]}
    found = alert(generic.READER, body, routing_key=KEY, settings={"mapping": MAPPING})
    assert (found.action, found.dedup_key, found.source, found.severity) == (action, "77", "db-3", "warning")
    assert found.details == body


def test_one_request_may_carry_several_mapped_events() -> None:
    mapping = {"events": "$.items", "summary": "$.t", "dedup_key": "$.k"}
    found = taken(
        generic.READER,
        {"items": [{"t": "a", "k": 1}, {"t": "b", "k": 2}]},
        routing_key=KEY,
        settings={"mapping": mapping},
    )
    assert [one.summary for one in found] == ["a", "b"]


def test_without_a_mapping_plain_names_are_understood() -> None:
    found = alert(
        generic.READER, {"title": "down", "status": "resolved", "id": "x", "severity": "MAJOR"}, routing_key=KEY
    )
    assert (found.summary, found.action, found.dedup_key, found.severity) == ("down", "resolve", "x", "error")


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({}, ""),
        ({"dedup_key": "$.a"}, "'summary' needs a path"),
        ({"summary": "title"}, "must start with $"),
        ({"summary": "$.a..b"}, "cannot be read from its character 4 on"),
        ({"summary": "$.a", "colour": "$.b"}, "'colour' is no field"),
        ({"summary": 7}, "must be a path"),
        ({"summary": "$.a", "action": {"path": "$.b", "values": {"x": "close"}}}, "'close' must be one of"),
        ({"summary": "$.a", "severity": {"path": "$.b", "default": "bad"}}, "'bad' must be one of"),
        ({"summary": {"path": "$.a", "values": {"x": "y"}}}, "only 'action' and 'severity' translate"),
        ("text", "'mapping' must be an object"),
    ],
)
def test_a_mapping_that_is_not_sound_is_explained(mapping: Any, sentence: str) -> None:
    errors = generic.verify({"mapping": mapping})
    assert (sentence in "; ".join(errors)) if sentence else not errors


def test_severities_are_an_exact_table() -> None:
    assert [severity.severity_of(word) for word in ("CRITICAL", " page ", "warn", "p4", "uncritical", "", None, 3)] == [
        "critical", "critical", "warning", "info", "error", "error", "error", "error",
    ]  # fmt: skip


def test_every_reader_is_found_by_its_name() -> None:
    assert [reader_named(reader.name) for reader in READERS] == list(READERS)
    assert reader_named("nagios") is None


_TEXTS = st.one_of(
    st.none(), st.text(max_size=30), st.integers(), st.booleans(), st.lists(st.text(max_size=3), max_size=2)
)
_FIELD = {
    "routing_key": st.sampled_from([KEY, "", "short", None, 5]),
    "event_action": st.sampled_from(["trigger", "resolve", "acknowledge", "Trigger", "", None, 1]),
    "dedup_key": _TEXTS,
    "client": _TEXTS,
    "links": st.one_of(
        st.none(), st.lists(st.fixed_dictionaries({}, optional={"href": _TEXTS, "text": _TEXTS}), max_size=2)
    ),
    "images": st.one_of(
        st.none(),
        st.lists(st.fixed_dictionaries({"src": st.sampled_from(["https://a", "http://a", None])}), max_size=2),
    ),
    "payload": st.one_of(
        st.none(),
        st.text(max_size=2),
        st.fixed_dictionaries(
            {},
            optional={
                "summary": _TEXTS,
                "source": _TEXTS,
                "severity": st.sampled_from(["critical", "info", "Critical", "", None, 2]),
                "timestamp": st.sampled_from(
                    [
                        None,
                        "",
                        "2026-11-23T08:00:00Z",
                        "yesterday",
                        "2026-13-01T00:00:00Z",
                        5,
                        "0001-01-01T00:00:00+14:00",
                    ]
                ),
                "component": _TEXTS,
                "custom_details": st.one_of(_TEXTS, st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
            },
        ),
    ),
}


@settings(max_examples=400, deadline=None)
@given(st.fixed_dictionaries({}, optional=_FIELD))
def test_the_shortcut_takes_nothing_that_the_rules_refuse_and_what_is_taken_can_be_read(
    document: dict[str, Any],
) -> None:
    faults = events_v2.faults(document)
    try:
        accepted = events_v2.check(Payload(json.dumps(document).encode()))
    except Unreadable as refused:
        assert refused.errors == faults  # noqa: PT017 - both ways are the point
        assert faults
        return
    assert not faults
    (found,) = events_v2.read(Payload(accepted[0].raw, KEY, accepted[0].dedup_key or "made"))
    assert isinstance(found, AlertEvent)
    assert found.action == document["event_action"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(READERS),
    st.recursive(
        _TEXTS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    [
                        "alerts",
                        "status",
                        "labels",
                        "fingerprint",
                        "service_key",
                        "event_type",
                        "description",
                        "contexts",
                        "payload",
                        "summary",
                        "routing_key",
                        "details",
                    ]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ),
)
def test_no_document_makes_a_reader_stumble(reader: Reader, document: Any) -> None:
    try:
        for one in reader.check(Payload(json.dumps(document).encode(), KEY)):
            assert len(reader.read(Payload(one.raw, one.routing_key, one.dedup_key or "made"))) == 1
    except Unreadable as refused:
        assert all(refused.errors)  # noqa: PT017 - refusing is fine, stumbling is not
