"""A real Alertmanager sends to the gate: its PagerDuty receiver over HTTPS, and its webhook receiver over HTTP."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.serving import KEY, OTHER_KEY, save_ways_in, served
from tocsin.app import http
from tocsin.app.tls import local_certificate
from tocsin.base.clock import system_clock
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import AlertEvent, Payload
from tocsin.store.db import Database

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

CONFIGURATION = """
route: {{receiver: both, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: both
  pagerduty_configs:
  - routing_key: {key}
    url: https://localhost:{https}/v2/enqueue
    send_resolved: true
    severity: '{{{{ .CommonLabels.severity }}}}'
    http_config: {{tls_config: {{ca_file: {authority}}}}}
  webhook_configs:
  - url: http://127.0.0.1:{http}/integration/{other}/alertmanager
    send_resolved: true
"""


@pytest.mark.skipif(
    PROGRAM is None and os.environ.get("CI") != "true",
    reason="Alertmanager is not installed: run `make system` as root",
)
def test_alertmanager_fires_and_resolves_through_both_its_receivers(
    sqlite_db: Database, now: datetime, tmp_path: Path
) -> None:
    with sqlite_db.write() as tx:
        save_ways_in(tx, now)
    made = local_certificate(tmp_path / "tls", now=system_clock())
    safe = http.Listener("127.0.0.1", free_port(), made.certificate, made.key)
    with served(sqlite_db, certificate=safe) as gate:
        config, port = tmp_path / "am.yml", free_port()
        config.write_text(
            CONFIGURATION.format(key=KEY, other=OTHER_KEY, https=safe.port, http=gate.port, authority=made.authority)
        )
        log = (tmp_path / "log").open("wb")
        sender = subprocess.Popen(
            [
                str(PROGRAM), f"--config.file={config}", f"--storage.path={tmp_path}/data",
                f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            until(lambda: posted(port, []), "Alertmanager to come up")
            alert = {
                "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db-3:9100"},
                "annotations": {"summary": "The disk of db-3 is full"},
                "generatorURL": "http://prometheus.example.org/graph",
            }
            assert posted(port, [alert])
            until(lambda: len(gate.inbox()) == 2, "the alert to arrive twice")
            assert posted(port, [alert | {"endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}])
            until(lambda: len(gate.inbox()) == 4, "its end to arrive twice")
        finally:
            sender.terminate()
            sender.wait(10)
            log.close()
        events: dict[str, list[AlertEvent]] = {"events_v2": [], "alertmanager": []}
        for row in gate.inbox():
            reader = reader_named(row.reader)
            assert reader is not None
            (event,) = reader.read(Payload(bytes(row.raw), row.routing_key, row.dedup_key))
            assert isinstance(event, AlertEvent)
            events[row.reader].append(event)
        for fired, resolved in events.values():
            assert (fired.action, resolved.action) == ("trigger", "resolve")
            assert fired.dedup_key == resolved.dedup_key
            assert fired.severity == "critical"
            assert fired.client == "Alertmanager"
        assert events["alertmanager"][0].summary == "The disk of db-3 is full"
        assert len(events["events_v2"][0].dedup_key) == 64


def posted(port: int, alerts: list[object]) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/api/v2/alerts", json.dumps(alerts), {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def until(is_so: Callable[[], bool], what: str) -> None:
    for _ in range(300):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited in vain for {what}")
