"""Schedules and on-calls on the wire: each rule that PagerDuty's clients need (BEHAVIOUR 5.1 to 5.3 and 5.5)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO, CY
from tocsin.api.kernel.call import Reply, Request
from tocsin.base import json
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.service import policies
from tocsin.service.audit import Deed
from tocsin.store.tables.schedules import schedule_version

DAY, WEEK = 86_400, 604_800


def layer(*users: str, start: str = "2026-11-23T09:00:00Z", turn: int = DAY, **more: Any) -> dict[str, Any]:
    """A layer as a client sends it."""
    return {
        "name": "Weekdays", "start": start, "rotation_virtual_start": start, "rotation_turn_length_seconds": turn,
        "users": [{"user": {"id": user_id, "type": "user_reference"}} for user_id in users],
    } | more  # fmt: skip


def asked(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "schedule": {"type": "schedule", "name": "First line", "time_zone": "UTC", "schedule_layers": list(layers)}
        | more
    }


def made(api: Api, *layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    reply = api.ask("POST", "/schedules", asked(*(layers or (layer(ADA.id, BO.id),)), **more))
    assert reply.status == 201, reply.body
    schedule: dict[str, Any] = reply.body["schedule"]
    return schedule


def shown(api: Api, schedule_id: str, **query: str) -> dict[str, Any]:
    reply = api.ask("GET", f"/schedules/{schedule_id}", query=list(query.items()))
    assert reply.status == 200, reply.body
    schedule: dict[str, Any] = reply.body["schedule"]
    return schedule


def put(api: Api, schedule_id: str, **fields: Any) -> dict[str, Any]:
    reply = api.ask("PUT", f"/schedules/{schedule_id}", {"schedule": fields})
    assert reply.status == 200, reply.body
    schedule: dict[str, Any] = reply.body["schedule"]
    return schedule


def entries(part: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["user"]["summary"], one["start"], one["end"]) for one in part["rendered_schedule_entries"]]


def policy(api: Api, name: str, *levels: Sequence[Target]) -> str:
    with api.house.db.write() as tx:
        rules = [policies.level(30, *targets) for targets in levels]
        return policies.create_policy(tx, Deed(HOUSE, api.now, api.house.chance), name=name, rules=rules)


# ------------------------------------------------------------------------------------------------------ layers, rendered


def test_a_schedule_is_made_and_shown_whole(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id), description="Nights")
    assert (schedule["type"], schedule["name"], schedule["time_zone"]) == ("schedule", "First line", "UTC")
    assert schedule["description"] == "Nights"
    assert schedule["self"] == f"https://tocsin.example.org/schedules/{schedule['id']}"
    assert [user["summary"] for user in schedule["users"]] == ["Ada", "Bo"]
    (only,) = schedule["schedule_layers"]
    assert only["rotation_turn_length_seconds"] == DAY
    assert only["end"] is None
    assert [one["user"]["summary"] for one in only["users"]] == ["Ada", "Bo"]
    assert only["restrictions"] == []
    assert shown(api, schedule["id"]) == schedule


def test_the_final_schedule_and_the_overrides_are_objects_even_without_a_range(api: Api) -> None:
    schedule = made(api)
    empty: dict[str, Any] = {"rendered_schedule_entries": [], "rendered_coverage_percentage": None}
    assert schedule["final_schedule"] == {"name": "Final Schedule"} | empty
    assert schedule["overrides_subschedule"] == {"name": "Overrides"} | empty
    assert schedule["schedule_layers"][0]["rendered_schedule_entries"] == []


def test_layers_are_answered_in_the_reverse_of_the_order_they_were_asked_for(api: Api) -> None:
    schedule = made(api, layer(ADA.id, name="low"), layer(BO.id, name="middle"), layer(CY.id, name="high"))
    assert [one["name"] for one in schedule["schedule_layers"]] == ["high", "middle", "low"]


def test_the_last_layer_wins_and_an_override_beats_it(api: Api) -> None:
    hours = {"type": "daily_restriction", "start_time_of_day": "12:00:00", "duration_seconds": 3600}
    schedule = made(api, layer(ADA.id), layer(BO.id, restrictions=[hours]))
    body = {
        "start": "2026-11-23T12:30:00Z",
        "end": "2026-11-23T14:00:00Z",
        "user": {"id": CY.id, "type": "user_reference"},
    }
    assert api.ask("POST", f"/schedules/{schedule['id']}/overrides", {"overrides": [body]}).status == 201
    found = shown(api, schedule["id"], since="2026-11-23T10:00:00Z", until="2026-11-23T20:00:00Z")
    assert entries(found["final_schedule"]) == [
        ("Ada", "2026-11-23T10:00:00Z", "2026-11-23T12:00:00Z"),
        ("Bo", "2026-11-23T12:00:00Z", "2026-11-23T12:30:00Z"),
        ("Cy", "2026-11-23T12:30:00Z", "2026-11-23T14:00:00Z"),
        ("Ada", "2026-11-23T14:00:00Z", "2026-11-23T20:00:00Z"),
    ]
    assert found["final_schedule"]["rendered_coverage_percentage"] == 100
    assert entries(found["overrides_subschedule"]) == [("Cy", "2026-11-23T12:30:00Z", "2026-11-23T14:00:00Z")]
    assert found["overrides_subschedule"]["rendered_coverage_percentage"] == 15
    high, low = found["schedule_layers"]
    assert entries(high) == [("Bo", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z")]
    assert high["rendered_coverage_percentage"] == 10
    assert entries(low) == [("Ada", "2026-11-23T10:00:00Z", "2026-11-23T20:00:00Z")]


@pytest.mark.parametrize("known", [{"since": "2026-11-25T00:00:00Z"}, {"until": "2026-12-09T00:00:00Z"}])
def test_a_missing_bound_is_two_weeks_from_the_other(api: Api, known: dict[str, str]) -> None:
    schedule = made(api, layer(ADA.id))
    found = shown(api, schedule["id"], **known)
    assert entries(found["final_schedule"]) == [("Ada", "2026-11-25T00:00:00Z", "2026-12-09T00:00:00Z")]


def test_entries_are_cut_at_the_bounds_unless_they_may_overflow(api: Api) -> None:
    schedule_id = made(api)["id"]
    bounds = {"since": "2026-11-24T10:00:00Z", "until": "2026-11-24T14:00:00Z"}
    assert entries(shown(api, schedule_id, **bounds)["final_schedule"]) == [
        ("Bo", "2026-11-24T10:00:00Z", "2026-11-24T14:00:00Z")
    ]
    long = shown(api, schedule_id, overflow="true", **bounds)
    assert entries(long["final_schedule"]) == [("Bo", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z")]
    assert entries(long["schedule_layers"][0]) == [("Bo", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z")]


def test_times_are_in_the_zone_asked_for_or_the_schedules_own_as_numeric_offsets(api: Api) -> None:
    sent = layer(ADA.id, start="2026-11-24T20:00:00Z")
    schedule = made(api, sent, time_zone="America/New_York")
    only = schedule["schedule_layers"][0]
    assert (only["start"], only["rotation_virtual_start"]) == ("2026-11-24T15:00:00-05:00", "2026-11-24T15:00:00-05:00")
    elsewhere = shown(api, schedule["id"], time_zone="Asia/Kolkata", since="2026-11-24T20:00:00Z")
    assert elsewhere["time_zone"] == "America/New_York"
    assert elsewhere["schedule_layers"][0]["start"] == "2026-11-25T01:30:00+05:30"
    assert entries(elsewhere["final_schedule"])[0][1] == "2026-11-25T01:30:00+05:30"


def test_the_time_strings_of_go_are_understood(api: Api) -> None:
    sent = layer(ADA.id, start="2026-11-24T15:00:00-05:00", rotation_virtual_start="2026-11-24 20:00:00 +0000 UTC")
    only = made(api, sent)["schedule_layers"][0]
    assert only["rotation_virtual_start"] == "2026-11-24T20:00:00Z"
    (changed,) = put(
        api, made(api, sent)["id"], schedule_layers=[only | {"id": None, "end": "2026-11-30 08:00:00 +0000 UTC"}]
    )["schedule_layers"][:1]
    assert changed["end"] == "2026-11-30T08:00:00Z"


def test_a_start_in_the_past_becomes_now_and_seconds_are_kept(api: Api) -> None:
    assert (
        made(api, layer(ADA.id, start="2015-11-06T20:00:00-05:00"))["schedule_layers"][0]["start"]
        == "2026-11-23T09:00:00Z"
    )
    exact = made(api, layer(ADA.id, start="2026-11-24T20:00:17Z"))
    assert exact["schedule_layers"][0]["start"] == "2026-11-24T20:00:17Z"


def test_a_virtual_start_in_the_past_stays_and_sets_the_phase(api: Api) -> None:
    sent = layer(ADA.id, BO.id, CY.id, rotation_virtual_start="2026-11-18T06:00:00Z")
    schedule = made(api, sent)
    assert schedule["schedule_layers"][0]["rotation_virtual_start"] == "2026-11-18T06:00:00Z"
    found = shown(api, schedule["id"], since="2026-11-23T09:00:00Z", until="2026-11-24T12:00:00Z")
    assert entries(found["final_schedule"]) == [
        ("Cy", "2026-11-23T09:00:00Z", "2026-11-24T06:00:00Z"),
        ("Ada", "2026-11-24T06:00:00Z", "2026-11-24T12:00:00Z"),
    ]


def test_restrictions_come_back_as_they_were_sent(api: Api) -> None:
    sent = [
        {"type": "daily_restriction", "start_time_of_day": "08:00:00", "duration_seconds": 32400},
        {
            "type": "weekly_restriction",
            "start_time_of_day": "22:30:15",
            "duration_seconds": 604_799,
            "start_day_of_week": 7,
        },
    ]
    assert made(api, layer(ADA.id, restrictions=sent))["schedule_layers"][0]["restrictions"] == sent


# ----------------------------------------------------------------------------------------------------------- updates


def test_a_layer_that_an_update_leaves_out_is_not_deleted(api: Api) -> None:
    schedule = made(api, layer(ADA.id, name="low"), layer(BO.id, name="high"))
    high = schedule["schedule_layers"][0]
    after = put(api, schedule["id"], schedule_layers=[high])
    assert [one["name"] for one in after["schedule_layers"]] == ["high", "low"]


def test_a_layer_is_ended_by_its_end_keeps_coming_back_and_can_be_taken_up_again(api: Api) -> None:
    schedule = made(api)
    only = schedule["schedule_layers"][0]
    api.later(days=3)
    ended = put(api, schedule["id"], schedule_layers=[only | {"end": "2026-11-26 08:59:59 +0000 UTC"}])
    assert ended["schedule_layers"][0]["end"] == "2026-11-26T09:00:00Z"  # an end in the past is now
    api.later(days=3)
    assert shown(api, schedule["id"])["schedule_layers"][0]["end"] == "2026-11-26T09:00:00Z"
    same = put(api, schedule["id"], schedule_layers=[ended["schedule_layers"][0]])
    assert same["schedule_layers"][0]["end"] == "2026-11-26T09:00:00Z"
    open_again = put(api, schedule["id"], schedule_layers=[only | {"end": None}])
    assert open_again["schedule_layers"][0]["end"] is None
    found = shown(api, schedule["id"], since="2026-11-23T09:00:00Z", until="2026-11-30T09:00:00Z")["final_schedule"]
    assert ("Ada", "2026-11-29T09:00:00Z", "2026-11-30T09:00:00Z") in entries(found)
    assert all(not "2026-11-26T09:00:00Z" < start < "2026-11-29T09:00:00Z" for _, start, _ in entries(found))


def test_sending_back_what_was_read_changes_nothing(api: Api) -> None:
    schedule = made(api)
    api.later(days=2)
    assert (
        put(api, schedule["id"], **{key: schedule[key] for key in ("name", "time_zone", "schedule_layers")}) == schedule
    )
    with api.house.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schedule_version)) == 1
    records = api.ask(
        "GET", f"/schedules/{schedule['id']}/audit/records", query=[("since", "2026-11-23T00:00:00Z")]
    ).body["records"]
    assert [record["action"] for record in records] == ["create"]


def test_an_update_never_changes_who_was_on_call_before_it(api: Api) -> None:
    schedule = made(api)
    before = entries(
        shown(api, schedule["id"], since="2026-11-23T09:00:00Z", until="2026-11-26T15:00:00Z")["final_schedule"]
    )
    api.later(days=3, hours=6)
    (only,) = schedule["schedule_layers"]
    put(api, schedule["id"], schedule_layers=[layer(CY.id) | {"id": only["id"]}], time_zone="Asia/Tokyo")
    found = shown(api, schedule["id"], since="2026-11-23T09:00:00Z", until="2026-11-27T00:00:00Z", time_zone="UTC")
    assert entries(found["final_schedule"]) == [*before, ("Cy", "2026-11-26T15:00:00Z", "2026-11-27T00:00:00Z")]


def test_adding_somebody_leaves_the_one_on_call_on_call_and_the_preview_says_who_changes(api: Api) -> None:
    schedule = made(api)  # Ada, Bo, Ada, Bo …
    api.later(days=2, hours=1)  # Ada's
    only = schedule["schedule_layers"][0]
    wanted = {
        "schedule_layers": [
            only | {"users": [{"user": {"id": one, "type": "user_reference"}} for one in (ADA.id, BO.id, CY.id)]}
        ]
    }
    query = [("since", "2026-11-25T10:00:00Z"), ("until", "2026-11-28T09:00:00Z")]
    preview = api.ask(
        "POST", "/schedules/preview", {"schedule": {"id": schedule["id"], "time_zone": "UTC"} | wanted}, query=query
    )
    assert preview.status == 200
    expected = [
        ("Ada", "2026-11-25T10:00:00Z", "2026-11-26T09:00:00Z"), ("Bo", "2026-11-26T09:00:00Z", "2026-11-27T09:00:00Z"),
        ("Cy", "2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z"),
    ]  # fmt: skip
    assert entries(preview.body["schedule"]["final_schedule"]) == expected
    (change,) = preview.body["schedule"]["changes"]
    assert (change["start"], change["before"][0]["summary"], change["after"][0]["summary"]) == (
        "2026-11-27T09:00:00Z",
        "Ada",
        "Cy",
    )
    assert entries(shown(api, schedule["id"], **dict(query))["final_schedule"])[2][0] == "Ada"  # nothing was kept
    put(api, schedule["id"], **wanted)
    assert entries(shown(api, schedule["id"], **dict(query))["final_schedule"]) == expected


def test_a_preview_of_a_new_schedule_has_its_shape_and_keeps_nothing(api: Api) -> None:
    query = [("since", "2026-11-23T09:00:00Z"), ("until", "2026-11-24T09:00:00Z")]
    reply = api.ask("POST", "/schedules/preview", asked(layer(ADA.id)), query=query)
    assert reply.status == 200
    assert entries(reply.body["schedule"]["final_schedule"]) == [
        ("Ada", "2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z")
    ]
    assert api.ask("GET", "/schedules").body["schedules"] == []
    assert api.ask("POST", "/schedules/preview", asked(layer("PNOBODY"))).status == 400
    assert api.ask("POST", "/schedules/preview", asked(layer(ADA.id)), who="reader").status == 200


def test_partial_updates_leave_the_rest_alone(api: Api) -> None:
    schedule = made(api, description="Nights")
    assert put(api, schedule["id"], name="Second line")["description"] == "Nights"
    assert put(api, schedule["id"], description=None)["name"] == "Second line"
    assert (
        put(api, schedule["id"], time_zone="Europe/Paris")["schedule_layers"][0]["start"] == "2026-11-23T10:00:00+01:00"
    )


# ------------------------------------------------------------------------------------------------------ lists, deleting


def test_the_list_has_no_layers_unless_included_and_is_searched_by_name(api: Api) -> None:
    made(api)
    made(api, name="Database on-call")
    listed = api.ask("GET", "/schedules").body
    assert [one["name"] for one in listed["schedules"]] == ["Database on-call", "First line"]
    assert (listed["limit"], listed["offset"], listed["more"], listed["total"]) == (25, 0, False, None)
    assert "schedule_layers" not in listed["schedules"][0]
    assert "final_schedule" not in listed["schedules"][0]
    assert [one["name"] for one in api.ask("GET", "/schedules", query=[("query", "DATA")]).body["schedules"]] == [
        "Database on-call"
    ]
    query = [("include[]", "schedule_layers"), ("include[]", "final_schedule"), ("since", "2026-11-23T09:00:00Z")]
    included = api.ask("GET", "/schedules", query=query).body["schedules"][0]
    assert included["schedule_layers"][0]["name"] == "Weekdays"
    assert entries(included["final_schedule"])[0][0] == "Ada"
    assert api.ask("GET", "/schedules", query=[("include[]", "everything")]).status == 400
    assert api.ask("GET", "/schedules", query=[*query, ("until", "2027-11-23T09:00:00Z")]).status == 400


def test_a_list_says_when_somebody_is_on_call_next(api: Api) -> None:
    schedule_id = made(api)["id"]
    (found,) = api.ask("GET", "/schedules", query=[("include_next_oncall_for_user", BO.id)]).body["schedules"]
    told = found["next_oncall_for_user"]
    assert (told["start"], told["end"], told["user"]["id"]) == ("2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z", BO.id)
    assert shown(api, schedule_id, include_next_oncall_for_user=CY.id)["next_oncall_for_user"] is None


def test_a_schedule_that_a_policy_uses_is_not_deleted_and_says_so_byte_for_byte(api: Api) -> None:
    schedule = made(api)
    policy(api, "Payments", [Target("schedule", schedule["id"])])
    reply = api.ask("DELETE", f"/schedules/{schedule['id']}")
    assert reply.status == 400
    assert reply.body == {
        "error": {
            "message": "Invalid Input Provided",
            "code": 2001,
            "errors": ["Schedule can't be deleted if it's being used by escalation policies"],
        }
    }
    assert [one["summary"] for one in shown(api, schedule["id"])["escalation_policies"]] == ["Payments"]


def test_a_schedule_that_nothing_uses_is_deleted(api: Api) -> None:
    schedule = made(api)
    api.later(minutes=1)
    assert api.ask("DELETE", f"/schedules/{schedule['id']}").status == 204
    assert api.ask("GET", f"/schedules/{schedule['id']}").status == 404
    records = api.ask("GET", "/audit/records").body["records"]
    assert [record["action"] for record in records if record["root_resource"]["type"] == "schedule_reference"] == [
        "delete",
        "create",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"schedule": {"name": "x"}}, "Time zone cannot be empty"),
        ({"schedule": {"time_zone": "UTC"}}, "Name cannot be empty"),
        (asked(time_zone="Mars/Olympus"), "is not a time zone"),
        (asked(name="x" * 256), "Name is too long"),
        (asked(description="x" * 1025), "Description is too long"),
        (asked(layer("PNOBODY")), "User PNOBODY Not Found"),
        (asked(layer()), "users must name between 1 and 200 people"),
        (asked(layer(ADA.id, turn=60)), "rotation_turn_length_seconds must be between 3600 and 31536000"),
        (asked(layer(ADA.id, turn=31_536_001)), "rotation_turn_length_seconds must be between 3600 and 31536000"),
        (asked(layer(ADA.id, start="soon")), "start: 'soon' is not an ISO 8601 date"),
        (asked(layer(ADA.id, start="9999-01-01T00:00:00Z")), "the year must be between 1970 and 2199"),
        (asked(layer(ADA.id, start="0001-01-01T00:00:00+14:00")), "start:"),
        (asked({"name": "bare"}), "rotation_virtual_start is required"),
        (asked(layer(ADA.id, end="2026-11-23T08:00:00Z", start="2026-11-24T08:00:00Z")), "end must be after start"),
        (asked(layer(ADA.id, id="PNOLAYR")), "Schedule layer PNOLAYR Not Found"),
        (asked(layer(ADA.id, restrictions=[{"type": "hourly", "start_time_of_day": "08:00:00", "duration_seconds": 1}])), "invalid enum"),
        (asked(layer(ADA.id, restrictions=[{"type": "daily_restriction", "start_time_of_day": "25:00:00", "duration_seconds": 1}])), "time of day"),
        (asked(layer(ADA.id, restrictions=[{"type": "daily_restriction", "start_time_of_day": "8 o'clock", "duration_seconds": 1}])), "a time like 09:00:00"),
        (asked(layer(ADA.id, restrictions=[{"type": "daily_restriction", "start_time_of_day": "08:00", "duration_seconds": 0}])), "between one second and a week"),
        (asked(layer(ADA.id, restrictions=[{"type": "weekly_restriction", "start_time_of_day": "08:00", "duration_seconds": 1}])), "start_day_of_week is required"),
        (asked(layer(ADA.id, restrictions=[{"type": "weekly_restriction", "start_time_of_day": "08:00", "duration_seconds": 604_800, "start_day_of_week": 1}])), "less than a week"),
        (asked(layer(ADA.id, restrictions=[{"type": "weekly_restriction", "start_time_of_day": "08:00", "duration_seconds": 1, "start_day_of_week": 8}])), "Sunday"),
        (asked(teams=[{"id": "PNOTEAM", "type": "team_reference"}]), "Team Not Found"),
        ({"schedule": {"name": "x", "time_zone": "UTC", "schedule_layers": [7]}}, "schedule_layers"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_refused_with_the_reason_and_nothing_is_kept(
    api: Api, body: dict[str, Any], words: str
) -> None:
    reply = api.ask("POST", "/schedules", body)
    assert reply.status in {400, 404}, reply.body
    assert words in " ".join(reply.body["error"]["errors"])
    assert api.ask("GET", "/schedules").body["schedules"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-11-24T00:00:00Z", "until": "2026-11-23T00:00:00Z"},
        {"since": "2026-11-24T00:00:00Z", "until": "2036-11-23T00:00:00Z"},
        {"since": "yesterday"},
        {"since": "0001-01-01T00:00:00Z"},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_a_range_that_makes_no_sense_is_refused(api: Api, query: dict[str, str]) -> None:
    schedule_id = made(api)["id"]
    assert api.ask("GET", f"/schedules/{schedule_id}", query=list(query.items())).status == 400


# --------------------------------------------------------------------------------------------------------- overrides


def override(user_id: str, start: str, end: str) -> dict[str, Any]:
    return {
        "start": f"2026-11-{start}:00Z",
        "end": f"2026-11-{end}:00Z",
        "user": {"id": user_id, "type": "user_reference"},
    }


def test_overrides_are_answered_one_by_one_in_a_bare_array(api: Api) -> None:
    schedule_id = made(api)["id"]
    wrong = override(ADA.id, "24T12:00", "24T11:00")
    body = {
        "overrides": [
            override(CY.id, "24T10:00", "24T12:00"),
            wrong,
            override("PNOBODY", "25T10:00", "25T12:00"),
            override(CY.id, "31T10:00", "25T10:00"),
        ]
    }
    reply = api.ask("POST", f"/schedules/{schedule_id}/overrides", body)
    assert reply.status == 201
    first, second, third, fourth = reply.body
    assert first["status"] == 201
    assert (first["override"]["start"], first["override"]["end"]) == ("2026-11-24T10:00:00Z", "2026-11-24T12:00:00Z")
    assert first["override"]["user"]["summary"] == "Cy"
    assert second == {"status": 400, "errors": ["Override must end after its start"], "override": wrong}
    assert third["errors"] == ["User PNOBODY Not Found"]
    assert (fourth["status"], fourth["errors"]) == (400, ["start: day is out of range for month"])
    listed = overrides(api, schedule_id, "2026-11-24T00:00:00Z", "2026-11-26T00:00:00Z")
    assert [one["id"] for one in listed] == [first["override"]["id"]]


def overrides(api: Api, schedule_id: str, since: str, until: str, **more: str) -> list[dict[str, Any]]:
    query = [("since", since), ("until", until), *more.items()]
    reply = api.ask("GET", f"/schedules/{schedule_id}/overrides", query=query)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.body["overrides"]
    return found


def test_the_older_single_form_answers_one(api: Api) -> None:
    path = f"/schedules/{made(api)['id']}/overrides"

    def ask(body: object) -> Reply:  # the published shape knows only the list
        headers = {"authorization": f"Token token={api.keys['cy']}", "content-type": "application/json"}
        return api.table.answer(
            api.house,
            Request(method="POST", path=path, now=api.now, request_id="r", headers=headers, body=json.encode(body)),
        )

    reply = ask({"override": override(CY.id, "24T10:00", "24T12:00")})
    assert (reply.status, reply.body["override"]["user"]["id"]) == (201, CY.id)
    refused = ask({"override": override(CY.id, "24T10:00", "24T10:00")})
    assert (refused.status, refused.body["error"]["errors"]) == (400, ["Override must end after its start"])
    many = [override(CY.id, "24T10:00", "24T12:00")] * 501
    refusals: list[object] = [{"overrides": []}, {"overrides": {}}, {}, {"override": 7}, {"overrides": many}]
    for wrong in refusals:
        assert ask(wrong).status == 400


def test_an_override_does_not_reach_into_the_past(api: Api) -> None:
    schedule_id = made(api)["id"]
    body = {"overrides": [override(CY.id, "23T06:00", "23T12:00"), override(CY.id, "23T06:00", "23T09:00")]}
    kept, over = api.ask("POST", f"/schedules/{schedule_id}/overrides", body).body
    assert kept["override"]["start"] == "2026-11-23T09:00:00Z"
    assert over["errors"] == ["Override must end in the future"]


def test_an_override_to_come_is_deleted_a_running_one_ends_and_a_past_one_stays(api: Api) -> None:
    schedule_id = made(api)["id"]
    body = {"overrides": [override(CY.id, "24T10:00", "24T12:00"), override(CY.id, "25T10:00", "25T12:00")]}
    running, coming = (
        one["override"]["id"] for one in api.ask("POST", f"/schedules/{schedule_id}/overrides", body).body
    )
    assert api.ask("DELETE", f"/schedules/{schedule_id}/overrides/{coming}").status == 204
    api.later(days=1, hours=2)
    reply = api.ask("DELETE", f"/schedules/{schedule_id}/overrides/{running}")
    assert (reply.status, reply.body["override"]["end"]) == (200, "2026-11-24T11:00:00Z")
    gone = api.ask("DELETE", f"/schedules/{schedule_id}/overrides/{running}")
    assert (gone.status, gone.body["error"]["code"]) == (400, 4004)
    assert api.ask("DELETE", f"/schedules/{schedule_id}/overrides/{coming}").status == 404
    found = shown(api, schedule_id, since="2026-11-24T10:00:00Z", until="2026-11-24T12:00:00Z")
    assert [name for name, _, _ in entries(found["final_schedule"])] == ["Cy", "Bo"]
    records = api.ask("GET", f"/schedules/{schedule_id}/audit/records", query=[("since", "2026-11-23T00:00:00Z")]).body[
        "records"
    ]
    assert sorted(record["action"] for record in records) == ["create", "create", "create", "delete", "update"]


def test_overrides_are_listed_cut_to_the_range_and_only_those_to_come_are_editable(api: Api) -> None:
    schedule_id = made(api)["id"]
    body = {"overrides": [override(CY.id, "23T09:00", "24T12:00"), override(BO.id, "25T10:00", "25T12:00")]}
    api.ask("POST", f"/schedules/{schedule_id}/overrides", body)
    bounds = ("2026-11-24T00:00:00Z", "2026-11-25T11:00:00Z")
    cut = overrides(api, schedule_id, *bounds)
    assert [(one["start"], one["end"]) for one in cut] == [
        ("2026-11-24T00:00:00Z", "2026-11-24T12:00:00Z"),
        ("2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z"),
    ]
    long = overrides(api, schedule_id, *bounds, overflow="true")
    assert [(one["start"], one["end"]) for one in long] == [
        ("2026-11-23T09:00:00Z", "2026-11-24T12:00:00Z"),
        ("2026-11-25T10:00:00Z", "2026-11-25T12:00:00Z"),
    ]
    assert [one["user"]["summary"] for one in overrides(api, schedule_id, *bounds, editable="true")] == ["Bo"]
    assert api.ask("GET", f"/schedules/{schedule_id}/overrides", query=[("since", bounds[0])]).status == 400


def test_the_people_of_a_schedule_are_those_on_call_in_the_range(api: Api) -> None:
    schedule_id = made(api)["id"]
    query = [("since", "2026-11-24T10:00:00Z"), ("until", "2026-11-24T10:00:00Z")]
    (found,) = api.ask("GET", f"/schedules/{schedule_id}/users", query=query).body["users"]
    assert (found["id"], found["type"], found["email"]) == (BO.id, "user", BO.email)
    assert {one["id"] for one in api.ask("GET", f"/schedules/{schedule_id}/users").body["users"]} == {ADA.id, BO.id}


def test_a_responder_may_override_and_not_change_the_schedule(api: Api) -> None:
    schedule_id = made(api)["id"]
    reply = api.ask("PUT", f"/users/{ADA.id}", {"user": {"role": "limited_user"}})
    assert reply.status == 200, reply.body
    body = {"overrides": [override(ADA.id, "24T10:00", "24T12:00")]}
    assert api.ask("POST", f"/schedules/{schedule_id}/overrides", body, who="ada").status == 201
    assert api.ask("PUT", f"/schedules/{schedule_id}", {"schedule": {"name": "Mine"}}, who="ada").status == 403
    assert api.ask("DELETE", f"/schedules/{schedule_id}", who="ada").status == 403
    assert api.ask("POST", "/schedules", asked(layer(ADA.id)), who="ada").status == 403


# ---------------------------------------------------------------------------------------------------------- on-calls


def on_calls(api: Api, *query: tuple[str, str]) -> list[tuple[str, int, str, str | None, str | None]]:
    reply = api.ask("GET", "/oncalls", query=query)
    assert reply.status == 200, reply.body
    return [
        (one["escalation_policy"]["summary"], one["escalation_level"], one["user"]["summary"], one["start"], one["end"])
        for one in reply.body["oncalls"]
    ]


@pytest.fixture
def rota(api: Api) -> str:
    """Ada and Bo by turns on the first level of Payments, Cy on the second."""
    schedule_id: str = made(api)["id"]
    policy(api, "Payments", [Target("schedule", schedule_id)], [Target("user", CY.id)])
    return schedule_id


def test_who_is_on_call_now_is_told_by_policy_and_level_with_null_for_the_permanent(api: Api, rota: str) -> None:
    assert on_calls(api) == [
        ("Payments", 1, "Ada", "2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"),
        ("Payments", 2, "Cy", None, None),
    ]
    first, second = api.ask("GET", "/oncalls").body["oncalls"]
    assert (first["schedule"]["id"], first["schedule"]["type"]) == (rota, "schedule_reference")
    assert second["schedule"] is None


def test_periods_are_cut_at_hand_offs_and_not_at_the_range(api: Api, rota: str) -> None:
    query = (("since", "2026-11-24T00:00:00Z"), ("until", "2026-11-25T10:00:00Z"), ("schedule_ids[]", rota))
    assert [one[2:] for one in on_calls(api, *query)] == [
        ("Ada", "2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"),
        ("Bo", "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z"),
        ("Ada", "2026-11-25T09:00:00Z", "2026-11-26T09:00:00Z"),
    ]
    assert [one[2] for one in on_calls(api, *query, ("earliest", "true"))] == ["Ada", "Bo"]


def test_on_calls_are_narrowed_by_person_policy_and_schedule_where_null_is_the_permanent(api: Api, rota: str) -> None:
    other = policy(api, "Search", [Target("user", BO.id)])
    assert [one[2] for one in on_calls(api, ("user_ids[]", BO.id))] == ["Bo"]
    assert [one[0] for one in on_calls(api, ("escalation_policy_ids[]", other))] == ["Search"]
    assert [one[2] for one in on_calls(api, ("schedule_ids[]", rota))] == ["Ada"]
    assert [one[2] for one in on_calls(api, ("schedule_ids[]", rota), ("schedule_ids[]", "null"))] == [
        "Ada",
        "Cy",
        "Bo",
    ]
    assert on_calls(api, ("schedule_ids[]", "PNOSUCH")) == []


def test_on_calls_are_whole_when_included_in_the_zone_asked_for_and_in_pages(api: Api, rota: str) -> None:
    query = [
        ("include[]", "users"),
        ("include[]", "escalation_policies"),
        ("include[]", "schedules"),
        ("time_zone", "Europe/Paris"),
    ]
    reply = api.ask("GET", "/oncalls", query=[*query, ("limit", "1"), ("total", "true")])
    (one,) = reply.body["oncalls"]
    assert one["user"]["email"] == ADA.email
    assert one["escalation_policy"]["escalation_rules"]
    assert one["schedule"]["time_zone"] == "UTC"
    assert one["start"] == "2026-11-23T10:00:00+01:00"
    assert (reply.body["more"], reply.body["total"]) == (True, 2)


def test_on_calls_reach_ninety_days_ahead_and_turned_round_ranges_are_refused(api: Api, rota: str) -> None:
    far = (api.now + timedelta(days=200)).isoformat().replace("+00:00", "Z")
    pages = on_calls(api, ("until", far), ("limit", "100"), ("schedule_ids[]", rota))
    assert len(pages) == 90
    assert api.ask("GET", "/oncalls", query=[("until", "2026-11-01T00:00:00Z")]).status == 400
    assert api.ask("GET", "/oncalls", query=[("since", "2020-11-01T00:00:00Z")]).status == 400
    assert api.ask("GET", "/oncalls", query=[("include[]", "everything")]).status == 400


def test_what_the_screen_says_is_what_an_override_makes_true(api: Api, rota: str) -> None:
    api.ask("POST", f"/schedules/{rota}/overrides", {"overrides": [override(BO.id, "23T09:00", "23T11:00")]})
    assert on_calls(api, ("schedule_ids[]", rota)) == [
        ("Payments", 1, "Bo", "2026-11-23T09:00:00Z", "2026-11-23T11:00:00Z")
    ]
    api.later(hours=3)
    assert on_calls(api, ("schedule_ids[]", rota)) == [
        ("Payments", 1, "Ada", "2026-11-23T11:00:00Z", "2026-11-24T09:00:00Z")
    ]
