"""Shift-based schedules (PagerDuty's v3, BEHAVIOUR 5.4): schedules, and what all operations on their parts share.

Laws:
1. A refusal's `errors` is a map from field to sentences.
2. What is read is what was written: the text of rules and times, the zones, the order of members.
3. A schedule and a rotation show the events that are not over; the list of events has all of them.
4. A schedule with layers is answered 400 here, as one of these is under `/schedules`.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api import feeds
from tocsin.api.kernel import envelope, filters, paging, verbs
from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.filters import among
from tocsin.api.kernel.spec import Action, Body, Reference, Report, Rows
from tocsin.api.resources import audit, schedules, shapes
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.base.times import Span
from tocsin.core import permission
from tocsin.core.assignments import Assignment, assignments, overflowing
from tocsin.core.permission import Thing
from tocsin.core.schedule import Entry, coverage
from tocsin.core.shift_event import SHIFT_LONGEST, ShiftEvent, State, Strategy
from tocsin.service import access
from tocsin.service import schedules as both
from tocsin.service import shift_schedules as service
from tocsin.service.shift_schedules import Errors, refusal
from tocsin.store import schedules as versions
from tocsin.store import shift_schedules as store
from tocsin.store.shift_schedules import KeptRotation
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy

TAG: Final = "Schedules_v3"
ONE: Final = "/v3/schedules/{id}"
"""One schedule. PagerDuty publishes no scopes for these operations."""
LISTED: Final = 100
LISTED_MOST: Final = 1000
"""Schedules on a page, unless said, and at most."""
RANGE_LONGEST: Final = timedelta(days=366)
"""The longest range of which the final schedule, custom shifts or overrides are told at once."""

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")


class ScheduleWrite(msgspec.Struct):
    """What a client may say of a schedule; rotations and policies have their own ways and are refused here."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    teams: list[Reference] | UnsetType | None = UNSET
    rotations: Any = UNSET
    escalation_policies: Any = UNSET


class MemberWrite(msgspec.Struct):
    """Somebody, or nobody on purpose."""

    type: str
    user_id: str | UnsetType | None = UNSET


# -------------------------------------------------------------------------------------------------- asking and refusing


def instant(text: str, zone: tzinfo, field: str, errors: Errors) -> datetime | None:
    """An instant of a body in whole seconds, a wall clock in `zone` if it has no offset; what is wrong goes to `errors`."""
    try:
        found = times.parse_instant(text, zone=zone).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        errors[field] = [str(error)]
        return None
    if found.year not in schedules.YEARS:
        errors[field] = [f"the year must be between {schedules.YEARS.start} and {schedules.YEARS.stop - 1}"]
        return None
    return found


def member(one: MemberWrite, field: str, errors: Errors) -> str | None:
    """The user a member is; None for an empty one."""
    if one.type == "user_member":
        if one.user_id:
            return one.user_id
        errors[f"{field}.user_id"] = ["is required for a user_member"]
    elif one.type != "empty_member":
        errors[f"{field}.type"] = ["must be user_member or empty_member"]
    return None


