"""The pages as an ASGI application: routes from the roll, who is signed in, answers to refusals, headers of every page.

Laws:
1. Work runs in the thread pool; the loop reads forms and writes answers.
2. Nothing is done for a posted form whose token is not ours.
3. No page may run a script or a style that is not a file of ours (`POLICY`).
"""

import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from tocsin.base import ids
from tocsin.base.clock import Clock
from tocsin.base.errors import Refusal, forbidden
from tocsin.base.secret import Seals
from tocsin.base.times import zone_named
from tocsin.core.permission import Actor
from tocsin.service import people as service_people
from tocsin.service import sessions as service_sessions
from tocsin.store import account
from tocsin.store import people as store_people
from tocsin.store.db import Database, Tx
from tocsin.store.sessions import Session
from tocsin.web import drawing, icons, session
from tocsin.web.forms import Entry
from tocsin.web.live import Pulse, stream
from tocsin.web.pages import roll
from tocsin.web.visit import PREFIX, SAID_COOKIE, Front, Page, Visit, WebSettings

log = logging.getLogger("tocsin.web")

HERE = Path(__file__).parent
STATIC = HERE / "static"
MAX_FORM_FIELDS = 2000
MAX_FORM_BYTES = 1_000_000

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SHARED_NAMES = {
    "incidents": "incidents",
    "services": "services",
    "users": "people",
    "teams": "teams",
    "schedules": "schedules",
    "escalation_policies": "policies",
}
"""Paths that PagerDuty's API gives as `html_url`, and where our page for it is; a browser that follows one is sent there."""
HAS_PAGES = {"incidents", "services", "users", "schedules", "escalation_policies"}
"""Those of them whose single things have a page each."""


def make_app(db: Database, seals: Seals, settings: WebSettings, *, clock: Clock, chance: random.Random) -> Starlette:
    """The pages, to be mounted at the root beside the gate and the API. `chance` must be the system's own."""
    front = Front(db, seals, settings, make_templates(), clock, chance)
    pulse = Pulse(db)
    routes: list[BaseRoute] = [
        Mount(f"{PREFIX}/static", StaticFiles(directory=STATIC), name="static"),
        Route(f"{PREFIX}/worker.js", _file("worker.js", "text/javascript")),
        Route(f"{PREFIX}/manifest.webmanifest", _file("manifest.webmanifest", "application/manifest+json")),
        Route("/favicon.ico", _file("bell.svg", "image/svg+xml")),
        *(_route(front, pulse, page) for page in roll.PAGES),
        Route("/", _to(f"{PREFIX}/incidents")),
        Route(PREFIX, _to(f"{PREFIX}/incidents")),
        Route("/{name}", _html_url),
        Route("/{name}/{id}", _html_url),
    ]
    return Starlette(routes=routes, exception_handlers={404: _Lost(front)})


