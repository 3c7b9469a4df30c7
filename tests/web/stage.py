"""A small company behind running pages: what the tests of the pages look at and click on."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa
from starlette.applications import Starlette

from tests.people import ADA, BO, CY, Persona
from tests.ports import free_port
from tocsin.app import http
from tocsin.base import json
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals, hash_password
from tocsin.core.events import Agent, Urgency
from tocsin.core.incident_state import Incident
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import Restriction
from tocsin.service import processing, schedules
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.service.schedules import AskedLayer
from tocsin.store import inbox
from tocsin.store.db import Database, Tx
from tocsin.store.inbox import Numbering
from tocsin.store.tables import people, services
from tocsin.store.tables.people import account
from tocsin.web.app import make_app
from tocsin.web.visit import WebSettings

PASSWORD = "a calm sunday morning"
_HASH = hash_password(PASSWORD)
MONITOR = Agent("service_reference", "PCHECK1", "Checkout API")


@dataclass
class Stage:
    """Running pages and the database behind them."""

    db: Database
    seals: Seals
    url: str
    chance: Random

    def open_incident(self, service_id: str, title: str, *, urgency: Urgency = Urgency.HIGH, ago: timedelta = timedelta()) -> Incident:
        """An incident as a monitor would cause it."""
        now = system_clock() - ago
        with self.db.write() as tx, Desk(tx, now=now, chance=self.chance) as desk:
            service = desk.service(service_id)
            assert service is not None
            reason = f"The first alert on {service.name} opened it"
            return desk.open(service=service, title=title, urgency=urgency, agent=MONITOR, channel="api", reason=reason)


    def receive(self, *bodies: dict[str, Any], ago: timedelta = timedelta()) -> None:
        """Events of the Events API v2, accepted and worked off."""
        now = system_clock() - ago
        rows = [
            (body["routing_key"], "events_v2", body["event_action"], body.get("dedup_key"), body.get("payload", {}).get("summary"), json.encode(body))
            for body in bodies
        ]  # fmt: skip
        with self.db.write() as tx:
            inbox.append(tx, Numbering(self.chance).number(rows, now))
        with self.db.write() as tx:
            processing.work_off(tx, 100, now=now, chance=self.chance)


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve an application on a free port of this machine while the block runs, as `tocsin serve` does."""
    port = free_port()
    loop = asyncio.new_event_loop()
    stop, ready = asyncio.Event(), threading.Event()

    async def serve() -> None:
        stopping = http.Stopping()
        listeners = [http.Listener("127.0.0.1", port)]
        await http.serve(http.as_rsgi(app, stopping), listeners, stop, stopping=stopping, on_ready=ready.set)

    thread = threading.Thread(target=loop.run_until_complete, args=[serve()], daemon=True)
    thread.start()
    assert ready.wait(20), "the pages were not served in time"
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(15)
    loop.close()


@contextmanager
def stage(folder: Path, empty: Path, seals: Seals) -> Iterator[Stage]:
    """The company on a SQLite file of its own, with its pages served."""
    path = folder / "stage.db"
    path.write_bytes(empty.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=8)
    settle(db, system_clock())
    app = make_app(db, seals, WebSettings(base_url="http://127.0.0.1"), clock=system_clock, chance=random.SystemRandom())
    with serving(app) as url:
        yield Stage(db, seals, url, Random(7))
    db.close()


def settle(db: Database, now: datetime) -> None:
    """Write the company down."""
    with db.write() as tx:
        rows = [_person(one, now) for one in (ADA, BO, CY)]
        rows += [
            _person(Persona(f"PMORE{n:02d}", name, f"{name.split()[0].lower()}@example.org", role, zone), now)
            for n, (name, role, zone) in enumerate(
                (("Dee Okafor", "limited_user", "Africa/Lagos"), ("Eli Novak", "observer", "Europe/Prague"), ("Fay Lindqvist", "user", "Europe/Stockholm"))
            )
        ]
        tx.execute(sa.insert(people.user), rows)
        tx.execute(sa.insert(account), {"id": "account", "name": "Harbour Coffee", "subdomain": "harbour", "time_zone": "Europe/Paris", "settings": {}, "created_at": now})
        methods: list[dict[str, object]] = [
            {"id": f"PM{n:05d}", "user_id": user, "kind": kind, "label": label, "address": address, "country_code": code, "fields": {}, "is_enabled": True, "position": at, "created_at": now}
            for n, (user, kind, label, address, code, at) in enumerate(
                ((ADA.id, "email", "Work", ADA.email, None, 0), (ADA.id, "sms", "Mobile", "612345678", 33, 1), (ADA.id, "ntfy", "Phone app", "ada-pages", None, 2), (BO.id, "email", "Work", BO.email, None, 0), (CY.id, "email", "Work", CY.email, None, 0), (CY.id, "ntfy", "Phone app", "https://ntfy.example.org/cy", None, 1))
            )
        ]
        tx.execute(sa.insert(people.contact_method), methods)
        tx.execute(
            sa.insert(people.notification_rule),
            [
                {"id": f"PR{n:05d}", "user_id": user, "contact_method_id": method, "start_delay_in_minutes": delay, "urgency": urgency, "created_at": now}
                for n, (user, method, delay, urgency) in enumerate(
                    ((ADA.id, "PM00002", 0, "high"), (ADA.id, "PM00001", 2, "high"), (ADA.id, "PM00000", 0, "low"), (BO.id, "PM00003", 0, "high"), (CY.id, "PM00004", 0, "high"))
                )
            ],
        )
        teams = [("PTEAM01", "Payments"), ("PTEAM02", "Platform")]
        tx.execute(sa.insert(people.team), [{"id": id_, "name": name, "description": None, "parent_id": None, "default_role": "manager", "created_at": now} for id_, name in teams])
        tx.execute(sa.insert(people.team_member), [{"team_id": "PTEAM01", "user_id": ADA.id, "role": "manager"}, {"team_id": "PTEAM01", "user_id": BO.id, "role": "responder"}, {"team_id": "PTEAM02", "user_id": CY.id, "role": "manager"}])
        _policies_and_services(tx, now, _schedules(tx, now - timedelta(days=9)))


