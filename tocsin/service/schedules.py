"""Schedules: who is on call, and the one door for creating, changing and deleting schedules and their overrides.

Laws:
1. The past never changes: what is edited rules from now on; what is given a start in the past starts now.
2. A layer is never deleted, only ended (BEHAVIOUR 5.1, quirk 3). Leaving one out of an update leaves it as it is.
3. Everything that changes a schedule leaves an audit record in the same transaction; saying what is so already is no change.
4. Overrides are taken or refused one by one; one that is refused does not hold back the others (BEHAVIOUR 5.2).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import Refusal, invalid, not_found
from tocsin.base.times import Span
from tocsin.core.rotation import DAY, Restriction
from tocsin.core.schedule import (
    Entry,
    Layer,
    Model,
    OnCall,
    Override,
    Schedule,
    Version,
    final,
    from_layers,
    is_layered,
    on_call_at,
    revised,
    to_layers,
)
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import followed_calendars as store_followed
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, policy_target

NAME_MOST: Final = 255
DESCRIPTION_MOST: Final = 1024
LAYERS_MOST: Final = 50
"""Layers of one schedule, ended ones too."""
USERS_MOST: Final = 200
"""People in the turn order of one layer."""
RESTRICTIONS_MOST: Final = 100
"""Restrictions of one layer."""
TURN_LEAST: Final = 3600
TURN_MOST: Final = 365 * DAY
"""Seconds of a turn: what PagerDuty's Terraform provider lets through (BEHAVIOUR 5.1)."""
OVERRIDES_MOST: Final = 500
"""Overrides in one request."""
OVERRIDE_LONGEST: Final = timedelta(days=3 * 366)

USED_BY_POLICIES: Final = "Schedule can't be deleted if it's being used by escalation policies"
"""PagerDuty's Terraform provider compares this byte for byte (BEHAVIOUR 5.5)."""
FOLLOWED: Final = (
    "This schedule follows a calendar, so its layers cannot be changed here: change the calendar, make an override, or stop "
    "following it (DELETE /api/v1/schedules/{id}/followed_calendar)"
)
ENDS_BEFORE_START: Final = "Override must end after its start"


# --------------------------------------------------------------------------------------------------------- who is on call


def people_on_call(tx: Tx, schedule_ids: Collection[str], instant: datetime) -> dict[str, tuple[OnCall, ...]]:
    """Who is on call by each of these schedules at `instant`; () = nobody, which is also what an unknown id says.

    Only the version that rules then is read: a period that begins before it, or that a later one ends, is not told whole.
    """
    loaded = store.load_many(tx, set(schedule_ids), Span(instant, instant))
    found: dict[str, tuple[OnCall, ...]] = dict.fromkeys(schedule_ids, ())
    return found | {id_: on_call_at(one.schedule, one.overrides, instant) for id_, one in loaded.items()}


def entries(tx: Tx, schedule_id: str, span: Span) -> tuple[Entry, ...]:
    """Who is on call by this schedule in `span`, one entry per person and unbroken period."""
    loaded = store.load(tx, schedule_id, span)
    return () if loaded is None else final(loaded.schedule, loaded.overrides, span)


# ------------------------------------------------------------------------------------------------------ what is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedLayer:
    """A layer as a client asks for it. With the id of a layer there is, None = as it is; without, it must be said.

    `end` is given apart from `ends`: an end can be taken away, which is not the same as not being mentioned.
    `own_id` is the id that a new layer is to have, known to be free.
    """

    id: str | None = None
    own_id: str | None = None
    name: str | None = None
    start: datetime | None = None
    virtual_start: datetime | None = None
    turn_seconds: int | None = None
    user_ids: tuple[str, ...] | None = None
    restrictions: tuple[Restriction, ...] | None = None
    end: datetime | None = None
    ends: bool = False


@dataclass(frozen=True, slots=True)
class AskedOverride:
    """An override as a client asks for it."""

    start: datetime
    end: datetime
    user_id: str


@dataclass(frozen=True, slots=True)
class TakenOverride:
    """What became of one asked-for override: kept as `override`, or refused for these reasons."""

    override: Override | None
    errors: tuple[str, ...] = ()


