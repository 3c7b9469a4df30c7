"""Every operation that is served, asked once with something to tell: its answer has PagerDuty's published shape and our own.

Laws:
1. The walk is over the table of routes: an operation without an example, or a list that was only ever seen empty, fails.
2. What is asked is undone, so that each asks the same world.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator

from tests.api import published
from tests.api.conftest import TABLE
from tests.api.test_roles import FROM, NOW, QUERIES, Play, _bodies, played
from tests.people import ADA, BO
from tocsin.api.kernel import openapi
from tocsin.api.kernel.call import Reply
from tocsin.api.kernel.operations import shape
from tocsin.api.kernel.routes import Route
from tocsin.api.kernel.spec import Action, Resource
from tocsin.base.secret import Seals
from tocsin.store.tables import engine

DOCUMENT = openapi.document(TABLE, "https://tocsin.example.org")

NEVER_FULL = {"GET /api/v1/services/{id}/dry_run", "GET /api/v1/escalation_policies/{id}/dry_run"}
"""Lists in an answer that may well be empty: what is told beside them is the point."""

FULL_ELSEWHERE = {
    "GET /business_services/impactors", "GET /business_services/impacts", "GET /incidents/{id}/business_services/impacts", "GET /business_services/{id}/supporting_services/impacts",
    "GET /tags/{id}/{entity_type}",
}  # fmt: skip
"""Lists that are seen full in tests of their own: test_business_services.py, test_tags.py."""


@pytest.fixture(scope="module")
def full(empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, seals: Seals) -> Iterator[Play]:
    """The company of the roles, with something in every list."""
    with played(tmp_path_factory.mktemp("shapes") / "tocsin.db", empty_sqlite, seals) as play:
        api = replace(play.api, house=replace(play.api.house, db=play.api.house.db.db))  # type: ignore[attr-defined]
        ask = partial(api.ask, ours=True, headers=FROM)
        things = play.things
        subscribed = {"subscribables": [{"subscribable_id": things["incident"], "subscribable_type": "incident"}]}
        service = {"id": things["service"], "type": "service_reference"}
        disk = {"incident": {"type": "incident", "title": "Disk full on db3: 97 % used", "service": service}}
        old = replace(api, now=NOW - timedelta(hours=1)).ask("POST", "/incidents", disk, headers=FROM).body["incident"]["id"]
        things["alike"] = ask("POST", "/incidents", disk).body["incident"]["id"]
        for method, path, body in (
            ("POST", f"/incidents/{things['incident']}/status_updates/subscribers", {"subscribers": [{"subscriber_id": BO.id, "subscriber_type": "user"}]}),
            ("POST", f"/users/{ADA.id}/notification_subscriptions", subscribed),
            ("POST", f"/teams/{things['team']}/notification_subscriptions", subscribed),
            ("PUT", f"/teams/{things['team']}/users/{ADA.id}", {"role": "manager"}),
            *(("POST", f"/{at}/change_tags", {"add": [{"type": "tag_reference", "id": things["tag"]}]})
              for at in (f"users/{ADA.id}", f"teams/{things['team']}", f"escalation_policies/{things['policy']}")),
            ("PUT", f"/incidents/{old}", {"incident": {"type": "incident", "status": "resolved"}}),
        ):  # fmt: skip
            reply = ask(method, path, body)
            assert reply.status < 300, (path, reply.body)
        with api.house.db.write() as tx:
            row = {
                "id": "D1", "outbox_id": "N1", "incident_id": things["incident"], "user_id": ADA.id, "channel": "email",
                "address": ADA.email, "started_at": NOW, "outcome": "accepted", "idempotency_key": "k1",
            }  # fmt: skip
            tx.execute(sa.insert(engine.delivery), [row])
        yield play


@dataclass(frozen=True)
class Told:
    """What an operation answered."""

    route: Route
    path: str
    reply: Reply

    @property
    def name(self) -> str:
        return f"{self.route.method} {self.route.path}"


def examples(full: Play) -> Iterator[Told]:
    """Each operation of the table as the owner asks it; those that include or list also with all of it, or of a fuller thing."""
    fuller = {
        "GET /incidents/{incident}/alerts": "/incidents/{alerted}/alerts",
        "GET /incidents/{incident}/past_incidents": "/incidents/{alike}/past_incidents",
    }
    for operation, case in _bodies(full.things).items():
        method, place = operation.split(" ")
        path = fuller.get(operation, place).format(**full.things)
        matched = TABLE.match(method, path)
        assert matched is not None
        route = matched[0]
        assert isinstance(route, Route)
        ask = partial(full.api.ask, method, path, case.body, who="owner", headers=FROM, ours=True)
        query = QUERIES.get(operation, [])
        yield Told(route, path, ask(query=query))
        spec = route.spec
        if isinstance(spec, Resource | Action) and spec.includes and method == "GET":
            yield Told(route, path, ask(query=[*query, *(("include[]", word) for word in sorted(spec.includes))]))
        if operation == "POST /schedules/{schedule}/overrides":
            yield Told(route, path, full.api.ask(method, path, {"overrides": [case.body["override"]]}, who="owner", ours=True))


@pytest.fixture(scope="module")
def told(full: Play) -> list[Told]:
    return [*examples(full)]


def test_every_operation_that_is_served_has_an_example_and_a_good_answer(told: list[Told]) -> None:
    assert {one.name for one in told} >= {f"{route.method} {route.path}" for route in TABLE.routes}
    assert [(one.name, one.reply) for one in told if one.reply.status >= 300] == []


def test_every_answer_has_the_published_shape_and_status(told: list[Told]) -> None:
    if not published.is_at_hand():
        pytest.skip("PagerDuty's OpenAPI document is not at hand (PAGERDUTY_OPENAPI): answers are not held against it")
    wrong, held = [], set()
    statuses = {at[:2] for at in published.schemas()}
    for one in told:
        at = one.route.method, shape(one.route.path)
        if published.validator(*at, one.reply.status) is None:
            if at in statuses and one.reply.status not in published.empty(*at):
                wrong.append(f"{one.name} answers {one.reply.status}, which is not published")
            continue
        if one.name == "POST /schedules/{id}/overrides" and isinstance(one.reply.body, dict):
            continue  # the form with one override is older than the document
        held.add(one.name)
        try:
            published.check(TABLE, one.route.method, one.path, one.reply)
        except AssertionError as error:
            wrong.append(str(error))
    assert wrong == []
    assert len(held) > 150


def test_every_list_was_seen_with_something_in_it(told: list[Told]) -> None:
    seen: dict[tuple[str, str], bool] = {}
    for one in told:
        if one.route.method == "GET" and isinstance(one.reply.body, dict) and one.name not in NEVER_FULL:
            for name, value in one.reply.body.items():
                if isinstance(value, list):
                    seen[one.name, name] = seen.get((one.name, name), False) or bool(value)
    assert [at for at, is_full in seen.items() if not is_full and at[0] not in FULL_ELSEWHERE] == []


def test_every_answer_is_as_our_own_document_says(told: list[Told]) -> None:
    wrong: list[Any] = []
    for one in told:
        answers = DOCUMENT["paths"][one.route.path][one.route.method.lower()]["responses"]
        described = answers.get(str(one.reply.status))
        if described is None:
            wrong.append((one.name, one.reply.status, sorted(answers)))
            continue
        content = described.get("content", {}).get("application/json")
        if content:
            schema = {**content["schema"], "components": DOCUMENT["components"]}
            wrong += [(one.name, error.message[:200]) for error in Draft202012Validator(schema).iter_errors(one.reply.body)]
    assert wrong == []


def test_the_document_describes_what_is_served_no_more_and_no_less() -> None:
    described = {(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == {(route.method, route.path) for route in TABLE.routes}
