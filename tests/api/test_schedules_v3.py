"""Shift-based schedules on the wire: each rule of PagerDuty's v3 API (BEHAVIOUR 5.4 and 5.5)."""

import re
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_feeds import events as calendar
from tests.api.test_kernel import state
from tests.api.test_schedules import layer, policy
from tests.api.test_schedules import made as made_v2
from tests.people import ADA, BO, CY
from tocsin.api.kernel.call import Reply
from tocsin.core.escalation import Target
from tocsin.service import shift_exceptions as service
from tocsin.service.shift_rotations import ROTATIONS_MOST
from tocsin.store.tables.schedules import schedule_version

NOW = "2026-11-23T09:00:00Z"
"""A Monday; what the tests' clock says first."""


def user(id_: str | None) -> dict[str, str]:
    return {"type": "empty_member"} if id_ is None else {"type": "user_member", "user_id": id_}


def rotating(*ids: str | None, each: int = 1) -> dict[str, Any]:
    return {"type": "rotating_member_assignment_strategy", "shifts_per_member": each, "members": [user(id_) for id_ in ids]}


def everybody(*ids: str | None) -> dict[str, Any]:
    return {"type": "every_member_assignment_strategy", "members": [user(id_) for id_ in ids]}


def wish(*ids: str | None, **more: Any) -> dict[str, Any]:
    """An event with daily shifts from nine to nine, whose members take turns, from Monday on."""
    return {
        "name": "Daily",
        "start_time": {"date_time": NOW, "time_zone": "UTC"},
        "end_time": {"date_time": "2026-11-24T09:00:00Z", "time_zone": "UTC"},
        "effective_since": NOW,
        "recurrence": ["RRULE:FREQ=DAILY"],
        "assignment_strategy": rotating(*(ids or (ADA.id, BO.id))),
    } | more


