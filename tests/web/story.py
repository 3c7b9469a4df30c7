"""A busy half hour on the stage, so that pages have something lifelike to show."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tests.people import BO, CY
from tests.web.stage import Stage
from tocsin.base.clock import system_clock
from tocsin.base.times import Span, iso
from tocsin.core.events import Agent, Urgency
from tocsin.core.incident_state import Incident
from tocsin.core.permission import HOUSE, Actor
from tocsin.service import browsing, incident_types, notify, people, schedules, story, swaps
from tocsin.service.audit import Deed
from tocsin.service.browsing import Wanted
from tocsin.service.incidents import Desk
from tocsin.service.schedules import AskedOverride

_BO = Agent("user_reference", BO.id, BO.name)
_CY = Agent("user_reference", CY.id, CY.name)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


def _event(dedup_key: str, action: str, summary: str | None, *, severity: str = "critical") -> dict[str, Any]:
    body: dict[str, Any] = {"routing_key": "1" * 32, "event_action": action, "dedup_key": dedup_key}
    if summary is not None:
        body["payload"] = {"summary": summary, "source": "checkout-7.lyon", "severity": severity, "custom_details": {"region": "lyon", "share": 0.38}}
    return body


def _ask_for_cover(stage: Stage) -> dict[str, str]:
    """Cy asks for cover, and Dee asks Cy to swap; the addresses of what shows it."""
    now, hour = system_clock(), minutes(60)
    with stage.db.write() as tx:
        mine, hers = ([one for one in swaps.shifts_of(tx, who, Span(now, now + 24 * 14 * hour)) if one.start > now] for who in (CY.id, "PMORE00"))
        at = mine[0].schedule_id
        cy, dee = (people.actor_of_user(tx, who, method="browser") for who in (CY.id, "PMORE00"))
        assert cy is not None
        assert dee is not None
        swaps.ask(tx, Deed(cy, now, stage.chance), at, Span(mine[0].start, mine[0].end), note="My daughter's first day of school")
        asked = swaps.ask(
            tx, Deed(dee, now, stage.chance), at, Span(hers[1].start, hers[1].start + 4 * hour), user_id=CY.id,
            back=Span(mine[2].start, mine[2].start + 4 * hour), note="Could we swap the mornings?",
        )  # fmt: skip
    claims: dict[str, object] = {"swap": asked.id, "user": CY.id}
    link = stage.seals.sign(claims, purpose="swap-answer", expires_at=now + hour)
    return {"shifts": "/app/shifts", "shifts-ask": f"/app/shifts?ask={at}&at={iso(mine[1].start)}", "swap": f"/swap/{link}"}


def _respond(stage: Stage, fresh: Incident, slow: Incident) -> None:
    """Help is asked for, fields are filled in, subscribers are told."""
    now = system_clock() - minutes(3)
    deed = Deed(HOUSE, now, stage.chance)
    kinds: tuple[dict[str, Any], ...] = (
        {"name": "place", "display_name": "Place", "field_type": "single_value_fixed", "options": ("Lyon", "Marseille"), "description": "Where it hurts"},
        {"name": "systems", "display_name": "Systems", "field_type": "multi_value_fixed", "options": ("Shop", "Ledger", "Edge")},
        {"name": "ticket", "display_name": "Ticket", "data_type": "url"},
        {"name": "customers", "display_name": "Customers who notice", "data_type": "integer"},
        {"name": "leaks", "display_name": "Personal data is out", "data_type": "boolean", "default_value": False},
        {"name": "words", "display_name": "Words for the status page", "data_type": "paragraph"},
        {"name": "tags", "display_name": "Tags", "field_type": "multi_value"},
    )
    with stage.db.write() as tx:
        base = incident_types.find(tx, "incident_default")
        for kind in kinds:
            incident_types.make_field(tx, deed, base, **({"data_type": "string", "field_type": "single_value"} | kind))
        incident_types.make_type(tx, deed, name="security", display_name="Security", parent="incident_default")
    with stage.db.write() as tx, Desk(tx, now=now, chance=stage.chance) as desk:
        desk.ask_for_help(
            fresh.id, _BO, "website", requester_id=BO.id, message="Which release went to Lyon?", user_ids=["PMORE00", CY.id], policy_ids=["PPOL002"]
        )  # fmt: skip
        desk.publish_update(slow.id, _BO, "website", "Orders are taken; some confirmations come minutes late.")
        desk.change_values(fresh.id, _BO, "website", [("place", "Lyon"), ("systems", ["Shop"]), ("customers", 1200)])


def tell(stage: Stage) -> dict[str, str]:
    """Let things happen; answers the addresses of the pages by name."""
    fresh = stage.open_incident("PCHECK1", "Card payments fail: 38 % of orders in Lyon return 502", ago=minutes(4))
    slow = stage.open_incident("PLEDGER", "Ledger writes take longer than 2 s at the 99th percentile", ago=minutes(26))
    cert = stage.open_incident("PEDGE01", "Certificate of shop.example.org ends in 6 days", urgency=Urgency.LOW, ago=minutes(190))
    old = stage.open_incident("PCHECK1", "Synthetic order in Marseille timed out", ago=minutes(1500))
    with stage.db.write() as tx, Desk(tx, now=system_clock() - minutes(21), chance=stage.chance) as desk:
        desk.acknowledge(slow.id, _BO, "website")
        desk.annotate(slow.id, _BO, "website", "Vacuum of the big table started at the same minute. Watching it.")
        desk.change_priority(slow.id, _BO, "website", "PPRIO02")
        desk.snooze(cert.id, _CY, "website", 86_400)
        desk.resolve(old.id, _BO, "website", "Rolled back the release")
    _respond(stage, fresh, slow)
    stage.receive(
        _event("lyon-502", "trigger", "Card payments fail in Lyon", severity="critical"),
        _event("lyon-502", "trigger", "Card payments fail in Lyon", severity="critical"),
        _event("disk-7", "trigger", "Disk of checkout-7 is 91 % full", severity="warning"),
        _event("never-seen", "resolve", None),
        ago=minutes(2),
    )
    claims: dict[str, object] = {"incident": fresh.id, "user": BO.id, "do": "acknowledge"}
    act = "/act/" + stage.seals.sign(claims, purpose="mail-action", expires_at=system_clock() + minutes(60))
    with stage.db.write() as tx:
        notify.owe_test(tx, CY.id, "PM00004", now=system_clock(), chance=stage.chance)
    shifts = _ask_for_cover(stage)
    with stage.db.read() as tx:
        newest = browsing.list_incidents(tx, Actor(kind="user", id=CY.id, name=CY.name, role="admin"), Wanted(words="Card payments fail in Lyon")).incidents[0]
        event = story.arrivals(tx, newest.id)[0]
        rota = tx.scalar(sa.text("SELECT id FROM schedules WHERE name = 'Payments primary'"))
        hours = tx.scalar(sa.text("SELECT id FROM schedules WHERE name = 'Platform office hours'"))
    with stage.db.write() as tx:
        then = system_clock() + minutes(300)
        schedules.add_overrides(tx, Deed(HOUSE, system_clock(), stage.chance), str(rota), [AskedOverride(then, then + minutes(480), BO.id)])
    return {"by-event": f"/app/incidents/{newest.id}?tab=why", "alerts": f"/app/incidents/{newest.id}?tab=alerts", "fields": f"/app/incidents/{fresh.id}?tab=fields", "alike": f"/app/incidents/{newest.id}?tab=alike", "event": f"/app/events/{event.id}", "sign-in": "/app/sign-in", "incidents": "/app/incidents", "incident": f"/app/incidents/{slow.id}", "waiting": f"/app/incidents/{fresh.id}", "pages": f"/app/incidents/{fresh.id}?tab=pages", "why": f"/app/incidents/{slow.id}?tab=why", "on-call": "/app/on-call", "coverage": "/app/coverage", "schedules": "/app/schedules", "schedule": f"/app/schedules/{rota}?at=2027-03-25T12:00", "schedule-gaps": f"/app/schedules/{hours}?days=7&zone=schedule", "schedule-month": f"/app/schedules/{rota}?days=35", "schedule-override": f"/app/schedules/{rota}/override", "schedule-edit": f"/app/schedules/{hours}/edit", "schedule-new": "/app/schedules/new", **shifts, "replacement": f"/app/people/{BO.id}/replace", "policies": "/app/policies", "policy": "/app/policies/PPOL001?at=2026-11-24T03:00", "policy-edit": "/app/policies/PPOL002/edit", "policy-new": "/app/policies/new", "me": "/app/me", "me-add": "/app/me?add=sms", "act": act, "people": "/app/people", "person": f"/app/people/{BO.id}", "teams": "/app/teams", "keys": "/app/keys", "applications": "/app/applications", "account": "/app/account", "services": "/app/services", "heartbeats": "/app/heartbeats", "service": "/app/services/PCHECK1", "events": "/app/events", "resolved": "/app/incidents?status=resolved"}


PAGES = (
    "sign-in", "incidents", "incident", "waiting", "pages", "why", "by-event", "alerts", "fields", "alike", "resolved", "on-call", "coverage", "schedules", "schedule", "schedule-gaps", "schedule-month",
    "schedule-override", "schedule-edit", "schedule-new", "shifts", "shifts-ask", "swap", "policies", "policy", "policy-edit", "policy-new", "replacement", "services", "heartbeats",
    "service", "events", "event", "me", "me-add", "people", "person", "teams", "keys", "applications", "account", "act",
)  # fmt: skip
