"""Webhook subscriptions over the API: the secret is shown once, headers never, and the way of delivery stays (BEHAVIOUR 8)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_services import audited, made
from tocsin.base import json
from tocsin.service import webhooks
from tocsin.store import webhooks as store
from tocsin.store.tables.services import webhook_delivery

URL = "https://hooks.example.org/tocsin"


def subscription(api: Api, **fields: object) -> dict[str, Any]:
    body: dict[str, object] = {
        "type": "webhook_subscription",
        "delivery_method": {"type": "http_delivery_method", "url": URL},
        "events": ["incident.triggered", "incident.resolved"],
        "filter": {"type": "account_reference"},
        **fields,
    }
    reply = api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": body})
    assert reply.status == 200, reply.body
    made_: dict[str, Any] = reply.body["webhook_subscription"]
    return made_


def owed(api: Api) -> list[Any]:
    with api.house.db.read() as tx:
        return [json.decode(row.body)["event"] for row in tx.rows(sa.select(webhook_delivery).order_by(webhook_delivery.c.position))]


def test_the_secret_is_shown_once_and_headers_never(api: Api) -> None:
    method = {"type": "http_delivery_method", "url": URL, "custom_headers": [{"name": "x-token", "value": "s3cret"}]}
    made_ = subscription(api, delivery_method=method)
    secret = made_["delivery_method"]["secret"]
    assert len(secret) >= 32
    assert made_["delivery_method"]["custom_headers"] == [{"name": "x-token", "value": "-- redacted --"}]
    at = f"/webhook_subscriptions/{made_['id']}"
    shown = api.ask("GET", at).body["webhook_subscription"]
    assert shown["delivery_method"]["secret"] is None
    listed = api.ask("GET", "/webhook_subscriptions").body
    assert (len(listed["webhook_subscriptions"]), listed["more"]) == (1, False)
    records = api.ask("GET", "/audit/records").body
    assert secret not in str(records)
    assert "s3cret" not in str((shown, listed, records, made_["delivery_method"]["custom_headers"]))


def test_it_is_changed_switched_off_and_deleted(api: Api) -> None:
    made_ = subscription(api, description="Ours")
    at = f"/webhook_subscriptions/{made_['id']}"
    changed = api.ask("PUT", at, {"webhook_subscription": {"events": ["incident.annotated"], "active": False}}).body
    shown = changed["webhook_subscription"]
    assert (shown["events"], shown["active"], shown["description"]) == (["incident.annotated"], False, "Ours")
    before = audited(api)
    assert api.ask("PUT", at, {"webhook_subscription": shown}).body["webhook_subscription"] == shown
    assert audited(api) == before
    assert api.ask("DELETE", at).status == 204
    assert api.ask("GET", at).status == 404


@pytest.mark.parametrize(
    "method",
    [
        {"type": "http_delivery_method", "url": "https://elsewhere.example.org"},
        {"type": "http_delivery_method", "url": URL, "custom_headers": [{"name": "x-token", "value": "another"}]},
        {"type": "http_delivery_method", "url": URL, "custom_headers": []},
    ],
)
def test_the_way_of_delivery_cannot_be_changed(api: Api, method: dict[str, Any]) -> None:
    kept = {"type": "http_delivery_method", "url": URL, "custom_headers": [{"name": "x-token", "value": "s3cret"}]}
    made_ = subscription(api, delivery_method=kept)
    at = f"/webhook_subscriptions/{made_['id']}"
    assert api.ask("PUT", at, {"webhook_subscription": {"delivery_method": kept}}).status == 200
    reply = api.ask("PUT", at, {"webhook_subscription": {"delivery_method": method}})
    assert (reply.status, reply.body["error"]["errors"]) == (400, ["Delivery method cannot be changed: make another subscription"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"events": []}, "Events cannot be empty"),
        ({"events": ["incident.exploded"]}, "Events does not know incident.exploded"),
        ({"filter": {"type": "planet_reference"}}, "Filter must have one of the types"),
        ({"filter": {"type": "service_reference"}}, "Filter needs an id"),
        ({"filter": {"type": "service_reference", "id": "PNONE"}}, "a service that does not exist"),
        ({"delivery_method": {"type": "http_delivery_method"}}, "Delivery method needs a url"),
        ({"delivery_method": {"type": "http_delivery_method", "url": "ftp://x"}}, "begins with https://"),
        ({"delivery_method": {"type": "pigeon", "url": URL}}, "must have the type http_delivery_method"),
        ({"delivery_method": {"url": URL, "custom_headers": [{"name": "Host", "value": "x"}]}}, "'Host' cannot be set"),
        ({"delivery_method": {"url": URL, "custom_headers": [{"name": "x", "value": "a\r\nb: c"}]}}, "printable ASCII"),
        ({"description": "Taken"}, "Description has already been taken"),
    ],
)
def test_a_wrong_subscription_is_refused_with_its_reason(api: Api, fields: dict[str, Any], words: str) -> None:
    subscription(api, description="Taken")
    body = {
        "delivery_method": {"type": "http_delivery_method", "url": URL},
        "events": ["incident.triggered"],
        "filter": {"type": "account_reference"},
        **fields,
    }
    reply = api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": body})
    assert reply.status == 400
    assert words in " ".join(reply.body["error"]["errors"])
    assert len(api.ask("GET", "/webhook_subscriptions").body["webhook_subscriptions"]) == 1


def test_it_is_found_by_its_filter(api: Api) -> None:
    service = made(api)
    ours = subscription(api, filter={"type": "service_reference", "id": service["id"]})
    subscription(api)

    def ids(*query: tuple[str, str]) -> list[str]:
        found = api.ask("GET", "/webhook_subscriptions", query=query).body["webhook_subscriptions"]
        return [one["id"] for one in found]

    assert ids(("filter_type", "service"), ("filter_id", service["id"])) == [ours["id"]]
    assert len(ids(("filter_type", "account"))) == 1
    assert ids(("filter_type", "team")) == []


def test_a_ping_is_owed_to_its_owner(api: Api) -> None:
    made_ = subscription(api)
    assert api.ask("POST", f"/webhook_subscriptions/{made_['id']}/ping").status == 202
    (event,) = owed(api)
    assert (event["event_type"], event["resource_type"], event["data"]["type"]) == ("pagey.ping", "pagey", "ping")


def test_a_subscription_that_was_disabled_hears_again_when_enabled(api: Api) -> None:
    made_ = subscription(api)
    at = f"/webhook_subscriptions/{made_['id']}"
    with api.house.db.write() as tx:
        store.set_drops(tx, made_["id"], 0, disabled_until=api.now + webhooks.DISABLED_FOR)
    assert api.ask("GET", at).body["webhook_subscription"]["delivery_method"]["temporarily_disabled"] is True
    enabled = api.ask("POST", f"{at}/enable").body["webhook_subscription"]
    assert enabled["delivery_method"]["temporarily_disabled"] is False


def test_changes_of_a_service_are_told_to_whoever_subscribed(api: Api) -> None:
    subscription(api, events=["service.created", "service.updated", "service.deleted"])
    service = made(api)
    api.ask("PUT", f"/services/{service['id']}", {"service": {"name": "Payments"}})
    api.ask("PUT", f"/services/{service['id']}", {"service": {"name": "Payments"}})
    api.ask("DELETE", f"/services/{service['id']}")
    events = owed(api)
    assert [event["event_type"] for event in events] == ["service.created", "service.updated", "service.deleted"]
    assert [event["data"]["summary"] for event in events] == ["Checkout", "Payments", "Payments"]
    assert events[0]["agent"]["summary"] == "Cy"
    assert events[0]["resource_type"] == "service"


def test_a_reader_may_not_make_one(api: Api) -> None:
    body = {"delivery_method": {"url": URL}, "events": ["incident.triggered"], "filter": {"type": "account_reference"}}
    assert api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": body}, who="reader").status == 403