def ok(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    return reply.body


def errors(reply: Reply) -> dict[str, list[str]]:
    """What a refusal says, as the map it must be."""
    assert reply.status == 400, reply
    error = reply.body["error"]
    assert isinstance(error["errors"], dict), error
    assert all(isinstance(sentences, list) and sentences for sentences in error["errors"].values())
    found: dict[str, list[str]] = error["errors"]
    return found


def made(api: Api, **fields: Any) -> str:
    body = {"schedule": {"name": "Engineering", "time_zone": "UTC", **fields}}
    return str(ok(api.ask("POST", "/v3/schedules", body), 201)["schedule"]["id"])


def rotation(api: Api, at: str, *wishes: dict[str, Any]) -> str:
    """A rotation with these events; its path."""
    made_ = ok(api.ask("POST", f"/v3/schedules/{at}/rotations", {}), 201)["rotation"]
    path = f"/v3/schedules/{at}/rotations/{made_['id']}"
    for one in wishes:
        ok(api.ask("POST", f"{path}/events", {"event": one}), 201)
    return path


def only_event(api: Api, path: str) -> dict[str, Any]:
    (event,) = ok(api.ask("GET", f"{path}/events"))["events"]
    return dict(event)


def shift(api: Api, at: str, who: str | None, start: str, end: str) -> dict[str, Any]:
    assignment = {"type": "shift_assignment", "member": user(who)}
    one = {"type": "custom_shift", "start_time": start, "end_time": end, "assignments": [assignment]}
    (kept,) = ok(api.ask("POST", f"/v3/schedules/{at}/custom_shifts", {"custom_shifts": [one]}), 201)["custom_shifts"]
    return dict(kept)


def stand_in(source: dict[str, str], start: str, end: str, who: str | None, by: str | None) -> dict[str, Any]:
    people = {"overridden_member": user(who), "overriding_member": user(by)}
    return {"type": "override_shift", **source, "start_time": start, "end_time": end, **people}


def override(api: Api, at: str, *args: Any) -> dict[str, Any]:
    (kept,) = ok(api.ask("POST", f"/v3/schedules/{at}/overrides", {"overrides": [stand_in(*args)]}), 201)["overrides"]
    return dict(kept)


def final(api: Api, at: str, since: str, until: str, **query: str) -> list[tuple[str, str, str | None, str]]:
    """The final schedule: from, until, who, and through what."""
    asked = [("include[]", "final_schedule"), ("since", since), ("until", until), *query.items()]
    told = ok(api.ask("GET", f"/v3/schedules/{at}", query=asked))["schedule"]["final_schedule"]
    return [
        (one["start_time"], one["end_time"], one["member"].get("user_id"), one["source"]["type"])
        for one in told["computed_shift_assignments"]
    ]


def day(number: int, hour: int = 9) -> str:
    return f"2026-11-{number:02d}T{hour:02d}:00:00Z"


def on_call_periods(api: Api) -> set[tuple[str, str, str]]:
    return {(one["user"]["summary"], one["start"], one["end"]) for one in ok(api.ask("GET", "/oncalls"))["oncalls"]}


def test_a_shift_that_runs_is_told_from_its_start_whatever_is_edited_meanwhile(api: Api) -> None:
    at = made(api)
    rotation(api, at, wish())
    policy(api, "Payments", [Target("schedule", at)])
    running = ("Ada", day(23), day(24))
    assert on_call_periods(api) == {running}
    api.later(hours=2)
    rotation(api, at, wish(CY.id, effective_since=day(23, 11)))
    api.later(hours=1)
    assert on_call_periods(api) == {running, ("Cy", day(23, 11), day(24))}
    shift(api, at, BO.id, day(23, 13), day(23, 14))
    api.later(hours=3)
    ok(api.ask("PUT", f"/v3/schedules/{at}", {"schedule": {"description": "New"}}))
    assert on_call_periods(api) == {running, ("Cy", day(23, 11), day(24))}


# ------------------------------------------------------------------------------------------------------------ schedules


def test_a_schedule_is_made_changed_in_part_listed_and_deleted(api: Api) -> None:
    team = ok(api.ask("POST", "/teams", {"team": {"name": "Night"}}), 201)["team"]["id"]
    at = made(api, description="By shifts", teams=[{"id": team, "type": "team_reference"}])
    shown = ok(api.ask("GET", f"/v3/schedules/{at}"))["schedule"]
    assert (shown["type"], shown["name"], shown["time_zone"], shown["description"]) == ("schedule_v3", "Engineering", "UTC", "By shifts")
    assert (shown["rotations"], shown["escalation_policies"], [one["id"] for one in shown["teams"]]) == ([], [], [team])
    assert shown["self"] == f"https://tocsin.example.org/v3/schedules/{at}"
    assert shown["html_url"] == f"https://tocsin.example.org/schedules/{at}"
    assert re.fullmatch("P[0-9A-Z]{6}", at)
    assert "final_schedule" not in shown
    changed = ok(api.ask("PUT", f"/v3/schedules/{at}", {"schedule": {"time_zone": "Europe/Paris"}}))["schedule"]
    assert (changed["name"], changed["time_zone"], changed["description"]) == ("Engineering", "Europe/Paris", "By shifts")
    changed = ok(api.ask("PUT", f"/v3/schedules/{at}", {"schedule": {"name": "Ops", "description": None, "teams": []}}))["schedule"]
    assert (changed["name"], changed["description"], changed["teams"]) == ("Ops", None, [])
    assert ok(api.ask("DELETE", f"/v3/schedules/{at}"), 204) is None
    assert api.ask("GET", f"/v3/schedules/{at}").status == 404


def test_a_list_has_references_a_page_of_them_and_no_total(api: Api) -> None:
    team = ok(api.ask("POST", "/teams", {"team": {"name": "Night"}}), 201)["team"]["id"]
    first, second = made(api, name="Alpha"), made(api, name="Beta", teams=[{"id": team, "type": "team_reference"}])
    found = ok(api.ask("GET", "/v3/schedules"))
    assert [(one["id"], one["type"], one["summary"]) for one in found["schedules"]] == [
        (first, "schedule_v3_reference", "Alpha"), (second, "schedule_v3_reference", "Beta"),
    ]  # fmt: skip
    assert (found["limit"], found["offset"], found["more"], "total" in found) == (100, 0, False, False)
    page = ok(api.ask("GET", "/v3/schedules", query=[("limit", "1"), ("offset", "0")]))
    assert ([one["id"] for one in page["schedules"]], page["more"]) == ([first], True)
    for query in (("query", "bet"), ("team_ids[]", team)):
        assert [one["id"] for one in ok(api.ask("GET", "/v3/schedules", query=[query]))["schedules"]] == [second]
    assert ok(api.ask("GET", "/v3/schedules", query=[("limit", "5000")]))["limit"] == 1000
    assert "request" in errors(api.ask("GET", "/v3/schedules", query=[("limit", "many")]))


def test_each_kind_of_schedule_is_known_to_its_own_api_only(api: Api) -> None:
    layered, shifted = made_v2(api, layer(ADA.id))["id"], made(api)
    assert [one["id"] for one in ok(api.ask("GET", "/schedules"))["schedules"]] == [layered]
    assert [one["id"] for one in ok(api.ask("GET", "/v3/schedules"))["schedules"]] == [shifted]
    assert errors(api.ask("GET", f"/v3/schedules/{layered}")) == {"id": [f"{layered} is a schedule with layers: use /schedules/{layered}"]}
    before = state(api.house.db)
    turn = {"start": day(25), "end": day(26), "user": {"id": BO.id, "type": "user_reference"}}
    for method, path, body in (
        ("GET", "", None), ("PUT", "", {"schedule": {"name": "x"}}), ("DELETE", "", None),
        ("GET", "/overrides", None), ("POST", "/overrides", {"overrides": [turn]}), ("DELETE", "/overrides/PNOSUCH", None),
    ):  # fmt: skip
        reply = api.ask(method, f"/schedules/{shifted}{path}", body, query=[("since", day(23)), ("until", day(24))])
        assert reply.status == 400, (method, path)
        assert f"use /v3/schedules/{shifted}" in reply.body["error"]["errors"][0]
    assert api.ask("POST", "/schedules/preview", {"schedule": {"id": shifted, "schedule_layers": []}}).status == 400
    for path in ("rotations", "custom_shifts", "overrides", "audit/records"):
        assert api.ask("GET", f"/v3/schedules/{layered}/{path}").status == 400
    assert state(api.house.db) == before
    assert [one["id"] for one in ok(api.ask("GET", f"/schedules/{shifted}/users"))["users"]] == []


SCHEDULE_BREACHES: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "schedule.name"), ({"name": " "}, "schedule.name"), ({"name": "x" * 256}, "schedule.name"),
    ({"description": "x" * 1025}, "schedule.description"), ({"time_zone": "Mars/Olympus"}, "schedule.time_zone"),
    ({"time_zone": None}, "schedule.time_zone"), ({"rotations": []}, "schedule.rotations"),
    ({"escalation_policies": []}, "schedule.escalation_policies"), ({"name": 7}, "schedule.name"),
    ({"teams": [{"id": "PA"}, {"id": "PB"}]}, "schedule.teams"),
]  # fmt: skip


def test_what_a_schedule_cannot_be_is_said_by_field(api: Api) -> None:
    at = made(api)
    before = state(api.house.db)
    for fields, field in SCHEDULE_BREACHES:
        for method, path in (("POST", "/v3/schedules"), ("PUT", f"/v3/schedules/{at}")):
            reply = api.ask(method, path, {"schedule": {"name": "x", "time_zone": "UTC"} | fields})
            assert list(errors(reply)) == [field], (method, fields)
            assert (reply.body["error"]["message"], reply.body["error"]["code"]) == ("Invalid Request", 2001)
    assert state(api.house.db) == before


