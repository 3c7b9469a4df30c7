"""Replacing a person everywhere: looked at first, done in one call, audited, and refused in words."""

from typing import Any

from tests.api.conftest import Api
from tests.api.test_coverage import reachable
from tests.api.test_escalation_policies import level
from tests.api.test_kernel import state
from tests.api.test_schedules import layer, made
from tests.api.test_services import made as service_made
from tests.api.test_services import policy
from tests.people import ADA, BO, CY

WISH = {"by": BO.id, "incidents": "reassign", "teams": "move"}


def company(api: Api) -> dict[str, Any]:
    """Ada is everywhere: on a policy, a schedule now and later, an override to come, an open incident and a team."""
    reachable(api, ADA.id)
    later = layer(ADA.id, BO.id) | {"start": "2027-01-04T09:00:00Z", "rotation_virtual_start": "2027-01-04T09:00:00Z"}
    schedule = made(api, later)
    turn = {"start": "2026-12-01T09:00:00Z", "end": "2026-12-02T09:00:00Z", "user": {"id": ADA.id, "type": "user_reference"}}
    other = made(api, layer(CY.id), name="Second line")
    assert api.ask("POST", f"/schedules/{other['id']}/overrides", {"overrides": [turn]}).status == 201
    ladder = policy(api, escalation_rules=[level({"id": ADA.id, "type": "user_reference"}), level({"id": schedule["id"], "type": "schedule_reference"})])
    service = service_made(api, "Shop", ladder)
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]
    assert api.ask("PUT", f"/teams/{team['id']}/users/{ADA.id}", {"role": "responder"}).status == 204
    wish = {"type": "incident", "title": "Till is dark", "service": {"id": service["id"], "type": "service_reference"}}
    incident = api.ask("POST", "/incidents", {"incident": wish}).body["incident"]
    return {"schedule": schedule["id"], "other": other["id"], "policy": ladder, "team": team["id"], "incident": incident["id"]}


def test_a_look_lists_what_the_deed_then_touches_and_keeps_nothing(api: Api) -> None:
    here = company(api)
    before = state(api.house.db)
    path = f"/api/v1/users/{ADA.id}/replace"
    seen = api.ask("POST", f"{path}/preview", {"replacement": WISH}, query=[("until", "2026-11-25T09:00:00Z")], ours=True)
    assert seen.status == 200, seen.body
    assert state(api.house.db) == before
    places = seen.body["replacement"]["places"]
    assert [(place["type"], place["summary"]) for place in places] == [
        ("escalation_policy_reference", "Ladder"), ("schedule_reference", "First line"), ("override_reference", "Second line"),
        ("incident_reference", "#1 Till is dark"), ("team_reference", "Money"),
    ]  # fmt: skip
    (change,) = seen.body["replacement"]["coverage_changes"]
    assert change["opens"][0]["causes"][0]["words"] == "Bo has no contact method that can be used"

    done = api.ask("POST", path, {"replacement": WISH}, ours=True)
    assert (done.status, done.body["replacement"]["places"]) == (200, places)
    shown = api.ask("GET", f"/escalation_policies/{here['policy']}").body["escalation_policy"]
    assert shown["escalation_rules"][0]["targets"][0]["id"] == BO.id
    (turns,) = api.ask("GET", f"/schedules/{here['schedule']}").body["schedule"]["schedule_layers"]
    assert {one["user"]["id"] for one in turns["users"]} == {BO.id}
    query = [("since", "2026-12-01T00:00:00Z"), ("until", "2026-12-03T00:00:00Z")]
    (override,) = api.ask("GET", f"/schedules/{here['other']}/overrides", query=query).body["overrides"]
    assert override["user"]["id"] == BO.id
    incident = api.ask("GET", f"/incidents/{here['incident']}").body["incident"]
    assert [one["assignee"]["id"] for one in incident["assignments"]] == [BO.id]
    members = api.ask("GET", f"/teams/{here['team']}/members").body["members"]
    assert [(one["user"]["id"], one["role"]) for one in members] == [(BO.id, "responder")]
    assert api.ask("DELETE", f"/users/{ADA.id}").status == 204
    roots = {record["root_resource"]["type"] for record in api.ask("GET", "/audit/records").body["records"]}
    assert {"escalation_policy_reference", "schedule_reference", "team_reference"} <= roots


def test_incidents_and_teams_stay_unless_they_are_asked_for(api: Api) -> None:
    here = company(api)
    done = api.ask("POST", f"/api/v1/users/{ADA.id}/replace", {"replacement": {"by": BO.id}}, ours=True)
    assert [place["type"] for place in done.body["replacement"]["places"]] == ["escalation_policy_reference", "schedule_reference", "override_reference"]
    incident = api.ask("GET", f"/incidents/{here['incident']}").body["incident"]
    assert [one["assignee"]["id"] for one in incident["assignments"]] == [ADA.id]
    refused = api.ask("DELETE", f"/users/{ADA.id}")
    assert refused.body["error"]["errors"] == [f"User is assigned to open incident #1 ({here['incident']}): Till is dark"]


def test_what_cannot_be_is_refused_in_words_and_changes_nothing(api: Api) -> None:
    company(api)
    before = state(api.house.db)
    for wish, words in (
        ({"by": ADA.id}, "by must be the id of another user"), ({"by": "PNONE"}, "by must be the id of another user"),
        ({"by": BO.id, "incidents": "drop"}, "incidents must be one of keep, reassign"),
        ({"by": BO.id, "teams": "leave"}, "teams must be one of keep, join, move"), ({}, "by"),
    ):  # fmt: skip
        for path in ("replace", "replace/preview"):
            reply = api.ask("POST", f"/api/v1/users/{ADA.id}/{path}", {"replacement": wish}, ours=True)
            assert (reply.status, words in str(reply.body)) == (400, True), reply.body
    assert api.ask("POST", f"/api/v1/users/{ADA.id}/replace", {"replacement": {"by": BO.id}}, who="ada", ours=True).status == 403
    assert state(api.house.db) == before
