"""Alerts, notes and notifications of an incident over the API (BEHAVIOUR 3.1)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO
from tests.sending import event, save_service, save_ways, send, user
from tocsin.api.kernel.call import House, Reply
from tocsin.base.secret import Seals
from tocsin.store.db import Database
from tocsin.store.tables import engine


@pytest.fixture
def house(db: Database, seals: Seals, chance: Any) -> House:
    return House(db=db, seals=seals, chance=chance, base_url="https://tocsin.example.org")


@pytest.fixture
def desk(api: Api) -> Api:
    save_ways(api.house.db, api.now, ADA.id, BO.id)
    grouping = {"type": "time", "config": {"timeout": 0}}
    save_service(api.house.db, api.now, [user(ADA.id)], alert_grouping_parameters=grouping)
    save_service(api.house.db, api.now, [user(BO.id)], service_id="PSRV002", name="Web", routing_key="e" * 32)
    return api


def opened(api: Api, *keys: str, routing_key: str | None = None) -> dict[str, Any]:
    """An incident with an alert of each of these keys."""
    for key in keys:
        more = {"routing_key": routing_key} if routing_key else {}
        send(api.house.db, [event(key=key, summary=f"Alert {key}", **more)], api.now, api.house.chance)
        api.later(seconds=1)
    listed = api.ask("GET", "/incidents", query=[("sort_by", "incident_number:desc")]).body["incidents"]
    incident: dict[str, Any] = listed[0]
    return incident


def error(reply: Reply) -> tuple[int, int]:
    assert reply.status >= 400, reply.body
    return reply.status, reply.body["error"]["code"]


def alerts_of(api: Api, incident: dict[str, Any], *query: tuple[str, str]) -> list[dict[str, Any]]:
    reply = api.ask("GET", f"/incidents/{incident['id']}/alerts", query=query)
    assert reply.status == 200, reply.body
    listed: list[dict[str, Any]] = reply.body["alerts"]
    return listed


def test_an_alert_is_shown_with_its_event_and_its_incident(desk: Api) -> None:
    sent = event(custom_details={"free": "2 %"}, component="sda", group="db", **{"class": "disk"})
    sent |= {"client": "Grafana", "links": [{"href": "https://runbook.example.org", "text": "Runbook"}]}
    send(desk.house.db, [sent], desk.now, desk.house.chance)
    (incident,) = desk.ask("GET", "/incidents").body["incidents"]
    (alert,) = alerts_of(desk, incident)
    assert (alert["type"], alert["alert_key"], alert["severity"], alert["suppressed"]) == (
        "alert",
        "disk",
        "critical",
        False,
    )
    assert alert["body"]["details"] == {"free": "2 %"}
    assert alert["body"]["contexts"] == [{"type": "link", "href": "https://runbook.example.org", "text": "Runbook"}]
    assert alert["body"]["cef_details"]["source_component"] == "sda"
    assert alert["integration"]["summary"] == "Prometheus"
    assert alert["incident"]["id"] == incident["id"]
    shown = desk.ask("GET", f"/incidents/{incident['incident_number']}/alerts/{alert['id']}").body["alert"]
    assert shown == alert
    whole = alerts_of(
        desk, incident, *[("include[]", word) for word in ("services", "first_trigger_log_entries", "incidents")]
    )[0]
    assert whole["service"]["name"] == "Database"
    assert whole["incident"]["title"] == "Disk full on db1"
    assert whole["first_trigger_log_entry"]["channel"]["details"] == {"free": "2 %"}


def test_alerts_are_narrowed_sorted_and_paged(desk: Api) -> None:
    incident = opened(desk, "a", "b", "c")
    send(desk.house.db, [event("resolve", "b")], desk.now, desk.house.chance)
    assert [one["alert_key"] for one in alerts_of(desk, incident)] == ["a", "b", "c"]
    assert [one["alert_key"] for one in alerts_of(desk, incident, ("sort_by", "created_at:desc"))] == ["c", "b", "a"]
    assert [one["alert_key"] for one in alerts_of(desk, incident, ("statuses[]", "resolved"))] == ["b"]
    assert [one["alert_key"] for one in alerts_of(desk, incident, ("alert_key", "c"))] == ["c"]
    page = desk.ask("GET", f"/incidents/{incident['id']}/alerts", query=[("limit", "2"), ("total", "true")]).body
    assert (len(page["alerts"]), page["more"], page["total"]) == (2, True, 3)
    assert error(desk.ask("GET", f"/incidents/{incident['id']}/alerts", query=[("statuses[]", "open")])) == (400, 2002)


def test_an_alert_is_resolved_by_hand_and_the_incident_goes_with_the_last(desk: Api) -> None:
    incident = opened(desk, "a", "b")
    first, second = alerts_of(desk, incident)
    path = f"/incidents/{incident['id']}/alerts"
    reply = desk.ask("PUT", f"{path}/{first['id']}", {"alert": {"type": "alert", "status": "resolved"}}, who="ada")
    assert reply.body["alert"]["status"] == "resolved"
    assert desk.ask("GET", f"/incidents/{incident['id']}").body["incident"]["alert_counts"]["triggered"] == 1
    wrong = desk.ask("PUT", f"{path}/{first['id']}", {"alert": {"type": "alert", "status": "triggered"}}, who="ada")
    assert error(wrong) == (400, 2001)
    both = [{"id": one["id"], "type": "alert", "status": "resolved"} for one in (first, second)]
    reply = desk.ask("PUT", path, {"alerts": both}, who="ada")
    assert [one["status"] for one in reply.body["alerts"]] == ["resolved", "resolved"]
    shown = desk.ask("GET", f"/incidents/{incident['id']}").body["incident"]
    assert (shown["status"], shown["last_status_change_by"]["summary"]) == ("resolved", "Ada")


def test_an_alert_is_moved_to_another_incident(desk: Api) -> None:
    target = opened(desk, "x", routing_key="e" * 32)
    source = opened(desk, "a", "b")
    first, second = alerts_of(desk, source)
    to = {"id": target["id"], "type": "incident_reference"}
    reply = desk.ask("PUT", f"/incidents/{source['id']}/alerts/{first['id']}", {"alert": {"incident": to}}, who="ada")
    assert reply.body["alert"]["incident"]["id"] == target["id"]
    assert [one["alert_key"] for one in alerts_of(desk, target)] == ["x", "a"]
    assert error(desk.ask("GET", f"/incidents/{source['id']}/alerts/{first['id']}")) == (404, 2100)
    item = {"id": second["id"], "type": "alert", "incident": to}
    desk.ask("PUT", f"/incidents/{source['id']}/alerts", {"alerts": [item]}, who="ada")
    assert desk.ask("GET", f"/incidents/{source['id']}").body["incident"]["status"] == "resolved", "it has none left"
    send(desk.house.db, [event("resolve", key) for key in ("a", "b")], desk.now, desk.house.chance)
    shown = desk.ask("GET", f"/incidents/{target['id']}").body["incident"]
    assert shown["alert_counts"] == {"all": 3, "triggered": 1, "resolved": 2}


def test_moving_to_what_is_resolved_or_not_there_changes_nothing(desk: Api) -> None:
    target = opened(desk, "x", routing_key="e" * 32)
    source = opened(desk, "a")
    (alert,) = alerts_of(desk, source)
    desk.ask("PUT", f"/incidents/{target['id']}", {"incident": {"status": "resolved"}}, who="ada")
    for to, refused in ((target["id"], (400, 1001)), ("QNOTTHERE00000", (404, 2100))):
        item = {"id": alert["id"], "type": "alert", "incident": {"id": to, "type": "incident_reference"}}
        assert error(desk.ask("PUT", f"/incidents/{source['id']}/alerts", {"alerts": [item]}, who="ada")) == refused
    assert len(alerts_of(desk, source)) == 1


def test_more_than_250_alerts_at_once_are_refused_with_413(desk: Api) -> None:
    incident = opened(desk, "a")
    items = [{"id": f"Q{at:013d}", "type": "alert", "status": "resolved"} for at in range(251)]
    assert desk.ask("PUT", f"/incidents/{incident['id']}/alerts", {"alerts": items}, who="ada").status == 413


def test_notes_are_written_changed_and_removed_the_newest_first(desk: Api) -> None:
    incident = opened(desk, "a")
    path = f"/incidents/{incident['id']}/notes"
    reply = desk.ask("POST", path, {"note": {"content": "Looking"}}, who="ada")
    assert reply.status == 200
    first = reply.body["note"]
    assert (first["content"], first["user"]["summary"]) == ("Looking", "Ada")
    desk.later(minutes=1)
    desk.ask("POST", path, {"note": {"content": "Found it"}}, who="bo")
    assert [note["content"] for note in desk.ask("GET", path).body["notes"]] == ["Found it", "Looking"]
    changed = desk.ask("PUT", f"{path}/{first['id']}", {"note": {"content": "Looked"}}, who="ada").body["note"]
    assert (changed["content"], changed["created_at"] < changed["updated_at"]) == ("Looked", True)
    assert desk.ask("DELETE", f"{path}/{first['id']}", who="ada").status == 204
    assert error(desk.ask("DELETE", f"{path}/{first['id']}", who="ada")) == (404, 2100)
    assert [note["content"] for note in desk.ask("GET", path).body["notes"]] == ["Found it"]


def test_an_empty_note_is_refused_and_a_resolved_incident_takes_notes(desk: Api) -> None:
    incident = opened(desk, "a")
    path = f"/incidents/{incident['id']}/notes"
    assert error(desk.ask("POST", path, {"note": {"content": ""}}, who="ada")) == (400, 2001)
    assert error(desk.ask("POST", path, {"note": {"content": "x"}}, who="account")) == (400, 2016)
    desk.ask("PUT", f"/incidents/{incident['id']}", {"incident": {"status": "resolved"}}, who="ada")
    assert desk.ask("POST", path, {"note": {"content": "It was the disk"}}, who="ada").status == 200


def test_notifications_are_the_tries_within_a_range(desk: Api) -> None:
    incident = opened(desk, "a")
    with desk.house.db.write() as tx:
        for at, channel in enumerate(("email", "sms")):
            row = {
                "id": f"D{at}", "outbox_id": f"N{at}", "incident_id": incident["id"], "user_id": ADA.id, "channel": channel,
                "address": "ada@example.org", "started_at": desk.now, "outcome": "accepted", "idempotency_key": f"k{at}",
            }  # fmt: skip
            tx.execute(sa.insert(engine.delivery), [row])
    around = [("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-24T00:00:00Z")]
    listed = desk.ask("GET", "/notifications", query=around).body["notifications"]
    assert [(one["type"], one["user"]["summary"]) for one in listed] == [
        ("sms_notification", "Ada"),
        ("email_notification", "Ada"),
    ]
    only = desk.ask(
        "GET", "/notifications", query=[*around, ("filter", "sms_notification"), ("include[]", "users")]
    ).body
    assert [one["user"]["email"] for one in only["notifications"]] == [ADA.email]
    assert error(desk.ask("GET", "/notifications")) == (400, 2003)
