"""Tags over the API: put on, taken off, listed from both sides, gone with what they were on (BEHAVIOUR 10)."""

from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.test_services import audited, policy
from tests.people import ADA, BO


def change(api: Api, at: str, *, add: Any = None, remove: Any = None, who: str = "cy") -> Any:
    body = {name: value for name, value in (("add", add), ("remove", remove)) if value is not None}
    return api.ask("POST", f"{at}/change_tags", body, who=who, ours=True)


def labels(api: Api, at: str) -> list[str]:
    return [one["label"] for one in api.ask("GET", f"{at}/tags").body["tags"]]


def test_a_label_is_one_tag_letter_for_letter(api: Api) -> None:
    made = api.ask("POST", "/tags", {"tag": {"type": "tag", "label": "Batman"}}).body["tag"]
    assert (made["type"], made["label"], made["summary"], made["html_url"]) == ("tag", "Batman", "Batman", None)
    assert api.ask("GET", f"/tags/{made['id']}").body["tag"] == made
    again = api.ask("POST", "/tags", {"tag": {"label": "Batman"}})
    assert (again.status, again.body["error"]["errors"]) == (400, ["Label has already been taken"])
    for label in ("batman", " Batman", "x" * 191):
        assert api.ask("POST", "/tags", {"tag": {"label": label}}).status == 201
    for label in ("", "  ", "x" * 192):
        assert api.ask("POST", "/tags", {"tag": {"label": label}}).status == 400
    assert [one["label"] for one in api.ask("GET", "/tags", query=[("query", "bat")]).body["tags"]] == [" Batman", "Batman", "batman"]
    assert api.ask("DELETE", f"/tags/{made['id']}").status == 204
    assert api.ask("GET", f"/tags/{made['id']}").status == 404


@pytest.mark.parametrize("kind", ["users", "teams", "escalation_policies"])
def test_tags_are_put_on_and_taken_off_and_new_labels_become_tags(api: Api, kind: str) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Night"}}).body["team"]["id"]
    id_ = {"users": ADA.id, "teams": team, "escalation_policies": policy(api)}[kind]
    at = f"/{kind}/{id_}"
    known = api.ask("POST", "/tags", {"tag": {"label": "Known"}}).body["tag"]["id"]
    reply = change(api, at, add=[{"type": "tag", "label": "New"}, {"type": "tag_reference", "id": known}])
    assert (reply.status, reply.body) == (200, {})
    assert labels(api, at) == ["Known", "New"]
    before = audited(api)
    assert change(api, at, add=[{"type": "tag", "label": "New"}], remove=[]).status == 200
    assert audited(api) == before
    (found,) = api.ask("GET", f"/tags/{known}/{kind}").body[kind]
    assert (found["id"], found["type"]) == (id_, kind.removesuffix("s").replace("policie", "policy") + "_reference")
    assert change(api, at, remove=[{"type": "tag_reference", "id": known}]).status == 200
    assert labels(api, at) == ["New"]
    assert api.ask("GET", f"/tags/{known}/{kind}").body[kind] == []
    if kind != "users":
        assert api.ask("DELETE", at).status == 204
        new = api.ask("GET", "/tags", query=[("query", "New")]).body["tags"][0]["id"]
        assert api.ask("GET", f"/tags/{new}/{kind}").body[kind] == []


def test_a_wrong_change_changes_nothing(api: Api) -> None:
    at = f"/users/{BO.id}"
    good = {"type": "tag", "label": "Good"}
    for wrong in (
        {"type": "tag_reference", "id": "PNONE00"}, {"type": "tag_reference"}, {"type": "tag"}, {"type": "tag", "label": ""}, {"type": "planet"},
    ):  # fmt: skip
        reply = change(api, at, add=[good, wrong])
        assert reply.status == 400, wrong
        assert reply.body["error"]["errors"]
    assert change(api, at, remove=[{"type": "tag_reference", "id": "PNONE00"}]).status == 400
    assert change(api, "/planets/PNONE00", add=[good]).status == 404
    assert change(api, "/users/PNONE00", add=[good]).status == 404
    assert (labels(api, at), api.ask("GET", "/tags").body["tags"]) == ([], [])


def test_a_user_who_goes_takes_the_tags_off(api: Api) -> None:
    assert change(api, f"/users/{BO.id}", add=[{"type": "tag", "label": "Second line"}]).status == 200
    tag = api.ask("GET", "/tags").body["tags"][0]["id"]
    assert api.ask("DELETE", f"/users/{BO.id}").status == 204
    assert api.ask("GET", f"/tags/{tag}/users").body["users"] == []
    assert change(api, f"/users/{BO.id}", add=[{"type": "tag", "label": "Second line"}]).status == 404


def test_only_who_may_change_somebody_tags_them(api: Api) -> None:
    assert change(api, f"/users/{ADA.id}", add=[{"type": "tag", "label": "Me"}], who="ada").status == 200
    assert change(api, f"/users/{BO.id}", add=[{"type": "tag", "label": "You"}], who="ada").status == 403
