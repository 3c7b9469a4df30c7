"""Escalation policies over the API: levels, targets, strategies, limits, and who may not be deleted (BEHAVIOUR 4)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy
from tests.people import ADA, BO, CY
from tocsin.store import policies as store
from tocsin.store.policies import Turn
from tocsin.store.tables.services import policy_target, round_robin

USER = {"id": ADA.id, "type": "user_reference"}


def level(*targets: dict[str, str], minutes: int = 5, **more: object) -> dict[str, Any]:
    return {"escalation_delay_in_minutes": minutes, "targets": list(targets), **more}


def put(api: Api, policy_id: str, **fields: object) -> dict[str, Any]:
    reply = api.ask("PUT", f"/escalation_policies/{policy_id}", {"escalation_policy": fields})
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.body["escalation_policy"]
    return body


def test_a_policy_is_made_read_changed_and_deleted(api: Api) -> None:
    policy_id = policy(api, description="Who to wake", num_loops=2)
    shown = api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]
    assert (shown["name"], shown["description"], shown["num_loops"]) == ("Ladder", "Who to wake", 2)
    assert shown["on_call_handoff_notifications"] == "if_has_services"
    (rule,) = shown["escalation_rules"]
    assert rule["escalation_delay_in_minutes"] == 5
    assert rule["targets"] == [
        {
            "id": ADA.id, "type": "user_reference", "summary": "Ada",
            "self": f"https://tocsin.example.org/users/{ADA.id}", "html_url": f"https://tocsin.example.org/users/{ADA.id}",
        },
    ]  # fmt: skip
    assert "escalation_rule_assignment_strategy" not in rule
    changed = put(api, policy_id, name="Stairs")
    assert (changed["name"], changed["num_loops"], changed["escalation_rules"]) == ("Stairs", 2, shown["escalation_rules"])
    assert api.ask("DELETE", f"/escalation_policies/{policy_id}").status == 204
    assert api.ask("GET", f"/escalation_policies/{policy_id}").status == 404


@pytest.mark.parametrize("type_", ["user", "user_reference"])
def test_targets_read_back_as_references(api: Api, type_: str) -> None:
    policy_id = policy(api, escalation_rules=[level({"id": BO.id, "type": type_})])
    (rule,) = api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]["escalation_rules"]
    assert (rule["targets"][0]["id"], rule["targets"][0]["type"]) == (BO.id, "user_reference")


@pytest.mark.parametrize("sent", ["round_robin", {"type": "round_robin"}, [{"type": "round_robin"}]])
def test_a_strategy_is_told_as_an_object_when_asked_for(api: Api, sent: object) -> None:
    rules = [level(USER, {"id": BO.id, "type": "user_reference"}, escalation_rule_assignment_strategy=sent), level(USER)]
    policy_id = policy(api, escalation_rules=rules)
    query = [("include[]", "escalation_rule_assignment_strategies")]
    shown = api.ask("GET", f"/escalation_policies/{policy_id}", query=query).body["escalation_policy"]
    told = [rule["escalation_rule_assignment_strategy"] for rule in shown["escalation_rules"]]
    assert told == [{"type": "round_robin"}, {"type": "assign_to_everyone"}]


def test_the_name_is_unique_and_the_refusal_is_pagerdutys(api: Api) -> None:
    policy(api)
    body = {"escalation_policy": {"name": "Ladder", "escalation_rules": [level(USER)]}}
    reply = api.ask("POST", "/escalation_policies", body)
    assert reply.status == 400
    assert reply.body == {"error": {"message": "Escalation Policy has already been taken", "code": 2001}}


def test_levels_keep_their_ids_when_others_come_go_or_change(api: Api) -> None:
    ada, bo, cy = ({"id": one.id, "type": "user_reference"} for one in (ADA, BO, CY))
    policy_id = policy(api, escalation_rules=[level(ada), level(bo)])
    first, second = (rule["id"] for rule in put(api, policy_id)["escalation_rules"])

    between = put(api, policy_id, escalation_rules=[level(ada), level(cy), level(bo)])["escalation_rules"]
    assert (between[0]["id"], between[2]["id"]) == (first, second)
    assert between[1]["id"] not in {first, second}

    swapped = put(api, policy_id, escalation_rules=[level(bo), level(ada)])["escalation_rules"]
    assert [rule["id"] for rule in swapped] == [second, first]

    changed = put(api, policy_id, escalation_rules=[level(bo, minutes=9), level(ada)])["escalation_rules"]
    assert [rule["id"] for rule in changed] == [second, first]

    named = put(api, policy_id, escalation_rules=[level(cy, id=first), level(cy, minutes=3)])["escalation_rules"]
    assert named[0]["id"] == first


def test_a_level_that_goes_takes_its_turn_with_it_and_targets_follow_the_rules(api: Api) -> None:
    policy_id = policy(api, escalation_rules=[level(USER), level({"id": BO.id, "type": "user_reference"})])
    kept, gone = (rule["id"] for rule in put(api, policy_id)["escalation_rules"])
    with api.house.db.write() as tx:
        store.set_turns(tx, {kept: Turn(3, ADA.id), gone: Turn(4, BO.id)})
    put(api, policy_id, escalation_rules=[level(USER)])
    with api.house.db.read() as tx:
        assert [row.rule_id for row in tx.rows(sa.select(round_robin))] == [kept]
        assert [row.target_id for row in tx.rows(sa.select(policy_target))] == [ADA.id]


def test_an_update_that_changes_nothing_leaves_no_trace(api: Api) -> None:
    policy_id = policy(api, description="x")
    shown = api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]
    before = audited(api)
    assert put(api, policy_id, **shown) == shown
    assert audited(api) == before


def test_a_policy_in_use_is_not_deleted_and_the_refusal_names_the_services(api: Api) -> None:
    policy_id = policy(api)
    service = made(api, "Checkout", policy_id)
    reply = api.ask("DELETE", f"/escalation_policies/{policy_id}")
    assert (reply.status, reply.body["error"]["code"]) == (400, 2001)
    assert reply.body["error"]["errors"] == [f"The escalation policy is used by the service 'Checkout' ({service['id']})"]
    assert api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]["services"][0]["summary"] == "Checkout"
    assert api.ask("DELETE", f"/services/{service['id']}").status == 204
    assert api.ask("DELETE", f"/escalation_policies/{policy_id}").status == 204


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Name must have between 1 and 255"),
        ({"escalation_rules": []}, "needs at least one level"),
        ({"escalation_rules": [level(USER)] * 21}, "May have at most 20 escalation rules"),
        ({"escalation_rules": [level()]}, "needs at least one target"),
        ({"escalation_rules": [level(*({"id": f"P{n}", "type": "user"} for n in range(11)))]}, "May have at most 10 escalation targets"),
        ({"escalation_rules": [level(USER, USER)]}, "names the same target twice"),
        ({"escalation_rules": [level(USER, minutes=0)]}, "between 1 and 1440 minutes"),
        ({"escalation_rules": [level(USER, minutes=1441)]}, "between 1 and 1440 minutes"),
        ({"escalation_rules": [level({"id": "PNOBODY", "type": "user_reference"})]}, "Target user PNOBODY does not exist"),
        ({"escalation_rules": [level({"id": "PNONE", "type": "schedule_reference"})]}, "Target schedule PNONE does not exist"),
        ({"escalation_rules": [level({"id": ADA.id, "type": "team_reference"})]}, "A target must be"),
        ({"escalation_rules": [level(USER, escalation_rule_assignment_strategy="dice")]}, "strategy must be one of"),
        ({"num_loops": 10}, "Number of loops must be between 0 and 9"),
        ({"num_loops": -1}, "Number of loops must be between 0 and 9"),
        ({"on_call_handoff_notifications": "never"}, "must be one of if_has_services, always"),
        ({"teams": [{"id": "A", "type": "team_reference"}, {"id": "B", "type": "team_reference"}]}, "Only one team"),
        ({"teams": [{"id": "PNONE", "type": "team_reference"}]}, "Team Not Found"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_its_reason(api: Api, fields: dict[str, Any], words: str) -> None:
    body = {"name": "Wrong", "escalation_rules": [level(USER)], **fields}
    reply = api.ask("POST", "/escalation_policies", {"escalation_policy": body})
    assert reply.status in {400, 404}
    assert words in " ".join(reply.body["error"]["errors"])
    assert api.ask("GET", "/escalation_policies").body["escalation_policies"] == []


def test_lists_are_found_by_words_people_team_and_order(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]
    policy(api, "Ours", teams=[{"id": team["id"], "type": "team_reference"}])
    policy(api, "Theirs", escalation_rules=[level({"id": BO.id, "type": "user_reference"})])

    def names(*query: tuple[str, str]) -> list[str]:
        found = api.ask("GET", "/escalation_policies", query=query).body["escalation_policies"]
        return [one["name"] for one in found]

    assert names() == ["Ours", "Theirs"]
    assert names(("sort_by", "name:desc")) == ["Theirs", "Ours"]
    assert names(("query", "thei")) == ["Theirs"]
    assert names(("user_ids[]", BO.id)) == ["Theirs"]
    assert names(("team_ids[]", team["id"])) == ["Ours"]


def test_included_things_are_whole(api: Api) -> None:
    policy_id = policy(api)
    made(api, "Checkout", policy_id)
    query = [("include[]", word) for word in ("services", "teams", "targets")]
    shown = api.ask("GET", f"/escalation_policies/{policy_id}", query=query).body["escalation_policy"]
    assert shown["services"][0]["status"] == "active"
    assert shown["escalation_rules"][0]["targets"][0]["email"] == ADA.email


def test_somebody_on_a_teams_policy_stays_in_the_team(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]
    api.ask("PUT", f"/teams/{team['id']}/users/{ADA.id}")
    policy_id = policy(api)
    assert api.ask("PUT", f"/teams/{team['id']}/escalation_policies/{policy_id}").status == 204
    reply = api.ask("DELETE", f"/teams/{team['id']}/users/{ADA.id}")
    sentence = "User cannot be removed as they belong to an escalation policy on this team"
    assert (reply.status, reply.body["error"]["code"], reply.body["error"]["errors"]) == (400, 2001, [sentence])
    assert api.ask("DELETE", f"/teams/{team['id']}/escalation_policies/{policy_id}").status == 204
    assert api.ask("DELETE", f"/teams/{team['id']}/users/{ADA.id}").status == 204


def test_a_policy_that_is_not_the_teams_leaves_it_all_the_same(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]
    policy_id = policy(api)
    assert api.ask("DELETE", f"/teams/{team['id']}/escalation_policies/{policy_id}").status == 204
    assert api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]["teams"] == []


def test_all_of_a_ring_are_on_call(api: Api) -> None:
    ring = level(*({"id": one.id, "type": "user_reference"} for one in (ADA, BO, CY)), escalation_rule_assignment_strategy={"type": "round_robin"})
    policy(api, escalation_rules=[ring])
    held = api.ask("GET", "/oncalls").body["oncalls"]
    assert [(one["user"]["summary"], one["escalation_level"], one["start"], one["end"]) for one in held] == [(name, 1, None, None) for name in ("Ada", "Bo", "Cy")]


def test_the_most_that_is_allowed_is_taken(api: Api) -> None:
    people = [{"id": one.id, "type": "user_reference"} for one in (ADA, BO, CY)]
    policy_id = policy(api, "L" * 255, description="D" * 1024, num_loops=9, escalation_rules=[level(*people, minutes=1440)] * 20)
    shown = api.ask("GET", f"/escalation_policies/{policy_id}").body["escalation_policy"]
    assert (len(shown["escalation_rules"]), shown["num_loops"], len({rule["id"] for rule in shown["escalation_rules"]})) == (20, 9, 20)
    for fields, words in (({"name": "L" * 256}, "Name must have between 1 and 255 characters"), ({"description": "D" * 1025}, "Description may have at most 1024 characters")):
        reply = api.ask("PUT", f"/escalation_policies/{policy_id}", {"escalation_policy": fields})
        assert (reply.status, reply.body["error"]["errors"]) == (400, [words])


def test_a_policys_changes_are_audited_under_pagerdutys_names(api: Api) -> None:
    policy_id = policy(api)
    api.later(minutes=1)
    put(api, policy_id, num_loops=3, escalation_rules=[level(USER, minutes=7)])
    newest, first = api.ask("GET", f"/escalation_policies/{policy_id}/audit/records").body["records"]
    assert (newest["action"], first["action"]) == ("update", "create")
    assert {field["name"] for field in newest["details"]["fields"]} == {"num_loops", "escalation_rules"}
