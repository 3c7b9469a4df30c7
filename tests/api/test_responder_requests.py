"""Asking for help with an incident, answering, cancelling; status updates and who hears of them (BEHAVIOUR 3.1)."""

from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_incidents import desk, error, house, made
from tests.people import ADA, BO, CY
from tests.sending import save_ways
from tocsin.base import json
from tocsin.channels import email, sms
from tocsin.channels.spec import Accepted, Smtp
from tocsin.engine import follow
from tocsin.engine.deliver import claim_due, parcel_of, record_results
from tocsin.service import replies
from tocsin.service.notify import Result
from tocsin.store.tables import engine
from tocsin.store.tables.handoffs import status_update_rule
from tocsin.store.tables.services import webhook_delivery

__all__ = ["desk", "house"]  # fixtures

ADA_, BO_, CY_ = ({"id": one.id, "type": "user_reference"} for one in (ADA, BO, CY))


def asked(api: Api, incident: dict[str, Any], *targets: dict[str, str], who: str = "cy", **more: Any) -> Any:
    wish = {"requester_id": CY.id, "message": "Join the bridge", "responder_request_targets": [{"responder_request_target": one} for one in targets]}
    return api.ask("POST", f"/incidents/{incident['id']}/responder_requests", wish | more, who=who)


def replied(api: Api, incident: dict[str, Any], who: str, reply: str) -> Any:
    return api.ask("PUT", f"/api/v1/incidents/{incident['id']}/responder_reply", {"reply": reply}, who=who)


def states(api: Api, incident: dict[str, Any]) -> dict[str, str]:
    shown = api.ask("GET", f"/incidents/{incident['id']}").body["incident"]
    return {one["user"]["summary"]: one["state"] for one in shown["incidents_responders"]}


def entries(api: Api, incident: dict[str, Any]) -> list[str]:
    """The types of what happened, oldest first, without assigning and triggering."""
    log = api.ask("GET", f"/incidents/{incident['id']}/log_entries").body["log_entries"]
    return [one["type"].removesuffix("_log_entry") for one in reversed(log)][2:]


def owed(api: Api, purpose: str) -> list[tuple[str, str]]:
    """(user, lane) of the messages that are due for this purpose."""
    of = engine.outbox.c
    with api.house.db.read() as tx:
        rows = tx.rows(sa.select(of.user_id, of.lane).where(of.purpose == purpose, of.state == "due"))
    return sorted((row.user_id, row.lane) for row in rows)


def test_who_is_asked_is_paged_by_the_rules_for_high_urgency_until_they_join(desk: Api) -> None:
    incident = made(desk, urgency="low")
    reply = asked(desk, incident, BO_)
    assert reply.status == 200
    (target,) = reply.body["responder_request"]["responder_request_targets"]
    told = target["responder_request_target"]
    assert (told["id"], told["incidents_responders"][0]["state"]) == (BO.id, "pending")
    assert reply.body["responder_request"]["requester"]["id"] == CY.id
    assert owed(desk, "help") == [(BO.id, "email"), (BO.id, "sms")]
    shown = desk.ask("GET", f"/incidents/{incident['id']}").body["incident"]
    assert [one["message"] for one in shown["responder_requests"]] == ["Join the bridge"]
    assert [one["type"] for one in shown["pending_actions"]] == ["resolve"]
    for _ in range(2):
        assert replied(desk, incident, "bo", "join").body["incident_responder"]["state"] == "joined"
    assert (states(desk, incident), owed(desk, "help")) == ({"Bo": "joined"}, [])
    assert entries(desk, incident) == ["responder_request_for_user", "responder_accept"]
    assert [one["assignee"]["id"] for one in shown["assignments"]] == [ADA.id]  # joining takes nothing from anybody


def test_acknowledging_and_being_asked_go_past_each_other(desk: Api) -> None:
    incident = made(desk)
    asked(desk, incident, BO_)
    desk.ask("PUT", f"/incidents/{incident['id']}", {"incident": {"type": "incident", "status": "acknowledged"}}, who="ada")
    assert owed(desk, "help") == [(BO.id, "email"), (BO.id, "sms")]
    assert owed(desk, "page") == []
    desk.ask("PUT", f"/incidents/{incident['id']}", {"incident": {"type": "incident", "status": "resolved"}}, who="ada")
    assert owed(desk, "help") == []
    assert error(asked(desk, incident, BO_)) == (400, 1001)


