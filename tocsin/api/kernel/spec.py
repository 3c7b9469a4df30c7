"""What a resource declares, as data only: the verbs, routes and documents are made from it.

Laws:
1. Names are inferred from `name` and `plural`; what PagerDuty does differently is stated as a field.
2. A resource that needs a special field of its own writes an `Action` instead: the kernel grows no hook without a third user.
3. `values`, `create`, `update`, `delete` run inside the call's one write transaction; a Refusal undoes all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import Filter

Body = dict[str, Any]
Rows = Sequence[sa.Row[Any]]

LIST, SHOW, CREATE, UPDATE, DELETE = "list", "show", "create", "update", "delete"
ALL: Final = (LIST, SHOW, CREATE, UPDATE, DELETE)


class Reference(msgspec.Struct, frozen=True):
    """A reference as clients send it. The type is what PagerDuty's clients write; what it must be is the resource's say."""

    id: str
    type: str = ""


class Paging(StrEnum):
    """How a list is cut into pages."""

    OFFSET = "offset"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What a nested resource hangs on: `/users/{user_id}/…`. `column` of the child's table names its parent."""

    kind: str
    table: sa.Table
    param: str
    column: sa.Column[Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A collection with up to five verbs.

    read       from rows to bodies, a whole page at once (so that what they refer to is read once); `call.includes` says
               what to expand
    write      the struct of the body; fields are `UNSET` when absent, so that an update changes what was sent and no more
    values     from the body (and the row as it was; None on create) to column values: the checks live here
    create, update, delete   instead of `values`, for what is more than one row: they call a service function.
               create returns the new id
    kind       the word the permission function knows it by; the name, if None
    audits     whether the kernel writes the audit record (by comparing bodies); False when the service function does
    """

    name: str
    plural: str
    path: str
    tag: str
    table: sa.Table
    read: Callable[[Call, Rows], list[Body]]
    scope: str | None = None
    kind: str | None = None
    verbs: Sequence[str] = ALL
    write: type[msgspec.Struct] | None = None
    values: Callable[[Call, Any, sa.Row[Any] | None], dict[str, Any]] | None = None
    create: Callable[[Call, Any], str] | None = None
    update: Callable[[Call, sa.Row[Any], Any], None] | None = None
    delete: Callable[[Call, sa.Row[Any]], None] | None = None
    parent: Parent | None = None
    id_param: str = "id"
    searched: Sequence[sa.ColumnElement[Any]] = ()
    filters: Mapping[str, Filter] = field(default_factory=dict)
    where: Callable[[Call], list[sa.ColumnElement[bool]]] | None = None
    order: Sequence[sa.ColumnElement[Any]] = ()
    sorts: Mapping[str, sa.ColumnElement[Any]] = field(default_factory=dict)
    includes: frozenset[str] = frozenset()
    paging: Paging = Paging.OFFSET
    limit: int = 25
    limit_most: int = 100
    create_status: int = 201
    from_needed: bool = False
    audits: bool = True
    new_id: Callable[[Call], str] | None = None

    @property
    def subject(self) -> str:
        return self.kind or self.name

    @cached_property
    def envelope(self) -> type[msgspec.Struct]:
        """The struct of `{name: {…}}`, built once."""
        return wrapper(self.name, self.write)


@dataclass(frozen=True, kw_only=True)
class Action:
    """One named operation. `run(call, body)` when there is a body struct, else `run(call)`.

    What it returns goes into `wrap_out` (or is the whole body); None is an empty body; a Reply is passed on as it is.
    `needs` is (action, kind) for the permission function, when no particular thing has to be found first.
    `writes` says whether it gets a write transaction; by default everything but GET does.
    `body_optional`: an empty body is the struct's defaults.
    `maps_errors`: refusals of the request tell their errors as a map from field to sentences (PagerDuty's v3).
    `also`: statuses that `run` answers with besides, as a Reply or a refusal of its own.
    """

    method: str
    path: str
    tag: str
    run: Callable[..., Any]
    scope: str | None = None
    body: type[msgspec.Struct] | None = None
    wrap_in: str | None = None
    wrap_out: str | None = None
    status: int = 200
    needs: tuple[str, str] | None = None
    writes: bool | None = None
    body_optional: bool = False
    maps_errors: bool = False
    includes: frozenset[str] = frozenset()
    from_needed: bool = False
    summary: str = ""
    also: tuple[int, ...] = ()

    @cached_property
    def envelope(self) -> type[msgspec.Struct]:
        return wrapper(self.wrap_in, self.body)

    @property
    def good_status(self) -> int:
        """The status of a good answer: of a DELETE that says no other, 204."""
        return 204 if self.method == "DELETE" and self.status == 200 else self.status


def Report(path: str, tag: str, run: Callable[[Call], Any], **more: Any) -> Action:  # noqa: N802 - reads as a declaration
    """An operation that only answers: GET, and no body."""
    return Action(method="GET", path=path, tag=tag, run=run, **more)


@dataclass(frozen=True, kw_only=True)
class Singleton:
    """One object at one address: read it, and update it when there is a `write`."""

    name: str
    path: str
    tag: str
    read: Callable[[Call], Body]
    write: type[msgspec.Struct] | None = None
    update: Callable[[Call, Any], None] | None = None
    scope: str | None = None
    needs: tuple[str, str] | None = None
    audits: bool = True

    @cached_property
    def envelope(self) -> type[msgspec.Struct]:
        return wrapper(self.name, self.write)


@dataclass(frozen=True, kw_only=True)
class Link:
    """Two things joined or parted by PUT and DELETE on one address; both answer 204 and nothing."""

    path: str
    tag: str
    join: Callable[[Call, Any], None]
    part: Callable[[Call], None]
    body: type[msgspec.Struct] | None = None
    scope: str | None = None


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """PUT of many items of a collection at once: all are changed or none is. More than `most` items is 413."""

    path: str
    tag: str
    plural: str
    item: type[msgspec.Struct]
    run: Callable[[Call, Any], list[Body]]
    most: int = 250
    scope: str | None = None
    from_needed: bool = False
    needs: tuple[str, str] | None = None

    @cached_property
    def envelope(self) -> type[msgspec.Struct]:
        return list_wrapper(self.plural, self.item)


Declared = Resource | Action | Singleton | Link | Bulk


@cache
def wrapper(name: str | None, body: type[msgspec.Struct] | None) -> type[msgspec.Struct]:
    """The struct of `{name: body}`, or the body itself when it has no wrapper. Raises TypeError without a body struct."""
    if body is None:
        raise TypeError("a wrapper needs the struct of what is inside")
    return msgspec.defstruct(f"{body.__name__}_in_{name}", [(name, body)], module=body.__module__) if name else body


@cache
def list_wrapper(plural: str, item: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The struct of `{plural: [item, …]}`."""
    return msgspec.defstruct(f"{item.__name__}_in_{plural}", [(plural, list[item])], module=item.__module__)  # type: ignore[valid-type]


def given(body: msgspec.Struct, *names: str) -> dict[str, Any]:
    """The named fields (all, without names) of a body that were sent: `UNSET` ones are left out."""
    wanted = names or body.__struct_fields__
    return {name: value for name in wanted if (value := getattr(body, name)) is not msgspec.UNSET}