def test_a_schedule_in_use_is_not_deleted_and_says_so_in_the_words_that_clients_compare(api: Api) -> None:
    at = made(api)
    rules = [{"escalation_delay_in_minutes": 5, "targets": [{"id": at, "type": "schedule_v3_reference"}]}]
    policy = ok(api.ask("POST", "/escalation_policies", {"escalation_policy": {"name": "First", "escalation_rules": rules}}), 201)
    policy_id = policy["escalation_policy"]["id"]
    reply = api.ask("DELETE", f"/v3/schedules/{at}")
    assert reply.status == 400
    assert reply.body["error"] == {
        "message": "Invalid Input Provided", "code": 2001, "errors": ["Schedule can't be deleted if it's being used by escalation policies"],
    }  # fmt: skip
    shown = ok(api.ask("GET", f"/v3/schedules/{at}"))["schedule"]
    assert [one["id"] for one in shown["escalation_policies"]] == [policy_id]
    ok(api.ask("DELETE", f"/escalation_policies/{policy_id}"), 204)
    ok(api.ask("DELETE", f"/v3/schedules/{at}"), 204)


def test_every_change_leaves_an_audit_record(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish())
    event = only_event(api, path)["id"]
    api.later(hours=1)
    ok(api.ask("PUT", f"{path}/events/{event}", {"event": {"effective_until": day(30)}}))
    ok(api.ask("PUT", f"{path}/events/{event}", {"event": {"effective_until": day(30)}}))  # says what is so already
    kept = shift(api, at, CY.id, day(24), day(25))
    ok(api.ask("DELETE", f"/v3/schedules/{at}/custom_shifts/{kept['id']}"), 204)
    ok(api.ask("DELETE", path), 204)
    records = ok(api.ask("GET", f"/v3/schedules/{at}/audit/records"))["records"]
    assert sorted((one["details"]["resource"]["type"], one["action"]) for one in records) == sorted([
        ("schedule_reference", "create"), ("schedule_rotation_reference", "create"), ("schedule_event_reference", "create"),
        ("schedule_event_reference", "update"), ("custom_shift_reference", "create"), ("custom_shift_reference", "delete"),
        ("schedule_rotation_reference", "delete"),
    ])  # fmt: skip
    assert {one["root_resource"]["id"] for one in records} == {at}


# ----------------------------------------------------------------------------------------------------- rotations, events


def test_an_event_reads_back_as_it_was_written(api: Api) -> None:
    at = made(api, time_zone="America/New_York")
    path = rotation(api, at)
    written = {
        "name": "Weekday hours",
        "start_time": {"date_time": "2026-12-01T09:00:00-05:00", "time_zone": "America/New_York"},
        "end_time": {"date_time": "2026-12-01T17:00:00-05:00", "time_zone": "America/New_York"},
        "effective_since": "2026-12-01T00:00:00Z",
        "effective_until": "2027-06-01T00:00:00Z",
        "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "EXDATE;TZID=America/New_York:20261225T090000"],
        "assignment_strategy": rotating(BO.id, None, ADA.id, BO.id, each=5),
    }
    event = ok(api.ask("POST", f"{path}/events", {"event": written}), 201)["event"]
    assert {name: event[name] for name in written} == written
    assert event["type"] == "schedule_event"
    assert re.fullmatch("[A-Z2-7]{27}", event["id"])
    assert ok(api.ask("GET", f"{path}/events/{event['id']}"))["event"] == event
    assert ok(api.ask("GET", f"{path}/events"))["events"] == [event]
    shown = ok(api.ask("GET", path))["rotation"]
    assert (shown["type"], shown["events"]) == ("schedule_rotation", [event])
    assert ok(api.ask("GET", f"/v3/schedules/{at}/rotations"))["rotations"] == [shown]
    assert ok(api.ask("GET", f"/v3/schedules/{at}"))["schedule"]["rotations"] == [shown]
    both = ok(api.ask("PUT", f"{path}/events/{event['id']}", {"event": {"assignment_strategy": everybody(ADA.id, None)}}))["event"]
    assert both["assignment_strategy"] == everybody(ADA.id, None)
    assert {name: both[name] for name in written if name != "assignment_strategy"} == {
        name: value for name, value in written.items() if name != "assignment_strategy"
    }


def test_rotations_are_shown_in_the_order_they_were_made(api: Api) -> None:
    at = made(api)
    paths = [rotation(api, at) for _ in range(ROTATIONS_MOST)]
    found = ok(api.ask("GET", f"/v3/schedules/{at}/rotations", query=[("limit", "4"), ("offset", "4")]))
    assert [one["id"] for one in found["rotations"]] == [path.rpartition("/")[2] for path in paths[4:8]]
    assert (found["limit"], found["offset"], found["more"]) == (4, 4, True)
    assert "at most 10 rotations" in errors(api.ask("POST", f"/v3/schedules/{at}/rotations", {}))["rotation"][0]
    ok(api.ask("DELETE", paths[0]), 204)
    ok(api.ask("POST", f"/v3/schedules/{at}/rotations"), 201)  # an empty body will do
    assert "rotation" in errors(api.ask("POST", f"/v3/schedules/{at}/rotations", {"rotation": {"events": [wish()]}}))


def test_what_is_given_a_start_in_the_past_starts_now(api: Api) -> None:
    at = made(api)
    event = only_event(api, rotation(api, at, wish(effective_since="2020-01-01T00:00:00Z")))
    assert event["effective_since"] == NOW
    kept = shift(api, at, CY.id, "2026-11-20T09:00:00Z", day(24))
    assert (kept["start_time"], kept["end_time"]) == (NOW, day(24))


