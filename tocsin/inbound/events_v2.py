"""Events API v2: the rules of `POST /v2/enqueue` (BEHAVIOUR 1.1), quickly for a sound event, thoroughly for any other.

Laws:
1. `faults` is the truth: every rule, in PagerDuty's words, over the plain document.
2. `_Quick` is a shortcut for sound events only: whatever it takes, `faults` finds no fault with (a test holds them to it).
3. An acknowledge or resolve is judged by its key alone: Alertmanager sends a whole payload with it, with any text in it.
"""

from typing import Any, Final, Literal

import msgspec

from tocsin.inbound import wording
from tocsin.inbound.spec import (
    ACTIONS,
    KEY_LENGTH,
    MAX_DEDUP_KEY,
    Accepted,
    Action,
    AlertEvent,
    ChangeEvent,
    Payload,
    Reader,
    Unreadable,
)

SEVERITIES: Final = ("critical", "warning", "error", "info")


class _QuickPayload(msgspec.Struct):
    summary: str = ""
    source: str = ""
    severity: Literal["critical", "warning", "error", "info"] | None = None
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)
    custom_details: msgspec.Raw = msgspec.Raw(b"null")


class _QuickLink(msgspec.Struct):
    href: str
    text: str | None = None


class _QuickImage(msgspec.Struct):
    src: str
    href: str | None = None
    alt: str | None = None


class _Quick(msgspec.Struct):
    routing_key: str
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: str | None = None
    payload: _QuickPayload | None = None
    links: list[_QuickLink] | None = None
    images: list[_QuickImage] | None = None
    client: str | None = None
    client_url: str | None = None


_quick: Final = msgspec.json.Decoder(_Quick).decode


def check(payload: Payload) -> list[Accepted]:
    """Accept one event, or raise `Unreadable` with every fault."""
    body = wording.cleaned(payload.body)
    try:
        event = _quick(body)
    except (msgspec.DecodeError, RecursionError):
        return [_thorough(body, payload.routing_key)]
    if not _is_sound(event):
        return [_thorough(body, payload.routing_key)]
    summary = wording.cut(event.payload.summary) if event.payload and event.payload.summary else None
    return [Accepted(event.routing_key, event.event_action, event.dedup_key or None, summary, body)]


def _is_sound(event: _Quick) -> bool:
    key = event.dedup_key
    if len(event.routing_key) != KEY_LENGTH or (key and (len(key) > MAX_DEDUP_KEY or "\0" in key or not key.strip())):
        return False
    if event.event_action != "trigger":
        return bool(key)
    said = event.payload
    if said is None or not said.severity or not said.summary.strip() or not said.source.strip():
        return False
    if said.timestamp and not _is_instant(said.timestamp):
        return False
    if memoryview(said.custom_details)[0] not in _DETAILS_START:
        return False
    if event.links and not all(link.href.strip() for link in event.links):
        return False
    return not (event.images and not all(image.src.startswith("https://") for image in event.images))


_DETAILS_START: Final = frozenset(b'{"n')  # an object, a text, or null


def _is_instant(text: str) -> bool:
    try:
        wording.instant(text)
    except ValueError:
        return wording.is_blank(text)
    return True


def _thorough(body: bytes, routing_key: str) -> Accepted:
    document = wording.document(body)
    if routing_key and wording.is_blank(document.get("routing_key")):
        document["routing_key"] = routing_key
        body = msgspec.json.encode(document)
    errors = faults(document)
    if errors:
        raise Unreadable(errors)
    key = document.get("dedup_key")
    said = document.get("payload")
    summary = said.get("summary") if isinstance(said, dict) else None
    return Accepted(
        document["routing_key"],
        document["event_action"],
        None if wording.is_blank(key) else key,
        wording.cut(summary) if isinstance(summary, str) and summary else None,
        body,
    )


def faults(document: dict[str, Any]) -> list[str]:
    """Everything that is wrong with an event, in the order of the fields."""
    errors = routing_key_faults(document.get("routing_key"))
    action = document.get("event_action")
    if wording.is_blank(action):
        errors.append("'event_action' is missing or blank")
    elif action not in ACTIONS:
        errors.append("'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')")
    key = document.get("dedup_key")
    if wording.is_blank(key):
        if action in ("acknowledge", "resolve"):
            errors.append("'dedup_key' is missing or blank")
    elif not isinstance(key, str):
        errors.append("'dedup_key' is invalid (must be a string)")
    else:
        errors += wording.dedup_key_faults(key, "dedup_key")
    if action not in ("acknowledge", "resolve"):
        errors += _payload_faults(document.get("payload"))
        errors += link_and_image_faults(document)
        errors += _text_faults(document, "client", "client_url")
    return errors


