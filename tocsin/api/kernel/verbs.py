"""The five verbs as functions over a spec, and how actions, singletons, links and bulks run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from tocsin.api.kernel import envelope, filters, paging
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Bulk, Link, Paging, Resource, Singleton
from tocsin.base import ids
from tocsin.base.errors import Refusal, invalid, invalid_arguments, too_large
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, audit


def including(call: Call, known: frozenset[str]) -> Call:
    """The call with its `include[]` checked. Raises 400 for one that is not known here."""
    asked = frozenset(word for value in call.query.many("include[]") for word in value.split(","))
    if unknown := sorted(asked - known):
        allowed = f"; known here: {', '.join(sorted(known))}" if known else "; nothing can be included here"
        raise invalid_arguments(f"include[] does not know {', '.join(unknown)}{allowed}")
    return replace(call, includes=asked)


def read_body(call: Call, struct: type[msgspec.Struct], wrap: str | None, *, optional: bool = False) -> Any:
    """The body as its struct, out of its wrapper. Raises 400/2001 saying which field is wrong and why."""
    if optional and not call.request.body.strip():
        document: dict[str, Any] = {}
    else:
        document = call.document()
    try:
        value = msgspec.convert(document, struct)
    except msgspec.ValidationError as error:
        raise invalid(shape_words(str(error))) from error
    return getattr(value, wrap) if wrap else value


def shape_words(text: str) -> str:
    """A sentence of msgspec with the place first: ``Expected `str`, got `int` - at `$.team.name` `` → `team.name: expected …`."""
    what, _, place = text.partition(" - at ")
    what = what.replace("`", "'")
    place = place.strip("`").removeprefix("$").removeprefix(".")
    return f"{place}: {what[0].lower()}{what[1:]}" if place else what


def list_(spec: Resource, call: Call) -> Reply:
    """A page of the collection that the actor may see, in a total order."""
    call = including(call, spec.includes)
    conditions = _within(spec, call, permission.READ)
    seen = access.visible(call.actor, spec.subject) if spec.parent is None else None
    if seen is not None:
        conditions.append(seen)
    conditions += filters.searched(call.query, spec.searched)
    for name, build in spec.filters.items():
        if values := call.query.many(name):
            conditions.append(build(call, values))
    if spec.where is not None:
        conditions += spec.where(call)
    order = [*(filters.ordering(call.query, spec.sorts) or spec.order), spec.table.c.id]
    statement = sa.select(spec.table).where(*conditions).order_by(*order)
    if spec.paging is Paging.NONE:
        return Reply(200, {spec.plural: spec.read(call, call.tx.rows(statement))})
    window = paging.window(call.query, default=spec.limit, most=spec.limit_most)
    rows = call.tx.rows(statement.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(spec.table).where(*conditions))
    answer = window.answer(more=len(rows) > window.limit, total=total)
    return Reply(200, {spec.plural: spec.read(call, rows[: window.limit]), **answer})


def show(spec: Resource, call: Call) -> Reply:
    call = including(call, spec.includes)
    return envelope.wrapped(spec.name, body_of(spec, call, _found(spec, call, permission.READ)))


def create(spec: Resource, call: Call) -> Reply:
    owner = _owner(spec, call)
    access.allow(call.actor, permission.CREATE, Thing(spec.subject, owner_id=owner))
    body = read_body(call, spec.envelope, spec.name)
    _within(spec, call, permission.READ)
    if spec.create is not None:
        id_ = spec.create(call, body)
    else:
        id_ = spec.new_id(call) if spec.new_id else ids.object_id(call.chance)
        values = _values(spec, call, body, None)
        if spec.parent is not None:
            values[spec.parent.column.key] = call.params[spec.parent.param]
        if "created_at" in spec.table.c:
            values.setdefault("created_at", call.now)
        if "updated_at" in spec.table.c:
            values.setdefault("updated_at", call.now)
        call.tx.execute(sa.insert(spec.table), {"id": id_, **values})
    after = body_of(spec, call, _row(spec, call, id_))
    _audit(spec, call, None, after)
    return envelope.wrapped(spec.name, after, spec.create_status)


def update(spec: Resource, call: Call) -> Reply:
    row = _found(spec, call, permission.UPDATE)
    before = body_of(spec, call, row)
    body = read_body(call, spec.envelope, spec.name)
    if spec.update is not None:
        spec.update(call, row, body)
    else:
        changed = {name: value for name, value in _values(spec, call, body, row).items() if getattr(row, name) != value}
        if changed:
            if "updated_at" in spec.table.c:
                changed.setdefault("updated_at", call.now)
            call.tx.execute(sa.update(spec.table).where(spec.table.c.id == row.id).values(changed))
    after = body_of(spec, call, _row(spec, call, row.id))
    _audit(spec, call, before, after)
    return envelope.wrapped(spec.name, after)


def delete(spec: Resource, call: Call) -> Reply:
    row = _found(spec, call, permission.DELETE)
    before = body_of(spec, call, row)
    if spec.delete is not None:
        spec.delete(call, row)
    else:
        call.tx.execute(sa.delete(spec.table).where(spec.table.c.id == row.id))
    _audit(spec, call, before, None)
    return Reply(204)


def run_action(spec: Action, call: Call) -> Reply:
    try:
        return _run(spec, call)
    except Refusal as refusal:
        if not spec.maps_errors:
            raise
        raise envelope.mapped(refusal) from refusal


def _run(spec: Action, call: Call) -> Reply:
    call = including(call, spec.includes) if spec.includes else call
    if spec.needs is not None:
        action, kind = spec.needs
        access.allow(call.actor, action, Thing(kind))
    if spec.body is None:
        result = spec.run(call)
    else:
        result = spec.run(call, read_body(call, spec.envelope, spec.wrap_in, optional=spec.body_optional))
    if isinstance(result, Reply):
        return result
    return Reply(spec.status) if result is None else envelope.wrapped(spec.wrap_out, result, spec.status)


def show_singleton(spec: Singleton, call: Call) -> Reply:
    if spec.needs is not None:
        access.allow(call.actor, permission.READ, Thing(spec.needs[1]))
    return envelope.wrapped(spec.name, spec.read(call))


def update_singleton(spec: Singleton, call: Call) -> Reply:
    if spec.needs is not None:
        access.allow(call.actor, spec.needs[0], Thing(spec.needs[1]))
    if spec.update is None or spec.write is None:
        raise TypeError(f"{spec.path} has no update")
    before = spec.read(call)
    spec.update(call, read_body(call, spec.envelope, spec.name))
    after = spec.read(call)
    if spec.audits:
        audit.record(call.tx, call.deed, envelope.reference_of(after), before=before, after=after)
    return envelope.wrapped(spec.name, after)


def join(spec: Link, call: Call) -> Reply:
    body = read_body(call, spec.body, None, optional=True) if spec.body else None
    spec.join(call, body)
    return Reply(204)


def part(spec: Link, call: Call) -> Reply:
    spec.part(call)
    return Reply(204)


def run_bulk(spec: Bulk, call: Call) -> Reply:
    if spec.needs is not None:
        access.allow(call.actor, spec.needs[0], Thing(spec.needs[1]))
    document = call.document()
    items = document.get(spec.plural)
    if not isinstance(items, list) or not items:
        raise invalid(f"{spec.plural} must be a list of at least one item")
    if len(items) > spec.most:
        raise too_large(f"{spec.plural} may have at most {spec.most} items; send them in several requests")
    return Reply(200, {spec.plural: spec.run(call, read_body(call, spec.envelope, spec.plural))})


def body_of(spec: Resource, call: Call, row: sa.Row[Any]) -> dict[str, Any]:
    """The body of one row."""
    return spec.read(call, [row])[0]


def _found(spec: Resource, call: Call, action: str) -> sa.Row[Any]:
    _within(spec, call, permission.READ)
    row = access.find(call.tx, call.actor, spec.subject, spec.table, call.params[spec.id_param], action)
    if spec.parent is not None and getattr(row, spec.parent.column.key) != call.params[spec.parent.param]:
        raise access.missing(spec.subject)
    return row


def _row(spec: Resource, call: Call, id_: str) -> sa.Row[Any]:
    row = call.tx.one(sa.select(spec.table).where(spec.table.c.id == id_))
    if row is None:
        raise access.missing(spec.subject)
    return row


def _owner(spec: Resource, call: Call) -> str | None:
    return call.params[spec.parent.param] if spec.parent is not None and spec.parent.kind == "user" else None


def _within(spec: Resource, call: Call, action: str) -> list[sa.ColumnElement[bool]]:
    """The condition that keeps to the parent, which must be there for the actor."""
    if spec.parent is None:
        return []
    parent = access.find(call.tx, call.actor, spec.parent.kind, spec.parent.table, call.params[spec.parent.param])
    if (owner := _owner(spec, call)) is not None:
        access.allow(call.actor, action, Thing(spec.subject, owner_id=owner))
    return [spec.parent.column == parent.id]


def _values(spec: Resource, call: Call, body: Any, old: sa.Row[Any] | None) -> dict[str, Any]:
    if spec.values is None:
        raise TypeError(f"{spec.plural} declares neither values nor its own way to write")
    return spec.values(call, body, old)


def _audit(spec: Resource, call: Call, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    if not spec.audits:
        return
    resource = envelope.reference_of(after or before or {})
    root = None
    if spec.parent is not None:
        root = envelope.reference(call.house, spec.parent.kind, call.params[spec.parent.param], None)
    audit.record(call.tx, call.deed, resource, before=before, after=after, root=root)
