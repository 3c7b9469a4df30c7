"""Where applications get tokens (`POST /oauth/token`) and give them back (`POST /oauth/revoke`): forms in, JSON out.

Laws:
1. Errors are RFC 6749's: `error` is one of its words, `error_description` says what is wrong and what to do.
2. An application says who it is in the form or in a Basic header, never in the address.
Source: BEHAVIOUR 7 (what PagerDuty answers), RFC 6749 sections 2.3.1, 4.4 and 5, RFC 7009.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from tocsin.api.kernel.call import House, Reply, Request
from tocsin.base.errors import Refusal
from tocsin.service import applications

PATHS: Final = ("/oauth/token", "/oauth/revoke")
BODY_MOST: Final = 20_000
"""Bytes of a form; more are refused."""
FIELDS_MOST: Final = 30

_FORM: Final = "application/x-www-form-urlencoded"
_WORDS: Final[Mapping[int, str]] = {400: "invalid_scope", 401: "invalid_client", 429: "slow_down"}


def answer(house: House, request: Request) -> Reply:
    """Answer one request at `/oauth/token` or `/oauth/revoke`."""
    if request.method != "POST":
        return _refused(405, "invalid_request", "Send a form with POST", {"allow": "POST"})
    try:
        form = _form(request)
        client_id, secret = _client(request, form)
    except ValueError as error:
        return _refused(400, "invalid_request", str(error))
    if not client_id or not secret:
        return _refused(401, "invalid_client", "client_id and client_secret are needed")
    address = request.remote_address or "unknown"
    try:
        if request.path == "/oauth/revoke":
            token = form.get("token", "")
            applications.give_back(house.db, house.seals, client_id, secret, token, address, now=request.now)
            return Reply(200, {})
        return _token(house, request, form, client_id, secret, address)
    except Refusal as refusal:
        words = " ".join(refusal.errors) if refusal.errors else refusal.message
        return _refused(refusal.status, _WORDS.get(refusal.status, "invalid_request"), words)


def _token(house: House, request: Request, form: Mapping[str, str], client_id: str, secret: str, address: str) -> Reply:
    grant = form.get("grant_type", "")
    if grant != "client_credentials":
        words = "grant_type must be client_credentials: applications here act for themselves" if grant else "grant_type is missing: send client_credentials"
        return _refused(400, "unsupported_grant_type" if grant else "invalid_request", words)
    issued = applications.issue(
        house.db, house.seals, client_id, secret, form.get("scope", ""), address, now=request.now, chance=house.chance
    )  # fmt: skip
    body: dict[str, Any] = {
        "access_token": issued.text, "scope": issued.scope, "token_type": "bearer", "expires_in": int(issued.lasts.total_seconds()),
    }  # fmt: skip
    return Reply(200, body, {"cache-control": "no-store", "pragma": "no-cache"})


def _form(request: Request) -> dict[str, str]:
    """The fields of the form. Raises ValueError saying what is wrong with it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise ValueError(f"the body must be a form: Content-Type {_FORM}")
    if len(request.body) > BODY_MOST:
        raise ValueError(f"a form may have at most {BODY_MOST} bytes")
    try:
        pairs = parse_qsl(request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="strict")
    except ValueError as error:
        raise ValueError(f"the form cannot be read; it may have at most {FIELDS_MOST} fields, in UTF-8") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands in the form more than once")
    if any("\0" in value for value in found.values()):
        raise ValueError("the form must not contain a null character")
    return found


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Who asks: by the form or, if it says nothing, by a Basic header. Raises ValueError when both speak."""
    scheme, _, packed = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise ValueError("say who you are once: in the form or in the Authorization header")
    try:
        name, colon, secret = base64.b64decode(packed.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("the Authorization header is not readable: it must be Basic with client_id:client_secret in base64") from error
    if not colon or "\0" in name + secret:
        raise ValueError("the Authorization header must hold client_id:client_secret")
    return unquote_plus(name), unquote_plus(secret)


def _refused(status: int, word: str, words: str, headers: Mapping[str, str] | None = None) -> Reply:
    more = {"www-authenticate": 'Basic realm="Tocsin"'} if status == 401 else {}
    return Reply(status, {"error": word, "error_description": words}, {"cache-control": "no-store", **more, **(headers or {})})
