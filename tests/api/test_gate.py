"""The front gate over real HTTP: what is accepted is on disk, and what is refused is refused in the specified words."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.serving import KEY, NOBODYS_KEY, OTHER_KEY, Answer, Served, save_key, save_ways_in, served
from tocsin.inbound.spec import MAX_BODY
from tocsin.store import inbox
from tocsin.store.db import Database

V2, CHANGE, V1 = "/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
def gate(sqlite_db: Database, now: datetime) -> Iterator[Served]:
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)
        save_key(
            tx,
            "PGATE05",
            "a" * 32,
            now,
            settings={
                "mapping": {
                    "summary": "$.t",
                    "dedup_key": "$.k",
                    "action": {"path": "$.s", "values": {"good": "resolve"}},
                }
            },
        )
    with served(sqlite_db) as running:
        yield running


@pytest.fixture(scope="module")
def refusing(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all that is refused: nothing of it may ever reach its disk."""
    path = tmp_path_factory.mktemp("refusing") / "tocsin.db"
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=4)
    with db.write() as tx:
        save_ways_in(tx, datetime.fromisoformat("2026-11-23T09:00:00+00:00"))
        save_key(
            tx,
            "PGATE05",
            "b" * 32,
            datetime.fromisoformat("2026-11-23T09:00:00+00:00"),
            settings={"mapping": {"summary": "bad"}},
        )
    with served(db) as running:
        yield running
    db.close()


def trigger(**more: Any) -> dict[str, Any]:
    said = {"summary": "The disk is full", "source": "db-3", "severity": "critical"} | more.pop("payload", {})
    document = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "disk", "payload": said} | more
    return {name: value for name, value in document.items() if value is not ...}


def v1(**more: Any) -> dict[str, Any]:
    document = {"service_key": KEY, "event_type": "trigger", "incident_key": "k", "description": "down"} | more
    return {name: value for name, value in document.items() if value is not ...}


def change(**more: Any) -> dict[str, Any]:
    said = {"summary": "Deployed"} | more.pop("payload", {})
    return {"routing_key": KEY, "payload": said} | more


# ------------------------------------------------------------------------------------------------------- what is accepted


def test_a_trigger_is_answered_202_with_its_key_and_lies_on_disk(gate: Served) -> None:
    answer = gate.post(V2, trigger())
    assert answer.status == 202
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json == {"status": "success", "message": "Event processed", "dedup_key": "disk"}
    (row,) = gate.inbox()
    assert (row.routing_key, row.reader, row.action, row.dedup_key, row.summary) == (
        KEY, "events_v2", "trigger", "disk", "The disk is full",
    )  # fmt: skip
    assert json.loads(row.raw) == trigger()
    assert row.outcome is None


@pytest.mark.parametrize("key", [..., None, "", "  "])
def test_a_trigger_without_a_key_gets_one_of_its_own(gate: Served, key: Any) -> None:
    first, second = (gate.post(V2, trigger(dedup_key=key)).json["dedup_key"] for _ in range(2))
    assert UUID.fullmatch(first)
    assert first != second
    assert [row.dedup_key for row in gate.inbox()] == [first, second]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
def test_an_acknowledge_or_resolve_of_an_unknown_key_is_accepted(gate: Served, action: str) -> None:
    answer = gate.post(V2, {"routing_key": KEY, "event_action": action, "dedup_key": "never seen"})
    assert (answer.status, answer.json["dedup_key"]) == (202, "never seen")


def test_alertmanagers_resolve_is_accepted_with_any_text_as_severity(gate: Served) -> None:
    body = trigger(
        event_action="resolve",
        dedup_key="f" * 64,
        images=[],
        links=[],
        client="Alertmanager",
        client_url="",
        payload={"severity": "sev 1!"},
    )
    assert gate.post(V2, body).status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "image/png"},
        {"Authorization": "Token token=nonsense"},
    ],
)
def test_the_content_type_does_not_matter(gate: Served, headers: dict[str, str]) -> None:
    assert gate.ask("POST", V2, json.dumps(trigger()).encode(), headers).status == 202


def test_a_summary_too_long_is_taken_and_cut(gate: Served) -> None:
    assert gate.post(V2, trigger(payload={"summary": "s" * 5000})).status == 202
    (row,) = gate.inbox()
    assert row.summary == "s" * 1024
    assert len(json.loads(row.raw)["payload"]["summary"]) == 5000