EVENT_BREACHES: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "event.name"), ({"name": "x" * 256}, "event.name"), ({"name": None}, "event.name"),
    ({"start_time": {"date_time": "soon", "time_zone": "UTC"}}, "event.start_time.date_time"),
    ({"start_time": {"date_time": NOW, "time_zone": "Mars/Olympus"}}, "event.start_time.time_zone"),
    ({"start_time": {"date_time": NOW}}, "event.start_time"),
    ({"end_time": {"date_time": NOW, "time_zone": "UTC"}}, "event.end_time"),
    ({"end_time": {"date_time": "2029-11-24T09:00:00Z", "time_zone": "UTC"}}, "event.end_time"),
    ({"effective_since": "2028-01-01T00:00:00Z"}, "event.effective_since"), ({"effective_since": "x"}, "event.effective_since"),
    ({"effective_until": "2026-11-22T00:00:00Z"}, "event.effective_until"),
    ({"recurrence": []}, "event.recurrence"), ({"recurrence": ["RRULE:FREQ=SOMETIMES"]}, "event.recurrence"),
    ({"recurrence": "RRULE:FREQ=DAILY"}, "event.recurrence"), ({"recurrence": ["RRULE:FREQ=MINUTELY"]}, "event.recurrence"),
    ({"assignment_strategy": {"type": "by_whim", "members": []}}, "event.assignment_strategy.type"),
    ({"assignment_strategy": rotating()}, "event.assignment_strategy.members"),
    ({"assignment_strategy": rotating(*[ADA.id] * 21)}, "event.assignment_strategy.members"),
    ({"assignment_strategy": rotating(ADA.id, each=0) | {"shifts_per_member": 0}}, "event.assignment_strategy.shifts_per_member"),
    ({"assignment_strategy": rotating(ADA.id) | {"shifts_per_member": None}}, "event.assignment_strategy.shifts_per_member"),
    ({"assignment_strategy": rotating(ADA.id, "PNOSUCH")}, "event.assignment_strategy.members.1.user_id"),
    ({"assignment_strategy": everybody() | {"members": [{"type": "user_member"}]}}, "event.assignment_strategy.members.0.user_id"),
    ({"assignment_strategy": everybody() | {"members": [{"type": "robot"}]}}, "event.assignment_strategy.members.0.type"),
]  # fmt: skip


def test_what_an_event_cannot_be_is_said_by_field_and_nothing_is_kept(api: Api) -> None:
    path = rotation(api, made(api))
    before = state(api.house.db)
    for fields, field in EVENT_BREACHES:
        found = errors(api.ask("POST", f"{path}/events", {"event": wish() | fields}))
        assert list(found) == [field], (fields, found)
    missing = errors(api.ask("POST", f"{path}/events", {"event": {}}))
    assert set(missing) == {f"event.{name}" for name in wish()}
    bodies: tuple[Any, ...] = ({}, {"event": None}, {"event": []})
    for body in bodies:
        errors(api.ask("POST", f"{path}/events", body))
    assert state(api.house.db) == before


def test_events_of_one_rotation_do_not_overlap_and_there_are_five_at_most(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, *[wish(name=f"E{n}", effective_since=day(23 + n), effective_until=day(24 + n)) for n in range(4)])
    clash = errors(api.ask("POST", f"{path}/events", {"event": wish(effective_since=day(26), effective_until=day(28))}))
    assert "overlaps the event 'E3'" in clash["event.effective_since"][0]
    ok(api.ask("POST", f"{path}/events", {"event": wish(effective_since=day(27), effective_until=day(28))}), 201)
    full = errors(api.ask("POST", f"{path}/events", {"event": wish(effective_since=day(29))}))
    assert "at most 5 events" in full["event"][0]
    api.later(days=1)  # the first is over now, and does not count
    ok(api.ask("POST", f"{path}/events", {"event": wish(name="for good", effective_since=day(29))}), 201)
    assert [one["name"] for one in ok(api.ask("GET", f"{path}/events"))["events"]] == ["E0", "E1", "E2", "E3", "Daily", "for good"]
    assert [one["name"] for one in ok(api.ask("GET", path))["rotation"]["events"]] == ["E1", "E2", "E3", "Daily", "for good"]
    past = ok(api.ask("GET", path, query=[("since", day(23)), ("until", day(24))]))["rotation"]["events"]
    assert [one["name"] for one in past] == ["E0"]


def test_an_event_is_changed_as_far_as_it_lies_in_the_future(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(effective_since=day(24), effective_until=day(26)))
    one = f"{path}/events/{only_event(api, path)['id']}"
    future = {"name": "Renamed", "assignment_strategy": everybody(CY.id), "recurrence": ["RRULE:FREQ=DAILY;INTERVAL=2"], "effective_since": day(25)}
    changed = ok(api.ask("PUT", one, {"event": future}))["event"]
    assert {name: changed[name] for name in future} == future
    api.later(days=2)
    before = state(api.house.db)
    for fields in ({"name": "x"}, {"effective_since": day(26)}, {"recurrence": ["RRULE:FREQ=DAILY"]}, {"assignment_strategy": everybody(ADA.id)},
                   {"start_time": wish()["end_time"]}, {"end_time": wish()["start_time"]}):  # fmt: skip
        (field,) = fields
        assert "only effective_until can" in errors(api.ask("PUT", one, {"event": fields}))[f"event.{field}"][0]
    assert "event.effective_until" in errors(api.ask("PUT", one, {"event": {"effective_until": day(24)}}))
    assert state(api.house.db) == before
    same = {**future, "effective_until": None}  # what it says already may be said again
    assert ok(api.ask("PUT", one, {"event": same}))["event"]["effective_until"] is None
    assert ok(api.ask("PUT", one, {"event": {"effective_until": day(27)}}))["event"]["effective_until"] == day(27)
    api.later(days=5)
    assert errors(api.ask("PUT", one, {"event": {"effective_until": None}})) == {"event": [service.OVER]}
    assert errors(api.ask("DELETE", one)) == {"event": [service.OVER]}


