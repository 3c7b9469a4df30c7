"""Pages that show nothing: the way to the company's sign-in provider, and the way back with what it says."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from tocsin.base.errors import Refusal
from tocsin.service import sessions, single_sign_on
from tocsin.service.single_sign_on import BACK, WAY_LASTS
from tocsin.web.pages.sign_in import after, sign_in_facts
from tocsin.web.session import browser_of
from tocsin.web.visit import PREFIX, Page, Visit

START = "/sign-in/company"
NOTE_MOST = 4000


def begin(visit: Visit) -> Response:
    """Send the browser to the provider, with our sealed note in a cookie; first to our public address, where the way ends."""
    front = visit.front
    door = front.settings.single_sign_on
    if door is None:
        return RedirectResponse(f"{PREFIX}/sign-in", 303)
    public = urlsplit(door.base_url).netloc.lower()
    if visit.request.headers.get("host", "").lower() != public and not visit.asked("moved"):
        return RedirectResponse(f"{door.base_url}{PREFIX}{START}?{urlencode({'next': after(visit), 'moved': 1})}", 303)
    try:
        way = single_sign_on.begin(door, front.seals, after(visit), now=visit.now, chance=front.chance)
    except Refusal as refusal:
        return problem(visit, refusal)
    response = RedirectResponse(way.url, 303)
    visit.cookies.set(response, visit.cookies.way, way.note, seconds=int(WAY_LASTS.total_seconds()))
    return _unkept(response)


def back(visit: Visit) -> Response:
    """Let in whom the provider sent back."""
    front = visit.front
    door = front.settings.single_sign_on
    if door is None:
        return RedirectResponse(f"{PREFIX}/sign-in", 303)
    answer: Mapping[str, str] = {
        name: visit.request.query_params.get(name, "").replace("\0", "")
        for name in ("state", "code", "error", "error_description", "iss")
        if name in visit.request.query_params
    }
    note = visit.request.cookies.get(visit.cookies.way, "")[:NOTE_MOST]
    try:
        opened, wanted = single_sign_on.finish(
            front.db, door, front.seals, note, answer, browser_of(visit.request), front.settings.lifetimes, now=visit.now, chance=front.chance
        )  # fmt: skip
    except Refusal as refusal:
        response = problem(visit, refusal)
    else:
        if visit.session is not None:  # this browser had one already: it ends
            with front.db.write() as tx:
                sessions.sign_out(tx, visit.session)
        response = visit.go(wanted)
        visit.cookies.keep_session(response, opened.token, front.settings.lifetimes)
    visit.cookies.drop(response, visit.cookies.way)
    return _unkept(response)


def problem(visit: Visit, refusal: Refusal) -> Response:
    """The page for signing in, with what is wrong on top."""
    words = " ".join(refusal.errors) if isinstance(refusal.errors, list) and refusal.errors else refusal.message
    with visit.front.db.read() as tx:
        facts: dict[str, Any] = {**sign_in_facts(visit, tx), "problem": words}
    return visit.page("sign-in.html", facts, status=refusal.status)


def _unkept(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


PAGES = (
    Page(START, way=begin, is_public=True),
    Page(BACK.removeprefix(PREFIX), way=back, is_public=True),
)
