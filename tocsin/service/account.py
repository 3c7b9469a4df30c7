"""The account itself: made once, with its owner and what every account starts with."""

from typing import Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid
from tocsin.service import audit, people
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.tables.people import account
from tocsin.store.tables.services import priority

ACCOUNT_ID: Final = "account"

PRIORITIES: Final = (("P1", "a8171c"), ("P2", "eb6016"), ("P3", "f9b406"), ("P4", "555555"), ("P5", "555555"))
"""Names and colours of the priorities an account starts with, most severe first (BEHAVIOUR 10)."""


def found(
    tx: Tx, deed: Deed, *, name: str, subdomain: str, owner_name: str, owner_email: str, password: str | None, time_zone: str = "Etc/UTC"
) -> str:
    """Make the account, its Account Owner and five priorities. Returns the owner's id. Raises 400 if there is one already."""
    if tx.one(sa.select(account.c.id)) is not None:
        raise invalid("This installation has an account already")
    tx.execute(
        sa.insert(account),
        {"id": ACCOUNT_ID, "name": name, "subdomain": subdomain, "time_zone": time_zone, "settings": {}, "created_at": deed.now},
    )
    rows = [
        {"id": ids.object_id(deed.chance), "name": name_, "description": None, "color": color, "order": number, "created_at": deed.now}
        for number, (name_, color) in enumerate(PRIORITIES, start=1)
    ]
    tx.execute(sa.insert(priority), rows)
    reference = {"id": ACCOUNT_ID, "type": "account_reference", "summary": name}
    audit.record(tx, deed, reference, before=None, after={"name": name, "subdomain": subdomain, "time_zone": time_zone})
    return people.create_owner(tx, deed, name=owner_name, email=owner_email, password=password, time_zone=None)