def test_an_event_to_come_is_taken_away_and_one_that_runs_ends_now(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(ADA.id, effective_until=day(26)), wish(BO.id, name="Later", effective_since=day(26)))
    first, later = (one["id"] for one in ok(api.ask("GET", f"{path}/events"))["events"])
    api.later(hours=10, microseconds=7)
    ok(api.ask("DELETE", f"{path}/events/{later}"), 204)
    ok(api.ask("DELETE", f"{path}/events/{first}"), 204)
    assert api.ask("GET", f"{path}/events/{later}").status == 404
    assert only_event(api, path)["effective_until"] == day(23, 19)
    again = ok(api.ask("POST", f"{path}/events", {"event": wish(CY.id, effective_since=day(23))}), 201)["event"]
    assert again["effective_since"] == day(23, 19)
    assert final(api, at, day(23), day(25)) == [
        (day(23), day(23, 19), ADA.id, "schedule_rotation"), (day(23, 19), day(24), CY.id, "schedule_rotation"),
        (day(24), day(25), CY.id, "schedule_rotation"),
    ]  # fmt: skip


def test_a_rotation_that_is_taken_away_keeps_its_past(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(ADA.id))
    source = {"rotation_id": path.rpartition("/")[2]}
    running, coming = (override(api, at, source, day(n), day(n + 1), ADA.id, BO.id) for n in (23, 28))
    api.later(hours=6)
    ok(api.ask("DELETE", path), 204)
    assert api.ask("GET", path).status == 404
    assert final(api, at, day(23), day(26)) == [(day(23), day(23, 15), BO.id, "schedule_rotation_override")]
    left = ok(api.ask("GET", f"/v3/schedules/{at}/overrides", query=[("since", day(22)), ("until", "2026-12-22T00:00:00Z")]))["overrides"]
    assert [(one["id"], one["end_time"]) for one in left] == [(running["id"], day(23, 15))]
    assert api.ask("GET", f"/v3/schedules/{at}/overrides/{coming['id']}").status == 404


# -------------------------------------------------------------------------------------------------------- custom shifts


def test_custom_shifts_are_kept_together_listed_in_a_range_and_read_back(api: Api) -> None:
    at = made(api, time_zone="America/New_York")
    rotation(api, at, wish(ADA.id))
    kept = shift(api, at, CY.id, "2026-11-24T09:00:00", "2026-11-24T17:00:00")  # by the wall clock of the schedule
    assert (kept["start_time"], kept["end_time"]) == ("2026-11-24T09:00:00-05:00", "2026-11-24T17:00:00-05:00")
    assert kept["assignments"][0]["member"] == user(CY.id)
    one = f"/v3/schedules/{at}/custom_shifts/{kept['id']}"
    assert ok(api.ask("GET", one))["custom_shift"] == kept
    query = [("since", "2026-11-24T15:00:00Z"), ("until", "2026-11-25T00:00:00Z"), ("time_zone", "UTC")]
    listed = ok(api.ask("GET", f"/v3/schedules/{at}/custom_shifts", query=query))
    assert [(each["start_time"], each["end_time"]) for each in listed["custom_shifts"]] == [("2026-11-24T15:00:00Z", "2026-11-24T22:00:00Z")]
    assert (listed["limit"], listed["offset"], listed["more"]) == (25, 0, False)
    whole = ok(api.ask("GET", f"/v3/schedules/{at}/custom_shifts", query=[*query, ("overflow", "true")]))["custom_shifts"]
    assert [each["start_time"] for each in whole] == ["2026-11-24T14:00:00Z"]
    assert set(errors(api.ask("GET", f"/v3/schedules/{at}/custom_shifts"))) == {"since", "until"}
    before = state(api.house.db)
    good = {"type": "custom_shift", "start_time": day(25), "end_time": day(26), "assignments": [{"type": "shift_assignment", "member": user(BO.id)}]}
    wrong = errors(api.ask("POST", f"/v3/schedules/{at}/custom_shifts", {"custom_shifts": [good, good | {"end_time": day(24)}]}))
    assert list(wrong) == ["custom_shifts.1.end_time"]
    assert state(api.house.db) == before
    two = ok(api.ask("POST", f"/v3/schedules/{at}/custom_shifts", {"custom_shifts": [good, good]}), 201)["custom_shifts"]
    assert len({each["id"] for each in two}) == 2


def test_what_a_custom_shift_cannot_be_is_said_by_field(api: Api) -> None:
    at = made(api)
    good: dict[str, Any] = {"type": "custom_shift", "start_time": day(25), "end_time": day(26), "assignments": [{"type": "shift_assignment", "member": user(BO.id)}]}
    assignment = good["assignments"][0]
    before = state(api.house.db)
    for fields, field in (
        ({"start_time": "x"}, "start_time"), ({"end_time": day(25)}, "end_time"), ({"start_time": day(20), "end_time": day(22)}, "end_time"),
        ({"end_time": "2028-11-26T09:00:00Z"}, "end_time"), ({"assignments": []}, "assignments"),
        ({"assignments": [assignment, assignment]}, "assignments"), ({"type": "party"}, "type"), ({"start_time": 7}, "start_time"),
        ({"assignments": [{"type": "shift_assignment", "member": user("PNOSUCH")}]}, "assignments.0.member.user_id"),
        ({"assignments": [{"type": "shift_assignment", "member": {"type": "robot"}}]}, "assignments.0.member.type"),
        ({"assignments": [{"type": "shift_assignment"}]}, "assignments.0"),
    ):  # fmt: skip
        found = errors(api.ask("POST", f"/v3/schedules/{at}/custom_shifts", {"custom_shifts": [good | fields]}))
        assert list(found) == [f"custom_shifts.0.{field}"], (fields, found)
    for items in (None, [], "x", [good] * (service.ITEMS_MOST + 1)):
        assert "custom_shifts" in errors(api.ask("POST", f"/v3/schedules/{at}/custom_shifts", {"custom_shifts": items}))
    assert state(api.house.db) == before


