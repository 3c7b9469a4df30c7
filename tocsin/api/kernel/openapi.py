"""Our own OpenAPI document, made from the table of routes: what is really served, no more and no less."""

import re
from typing import Any, Final

import msgspec

from tocsin.api.kernel.routes import Route, Table
from tocsin.api.kernel.spec import Action, Bulk, Link, Resource, Singleton

VERSION: Final = "3.1.0"
_COMPONENTS: Final = "#/components/schemas/{name}"
_SUMMARIES: Final = {
    "list": "List {plural}",
    "show": "Show one {name}",
    "create": "Create a {name}",
    "update": "Change a {name}",
    "delete": "Delete a {name}",
    "join": "Join the two",
    "part": "Part the two",
    "bulk": "Change several {plural}",
}


def document(table: Table, base_url: str) -> dict[str, Any]:
    """The document for everything in the table."""
    structs = {struct for route in table.routes if (struct := body_struct(route)) is not None}
    schemas, components = msgspec.json.schema_components(sorted(structs, key=lambda one: one.__name__), ref_template=_COMPONENTS)
    by_struct = dict(zip(sorted(structs, key=lambda one: one.__name__), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_struct)
    return {
        "openapi": VERSION,
        "info": {"title": "Tocsin", "version": "2", "description": "PagerDuty's REST API, as far as it is served here."},
        "servers": [{"url": base_url}],
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token token=<key>"},
            },
        },
    }


def body_struct(route: Route) -> type[msgspec.Struct] | None:
    """The struct that the body of this route is read into, wrapper and all; None when it has no body."""
    match route.spec:
        case Resource() if route.verb in {"create", "update"}:
            return route.spec.envelope
        case Action() if route.spec.body is not None:
            return route.spec.envelope
        case Singleton() if route.verb == "update":
            return route.spec.envelope
        case Link() if route.verb == "join":
            return route.spec.body
        case Bulk():
            return route.spec.envelope
        case _:
            return None


def _operation(route: Route, schemas: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [route.tag],
        "summary": summary(route),
        "parameters": _parameters(route),
        "responses": {"default": {"description": "The answer, or an error body with message, code and errors"}},
    }
    if route.scope:
        operation["x-scope"] = route.scope
    struct = body_struct(route)
    if struct is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[struct]}}}
    return operation


def summary(route: Route) -> str:
    """One line that says what the operation is for."""
    spec = route.spec
    if isinstance(spec, Action):
        told = getattr(spec.run, "func", spec.run).__doc__ or ""
        return spec.summary or told.partition("\n")[0].rstrip(".") or f"{route.method} {route.path}"
    name = getattr(spec, "name", "") or route.tag
    plural = getattr(spec, "plural", "") or name
    return _SUMMARIES[route.verb].format(name=name.replace("_", " "), plural=plural.replace("_", " "))


def _parameters(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in re.findall(r"\{([^}]*)\}", route.path)
    ]
    spec = route.spec
    if isinstance(spec, Resource) and route.verb == "list":
        names = [*(["query"] if spec.searched else []), *spec.filters, *(["sort_by"] if spec.sorts else [])]
        if spec.paging.value == "offset":
            names += ["limit", "offset", "total"]
        found += [{"name": name, "in": "query", "schema": text} for name in names]
    if getattr(spec, "includes", None) and route.method == "GET":
        allowed = {"type": "array", "items": {"type": "string", "enum": sorted(spec.includes)}}  # type: ignore[union-attr]
        found.append({"name": "include[]", "in": "query", "schema": allowed})
    return found
