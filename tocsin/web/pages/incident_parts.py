"""Parts of an incident's page: asking for help, telling how it stands, its fields, and incidents like it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.base.errors import invalid
from tocsin.core import permission, responders
from tocsin.core.custom_field import TAGS_MOST
from tocsin.core.incident import Decision
from tocsin.core.incident_state import Incident
from tocsin.core.responders import State
from tocsin.service import access, changes, incident_types, related, status_updates, subscriptions
from tocsin.service import responders as asking
from tocsin.service.incident_types import Defined
from tocsin.service.incidents import Desk
from tocsin.store import subscriptions as store
from tocsin.store.db import Tx
from tocsin.store.tables.incidents import incident as incident_table
from tocsin.store.tables.services import service as service_table
from tocsin.web.pages.incidents import CHANNEL
from tocsin.web.visit import Visit

PAST_SHOWN: Final = 8
CHANGES_SHOWN: Final = 8

STATES: Final[Mapping[State, str]] = {
    State.PENDING: "asked, no answer yet",
    State.JOINED: "joined",
    State.DECLINED: "declined",
    State.CANCELLED: "no longer asked",
}
"""How somebody who was asked stands, in words."""


# --- What is shown


def helping(visit: Visit, tx: Tx, incident: Incident) -> Mapping[str, Any]:
    """Who was asked to help, whether the viewer was, and whether they hear of updates."""
    me = visit.who.user_id
    hearers = store.subscribers(tx, ("incident", incident.id))
    return {
        "helper_states": STATES,
        "is_asked": incident.is_open and me is not None and responders.state_of(incident.responders, me) is State.PENDING,
        "hearers": len(hearers),
        "hears": ("user", me) in hearers,
    }


def fields(tx: Tx, incident: Incident) -> Mapping[str, Any]:
    """The fields the incident has, with their values, and the types it may be of."""
    return {
        "fields": incident_types.fields_of_type(tx, incident.type_name),
        "types": [(one.name, one.display_name) for one in incident_types.all_types(tx) if one.is_enabled or one.name == incident.type_name],
    }


def alike(visit: Visit, tx: Tx, incident: Incident) -> Mapping[str, Any]:
    """Incidents like it, how unusual it is, and what was changed shortly before it began."""
    near = access.known(tx, visit.who, "service", service_table, changes.near(tx, incident.service_id))
    return {
        "past": related.past(tx, visit.who, incident)[:PAST_SHOWN],
        "beside": related.related(tx, visit.who, incident),
        "outlier": related.outlier(tx, visit.who, incident),
        "changed": changes.related(tx, incident.service_id, [*near], incident.created_at, CHANGES_SHOWN),
    }


# --- What can be done


def _ask(visit: Visit, desk: Desk, id_: str) -> str:
    words = visit.entry.text("message", "what you need help with", least=1, most=responders.MESSAGE_MOST)
    _stop_if_wrong(visit)
    named = [("user", visit.entry.typed("user")), ("escalation_policy", visit.entry.typed("policy"))]
    targets = [(kind, target_id) for kind, target_id in named if target_id]
    if not targets:
        raise invalid("Choose a person or an escalation policy to ask")
    row = access.find(desk.tx, visit.who, "incident", incident_table, id_, permission.RESPOND)
    asking.ask(
        desk, visit.who, access.thing_of("incident", row), CHANNEL, requester_id=visit.who.id, message=words, targets=targets
    )  # fmt: skip
    return "Asked; they are paged until they join or decline"


def _unask(visit: Visit, desk: Desk, id_: str) -> str:
    (fate,) = asking.cancel(desk, visit.who, id_, CHANNEL, [("user", visit.entry.typed("user"))])
    return {"cancelled": "No longer asked", "joined": "They had joined already"}.get(fate, "They were not asked any more")


def _join(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.answer_request(id_, visit.who.agent, CHANNEL, joins=True)


def _decline(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.answer_request(id_, visit.who.agent, CHANNEL, joins=False)


def _tell(visit: Visit, desk: Desk, id_: str) -> str:
    words = visit.entry.text("update", "how it stands", least=1, most=status_updates.MESSAGE_MOST)
    _stop_if_wrong(visit)
    desk.publish_update(id_, visit.who.agent, CHANNEL, words, public_url=visit.front.settings.base_url)
    return "Told to whoever subscribed, and to whose it is"


def _subscribe(visit: Visit, desk: Desk, id_: str) -> str:
    subscriptions.subscribe(desk.tx, visit.deed, _me(visit), [("incident", id_)])
    return "You hear of every update from now on"


def _unsubscribe(visit: Visit, desk: Desk, id_: str) -> str:
    subscriptions.unsubscribe(desk.tx, visit.deed, _me(visit), [("incident", id_)])
    return "You hear of its updates no longer"


def _me(visit: Visit) -> dict[str, Any]:
    return {"id": visit.who.id, "type": "user_reference", "summary": visit.who.name}


def _type(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.change_type(id_, visit.who.agent, CHANNEL, visit.entry.typed("type"))


def _values(visit: Visit, desk: Desk, id_: str) -> Decision:
    found = incident_types.fields_of_type(desk.tx, desk.incident(id_).type_name)
    values = [(one.id, _read(visit, one)) for one in found]
    _stop_if_wrong(visit)
    return desk.change_values(id_, visit.who.agent, CHANNEL, values)


def _read(visit: Visit, field: Defined) -> Any:
    """The value that was typed for a field; None for nothing. What is no number stays a text, and is refused by its field."""
    name = f"v-{field.id}"
    if field.field_type == "multi_value_fixed":
        return visit.entry.many(name) or None
    typed = visit.entry.typed(name).strip()
    if not typed:
        return None
    if field.field_type == "multi_value":
        words = [word.strip() for word in typed.splitlines() if word.strip()]
        return list(dict.fromkeys(words))[: TAGS_MOST + 1]
    if field.data_type == "boolean":
        return {"yes": True, "no": False}.get(typed, typed)
    if field.data_type == "integer":
        return int(typed) if re.fullmatch(r"[+-]?[0-9]{1,17}", typed) else typed
    if field.data_type == "float":
        return _number(typed)
    return typed.replace("\r\n", "\n")


def _number(typed: str) -> float | str:
    try:
        return float(typed)
    except ValueError:
        return typed


def _stop_if_wrong(visit: Visit) -> None:
    if not visit.entry.is_good:
        raise invalid(*visit.entry.problems.values())


DEEDS: Final[Mapping[str, Callable[[Visit, Desk, str], Decision | str]]] = {
    "ask": _ask,
    "unask": _unask,
    "join": _join,
    "decline": _decline,
    "tell": _tell,
    "type": _type,
    "values": _values,
}
"""What takes the right to act on the incident."""

OWN_DEEDS: Final[Mapping[str, Callable[[Visit, Desk, str], Decision | str]]] = {"subscribe": _subscribe, "unsubscribe": _unsubscribe}
"""What everybody who sees the incident may do for themselves."""
