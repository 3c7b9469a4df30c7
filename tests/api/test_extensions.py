"""Extensions over the API: written, read back, sealed, and no webhook subscription for all that (BEHAVIOUR 8 and 11)."""

from typing import Any

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy
from tocsin.store import webhooks as store
from tocsin.store.tables.attachments import extension as table
from tocsin.store.tables.services import webhook_delivery, webhook_subscription

GENERIC, SERVICE_NOW = "PJFWPEP", "PAKM60Z"
URL = "https://hooks.example.org/v2?key=hush"


def wish(*service_ids: str, schema: str = GENERIC, **fields: Any) -> dict[str, Any]:
    told = {
        "name": "Ours", "endpoint_url": URL, "extension_schema": {"id": schema, "type": "extension_schema_reference"},
        "extension_objects": [{"id": id_, "type": "service_reference"} for id_ in service_ids],
    }  # fmt: skip
    return {"extension": {**told, **fields}}


def extension(api: Api, *service_ids: str, **fields: Any) -> dict[str, Any]:
    reply = api.ask("POST", "/extensions", wish(*service_ids, **fields))
    assert reply.status == 201, reply.body
    one: dict[str, Any] = reply.body["extension"]
    return one


def test_the_kinds_are_found_by_their_labels(api: Api) -> None:
    schemas = api.ask("GET", "/extension_schemas").body["extension_schemas"]
    assert [(one["id"], one["label"]) for one in schemas] == [(GENERIC, "Generic V2 Webhook"), (SERVICE_NOW, "ServiceNow (v7)")]
    assert api.ask("GET", f"/extension_schemas/{SERVICE_NOW}").body["extension_schema"] == schemas[1]
    assert api.ask("GET", "/extension_schemas/PNONE00").status == 404


def test_it_reads_back_and_the_same_again_changes_nothing(api: Api) -> None:
    shop, disk = made(api)["id"], made(api, "Disk", policy(api, "Disk"))["id"]
    config = {"headers": [{"name": "X-Key", "value": "hush hush"}], "anykey": "anyvalue"}
    one = extension(api, shop, config=config)
    assert (one["type"], one["name"], one["endpoint_url"], one["config"]) == ("extension", "Ours", URL, config)
    assert ([each["id"] for each in one["extension_objects"]], one["extension_schema"]["id"]) == ([shop], GENERIC)
    assert one["temporarily_disabled"] is False
    at = f"/extensions/{one['id']}"
    assert api.ask("GET", at).body["extension"] == one
    before = audited(api)
    assert api.ask("PUT", at, {"extension": one}).body["extension"] == one
    assert audited(api) == before
    moved = api.ask("PUT", at, {"extension": {"extension_objects": [{"id": disk}, {"id": shop}], "config": {}}}).body["extension"]
    assert ({each["id"] for each in moved["extension_objects"]}, moved["config"]) == ({shop, disk}, {})
    whole = api.ask("GET", at, query=[("include[]", "extension_objects"), ("include[]", "extension_schemas")]).body["extension"]
    assert (whole["extension_objects"][0]["type"], whole["extension_schema"]["label"]) == ("service", "Generic V2 Webhook")
    now = extension(api, shop, schema=SERVICE_NOW, name="Desk", config={"snow_user": "ada", "snow_password": "hush"})
    assert now["config"]["snow_password"] == "hush"
    for query, found in (
        (("query", "our"), [one["id"]]), (("extension_object_id", disk), [one["id"]]), (("extension_schema_id", SERVICE_NOW), [now["id"]]),
    ):  # fmt: skip
        assert [each["id"] for each in api.ask("GET", "/extensions", query=[query]).body["extensions"]] == found
    assert api.ask("DELETE", f"/services/{disk}").status == 204
    assert [each["id"] for each in api.ask("GET", at).body["extension"]["extension_objects"]] == [shop]
    assert api.ask("DELETE", at).status == 204
    assert api.ask("GET", at).status == 404


def test_what_it_holds_is_sealed_and_no_part_of_the_audit_trail(api: Api) -> None:
    one = extension(api, made(api)["id"], config={"headers": [{"name": "X-Key", "value": "hush hush"}]})
    assert api.ask("PUT", f"/extensions/{one['id']}", {"extension": {"config": {"headers": [{"name": "X-Key", "value": "psst"}]}}}).status == 200
    with api.house.db.read() as tx:
        kept = str([*tx.rows(sa.select(table)), *tx.rows(sa.select(webhook_subscription))])
    records = str(api.ask("GET", "/audit/records").body)
    assert not [word for word in ("hush hush", "psst") if word in kept + records]
    assert "key=hush" not in kept


def test_its_carrier_is_no_webhook_subscription_to_anybody(api: Api) -> None:
    one = extension(api, made(api)["id"])
    at = f"/webhook_subscriptions/{one['id']}"
    assert api.ask("GET", "/webhook_subscriptions").body["webhook_subscriptions"] == []
    for method, path, body in (
        ("GET", at, None), ("PUT", at, {"webhook_subscription": {"active": False}}), ("DELETE", at, None), ("POST", f"{at}/ping", None),
        ("POST", f"{at}/enable", None),
    ):  # fmt: skip
        assert api.ask(method, path, body).status == 404, (method, path)
    with api.house.db.read() as tx:
        assert tx.rows(sa.select(webhook_delivery)) == []
        assert store.subscription(tx, one["id"]) is not None


def test_one_that_was_disabled_is_enabled(api: Api) -> None:
    one = extension(api, made(api)["id"])
    with api.house.db.write() as tx:
        store.set_drops(tx, one["id"], 0, disabled_until=api.now.replace(year=2027))
    at = f"/extensions/{one['id']}"
    assert api.ask("GET", at).body["extension"]["temporarily_disabled"] is True
    assert api.ask("POST", f"{at}/enable").body["extension"]["temporarily_disabled"] is False
    assert api.ask("GET", at).body["extension"] == one
    before = audited(api)
    assert api.ask("POST", f"{at}/enable").status == 200
    assert audited(api) == before


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Name"), ({"endpoint_url": None}, "Endpoint url cannot be empty"), ({"endpoint_url": "ftp://x"}, "https://"),
        ({"extension_schema": {"id": "PNONE00"}}, "Generic V2 Webhook"), ({"extension_objects": []}, "at least one service"),
        ({"extension_objects": [{"id": "PNONE00"}]}, "There is no service PNONE00"), ({"config": {"headers": "x"}}, "headers must be a list"),
        ({"config": {"headers": [{"name": "Host", "value": "x"}]}}, "'Host' cannot be set"), ({"config": {"x": "y" * 20_000}}, "bytes"),
    ],
)  # fmt: skip
def test_a_wrong_extension_is_refused_with_its_reason(api: Api, fields: dict[str, Any], words: str) -> None:
    reply = api.ask("POST", "/extensions", wish(made(api)["id"], **fields))
    assert reply.status == 400
    assert words in str(reply.body["error"]["errors"])
    assert api.ask("GET", "/extensions").body["extensions"] == []
