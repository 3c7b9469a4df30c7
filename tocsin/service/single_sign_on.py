"""Signing in at a company's own door by OpenID Connect: the way there, the way back, and whom it lets in.

Laws:
1. The way there leaves a sealed note with the browser; only the browser that has it comes back in, once and within minutes.
2. Whom a provider means is known by its own lasting name for them (`sub`); an address only ties that name to a user, the first time.
3. Nobody whose account is disabled comes in, whatever the provider says; a new user is made only where the operator said so.
Source: OpenID Connect Core 3.1 (authorization code), RFC 7636 (PKCE, S256), RFC 9700.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.base import ids, json
from tocsin.base.errors import Refusal
from tocsin.base.secret import Seals, same
from tocsin.channels.oidc import OidcTrouble, Provider
from tocsin.core import id_token
from tocsin.core.permission import Actor
from tocsin.service import audit, people, sessions
from tocsin.service.audit import Deed
from tocsin.service.sessions import Browser, Lifetimes, SignedIn
from tocsin.store import entrance
from tocsin.store import people as store_people
from tocsin.store.db import Database, Tx

BACK: Final = "/app/sign-in/company/back"
"""Where the provider sends people back to: the redirect URI, below the public address."""
WAY_LASTS: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""
SECRET_LENGTH: Final = 43
CODE_MOST: Final = 4096
NOTE_FOR: Final = "sign-in"
SCOPES: Final = "openid email profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleSignOn:
    """The company's door, as the operator set it.

    name        what the button calls it
    domains     whose addresses are let in; none: all
    new_role    the base role of somebody who is not known yet; empty: only known addresses come in
    is_only     whether passwords are for the Account Owner alone
    """

    provider: Provider
    base_url: str
    name: str
    domains: tuple[str, ...] = ()
    new_role: str = ""
    is_only: bool = False
    trusts_unverified: bool = False

    @property
    def back(self) -> str:
        return self.base_url + BACK


@dataclass(frozen=True, slots=True)
class Way:
    """Where to send the browser, and the sealed note it keeps meanwhile."""

    url: str
    note: str


def begin(door: SingleSignOn, seals: Seals, next_: str, *, now: datetime, chance: Random) -> Way:
    """The way to the provider; `next_` is the page that was wanted. Raises Refusal 502 when the provider cannot be asked."""
    try:
        about = door.provider.about(now)
    except OidcTrouble as error:
        raise _trouble(error) from error
    state, nonce, verifier = (ids.token(chance, SECRET_LENGTH) for _ in range(3))
    note = {"for": NOTE_FOR, "state": state, "nonce": nonce, "verifier": verifier, "next": next_[:500], "until": int((now + WAY_LASTS).timestamp())}
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code", "client_id": door.provider.client_id, "redirect_uri": door.back, "scope": SCOPES, "state": state,
        "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    joint = "&" if "?" in about.authorize else "?"
    return Way(about.authorize + joint + urlencode(query), seals.seal(json.text(note)))


def finish(
    db: Database, door: SingleSignOn, seals: Seals, note: str, answer: Mapping[str, str], browser: Browser, lifetimes: Lifetimes, *,
    now: datetime, chance: Random,
) -> tuple[SignedIn, str]:  # fmt: skip
    """A session for whom the provider sent back with `answer`, and the page that was wanted.

    Raises Refusal saying why nobody is let in: 400 (not the way we began), 403 (not this person), 502 (the provider).
    """
    way = _way(seals, note, answer, now)
    if answer.get("error"):
        words = answer.get("error_description") or answer["error"]
        raise Refusal(403, 2006, f"{door.name} did not let you in: {words[:200]}")
    code = answer.get("code", "")
    if not 1 <= len(code) <= CODE_MOST:
        raise Refusal(400, 2001, "The sign-in provider sent no code. Begin again")
    if answer.get("iss", door.provider.issuer) != door.provider.issuer:
        raise Refusal(400, 2001, "The answer is from another sign-in provider. Begin again")
    try:
        tokens = door.provider.exchange(code, way["verifier"], door.back, now)
        claims = door.provider.claims(tokens.id_token, now)
        if wrong := id_token.problem(claims, id_token.Expected(door.provider.issuer, door.provider.client_id, way["nonce"], now)):
            raise OidcTrouble(wrong)
        if not isinstance(claims.get("email"), str):
            told = door.provider.userinfo(tokens.access_token, now)
            if told.get("sub") == claims["sub"]:
                claims = {**told, **claims}
    except OidcTrouble as error:
        raise _trouble(error) from error
    with db.write() as tx:
        user_id = _person(tx, door, claims, browser, now, chance)
        opened = sessions.open_proven(tx, seals, user_id, browser, lifetimes, now=now, chance=chance)
    return opened, way["next"]


def _way(seals: Seals, note: str, answer: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The note of the way that ends here. Raises Refusal 400 when this browser did not begin it, or too long ago."""
    try:
        way = json.decode(seals.open(note))
        if not isinstance(way, dict) or way.get("for") != NOTE_FOR:
            raise ValueError("sealed for something else")
    except ValueError as error:
        raise Refusal(400, 2001, "This sign-in was not begun in this browser, or it was used already. Begin again") from error
    if not same(answer.get("state", ""), way["state"]):
        raise Refusal(400, 2001, "This sign-in was not begun in this browser, or another one was begun since. Begin again")
    if way["until"] < now.timestamp():
        raise Refusal(400, 2001, "This sign-in took too long. Begin again")
    return {name: str(value) for name, value in way.items()}


