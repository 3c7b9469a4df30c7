"""The edge over real HTTP semantics: types, sizes, HEAD, request ids, and failures that tell no trace."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import TABLE, Api
from tocsin.api.edge import is_api_request, make_app
from tocsin.api.kernel.call import MAX_BODY, Call
from tocsin.api.kernel.routes import Table
from tocsin.api.kernel.spec import Report
from tocsin.api.resources.roll import DECLARED


def broken(_call: Call) -> None:
    """Fails in a way nobody foresaw."""
    raise RuntimeError("the secret reason")


@pytest.fixture
def client(api: Api) -> Iterator[TestClient]:
    table = Table([*DECLARED, Report("/broken", "Test", broken)])
    with TestClient(make_app(table, api.house, lambda: api.now), raise_server_exceptions=False) as client:
        client.headers["authorization"] = f"Token token={api.keys['cy']}"
        yield client


def test_every_answer_with_a_body_is_json_and_names_its_request(client: TestClient) -> None:
    for path in ("/teams", "/nowhere", "/tags", "/teams?limit=0"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]
        assert answer.json()
        assert not [name for name in answer.headers if name.startswith("ratelimit")]


@pytest.mark.parametrize("path", ["/teams/%0A", "/%0A", "/teams%0D%0A", "/a%0A/com"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_line_break_in_a_path_is_answered_in_json_too(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.headers["content-type"] == "application/json"
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 2100)


def test_an_unknown_key_is_told_in_json(client: TestClient) -> None:
    answer = client.get("/teams", headers={"authorization": "Token token=no"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, 2006)


def test_no_content_has_no_body_and_no_type(client: TestClient) -> None:
    answer = client.get("/abilities/teams")
    assert (answer.status_code, answer.content, "content-type" in answer.headers) == (204, b"", False)


def test_head_answers_as_get_without_the_body(client: TestClient) -> None:
    answer = client.head("/teams")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_method_nobody_knows_is_told_in_json(client: TestClient) -> None:
    for method in ("OPTIONS", "PURGE", "TRACE"):
        answer = client.request(method, "/teams")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, 2100)


@pytest.mark.parametrize("path", ["/teams/%00", "/teams/%C3%28", "/%2e%2e/%2e%2e/etc/passwd", "/teams/" + "x" * 5000, "/teams?query=%00", "/teams?query=%FF"])
def test_a_hostile_address_is_refused_or_finds_nothing(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {200, 400, 404}
    assert answer.headers["content-type"] == "application/json"


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(client: TestClient) -> None:
    answer = client.post("/teams", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.json()["error"]["errors"][0]


def test_a_chunked_body_beyond_the_limit_is_refused_too(client: TestClient) -> None:
    answer = client.post("/teams", content=(b"x" * 1_000_000 for _ in range(6)))
    assert answer.status_code == 413


def test_an_unforeseen_failure_says_where_to_look_and_nothing_else(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get("/broken")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 2000)
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "the secret reason" in caplog.text


def test_writing_over_http_is_read_back_at_once(client: TestClient) -> None:
    made = client.post("/teams", json={"team": {"name": "Über"}})
    assert made.status_code == 201
    assert client.get("/api.pagerduty.com/teams", params={"query": "ber"}).json()["teams"][0]["name"] == "Über"


def test_the_house_describes_itself(client: TestClient) -> None:
    described = client.get("/openapi.json", headers={"authorization": ""}).json()
    assert "/teams/{id}" in described["paths"]


@pytest.mark.parametrize(
    ("path", "headers", "is_api"),
    [
        ("/incidents", {"authorization": "Token token=x", "accept": "*/*"}, True),
        ("/incidents", {"accept": "text/html,application/xhtml+xml"}, False),
        ("/incidents", {"accept": "application/vnd.pagerduty+json;version=2"}, True),
        ("/incidents", {"accept": "application/json"}, True),
        ("/incidents", {"accept": "text/html,application/json"}, False),
        ("/incidents", {}, False),
        ("/api.pagerduty.com/incidents", {"accept": "text/html"}, True),
    ],
)
def test_pages_and_api_share_addresses_and_are_told_apart(path: str, headers: dict[str, str], is_api: bool) -> None:
    assert is_api_request(path, headers) is is_api


def test_addresses_for_people_begin_with_the_address_that_people_are_told(api: Api) -> None:
    with TestClient(make_app(TABLE, replace(api.house, base_url="http://other"), lambda: api.now)) as client:
        answer = client.get("/users/me", headers={"authorization": f"Bearer {api.keys['ada']}"}).json()
    assert answer["user"]["html_url"].startswith("http://other/users/")
    assert answer["user"]["self"].startswith("http://testserver/users/")
