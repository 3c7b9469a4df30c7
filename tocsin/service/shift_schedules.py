"""Shift-based schedules (PagerDuty's v3): the one door for them, and how what is asked of them becomes the model that rules.

Their rotations and events are in `shift_rotations.py`, their custom shifts and overrides in `shift_exceptions.py`.

Laws:
1. The past never changes: what is over is refused, what runs can only be ended, what is to come can be changed and taken away.
2. What is given a start in the past starts now.
3. After every change the model is made anew of what is not over, and rules from now on as a version of its own.
4. A refusal is a map from field to sentences, and nothing was changed.
Source: BEHAVIOUR 5.4 and 5.5.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import Refusal, not_found
from tocsin.base.times import Span
from tocsin.core.schedule import ExtraShift, Model, Replacement, Rotation, Schedule
from tocsin.core.shift_event import State, recurring
from tocsin.service import audit, schedules
from tocsin.service.audit import Deed
from tocsin.store import schedules as versions
from tocsin.store import shift_schedules as store
from tocsin.store.db import Tx
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule

CLOCKS_APART: Final = timedelta(days=1)
"""How far the clock of another node may be ahead, so that its version of a schedule is still seen."""

Errors = dict[str, list[str]]
"""By field, what is wrong with it."""


def refusal(errors: Errors) -> Refusal:
    """400/2001 as the v3 schedules have it: `errors` is a map from field to sentences."""
    return Refusal(400, 2001, "Invalid Request", errors)


# ------------------------------------------------------------------------------------------------------------ schedules


def create(
    tx: Tx, deed: Deed, *, name: str | None, time_zone: str | None, description: str | None = None, team_id: str | None = None,
    own_id: str | None = None,
) -> str:  # fmt: skip
    """A new schedule without rotations (`own_id`: the id to have, known to be free). Returns its id."""
    columns = _checked(tx, {"name": name, "description": description, "team_id": team_id}, time_zone, is_new=True)
    model = Model(str(time_zone))
    schedule_id = own_id or ids.object_id(deed.chance)
    versions.insert(tx, {"id": schedule_id, "is_shift_based": True, **columns}, model, deed.now)
    told = _told(tx, columns, model.time_zone)
    audit.record(tx, deed, schedules.reference(schedule_id, columns["name"]), before=None, after=told)
    return schedule_id


def change(tx: Tx, deed: Deed, schedule_id: str, columns: Mapping[str, Any], *, time_zone: str | None = None) -> None:
    """Change what is given: `columns` (name, description, team_id) and the zone. Saying what is so already is no change."""
    row = locked(tx, schedule_id)
    old = {name: getattr(row, name) for name in ("name", "description", "team_id")}
    new = old | _checked(tx, columns, time_zone, is_new=False)
    zone = row.time_zone if time_zone is None else time_zone
    if new != old:
        tx.execute(sa.update(schedule).where(schedule.c.id == schedule_id).values(**new, updated_at=deed.now))
    if zone != row.time_zone:
        keep(tx, deed, schedule_id, zone)
    audit.record(
        tx,
        deed,
        schedules.reference(schedule_id, new["name"]),
        before=_told(tx, old, row.time_zone),
        after=_told(tx, new, zone),
    )


def _checked(tx: Tx, columns: Mapping[str, Any], time_zone: str | None, *, is_new: bool) -> dict[str, Any]:
    checked, errors = dict(columns), Errors()
    if "name" in checked:
        checked["name"] = (checked["name"] or "").strip()
        if not 1 <= len(checked["name"]) <= schedules.NAME_MOST:
            errors["schedule.name"] = [f"must have between 1 and {schedules.NAME_MOST} characters"]
    if len(checked.get("description") or "") > schedules.DESCRIPTION_MOST:
        errors["schedule.description"] = [f"may have at most {schedules.DESCRIPTION_MOST} characters"]
    if time_zone is None and is_new:
        errors["schedule.time_zone"] = ["is required"]
    elif time_zone is not None:
        try:
            times.zone_named(time_zone)
        except ValueError as error:
            errors["schedule.time_zone"] = [str(error)]
    team_id = checked.get("team_id")
    if team_id and tx.one(sa.select(team.c.id).where(team.c.id == team_id)) is None:
        errors["schedule.teams"] = [f"Team {team_id} Not Found"]
    if errors:
        raise refusal(errors)
    return checked


# ------------------------------------------------------------------------------------------------------------ the model


def model_of(tx: Tx, schedule_id: str, time_zone: str, now: datetime) -> Model:
    """What is not over of all that was asked for, as the model that rules (law 3)."""
    rotations = []
    for number, kept in enumerate(store.rotations_of(tx, [schedule_id])[schedule_id], start=1):
        live = [one for one in kept.events if one.state(now) is not State.PAST]
        if live:
            name = f"Rotation {number}: {live[0].name}"
            rotations.append(Rotation(kept.id, name, tuple(recurring(one) for one in live)))
    extras = [
        ExtraShift(one.id, one.start, one.end, () if one.user_id is None else (one.user_id,))
        for one in store.custom_shifts_of(tx, schedule_id, ending_after=now)
    ]
    standing = [
        Replacement(one.id, one.source_id, one.start, one.end, one.overridden, one.overriding, one.sequence)
        for one in store.overrides_of(tx, schedule_id, ending_after=now)
    ]
    return Model(time_zone, tuple(rotations), tuple(extras), tuple(standing))


def keep(tx: Tx, deed: Deed, schedule_id: str, time_zone: str | None = None) -> Schedule:
    """Let what is asked for now rule from now on, if that is something else than what rules already."""
    loaded = versions.load(tx, schedule_id, Span(deed.now, deed.now + CLOCKS_APART))  # the newest is enough
    assert loaded is not None  # the row is locked
    known = loaded.schedule
    model = model_of(tx, schedule_id, time_zone or known.model.time_zone, deed.now)
    return known if model == known.model else versions.save_version(tx, known, model, deed.now)


def locked(tx: Tx, schedule_id: str) -> sa.Row[Any]:
    """The row of a shift-based schedule, locked until the transaction ends. Raises 404."""
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    if row is None or not row.is_shift_based:
        raise not_found("Schedule")
    return row


# ------------------------------------------------------------------------------------------------ what all of them need


def known_users(tx: Tx, wanted: Collection[str | None]) -> frozenset[str]:
    """Of these users those that there are."""
    named = sorted({user_id for user_id in wanted if user_id is not None})
    return frozenset(tx.connection.scalars(sa.select(user.c.id).where(user.c.id.in_(named)))) if named else frozenset()


def now_of(deed: Deed) -> datetime:
    """Now in whole seconds: what the wire can say."""
    return deed.now.replace(microsecond=0)


def root_of(row: sa.Row[Any]) -> dict[str, Any]:
    """The schedule as the audit trail names it."""
    return schedules.reference(row.id, row.name)


def part(kind: str, id_: str, summary: str | None = None) -> dict[str, Any]:
    """A part of a schedule as the audit trail names it."""
    return {"id": id_, "type": f"{kind}_reference", "summary": summary}


def _told(tx: Tx, columns: Mapping[str, Any], time_zone: str) -> dict[str, Any]:
    team_id = columns["team_id"]
    name = tx.scalar(sa.select(team.c.name).where(team.c.id == team_id)) if team_id else None
    return {
        "name": columns["name"],
        "description": columns["description"],
        "time_zone": time_zone,
        "teams": [{"id": team_id, "type": "team_reference", "summary": name}] if team_id else [],
    }
