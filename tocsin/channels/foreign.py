"""Asks another system's API for its objects, page by page, through the one way out: bounded patience, and never a key in a text.

Laws:
1. The key is sent in a header to the address that was said and to no other origin, and stands in no error.
2. Told to wait (429, or an error that may pass), it waits as long as it is told, at most `WAIT_MOST`, and tries `TRIES` times.
3. A list that has no end, or that does not move on, is an error, not a loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from tocsin.base import json
from tocsin.channels.http import Answer, Forbidden, Outside, Unreachable

TRIES: Final = 8
WAIT_MOST: Final = timedelta(seconds=65)
"""The longest wait between two tries: PagerDuty counts by the minute."""
FIRST_WAIT: Final = timedelta(seconds=1)
TIMEOUT: Final = timedelta(seconds=30)
ANSWER_MOST: Final = 32 * 1024 * 1024
"""Bytes of one answer."""
PAGE: Final = 100
PAGES_MOST: Final = 1_000
"""Pages of one list."""

Query = Sequence[tuple[str, str]]


class Trouble(Exception):
    """The other system did not give what was asked; the words say what it said."""


class Unreadable(Trouble):
    """It refused this one question (no such thing, not for this key, not in this plan)."""


class Asker:
    """Somebody who asks one API. Use as an asynchronous context; `pause` is how to wait, for tests; `tell` hears of each wait."""

    def __init__(
        self, address: str, headers: Mapping[str, str], *, allowed: Sequence[str] = (),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep, tell: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self._address, self._headers, self._allowed, self._pause = address.rstrip("/"), dict(headers), allowed, pause
        self._tell = tell
        self._outside: Outside | None = None

    async def __aenter__(self) -> Self:
        self._outside = Outside(allowed=self._allowed, connections=4)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._outside is not None
        await self._outside.close()

    async def one(self, path: str, query: Query = ()) -> Any:
        """The decoded answer to one question. Raises Trouble."""
        return await self._asked(self._address + path + ("?" + urlencode(query) if query else ""), path)

    async def by_offset(self, path: str, name: str, query: Query = ()) -> list[Any]:
        """All objects of a list of PagerDuty's, which says `more` and counts by `offset`."""
        found: list[Any] = []
        for _ in range(PAGES_MOST):
            answer = await self.one(path, [*query, ("limit", str(PAGE)), ("offset", str(len(found)))])
            part = _list(answer, name, path)
            found += part
            if not answer.get("more"):
                return found
            if not part:
                break
        raise Trouble(f"{path} does not come to an end")

    async def by_cursor(self, path: str, name: str, query: Query = ()) -> list[Any]:
        """All objects of a list that says `next_cursor`."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(PAGES_MOST):
            answer = await self.one(path, [*query, *([("cursor", cursor)] if cursor else [])])
            found += _list(answer, name, path)
            before, cursor = cursor, answer.get("next_cursor")
            if not cursor:
                return found
            if cursor == before or not isinstance(cursor, str):
                break
        raise Trouble(f"{path} does not come to an end")

    async def by_next(self, path: str, name: str) -> list[Any]:
        """All objects of a list that says the address of its `next` page, which must be of the same origin."""
        found: list[Any] = []
        url, seen = self._address + path, set[str]()
        for _ in range(PAGES_MOST):
            answer = await self._asked(url, path)
            found += _list(answer, name, path)
            onward = answer.get("next")
            if not onward:
                return found
            seen.add(url)
            url = urljoin(url, str(onward))
            if urlsplit(url)[:2] != urlsplit(self._address)[:2] or url in seen:
                raise Trouble(f"{path} leads on to another place, or back to where it was")
        raise Trouble(f"{path} does not come to an end")

    async def _asked(self, url: str, path: str) -> Any:
        assert self._outside is not None
        words = ""
        for number in range(TRIES):
            wait = min(FIRST_WAIT * 2**number, WAIT_MOST)
            try:
                answer = await self._outside.request("GET", url, headers=self._headers, timeout=TIMEOUT, answer_most=ANSWER_MOST + 1)
            except Forbidden as error:
                raise Trouble(f"{path}: {error}") from error
            except Unreachable as error:
                words = str(error)
            else:
                if answer.is_fine:
                    return _decoded(answer, path)
                words = answer.words()
                if not answer.may_pass:
                    self._refused(answer, path)
                wait = min(_told_to_wait(answer) or wait, WAIT_MOST)
            if number + 1 < TRIES:
                if self._tell is not None:
                    self._tell(f"{path}: again in {wait.total_seconds():g} s ({self._without_key(words)})")
                await self._pause(wait.total_seconds())
        raise Trouble(f"{path}: no answer after {TRIES} tries ({self._without_key(words)})")

    def _refused(self, answer: Answer, path: str) -> None:
        words = self._without_key(answer.words())
        if answer.status == 401:
            raise Trouble(f"{path}: the key is not taken ({words})")
        raise Unreadable(f"{path}: {words}")

    def _without_key(self, words: str) -> str:
        for value in self._headers.values():
            for part in (value, value.rpartition("=")[2], value.rpartition(" ")[2]):
                if len(part) > 5:
                    words = words.replace(part, "…")
        return words


def _told_to_wait(answer: Answer) -> timedelta | None:
    """How long to wait by PagerDuty's `ratelimit-reset` (seconds), or by the usual header."""
    text = answer.headers.get("ratelimit-reset", "")
    if text.isascii() and text.isdigit() and len(text) < 6:
        return timedelta(seconds=int(text) + 1)
    return answer.retry_after


def _decoded(answer: Answer, path: str) -> Any:
    if len(answer.body) > ANSWER_MOST:
        raise Trouble(f"{path}: the answer is larger than {ANSWER_MOST // 1024 // 1024} MiB")
    try:
        found = json.decode(answer.body)
    except ValueError as error:
        raise Trouble(f"{path}: the answer is no JSON: is this the address of an API?") from error
    if not isinstance(found, dict | list) or json.depth(found) > json.MAX_DEPTH:
        raise Trouble(f"{path}: the answer is no object, or nested too deeply")
    return found


def _list(answer: Any, name: str, path: str) -> list[Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise Trouble(f"{path}: the answer has no list '{name}'")
    return found
