"""PagerDuty's JavaScript client against a running server, over HTTPS with our own authority.

Its pages need an address with something that ends in `com` before the resource (BEHAVIOUR 11.2), so it is given the
prefix that we serve for it.
"""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.compat.company import Office

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "node_modules" / "@pagerduty" / "pdjs" / "package.json"
TOUR = Path(__file__).with_name("pdjs_tour.cjs")
USERS = 57


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None or not LIBRARY.exists():
        reason = "node or PagerDuty's JavaScript client is not installed: run `make setup`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(found)


def test_the_javascript_client_does_its_work_over_https(office: Office, node: str):
    ada = office.person("Ada", ("webhook",), role="admin")
    service = office.service(ada)
    since = datetime.now(UTC).isoformat()
    many = f"many-{ada.handle}"
    emails = [f"{many}-{number:02d}@example.org" for number in range(USERS)]
    for email in emails:
        office.house.ask("POST", "/users", {"user": {"type": "user", "name": email, "email": email}})
    for number in range(4):
        service.send(dedup_key=f"queue {number}")
    told = {
        "server": f"localhost:{office.house.https_port}", "key": office.key_of(ada), "routing_key": service.routing_key,
        "service_id": service.id, "name": f"Storage {ada.handle}", "many": many,
        "since": since, "people": [ada.id, office.person("Bo").id],
    }  # fmt: skip
    done = subprocess.run(
        [node, TOUR], input=json.dumps(told), capture_output=True, text=True, timeout=60, check=False, cwd=TOUR.parent,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(office.house.authority)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    saw: dict[str, Any] = json.loads(done.stdout)
    assert saw["triggered"] == [202, "disk"]
    assert (saw["acknowledged"], saw["resolved"], saw["changed"]) == (True, True, 202)
    assert saw["refused"][0] == 400
    assert "'payload.severity' is invalid" in saw["refused"][1][0]
    assert saw["me"] == ada.email
    assert sorted(saw["all"]) == emails
    assert saw["pages"] == 6
    assert saw["incidents"] == 5
    assert saw["entries"][0] == saw["entries"][1] > 10
    assert saw["made"] == [201, f"Storage {ada.handle}"]
    assert (saw["put"], saw["deleted"], saw["gone"]) == ("Disks", 204, 2100)
    assert saw["abilities"] is True
    assert saw["onCall"] == {
        "made": [], "preview": [True, []], "changed": [], "override": [201, []], "v3": [], "policy": [], "turned": [],
        "refused": ["Schedule can't be deleted if it's being used by escalation policies"], "deleted": [204, 204, 204],
    }  # fmt: skip
