"""The load of a rota for those who may see it: who was on call how long, at night, at weekends and on holidays.

Laws:
1. People on the rota see it, and Managers and above; nobody else, and nowhere else: it is for the rota's own fairness.
2. It is worked out from the final schedule, so that an override counts for whoever took it.
3. On the rota is whom the schedule names in the span, and whoever was on call by it, be it by an override alone.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from tocsin.base import times
from tocsin.base.errors import forbidden, invalid_arguments
from tocsin.base.times import Span
from tocsin.core import load as rules
from tocsin.core import permission
from tocsin.core.load import Hours, Load, Member, PersonLoad, ShiftLoad
from tocsin.core.permission import Actor, Thing, Verdict
from tocsin.core.schedule import Entry, final, named_users
from tocsin.service import access, public_holidays
from tocsin.store import people
from tocsin.store import schedules as store
from tocsin.store.db import Row, Tx
from tocsin.store.tables.schedules import schedule

DAYS_MOST: Final = 2 * 366
"""How many days are looked at at once."""
SPAN_MOST: Final = timedelta(days=DAYS_MOST)
UNASKED: Final = timedelta(weeks=13)
"""How far back is looked when nothing is said."""
GONE: Final = "somebody who is gone"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to some spreadsheets."""


@dataclass(frozen=True, slots=True)
class RotaLoad:
    """The load of one schedule, with the names and zones of its people and the names of the holidays by person and day."""

    schedule_id: str
    schedule_name: str
    time_zone: str
    load: Load
    names: Mapping[str, str]
    emails: Mapping[str, str]
    zones: Mapping[str, ZoneInfo]
    holidays: Mapping[str, Mapping[date, str]]

    def name(self, user_id: str) -> str:
        return self.names.get(user_id, GONE)


def look(tx: Tx, actor: Actor, schedule_id: str, span: Span) -> RotaLoad:
    """The load of a schedule. Raises 404, 403 for who is not on the rota and no Manager, 400/2002 for a span that cannot be."""
    row = access.find(tx, actor, "schedule", schedule, schedule_id)
    if span.end <= span.start:
        raise invalid_arguments("until must be after since")
    if span.end - span.start > SPAN_MOST:
        raise invalid_arguments(f"The range from since to until must be at most {DAYS_MOST} days")
    entries, on_rota = _rota(tx, row.id, span)
    if not _verdict(actor, row, on_rota).allowed:
        raise forbidden("The load of a rota is shown to the people on it, and to Managers and above")
    known = people.users(tx, on_rota)
    zones = {id_: _zone(known.get(id_), row.time_zone) for id_ in on_rota}
    years = range(span.start.year - 1, span.end.year + 2)
    places = public_holidays.places_of(tx, row.id, on_rota)
    days = {id_: public_holidays.days_of(places[id_], years) for id_ in on_rota}
    members = [Member(id_, zones[id_], frozenset(days[id_])) for id_ in sorted(on_rota)]
    return RotaLoad(
        row.id, row.name, row.time_zone, rules.load_of(entries, members, span), {id_: one.name for id_, one in known.items()},
        {id_: one.email for id_, one in known.items()}, zones, days,
    )  # fmt: skip


def may_look(tx: Tx, actor: Actor, row: Row, span: Span) -> bool:
    """Whether the actor may see the load of this schedule (law 1), for a link to it."""
    _, on_rota = _rota(tx, row.id, span)
    return _verdict(actor, row, on_rota).allowed


def _rota(tx: Tx, schedule_id: str, span: Span) -> tuple[Sequence[Entry], set[str]]:
    """Who is on call when in the span, and everybody on the rota (law 3)."""
    loaded = store.load(tx, schedule_id, span)
    if loaded is None:
        return (), set()
    entries = final(loaded.schedule, loaded.overrides, span)
    ruling = [version for version in loaded.schedule.versions if version.effective_at < span.end]
    named = {user_id for version in ruling for user_id in named_users(version.model)}
    return entries, named | {entry.user_id for entry in entries}


