"""A running Tocsin with local phones around it, and small companies in it: what every client and sender here is tried on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.installation import Installation
from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Arrived, Sinks

PATIENCE_SECONDS = 15.0
"""How long a test waits for what takes milliseconds."""

_numbers = count(1)


def settings_for(sinks: Sinks) -> dict[str, str]:
    """What an installation is told whose mails, calls and messages go to the local sinks."""
    return {
        "TOCSIN_ALLOW_PRIVATE": "127.0.0.0/8",
        "TOCSIN_SMTP_HOST": "127.0.0.1",
        "TOCSIN_SMTP_PORT": str(sinks.smtp_port),
        "TOCSIN_SMTP_SECURITY": "none",
        "TOCSIN_SMTP_FROM": "tocsin@example.org",
        "TOCSIN_TWILIO_URL": sinks.url,
        "TOCSIN_TWILIO_ACCOUNT": ACCOUNT_SID,
        "TOCSIN_TWILIO_TOKEN": AUTH_TOKEN,
        "TOCSIN_TWILIO_FROM": OWN_NUMBER,
    }


def until(wanted: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first answer of `wanted` that says something. Fails with `what` when none does in time."""
    end = time.monotonic() + seconds
    while True:
        found = wanted()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Office:
    """A serving installation and the phones that its pages reach."""

    house: Installation
    sinks: Sinks

    def person(
        self, name: str = "Ada", ways: tuple[str, ...] = ("webhook",), role: str = "user", minutes_between: int = 0
    ) -> "Colleague":
        """Somebody new, told at once in all of these ways (webhook, email, sms, phone), or in one after the other."""
        number = next(_numbers)
        handle = f"{name.lower()}{number}"
        user = {"type": "user", "name": f"{name} {number}", "email": f"{handle}@example.org", "role": role}
        user = self.house.ask("POST", "/users", {"user": user})["user"]
        colleague = Colleague(user["id"], user["name"], user["email"], handle, f"5550{number:06d}")
        self._forget_ways(user["id"])
        for at, way in enumerate(ways):
            self._reach(colleague, way, at * minutes_between)
        return colleague

    def _forget_ways(self, user_id: str) -> None:
        """Nobody is reached in ways a test did not ask for."""
        for method in self.house.get(f"/users/{user_id}/contact_methods")["contact_methods"]:
            self.house.ask("DELETE", f"/users/{user_id}/contact_methods/{method['id']}")

    def _reach(self, colleague: "Colleague", way: str, minutes: int) -> None:
        addresses: dict[str, dict[str, object]] = {
            "webhook": {"address": f"{self.sinks.url}/phone/{colleague.handle}"},
            "email": {"address": colleague.email},
            "sms": {"address": colleague.number, "country_code": 1},
            "phone": {"address": colleague.number, "country_code": 1},
        }
        place = f"/users/{colleague.id}"
        method = {"type": f"{way}_contact_method", "label": way, **addresses[way]}
        method = self.house.ask("POST", f"{place}/contact_methods", {"contact_method": method})["contact_method"]
        for urgency in ("high", "low"):
            rule = {
                "type": "assignment_notification_rule",
                "start_delay_in_minutes": minutes,
                "urgency": urgency,
                "contact_method": {"id": method["id"], "type": method["type"]},
            }
            self.house.ask("POST", f"{place}/notification_rules", {"notification_rule": rule})

    def service(self, *people: "Colleague", name: str = "Payments", **more: Any) -> "Watched":
        """A service whose events page these people at once, and its key for events."""
        named = f"{name} {next(_numbers)}"
        targets = [{"id": person.id, "type": "user_reference"} for person in people]
        policy = {
            "type": "escalation_policy",
            "name": named,
            "escalation_rules": [{"escalation_delay_in_minutes": 60, "targets": targets}],
        }
        policy = self.house.ask("POST", "/escalation_policies", {"escalation_policy": policy})["escalation_policy"]
        service = {
            "type": "service",
            "name": named,
            "escalation_policy": {"id": policy["id"], "type": "escalation_policy_reference"},
            **more,
        }
        service = self.house.ask("POST", "/services", {"service": service})["service"]
        integration = {"type": "events_api_v2_inbound_integration", "name": "Events"}
        made = self.house.ask("POST", f"/services/{service['id']}/integrations", {"integration": integration})
        return Watched(self, service["id"], named, policy["id"], made["integration"]["integration_key"])

    def key_of(self, colleague: "Colleague") -> str:
        """A key for the API that is this person's."""
        return self._key(kind="user", user_id=colleague.id, label=colleague.handle)

    def account_key(self) -> str:
        """A key for the API that is nobody's in particular."""
        return self._key(kind="account", label="of the account")

    def _key(self, **wish: str) -> str:
        return str(self.house.ask("POST", "/api_keys", {"api_key": wish})["api_key"]["secret"])

    def told(self, colleague: "Colleague", way: str = "webhook", count_: int = 1) -> list[Arrived]:
        """What arrived for this person in this way, as soon as it is so much."""
        to = {"webhook": colleague.handle, "email": colleague.email}.get(way, f"+1{colleague.number}")
        return self.sinks.wait_for(count_, "call" if way == "phone" else way, to, PATIENCE_SECONDS)


@dataclass(frozen=True)
class Colleague:
    """One person. `handle` names the webhook phone; `number` is without the country's code."""

    id: str
    name: str
    email: str
    handle: str
    number: str


@dataclass(frozen=True)
class Watched:
    """One service with its key for events."""

    office: Office = field(repr=False)
    id: str
    name: str
    policy_id: str
    routing_key: str

    def incidents(self) -> list[dict[str, Any]]:
        """Its incidents, oldest first."""
        found = self.office.house.get(f"/incidents?service_ids[]={self.id}&date_range=all&limit=100")
        return list(found["incidents"])

    def alert_keys(self) -> set[str]:
        """The keys of all its incidents, however many."""
        found: set[str] = set()
        while True:
            page = self.office.house.get(f"/incidents?service_ids[]={self.id}&limit=100&offset={len(found)}")
            found |= {one["incident_key"] for one in page["incidents"]}
            if not page["more"]:
                return found

    def alerts(self, incident_id: str) -> list[dict[str, Any]]:
        return list(self.office.house.get(f"/incidents/{incident_id}/alerts")["alerts"])

    def entries(self, incident_id: str) -> list[dict[str, Any]]:
        """An incident's log, newest first."""
        return list(self.office.house.get(f"/incidents/{incident_id}/log_entries?limit=100")["log_entries"])

    def incident_when(self, status: str, at: int = 0) -> dict[str, Any]:
        """Its first incident (or that `at`), as soon as it has this status."""

        def found() -> dict[str, Any] | None:
            listed = self.incidents()
            return listed[at] if len(listed) > at and listed[at]["status"] == status else None

        return dict(until(found, f"incident {at} of {self.name} to be {status}"))

    def send(self, action: str = "trigger", dedup_key: str = "disk", summary: str = "Disk is full on db1") -> None:
        """One event, as curl would send it."""
        payload: Mapping[str, str] = {"summary": summary, "source": "db1", "severity": "critical"}
        event = {"routing_key": self.routing_key, "event_action": action, "dedup_key": dedup_key, "payload": payload}
        self.office.house.ask("POST", "/v2/enqueue", event)


def open_office(folder: Path, sinks: Sinks, database: str = "") -> Installation:
    """An installation beside these sinks, on the embedded database or on this one; use as a context, then start."""
    return Installation(folder, database, settings=settings_for(sinks))
