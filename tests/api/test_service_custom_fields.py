"""Fields that people add to services: made, changed, filled, and refused with a reason."""

import json
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, made

ALL = "/services/custom_fields"


def words(*options: str) -> list[dict[str, Any]]:
    return [{"data": {"data_type": "string", "value": one}} for one in options]


def field(api: Api, name: str, data_type: str = "string", field_type: str = "single_value", **more: Any) -> dict[str, Any]:
    wish = {"name": name, "display_name": name.title(), "data_type": data_type, "field_type": field_type, **more}
    reply = api.ask("POST", ALL, {"field": wish})
    assert reply.status == 201, reply.body
    found: dict[str, Any] = reply.body["field"]
    return found


def tier(api: Api) -> dict[str, Any]:
    return field(api, "tier", field_type="single_value_fixed", field_options=words("gold", "silver"))


def values(api: Api, service_id: str) -> dict[str, Any]:
    found = api.ask("GET", f"/services/{service_id}/custom_fields/values").body["custom_fields"]
    return {one["name"]: one["value"] for one in found}


def put(api: Api, service_id: str, *wishes: dict[str, Any]) -> Any:
    return api.ask("PUT", f"/services/{service_id}/custom_fields/values", {"custom_fields": list(wishes)})


def test_a_field_reads_back_is_changed_and_deleted(api: Api) -> None:
    one = tier(api)
    assert (one["type"], one["summary"], one["enabled"], one["description"]) == ("field", "Tier", True, None)
    assert [each["data"]["value"] for each in one["field_options"]] == ["gold", "silver"]
    path = f"{ALL}/{one['id']}"
    assert api.ask("GET", path, query=[("include[]", "field_options")]).body["field"] == one
    plain = {name: value for name, value in one.items() if name != "field_options"}
    assert api.ask("GET", path).body["field"] == plain
    assert api.ask("GET", ALL).body["fields"] == [plain]
    before = audited(api)
    api.later(minutes=1)
    assert api.ask("PUT", path, {"field": one}).body["field"] == one
    assert audited(api) == before
    wish = {"display_name": "Level", "description": "How dear", "enabled": False, "name": "ignored"}
    changed = api.ask("PUT", path, {"field": wish}).body["field"]
    assert (changed["display_name"], changed["description"], changed["enabled"], changed["name"]) == ("Level", "How dear", False, "tier")
    assert (changed["field_options"], audited(api)) == (one["field_options"], before + 1)
    assert api.ask("DELETE", path).status == 204
    assert (api.ask("GET", path).status, api.ask("GET", ALL).body["fields"]) == (404, [])


