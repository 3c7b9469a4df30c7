"""What an ID token must say before anybody is let in by it; its signature was checked before (OpenID Connect Core 3.1.3.7).

Laws:
1. A token is for this client, from this provider, for this sign-in (`nonce`) and for now; anything else is refused with its reason.
2. An address lets in only when the provider says that it was verified, unless the operator trusts the provider's addresses.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

SKEW: Final = timedelta(minutes=2)
"""How far the provider's clock may be from ours."""
OLDEST: Final = timedelta(hours=1)
"""How long ago a token may have been made: it is used at once."""
SUBJECT_MOST: Final = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What this sign-in expects of its token."""

    issuer: str
    client_id: str
    nonce: str
    now: datetime


def problem(claims: Mapping[str, Any], expected: Expected) -> str:
    """Why a token with these claims lets nobody in; empty when it does."""
    if claims.get("iss") != expected.issuer:
        return "the token is from another provider than the one that is set"
    audience = claims.get("aud")
    meant = [audience] if isinstance(audience, str) else audience
    if not isinstance(meant, list) or expected.client_id not in meant:
        return "the token is meant for another application"
    if (len(meant) > 1 or "azp" in claims) and claims.get("azp") != expected.client_id:
        return "the token was given to another application"
    if not expected.nonce or claims.get("nonce") != expected.nonce:
        return "the token belongs to another sign-in"
    ends, made, starts = (_instant(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if ends is None or made is None or ("nbf" in claims and starts is None):
        return "the token does not say from when to when it holds"
    if ends <= expected.now - SKEW:
        return "the token has expired"
    if made > expected.now + SKEW or (starts is not None and starts > expected.now + SKEW):
        return "the token is from the future: one of the two clocks is wrong"
    if made < expected.now - OLDEST:
        return "the token is too old"
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MOST or "\0" in subject:
        return "the token does not say whom it is about"
    return ""


def _instant(value: object) -> datetime | None:
    """Seconds since 1970 as an instant; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return None
    return datetime.fromtimestamp(value, UTC)


def address(claims: Mapping[str, Any], *, domains: Collection[str], trusts_unverified: bool) -> tuple[str, str]:
    """The address the claims let in by, and why there is none: one of the two is empty. No domains: any."""
    email = claims.get("email")
    if not isinstance(email, str) or email.count("@") != 1 or len(email) > 100 or any(one.isspace() or one == "\0" for one in email):
        return "", "the provider does not tell your e-mail address"
    if claims.get("email_verified") not in {True, "true"} and not trusts_unverified:
        return "", "the provider does not say that your e-mail address was verified"
    domain = email.rpartition("@")[2].casefold()
    if domains and domain not in {one.casefold().removeprefix("@") for one in domains}:
        return "", f"addresses at {domain[:100]} are not let in here"
    return email, ""