def test_an_event_of_exactly_the_largest_size_is_taken(gate: Served) -> None:
    body = json.dumps(trigger(payload={"custom_details": {"pad": ""}})).encode()
    body = body.replace(b'"pad": ""', b'"pad": "' + b"p" * (MAX_BODY - len(body)) + b'"')
    assert len(body) == MAX_BODY
    assert gate.ask("POST", V2, body).status == 202
    assert gate.ask("POST", V2, body + b" ").status == 413


def test_a_body_that_comes_in_pieces_is_taken(gate: Served) -> None:
    body = json.dumps(trigger()).encode()
    pieces = iter([body[:10], body[10:200], body[200:]])
    assert gate.ask("POST", V2, pieces).status == 202


def test_many_events_go_through_one_connection(gate: Served) -> None:
    connection = HTTPConnection("127.0.0.1", gate.port, timeout=10)
    for number in range(20):
        connection.request("POST", V2, json.dumps(trigger(dedup_key=str(number))))
        answer = connection.getresponse()
        assert answer.status == 202
        answer.read()
    connection.close()
    assert [row.dedup_key for row in gate.inbox()] == [str(number) for number in range(20)]


def test_events_api_v1_answers_200_with_its_incident_key(gate: Served) -> None:
    answer = gate.post(V1, v1())
    assert answer.status == 200
    assert answer.json == {"status": "success", "message": "Event processed", "incident_key": "k"}
    made = gate.post(V1, v1(incident_key=...)).json["incident_key"]
    assert UUID.fullmatch(made)
    assert [row.reader for row in gate.inbox()] == ["events_v1", "events_v1"]
    assert (
        gate.post(
            V1, {"service_key": KEY, "event_type": "resolve", "incident_key": "k", "event_action": "", "payload": None}
        ).status
        == 200
    )


def test_a_change_event_is_answered_202_without_a_key(gate: Served) -> None:
    answer = gate.post(CHANGE, change())
    assert (answer.status, answer.json) == (202, {"status": "success", "message": "Change event processed"})
    (row,) = gate.inbox()
    assert (row.action, row.dedup_key, row.summary) == ("change", None, "Deployed")


def test_an_alertmanager_notification_becomes_one_row_an_alert(gate: Served) -> None:
    alerts = [
        {"status": "firing", "fingerprint": f"{number:016x}", "labels": {"alertname": "X"}} for number in range(3)
    ]
    answer = gate.post(f"/integration/{KEY}/alertmanager", {"version": "4", "alerts": alerts})
    assert answer.status == 202
    assert answer.json["dedup_keys"] == [one["fingerprint"] for one in alerts]
    assert [row.dedup_key for row in gate.inbox()] == answer.json["dedup_keys"]
    assert all(len(json.loads(row.raw)["alerts"]) == 1 for row in gate.inbox())


def test_the_keys_own_mapping_is_used(gate: Served) -> None:
    assert gate.post(f"/integration/{'a' * 32}/enqueue", {"t": "down", "k": "x", "s": "good"}).json["dedup_key"] == "x"
    assert gate.post(f"/integration/{'a' * 32}/generic", {"t": "down", "k": "x", "s": "not good"}).status == 202
    assert [row.action for row in gate.inbox()] == ["resolve", "trigger"]


def test_the_address_may_hold_the_key_of_a_v2_event(gate: Served) -> None:
    assert gate.post(f"/x-ere/{OTHER_KEY}", trigger(routing_key=...)).status == 202
    assert gate.post(f"/integration/{OTHER_KEY}/events_v2", trigger(routing_key=...)).status == 202
    assert [row.routing_key for row in gate.inbox()] == [OTHER_KEY, OTHER_KEY]


def test_what_is_no_event_goes_to_the_edge(gate: Served) -> None:
    for path in ("/", "/incidents", "/v2/enqueue/", "/v2", "/integration"):
        answer = gate.ask("GET", path)
        assert (answer.status, answer.body) == (404, b"the edge")


def test_a_key_made_by_another_node_works_at_once_and_a_deleted_one_soon_does_not(gate: Served, now: datetime) -> None:
    fresh = "c" * 32
    assert gate.post(V2, trigger(routing_key=fresh)).status == 400
    with gate.db.write() as tx:
        save_key(tx, "PGATE09", fresh, now)
    assert gate.post(V2, trigger(routing_key=fresh)).status == 202
    with gate.db.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM integrations WHERE id = 'PGATE09'")
        tx.wake("integrations")
    assert gate.post(V2, trigger(routing_key=fresh)).status == 400


