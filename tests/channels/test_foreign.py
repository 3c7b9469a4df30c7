"""Asking another system's API: page by page, patient within bounds, and without ever telling the key."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tocsin.channels.foreign import TRIES, Asker, Trouble, Unreadable

KEY = "u+secretsecret"
Answer = tuple[int, dict[str, str], Any]


@contextmanager
def served(answer: Callable[[str, int], Answer]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A server that answers by path and number of the request; its address, and what it was asked with which key."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization", "")))
            status, headers, body = answer(self.path, len(asked))
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(address: str, question: Callable[[Asker], Any], *, allowed: tuple[str, ...] = ("127.0.0.1/32",)) -> tuple[Any, list[float]]:
    """What came of a question, and the pauses that were made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def asked() -> Any:
        async with Asker(address, {"Authorization": f"Token token={KEY}"}, allowed=allowed, pause=pause) as asker:
            return await question(asker)

    return asyncio.run(asked()), pauses


def listed(path: str) -> Callable[[Asker], Any]:
    """Asks for the users of this path, page by page."""
    return lambda asker: asker.by_offset(path, "users")


def paged(path: str) -> Callable[[Asker], Any]:
    """Follows the results of this path from page to page."""
    return lambda asker: asker.by_next(path, "results")


def test_a_list_is_read_to_its_end_and_a_limit_is_waited_for_as_long_as_it_says() -> None:
    def answer(path: str, number: int) -> Answer:
        if number == 2:
            return 429, {"ratelimit-reset": "7"}, {"error": "slow down"}
        if number == 3:
            return 503, {}, {}
        offset = int(path.rpartition("offset=")[2])
        return 200, {}, {"users": [{"id": f"P{offset + at}"} for at in range(100 if offset < 200 else 5)], "more": offset < 200}

    with served(answer) as (address, asked):
        found, pauses = ask(address, lambda asker: asker.by_offset("/users", "users"))
    assert [one["id"] for one in found] == [f"P{number}" for number in range(205)]
    assert pauses == [8.0, 2.0]
    assert {key for _, key in asked} == {f"Token token={KEY}"}


def test_what_has_no_end_or_no_sense_is_an_error_that_never_says_the_key() -> None:
    answers: dict[str, Answer] = {
        "/401": (401, {}, {"error": f"bad token={KEY}"}), "/402": (402, {}, {"error": KEY}), "/429": (429, {}, {"said": KEY}),
        "/html": (200, {}, b"<html>"), "/deep": (200, {}, b"[" * 500 + b"]" * 500), "/nolist": (200, {}, {"other": []}),
        "/loop": (200, {}, {"users": [], "more": True}),
        "/away": (200, {}, {"results": [], "next": "http://203.0.113.9/next"}), "/again": (200, {}, {"results": [], "next": "/again"}),
    }  # fmt: skip

    with served(lambda path, _number: answers[path.partition("?")[0]]) as (address, asked):
        for path, words in (
            ("/401", "the key is not taken"), ("/429", f"after {TRIES} tries"), ("/html", "no JSON"), ("/deep", "nested"),
            ("/nolist", "no list"), ("/loop", "come to an end"),
        ):  # fmt: skip
            with pytest.raises(Trouble, match=words) as told:
                ask(address, listed(path))
            assert KEY not in str(told.value)
        with pytest.raises(Unreadable) as refused:
            ask(address, lambda asker: asker.one("/402"))
        assert KEY not in str(refused.value)
        for path in ("/away", "/again"):
            with pytest.raises(Trouble, match="another place, or back"):
                ask(address, paged(path))
        assert sum(path.startswith("/429") for path, _ in asked) == TRIES
        with pytest.raises(Trouble, match="private or special"):
            ask(address, lambda asker: asker.one("/users"), allowed=())
