"""Extensions of services and their kinds, as PagerDuty's API shows them (BEHAVIOUR 8 and 11, tags Extensions, Extension Schemas)."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Reference, Report, Resource, Rows
from tocsin.api.resources import shapes
from tocsin.base.errors import forbidden, invalid, not_found
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, extensions
from tocsin.service.extensions import SCHEMAS, Schema, Wish
from tocsin.service.webhooks import REDACTED
from tocsin.store.tables.attachments import extension, extension_service
from tocsin.store.tables.services import service

KIND: Final = "extension"
TAG: Final = "Extensions"
INCLUDES: Final = frozenset({"extension_objects", "extension_schemas", "temporarily_disabled"})


class ExtensionWrite(msgspec.Struct):
    """What a client may say of an extension."""

    name: str | UnsetType = UNSET
    endpoint_url: str | UnsetType | None = UNSET
    extension_schema: Reference | UnsetType = UNSET
    extension_objects: list[Reference] | UnsetType = UNSET
    config: dict[str, Any] | UnsetType | None = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    """Extensions as bodies. What a config holds is shown to who may change extensions; to others only its names."""
    wishes = {row.id: extensions.opened(call.tx, call.seals, row) for row in rows}
    seen = shapes.seen_by_id(call, "service", service, (id_ for one in wishes.values() for id_ in one.service_ids))
    whole: dict[str, Body] = {}
    if "extension_objects" in call.includes:
        found = list(seen.values())
        whole = dict(zip((row.id for row in found), shapes.services(call, found), strict=True))
    disabled = extensions.disabled(call.tx, [row.id for row in rows], call.now)
    may_see = permission.may(call.actor, permission.READ_KEY, Thing(KIND)).allowed
    bodies = []
    for row in rows:
        wish, schema = wishes[row.id], SCHEMAS[row.schema_id]
        bodies.append(
            {
                **envelope.common(call.house, KIND, row.id, row.name),
                "name": row.name,
                "endpoint_url": wish.endpoint,
                "extension_objects": [
                    whole.get(id_) or envelope.reference(call.house, "service", id_, seen[id_].name) for id_ in wish.service_ids if id_ in seen
                ],
                "extension_schema": schema_body(call, schema)
                if "extension_schemas" in call.includes
                else envelope.reference(call.house, "extension_schema", schema.id, schema.label),
                "temporarily_disabled": row.id in disabled,
                "config": wish.config if may_see else _veiled(wish.config),
            }
        )
    return bodies


def _veiled(value: Any) -> Any:
    """The same with every value hidden; names of headers stay."""
    if isinstance(value, dict):
        return {name: part if name == "name" and isinstance(part, str) else _veiled(part) for name, part in value.items()}
    return [_veiled(part) for part in value] if isinstance(value, list) else REDACTED


def create(call: Call, body: ExtensionWrite) -> str:
    if missing := [
        f"{words} cannot be empty"
        for words, said in (
            ("Name", body.name), ("Extension schema", body.extension_schema), ("Extension objects", body.extension_objects),
        )
        if said is UNSET
    ]:  # fmt: skip
        raise invalid(*missing)
    return extensions.create(call.tx, call.deed, call.seals, _wish(call, body, Wish("", "", None, {}, ())))


def update(call: Call, row: sa.Row[Any], body: ExtensionWrite) -> None:
    was = extensions.opened(call.tx, call.seals, row)
    _may_change(call, was.service_ids, are_named=False)
    extensions.change(call.tx, call.deed, call.seals, row, _wish(call, body, was))


def remove(call: Call, row: sa.Row[Any]) -> None:
    _may_change(call, extensions.services_of(call.tx, [row.id])[row.id], are_named=False)
    extensions.delete(call.tx, call.deed, call.seals, row)


def enable(call: Call) -> Body:
    """Let an extension send again that was disabled for refusing too often."""
    row = access.find(call.tx, call.actor, KIND, extension, call.id, permission.UPDATE)
    extensions.enable(call.tx, call.deed, row)
    return shown(call, [row])[0]


def _wish(call: Call, body: ExtensionWrite, was: Wish) -> Wish:
    ids = was.service_ids
    if not isinstance(body.extension_objects, UnsetType):
        named = dict.fromkeys(one.id for one in body.extension_objects)
        ids = tuple(sorted(named))
        _may_change(call, [id_ for id_ in ids if id_ not in was.service_ids])
    return Wish(
        name=was.name if isinstance(body.name, UnsetType) else body.name.strip(),
        schema_id=was.schema_id if isinstance(body.extension_schema, UnsetType) else body.extension_schema.id,
        endpoint=was.endpoint if isinstance(body.endpoint_url, UnsetType) else body.endpoint_url or None,
        config=was.config if isinstance(body.config, UnsetType) else body.config or {},
        service_ids=ids,
    )


def _may_change(call: Call, service_ids: Sequence[str], *, are_named: bool = True) -> None:
    """Whoever lets an extension hear of a service, or hear of it no more, may change that service. Raises 400 or 403.

    `are_named`: by who asks; of others nothing is told but that they are there.
    """
    known = access.known(call.tx, call.actor, "service", service, service_ids)
    unknown = [id_ for id_ in service_ids if id_ not in known]
    if unknown and not are_named:
        raise forbidden("This extension is also for services that you may not change")
    if unknown:
        raise invalid(*(f"There is no service {id_[:40]}" for id_ in unknown[:20]))
    for thing in known.values():
        access.allow(call.actor, permission.UPDATE, thing)


def filtered(call: Call) -> list[sa.ColumnElement[bool]]:
    """`extension_object_id=` and `extension_schema_id=`."""
    object_id, schema_id = call.query.one("extension_object_id"), call.query.one("extension_schema_id")
    of_object = sa.select(extension_service.c.extension_id).where(extension_service.c.service_id == object_id)
    conditions = [extension.c.id.in_(of_object)] if object_id else []
    return conditions + ([extension.c.schema_id == schema_id] if schema_id else [])


# -------------------------------------------------------------------------------------------------------------- schemas


def schema_body(call: Call, one: Schema) -> Body:
    return {
        **envelope.common(call.house, "extension_schema", one.id, one.label),
        "icon_url": "",
        "logo_url": "",
        "label": one.label,
        "key": one.key,
        "description": one.description,
        "guide_url": "",
        "send_types": list(one.send_types),
        "url": "",
    }


def list_schemas(call: Call) -> Body:
    """All kinds of extensions."""
    part, answer = paging.page_of(call.query, list(SCHEMAS.values()))
    return {"extension_schemas": [schema_body(call, one) for one in part], **answer}


def show_schema(call: Call) -> Body:
    if call.id not in SCHEMAS:
        raise not_found("Extension Schema")
    return schema_body(call, SCHEMAS[call.id])


EXTENSIONS = Resource(
    name=KIND,
    plural="extensions",
    path="/extensions",
    tag=TAG,
    table=extension,
    read=shown,
    write=ExtensionWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    searched=(extension.c.name,),
    where=filtered,
    order=(extension.c.name,),
    includes=INCLUDES,
)

DECLARED = (
    EXTENSIONS,
    Action(method="POST", path="/extensions/{id}/enable", tag=TAG, run=enable, wrap_out=KIND, scope="extensions.write"),
    Report("/extension_schemas", "Extension Schemas", list_schemas, scope="extension_schemas.read"),
    Report("/extension_schemas/{id}", "Extension Schemas", show_schema, wrap_out="extension_schema", scope="extension_schemas.read"),
)
