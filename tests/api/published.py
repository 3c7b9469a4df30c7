"""Holds answers against PagerDuty's published response schemas, where that document is at hand.

The document is PagerDuty's and no part of this project: its place is said by PAGERDUTY_OPENAPI, or it lies beside the
checkout. Without it answers are not held against it, and `test_the_published_document_is_at_hand` says so by a skip.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, ValidationError

from tocsin.api.kernel.call import Reply
from tocsin.api.kernel.operations import shape
from tocsin.api.kernel.routes import Route, Table
from tocsin.base import json

PLACE = Path(os.environ.get("PAGERDUTY_OPENAPI", Path(__file__).parents[3] / "shared/pagerduty/openapi/rest.json"))

WRONG_THERE = {
    ("GET", "/vendors/{}"),  # the schema says a list; every client reads an object
    # one of two enums for the type, and no answer is of both: an acknowledgement can never be valid
    ("GET", "/log_entries"),
    ("GET", "/log_entries/{}"),
    ("GET", "/incidents/{}/log_entries"),
}
"""Operations whose published schema contradicts what PagerDuty's own clients read."""


READ_AS = {("GET", "/schedules/{}/overrides", 200): 201}
"""Answers whose published status is one that clients do not expect: ours, and under which of theirs its shape stands (BEHAVIOUR 5.2)."""


NULL_THERE = frozenset(
    {
        "description", "auto_resolve_timeout", "acknowledgement_timeout", "last_incident_timestamp", "support_hours",
        "alert_grouping", "alert_grouping_timeout", "timeout", "vendor", "integration_email", "oauth_client",
        "start", "end", "schedule", "rendered_coverage_percentage", "next_oncall_for_user",
        "resolved_at", "priority", "resolve_reason", "conference_bridge", "last_status_change_by", "severity", "integration",
        "first_trigger_log_entry", "incident_key", "parent", "total", "updated_at",
    },
)  # fmt: skip
"""Fields whose prose says that they are null when there is nothing, though the schema does not."""

LOOSE_THERE = frozenset({"value", "default_value", "assignee", "acknowledger", "last_status_change_by", "first_trigger_log_entry", "details", "alert_grouping_parameters", "escalation_rule_assignment_strategy", "match_predicate"})
"""Fields whose schema no answer can keep to: both halves of its `oneOf` match, it says a word where clients read an object,
or every condition needs what its prose asks of some of them."""


def is_at_hand() -> bool:
    return PLACE.is_file()


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.decode(PLACE.read_bytes())
    return found


@cache
def schemas() -> dict[tuple[str, str, int], dict[str, Any]]:
    """By method, shape of path and status: the schema of the JSON answer."""
    found = {}
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            if method not in {"get", "post", "put", "patch", "delete"}:
                continue
            for status, answer in operation["responses"].items():
                content = _resolved(answer).get("content", {})
                schema = next((kind["schema"] for name, kind in content.items() if "json" in name), None)
                if schema is not None and status.isdigit():
                    found[method.upper(), shape(path), int(status)] = schema
    return found


@cache
def empty(method: str, path: str) -> frozenset[int]:
    """The good statuses of this operation that are published without a JSON answer."""
    found = set()
    for place, operations in document()["paths"].items():
        if shape(place) == path and method.lower() in operations:
            for status, answer in operations[method.lower()]["responses"].items():
                if status.startswith("2") and not any("json" in name for name in _resolved(answer).get("content", {})):
                    found.add(int(status))
    return frozenset(found)


def _resolved(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        node: Any = document()
        for part in value["$ref"].lstrip("#/").split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            node = node[int(name)] if isinstance(node, list) else node[name]
        value = node
    return value


@cache
def validator(method: str, path: str, status: int) -> Draft4Validator | None:
    schema = schemas().get((method, path, READ_AS.get((method, path, status), status)))
    return None if schema is None else Draft4Validator(_tolerant(schema, ()))


def _tolerant(schema: Any, seen: tuple[str, ...]) -> Any:
    """The schema with its references in place and OpenAPI's `nullable` said in JSON Schema's words."""
    if isinstance(schema, list):
        return [_tolerant(item, seen) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        if schema["$ref"] in seen:
            return {}
        return _tolerant(_resolved(schema), (*seen, schema["$ref"]))
    told = {name: _tolerant(value, seen) for name, value in schema.items() if name not in {"example", "examples", "discriminator"}}
    if isinstance(told.get("enum"), list):  # what is included stands where the schema knows only a reference
        told["enum"] = [*told["enum"], *(str(word).removesuffix("_reference") for word in told["enum"])]
    if told.pop("nullable", False):
        return {"anyOf": [told, {"enum": [None]}]}
    return told


def check(table: Table, method: str, path: str, reply: Reply) -> None:
    """Fail when a good answer of a published operation does not have its published shape."""
    matched = table.match(method, path)
    if not is_at_hand() or reply.status >= 300 or matched is None or not isinstance(matched[0], Route):
        return
    at = shape(matched[0].path)
    held = validator(method, at, reply.status)
    if held is None or (method, at) in WRONG_THERE:
        return
    errors = [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in held.iter_errors(reply.body) if not _is_known(error)]
    assert not errors, f"{method} {path} {reply.status} is not as published: {errors}"


def _is_known(error: ValidationError) -> bool:
    """Whether the schema is wrong here and known to be."""
    names = {part for part in error.absolute_path if isinstance(part, str)}
    last = error.absolute_path[-1] if error.absolute_path else ""
    return bool(names & LOOSE_THERE) or (error.instance is None and last in NULL_THERE)