def test_a_custom_shift_is_changed_and_taken_away_as_far_as_it_lies_in_the_future(api: Api) -> None:
    at = made(api)
    kept = shift(api, at, CY.id, day(24), day(25))
    one = f"/v3/schedules/{at}/custom_shifts/{kept['id']}"
    move = {"start_time": day(24, 12), "end_time": day(25, 12), "assignments": [{"type": "shift_assignment", "member": user(BO.id)}]}
    changed = ok(api.ask("PUT", one, {"custom_shift": move}))["custom_shift"]
    assert (changed["start_time"], changed["end_time"]) == (day(24, 12), day(25, 12))
    assert (changed["assignments"][0]["member"], changed["assignments"][0]["id"]) == (user(BO.id), kept["assignments"][0]["id"])
    api.later(days=1, hours=5)
    for fields, field in (({"start_time": day(24, 15)}, "start_time"), ({"end_time": day(24, 13)}, "end_time"), (move | {"assignments": kept["assignments"]}, "assignments")):
        assert list(errors(api.ask("PUT", one, {"custom_shift": fields}))) == [f"custom_shift.{field}"]
    assert ok(api.ask("PUT", one, {"custom_shift": {"end_time": day(25, 9)}}))["custom_shift"]["end_time"] == day(25)
    ok(api.ask("DELETE", one), 204)
    assert ok(api.ask("GET", one))["custom_shift"]["end_time"] == day(24, 14)
    assert errors(api.ask("DELETE", one)) == {"custom_shift": [service.OVER]}
    assert errors(api.ask("PUT", one, {"custom_shift": {"end_time": day(26)}})) == {"custom_shift": [service.OVER]}
    coming = shift(api, at, CY.id, day(28), day(29))
    ok(api.ask("DELETE", f"/v3/schedules/{at}/custom_shifts/{coming['id']}"), 204)
    assert api.ask("GET", f"/v3/schedules/{at}/custom_shifts/{coming['id']}").status == 404
    assert final(api, at, day(23), day(30)) == [(day(24, 12), day(24, 14), BO.id, "custom_shift")]


# ------------------------------------------------------------------------------------------------------------ overrides


def test_an_override_replaces_one_member_of_one_source(api: Api) -> None:
    at = made(api)
    source = {"rotation_id": rotation(api, at, wish(assignment_strategy=everybody(ADA.id, BO.id))).rpartition("/")[2]}
    kept = override(api, at, source, day(23, 12), day(23, 15), ADA.id, CY.id)
    assert kept["rotation_id"] == source["rotation_id"]
    assert "custom_shift_id" not in kept
    assert (kept["overridden_member"], kept["overriding_member"]) == (user(ADA.id), user(CY.id))
    one = f"/v3/schedules/{at}/overrides/{kept['id']}"
    assert ok(api.ask("GET", one))["override"] == kept
    assert final(api, at, day(23), day(24)) == [
        (day(23), day(23, 12), ADA.id, "schedule_rotation"), (day(23), day(24), BO.id, "schedule_rotation"),
        (day(23, 12), day(23, 15), CY.id, "schedule_rotation_override"), (day(23, 15), day(24), ADA.id, "schedule_rotation"),
    ]  # fmt: skip
    extra = shift(api, at, None, day(24), day(25))
    by_hand = override(api, at, {"custom_shift_id": extra["id"]}, day(24, 10), day(24, 11), None, CY.id)
    assert by_hand["custom_shift_id"] == extra["id"]
    parts = [each for each in final(api, at, day(24), day(25)) if "custom" in each[3]]
    assert parts == [
        (day(24), day(24, 10), None, "custom_shift"), (day(24, 10), day(24, 11), CY.id, "custom_shift_override"),
        (day(24, 11), day(25), None, "custom_shift"),
    ]  # fmt: skip
    listed = ok(api.ask("GET", f"/v3/schedules/{at}/overrides", query=[("since", day(23)), ("until", day(25))]))
    assert [each["id"] for each in listed["overrides"]] == [kept["id"], by_hand["id"]]
    assert set(errors(api.ask("GET", f"/v3/schedules/{at}/overrides", query=[("since", day(23))]))) == {"until"}


def test_an_override_is_changed_and_taken_away_as_far_as_it_lies_in_the_future(api: Api) -> None:
    at = made(api)
    source = {"rotation_id": rotation(api, at, wish(ADA.id)).rpartition("/")[2]}
    kept = override(api, at, source, day(24), day(25), ADA.id, CY.id)
    one = f"/v3/schedules/{at}/overrides/{kept['id']}"
    changed = ok(api.ask("PUT", one, {"override": {"start_time": day(24, 12), "overriding_member": user(BO.id)}}))["override"]
    assert (changed["start_time"], changed["end_time"], changed["overriding_member"]) == (day(24, 12), day(25), user(BO.id))
    for fields, field in (
        ({"rotation_id": "X" * 27}, "rotation_id"), ({"custom_shift_id": "X" * 27}, "custom_shift_id"), ({"overridden_member": user(BO.id)}, "overridden_member"),
        ({"overriding_member": user(ADA.id)}, "overriding_member"), ({"overriding_member": user("PNOSUCH")}, "overriding_member.user_id"),
        ({"end_time": day(24)}, "end_time"),
    ):  # fmt: skip
        assert list(errors(api.ask("PUT", one, {"override": fields}))) == [f"override.{field}"], fields
    api.later(days=1, hours=6)
    assert "override.overriding_member" in errors(api.ask("PUT", one, {"override": {"overriding_member": user(CY.id)}}))
    assert "override.start_time" in errors(api.ask("PUT", one, {"override": {"start_time": day(24, 20)}}))
    assert ok(api.ask("PUT", one, {"override": {"end_time": day(26)}}))["override"]["end_time"] == day(26)
    ok(api.ask("DELETE", one), 204)
    assert ok(api.ask("GET", one))["override"]["end_time"] == day(24, 15)
    assert errors(api.ask("DELETE", one)) == {"override": [service.OVER]}
    assert errors(api.ask("PUT", one, {"override": {"end_time": day(26)}})) == {"override": [service.OVER]}
    assert [who for _, _, who, _ in final(api, at, day(24, 12), day(25))] == [BO.id, ADA.id]
    coming = override(api, at, source, day(27), day(28), ADA.id, CY.id)
    ok(api.ask("DELETE", f"/v3/schedules/{at}/overrides/{coming['id']}"), 204)
    assert api.ask("GET", f"/v3/schedules/{at}/overrides/{coming['id']}").status == 404


