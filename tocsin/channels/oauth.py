"""Gets the tokens that receivers of webhooks ask for, by client credentials, through the one way out.

Laws:
1. No text made here repeats the secret or the token, nor what the other side says beyond its word for an error.
2. Who the secret was meant for is asked alone: a redirect is an answer without a token.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.base import json
from tocsin.channels.http import Answer, Forbidden, Outside, Unreachable

TIMEOUT: Final = timedelta(seconds=5)
LASTING: Final = timedelta(hours=1)
"""How long a token is taken to last that does not say."""
LASTING_MOST: Final = timedelta(days=1)
"""How long a token is used at most, whatever it says."""
TOKEN_MOST: Final = 8192

_WORD: Final = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a token is asked for with. The secret is never shown."""

    token_url: str
    client_id: str
    secret: str
    scope: str | None

    def __repr__(self) -> str:
        return f"Credentials({self.client_id})"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and how long it lasts from now on."""

    text: str
    lasting: timedelta

    def __repr__(self) -> str:
        return "Token()"


class NoToken(Exception):
    """There is no token to be had; the text says why."""


def fetch(credentials: Credentials, *, allowed: Sequence[str] = ()) -> Token:
    """Ask for a token now; never inside a writing transaction. Raises NoToken."""
    return asyncio.run(_fetch(credentials, allowed))


async def _fetch(credentials: Credentials, allowed: Sequence[str]) -> Token:
    outside = Outside(allowed=allowed, connections=1)
    try:
        return await ask(outside, credentials)
    finally:
        await outside.close()


async def ask(outside: Outside, credentials: Credentials) -> Token:
    """Ask for a token. Raises NoToken."""
    form = {"grant_type": "client_credentials", "client_id": credentials.client_id, "client_secret": credentials.secret}
    if credentials.scope:
        form["scope"] = credentials.scope
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    try:
        answer = await outside.request(
            "POST", credentials.token_url, body=urlencode(form).encode(), headers=headers, timeout=TIMEOUT, follow=False
        )
    except (Forbidden, Unreachable) as error:
        raise NoToken(f"the token address gives no answer: {error}") from error
    return _read(answer)


def _read(answer: Answer) -> Token:
    document: Any = None
    try:
        document = json.decode(answer.body)
    except (ValueError, UnicodeDecodeError):
        document = None
    told = document if isinstance(document, dict) else {}
    if not answer.is_fine:
        word = told.get("error")
        more = f" ({word})" if isinstance(word, str) and _WORD.fullmatch(word) else ""
        raise NoToken(f"the token address answers HTTP {answer.status}{more}")
    text, kind, lasting = told.get("access_token"), told.get("token_type", "bearer"), told.get("expires_in")
    if not isinstance(text, str) or not 1 <= len(text) <= TOKEN_MOST or not text.isascii() or not text.isprintable() or " " in text:
        raise NoToken("the token address answers without an access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise NoToken("the token address answers with a token that is no bearer token")
    if not isinstance(lasting, int | float) or isinstance(lasting, bool) or not lasting > 0:
        return Token(text, LASTING)
    return Token(text, timedelta(seconds=min(float(min(lasting, 10**6)), LASTING_MOST.total_seconds())))
