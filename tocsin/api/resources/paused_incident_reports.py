"""Reports on alerts that were held back: how many, and how it ended (BEHAVIOUR 2.2 and 10, tag Paused Incident Reports)."""

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from tocsin.api.kernel import filters
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.base.times import Span
from tocsin.service import access
from tocsin.store import pauses
from tocsin.store.pauses import AUTO_PAUSE, RESOLVED, RULES, TRIGGERED
from tocsin.store.tables.service_rules import paused_alert
from tocsin.store.tables.services import service

TAG = "Paused Incident Reports"
LOOKED_BACK: Final = timedelta(days=184)
"""How far back a report may reach (six months), and how far it does when nothing is said."""
TOLD: Final = 5
"""Alerts named of each kind."""


def _asked(call: Call) -> tuple[Span, list[sa.ColumnElement[bool]]]:
    """The stretch that is reported on, and which pauses are within the report."""
    span = filters.since_until(call.query, call.now, default=LOOKED_BACK, longest=LOOKED_BACK)
    earliest = call.now - LOOKED_BACK
    if span is not None and span.start < earliest and call.query.one("since") is None:
        span = Span(earliest, max(span.end, earliest))
    if span is None or span.start < earliest:
        raise invalid_arguments(f"since must be within the last {LOOKED_BACK.days} days: no report reaches further back")
    conditions = [paused_alert.c.created_at >= span.start, paused_alert.c.created_at <= span.end]
    if id_ := call.query.one("service_id"):
        conditions.append(paused_alert.c.service_id == access.find(call.tx, call.actor, "service", service, id_).id)
    seen = access.visible(call.actor, "service")
    if seen is not None:
        conditions.append(paused_alert.c.service_id.in_(sa.select(service.c.id).where(seen)))
    by = call.query.choice("suspended_by", (AUTO_PAUSE, RULES), default="")
    return span, conditions + ([paused_alert.c.suspended_by == by] if by else [])


def _span(span: Span) -> Body:
    return {"since": times.iso(span.start), "until": times.iso(span.end)}


def counts(call: Call) -> Body:
    span, conditions = _asked(call)
    found = pauses.counts(call.tx, conditions)
    return {
        **_span(span),
        "paused_count": sum(found.values()),
        "triggered_after_pause_count": found.get(TRIGGERED, 0),
        "resolved_after_pause_count": found.get(RESOLVED, 0),
    }


def alerts(call: Call) -> Body:
    span, conditions = _asked(call)
    told = {
        f"{ending}_after_pause_alerts": [
            {"id": one.alert_id, "service_id": one.service_id, "created_at": times.iso(one.created_at)}
            for one in pauses.newest(call.tx, conditions, ending, TOLD)
        ]
        for ending in (TRIGGERED, RESOLVED)
    }
    return {**_span(span), **told}


DECLARED = (
    Report("/paused_incident_reports/alerts", TAG, alerts, scope="incidents.read", wrap_out="paused_incident_reporting_alerts"),
    Report("/paused_incident_reports/counts", TAG, counts, scope="incidents.read", wrap_out="paused_incident_reporting_counts"),
)
