"""What people do all day with PagerDuty's Python client, written so that version 5 and the current one both run it.

It is a program: run by the interpreter of either version's environment, it reads what it needs from standard input and
prints what it saw. Current versions take an address as an argument, and only https; version 5 is given it afterwards.
"""

import inspect
import json
import sys
import time
from typing import Any

import pagerduty


def made(kind: Any, key: str, url: str, **more: Any) -> Any:
    """A client of this kind that speaks to this server."""
    if "base_url" in inspect.signature(kind).parameters:
        return kind(key, base_url=url, **more)
    client = kind(key, **more)
    client.url = url
    return client


def found(rest: Any, service_id: str, dedup_key: str, status: str) -> dict[str, Any]:
    """The incident of this key, as soon as it has this status."""
    until = time.monotonic() + 15
    while True:
        wanted = {"service_ids[]": [service_id], "incident_key": dedup_key}
        for incident in rest.list_all("incidents", params=wanted):
            if incident["status"] == status:
                return dict(incident)
        if time.monotonic() > until:
            raise SystemExit(f"{dedup_key} is not {status}")
        time.sleep(0.02)


def same(sent: Any, got: Any) -> list[str]:
    """What was written and reads back otherwise; what only the server says is no difference."""
    if isinstance(sent, dict):
        return [f"{name}.{where}" for name, value in sent.items() for where in same(value, got.get(name) if isinstance(got, dict) else None)]
    if isinstance(sent, list):
        if not isinstance(got, list) or len(sent) != len(got):
            return [f"{len(sent)} of them"]
        return [where for one, other in zip(sent, got, strict=True) for where in same(one, other)]
    return [] if sent == got else [f"{sent!r} is {got!r}"]


