"""Load, save and find schedules: their versions as JSON of the core's model, and their overrides.

Laws:
1. A version is written once and never changed; numbers and their instants only grow.
2. `schedules.model` says the same as the newest version, and `schedule_users` names the same people.
3. A read for a span brings whatever bears on it and no more, in two statements for any number of schedules.
"""

from collections.abc import Collection, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, get_type_hints

import msgspec
import sqlalchemy as sa

from tocsin.base.times import Span
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import Recurrence, RecurringShift, Turns
from tocsin.core.schedule import ExtraShift, Model, Override, Replacement, Rotation, Schedule, Version, named_users
from tocsin.store.db import Tx
from tocsin.store.tables.schedules import override, schedule, schedule_user, schedule_version

LONGEST_TURN: Final = timedelta(days=366)
"""Overrides that ended longer ago cut no period that still runs, and it began under no version that was over before."""

KEPT_DECODED: Final = 8192
"""Models kept decoded in memory: a model is a pure function of its text."""

_version, _override = schedule_version.c, override.c


@dataclass(frozen=True, slots=True)
class Loaded:
    """A schedule with what was asked for of its versions and overrides."""

    schedule: Schedule
    overrides: tuple[Override, ...]


_KINDS: Final[dict[str, type[Recurrence]]] = {"turns": Turns, "rule": Rule}
"""How shifts recur, by the `kind` that is kept with it."""

_hints = get_type_hints(RecurringShift) | {"recurrence": msgspec.Raw}
_Shift = msgspec.defstruct(
    "_Shift",
    [
        (one.name, _hints[one.name]) if one.default is MISSING else (one.name, _hints[one.name], one.default)
        for one in fields(RecurringShift)
    ],
)
"""A recurring shift as it is kept. msgspec reads no union of dataclasses, so its recurrence is read by itself."""


class _Rotation(msgspec.Struct):
    id: str
    name: str
    shifts: tuple[_Shift, ...]  # type: ignore[valid-type]
    rank: int = 0


class _Model(msgspec.Struct):
    time_zone: str
    rotations: tuple[_Rotation, ...] = ()
    extra_shifts: tuple[ExtraShift, ...] = ()
    replacements: tuple[Replacement, ...] = ()


class _Kind(msgspec.Struct):
    kind: str = "turns"


@lru_cache(maxsize=KEPT_DECODED)
def read_model(text: str) -> Model:
    """A model from its JSON. Raises ValueError when it is none."""
    told = msgspec.json.decode(text, type=_Model)
    rotations = tuple(
        Rotation(rotation.id, rotation.name, tuple(_read_shift(shift) for shift in rotation.shifts), rotation.rank)
        for rotation in told.rotations
    )
    return Model(told.time_zone, rotations, told.extra_shifts, told.replacements)


def _read_shift(told: Any) -> RecurringShift:
    kind = msgspec.json.decode(told.recurrence, type=_Kind).kind
    if kind not in _KINDS:
        raise ValueError(f"shifts that recur as '{kind[:40]}' were kept by a newer version of Tocsin")
    recurrence = msgspec.json.decode(told.recurrence, type=_KINDS[kind])
    return RecurringShift(**msgspec.structs.asdict(told) | {"recurrence": recurrence})


def around(span: Span) -> Span:
    """What to load for the periods that overlap `span` to be told whole: the edits that they outlast lie outside it."""
    return Span(span.start - LONGEST_TURN, span.end + LONGEST_TURN)


def load(tx: Tx, schedule_id: str, span: Span | None = None) -> Loaded | None:
    """One schedule: whole, or what bears on `span`. None when there is none."""
    return load_many(tx, [schedule_id], span).get(schedule_id)


def load_many(tx: Tx, schedule_ids: Collection[str], span: Span | None = None) -> dict[str, Loaded]:
    """These schedules by id, whole, or what bears on `span`; unknown ids are missing."""
    wanted = sorted(schedule_ids)
    chosen = (
        sa.select(schedule.c.id, schedule.c.name, _version.number, _version.effective_at)
        .add_columns(sa.type_coerce(_version.model, sa.Text).label("model"))
        .join_from(schedule, schedule_version, _version.schedule_id == schedule.c.id)
        .where(schedule.c.id.in_(wanted))
        .order_by(schedule.c.id, _version.number)
    )
    if span is not None:
        older = schedule_version.alias()
        ruling = (
            sa.select(sa.func.max(older.c.number))
            .where(older.c.schedule_id == _version.schedule_id, older.c.effective_at <= span.start)
            .scalar_subquery()
        )
        chosen = chosen.where(_version.effective_at <= span.end, _version.number >= sa.func.coalesce(ruling, 0))
    names: dict[str, str] = dict.fromkeys(wanted, "")
    versions: dict[str, list[Version]] = {}
    for row in tx.rows(chosen):
        names[row.id] = row.name
        versions.setdefault(row.id, []).append(Version(row.number, row.effective_at, read_model(row.model)))
    if missing := [id_ for id_ in wanted if id_ not in versions]:
        for row in tx.rows(sa.select(schedule.c.id, schedule.c.name).where(schedule.c.id.in_(missing))):
            names[row.id], versions[row.id] = row.name, []
    overrides = overrides_of(
        tx, list(versions), Span(span.start - LONGEST_TURN, span.end + LONGEST_TURN) if span else None
    )
    return {id_: Loaded(Schedule(id_, names[id_], tuple(found)), overrides[id_]) for id_, found in versions.items()}


