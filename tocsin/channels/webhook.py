"""Pages as JSON posted to an address of the person's own, signed, with an idempotency key."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.base import json
from tocsin.base.times import iso
from tocsin.channels.http import Answer, Forbidden, Unreachable
from tocsin.channels.spec import Ability, Accepted, Channel, Field, Limits, Means, NotNow, Outcome, Parcel, Refused
from tocsin.core.message import Facts

SIGNATURE: Final = "X-Tocsin-Signature"
"""Header with `v1=` and the hex HMAC-SHA256 of the raw body under the contact method's secret (or the installation's)."""

KEY: Final = "Idempotency-Key"
"""Header with the key that is the same whenever the same message is sent again."""


async def send(means: Means, parcel: Parcel) -> Outcome:
    """POST the page. 2xx is acceptance; 408, 409, 425, 429 and 5xx are tried again; everything else is a refusal."""
    body = json.encode(document(parcel))
    headers = {"Content-Type": "application/json", KEY: parcel.key}
    secret = str(parcel.fields.get("secret") or means.webhook_secret)
    if secret:
        headers[SIGNATURE] = signature(secret, body)
    return await post(means, parcel.address, body, headers)


async def post(means: Means, url: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> Outcome:
    """One exchange as an outcome: what every channel over plain HTTP answers."""
    try:
        answer = await means.outside.request(method, url, body=body, headers=headers, timeout=LIMITS.timeout)
    except Forbidden as error:
        return Refused(str(error))
    except Unreachable as error:
        return NotNow(str(error))
    return outcome_of(answer)


def outcome_of(answer: Answer) -> Outcome:
    """What an HTTP answer means for a message."""
    if answer.is_fine:
        return Accepted(detail=answer.words())
    if answer.may_pass:
        return NotNow(answer.words(), answer.retry_after)
    return Refused(answer.words())


def signature(secret: str, body: bytes) -> str:
    """The value of the signature header for this body."""
    return "v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def document(parcel: Parcel) -> dict[str, Any]:
    """The body: who it is for, the words, and the facts of every page it stands for."""
    message = parcel.message
    actions: dict[str, dict[str, str]] = {}
    for action in parcel.actions:
        actions.setdefault(action.incident_id, {})[f"{action.do}_url"] = action.url
    return {
        "type": message.purpose,
        "key": parcel.key,
        "count": message.count,
        "subject": message.subject,
        "text": message.long,
        "user": {"id": parcel.user_id, "name": parcel.user_name},
        "pages": [_page(fact, actions.get(fact.incident_id or "", {})) for fact in message.facts],
    }


def _page(fact: Facts, actions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "incident_id": fact.incident_id,
        "number": fact.number,
        "title": fact.title,
        "service": fact.service,
        "urgency": fact.urgency,
        "reason": fact.reason,
        "created_at": iso(fact.since) if fact.since else None,
        "html_url": fact.link or None,
        **actions,
    }


def check(address: str, _country_code: int | None, _fields: Mapping[str, Any]) -> list[str]:
    """An absolute http or https address. Whether it may be called is known only when it is looked up."""
    try:
        parts = urlsplit(address)
        is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fine = False
    return [] if is_fine else ["Address must be an http or https address, like https://example.org/page"]


LIMITS: Final = Limits(concurrency=256, bundle_seconds=0)
"""A program reads these, so every page comes alone unless the contact method's `bundle_seconds` says otherwise."""

CHANNEL: Final = Channel(
    kind="webhook",
    label="Webhook",
    fields=(
        Field("address", "Address", "https://example.org/page", "url"),
        Field("secret", "Secret", f"signs every request in {SIGNATURE}", "secret", is_required=False),
        Field("bundle_seconds", "Gather pages for (seconds)", "0: each page alone", "number", is_required=False),
    ),
    send=send,
    check=check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS}),
)