def make_templates() -> jinja2.Environment:
    """The templates, with what they may call."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found = icons.load(STATIC / "vendor" / "lucide")
    if found.missing:
        log.warning("%d icons were not built; pages are drawn without them (run `make front-end`)", len(found.missing))
    environment.globals.update(icon=found, static=static_address, drawing=drawing, prefix=PREFIX, Markup=Markup)
    environment.filters["pair"] = id_and_name
    environment.filters["twice"] = lambda word: (word, word)
    environment.filters["user_name_of"] = lambda user_id, names: names(user_id)
    environment.globals["ui"] = environment.get_template("parts.html").module
    return environment


def id_and_name(row: Any) -> tuple[str, str]:
    """What a list to choose from needs of a row."""
    return row.id, row.name


@lru_cache(maxsize=256)
def static_address(name: str) -> str:
    """The address of a file of ours, which changes with its content so that browsers may keep it for ever."""
    file = STATIC / name
    mark = hashlib.blake2s(file.read_bytes(), digest_size=5).hexdigest() if file.is_file() else "0"
    return f"{PREFIX}/static/{name}?v={mark}"


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_request: Request) -> Response:
        return FileResponse(STATIC / name, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return serve


def _to(path: str) -> Callable[[Request], Awaitable[Response]]:
    async def go(_request: Request) -> Response:
        return RedirectResponse(path, 303)

    return go


async def _html_url(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in SHARED_NAMES:
        raise HTTPException(404)
    id_ = request.path_params.get("id")
    return RedirectResponse(f"{PREFIX}/{SHARED_NAMES[name]}" + (f"/{id_}" if id_ and name in HAS_PAGES else ""), 303)


def _route(front: Front, pulse: Pulse, page: Page) -> Route:
    async def serve(request: Request) -> Response:
        form = await _posted(request) if request.method == "POST" else FormData()
        if isinstance(form, Response):
            return form
        if page.view is not None and page.view.fingerprint is not None and _wants_stream(request):
            return await _stream(front, pulse, page, request)
        return await run_in_threadpool(_answer, front, page, request, form)

    methods = [name for name, part in (("GET", page.view or page.way), ("POST", page.act)) if part is not None]
    return Route(page.path if page.is_bare else PREFIX + page.path, serve, methods=methods)


async def _posted(request: Request) -> FormData | Response:
    if int(request.headers.get("content-length", "0") or 0) > MAX_FORM_BYTES:
        return Response("This form is too large", 413)
    try:
        return await request.form(max_fields=MAX_FORM_FIELDS, max_files=0, max_part_size=MAX_FORM_BYTES)
    except HTTPException as error:  # a body that is no form
        return Response(str(error.detail), 400)


def _wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def _answer(front: Front, page: Page, request: Request, form: FormData) -> Response:
    now = front.clock()
    visit, is_known = _visit(front, request, form)
    try:
        if not is_known and not page.is_public:
            return _to_sign_in(request)
        response = _act(visit, page) if request.method == "POST" else _show(visit, page)
    except Refusal as refusal:
        response = refused(visit, refusal)
    except Exception:  # the top of the loop: logged with its trace and an id, answered with the id
        mark = ids.object_id(front.chance)
        log.exception("page %s failed: %s %s", mark, request.method, request.url.path)
        words = f"Tocsin failed at this page. Its log has the reason under {mark}"
        response = refused(visit, Refusal(500, 2000, words))
    if visit.session is not None:
        service_sessions.note_use(front.db, visit.session, now=now)
    return _finished(visit, response, is_new_visitor=page.is_public and not is_known)


def _show(visit: Visit, page: Page) -> Response:
    if page.way is not None:
        return page.way(visit)
    assert page.view is not None  # the route offers GET only then
    with visit.front.db.read() as tx:
        facts = page.view.facts(visit, tx)
    return visit.page(page.view.template, facts)


def _act(visit: Visit, page: Page) -> Response:
    assert page.act is not None  # the route offers POST only then
    posted = visit.entry.typed("csrf")
    if page.needs_token and not session.is_from_our_page(visit.request, visit.front.seals, visit.secret, posted):
        raise forbidden("This form is too old, or it came from another site. Go back, load the page again and repeat it")
    return page.act(visit)


def _visit(front: Front, request: Request, form: FormData) -> tuple[Visit, bool]:
    """The visit, and whether somebody is signed in."""
    now = front.clock()
    cookies = session.cookies_of(request)
    token = request.cookies.get(cookies.session, "")
    found: Session | None = None
    actor: Actor | None = None
    with front.db.read() as tx:
        if token:
            found = service_sessions.find(tx, front.seals, token, front.settings.lifetimes, now=now)
        if found is not None:
            actor = service_people.actor_of_user(tx, found.user_id, method="browser")
        zone = _zone(tx, found)
    is_known = actor is not None
    secret = token if is_known else request.cookies.get(cookies.visitor, "") or ids.token(front.chance, 32)
    visit = Visit(front, request, now, zone_named(zone), secret, Entry(form), actor, found if is_known else None)
    return visit, is_known


def _zone(tx: Tx, found: Session | None) -> str:
    """The viewer's zone, else the account's, else UTC."""
    person = store_people.user(tx, found.user_id) if found is not None else None
    if person is not None and person.time_zone:
        return str(person.time_zone)
    return account.load(tx).time_zone


def _finished(visit: Visit, response: Response, *, is_new_visitor: bool) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.setdefault("Vary", "Cookie, Accept")
    if is_new_visitor and visit.request.cookies.get(visit.cookies.visitor) != visit.secret:
        visit.cookies.set(response, visit.cookies.visitor, visit.secret, seconds=session.VISITOR_LASTS_SECONDS)
    if visit.request.method == "GET" and SAID_COOKIE in visit.request.cookies and response.status_code == 200:
        visit.cookies.drop(response, SAID_COOKIE)
    return response


def refused(visit: Visit, refusal: Refusal) -> Response:
    """A refusal as a page: what is wrong, and what to do."""
    errors = refusal.errors if isinstance(refusal.errors, list) else [words for some in refusal.errors.values() for words in some]
    facts = {"status": refusal.status, "message": refusal.message, "errors": errors}
    return visit.page("error.html", facts, status=refusal.status)


def _to_sign_in(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    query = urlencode({"next": wanted}) if request.method == "GET" else ""
    response = RedirectResponse(f"{PREFIX}/sign-in" + (f"?{query}" if query else ""), 303)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _stream(front: Front, pulse: Pulse, page: Page, request: Request) -> Response:
    view = page.view
    assert view is not None  # the caller has looked

    def look() -> tuple[object, Callable[[], str]] | None:
        visit, is_known = _visit(front, request, FormData())
        if not is_known and not page.is_public:
            return None
        if visit.session is not None:  # a screen on a wall is in use, too
            service_sessions.note_use(front.db, visit.session, now=visit.now)
        with front.db.read() as tx:
            seen = view.fingerprint(visit, tx) if view.fingerprint else None

        def render() -> str:
            with front.db.read() as tx:
                facts = view.facts(visit, tx)
            return visit.live_part(view.template, facts)

        return seen, render

    return stream(look, pulse)


@dataclass(frozen=True)
class _Lost:
    """Answers for addresses that no page has."""

    front: Front

    async def __call__(self, request: Request, _error: Exception) -> Response:
        return await run_in_threadpool(self._answer, request)

    def _answer(self, request: Request) -> Response:
        visit, _ = _visit(self.front, request, FormData())
        refusal = Refusal(404, 2100, "There is no page at this address", ["Check the link, or go to the incidents"])
        return _finished(visit, refused(visit, refusal), is_new_visitor=False)

