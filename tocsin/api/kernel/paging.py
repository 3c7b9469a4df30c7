"""Pages of lists: PagerDuty's offset paging and its cursors, told truthfully.

Laws:
1. `limit` and `offset` in an answer are those that were used, not those that were asked for.
2. `more` is exact; `total` is exact when asked for with `total=true`, else null.
3. A cursor names the last row given, so rows that come or go meanwhile are neither repeated nor skipped.
Source: BEHAVIOUR 7 and 11.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

from tocsin.api.kernel.call import Query
from tocsin.base import json
from tocsin.base.errors import Refusal, invalid_arguments

LIMIT: Final = 25
"""Rows on a page when the request does not say."""
LIMIT_MOST: Final = 100
"""Rows on a page at most; who asks for more gets this many, and is told so."""
DEPTH_MOST: Final = 10_000
"""How far into a list offset paging reaches; cursors and date ranges go further."""

TOO_DEEP: Final = (
    "Offset+limit exceeds maximum allowed value of 10000. Please try to refine your search to reduce the returned set of "
    "records below this number, like adding a date range."
)


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted."""

    limit: int
    offset: int
    wants_total: bool

    def answer(self, *, more: bool, total: int | None) -> dict[str, Any]:
        """The paging fields of the body."""
        return {"limit": self.limit, "offset": self.offset, "more": more, "total": total}


def window(query: Query, *, default: int = LIMIT, most: int = LIMIT_MOST) -> Window:
    """The window a query asks for. Raises 400/2002 when it is malformed or reaches beyond 10,000 rows."""
    limit = min(query.whole("limit", default=default, least=1, most=DEPTH_MOST * 100), most)
    offset = query.whole("offset", default=0, least=0, most=2**53)
    if offset + limit > DEPTH_MOST:
        raise invalid_arguments(TOO_DEEP)
    return Window(limit, offset, query.flag("total"))


def page_of(query: Query, items: list[Any], *, default: int = LIMIT, most: int = LIMIT_MOST) -> tuple[list[Any], dict[str, Any]]:
    """The wanted part of a list that is already in memory, with the paging fields."""
    wanted = window(query, default=default, most=most)
    part = items[wanted.offset : wanted.offset + wanted.limit]
    more = wanted.offset + wanted.limit < len(items)
    return part, wanted.answer(more=more, total=len(items) if wanted.wants_total else None)


def cursor(*values: object) -> str:
    """An opaque text that names a place in a list by the sort values of its last row."""
    return urlsafe_b64encode(json.encode(values)).rstrip(b"=").decode()


def read_cursor(query: Query, length: int, *, name: str = "cursor") -> list[Any] | None:
    """The sort values in the query's cursor `name`, or None without one. Raises 400/2002 when it was not made here."""
    text = query.one(name)
    if text is None:
        return None
    try:
        values = json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError as error:
        raise foreign(name) from error
    if not isinstance(values, list) or len(values) != length:
        raise foreign(name)
    return values


def foreign(name: str) -> Refusal:
    """400/2002: this cursor was not made here."""
    return invalid_arguments(f"{name} is not one that this server gave")
