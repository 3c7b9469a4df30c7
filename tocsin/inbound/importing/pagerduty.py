"""Reads what PagerDuty's REST API says of an account: people, teams, schedules of both kinds, policies, services, windows, priorities.

Laws:
1. Layers come highest first (BEHAVIOUR 5.1), and are wanted lowest first, each with its phase as it is.
2. What is over (ended layers, overrides and windows in the past) is left: the past is not moved.
Source: BEHAVIOUR 2, 4, 5 and 6.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, tzinfo
from typing import Any, Final

from tocsin.base.times import Span
from tocsin.core import moving_in as wanted
from tocsin.core.moving_in import Account, Held, Said
from tocsin.core.rotation import Restriction, Turns, turn_at
from tocsin.inbound.importing import fields
from tocsin.inbound.importing.fields import Dump, Object, Unfit

SOURCE: Final = "pagerduty"

ROLES: Final = {
    "owner": "admin", "admin": "admin", "user": "user", "limited_user": "limited_user", "observer": "observer",
    "restricted_access": "restricted_access", "read_only_user": "read_only_user",
    "read_only_limited_user": "read_only_limited_user",
}  # fmt: skip
COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "business_services": ("business service", "make them anew with POST /business_services"),
    "tags": ("tag", "make them anew"),
    "webhook_subscriptions": ("webhook subscription", "make them anew: a webhook's secret is shown only once, so it cannot be moved"),
    "extensions": ("extension", "give the same address to a webhook subscription"),
    "event_orchestrations": ("event orchestration", "write its rules anew"),
    "rulesets": ("ruleset", "write its rules anew"),
    "incident_workflows": ("incident workflow", "write it anew"),
    "addons": ("add-on", "nothing stands for it here"),
}
"""What is only counted: by kind of the dump its name, and what to do by hand."""


NOT_ASKED: Final = (
    "was not asked for: incidents of the past, service dependencies, hand-off and status update rules, custom fields, status "
    "pages, automation actions, event orchestrations' rules, who subscribes to what"
)


def read(dump: Dump, now: datetime) -> Account:
    """Everything of a dump, accounted for. Raises Unfit when a list of it is no list of objects."""
    account = Account(SOURCE)
    for key, take in _TAKEN:
        for one in fields.objects(list(dump.get(key, ())), key):
            take(account, one, now)
    for key, (kind, by_hand) in COUNTED.items():
        for one in fields.objects(list(dump.get(key, ())), key):
            account.read(kind)
            account.leave(kind, fields.identity(one), fields.label(one), "Tocsin does not move these yet", by_hand)
    for one in fields.objects(list(dump.get("not_readable", ())), "not_readable"):
        kind = COUNTED.get(fields.label(one), (fields.label(one), ""))[0]
        account.remark("account", "", kind, f"could not be read there: {fields.maybe(one, 'why')}", "look whether there are any")
    account.remark("account", "", "the rest", NOT_ASKED)
    fields.remark_unknown(account, dump, {key for key, _ in _TAKEN} | COUNTED.keys())
    return account


def _taking(kind: str, take: Callable[[Account, Object, datetime], None]) -> Callable[[Account, Object, datetime], None]:
    """`take` for one object of this kind: what is unfit is left, saying why."""

    def taken(account: Account, one: Object, now: datetime) -> None:
        part = Account(account.source)  # so that half an object leaves nothing behind
        try:
            take(part, one, now)
        except Unfit as error:
            part = Account(account.source)
            part.leave(kind, fields.identity(one), fields.label(one), f"it could not be read: {error}")
        part.read(kind)
        account.take(part)

    return taken


# ----------------------------------------------------------------------------------------------------------------- people


def _user(account: Account, one: Object, _now: datetime) -> None:
    id_, name, role = fields.text(one, "id"), fields.text(one, "name"), fields.maybe(one, "role") or "user"
    methods = list(fields.objects(one.get("contact_methods"), "contact_methods"))
    rules = list(fields.objects(one.get("notification_rules"), "notification_rules"))
    user = wanted.WantedUser(
        id=id_, name=name, email=fields.text(one, "email"), role=ROLES.get(role, "user"),
        time_zone=fields.maybe(one, "time_zone"), color=fields.maybe(one, "color"),
        job_title=fields.maybe(one, "job_title") or None, description=fields.maybe(one, "description") or None,
        own_methods=any("address" in method for method in methods),
    )  # fmt: skip
    account.want(user)
    if role == "owner":
        account.remark(wanted.USER, id_, name, "is the owner there and an administrator here", "hand the role over under People")
    elif role not in ROLES:
        account.remark(wanted.USER, id_, name, f"has the role '{role}' there and is a plain user here")
    taken = {fields.identity(method) for method in methods if _method(account, id_, method)}
    for rule in rules:
        _rule(account, id_, rule, taken)


def _method(account: Account, user: str, one: Object) -> bool:
    """Take a contact method; whether it is carried."""
    kind, id_ = wanted.METHOD, fields.identity(one)
    account.read(kind)
    try:
        type_ = fields.text(one, "type").removesuffix("_reference")
        channel = type_.removesuffix("_contact_method")
        name = f"{channel} of {user}"
        if channel == "push_notification":
            account.leave(kind, id_, name, "an app of PagerDuty's on a telephone", "let them add a way of their own under How I am reached")
        elif one.get("fields"):
            account.leave(kind, id_, name, "it has secrets, which are not shown", "let them add it anew under How I am reached")
        elif "address" not in one:
            account.leave(kind, id_, name, "its address is not shown to this key", "use a key of an administrator")
        else:
            code = fields.whole(one, "country_code", 0) or None
            method = wanted.WantedMethod(id_, user, channel, fields.maybe(one, "label") or channel, fields.text(one, "address"), code)
            account.want(method)
            return True
    except Unfit as error:
        account.leave(kind, id_, f"of {user}", f"it could not be read: {error}")
    return False


def _rule(account: Account, user: str, one: Object, taken: set[str]) -> None:
    kind, id_ = wanted.RULE, fields.identity(one)
    account.read(kind)
    try:
        if "contact_method" not in one:
            account.leave(kind, id_, f"of {user}", "it is not shown to this key", "use a key of an administrator")
            return
        method = fields.text(fields.inner(one, "contact_method"), "id")
        if method not in taken:
            account.leave(kind, id_, f"of {user}", f"its contact method {method} is not carried", "let them make a rule for another way")
            return
        urgency = fields.maybe(one, "urgency") or "high"
        account.want(wanted.WantedRule(id_, user, method, fields.whole(one, "start_delay_in_minutes", 0), urgency))
    except Unfit as error:
        account.leave(kind, id_, f"of {user}", f"it could not be read: {error}")


def _team(account: Account, one: Object, _now: datetime) -> None:
    id_, name = fields.text(one, "id"), fields.text(one, "name")
    account.want(wanted.WantedTeam(id_, name, fields.maybe(one, "description")))
    parent = fields.inner(one, "parent")
    if parent:
        account.remark(wanted.TEAM, id_, name, f"is below {fields.label(parent)} there and at the top here", "set its parent (PUT /teams/{id})")


def _member(account: Account, one: Object, _now: datetime) -> None:
    team, user = fields.text(one, "team"), fields.text(fields.inner(one, "user"), "id")
    account.want(wanted.WantedMember(f"{team}/{user}", team, user, fields.maybe(one, "role")))


# -------------------------------------------------------------------------------------------------------------- schedules


def _schedule(account: Account, one: Object, now: datetime) -> None:
    id_, name, zone_name = fields.text(one, "id"), fields.text(one, "name"), fields.text(one, "time_zone")
    zone = fields.zone_of(zone_name)
    found = list(fields.objects(one.get("schedule_layers"), "schedule_layers"))
    account.read(wanted.LAYER, len(found))
    layers = []
    for layer in reversed(found):  # law 1
        try:
            end = fields.maybe_instant(layer, "end", zone)
            if end is not None and end <= now:
                account.leave(wanted.LAYER, fields.identity(layer), f"{fields.label(layer)} of {name}", "it ended: the past is not moved")
                continue
            layers.append(_in_phase(account, _layer(layer, zone, end), layer, zone))
        except Unfit as error:
            by_hand = "make the layer by hand: until then others are on call in its place"
            account.leave(wanted.LAYER, fields.identity(layer), f"{fields.label(layer)} of {name}", f"it could not be read: {error}", by_hand)
    account.want(
        wanted.WantedSchedule(id_, name, zone_name, fields.maybe(one, "description"), _first_team(account, one, wanted.SCHEDULE), tuple(layers))
    )
    final = fields.inner(one, "final_schedule")
    entries = [(entry, fields.inner(entry, "user")) for entry in fields.objects(final.get("rendered_schedule_entries"), "rendered_schedule_entries")]
    _say(account, one, id_, [(entry, fields.maybe(user, "id")) for entry, user in entries], ("start", "end"))


def _layer(one: Object, zone: tzinfo, end: datetime | None) -> wanted.WantedLayer:
    users = tuple(fields.text(fields.inner(entry, "user"), "id") for entry in fields.objects(one.get("users"), "users"))
    return wanted.WantedLayer(
        id=fields.text(one, "id"), name=fields.maybe(one, "name") or "", start=fields.instant(one, "start", zone),
        virtual_start=fields.instant(one, "rotation_virtual_start", zone),
        turn_seconds=fields.whole(one, "rotation_turn_length_seconds"), users=users,
        restrictions=tuple(_restriction(each) for each in fields.objects(one.get("restrictions"), "restrictions")), end=end,
    )  # fmt: skip


def _in_phase(account: Account, layer: wanted.WantedLayer, one: Object, zone: tzinfo) -> wanted.WantedLayer:
    """The layer with its people in the order that its own entries show, which may begin with another than the first."""
    entries = [
        (fields.instant(entry, "start", zone), fields.maybe(fields.inner(entry, "user"), "id"))
        for entry in fields.objects(one.get("rendered_schedule_entries"), "rendered_schedule_entries")
    ]
    if not entries or not layer.users or layer.turn_seconds < 1:
        return layer
    turns, count = Turns(layer.virtual_start, layer.turn_seconds), len(layer.users)
    numbers = [(turn_at(turns, start, zone).number, user) for start, user in entries]
    for offset in range(count):
        if all(layer.users[(number + offset) % count] == user for number, user in numbers):
            if offset:
                account.remark(wanted.LAYER, layer.id, layer.name, f"its order begins {offset} later than it is written there, so it is kept turned")
            return replace(layer, users=layer.users[offset:] + layer.users[:offset])
    return layer


def _restriction(one: Object) -> Restriction:
    clock = fields.text(one, "start_time_of_day")
    try:
        at = time.fromisoformat(clock)
        day = fields.whole(one, "start_day_of_week") if fields.maybe(one, "type") == "weekly_restriction" else None
        return Restriction(day, at.hour * 3600 + at.minute * 60 + at.second, fields.whole(one, "duration_seconds"))
    except ValueError as error:
        raise error if isinstance(error, Unfit) else Unfit(f"restriction: {error}") from error


def _say(account: Account, one: Object, id_: str, entries: list[tuple[Object, str | None]], names: tuple[str, str]) -> None:
    """Keep who the source says is on call, when it was asked over a range."""
    asked = fields.inner(one, "asked")
    if not asked:
        return
    span = Span(fields.instant(asked, "since", UTC), fields.instant(asked, "until", UTC))
    held = [Held(fields.instant(entry, names[0], UTC), fields.instant(entry, names[1], UTC), user) for entry, user in entries]
    account.said.append(Said(id_, span, tuple(held)))


def _first_team(account: Account, one: Object, kind: str) -> str | None:
    teams = [fields.text(team, "id") for team in fields.objects(one.get("teams"), "teams")]
    if len(teams) > 1:
        account.remark(kind, fields.identity(one), fields.label(one), f"belongs to {len(teams)} teams there and to the first here")
    return teams[0] if teams else None


def _override(account: Account, one: Object, now: datetime) -> None:
    end = fields.instant(one, "end", UTC)
    if end <= now:
        account.leave(wanted.OVERRIDE, fields.identity(one), fields.text(one, "schedule"), "it is over: the past is not moved")
        return
    user = fields.text(fields.inner(one, "user"), "id")
    account.want(wanted.WantedOverride(fields.text(one, "id"), fields.text(one, "schedule"), fields.instant(one, "start", UTC), end, user))


def _shift_schedule(account: Account, one: Object, now: datetime) -> None:
    id_, name, zone_name = fields.text(one, "id"), fields.text(one, "name"), fields.text(one, "time_zone")
    rotations = []
    for rotation in fields.objects(one.get("rotations"), "rotations"):
        account.read(wanted.ROTATION)
        try:
            events = tuple(_event(event) for event in fields.objects(rotation.get("events"), "events"))
            live = tuple(event for event in events if event.until is None or event.until > now)
            if live:
                rotations.append(wanted.WantedRotation(fields.text(rotation, "id"), live))
            else:
                account.leave(wanted.ROTATION, fields.identity(rotation), f"of {name}", "it has no events that count: the past is not moved")
        except Unfit as error:
            by_hand = "make the rotation by hand: until then fewer are on call"
            account.leave(wanted.ROTATION, fields.identity(rotation), f"of {name}", f"it could not be read: {error}", by_hand)
    team = _first_team(account, one, wanted.SCHEDULE)
    account.want(
        wanted.WantedSchedule(
            id_, name, zone_name, fields.maybe(one, "description"), team, rotations=tuple(rotations), has_rotations=True
        )
    )
    final = fields.inner(one, "final_schedule")
    entries = [(entry, _member_of(entry, "member")) for entry in fields.objects(final.get("computed_shift_assignments"), "computed_shift_assignments")]
    _say(account, one, id_, entries, ("start_time", "end_time"))


def _event(one: Object) -> wanted.WantedEvent:
    start, end, strategy = fields.inner(one, "start_time"), fields.inner(one, "end_time"), fields.inner(one, "assignment_strategy")
    zone_name = fields.text(start, "time_zone")
    zone = fields.zone_of(zone_name)
    members = tuple(fields.maybe(member, "user_id") for member in fields.objects(strategy.get("members"), "members"))
    return wanted.WantedEvent(
        name=fields.text(one, "name"), start=fields.instant(start, "date_time", zone), end=fields.instant(end, "date_time", zone),
        time_zone=zone_name, recurrence=fields.texts(one, "recurrence"), members=members,
        since=fields.instant(one, "effective_since", UTC), until=fields.maybe_instant(one, "effective_until", UTC),
        everybody=fields.text(strategy, "type") == "every_member_assignment_strategy",
        shifts_per_member=fields.whole(strategy, "shifts_per_member", 1),
    )  # fmt: skip


def _member_of(one: Object, name: str) -> str | None:
    return fields.maybe(fields.inner(one, name), "user_id")


def _custom_shift(account: Account, one: Object, now: datetime) -> None:
    end, schedule = fields.instant(one, "end_time", UTC), fields.text(one, "schedule")
    if end <= now:
        account.leave(wanted.SHIFT, fields.identity(one), schedule, "it is over: the past is not moved")
        return
    members = [_member_of(each, "member") for each in fields.objects(one.get("assignments"), "assignments")]
    if len(members) != 1:
        raise Unfit("it has not just one assignment")
    account.want(wanted.WantedShift(fields.text(one, "id"), schedule, fields.instant(one, "start_time", UTC), end, members[0]))


def _shift_override(account: Account, one: Object, now: datetime) -> None:
    end, schedule, id_ = fields.instant(one, "end_time", UTC), fields.text(one, "schedule"), fields.text(one, "id")
    if end <= now:
        account.leave(wanted.OVERRIDE, id_, schedule, "it is over: the past is not moved")
        return
    source = fields.maybe(one, "rotation_id") or fields.maybe(one, "custom_shift_id")
    if source is None:
        raise Unfit("it is of no rotation and of no custom shift")
    instead, user = _member_of(one, "overridden_member"), _member_of(one, "overriding_member")
    start = fields.instant(one, "start_time", UTC)
    account.want(wanted.WantedOverride(id_, schedule, start, end, user, rotation=source, instead=instead))


# ------------------------------------------------------------------------------------------------------ policies, services


def _policy(account: Account, one: Object, _now: datetime) -> None:
    id_, name = fields.text(one, "id"), fields.text(one, "name")
    found = list(fields.objects(one.get("escalation_rules"), "escalation_rules"))
    levels = tuple(_level(rule) for rule in found)
    account.read(wanted.LEVEL, len(levels))
    account.want(
        wanted.WantedPolicy(
            id_, name, levels, fields.maybe(one, "description"), fields.whole(one, "num_loops", 0),
            fields.maybe(one, "on_call_handoff_notifications") or "if_has_services", _first_team(account, one, wanted.POLICY),
        )  # fmt: skip
    )


def _level(one: Object) -> wanted.WantedLevel:
    targets = []
    for target in fields.objects(one.get("targets"), "targets"):
        kind = "user" if fields.text(target, "type").startswith("user") else "schedule"
        targets.append((kind, fields.text(target, "id")))
    strategy = fields.maybe(fields.inner(one, "escalation_rule_assignment_strategy"), "type")
    return wanted.WantedLevel(fields.whole(one, "escalation_delay_in_minutes"), tuple(targets), strategy == "round_robin")


def _service(account: Account, one: Object, _now: datetime) -> None:
    id_, name = fields.text(one, "id"), fields.text(one, "name")
    columns: dict[str, Any] = {
        key: one[key]
        for key in ("auto_resolve_timeout", "acknowledgement_timeout", "incident_urgency_rule", "support_hours", "scheduled_actions")
        if one.get(key) is not None
    }
    if fields.maybe(one, "alert_creation"):
        columns["alert_creation"] = one["alert_creation"]
    if fields.maybe(one, "status") == "disabled":
        columns["is_disabled"] = True
    pause = fields.inner(one, "auto_pause_notifications_parameters")
    if pause.get("enabled"):
        columns["auto_pause"] = {"enabled": True, "timeout": pause.get("timeout")}
    grouping = fields.inner(one, "alert_grouping_parameters")
    if "config" in grouping and grouping.get("type"):
        columns["alert_grouping_parameters"] = {"type": grouping["type"], "config": grouping["config"]}
    elif grouping.get("type"):
        account.remark(wanted.SERVICE, id_, name, "groups its alerts by a setting that it shares", "make the alert grouping setting anew")
    if one.get("escalates_low_urgency") is True:
        columns["escalates_low_urgency"] = True
    policy = fields.text(fields.inner(one, "escalation_policy"), "id")
    account.want(wanted.WantedService(id_, name, policy, fields.maybe(one, "description"), columns))
    for way in fields.objects(one.get("integrations"), "integrations"):
        account.read(wanted.WAY)
        try:
            _way(account, id_, way)
        except Unfit as error:
            account.leave(wanted.WAY, fields.identity(way), f"{fields.label(way)} of {name}", f"it could not be read: {error}", "make it anew")


def _way(account: Account, service: str, one: Object) -> None:
    id_, type_ = fields.text(one, "id"), fields.text(one, "type").removesuffix("_reference")
    name, key = fields.maybe(one, "name") or fields.maybe(one, "summary") or "Integration", fields.maybe(one, "integration_key")
    email = fields.maybe(one, "integration_email")
    vendor = fields.maybe(fields.inner(one, "vendor"), "id")
    account.want(wanted.WantedWay(id_, service, name, type_, vendor, email, key))
    if email:
        account.remark(wanted.WAY, id_, name, f"gets its mail at {email}, which does not lead here yet", "let that mail be passed on to Tocsin")
    elif key is None:
        account.remark(wanted.WAY, id_, name, "has a new routing key: the old one is not shown", "give its senders the new key")


def _window(account: Account, one: Object, now: datetime) -> None:
    end = fields.instant(one, "end_time", UTC)
    if end <= now:
        account.leave(wanted.WINDOW, fields.identity(one), fields.label(one), "it is over: the past is not moved")
        return
    services = tuple(fields.text(service, "id") for service in fields.objects(one.get("services"), "services"))
    start = fields.instant(one, "start_time", UTC)
    account.want(wanted.WantedWindow(fields.text(one, "id"), start, end, services, fields.maybe(one, "description") or ""))


def _priority(account: Account, one: Object, _now: datetime) -> None:
    account.want(wanted.WantedPriority(fields.text(one, "id"), fields.text(one, "name"), fields.maybe(one, "color") or "808080"))


_TAKEN: Final = (
    ("priorities", _taking(wanted.PRIORITY, _priority)),
    ("users", _taking(wanted.USER, _user)),
    ("teams", _taking(wanted.TEAM, _team)),
    ("members", _taking(wanted.MEMBER, _member)),
    ("schedules", _taking(wanted.SCHEDULE, _schedule)),
    ("overrides", _taking(wanted.OVERRIDE, _override)),
    ("shift_schedules", _taking(wanted.SCHEDULE, _shift_schedule)),
    ("custom_shifts", _taking(wanted.SHIFT, _custom_shift)),
    ("shift_overrides", _taking(wanted.OVERRIDE, _shift_override)),
    ("escalation_policies", _taking(wanted.POLICY, _policy)),
    ("services", _taking(wanted.SERVICE, _service)),
    ("maintenance_windows", _taking(wanted.WINDOW, _window)),
)
"""By kind of the dump, how its objects are taken in, in this order."""
