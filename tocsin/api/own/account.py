"""The account's own settings over the API: name, zone, and who is told when nobody else can be."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Reference, Singleton
from tocsin.core import permission
from tocsin.service import account
from tocsin.store import account as store
from tocsin.store import people


class AccountWrite(msgspec.Struct):
    """What an admin may say of the account."""

    name: str | None = None
    time_zone: str | None = None
    last_resort: Annotated[list[Reference], Meta(max_length=50)] | None = None


def shown(call: Call) -> Body:
    kept = store.load(call.tx)
    known = people.users(call.tx, kept.last_resort)
    return {
        **envelope.common(call.house, "account", account.ACCOUNT_ID, kept.name),
        "name": kept.name,
        "time_zone": kept.time_zone,
        "last_resort": [
            envelope.reference(call.house, "user", id_, known[id_].name if id_ in known else None) for id_ in kept.last_resort
        ],
    }


def change(call: Call, body: AccountWrite) -> None:
    """Change what was sent."""
    last_resort = None if body.last_resort is None else [one.id for one in body.last_resort]
    account.change(call.tx, call.deed, name=body.name, time_zone=body.time_zone, last_resort=last_resort)


DECLARED = (
    Singleton(
        name="account",
        path="/account",
        tag="Account",
        read=shown,
        write=AccountWrite,
        update=change,
        needs=(permission.UPDATE, "account"),
        audits=False,
    ),
)
