"""Schedules in PagerDuty's v2 shape: layers, overrides, the final schedule and its preview (BEHAVIOUR 5.1, 5.2, 5.5).

Laws:
1. Layers are asked for lowest first and answered highest first; clients turn them round themselves (quirk 2).
2. Entries are rendered when a range is given, in `time_zone` or the schedule's own zone, with its numeric offset.
3. A whole schedule always has `final_schedule` and `overrides_subschedule`, be they empty: clients do not check.
4. Overrides are answered one by one in a bare array, in the order they came, with 400 for those that were refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api import feeds
from tocsin.api.kernel import envelope, verbs
from tocsin.api.kernel.call import Call, Query, Reply
from tocsin.api.kernel.filters import among
from tocsin.api.kernel.spec import Action, Body, Reference, Report, Resource, Rows
from tocsin.api.resources import shapes, users
from tocsin.base import times
from tocsin.base.errors import Refusal, invalid, invalid_arguments
from tocsin.base.times import Span
from tocsin.core import permission
from tocsin.core.coverage import Reached
from tocsin.core.permission import Thing
from tocsin.core.rotation import DAY, Restriction
from tocsin.core.schedule import (
    Entry,
    Layer,
    Model,
    Override,
    Schedule,
    coverage,
    differences,
    final,
    is_layered,
    named_users,
    only,
    overflowing,
    to_layers,
)
from tocsin.service import access
from tocsin.service import coverage as coverages
from tocsin.service import schedules as service
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store import schedules as store
from tocsin.store.schedules import Loaded
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy

TAG: Final = "Schedules"
HALF_RANGE: Final = timedelta(weeks=2)
"""What a missing `since` or `until` is away from the other."""
RANGE_LONGEST: Final = timedelta(days=3 * 366)
"""The longest range that is rendered of one schedule at once."""
LIST_RANGE_LONGEST: Final = timedelta(days=100)
"""The longest range that a list renders of each of its schedules."""
COVERAGE_LONGEST: Final = coverages.SPAN_MOST
"""How far ahead a preview says what it would do to the coverage."""
NEXT_WITHIN: Final = timedelta(days=90)
"""How far ahead somebody's next turn is looked for."""
YEARS: Final = range(1970, 2200)
"""Instants outside these years are refused: no rota reaches there, and calendars end."""
PREVIEW: Final = "PREVIEW"
"""The id of a schedule that is not kept."""

_TIME_OF_DAY: Final = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?")


class PlaceWrite(msgspec.Struct):
    """One place in a layer's turn order."""

    user: Reference


class RestrictionWrite(msgspec.Struct):
    """A daily or weekly restriction."""

    type: Literal["daily_restriction", "weekly_restriction"]
    duration_seconds: int
    start_time_of_day: str
    start_day_of_week: int | UnsetType | None = UNSET


class LayerWrite(msgspec.Struct):
    """A layer as clients send it."""

    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    start: str | UnsetType = UNSET
    end: str | UnsetType | None = UNSET
    rotation_virtual_start: str | UnsetType = UNSET
    rotation_turn_length_seconds: int | UnsetType = UNSET
    users: list[PlaceWrite] | UnsetType = UNSET
    restrictions: list[RestrictionWrite] | UnsetType | None = UNSET


class ScheduleWrite(msgspec.Struct):
    """What a client may say of a schedule. The id is read by the preview alone."""

    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    time_zone: str | UnsetType = UNSET
    schedule_layers: list[LayerWrite] | UnsetType = UNSET
    teams: list[Reference] | UnsetType | None = UNSET


class OverrideWrite(msgspec.Struct):
    """An override as clients send it."""

    start: str
    end: str
    user: Reference


# ------------------------------------------------------------------------------------------------------------- answers


