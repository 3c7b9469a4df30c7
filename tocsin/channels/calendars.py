"""Fetches the calendars that schedules follow from their addresses, through the one way out.

Laws:
1. The address of a calendar is a secret: no text made here repeats it.
2. What did not change is not sent again (ETag, Last-Modified); what is too large is not read to its end.
"""

import asyncio
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tocsin.channels.http import Forbidden, Outside, Unreachable

TIMEOUT: Final = timedelta(seconds=20)
"""How long the other side may take for all of it."""
AT_ONCE_MOST: Final = 16
"""Calendars fetched at the same time."""
SCHEMES: Final = {"webcal": "https", "webcals": "https"}
"""Schemes that calendar programs use, and what they stand for."""

_ANY_PACKING: Final = 32 + zlib.MAX_WBITS
_ADDRESS: Final = re.compile(r"\w+://\S+|'[^']*/[^']*'")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A calendar to be fetched, and what is known of the copy there is."""

    url: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back. body None: the copy there is, is still good. `error` says why there is neither."""

    body: bytes | None = None
    etag: str | None = None
    last_modified: str | None = None
    error: str | None = None


def fetch(wanted: Sequence[Wanted], *, size_most: int, allowed: Sequence[str] = (), timeout: timedelta = TIMEOUT) -> list[Fetched]:
    """Fetch these calendars, each on its own; `allowed` are private networks that may be called. Never raises for what the world does."""
    return asyncio.run(_fetch(wanted, size_most, allowed, timeout))


async def _fetch(wanted: Sequence[Wanted], size_most: int, allowed: Sequence[str], limit: timedelta) -> list[Fetched]:
    outside = Outside(allowed=allowed, connections=AT_ONCE_MOST)
    turns = asyncio.Semaphore(AT_ONCE_MOST)

    async def one(it: Wanted) -> Fetched:
        async with turns:
            return await _fetched(outside, it, size_most, limit)

    try:
        return list(await asyncio.gather(*(one(it) for it in wanted)))
    finally:
        await outside.close()


async def _fetched(outside: Outside, wanted: Wanted, size_most: int, limit: timedelta) -> Fetched:
    scheme, colon, rest = wanted.url.partition(":")
    headers = {"Accept": "text/calendar, */*;q=0.5", "Accept-Encoding": "identity"}
    if wanted.etag:
        headers["If-None-Match"] = wanted.etag
    if wanted.last_modified:
        headers["If-Modified-Since"] = wanted.last_modified
    try:
        async with asyncio.timeout(limit.total_seconds()):  # redirects included
            answer = await outside.request(
                "GET", SCHEMES.get(scheme.lower(), scheme) + colon + rest, headers=headers, timeout=limit, answer_most=size_most + 1
            )
    except TimeoutError:
        return Fetched(error=f"no answer within {limit.total_seconds():g} s")
    except (Forbidden, Unreachable) as error:
        return Fetched(error=_ADDRESS.sub("the address", str(error)))
    if answer.status == 304 and (wanted.etag or wanted.last_modified):
        return Fetched(etag=wanted.etag, last_modified=wanted.last_modified)
    if answer.status != 200:
        return Fetched(error=f"the address answers HTTP {answer.status} instead of a calendar")
    packing = answer.headers.get("content-encoding", "").lower()
    body = answer.body
    if packing in {"gzip", "deflate"}:  # some servers pack whatever they are asked for
        try:
            body = zlib.decompressobj(_ANY_PACKING).decompress(answer.body, size_most + 1)
        except zlib.error:
            return Fetched(error="the address answers in a packed form that cannot be unpacked")
    elif packing not in {"", "identity"}:
        return Fetched(error="the address answers in a packed form that it was not asked for")
    if len(body) > size_most:
        return Fetched(error=f"the calendar is larger than {size_most // 1024 // 1024} MiB: follow one with less of the past in it")
    return Fetched(body, _short(answer.headers.get("etag")), _short(answer.headers.get("last-modified")))


def _short(text: str | None) -> str | None:
    return text if text and len(text) <= 200 and text.isprintable() else None
