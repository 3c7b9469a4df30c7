"""Find incidents by everything a list may be narrowed by, quickly however many there are.

Laws:
1. A list is in a total order: what was asked for, then the id.
2. Each combination of equal columns is one walk along an index in the order of the list, a page long; the walks are
   then merged. So a page costs what it shows, not what is stored.
3. Too many combinations, or an order that no index has, are one plain statement instead; the answer is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any, Final

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import incidents as tables

STATUSES: Final = ("triggered", "acknowledged", "resolved")
URGENCIES: Final = ("high", "low")
MOST_WALKS: Final = 60
"""Walks in one statement; with more, one plain statement is no slower."""

_incident = tables.incident.c

SORTS: Final[dict[str, sa.ColumnElement[Any]]] = {
    "incident_number": _incident.number,
    "created_at": _incident.created_at,
    "resolved_at": _incident.resolved_at,
    "urgency": sa.case((_incident.urgency == "high", 1), else_=0),
}
"""What a list may be sorted by; high urgency is more than low."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents, in which order. None does not narrow; an empty tuple leaves nothing.

    since, until  when they began; `until` itself is not in it
    key      their own key or that of one of their alerts
    also     further conditions on the table of incidents (what an actor may see)
    sorts    (name in SORTS, is descending), the first first
    """

    statuses: tuple[str, ...] | None = None
    urgencies: tuple[str, ...] | None = None
    service_ids: tuple[str, ...] | None = None
    policy_ids: tuple[str, ...] | None = None
    user_ids: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    key: str | None = None
    also: tuple[sa.ColumnElement[bool], ...] = ()
    sorts: tuple[tuple[str, bool], ...] = (("created_at", False),)


def page(tx: Tx, wanted: Wanted, *, limit: int, offset: int) -> list[str]:
    """The ids of one page of the list."""
    return [row.id for row in tx.rows(statement(wanted, limit=limit, offset=offset))]


def count(tx: Tx, wanted: Wanted) -> int:
    """How many there are on all pages."""
    return int(tx.scalar(sa.select(sa.func.count()).select_from(tables.incident).where(*_conditions(wanted))) or 0)


def statement(wanted: Wanted, *, limit: int, offset: int) -> sa.Select[Any]:
    """The statement behind `page`."""
    if wanted.sorts in _BY_END:
        return _by_end(wanted, limit, offset, is_down=wanted.sorts[0][1])
    walks = _walks(wanted)
    if not walks:
        order = [_directed(SORTS[name], name, is_down=is_down) for name, is_down in wanted.sorts]
        plain = sa.select(_incident.id).where(*_conditions(wanted)).order_by(*order, _incident.id)
        return plain.limit(limit).offset(offset)
    by_urgency, is_down = _walked_order(wanted.sorts) or (None, False)
    parts = [_walk(walk, limit + offset, is_down=is_down).subquery() for walk in walks]
    merged = sa.union_all(*(sa.select(part) for part in parts)).subquery().c
    order = [merged.created_at.desc(), merged.id.desc()] if is_down else [merged.created_at, merged.id]
    if by_urgency is not None:  # "high" comes before "low" in the alphabet and is more
        order.insert(0, merged.urgency.asc() if by_urgency else merged.urgency.desc())
    return sa.select(merged.id).order_by(*order).limit(limit).offset(offset)


_BY_END: Final = ((("resolved_at", False),), (("resolved_at", True),))


def _by_end(wanted: Wanted, limit: int, offset: int, *, is_down: bool) -> sa.Select[Any]:
    """By when they were resolved: those that were, in the order of their index, then those that are open."""
    order = (_incident.resolved_at.desc(), _incident.id.desc()) if is_down else (_incident.resolved_at, _incident.id)
    columns = (_incident.id, _incident.resolved_at)
    over = sa.select(*columns, sa.literal(0).label("part")).where(
        *_conditions(wanted), _incident.resolved_at.is_not(None)
    )
    still = sa.select(*columns, sa.literal(1).label("part")).where(
        *_conditions(wanted), _incident.status.in_(STATUSES[:2]), _incident.resolved_at.is_(None)
    )
    parts = (over.order_by(*order).limit(limit + offset), still.order_by(_incident.id).limit(limit + offset))
    merged = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery().c
    ended = merged.resolved_at.desc() if is_down else merged.resolved_at
    return (
        sa.select(merged.id)
        .order_by(merged.part, ended, merged.id.desc() if is_down else merged.id)
        .limit(limit)
        .offset(offset)
    )


def _walked_order(sorts: tuple[tuple[str, bool], ...]) -> tuple[bool | None, bool] | None:
    """Whether the list is by urgency first (and which way), and its way by time; None when no index is in that order."""
    by_urgency = sorts[0][1] if sorts[0][0] == "urgency" else None
    rest = sorts[1:] if by_urgency is not None else sorts
    if not rest:
        return by_urgency, False
    return (by_urgency, rest[0][1]) if len(rest) == 1 and rest[0][0] == "created_at" else None


def _walk(wanted: Wanted, length: int, *, is_down: bool) -> sa.Select[Any]:
    order = (_incident.created_at.desc(), _incident.id.desc()) if is_down else (_incident.created_at, _incident.id)
    columns = (_incident.id, _incident.created_at, _incident.urgency)
    return sa.select(*columns).where(*_conditions(wanted)).order_by(*order).limit(length)


def _walks(wanted: Wanted) -> list[Wanted]:
    """The same list as parts, each of which is in the order of an index; empty when it cannot be had that way."""
    order = _walked_order(wanted.sorts)
    if order is None or wanted.user_ids is not None or wanted.key is not None:
        return []
    by_urgency = order[0] is not None
    narrow = (wanted.service_ids, wanted.policy_ids, wanted.statuses, wanted.urgencies)
    if not by_urgency and all(values is None for values in narrow):
        return [wanted]
    statuses = wanted.statuses if wanted.statuses is not None else STATUSES
    each_urgency = [(one,) for one in (wanted.urgencies if wanted.urgencies is not None else URGENCIES)]
    urgencies: Sequence[tuple[str, ...] | None] = each_urgency if by_urgency else [wanted.urgencies]
    if wanted.service_ids is not None:
        owners = [replace(wanted, service_ids=(one,)) for one in wanted.service_ids]
    elif wanted.policy_ids is not None:
        owners = [replace(wanted, policy_ids=(one,)) for one in wanted.policy_ids]
    else:
        owners, urgencies = [wanted], each_urgency
    if not 0 < len(owners) * len(statuses) * len(urgencies) <= MOST_WALKS:
        return []
    return [
        replace(owner, statuses=(status,), urgencies=urgency)
        for owner, status, urgency in product(owners, statuses, urgencies)
    ]


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    where = [
        _among(column, values)
        for column, values in (
            (_incident.service_id, wanted.service_ids),
            (_incident.policy_id, wanted.policy_ids),
            (_incident.status, wanted.statuses),
            (_incident.urgency, wanted.urgencies),
        )
        if values is not None
    ]
    if wanted.since is not None:
        where.append(_incident.created_at >= wanted.since)
    if wanted.until is not None:
        where.append(_incident.created_at < wanted.until)
    if wanted.user_ids is not None:
        assignee = tables.assignee.c
        where.append(_incident.id.in_(sa.select(assignee.incident_id).where(assignee.user_id.in_(wanted.user_ids))))
    if wanted.key is not None:
        alert = tables.alert.c
        by_alert = sa.select(alert.incident_id).where(alert.dedup_key == wanted.key, alert.incident_id.is_not(None))
        where.append(
            _incident.id.in_(by_alert.union(sa.select(_incident.id).where(_incident.incident_key == wanted.key)))
        )
    return [*where, *wanted.also]


def _among(column: sa.Column[str], values: tuple[str, ...]) -> sa.ColumnElement[bool]:
    return column == values[0] if len(values) == 1 else column.in_(values)


def _directed(column: sa.ColumnElement[Any], name: str, *, is_down: bool) -> sa.ColumnElement[Any]:
    directed = column.desc() if is_down else column.asc()
    # What is not resolved comes last, on both databases.
    return directed.nulls_last() if name == "resolved_at" else directed
