"""Notifications: every try to reach somebody within a range, newest first (tag Notifications)."""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.filters import since_until
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.resources import incident_shapes, shapes, users
from tocsin.base import times
from tocsin.base.errors import missing_arguments
from tocsin.service import access
from tocsin.store.tables.engine import delivery
from tocsin.store.tables.incidents import incident
from tocsin.store.tables.people import user

RANGE_MOST: Final = timedelta(days=92)

TYPES: Final = {
    "email": "email_notification",
    "sms": "sms_notification",
    "phone": "phone_notification",
    "voice": "phone_notification",
    "push": "push_notification",
}
"""A channel's kind → PagerDuty's type; a kind it has no word for is `<kind>_notification`."""


def list_(call: Call) -> Body:
    if not call.query.one("since") or not call.query.one("until"):
        raise missing_arguments("since and until are needed: which notifications are wanted?")
    span = since_until(call.query, call.now, default=RANGE_MOST, longest=RANGE_MOST)
    conditions: list[sa.ColumnElement[bool]] = []
    if span is not None:
        conditions += [delivery.c.started_at >= span.start, delivery.c.started_at < span.end]
    asked = call.query.choice("filter", tuple(dict.fromkeys(TYPES.values())), default="")
    if asked:
        conditions.append(delivery.c.channel.in_([kind for kind, type_ in TYPES.items() if type_ == asked]))
    seen = access.visible(call.actor, "incident")
    if seen is not None:
        conditions.append(delivery.c.incident_id.in_(sa.select(incident.c.id).where(seen)))
    window = paging.window(call.query)
    statement = sa.select(delivery).where(*conditions).order_by(delivery.c.started_at.desc(), delivery.c.id.desc())
    rows = call.tx.rows(statement.limit(window.limit + 1).offset(window.offset))
    total = None
    if window.wants_total:
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(delivery).where(*conditions))
    page = rows[: window.limit]
    people = shapes.rows_by_id(call, user, (row.user_id for row in page))
    whole = {}
    if "users" in call.includes:
        whole = {body["id"]: body for body in users.shown(call, list(people.values()))}
    zone = incident_shapes.zone_of(call)
    listed = [
        {
            "id": row.id,
            "type": TYPES.get(row.channel, f"{row.channel}_notification"),
            "started_at": times.iso(row.started_at, zone),
            "address": row.address,
            "status": row.outcome or "in_progress",
            "user": whole.get(row.user_id) or shapes.reference_in(call, "user", row.user_id, people),
            "incident": envelope.reference(call.house, "incident", row.incident_id, None) if row.incident_id else None,
        }
        for row in page
    ]
    return {"notifications": listed, **window.answer(more=len(rows) > window.limit, total=total)}


DECLARED = (
    Report("/notifications", "Notifications", list_, scope="users:notifications.read", includes=frozenset({"users"})),
)
