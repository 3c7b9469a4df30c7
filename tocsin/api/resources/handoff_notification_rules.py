"""Hand-off notification rules: how long before going on or coming off call a person is told, and where (BEHAVIOUR 6)."""

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
from tocsin.core import handoff
from tocsin.service import handoffs
from tocsin.store import people as store
from tocsin.store.tables.handoffs import handoff_rule
from tocsin.store.tables.people import user

TYPE = "oncall_handoff_notification_rule"


class HandoffRuleWrite(msgspec.Struct):
    """What a client may say of a rule."""

    notify_advance_in_minutes: Annotated[int, Meta(ge=0, le=handoff.ADVANCE_MOST)] | UnsetType = UNSET
    handoff_type: Literal["both", "oncall", "offcall"] | UnsetType = UNSET
    contact_method: Reference | UnsetType = UNSET


def _summary(row: sa.Row[Any]) -> str:
    what = {handoff.BOTH: "going on or off call", handoff.ONCALL: "going on call", handoff.OFFCALL: "coming off call"}[row.handoff_type]
    return f"{row.notify_advance_in_minutes} minutes before {what}" if row.notify_advance_in_minutes else f"at {what}"


def method_shown(call: Call, row: sa.Row[Any], methods: Mapping[str, sa.Row[Any]]) -> Body:
    """The rule's contact method: a reference, or the whole of it when it is to be included."""
    method = methods[row.contact_method_id]
    return contact_methods.body(call, method) if "contact_methods" in call.includes else contact_methods.reference(call, method)


def methods_of(call: Call, rows: Rows) -> dict[str, sa.Row[Any]]:
    """The contact methods of the people of these rules, by id."""
    found = store.contact_methods(call.tx, sorted({row.user_id for row in rows}))
    return {method.id: method for one in found.values() for method in one}


def shown(call: Call, rows: Rows) -> list[Body]:
    methods = methods_of(call, rows)
    return [
        {
            **envelope.common(call.house, TYPE, row.id, _summary(row), path=f"/users/{row.user_id}/{TYPE}s/{row.id}"),
            "notify_advance_in_minutes": row.notify_advance_in_minutes,
            "handoff_type": row.handoff_type,
            "contact_method": method_shown(call, row, methods),
        }
        for row in rows
    ]


def create(call: Call, sent: HandoffRuleWrite) -> str:
    """A new rule of the user in the path; at the hand-off itself, and for both kinds, unless it says else."""
    if sent.contact_method is UNSET:
        raise invalid("Contact method cannot be empty")
    columns: dict[str, Any] = {"notify_advance_in_minutes": 0, "handoff_type": handoff.BOTH, **_columns(sent)}
    return handoffs.add_rule(call.tx, call.deed, call.params["user_id"], **columns)


def update(call: Call, row: sa.Row[Any], sent: HandoffRuleWrite) -> None:
    """Change what was sent."""
    handoffs.change_rule(call.tx, call.deed, row, _columns(sent))


def _columns(sent: HandoffRuleWrite) -> dict[str, Any]:
    columns = given(sent, "notify_advance_in_minutes", "handoff_type")
    if isinstance(sent.contact_method, Reference):
        columns["contact_method_id"] = sent.contact_method.id
    return columns


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a rule."""
    handoffs.remove_rule(call.tx, call.deed, row)


HANDOFF_RULES = Resource(
    name=TYPE,
    plural=f"{TYPE}s",
    path=f"/users/{{user_id}}/{TYPE}s",
    id_param="oncall_handoff_notification_rule_id",
    tag="Users",
    scope="users",
    table=handoff_rule,
    parent=Parent(kind="user", table=user, param="user_id", column=handoff_rule.c.user_id),
    read=shown,
    write=HandoffRuleWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    order=(handoff_rule.c.notify_advance_in_minutes, handoff_rule.c.handoff_type),
    includes=frozenset({"contact_methods"}),
    paging=Paging.NONE,
)

DECLARED = (HANDOFF_RULES,)
