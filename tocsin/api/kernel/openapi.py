"""Our own OpenAPI document, made from the table of routes: what is really served, no more and no less."""

import re
from typing import Any, Final

import msgspec

from tocsin.api.kernel.routes import Route, Table
from tocsin.api.kernel.spec import Action, Bulk, Link, Paging, Resource, Singleton

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
_REFUSALS: Final = {
    400: "What was asked breaks a rule, or is not served: errors say which",
    401: "No key, or one that opens nothing",
    402: "The account lacks the ability",
    403: "This key may not do this",
    404: "There is no such thing, or none that this key may see",
    405: "This thing can no longer be changed so",
    413: "More was sent than one request may carry",
    429: "Too many tries: wait as long as it says",
}
_SENTENCES: Final = {"type": "array", "items": {"type": "string"}}
_ANSWERED: Final[dict[str, Any]] = {
    "Refused": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["message", "code"],
                        "properties": {
                            "message": {"type": "string"},
                            "code": {"type": "integer"},
                            "errors": {"anyOf": [_SENTENCES, {"type": "object", "additionalProperties": _SENTENCES}]},
                        },
                    },
                ]
            }
        },
    },
    "Object": {
        "type": "object",
        "required": ["id", "type", "summary", "self", "html_url"],
        "properties": {
            "id": {"type": "string"},
            "type": {"type": "string"},
            "summary": {"type": ["string", "null"]},
            "self": {"type": ["string", "null"]},
            "html_url": {"type": ["string", "null"]},
        },
    },
    "Page": {
        "type": "object",
        "required": ["limit", "offset", "more", "total"],
        "properties": {
            "limit": {"type": "integer", "minimum": 1},
            "offset": {"type": "integer", "minimum": 0},
            "more": {"type": "boolean"},
            "total": {"type": ["integer", "null"]},
        },
    },
}
"""What answers have in common; the fields of each kind are PagerDuty's."""


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
            "schemas": {**components, **_ANSWERED},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token token=<key>"},
            },
            "responses": {
                str(status): {"description": told, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refused"}}}}
                for status, told in _REFUSALS.items()
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
        "responses": {str(status): _answer(route, status) for status in sorted(statuses(route))},
    }
    if route.scope:
        operation["x-scope"] = route.scope
    struct = body_struct(route)
    if struct is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[struct]}}}
    return operation


def statuses(route: Route) -> frozenset[int]:
    """Every status that this operation may answer with, but for faults of ours."""
    spec = route.spec
    found = {_good(route), 400, 401, 403, 404}
    if isinstance(spec, Action):
        found |= {*spec.also}
    if route.writes:
        found.add(413)
    return frozenset(found)


def _good(route: Route) -> int:
    spec = route.spec
    if isinstance(spec, Action):
        return spec.good_status
    if isinstance(spec, Resource) and route.verb == "create":
        return spec.create_status
    return 204 if route.verb in {"delete", "join", "part"} else 200


def _answer(route: Route, status: int) -> dict[str, Any]:
    """The answer of this status: a refusal, nothing at all, or what was asked for in its wrapper."""
    if status >= 400:
        return {"$ref": f"#/components/responses/{status}"}
    told = {"description": "Nothing more to say" if status == 204 else "What was asked for"}
    if status == 204 or (status == 202 and isinstance(route.spec, Action) and not route.spec.wrap_out):
        return told
    if route.path.endswith(".csv"):
        return {**told, "content": {"text/csv": {"schema": {"type": "string"}}}}
    return {**told, "content": {"application/json": {"schema": _shape(route)}}}


def _shape(route: Route) -> dict[str, Any]:
    spec, one = route.spec, {"$ref": "#/components/schemas/Object"}
    match spec:
        case Resource() if route.verb == "list":
            listed = _wrapped(spec.plural, {"type": "array", "items": one})
            return {"allOf": [listed, {"$ref": "#/components/schemas/Page"}]} if spec.paging is Paging.OFFSET else listed
        case Resource() | Singleton():
            return _wrapped(spec.name, one)
        case Bulk():
            return _wrapped(spec.plural, {"type": "array", "items": one})
        case Action() if spec.wrap_out:
            return _wrapped(spec.wrap_out, {"type": ["object", "array"]})
        case _:
            return {"type": ["object", "array"]}


def _wrapped(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: value}}


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
