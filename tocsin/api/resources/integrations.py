"""Integrations: the ways into a service, as PagerDuty's API shows them (BEHAVIOUR 2.1, tag Services).

PagerDuty publishes no DELETE; its Terraform provider calls one, so it is here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import CREATE, DELETE, SHOW, UPDATE, Body, Parent, Reference, Resource, Rows, given
from tocsin.api.resources import shapes, vendors
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.inbound import email_rules
from tocsin.inbound.email_rules import EMAIL
from tocsin.service import access, services
from tocsin.store.tables.services import integration, service


class IntegrationWrite(msgspec.Struct):
    """What a client may say of an integration. `settings` is ours: `{"mapping": {…}}` for the generic JSON reader."""

    name: str | UnsetType | None = UNSET
    type: str | UnsetType | None = UNSET
    vendor: Reference | UnsetType | None = UNSET
    service: Reference | UnsetType | None = UNSET
    integration_email: str | UnsetType | None = UNSET
    email_incident_creation: str | UnsetType | None = UNSET
    email_filter_mode: str | UnsetType | None = UNSET
    email_parsing_fallback: str | UnsetType | None = UNSET
    email_filters: list[dict[str, Any]] | UnsetType | None = UNSET
    email_parsers: list[dict[str, Any]] | UnsetType | None = UNSET
    settings: dict[str, Any] | UnsetType | None = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Integrations as bodies; their service and vendor whole when included."""
    owners = shapes.rows_by_id(call, service, (row.service_id for row in rows))
    things = access.known(call.tx, call.actor, "service", service, owners)
    bodies = [shapes.integration(call, row, owners[row.service_id].name, things[row.service_id]) for row in rows]
    for row, body in zip(rows, bodies, strict=True):
        if "services" in call.includes:
            body["service"] = shapes.services(call, [owners[row.service_id]])[0]
        if "vendors" in call.includes and row.vendor_id in vendors.VENDORS:
            body["vendor"] = vendors.shown(call, vendors.VENDORS[row.vendor_id])
    return bodies


def columns(body: IntegrationWrite, type_: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent, as columns of the table. `settings`: those it has; rules for mails that are not sent stay as they are."""
    sent = given(body, "name", "settings")
    if body.vendor is not UNSET:
        sent["vendor_id"] = body.vendor.id if body.vendor else None
        if sent["vendor_id"] is not None and sent["vendor_id"] not in vendors.VENDORS:
            raise invalid("Vendor not found")
    if body.integration_email is not UNSET and (type_ == services.EMAIL_TYPE or body.integration_email):
        sent["email"] = body.integration_email
    rules = given(body, *email_rules.DEFAULTS)
    if type_ != services.EMAIL_TYPE:  # other types answer with null for these, and are sent them back
        rules = {name: value for name, value in rules.items() if value}
    kept = sent.get("settings", settings) or {}
    if rules:
        sent["settings"] = {**kept, EMAIL: {**settings.get(EMAIL, {}), **rules}}
    elif "settings" in sent and EMAIL in settings:
        sent["settings"] = {EMAIL: settings[EMAIL], **kept}
    return sent


def type_of(sent: str) -> str:
    """The type, which clients also write as a reference to it."""
    return sent.removesuffix("_reference")


def create(call: Call, body: IntegrationWrite) -> str:
    """A new way in, with a key of its own."""
    access.find(call.tx, call.actor, "service", service, call.id, permission.UPDATE)
    type_ = type_of(body.type) if isinstance(body.type, str) else services.INTEGRATION_TYPES[0]
    sent = columns(body, type_, {})
    vendor = vendors.VENDORS.get(sent.get("vendor_id") or "")
    name = sent.pop("name", None) or (vendor.name if vendor else "Events API v2")
    return services.add_integration(call.tx, call.deed, call.id, name=name, type_=type_, **sent)


def update(call: Call, row: sa.Row[Any], body: IntegrationWrite) -> None:
    """Change what was sent; the type and the key stay what they are."""
    access.find(call.tx, call.actor, "service", service, row.service_id, permission.UPDATE)
    if isinstance(body.type, str) and type_of(body.type) != row.type:
        raise invalid("The type of an integration cannot be changed: make another one")
    sent = columns(body, row.type, row.settings)
    if isinstance(body.service, Reference) and body.service.id != row.service_id:
        sent["service_id"] = access.find(call.tx, call.actor, "service", service, body.service.id, permission.UPDATE).id
    services.change_integration(call.tx, call.deed, row.id, sent)


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Close a way in."""
    access.find(call.tx, call.actor, "service", service, row.service_id, permission.UPDATE)
    services.remove_integration(call.tx, call.deed, row.id)


INTEGRATIONS = Resource(
    name="integration",
    plural="integrations",
    path="/services/{id}/integrations",
    id_param="integration_id",
    tag="Services",
    scope="services",
    table=integration,
    parent=Parent(kind="service", table=service, param="id", column=integration.c.service_id),
    verbs=(SHOW, CREATE, UPDATE, DELETE),
    read=shown,
    write=IntegrationWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    includes=frozenset({"services", "vendors"}),
)

DECLARED = (INTEGRATIONS,)
