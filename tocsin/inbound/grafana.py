"""Grafana's unified alerting webhook: Alertmanager's notification with Grafana's own links, pictures and values.

Source: "webhook notifier" in Grafana's documentation (body version 1). The rules are those of `alertmanager.py`.
"""

from typing import Final

from tocsin.inbound import alertmanager
from tocsin.inbound.events_v2 import stored_document
from tocsin.inbound.spec import MAX_NOTIFICATION, AlertEvent, ChangeEvent, Payload, Reader


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored alert in the house's words."""
    document = stored_document(payload.body)
    return [alertmanager.event_of(alert, document, payload, client="Grafana") for alert in document["alerts"]]


READER: Final = Reader(name="grafana", label="Grafana (webhook)", check=alertmanager.check, read=read, most=MAX_NOTIFICATION)