def _person(one: Persona, now: datetime) -> dict[str, object]:
    return {
        "id": one.id, "name": one.name, "email": one.email, "email_folded": one.email.casefold(), "time_zone": one.time_zone,
        "color": "purple", "role": one.role, "created_at": now, "password_hash": _HASH,
    }  # fmt: skip


def _schedules(tx: Tx, then: datetime) -> tuple[str, str]:
    """Two rotations: one that always has somebody, one that keeps office hours only."""
    deed = Deed(HOUSE, then, Random(3))
    day = timedelta(days=1)
    start = then.replace(hour=8, minute=0, second=0, microsecond=0) - 7 * day

    def layer(turn: timedelta, *user_ids: str, restrictions: tuple[Restriction, ...] = ()) -> AskedLayer:
        return AskedLayer(
            name="Turns", start=start, virtual_start=start, turn_seconds=int(turn.total_seconds()), user_ids=user_ids, restrictions=restrictions
        )  # fmt: skip

    office = Restriction(None, 9 * 3600, 8 * 3600)
    always = schedules.create(tx, deed, name="Payments primary", time_zone="Europe/Paris", layers=[layer(2 * day, ADA.id, BO.id, "PMORE02")])
    hours = schedules.create(tx, deed, name="Platform office hours", time_zone="Asia/Tokyo", layers=[layer(day, CY.id, "PMORE00", restrictions=(office,))])
    return always, hours


def _policies_and_services(tx: Tx, now: datetime, turns: tuple[str, str]) -> None:
    def level(id_: str, minutes: int, *target_ids: str) -> dict[str, Any]:
        targets = [{"type": "schedule" if id_ in turns else "user", "id": id_} for id_ in target_ids]
        return {"id": id_, "delay_minutes": minutes, "strategy": "assign_to_everyone", "targets": targets}

    rows = [
        ("PPOL001", "Payments: day and night", 1, [level("PRULE01", 15, ADA.id), level("PRULE02", 20, turns[0]), level("PRULE03", 30, CY.id)], "PTEAM01"),
        ("PPOL002", "Platform", 0, [level("PRULE04", 30, turns[1]), level("PRULE05", 30, CY.id)], "PTEAM02"),
    ]
    tx.execute(
        sa.insert(services.escalation_policy),
        [{"id": id_, "name": name, "description": None, "num_loops": loops, "on_call_handoff_notifications": "if_has_services", "rules": rules, "team_id": team, "created_at": now, "updated_at": now} for id_, name, loops, rules, team in rows],
    )
    links = [{"policy_id": id_, "target_id": target["id"], "target_type": target["type"]} for id_, _, _, rules, _ in rows for rule in rules for target in rule["targets"]]
    tx.execute(sa.insert(services.policy_target), links)
    named = [("PCHECK1", "Checkout API", "PPOL001", "Takes the order and the money"), ("PLEDGER", "Ledger", "PPOL001", "Books every payment"), ("PEDGE01", "Edge and DNS", "PPOL002", None)]
    tx.execute(
        sa.insert(services.service),
        [
            {"id": id_, "name": name, "description": words, "escalation_policy_id": policy, "is_disabled": False, "auto_resolve_timeout": None, "acknowledgement_timeout": 1800, "alert_creation": "create_alerts_and_incidents", "incident_urgency_rule": {"type": "constant", "urgency": "high"}, "support_hours": None, "scheduled_actions": [], "auto_pause": None, "alert_grouping_parameters": None, "escalates_low_urgency": False, "created_at": now, "updated_at": now, "last_incident_at": None}
            for id_, name, policy, words in named
        ],
    )
    tx.execute(
        sa.insert(services.integration),
        [{"id": f"PINT{n:03d}", "service_id": service, "name": name, "type": "events_api_v2_inbound_integration", "routing_key": f"{n + 1:x}" * 32, "email": None, "vendor_id": None, "settings": {}, "created_at": now} for n, (service, name) in enumerate((("PCHECK1", "Prometheus"), ("PCHECK1", "Synthetic orders"), ("PLEDGER", "Prometheus")))],
    )
    priorities = (("P1", "a8171c"), ("P2", "eb6016"), ("P3", "f9b406"))
    tx.execute(sa.insert(services.priority), [{"id": f"PPRIO0{n}", "name": name, "description": None, "color": color, "order": n, "created_at": now} for n, (name, color) in enumerate(priorities, 1)])
