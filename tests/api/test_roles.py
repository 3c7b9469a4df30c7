"""Who may do what: every operation of the API, asked by every role and every kind of key.

Laws:
1. The table `EXPECTED` names every route there is; a route that is not in it fails the test.
2. Every request is undone, so that each asks the same world.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import TABLE, Api
from tests.api.test_kernel import state
from tests.people import ADA, BO, CY, Persona, save_people
from tests.receiver import SECRET, Receiver
from tests.sending import send
from tocsin.api.kernel.call import House, Reply
from tocsin.api.kernel.routes import Route
from tocsin.base.secret import Seals
from tocsin.core.permission import BASE_ROLES, HOUSE, Level
from tocsin.service import people, sessions
from tocsin.service.audit import Deed
from tocsin.service.sessions import Browser, Lifetimes
from tocsin.store.db import Database, Tx
from tocsin.store.tables import people as tables

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FROM = {"from": CY.email}

CAST = {
    role: Persona(f"PROLE{at:02d}", f"The {role}", f"{role}@example.org", role, "UTC") for at, role in enumerate(BASE_ROLES)
}
"""Somebody of each base role, in no team."""

OUTSIDER = Persona("POUTSID", "Ozzie", "ozzie@example.org", "user", "UTC")


class _Undone(Exception):
    pass


class Rehearsal:
    """A database in which whatever is written is undone."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def read(self) -> AbstractContextManager[Tx]:
        return self.db.read()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        try:
            with self.db.write() as tx:
                yield tx
                raise _Undone
        except _Undone:
            pass


@dataclass
class Play:
    """The world, asked through `api`; `things` names one of each kind."""

    api: Api
    things: dict[str, str]


def new(api: Api, path: str, wrapper: str, **fields: Any) -> dict[str, Any]:
    reply = api.ask("POST", path, {wrapper: fields}, ours=True)
    assert reply.status in {200, 201}, reply.body
    made: dict[str, Any] = reply.body[wrapper]
    return made


@contextmanager
def played(path: Path, empty_sqlite: Path, seals: Seals) -> Iterator[Play]:
    """A company in a database of its own at `path`."""
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=2)
    house = House(
        db=db, seals=seals, chance=Random(7), base_url="https://tocsin.example.org", allowed_networks=("127.0.0.0/8",)
    )  # fmt: skip
    api = Api(house, NOW)
    undoing: Any = Rehearsal(db)
    with Receiver() as receiver:
        things = _things(api, receiver.url)
        yield Play(replace(api, house=replace(house, db=undoing)), things)
    db.close()


@pytest.fixture(scope="module")
def play(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, seals: Seals) -> Iterator[Play]:
    with played(tmp_path_factory.mktemp("roles") / "tocsin.db", empty_sqlite, seals) as one:
        yield one


def _things(api: Api, receiver_url: str) -> dict[str, str]:
    with api.house.db.write() as tx:
        save_people(tx, (ADA, BO, CY, OUTSIDER, *CAST.values()), NOW)
        row = {"id": "account", "name": "Example", "subdomain": "example", "time_zone": "UTC", "settings": {}, "created_at": NOW}
        tx.execute(sa.insert(tables.account), [row])
        deed = Deed(HOUSE, NOW, api.house.chance)
        for one in (ADA, CY, OUTSIDER, *CAST.values()):
            api.keys[one.role if one in CAST.values() else one.name] = _key(api, tx, user_id=one.id)
        api.keys["cy"] = api.keys["Cy"]
        api.keys["a read-only key of an admin"] = _key(api, tx, user_id=CY.id, is_read_only=True)
        api.keys["a key of the account"] = _key(api, tx, user_id=None)
        api.keys["a read-only key of the account"] = _key(api, tx, user_id=None, is_read_only=True)
        api.keys["an expired key"] = _key(api, tx, user_id=CY.id, expires_at=NOW + timedelta(seconds=1))
        api.keys["no key that there is"] = "abcdefghijklmnopqrst"
        revoked = people.create_key(tx, deed, api.house.seals, label="x", user_id=CY.id)
        people.revoke_key(tx, deed, revoked.id)
        api.keys["a revoked key"] = revoked.text
        people.set_password(tx, deed, ADA.id, "a calm sunday morning")
    signed_in = sessions.sign_in(
        api.house.db, api.house.seals, ADA.email, "a calm sunday morning", Browser("192.0.2.1", "x"), Lifetimes(), now=NOW, chance=Random(1)
    )  # fmt: skip
    ada = {"id": ADA.id, "type": "user_reference"}
    rule = {"escalation_delay_in_minutes": 5, "targets": [ada]}
    things = {"ada": ADA.id, "bo": BO.id, "session": signed_in.session.id}
    things["team"] = new(api, "/teams", "team", name="Night")["id"]
    things["lonely_team"] = new(api, "/teams", "team", name="Day")["id"]
    assert api.ask("PUT", f"/teams/{things['lonely_team']}/users/{BO.id}", {"role": "responder"}).status == 204
    policy = new(api, "/escalation_policies", "escalation_policy", name="Night", escalation_rules=[rule])
    things["policy"] = policy["id"]
    things["free_policy"] = new(api, "/escalation_policies", "escalation_policy", name="Free", escalation_rules=[rule])["id"]
    things["team_policy"] = new(
        api, "/escalation_policies", "escalation_policy", name="Of the day", escalation_rules=[rule],
        teams=[{"id": things["lonely_team"], "type": "team_reference"}],
    )["id"]  # fmt: skip
    reference = {"id": policy["id"], "type": "escalation_policy_reference"}
    service = new(api, "/services", "service", name="Database", escalation_policy=reference)
    things["service"] = service["id"]
    way = new(api, f"/services/{service['id']}/integrations", "integration", type="events_api_v2_inbound_integration", name="Way in")
    things |= {"integration": way["id"], "integration_key": way["integration_key"]}
    layer = {
        "start": "2026-11-23T09:00:00Z", "rotation_virtual_start": "2026-11-23T09:00:00Z", "rotation_turn_length_seconds": 86400,
        "users": [{"user": ada}],
    }  # fmt: skip
    things["schedule"] = new(api, "/schedules", "schedule", name="First line", time_zone="UTC", schedule_layers=[layer])["id"]
    wish = {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T10:00:00Z", "user": {"id": BO.id, "type": "user_reference"}}
    followed = new(api, "/schedules", "schedule", name="By a calendar", time_zone="UTC", schedule_layers=[])
    things["followed"] = followed["id"]
    put = api.ask("PUT", f"/api/v1/schedules/{followed['id']}/followed_calendar", FOLLOWED, ours=True)
    assert put.status == 200, put.body
    things["override"] = new(api, f"/schedules/{things['schedule']}/overrides", "override", **wish)["id"]
    things |= _shift_based(api, ada["id"])
    everybody = [ADA.id, CY.id, *(one.id for one in CAST.values())]
    rota = layer | {"users": [{"user": {"id": id_, "type": "user_reference"}} for id_ in everybody]}
    things["rota"] = new(api, "/schedules", "schedule", name="Everybody in turn", time_zone="UTC", schedule_layers=[rota])["id"]
    cover = {"start": "2026-11-23T20:00:00Z", "end": "2026-11-23T22:00:00Z", "asker": ada}
    things["swap"] = new(api, f"/api/v1/schedules/{things['rota']}/swaps", "swap", **cover)["id"]
    things["priority"] = new(api, "/priorities", "priority", name="P0")["id"]
    target = {"id": service["id"], "type": "service_reference"}
    for name in ("incident", "other_incident"):
        things[name] = new(api, "/incidents", "incident", type="incident", title=name, service=target)["id"]
    _respond(api, things)
    things["note"] = new(api, f"/incidents/{things['incident']}/notes", "note", content="seen")["id"]
    things["entry"] = api.ask("GET", f"/incidents/{things['incident']}/log_entries").body["log_entries"][0]["id"]
    event = {"routing_key": way["integration_key"], "event_action": "trigger", "dedup_key": "disk", "payload": {"summary": "Disk", "source": "db1", "severity": "critical"}}
    changed = {"routing_key": way["integration_key"], "payload": {"summary": "Release 7"}}
    assert api.ask("POST", "/change_events", changed).status == 202
    send(api.house.db, [event], NOW, api.house.chance)
    by_alert = api.ask("GET", "/incidents", query=[("incident_key", "disk")]).body["incidents"][0]["id"]
    things["alerted"] = by_alert
    things["alert"] = api.ask("GET", f"/incidents/{by_alert}/alerts").body["alerts"][0]["id"]
    method = {"type": "email_contact_method", "label": "Work", "address": "ada@work.example.org"}
    things["method"] = new(api, f"/users/{ADA.id}/contact_methods", "contact_method", **method)["id"]
    rule_wish = {"contact_method": {"id": things["method"], "type": "email_contact_method_reference"}, "urgency": "high", "start_delay_in_minutes": 3}
    things["rule"] = new(api, f"/users/{ADA.id}/notification_rules", "notification_rule", **rule_wish)["id"]
    handoff_wish = {"contact_method": rule_wish["contact_method"], "handoff_type": "both", "notify_advance_in_minutes": 5}
    things["handoff_rule"] = new(api, f"/users/{ADA.id}/oncall_handoff_notification_rules", "oncall_handoff_notification_rule", **handoff_wish)["id"]
    status_wish = {"contact_method": rule_wish["contact_method"]}
    things["status_rule"] = new(api, f"/users/{ADA.id}/status_update_notification_rules", "status_update_notification_rule", **status_wish)["id"]
    things["default_method"] = new(api, f"/users/{ADA.id}/contact_methods", "contact_method", **method | {"address": "ada@spare.example.org"})["id"]
    things["client"] = new(api, "/api/v1/oauth_clients", "oauth_client", name="Reports", scopes=["incidents.read"])["id"]
    things["directory"] = new(api, "/api/v1/scim_tokens", "scim_token", label="Directory")["id"]
    things["key"] = new(api, "/api_keys", "api_key", label="of Ada", user_id=ADA.id)["id"]
    window = {"start_time": "2026-11-24T09:00:00Z", "end_time": "2026-11-24T10:00:00Z", "services": [target]}
    things["window"] = new(api, "/maintenance_windows", "maintenance_window", **window)["id"]
    grouped = {"type": "time", "config": {"timeout": 300}, "services": [target]}
    lonely = new(api, "/services", "service", name="Search", escalation_policy=reference)["id"]
    things["ungrouped_service"] = lonely
    tier = {"name": "tier", "display_name": "Tier", "data_type": "string", "field_type": "single_value_fixed"}
    words = [{"data": {"data_type": "string", "value": word}} for word in ("gold", "silver")]
    made = new(api, "/services/custom_fields", "field", **tier, field_options=words)
    things |= {"service_field": made["id"], "service_option": made["field_options"][0]["id"]}
    things["grouping"] = new(api, "/alert_grouping_settings", "alert_grouping_setting", **grouped)["id"]
    things["change"] = api.ask("GET", "/change_events", query=[("since", "2026-11-23")]).body["change_events"][0]["id"]
    hook = {
        "type": "webhook_subscription", "events": ["incident.triggered"], "filter": {"type": "account_reference"},
        "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/hook"},
    }  # fmt: skip
    daily = {"type": "calendar", "rule": "FREQ=DAILY", "time_zone": "UTC"}
    things["heartbeat"] = new(api, "/api/v1/heartbeats", "heartbeat", name="Backup", service=target, schedule=daily)["id"]
    things["hook"] = new(api, "/webhook_subscriptions", "webhook_subscription", **hook)["id"]
    things |= _attached(api, target, things) | {"token_url": f"{receiver_url}/token"}
    things["hook_client"] = new(api, "/webhook_subscriptions/oauth_clients", "oauth_client", **_client(things))["id"]
    things["license"] = api.ask("GET", "/licenses").body["licenses"][0]["id"]
    things["vendor"] = api.ask("GET", "/vendors").body["vendors"][0]["id"]
    things["ability"] = api.ask("GET", "/abilities").body["abilities"][0]
    return things


