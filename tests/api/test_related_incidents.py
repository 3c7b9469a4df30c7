"""Past, related and unusual incidents, and corrected channels of log entries, over the API (BEHAVIOUR 3.1)."""

from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_incidents import desk, error, house, made
from tests.people import BO
from tests.sending import save_service, user
from tocsin.store.tables import engine

__all__ = ["desk", "house"]  # fixtures

DB = "Disk full on db{}: 97 % used"


def over(api: Api, incident: dict[str, Any]) -> None:
    body = {"incident": {"type": "incident", "status": "resolved"}}
    assert api.ask("PUT", f"/incidents/{incident['id']}", body, who="ada").status == 200


def test_past_incidents_of_its_service_are_ranked_by_how_alike_they_are(desk: Api) -> None:
    for title in ("Certificate of the shop expires", DB.format(3), "Disk nearly full on db7", DB.format(4)):
        over(desk, made(desk, title=title))
    save_service(desk.house.db, desk.now, [user(BO.id)], service_id="PSRV002", name="Other", routing_key="e" * 32)
    made(desk, title=DB.format(5), service={"id": "PSRV002", "type": "service_reference"})
    incident = made(desk, title=DB.format(1))
    path = f"/incidents/{incident['id']}/past_incidents"
    told = desk.ask("GET", path, query=[("total", "true")]).body
    assert sorted(one["incident"]["title"] for one in told["past_incidents"][:2]) == [DB.format(3), DB.format(4)]
    assert [one["incident"]["title"] for one in told["past_incidents"][2:]] == ["Disk nearly full on db7"]
    scores = [one["score"] for one in told["past_incidents"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] <= 100
    assert (told["total"], told["limit"]) == (3, 5)
    first = desk.ask("GET", path, query=[("limit", "1")]).body
    assert (len(first["past_incidents"]), first["total"]) == (1, None)
    assert error(desk.ask("GET", path, query=[("limit", "1000")])) == (400, 2002)


def test_what_is_older_than_half_a_year_is_not_told(desk: Api) -> None:
    over(desk, made(desk, title=DB.format(3)))
    desk.later(days=184)
    incident = made(desk, title=DB.format(1))
    assert desk.ask("GET", f"/incidents/{incident['id']}/past_incidents").body["past_incidents"] == []


def test_open_incidents_that_say_the_same_are_related_and_why(desk: Api) -> None:
    save_service(desk.house.db, desk.now, [user(BO.id)], service_id="PSRV002", name="Other", routing_key="e" * 32)
    other = {"id": "PSRV002", "type": "service_reference"}
    near = made(desk, title="Timeout calling payments gateway", service=other)
    made(desk, title="Certificate of the shop expires", service=other)
    gone = made(desk, title="Timeout calling payments gateway", service=other)
    over(desk, gone)
    incident = made(desk, title="Timeout calling payments gateway eu")
    path = f"/incidents/{incident['id']}/related_incidents"
    (told,) = desk.ask("GET", path).body["related_incidents"]
    assert told["incident"] == {
        "id": near["id"], "title": near["title"], "created_at": near["created_at"], "self": near["self"],
    }  # fmt: skip
    assert told["relationships"][0]["metadata"]["grouping_classification"] == "similar_contents"
    (whole,) = desk.ask("GET", path, query=[("additional_details[]", "incident")]).body["related_incidents"]
    assert whole["incident"]["status"] == "triggered"
    assert error(desk.ask("GET", path, query=[("additional_details[]", "all")])) == (400, 2002)


def test_how_unusual_an_incident_is_counts_the_month_before_it(desk: Api) -> None:
    first = made(desk, title=DB.format(1))
    path = "/incidents/{}/outlier_incident"
    told = desk.ask("GET", path.format(first["id"])).body["outlier_incident"]
    assert told["incident"]["occurrence"]["category"] == "anomaly"
    assert told["incident_template"]["mined_text"] == "Disk full on db<*>: <MEASUREMENT> used"
    over(desk, first)
    for _ in range(3):
        over(desk, made(desk, title="Certificate of the shop expires"))
    again = made(desk, title=DB.format(2))
    told = desk.ask("GET", path.format(again["id"]), query=[("additional_details[]", "incident")]).body["outlier_incident"]
    occurrence = told["incident"]["occurrence"]
    assert (occurrence["count"], occurrence["frequency"], occurrence["category"]) == (1, 0.25, "frequent")
    assert told["incident"]["status"] == "triggered"
    assert (occurrence["since"], occurrence["until"]) == ("2026-10-24T09:00:04Z", "2026-11-23T09:00:04Z")
    since = desk.ask("GET", path.format(again["id"]), query=[("since", "2026-11-23T09:00:02Z")]).body["outlier_incident"]
    assert since["incident"]["occurrence"]["category"] == "anomaly"
    assert error(desk.ask("GET", path.format(again["id"]), query=[("since", "2026-11-24")])) == (400, 2002)


def test_the_details_of_a_triggers_channel_can_be_corrected_and_the_log_stays(desk: Api) -> None:
    incident = made(desk, body={"type": "incident_body", "details": "look"})
    log = desk.ask("GET", f"/incidents/{incident['id']}/log_entries").body["log_entries"]
    trigger = next(one for one in log if one["type"] == "trigger_log_entry")
    other = next(one for one in log if one["type"] != "trigger_log_entry")
    for details in ("look there", "look here", "look here"):
        body = {"channel": {"type": "web_trigger", "details": details}}
        assert desk.ask("PUT", f"/log_entries/{trigger['id']}/channel", body, who="ada").status == 202
    with desk.house.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(engine.audit).where(engine.audit.c.root_id == trigger["id"])) == 2
    shown = desk.ask("GET", f"/log_entries/{trigger['id']}", query=[("include[]", "channels")]).body["log_entry"]
    assert shown["channel"]["details"] == "look here"
    assert desk.ask("GET", f"/incidents/{incident['id']}", query=[("include[]", "body")]).body["incident"]["body"]["details"] == "look"
    for entry, wish, expected in (
        (trigger["id"], {"type": "mobile", "details": "x"}, (400, 2001)),
        (other["id"], {"type": "web_trigger", "details": "x"}, (400, 2001)),
        ("RNOSUCH", {"type": "web_trigger", "details": "x"}, (404, 2100)),
        (trigger["id"], {"type": "web_trigger", "details": "x" * 25_001}, (400, 2001)),
    ):
        assert error(desk.ask("PUT", f"/log_entries/{entry}/channel", {"channel": wish}, who="ada")) == expected
