"""Coverage over the API: the gaps, the weak stretches and the doubles of what the asker may see."""

from typing import Any

from tests.api.conftest import Api
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
