"""Reads what Opsgenie's REST API and exports write: users, teams, schedules with rotations, overrides, escalations, services, integrations.

Laws:
1. Rotations of a schedule are on call together. Where none of them overlap (or there is one) they are wanted as layers, which say
   the same; else as rotations.
2. Delays of an escalation count from the alert's beginning; a level's delay here is the time until the next one.
3. Whoever cannot stand in a turn (a team, an escalation) leaves an empty place, which is said.
Facts: Opsgenie's published REST API, version 2.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from tocsin.base.times import Span
from tocsin.core import moving_in as wanted
from tocsin.core.moving_in import Account, Held, Said
from tocsin.core.rotation import DAY, WEEK, Restriction
from tocsin.inbound.importing import fields, shifts
from tocsin.inbound.importing.fields import Dump, Object, Unfit

SOURCE: Final = "opsgenie"
ROLES: Final = {"owner": "admin", "admin": "admin", "user": "user", "observer": "observer", "stakeholder": "read_only_user"}
CHANNELS: Final = {"email": "email", "sms": "sms", "voice": "phone"}
UNITS: Final = {"minutes": 1, "minute": 1, "hours": 60, "hour": 60, "days": 1440, "day": 1440}
TURNS: Final = {"hourly": 3600, "daily": DAY, "weekly": WEEK}
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LAST_MINUTES: Final = 30
"""How long the last level of an escalation holds, when nothing says so."""
COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "policies": ("alert policy", "write its rules anew"), "alert_policies": ("alert policy", "write its rules anew"),
    "notification_policies": ("notification policy", "write its rules anew"),
    "heartbeats": ("heartbeat", "let what beats be watched anew"), "routing_rules": ("routing rule", "choose each service's policy by hand"),
    "maintenance": ("maintenance", "plan it anew"), "incident_templates": ("incident template", "write it anew"),
    "custom_user_roles": ("custom role", "give people one of the roles there are"),
    "forwarding_rules": ("forwarding rule", "make overrides"),
}  # fmt: skip
KNOWN: Final = frozenset({
    "users", "teams", "schedules", "overrides", "escalations", "services", "integrations", "notification_rules", "timelines", *COUNTED,
})  # fmt: skip


def read(dump: Dump, now: datetime) -> Account:
    """Everything of a dump, accounted for. Raises Unfit when a list of it is no list of objects."""
    account = Account(SOURCE)
    people = _People(list(fields.objects(list(dump.get("users", ())), "users")))
    schedules = _Schedules(now, people)
    policies = _Policies(people, list(fields.objects(list(dump.get("schedules", ())), "schedules")))
    taken: tuple[tuple[str, str, Callable[[Account, Object], None]], ...] = (
        ("users", wanted.USER, people.take), ("notification_rules", wanted.RULE, people.take_rule), ("teams", wanted.TEAM, people.take_team),
        ("schedules", wanted.SCHEDULE, schedules.take), ("overrides", wanted.OVERRIDE, schedules.take_override),
        ("escalations", wanted.POLICY, policies.take), ("services", wanted.SERVICE, policies.take_service),
        ("integrations", wanted.WAY, policies.take_way),
    )  # fmt: skip
    for key, kind, take in taken:
        fields.each(account, dump, key, kind, take, counts_itself=True)
    for one in fields.objects(list(dump.get("timelines", ())), "timelines"):
        _take_timeline(account, one, people)
    for key, (kind, by_hand) in COUNTED.items():
        for one in fields.objects(list(dump.get(key, ())), key):
            account.read(kind)
            account.leave(kind, fields.identity(one), fields.label(one), "Tocsin does not move these yet", by_hand)
    fields.remark_unknown(account, dump, KNOWN)
    return account


class _People:
    """Users by id and by user name: other objects name them by either."""

    def __init__(self, users: Sequence[Object]) -> None:
        self._ids: dict[str, str] = {}
        self._methods: dict[tuple[str, str, str], str] = {}
        for one in users:
            for name in ("id", "username"):
                if isinstance(one.get(name), str):
                    self._ids[one[name].casefold()] = fields.identity(one)

    def id_of(self, one: Object) -> str | None:
        """The id of the user that this object names."""
        for name in ("id", "username", "name"):
            found = fields.maybe(one, name)
            if found is not None and found.casefold() in self._ids:
                return self._ids[found.casefold()]
        return None

    def take(self, account: Account, one: Object) -> None:
        account.read(wanted.USER)
        id_, email = fields.text(one, "id"), fields.text(one, "username")
        name = fields.maybe(one, "fullName") or email
        role_there = (fields.maybe(fields.inner(one, "role"), "name") or "User").casefold()
        contacts = [*fields.objects(one.get("userContacts"), "userContacts"), *fields.objects(one.get("contacts"), "contacts")]
        methods = [method for contact in contacts if (method := self._method(account, id_, contact)) is not None]
        if role_there not in ROLES:
            account.remark(wanted.USER, id_, name, f"has the role '{role_there}' there and is a plain user here")
        elif role_there == "owner":
            account.remark(wanted.USER, id_, name, "is the owner there and an administrator here", "hand the role over under People")
        if one.get("blocked") is True:
            account.remark(wanted.USER, id_, name, "is blocked there and not here", "delete them, or leave them without a password")
        zone = fields.maybe(one, "timeZone") or fields.maybe(one, "timezone")
        role = ROLES.get(role_there, "user")
        account.want(wanted.WantedUser(id_, name, email, role, zone, own_methods=bool(methods)))
        for method in methods:
            account.want(method)
        for rule in fields.objects(one.get("notificationRules"), "notificationRules"):
            self.take_rule(account, {**rule, "userId": id_})

    def _method(self, account: Account, user: str, one: Object) -> wanted.WantedMethod | None:
        kind, id_ = wanted.METHOD, fields.identity(one)
        account.read(kind)
        method = (fields.maybe(one, "contactMethod") or fields.maybe(one, "method") or "").casefold()
        to = fields.maybe(one, "to") or ""
        if method not in CHANNELS:
            by_hand = "let them add a way of their own under How I am reached"
            account.leave(kind, id_, f"{method} of {user}", "an app of Opsgenie's on a telephone" if method == "mobile" else "no such way here", by_hand)
            return None
        if not to:
            account.leave(kind, id_, f"{method} of {user}", "it has no address")
            return None
        own_id = id_ or f"{user}/{method}/{to}"
        self._methods[user, method, to] = own_id
        code, dash, number = to.partition("-")
        if method == "email" or not dash or not code.isdigit() or len(code) > 3:
            return wanted.WantedMethod(own_id, user, CHANNELS[method], method, to)
        return wanted.WantedMethod(own_id, user, CHANNELS[method], method, number, int(code))

    def take_rule(self, account: Account, one: Object) -> None:
        """A rule has steps; each becomes two of ours, for both urgencies, and is counted once for each."""
        kind = wanted.RULE
        user = self.id_of({"id": one.get("userId") or fields.inner(one, "user").get("id"), "username": fields.inner(one, "user").get("username")})
        name = f"{fields.label(one)} of {user}"
        steps = list(fields.objects(one.get("steps"), "steps"))
        action = fields.maybe(one, "actionType") or "create-alert"
        why = ""
        if user is None:
            why = "the user it is of is not in the export"
        elif action != "create-alert":
            why = f"it is about '{action}', of which Tocsin has no rules like this"
        elif one.get("enabled") is False:
            why = "it is switched off there"
        elif one.get("timeRestriction"):
            why = "it counts only at some times of the day, which rules here cannot say"
        if why or user is None:
            number = max(1, len(steps)) * 2
            account.read(kind, number)
            account.leave(kind, fields.identity(one), name, why, "let them look at their rules under How I am reached", count=number)
            return
        if fields.inner(one, "criteria").get("type") not in {None, "match-all"}:
            account.remark(kind, fields.identity(one), name, "is for some alerts only there, and for all here")
        for number, step in enumerate(steps, start=1):
            account.read(kind, 2)
            contact, after = fields.inner(step, "contact"), fields.inner(step, "sendAfter")
            method, to = (fields.maybe(contact, "method") or "").casefold(), fields.maybe(contact, "to") or ""
            known = self._methods.get((user, method, to))
            if known is None or step.get("enabled") is False:
                why = "it is switched off there" if known else f"its contact method {method} {to} is not carried"
                account.leave(kind, f"{fields.identity(one)}/{number}", name, why, "let them make a rule for another way", count=2)
                continue
            minutes = fields.whole(after, "timeAmount", 0) * UNITS.get(fields.maybe(after, "timeUnit") or "minutes", 1)
            for urgency in ("high", "low"):
                account.want(wanted.WantedRule(f"{fields.identity(one)}/{number}/{urgency}", user, known, minutes, urgency))

    def take_team(self, account: Account, one: Object) -> None:
        account.read(wanted.TEAM)
        id_ = fields.text(one, "id")
        account.want(wanted.WantedTeam(id_, fields.text(one, "name"), fields.maybe(one, "description")))
        for member in fields.objects(one.get("members"), "members"):
            account.read(wanted.MEMBER)
            user = self.id_of(fields.inner(member, "user"))
            if user is None:
                account.leave(wanted.MEMBER, "", f"{fields.label(fields.inner(member, 'user'))} in {id_}", "the user is not in the export")
                continue
            role = "manager" if (fields.maybe(member, "role") or "").casefold() == "admin" else "responder"
            account.want(wanted.WantedMember(f"{id_}/{user}", id_, user, role))


# -------------------------------------------------------------------------------------------------------------- schedules


class _Schedules:
    """Schedules, and the overrides that come later and must know what form a schedule got."""

    def __init__(self, now: datetime, people: _People) -> None:
        self._now, self._people = now, people
        self._forms: dict[str, bool] = {}
        self._names: dict[str, str] = {}

    def take(self, account: Account, one: Object) -> None:
        account.read(wanted.SCHEDULE)
        id_, name = fields.text(one, "id"), fields.text(one, "name")
        zone_name = fields.maybe(one, "timezone") or "UTC"
        zone = fields.zone_of(zone_name)
        if one.get("enabled") is False:
            account.leave(wanted.SCHEDULE, id_, name, "it is switched off there", "switch it on there, or make it by hand")
            return
        turns = [turn for found in fields.objects(one.get("rotations"), "rotations") if (turn := self._turn(account, name, found, zone)) is not None]
        turns = [turn for turn in turns if turn.until is None or turn.until > self._now]
        team = fields.maybe(fields.inner(one, "ownerTeam"), "id")
        description = fields.maybe(one, "description")
        self._names |= dict.fromkeys((id_, name), id_)
        self._forms[id_] = not _can_be_layers(turns)
        if not self._forms[id_]:
            layers = tuple(turn.layer() for turn in turns)
            account.read(wanted.LAYER, len(layers))
            account.want(wanted.WantedSchedule(id_, name, zone_name, description, team, layers))
            return
        rotations: list[wanted.WantedRotation] = []
        for turn in turns:
            try:
                events = turn.events(zone_name)
            except ValueError as error:
                account.read(wanted.ROTATION)
                by_hand = "make the rotation by hand: until then fewer are on call"
                account.leave(wanted.ROTATION, turn.id, f"{turn.name} of {name}", str(error), by_hand)
                continue
            rotations += [wanted.WantedRotation(f"{turn.id}#{number}", (event,)) for number, event in enumerate(events)]
        account.read(wanted.ROTATION, len(rotations))
        account.want(wanted.WantedSchedule(id_, name, zone_name, description, team, rotations=tuple(rotations), has_rotations=True))

    def _turn(self, account: Account, schedule: str, one: Object, zone: tzinfo) -> "_Turn | None":
        name = f"{fields.label(one)} of {schedule}"
        participants = list(fields.objects(one.get("participants"), "participants"))
        people: list[str | None] = []
        for each in participants:
            kind = fields.maybe(each, "type") or "user"
            user = self._people.id_of(each) if kind == "user" else None
            if user is None and kind != "none":
                what = f"the {kind} {fields.label(each)}" if kind != "user" else f"{fields.label(each)}, who is not in the export,"
                account.remark(wanted.ROTATION, fields.identity(one), name, f"has an empty place for {what}", "put a person there")
            people.append(user)
        type_ = fields.maybe(one, "type") or "weekly"
        if type_ not in TURNS:
            raise Unfit(f"rotation {name}: the type '{type_}' is not known")
        if not people:
            account.remark(wanted.ROTATION, fields.identity(one), name, "has no participants, so it says nothing")
            return None
        length = fields.whole(one, "length", 1)
        if not 1 <= length <= 10_000:
            raise Unfit(f"rotation {name}: the length {length} cannot be")
        return _Turn(
            fields.maybe(one, "id") or name, fields.label(one), fields.instant(one, "startDate", zone), fields.maybe_instant(one, "endDate", zone),
            TURNS[type_] * length, tuple(people), _restrictions(fields.inner(one, "timeRestriction")),
        )  # fmt: skip

    def take_override(self, account: Account, one: Object) -> None:
        id_ = fields.maybe(one, "alias") or fields.text(one, "id")
        parent = fields.inner(one, "_parent") or fields.inner(one, "schedule") or {"id": one.get("scheduleId"), "name": one.get("scheduleName")}
        schedule = next((self._names[key] for key in (fields.maybe(parent, "id"), fields.maybe(parent, "name")) if key in self._names), None)
        if schedule is None:
            raise Unfit("its schedule is not carried")
        start, end = fields.instant(one, "startDate", UTC), fields.instant(one, "endDate", UTC)
        user = self._people.id_of(fields.inner(one, "user"))
        named = [fields.maybe(each, "id") for each in fields.objects(one.get("rotations"), "rotations")]
        of = [each for each in named if each] if self._forms[schedule] else []
        account.read(wanted.OVERRIDE, max(1, len(of)))
        if end <= self._now or user is None:
            why = "it is over: the past is not moved" if end <= self._now else "the user is not in the export"
            account.leave(wanted.OVERRIDE, id_, f"of {schedule}", why, count=max(1, len(of)))
            return
        if named and not of:
            account.remark(wanted.OVERRIDE, id_, f"of {schedule}", "is of some rotations there, and of the whole schedule here")
        if not of:
            account.want(wanted.WantedOverride(id_, schedule, start, end, user, everyone=self._forms[schedule]))
        for rotation in of:
            account.want(wanted.WantedOverride(f"{id_}/{rotation}", schedule, start, end, user, rotation=rotation, everyone=True))


class _Turn:
    """One rotation of theirs, understood."""

    def __init__(
        self, id_: str, name: str, start: datetime, until: datetime | None, seconds: int, people: tuple[str | None, ...],
        restrictions: tuple[Restriction, ...],
    ) -> None:  # fmt: skip
        self.id, self.name, self.start, self.until, self.seconds = id_, name, start, until, seconds
        self.people, self.restrictions = people, restrictions

    def layer(self) -> wanted.WantedLayer:
        users = tuple(user for user in self.people if user is not None)
        return wanted.WantedLayer(self.id, self.name, self.start, self.start, self.seconds, users, self.restrictions, self.until)

    def events(self, zone_name: str) -> list[wanted.WantedEvent]:
        """Raises ValueError for what shifts cannot say."""
        if self.seconds % DAY == 0:
            return shifts.turned(self.name, zone_name, self.start, self.seconds // DAY, self.people, self.restrictions, self.start, self.until)
        if self.restrictions:
            raise ValueError("turns of hours with time restrictions beside other rotations cannot be said here")
        rule = f"RRULE:FREQ=HOURLY;INTERVAL={self.seconds // 3600}"
        end = self.start + timedelta(seconds=self.seconds)
        return [wanted.WantedEvent(self.name, self.start, end, zone_name, (rule,), self.people, self.start, self.until)]


def _can_be_layers(turns: Sequence[_Turn]) -> bool:
    """Law 1."""
    if any(user is None for turn in turns for user in turn.people):
        return False
    for number, one in enumerate(turns):
        for other in turns[:number]:
            is_later = (one.until is not None and one.until <= other.start) or (other.until is not None and other.until <= one.start)
            if not is_later and shifts.overlap(one.restrictions, other.restrictions):
                return False
    return True


def _restrictions(one: Object) -> tuple[Restriction, ...]:
    type_ = fields.maybe(one, "type")
    if type_ is None:
        return ()
    if type_ == "time-of-day":
        part = fields.inner(one, "restriction")
        start, end = _clock(part, "start"), _clock(part, "end")
        return (Restriction(None, start, (end - start) % DAY or DAY),)
    if type_ != "weekday-and-time-of-day":
        raise Unfit(f"the time restriction '{type_}' is not known")
    found = []
    for part in fields.objects(one.get("restrictions"), "restrictions"):
        days = [fields.text(part, name).casefold() for name in ("startDay", "endDay")]
        if not set(days) <= set(WEEKDAYS):
            raise Unfit(f"{', '.join(days)} are no days of the week")
        first, last = (WEEKDAYS.index(day) for day in days)
        start, end = first * DAY + _clock(part, "start"), last * DAY + _clock(part, "end")
        found.append(Restriction(first + 1, _clock(part, "start"), (end - start) % WEEK or WEEK))
    return tuple(found)


def _clock(one: Object, name: str) -> int:
    hour, minute = fields.whole(one, f"{name}Hour"), fields.whole(one, f"{name}Min", 0)
    if not 0 <= hour <= 24 or not 0 <= minute <= 59:
        raise Unfit(f"{hour}:{minute} is no time of day")
    return (hour * 3600 + minute * 60) % DAY


def _take_timeline(account: Account, one: Object, people: _People) -> None:
    """Who they say is on call: `finalTimeline` of `GET /v2/schedules/{id}/timeline`, with the schedule beside it."""
    schedule = fields.maybe(fields.inner(one, "_parent"), "id") or fields.maybe(one, "scheduleId")
    if schedule is None or not one.get("startDate") or not one.get("endDate"):
        account.remark("timeline", "", fields.label(one), "says not of which schedule or range it is, so nothing was compared with it")
        return
    held = []
    for rotation in fields.objects(fields.inner(one, "finalTimeline").get("rotations"), "rotations"):
        for period in fields.objects(rotation.get("periods"), "periods"):
            user = people.id_of(fields.inner(period, "recipient"))
            held.append(Held(fields.instant(period, "startDate", UTC), fields.instant(period, "endDate", UTC), user))
    account.said.append(Said(schedule, Span(fields.instant(one, "startDate", UTC), fields.instant(one, "endDate", UTC)), tuple(held)))


# ------------------------------------------------------------------------------------------------- policies and services


class _Policies:
    """Escalations, and the services and integrations that are the teams' there and need a policy here."""

    def __init__(self, people: _People, schedules: Sequence[Object]) -> None:
        self._people = people
        self._of_team: dict[str, str] = {}
        self._served: dict[str, str] = {}
        self._schedules = {key: fields.identity(one) for one in schedules for key in (one.get("id"), one.get("name")) if isinstance(key, str)}

    def take(self, account: Account, one: Object) -> None:
        account.read(wanted.POLICY)
        id_, name = fields.text(one, "id"), fields.text(one, "name")
        by_delay: dict[int, list[tuple[str, str]]] = {}
        for rule in fields.objects(one.get("rules"), "rules"):
            delay = fields.inner(rule, "delay")
            minutes = fields.whole(delay, "timeAmount", 0) * UNITS.get(fields.maybe(delay, "timeUnit") or "minutes", 1)
            target = self._target(account, id_, name, rule)
            if target is not None:
                by_delay.setdefault(minutes, []).append(target)
        repeat = fields.inner(one, "repeat")
        minutes_of = sorted(by_delay)
        if minutes_of and minutes_of[0]:
            account.remark(wanted.POLICY, id_, name, f"begins at once here, and after {minutes_of[0]} min there")
        last = fields.whole(repeat, "waitInterval", 0) or LAST_MINUTES
        waits = [after - before for before, after in zip(minutes_of, [*minutes_of[1:], (minutes_of or [0])[-1] + last], strict=True)]
        levels = tuple(wanted.WantedLevel(min(wait, 1440), tuple(by_delay[at])) for at, wait in zip(minutes_of, waits, strict=True))
        account.read(wanted.LEVEL, len(levels))
        loops = min(fields.whole(repeat, "count", 0), 9)
        team = fields.maybe(fields.inner(one, "ownerTeam"), "id")
        if repeat.get("closeAlertAfterAll") is True:
            account.remark(wanted.POLICY, id_, name, "closes the alert after its last repeat there, and does not here")
        if team is not None:
            self._of_team.setdefault(team, id_)
        account.want(wanted.WantedPolicy(id_, name, levels, fields.maybe(one, "description"), loops, team=team))

    def _target(self, account: Account, id_: str, name: str, rule: Object) -> tuple[str, str] | None:
        recipient = fields.inner(rule, "recipient")
        kind, how = fields.maybe(recipient, "type") or "", fields.maybe(rule, "notifyType") or "default"
        by_hand = "put whom it means on a level by hand"
        if fields.maybe(rule, "condition") == "if-not-closed":
            account.remark(wanted.POLICY, id_, name, "goes on until the alert is closed there, and until it is acknowledged here")
        if how not in {"default", "users"}:
            account.remark(wanted.POLICY, id_, name, f"tells '{how}' of {fields.label(recipient)} there, and whoever is on call here", by_hand)
        if kind == "user" and (user := self._people.id_of(recipient)) is not None:
            return "user", user
        if kind == "schedule":
            for key in (fields.maybe(recipient, "id"), fields.maybe(recipient, "name")):
                if key in self._schedules:
                    return "schedule", self._schedules[key]
        account.remark(wanted.POLICY, id_, name, f"does not tell the {kind} {fields.label(recipient)} here", by_hand)
        return None

    def take_service(self, account: Account, one: Object) -> None:
        account.read(wanted.SERVICE)
        id_, name, team = fields.text(one, "id"), fields.text(one, "name"), fields.maybe(one, "teamId")
        policy = self._of_team.get(team or "")
        if policy is None:
            account.leave(wanted.SERVICE, id_, name, "its team has no escalation, which a service needs here", "make the service by hand")
            return
        if one.get("tags"):
            account.remark(wanted.SERVICE, id_, name, "is without its tags here")
        account.want(wanted.WantedService(id_, name, policy, fields.maybe(one, "description")))

    def take_way(self, account: Account, one: Object) -> None:
        account.read(wanted.WAY)
        id_, name = fields.text(one, "id"), fields.text(one, "name")
        team = fields.maybe(one, "teamId") or fields.maybe(fields.inner(one, "ownerTeam"), "id") or ""
        policy = self._of_team.get(team)
        if policy is None or one.get("enabled") is False:
            why = "it is switched off there" if policy else "its team has no escalation, so there is no service it could lead to"
            account.leave(wanted.WAY, id_, f"{name} ({fields.maybe(one, 'type')})", why, "make it under a service by hand")
            return
        if team not in self._served:
            self._served[team] = f"team/{team}"
            account.read(wanted.SERVICE)
            account.want(wanted.WantedService(f"team/{team}", f"Alerts of {name}"[:200], policy, "What the team's integrations send"))
            account.remark(wanted.SERVICE, f"team/{team}", name, "is a new service for what the team's integrations send", "call it what it is")
        type_ = fields.maybe(one, "type") or "API"
        account.want(wanted.WantedWay(id_, self._served[team], f"{name} ({type_})"[:200], "events_api_v2_inbound_integration"))
        account.remark(wanted.WAY, id_, name, "has a new key and another address", "point its sender at Tocsin")
