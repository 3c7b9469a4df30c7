"""Heartbeats: the one door for making and changing them, for hearing their pings, and for telling their silence.

Laws:
1. What a heartbeat says goes into the inbox as an event of its own way into its service, in the transaction that changes its
   state: so it is told once, whatever is killed and however many nodes look.
2. Every change by somebody takes a `Deed` and leaves an audit record, which never has the secret.
3. A secret is kept as a digest and sealed; who asks at a wrong address learns nothing but 404.
4. Of one heartbeat, what is told later stands later in the inbox, whatever the clocks of the nodes say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, json, times
from tocsin.base.errors import invalid, not_found
from tocsin.base.secret import Seals
from tocsin.core import heartbeat as rules
from tocsin.core.heartbeat import Change, Kind, Say, Schedule, State
from tocsin.inbound.events_v2 import READER
from tocsin.inbound.spec import Payload
from tocsin.service import audit, services
from tocsin.service.audit import Deed
from tocsin.store import heartbeats as store
from tocsin.store import inbox
from tocsin.store.db import Tx

HEARTBEATS_MOST: Final = 2_000
"""Heartbeats of the account."""
NAME_MOST: Final = 100
BODY_MOST: Final = 10_000
"""Characters kept of what a ping says."""
A_MINUTE: Final = 60
"""Pings of one heartbeat that are taken in a minute; who sends more is told to slow down."""
SECRET_LENGTH: Final = 32


class Heard(Enum):
    """What became of a ping."""

    TAKEN = "taken"
    UNKNOWN = "unknown"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping as it came. `body` is what its sender says besides; `exit_status` 0 is good, any other says that it failed."""

    kind: Kind
    method: str = "GET"
    exit_status: int | None = None
    body: str = ""
    remote_address: str | None = None


# --------------------------------------------------------------------------------------------------- making and changing


def create(tx: Tx, deed: Deed, seals: Seals, *, service_id: str, name: str, schedule: Schedule, grace: timedelta) -> str:
    """A new heartbeat of this service, which waits for its first ping. `deed.chance` must be the system's. Returns its id."""
    _check(name, grace)
    if store.count(tx) >= HEARTBEATS_MOST:
        raise invalid(f"There may be at most {HEARTBEATS_MOST} heartbeats: delete some first")
    integration_id = services.add_integration(tx, deed, service_id, name=f"Heartbeat: {name}")
    heartbeat_id = ids.object_id(deed.chance)
    row = {
        "id": heartbeat_id, "integration_id": integration_id, "name": name, **_secret(deed, seals),
        "schedule": store.kept_schedule(schedule), "grace_seconds": int(grace.total_seconds()), "state": State.NEW.value,
        "reason": "no ping has come yet", "created_at": deed.now, "updated_at": deed.now,
    }  # fmt: skip
    store.insert(tx, row)
    made = read(tx, heartbeat_id)
    _audit(tx, deed, made, None, _told(made))
    return heartbeat_id


def change(
    tx: Tx, deed: Deed, heartbeat_id: str, *, name: str | None = None, schedule: Schedule | None = None, grace: timedelta | None = None
) -> None:
    """Change what is given; another schedule or grace begins the wait anew."""
    row = read(tx, heartbeat_id)
    old = store.beat(row)
    new_name, new_schedule, new_grace = name or row.name, schedule or old.schedule, grace if grace is not None else old.grace
    _check(new_name, new_grace)
    changed: dict[str, Any] = {"name": new_name}
    if (new_schedule, new_grace) != (old.schedule, old.grace):
        changed |= {"schedule": store.kept_schedule(new_schedule), "grace_seconds": int(new_grace.total_seconds())}
        changed |= store.columns(rules.rescheduled(old, new_schedule, new_grace, deed.now))
    if all(getattr(row, column) == value for column, value in changed.items()):
        return
    store.update(tx, row.id, {**changed, "updated_at": deed.now})
    if new_name != row.name:
        services.change_integration(tx, deed, row.integration_id, {"name": f"Heartbeat: {new_name}"})
    after = read(tx, row.id)
    _audit(tx, deed, after, _told(row), _told(after))