def shown(call: Call, rows: Rows) -> list[Body]:
    """Schedules as bodies: whole when one is asked for, without layers and entries in lists unless included.

    Raises 400 for one that is shift-based: it has its own API.
    """
    check_layered(rows)
    parts = frozenset({"schedule_layers", "final_schedule", "overrides_subschedule"})
    longest = RANGE_LONGEST
    if call.request.method == "GET" and "id" not in call.params:
        parts, longest = parts & call.includes, LIST_RANGE_LONGEST
    span = _range(call.query, longest) if parts else None
    latest = call.now + timedelta(hours=1)  # a node whose clock is ahead may have made the newest version
    reach = Span(min(span.start, call.now), max(span.end, latest)) if span is not None else Span(call.now, latest)
    wanted = store.around(reach) if call.query.flag("overflow") else reach
    loaded = store.load_many(call.tx, [row.id for row in rows], wanted)
    bodies = _bodies(call, rows, loaded, parts, span)
    if longest == RANGE_LONGEST:  # one that is shown whole
        for row, body in zip(rows, bodies, strict=True):
            body.update(feeds.addresses(call.seals, call.house.base_url, "schedule", row.id, row.calendar_digest))
    return bodies


def check_layered(rows: Rows) -> None:
    """Raises 400/2001 for a schedule that is shift-based: PagerDuty's v2 cannot say what it is (BEHAVIOUR 5.4)."""
    for row in rows:
        if row.is_shift_based:
            raise invalid(f"Schedule {row.id} is a shift-based schedule: use /v3/schedules/{row.id}")


def layered(_call: Call) -> list[sa.ColumnElement[bool]]:
    """Lists have only schedules with layers."""
    return [schedule.c.is_shift_based.is_(None)]


def _bodies(
    call: Call, rows: Rows | Sequence[Any], loaded: Mapping[str, Loaded], parts: frozenset[str], span: Span | None
) -> list[Body]:
    teams = shapes.rows_by_id(call, team, (row.team_id for row in rows))
    policies = service.using_policies(call.tx, [row.id for row in rows])
    using = {policy.id for found in policies.values() for policy in found}
    seen = access.known(call.tx, call.actor, "escalation_policy", escalation_policy, using)
    policies = {id_: [policy for policy in found if policy.id in seen] for id_, found in policies.items()}
    models = {row.id: loaded[row.id].schedule.model for row in rows}
    named = {user_id for model in models.values() for user_id in named_users(model)}
    named |= {one.user_id for found in loaded.values() for one in found.overrides}
    named |= {
        user_id
        for found in loaded.values()
        for version in found.schedule.versions
        for user_id in named_users(version.model)
    }
    people = shapes.rows_by_id(call, user, named)
    next_for = call.query.one("include_next_oncall_for_user")
    bodies = []
    for row in rows:
        found, model = loaded[row.id], models[row.id]
        render = _renderer(call, people, zone_asked_for(call.query, model.time_zone), span)
        body = {
            **envelope.common(call.house, "schedule", row.id, row.name),
            "name": row.name,
            "time_zone": model.time_zone,
            "description": row.description,
            "users": [shapes.reference_in(call, "user", user_id, people) for user_id in _in_order(model)],
            "escalation_policies": [
                envelope.reference(call.house, "escalation_policy", policy.id, policy.name)
                for policy in policies[row.id]
            ],
            "teams": [shapes.reference_in(call, "team", row.team_id, teams)] if row.team_id else [],
        }
        if "schedule_layers" in parts:
            layers = to_layers(model) if is_layered(model) else ()
            body["schedule_layers"] = [
                _layer(call, layer, people, zone_asked_for(call.query, model.time_zone))
                | render(only(found.schedule, layer.id), ())
                for layer in reversed(layers)
            ]
        if "overrides_subschedule" in parts:
            body["overrides_subschedule"] = {"name": "Overrides"} | render(only(found.schedule, None), found.overrides)
        if "final_schedule" in parts:
            body["final_schedule"] = {"name": "Final Schedule"} | render(found.schedule, found.overrides)
        if next_for:
            body["next_oncall_for_user"] = _next(
                call, found, next_for, people, zone_asked_for(call.query, model.time_zone)
            )
        bodies.append(body)
    return bodies


Renderer = Callable[[Schedule, Sequence[Override]], Body]


def _renderer(call: Call, people: shapes.Refs, zone: tzinfo, span: Span | None) -> Renderer:
    """What renders entries and their coverage for the range that was asked for, if one was."""
    wants_overflow = call.query.flag("overflow")

    def render(one: Schedule, overrides: Sequence[Override]) -> Body:
        if span is None:
            return {"rendered_schedule_entries": [], "rendered_coverage_percentage": None}
        entries = final(one, overrides, span)
        share = round(coverage(entries, span), 2)
        if wants_overflow:
            entries = overflowing(one, overrides, entries, span)
        return {
            "rendered_schedule_entries": [_entry(call, entry, people, zone) for entry in entries],
            "rendered_coverage_percentage": share,
        }

    return render


