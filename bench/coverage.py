"""The proof of coverage of 500 services for 12 weeks: how long it takes, from the database to the answer.

Each service has a policy of its own with a primary and a secondary rota and a manager, in one of five time zones; a tenth of
the primaries are restricted to office hours, a tenth have overrides, some people cannot be reached.

    python -m bench.coverage             a table
    python -m bench.coverage --json      the same as JSON
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.times import Span
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.core.rotation import DAY, WEEK, Restriction
from tocsin.core.schedule import Layer, from_layers
from tocsin.service import coverage, policies, services
from tocsin.service.audit import Deed
from tocsin.store import schedules
from tocsin.store.db import Database, Tx
from tocsin.store.tables.people import contact_method, user
from tocsin.store.tables.roll import METADATA

SERVICES: Final = 500
PEOPLE: Final = 3_000
WEEKS: Final = 12
RUNS: Final = 5
BEGAN: Final = datetime(2026, 9, 1, tzinfo=UTC)
ZONES: Final = ("Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")


def furnish(tx: Tx, chance: random.Random) -> None:
    """Everybody, every rota, every policy and every service."""
    people = [f"PU{number:05d}" for number in range(PEOPLE)]
    tx.execute(
        sa.insert(user),
        [
            {"id": id_, "name": id_, "email": f"{id_}@example.org", "email_folded": f"{id_}@example.org".lower(), "color": "red", "role": "user", "created_at": BEGAN}
            for id_ in people
        ],
    )  # fmt: skip
    tx.execute(
        sa.insert(contact_method),
        [
            {"id": f"M{id_}", "user_id": id_, "kind": "email", "label": "Work", "address": f"{id_}@example.org", "is_enabled": number % 50 != 0, "created_at": BEGAN}
            for number, id_ in enumerate(people)
        ],
    )  # fmt: skip
    deed = Deed(HOUSE, BEGAN, chance)
    for number in range(SERVICES):
        rotas = [rota(tx, chance, people, number, turn) for turn in (DAY, WEEK)]
        targets = [*(Target("schedule", id_) for id_ in rotas), Target("user", chance.choice(people))]
        rules = [policies.level(15, target) for target in targets]
        policy_id = policies.create_policy(tx, deed, name=f"Policy {number}", rules=rules, num_loops=1)
        services.create_service(tx, deed, name=f"Service {number}", escalation_policy_id=policy_id)


def rota(tx: Tx, chance: random.Random, people: list[str], number: int, turn: int) -> str:
    """A rota of six; every tenth one of days is for office hours only, and every tenth has overrides."""
    id_ = ids.object_id(chance)
    hours = (Restriction(None, 9 * 3600, 9 * 3600),) if turn == DAY and number % 10 == 0 else ()
    crew = tuple(chance.sample(people, 6))
    layer = Layer(ids.object_id(chance), "All", BEGAN, None, BEGAN + timedelta(hours=number % 24), turn, crew, hours)
    columns = {"id": id_, "name": f"Rota {number} {turn}", "description": None, "team_id": None}
    schedules.insert(tx, columns, from_layers(ZONES[number % len(ZONES)], [layer]), BEGAN)
    if number % 10 == 1:
        days = [BEGAN + timedelta(days=chance.randrange(40, 110)) for _ in range(10)]
        made = [(ids.object_id(chance), Span(day, day + timedelta(hours=10)), chance.choice(people)) for day in days]
        schedules.add_overrides(tx, id_, made, BEGAN)
    return id_


def measure() -> dict[str, float]:
    """Furnish a database once and prove it several times: the median, and what was found."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        with db.write() as tx:
            METADATA.create_all(tx.connection)
            furnish(tx, random.Random(12))
        start = BEGAN + timedelta(days=30)
        span = Span(start, start + timedelta(weeks=WEEKS))
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            with db.read() as tx:
                found = coverage.look(tx, HOUSE, span)
            seconds.append(time.perf_counter() - began)
        db.close()
    return {
        "services": sum(len(one.services) for one in found.policies),
        "weeks": WEEKS,
        "gaps": sum(len(one.gaps) for one in found.policies),
        "weak": sum(len(one.weak) for one in found.policies),
        "at_two_places": len(found.doubles),
        "first_s": round(seconds[0], 2),
        "median_s": round(statistics.median(seconds), 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description="Coverage of many services for weeks")
    arguments.add_argument("--json", action="store_true")
    told, _ = arguments.parse_known_args()  # the other figures of `make bench` have options of their own
    found = measure()
    print(json.dumps(found, indent=2) if told.json else "\n".join(f"coverage, {name:<16} {value:>10,}" for name, value in found.items()))


if __name__ == "__main__":
    main()
