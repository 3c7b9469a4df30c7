"""What tests of the API may ask for: a house with an account, keys for everybody, and a way to ask without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.api import published
from tests.people import ADA, BO, CY, save_people
from tocsin.api.kernel.call import House, Reply, Request
from tocsin.api.kernel.routes import Table
from tocsin.api.resources.roll import DECLARED
from tocsin.base import json
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import people
from tocsin.service.audit import Deed
from tocsin.store.db import Database

TABLE = Table(DECLARED)


@dataclass
class Api:
    """Asks the table directly. Answers of published operations are held against their published shape."""

    house: House
    now: datetime
    keys: dict[str, str] = field(default_factory=dict)
    table: Table = TABLE
    asked: int = 0

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "cy",
        query: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        ours: bool = False,
    ) -> Reply:
        """Ask and get the answer. `ours`: PagerDuty has no shape for what this answers."""
        self.asked += 1
        sent = raw if raw is not None else b"" if body is None else json.encode(body)
        request = Request(
            method=method,
            path=path,
            now=self.now,
            request_id=f"request-{self.asked}",
            query=query,
            headers={
                "content-type": "application/json",
                **({"authorization": f"Token token={self.keys[who]}"} if who in self.keys else {}),
                **(headers or {}),
            },
            body=sent,
            remote_address="192.0.2.7",
        )
        reply = self.table.answer(self.house, request)
        reply = Reply(reply.status, None if reply.body is None else json.decode(json.encode(reply.body)), reply.headers)
        if not ours:
            published.check(self.table, method, path, reply)
        return reply

    def later(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def house(sqlite_db: Database, seals: Seals) -> House:
    return House(db=sqlite_db, seals=seals, chance=Random(7), base_url="https://tocsin.example.org")


@pytest.fixture
def api(house: House, now: datetime) -> Api:
    """Ada (manager), Bo (manager) and Cy (admin) with a key each; an account key, and a read-only one of the account."""
    api = Api(house, now)
    with house.db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
        deed = Deed(HOUSE, now, house.chance)
        for name, user_id in (("ada", ADA.id), ("bo", BO.id), ("cy", CY.id), ("account", None)):
            api.keys[name] = people.create_key(tx, deed, house.seals, label=name, user_id=user_id).text
        reader = people.create_key(tx, deed, house.seals, label="reader", user_id=None, is_read_only=True)
        api.keys["reader"] = reader.text
    return api
