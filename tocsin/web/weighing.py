"""Looks, before a form is kept, whether incidents would reach somebody later or nobody, and tells it as pages show it."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tocsin.base.times import Span
from tocsin.core.coverage import Repeated, together
from tocsin.service import coverage
from tocsin.service.coverage import Change
from tocsin.store.db import Tx
from tocsin.web.visit import Visit

WEEKS_LOOKED_AT = 4
"""How far ahead a form looks."""


def changes(visit: Visit, deed: Callable[[Tx], object], *, until: datetime | None = None) -> list[Change]:
    """What `deed` would open, close or delay in the next weeks, and on to `until` as far as coverage looks; it is not done.

    Raises what the deed is refused with.
    """
    start = visit.now.replace(second=0, microsecond=0)
    end = max(start + timedelta(weeks=WEEKS_LOOKED_AT), until or start)
    span = Span(start, min(end, start + coverage.SPAN_MOST))
    return coverage.rehearsed(visit.front.db, visit.who, span, deed)


def worse(visit: Visit, deed: Callable[[Tx], object], *, until: datetime | None = None) -> list[Change]:
    """Of `changes`, those by which incidents would reach nobody, or somebody later."""
    return [one for one in changes(visit, deed, until=until) if one.opens or one.later]


def told(found: Iterable[Change]) -> list[tuple[str, Repeated, bool]]:
    """Changes as a page shows them: of what, when first and how often, and whether nobody is reached then."""
    rows = []
    for one in found:
        name = one.service.name if one.service else one.policy.name
        rows += [(name, row, row.first.is_gap) for parts in (one.opens, one.later) for row in together(parts)]
    return rows
