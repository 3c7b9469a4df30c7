"""What narrows and orders a list: searches, id lists, date ranges and `sort_by`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel.call import Call, Query
from tocsin.base.errors import Refusal, invalid_arguments
from tocsin.base.times import Span
from tocsin.store import dialect

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
"""There is no date before this one."""

Filter = Callable[[Call, Sequence[str]], sa.ColumnElement[bool]]
"""From the values a query parameter has to a condition."""


def among(column: sa.ColumnElement[Any]) -> Filter:
    """`x[]=a&x[]=b`: the column is one of these."""
    return lambda _call, values: column.in_(values)


def searched(query: Query, columns: Sequence[sa.ColumnElement[Any]]) -> list[sa.ColumnElement[bool]]:
    """`query=words`: any of the columns contains them, whatever the case."""
    words = query.one("query")
    return [sa.or_(*(dialect.contains(column, words) for column in columns))] if words and columns else []


def ordering(query: Query, allowed: Mapping[str, sa.ColumnElement[Any]], *, most: int = 2) -> list[sa.ColumnElement[Any]]:
    """`sort_by=name:desc,created_at`: the columns to order by. Raises 400/2002 for an unknown one."""
    text = query.one("sort_by")
    if text is None or not allowed:
        return []
    words = text.split(",")
    if len(words) > most:
        raise invalid_arguments(f"sort_by takes at most {most} fields")
    chosen: list[sa.ColumnElement[Any]] = []
    for word in words:
        name, _, direction = word.strip().partition(":")
        if name not in allowed or direction not in {"", "asc", "desc"}:
            raise invalid_arguments(f"sort_by must be made of {', '.join(allowed)}, each with :asc or :desc")
        chosen.append(allowed[name].desc() if direction == "desc" else allowed[name].asc())
    return chosen


def since_until(
    query: Query,
    now: datetime,
    *,
    default: timedelta,
    longest: timedelta | None = None,
    lift: bool = False,
) -> Span | None:
    """The range `since`/`until` ask for; None when `date_range=all` lifts it (only if `lift`).

    Missing `since` is `default` before `until`; missing `until` is now.
    Raises 400/2004, 2005 or 2002 when they are malformed, turned round, or further apart than `longest`.
    """
    if lift and query.one("date_range") == "all":
        return None
    since, until = _instant(query, "since", 2004), _instant(query, "until", 2005)
    until = until or now
    since = since or until - min(default, until - EARLIEST)
    if since > until:
        raise invalid_arguments("since must be before until (which is now, if it is not given)")
    if longest is not None and until - since > longest:
        raise invalid_arguments(f"The range from since to until must be at most {longest.days} days: give both, nearer together")
    return Span(since, until)


def _instant(query: Query, name: str, code: int) -> datetime | None:
    try:
        return query.instant(name)
    except Refusal as refusal:
        raise Refusal(400, code, f"Invalid {name.capitalize()} Parameter", refusal.errors) from refusal
