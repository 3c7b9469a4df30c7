"""A directory at the door: users and teams brought, changed, shut out and taken away by SCIM 2.0."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import TABLE
from tests.people import ADA, BO, CY, save_people
from tocsin.api import scim
from tocsin.api.kernel.call import House, Reply, Request
from tocsin.base import json
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import directory, people, sessions
from tocsin.service.audit import Deed
from tocsin.service.sessions import Browser, Lifetimes
from tocsin.store.db import Database

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
HOME = Browser("192.0.2.1", "a browser")
PASSWORD = "a calm sunday morning"


@dataclass
class Directory:
    """A directory and the house it writes to; an admin's key beside it."""

    house: House
    now: datetime
    token: str
    admin: str

    def ask(self, method: str, path: str, body: Any = None, *, query: dict[str, str] | None = None, raw: bytes | None = None, **headers: str) -> Reply:
        sent = raw if raw is not None else b"" if body is None else json.encode(body)
        plain = {"content-type": "application/scim+json", "authorization": f"Bearer {self.token}", "host": "tocsin.example.org"}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method=method, path=f"/scim/v2{path}", now=self.now, request_id="r", query=list((query or {}).items()), headers=plain | more, body=sent
        )  # fmt: skip
        reply = scim.answer(self.house, request)
        if reply.body is not None:
            assert reply.headers["content-type"] == "application/scim+json"
            if reply.status >= 400:
                assert reply.body["schemas"] == [ERROR]
                assert reply.body["status"] == str(reply.status)
                assert reply.body["detail"]
        return reply

    def patch(self, path: str, *operations: dict[str, Any], if_match: str = "") -> Reply:
        return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, if_match=if_match)

    def api(self, method: str, path: str, body: Any = None, key: str | None = None) -> Reply:
        headers = {"content-type": "application/json", "authorization": f"Token token={key or self.admin}", "from": CY.email}
        request = Request(method=method, path=path, now=self.now, request_id="r", headers=headers, body=b"" if body is None else json.encode(body))
        return TABLE.answer(self.house, request)

    def bring(self, address: str = "dee@example.org", **more: Any) -> dict[str, Any]:
        reply = self.ask("POST", "/Users", {"userName": address, **more})
        assert reply.status == 201, reply.body
        found: dict[str, Any] = reply.body
        return found


@pytest.fixture
def company(db: Database, seals: Seals, now: datetime) -> Directory:
    house = House(db=db, seals=seals, chance=Random(7), base_url="https://tocsin.example.org")
    with db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
        deed = Deed(HOUSE, now, house.chance)
        token = directory.create_token(tx, deed, seals, label="Company").text
        admin = people.create_key(tx, deed, seals, label="admin", user_id=CY.id).text
    return Directory(house, now, token, admin)


def test_a_user_is_brought_found_changed_and_taken_away(company: Directory) -> None:
    made = company.ask(
        "POST", "/Users",
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "dee@example.org", "externalId": "d-1", "displayName": "Dee Okafor",
         "title": "Engineer", "timezone": "Africa/Lagos", "roles": [{"value": "limited_user"}], "emails": [{"value": "dee@example.org", "primary": "True"}],
         "password": "ignored", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "x"}},
    )  # fmt: skip
    assert made.status == 201
    dee = made.body
    assert made.headers["location"] == dee["meta"]["location"] == f"https://tocsin.example.org/scim/v2/Users/{dee['id']}"
    assert (dee["active"], dee["externalId"], dee["name"]["familyName"], dee["roles"][0]["value"]) == (True, "d-1", "Okafor", "limited_user")
    user = company.api("GET", f"/users/{dee['id']}").body["user"]
    assert (user["name"], user["email"], user["role"], user["time_zone"], user["job_title"]) == ("Dee Okafor", "dee@example.org", "limited_user", "Africa/Lagos", "Engineer")
    assert user["contact_methods"], "somebody brought by a directory can be reached at once"
    for text in ('userName eq "DEE@example.org"', 'emails.value eq "dee@example.org"', 'externalId eq "d-1"', f'id eq "{dee["id"]}"', 'emails[value co "dee@"]'):
        found = company.ask("GET", "/Users", query={"filter": text}).body
        assert [one["id"] for one in found["Resources"]] == [dee["id"]], text
    changed = company.ask("PUT", f"/Users/{dee['id']}", {"userName": "dee@example.org", "name": {"givenName": "Dee", "familyName": "Byron"}}).body
    assert (changed["displayName"], changed["timezone"], changed["title"], changed["externalId"]) == ("Dee Byron", "Africa/Lagos", "Engineer", "d-1")
    changed = company.ask("PUT", f"/Users/{dee['id']}", {"userName": "dee@example.org", "displayName": "Dee", "title": None}).body
    assert "title" not in changed
    moved = company.patch(f"/Users/{dee['id']}", {"op": "replace", "path": "userName", "value": "dee.byron@example.org"}).body
    assert moved["emails"][0]["value"] == "dee.byron@example.org"
    assert company.ask("DELETE", f"/Users/{dee['id']}").status == 204
    assert company.ask("GET", f"/Users/{dee['id']}").status == 404
    records = company.api("GET", "/audit/records").body["records"]
    by_directory = [one for one in records if one["method"]["type"] == "identity_provider"]
    assert {one["action"] for one in by_directory} == {"create", "update", "delete"}
    assert {one["actors"][0]["summary"] for one in by_directory} == {"Company"}


