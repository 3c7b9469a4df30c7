"""What telephone providers tell us: replies, pressed keys, what to say in a call, and receipts.

Laws:
1. A request whose signature is not the provider's is refused (403) before anything of it is read as meaning something.
2. These are plain functions from a request to an answer; the edge mounts them under `/callbacks/`.
3. What cannot be understood is answered in words or with 4xx; a provider repeats what is answered 5xx.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlencode

from tocsin.channels import twilio, voice
from tocsin.channels.spec import Twilio
from tocsin.core.message import HELP
from tocsin.service import notify, replies
from tocsin.store.db import Database

BODY_MAX: Final = 65_536

_ARRIVED: Final = frozenset({"delivered", "read", "completed"})
_FAILED: Final = frozenset({"undelivered", "failed", "busy", "no-answer", "canceled"})
_XML: Final = "text/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Callback:
    """One request as it came. `query` is the part after the question mark; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider gets."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "text/plain; charset=utf-8"})


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What this installation is told of its provider. `public_url` is our address as the provider calls it."""

    public_url: str
    twilio: Twilio | None


def answer(db: Database, told: Callbacks, request: Callback, *, now: datetime, chance: Random) -> Answer:
    """Answer one call-back. 404 for other paths, or when no provider is set up; 405, 413 and 403 as they say."""
    deed = _DEEDS.get(request.path)
    if deed is None or told.twilio is None:
        return _plain(404, "There is no such call-back here")
    if request.method != "POST":
        return _plain(405, "Only POST is answered here")
    if len(request.body) > BODY_MAX:
        return _plain(413, f"More than {BODY_MAX} bytes")
    try:
        form = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return _plain(400, "The body is not a form")
    url = told.public_url + request.path + (f"?{request.query}" if request.query else "")
    if not twilio.is_genuine(url, form, told.twilio.auth_token, request.headers.get("x-twilio-signature", "")):
        return _plain(403, "The signature is not that of our provider for this address")
    return deed(db, told, request, dict(form), now, chance)


def _sms(
    db: Database, _told: Callbacks, _request: Callback, form: Mapping[str, str], now: datetime, chance: Random
) -> Answer:
    """A person answered by SMS."""
    with db.write() as tx:
        words = replies.by_sms(tx, form.get("From", ""), form.get("Body", ""), now=now, chance=chance)
    return _xml(voice.texting(words))


def _voice(
    db: Database, told: Callbacks, request: Callback, _form: Mapping[str, str], _now: datetime, _chance: Random
) -> Answer:
    """A person picked up: what to say."""
    key = _key(request)
    with db.read() as tx:
        message = replies.of_call(tx, key)
    if message is None:
        return _xml(voice.saying("This is Tocsin. This call is not known here any more. Goodbye."))
    if not message.can_be_answered:
        return _xml(voice.saying(message.spoken))
    keys_url = f"{told.public_url}{twilio.KEYS_PATH}?{urlencode({'key': key})}"
    return _xml(voice.asking(message.spoken, keys_url, is_request=message.purpose == HELP))


def _keys(
    db: Database, _told: Callbacks, request: Callback, form: Mapping[str, str], now: datetime, chance: Random
) -> Answer:
    """A person pressed a key."""
    with db.write() as tx:
        words = replies.by_keys(tx, _key(request), form.get("Digits", ""), now=now, chance=chance)
    return _xml(voice.saying(words))


def _status(
    db: Database, _told: Callbacks, request: Callback, form: Mapping[str, str], now: datetime, chance: Random
) -> Answer:
    """A receipt: how far a message or a call is."""
    provider_id = form.get("MessageSid") or form.get("SmsSid") or form.get("CallSid") or ""
    status = (form.get("MessageStatus") or form.get("SmsStatus") or form.get("CallStatus") or "").lower()
    if not provider_id or not status:
        return _plain(400, "A receipt names a message or call, and its status")
    detail = f"the provider says: {status}" + (f" (error {form['ErrorCode']})" if form.get("ErrorCode") else "")
    with db.write() as tx:
        notify.note_receipt(
            tx, provider_id, _key(request), arrived=status in _ARRIVED, is_final=status in _ARRIVED | _FAILED, detail=detail, now=now,
            chance=chance,
        )  # fmt: skip
    return Answer(204)


def _key(request: Callback) -> str:
    return parse_qs(request.query).get("key", [""])[0]


def _plain(status: int, words: str) -> Answer:
    return Answer(status, (words + "\n").encode())


def _xml(text: str) -> Answer:
    return Answer(200, text.encode(), {"content-type": _XML})


_DEEDS: Final = {twilio.SMS_PATH: _sms, twilio.VOICE_PATH: _voice, twilio.KEYS_PATH: _keys, twilio.STATUS_PATH: _status}
