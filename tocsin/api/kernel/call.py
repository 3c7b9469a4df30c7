"""A request as the kernel sees it, and its answer: no web framework inside, so tests ask without HTTP.

A `Request` is what came over the wire; a `Call` is that request at work: who asks, in which transaction.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.base import json, times
from tocsin.base.errors import invalid, invalid_arguments
from tocsin.base.secret import Seals
from tocsin.core.permission import Actor
from tocsin.service.audit import Deed
from tocsin.store.db import Database, Tx

MAX_BODY: Final = 4 * 1024 * 1024
"""Bytes in a request's body; larger ones are refused with 413 before they are read."""

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""What dates in a query are cut to."""

MAX_QUERY_WORDS: Final = 2000
"""Parameters in a query; more are refused."""

_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0"})
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


class Query:
    """The parameters of the address, in order, each possibly several times. Reading one checks it."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        if len(pairs) > MAX_QUERY_WORDS:
            raise invalid_arguments(f"A query may have at most {MAX_QUERY_WORDS} parameters")
        for name, value in pairs:
            if "\0" in name or "\0" in value:
                raise invalid_arguments("A query must not contain a null character")
        self.pairs = tuple(pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def one(self, name: str) -> str | None:
        """The last value of this parameter, or None; an empty one counts as absent."""
        return next((value for key, value in reversed(self.pairs) if key == name and value), None)

    def many(self, name: str) -> tuple[str, ...]:
        """All values of an array parameter `name[]` (a plain `name` is understood too), without empty ones."""
        plain = name.removesuffix("[]")
        return tuple(value for key, value in self.pairs if key in {plain, plain + "[]"} and value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean parameter: true, false, 1 or 0."""
        text = self.one(name)
        if text is None:
            return default
        if text.lower() not in _TRUE | _FALSE:
            raise invalid_arguments(f"{name} must be true or false")
        return text.lower() in _TRUE

    def whole(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number between `least` and `most`."""
        text = self.one(name)
        if text is None:
            return default
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 16) or not least <= int(text) <= most:
            raise invalid_arguments(f"{name} must be a whole number between {least} and {most}")
        return int(text)

    def choice(self, name: str, allowed: Sequence[str], *, default: str) -> str:
        """One of a few words."""
        text = self.one(name)
        if text is not None and text not in allowed:
            raise invalid_arguments(f"{name} must be one of {', '.join(allowed)}")
        return text or default

    def instant(self, name: str) -> datetime | None:
        """A date and time between the years 1900 and 9000, to which anything beyond is cut; without an offset in `time_zone`, else UTC.

        Clients send the first and last instant there is for "ever"; so cut, any zone can tell it and any span be added to it.
        """
        text = self.one(name)
        if text is None:
            return None
        try:
            zone = self.one("time_zone")
            found = times.parse_instant(text.replace(" ", "+") if "T" in text and "UTC" not in text else text,
                                        **({"zone": times.zone_named(zone)} if zone else {}))  # fmt: skip
        except ValueError as error:
            raise invalid_arguments(f"{name}: {error}") from error
        except OverflowError as error:
            raise invalid_arguments(f"{name}: '{text[:64]}' is out of the range of dates") from error
        return min(max(found, EARLIEST), LATEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came over the wire. `headers` has lower-case names; `path` starts with a slash and is decoded.

    scheme  http or https, as the connection was made
    """

    method: str
    path: str
    now: datetime
    request_id: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote_address: str | None = None
    scheme: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the kernel is given once, at start.

    base_url  the address people and clients are told, without a last slash: what `html_url` begins with
    asked_at  the address this request was sent to, as `asked_at` finds it: what `self` begins with
    allowed_networks  private networks that may be called on somebody's behalf (channels/http.py)
    """

    db: Database
    seals: Seals
    chance: Random
    base_url: str
    asked_at: str | None = None
    allowed_networks: tuple[str, ...] = ()

    @property
    def api_url(self) -> str:
        """What `self` begins with."""
        return self.asked_at or self.base_url


def asked_at(request: Request, base_url: str) -> str:
    """The address a client knows this API by, without a last slash.

    PagerDuty's clients follow `self` only below the address they were given (BEHAVIOUR 11.2), and one server is reached
    by several: HTTP and HTTPS, by name and by number, with or without the prefix that ends in `com`. Behind a proxy that
    says it is one, and for the host of `base_url` itself, it is `base_url`.
    """
    host = request.headers.get("host", "")
    first, _, rest = request.path.strip("/").partition("/")
    prefix = f"/{first}" if rest and first.lower().endswith("com") else ""
    is_told = {"forwarded", "x-forwarded-for", "x-forwarded-host"} & request.headers.keys()
    if is_told or not _HOST.fullmatch(host) or host.lower() == urlsplit(base_url).netloc.lower():
        return base_url + prefix
    return f"{request.scheme}://{host}{prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request at work, inside its one transaction. `params` are the ids in its path, by name."""

    house: House
    request: Request
    actor: Actor
    tx: Tx
    params: Mapping[str, str]
    query: Query
    includes: frozenset[str] = frozenset()

    @property
    def now(self) -> datetime:
        return self.request.now

    @property
    def chance(self) -> Random:
        return self.house.chance

    @property
    def seals(self) -> Seals:
        return self.house.seals

    @property
    def id(self) -> str:
        """The `{id}` of the path."""
        return self.params["id"]

    @property
    def deed(self) -> Deed:
        """Who does this, when and from where: what the audit trail and the service functions take."""
        request = self.request
        return Deed(self.actor, request.now, self.house.chance, request.request_id, request.remote_address)

    def document(self) -> dict[str, Any]:
        """The body as a JSON object. Raises 400 `params must be a Hash` when it is none (BEHAVIOUR 3.1)."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise invalid("params must be a Hash")
        try:
            value = json.decode(self.request.body)
        except (ValueError, UnicodeDecodeError) as error:
            packed = self.request.headers.get("content-encoding")
            more = [f"Content-Encoding {packed[:40]} is not understood here: send the body as it is"] if packed else []
            raise invalid("params must be a Hash", f"The body is not JSON: {error}", *more) from error
        if not isinstance(value, dict):
            raise invalid("params must be a Hash")
        if json.depth(value) > json.MAX_DEPTH:
            raise invalid(f"The body is nested more than {json.MAX_DEPTH} levels deep")
        if b"\\u0000" in self.request.body and json.holds(value, "\0"):
            raise invalid("The body must not contain a null character")
        return value


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` None is an empty body; anything else becomes JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
