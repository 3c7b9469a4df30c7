"""Coverage over the API: the gaps, the weak stretches and the doubles of what the asker may see."""

from typing import Any

from tests.api.conftest import Api
from tests.api.test_kernel import state
from tests.api.test_schedules import layer, made, policy
from tests.people import ADA, BO, CY
from tocsin.core.escalation import Target

OFFICE = [{"type": "daily_restriction", "start_time_of_day": "09:00:00", "duration_seconds": 8 * 3600}]


def reachable(api: Api, *user_ids: str) -> None:
    for user_id in user_ids:
        body = {"contact_method": {"type": "email_contact_method", "label": "Work", "address": f"{user_id.lower()}@example.org"}}
        reply = api.ask("POST", f"/users/{user_id}/contact_methods", body)
        assert reply.status == 201, reply.body


def asked(api: Api, *query: tuple[str, str], who: str = "ada") -> dict[str, Any]:
    reply = api.ask("GET", "/api/v1/coverage", query=query, who=who, ours=True)
    assert reply.status == 200, reply.body
    coverage: dict[str, Any] = reply.body["coverage"]
    return coverage


def test_gaps_are_told_with_their_reasons_in_the_zone_asked_for(api: Api) -> None:
    reachable(api, ADA.id)
    schedule = made(api, layer(ADA.id, restrictions=OFFICE))
    policy(api, "Shop", [Target("schedule", schedule["id"])])
    found = asked(api, ("until", "2026-11-24T09:00:00Z"), ("time_zone", "Europe/Paris"))
    assert (found["since"], found["until"]) == ("2026-11-23T10:00:00+01:00", "2026-11-24T10:00:00+01:00")
    (one,) = found["policies"]
    assert (one["escalation_policy"]["summary"], one["services"], one["covered_percentage"], one["weak"]) == ("Shop", [], 33.33, [])
    assert one["gaps"] == [
        {
            "start": "2026-11-23T18:00:00+01:00",
            "end": "2026-11-24T10:00:00+01:00",
            "wait_seconds": None,
            "causes": [
                {"kind": "gap_in_schedule", "level": 1, "about": schedule["id"], "words": "nobody is on call on First line"}
            ],
        }
    ]


def test_a_level_that_cannot_be_reached_makes_a_weak_stretch(api: Api) -> None:
    reachable(api, BO.id)
    policy(api, "Shop", [Target("user", ADA.id)], [Target("user", BO.id)])
    (one,) = asked(api)["policies"]
    (weak,) = one["weak"]
    assert (one["gaps"], weak["wait_seconds"], weak["causes"][0]["kind"]) == ([], 1800, "no_contact_method")


def test_somebody_at_two_places_is_told_with_both(api: Api) -> None:
    reachable(api, ADA.id)
    both = [made(api, layer(ADA.id), name=name)["id"] for name in ("First", "Second")]
    policy(api, "Shop", *[[Target("schedule", id_)] for id_ in both])
    (double,) = asked(api)["at_two_places"]
    assert double["user"]["summary"] == "Ada"
    assert sorted(one["id"] for one in double["schedules"]) == sorted(both)


def test_the_answer_can_be_narrowed(api: Api) -> None:
    shop, desk = policy(api, "Shop", [Target("user", ADA.id)]), policy(api, "Desk", [Target("user", CY.id)])
    assert len(asked(api)["policies"]) == 2
    (one,) = asked(api, ("escalation_policy_ids[]", desk))["policies"]
    assert one["escalation_policy"]["id"] == desk != shop


def test_a_preview_says_what_the_edit_would_open_and_close(api: Api) -> None:
    reachable(api, ADA.id, BO.id)
    schedule = made(api, layer(ADA.id, restrictions=OFFICE))
    policy(api, "Shop", [Target("schedule", schedule["id"])])

    def previewed(restrictions: list[dict[str, Any]]) -> dict[str, Any]:
        edited = schedule["schedule_layers"][0] | {"restrictions": restrictions}
        body = {"schedule": {"id": schedule["id"], "time_zone": "UTC", "schedule_layers": [edited]}}
        query = (("since", "2026-11-23T09:00:00Z"), ("until", "2026-11-24T09:00:00Z"))
        reply = api.ask("POST", "/schedules/preview", body, query=query, ours=True)
        assert reply.status == 200, reply.body
        (change,) = reply.body["schedule"]["coverage_changes"] or [{"opens": [], "closes": []}]
        return {word: [(one["start"], one["end"]) for one in change[word]] for word in ("opens", "closes")}

    assert previewed(OFFICE) == {"opens": [], "closes": []}
    assert previewed([]) == {"opens": [], "closes": [("2026-11-23T17:00:00Z", "2026-11-24T09:00:00Z")]}
    later = [OFFICE[0] | {"start_time_of_day": "10:00:00"}]
    assert previewed(later) == {
        "opens": [("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")],
        "closes": [("2026-11-23T17:00:00Z", "2026-11-23T18:00:00Z")],
    }
    assert asked(api, ("until", "2026-11-24T09:00:00Z"))["policies"][0]["covered_percentage"] == 33.33