def _entry(call: Call, entry: Entry, people: shapes.Refs, zone: tzinfo) -> Body:
    return {
        "start": times.iso(entry.start, zone),
        "end": times.iso(entry.end, zone),
        "user": shapes.reference_in(call, "user", entry.user_id, people),
    }


def _layer(call: Call, layer: Layer, people: shapes.Refs, zone: tzinfo) -> Body:
    return {
        "id": layer.id,
        "name": layer.name,
        "start": times.iso(layer.start, zone),
        "end": times.iso(layer.end, zone) if layer.end is not None else None,
        "users": [{"user": shapes.reference_in(call, "user", user_id, people)} for user_id in layer.user_ids],
        "rotation_virtual_start": times.iso(layer.virtual_start, zone),
        "rotation_turn_length_seconds": layer.turn_seconds,
        "restrictions": [_restriction(one) for one in layer.restrictions],
    }


def _restriction(one: Restriction) -> Body:
    minutes, seconds = divmod(one.start_second, 60)
    told: Body = {
        "type": "daily_restriction" if one.start_day is None else "weekly_restriction",
        "duration_seconds": one.seconds,
        "start_time_of_day": f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}",
    }
    return told if one.start_day is None else told | {"start_day_of_week": one.start_day}


def _in_order(model: Model) -> list[str]:
    """The people of a model, each once, as they stand in its turn orders, highest layer first."""
    slots = [slot for rotation in reversed(model.rotations) for shift in rotation.shifts for slot in shift.slots]
    order = [user_id for slot in slots for user_id in slot]
    return list(dict.fromkeys([*order, *sorted(named_users(model) - set(order))]))


def _next(call: Call, found: Loaded, user_id: str, people: shapes.Refs, zone: tzinfo) -> Body | None:
    span = Span(call.now, call.now + NEXT_WITHIN)
    whole = store.load(call.tx, found.schedule.id, span) or found
    entry = next((one for one in final(whole.schedule, whole.overrides, span) if one.user_id == user_id), None)
    return None if entry is None else _entry(call, entry, people, zone)


# --------------------------------------------------------------------------------------------------- what is asked for


def _range(query: Query, longest: timedelta = RANGE_LONGEST) -> Span | None:
    """The range to render; None when none is asked for. A missing bound is two weeks from the other.

    Raises 400/2002 when it is turned round or longer than `longest`.
    """
    since, until = query.instant("since"), query.instant("until")
    for name, instant in (("since", since), ("until", until)):
        check_year(name, instant)
    if since is not None:
        start, end = since, until if until is not None else since + HALF_RANGE
    elif until is not None:
        start, end = until - HALF_RANGE, until
    else:
        return None
    if end < start:
        raise invalid_arguments("until must not be before since")
    end = max(end, start + timedelta(seconds=1))  # who asks for one instant is told of it
    if end - start > longest:
        raise invalid_arguments(f"The range from since to until must be at most {longest.days} days")
    return Span(start, end)


def check_year(name: str, instant: datetime | None) -> None:
    """Raises 400/2002 for an instant that no rota reaches."""
    if instant is not None and instant.year not in YEARS:
        raise invalid_arguments(f"{name} must be in the years {YEARS.start} to {YEARS.stop - 1}")


def zone_asked_for(query: Query, own: str) -> tzinfo:
    """The zone that the answer is to be in: the one of `time_zone`, else `own`. Raises 400 for an unknown one."""
    name = query.one("time_zone")
    try:
        return times.zone_named(name or own)
    except ValueError as error:
        raise invalid_arguments(f"time_zone: {error}") from error


def _instant(text: str, zone: tzinfo, field: str) -> datetime:
    """An instant of a body, in whole seconds; one without an offset is a wall clock in `zone`. Raises ValueError."""
    try:
        instant = times.parse_instant(text, zone=zone).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{field}: {error}") from error
    if instant.year not in YEARS:
        raise ValueError(f"{field}: the year must be between {YEARS.start} and {YEARS.stop - 1}")
    return instant


