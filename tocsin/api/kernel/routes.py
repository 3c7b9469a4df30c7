"""The one table of routes made from the declarations, and `answer`, which takes a request through it.

Laws:
1. A writing call is one transaction, a reading call one snapshot; a Refusal undoes everything.
2. Who is asking is settled before anything is said about what there is.
3. An operation of PagerDuty's that is not built yet is refused with 400, never 404 or 501 (BEHAVIOUR 7).
4. A trailing slash changes nothing, nor does a first path segment ending in `com` (BEHAVIOUR 11.2, pdjs).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import sqlalchemy as sa

from tocsin.api.kernel import auth, envelope, on_purpose, verbs
from tocsin.api.kernel.call import Call, House, Query, Reply, Request, asked_at
from tocsin.api.kernel.operations import OPERATIONS, Operation, shape
from tocsin.api.kernel.spec import Action, Bulk, Declared, Link, Resource, Singleton
from tocsin.base.errors import Refusal, forbidden, invalid, not_found, not_implemented
from tocsin.core import scopes

Standing = Literal["served", "refused", "missing"]
"""How an operation of PagerDuty's stands here: served, refused on purpose (`on_purpose` says why), or not built yet."""

_READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation: what is asked for, what it takes, who answers."""

    method: str
    path: str
    tag: str
    scope: str | None
    verb: str
    spec: Declared
    handler: Callable[[Call], Reply]
    writes: bool
    from_needed: bool = False


@dataclass
class _Node:
    """One place in the tree of paths: what may follow, and what answers here by method."""

    words: dict[str, "_Node"] = field(default_factory=dict)
    param: "_Node | None" = None
    here: dict[str, tuple[Route | Operation, tuple[str, ...]]] = field(default_factory=dict)


class Table:
    """All routes. Made once from the declarations; refuses two of the same method and shape of path."""

    def __init__(self, declared: Iterable[Declared]) -> None:
        self.routes: tuple[Route, ...] = tuple(route for spec in declared for route in routes_of(spec))
        self._root = _Node()
        for route in self.routes:
            if not self._plant(route):
                raise ValueError(f"{route.method} {route.path} is declared twice")
        self.unimplemented: tuple[Operation, ...] = tuple(known for known in OPERATIONS if self._plant(known))

    def _plant(self, route: Route | Operation) -> bool:
        node, names = self._root, []
        for part in route.path.strip("/").split("/"):
            if part.startswith("{"):
                names.append(part.strip("{}"))
                node.param = node.param or _Node()
                node = node.param
            else:
                node = node.words.setdefault(part, _Node())
        if route.method in node.here:
            return False
        node.here[route.method] = (route, tuple(names))
        return True

    def match(self, method: str, path: str) -> tuple[Route | Operation, Mapping[str, str]] | None:
        """The route for this method and path, and the ids in it. Fixed words win over ids."""
        parts = [part for part in path.split("/") if part]
        if len(parts) > 1 and parts[0].lower().endswith("com"):
            parts = parts[1:]
        found = _follow(self._root, parts, 0, method, ())
        if found is None:
            return None
        (route, names), ids = found
        return route, dict(zip(names, ids, strict=True))

    def answer(self, house: House, request: Request) -> Reply:
        """Answer a request. Every refusal becomes its body here; what is not a refusal is the caller's to catch."""
        try:
            return self._answer(replace(house, asked_at=asked_at(request, house.base_url)), request)
        except Refusal as refusal:
            return envelope.refused(refusal)
        except sa.exc.IntegrityError as error:
            return envelope.refused(_lost_race(error))

    def _answer(self, house: House, request: Request) -> Reply:
        method = "GET" if request.method == "HEAD" else request.method
        if "\0" in request.path:
            raise not_found()
        matched = self.match(method, request.path)
        route = matched[0] if matched and isinstance(matched[0], Route) else None
        writes = route is not None and route.writes
        with house.db.write() if writes else house.db.read() as tx:
            credential = auth.credential_of(house, tx, request)
            if route is not None:
                auth.check_scope(credential, scopes.needed(route.method, route.path, route.scope, writes=writes))
            actor = auth.actor_of(
                tx, credential, request, writes=writes, from_needed=route is not None and route.from_needed
            )  # fmt: skip
            if matched is None:
                raise not_found_operation(request)
            if route is None:
                raise not_implemented(request.method, matched[0].path, on_purpose.REASONS.get((method, matched[0].path)))
            if writes and actor.is_read_only:
                raise forbidden("This is a read-only API key: use one that may write")
            call = Call(
                house=house, request=request, actor=actor, tx=tx, params=matched[1], query=Query(request.query)
            )  # fmt: skip
            reply = route.handler(call)
        auth.note_use(house, credential, request)
        return reply

    def checklist(self) -> tuple[tuple[Operation, Standing], ...]:
        """Every operation of PagerDuty's, and how it stands here."""
        served = {(route.method, shape(route.path)) for route in self.routes}

        def standing(known: Operation) -> Standing:
            if (known.method, shape(known.path)) in served:
                return "served"
            return "refused" if (known.method, known.path) in on_purpose.REASONS else "missing"

        return tuple((known, standing(known)) for known in OPERATIONS)

    def counted(self) -> tuple[int, int]:
        """How many of PagerDuty's published operations are served, and how many there are."""
        published = [standing == "served" for known, standing in self.checklist() if known.source == "openapi"]
        return sum(published), len(published)