def test_every_refusal_is_counted_by_day_reader_and_reason(sqlite_db: Database, now: datetime) -> None:
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)
    with served(sqlite_db, clock=lambda: now) as running:
        for _ in range(2):
            running.post(V2, trigger(routing_key=NOBODYS_KEY))
        running.post(V1, v1(event_type="explode"))
        running.ask("POST", V2, b"{")
    with sqlite_db.read() as tx:
        counted = inbox.refused(tx, "2026-11-23")
    assert {tuple(one) for one in counted} == {
        ("2026-11-23", "events_v2", "Invalid routing key", 2),
        ("2026-11-23", "events_v1", "event_type is invalid (must be one of: trigger acknowledge resolve)", 1),
        ("2026-11-23", "events_v2", "JSON parse error", 1),
    }


# -------------------------------------------------------------------------------------------------------- what is refused


def invalid(*errors: str) -> tuple[int, dict[str, Any]]:
    return 400, {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}


def unrecognized(status: str = "Unrecognized object") -> tuple[int, dict[str, Any]]:
    return 400, {"status": status, "message": "Event object format is unrecognized", "errors": ["JSON parse error"]}


SEVERITY = "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
ACTION = "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
KEY_LENGTH = "Length of 'routing_key' is incorrect (should be 32 characters)"
DEDUP_LENGTH = "Length of 'dedup_key' is incorrect (should be at most 255 characters)"
TIMESTAMP = "'payload.timestamp' is invalid (must be an ISO 8601 date and time)"
DEEP = "Event object is nested too deeply (at most 64 levels)"
SRC = "'images' is invalid (each image must have a 'src' that starts with https://)"
HREF = "'links' is invalid (each link must have an 'href')"
STATUS = "'alerts' is invalid (each alert's 'status' must be one of the following: 'firing' or 'resolved')"
WAYS_IN = "After the key comes one of: enqueue, events_v2, events_v1, change_events, alertmanager, grafana, generic, email"
AM, GEN = f"/integration/{KEY}/alertmanager", f"/integration/{KEY}/generic"

