"""Signing in and out: passwords, throttled guesses, sessions that end, and links that set a first password.

Laws:
1. A session's token is drawn anew at every sign-in and is kept only as a digest.
2. A session ends when it lay idle, when it is old, when its person is disabled, and when the password changes elsewhere.
3. Wrong address and wrong password look and take the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tocsin.base import ids
from tocsin.base.errors import Refusal, invalid
from tocsin.base.secret import Seals, check_password, hash_password, same
from tocsin.base.times import human_duration
from tocsin.core import sign_in as rules
from tocsin.store import people, sessions
from tocsin.store.db import Database, Tx
from tocsin.store.sessions import Credentials, Session

TOKEN_LENGTH = 43
SEEN_EVERY = timedelta(minutes=5)
"""How old the note of a session's last use may grow before it is written again."""
PASSWORDS_CLOSED = "Passwords are closed here but for the Account Owner: sign in with your company's account"
WELCOME_LASTS = timedelta(days=3)
_NOBODYS_HASH = hash_password("nobody signs in with this one")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """When sessions end by themselves."""

    idle: timedelta = timedelta(days=7)
    total: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session and its token, which only the browser keeps."""

    session: Session
    token: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Who asks, as far as the connection tells."""

    address: str
    user_agent: str


def sign_in(
    db: Database, seals: Seals, email: str, password: str, browser: Browser, lifetimes: Lifetimes, *,
    now: datetime, chance: Random, owner_only: bool = False,
) -> SignedIn:  # fmt: skip
    """Open a session for whoever has this address and password; with `owner_only` for the Account Owner alone.

    Raises Refusal 401 when they do not match, 429 when there were too many tries, 403 when passwords are not for them.
    """
    pair = f"{email.strip().casefold()[:320]} {browser.address}"
    with db.read() as tx:
        found = sessions.credentials(tx, email)
        left = max(
            rules.wait(sessions.failures(tx, pair), free_tries=rules.FREE_TRIES_PAIR, now=now),
            rules.wait(sessions.failures(tx, browser.address), free_tries=rules.FREE_TRIES_ADDRESS, now=now),
        )
    if left:
        raise Refusal(429, 2020, f"Too many tries. Wait {human_duration(left)}, then try again")
    # The hash is compared outside of any transaction: it takes long on purpose.
    is_right = check_password((found and found.password_hash) or _NOBODYS_HASH, password)
    with db.write() as tx:
        if found is None or not is_right or found.password_hash is None or found.is_disabled:
            for subject in (pair, browser.address):
                sessions.keep_failures(tx, subject, rules.after_failure(sessions.failures(tx, subject), now))
            failed = True
        else:
            sessions.forgive(tx, pair)
            if owner_only:
                only_owner(tx, found.user_id)
            opened = _open(tx, seals, found.user_id, browser, lifetimes, now=now, chance=chance)
            failed = False
    if failed:
        raise Refusal(401, 2006, "This e-mail address and password do not belong together")
    return opened


def only_owner(tx: Tx, user_id: str) -> None:
    """Raise Refusal 403 for everybody but the Account Owner: passwords are the emergency way in."""
    owner = people.owner(tx)
    if owner is None or owner.id != user_id:
        raise Refusal(403, 2010, PASSWORDS_CLOSED)


def open_proven(
    tx: Tx, seals: Seals, user_id: str, browser: Browser, lifetimes: Lifetimes, *, now: datetime, chance: Random
) -> SignedIn:  # fmt: skip
    """A session for somebody who was proven elsewhere (service/single_sign_on.py)."""
    return _open(tx, seals, user_id, browser, lifetimes, now=now, chance=chance)


def _open(
    tx: Tx, seals: Seals, user_id: str, browser: Browser, lifetimes: Lifetimes, *, now: datetime, chance: Random
) -> SignedIn:
    token = ids.token(chance, TOKEN_LENGTH)
    session = Session(
        ids.long_id(chance, prefix="S"), user_id, now, now, now + lifetimes.total,
        browser.user_agent[:255], browser.address,
    )  # fmt: skip
    sessions.add(tx, session, seals.digest(token))
    return SignedIn(session, token)