def on_call(rest: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Schedules of both kinds and policies are made, changed, previewed, overridden and read back."""
    ada, bo = ({"id": id_, "type": "user_reference"} for id_ in told["people"])

    def layer(name: str, *users: Any, **more: Any) -> dict[str, Any]:
        start = "2030-01-07T09:00:00+01:00"
        return {
            "name": name, "start": start, "rotation_virtual_start": start, "end": None, "rotation_turn_length_seconds": 86_400,
            "users": [{"user": user} for user in users], "restrictions": [], **more,
        }  # fmt: skip

    night = {"type": "weekly_restriction", "start_day_of_week": 5, "start_time_of_day": "22:00:00", "duration_seconds": 28_800}
    # Layers are told from the highest to the lowest, the other way round than they are sent.
    layers = [layer("Days", ada, bo), layer("Friday nights", bo, restrictions=[night])]
    wish = {"type": "schedule", "name": f"Turns {told['name']}", "time_zone": "Europe/Berlin", "description": "Who is up", "schedule_layers": layers}
    made = rest.rpost("schedules", json=wish)
    saw: dict[str, Any] = {"v2_made": same({**wish, "schedule_layers": layers[::-1]}, rest.rget(made))}
    kept = rest.rget(made)
    kept["schedule_layers"][1]["rotation_turn_length_seconds"] = 172_800
    range_ = {"since": "2030-01-07T00:00:00+01:00", "until": "2030-01-14T00:00:00+01:00"}
    forward = {**kept, "schedule_layers": kept["schedule_layers"][::-1]}
    seen = rest.post("schedules/preview", params=range_, json={"schedule": forward}).json()["schedule"]
    saw["v2_preview"] = [seen["schedule_layers"][1]["rotation_turn_length_seconds"], same(made, rest.rget(made))]
    rest.rput(made, json=forward)
    shown = rest.rget(made, params=range_)
    saw["v2_changed"] = [shown["schedule_layers"][1]["rotation_turn_length_seconds"], len(shown["final_schedule"]["rendered_schedule_entries"]) > 3]
    turn = {"start": "2030-01-08T12:00:00+01:00", "end": "2030-01-08T18:00:00+01:00", "user": bo}
    (taken,) = rest.post(f"schedules/{made['id']}/overrides", json={"overrides": [turn]}).json()
    listed = rest.rget(f"schedules/{made['id']}/overrides", params=range_)
    saw["v2_override"] = [taken["status"], same([turn], listed)]
    saw["v2_undone"] = rest.delete(f"schedules/{made['id']}/overrides/{taken['override']['id']}").status_code

    v3 = rest.post("v3/schedules", json={"schedule": {"name": f"Shifts {told['name']}", "time_zone": "Europe/Berlin", "description": "By shift"}}).json()["schedule"]
    rotation = rest.post(f"v3/schedules/{v3['id']}/rotations", json={}).json()["rotation"]
    event = {
        "name": "Days", "start_time": {"date_time": "2030-01-07T09:00:00+01:00", "time_zone": "Europe/Berlin"},
        "end_time": {"date_time": "2030-01-07T17:00:00+01:00", "time_zone": "Europe/Berlin"}, "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,TU"],
        "assignment_strategy": {
            "type": "rotating_member_assignment_strategy", "shifts_per_member": 1,
            "members": [{"type": "user_member", "user_id": user["id"]} for user in (ada, bo)],
        },
    }  # fmt: skip
    events = f"v3/schedules/{v3['id']}/rotations/{rotation['id']}/events"
    answer = rest.post(events, json={"event": {**event, "effective_since": told["now"]}})
    saw["v3_made"] = [answer.status_code, same([event], rest.get(events).json()["events"])]

    reference = {"id": made["id"], "type": "schedule_reference"}
    rules = [
        {"escalation_delay_in_minutes": 15, "targets": [reference, ada], "escalation_rule_assignment_strategy": {"type": "round_robin"}},
        {"escalation_delay_in_minutes": 30, "targets": [{"id": v3["id"], "type": "schedule_v3_reference"}], "escalation_rule_assignment_strategy": {"type": "assign_to_everyone"}},
    ]
    policy = {"type": "escalation_policy", "name": f"Ladder {told['name']}", "num_loops": 2, "on_call_handoff_notifications": "always", "description": "Up", "escalation_rules": rules}
    ladder = rest.rpost("escalation_policies", json=policy)
    strategies = {"include[]": ["escalation_rule_assignment_strategies"]}
    saw["policy_made"] = same(policy, rest.rget(ladder, params=strategies))
    changed = {**rest.rget(ladder, params=strategies), "num_loops": 0, "escalation_rules": rest.rget(ladder, params=strategies)["escalation_rules"][::-1]}
    rest.rput(ladder, json=changed)
    again = rest.rget(ladder, params=strategies)
    saw["policy_changed"] = same({"num_loops": 0, "escalation_rules": changed["escalation_rules"]}, again)
    held = rest.list_all("oncalls", params={"escalation_policy_ids[]": [ladder["id"]], "since": "2026-11-01T00:00:00Z"})
    saw["on_calls"] = [ada["id"] in {one["user"]["id"] for one in held}, {one["escalation_level"] for one in held} <= {1, 2}]
    saw["refused"] = rest.delete(f"schedules/{made['id']}").json()["error"]["errors"]
    rest.rdelete(ladder)
    saw["deleted"] = [rest.delete(f"schedules/{made['id']}").status_code, rest.delete(f"v3/schedules/{v3['id']}").status_code]
    return saw


def main() -> None:
    told = json.load(sys.stdin)
    url, service_id = told["url"], told["service_id"]
    events = made(pagerduty.EventsApiV2Client, told["routing_key"], url)
    rest = made(pagerduty.RestApiV2Client, told["key"], url)
    account = made(pagerduty.RestApiV2Client, told["account_key"], url, default_from=told["email"])
    saw: dict[str, Any] = {"version": pagerduty.__version__}

    # --- Events
    key = events.trigger("Disk is full on db1", "db1", severity="critical", custom_details={"free": "3 %"})
    saw["dedup_key"] = key
    incident = found(rest, service_id, key, "triggered")
    saw["acknowledged"] = events.acknowledge(key) == key and found(rest, service_id, key, "acknowledged")["id"] == incident["id"]
    saw["resolved"] = events.resolve(key) == key and found(rest, service_id, key, "resolved")["id"] == incident["id"]
    events.submit("Deployed 4.2", source="ci", custom_details={"build": "17"}, timestamp="2026-11-23T09:00:00Z")
    try:
        events.trigger("Disk is full on db1", "db1", severity="page")
    except pagerduty.HttpError as error:
        answer: Any = error.response
        saw["refused"] = [answer.status_code, answer.json()["errors"]]

    # --- Incidents
    key = events.trigger("Queue is stuck", "mq1", dedup_key=f"queue-{told['name']}")
    incident = found(rest, service_id, key, "triggered")
    shown = rest.rget(incident["self"])
    saw["shown"] = [shown["title"], shown["service"]["id"], shown["urgency"]]
    saw["by_object"] = rest.rput(incident, json={"type": "incident_reference", "status": "acknowledged"})["status"]
    by_account = account.rput(f"incidents/{incident['id']}", json={"type": "incident_reference", "title": "Queue is slow"})
    saw["by_account_key"] = by_account["title"]
    note = rest.rpost(f"incidents/{incident['id']}/notes", json={"content": "Looking at it"})
    saw["note"] = [note["content"], note["user"]["id"]]
    saw["notes"] = [entry["channel"]["summary"] for entry in rest.iter_incident_notes(incident["id"])]
    snoozed = rest.post(f"incidents/{incident['id']}/snooze", json={"duration": 3600}).json()["incident"]
    saw["snoozed"] = [one["type"] for one in snoozed["pending_actions"]]
    item = {"id": incident["id"], "type": "incident_reference", "status": "resolved", "resolution": "Restarted"}
    saw["many"] = [one["status"] for one in rest.rput("incidents", json=[item])]
    entries = rest.list_all(f"incidents/{incident['id']}/log_entries")
    saw["log"] = sorted({entry["type"] for entry in entries})

    # --- Everything else
    saw["key_kind"] = rest.api_key_access
    if not saw["version"].startswith("5."):  # version 5 fails in its own code (NameError) at the account's key
        saw["account_key_kind"] = account.api_key_access
    saw["subdomain"] = rest.subdomain
    saw["ability"] = rest.account_has_ability("teams")
    saw["me"] = rest.rget("users/me")["email"]
    saw["found"] = rest.find("users", told["email"].upper(), attribute="email")["id"]
    team = {"name": f"Storage {told['name']}", "description": "Disks"}
    saw["persisted"] = [rest.persist("teams", "name", {**team, "type": "team"}, update=True)["id"] for _ in range(2)]
    changed = rest.persist("teams", "name", {**team, "description": "Discs"}, update=True)
    saw["updated"] = rest.rget(changed)["description"]
    rest.rdelete(changed)
    saw["gone"] = rest.get(f"teams/{changed['id']}").status_code
    saw["by_id"] = told["service_id"] in rest.dict_all("services", params={"query": told["service_name"]})
    saw["unimplemented"] = rest.get("status_pages").status_code
    saw["on_call"] = on_call(rest, told)
    wrong = made(pagerduty.RestApiV2Client, "0" * 20, url)
    try:
        wrong.rget("users/me")
    except pagerduty.HttpError as error:
        answer = error.response
        saw["wrong_key"] = answer.status_code
    print(json.dumps(saw))


main()
