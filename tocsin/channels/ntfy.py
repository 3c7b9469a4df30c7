"""Pages through ntfy (ntfy.sh or a server of one's own): its JSON publishing, with buttons to acknowledge and resolve.

Source: ntfy's own documentation of publishing as JSON (topic, message, title, priority, tags, click, actions).
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tocsin.base import json
from tocsin.channels.http import Forbidden, Unreachable
from tocsin.channels.spec import Ability, Accepted, Channel, Field, Limits, Means, NotNow, Outcome, Parcel, Refused
from tocsin.channels.webhook import KEY, outcome_of

LIMITS: Final = Limits(concurrency=32, bundle_seconds=10)
URGENT: Final = 5
"""ntfy's highest priority: rings through, if the phone lets it."""

_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ACTIONS_MAX: Final = 3
_TEXT_MAX: Final = 3500
"""ntfy turns messages over 4,096 bytes into attachments."""


async def send(means: Means, parcel: Parcel) -> Outcome:
    """Publish to the topic. ntfy's answer carries the id of the message."""
    server, topic = _split(parcel.address)
    headers = {"Content-Type": "application/json", KEY: parcel.key}
    token = parcel.fields.get("token")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = await means.outside.request(
            "POST", server, body=json.encode(document(parcel, topic)), headers=headers, timeout=LIMITS.timeout
        )
    except Forbidden as error:
        return Refused(str(error))
    except Unreachable as error:
        return NotNow(str(error))
    outcome = outcome_of(answer)
    if isinstance(outcome, Accepted):
        try:
            said = json.decode(answer.body)
        except ValueError:
            said = {}
        return Accepted(str(said.get("id")) if isinstance(said, dict) and said.get("id") else None, outcome.detail)
    return outcome


def document(parcel: Parcel, topic: str) -> dict[str, Any]:
    """What is published: priority by urgency, a click that opens the incident, and the buttons."""
    message = parcel.message
    urgent = any(fact.urgency == "high" for fact in message.facts) and message.can_be_answered
    link = message.facts[0].link if message.count == 1 else message.facts[0].link.rpartition("/")[0]
    buttons = [
        # The signed address acts on POST; `http` buttons post without opening a browser.
        {"action": "http", "label": action.label, "url": action.url, "method": "POST", "clear": True}
        for action in parcel.actions
    ]
    written: dict[str, Any] = {
        "topic": topic,
        "title": message.subject[:250],
        "message": message.long.encode()[:_TEXT_MAX].decode(errors="ignore"),
        "priority": URGENT if urgent else 3,
        "tags": ["rotating_light"] if urgent else ["bell"],
    }
    if link:
        written["click"] = link
    if buttons and message.count == 1:
        written["actions"] = buttons[:_ACTIONS_MAX]
    return written


def _split(address: str) -> tuple[str, str]:
    server, _, topic = address.rstrip("/").rpartition("/")
    return server + "/", topic


def check(address: str, _country_code: int | None, _fields: Mapping[str, Any]) -> list[str]:
    """The address of a topic: https://ntfy.example.org/my-topic."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
    if not is_fine or not _TOPIC.fullmatch(_split(address)[1]) or not parts.path.strip("/"):
        return ["Address must be the address of an ntfy topic, like https://ntfy.sh/my-secret-topic"]
    return []


CHANNEL: Final = Channel(
    kind="ntfy",
    label="ntfy",
    fields=(
        Field("address", "Topic", "https://ntfy.sh/my-secret-topic", "url"),
        Field("token", "Access token", "for a topic that is protected", "secret", is_required=False),
    ),
    send=send,
    check=check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS}),
)