def pause(tx: Tx, deed: Deed, heartbeat_id: str) -> None:
    """Expect nothing until it is resumed; an open alert of it ends. Paused already: nothing changes."""
    row = read(tx, heartbeat_id)
    if row.state == State.PAUSED:
        return
    _by_hand(tx, deed, row, rules.paused(store.beat(row)))


def resume(tx: Tx, deed: Deed, heartbeat_id: str) -> None:
    """Wait for it again. Not paused: nothing changes."""
    row = read(tx, heartbeat_id)
    if row.state != State.PAUSED:
        return
    _by_hand(tx, deed, row, rules.resumed(store.beat(row), deed.now, has_pinged=row.last_ping_at is not None))


def regenerate(tx: Tx, deed: Deed, seals: Seals, heartbeat_id: str) -> None:
    """A new secret address; the old one is unknown from now on."""
    row = read(tx, heartbeat_id)
    store.update(tx, row.id, {**_secret(deed, seals), "updated_at": deed.now})
    _audit(tx, deed, row, {"address": "the old one"}, {"address": "made anew"})


def remove(tx: Tx, deed: Deed, heartbeat_id: str) -> None:
    """Delete it, with its pings and its way into the service. An incident it opened stays for people to resolve."""
    row = read(tx, heartbeat_id)
    store.remove(tx, row.id)
    services.remove_integration(tx, deed, row.integration_id)
    _audit(tx, deed, row, _told(row), None)


def read(tx: Tx, heartbeat_id: str) -> sa.Row[Any]:
    """The heartbeat with its service, locked until this transaction ends. Raises 404."""
    row = store.find(tx, heartbeat_id, lock=True)
    if row is None:
        raise not_found("Heartbeat")
    return row


def address(seals: Seals, base_url: str, row: sa.Row[Any]) -> str:
    """Where it is to call."""
    return f"{base_url}/heartbeat/{seals.open(row.sealed_secret)}"


def _secret(deed: Deed, seals: Seals) -> dict[str, str]:
    secret = ids.token(deed.chance, SECRET_LENGTH)
    return {"digest": seals.digest(secret), "sealed_secret": seals.seal(secret)}


def _check(name: str, grace: timedelta) -> None:
    errors = []
    if not 1 <= len(name.strip()) <= NAME_MOST:
        errors.append(f"A heartbeat's name has 1 to {NAME_MOST} characters")
    try:
        rules.check_grace(grace)
    except ValueError as error:
        errors.append(f"Grace: {error}")
    if errors:
        raise invalid(*errors)


def _by_hand(tx: Tx, deed: Deed, row: sa.Row[Any], change: Change) -> None:
    _save(tx, row, change, deed.now, deed.chance, {"updated_at": deed.now})
    after = read(tx, row.id)
    _audit(tx, deed, after, _told(row), _told(after))


def _told(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "name": row.name, "schedule": row.schedule, "grace": row.grace_seconds, "paused": row.state == State.PAUSED,
        "service": {"id": row.service_id, "type": "service_reference", "summary": row.service_name},
    }  # fmt: skip