def test_pages_walk_everybody_once_and_show_only_what_was_asked_for(company: Directory) -> None:
    for n in range(7):
        company.bring(f"user{n}@example.org")
    seen, start = [], 1
    while True:
        page = company.ask("GET", "/Users", query={"startIndex": str(start), "count": "3", "attributes": "userName"}).body
        assert page["totalResults"] == 10
        if not page["Resources"]:
            break
        assert all(one.keys() == {"schemas", "id", "userName"} for one in page["Resources"])
        seen += [one["userName"] for one in page["Resources"]]
        start += page["itemsPerPage"]
    assert len(seen) == len(set(seen)) == 10
    assert company.ask("GET", "/Users", query={"count": "0"}).body["Resources"] == []
    assert "emails" not in company.ask("GET", "/Users", query={"excludedAttributes": "emails,groups"}).body["Resources"][0]
    active = company.ask("GET", "/Users", query={"filter": 'active eq true and userName sw "user"', "count": "2", "startIndex": "6"}).body
    assert (active["totalResults"], len(active["Resources"])) == (7, 2)


def test_a_user_name_that_is_no_address_is_kept_as_it_is(company: Directory) -> None:
    dee = company.bring("dokafor", emails=[{"value": "home@example.org"}, {"value": "dee@example.org", "primary": True}])
    assert (dee["userName"], dee["emails"][0]["value"], dee["displayName"]) == ("dokafor", "dee@example.org", "dokafor")
    assert company.ask("GET", "/Users", query={"filter": 'userName eq "DOKAFOR"'}).body["totalResults"] == 1
    assert company.ask("GET", "/Users", query={"filter": 'userName eq "dee@example.org"'}).body["totalResults"] == 0
    taken = company.ask("POST", "/Users", {"userName": "dokafor", "emails": ["other@example.org"]})
    assert (taken.status, taken.body["scimType"]) == (409, "uniqueness")
    taken = company.ask("POST", "/Users", {"userName": "dee@example.org"})
    assert (taken.status, taken.body["scimType"]) == (409, "uniqueness")


def on_call(company: Directory, user_id: str) -> str:
    """A policy with this user on its only level; its id."""
    rule = {"escalation_delay_in_minutes": 5, "targets": [{"id": user_id, "type": "user_reference"}]}
    reply = company.api("POST", "/escalation_policies", {"escalation_policy": {"name": "Night", "escalation_rules": [rule]}})
    assert reply.status == 201, reply.body
    return str(reply.body["escalation_policy"]["id"])


