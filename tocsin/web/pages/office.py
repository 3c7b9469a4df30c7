"""Pages for admins: API keys (shown once), the account with its last resort, and priorities."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import Refusal, forbidden, invalid
from tocsin.base.times import zone_named
from tocsin.core import permission
from tocsin.core.permission import CREATE, DELETE, UPDATE, Thing
from tocsin.service import access, audit, browsing, people, priorities
from tocsin.store import account
from tocsin.store.account import Account
from tocsin.store.db import Tx
from tocsin.web.pages.me import ZONES
from tocsin.web.visit import PREFIX, Page, View, Visit

KEYS, ACCOUNT = f"{PREFIX}/keys", f"{PREFIX}/account"
LIVES = (("", "until it is revoked"), ("30", "for 30 days"), ("90", "for 90 days"), ("365", "for a year"))


def key_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    access.allow(visit.who, permission.READ, Thing("api_key"))
    return {"rows": browsing.keys(tx, visit.who), "people": browsing.users(tx, visit.who), "lives": LIVES, "problem": ""}


def act_on_keys(visit: Visit) -> Response:
    """Make a key, which is shown this once, or revoke one."""
    entry, front = visit.entry, visit.front
    if entry.typed("do") == "revoke":
        with front.db.write() as tx:
            access.allow(visit.who, DELETE, Thing("api_key"))
            people.revoke_key(tx, visit.deed, entry.typed("key"))
        return visit.go(KEYS, said="The key opens nothing any more")
    label = entry.text("label", "what the key is for", least=1, most=100)
    days = entry.choice("days", "how long it lasts", dict(LIVES))
    problem = ""
    if entry.is_good:
        try:
            with front.db.write() as tx:
                access.allow(visit.who, CREATE, Thing("api_key"))
                made = people.create_key(
                    tx, visit.deed, front.seals, label=label, user_id=entry.typed("user") or None,
                    is_read_only=entry.is_ticked("read_only"), expires_at=visit.now + timedelta(days=int(days)) if days else None,
                )  # fmt: skip
        except Refusal as refusal:
            if refusal.status != 400:
                raise
            problem = " ".join(refusal.errors)
        else:
            words = "Copy it now: Tocsin keeps only a digest and cannot show it again."
            response = visit.page("secret.html", {"title": f"The key “{label}”", "secret": made.text, "words": words, "back": KEYS})
            response.headers["Cache-Control"] = "no-store"
            return response
    with front.db.read() as tx:
        return visit.page("keys.html", {**key_facts(visit, tx), "problem": problem}, status=422)


def account_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    if not permission.may(visit.who, UPDATE, Thing("account")).allowed:
        raise forbidden("Only Global Admins and the Account Owner may see and change the account")
    return {
        "account": account.load(tx),
        "people": [row for row in browsing.users(tx, visit.who) if not row.is_disabled],
        "priorities": browsing.priorities(tx),
        "zones": ZONES,
        "base_url": visit.front.settings.base_url,
        "problem": "",
    }


def act_on_account(visit: Visit) -> Response:
    """Save the account, or add or remove a priority."""
    entry, verb = visit.entry, visit.entry.typed("do")
    try:
        with visit.front.db.write() as tx:
            access.allow(visit.who, UPDATE, Thing("account"))
            if verb == "save":
                _save(visit, tx)
                return visit.go(ACCOUNT, said="Saved")
            access.allow(visit.who, UPDATE, Thing("priority"))
            if verb == "add-priority":
                priorities.add(tx, visit.deed, name=entry.text("priority", "a name"), color=entry.typed("color"))
                return visit.go(ACCOUNT, said="The priority is there")
            if verb == "remove-priority":
                priorities.remove(tx, visit.deed, entry.typed("id"))
                return visit.go(ACCOUNT, said="The priority is gone")
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with visit.front.db.read() as tx:
            return visit.page("account.html", {**account_facts(visit, tx), "problem": " ".join(refusal.errors)}, status=422)
    return visit.go(ACCOUNT)


def _save(visit: Visit, tx: Tx) -> None:
    entry, before = visit.entry, account.load(tx)
    name = entry.text("name", "a name for the account", least=1, most=100)
    zone = entry.typed("time_zone")
    try:
        zone_named(zone)
    except ValueError as error:
        raise invalid(f"Time zone {error}") from error
    known = {row.id for row in browsing.users(tx, visit.who)}
    last_resort = [user_id for user_id in entry.many("last_resort") if user_id in known]
    if not entry.is_good:
        raise invalid(*entry.problems.values())
    if not account.save(tx, Account(name, zone, {**before.settings, "last_resort": last_resort})):
        raise invalid("This installation has not been set up: run `tocsin init` first")
    reference = {"id": "account", "type": "account_reference", "summary": name}
    audit.record(tx, visit.deed, reference, before=_told(before), after=_told(Account(name, zone, {"last_resort": last_resort})))


def _told(one: Account) -> dict[str, Any]:
    return {"name": one.name, "time_zone": one.time_zone, "last_resort": ", ".join(one.last_resort)}


PAGES = (
    Page("/keys", View("keys.html", key_facts), act_on_keys),
    Page("/account", View("account.html", account_facts), act_on_account),
)
