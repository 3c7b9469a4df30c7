"""What people answer with their phones, and what a call says: replies and key presses become deeds on incidents.

Laws:
1. A reply acts as the person whose number it came from, with that person's rights, through the one door to incidents.
2. A bare digit answers the latest message to that number, all its incidents; `4 #12` answers incident 12.
3. Whoever answers is told in words what became of it.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.errors import Refusal
from tocsin.core import message, permission
from tocsin.core.message import Facts, Message
from tocsin.service import access, people, self_tests
from tocsin.service.incidents import Desk
from tocsin.store import outbox
from tocsin.store.db import Tx
from tocsin.store.tables import engine, incidents, services

ANSWERABLE_FOR: Final = timedelta(days=2)
"""How old the latest message may be for a bare digit to mean it."""

_DEEDS: Final = {"4": "acknowledge", "ack": "acknowledge", "acknowledge": "acknowledge",
                 "6": "resolve", "resolve": "resolve", "res": "resolve"}  # fmt: skip
_REPLY: Final = re.compile(r"\s*(\w+)(?:\s+#?(\d{1,9}))?\s*[.!]?\s*", re.ASCII)
_HELP: Final = (
    "Reply 4 to acknowledge or 6 to resolve what the last message said, or for example 4 #12 for incident 12."
)
_DONE: Final = {"acknowledge": "Acknowledged", "resolve": "Resolved", "join": "Joined", "decline": "Declined"}
_OF_A_REQUEST: Final = {"acknowledge": "join", "resolve": "decline"}
"""What 4 and 6 mean in answer to a request to help."""


def read(text: str) -> tuple[str, int | None] | None:
    """A reply as (acknowledge or resolve, number of the incident or None for the latest); None when it is neither."""
    found = _REPLY.fullmatch(text[:100])
    deed = _DEEDS.get(found[1].lower()) if found else None
    if found is None or deed is None:
        return None
    return deed, int(found[2]) if found[2] else None


def by_sms(tx: Tx, number: str, text: str, *, now: datetime, chance: Random) -> str:
    """Do what an SMS from this number (international form) asks; the words to answer with."""
    asked = read(text)
    sent = outbox.last_messages_to(tx, "sms", number, 1)
    if not sent:
        return "Tocsin has sent no page to this number."
    if asked is None:
        return _HELP
    deed, numbered = asked
    latest = sent[0]
    if numbered is not None:
        found = tx.scalar(sa.select(incidents.incident.c.id).where(incidents.incident.c.number == numbered))
        if found is None:
            return f"There is no incident #{numbered}."
        return _act(tx, latest.user_id, _meant(tx, latest, deed), [found], "sms", now, chance)
    if now - latest.started_at > ANSWERABLE_FOR:
        return "The last page to this number is too old; name the incident, for example 4 #12."
    if deed == "acknowledge":
        pages = [row.outbox_id for row in outbox.deliveries_by_key(tx, latest.idempotency_key)]
        if thanks := self_tests.confirm_pages(tx, pages, now):
            return thanks
    about = _incidents_under(tx, latest.idempotency_key)
    return _act(tx, latest.user_id, _meant(tx, latest, deed), about, "sms", now, chance)


def by_keys(tx: Tx, key: str, digits: str, *, now: datetime, chance: Random) -> str:
    """Do what a key pressed during the call with this idempotency key asks; the words to say."""
    deed = _DEEDS.get(digits[:1]) if digits[:1].isdigit() else None
    rows = outbox.deliveries_by_key(tx, key)
    if not rows:
        return "This call is not known here any more. Goodbye."
    if deed is None:
        return "That key does nothing. Press 4 to acknowledge, or 6 to resolve, at the next call. Goodbye."
    deed = _meant(tx, rows[0], deed)
    return _act(tx, rows[0].user_id, deed, _incidents_under(tx, key), "phone", now, chance) + " Goodbye."


def of_call(tx: Tx, key: str) -> Message | None:
    """What the call with this idempotency key says now; None when there is no such call. Settled incidents are left out."""
    rows = outbox.deliveries_by_key(tx, key)
    if not rows:
        return None
    page = outbox.page(tx, rows[0].outbox_id)
    found = tx.rows(
        sa.select(incidents.incident, services.service.c.name.label("service_name"))
        .outerjoin(services.service, services.service.c.id == incidents.incident.c.service_id)
        .where(incidents.incident.c.id.in_(_incidents_under(tx, key)))
    )
    is_request = page is not None and page.purpose == message.HELP
    facts = [
        Facts(row.title, "", row.id, row.number, row.service_name or "", row.urgency, row.created_at)
        for row in found
        if row.status == "triggered" or (is_request and row.status != "resolved")
    ]
    if facts:
        return message.compose(page.purpose if page else message.PAGE, facts)
    if found:
        return message.compose(
            message.TEST, [Facts("This is Tocsin. What you were called for has been taken care of.", "")]
        )
    told: dict[str, Any] = (page.facts if page else None) or {}
    return message.compose(message.TEST, [Facts(str(told.get("title", "Tocsin")), "", text=str(told.get("text", "")))])


def _incidents_under(tx: Tx, key: str) -> list[str]:
    """The incidents of the message with this key, by number."""
    statement = (
        sa.select(incidents.incident.c.id)
        .join(engine.delivery, engine.delivery.c.incident_id == incidents.incident.c.id)
        .where(engine.delivery.c.idempotency_key == key)
        .group_by(incidents.incident.c.id, incidents.incident.c.number)
        .order_by(incidents.incident.c.number)
    )
    return [row.id for row in tx.rows(statement)]


def _meant(tx: Tx, delivery: sa.Row[Any], deed: str) -> str:
    """What the deed is in answer to this message: a request to help is joined or declined."""
    page = outbox.page(tx, delivery.outbox_id)
    return _OF_A_REQUEST[deed] if page is not None and page.purpose == message.HELP else deed


def _act(
    tx: Tx, user_id: str, deed: str, incident_ids: Sequence[str], channel: str, now: datetime, chance: Random
) -> str:
    """Do the deed to each incident as this person. One that refuses does not stop the others."""
    actor = people.actor_of_user(tx, user_id, method="other")
    if actor is None:
        return "Your account is disabled or gone; nothing was done."
    done: list[str] = []
    refused: list[str] = []
    with Desk(tx, now=now, chance=chance) as desk:
        for incident_id in incident_ids:
            try:
                row = access.find(tx, actor, "incident", incidents.incident, incident_id, permission.RESPOND)
                if deed == "acknowledge":
                    desk.acknowledge(incident_id, actor.agent, channel)
                elif deed in {"join", "decline"}:
                    desk.answer_request(incident_id, actor.agent, channel, joins=deed == "join")
                else:
                    desk.resolve(incident_id, actor.agent, channel)
                done.append(f"#{row.number}")
            except Refusal as refusal:
                refused.append(
                    "; ".join(refusal.errors)
                    if isinstance(refusal.errors, list) and refusal.errors
                    else refusal.message
                )
    words = []
    if done:
        words.append(f"{_DONE[deed]} {_listed(done)}.")
    if refused:
        words.append(f"Not done for {len(refused)}: {refused[0]}.")
    return " ".join(words) or "That message was about no incident."


def _listed(numbers: Sequence[str]) -> str:
    return ", ".join(numbers[:5]) + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
