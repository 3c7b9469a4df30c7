"""Swaps over the API: asked, listed, answered; every refusal says why and changes nothing."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.people import ADA, BO, CY

START, END = "2026-11-23T18:00:00Z", "2026-11-23T22:00:00Z"


def reference(id_: str) -> dict[str, str]:
    return {"id": id_, "type": "user_reference"}


@pytest.fixture
def at(api: Api) -> str:
    """The swaps of a schedule on which Ada, Bo and Cy take turns of a day from nine o'clock."""
    layer = {
        "start": "2026-11-23T09:00:00Z", "rotation_virtual_start": "2026-11-23T09:00:00Z", "rotation_turn_length_seconds": 86400,
        "users": [{"user": reference(one.id)} for one in (ADA, BO, CY)],
    }  # fmt: skip
    made = api.ask("POST", "/schedules", {"schedule": {"name": "First line", "time_zone": "Europe/Paris", "schedule_layers": [layer]}})
    return f"/api/v1/schedules/{made.body['schedule']['id']}/swaps"


def ask(api: Api, at: str, who: str = "ada", **wish: Any) -> Any:
    return api.ask("POST", at, {"swap": {"start": START, "end": END} | wish}, who=who)


def on_call(api: Api, at: str, instant: str) -> list[str]:
    query = [("since", instant), ("until", instant.replace("Z", "Z").replace(":00:00Z", ":00:01Z"))]
    users = api.ask("GET", f"/schedules/{at.split('/')[4]}/users", query=query).body["users"]
    return [one["id"] for one in users]


def test_a_request_is_asked_seen_and_accepted(api: Api, at: str):
    made = ask(api, at, user=reference(BO.id), note="Dentist", give_back={"start": "2026-11-24T18:00:00Z", "end": "2026-11-24T22:00:00Z"})
    assert made.status == 201
    swap = made.body["swap"]
    assert (swap["status"], swap["start"], swap["asker"]["id"]) == ("asked", "2026-11-23T19:00:00+01:00", ADA.id)
    assert (swap["to_anyone"], [one["user"]["id"] for one in swap["asked"]]) == (False, [BO.id])
    seen = api.ask("GET", f"{at}/{swap['id']}", who="bo").body["swap"]
    assert (seen["can_accept"], seen["warnings"]) == (True, ["You have no contact method that can be used: nobody could page you"])
    assert seen | {} == swap | {"can_accept": True, "warnings": seen["warnings"]}
    taken = api.ask("POST", f"{at}/{swap['id']}/accept", who="bo").body["swap"]
    assert (taken["status"], taken["taker"]["id"]) == ("accepted", BO.id)
    assert on_call(api, at, "2026-11-23T19:00:00Z") == [BO.id]
    assert on_call(api, at, "2026-11-24T19:00:00Z") == [ADA.id]
    again = api.ask("POST", f"{at}/{swap['id']}/accept", who="bo")
    assert (again.status, again.body["error"]["errors"]) == (400, ["Somebody has taken this shift already"])


def test_lists_are_paged_narrowed_and_newest_first(api: Api, at: str):
    first = ask(api, at).body["swap"]["id"]
    api.ask("POST", f"{at}/{first}/withdraw", who="ada")
    api.later(minutes=1)
    second = ask(api, at).body["swap"]["id"]
    found = api.ask("GET", at, query=[("limit", "1"), ("total", "true")]).body
    assert ([one["id"] for one in found["swaps"]], found["more"], found["total"]) == ([second], True, 2)
    open_ = api.ask("GET", at, query=[("statuses[]", "asked")]).body["swaps"]
    assert [one["id"] for one in open_] == [second]
    assert api.ask("GET", at, query=[("statuses[]", "perhaps")]).status == 400


