"""A sign-in provider for tests: a real HTTP server that speaks OpenID Connect, with real keys and signatures, and can be made to lie."""

import json
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tocsin.base.clock import Clock, system_clock

CLIENT = "tocsin-at-example"
SECRET = "the provider's open sesame"
_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]

Claims = dict[str, Any]


@dataclass
class Person:
    """Somebody the provider knows."""

    subject: str
    email: str
    name: str
    is_verified: bool | None = True


@dataclass
class Provider:
    """The provider: who signs in there next, how it signs, and what it was asked."""

    clock: Clock = system_clock
    url: str = ""
    person: Person = field(default_factory=lambda: Person("sub-ada", "ada@example.org", "Ada"))
    key: int = 0
    algorithm: str = "RS256"
    bend: Callable[[Claims], Claims] = field(default=lambda claims: claims)
    about: Claims = field(default_factory=dict)
    refuses: str = ""
    asks_first: bool = False
    published: tuple[int, ...] = (0,)
    in_userinfo: bool = False
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    chance: Random = field(default_factory=lambda: Random(11))

    def configuration(self) -> Claims:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys", "userinfo_endpoint": "userinfo", "end_session_endpoint": "out"}
        told = {name: f"{self.url}/{path}" for name, path in places.items()}
        return {"issuer": self.url, **told, "id_token_signing_alg_values_supported": ["RS256"], **self.about}

    def keys(self) -> Claims:
        found = []
        for at in self.published:
            public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEYS[at].public_key()))
            found.append({**public, "kid": f"key-{at}", "use": "sig", "alg": "RS256"})
        return {"keys": found}

    def code(self, query: dict[str, str]) -> str:
        """Where the browser goes back to, with a code or a refusal."""
        if self.refuses:
            return query["redirect_uri"] + "?" + urlencode({"error": "access_denied", "error_description": self.refuses, "state": query["state"]})
        code = f"code-{self.chance.getrandbits(64):x}"
        self.codes[code] = query
        return query["redirect_uri"] + "?" + urlencode({"code": code, "state": query["state"]})

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Claims]:
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote_plus(name), unquote_plus(secret)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        begun = self.codes.pop(form.get("code", ""), None)
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if begun is None or begun["redirect_uri"] != form.get("redirect_uri") or begun["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": f"access-{self.person.subject}", "token_type": "Bearer", "id_token": self.signed(begun["nonce"])}

    def said(self) -> Claims:
        told: Claims = {"sub": self.person.subject, "email": self.person.email, "name": self.person.name}
        return told | ({} if self.person.is_verified is None else {"email_verified": self.person.is_verified})

    def signed(self, nonce: str) -> str:
        now = int(self.clock().timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce, **self.said()}
        if self.in_userinfo:
            claims = {name: value for name, value in claims.items() if name not in {"email", "email_verified", "name"}}
        headers = {"kid": f"key-{self.key}"}
        claims = self.bend(claims)
        if self.algorithm == "none":
            return jwt.encode(claims, "", algorithm="none", headers=headers)
        key: Any = _KEYS[self.key] if self.algorithm.startswith("RS") else SECRET * 4
        return jwt.encode(claims, key, algorithm=self.algorithm, headers=headers)


@contextmanager
def providing(provider: Provider) -> Iterator[Provider]:
    """Serve the provider on a free port of this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            provider.asked.append(parts.path)
            if parts.path == "/.well-known/openid-configuration":
                self._json(200, provider.configuration())
            elif parts.path == "/keys":
                self._json(200, provider.keys())
            elif parts.path == "/userinfo":
                self._json(200, provider.said())
            elif parts.path == "/authorize" and provider.asks_first and "sure" not in query:
                again = escape(f"/authorize?{parts.query}&sure=1", quote=True)
                self._send(200, "text/html", f'<html lang="en"><title>Example</title><h1>Example</h1><a href="{again}">I am {escape(provider.person.name)}</a>'.encode())
            elif parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.code(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif parts.path == "/out":
                self._send(200, "text/html", b'<html lang="en"><title>Out</title><h1>You are out of everything</h1>')
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            self._json(*provider.token(form, self.headers.get("Authorization", "")))

        def _json(self, status: int, body: Any) -> None:
            self._send(status, "application/json", json.dumps(body).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name for it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