def _verdict(actor: Actor, row: Row, on_rota: set[str]) -> Verdict:
    is_member = actor.user_id is not None and actor.user_id in on_rota
    teams = frozenset({row.team_id} if row.team_id else ())
    return permission.may(actor, permission.READ, Thing("rota_load", row.id, teams, actor.user_id if is_member else None))


def _zone(row: Row | None, own: str) -> ZoneInfo:
    return times.zone_named((row.time_zone if row is not None else None) or own)


# --------------------------------------------------------------------------------------------------------------- for export


def facts(found: RotaLoad) -> dict[str, Any]:
    """The load for machines: everybody's hours, beside the even share."""
    beyond = rules.difference(found.load)
    return {
        "since": times.iso(found.load.span.start),
        "until": times.iso(found.load.span.end),
        "total": hours(found.load.total),
        "even_share": hours(found.load.even),
        "people": [_person(found, one, beyond[one.user_id]) for one in found.load.people],
    }


def _person(found: RotaLoad, one: PersonLoad, beyond: Hours) -> dict[str, Any]:
    return {
        "id": one.user_id,
        "name": found.name(one.user_id),
        "time_zone": str(found.zones[one.user_id]),
        **hours(one.hours),
        "nights": one.nights,
        "shifts": len(one.shifts),
        "hand_offs": one.hand_offs,
        "beyond_even_share": hours(beyond),
    }


def shift_facts(found: RotaLoad) -> list[dict[str, Any]]:
    """Every shift of everybody for machines, by start; its times are on the person's own wall."""
    return [_shift(found, one) for one in rules.by_start(found.load)]


def _shift(found: RotaLoad, one: ShiftLoad) -> dict[str, Any]:
    zone, days = found.zones[one.user_id], found.holidays[one.user_id]
    return {
        "id": one.user_id,
        "name": found.name(one.user_id),
        "time_zone": str(zone),
        "start": times.iso(one.start, zone),
        "end": times.iso(one.end, zone),
        **hours(one.hours),
        "nights": len(one.nights),
        "holidays": [f"{day.isoformat()} {days[day]}" for day in one.holidays],
    }


def hours(found: Hours) -> dict[str, float]:
    """Hours with two decimals, under the names that every export has."""
    return {
        "hours": _hours(found.total), "business_hours": _hours(found.business), "off_hours": _hours(found.off_hours),
        "sleep_hours": _hours(found.sleep), "weekend_hours": _hours(found.weekend), "holiday_hours": _hours(found.holiday),
    }  # fmt: skip


def _hours(lasting: timedelta) -> float:
    return round(lasting / timedelta(hours=1), 2)


def as_csv(found: RotaLoad, *, by_shift: bool) -> str:
    """The load as a table for a spreadsheet: a row a person, or a row a shift."""
    if by_shift:
        columns = ["id", "name", "email", "time_zone", "start", "end", *hours(Hours()), "nights", "holidays"]
        rows = [one | {"holidays": "; ".join(one["holidays"])} for one in shift_facts(found)]
    else:
        columns = ["id", "name", "email", "time_zone", *hours(Hours()), "nights", "shifts", "hand_offs", "even_share_hours", "beyond_even_share_hours"]
        even = _hours(found.load.even.total)
        rows = [
            one | {"even_share_hours": even, "beyond_even_share_hours": one["beyond_even_share"]["hours"]} for one in facts(found)["people"]
        ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        told = row | {"email": found.emails.get(row["id"], "")}
        writer.writerow([_cell(told[column]) for column in columns])
    return out.getvalue()


def _cell(value: object) -> object:
    """A value no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def span_of(since: datetime | None, until: datetime | None, now: datetime) -> Span:
    """The span that is asked for: up to now, and 13 weeks, unless said."""
    end = until or (now if since is None or since < now else since + UNASKED)
    return Span(since or end - UNASKED, end)

