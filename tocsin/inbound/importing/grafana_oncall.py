"""Reads what Grafana OnCall's public API writes: users, teams, schedules with their shifts, escalation chains, integrations and routes.

Laws:
1. Of the shifts of a schedule at one time those of the highest level are on call, all of them together. Shifts of one level are
   wanted as rotations; several levels as layers, where layers can say them; else the schedule is left, with the way out.
2. The groups of a rolling shift take the days, weeks or months that the rule gives one after the other, each counted from its start.
3. Waits between steps are how long a level holds.
Facts: Grafana OnCall's published HTTP API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from tocsin.base.times import Span, from_wall, to_wall
from tocsin.core import moving_in as wanted
from tocsin.core.calendar_rule import Rule, occurrences_in
from tocsin.core.moving_in import Account, Held, Said
from tocsin.core.rotation import DAY, WEEK, Restriction
from tocsin.core.shift_event import MEMBERS_MOST
from tocsin.inbound.importing import fields, shifts
from tocsin.inbound.importing.fields import Dump, Object, Unfit

SOURCE: Final = "grafana-oncall"
ROTATIONS_MOST: Final = 10
"""Rotations of one schedule here."""
ROLES: Final = {"admin": "admin", "editor": "user", "user": "user", "viewer": "observer", "observer": "observer", "none": "restricted_access"}
DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LAST_MINUTES: Final = 30
"""How long the last level holds: a chain says nothing of it."""
REPEATS: Final = 5
"""How often a chain repeats itself at most, as OnCall has it."""
LOOK: Final = timedelta(days=3 * 366)
"""So far a group's first shift is looked for."""
COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "outgoing_webhooks": ("outgoing webhook", "make a webhook subscription"), "webhooks": ("outgoing webhook", "make a webhook subscription"),
    "user_groups": ("user group", "put its people on a level by hand"), "slack_channels": ("chat channel", "nothing stands for it here yet"),
    "resolution_notes": ("resolution note", "the past is not moved"), "alert_groups": ("alert group", "the past is not moved"),
    "shift_swaps": ("shift swap", "ask for the swap anew under Swaps"),
}  # fmt: skip
KNOWN: Final = frozenset({
    "users", "teams", "schedules", "on_call_shifts", "escalation_chains", "escalation_policies", "integrations", "routes",
    "personal_notification_rules", "final_shifts", *COUNTED,
})  # fmt: skip


def read(dump: Dump, now: datetime) -> Account:
    """Everything of a dump, accounted for. Raises Unfit when a list of it is no list of objects."""
    account = Account(SOURCE)
    calendar = _Calendar(now, list(fields.objects(list(dump.get("on_call_shifts", ())), "on_call_shifts")))
    chains = _Chains(
        list(fields.objects(list(dump.get("escalation_policies", ())), "escalation_policies")),
        list(fields.objects(list(dump.get("routes", ())), "routes")),
    )
    fields.each(account, dump, "users", wanted.USER, _user)
    fields.each(account, dump, "personal_notification_rules", wanted.RULE, _personal_rule)
    fields.each(account, dump, "teams", wanted.TEAM, _team)
    _members(account, dump)
    fields.each(account, dump, "schedules", wanted.SCHEDULE, calendar.take)
    calendar.leave_unused(account)
    fields.each(account, dump, "escalation_chains", wanted.POLICY, chains.take)
    fields.each(account, dump, "integrations", wanted.SERVICE, chains.take_integration)
    fields.each(account, dump, "routes", "route", chains.leave_route)
    for one in fields.objects(list(dump.get("final_shifts", ())), "final_shifts"):
        _say(account, one)
    for key, (kind, by_hand) in COUNTED.items():
        for one in fields.objects(list(dump.get(key, ())), key):
            account.read(kind)
            account.leave(kind, fields.identity(one), fields.label(one), "Tocsin does not move these yet", by_hand)
    fields.remark_unknown(account, dump, KNOWN)
    return account


# ----------------------------------------------------------------------------------------------------------------- people


