"""Moving in: makes what is wanted of another system's things through the doors there are, and says what became of each.

Laws:
1. All of it happens in the caller's transaction; what one door refuses is left, with the refusal's words, and undoes nothing else.
2. A thing keeps its id when the id is free and shaped like ours, so that links and Terraform's states stay good.
3. Which thing came from which is kept. Moving in again changes what has become different there since, and nothing else: what
   people changed here meanwhile stays, and what is gone there stays here, except overrides and single shifts to come.
4. A person or team of the same address or name is that one; a policy or service of a name that is taken gets another name.
5. Afterwards who is on call is compared with what the source says itself, by instants.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tocsin.base import json
from tocsin.base.errors import Refusal
from tocsin.base.secret import Seals
from tocsin.base.times import Span, iso
from tocsin.core import moving_in as rules
from tocsin.core.escalation import Rule, Strategy, Target
from tocsin.core.moving_in import Account, Difference, Held, Left, Remark, Wanted
from tocsin.core.schedule import is_layered, to_layers
from tocsin.core.shift_event import Strategy as ShiftStrategy
from tocsin.core.shift_event import ZonedTime
from tocsin.service import (
    followed_calendars,
    maintenance,
    people,
    policies,
    priorities,
    schedules,
    services,
    shift_exceptions,
    shift_rotations,
    shift_schedules,
)
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store import importing as store
from tocsin.store import people as store_people
from tocsin.store import schedules as store_schedules
from tocsin.store import shift_schedules as store_shifts
from tocsin.store.db import Tx
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import schedules as schedule_tables
from tocsin.store.tables import service_rules
from tocsin.store.tables import services as service_tables
from tocsin.store.tables import shift_schedules as shift_tables

MADE, MATCHED, CHANGED, SAME, REMOVED = "made", "matched", "changed", "unchanged", "removed"

TABLES: Final[Mapping[str, sa.Table]] = {
    rules.USER: people_tables.user, rules.METHOD: people_tables.contact_method, rules.RULE: people_tables.notification_rule,
    rules.TEAM: people_tables.team, rules.SCHEDULE: schedule_tables.schedule, rules.POLICY: service_tables.escalation_policy,
    rules.SERVICE: service_tables.service, rules.WAY: service_tables.integration, rules.PRIORITY: service_tables.priority,
    rules.WINDOW: service_rules.maintenance_window,
}  # fmt: skip
"""By kind, where things of it are: an id is free when it is not there."""
PASSING: Final = (rules.OVERRIDE, rules.SHIFT)
"""Kinds of which what is gone there is taken away here (law 3)."""
OURS: Final = re.compile(r"[A-Z0-9]{7,27}")
"""What an id must look like to be kept."""
KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,128}")
"""What a routing key must look like to be kept."""
NAME_TRIES: Final = 20
OPTIONAL: Final = ("alert_grouping_parameters", "auto_pause", "scheduled_actions", "support_hours", "incident_urgency_rule")
"""Settings of a service that are done without when the service is refused with them, these first."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one thing that is carried."""

    kind: str
    id: str
    own_id: str
    name: str
    how: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Who is on call on one schedule, there and here, over a span: where it differs, with people's names."""

    schedule: str
    name: str
    span: Span
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one kind: what was read is what is carried and what is left."""

    kind: str
    read: int
    carried: int
    left: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that became of moving in. `gone`: what came before, is no longer there, and stays here."""

    source: str
    tallies: tuple[Tally, ...]
    done: tuple[Done, ...]
    left: tuple[Left, ...]
    remarks: tuple[Remark, ...]
    gone: tuple[Done, ...]
    compared: tuple[Compared, ...]

    @property
    def has_changed(self) -> bool:
        """Whether anything was made, changed or taken away."""
        return any(one.how in {MADE, CHANGED, REMOVED} for one in self.done)


class _Missing(Exception):
    """What a thing names is not carried."""


def move_in(tx: Tx, deed: Deed, seals: Seals, account: Account) -> Outcome:
    """Make all that the account wants. Raises Unbalanced, and keeps nothing, when something would be dropped silently."""
    account.check()
    mover = _Mover(tx, deed, seals, account)
    for kind in rules.ORDER:
        for one in account.wanted:
            if one.kind == kind:
                mover.carry(one)
    mover.look_for_gone()
    account.check(mover.left)
    return Outcome(
        account.source,
        _tallies(account, mover.left),
        tuple(mover.done),
        (*account.left, *mover.left),
        (*account.remarks, *mover.remarks),
        tuple(mover.gone),
        mover.compared(),
    )


