"""Following a calendar over the API: what is shown, what is refused, what a preview tells, and what is kept secret."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_schedules import entries, layer, made, shown
from tests.people import ADA, BO
from tocsin.service.followed_calendars import FILE_MOST
from tocsin.store.tables.calendars import followed_calendar


def ics(*summaries: str, start: str = "20261123T080000Z", rule: str = "RRULE:FREQ=DAILY") -> str:
    lines = ["BEGIN:VCALENDAR"]
    for summary in summaries:
        lines += ["BEGIN:VEVENT", f"UID:{summary}", f"SUMMARY:{summary}", f"DTSTART:{start}", "DURATION:P1D", rule, "END:VEVENT"]
    return "\n".join([*lines, "END:VCALENDAR", ""])


def path(schedule: dict[str, Any], more: str = "") -> str:
    return f"/api/v1/schedules/{schedule['id']}/followed_calendar{more}"


def follow(api: Api, schedule: dict[str, Any], status: int = 200, **said: Any) -> Any:
    reply = api.ask("PUT", path(schedule), {"followed_calendar": said}, ours=True)
    assert reply.status == status, reply.body
    return reply.body


def test_a_file_holds_at_once_and_layers_are_refused_while_overrides_work(api: Api) -> None:
    schedule = made(api, layer(BO.id))
    told = follow(api, schedule, file=ics("Ada", "Zoe"))["followed_calendar"]
    assert (told["source"], told["stale"], told["shift_count"], told["not_understood_count"]) == ("file", False, 1, 1)
    assert told["not_understood"][0]["summary"] == "Zoe"
    assert api.ask("GET", path(schedule), ours=True, who="reader").body["followed_calendar"] == told
    seen = shown(api, schedule["id"], since="2026-11-23T09:00:00Z", until="2026-11-24T09:00:00Z")
    assert entries(seen["final_schedule"]) == [("Ada", "2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z")]
    refused = api.ask("PUT", f"/schedules/{schedule['id']}", {"schedule": {"schedule_layers": [layer(BO.id)]}})
    assert refused.status == 400
    assert "follows a calendar" in refused.body["error"]["errors"][0]
    preview = {"schedule": {"id": schedule["id"], "time_zone": "UTC", "schedule_layers": [layer(BO.id)]}}
    assert api.ask("POST", "/schedules/preview", preview).status == 400
    renamed = api.ask("PUT", f"/schedules/{schedule['id']}", {"schedule": {"name": "Other", "schedule_layers": []}})
    assert (renamed.status, renamed.body["schedule"]["name"]) == (200, "Other")
    turn = {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T11:00:00Z", "user": {"id": BO.id, "type": "user_reference"}}
    assert api.ask("POST", f"/schedules/{schedule['id']}/overrides", {"overrides": [turn]}).status == 201
    api.later(hours=3)
    assert api.ask("DELETE", path(schedule), ours=True).status == 204
    assert api.ask("GET", path(schedule), ours=True).status == api.ask("DELETE", path(schedule), ours=True).status == 404
    seen = shown(api, schedule["id"], since="2026-11-23T09:30:00Z", until="2026-11-24T09:00:00Z")
    assert entries(seen["final_schedule"]) == [
        ("Ada", "2026-11-23T09:30:00Z", "2026-11-23T10:00:00Z"), ("Bo", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"),
        ("Ada", "2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z"), ("Bo", "2026-11-23T12:00:00Z", "2026-11-24T09:00:00Z"),
    ]  # fmt: skip
    records = api.ask("GET", f"/schedules/{schedule['id']}/audit/records").body["records"]
    fields = {field["name"] for one in records for field in one["details"].get("fields") or []}
    assert {"followed_calendar", "followed_shifts"} <= fields


def test_a_preview_tells_what_would_change_and_keeps_nothing(api: Api) -> None:
    schedule = made(api, layer(BO.id))
    body = {"followed_calendar": {"file": ics("Ada", start="20261130T080000Z", rule="RRULE:FREQ=DAILY;COUNT=2")}}
    told = api.ask("POST", path(schedule, "/preview"), body, ours=True).body["preview"]
    assert told["change_count"] == len(told["changes"]) == 3
    assert [([one["id"] for one in change["before"]], [one["id"] for one in change["after"]]) for change in told["changes"]] == [
        ([BO.id], []), ([BO.id], [ADA.id]), ([BO.id], [])
    ]  # fmt: skip
    assert api.ask("GET", path(schedule), ours=True).status == 404
    nothing = api.ask("POST", path(schedule, "/preview"), {"followed_calendar": {}}, ours=True)
    assert (nothing.status, "no copy" in str(nothing.body)) == (400, True)
    follow(api, schedule, file=ics("Ada"))
    again = api.ask("POST", path(schedule, "/preview"), {"followed_calendar": {}}, ours=True).body["preview"]
    assert (again["change_count"], again["shift_count"]) == (0, 1)


def test_what_cannot_be_followed_is_refused_with_the_reason_and_changes_nothing(api: Api) -> None:
    schedule = made(api, layer(BO.id))
    for said, words in (
        ({}, "either the address"), ({"address": "https://example.org/x", "file": ics("Ada")}, "either the address"), ({"file": "hello"}, "no calendar"),
        ({"file": ics()}, "no events"), ({"file": "x" * (FILE_MOST + 1)}, "at most 512 KiB"), ({"address": "ftp://example.org/x"}, "must begin with"),
        ({"address": "https://"}, "must begin with"), ({"address": "https://[::1/x"}, "not an address"), ({"address": f"https://a.example/{'x' * 2000}"}, "2000"),
    ):  # fmt: skip
        assert words in str(follow(api, schedule, 400, **said))
    reply = api.ask("POST", path(schedule, "/preview"), {"followed_calendar": {"address": "http://127.0.0.1:1/hush"}}, ours=True)
    assert (reply.status, "private or special" in str(reply.body), "hush" in str(reply.body)) == (400, True, False)
    near = Api(replace(api.house, allowed_networks=("127.0.0.0/8",)), api.now, api.keys)
    reply = near.ask("POST", path(schedule, "/preview"), {"followed_calendar": {"address": "webcal://127.0.0.1:1/hush"}}, ours=True)
    assert (reply.status, "cannot be fetched" in str(reply.body), "hush" in str(reply.body)) == (400, True, False)
    assert api.ask("GET", path(schedule), ours=True).status == 404
    assert len(shown(api, schedule["id"])["schedule_layers"]) == 1


def test_an_address_is_sealed_and_only_its_host_is_shown(api: Api) -> None:
    schedule = made(api, layer(BO.id))
    told = follow(api, schedule, address="webcal://calendar.example.org/private-hush/basic.ics")["followed_calendar"]
    assert (told["source"], told["host"], told["copied_at"], told["shift_count"]) == ("address", "calendar.example.org", None, 0)
    assert len(shown(api, schedule["id"])["schedule_layers"]) == 1  # until it has been read once
    follow(api, schedule, file=ics("Ada"))
    follow(api, schedule, address="https://user:hush@other.example.org:8443/b.ics")
    with api.house.db.read() as tx:
        row = tx.one(sa.select(followed_calendar))
    assert row is not None
    assert "hush" not in str(row._mapping)
    assert (row.host, row.copy is not None) == ("other.example.org:8443", True)
    assert "hush" not in str(api.ask("GET", f"/schedules/{schedule['id']}/audit/records").body)