def test_what_an_override_took_away_can_be_given_back(api: Api) -> None:
    at = made(api)
    source = {"rotation_id": rotation(api, at, wish(ADA.id)).rpartition("/")[2]}
    override(api, at, source, day(24), day(25), ADA.id, CY.id)
    override(api, at, source, day(24, 12), day(24, 15), ADA.id, ADA.id)
    assert [(start, who) for start, _, who, _ in final(api, at, day(24), day(25))] == [(day(24), CY.id), (day(24, 12), ADA.id), (day(24, 15), CY.id)]


def test_what_an_override_cannot_be_is_said_by_field(api: Api) -> None:
    at, other = made(api), made(api, name="Other")
    source = {"rotation_id": rotation(api, at, wish(ADA.id)).rpartition("/")[2]}
    elsewhere = {"rotation_id": rotation(api, other, wish(ADA.id)).rpartition("/")[2]}
    extra = {"custom_shift_id": shift(api, at, BO.id, day(26), day(27))["id"]}
    good = stand_in(source, day(24), day(25), ADA.id, CY.id)
    before = state(api.house.db)
    for one, field in (
        ({**good, **extra}, "rotation_id"), ({**good, "rotation_id": None}, "rotation_id"), ({**good, **elsewhere}, "rotation_id"),
        ({**good, "end_time": day(23)}, "end_time"), ({**good, "overridden_member": user(BO.id)}, "overridden_member"),
        ({**good, "overriding_member": user("PNOSUCH")}, "overriding_member.user_id"), ({**good, "overriding_member": user(ADA.id)}, "overriding_member"),
        ({**good, "type": "override"}, "type"), (stand_in(extra, day(24), day(25), BO.id, CY.id), "start_time"),
        (stand_in(extra, day(26), day(27), ADA.id, CY.id), "overridden_member"), (stand_in({"custom_shift_id": "NONE"}, day(26), day(27), ADA.id, CY.id), "custom_shift_id"),
        ({name: value for name, value in good.items() if name != "overridden_member"}, "overridden_member"),
    ):  # fmt: skip
        found = errors(api.ask("POST", f"/v3/schedules/{at}/overrides", {"overrides": [one]}))
        assert list(found) == [f"overrides.0.{field}"], (one, found)
    assert state(api.house.db) == before


# ------------------------------------------------------------------------------------------------------- final schedule


def test_the_final_schedule_is_told_only_when_asked_for_with_a_range(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(ADA.id, None))
    for query in ([("include[]", "final_schedule")], [("since", day(23)), ("until", day(25))], [("include[]", "final_schedule"), ("since", day(23))]):
        assert "final_schedule" not in ok(api.ask("GET", f"/v3/schedules/{at}", query=query))["schedule"]
    asked = [("include[]", "final_schedule"), ("include[]", "users"), ("since", day(23)), ("until", day(25)), ("time_zone", "Asia/Tokyo")]
    found = ok(api.ask("GET", f"/v3/schedules/{at}", query=asked))["schedule"]
    assert found["final_schedule"]["rendered_coverage_percentage"] == 50
    first, empty = found["final_schedule"]["computed_shift_assignments"]
    assert (first["start_time"], first["member"]) == ("2026-11-23T18:00:00+09:00", user(ADA.id))
    assert first["source"] == {"type": "schedule_rotation", "rotation_id": path.rpartition("/")[2]}
    assert empty["member"] == {"type": "empty_member"}
    assert [one["summary"] for one in found["users"]] == ["Ada"]
    assert final(api, at, day(23, 12), day(23, 15)) == [(day(23, 12), day(23, 15), ADA.id, "schedule_rotation")]
    assert final(api, at, day(23, 12), day(23, 15), overflow="true") == [(day(23), day(24), ADA.id, "schedule_rotation")]
    for query in ([("include[]", "everything")], [*asked, ("until", "2030-01-01")], [*asked, ("until", day(22))], [*asked, ("time_zone", "Mars")]):
        errors(api.ask("GET", f"/v3/schedules/{at}", query=query))


def test_the_past_never_changes(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(ADA.id, BO.id))
    source = {"rotation_id": path.rpartition("/")[2]}
    override(api, at, source, day(23, 12), day(23, 15), ADA.id, CY.id)
    api.later(days=3, minutes=7)
    told = final(api, at, day(23), day(26))
    override(api, at, source, day(20), day(27), BO.id, CY.id)
    shift(api, at, CY.id, day(20), day(27))
    ok(api.ask("PUT", f"/v3/schedules/{at}", {"schedule": {"time_zone": "Asia/Tokyo"}}))
    assert final(api, at, day(23), day(26), time_zone="UTC") == told
    ok(api.ask("DELETE", path), 204)
    assert final(api, at, day(23), day(26), time_zone="UTC") == told


# ------------------------------------------------------------------------------------- everywhere else a schedule counts


