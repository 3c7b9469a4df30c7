"""SCIM 2.0 under `/scim/v2`: a directory's requests in, documents out.

Laws:
1. Only the token of a directory opens this, and it opens nothing else.
2. Every answer with a body is `application/scim+json`; every refusal has SCIM's shape and, where there is one, SCIM's word.
3. A change that names a version (`If-Match`) is done to that version or not at all.
Source: RFC 7644; BEHAVIOUR 10 (the address).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api import scim_shapes as shapes
from tocsin.api.kernel.call import House, Reply, Request, asked_at
from tocsin.api.scim_shapes import Document
from tocsin.base import json
from tocsin.base.errors import Refusal
from tocsin.core import scim_filter, scim_patch
from tocsin.core.permission import Actor
from tocsin.core.scim_filter import Compare, Filter, ScimProblem
from tocsin.service import directory
from tocsin.service.audit import Deed
from tocsin.service.coverage import Change
from tocsin.store import directory as rows
from tocsin.store import entrance, people
from tocsin.store.db import Tx

PREFIX: Final = "/scim/v2"
PAGE: Final = 100
"""How many users or groups are answered when nothing is said."""
USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""`last_used_at` of a token is written at most this often."""

_TYPE: Final = "application/scim+json"
_BEARER: Final = re.compile(r"\s*(?:Bearer\s+|Token\s+token=\"?)([^\s\",]{1,512})\"?\s*", re.IGNORECASE)
_ID: Final = re.compile(r"[A-Za-z0-9]{1,40}")


@dataclass
class _Refused(Exception):
    """What is answered instead: a status, words, and SCIM's word for it."""

    status: int
    words: str
    scim_type: str = ""


@dataclass(frozen=True)
class _Asked:
    """A directory's request at work."""

    house: House
    request: Request
    actor: Actor
    base: str
    query: Mapping[str, str]

    @property
    def deed(self) -> Deed:
        request = self.request
        return Deed(self.actor, request.now, self.house.chance, request.request_id, request.remote_address)

    def header(self, name: str) -> str:
        return self.request.headers.get(name, "").strip()

    def document(self) -> Document:
        """The body. Raises _Refused (invalidSyntax) when it is no JSON object."""
        kind = self.header("content-type").partition(";")[0].strip().lower()
        if kind not in {_TYPE, "application/json"}:
            raise _Refused(415, f"the body must be {_TYPE} or application/json")
        try:
            value = json.decode(self.request.body)
        except (ValueError, UnicodeDecodeError) as error:
            raise _Refused(400, f"the body is not JSON: {error}", "invalidSyntax") from error
        if not isinstance(value, dict) or json.depth(value) > json.MAX_DEPTH:
            raise _Refused(400, f"the body must be an object, nested at most {json.MAX_DEPTH} levels deep", "invalidSyntax")
        if json.holds(value, "\0"):
            raise _Refused(400, "the body must not contain a null character", "invalidValue")
        return value


@dataclass(frozen=True)
class _Kind:
    """What differs between users and groups."""

    name: str
    all: Callable[[Tx, Filter | None], Sequence[sa.Row[Any]]]
    one: Callable[..., sa.Row[Any] | None]
    shown: Callable[[Tx, Sequence[sa.Row[Any]], str], list[Document]]


def answer(house: House, request: Request) -> Reply:
    """Answer one request under `/scim/v2`."""
    try:
        reply = _answer(house, request)
    except _Refused as refused:
        reply = _error(refused.status, refused.words, refused.scim_type)
    except ScimProblem as problem:
        reply = _error(413 if problem.scim_type == "tooMany" else 400, problem.words, "" if problem.scim_type == "tooMany" else problem.scim_type)
    except Refusal as refusal:
        words = " ".join([*refusal.errors]) if isinstance(refusal.errors, list) and refusal.errors else refusal.message
        word = {409: "uniqueness" if request.method != "DELETE" else "", 400: "invalidValue"}.get(refusal.status, "")
        reply = _error(refusal.status, words, word)
    except sa.exc.IntegrityError:
        reply = _error(409, "This collides with something that was made at the same moment: look, and send it again", "uniqueness")
    return Reply(reply.status, reply.body, {"content-type": _TYPE, **reply.headers} if reply.body is not None else reply.headers)


def _error(status: int, words: str, scim_type: str = "") -> Reply:
    body = {"schemas": [f"{shapes.MESSAGES}Error"], "status": str(status), "detail": words} | ({"scimType": scim_type} if scim_type else {})
    return Reply(status, body, {"www-authenticate": 'Bearer realm="Tocsin SCIM"'} if status == 401 else {})