def overrides_of(tx: Tx, schedule_ids: Collection[str], span: Span | None) -> dict[str, tuple[Override, ...]]:
    """The overrides of these schedules that overlap `span` (all, without one), by schedule, in the order they were made."""
    chosen = sa.select(override).where(_override.schedule_id.in_(sorted(schedule_ids)))
    if span is not None:
        chosen = chosen.where(_override.start_at < span.end, _override.end_at > span.start)
    found: dict[str, list[Override]] = {id_: [] for id_ in schedule_ids}
    for row in tx.rows(chosen.order_by(_override.sequence, _override.id)):
        found[row.schedule_id].append(_read(row))
    return {id_: tuple(overrides) for id_, overrides in found.items()}


def find_override(tx: Tx, schedule_id: str, override_id: str) -> Override | None:
    """One override of this schedule."""
    row = tx.one(sa.select(override).where(_override.id == override_id, _override.schedule_id == schedule_id))
    return None if row is None else _read(row)


def _read(row: sa.Row[Any]) -> Override:
    return Override(row.id, row.start_at, row.end_at, row.user_id, row.sequence)


def insert(tx: Tx, columns: dict[str, Any], model: Model, now: datetime) -> None:
    """Keep a new schedule (`columns`: id, name, description, team_id) with its first version."""
    told = {**columns, "time_zone": model.time_zone, "model": model, "created_at": now, "updated_at": now}
    tx.execute(sa.insert(schedule).values(told))
    _keep_version(tx, columns["id"], 1, model, now)


def save_version(tx: Tx, loaded: Schedule, model: Model, now: datetime) -> Schedule:
    """Let `model` rule from `now` on. Returns the schedule with its new version."""
    last = loaded.versions[-1] if loaded.versions else None
    effective_at = (
        max(now, last.effective_at) if last else now
    )  # clocks of several nodes differ; versions keep their order
    number = last.number + 1 if last else 1
    tx.execute(
        sa.update(schedule)
        .where(schedule.c.id == loaded.id)
        .values(model=model, time_zone=model.time_zone, updated_at=now)
    )
    _keep_version(tx, loaded.id, number, model, effective_at)
    return Schedule(loaded.id, loaded.name, (*loaded.versions, Version(number, effective_at, model)))


def _keep_version(tx: Tx, schedule_id: str, number: int, model: Model, effective_at: datetime) -> None:
    tx.execute(
        sa.insert(schedule_version),
        {"schedule_id": schedule_id, "number": number, "effective_at": effective_at, "model": model},
    )
    tx.execute(sa.delete(schedule_user).where(schedule_user.c.schedule_id == schedule_id))
    if users := sorted(named_users(model)):
        tx.execute(sa.insert(schedule_user), [{"schedule_id": schedule_id, "user_id": user_id} for user_id in users])


def add_overrides(tx: Tx, schedule_id: str, made: Sequence[tuple[str, Span, str]], now: datetime) -> None:
    """Keep overrides (id, span, user id), in the order they were asked for. The schedule's row must be locked."""
    if not made:
        return
    last = tx.scalar(sa.select(sa.func.max(_override.sequence)).where(_override.schedule_id == schedule_id)) or 0
    tx.execute(
        sa.insert(override),
        [
            {
                "id": id_, "schedule_id": schedule_id, "user_id": user_id, "start_at": span.start, "end_at": span.end,
                "created_at": now, "sequence": number,
            }
            for number, (id_, span, user_id) in enumerate(made, start=last + 1)
        ],
    )  # fmt: skip


def end_override(tx: Tx, override_id: str, end_at: datetime) -> None:
    tx.execute(sa.update(override).where(_override.id == override_id).values(end_at=end_at))


def drop_override(tx: Tx, override_id: str) -> None:
    tx.execute(sa.delete(override).where(_override.id == override_id))