# ----------------------------------------------------------------------------------------------- create, change, delete


def create(
    tx: Tx,
    deed: Deed,
    *,
    name: str | None,
    time_zone: str,
    layers: Sequence[AskedLayer],
    description: str | None = None,
    team_id: str | None = None,
    own_id: str | None = None,
) -> str:
    """A new schedule (`own_id`: the id to have, known to be free); layers lowest first. Returns its id. Raises 400/2001 with one sentence for each breach."""
    columns = _checked(tx, {"name": name, "description": description, "team_id": team_id})
    model = from_layers(_zone_name(time_zone), _layers(tx, deed, (), layers))
    schedule_id = own_id or ids.object_id(deed.chance)
    store.insert(tx, {"id": schedule_id, **columns}, model, deed.now)
    audit.record(tx, deed, reference(schedule_id, columns["name"]), before=None, after=_told(tx, columns, model))
    return schedule_id


def change(
    tx: Tx,
    deed: Deed,
    schedule_id: str,
    columns: Mapping[str, Any],
    *,
    time_zone: str | None = None,
    layers: Sequence[AskedLayer] | None = None,
) -> None:
    """Change what is given: `columns` (name, description, team_id), the zone, the layers (lowest first).

    Raises 400/2001 with one sentence for each breach, and for a schedule that layers cannot say.
    """
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    loaded = store.load(tx, schedule_id)
    if row is None or loaded is None:
        raise not_found("Schedule")
    _check_layered(row)
    old = {name: getattr(row, name) for name in ("id", "name", "description", "team_id")}
    new = old | _checked(tx, columns)
    model = loaded.schedule.model
    layers = _unless_followed(tx, schedule_id, layers)
    after = edited(tx, deed, model, time_zone=time_zone, layers=layers)
    if new != old:
        tx.execute(sa.update(schedule).where(schedule.c.id == schedule_id).values(**new, updated_at=deed.now))
    if after != model:
        store.save_version(tx, loaded.schedule, after, deed.now)
    told = reference(schedule_id, new["name"])
    audit.record(tx, deed, told, before=_told(tx, old, model), after=_told(tx, new, after))


def edited(
    tx: Tx, deed: Deed, model: Model, *, time_zone: str | None = None, layers: Sequence[AskedLayer] | None = None
) -> Model:
    """The model after an update that says this of it; nothing is kept."""
    zone_name = model.time_zone if time_zone is None else _zone_name(time_zone)
    if layers is None:
        return replace(model, time_zone=zone_name)
    if not is_layered(model):
        raise invalid("This schedule says more than layers can: change its rotations instead")
    return revised(model, zone_name, _layers(tx, deed, to_layers(model), layers), deed.now)


def _unless_followed(tx: Tx, schedule_id: str, layers: Sequence[AskedLayer] | None) -> Sequence[AskedLayer] | None:
    """The layers that are asked for. Raises 400/2001 when the schedule follows a calendar, which alone says what it is."""
    if not store_followed.is_followed(tx, schedule_id):
        return layers
    if layers:
        raise invalid(FOLLOWED)
    return None


def previewed(
    tx: Tx, deed: Deed, schedule_id: str | None, time_zone: str, layers: Sequence[AskedLayer]
) -> store.Loaded:
    """What a schedule would be if it were kept like this; nothing is kept.

    With the id of a schedule there is, its history and overrides are part of it, so that only the future differs.
    """
    known = store.load(tx, schedule_id) if schedule_id else None
    if known is None or not known.schedule.versions:
        model = from_layers(_zone_name(time_zone), _layers(tx, deed, (), layers))
        return store.Loaded(Schedule(schedule_id or "", "", (Version(1, deed.now, model),)), ())
    kept = _unless_followed(tx, known.schedule.id, layers)
    model = edited(tx, deed, known.schedule.model, time_zone=time_zone, layers=kept)
    last = known.schedule.versions[-1]
    version = Version(last.number + 1, max(deed.now, last.effective_at), model)
    return store.Loaded(replace(known.schedule, versions=(*known.schedule.versions, version)), known.overrides)


