"""The command line does what it says, in words for people, JSON for machines, and codes for scripts."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from tocsin.app import cli
from tocsin.base.secret import new_master_key
from tocsin.core.permission import HOUSE
from tocsin.service import people, schedules
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer
from tocsin.store.db import Database
from tocsin.store.tables.people import user


@dataclass
class Shell:
    """A shell with one installation's settings."""

    folder: Path
    more: dict[str, str]

    def __call__(self, *words: str, code: int = 0) -> Result:
        told = {"TOCSIN_DATA": str(self.folder / "kept"), "TOCSIN_LOG_FORMAT": "json", **self.more}
        result = CliRunner(env=told).invoke(cli.main, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path, {})


@pytest.fixture
def installed(shell):
    shell("init", "--email", "ada@example.org", "--name", "Ada")
    return shell


def test_init_sets_up_an_installation_and_shows_its_secrets_once(shell):
    first = shell.json("init", "--email", "ada@example.org", "--name", "Ada", "--time-zone", "Europe/Paris")
    assert first["owner"]["e-mail"] == "ada@example.org"
    assert len(first["owner"]["API key"]) == 20
    assert len(first["owner"]["password"]) >= 16
    assert (shell.folder / "kept" / "master.key").stat().st_mode & 0o777 == 0o600


def test_init_again_changes_nothing(installed):
    key = (installed.folder / "kept" / "master.key").read_text()
    assert installed.json("init") == {"done": [], "owner": None}
    assert (installed.folder / "kept" / "master.key").read_text() == key


def test_init_asks_who_the_owner_is(shell):
    assert "--email" in shell("init", code=2).stderr


def test_init_takes_a_password_from_a_file_and_does_not_show_it(shell, tmp_path):
    file = tmp_path / "password"
    file.write_text("a long and private sentence\n")
    result = shell("init", "--email", "ada@example.org", "--password-file", str(file))
    assert "private sentence" not in result.output


def test_init_refuses_what_is_no_address_and_keeps_no_half_of_it(shell):
    assert "Email" in shell("init", "--email", "nobody", code=1).stderr
    shell("init", "--email", "ada@example.org")


@pytest.mark.parametrize("words", [("doctor",), ("oncall",), ("key", "create", "--account"), ("serve",)])
def test_every_command_says_when_nothing_was_set_up(shell, words):
    assert "run `tocsin init`" in shell(*words, code=4).stderr


@pytest.mark.parametrize(("option", "words"), [("--time-zone=Mars/Olympus", "Time zone"), ("--account=", "Name must have")])
def test_init_refuses_an_account_that_cannot_be(shell, option, words):
    assert words in shell("init", "--email", "ada@example.org", option, code=1).stderr


def test_init_says_whose_it_is_when_somebody_else_is_named(installed):
    assert "belongs to ada@example.org" in installed("init", "--email", "bo@example.org").stdout
    assert "belongs" not in installed("init", "--email", "ADA@example.org").stdout


def test_an_installation_without_an_owner_is_not_served(shell):
    shell("init", code=2)
    assert "run `tocsin init --email" in shell("serve", code=4).stderr


def test_a_lost_master_key_is_not_replaced_by_a_new_one(installed):
    file = installed.folder / "kept" / "master.key"
    copy = file.read_text()
    file.unlink()
    assert "put its copy back" in installed("init", code=4).stderr
    assert not file.exists()
    file.write_text(copy)
    file.chmod(0o600)
    installed("doctor")


@pytest.mark.parametrize("words", [("init",), ("serve",), ("doctor",), ("key", "create", "--account")])
def test_another_master_key_is_noticed_before_it_does_harm(installed, words):
    installed.more["TOCSIN_MASTER_KEY"] = new_master_key()
    assert "not the one this database was sealed with" in installed(*words, code=4).stderr


def test_a_new_master_key_may_stand_before_the_old_one(installed):
    old = (installed.folder / "kept" / "master.key").read_text().strip()
    installed.more["TOCSIN_MASTER_KEY"] = f"{new_master_key()}, {old}"
    installed("key", "create", "--account")


