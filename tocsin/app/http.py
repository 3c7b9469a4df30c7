"""Serve one application on several addresses in one process and one event loop, HTTP and HTTPS side by side.

Laws:
1. The application is RSGI (the server's own interface); `as_rsgi` puts an ASGI application (the edge) behind it.
2. Stopping is graceful: no new connections, streams are ended, requests under way get `STOP_SECONDS` to finish.
3. TLS is offered from version 1.2 on, so that every client of the last fifteen years can talk to us.
"""

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.types import ASGIApp, Message

from tocsin.api.gate import RsgiApp
from tocsin.api.patience import TOO_SLOW, Patience
from tocsin.base import json

MAX_EDGE_BODY: Final = 8 * 1024 * 1024
"""Bytes that one request to the edge (REST, pages) may carry; more is answered with 413."""
STOP_SECONDS: Final = 10.0
"""How long requests under way may take once the server is asked to stop."""
BACKLOG: Final = 2048
"""Connections the kernel holds for us while we are busy."""
MAX_CONNECTIONS: Final = 8192
"""Connections served at once on one address (live pages hold theirs open)."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on. With a certificate and its key it speaks TLS."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @property
    def url(self) -> str:
        """Where a client finds it, as text for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


class Stopping:
    """Tells everything that streams that the server is going down."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def now(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()


class AddressTaken(Exception):
    """Something else listens there already; the message says where and what to do."""


COLLECT_AFTER: Final = (50_000, 20, 100)
"""New objects, and rounds, after which Python looks for circles of garbage."""


def rest_the_collector() -> None:
    """Let Python look for garbage seldom, and never among what was there at the start.

    Its full rounds walked every object of the program and stopped everybody for 30 ms: of accepting, the slowest hundredth
    took 32 ms with Python's own setting and takes 6 ms with this one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def serve(
    app: Any,
    listeners: Sequence[Listener],
    stop: asyncio.Event,
    *,
    stopping: Stopping | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` (RSGI) on all addresses until `stop` is set, then stop gracefully.

    `stopping` is told first, so that streams end by themselves. Raises `AddressTaken` before anything is served.
    """
    for listener in listeners:
        _check_free(listener)
    servers = [_server(app, listener) for listener in listeners]
    tasks = [asyncio.ensure_future(server.serve()) for server in servers]
    rest_the_collector()
    asked = asyncio.ensure_future(stop.wait())
    try:
        await _listening(listeners, tasks)
        on_ready()
        await asyncio.wait([asked, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        if stopping is not None:
            stopping.now()
        for server in servers:
            server.stop()  # type: ignore[no-untyped-call]
        _done, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        if late:
            _log.warning("%d listeners did not stop within %.0f s and are cut off", len(late), STOP_SECONDS)
            for task in late:
                task.cancel()
    for task in tasks:
        if task.done() and not task.cancelled():
            task.result()  # a server that died by itself says why


def _server(app: Any, listener: Listener) -> Server:
    return Server(
        app,
        address=listener.host,
        port=listener.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.auto,
        websockets=False,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http1_settings=HTTP1Settings(keep_alive=True),
        log_enabled=False,
        ssl_cert=listener.certificate,
        ssl_key=listener.key,
        ssl_protocol_min=SSLProtocols.tls12,
    )


def _check_free(listener: Listener) -> None:
    """The server shares a taken port silently with whoever has it; two of us on one port must be an error instead."""
    try:
        found = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressTaken(f"{listener.host} is no address of this machine: {error}") from error
    family, kind, proto, _name, address = found[0]
    with socket.socket(family, kind, proto) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise AddressTaken(
                f"cannot listen on {listener.url}: {error.strerror}. Choose another port, or stop what uses it"
            ) from error


async def _listening(listeners: Sequence[Listener], tasks: Sequence[asyncio.Future[None]]) -> None:
    """Wait until every address answers to a connection, or a server has died trying."""
    for listener in listeners:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(listener.host, listener.host)  # noqa: S104
        while not any(task.done() for task in tasks):
            try:
                _reader, writer = await asyncio.open_connection(host, listener.port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                break


# ------------------------------------------------------------------------------------------- RSGI outside, ASGI inside


def as_rsgi(app: ASGIApp, stopping: Stopping, *, patience: Patience | None = None) -> RsgiApp:
    """An RSGI application that runs an ASGI one: whole answers in one piece, streams piece by piece.

    A body larger than `MAX_EDGE_BODY` is answered with 413. A client that hangs up, and `stopping`, both reach the
    application as `http.disconnect`, which ends a stream. A body that does not arrive is answered with 408.
    """
    waiting = patience or Patience(_error(408, TOO_SLOW))

    async def run(scope: Any, proto: Any) -> None:
        if scope.proto != "http":
            proto.close(403)
            return
        exchange = _Exchange(scope, proto, stopping, waiting)
        said = scope.headers.get("content-length")
        if said is not None and said.isdigit() and int(said) > MAX_EDGE_BODY:
            exchange.refuse_size()
            return
        try:
            await app(exchange.scope, exchange.receive, exchange.send)
        except _TooLarge:
            pass  # answered already
        except ProtocolClosed:
            pass  # the client is gone: nobody is left to answer
        except Exception:  # noqa: BLE001 - the top of a request: logged with its story, answered with 500
            _log.exception("%s %s failed", scope.method, scope.path)
            exchange.answer(500, "Something went wrong here; it is in the server's log")
        finally:
            exchange.close()
        exchange.answer(500, "Nothing was answered")

    return run


_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
"""What of a query is left as it came; anything else that a client sends unquoted is quoted."""


class _TooLarge(Exception):
    pass


class _Exchange:
    """One request and its answer, in ASGI's words."""

    def __init__(self, scope: Any, proto: Any, stopping: Stopping, patience: Patience) -> None:
        self._proto = proto
        self._patience = patience
        self._reads: int | None = None
        self._stopping = stopping
        self._pieces = proto.__aiter__()
        self._received = 0
        self._is_body_over = False
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._stream: Any = None
        self._is_answered = False
        self._is_refused = False
        self._gone: asyncio.Future[Any] | None = None
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in scope.headers.items()]
        if scope.authority and "host" not in scope.headers:
            headers.append((b"host", scope.authority.encode("latin-1")))
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},  # 2.3: streams listen for `http.disconnect` themselves
            "http_version": scope.http_version,
            "method": scope.method,
            "scheme": scope.scheme,
            "path": scope.path,
            "raw_path": quote(scope.path, safe="/:@!$&'()*+,;=~").encode(),  # the server has decoded it already
            "query_string": quote(scope.query_string, safe=_PRINTABLE).encode("ascii"),
            "root_path": "",
            "headers": headers,
            "client": _host_and_port(scope.client),
            "server": _host_and_port(scope.server),
            "state": {},
        }

    async def receive(self) -> Message:
        if not self._is_body_over:
            if self._reads is None:
                self._reads = self._patience.begin(self._proto)
            try:
                # Not `async for`: it would ask for the iterator again, which is refused.
                piece = await self._pieces.__anext__()
            except StopAsyncIteration:
                self._is_body_over = True
                self._stop_waiting()
                return {"type": "http.request", "body": b"", "more_body": False}
            self._received += len(piece)
            if self._received > MAX_EDGE_BODY:
                self.refuse_size()
                raise _TooLarge
            return {"type": "http.request", "body": bytes(piece), "more_body": True}
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._disconnected())
        await asyncio.shield(self._gone)
        return {"type": "http.disconnect"}

    async def _disconnected(self) -> None:
        waits = [asyncio.ensure_future(self._proto.client_disconnect()), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def send(self, message: Message) -> None:
        if self._is_refused:
            return  # the application answers to a request that was answered for it
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            body, more = message.get("body", b""), message.get("more_body", False)
            if self._stream is None and not more:
                self._is_answered = True
                self._proto.response_bytes(self._status, self._headers, bytes(body))
                return
            if self._stream is None:
                self._is_answered = True
                self._stream = self._proto.response_stream(self._status, self._headers)
            if body:
                try:
                    await self._stream.send_bytes(bytes(body))
                except ProtocolClosed:  # the client is gone: `receive` says so too, and the stream ends in good order
                    await asyncio.sleep(0)

    def refuse_size(self) -> None:
        """Answer 413; nothing the application says afterwards is sent."""
        self.answer(413, f"The body is larger than {MAX_EDGE_BODY} bytes")
        self._is_refused = True

    def answer(self, status: int, error: str) -> None:
        """A last answer, unless there was one already."""
        if not self._is_answered:
            self._is_answered = True
            self._proto.response_bytes(status, [("content-type", "application/json")], _error(status, error))

    def _stop_waiting(self) -> None:
        if self._reads is not None:
            self._patience.end(self._reads)

    def close(self) -> None:
        self._stop_waiting()
        if self._gone is not None:
            self._gone.cancel()


def _error(status: int, words: str) -> bytes:
    body: dict[str, Any] = {"error": {"message": words, "code": 2000 if status == 500 else 2001, "errors": []}}
    return json.encode(body)


def _host_and_port(address: str) -> tuple[str, int] | None:
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None
