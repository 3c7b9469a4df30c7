"""Services over the API: what is written reads back, and what is wrong is refused with its reason (BEHAVIOUR 2.1)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA
from tocsin.store.tables import engine, incidents

SUPPORT: dict[str, Any] = {
    "incident_urgency_rule": {
        "type": "use_support_hours",
        "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "severity_based"},
    },
    "support_hours": {
        "type": "fixed_time_per_day",
        "time_zone": "America/Lima",
        "start_time": "09:00:00",
        "end_time": "17:00:00",
        "days_of_week": [1, 2, 3, 4, 5],
    },
    "scheduled_actions": [
        {"type": "urgency_change", "at": {"type": "named_time", "name": "support_hours_start"}, "to_urgency": "high"}
    ],
}


def policy(api: Api, name: str = "Ladder", **more: object) -> str:
    rules = [{"escalation_delay_in_minutes": 5, "targets": [{"id": ADA.id, "type": "user_reference"}]}]
    body = {"type": "escalation_policy", "name": name, "escalation_rules": rules, **more}
    reply = api.ask("POST", "/escalation_policies", {"escalation_policy": body})
    assert reply.status == 201, reply.body
    policy_id: str = reply.body["escalation_policy"]["id"]
    return policy_id


def made(api: Api, name: str = "Checkout", policy_id: str | None = None, **more: object) -> dict[str, Any]:
    reference = {"id": policy_id or policy(api), "type": "escalation_policy_reference"}
    reply = api.ask("POST", "/services", {"service": {"name": name, "escalation_policy": reference, **more}})
    assert reply.status == 201, reply.body
    service: dict[str, Any] = reply.body["service"]
    return service


def audited(api: Api) -> int:
    with api.house.db.read() as tx:
        found: int = tx.scalar(sa.select(sa.func.count()).select_from(engine.audit))
    return found


def test_a_service_is_made_read_changed_and_deleted(api: Api) -> None:
    service = made(api, description="Takes the money")
    assert service["type"] == "service"
    assert service["self"] == f"https://tocsin.example.org/services/{service['id']}"
    assert (service["name"], service["summary"], service["description"]) == ("Checkout", "Checkout", "Takes the money")
    assert service["status"] == "active"
    assert service["escalation_policy"]["type"] == "escalation_policy_reference"
    assert service["escalation_policy"]["summary"] == "Ladder"
    shown = api.ask("GET", f"/services/{service['id']}").body["service"]
    assert shown == service
    changed = api.ask("PUT", f"/services/{service['id']}", {"service": {"name": "Payments"}}).body["service"]
    assert (changed["name"], changed["description"]) == ("Payments", "Takes the money")
    assert api.ask("DELETE", f"/services/{service['id']}").status == 204
    assert api.ask("GET", f"/services/{service['id']}").status == 404


def test_what_is_left_out_has_its_default(api: Api) -> None:
    service = made(api)
    assert service["auto_resolve_timeout"] is None
    assert service["acknowledgement_timeout"] is None
    assert service["alert_creation"] == "create_alerts_and_incidents"
    assert service["incident_urgency_rule"] == {"type": "constant", "urgency": "high"}
    assert service["support_hours"] is None
    assert service["scheduled_actions"] == []
    assert service["alert_grouping_parameters"] == {"type": None, "config": None}
    assert service["auto_pause_notifications_parameters"] == {"enabled": False, "timeout": None}
    assert service["response_play"] is None
    assert service["last_incident_timestamp"] is None


@pytest.mark.parametrize("nothing", [0, None])
def test_a_timeout_of_nothing_is_off_and_reads_back_null(api: Api, nothing: int | None) -> None:
    service = made(api, auto_resolve_timeout=14400, acknowledgement_timeout=1800)
    assert (service["auto_resolve_timeout"], service["acknowledgement_timeout"]) == (14400, 1800)
    off = {"service": {"auto_resolve_timeout": nothing, "acknowledgement_timeout": nothing}}
    changed = api.ask("PUT", f"/services/{service['id']}", off).body["service"]
    assert (changed["auto_resolve_timeout"], changed["acknowledgement_timeout"]) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [
        SUPPORT,
        {"incident_urgency_rule": {"type": "constant", "urgency": "severity_based"}},
        {"alert_creation": "create_incidents"},
        {"alert_grouping_parameters": {"type": "time", "config": {"timeout": 5}}},
        {"alert_grouping_parameters": {"type": "intelligent", "config": {"time_window": 300, "iag_fields": ["summary"]}}},
        {"alert_grouping_parameters": {"type": "content_based", "config": {"aggregate": "any", "fields": ["class"], "time_window": 86400}}},
        {"auto_pause_notifications_parameters": {"enabled": True, "timeout": 300}},
        {"escalates_low_urgency": True},
    ],
)  # fmt: skip
def test_what_is_written_reads_back(api: Api, fields: dict[str, Any]) -> None:
    at_once = made(api, "One", **fields)
    later = made(api, "Two", at_once["escalation_policy"]["id"])
    later = api.ask("PUT", f"/services/{later['id']}", {"service": fields}).body["service"]
    for name, value in fields.items():
        assert at_once[name] == value
        assert later[name] == value


def test_the_older_grouping_fields_are_understood_and_shown(api: Api) -> None:
    service = made(api, alert_grouping="time", alert_grouping_timeout=5)
    assert service["alert_grouping_parameters"] == {"type": "time", "config": {"timeout": 5}}
    assert (service["alert_grouping"], service["alert_grouping_timeout"]) == ("time", 5)
    off = api.ask("PUT", f"/services/{service['id']}", {"service": {"alert_grouping": None}}).body["service"]
    assert off["alert_grouping_parameters"] == {"type": None, "config": None}
    assert off["alert_grouping"] is None


def test_a_reference_to_a_grouping_setting_changes_nothing(api: Api) -> None:
    service = made(api, alert_grouping_parameters={"type": "time", "config": {"timeout": 5}})
    moved = {"alert_grouping_parameters": {"id": "PX", "type": "alert_grouping_setting_reference"}}
    changed = api.ask("PUT", f"/services/{service['id']}", {"service": moved}).body["service"]
    assert changed["alert_grouping_parameters"] == {"type": "time", "config": {"timeout": 5}}


def test_support_hours_go_with_the_rule_that_used_them(api: Api) -> None:
    service = made(api, **SUPPORT)
    constant = {"incident_urgency_rule": {"type": "constant", "urgency": "low"}}
    changed = api.ask("PUT", f"/services/{service['id']}", {"service": constant}).body["service"]
    assert (changed["support_hours"], changed["scheduled_actions"]) == (None, [])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Name cannot be empty"),
        ({"name": None}, "Name cannot be empty"),
        ({"name": "Taken"}, "Name has already been taken"),
        ({"name": "x" * 256}, "Name may have at most 255"),
        ({"name": 5}, "service.name: expected"),
        ({"auto_resolve_timeout": -1}, "Auto resolve timeout must be between 0"),
        ({"acknowledgement_timeout": "soon"}, "service.acknowledgement_timeout: expected"),
        ({"acknowledgement_timeout": 10**9}, "Acknowledgement timeout must be"),
        ({"alert_creation": "none"}, "Alert creation must be one of"),
        ({"status": "critical"}, "can only be created with the status active"),
        ({"status": "asleep"}, "Status must be active or disabled"),
        ({"incident_urgency_rule": {"type": "constant", "urgency": "huge"}}, "needs an urgency"),
        ({"incident_urgency_rule": {"type": "sometimes"}}, "must have the type constant"),
        ({"incident_urgency_rule": SUPPORT["incident_urgency_rule"]}, "Support hours are needed"),
        ({"support_hours": SUPPORT["support_hours"]}, "are used only by"),
        ({**SUPPORT, "support_hours": {**SUPPORT["support_hours"], "time_zone": "Mars/Base"}}, "not a time zone"),
        ({**SUPPORT, "support_hours": {**SUPPORT["support_hours"], "days_of_week": [0]}}, "days_of_week"),
        ({**SUPPORT, "support_hours": {**SUPPORT["support_hours"], "start_time": "25:00"}}, "start_time"),
        ({**SUPPORT, "scheduled_actions": [{"type": "dance"}]}, "Scheduled actions must be"),
        ({"alert_grouping_parameters": {"type": "magic"}}, "type must be one of"),
        ({"alert_grouping_parameters": {"type": "time", "config": {"timeout": 5}, "more": 1}}, "do not know more"),
        ({"alert_grouping_parameters": {"type": "time", "config": {"timeuot": 5}}}, "does not know timeuot"),
        ({"alert_grouping_parameters": {"type": "time", "config": {"fields": ["class"]}}}, "does not know fields"),
        ({"alert_grouping_parameters": {"type": "time", "config": {"timeout": 1441}}}, "0 (until the incident is resolved) to 1440"),
        ({"alert_grouping_parameters": {"type": "content_based", "config": {"aggregate": "all"}}}, "fields must be a list"),
        ({"alert_grouping_parameters": {"type": "content_based", "config": {"fields": ["class"], "aggregate": "some"}}}, "aggregate must be"),
        ({"alert_grouping_parameters": {"type": "intelligent", "config": {"time_window": 5}}}, "300 to 3600"),
        ({"auto_pause_notifications_parameters": {"enabled": True, "timeout": 7}}, "timeout must be 0 or one of"),
        ({"auto_pause_notifications_parameters": {"enabled": True, "timeout": 300, "x": 1}}, "do not know x"),
        ({"escalation_policy": {"id": "PNONE00", "type": "escalation_policy_reference"}}, "Escalation Policy Not Found"),
    ],
)  # fmt: skip
def test_a_wrong_service_is_refused_with_its_reason_and_nothing_is_made(api: Api, fields: dict[str, Any], words: str) -> None:
    policy_id = policy(api)
    taken = made(api, "Taken", policy_id)
    body = {"name": "Wrong", "escalation_policy": {"id": policy_id, "type": "escalation_policy_reference"}, **fields}
    before = audited(api)
    reply = api.ask("POST", "/services", {"service": body})
    assert reply.status in {400, 404}
    assert words in " ".join(reply.body["error"]["errors"])
    assert [one["id"] for one in api.ask("GET", "/services").body["services"]] == [taken["id"]]
    assert audited(api) == before


def test_a_service_needs_a_name_and_a_policy(api: Api) -> None:
    errors = api.ask("POST", "/services", {"service": {}}).body["error"]["errors"]
    assert errors == ["Name cannot be empty", "Escalation policy cannot be empty"]


def test_the_zero_values_that_go_clients_send_for_other_kinds_say_nothing(api: Api) -> None:
    config = {"timeout": 0, "aggregate": "all", "fields": ["summary"], "time_window": 0, "iag_fields": None}
    service = made(api, alert_grouping_parameters={"type": "content_based", "config": config})
    kept = service["alert_grouping_parameters"]["config"]
    assert kept == {"aggregate": "all", "fields": ["summary"], "time_window": 0}


def test_an_update_that_changes_nothing_leaves_no_trace(api: Api) -> None:
    service = made(api, **SUPPORT)
    api.later(minutes=5)
    before = audited(api)
    again = api.ask("PUT", f"/services/{service['id']}", {"service": service}).body["service"]
    assert again == service
    assert audited(api) == before


def test_a_change_is_audited_with_what_it_was(api: Api) -> None:
    service = made(api)
    other = policy(api, "Other")
    to = {"name": "Payments", "escalation_policy": {"id": other, "type": "escalation_policy_reference"}}
    api.ask("PUT", f"/services/{service['id']}", {"service": to})
    with api.house.db.read() as tx:
        record = tx.rows(sa.select(engine.audit).where(engine.audit.c.root_id == service["id"]))[-1]
    assert record.action == "update"
    assert record.details["fields"] == [{"name": "name", "value": "Payments", "before_value": "Checkout"}]
    (moved,) = record.details["references"]
    assert (moved["added"][0]["id"], moved["removed"][0]["summary"]) == (other, "Ladder")


def test_status_tells_of_the_worst_open_incident_and_of_being_disabled(api: Api) -> None:
    service = made(api)
    at = f"/services/{service['id']}"

    def incident(number: int, status: str) -> None:
        with api.house.db.write() as tx:
            row = {
                "id": f"Q{number}", "number": number, "service_id": service["id"], "policy_id": "P", "status": status,
                "urgency": "high", "title": "x", "created_at": api.now, "updated_at": api.now, "state": "{}",
            }  # fmt: skip
            tx.execute(sa.insert(incidents.incident), row)

    incident(1, "resolved")
    shown = api.ask("GET", at).body["service"]
    assert (shown["status"], shown["last_incident_timestamp"]) == ("active", "2026-11-23T09:00:00Z")
    incident(2, "acknowledged")
    assert api.ask("GET", at).body["service"]["status"] == "warning"
    incident(3, "triggered")
    assert api.ask("GET", at).body["service"]["status"] == "critical"
    assert api.ask("PUT", at, {"service": {"status": "disabled"}}).body["service"]["status"] == "disabled"
    assert api.ask("PUT", at, {"service": {"status": "active"}}).body["service"]["status"] == "critical"


def test_lists_are_found_by_words_name_team_and_order(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]
    ours = policy(api, "Ours", teams=[{"id": team["id"], "type": "team_reference"}])
    made(api, "Checkout", ours)
    made(api, "Search", policy(api, "Theirs"))

    def names(*query: tuple[str, str]) -> list[str]:
        return [one["name"] for one in api.ask("GET", "/services", query=query).body["services"]]

    assert names() == ["Checkout", "Search"]
    assert names(("sort_by", "name:desc")) == ["Search", "Checkout"]
    assert names(("query", "check")) == ["Checkout"]
    assert names(("name", "Search")) == ["Search"]
    assert names(("name", "search")) == []
    assert names(("team_ids[]", team["id"])) == ["Checkout"]
    found = api.ask("GET", "/services", query=[("team_ids[]", team["id"]), ("total", "true")]).body
    assert (found["total"], found["services"][0]["teams"][0]["summary"]) == (1, "Money")
    assert api.ask("GET", "/services", query=[("sort_by", "age")]).status == 400


def test_included_things_are_whole(api: Api) -> None:
    service = made(api)
    api.ask("POST", f"/services/{service['id']}/integrations", {"integration": {"name": "Way in", "type": "events_api_v2_inbound_integration"}})
    words = ("escalation_policies", "teams", "integrations", "auto_pause_notifications_parameters")
    query = [("include[]", word) for word in words]
    whole = api.ask("GET", f"/services/{service['id']}", query=query).body["service"]
    assert whole["escalation_policy"]["escalation_rules"][0]["targets"][0]["id"] == ADA.id
    assert len(whole["integrations"][0]["integration_key"]) == 32
    plain = api.ask("GET", f"/services/{service['id']}").body["service"]
    assert plain["integrations"][0]["type"] == "events_api_v2_inbound_integration_reference"
    assert api.ask("GET", "/services", query=[("include[]", "everything")]).status == 400


def test_times_are_told_in_the_zone_that_is_asked_for(api: Api) -> None:
    made(api)
    listed = api.ask("GET", "/services", query=[("time_zone", "Asia/Tokyo")]).body["services"][0]
    assert listed["created_at"] == "2026-11-23T18:00:00+09:00"
    assert api.ask("GET", "/services", query=[("time_zone", "Mars/Base")]).status == 400
