"""How tests send events as a monitoring system would: accepted into the inbox, then worked off."""

from datetime import datetime
from random import Random
from typing import Any

import sqlalchemy as sa

from tocsin.base import json
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import Payload
from tocsin.service import processing
from tocsin.store import inbox
from tocsin.store.db import Database
from tocsin.store.inbox import Numbering
from tocsin.store.tables import engine, people, services

KEY = "0123456789abcdef0123456789abcdef"


def event(action: str = "trigger", key: str = "disk", *, routing_key: str = KEY, **more: Any) -> dict[str, Any]:
    """An event as Events API v2 takes it; `more` goes into its payload."""
    payload = {"summary": "Disk full on db1", "source": "db1", "severity": "critical", **more}
    return {"routing_key": routing_key, "event_action": action, "dedup_key": key, "payload": payload}


def accept(
    db: Database, sent: list[dict[str, Any]], now: datetime, chance: Random, *, reader_name: str = "events_v2"
) -> list[str]:
    """Put these events into the inbox; returns their ids there."""
    reader = reader_named(reader_name)
    assert reader is not None
    batch = [
        (one.routing_key, reader_name, one.action, one.dedup_key, one.summary, one.raw)
        for body in sent
        for one in reader.check(Payload(json.encode(body)))
    ]
    with db.write() as tx:
        before = tx.scalar(sa.select(sa.func.max(engine.inbox.c.arrival))) or 0  # one process, however quick
        rows = Numbering(chance, not_before=before).number(batch, now)
        inbox.append(tx, rows)
    return [row[0] for row in rows]


def send(db: Database, sent: list[dict[str, Any]], now: datetime, chance: Random) -> list[str]:
    """Accept these events and decide them in one batch; returns their ids in the journal."""
    ids = accept(db, sent, now, chance)
    with db.write() as tx:
        processing.work_off(tx, 1000, now=now, chance=chance)
    return ids


def save_service(
    db: Database,
    now: datetime,
    *levels: list[dict[str, str]],
    service_id: str = "PSRV001",
    name: str = "Database",
    routing_key: str = KEY,
    team_id: str | None = None,
    num_loops: int = 0,
    strategy: str = "assign_to_everyone",
    **columns: Any,
) -> str:
    """A service with an integration and a policy of these levels (targets as {type, id}), ten minutes each."""
    number = service_id[-1]
    rules = [
        {"id": f"PRUL{number}{at:02d}", "delay_minutes": 10, "strategy": strategy, "targets": targets}
        for at, targets in enumerate(levels)
    ]
    with db.write() as tx:
        policy = {
            "id": f"PPOL00{number}", "name": f"{name} policy", "num_loops": num_loops, "rules": rules,
            "on_call_handoff_notifications": "if_has_services", "team_id": team_id, "created_at": now, "updated_at": now,
        }  # fmt: skip
        tx.execute(sa.insert(services.escalation_policy), [policy])
        service = {
            "id": service_id, "name": name, "escalation_policy_id": policy["id"], "alert_creation": "create_alerts_and_incidents",
            "incident_urgency_rule": {"type": "constant", "urgency": "high"}, "created_at": now, "updated_at": now,
            "acknowledgement_timeout": 1800, "auto_resolve_timeout": 14_400, **columns,
        }  # fmt: skip
        tx.execute(sa.insert(services.service), [service])
        way = {
            "id": f"PINT00{number}", "service_id": service_id, "name": "Prometheus", "routing_key": routing_key,
            "type": "events_api_v2_inbound_integration", "created_at": now,
        }  # fmt: skip
        tx.execute(sa.insert(services.integration), [way])
    return service_id


def save_ways(db: Database, now: datetime, *user_ids: str) -> None:
    """Each of these people can be reached by mail, at once for either urgency, and by text message after five minutes."""
    with db.write() as tx:
        for user_id in user_ids:
            mail, text = f"M{user_id}", f"S{user_id}"
            method = {"user_id": user_id, "is_enabled": True, "created_at": now, "country_code": None}
            tx.execute(
                sa.insert(people.contact_method),
                [
                    {
                        **method,
                        "id": mail,
                        "kind": "email",
                        "label": "Work",
                        "address": f"{user_id}@example.org",
                        "position": 0,
                    },
                    {**method, "id": text, "kind": "sms", "label": "Mobile", "address": "5550100", "position": 1},
                ],
            )
            rule = {"user_id": user_id, "created_at": now}
            tx.execute(
                sa.insert(people.notification_rule),
                [
                    {
                        **rule,
                        "id": f"H{user_id}",
                        "contact_method_id": mail,
                        "start_delay_in_minutes": 0,
                        "urgency": "high",
                    },
                    {
                        **rule,
                        "id": f"T{user_id}",
                        "contact_method_id": text,
                        "start_delay_in_minutes": 5,
                        "urgency": "high",
                    },
                    {
                        **rule,
                        "id": f"L{user_id}",
                        "contact_method_id": mail,
                        "start_delay_in_minutes": 0,
                        "urgency": "low",
                    },
                ],
            )


def user(user_id: str) -> dict[str, str]:
    """A target that is a person."""
    return {"type": "user", "id": user_id}
