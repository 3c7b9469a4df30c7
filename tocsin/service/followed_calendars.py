"""Schedules that follow a calendar kept elsewhere: start, stop, preview, and taking in what was fetched.

Laws:
1. While a schedule follows a calendar, that is all it says; overrides stand above it as ever. What it said before is kept, and
   holds again from the moment it stops following.
2. A copy is good when it can be read and has events. Anything else is told, and the last good copy goes on holding; until there
   has been one, the schedule says what it said.
3. The address is a secret: it is kept sealed, and nobody is shown more of it than its host.
4. The past never changes: what the calendar says holds from the moment it was read (core/followed_calendar.py, law 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
import structlog

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.base.secret import Seals
from tocsin.channels import calendars as channel
from tocsin.channels.calendars import Wanted
from tocsin.core import followed_calendar as rules
from tocsin.core.followed_calendar import Candidate, Complaint, Understood, gathered
from tocsin.core.permission import STAKEHOLDERS
from tocsin.core.schedule import ExtraShift, Model, Version
from tocsin.inbound import calendar
from tocsin.inbound.spec import Unreadable
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.service.schedules import reference
from tocsin.store import followed_calendars as store
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Row, Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables.schedules import schedule

_log = structlog.get_logger("tocsin.calendars")

FILE_MOST: Final = 512 * 1024
"""Bytes of a calendar that is sent as a file."""
ADDRESS_MOST: Final = 2_000
"""Characters of an address."""
COMPLAINTS_KEPT: Final = 100
"""Complaints that are kept of one calendar; how many there are is told."""
CHANGES_TOLD: Final = 50
"""Shifts that one audit record tells."""
OVERDUE: Final = timedelta(hours=1)
"""A calendar that was not looked at for so long after it should have been is stale."""
RETRY: Final = timedelta(minutes=5)
"""How soon at the latest an address that failed is asked again."""
PATIENCE: Final = timedelta(seconds=8)
"""How long somebody who previews a calendar waits for its address."""
BELL: Final = "calendars"
SCHEMES: Final = frozenset({"http", "https", "webcal", "webcals"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of looking at a calendar: a good copy with what it says, or why there is none (and what the last one says).

    body None: the copy there is, is still good.
    """

    understood: Understood | None
    body: bytes | None = None
    etag: str | None = None
    last_modified: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule would be if it followed a calendar, and what of that is not understood."""

    loaded: Loaded
    understood: Understood


# --------------------------------------------------------------------------------------------------- start, stop, preview


def follow_address(tx: Tx, deed: Deed, seals: Seals, schedule_id: str, address: str) -> None:
    """Let the schedule follow the calendar at this address, as soon as it has been read once. Raises 400, 404."""
    address, host = checked_address(address)
    row, known = _found(tx, schedule_id)
    columns = _beginning(tx, deed, schedule_id, known) | {
        "sealed_address": seals.seal(address), "host": host, "etag": None, "last_modified": None, "due_at": deed.now, "last_error": None,
    }  # fmt: skip
    store.save(tx, schedule_id, columns)
    tx.wake(BELL)
    _tell(tx, deed, row, known, host)


def follow_file(tx: Tx, deed: Deed, schedule_id: str, text: str) -> None:
    """Let the schedule follow this calendar from now on. Raises 400 with what is wrong with it, 404."""
    body = text.encode()
    if len(body) > FILE_MOST:
        raise invalid(f"A calendar that is sent may have at most {FILE_MOST // 1024} KiB: give its address instead")
    row, known = _found(tx, schedule_id)
    found = _understood_or_refused(body, row.time_zone, people(tx), deed.now)
    columns = _beginning(tx, deed, schedule_id, known) | {"sealed_address": None, "host": None, "etag": None, "last_modified": None}
    store.save(tx, schedule_id, columns | {"due_at": deed.now, "last_error": None})
    _tell(tx, deed, row, known, None)
    take_in(tx, deed, schedule_id, str(columns["revision"]), Outcome(found, body), every=timedelta())


def stop(tx: Tx, deed: Deed, schedule_id: str) -> None:
    """Let the schedule say again what it said before it followed. Raises 404 when it follows nothing."""
    row, known = _found(tx, schedule_id)
    loaded = store_schedules.load(tx, schedule_id)
    if known is None or loaded is None:
        raise not_found("Followed Calendar")
    before = replace(store.model_before(tx, schedule_id), time_zone=row.time_zone)
    if loaded.schedule.model != before:
        store_schedules.save_version(tx, loaded.schedule, before, deed.now)
    store.drop(tx, schedule_id)
    told = {"followed_calendar": _source(known.host)}
    audit.record(tx, deed, reference(schedule_id, row.name), before=told, after={"followed_calendar": None})


def preview(tx: Tx, now: datetime, schedule_id: str, body: bytes) -> Preview:
    """What the schedule would be if it followed this calendar; nothing is kept. Raises 400 with what is wrong with it, 404."""
    loaded = store_schedules.load(tx, schedule_id)
    if loaded is None or not loaded.schedule.versions:
        raise not_found("Schedule")
    model = loaded.schedule.model
    found = _understood_or_refused(body, model.time_zone, people(tx), now)
    last = loaded.schedule.versions[-1]
    version = Version(last.number + 1, max(now, last.effective_at), rules.followed(model, found.shifts, now) or model)
    return Preview(replace(loaded, schedule=replace(loaded.schedule, versions=(*loaded.schedule.versions, version))), found)


def fetched(address: str, allowed: Sequence[str]) -> bytes:
    """The calendar at this address, asked for now; never inside a writing transaction. Raises 400 when there is none to be had."""
    address, _ = checked_address(address)
    (found,) = channel.fetch([Wanted(address)], size_most=calendar.SIZE_MOST, allowed=allowed, timeout=PATIENCE)
    if found.body is None:
        raise invalid(f"The calendar cannot be fetched: {found.error}")
    return found.body


def _found(tx: Tx, schedule_id: str) -> tuple[Row, Row | None]:
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    if row is None:
        raise not_found("Schedule")
    if row.is_shift_based:
        raise invalid("A schedule of shifts (v3) cannot follow a calendar: make another one for it")
    return row, store.find(tx, schedule_id)


def _beginning(tx: Tx, deed: Deed, schedule_id: str, known: Row | None) -> dict[str, Any]:
    """The columns of a calendar that is followed from now on; the copy of an earlier one holds until there is a new one."""
    columns: dict[str, Any] = {"revision": ids.object_id(deed.chance)}
    if known is not None:
        return columns
    loaded = store_schedules.load(tx, schedule_id)
    model = loaded.schedule.model if loaded is not None and loaded.schedule.versions else Model("UTC")
    return columns | {
        "copy": None, "copied_at": None, "tried_at": None, "complaints": [], "complaint_count": 0, "shift_count": 0,
        "model_before": model, "created_at": deed.now,
    }  # fmt: skip


def checked_address(address: str) -> tuple[str, str]:
    """The address and what may be shown of it. Raises 400."""
    address = address.strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise invalid("The address of the calendar is not an address") from error
    if parts.scheme.lower() not in SCHEMES or not host or not address.isprintable() or " " in address:
        raise invalid("The address of the calendar must begin with https://, http:// or webcal://, and name a host")
    if len(address) > ADDRESS_MOST:
        raise invalid(f"The address of the calendar may have at most {ADDRESS_MOST} characters")
    return address, host + (f":{port}" if port else "")


def address_of(seals: Seals, row: Row) -> str:
    """The address of a followed calendar. Raises ValueError when it was sealed with a master key we do not have."""
    return seals.open(row.sealed_address)


# ---------------------------------------------------------------------------------------------------------- understanding


def people(tx: Tx) -> list[Candidate]:
    """Everybody whom a calendar may name."""
    return [Candidate(row.id, row.name, row.email, row.is_disabled) for row in store.candidates(tx, STAKEHOLDERS)]


def understand(body: bytes, time_zone: str, candidates: Sequence[Candidate], now: datetime) -> Understood:
    """What a calendar says for the months that are followed. Raises Unreadable."""
    zone = times.zone_named(time_zone)
    span = rules.horizon(now, zone)
    read = calendar.read(body, zone, span)
    found = rules.understood(read.occurrences, candidates, span)
    if len(found.shifts) > rules.SHIFTS_MOST:
        raise Unreadable([f"the calendar makes more than {rules.SHIFTS_MOST:,} shifts in the months that are followed"])
    return replace(found, complaints=gathered((*read.complaints, *found.complaints)))


def _understood_or_refused(body: bytes, time_zone: str, candidates: Sequence[Candidate], now: datetime) -> Understood:
    try:
        return understand(body, time_zone, candidates, now)
    except Unreadable as error:
        raise invalid(*(f"This calendar cannot be followed: {words}" for words in error.errors)) from error


def outcome(
    copy: bytes | None, fetched: bytes | None, error: str | None, time_zone: str, candidates: Sequence[Candidate], now: datetime
) -> Outcome:
    """What a fetch came to: `fetched` if it can be followed, else the reason and what the last good copy says (law 2).

    Without a body and without an error the copy is still good.
    """
    if fetched is not None and error is None:
        try:
            return Outcome(understand(fetched, time_zone, candidates, now), fetched)
        except Unreadable as problem:
            error = "; ".join(problem.errors)
    try:
        understood = None if copy is None else understand(copy, time_zone, candidates, now)
    except Unreadable as problem:  # it has grown beyond the limits as time went on: what is in force stays
        understood, error = None, error or "; ".join(problem.errors)
    return Outcome(understood, error=error)


# -------------------------------------------------------------------------------------------------------------- taking in


def take_in(tx: Tx, deed: Deed, schedule_id: str, revision: str, found: Outcome, *, every: timedelta) -> bool:
    """Keep what became of looking at the calendar, and let the schedule say it. True when the schedule says something new.

    Nothing is kept when people changed what is followed in the meantime (`revision`).
    """
    row = tx.one(sa.select(schedule).where(schedule.c.id == schedule_id).with_for_update())
    known = store.find(tx, schedule_id)
    loaded = store_schedules.load(tx, schedule_id)
    if row is None or loaded is None or known is None or known.revision != revision:
        return False
    columns: dict[str, Any] = {"tried_at": deed.now, "last_error": found.error}
    columns["due_at"] = deed.now + (min(every, RETRY) if found.error else every)
    if found.error is None:
        columns |= {"copied_at": deed.now}
        if found.body is not None:
            columns |= {"copy": found.body, "etag": found.etag, "last_modified": found.last_modified}
    if found.understood is not None:
        complaints = found.understood.complaints
        columns |= {
            "complaints": msgspec.to_builtins(complaints[:COMPLAINTS_KEPT]), "complaint_count": len(complaints),
            "shift_count": len(found.understood.shifts),
        }  # fmt: skip
    store.save(tx, schedule_id, columns)
    if found.error is not None and known.last_error != found.error:
        _log.warning("a followed calendar cannot be used", schedule_id=schedule_id, host=known.host, reason=found.error)
    if found.understood is None:
        return False
    before = loaded.schedule.model
    after = rules.followed(before, found.understood.shifts, deed.now)
    if after is None:
        return False
    store_schedules.save_version(tx, loaded.schedule, after, deed.now)
    old, new = (_told(one.extra_shifts, deed.now) for one in (before, after))
    gone, come = [one for one in old if one not in new], [one for one in new if one not in old]
    audit.record(
        tx, deed, reference(schedule_id, row.name),
        before={"followed_shifts": gone[:CHANGES_TOLD], "followed_shift_count": len(old)},
        after={"followed_shifts": come[:CHANGES_TOLD], "followed_shift_count": len(new)},
    )  # fmt: skip
    return True


def _told(shifts: Sequence[ExtraShift], now: datetime) -> list[dict[str, Any]]:
    return [
        {"start": times.iso(one.start), "end": times.iso(one.end), "users": list(one.people)} for one in shifts if one.end > now
    ]


def _tell(tx: Tx, deed: Deed, row: Row, known: Row | None, host: str | None) -> None:
    """The audit record of what people chose to follow; a new revision tells two secret addresses of one host apart."""
    before = {"followed_calendar": _source(known.host) if known is not None else None}
    after = {"followed_calendar": _source(host) + (" (given anew)" if known is not None else "")}
    audit.record(tx, deed, reference(row.id, row.name), before=before, after=after)


def _source(host: str | None) -> str:
    return f"an address at {host}" if host else "a file"


# ----------------------------------------------------------------------------------------------------------------- looking


@dataclass(frozen=True, slots=True)
class State:
    """How it stands with a followed calendar."""

    schedule_id: str
    host: str | None
    copied_at: datetime | None
    tried_at: datetime | None
    due_at: datetime
    last_error: str | None
    is_stale: bool
    complaints: tuple[Complaint, ...]
    complaint_count: int
    shift_count: int


def state(tx: Tx, schedule_id: str, now: datetime) -> State | None:
    """How it stands with the calendar that this schedule follows; None when it follows none."""
    row = store.find(tx, schedule_id)
    return None if row is None else _state(row, now)


def states(tx: Tx, now: datetime) -> list[State]:
    """How it stands with every calendar that is followed."""
    return [_state(row, now) for row in store.all_without_copies(tx)]


def _state(row: Row, now: datetime) -> State:
    is_stale = row.last_error is not None or row.due_at + OVERDUE < now
    complaints = tuple(msgspec.convert(row.complaints, list[Complaint]))
    return State(
        row.schedule_id, row.host, row.copied_at, row.tried_at, row.due_at, row.last_error, is_stale, complaints,
        row.complaint_count, row.shift_count,
    )  # fmt: skip
