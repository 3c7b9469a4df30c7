"""Integrations: the ways into a service, their keys, and the mapping of the generic reader (BEHAVIOUR 2.1)."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, made

MAILED = {"type": "generic_email_inbound_integration", "integration_email": "x@acme.example.org"}


@pytest.fixture
def at(api: Api) -> str:
    return f"/services/{made(api)['id']}/integrations"


def way(api: Api, at: str, **fields: object) -> dict[str, Any]:
    body = {"type": "events_api_v2_inbound_integration", "name": "Prometheus", **fields}
    reply = api.ask("POST", at, {"integration": body})
    assert reply.status == 201, reply.body
    integration: dict[str, Any] = reply.body["integration"]
    return integration


def test_an_integration_gets_a_key_of_its_own(api: Api, at: str) -> None:
    one, two = way(api, at), way(api, at)
    assert len(one["integration_key"]) == 32
    assert set(one["integration_key"]) <= set("0123456789abcdef")
    assert one["integration_key"] != two["integration_key"]
    assert one["self"] == f"https://tocsin.example.org{at}/{one['id']}"
    assert one["service"]["summary"] == "Checkout"
    assert api.ask("GET", f"{at}/{one['id']}").body["integration"] == one


def test_it_is_changed_and_keeps_its_key(api: Api, at: str) -> None:
    one = way(api, at, vendor={"id": "PAM4FGS", "type": "vendor_reference"})
    assert one["vendor"]["summary"] == "Datadog"
    changed = api.ask("PUT", f"{at}/{one['id']}", {"integration": {"name": "Datadog EU", "vendor": None}}).body["integration"]
    assert (changed["name"], changed["vendor"], changed["integration_key"]) == ("Datadog EU", None, one["integration_key"])
    before = audited(api)
    assert api.ask("PUT", f"{at}/{one['id']}", {"integration": changed}).body["integration"] == changed
    assert audited(api) == before


def test_it_is_deleted_as_the_terraform_provider_does(api: Api, at: str) -> None:
    one = way(api, at)
    assert api.ask("DELETE", f"{at}/{one['id']}").status == 204
    assert api.ask("GET", f"{at}/{one['id']}").status == 404


def test_it_is_found_only_under_its_own_service(api: Api, at: str) -> None:
    one = way(api, at)
    other = made(api, "Search", api.ask("GET", "/escalation_policies").body["escalation_policies"][0]["id"])
    assert api.ask("GET", f"/services/{other['id']}/integrations/{one['id']}").status == 404
    assert api.ask("DELETE", f"/services/{other['id']}/integrations/{one['id']}").status == 404
    assert api.ask("GET", f"{at}/{one['id']}").status == 200


def test_it_moves_to_another_service_with_its_key(api: Api, at: str) -> None:
    one = way(api, at)
    other = made(api, "Search", api.ask("GET", "/escalation_policies").body["escalation_policies"][0]["id"])
    body = {"integration": {"service": {"id": other["id"], "type": "service_reference"}}}
    api.ask("PUT", f"{at}/{one['id']}", body)
    moved = api.ask("GET", f"/services/{other['id']}/integrations/{one['id']}").body["integration"]
    assert (moved["integration_key"], moved["service"]["id"]) == (one["integration_key"], other["id"])


def test_an_email_integration_has_an_address_and_no_key(api: Api, at: str) -> None:
    email = {"type": "generic_email_inbound_integration", "integration_email": "checkout@acme.example.org"}
    one = way(api, at, **email)
    assert one["integration_email"] == "checkout@acme.example.org"
    assert "integration_key" not in one
    taken = api.ask("POST", at, {"integration": {"name": "Again", **email}})
    assert taken.body["error"]["errors"] == ["Integration email has already been taken"]


PARSER = {
    "action": "trigger",
    "match_predicate": {"type": "all", "children": [{"type": "contains", "part": "subject", "matcher": "CRIT", "children": []}]},
    "value_extractors": [
        {"type": "between", "part": "body", "value_name": "incident_key", "starts_after": "Host: ", "ends_before": "\n"},
        {"type": "regex", "part": "subject", "value_name": "what", "regex": "CRIT (.*)"},
    ],
}
FILTER = {"subject_mode": "match", "subject_regex": "CRIT", "body_mode": "always", "from_email_mode": "no-match", "from_email_regex": "news@"}


def test_what_an_email_integration_does_with_mails_is_read_back_as_it_was_written(api: Api, at: str) -> None:
    address = {"type": "generic_email_inbound_integration", "integration_email": "Checkout@acme.example.org"}
    plain = way(api, at, **address)
    assert {name: value for name, value in plain.items() if name.startswith("email_")} == {
        "email_incident_creation": "on_new_email_subject", "email_filter_mode": "all-email", "email_parsing_fallback": "open_new_incident"
    }  # fmt: skip
    rules = {
        "email_incident_creation": "use_rules", "email_filter_mode": "and-rules-email", "email_parsing_fallback": "discard",
        "email_filters": [FILTER], "email_parsers": [PARSER],
    }  # fmt: skip
    full = way(api, at, **address | {"integration_email": "orders@acme.example.org"}, **rules)
    assert {name: full[name] for name in rules} == rules
    before = audited(api)
    assert api.ask("PUT", f"{at}/{full['id']}", {"integration": full}).body["integration"] == full
    assert audited(api) == before
    only = api.ask("PUT", f"{at}/{full['id']}", {"integration": {"email_filter_mode": "all-email"}}).body["integration"]
    assert only == full | {"email_filter_mode": "all-email"}
    old = {**PARSER, "value_extractors": [{"type": "between", "part": "body", "value_name": "incident_key", "starts_after": "a", "ends_with": "b"}]}
    changed = api.ask("PUT", f"{at}/{full['id']}", {"integration": {"email_parsers": [old], "email_filters": []}}).body["integration"]
    assert changed["email_parsers"][0]["value_extractors"][0]["ends_before"] == "b"
    assert "email_filters" not in changed
    again = api.ask("POST", at, {"integration": {"name": "Again", **address, "integration_email": "checkout@ACME.example.org"}})
    assert again.body["error"]["errors"] == ["Integration email has already been taken"]


def test_a_mapping_of_the_generic_reader_is_checked_by_it_and_read_back(api: Api, at: str) -> None:
    settings = {"mapping": {"summary": "$.alert.title", "dedup_key": "$.alert.id"}}
    assert way(api, at, settings=settings)["settings"] == settings
    wrong = api.ask("POST", at, {"integration": {"name": "x", "settings": {"mapping": {"summary": "alert.title"}}}})
    assert wrong.status == 400
    assert "must start with $" in wrong.body["error"]["errors"][0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "carrier_pigeon_integration"}, "Type must be one of"),
        ({"name": "x" * 256}, "Name must have between 1 and 255"),
        ({"vendor": {"id": "PNOBODY", "type": "vendor_reference"}}, "Vendor not found"),
        ({"type": "generic_email_inbound_integration", "integration_email": "nobody"}, "not a valid e-mail address"),
        ({"type": "generic_email_inbound_integration"}, "Integration email cannot be empty"),
        ({"integration_email": "a@example.org"}, "belongs to the type generic_email"),
        ({"email_incident_creation": "use_rules"}, "Rules for mails belong to the type generic_email"),
        ({**MAILED, "email_incident_creation": "often"}, "Email incident creation must be one of"),
        ({**MAILED, "email_incident_creation": "use_rules"}, "Email parsers are needed"),
        ({**MAILED, "email_filters": [{"subject_mode": "match"}]}, "subject_regex is needed"),
        ({"settings": {"secret": 1}}, "Settings do not know secret"),
        ({"settings": {"mapping": {"colour": "$.c", "summary": "$.s"}}}, "'colour' is no field"),
    ],
)
def test_a_wrong_integration_is_refused_with_its_reason(api: Api, at: str, fields: dict[str, Any], words: str) -> None:
    reply = api.ask("POST", at, {"integration": {"name": "Wrong", **fields}})
    assert reply.status == 400
    assert words in " ".join(reply.body["error"]["errors"])


def test_its_type_cannot_be_changed(api: Api, at: str) -> None:
    one = way(api, at)
    reply = api.ask("PUT", f"{at}/{one['id']}", {"integration": {"type": "nagios_inbound_integration"}})
    assert "cannot be changed" in reply.body["error"]["errors"][0]


def test_included_things_are_whole(api: Api, at: str) -> None:
    one = way(api, at, vendor={"id": "PAM4FGS", "type": "vendor_reference"})
    shown = api.ask("GET", f"{at}/{one['id']}", query=[("include[]", "services"), ("include[]", "vendors")]).body["integration"]
    assert (shown["service"]["status"], shown["vendor"]["name"]) == ("active", "Datadog")


def test_the_key_is_not_in_the_audit_trail(api: Api, at: str) -> None:
    one = way(api, at)
    records = api.ask("GET", "/audit/records", query=[("since", "2026-11-23T00:00:00Z"), ("until", "2026-11-24T00:00:00Z")]).body
    assert one["integration_key"] not in str(records)
