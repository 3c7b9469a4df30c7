"""The audit trail: every change once, nothing for a change that changes nothing, newest first, by cursor."""

import pytest

from tests.api.conftest import Api
from tests.people import ADA, CY
from tocsin.api.kernel.call import Reply


def records(api: Api, *query: tuple[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = api.ask("GET", "/audit/records", query=query).body["records"]
    return found


def test_a_change_tells_who_when_how_and_from_what_to_what(api: Api) -> None:
    api.later(minutes=1)
    api.ask("PUT", f"/users/{ADA.id}", {"user": {"job_title": "Lead"}})
    record = api.ask("GET", f"/users/{ADA.id}/audit/records").body["records"][0]
    assert record["action"] == "update"
    assert record["execution_time"] == "2026-11-23T09:01:00.000Z"
    assert record["execution_context"] == {"request_id": "request-1", "remote_address": "192.0.2.7"}
    assert [(actor["id"], actor["type"]) for actor in record["actors"]] == [(CY.id, "user_reference")]
    assert record["method"] == {"type": "api_token", "description": None, "truncated_token": api.keys["cy"][-4:]}
    assert record["root_resource"]["self"] == f"https://tocsin.example.org/users/{ADA.id}"
    assert record["details"]["fields"] == [{"name": "job_title", "value": "Lead", "before_value": None}]


def test_the_same_update_again_changes_nothing_and_leaves_no_record(api: Api) -> None:
    for _ in range(2):
        api.later(minutes=1)
        assert api.ask("PUT", f"/users/{ADA.id}", {"user": {"job_title": "Lead"}}).status == 200
    assert len(api.ask("GET", f"/users/{ADA.id}/audit/records").body["records"]) == 1


def test_a_refused_change_leaves_no_record(api: Api) -> None:
    before = len(records(api))
    api.ask("PUT", f"/users/{ADA.id}", {"user": {"email": "bo@example.org"}})
    assert len(records(api)) == before


def test_one_request_may_leave_several_records_with_its_id(api: Api) -> None:
    api.later(minutes=1)
    api.ask("POST", "/users", {"user": {"name": "X", "email": "x@example.org"}})
    method = records(api, ("actions[]", "create"), ("root_resource_types[]", "users"))
    assert {record["execution_context"]["request_id"] for record in method[:1]} == {"request-1"}  # type: ignore[index]


def test_joining_a_team_is_told_as_a_reference_added(api: Api) -> None:
    team_id = api.ask("POST", "/teams", {"team": {"name": "T"}}).body["team"]["id"]
    api.later(minutes=1)
    api.ask("PUT", f"/teams/{team_id}/users/{ADA.id}")
    record = api.ask("GET", f"/teams/{team_id}/audit/records").body["records"][0]
    assert [(one["name"], [added["id"] for added in one["added"]]) for one in record["details"]["references"]] == [("members", [ADA.id])]


def test_the_cursor_meets_every_record_once_newest_first_while_more_arrive(api: Api) -> None:
    for number in range(7):
        api.later(seconds=1)
        api.ask("POST", "/teams", {"team": {"name": f"T{number}"}})
    seen: list[str] = []
    cursor: str | None = ""
    asked = [("root_resource_types[]", "teams"), ("limit", "3")]
    while cursor is not None:
        page = api.ask("GET", "/audit/records", query=[*asked, ("cursor", cursor)]).body
        seen += [record["root_resource"]["summary"] for record in page["records"]]
        cursor = page["next_cursor"]
        api.ask("POST", "/teams", {"team": {"name": f"Late {len(seen)}"}})
    assert seen == [f"T{number}" for number in range(6, -1, -1)]


def test_the_default_range_is_the_last_day(api: Api) -> None:
    api.ask("POST", "/teams", {"team": {"name": "T"}})
    api.later(hours=25)
    assert records(api) == []
    assert len(records(api, ("since", "2026-11-20T00:00:00Z"), ("root_resource_types[]", "teams"))) == 1


def error(reply: Reply) -> tuple[int, int]:
    return reply.status, reply.body["error"]["code"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (("since", "2026-01-01T00:00:00Z"), 2002),
        (("since", "yesterday"), 2004),
        (("until", "tomorrow"), 2005),
        (("since", "2027-01-01T00:00:00Z"), 2002),
        (("cursor", "nonsense"), 2002),
        (("cursor", "WzEsMl0"), 2002),
        (("root_resource_types[]", "pets"), 2002),
        (("limit", "0"), 2002),
    ],
)
def test_a_wrong_question_is_refused(api: Api, query: tuple[str, str], code: int) -> None:
    assert error(api.ask("GET", "/audit/records", query=[query])) == (400, code)