def delete(tx: Tx, deed: Deed, schedule_id: str) -> None:
    """Delete a schedule. Raises 400/2001 while an escalation policy uses it.

    An open incident that started with such a policy does not hold the schedule back (DESIGN 5): the incident then finds
    nobody on that schedule, says so, and goes on to its next level.
    """
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    loaded = store.load(tx, schedule_id)
    if row is None or loaded is None:
        raise not_found("Schedule")
    if using_policies(tx, [schedule_id])[schedule_id]:
        raise invalid(USED_BY_POLICIES)
    told = _told(
        tx, {name: getattr(row, name) for name in ("id", "name", "description", "team_id")}, loaded.schedule.model
    )
    tx.execute(sa.delete(schedule).where(schedule.c.id == schedule_id))
    audit.record(tx, deed, reference(schedule_id, row.name), before=told, after=None)


def using_policies(tx: Tx, schedule_ids: Collection[str]) -> dict[str, list[sa.Row[Any]]]:
    """By schedule, the escalation policies (id, name) that use it, by name."""
    found: dict[str, list[sa.Row[Any]]] = {id_: [] for id_ in schedule_ids}
    chosen = (
        sa.select(policy_target.c.target_id, escalation_policy.c.id, escalation_policy.c.name)
        .join_from(policy_target, escalation_policy, escalation_policy.c.id == policy_target.c.policy_id)
        .where(policy_target.c.target_id.in_(sorted(schedule_ids)))
        .order_by(escalation_policy.c.name, escalation_policy.c.id)
    )
    for row in tx.rows(chosen):
        found[row.target_id].append(row)
    return found


# ---------------------------------------------------------------------------------------------------------- overrides


def add_overrides(tx: Tx, deed: Deed, schedule_id: str, asked: Sequence[AskedOverride]) -> list[TakenOverride]:
    """Keep these overrides, each by itself; the answers are in the order of `asked`. One that began already begins now."""
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    if row is None:
        raise not_found("Schedule")
    _check_layered(row)
    if len(asked) > OVERRIDES_MOST:
        raise invalid(f"At most {OVERRIDES_MOST} overrides can be made in one request: send the others in another")
    known = _known(tx, user, {one.user_id for one in asked})
    made: list[tuple[str, Span, str]] = []
    taken: list[tuple[Span, tuple[str, ...]]] = []
    for one in asked:
        span = Span(max(one.start, deed.now), one.end)
        errors = []
        if one.end <= one.start:
            errors.append(ENDS_BEFORE_START)
        elif one.end <= deed.now:
            errors.append("Override must end in the future")
        elif one.end - span.start > OVERRIDE_LONGEST:
            errors.append(f"Override must not be longer than {OVERRIDE_LONGEST.days} days")
        if one.user_id not in known:
            errors.append(f"User {one.user_id} Not Found")
        if not errors:
            made.append((ids.object_id(deed.chance), span, one.user_id))
        taken.append((span, tuple(errors)))
    store.add_overrides(tx, schedule_id, made, deed.now)
    kept = {id_: store.find_override(tx, schedule_id, id_) for id_, _, _ in made}
    for id_, span, user_id in made:
        root = reference(schedule_id, row.name)
        audit.record(tx, deed, override_reference(id_), before=None, after=_told_override(span, user_id), root=root)
    fresh = iter(made)
    return [TakenOverride(None, errors) if errors else TakenOverride(kept[next(fresh)[0]]) for _, errors in taken]


def remove_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str) -> bool:
    """Take an override away: True when it is gone altogether, False when it had begun and ends now instead.

    Raises 400/4004 when it is over: the past never changes.
    """
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    found = store.find_override(tx, schedule_id, override_id)
    if row is None or found is None:
        raise not_found("Override" if row is not None else "Schedule")
    if found.end <= deed.now:
        raise Refusal(400, 4004, "Override Can't Be Deleted", ["The override is over; what happened stays as it was"])
    before, root = _told_override(Span(found.start, found.end), found.user_id), reference(schedule_id, row.name)
    if found.start >= deed.now:
        store.drop_override(tx, override_id)
        audit.record(tx, deed, override_reference(override_id), before=before, after=None, root=root)
        return True
    store.end_override(tx, override_id, deed.now)
    after = _told_override(Span(found.start, deed.now), found.user_id)
    audit.record(tx, deed, override_reference(override_id), before=before, after=after, root=root)
    return False


