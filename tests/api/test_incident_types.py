"""Incident types, their fields and the values incidents hold (BEHAVIOUR 3.3): over the API, on both databases."""

from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_incidents import desk, error, house, made
from tocsin.store.tables import engine

__all__ = ["desk", "house"]  # fixtures

TYPES = "/incidents/types"
OLD = "/incidents/custom_fields"


def new_type(api: Api, name: str, *, parent: str = "incident_default", **more: Any) -> dict[str, Any]:
    wish = {"name": name, "display_name": name.capitalize(), "parent_type": parent, **more}
    reply = api.ask("POST", TYPES, {"incident_type": wish})
    assert reply.status == 201, reply.body
    api.later(seconds=1)
    told: dict[str, Any] = reply.body["incident_type"]
    return told


def new_field(api: Api, name: str, at: str = f"{TYPES}/incident_default/custom_fields", **more: Any) -> dict[str, Any]:
    wish = {"name": name, "display_name": name.capitalize(), "data_type": "string", "field_type": "single_value", **more}
    reply = api.ask("POST", at, {"field": wish}, ours=wish["data_type"] == "paragraph")
    assert reply.status == 201, reply.body
    api.later(seconds=1)
    told: dict[str, Any] = reply.body["field"]
    return told


def refused(api: Api, method: str, path: str, body: Any) -> str:
    reply = api.ask(method, path, body)
    assert reply.status == 400, reply.body
    return "; ".join(reply.body["error"]["errors"])


def options(*words: str) -> list[dict[str, Any]]:
    return [{"data": {"data_type": "string", "value": word}} for word in words]


def put_values(api: Api, incident: dict[str, Any], *values: dict[str, Any], who: str = "ada") -> Any:
    return api.ask("PUT", f"/incidents/{incident['id']}/custom_fields/values", {"custom_fields": list(values)}, who=who)


def values_of(api: Api, incident: dict[str, Any]) -> dict[str, Any]:
    reply = api.ask("GET", f"/incidents/{incident['id']}/custom_fields/values")
    return {one["name"]: one["value"] for one in reply.body["custom_fields"]}


def audited(api: Api, root_id: str) -> list[str]:
    """What was done to a type and what is part of it, in order."""
    with api.house.db.read() as tx:
        rows = tx.rows(sa.select(engine.audit.c.action).where(engine.audit.c.root_id == root_id).order_by(engine.audit.c.at, engine.audit.c.id))
    return [row.action for row in rows]


# --- Types


def test_the_base_type_is_always_there_and_stays_as_it_is(desk: Api) -> None:
    (base,) = desk.ask("GET", TYPES).body["incident_types"]
    assert (base["name"], base["display_name"], base["enabled"], base["parent"]) == ("incident_default", "Base Incident", True, None)
    assert desk.ask("GET", f"{TYPES}/incident_default").body == desk.ask("GET", f"{TYPES}/{base['id']}").body
    assert "cannot be changed" in refused(desk, "PUT", f"{TYPES}/incident_default", {"incident_type": {"enabled": False}})


def test_a_type_is_made_changed_and_switched_off_and_each_change_is_audited_once(desk: Api) -> None:
    fraud = new_type(desk, "fraud", description="Money")
    child = new_type(desk, "card_fraud", parent=fraud["id"])
    assert child["parent"] == {"id": fraud["id"], "type": "incident_type_reference"}
    desk.later(seconds=5)
    for _ in range(2):
        reply = desk.ask("PUT", f"{TYPES}/fraud", {"incident_type": {"display_name": "Deceit", "enabled": False}})
        assert (reply.body["incident_type"]["display_name"], reply.body["incident_type"]["enabled"]) == ("Deceit", False)
    assert reply.body["incident_type"]["updated_at"] == "2026-11-23T09:00:07Z"
    assert audited(desk, fraud["id"]) == ["create", "update"]
    listed = {word: desk.ask("GET", TYPES, query=[("filter", word)]).body["incident_types"] for word in ("enabled", "disabled", "all")}
    names = {word: [one["name"] for one in found] for word, found in listed.items()}
    assert names == {
        "enabled": ["incident_default", "card_fraud"],
        "disabled": ["fraud"],
        "all": ["incident_default", "fraud", "card_fraud"],
    }


