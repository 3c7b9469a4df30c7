"""The page for admins of what comes in from outside: applications with their scopes, and tokens of directories."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.core import permission, scopes
from tocsin.core.permission import CREATE, DELETE, Thing
from tocsin.service import access, applications, directory
from tocsin.store import entrance
from tocsin.store.db import Tx
from tocsin.web.pages.office import LIVES
from tocsin.web.visit import PREFIX, Page, View, Visit

HERE: Final = f"{PREFIX}/applications"


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    access.allow(visit.who, permission.READ, Thing("oauth_client"))
    access.allow(visit.who, permission.READ, Thing("scim_token"))
    base, door = visit.front.settings.base_url, visit.front.settings.single_sign_on
    return {
        "clients": entrance.clients(tx), "tokens": entrance.count_tokens(tx, visit.now), "directories": entrance.directories(tx),
        "scopes": sorted(scopes.KNOWN), "lives": LIVES, "problem": "", "token_url": f"{base}/oauth/token", "scim_url": f"{base}/scim/v2",
        "door": door, "issuer": door.provider.issuer if door else "",
    }  # fmt: skip


def act(visit: Visit) -> Response:
    """Make an application or a token, whose secret is shown this once, or shut one out."""
    entry, front, verb = visit.entry, visit.front, visit.entry.typed("do")
    try:
        with front.db.write() as tx:
            if verb == "revoke-client":
                access.allow(visit.who, DELETE, Thing("oauth_client"))
                applications.revoke(tx, visit.deed, entry.typed("id"))
                return visit.go(HERE, said="The application is shut out, and its tokens open nothing any more")
            if verb == "revoke-directory":
                access.allow(visit.who, DELETE, Thing("scim_token"))
                directory.revoke_token(tx, visit.deed, entry.typed("id"))
                return visit.go(HERE, said="The directory's token opens nothing any more")
            if verb == "add-directory":
                access.allow(visit.who, CREATE, Thing("scim_token"))
                days = entry.choice("days", "how long it lasts", dict(LIVES))
                expires_at = visit.now + timedelta(days=int(days)) if entry.is_good and days else None
                key = directory.create_token(tx, visit.deed, front.seals, label=entry.typed("label"), expires_at=expires_at)
                return _shown_once(visit, "The directory's token", key.text, "Give it to the directory as its bearer token.")
            access.allow(visit.who, CREATE, Thing("oauth_client"))
            made = applications.create(tx, visit.deed, front.seals, name=entry.typed("name"), scopes=entry.many("scopes"))
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with front.db.read() as tx:
            return visit.page("applications.html", {**facts(visit, tx), "problem": " ".join(refusal.errors)}, status=422)
    return _shown_once(visit, f"The secret of “{entry.typed('name')}”", made.secret, f"Its client_id is {made.id}.")


def _shown_once(visit: Visit, title: str, secret: str, words: str) -> Response:
    words = f"{words} Copy it now: Tocsin keeps only a digest and cannot show it again."
    response = visit.page("secret.html", {"title": title, "secret": secret, "words": words, "back": HERE})
    response.headers["Cache-Control"] = "no-store"
    return response


PAGES = (Page("/applications", View("applications.html", facts), act),)
