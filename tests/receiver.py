"""A receiver of webhooks that asks for a token, and the address that gives tokens: one small server on this machine."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from tocsin.base import json

SECRET = "open sesame of the client"


@dataclass
class Receiver:
    """`url`/token gives tokens to who knows the secret; `url`/hook takes what comes, `status` says how.

    tokens    those that were given
    arrived   (headers, body) of what came to the hook
    spoiled   tokens that the hook takes no more
    """

    tokens: list[str] = field(default_factory=list)
    arrived: list[tuple[dict[str, str], Any]] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)
    asks_for_token: bool = True
    secret: str = SECRET
    url: str = ""
    came: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, answer = told.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                raw = json.encode(answer)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if form.get("client_secret") != self.secret or form.get("grant_type") != "client_credentials":
                return 401, {"error": "invalid_client", "error_description": f"{form.get('client_secret')} is wrong"}
            self.tokens.append(f"token-{len(self.tokens) + 1}")
            return 200, {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600}
        good = {f"Bearer {token}" for token in self.tokens if token not in self.spoiled}
        if self.asks_for_token and headers.get("authorization") not in good:
            return 401, {"error": "no"}
        with self.came:
            self.arrived.append((headers, json.decode(body)))
            self.came.notify_all()
        return 200, {}

    def wait_for(self, count: int, within_s: float = 15) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.arrived) >= count, within_s), f"{len(self.arrived)} of {count} came"
