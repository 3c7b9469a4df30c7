"""OAuth clients of webhooks: the one door by which they are made, changed, ended and named by subscriptions.

Laws:
1. A secret is sealed and never shown again; it is in no audit record.
2. What is kept was tried: a client is made or changed only after a token was had with what it will be (`tried` says so).
3. Ending a client takes it off the subscriptions that name it; they go on without a token.
Source: BEHAVIOUR 8.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid
from tocsin.base.secret import Seals
from tocsin.channels import oauth
from tocsin.channels.oauth import Credentials, NoToken
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.tables.attachments import oauth_client, subscription_client

CLIENTS_MOST: Final = 10
TEXT_MOST: Final = 255
GRANT: Final = "client_credentials"
ACTIVE, ERROR = "active", "error"
HIDDEN: Final = "-- redacted --"

_TOLD: Final = ("name", "client_id", "scope", "token_url", "grant_type")


def checked(tx: Tx, seals: Seals, columns: Mapping[str, Any], old: sa.Row[Any] | None) -> dict[str, Any]:
    """What a client will be, whole, its secret in the clear. Raises 400 with all that is wrong."""
    was = {name: getattr(old, name) for name in _TOLD} | {"secret": seals.open(old.sealed_secret)} if old is not None else {"scope": None}
    whole = was | dict(columns)
    errors = [f"{_words(name)} cannot be empty" for name in ("name", "client_id", "secret", "token_url", "grant_type") if not whole.get(name)]
    errors += [
        f"{_words(name)} may have at most {TEXT_MOST} characters, all of them printable"
        for name in ("name", "client_id", "secret", "scope", "token_url")
        if whole.get(name) and (len(whole[name]) > TEXT_MOST or not whole[name].isprintable())
    ]
    if whole.get("grant_type") and whole["grant_type"] != GRANT:
        errors.append(f"Grant type must be {GRANT}")
    if whole.get("token_url") and not _is_address(whole["token_url"]):
        errors.append("Token url must be an address that begins with https:// or http://")
    count = tx.scalar(sa.select(sa.func.count()).select_from(oauth_client)) or 0
    if old is None and count >= CLIENTS_MOST:
        errors.append(f"There may be at most {CLIENTS_MOST} OAuth clients")
    if errors:
        raise invalid(*errors)
    return whole


def tried(whole: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Get a token with what a client will be; never inside a writing transaction. Raises 400 when there is none."""
    try:
        oauth.fetch(Credentials(whole["token_url"], whole["client_id"], whole["secret"], whole["scope"]), allowed=allowed)
    except NoToken as error:
        raise invalid(f"No token can be had with this: {error}") from error


def create(tx: Tx, deed: Deed, seals: Seals, whole: Mapping[str, Any]) -> str:
    """Keep a client that was tried. Returns its id. Raises 400 when there are too many meanwhile."""
    checked(tx, seals, whole, None)
    row = {name: whole[name] for name in _TOLD} | {"id": ids.part_id(deed.chance)[:26], "sealed_secret": seals.seal(whole["secret"])}
    tx.execute(sa.insert(oauth_client), {**row, "status": ACTIVE, "revision": 1, "created_at": deed.now, "updated_at": deed.now})
    audit.record(tx, deed, _reference(row["id"], row["name"]), before=None, after={name: row[name] for name in _TOLD})
    return str(row["id"])


def change(tx: Tx, deed: Deed, seals: Seals, old: sa.Row[Any], whole: Mapping[str, Any]) -> None:
    """Change a client to what was tried; a new secret is told only as being new."""
    changed = {name: whole[name] for name in _TOLD if getattr(old, name) != whole[name]}
    has_new_secret = seals.open(old.sealed_secret) != whole["secret"]
    sealed = {"sealed_secret": seals.seal(whole["secret"])} if has_new_secret else {}
    if not changed and not sealed and old.status == ACTIVE:
        return
    values = {**changed, **sealed, "status": ACTIVE, "revision": oauth_client.c.revision + 1, "updated_at": deed.now}
    tx.execute(sa.update(oauth_client).where(oauth_client.c.id == old.id).values(**values))
    before, after = {name: getattr(old, name) for name in changed}, dict(changed)
    if sealed:
        before, after = before | {"client_secret": "(old)"}, after | {"client_secret": "(new)"}
    if old.status != ACTIVE:
        before, after = before | {"status": old.status}, after | {"status": ACTIVE}
    audit.record(tx, deed, _reference(old.id, changed.get("name", old.name)), before=before, after=after)


def delete(tx: Tx, deed: Deed, old: sa.Row[Any]) -> None:
    """End a client (law 3)."""
    tx.execute(sa.delete(oauth_client).where(oauth_client.c.id == old.id))
    audit.record(tx, deed, _reference(old.id, old.name), before={name: getattr(old, name) for name in _TOLD}, after=None)


def note_status(tx: Tx, client_id: str, revision: int, status: str) -> None:
    """Keep whether the last token was had; of a client that was changed meanwhile nothing is kept."""
    ours = (oauth_client.c.id == client_id, oauth_client.c.revision == revision, oauth_client.c.status != status)
    tx.execute(sa.update(oauth_client).where(*ours).values(status=status))


def of_subscriptions(tx: Tx, subscription_ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
    """By subscription, the client it names (id, name)."""
    chosen = sa.select(subscription_client.c.subscription_id, oauth_client.c.id, oauth_client.c.name)
    rows = tx.rows(
        chosen.join(oauth_client, oauth_client.c.id == subscription_client.c.client_id).where(
            subscription_client.c.subscription_id.in_(subscription_ids)
        )
    )
    return {row.subscription_id: row for row in rows}


def name_for(tx: Tx, deed: Deed, subscription: sa.Row[Any], client_id: str | None) -> None:
    """Let a subscription's webhooks carry the tokens of this client; None: of none. Raises 400."""
    before = of_subscriptions(tx, [subscription.id]).get(subscription.id)
    if (before.id if before else None) == client_id:
        return
    client = None
    if client_id is not None:
        client = tx.one(sa.select(oauth_client).where(oauth_client.c.id == client_id))
        if client is None:
            raise invalid("oauth_client_id names an OAuth client that does not exist")
    tx.execute(sa.delete(subscription_client).where(subscription_client.c.subscription_id == subscription.id))
    if client is not None:
        tx.execute(sa.insert(subscription_client), {"subscription_id": subscription.id, "client_id": client.id})
    told = [{"oauth_client": one.name if one else None} for one in (before, client)]
    root = {"id": subscription.id, "type": "webhook_subscription_reference", "summary": subscription.description}
    audit.record(tx, deed, root, before=told[0], after=told[1])


def _reference(id_: str, name: str) -> dict[str, Any]:
    return {"id": id_, "type": "oauth_client_reference", "summary": name}


def _words(name: str) -> str:
    return {"secret": "Client secret", "client_id": "Client id", "token_url": "Token url", "grant_type": "Grant type"}.get(name, name.capitalize())


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username and port_is_fine and " " not in url and "\\" not in url
