"""Pages of the event journal: every event accepted, what became of it and why."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tocsin.base import json
from tocsin.service import browsing
from tocsin.store.db import Tx
from tocsin.web.visit import Page, View, Visit

OUTCOMES = {
    "alert": ("resolved", "Opened an alert"),
    "grouped": ("resolved", "Joined an incident"),
    "repeated": ("resolved", "Counted"),
    "resolved": ("resolved", "Resolved"),
    "acknowledged": ("resolved", "Acknowledged"),
}
"""Outcomes with words of their own; any other is shown by its stored name."""


def words_of(outcome: str | None) -> tuple[str, str]:
    """The state and the words for what became of an event."""
    if outcome is None:
        return "acknowledged", "Waiting"
    if outcome in OUTCOMES:
        return OUTCOMES[outcome]
    return "quiet", outcome.replace("_", " ").capitalize()


def list_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    asked = browsing.WantedEvents(
        words=visit.asked("q").strip(),
        outcome=visit.asked("outcome"),
        service_id=visit.asked("service"),
        before=visit.asked("before"),
    )
    found = browsing.list_events(tx, visit.who, asked)
    return {
        "asked": asked,
        "found": found,
        "outcomes": browsing.event_outcomes(),
        "services": browsing.services(tx, visit.who),
        "service_name": browsing.service_names(tx, {row.service_id for row in found.rows if row.service_id}),
        "numbers": browsing.incident_numbers(tx, {row.incident_id for row in found.rows if row.incident_id}),
        "words_of": words_of,
        "is_narrowed": any((asked.words, asked.outcome, asked.service_id)),
    }


def mark(_visit: Visit, tx: Tx) -> object:
    return browsing.journal_mark(tx)


def one_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = browsing.event(tx, visit.who, visit.segment("id"))
    body = readable(bytes(row.raw))
    return {
        "row": row,
        "body": body if browsing.may_see_keys(tx, visit.who, row.service_id) else body.replace(row.routing_key, "(the key)"),
        "service_name": browsing.service_names(tx, [row.service_id] if row.service_id else []),
        "numbers": browsing.incident_numbers(tx, [row.incident_id] if row.incident_id else []),
        "words_of": words_of,
    }


def readable(raw: bytes) -> str:
    """The body as it came, indented if it is JSON."""
    try:
        return json.pretty(json.decode(raw))
    except (ValueError, msgspec.MsgspecError):
        return raw.decode("utf-8", "replace")


PAGES = (
    Page("/events", View("events.html", list_facts, mark)),
    Page("/events/{id}", View("event.html", one_facts, lambda visit, tx: browsing.event(tx, visit.who, visit.segment("id")).outcome)),
)
