"""Notes on incidents: read, write, change and remove them (BEHAVIOUR 3.1, tag Incidents)."""

from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report, Rows
from tocsin.api.resources import incident_shapes, incidents, shapes
from tocsin.base import times
from tocsin.core import permission
from tocsin.service import access
from tocsin.service.incidents import Desk
from tocsin.store.tables.incidents import note
from tocsin.store.tables.people import user

WAYS = {"api": "Tocsin's API", "website": "Tocsin's pages", "email": "A mail", "sms": "A text message"}
"""What is said of the way a note came."""


class NoteWrite(msgspec.Struct):
    content: Annotated[str, Meta(min_length=1, max_length=25_000)]


def shown(call: Call, rows: Rows) -> list[Body]:
    """Notes as bodies; one that no person wrote is a bot's."""
    people = shapes.rows_by_id(call, user, (row.user_id for row in rows))
    zone = incident_shapes.zone_of(call)
    return [
        {
            "id": row.id,
            "user": shapes.reference_in(call, "user", row.user_id, people)
            if row.user_id
            else envelope.reference(call.house, "bot_user", row.id, "Tocsin"),
            "channel": {"summary": WAYS.get(row.channel, row.channel)},
            "content": row.content,
            "created_at": times.iso(row.created_at, zone),
            "updated_at": times.iso(row.updated_at, zone),
        }
        for row in rows
    ]


def list_(call: Call) -> Body:
    """All notes, the newest first."""
    incident_id = incidents.id_of(call)
    statement = sa.select(note).where(note.c.incident_id == incident_id)
    return {"notes": shown(call, call.tx.rows(statement.order_by(note.c.created_at.desc(), note.c.id.desc())))}


def write(call: Call, wish: NoteWrite) -> Body:
    incident_id = incidents.id_of(call, permission.RESPOND)
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        note_id = desk.annotate(incident_id, call.actor.agent, incidents.CHANNEL, wish.content)
    return shown(call, [_row(call, incident_id, note_id)])[0]


def change(call: Call, wish: NoteWrite) -> Body:
    incident_id = incidents.id_of(call, permission.RESPOND)
    row = _row(call, incident_id, call.params["note_id"])
    if row.content != wish.content:
        call.tx.execute(sa.update(note).where(note.c.id == row.id).values(content=wish.content, updated_at=call.now))
    return shown(call, [_row(call, incident_id, row.id)])[0]


def remove(call: Call) -> Reply:
    incident_id = incidents.id_of(call, permission.RESPOND)
    row = _row(call, incident_id, call.params["note_id"])
    call.tx.execute(sa.delete(note).where(note.c.id == row.id))
    return Reply(204)


def _row(call: Call, incident_id: str, note_id: str) -> sa.Row[Any]:
    row = call.tx.one(sa.select(note).where(note.c.id == note_id, note.c.incident_id == incident_id))
    if row is None:
        raise access.missing("note")
    return row


_ONE = "/incidents/{id}/notes/{note_id}"

DECLARED = (
    Report("/incidents/{id}/notes", "Incidents", list_, scope="incidents.read"),
    Action(
        method="POST", path="/incidents/{id}/notes", tag="Incidents", run=write, body=NoteWrite, wrap_in="note",
        wrap_out="note", scope="incidents.write", from_needed=True,
    ),
    Action(
        method="PUT", path=_ONE, tag="Incidents", run=change, body=NoteWrite, wrap_in="note", wrap_out="note",
        scope="incidents.write", from_needed=True,
    ),
    Action(method="DELETE", path=_ONE, tag="Incidents", run=remove, scope="incidents.write"),
)  # fmt: skip
