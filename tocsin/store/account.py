"""The account: the one row that says how this installation is called, its zone, and its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables.people import account

NAME_UNTIL_SET = "Tocsin"


@dataclass(frozen=True, slots=True)
class Account:
    """One account per installation. `settings["last_resort"]` lists the users told when nobody else can be."""

    name: str
    time_zone: str
    settings: Mapping[str, Any]

    @property
    def last_resort(self) -> tuple[str, ...]:
        return tuple(self.settings.get("last_resort") or ())


def load(tx: Tx) -> Account:
    """The account; a plain one in UTC until the installation has been set up."""
    row = tx.one(sa.select(account.c.name, account.c.time_zone, account.c.settings))
    return Account(*row) if row is not None else Account(NAME_UNTIL_SET, "UTC", {})


def save(tx: Tx, kept: Account) -> bool:
    """Replace name, zone and settings; False when the installation has not been set up."""
    values = {"name": kept.name, "time_zone": kept.time_zone, "settings": dict(kept.settings)}
    return tx.execute(sa.update(account).values(values)).rowcount == 1
