"""Change events over the API: sent, listed, put into words, and told beside an incident (BEHAVIOUR 1.2)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_alert_grouping_settings import CONTENT, setting
from tests.api.test_services import audited, made, policy
from tests.people import ADA
from tests.sending import event, send
from tocsin.base.times import iso
from tocsin.engine.housekeeping import Keep, housekeeping_pass
from tocsin.service import processing

BUILD: dict[str, Any] = {
    "summary": "Release 7",
    "source": "ci",
    "timestamp": "2026-11-23T08:00:00Z",
    "custom_details": {"build": 7},
}


def way_into(api: Api, service_id: str) -> str:
    body = api.ask("POST", f"/services/{service_id}/integrations", {"integration": {}}).body["integration"]
    key: str = body["integration_key"]
    return key


def sent(api: Api, routing_key: str, **payload: Any) -> str:
    """A change event that was taken and worked off; its id."""
    body = {"routing_key": routing_key, "payload": BUILD | {"timestamp": iso(api.now)} | payload, "links": [{"href": "https://ci/7", "text": "Log"}]}
    known = {one["id"] for one in listed(api)}
    reply = api.ask("POST", "/change_events", body)
    assert (reply.status, reply.body["status"]) == (202, "success")
    with api.house.db.write() as tx:
        processing.work_off(tx, 10, now=api.now, chance=api.house.chance)
    (fresh,) = [one["id"] for one in listed(api) if one["id"] not in known]
    return str(fresh)


def listed(api: Api, *query: tuple[str, str], path: str = "/change_events", who: str = "cy") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.ask("GET", path, query=query, who=who).body["change_events"]
    return found


def test_a_change_reads_back_as_its_sender_told_it(api: Api) -> None:
    service = made(api)
    key = way_into(api, service["id"])
    id_ = sent(api, key, timestamp="2026-11-23T08:00:00Z")
    one = api.ask("GET", f"/change_events/{id_}").body["change_event"]
    assert (one["type"], one["summary"], one["source"], one["timestamp"]) == ("change_event", "Release 7", "ci", BUILD["timestamp"])
    assert (one["custom_details"], one["links"], one["images"]) == ({"build": 7}, [{"href": "https://ci/7", "text": "Log"}], [])
    assert [each["id"] for each in one["services"]] == [service["id"]]
    assert one["integration"]["type"] == "events_api_v2_inbound_integration_reference"
    assert one["routing_key"] == key
    assert listed(api) == [one]
    assert listed(api, path=f"/services/{service['id']}/change_events") == [one]
    assert api.ask("GET", "/incidents").body["incidents"] == []


def test_its_words_can_be_changed_and_saying_them_again_changes_nothing(api: Api) -> None:
    id_ = sent(api, way_into(api, made(api)["id"]))
    path = f"/change_events/{id_}"
    one = api.ask("GET", path).body["change_event"]
    before = audited(api)
    assert api.ask("PUT", path, {"change_event": one}).body["change_event"] == one
    assert audited(api) == before
    wish = {"summary": "Release 7, rolled back", "custom_details": {"build": 6}, "source": "ignored"}
    changed = api.ask("PUT", path, {"change_event": wish}).body["change_event"]
    assert (changed["summary"], changed["custom_details"], changed["source"]) == ("Release 7, rolled back", {"build": 6}, "ci")
    assert audited(api) == before + 1
    for wrong in ({"summary": ""}, {"summary": "x" * 1025}, {"summary": None}, {"custom_details": "text"}):
        assert api.ask("PUT", path, {"change_event": wrong}).status == 400
    assert api.ask("GET", path).body["change_event"] == changed
    assert api.ask("PUT", "/change_events/PNOSUCH", {"change_event": {}}).status == 404


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"payload": BUILD}, "routing_key"),
        ({"routing_key": "f" * 32, "payload": BUILD}, "Invalid routing key"),
        ({"routing_key": "R" + "f" * 31, "payload": BUILD}, "change events go to a service's own key"),
        ({"routing_key": "f" * 32}, "'payload' is missing"),
        ({"routing_key": "f" * 32, "payload": {"source": "ci"}}, "payload.summary"),
    ],
)
def test_a_wrong_change_is_refused_and_not_kept(api: Api, body: dict[str, Any], words: str) -> None:
    reply = api.ask("POST", "/change_events", body)
    assert reply.status == 400
    assert words in " ".join(reply.body["error"]["errors"])
    with api.house.db.read() as tx:
        assert not processing.is_waiting(tx)


def test_the_list_is_narrowed_by_time_way_and_team_newest_first(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Payments"}}).body["team"]["id"]
    first = made(api, "A", policy(api, "Of a team", teams=[{"id": team, "type": "team_reference"}]))["id"]
    second = made(api, "B")["id"]
    keys = [way_into(api, id_) for id_ in (first, second)]
    old = sent(api, keys[0])
    api.later(hours=2)
    new = sent(api, keys[1])
    assert [one["id"] for one in listed(api)] == [new, old]
    assert [one["id"] for one in listed(api, ("since", iso(api.now - timedelta(hours=1))))] == [new]
    assert [one["id"] for one in listed(api, ("until", iso(api.now - timedelta(hours=1))))] == [old]
    assert [one["id"] for one in listed(api, ("team_ids[]", team))] == [old]
    way = listed(api)[0]["integration"]["id"]
    assert [one["id"] for one in listed(api, ("integration_ids[]", way))] == [new]
    page = api.ask("GET", "/change_events", query=[("limit", "1"), ("total", "true")]).body
    assert ([one["id"] for one in page["change_events"]], page["more"], page["total"]) == ([new], True, 2)


def test_what_a_senders_clock_dates_later_is_listed_at_once_and_what_it_dates_earlier_is_kept(api: Api) -> None:
    key = way_into(api, made(api)["id"])
    ahead = sent(api, key, timestamp=iso(api.now + timedelta(minutes=2)))
    old = sent(api, key, timestamp="2020-01-01T00:00:00Z")
    assert [one["id"] for one in listed(api)] == [ahead, old]
    assert housekeeping_pass(api.house.db, api.now + timedelta(days=89), node="one", keep=Keep()) is False
    assert [one["id"] for one in listed(api)] == [ahead, old]
    housekeeping_pass(api.house.db, api.now + timedelta(days=91), node="one", keep=Keep())
    assert listed(api) == []


def test_an_incident_is_told_with_what_was_changed_shortly_before_it_and_why(api: Api) -> None:
    first, second, third = (made(api, name, policy(api, f"Of {name}"))["id"] for name in "ABC")
    keys = {id_: way_into(api, id_) for id_ in (first, second, third)}
    setting(api, "content_based", CONTENT, first, second)
    sent(api, keys[first], summary="Too old")
    api.later(days=2)
    own = sent(api, keys[first], summary="Own")
    api.later(minutes=5)
    near, _far = sent(api, keys[second], summary="Near"), sent(api, keys[third], summary="Not near")
    api.later(minutes=5)
    send(api.house.db, [event(routing_key=keys[first])], api.now, api.house.chance)
    api.later(minutes=5)
    sent(api, keys[first], summary="Afterwards")
    incident = api.ask("GET", "/incidents").body["incidents"][0]["id"]
    path = f"/incidents/{incident}/related_change_events"
    told = [(one["id"], one["correlation_reason"]["reason"]) for one in listed(api, path=path)]
    assert told == [(near, "related_service"), (own, "most_recent")]
    assert len(listed(api, ("limit", "1"), path=path)) == 1
    assert api.ask("GET", "/incidents/PNOSUCH/related_change_events").status == 404


def test_changes_of_a_private_team_are_seen_by_its_members_and_the_key_by_who_may_change_the_service(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Hush", "default_role": "none"}}).body["team"]["id"]
    assert api.ask("PUT", f"/teams/{team}/users/{ADA.id}", {"role": "manager"}).status == 204
    hidden = made(api, "Hidden", policy(api, "Of Hush", teams=[{"id": team, "type": "team_reference"}]))["id"]
    id_ = sent(api, way_into(api, hidden))
    assert listed(api, who="bo") == []
    assert api.ask("GET", f"/change_events/{id_}", who="bo").status == 404
    assert api.ask("PUT", f"/change_events/{id_}", {"change_event": {"summary": "x"}}, who="bo").status == 404
    assert [one["id"] for one in listed(api, who="ada")] == [id_]
    assert "routing_key" in api.ask("GET", f"/change_events/{id_}", who="ada").body["change_event"]
