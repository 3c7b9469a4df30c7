"""A working day of an administrator and of a bot as data, so that every client of PagerDuty's makes the same calls.

A call names who makes it, what it says and what the answer must hold (of objects what is named, of lists all, in order). `{name}`
stands for what an earlier answer was kept as. What is sent is what must read back, unless the call says otherwise.
"""

from collections.abc import Mapping
from typing import Any, Final

ADMIN, BOT = "admin", "bot"
ANY: Final = "(anything)"
"""What an answer may say as it likes, as long as it says it."""


class Day:
    """Collects the calls, in order."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.who = ADMIN

    def call(
        self, method: str, path: str, wrap: str | None = None, body: Any = None, expect: Any = None, *,
        keep: Mapping[str, str] | None = None, query: Mapping[str, Any] | None = None, status: int = 200, plain: bool = False,
        patient: bool = False,
    ) -> None:  # fmt: skip
        """One call. `keep` maps names to places in the answer (`field_options.0.id`); `plain`: without the client's short way;
        `patient`: until there is something, for what is accepted first and worked off afterwards."""
        sent = {wrap: body} if wrap and body is not None and method != "GET" else body
        self.calls.append(
            {
                "who": self.who, "method": method, "path": path, "wrap": wrap, "body": sent, "query": dict(query or {}), "status": status,
                "expect": expect, "keep": dict(keep or {}), "plain": plain, "patient": patient,
            }
        )  # fmt: skip

    def make(self, path: str, wrap: str, body: Any, name: str, expect: Any = None, *, status: int = 201, **more: Any) -> None:
        """Make something, keep its id as `name`, and read it back."""
        told = body if expect is None else expect
        self.call("POST", path, wrap, body, told, keep={name: "id"} | more.pop("keep", {}), status=status, **more)
        self.call("GET", f"{path}/{{{name}}}", wrap, None, told, **more)

    def change(self, path: str, wrap: str, body: Any, expect: Any = None, **more: Any) -> None:
        """Change something, twice the same, and read it back."""
        told = body if expect is None else expect
        self.call("PUT", path, wrap, body, told, **more)
        self.call("PUT", path, wrap, body, told, **more)
        self.call("GET", path, wrap, None, told, **more)

    def listed(self, path: str, plural: str, expect: Any, **query: Any) -> None:
        """List; the page holds exactly this."""
        self.call("GET", path, plural, None, expect, query=query)

    def gone(self, path: str) -> None:
        """Delete, and it is not there any more."""
        self.call("DELETE", path, status=204)
        self.call("GET", path, expect={"code": 2100}, status=404)


def ref(kind: str, name: str) -> dict[str, str]:
    """A reference to what was kept as `name`."""
    return {"id": f"{{{name}}}", "type": f"{kind}_reference"}


def the_day() -> list[dict[str, Any]]:
    """All of it. `run` names the run (each has things of its own), `ada` and `bo` people, `mail` the address of Ada, `soon` … instants."""
    day = Day()
    _people(day)
    _on_call(day)
    _services(day)
    _respond(day)
    _around_services(day)
    _bot(day)
    _evening(day)
    return day.calls


def _people(day: Day) -> None:
    day.call("GET", "/users/me", "user", None, {"id": "{ada}", "email": "{mail}", "role": "admin"})
    day.call("GET", "/abilities/teams", status=204)
    day.call("GET", "/abilities/no_such_thing", expect={"code": 2100}, status=404)
    day.call("GET", "/licenses", "licenses", None, ANY, keep={"license": "0.id"})
    day.call("GET", "/users/{ada}/license", "license", None, {"role_group": "FullUser"})
    dee = {"type": "user", "name": "Dee {run}", "email": "dee-{run}@example.org", "role": "limited_user", "time_zone": "Europe/Paris", "job_title": "SRE", "description": "Nights"}
    day.make("/users", "user", dee, "dee")
    day.call("POST", "/users", "user", dee, {"code": 2001, "errors": ["Email has already been taken"]}, status=400)
    day.change("/users/{dee}", "user", {"type": "user", "name": "Dee Two {run}", "time_zone": "Asia/Tokyo"})
    day.listed("/users", "users", [{"id": "{dee}", "name": "Dee Two {run}"}], query="dee-{run}")
    way = {"type": "sms_contact_method", "label": "Mobile", "country_code": 44, "address": "5551234"}
    day.make("/users/{dee}/contact_methods", "contact_method", way, "sms")
    day.call("POST", "/users/{dee}/contact_methods", "contact_method", way, {"errors": ["User Contact method must be unique"]}, status=400)
    day.change("/users/{dee}/contact_methods/{sms}", "contact_method", {"type": "sms_contact_method", "label": "Pocket"})
    rule = {"type": "assignment_notification_rule", "start_delay_in_minutes": 3, "urgency": "high", "contact_method": ref("sms_contact_method", "sms")}
    day.make("/users/{dee}/notification_rules", "notification_rule", rule, "rule")
    day.call("POST", "/users/{dee}/notification_rules", "notification_rule", rule, {"errors": ["Channel Start delay must be unique for a given contact method"]}, status=400)
    day.change("/users/{dee}/notification_rules/{rule}", "notification_rule", {"type": "assignment_notification_rule", "start_delay_in_minutes": 4})
    hand = {"handoff_type": "oncall", "notify_advance_in_minutes": 60, "contact_method": ref("sms_contact_method", "sms")}
    day.call("GET", "/users/{dee}/contact_methods", "contact_methods", None, [{"type": "email_contact_method"}, {"id": "{sms}"}], keep={"email": "0.id"})
    hand["contact_method"] = ref("email_contact_method", "email")
    day.make("/users/{dee}/oncall_handoff_notification_rules", "oncall_handoff_notification_rule", hand, "hand")
    day.gone("/users/{dee}/oncall_handoff_notification_rules/{hand}")
    day.call("GET", "/users/{dee}/sessions", "user_sessions", None, [])
    day.make("/teams", "team", {"type": "team", "name": "Core {run}", "description": "Disks"}, "team")
    day.call("PUT", "/teams/{team}/users/{dee}", body={"role": "responder"}, status=204)
    day.listed("/teams/{team}/members", "members", [{"user": {"id": "{dee}"}, "role": "responder"}])
    day.change("/teams/{team}", "team", {"type": "team", "name": "Core {run}", "description": "Discs"})
    day.listed("/teams", "teams", [{"id": "{team}", "description": "Discs"}], query="Core {run}")


def _on_call(day: Day) -> None:
    layer = {"name": "Days", "start": "{soon}", "rotation_virtual_start": "{soon}", "rotation_turn_length_seconds": 86_400, "users": [{"user": ref("user", "ada")}, {"user": ref("user", "dee")}]}
    schedule = {"type": "schedule", "name": "Turns {run}", "time_zone": "UTC", "description": "Who is up", "schedule_layers": [layer]}
    told = {**schedule, "schedule_layers": [{"name": "Days", "rotation_turn_length_seconds": 86_400, "users": layer["users"]}]}
    day.make("/schedules", "schedule", schedule, "schedule", told)
    turn = {"start": "{soon}", "end": "{later}", "user": ref("user", "bo")}
    day.call("POST", "/schedules/{schedule}/overrides", None, {"overrides": [turn]}, [{"status": 201, "override": turn}], keep={"override": "0.override.id"}, status=201)
    day.call("GET", "/schedules/{schedule}/overrides", "overrides", None, [turn], query={"since": "{now}", "until": "{end}"})
    day.call("DELETE", "/schedules/{schedule}/overrides/{override}", status=204)
    day.call("GET", "/schedules/{schedule}/users", "users", None, ANY, query={"since": "{now}", "until": "{end}"})
    day.make("/v3/schedules", "schedule", {"name": "Shifts {run}", "time_zone": "UTC", "description": "By shift"}, "shifts")
    day.call("POST", "/v3/schedules/{shifts}/rotations", None, {}, {"rotation": {"type": "schedule_rotation"}}, keep={"rotation": "rotation.id"}, status=201)
    event = {
        "name": "Days", "start_time": {"date_time": "{soon}", "time_zone": "UTC"}, "end_time": {"date_time": "{later}", "time_zone": "UTC"}, "effective_since": "{soon}",
        "recurrence": ["RRULE:FREQ=DAILY"], "assignment_strategy": {"type": "rotating_member_assignment_strategy", "shifts_per_member": 1, "members": [{"type": "user_member", "user_id": "{ada}"}]},
    }  # fmt: skip
    day.make("/v3/schedules/{shifts}/rotations/{rotation}/events", "event", event, "event", {"name": "Days", "recurrence": event["recurrence"], "assignment_strategy": event["assignment_strategy"]})
    ladder = [{"escalation_delay_in_minutes": 10, "targets": [ref("schedule", "schedule"), ref("user", "bo")]}, {"escalation_delay_in_minutes": 20, "targets": [ref("user", "ada")]}]
    day.make("/escalation_policies", "escalation_policy", {"type": "escalation_policy", "name": "Ladder {run}", "num_loops": 2, "description": "Up", "escalation_rules": ladder}, "policy")
    day.change("/escalation_policies/{policy}", "escalation_policy", {"type": "escalation_policy", "num_loops": 1, "escalation_rules": ladder[::-1]})
    day.call("GET", "/oncalls", "oncalls", None, [{"escalation_level": 1, "user": {"id": "{ada}"}}], query={"escalation_policy_ids[]": ["{policy}"], "user_ids[]": ["{ada}"]})
    day.call("PUT", "/teams/{team}/escalation_policies/{policy}", status=204)
    day.listed("/escalation_policies", "escalation_policies", [{"id": "{policy}", "teams": [{"id": "{team}"}]}], query="Ladder {run}")
    day.call("DELETE", "/schedules/{schedule}", expect={"code": 2001, "errors": ["Schedule can't be deleted if it's being used by escalation policies"]}, status=400)


def _services(day: Day) -> None:
    hours = {"type": "fixed_time_per_day", "time_zone": "Europe/Berlin", "start_time": "09:00:00", "end_time": "17:00:00", "days_of_week": [1, 2, 3, 4, 5]}
    service = {
        "type": "service", "name": "Payments {run}", "description": "Takes money", "escalation_policy": ref("escalation_policy", "policy"), "auto_resolve_timeout": 14_400, "acknowledgement_timeout": 600,
        "alert_creation": "create_alerts_and_incidents", "support_hours": hours, "scheduled_actions": [],
        "incident_urgency_rule": {"type": "use_support_hours", "during_support_hours": {"type": "constant", "urgency": "high"}, "outside_support_hours": {"type": "constant", "urgency": "low"}},
    }  # fmt: skip
    day.make("/services", "service", service, "service")
    steady = {"type": "service", "support_hours": None, "incident_urgency_rule": {"type": "constant", "urgency": "high"}, "auto_resolve_timeout": None}
    day.change("/services/{service}", "service", steady)
    way = {"type": "events_api_v2_inbound_integration", "name": "Events"}
    day.make("/services/{service}/integrations", "integration", way, "way", keep={"key": "integration_key"})
    day.call("PUT", "/services/{service}/integrations/{way}", "integration", {"type": "events_api_v2_inbound_integration", "name": "In"}, {"name": "In", "integration_key": "{key}"})
    day.call("GET", "/vendors", "vendors", None, ANY, keep={"vendor": "0.id"})
    day.call("GET", "/vendors/{vendor}", "vendor", None, {"id": "{vendor}", "type": "vendor"})
    day.call("GET", "/priorities", "priorities", None, ANY, keep={"priority": "0.id"})
    words = [{"data": {"data_type": "string", "value": word}} for word in ("gold", "silver")]
    field = {"name": "tier_{run}", "display_name": "Tier {run}", "data_type": "string", "field_type": "single_value_fixed"}
    day.make("/services/custom_fields", "field", {**field, "field_options": words}, "tier", field)
    day.call("PUT", "/services/{service}/custom_fields/values", None, {"custom_fields": [{"id": "{tier}", "value": "gold"}]}, {"custom_fields": ANY}, status=201)
    grouping = {"name": "Storm {run}", "type": "time", "config": {"timeout": 300}, "services": [{"id": "{service}"}]}
    day.make("/alert_grouping_settings", "alert_grouping_setting", grouping, "grouping")
    day.gone("/alert_grouping_settings/{grouping}")
    window = {"type": "maintenance_window", "start_time": "{soon}", "end_time": "{later}", "description": "Disks", "services": [ref("service", "service")]}
    day.make("/maintenance_windows", "maintenance_window", window, "window")
    day.change("/maintenance_windows/{window}", "maintenance_window", {"type": "maintenance_window", "description": "Discs"})
    day.gone("/maintenance_windows/{window}")
    hook = {
        "type": "webhook_subscription", "description": "Chat {run}", "events": ["incident.triggered", "incident.resolved"], "filter": {"type": "service_reference", "id": "{service}"},
        "delivery_method": {"type": "http_delivery_method", "url": "https://hooks.example.org/{run}"},
    }  # fmt: skip
    day.make("/webhook_subscriptions", "webhook_subscription", hook, "hook", status=200)
    day.change("/webhook_subscriptions/{hook}", "webhook_subscription", {"type": "webhook_subscription", "events": ["incident.resolved", "incident.triggered"], "active": False})
    day.gone("/webhook_subscriptions/{hook}")
    kind = {"name": "kind_{run}", "display_name": "Kind {run}", "parent_type": "incident_default", "description": "Of its own"}
    day.make("/incidents/types", "incident_type", kind, "kind", {"name": "kind_{run}", "display_name": "Kind {run}"})
    place = {"name": "place_{run}", "display_name": "Place {run}", "data_type": "string", "field_type": "single_value"}
    day.make("/incidents/types/{kind}/custom_fields", "field", place, "place")
    zone = {"name": "zone_{run}", "display_name": "Zone {run}", "data_type": "string", "field_type": "single_value"}
    day.make("/incidents/custom_fields", "field", zone, "zone", plain=True)  # the Python client looks for `fields` in the answer


def _respond(day: Day) -> None:
    incident = {"type": "incident", "title": "Customers cannot pay {run}", "service": ref("service", "service"), "urgency": "high", "body": {"type": "incident_body", "details": "Since nine"}, "incident_key": "pay-{run}"}
    told = {"title": incident["title"], "status": "triggered", "urgency": "high", "incident_key": "pay-{run}"}
    day.make("/incidents", "incident", incident, "incident", told)
    day.call("POST", "/incidents", "incident", incident, {"code": 2002}, status=400)
    day.call("GET", "/incidents/{incident}", "incident", None, {"body": {"details": "Since nine"}}, query={"include[]": ["body"]})
    day.call("PUT", "/incidents/{incident}", "incident", {"type": "incident_reference", "status": "acknowledged"}, {"status": "acknowledged", "acknowledgements": [{"acknowledger": {"id": "{ada}"}}]})
    day.call("PUT", "/incidents/{incident}", "incident", {"type": "incident_reference", "title": "Nobody can pay {run}", "priority": ref("priority", "priority")}, {"title": "Nobody can pay {run}", "priority": {"id": "{priority}"}})
    day.call("POST", "/incidents/{incident}/notes", "note", {"content": "Looking"}, {"content": "Looking", "user": {"id": "{ada}"}}, keep={"note": "id"})
    day.call("PUT", "/incidents/{incident}/notes/{note}", "note", {"content": "Looked"}, {"content": "Looked"})
    day.call("GET", "/incidents/{incident}/notes", "notes", None, [{"id": "{note}", "content": "Looked"}])
    day.call("POST", "/incidents/{incident}/snooze", None, {"duration": 3600}, {"incident": {"status": "acknowledged"}}, status=201)
    day.call("PUT", "/incidents/{incident}/custom_fields/values", None, {"custom_fields": [{"name": "zone_{run}", "value": "north"}]}, {"custom_fields": ANY}, status=201)
    day.call("POST", "/incidents/{incident}/responder_requests", None, {"requester_id": "{ada}", "message": "Help", "responder_request_targets": [{"responder_request_target": ref("user", "bo")}]}, {"responder_request": {"message": "Help"}})
    day.call("POST", "/incidents/{incident}/status_updates/subscribers", None, {"subscribers": [{"subscriber_id": "{dee}", "subscriber_type": "user"}]}, {"subscriptions": [{"subscriber_id": "{dee}", "result": "success"}]})
    day.call("GET", "/incidents/{incident}/status_updates/subscribers", "subscribers", None, [{"subscriber_id": "{dee}", "subscriber_type": "user"}])
    day.call("POST", "/incidents/{incident}/status_updates", None, {"message": "Half of the disks are back"}, {"status_update": {"message": "Half of the disks are back"}})
    day.call("GET", "/incidents/{incident}/alerts", "alerts", None, ANY)
    day.call("GET", "/incidents/{incident}/past_incidents", "past_incidents", None, ANY)
    day.call("GET", "/incidents/{incident}/related_incidents", "related_incidents", None, ANY)
    day.call("GET", "/incidents/{incident}/related_change_events", "change_events", None, ANY)
    day.call("GET", "/incidents/{incident}/outlier_incident", "outlier_incident", None, {"incident": {"id": "{incident}"}})
    other = {**incident, "title": "Shop is slow {run}", "incident_key": "slow-{run}"}
    day.make("/incidents", "incident", other, "other", {"title": "Shop is slow {run}"})
    day.call("PUT", "/incidents/{incident}/merge", None, {"source_incidents": [ref("incident", "other")]}, {"incident": {"id": "{incident}"}})
    day.call("GET", "/incidents/{other}", "incident", None, {"status": "resolved"})
    day.call("PUT", "/incidents", None, {"incidents": [{"id": "{incident}", "type": "incident_reference", "status": "resolved", "resolution": "Restarted"}]}, {"incidents": [{"id": "{incident}", "status": "resolved"}]})
    day.call("PUT", "/incidents/{incident}", "incident", {"type": "incident_reference", "status": "acknowledged"}, {"status": "acknowledged", "resolved_at": None})
    day.call("PUT", "/incidents/{incident}", "incident", {"type": "incident_reference", "status": "resolved"}, {"status": "resolved"})
    day.call("PUT", "/incidents/{incident}", "incident", {"type": "incident_reference", "status": "resolved"}, {"code": 1001}, status=400)
    day.call("GET", "/incidents/{incident}/log_entries", "log_entries", None, ANY, keep={"entry": "0.id"}, query={"is_overview": "true"})
    day.call("GET", "/log_entries/{entry}", "log_entry", None, {"id": "{entry}", "incident": {"id": "{incident}"}})
    day.listed("/incidents", "incidents", [{"id": "{incident}"}, {"id": "{other}"}], **{"service_ids[]": ["{service}"], "statuses[]": ["resolved"], "sort_by": "incident_number"})
    day.call("GET", "/notifications", "notifications", None, ANY, query={"since": "{before}", "until": "{soon}"})


def _around_services(day: Day) -> None:
    day.make("/addons", "addon", {"type": "full_page_addon", "name": "Board {run}", "src": "https://board.example.org/{run}"}, "addon", {"name": "Board {run}", "src": "https://board.example.org/{run}"})
    day.call("PUT", "/addons/{addon}", "addon", {"type": "full_page_addon", "name": "Boards {run}", "src": "https://board.example.org/{run}"}, {"name": "Boards {run}"})
    day.gone("/addons/{addon}")
    day.make("/business_services", "business_service", {"name": "Shop {run}", "description": "Sells", "point_of_contact": "Cy", "team": ref("team", "team")}, "shop", status=200)
    day.change("/business_services/{shop}", "business_service", {"name": "Shop {run}", "description": "Sells more"})
    both = {"relationships": [{"supporting_service": {"id": "{service}", "type": "service"}, "dependent_service": {"id": "{shop}", "type": "business_service"}}]}
    told = {"relationships": [{"supporting_service": {"id": "{service}"}, "dependent_service": {"id": "{shop}"}}]}
    day.call("POST", "/service_dependencies/associate", None, both, told)
    day.call("GET", "/service_dependencies/business_services/{shop}", "relationships", None, told["relationships"], plain=True)
    day.call("GET", "/service_dependencies/technical_services/{service}", "relationships", None, told["relationships"], plain=True)
    day.call("POST", "/service_dependencies/disassociate", None, both, told)
    day.make("/tags", "tag", {"type": "tag", "label": "tag {run}"}, "tag")
    day.call("POST", "/users/{dee}/change_tags", None, {"add": [{"type": "tag_reference", "id": "{tag}"}]}, ANY)
    day.call("GET", "/users/{dee}/tags", "tags", None, [{"id": "{tag}", "label": "tag {run}"}])
    day.call("GET", "/tags/{tag}/users", "users", None, [{"id": "{dee}"}])
    day.call("DELETE", "/tags/{tag}", status=204)
    day.call("GET", "/paused_incident_reports/counts", expect={"paused_incident_reporting_counts": {"paused_count": 0}})
    day.call("GET", "/extension_schemas", "extension_schemas", None, ANY, keep={"schema": "0.id"})
    day.call("GET", "/extension_schemas/{schema}", "extension_schema", None, {"id": "{schema}"})
    day.call("GET", "/extensions", "extensions", None, ANY)


def _bot(day: Day) -> None:
    """A bot has a key of the account, and says for whom it acts in `From`."""
    day.who = BOT
    day.call("GET", "/users/me", expect=ANY, status=400)
    for number in range(4):
        key = f"disk-{number}-{{run}}"
        incident = {"type": "incident", "title": f"Disk {number} is full {{run}}", "service": ref("service", "service"), "incident_key": key}
        day.make("/incidents", "incident", incident, f"disk{number}", {"status": "triggered", "incident_key": key})
        day.call("POST", f"/incidents/{{disk{number}}}/notes", "note", {"content": "Seen by the bot"}, {"content": "Seen by the bot", "user": {"id": "{ada}"}})
        day.call("PUT", f"/incidents/{{disk{number}}}", "incident", {"type": "incident_reference", "status": "acknowledged"}, {"status": "acknowledged"})
        day.call("PUT", f"/incidents/{{disk{number}}}", "incident", {"type": "incident_reference", "urgency": "low"}, {"urgency": "low"})
        day.call("GET", f"/incidents/{{disk{number}}}/log_entries", "log_entries", None, ANY)
    all_ = [{"id": f"{{disk{number}}}", "type": "incident_reference", "status": "resolved"} for number in range(4)]
    day.call("PUT", "/incidents", None, {"incidents": all_}, {"incidents": [{"id": one["id"], "status": "resolved"} for one in all_]})
    day.call("POST", "/change_events", None, {"routing_key": "{key}", "payload": {"summary": "Release {run}", "source": "ci", "timestamp": "{before}", "custom_details": {"build": "7"}}}, {"status": "success"}, status=202)
    day.call("GET", "/services/{service}/change_events", "change_events", None, [{"summary": "Release {run}", "source": "ci"}], keep={"change": "0.id"}, patient=True)
    day.change("/change_events/{change}", "change_event", {"summary": "Releases {run}", "custom_details": {"build": "8"}})
    day.call("GET", "/oncalls", "oncalls", None, ANY, query={"escalation_policy_ids[]": ["{policy}"], "earliest": "true"})
    day.call("GET", "/no_such_thing", expect={"code": 2100}, status=404)
    day.call("GET", "/incidents/PNOBODY", expect={"code": 2100}, status=404)


def _evening(day: Day) -> None:
    day.who = ADMIN
    day.call("GET", "/teams/{team}/audit/records", "records", None, ANY)
    day.call("GET", "/audit/records", "records", None, ANY, query={"root_resource_types[]": ["services"], "limit": 5})
    day.call("DELETE", "/services/{service}/integrations/{way}", status=204)
    for path in ("/services/custom_fields/{tier}", "/incidents/custom_fields/{zone}", "/incidents/types/{kind}/custom_fields/{place}"):
        day.gone(path)
    day.gone("/services/{service}")
    day.call("DELETE", "/teams/{team}/escalation_policies/{policy}", status=204)
    day.gone("/escalation_policies/{policy}")
    day.gone("/schedules/{schedule}")
    day.gone("/v3/schedules/{shifts}")
    day.gone("/business_services/{shop}")
    day.call("DELETE", "/teams/{team}/users/{dee}", status=204)
    day.gone("/teams/{team}")
    day.gone("/users/{dee}/notification_rules/{rule}")
    day.gone("/users/{dee}/contact_methods/{sms}")
    day.gone("/users/{dee}")
