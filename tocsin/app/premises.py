"""The premises of one installation: its folder, master key, database and clock, opened from the settings."""

import os
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Final

from tocsin.app.settings import Settings
from tocsin.base.clock import Clock, system_clock
from tocsin.base.secret import Seals, new_master_key
from tocsin.service import account
from tocsin.store import people, schema
from tocsin.store.db import Database

KEY_FILE: Final = "master.key"


class NotReady(Exception):
    """Something this installation needs is not there; the words say how to get it."""


@dataclass(frozen=True, slots=True)
class Premises:
    """What every command works on.

    chance  the system's: for keys and whatever else must not be guessed
    dice    seeded from it and much quicker: for identifiers, which are no secrets, where many are made
    """

    settings: Settings
    db: Database
    seals: Seals
    clock: Clock
    chance: Random
    dice: Random


def open_up(settings: Settings, *, clock: Clock = system_clock) -> Premises:
    """Open an installation that has been set up. Raises NotReady when it has not, or when its database is another's shape."""
    seals = Seals(_master_keys(settings))
    if not settings.database and not (settings.data / "tocsin.db").exists():
        raise NotReady(f"there is no database in {settings.data}: run `tocsin init`")
    db = Database(settings.database_url)
    try:
        schema.check(db)
        _check_key(db, seals)
    except (schema.SchemaError, NotReady) as error:
        db.close()
        raise NotReady(str(error)) from error
    return Premises(settings, db, seals, clock, SystemRandom(), Random(SystemRandom().getrandbits(256)))


def set_up(settings: Settings, *, clock: Clock = system_clock) -> tuple[Premises, list[str]]:
    """Make what is missing (folder, master key, tables) and open it; what was done, in words. Done already: nothing is."""
    done = []
    if not settings.data.is_dir():
        settings.data.mkdir(parents=True, mode=0o700)
        done.append(f"made the folder {settings.data}")
    db = Database(settings.database_url)
    try:
        has_key = bool(settings.master_key) or (settings.data / KEY_FILE).exists()
        if not has_key:
            if is_owned(db):
                raise NotReady(
                    f"the master key {settings.data / KEY_FILE} is gone, and this database was sealed with it: put its copy back "
                    "(no new one is made, because no API key and no kept secret would be good any more)"
                )
            _write_key(settings)
            done.append(f"made the master key {settings.data / KEY_FILE}: keep a copy of it, apart from the database's")
        seals = Seals(_master_keys(settings))
        if numbers := schema.upgrade(db):
            done.append(f"brought the database to schema {numbers[-1]}")
        _check_key(db, seals)
    except (schema.SchemaError, NotReady) as error:
        db.close()
        raise NotReady(str(error)) from error
    return Premises(settings, db, seals, clock, SystemRandom(), Random(SystemRandom().getrandbits(256))), done


def is_owned(db: Database) -> bool:
    """Whether somebody owns this installation: the last step of setting it up."""
    if schema.current(db) is None:
        return False
    with db.read() as tx:
        return people.owner(tx) is not None


def _check_key(db: Database, seals: Seals) -> None:
    """Raise NotReady when the database was set up with another master key."""
    with db.read() as tx:
        if account.is_sealed_by(tx, seals):
            return
    raise NotReady(
        "the master key is not the one this database was sealed with: put that one back "
        "(TOCSIN_MASTER_KEY may hold several, the newest first; all of them open)"
    )


def _write_key(settings: Settings) -> None:
    descriptor = os.open(settings.data / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(new_master_key() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _master_keys(settings: Settings) -> list[str]:
    """The master keys, the sealing one first. Raises NotReady when there is none or one is no key."""
    where, text = "TOCSIN_MASTER_KEY", settings.master_key
    if not text:
        file = settings.data / KEY_FILE
        where = str(file)
        try:
            text = file.read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise NotReady(f"there is no master key in {file}: run `tocsin init`") from error
        except (OSError, UnicodeDecodeError) as error:
            raise NotReady(f"the master key in {file} cannot be read: {error}") from error
    keys = [part for part in text.replace(",", " ").split() if part]
    try:
        Seals(keys)
    except ValueError as error:
        raise NotReady(f"{where} holds no master key: restore the one this database was sealed with") from error
    return keys