def _user(account: Account, one: Object) -> None:
    id_, name = fields.text(one, "id"), fields.maybe(one, "username") or fields.text(one, "email")
    role = (fields.maybe(one, "role") or "user").casefold()
    if role not in ROLES:
        account.remark(wanted.USER, id_, name, f"has the role '{role}' there and is a plain user here")
    zone = fields.maybe(one, "timezone") or fields.maybe(one, "time_zone")
    account.want(wanted.WantedUser(id_, name, fields.text(one, "email"), ROLES.get(role, "user"), zone))
    account.remark(wanted.USER, id_, name, "is reached by mail only: telephone numbers are not shown there", "let them say how, under How I am reached")


def _personal_rule(account: Account, one: Object) -> None:
    why = f"'{fields.maybe(one, 'type') or 'wait'}' of {fields.maybe(one, 'user_id')}: the number or app it leads to is not shown there"
    account.leave(wanted.RULE, fields.identity(one), "a step of theirs", why, "let them make their rules under How I am reached")


def _team(account: Account, one: Object) -> None:
    account.want(wanted.WantedTeam(fields.text(one, "id"), fields.text(one, "name")))


def _members(account: Account, dump: Dump) -> None:
    for one in fields.objects(list(dump.get("users", ())), "users"):
        teams = one.get("teams")
        for team in teams if isinstance(teams, list) else ():
            if isinstance(team, str):
                account.read(wanted.MEMBER)
                user = fields.identity(one)
                account.want(wanted.WantedMember(f"{team}/{user}", team, user))


# -------------------------------------------------------------------------------------------------------------- schedules


@dataclass(frozen=True, slots=True)
class _Shift:
    """A shift of theirs, understood. `groups` take turns; `rule` None: once."""

    id: str
    name: str
    type: str
    level: int
    zone_name: str
    zone: tzinfo
    start: datetime
    seconds: int
    frequency: str | None
    interval: int
    by_day: tuple[str, ...]
    by_more: tuple[str, ...]
    week_start: str
    since: datetime
    until: datetime | None
    groups: tuple[tuple[str, ...], ...]

    @property
    def end(self) -> datetime:
        return from_wall(to_wall(self.start, self.zone) + timedelta(seconds=self.seconds), self.zone)

    def is_over(self, now: datetime) -> bool:
        if self.frequency is None:
            return self.end <= now
        return self.until is not None and self.until + timedelta(seconds=self.seconds) <= now

    def rule(self, interval: int) -> str:
        """The recurrence with this interval."""
        parts = [f"FREQ={str(self.frequency).upper()}", f"INTERVAL={interval}"]
        if self.by_day:
            parts.append(f"BYDAY={','.join(self.by_day)}")
        parts += self.by_more
        if self.frequency == "weekly":
            parts.append(f"WKST={self.week_start}")
        if self.until is not None:
            parts.append(f"UNTIL={self.until.astimezone(UTC):%Y%m%dT%H%M%SZ}")
        return ";".join(parts)


