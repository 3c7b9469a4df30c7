"""A dry run over the API says who would be paged at an instant, level by level, and keeps nothing."""

from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_coverage import OFFICE, reachable
from tests.api.test_escalation_policies import level
from tests.api.test_schedules import layer, made
from tests.api.test_services import made as service_made
from tests.api.test_services import policy
from tests.people import ADA, BO, CY
from tocsin.store.tables.services import round_robin


def ran(api: Api, path: str, *query: tuple[str, str], who: str = "ada") -> dict[str, Any]:
    reply = api.ask("GET", f"/api/v1/{path}/dry_run", query=query, who=who, ours=True)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.body["dry_run"]
    return found


def told(found: dict[str, Any]) -> list[tuple[str, int, list[str]]]:
    return [(step["at"][11:16], step["escalation_level"], [one["user"]["summary"] for one in step["people"]]) for step in found["steps"]]


def test_each_level_is_asked_who_is_there_when_the_incident_comes_to_it(api: Api) -> None:
    reachable(api, ADA.id, BO.id)
    office = made(api, layer(ADA.id, restrictions=OFFICE))["id"]
    rules = [level({"id": office, "type": "schedule_reference"}, minutes=30), level({"id": BO.id, "type": "user_reference"}, minutes=20)]
    policy_id = policy(api, escalation_rules=rules, num_loops=1)
    by_day = ran(api, f"escalation_policies/{policy_id}", ("at", "2026-11-24T10:00:00Z"))
    assert told(by_day) == [("10:00", 1, ["Ada"]), ("10:30", 2, ["Bo"]), ("10:50", 1, ["Ada"]), ("11:20", 2, ["Bo"])]
    assert [step["round"] for step in by_day["steps"]] == [1, 1, 2, 2]
    assert by_day["steps"][0]["people"][0]["schedule"]["id"] == office
    assert by_day["steps"][0]["people"][0]["pages"] == [{"at": "2026-11-24T10:00:00Z", "by": "email"}]
    assert by_day["end"] == {"at": "2026-11-24T11:40:00Z", "words": "The policy ends: nobody else is paged, and the last people keep it", "skipped": []}
    evening = ran(api, f"escalation_policies/{policy_id}", ("at", "2026-11-24T16:45:00Z"))
    assert told(evening) == [("16:45", 1, ["Ada"]), ("17:15", 2, ["Bo"]), ("17:35", 2, ["Bo"])]
    assert evening["steps"][2]["skipped"] == [{"escalation_level": 1, "reason": "nobody is on call on First line"}]


def test_a_ring_begins_where_it_stands_and_no_turn_is_used(api: Api) -> None:
    targets = [{"id": one.id, "type": "user_reference"} for one in (ADA, BO)]
    policy_id = policy(api, escalation_rules=[level(*targets, minutes=10, escalation_rule_assignment_strategy="round_robin")], num_loops=1)
    found = ran(api, f"escalation_policies/{policy_id}")
    assert [people for _, _, people in told(found)] == [["Ada"], ["Bo"], ["Bo"], ["Ada"]]
    assert found["steps"][0]["people"][0]["pages"] == []
    with api.house.db.read() as tx:
        assert tx.rows(sa.select(round_robin)) == []


def test_a_service_says_how_urgent_it_would_be_and_low_urgency_stays(api: Api) -> None:
    reachable(api, ADA.id)
    rules = [level({"id": ADA.id, "type": "user_reference"}), level({"id": CY.id, "type": "user_reference"})]
    service = service_made(api, "Shop", policy(api, escalation_rules=rules), incident_urgency_rule={"type": "constant", "urgency": "low"})
    low = ran(api, f"services/{service['id']}")
    assert (low["urgency"], told(low), low["end"]["at"]) == ("low", [("09:00", 1, ["Ada"])], None)
    assert "does not escalate" in low["end"]["words"]
    assert len(ran(api, f"escalation_policies/{service['escalation_policy']['id']}")["steps"]) == 2


def test_with_nobody_it_says_so_and_of_what_makes_no_sense_too(api: Api) -> None:
    office = made(api, layer(ADA.id, restrictions=OFFICE))["id"]
    policy_id = policy(api, escalation_rules=[level({"id": office, "type": "schedule_reference"})])
    found = ran(api, f"escalation_policies/{policy_id}", ("at", "2026-11-24T03:00:00Z"))
    assert (found["steps"], found["end"]["skipped"]) == ([], [{"escalation_level": 1, "reason": "nobody is on call on First line"}])
    assert found["end"]["words"].startswith("Nobody is on call on any level")
    for query in ([("at", "yesterday")], [("at", "0001-01-01T00:00:00Z")], [("urgency", "mid")]):
        assert api.ask("GET", f"/api/v1/escalation_policies/{policy_id}/dry_run", query=query, ours=True).status == 400
    assert api.ask("GET", "/api/v1/escalation_policies/PNONE/dry_run", ours=True).status == 404
