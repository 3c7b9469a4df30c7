"""Teams: five verbs, members, and the texts that PagerDuty's clients compare."""

import pytest

from tests.api.conftest import Api
from tests.people import ADA, BO


def made(api: Api, name: str = "Storage", **more: object) -> str:
    reply = api.ask("POST", "/teams", {"team": {"type": "team", "name": name, **more}})
    assert reply.status == 201, reply.body
    team_id: str = reply.body["team"]["id"]
    return team_id


def test_a_team_is_made_read_changed_listed_and_deleted(api: Api) -> None:
    team_id = made(api, description="Disks")
    shown = api.ask("GET", f"/teams/{team_id}").body["team"]
    assert shown["type"] == "team"
    assert shown["self"] == f"https://tocsin.example.org/teams/{team_id}"
    assert (shown["name"], shown["summary"], shown["description"]) == ("Storage", "Storage", "Disks")
    assert api.ask("PUT", f"/teams/{team_id}", {"team": {"name": "Discs"}}).body["team"]["description"] == "Disks"
    assert api.ask("PUT", f"/teams/{team_id}", {"team": {"description": None}}).body["team"]["description"] == ""
    assert [team["name"] for team in api.ask("GET", "/teams").body["teams"]] == ["Discs"]
    assert api.ask("DELETE", f"/teams/{team_id}").status == 204
    assert api.ask("GET", f"/teams/{team_id}").status == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"team": {}}, "Name cannot be empty"),
        ({"team": {"name": " "}}, "Name cannot be empty"),
        ({"team": {"name": "Taken"}}, "Name has already been taken"),
        ({"team": {"name": 7}}, "team.name: expected 'str'"),
        ({"team": {"name": "x" * 101}}, "team.name: expected 'str' of length <= 100"),
        ({"team": {"name": "x", "default_role": "boss"}}, "team.default_role: invalid enum value 'boss'"),
        ({"team": [1]}, "team: expected 'object'"),
        ({"squad": {"name": "x"}}, "missing required field 'team'"),
        ({"team": {"name": "a\0b"}}, "null character"),
    ],
)
def test_a_wrong_team_is_refused_with_the_field_and_the_reason(api: Api, body: object, words: str) -> None:
    made(api, "Taken")
    reply = api.ask("POST", "/teams", body)
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["message"]) == (400, 2001, "Invalid Input Provided")
    assert words in " ".join(reply.body["error"]["errors"])
    assert len(api.ask("GET", "/teams").body["teams"]) == 1


def test_a_team_is_never_below_itself(api: Api) -> None:
    top = made(api, "Top")
    below = made(api, "Below", parent={"id": top, "type": "team_reference"})
    assert api.ask("GET", f"/teams/{below}").body["team"]["parent"]["summary"] == "Top"
    reply = api.ask("PUT", f"/teams/{top}", {"team": {"parent": {"id": below, "type": "team_reference"}}})
    assert reply.status == 400
    assert api.ask("GET", f"/teams/{top}").body["team"]["parent"] is None


def test_people_join_and_leave_a_team(api: Api) -> None:
    team_id = made(api)
    assert api.ask("PUT", f"/teams/{team_id}/users/{ADA.id}").status == 204
    assert api.ask("PUT", f"/teams/{team_id}/users/{BO.id}", {"role": "observer"}).status == 204
    members = api.ask("GET", f"/teams/{team_id}/members", query=[("total", "true")]).body
    assert [(member["user"]["summary"], member["role"]) for member in members["members"]] == [("Ada", "manager"), ("Bo", "observer")]
    assert (members["total"], members["more"]) == (2, False)
    assert api.ask("DELETE", f"/teams/{team_id}/users/{BO.id}").status == 204
    assert api.ask("DELETE", f"/teams/{team_id}/users/{BO.id}").status == 404


def test_privileges_are_included_when_asked_for_and_an_unknown_include_is_refused(api: Api) -> None:
    team_id = made(api)
    included = api.ask("GET", f"/teams/{team_id}", query=[("include[]", "privileges")]).body["team"]
    assert included["privileges"] == {"permissions": ["read", "update", "delete"]}
    assert api.ask("GET", f"/teams/{team_id}", query=[("include[]", "everything")]).status == 400
