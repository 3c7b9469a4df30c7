"""What holds for every operation, walked over all of them (BEHAVIOUR 7, and "Wire details" of 11): slashes, prefixes, types, `From`.

docs/kernel.md lists the rows of BEHAVIOUR with the test of each.
"""

from typing import Any

import pytest

from tests.api import published
from tests.api.conftest import TABLE
from tests.api.test_kernel import state
from tests.api.test_roles import FROM, QUERIES, Play, _bodies, play
from tocsin.api.kernel import openapi
from tocsin.api.kernel.operations import shape
from tocsin.api.kernel.routes import Route

__all__ = ["play"]  # a fixture

ODD = {
    200: (
        "POST /incidents/{id}/notes", "POST /incidents/{id}/status_updates", "POST /incidents/{id}/responder_requests",
        "POST /incidents/{id}/status_updates/subscribers", "POST /incidents/{id}/status_updates/unsubscribe", "POST /webhook_subscriptions",
        "POST /webhook_subscriptions/{id}/enable", "POST /schedules/preview", "POST /business_services", "POST /service_dependencies/associate",
        "POST /service_dependencies/disassociate", "POST /{entity_type}/{id}/change_tags", "POST /extensions/{id}/enable",
        "POST /users/{id}/notification_subscriptions", "POST /users/{id}/notification_subscriptions/unsubscribe",
        "DELETE /schedules/{id}/overrides/{override_id}",
    ),
    201: ("PUT /incidents/{id}/custom_fields/values", "PUT /services/{id}/custom_fields/values"),
    202: ("PUT /log_entries/{id}/channel", "POST /webhook_subscriptions/{id}/ping", "POST /change_events"),
    204: ("PUT /teams/{id}/users/{user_id}", "PUT /teams/{id}/escalation_policies/{escalation_policy_id}", "GET /abilities/{id}"),
    405: ("DELETE /maintenance_windows/{id}",),
}  # fmt: skip
"""Statuses one would not guess (BEHAVIOUR 7, "Status code oddities"); that they are what is answered shows test_published_shapes.py."""


def asked(play: Play) -> list[tuple[str, str, str, Any]]:
    """Every operation: its name, method, the path of something there is, and a body."""
    found = []
    for operation, case in _bodies(play.things).items():
        method, place = operation.split(" ")
        found.append((operation, method, place.format(**play.things), case.body))
    return found


def route_of(method: str, path: str) -> Route:
    matched = TABLE.match(method, path)
    assert matched is not None
    assert isinstance(matched[0], Route)
    return matched[0]


def test_statuses_that_one_would_not_guess_are_as_published() -> None:
    by_shape = {(route.method, shape(route.path)): route for route in TABLE.routes}
    missing = []
    for status, operations in ODD.items():
        for operation in operations:
            method, path = operation.split(" ")
            route = by_shape.get((method, shape(path)))
            if route is None or status not in openapi.statuses(route):
                missing.append((status, operation))
    assert missing == []


def test_a_slash_more_and_a_prefix_ending_in_com_change_no_operation(play: Play) -> None:
    wrong = []
    for operation, method, path, body in asked(play):
        reply = play.api.ask(method, f"/api.pagerduty.com{path}/", body, who="owner", headers=FROM, query=QUERIES.get(operation, []), ours=True)
        if reply.status >= 300:
            wrong.append((operation, reply))
    assert wrong == []


def test_every_writing_operation_refuses_another_content_type_and_changes_nothing(play: Play) -> None:
    before, wrong = state(play.api.house.db.db), []  # type: ignore[attr-defined]
    for operation, method, path, body in asked(play):
        if body is None or method == "GET":
            continue
        for kind in ("text/plain",):
            reply = play.api.ask(method, path, body, who="owner", headers={**FROM, "content-type": kind}, ours=True)
            if reply.status != 400 or "params must be a Hash" not in str(reply.body):
                wrong.append((operation, kind, reply))
    assert wrong == []
    assert state(play.api.house.db.db) == before  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/vnd.pagerduty+json;version=2", "accept": "application/vnd.pagerduty+json;version=2"},
        {"content-type": "application/json; charset=utf-8", "accept": "text/html", "x-early-access": "flexible-schedules-early-access"},
    ],
    ids=str,
)
def test_types_and_early_access_headers_are_not_demanded(play: Play, headers: dict[str, str]) -> None:
    wrong = []
    for operation, method, path, body in asked(play):
        reply = play.api.ask(method, path, body, who="owner", headers={**FROM, **headers}, query=QUERIES.get(operation, []), ours=True)
        if reply.status >= 300:
            wrong.append((operation, reply))
    assert wrong == []


FROM_REFUSED = {
    None: (2016, 'You must specify a user\'s email address in the "From" header to perform this action'),
    "nobody": (1028, 'Malformed "From" header'),
    "nobody@example.org": (1008, "Requester User Not Found"),
}


def test_operations_that_need_from_say_so_to_keys_of_the_account_and_no_other_does(play: Play) -> None:
    wrong, needing = [], 0
    for operation, method, path, body in asked(play):
        needs = route_of(method, path).from_needed
        needing += needs
        if method == "GET":
            continue
        for said, (code, message) in FROM_REFUSED.items():
            headers = {} if said is None else {"from": said}
            for who in ("a key of the account", "owner") if needs else ("a key of the account",):
                reply = play.api.ask(method, path, body, who=who, headers=headers, query=QUERIES.get(operation, []), ours=True)
                told = reply.body.get("error") if isinstance(reply.body, dict) else None
                is_refused = isinstance(told, dict) and (told["code"], told["message"]) == (code, message)
                if is_refused != (needs and who != "owner"):
                    wrong.append((operation, who, said, reply.status))
    assert wrong == []
    assert needing >= 10


def test_what_is_published_as_needing_from_needs_it() -> None:
    if not published.is_at_hand():
        pytest.skip("PagerDuty's OpenAPI document is not at hand (PAGERDUTY_OPENAPI)")
    wanted = set()
    for path, operations in published.document()["paths"].items():
        for method, operation in operations.items():
            for one in operation.get("parameters", []) if isinstance(operation, dict) else []:
                if one.get("$ref", "").endswith("/from_header"):
                    wanted.add((method.upper(), shape(path)))
    needing = {(route.method, shape(route.path)): route.from_needed for route in TABLE.routes}
    assert wanted
    assert {at for at in wanted if needing.get(at) is False} == FROM_IS_OPTIONAL


FROM_IS_OPTIONAL: set[tuple[str, str]] = set()
"""Operations where we ask less than is published."""