BAD_TYPES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "my_default"}, "_default"),
    ({"name": "Big Letters"}, "lower-case"),
    ({"name": "x" * 51}, "1 to 50"),
    ({"display_name": "PagerDuty ours"}, "PagerDuty"),
    ({"display_name": ""}, "1 to 50"),
    ({"description": "x" * 1001}, "1000"),
    ({"parent_type": "nowhere"}, "does not exist"),
    ({"name": "fraud"}, "already been taken"),
    ({"display_name": "FRAUD"}, "already been taken"),
)


def test_a_type_that_breaks_a_rule_is_refused_with_the_rule(desk: Api) -> None:
    new_type(desk, "fraud")
    good = {"name": "other", "display_name": "Other", "parent_type": "incident_default"}
    for wish, words in BAD_TYPES:
        assert words in refused(desk, "POST", TYPES, {"incident_type": good | wish})
    assert len(desk.ask("GET", TYPES).body["incident_types"]) == 2


def test_types_stand_at_most_ten_deep(desk: Api) -> None:
    parent = "incident_default"
    for at in range(9):
        parent = new_type(desk, f"deep{at}", parent=parent)["name"]
    wish = {"name": "deepest", "display_name": "Deepest", "parent_type": parent}
    assert "one below another" in refused(desk, "POST", TYPES, {"incident_type": wish})


# --- Fields


def test_a_field_reads_back_as_it_was_written_and_is_had_by_types_below(desk: Api) -> None:
    new_type(desk, "security")
    place = new_field(desk, "place", field_type="single_value_fixed", field_options=options("lab", "shop"), default_value="lab")
    own = new_field(desk, "leak", f"{TYPES}/security/custom_fields", data_type="boolean")
    assert [one["data"]["value"] for one in place["field_options"]] == ["lab", "shop"]
    assert own["incident_type"] != place["incident_type"] == desk.ask("GET", f"{TYPES}/incident_default").body["incident_type"]["id"]
    listed = desk.ask("GET", f"{TYPES}/security/custom_fields").body["fields"]
    assert [one["name"] for one in listed] == ["place", "leak"]
    assert "field_options" not in listed[0]
    whole = desk.ask("GET", f"{TYPES}/security/custom_fields/{place['id']}", query=[("include[]", "field_options")]).body["field"]
    assert whole == place
    assert [one["name"] for one in desk.ask("GET", f"{TYPES}/incident_default/custom_fields").body["fields"]] == ["place"]
    assert error(desk.ask("GET", f"{TYPES}/incident_default/custom_fields/{own['id']}")) == (404, 2100)


BAD_FIELDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "Place"}, "lower-case"),
    ({"data_type": "colour"}, "Data type must be one of"),
    ({"field_type": "many"}, "Field type must be one of"),
    ({"data_type": "integer", "field_type": "multi_value"}, "must be string"),
    ({"field_type": "single_value_fixed"}, "at least one field option"),
    ({"field_options": options("a")}, "have field options"),
    ({"field_type": "multi_value_fixed", "field_options": options("a", "a")}, "value of its own"),
    ({"field_type": "multi_value_fixed", "field_options": options("x" * 101)}, "1 to 100"),
    ({"field_type": "single_value_fixed", "field_options": options("a"), "default_value": "b"}, "Default value"),
    ({"data_type": "integer", "default_value": 1.5}, "whole number"),
    ({"name": "taken"}, "already been taken"),
    ({"display_name": "taken"}, "already been taken"),
)


