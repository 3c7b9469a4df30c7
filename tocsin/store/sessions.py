"""Sign-ins: who is signed in with which browser, and how often signing in failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tocsin.core.sign_in import Failures
from tocsin.store import dialect
from tocsin.store.db import Tx
from tocsin.store.tables.people import session, sign_in_failure, user


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that somebody is signed in with. The token itself is not kept, only its digest."""

    id: str
    user_id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signing in compares against."""

    user_id: str
    name: str
    email: str
    password_hash: str | None
    is_disabled: bool


_COLUMNS = (
    session.c.id, session.c.user_id, session.c.created_at, session.c.last_seen_at, session.c.expires_at,
    session.c.user_agent, session.c.address,
)  # fmt: skip


def add(tx: Tx, kept: Session, digest: str) -> None:
    """Keep a new session under the digest of its token."""
    tx.execute(
        sa.insert(session).values(
            id=kept.id,
            digest=digest,
            user_id=kept.user_id,
            created_at=kept.created_at,
            last_seen_at=kept.last_seen_at,
            expires_at=kept.expires_at,
            user_agent=kept.user_agent,
            address=kept.address,
        )  # fmt: skip
    )


def find(tx: Tx, digests: Sequence[str]) -> Session | None:
    """The session whose token has one of these digests (several while master keys rotate)."""
    row = tx.one(sa.select(*_COLUMNS).where(session.c.digest.in_(digests)))
    return Session(*row) if row is not None else None


def of_user(tx: Tx, user_id: str) -> list[Session]:
    """Where this person is signed in, latest seen first."""
    wanted = sa.select(*_COLUMNS).where(session.c.user_id == user_id)
    return [Session(*row) for row in tx.rows(wanted.order_by(session.c.last_seen_at.desc(), session.c.id))]


def touch(tx: Tx, session_id: str, now: datetime) -> None:
    """Note that the session is in use."""
    tx.execute(sa.update(session).where(session.c.id == session_id).values(last_seen_at=now))


def drop(tx: Tx, session_id: str) -> None:
    """Sign this browser out."""
    tx.execute(sa.delete(session).where(session.c.id == session_id))


def drop_of_user(tx: Tx, user_id: str, *, keep: str | None = None) -> None:
    """Sign the person out everywhere, but for the session `keep`."""
    statement = sa.delete(session).where(session.c.user_id == user_id)
    tx.execute(statement if keep is None else statement.where(session.c.id != keep))


def drop_stale(tx: Tx, *, idle_since: datetime, failed_before: datetime, now: datetime) -> int:
    """Forget sessions that ended or lay idle, and failures nobody counts any more; answers how many sessions went."""
    tx.execute(sa.delete(sign_in_failure).where(sign_in_failure.c.last_at < failed_before))
    ended = sa.or_(session.c.expires_at <= now, session.c.last_seen_at < idle_since)
    return tx.execute(sa.delete(session).where(ended)).rowcount


def credentials(tx: Tx, email: str) -> Credentials | None:
    """What to compare for this e-mail address, whatever its case."""
    return _credentials(tx, user.c.email_folded == email.strip().casefold())


def credentials_of(tx: Tx, user_id: str) -> Credentials | None:
    """What to compare for this person."""
    return _credentials(tx, user.c.id == user_id)


def _credentials(tx: Tx, which: sa.ColumnElement[bool]) -> Credentials | None:
    columns = (user.c.id, user.c.name, user.c.email, user.c.password_hash, user.c.is_disabled)
    row = tx.one(sa.select(*columns).where(which))
    return Credentials(*row) if row is not None else None


def set_password_hash(tx: Tx, user_id: str, hashed: str) -> None:
    """Replace the person's password."""
    tx.execute(sa.update(user).where(user.c.id == user_id).values(password_hash=hashed))


def failures(tx: Tx, subject: str) -> Failures | None:
    """How often signing in failed for this subject, if it ever did lately."""
    wanted = sa.select(sign_in_failure.c.count, sign_in_failure.c.last_at).where(sign_in_failure.c.subject == subject)
    row = tx.one(wanted)
    return Failures(*row) if row is not None else None


def keep_failures(tx: Tx, subject: str, failed: Failures) -> None:
    """Write the count down."""
    row = {"subject": subject, "count": failed.count, "last_at": failed.last_at}
    dialect.upsert(tx.connection, sign_in_failure, [row], ["subject"])


def forgive(tx: Tx, subject: str) -> None:
    """Begin counting anew: the right password came."""
    tx.execute(sa.delete(sign_in_failure).where(sign_in_failure.c.subject == subject))
