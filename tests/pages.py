"""What tests of paging need: an open incident with its people, ways of reaching them, and a courier that is stopped again."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import sqlalchemy as sa

from tocsin.api import callbacks
from tocsin.api.callbacks import Callback, Callbacks
from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Sinks
from tocsin.base.clock import Clock, system_clock
from tocsin.base.secret import Seals
from tocsin.channels import roll
from tocsin.channels.spec import Channel, Smtp, Twilio
from tocsin.core.events import Agent, Urgency
from tocsin.engine.deliver import Courier, Delivery
from tocsin.service import notify
from tocsin.service.incidents import Desk
from tocsin.service.notify import PageOrder
from tocsin.store.db import Database, Tx
from tocsin.store.tables import engine, incidents, people, services

WHY = "level 1 of Payments on call"


def save_service(tx: Tx, now: datetime, service_id: str = "PSVC001", name: str = "Payments") -> None:
    """A service with a policy of its own, without any rules (pages are owed by the test)."""
    policy = f"PPOL{service_id[-3:]}"
    tx.execute(
        sa.insert(services.escalation_policy),
        {"id": policy, "name": f"{name} on call", "num_loops": 0, "on_call_handoff_notifications": "if_has_services",
         "rules": [], "created_at": now, "updated_at": now},
    )  # fmt: skip
    tx.execute(
        sa.insert(services.service),
        {"id": service_id, "name": name, "escalation_policy_id": policy, "alert_creation": "create_alerts_and_incidents",
         "incident_urgency_rule": {"type": "constant", "urgency": "high"}, "created_at": now, "updated_at": now},
    )  # fmt: skip


def save_incident(
    tx: Tx, number: int, users: Sequence[str], now: datetime, *, title: str = "Disk full", service_id: str = "PSVC001"
) -> str:
    """A triggered incident of these people; its id."""
    incident_id = f"QINC{number:010d}"
    tx.execute(
        sa.insert(incidents.incident),
        {"id": incident_id, "number": number, "service_id": service_id, "policy_id": "PPOL001", "status": "triggered",
         "urgency": "high", "title": title, "created_at": now, "updated_at": now, "state": "{}"},
    )  # fmt: skip
    if users:
        tx.execute(sa.insert(incidents.assignee), [{"incident_id": incident_id, "user_id": user} for user in users])
    return incident_id


def save_way(
    tx: Tx,
    way_id: str,
    user_id: str,
    kind: str,
    address: str,
    now: datetime,
    *,
    position: int = 0,
    country_code: int | None = None,
    fields: dict[str, Any] | None = None,
    rules: Sequence[tuple[str, int]] = (("high", 0),),
) -> str:
    """A contact method with rules (urgency, minutes)."""
    tx.execute(
        sa.insert(people.contact_method),
        {"id": way_id, "user_id": user_id, "kind": kind, "label": kind, "address": address, "country_code": country_code,
         "fields": fields or {}, "position": position, "created_at": now},
    )  # fmt: skip
    for urgency, minutes in rules:
        tx.execute(
            sa.insert(people.notification_rule),
            {"id": f"{way_id}{urgency[0]}{minutes}", "user_id": user_id, "contact_method_id": way_id,
             "start_delay_in_minutes": minutes, "urgency": urgency, "created_at": now},
        )  # fmt: skip
    return way_id


def owe(db: Database, incident_id: str, user_id: str, now: datetime, chance: Random, urgency: str = "high") -> int:
    """Order one person's pages for an incident; how many that made."""
    order = PageOrder(incident_id, user_id, urgency, WHY)
    with db.write() as tx:
        return notify.owe_pages(tx, [order], now=now, chance=chance)[order]


def set_status(db: Database, incident_id: str, status: str) -> None:
    with db.write() as tx:
        tx.execute(sa.update(incidents.incident).where(incidents.incident.c.id == incident_id).values(status=status))


def pages(db: Database) -> Sequence[Any]:
    """Every page, in the order in which they became due."""
    with db.read() as tx:
        return tx.rows(sa.select(engine.outbox).order_by(engine.outbox.c.due_at, engine.outbox.c.id))


def receipts(db: Database) -> Sequence[Any]:
    with db.read() as tx:
        return tx.rows(sa.select(engine.delivery).order_by(engine.delivery.c.started_at, engine.delivery.c.id))


def told(sinks: Sinks, **more: Any) -> Delivery:
    """A courier's settings that send everything to the sinks."""
    settings: dict[str, Any] = {
        "node": "test",
        "public_url": "http://tocsin.test",
        "allowed_networks": ("127.0.0.0/8",),
        "smtp": Smtp("127.0.0.1", sinks.smtp_port, "Tocsin <tocsin@example.org>"),
        "twilio": Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, sinks.url),
    }
    return Delivery(**{**settings, **more})


@contextmanager
def couriering(
    db: Database,
    delivery: Delivery,
    seals: Seals,
    *,
    clock: Clock = system_clock,
    chance: Random | None = None,
    channels: Sequence[Channel] = roll.CHANNELS,
) -> Iterator[Courier]:
    """A running courier, stopped at the end."""
    courier = Courier(db, delivery, seals=seals, clock=clock, chance=chance or Random(1), channels=channels)
    courier.start()
    try:
        yield courier
    finally:
        assert courier.stop()


def open_incident(db: Database, now: datetime, chance: Random, *users: str, title: str = "Disk full") -> str:
    """A real incident, opened through the one door and assigned to these people: their pages are owed by it."""
    with db.write() as tx, Desk(tx, now=now, chance=chance) as desk:
        service = desk.service("PSVC001")
        assert service is not None
        agent = Agent("service_reference", "PSVC001", "Payments")
        return desk.open(
            service=service, title=title, urgency=Urgency.HIGH, agent=agent, channel="api", reason="a test",
            assign_to=users,
        ).id  # fmt: skip


def status_of(db: Database, incident_id: str) -> str:
    with db.read() as tx:
        return str(tx.scalar(sa.select(incidents.incident.c.status).where(incidents.incident.c.id == incident_id)))


@contextmanager
def answering_callbacks(db: Database, twilio: Twilio, chance: Random) -> Iterator[str]:
    """A real HTTP server that mounts the call-backs; its address."""

    class Mounted(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Callback("POST", path, query, headers, body)
            answer = callbacks.answer(db, Callbacks(url, twilio), request, now=system_clock(), chance=chance)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name for it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mounted)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
