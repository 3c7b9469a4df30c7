"""Log entries: what happened, of one incident or of all, newest first (BEHAVIOUR 3.2, tag Log Entries).

An entry is the event log as PagerDuty words it, and the log never changes: details written over an entry's channel are kept
beside it, and shown in their place.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.filters import since_until
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.service import access, audit
from tocsin.store import events
from tocsin.store.tables.engine import event
from tocsin.store.tables.incidents import incident
from tocsin.store.tables.responding import entry_channel
from tocsin.store.tables.services import escalation_policy

INCLUDES: Final = frozenset({"incidents", "services", "channels", "teams"})
DETAILS_MOST: Final = 25_000


def list_(call: Call) -> Body:
    """Of all incidents the actor may see; without a range, all there are."""
    conditions: list[sa.ColumnElement[bool]] = []
    seen = access.visible(call.actor, "incident")
    if seen is not None:
        conditions.append(event.c.incident_id.in_(sa.select(incident.c.id).where(seen)))
    if team_ids := call.query.many("team_ids[]"):
        owned = sa.select(escalation_policy.c.id).where(escalation_policy.c.team_id.in_(team_ids))
        conditions.append(event.c.incident_id.in_(sa.select(incident.c.id).where(incident.c.policy_id.in_(owned))))
    return _page(call, conditions)


def list_of_incident(call: Call) -> Body:
    return _page(call, [event.c.incident_id == incidents.id_of(call)])


def _page(call: Call, conditions: list[sa.ColumnElement[bool]]) -> Body:
    kinds = shapes.OVERVIEW if call.query.flag("is_overview") else frozenset(shapes.LOG_TYPES)
    conditions = [*conditions, *_range(call), event.c.kind.in_(sorted(kinds))]
    window = paging.window(call.query)
    statement = sa.select(*events.columns()).where(*conditions).order_by(event.c.at.desc(), event.c.position.desc())
    listed = events.matching(call.tx, statement.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(event).where(*conditions))
    shown = shapes.entry_bodies(call, listed[: window.limit])
    return {"log_entries": shown, **window.answer(more=len(listed) > window.limit, total=total)}


def _range(call: Call) -> list[sa.ColumnElement[bool]]:
    """From `since` to before `until`; what is not named does not narrow."""
    if not call.query.one("since") and not call.query.one("until"):
        return []
    span = since_until(call.query, call.now, default=incidents.RANGE)
    if span is None:
        return []
    found: list[Any] = []
    if call.query.one("since"):
        found.append(event.c.at >= span.start)
    if call.query.one("until"):
        found.append(event.c.at < span.end)
    return found


def show(call: Call) -> Body:
    entry = events.find(call.tx, call.id)
    if entry is None or entry.kind not in shapes.LOG_TYPES:
        raise access.missing("log_entry")
    if not access.known(call.tx, call.actor, "incident", incident, [entry.event.incident_id]):
        raise access.missing("log_entry")
    return shapes.entry_bodies(call, [entry])[0]


class ChannelWrite(msgspec.Struct):
    type: Literal["web_trigger", "mobile"]
    details: Annotated[str, Meta(max_length=DETAILS_MOST)]


def write_channel(call: Call, wish: ChannelWrite) -> Reply:
    """Write other details over the channel of an entry; its type must be the one it has."""
    entry = events.find(call.tx, call.id)
    if entry is None or entry.kind not in shapes.LOG_TYPES:
        raise access.missing("log_entry")
    try:
        access.find(call.tx, call.actor, "incident", incident, entry.event.incident_id, permission.RESPOND)
    except Refusal as refusal:
        raise (access.missing("log_entry") if refusal.status == 404 else refusal) from refusal
    shown = shapes.entry_bodies(call, [entry], channels=True)[0]
    has = shown["channel"]["type"]
    if has != wish.type:
        raise invalid(f"The channel of this log entry is of the type {has}, which cannot be changed to {wish.type}")
    before, after = {"details": shown["channel"].get("details")}, {"details": wish.details}
    if not audit.record(call.tx, call.deed, envelope.reference_of(shown), before=before, after=after):
        return Reply(202)
    row = {"entry_id": entry.id, "details": wish.details, "changed_by": call.actor.agent.id, "changed_at": call.now}
    call.tx.execute(sa.delete(entry_channel).where(entry_channel.c.entry_id == entry.id))
    call.tx.execute(sa.insert(entry_channel), [row])
    return Reply(202)


DECLARED = (
    Action(
        method="PUT", path="/log_entries/{id}/channel", tag="Log Entries", run=write_channel, body=ChannelWrite, wrap_in="channel",
        scope="incidents.write", from_needed=True, status=202,
    ),
    Report("/log_entries", "Log Entries", list_, scope="incidents.read", includes=INCLUDES),
    Report("/log_entries/{id}", "Log Entries", show, scope="incidents.read", wrap_out="log_entry", includes=INCLUDES),
    Report("/incidents/{id}/log_entries", "Incidents", list_of_incident, scope="incidents.read", includes=INCLUDES),
)  # fmt: skip
