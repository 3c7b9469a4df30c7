"""Add-ons, as PagerDuty's API shows them (BEHAVIOUR 10, tag Add-ons): lists and new ones as references, one by one whole."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import DELETE, LIST, SHOW, UPDATE, Action, Body, Reference, Resource, Rows, given
from tocsin.api.resources import shapes
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, addons
from tocsin.store.tables.attachments import addon, addon_service
from tocsin.store.tables.services import service

KIND: Final = "addon"
TAG: Final = "Add-ons"


class AddonWrite(msgspec.Struct):
    """What a client may say of an add-on."""

    type: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    src: str | UnsetType = UNSET
    services: list[Reference] | UnsetType = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Add-ons as bodies: whole when one is asked for, else references; services whole with `include[]=services`."""
    places = addons.services_of(call.tx, [row.id for row in rows])
    seen = shapes.seen_by_id(call, "service", service, (id_ for ids in places.values() for id_ in ids))
    whole: dict[str, Body] = {}
    if "services" in call.includes:
        found = list(seen.values())
        whole = dict(zip((row.id for row in found), shapes.services(call, found), strict=True))
    bodies = []
    for row in rows:
        body = {**envelope.common(call.house, row.type, row.id, row.name, path=f"/addons/{row.id}"), "name": row.name, "src": row.src}
        if "id" not in call.params:
            body["type"] = f"{row.type}_reference"
        if row.type == addons.ON_INCIDENTS:
            body["services"] = [
                whole.get(id_) or envelope.reference(call.house, "service", id_, seen[id_].name) for id_ in places[row.id] if id_ in seen
            ]
        bodies.append(body)
    return bodies


def create(call: Call, body: AddonWrite) -> Body:
    """A new add-on; the answer is a reference with its name and address."""
    access.allow(call.actor, permission.CREATE, Thing(KIND))
    id_ = addons.create(call.tx, call.deed, given(body, "type", "name", "src"), _services(call, body) or [])
    row = call.tx.one(sa.select(addon).where(addon.c.id == id_))
    assert row is not None
    return shown(replace(call, includes=frozenset()), [row])[0]


def update(call: Call, row: sa.Row[Any], body: AddonWrite) -> None:
    columns = given(body, "type", "name", "src")
    if isinstance(columns.get("type"), str):
        columns["type"] = columns["type"].removesuffix("_reference")
    addons.change(call.tx, call.deed, row, columns, _services(call, body))


def remove(call: Call, row: sa.Row[Any]) -> None:
    addons.delete(call.tx, call.deed, row)


def _services(call: Call, body: AddonWrite) -> list[str] | None:
    if body.services is UNSET:
        return None
    ids = list(dict.fromkeys(one.id for one in body.services))
    known = access.known(call.tx, call.actor, "service", service, ids)
    if unknown := [id_ for id_ in ids if id_ not in known]:
        raise invalid(*(f"There is no service {id_[:40]}" for id_ in unknown[:20]))
    return ids


def of_services(_call: Call, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """`service_ids[]`: on the incidents of any of these; what stands on those of all is among them."""
    here = sa.select(addon_service.c.addon_id).where(addon_service.c.service_id.in_(ids))
    everywhere = sa.not_(addon.c.id.in_(sa.select(addon_service.c.addon_id)))
    return sa.and_(addon.c.type == addons.ON_INCIDENTS, sa.or_(addon.c.id.in_(here), everywhere))


def of_type(call: Call) -> list[sa.ColumnElement[bool]]:
    """`filter=full_page_addon|incident_show_addon`."""
    kind = call.query.choice("filter", addons.TYPES, default="")
    return [addon.c.type == kind] if kind else []


ADDONS = Resource(
    name=KIND,
    plural="addons",
    path="/addons",
    tag=TAG,
    table=addon,
    verbs=(LIST, SHOW, UPDATE, DELETE),
    read=shown,
    write=AddonWrite,
    update=update,
    delete=remove,
    audits=False,
    filters={"service_ids[]": of_services},
    where=of_type,
    order=(addon.c.name,),
    includes=frozenset({"services"}),
)

DECLARED = (
    ADDONS,
    Action(
        method="POST", path="/addons", tag=TAG, run=create, body=AddonWrite, wrap_in=KIND, wrap_out=KIND, status=201,
        scope="addons.write",
    ),
)  # fmt: skip