class _Calendar:
    """Schedules with the shifts they are made of."""

    def __init__(self, now: datetime, found: Sequence[Object]) -> None:
        self._now = now
        self._shifts = {fields.identity(one): one for one in found}
        self._used: set[str] = set()

    def take(self, account: Account, one: Object) -> None:
        id_, name, type_ = fields.text(one, "id"), fields.text(one, "name"), fields.maybe(one, "type") or "web"
        zone_name = fields.maybe(one, "time_zone") or "UTC"
        zone = fields.zone_of(zone_name)
        team = fields.maybe(one, "team_id")
        named = list(dict.fromkeys([*fields.texts(one, "shifts"), *(key for key, shift in self._shifts.items() if shift.get("schedule") == id_)]))
        self._used |= set(named)
        if type_ == "ical":
            address = fields.maybe(one, "ical_url_primary")
            if not address:
                account.leave(wanted.SCHEDULE, id_, name, "it follows a calendar whose address is not shown", "make it, and let it follow the calendar")
                return
            if fields.maybe(one, "ical_url_overrides"):
                account.remark(wanted.SCHEDULE, id_, name, "has a second calendar for overrides, which is not followed", "make overrides by hand")
            account.want(wanted.WantedSchedule(id_, name, zone_name, team=team, calendar=address))
            return
        if fields.maybe(one, "ical_url_overrides"):
            account.remark(wanted.SCHEDULE, id_, name, "has a calendar for overrides, which is not followed", "make overrides by hand")
        recurring, single = self._understood(account, name, named, zone_name, zone)
        levels = {shift.level for shift in recurring}
        if len(levels) <= 1:
            self._want_rotations(account, wanted.WantedSchedule(id_, name, zone_name, team=team, has_rotations=True), recurring)
            self._want_single(account, id_, single, as_layers=False)
            return
        layers = self._layers(recurring)
        if layers is None:
            why = "its shifts have several levels, in a way that layers cannot say"
            by_hand = "make a schedule here that follows the address OnCall exports this one at (iCal): levels are understood there"
            account.leave(wanted.SCHEDULE, id_, name, why, by_hand)
            for shift in single:
                kind = wanted.OVERRIDE if shift.type == "override" else wanted.SHIFT
                account.read(kind)
                account.leave(kind, shift.id, shift.name, "its schedule is not carried")
            return
        account.read(wanted.LAYER, len(layers))
        account.want(wanted.WantedSchedule(id_, name, zone_name, team=team, layers=layers))
        self._want_single(account, id_, single, as_layers=True)

    def leave_unused(self, account: Account) -> None:
        """Shifts that no schedule names."""
        for id_, one in self._shifts.items():
            if id_ not in self._used:
                account.read("shift")
                account.leave("shift", id_, fields.label(one), "no schedule uses it")

    def _understood(
        self, account: Account, schedule: str, named: Sequence[str], zone_name: str, zone: tzinfo
    ) -> tuple[list[_Shift], list[_Shift]]:
        """The shifts that recur, and those that are once, without what is over."""
        recurring: list[_Shift] = []
        single: list[_Shift] = []
        for key in named:
            raw = self._shifts.get(key)
            if raw is None:
                account.remark("shift", key, schedule, "names a shift that is not in the export", "collect on_call_shifts too")
                continue
            shift = _shift(raw, zone_name, zone)
            if shift.is_over(self._now):
                account.read("shift")
                account.leave("shift", key, f"{shift.name} of {schedule}", "it is over: the past is not moved")
            elif not any(shift.groups):
                account.read("shift")
                account.leave("shift", key, f"{shift.name} of {schedule}", "it has no people")
            else:
                (single if shift.frequency is None else recurring).append(shift)
        return recurring, single

    def _want_rotations(self, account: Account, schedule: wanted.WantedSchedule, recurring: Sequence[_Shift]) -> None:
        rotations: list[wanted.WantedRotation] = []
        for shift in recurring:
            try:
                events = _events(shift)
            except (ValueError, OverflowError) as error:
                account.read(wanted.ROTATION)
                by_hand = "make the rotation by hand: until then fewer are on call"
                account.leave(wanted.ROTATION, shift.id, f"{shift.name} of {schedule.name}", str(error), by_hand)
                continue
            rotations += [wanted.WantedRotation(f"{shift.id}#{number}", (event,)) for number, event in enumerate(events)]
        account.read(wanted.ROTATION, len(rotations))
        account.want(
            wanted.WantedSchedule(schedule.id, schedule.name, schedule.time_zone, team=schedule.team, rotations=tuple(rotations), has_rotations=True)
        )

    def _want_single(self, account: Account, schedule: str, single: Sequence[_Shift], *, as_layers: bool) -> None:
        for shift in single:
            people = list(dict.fromkeys(user for group in shift.groups for user in group))
            replaces = shift.type == "override" or as_layers
            kind = wanted.OVERRIDE if replaces else wanted.SHIFT
            account.read(kind, len(people))
            if replaces and len(people) > 1:
                account.leave(kind, shift.id, shift.name, "it puts several people in somebody's place at once", "make it by hand", count=len(people))
                continue
            for user in people:
                id_ = f"{shift.id}/{user}"
                if replaces:
                    account.want(wanted.WantedOverride(id_, schedule, shift.start, shift.end, user, everyone=not as_layers))
                else:
                    account.want(wanted.WantedShift(id_, schedule, shift.start, shift.end, user))

    def _layers(self, recurring: Sequence[_Shift]) -> tuple[wanted.WantedLayer, ...] | None:
        """The shifts as layers, one a level, lowest first; None when layers cannot say them (law 1)."""
        if len({shift.level for shift in recurring}) < len(recurring):
            return None
        layers = [_layer(shift) for shift in sorted(recurring, key=_level_of)]
        found = tuple(layer for layer in layers if layer is not None)
        return found if len(found) == len(layers) else None