@pytest.mark.parametrize("words", [("init",), ("serve",), ("doctor",), ("oncall",)])
def test_a_damaged_database_is_said_in_words(installed, words):
    (installed.folder / "kept" / "tocsin.db").write_bytes(b"not a database at all " * 500)
    assert "cannot be used: file is not a database" in installed(*words, code=4).stderr


@pytest.mark.parametrize("words", [("init", "--email", "ada@example.org"), ("demo",)])
def test_a_data_folder_that_is_a_file_is_said_in_words(shell, words):
    (shell.folder / "kept").write_text("in the way")
    assert "cannot be used" in shell(*words, code=4).stderr


def test_a_newer_database_is_left_alone(installed):
    with closing(sqlite3.connect(installed.folder / "kept" / "tocsin.db")) as db, db:
        db.execute("update alembic_version set version_num = '9999'")
    for words in (("init",), ("serve",), ("doctor",)):
        assert "a newer Tocsin has been here" in installed(*words, code=4).stderr


def test_the_demo_does_not_move_into_somebody_s_installation(installed):
    assert "no demo" in installed("demo", code=4).stderr


def test_wrong_settings_are_all_said(shell):
    shell.more.update({"TOCSIN_HTTP": "nowhere", "TOCSIN_COLOUR": "red"})
    stderr = shell("doctor", code=3).stderr
    assert "TOCSIN_HTTP must be" in stderr
    assert "TOCSIN_COLOUR is no setting" in stderr


def test_a_new_key_is_printed_alone(installed):
    assert re.fullmatch(r"[\w-]{20}\n", installed("key", "create", "--user", "ADA@example.org").stdout)
    assert re.fullmatch(r"[\w-]{20}\n", installed("key", "create", "--account", "--read-only", "--days", "7").stdout)


def test_the_text_of_a_key_is_nowhere_in_the_database(installed):
    text = installed("key", "create", "--account").stdout.strip()
    kept = b"".join(file.read_bytes() for file in (installed.folder / "kept").iterdir() if file.is_file())
    assert text.encode() not in kept


def test_a_key_needs_an_owner(installed):
    assert "either" in installed("key", "create", code=2).stderr
    assert "either" in installed("key", "create", "--account", "--user", "ada@example.org", code=2).stderr
    assert "nobody here" in installed("key", "create", "--user", "bo@example.org", code=1).stderr


def test_a_key_can_be_ended_once_it_is_known(installed):
    made = installed.json("key", "create", "--account")
    installed("key", "revoke", made["id"])
    installed("key", "revoke", made["id"])
    assert "Not Found" in installed("key", "revoke", "PNOBODY", code=1).stderr


def test_the_doctor_looks_at_everything_and_says_how_to_mend_it(installed):
    found = {one["what"]: one for one in installed.json("doctor")}
    assert found["database"]["level"] == "well"
    assert found["e-mail"]["level"] == "care"
    assert all(one["mend"] for one in found.values() if one["level"] != "well")


def test_the_doctor_ends_with_a_code_when_something_must_be_mended(installed):
    (installed.folder / "kept" / "master.key").chmod(0o644)
    result = installed("doctor", code=5)
    assert "chmod 600" in result.output


def test_a_key_that_seals_nothing_here_is_not_a_master_key(installed):
    (installed.folder / "kept" / "master.key").write_text("not a key\n")
    assert "no master key" in installed("doctor", code=4).stderr


def test_secrets_are_not_shown_among_the_settings(installed):
    installed.more["TOCSIN_SMTP_PASSWORD"] = "correct horse"
    result = installed("settings")
    assert "correct horse" not in result.output
    assert "(set)" in result.output


def test_an_event_that_says_nothing_is_not_sent(installed):
    assert "SUMMARY" in installed("send", "--key", "0" * 32, code=2).stderr
    assert "NAME=VALUE" in installed("send", "boom", "--key", "0" * 32, "--detail", "x", code=2).stderr


def test_sending_to_nobody_is_said(installed):
    assert (
        "does not answer" in installed("send", "boom", "--key", "0" * 32, "--to", "http://127.0.0.1:9", code=1).stderr
    )


