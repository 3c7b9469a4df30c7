"""A provider of sign-in by OpenID Connect, asked through the one way out: what it says of itself, its keys, and what it says of people.

Laws:
1. Only signatures by a key of its own are believed, made by an algorithm with a public key: never `none`, never a shared secret.
2. What it says of itself and its keys are kept for an hour; a key that is not known is looked for at once, at most every few seconds.
3. No text made here repeats a code, a token or a secret.
Source: OpenID Connect Core and Discovery 1.0; RFC 7517, 7519 and 7636.
"""

import asyncio
import threading
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

from tocsin.base import json
from tocsin.channels.http import Answer, Forbidden, Outside, Unreachable

FRESH: Final = timedelta(hours=1)
"""How long what a provider says of itself is taken for true."""
LOOKED_AGAIN: Final = timedelta(seconds=10)
"""How soon keys are fetched again when a token names one that is not known, and a provider that did not answer is asked again."""
TIMEOUT: Final = timedelta(seconds=10)
ANSWER_MOST: Final = 262_144
TOKEN_MOST: Final = 65_536
KEYS_MOST: Final = 100
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are believed."""
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class OidcTrouble(Exception):
    """Nobody can be let in by this provider now; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class About:
    """What a provider says of itself."""

    authorize: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    takes_basic: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for."""

    id_token: str
    access_token: str


class Provider:
    """One provider and what is known of it. May be used by several threads."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, *, allowed: Sequence[str] = ()) -> None:
        """`allowed`: private networks in which the provider may be."""
        self.issuer, self.client_id = issuer, client_id
        self._secret, self._allowed = client_secret, tuple(allowed)
        self._lock = threading.Lock()
        self._about: About | None = None
        self._about_at: datetime | None = None
        self._trouble = ""
        self._trouble_at: datetime | None = None
        self._keys: list[dict[str, Any]] = []
        self._keys_at: datetime | None = None

    @property
    def end_session(self) -> str:
        """Where one signs out at the provider, as far as that is known."""
        return self._about.end_session if self._about else ""

    def about(self, now: datetime) -> About:
        """What the provider says of itself. Raises OidcTrouble."""
        with self._lock:
            if self._about is not None and self._about_at is not None and now - self._about_at < FRESH:
                return self._about
            if self._trouble and self._trouble_at is not None and now - self._trouble_at < LOOKED_AGAIN:
                raise OidcTrouble(self._trouble)
            try:
                told = self._object("GET", self.issuer.rstrip("/") + "/.well-known/openid-configuration", "its configuration")
                self._about, self._about_at = self._read(told), now
            except OidcTrouble as error:
                self._trouble, self._trouble_at = str(error), now
                raise
            return self._about

    def _read(self, told: Mapping[str, Any]) -> About:
        if told.get("issuer") != self.issuer:
            raise OidcTrouble(f"the provider calls itself {str(told.get('issuer'))[:200]}, not {self.issuer}: TOCSIN_OIDC_ISSUER must be exactly that")
        places = {name: str(told.get(name) or "") for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint")}
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not places[name]:
                raise OidcTrouble(f"the provider's configuration has no {name}")
        for name, place in places.items():
            if place and not self._may_be(place):
                raise OidcTrouble(f"the provider's {name} is not an https address")
        methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return About(
            authorize=places["authorization_endpoint"], token=places["token_endpoint"], keys=places["jwks_uri"],
            userinfo=places["userinfo_endpoint"], end_session=places["end_session_endpoint"], takes_basic="client_secret_basic" in methods,
        )  # fmt: skip

    def _may_be(self, place: str) -> bool:
        """Whether an address is HTTPS, or as local as the issuer itself."""
        try:
            parts, own = urlsplit(place), urlsplit(self.issuer)
        except ValueError:
            return False
        return parts.scheme == "https" or (parts.scheme == "http" and own.scheme == "http" and parts.hostname in _LOCAL)

    def exchange(self, code: str, verifier: str, redirect: str, now: datetime) -> Tokens:
        """The tokens for a code. Raises OidcTrouble."""
        about = self.about(now)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if not self._secret:
            form["client_id"] = self.client_id
        elif about.takes_basic:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        told = self._object("POST", about.token, "the exchange of the code", urlencode(form).encode(), headers)
        found = told.get("id_token")
        if not isinstance(found, str) or len(found) > TOKEN_MOST:
            raise OidcTrouble("the provider gave no ID token: is `openid` among the scopes it allows this client?")
        access = told.get("access_token")
        return Tokens(found, access if isinstance(access, str) else "")

    def claims(self, id_token: str, now: datetime) -> dict[str, Any]:
        """What an ID token says, once its signature is believed. Raises OidcTrouble."""
        try:
            header = jwt.get_unverified_header(id_token)
        except jwt.PyJWTError as error:
            raise OidcTrouble("the provider's ID token cannot be read") from error
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise OidcTrouble(f"the ID token is signed by '{str(algorithm)[:20]}', which is not believed")
        key = self._key(header.get("kid"), algorithm, now)
        try:
            said = jwt.PyJWS().decode(id_token, key, algorithms=[algorithm])
            claims = json.decode(said)
        except (jwt.PyJWTError, ValueError) as error:
            raise OidcTrouble("the signature of the ID token is not the provider's") from error
        if not isinstance(claims, dict):
            raise OidcTrouble("the provider's ID token cannot be read")
        return claims

    def _key(self, kid: object, algorithm: str, now: datetime) -> jwt.PyJWK:
        """The provider's key of this name; keys are fetched when they are old or this one is not among them."""
        place = self.about(now).keys
        with self._lock:
            age = now - self._keys_at if self._keys_at is not None else None
            found = self._fitting(kid, algorithm)
            if age is None or age >= FRESH or (not found and age >= LOOKED_AGAIN):
                told = self._object("GET", place, "its keys").get("keys")
                if not isinstance(told, list) or len(told) > KEYS_MOST:
                    raise OidcTrouble(f"the provider's keys are no list of at most {KEYS_MOST}")
                self._keys, self._keys_at = [one for one in told if isinstance(one, dict)], now
                found = self._fitting(kid, algorithm)
        if len(found) != 1:
            raise OidcTrouble("the ID token is signed with a key that the provider does not have")
        return found[0]

    def _fitting(self, kid: object, algorithm: str) -> list[jwt.PyJWK]:
        fitting = []
        for one in self._keys:
            if (kid is not None and one.get("kid") != kid) or one.get("use", "sig") != "sig" or one.get("alg", algorithm) != algorithm:
                continue
            try:
                fitting.append(jwt.PyJWK(one, algorithm))
            except (jwt.PyJWTError, ValueError, TypeError, KeyError):
                continue  # a key of another kind: it has not made this signature
        return fitting

    def userinfo(self, access_token: str, now: datetime) -> dict[str, Any]:
        """What the provider says of the person beside the ID token; nothing when it has no place for that. Raises OidcTrouble."""
        place = self.about(now).userinfo
        if not place or not access_token.isascii() or not access_token.isprintable() or not access_token:
            return {}
        return self._object("GET", place, "what it knows of you", headers={"Authorization": f"Bearer {access_token}"})

    def _object(self, method: str, url: str, what: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """One exchange that answers a JSON object. Raises OidcTrouble saying what failed."""
        try:
            answer = asyncio.run(self._asked(method, url, body, {"Accept": "application/json", **(headers or {})}))
        except Forbidden as error:
            raise OidcTrouble(f"the sign-in provider may not be called: {error}") from error
        except Unreachable as error:
            raise OidcTrouble(f"the sign-in provider cannot be reached for {what}: {error}") from error
        try:
            told = json.decode(answer.body)
        except ValueError:
            told = None
        if not answer.is_fine or not isinstance(told, dict):
            word = str(told.get("error"))[:60] if isinstance(told, dict) and isinstance(told.get("error"), str) else ""
            more = f" ({word})" if word.isascii() and word.replace("_", "").isalnum() else ""
            raise OidcTrouble(f"the sign-in provider answers HTTP {answer.status}{more} to {what}")
        return told

    async def _asked(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        outside = Outside(allowed=self._allowed, connections=2)
        try:
            return await outside.request(method, url, body=body, headers=headers, timeout=TIMEOUT, answer_most=ANSWER_MOST)
        finally:
            await outside.close()
