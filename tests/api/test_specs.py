"""What each kind of declaration does, on small declarations of the tests' own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import pytest
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tests.api.conftest import Api
from tocsin.api.kernel import filters, openapi, paging
from tocsin.api.kernel.call import Call, Query, Reply
from tocsin.api.kernel.routes import Table
from tocsin.api.kernel.spec import Action, Body, Bulk, Paging, Report, Resource, Rows, Singleton, given
from tocsin.base.errors import Refusal, invalid
from tocsin.base.times import Span
from tocsin.core import permission
from tocsin.store.tables.people import team


class NoteWrite(msgspec.Struct):
    name: Annotated[str, Meta(max_length=20)] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


class Snooze(msgspec.Struct):
    duration: Annotated[int, Meta(ge=1, le=60)] = 5


class Item(msgspec.Struct):
    id: str
    status: str = ""


def shown(_call: Call, rows: Rows) -> list[Body]:
    return [
        {"id": row.id, "type": "note", "summary": row.name, "self": None, "html_url": None, "description": row.description}
        for row in rows
    ]


def kept(_call: Call, body: NoteWrite, old: Any) -> dict[str, Any]:
    return given(body) | ({"default_role": "manager"} if old is None else {})


def explode(call: Call, body: Snooze) -> None:
    call.tx.execute(sa.insert(team), {"id": "PHALF01", "name": "half done", "default_role": "manager", "created_at": call.now})
    raise invalid(f"not for {body.duration} s")


def lose_race(call: Call) -> None:
    for _ in range(2):
        call.tx.execute(sa.insert(team), {"id": "PTWIN01", "name": "twin", "default_role": "manager", "created_at": call.now})


def change_all(call: Call, items: list[Item]) -> list[Body]:
    for item in items:
        done = call.tx.execute(sa.update(team).where(team.c.id == item.id).values(description=item.status)).rowcount
        if not done:
            raise invalid(f"items: {item.id} does not exist")
    return [{"id": item.id, "status": item.status} for item in items]


def rename(call: Call, body: NoteWrite) -> None:
    call.tx.execute(sa.update(team).where(team.c.id == call.id).values(given(body)))


def one(call: Call) -> Body:
    return shown(call, [call.tx.rows(sa.select(team).where(team.c.id == call.id))[0]])[0]


NOTES = Resource(
    name="jotting", plural="jottings", path="/jottings", tag="Test", table=team, kind="team", read=shown, write=NoteWrite, values=kept,
    order=(team.c.name,), sorts={"name": team.c.name, "at": team.c.created_at}, paging=Paging.NONE, create_status=200,
)  # fmt: skip

TESTED = Table(
    [
        NOTES,
        Action(method="POST", path="/snooze", tag="Test", run=lambda _call, body: {"for": body.duration}, body=Snooze, wrap_in="snooze", wrap_out="nap", status=202),
        Action(method="POST", path="/maybe", tag="Test", run=lambda _call, body: {"for": body.duration}, body=Snooze, body_optional=True),
        Action(method="POST", path="/preview", tag="Test", run=lambda call: {"writes": call.now}, writes=False),
        Action(method="POST", path="/explode", tag="Test", run=explode, body=Snooze),
        Action(method="POST", path="/nothing", tag="Test", run=lambda _call: None, status=202),
        Action(method="POST", path="/whole", tag="Test", run=lambda _call: Reply(299, ["as it is"])),
        Action(method="POST", path="/admins", tag="Test", run=lambda _call: {}, needs=(permission.UPDATE, "account")),
        Action(method="POST", path="/race", tag="Test", run=lose_race),
        Bulk(path="/items", tag="Test", plural="items", item=Item, run=change_all, most=3),
        Singleton(name="jotting", path="/only/{id}", tag="Test", read=one, write=NoteWrite, update=rename),
        Report("/included", "Test", lambda call: {"got": sorted(call.includes)}, includes=frozenset({"a", "b"})),
    ],
)  # fmt: skip


@pytest.fixture
def tested(api: Api) -> Api:
    return replace(api, table=TESTED)


def new(api: Api, name: str, **more: object) -> str:
    reply = api.ask("POST", "/jottings", {"jotting": {"name": name, **more}})
    assert reply.status == 200, reply.body
    id_: str = reply.body["jotting"]["id"]
    return id_


def test_absent_and_null_are_two_things(tested: Api) -> None:
    id_ = new(tested, "a", description="kept")
    assert tested.ask("PUT", f"/jottings/{id_}", {"jotting": {}}).body["jotting"]["description"] == "kept"
    assert tested.ask("PUT", f"/jottings/{id_}", {"jotting": {"description": None}}).body["jotting"]["description"] is None


def test_sorting_is_as_asked_and_always_total(tested: Api) -> None:
    ids = [new(tested, name) for name in ("b", "c", "a")]
    by = dict(zip("bca", ids, strict=True))

    def listed(*query: tuple[str, str]) -> list[str]:
        return [one["id"] for one in tested.ask("GET", "/jottings", query=query).body["jottings"]]

    assert listed() == [by["a"], by["b"], by["c"]]
    assert listed(("sort_by", "name:desc")) == [by["c"], by["b"], by["a"]]
    assert listed(("sort_by", "at,name:desc")) == [by["c"], by["b"], by["a"]]
    assert listed(("sort_by", "at")) == sorted(ids)
    for wrong in ("nothing", "name:up", "name,at,name"):
        assert tested.ask("GET", "/jottings", query=[("sort_by", wrong)]).body["error"]["code"] == 2002


def test_an_action_unwraps_wraps_and_answers_with_its_status(tested: Api) -> None:
    reply = tested.ask("POST", "/snooze", {"snooze": {"duration": 7}})
    assert (reply.status, reply.body) == (202, {"nap": {"for": 7}})
    assert tested.ask("POST", "/nothing").body is None
    assert (tested.ask("POST", "/whole").status, tested.ask("POST", "/whole").body) == (299, ["as it is"])


@pytest.mark.parametrize(("duration", "words"), [(0, "snooze.duration: expected 'int' >= 1"), (61, "<= 60"), ("5", "got 'str'"), (2**70, "<= 60")])
def test_an_action_says_what_is_wrong_with_its_body(tested: Api, duration: object, words: str) -> None:
    reply = tested.ask("POST", "/snooze", {"snooze": {"duration": duration}}, raw=None if duration != 2**70 else b'{"snooze":{"duration":1180591620717411303424}}')
    assert reply.status == 400
    assert words in reply.body["error"]["errors"][0]


def test_an_optional_body_may_be_left_out(tested: Api) -> None:
    assert tested.ask("POST", "/maybe", headers={"content-type": ""}).body == {"for": 5}
    assert tested.ask("POST", "/maybe", {"duration": 9}).body == {"for": 9}


def test_a_post_that_only_reads_is_open_to_read_only_keys(tested: Api) -> None:
    assert tested.ask("POST", "/preview", who="reader").status == 200
    assert tested.ask("POST", "/nothing", who="reader").status == 403


def test_a_refusal_undoes_what_was_done_before_it(tested: Api) -> None:
    reply = tested.ask("POST", "/explode", {"duration": 3})
    assert reply.body["error"]["errors"] == ["not for 3 s"]
    assert tested.ask("GET", "/jottings").body["jottings"] == []


def test_who_loses_a_race_is_told_to_look_again_and_nothing_is_kept(tested: Api) -> None:
    reply = tested.ask("POST", "/race")
    assert (reply.status, reply.body["error"]["code"]) == (400, 2001)
    assert "at the same moment" in reply.body["error"]["errors"][0]
    assert tested.ask("GET", "/jottings").body["jottings"] == []


def test_an_action_asks_for_the_permission_it_declares(tested: Api) -> None:
    assert tested.ask("POST", "/admins", who="cy").status == 200
    reply = tested.ask("POST", "/admins", who="ada")
    assert (reply.status, reply.body["error"]["errors"]) == (403, ["Managers may not update a account: that takes a Global Admin"])


def test_a_bulk_change_is_all_or_nothing_and_bounded(tested: Api) -> None:
    first, second = new(tested, "a"), new(tested, "b")
    good = tested.ask("PUT", "/items", {"items": [{"id": first, "status": "x"}, {"id": second, "status": "y"}]})
    assert (good.status, [item["status"] for item in good.body["items"]]) == (200, ["x", "y"])
    bad = tested.ask("PUT", "/items", {"items": [{"id": first, "status": "z"}, {"id": "PNOTHIN"}]})
    assert bad.status == 400
    assert tested.ask("GET", f"/jottings/{first}").body["jotting"]["description"] == "x"
    assert tested.ask("PUT", "/items", {"items": [{"id": first}] * 4}).status == 413
    for wrong in (b"[]", b"{}", b"null", b'"x"'):
        assert tested.ask("PUT", "/items", raw=b'{"items": ' + wrong + b"}").status == 400
    assert "items[1].id" in tested.ask("PUT", "/items", {"items": [{"id": "x"}, {"id": 5}]}).body["error"]["errors"][0]


def test_a_singleton_is_read_and_changed(tested: Api) -> None:
    id_ = new(tested, "a")
    assert tested.ask("PUT", f"/only/{id_}", {"jotting": {"description": "d"}}).body["jotting"]["description"] == "d"
    assert tested.ask("GET", f"/only/{id_}").body["jotting"]["description"] == "d"


@pytest.mark.parametrize(
    "query", [[("include[]", "a"), ("include[]", "b")], [("include[]", "a,b")], [("include", "b"), ("include[]", "a")]]
)
def test_includes_are_understood_in_every_form(tested: Api, query: list[tuple[str, str]]) -> None:
    assert tested.ask("GET", "/included", query=query).body == {"got": ["a", "b"]}


def test_a_wrong_parameter_beside_a_right_one_is_the_last_that_counts() -> None:
    assert Query([("x", "1"), ("x", "2"), ("x", "")]).one("x") == "2"


NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("query", "span"),
    [
        ([], Span(NOW - 30 * DAY, NOW)),
        ([("since", "2026-11-20")], Span(datetime(2026, 11, 20, tzinfo=UTC), NOW)),
        ([("until", "2026-11-20T00:00:00Z")], Span(datetime(2026, 10, 21, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))),
        ([("since", "2026-11-20T00:00:00 02:00")], Span(datetime(2026, 11, 19, 22, tzinfo=UTC), NOW)),
        ([("since", "2026-11-20T00:00:00"), ("time_zone", "Europe/Paris")], Span(datetime(2026, 11, 19, 23, tzinfo=UTC), NOW)),
        ([("date_range", "all")], None),
    ],
)
def test_a_range_of_dates_is_read_as_clients_write_it(query: list[tuple[str, str]], span: Span | None) -> None:
    assert filters.since_until(Query(query), NOW, default=30 * DAY, longest=180 * DAY, lift=True) == span


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([("since", "2026-01-01")], 2002),
        ([("since", "2026-11-24")], 2002),
        ([("since", "soon")], 2004),
        ([("until", "2026-13-01")], 2005),
        ([("since", "2026-11-20T00:00:00"), ("time_zone", "Mars")], 2004),
    ],
)
def test_a_wrong_range_of_dates_is_refused(query: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Refusal) as refused:
        filters.since_until(Query(query), NOW, default=30 * DAY, longest=180 * DAY)
    assert refused.value.code == code


def test_a_list_in_memory_is_paged_like_any_other() -> None:
    part, answer = paging.page_of(Query([("limit", "2"), ("offset", "1"), ("total", "true")]), [1, 2, 3, 4])
    assert (part, answer) == ([2, 3], {"limit": 2, "offset": 1, "more": True, "total": 4})


def test_the_document_tells_every_route_and_its_body() -> None:
    described = openapi.document(TESTED, "https://tocsin.example.org")
    assert {(path, method) for path, operations in described["paths"].items() for method in operations} == {
        (route.path, route.method.lower()) for route in TESTED.routes
    }
    body = described["paths"]["/items"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].removeprefix("#/components/schemas/") in described["components"]["schemas"]
    assert all(operation["summary"] for operations in described["paths"].values() for operation in operations.values())