def _level_of(shift: _Shift) -> int:
    return shift.level


def _shift(one: Object, zone_name: str, zone: tzinfo) -> _Shift:
    own_zone = fields.maybe(one, "time_zone")
    if own_zone:
        zone_name, zone = own_zone, fields.zone_of(own_zone)
    type_ = fields.text(one, "type")
    start = fields.instant(one, "start", zone)
    frequency = (fields.maybe(one, "frequency") or "").casefold() or None
    if frequency not in {None, "hourly", "daily", "weekly", "monthly"}:
        raise Unfit(f"shift {fields.label(one)}: the frequency '{frequency}' is not known")
    rolling = one.get("rolling_users")
    if isinstance(rolling, list) and rolling:
        groups = tuple(fields.texts({"rolling_users": group}, "rolling_users") for group in rolling)
        first = fields.whole(one, "start_rotation_from_user_index", 0) % len(groups)
        groups = groups[first:] + groups[:first]
    else:
        groups = (fields.texts(one, "users"),)
    more = tuple(
        f"{word}={','.join(str(fields.whole({'n': number}, 'n')) for number in found)}"
        for word, found in (("BYMONTH", one.get("by_month")), ("BYMONTHDAY", one.get("by_monthday")))
        if isinstance(found, list) and found
    )
    by_day = fields.texts(one, "by_day")
    week_start = fields.maybe(one, "week_start") or "MO"
    if not {*by_day, week_start} <= set(DAYS):
        raise Unfit(f"shift {fields.label(one)}: by_day or week_start has no days of the week")
    seconds, interval = fields.whole(one, "duration"), fields.whole(one, "interval", 1)
    if not 60 <= seconds <= 366 * DAY or not 1 <= interval <= 1000:
        raise Unfit(f"shift {fields.label(one)}: duration {seconds} or interval {interval} cannot be")
    return _Shift(
        id=fields.identity(one), name=fields.label(one), type=type_, level=fields.whole(one, "level", 0), zone_name=zone_name, zone=zone,
        start=start, seconds=seconds, frequency=None if type_ in {"single_event", "override"} else frequency, interval=interval,
        by_day=by_day, by_more=more, week_start=week_start, since=fields.maybe_instant(one, "rotation_start", zone) or start,
        until=fields.maybe_instant(one, "until", zone), groups=groups,
    )  # fmt: skip


def _events(shift: _Shift) -> list[wanted.WantedEvent]:
    """Law 2. Raises ValueError where rotations cannot say it."""

    def event(start: datetime, interval: int, members: Sequence[str | None], *, everybody: bool) -> wanted.WantedEvent:
        end = from_wall(to_wall(start, shift.zone) + timedelta(seconds=shift.seconds), shift.zone)
        rule = (f"RRULE:{shift.rule(interval)}",)
        return wanted.WantedEvent(shift.name[:255], start, end, shift.zone_name, rule, tuple(members), max(shift.since, shift.start), everybody=everybody)

    first = _first(shift, shift.start)
    groups, count = shift.groups, len(shift.groups)
    if count == 1:
        return [event(first, shift.interval, groups[0], everybody=True)]
    if not shift.by_day and not shift.by_more:
        if count > MEMBERS_MOST:
            raise ValueError(f"shifts are taken in turn by at most {MEMBERS_MOST} here, not {count}")
        columns = range(max(map(len, groups)))
        return [event(first, shift.interval, [group[at] if at < len(group) else None for group in groups], everybody=False) for at in columns]
    if count > ROTATIONS_MOST:
        raise ValueError(f"{count} groups that take turns by chosen days would need more than {ROTATIONS_MOST} rotations")
    found, start = [], first
    for number, group in enumerate(groups):
        if number:
            start = _following(shift, start)
        if group:
            found.append(event(start, shift.interval * count, group, everybody=True))
    return found


