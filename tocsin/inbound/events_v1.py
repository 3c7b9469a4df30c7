"""Events API v1: the rules of `POST /generic/2010-04-15/create_event.json` (BEHAVIOUR 1.3).

Alertmanager's v1 bodies also hold an empty `event_action` and a null `payload`; what v1 does not know is not judged.
"""

from typing import Any, Final

from tocsin.inbound import wording
from tocsin.inbound.events_v2 import stored_document
from tocsin.inbound.spec import (
    ACTIONS,
    KEY_LENGTH,
    MAX_DEDUP_KEY,
    Accepted,
    AlertEvent,
    ChangeEvent,
    Payload,
    Reader,
    Unreadable,
)

NEEDS_A_KEY: Final = ("acknowledge", "resolve")


def check(payload: Payload) -> list[Accepted]:
    """Accept one event, or raise `Unreadable` with every fault."""
    body = wording.cleaned(payload.body)
    document = wording.document(body)
    errors = faults(document)
    if errors:
        raise Unreadable(errors)
    key, summary = document.get("incident_key"), document.get("description")
    return [
        Accepted(
            document["service_key"],
            document["event_type"],
            None if wording.is_blank(key) else key,
            wording.cut(summary) if isinstance(summary, str) and summary else None,
            body,
        )
    ]


def faults(document: dict[str, Any]) -> list[str]:
    """Everything that is wrong with an event, in the order of the fields, in v1's words."""
    errors = []
    service_key, action = document.get("service_key"), document.get("event_type")
    if wording.is_blank(service_key):
        errors.append("Service key is missing or blank")
    elif not isinstance(service_key, str) or len(service_key) != KEY_LENGTH:
        errors.append(f"Service key is the wrong length (should be {KEY_LENGTH} characters)")
    if wording.is_blank(action):
        errors.append("Event type is missing or blank")
    elif action not in ACTIONS:
        errors.append(f"event_type is invalid (must be one of: {' '.join(ACTIONS)})")
    errors += _key_faults(document.get("incident_key"), is_needed=action in NEEDS_A_KEY)
    if action in NEEDS_A_KEY:
        return errors
    description = document.get("description")
    if wording.is_blank(description):
        errors.append("Description is missing or blank")
    elif not isinstance(description, str):
        errors.append("Description is invalid (must be a string)")
    if not isinstance(document.get("details"), (dict, str, type(None))):
        errors.append("Details is invalid (must be an object)")
    errors += [
        f"{label} is invalid (must be a string)"
        for name, label in (("client", "Client"), ("client_url", "Client url"))
        if not isinstance(document.get(name), (str, type(None)))
    ]
    return errors + _context_faults(document.get("contexts"))


def _key_faults(key: object, *, is_needed: bool) -> list[str]:
    if wording.is_blank(key):
        return ["Incident key is missing or blank"] if is_needed else []
    if not isinstance(key, str):
        return ["Incident key is invalid (must be a string)"]
    if len(key) > MAX_DEDUP_KEY:
        return [f"Incident key is too long (should be at most {MAX_DEDUP_KEY} characters)"]
    return ["Incident key is invalid (must not contain null characters)"] if "\0" in key else []


def _context_faults(contexts: object) -> list[str]:
    if contexts is None:
        return []
    if not isinstance(contexts, list) or not all(isinstance(context, dict) for context in contexts):
        return ["Contexts is invalid (must be an array of objects)"]
    errors = []
    for context in contexts:
        kind, src = context.get("type"), context.get("src")
        if kind == "link":
            if not isinstance(context.get("href"), str) or not context["href"].strip():
                errors.append("Contexts is invalid (each link must have an 'href')")
        elif kind == "image":
            if not isinstance(src, str) or not src.startswith("https://"):
                errors.append("Contexts is invalid (each image must have a 'src' that starts with https://)")
        else:
            errors.append("Contexts is invalid (each type must be one of: link image)")
    return list(dict.fromkeys(errors))


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored event in the house's words. v1 has no severity: it is None, which counts as high urgency."""
    document = stored_document(payload.body)
    description = document.get("description")
    text = description if isinstance(description, str) else ""
    contexts = document.get("contexts")
    contexts = [entry for entry in contexts if isinstance(entry, dict)] if isinstance(contexts, list) else []
    client = wording.optional_text(document.get("client"))
    return [
        AlertEvent(
            action=document["event_type"],
            routing_key=payload.routing_key or document["service_key"],
            dedup_key=payload.dedup_key or document["incident_key"],
            summary=wording.cut(text),
            source=client,
            details=wording.with_full_summary(wording.details_of(document.get("details")), text),
            links=wording.links_of([entry for entry in contexts if entry.get("type") == "link"]),
            images=wording.images_of([entry for entry in contexts if entry.get("type") == "image"]),
            client=client,
            client_url=wording.optional_text(document.get("client_url")),
        )
    ]


READER: Final = Reader(name="events_v1", label="Events API v1", check=check, read=read)
