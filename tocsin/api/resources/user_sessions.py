"""Where a person is signed in, and signing them out; for themselves and for admins (tag Users)."""

import sqlalchemy as sa

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.base import times
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, audit
from tocsin.store import sessions as store
from tocsin.store.sessions import Session
from tocsin.store.tables.people import user


def body(session: Session) -> Body:
    return {
        "id": session.id,
        "user_id": session.user_id,
        "created_at": times.iso(session.created_at),
        "type": "browser",
        "summary": session.user_agent or "A browser",
    }


def listed(call: Call) -> list[Body]:
    """Where the person is signed in."""
    return [body(session) for session in _sessions(call, permission.READ)]


def one(call: Call) -> Body:
    """One sign-in."""
    return body(_chosen(call, permission.READ))


def sign_out(call: Call) -> Reply:
    """Sign one browser out."""
    _end(call, [_chosen(call, permission.DELETE)])
    return Reply(204)


def sign_out_everywhere(call: Call) -> Reply:
    """Sign the person out everywhere."""
    _end(call, _sessions(call, permission.DELETE))
    return Reply(204)


def _sessions(call: Call, action: str) -> list[Session]:
    person = access.find(call.tx, call.actor, "user", user, call.id)
    access.allow(call.actor, action, Thing("session", owner_id=person.id))
    return store.of_user(call.tx, person.id)


def _chosen(call: Call, action: str) -> Session:
    wanted = (call.params["session_id"], call.params["type"])
    found = next((session for session in _sessions(call, action) if (session.id, "browser") == wanted), None)
    if found is None:
        raise access.missing("session")
    return found


def _end(call: Call, sessions: list[Session]) -> None:
    name = call.tx.scalar(sa.select(user.c.name).where(user.c.id == call.id))
    root = {"id": call.id, "type": "user_reference", "summary": name}
    for session in sessions:
        store.drop(call.tx, session.id)
        part = {"id": session.id, "type": "session_reference", "summary": session.user_agent}
        audit.record(call.tx, call.deed, part, before={"type": "browser"}, after=None, root=root)


ALL, ONE = "/users/{id}/sessions", "/users/{id}/sessions/{type}/{session_id}"

DECLARED = (
    Report(ALL, "Users", listed, wrap_out="user_sessions", scope="users:sessions.read"),
    Action(method="DELETE", path=ALL, tag="Users", run=sign_out_everywhere, scope="users:sessions.write"),
    Report(ONE, "Users", one, wrap_out="user_session", scope="users:sessions.read"),
    Action(method="DELETE", path=ONE, tag="Users", run=sign_out, scope="users:sessions.write"),
)
