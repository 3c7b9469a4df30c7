"""Replace a person everywhere from now on, over the API: what it would touch and open, and the deed itself."""

from typing import Final

import msgspec

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body
from tocsin.api.own import coverage as shapes
from tocsin.api.resources import schedules
from tocsin.core import permission
from tocsin.service import access, coverage, replacement
from tocsin.service.replacement import Place, Wish
from tocsin.store.db import Tx
from tocsin.store.tables.people import user

TAG: Final = "Replacements"


class ReplaceWrite(msgspec.Struct):
    """Who takes the place, and what becomes of open incidents and of teams."""

    by: str
    incidents: str = replacement.KEEP
    teams: str = replacement.KEEP


def replace(call: Call, sent: ReplaceWrite) -> Body:
    """Put somebody in the place of the user in the path; answers everything that was touched."""
    access.find(call.tx, call.actor, "user", user, call.id, permission.DELETE)
    return _told(call, replacement.replace(call.tx, call.deed, call.id, Wish(sent.by, sent.incidents, sent.teams)))


def preview(call: Call, sent: ReplaceWrite) -> Body:
    """What that would touch, and (`coverage_changes`) when somebody would be reached no more, again or later; nothing is kept."""
    wish = Wish(sent.by, sent.incidents, sent.teams)
    touched: list[Place] = []

    def deed(tx: Tx) -> None:
        access.find(tx, call.actor, "user", user, call.id, permission.DELETE)
        touched.extend(replacement.replace(tx, call.deed, call.id, wish))

    changes = coverage.rehearsed(call.house.db, call.actor, shapes.span_asked_for(call), deed)
    zone = schedules.zone_asked_for(call.query, "UTC")
    return _told(call, tuple(touched)) | {"coverage_changes": shapes.changed(call, changes, zone)}


def _told(call: Call, touched: tuple[Place, ...]) -> Body:
    return {
        "type": "replacement",
        "places": [
            {**envelope.reference(call.house, one.kind, one.id, one.name), "what_becomes_of_it": f"the successor {one.words}"} for one in touched
        ],
    }


DECLARED = (
    Action(
        method="POST", path="/api/v1/users/{id}/replace", tag=TAG, run=replace, body=ReplaceWrite, wrap_in="replacement",
        wrap_out="replacement", scope="users.write",
    ),
    Action(
        method="POST", path="/api/v1/users/{id}/replace/preview", tag=TAG, run=preview, body=ReplaceWrite, wrap_in="replacement",
        wrap_out="replacement", scope="users.write", writes=False,
    ),
)  # fmt: skip
