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
    wrong = made(pagerduty.RestApiV2Client, "0" * 20, url)
    try:
        wrong.rget("users/me")
    except pagerduty.HttpError as error:
        answer = error.response
        saw["wrong_key"] = answer.status_code
    print(json.dumps(saw))


main()
