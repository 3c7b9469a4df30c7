"""Tags on users, teams and escalation policies, as PagerDuty's API shows them (BEHAVIOUR 10, tag Tags)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import CREATE, DELETE, LIST, SHOW, Action, Body, Report, Resource, Rows
from tocsin.base.errors import invalid, not_found
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, tags
from tocsin.service.tags import Wish
from tocsin.store.tables.attachments import tag, tagged
from tocsin.store.tables.people import team, user
from tocsin.store.tables.services import escalation_policy

KIND: Final = "tag"
TAG: Final = "Tags"


@dataclass(frozen=True, slots=True)
class Entity:
    """What may have tags: its kind, and its table."""

    kind: str
    table: sa.Table


ENTITIES: Final[Mapping[str, Entity]] = {
    "users": Entity("user", user),
    "teams": Entity("team", team),
    "escalation_policies": Entity("escalation_policy", escalation_policy),
}
"""By the word of the path."""


class TagWrite(msgspec.Struct):
    """What a client says of a new tag."""

    label: str
    type: str = KIND


class TagWish(msgspec.Struct):
    """A tag to be put on: by its label, or by the id of one there is."""

    type: Literal["tag", "tag_reference"]
    label: str | None = None
    id: str | None = None


class TagGone(msgspec.Struct):
    """A tag to be taken off."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    type: str = "tag_reference"


class Changes(msgspec.Struct):
    """The body of a change of a thing's tags."""

    add: Annotated[list[TagWish], Meta(max_length=tags.CHANGES_MOST)] | None = None
    remove: Annotated[list[TagGone], Meta(max_length=tags.CHANGES_MOST)] | None = None


def shown(call: Call, rows: Rows) -> list[Body]:
    return [{**envelope.common(call.house, KIND, row.id, row.label), "label": row.label} for row in rows]


def create(call: Call, body: TagWrite) -> str:
    return tags.create(call.tx, call.deed, body.label)


def remove(call: Call, row: sa.Row[Any]) -> None:
    tags.delete(call.tx, call.deed, row)


def change(call: Call, body: Changes) -> Body:
    """Put tags on a user, team or escalation policy, and take others off; labels that are new become tags."""
    entity, row = _entity(call, permission.UPDATE)
    wishes, errors = [], []
    for one in body.add or []:
        if one.type == "tag_reference" and not one.id:
            errors.append("A tag_reference to be added needs an id")
        elif one.type == "tag" and one.label is None:
            errors.append("A tag to be added needs a label")
        else:
            wishes.append(Wish(id=one.id) if one.type == "tag_reference" else Wish(label=one.label))
    if errors:
        raise invalid(*dict.fromkeys(errors))
    reference = envelope.reference(call.house, entity.kind, row.id, row.name)
    tags.change(call.tx, call.deed, reference, wishes, [one.id for one in body.remove or []])
    return {}


def of_entity(call: Call) -> Body:
    """The tags of a user, team or escalation policy, by label."""
    entity, row = _entity(call, permission.READ)
    access.allow(call.actor, permission.READ, Thing(KIND))
    chosen = sa.select(tag).join(tagged, tagged.c.tag_id == tag.c.id).where(tagged.c.kind == entity.kind, tagged.c.thing_id == row.id)
    part, window = paging.page_of(call.query, list(call.tx.rows(chosen.order_by(tag.c.label, tag.c.id))), default=100)
    return {"tags": shown(call, part), **window}


def of_tag(call: Call) -> Body:
    """The users, teams or escalation policies that have a tag, as references, by name; those the actor may see."""
    entity = _known(call)
    row = access.find(call.tx, call.actor, KIND, tag, call.id)
    table, window = entity.table, paging.window(call.query, default=100)
    seen = access.visible(call.actor, entity.kind)
    chosen = (
        sa.select(table.c.id, table.c.name)
        .join(tagged, sa.and_(tagged.c.thing_id == table.c.id, tagged.c.kind == entity.kind))
        .where(tagged.c.tag_id == row.id, *([] if seen is None else [seen]))
    )
    rows = call.tx.rows(chosen.order_by(table.c.name, table.c.id).limit(window.limit + 1).offset(window.offset))
    total = call.tx.scalar(sa.select(sa.func.count()).select_from(chosen.subquery())) if window.wants_total else None
    listed = [envelope.reference(call.house, entity.kind, one.id, one.name) for one in rows[: window.limit]]
    return {call.params["entity_type"]: listed, **window.answer(more=len(rows) > window.limit, total=total)}


def _known(call: Call) -> Entity:
    entity = ENTITIES.get(call.params["entity_type"])
    if entity is None:
        raise not_found()
    return entity


def _entity(call: Call, action: str) -> tuple[Entity, sa.Row[Any]]:
    """The thing that the path names. Raises 404 or 403."""
    entity = _known(call)
    return entity, access.find(call.tx, call.actor, entity.kind, entity.table, call.id, action)


TAGS = Resource(
    name=KIND,
    plural="tags",
    path="/tags",
    tag=TAG,
    table=tag,
    verbs=(LIST, SHOW, CREATE, DELETE),
    read=shown,
    write=TagWrite,
    create=create,
    delete=remove,
    audits=False,
    searched=(tag.c.label,),
    order=(tag.c.label,),
    limit=100,
)

DECLARED = (
    TAGS,
    Report("/tags/{id}/{entity_type}", TAG, of_tag, scope="tags.read"),
    Action(method="POST", path="/{entity_type}/{id}/change_tags", tag=TAG, run=change, body=Changes, scope="tags.write"),
    Report("/{entity_type}/{id}/tags", TAG, of_entity, scope="tags.read"),
)
