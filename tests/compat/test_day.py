"""The scripted day of an administrator and of a bot, lived by PagerDuty's Python clients and by its JavaScript client."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import TABLE
from tests.api.test_reads_back import differs
from tests.compat.company import Office
from tests.compat.day import ANY, the_day
from tocsin.api.kernel.operations import OPERATIONS, shape
from tocsin.api.kernel.routes import Route

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OLDER = ROOT / ".venv5" / "bin" / "python"
LIBRARY = ROOT / "node_modules" / "@pagerduty" / "pdjs" / "package.json"

CALLS = the_day()


def missing(what: str) -> None:
    """Skip, but not where everything must be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def lived(office: Office, run: str, command: Sequence[str], **environment: str) -> list[Any]:
    """The answers of each call, as this client saw them."""
    ada, bo = office.person("Ada", (), role="admin"), office.person("Bo", ())
    now = datetime.now(UTC).replace(microsecond=0)
    instants = {"before": -1, "now": 0, "soon": 24, "later": 32, "end": 120}
    kept = {name: (now + timedelta(hours=hours)).isoformat().replace("+00:00", "Z") for name, hours in instants.items()}
    told = {
        "url": office.house.https_url, "server": f"localhost:{office.house.https_port}", "key": office.key_of(ada), "account_key": office.account_key(),
        "calls": CALLS, "pages": [], "kept": {**kept, "run": run, "ada": ada.id, "bo": bo.id, "mail": ada.email},
    }  # fmt: skip
    done = subprocess.run(
        [*command], input=json.dumps(told), capture_output=True, text=True, timeout=90, check=False, cwd=HERE, env={**os.environ, **environment}
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    saw = json.loads(done.stdout)
    answers: list[Any] = saw["answers"]
    wrong = []
    for number, (call, (how, expect, answer)) in enumerate(zip(CALLS, answers, strict=True)):
        said = f"{number} {call['method']} {call['path']} ({how})"
        if how == "another resource":
            wrong.append(f"{said}: {str(answer)[:200]}")
        elif expect is not None:
            wrong += [f"{said}{where}" for where in differs(*but_for_any(expectation(expect, saw["kept"]), answer))]
    assert not wrong, "\n".join(wrong)
    return answers


def expectation(expect: Any, kept: Mapping[str, str]) -> Any:
    """What is expected, with what was only kept from this very answer."""
    text = json.dumps(expect)
    for name, word in kept.items():
        text = text.replace("{" + name + "}", word)
    return json.loads(text)


def but_for_any(expect: Any, got: Any) -> tuple[Any, Any]:
    """Both, without what may be anything."""
    if expect == ANY:
        return None, None if got is not None else "nothing"
    if isinstance(expect, dict) and isinstance(got, dict):
        pairs = {name: but_for_any(value, got.get(name)) for name, value in expect.items()}
        return {name: pair[0] for name, pair in pairs.items()}, {**got, **{name: pair[1] for name, pair in pairs.items()}}
    if isinstance(expect, list) and isinstance(got, list) and len(expect) == len(got):
        both = [but_for_any(one, other) for one, other in zip(expect, got, strict=True)]
        return [one for one, _ in both], [other for _, other in both]
    return expect, got


def test_the_day_meets_every_tag_that_is_served() -> None:
    published = {(one.method, shape(one.path)) for one in OPERATIONS if one.source == "openapi"}
    tags = {route.tag for route in TABLE.routes if (route.method, shape(route.path)) in published}
    met = set()
    for call in CALLS:
        found = TABLE.match(call["method"], call["path"].replace("{", "").replace("}", ""))
        if found is not None and isinstance(found[0], Route):
            met.add((found[0].tag, found[0].method, found[0].path))
    assert tags - {tag for tag, _, _ in met} == set()
    assert len(CALLS) > 200
    assert len(met) > 120


def test_the_current_python_client_lives_it(office: Office) -> None:
    answers = lived(office, "seven", [sys.executable, "day_client.py"], SSL_CERT_FILE=str(office.house.authority))
    assert sum(how.startswith("r") for how, _, _ in answers) > 100


def test_version_5_of_the_python_client_lives_it(office: Office) -> None:
    if not OLDER.exists():
        missing("version 5 of the client is not installed: run `make .venv5/.ready`")
    answers = lived(office, "five", [str(OLDER), "day_client.py"], REQUESTS_CA_BUNDLE=str(office.house.authority))
    assert sum(how.startswith("r") for how, _, _ in answers) > 100


def test_the_javascript_client_lives_it(office: Office) -> None:
    node = shutil.which("node")
    if node is None or not LIBRARY.exists():
        missing("node or PagerDuty's JavaScript client is not installed: run `make setup`")
    answers = lived(office, "pdjs", [str(node), "day_client.cjs"], NODE_EXTRA_CA_CERTS=str(office.house.authority))
    assert sum(how == "resource" for how, _, _ in answers) > 50
