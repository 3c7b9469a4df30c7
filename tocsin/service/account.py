"""The account itself: made once, with its owner and what every account starts with; its settings."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid
from tocsin.base.secret import Seals
from tocsin.service import audit, people
from tocsin.service.audit import Deed
from tocsin.store import account as store
from tocsin.store import people as rows
from tocsin.store.db import Tx
from tocsin.store.tables.people import account
from tocsin.store.tables.services import priority

ACCOUNT_ID: Final = "account"
NAME_MOST: Final = 100
WITNESS: Final = "sealed"
"""The setting that holds a sealed word, so that another master key is noticed before it does harm."""

PRIORITIES: Final = (("P1", "a8171c"), ("P2", "eb6016"), ("P3", "f9b406"), ("P4", "555555"), ("P5", "555555"))
"""Names and colours of the priorities an account starts with, most severe first (BEHAVIOUR 10)."""


def change(tx: Tx, deed: Deed, *, name: str | None = None, time_zone: str | None = None, last_resort: Sequence[str] | None = None) -> None:
    """Change what is given: the account's name, its zone, and who is told when nobody else can be (user ids, in order)."""
    old = store.load(tx)
    _check(name, time_zone)
    settings = dict(old.settings)
    if last_resort is not None:
        if unknown := [user_id for user_id in last_resort if user_id not in rows.users(tx, last_resort)]:
            raise invalid(*(f"Last resort: there is no user {user_id}" for user_id in unknown))
        settings["last_resort"] = list(dict.fromkeys(last_resort))
    new = store.Account(name.strip() if name is not None else old.name, time_zone or old.time_zone, settings)
    if not store.save(tx, new):
        raise invalid("This installation has no account yet: run `tocsin init`")
    reference = {"id": ACCOUNT_ID, "type": "account_reference", "summary": new.name}
    audit.record(tx, deed, reference, before=_told(old), after=_told(new))


def _check(name: str | None, time_zone: str | None) -> None:
    """Raise 400 for a name or a zone that cannot be."""
    if name is not None and not 1 <= len(name.strip()) <= NAME_MOST:
        raise invalid(f"Name must have between 1 and {NAME_MOST} characters")
    if time_zone is not None:
        try:
            times.zone_named(time_zone)
        except ValueError as error:
            raise invalid(f"Time zone {error}") from error


def attest(tx: Tx, seals: Seals) -> None:
    """Keep something sealed, if nothing is kept yet, by which `is_sealed_by` knows the master key again."""
    kept = store.load(tx)
    if WITNESS not in kept.settings:
        store.save(tx, store.Account(kept.name, kept.time_zone, {**kept.settings, WITNESS: seals.seal(WITNESS)}))


def is_sealed_by(tx: Tx, seals: Seals) -> bool:
    """Whether these are the master keys this installation was set up with; True while there is nothing to know it by."""
    sealed = store.load(tx).settings.get(WITNESS)
    if sealed is None:
        return True
    try:
        return seals.open(sealed) == WITNESS
    except ValueError:
        return False


def _told(kept: store.Account) -> dict[str, Any]:
    return {"name": kept.name, "time_zone": kept.time_zone, "last_resort": list(kept.last_resort)}


def found(
    tx: Tx, deed: Deed, *, name: str, subdomain: str, owner_name: str, owner_email: str, password: str | None, time_zone: str = "Etc/UTC"
) -> str:
    """Make the account, its Account Owner and five priorities. Returns the owner's id.

    Raises 400 if there is one already, or for a name or a time zone that cannot be.
    """
    _check(name, time_zone)
    if tx.one(sa.select(account.c.id)) is not None:
        raise invalid("This installation has an account already")
    tx.execute(
        sa.insert(account),
        {"id": ACCOUNT_ID, "name": name, "subdomain": subdomain, "time_zone": time_zone, "settings": {}, "created_at": deed.now},
    )
    priorities = [
        {"id": ids.object_id(deed.chance), "name": name_, "description": None, "color": color, "order": number, "created_at": deed.now}
        for number, (name_, color) in enumerate(PRIORITIES, start=1)
    ]
    tx.execute(sa.insert(priority), priorities)
    reference = {"id": ACCOUNT_ID, "type": "account_reference", "summary": name}
    audit.record(tx, deed, reference, before=None, after={"name": name, "subdomain": subdomain, "time_zone": time_zone})
    return people.create_owner(tx, deed, name=owner_name, email=owner_email, password=password, time_zone=None)
