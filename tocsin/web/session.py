"""Who is at the page: the session cookie, the token that forms carry, and where a request came from.

Laws:
1. The session cookie cannot be read by scripts, is not sent from other sites' forms, and over https never leaves it.
2. A request that changes anything must come from our own page: the form's token and the browser's own word agree.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from tocsin.base.secret import Seals, same
from tocsin.service.sessions import Browser, Lifetimes

VISITOR_LASTS_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names of our cookies and how they are set. Over https they carry the `__Host-` promise of the browser."""

    is_https: bool

    @property
    def session(self) -> str:
        return "__Host-tocsin" if self.is_https else "tocsin"

    @property
    def visitor(self) -> str:
        return "__Host-tocsin-visitor" if self.is_https else "tocsin-visitor"

    @property
    def way(self) -> str:
        """The note of a sign-in that is under way at a provider."""
        return "__Host-tocsin-way" if self.is_https else "tocsin-way"

    def set(self, response: Response, name: str, value: str, *, seconds: int | None) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self.is_https, httponly=True, samesite="lax")

    def drop(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self.is_https, httponly=True, samesite="lax")

    def keep_session(self, response: Response, token: str, lifetimes: Lifetimes) -> None:
        self.set(response, self.session, token, seconds=int(lifetimes.total.total_seconds()))


def cookies_of(request: Request) -> Cookies:
    """Cookies for the scheme this request came by (the edge has already applied what a trusted proxy says of it)."""
    return Cookies(is_https=request.url.scheme == "https")


def form_token(seals: Seals, secret: str) -> str:
    """The token that the forms of this session (or this visitor) carry."""
    return seals.digest(f"form {secret}")


def is_from_our_page(request: Request, seals: Seals, secret: str, posted: str) -> bool:
    """Whether a posted form came from a page we made for this browser (law 2)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    return bool(secret) and same(form_token(seals, secret), posted)


def browser_of(request: Request) -> Browser:
    """Who asks, as far as the connection tells."""
    return Browser(request.client.host if request.client else "unknown", request.headers.get("user-agent", ""))
