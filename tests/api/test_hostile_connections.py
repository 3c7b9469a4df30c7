"""What is wrong already as HTTP: each is refused, holds nobody up, and leaves the server as it was."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from random import SystemRandom

import pytest
from starlette.types import Receive, Scope, Send

from tests.api.conftest import TABLE
from tests.serving import Served, save_ways_in, served
from tocsin.api import edge
from tocsin.api.kernel.call import House
from tocsin.api.patience import Patience
from tocsin.app import http
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.store.db import Database
from tocsin.web.app import make_app
from tocsin.web.visit import WebSettings

HEAD = b"Host: tocsin\r\nConnection: close\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


class _Never(http.Stopping):
    """A server that is not asked to stop."""

    def __init__(self) -> None:
        pass

    async def wait(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def everything(sqlite_db: Database, seals: Seals, now: datetime) -> Iterator[Served]:
    """The gate, the API and the pages, with little patience for bodies that do not come."""
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)
    house = House(db=sqlite_db, seals=seals, chance=SystemRandom(), base_url="http://tocsin.example.org")
    api = edge.make_app(TABLE, house, system_clock)
    pages = make_app(sqlite_db, seals, WebSettings(base_url="http://tocsin.example.org"), clock=system_clock, chance=SystemRandom())

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        await (pages if scope["path"].startswith("/app") else api)(scope, receive, send)

    rest = http.as_rsgi(both, _Never(), patience=Patience(b'{"said": "too slow"}', seconds=0.4))
    with served(sqlite_db, edge=rest, patience=Patience(b'{"said": "too slow"}', seconds=0.4)) as running:
        yield running


def answers(running: Served, raw: bytes) -> bytes:
    """Everything that comes back for these bytes until the server closes the connection."""
    with closing(socket.create_connection(("127.0.0.1", running.port), timeout=10)) as connection:
        came = b""
        with suppress(OSError):  # it may be refused before everything was sent: the answer is there all the same
            connection.sendall(raw)
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                came += piece
        return came


def chunked(size: int) -> bytes:
    piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    return piece * (size // 65536) + b"0\r\n\r\n"


ASKED = {
    "a raw byte in the path": (b"GET /teams/\xff HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    "a quoted byte in the path": (b"GET /teams/%ff%fe HTTP/1.1\r\n" + HEAD + b"\r\n", 401),
    "a raw byte in the query": (b"GET /teams?query=\xff HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    "unquoted letters in the query": ("GET /teams?query=中 HTTP/1.1\r\n".encode() + HEAD + b"\r\n", 401),
    "unquoted letters in a page's query": ("GET /app/sign-in?next=中 HTTP/1.1\r\n".encode() + HEAD + b"\r\n", 200),
    "letters in a header": ("GET /teams HTTP/1.1\r\nFrom: adé\r\nAuthorization: Token token=中\r\n".encode() + HEAD + b"\r\n", 401),
    "letters in a cookie": ("GET /app/sign-in HTTP/1.1\r\nCookie: tocsin=中\r\n".encode() + HEAD + b"\r\n", 200),
    "another length than digits": (b"POST /app/sign-in HTTP/1.1\r\nContent-Length: \xb2\r\n" + HEAD + b"\r\n", 400),
    "a negative length": (b"POST /teams HTTP/1.1\r\nContent-Length: -5\r\n" + HEAD + b"\r\n", 400),
    "two lengths": (b"POST /v2/enqueue HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n" + HEAD + b"\r\nabcde", 400),
    "a length and chunks": (b"POST /v2/enqueue HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n0\r\n\r\n", 400),
    "a gigantic header": (b"GET /teams HTTP/1.1\r\n" + HEAD + b"X-A: " + b"a" * 2_000_000 + b"\r\n\r\n", 431),
    "hundreds of headers": (b"GET /teams HTTP/1.1\r\n" + HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(300)) + b"\r\n", 431),
    "a gigantic query": (b"GET /teams?" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
    "ten thousand parameters for a page": (b"GET /app/sign-in?" + b"a=1&" * 10_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 200),
    "a packed event": (b"POST /v2/enqueue HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n" + HEAD + b"\r\n\x1f\x8b\x08\x00", 400),
    "an event in chunks beyond the limit": (b"POST /v2/enqueue HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n" + chunked(1_000_000), 413),
    "a form in chunks beyond the limit": (b"POST /app/sign-in HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + FORM + HEAD + b"\r\n" + chunked(12_000_000), 400),
    "a form with a file": (
        b"POST /app/sign-in HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 77\r\n" + HEAD + b"\r\n"
        + b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\nabc\r\n--b--\r\n'.ljust(77), 400,
    ),
    "no HTTP at all": (b"\x16\x03\x01\x00\xa5\r\n\r\n", 400),
    "another host than ours": (b"GET /app/nowhere HTTP/1.1\r\nHost: <script>alert(1)</script>\r\nConnection: close\r\n\r\n", 404),
    "up and out of the static files": (b"GET /app/static/../../app.py HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    "quoted, up and out of the static files": (b"GET /app/static/..%2f..%2fapp.py HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    "the root instead of the static files": (b"GET /app/static//etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
    "a null in a static name": (b"GET /app/static/%00 HTTP/1.1\r\n" + HEAD + b"\r\n", 404),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_is_wrong_as_http_is_refused_and_nobody_suffers(everything: Served, name: str) -> None:
    raw, status = ASKED[name]
    came = answers(everything, raw)
    assert came.startswith(b"HTTP/1.1 %d" % status), came[:300]
    assert b"Traceback" not in came
    assert b"<script>alert(1)" not in came
    assert everything.inbox() == []
    assert everything.ask("GET", "/app/sign-in").status == 200


def test_a_packed_body_is_said_to_be_one(everything: Served) -> None:
    assert b"Content-Encoding gzip is not understood here" in answers(everything, ASKED["a packed event"][0])


@pytest.mark.parametrize("path", [b"/v2/enqueue", b"/app/sign-in", b"/teams"])
@pytest.mark.parametrize("length", [b"Content-Length: 50\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_never_comes_is_not_waited_for(everything: Served, path: bytes, length: bytes) -> None:
    began = time.monotonic()
    came = answers(everything, b"POST " + path + b" HTTP/1.1\r\nHost: tocsin\r\n" + FORM + length + b"\r\n")
    assert came.startswith(b"HTTP/1.1 408"), came[:300]
    assert b"too slow" in came
    assert time.monotonic() - began < 5  # and the connection was closed
    assert everything.inbox() == []