def routing_key_faults(key: object) -> list[str]:
    """What is wrong with the form of a routing key (whether it belongs to anything is asked later)."""
    if wording.is_blank(key):
        return ["'routing_key' is missing or blank"]
    if not isinstance(key, str):
        return ["'routing_key' is invalid (must be a string)"]
    if len(key) != KEY_LENGTH:
        return [f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)"]
    return []


def _payload_faults(said: object) -> list[str]:
    if said is None:
        return ["'payload' is missing or blank"]
    if not isinstance(said, dict):
        return ["'payload' is invalid (must be an object)"]
    errors = required_text_faults(said, "summary", "source")
    severity = said.get("severity")
    if wording.is_blank(severity):
        errors.append("'payload.severity' is missing or blank")
    elif severity not in SEVERITIES:
        errors.append(
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
        )
    errors += timestamp_faults(said)
    errors += _text_faults(said, "component", "group", "class", prefix="payload.")
    return errors + details_faults(said)


def required_text_faults(said: dict[str, Any], *names: str) -> list[str]:
    """What is wrong with texts of the payload that must be there."""
    errors = []
    for name in names:
        if wording.is_blank(said.get(name)):
            errors.append(f"'payload.{name}' is missing or blank")
        elif not isinstance(said[name], str):
            errors.append(f"'payload.{name}' is invalid (must be a string)")
    return errors


def timestamp_faults(said: dict[str, Any]) -> list[str]:
    """What is wrong with the payload's timestamp; a blank one is none."""
    value = said.get("timestamp")
    if wording.is_blank(value) or (isinstance(value, str) and _is_instant(value)):
        return []
    return ["'payload.timestamp' is invalid (must be an ISO 8601 date and time)"]


def details_faults(said: dict[str, Any]) -> list[str]:
    """What is wrong with the payload's custom details: an object, or a text."""
    if said.get("custom_details") is None or isinstance(said["custom_details"], (dict, str)):
        return []
    return ["'payload.custom_details' is invalid (must be an object)"]


def _text_faults(said: dict[str, Any], *names: str, prefix: str = "") -> list[str]:
    return [
        f"'{prefix}{name}' is invalid (must be a string)"
        for name in names
        if said.get(name) is not None and not isinstance(said[name], str)
    ]


def link_and_image_faults(document: dict[str, Any]) -> list[str]:
    """What is wrong with `links` (each needs an `href`) and `images` (each needs an https `src`)."""
    errors = []
    links, images = document.get("links"), document.get("images")
    if links is not None:
        if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
            errors.append("'links' is invalid (must be an array of objects)")
        elif not all(isinstance(link.get("href"), str) and link["href"].strip() for link in links):
            errors.append("'links' is invalid (each link must have an 'href')")
        elif not all(_is_text(link.get("text")) for link in links):
            errors.append("'links' is invalid (each 'text' must be a string)")
    if images is not None:
        if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
            errors.append("'images' is invalid (must be an array of objects)")
        elif not all(isinstance(image.get("src"), str) and image["src"].startswith("https://") for image in images):
            errors.append("'images' is invalid (each image must have a 'src' that starts with https://)")
        elif not all(_is_text(image.get("href")) and _is_text(image.get("alt")) for image in images):
            errors.append("'images' is invalid (each 'href' and 'alt' must be a string)")
    return errors


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored event in the house's words."""
    document = stored_document(payload.body)
    said = document.get("payload")
    if not isinstance(said, dict):
        said = {}
    summary = said.get("summary")
    text = summary if isinstance(summary, str) else ""
    action: Action = document["event_action"]
    return [
        AlertEvent(
            action=action,
            routing_key=payload.routing_key or document["routing_key"],
            dedup_key=payload.dedup_key or document["dedup_key"],
            summary=wording.cut(text),
            source=wording.optional_text(said.get("source")),
            severity=said["severity"] if said.get("severity") in SEVERITIES else None,
            timestamp=wording.instant_or_none(said.get("timestamp")),
            component=wording.optional_text(said.get("component")),
            group=wording.optional_text(said.get("group")),
            class_=wording.optional_text(said.get("class")),
            details=wording.with_full_summary(wording.details_of(said.get("custom_details")), text),
            links=wording.links_of(document.get("links")),
            images=wording.images_of(document.get("images")),
            client=wording.optional_text(document.get("client")),
            client_url=wording.optional_text(document.get("client_url")),
        )
    ]


def stored_document(raw: bytes) -> dict[str, Any]:
    """The document of an accepted event.

    The gate takes numbers that no machine can hold (`1e999`) in free-form parts without looking at them; such parts
    come back as their text, because an event that was accepted is never lost.
    """
    try:
        found: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        found = {name: _or_text(part) for name, part in fields.items()}
    return found


def _or_text(part: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(part)
    except msgspec.DecodeError:
        pass
    try:
        inner = msgspec.json.decode(part, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return bytes(part).decode()
    return {name: _or_text(piece) for name, piece in inner.items()}


READER: Final = Reader(name="events_v2", label="Events API v2", check=check, read=read)
