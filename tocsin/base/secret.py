"""Seals: how secrets are kept, compared and signed, so that a copy of the database gives none of them away.

Laws:
1. The master key lives outside the database (a file of the data directory, or a setting), never in it.
2. What need not be read back (API keys, session tokens) is kept only as a keyed digest.
3. What must be read back (webhook secrets, channel credentials) is kept encrypted, and old keys still open old seals.
4. What must be shown again and is only ever compared (addresses of calendars) is made anew each time from a seed that is kept.
5. Passwords are argon2id (the library's own parameters).
6. Comparing is constant-time. Nothing here is ever logged.
"""

import hashlib
import hmac
from base64 import b32encode, urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

import argon2
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from tocsin.base import json

_hasher = argon2.PasswordHasher()


def new_master_key() -> str:
    """A fresh master key, in the text form `Seals` takes. Comes from the system's chance."""
    return Fernet.generate_key().decode()


class Seals:
    """Everything that needs the master key. The first key seals; all of them open."""

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ValueError("at least one master key is needed")
        self._box = MultiFernet([Fernet(key.encode()) for key in keys])
        self._pepper = [hashlib.sha256(b"tocsin digest " + key.encode()).digest() for key in keys]

    def seal(self, secret: str) -> str:
        """Encrypt `secret` for keeping."""
        return self._box.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """The secret again. Raises ValueError when no key of ours sealed it."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ValueError("this secret was sealed with a master key that is not configured") from error

    def reseal(self, sealed: str) -> str:
        """The same secret under the first key: for key rotation."""
        return self._box.rotate(sealed.encode()).decode()

    def digest(self, token: str) -> str:
        """A keyed digest (hex) by which a token is found again without being kept."""
        return hmac.new(self._pepper[0], token.encode(), hashlib.sha256).hexdigest()

    def digests(self, token: str) -> list[str]:
        """The token's digest under every key, newest first: what to look for while keys rotate."""
        return [hmac.new(pepper, token.encode(), hashlib.sha256).hexdigest() for pepper in self._pepper]

    def key_for(self, subject: str, *, purpose: str) -> str:
        """A secret text that is not kept: the same each time for this subject, until the subject or the master key changes."""
        return b32encode(self._mac(0, purpose, subject.encode())[:20]).decode()

    def is_key_for(self, key: str, subject: str, *, purpose: str) -> bool:
        """Whether `key` is what `key_for` makes of this subject, under any of the master keys."""
        made = (self._mac(at, purpose, subject.encode()) for at in range(len(self._pepper)))
        return any(hmac.compare_digest(key.encode(), b32encode(one[:20])) for one in made)

    def sign(self, claims: dict[str, object], *, purpose: str, expires_at: datetime) -> str:
        """A signed text that says `claims` until `expires_at`, good for `purpose` only (links in mails)."""
        body = json.canonical({**claims, "exp": int(expires_at.timestamp())})
        return f"{_b64(body)}.{_b64(self._mac(0, purpose, body))}"

    def verify(self, signed: str, *, purpose: str, now: datetime) -> dict[str, object]:
        """The claims of a signed text. Raises ValueError, saying why, when it is forged, foreign or expired."""
        try:
            first, second = signed.split(".")
            body, mac = _unb64(first), _unb64(second)
        except ValueError as error:
            raise ValueError("this link is damaged") from error
        if not any(hmac.compare_digest(mac, self._mac(at, purpose, body)) for at in range(len(self._pepper))):
            raise ValueError("this link was not made here")
        claims = json.decode(body)
        if not isinstance(claims, dict) or int(claims.pop("exp")) < now.timestamp():
            raise ValueError("this link has expired")
        return claims

    def _mac(self, at: int, purpose: str, body: bytes) -> bytes:
        return hmac.new(self._pepper[at], purpose.encode() + b"\0" + body, hashlib.sha256).digest()


def webhook_signature(secret: str, body: bytes) -> str:
    """The value of `X-PagerDuty-Signature`: `v1=` and the hex HMAC-SHA256 of the raw body."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def check_password(hashed: str, password: str) -> bool:
    """Whether this is the password; False for a damaged hash too."""
    try:
        return _hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def same(one: str, other: str) -> bool:
    """Compare two secrets without telling by time where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
