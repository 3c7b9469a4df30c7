"""Change events, as PagerDuty's API shows them (BEHAVIOUR 1.2, tag Change Events): what was changed, never a page.

A change event belongs to the service its sender's key opens: whoever sees the service sees it. Its key is shown to
whoever may see that service's keys.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, filters, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report, given
from tocsin.api.resources import incidents, shapes
from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.inbound import change_events
from tocsin.inbound.spec import MAX_BODY, Payload, Unreadable
from tocsin.service import access
from tocsin.service import changes as deeds
from tocsin.store import incidents as incident_store
from tocsin.store.tables.service_rules import change_event
from tocsin.store.tables.services import escalation_policy, integration, service

NAME = "change_event"
PLURAL = "change_events"
TAG = "Change Events"
RANGE: Final = deeds.KEPT
"""How far `until` alone looks back; without either a list holds all that is kept."""

_change = change_event.c


class ChangeWrite(msgspec.Struct):
    """What a client may change of a change event that is there."""

    summary: str | UnsetType = UNSET
    custom_details: dict[str, Any] | UnsetType | None = UNSET


def shown(call: Call, rows: Sequence[sa.Row[Any]], more: Mapping[str, Body] | None = None) -> list[Body]:
    """Change events as bodies. `more`: by id, what else is told of it."""
    owners = shapes.rows_by_id(call, service, (row.service_id for row in rows))
    ways = shapes.rows_by_id(call, integration, (row.integration_id for row in rows))
    things = access.known(call.tx, call.actor, "service", service, owners)
    may = {id_ for id_, thing in things.items() if permission.may(call.actor, permission.READ_KEY, thing).allowed}
    bodies = []
    for row in rows:
        way = ways.get(row.integration_id)
        body: Body = {
            **envelope.common(call.house, NAME, row.id, row.summary, path=f"/{PLURAL}/{row.id}"),
            "timestamp": times.iso(row.timestamp),
            "services": [shapes.reference_in(call, "service", row.service_id, owners)],
            "integration": _way(call, row, way),
            "source": row.source or "",
            "links": row.links,
            "images": row.images,
            "custom_details": row.custom_details if isinstance(row.custom_details, dict) else _details(row.custom_details),
        }
        if row.service_id in may:
            body["routing_key"] = row.routing_key
        bodies.append(body | (more or {}).get(row.id, {}))
    return bodies


def _details(value: Any) -> Body:
    """A sender may have told its details as a bare text; the wire has an object."""
    return {} if value is None else {"details": value}


def _way(call: Call, row: sa.Row[Any], way: sa.Row[Any] | None) -> Body:
    """The way it came by; one that is gone stays a reference."""
    if way is not None:
        return shapes.integration_reference(call, way)
    return envelope.reference(call.house, "inbound_integration", row.integration_id or "", None)


def _listed(call: Call, conditions: list[sa.ColumnElement[bool]]) -> Body:
    span = filters.since_until(call.query, call.now, default=RANGE)
    if span is not None and call.query.one("since"):
        conditions.append(_change.timestamp >= span.start)
    if span is not None and call.query.one("until"):  # else also what a sender's clock, a little ahead, has dated later
        conditions.append(_change.timestamp <= span.end)
    if ids := call.query.many("integration_ids[]"):
        conditions.append(_change.integration_id.in_(ids))
    if ids := call.query.many("team_ids[]"):
        conditions.append(_change.service_id.in_(_services(access.TEAM_OF["service"].in_(ids))))
    window = paging.window(call.query)
    chosen = sa.select(change_event).where(*conditions).order_by(_change.timestamp.desc(), _change.id.desc())
    rows = call.tx.rows(chosen.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(change_event).where(*conditions))
    return {PLURAL: shown(call, rows[: window.limit]), **window.answer(more=len(rows) > window.limit, total=total)}


def _services(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(service.c.id).join(escalation_policy).where(condition)


def visible(call: Call) -> list[sa.ColumnElement[bool]]:
    """Only changes of services that the actor may see."""
    seen = access.visible(call.actor, "service")
    return [] if seen is None else [_change.service_id.in_(sa.select(service.c.id).where(seen))]


def list_(call: Call) -> Body:
    return _listed(call, visible(call))


def of_service(call: Call) -> Body:
    row = access.find(call.tx, call.actor, "service", service, call.id)
    return _listed(call, [_change.service_id == row.id])


def related(call: Call) -> Body:
    """What was changed shortly before an incident began, nearest first, each with the reason it is told."""
    incident_id = incidents.id_of(call)
    one = incident_store.load(call.tx, [incident_id])[incident_id]
    limit = min(call.query.whole("limit", default=paging.LIMIT, least=1, most=paging.DEPTH_MOST), paging.LIMIT_MOST)
    near = access.known(call.tx, call.actor, "service", service, deeds.near(call.tx, one.service_id))
    told = deeds.related(call.tx, one.service_id, [*near], one.created_at, limit)
    reasons = {row.id: {"correlation_reason": {"reason": reason}} for row, reason in told}
    return {PLURAL: shown(call, [row for row, _ in told], reasons)}


def send(call: Call) -> Reply:
    """Take a change event as `/v2/change/enqueue` does; the key in it says whose it is."""
    access.allow(call.actor, permission.CREATE, Thing(NAME, teams=frozenset(call.actor.teams)))
    if len(call.request.body) > MAX_BODY:
        raise Refusal(413, 2001, "Request Entity Too Large", [f"A change event may have at most {MAX_BODY} bytes"])
    call.document()
    try:
        (accepted,) = change_events.check(Payload(call.request.body))
    except Unreadable as unreadable:
        raise invalid(*unreadable.errors) from unreadable
    deeds.accept(call.tx, accepted, now=call.now, chance=call.chance)
    return Reply(202, {"status": "success", "message": "Change event processed"})


def found(call: Call, action: str = permission.READ) -> sa.Row[Any]:
    """The change event. Raises 404 when there is none that the actor may see, 403 when it may not do this."""
    row = call.tx.one(sa.select(change_event).where(_change.id == call.id, *visible(call)))
    if row is None:
        raise access.missing(NAME)
    if action != permission.READ:
        owner = call.tx.one(sa.select(service.c.id).where(service.c.id == row.service_id))
        teams: frozenset[str] = frozenset()
        if owner is not None:
            teams = access.thing_of("service", access.find(call.tx, call.actor, "service", service, owner.id)).teams
        access.allow(call.actor, action, Thing(NAME, teams=teams))
    return row


def show(call: Call) -> Body:
    return shown(call, [found(call)])[0]


def update(call: Call, wish: ChangeWrite) -> Body:
    row = found(call, permission.UPDATE)
    deeds.change(call.tx, call.deed, row, given(wish, "summary", "custom_details"))
    return shown(call, [found(call)])[0]


_ALL, _ONE = f"/{PLURAL}", f"/{PLURAL}/{{id}}"

DECLARED = (
    Report(_ALL, TAG, list_, scope="change_events.read"),
    Action(method="POST", path=_ALL, tag=TAG, run=send, status=202),
    Report(_ONE, TAG, show, scope="change_events.read", wrap_out=NAME),
    Action(
        method="PUT", path=_ONE, tag=TAG, run=update, body=ChangeWrite, wrap_in=NAME, wrap_out=NAME, scope="change_events.write"
    ),
    Report("/incidents/{id}/related_change_events", TAG, related, scope="incidents.read"),
    Report("/services/{id}/change_events", TAG, of_service, scope="services.read"),
)  # fmt: skip