def test_a_field_that_breaks_a_rule_is_refused_with_the_rule(desk: Api) -> None:
    new_type(desk, "below")
    new_field(desk, "taken", f"{TYPES}/below/custom_fields")  # names are unique up and down the line
    good = {"name": "good", "display_name": "Good", "data_type": "string", "field_type": "single_value"}
    for wish, words in BAD_FIELDS:
        assert words in refused(desk, "POST", f"{TYPES}/incident_default/custom_fields", {"field": good | wish})
    assert desk.ask("GET", f"{TYPES}/incident_default/custom_fields").body["fields"] == []


def test_a_field_and_its_options_are_changed_in_one_request_or_by_themselves(desk: Api) -> None:
    field = new_field(desk, "place", field_type="multi_value_fixed", field_options=options("lab", "shop"))
    at, (lab, shop) = f"{TYPES}/incident_default/custom_fields/{field['id']}", field["field_options"]
    swap = [{"id": lab["id"], **options("shop")[0]}, {"id": shop["id"], **options("lab")[0]}, *options("roof")]
    told = desk.ask("PUT", at, {"field": {"display_name": "Where", "field_options": swap}}).body["field"]
    assert [one["data"]["value"] for one in told["field_options"]] == ["shop", "lab", "roof"]
    added = desk.ask("POST", f"{at}/field_options", {"field_option": options("cellar")[0]})
    assert added.status == 201
    changed = desk.ask("PUT", f"{at}/field_options/{added.body['field_option']['id']}", {"field_option": options("attic")[0]})
    assert desk.ask("GET", f"{at}/field_options/{added.body['field_option']['id']}").body == changed.body
    assert desk.ask("DELETE", f"{at}/field_options/{lab['id']}").status == 204
    assert [one["data"]["value"] for one in desk.ask("GET", f"{at}/field_options").body["field_options"]] == ["lab", "roof", "attic"]
    before = len(audited(desk, field["incident_type"]))
    assert desk.ask("PUT", at, {"field": {"display_name": "Where"}}).status == 200
    assert len(audited(desk, field["incident_type"])) == before
    assert desk.ask("DELETE", at).status == 204
    assert error(desk.ask("GET", at)) == (404, 2100)


def test_a_fixed_field_keeps_an_option_and_the_one_its_default_names(desk: Api) -> None:
    field = new_field(desk, "place", field_type="single_value_fixed", field_options=options("lab", "shop"), default_value="lab")
    at, (lab, shop) = f"{TYPES}/incident_default/custom_fields/{field['id']}", field["field_options"]
    assert error(desk.ask("DELETE", f"{at}/field_options/{lab['id']}")) == (400, 2001)
    assert "Default value" in refused(desk, "PUT", f"{at}/field_options/{lab['id']}", {"field_option": options("roof")[0]})
    assert desk.ask("PUT", at, {"field": {"default_value": None}}).status == 200
    assert desk.ask("DELETE", f"{at}/field_options/{lab['id']}").status == 204
    assert error(desk.ask("DELETE", f"{at}/field_options/{shop['id']}")) == (400, 2001)


def test_the_limits_of_fields_are_kept(desk: Api) -> None:
    new_type(desk, "below")
    for number in range(5):
        home = "below" if number % 2 else "incident_default"
        new_field(desk, f"tags{number}", f"{TYPES}/{home}/custom_fields", field_type="multi_value")
        new_field(desk, f"story{number}", data_type="paragraph")
    good = {"name": "more", "display_name": "More", "data_type": "string", "field_type": "multi_value"}
    assert "at most 5 tag" in refused(desk, "POST", f"{TYPES}/incident_default/custom_fields", {"field": good})
    assert "at most 5 paragraph" in refused(
        desk, "POST", f"{TYPES}/incident_default/custom_fields", {"field": good | {"data_type": "paragraph", "field_type": "single_value"}}
    )
    more = options(*(f"o{number}" for number in range(200)))
    field = new_field(desk, "many", field_type="single_value_fixed", field_options=more)
    at = f"{TYPES}/incident_default/custom_fields/{field['id']}/field_options"
    assert "at most 200" in refused(desk, "POST", at, {"field_option": options("one more")[0]})


