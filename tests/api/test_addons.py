"""Add-ons over the API: https only, for everybody or on incidents of some services (BEHAVIOUR 10)."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy

SRC = "https://intranet.example.com/status?team=1"


def addon(api: Api, **fields: Any) -> dict[str, Any]:
    reply = api.ask("POST", "/addons", {"addon": {"type": "full_page_addon", "name": "Status", "src": SRC, **fields}})
    assert reply.status == 201, reply.body
    made_: dict[str, Any] = reply.body["addon"]
    return made_


def listed(api: Api, *query: tuple[str, str]) -> list[str]:
    return [one["name"] for one in api.ask("GET", "/addons", query=query).body["addons"]]


def test_an_addon_reads_back_and_the_same_again_changes_nothing(api: Api) -> None:
    one = addon(api)
    assert (one["type"], one["name"], one["src"], one["summary"]) == ("full_page_addon_reference", "Status", SRC, "Status")
    at = f"/addons/{one['id']}"
    shown = api.ask("GET", at).body["addon"]
    assert shown == one | {"type": "full_page_addon"}
    before = audited(api)
    assert api.ask("PUT", at, {"addon": shown}).body["addon"] == shown
    assert api.ask("PUT", at, {"addon": one}).body["addon"] == shown
    assert audited(api) == before
    assert api.ask("PUT", at, {"addon": {"name": "Other"}}).body["addon"]["name"] == "Other"
    assert audited(api) == before + 1
    assert api.ask("DELETE", at).status == 204
    assert api.ask("GET", at).status == 404


def test_one_of_incidents_stands_with_its_services_or_with_all(api: Api) -> None:
    shop, disk = made(api, "Shop")["id"], made(api, "Disk", policy(api, "Disk"))["id"]
    addon(api)
    addon(api, type="incident_show_addon", name="Everywhere")
    here = addon(api, type="incident_show_addon", name="Here", services=[{"id": shop, "type": "service_reference"}])
    assert [one["id"] for one in here["services"]] == [shop]
    assert listed(api) == ["Everywhere", "Here", "Status"]
    assert listed(api, ("filter", "incident_show_addon")) == ["Everywhere", "Here"]
    assert listed(api, ("service_ids[]", disk)) == ["Everywhere"]
    assert listed(api, ("service_ids[]", shop)) == ["Everywhere", "Here"]
    assert [one["summary"] for one in api.ask("GET", f"/services/{shop}").body["service"]["addons"]] == ["Everywhere", "Here"]
    whole = api.ask("GET", "/addons", query=[("include[]", "services"), ("service_ids[]", shop)]).body["addons"][1]["services"]
    assert (whole[0]["type"], whole[0]["name"]) == ("service", "Shop")
    at = f"/addons/{here['id']}"
    assert api.ask("PUT", at, {"addon": {"services": [{"id": disk}]}}).body["addon"]["services"][0]["id"] == disk
    assert api.ask("DELETE", f"/services/{disk}").status == 204
    assert api.ask("GET", at).body["addon"]["services"] == []
    assert "services" not in api.ask("PUT", at, {"addon": {"type": "full_page_addon"}}).body["addon"]


@pytest.mark.parametrize(
    "fields",
    [
        {"src": "http://intranet.example.com"}, {"src": "javascript:alert(1)"}, {"src": "https://"}, {"src": "https://user@x.org/"},
        {"src": 'https://x.org/"><script>'}, {"src": "https://x.org/" + "y" * 2048}, {"src": "https://x.org:99999/"},
        {"name": ""}, {"name": "n" * 101}, {"type": "planet"}, {"type": "incident_show_addon", "services": [{"id": "PNONE00"}]},
    ],
)  # fmt: skip
def test_a_wrong_addon_is_refused_with_its_reason(api: Api, fields: dict[str, Any]) -> None:
    reply = api.ask("POST", "/addons", {"addon": {"type": "full_page_addon", "name": "Status", "src": SRC} | fields})
    assert reply.status == 400
    assert reply.body["error"]["errors"]
    assert listed(api) == []