def _attached(api: Api, service: dict[str, Any], things: dict[str, str]) -> dict[str, str]:
    """A tag, add-on and business services, one of which depends on the service."""
    made = {"tag": new(api, "/tags", "tag", label="Night people")["id"]}
    made["addon"] = new(api, "/addons", "addon", type="incident_show_addon", name="Runbook", src="https://example.org/runbook")["id"]
    for name in ("business", "other_business"):
        made[name] = new(api, "/business_services", "business_service", name=name)["id"]
    below = {"supporting_service": {"id": service["id"], "type": "service"}, "dependent_service": {"id": made["business"], "type": "business_service"}}
    assert api.ask("POST", "/service_dependencies/associate", {"relationships": [below]}).status == 200
    extension = {"name": "Old hook", "endpoint_url": "https://example.org/v2", "extension_schema": {"id": "PJFWPEP"}, "extension_objects": [service]}
    made["extension"] = new(api, "/extensions", "extension", **extension)["id"]
    subscribed = {"subscribers": [{"subscriber_id": things["bo"], "subscriber_type": "user"}]}
    assert api.ask("POST", f"/business_services/{made['business']}/subscribers", subscribed).status == 200
    return made


def _shift_based(api: Api, user_id: str) -> dict[str, str]:
    """A schedule of PagerDuty's v3 with one of each of its parts, all of them to come."""
    one = new(api, "/v3/schedules", "schedule", name="By shifts", time_zone="UTC")["id"]
    rotation = new(api, f"/v3/schedules/{one}/rotations", "rotation")["id"]
    event = new(api, f"/v3/schedules/{one}/rotations/{rotation}/events", "event", **_event(user_id))["id"]
    parts = {"custom_shifts": _shift(user_id), "overrides": _stand_in(user_id, rotation)}
    made = {}
    for plural, wish in parts.items():
        reply = api.ask("POST", f"/v3/schedules/{one}/{plural}", {plural: [wish]})
        assert reply.status == 201, reply.body
        made[plural] = reply.body[plural][0]["id"]
    return {"shifts": one, "rotation": rotation, "event": event, "custom_shift": made["custom_shifts"], "stand_in": made["overrides"]}


def _respond(api: Api, things: dict[str, str]) -> None:
    """A type with a field and options, and everybody who may act on an incident asked to help with it."""
    type_ = new(api, "/incidents/types", "incident_type", name="security", display_name="Security", parent_type="incident_default")
    things["type"] = type_["id"]
    options = [{"data": {"data_type": "string", "value": word}} for word in ("staging", "production")]
    wish = {"name": "place", "display_name": "Place", "data_type": "string", "field_type": "single_value_fixed", "field_options": options}
    field = new(api, f"/incidents/types/{type_['id']}/custom_fields", "field", **wish)
    things |= {"field": field["id"], "option": field["field_options"][0]["id"]}
    base = new(api, "/incidents/custom_fields", "field", **(wish | {"name": "zone", "display_name": "Zone"}))
    things |= {"base_field": base["id"], "base_option": base["field_options"][0]["id"]}
    able = [one.id for one in (ADA, BO, CY, OUTSIDER, *CAST.values()) if BASE_ROLES[one.role] >= Level.RESPONDER]
    targets = [{"responder_request_target": {"id": id_, "type": "user_reference"}} for id_ in able]
    body = {"requester_id": CY.id, "message": "Help", "responder_request_targets": targets}
    assert api.ask("POST", f"/incidents/{things['incident']}/responder_requests", body).status == 200
    log = api.ask("GET", f"/incidents/{things['incident']}/log_entries").body["log_entries"]
    things["trigger_entry"] = next(entry["id"] for entry in log if entry["type"] == "trigger_log_entry")


def _event(user_id: str) -> dict[str, Any]:
    return {
        "name": "Daily", "start_time": {"date_time": "2026-11-24T09:00:00Z", "time_zone": "UTC"},
        "end_time": {"date_time": "2026-11-25T09:00:00Z", "time_zone": "UTC"}, "effective_since": "2026-11-24T09:00:00Z",
        "effective_until": "2026-12-24T09:00:00Z", "recurrence": ["RRULE:FREQ=DAILY"],
        "assignment_strategy": {"type": "every_member_assignment_strategy", "members": [{"type": "user_member", "user_id": user_id}]},
    }  # fmt: skip


