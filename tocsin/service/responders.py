"""Asking for help with an incident, for an actor: who and what may be named, then the one door to incidents.

Laws:
1. What the actor may not see cannot be named; who may not act on the incident is not asked.
2. Everything is decided by the incident's own rules (`core.incident`, `core.responders`).
"""

from collections.abc import Sequence

from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission, responders
from tocsin.core.permission import Actor, Thing
from tocsin.service import access, people
from tocsin.service.incidents import Desk
from tocsin.store.tables.people import user
from tocsin.store.tables.services import escalation_policy

KINDS = {"user": "user", "user_reference": "user",
         "escalation_policy": "escalation_policy", "escalation_policy_reference": "escalation_policy"}  # fmt: skip
"""What may be asked, by the words clients write."""

Target = tuple[str, str]
"""`user` or `escalation_policy`, and its id."""


def ask(
    desk: Desk, actor: Actor, incident: Thing, channel: str, *, requester_id: str, message: str, targets: Sequence[Target]
) -> str:
    """Ask these targets to help with the incident (as `access.thing_of` names it); the id of the request. Raises 400."""
    if not message.strip() or len(message) > responders.MESSAGE_MOST:
        raise invalid(f"message must be 1 to {responders.MESSAGE_MOST} characters")
    _counted(targets)
    requester = people.actor_of_user(desk.tx, requester_id, method=actor.method)
    if requester is None:
        raise Refusal(400, 2011, "Requester Not Found", [f"requester_id: there is no user {requester_id[:64]}"])
    errors = [error for kind, id_ in targets if (error := _wrong(desk, actor, incident, kind, id_))]
    if errors:
        raise invalid(*errors)
    return desk.ask_for_help(
        incident.id,
        actor.agent,
        channel,
        requester_id=requester_id,
        message=message,
        user_ids=[id_ for kind, id_ in targets if kind == "user"],
        policy_ids=[id_ for kind, id_ in targets if kind != "user"],
    )


def _wrong(desk: Desk, actor: Actor, incident: Thing, kind: str, id_: str) -> str:
    """Why this target cannot be asked; empty when it can."""
    if kind != "user":
        known = access.known(desk.tx, actor, "escalation_policy", escalation_policy, [id_])
        return "" if known else f"There is no escalation policy {id_[:64]}"
    if not access.known(desk.tx, actor, "user", user, [id_]):
        return f"There is no user {id_[:64]}"
    asked = people.actor_of_user(desk.tx, id_, method=actor.method)
    if asked is None:
        return f"User {id_} is disabled"
    verdict = permission.may(asked, permission.RESPOND, incident)
    return "" if verdict.allowed else f"{asked.name} may not act on this incident, so cannot be asked to help with it"


def cancel(desk: Desk, actor: Actor, incident_id: str, channel: str, targets: Sequence[Target]) -> list[str]:
    """Ask these targets no further; by target, what it came to: cancelled, joined, declined or not_found."""
    _counted(targets)
    return desk.cancel_requests(incident_id, actor.agent, channel, targets)


def _counted(targets: Sequence[Target]) -> None:
    if not 1 <= len(targets) <= responders.TARGETS_MOST:
        raise invalid(f"responder_request_targets must name between 1 and {responders.TARGETS_MOST} targets")
