"""Dependencies between services as rows: near ones, all that hang together above or below, and how many there are."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.dependencies import DEPTH_MOST, Edge, Node
from tocsin.store import counters
from tocsin.store.db import Tx
from tocsin.store.tables.business import service_dependency as table

_AT_ONCE: Final = 400


def turn(tx: Tx) -> None:
    """Wait for one's turn to change dependencies, so that no two changes close a circle together; held until the end."""
    counters.take(tx, "service_dependencies", 1)


def edge_of(row: sa.Row[Any]) -> Edge:
    return Edge((row.supporting_kind, row.supporting_id), (row.dependent_kind, row.dependent_id))


def near(tx: Tx, node: Node) -> Sequence[sa.Row[Any]]:
    """The dependencies this service stands in, the oldest first."""
    return tx.rows(sa.select(table).where(sa.or_(_is_supporting(node), _is_dependent(node))).order_by(table.c.created_at, table.c.id))


def count(tx: Tx, node: Node) -> int:
    """In how many dependencies it stands."""
    chosen = sa.select(sa.func.count()).select_from(table).where(sa.or_(_is_supporting(node), _is_dependent(node)))
    return int(tx.scalar(chosen) or 0)


def find(tx: Tx, edge: Edge) -> sa.Row[Any] | None:
    return tx.one(sa.select(table).where(_is_supporting(edge.supporting), _is_dependent(edge.dependent)))


def above(tx: Tx, nodes: Iterable[Node]) -> list[Edge]:
    """All dependencies met on the way from these to everything that depends on them."""
    return _walk(tx, nodes, table.c.supporting_id, downward=False)


def below(tx: Tx, nodes: Iterable[Node]) -> list[Edge]:
    """All dependencies met on the way from these to everything they depend on."""
    return _walk(tx, nodes, table.c.dependent_id, downward=True)


def _walk(tx: Tx, nodes: Iterable[Node], column: sa.Column[str], *, downward: bool) -> list[Edge]:
    seen, edges = set(nodes), []
    front = seen
    for _ in range(DEPTH_MOST + 1):
        ids = sorted({id_ for _, id_ in front})
        if not ids:
            break
        met: set[Node] = set()
        for at in range(0, len(ids), _AT_ONCE):
            for row in tx.rows(sa.select(table).where(column.in_(ids[at : at + _AT_ONCE]))):
                edge = edge_of(row)
                here, there = (edge.dependent, edge.supporting) if downward else (edge.supporting, edge.dependent)
                if here in front:
                    edges.append(edge)
                    met.add(there)
        front = met - seen
        seen = seen | front
    return edges


def supporting_something(tx: Tx) -> set[str]:
    """The ids of business services on which another business service depends: all others are at the top."""
    chosen = sa.select(table.c.supporting_id).where(table.c.supporting_kind == "business_service", table.c.dependent_kind == "business_service")
    return {row.supporting_id for row in tx.rows(chosen.distinct())}


def add(tx: Tx, id_: str, edge: Edge, now: datetime) -> None:
    tx.execute(
        sa.insert(table),
        {
            "id": id_, "supporting_kind": edge.supporting[0], "supporting_id": edge.supporting[1],
            "dependent_kind": edge.dependent[0], "dependent_id": edge.dependent[1], "created_at": now,
        },
    )  # fmt: skip


def drop(tx: Tx, id_: str) -> None:
    tx.execute(sa.delete(table).where(table.c.id == id_))


def forget(tx: Tx, node: Node) -> None:
    """End all dependencies of a service that is about to go."""
    tx.execute(sa.delete(table).where(sa.or_(_is_supporting(node), _is_dependent(node))))


def _is_supporting(node: Node) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.supporting_kind == node[0], table.c.supporting_id == node[1])


def _is_dependent(node: Node) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.dependent_kind == node[0], table.c.dependent_id == node[1])
