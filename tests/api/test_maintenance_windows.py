"""Maintenance windows over the API: planned, moved, ended, and refused with a reason (BEHAVIOUR 2.4)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy
from tests.people import ADA, CY
from tests.sending import event, send
from tocsin.base.times import iso


def window(api: Api, *service_ids: str, begins: float = -1, ends: float = 60, **more: Any) -> dict[str, Any]:
    """A window that begins and ends so many minutes from now."""
    body = {
        "type": "maintenance_window", "start_time": at(api, begins), "end_time": at(api, ends), "description": "Move",
        "services": [{"id": id_, "type": "service_reference"} for id_ in service_ids], **more,
    }  # fmt: skip
    reply = api.ask("POST", "/maintenance_windows", {"maintenance_window": body})
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.body["maintenance_window"]
    return found


def at(api: Api, minutes: float) -> str:
    return iso(api.now + timedelta(minutes=minutes))


def listed(api: Api, *query: tuple[str, str], who: str = "cy") -> list[str]:
    found = api.ask("GET", "/maintenance_windows", query=query, who=who).body["maintenance_windows"]
    return [one["id"] for one in found]


def status_of(api: Api, service_id: str) -> str:
    status: str = api.ask("GET", f"/services/{service_id}").body["service"]["status"]
    return status


def test_a_window_reads_back_and_a_start_in_the_past_is_now(api: Api) -> None:
    service = made(api)
    one = window(api, service["id"], begins=-90)
    assert (one["type"], one["summary"], one["sequence_number"]) == ("maintenance_window", "Move", 1)
    assert (one["start_time"], one["end_time"]) == (at(api, 0), at(api, 60))
    assert [each["id"] for each in one["services"]] == [service["id"]]
    assert (one["created_by"]["id"], one["created_by"]["type"]) == (CY.id, "user_reference")
    assert api.ask("GET", f"/maintenance_windows/{one['id']}").body["maintenance_window"] == one
    assert window(api, service["id"])["sequence_number"] == 2


def test_while_it_is_open_its_services_are_in_maintenance_and_not_a_second_longer(api: Api) -> None:
    quiet, loud = made(api)["id"], made(api, "Loud", policy(api, "Other"))["id"]
    one = window(api, quiet, begins=10, ends=20)
    assert status_of(api, quiet) == "active"
    api.later(minutes=10)
    assert (status_of(api, quiet), status_of(api, loud)) == ("maintenance", "active")
    api.later(minutes=10)
    assert status_of(api, quiet) == "active"
    assert listed(api, ("filter", "past")) == [one["id"]]


def test_the_list_is_narrowed_by_how_windows_stand_by_service_team_and_words(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Payments"}}).body["team"]["id"]
    service = made(api, "A", policy(api, "Of a team", teams=[{"id": team, "type": "team_reference"}]))["id"]
    other = made(api, "B")["id"]
    past = window(api, service, ends=5)["id"]
    api.later(minutes=6)
    now, later = window(api, other, description="Disks")["id"], window(api, service, begins=30)["id"]
    for word, expected in (
        ("past", [past]), ("ongoing", [now]), ("future", [later]), ("open", [now, later]), ("all", [past, now, later]),
    ):  # fmt: skip
        assert listed(api, ("filter", word)) == expected, word
    assert listed(api) == [past, now, later]
    assert listed(api, ("service_ids[]", other)) == [now]
    assert listed(api, ("team_ids[]", team)) == [past, later]
    assert listed(api, ("query", "disk")) == [now]
    assert api.ask("GET", "/maintenance_windows", query=[("filter", "soon")]).status == 400
    page = api.ask("GET", "/maintenance_windows", query=[("limit", "1"), ("offset", "1"), ("total", "true")]).body
    assert ([one["id"] for one in page["maintenance_windows"]], page["more"], page["total"]) == ([now], True, 3)


def test_what_is_included_is_whole(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Payments"}}).body["team"]["id"]
    service = made(api, "A", policy(api, "Of a team", teams=[{"id": team, "type": "team_reference"}]))["id"]
    one = window(api, service)
    asked = [("include[]", "services"), ("include[]", "teams"), ("include[]", "users")]
    whole = api.ask("GET", f"/maintenance_windows/{one['id']}", query=asked).body["maintenance_window"]
    assert whole["services"][0]["escalation_policy"]
    assert whole["teams"][0]["type"] == "team"
    assert whole["created_by"]["email"] == CY.email
    assert api.ask("GET", "/maintenance_windows", query=[("include[]", "cats")]).status == 400


def test_a_running_window_ends_now_a_future_one_goes_and_an_ended_one_is_405(api: Api) -> None:
    service = made(api)["id"]
    running, future = window(api, service)["id"], window(api, service, begins=30)["id"]
    assert api.ask("DELETE", f"/maintenance_windows/{future}").status == 204
    assert api.ask("GET", f"/maintenance_windows/{future}").status == 404
    api.later(minutes=2)
    assert api.ask("DELETE", f"/maintenance_windows/{running}").status == 204
    assert status_of(api, service) == "active"
    ended = api.ask("GET", f"/maintenance_windows/{running}").body["maintenance_window"]
    assert ended["end_time"] == at(api, 0)
    before = audited(api)
    for method, body in (("DELETE", None), ("PUT", {"maintenance_window": {"description": "Too late"}})):
        reply = api.ask(method, f"/maintenance_windows/{running}", body)
        assert (reply.status, reply.body["error"]["code"]) == (405, 5003)
        assert "can be neither changed nor deleted" in reply.body["error"]["errors"][0]
    assert audited(api) == before


def test_saying_again_what_is_so_changes_nothing_even_the_start_that_was_asked_for(api: Api) -> None:
    service = made(api)["id"]
    one = window(api, service, begins=-90)
    api.later(minutes=5)
    before = audited(api)
    for body in (one, {"start_time": iso(api.now - timedelta(days=2))}, {"description": "Move"}):
        again = api.ask("PUT", f"/maintenance_windows/{one['id']}", {"maintenance_window": body})
        assert (again.status, again.body["maintenance_window"]) == (200, one)
    assert audited(api) == before
    longer = api.ask("PUT", f"/maintenance_windows/{one['id']}", {"maintenance_window": {"end_time": at(api, 300)}})
    assert longer.body["maintenance_window"]["end_time"] == at(api, 300)
    assert audited(api) == before + 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start_time": None}, "Start time cannot be empty"),
        ({"end_time": None}, "End time cannot be empty"),
        ({"end_time": "soon"}, "End time: 'soon' is not an ISO 8601"),
        ({"end_time": "2020-01-01T00:00:00Z"}, "End time must be in the future"),
        ({"start_time": "2030-01-02T00:00:00Z", "end_time": "2030-01-01T00:00:00Z"}, "End time must be after the start"),
        ({"end_time": "2099-01-01T00:00:00Z"}, "at most 366 days"),
        ({"services": []}, "Services cannot be empty"),
        ({"services": None}, "Services cannot be empty"),
        ({"services": [{"id": f"P{at:06d}"} for at in range(1001)]}, "at most 1000 services"),
        ({"services": [{"id": "PNOSUCH", "type": "service_reference"}]}, "Service Not Found"),
        ({"description": "x" * 1025}, "at most 1024"),
        ({"description": 7}, "maintenance_window.description: expected"),
    ],
)
def test_a_wrong_window_is_refused_with_its_reason_and_nothing_is_planned(api: Api, fields: dict[str, Any], words: str) -> None:
    service = made(api)["id"]
    good = {"start_time": at(api, 0), "end_time": at(api, 60), "services": [{"id": service, "type": "service_reference"}]}
    before = audited(api)
    reply = api.ask("POST", "/maintenance_windows", {"maintenance_window": {**good, **fields}})
    assert reply.status in {400, 404}
    assert words in " ".join(reply.body["error"]["errors"])
    assert (listed(api), audited(api)) == ([], before)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start_time": "2030-01-01T00:00:00Z"}, "its start cannot be moved"),
        ({"end_time": "2020-01-01T00:00:00Z"}, "End time must be in the future"),
        ({"services": []}, "Services cannot be empty"),
    ],
)
def test_a_wrong_change_of_a_running_window_is_refused(api: Api, fields: dict[str, Any], words: str) -> None:
    one = window(api, made(api)["id"])
    api.later(minutes=1)
    reply = api.ask("PUT", f"/maintenance_windows/{one['id']}", {"maintenance_window": fields})
    assert reply.status == 400
    assert words in " ".join(reply.body["error"]["errors"])
    assert api.ask("GET", f"/maintenance_windows/{one['id']}").body["maintenance_window"] == one


def test_a_window_is_seen_by_who_sees_a_service_of_it_and_changed_by_who_may_change_all(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Hush", "default_role": "none"}}).body["team"]["id"]
    assert api.ask("PUT", f"/teams/{team}/users/{ADA.id}", {"role": "manager"}).status == 204
    hidden = made(api, "Hidden", policy(api, "Of Hush", teams=[{"id": team, "type": "team_reference"}]))["id"]
    open_ = made(api, "Open", policy(api, "Of all"))["id"]
    secret, both = window(api, hidden)["id"], window(api, hidden, open_)["id"]
    assert listed(api, who="bo") == [both]
    assert api.ask("GET", f"/maintenance_windows/{secret}", who="bo").status == 404
    told = api.ask("GET", f"/maintenance_windows/{both}", who="bo").body["maintenance_window"]
    assert ([one["id"] for one in told["services"]], told["teams"]) == ([open_], [])
    for id_ in (secret, both):
        assert api.ask("DELETE", f"/maintenance_windows/{id_}", who="bo").status == 404
    body = {"start_time": at(api, 0), "end_time": at(api, 9), "services": [{"id": hidden, "type": "service_reference"}]}
    assert api.ask("POST", "/maintenance_windows", {"maintenance_window": body}, who="bo").status == 404
    assert sorted(listed(api, who="ada")) == sorted([secret, both])
    assert api.ask("DELETE", f"/maintenance_windows/{both}", who="ada").status == 204


def test_webhooks_hear_of_services_that_become_quiet_or_loud_by_somebodys_deed(api: Api) -> None:
    service = made(api)["id"]
    hook = {
        "type": "webhook_subscription", "events": ["service.updated"], "filter": {"type": "account_reference"},
        "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/hook"},
    }  # fmt: skip
    assert api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": hook}).status == 200

    def owed() -> int:
        with api.house.db.read() as tx:
            rows = tx.connection.exec_driver_sql("SELECT count(*) FROM webhook_deliveries").scalar()
        return int(rows or 0)

    window(api, service, begins=30)
    assert owed() == 0
    one = window(api, service)
    assert owed() == 1
    api.ask("DELETE", f"/maintenance_windows/{one['id']}")
    assert owed() == 2


def test_a_deleted_service_leaves_the_window_to_the_others(api: Api) -> None:
    first, second = made(api, "A")["id"], made(api, "B", policy(api, "Other"))["id"]
    one = window(api, first, second)["id"]
    assert api.ask("DELETE", f"/services/{first}").status == 204
    told = api.ask("GET", f"/maintenance_windows/{one}").body["maintenance_window"]
    assert [each["id"] for each in told["services"]] == [second]


def test_an_event_is_judged_by_when_it_was_accepted(api: Api) -> None:
    service = made(api)
    way = api.ask("POST", f"/services/{service['id']}/integrations", {"integration": {}}).body["integration"]
    one = window(api, service["id"])
    (id_,) = send(api.house.db, [event(routing_key=way["integration_key"])], api.now, api.house.chance)
    assert api.ask("GET", "/incidents").body["incidents"] == []
    with api.house.db.read() as tx:
        row = tx.connection.exec_driver_sql("SELECT outcome, reason FROM inbox WHERE id = ?", (id_,)).one()
    assert row.outcome == "maintenance"
    assert row.reason.startswith(f"maintenance window {one['sequence_number']} (Move) of {CY.name}, until")