def test_an_edit_that_names_somebody_who_cannot_be_reached_opens_a_gap(api: Api) -> None:
    reachable(api, ADA.id)
    schedule = made(api, layer(ADA.id))
    policy(api, "Shop", [Target("schedule", schedule["id"])])
    edited = schedule["schedule_layers"][0] | {"users": [{"user": {"id": BO.id, "type": "user_reference"}}]}
    body = {"schedule": {"id": schedule["id"], "time_zone": "UTC", "schedule_layers": [edited]}}
    (change,) = api.ask("POST", "/schedules/preview", body, ours=True).body["schedule"]["coverage_changes"]
    (opened,) = change["opens"]
    assert [cause["words"] for cause in opened["causes"]] == ["Bo has no contact method that can be used"]


def test_what_makes_no_sense_is_refused(api: Api) -> None:
    for query in (
        [("until", "2026-11-22T09:00:00Z")],
        [("since", "2026-11-23T09:00:00Z"), ("until", "2027-11-23T09:00:00Z")],
        [("since", "0001-01-01T00:00:00Z")],
        [("time_zone", "Mars/Base")],
    ):
        assert api.ask("GET", "/api/v1/coverage", query=query, ours=True).status == 400
    assert api.ask("GET", "/api/v1/coverage", who="nobody", ours=True).status == 401


# ------------------------------------------------------------------------------------------------------------ previews


def tried(api: Api, method: str, path: str, body: dict[str, Any] | None = None, *, who: str = "cy", status: int = 200, **query: str) -> Any:
    """What a request would change, in words; nothing may be kept."""
    before = state(api.house.db)
    wish = {"method": method, "path": path, "body": body, "query": query}
    reply = api.ask("POST", "/api/v1/coverage/preview", {"change": wish}, query=[("until", "2026-11-24T09:00:00Z")], who=who, ours=True)
    assert reply.status == status, reply.body
    assert state(api.house.db) == before
    if status != 200:
        return reply.body["error"]
    assert len({one["escalation_policy"]["id"] for one in reply.body["coverage_preview"]["coverage_changes"]}) <= 1
    return {
        (one["service"] or one["escalation_policy"])["summary"]: {word: [(part["start"][8:16], part["end"][8:16]) for part in one[word]] for word in ("opens", "closes", "later") if one[word]}
        for one in reply.body["coverage_preview"]["coverage_changes"]
    }  # fmt: skip


def test_any_change_can_be_tried_and_says_what_it_opens_and_closes(api: Api) -> None:
    reachable(api, ADA.id, BO.id)
    methods = api.ask("GET", f"/users/{ADA.id}/contact_methods").body["contact_methods"]
    office = made(api, layer(ADA.id, restrictions=OFFICE))
    policy_id = policy(api, "Shop", [Target("schedule", office["id"])])
    night = {"start": "2026-11-23T17:00:00Z", "end": "2026-11-24T08:00:00Z", "user": {"id": BO.id, "type": "user_reference"}}
    assert tried(api, "POST", f"/schedules/{office['id']}/overrides", {"overrides": [night]}) == {"Shop": {"closes": [("23T17:00", "24T08:00")]}}
    assert tried(api, "DELETE", f"/users/{ADA.id}/contact_methods/{methods[0]['id']}") == {"Shop": {"opens": [("23T09:00", "23T17:00")]}}
    levels = [{"escalation_delay_in_minutes": 5, "targets": [{"id": BO.id, "type": "user_reference"}]}]
    edited = {"escalation_policy": {"escalation_rules": levels}}
    assert tried(api, "PUT", f"/escalation_policies/{policy_id}", edited) == {"Shop": {"closes": [("23T17:00", "24T09:00")]}}
    assert tried(api, "PUT", f"/users/{ADA.id}", {"user": {"name": "Ada"}}) == {}
    assert tried(api, "DELETE", f"/users/{ADA.id}", replace_by=BO.id) == {}
    assert tried(api, "DELETE", f"/users/{ADA.id}", replace_by=CY.id) == {"Shop": {"opens": [("23T09:00", "23T17:00")]}}

    made_id = api.ask("POST", f"/schedules/{office['id']}/overrides", {"overrides": [night]}).body[0]["override"]["id"]
    assert tried(api, "DELETE", f"/schedules/{office['id']}/overrides/{made_id}") == {"Shop": {"opens": [("23T17:00", "24T08:00")]}}
    new = {"escalation_policy": {"name": "Desk", "escalation_rules": [levels[0] | {"targets": [{"id": CY.id, "type": "user_reference"}]}]}}
    assert tried(api, "POST", "/escalation_policies", new) == {"Desk": {"opens": [("23T09:00", "24T09:00")]}}


