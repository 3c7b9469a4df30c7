"""The kernel's promises: who is asking, pages, errors, routes, transactions, and hostile requests that change nothing."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.api import published
from tests.api.conftest import TABLE, Api
from tests.people import ADA
from tocsin.api.kernel import paging
from tocsin.api.kernel.on_purpose import REASONS
from tocsin.api.kernel.operations import OPERATIONS
from tocsin.api.kernel.routes import Table
from tocsin.api.resources import teams
from tocsin.core.permission import HOUSE
from tocsin.service import people
from tocsin.service.audit import Deed
from tocsin.store.db import Database
from tocsin.store.tables import people as tables
from tocsin.store.tables.roll import METADATA


def new_key(api: Api, **more: Any) -> people.NewKey:
    with api.house.db.write() as tx:
        deed = Deed(HOUSE, api.now, api.house.chance)
        return people.create_key(tx, deed, api.house.seals, **{"label": "more", "user_id": ADA.id, **more})


def state(db: Database) -> dict[str, list[Any]]:
    """Everything the database holds, but for when keys were last used."""
    with db.read() as tx:
        kept = {table.name: tx.rows(sa.select(*(c for c in table.c if c.name != "last_used_at"))) for table in METADATA.sorted_tables}
    return {name: sorted(map(str, rows)) for name, rows in kept.items()}


def test_the_published_document_is_at_hand() -> None:
    if not published.is_at_hand():
        pytest.skip("PagerDuty's OpenAPI document is not at hand (PAGERDUTY_OPENAPI): answers are not held against it")
    assert len(published.schemas()) > 300


# --------------------------------------------------------------------------------------------------- who is asking


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"authorization": ""},
        {"authorization": "Token"},
        {"authorization": "Token token="},
        {"authorization": "Token token=wrong"},
        {"authorization": "Token token=" + "x" * 600},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer a b"},
        {"authorization": "Token token=\0"},
    ],
)
@pytest.mark.parametrize("path", ["/teams", "/nowhere", "/tags"])
def test_who_has_no_good_key_gets_401_wherever_they_ask(api: Api, header: dict[str, str], path: str) -> None:
    reply = api.ask("GET", path, who="nobody", headers=header)
    assert (reply.status, reply.body["error"]["code"]) == (401, 2006)


@pytest.mark.parametrize("form", ["Token token={}", 'Token token="{}"', "token  token={}", "Bearer {}", "bearer {}"])
def test_a_key_opens_in_every_form_clients_send_it(api: Api, form: str) -> None:
    assert api.ask("GET", "/teams", headers={"authorization": form.format(api.keys["ada"])}).status == 200


def test_an_expired_key_opens_nothing(api: Api) -> None:
    api.keys["brief"] = new_key(api, expires_at=api.now + timedelta(hours=1)).text
    assert api.ask("GET", "/teams", who="brief").status == 200
    api.later(hours=1)
    assert api.ask("GET", "/teams", who="brief").status == 401


def test_a_revoked_key_opens_nothing(api: Api) -> None:
    key = new_key(api)
    api.keys["gone"] = key.text
    with api.house.db.write() as tx:
        people.revoke_key(tx, Deed(HOUSE, api.now, api.house.chance), key.id)
    assert api.ask("GET", "/teams", who="gone").status == 401


def test_the_key_of_a_disabled_user_opens_nothing(api: Api) -> None:
    with api.house.db.write() as tx:
        tx.execute(sa.update(tables.user).where(tables.user.c.id == ADA.id).values(is_disabled=True))
    assert api.ask("GET", "/teams", who="ada").status == 401


def test_no_key_is_kept_where_the_database_could_give_it_away(api: Api) -> None:
    held = str(state(api.house.db))
    assert not any(key in held for key in api.keys.values())


def test_when_a_key_was_used_is_noted_at_most_once_a_minute(api: Api) -> None:
    def noted() -> object:
        with api.house.db.read() as tx:
            return tx.scalar(sa.select(tables.api_key.c.last_used_at).where(tables.api_key.c.label == "ada"))

    first = api.now
    api.ask("GET", "/teams", who="ada")
    api.later(seconds=59)
    api.ask("GET", "/teams", who="ada")
    assert noted() == first
    api.later(seconds=1)
    api.ask("GET", "/teams", who="ada")
    assert noted() == api.now


@pytest.mark.parametrize(
    ("sent", "status", "code", "message"),
    [
        ({}, 400, 2016, 'You must specify a user\'s email address in the "From" header to perform this action'),
        ({"from": "nobody"}, 400, 1028, 'Malformed "From" header'),
        ({"from": "x@example.org"}, 400, 1008, "Requester User Not Found"),
        ({"from": "ADA@example.org"}, 201, None, None),
    ],
)
def test_an_account_key_says_for_whom_it_writes(api: Api, sent: dict[str, str], status: int, code: int, message: str) -> None:
    reply = api.ask("POST", "/users", {"user": {"name": "X", "email": "new@example.org"}}, who="account", headers=sent)
    assert reply.status == status
    if code is not None:
        assert (reply.body["error"]["code"], reply.body["error"]["message"]) == (code, message)


def test_a_users_key_needs_no_from_and_is_not_led_astray_by_one(api: Api) -> None:
    body = {"user": {"name": "X", "email": "new@example.org"}}
    assert api.ask("POST", "/users", body, who="cy", headers={"from": "nonsense"}).status == 201


def test_an_account_key_needs_no_from_for_configuration(api: Api) -> None:
    assert api.ask("POST", "/teams", {"team": {"name": "T"}}, who="account").status == 201


# ----------------------------------------------------------------------------------------------------------- pages


def with_teams(api: Api, count: int) -> None:
    with api.house.db.write() as tx:
        rows = [{"id": f"PT{n:05d}", "name": f"Team {n // 2:05d} {n % 2}", "default_role": "manager", "created_at": api.now} for n in range(count)]
        tx.execute(sa.insert(tables.team), rows)


def test_walking_the_pages_meets_every_team_once_in_order(api: Api) -> None:
    with_teams(api, 60)
    names: list[str] = []
    offset, more = 0, True
    while more:
        page = api.ask("GET", "/teams", query=[("limit", "7"), ("offset", str(offset))]).body
        assert (page["limit"], page["offset"], page["total"]) == (7, offset, None)
        names += [team["name"] for team in page["teams"]]
        offset, more = page["offset"] + page["limit"], page["more"]
    assert len(names) == 60
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("query", "limit", "rows", "more", "total"),
    [
        ([], 25, 25, True, None),
        ([("total", "true")], 25, 25, True, 60),
        ([("total", "1"), ("query", "Team 00001")], 25, 2, False, 2),
        ([("limit", "500")], 100, 60, False, None),
        ([("limit", "60")], 60, 60, False, None),
        ([("limit", "59")], 59, 59, True, None),
        ([("limit", "10"), ("offset", "9990")], 10, 0, False, None),
        ([("limit", "")], 25, 25, True, None),
    ],
)
def test_limit_more_and_total_are_told_truthfully(
    api: Api, query: list[tuple[str, str]], limit: int, rows: int, more: bool, total: int | None
) -> None:
    with_teams(api, 60)
    page = api.ask("GET", "/teams", query=query).body
    assert (page["limit"], len(page["teams"]), page["more"], page["total"]) == (limit, rows, more, total)


@pytest.mark.parametrize(
    "query",
    [
        ("limit", "0"), ("limit", "-1"), ("limit", "many"), ("limit", "1.5"), ("limit", "9" * 40), ("limit", "\u0661"),
        ("offset", "-1"), ("offset", "x"), ("total", "yes"), ("include[]", "nothing"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused_by_name(api: Api, query: tuple[str, str]) -> None:
    reply = api.ask("GET", "/teams", query=[query])
    assert (reply.status, reply.body["error"]["code"]) == (400, 2002)
    assert query[0] in reply.body["error"]["errors"][0]


def test_offset_paging_ends_at_ten_thousand_in_pagerdutys_words(api: Api) -> None:
    reply = api.ask("GET", "/teams", query=[("limit", "100"), ("offset", "9901")])
    assert reply.body["error"] == {"code": 2002, "message": "Arguments Caused Error", "errors": [paging.TOO_DEEP]}


# ---------------------------------------------------------------------------------------------------------- routes


def test_every_published_operation_is_served_or_refused_with_400(api: Api) -> None:
    served, published_ = TABLE.counted()
    assert published_ == 465
    for operation in TABLE.unimplemented:
        path = "/".join("X" if part.startswith("{") else part for part in operation.path.split("/"))
        reply = api.ask(operation.method, path, {} if operation.method != "GET" else None)
        assert (reply.status, reply.body["error"]["code"]) == (400, 2015), operation
    assert sum(how == "served" for _, how in TABLE.checklist()) >= served


def test_what_is_refused_on_purpose_says_why(api: Api) -> None:
    assert REASONS.keys() <= {(one.method, one.path) for one in OPERATIONS}
    for (method, path), reason in REASONS.items():
        reply = api.ask(method, path, {} if method != "GET" else None)
        assert (reply.status, reply.body["error"]["errors"]) == (400, [f"{method} {path} is not served by Tocsin: {reason}"])
    standing = {(one.method, one.path): how for one, how in TABLE.checklist()}
    assert {standing[one] for one in REASONS} == {"refused"}


def test_every_published_operation_is_counted_once() -> None:
    served, _ = TABLE.counted()
    assert served + sum(one.source == "openapi" for one in TABLE.unimplemented) == 465


def test_scopes_of_served_operations_are_the_published_ones() -> None:
    wrong = []
    for route in TABLE.routes:
        matched = [
            one
            for one in OPERATIONS
            if one.source == "openapi" and one.method == route.method and _same(one.path, route.path)
        ]
        if matched and matched[0].scope not in {None, route.scope}:  # where none is published, ours asks for one of its own
            wrong.append((route.method, route.path, route.scope, matched[0].scope))
    assert wrong == []


def _same(one: str, other: str) -> bool:
    def plain(path: str) -> list[str]:
        return ["{}" if part.startswith("{") else part for part in path.split("/")]

    return plain(one) == plain(other)


@pytest.mark.parametrize("path", ["/teams", "/teams/", "//teams", "/api.pagerduty.com/teams", "/localhost.com/teams/"])
def test_slashes_and_a_prefix_ending_in_com_change_nothing(api: Api, path: str) -> None:
    assert api.ask("GET", path).status == 200


@pytest.mark.parametrize("path", ["/", "/nowhere", "/teams/P1/nowhere", "/teams\0", "/com", "/" + "a/" * 400])
def test_a_path_nobody_knows_is_not_found(api: Api, path: str) -> None:
    assert (api.ask("GET", path).status, api.ask("GET", path).body["error"]["code"]) == (404, 2100)


def test_a_route_declared_twice_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="GET /teams is declared twice"):
        Table([teams.TEAMS, teams.TEAMS])


# --------------------------------------------------------------------------------------- hostile and malformed bodies

DEEP = b'{"team":' * 500 + b"1" + b"}" * 500

MALFORMED = {
    "no body": b"",
    "not JSON": b"{",
    "a list": b"[]",
    "a text": b'"team"',
    "null": b"null",
    "a number": b"7",
    "not UTF-8": b'{"team": {"name": "\xff\xfe"}}',
    "UTF-16": '{"team": {"name": "x"}}'.encode("utf-16"),
    "a lone surrogate": b'{"team": {"name": "\\ud800"}}',
    "a null character": b'{"team": {"name": "a\\u0000b"}}',
    "a raw control character": b'{"team": {"name": "a\x00b"}}',
    "deep": DEEP,
    "very deep": b"[" * 100_000,
    "a form": b"team[name]=x",
    "no wrapper": b'{"name": "x"}',
    "a wrong wrapper": b'{"teams": [{"name": "x"}]}',
    "a null wrapper": b'{"team": null}',
    "a list in the wrapper": b'{"team": ["x"]}',
    "a number for a name": b'{"team": {"name": 5}}',
    "a null name": b'{"team": {"name": null}}',
    "an empty name": b'{"team": {"name": ""}}',
    "a blank name": b'{"team": {"name": " \\t "}}',
    "a name too long": b'{"team": {"name": "' + b"x" * 101 + b'"}}',
    "an object for a name": b'{"team": {"name": {"a": 1}}}',
    "an unknown role": b'{"team": {"name": "x", "default_role": "god"}}',
    "a parent that is not there": b'{"team": {"name": "x", "parent": {"id": "PNOTHIN", "type": "team_reference"}}}',
    "a parent without id": b'{"team": {"name": "x", "parent": {"type": "team_reference"}}}',
    "a parent that is a text": b'{"team": {"name": "x", "parent": "P1"}}',
    "a number out of range": b'{"team": {"name": 1e999}}',
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_refused_and_changes_nothing(api: Api, raw: bytes) -> None:
    before = state(api.house.db)
    reply = api.ask("POST", "/teams", raw=raw)
    assert reply.status in {400, 404}, reply.body
    assert reply.body["error"]["message"]
    assert reply.body["error"]["errors"]
    assert state(api.house.db) == before


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"])
def test_another_content_type_is_refused_as_pagerduty_does(api: Api, kind: str) -> None:
    reply = api.ask("POST", "/teams", {"team": {"name": "x"}}, headers={"content-type": kind})
    assert reply.body["error"] == {"message": "Invalid Input Provided", "code": 2001, "errors": ["params must be a Hash"]}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.pagerduty+json;version=2"])
def test_every_json_type_is_understood(api: Api, kind: str) -> None:
    assert api.ask("POST", "/teams", {"team": {"name": "x"}}, headers={"content-type": kind}).status == 201


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/teams", {"team": {"name": "x"}}),
        ("POST", "/users", {"user": {"name": "X", "email": "x@example.org"}}),
        ("PUT", f"/users/{ADA.id}", {"user": {"name": "X"}}),
        ("DELETE", f"/users/{ADA.id}", None),
        ("POST", "/priorities", {"priority": {"name": "P0"}}),
        ("POST", f"/users/{ADA.id}/contact_methods", {"contact_method": {"type": "email_contact_method", "address": "q@example.org"}}),
    ],
)
def test_a_read_only_key_reads_and_changes_nothing(api: Api, method: str, path: str, body: object) -> None:
    before = state(api.house.db)
    reply = api.ask(method, path, body, who="reader", headers={"from": "ada@example.org"})
    assert (reply.status, reply.body["error"]["code"]) == (403, 2010)
    assert state(api.house.db) == before
    assert api.ask("GET", "/teams", who="reader").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"user": {"name": "X", "email": "x@example.org"}}),
        ("DELETE", f"/users/{ADA.id}", None),
        ("POST", "/priorities", {"priority": {"name": "P0"}}),
        ("GET", "/audit/records", None),
    ],
)
def test_a_managers_key_does_not_do_what_takes_an_admin(api: Api, method: str, path: str, body: object) -> None:
    before = state(api.house.db)
    reply = api.ask(method, path, body, who="bo")
    assert reply.status in {403, 404}
    assert state(api.house.db) == before


@pytest.mark.parametrize("query", [[("query", "a\0b")], [("x", "y")] * 2001])
def test_a_hostile_query_is_refused(api: Api, query: list[tuple[str, str]]) -> None:
    assert api.ask("GET", "/teams", query=query).status == 400


@pytest.mark.parametrize("words", ["%", "_", "\\", "'; drop table teams; --", "\u202e"])
def test_a_search_takes_words_literally(api: Api, words: str) -> None:
    with_teams(api, 3)
    assert api.ask("GET", "/teams", query=[("query", words)]).body["teams"] == []