def _audit(tx: Tx, deed: Deed, row: sa.Row[Any], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
    root = {"id": row.service_id, "type": "service_reference", "summary": row.service_name}
    audit.record(tx, deed, {"id": row.id, "type": "heartbeat_reference", "summary": row.name}, before=before, after=after, root=root)


# ------------------------------------------------------------------------------------------------------------- hearing


def knows(tx: Tx, seals: Seals, secret: str) -> bool:
    """Whether this is somebody's secret: a look that writes nothing."""
    return len(secret) == SECRET_LENGTH and store.is_known(tx, seals.digests(secret))


def hear(tx: Tx, seals: Seals, secret: str, ping: Ping, *, now: datetime, chance: Random) -> Heard:
    """A ping came: it is kept, and what follows from it is told, when this transaction commits."""
    row = store.by_digest(tx, seals.digests(secret)) if len(secret) == SECRET_LENGTH else None
    if row is None:
        return Heard.UNKNOWN
    minute = now.replace(second=0, microsecond=0)
    pinged = row.minute_count + 1 if row.minute_at == minute else 1
    if pinged > A_MINUTE:
        return Heard.TOO_MANY
    number = row.ping_count + 1
    is_end = ping.kind is not Kind.START and row.started_at is not None and row.started_at <= now
    store.add_ping(
        tx,
        {
            "heartbeat_id": row.id, "number": number, "at": now, "kind": ping.kind.value, "exit_status": ping.exit_status,
            "lasted_ms": int((now - row.started_at) / timedelta(milliseconds=1)) if is_end else None,
            "method": ping.method, "remote_address": ping.remote_address, "body": ping.body[:BODY_MOST].replace("\0", "") or None,
        },
    )  # fmt: skip
    detail = f"exit status {ping.exit_status}" if ping.exit_status else ""
    heard = {"ping_count": number, "last_ping_at": now, "minute_at": minute, "minute_count": pinged}
    _save(tx, row, rules.pinged(store.beat(row), ping.kind, now, detail), now, chance, heard, said=ping.body)
    return Heard.TAKEN


# ------------------------------------------------------------------------------------------------------- telling silence


@dataclass(frozen=True, slots=True)
class Excused:
    """A heartbeat whose wait was changed because nobody could have heard it."""

    heartbeat_id: str
    name: str
    reason: str


def look(tx: Tx, now: datetime) -> Sequence[Excused]:
    """The watch is here: excuse what could not be heard since it last was. Do this before telling any silence."""
    looked_at = store.looked_at(tx)
    gap = rules.gap_since(looked_at, now)
    is_back = rules.stepped_back(looked_at, now)
    excused = []
    if gap is not None or is_back:
        for row in store.waited_for(tx):
            beat = store.beat(row)
            change = rules.after_gap(beat, gap) if gap is not None else rules.after_step_back(beat, now)
            if change is not None:
                store.update(tx, row.id, {**store.columns(change.beat), "reason": change.reason})
                excused.append(Excused(row.id, row.name, change.reason))
    store.keep_look(tx, now)
    return excused


def tell_silence(tx: Tx, now: datetime, *, chance: Random, most: int) -> int:
    """Tell of those whose time is over, at most so many; how many."""
    rows = store.due(tx, now, most)
    for row in rows:
        change = rules.fell_silent(store.beat(row), now)
        if change is not None:
            _save(tx, row, change, now, chance, {})
        else:  # nothing is waited for in this state: the row must not come up again
            store.update(tx, row.id, {"due_at": None})
    return len(rows)


def _save(
    tx: Tx, row: sa.Row[Any], change: Change, now: datetime, chance: Random, beside: Mapping[str, Any], *, said: str = ""
) -> None:
    changed = {**store.columns(change.beat), "reason": change.reason, **beside}
    if change.say is not None:
        changed["last_arrival"] = _send(tx, row, change.say, change.reason, now, chance, said)
    store.update(tx, row.id, changed)


def _send(tx: Tx, row: sa.Row[Any], say: Say, reason: str, now: datetime, chance: Random, said: str) -> int:
    """Put what is said into the inbox; its place there."""
    event: dict[str, Any] = {"routing_key": row.routing_key, "event_action": say.value, "dedup_key": f"heartbeat/{row.id}"}
    if say is Say.TRIGGER:
        details = {"heartbeat": row.name, "why": reason, "last_ping": times.iso(row.last_ping_at) if row.last_ping_at else "never"}
        details |= {"it_said": said[:BODY_MOST]} if said else {}
        event["payload"] = {
            "summary": f"{row.name}: {reason}"[:1024], "source": row.name, "severity": "critical", "timestamp": times.iso(now),
            "class": "heartbeat", "custom_details": details,
        }  # fmt: skip
    accepted = READER.check(Payload(json.encode(event)))
    batch = [(one.routing_key, READER.name, one.action, one.dedup_key, one.summary, one.raw) for one in accepted]
    numbered = inbox.Numbering(chance, not_before=row.last_arrival).number(batch, now)
    inbox.append(tx, numbered)
    tx.wake("ingest")
    return numbered[-1][2]
