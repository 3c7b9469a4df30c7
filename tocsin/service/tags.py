"""Tags on users, teams and escalation policies: the one door by which they are made, put on, taken off and ended.

Laws:
1. A label is unique as it is written, letter for letter; a tag that is asked for by a label there is, is that tag.
2. A change of a thing's tags is whole or not at all; what is so already changes nothing and leaves no audit record.
Source: BEHAVIOUR 7 and 10 (tags).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, audit
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.tables.attachments import tag, tagged

LABEL_MOST: Final = 191
TAGS_MOST: Final = 10_000
"""Tags of the account."""
EACH_MOST: Final = 100
"""Tags that one thing has."""
CHANGES_MOST: Final = 100
"""Tags that one change adds, and that it removes."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A tag by its id, or by its label, which need not be there yet."""

    id: str | None = None
    label: str | None = None


def create(tx: Tx, deed: Deed, label: str) -> str:
    """A new tag. Returns its id. Raises 400, also when there is one of that label."""
    _check(label)
    if _labelled(tx, label) is not None:
        raise invalid("Label has already been taken")
    return _made(tx, deed, label)


def delete(tx: Tx, deed: Deed, row: sa.Row[Any]) -> None:
    """End a tag; whatever has it has it no more."""
    tx.execute(sa.delete(tag).where(tag.c.id == row.id))
    audit.record(tx, deed, reference(row.id, row.label), before={"label": row.label}, after=None)


def change(tx: Tx, deed: Deed, root: Mapping[str, Any], add: Sequence[Wish], remove: Sequence[str]) -> None:
    """Put tags on a thing (a reference) and take others off (by id). Raises 400, 403."""
    if len(add) > CHANGES_MOST or len(remove) > CHANGES_MOST:
        raise invalid(f"At most {CHANGES_MOST} tags can be added, and {CHANGES_MOST} removed, at once")
    kind, thing_id = str(root["type"]).removesuffix("_reference"), str(root["id"])
    named = {one.id for one in add if one.id} | set(remove)
    known = {row.id: row.label for row in tx.rows(sa.select(tag).where(tag.c.id.in_(sorted(named))))} if named else {}
    if missing := sorted(named - known.keys()):
        raise invalid(*(f"There is no tag {id_[:40]}" for id_ in missing))
    wanted = dict.fromkeys(one.id or _found_or_made(tx, deed, one.label or "") for one in add)
    has = {row.tag_id for row in tx.rows(sa.select(tagged.c.tag_id).where(tagged.c.kind == kind, tagged.c.thing_id == thing_id))}
    off = [id_ for id_ in dict.fromkeys(remove) if id_ in has]
    on = [id_ for id_ in wanted if id_ not in has or id_ in off]
    if len(has) - len(off) + len(on) > EACH_MOST:
        raise invalid(f"A {kind.replace('_', ' ')} may have at most {EACH_MOST} tags")
    off, on = [id_ for id_ in off if id_ not in on], [id_ for id_ in on if id_ not in has]
    if off:
        tx.execute(sa.delete(tagged).where(tagged.c.kind == kind, tagged.c.thing_id == thing_id, tagged.c.tag_id.in_(off)))
    if on:
        tx.execute(sa.insert(tagged), [{"tag_id": id_, "kind": kind, "thing_id": thing_id} for id_ in on])
    if on or off:
        labels = {row.id: row.label for row in tx.rows(sa.select(tag).where(tag.c.id.in_([*on, *off])))}
        added, removed = ([reference(id_, labels[id_]) for id_ in part] for part in (on, off))
        audit.record_link(tx, deed, root, "tags", added=added, removed=removed)


def forget(tx: Tx, kind: str, thing_id: str) -> None:
    """Take all tags off a thing that is about to go."""
    tx.execute(sa.delete(tagged).where(tagged.c.kind == kind, tagged.c.thing_id == thing_id))


def reference(id_: str, label: str) -> dict[str, Any]:
    return {"id": id_, "type": "tag_reference", "summary": label}


def _found_or_made(tx: Tx, deed: Deed, label: str) -> str:
    _check(label)
    row = _labelled(tx, label)
    if row is not None:
        return str(row.id)
    access.allow(deed.actor, permission.CREATE, Thing("tag"))
    return _made(tx, deed, label)


def _made(tx: Tx, deed: Deed, label: str) -> str:
    if (tx.scalar(sa.select(sa.func.count()).select_from(tag)) or 0) >= TAGS_MOST:
        raise invalid(f"There may be at most {TAGS_MOST} tags")
    id_ = ids.object_id(deed.chance)
    tx.execute(sa.insert(tag), {"id": id_, "label": label, "created_at": deed.now})
    audit.record(tx, deed, reference(id_, label), before=None, after={"label": label})
    return id_


def _labelled(tx: Tx, label: str) -> sa.Row[Any] | None:
    return tx.one(sa.select(tag).where(tag.c.label == label))


def _check(label: str) -> None:
    if not label.strip():
        raise invalid("Label cannot be empty")
    if len(label) > LABEL_MOST:
        raise invalid(f"Label may have at most {LABEL_MOST} characters")
