"""Lists of incidents: whichever way a page is walked, it is the page that sorting everything would give."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from tocsin.store import incident_lists
from tocsin.store.db import Database
from tocsin.store.incident_lists import Wanted
from tocsin.store.tables import incidents as tables


class Row(NamedTuple):
    """An incident as a list sees it."""

    id: str
    number: int
    service_id: str
    policy_id: str
    status: str
    urgency: str
    created_at: datetime
    resolved_at: datetime | None


@pytest.fixture
def rows(db: Database, now: datetime, chance: Random) -> list[Row]:
    """Three hundred incidents; many began at the same instant, so that ties matter."""
    made = []
    for number in range(1, 301):
        created = now - timedelta(hours=chance.randrange(60))
        status = chance.choice(["triggered", "acknowledged", "resolved", "resolved"])
        resolved = created + timedelta(minutes=chance.randrange(90)) if status == "resolved" else None
        made.append(
            Row(
                f"Q{chance.randrange(10**12):013d}", number, chance.choice(["PS1", "PS2", "PS3"]), chance.choice(["PP1", "PP2"]),
                status, chance.choice(["high", "low"]), created, resolved,
            )
        )  # fmt: skip
    with db.write() as tx:
        plain = {"title": "x", "state": "{}"}
        tx.execute(sa.insert(tables.incident), [row._asdict() | plain | {"updated_at": row.created_at} for row in made])
    return made


def fits(row: Row, wanted: Wanted) -> bool:
    narrow = (
        (wanted.statuses, row.status),
        (wanted.urgencies, row.urgency),
        (wanted.service_ids, row.service_id),
        (wanted.policy_ids, row.policy_id),
    )
    inside = (wanted.since is None or row.created_at >= wanted.since) and (
        wanted.until is None or row.created_at < wanted.until
    )
    return inside and all(values is None or value in values for values, value in narrow)


KEYS: dict[str, Callable[[Row], Any]] = {
    "created_at": lambda row: row.created_at.timestamp(),
    "incident_number": lambda row: row.number,
    "urgency": lambda row: row.urgency == "high",
}


def expected(rows: list[Row], wanted: Wanted) -> list[tuple[Any, ...]]:
    """The sort keys of the list, in order: which of several equal ones comes first is not compared."""
    found = [row for row in rows if fits(row, wanted)]
    for name, is_down in reversed(wanted.sorts):
        found.sort(key=KEYS[name], reverse=is_down)
    return [tuple(KEYS[name](row) for name, _ in wanted.sorts) for row in found]


SORTS = [
    (("created_at", False),),
    (("created_at", True),),
    (("urgency", True), ("created_at", True)),
    (("urgency", False),),
    (("incident_number", True),),
    (("urgency", True), ("incident_number", False)),
]


def test_every_combination_gives_the_page_that_sorting_everything_would(
    db: Database, rows: list[Row], now: datetime
) -> None:
    by_id = {row.id: row for row in rows}
    with db.read() as tx:
        for statuses, urgencies, owners, sorts in product(
            (None, ("triggered",), ("resolved", "acknowledged")),
            (None, ("low",), ("low", "high")),
            (
                {},
                {"service_ids": ("PS1",)},
                {"service_ids": ("PS1", "PS3")},
                {"policy_ids": ("PP2",)},
                {"policy_ids": ()},
            ),
            SORTS,
        ):
            wanted = Wanted(
                statuses=statuses, urgencies=urgencies, sorts=sorts, since=now - timedelta(hours=50), **owners
            )  # type: ignore[arg-type]
            whole = expected(rows, wanted)
            seen: list[str] = []
            for offset in (0, 17):
                page = incident_lists.page(tx, wanted, limit=17, offset=offset)
                keys = [tuple(KEYS[name](by_id[id_]) for name, _ in sorts) for id_ in page]
                assert keys == whole[offset : offset + 17], wanted
                seen += page
            assert len(set(seen)) == len(seen), "no incident is on two pages"
            assert incident_lists.count(tx, wanted) == len(whole)


def test_too_many_combinations_are_one_plain_statement_with_the_same_answer(db: Database, rows: list[Row]) -> None:
    many = Wanted(service_ids=("PS1", *(f"PX{at}" for at in range(100))))
    with db.read() as tx:
        few = incident_lists.page(tx, Wanted(service_ids=("PS1",)), limit=50, offset=0)
        assert incident_lists.page(tx, many, limit=50, offset=0) == few


def test_what_is_not_resolved_comes_last_on_both_databases(db: Database, rows: list[Row]) -> None:
    by_id = {row.id: row for row in rows}
    resolved = [row.resolved_at for row in rows if row.resolved_at]
    with db.read() as tx:
        for is_down in (False, True):
            page = incident_lists.page(tx, Wanted(sorts=(("resolved_at", is_down),)), limit=300, offset=0)
            times = [by_id[id_].resolved_at for id_ in page]
            assert times[: len(resolved)] == sorted(resolved, reverse=is_down)
            assert set(times[len(resolved) :]) == {None}
