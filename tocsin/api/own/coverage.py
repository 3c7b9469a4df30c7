"""Coverage over the API: for each policy and its services when nobody would be reached, when only late or by another level, and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.routes import Route, Table
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import (
    contact_methods,
    escalation_policies,
    notification_rules,
    schedules,
    services,
    shapes,
    teams,
    users,
)
from tocsin.base import json, times
from tocsin.base.errors import invalid
from tocsin.base.times import Span
from tocsin.service import coverage as service
from tocsin.service.coverage import Change, Proven
from tocsin.store import coverage as store
from tocsin.store.db import Tx, Within

UNASKED: Final = timedelta(weeks=4)
"""How far is looked when nothing is said."""


def span_asked_for(call: Call) -> Span:
    """From `since` (now) to `until` (four weeks later)."""
    start = call.query.instant("since") or call.now
    until = call.query.instant("until")
    for name, instant in (("since", start), ("until", until)):
        schedules.check_year(name, instant)
    return Span(start, until or start + UNASKED)


def coverage(call: Call) -> Body:
    """The proof over the span, for the policies, services and teams asked for, or all."""
    found = service.look(
        call.tx,
        call.actor,
        span_asked_for(call),
        service_ids=call.query.many("service_ids[]"),
        policy_ids=call.query.many("escalation_policy_ids[]"),
        team_ids=call.query.many("team_ids[]"),
    )
    zone = schedules.zone_asked_for(call.query, "UTC")
    rotas = shapes.schedules_named(call, found.schedule_names)
    known = store.holes(call.tx, [one.policy.id for one in found.policies])

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
                **_proven(one, zone),
                "known_since": [
                    {
                        "service": cause.service_id or None, "kind": cause.kind, "level": cause.level, "about": cause.about or None,
                        "since": times.iso(hole.found_at, zone), "after": hole.after,
                    }
                    for cause, hole in sorted(known.items()) if cause.policy_id == one.policy.id
                ],
                "by_service": [
                    {"service": named("service", each.service.id, each.service.name), **_proven(each, zone)} for each in one.own
                ],
            }
            for one in found.policies
        ],
        "at_two_places": [
            {
                "start": times.iso(one.start, zone),
                "end": times.iso(one.end, zone),
                "user": named("user", one.user_id, found.user_names.get(one.user_id)),
                "schedules": [rotas[id_] for id_ in one.schedule_ids],
            }
            for one in found.doubles
        ],
    }


def _proven(one: Proven, zone: tzinfo) -> Body:
    return {
        "covered_percentage": round(one.covered_share, 2),
        "gaps": [schedules.reached(each, zone) for each in one.gaps],
        "weak": [schedules.reached(each, zone) for each in one.weak],
    }


# ------------------------------------------------------------------------------------------------------------ previews


class Wish(msgspec.Struct):
    """A request to this API that is to be tried and not kept."""

    method: Annotated[str, Meta(max_length=10)]
    path: Annotated[str, Meta(max_length=500)]
    query: dict[str, str | list[str]] = {}
    body: dict[str, Any] | None = None


TRIED: Final = Table((
    *contact_methods.DECLARED, *escalation_policies.DECLARED, *notification_rules.DECLARED, *schedules.DECLARED,
    *services.DECLARED, *teams.DECLARED, *users.DECLARED,
))  # fmt: skip
"""What may be tried: every change that bears on who is reached."""


def preview(call: Call, wish: Wish) -> Body | Reply:
    """What another request would open, close or delay, without doing it: `{"change": {"method", "path", "query", "body"}}`.

    It is answered with its own refusal when it would be refused.
    """
    matched = TRIED.match(wish.method.upper(), wish.path.partition("?")[0])
    if matched is None or not isinstance(matched[0], Route) or not matched[0].writes:
        raise invalid("change must be a request that changes a policy, schedule, override, service, team, user, contact method or notification rule, such as DELETE /users/{id}/contact_methods/{id}")
    pairs = [(name, one) for name, value in wish.query.items() for one in ([value] if isinstance(value, str) else value)]
    headers = {name: value for name, value in call.request.headers.items() if name != "content-encoding"}
    sent = b"" if wish.body is None else json.encode(wish.body)
    request = replace(
        call.request, method=wish.method.upper(), path=wish.path, query=pairs, body=sent, headers={**headers, "content-type": "application/json"}
    )  # fmt: skip
    span = span_asked_for(call)
    answers: list[Reply] = []

    def deed(tx: Tx) -> None:
        answers.append(TRIED.answer(replace(call.house, db=Within(tx)), request))
        if answers[-1].status >= 300:
            raise _Refused

    try:
        changes = service.rehearsed(call.house.db, call.actor, span, deed)
    except _Refused:
        return answers[-1]
    zone = schedules.zone_asked_for(call.query, "UTC")
    return {
        "type": "coverage_preview",
        "since": times.iso(span.start, zone),
        "until": times.iso(span.end, zone),
        "change": {"method": request.method, "path": request.path, "status": answers[-1].status},
        "coverage_changes": changed(call, changes, zone),
    }


class _Refused(Exception):
    """The request that was tried would be refused: its answer says why."""


def changed(call: Call, changes: Sequence[Change], zone: tzinfo) -> list[Body]:
    """Changes of coverage as bodies; `service` is null where a change is of the policy and all that use it."""
    return [
        {
            "escalation_policy": envelope.reference(call.house, "escalation_policy", one.policy.id, one.policy.name),
            "service": envelope.reference(call.house, "service", one.service.id, one.service.name) if one.service else None,
            "opens": [schedules.reached(gap, zone) for gap in one.opens],
            "closes": [schedules.reached(gap, zone) for gap in one.closes],
            "later": [schedules.reached(part, zone) for part in one.later],
        }
        for one in changes
    ]


DECLARED = (
    Report("/api/v1/coverage", "Coverage", coverage, scope="oncalls.read", wrap_out="coverage"),
    Action(
        method="POST",
        path="/api/v1/coverage/preview",
        tag="Coverage",
        run=preview,
        body=Wish,
        wrap_in="change",
        wrap_out="coverage_preview",
        scope="oncalls.read",
        writes=False,
    ),
)