def test_options_are_listed_added_renamed_and_removed(api: Api) -> None:
    one = tier(api)
    path = f"{ALL}/{one['id']}/field_options"
    gold, silver = one["field_options"]
    tin = api.ask("POST", path, {"field_option": words("tin")[0]})
    assert (tin.status, tin.body["field_option"]["data"]["value"]) == (201, "tin")
    assert api.ask("GET", path).body["field_options"] == [gold, silver, tin.body["field_option"]]
    api.later(minutes=1)
    renamed = api.ask("PUT", f"{path}/{gold['id']}", {"field_option": words("platinum")[0]}).body["field_option"]
    assert (renamed["id"], renamed["created_at"], renamed["data"]["value"]) == (gold["id"], gold["created_at"], "platinum")
    assert renamed["updated_at"] > gold["updated_at"]
    assert api.ask("GET", f"{path}/{gold['id']}").body["field_option"] == renamed
    assert api.ask("DELETE", f"{path}/{gold['id']}").status == 204
    assert api.ask("GET", f"{path}/{gold['id']}").status == 404
    wish = [{**words("SILVER")[0], "id": silver["id"]}, *words("iron")]
    after = api.ask("PUT", f"{ALL}/{one['id']}", {"field": {"field_options": wish}}).body["field"]["field_options"]
    assert [each["data"]["value"] for each in after] == ["SILVER", "iron"]
    assert after[0]["id"] == silver["id"]
    api.ask("DELETE", f"{path}/{after[1]['id']}")
    last = api.ask("DELETE", f"{path}/{silver['id']}")
    assert last.body["error"]["errors"] == ["A fixed field keeps at least one option: add another first, or delete the field"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "Tier!"}, "lower-case letters"),
        ({"name": "tier"}, "Name has already been taken"),
        ({"display_name": "TIER"}, "Display name has already been taken"),
        ({"display_name": ""}, "Display name must be 1 to 50"),
        ({"description": "x" * 1001}, "at most 1000"),
        ({"data_type": "money"}, "Data type must be one of boolean"),
        ({"data_type": "paragraph"}, "Data type must be one of boolean"),
        ({"field_type": "many"}, "Field type must be one of"),
        ({"data_type": "integer", "field_type": "multi_value"}, "its data type must be string"),
        ({"field_type": "single_value_fixed"}, "needs at least one field option"),
        ({"field_options": words("a")}, "Only single_value_fixed"),
        ({"field_type": "multi_value_fixed", "field_options": words("a", "a")}, "a value of its own"),
        ({"field_type": "multi_value_fixed", "field_options": words("a" * 101)}, "1 to 100 characters"),
        ({"field_type": "multi_value_fixed", "field_options": [{"data": {"data_type": "integer", "value": "1"}}]}, "must be string"),
        ({"name": None}, "field.name: expected"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_with_its_reason_and_nothing_is_made(api: Api, fields: dict[str, Any], reason: str) -> None:
    tier(api)
    wish = {"name": "cost", "display_name": "Cost", "data_type": "string", "field_type": "single_value", **fields}
    before = audited(api)
    reply = api.ask("POST", ALL, {"field": wish})
    assert reply.status == 400
    assert reason in " ".join(reply.body["error"]["errors"])
    assert (len(api.ask("GET", ALL).body["fields"]), audited(api)) == (1, before)


def test_a_service_holds_values_by_id_or_name_and_all_are_kept_or_none(api: Api) -> None:
    service = made(api)["id"]
    level = tier(api)
    for name, data_type, field_type in (
        ("live", "boolean", "single_value"), ("nodes", "integer", "single_value"), ("cost", "float", "single_value"),
        ("since", "datetime", "single_value"), ("wiki", "url", "single_value"), ("tags", "string", "multi_value"),
    ):  # fmt: skip
        field(api, name, data_type, field_type)
    nothing = dict.fromkeys(("tier", "live", "nodes", "cost", "since", "wiki", "tags"))
    assert values(api, service) == nothing
    wanted = {
        "live": False, "nodes": 0, "cost": 1.5, "since": "2026-11-23T09:00:00Z", "wiki": "https://wiki.example.org/x", "tags": ["a", "b"],
    }  # fmt: skip
    reply = put(api, service, {"id": level["id"], "value": "gold"}, *({"name": name, "value": value} for name, value in wanted.items()))
    assert reply.status == 201
    assert values(api, service) == wanted | {"tier": "gold"}
    before = audited(api)
    assert put(api, service, {"name": "live", "value": False}, {"name": "tags", "value": ["a", "b"]}).status == 201
    assert audited(api) == before
    half = put(api, service, {"name": "nodes", "value": 9}, {"name": "tier", "value": "tin"})
    assert half.body["error"]["errors"] == ["tier must be one of its field options: gold, silver"]
    assert (values(api, service)["nodes"], audited(api)) == (0, before)
    assert put(api, service, {"name": "tier", "value": None}, {"name": "nodes", "value": 3}).status == 201
    assert (values(api, service)["tier"], values(api, service)["nodes"], audited(api)) == (None, 3, before + 1)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"name": "nodes", "value": True}, "nodes must be a whole number"),
        ({"name": "nodes", "value": "3"}, "nodes must be a whole number"),
        ({"name": "nodes"}, "needs the id or the name of a field, and a value"),
        ({"value": 3}, "needs the id or the name of a field, and a value"),
        ({"name": "none", "value": 3}, "There is no field none"),
    ],
)
def test_a_wrong_value_is_refused(api: Api, wish: dict[str, Any], reason: str) -> None:
    service = made(api)["id"]
    field(api, "nodes", "integer")
    reply = put(api, service, wish)
    assert reply.status == 400
    assert reason in " ".join(reply.body["error"]["errors"])
    assert values(api, service) == {"nodes": None}


def test_a_field_named_twice_or_switched_off_takes_no_value(api: Api) -> None:
    service = made(api)["id"]
    one = field(api, "nodes", "integer")
    assert put(api, service, {"name": "nodes", "value": 1}, {"id": one["id"], "value": 2}).status == 400
    api.ask("PUT", f"{ALL}/{one['id']}", {"field": {"enabled": False}})
    assert put(api, service, {"name": "nodes", "value": 1}).status == 400
    assert values(api, service) == {}


def test_what_was_written_stays_when_its_option_is_renamed_and_goes_with_its_field(api: Api) -> None:
    service = made(api)["id"]
    one = tier(api)
    put(api, service, {"name": "tier", "value": "gold"})
    gold = one["field_options"][0]["id"]
    api.ask("PUT", f"{ALL}/{one['id']}/field_options/{gold}", {"field_option": words("platinum")[0]})
    assert values(api, service) == {"tier": "gold"}
    api.ask("DELETE", f"{ALL}/{one['id']}")
    assert values(api, service) == {}
    assert api.ask("DELETE", f"/services/{service}").status == 204


def test_webhooks_hear_what_was_and_what_is_held(api: Api) -> None:
    service = made(api)["id"]
    field(api, "nodes", "integer")
    hook = {
        "type": "webhook_subscription", "events": ["service.custom_field_values.updated"], "filter": {"type": "account_reference"},
        "delivery_method": {"type": "http_delivery_method", "url": "https://example.org/hook"},
    }  # fmt: skip
    assert api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": hook}).status == 200
    put(api, service, {"name": "nodes", "value": 3})
    with api.house.db.read() as tx:
        (body,) = tx.connection.exec_driver_sql("SELECT body FROM webhook_deliveries").one()
    told = json.loads(body)["event"]["data"]
    assert [(one["name"], one["value"]) for one in told["custom_fields"]] == [("nodes", 3)]
    assert [(one["name"], one["value"]) for one in told["changed_custom_fields"]] == [("nodes", None)]