def test_policies_on_calls_and_calendars_take_it_like_any_schedule(api: Api) -> None:
    at = made(api)
    rotation(api, at, wish(assignment_strategy=everybody(ADA.id, BO.id)))
    rules = [{"escalation_delay_in_minutes": 5, "targets": [{"id": at, "type": "schedule_v3_reference"}]}]
    body = {"escalation_policy": {"name": "First", "escalation_rules": rules}}
    policy = ok(api.ask("POST", "/escalation_policies", body), 201)["escalation_policy"]
    (target,) = policy["escalation_rules"][0]["targets"]
    assert (target["id"], target["type"], target["summary"]) == (at, "schedule_v3_reference", "Engineering")
    assert target["self"].endswith(f"/v3/schedules/{at}")
    on_call = ok(api.ask("GET", "/oncalls", query=[("escalation_policy_ids[]", policy["id"])]))["oncalls"]
    assert {(one["user"]["id"], one["schedule"]["type"], one["start"], one["end"]) for one in on_call} == {
        (who, "schedule_v3_reference", NOW, day(24)) for who in (ADA.id, BO.id)
    }
    layered = made_v2(api, layer(CY.id))["id"]
    rules.append({"escalation_delay_in_minutes": 5, "targets": [{"id": layered, "type": "schedule_reference"}]})
    ok(api.ask("PUT", f"/escalation_policies/{policy['id']}", {"escalation_policy": {"escalation_rules": rules}}))
    whole = ok(api.ask("GET", "/oncalls", query=[("include[]", "schedules")], ours=True))["oncalls"]
    assert {(one["schedule"]["id"], one["schedule"]["type"]) for one in whole} == {(at, "schedule_v3"), (layered, "schedule")}
    assert len(next(one for one in whole if one["schedule"]["type"] == "schedule_v3")["schedule"]["rotations"]) == 1
    url = ok(api.ask("GET", f"/v3/schedules/{at}"))["schedule"]["http_cal_url"]
    assert {title for title, _, _ in calendar(api, url)} == {"Ada is on call: Engineering", "Bo is on call: Engineering"}


def test_a_successor_takes_every_place_to_come_and_none_of_the_past(api: Api) -> None:
    at = made(api)
    path = rotation(api, at, wish(ADA.id, BO.id))
    source = {"rotation_id": path.rpartition("/")[2]}
    done = shift(api, at, ADA.id, day(23, 10), day(23, 11))
    coming = shift(api, at, ADA.id, day(28, 10), day(28, 11))
    stands = override(api, at, source, day(24), day(25), BO.id, ADA.id)
    api.later(hours=4)
    reply = api.ask("DELETE", f"/users/{ADA.id}")
    assert reply.status == 400
    assert reply.body["error"]["errors"] == [f"User is on schedule 'Engineering' ({at})"]
    ok(api.ask("DELETE", f"/users/{ADA.id}", query=[("replace_by", CY.id)]), 204)
    assert only_event(api, path)["assignment_strategy"] == rotating(CY.id, BO.id)
    assert ok(api.ask("GET", f"/v3/schedules/{at}/custom_shifts/{coming['id']}"))["custom_shift"]["assignments"][0]["member"] == user(CY.id)
    assert ok(api.ask("GET", f"/v3/schedules/{at}/custom_shifts/{done['id']}"))["custom_shift"]["assignments"][0]["member"] == user(ADA.id)
    assert ok(api.ask("GET", f"/v3/schedules/{at}/overrides/{stands['id']}"))["override"]["overriding_member"] == user(CY.id)
    assert final(api, at, day(23), day(25)) == [
        (day(23), day(23, 13), ADA.id, "schedule_rotation"), (day(23, 10), day(23, 11), ADA.id, "custom_shift"),
        (day(23, 13), day(24), CY.id, "schedule_rotation"), (day(24), day(25), CY.id, "schedule_rotation_override"),
    ]  # fmt: skip
    shift(api, at, BO.id, day(29), day(30))  # the next edit keeps what succession said
    assert only_event(api, path)["assignment_strategy"] == rotating(CY.id, BO.id)


def test_what_is_over_holds_nobody_back(api: Api) -> None:
    at = made(api)
    shift(api, at, ADA.id, day(23, 10), day(23, 11))
    assert api.ask("DELETE", f"/users/{ADA.id}").status == 400
    api.later(days=1)
    ok(api.ask("DELETE", f"/users/{ADA.id}"), 204)


def test_versions_hold_only_what_is_not_over(api: Api) -> None:
    at = made(api)
    for number in range(23, 28):
        shift(api, at, ADA.id, day(number), day(number, 10))
        api.later(days=1)
    with api.house.db.read() as tx:
        kept = tx.rows(sa.select(schedule_version.c.model).where(schedule_version.c.schedule_id == at).order_by(schedule_version.c.number))
    assert [len(row.model["extra_shifts"]) for row in kept] == [0, 1, 1, 1, 1, 1]


def test_it_goes_on_working_after_years_of_edits(api: Api) -> None:
    """Past shifts and overrides stay listed and do not slow what is asked of now."""
    at = made(api)
    path = rotation(api, at, wish(ADA.id))
    source = {"rotation_id": path.rpartition("/")[2]}
    for _ in range(30):
        start = api.now + timedelta(hours=1)
        override(api, at, source, start.isoformat(), (start + timedelta(hours=1)).isoformat(), ADA.id, BO.id)
        api.later(days=10)
    begun = datetime.fromisoformat(NOW).isoformat()
    listed = ok(api.ask("GET", f"/v3/schedules/{at}/overrides", query=[("since", begun), ("until", "2027-11-01"), ("limit", "100")]))
    assert len(listed["overrides"]) == 30
    found = final(api, at, NOW, "2027-10-01T00:00:00Z")
    assert sum(who == BO.id for _, _, who, _ in found) == 30


def test_wherever_a_shift_based_schedule_is_named_it_is_called_what_it_is(api: Api) -> None:
    both = [made(api, name=name) for name in ("First", "Second")]
    for at in both:
        rotation(api, at, wish(ADA.id))
    policy(api, "Payments", *[[Target("schedule", at)] for at in both])
    at = both[0]
    ok(api.ask("POST", f"/api/v1/schedules/{at}/swaps", {"swap": {"start": day(23, 18), "end": day(23, 22), "user": {"id": BO.id, "type": "user_reference"}}}, who="ada", ours=True), 201)
    (double,) = ok(api.ask("GET", "/api/v1/coverage", ours=True))["coverage"]["at_two_places"][:1]
    (swap,) = ok(api.ask("GET", f"/api/v1/schedules/{at}/swaps", ours=True))["swaps"]
    load = ok(api.ask("GET", f"/api/v1/schedules/{at}/load", ours=True))["load"]
    named = [*double["schedules"], swap["schedule"], load["schedule"], ok(api.ask("GET", "/oncalls"))["oncalls"][0]["schedule"]]
    assert {one["type"] for one in named} == {"schedule_v3_reference"}
