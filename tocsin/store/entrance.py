"""Rows of who may come in from outside: applications and their tokens, tokens of directories, and whom a provider means."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import people
from tocsin.store.tables.entrance import oauth_client, oauth_token, oidc_subject, scim_token

Row = sa.Row[Any]


def client(tx: Tx, client_id: str) -> Row | None:
    """The application of this id, whatever its state."""
    return tx.one(sa.select(oauth_client).where(oauth_client.c.id == client_id))


def clients(tx: Tx) -> Sequence[Row]:
    """Every application; usable ones first, the newest on top."""
    table = oauth_client
    return tx.rows(sa.select(table).order_by(table.c.revoked_at.is_not(None), table.c.created_at.desc(), table.c.id))


def add_client(tx: Tx, row: dict[str, Any]) -> None:
    tx.execute(sa.insert(oauth_client), row)


def revoke_client(tx: Tx, client_id: str, now: datetime) -> None:
    """From now on the application gets no token, and those it has are gone."""
    tx.execute(sa.update(oauth_client).where(oauth_client.c.id == client_id).values(revoked_at=now))
    end_tokens(tx, client_id)


def end_tokens(tx: Tx, client_id: str) -> int:
    """Forget every token of an application; answers how many there were."""
    return tx.execute(sa.delete(oauth_token).where(oauth_token.c.client_id == client_id)).rowcount


def end_token(tx: Tx, client_id: str, digests: Sequence[str]) -> None:
    """Forget one token, if it is this application's."""
    tx.execute(sa.delete(oauth_token).where(oauth_token.c.client_id == client_id, oauth_token.c.digest.in_(digests)))


def add_token(tx: Tx, row: dict[str, Any], *, most: int) -> None:
    """Keep a token by its digest; the oldest of its application go when there are more than `most`."""
    tx.execute(sa.insert(oauth_token), row)
    table = oauth_token
    newest = sa.select(table.c.id).where(table.c.client_id == row["client_id"]).order_by(table.c.created_at.desc(), table.c.id).limit(most)
    tx.execute(sa.delete(table).where(table.c.client_id == row["client_id"], table.c.id.not_in(newest)))
    tx.execute(sa.update(oauth_client).where(oauth_client.c.id == row["client_id"]).values(last_used_at=row["created_at"]))


def token(tx: Tx, digests: Sequence[str]) -> Row | None:
    """The token of one of these digests, with its application's `name` and `revoked_at`."""
    joined = oauth_token.join(oauth_client, oauth_client.c.id == oauth_token.c.client_id)
    return tx.one(
        sa.select(oauth_token, oauth_client.c.name, oauth_client.c.revoked_at).select_from(joined).where(oauth_token.c.digest.in_(digests))
    )


def count_tokens(tx: Tx, now: datetime) -> dict[str, int]:
    """How many tokens each application has that still open something."""
    counted = sa.select(oauth_token.c.client_id, sa.func.count().label("tokens")).where(oauth_token.c.expires_at > now)
    return {row.client_id: row.tokens for row in tx.rows(counted.group_by(oauth_token.c.client_id))}


def forget_tokens(tx: Tx, now: datetime, bite: int) -> int:
    """Remove one bite of tokens that have expired; answers how many went."""
    old = sa.select(oauth_token.c.id).where(oauth_token.c.expires_at <= now).order_by(oauth_token.c.expires_at).limit(bite)
    return tx.execute(sa.delete(oauth_token).where(oauth_token.c.id.in_(old))).rowcount


def directories(tx: Tx) -> Sequence[Row]:
    """Every token of a directory; usable ones first, the newest on top."""
    table = scim_token
    return tx.rows(sa.select(table).order_by(table.c.revoked_at.is_not(None), table.c.created_at.desc(), table.c.id))


def directory(tx: Tx, digests: Sequence[str]) -> Row | None:
    """The directory's token of one of these digests, whatever its state."""
    return tx.one(sa.select(scim_token).where(scim_token.c.digest.in_(digests)))


def directory_of(tx: Tx, token_id: str) -> Row | None:
    return tx.one(sa.select(scim_token).where(scim_token.c.id == token_id))


def add_directory(tx: Tx, row: dict[str, Any]) -> None:
    tx.execute(sa.insert(scim_token), row)


def revoke_directory(tx: Tx, token_id: str, now: datetime) -> None:
    tx.execute(sa.update(scim_token).where(scim_token.c.id == token_id).values(revoked_at=now))


def note_directory(tx: Tx, token_id: str, now: datetime) -> None:
    tx.execute(sa.update(scim_token).where(scim_token.c.id == token_id).values(last_used_at=now))


def meant(tx: Tx, issuer: str, subject: str) -> str | None:
    """The user whom this provider knows by this subject."""
    table = oidc_subject
    found = tx.one(sa.select(table.c.user_id).where(table.c.issuer == issuer, table.c.subject == subject))
    return str(found.user_id) if found is not None else None


def subject_of(tx: Tx, issuer: str, user_id: str) -> str | None:
    """By which subject this provider knows a user."""
    table = oidc_subject
    found = tx.one(sa.select(table.c.subject).where(table.c.issuer == issuer, table.c.user_id == user_id).limit(1))
    return str(found.subject) if found is not None else None


def tie(tx: Tx, issuer: str, subject: str, user_id: str, now: datetime) -> None:
    """From now on this subject of this provider is this user."""
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": now, "last_used_at": now}
    tx.execute(sa.insert(oidc_subject), row)


def note_tie(tx: Tx, issuer: str, subject: str, now: datetime) -> None:
    table = oidc_subject
    tx.execute(sa.update(table).where(table.c.issuer == issuer, table.c.subject == subject).values(last_used_at=now))


def untie(tx: Tx, user_id: str) -> int:
    """Forget by which subjects a user is known; answers how many there were."""
    return tx.execute(sa.delete(oidc_subject).where(oidc_subject.c.user_id == user_id)).rowcount


def keys_that_open(tx: Tx, user_id: str) -> Sequence[Row]:
    """The keys of a user that were not revoked."""
    key = people.api_key
    return tx.rows(sa.select(key).where(key.c.user_id == user_id, key.c.revoked_at.is_(None)))
