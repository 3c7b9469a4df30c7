"""Reports on alerts that were held back (BEHAVIOUR 2.2): how many, how it ended, and which were the last."""

import pytest

from tests.api.conftest import Api
from tests.api.test_change_events import way_into
from tests.api.test_services import made, policy
from tests.sending import event, send
from tocsin.base.times import iso
from tocsin.engine.timers import timers_pass


def counts(api: Api, *query: tuple[str, str]) -> tuple[int, int, int]:
    body = api.ask("GET", "/paused_incident_reports/counts", query=query).body["paused_incident_reporting_counts"]
    return body["paused_count"], body["triggered_after_pause_count"], body["resolved_after_pause_count"]


def test_reports_count_what_was_held_back_and_how_it_ended(api: Api) -> None:
    assert counts(api) == (0, 0, 0)
    pause = {"enabled": True, "timeout": 120}
    first = made(api, "A", auto_pause_notifications_parameters=pause)["id"]
    second = made(api, "B", policy(api, "Other"), auto_pause_notifications_parameters=pause)["id"]
    keys = {id_: way_into(api, id_) for id_ in (first, second)}
    began = api.now
    sent = [event(key=f"k{at}", routing_key=keys[first]) for at in range(8)]
    send(api.house.db, [*sent, event(routing_key=keys[second])], api.now, api.house.chance)
    send(api.house.db, [event("resolve", f"k{at}", routing_key=keys[first]) for at in range(6)], api.now, api.house.chance)
    assert counts(api) == (9, 0, 6)
    api.later(minutes=3)
    assert timers_pass(api.house.db, api.now, chance=api.house.chance)
    assert counts(api) == (9, 3, 6)
    assert counts(api, ("service_id", second)) == (1, 1, 0)
    assert counts(api, ("suspended_by", "auto_pause")) == (9, 3, 6)
    assert counts(api, ("suspended_by", "rules")) == (0, 0, 0)
    assert counts(api, ("since", iso(api.now))) == (0, 0, 0)
    body = api.ask("GET", "/paused_incident_reports/alerts").body["paused_incident_reporting_alerts"]
    assert (len(body["triggered_after_pause_alerts"]), len(body["resolved_after_pause_alerts"])) == (3, 5)
    assert {one["service_id"] for one in body["triggered_after_pause_alerts"]} == {first, second}
    assert {one["created_at"] for one in body["resolved_after_pause_alerts"]} == {iso(began)}
    assert len(api.ask("GET", "/incidents").body["incidents"]) == 3


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (("since", "2020-01-01"), 400),
        (("since", "soon"), 400),
        (("suspended_by", "magic"), 400),
        (("service_id", "PNOSUCH"), 404),
    ],
)
def test_a_wrong_question_is_refused(api: Api, query: tuple[str, str], status: int) -> None:
    for path in ("counts", "alerts"):
        assert api.ask("GET", f"/paused_incident_reports/{path}", query=[query]).status == status
