"""Prometheus Alertmanager's webhook: each alert of a notification is an event of its own, known by its fingerprint.

Laws:
1. `status` of the alert is exactly `firing` (trigger) or `resolved` (resolve); the group's own status says nothing.
2. The deduplication key is the fingerprint, and without one a digest of the labels (which is what a fingerprint is).
3. A stored event is the notification it came in, with that one alert.
4. A notification may be large: its sender does not send again what is refused, so limits are for attackers only.
Source: the `webhook_config` part of Alertmanager's documentation (body version 4).
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from tocsin.base import json
from tocsin.inbound import wording
from tocsin.inbound.events_v2 import stored_document
from tocsin.inbound.severity import severity_of
from tocsin.inbound.spec import (
    MAX_ALERTS,
    MAX_NOTIFICATION,
    Accepted,
    Action,
    AlertEvent,
    ChangeEvent,
    Image,
    Link,
    Payload,
    Reader,
    Unreadable,
)

STATUSES: Final[Mapping[str, Action]] = {"firing": "trigger", "resolved": "resolve"}
NEVER: Final = "0001-01-01T00:00:00Z"
"""What Go writes for a time that is not set."""


def check(payload: Payload) -> list[Accepted]:
    """Accept every alert of the notification, or raise `Unreadable`."""
    document = wording.document(payload.body)
    errors = faults(document)
    if errors:
        raise Unreadable(errors)
    return [
        Accepted(
            payload.routing_key,
            STATUSES[alert["status"]],
            dedup_key(alert),
            wording.cut(summary_of(alert)),
            json.encode({**document, "alerts": [alert]}),
        )
        for alert in document["alerts"]
    ]


def faults(document: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a notification."""
    alerts = document.get("alerts")
    if not isinstance(alerts, list) or not alerts or not all(isinstance(alert, dict) for alert in alerts):
        return ["'alerts' is missing or blank (must be an array of alerts)"]
    if len(alerts) > MAX_ALERTS:
        return [f"'alerts' is too long (at most {MAX_ALERTS} in one notification: set max_alerts at the sender)"]
    errors = []
    if not all(isinstance(alert.get("status"), str) and alert["status"] in STATUSES for alert in alerts):
        errors.append(
            "'alerts' is invalid (each alert's 'status' must be one of the following: 'firing' or 'resolved')"
        )
    if not all(
        isinstance(alert.get(part), (dict, type(None))) for alert in alerts for part in ("labels", "annotations")
    ):
        errors.append("'alerts' is invalid (each alert's 'labels' and 'annotations' must be objects)")
    elif not all(alert.get("fingerprint") or alert.get("labels") for alert in alerts):
        errors.append("'alerts' is invalid (each alert must have a 'fingerprint' or 'labels')")
    for alert in alerts:
        mark = alert.get("fingerprint")
        if mark is not None and not isinstance(mark, str):
            errors.append("'alerts' is invalid (each alert's 'fingerprint' must be a string)")
        elif mark:
            errors += wording.dedup_key_faults(mark, "fingerprint")
    return list(dict.fromkeys(errors))


def dedup_key(alert: Mapping[str, Any]) -> str:
    """What tells this alert from others (law 2)."""
    mark = alert.get("fingerprint")
    return (
        mark
        if isinstance(mark, str) and mark.strip()
        else hashlib.sha256(json.canonical(alert.get("labels"))).hexdigest()
    )


def summary_of(alert: Mapping[str, Any]) -> str:
    """The best sentence that the alert says of itself."""
    annotations, labels = alert.get("annotations") or {}, alert.get("labels") or {}
    for said in (
        *(annotations.get(name) for name in ("summary", "title", "message", "description")),
        labels.get("alertname"),
    ):
        if isinstance(said, str) and said.strip():
            return said.strip()
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items())) or dedup_key(alert)


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored alert in the house's words."""
    document = stored_document(payload.body)
    return [event_of(alert, document, payload, client="Alertmanager") for alert in document["alerts"]]


def event_of(alert: Mapping[str, Any], document: Mapping[str, Any], payload: Payload, *, client: str) -> AlertEvent:
    """One alert of a notification. `client` is the name of the system that sent it."""
    labels, annotations = alert.get("labels") or {}, alert.get("annotations") or {}
    action = STATUSES[alert["status"]]
    said_at = alert.get("startsAt") if action == "trigger" else alert.get("endsAt")
    text = summary_of(alert)
    details = {
        "labels": labels,
        "annotations": annotations,
        **{name: alert[name] for name in ("startsAt", "generatorURL", "values", "valueString") if alert.get(name)},
        **{name: document[name] for name in ("receiver", "groupKey", "truncatedAlerts") if document.get(name)},
    }
    return AlertEvent(
        action=action,
        routing_key=payload.routing_key,
        dedup_key=payload.dedup_key or dedup_key(alert),
        summary=wording.cut(text),
        source=_first(labels, "instance", "host", "node", "pod", "job")
        or wording.optional_text(document.get("externalURL")),
        severity=severity_of(labels.get("severity")),
        timestamp=None if said_at == NEVER else wording.instant_or_none(said_at),
        component=_first(labels, "service", "component", "job"),
        group=_first(labels, "cluster", "namespace"),
        class_=_first(labels, "alertname"),
        details=wording.with_full_summary(details, text),
        links=_links(alert, annotations),
        images=_images(alert),
        client=client,
        client_url=wording.optional_text(document.get("externalURL")),
    )


def _first(labels: Mapping[str, Any], *names: str) -> str | None:
    return next((found for name in names if (found := wording.optional_text(labels.get(name)))), None)


_LINKS: Final = (
    ("generatorURL", "Source"),
    ("dashboardURL", "Dashboard"),
    ("panelURL", "Panel"),
    ("silenceURL", "Silence"),
)  # fmt: skip


def _links(alert: Mapping[str, Any], annotations: Mapping[str, Any]) -> tuple[Link, ...]:
    found = [(alert.get(name), text) for name, text in _LINKS]
    found += [(annotations.get("runbook_url"), "Runbook"), (annotations.get("dashboard"), "Dashboard")]
    return tuple(
        Link(href, text) for href, text in found if isinstance(href, str) and href.startswith(("http://", "https://"))
    )


def _images(alert: Mapping[str, Any]) -> tuple[Image, ...]:
    return wording.images_of([{"src": alert.get("imageURL")}])


READER: Final = Reader(name="alertmanager", label="Prometheus Alertmanager (webhook)", check=check, read=read, most=MAX_NOTIFICATION)
