"""Applications: how they get tokens and give them back, and what a token opens: exactly what its scopes name."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.conftest import TABLE, Api
from tests.people import CY, save_people
from tocsin.api import oauth
from tocsin.api.kernel.call import House, Reply, Request
from tocsin.api.kernel.operations import OPERATIONS
from tocsin.base.secret import Seals
from tocsin.core import scopes
from tocsin.core.permission import HOUSE
from tocsin.engine.housekeeping import Keep, housekeeping_pass
from tocsin.service import applications
from tocsin.service.audit import Deed
from tocsin.store import entrance
from tocsin.store.db import Database

FORM = {"content-type": "application/x-www-form-urlencoded"}


def post(api: Api, form: Mapping[str, str] | bytes, path: str = "/oauth/token", *, address: str = "192.0.2.7", **headers: str) -> Reply:
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    request = Request(method="POST", path=path, now=api.now, request_id="r", headers=FORM | headers, body=body, remote_address=address)
    return oauth.answer(api.house, request)


def registered(api: Api, *granted: str, name: str = "Reports") -> dict[str, Any]:
    reply = api.ask("POST", "/api/v1/oauth_clients", {"oauth_client": {"name": name, "scopes": list(granted)}}, ours=True)
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.body["oauth_client"]
    return found


def proof(client: Mapping[str, Any], **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"], **more}


def token(api: Api, client: Mapping[str, Any], **more: str) -> str:
    reply = post(api, proof(client, **more))
    assert reply.status == 200, reply.body
    return str(reply.body["access_token"])


def bearing(api: Api, text: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    return api.ask(method, path, body, who="nobody", headers={"authorization": f"Bearer {text}", **headers}, ours=True)


def test_an_application_gets_a_token_for_its_secret(api: Api) -> None:
    client = registered(api, "incidents.read", "users.read")
    reply = post(api, proof(client, scope="as_account-us.example users.read"))
    assert reply.status == 200
    assert reply.headers["cache-control"] == "no-store"
    assert reply.body["scope"] == "as_account-us.example users.read"
    assert (reply.body["token_type"], reply.body["expires_in"]) == ("bearer", 86400)
    assert reply.body["access_token"].startswith("pdus+_0")
    assert bearing(api, reply.body["access_token"], "GET", "/users").status == 200
    as_token = {"authorization": f"Token token={reply.body['access_token']}"}
    assert api.ask("GET", "/users", who="nobody", headers=as_token).status == 401  # a token is a bearer's
    packed = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    assert post(api, {"grant_type": "client_credentials"}, authorization=f"Basic {packed}").body["scope"] == "incidents.read users.read"


def test_what_cannot_be_a_token_request_is_told_why(api: Api) -> None:
    client = registered(api, "users.read")
    wrong: list[tuple[Any, str, int, dict[str, str]]] = [
        (proof(client, scope="users.write"), "invalid_scope", 400, {}),
        (proof(client, client_secret="guessed"), "invalid_client", 401, {}),
        (proof(client, client_id="nobody"), "invalid_client", 401, {}),
        (proof(client, grant_type="password"), "unsupported_grant_type", 400, {}),
        ({"client_id": client["client_id"], "client_secret": client["client_secret"]}, "invalid_request", 400, {}),
        ({"grant_type": "client_credentials"}, "invalid_client", 401, {}),
        (b"grant_type=client_credentials&grant_type=x", "invalid_request", 400, {}),
        (b"a=%ff", "invalid_request", 400, {}),
        (b"&".join(b"a%d=1" % n for n in range(40)), "invalid_request", 400, {}),
        (b"x=" + b"1" * 30_000, "invalid_request", 400, {}),
        (b"client_id=%00&client_secret=b", "invalid_request", 400, {}),
        (proof(client), "invalid_request", 400, {"content-type": "application/json"}),
        (proof(client), "invalid_request", 400, {"authorization": "Basic YTpi"}),
        ({"grant_type": "client_credentials"}, "invalid_request", 400, {"authorization": "Basic ???"}),
    ]
    for form, word, status, headers in wrong:
        reply = post(api, form, **headers)
        assert (reply.status, reply.body["error"]) == (status, word), form
        assert len(reply.body["error_description"]) > 10
        assert client["client_secret"] not in str(reply.body)
    got = oauth.answer(api.house, Request(method="GET", path="/oauth/token", now=api.now, request_id="r"))
    assert (got.status, got.headers["allow"]) == (405, "POST")


def test_guessing_a_secret_is_slowed_down_where_it_happens(api: Api) -> None:
    client = registered(api, "users.read")
    for _ in range(5):
        assert post(api, proof(client, client_secret="a guess")).status == 401
    slowed = post(api, proof(client))
    assert (slowed.status, slowed.body["error"]) == (429, "slow_down")
    assert "15 s" in slowed.body["error_description"]
    assert post(api, proof(client), address="198.51.100.1").status == 200
    api.later(seconds=16)
    assert post(api, proof(client)).status == 200


def test_a_token_ends_by_itself_with_its_application_and_when_it_is_given_back(api: Api) -> None:
    client = registered(api, "users.read")
    first, second, third = (token(api, client) for _ in range(3))
    assert post(api, proof(client, token=second), "/oauth/revoke").status == 200
    assert post(api, proof(client, token="unknown"), "/oauth/revoke").status == 200
    assert post(api, proof(client, client_secret="x", token=first), "/oauth/revoke").status == 401
    assert [bearing(api, text, "GET", "/users").status for text in (first, second, third)] == [200, 401, 200]
    shown = api.ask("GET", f"/api/v1/oauth_clients/{client['id']}", ours=True).body["oauth_client"]
    assert shown["tokens"] == 2
    assert client["client_secret"] not in str(shown)
    assert api.ask("DELETE", f"/api/v1/oauth_clients/{client['id']}/tokens", ours=True).status == 204
    assert bearing(api, first, "GET", "/users").status == 401
    fourth = token(api, client)
    api.later(hours=23, minutes=59)
    assert bearing(api, fourth, "GET", "/users").status == 200
    fifth = token(api, client)
    api.later(minutes=1)
    assert bearing(api, fourth, "GET", "/users").status == 401
    assert api.ask("DELETE", f"/api/v1/oauth_clients/{client['id']}", ours=True).status == 204
    assert bearing(api, fifth, "GET", "/users").status == 401
    assert post(api, proof(client)).status == 401


def test_a_token_acts_as_a_key_of_the_account_does(api: Api) -> None:
    client = registered(api, "teams.write", "audit_records.read", "incidents.write")
    text = token(api, client)
    assert bearing(api, text, "POST", "/teams", {"team": {"name": "Night"}}, **{"from": CY.email}).status == 201
    records = bearing(api, text, "GET", "/audit/records", None).body["records"]
    (record,) = [one for one in records if one["method"]["type"] == "oauth"]
    assert record["method"]["truncated_token"] == text[-4:]
    assert record["actors"][0]["type"] == "app_reference"
    missing = bearing(api, text, "POST", "/incidents", {"incident": {"type": "incident", "title": "x", "service": {"id": "P", "type": "service_reference"}}})
    assert missing.status == 400
    assert "From" in missing.body["error"]["message"]
    me = bearing(api, text, "GET", "/users/me")
    assert me.status == 400
    assert "account-level access token" in me.body["error"]


def test_what_could_make_a_stronger_key_is_given_to_nobody(api: Api) -> None:
    wish = {"oauth_client": {"name": "x", "scopes": ["api_keys.write", "nonsense", "users.read"]}}
    refused = api.ask("POST", "/api/v1/oauth_clients", wish, ours=True)
    assert refused.status == 400
    assert len(refused.body["error"]["errors"]) == 2


def test_there_is_a_scope_for_every_operation_there_is() -> None:
    served = {scopes.needed(route.method, route.path, route.scope, writes=route.writes) for route in TABLE.routes}
    published = {known.scope for known in OPERATIONS}
    never = {f"{noun}.{power}" for noun in scopes.NEVER for power in ("read", "write")}
    assert (served | published) - {None} - never <= scopes.KNOWN
    assert served | published >= scopes.KNOWN


@pytest.mark.parametrize("is_held", [True, False])
def test_each_operation_is_open_to_the_scope_it_names_and_to_no_other(api: Api, is_held: bool) -> None:
    """Asked of things that are not there: what is let in is told 404 or 400, what lacks the scope 403."""
    held_by: dict[str, str] = {}
    everything = registered(api, *sorted(scopes.KNOWN), name="all")
    for scope in sorted(scopes.KNOWN):
        held_by[scope] = token(api, everything, scope=" ".join(sorted(scopes.KNOWN - {scope})) if not is_held else scope)
    wrong = []
    for route in TABLE.routes:
        needed = scopes.needed(route.method, route.path, route.scope, writes=route.writes)
        if needed is None:
            continue
        path = route.path.replace("{", "P").replace("}", "")
        if needed not in scopes.KNOWN:
            reply = bearing(api, token(api, everything), route.method, path, {}, **{"from": CY.email})
            may = False
        else:
            reply = bearing(api, held_by[needed], route.method, path, {}, **{"from": CY.email})
            may = is_held
        lacks = reply.status == 403 and "required_scopes" in reply.body["error"]
        if lacks == may:
            wrong.append((route.method, route.path, reply.status))
        if lacks:
            assert reply.body["error"]["required_scopes"] == needed
            assert needed not in reply.body["error"]["token_scopes"].split()
            assert (reply.body["error"]["code"], reply.body["error"]["message"]) == (2010, "Access Denied")
    assert wrong == []


def test_tokens_that_have_expired_are_swept_away(db: Database, seals: Seals, now: Any) -> None:
    house = House(db=db, seals=seals, chance=Random(5), base_url="https://tocsin.example.org")
    with db.write() as tx:
        save_people(tx, (CY,), now)
        made = applications.create(tx, Deed(HOUSE, now, Random(1)), seals, name="Reports", scopes=["users.read"])
    for hours in (0, 0, 3):
        applications.issue(db, seals, made.id, made.secret, "", "192.0.2.1", now=now + timedelta(hours=hours), chance=house.chance)
    housekeeping_pass(db, now + timedelta(hours=25), node="a", keep=Keep())
    with db.read() as tx:
        left = entrance.token(tx, ["none"]), entrance.count_tokens(tx, now)
    assert left == (None, {made.id: 1})


def test_an_application_has_so_many_tokens_and_no_more(db: Database, seals: Seals, now: Any) -> None:
    with db.write() as tx:
        made = applications.create(tx, Deed(HOUSE, now, Random(1)), seals, name="Reports", scopes=["users.read"])
    chance = Random(2)
    for n in range(applications.TOKENS_MOST + 5):
        applications.issue(db, seals, made.id, made.secret, "", "192.0.2.1", now=now + timedelta(seconds=n), chance=chance)
    with db.read() as tx:
        assert entrance.count_tokens(tx, now) == {made.id: applications.TOKENS_MOST}