def test_the_older_way_is_the_base_types_fields_with_its_own_limits(desk: Api) -> None:
    field = new_field(desk, "place", OLD, field_type="single_value_fixed", field_options=options("lab"))
    assert (field["self"], field["namespace"]) == (f"https://tocsin.example.org{OLD}/{field['id']}", "incidents")
    assert [one["id"] for one in desk.ask("GET", f"{TYPES}/incident_default/custom_fields").body["fields"]] == [field["id"]]
    assert desk.ask("PUT", f"{OLD}/{field['id']}", {"field": {"description": "Where"}}).body["field"]["description"] == "Where"
    assert desk.ask("GET", f"{OLD}/{field['id']}", query=[("include[]", "field_options")]).body["field"]["field_options"]
    for number in range(9):
        assert desk.ask("POST", f"{OLD}/{field['id']}/field_options", {"field_option": options(f"o{number}")[0]}).status == 201
        new_field(desk, f"more{number}", OLD)
    assert "at most 10" in refused(desk, "POST", f"{OLD}/{field['id']}/field_options", {"field_option": options("eleventh")[0]})
    good = {"name": "eleventh", "display_name": "Eleventh", "data_type": "string", "field_type": "single_value"}
    assert "at most 10" in refused(desk, "POST", OLD, {"field": good})
    listed = desk.ask("GET", OLD).body["fields"]
    assert len(listed) == 10
    assert desk.ask("DELETE", f"{OLD}/{field['id']}").status == 204


# --- Values


def test_an_incident_begins_with_the_defaults_of_its_type_and_keeps_them(desk: Api) -> None:
    new_type(desk, "security")
    place = new_field(desk, "place", default_value="lab")
    new_field(desk, "leak", f"{TYPES}/security/custom_fields", data_type="boolean", default_value=False)
    plain, secret = made(desk), made(desk, incident_type={"name": "security"})
    assert (plain["incident_type"], secret["incident_type"]) == ({"name": "incident_default"}, {"name": "security"})
    assert values_of(desk, plain) == {"place": "lab"}
    assert values_of(desk, secret) == {"place": "lab", "leak": False}
    at = f"{TYPES}/incident_default/custom_fields/{place['id']}"
    assert desk.ask("PUT", at, {"field": {"default_value": "roof"}}).status == 200
    assert values_of(desk, plain)["place"] == "lab"
    assert values_of(desk, made(desk))["place"] == "roof"


def test_values_read_back_as_they_were_written_and_the_same_again_logs_nothing(desk: Api) -> None:
    kinds = {
        "flag": ("boolean", True), "size": ("integer", -3), "share": ("float", 0.5), "word": ("string", "größer"),
        "since": ("datetime", "2026-11-23T09:00:00+01:00"), "link": ("url", "https://example.org/a?b=c"),
    }  # fmt: skip
    for name, (data_type, _) in kinds.items():
        new_field(desk, name, data_type=data_type)
    tags = new_field(desk, "tags", field_type="multi_value")
    incident = made(desk)
    wished = [{"name": name, "value": value} for name, (_, value) in kinds.items()] + [{"id": tags["id"], "value": ["a", "b"]}]
    for _ in range(2):
        assert put_values(desk, incident, *wished).status == 201
    assert values_of(desk, incident) == {name: value for name, (_, value) in kinds.items()} | {"tags": ["a", "b"]}
    included = desk.ask("GET", f"/incidents/{incident['id']}", query=[("include[]", "custom_fields")]).body["incident"]
    assert [one["name"] for one in included["custom_fields"]] == [*kinds, "tags"]
    log = desk.ask("GET", f"/incidents/{incident['id']}/log_entries").body["log_entries"]
    changes = [one for one in log if one["type"] == "custom_field_value_change_log_entry"]
    assert [one["changeset"] for one in changes] == [[*kinds, "tags"]]
    assert put_values(desk, incident, {"name": "flag", "value": None}, {"name": "size", "value": 1}).status == 201
    assert (values_of(desk, incident)["flag"], values_of(desk, incident)["size"]) == (None, 1)


