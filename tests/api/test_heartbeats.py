"""Heartbeats over the API and at their secret addresses."""

from random import Random

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO
from tests.sending import save_service, user
from tocsin.api import heartbeats
from tocsin.api.callbacks import Answer
from tocsin.store.tables.engine import inbox

ALL = "/api/v1/heartbeats"
PERIOD = {"type": "period", "seconds": 3600}


def make(api: Api, **more: object) -> dict[str, object]:
    service = {"id": "PSRV001", "type": "service_reference"}
    body = {"name": "Backup", "service": service, "schedule": PERIOD, "grace": 300} | more
    reply = api.ask("POST", ALL, {"heartbeat": body}, ours=True)
    assert reply.status == 201, reply.body
    made: dict[str, object] = reply.body["heartbeat"]
    return made


def ping(api: Api, address: object, after: str = "", *, method: str = "GET", body: bytes = b"") -> Answer:
    path = str(address).removeprefix("https://tocsin.example.org") + after
    return heartbeats.answer(api.house.db, api.house.seals, method, path, body, "192.0.2.9", now=api.now, chance=Random(3))


@pytest.fixture
def company(api: Api) -> Api:
    save_service(api.house.db, api.now, [user(ADA.id)])
    return api


def test_a_heartbeat_is_made_pinged_changed_paused_and_deleted(company: Api) -> None:
    api = company
    made = make(api)
    at = f"{ALL}/{made['id']}"
    assert (made["status"], made["pings"], made["address"]) == ("new", [], made["address"])
    assert str(made["address"]).startswith("https://tocsin.example.org/heartbeat/")
    for after, method, expected in (("/start", "GET", b"OK\n"), ("", "HEAD", b""), ("/0", "POST", b"OK\n")):
        answer = ping(api, made["address"], after, method=method, body=b"copied 3 files")
        assert (answer.status, answer.body) == (200, expected)
    shown = api.ask("GET", at, ours=True).body["heartbeat"]
    assert (shown["status"], shown["expected_at"], shown["due_at"]) == ("up", "2026-11-23T10:00:00Z", "2026-11-23T10:05:00Z")
    assert [(one["kind"], one["body"], one["lasted_ms"]) for one in shown["pings"]] == [
        ("success", "copied 3 files", None), ("success", "copied 3 files", 0), ("start", "copied 3 files", None),
    ]  # fmt: skip
    assert ping(api, made["address"], "/2").status == 200
    assert api.ask("GET", at, ours=True).body["heartbeat"]["status"] == "down"
    with api.house.db.read() as tx:
        assert [row.action for row in tx.rows(sa.select(inbox.c.action))] == ["trigger"]
    assert api.ask("POST", f"{at}/pause", ours=True).body["heartbeat"]["status"] == "paused"
    changed = api.ask("PUT", at, {"heartbeat": {"name": "Copy", "schedule": {"type": "calendar", "rule": "FREQ=DAILY", "time_zone": "Europe/Paris", "first": "2026-11-23T03:00:00"}}}, ours=True)
    assert changed.body["heartbeat"]["schedule"] == {"type": "calendar", "first": "2026-11-23T02:00:00Z", "time_zone": "Europe/Paris", "rule": "FREQ=DAILY"}
    resumed = api.ask("POST", f"{at}/resume", ours=True).body["heartbeat"]
    assert (resumed["status"], resumed["expected_at"]) == ("up", "2026-11-24T02:00:00Z")
    fresh = api.ask("POST", f"{at}/regenerate_address", ours=True).body["heartbeat"]["address"]
    assert (ping(api, made["address"]).status, ping(api, fresh).status) == (404, 200)
    listed = api.ask("GET", ALL, query=[("query", "cop"), ("total", "true"), ("service_ids[]", "PSRV001")], ours=True).body
    assert (listed["total"], [one["name"] for one in listed["heartbeats"]]) == (1, ["Copy"])
    trail = str(api.ask("GET", "/audit/records", query=[("limit", "100")]).body)
    assert "heartbeat_reference" in trail
    assert str(fresh).rpartition("/")[2] not in trail
    assert api.ask("DELETE", at, ours=True).status == 204
    assert (api.ask("GET", at, ours=True).status, ping(api, fresh).status) == (404, 404)


@pytest.mark.parametrize(
    ("method", "after", "status"),
    [("PUT", "", 405), ("DELETE", "", 405), ("GET", "/256", 404), ("GET", "/stop", 404), ("GET", "/start/x", 404), ("GET", "x", 404)],
)
def test_what_is_no_ping_is_refused(company: Api, method: str, after: str, status: int) -> None:
    made = make(company)
    assert ping(company, made["address"], after, method=method).status == status


def test_an_unknown_address_says_nothing_more_than_a_malformed_one(company: Api) -> None:
    make(company)
    unknown, malformed = ping(company, "/heartbeat/" + "a" * 32), ping(company, "/heartbeat/a")
    assert (unknown.status, unknown.body, unknown.headers) == (malformed.status, malformed.body, malformed.headers)
    assert unknown.status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 101}, {"schedule": {"type": "period", "seconds": 1}}, {"schedule": {"type": "period"}},
        {"schedule": {"type": "calendar", "rule": "FREQ=NEVER", "time_zone": "UTC"}}, {"schedule": {"type": "moon"}}, {"grace": 10**15},
        {"schedule": {"type": "calendar", "rule": "FREQ=DAILY", "time_zone": "Mars"}}, {"grace": 0}, {"schedule": {"type": "period", "seconds": 10**18}},
    ],
)  # fmt: skip
def test_a_wrong_wish_is_refused_in_words_and_keeps_nothing(company: Api, wrong: dict[str, object]) -> None:
    body = {"name": "x", "service": {"id": "PSRV001"}, "schedule": PERIOD} | wrong
    reply = company.ask("POST", ALL, {"heartbeat": body}, ours=True)
    assert (reply.status, bool(reply.body["error"]["errors"])) == (400, True)
    assert company.ask("GET", ALL, ours=True).body["heartbeats"] == []
    assert len(company.ask("GET", "/services/PSRV001").body["service"]["integrations"]) == 1


def test_only_who_may_see_keys_sees_the_address(company: Api) -> None:
    made = make(company)
    ping(company, made["address"], body=b"secret words")
    assert company.ask("PUT", f"/users/{BO.id}", {"user": {"role": "observer"}}).status == 200
    seen = company.ask("GET", f"{ALL}/{made['id']}", who="bo", ours=True).body["heartbeat"]
    assert (seen["address"], seen["pings"][0]["body"], seen["status"]) == (None, None, "up")
    assert company.ask("GET", f"{ALL}/{made['id']}", who="ada", ours=True).body["heartbeat"]["address"] == made["address"]
