"""What the command line and the doctor say of a rota: who is on call now, what coverage was proven, how its load is shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tocsin.base.errors import invalid_arguments
from tocsin.base.times import iso, parse_instant, zone_named
from tocsin.core.permission import Actor
from tocsin.service import load, story
from tocsin.service.load import RotaLoad
from tocsin.store import people, policies
from tocsin.store.db import Tx
from tocsin.store.tables import schedules, services


@dataclass(frozen=True, slots=True)
class OnLevel:
    """Somebody on a level. `schedule` put them there; None: the policy names them itself."""

    id: str
    name: str
    schedule: str | None


@dataclass(frozen=True, slots=True)
class Level:
    """One level now. `nobody` says why there is nobody; empty when there is somebody."""

    people: Sequence[OnLevel]
    nobody: str


@dataclass(frozen=True, slots=True)
class OnPolicy:
    """One escalation policy now, lowest level first."""

    id: str
    name: str
    levels: Sequence[Level]

    @property
    def reaches_nobody(self) -> bool:
        return not any(level.people for level in self.levels)


def now_on_call(tx: Tx, now: datetime, wanted: str | None = None) -> list[OnPolicy]:
    """Every policy by name, or the one with this name or id."""
    policy = services.escalation_policy.c
    statement = sa.select(policy.id).order_by(policy.name)
    if wanted is not None:
        statement = statement.where(sa.or_(policy.id == wanted, policy.name == wanted))
    ids = [row.id for row in tx.rows(statement)]
    loaded = policies.load(tx, ids)
    ladders = {id_: story.ladder_of(tx, loaded[id_], now) for id_ in ids}
    standing = [person for ladder in ladders.values() for rung in ladder.rungs for person in rung.people]
    names = {id_: row.name for id_, row in people.users(tx, [person.user_id for person in standing]).items()}
    schedules = policies.schedule_names(tx, {person.schedule_id for person in standing if person.schedule_id})
    return [
        OnPolicy(
            id_,
            loaded[id_].name,
            [
                Level(
                    [
                        OnLevel(one.user_id, names.get(one.user_id, one.user_id), schedules.get(one.schedule_id or ""))
                        for one in rung.people
                    ],
                    "" if rung.people else rung.why_empty,
                )
                for rung in ladders[id_].rungs
            ],
        )
        for id_ in ids
    ]


def load_of(tx: Tx, actor: Actor, wanted: str, since: str | None, until: str | None, now: datetime) -> RotaLoad | None:
    """The load of the schedule with this name or id; None when there is none, or several. Raises 400/2002 for times that cannot be."""
    row = schedules.schedule.c
    found = tx.rows(sa.select(row.id, row.time_zone).where(sa.or_(row.id == wanted, row.name == wanted)))
    if len(found) != 1:
        return None
    try:
        start, end = (parse_instant(text, zone=zone_named(found[0].time_zone)) if text else None for text in (since, until))
    except (ValueError, OverflowError) as error:
        raise invalid_arguments(str(error)) from error
    return load.look(tx, actor, found[0].id, load.span_of(start, end, now))


def load_words(found: RotaLoad, *, by_shift: bool) -> str:
    """The load for people: a line a person, or a line a shift."""
    span = found.load.span
    lines = [f"{found.schedule_name}: {iso(span.start)} to {iso(span.end)}"]
    facts = load.facts(found)
    for one in load.shift_facts(found) if by_shift else facts["people"]:
        when = f"{one['start']} to {one['end']}  " if by_shift else ""
        more = "" if by_shift else f"; {one['shifts']} shifts, {one['beyond_even_share']['hours']:+g} h beyond an even share"
        lines.append(
            f"  {when}{one['name']}: {one['hours']:g} h (business {one['business_hours']:g}, off {one['off_hours']:g}, sleep {one['sleep_hours']:g}; "
            f"weekend {one['weekend_hours']:g}, holidays {one['holiday_hours']:g}, {one['nights']} nights){more}"
        )
    if not facts["people"]:
        lines.append("  nobody is on this rota")
    return "\n".join(lines)
