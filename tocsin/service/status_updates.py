"""Telling people how an incident stands: keep each update, and owe it to whoever subscribed and to its assignees.

Laws:
1. Incidents change only through their own door; this is what that door calls (`Desk.publish_update`).
2. Only who may see the incident at this moment is told, whatever they subscribed to before.
3. People are told by their status-update rules; without any, by mail, or else as for anything that is not urgent.
Source: BEHAVIOUR 3.1 (status update, subscribers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core import message, permission
from tocsin.core.events import Agent
from tocsin.core.incident_state import Incident
from tocsin.service import access, notify, people
from tocsin.store import subscriptions
from tocsin.store.db import Tx
from tocsin.store.subscriptions import Thing
from tocsin.store.tables.handoffs import status_update_rule
from tocsin.store.tables.incidents import incident as incident_table
from tocsin.store.tables.people import contact_method, team_member
from tocsin.store.tables.responding import status_update

MESSAGE_MOST: Final = 25_000
SUBJECT_MOST: Final = 255
HTML_MOST: Final = 50_000
UPDATES_MOST: Final = 2000
"""Updates that one incident holds."""
RECIPIENTS_MOST: Final = 1000
"""People that one update is sent to; assignees first, then those who subscribed earliest."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update. `subject` and `html` replace what the mail would say by itself."""

    id: str
    incident: Incident
    text: str
    subject: str | None
    html: str | None
    agent: Agent


def keep(tx: Tx, update: Update, *, now: datetime) -> None:
    """Write the update itself."""
    row: dict[str, Any] = {
        "id": update.id, "incident_id": update.incident.id, "user_id": update.agent.id if update.agent.is_user else None,
        "message": update.text, "subject": update.subject, "html_message": update.html, "created_at": now,
    }  # fmt: skip
    tx.execute(sa.insert(status_update), [row])


def count(tx: Tx, incident_id: str) -> int:
    """How many updates the incident has."""
    chosen = sa.select(sa.func.count()).select_from(status_update).where(status_update.c.incident_id == incident_id)
    return int(tx.scalar(chosen) or 0)


def of_incident(tx: Tx, incident_id: str, *, most: int) -> Sequence[sa.Row[Any]]:
    """The newest updates, the newest first."""
    chosen = sa.select(status_update).where(status_update.c.incident_id == incident_id)
    return tx.rows(chosen.order_by(status_update.c.created_at.desc(), status_update.c.id.desc()).limit(most))


def tell(tx: Tx, update: Update, *, public_url: str, now: datetime, chance: Random) -> list[str]:
    """Owe the update to everybody it concerns; the ids of those people."""
    incident = update.incident
    facts = {
        "title": update.subject or f"[#{incident.number}] {incident.title}: status update",
        "text": update.text,
        "link": f"{public_url}/incidents/{incident.id}" if public_url else "",
    } | ({"html": update.html} if update.html else {})
    told = recipients(tx, incident, besides=update.agent.id)
    reason = f"{update.agent.summary} told how incident #{incident.number} stands"
    send(tx, told, facts, (f"{reason}; you subscribed to it, or it is yours", reason), now=now, chance=chance)
    return told


def send(tx: Tx, user_ids: Sequence[str], facts: Mapping[str, str], reasons: tuple[str, str], *, now: datetime, chance: Random) -> None:
    """Owe these words to people as law 3 says. `reasons`: for who is told by rule or mail, and for who is told otherwise."""
    ways = _ways(tx, user_ids)
    for user_id in user_ids:
        for way_id in ways.get(user_id, ()):
            notify.owe_notice(
                tx, user_id, way_id, purpose=message.STATUS_UPDATE, facts=facts, reason=reasons[0], now=now, chance=chance
            )  # fmt: skip
    rest = [user_id for user_id in user_ids if user_id not in ways]
    notify.owe_quietly(tx, rest, purpose=message.STATUS_UPDATE, facts=facts, reason=reasons[1], now=now, chance=chance)


def recipients(tx: Tx, incident: Incident, *, besides: str) -> list[str]:
    """Who is told: assignees (but not `besides`, who tells it), then users and members of teams that subscribed."""
    assigned = [user_id for user_id in incident.user_ids if user_id != besides]
    wanted = list(dict.fromkeys([*assigned, *hearers(tx, ("incident", incident.id))]))[:RECIPIENTS_MOST]
    return [user_id for user_id in wanted if _sees(tx, user_id, incident.id)]


def hearers(tx: Tx, thing: Thing) -> list[str]:
    """The users that subscribed to something, and the members of teams that did, the oldest subscription first."""
    subscribed: list[str] = []
    for kind, id_ in subscriptions.subscribers(tx, thing):
        if kind == "user":
            subscribed.append(id_)
        else:
            members = sa.select(team_member.c.user_id).where(team_member.c.team_id == id_)
            subscribed += [row.user_id for row in tx.rows(members.order_by(team_member.c.user_id))]
    return list(dict.fromkeys(subscribed))


def _sees(tx: Tx, user_id: str, incident_id: str) -> bool:
    actor = people.actor_of_user(tx, user_id, method="other")
    if actor is None:
        return False
    thing = access.known(tx, actor, "incident", incident_table, [incident_id]).get(incident_id)
    return thing is not None and permission.may(actor, permission.READ, thing).allowed


def _ways(tx: Tx, user_ids: Sequence[str]) -> dict[str, list[str]]:
    """By person, the contact methods their rules name; without a rule, their first address for mail that is switched on."""
    rule, way = status_update_rule.c, contact_method.c
    chosen = (
        sa.select(rule.user_id, rule.contact_method_id)
        .join(contact_method, way.id == rule.contact_method_id)
        .where(rule.user_id.in_(user_ids), way.is_enabled.is_(True))
        .order_by(way.position, way.id)
    )
    found: dict[str, list[str]] = {}
    for row in tx.rows(chosen):
        found.setdefault(row.user_id, []).append(row.contact_method_id)
    mails = sa.select(way.user_id, way.id).where(way.user_id.in_(user_ids), way.kind == "email", way.is_enabled.is_(True))
    for row in tx.rows(mails.order_by(way.position, way.id)):
        found.setdefault(row.user_id, [row.id])
    return found
