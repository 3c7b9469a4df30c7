"""Dry runs over the API: who would be paged at an instant, by an escalation policy or for a service, if nobody acknowledged."""

from typing import Final

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.resources import schedules, shapes
from tocsin.base import times
from tocsin.core.events import Urgency
from tocsin.service import access, dry_run
from tocsin.service.dry_run import DryRun
from tocsin.store import policies, services
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, service

TAG: Final = "Dry Runs"


def of_policy(call: Call) -> Body:
    """For an incident of `urgency` (high) that opens `at` (now) and climbs this policy."""
    row = access.find(call.tx, call.actor, "escalation_policy", escalation_policy, call.id)
    policy = policies.load(call.tx, [row.id])[row.id]
    at = call.query.instant("at") or call.now
    schedules.check_year("at", at)
    urgency = Urgency(call.query.choice("urgency", [one.value for one in Urgency], default=Urgency.HIGH.value))
    return shown(call, dry_run.run(call.tx, call.actor, policy, at, urgency=urgency))


def of_service(call: Call) -> Body:
    """For an incident of this service that opens `at` (now); how urgent it is, is what the service says of that instant."""
    row = access.find(call.tx, call.actor, "service", service, call.id)
    policy = policies.load(call.tx, [row.escalation_policy_id])[row.escalation_policy_id]
    at = call.query.instant("at") or call.now
    schedules.check_year("at", at)
    rule = services.read_urgency(row.incident_urgency_rule, row.support_hours)
    return shown(call, dry_run.run(call.tx, call.actor, policy, at, rule=rule, escalates_low=row.escalates_low_urgency))


def shown(call: Call, found: DryRun) -> Body:
    """A dry run as a body; a schedule the asker may not see is not named."""
    zone = schedules.zone_asked_for(call.query, "UTC")
    people = shapes.rows_by_id(call, user, found.user_ids)
    on = {one.person.schedule_id for step in found.steps for one in step.people}
    seen = shapes.seen_by_id(call, "schedule", schedule, on)

    def on_schedule(id_: str | None) -> Body | None:
        return shapes.reference_in(call, "schedule", id_, seen) if id_ is not None and id_ in seen else None

    return {
        "type": "dry_run",
        "at": times.iso(found.at, zone),
        "urgency": found.urgency.value,
        "escalation_policy": envelope.reference(call.house, "escalation_policy", found.policy.id, found.policy.name),
        "steps": [
            {
                "at": times.iso(step.at, zone),
                "escalation_level": step.level,
                "round": step.round,
                "people": [
                    {
                        "user": shapes.reference_in(call, "user", one.person.user_id, people),
                        "schedule": on_schedule(one.person.schedule_id),
                        "pages": [{"at": times.iso(page.at, zone), "by": page.kind} for page in one.pages],
                    }
                    for one in step.people
                ],
                "skipped": [{"escalation_level": skip.level + 1, "reason": skip.reason} for skip in step.skipped],
            }
            for step in found.steps
        ],
        "end": {
            "at": times.iso(found.ends_at, zone) if found.ends_at else None,
            "words": found.end,
            "skipped": [{"escalation_level": skip.level + 1, "reason": skip.reason} for skip in found.end_skipped],
        },
    }


DECLARED = (
    Report("/api/v1/escalation_policies/{id}/dry_run", TAG, of_policy, scope="escalation_policies.read", wrap_out="dry_run"),
    Report("/api/v1/services/{id}/dry_run", TAG, of_service, scope="services.read", wrap_out="dry_run"),
)
