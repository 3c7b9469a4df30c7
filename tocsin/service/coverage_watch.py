"""Watches the coverage of the next weeks: what leaves nobody reached is remembered with since when, and after which change.

Laws:
1. A hole is known by its cause (which level, which schedule or person), not by its hours: a gap of every night is one.
2. What was found is kept in one transaction under the watch's lease, so that of several nodes one tells of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.times import Span
from tocsin.core.coverage import Reached
from tocsin.core.permission import HOUSE
from tocsin.service import coverage
from tocsin.service.coverage import Coverage
from tocsin.store import coverage as store
from tocsin.store import leases
from tocsin.store.coverage import Cause, Hole
from tocsin.store.db import Database

AHEAD: Final = timedelta(weeks=4)
"""How far ahead is looked."""
LEASE: Final = "coverage"
LASTING: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Noticed:
    """What is different since the last look."""

    opened: Mapping[Cause, Hole]
    closed: Mapping[Cause, Hole]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a look was made of: while it stays the same, so does the coverage, but for the hours that pass."""

    change: str | None
    hour: datetime


def mark(db: Database, now: datetime) -> Mark:
    """The newest change of configuration, and the hour."""
    with db.read() as tx:
        newest = store.newest_change(tx)
    return Mark(newest[-1].id if newest else None, now.replace(minute=0, second=0, microsecond=0))


def look(db: Database, now: datetime, *, node: str, before: Mark | None) -> Noticed:
    """Prove the next weeks and remember what is new; `before` is the mark of the look before, if this node made one."""
    with db.read() as tx:
        ids = coverage.visible_policies(tx, HOUSE)
        facts = coverage.gather(tx, HOUSE, Span(now, now + AHEAD), ids)
        newest = store.newest_change(tx)
    after = _told(newest) if before is not None and newest and newest[-1].id != before.change else None
    found = {cause: Hole(words, now, after) for cause, words in _causes(coverage.proven(facts))}
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING):
            return Noticed({}, {})
        there = set(coverage.visible_policies(tx, HOUSE))  # one may have been deleted since
        known = store.holes(tx)
        opened = {cause: hole for cause, hole in found.items() if cause not in known and cause.policy_id in there}
        closed = {cause: hole for cause, hole in known.items() if cause not in found}
        store.keep(tx, opened)
        store.forget(tx, closed)
    return Noticed(opened, closed)


def _told(change: Sequence[sa.Row[Any]]) -> str:
    """A change in words, without what may be private in it: who, and what was done to which kinds of things."""
    done = {f"{one.action} {str(one.details['resource']['type']).removesuffix('_reference').replace('_', ' ')}" for one in change}
    return f"{change[0].actor_name or 'Tocsin'}: {', '.join(sorted(done))}"


def _causes(found: Coverage) -> Iterable[tuple[Cause, str]]:
    for one in found.policies:
        yield from _of(one.policy.id, "", one.gaps)
        for own in one.own:
            yield from _of(one.policy.id, own.service.id, own.gaps)


def _of(policy_id: str, service_id: str, gaps: Iterable[Reached]) -> Iterable[tuple[Cause, str]]:
    for gap in gaps:
        for cause in gap.causes:
            yield Cause(policy_id, service_id, cause.kind.value, cause.level, cause.about or ""), cause.words


def since(known: Mapping[Cause, Hole], policy_id: str, gap: Reached, service_id: str = "") -> Hole | None:
    """Since when a gap is known: of its causes the one that was found last made it one. None: not looked at yet."""
    found = [known.get(cause) for cause, _ in _of(policy_id, service_id, [gap])]
    return max((hole for hole in found if hole is not None), key=lambda hole: hole.found_at, default=None)