@pytest.mark.parametrize("operation", [{"op": "Replace", "value": {"active": "False"}}, {"op": "replace", "path": "active", "value": False}])
def test_who_is_shut_out_is_out_at_once_and_what_that_leaves_uncovered_is_told(company: Directory, operation: dict[str, Any]) -> None:
    db, seals = company.house.db, company.house.seals
    dee = company.bring()["id"]
    on_call(company, dee)
    with db.write() as tx:
        deed = Deed(HOUSE, company.now, Random(3))
        people.set_password(tx, deed, dee, PASSWORD)
        key = people.create_key(tx, deed, seals, label="dee", user_id=dee).text
    opened = sessions.sign_in(db, seals, "dee@example.org", PASSWORD, HOME, Lifetimes(), now=company.now, chance=Random(4))
    assert company.api("GET", "/users/me", key=key).status == 200
    shut = company.patch(f"/Users/{dee}", operation)
    assert shut.status == 200, shut.body
    assert shut.body["active"] is False
    (hole,) = shut.body["urn:tocsin:params:scim:schemas:1.0:LeftUncovered"]["holes"]
    assert hole.startswith("Night: nobody is reached from 2")
    assert company.api("GET", "/users/me", key=key).status == 401
    with db.read() as tx:
        assert sessions.find(tx, seals, opened.token, Lifetimes(), now=company.now) is None
    records = company.api("GET", f"/users/{dee}/audit/records").body["records"]
    told = [field for record in records for field in record["details"]["fields"] if field["name"] == "left_uncovered"]
    assert told[0]["value"] == hole
    back = company.patch(f"/Users/{dee}", {"op": "replace", "value": {"active": True}})
    assert (back.status, back.body["active"]) == (200, True)
    assert company.api("GET", "/users/me", key=key).status == 401  # a key that was revoked stays so
    assert sessions.sign_in(db, seals, "dee@example.org", PASSWORD, HOME, Lifetimes(), now=company.now, chance=Random(5)).token
    kept = company.ask("PUT", f"/Users/{dee}", {"userName": "dee@example.org", "active": False})
    assert kept.body["active"] is False
    assert company.ask("PUT", f"/Users/{dee}", {"userName": "dee@example.org", "displayName": "Dee L"}).body["active"] is False  # nobody is let in by silence


def test_whom_others_depend_on_is_not_deleted_and_the_reasons_are_listed(company: Directory) -> None:
    policy = on_call(company, ADA.id)
    refused = company.ask("DELETE", f"/Users/{ADA.id}")
    assert refused.status == 409
    assert policy in refused.body["detail"]
    assert company.ask("GET", f"/Users/{ADA.id}").status == 200


def test_the_owner_is_out_of_a_directorys_reach(company: Directory) -> None:
    with company.house.db.write() as tx:
        owner = people.create_owner(tx, Deed(HOUSE, company.now, Random(3)), name="Olu", email="olu@example.org", password=None)
    for reply in (
        company.patch(f"/Users/{owner}", {"op": "replace", "path": "active", "value": False}),
        company.patch(f"/Users/{owner}", {"op": "replace", "path": "roles", "value": [{"value": "user"}]}),
        company.patch(f"/Users/{BO.id}", {"op": "replace", "path": "roles", "value": "owner"}),
        company.ask("POST", "/Users", {"userName": "x@example.org", "roles": ["owner"]}),
    ):
        assert reply.status == 403
    assert company.ask("DELETE", f"/Users/{owner}").status == 409
    renamed = company.patch(f"/Users/{owner}", {"op": "replace", "path": "displayName", "value": "Olu A"})
    assert (renamed.status, renamed.body["roles"][0]["value"]) == (200, "owner")