def shorten_override(tx: Tx, deed: Deed, schedule_id: str, override_id: str, end: datetime) -> None:
    """Let an override end earlier than it was to. Raises 400/2001 when `end` is not between now (or its start) and its end."""
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    found = store.find_override(tx, schedule_id, override_id)
    if row is None or found is None:
        raise not_found("Override" if row is not None else "Schedule")
    if found.end <= deed.now:
        raise Refusal(400, 4004, "Override Can't Be Changed", ["The override is over; what happened stays as it was"])
    if not max(found.start, deed.now) < end <= found.end:
        raise invalid("An override can be made shorter: choose an end that lies ahead, after its start and before its end")
    if end == found.end:
        return
    store.end_override(tx, override_id, end)
    before, after = (_told_override(Span(found.start, until), found.user_id) for until in (found.end, end))
    audit.record(tx, deed, override_reference(override_id), before=before, after=after, root=reference(schedule_id, row.name))


# ------------------------------------------------------------------------------------------------------------- checks


def _checked(tx: Tx, columns: Mapping[str, Any]) -> dict[str, Any]:
    checked, errors = dict(columns), []
    if "name" in checked:
        checked["name"] = (checked["name"] or "").strip()
        if not checked["name"]:
            errors.append("Name cannot be empty")
        elif len(checked["name"]) > NAME_MOST:
            errors.append(f"Name is too long (maximum is {NAME_MOST} characters)")
    if len(checked.get("description") or "") > DESCRIPTION_MOST:
        errors.append(f"Description is too long (maximum is {DESCRIPTION_MOST} characters)")
    if checked.get("team_id") and not _known(tx, team, {checked["team_id"]}):
        errors.append(f"Team {checked['team_id']} Not Found")
    if errors:
        raise invalid(*errors)
    return checked


def _check_layered(row: sa.Row[Any]) -> None:
    if row.is_shift_based:
        raise invalid(f"Schedule {row.id} is a shift-based schedule: change it through /v3/schedules/{row.id}")


def _zone_name(name: str) -> str:
    try:
        times.zone_named(name)
    except ValueError as error:
        raise invalid(f"Time zone: {error}") from error
    return name


def _layers(tx: Tx, deed: Deed, known: Sequence[Layer], asked: Sequence[AskedLayer]) -> tuple[Layer, ...]:
    """The layers that are asked for, made whole from those there are. Raises 400/2001 with all that is wrong."""
    old = {layer.id: layer for layer in known}
    errors = []
    if len({one.id for one in asked if one.id} | old.keys()) + sum(one.id is None for one in asked) > LAYERS_MOST:
        errors.append(f"A schedule can have at most {LAYERS_MOST} layers")
    named = [one.id for one in asked if one.id]
    if len(set(named)) < len(named):
        errors.append("Each schedule layer can be given once")
    users = _known(tx, user, {user_id for one in asked for user_id in one.user_ids or ()})
    made: list[Layer] = []
    for number, one in enumerate(asked, start=1):
        before = old.get(one.id) if one.id else None
        if one.id and before is None:
            errors.append(f"Schedule layer {one.id} Not Found")
            continue
        label = f"Schedule layer {one.name or (before.name if before else '') or number}"
        wrong = _breaches(one, before, users)
        errors += [f"{label}: {sentence}" for sentence in wrong]
        if not wrong:
            made.append(_whole(one, before, deed, number))
    if errors:
        raise invalid(*errors)
    return tuple(made)


