"""What PagerDuty does only in its pages and Tocsin also over the API: keys, the account, a test page."""

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO
from tocsin.core.permission import HOUSE
from tocsin.service import account
from tocsin.service.audit import Deed
from tocsin.store.tables.engine import outbox


@pytest.fixture
def founded(api: Api) -> Api:
    with api.house.db.write() as tx:
        deed = Deed(HOUSE, api.now, api.house.chance)
        account.found(tx, deed, name="Example", subdomain="example", owner_name="Olu", owner_email="olu@example.org", password=None)
    return api


def test_a_key_is_made_used_listed_and_revoked_by_its_owner(api: Api) -> None:
    made = api.ask("POST", "/api_keys", {"api_key": {"label": "mine", "read_only": True}}, who="ada").body["api_key"]
    assert made["user"]["id"] == ADA.id
    api.keys["made"] = made["secret"]
    assert api.ask("GET", "/users/me", who="made").body["user"]["id"] == ADA.id
    assert api.ask("POST", "/teams", {"team": {"name": "T"}}, who="made").status == 403
    listed = api.ask("GET", "/api_keys", who="ada").body["api_keys"]
    assert {key["label"] for key in listed} == {"ada", "mine"}
    assert "secret" not in listed[0]
    assert made["secret"] not in str(api.ask("GET", "/audit/records").body)
    assert api.ask("DELETE", f"/api_keys/{made['id']}", who="ada").status == 204
    assert api.ask("GET", "/users/me", who="made").status == 401


def test_keys_of_others_and_of_the_account_are_for_admins(api: Api) -> None:
    assert api.ask("POST", "/api_keys", {"api_key": {"label": "x", "user_id": BO.id}}, who="ada").status == 404
    assert api.ask("POST", "/api_keys", {"api_key": {"label": "x", "kind": "account"}}, who="ada").status == 404
    made = api.ask("POST", "/api_keys", {"api_key": {"label": "x", "kind": "account", "expires_at": "2026-11-24"}}, who="cy")
    assert (made.status, made.body["api_key"]["user"], made.body["api_key"]["expires_at"]) == (201, None, "2026-11-24T00:00:00Z")
    assert api.ask("DELETE", f"/api_keys/{made.body['api_key']['id']}", who="ada").status == 404
    assert len(api.ask("GET", "/api_keys", who="cy").body["api_keys"]) == 6


@pytest.mark.parametrize("wrong", [{"label": ""}, {"label": "x", "kind": "robot"}, {"label": "x", "expires_at": "soon"}, {"label": "x", "expires_at": "2020-01-01"}, {}])
def test_a_wrong_key_is_refused(api: Api, wrong: dict[str, str]) -> None:
    assert api.ask("POST", "/api_keys", {"api_key": wrong}).status == 400


def test_an_admin_says_who_is_told_when_nobody_else_can_be(founded: Api) -> None:
    asked = {"account": {"last_resort": [{"id": ADA.id, "type": "user_reference"}], "time_zone": "Europe/Paris"}}
    changed = founded.ask("PUT", "/account", asked).body["account"]
    assert (changed["last_resort"][0]["summary"], changed["time_zone"], changed["name"]) == ("Ada", "Europe/Paris", "Example")
    assert founded.ask("PUT", "/account", asked, who="ada").status == 403
    assert founded.ask("PUT", "/account", {"account": {"last_resort": [{"id": "PNOBODY"}]}}).status == 400
    assert founded.ask("PUT", "/account", {"account": {"time_zone": "Mars"}}).status == 400
    assert founded.ask("GET", "/account", who="ada").body["account"]["name"] == "Example"


def test_page_me_now_owes_a_test_to_that_contact_method_only(api: Api) -> None:
    user_id = api.ask("POST", "/users", {"user": {"name": "Dee", "email": "dee@example.org"}}).body["user"]["id"]
    method_id = api.ask("GET", f"/users/{user_id}/contact_methods").body["contact_methods"][0]["id"]
    reply = api.ask("POST", f"/users/{user_id}/contact_methods/{method_id}/test")
    assert reply.status == 202
    assert api.ask("POST", f"/users/{ADA.id}/contact_methods/{method_id}/test").status == 404
    assert api.ask("POST", f"/users/{user_id}/contact_methods/{method_id}/test", who="ada").status == 403
    with api.house.db.read() as tx:
        assert [row.id for row in tx.rows(sa.select(outbox.c.id))] == [reply.body["page"]["id"]]