def test_anyone_asked_may_decline_until_nobody_is_left(api: Api, at: str):
    swap = f"{at}/{ask(api, at).body['swap']['id']}"
    told = api.ask("POST", f"{swap}/decline", who="bo").body["swap"]
    assert (told["status"], [one["answer"] for one in told["asked"]]) == ("asked", ["declined", None])
    told = api.ask("POST", f"{swap}/decline", who="cy").body["swap"]
    assert (told["status"], told["reason"]) == ("declined", "everybody who was asked declined")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"start": "2026-11-24T12:00:00Z", "end": "2026-11-24T13:00:00Z"}, "You are not on call on this schedule for all of that time"),
        ({"start": "yesterday"}, "start: 'yesterday' is not an ISO 8601 date and time"),
        ({"end": "2026-11-23T17:00:00Z"}, "The shift must end after its start"),
        ({"user": {"id": "PNOSUCH"}}, "That colleague is not here any more"),
        ({"user": {"id": ADA.id}}, "You cannot ask yourself"),
        ({"expires_at": "2026-11-23T19:00:00Z"}, "The request must end in the future, and no later than the shift begins"),
        ({"expires_at": "2026-11-23T08:00:00Z"}, "The request must end in the future, and no later than the shift begins"),
        ({"give_back": {"start": "2026-11-24T12:00:00Z", "end": "2026-11-24T13:00:00Z"}}, "A shift to take in exchange is one colleague's"),
        ({"user": {"id": BO.id}, "give_back": {"start": START, "end": END}}, "That colleague is not on call on this schedule for all"),
        ({"start": "9999-12-31T00:00:00Z", "end": "9999-12-31T23:59:59Z"}, "The shift is more than 366 days ahead"),
        ({"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z"}, "The shift has begun or is over"),
        ({"user": {"id": BO.id}, "give_back": {"start": "2026-11-24T12:00:00Z", "end": "9999-12-31T23:59:59Z"}}, "more than 366 days ahead"),
        ({"start": "2026-11-23T18:00:00Z", "end": "0001-01-02T00:00:00Z"}, "The shift must end after its start"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at: "),
        ({"note": "x" * 501}, "note"),
        ({"start": 7}, "start"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(api: Api, at: str, wish: dict[str, Any], words: str):
    reply = ask(api, at, **wish)
    assert (reply.status, reply.body["error"]["code"]) == (400, 2001)
    assert words in " ".join(reply.body["error"]["errors"])
    assert api.ask("GET", at).body["swaps"] == []


def test_only_a_person_asks_and_answers_and_only_who_was_asked(api: Api, at: str):
    assert ask(api, at, who="account").status == 400
    assert ask(api, at, who="account", asker=reference(ADA.id), user=reference(BO.id)).status == 201
    swap = f"{at}/{api.ask('GET', at).body['swaps'][0]['id']}"
    assert api.ask("POST", f"{swap}/accept", who="account").status == 400
    assert api.ask("POST", f"{swap}/accept", who="reader").status == 403
    assert api.ask("POST", f"{swap}/accept", who="cy").body["error"]["errors"] == ["You were not asked"]
    assert api.ask("POST", f"{swap}/accept", who="ada").body["error"]["errors"] == ["It is your own request"]
    assert api.ask("GET", f"{at}/PNOSUCH").status == 404
    assert api.ask("POST", f"{at}/PNOSUCH/accept").status == 404


def test_the_schedules_audit_tells_the_story(api: Api, at: str):
    swap = ask(api, at, user=reference(BO.id)).body["swap"]["id"]
    api.ask("POST", f"{at}/{swap}/accept", who="bo")
    schedule = at.split("/")[4]
    found = api.ask("GET", f"/schedules/{schedule}/audit/records", query=[("since", "2026-11-22T00:00:00Z")]).body["records"]
    told = [(one["action"], one["details"]["resource"]["type"], one["actors"][0]["summary"]) for one in found]
    assert {("create", "swap_reference", "Ada"), ("update", "swap_reference", "Bo"), ("create", "override_reference", "Bo")} <= set(told)
