"""Asking people and escalation policies to help with an incident, and cancelling it (BEHAVIOUR 3.1, tag Incidents)."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Reference
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.core import responders as rules
from tocsin.service import access, responders
from tocsin.service.incidents import Desk
from tocsin.store import incidents as store


class TargetWish(msgspec.Struct):
    """A target as PagerDuty's clients write it, in a wrapper of its own, or plain."""

    responder_request_target: Reference | UnsetType = UNSET
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class RequestWish(msgspec.Struct):
    requester_id: str
    message: Annotated[str, Meta(max_length=rules.MESSAGE_MOST)]
    responder_request_targets: Annotated[list[TargetWish], Meta(min_length=1, max_length=rules.TARGETS_MOST)]


class CancelTarget(msgspec.Struct):
    type: Literal["user", "user_reference", "escalation_policy", "escalation_policy_reference"]
    id: str


class CancelWish(msgspec.Struct):
    requester_id: str
    responder_request_targets: Annotated[list[CancelTarget], Meta(min_length=1, max_length=rules.TARGETS_MOST)]


def ask(call: Call, wish: RequestWish) -> Body:
    """Ask for help; whoever is asked is paged until they join or decline."""
    row = incidents.found(call, call.id, permission.RESPOND)
    targets = [_target(one) for one in wish.responder_request_targets]
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        request_id = responders.ask(
            desk, call.actor, access.thing_of("incident", row), incidents.CHANNEL, requester_id=wish.requester_id,
            message=wish.message, targets=targets,
        )  # fmt: skip
    one = store.load(call.tx, [row.id])[row.id]
    named = shapes.responders_named(call, one)
    known = next((request for request in one.requests if request.id == request_id), None)
    # When all that are asked have joined already nothing was asked; the answer says how they stand.
    shown = known or rules.Request(request_id, wish.requester_id, wish.message, call.now, tuple((*one, "") for one in targets))
    return shapes.request_body(call, one, shown, named)


def _target(wish: TargetWish) -> responders.Target:
    inner = wish.responder_request_target
    id_, type_ = (inner.id, inner.type) if isinstance(inner, Reference) else (wish.id, wish.type)
    if id_ is UNSET or type_ is UNSET or type_ not in responders.KINDS:
        raise invalid("A target needs an id and the type user_reference or escalation_policy_reference")
    return responders.KINDS[type_], str(id_)


def cancel(call: Call, wish: CancelWish) -> Body:
    """Ask these targets no further; by target, what it came to."""
    id_ = incidents.id_of(call, permission.RESPOND)
    targets = [(responders.KINDS[one.type], one.id) for one in wish.responder_request_targets]
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        results = responders.cancel(desk, call.actor, id_, incidents.CHANNEL, targets)
    return {
        "responder_request_targets": [
            {"type": f"{kind}_reference", "id": target_id, "result": result}
            for (kind, target_id), result in zip(targets, results, strict=True)
        ]
    }


_AT: Final = "/incidents/{id}/responder_requests"

DECLARED = (
    Action(
        method="POST", path=_AT, tag="Incidents", run=ask, body=RequestWish, wrap_out="responder_request",
        scope="incidents.write",
    ),
    Action(method="PUT", path=f"{_AT}/cancel", tag="Incidents", run=cancel, body=CancelWish, scope="incidents.write"),
)  # fmt: skip