def _asked(layer: LayerWrite, zone: tzinfo) -> AskedLayer:
    """A layer in the service's words. Raises ValueError, naming the field, when it makes no sense."""
    return AskedLayer(
        id=layer.id or None,
        name=layer.name or None,
        start=None if layer.start is UNSET else _instant(layer.start, zone, "start"),
        virtual_start=None
        if layer.rotation_virtual_start is UNSET
        else _instant(layer.rotation_virtual_start, zone, "rotation_virtual_start"),
        turn_seconds=None if layer.rotation_turn_length_seconds is UNSET else layer.rotation_turn_length_seconds,
        user_ids=None if layer.users is UNSET else tuple(one.user.id for one in layer.users),
        restrictions=None
        if layer.restrictions is UNSET
        else tuple(_asked_restriction(one) for one in layer.restrictions or ()),
        end=_instant(layer.end, zone, "end") if layer.end else None,
        ends=layer.end is not UNSET,
    )


def _asked_restriction(one: RestrictionWrite) -> Restriction:
    found = _TIME_OF_DAY.fullmatch(one.start_time_of_day.strip())
    if found is None:
        raise ValueError("start_time_of_day must be a time like 09:00:00")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if minutes > 59 or seconds > 59:
        raise ValueError("start_time_of_day must be a time like 09:00:00")
    day = None
    if one.type == "weekly_restriction":
        if not isinstance(one.start_day_of_week, int):
            raise ValueError("start_day_of_week is required for a weekly_restriction")
        day = one.start_day_of_week
        if one.duration_seconds >= 7 * DAY:
            raise ValueError("duration_seconds of a weekly_restriction must be less than a week (604800)")
    return Restriction(day, (hours * 60 + minutes) * 60 + seconds, one.duration_seconds)


def _asked_layers(body: ScheduleWrite, zone_name: str) -> list[AskedLayer] | None:
    if body.schedule_layers is UNSET:
        return None
    try:
        zone = times.zone_named(zone_name)
    except ValueError as error:
        raise invalid(f"Time zone: {error}") from error
    asked, errors = [], []
    for number, layer in enumerate(body.schedule_layers, start=1):
        try:
            asked.append(_asked(layer, zone))
        except ValueError as error:
            errors.append(f"Schedule layer {layer.name or number}: {error}")
    if errors:
        raise invalid(*errors)
    return asked


def _columns(call: Call, body: ScheduleWrite) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if body.name is not UNSET:
        columns["name"] = body.name
    if body.description is not UNSET:
        columns["description"] = body.description
    if body.teams is not UNSET:
        if len(body.teams or ()) > 1:
            raise invalid("A schedule can belong to one team at most")
        columns["team_id"] = body.teams[0].id if body.teams else None
        if columns["team_id"]:
            access.find(call.tx, call.actor, "team", team, columns["team_id"])
    return columns


# ---------------------------------------------------------------------------------------------------------- the verbs


def create(call: Call, body: ScheduleWrite) -> str:
    """A new schedule."""
    if body.time_zone is UNSET:
        raise invalid("Time zone cannot be empty")
    columns = {"name": None} | _columns(call, body)
    layers = _asked_layers(body, body.time_zone) or []
    return service.create(call.tx, call.deed, time_zone=body.time_zone, layers=layers, **columns)


def update(call: Call, row: sa.Row[Any], body: ScheduleWrite) -> None:
    """Change what was sent; what the layers are to be rules from now on."""
    zone_name = row.time_zone if body.time_zone is UNSET else body.time_zone
    layers = _asked_layers(body, zone_name)
    service.change(call.tx, call.deed, row.id, _columns(call, body), time_zone=zone_name, layers=layers)


def remove(call: Call, row: sa.Row[Any]) -> None:
    service.delete(call.tx, call.deed, row.id)


class _Unkept(msgspec.Struct):
    """A schedule's row that is not in the table."""

    id: str
    name: str
    description: str | None
    team_id: str | None


