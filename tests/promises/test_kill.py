"""Nothing accepted is lost and nobody's page is lost when the server is killed, again and again, under a stream of events."""

import http.client
import json
import random
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.installation import Installation
from tocsin.app.sinks import Sinks
from tocsin.store.tables.engine import outbox

KILLS = 10
SENDERS = 4
COMPLETION_SECONDS = 90.0


def company(house: Installation, phone: str) -> str:
    """One person with a webhook phone, one policy, one service; the routing key."""
    ada = house.ask("POST", "/users", {"user": {"type": "user", "name": "Ada", "email": "ada@example.org"}})["user"]
    method = {"type": "webhook_contact_method", "label": "Phone", "address": phone, "bundle_seconds": 0}
    method = house.ask("POST", f"/users/{ada['id']}/contact_methods", {"contact_method": method})["contact_method"]
    rules = house.get(f"/users/{ada['id']}/notification_rules?urgency=all")["notification_rules"]
    for rule in rules:
        house.ask("DELETE", f"/users/{ada['id']}/notification_rules/{rule['id']}")
    rule = {
        "type": "assignment_notification_rule",
        "start_delay_in_minutes": 0,
        "urgency": "high",
        "contact_method": {"id": method["id"], "type": method["type"]},
    }
    house.ask("POST", f"/users/{ada['id']}/notification_rules", {"notification_rule": rule})
    levels = [{"escalation_delay_in_minutes": 60, "targets": [{"id": ada["id"], "type": "user_reference"}]}]
    policy = {"type": "escalation_policy", "name": "Payments", "escalation_rules": levels}
    policy = house.ask("POST", "/escalation_policies", {"escalation_policy": policy})["escalation_policy"]
    service = {
        "type": "service",
        "name": "Payments",
        "escalation_policy": {"id": policy["id"], "type": "escalation_policy_reference"},
    }
    service = house.ask("POST", "/services", {"service": service})["service"]
    integration = {"type": "events_api_v2_inbound_integration", "name": "Prometheus"}
    made = house.ask("POST", f"/services/{service['id']}/integrations", {"integration": integration})
    return str(made["integration"]["integration_key"])


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The address of an empty PostgreSQL database, or nothing for the embedded one."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("blank_postgres_url"))


class Sender(threading.Thread):
    """Sends distinct events one after the other, each until it is accepted; remembers what was accepted."""

    def __init__(self, port: int, routing_key: str, name: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.port, self.routing_key, self.stopping = port, routing_key, stop
        self.accepted: list[str] = []
        self.wrong: list[tuple[int, str]] = []

    def run(self) -> None:
        number = 0
        connection: http.client.HTTPConnection | None = None
        while not self.stopping.is_set():
            key = f"{self.name}-{number}"
            payload = {"summary": f"Queue {key} is stuck", "source": "mq1", "severity": "critical"}
            event = {"routing_key": self.routing_key, "event_action": "trigger", "dedup_key": key, "payload": payload}
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("POST", "/v2/enqueue", json.dumps(event), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = answer.read().decode()
            except (OSError, http.client.HTTPException):
                connection = None
                time.sleep(0.01)
                continue  # the same event again, as every sender does
            if answer.status == 202:
                self.accepted.append(key)
                number += 1
            elif answer.status < 500:
                self.wrong.append((answer.status, body))
                return
            time.sleep(0.002)


@pytest.mark.timeout(300)
def test_a_server_killed_ten_times_loses_no_event_and_no_page(tmp_path: Path, database: str):
    dice = random.Random(9)
    in_flight = 0
    allowed = {"TOCSIN_ALLOW_PRIVATE": "127.0.0.0/8"}
    with Sinks() as sinks, Installation(tmp_path / "house", database, settings=allowed) as house:
        house.start()
        routing_key = company(house, f"{sinks.url}/phone/ada")
        stop = threading.Event()
        senders = [Sender(house.http_port, routing_key, f"sender{number}", stop) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.2, 1.2))
            house.kill()
            in_flight += pages_in_flight(house)
            house.start()
        time.sleep(0.5)
        stop.set()
        for sender in senders:
            sender.join(30)
        assert not any(sender.wrong for sender in senders)
        accepted = {key for sender in senders for key in sender.accepted}
        paged = wait_until_paged(sinks, accepted)
        assert house.stop() == 0
    assert len(accepted) > KILLS
    missing = accepted - paged.keys()
    assert not missing, f"{len(missing)} of {len(accepted)} accepted events never paged anybody: {sorted(missing)[:5]}"
    repeats = [keys for keys in paged.values() if len(keys) > 1]
    assert all(len(set(keys)) == 1 for keys in repeats), "a repeat came under another idempotency key"
    assert sum(len(keys) - 1 for keys in repeats) <= in_flight, "more came twice than was in flight when it was killed"
    print(
        f"\n{KILLS} kills, {len(accepted)} accepted, all paged; {in_flight} pages in flight, {len(repeats)} came twice"
    )


def pages_in_flight(house: Installation) -> int:
    """The pages that were being sent when the server died: only they may come twice."""
    db = house.db
    with db.read() as tx:
        found = tx.scalar(sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == "sending"))
    db.close()
    return int(found)


def wait_until_paged(sinks: Sinks, wanted: set[str]) -> dict[str, list[str]]:
    """For each event's key: the idempotency keys of the messages that told of it."""
    until = time.monotonic() + COMPLETION_SECONDS
    while True:
        paged: dict[str, list[str]] = defaultdict(list)
        for message in sinks.arrived("webhook", "ada"):
            for page in message.body["pages"]:
                paged[page["title"].split()[1]].append(message.headers["Idempotency-Key"])
        if wanted <= paged.keys() or time.monotonic() > until:
            return paged
        time.sleep(0.2)
