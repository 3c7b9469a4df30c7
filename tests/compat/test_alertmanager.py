"""A real Prometheus Alertmanager fires and resolves real alerts into a running Tocsin, in both ways it can be told to.

It is Debian's binary, configured as its manual says: `pagerduty_configs` with our address, and a webhook receiver.
"""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.compat.company import Colleague, Office, Watched, until
from tests.ports import free_port

BINARY = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")

QUICK = """
global:
  resolve_timeout: 5m
route:
  receiver: tocsin
  group_by: [alertname, cluster]
  group_wait: 100ms
  group_interval: 300ms
  repeat_interval: {repeat}
receivers:
  - name: tocsin
    pagerduty_configs:
      - routing_key: {events_key}
        url: {url}/v2/enqueue
        severity: '{{{{ or .CommonLabels.severity "error" }}}}'
    webhook_configs:
      - url: {url}/integration/{hook_key}/alertmanager
"""


@dataclass
class Alertmanager:
    """The real thing on a port of its own."""

    port: int
    firing: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fire(self, name: str, labels: Mapping[str, str], **annotations: str) -> None:
        """Say, as Prometheus does, that this alert is firing."""
        alert = {
            "labels": {"alertname": name, **labels},
            "annotations": annotations,
            "startsAt": datetime.now(UTC).isoformat(),
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=up",
        }
        self.firing[json.dumps(alert["labels"], sort_keys=True)] = alert
        self._post([alert])

    def fire_all(self, name: str, labels: Sequence[Mapping[str, str]], annotations: Mapping[str, str]) -> None:
        """Say that all of these are firing, at once."""
        now = datetime.now(UTC).isoformat()
        self._post([{"labels": {"alertname": name, **one}, "annotations": annotations, "startsAt": now} for one in labels])

    def resolve(self, name: str, labels: Mapping[str, str]) -> None:
        """Say that it is over."""
        alert = self.firing.pop(json.dumps({"alertname": name, **labels}, sort_keys=True))
        self._post([{**alert, "endsAt": (datetime.now(UTC) - timedelta(milliseconds=1)).isoformat()}])

    def _post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def failures(self) -> dict[str, float]:
        """How many notifications could not be delivered, by integration."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line.startswith("alertmanager_notifications_failed_total{"):
                name = line.partition('integration="')[2].partition('"')[0]
                found[name] = found.get(name, 0.0) + float(line.rpartition(" ")[2])
        return found


@dataclass(frozen=True)
class Stage:
    """An Alertmanager that tells two services: `events` by pagerduty_configs, `hooked` by a webhook receiver."""

    alertmanager: Alertmanager
    office: Office
    ada: Colleague
    bo: Colleague
    events: Watched
    hooked: Watched
    log: Path


@pytest.fixture
def repeat() -> str:
    """How often Alertmanager says the same again."""
    return "1h"


@pytest.fixture
def stage(office: Office, tmp_path: Path, repeat: str) -> Iterator[Stage]:
    if BINARY is None:
        reason = "Alertmanager is not installed: run `make system` as root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    ada, bo = office.person("Ada", ("webhook", "email")), office.person("Bo", ("webhook",))
    events, hooked = office.service(ada, name="Orders"), office.service(bo, name="Search")
    config = tmp_path / "alertmanager.yml"
    config.write_text(
        QUICK.format(
            repeat=repeat, events_key=events.routing_key, hook_key=hooked.routing_key, url=office.house.url
        )  # fmt: skip
    )
    alertmanager = Alertmanager(free_port())
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                BINARY, f"--config.file={config}", f"--storage.path={tmp_path / 'storage'}", "--log.level=debug", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{alertmanager.port}", f"--web.external-url={alertmanager.url}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(alertmanager.is_ready, f"Alertmanager to be ready: {(tmp_path / 'log').read_text()[-2000:]}")
        yield Stage(alertmanager, office, ada, bo, events, hooked, tmp_path / "log")
    finally:
        process.terminate()
        process.wait(20)


GROUP = 1_500
DISK = {"instance": "db1:9100", "cluster": "eu", "severity": "critical"}


def test_alerts_open_incidents_page_people_and_resolve_in_both_ways(stage: Stage):
    stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is 97 % full", runbook_url="https://example.org/disk")
    by_event, by_hook = stage.events.incident_when("triggered"), stage.hooked.incident_when("triggered")
    assert "DiskFull" in by_event["title"]
    assert by_hook["title"] == "Disk of db1 is 97 % full"
    (hook,), (mail,), (other,) = stage.office.told(stage.ada), stage.office.told(stage.ada, "email"), stage.office.told(stage.bo)
    assert [one["incident_id"] for one in hook.body["pages"]] == [by_event["id"]]
    assert [one["incident_id"] for one in other.body["pages"]] == [by_hook["id"]]
    assert by_event["html_url"] in mail.text
    stage.alertmanager.resolve("DiskFull", DISK)
    stage.events.incident_when("resolved")
    stage.hooked.incident_when("resolved")
    assert set(stage.alertmanager.failures().values()) == {0.0}
    assert (len(stage.events.incidents()), len(stage.hooked.incidents())) == (1, 1)


def test_what_alertmanager_knows_is_in_the_alert(stage: Stage):
    stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is 97 % full", runbook_url="https://example.org/disk")
    (event,) = stage.events.alerts(stage.events.incident_when("triggered")["id"])
    (hook,) = stage.hooked.alerts(stage.hooked.incident_when("triggered")["id"])
    assert len(event["alert_key"]) == 64, "the digest of the group's key"
    assert event["severity"] == hook["severity"] == "critical"
    details = event["body"]["details"]
    assert details["num_firing"] == "1"
    assert "db1:9100" in json.dumps(details["firing"])
    assert event["body"]["cef_details"]["client_url"].startswith(stage.alertmanager.url)
    assert hook["body"]["details"]["labels"]["instance"] == "db1:9100"
    assert hook["body"]["cef_details"]["source_origin"] == "db1:9100"
    assert "https://example.org/disk" in [context.get("href") for context in hook["body"]["contexts"]]


def test_alertmanagers_groups_are_one_incident_by_event_and_single_alerts_by_webhook(stage: Stage):
    hosts = [{**DISK, "instance": f"db{number}:9100"} for number in range(3)]
    for host in hosts:
        stage.alertmanager.fire("DiskFull", host, summary=f"Disk of {host['instance']} is full")
    until(lambda: len(stage.hooked.incidents()) == 3, "an incident for each alert of the webhook")
    incident = stage.events.incident_when("triggered")
    alert = stage.events.alerts(incident["id"])
    assert len(alert) == 1
    for host in hosts[:2]:
        stage.alertmanager.resolve("DiskFull", host)
    until(lambda: sum(one["status"] == "resolved" for one in stage.hooked.incidents()) == 2, "two to resolve")
    assert stage.events.incidents()[0]["status"] == "triggered", "one alert of its group still fires"
    stage.alertmanager.resolve("DiskFull", hosts[2])
    stage.events.incident_when("resolved")
    until(lambda: all(one["status"] == "resolved" for one in stage.hooked.incidents()), "all to resolve")
    assert len(stage.events.incidents()) == 1
    assert len(stage.office.told(stage.ada)) == 1


def test_a_group_of_more_than_a_thousand_alerts_is_taken_whole(stage: Stage):
    """A whole data centre: Alertmanager gives up on a notification that is refused, so none may be too large."""
    annotations = {"summary": "A host is down", "description": "It has not answered for five minutes. " * 8}
    stage.alertmanager.fire_all("HostDown", [{**DISK, "instance": f"host{number}:9100"} for number in range(GROUP)], annotations)
    until(lambda: len(stage.hooked.alert_keys()) == GROUP, f"{GROUP} alerts; it says: {stage.log.read_text()[-500:]}", 30)
    (incident,) = stage.events.incidents()
    assert "HostDown" in incident["title"]
    assert set(stage.alertmanager.failures().values()) == {0.0}


def test_another_group_is_another_incident(stage: Stage):
    for cluster in ("eu", "us"):
        stage.alertmanager.fire("DiskFull", {**DISK, "cluster": cluster}, summary=f"Disks of {cluster} are full")
    until(lambda: len(stage.events.incidents()) == 2, "an incident for each group")
    assert len({alert["alert_key"] for one in stage.events.incidents() for alert in stage.events.alerts(one["id"])}) == 2


def test_an_alert_that_comes_back_is_a_new_incident(stage: Stage):
    for at in range(2):
        stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is full")
        stage.events.incident_when("triggered", at)
        stage.hooked.incident_when("triggered", at)
        stage.alertmanager.resolve("DiskFull", DISK)
        stage.events.incident_when("resolved", at)
        stage.hooked.incident_when("resolved", at)
    assert len(stage.events.incidents()) == 2


@pytest.mark.parametrize("repeat", ["600ms"])
def test_what_alertmanager_repeats_is_counted_and_pages_nobody_again(stage: Stage, repeat: str):
    stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is full")
    incident, other = stage.events.incident_when("triggered"), stage.hooked.incident_when("triggered")

    def triggers(service: Watched, incident_id: str) -> int:
        return sum(one["type"] == "trigger_log_entry" for one in service.entries(incident_id))

    until(lambda: triggers(stage.events, incident["id"]) >= 3, "repeats in the log")
    until(lambda: triggers(stage.hooked, other["id"]) >= 3, "repeats of the webhook in the log")
    time.sleep(0.5)
    assert len(stage.events.incidents()) == len(stage.hooked.incidents()) == 1
    assert len(stage.events.alerts(incident["id"])) == 1
    assert len(stage.office.sinks.arrived("webhook", stage.ada.handle)) == 1
    assert len(stage.office.sinks.arrived("email", stage.ada.email)) == 1
    assert len(stage.office.sinks.arrived("webhook", stage.bo.handle)) == 1


def test_a_severity_that_pagerduty_does_not_know_is_refused_in_words_that_alertmanager_logs(stage: Stage):
    """Its `severity` is a free template: what PagerDuty refuses we refuse, and the webhook, which knows every word, pages."""
    stage.alertmanager.fire("DiskFull", {**DISK, "severity": "page"}, summary="Disk of db1 is full")
    stage.hooked.incident_when("triggered")
    until(lambda: stage.alertmanager.failures().get("pagerduty"), "Alertmanager to count the refusal")
    assert stage.events.incidents() == []


def test_explain_tells_the_chain_from_the_event_to_the_phone(stage: Stage):
    stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is full")
    incident = stage.events.incident_when("triggered")
    stage.office.told(stage.ada)
    stage.alertmanager.resolve("DiskFull", DISK)
    stage.events.incident_when("resolved")
    told = stage.office.house.run("explain", incident["id"]).stdout
    chain = [
        f"#{incident['incident_number']}", "event accepted: trigger", f"on {stage.events.name}", "incident opened with high urgency",
        f"level 1: {stage.ada.name}", f"page owed to {stage.ada.name} by webhook", f"/phone/{stage.ada.handle}", "HTTP 200",
        "event accepted: resolve",
    ]  # fmt: skip
    places = [told.find(part) for part in chain]
    assert -1 not in places, told
    assert places == sorted(places), told


def test_an_alert_that_fires_while_tocsin_is_down_opens_its_incident_when_it_is_back(stage: Stage):
    stage.office.house.kill()
    stage.alertmanager.fire("DiskFull", DISK, summary="Disk of db1 is full")
    until(lambda: "connection refused" in stage.log.read_text(), "Alertmanager to have tried")
    stage.office.house.start()
    stage.events.incident_when("triggered")
    stage.hooked.incident_when("triggered")
    assert len(stage.office.told(stage.ada)) == len(stage.office.told(stage.bo)) == 1
