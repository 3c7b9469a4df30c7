"""The published OpenAPI as a checklist: every operation in it is known here, implemented or declared missing, and none more.

The document is PagerDuty's and no part of this project; tests/api/published.py says where it is looked for.
"""

import pytest

from tests.api import published
from tocsin.api.kernel.operations import OPERATIONS, shape
from tocsin.api.kernel.routes import Table
from tocsin.api.resources.roll import DECLARED

OURS = ("/account", "/api/v1/", "/api_keys", "/priorities", "/users/{}/contact_methods/{}/test")
"""Beginnings of paths that are our own: the house itself, its keys, making priorities, a test page, and all of /api/v1."""

METHODS = {"get", "put", "post", "delete", "patch"}
TABLE = Table(DECLARED)

pytestmark = pytest.mark.skipif(
    not published.is_at_hand(), reason="PagerDuty's OpenAPI document is not at hand: PAGERDUTY_OPENAPI says where it is"
)


def documented() -> dict[tuple[str, str], dict[str, object]]:
    """Each operation of the document, by method and path."""
    return {
        (method.upper(), path): operation
        for path, operations in published.document()["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def test_the_checklist_is_the_documents_and_none_more() -> None:
    ours = [(one.method, one.path) for one in OPERATIONS if one.source == "openapi"]
    assert len(ours) == len(set(ours)) == 465
    assert set(ours) == set(documented())


def test_every_operation_is_implemented_or_declared_missing() -> None:
    served = {(route.method, shape(route.path)) for route in TABLE.routes}
    missing = {(one.method, shape(one.path)) for one in TABLE.unimplemented}
    asked = {(method, shape(path)) for method, path in documented()}
    assert asked <= served | missing
    assert not asked & served & missing
    print(f"\n{len(asked & served)} of {len(asked)} operations of PagerDuty's REST API are served")


def test_every_documented_path_leads_to_its_own_route() -> None:
    """Fixed words and ids at one place of a path are told apart: `/incidents/custom_fields` is no incident."""
    astray = []
    for method, path in documented():
        found = TABLE.match(method, "/".join("PXXXXXX" if part.startswith("{") else part for part in path.split("/")))
        if found is None or shape(found[0].path) != shape(path):
            astray.append((method, path, found and found[0].path))
    assert astray == []


def test_tags_and_scopes_are_the_documents() -> None:
    wrong = []
    for (method, path), operation in documented().items():
        for one in OPERATIONS:
            if (one.method, one.path, one.source) == (method, path, "openapi"):
                tags, scope = operation.get("tags"), operation.get("x-pd-requires-scope")
                if [one.tag] != tags or one.scope != scope:
                    wrong.append((method, path, one.tag, tags, one.scope, scope))
    assert wrong == []


def test_what_is_served_beyond_the_document_is_called_by_pagerdutys_clients_or_named_here_as_ours() -> None:
    known = {(one.method, shape(one.path)) for one in OPERATIONS}
    more = [
        f"{route.method} {route.path}"
        for route in TABLE.routes
        if (route.method, shape(route.path)) not in known and not shape(route.path).startswith(OURS)
    ]
    assert more == []
