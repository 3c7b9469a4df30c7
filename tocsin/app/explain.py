"""Why was somebody paged, or why not: the whole chain of reasons from an event to each delivery, for the command line."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.base.errors import Refusal, not_found
from tocsin.core.permission import HOUSE
from tocsin.service import story
from tocsin.service.story import Story
from tocsin.store.db import Tx
from tocsin.store.tables.engine import inbox


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain: when, what, and why."""

    at: datetime
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of an event or an incident, oldest first. `incident` is its number; None when none came of it."""

    incident: int | None
    title: str
    status: str
    links: Sequence[Link]
    next: str
    next_at: datetime | None = None


def explain(tx: Tx, asked: str, now: datetime) -> Chain:
    """The chain of an incident (id, number, `#12`) or of an event (its id in the journal, or its dedup key, newest first).

    Raises 404 when neither is there.
    """
    word = asked.removeprefix("#")
    try:
        return _of_story(story.tell(tx, HOUSE, word, now))
    except Refusal:
        pass  # no incident is called so: an event may be
    newest = sa.select(inbox).where(sa.or_(inbox.c.id == asked, inbox.c.dedup_key == asked))
    row = tx.one(newest.order_by(inbox.c.received_at.desc(), inbox.c.id.desc()))
    if row is None:
        raise not_found(f"An incident or event {asked}")
    if row.incident_id is not None:
        return _of_story(story.tell(tx, HOUSE, row.incident_id, now))
    waits = "It has been accepted and waits for its turn" if row.outcome is None else "Nothing: no incident came of it"
    return Chain(None, row.summary or "", row.outcome or "accepted", [_arrival(row)], waits)


def _of_story(told: Story) -> Chain:
    links = [_arrival(row) for row in told.arrivals]
    for entry in told.entries:
        event = entry.event
        links.append(Link(event.at, f"{_words(entry.kind)} by {event.agent.summary}{_about(told, event)}", event.reason))
    for page in told.pages:
        owed = f"page {page.state}: {told.name_of(page.user_id)} by {page.lane}, due {page.due_at:%H:%M:%S}"
        links.append(Link(page.created_at, owed, page.reason))
        for one in told.deliveries.get(page.id, ()):
            what = f"try to reach {told.name_of(page.user_id)} at {one.address}: {one.outcome or 'under way'}"
            links.append(Link(one.started_at, what, one.detail or ""))
    links.sort(key=lambda link: link.at)
    incident = told.incident
    return Chain(incident.number, incident.title, incident.status, links, told.next.words, told.next.at)


def _arrival(row: Any) -> Link:
    what = f"event {row.id} accepted ({row.reader}): {row.action or 'change'} {row.dedup_key or ''}".rstrip()
    return Link(row.received_at, what, f"{row.outcome}: {row.reason}" if row.outcome else "it waits for its turn")


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _about(told: Story, event: Any) -> str:
    """Whom an entry concerns, where it concerns somebody."""
    users = getattr(event, "user_ids", None) or ([event.user_id] if getattr(event, "user_id", None) else [])
    return f": {', '.join(told.name_of(user_id) for user_id in users)}" if users else ""
