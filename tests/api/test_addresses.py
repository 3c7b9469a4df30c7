"""`self` is below the address that the client was given, and `html_url` is where people go."""

from datetime import datetime

import pytest

from tests.api.conftest import Api
from tocsin.api.kernel.call import Request, asked_at

PUBLIC = "https://pager.example.org"


@pytest.mark.parametrize(
    ("scheme", "path", "headers", "expected"),
    [
        ("http", "/users", {"host": "127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ("https", "/users", {"host": "localhost:8443"}, "https://localhost:8443"),
        ("https", "/users", {"host": "[::1]:8443"}, "https://[::1]:8443"),
        ("https", "/api.pagerduty.com/users/P1", {"host": "localhost:8443"}, "https://localhost:8443/api.pagerduty.com"),
        ("http", "/users", {"host": "pager.example.org"}, PUBLIC),
        ("http", "/users", {"host": "Pager.Example.org"}, PUBLIC),
        ("http", "/users", {"host": "10.0.0.7:8080", "x-forwarded-for": "192.0.2.1"}, PUBLIC),
        ("http", "/users", {"host": "10.0.0.7:8080", "forwarded": "for=192.0.2.1"}, PUBLIC),
        ("http", "/users", {}, PUBLIC),
        ("http", "/users", {"host": "evil.example.org/path"}, PUBLIC),
        ("http", "/users", {"host": 'a" onclick'}, PUBLIC),
    ],
)
def test_self_begins_with_the_address_that_was_asked(
    now: datetime, scheme: str, path: str, headers: dict[str, str], expected: str
) -> None:
    request = Request(method="GET", path=path, now=now, request_id="r", scheme=scheme, headers=headers)
    assert asked_at(request, PUBLIC) == expected


def test_self_follows_the_client_and_html_url_does_not(api: Api) -> None:
    made = api.ask("POST", "/teams", {"team": {"type": "team", "name": "Storage"}}).body["team"]
    assert made["self"] == f"{api.house.base_url}/teams/{made['id']}"
    shown = api.ask("GET", f"/teams/{made['id']}", headers={"host": "127.0.0.1:8080"}).body["team"]
    assert shown["self"] == f"http://127.0.0.1:8080/teams/{made['id']}"
    assert shown["html_url"] == f"{api.house.base_url}/teams/{made['id']}"
