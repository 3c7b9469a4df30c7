"""A gate that really listens on 127.0.0.1, in a thread of the test's process, and the keys and requests to try it with."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from typing import Any

import sqlalchemy as sa
import uvloop

from tests.ports import free_port
from tocsin.api.gate import Gate, RsgiApp
from tocsin.api.patience import Patience
from tocsin.app import http
from tocsin.base.clock import Clock, system_clock
from tocsin.service.ingest import Ingest
from tocsin.store.db import Database, Tx
from tocsin.store.tables import engine, services

KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "fedcba9876543210fedcba9876543210"
NOBODYS_KEY = "00000000000000000000000000000000"


def save_ways_in(tx: Tx, now: datetime, *, settings: Mapping[str, Any] | None = None) -> None:
    """One service with two keys."""
    tx.execute(
        sa.insert(services.escalation_policy).values(
            id="PGATE01", name="Gate", num_loops=0, on_call_handoff_notifications="if_has_services", rules=[],
            created_at=now, updated_at=now,
        )
    )  # fmt: skip
    tx.execute(
        sa.insert(services.service).values(
            id="PGATE02", name="Gate", escalation_policy_id="PGATE01", alert_creation="create_alerts_and_incidents",
            incident_urgency_rule={"type": "constant", "urgency": "high"}, created_at=now, updated_at=now,
        )
    )  # fmt: skip
    for name, key in (("PGATE03", KEY), ("PGATE04", OTHER_KEY)):
        save_key(tx, name, key, now, settings=settings)


def save_key(tx: Tx, name: str, key: str, now: datetime, *, settings: Mapping[str, Any] | None = None) -> None:
    """One more way into the service."""
    tx.execute(
        sa.insert(services.integration).values(
            id=name, service_id="PGATE02", name=name, type="events_api_v2_inbound_integration", routing_key=key,
            settings=dict(settings or {}), created_at=now,
        )
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Served:
    """A listening server."""

    port: int
    db: Database
    ingest: Ingest

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, document: object) -> Answer:
        return self.ask("POST", path, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def inbox(self) -> Sequence[sa.Row[Any]]:
        """Every event on disk, in the order of acceptance."""
        with self.db.read() as tx:
            return tx.rows(sa.select(engine.inbox).order_by(engine.inbox.c.arrival))


async def nowhere(_scope: Any, proto: Any) -> None:
    """An edge that knows nothing."""
    proto.response_bytes(404, [("content-type", "text/plain")], b"the edge")


@contextmanager
def served(
    db: Database,
    *,
    edge: RsgiApp = nowhere,
    clock: Clock = system_clock,
    certificate: http.Listener | None = None,
    patience: Patience | None = None,
) -> Iterator[Served]:
    """The gate on a free port, until the block ends. With `certificate`, that TLS listener too."""
    port, ready = free_port(), threading.Event()
    chance = random.Random(7)
    ingest = Ingest(db, clock=clock, chance=chance)
    held: dict[str, Any] = {}

    async def run() -> None:
        held["stop"], held["loop"] = asyncio.Event(), asyncio.get_running_loop()
        await ingest.start()
        try:
            gate = Gate(ingest, edge, chance=chance, patience=patience)
            listeners = [http.Listener("127.0.0.1", port), *([certificate] if certificate else [])]
            await http.serve(gate, listeners, held["stop"], on_ready=ready.set)
        finally:
            await ingest.stop()

    def body() -> None:
        try:
            uvloop.run(run())
        except BaseException as error:
            held["error"] = error
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=body, name="gate under test")
    thread.start()
    ready.wait(20)
    if "error" in held:
        thread.join()
        raise held["error"]
    try:
        yield Served(port, db, ingest)
    finally:
        held["loop"].call_soon_threadsafe(held["stop"].set)
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"
