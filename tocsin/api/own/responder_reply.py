"""Joining or declining when one was asked to help with an incident; PagerDuty's API has no operation for it."""

from typing import Any, Literal

import msgspec

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.core import permission
from tocsin.service.incidents import Desk
from tocsin.store import incidents as store


class ReplyWish(msgspec.Struct):
    """The answer of somebody who was asked."""

    reply: Literal["join", "decline"]


def reply(call: Call, wish: ReplyWish) -> Body:
    """The caller, who was asked, joins or declines."""
    id_ = incidents.id_of(call, permission.RESPOND)
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        desk.answer_request(id_, call.actor.agent, incidents.CHANNEL, joins=wish.reply == "join")
    one = store.load(call.tx, [id_])[id_]
    named = shapes.responders_named(call, one)
    mine: list[dict[str, Any]] = [
        shapes.responder_body(call, one, each, named) for each in one.responders if each.user_id == call.actor.user_id
    ]
    return mine[0]


DECLARED = (
    Action(
        method="PUT", path="/api/v1/incidents/{id}/responder_reply", tag="Responders", run=reply, body=ReplyWish,
        wrap_out="incident_responder", scope="incidents.write", summary="Join or decline when you were asked to help",
    ),
)  # fmt: skip
