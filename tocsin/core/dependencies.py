"""What depends on what among services: who feels it when one is in trouble, and which new dependency there may not be.

Laws:
1. A dependency goes from the supporting service to the dependent one; trouble travels that way, transitively.
2. Nothing depends on itself, however long the way round; no chain is longer than `DEPTH_MOST`, and no service stands in
   more than `EACH_MOST` dependencies. So every walk ends.
Source: BEHAVIOUR 10 (dependencies, business services).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

EACH_MOST: Final = 2000
"""Dependencies that one service stands in, on either side."""
DEPTH_MOST: Final = 100
"""Dependencies in a chain."""

TECHNICAL: Final = "service"
BUSINESS: Final = "business_service"

Node = tuple[str, str]
"""A kind (`service` or `business_service`) and an id."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One dependency."""

    supporting: Node
    dependent: Node


@dataclass(frozen=True, slots=True)
class Trouble:
    """How bad it is: the order of the worst priority (1 is the worst) and when the newest incident began."""

    order: int
    since: datetime
    priority_id: str


def reached(starts: Iterable[Node], edges: Iterable[Edge], *, downward: bool = False) -> set[Node]:
    """All that depends on any of these, near or far, without the starts themselves; `downward`: all they depend on."""
    onward = _onward(edges, downward=downward)
    begun = set(starts)
    seen: set[Node] = set()
    waiting = list(begun)
    while waiting:
        for node in onward.get(waiting.pop(), ()):
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def felt(troubles: Mapping[Node, Trouble], edges: Collection[Edge]) -> dict[Node, Trouble]:
    """By what depends on something in trouble: the worst priority there is below it, and the newest beginning."""
    onward = _onward(edges, downward=False)
    worst = _spread(sorted(troubles, key=lambda node: (troubles[node].order, node)), onward)
    newest = _spread(sorted(troubles, key=lambda node: (-troubles[node].since.timestamp(), node)), onward)
    return {
        node: Trouble(troubles[source].order, troubles[newest[node]].since, troubles[source].priority_id)
        for node, source in worst.items()
    }


def _spread(sources: Iterable[Node], onward: Mapping[Node, list[Node]]) -> dict[Node, Node]:
    """By node, the first of the sources (in their order) that reaches it."""
    found: dict[Node, Node] = {}
    for source in sources:
        waiting = [source]
        while waiting:
            for node in onward.get(waiting.pop(), ()):
                if node not in found:
                    found[node] = source
                    waiting.append(node)
    return found


def why_not(new: Edge, around: Collection[Edge], counts: Mapping[Node, int]) -> str | None:
    """Why this dependency may not be, or None.

    around  all dependencies below the supporting and above the dependent service (more do no harm)
    counts  in how many dependencies each of the two stands already
    """
    if new.supporting == new.dependent:
        return "A service cannot depend on itself"
    if new.supporting in reached([new.dependent], around):
        return "This would close a circle: the supporting service depends on the dependent one already"
    if any(counts.get(node, 0) >= EACH_MOST for node in (new.supporting, new.dependent)):
        return f"A service may stand in at most {EACH_MOST} dependencies"
    longest = _chain(new.supporting, _onward(around, downward=True)) + 1 + _chain(new.dependent, _onward(around, downward=False))
    return f"A chain of dependencies may be at most {DEPTH_MOST} long; this would make one of {longest}" if longest > DEPTH_MOST else None


def _chain(start: Node, onward: Mapping[Node, list[Node]]) -> int:
    """The length of the longest chain from here, counted in dependencies. Goes once through everything it reaches."""
    lengths: dict[Node, int] = {}
    waiting = [start]
    while waiting:
        node = waiting[-1]
        left = [one for one in onward.get(node, ()) if one not in lengths]
        if left:
            waiting += left
        else:
            lengths[waiting.pop()] = max((lengths[one] + 1 for one in onward.get(node, ())), default=0)
    return lengths[start]


def _onward(edges: Iterable[Edge], *, downward: bool) -> dict[Node, list[Node]]:
    onward: dict[Node, list[Node]] = {}
    for edge in edges:
        here, there = (edge.dependent, edge.supporting) if downward else (edge.supporting, edge.dependent)
        onward.setdefault(here, []).append(there)
    return onward
