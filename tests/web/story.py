"""A busy half hour on the stage, so that pages have something lifelike to show."""

from datetime import timedelta

from tests.people import BO, CY
from tests.web.stage import Stage
from tocsin.base.clock import system_clock
from tocsin.core.events import Agent, Urgency
from tocsin.service import notify
from tocsin.service.incidents import Desk

_BO = Agent("user_reference", BO.id, BO.name)
_CY = Agent("user_reference", CY.id, CY.name)


def tell(stage: Stage) -> dict[str, str]:
    """Let things happen; answers the addresses of the pages by name."""
    minutes = lambda n: timedelta(minutes=n)  # noqa: E731
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
    claims: dict[str, object] = {"incident": fresh.id, "user": BO.id, "do": "acknowledge"}
    act = "/act/" + stage.seals.sign(claims, purpose="mail-action", expires_at=system_clock() + minutes(60))
    with stage.db.write() as tx:
        notify.owe_test(tx, CY.id, "PM00004", now=system_clock(), chance=stage.chance)
    return {"sign-in": "/app/sign-in", "incidents": "/app/incidents", "incident": f"/app/incidents/{slow.id}", "waiting": f"/app/incidents/{fresh.id}", "pages": f"/app/incidents/{fresh.id}?tab=pages", "why": f"/app/incidents/{slow.id}?tab=why", "on-call": "/app/on-call", "me": "/app/me", "me-add": "/app/me?add=sms", "act": act, "people": "/app/people", "person": f"/app/people/{BO.id}", "teams": "/app/teams", "keys": "/app/keys", "account": "/app/account", "services": "/app/services", "service": "/app/services/PCHECK1", "events": "/app/events", "resolved": "/app/incidents?status=resolved", "lost": "/app/nothing"}