def _first(shift: _Shift, start: datetime) -> datetime:
    """The first shift of the rule at or after `start`: RFC 5545 lets the beginning itself be one only when the rule has it."""
    return _shift_from(shift, start, start)


def _following(shift: _Shift, start: datetime) -> datetime:
    """When the next group begins: with the rule's first shift in the next day, week or month after `start` (law 2)."""
    wall = to_wall(start, shift.zone)
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if shift.frequency == "hourly":
        after = wall + timedelta(hours=1)
    elif shift.frequency == "daily":
        after = midnight + timedelta(days=1)
    elif shift.frequency == "weekly":
        after = midnight + timedelta(days=(DAYS.index(shift.week_start) - wall.weekday() - 1) % 7 + 1)
    else:
        after = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return _shift_from(shift, start, from_wall(after, shift.zone))


def _shift_from(shift: _Shift, anchor: datetime, low: datetime) -> datetime:
    """The first shift at or after `low` of the rule that counts from `anchor`."""
    rule = Rule(anchor, min(shift.seconds, 3600), shift.zone_name, shift.rule(shift.interval))
    found = next((one for one in occurrences_in(rule, Span(low, low + LOOK)) if one.start >= low), None)
    if found is None:
        raise ValueError("its rule gives no shifts")
    return found.start


