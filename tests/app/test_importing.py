"""Moving in by the command line: a whole account is fetched from a served installation and is the same afterwards; bad sources change nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
from click.testing import CliRunner

from tests.installation import Installation
from tocsin.app import cli
from tocsin.app import settings as told
from tocsin.app.demo import company
from tocsin.app.premises import set_up
from tocsin.base.times import iso
from tocsin.core.permission import HOUSE
from tocsin.service import people
from tocsin.service.audit import Deed

UNLIKE = {"self", "html_url", "created_at", "updated_at", "last_incident_timestamp", "avatar_url", "http_cal_url", "web_cal_url", "summary"}
"""Fields in which two installations differ by nature."""


@dataclass
class Two:
    """The account there, and the installation it moves to."""

    there: Installation
    here: Installation
    key: Path

    def move(self, *words: str, check: bool = True) -> Any:
        return self.here.run("import", "pagerduty", "--address", self.there.url, "--key-file", str(self.key), *words, check=check)

    def moved(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.move("--json", *words).stdout)
        return found


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """The demonstration company, served, with overrides and a schedule of shifts; and an empty installation."""
    folder = tmp_path_factory.mktemp("two")
    there = Installation(folder / "there")
    premises, _ = set_up(told.read({name: text for name, text in there.environment.items() if name.startswith("TOCSIN_")}))
    with premises.db.write() as tx:
        deed = Deed(HOUSE, premises.clock(), SystemRandom())
        company.found(tx, deed, password="a long enough phrase", phone_url="http://127.0.0.1:9/phone")
        there.owner["API key"] = people.create_key(tx, deed, premises.seals, label="moving", user_id=None).text
    premises.db.close()
    key = folder / "key"
    key.write_text(f"{there.owner['API key']}\n")
    there.start()
    _more(there)
    here = Installation(folder / "here", settings={"TOCSIN_ALLOW_PRIVATE": "127.0.0.1/32"})
    try:
        with here:
            yield Two(there, here, key)
    finally:
        there.stop()


def _more(there: Installation) -> None:
    """What the company of the demonstration does not have."""
    users = {one["name"]: one["id"] for one in there.get("/users?limit=100")["users"]}
    schedules = {one["name"]: one["id"] for one in there.get("/schedules")["schedules"]}
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = now + timedelta(days=3), now + timedelta(days=5)
    body = {"start": iso(start), "end": iso(end), "user": {"id": users["Aiko Mori"], "type": "user_reference"}}
    there.ask("POST", f"/schedules/{schedules['Payments on call']}/overrides", {"overrides": [body]})
    service = there.get("/services")["services"][0]
    window = {"start_time": iso(start), "end_time": iso(end), "description": "Move", "services": [{"id": service["id"], "type": "service_reference"}]}
    there.ask("POST", "/maintenance_windows", {"maintenance_window": window}, {"From": "maya@brightwater.example"})
    shift = there.ask("POST", "/v3/schedules", {"schedule": {"name": "Shifts", "time_zone": "Europe/Berlin"}})["schedule"]["id"]
    rotation = there.ask("POST", f"/v3/schedules/{shift}/rotations", {})["rotation"]["id"]
    first = (now - timedelta(days=9)).strftime("%Y-%m-%dT09:00:00+01:00"), (now - timedelta(days=9)).strftime("%Y-%m-%dT17:00:00+01:00")
    event = {
        "name": "Office", "start_time": {"date_time": first[0], "time_zone": "Europe/Berlin"},
        "end_time": {"date_time": first[1], "time_zone": "Europe/Berlin"}, "effective_since": iso(now), "recurrence": ["RRULE:FREQ=DAILY"],
        "assignment_strategy": {
            "type": "rotating_member_assignment_strategy", "shifts_per_member": 2,
            "members": [{"type": "user_member", "user_id": users[name]} for name in ("Lena Vogt", "Marek Nowak", "Hana Kim")],
        },
    }  # fmt: skip
    there.ask("POST", f"/v3/schedules/{shift}/rotations/{rotation}/events", {"event": event})
    extra = {
        "type": "custom_shift", "start_time": iso(start), "end_time": iso(end),
        "assignments": [{"type": "shift_assignment", "member": {"type": "user_member", "user_id": users["Wei Tan"]}}],
    }  # fmt: skip
    there.ask("POST", f"/v3/schedules/{shift}/custom_shifts", {"custom_shifts": [extra]})
    override = {
        "type": "override_shift", "rotation_id": rotation, "start_time": iso(start), "end_time": iso(end),
        "overridden_member": {"type": "user_member", "user_id": users["Lena Vogt"]},
        "overriding_member": {"type": "user_member", "user_id": users["Grace Lin"]},
    }  # fmt: skip
    there.ask("POST", f"/v3/schedules/{shift}/overrides", {"overrides": [override]})


def without(found: Any, name: str = "") -> Any:
    """An answer without what differs by nature; lists by id, but for levels and their targets, whose order says something."""
    if isinstance(found, dict):
        hidden = UNLIKE | ({"id"} if name == "escalation_rules" else set())
        return {key: without(value, key) for key, value in found.items() if key not in hidden}
    if not isinstance(found, list):
        return found
    parts = [without(one, name) for one in found]
    return parts if name in {"escalation_rules", "targets"} else sorted(parts, key=lambda one: str(one.get("id")) if isinstance(one, dict) else str(one))


@pytest.fixture(scope="module")
def outcome(two: Two) -> dict[str, Any]:
    """What the first move said, after one that was only tried."""
    rehearsed = two.moved("--dry-run")
    assert rehearsed["dry_run"] is True
    assert len(json.loads(two.here.run("oncall", "--json").stdout)) == 1  # only the policy of its own: nothing was kept
    return two.moved()


@pytest.mark.slow
def test_a_whole_account_moves_and_both_answer_the_same(two: Two, outcome: dict[str, Any]) -> None:
    sums = {one["kind"]: (one["read"], one["carried"]) for one in outcome["tallies"]}
    assert outcome["left"] == []
    assert sums["user"] == (14, 14)
    assert sums["override"] == (2, 2)
    assert sums["single shift"] == (1, 1)
    assert sums["rotation"] == (1, 1)
    assert sums["maintenance window"] == (1, 1)
    assert len(outcome["compared"]) == 7
    assert [one["name"] for one in outcome["compared"] if one["differences"]] == []
    assert {one["how"] for one in outcome["done"]} <= {"made", "matched"}
    text = two.key.read_text().strip()
    assert text not in json.dumps(outcome)

    two.here.start()
    for path, name in (
        ("/users?limit=100&include[]=contact_methods&include[]=notification_rules", "users"), ("/teams", "teams"),
        ("/escalation_policies?limit=100", "escalation_policies"), ("/services?limit=100&include[]=integrations", "services"),
    ):  # fmt: skip
        there, here = ({one["id"]: without(one) for one in side.get(path)[name]} for side in (two.there, two.here))
        for id_, one in there.items():
            if one.get("role") == "owner":
                assert here[id_].pop("role") == "admin"
                del one["role"]
            assert here[id_] == one, path
    two.here.stop()


@pytest.mark.slow
@pytest.mark.usefixtures("outcome")
def test_moving_in_again_after_a_change_there_changes_only_that(two: Two) -> None:
    assert {one["how"] for one in two.moved()["done"]} == {"unchanged"}
    policy = next(one for one in two.there.get("/escalation_policies?query=Payments")["escalation_policies"])
    body = {"escalation_policy": {"type": "escalation_policy", "name": policy["name"], "num_loops": 3, "escalation_rules": policy["escalation_rules"]}}
    two.there.ask("PUT", f"/escalation_policies/{policy['id']}", body)
    schedule = next(one for one in two.there.get("/schedules?query=Payments")["schedules"])
    since, until = (iso(datetime.now(UTC) + timedelta(days=days)) for days in (0, 30))
    (override,) = two.there.get(f"/schedules/{schedule['id']}/overrides?since={since}&until={until}")["overrides"]
    two.there.ask("DELETE", f"/schedules/{schedule['id']}/overrides/{override['id']}")
    outcome = two.moved()
    assert {(one["how"], one["kind"]) for one in outcome["done"] if one["how"] != "unchanged"} == {("changed", "escalation policy"), ("removed", "override")}
    assert [one["differences"] for one in outcome["compared"] if one["differences"]] == []
    words = two.move().stdout
    assert "7 of 7 schedules say the same as there" in words


@pytest.mark.slow
def test_a_wrong_key_a_guarded_address_and_bad_files_are_refused_in_words_and_change_nothing(two: Two, tmp_path: Path) -> None:
    told = {name: text for name, text in two.here.environment.items() if name.startswith("TOCSIN_")}
    shell = CliRunner()

    def said(*words: str, code: int = 1) -> str:
        result = shell.invoke(cli.main, list(words), env=told)
        assert result.exit_code == code, (result.output, result.exception)
        return result.stderr + result.stdout

    before = said("verify", "--json", code=0)
    wrong = tmp_path / "wrong"
    wrong.write_text("y_NbAkKc66ryYTWUXYEu")
    refused = said("import", "pagerduty", "--address", two.there.url, "--key-file", str(wrong))
    assert "the key is not taken" in refused
    assert "y_NbAkKc66ryYTWUXYEu" not in refused
    told["TOCSIN_ALLOW_PRIVATE"] = "no"
    assert "private or special address" in said("import", "pagerduty", "--address", two.there.url, "--key-file", str(two.key))
    folder = tmp_path / "files"
    folder.mkdir()
    files: tuple[tuple[str, str], ...] = (("{ no json", "is no JSON"), ("[" * 100 + "]" * 100, "nested too deeply"), ("[1]", "is no object"))
    for source in ("pagerduty", "opsgenie", "grafana-oncall"):
        assert "holds no files" in said("import", source, "--folder", str(folder))
        for text, words in files:
            (folder / "users.json").write_text(text)
            assert words in said("import", source, "--folder", str(folder))
        (folder / "users.json").unlink()
    said("import", "opsgenie", code=2)
    assert said("verify", "--json", code=0) == before
