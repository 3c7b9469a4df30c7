"""Users and teams as SCIM 2.0 documents, and what a document that was sent means; the documents in which SCIM describes itself.

Source: RFC 7643 sections 4 and 5 to 7; a group is a team.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import json, times
from tocsin.core.permission import BASE_ROLES
from tocsin.core.scim_filter import CORE, ScimProblem
from tocsin.core.scim_patch import LISTS, NAMES
from tocsin.service.directory import Person

MESSAGES: Final = "urn:ietf:params:scim:api:messages:2.0:"
USER, GROUP = f"{CORE}User", f"{CORE}Group"
COVERAGE: Final = "urn:tocsin:params:scim:schemas:1.0:LeftUncovered"
"""In the answer to a change that shuts somebody out: what that leaves uncovered."""
PAGE_MOST: Final = 200
"""Users or groups in one answer."""

KEPT: Final = ("externalId", "timezone", "title", "active", "roles", "members")
"""What a PUT that does not speak of it leaves as it is; null and an empty list take it away."""

Document = dict[str, Any]


def user(row: sa.Row[Any], teams: Sequence[sa.Row[Any]], base: str) -> Document:
    """A user as a document; `teams` are those they are in."""
    given, _, family = row.name.partition(" ")
    document: Document = {
        "schemas": [USER],
        "id": row.id,
        "externalId": row.external_id,
        "userName": row.user_name or row.email,
        "displayName": row.name,
        "name": {"formatted": row.name, "givenName": given, "familyName": family},
        "title": row.job_title,
        "timezone": row.time_zone,
        "active": not row.is_disabled,
        "emails": [{"value": row.email, "type": "work", "primary": True}],
        "roles": [{"value": row.role, "primary": True}],
        "groups": [{"value": team.id, "display": team.name, "type": "direct", "$ref": f"{base}/Groups/{team.id}"} for team in teams],
    }
    return _finished(document, row, f"{base}/Users/{row.id}", "User")


def group(row: sa.Row[Any], members: Sequence[sa.Row[Any]], base: str) -> Document:
    """A team as a document."""
    document: Document = {
        "schemas": [GROUP],
        "id": row.id,
        "externalId": row.external_id,
        "displayName": row.name,
        "members": [{"value": one.id, "display": one.name, "type": "User", "$ref": f"{base}/Users/{one.id}"} for one in members],
    }
    return _finished(document, row, f"{base}/Groups/{row.id}", "Group")


def _finished(document: Document, row: sa.Row[Any], location: str, kind: str) -> Document:
    """Without what is not there, and with its `meta`: the version is made of what the document says."""
    told = {name: value for name, value in document.items() if value is not None}
    version = hashlib.blake2b(json.canonical({**told, "groups": []}), digest_size=12).hexdigest()
    meta = {
        "resourceType": kind, "created": times.iso(row.created_at), "lastModified": times.iso(row.updated_at or row.created_at),
        "location": location, "version": f'W/"{version}"',
    }  # fmt: skip
    return {**told, "meta": meta}


def sent(document: Mapping[str, Any]) -> Document:
    """A whole document that was sent, under the names we know; what cannot be kept is passed over (RFC 7644 3.3)."""
    found: Document = {}
    for name, value in document.items():
        known = NAMES.get(name.lower()) if isinstance(name, str) else None
        if known is None or value is None:
            continue
        if known in LISTS:
            found[known] = [_regular(one) for one in (value if isinstance(value, list) else [value])]
        else:
            found[known] = _regular(value) if isinstance(value, Mapping) else value
    return found


def replaced(before: Mapping[str, Any], document: Mapping[str, Any]) -> Document:
    """What a document becomes by PUT: what was sent; of what is not spoken of, what directories rarely know stays (RFC 7644 3.5.1)."""
    spoken = {name.lower() for name in document}
    kept = {name: before[name] for name in KEPT if name in before and name.lower() not in spoken}
    return kept | sent(document)


def _regular(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {NAMES[name.lower()]: one for name, one in value.items() if isinstance(name, str) and name.lower() in NAMES}
    return {"value": value} if isinstance(value, str) else value


def person(document: Mapping[str, Any], before: Mapping[str, Any] | None, *, follows: bool = False) -> Person:
    """What a user's document means; `before` is the document as it was.

    follows  whether the address goes with a user name that was the address and is another one now
    Raises ScimProblem (invalidValue) saying which part is none.
    """
    emails = _values(document, "emails")
    first = next((one for one in emails if _truth(one.get("primary"), "emails.primary", default=False)), emails[0] if emails else {})
    address = _text(first, "value") or ""
    user_name = _text(document, "userName") or ""
    if not user_name:
        raise ScimProblem("invalidValue", "userName is needed")
    was_name, was_address = (before["userName"], before["emails"][0]["value"]) if before else (None, None)
    went_on = follows and user_name != was_name and was_name == was_address == address
    if "@" in user_name and (not address or went_on):
        address = user_name
    roles = _values(document, "roles")
    role = _text(roles[0], "value") if roles else None
    if len(roles) > 1 or (role is not None and role not in BASE_ROLES):
        raise ScimProblem("invalidValue", f"roles may hold one of {', '.join(BASE_ROLES)}")
    if not address:
        raise ScimProblem("invalidValue", "an e-mail address is needed: as userName, or in emails")
    return Person(
        user_name=user_name, email=address, name=_name(document, before) or user_name, title=_text(document, "title"),
        time_zone=_text(document, "timezone"), role=role, is_active=_truth(document.get("active"), "active", default=True),
        external_id=_text(document, "externalId"),
    )  # fmt: skip


def _name(document: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    """The one name of a user: of the ways in which a document says it, the one that changed, else the fullest."""
    parts = document.get("name")
    if parts is not None and not isinstance(parts, Mapping):
        raise ScimProblem("invalidValue", "name must be an object")
    parts, was = parts or {}, before or {}
    was_parts = was.get("name", {})
    joined = " ".join(one for one in (_text(parts, "givenName"), _text(parts, "familyName")) if one)
    ways = (
        (_text(document, "displayName"), was.get("displayName")),
        (_text(parts, "formatted"), was_parts.get("formatted")),
        (joined, " ".join(one for one in (was_parts.get("givenName"), was_parts.get("familyName")) if one)),
    )
    return next((is_ for is_, was_ in ways if is_ and is_ != was_), None) or next((is_ for is_, _ in ways if is_), "")


def team(document: Mapping[str, Any]) -> Document:
    """What a group's document means: `name`, `member_ids`, `external_id`. Raises ScimProblem saying which part is none."""
    name = _text(document, "displayName")
    if not name:
        raise ScimProblem("invalidValue", "displayName is needed")
    ids = [_text(one, "value") for one in _values(document, "members")]
    if None in ids:
        raise ScimProblem("invalidValue", "each of members needs a value: the id of a user")
    return {"name": name, "member_ids": ids, "external_id": _text(document, "externalId")}


