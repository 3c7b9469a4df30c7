"""Change events: the rules of `POST /v2/change/enqueue` (BEHAVIOUR 1.2). They inform; they never page."""

from typing import Any, Final

from tocsin.inbound import wording
from tocsin.inbound.events_v2 import (
    details_faults,
    link_and_image_faults,
    required_text_faults,
    routing_key_faults,
    stored_document,
    timestamp_faults,
)
from tocsin.inbound.spec import CHANGE, Accepted, AlertEvent, ChangeEvent, Payload, Reader, Unreadable

ORCHESTRATION_KEY_START: Final = "R"
NO_CHANGES_HERE: Final = "Invalid routing key: change events go to a service's own key, not to one that starts with 'R'"


def check(payload: Payload) -> list[Accepted]:
    """Accept one change event, or raise `Unreadable` with every fault."""
    body = wording.cleaned(payload.body)
    document = wording.document(body)
    errors = faults(document)
    if errors:
        raise Unreadable(errors)
    return [Accepted(document["routing_key"], CHANGE, None, wording.cut(document["payload"]["summary"]), body)]


def faults(document: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a change event."""
    key = document.get("routing_key")
    errors = routing_key_faults(key)
    if not errors and isinstance(key, str) and key.startswith(ORCHESTRATION_KEY_START):
        errors.append(NO_CHANGES_HERE)
    said = document.get("payload")
    if said is None:
        errors.append("'payload' is missing or blank")
    elif not isinstance(said, dict):
        errors.append("'payload' is invalid (must be an object)")
    else:
        errors += required_text_faults(said, "summary")
        if said.get("source") is not None and not isinstance(said["source"], str):
            errors.append("'payload.source' is invalid (must be a string)")
        errors += timestamp_faults(said) + details_faults(said)
    return errors + link_and_image_faults(document)


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored change event in the house's words."""
    document = stored_document(payload.body)
    said = document["payload"]
    return [
        ChangeEvent(
            routing_key=payload.routing_key or document["routing_key"],
            summary=wording.cut(said["summary"]),
            source=wording.optional_text(said.get("source")),
            timestamp=wording.instant_or_none(said.get("timestamp")),
            details=wording.with_full_summary(wording.details_of(said.get("custom_details")), said["summary"]),
            links=wording.links_of(document.get("links")),
            images=wording.images_of(document.get("images")),
        )
    ]


READER: Final = Reader(name="change_events", label="Change events", check=check, read=read)
