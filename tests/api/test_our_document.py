"""Our own OpenAPI document as a source of requests (schemathesis): whatever it allows is answered in good order, and so is what it does not.

Every operation is asked through the edge: no fault, no status and no shape that the document does not name. Requests are undone.
FUZZ_EXAMPLES says how many requests each operation gets (`make fuzz-api`); the suite gives each a few, the same in every run.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from tests.api.conftest import TABLE
from tests.api.test_roles import FROM, NOW, Play, _bodies, play
from tocsin.api.edge import make_app
from tocsin.api.kernel import openapi
from tocsin.api.kernel.routes import Route

__all__ = ["play"]  # a fixture

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Requests an operation; 0 is the suite's few."""
FEW = 3

ADDRESS = "https://tocsin.example.org"
DOCUMENT = openapi.document(TABLE, ADDRESS)
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TAGS = sorted({route.tag for route in TABLE.routes})


@pytest.fixture(scope="module")
def edge(play: Play) -> Iterator[TestClient]:
    with TestClient(make_app(TABLE, play.api.house, lambda: NOW), base_url=ADDRESS) as client:
        yield client


def real_places(play: Play) -> Mapping[tuple[str, str], str]:
    """By operation, the path of a thing that there is."""
    found = {}
    for operation in _bodies(play.things):
        method, place = operation.split(" ")
        path = place.format(**play.things)
        matched = TABLE.match(method, path)
        assert matched is not None
        assert isinstance(matched[0], Route)
        found[method, matched[0].path] = path
    return found


def ask_in_every_way(play: Play, edge: TestClient, operation: Any, here: str, mode: GenerationMode) -> None:
    """Ask this operation with what the document allows, or with what it does not, mostly of a thing that there is."""

    @settings(
        max_examples=EXAMPLES or FEW, deadline=None, derandomize=not EXAMPLES, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), is_real=st.integers(0, 4).map(bool))
    def asked(case: Any, is_real: bool) -> None:
        sent = case.as_transport_kwargs(base_url=ADDRESS)
        sent.pop("cookies", None)
        if "data" in sent:
            sent["content"] = sent.pop("data")
        if is_real:
            sent["url"] = ADDRESS + here
        sent["headers"] = {**FROM, "authorization": f"Token token={play.api.keys['owner']}", "content-type": "application/json"}
        case.validate_response(edge.request(**sent), checks=CHECKS)

    asked()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "not as described"])
@pytest.mark.parametrize("tag", TAGS)
def test_what_the_document_describes_is_what_is_answered(play: Play, edge: TestClient, tag: str, mode: GenerationMode) -> None:
    places = real_places(play)
    for found in SCHEMA.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is sound: other tests hold it
        if operation.definition.raw["tags"] == [tag]:
            ask_in_every_way(play, edge, operation, places.get((operation.method.upper(), operation.path), operation.path), mode)