def test_every_operation_is_served_or_known_to_be_missing(shell):
    found = shell.json("operations")
    assert len({(one["method"], one["path"]) for one in found}) == len(found) >= 465
    groups = shell.json("operations", "--tags")
    assert sum(one["published"] for one in groups) == 465
    assert {one["standing"] for one in found} == {"served", "refused", "missing"}
    served = sum(one["standing"] == "served" and one["source"] == "openapi" for one in found)
    assert 0 < served == sum(one["served"] for one in groups)
    assert f"{served} of PagerDuty's 465" in shell("operations", "--tags").output
    missing = shell.json("operations", "--missing")
    assert not any(one["standing"] == "served" for one in missing)


def test_from_the_start_there_is_a_policy_that_pages_the_owner(installed):
    (policy,) = installed.json("oncall")
    assert policy["name"] == "Default"
    assert [[person["name"] for person in level["people"]] for level in policy["levels"]] == [["Ada"]]
    assert "no escalation policy" in installed("oncall", "--policy", "night", code=1).stderr


def test_coverage_is_proven_from_now_on(installed):
    assert "1 policy reaches somebody by the first level at every instant." in installed("coverage").output
    found = installed.json("coverage", "--weeks", "2")
    assert ([one["policy"]["name"] for one in found["policies"]], found["doubles"]) == (["Default"], [])
    assert set(found["span"]) == {"start", "end"}


def test_somebody_is_replaced_after_a_look(installed):
    assert "nobody here has the address bo@example.org" in installed("replace", "ada@example.org", "--by", "bo@example.org", code=1).stderr
    db = Database(f"sqlite:///{installed.folder / 'kept' / 'tocsin.db'}")
    with db.write() as tx:
        people.create_user(tx, Deed(HOUSE, datetime.now(UTC), Random(1)), name="Bo", email="bo@example.org")
    words = installed("replace", "ada@example.org", "--by", "bo@example.org", "--preview").output
    assert words.startswith("Bo would take the place of Ada:\n  escalation policy Default (")
    assert [[one["name"] for one in level["people"]] for level in installed.json("oncall")[0]["levels"]] == [["Ada"]]
    assert installed.json("replace", "ada@example.org", "--by", "bo@example.org")["places"][0]["name"] == "Default"
    assert [[one["name"] for one in level["people"]] for level in installed.json("oncall")[0]["levels"]] == [["Bo"]]
    assert "nothing names them" in installed("replace", "ada@example.org", "--by", "bo@example.org").output


def test_a_database_of_a_newer_tocsin_is_refused(installed):
    db = Database(f"sqlite:///{installed.folder / 'kept' / 'tocsin.db'}")
    with db.write() as tx:
        tx.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    for words in (("init",), ("doctor",), ("serve",)):
        assert "a newer Tocsin has been here" in installed(*words, code=4).stderr


def test_every_command_helps(shell):
    for words in (
        (),
        ("init",),
        ("serve",),
        ("key", "create"),
        ("send",),
        ("doctor",),
        ("oncall",),
        ("operations",),
        ("settings",),
    ):
        assert "Usage:" in shell(*words, "--help").output


def test_load_says_who_was_on_call_how_long(installed):
    database = Database(f"sqlite:///{installed.folder / 'kept' / 'tocsin.db'}")
    with database.write() as tx:
        deed = Deed(HOUSE, datetime(2026, 11, 2, tzinfo=UTC), Random(3))
        ada = tx.scalar(sa.select(user.c.id))
        layer = AskedLayer(start=deed.now, virtual_start=deed.now, turn_seconds=86_400, user_ids=(ada,))
        schedules.create(tx, deed, name="First line", time_zone="Europe/Paris", layers=[layer])
    database.close()
    span = ("load", "First line", "--since", "2026-11-02", "--until", "2026-11-09")
    told = installed.json(*span)
    assert [(one["name"], one["hours"], one["sleep_hours"], one["weekend_hours"]) for one in told["people"]] == [("Ada", 167, 69, 48)]
    assert "Ada: 167 h (business 50, off 48, sleep 69; weekend 48, holidays 0, 8 nights)" in installed(*span).output
    assert installed(*span, "--csv", "--by", "shift").output.splitlines()[0].startswith("id,name,email,time_zone,start,end,hours")
    assert "no schedule Nowhere" in installed("load", "Nowhere", code=1).output
    assert "not an ISO" in installed("load", "First line", "--since", "soon", code=1).output
