"""The audit trail: every change of configuration as a record of who changed what from what to what.

Laws:
1. A change that changes nothing leaves no record.
2. A record is written in the transaction of its change: both are kept, or neither.
3. Secrets are never part of a record; the caller hands in the wire form, which has none.
Shape: BEHAVIOUR 7, "Audit records".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from tocsin.base import json
from tocsin.core.permission import Actor
from tocsin.store import audit
from tocsin.store.db import Tx

CREATE, UPDATE, DELETE = "create", "update", "delete"

_UNTOLD: Final = frozenset({"id", "type", "summary", "self", "html_url"})


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does something, when, and from where: handed to every service function that changes configuration."""

    actor: Actor
    now: datetime
    chance: Random
    request_id: str = ""
    remote_address: str | None = None


def record(
    tx: Tx,
    deed: Deed,
    resource: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    root: Mapping[str, Any] | None = None,
) -> bool:
    """Record that `resource` (a reference) went from `before` to `after`; None is "did not exist". True if recorded.

    `root` is the reference of the object it is part of (the user of a contact method); itself when None.
    """
    old, new = before or {}, after or {}
    fields, references = [], []
    for name in dict.fromkeys([*old, *new]):
        was, is_ = old.get(name), new.get(name)
        if name in _UNTOLD or was == is_:
            continue
        if _are_references(was) or _are_references(is_):
            added, removed = _beyond(is_, was), _beyond(was, is_)
            if added or removed:
                references.append({"name": name, "added": added, "removed": removed})
        else:
            fields.append({"name": name, "value": _plain(is_), "before_value": _plain(was)})
    if before is not None and after is not None and not fields and not references:
        return False
    action = CREATE if before is None else DELETE if after is None else UPDATE
    details = {"resource": _named(resource), "fields": fields, "references": references}
    _write(tx, deed, action, root or resource, details)
    return True


def record_link(
    tx: Tx, deed: Deed, root: Mapping[str, Any], name: str, *, added: list[Any] | None = None, removed: list[Any] | None = None
) -> None:
    """Record that references were added to, or removed from, the list `name` of `root` (a member of a team)."""
    references = [
        {"name": name, "added": [_named(item) for item in added or []], "removed": [_named(item) for item in removed or []]}
    ]
    _write(tx, deed, UPDATE, root, {"resource": _named(root), "fields": [], "references": references})


def _write(tx: Tx, deed: Deed, action: str, root: Mapping[str, Any], details: dict[str, Any]) -> None:
    actor = deed.actor
    audit.append(
        tx,
        {
            "at": deed.now,
            "request_id": deed.request_id,
            "remote_address": deed.remote_address,
            "actor_type": "app_reference" if actor.kind == "house" else f"{actor.kind}_reference",
            "actor_id": actor.id,
            "actor_name": actor.name,
            "method": actor.method,
            "truncated_token": actor.key_last_four,
            "action": action,
            "root_type": root["type"],
            "root_id": root["id"],
            "details": {**details, "root": _named(root)},
        },
        deed.chance,
    )


def _named(reference: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a reference: its addresses are made when it is shown."""
    return {name: reference.get(name) for name in ("id", "type", "summary")}


def _are_references(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(item, Mapping) and str(item.get("type", "")).endswith("_reference") for item in items)


def _beyond(these: object, those: object) -> list[Any]:
    def listed(value: object) -> list[Any]:
        return [] if value is None else value if isinstance(value, list) else [value]

    known = {item["id"] for item in listed(those)}
    return [_named(item) for item in listed(these) if item["id"] not in known]


def _plain(value: object) -> Any:
    """Audit fields are texts on the wire; what is no text is shown as JSON shows it."""
    return value if value is None or isinstance(value, str) else json.text(value)