def _answer(house: House, request: Request) -> Reply:
    asked = _let_in(house, request)
    parts = [part for part in request.path.removeprefix(PREFIX).split("/") if part]
    name, rest = (parts[0], parts[1:]) if parts else ("", [])
    about = {"ServiceProviderConfig": lambda: shapes.configuration(asked.base)}
    listed = {"ResourceTypes": lambda: shapes.resource_types(asked.base), "Schemas": lambda: shapes.schemas(asked.base)}
    if name in about and not rest:
        return _reading(asked, about[name]())
    if name in listed and len(rest) < 2:
        found = listed[name]()
        if not rest:
            return _reading(asked, _list(found, len(found), 1))
        chosen = next((one for one in found if one["id"].lower() == rest[0].lower()), None)
        if chosen is not None:
            return _reading(asked, chosen)
    kind = {"Users": _USERS, "Groups": _GROUPS}.get(name)
    if kind is None or len(rest) > 1 or (rest and not _ID.fullmatch(rest[0])):
        raise _Refused(404, f"There is nothing at {request.path[:200]}")
    method = "GET" if request.method == "HEAD" else request.method
    verb = (_ONE if rest else _ALL).get(method)
    if verb is None:
        raise _Refused(405, f"{request.method} is not answered here")
    return verb(asked, kind, *rest)


def _let_in(house: House, request: Request) -> _Asked:
    """The request with who sends it. Raises _Refused 401."""
    found = _BEARER.fullmatch(request.headers.get("authorization", ""))
    with house.db.read() as tx:
        known = directory.directory_of(tx, house.seals, found[1], request.now) if found else None
    if known is None:
        raise _Refused(401, "A directory's token is needed: an administrator makes one under Applications")
    actor, row = known
    if row.last_used_at is None or request.now - row.last_used_at >= USE_NOTED_EVERY:
        with house.db.write() as tx:
            entrance.note_directory(tx, row.id, request.now)
    query = {name.lower(): value for name, value in request.query}
    if any("\0" in value for value in query.values()):
        raise _Refused(400, "A query must not contain a null character", "invalidValue")
    return _Asked(house, request, actor, asked_at(request, house.base_url) + PREFIX, query)


def _reading(asked: _Asked, body: Document) -> Reply:
    if asked.request.method not in {"GET", "HEAD"}:
        raise _Refused(405, f"{asked.request.method} is not answered here")
    return Reply(200, body)