REFUSED: list[tuple[str, str, Any, tuple[int, dict[str, Any]]]] = [
    # bodies that are no event at all
    ("an empty body", V2, b"", unrecognized()),
    ("no JSON", V2, b"hello", unrecognized()),
    ("half a document", V2, b'{"routing_key":', unrecognized()),
    ("two documents", V2, b"{}{}", unrecognized()),
    ("a form", V2, b"routing_key=x&event_action=trigger", unrecognized()),
    ("XML", V2, b"<event/>", unrecognized()),
    ("an array", V2, b"[]", unrecognized()),
    ("an array of events", V2, json.dumps([trigger()]).encode(), unrecognized()),
    ("a text", V2, b'"trigger"', unrecognized()),
    ("null", V2, b"null", unrecognized()),
    ("a number", V2, b"42", unrecognized()),
    ("NaN inside", V2, b'{"routing_key":NaN}', unrecognized()),
    ("single quotes", V2, b"{'routing_key':'x'}", unrecognized()),
    ("a trailing comma", V2, b'{"routing_key":"x",}', unrecognized()),
    ("Latin-1", V2, json.dumps(trigger(payload={"summary": "caf\xe9"}), ensure_ascii=False).encode("latin-1"), unrecognized()),
    ("UTF-16", V2, json.dumps(trigger()).encode("utf-16"), unrecognized()),
    ("a broken sequence in the details", V2, json.dumps(trigger(payload={"custom_details": {"a": "HERE"}})).encode().replace(b"HERE", b"\xff\xfe"), unrecognized()),
    ("half a surrogate pair", V2, json.dumps(trigger()).encode().replace(b"disk", rb"\ud83d"), unrecognized()),
    ("a raw null byte", V2, json.dumps(trigger()).encode().replace(b"disk", b"di\0sk"), unrecognized()),
    ("only null bytes", V2, b"\0" * 100, unrecognized()),
    ("compressed", V2, bytes.fromhex("1f8b0800000000000003abae05004312bf4302000000"), unrecognized()),
    ("no JSON to v1", V1, b"hello", unrecognized("unrecognized object")),
    ("an array to v1", V1, b"[1]", unrecognized("unrecognized object")),
    ("no JSON as change", CHANGE, b"{", unrecognized()),
    # v2: fields
    ("an empty object", V2, {}, invalid("'routing_key' is missing or blank", "'event_action' is missing or blank", "'payload' is missing or blank")),
    ("no routing key", V2, trigger(routing_key=...), invalid("'routing_key' is missing or blank")),
    ("a blank routing key", V2, trigger(routing_key="   "), invalid("'routing_key' is missing or blank")),
    ("a short routing key", V2, trigger(routing_key="abc"), invalid(KEY_LENGTH)),
    ("a long routing key", V2, trigger(routing_key=KEY + "0"), invalid(KEY_LENGTH)),
    ("a number as routing key", V2, trigger(routing_key=7), invalid("'routing_key' is invalid (must be a string)")),
    ("a list as routing key", V2, trigger(routing_key=[KEY]), invalid("'routing_key' is invalid (must be a string)")),
    ("nobody's routing key", V2, trigger(routing_key=NOBODYS_KEY), invalid("Invalid routing key")),
    ("an upper-case routing key", V2, trigger(routing_key=KEY.upper()), invalid("Invalid routing key")),
    ("null characters as routing key", V2, trigger(routing_key="\0" * 32), invalid("Invalid routing key")),
    ("SQL as routing key", V2, trigger(routing_key="' OR 1=1; DROP TABLE inbox; --  "), invalid("Invalid routing key")),
    ("an orchestration's key that is nobody's", V2, trigger(routing_key="R" + "0" * 31), invalid("Invalid routing key")),
    ("no action", V2, trigger(event_action=...), invalid("'event_action' is missing or blank")),
    ("an unknown action", V2, trigger(event_action="explode"), invalid(ACTION)),
    ("an action in capitals", V2, trigger(event_action="Trigger"), invalid(ACTION)),
    ("a list as action", V2, trigger(event_action=["trigger"]), invalid(ACTION)),
    ("resolve without a key", V2, {"routing_key": KEY, "event_action": "resolve"}, invalid("'dedup_key' is missing or blank")),
    ("acknowledge without a key", V2, {"routing_key": KEY, "event_action": "acknowledge", "dedup_key": ""}, invalid("'dedup_key' is missing or blank")),
    ("a long key", V2, trigger(dedup_key="k" * 256), invalid(DEDUP_LENGTH)),
    ("a long key to resolve", V2, trigger(event_action="resolve", dedup_key="k" * 256), invalid(DEDUP_LENGTH)),
    ("a number as key", V2, trigger(dedup_key=1), invalid("'dedup_key' is invalid (must be a string)")),
    ("a null character in the key", V2, trigger(dedup_key="a\0b"), invalid("'dedup_key' is invalid (must not contain null characters)")),
    ("no payload", V2, {"routing_key": KEY, "event_action": "trigger"}, invalid("'payload' is missing or blank")),
    ("a text as payload", V2, trigger() | {"payload": "disk"}, invalid("'payload' is invalid (must be an object)")),
    ("a list as payload", V2, trigger() | {"payload": []}, invalid("'payload' is invalid (must be an object)")),
    ("an empty payload", V2, trigger() | {"payload": {}}, invalid("'payload.summary' is missing or blank", "'payload.source' is missing or blank", "'payload.severity' is missing or blank")),
    ("a blank summary", V2, trigger(payload={"summary": "  "}), invalid("'payload.summary' is missing or blank")),
    ("a number as summary", V2, trigger(payload={"summary": 5}), invalid("'payload.summary' is invalid (must be a string)")),
    ("no source", V2, trigger(payload={"source": None}), invalid("'payload.source' is missing or blank")),
    ("an object as source", V2, trigger(payload={"source": {"a": 1}}), invalid("'payload.source' is invalid (must be a string)")),
    ("no severity", V2, trigger(payload={"severity": ""}), invalid("'payload.severity' is missing or blank")),
    ("an unknown severity", V2, trigger(payload={"severity": "bad"}), invalid(SEVERITY)),
    ("a severity in capitals", V2, trigger(payload={"severity": "Critical"}), invalid(SEVERITY)),
    ("a number as severity", V2, trigger(payload={"severity": 1}), invalid(SEVERITY)),
    ("yesterday", V2, trigger(payload={"timestamp": "yesterday"}), invalid(TIMESTAMP)),
    ("a thirteenth month", V2, trigger(payload={"timestamp": "2026-13-01T00:00:00Z"}), invalid(TIMESTAMP)),
    ("a number as timestamp", V2, trigger(payload={"timestamp": 1700000000}), invalid(TIMESTAMP)),
    ("a number as component", V2, trigger(payload={"component": 1}), invalid("'payload.component' is invalid (must be a string)")),
    ("a list as class", V2, trigger(payload={"class": []}), invalid("'payload.class' is invalid (must be a string)")),
    ("a list as details", V2, trigger(payload={"custom_details": [1]}), invalid("'payload.custom_details' is invalid (must be an object)")),
    ("a number as details", V2, trigger(payload={"custom_details": 1}), invalid("'payload.custom_details' is invalid (must be an object)")),
    ("a picture over http", V2, trigger(images=[{"src": "http://a.example.org/b.png"}]), invalid(SRC)),
    ("a picture of script", V2, trigger(images=[{"src": "javascript:alert(1)"}]), invalid(SRC)),
    ("a picture without src", V2, trigger(images=[{"alt": "x"}]), invalid(SRC)),
    ("pictures that are none", V2, trigger(images="x"), invalid("'images' is invalid (must be an array of objects)")),
    ("a link without href", V2, trigger(links=[{"text": "x"}]), invalid(HREF)),
    ("a link that is a text", V2, trigger(links=["http://a"]), invalid("'links' is invalid (must be an array of objects)")),
    ("a number as client", V2, trigger(client=3), invalid("'client' is invalid (must be a string)")),
    ("everything wrong at once", V2, trigger(routing_key="x", event_action="y", dedup_key=1, payload={"severity": "z"}), invalid(KEY_LENGTH, ACTION, "'dedup_key' is invalid (must be a string)", SEVERITY)),
    ("65 levels of objects", V2, b'{"a":' * 65 + b"1" + b"}" * 65, invalid(DEEP)),
    ("details too deep", V2, json.dumps(trigger(payload={"custom_details": "HERE"})).encode().replace(b'"HERE"', b'{"a":' * 63 + b"1" + b"}" * 63), invalid(DEEP)),
    ("a hundred thousand brackets", V2, b"[" * 100_000 + b"]" * 100_000, invalid(DEEP)),
    # v1
    ("v1: an empty object", V1, {}, invalid("Service key is missing or blank", "Event type is missing or blank", "Description is missing or blank")),
    ("v1: a short key", V1, v1(service_key="x"), invalid("Service key is the wrong length (should be 32 characters)")),
    ("v1: nobody's key", V1, v1(service_key=NOBODYS_KEY), invalid("Invalid service key")),
    ("v1: an unknown type", V1, v1(event_type="explode"), invalid("event_type is invalid (must be one of: trigger acknowledge resolve)")),
    ("v1: a list as type", V1, v1(event_type=["trigger"]), invalid("event_type is invalid (must be one of: trigger acknowledge resolve)")),
    ("v1: no description", V1, v1(description=""), invalid("Description is missing or blank")),
    ("v1: resolve without a key", V1, v1(event_type="resolve", incident_key=...), invalid("Incident key is missing or blank")),
    ("v1: a long key", V1, v1(incident_key="k" * 256), invalid("Incident key is too long (should be at most 255 characters)")),
    ("v1: a list as details", V1, v1(details=[1]), invalid("Details is invalid (must be an object)")),
    ("v1: an unknown context", V1, v1(contexts=[{"type": "song"}]), invalid("Contexts is invalid (each type must be one of: link image)")),
    ("v1: a picture over http", V1, v1(contexts=[{"type": "image", "src": "http://x"}]), invalid("Contexts is invalid (each image must have a 'src' that starts with https://)")),
    # change events
    ("change: no summary", CHANGE, change(payload={"summary": ""}), invalid("'payload.summary' is missing or blank")),
    ("change: no payload", CHANGE, {"routing_key": KEY}, invalid("'payload' is missing or blank")),
    ("change: an orchestration's key", CHANGE, change(routing_key="R" + "0" * 31), invalid("Invalid routing key: change events go to a service's own key, not to one that starts with 'R'")),
    ("change: nobody's key", CHANGE, change(routing_key=NOBODYS_KEY), invalid("Invalid routing key")),
    ("change: yesterday", CHANGE, change(payload={"timestamp": "yesterday"}), invalid(TIMESTAMP)),
    # vendors
    ("an Alertmanager body without alerts", AM, {"version": "4"}, invalid("'alerts' is missing or blank (must be an array of alerts)")),
    ("an alert that is neither", AM, {"alerts": [{"status": "ok", "labels": {"a": "b"}}]}, invalid(STATUS)),
    ("an alert with nothing to know it by", AM, {"alerts": [{"status": "firing"}]}, invalid("'alerts' is invalid (each alert must have a 'fingerprint' or 'labels')")),
    ("one bad alert among good ones", AM, {"alerts": [{"status": "firing", "labels": {"a": "b"}}, {"status": 3, "labels": {"c": "d"}}]}, invalid(STATUS)),
    ("an alert for nobody", f"/integration/{NOBODYS_KEY}/alertmanager", {"alerts": [{"status": "firing", "labels": {"a": "b"}}]}, invalid("Invalid routing key")),
    ("a mapped event without a summary", GEN, {"nothing": 1}, invalid("'summary' is missing or blank (looked for at $.payload.summary, $.summary, $.title, $.description, $.message)")),
    ("a mapped resolve without a key", GEN, {"title": "x", "status": "resolved"}, invalid("'dedup_key' is missing or blank (looked for at $.dedup_key, $.id)")),
    ("a mapping that is not sound", f"/integration/{'b' * 32}/enqueue", {"title": "x"}, invalid("The integration's mapping is not sound: 'summary': the path 'bad' must start with $, like $.alert.title")),
    ("an unknown vendor", f"/integration/{KEY}/nagios", {}, (404, {"status": "not found", "message": "There is no such way in", "errors": [WAYS_IN]})),
    ("a key that climbs", "/integration/../../etc/passwd", {}, (404, {"status": "not found", "message": "There is no such way in", "errors": [WAYS_IN]})),
    ("an address for nobody", f"/x-ere/{NOBODYS_KEY}", trigger(routing_key=...), invalid("Invalid routing key")),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "expected"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_is_not_sound_is_refused_in_the_specified_words_and_leaves_no_trace(
    refusing: Served, path: str, body: Any, expected: tuple[int, dict[str, Any]]
) -> None:
    answer = refusing.ask("POST", path, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert (answer.status, answer.json) == expected
    assert answer.headers["content-type"].startswith("application/json")
    assert not refusing.inbox()


TOO_LARGE = {
    "status": "invalid event",
    "message": "Event object is too large",
    "errors": [f"The body is larger than {MAX_BODY} bytes; nothing was kept"],
}


@pytest.mark.parametrize("size", [MAX_BODY + 1, 2 * MAX_BODY])
def test_a_body_too_large_is_refused_with_413(refusing: Served, size: int) -> None:
    answer = refusing.ask("POST", V2, b" " * size)
    assert (answer.status, answer.json) == (413, TOO_LARGE)
    pieces = (b" " * 65536 for _ in range(size // 65536 + 1))
    answer = refusing.ask("POST", V2, pieces)
    assert (answer.status, answer.json) == (413, TOO_LARGE)


def test_a_body_that_claims_to_be_huge_is_refused_unread(refusing: Served) -> None:
    with socket.create_connection(("127.0.0.1", refusing.port), 5) as wire:
        wire.sendall(b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert wire.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [V2, CHANGE, V1, AM])
def test_events_are_only_taken_by_post(refusing: Served, method: str, path: str) -> None:
    answer = refusing.ask(method, path, json.dumps(trigger()).encode())
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.json["errors"] == [f"{method} is not allowed here"]


@pytest.mark.parametrize(
    "wire",
    [
        b"\0\0\0\0\r\n\r\n",
        b"POST /v2/enqueue\r\n\r\n",
        b"POST /v2/enqueue HTTP/9.9\r\n\r\n",
        b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    ],
)
def test_what_is_no_http_hurts_nobody(refusing: Served, wire: bytes) -> None:
    with socket.create_connection(("127.0.0.1", refusing.port), 5) as connection:
        connection.sendall(wire)
        with suppress(OSError):  # it may have hung up already
            connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert not answer or answer.split(b" ")[1].startswith(b"4")
    assert still_well(refusing).status == 400
    assert not refusing.inbox()


def test_a_sender_that_hangs_up_in_the_middle_leaves_no_trace(refusing: Served) -> None:
    body = json.dumps(trigger()).encode()
    with socket.create_connection(("127.0.0.1", refusing.port), 5) as connection:
        connection.sendall(
            b"POST /v2/enqueue HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50]
        )
    assert still_well(refusing).status == 400
    assert not refusing.inbox()


def still_well(gate: Served) -> Answer:
    return gate.post(V2, {})