def preview(call: Call, body: ScheduleWrite) -> Body:
    """What the schedule would be. With the id of one there is, also (ours) `changes`, when whom it would replace by whom, and
    `coverage_changes`, when nobody would be reached any more by the policies on it, and when somebody again.
    """
    row = access.find(call.tx, call.actor, "schedule", schedule, body.id) if body.id else None
    check_layered([row] if row is not None else [])
    if row is None and body.time_zone is UNSET:
        raise invalid("Time zone cannot be empty")
    zone_name = row.time_zone if row is not None and body.time_zone is UNSET else str(body.time_zone)
    layers = _asked_layers(body, zone_name) or []
    loaded = service.previewed(call.tx, call.deed, row.id if row else None, zone_name, layers)
    name = body.name if isinstance(body.name, str) else row.name if row else ""
    unkept = _Unkept(row.id if row else PREVIEW, name, body.description or None, row.team_id if row else None)
    parts = frozenset({"schedule_layers", "final_schedule", "overrides_subschedule"})
    span = _range(call.query)
    (told,) = _bodies(call, [unkept], {unkept.id: loaded}, parts, span)
    if row is not None:
        ahead = span or Span(call.now, call.now + 2 * HALF_RANGE)
        told["changes"] = _changes(call, loaded, ahead)
        told["coverage_changes"] = _coverage_changes(call, loaded, Span(ahead.start, min(ahead.end, ahead.start + COVERAGE_LONGEST)))
    return told


def _coverage_changes(call: Call, loaded: Loaded, span: Span) -> list[Body]:
    """For each policy on this schedule: when nobody would be reached any more, and when somebody would be again."""
    zone = zone_asked_for(call.query, loaded.schedule.model.time_zone)
    return [
        {
            "escalation_policy": envelope.reference(call.house, "escalation_policy", one.policy.id, one.policy.name),
            "opens": [reached(gap, zone) for gap in one.opens],
            "closes": [reached(gap, zone) for gap in one.closes],
        }
        for one in coverages.would_change(call.tx, call.actor, loaded, span)
    ]


def reached(one: Reached, zone: tzinfo) -> Body:
    """A stretch of coverage; `wait_seconds` is null when nobody is reached (ours)."""
    return {
        "start": times.iso(one.start, zone),
        "end": times.iso(one.end, zone),
        "wait_seconds": None if one.wait is None else int(one.wait.total_seconds()),
        "causes": [
            {"kind": cause.kind.value, "level": cause.level, "about": cause.about, "words": cause.words} for cause in one.causes
        ],
    }


def _changes(call: Call, loaded: Loaded, span: Span) -> list[Body]:
    before = replace(loaded.schedule, versions=loaded.schedule.versions[:-1])
    found = differences(before, loaded.schedule, loaded.overrides, span)
    people = shapes.rows_by_id(call, user, {user_id for one in found for user_id in (*one.before, *one.after)})
    zone = zone_asked_for(call.query, loaded.schedule.model.time_zone)
    return [
        {
            "start": times.iso(one.start, zone),
            "end": times.iso(one.end, zone),
            "before": [shapes.reference_in(call, "user", user_id, people) for user_id in one.before],
            "after": [shapes.reference_in(call, "user", user_id, people) for user_id in one.after],
        }
        for one in found
    ]


def people(call: Call) -> Body:
    """The people on call by the schedule in the range; without one, in the next two weeks."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    span = _range(call.query) or Span(call.now, call.now + HALF_RANGE)
    on_call = dict.fromkeys(entry.user_id for entry in service.entries(call.tx, row.id, span))
    known = shapes.rows_by_id(call, user, on_call)
    return {"users": users.shown(call, [known[user_id] for user_id in on_call if user_id in known])}


# ---------------------------------------------------------------------------------------------------------- overrides


def overrides(call: Call) -> Body:
    """The overrides that overlap the range, cut to it unless `overflow`; with `editable`, only those to come."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    check_layered([row])
    for name, code in (("since", 2004), ("until", 2005)):
        if call.query.one(name) is None:
            raise Refusal(400, code, f"Invalid {name.capitalize()} Parameter", [f"{name} is required"])
    span = _range(call.query)
    assert span is not None  # both bounds are there
    found = store.overrides_of(call.tx, [row.id], span)[row.id]
    if call.query.flag("editable"):
        found = tuple(one for one in found if one.start > call.now)
    if not call.query.flag("overflow"):
        found = tuple(replace(one, start=max(one.start, span.start), end=min(one.end, span.end)) for one in found)
    people = shapes.rows_by_id(call, user, (one.user_id for one in found))
    zone = zone_asked_for(call.query, row.time_zone)
    ordered = sorted(found, key=lambda one: (one.start, one.sequence))
    return {"overrides": [_override(call, one, people, zone) for one in ordered]}