def test_a_group_is_a_team(company: Directory) -> None:
    made = company.ask("POST", "/Groups", {"displayName": "Storage", "externalId": "g-1", "members": [{"value": ADA.id}]})
    assert made.status == 201, made.body
    id_ = made.body["id"]
    assert [one["display"] for one in made.body["members"]] == [ADA.name]
    assert company.ask("GET", f"/Users/{ADA.id}").body["groups"][0]["display"] == "Storage"
    assert company.api("PUT", f"/teams/{id_}/users/{ADA.id}", {"role": "observer"}).status == 204
    joined = company.patch(f"/Groups/{id_}", {"op": "Add", "path": "members", "value": [{"value": BO.id}, {"value": ADA.id}]})
    assert [one["value"] for one in joined.body["members"]] == sorted([ADA.id, BO.id])
    members = {one["user"]["id"]: one["role"] for one in company.api("GET", f"/teams/{id_}/members").body["members"]}
    assert members[ADA.id] == "observer", "who is in it already keeps their role in it"
    left = company.patch(f"/Groups/{id_}", {"op": "remove", "path": f'members[value eq "{ADA.id}"]'}, {"op": "replace", "value": {"displayName": "Discs"}})
    assert ([one["value"] for one in left.body["members"]], left.body["displayName"]) == ([BO.id], "Discs")
    assert company.api("GET", f"/teams/{id_}").body["team"]["name"] == "Discs"
    found = company.ask("GET", "/Groups", query={"filter": 'displayName eq "discs"', "excludedAttributes": "members"}).body["Resources"]
    assert [one["id"] for one in found] == [id_]
    assert "members" not in found[0]
    assert company.ask("GET", "/Groups", query={"filter": f'members.value eq "{BO.id}"'}).body["totalResults"] == 1
    for body, status, word in (
        ({"displayName": "Discs"}, 409, "uniqueness"), ({}, 400, "invalidValue"), ({"displayName": "x", "members": [{"value": "PNOSUCH"}]}, 400, "invalidValue"),
        ({"displayName": "x", "members": [{}]}, 400, "invalidValue"), ({"displayName": "x" * 300}, 400, "invalidValue"), ({"displayName": 1}, 400, "invalidValue"),
    ):  # fmt: skip
        reply = company.ask("POST", "/Groups", body)
        assert (reply.status, reply.body.get("scimType")) == (status, word), body
    assert [one["displayName"] for one in company.ask("GET", "/Groups").body["Resources"]] == ["Discs"], "what is refused leaves nothing"
    assert company.ask("PUT", f"/Groups/{id_}", {"displayName": "Discs", "members": []}).body["members"] == []
    assert company.ask("DELETE", f"/Groups/{id_}").status == 204
    assert company.api("GET", f"/teams/{id_}").status == 404


def test_a_change_of_another_version_is_not_done(company: Directory) -> None:
    got = company.ask("GET", f"/Users/{ADA.id}")
    version = got.headers["etag"]
    assert version == got.body["meta"]["version"]
    assert company.ask("GET", f"/Users/{ADA.id}", if_none_match=version).status == 304
    rename = {"op": "replace", "path": "displayName", "value": "Ada L"}
    changed = company.patch(f"/Users/{ADA.id}", rename, if_match=version)
    assert changed.status == 200
    assert changed.headers["etag"] != version
    assert company.patch(f"/Users/{ADA.id}", {**rename, "value": "Ada M"}, if_match=version).status == 412
    assert company.ask("DELETE", f"/Users/{ADA.id}", if_match=version).status == 412
    assert company.ask("GET", f"/Users/{ADA.id}", if_none_match=version).body["displayName"] == "Ada L"
    assert company.patch(f"/Users/{ADA.id}", rename, if_match="*").status == 200


def test_scim_says_of_itself_what_it_can(company: Directory) -> None:
    configuration = company.ask("GET", "/ServiceProviderConfig").body
    assert (configuration["patch"]["supported"], configuration["bulk"]["supported"], configuration["etag"]["supported"]) == (True, False, True)
    assert [one["id"] for one in company.ask("GET", "/ResourceTypes").body["Resources"]] == ["User", "Group"]
    schema = company.ask("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User").body
    named = {one["name"] for one in schema["attributes"]}
    assert company.ask("GET", f"/Users/{ADA.id}").body.keys() - {"schemas", "id", "externalId", "meta"} <= named
    assert company.ask("GET", "/Schemas").body["totalResults"] == 2


