"""Services, as PagerDuty's API shows them (BEHAVIOUR 2.1, tag Services)."""

from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import Filter
from tocsin.api.kernel.spec import Body, Reference, Resource, Rows, given
from tocsin.api.resources import shapes
from tocsin.base.errors import invalid
from tocsin.service import access, groupings, services
from tocsin.store.tables.services import escalation_policy, service

INCLUDES = frozenset({"escalation_policies", "teams", "integrations", "auto_pause_notifications_parameters"})


class ServiceWrite(msgspec.Struct):
    """What a client may say of a service; the service floor checks what is sensible. Times are in seconds."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    escalation_policy: Reference | UnsetType = UNSET
    status: str | UnsetType | None = UNSET
    auto_resolve_timeout: int | UnsetType | None = UNSET
    acknowledgement_timeout: int | UnsetType | None = UNSET
    alert_creation: str | UnsetType | None = UNSET
    incident_urgency_rule: dict[str, Any] | UnsetType | None = UNSET
    support_hours: dict[str, Any] | UnsetType | None = UNSET
    scheduled_actions: list[dict[str, Any]] | UnsetType | None = UNSET
    auto_pause_notifications_parameters: dict[str, Any] | UnsetType | None = UNSET
    alert_grouping: Literal["time", "intelligent"] | UnsetType | None = UNSET
    alert_grouping_timeout: int | UnsetType | None = UNSET
    alert_grouping_parameters: dict[str, Any] | UnsetType | None = UNSET
    escalates_low_urgency: bool | UnsetType = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Services as bodies."""
    return shapes.services(call, rows, expand=call.includes)


def columns(call: Call, body: ServiceWrite, old: sa.Row[Any] | None) -> dict[str, Any]:
    """What was sent, as columns of the table."""
    sent = given(
        body, "name", "description", "auto_resolve_timeout", "acknowledgement_timeout", "alert_creation",
        "incident_urgency_rule", "support_hours", "scheduled_actions", "escalates_low_urgency",
    )  # fmt: skip
    if sent.get("alert_creation", "") is None:
        del sent["alert_creation"]
    if isinstance(body.escalation_policy, Reference):
        found = access.find(call.tx, call.actor, "escalation_policy", escalation_policy, body.escalation_policy.id)
        sent["escalation_policy_id"] = found.id
    if isinstance(body.status, str):
        sent |= _switched(body.status, old)
    if body.auto_pause_notifications_parameters is not UNSET:
        sent["auto_pause"] = body.auto_pause_notifications_parameters
    return sent | _grouping(call, body, old)


def _switched(status: str, old: sa.Row[Any] | None) -> dict[str, Any]:
    """PUT `disabled` and `active` switch a service; the other words are ours to say and change nothing."""
    if status not in {"active", "warning", "critical", "maintenance", "disabled"}:
        raise invalid("Status must be active or disabled")
    if old is None and status != "active":
        raise invalid("A service can only be created with the status active")
    return {"is_disabled": status == "disabled"} if status in {"active", "disabled"} else {}


def _grouping(call: Call, body: ServiceWrite, old: sa.Row[Any] | None) -> dict[str, Any]:
    """The grouping a client asks for, in the present form or the two older fields; the present one wins."""
    parameters = body.alert_grouping_parameters
    if parameters is not UNSET:
        moved = parameters is not None and parameters.get("type") == "alert_grouping_setting_reference"
        if moved:
            return {}
        if parameters is not None and (parameters.get("type") is not None or body.alert_grouping in {UNSET, None}):
            return {"alert_grouping_parameters": parameters}
        if parameters is None and body.alert_grouping in {UNSET, None}:
            return {"alert_grouping_parameters": None}
    if body.alert_grouping is UNSET and body.alert_grouping_timeout is UNSET:
        return {}
    now = groupings.forms(call.tx, [old]).get(old.id) if old is not None else None
    kind = body.alert_grouping if body.alert_grouping is not UNSET else (now or {}).get("type")
    if kind == "time":
        before = now["config"].get("timeout") if now and now["type"] == "time" else 0
        minutes = before if body.alert_grouping_timeout is UNSET else body.alert_grouping_timeout
        return {"alert_grouping_parameters": {"type": "time", "config": {"timeout": minutes or 0}}}
    if body.alert_grouping is UNSET:
        return {}
    return {"alert_grouping_parameters": {"type": "intelligent", "config": {}} if kind else None}


def create(call: Call, body: ServiceWrite) -> str:
    """A new service."""
    sent = columns(call, body, None)
    missing = [] if sent.get("name") else ["Name cannot be empty"]
    if "escalation_policy_id" not in sent:
        missing.append("Escalation policy cannot be empty")
    if missing:
        raise invalid(*missing)
    return services.create_service(call.tx, call.deed, **sent)


def update(call: Call, row: sa.Row[Any], body: ServiceWrite) -> None:
    """Change what was sent."""
    services.change_service(call.tx, call.deed, row.id, columns(call, body, row))


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a service."""
    services.delete_service(call.tx, call.deed, row.id)


def named(call: Call) -> list[sa.ColumnElement[bool]]:
    """`name=` finds the one with exactly this name."""
    name = call.query.one("name")
    return [service.c.name == name] if name is not None else []


def of_teams() -> Filter:
    """`team_ids[]=`: what these teams' policies serve."""
    return lambda _call, values: access.TEAM_OF["service"].in_(values)


SERVICES = Resource(
    name="service",
    plural="services",
    path="/services",
    tag="Services",
    table=service,
    read=shown,
    write=ServiceWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    searched=(service.c.name, service.c.description),
    filters={"team_ids[]": of_teams()},
    where=named,
    order=(service.c.name,),
    sorts={"name": service.c.name},
    includes=INCLUDES,
)

DECLARED = (SERVICES,)
