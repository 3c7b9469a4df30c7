"""Pages behind the signed links of messages: one button, pressed by a person.

Laws:
1. Opening the link changes nothing: mail programs and phones open links by themselves.
2. The signature is the authority: it names the person, the incident and the deed. Nobody needs to be signed in, and a
   phone's button may post to it without a form's token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import Refusal, invalid
from tocsin.core import responders
from tocsin.core.permission import RESPOND, Actor
from tocsin.service import access, browsing, people
from tocsin.service.incidents import Desk
from tocsin.store import account, incidents
from tocsin.store.db import Tx
from tocsin.store.tables.incidents import incident as incident_table
from tocsin.web.visit import Page, View, Visit

PURPOSE = "mail-action"
WORDS = {"acknowledge": ("Acknowledge", "You are then on it, and nobody else is paged."), "resolve": ("Resolve", "It is then over for everybody."),
         "join": ("Join", "You are then one of its responders, and are not asked further."),
         "decline": ("Decline", "You are then not asked further.")}  # fmt: skip
"""By deed: the button, and what follows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link says."""

    incident_id: str
    actor: Actor
    do: str


def read(visit: Visit, tx: Tx) -> Asked:
    """The link's claims. Raises Refusal 400 when it is forged, expired, or its person is gone."""
    try:
        claims = visit.front.seals.verify(visit.segment("signed"), purpose=PURPOSE, now=visit.now)
    except ValueError as error:
        raise Refusal(400, 2001, str(error).capitalize(), ["Open Tocsin to see how the incident stands"]) from error
    actor = people.actor_of_user(tx, str(claims.get("user", "")), method="mail")
    do = str(claims.get("do", ""))
    if actor is None or do not in WORDS:
        raise invalid("The person this link was sent to is no longer here")
    return Asked(str(claims.get("incident", "")), actor, do)


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    asked = read(visit, tx)
    row = access.find(tx, asked.actor, "incident", incident_table, asked.incident_id)
    one = incidents.read([row])[0]
    label, effect = WORDS[asked.do]
    done = {"acknowledge": one.status != "triggered", "resolve": one.status == "resolved"}.get(asked.do)
    if done is None:
        done = not one.is_open or responders.state_of(one.responders, asked.actor.id) is not responders.State.PENDING
    return {
        "one": one,
        "asked": asked,
        "label": label,
        "effect": effect,
        "is_done": done,
        "account": account.load(tx).name,
        "service_name": browsing.service_names(tx, [one.service_id]),
        "user_name": browsing.user_names(tx, one.user_ids),
        "outcome": "",
    }


def act(visit: Visit) -> Response:
    with visit.front.db.write() as tx, Desk(tx, now=visit.now, chance=visit.front.chance) as desk:
        asked = read(visit, tx)
        row = access.find(tx, asked.actor, "incident", incident_table, asked.incident_id, RESPOND)
        reason = ""
        if row.status != "resolved":  # else somebody was quicker, or pressed twice: the page says how it stands
            reason = _do(desk, asked)
    with visit.front.db.read() as tx:
        shown = {**facts(visit, tx), "is_done": True, "outcome": reason}
    return visit.page("act.html", shown)


def _do(desk: Desk, asked: Asked) -> str:
    """Do what the link says; what came of it, in words."""
    agent = asked.actor.agent
    if asked.do in {"join", "decline"}:
        return desk.answer_request(asked.incident_id, agent, "email", joins=asked.do == "join").reason
    deed = desk.acknowledge if asked.do == "acknowledge" else desk.resolve
    return deed(asked.incident_id, agent, "email").reason


PAGES = (Page("/act/{signed}", View("act.html", facts), act, is_public=True, is_bare=True, needs_token=False),)