def test_a_slower_rule_is_told_as_later_and_a_service_by_itself(api: Api) -> None:
    reachable(api, ADA.id, BO.id)
    rules = api.ask("GET", f"/users/{ADA.id}/notification_rules", query=[("urgency", "all")]).body["notification_rules"]
    policy_id = policy(api, "Shop", [Target("user", ADA.id)], [Target("user", BO.id)])
    method = api.ask("GET", f"/users/{ADA.id}/contact_methods").body["contact_methods"][0]
    slow = {"type": "assignment_notification_rule", "start_delay_in_minutes": 20, "urgency": "high", "contact_method": {"id": method["id"], "type": method["type"]}}
    assert rules == []
    assert tried(api, "POST", f"/users/{ADA.id}/notification_rules", {"notification_rule": slow}) == {"Shop": {"later": [("23T09:00", "24T09:00")]}}

    reference = {"id": policy_id, "type": "escalation_policy_reference"}
    service = api.ask("POST", "/services", {"service": {"name": "Till", "escalation_policy": reference}}).body["service"]
    low = {"type": "assignment_notification_rule", "start_delay_in_minutes": 60, "urgency": "low", "contact_method": {"id": method["id"], "type": method["type"]}}
    assert api.ask("POST", f"/users/{ADA.id}/notification_rules", {"notification_rule": low}).status == 201
    hours = {"type": "fixed_time_per_day", "time_zone": "UTC", "start_time": "09:00:00", "end_time": "17:00:00", "days_of_week": [1, 2, 3, 4, 5]}
    urgency = {
        "type": "use_support_hours", "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    }  # fmt: skip
    quiet = {"service": {"incident_urgency_rule": urgency, "support_hours": hours}}
    assert tried(api, "PUT", f"/services/{service['id']}", quiet) == {"Till": {"later": [("23T17:00", "24T09:00")]}}
    assert api.ask("PUT", f"/services/{service['id']}", quiet).status == 200
    (one,) = asked(api, ("until", "2026-11-24T09:00:00Z"))["policies"]
    (own,) = one["by_service"]
    assert (own["service"]["summary"], own["gaps"], own["weak"][0]["wait_seconds"]) == ("Till", [], 3600)
    assert own["weak"][0]["causes"][0] == {
        "kind": "low_urgency", "level": 0, "about": service["id"], "words": "incidents of Till are of low urgency then, and do not escalate",
    }  # fmt: skip


def test_what_would_be_refused_is_refused_with_the_same_words(api: Api) -> None:
    policy(api, "Shop", [Target("user", ADA.id)])
    assert "User is on escalation policy 'Shop'" in tried(api, "DELETE", f"/users/{ADA.id}", status=400)["errors"][0]
    tried(api, "DELETE", f"/users/{ADA.id}", who="ada", status=403)
    tried(api, "DELETE", "/users/PNONE", status=404)
    tried(api, "DELETE", f"/users/{ADA.id}/contact_methods/PNONE", who="reader", status=403)
    for method, path in (("GET", f"/users/{ADA.id}"), ("POST", "/incidents"), ("DELETE", "/nothing"), ("TRACE", "/users")):
        assert "change must be a request that changes" in tried(api, method, path, status=400)["errors"][0]
