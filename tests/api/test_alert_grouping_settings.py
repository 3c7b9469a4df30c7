"""Alert grouping settings over the API: which services group, how, with whom, and what is refused (BEHAVIOUR 2.3)."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy
from tests.people import ADA
from tests.sending import event, send

CONTENT: dict[str, Any] = {"aggregate": "all", "fields": ["source", "custom_details.host"], "time_window": 900}
GOOD: list[tuple[str, dict[str, Any]]] = [
    ("time", {"timeout": 90}),
    ("time", {"timeout": 0}),
    ("content_based", CONTENT),
    ("content_based", CONTENT | {"time_window": 86400}),
    ("intelligent", {"time_window": 300, "iag_fields": ["summary", "class"]}),
    ("content_based_intelligent", {"aggregate": "any", "fields": ["source"], "time_window": 3600}),
]


def setting(api: Api, kind: str, config: dict[str, Any], *service_ids: str, **more: Any) -> dict[str, Any]:
    body = {"type": kind, "config": config, "services": [{"id": id_} for id_ in service_ids], **more}
    reply = api.ask("POST", "/alert_grouping_settings", {"alert_grouping_setting": body})
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.body["alert_grouping_setting"]
    return found


def form(api: Api, service_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", f"/services/{service_id}").body["service"]["alert_grouping_parameters"]
    return found


def put_form(api: Api, service_id: str, parameters: Any) -> Any:
    return api.ask("PUT", f"/services/{service_id}", {"service": {"alert_grouping_parameters": parameters}})


def listed(api: Api, *query: tuple[str, str], who: str = "cy") -> list[str]:
    found = api.ask("GET", "/alert_grouping_settings", query=query, who=who).body["alert_grouping_settings"]
    return [one["id"] for one in found]


@pytest.mark.parametrize(("kind", "config"), GOOD)
def test_what_is_written_reads_back_and_saying_it_again_changes_nothing(api: Api, kind: str, config: dict[str, Any]) -> None:
    service = made(api)
    one = setting(api, kind, config, service["id"], name="Racks", description="One page a rack")
    assert (one["type"], one["name"], one["description"]) == (kind, "Racks", "One page a rack")
    assert {name: one["config"][name] for name in config} == config
    assert [(each["id"], each["name"]) for each in one["services"]] == [(service["id"], "Checkout")]
    path = f"/alert_grouping_settings/{one['id']}"
    api.later(minutes=5)
    before = audited(api)
    assert api.ask("GET", path).body["alert_grouping_setting"] == one
    assert api.ask("PUT", path, {"alert_grouping_setting": one}).body["alert_grouping_setting"] == one
    assert audited(api) == before
    renamed = api.ask("PUT", path, {"alert_grouping_setting": {"name": None}}).body["alert_grouping_setting"]
    assert (renamed["name"], renamed["services"], renamed["config"]) == (None, one["services"], one["config"])
    assert audited(api) == before + 1
    assert api.ask("DELETE", path).status == 204
    assert (api.ask("GET", path).status, form(api, service["id"])) == (404, {"type": None, "config": None})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "magic"}, "Type must be one of"),
        ({"type": None}, "alert_grouping_setting.type: expected"),
        ({"config": "x"}, "alert_grouping_setting.config: expected"),
        ({"config": {"timeout": 59}}, "timeout must be 0 (until the incident is resolved) or 60 to 86400 seconds"),
        ({"config": {"timeout": 86401}}, "to 86400 seconds"),
        ({"config": {"fields": ["x"]}}, "the config of time does not know fields"),
        ({"config": {"colour": 1}}, "does not know colour"),
        ({"type": "content_based", "config": {"aggregate": "some", "fields": ["x"]}}, "aggregate must be all or any"),
        ({"type": "content_based", "config": {"aggregate": "all"}}, "fields must be a list"),
        ({"type": "content_based", "config": CONTENT | {"time_window": 299}}, "0 or 300 to 3600 seconds, or 86400"),
        ({"type": "content_based", "config": CONTENT | {"fields": ["x"] * 21}}, "at most 20 names"),
        ({"type": "intelligent", "config": {"time_window": 86400}}, "0 or 300 to 3600 seconds"),
        ({"type": "content_based", "config": CONTENT | {"time_window": 86400}, "both": True}, "86400 takes exactly one service"),
        ({"type": "content_based_intelligent", "config": CONTENT, "both": True}, "takes exactly one service"),
        ({"services": []}, "Services cannot be empty"),
        ({"services": [{"id": "PNOSUCH"}]}, "Service Not Found"),
        ({"services": [{"id": f"P{at:06d}"} for at in range(251)]}, "at most 250 services"),
        ({"name": "x" * 256}, "Name may have at most 255"),
        ({"description": "x" * 1025}, "Description may have at most 1024"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_reason_and_nothing_is_made(api: Api, fields: dict[str, Any], words: str) -> None:
    first, second = made(api, "A")["id"], made(api, "B", policy(api, "Other"))["id"]
    wanted = [first, second] if fields.pop("both", False) else [first]
    body = {"type": "time", "config": {"timeout": 300}, "services": [{"id": id_} for id_ in wanted], **fields}
    before = audited(api)
    reply = api.ask("POST", "/alert_grouping_settings", {"alert_grouping_setting": body})
    assert reply.status in {400, 404}
    assert words in " ".join(reply.body["error"]["errors"])
    assert (listed(api), audited(api)) == ([], before)


def test_a_service_is_in_one_setting_at_most(api: Api) -> None:
    first, second = made(api, "A")["id"], made(api, "B", policy(api, "Other"))["id"]
    one, two = setting(api, "time", {"timeout": 300}, first), setting(api, "time", {"timeout": 300}, second)
    body = {"type": "time", "config": {}, "services": [{"id": first}]}
    refused = f"Service A is in the alert grouping setting {one['id']} already: take it out of that one first"
    assert api.ask("POST", "/alert_grouping_settings", {"alert_grouping_setting": body}).body["error"]["errors"] == [refused]
    wish = {"alert_grouping_setting": {"services": [{"id": first}, {"id": second}]}}
    assert api.ask("PUT", f"/alert_grouping_settings/{two['id']}", wish).body["error"]["errors"] == [refused]
    api.ask("DELETE", f"/alert_grouping_settings/{one['id']}")
    assert api.ask("PUT", f"/alert_grouping_settings/{two['id']}", wish).status == 200


def test_the_form_of_a_service_is_a_setting_of_its_own(api: Api) -> None:
    service = made(api, alert_grouping_parameters={"type": "time", "config": {"timeout": 5}})["id"]
    (id_,) = listed(api)
    one = api.ask("GET", f"/alert_grouping_settings/{id_}").body["alert_grouping_setting"]
    assert (one["type"], one["config"], [each["id"] for each in one["services"]]) == ("time", {"timeout": 300}, [service])
    api.ask("PUT", f"/alert_grouping_settings/{id_}", {"alert_grouping_setting": {"config": {"timeout": 600}}})
    assert form(api, service) == {"type": "time", "config": {"timeout": 10}}
    assert put_form(api, service, {"type": "content_based", "config": CONTENT}).status == 200
    again = api.ask("GET", f"/alert_grouping_settings/{id_}").body["alert_grouping_setting"]
    assert again["type"] == "content_based"
    assert put_form(api, service, None).status == 200
    assert listed(api) == []


def test_what_the_form_cannot_say_it_refers_to_and_writing_it_leaves_the_shared_setting(api: Api) -> None:
    first, second = made(api, "A")["id"], made(api, "B", policy(api, "Other"))["id"]
    shared = setting(api, "content_based", CONTENT, first, second, name="Racks")
    told = form(api, first)
    assert (told["id"], told["type"], told["summary"]) == (shared["id"], "alert_grouping_setting_reference", "Racks")
    before = audited(api)
    whole = api.ask("GET", f"/services/{first}").body["service"]
    assert api.ask("PUT", f"/services/{first}", {"service": whole}).body["service"] == whole
    assert audited(api) == before
    assert put_form(api, first, {"type": "time", "config": {"timeout": 5}}).status == 200
    left = api.ask("GET", f"/alert_grouping_settings/{shared['id']}").body["alert_grouping_setting"]
    assert [one["id"] for one in left["services"]] == [second]
    assert form(api, first) == {"type": "time", "config": {"timeout": 5}}


def test_a_setting_goes_with_its_only_service_and_stays_for_the_others(api: Api) -> None:
    first, second = made(api, "A")["id"], made(api, "B", policy(api, "Other"))["id"]
    shared = setting(api, "time", {"timeout": 300}, first, second)["id"]
    assert api.ask("DELETE", f"/services/{first}").status == 204
    assert listed(api) == [shared]
    assert api.ask("DELETE", f"/services/{second}").status == 204
    assert listed(api) == []


def test_the_list_goes_forwards_and_back_by_cursors_without_repeats_or_gaps(api: Api) -> None:
    owner = policy(api)
    services = [made(api, f"S{at}", owner)["id"] for at in range(5)]
    ids = []
    for id_ in services:
        ids.append(setting(api, "time", {"timeout": 300}, id_)["id"])
        api.later(seconds=1)
    seen, after = [], None
    while True:
        query = [("limit", "2"), ("total", "true"), *([("after", after)] if after else [])]
        page = api.ask("GET", "/alert_grouping_settings", query=query).body
        assert (page["limit"], page["total"]) == (2, 5)
        seen += [one["id"] for one in page["alert_grouping_settings"]]
        after = page["after"]
        if after is None:
            break
    assert seen == ids
    back = api.ask("GET", "/alert_grouping_settings", query=[("limit", "3"), ("before", page["before"])]).body
    assert [one["id"] for one in back["alert_grouping_settings"]] == ids[1:4]
    assert listed(api, ("service_ids[]", services[3])) == [ids[3]]
    for wrong in ("x", "W10", "WyJhIiwiYiJd"):
        assert api.ask("GET", "/alert_grouping_settings", query=[("after", wrong)]).status == 400


def test_a_setting_is_seen_by_who_sees_a_service_of_it_and_changed_by_who_may_change_all(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Hush", "default_role": "none"}}).body["team"]["id"]
    assert api.ask("PUT", f"/teams/{team}/users/{ADA.id}", {"role": "manager"}).status == 204
    hidden = made(api, "Hidden", policy(api, "Of Hush", teams=[{"id": team, "type": "team_reference"}]))["id"]
    open_ = made(api, "Open", policy(api, "Of all"))["id"]
    both = setting(api, "content_based", CONTENT, hidden, open_)["id"]
    told = api.ask("GET", f"/alert_grouping_settings/{both}", who="bo").body["alert_grouping_setting"]
    assert [one["id"] for one in told["services"]] == [open_]
    assert api.ask("DELETE", f"/alert_grouping_settings/{both}", who="bo").status == 404
    assert api.ask("DELETE", f"/services/{open_}").status == 204
    assert (listed(api, who="bo"), listed(api, who="ada")) == ([], [both])
    body = {"type": "time", "config": {}, "services": [{"id": hidden}]}
    assert api.ask("POST", "/alert_grouping_settings", {"alert_grouping_setting": body}, who="bo").status == 404
    assert api.ask("DELETE", f"/alert_grouping_settings/{both}", who="ada").status == 204


def test_the_recommended_window_follows_how_often_alerts_came(api: Api) -> None:
    service = made(api)
    way = api.ask("POST", f"/services/{service['id']}/integrations", {"integration": {}}).body["integration"]
    one = setting(api, "content_based", CONTENT, service["id"])
    assert one["config"]["recommended_time_window"] == 300
    for at in range(4):
        send(api.house.db, [event(key=f"k{at}", routing_key=way["integration_key"])], api.now, api.house.chance)
        api.later(minutes=20)
    again = api.ask("GET", f"/alert_grouping_settings/{one['id']}").body["alert_grouping_setting"]
    assert again["config"]["recommended_time_window"] == 1200


def test_switched_off_features_stop_grouping_by_content_and_holding_back(api: Api) -> None:
    pause = {"enabled": True, "timeout": 300}
    service = made(api, alert_grouping_parameters={"type": "content_based", "config": CONTENT | {"fields": ["source"]}},
                   auto_pause_notifications_parameters=pause)  # fmt: skip
    path = f"/services/{service['id']}/enablements"
    on = {"feature": "aiops", "enabled": True, "updated_at": None}
    assert api.ask("GET", path).body == {"enablements": [on]}
    before = audited(api)
    assert api.ask("PUT", f"{path}/aiops", {"enablement": {"enabled": True}}).body["enablement"] == on
    assert audited(api) == before
    off = api.ask("PUT", f"{path}/aiops", {"enablement": {"enabled": False}}).body["enablement"]
    assert (off["enabled"], off["updated_at"] is not None, audited(api)) == (False, True, before + 1)
    assert api.ask("PUT", f"{path}/magic", {"enablement": {"enabled": False}}).status == 400
    assert api.ask("PUT", f"{path}/aiops", {"enablement": {}}).status == 400
    way = api.ask("POST", f"/services/{service['id']}/integrations", {"integration": {}}).body["integration"]
    sent = [event(key=key, routing_key=way["integration_key"]) for key in "ab"]
    send(api.house.db, sent, api.now, api.house.chance)
    assert len(api.ask("GET", "/incidents").body["incidents"]) == 2
    api.ask("PUT", f"{path}/aiops", {"enablement": {"enabled": True}})
    send(api.house.db, [event(key="c", routing_key=way["integration_key"])], api.now, api.house.chance)
    assert len(api.ask("GET", "/incidents").body["incidents"]) == 2
