"""Change events: accept one, change its words, and say which have to do with an incident.

Laws:
1. A change event is accepted as any event: into the inbox, on disk, worked off in turn.
2. What was sent stays in the journal as it was; only the words shown (summary, details) can be changed, and that is audited.
3. A change has to do with an incident when it was made to its service, or to a service whose alerts are grouped with
   that one's, within `LOOKED_BACK` before the incident began. Nothing is guessed from words.
Source: BEHAVIOUR 1.2.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.errors import invalid
from tocsin.inbound import change_events
from tocsin.inbound.spec import MAX_SUMMARY, Accepted
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import changes, groupings, inbox
from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import change_event

KEPT: Final = timedelta(days=90)
"""How long change events are kept (BEHAVIOUR 1.2)."""
LOOKED_BACK: Final = timedelta(hours=24)
"""How long before an incident a change may have been made to be told beside it."""
MOST_RECENT, RELATED_SERVICE = "most_recent", "related_service"


def accept(tx: Tx, accepted: Accepted, *, now: datetime, chance: Random) -> str:
    """Put a change event into the inbox; its id. Raises 400/2001 when its key belongs to nothing."""
    if inbox.way(tx, accepted.routing_key) is None:
        raise invalid("Invalid routing key")
    columns = (accepted.routing_key, change_events.READER.name, accepted.action, None, accepted.summary, accepted.raw)
    (row,) = inbox.Numbering(chance, not_before=inbox.highest_arrival(tx)).number([columns], now)
    inbox.append(tx, [row])
    tx.wake("ingest")
    return str(row[0])


def change(tx: Tx, deed: Deed, row: sa.Row[Any], changes_: Mapping[str, Any]) -> None:
    """Change the summary or the details of a change event. Saying what is so already changes nothing."""
    columns = dict(changes_)
    if "summary" in columns:
        columns["summary"] = columns["summary"].strip()
        if not 1 <= len(columns["summary"]) <= MAX_SUMMARY:
            raise invalid(f"Summary must have between 1 and {MAX_SUMMARY} characters")
    changed = {name: value for name, value in columns.items() if getattr(row, name) != value}
    if not changed:
        return
    tx.execute(sa.update(change_event).where(change_event.c.id == row.id).values(**changed, updated_at=deed.now))
    reference = {"id": row.id, "type": "change_event_reference", "summary": changed.get("summary", row.summary)}
    audit.record(tx, deed, reference, before={name: getattr(row, name) for name in changed}, after=changed)


def near(tx: Tx, service_id: str) -> list[str]:
    """The service itself and those whose alerts are grouped with its own: changes of any may have to do with its incidents."""
    setting = groupings.of_services(tx, [service_id]).get(service_id)
    return sorted({service_id, *(setting.service_ids if setting else ())})


def related(
    tx: Tx, service_id: str, service_ids: Sequence[str], began_at: datetime, most: int
) -> list[tuple[sa.Row[Any], str]]:
    """The newest changes before an incident of a service began, each with why it is told; `service_ids` as `near` says."""
    rows = changes.newest_before(tx, service_ids, began_at - LOOKED_BACK, began_at, most)
    return [(row, MOST_RECENT if row.service_id == service_id else RELATED_SERVICE) for row in rows]
