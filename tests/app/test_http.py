"""Serving: the edge behind the gate, streams, large bodies, several addresses, a graceful end, and real clients."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.ports import free_port
from tests.serving import nowhere
from tocsin.app import http
from tocsin.app.tls import local_certificate
from tocsin.base.clock import system_clock

ended: list[str] = []
"""Streams that noticed their end."""


async def echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method, "path": request.url.path, "query": request.url.query, "length": len(body),
            "body": body[:100].decode("latin-1"), "header": request.headers.get("x-mine"), "host": request.headers["host"],
            "scheme": request.url.scheme, "client": request.client.host if request.client else None,
        },
        headers={"x-answer": "yes"},
    )  # fmt: skip


async def beats(request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        try:
            for number in range(10_000):
                yield f"data: {number}\n\n".encode()
                await asyncio.sleep(0.01)
        finally:
            ended.append(request.url.query)

    return StreamingResponse(body(), media_type="text/event-stream")


async def broken(_request: Request) -> Response:
    raise ValueError("a bug")


async def slow(_request: Request) -> Response:
    await asyncio.sleep(0.5)
    return Response("done")


async def silent(_request: Request) -> Response:
    return Response(status_code=204)


EDGE = Starlette(
    routes=[
        Route("/echo/{rest:path}", echo, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/beats", beats),
        Route("/broken", broken),
        Route("/slow", slow),
        Route("/silent", silent, methods=["DELETE"]),
    ]
)


class Running:
    """A server in a thread, with the addresses it was given."""

    def __init__(self, listeners: list[http.Listener]) -> None:
        self.listeners = listeners
        self._ready = threading.Event()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(20)

    def _run(self) -> None:
        async def run() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            stopping = http.Stopping()
            await http.serve(
                http.as_rsgi(EDGE, stopping), self.listeners, self._stop, stopping=stopping, on_ready=self._ready.set
            )

        try:
            uvloop.run(run())
        except http.AddressTaken as error:
            self.error = error
        finally:
            self._ready.set()

    def ask_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> float:
        """Stop and wait; gives how long it took, in seconds."""
        began = time.monotonic()
        if self._thread.is_alive():
            self.ask_to_stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return local_certificate(tmp_path_factory.mktemp("tls"), now=system_clock())


@pytest.fixture(scope="module")
def running(certified: Any) -> Iterator[Running]:
    plain = http.Listener("127.0.0.1", free_port())
    safe = http.Listener("127.0.0.1", free_port(), certified.certificate, certified.key)
    server = Running([plain, safe])
    yield server
    server.stop()


@pytest.fixture
def plain(running: Running) -> str:
    return running.listeners[0].url


def test_a_request_reaches_the_edge_whole(plain: str) -> None:
    answer = httpx.put(f"{plain}/echo/a%20b/%C3%A9?x[]=1&y=%20", content=b"hello", headers={"X-Mine": "cafe"})
    assert answer.status_code == 200
    assert answer.headers["x-answer"] == "yes"
    said = answer.json()
    assert (said["method"], said["path"], said["query"], said["body"]) == (
        "PUT",
        "/echo/a b/\xe9",
        "x[]=1&y=%20",
        "hello",
    )
    assert (said["header"], said["scheme"], said["client"]) == ("cafe", "http", "127.0.0.1")
    assert said["host"] == plain.removeprefix("http://")


def test_large_bodies_pass_up_to_the_limit_and_no_further(plain: str) -> None:
    assert httpx.post(f"{plain}/echo/x", content=b"x" * http.MAX_EDGE_BODY).json()["length"] == http.MAX_EDGE_BODY
    pieces = (b"x" * 65536 for _ in range(http.MAX_EDGE_BODY // 65536 + 1))
    assert httpx.post(f"{plain}/echo/x", content=pieces).status_code == 413
    connection = HTTPConnection(plain.removeprefix("http://"), timeout=5)
    connection.putrequest("POST", "/echo/x")
    connection.putheader("Content-Length", str(http.MAX_EDGE_BODY + 1))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 413
    assert f"larger than {http.MAX_EDGE_BODY} bytes" in refused.read().decode()
    connection.close()


def test_an_application_that_forgives_everything_cannot_answer_for_a_body_too_large(plain: str) -> None:
    pieces = (b"x" * 65536 for _ in range(http.MAX_EDGE_BODY // 65536 + 1))
    answer = httpx.post(f"{plain}/echo/x", content=pieces)
    assert answer.json()["error"]["message"] == f"The body is larger than {http.MAX_EDGE_BODY} bytes"


def test_a_bug_in_the_edge_is_a_500_and_no_more(plain: str) -> None:
    assert httpx.get(f"{plain}/broken").status_code == 500
    assert httpx.get(f"{plain}/echo/x").status_code == 200


def test_an_answer_without_a_body_is_one(plain: str) -> None:
    answer = httpx.delete(f"{plain}/silent")
    assert (answer.status_code, answer.content) == (204, b"")


def test_head_is_answered_without_a_body(plain: str) -> None:
    answer = httpx.head(f"{plain}/echo/x")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_stream_arrives_piece_by_piece_and_ends_when_its_reader_leaves(plain: str) -> None:
    with httpx.stream("GET", f"{plain}/beats?reader-leaves") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "data: 0"
        assert stream.headers["content-type"].startswith("text/event-stream")
    _until(lambda: "reader-leaves" in ended)


def _until(is_so: Any) -> None:
    for _ in range(200):
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to that")


def test_one_connection_serves_many_requests(running: Running) -> None:
    connection = HTTPConnection("127.0.0.1", running.listeners[0].port, timeout=5)
    connection.connect()
    sock = connection.sock
    for number in range(5):
        connection.request("GET", f"/echo/{number}")
        connection.getresponse().read()
        assert connection.sock is sock
    connection.close()


def test_https_is_served_beside_http_to_who_trusts_the_authority(running: Running, certified: Any) -> None:
    url = running.listeners[1].url
    trusting = ssl.create_default_context(cafile=str(certified.authority))
    for host in ("127.0.0.1", "localhost"):
        said = httpx.get(f"https://{host}:{running.listeners[1].port}/echo/x", verify=trusting).json()
        assert said["scheme"] == "https"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/echo/x")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_with_tls_1_2_and_1_3_are_served(running: Running, certified: Any, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(certified.authority))
    context.minimum_version = context.maximum_version = version
    assert httpx.get(f"{running.listeners[1].url}/echo/x", verify=context).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_is_served(running: Running, certified: Any) -> None:
    out = subprocess.run(
        ["curl", "-sS", "-m", "10", "--cacert", str(certified.authority), f"{running.listeners[1].url}/echo/curl"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert '"path":"/echo/curl"' in out


def test_stopping_lets_requests_finish_and_ends_streams() -> None:
    server = Running([http.Listener("127.0.0.1", free_port())])
    url = server.listeners[0].url
    answers: list[str] = []
    asker = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/slow").text))
    with httpx.stream("GET", f"{url}/beats?server-stops") as stream:
        assert next(stream.iter_lines()) == "data: 0"
        asker.start()
        time.sleep(0.1)
        assert server.stop() < 5
    asker.join()
    assert answers == ["done"]
    assert "server-stops" in ended
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/echo/x")


def test_an_address_that_is_taken_is_said_before_anything_is_served() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = Running([http.Listener("127.0.0.1", other.getsockname()[1])])
        server.stop()
    assert server.error is not None
    assert "Choose another port" in str(server.error)


def test_an_address_that_is_not_ours_is_said() -> None:
    server = Running([http.Listener("192.0.2.1", free_port())])
    server.stop()
    assert "cannot listen on http://192.0.2.1" in str(server.error)


def test_the_second_of_two_servers_on_one_port_is_refused(running: Running) -> None:
    again = Running([running.listeners[0]])
    again.stop()
    assert isinstance(again.error, http.AddressTaken)


def test_ipv6_addresses_are_written_with_brackets() -> None:
    assert http.Listener("::1", 80).url == "http://[::1]:80"
    assert http.Listener("::1", 80, Path("a"), Path("b")).url == "https://[::1]:80"
    assert nowhere is not None