def not_found_operation(request: Request) -> Refusal:
    """404 for a path that is neither ours nor PagerDuty's."""
    refusal = not_found()
    refusal.errors = [f"There is no operation {request.method} {request.path}"]
    return refusal


def _lost_race(error: sa.exc.IntegrityError) -> Refusal:
    refusal = invalid("This collides with something that was made or deleted at the same moment: look, and send it again")
    refusal.__cause__ = error
    return refusal


def _follow(
    node: _Node, parts: list[str], at: int, method: str, ids: tuple[str, ...]
) -> tuple[tuple[Route | Operation, tuple[str, ...]], tuple[str, ...]] | None:
    if at == len(parts):
        here = node.here.get(method)
        return (here, ids) if here else None
    word = node.words.get(parts[at])
    found = _follow(word, parts, at + 1, method, ids) if word else None
    if found is None and node.param is not None:
        found = _follow(node.param, parts, at + 1, method, (*ids, parts[at]))
    return found


def routes_of(spec: Declared) -> list[Route]:
    """The routes a declaration stands for."""
    match spec:
        case Resource():
            return [_resource_route(spec, verb) for verb in spec.verbs]
        case Action():
            writes = spec.writes if spec.writes is not None else spec.method not in _READING
            return [_route(spec, spec.method, spec.path, spec.scope, "action", partial(verbs.run_action, spec), writes=writes)]
        case Singleton():
            routes = [_route(spec, "GET", spec.path, _scope(spec.scope, "read"), "show", partial(verbs.show_singleton, spec))]
            if spec.update is not None:
                handler = partial(verbs.update_singleton, spec)
                routes.append(_route(spec, "PUT", spec.path, _scope(spec.scope, "write"), "update", handler, writes=True))
            return routes
        case Link():
            scope = _scope(spec.scope, "write")
            return [
                _route(spec, "PUT", spec.path, scope, "join", partial(verbs.join, spec), writes=True),
                _route(spec, "DELETE", spec.path, scope, "part", partial(verbs.part, spec), writes=True),
            ]
        case Bulk():
            scope = _scope(spec.scope, "write")
            return [_route(spec, "PUT", spec.path, scope, "bulk", partial(verbs.run_bulk, spec), writes=True)]


_VERBS: Final[Mapping[str, tuple[str, Callable[[Resource, Call], Reply]]]] = {
    "list": ("GET", verbs.list_),
    "show": ("GET", verbs.show),
    "create": ("POST", verbs.create),
    "update": ("PUT", verbs.update),
    "delete": ("DELETE", verbs.delete),
}


def _resource_route(spec: Resource, verb: str) -> Route:
    method, handler = _VERBS[verb]
    path = spec.path if verb in {"list", "create"} else f"{spec.path}/{{{spec.id_param}}}"
    writes = method != "GET"
    scope = _scope(spec.scope or spec.plural, "write" if writes else "read")
    return _route(spec, method, path, scope, verb, partial(handler, spec), writes=writes)


def _route(
    spec: Declared, method: str, path: str, scope: str | None, verb: str, handler: Callable[[Call], Reply], *, writes: bool = False
) -> Route:
    return Route(
        method=method,
        path=path,
        tag=spec.tag,
        scope=scope,
        verb=verb,
        spec=spec,
        handler=handler,
        writes=writes,
        from_needed=writes and getattr(spec, "from_needed", False),
    )


def _scope(noun: str | None, power: str) -> str | None:
    return f"{noun}.{power}" if noun else None
