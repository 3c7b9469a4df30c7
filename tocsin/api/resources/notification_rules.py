"""Notification rules: after how many minutes a person is reached on which contact method (BEHAVIOUR 6)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Paging, Parent, Reference, Resource, Rows, given
from tocsin.api.resources import contact_methods
from tocsin.base.errors import invalid
from tocsin.service import people
from tocsin.store import people as store
from tocsin.store.tables.people import notification_rule, user

TYPE = "assignment_notification_rule"


class RuleWrite(msgspec.Struct):
    """What a client may say of a rule."""

    start_delay_in_minutes: Annotated[int, Meta(ge=0, le=people.DELAY_MOST)] | UnsetType = UNSET
    contact_method: Reference | UnsetType = UNSET
    urgency: Literal["high", "low"] | UnsetType = UNSET


def path(row: sa.Row[Any]) -> str:
    return f"/users/{row.user_id}/notification_rules/{row.id}"


def reference(call: Call, row: sa.Row[Any]) -> Body:
    return envelope.reference(call.house, TYPE, row.id, _summary(row), path=path(row))


def _summary(row: sa.Row[Any]) -> str:
    minutes = row.start_delay_in_minutes
    return f"{minutes} minutes: {row.urgency} urgency" if minutes else f"immediately: {row.urgency} urgency"


def body(call: Call, row: sa.Row[Any], kinds: Mapping[str, str]) -> Body:
    """A rule; its contact method as a reference. `kinds` maps contact method ids to channel kinds."""
    type_ = contact_methods.wire_type(kinds[row.contact_method_id])
    at = f"/users/{row.user_id}/contact_methods/{row.contact_method_id}"
    return {
        **envelope.common(call.house, TYPE, row.id, _summary(row), path=path(row)),
        "start_delay_in_minutes": row.start_delay_in_minutes,
        "urgency": row.urgency,
        "contact_method": envelope.reference(call.house, type_, row.contact_method_id, None, path=at),
    }


def shown(call: Call, rows: Rows) -> list[Body]:
    methods = {
        method.id: method for one in store.contact_methods(call.tx, [row.user_id for row in rows]).values() for method in one
    }
    kinds = {id_: method.kind for id_, method in methods.items()}
    told = [body(call, row, kinds) for row in rows]
    if "contact_methods" in call.includes:
        for row, rule in zip(rows, told, strict=True):
            rule["contact_method"] = contact_methods.body(call, methods[row.contact_method_id])
    return told


def of_urgency(call: Call) -> list[sa.ColumnElement[bool]]:
    """`urgency=high|low|all`; high when nothing is said."""
    urgency = call.query.choice("urgency", ("high", "low", "all"), default="high")
    return [] if urgency == "all" else [notification_rule.c.urgency == urgency]


def create(call: Call, sent: RuleWrite) -> str:
    """A new rule of the user in the path."""
    names = ("start_delay_in_minutes", "contact_method", "urgency")
    if missing := [name for name in names if getattr(sent, name) is UNSET]:
        raise invalid(*(f"{name.replace('_', ' ').capitalize()} cannot be empty" for name in missing))
    return people.add_notification_rule(call.tx, call.deed, call.params["user_id"], **_columns(sent))


def update(call: Call, row: sa.Row[Any], sent: RuleWrite) -> None:
    """Change what was sent."""
    people.change_notification_rule(call.tx, call.deed, row, _columns(sent))


def _columns(sent: RuleWrite) -> dict[str, Any]:
    columns = given(sent, "start_delay_in_minutes", "urgency")
    if isinstance(sent.contact_method, Reference):
        columns["contact_method_id"] = sent.contact_method.id
    return columns


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a rule."""
    people.remove_notification_rule(call.tx, call.deed, row)


NOTIFICATION_RULES = Resource(
    name="notification_rule",
    plural="notification_rules",
    path="/users/{user_id}/notification_rules",
    id_param="notification_rule_id",
    tag="Users",
    scope="users:contact_methods",
    table=notification_rule,
    parent=Parent(kind="user", table=user, param="user_id", column=notification_rule.c.user_id),
    read=shown,
    write=RuleWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    where=of_urgency,
    order=(notification_rule.c.start_delay_in_minutes, notification_rule.c.urgency),
    includes=frozenset({"contact_methods"}),
    paging=Paging.NONE,
)

DECLARED = (NOTIFICATION_RULES,)
