"""Tokens of directories (SCIM), for admins: made and shown once, listed, and revoked."""

from typing import Final

import msgspec
import sqlalchemy as sa

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import DELETE, LIST, SHOW, Action, Body, Resource, Rows
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.service import directory
from tocsin.store.tables.entrance import scim_token

PATH: Final = "/api/v1/scim_tokens"
TAG: Final = "Directory"


class TokenWrite(msgspec.Struct):
    """A token to be made for a directory."""

    label: str
    expires_at: str | None = None


def shown(call: Call, rows: Rows) -> list[Body]:
    return [
        {
            **envelope.common(call.house, "scim_token", row.id, row.label, path=f"{PATH}/{row.id}"),
            "label": row.label,
            "last_four": row.last_four,
            **{name: times.iso(at) if (at := getattr(row, name)) else None for name in ("created_at", "expires_at", "revoked_at", "last_used_at")},
        }
        for row in rows
    ]


def create(call: Call, body: TokenWrite) -> Reply:
    """Make a token and show it, this once, as `secret`."""
    expires_at = None
    if body.expires_at is not None:
        try:
            expires_at = times.parse_instant(body.expires_at)
        except ValueError as error:
            raise invalid(f"expires_at: {error}") from error
    made = directory.create_token(call.tx, call.deed, call.seals, label=body.label, expires_at=expires_at)
    rows = call.tx.rows(sa.select(scim_token).where(scim_token.c.id == made.id))
    return Reply(201, {"scim_token": {**shown(call, rows)[0], "secret": made.text}})


def revoke(call: Call, row: sa.Row[object]) -> None:
    """From now on the directory changes nothing here. It stays in the list."""
    directory.revoke_token(call.tx, call.deed, row.id)


DECLARED = (
    Resource(
        name="scim_token", plural="scim_tokens", path=PATH, tag=TAG, table=scim_token, read=shown, verbs=(LIST, SHOW, DELETE),
        delete=revoke, audits=False, searched=(scim_token.c.label,), order=(scim_token.c.created_at.desc(),),
    ),
    Action(
        method="POST", path=PATH, tag=TAG, run=create, body=TokenWrite, wrap_in="scim_token",
        needs=(permission.CREATE, "scim_token"), scope="scim_tokens.write", status=201,
    ),
)  # fmt: skip
