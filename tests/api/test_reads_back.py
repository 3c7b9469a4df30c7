"""What reads back is what was written: for every collection that can be added to and changed, one table, one example each.

Laws:
1. The walk is over the table of routes: a collection without an example fails the test.
2. Made → read → changed → read → listed gives equal fields, in the same order, with the same nulls and defaults.
3. The same change again, and what was read put back whole, change nothing in the database: no row, no audit record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import TABLE, Api
from tests.api.test_kernel import state
from tests.api.test_roles import FROM, _event, _shift, _stand_in, played
from tests.people import ADA, BO
from tocsin.base.secret import Seals

RANGE = (("since", "2026-11-23T00:00:00Z"), ("until", "2026-12-20T00:00:00Z"))


@dataclass(frozen=True)
class Example:
    """One collection: what makes one of it, and what changes it.

    wrap    the wrapper of one; `plural` that of the list, where it is not wrap + s
    least   what makes the plainest one: it must read back with the same defaults wherever it is read
    told    fields that are never read as written, with the reason: they are secret, or only said when it is made
    moves   fields that move by themselves when something is changed
    many    the collection takes a list of them
    put_back  how what was read is sent; None where PagerDuty takes no whole one
    """

    path: str
    wrap: str
    make: Mapping[str, Any]
    change: Mapping[str, Any]
    least: Mapping[str, Any] | None = None
    plural: str = ""
    told: Mapping[str, str] = field(default_factory=dict)
    moves: Sequence[str] = ("updated_at",)
    query: Sequence[tuple[str, str]] = ()
    many: bool = False
    is_shown: bool = True
    lists: Sequence[tuple[str, str]] = ()
    is_listed: bool = True
    put_back: Callable[[dict[str, Any]], dict[str, Any]] | None = dict

    @property
    def of_list(self) -> str:
        return self.plural or f"{self.wrap}s"


def _ref(kind: str, id_: str) -> dict[str, str]:
    return {"id": id_, "type": f"{kind}_reference"}


HOURS = {"type": "fixed_time_per_day", "time_zone": "Europe/Berlin", "start_time": "09:00:00", "end_time": "17:00:00", "days_of_week": [1, 3, 5]}
OPTIONS = [{"data": {"data_type": "string", "value": word}} for word in ("zinc", "copper", "brass")]


def _layer(*people: str, **more: Any) -> dict[str, Any]:
    start = "2026-11-30T09:00:00Z"
    return {
        "name": "Days", "start": start, "end": None, "rotation_virtual_start": start, "rotation_turn_length_seconds": 86400,
        "users": [{"user": _ref("user", one)} for one in people], "restrictions": [], **more,
    }  # fmt: skip


def _lowest_first(schedule: dict[str, Any]) -> dict[str, Any]:
    """Layers are told from the highest to the lowest and sent the other way round (BEHAVIOUR 5.1)."""
    return {**schedule, "schedule_layers": schedule["schedule_layers"][::-1]}


def _examples(of: Mapping[str, str]) -> list[Example]:
    ada, bo, policy, service = _ref("user", ADA.id), _ref("user", BO.id), _ref("escalation_policy", of["policy"]), _ref("service", of["service"])
    ladder = [
        {"escalation_delay_in_minutes": 30, "targets": [_ref("schedule", of["schedule"]), bo, ada]},
        {"escalation_delay_in_minutes": 5, "targets": [bo]},
    ]
    night = {"type": "weekly_restriction", "start_day_of_week": 5, "start_time_of_day": "22:00:00", "duration_seconds": 28800}
    urgency = {
        "type": "use_support_hours", "during_support_hours": {"type": "constant", "urgency": "high"},
        "outside_support_hours": {"type": "constant", "urgency": "low"},
    }  # fmt: skip
    raised = {"type": "urgency_change", "at": {"type": "named_time", "name": "support_hours_start"}, "to_urgency": "high"}
    hook = {
        "type": "webhook_subscription", "events": ["incident.triggered", "incident.acknowledged"], "filter": {"type": "account_reference"},
        "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/read", "custom_headers": []}, "description": "Chat",
    }  # fmt: skip
    mail = {"id": of["method"], "type": "email_contact_method_reference"}
    spare = {"id": of["default_method"], "type": "email_contact_method_reference"}
    kind = {"name": "metal", "display_name": "Metal", "data_type": "string", "description": "Of what", "enabled": True}
    fixed = {**kind, "field_type": "multi_value_fixed"}
    plain = {"name": "worth", "display_name": "Worth", "data_type": "float", "field_type": "single_value"}
    option = {"data": {"data_type": "string", "value": "lead"}}
    other = {"data": {"data_type": "string", "value": "tin"}}
    window = {"start_time": "2026-11-26T09:00:00Z", "end_time": "2026-11-26T11:00:00Z", "services": [service], "description": "Disks"}
    ada_s = f"/users/{ADA.id}"
    incident = f"/incidents/{of['incident']}"
    v3 = f"/v3/schedules/{of['shifts']}"
    return [
        Example("/teams", "team", {"name": "Reads", "description": "Back", "default_role": "none", "parent": _ref("team", of["lonely_team"])}, {"description": "Forth", "parent": None}, {"name": "Least"}),
        Example("/users", "user", {"name": "Dee", "email": "dee@example.org", "time_zone": "Europe/Paris", "color": "green", "role": "limited_user", "job_title": "SRE", "description": "Nights"}, {"name": "Dee Two", "time_zone": "Asia/Tokyo", "job_title": "", "description": None}, {"name": "Ed", "email": "ed@example.org"}),
        Example(f"/users/{ADA.id}/contact_methods", "contact_method", {"type": "sms_contact_method", "label": "Mobile", "address": "5551234", "country_code": 49}, {"label": "Pocket", "address": "5551235"}, {"type": "email_contact_method", "address": "least@example.org"}),
        Example(f"{ada_s}/notification_rules", "notification_rule", {"type": "assignment_notification_rule", "contact_method": mail, "urgency": "low", "start_delay_in_minutes": 7}, {"start_delay_in_minutes": 8}, {"type": "assignment_notification_rule", "contact_method": mail, "urgency": "high", "start_delay_in_minutes": 11}, lists=[("urgency", "all")]),
        Example(f"{ada_s}/oncall_handoff_notification_rules", "oncall_handoff_notification_rule", {"contact_method": mail, "handoff_type": "oncall", "notify_advance_in_minutes": 90}, {"handoff_type": "offcall", "notify_advance_in_minutes": 30}),
        Example(f"{ada_s}/status_update_notification_rules", "status_update_notification_rule", {"contact_method": spare}, {"contact_method": spare}),
        Example("/escalation_policies", "escalation_policy", {"name": "Reads", "description": "Up", "num_loops": 2, "on_call_handoff_notifications": "always", "escalation_rules": ladder, "teams": [_ref("team", of["team"])]}, {"num_loops": 0, "description": "Down", "escalation_rules": ladder[::-1]}, {"name": "Least", "escalation_rules": ladder[1:]}, plural="escalation_policies"),
        Example(
            "/services", "service",
            {"name": "Reads", "description": "Back", "escalation_policy": policy, "auto_resolve_timeout": 3600, "acknowledgement_timeout": 1800, "alert_creation": "create_alerts_and_incidents", "incident_urgency_rule": urgency, "support_hours": HOURS, "scheduled_actions": [raised], "auto_pause_notifications_parameters": {"enabled": True, "timeout": 300}, "alert_grouping_parameters": {"type": "content_based", "config": {"aggregate": "all", "fields": ["source", "class"], "time_window": 600}}},
            {"description": "Forth", "auto_resolve_timeout": None, "acknowledgement_timeout": 600, "incident_urgency_rule": {"type": "constant", "urgency": "low"}, "support_hours": None, "scheduled_actions": [], "auto_pause_notifications_parameters": {"enabled": False, "timeout": None}, "alert_grouping_parameters": {"type": "time", "config": {"timeout": 120}}},
            {"name": "Least", "escalation_policy": policy},
        ),
        Example(f"/services/{of['service']}/integrations", "integration", {"type": "events_api_v2_inbound_integration", "name": "Reads"}, {"name": "Back"}, {"type": "events_api_v2_inbound_integration"}, is_listed=False),
        Example("/schedules", "schedule", {"name": "Reads", "description": "Back", "time_zone": "Europe/Berlin", "schedule_layers": [_layer(ADA.id, BO.id), _layer(BO.id, name="Fridays", restrictions=[night])], "teams": [_ref("team", of["team"])]}, {"description": None, "time_zone": "Asia/Tokyo"}, {"name": "Least", "time_zone": "UTC", "schedule_layers": []}, told={"schedule_layers": "highest first, in the zone of the schedule"}, put_back=_lowest_first),
        Example("/v3/schedules", "schedule", {"name": "Reads", "time_zone": "Europe/Berlin", "description": "Back"}, {"description": "Forth", "time_zone": "UTC"}, {"name": "Least", "time_zone": "UTC"}, moves=("updated_at", "version"), put_back=None),
        Example(f"{v3}/rotations/{of['rotation']}/events", "event", _event(ADA.id) | {"effective_since": "2026-12-24T09:00:00Z", "effective_until": None}, _event(BO.id) | {"name": "Nightly", "effective_since": "2026-12-24T09:00:00Z", "effective_until": None}),
        Example(f"{v3}/custom_shifts", "custom_shift", _shift(BO.id), {**_shift(ADA.id), "end_time": "2026-11-26T18:00:00Z"}, query=RANGE, many=True, lists=RANGE),
        Example(f"{v3}/overrides", "override", _stand_in(ADA.id, of["rotation"]) | {"overriding_member": {"type": "user_member", "user_id": BO.id}}, {**_stand_in(ADA.id, of["rotation"]), "end_time": "2026-11-27T18:00:00Z"}, many=True, lists=RANGE),
        Example("/maintenance_windows", "maintenance_window", window, {"description": "Discs", "end_time": "2026-11-26T12:00:00Z"}, {name: value for name, value in window.items() if name != "description"}),
        Example("/alert_grouping_settings", "alert_grouping_setting", {"name": "Reads", "description": "Back", "type": "content_based", "config": {"aggregate": "any", "fields": ["source", "class"], "time_window": 3600}, "services": [{"id": of["ungrouped_service"]}]}, {"name": "Other", "description": None, "type": "time", "config": {"timeout": 600}}),
        Example("/webhook_subscriptions", "webhook_subscription", hook, {"events": ["incident.resolved"], "description": "Talk", "active": False}, {name: value for name, value in hook.items() if name != "description"}, told={"delivery_method.secret": "told once, when it is made"}),
        Example("/addons", "addon", {"type": "full_page_addon", "name": "Reads", "src": "https://example.org/reads"}, {"type": "full_page_addon", "name": "Back", "src": "https://example.org/back"}, told={"type": "a reference where it is made and listed"}),
        Example("/extensions", "extension", {"name": "Reads", "endpoint_url": "https://example.org/reads", "extension_schema": {"id": "PJFWPEP"}, "extension_objects": [service]}, {"name": "Back", "endpoint_url": "https://example.org/back"}),
        Example("/business_services", "business_service", {"name": "Reads", "description": "Back", "point_of_contact": "Cy", "team": {"id": of["team"]}}, {"description": "Forth", "point_of_contact": "Bo"}, {"name": "Least"}),
        Example("/api/v1/heartbeats", "heartbeat", {"name": "Reads", "service": service, "schedule": {"type": "period", "seconds": 600}, "grace": 120}, {"name": "Back", "grace": 60}, told={"address": "told once"}),
        Example("/priorities", "priority", {"name": "P7", "description": "Last", "color": "aabbcc", "order": 77}, {"name": "P8", "description": ""}, {"name": "Least"}, plural="priorities"),
        Example("/incidents", "incident", {"type": "incident", "title": "Reads", "service": service, "urgency": "low", "body": {"type": "incident_body", "details": "Back"}, "incident_key": "reads"}, {"type": "incident", "title": "Forth", "urgency": "high"}, {"type": "incident", "title": "Least", "service": service}, told={"body": "only included", "type": "a reference too"}, moves=("updated_at", "last_status_change_at", "summary", "pending_actions"), put_back=None),
        Example(f"{incident}/notes", "note", {"content": "Reads"}, {"content": "Back"}, is_shown=False),
        Example("/incidents/types", "incident_type", {"name": "reads", "display_name": "Reads", "parent_type": "incident_default", "enabled": True, "description": "Back"}, {"display_name": "Forth", "enabled": False, "description": None}, {"name": "least", "display_name": "Least", "parent_type": "incident_default"}, told={"parent_type": "read as parent"}, lists=[("filter", "all")]),
        Example(f"/incidents/types/{of['type']}/custom_fields", "field", {**fixed, "field_options": OPTIONS}, {"display_name": "Metals", "description": None, "enabled": False}, plain, told={"field_options": "only included"}),
        Example(f"/incidents/types/{of['type']}/custom_fields/{of['field']}/field_options", "field_option", option, other),
        Example("/incidents/custom_fields", "field", {**fixed, "name": "ore", "display_name": "Ore", "field_options": OPTIONS}, {"display_name": "Ores", "description": None}, {**plain, "name": "sum", "display_name": "Sum"}, told={"field_options": "only included"}),
        Example(f"/incidents/custom_fields/{of['base_field']}/field_options", "field_option", option, other, is_shown=False),
        Example("/services/custom_fields", "field", {**fixed, "name": "alloy", "field_options": OPTIONS}, {"display_name": "Alloys", "description": None, "enabled": False}, {**plain, "name": "price"}, told={"field_options": "only included"}),
        Example(f"/services/custom_fields/{of['service_field']}/field_options", "field_option", option, other),
    ]


NOT_WRITTEN_AS_READ = {
    "/change_events": "a change event is sent as events are, answered 202, and only corrected afterwards (test_change_events.py)",
    "/webhook_subscriptions/oauth_clients": "a grant is asked for at another server first (test_webhook_oauth_clients.py)",
}


@pytest.fixture(scope="module")
def world(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, seals: Seals) -> Iterator[tuple[Api, dict[str, str]]]:
    with played(tmp_path_factory.mktemp("reads") / "tocsin.db", empty_sqlite, seals) as play:
        yield replace(play.api, house=replace(play.api.house, db=play.api.house.db.db)), play.things  # type: ignore[attr-defined]


def collections() -> set[str]:
    """Every path below which something can be made and changed, without ids."""
    asked = {(route.method, route.path) for route in TABLE.routes}
    ones = [path for method, path in asked if method == "PUT" and path.endswith("}")]
    return {path.rpartition("/")[0] for path in ones if ("POST", path.rpartition("/")[0]) in asked}


def test_every_collection_has_an_example(world: tuple[Api, dict[str, str]]) -> None:
    met = set()
    for one in _examples(world[1]):
        matched = TABLE.match("POST", one.path)
        assert matched is not None, one.path
        met.add(matched[0].path)
    assert collections() - met - NOT_WRITTEN_AS_READ.keys() == set()


def differs(sent: Any, got: Any, at: str = "") -> list[str]:
    """Where what was sent is not what was got: of objects only what was sent, of lists the length and the order."""
    if isinstance(sent, Mapping):
        if not isinstance(got, Mapping):
            return [f"{at}: {got!r}"]
        names = sent.keys() - ({"type"} if str(sent.get("type", "")).endswith("_reference") else set())
        return [where for name in sorted(names) for where in differs(sent[name], got.get(name), f"{at}.{name}")]
    if isinstance(sent, list):
        if not isinstance(got, list) or len(sent) != len(got):
            return [f"{at}: {got!r}"]
        return [where for at_, (one, other) in enumerate(zip(sent, got, strict=True)) for where in differs(one, other, f"{at}[{at_}]")]
    return [] if sent == got else [f"{at}: sent {sent!r}, got {got!r}"]


@dataclass
class Reader:
    """Reads one thing back wherever it can be read."""

    api: Api
    example: Example

    def sent(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in wish.items() if name not in self.example.told}

    def ask(self, method: str, path: str, body: Any = None, query: Sequence[tuple[str, str]] = ()) -> Any:
        reply = self.api.ask(method, path, body, headers=FROM, query=query)
        assert reply.status < 300, (method, path, reply)
        return reply.body

    def make(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        one = self.example
        if one.many:
            made: dict[str, Any] = self.ask("POST", one.path, {one.of_list: [wish]})[one.of_list][0]
            return made
        return dict(self.ask("POST", one.path, {one.wrap: wish})[one.wrap])

    def listed(self, id_: str) -> dict[str, Any]:
        found = self.ask("GET", self.example.path, query=[*self.example.lists, *(() if self.example.many else (("limit", "100"),))])[self.example.of_list]
        (one,) = (each for each in found if each["id"] == id_)
        return dict(one)

    def read(self, id_: str) -> dict[str, Any]:
        one = self.example
        if not one.is_shown:
            return self.listed(id_)
        return dict(self.ask("GET", f"{one.path}/{id_}", query=one.query)[one.wrap])

    def put(self, id_: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.ask("PUT", f"{self.example.path}/{id_}", {self.example.wrap: wish})[self.example.wrap])


NAMES = [one.path for one in _examples({name: name.upper() for name in (
    "policy", "service", "schedule", "team", "lonely_team", "method", "default_method", "incident", "shifts", "rotation", "type", "field",
    "base_field", "service_field", "ungrouped_service",
)})]  # fmt: skip


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_what_is_written_reads_back_everywhere_and_again_changes_nothing(world: tuple[Api, dict[str, str]], number: int) -> None:
    api, things = world
    one = _examples(things)[number]
    reader, wrong = Reader(api, one), []
    made = reader.make(one.make)
    read = reader.read(made["id"])
    wrong += [f"made{where}" for where in differs(reader.sent(one.make), made)]
    wrong += [f"read when made{where}" for where in differs(without(made, one), without(read, one))]
    changed = reader.put(made["id"], one.change)
    again = reader.read(made["id"])
    wrong += [f"changed{where}" for where in differs(reader.sent(one.change), changed)]
    wrong += [f"read when changed{where}" for where in differs(without(changed, one), without(again, one))]
    left = {name: value for name, value in read.items() if name not in {*one.change, *one.moves, "summary"}}
    kept = {name: again.get(name) for name in left}
    if one.wrap not in {"event", "service", "schedule"}:
        wrong += [f"not asked to change{where}" for where in differs(left, kept)]
    listed = reader.listed(made["id"]) if one.is_listed else {}
    wrong += [f"listed{where}" for where in differs({name: value for name, value in listed.items() if name in again}, again)]
    before = state(api.house.db)
    api.later(minutes=1)
    reader.put(made["id"], one.change)
    wrong += [f"the same change again wrote {what}" for what in moved(before, state(api.house.db))]
    whole = reader.read(made["id"])
    if one.put_back is not None:
        reader.put(made["id"], one.put_back(whole))
        wrong += [f"putting it back wrote {what}" for what in moved(before, state(api.house.db))]
        wrong += [f"put back{where}" for where in differs(whole, reader.read(made["id"]))]
    if one.least is not None:
        least = reader.make(one.least)
        wrong += [f"least{where}" for where in differs(reader.sent(one.least), least)]
        wrong += [f"least read{where}" for where in differs(without(least, one), without(reader.read(least["id"]), one))]
        again = reader.read(least["id"]) if one.is_listed else {}
        wrong += [f"least listed{where}" for where in differs({name: value for name, value in (reader.listed(least["id"]) if again else {}).items() if name in again}, again)]
    assert not wrong, "\n".join(wrong)


def without(body: Mapping[str, Any], one: Example) -> dict[str, Any]:
    """What was told, without what is only told when it is made."""
    kept = {name: value for name, value in body.items() if name not in one.told or name == "type"}
    for place in one.told:
        outer, _, inner = place.partition(".")
        if inner and isinstance(kept.get(outer), Mapping):
            kept[outer] = {name: value for name, value in kept[outer].items() if name != inner}
    return kept


def moved(before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> list[str]:
    """The tables that changed, and a row of each that is new."""
    held = {table: rows for table, rows in after.items() if table != "counters"}  # taken so that two changes wait for each other
    return [f"{table}: {next(iter(set(rows) - set(before[table])), 'less')[:300]}" for table, rows in held.items() if rows != before[table]]
