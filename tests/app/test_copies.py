"""Backups, restores and moves between the two databases lose no row and change none."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from click.testing import CliRunner, Result

from tocsin.app import cli
from tocsin.store import counters, dialect, leases, schema
from tocsin.store.db import Database
from tocsin.store.tables.engine import event, inbox


class Shell:
    """A shell with one installation's settings: in a file of its folder, or in the database at `url`."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.url = url or f"sqlite:///{folder}/tocsin.db"
        self.told = {"TOCSIN_DATA": str(folder), "TOCSIN_LOG_FORMAT": "json"} | ({"TOCSIN_DATABASE": url} if url else {})

    def __call__(self, *words: str, code: int = 0) -> Result:
        result = CliRunner(env=self.told).invoke(cli.main, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture(params=["sqlite", "postgresql"])
def lived_in(request, tmp_path):
    """An installation with something in it, on each database in turn."""
    shell = Shell(tmp_path / "kept", None if request.param == "sqlite" else request.getfixturevalue("blank_postgres_url"))
    shell("init", "--email", "ada@example.org", "--name", "Ada")
    db = Database(shell.url)
    odd = {"id": "I1", "received_at": datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "arrival": 2**62, "routing_key": "R", "reader": "v2",
           "raw": bytes(range(256)), "summary": "ü \u2713 ' \" \\ \n", "processed_at": datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)}  # fmt: skip
    with db.write() as tx:
        tx.execute(sa.insert(inbox), odd)
        at = counters.take(tx, "events", 3)
        for position in range(at, at + 3):
            tx.execute(sa.insert(event), {"position": position, "id": f"E{position}", "kind": "x", "body": "{}", "at": odd["received_at"]})
    db.close()
    return shell


def test_a_backup_made_while_another_reads_and_writes_comes_back_row_by_row(lived_in, tmp_path):
    file = tmp_path / "backup.db"
    made = lived_in.json("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert {one["table"] for one in made if one["rows"]} >= {"account", "users", "api_keys", "events", "inbox", "escalation_policies"}
    assert lived_in.json("verify", str(file)) == made == lived_in.json("verify")
    again = Shell(tmp_path / "restored")
    assert again.json("restore", str(file)) == made
    (tmp_path / "restored" / "master.key").write_bytes((tmp_path / "kept" / "master.key").read_bytes())
    assert "Ada" in again("oncall").stdout
    assert "not empty" in again("restore", str(file), code=1).stderr


def test_an_installation_moves_to_the_other_database_and_back(tmp_path, blank_postgres_url):
    here = Shell(tmp_path / "kept")
    here("init", "--email", "ada@example.org", "--name", "Ada")
    made = here.json("migrate", "--from", here.url, "--to", blank_postgres_url)
    there = Shell(tmp_path / "kept", blank_postgres_url)
    assert there.json("verify") == made == here.json("verify")
    assert "Ada" in there("oncall").stdout
    back = f"sqlite:///{tmp_path}/back.db"
    assert here.json("migrate", "--from", blank_postgres_url, "--to", back) == made
    assert "is not empty" in here("migrate", "--from", here.url, "--to", blank_postgres_url, code=1).stderr


def test_nothing_is_moved_from_under_a_running_node(lived_in, tmp_path):
    db = Database(lived_in.url)
    with db.write() as tx:
        assert leases.hold(tx, "engine", "node-1", now=datetime.now(UTC), lasting=timedelta(minutes=1))
    db.close()
    refused = lived_in("migrate", "--from", lived_in.url, "--to", f"sqlite:///{tmp_path}/other.db", code=1)
    assert "running" in refused.stderr
    assert "node-1" in refused.stderr


def test_a_backup_replaces_no_file_and_what_is_no_backup_is_refused(lived_in, tmp_path):
    file = tmp_path / "precious.txt"
    file.write_text("not a database at all")
    assert "is there already" in lived_in("backup", str(file), code=1).stderr
    assert file.read_text() == "not a database at all"
    assert "no SQLite file" in lived_in("verify", str(file), code=1).stderr
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE notes (text)")
        other.commit()
    assert "none of its tables" in lived_in("restore", str(tmp_path / "other.db"), code=1).stderr
    assert not list(tmp_path.glob(".*half*"))


def test_verify_finds_what_is_broken(lived_in, tmp_path):
    file = tmp_path / "backup.db"
    lived_in("backup", str(file))

    def after(*statements: str) -> str:
        with closing(sqlite3.connect(file)) as broken:
            for statement in statements:
                broken.execute(statement)
            broken.commit()
        return str(lived_in("verify", str(file), code=1).stderr)

    with closing(sqlite3.connect(file)) as reading:
        (last,) = reading.execute("SELECT max(position) FROM events").fetchone()
    said = after(f"UPDATE events SET position = {last + 1} WHERE position = {last}")
    assert "has 1 holes" in said
    assert f"its counter says {last}" in said
    said = after("UPDATE contact_methods SET user_id = 'UNONE'")
    assert "refer to nothing" in said


def test_a_filled_database_of_the_first_shape_comes_up_to_date_without_losing_a_row(lived_in, tmp_path):
    """What an older version left is taken along by `init`."""
    db = Database(lived_in.url)
    with dialect.reshaping(db.engine) as connection:
        command.downgrade(schema.config(connection), schema.known()[0])
    with db.read() as tx:
        before = {name: tx.scalar(sa.select(sa.func.count()).select_from(sa.table(name))) for name in ("users", "events", "inbox")}
    db.close()
    assert "lacks" in lived_in("oncall", code=4).stderr
    assert f"schema {schema.known()[-1]}" in lived_in("init").stdout
    counts = {one["table"]: one["rows"] for one in lived_in.json("verify")}
    assert before == {name: counts[name] for name in before}
