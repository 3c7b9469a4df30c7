"""The causes that leave nobody reached, kept since when they are known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.coverage import coverage_hole
from tocsin.store.tables.engine import audit


class Cause(NamedTuple):
    """What a hole is known by. `service_id` and `about` are empty when there is none."""

    policy_id: str
    service_id: str
    kind: str
    level: int
    about: str


@dataclass(frozen=True, slots=True)
class Hole:
    """Since when a cause is known, in which words, and the change that came last before it was found."""

    words: str
    found_at: datetime
    after: str | None


def holes(tx: Tx, policy_ids: Collection[str] | None = None) -> dict[Cause, Hole]:
    """The holes of these policies, or all."""
    statement = sa.select(coverage_hole)
    if policy_ids is not None:
        statement = statement.where(coverage_hole.c.policy_id.in_(sorted(policy_ids)))
    return {
        Cause(row.policy_id, row.service_id, row.kind, row.level, row.about): Hole(row.words, row.found_at, row.after)
        for row in tx.rows(statement)
    }


def keep(tx: Tx, found: Mapping[Cause, Hole]) -> None:
    """Remember holes that were not known."""
    if found:
        rows = [{**cause._asdict(), "words": hole.words, "found_at": hole.found_at, "after": hole.after} for cause, hole in found.items()]
        tx.execute(sa.insert(coverage_hole), rows)


def forget(tx: Tx, gone: Collection[Cause]) -> None:
    """Holes that are no more."""
    table = coverage_hole.c
    for cause in gone:
        is_it = [getattr(table, name) == value for name, value in cause._asdict().items()]
        tx.execute(sa.delete(coverage_hole).where(*is_it))


def change_mark(tx: Tx) -> object:
    """A value that changes when a hole is found or forgotten."""
    return tuple(tx.one(sa.select(sa.func.count(), sa.func.max(coverage_hole.c.found_at))) or ())


def newest_change(tx: Tx) -> Sequence[sa.Row[Any]]:
    """The audit records of the change that was made last: all of its request, in the order of their ids."""
    newest = tx.one(sa.select(audit.c.at, audit.c.request_id).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(1))
    if newest is None:
        return ()
    return tx.rows(sa.select(audit).where(audit.c.at == newest.at, audit.c.request_id == newest.request_id).order_by(audit.c.id))
