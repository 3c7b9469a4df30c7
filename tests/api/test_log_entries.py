"""Log entries over the API: what happened, in PagerDuty's words (BEHAVIOUR 3.2)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.people import ADA, BO
from tests.sending import event, save_service, save_ways, send, user
from tocsin.api.kernel.call import House
from tocsin.base.secret import Seals
from tocsin.engine.timers import timers_pass
from tocsin.store.db import Database


@pytest.fixture
def house(db: Database, seals: Seals, chance: Any) -> House:
    return House(db=db, seals=seals, chance=chance, base_url="https://tocsin.example.org")


@pytest.fixture
def desk(api: Api) -> Api:
    save_ways(api.house.db, api.now, ADA.id, BO.id)
    save_service(api.house.db, api.now, [user(ADA.id)], [], [user(BO.id)], num_loops=1)
    return api


def lived(api: Api) -> str:
    """An incident to which everything happens that has a word; returns its id."""
    send(api.house.db, [event(custom_details={"free": "2 %"})], api.now, api.house.chance)
    incident_id: str = api.ask("GET", "/incidents").body["incidents"][0]["id"]
    path = f"/incidents/{incident_id}"

    def put(**wish: object) -> None:
        api.later(seconds=1)
        assert api.ask("PUT", path, {"incident": wish}, who="ada").status == 200

    for _ in range(3):
        api.later(minutes=10)
        timers_pass(api.house.db, api.now, chance=api.house.chance)
    api.ask("POST", f"{path}/snooze", {"duration": 60}, who="ada")
    api.later(seconds=1)
    api.ask("POST", f"{path}/notes", {"note": {"content": "Looking"}}, who="bo")
    put(urgency="low")
    put(title="Disk very full")
    put(assignments=[{"assignee": {"id": BO.id, "type": "user_reference"}}])
    put(escalation_policy={"id": "PPOL001", "type": "escalation_policy_reference"})
    put(status="resolved", resolution="made room")
    put(status="acknowledged")
    return incident_id


def entries(api: Api, path: str, *query: tuple[str, str]) -> list[dict[str, Any]]:
    reply = api.ask("GET", path, query=[("limit", "100"), *query])
    assert reply.status == 200, reply.body
    listed: list[dict[str, Any]] = reply.body["log_entries"]
    return listed


def test_the_log_of_an_incident_is_told_in_pagerdutys_types_newest_first(desk: Api) -> None:
    incident_id = lived(desk)
    told = [one["type"].removesuffix("_log_entry") for one in entries(desk, f"/incidents/{incident_id}/log_entries")][
        ::-1
    ]
    assert told == [
        "trigger", "assign", "escalate", "repeat_escalation_path", "escalate", "escalate", "acknowledge", "snooze",
        "annotate", "urgency_change", "field_value_change", "unacknowledge", "assign", "delegate", "assign", "resolve",
        "field_value_change", "assign", "acknowledge",
    ]  # fmt: skip


def test_every_type_has_its_own_fields(desk: Api) -> None:
    path = f"/incidents/{lived(desk)}/log_entries"
    by_type: dict[str, dict[str, Any]] = {one["type"]: one for one in entries(desk, path, ("include[]", "channels"))}
    trigger = by_type["trigger_log_entry"]
    assert trigger["summary"] == "Triggered through the API"
    assert trigger["channel"]["type"] == "api"
    assert (trigger["channel"]["incident_key"], trigger["channel"]["details"]) == ("disk", {"free": "2 %"})
    assert trigger["channel"]["cef_details"]["source_origin"] == "db1"
    assert trigger["event_details"] == {"description": "Disk full on db1"}
    assert trigger["agent"]["type"] == "integration_reference"
    assert [one["summary"] for one in by_type["escalate_log_entry"]["assignees"]] == ["Bo"]
    assert by_type["escalate_log_entry"]["channel"]["type"] == "timeout"
    assert by_type["escalate_log_entry"]["agent"]["type"] == "service_reference"
    assert by_type["acknowledge_log_entry"]["agent"]["summary"] == "Ada"
    snooze = by_type["snooze_log_entry"]
    assert snooze["channel"]["duration"] == 60
    assert snooze["changed_actions"][0]["type"] == "unacknowledge"
    assert by_type["annotate_log_entry"]["channel"] == {"type": "note", "summary": "Looking"}
    assert by_type["delegate_log_entry"]["assignees"][0]["type"] == "escalation_policy_reference"
    assert by_type["resolve_log_entry"]["note"] == "made room"
    assert by_type["field_value_change_log_entry"]["changeset"] == ["title"]
    assert by_type["urgency_change_log_entry"]["event_details"] == {"old_value": "high", "new_value": "low"}


def test_the_overview_leaves_what_people_did_and_who_had_it(desk: Api) -> None:
    path = f"/incidents/{lived(desk)}/log_entries"
    short = {one["type"] for one in entries(desk, path, ("is_overview", "true"))}
    assert "resolve_log_entry" in short
    assert not short & {"urgency_change_log_entry", "repeat_escalation_path_log_entry"}


def test_one_entry_is_shown_by_its_id(desk: Api) -> None:
    lived(desk)
    first = entries(desk, "/log_entries")[-1]
    shown = desk.ask(
        "GET", f"/log_entries/{first['id']}", query=[("include[]", "incidents"), ("include[]", "services")]
    )
    assert shown.body["log_entry"]["incident"]["title"] == "Disk very full"
    assert shown.body["log_entry"]["service"]["name"] == "Database"
    assert desk.ask("GET", "/log_entries/RNOTTHERE00000").status == 404


def test_a_range_and_its_total_let_a_client_walk_through_everything(desk: Api) -> None:
    lived(desk)
    everything = [one["id"] for one in entries(desk, "/log_entries")]
    start, end = desk.now - timedelta(days=1), desk.now + timedelta(days=1)
    middle = desk.now - timedelta(seconds=4)
    walked: list[str] = []
    for since, until in ((start, middle), (middle, end)):
        query = [("since", since.isoformat()), ("until", until.isoformat()), ("total", "true")]
        body = desk.ask("GET", "/log_entries", query=[*query, ("limit", "100")]).body
        assert body["total"] == len(body["log_entries"]) > 0
        walked = [*(one["id"] for one in body["log_entries"]), *walked]
    assert walked == everything


def test_entries_are_narrowed_to_teams_and_paged(desk: Api) -> None:
    lived(desk)
    assert entries(desk, "/log_entries", ("team_ids[]", "PNOBODY")) == []
    page = desk.ask("GET", "/log_entries", query=[("limit", "3"), ("offset", "3"), ("total", "true")]).body
    assert (len(page["log_entries"]), page["more"], page["total"]) == (3, True, 19)
    assert desk.ask("GET", "/log_entries", query=[("since", "never")]).body["error"]["code"] == 2004


def test_an_incident_explains_itself_to_machines_and_to_people(desk: Api) -> None:
    incident_id = lived(desk)
    reply = desk.ask("GET", f"/api/v1/explain/{incident_id}", query=[("time_zone", "Europe/Paris")])
    told = reply.body["explanation"]
    assert (reply.status, told["incident_number"], told["status"]) == (200, 1, "acknowledged")
    assert told["links"][0]["what"].startswith("event accepted: trigger 'disk' by Prometheus on Database")
    assert told["links"][0]["at"] == "2026-11-23T10:00:00+01:00"
    assert "10:00:00  level 1: Ada (named by the policy)" in told["text"].splitlines()
    assert desk.ask("GET", "/api/v1/explain/disk").body["explanation"]["title"] == "Disk very full"
    assert desk.ask("GET", "/api/v1/explain/nothing").status == 404