def find(tx: Tx, seals: Seals, token: str, lifetimes: Lifetimes, *, now: datetime) -> Session | None:
    """The session of this token, if it still holds and its person may still sign in."""
    session = sessions.find(tx, seals.digests(token))
    if session is None or session.expires_at <= now or session.last_seen_at + lifetimes.idle <= now:
        return None
    person = sessions.credentials_of(tx, session.user_id)
    return session if person is not None and not person.is_disabled else None


def note_use(db: Database, session: Session, *, now: datetime) -> None:
    """Write down that the session is in use, at most every few minutes."""
    if now - session.last_seen_at >= SEEN_EVERY:
        with db.write() as tx:
            sessions.touch(tx, session.id, now)


def change_password(db: Database, session: Session, old: str, new: str) -> None:
    """Give the session's person a new password and end their other sessions. Raises Refusal 400 saying what is wrong."""
    with db.read() as tx:
        person = sessions.credentials_of(tx, session.user_id)
    if person is None or not check_password(person.password_hash or _NOBODYS_HASH, old):
        raise invalid("The present password is not right")
    if problem := rules.password_problem(new, name=person.name, email=person.email):
        raise invalid(problem)
    hashed = hash_password(new)
    with db.write() as tx:
        sessions.set_password_hash(tx, session.user_id, hashed)
        sessions.drop_of_user(tx, session.user_id, keep=session.id)


def welcome_link(tx: Tx, seals: Seals, user_id: str, *, now: datetime) -> str:
    """The signed part of a link with which this person sets a password; it dies with the first use (the hash changes)."""
    person = sessions.credentials_of(tx, user_id)
    if person is None:
        raise invalid("This person does not exist any more")
    claims: dict[str, object] = {"user": user_id, "was": _mark(seals, person)}
    return seals.sign(claims, purpose="set-password", expires_at=now + WELCOME_LASTS)


def welcomed(tx: Tx, seals: Seals, signed: str, *, now: datetime) -> Credentials:
    """Whose link this is. Raises Refusal 400 when it is forged, expired or used."""
    try:
        claims = seals.verify(signed, purpose="set-password", now=now)
    except ValueError as error:
        raise invalid(f"{error}. Ask for a new one".capitalize()) from error
    person = sessions.credentials_of(tx, str(claims.get("user", "")))
    if person is None or person.is_disabled or not same(str(claims.get("was", "")), _mark(seals, person)):
        raise invalid("This link was used already. Sign in with your password, or ask for a new link")
    return person


def set_first_password(
    db: Database, seals: Seals, signed: str, new: str, browser: Browser, lifetimes: Lifetimes, *,
    now: datetime, chance: Random, owner_only: bool = False,
) -> SignedIn:  # fmt: skip
    """Set the password by a welcome link and sign in; with `owner_only` for the Account Owner alone."""
    with db.read() as tx:
        person = welcomed(tx, seals, signed, now=now)
        if owner_only:
            only_owner(tx, person.user_id)
    if problem := rules.password_problem(new, name=person.name, email=person.email):
        raise invalid(problem)
    hashed = hash_password(new)
    with db.write() as tx:
        welcomed(tx, seals, signed, now=now)  # again, inside the transaction: two clicks at once use it once
        sessions.set_password_hash(tx, person.user_id, hashed)
        sessions.drop_of_user(tx, person.user_id)
        return _open(tx, seals, person.user_id, browser, lifetimes, now=now, chance=chance)


def _mark(seals: Seals, person: Credentials) -> str:
    return seals.digest(f"password {person.password_hash or ''}")[:16]


def sign_out(tx: Tx, session: Session) -> None:
    """End this session."""
    sessions.drop(tx, session.id)