def _tallies(account: Account, more: Sequence[Left]) -> tuple[Tally, ...]:
    gone: dict[str, int] = {}
    for one in (*account.left, *more):
        gone[one.kind] = gone.get(one.kind, 0) + one.count
    ordered = sorted(account.found, key=lambda kind: (rules.ORDER.index(kind) if kind in rules.ORDER else 99, kind))
    return tuple(Tally(kind, account.found[kind], account.found[kind] - gone.get(kind, 0), gone.get(kind, 0)) for kind in ordered)


class _Mover:
    """One moving in. Its methods by kind come in pairs: make (returns our id) and change."""

    def __init__(self, tx: Tx, deed: Deed, seals: Seals, account: Account) -> None:
        self.tx, self.deed, self.seals, self.account = tx, deed, seals, account
        self.known = store.of_source(tx, account.source)
        self.own: dict[tuple[str, str], str] = {}
        self.done: list[Done] = []
        self.left: list[Left] = []
        self.remarks: list[Remark] = []
        self.gone: list[Done] = []
        self.layers_named: set[str] = set()
        self.how = MADE

    # ------------------------------------------------------------------------------------------------- one thing

    def carry(self, one: Wanted) -> None:
        """Make a thing, change it, or leave it as it is; what a door refuses is left (law 1)."""
        key, digest = (one.kind, one.id), json.canonical(msgspec.to_builtins(one)).decode()
        before = self.known.get(key)
        if before is not None and not self._is_there(one.kind, before.own_id):
            store.forget(self.tx, self.account.source, *key)
            before = None
        if before is not None and before.digest == self._sealed(digest):
            self.own[key] = before.own_id
            self._again(one)
            self.done.append(Done(one.kind, one.id, before.own_id, one.name, SAME))
            return
        counts = len(self.left), len(self.remarks), dict(self.own)
        self.how = MADE if before is None else CHANGED
        try:
            with self.tx.connection.begin_nested():
                own_id = self._make(one) if before is None else self._change(one, before.own_id)
                store.save(
                    self.tx, self.account.source, one.kind, one.id, own_id=own_id, name=one.name,
                    digest=self._sealed(digest), now=self.deed.now, is_new=before is None,
                )  # fmt: skip
        except (Refusal, _Missing) as error:
            del self.left[counts[0] :], self.remarks[counts[1] :]
            self.own = counts[2]
            if before is not None:
                self.own[key] = before.own_id
            self._leave(one, _words(error))
            return
        self.own[key] = own_id
        self.done.append(Done(one.kind, one.id, own_id, one.name, self.how))

    def _sealed(self, digest: str) -> str:
        """What was wanted, as it may be kept: a keyed digest, for addresses and routing keys are part of it."""
        return self.seals.digest(digest)

    def _leave(self, one: Wanted, why: str) -> None:
        self.left.append(Left(one.kind, one.id, one.name, why, "mend it there and move in again, or make it here by hand"))
        for kind, number in rules.parts(one).items():
            self.left.append(Left(kind, one.id, f"of {one.name}", f"the {one.kind} they are part of is not carried", "", number))

    def _is_there(self, kind: str, own_id: str) -> bool:
        table = TABLES.get(kind)
        if kind == rules.MEMBER:
            team_id, _, user_id = own_id.partition("/")
            return store_people.membership(self.tx, team_id, user_id) is not None
        return table is None or self.tx.one(sa.select(table.c.id).where(table.c.id == own_id)) is not None

    def _free(self, kind: str, id_: str) -> str | None:
        """The id, if it may be kept (law 2)."""
        return id_ if OURS.fullmatch(id_) and not self._is_there(kind, id_) else None

    def _find(self, kind: str, id_: str) -> str:
        """Our id of a thing that is named. Raises _Missing."""
        found = self.own.get((kind, id_))
        if found is None:
            raise _Missing(f"the {kind} {id_} that it names is not carried")
        return found

    def _maybe(self, one: Wanted, kind: str, id_: str | None) -> str | None:
        """Our id of a thing that need not be there; that it is not is remarked."""
        found = self.own.get((kind, id_)) if id_ else None
        if id_ and found is None:
            self._remark(one, f"the {kind} {id_} that it names is not carried")
        return found

    def _remark(self, one: Wanted, what: str, by_hand: str = "") -> None:
        self.remarks.append(Remark(one.kind, one.id, one.name, what, by_hand))

    def _make(self, one: Wanted) -> str:
        match one:
            case rules.WantedPriority():
                return self._make_priority(one)
            case rules.WantedUser():
                return self._make_user(one)
            case rules.WantedMethod():
                return self._make_method(one)
            case rules.WantedRule():
                return self._make_rule(one)
            case rules.WantedTeam():
                return self._make_team(one)
            case rules.WantedMember():
                return self._make_member(one)
            case rules.WantedSchedule():
                return self._make_schedule(one)
            case rules.WantedOverride():
                return self._make_override(one)
            case rules.WantedShift():
                return self._make_shift(one)
            case rules.WantedPolicy():
                return self._make_policy(one)
            case rules.WantedService():
                return self._make_service(one)
            case rules.WantedWay():
                return self._make_way(one)
            case rules.WantedWindow():
                return self._make_window(one)

    def _change(self, one: Wanted, own_id: str) -> str:
        match one:
            case rules.WantedPriority():
                return self._change_priority(one, own_id)
            case rules.WantedUser():
                return self._change_user(one, own_id)
            case rules.WantedMethod():
                return self._change_method(one, own_id)
            case rules.WantedRule():
                return self._change_rule(one, own_id)
            case rules.WantedTeam():
                return self._change_team(one, own_id)
            case rules.WantedMember():
                return self._change_member(one, own_id)
            case rules.WantedSchedule():
                return self._change_schedule(one, own_id)
            case rules.WantedOverride():
                return self._change_override(one, own_id)
            case rules.WantedShift():
                return self._change_shift(one, own_id)
            case rules.WantedPolicy():
                return self._change_policy(one, own_id)
            case rules.WantedService():
                return self._change_service(one, own_id)
            case rules.WantedWay():
                return self._change_way(one, own_id)
            case rules.WantedWindow():
                return self._change_window(one, own_id)

    def _again(self, one: Wanted) -> None:
        """What is to be known of a thing that stays as it is: its rotations, which overrides name."""
        if isinstance(one, rules.WantedSchedule):
            self._know_rotations(one)

    # ------------------------------------------------------------------------------------------------- people

    def _make_priority(self, one: rules.WantedPriority) -> str:
        table = service_tables.priority
        found = self.tx.one(sa.select(table.c.id).where(table.c.name == one.name.strip()))
        if found is not None:
            self.how = MATCHED
            return str(found.id)
        return priorities.add(self.tx, self.deed, name=one.name, color=one.color, own_id=self._free(one.kind, one.id))

    def _change_priority(self, one: rules.WantedPriority, own_id: str) -> str:
        self._remark(one, "has another name or colour there now", "change it under Priorities")
        return own_id

    def _make_user(self, one: rules.WantedUser) -> str:
        found = store_people.user_by_email(self.tx, one.email)
        if found is not None:
            self.how = MATCHED
            return str(found.id)
        user_id = people.create_user(
            self.tx, self.deed, name=one.name, email=one.email, role=one.role, time_zone=one.time_zone, color=None,
            job_title=one.job_title, description=one.description, own_id=self._free(one.kind, one.id),
        )  # fmt: skip
        if one.color is not None and re.fullmatch(r"[a-z][a-z0-9-]{0,30}", one.color):
            people.update_user(self.tx, self.deed, user_id, {"color": one.color})
        if one.own_methods:
            for method in store_people.contact_methods(self.tx, [user_id])[user_id]:
                people.remove_contact_method(self.tx, self.deed, method)
        return user_id

    def _change_user(self, one: rules.WantedUser, own_id: str) -> str:
        old = store_people.user(self.tx, own_id)
        changes = {"name": one.name, "email": one.email, "job_title": one.job_title, "description": one.description}
        if one.time_zone is not None:
            changes["time_zone"] = one.time_zone
        if old is not None and old.role != "owner":
            changes["role"] = one.role
        people.update_user(self.tx, self.deed, own_id, changes)
        return own_id

    def _make_method(self, one: rules.WantedMethod) -> str:
        user_id = self._find(rules.USER, one.user)
        if one.channel not in people.contact_kinds():
            raise _Missing(f"there is no channel '{one.channel}' here")
        for method in store_people.contact_methods(self.tx, [user_id])[user_id]:
            is_same_code = not people.is_numbered(one.channel) or method.country_code == (one.country_code or people.DEFAULT_COUNTRY)
            address = re.sub(r"[ ().-]", "", one.address) if people.is_numbered(one.channel) else one.address.strip()
            if method.kind == one.channel and is_same_code and method.address == address:
                self.how = MATCHED
                return str(method.id)
        return people.add_contact_method(
            self.tx, self.deed, user_id, kind=one.channel, label=one.label, address=one.address, country_code=one.country_code,
            own_id=self._free(one.kind, one.id),
        )  # fmt: skip

    def _change_method(self, one: rules.WantedMethod, own_id: str) -> str:
        table = people_tables.contact_method
        row = self.tx.one(sa.select(table).where(table.c.id == own_id))
        assert row is not None  # `carry` has looked
        if row.kind != one.channel or row.user_id != self._find(rules.USER, one.user):
            raise _Missing("it is of another kind, or another person's, now")
        changes = {"label": one.label, "address": one.address, "country_code": one.country_code}
        people.change_contact_method(self.tx, self.deed, row, changes)
        return own_id

    def _make_rule(self, one: rules.WantedRule) -> str:
        user_id, method_id = self._find(rules.USER, one.user), self._find(rules.METHOD, one.method)
        for rule in store_people.notification_rules(self.tx, [user_id])[user_id]:
            if (rule.contact_method_id, rule.start_delay_in_minutes, rule.urgency) == (method_id, one.minutes, one.urgency):
                self.how = MATCHED
                return str(rule.id)
        return people.add_notification_rule(
            self.tx, self.deed, user_id, contact_method_id=method_id, start_delay_in_minutes=one.minutes, urgency=one.urgency,
            own_id=self._free(one.kind, one.id),
        )  # fmt: skip

    def _change_rule(self, one: rules.WantedRule, own_id: str) -> str:
        table = people_tables.notification_rule
        row = self.tx.one(sa.select(table).where(table.c.id == own_id))
        assert row is not None  # `carry` has looked
        changes = {"contact_method_id": self._find(rules.METHOD, one.method), "start_delay_in_minutes": one.minutes, "urgency": one.urgency}
        people.change_notification_rule(self.tx, self.deed, row, changes)
        return own_id

    def _make_team(self, one: rules.WantedTeam) -> str:
        found = store_people.team_named(self.tx, one.name.strip())
        if found is not None:
            self.how = MATCHED
            return str(found.id)
        return people.create_team(self.tx, self.deed, name=one.name, description=one.description, own_id=self._free(one.kind, one.id))

    def _change_team(self, one: rules.WantedTeam, own_id: str) -> str:
        self._remark(one, "has another name or description there now", "change it under Teams")
        return own_id

    def _make_member(self, one: rules.WantedMember) -> str:
        team_id, user_id = self._find(rules.TEAM, one.team), self._find(rules.USER, one.user)
        if store_people.membership(self.tx, team_id, user_id) is not None:
            self.how = MATCHED
        people.join_team(self.tx, self.deed, team_id, user_id, one.role)
        return f"{team_id}/{user_id}"

    def _change_member(self, one: rules.WantedMember, own_id: str) -> str:
        team_id, _, user_id = own_id.partition("/")
        people.join_team(self.tx, self.deed, team_id, user_id, one.role)
        return own_id

    # ------------------------------------------------------------------------------------------------- schedules

    def _make_schedule(self, one: rules.WantedSchedule) -> str:
        team_id, own_id = self._maybe(one, rules.TEAM, one.team), self._free(one.kind, one.id)
        if one.has_rotations:
            schedule_id = shift_schedules.create(
                self.tx, self.deed, name=one.name, time_zone=one.time_zone, description=one.description, team_id=team_id, own_id=own_id
            )
            for rotation in one.rotations:
                self._add_rotation(one, schedule_id, rotation)
            self._know_rotations(one)
            return schedule_id
        layers = [self._asked(layer) for layer in self._with_people(one)]
        schedule_id = schedules.create(
            self.tx, self.deed, name=one.name, time_zone=one.time_zone, layers=layers, description=one.description,
            team_id=team_id, own_id=own_id,
        )  # fmt: skip
        if one.calendar:
            followed_calendars.follow_address(self.tx, self.deed, self.seals, schedule_id, one.calendar)
        return schedule_id

    def _with_people(self, one: rules.WantedSchedule) -> list[rules.WantedLayer]:
        """The layers all of whose people are here, the others left."""
        found = []
        for layer in one.layers:
            missing = sorted({user for user in layer.users if (rules.USER, user) not in self.own})
            if missing or not layer.users:
                why = f"it names people who are not carried: {', '.join(missing)}" if missing else "it names nobody"
                by_hand = "make the layer by hand: until then others are on call in its place"
                self.left.append(Left(rules.LAYER, layer.id, f"{layer.name} of {one.name}", why, by_hand))
            else:
                found.append(replace(layer, users=tuple(self.own[rules.USER, user] for user in layer.users)))
        return found

    def _asked(self, layer: rules.WantedLayer) -> AskedLayer:
        own_id = layer.id if OURS.fullmatch(layer.id) and layer.id not in self.layers_named else None
        self.layers_named.add(layer.id)
        return AskedLayer(
            own_id=own_id, name=layer.name, start=layer.start, virtual_start=layer.virtual_start, turn_seconds=layer.turn_seconds,
            user_ids=layer.users, restrictions=layer.restrictions, end=layer.end, ends=layer.end is not None,
        )  # fmt: skip

    def _change_schedule(self, one: rules.WantedSchedule, own_id: str) -> str:
        """What it is called changes; of who is on call, the layers or rotations so far end now and those of there begin."""
        team_id = self._maybe(one, rules.TEAM, one.team)
        columns = {"name": one.name, "description": one.description, "team_id": team_id}
        if one.has_rotations:
            shift_schedules.change(self.tx, self.deed, own_id, columns, time_zone=one.time_zone)
            for kept in store_shifts.rotations_of(self.tx, [own_id])[own_id]:
                shift_rotations.remove_rotation(self.tx, self.deed, own_id, kept.id)
            for rotation in one.rotations:
                self._add_rotation(one, own_id, rotation)
            self._know_rotations(one)
            return own_id
        if one.calendar:
            followed_calendars.follow_address(self.tx, self.deed, self.seals, own_id, one.calendar)
            schedules.change(self.tx, self.deed, own_id, columns, time_zone=one.time_zone)
            return own_id
        loaded = store_schedules.load(self.tx, own_id)
        assert loaded is not None  # `carry` has looked
        now = self.deed.now
        model = loaded.schedule.model
        known = {layer.id: layer for layer in to_layers(model)} if is_layered(model) else {}
        asked, phases = [], {rotation.id: rotation.shifts[0].phase for rotation in model.rotations}
        for layer in self._with_people(one):
            old = known.get(layer.id)
            is_in_turn = old is not None and (old.virtual_start, old.turn_seconds, old.user_ids) == (
                layer.virtual_start, layer.turn_seconds, layer.users,
            ) and phases[layer.id] == 0  # fmt: skip
            if old is not None and is_in_turn and (old.end is None or old.end > now):
                del known[layer.id]
                asked.append(AskedLayer(id=layer.id, name=layer.name, restrictions=layer.restrictions, end=layer.end, ends=True))
            else:  # another order would be turned so that whoever is on call stays: a new layer keeps the phase of there
                asked.append(replace(self._asked(layer), own_id=None if old is not None else self._asked(layer).own_id))
        ended = [
            AskedLayer(id=layer.id, end=now, ends=True) for layer in known.values() if layer.end is None or layer.end > now
        ]
        schedules.change(self.tx, self.deed, own_id, columns, time_zone=one.time_zone, layers=[*ended, *asked])
        return own_id

    def _add_rotation(self, one: rules.WantedSchedule, schedule_id: str, rotation: rules.WantedRotation) -> None:
        rotation_id = shift_rotations.add_rotation(self.tx, self.deed, schedule_id)
        for event in rotation.events:
            missing = sorted({user for user in event.members if user is not None and (rules.USER, user) not in self.own})
            if missing:
                self._remark(one, f"nobody stands for {', '.join(missing)} in '{event.name}': they are not carried", "put somebody in their place")
            members = tuple(None if user is None else self.own.get((rules.USER, user)) for user in event.members)
            strategy = ShiftStrategy.EVERYBODY if event.everybody else ShiftStrategy.ROTATING
            asked = AskedEvent(
                name=event.name, start=ZonedTime(event.start, event.time_zone, iso(event.start)),
                end=ZonedTime(event.end, event.time_zone, iso(event.end)), since=event.since, until=event.until,
                says_until=event.until is not None, recurrence=event.recurrence,
                assignment=AskedAssignment(strategy, None if event.everybody else event.shifts_per_member, members),
            )  # fmt: skip
            shift_rotations.add_event(self.tx, self.deed, schedule_id, rotation_id, asked)
        whole = rotation.id.partition("#")[0]  # several of ours may stand for one of theirs
        for key in dict.fromkeys((f"{one.id}/{rotation.id}", f"{one.id}/{whole}")):
            before = self.own.get((rules.ROTATION, key))
            self.own[rules.ROTATION, key] = f"{before},{rotation_id}" if before and key.endswith(f"/{whole}") and whole != rotation.id else rotation_id

    def _know_rotations(self, one: rules.WantedSchedule) -> None:
        """Keep, or read again, which of our rotations stand for which of theirs."""
        for key in dict.fromkeys(f"{one.id}/{id_}" for rotation in one.rotations for id_ in (rotation.id, rotation.id.partition("#")[0])):
            before, now_id = self.known.get((rules.ROTATION, key)), self.own.get((rules.ROTATION, key))
            if now_id is None and before is not None:
                self.own[rules.ROTATION, key] = before.own_id
            elif now_id is not None:
                store.save(
                    self.tx, self.account.source, rules.ROTATION, key, own_id=now_id, name=one.name, digest="",
                    now=self.deed.now, is_new=before is None,
                )  # fmt: skip

    def _make_override(self, one: rules.WantedOverride) -> str:
        schedule_id = self._find(rules.SCHEDULE, one.schedule)
        user_id = None if one.user is None else self._find(rules.USER, one.user)
        if one.everyone:
            return self._cover(one, schedule_id, user_id)
        if one.rotation is not None:
            return self._make_shift_override(one, schedule_id, user_id)
        if user_id is None:
            raise _Missing("an override that puts nobody on call cannot be said here")
        asked = schedules.AskedOverride(one.start, one.end, user_id)
        (taken,) = schedules.add_overrides(self.tx, self.deed, schedule_id, [asked])
        if taken.override is None:
            raise _Missing("; ".join(taken.errors))
        return taken.override.id

    def _cover(self, one: rules.WantedOverride, schedule_id: str, user_id: str | None) -> str:
        """One override for each member of the rotations it is of, so that whoever's turn it is makes way. Their ids, joined."""
        named = self.own.get((rules.ROTATION, f"{one.schedule}/{one.rotation}"))
        asked = []
        for kept in store_shifts.rotations_of(self.tx, [schedule_id])[schedule_id]:
            if one.rotation is not None and not _is_of(kept.id, named):
                continue
            members = dict.fromkeys(each for event in kept.events for each in event.members)
            asked += [
                shift_exceptions.AskedOverride(
                    source_type=store_shifts.ROTATION, source_id=kept.id, start=one.start, end=one.end, overridden=member,
                    overriding=user_id, says_overriding=True,
                )
                for member in members if member != user_id
            ]  # fmt: skip
        made = [each.id for each in shift_exceptions.add_overrides(self.tx, self.deed, schedule_id, asked)] if asked else []
        if one.rotation is None:  # it fills gaps too
            span = shift_exceptions.AskedShift(start=one.start, end=one.end, member=user_id, says_member=True)
            made += [each.id for each in shift_exceptions.add_custom_shifts(self.tx, self.deed, schedule_id, [span])]
        if not made:
            raise _Missing("there is nobody it could stand in for")
        return ",".join(made)

    def _make_shift_override(self, one: rules.WantedOverride, schedule_id: str, user_id: str | None) -> str:
        rotation = self.own.get((rules.ROTATION, f"{one.schedule}/{one.rotation}"))
        kind = store_shifts.CUSTOM_SHIFT if rotation is None else store_shifts.ROTATION
        source = rotation or self._find(rules.SHIFT, str(one.rotation))
        instead = None if one.instead is None else self._find(rules.USER, one.instead)
        asked = shift_exceptions.AskedOverride(
            source_type=kind, source_id=source, start=one.start, end=one.end, overridden=instead, overriding=user_id, says_overriding=True
        )
        (made,) = shift_exceptions.add_overrides(self.tx, self.deed, schedule_id, [asked])
        return made.id

    def _change_override(self, one: rules.WantedOverride, own_id: str) -> str:
        self._drop(rules.OVERRIDE, own_id)
        return self._make_override(one)

    def _make_shift(self, one: rules.WantedShift) -> str:
        schedule_id = self._find(rules.SCHEDULE, one.schedule)
        member = None if one.user is None else self._find(rules.USER, one.user)
        asked = shift_exceptions.AskedShift(start=one.start, end=one.end, member=member, says_member=True)
        (made,) = shift_exceptions.add_custom_shifts(self.tx, self.deed, schedule_id, [asked])
        return made.id

    def _change_shift(self, one: rules.WantedShift, own_id: str) -> str:
        self._drop(rules.SHIFT, own_id)
        return self._make_shift(one)

    def _drop(self, kind: str, own_ids: str) -> bool:
        """Take an override (or all that stand for one) or a single shift away, if it is there and not over."""
        return sum(self._drop_one(kind, own_id) for own_id in own_ids.split(",")) > 0

    def _drop_one(self, kind: str, own_id: str) -> bool:
        doors: list[tuple[sa.Table, Callable[[Tx, Deed, str, str], object]]] = [
            (shift_tables.custom_shift, shift_exceptions.remove_custom_shift)
        ]
        if kind == rules.OVERRIDE:
            doors += [
                (schedule_tables.override, schedules.remove_override),
                (shift_tables.shift_override, shift_exceptions.remove_override),
            ]
        for table, remove in doors:
            row = self.tx.one(sa.select(table.c.schedule_id, table.c.end_at).where(table.c.id == own_id))
            if row is not None and row.end_at > self.deed.now:
                remove(self.tx, self.deed, row.schedule_id, own_id)
                return True
        return False

    # ------------------------------------------------------------------------------------------------- policies, services

    def _levels(self, one: rules.WantedPolicy) -> list[Rule]:
        found = []
        for number, level in enumerate(one.levels, start=1):
            known = [(kind, id_) for kind, id_ in dict.fromkeys(level.targets) if (kind, id_) in self.own]
            missing = [f"{kind} {id_}" for kind, id_ in level.targets if (kind, id_) not in self.own]
            if not known:
                why = f"none of whom it names is carried: {', '.join(missing) or 'it names nobody'}"
                self.left.append(Left(rules.LEVEL, one.id, f"level {number} of {one.name}", why, "put the level back by hand"))
                continue
            if missing:
                self._remark(one, f"level {number} is without {', '.join(missing)}, which is not carried", "put somebody in their place")
            strategy = Strategy.ROUND_ROBIN if level.round_robin else Strategy.EVERYONE
            targets = tuple(dict.fromkeys(Target(kind, self.own[kind, id_]) for kind, id_ in known))
            found.append(Rule("", level.minutes, targets, strategy))
        if not found:
            raise _Missing("none of its levels names anybody who is carried")
        return found

    def _make_policy(self, one: rules.WantedPolicy) -> str:
        name = self._named(one, service_tables.escalation_policy)
        return policies.create_policy(
            self.tx, self.deed, name=name, rules=self._levels(one), description=one.description, num_loops=one.loops,
            on_call_handoff_notifications=one.handoffs, team_id=self._maybe(one, rules.TEAM, one.team),
            own_id=self._free(one.kind, one.id),
        )  # fmt: skip

    def _change_policy(self, one: rules.WantedPolicy, own_id: str) -> str:
        changes = {
            "description": one.description, "num_loops": one.loops, "rules": self._levels(one),
            "on_call_handoff_notifications": one.handoffs, "team_id": self._maybe(one, rules.TEAM, one.team),
        }  # fmt: skip
        policies.change_policy(self.tx, self.deed, own_id, changes)
        return own_id

    def _named(self, one: rules.WantedPolicy | rules.WantedService, table: sa.Table) -> str:
        """A name that is free (law 4)."""
        name = one.name.strip()
        for number in range(1, NAME_TRIES):
            tried = name if number == 1 else f"{name[:200]} ({self.account.source}{f' {number - 1}' if number > 2 else ''})"
            if self.tx.one(sa.select(table.c.id).where(table.c.name == tried)) is None:
                if number > 1:
                    self._remark(one, f"is called '{tried}' here: there is another of its name", "rename one of them")
                return tried
        return name

    def _make_service(self, one: rules.WantedService) -> str:
        policy_id, name = self._find(rules.POLICY, one.policy), self._named(one, service_tables.service)
        columns = dict(one.columns)
        while True:
            try:
                with self.tx.connection.begin_nested():
                    return services.create_service(
                        self.tx, self.deed, name=name, escalation_policy_id=policy_id, description=one.description,
                        own_id=self._free(one.kind, one.id), **columns,
                    )  # fmt: skip
            except Refusal as refusal:
                columns = self._without(one, columns, refusal)

    def _without(self, one: rules.WantedService, columns: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
        """The columns but for one that can be done without. Raises the refusal when there is none left."""
        for name in OPTIONAL:
            if name in columns:
                self._remark(one, f"{name} could not be kept ({_words(refusal)})", "set it by hand")
                return {key: value for key, value in columns.items() if key != name}
        raise refusal

    def _change_service(self, one: rules.WantedService, own_id: str) -> str:
        columns = {"escalation_policy_id": self._find(rules.POLICY, one.policy), "description": one.description, **one.columns}
        services.change_service(self.tx, self.deed, own_id, columns)
        return own_id

    def _make_way(self, one: rules.WantedWay) -> str:
        service_id, table = self._find(rules.SERVICE, one.service), service_tables.integration
        key = one.key if one.key is not None and KEY.fullmatch(one.key) else None
        if key is not None and self.tx.one(sa.select(table.c.id).where(table.c.routing_key == key)) is not None:
            key = None
        if one.key is not None and key is None:
            self._remark(one, "has a new routing key: the old one is another's here, or no key of ours", "give its senders the new key")
        return services.add_integration(
            self.tx, self.deed, service_id, name=one.name, type_=one.type, vendor_id=one.vendor, email=one.email,
            own_id=self._free(one.kind, one.id), own_key=key,
        )  # fmt: skip

    def _change_way(self, one: rules.WantedWay, own_id: str) -> str:
        changes: dict[str, Any] = {"name": one.name, "vendor_id": one.vendor}
        if one.email is not None:
            changes["email"] = one.email
        services.change_integration(self.tx, self.deed, own_id, changes)
        return own_id

    def _make_window(self, one: rules.WantedWindow) -> str:
        service_ids = self._quieted(one)
        return maintenance.plan(
            self.tx, self.deed, start=one.start, end=one.end, service_ids=service_ids, description=one.description,
            own_id=self._free(one.kind, one.id),
        )  # fmt: skip

    def _change_window(self, one: rules.WantedWindow, own_id: str) -> str:
        maintenance.change(
            self.tx, self.deed, own_id, start=one.start, end=one.end, service_ids=self._quieted(one), description=one.description
        )
        return own_id

    def _quieted(self, one: rules.WantedWindow) -> list[str]:
        found = [self.own[rules.SERVICE, id_] for id_ in one.services if (rules.SERVICE, id_) in self.own]
        if missing := [id_ for id_ in one.services if (rules.SERVICE, id_) not in self.own]:
            self._remark(one, f"is without the services {', '.join(missing)}, which are not carried")
        if not found:
            raise _Missing("none of its services is carried")
        return found

    # ------------------------------------------------------------------------------------------------- afterwards

    def look_for_gone(self) -> None:
        """What came before and is no longer there (law 3)."""
        wanted = {(one.kind, one.id) for one in self.account.wanted} | {(one.kind, one.id) for one in self.account.left}
        wanted |= {key for key in self.own if key[0] == rules.ROTATION}
        for key, row in self.known.items():
            if key in wanted or key[0] == rules.ROTATION:
                continue
            if key[0] in PASSING:
                if self._drop(key[0], row.own_id):
                    self.done.append(Done(*key, row.own_id, row.name, REMOVED))
                store.forget(self.tx, self.account.source, *key)
            elif self._is_there(key[0], row.own_id):
                self.gone.append(Done(*key, row.own_id, row.name, "gone there"))

    def compared(self) -> tuple[Compared, ...]:
        """Law 5: every schedule of which the source said who is on call."""
        names = {one.id: one.name for one in self.account.wanted if isinstance(one, rules.WantedUser | rules.WantedSchedule)}
        theirs: dict[str, str] = {}
        for (kind, id_), our_id in self.own.items():
            if kind == rules.USER:
                theirs.setdefault(our_id, id_)
        found = []
        for said in self.account.said:
            own_id = self.own.get((rules.SCHEDULE, said.schedule))
            start = max(said.span.start, self.deed.now.replace(microsecond=0) + timedelta(seconds=1))
            if own_id is None or said.span.end <= start:
                continue
            span = Span(start, said.span.end)
            here = [Held(one.start, one.end, theirs.get(one.user_id, one.user_id)) for one in schedules.entries(self.tx, own_id, span)]
            there = [replace(one, user=self._same_person(one.user, theirs)) for one in said.held]
            differences = tuple(
                Difference(one.start, one.end, _named_people(one.there, names), _named_people(one.here, names))
                for one in rules.differences(there, here, span)
            )
            found.append(Compared(own_id, names.get(said.schedule, said.schedule), span, differences))
        return tuple(found)

    def _same_person(self, user: str | None, theirs: Mapping[str, str]) -> str | None:
        """The id of there by which somebody is compared: two ids of there may be one person here."""
        own_id = self.own.get((rules.USER, user)) if user is not None else None
        return theirs.get(own_id, user) if own_id is not None else user


def _is_of(rotation_id: str, joined: str | None) -> bool:
    """Whether a rotation is among these."""
    return joined is not None and rotation_id in joined.split(",")


def _named_people(users: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(user, user) for user in users)


def _words(error: Exception) -> str:
    """Why something was refused, in one line."""
    if not isinstance(error, Refusal):
        return str(error)
    if isinstance(error.errors, dict):
        return "; ".join(f"{name} {', '.join(sentences)}" for name, sentences in error.errors.items()) or error.message
    return "; ".join(map(str, error.errors)) or error.message
