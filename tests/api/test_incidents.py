"""Incidents over the API: listed, made, changed, merged and snoozed by PagerDuty's rules (BEHAVIOUR 3.1 and 7)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO, CY
from tests.sending import event, save_service, save_ways, send, user
from tocsin.api.kernel.call import House, Reply
from tocsin.base.secret import Seals
from tocsin.store.db import Database
from tocsin.store.tables import engine, people, services


@pytest.fixture
def house(db: Database, seals: Seals, chance: Any) -> House:
    """Here on both databases: lists and locks differ between them."""
    return House(db=db, seals=seals, chance=chance, base_url="https://tocsin.example.org")


@pytest.fixture
def desk(api: Api) -> Api:
    """Ada on the first level of the service Database, Bo on the second; both can be reached. P1 and P2 exist."""
    save_ways(api.house.db, api.now, ADA.id, BO.id)
    save_service(api.house.db, api.now, [user(ADA.id)], [user(BO.id)])
    with api.house.db.write() as tx:
        for at, name in enumerate(("P1", "P2"), start=1):
            row = {"id": f"PPRIO0{at}", "name": name, "color": "ff0000", "order": at, "created_at": api.now}
            tx.execute(sa.insert(services.priority), [row])
    return api


def sent(api: Api, *bodies: dict[str, Any]) -> None:
    send(api.house.db, list(bodies), api.now, api.house.chance)


def made(api: Api, *, who: str = "cy", **more: Any) -> dict[str, Any]:
    wish = {"type": "incident", "title": "Slow", "service": {"id": "PSRV001", "type": "service_reference"}, **more}
    reply = api.ask("POST", "/incidents", {"incident": wish}, who=who)
    assert reply.status == 201, reply.body
    incident: dict[str, Any] = reply.body["incident"]
    api.later(seconds=1)
    return incident


def changed(api: Api, incident: dict[str, Any], *, who: str = "ada", **more: Any) -> Reply:
    return api.ask("PUT", f"/incidents/{incident['id']}", {"incident": {"type": "incident_reference", **more}}, who=who)


def titles(api: Api, *query: tuple[str, str], who: str = "cy") -> list[str]:
    reply = api.ask("GET", "/incidents", query=query, who=who)
    assert reply.status == 200, reply.body
    return [incident["title"] for incident in reply.body["incidents"]]


def error(reply: Reply) -> tuple[int, int]:
    assert reply.status >= 400, reply.body
    return reply.status, reply.body["error"]["code"]


def owed(api: Api) -> list[str]:
    """Who is owed a page."""
    with api.house.db.read() as tx:
        rows = tx.rows(sa.select(engine.outbox.c.user_id).where(engine.outbox.c.state == "due"))
    return sorted({row.user_id for row in rows})


# --- One incident as it is shown


def test_an_incident_is_shown_with_everything_that_clients_read(desk: Api) -> None:
    sent(desk, event())
    (shown,) = desk.ask("GET", "/incidents").body["incidents"]
    assert shown["summary"] == f"[#{shown['incident_number']}] Disk full on db1"
    assert (shown["status"], shown["urgency"], shown["incident_key"]) == ("triggered", "high", "disk")
    assert shown["self"] == f"https://tocsin.example.org/incidents/{shown['id']}"
    assert shown["service"]["summary"] == "Database"
    assert [one["assignee"]["summary"] for one in shown["assignments"]] == ["Ada"]
    assert shown["assigned_via"] == "escalation_policy"
    assert shown["pending_actions"] == [
        {"type": "escalate", "at": "2026-11-23T09:10:00Z"},
        {"type": "resolve", "at": "2026-11-23T13:00:00Z"},
    ]
    assert shown["alert_counts"] == {"all": 1, "triggered": 1, "resolved": 0}
    assert shown["escalation_policy"]["summary"] == "Database policy"
    assert shown["first_trigger_log_entry"]["type"] == "trigger_log_entry_reference"
    assert shown["last_status_change_by"]["type"] == "integration_reference"
    assert shown["incident_type"] == {"name": "incident_default"}
    assert shown["is_mergeable"] is True
    assert shown["priority"] is shown["resolve_reason"] is shown["resolved_at"] is None


def test_an_incident_is_found_by_its_id_and_by_its_number(desk: Api) -> None:
    incident = made(desk)
    by_number = desk.ask("GET", f"/incidents/{incident['incident_number']}").body["incident"]
    assert by_number["id"] == incident["id"]
    assert error(desk.ask("GET", "/incidents/QNOTTHERE00000")) == (404, 2100)
    assert error(desk.ask("GET", "/incidents/999999")) == (404, 2100)


def test_what_it_refers_to_is_whole_when_asked_for(desk: Api) -> None:
    incident = made(
        desk,
        priority={"id": "PPRIO01", "type": "priority_reference"},
        body={"type": "incident_body", "details": "look"},
    )
    words = [
        "acknowledgers", "agents", "assignees", "body", "conference_bridge", "custom_fields", "escalation_policies",
        "first_trigger_log_entries", "priorities", "services", "teams", "users",
    ]  # fmt: skip
    shown = desk.ask("GET", f"/incidents/{incident['id']}", query=[("include[]", word) for word in words]).body[
        "incident"
    ]
    assert shown["assignments"][0]["assignee"]["email"] == ADA.email
    assert shown["service"]["escalation_policy"]["summary"] == "Database policy"
    assert shown["escalation_policy"]["escalation_rules"]
    assert shown["priority"]["name"] == "P1"
    assert shown["first_trigger_log_entry"]["channel"]["details"] == "look"
    assert shown["body"]["details"] == "look"
    assert shown["custom_fields"] == []
    assert error(desk.ask("GET", "/incidents", query=[("include[]", "everything")])) == (400, 2002)


def test_times_are_in_the_zone_that_is_asked_for(desk: Api) -> None:
    made(desk)
    (shown,) = desk.ask("GET", "/incidents", query=[("time_zone", "Asia/Tokyo")]).body["incidents"]
    assert shown["created_at"] == "2026-11-23T18:00:00+09:00"


def test_its_team_is_the_policys(desk: Api) -> None:
    team_id = desk.ask("POST", "/teams", {"team": {"name": "Storage"}}).body["team"]["id"]
    save_service(
        desk.house.db,
        desk.now,
        [user(ADA.id)],
        service_id="PSRV002",
        name="Discs",
        routing_key="e" * 32,
        team_id=team_id,
    )
    made(desk)
    mine = made(desk, title="Disc", service={"id": "PSRV002", "type": "service_reference"})
    assert [team["summary"] for team in mine["teams"]] == ["Storage"]
    assert titles(desk, ("team_ids[]", team_id)) == ["Disc"]
    assert titles(desk, ("team_ids[]", "PNOBODY")) == []


# --- Lists


def test_a_list_reaches_back_a_month_unless_asked_otherwise(desk: Api) -> None:
    made(desk, title="Old")
    desk.later(days=31)
    made(desk, title="New")
    assert titles(desk) == ["New"]
    assert titles(desk, ("date_range", "all")) == ["Old", "New"]
    assert titles(desk, ("since", "2026-11-01T00:00:00Z")) == ["Old", "New"]
    assert titles(desk, ("since", "2026-11-01T00:00:00Z"), ("until", "2026-12-01T00:00:00Z")) == ["Old"]
    assert error(desk.ask("GET", "/incidents", query=[("since", "2026-01-01"), ("until", "2026-12-01")])) == (400, 2002)
    assert error(desk.ask("GET", "/incidents", query=[("since", "yesterday")])) == (400, 2004)
    assert error(desk.ask("GET", "/incidents", query=[("date_range", "some")])) == (400, 2002)


def test_a_list_is_narrowed_by_everything_it_may_be_narrowed_by(desk: Api) -> None:
    save_service(desk.house.db, desk.now, [user(BO.id)], service_id="PSRV002", name="Web", routing_key="e" * 32)
    made(desk, title="A")
    made(desk, title="B", urgency="low", incident_key="b-key")
    third = made(desk, title="C", service={"id": "PSRV002", "type": "service_reference"})
    changed(desk, third, status="resolved")
    sent(desk, event(key="disk-7", summary="D"))
    assert titles(desk, ("statuses[]", "triggered")) == ["A", "B", "D"]
    assert titles(desk, ("statuses[]", "triggered"), ("statuses[]", "resolved")) == ["A", "B", "C", "D"]
    assert titles(desk, ("urgencies[]", "low")) == ["B"]
    assert titles(desk, ("service_ids[]", "PSRV002")) == ["C"]
    assert titles(desk, ("service_ids[]", "PSRV001"), ("urgencies[]", "high"), ("statuses[]", "triggered")) == [
        "A",
        "D",
    ]
    assert sorted(titles(desk, ("user_ids[]", ADA.id))) == ["A", "B", "D"]
    assert titles(desk, ("user_ids[]", BO.id)) == [], "what is resolved is nobody's"
    assert titles(desk, ("incident_key", "b-key")) == ["B"]
    assert titles(desk, ("incident_key", "disk-7")) == ["D"], "the key of an alert counts too"
    assert error(desk.ask("GET", "/incidents", query=[("statuses[]", "open")])) == (400, 2002)
    assert error(desk.ask("GET", "/incidents", query=[("urgencies[]", "medium")])) == (400, 2002)


def test_a_list_is_sorted_as_asked_and_paged_truthfully(desk: Api) -> None:
    for title in "ABCDE":
        made(desk, title=title, urgency="low" if title in "BD" else "high")
        desk.later(minutes=1)
    assert titles(desk) == list("ABCDE")
    assert titles(desk, ("sort_by", "created_at:desc")) == list("EDCBA")
    assert titles(desk, ("sort_by", "incident_number:desc")) == list("EDCBA")
    assert titles(desk, ("sort_by", "urgency:desc,created_at:desc")) == list("ECADB")
    page = desk.ask("GET", "/incidents", query=[("limit", "2"), ("offset", "2"), ("total", "true")]).body
    assert [one["title"] for one in page["incidents"]] == ["C", "D"]
    assert (page["limit"], page["offset"], page["more"], page["total"]) == (2, 2, True, 5)
    assert desk.ask("GET", "/incidents", query=[("offset", "4")]).body["more"] is False
    assert error(desk.ask("GET", "/incidents", query=[("sort_by", "title")])) == (400, 2002)
    assert error(desk.ask("GET", "/incidents", query=[("sort_by", "urgency,created_at,resolved_at")])) == (400, 2002)
    assert error(desk.ask("GET", "/incidents", query=[("offset", "9990"), ("limit", "25")])) == (400, 2002)


def test_sorted_by_when_it_was_resolved_what_is_open_comes_last(desk: Api) -> None:
    first, second, _ = (made(desk, title=title) for title in "ABC")
    desk.later(minutes=1)
    changed(desk, second, status="resolved")
    desk.later(minutes=1)
    changed(desk, first, status="resolved")
    assert titles(desk, ("sort_by", "resolved_at")) == ["B", "A", "C"]
    assert titles(desk, ("sort_by", "resolved_at:desc")) == ["A", "B", "C"]


def test_lists_and_finds_hold_only_what_the_actor_may_see(desk: Api) -> None:
    private = desk.ask("POST", "/teams", {"team": {"name": "Secret", "default_role": "none"}}).body["team"]["id"]
    save_service(
        desk.house.db,
        desk.now,
        [user(CY.id)],
        service_id="PSRV002",
        name="Vault",
        routing_key="e" * 32,
        team_id=private,
    )
    hidden = made(desk, title="Hidden", service={"id": "PSRV002", "type": "service_reference"})
    made(desk, title="Seen")
    assert titles(desk, who="ada") == ["Seen"]
    assert sorted(titles(desk)) == ["Hidden", "Seen"]
    assert error(desk.ask("GET", f"/incidents/{hidden['id']}", who="ada")) == (404, 2100)
    assert error(changed(desk, hidden, status="acknowledged")) == (404, 2100)
    assert all(
        one["incident"]["id"] != hidden["id"] for one in desk.ask("GET", "/log_entries", who="ada").body["log_entries"]
    )


def test_who_has_no_base_access_sees_the_incidents_of_their_teams_only(desk: Api) -> None:
    team_id = desk.ask("POST", "/teams", {"team": {"name": "Storage"}}).body["team"]["id"]
    save_service(
        desk.house.db,
        desk.now,
        [user(BO.id)],
        service_id="PSRV002",
        name="Discs",
        routing_key="e" * 32,
        team_id=team_id,
    )
    theirs = made(desk, title="Disc", service={"id": "PSRV002", "type": "service_reference"})
    other = made(desk, title="Other")
    desk.ask("PUT", f"/teams/{team_id}/users/{BO.id}", {"role": "responder"})
    with desk.house.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == BO.id).values(role="restricted_access"))
    assert titles(desk, who="bo") == ["Disc"]
    assert titles(desk, ("statuses[]", "triggered"), ("team_ids[]", team_id), who="bo") == ["Disc"]
    assert titles(desk, ("team_ids[]", "PNOBODY"), who="bo") == []
    assert changed(desk, theirs, who="bo", status="acknowledged").status == 200
    assert error(changed(desk, other, who="bo", status="acknowledged")) == (404, 2100)


def test_who_only_looks_on_may_not_act(desk: Api) -> None:
    incident = made(desk)
    with desk.house.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == BO.id).values(role="observer"))
    assert desk.ask("GET", f"/incidents/{incident['id']}", who="bo").status == 200
    assert error(changed(desk, incident, who="bo", status="acknowledged")) == (403, 2010)
    wish = {"type": "incident", "title": "x", "service": {"id": "PSRV001", "type": "service_reference"}}
    assert error(desk.ask("POST", "/incidents", {"incident": wish}, who="bo")) == (403, 2010)


# --- Making


def test_a_new_incident_goes_to_the_services_policy_and_pages(desk: Api) -> None:
    incident = made(desk)
    assert (incident["status"], incident["assigned_via"]) == ("triggered", "escalation_policy")
    assert owed(desk) == [ADA.id]
    assert incident["incident_key"]
    assert incident["alert_counts"]["all"] == 0


def test_a_new_incident_may_be_given_to_a_person_or_a_policy_but_not_both(desk: Api) -> None:
    bo = [{"assignee": {"id": BO.id, "type": "user_reference"}}]
    direct = made(desk, assignments=bo)
    assert (direct["assigned_via"], direct["assignments"][0]["assignee"]["id"]) == ("direct_assignment", BO.id)
    assert owed(desk) == [BO.id]
    save_service(desk.house.db, desk.now, [user(CY.id)], service_id="PSRV002", name="Web", routing_key="e" * 32)
    other = {"id": "PPOL002", "type": "escalation_policy_reference"}
    assert made(desk, escalation_policy=other)["assignments"][0]["assignee"]["id"] == CY.id
    wish = {"type": "incident", "title": "x", "service": {"id": "PSRV001", "type": "service_reference"}}
    both = {"incident": {**wish, "assignments": bo, "escalation_policy": other}}
    assert error(desk.ask("POST", "/incidents", both)) == (400, 2001)


def test_an_incident_made_for_oneself_is_acknowledged_and_pages_nobody(desk: Api) -> None:
    incident = made(desk, who="ada", assignments=[{"assignee": {"id": ADA.id, "type": "user_reference"}}])
    assert incident["status"] == "acknowledged"
    assert incident["acknowledgements"][0]["acknowledger"]["id"] == ADA.id
    assert owed(desk) == []


def test_one_open_incident_for_a_key(desk: Api) -> None:
    first = made(desk, incident_key="same")
    wish = {
        "type": "incident",
        "title": "x",
        "service": {"id": "PSRV001", "type": "service_reference"},
        "incident_key": "same",
    }
    reply = desk.ask("POST", "/incidents", {"incident": wish})
    assert error(reply) == (400, 2002)
    assert reply.body["error"]["errors"] == ["Open incident with matching dedup key already exists on this service"]
    sent(desk, event(key="disk"))
    assert error(desk.ask("POST", "/incidents", {"incident": {**wish, "incident_key": "disk"}})) == (400, 2002)
    changed(desk, first, status="resolved")
    assert made(desk, incident_key="same")["id"] != first["id"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"title": None}, 2001),
        ({"title": ""}, 2001),
        ({"type": "alarm"}, 2001),
        ({"service": None}, 2001),
        ({"urgency": "medium"}, 2001),
        ({"body": {"details": {"not": "a string"}}}, 2001),
        ({"assignments": [{"assignee": {"id": "PNOBODY", "type": "user_reference"}}]}, 1007),
        ({"escalation_policy": {"id": "PNOTHIN", "type": "escalation_policy_reference"}}, 1014),
        ({"priority": {"id": "PNOTHIN", "type": "priority_reference"}}, 1020),
        ({"incident_type": {"name": "major_incident"}}, 2001),
    ],
)
def test_a_wrong_incident_is_refused_with_its_code_and_nothing_is_made(
    desk: Api, more: dict[str, Any], code: int
) -> None:
    wish = {"type": "incident", "title": "x", "service": {"id": "PSRV001", "type": "service_reference"}, **more}
    assert error(desk.ask("POST", "/incidents", {"incident": wish})) == (400, code)
    assert titles(desk) == []
    assert owed(desk) == []


def test_an_incident_is_not_made_on_what_is_not_there_or_is_disabled(desk: Api) -> None:
    wish = {"type": "incident", "title": "x", "service": {"id": "PNOTHIN", "type": "service_reference"}}
    assert error(desk.ask("POST", "/incidents", {"incident": wish})) == (404, 2100)
    save_service(
        desk.house.db,
        desk.now,
        [user(ADA.id)],
        service_id="PSRV002",
        name="Web",
        routing_key="e" * 32,
        is_disabled=True,
    )
    reply = desk.ask(
        "POST", "/incidents", {"incident": {**wish, "service": {"id": "PSRV002", "type": "service_reference"}}}
    )
    assert error(reply) == (400, 2001)
    assert "enable it" in reply.body["error"]["errors"][0]


def test_a_body_that_is_no_json_is_refused_in_pagerdutys_words(desk: Api) -> None:
    reply = desk.ask("POST", "/incidents", raw=b"title=x", headers={"content-type": "text/plain"})
    assert error(reply) == (400, 2001)
    assert reply.body["error"]["errors"] == ["params must be a Hash"]


def test_an_account_key_says_in_whose_name_it_acts(desk: Api) -> None:
    incident = made(desk)
    assert error(changed(desk, incident, who="account", status="acknowledged")) == (400, 2016)
    as_bo = {"incident": {"type": "incident_reference", "status": "acknowledged"}}
    reply = desk.ask("PUT", f"/incidents/{incident['id']}", as_bo, who="account", headers={"from": BO.email})
    assert [one["assignee"]["id"] for one in reply.body["incident"]["assignments"]] == [BO.id]
    assert error(
        desk.ask("PUT", f"/incidents/{incident['id']}", as_bo, who="account", headers={"from": "x@y.org"})
    ) == (400, 1008)
    assert error(desk.ask("PUT", f"/incidents/{incident['id']}", as_bo, who="account", headers={"from": "nobody"})) == (
        400,
        1028,
    )


# --- Changing one


def test_acknowledging_drops_the_pages_and_makes_it_the_acknowledgers(desk: Api) -> None:
    incident = made(desk)
    shown = changed(desk, incident, who="bo", status="acknowledged").body["incident"]
    assert (shown["status"], owed(desk)) == ("acknowledged", [])
    assert [one["assignee"]["id"] for one in shown["assignments"]] == [BO.id]
    assert [action["type"] for action in shown["pending_actions"]] == ["unacknowledge", "resolve"]
    again = changed(desk, incident, who="bo", status="acknowledged")
    assert (again.status, len(again.body["incident"]["acknowledgements"])) == (200, 1)


def test_set_to_triggered_an_acknowledgement_is_taken_back(desk: Api) -> None:
    incident = made(desk)
    changed(desk, incident, status="acknowledged")
    shown = changed(desk, incident, status="triggered").body["incident"]
    assert (shown["status"], shown["acknowledgements"], owed(desk)) == ("triggered", [], [ADA.id])


def test_resolving_ends_it_with_its_alerts_and_keeps_the_resolution(desk: Api) -> None:
    sent(desk, event())
    (incident,) = desk.ask("GET", "/incidents").body["incidents"]
    shown = changed(desk, incident, status="resolved", resolution="made room").body["incident"]
    assert (shown["status"], shown["assignments"], shown["pending_actions"]) == ("resolved", [], [])
    assert shown["alert_counts"] == {"all": 1, "triggered": 0, "resolved": 1}
    assert shown["last_status_change_by"]["summary"] == "Ada"
    (alert,) = desk.ask("GET", f"/incidents/{incident['id']}/alerts").body["alerts"]
    assert alert["status"] == "resolved"
    entries = desk.ask("GET", f"/incidents/{incident['id']}/log_entries").body["log_entries"]
    assert entries[0]["note"] == "made room"
    assert error(changed(desk, incident, status="resolved")) == (400, 1001)


def test_a_resolved_incident_is_opened_again_by_its_status(desk: Api) -> None:
    incident = made(desk)
    changed(desk, incident, status="resolved")
    shown = changed(desk, incident, who="bo", status="acknowledged").body["incident"]
    assert (shown["status"], shown["assignments"][0]["assignee"]["id"], shown["resolved_at"]) == (
        "acknowledged",
        BO.id,
        None,
    )
    changed(desk, incident, status="resolved")
    assert owed(desk) == []
    shown = changed(
        desk, incident, status="triggered", assignments=[{"assignee": {"id": BO.id, "type": "user_reference"}}]
    )
    assert (shown.body["incident"]["assigned_via"], owed(desk)) == ("direct_assignment", [BO.id])


def test_it_is_given_to_people_to_a_policy_or_to_a_level(desk: Api) -> None:
    incident = made(desk)
    shown = changed(desk, incident, assignments=[{"assignee": {"id": BO.id, "type": "user_reference"}}]).body[
        "incident"
    ]
    assert (shown["assigned_via"], owed(desk)) == ("direct_assignment", [BO.id])
    assert [action["type"] for action in shown["pending_actions"]] == ["resolve"]
    shown = changed(desk, incident, escalation_policy={"id": "PPOL001", "type": "escalation_policy_reference"}).body[
        "incident"
    ]
    assert (shown["assigned_via"], shown["assignments"][0]["assignee"]["id"]) == ("escalation_policy", ADA.id)
    shown = changed(desk, incident, escalation_level=2).body["incident"]
    assert (shown["assignments"][0]["assignee"]["id"], owed(desk)) == (BO.id, [BO.id])
    assert error(changed(desk, incident, escalation_level=3)) == (400, 1006)
    assert error(changed(desk, incident, assignments=[])) == (400, 1007)


def test_a_low_incident_does_not_escalate(desk: Api) -> None:
    incident = made(desk, urgency="low")
    assert [action["type"] for action in incident["pending_actions"]] == ["resolve"]
    assert error(changed(desk, incident, escalation_level=2)) == (400, 1006)
    shown = changed(desk, incident, urgency="high").body["incident"]
    assert (shown["urgency"], [action["type"] for action in shown["pending_actions"]]) == (
        "high",
        ["escalate", "resolve"],
    )


def test_a_priority_is_set_by_reference_or_by_name_and_taken_away(desk: Api) -> None:
    incident = made(desk)
    assert changed(desk, incident, priority="p2").body["incident"]["priority"]["summary"] == "P2"
    by_id = {"id": "PPRIO01", "type": "priority_reference"}
    assert changed(desk, incident, priority=by_id).body["incident"]["priority"]["id"] == "PPRIO01"
    assert changed(desk, incident, priority=None).body["incident"]["priority"] is None
    assert error(changed(desk, incident, priority="P9")) == (400, 1020)


def test_title_bridge_and_service_are_plain_fields_even_of_what_is_resolved(desk: Api) -> None:
    save_service(desk.house.db, desk.now, [user(ADA.id)], service_id="PSRV002", name="Web", routing_key="e" * 32)
    incident = made(desk)
    changed(desk, incident, status="resolved")
    bridge = {"conference_number": "+1 415-555-1212,,,,1234#", "conference_url": "https://meet.example.org/7"}
    reply = changed(
        desk, incident, title="New", conference_bridge=bridge, service={"id": "PSRV002", "type": "service_reference"}
    )
    shown = reply.body["incident"]
    assert (shown["title"], shown["conference_bridge"], shown["service"]["summary"]) == ("New", bridge, "Web")
    assert titles(desk, ("service_ids[]", "PSRV002")) == ["New"]


# --- Changing many


def many(api: Api, *items: dict[str, Any], who: str = "ada") -> Reply:
    return api.ask(
        "PUT", "/incidents", {"incidents": [{"type": "incident_reference", **item} for item in items]}, who=who
    )


def test_many_are_changed_at_once_and_answered_in_the_order_asked(desk: Api) -> None:
    first, second = made(desk, title="A"), made(desk, title="B")
    reply = many(desk, {"id": second["id"], "status": "acknowledged"}, {"id": first["id"], "status": "resolved"})
    assert [(one["title"], one["status"]) for one in reply.body["incidents"]] == [
        ("B", "acknowledged"),
        ("A", "resolved"),
    ]


def test_one_wrong_item_undoes_the_whole_request_and_is_named(desk: Api) -> None:
    first, second = made(desk, title="A"), made(desk, title="B")
    changed(desk, second, status="resolved")
    reply = many(desk, {"id": first["id"], "status": "acknowledged"}, {"id": second["id"], "status": "resolved"})
    assert error(reply) == (400, 1001)
    assert reply.body["error"]["errors"][0].startswith(f"incidents[1] ({second['id']}): ")
    assert desk.ask("GET", f"/incidents/{first['id']}").body["incident"]["status"] == "triggered"
    assert error(many(desk, {"id": first["id"]}, {"id": "QNOTTHERE00000"})) == (404, 2100)


def test_more_than_250_at_once_are_refused_with_413(desk: Api) -> None:
    items = [{"id": f"Q{at:013d}", "status": "resolved"} for at in range(251)]
    assert many(desk, *items).status == 413
    assert error(many(desk)) == (400, 2001)
    assert error(desk.ask("PUT", "/incidents", {"incidents": [{"id": "Q1"}]}, who="ada")) == (400, 2001), (
        "type is needed"
    )


# --- Snooze and merge


def test_a_snooze_answers_201_acknowledges_and_comes_back(desk: Api) -> None:
    incident = made(desk)
    reply = desk.ask("POST", f"/incidents/{incident['id']}/snooze", {"duration": 3600}, who="ada")
    assert reply.status == 201
    assert reply.body["incident"]["pending_actions"][0] == {"type": "unacknowledge", "at": "2026-11-23T10:00:01Z"}
    assert reply.body["incident"]["status"] == "acknowledged"
    for wrong in (0, 604_801):
        assert error(desk.ask("POST", f"/incidents/{incident['id']}/snooze", {"duration": wrong}, who="ada")) == (
            400,
            1013,
        )
    assert error(desk.ask("POST", f"/incidents/{incident['id']}/snooze", {"duration": "long"}, who="ada")) == (
        400,
        2001,
    )


def merge(api: Api, target: dict[str, Any], *sources: dict[str, Any]) -> Reply:
    body = {"source_incidents": [{"id": one["id"], "type": "incident_reference"} for one in sources]}
    return api.ask("PUT", f"/incidents/{target['id']}/merge", body, who="ada")


def test_merging_takes_the_alerts_and_ends_the_sources(desk: Api) -> None:
    sent(desk, event(key="a", summary="A"), event(key="b", summary="B"))
    first, second = desk.ask("GET", "/incidents", query=[("sort_by", "incident_number")]).body["incidents"]
    reply = merge(desk, first, second)
    assert reply.body["incident"]["type"] == "incident_reference"
    target = desk.ask("GET", f"/incidents/{first['id']}").body["incident"]
    assert target["alert_counts"] == {"all": 2, "triggered": 2, "resolved": 0}
    source = desk.ask("GET", f"/incidents/{second['id']}").body["incident"]
    assert (source["status"], source["is_mergeable"]) == ("resolved", False)
    assert source["resolve_reason"]["type"] == "merge_resolve_reason"
    assert source["resolve_reason"]["incident"]["id"] == first["id"]
    sent(desk, event("resolve", "b"))
    assert desk.ask("GET", f"/incidents/{first['id']}").body["incident"]["alert_counts"]["triggered"] == 1
    sent(desk, event("resolve", "a"))
    assert desk.ask("GET", f"/incidents/{first['id']}").body["incident"]["status"] == "resolved"


def test_what_cannot_be_merged_is_refused_with_1019(desk: Api) -> None:
    first, second, third = (made(desk, title=title) for title in "ABC")
    assert error(merge(desk, first, first)) == (400, 1019)
    merge(desk, first, second)
    assert error(merge(desk, first, second)) == (400, 1019), "merged already"
    changed(desk, first, status="resolved")
    assert error(merge(desk, first, third)) == (400, 1019), "the target must be open"
