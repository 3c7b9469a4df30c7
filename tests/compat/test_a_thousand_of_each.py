"""More than a thousand of each thing, walked by the pagers of PagerDuty's clients: none is missing, none comes twice, totals are true.

While one walks others are added: with cursors before and behind; with offsets behind, for what comes before shifts every later page by
the very rules of PagerDuty's paging (then some come twice, and none is missing).

The things are put into the store as copies of one that was made through the API; the client speaks to the edge in this process,
and three kinds also to a running server, with every client.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.api.conftest import TABLE, Api
from tests.compat.company import Office
from tests.compat.test_day import LIBRARY, OLDER, missing
from tests.compat.test_python_client import client_of
from tests.people import ADA, BO, CY, save_people
from tocsin.api.edge import make_app
from tocsin.api.kernel.call import House
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import people
from tocsin.service.audit import Deed
from tocsin.store.db import Database, Tx
from tocsin.store.tables.roll import METADATA

CROWD = 1_050
"""More than ten pages of the largest size."""

ADDED = 7
"""How many come while one walks."""


@dataclass(frozen=True)
class Kind:
    """A list, and the table that it lists. `label` is a column that no two copies share; `field` is what the answer calls it."""

    path: str
    table: str
    label: str
    field: str
    cursor: bool = False

    @property
    def name(self) -> str:
        return self.path.strip("/").replace("/", " ")


KINDS = (
    Kind("/teams", "teams", "name", "name"),
    Kind("/users", "users", "name", "name"),
    Kind("/services", "services", "name", "name"),
    Kind("/escalation_policies", "escalation_policies", "name", "name"),
    Kind("/schedules", "schedules", "name", "name"),
    Kind("/maintenance_windows", "maintenance_windows", "description", "description"),
    Kind("/webhook_subscriptions", "webhook_subscriptions", "description", "description"),
    Kind("/business_services", "business_services", "name", "name"),
    Kind("/tags", "tags", "label", "label"),
    Kind("/addons", "addons", "name", "name"),
    Kind("/change_events", "change_events", "summary", "summary"),
    Kind("/audit/records", "audit_records", "id", "id", cursor=True),
)

UNIQUE = ("id", "name", "label", "email", "email_folded", "description", "summary", "sequence_number")
"""Columns that copies may not share, where a table has them."""


def copy(tx: Tx, kind: Kind, count: int, *, marked: str, at: datetime | None = None) -> frozenset[str]:
    """Put copies of the newest row of its table beside it; what they are called."""
    table = METADATA.tables[kind.table]
    row = dict(tx.rows(sa.select(table).order_by(table.c.id))[-1]._mapping)
    highest = tx.scalar(sa.select(sa.func.max(table.c.sequence_number))) if "sequence_number" in table.c else 0
    copies = []
    for number in range(count):
        called = f"{marked} {number:05d}"
        one = {**row, **{name: called for name in UNIQUE if name in row}, "id": f"{marked[:1]}{kind.name[:3]}{number:05d}".replace(" ", "")}
        if "email" in row:
            one |= {"email": f"{marked}{number}@example.org", "email_folded": f"{marked}{number}@example.org"}
        if "sequence_number" in row:
            one["sequence_number"] = (highest or 0) + 1 + number
        if at is not None and "at" in row:
            one["at"] = at
        if at is not None and "timestamp" in row:  # this list has the newest first: what comes behind is older
            one["timestamp"] = row["timestamp"] - timedelta(days=1)
        for name in ("calendar_digest", "sealed_calendar", "calendar_sealed"):
            if name in row:
                one[name] = None
        copies.append(one)
    tx.execute(sa.insert(table), copies)
    if kind.table == "schedules":  # each has its versions
        versions = METADATA.tables["schedule_versions"]
        of_it = [dict(one._mapping) for one in tx.rows(sa.select(versions).where(versions.c.schedule_id == row["id"]))]
        theirs = [{**one, "schedule_id": each["id"], **({"id": f"{each['id']}{at_}"} if "id" in one else {})} for each in copies for at_, one in enumerate(of_it)]
        tx.execute(sa.insert(versions), theirs)
    return frozenset(str(one[kind.label]) for one in copies)


def one_of_each(api: Api) -> None:
    """Something of every kind, made as people make it."""

    def made(path: str, wrap: str, **fields: Any) -> str:
        reply = api.ask("POST", path, {wrap: fields})
        assert reply.status < 300, reply
        return str(reply.body[wrap]["id"])

    made("/teams", "team", name="Team")
    rule = {"escalation_delay_in_minutes": 5, "targets": [{"id": ADA.id, "type": "user_reference"}]}
    policy = made("/escalation_policies", "escalation_policy", name="Ladder", escalation_rules=[rule])
    service = made("/services", "service", name="Service", escalation_policy={"id": policy, "type": "escalation_policy_reference"})
    made("/schedules", "schedule", name="Turns", time_zone="UTC", schedule_layers=[])
    of_service = [{"id": service, "type": "service_reference"}]
    made("/maintenance_windows", "maintenance_window", start_time="2026-11-24T09:00:00Z", end_time="2026-11-24T10:00:00Z", description="Disks", services=of_service)
    hook = {"events": ["incident.triggered"], "filter": {"type": "account_reference"}, "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/x"}}
    made("/webhook_subscriptions", "webhook_subscription", description="Hook", **hook)
    made("/business_services", "business_service", name="Shop")
    made("/tags", "tag", type="tag", label="Tag")
    made("/addons", "addon", type="full_page_addon", name="Board", src="https://example.org/board")
    with api.house.db.write() as tx:
        row = {
            "id": "01CHANGE", "service_id": service, "routing_key": "x" * 32, "summary": "Release", "timestamp": api.now, "links": [], "images": [],
            "updated_at": api.now, "custom_details": {}, "source": "ci",
        }  # fmt: skip
        table = METADATA.tables["change_events"]
        tx.execute(sa.insert(table), [{name: value for name, value in row.items() if name in table.c}])


@contextmanager
def crowded(db: Database, seals: Seals, now: datetime, kinds: Sequence[Kind]) -> Iterator[tuple[Any, Mapping[str, frozenset[str]]]]:
    """A client of a company that has more than a thousand of each of these."""
    house = House(db=db, seals=seals, chance=Random(5), base_url="https://example.tocsin.test")
    api = Api(house, now)
    with db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
        deed = Deed(HOUSE, now, Random(3))
        api.keys["cy"] = people.create_key(tx, deed, seals, label="user", user_id=CY.id).text
    one_of_each(api)
    with db.write() as tx:
        called = {kind.path: copy(tx, kind, CROWD, marked="crowd") for kind in kinds}
    with TestClient(make_app(TABLE, house, lambda: now)) as application:
        yield client_of(application, api.keys["cy"]), called


def each_once(found: Sequence[str], wanted: frozenset[str], what: str) -> None:
    counted = Counter(found)
    assert not wanted - counted.keys(), f"{what}: {len(wanted - counted.keys())} are missing"
    assert not [one for one, times in counted.items() if times > 1], f"{what}: some came twice"


def walk(client: Any, kind: Kind, db: Database, wanted: frozenset[str], now: datetime) -> None:
    """Walk it as the client does: once in peace, and once while others are added behind, and for cursors before, where one is."""
    more: dict[str, Any] = {"params": {"limit": 100}} if kind.cursor else {"total": True, "page_size": 100}
    pager = client.iter_cursor if kind.cursor else client.iter_all
    totals: list[int] = []
    if not kind.cursor:
        more["item_hook"] = lambda _one, _at, total: totals.append(total)
    each_once([one[kind.field] for one in pager(kind.path, **more)], wanted, kind.path)
    with db.read() as tx:
        held = tx.scalar(sa.select(sa.func.count()).select_from(METADATA.tables[kind.table]))
    assert set(totals) == (set() if kind.cursor else {held}), kind.path
    found = []
    for number, one in enumerate(pager(kind.path, **more)):
        found.append(one[kind.field])
        if number == 250:
            with db.write() as tx:
                copy(tx, kind, ADDED, marked="zz", at=now + timedelta(seconds=1))
    each_once(found, wanted, f"{kind.path} while others come")


def test_the_python_pager_meets_each_of_a_thousand_once(sqlite_db: Database, seals: Seals, now: datetime) -> None:
    with crowded(sqlite_db, seals, now, KINDS) as (client, called):
        for kind in KINDS:
            walk(client, kind, sqlite_db, called[kind.path], now)


def test_both_databases_page_alike(db: Database, seals: Seals, now: datetime) -> None:
    few = [kind for kind in KINDS if kind.path in {"/users", "/tags", "/audit/records"}]
    with crowded(db, seals, now, few) as (client, called):
        for kind in few:
            walk(client, kind, db, called[kind.path], now)


SERVED = tuple(kind for kind in KINDS if kind.path in {"/teams", "/business_services", "/tags"})


@pytest.fixture(scope="module")
def called(office: Office) -> Mapping[str, frozenset[str]]:
    for path, wrap, fields in (("/teams", "team", {"name": "Of many"}), ("/business_services", "business_service", {"name": "Of many"}), ("/tags", "tag", {"type": "tag", "label": "Of many"})):
        office.house.ask("POST", path, {wrap: fields})
    db = office.house.db
    with db.write() as tx:
        found = {kind.path: copy(tx, kind, CROWD, marked="crowd") for kind in SERVED}
    db.close()
    return found


@pytest.mark.parametrize("which", ["current", "5", "pdjs"])
def test_every_client_walks_a_running_server(office: Office, called: Mapping[str, frozenset[str]], which: str) -> None:
    here, node = Path(__file__).parent, shutil.which("node")
    if which == "5" and not OLDER.exists():
        missing("version 5 of the client is not installed: run `make .venv5/.ready`")
    if which == "pdjs" and (node is None or not LIBRARY.exists()):
        missing("node or PagerDuty's JavaScript client is not installed: run `make setup`")
    command = {"current": [sys.executable, "day_client.py"], "5": [str(OLDER), "day_client.py"], "pdjs": [str(node), "day_client.cjs"]}[which]
    trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(office.house.authority))
    key = office.house.owner["API key"]
    told = {
        "url": office.house.https_url, "server": f"localhost:{office.house.https_port}", "key": key, "account_key": key, "calls": [], "kept": {"mail": "olga@example.org"},
        "pages": [{"path": kind.path, "name": kind.field, "cursor": kind.cursor, "query": {}} for kind in SERVED],
    }  # fmt: skip
    done = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, timeout=60, check=False, cwd=here, env={**os.environ, **trust})
    assert done.returncode == 0, done.stderr[-2000:]
    walked = json.loads(done.stdout)["walked"]
    for kind in SERVED:
        each_once(walked[kind.path], called[kind.path], kind.path)