def _breaches(one: AskedLayer, before: Layer | None, users: Collection[str]) -> list[str]:
    wrong = []
    required = {
        "start": one.start, "rotation_virtual_start": one.virtual_start, "rotation_turn_length_seconds": one.turn_seconds,
        "users": one.user_ids,
    }  # fmt: skip
    if before is None:
        wrong += [f"{field} is required" for field, value in required.items() if value is None]
    if one.turn_seconds is not None and not TURN_LEAST <= one.turn_seconds <= TURN_MOST:
        wrong.append(f"rotation_turn_length_seconds must be between {TURN_LEAST} and {TURN_MOST}")
    if one.user_ids is not None:
        if not 1 <= len(one.user_ids) <= USERS_MOST:
            wrong.append(f"users must name between 1 and {USERS_MOST} people")
        # Somebody who was deleted may stay in a layer that is not being changed.
        unknown = set(one.user_ids) - set(users) - set(before.user_ids if before else ())
        wrong += [f"User {user_id} Not Found" for user_id in sorted(unknown)]
    if one.restrictions is not None and len(one.restrictions) > RESTRICTIONS_MOST:
        wrong.append(f"restrictions may be at most {RESTRICTIONS_MOST}")
    if before is None and one.start is not None and one.end is not None and one.end <= one.start:
        wrong.append("end must be after start")
    if one.name is not None and len(one.name) > NAME_MOST:
        wrong.append(f"name is too long (maximum is {NAME_MOST} characters)")
    return wrong


def _whole(one: AskedLayer, before: Layer | None, deed: Deed, number: int) -> Layer:
    """The layer as it will be kept: no start and no end is put into the past (law 1)."""
    now = deed.now.replace(microsecond=0)
    if before is None:
        assert one.start is not None  # `_breaches` has seen to these
        assert one.virtual_start is not None
        assert one.turn_seconds is not None
        assert one.user_ids is not None
        start, end = max(one.start, now), one.end
        return Layer(
            id=one.own_id or ids.object_id(deed.chance),
            name=one.name or f"Layer {number}",
            start=start,
            end=None if end is None else max(end, start),
            virtual_start=one.virtual_start,
            turn_seconds=one.turn_seconds,
            user_ids=one.user_ids,
            restrictions=one.restrictions or (),
        )
    start = before.start
    if one.start is not None and one.start > now:
        start = one.start
    elif one.start is not None and before.start > now:
        start = now
    end = before.end
    if one.ends and one.end != before.end:
        was_over = before.end is not None and before.end <= now
        end = None if one.end is None else before.end if one.end <= now and was_over else max(one.end, now)
    return replace(
        before,
        name=before.name if one.name is None else one.name,
        start=start,
        end=end,
        virtual_start=before.virtual_start if one.virtual_start is None else one.virtual_start,
        turn_seconds=before.turn_seconds if one.turn_seconds is None else one.turn_seconds,
        user_ids=before.user_ids if one.user_ids is None else one.user_ids,
        restrictions=before.restrictions if one.restrictions is None else one.restrictions,
    )


def _known(tx: Tx, table: sa.Table, wanted: Collection[str]) -> frozenset[str]:
    return (
        frozenset(tx.connection.scalars(sa.select(table.c.id).where(table.c.id.in_(sorted(wanted)))))
        if wanted
        else frozenset()
    )


# -------------------------------------------------------------------------------------------------------------- audit


def reference(schedule_id: str, name: str | None) -> dict[str, Any]:
    """A schedule as the audit trail names it."""
    return {"id": schedule_id, "type": "schedule_reference", "summary": name}


def override_reference(override_id: str) -> dict[str, Any]:
    return {"id": override_id, "type": "override_reference", "summary": None}


def _told(tx: Tx, columns: Mapping[str, Any], model: Model) -> dict[str, Any]:
    """What a record tells of a schedule."""
    team_id = columns["team_id"]
    name = tx.scalar(sa.select(team.c.name).where(team.c.id == team_id)) if team_id else None
    return {
        "name": columns["name"],
        "description": columns["description"],
        "time_zone": model.time_zone,
        "teams": [{"id": team_id, "type": "team_reference", "summary": name}] if team_id else [],
        "schedule_layers": msgspec.to_builtins(model.rotations),
    }


def _told_override(span: Span, user_id: str) -> dict[str, Any]:
    return {"start": times.iso(span.start), "end": times.iso(span.end), "user": user_id}
