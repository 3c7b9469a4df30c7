"""PagerDuty's own Python clients and a real Alertmanager against a Tocsin that is really served."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, free_port

ROOT = Path(__file__).resolve().parents[2]
OLDER = ROOT / ".venv5" / "bin" / "python"
PATIENCE_SECONDS = 20.0

pytestmark = pytest.mark.slow


def absent(what: str, how: str) -> None:
    """Skip because a program is missing, or fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing: {how}")
    pytest.skip(f"{what} is missing: {how}")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("compat") / "kept") as house:
        house.start()
        yield house


@pytest.fixture(scope="module")
def routing_key(house: Installation) -> str:
    return new_service(house, "Checkout", "events_api_v2_inbound_integration")


def new_service(house: Installation, name: str, kind: str) -> str:
    """A service that pages its owner, and the key of its integration."""
    owner = house.get("/users")["users"][0]
    levels = [{"escalation_delay_in_minutes": 30, "targets": [{"id": owner["id"], "type": "user_reference"}]}]
    policy = {"type": "escalation_policy", "name": f"{name} policy", "escalation_rules": levels}
    policy = house.ask("POST", "/escalation_policies", {"escalation_policy": policy})["escalation_policy"]
    service = {"type": "service", "name": name, "escalation_policy": {"id": policy["id"], "type": "escalation_policy_reference"}}
    service = house.ask("POST", "/services", {"service": service})["service"]
    made = house.ask("POST", f"/services/{service['id']}/integrations", {"integration": {"type": kind, "name": "way in"}})
    return str(made["integration"]["integration_key"])


def walk(python: str | Path, address: str, house: Installation, routing_key: str, **environment: str) -> Any:
    command = [python, ROOT / "tests/compat/walk.py", address, routing_key, house.owner["API key"], house.owner["e-mail"]]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def hold_good(seen: Any, house: Installation) -> None:
    """What every version of the client must have seen."""
    assert seen["statuses"] == ["triggered", "acknowledged", "resolved"]
    assert seen["title"] == "Checkout is slow in Europe"
    assert seen["alert"] == seen["key"]
    assert {"trigger_log_entry", "acknowledge_log_entry", "annotate_log_entry"} <= set(seen["entries"])
    assert seen["users"] == [house.owner["e-mail"]]
    assert seen["found"] == house.owner["e-mail"]
    assert seen["service"] == "Checkout"


def test_the_current_client_works_over_https_with_our_authority(house, routing_key):
    seen = walk(sys.executable, house.https_url, house, routing_key, SSL_CERT_FILE=str(house.authority))
    assert seen["version"].startswith("7.")
    hold_good(seen, house)


def test_the_older_client_works_over_http(house, routing_key):
    if not OLDER.exists():
        absent("the older client", "run `make .venv5/.ready`")
    seen = walk(OLDER, house.url, house, routing_key)
    assert seen["version"].startswith("5.")
    hold_good(seen, house)


# -------------------------------------------------------------------------------------------------------- Alertmanager


@pytest.fixture(scope="module")
def alertmanager(house: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """A real Alertmanager that tells Tocsin twice, as PagerDuty and by its webhook; its address and the two keys."""
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        absent("Alertmanager", "run `make system` as root")
    assert program is not None
    folder = tmp_path_factory.mktemp("alertmanager")
    as_pagerduty = new_service(house, "By its PagerDuty words", "events_api_v2_inbound_integration")
    as_webhook = new_service(house, "By its webhook", "events_api_v2_inbound_integration")
    (folder / "config.yml").write_text(
        f"""
        route: {{receiver: tocsin, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
        receivers:
          - name: tocsin
            pagerduty_configs:
              - {{routing_key: {as_pagerduty}, url: "{house.url}/v2/enqueue", send_resolved: true}}
            webhook_configs:
              - {{url: "{house.url}/integration/{as_webhook}/alertmanager", send_resolved: true}}
        """
    )
    port = free_port()
    words = [
        program, f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'kept'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_ready(address))
        yield address, as_pagerduty, as_webhook
    finally:
        process.terminate()
        process.wait(10)


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("nothing was seen in time")


def tell(alertmanager: str, *, ends: bool) -> None:
    """What Prometheus would tell it: an alert that is firing, or that has ended."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "db1"},
        "annotations": {"summary": "Disk full on db1"},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now if ends else now + timedelta(hours=1)).isoformat(),
    }
    request = urllib.request.Request(
        f"{alertmanager}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=5).close()


def test_a_real_alertmanager_opens_and_resolves_incidents_by_both_its_ways(house, alertmanager):
    address = alertmanager[0]
    names = {"By its PagerDuty words", "By its webhook"}

    def with_status(status: str) -> set[str]:
        found = house.get(f"/incidents?statuses[]={status}&limit=100")["incidents"]
        return {one["service"]["summary"] for one in found if one["service"]["summary"] in names}

    tell(address, ends=False)
    wait_for(lambda: with_status("triggered") == names)
    tell(address, ends=True)
    wait_for(lambda: with_status("resolved") == names)
    assert with_status("triggered") == set()
