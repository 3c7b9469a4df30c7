"""Pages for coming in and going out: sign in, set a first password, sign out."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.service import sessions, single_sign_on
from tocsin.store import account
from tocsin.store.db import Tx
from tocsin.web.session import browser_of
from tocsin.web.visit import PREFIX, Page, View, Visit

HOME = f"{PREFIX}/incidents"


def after(visit: Visit) -> str:
    """Where to go after signing in: the page that was wanted, if it is one of ours."""
    wanted = visit.entry.typed("next") or visit.asked("next")
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith(("/app/", "/act/"))
    return wanted if is_ours else HOME


def _is_closed(visit: Visit) -> bool:
    """Whether passwords are for the Account Owner alone."""
    door = visit.front.settings.single_sign_on
    return door is not None and door.is_only


def sign_in_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    door = visit.front.settings.single_sign_on
    company = {
        "name": door.name, "is_only": door.is_only, "way": f"{PREFIX}/sign-in/company?{urlencode({'next': after(visit)})}",
        "out": single_sign_on.out(door) if visit.asked("out") else "",
    } if door is not None else None  # fmt: skip
    return {"account": account.load(tx).name, "next": after(visit), "problem": "", "company": company}


def sign_in(visit: Visit) -> Response:
    front, entry = visit.front, visit.entry
    email = entry.email("email", "your e-mail address")
    password = entry.typed("password")
    if not password:
        entry.problem("password", "Enter your password")
    problem, status = "", 422
    if entry.is_good:
        try:
            opened = sessions.sign_in(
                front.db, front.seals, email, password, browser_of(visit.request), front.settings.lifetimes,
                now=visit.now, chance=front.chance, owner_only=_is_closed(visit),
            )  # fmt: skip
        except Refusal as refusal:
            problem, status = refusal.message, refusal.status
        else:
            if visit.session is not None:  # this browser had one already: it ends
                with front.db.write() as tx:
                    sessions.sign_out(tx, visit.session)
            response = visit.go(after(visit))
            visit.cookies.keep_session(response, opened.token, front.settings.lifetimes)
            return response
    with front.db.read() as tx:
        facts = {**sign_in_facts(visit, tx), "problem": problem}
    return visit.page("sign-in.html", facts, status=status)


def sign_out(visit: Visit) -> Response:
    if visit.session is not None:
        with visit.front.db.write() as tx:
            sessions.sign_out(tx, visit.session)
    response = visit.go(f"{PREFIX}/sign-in" + ("?out=1" if visit.front.settings.single_sign_on else ""))
    visit.cookies.drop(response, visit.cookies.session)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def welcome_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    person = sessions.welcomed(tx, visit.front.seals, visit.segment("signed"), now=visit.now)
    return {"person": person, "account": account.load(tx).name, "problem": ""}


def welcome(visit: Visit) -> Response:
    front, entry = visit.front, visit.entry
    password = entry.typed("password")
    if password != entry.typed("again"):
        entry.problem("again", "The two passwords differ; type the same one twice")
    problem = ""
    if entry.is_good:
        try:
            opened = sessions.set_first_password(
                front.db, front.seals, visit.segment("signed"), password, browser_of(visit.request),
                front.settings.lifetimes, now=visit.now, chance=front.chance, owner_only=_is_closed(visit),
            )  # fmt: skip
        except Refusal as refusal:
            problem = " ".join(refusal.errors) or refusal.message
        else:
            response = visit.go(f"{PREFIX}/me", said="Welcome. Now say how you are to be reached")
            visit.cookies.keep_session(response, opened.token, front.settings.lifetimes)
            return response
    with front.db.read() as tx:
        facts = {**welcome_facts(visit, tx), "problem": problem}
    return visit.page("welcome.html", facts, status=422)


PAGES = (
    Page("/sign-in", View("sign-in.html", sign_in_facts), sign_in, is_public=True),
    Page("/sign-out", act=sign_out, is_public=True),
    Page("/welcome/{signed}", View("welcome.html", welcome_facts), welcome, is_public=True),
)
