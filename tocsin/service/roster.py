"""Who is on call, as people look at it: every policy with its levels, who stands there, until when, and who is next.

Laws:
1. Who is shown is who would be paged: the same schedules are asked as the engine asks.
2. A gap is shown as a gap, with how long it lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.base.times import Span
from tocsin.core import schedule as rules
from tocsin.core.escalation import Policy, Rule
from tocsin.core.permission import Actor
from tocsin.core.schedule import Entry
from tocsin.service import access, schedules
from tocsin.store import dialect, policies
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Tx
from tocsin.store.tables import schedules as schedule_tables
from tocsin.store.tables import services as service_tables

POLICIES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Seat:
    """One target of a level: a person named for good, or a schedule with what it says over the span."""

    schedule_id: str | None
    name: str
    entries: tuple[Entry, ...]

    def at(self, instant: datetime) -> tuple[Entry, ...]:
        """Who holds it at this instant."""
        return tuple(entry for entry in self.entries if entry.start <= instant < entry.end)

    def after(self, instant: datetime) -> Entry | None:
        """Who comes next: the first entry that begins later and is somebody else's."""
        now = {entry.user_id for entry in self.at(instant)}
        later = (entry for entry in self.entries if entry.start > instant and entry.user_id not in now)
        return min(later, key=lambda entry: entry.start, default=None)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a policy with its seats."""

    number: int
    rule: Rule
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Roster:
    """One policy over a span of time."""

    policy: Policy
    team_id: str | None
    levels: tuple[Level, ...]
    services: Sequence[str]

    def is_held_at(self, instant: datetime) -> bool:
        """Whether anybody at all stands on it."""
        return any(seat.at(instant) for level in self.levels for seat in level.seats)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rosters, and whether there are more."""

    rosters: list[Roster]
    has_more: bool


def look(tx: Tx, actor: Actor, span: Span, *, team_id: str = "", words: str = "", page: int = 1) -> Page:
    """The policies the viewer may see, by name, over a span."""
    table = service_tables.escalation_policy
    statement = sa.select(table.c.id, table.c.team_id).order_by(sa.func.lower(table.c.name), table.c.id)
    visible = access.visible(actor, "escalation_policy")
    if visible is not None:
        statement = statement.where(visible)
    if team_id:
        statement = statement.where(table.c.team_id == team_id)
    if words:
        statement = statement.where(dialect.contains(table.c.name, words))
    rows = tx.rows(statement.limit(POLICIES_SHOWN + 1).offset((max(page, 1) - 1) * POLICIES_SHOWN))
    shown = rows[:POLICIES_SHOWN]
    found = policies.load(tx, [row.id for row in shown])
    schedule_ids = {target.id for policy in found.values() for rule in policy.rules for target in rule.targets if target.type != "user"}
    seats = {seat.schedule_id: seat for seat in _seats(tx, schedule_ids, span)}
    served = _services(tx, [row.id for row in shown])
    rosters = [
        Roster(found[row.id], row.team_id, _levels(found[row.id], seats, span), served.get(row.id, []))
        for row in shown
    ]
    return Page(rosters, len(rows) > POLICIES_SHOWN)


def _seats(tx: Tx, schedule_ids: set[str], span: Span) -> list[Seat]:
    loaded = store_schedules.load_many(tx, sorted(schedule_ids), span)
    return [
        Seat(id_, one.schedule.name, rules.final(one.schedule, one.overrides, span)) for id_, one in loaded.items()
    ]


def _levels(policy: Policy, seats: dict[str | None, Seat], span: Span) -> tuple[Level, ...]:
    levels = []
    for number, rule in enumerate(policy.rules, start=1):
        here = [
            Seat(None, "", (Entry(span.start, span.end, target.id),))
            if target.type == "user"
            else seats.get(target.id, Seat(target.id, "a schedule that no longer exists", ()))
            for target in rule.targets
        ]
        levels.append(Level(number, rule, tuple(here)))
    return tuple(levels)


def _services(tx: Tx, policy_ids: Sequence[str]) -> dict[str, list[str]]:
    table = service_tables.service
    found: dict[str, list[str]] = {}
    rows = tx.rows(
        sa.select(table.c.escalation_policy_id, table.c.name)
        .where(table.c.escalation_policy_id.in_(policy_ids), table.c.is_disabled.is_(False))
        .order_by(table.c.name)
    )
    for row in rows:
        found.setdefault(row.escalation_policy_id, []).append(row.name)
    return found


@dataclass(frozen=True, slots=True)
class Duty:
    """One schedule somebody is on call for now."""

    schedule_id: str
    name: str
    until: datetime


def duties(tx: Tx, user_id: str, now: datetime) -> list[Duty]:
    """The schedules this person is on call for now, the one that ends first on top."""
    link, table, override = schedule_tables.schedule_user.c, schedule_tables.schedule.c, schedule_tables.override.c
    named = sa.select(link.schedule_id).where(link.user_id == user_id)
    taken = sa.select(override.schedule_id).where(override.user_id == user_id, override.end_at > now)
    rows: dict[str, Any] = {row.id: row.name for row in tx.rows(sa.select(table.id, table.name).where(sa.or_(table.id.in_(named), table.id.in_(taken))))}
    found = [
        Duty(schedule_id, rows[schedule_id], one.end)
        for schedule_id, people in schedules.people_on_call(tx, sorted(rows), now).items()
        for one in people
        if one.user_id == user_id
    ]
    return sorted(found, key=lambda duty: (duty.until, duty.name))


def change_mark(tx: Tx) -> object:
    """A value that changes when a schedule, an override or a policy does."""
    schedule, override, policy = schedule_tables.schedule.c, schedule_tables.override.c, service_tables.escalation_policy.c
    changed = tx.scalar(sa.select(sa.func.max(schedule.updated_at)))
    overridden = tx.one(sa.select(sa.func.count(), sa.func.max(override.sequence), sa.func.max(override.end_at)))
    return changed, tuple(overridden or ()), tx.scalar(sa.select(sa.func.max(policy.updated_at)))
