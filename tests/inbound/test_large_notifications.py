"""Notifications with many alerts: taken whole where their sender gives up on a refusal, bounded all the same."""

import json

import pytest

from tests.serving import KEY
from tocsin.inbound.roll import READERS, reader_named
from tocsin.inbound.spec import MAX_ALERTS, MAX_BODY, MAX_NOTIFICATION, Payload, Unreadable


def notification(count: int) -> Payload:
    alerts = [{"status": "firing", "labels": {"n": str(number)}} for number in range(count)]
    return Payload(body=json.dumps({"status": "firing", "alerts": alerts}).encode(), routing_key=KEY)


@pytest.mark.parametrize("name", ["alertmanager", "grafana"])
def test_a_notification_of_many_alerts_is_taken_up_to_its_limit(name: str) -> None:
    reader = reader_named(name)
    assert reader is not None
    assert reader.most == MAX_NOTIFICATION
    assert len(reader.check(notification(MAX_ALERTS))) == MAX_ALERTS
    with pytest.raises(Unreadable, match="max_alerts"):
        reader.check(notification(MAX_ALERTS + 1))


def test_a_request_with_one_event_may_be_half_a_megabyte() -> None:
    assert {reader.name: reader.most for reader in READERS if reader.name not in {"alertmanager", "grafana", "email"}} == dict.fromkeys(
        ("events_v2", "events_v1", "change_events", "generic"), MAX_BODY
    )
