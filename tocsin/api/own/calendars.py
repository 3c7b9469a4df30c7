"""A new secret address for the calendar of a schedule, which PagerDuty has only for people."""

from tocsin.api import feeds
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body
from tocsin.core import permission
from tocsin.service import access, calendars
from tocsin.store.tables.schedules import schedule


def regenerate(call: Call) -> Body:
    """The old addresses answer no more; the new ones are told."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id, permission.UPDATE)
    key = calendars.regenerate(call.tx, call.deed, call.seals, "schedule", row.id)
    fresh = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    return {
        "private_url_key": key,
        **feeds.addresses(call.seals, call.house.base_url, "schedule", row.id, fresh.calendar_digest),
    }


DECLARED = (
    Action(
        method="POST",
        path="/api/v1/schedules/{id}/regenerate_private_url_key",
        tag="Schedules",
        run=regenerate,
        scope="schedules.write",
    ),
)
