"""The audit trail, newest first, by cursor (BEHAVIOUR 7, "Audit records")."""

from datetime import timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel import envelope, filters, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.base.errors import invalid_arguments
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.store import audit as store
from tocsin.store.tables import people, schedules, services
from tocsin.store.tables.engine import audit
from tocsin.store.types import from_micros, to_micros

DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=31)
"""How far apart `since` and `until` may be."""

METHODS: Final = frozenset({"browser", "oauth", "api_token", "identity_provider", "other"})
"""PagerDuty's words for how a change came; ours beyond these (mail, sms …) are `other`, and said in the description."""

ROOTS: Final = {
    "users": ("user", people.user),
    "teams": ("team", people.team),
    "schedules": ("schedule", schedules.schedule),
    "escalation_policies": ("escalation_policy", services.escalation_policy),
    "services": ("service", services.service),
}
"""By plural, the kinds of thing whose records can be asked for one by one."""


def records(call: Call) -> Body:
    """Records of the whole account; for Global Admins and the Account Owner."""
    access.allow(call.actor, permission.READ, Thing("audit_record"))
    conditions: list[sa.ColumnElement[bool]] = []
    if roots := call.query.many("root_resource_types[]"):
        if unknown := sorted(set(roots) - {*ROOTS, "ip_allow_lists"}):
            raise invalid_arguments(f"root_resource_types[] does not know {', '.join(unknown)}")
        conditions.append(audit.c.root_type.in_([f"{ROOTS[root][0]}_reference" for root in roots if root in ROOTS]))
    if actions := call.query.many("actions[]"):
        conditions.append(audit.c.action.in_(actions))
    for parameter, column in (
        ("actor_type", audit.c.actor_type),
        ("actor_id", audit.c.actor_id),
        ("method_type", audit.c.method),
        ("method_truncated_token", audit.c.truncated_token),
    ):
        if (value := call.query.one(parameter)) is not None:
            conditions.append(column == value)
    return _page(call, conditions)


def of_root(kind: str, table: sa.Table, call: Call) -> Body:
    """Records of one thing and what is part of it; for whoever may change it."""
    access.find(call.tx, call.actor, kind, table, call.id, permission.READ)
    if call.actor.base < permission.Level.MANAGER:
        access.allow(call.actor, permission.READ, Thing("audit_record"))
    return _page(call, [audit.c.root_type == f"{kind}_reference", audit.c.root_id == call.id])


def _page(call: Call, conditions: list[sa.ColumnElement[bool]]) -> Body:
    span = filters.since_until(call.query, call.now, default=DAY, longest=LONGEST)
    if span is not None:
        conditions = [*conditions, audit.c.at >= span.start, audit.c.at <= span.end]
    limit = min(call.query.whole("limit", default=paging.LIMIT_MOST, least=1, most=10_000), paging.LIMIT_MOST)
    named = paging.read_cursor(call.query, 2)
    if named is not None and not (isinstance(named[0], int) and abs(named[0]) < 2**62 and isinstance(named[1], str)):
        raise invalid_arguments("cursor is not one that this server gave")
    after = (from_micros(named[0]), named[1]) if named is not None else None
    rows = store.page(call.tx, conditions, limit=limit + 1, after=after)
    shown = rows[:limit]
    following = paging.cursor(to_micros(shown[-1].at), shown[-1].id) if len(rows) > limit else None
    return {"records": [_record(call, row) for row in shown], "response_metadata": None, "limit": limit, "next_cursor": following}


def _record(call: Call, row: sa.Row[Any]) -> Body:
    details = row.details
    named = {"id": row.actor_id or "", "type": row.actor_type, "summary": row.actor_name}
    return {
        "id": row.id,
        "self": None,
        "execution_time": row.at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{row.at.microsecond // 1000:03d}Z",
        "execution_context": {"request_id": row.request_id or None, "remote_address": row.remote_address},
        "actors": [_addressed(call, named)],
        "method": {
            "type": row.method if row.method in METHODS else "other",
            "description": None if row.method in METHODS else row.method,
            "truncated_token": row.truncated_token,
        },
        "root_resource": _addressed(call, details["root"]),
        "action": row.action,
        "details": {
            "resource": _addressed(call, details["resource"]),
            "fields": details["fields"],
            "references": [
                {
                    "name": reference["name"],
                    "added": [_addressed(call, one) for one in reference["added"]],
                    "removed": [_addressed(call, one) for one in reference["removed"]],
                }
                for reference in details["references"]
            ],
        },
    }


def _addressed(call: Call, reference: Body) -> Body:
    """A reference with its addresses, as far as its type has any."""
    return envelope.reference(call.house, reference["type"].removesuffix("_reference"), reference["id"], reference["summary"])


def _of(plural: str) -> Action:
    kind, table = ROOTS[plural]
    tag = plural.replace("_", " ").title()
    return Report(f"/{plural}/{{id}}/audit/records", tag, partial(of_root, kind, table), scope="audit_records.read")


DECLARED = (
    Report("/audit/records", "Audit", records, scope="audit_records.read"),
    *(_of(plural) for plural in ROOTS),
)