BAD_VALUES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "size", "value": "7"}, "whole number"),
    ({"name": "size", "value": True}, "whole number"),
    ({"name": "size", "value": 2**60}, "whole number"),
    ({"name": "place", "value": "moon"}, "one of its field options: lab, shop"),
    ({"name": "places", "value": "lab"}, "list of texts"),
    ({"name": "places", "value": ["lab", "lab"]}, "twice"),
    ({"name": "places", "value": ["moon"]}, "one of its field options"),
    ({"name": "link", "value": "javascript:alert(1)"}, "https://"),
    ({"name": "link", "value": "https://" + "x" * 200}, "200"),
    ({"name": "since", "value": "2026-11-23"}, "with its zone"),
    ({"name": "since", "value": "2026-02-30T00:00:00Z"}, "with its zone"),
    ({"name": "nowhere", "value": 1}, "does not exist"),
    ({"value": 1}, "id or the name"),
    ({"name": "size"}, "a value"),
)


def test_a_value_a_field_does_not_take_is_refused_and_nothing_changes(desk: Api) -> None:
    new_field(desk, "size", data_type="integer", default_value=1)
    new_field(desk, "place", field_type="single_value_fixed", field_options=options("lab", "shop"))
    new_field(desk, "places", field_type="multi_value_fixed", field_options=options("lab", "shop"))
    new_field(desk, "link", data_type="url")
    new_field(desk, "since", data_type="datetime")
    new_field(desk, "word")
    incident = made(desk)
    before = values_of(desk, incident)
    for value, words in BAD_VALUES:
        reply = put_values(desk, incident, {"name": "word", "value": "good"}, value)
        assert error(reply) == (400, 2001), value
        assert words in "; ".join(reply.body["error"]["errors"])
    assert values_of(desk, incident) == before


def test_values_of_a_resolved_incident_may_change_and_another_type_brings_its_fields(desk: Api) -> None:
    new_type(desk, "security")
    new_field(desk, "leak", f"{TYPES}/security/custom_fields", data_type="boolean", default_value=True)
    incident = made(desk)
    assert "does not exist" in str(put_values(desk, incident, {"name": "leak", "value": False}).body)
    body = {"incident": {"type": "incident", "incident_type": {"name": "security"}, "status": "resolved"}}
    for _ in range(2):
        desk.ask("PUT", f"/incidents/{incident['id']}", body, who="ada")
    assert values_of(desk, incident) == {"leak": True}
    assert put_values(desk, incident, {"name": "leak", "value": False}).status == 201
    assert values_of(desk, incident) == {"leak": False}
    log = desk.ask("GET", f"/incidents/{incident['id']}/log_entries").body["log_entries"]
    assert [one["changeset"] for one in log if one["type"] == "field_value_change_log_entry"] == [["incident_type"]]


def test_a_type_that_is_not_there_or_off_is_refused(desk: Api) -> None:
    new_type(desk, "old", enabled=False)
    incident = made(desk)
    for name, words in (("old", "is disabled"), ("none", "does not exist")):
        body = {"incident": {"type": "incident", "title": "Other", "incident_type": {"name": name}}}
        assert words in refused(desk, "PUT", f"/incidents/{incident['id']}", body)
    assert desk.ask("GET", f"/incidents/{incident['id']}").body["incident"]["title"] == "Slow"


def test_a_disabled_field_and_one_that_is_gone_are_shown_no_longer(desk: Api) -> None:
    field = new_field(desk, "place", default_value="lab")
    incident = made(desk)
    at = f"{TYPES}/incident_default/custom_fields/{field['id']}"
    assert desk.ask("PUT", at, {"field": {"enabled": False}}).body["field"]["enabled"] is False
    assert values_of(desk, incident) == {}
    assert desk.ask("PUT", at, {"field": {"enabled": True}}).status == 200
    assert values_of(desk, incident) == {"place": "lab"}
    assert desk.ask("DELETE", at).status == 204
    assert values_of(desk, incident) == {}
