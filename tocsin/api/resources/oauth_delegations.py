"""What may act in a person's name: here that is where they are signed in, as delegations of the type `web`.

Keys are no delegations (`/api_keys` has them), no app of ours signs people in, and what has ended is not kept: so the
types `mobile` and `integration` and the status `revoked` are always empty.
"""

from typing import Final

from tocsin.api.kernel import paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.store import sessions as store
from tocsin.store.sessions import Session
from tocsin.store.tables.people import user

CLIENT: Final = "tocsin-web"
"""Who was let in: our own pages."""
SCOPE: Final = "*"
"""A browser that somebody is signed in with may all that they may."""
TYPES: Final = ("web", "mobile", "integration")


def body(call: Call, session: Session) -> Body:
    return {
        "id": session.id,
        "status": "issued",
        "client_id": CLIENT,
        "delegation_type": "web",
        "type": "web",
        "scope": SCOPE,
        "created_at": times.iso(session.created_at),
        "expires_at": times.iso(session.expires_at),
        "self": f"{call.house.api_url}/users/{session.user_id}/oauth_delegations/{session.id}",
    }


def _sessions(call: Call) -> list[Session]:
    """Where the person is signed in and not yet out, in the order of their ids."""
    person = access.find(call.tx, call.actor, "user", user, call.id)
    access.allow(call.actor, permission.READ, Thing("session", owner_id=person.id))
    found = [session for session in store.of_user(call.tx, person.id) if session.expires_at > call.now]
    return sorted(found, key=lambda session: session.id)


def listed(call: Call) -> Body:
    """A page of them, by `delegation_type` and `status`."""
    types = call.query.many("delegation_type")
    if unknown := sorted(set(types) - set(TYPES)):
        raise invalid_arguments(f"delegation_type must be one of {', '.join(TYPES)}, not {', '.join(unknown)}")
    status = call.query.choice("status", ("issued", "revoked"), default="issued")
    limit = min(call.query.whole("limit", default=paging.LIMIT, least=1, most=paging.DEPTH_MOST), paging.LIMIT_MOST)
    after = paging.read_cursor(call.query, 1)
    found = _sessions(call)
    if status == "revoked" or (types and "web" not in types):
        found = []
    left = [session for session in found if after is None or session.id > str(after[0])]
    more = len(left) > limit
    told: Body = {"oauth_delegations": [body(call, session) for session in left[:limit]], "limit": limit, "more": more}
    return told | ({"next_cursor": paging.cursor(left[limit - 1].id)} if more else {})


def one(call: Call) -> Body:
    """One of them: bare as the published shape has it, and in the wrapper that the published example has."""
    wanted = call.params["delegation_id"]
    found = next((session for session in _sessions(call) if session.id == wanted), None)
    if found is None:
        raise access.missing("oauth_delegation")
    told = body(call, found)
    return told | {"oauth_delegation": told}


ALL = "/users/{id}/oauth_delegations"

DECLARED = (
    Report(ALL, "Users", listed, scope="oauth_delegations.read"),
    Report(f"{ALL}/{{delegation_id}}", "Users", one, scope="oauth_delegations.read"),
)