def test_a_policy_that_is_asked_is_asked_for_who_is_on_call_on_it(desk: Api) -> None:
    incident = made(desk)
    policy = {"id": incident["escalation_policy"]["id"], "type": "escalation_policy_reference"}
    told = asked(desk, incident, policy).body["responder_request"]["responder_request_targets"][0]["responder_request_target"]
    assert (told["type"], told["summary"]) == ("escalation_policy", "Database policy")
    assert [one["user"]["id"] for one in told["incidents_responders"]] == [ADA.id]
    assert told["incidents_responders"][0]["escalation_policy_requests"] == ["Database policy"]
    assert entries(desk, incident) == ["responder_request_for_escalation_policy", "responder_request_for_user"]
    assert replied(desk, incident, "ada", "decline").status == 200
    assert states(desk, incident) == {"Ada": "declined"}


def test_cancelling_says_for_each_target_what_it_came_to(desk: Api) -> None:
    save_ways(desk.house.db, desk.now, CY.id)
    incident = made(desk)
    asked(desk, incident, ADA_, BO_, CY_)
    replied(desk, incident, "ada", "join")
    replied(desk, incident, "bo", "decline")
    nobody = {"id": "PNOBODY", "type": "user_reference"}
    wish = {"requester_id": CY.id, "responder_request_targets": [ADA_, BO_, CY_, nobody]}
    path = f"/incidents/{incident['id']}/responder_requests/cancel"
    told = desk.ask("PUT", path, wish).body["responder_request_targets"]
    assert [one["result"] for one in told] == ["joined", "declined", "cancelled", "not_found"]
    assert states(desk, incident) == {"Ada": "joined", "Bo": "declined", "Cy": "user_cancelled"}
    assert owed(desk, "help") == []
    assert error(replied(desk, incident, "cy", "join")) == (400, 2001)
    asked(desk, incident, CY_)  # asked anew, the answer is open again
    assert states(desk, incident)["Cy"] == "pending"


def test_who_cannot_be_asked_is_refused_by_name_and_nothing_happens(desk: Api) -> None:
    incident = made(desk)
    looker = desk.ask("POST", "/users", {"user": {"name": "Lou", "email": "lou@example.org", "role": "observer"}}).body["user"]
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"responder_request_targets": [{"responder_request_target": {"id": "PNOBODY", "type": "user_reference"}}]}, "PNOBODY"),
        ({"responder_request_targets": [{"responder_request_target": {"id": looker["id"], "type": "user_reference"}}]}, "Lou may not act"),
        ({"responder_request_targets": [{"responder_request_target": {"id": BO.id, "type": "team_reference"}}]}, "needs an id and the type"),
        ({"responder_request_targets": []}, "responder_request_targets"),
        ({"requester_id": "PNOBODY"}, "requester_id"),
        ({"message": " "}, "message"),
        ({"message": "x" * 2001}, "message"),
    )
    for wish, words in bad:
        reply = asked(desk, incident, BO_, **wish)
        assert reply.status == 400
        assert words in str(reply.body), wish
    assert (states(desk, incident), owed(desk, "help"), entries(desk, incident)) == ({}, [], [])
    assert error(replied(desk, incident, "bo", "join")) == (400, 2001)


def hooked(api: Api, *events: str) -> None:
    method = {"type": "http_delivery_method", "url": "https://example.org/hook"}
    hook = {"type": "webhook_subscription", "events": list(events), "filter": {"type": "account_reference"}, "delivery_method": method}
    assert api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": hook}).status < 300


