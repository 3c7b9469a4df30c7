"""The load of a rota over the API: who may see it, what it counts, and the tables of it."""

import csv
import io
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_schedules import layer, made
from tests.people import ADA, BO, CY
from tocsin.api.kernel.call import Request
from tocsin.store.tables import people
from tocsin.store.tables.people import user

WEEK = (("since", "2026-12-21T00:00:00Z"), ("until", "2026-12-28T00:00:00Z"))


def loaded(api: Api, schedule: dict[str, Any], *query: tuple[str, str], who: str = "cy", status: int = 200) -> Any:
    reply = api.ask("GET", f"/api/v1/schedules/{schedule['id']}/load", query=query or WEEK, who=who, ours=True)
    assert reply.status == status, reply.body
    return reply.body


def table(api: Api, schedule: dict[str, Any], path: str = "load.csv", accept: str = "*/*", *query: tuple[str, str]) -> list[dict[str, str]]:
    headers = {"authorization": f"Token token={api.keys['cy']}", "accept": accept}
    asked = Request(
        method="GET", path=f"/api/v1/schedules/{schedule['id']}/{path}", now=api.now, request_id="r", query=(*WEEK, *query), headers=headers
    )
    reply = api.table.answer(api.house, asked)
    assert isinstance(reply.body, bytes)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(reply.body.decode())))


def place(api: Api, path: str, status: int = 200, **said: Any) -> Any:
    reply = api.ask("PUT", f"/api/v1{path}/public_holidays", {"public_holidays": said}, ours=True)
    assert reply.status == status, reply.body
    return reply.body


def test_hours_are_split_by_band_and_compared_with_an_even_share(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id))
    told = loaded(api, schedule)["load"]
    assert (told["since"], told["total"]["hours"], told["even_share"]["hours"]) == ("2026-12-21T00:00:00Z", 168, 84)
    ada, bo = sorted(told["people"], key=lambda one: one["name"])
    assert (ada["name"], ada["time_zone"], bo["time_zone"]) == ("Ada", "Europe/Paris", "America/New_York")
    assert ada["hours"] + bo["hours"] == 168
    for one in (ada, bo):
        assert one["business_hours"] + one["off_hours"] + one["sleep_hours"] == one["hours"]
    assert ada["beyond_even_share"]["hours"] == -bo["beyond_even_share"]["hours"] == ada["hours"] - 84
    assert "shifts" not in told
    assert len(loaded(api, schedule, *WEEK, ("by", "shift"))["load"]["shifts"]) == ada["shifts"] + bo["shifts"]


def test_the_rota_sees_it_and_managers_do_and_nobody_else(api: Api) -> None:
    schedule = made(api, layer(ADA.id))
    with api.house.db.write() as tx:
        tx.execute(sa.update(people.user).where(user.c.id.in_([ADA.id, BO.id])).values(role="limited_user"))
    assert loaded(api, schedule, who="ada")["load"]["people"][0]["name"] == "Ada"
    assert loaded(api, schedule, who="reader")
    assert "people on it" in str(loaded(api, schedule, who="bo", status=403))
    turn = {"start": "2026-12-22T10:00:00Z", "end": "2026-12-22T11:00:00Z", "user": {"id": BO.id, "type": "user_reference"}}
    assert api.ask("POST", f"/schedules/{schedule['id']}/overrides", {"overrides": [turn]}).status == 201
    assert loaded(api, schedule, who="bo")["load"]["people"][1]["hours"] == 1  # who stood in is on it


def test_public_holidays_are_those_of_where_each_person_is(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id))
    assert loaded(api, schedule)["load"]["total"]["holiday_hours"] == 0
    path = f"/schedules/{schedule['id']}"
    assert place(api, path, country="fr")["public_holidays"]["country"] == "FR"
    everybody = loaded(api, schedule)["load"]["total"]["holiday_hours"]
    assert everybody > 0
    place(api, f"/users/{BO.id}", country="US")
    place(api, f"/users/{ADA.id}", country="DE", subdivision="BE")
    shifts = loaded(api, schedule, *WEEK, ("by", "shift"))["load"]["shifts"]
    assert {name for one in shifts for name in one["holidays"]} == {"2026-12-25 Christmas Day", "2026-12-26 Second Day of Christmas"}
    assert place(api, path, country=None)["public_holidays"] == {"type": "public_holidays", "country": None, "subdivision": None}
    for said, words in (({"country": "XX"}, "two letters"), ({"country": "DE", "subdivision": "ZZ"}, "BE"), ({"subdivision": "BE"}, "needs its country")):
        assert words in str(place(api, path, 400, **said))
    known = api.ask("GET", "/api/v1/public_holidays", ours=True).body["countries"]
    assert {"country": "FR", "subdivisions": next(one["subdivisions"] for one in known if one["country"] == "FR")} in known


def test_tables_have_a_row_a_person_or_a_shift_and_no_formula(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id))
    with api.house.db.write() as tx:
        tx.execute(sa.update(people.user).where(user.c.id == ADA.id).values(name="=1+1"))
    by_person = table(api, schedule)
    assert sorted(one["name"] for one in by_person) == ["'=1+1", "Bo"]
    assert {one["even_share_hours"] for one in by_person} == {"84.0"}
    by_shift = table(api, schedule, "load", "text/csv", ("by", "shift"))
    assert sum(float(one["hours"]) for one in by_shift) == 168
    assert by_shift[0]["start"].endswith(("+01:00", "-05:00"))
    assert {one["email"] for one in by_shift} == {ADA.email, BO.email}


def test_what_cannot_be_asked_is_refused(api: Api) -> None:
    schedule = made(api, layer(CY.id))
    for query in ([("since", "2026-12-28T00:00:00Z"), ("until", "2026-12-21T00:00:00Z")], [("since", "2020-01-01T00:00:00Z")], [("by", "team")], [("since", "0001-01-01T00:00:00Z")]):
        loaded(api, schedule, *query, status=400)
    api.later(days=30)
    unasked = loaded(api, schedule, ("by", "person"))["load"]
    assert (unasked["until"], unasked["total"]["hours"]) == ("2026-12-23T09:00:00Z", timedelta(days=30) / timedelta(hours=1))
