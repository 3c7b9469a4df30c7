"""Calendars at secret addresses: who is on call, for whoever has the address, until it is made anew."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import icalendar
import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_schedules import layer, made, shown
from tests.people import ADA, BO
from tocsin.api import feeds
from tocsin.api.callbacks import Answer
from tocsin.base.secret import Seals, new_master_key
from tocsin.store.tables.people import user


def read(api: Api, url: str, method: str = "GET") -> Answer:
    return feeds.answer(api.house.db, api.house.seals, api.house.base_url, method, urlsplit(url).path, now=api.now)


def events(api: Api, url: str) -> list[tuple[str, datetime, datetime]]:
    """The calendar as a calendar program reads it."""
    found = read(api, url)
    assert (found.status, found.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    calendar = icalendar.Calendar.from_ical(found.body.decode())
    return [(str(one["summary"]), one.decoded("dtstart"), one.decoded("dtend")) for one in calendar.walk("VEVENT")]


def own_url(api: Api, who: str = "ada") -> str:
    return str(api.ask("GET", "/users/me", who=who).body["user"]["http_cal_url"])


def override(api: Api, schedule_id: str, who: str, start: str, end: str) -> None:
    body = {"overrides": [{"start": start, "end": end, "user": {"id": who, "type": "user_reference"}}]}
    assert api.ask("POST", f"/schedules/{schedule_id}/overrides", body).body[0]["status"] == 201


def day(number: int, hour: int = 9) -> datetime:
    return datetime(2026, 11, number, hour, tzinfo=UTC)


def test_the_calendar_of_a_schedule_has_every_shift_of_everybody(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id))
    found = events(api, schedule["http_cal_url"])
    assert found[:2] == [("Ada is on call: First line", day(23), day(24)), ("Bo is on call: First line", day(24), day(25))]
    assert len(found) == 26 * 7
    assert schedule["web_cal_url"] == schedule["http_cal_url"].replace("https://", "webcal://")
    assert shown(api, schedule["id"])["http_cal_url"] == schedule["http_cal_url"]


def test_the_calendar_of_a_person_has_their_shifts_and_what_they_took_over(api: Api) -> None:
    first, second = made(api, layer(ADA.id, BO.id)), made(api, layer(BO.id), name="Second line")
    override(api, second["id"], ADA.id, "2026-11-24T09:00:00Z", "2026-11-24T11:00:00Z")
    assert events(api, own_url(api))[:3] == [
        ("On call: First line", day(23), day(24)),
        ("On call: Second line", day(24), day(24, 11)),
        ("On call: First line", day(25), day(26)),
    ]
    assert first["http_cal_url"] != second["http_cal_url"]


def test_a_shift_keeps_its_name_when_its_end_moves_and_as_time_goes_on(api: Api) -> None:
    schedule = made(api, layer(ADA.id, BO.id, turn=604_800))

    def first_uid() -> str:
        calendar = icalendar.Calendar.from_ical(read(api, schedule["http_cal_url"]).body.decode())
        return str(calendar.walk("VEVENT")[0]["uid"])

    before = first_uid()
    override(api, schedule["id"], BO.id, "2026-11-27T09:00:00Z", "2026-11-28T09:00:00Z")
    assert first_uid() == before
    api.later(weeks=4, days=2)  # the shift began before what the calendar reaches back to
    assert first_uid() == before


def test_a_wrong_address_is_not_there(api: Api) -> None:
    url = made(api, layer(ADA.id))["http_cal_url"]
    wrong = [url[:-8] + "AAAA.ics", url.replace("/schedules/", "/users/"), url.replace("/schedules/P", "/schedules/PX"), "/calendars/", "/calendars/teams/P1/" + "A" * 32]
    assert [read(api, one).status for one in wrong] == [404] * 5
    assert read(api, url, "POST").status == 405
    assert (read(api, url, "HEAD").status, read(api, url, "HEAD").body) == (200, b"")


def test_a_new_key_ends_the_old_address_and_is_audited_without_it(api: Api) -> None:
    old = own_url(api)
    reply = api.ask("POST", f"/users/{ADA.id}/regenerate_private_url_key", who="ada")
    key = reply.body["private_url_key"]
    assert (reply.status, key in old, key in own_url(api)) == (200, False, True)
    assert (read(api, old).status, read(api, own_url(api)).status) == (404, 200)
    assert own_url(api, "bo") == own_url(api, "bo")
    trail = str(api.ask("GET", "/audit/records", who="cy").body)
    assert "private_url_key" in trail
    assert key not in trail
    with api.house.db.read() as tx:
        assert key not in str(tx.rows(sa.select(user)))


def test_only_oneself_or_an_admin_makes_a_new_key(api: Api) -> None:
    assert api.ask("POST", f"/users/{ADA.id}/regenerate_private_url_key", who="bo").status == 403
    assert api.ask("POST", f"/users/{ADA.id}/regenerate_private_url_key", who="reader").status == 403
    assert api.ask("POST", f"/users/{ADA.id}/regenerate_private_url_key", who="cy").status == 200
    assert api.ask("POST", "/users/PNOBODY/regenerate_private_url_key", who="cy").status == 404


def test_addresses_of_a_person_are_for_themselves_and_for_admins_who_ask(api: Api) -> None:
    def told(who: str, *query: tuple[str, str]) -> bool:
        body: dict[str, Any] = api.ask("GET", f"/users/{ADA.id}", who=who, query=query).body
        return "http_cal_url" in body["user"]

    asked = ("include[]", "calendar_urls")
    assert (told("ada"), told("bo"), told("bo", asked), told("cy"), told("cy", asked), told("reader", asked)) == (
        True, False, False, False, True, False,
    )  # fmt: skip
    assert "http_cal_url" not in str(api.ask("GET", "/users", who="ada").body)
    made(api, layer(ADA.id))
    assert "http_cal_url" not in str(api.ask("GET", "/schedules", who="ada").body)


def test_a_schedule_gets_a_new_address_too(api: Api) -> None:
    schedule = made(api, layer(ADA.id))
    path = f"/api/v1/schedules/{schedule['id']}/regenerate_private_url_key"
    fresh = api.ask("POST", path, who="ada", ours=True).body
    assert (read(api, schedule["http_cal_url"]).status, read(api, fresh["http_cal_url"]).status) == (404, 200)
    assert shown(api, schedule["id"])["web_cal_url"] == fresh["web_cal_url"]
    assert api.ask("POST", path, who="reader", ours=True).status == 403


def test_who_is_disabled_or_deleted_has_no_calendar(api: Api) -> None:
    url = own_url(api)
    with api.house.db.write() as tx:
        tx.execute(sa.update(user).where(user.c.id == ADA.id).values(is_disabled=True))
    assert read(api, url).status == 404
    schedule = made(api, layer(BO.id))
    assert api.ask("DELETE", f"/schedules/{schedule['id']}").status == 204
    assert read(api, schedule["http_cal_url"]).status == 404


def test_names_with_any_sign_are_read_back_as_they_are(api: Api) -> None:
    name = "Lyon; first, line \\ ünï " + "long " * 30
    schedule = made(api, layer(ADA.id), name=name.strip())
    assert events(api, schedule["http_cal_url"])[0][0] == f"Ada is on call: {name.strip()}"
    lines = read(api, schedule["http_cal_url"]).body.split(b"\r\n")
    assert max(len(line) for line in lines) <= 75


@pytest.mark.parametrize("keys", [1, 2])
def test_an_address_holds_while_its_master_key_is_known(keys: int) -> None:
    first, second = new_master_key(), new_master_key()
    made_key = Seals([first]).key_for("user P1 seed", purpose="calendar")
    later = Seals([second, first][:keys])
    assert later.is_key_for(made_key, "user P1 seed", purpose="calendar") is (keys == 2)
    assert not later.is_key_for(made_key, "user P1 other", purpose="calendar")
    assert not later.is_key_for(made_key, "user P1 seed", purpose="other")
