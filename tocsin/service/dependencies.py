"""Dependencies between services: the one door by which they are made and ended, each change with its audit record.

Laws:
1. Whether a dependency may be is `core.dependencies`' say; changes are made one after the other, so no two close a circle.
2. One that is there already is answered as it is; ending one that is not there is 404 and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.core import dependencies as rules
from tocsin.core import permission
from tocsin.core.dependencies import BUSINESS, TECHNICAL, Edge, Node
from tocsin.core.permission import Actor
from tocsin.service import access, audit, impacts
from tocsin.service.audit import Deed
from tocsin.store import dependencies as store
from tocsin.store.db import Tx
from tocsin.store.tables.business import business_service
from tocsin.store.tables.services import service

AT_ONCE_MOST: Final = 100
"""Dependencies that one request may name."""

TABLES: Final[Mapping[str, sa.Table]] = {TECHNICAL: service, BUSINESS: business_service}
"""The two kinds of services that depend on each other."""


def associate(tx: Tx, deed: Deed, edges: Sequence[Edge]) -> list[sa.Row[Any]]:
    """Make these dependencies, all or none; the rows, old and new, in order. Raises 400, 403, 404."""
    _counted(edges)
    store.turn(tx)
    rows = []
    for edge in edges:
        names = _allowed(tx, deed.actor, edge)
        row = store.find(tx, edge)
        if row is None:
            around = [*store.below(tx, [edge.supporting]), *store.above(tx, [edge.dependent])]
            counts = {node: store.count(tx, node) for node in (edge.supporting, edge.dependent)}
            if reason := rules.why_not(edge, around, counts):
                raise invalid(f"{names[edge.dependent]} cannot depend on {names[edge.supporting]}: {reason}")
            store.add(tx, ids.long_id(deed.chance, prefix="D"), edge, deed.now)
            row = store.find(tx, edge)
            assert row is not None
            _tell(tx, deed, edge, names, added=True)
        rows.append(row)
    impacts.settle(tx, deed.now, deed.chance)
    return rows


def disassociate(tx: Tx, deed: Deed, edges: Sequence[Edge]) -> list[sa.Row[Any]]:
    """End these dependencies, all or none; the rows as they were. Raises 400, 403, 404."""
    _counted(edges)
    store.turn(tx)
    rows = []
    for edge in dict.fromkeys(edges):
        names = _allowed(tx, deed.actor, edge)
        row = store.find(tx, edge)
        if row is None:
            raise not_found("Service Dependency")
        store.drop(tx, row.id)
        _tell(tx, deed, edge, names, added=False)
        rows.append(row)
    impacts.settle(tx, deed.now, deed.chance)
    return rows


def of_service(tx: Tx, actor: Actor, node: Node) -> list[sa.Row[Any]]:
    """The immediate dependencies of a service, as far as the actor may see their other ends, the oldest first."""
    rows = store.near(tx, node)
    ends = {end for row in rows for end in ((row.supporting_kind, row.supporting_id), (row.dependent_kind, row.dependent_id))}
    seen = {
        (kind, id_) for kind, table in TABLES.items() for id_ in access.known(tx, actor, kind, table, (end[1] for end in ends if end[0] == kind))
    }
    return [row for row in rows if (row.supporting_kind, row.supporting_id) in seen and (row.dependent_kind, row.dependent_id) in seen]


@dataclass(frozen=True, slots=True)
class Near:
    """A service next to another one: its kind, id and name."""

    kind: str
    id: str
    name: str


def named(tx: Tx, actor: Actor, node: Node) -> tuple[list[Near], list[Near]]:
    """What a service depends on, and what depends on it, immediately: those the actor may see, by name."""
    rows = of_service(tx, actor, node)
    below = [(row.supporting_kind, row.supporting_id) for row in rows if (row.dependent_kind, row.dependent_id) == node]
    above = [(row.dependent_kind, row.dependent_id) for row in rows if (row.supporting_kind, row.supporting_id) == node]
    names: dict[Node, str] = {}
    for kind, table in TABLES.items():
        ids = sorted({id_ for one, id_ in [*below, *above] if one == kind})
        if ids:
            names |= {(kind, row.id): row.name for row in tx.rows(sa.select(table.c.id, table.c.name).where(table.c.id.in_(ids)))}
    both = [sorted((Near(kind, id_, names[kind, id_]) for kind, id_ in part), key=lambda one: (one.name, one.id)) for part in (below, above)]
    return both[0], both[1]


def _counted(edges: Sequence[Edge]) -> None:
    if not 1 <= len(edges) <= AT_ONCE_MOST:
        raise invalid(f"relationships must name between 1 and {AT_ONCE_MOST} dependencies")


def _allowed(tx: Tx, actor: Actor, edge: Edge) -> dict[Node, str]:
    """The names of both ends: the actor must see the supporting one and may change the dependent one."""
    (kind, id_), (supporting, supporting_id) = edge.dependent, edge.supporting
    below = access.find(tx, actor, supporting, TABLES[supporting], supporting_id)
    above = access.find(tx, actor, kind, TABLES[kind], id_, permission.UPDATE)
    return {edge.supporting: below.name, edge.dependent: above.name}


def _tell(tx: Tx, deed: Deed, edge: Edge, names: Mapping[Node, str], *, added: bool) -> None:
    kind, id_ = edge.dependent
    root = {"id": id_, "type": f"{kind}_reference", "summary": names[edge.dependent]}
    other = {"id": edge.supporting[1], "type": f"{edge.supporting[0]}_reference", "summary": names[edge.supporting]}
    audit.record_link(tx, deed, root, "supporting_services", **{"added" if added else "removed": [other]})
