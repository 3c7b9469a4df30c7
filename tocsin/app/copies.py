"""The commands that copy an installation's database: backup, restore, verify, and migrate from one kind to the other.

A backup is an SQLite file with every row, whatever the database is; the master key is never in it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from tocsin.app import settings as told
from tocsin.app.premises import NotReady, open_up
from tocsin.base import json
from tocsin.base.clock import system_clock
from tocsin.store import copying, dialect, leases, schema
from tocsin.store.copying import CopyError, Tally
from tocsin.store.db import Database


class Failed(click.ClickException):
    """The copy was refused or is not good; nothing was changed."""

    def show(self, file: Any = None) -> None:
        click.echo(f"tocsin: {self.message}", err=True)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
def backup(file: Path, *, is_json: bool) -> None:
    """Write every row of this installation into FILE, also while it runs, and compare the copy with the original."""
    if file.exists():
        raise Failed(f"{file} is there already: a backup never replaces another; name a new file")
    premises = open_up(told.read())
    half = file.with_name(f".{file.name}.half")
    half.unlink(missing_ok=True)
    try:
        with _opened(f"sqlite:///{half.absolute()}") as target:
            half.chmod(0o600)
            made = _copied(premises.db, target)
        _settle(half)
        half.rename(file)
        _settle(file.absolute().parent)
    finally:
        half.unlink(missing_ok=True)
        premises.db.close()
    _say(is_json, made, f"{_sum(made)} are in {file}. The master key is not: keep a copy of it apart from this file.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
def restore(file: Path, *, is_json: bool) -> None:
    """Fill this installation's database, which must be empty, from the backup FILE; an older backup is brought up to date."""
    settings = told.read()
    settings.data.mkdir(parents=True, mode=0o700, exist_ok=True)
    with _unpacked(file) as source, _opened(settings.database_url) as target:
        made = _copied(source, target)
    _say(is_json, made, f"{_sum(made)} are back. `tocsin doctor` looks at the rest: the master key must be the one of then.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
def verify(file: Path | None, *, is_json: bool) -> None:
    """Look through every row of the backup FILE, or of this installation, for what is broken; exit code 1 when something is."""
    if file is not None:
        with _unpacked(file) as db:
            problems, found = _looked_through(db)
    else:
        with closing(open_up(told.read()).db) as db:
            problems, found = _looked_through(db)
    if problems:
        raise Failed("; ".join(problems))
    _say(is_json, found, f"{_sum(found)} read, nothing broken.")


@click.command()
@click.option("--from", "source_url", required=True, help="The database to copy: sqlite:///FILE or postgresql://…")
@click.option("--to", "target_url", required=True, help="The empty database to copy it into.")
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
def migrate(source_url: str, target_url: str, *, is_json: bool) -> None:
    """Move an installation into a database of the other kind (or the same), compared row by row. Stop Tocsin first."""
    with _opened(source_url, is_new=False) as source, _opened(target_url) as target:
        with source.read() as tx:
            if busy := _nodes_at_work(leases.holders(tx), system_clock()):
                raise Failed(f"a Tocsin is running on the database to be moved ({busy}): stop it, wait a minute, and try again")
        made = _copied(source, target)
    _say(is_json, made, f"{_sum(made)} are in the new database. Set TOCSIN_DATABASE to it, keep the data folder, and start Tocsin.")


COMMANDS: Final = (backup, restore, verify, migrate)


def _nodes_at_work(held: dict[str, tuple[str, datetime]], now: datetime) -> str:
    return ", ".join(sorted({holder for holder, until in held.values() if until > now}))


@contextmanager
def _opened(url: str, *, is_new: bool = True) -> Iterator[Database]:
    """A database, its tables made or brought up to date when it `is_new`, else checked to be of this program's shape."""
    if not is_new and url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise Failed(f"there is no file {url.removeprefix('sqlite:///')}")
    db = Database(url)
    try:
        if is_new:
            schema.upgrade(db)
        else:
            schema.check(db)
        yield db
    except schema.SchemaError as error:
        raise NotReady(str(error)) from error
    except CopyError as error:
        raise Failed(str(error)) from error
    finally:
        db.close()


@contextmanager
def _unpacked(file: Path) -> Iterator[Database]:
    """A backup opened as a copy of its own, brought up to date: the file itself is never written to."""
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        copy = Path(folder) / "backup.db"
        shutil.copyfile(file, copy)
        if copy.open("rb").read(16) != b"SQLite format 3\0":
            raise Failed(f"{file} is no backup of Tocsin's: it is no SQLite file")
        db = Database(f"sqlite:///{copy}")
        try:
            if schema.current(db) is None:
                raise Failed(f"{file} is no backup of Tocsin's: it has none of its tables")
        finally:
            db.close()
        with _opened(f"sqlite:///{copy}") as db:
            yield db


def _copied(source: Database, target: Database) -> tuple[Tally, ...]:
    with source.read() as original, target.write() as copy:
        return copying.copy(original, copy)


def _looked_through(db: Database) -> tuple[list[str], tuple[Tally, ...]]:
    with db.read() as tx:
        problems = dialect.integrity_problems(tx.connection)
        return (problems, ()) if problems else (copying.problems(tx), copying.tallies(tx))


def _settle(path: Path) -> None:
    """See to it that a file, or what a folder lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sum(made: tuple[Tally, ...]) -> str:
    return f"{sum(tally.rows for tally in made):,} rows of {sum(tally.rows > 0 for tally in made)} tables"


def _say(is_json: bool, made: tuple[Tally, ...], words: str) -> None:
    facts = [{"table": str(tally.table), "rows": tally.rows, "digest": tally.digest} for tally in made]
    click.echo(json.pretty(facts) if is_json else words)