def _values(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise ScimProblem("invalidValue", f"{name} must be a list of objects")
    return found


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ScimProblem("invalidValue", f"{name} must be a text")
    return value.strip() or None if value is not None else None


def _truth(value: Any, name: str, *, default: bool) -> bool:
    """A truth value; some directories write it as a text."""
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if value is not None and not isinstance(value, bool):
        raise ScimProblem("invalidValue", f"{name} must be true or false")
    return default if value is None else value


# -------------------------------------------------------------------------------------------- what SCIM says of itself


def configuration(base: str) -> Document:
    """ServiceProviderConfig."""
    no = {"supported": False}
    return {
        "schemas": [f"{CORE}ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": PAGE_MOST},
        "changePassword": no,
        "sort": no,
        "etag": {"supported": True},
        "authenticationSchemes": [
            {"type": "oauthbearertoken", "name": "Bearer token", "description": "A token an administrator makes for the directory", "primary": True}
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }


def resource_types(base: str) -> list[Document]:
    return [
        {
            "schemas": [f"{CORE}ResourceType"], "id": name, "name": name, "endpoint": f"/{name}s", "description": words, "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for name, schema, words in (("User", USER, "A person"), ("Group", GROUP, "A team"))
    ]  # fmt: skip


def _attribute(name: str, type_: str = "string", **more: Any) -> Document:
    return {
        "name": name, "type": type_, "multiValued": False, "required": False, "caseExact": False, "mutability": "readWrite",
        "returned": "default", "uniqueness": "none", "description": name, **more,
    }  # fmt: skip


def schemas(base: str) -> list[Document]:
    """What users and groups hold here."""
    value = _attribute("value")
    kinds = [_attribute("type"), _attribute("primary", "boolean")]
    refers = [_attribute("value", caseExact=True), _attribute("display", mutability="readOnly")]
    attributes = {
        "User": (
            USER,
            [
                _attribute("userName", required=True, uniqueness="server"),
                _attribute("name", "complex", subAttributes=[_attribute(one) for one in ("formatted", "givenName", "familyName")]),
                *(_attribute(one) for one in ("displayName", "title", "timezone")),
                _attribute("active", "boolean"),
                _attribute("emails", "complex", multiValued=True, subAttributes=[value, *kinds]),
                _attribute("roles", "complex", multiValued=True, subAttributes=[{**value, "canonicalValues": list(BASE_ROLES)}, *kinds]),
                _attribute("groups", "complex", multiValued=True, mutability="readOnly", subAttributes=refers),
            ],
        ),
        "Group": (
            GROUP,
            [_attribute("displayName", required=True, uniqueness="server"), _attribute("members", "complex", multiValued=True, subAttributes=refers)],
        ),
    }
    return [
        {
            "schemas": [f"{CORE}Schema"], "id": schema, "name": name, "description": name, "attributes": found,
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"},
        }
        for name, (schema, found) in attributes.items()
    ]  # fmt: skip
