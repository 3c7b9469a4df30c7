"""OAuth clients of webhooks over the API: tried before they are kept, the secret never shown (BEHAVIOUR 8)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited
from tests.api.test_webhook_subscriptions import subscription
from tests.receiver import SECRET, Receiver
from tocsin.api.kernel.call import House

AT = "/webhook_subscriptions/oauth_clients"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


@pytest.fixture
def house(house: House) -> House:
    return replace(house, allowed_networks=("127.0.0.0/8",))


def wish(receiver: Receiver, **fields: Any) -> dict[str, Any]:
    told = {"name": "Ours", "client_id": "tocsin", "client_secret": SECRET, "token_url": f"{receiver.url}/token", "grant_type": "client_credentials"}
    return {"oauth_client": told | fields}


def client(api: Api, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    reply = api.ask("POST", AT, wish(receiver, **fields))
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.body["oauth_client"]
    return made


def test_it_is_tried_kept_and_read_back_without_its_secret(api: Api, receiver: Receiver) -> None:
    made = client(api, receiver, scope="read write")
    assert receiver.tokens == ["token-1"]
    shown = api.ask("GET", f"{AT}/{made['id']}").body["oauth_client"]
    assert shown == made == api.ask("GET", AT).body["oauth_clients"][0]
    assert (shown["name"], shown["scope"], shown["status"], len(shown["id"])) == ("Ours", "read write", "active", 26)
    before = audited(api)
    assert api.ask("PUT", f"{AT}/{made['id']}", wish(receiver, scope="read write")).body["oauth_client"] == shown
    assert (audited(api), len(receiver.tokens)) == (before, 1)
    renamed = api.ask("PUT", f"{AT}/{made['id']}", {"oauth_client": {"name": "Theirs", "scope": None}}).body["oauth_client"]
    assert (renamed["name"], renamed["scope"], renamed["client_id"]) == ("Theirs", None, "tocsin")
    assert len(receiver.tokens) == 2
    assert SECRET not in str((shown, renamed, api.ask("GET", "/audit/records").body))
    assert api.ask("DELETE", f"{AT}/{made['id']}").status == 204
    assert api.ask("GET", f"{AT}/{made['id']}").status == 404


def test_what_gives_no_token_is_refused_and_the_secret_is_not_repeated(api: Api, receiver: Receiver) -> None:
    made = client(api, receiver)
    for fields, words in (
        ({"client_secret": "a wrong one"}, "HTTP 401 (invalid_client)"),
        ({"token_url": f"{receiver.url}/elsewhere"}, "HTTP 401"),
        ({"token_url": "http://10.1.2.3/token"}, "private"),
        ({"token_url": "ftp://x"}, "https://"),
        ({"grant_type": "password"}, "client_credentials"),
        ({"name": "n" * 256}, "255"),
        ({"client_id": ""}, "Client id cannot be empty"),
    ):
        for method, path in (("POST", AT), ("PUT", f"{AT}/{made['id']}")):
            reply = api.ask(method, path, wish(receiver, **fields))
            assert reply.status == 400, (method, fields)
            assert words in str(reply.body["error"]["errors"])
            assert "a wrong one" not in str(reply.body)
    assert api.ask("GET", AT).body["oauth_clients"] == [made]


def test_there_are_ten_at_most_and_only_admins_know_of_them(api: Api, receiver: Receiver) -> None:
    made = [client(api, receiver, name=f"Client {number}") for number in range(10)]
    assert "at most 10" in str(api.ask("POST", AT, wish(receiver)).body)
    assert api.ask("GET", AT, who="ada").status == 404
    assert api.ask("PUT", f"{AT}/{made[0]['id']}", wish(receiver), who="ada").status == 404
    assert api.ask("POST", AT, wish(receiver), who="reader").status == 403


def test_a_subscription_names_one_and_goes_on_without_it(api: Api, receiver: Receiver) -> None:
    made = client(api, receiver)
    hook = subscription(api, oauth_client_id=made["id"])
    named = {"id": made["id"], "type": "oauth_client_reference", "summary": "Ours"}
    at = f"/webhook_subscriptions/{hook['id']}"
    assert hook["oauth_client"] == api.ask("GET", at).body["webhook_subscription"]["oauth_client"] == named
    before = audited(api)
    assert api.ask("PUT", at, {"webhook_subscription": {"oauth_client_id": made["id"]}}, who="ada").status == 200
    assert audited(api) == before
    assert api.ask("PUT", at, {"webhook_subscription": {"oauth_client_id": None}}).body["webhook_subscription"]["oauth_client"] is None
    assert api.ask("PUT", at, {"webhook_subscription": {"oauth_client_id": made["id"]}}, who="ada").status == 404
    assert api.ask("PUT", at, {"webhook_subscription": {"oauth_client_id": "PNONE00"}}).status == 400
    assert api.ask("PUT", at, {"webhook_subscription": {"oauth_client_id": made["id"]}}).status == 200
    assert api.ask("DELETE", f"{AT}/{made['id']}").status == 204
    assert api.ask("GET", at).body["webhook_subscription"]["oauth_client"] is None