def _shift(user_id: str) -> dict[str, Any]:
    assignment = {"type": "shift_assignment", "member": {"type": "user_member", "user_id": user_id}}
    return {"type": "custom_shift", "start_time": "2026-11-26T09:00:00Z", "end_time": "2026-11-26T17:00:00Z", "assignments": [assignment]}


def _stand_in(user_id: str, rotation: str) -> dict[str, Any]:
    return {
        "type": "override_shift", "rotation_id": rotation, "start_time": "2026-11-27T09:00:00Z", "end_time": "2026-11-27T17:00:00Z",
        "overridden_member": {"type": "user_member", "user_id": user_id}, "overriding_member": {"type": "empty_member"},
    }  # fmt: skip


def _key(api: Api, tx: Tx, **more: Any) -> str:
    return people.create_key(tx, Deed(HOUSE, NOW, api.house.chance), api.house.seals, label="key", **more).text


# ------------------------------------------------------------------------------------------------------------ the table

EVERYBODY, SEER, RESPONDER, MANAGER, ADMIN = Level.NONE, Level.OBSERVER, Level.RESPONDER, Level.MANAGER, Level.ADMIN

REF = {"type": "user_reference"}
FOLLOWED = {
    "followed_calendar": {
        "file": "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Ada\nDTSTART:20261201T090000Z\nDURATION:PT8H\nEND:VEVENT\nEND:VCALENDAR\n"
    }
}
HOOK = {
    "type": "webhook_subscription", "events": ["incident.triggered"], "filter": {"type": "account_reference"},
    "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/other"},
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Who may: the least level for it, the least level to see what it is about, and what is sent."""

    least: Level
    seen_from: Level = SEER
    body: Any = None


def _field_cases(at: str, field: str, option: str) -> dict[str, Case]:
    """The operations on fields and options, which are the same below either address."""
    data = {"data": {"data_type": "string", "value": "lab"}}
    new_field = {"name": "cost", "display_name": "Cost", "data_type": "float", "field_type": "single_value", "default_value": 1.5}
    return {
        f"GET {at}": Case(SEER),
        f"GET {at}/{field}": Case(SEER),
        f"GET {at}/{field}/field_options": Case(SEER),
        f"POST {at}": Case(MANAGER, body={"field": new_field}),
        f"PUT {at}/{field}": Case(MANAGER, body={"field": {"display_name": "Spot", "default_value": "staging"}}),
        f"DELETE {at}/{field}": Case(MANAGER),
        f"POST {at}/{field}/field_options": Case(MANAGER, body={"field_option": data}),
        f"PUT {at}/{field}/field_options/{option}": Case(MANAGER, body={"field_option": data}),
        f"DELETE {at}/{field}/field_options/{option}": Case(MANAGER),
    }


def _client(things: dict[str, str]) -> dict[str, str]:
    return {
        "name": "Ours", "client_id": "tocsin", "client_secret": SECRET, "token_url": things["token_url"], "grant_type": "client_credentials",
    }  # fmt: skip


def _attached_cases(things: dict[str, str]) -> dict[str, Case]:
    """The operations on tags, add-ons, business services and dependencies."""
    ends = [{"id": things["service"], "type": "service"}, {"id": things["business"], "type": "business_service"}]
    there = {"relationships": [{"supporting_service": ends[0], "dependent_service": ends[1]}]}
    fresh = {"relationships": [{"supporting_service": {"id": things["other_business"], "type": "business_service"}, "dependent_service": ends[0]}]}
    subscribers = {"subscribers": [{"subscriber_id": things["bo"], "subscriber_type": "user"}]}
    tagging = {"add": [{"type": "tag", "label": "Day people"}, {"type": "tag_reference", "id": things["tag"]}]}
    threshold = {"global_threshold": {"id": things["priority"], "order": 1}}
    one, incident = "/business_services/{business}", "/incidents/{incident}/business_services"
    return {
        "GET /tags": Case(EVERYBODY),
        "POST /tags": Case(MANAGER, body={"tag": {"type": "tag", "label": "Blue"}}),
        "GET /tags/{tag}": Case(SEER),
        "DELETE /tags/{tag}": Case(MANAGER),
        "GET /tags/{tag}/users": Case(SEER),
        f"GET /users/{ADA.id}/tags": Case(SEER),
        f"POST /users/{ADA.id}/change_tags": Case(ADMIN, EVERYBODY, tagging),
        "GET /addons": Case(EVERYBODY),
        "POST /addons": Case(MANAGER, body={"addon": {"type": "full_page_addon", "name": "Status", "src": "https://example.org/status"}}),
        "GET /addons/{addon}": Case(SEER),
        "PUT /addons/{addon}": Case(MANAGER, body={"addon": {"name": "Other"}}),
        "DELETE /addons/{addon}": Case(MANAGER),
        "GET /business_services": Case(EVERYBODY),
        "POST /business_services": Case(MANAGER, body={"business_service": {"name": "New"}}),
        f"GET {one}": Case(SEER),
        f"PUT {one}": Case(MANAGER, body={"business_service": {"name": "Other"}}),
        f"DELETE {one}": Case(MANAGER),
        f"POST {one}/account_subscription": Case(MANAGER),
        f"DELETE {one}/account_subscription": Case(MANAGER),
        f"GET {one}/subscribers": Case(SEER),
        f"POST {one}/subscribers": Case(SEER, body=subscribers),
        f"POST {one}/unsubscribe": Case(SEER, body=subscribers),
        f"GET {one}/supporting_services/impacts": Case(SEER),
        "GET /business_services/impacts": Case(SEER),
        "GET /business_services/impactors": Case(SEER),
        "GET /business_services/priority_thresholds": Case(SEER),
        "PUT /business_services/priority_thresholds": Case(MANAGER, body=threshold),
        "DELETE /business_services/priority_thresholds": Case(MANAGER),
        f"GET {incident}/impacts": Case(SEER),
        f"PUT {incident}/{{business}}/impacts": Case(RESPONDER, body={"relation": "not_impacted"}),
        "GET /extension_schemas": Case(EVERYBODY),
        "GET /extension_schemas/PJFWPEP": Case(EVERYBODY),
        "GET /extensions": Case(EVERYBODY),
        "POST /extensions": Case(
            MANAGER,
            body={
                "extension": {
                    "name": "New", "endpoint_url": "https://example.org/v2", "extension_schema": {"id": "PJFWPEP"},
                    "extension_objects": [{"id": things["service"]}], "config": {"headers": [{"name": "X-Key", "value": "x"}]},
                }
            },
        ),  # fmt: skip
        "GET /extensions/{extension}": Case(SEER),
        "PUT /extensions/{extension}": Case(MANAGER, body={"extension": {"name": "Other"}}),
        "DELETE /extensions/{extension}": Case(MANAGER),
        "POST /extensions/{extension}/enable": Case(MANAGER),
        "GET /webhook_subscriptions/oauth_clients": Case(ADMIN, ADMIN),
        "POST /webhook_subscriptions/oauth_clients": Case(ADMIN, ADMIN, {"oauth_client": _client(things)}),
        "GET /webhook_subscriptions/oauth_clients/{hook_client}": Case(ADMIN, ADMIN),
        "PUT /webhook_subscriptions/oauth_clients/{hook_client}": Case(ADMIN, ADMIN, {"oauth_client": {"name": "Other"}}),
        "DELETE /webhook_subscriptions/oauth_clients/{hook_client}": Case(ADMIN, ADMIN),
        "GET /service_dependencies/business_services/{business}": Case(SEER),
        "GET /service_dependencies/technical_services/{service}": Case(SEER),
        "POST /service_dependencies/associate": Case(MANAGER, body=fresh),
        "POST /service_dependencies/disassociate": Case(MANAGER, body=there),
    }


def _bodies(things: dict[str, str]) -> dict[str, Case]:
    ada, bo = {"id": ADA.id, "type": "user_reference"}, {"id": BO.id, "type": "user_reference"}
    rules = [{"escalation_delay_in_minutes": 5, "targets": [ada]}]
    policy = {"id": things["policy"], "type": "escalation_policy_reference"}
    service = {"id": things["service"], "type": "service_reference"}
    turn = {"start": "2026-11-25T09:00:00Z", "end": "2026-11-25T10:00:00Z", "user": bo}
    ada_s = f"/users/{ADA.id}"
    method = {"type": "email_contact_method", "label": "Home", "address": "ada@home.example.org"}
    rule = {"contact_method": {"id": things["method"], "type": "email_contact_method"}, "urgency": "low", "start_delay_in_minutes": 4}
    spare = {"id": things["default_method"], "type": "email_contact_method"}
    subscribables = {"subscribables": [{"subscribable_id": things["incident"], "subscribable_type": "incident"}]}
    change = {"type": "incident_reference", "title": "Other"}
    return {
        "GET /abilities": Case(EVERYBODY),
        "GET /abilities/{ability}": Case(EVERYBODY),
        "GET /account": Case(EVERYBODY),
        "PUT /account": Case(ADMIN, EVERYBODY, {"account": {"name": "Other"}}),
        "GET /api_keys": Case(EVERYBODY),
        "GET /api_keys/{key}": Case(ADMIN, ADMIN),
        "DELETE /api_keys/{key}": Case(ADMIN, ADMIN),
        "POST /api_keys": Case(ADMIN, ADMIN, {"api_key": {"label": "x", "user_id": ADA.id}}),
        "GET /api/v1/oauth_clients": Case(EVERYBODY),
        "GET /api/v1/oauth_clients/{client}": Case(ADMIN, ADMIN),
        "POST /api/v1/oauth_clients": Case(ADMIN, ADMIN, {"oauth_client": {"name": "Other", "scopes": ["users.read"]}}),
        "DELETE /api/v1/oauth_clients/{client}": Case(ADMIN, ADMIN),
        "DELETE /api/v1/oauth_clients/{client}/tokens": Case(ADMIN, ADMIN),
        "GET /api/v1/scim_tokens": Case(EVERYBODY),
        "GET /api/v1/scim_tokens/{directory}": Case(ADMIN, ADMIN),
        "POST /api/v1/scim_tokens": Case(ADMIN, ADMIN, {"scim_token": {"label": "Other"}}),
        "DELETE /api/v1/scim_tokens/{directory}": Case(ADMIN, ADMIN),
        "DELETE /api/v1/users/{ada}/single_sign_on": Case(ADMIN, EVERYBODY),
        "GET /audit/records": Case(ADMIN, ADMIN),
        f"GET {ada_s}/audit/records": Case(MANAGER, MANAGER),
        "GET /teams/{team}/audit/records": Case(MANAGER, MANAGER),
        "GET /schedules/{schedule}/audit/records": Case(MANAGER, MANAGER),
        "GET /escalation_policies/{policy}/audit/records": Case(MANAGER, MANAGER),
        "GET /services/{service}/audit/records": Case(MANAGER, MANAGER),
        f"GET {ada_s}/contact_methods": Case(SEER),
        f"GET {ada_s}/contact_methods/{{method}}": Case(SEER),
        f"POST {ada_s}/contact_methods": Case(ADMIN, body={"contact_method": method}),
        f"PUT {ada_s}/contact_methods/{{method}}": Case(ADMIN, body={"contact_method": {"label": "x"}}),
        f"DELETE {ada_s}/contact_methods/{{method}}": Case(ADMIN),
        f"POST {ada_s}/contact_methods/{{method}}/test": Case(ADMIN),
        "GET /escalation_policies": Case(EVERYBODY),
        "GET /escalation_policies/{policy}": Case(SEER),
        "POST /escalation_policies": Case(MANAGER, body={"escalation_policy": {"name": "New", "escalation_rules": rules}}),
        "PUT /escalation_policies/{policy}": Case(MANAGER, body={"escalation_policy": {"name": "Other"}}),
        "DELETE /escalation_policies/{free_policy}": Case(MANAGER),
        "GET /api/v1/coverage": Case(EVERYBODY),
        "POST /api/v1/coverage/preview": Case(
            MANAGER, body={"change": {"method": "PUT", "path": f"/escalation_policies/{things['policy']}", "body": {"escalation_policy": {"name": "Other"}}}}
        ),
        "GET /api/v1/escalation_policies/{policy}/dry_run": Case(SEER),
        "GET /api/v1/services/{service}/dry_run": Case(SEER),
        "POST /api/v1/users/{ada}/replace": Case(ADMIN, EVERYBODY, {"replacement": {"by": BO.id, "incidents": "reassign", "teams": "join"}}),
        "POST /api/v1/users/{ada}/replace/preview": Case(ADMIN, EVERYBODY, {"replacement": {"by": BO.id}}),
        "GET /api/v1/explain/{incident}": Case(SEER),
        "GET /incidents/{incident}/alerts": Case(SEER),
        "PUT /incidents/{alerted}/alerts": Case(RESPONDER, body={"alerts": [{"id": things["alert"], "status": "resolved"}]}),
        "GET /incidents/{alerted}/alerts/{alert}": Case(SEER),
        "PUT /incidents/{alerted}/alerts/{alert}": Case(RESPONDER, body={"alert": {"status": "resolved"}}),
        "GET /incidents/{incident}/notes": Case(SEER),
        "POST /incidents/{incident}/notes": Case(RESPONDER, body={"note": {"content": "x"}}),
        "PUT /incidents/{incident}/notes/{note}": Case(RESPONDER, body={"note": {"content": "y"}}),
        "DELETE /incidents/{incident}/notes/{note}": Case(RESPONDER),
        "GET /incidents": Case(EVERYBODY),
        "POST /incidents": Case(RESPONDER, body={"incident": {"type": "incident", "title": "New", "service": service}}),
        "PUT /incidents": Case(RESPONDER, body={"incidents": [{"id": things["incident"], **change}]}),
        "GET /incidents/{incident}": Case(SEER),
        "PUT /incidents/{incident}": Case(RESPONDER, body={"incident": change}),
        "POST /incidents/{incident}/snooze": Case(RESPONDER, body={"duration": 3600}),
        "PUT /incidents/{incident}/merge": Case(
            RESPONDER, body={"source_incidents": [{"id": things["other_incident"], "type": "incident_reference"}]}
        ),
        "GET /incidents/{incident}/custom_fields/values": Case(SEER),
        "PUT /incidents/{incident}/custom_fields/values": Case(RESPONDER, body={"custom_fields": [{"name": "zone", "value": "staging"}]}),
        "POST /incidents/{incident}/responder_requests": Case(
            RESPONDER, body={"requester_id": CY.id, "message": "Help", "responder_request_targets": [{"responder_request_target": bo}]}
        ),
        "PUT /incidents/{incident}/responder_requests/cancel": Case(
            RESPONDER, body={"requester_id": CY.id, "responder_request_targets": [bo]}
        ),
        "PUT /api/v1/incidents/{incident}/responder_reply": Case(RESPONDER, body={"reply": "join"}),
        "POST /incidents/{incident}/status_updates": Case(RESPONDER, body={"message": "On it", "subject": "On it", "html_message": "<p>On it</p>"}),
        "GET /incidents/{incident}/status_updates/subscribers": Case(SEER),
        "POST /incidents/{incident}/status_updates/subscribers": Case(SEER, body={"subscribers": [{"subscriber_id": BO.id, "subscriber_type": "user"}]}),
        "POST /incidents/{incident}/status_updates/unsubscribe": Case(SEER, body={"subscribers": [{"subscriber_id": BO.id, "subscriber_type": "user"}]}),
        "GET /incidents/{incident}/past_incidents": Case(SEER),
        "GET /incidents/{incident}/related_incidents": Case(SEER),
        "GET /incidents/{incident}/outlier_incident": Case(SEER),
        "PUT /log_entries/{trigger_entry}/channel": Case(RESPONDER, body={"channel": {"type": "web_trigger", "details": "Other"}}),
        "GET /incidents/types": Case(SEER),
        "GET /incidents/types/{type}": Case(SEER),
        "POST /incidents/types": Case(MANAGER, body={"incident_type": {"name": "fraud", "display_name": "Fraud", "parent_type": "security"}}),
        "PUT /incidents/types/{type}": Case(MANAGER, body={"incident_type": {"display_name": "Safety", "enabled": False, "description": "x"}}),
        **_field_cases("/incidents/types/{type}/custom_fields", "{field}", "{option}"),
        "GET /incidents/types/{type}/custom_fields/{field}/field_options/{option}": Case(SEER),
        **_field_cases("/incidents/custom_fields", "{base_field}", "{base_option}"),
        "GET /services/{service}/integrations/{integration}": Case(SEER),
        "POST /services/{service}/integrations": Case(MANAGER, body={"integration": {"type": "events_api_v2_inbound_integration"}}),
        "PUT /services/{service}/integrations/{integration}": Case(MANAGER, body={"integration": {"name": "Other"}}),
        "DELETE /services/{service}/integrations/{integration}": Case(MANAGER),
        "GET /licenses": Case(EVERYBODY),
        "GET /license_allocations": Case(EVERYBODY),
        f"GET {ada_s}/license": Case(EVERYBODY),
        "GET /log_entries": Case(EVERYBODY),
        "GET /log_entries/{entry}": Case(SEER),
        "GET /incidents/{incident}/log_entries": Case(SEER),
        f"GET {ada_s}/notification_rules": Case(SEER),
        f"GET {ada_s}/notification_rules/{{rule}}": Case(SEER),
        f"POST {ada_s}/notification_rules": Case(ADMIN, body={"notification_rule": rule}),
        f"PUT {ada_s}/notification_rules/{{rule}}": Case(ADMIN, body={"notification_rule": {"start_delay_in_minutes": 9}}),
        f"DELETE {ada_s}/notification_rules/{{rule}}": Case(ADMIN),
        f"GET {ada_s}/oncall_handoff_notification_rules": Case(SEER),
        f"GET {ada_s}/oncall_handoff_notification_rules/{{handoff_rule}}": Case(SEER),
        f"POST {ada_s}/oncall_handoff_notification_rules": Case(ADMIN, body={"oncall_handoff_notification_rule": {"contact_method": rule["contact_method"], "handoff_type": "oncall", "notify_advance_in_minutes": 9}}),
        f"PUT {ada_s}/oncall_handoff_notification_rules/{{handoff_rule}}": Case(ADMIN, body={"oncall_handoff_notification_rule": {"notify_advance_in_minutes": 9}}),
        f"DELETE {ada_s}/oncall_handoff_notification_rules/{{handoff_rule}}": Case(ADMIN),
        f"GET {ada_s}/status_update_notification_rules": Case(SEER),
        f"GET {ada_s}/status_update_notification_rules/{{status_rule}}": Case(SEER),
        f"POST {ada_s}/status_update_notification_rules": Case(ADMIN, body={"status_update_notification_rule": {"contact_method": spare}}),
        f"PUT {ada_s}/status_update_notification_rules/{{status_rule}}": Case(ADMIN, body={"status_update_notification_rule": {"contact_method": spare}}),
        f"DELETE {ada_s}/status_update_notification_rules/{{status_rule}}": Case(ADMIN),
        f"GET {ada_s}/oauth_delegations": Case(ADMIN, ADMIN),
        f"GET {ada_s}/oauth_delegations/{{session}}": Case(ADMIN, ADMIN),
        f"GET {ada_s}/notification_subscriptions": Case(SEER),
        f"POST {ada_s}/notification_subscriptions": Case(ADMIN, body=subscribables),
        f"POST {ada_s}/notification_subscriptions/unsubscribe": Case(ADMIN, body=subscribables),
        "GET /teams/{team}/notification_subscriptions": Case(EVERYBODY),
        "POST /teams/{team}/notification_subscriptions": Case(MANAGER, EVERYBODY, subscribables),
        "POST /teams/{team}/notification_subscriptions/unsubscribe": Case(MANAGER, EVERYBODY, subscribables),
        "GET /notifications": Case(EVERYBODY),
        "GET /oncalls": Case(EVERYBODY),
        "GET /priorities": Case(EVERYBODY),
        "GET /priorities/{priority}": Case(EVERYBODY),
        "POST /priorities": Case(ADMIN, EVERYBODY, {"priority": {"name": "P9"}}),
        "PUT /priorities/{priority}": Case(ADMIN, EVERYBODY, {"priority": {"name": "P9"}}),
        "DELETE /priorities/{priority}": Case(ADMIN, EVERYBODY),
        "GET /schedules": Case(EVERYBODY),
        "GET /schedules/{schedule}": Case(SEER),
        "POST /schedules": Case(MANAGER, body={"schedule": {"name": "New", "time_zone": "UTC", "schedule_layers": []}}),
        "PUT /schedules/{schedule}": Case(MANAGER, body={"schedule": {"name": "Other"}}),
        "DELETE /schedules/{schedule}": Case(MANAGER),
        "POST /schedules/preview": Case(EVERYBODY, body={"schedule": {"name": "New", "time_zone": "UTC", "schedule_layers": []}}),
        "GET /schedules/{schedule}/users": Case(SEER),
        "GET /schedules/{schedule}/overrides": Case(SEER),
        "POST /schedules/{schedule}/overrides": Case(RESPONDER, body={"override": turn}),
        "DELETE /schedules/{schedule}/overrides/{override}": Case(RESPONDER),
        "GET /v3/schedules": Case(EVERYBODY),
        "POST /v3/schedules": Case(MANAGER, body={"schedule": {"name": "New", "time_zone": "UTC"}}),
        "GET /v3/schedules/{shifts}": Case(SEER),
        "PUT /v3/schedules/{shifts}": Case(MANAGER, body={"schedule": {"name": "Other"}}),
        "DELETE /v3/schedules/{shifts}": Case(MANAGER),
        "GET /v3/schedules/{shifts}/audit/records": Case(MANAGER, MANAGER),
        "GET /v3/schedules/{shifts}/rotations": Case(SEER),
        "POST /v3/schedules/{shifts}/rotations": Case(MANAGER, body={}),
        "GET /v3/schedules/{shifts}/rotations/{rotation}": Case(SEER),
        "DELETE /v3/schedules/{shifts}/rotations/{rotation}": Case(MANAGER),
        "GET /v3/schedules/{shifts}/rotations/{rotation}/events": Case(SEER),
        "POST /v3/schedules/{shifts}/rotations/{rotation}/events": Case(
            MANAGER, body={"event": _event(ADA.id) | {"effective_since": "2026-12-24T09:00:00Z", "effective_until": None}}
        ),
        "GET /v3/schedules/{shifts}/rotations/{rotation}/events/{event}": Case(SEER),
        "PUT /v3/schedules/{shifts}/rotations/{rotation}/events/{event}": Case(MANAGER, body={"event": _event(BO.id)}),
        "DELETE /v3/schedules/{shifts}/rotations/{rotation}/events/{event}": Case(MANAGER),
        "GET /v3/schedules/{shifts}/custom_shifts": Case(SEER),
        "POST /v3/schedules/{shifts}/custom_shifts": Case(RESPONDER, body={"custom_shifts": [_shift(BO.id)]}),
        "GET /v3/schedules/{shifts}/custom_shifts/{custom_shift}": Case(SEER),
        "PUT /v3/schedules/{shifts}/custom_shifts/{custom_shift}": Case(RESPONDER, body={"custom_shift": _shift(BO.id)}),
        "DELETE /v3/schedules/{shifts}/custom_shifts/{custom_shift}": Case(RESPONDER),
        "GET /v3/schedules/{shifts}/overrides": Case(SEER),
        "POST /v3/schedules/{shifts}/overrides": Case(RESPONDER, body={"overrides": [_stand_in(ADA.id, things["rotation"])]}),
        "GET /v3/schedules/{shifts}/overrides/{stand_in}": Case(SEER),
        "PUT /v3/schedules/{shifts}/overrides/{stand_in}": Case(RESPONDER, body={"override": _stand_in(ADA.id, things["rotation"])}),
        "DELETE /v3/schedules/{shifts}/overrides/{stand_in}": Case(RESPONDER),
        "POST /api/v1/schedules/{schedule}/regenerate_private_url_key": Case(MANAGER),
        "GET /api/v1/schedules/{followed}/followed_calendar": Case(SEER),
        "GET /api/v1/schedules/{schedule}/load": Case(MANAGER),
        "GET /api/v1/schedules/{schedule}/load.csv": Case(MANAGER),
        "GET /api/v1/public_holidays": Case(EVERYBODY),
        "GET /api/v1/schedules/{schedule}/public_holidays": Case(SEER),
        "PUT /api/v1/schedules/{schedule}/public_holidays": Case(MANAGER, body={"public_holidays": {"country": "FR"}}),
        f"GET /api/v1{ada_s}/public_holidays": Case(EVERYBODY),
        f"PUT /api/v1{ada_s}/public_holidays": Case(ADMIN, EVERYBODY, {"public_holidays": {"country": "FR"}}),
        "PUT /api/v1/schedules/{schedule}/followed_calendar": Case(MANAGER, body=FOLLOWED),
        "DELETE /api/v1/schedules/{followed}/followed_calendar": Case(MANAGER),
        "POST /api/v1/schedules/{schedule}/followed_calendar/preview": Case(MANAGER, body=FOLLOWED),
        "POST /users/PADA001/regenerate_private_url_key": Case(ADMIN, EVERYBODY),
        "GET /api/v1/schedules/{rota}/swaps": Case(SEER),
        "POST /api/v1/schedules/{rota}/swaps": Case(MANAGER, body={"swap": {"start": "2026-11-23T23:00:00Z", "end": "2026-11-23T23:30:00Z", "asker": ada, "user": bo}}),
        "GET /api/v1/schedules/{rota}/swaps/{swap}": Case(SEER),
        "POST /api/v1/schedules/{rota}/swaps/{swap}/accept": Case(RESPONDER),
        "POST /api/v1/schedules/{rota}/swaps/{swap}/decline": Case(RESPONDER),
        "POST /api/v1/schedules/{rota}/swaps/{swap}/withdraw": Case(MANAGER),
        "GET /api/v1/heartbeats": Case(EVERYBODY),
        "POST /api/v1/heartbeats": Case(MANAGER, body={"heartbeat": {"name": "Other", "service": service, "schedule": {"type": "period", "seconds": 60}}}),
        "GET /api/v1/heartbeats/{heartbeat}": Case(SEER),
        "PUT /api/v1/heartbeats/{heartbeat}": Case(MANAGER, body={"heartbeat": {"grace": 60}}),
        "DELETE /api/v1/heartbeats/{heartbeat}": Case(MANAGER),
        "POST /api/v1/heartbeats/{heartbeat}/pause": Case(MANAGER),
        "POST /api/v1/heartbeats/{heartbeat}/resume": Case(MANAGER),
        "POST /api/v1/heartbeats/{heartbeat}/regenerate_address": Case(MANAGER),
        "GET /services": Case(EVERYBODY),
        "GET /services/{service}": Case(SEER),
        "POST /services": Case(MANAGER, body={"service": {"name": "New", "escalation_policy": policy}}),
        "PUT /services/{service}": Case(MANAGER, body={"service": {"name": "Other"}}),
        "DELETE /services/{service}": Case(MANAGER),
        "GET /maintenance_windows": Case(EVERYBODY),
        "GET /maintenance_windows/{window}": Case(SEER),
        "POST /maintenance_windows": Case(
            RESPONDER,
            body={"maintenance_window": {"start_time": "2026-11-25T09:00:00Z", "end_time": "2026-11-25T10:00:00Z", "services": [service]}},
        ),
        "PUT /maintenance_windows/{window}": Case(RESPONDER, body={"maintenance_window": {"description": "Other"}}),
        "DELETE /maintenance_windows/{window}": Case(RESPONDER),
        "GET /alert_grouping_settings": Case(EVERYBODY),
        "GET /alert_grouping_settings/{grouping}": Case(SEER),
        "POST /alert_grouping_settings": Case(
            MANAGER,
            body={"alert_grouping_setting": {"type": "time", "config": {"timeout": 60}, "services": [{"id": things["ungrouped_service"]}]}},
        ),
        "PUT /alert_grouping_settings/{grouping}": Case(MANAGER, body={"alert_grouping_setting": {"name": "Other"}}),
        "DELETE /alert_grouping_settings/{grouping}": Case(MANAGER),
        "GET /change_events": Case(EVERYBODY),
        "GET /change_events/{change}": Case(SEER),
        "POST /change_events": Case(RESPONDER, body={"routing_key": things["integration_key"], "payload": {"summary": "Release 8"}}),
        "PUT /change_events/{change}": Case(RESPONDER, body={"change_event": {"summary": "Release 7a"}}),
        "GET /incidents/{incident}/related_change_events": Case(SEER),
        "GET /services/{service}/change_events": Case(SEER),
        "GET /paused_incident_reports/alerts": Case(EVERYBODY),
        "GET /paused_incident_reports/counts": Case(EVERYBODY),
        "GET /services/{service}/enablements": Case(SEER),
        "PUT /services/{service}/enablements/aiops": Case(MANAGER, body={"enablement": {"enabled": False}}),
        "GET /services/custom_fields": Case(SEER),
        "POST /services/custom_fields": Case(
            MANAGER, body={"field": {"name": "cost", "display_name": "Cost", "data_type": "float", "field_type": "single_value"}}
        ),
        "GET /services/custom_fields/{service_field}": Case(SEER),
        "PUT /services/custom_fields/{service_field}": Case(MANAGER, body={"field": {"description": "x"}}),
        "DELETE /services/custom_fields/{service_field}": Case(MANAGER),
        "GET /services/custom_fields/{service_field}/field_options": Case(SEER),
        "POST /services/custom_fields/{service_field}/field_options": Case(MANAGER, body={"field_option": {"data": {"data_type": "string", "value": "tin"}}}),
        "GET /services/custom_fields/{service_field}/field_options/{service_option}": Case(SEER),
        "PUT /services/custom_fields/{service_field}/field_options/{service_option}": Case(
            MANAGER, body={"field_option": {"data": {"data_type": "string", "value": "bronze"}}}
        ),
        "DELETE /services/custom_fields/{service_field}/field_options/{service_option}": Case(MANAGER),
        "GET /services/{service}/custom_fields/values": Case(SEER),
        "PUT /services/{service}/custom_fields/values": Case(MANAGER, body={"custom_fields": [{"name": "tier", "value": "gold"}]}),
        **_attached_cases(things),
        "GET /teams": Case(EVERYBODY),
        "GET /teams/{team}": Case(EVERYBODY),
        "POST /teams": Case(MANAGER, EVERYBODY, {"team": {"name": "New"}}),
        "PUT /teams/{team}": Case(MANAGER, EVERYBODY, {"team": {"name": "Other"}}),
        "DELETE /teams/{team}": Case(MANAGER, EVERYBODY),
        "GET /teams/{team}/members": Case(EVERYBODY),
        "PUT /teams/{team}/users/{bo}": Case(MANAGER, EVERYBODY, {"role": "responder"}),
        "DELETE /teams/{lonely_team}/users/{bo}": Case(MANAGER, EVERYBODY),
        "PUT /teams/{team}/escalation_policies/{policy}": Case(MANAGER, EVERYBODY),
        "DELETE /teams/{lonely_team}/escalation_policies/{team_policy}": Case(MANAGER, SEER),
        f"GET {ada_s}/sessions": Case(ADMIN, ADMIN),
        f"DELETE {ada_s}/sessions": Case(ADMIN, ADMIN),
        f"GET {ada_s}/sessions/browser/{{session}}": Case(ADMIN, ADMIN),
        f"DELETE {ada_s}/sessions/browser/{{session}}": Case(ADMIN, ADMIN),
        "GET /users": Case(EVERYBODY),
        f"GET {ada_s}": Case(EVERYBODY),
        "POST /users": Case(ADMIN, EVERYBODY, {"user": {"name": "New", "email": "new@example.org"}}),
        f"PUT {ada_s}": Case(ADMIN, EVERYBODY, {"user": {"name": "Other"}}),
        f"DELETE /users/{OUTSIDER.id}": Case(ADMIN, EVERYBODY),
        "GET /users/me": Case(EVERYBODY),
        "GET /vendors": Case(EVERYBODY),
        "GET /vendors/{vendor}": Case(EVERYBODY),
        "GET /webhook_subscriptions": Case(EVERYBODY),
        "GET /webhook_subscriptions/{hook}": Case(SEER),
        "PUT /webhook_subscriptions/{hook}": Case(MANAGER, body={"webhook_subscription": {"description": "x"}}),
        "DELETE /webhook_subscriptions/{hook}": Case(MANAGER),
        "POST /webhook_subscriptions": Case(MANAGER, body={"webhook_subscription": HOOK}),
        "POST /webhook_subscriptions/{hook}/enable": Case(MANAGER),
        "POST /webhook_subscriptions/{hook}/ping": Case(MANAGER),
    }


QUERIES = {
    "GET /notifications": [("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-24T00:00:00Z")],
    "GET /schedules/{schedule}/overrides": [("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-30T00:00:00Z")],
    "GET /v3/schedules/{shifts}/custom_shifts": [("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-30T00:00:00Z")],
    "GET /v3/schedules/{shifts}/overrides": [("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-30T00:00:00Z")],
}
"""What some lists have to be asked."""


def ask(play: Play, operation: str, case: Case, who: str) -> Reply:
    method, path = operation.split(" ")
    return play.api.ask(
        method, path.format(**play.things), case.body, who=who, headers=FROM, query=QUERIES.get(operation, []), ours=True
    )  # fmt: skip


def test_every_operation_is_in_the_table(play: Play) -> None:
    met: set[tuple[str, str]] = set()
    for operation in _bodies(play.things):
        method, path = operation.split(" ")
        matched = TABLE.match(method, path.format(**play.things))
        assert matched is not None, operation
        assert isinstance(matched[0], Route), operation
        met.add((matched[0].method, matched[0].path))
    assert [(route.method, route.path) for route in TABLE.routes if (route.method, route.path) not in met] == []


@pytest.mark.parametrize("role", BASE_ROLES)
def test_each_role_may_what_its_level_says_and_no_more(play: Play, role: str) -> None:
    reach, wrong = BASE_ROLES[role], []
    for operation, case in _bodies(play.things).items():
        allowed, seen = reach >= case.least, reach >= case.seen_from
        status = ask(play, operation, case, role).status
        expected = {200, 201, 202, 204} if allowed else {403} if seen else {404}
        if status not in expected:
            wrong.append((operation, status, sorted(expected)))
    assert wrong == []


@pytest.mark.parametrize("key", ["nobody", "an expired key", "a revoked key", "no key that there is"])
def test_without_a_good_key_nothing_is_told_not_even_what_there_is(play: Play, key: str) -> None:
    later = replace(play, api=replace(play.api, now=NOW + timedelta(seconds=1)))
    nowhere = replace(later, things=dict.fromkeys(play.things, "PNOSUCH"))
    answers = set()
    for operation, case in _bodies(play.things).items():
        for asked in (later, nowhere):
            reply = ask(asked, operation, case, key)
            answers.add((reply.status, str(reply.body)))
    assert len(answers) == 1
    assert answers.pop()[0] == 401


@pytest.mark.parametrize("key", ["a read-only key of an admin", "a read-only key of the account"])
def test_a_read_only_key_reads_what_its_owner_may_and_changes_nothing(play: Play, key: str) -> None:
    before = state(play.api.house.db.db)  # type: ignore[attr-defined]
    wrong = []
    for operation, case in _bodies(play.things).items():
        status = ask(play, operation, case, key).status
        is_reading = operation.startswith("GET") or operation == "POST /schedules/preview"
        is_mine = operation == "GET /users/me" and "account" in key
        if (status not in {200, 201, 204} if is_reading else status != 403) and not (is_mine and status == 400):
            wrong.append((operation, status))
    assert wrong == []
    assert state(play.api.house.db.db) == before  # type: ignore[attr-defined]


def test_a_key_of_the_account_may_what_an_admin_may(play: Play) -> None:
    wrong = []
    for operation, case in _bodies(play.things).items():
        status = ask(play, operation, case, "a key of the account").status
        if status >= 300 and operation != "GET /users/me":
            wrong.append((operation, status))
    assert wrong == []


def test_what_is_ones_own_one_may_change_whatever_the_role(play: Play) -> None:
    wrong = []
    for operation, case in _bodies(play.things).items():
        if ("/users/PADA001" in operation or "api_key" in operation) and "audit" not in operation:
            status = ask(play, operation, case, "Ada").status
            if status >= 300:
                wrong.append((operation, status))
    assert wrong == []


@pytest.mark.parametrize("role", ["restricted_access", "limited_user"])
def test_what_one_may_not_see_is_answered_like_what_is_not_there(play: Play, role: str) -> None:
    nowhere = replace(play, things=dict.fromkeys(play.things, "PNOSUCH"))
    told = []
    for operation, case in _bodies(play.things).items():
        is_hidden = BASE_ROLES[role] < min(case.least, case.seen_from)
        if is_hidden and "{" in operation and "/teams/{" not in operation and (role == "restricted_access" or "audit" not in operation):
            hidden, missing = ask(play, operation, case, role), ask(nowhere, operation, case, role)
            if hidden != missing:
                told.append((operation, hidden.body, missing.body))
    assert told == []


LISTS = {
    "/api_keys": "api_keys", "/escalation_policies": "escalation_policies", "/incidents": "incidents", "/log_entries": "log_entries",
    "/notifications": "notifications", "/oncalls": "oncalls", "/schedules": "schedules", "/services": "services",
    "/webhook_subscriptions": "webhook_subscriptions",
}  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_lists_hold_nothing_for_somebody_without_base_access(play: Play, path: str) -> None:
    seen = ask(play, f"GET {path}", Case(EVERYBODY), "restricted_access").body[LISTS[path]]
    assert path == "/api_keys" or seen == []
    if path not in {"/api_keys", "/notifications"}:
        assert ask(play, f"GET {path}", Case(EVERYBODY), "observer").body[LISTS[path]] != []


# ------------------------------------------------------------------------------------------------------- private teams


@pytest.fixture(scope="module")
def hidden(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, seals: Seals) -> Iterator[Play]:
    """A second company, in which a private team has Ada in it and a policy, schedule, service and incident of its own."""
    with played(tmp_path_factory.mktemp("hidden") / "tocsin.db", empty_sqlite, seals) as one:
        yield _with_a_private_team(one)


def _with_a_private_team(play: Play) -> Play:
    """The private team and what is its own; all are called Hush."""
    api = replace(play.api, house=replace(play.api.house, db=play.api.house.db.db))  # type: ignore[attr-defined]
    team = new(api, "/teams", "team", name="Hush team", default_role="none")["id"]
    assert api.ask("PUT", f"/teams/{team}/users/{ADA.id}", {"role": "manager"}).status == 204
    teams = [{"id": team, "type": "team_reference"}]
    ada = {"id": ADA.id, "type": "user_reference"}
    layer = {
        "start": "2026-11-23T09:00:00Z", "rotation_virtual_start": "2026-11-23T09:00:00Z", "rotation_turn_length_seconds": 86400,
        "users": [{"user": ada}],
    }  # fmt: skip
    schedule = new(api, "/schedules", "schedule", name="Hush turns", time_zone="UTC", schedule_layers=[layer], teams=teams)["id"]
    rules = [
        {"escalation_delay_in_minutes": 5, "targets": [{"id": schedule, "type": "schedule_reference"}]},
        {"escalation_delay_in_minutes": 5, "targets": [{"id": play.things["schedule"], "type": "schedule_reference"}]},
    ]
    policy = new(api, "/escalation_policies", "escalation_policy", name="Hush policy", escalation_rules=rules, teams=teams)["id"]
    reference = {"id": policy, "type": "escalation_policy_reference"}
    service = new(api, "/services", "service", name="Hush service", escalation_policy=reference)["id"]
    target = {"id": service, "type": "service_reference"}
    incident = new(api, "/incidents", "incident", type="incident", title="Hush incident", service=target)
    way = new(api, f"/services/{service}/integrations", "integration", type="events_api_v2_inbound_integration", name="Hush way")["id"]
    things = {
        **play.things, "team": team, "schedule": schedule, "policy": policy, "service": service, "incident": incident["id"],
        "number": str(incident["incident_number"]), "integration": way,
    }  # fmt: skip
    return replace(play, things=things)


def test_no_answer_names_what_belongs_to_a_private_team_of_others(hidden: Play) -> None:
    names = [hidden.things[name] for name in ("team", "schedule", "policy", "service", "incident", "integration")]
    told = []
    for operation in _bodies(hidden.things):
        if operation.startswith("GET"):
            for query in ([], [("include[]", word) for word in INCLUDES]):
                path = operation.split(" ")[1].format(**hidden.things)
                asked = [*QUERIES.get(operation, []), *query]
                reply = hidden.api.ask("GET", path, who="Ozzie", query=asked, ours=True)
                for name in INCLUDES if reply.status == 400 and query else []:
                    one = hidden.api.ask("GET", path, who="Ozzie", query=[*QUERIES.get(operation, []), ("include[]", name)], ours=True)
                    told += [(operation, name)] if _names(one, names, path) else []
                told += [(operation, "")] if _names(reply, names, path) else []
    assert told == []


INCLUDES = ("services", "teams", "escalation_policies", "targets", "users", "schedules", "incidents", "integrations", "schedule_layers", "first_trigger_log_entries")


def _names(reply: Reply, names: list[str], path: str) -> bool:
    text = str(reply.body)
    return "Hush" in text or (reply.status < 300 and any(name in text for name in names))


@pytest.mark.parametrize("operation", ["GET /incidents/{number}", "GET /api/v1/explain/{number}"])
def test_a_number_does_not_betray_an_incident_of_a_private_team(hidden: Play, operation: str) -> None:
    nowhere = replace(hidden, things={**hidden.things, "number": "99999"})
    assert ask(hidden, operation, Case(SEER), "Ozzie") == ask(nowhere, operation, Case(SEER), "Ozzie")
    assert ask(hidden, operation, Case(SEER), "Ada").status == 200


def test_things_of_a_private_team_are_there_for_members_and_admins(hidden: Play) -> None:
    for who in ("Ada", "Cy"):
        for operation in ("GET /teams/{team}", "GET /services/{service}", "GET /incidents/{incident}", "GET /schedules/{schedule}"):
            assert ask(hidden, operation, Case(SEER), who).status == 200, (who, operation)


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("PUT /incidents/{other_incident}", {"incident": {"type": "incident_reference", "escalation_policy": {"id": "{policy}", "type": "escalation_policy_reference"}}}),
        ("PUT /incidents/{other_incident}", {"incident": {"type": "incident_reference", "service": {"id": "{service}", "type": "service_reference"}}}),
        ("PUT /incidents/{other_incident}/merge", {"source_incidents": [{"id": "{incident}", "type": "incident_reference"}]}),
        ("POST /incidents/{other_incident}/responder_requests", {"requester_id": "POUTSID", "message": "x", "responder_request_targets": [{"responder_request_target": {"id": "{policy}", "type": "escalation_policy_reference"}}]}),
        ("POST /services", {"service": {"name": "X", "escalation_policy": {"id": "{policy}", "type": "escalation_policy_reference"}}}),
        ("POST /escalation_policies", {"escalation_policy": {"name": "X", "escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [{"id": "{schedule}", "type": "schedule_reference"}]}]}}),
        ("POST /escalation_policies", {"escalation_policy": {"name": "X", "teams": [{"id": "{team}", "type": "team_reference"}], "escalation_rules": [{"escalation_delay_in_minutes": 5, "targets": [{"id": "PADA001", "type": "user_reference"}]}]}}),
        ("POST /schedules", {"schedule": {"name": "X", "time_zone": "UTC", "schedule_layers": [], "teams": [{"id": "{team}", "type": "team_reference"}]}}),
        ("POST /teams", {"team": {"name": "X", "parent": {"id": "{team}", "type": "team_reference"}}}),
        ("POST /webhook_subscriptions", {"webhook_subscription": {**HOOK, "filter": {"type": "service_reference", "id": "{service}"}}}),
        ("POST /webhook_subscriptions", {"webhook_subscription": {**HOOK, "filter": {"type": "team_reference", "id": "{team}"}}}),
        ("DELETE /teams/{lonely_team}?reassignment_team={team}", None),
    ],
)  # fmt: skip
def test_naming_what_is_hidden_is_refused_like_naming_what_is_not_there(hidden: Play, operation: str, body: Any) -> None:
    def asked(things: dict[str, str]) -> Reply:
        method, address = operation.split(" ")
        path, _, query = address.partition("?")
        pairs = [tuple(query.format(**things).split("="))] if query else []
        return hidden.api.ask(method, path.format(**hidden.things), _filled(body, things), who="Ozzie", query=pairs, ours=True)  # type: ignore[arg-type]

    def anonymous(reply: Reply, things: dict[str, str]) -> tuple[int, str]:
        text = str(reply.body)
        for name in ("team", "schedule", "policy", "service", "incident"):
            text = text.replace(things[name], "?")
        return reply.status, text

    nowhere = {**hidden.things, **{name: f"PNOSUCH{name}" for name in ("team", "schedule", "policy", "service", "incident")}}
    known, unknown = asked(hidden.things), asked(nowhere)
    assert known.status >= 400
    assert anonymous(known, hidden.things) == anonymous(unknown, nowhere)


def _filled(body: Any, things: dict[str, str]) -> Any:
    if isinstance(body, str):
        return body.format(**things) if "{" in body else body
    if isinstance(body, dict):
        return {name: _filled(part, things) for name, part in body.items()}
    if isinstance(body, list):
        return [_filled(part, things) for part in body]
    return body


# ---------------------------------------------------------------------------------------------------- not above oneself


def test_an_admin_does_not_make_a_key_of_the_owner(play: Play) -> None:
    body = {"api_key": {"label": "x", "user_id": CAST["owner"].id}}
    assert ask(play, "POST /api_keys", Case(ADMIN, body=body), "admin").status == 403
    assert ask(play, "POST /api_keys", Case(ADMIN, body=body), "a key of the account").status == 403
    assert ask(play, "POST /api_keys", Case(ADMIN, body=body), "owner").status == 201


@pytest.mark.parametrize(("who", "status"), [("owner", 200), ("admin", 403), ("user", 403), ("a key of the account", 403)])
def test_only_the_owner_hands_the_account_over(play: Play, who: str, status: int) -> None:
    assert ask(play, f"PUT /users/{BO.id}", Case(ADMIN, body={"user": {"role": "owner"}}), who).status == status


@pytest.mark.parametrize("role", ["user", "limited_user", "observer", "restricted_access", "read_only_user"])
def test_nobody_gives_themselves_a_higher_role(play: Play, role: str) -> None:
    body = {"user": {"role": "admin"}}
    assert ask(play, f"PUT /users/{CAST[role].id}", Case(ADMIN, body=body), role).status == 403


@pytest.mark.parametrize("role", BASE_ROLES)
def test_an_integration_key_is_shown_to_who_may_change_the_service(play: Play, role: str) -> None:
    key, may_know = play.things["integration_key"], BASE_ROLES[role] >= MANAGER
    for path in ("/services/{service}/integrations/{integration}", "/services?include[]=integrations", "/services/{service}?include[]=integrations"):
        address, _, query = path.format(**play.things).partition("?")
        pairs = [("include[]", "integrations")] if query else []
        reply = play.api.ask("GET", address, who=role, query=pairs, ours=True)
        assert (key in str(reply.body)) == may_know, path


def test_a_read_only_key_shows_integration_keys_as_its_owner_may_see_them(play: Play) -> None:
    """Tools that only compare (Terraform's plan) work with read-only keys."""
    for who in ("a read-only key of an admin", "a read-only key of the account"):
        reply = ask(play, "GET /services/{service}/integrations/{integration}", Case(SEER), who)
        assert reply.body["integration"]["integration_key"] == play.things["integration_key"]