def test_what_cannot_be_is_refused_in_scims_shape(company: Directory) -> None:
    ada = f"/Users/{ADA.id}"
    for method, path, body, status, word in (
        ("GET", "/Users/PNOSUCH", None, 404, None), ("GET", "/Nothing", None, 404, None), ("GET", "", None, 404, None), ("GET", "/Schemas/x", None, 404, None),
        ("GET", f"{ada}/more", None, 404, None), ("PATCH", "/Users", {}, 405, None), ("POST", ada, {}, 405, None), ("POST", "/Schemas", {}, 405, None),
        ("POST", "/Users", {}, 400, "invalidValue"), ("POST", "/Users", {"userName": "dee"}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "d@e.org", "active": "perhaps"}, 400, "invalidValue"), ("POST", "/Users", {"userName": "d@e.org", "roles": ["king"]}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "d@e.org", "timezone": "Mars/Phobos"}, 400, "invalidValue"), ("POST", "/Users", {"userName": 1}, 400, "invalidValue"),
        ("POST", "/Users", {"userName": "d@e.org", "emails": 3}, 400, "invalidValue"), ("POST", "/Users", {"userName": "x" * 300}, 400, "invalidValue"),
        ("PATCH", ada, {"Operations": []}, 400, "invalidSyntax"), ("PATCH", ada, {"Operations": [{"op": "replace", "path": "id", "value": "x"}]}, 400, "mutability"),
        ("PATCH", ada, {"Operations": [{"op": "remove", "path": "userName"}]}, 400, "invalidValue"),
        ("PATCH", ada, {"Operations": [{"op": "replace", "path": "name", "value": "Ada"}]}, 400, "invalidValue"),
        ("PATCH", ada, {"Operations": [{"op": "remove", "path": "x"}] * 1001}, 413, None),
    ):  # fmt: skip
        reply = company.ask(method, path, body)
        assert (reply.status, reply.body.get("scimType")) == (status, word), (method, path, body, reply.body)
    assert company.ask("GET", "/Users", query={"filter": "userName is x"}).body["scimType"] == "invalidFilter"
    assert company.ask("GET", "/Users", query={"count": "many"}).status == 400
    assert company.ask("GET", "/Users", query={"filter": 'userName eq "\\u0000"'}).status in {200, 400}
    for raw, kind, status in ((b"{", "application/scim+json", 400), (b"[]", "application/json", 400), (b"{}", "text/plain", 415), (b'{"userName":"\\u0000"}', "application/json", 400)):
        assert company.ask("POST", "/Users", raw=raw, content_type=kind).status == status


def test_only_a_directorys_token_opens_the_directory_and_it_opens_nothing_else(company: Directory) -> None:
    for header in ("", "Bearer nonsense", f"Bearer {company.admin}", f"Basic {company.token}"):
        refused = company.ask("GET", "/Users", authorization=header)
        assert (refused.status, "Bearer" in refused.headers["www-authenticate"]) == (401, True)
    assert company.ask("GET", "/Users", authorization=f"Token token={company.token}").status == 200  # as PagerDuty's client sends it
    assert company.api("GET", "/users", key=company.token).status == 401
    (kept,) = company.api("GET", "/api/v1/scim_tokens").body["scim_tokens"]
    assert kept["last_used_at"] is not None
    assert company.token not in str(kept)
    short = company.api("POST", "/api/v1/scim_tokens", {"scim_token": {"label": "Short", "expires_at": (company.now + timedelta(hours=1)).isoformat()}}).body["scim_token"]
    assert company.ask("GET", "/Users", authorization=f"Bearer {short['secret']}").status == 200
    company.now += timedelta(hours=1)
    assert company.ask("GET", "/Users", authorization=f"Bearer {short['secret']}").status == 401
    assert company.api("DELETE", f"/api/v1/scim_tokens/{kept['id']}").status == 204
    assert company.ask("GET", "/Users").status == 401


@pytest.fixture
def alone(sqlite_db: Database, seals: Seals, now: datetime) -> Directory:
    house = House(db=sqlite_db, seals=seals, chance=Random(7), base_url="https://tocsin.example.org")
    with sqlite_db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
        token = directory.create_token(tx, Deed(HOUSE, now, house.chance), seals, label="Company").text
    return Directory(house, now, token, "")


_LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8) | st.sampled_from([ADA.email, "d@e.org", ADA.id])
_NAMES = st.sampled_from(["userName", "emails", "roles", "name", "active", "displayName", "members", "value", "primary", "title", "timezone", "externalId", "givenName", "x", "Operations"])
_BODIES = st.dictionaries(_NAMES, st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=6), max_size=6)
_OPERATIONS = st.lists(st.fixed_dictionaries({"op": st.sampled_from(["add", "Replace", "remove"])}, optional={"path": st.sampled_from(["active", "emails", "name", "members", "displayName", 'emails[type eq "work"].value', "userName"]), "value": _BODIES | _LEAVES}), max_size=3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=_BODIES, operations=_OPERATIONS)
def test_no_document_is_a_fault(alone: Directory, body: dict[str, Any], operations: list[Any]) -> None:
    for path in ("/Users", "/Groups"):
        assert alone.ask("POST", path, body).status in {201, 400, 403, 409}
    assert alone.ask("PUT", f"/Users/{BO.id}", body).status in {200, 400, 403, 409}
    assert alone.patch(f"/Users/{BO.id}", *operations).status in {200, 400, 403, 409}
