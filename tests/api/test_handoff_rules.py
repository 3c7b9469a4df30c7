"""Hand-off and status-update rules, subscriptions and delegations over the API: as written, as refused, as published."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.people import ADA, BO
from tocsin.core import handoff

HANDOFFS = f"/users/{ADA.id}/oncall_handoff_notification_rules"
UPDATES = f"/users/{ADA.id}/status_update_notification_rules"


def method(api: Api, user_id: str, address: str = "one@example.org") -> dict[str, Any]:
    body = {"contact_method": {"type": "email_contact_method", "label": "Work", "address": address}}
    made = api.ask("POST", f"/users/{user_id}/contact_methods", body).body["contact_method"]
    return {"id": made["id"], "type": "email_contact_method"}


def records(api: Api) -> list[tuple[str, str]]:
    found = api.ask("GET", f"/users/{ADA.id}/audit/records", query=[("since", "2026-11-01T00:00:00Z"), ("limit", "100")]).body["records"]
    return [(one["action"], one["details"]["resource"]["type"]) for one in found]


def test_a_hand_off_rule_reads_back_as_it_was_written_changed_and_deleted(api: Api):
    way, other = method(api, ADA.id), method(api, ADA.id, "two@example.org")
    wish = {"contact_method": way, "handoff_type": "oncall", "notify_advance_in_minutes": 180}
    made = api.ask("POST", HANDOFFS, {"oncall_handoff_notification_rule": wish})
    assert made.status == 201
    rule = made.body["oncall_handoff_notification_rule"]
    assert (rule["handoff_type"], rule["notify_advance_in_minutes"], rule["contact_method"]["id"]) == ("oncall", 180, way["id"])
    assert rule["contact_method"]["type"] == "email_contact_method_reference"
    at = f"{HANDOFFS}/{rule['id']}"
    assert api.ask("GET", at).body["oncall_handoff_notification_rule"] == rule
    assert api.ask("GET", HANDOFFS).body == {"oncall_handoff_notification_rules": [rule]}
    changed = api.ask("PUT", at, {"oncall_handoff_notification_rule": wish | {"handoff_type": "offcall", "contact_method": other}})
    told = changed.body["oncall_handoff_notification_rule"]
    assert (told["handoff_type"], told["notify_advance_in_minutes"], told["contact_method"]["id"]) == ("offcall", 180, other["id"])
    api.ask("PUT", at, {"oncall_handoff_notification_rule": {"handoff_type": "offcall"}})
    whole = api.ask("GET", HANDOFFS, query=[("include[]", "contact_methods")]).body["oncall_handoff_notification_rules"][0]
    assert whole["contact_method"]["address"] == "two@example.org"
    assert api.ask("DELETE", at).status == 204
    assert api.ask("GET", at).status == 404
    kind = "oncall_handoff_notification_rule_reference"
    assert sorted(one for one in records(api) if one[1] == kind) == [("create", kind), ("delete", kind), ("update", kind)]


def test_without_a_word_a_rule_tells_of_both_at_the_hand_off_itself(api: Api):
    made = api.ask("POST", HANDOFFS, {"oncall_handoff_notification_rule": {"contact_method": method(api, ADA.id)}})
    rule = made.body["oncall_handoff_notification_rule"]
    assert (rule["handoff_type"], rule["notify_advance_in_minutes"]) == ("both", 0)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"handoff_type": "sometimes"}, "handoff_type"),
        ({"notify_advance_in_minutes": -1}, "notify_advance_in_minutes"),
        ({"notify_advance_in_minutes": handoff.ADVANCE_MOST + 1}, "notify_advance_in_minutes"),
        ({"contact_method": {"id": "PNOSUCH", "type": "email_contact_method"}}, "Contact method must be one of this user's"),
        ({"contact_method": None}, "contact_method"),
        ({}, "Channel Notify advance must be unique for a given contact method and handoff type"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_reason_and_nothing_is_kept(api: Api, wish: dict[str, Any], words: str):
    first = {"contact_method": method(api, ADA.id), "handoff_type": "both", "notify_advance_in_minutes": 5}
    api.ask("POST", HANDOFFS, {"oncall_handoff_notification_rule": first})
    reply = api.ask("POST", HANDOFFS, {"oncall_handoff_notification_rule": first | wish})
    assert (reply.status, reply.body["error"]["code"]) == (400, 2001)
    assert words in str(reply.body["error"]["errors"])
    assert len(api.ask("GET", HANDOFFS).body["oncall_handoff_notification_rules"]) == 1


def test_nobody_uses_anothers_contact_method_and_rules_go_with_their_own(api: Api):
    stolen = {"oncall_handoff_notification_rule": {"contact_method": method(api, BO.id), "handoff_type": "both"}}
    assert api.ask("POST", HANDOFFS, stolen).status == 400
    way = method(api, ADA.id)
    api.ask("POST", HANDOFFS, {"oncall_handoff_notification_rule": {"contact_method": way, "handoff_type": "both"}})
    api.ask("POST", UPDATES, {"status_update_notification_rule": {"contact_method": way}})
    assert api.ask("DELETE", f"/users/{ADA.id}/contact_methods/{way['id']}").status == 204
    assert api.ask("GET", HANDOFFS).body == {"oncall_handoff_notification_rules": []}
    assert api.ask("GET", UPDATES).body == {"status_update_notification_rules": []}
    assert ("delete", "status_update_notification_rule_reference") in records(api)


def test_a_status_update_rule_reads_back_under_both_of_its_names(api: Api):
    way, other = method(api, ADA.id), method(api, ADA.id, "two@example.org")
    made = api.ask("POST", UPDATES, {"status_update_notification_rule": {"contact_method": way}})
    rule = made.body["status_update_notification_rule"]
    assert made.status == 201
    at = f"{UPDATES}/{rule['id']}"
    shown = api.ask("GET", at).body
    assert shown == {"status_update_notification_rule": rule, "notification_rule": rule}
    assert api.ask("POST", UPDATES, {"status_update_notification_rule": {"contact_method": way}}).status == 400
    assert api.ask("PUT", at, {"status_update_notification_rule": {"contact_method": other}}).body["status_update_notification_rule"]["contact_method"]["id"] == other["id"]
    assert api.ask("DELETE", at).status == 204


@pytest.mark.parametrize("subscriber", [f"/users/{ADA.id}", "team"])
def test_users_and_teams_subscribe_to_what_there_is_for_them(api: Api, subscriber: str):
    if subscriber == "team":
        subscriber = f"/teams/{api.ask('POST', '/teams', {'team': {'name': 'Night'}}).body['team']['id']}"
    policy = {"name": "All", "escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [{"id": ADA.id, "type": "user_reference"}]}]}
    policy_id = api.ask("POST", "/escalation_policies", {"escalation_policy": policy}).body["escalation_policy"]["id"]
    service = api.ask("POST", "/services", {"service": {"name": "Shop", "escalation_policy": {"id": policy_id, "type": "escalation_policy_reference"}}}).body["service"]
    wish = {"incident": {"type": "incident", "title": "Slow", "service": {"id": service["id"], "type": "service_reference"}}}
    incident = api.ask("POST", "/incidents", wish, headers={"from": "cy@example.org"}).body["incident"]["id"]
    at = f"{subscriber}/notification_subscriptions"
    here = {"subscribable_id": incident, "subscribable_type": "incident"}
    nowhere = {"subscribable_id": "PNOSUCH", "subscribable_type": "incident"}
    first = api.ask("POST", at, {"subscribables": [here, here, nowhere]}).body["subscriptions"]
    assert [one["result"] for one in first] == ["success", "duplicate", "unauthorized"]
    found = api.ask("GET", at, query=[("total", "true")]).body
    assert [one["subscription"]["subscribable_id"] for one in found["subscriptions"]] == [incident]
    assert (found["more"], found["total"]) == (False, 1)
    ended = api.ask("POST", f"{at}/unsubscribe", {"subscribables": [here, nowhere]}).body
    assert ended == {"deleted_count": 1, "unauthorized_count": 1, "non_existent_count": 0}
    again = api.ask("POST", f"{at}/unsubscribe", {"subscribables": [here]}).body
    assert again == {"deleted_count": 0, "unauthorized_count": 0, "non_existent_count": 1}
    wrongs: list[dict[str, Any]] = [{"subscribables": []}, {"subscribables": [{"subscribable_id": "P1", "subscribable_type": "service"}]}, {}]
    for wrong in wrongs:
        assert api.ask("POST", at, wrong).status == 400


def test_delegations_are_where_somebody_is_signed_in(api: Api):
    at = f"/users/{ADA.id}/oauth_delegations"
    assert api.ask("GET", at).body == {"oauth_delegations": [], "limit": 25, "more": False}
    assert api.ask("GET", f"{at}/PNOSUCH").status == 404
    assert api.ask("GET", at, query=[("delegation_type", "car")]).status == 400
    assert api.ask("GET", at, who="bo").status == 404
