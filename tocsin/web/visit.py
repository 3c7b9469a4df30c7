"""One visit to a page: who, when, in which zone, what was posted, and how to answer.

Laws:
1. A page is a `View` (template and the facts it shows) and perhaps an action; it holds no rule of its own.
2. Facts are read in one transaction, so that a page never contradicts itself.
3. A page is public only if it says so; every other one needs a session, every posted form its token.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tocsin.base import ids
from tocsin.base.clock import Clock
from tocsin.base.errors import unauthorized
from tocsin.base.secret import Seals
from tocsin.core.permission import Actor
from tocsin.service.audit import Deed
from tocsin.service.sessions import Lifetimes
from tocsin.service.single_sign_on import SingleSignOn
from tocsin.store.db import Database, Tx
from tocsin.store.sessions import Session
from tocsin.web import times
from tocsin.web.forms import Entry
from tocsin.web.session import Cookies, cookies_of, form_token

PREFIX = "/app"
"""Where pages live. The plain names (`/incidents`, `/services` …) belong to PagerDuty's API on the same address."""

SAID_COOKIE = "tocsin-said"
THEME_COOKIE = "tocsin-theme"
THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the pages need to know of the installation.

    base_url   the public address of this installation, without a slash at the end: what senders and mails use
    allowed_networks  private networks that may be called on somebody's behalf (channels/http.py)
    mail_host  what stands after the @ in the mail addresses that are made for services
    receives_mail  whether mail for them is received here
    """

    base_url: str
    single_sign_on: SingleSignOn | None = None
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    allowed_networks: tuple[str, ...] = ()
    mail_host: str = "localhost"
    receives_mail: bool = False


@dataclass(frozen=True)
class Front:
    """Everything the pages share."""

    db: Database
    seals: Seals
    settings: WebSettings
    templates: jinja2.Environment
    clock: Clock
    chance: random.Random


@dataclass(frozen=True)
class Visit:
    """One request of one person (`actor` is None on public pages when nobody is signed in)."""

    front: Front
    request: Request
    now: datetime
    zone: ZoneInfo
    secret: str
    entry: Entry
    actor: Actor | None = None
    session: Session | None = None

    @property
    def who(self) -> Actor:
        """The person signed in."""
        if self.actor is None:
            raise unauthorized()
        return self.actor

    @property
    def deed(self) -> Deed:
        """The person doing something, for what changes configuration and leaves an audit record."""
        client = self.request.client
        return Deed(self.who, self.now, self.front.chance, ids.uuid_text(self.front.chance), client.host if client else None)

    @property
    def here(self) -> str:
        """The path of this page, for marking where one is."""
        return self.request.url.path

    @property
    def theme(self) -> str:
        wanted = self.request.cookies.get(THEME_COOKIE, "auto")
        return wanted if wanted in THEMES else "auto"

    @property
    def csrf(self) -> str:
        return form_token(self.front.seals, self.secret)

    @property
    def zone_words(self) -> str:
        return times.zone_words(self.zone, self.now)

    def segment(self, name: str) -> str:
        """A named part of the path."""
        return str(self.request.path_params[name]).replace("\0", "")

    def asked(self, name: str, default: str = "") -> str:
        """A word of the address bar."""
        return self.request.query_params.get(name, default)[:500].replace("\0", "")

    def at(self, instant: datetime | None) -> Markup:
        """The wall clock of an instant."""
        return times.absolute_tag(instant, self.now, self.zone)

    def ago(self, instant: datetime | None) -> Markup:
        """How far away an instant is."""
        return times.relative_tag(instant, self.now, self.zone)

    def with_query(self, **changed: object) -> str:
        """This page's address with some words of the query changed (None takes a word out); paging starts anew."""
        pairs = [
            (name, value)
            for name, value in self.request.query_params.multi_items()
            if name not in changed and name != "page"
        ]
        pairs += [(name, str(value)) for name, value in changed.items() if value is not None]
        return self.here + ("?" + urlencode(pairs) if pairs else "")

    def page(self, template: str, facts: Mapping[str, Any] | None = None, *, status: int = 200) -> Response:
        """Answer with a whole page."""
        return HTMLResponse(self.front.templates.get_template(template).render(self._context(facts or {})), status)

    def live_part(self, template: str, facts: Mapping[str, Any]) -> str:
        """Only the part of a page that changes while one looks at it: its block `live`."""
        found = self.front.templates.get_template(template)
        return "".join(found.blocks["live"](found.new_context(self._context(facts))))

    def go(self, path: str, *, said: str = "") -> Response:
        """Answer a posted form: go on to another page, which shows what was done once."""
        response = RedirectResponse(path, 303)
        if said:
            signed = self.front.seals.sign({"said": said}, purpose="said", expires_at=self.now + timedelta(minutes=1))
            self.cookies.set(response, SAID_COOKIE, signed, seconds=60)
        return response

    @property
    def cookies(self) -> Cookies:
        return cookies_of(self.request)

    @property
    def said(self) -> str:
        """What the last form did, when this is the first page after it."""
        signed = self.request.cookies.get(SAID_COOKIE, "")
        if not signed:
            return ""
        try:
            return str(self.front.seals.verify(signed, purpose="said", now=self.now).get("said", ""))
        except ValueError:  # an old or foreign cookie says nothing; it is dropped with this answer
            return ""

    def _context(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        return {"v": self, "entry": self.entry, **facts}


Facts = Callable[[Visit, Tx], Mapping[str, Any]]
Act = Callable[[Visit], Response]


@dataclass(frozen=True)
class View:
    """What a page shows. With a `fingerprint` it is live: a change of the fingerprint swaps its block `live` in place."""

    template: str
    facts: Facts
    fingerprint: Callable[[Visit, Tx], object] | None = None


@dataclass(frozen=True)
class Page:
    """One address: what it shows on GET, what it does on POST. `path` is below `PREFIX` unless `is_bare`.

    needs_token  False only where something else is the authority (the signature of a link)
    way          answers GET by leading elsewhere, where there is nothing to show
    """

    path: str
    view: View | None = None
    act: Act | None = None
    is_public: bool = False
    is_bare: bool = False
    needs_token: bool = True
    way: Act | None = None