def _list(found: Sequence[Document], total: int, start: int) -> Document:
    return {
        "schemas": [f"{shapes.MESSAGES}ListResponse"], "totalResults": total, "startIndex": start, "itemsPerPage": len(found), "Resources": list(found),
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- verbs


def _listed(asked: _Asked, kind: _Kind) -> Reply:
    """A page of those for whom the filter holds."""
    text = asked.query.get("filter", "")
    wanted = scim_filter.read(text) if text else None
    start = max(_whole(asked, "startindex", 1), 1)
    count = min(max(_whole(asked, "count", PAGE), 0), shapes.PAGE_MOST)
    with asked.house.db.read() as tx:
        found = kind.all(tx, wanted)
        if wanted is None:
            documents, total = kind.shown(tx, found[start - 1 : start - 1 + count], asked.base), len(found)
        else:
            holding = [one for one in kind.shown(tx, found, asked.base) if scim_filter.holds(wanted, one)]
            documents, total = holding[start - 1 : start - 1 + count], len(holding)
    return Reply(200, _list([_projected(asked, one) for one in documents], total, start))


def _whole(asked: _Asked, name: str, default: int) -> int:
    text = asked.query.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise _Refused(400, f"{name} must be a whole number", "invalidValue")
    return int(text)


def _projected(asked: _Asked, document: Document) -> Document:
    """Only the attributes that were asked for, or without those that were not wanted; `schemas` and `id` always."""
    wanted, unwanted = (
        {scim_filter.path_of(word.strip())[0] for word in asked.query.get(name, "").split(",") if word.strip()}
        for name in ("attributes", "excludedattributes")
    )
    always = {"schemas", "id"}
    return {
        name: value
        for name, value in document.items()
        if name in always or ((not wanted or name.lower() in wanted) and name.lower() not in unwanted)
    }


def _shown(asked: _Asked, kind: _Kind, id_: str) -> Reply:
    with asked.house.db.read() as tx:
        document = _found(asked, kind, tx, id_)
    version = document["meta"]["version"]
    if _names(asked.header("if-none-match"), version):
        return Reply(304, None, {"etag": version})
    return Reply(200, _projected(asked, document), {"etag": version})


def _found(asked: _Asked, kind: _Kind, tx: Tx, id_: str, *, lock: bool = False) -> Document:
    """The document of this id. Raises _Refused 404; with `lock` also 412 when the request is about another version."""
    row = kind.one(tx, id_, lock=lock)
    if row is None:
        raise _Refused(404, f"There is no {kind.name} {id_}")
    document = kind.shown(tx, [row], asked.base)[0]
    wanted = asked.header("if-match")
    if lock and wanted and not _names(wanted, document["meta"]["version"]):
        raise _Refused(412, "It has changed since: read it again, and send the change for that version")
    return document


def _names(header: str, version: str) -> bool:
    """Whether a header of conditions names this version; weakness makes no difference here."""
    return header == "*" or version.removeprefix("W/") in {one.strip().removeprefix("W/") for one in header.split(",")}


def _made(asked: _Asked, kind: _Kind) -> Reply:
    document = shapes.sent(asked.document())
    with asked.house.db.write() as tx:
        if kind is _USERS:
            id_ = directory.bring(tx, asked.deed, shapes.person(document, None))
        else:
            id_ = directory.bring_team(tx, asked.deed, **shapes.team(document))
        made = _found(asked, kind, tx, id_)
    return Reply(201, _projected(asked, made), {"location": made["meta"]["location"], "etag": made["meta"]["version"]})


def _replaced(asked: _Asked, kind: _Kind, id_: str) -> Reply:
    document = asked.document()

    def becomes(before: Document) -> Document:
        return shapes.replaced(before, document)

    return _changed(asked, kind, id_, becomes)


def _patched(asked: _Asked, kind: _Kind, id_: str) -> Reply:
    document = asked.document()
    operations = next((value for name, value in document.items() if name.lower() == "operations"), None)

    def becomes(before: Document) -> Document:
        return scim_patch.patched(before, operations)

    return _changed(asked, kind, id_, becomes, follows=True)


def _changed(asked: _Asked, kind: _Kind, id_: str, becomes: Callable[[Document], Document], *, follows: bool = False) -> Reply:
    """Do a change; when it shuts somebody out, look first at what that leaves uncovered, and tell it with the answer.

    follows  whether the address goes with a user name that was the address
    """
    holes: list[Change] = []
    if kind is _USERS:
        with asked.house.db.read() as tx:
            before = _found(asked, kind, tx, id_)
        wish = shapes.person(becomes(before), before, follows=follows)
        if before["active"] and not wish.is_active:
            holes = directory.holes_of(asked.house.db, asked.deed, id_, wish)
    with asked.house.db.write() as tx:
        before = _found(asked, kind, tx, id_, lock=True)
        if kind is _USERS:
            directory.change(tx, asked.deed, id_, shapes.person(becomes(before), before, follows=follows), holes)
        else:
            directory.change_team(tx, asked.deed, id_, **shapes.team(becomes(before)))
        after = _found(asked, kind, tx, id_)
    told = _projected(asked, after)
    if holes:
        told = {**told, "schemas": [*told["schemas"], shapes.COVERAGE], shapes.COVERAGE: {"holes": directory.words_of(holes)}}
    return Reply(200, told, {"etag": after["meta"]["version"]})


def _deleted(asked: _Asked, kind: _Kind, id_: str) -> Reply:
    with asked.house.db.write() as tx:
        _found(asked, kind, tx, id_, lock=True)
        (directory.take_away if kind is _USERS else directory.take_team_away)(tx, asked.deed, id_)
    return Reply(204)


_ALL: Final[Mapping[str, Callable[..., Reply]]] = {"GET": _listed, "POST": _made}
_ONE: Final[Mapping[str, Callable[..., Reply]]] = {"GET": _shown, "PUT": _replaced, "PATCH": _patched, "DELETE": _deleted}


# --------------------------------------------------------------------------------------------------- users and groups


def _users(tx: Tx, wanted: Filter | None) -> Sequence[sa.Row[Any]]:
    """Users among whom those are for whom the filter holds: all, or fewer where the database can tell."""
    if isinstance(wanted, Compare) and wanted.operator == "eq" and isinstance(wanted.value, str):
        conditions: Mapping[scim_filter.Path, Callable[[str], sa.ColumnElement[bool]]] = {
            ("username",): rows.is_named, ("emails",): rows.has_address, ("emails", "value"): rows.has_address, ("externalid",): rows.is_called_outside,
        }  # fmt: skip
        if wanted.path in conditions and "\0" not in wanted.value:
            return rows.users(tx, [conditions[wanted.path](wanted.value)])
    return rows.users(tx)


def _users_shown(tx: Tx, found: Sequence[sa.Row[Any]], base: str) -> list[Document]:
    teams = people.memberships(tx, [row.id for row in found])
    return [shapes.user(row, teams.get(row.id, ()), base) for row in found]


def _groups(tx: Tx, _wanted: Filter | None) -> Sequence[sa.Row[Any]]:
    return rows.teams(tx)


def _groups_shown(tx: Tx, found: Sequence[sa.Row[Any]], base: str) -> list[Document]:
    members = rows.members(tx, [row.id for row in found])
    return [shapes.group(row, members.get(row.id, ()), base) for row in found]


_USERS: Final = _Kind("user", _users, rows.user_of, _users_shown)
_GROUPS: Final = _Kind("group", _groups, rows.team_of, _groups_shown)
