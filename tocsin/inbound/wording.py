"""Rules every reader shares: how a body becomes a document, and what a field may hold, in PagerDuty's words of refusal.

Laws:
1. A body is JSON in UTF-8 (a byte-order mark in front is forgiven), an object at its top, at most `MAX_DEPTH` deep.
2. Blank is missing: null, an empty text and a text of spaces are the same to every rule.
3. Texts that end in a database column hold no null character: it becomes U+FFFD.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tocsin.base import json
from tocsin.base.times import parse_instant
from tocsin.inbound.spec import FULL_SUMMARY, MAX_DEDUP_KEY, MAX_SUMMARY, NOT_JSON, Image, Link, Unreadable

_BOM: Final = b"\xef\xbb\xbf"
TOO_DEEP: Final = f"Event object is nested too deeply (at most {json.MAX_DEPTH} levels)"


def cleaned(body: bytes) -> bytes:
    """The body as bytes that are surely UTF-8 and not deeper than allowed, or `Unreadable`."""
    body = body.removeprefix(_BOM)
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise Unreadable([NOT_JSON], is_event=False) from error
    # With fewer brackets than that it cannot be too deep: most events are judged by the count alone.
    if body.count(b"{") + body.count(b"[") > json.MAX_DEPTH and json.depth(decoded(body)) > json.MAX_DEPTH:
        raise Unreadable([TOO_DEEP])
    return body


def decoded(body: bytes) -> Any:
    """Any JSON value, or `Unreadable`."""
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise Unreadable([TOO_DEEP]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable([NOT_JSON], is_event=False) from error


def document(body: bytes) -> dict[str, Any]:
    """The body as an object, or `Unreadable`."""
    value = decoded(cleaned(body))
    if not isinstance(value, dict):
        raise Unreadable([NOT_JSON], is_event=False)
    return value


def is_blank(value: object) -> bool:
    """Whether there is nothing in it (law 2)."""
    return value is None or (isinstance(value, str) and not value.strip())


def optional_text(value: object) -> str | None:
    """A text of a stored event: None when blank, null characters replaced (law 3)."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json.text(value)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def cut(summary: str) -> str:
    """A summary as it is kept in its column."""
    summary = summary.replace("\0", "\ufffd") if "\0" in summary else summary
    return summary if len(summary) <= MAX_SUMMARY else summary[:MAX_SUMMARY]


def with_full_summary(details: Mapping[str, Any] | str | None, summary: str) -> Mapping[str, Any] | str | None:
    """The details, with the whole summary beside them when it had to be cut."""
    if len(summary) <= MAX_SUMMARY:
        return details
    if isinstance(details, Mapping):
        return {**details, FULL_SUMMARY: summary}
    return {FULL_SUMMARY: summary} if details is None else {FULL_SUMMARY: summary, "details": details}


def dedup_key_faults(key: str, name: str) -> list[str]:
    """What is wrong with a deduplication key that is there."""
    if len(key) > MAX_DEDUP_KEY:
        return [f"Length of '{name}' is incorrect (should be at most {MAX_DEDUP_KEY} characters)"]
    if "\0" in key:
        return [f"'{name}' is invalid (must not contain null characters)"]
    return []


def instant(text: str) -> datetime:
    """A sender's instant in UTC. Raises ValueError. The standard library's reader is tried first: it is the quick one."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return parse_instant(text)
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"'{text[:64]}' is out of the range of dates") from error


def instant_or_none(value: object) -> datetime | None:
    """The instant of a stored event; None (the time of receipt counts) when there is none."""
    if not isinstance(value, str) or is_blank(value):
        return None
    try:
        return instant(value)
    except ValueError:
        return None


def details_of(value: object) -> Mapping[str, Any] | str | None:
    """A sender's own details: an object stays one, nothing stays nothing, anything else becomes text."""
    if value is None or isinstance(value, (dict, str)):
        return value
    return json.text(value)


def links_of(value: object) -> tuple[Link, ...]:
    """The links of a stored event; entries without an address are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        Link(href=entry["href"], text=optional_text(entry.get("text")))
        for entry in value
        if isinstance(entry, dict) and isinstance(entry.get("href"), str) and entry["href"].strip()
    )


def images_of(value: object) -> tuple[Image, ...]:
    """The images of a stored event; entries that are not served over https are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(
        Image(src=entry["src"], href=optional_text(entry.get("href")), alt=optional_text(entry.get("alt")))
        for entry in value
        if isinstance(entry, dict) and isinstance(entry.get("src"), str) and entry["src"].startswith("https://")
    )
