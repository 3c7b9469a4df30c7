"""Status-update notification rules: on which contact methods a person hears of an incident's status updates (BEHAVIOUR 6)."""

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, verbs
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import CREATE, DELETE, LIST, UPDATE, Body, Paging, Parent, Reference, Report, Resource, Rows
from tocsin.api.resources.handoff_notification_rules import method_shown, methods_of
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.service import handoffs
from tocsin.store.tables.handoffs import status_update_rule
from tocsin.store.tables.people import user

TYPE = "status_update_notification_rule"


class StatusUpdateRuleWrite(msgspec.Struct):
    """What a client may say of a rule."""

    contact_method: Reference | UnsetType = UNSET


def shown(call: Call, rows: Rows) -> list[Body]:
    methods = methods_of(call, rows)
    return [
        {
            **envelope.common(
                call.house, TYPE, row.id, f"{methods[row.contact_method_id].label}: status updates",
                path=f"/users/{row.user_id}/{TYPE}s/{row.id}",
            ),
            "contact_method": method_shown(call, row, methods),
            "created_at": times.iso(row.created_at),
        }
        for row in rows
    ]  # fmt: skip


def create(call: Call, sent: StatusUpdateRuleWrite) -> str:
    """A new rule of the user in the path."""
    return handoffs.add_status_update_rule(call.tx, call.deed, call.params["user_id"], _method(sent))


def update(call: Call, row: sa.Row[Any], sent: StatusUpdateRuleWrite) -> None:
    """Let the rule use another contact method."""
    handoffs.change_status_update_rule(call.tx, call.deed, row, _method(sent))


def _method(sent: StatusUpdateRuleWrite) -> str:
    if not isinstance(sent.contact_method, Reference):
        raise invalid("Contact method cannot be empty")
    return sent.contact_method.id


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a rule."""
    handoffs.remove_status_update_rule(call.tx, call.deed, row)


STATUS_UPDATE_RULES = Resource(
    name=TYPE,
    plural=f"{TYPE}s",
    path=f"/users/{{user_id}}/{TYPE}s",
    id_param="status_update_notification_rule_id",
    tag="Users",
    scope="users",
    table=status_update_rule,
    parent=Parent(kind="user", table=user, param="user_id", column=status_update_rule.c.user_id),
    read=shown,
    verbs=(LIST, CREATE, UPDATE, DELETE),
    write=StatusUpdateRuleWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    order=(status_update_rule.c.created_at,),
    includes=frozenset({"contact_methods"}),
    paging=Paging.NONE,
)



def one(call: Call) -> Reply:
    """A rule, in the wrapper that the published shape names and in the one that clients read."""
    found: Body = verbs.show(STATUS_UPDATE_RULES, call).body
    return Reply(200, found | {"notification_rule": found[TYPE]})


DECLARED = (
    STATUS_UPDATE_RULES,
    Report(f"{STATUS_UPDATE_RULES.path}/{{{STATUS_UPDATE_RULES.id_param}}}", "Users", one, scope="users.read"),
)
