"""Updates of incidents, one and many at once: what is refused changes nothing, and what is so already changes nothing (BEHAVIOUR 3.1)."""

from typing import Any

from tests.api.conftest import Api
from tests.api.test_incidents import changed, desk, error, house, made, owed
from tests.people import ADA, BO
from tests.sending import save_service, user

__all__ = ["desk", "house"]  # fixtures

BO_ = {"id": BO.id, "type": "user_reference"}
GOOD = {"title": "Other words", "priority": "P1"}


def seen(api: Api, incident: dict[str, Any]) -> tuple[dict[str, Any], int, list[str]]:
    """The whole incident, how much happened to it, and who is owed a page."""
    words = [("include[]", word) for word in ("body", "custom_fields", "conference_bridge")]
    whole = api.ask("GET", f"/incidents/{incident['id']}", query=words).body["incident"]
    log = api.ask("GET", f"/incidents/{incident['id']}/log_entries", query=[("limit", "100")]).body["log_entries"]
    return whole, len(log), owed(api)


BAD: tuple[tuple[dict[str, Any], tuple[int, int]], ...] = (
    ({"status": "gone"}, (400, 2001)),
    ({"title": ""}, (400, 2001)),
    ({"title": "x" * 1025}, (400, 2001)),
    ({"priority": "P9"}, (400, 1020)),
    ({"priority": {"id": "PNONE", "type": "priority_reference"}}, (400, 1020)),
    ({"escalation_level": 0}, (400, 2001)),
    ({"escalation_level": 7}, (400, 1006)),
    ({"assignments": [{"assignee": {"id": "PNONE", "type": "user_reference"}}]}, (400, 1007)),
    ({"assignments": []}, (400, 1007)),
    ({"escalation_policy": {"id": "PNONE", "type": "escalation_policy_reference"}}, (400, 1014)),
    ({"assignments": [{"assignee": BO_}], "escalation_policy": {"id": "PPOL001", "type": "escalation_policy_reference"}}, (400, 2001)),
    ({"urgency": "middling"}, (400, 2001)),
    ({"incident_type": {"name": "none"}}, (400, 2001)),
    ({"conference_bridge": {"conference_url": "x" * 2049}}, (400, 2001)),
    ({"service": {"id": "PNONE", "type": "service_reference"}}, (404, 2100)),
)
"""What breaks a rule of BEHAVIOUR 3.1, and how it is refused."""


def test_a_refused_update_changes_nothing_whatever_else_it_asked_for(desk: Api) -> None:
    incident = made(desk)
    before = seen(desk, incident)
    for wish, expected in BAD:
        assert error(changed(desk, incident, **(GOOD | wish))) == expected, wish
        assert seen(desk, incident) == before, wish


def test_one_wrong_item_of_many_leaves_all_as_they_were(desk: Api) -> None:
    incidents = [made(desk, title=f"Slow {number}") for number in range(3)]
    before = [seen(desk, one) for one in incidents]
    for wish, expected in (*BAD[:-1], ({"status": "triggered", "escalation_level": 9}, (400, 1006))):
        items = [{"id": one["id"], "type": "incident_reference", "status": "acknowledged", **GOOD} for one in incidents]
        items[1] |= wish
        assert error(desk.ask("PUT", "/incidents", {"incidents": items}, who="ada")) == expected, wish
        assert [seen(desk, one) for one in incidents] == before, wish


def test_saying_what_is_so_already_changes_nothing_and_pages_nobody(desk: Api) -> None:
    save_service(desk.house.db, desk.now, [user(BO.id)], service_id="PSRV002", name="Other", routing_key="e" * 32)
    kinds = {"name": "security", "display_name": "Security", "parent_type": "incident_default"}
    assert desk.ask("POST", "/incidents/types", {"incident_type": kinds}).status == 201
    wishes: tuple[dict[str, Any], ...] = (
        {"title": "Other words"},
        {"priority": "P2"},
        {"priority": None},
        {"urgency": "low"},
        {"urgency": "high"},
        {"conference_bridge": {"conference_number": "+1 415-555-1212,,,,1234#", "conference_url": "https://meet.example.org/1"}},
        {"incident_type": {"name": "security"}},
        {"escalation_level": 2},
        {"assignments": [{"assignee": BO_}]},
        {"escalation_policy": {"id": "PPOL002", "type": "escalation_policy_reference"}},
        {"service": {"id": "PSRV002", "type": "service_reference"}},
        {"status": "acknowledged"},
    )
    incident = made(desk)
    for wish in wishes:
        assert changed(desk, incident, **wish).status == 200, wish
        before = seen(desk, incident)
        desk.later(seconds=1)
        assert changed(desk, incident, **wish).status == 200, wish
        assert seen(desk, incident) == before, wish
    assert changed(desk, incident, status="resolved", resolution="Done").status == 200
    before = seen(desk, incident)
    assert error(changed(desk, incident, status="resolved")) == (400, 1001)
    assert seen(desk, incident) == before
    assert ADA.id not in owed(desk)