def _override(call: Call, one: Override, people: shapes.Refs, zone: tzinfo) -> Body:
    told = envelope.common(call.house, "override", one.id, None)
    return told | {
        "start": times.iso(one.start, zone),
        "end": times.iso(one.end, zone),
        "user": shapes.reference_in(call, "user", one.user_id, people),
    }


def override(call: Call) -> Reply:
    """Make overrides: `{overrides: […]}` answers a bare array, the older `{override: {…}}` answers one."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    check_layered([row])
    access.allow(call.actor, permission.CREATE, Thing("override", row.id, access.thing_of("schedule", row).teams))
    document = call.document()
    single = document.get("override")
    items = [single] if single is not None else document.get("overrides")
    if not isinstance(items, list) or not items:
        raise invalid("overrides must be a list of at least one override")
    if len(items) > service.OVERRIDES_MOST:
        raise invalid(
            f"At most {service.OVERRIDES_MOST} overrides can be made in one request: send the others in another"
        )
    zone = times.zone_named(row.time_zone)
    read = [_read_override(item, zone) for item in items]
    taken = service.add_overrides(call.tx, call.deed, row.id, [one for one in read if isinstance(one, AskedOverride)])
    people = shapes.rows_by_id(call, user, (one.override.user_id for one in taken if one.override))
    shown_in, rest = zone_asked_for(call.query, row.time_zone), iter(taken)
    answers: list[Body] = []
    for item, one in zip(items, read, strict=True):
        outcome = next(rest) if isinstance(one, AskedOverride) else None
        if outcome is not None and outcome.override is not None:
            answers.append({"status": 201, "override": _override(call, outcome.override, people, shown_in)})
        else:
            errors = [str(one)] if outcome is None else list(outcome.errors)
            answers.append({"status": 400, "errors": errors, "override": item})
    if single is None:
        return Reply(201, answers)
    if answers[0]["status"] == 400:
        raise invalid(*answers[0]["errors"])
    return Reply(201, {"override": answers[0]["override"]})


def _read_override(item: object, zone: tzinfo) -> AskedOverride | str:
    """An override in the service's words, or the sentence that says why it is none."""
    try:
        one = msgspec.convert(item, OverrideWrite)
        return AskedOverride(_instant(one.start, zone, "start"), _instant(one.end, zone, "end"), one.user.id)
    except msgspec.ValidationError as error:
        return verbs.shape_words(str(error))
    except ValueError as error:
        return str(error)


def withdraw(call: Call) -> Reply:
    """Take an override away: 204 when it had not begun, 200 and the override when it had and ends now instead."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    check_layered([row])
    access.allow(call.actor, permission.DELETE, Thing("override", row.id, access.thing_of("schedule", row).teams))
    override_id = call.params["override_id"]
    if service.remove_override(call.tx, call.deed, row.id, override_id):
        return Reply(204)
    one = store.find_override(call.tx, row.id, override_id)
    assert one is not None  # it was cut short, not deleted
    people = shapes.rows_by_id(call, user, [one.user_id])
    return Reply(200, {"override": _override(call, one, people, zone_asked_for(call.query, row.time_zone))})


SCHEDULES = Resource(
    name="schedule",
    plural="schedules",
    path="/schedules",
    tag=TAG,
    table=schedule,
    read=shown,
    write=ScheduleWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    searched=(schedule.c.name,),
    filters={"team_ids[]": among(schedule.c.team_id)},
    where=layered,
    order=(schedule.c.name,),
    includes=frozenset({"schedule_layers", "final_schedule", "overrides_subschedule"}),
)

DECLARED = (
    SCHEDULES,
    Action(
        method="POST",
        path="/schedules/preview",
        tag=TAG,
        run=preview,
        scope="schedules.write",
        body=ScheduleWrite,
        wrap_in="schedule",
        wrap_out="schedule",
        needs=(permission.READ, "schedule_preview"),
        writes=False,
    ),
    Report("/schedules/{id}/users", TAG, people, scope="users.read"),
    Report("/schedules/{id}/overrides", TAG, overrides, scope="schedules.read"),
    Action(method="POST", path="/schedules/{id}/overrides", tag=TAG, run=override, scope="schedules.write", status=201),
    Action(
        method="DELETE", path="/schedules/{id}/overrides/{override_id}", tag=TAG, run=withdraw, scope="schedules.write", also=(200,)
    ),
)
