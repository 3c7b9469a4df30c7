"""Coverage over the API: for each policy and its services when nobody would be reached, when only late or by another level, and why."""

from datetime import timedelta
from typing import Final

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.resources import schedules
from tocsin.base import times
from tocsin.base.times import Span
from tocsin.service import coverage as service

UNASKED: Final = timedelta(weeks=4)
"""How far is looked when nothing is said."""


def coverage(call: Call) -> Body:
    """The proof from `since` (now) to `until` (four weeks later), for the policies, services and teams asked for, or all."""
    start = call.query.instant("since") or call.now
    until = call.query.instant("until")
    for name, instant in (("since", start), ("until", until)):
        schedules.check_year(name, instant)
    found = service.look(
        call.tx,
        call.actor,
        Span(start, until or start + UNASKED),
        service_ids=call.query.many("service_ids[]"),
        policy_ids=call.query.many("escalation_policy_ids[]"),
        team_ids=call.query.many("team_ids[]"),
    )
    zone = schedules.zone_asked_for(call.query, "UTC")

    def named(kind: str, id_: str, name: str | None) -> Body:
        return envelope.reference(call.house, kind, id_, name)

    return {
        "type": "coverage",
        "since": times.iso(found.span.start, zone),
        "until": times.iso(found.span.end, zone),
        "policies": [
            {
                "escalation_policy": named("escalation_policy", one.policy.id, one.policy.name),
                "services": [named("service", each.id, each.name) for each in one.services],
                "covered_percentage": round(one.covered_share, 2),
                "gaps": [schedules.reached(each, zone) for each in one.gaps],
                "weak": [schedules.reached(each, zone) for each in one.weak],
            }
            for one in found.policies
        ],
        "at_two_places": [
            {
                "start": times.iso(one.start, zone),
                "end": times.iso(one.end, zone),
                "user": named("user", one.user_id, found.user_names.get(one.user_id)),
                "schedules": [named("schedule", id_, found.schedule_names[id_]) for id_ in one.schedule_ids],
            }
            for one in found.doubles
        ],
    }


DECLARED = (Report("/api/v1/coverage", "Coverage", coverage, scope="oncalls.read", wrap_out="coverage"),)