def told(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """(event type, data) of every webhook that is owed, in order."""
    while follow.follow_pass(api.house.db, api.now, node="one", chance=api.house.chance):
        pass
    of = webhook_delivery.c
    with api.house.db.read() as tx:
        events = [json.decode(row.body)["event"] for row in tx.rows(sa.select(of.body).order_by(of.position))]
    return [(one["event_type"], one["data"]) for one in events]


def test_webhooks_tell_of_who_is_asked_and_of_the_answer(desk: Api) -> None:
    hooked(desk, "incident.responder.added", "incident.responder.replied")
    incident = made(desk)
    asked(desk, incident, BO_)
    replied(desk, incident, "bo", "decline")
    (added, first), (answered, second) = told(desk)
    assert (added, answered) == ("incident.responder.added", "incident.responder.replied")
    assert (first["state"], second["state"], first["type"]) == ("pending", "declined", "incident_responder")
    assert (first["user"]["id"], first["message"], first["escalation_policy"]) == (BO.id, "Join the bridge", None)
    assert first["incident"]["id"] == incident["id"]


def test_webhooks_tell_of_types_and_values(desk: Api) -> None:
    hooked(desk, "incident.custom_field_values.updated", "incident.incident_type.changed", "incident.triggered")
    wish = {"name": "place", "display_name": "Place", "data_type": "string", "field_type": "single_value", "default_value": "lab"}
    assert desk.ask("POST", "/incidents/custom_fields", {"field": wish}).status == 201
    new_type = {"name": "security", "display_name": "Security", "parent_type": "incident_default"}
    assert desk.ask("POST", "/incidents/types", {"incident_type": new_type}).status == 201
    incident = made(desk)
    path = f"/incidents/{incident['id']}"
    desk.ask("PUT", f"{path}/custom_fields/values", {"custom_fields": [{"name": "place", "value": "roof"}]})
    desk.ask("PUT", path, {"incident": {"type": "incident", "incident_type": {"name": "security"}}})
    (first, began), (second, values), (third, changed) = told(desk)
    assert (first, second, third) == ("incident.triggered", "incident.custom_field_values.updated", "incident.incident_type.changed")
    assert (began["incident_type"]["name"], changed["incident_type"]["name"]) == ("incident_default", "security")
    assert [one["value"] for one in values["custom_fields"]] == ["roof"]
    assert [(one["name"], one["value"]) for one in values["changed_custom_fields"]] == [("place", "lab")]


# --- Status updates


def published(api: Api, incident: dict[str, Any], who: str = "cy", **more: Any) -> Any:
    return api.ask("POST", f"/incidents/{incident['id']}/status_updates", {"message": "The fire spreads <b>", **more}, who=who)


def subscribers(api: Api, incident: dict[str, Any], path: str, *who: tuple[str, str], by: str = "cy") -> Any:
    wish = {"subscribers": [{"subscriber_type": kind, "subscriber_id": id_} for kind, id_ in who]}
    return api.ask("POST", f"/incidents/{incident['id']}/status_updates/{path}", wish, who=by).body


def test_an_update_goes_to_subscribers_their_teams_and_the_assignees_but_not_back_to_who_wrote_it(desk: Api) -> None:
    save_ways(desk.house.db, desk.now, CY.id)
    team = desk.ask("POST", "/teams", {"team": {"name": "Managers"}}).body["team"]["id"]
    desk.ask("PUT", f"/teams/{team}/users/{CY.id}", {"role": "observer"})
    incident = made(desk)
    results = subscribers(desk, incident, "subscribers", ("user", BO.id), ("team", team), ("user", BO.id), ("user", "PNOBODY"))
    assert [one["result"] for one in results["subscriptions"]] == ["success", "success", "duplicate", "unauthorized"]
    hooked(desk, "incident.status_update_published")
    reply = published(desk, incident, who="ada")
    assert reply.status == 200
    told_body = reply.body["status_update"]
    assert (told_body["message"], told_body["sender"]["id"]) == ("The fire spreads <b>", ADA.id)
    assert "html_message" not in told_body
    assert owed(desk, "status_update") == [(BO.id, "email"), (CY.id, "email")]
    assert published(desk, incident, who="bo").status == 200
    assert [one for one in owed(desk, "status_update") if one[0] == ADA.id] == [(ADA.id, "email")]
    assert entries(desk, incident) == ["status_update", "status_update"]
    assert [(kind, data["message"]) for kind, data in told(desk)] == [("incident.status_update_published", "The fire spreads <b>")] * 2


def test_an_update_follows_a_persons_own_rules_for_updates(desk: Api) -> None:
    incident = made(desk)
    with desk.house.db.write() as tx:
        row = {"id": "PRULEUP", "user_id": BO.id, "contact_method_id": f"S{BO.id}", "created_at": desk.now}
        tx.execute(sa.insert(status_update_rule), [row])
    subscribers(desk, incident, "subscribers", ("user", BO.id))
    published(desk, incident, who="ada")
    assert owed(desk, "status_update") == [(BO.id, "sms")]


def test_who_unsubscribed_hears_no_more_and_the_list_says_who_does(desk: Api) -> None:
    incident = made(desk)
    subscribers(desk, incident, "subscribers", ("user", BO.id), ("user", CY.id))
    listed = desk.ask("GET", f"/incidents/{incident['id']}/status_updates/subscribers").body
    assert {one["subscriber_id"] for one in listed["subscribers"]} == {BO.id, CY.id}
    counts = subscribers(desk, incident, "unsubscribe", ("user", BO.id), ("user", ADA.id), ("user", "PNOBODY"))
    assert counts == {"deleted_count": 1, "unauthorized_count": 1, "non_existent_count": 1}
    published(desk, incident, who="ada")
    assert owed(desk, "status_update") == [] or (BO.id, "email") not in owed(desk, "status_update")
    listed = desk.ask("GET", f"/incidents/{incident['id']}/status_updates/subscribers").body
    assert [one["subscriber_id"] for one in listed["subscribers"]] == [CY.id]


def test_an_update_that_says_nothing_or_half_a_mail_is_refused(desk: Api) -> None:
    incident = made(desk)
    for wish in ({"message": ""}, {"message": "  "}, {"subject": "Fire"}, {"html_message": "<p>"}, {"message": "x" * 25_001}):
        assert error(published(desk, incident, **wish)) == (400, 2001)
    assert entries(desk, incident) == []
    whole = published(desk, incident, subject="Fire", html_message="<h1>Fire</h1>").body["status_update"]
    assert (whole["subject"], whole["html_message"]) == ("Fire", "<h1>Fire</h1>")


def test_who_looks_on_subscribes_themselves_and_nobody_else(desk: Api) -> None:
    incident = made(desk)
    looker = desk.ask("POST", "/users", {"user": {"name": "Lou", "email": "lou@example.org", "role": "observer"}}).body["user"]
    key = desk.ask("POST", "/api_keys", {"api_key": {"label": "x", "user_id": looker["id"]}}, ours=True).body["api_key"]
    desk.keys["lou"] = key["secret"]
    results = subscribers(desk, incident, "subscribers", ("user", looker["id"]), ("user", BO.id), by="lou")
    assert [one["result"] for one in results["subscriptions"]] == ["success", "unauthorized"]


# --- Answering by telephone, and the links of a mail


def test_a_text_message_answers_the_request_it_came_with(desk: Api) -> None:
    incident = made(desk)
    asked(desk, incident, BO_)
    desk.later(minutes=6)
    claims = claim_due(desk.house.db, "sms", now=desk.now, node="one", limit=50, chance=desk.house.chance)
    parcels = [parcel_of(one, seals=desk.house.seals, public_url="https://tocsin.example.org", now=desk.now) for one in claims]
    (help_wanted,) = [one for one in parcels if one.user_id == BO.id]
    assert "HELP WANTED" in sms.text(help_wanted)
    assert sms.text(help_wanted).endswith("Reply 4 to join, 6 to decline")
    assert [(one.do, one.label) for one in help_wanted.actions] == [("join", "Join"), ("decline", "Decline")]
    record_results(desk.house.db, [Result(one, Accepted(), desk.now) for one in claims if one.user_id == BO.id], now=desk.now, chance=desk.house.chance)
    with desk.house.db.write() as tx:
        words = replies.by_sms(tx, "5550100", "4", now=desk.now, chance=desk.house.chance)
    assert words == f"Joined #{incident['incident_number']}."
    assert states(desk, incident) == {"Bo": "joined"}
    shown = desk.ask("GET", f"/incidents/{incident['id']}").body["incident"]
    assert (shown["status"], [one["assignee"]["id"] for one in shown["assignments"]]) == ("triggered", [ADA.id])


def test_a_mail_of_an_update_holds_its_own_html_cleaned(desk: Api) -> None:
    incident = made(desk)
    subscribers(desk, incident, "subscribers", ("user", BO.id))
    assert published(desk, incident, who="ada", subject="Fire", html_message="<h1>Fire</h1><script>evil()</script>").status == 200
    claims = claim_due(desk.house.db, "email", now=desk.now, node="one", limit=50, chance=desk.house.chance)
    (update,) = [one for one in claims if one.purpose == "status_update"]
    parcel = parcel_of(update, seals=desk.house.seals, public_url="https://tocsin.example.org", now=desk.now)
    assert (parcel.message.subject, parcel.actions) == ("Fire", ())
    mail = email.written(Smtp("localhost"), parcel).as_string()
    assert "<h1>Fire</h1>" in mail
    assert "evil" not in mail
    assert "The fire spreads <b>" in mail  # the words for readers of plain text
