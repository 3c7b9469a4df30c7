"""The alerts of an incident: list and show them, resolve them, move them to another incident (BEHAVIOUR 3.1)."""

from typing import Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import filters, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Bulk, Reference, Report
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.base.errors import invalid, invalid_arguments
from tocsin.core import permission
from tocsin.service import access
from tocsin.service.incidents import Desk
from tocsin.store import alerts
from tocsin.store.alerts import Alert
from tocsin.store.tables.incidents import alert

INCLUDES: Final = frozenset({"services", "first_trigger_log_entries", "incidents"})
STATUSES: Final = ("triggered", "resolved")
BULK_MOST: Final = 250
SORTS: Final = {"created_at": alert.c.created_at, "resolved_at": alert.c.resolved_at}


class AlertChange(msgspec.Struct, kw_only=True):
    """What a client may do with an alert: resolve it, or move it to another incident."""

    status: Literal["triggered", "resolved"] | UnsetType = UNSET
    incident: Reference | UnsetType | None = UNSET


class AlertItem(AlertChange, kw_only=True):
    id: str


def list_(call: Call) -> Body:
    incident_id = incidents.id_of(call)
    conditions = [alert.c.incident_id == incident_id]
    if keys := call.query.many("alert_key"):
        conditions.append(alert.c.dedup_key.in_(keys))
    if statuses := call.query.many("statuses[]"):
        if unknown := [word for word in statuses if word not in STATUSES]:
            raise invalid_arguments(f"statuses[] does not know {', '.join(unknown)}: use {', '.join(STATUSES)}")
        conditions.append(alert.c.status.in_(statuses))
    window = paging.window(call.query)
    order = [*(filters.ordering(call.query, SORTS) or [alert.c.created_at]), alert.c.id]
    chosen = sa.select(*alerts.columns()).where(*conditions).order_by(*order)
    listed = alerts.matching(call.tx, chosen.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(alert).where(*conditions))
    shown = shapes.alert_bodies(call, listed[: window.limit])
    return {"alerts": shown, **window.answer(more=len(listed) > window.limit, total=total)}


def show(call: Call) -> Body:
    return shapes.alert_bodies(call, [_alert(call, incidents.id_of(call), call.params["alert_id"])])[0]


def change(call: Call, wish: AlertChange) -> Body:
    incident_id = incidents.id_of(call, permission.RESPOND)
    one = _alert(call, incident_id, call.params["alert_id"])
    return _changed(call, [(one, wish)])[0]


def change_many(call: Call, wishes: list[AlertItem]) -> list[Body]:
    """All of them or none."""
    incident_id = incidents.id_of(call, permission.RESPOND)
    return _changed(call, [(_alert(call, incident_id, wish.id), wish) for wish in wishes])


def _alert(call: Call, incident_id: str, alert_id: str) -> Alert:
    one = alerts.load(call.tx, [alert_id]).get(alert_id)
    if one is None or one.incident_id != incident_id:
        raise access.missing("alert")
    return one


def _changed(call: Call, wishes: list[tuple[Alert, AlertChange]]) -> list[Body]:
    agent = call.actor.agent
    if len({one.id for one, _ in wishes}) < len(wishes):
        raise invalid("The same alert is named twice")
    for one, wish in wishes:
        if wish.status == "triggered" and one.status == "resolved":
            raise invalid(f"Alert {one.id} is resolved: an alert is not opened again, its sender opens a new one")
    moves: dict[str, list[Alert]] = {}
    for one, wish in wishes:
        if isinstance(wish.incident, Reference):
            moves.setdefault(str(incidents.found(call, wish.incident.id, permission.RESPOND).id), []).append(one)
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        for target_id, moving in sorted(moves.items()):
            desk.move_alerts(moving, target_id, agent, incidents.CHANNEL)
        now_at = alerts.load(call.tx, [one.id for one, _ in wishes])
        ending = [now_at[one.id] for one, wish in wishes if wish.status == "resolved"]
        desk.resolve_alerts(ending, agent, incidents.CHANNEL)
    after = alerts.load(call.tx, [one.id for one, _ in wishes])
    return shapes.alert_bodies(call, [after[one.id] for one, _ in wishes])


_ALL, _ONE = "/incidents/{id}/alerts", "/incidents/{id}/alerts/{alert_id}"

DECLARED = (
    Report(_ALL, "Incidents", list_, scope="incidents.read", includes=INCLUDES),
    Bulk(
        path=_ALL, tag="Incidents", plural="alerts", item=AlertItem, run=change_many, most=BULK_MOST,
        scope="incidents", from_needed=True,
    ),
    Report(_ONE, "Incidents", show, scope="incidents.read", wrap_out="alert", includes=INCLUDES),
    Action(
        method="PUT", path=_ONE, tag="Incidents", run=change, body=AlertChange, wrap_in="alert", wrap_out="alert",
        scope="incidents.write", from_needed=True,
    ),
)  # fmt: skip