def _layer(shift: _Shift) -> wanted.WantedLayer | None:
    """The shift as a layer, or None when a layer cannot say it."""
    wall = to_wall(shift.start, shift.zone)
    second = wall.hour * 3600 + wall.minute * 60 + wall.second
    if any(len(group) != 1 for group in shift.groups) or shift.by_more or shift.until is not None:
        return None
    restrictions: tuple[Restriction, ...] = ()
    virtual = shift.start
    period = {"hourly": 3600, "daily": DAY, "weekly": WEEK}.get(str(shift.frequency), 0) * shift.interval
    if not period:
        return None
    if shift.by_day:
        if shift.frequency != "weekly" or shift.interval != 1 or shift.seconds > DAY:
            return None
        back = (wall.weekday() - DAYS.index(shift.week_start)) % 7
        midnight = (wall - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        restrictions = tuple(Restriction(DAYS.index(day) + 1, second, shift.seconds) for day in shift.by_day)
        if any(shifts.is_cut(one, midnight) for one in restrictions):
            return None
        virtual = from_wall(midnight, shift.zone)
    elif shift.seconds != period:
        if shift.interval != 1 or shift.frequency == "hourly" or shift.seconds > period:
            return None
        restrictions = (Restriction(wall.isoweekday() if shift.frequency == "weekly" else None, second, shift.seconds),)
    users = tuple(user for group in shift.groups for user in group)
    return wanted.WantedLayer(shift.id, shift.name, max(shift.start, shift.since), virtual, period, users, restrictions)


def _say(account: Account, one: Object) -> None:
    asked = fields.inner(one, "asked")
    if not asked:
        return
    held = tuple(
        Held(fields.instant(shift, "shift_start", UTC), fields.instant(shift, "shift_end", UTC), fields.maybe(shift, "user_pk"))
        for shift in fields.objects(one.get("shifts"), "shifts")
    )
    span = Span(fields.instant(asked, "since", UTC), fields.instant(asked, "until", UTC))
    account.said.append(Said(fields.text(one, "id"), span, held))


# ------------------------------------------------------------------------------------------------- policies and services


class _Chains:
    """Escalation chains with their steps, and integrations with their routes."""

    def __init__(self, steps: Sequence[Object], routes: Sequence[Object]) -> None:
        self._steps: dict[str, list[Object]] = {}
        for one in steps:
            self._steps.setdefault(str(one.get("escalation_chain_id")), []).append(one)
        self._routes: dict[str, list[Object]] = {}
        for one in routes:
            self._routes.setdefault(str(one.get("integration_id")), []).append(one)
        self._wanted: set[str] = set()

    def take(self, account: Account, one: Object) -> None:
        id_, name = fields.text(one, "id"), fields.text(one, "name")
        steps = sorted(self._steps.get(id_, ()), key=_position)
        levels: list[tuple[int, list[tuple[str, str]]]] = []
        waited, loops, strategy = 0, 0, False
        for step in steps:
            type_ = fields.maybe(step, "type") or ""
            if type_ == "wait":
                waited += max(1, round(fields.whole(step, "duration", 0) / 60))
                continue
            if type_ == "repeat_escalation":
                loops = REPEATS
                continue
            targets = _targets(type_, step)
            if not targets:
                account.read("escalation step")
                account.leave("escalation step", fields.identity(step), f"{type_} of {name}", "nothing stands for it on a level here", "see to it by hand")
                continue
            if type_ == "notify_person_next_each_time":
                account.remark(wanted.POLICY, id_, name, "tells the next person each time there, and goes round by incident here")
                strategy = True
            if step.get("important") is True:
                account.remark(wanted.POLICY, id_, name, "has an important step there; here the urgency of the incident says by which rules")
            if levels and not waited:
                levels[-1][1].extend(targets)
                continue
            if levels:
                levels[-1] = (waited, levels[-1][1])
            elif waited:
                account.remark(wanted.POLICY, id_, name, f"begins at once here, and after {waited} min there")
            waited = 0
            levels.append((LAST_MINUTES, targets))
        if levels and waited:
            levels[-1] = (waited, levels[-1][1])
        if not levels:
            account.leave(wanted.POLICY, id_, name, "none of its steps tells anybody", "make the policy by hand")
            return
        self._wanted.add(id_)
        round_robin = strategy and len(levels) == 1
        made = tuple(wanted.WantedLevel(min(minutes, 1440), tuple(dict.fromkeys(targets)), round_robin) for minutes, targets in levels)
        account.read(wanted.LEVEL, len(made))
        account.want(wanted.WantedPolicy(id_, name, made, loops=loops, team=fields.maybe(one, "team_id")))

    def take_integration(self, account: Account, one: Object) -> None:
        """Each is a service here, with one way in; its default route says which policy."""
        id_, name = fields.text(one, "id"), fields.text(one, "name")
        account.read(wanted.WAY)
        route = fields.inner(one, "default_route") or next((each for each in self._routes.get(id_, ()) if each.get("is_the_last_route")), {})
        chain = fields.maybe(route, "escalation_chain_id")
        if chain is None or chain not in self._wanted:
            account.leave(wanted.WAY, id_, name, "its service is not carried")
            account.leave(wanted.SERVICE, id_, name, "its default route leads to no chain that is carried", "make the service by hand")
            return
        account.want(wanted.WantedService(id_, name, chain, fields.maybe(one, "description")))
        type_ = fields.maybe(one, "type") or "webhook"
        account.want(wanted.WantedWay(f"{id_}/way", id_, type_, "events_api_v2_inbound_integration"))
        account.remark(wanted.WAY, id_, name, f"({type_}) has a new address and key", "point its sender at Tocsin")

    def leave_route(self, account: Account, one: Object) -> None:
        """Routes beside the default one, which the service has."""
        if one.get("is_the_last_route") is True:
            account.leave("route", fields.identity(one), "the default route", "its chain is the policy of the service")
            return
        words = fields.maybe(one, "routing_regex") or "a route"
        account.leave("route", fields.identity(one), words[:200], "a service has one policy", "make a service of its own for these alerts")


def _position(step: Object) -> int:
    found = step.get("position")
    return found if isinstance(found, int) else 0


def _targets(type_: str, step: Object) -> list[tuple[str, str]]:
    if type_ == "notify_persons":
        return [("user", user) for user in fields.texts(step, "persons_to_notify")]
    if type_ == "notify_person_next_each_time":
        return [("user", user) for user in fields.texts(step, "persons_to_notify_next_each_time")]
    if type_ == "notify_on_call_from_schedule":
        return [("schedule", fields.text(step, "notify_on_call_from_schedule"))]
    return []