def found(call: Call, action: str = permission.READ) -> sa.Row[Any]:
    """The schedule of the path, which must be shift-based. Raises 404, 403 or 400."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id, action)
    if not row.is_shift_based:
        raise refusal({"id": [f"{row.id} is a schedule with layers: use /schedules/{row.id}"]})
    return row


def found_part(call: Call, action: str, kind: str) -> sa.Row[Any]:
    """The schedule of the path, of which the actor may do `action` to an `override` or a `custom_shift`."""
    row = found(call)
    access.allow(call.actor, action, Thing(kind, row.id, access.thing_of("schedule", row).teams))
    return row


def range_of(call: Call, *, needed: bool = False) -> Span | None:
    """The range from `since` to `until`, if both are given. Raises 400 when one is missing and both are `needed`."""
    since, until = call.query.instant("since"), call.query.instant("until")
    missing = {name: ["is required"] for name, value in (("since", since), ("until", until)) if value is None}
    if missing and needed:
        raise refusal(missing)
    for name, value in (("since", since), ("until", until)):
        schedules.check_year(name, value)
    if since is None or until is None:
        return None
    if until <= since:
        raise refusal({"until": ["must be after since"]})
    if until - since > RANGE_LONGEST:
        raise refusal({"until": [f"must be at most {RANGE_LONGEST.days} days after since"]})
    return Span(since, until)


def page(call: Call, plural: str, items: Sequence[Any], show: Callable[[Sequence[Any]], list[Body]]) -> Body:
    """A page of what is in memory, without a total."""
    part, told = paging.page_of(call.query, list(items))
    return {plural: show(part), "limit": told["limit"], "offset": told["offset"], "more": told["more"]}


def addressed(call: Call, kind: str, id_: str, schedule_id: str, place: str) -> Body:
    """The fields every part of a schedule starts with."""
    house = call.house
    return {
        "id": id_,
        "type": kind,
        "self": f"{house.api_url}/v3/schedules/{schedule_id}/{place}/{id_}",
        "html_url": f"{house.base_url}/schedules/{schedule_id}",
    }


def told_member(user_id: str | None) -> Body:
    return {"type": "empty_member"} if user_id is None else {"type": "user_member", "user_id": user_id}


# -------------------------------------------------------------------------------------------------------------- answers


def shown(call: Call, rows: Rows) -> list[Body]:
    """Shift-based schedules as bodies, with their rotations, and with what `call.includes` asks for."""
    teams = shapes.rows_by_id(call, team, (row.team_id for row in rows))
    policies = both.using_policies(call.tx, [row.id for row in rows])
    using = {policy.id for one in policies.values() for policy in one}
    seen = access.known(call.tx, call.actor, "escalation_policy", escalation_policy, using)
    rotations = store.rotations_of(call.tx, [row.id for row in rows])
    bodies = []
    for row in rows:
        body = {
            **envelope.common(call.house, "schedule_v3", row.id, row.name),
            "name": row.name,
            "time_zone": row.time_zone,
            "description": row.description,
            "teams": [shapes.reference_in(call, "team", row.team_id, teams)] if row.team_id else [],
            "escalation_policies": [
                envelope.reference(call.house, "escalation_policy", policy.id, policy.name)
                for policy in policies[row.id]
                if policy.id in seen
            ],
            "rotations": [told_rotation(call, row.id, one, None) for one in rotations[row.id]],
            **feeds.addresses(call.seals, call.house.base_url, "schedule", row.id, row.calendar_digest),
        }
        if "users" in call.includes:
            named = store.naming(call.tx, [row.id], call.now)[row.id]
            people = shapes.rows_by_id(call, user, named)
            body["users"] = [shapes.reference_in(call, "user", user_id, people) for user_id in sorted(named)]
        if "final_schedule" in call.includes and (span := range_of(call)) is not None:
            body["final_schedule"] = _final(call, row, span)
        bodies.append(body)
    return bodies


def either(call: Call, rows: Rows) -> list[Body]:
    """Schedules of both kinds as bodies, each as its own API shows it."""
    shifted = iter(shown(call, [row for row in rows if row.is_shift_based]))
    layered = iter(schedules.shown(call, [row for row in rows if not row.is_shift_based]))
    return [next(shifted if row.is_shift_based else layered) for row in rows]


def told_rotation(call: Call, schedule_id: str, kept: KeptRotation, span: Span | None) -> Body:
    """A rotation with its events: those that are not over, or those that count in `span`."""
    if span is None:
        events = [one for one in kept.events if one.state(call.now) is not State.PAST]
    else:
        events = [one for one in kept.events if one.since < span.end and (one.until is None or one.until > span.start)]
    told = addressed(call, "schedule_rotation", kept.id, schedule_id, "rotations")
    return told | {"events": [told_event(call, schedule_id, kept.id, one) for one in events]}


def told_event(call: Call, schedule_id: str, rotation_id: str, one: ShiftEvent) -> Body:
    strategy: Body = {"type": one.strategy.value, "members": [told_member(user_id) for user_id in one.members]}
    if one.strategy is Strategy.ROTATING:
        strategy["shifts_per_member"] = one.shifts_per_member
    return addressed(call, "schedule_event", one.id, schedule_id, f"rotations/{rotation_id}/events") | {
        "name": one.name,
        "start_time": {"date_time": one.start.text, "time_zone": one.start.zone},
        "end_time": {"date_time": one.end.text, "time_zone": one.end.zone},
        "effective_since": times.iso(one.since),
        "effective_until": None if one.until is None else times.iso(one.until),
        "recurrence": list(one.recurrence),
        "assignment_strategy": strategy,
    }


def _final(call: Call, row: sa.Row[Any], span: Span) -> Body:
    loaded = versions.load(call.tx, row.id, Span(span.start - SHIFT_LONGEST, span.end + SHIFT_LONGEST))
    assert loaded is not None  # its row was read in this transaction
    zone = schedules.zone_asked_for(call.query, row.time_zone)
    try:
        told = assignments(loaded.schedule, span)
        share = coverage([Entry(one.start, one.end, one.user_id) for one in told if one.user_id is not None], span)
        if call.query.flag("overflow"):
            told = overflowing(loaded.schedule, span, SHIFT_LONGEST)
    except ValueError as error:
        raise invalid_arguments(str(error)) from error
    return {
        "type": "final_schedule",
        "rendered_coverage_percentage": round(share, 2),
        "computed_shift_assignments": [
            {
                "type": "computed_shift_assignment",
                "start_time": times.iso(one.start, zone),
                "end_time": times.iso(one.end, zone),
                "member": told_member(one.user_id),
                "source": _source(one),
            }
            for one in told
        ],
    }


def _source(one: Assignment) -> Body:
    kind = "custom_shift" if one.is_extra else "schedule_rotation"
    told: Body = {"type": kind, ("shift_id" if one.is_extra else "rotation_id"): one.source_id}
    if one.replacement_id is None:
        return told
    return told | {"type": f"{kind}_override", "override_id": one.replacement_id}


# ------------------------------------------------------------------------------------------------------------ schedules


def list_(call: Call) -> Body:
    """A page of references, by name."""
    conditions: list[sa.ColumnElement[bool]] = [schedule.c.is_shift_based.is_(True)]
    seen = access.visible(call.actor, "schedule")
    if seen is not None:
        conditions.append(seen)
    conditions += filters.searched(call.query, (schedule.c.name,))
    if teams := call.query.many("team_ids[]"):
        conditions.append(among(schedule.c.team_id)(call, teams))
    wanted = paging.window(call.query, default=LISTED, most=LISTED_MOST)
    statement = sa.select(schedule).where(*conditions).order_by(schedule.c.name, schedule.c.id)
    rows = call.tx.rows(statement.limit(wanted.limit + 1).offset(wanted.offset))
    return {
        "schedules": [envelope.reference(call.house, "schedule_v3", row.id, row.name) for row in rows[: wanted.limit]],
        "limit": wanted.limit,
        "offset": wanted.offset,
        "more": len(rows) > wanted.limit,
    }


def show(call: Call) -> Body:
    """One schedule; the final schedule with `include[]=final_schedule` and a range."""
    row = found(call)
    return shown(verbs.including(call, frozenset({"final_schedule", "users"})), [row])[0]


def create(call: Call, body: ScheduleWrite) -> Body:
    """A new schedule without rotations."""
    access.allow(call.actor, permission.CREATE, Thing("schedule"))
    columns = {"name": None} | _columns(call, body)
    zone = None if body.time_zone is UNSET else body.time_zone
    return _again(call, service.create(call.tx, call.deed, time_zone=zone, **columns))


def update(call: Call, body: ScheduleWrite) -> Body:
    """Change what was sent."""
    row = found(call, permission.UPDATE)
    zone = None if body.time_zone is UNSET else body.time_zone
    service.change(call.tx, call.deed, row.id, _columns(call, body), time_zone=zone)
    return _again(call, row.id)


def remove(call: Call) -> Reply:
    """Delete a schedule that no policy uses. The refusal is the v2 one, which clients compare (BEHAVIOUR 5.5)."""
    both.delete(call.tx, call.deed, found(call, permission.DELETE).id)
    return Reply(204)


def _again(call: Call, schedule_id: str) -> Body:
    row = call.tx.one(sa.select(schedule).where(schedule.c.id == schedule_id))
    return shown(call, [row] if row is not None else [])[0]


def _columns(call: Call, body: ScheduleWrite) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    refused = {"rotations": body.rotations, "escalation_policies": body.escalation_policies}
    if errors := {f"schedule.{field}": ["is not accepted here: it has its own path"] for field, sent in refused.items() if sent is not UNSET}:
        raise refusal(errors)
    if body.name is not UNSET:
        columns["name"] = body.name
    if body.description is not UNSET:
        columns["description"] = body.description
    if body.teams is not UNSET:
        if len(body.teams or ()) > 1:
            raise refusal({"schedule.teams": ["A schedule can belong to one team at most"]})
        columns["team_id"] = body.teams[0].id if body.teams else None
        if columns["team_id"]:
            access.find(call.tx, call.actor, "team", team, columns["team_id"])
    return columns


def records(call: Call) -> Body:
    """The audit records of a schedule and its parts."""
    found(call)
    return audit.of_root("schedule", schedule, call)


DECLARED = (
    Report("/v3/schedules", TAG, list_, maps_errors=True),
    Report(ONE, TAG, show, wrap_out="schedule", maps_errors=True),
    Report(f"{ONE}/audit/records", TAG, records, scope="audit_records.read", maps_errors=True),
    Action(
        method="POST", path="/v3/schedules", tag=TAG, run=create, body=ScheduleWrite, wrap_in="schedule", wrap_out="schedule",
        status=201, maps_errors=True,
    ),
    Action(
        method="PUT", path=ONE, tag=TAG, run=update, body=ScheduleWrite, wrap_in="schedule", wrap_out="schedule", maps_errors=True,
    ),
    Action(method="DELETE", path=ONE, tag=TAG, run=remove, status=204),
)  # fmt: skip
