"""A walk with PagerDuty's own Python client, run as a program of its own: `walk.py ADDRESS ROUTING_KEY API_KEY EMAIL`.

It knows nothing of Tocsin: it triggers, acknowledges and resolves through the events client, and finds, changes and lists
what came of it through the REST client. Prints what it saw as JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pagerduty

PATIENCE_SECONDS = 10.0


def wait_for(look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise SystemExit("nothing was seen in time")


def main() -> None:
    address, routing_key, api_key, email = sys.argv[1:]
    events, rest = pagerduty.EventsApiV2Client(routing_key), pagerduty.RestApiV2Client(api_key, default_from=email)
    events.url = rest.url = address

    key = events.trigger("Checkout is slow", "eu-1", severity="critical", custom_details={"p99": "4 s"})

    def incident(status: str) -> Any:
        found = rest.list_all("incidents", params={"statuses[]": [status], "incident_key": key})
        return next((one for one in found if one["incident_key"] == key), None)

    opened = wait_for(lambda: incident("triggered"))
    events.acknowledge(key)
    acknowledged = wait_for(lambda: incident("acknowledged"))
    change = {"type": "incident_reference", "title": "Checkout is slow in Europe"}
    changed = rest.rput(f"/incidents/{opened['id']}", json=change)
    rest.rpost(f"/incidents/{opened['id']}/notes", json={"content": "Looking at it"})
    alerts = rest.list_all(f"incidents/{opened['id']}/alerts")
    entries = list(rest.iter_all(f"incidents/{opened['id']}/log_entries"))
    events.resolve(key)
    resolved = wait_for(lambda: incident("resolved"))
    users, services = list(rest.iter_all("users")), list(rest.iter_all("services"))
    somebody = rest.find("users", email, attribute="email")
    seen = {
        "version": version("pagerduty"),
        "key": key,
        "statuses": [one["status"] for one in (opened, acknowledged, resolved)],
        "title": changed["title"],
        "alert": alerts[0]["alert_key"],
        "entries": sorted({entry["type"] for entry in entries}),
        "users": [user["email"] for user in users],
        "service": rest.rget(f"/services/{services[0]['id']}")["name"],
        "found": somebody and somebody["email"],
    }
    print(json.dumps(seen))


main()