def _person(tx: Tx, door: SingleSignOn, claims: Mapping[str, Any], browser: Browser, now: datetime, chance: Random) -> str:
    """Whom the claims mean: the user their subject is tied to, or (the first time) the one with their address. Raises Refusal 403."""
    issuer, subject = door.provider.issuer, str(claims["sub"])
    user_id = entrance.meant(tx, issuer, subject)
    if user_id is None:
        user_id = _tied(tx, door, claims, browser, now, chance)
    else:
        entrance.note_tie(tx, issuer, subject, now)
    user = store_people.user(tx, user_id)
    if user is None or user.is_disabled:
        raise _refused("your account here is disabled")
    return user_id


def _tied(tx: Tx, door: SingleSignOn, claims: Mapping[str, Any], browser: Browser, now: datetime, chance: Random) -> str:
    """Tie a subject that is not known yet to the user with its address, making one where that is wanted."""
    issuer = door.provider.issuer
    email, wrong = id_token.address(claims, domains=door.domains, trusts_unverified=door.trusts_unverified)
    if wrong:
        raise _refused(wrong)
    actor = Actor(kind="app", id="single_sign_on", name=door.name, role="admin", method="identity_provider")
    deed = Deed(actor, now, chance, ids.uuid_text(chance), browser.address)
    user = store_people.user_by_email(tx, email)
    if user is not None and entrance.subject_of(tx, issuer, user.id) is not None:
        raise _refused("your address belongs to somebody who came in by another name of the provider's; an administrator can loosen that")
    if user is None and not door.new_role:
        raise _refused(f"nobody here has the address {email}; an administrator can add you")
    if user is not None and user.is_disabled:
        raise _refused("your account here is disabled")
    if user is None:
        name = next((one.strip()[: people.NAME_MOST] for one in (claims.get("name"), claims.get("preferred_username")) if isinstance(one, str) and one.strip()), "")
        user_id = people.create_user(tx, deed, name=name.replace("\0", "") or email, email=email, role=door.new_role)
    else:
        user_id = user.id
    entrance.tie(tx, issuer, str(claims["sub"]), user_id, now)
    known = store_people.user(tx, user_id)
    reference = people.user_reference(user_id, known.name if known is not None else email)
    audit.record(tx, deed, reference, before={"single_sign_on": None}, after={"single_sign_on": issuer})
    return user_id


def loosen(tx: Tx, deed: Deed, user_id: str) -> None:
    """Forget by which name a provider knows this user: the next one who comes with their address is tied anew."""
    user = store_people.user(tx, user_id)
    if entrance.untie(tx, user_id) and user is not None:
        reference = people.user_reference(user_id, user.name)
        audit.record(tx, deed, reference, before={"single_sign_on": "(tied)"}, after={"single_sign_on": None})


def out(door: SingleSignOn) -> str:
    """Where one signs out at the provider too; empty while that is not known."""
    place = door.provider.end_session
    if not place:
        return ""
    query = {"client_id": door.provider.client_id, "post_logout_redirect_uri": f"{door.base_url}/app/sign-in"}
    return place + ("&" if "?" in place else "?") + urlencode(query)


def _refused(why: str) -> Refusal:
    return Refusal(403, 2006, f"You were not let in: {why}")


def _trouble(error: OidcTrouble) -> Refusal:
    return Refusal(502, 2000, f"Signing in there does not work now: {error}")
