"""Calendars of who is on call, for anybody who has the address: per schedule, and per person.

Laws:
1. The address is a bearer credential. Its key is never kept: it is made of the master key and a seed, and a new seed ends it at once.
2. What is told is what would be paged, as far as schedules go; a person named by a policy itself is always on call and has no shift.
3. A shift keeps its name (`uid`) while its start stays, so that calendar programs move it instead of doubling it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import not_found
from tocsin.base.secret import Seals
from tocsin.base.times import Span
from tocsin.core import schedule as rules
from tocsin.core.schedule import Entry
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import people as store_people
from tocsin.store import schedules as store
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import override, schedule, schedule_user

BACK: Final = timedelta(weeks=4)
"""How far into the past a calendar reaches."""
AHEAD: Final = timedelta(weeks=26)
"""How far into the future."""
PURPOSE: Final = "calendar"
SEED_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of a calendar. `schedule_id` is where it comes from."""

    uid: str
    start: datetime
    end: datetime
    title: str
    schedule_id: str


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar: what it is called, and its shifts by start."""

    name: str
    shifts: tuple[Shift, ...]


def key_of(seals: Seals, kind: str, id_: str, seed: str | None) -> str:
    """The secret part of the address of a `user`'s or a `schedule`'s calendar; `seed` is its column `calendar_digest`."""
    return seals.key_for(_subject(kind, id_, seed), purpose=PURPOSE)


def path(seals: Seals, kind: str, id_: str, seed: str | None) -> str:
    """The secret path of the calendar of a `user` or a `schedule` on this installation."""
    return f"/calendars/{kind}s/{id_}/{key_of(seals, kind, id_, seed)}.ics"


def _subject(kind: str, id_: str, seed: str | None) -> str:
    return f"{kind} {id_} {seed or ''}"


def regenerate(tx: Tx, deed: Deed, seals: Seals, kind: str, id_: str) -> str:
    """A new secret for the calendar of this `user` or `schedule`; the old address answers no more. Raises 404."""
    table = {"user": user, "schedule": schedule}[kind]
    row = tx.one(sa.select(table).where(table.c.id == id_).with_for_update())
    if row is None:
        raise not_found(kind.title())
    seed = seals.digest(ids.token(deed.chance, SEED_LENGTH))
    tx.execute(sa.update(table).where(table.c.id == id_).values(calendar_digest=seed))
    reference = {"id": id_, "type": f"{kind}_reference", "summary": row.name}
    audit.record(tx, deed, reference, before={"private_url_key": None}, after={"private_url_key": "made anew"})
    return key_of(seals, kind, id_, seed)


def feed(tx: Tx, seals: Seals, kind: str, id_: str, key: str, now: datetime) -> Feed | None:
    """The calendar at this address; None when there is none, whatever the reason (a wrong key, somebody disabled)."""
    table = {"user": user, "schedule": schedule}.get(kind)
    row = None if table is None else tx.one(sa.select(table).where(table.c.id == id_))
    if row is None or not seals.is_key_for(key, _subject(kind, id_, row.calendar_digest), purpose=PURPOSE):
        return None
    span = Span(now - BACK, now + AHEAD)
    if kind == "schedule":
        return _of_schedule(tx, row, span)
    return None if row.is_disabled else _of_person(tx, row, span)


def _of_schedule(tx: Tx, row: sa.Row[Any], span: Span) -> Feed:
    loaded = store.load(tx, row.id, store.around(span))
    found: Sequence[Entry] = () if loaded is None else _entries(loaded, span)
    names = store_people.users(tx, [entry.user_id for entry in found])
    return Feed(
        f"On call: {row.name}",
        tuple(
            Shift(_uid(row.id, entry), entry.start, entry.end, f"{_name(names, entry.user_id)} is on call: {row.name}", row.id)
            for entry in found
        ),
    )


def _of_person(tx: Tx, row: sa.Row[Any], span: Span) -> Feed:
    """The schedules that name the person now, or in an override that counts: those who left a rota are not shown their past on it."""
    named = sa.select(schedule_user.c.schedule_id).where(schedule_user.c.user_id == row.id)
    standing = sa.select(override.c.schedule_id).where(override.c.user_id == row.id, override.c.end_at > span.start)
    wanted = tx.rows(sa.select(schedule.c.id).where(sa.or_(schedule.c.id.in_(named), schedule.c.id.in_(standing))))
    shifts = [
        Shift(_uid(id_, entry), entry.start, entry.end, f"On call: {loaded.schedule.name}", id_)
        for id_, loaded in store.load_many(tx, [found.id for found in wanted], store.around(span)).items()
        for entry in _entries(loaded, span)
        if entry.user_id == row.id
    ]
    return Feed(f"On call: {row.name}", tuple(sorted(shifts, key=lambda shift: (shift.start, shift.schedule_id))))


def _entries(loaded: Loaded, span: Span) -> Sequence[Entry]:
    """The shifts of a schedule that overlap the span, each whole."""
    found = rules.final(loaded.schedule, loaded.overrides, span)
    return rules.overflowing(loaded.schedule, loaded.overrides, found, span)


def _name(names: dict[str, sa.Row[Any]], user_id: str) -> str:
    return names[user_id].name if user_id in names else "somebody who is gone"


def _uid(schedule_id: str, entry: Entry) -> str:
    return f"{schedule_id}-{entry.user_id}-{entry.start:%Y%m%dT%H%M%SZ}"
