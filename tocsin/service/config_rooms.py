"""The kinds of configuration files: what may be said of each, and how it is read and changed through its room's door.

Laws:
1. Nothing here reads or writes a table: every kind is read and changed by the operations that everybody uses (`Door`).
2. Secrets are never read, but for routing keys, and those are told only when that is asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.core.config_kinds import (
    ACCOUNT,
    ADDONS,
    BUSINESS_SERVICES,
    DEPENDENCIES,
    EXTENSIONS,
    GROUPINGS,
    INCIDENT_TYPES,
    POLICIES,
    PRIORITIES,
    SCHEDULES,
    SERVICE_FIELDS,
    SERVICES,
    SHIFT_SCHEDULES,
    TAGS,
    TEAMS,
    USERS,
    WEBHOOKS,
    WINDOWS,
)
from tocsin.core.config_plan import ID, Field, Item, Kind, Step, Values, matched

PAGE: Final = 100
"""Things asked for at once."""

Body = dict[str, Any]
Pairs = Sequence[tuple[str, str]]


class Door(Protocol):
    """The operations of the API, in the caller's transaction. Raises Refusal for what is refused."""

    @property
    def now(self) -> datetime:
        """The instant of everything that is done."""

    def begin(self, file: str) -> None:
        """What is done next is done for this file: the audit trail names it."""

    def ask(self, method: str, path: str, *, query: Pairs = (), body: Body | None = None, ids: Sequence[str | None] = ()) -> Any:
        """The answer's body. `ids`: those that what is made is to have, in the order they are drawn; None is any."""



@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A kind and the ways through its door.

    read   all there is, or the one of an id
    parts  makes what a thing holds like what is wanted, from what it holds; `part_names` are the fields of that
    """

    kind: Kind
    read: Callable[[Door, str], list[Item]]
    create: Callable[[Door, str, Values], None]
    change: Callable[[Door, str, Values, Values], None]
    delete: Callable[[Door, Step], None]
    parts: Callable[[Door, str, Values, Values], None] | None = None
    part_names: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------- in and out of bodies


def _picked(fields: Mapping[str, Field], body: Mapping[str, Any], *without: str) -> Values:
    """Of a body what files say, references as ids."""
    return {name: _plain(known, body[name]) for name, known in fields.items() if name in body and name not in without}


def _plain(known: Field, value: Any) -> Any:
    if value is None:
        return None
    if known.refers and known.many:
        return [one["id"] for one in value]
    if known.refers:
        return value["id"]
    if known.inside is not None and known.many:
        return [{**({ID: one[ID]} if known.has_ids else {}), **_picked(known.inside, one)} for one in value]
    if known.inside is not None:
        return _picked(known.inside, value)
    return value


def _sent(fields: Mapping[str, Field], values: Mapping[str, Any], *without: str) -> Body:
    """The same as a body: ids as references."""
    return {name: _wire(fields[name], value) for name, value in values.items() if name in fields and name not in without}


def _wire(known: Field, value: Any) -> Any:
    if value is None:
        return None
    if known.refers:
        type_ = f"{known.refers.removeprefix('@').removesuffix('s') if known.refers.startswith('@') else known.refers}_reference"
        return [{"id": one, "type": type_} for one in value] if known.many else {"id": value, "type": type_}
    if known.inside is not None and known.many:
        return [{**({ID: one[ID]} if one.get(ID) else {}), **_sent(known.inside, one)} for one in value]
    if known.inside is not None:
        return _sent(known.inside, value)
    return value


def _all(door: Door, path: str, plural: str, *query: tuple[str, str]) -> list[Body]:
    """A whole collection, page by page, by offset or by cursor."""
    found: list[Body] = []
    more: list[tuple[str, str]] = []
    while True:
        answer = door.ask("GET", path, query=[*query, ("limit", str(PAGE)), *more])
        page = answer[plural]
        found += page
        if answer.get("more"):
            more = [("offset", str(len(found)))]
        elif answer.get("after") and page:
            more = [("after", str(answer["after"]))]
        else:
            return found


def _some(door: Door, id_: str, path: str, name: str, *query: tuple[str, str]) -> list[Body]:
    """The one of this id, or with no id all of a collection."""
    if id_:
        return [door.ask("GET", f"{path}/{id_}", query=query)[name]]
    return _all(door, path, path.rpartition("/")[2], *query)


def _deleted(path: str) -> Callable[[Door, Step], None]:
    def delete(door: Door, step: Step) -> None:
        door.ask("DELETE", f"{path}/{step.id}")

    return delete


def _collection(
    kind: Kind, path: str, name: str, *, query: Pairs = (), told: Callable[[Body], Values] | None = None,
    asked: Callable[[Door, Body, str], Body] = lambda _door, body, _id: body,
) -> Room:
    """A kind that is one collection with the usual five operations.

    told   from a body to values, where that is more than picking
    asked  a body to send, made whole: for the thing of an id, or with no id for a new one
    """

    def read(door: Door, id_: str) -> list[Item]:
        bodies = _some(door, id_, path, name, *([] if id_ else query))
        return [Item(kind.plural, body[ID], told(body) if told else _picked(kind.fields, body)) for body in bodies]

    def create(door: Door, id_: str, after: Values) -> None:
        door.ask("POST", path, body={name: asked(door, _sent(kind.fields, after), "")}, ids=[id_])

    def change(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
        door.ask("PUT", f"{path}/{id_}", body={name: asked(door, _sent(kind.fields, after), id_)})

    return Room(kind=kind, read=read, create=create, change=change, delete=_deleted(path))


def _one(door: Door, path: str, id_: str, name: str) -> Body:
    found: Body = door.ask("GET", f"{path}/{id_}")[name]
    return found


# --------------------------------------------------------------------------------------------------------------- people

_RULES: Final = {
    "notification_rules": "notification_rule",
    "oncall_handoff_notification_rules": "oncall_handoff_notification_rule",
    "status_update_notification_rules": "status_update_notification_rule",
}
_METHOD_TYPE: Final = "_contact_method"
_HIDDEN: Final = "****"


def _read_users(door: Door, id_: str) -> list[Item]:
    bodies = _some(door, id_, "/users", "user", ("include[]", "contact_methods"), ("include[]", "notification_rules"))
    return [Item("users", body[ID], _user(door, body)) for body in bodies]


def _user(door: Door, body: Body) -> Values:
    told = dict(body)
    for name in ("oncall_handoff_notification_rules", "status_update_notification_rules"):
        told[name] = door.ask("GET", f"/users/{body[ID]}/{name}")[name]
    told["contact_methods"] = [
        {**one, "type": one["type"].removesuffix(_METHOD_TYPE)}
        | ({"fields": {name: value for name, value in one["fields"].items() if value != _HIDDEN}} if "fields" in one else {})
        for one in body["contact_methods"]
    ]
    return _picked(USERS.fields, told)


def _create_user(door: Door, id_: str, after: Values) -> None:
    """A user starts with a contact method of their address and two rules for it: they get the ids that the file has for those."""
    mail: Values = next((one for one in after.get("contact_methods") or [] if one.get("type") == "email" and one.get("address") == after.get("email")), {})
    first = {
        rule.get("urgency"): rule.get(ID) for rule in after.get("notification_rules") or []
        if rule.get("contact_method") == mail.get(ID) and rule.get("start_delay_in_minutes") == 0
    }  # fmt: skip
    ids = [id_, mail.get(ID), first.get("high"), first.get("low")]
    door.ask("POST", "/users", body={"user": _sent(USERS.fields, after, "contact_methods", *_RULES)}, ids=ids)


def _change_user(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    door.ask("PUT", f"/users/{id_}", body={"user": _sent(USERS.fields, after, "contact_methods", *_RULES)})


def _put_ways(door: Door, id_: str, before: Values, after: Values) -> None:
    """Rules that go first, then ways of reaching people that come or change, then rules, then ways that go."""
    base = f"/users/{id_}"
    for name, one in _RULES.items():
        if name in after:
            _drop_parts(door, f"{base}/{name}", USERS.fields[name], before.get(name) or [], after[name] or [], one)
    methods = USERS.fields["contact_methods"]
    if "contact_methods" in after:
        pairs = matched(methods, before.get("contact_methods") or [], after["contact_methods"] or [])
        for old, new in pairs:
            if new is not None and old != new:
                _put_part(door, f"{base}/contact_methods", "contact_method", old, new, _method_body(new))
    for name, one in _RULES.items():
        if name in after:
            known = USERS.fields[name]
            assert known.inside is not None
            for old, new in matched(known, before.get(name) or [], after[name] or []):
                if new is not None and old != new:
                    _put_part(door, f"{base}/{name}", one, old, new, _sent(known.inside, new))
    if "contact_methods" in after:
        _drop_parts(door, f"{base}/contact_methods", methods, before.get("contact_methods") or [], after["contact_methods"] or [], "")


def _method_body(new: Values) -> Body:
    body = {name: value for name, value in new.items() if name != ID}
    return body | ({"type": f"{body['type']}{_METHOD_TYPE}"} if "type" in body else {})


def _put_part(door: Door, path: str, name: str, old: Values | None, new: Values, body: Body) -> None:
    if old is None:
        door.ask("POST", path, body={name: body}, ids=[new.get(ID)])
    else:
        door.ask("PUT", f"{path}/{old[ID]}", body={name: body})


def _drop_parts(door: Door, path: str, known: Field, before: Sequence[Values], after: Sequence[Values], _name: str) -> None:
    for old, new in matched(known, before, after):
        if old is not None and new is None:
            door.ask("DELETE", f"{path}/{old[ID]}")


def _read_account(door: Door, _id: str) -> list[Item]:
    body = door.ask("GET", "/account")["account"]
    return [Item("account", body[ID], _picked(ACCOUNT.fields, body))]


def _change_account(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    door.ask("PUT", "/account", body={"account": _sent(ACCOUNT.fields, after)})


def _unmade(what: str) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        raise invalid(what)

    return refuse


def _read_teams(door: Door, id_: str) -> list[Item]:
    found = []
    for body in _some(door, id_, "/teams", "team"):
        members = _all(door, f"/teams/{body[ID]}/members", "members")
        found.append(Item("teams", body[ID], _picked(TEAMS.fields, {**body, "members": members})))
    return found


def _put_members(door: Door, id_: str, before: Values, after: Values) -> None:
    for old, new in matched(TEAMS.fields["members"], before.get("members") or [], after.get("members") or []):
        if new is None and old is not None:
            door.ask("DELETE", f"/teams/{id_}/users/{old['user']}")
        elif new is not None and new != old:
            door.ask("PUT", f"/teams/{id_}/users/{new['user']}", body={"role": new["role"]} if new.get("role") else {})


# ------------------------------------------------------------------------------------------------------------- schedules


def _followed(door: Door, id_: str) -> Body:
    """The reference to the calendar that a schedule follows: its address is sealed, and the house tells its host."""
    try:
        found = door.ask("GET", f"/api/v1/schedules/{id_}/followed_calendar")["followed_calendar"]
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return {}
    return {"followed_calendar": {"source": found["source"], "host": found["host"]}}


def _read_schedules(door: Door, id_: str) -> list[Item]:
    found = []
    for body in _some(door, id_, "/schedules", "schedule", ("include[]", "schedule_layers")):
        told = {**body, **_followed(door, body[ID])}
        told["schedule_layers"] = [
            {**layer, "users": [place["user"] for place in layer["users"]]} for layer in reversed(body["schedule_layers"])
        ]
        values = _picked(SCHEDULES.fields, told)
        if "followed_calendar" in values:
            del values["schedule_layers"]  # the calendar says who is on call
        found.append(Item("schedules", body[ID], values))
    return found


def _layers(door: Door, before: Sequence[Values], after: Sequence[Values]) -> list[Body]:
    known = SCHEDULES.fields["schedule_layers"]
    assert known.inside is not None
    now = times.iso(door.now)
    there = {one[ID] for one in before}
    sent = []
    for layer in after:
        body = _sent(known.inside, layer)
        body["users"] = [{"user": one} for one in body.get("users") or []]
        sent.append({**body, ID: layer[ID]} if layer[ID] in there else {"start": now, **body})
    ended = [{ID: old[ID], "end": now} for old, new in matched(known, before, after) if old is not None and new is None]
    return [*sent, *ended]


def _schedule_body(door: Door, before: Values, after: Values) -> Body:
    body = _sent(SCHEDULES.fields, after, "schedule_layers", "followed_calendar")
    if after.get("schedule_layers") is not None:
        body["schedule_layers"] = _layers(door, before.get("schedule_layers") or [], after["schedule_layers"])
    return body


def _fresh_layers(before: Values, after: Values) -> list[str | None]:
    there = {one[ID] for one in before.get("schedule_layers") or []}
    return [one[ID] for one in after.get("schedule_layers") or [] if one[ID] not in there]


def _create_schedule(door: Door, id_: str, after: Values) -> None:
    door.ask("POST", "/schedules", body={"schedule": _schedule_body(door, {}, after)}, ids=[*_fresh_layers({}, after), id_])


def _change_schedule(door: Door, id_: str, before: Values, after: Values) -> None:
    body = {"schedule": _schedule_body(door, before, after)}
    door.ask("PUT", f"/schedules/{id_}", body=body, ids=_fresh_layers(before, after))


def _read_shift_schedules(door: Door, id_: str) -> list[Item]:
    found = []
    for one in [id_] if id_ else [one[ID] for one in _all(door, "/v3/schedules", "schedules")]:
        body = _one(door, "/v3/schedules", one, "schedule")
        told = {**body, **_followed(door, body[ID])}
        told["rotations"] = [
            {**rotation, "events": [_event_told(event) for event in rotation["events"]]} for rotation in body["rotations"]
        ]
        values = _picked(SHIFT_SCHEDULES.fields, told)
        if "followed_calendar" in values:
            del values["rotations"]
        found.append(Item("shift_schedules", body[ID], values))
    return found


def _event_told(event: Body) -> Body:
    strategy = event["assignment_strategy"]
    members = [None if one["type"] == "empty_member" else one["user_id"] for one in strategy["members"]]
    return {**event, "assignment_strategy": {**strategy, "members": [{"id": one} for one in members]}}


def _event_body(door: Door, event: Values) -> Body:
    body = {name: value for name, value in event.items() if name not in {ID, "assignment_strategy"}}
    body.setdefault("effective_since", times.iso(door.now))
    if (strategy := event.get("assignment_strategy")) is not None:
        members = [{"type": "user_member", "user_id": one} if one else {"type": "empty_member"} for one in strategy.get("members") or []]
        body["assignment_strategy"] = {**strategy, "members": members}
    return body


def _put_rotations(door: Door, id_: str, before: Values, after: Values) -> None:
    known = SHIFT_SCHEDULES.fields["rotations"]
    assert known.inside is not None
    base = f"/v3/schedules/{id_}/rotations"
    pairs = matched(known, before.get("rotations") or [], after.get("rotations") or [])
    for old, new in pairs:
        if new is None and old is not None:
            door.ask("DELETE", f"{base}/{old[ID]}")
    for old, new in pairs:
        if new is None:
            continue
        if old is None:
            door.ask("POST", base, ids=[new[ID]])
        events = matched(known.inside["events"], (old or {}).get("events") or [], new.get("events") or [])
        for was, event in events:
            if event is None and was is not None:
                door.ask("DELETE", f"{base}/{new[ID]}/events/{was[ID]}")
        for was, event in events:
            if event is not None and was is None:
                door.ask("POST", f"{base}/{new[ID]}/events", body={"event": _event_body(door, event)}, ids=[event[ID]])
            elif event is not None and was is not None and event != was:
                body = _event_body(door, event)
                if "effective_since" not in was:  # it has begun: the house lets its end be changed
                    body.pop("effective_since")
                door.ask("PUT", f"{base}/{new[ID]}/events/{was[ID]}", body={"event": body})


# ------------------------------------------------------------------------------------------------- policies and services

_STRATEGY: Final = "escalation_rule_assignment_strategy"


def _read_policies(door: Door, id_: str) -> list[Item]:
    found = []
    for body in _some(door, id_, "/escalation_policies", "escalation_policy", ("include[]", "escalation_rule_assignment_strategies")):
        rules = [
            {
                **rule, _STRATEGY: rule[_STRATEGY]["type"],
                "targets": [{("user" if "user" in one["type"] else "schedule"): one} for one in rule["targets"]],
            }
            for rule in body["escalation_rules"]
        ]  # fmt: skip
        found.append(Item("escalation_policies", body[ID], _picked(POLICIES.fields, {**body, "escalation_rules": rules})))
    return found


def _policy_body(after: Values) -> Body:
    body = _sent(POLICIES.fields, after)
    for rule in body.get("escalation_rules") or []:
        rule["targets"] = [next(iter(one.values())) for one in rule.get("targets") or []]
    return body


def _create_policy(door: Door, id_: str, after: Values) -> None:
    ids = [rule[ID] for rule in after.get("escalation_rules") or []]
    door.ask("POST", "/escalation_policies", body={"escalation_policy": _policy_body(after)}, ids=[*ids, id_])


def _change_policy(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    ids = [rule[ID] for rule in after.get("escalation_rules") or []]
    door.ask("PUT", f"/escalation_policies/{id_}", body={"escalation_policy": _policy_body(after)}, ids=ids)


def _read_services(door: Door, id_: str) -> list[Item]:
    found = []
    for body in _some(door, id_, "/services", "service", ("include[]", "integrations")):
        values = door.ask("GET", f"/services/{body[ID]}/custom_fields/values")["custom_fields"]
        told = {
            **body,
            "status": "disabled" if body["status"] == "disabled" else "active",
            "custom_fields": {one["name"]: one["value"] for one in values if one["value"] is not None},
            "integrations": [{**one, "vendor": one["vendor"]["id"] if one["vendor"] else None} for one in body["integrations"]],
        }
        found.append(Item("services", body[ID], _picked(SERVICES.fields, told)))
    return found


_SERVICE_PARTS: Final = ("integrations", "custom_fields")


def _create_service(door: Door, id_: str, after: Values) -> None:
    door.ask("POST", "/services", body={"service": _sent(SERVICES.fields, after, "status", *_SERVICE_PARTS)}, ids=[id_])


def _change_service(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    door.ask("PUT", f"/services/{id_}", body={"service": _sent(SERVICES.fields, after, *_SERVICE_PARTS)})


def _put_service_parts(door: Door, id_: str, before: Values, after: Values) -> None:
    if "integrations" in after:
        base, known = f"/services/{id_}/integrations", SERVICES.fields["integrations"]
        for old, new in matched(known, before.get("integrations") or [], after["integrations"] or []):
            if new is None or new == old:
                continue
            body = {name: value for name, value in new.items() if name not in {ID, "integration_key"}}
            body["vendor"] = {"id": new["vendor"], "type": "vendor_reference"} if new.get("vendor") else None
            if old is None:
                door.ask("POST", base, body={"integration": body}, ids=[new[ID], new.get("integration_key")])
            else:
                door.ask("PUT", f"{base}/{old[ID]}", body={"integration": body})
        _drop_parts(door, base, known, before.get("integrations") or [], after["integrations"] or [], "")
    if "custom_fields" in after:
        was, wanted = before.get("custom_fields") or {}, after["custom_fields"] or {}
        if not isinstance(wanted, dict):
            raise invalid("custom_fields must be a mapping from the names of service fields to values")
        changed = [{"name": name, "value": wanted.get(name)} for name in {**was, **wanted} if was.get(name) != wanted.get(name)]
        if changed:
            door.ask("PUT", f"/services/{id_}/custom_fields/values", body={"custom_fields": changed})


def _window_asked(door: Door, body: Body, id_: str) -> Body:
    """A window is always said whole; one that is under way keeps its start, and a new one whose start is past starts now."""
    if not id_:
        return {"start_time": times.iso(door.now), **body}
    whole = _one(door, "/maintenance_windows", id_, "maintenance_window")
    return {"start_time": whole["start_time"], "end_time": whole["end_time"], "services": whole["services"], **body}


def _grouping_told(body: Body) -> Values:
    told = _picked(GROUPINGS.fields, body)
    return {**told, "config": {name: value for name, value in told["config"].items() if name != "recommended_time_window"}}


# ------------------------------------------------------------------------------------------- incident types and fields


def _field_told(body: Body) -> Values:
    return {**body, "field_options": [{ID: one[ID], "value": one["data"]["value"]} for one in body.get("field_options") or []]}


def _options(values: Sequence[Values], there: Sequence[Values]) -> list[Body]:
    """Options as bodies: those that are there with their ids, new ones without."""
    known = {one[ID] for one in there}
    return [
        {"data": {"data_type": "string", "value": one["value"]}} | ({ID: one[ID]} if one[ID] in known else {}) for one in values
    ]  # fmt: skip


def _put_field(door: Door, base: str, old: Values | None, new: Values) -> None:
    """A field made or changed, with its options. What is fixed once made is not sent again: it is the house's to refuse."""
    options = new.get("field_options") or []
    there = (old or {}).get("field_options") or []
    body = {name: value for name, value in new.items() if name not in {ID, "field_options"}}
    if options:
        body["field_options"] = _options(options, there)
    fresh = [one[ID] for one in options if one[ID] not in {each[ID] for each in there}]
    if old is None:
        door.ask("POST", base, body={"field": body}, ids=[new[ID], *fresh])
        return
    for name in ("name", "data_type", "field_type"):
        if name in body and body.pop(name) != old.get(name):
            raise invalid(f"{name} of a field cannot be changed: make another field")
    door.ask("PUT", f"{base}/{old[ID]}", body={"field": body}, ids=fresh)
    kept = {one[ID] for one in options}
    now = {one[ID] for one in door.ask("GET", f"{base}/{old[ID]}", query=[("include[]", "field_options")])["field"].get("field_options") or []}
    if "field_options" in new:
        for one in there:
            if one[ID] not in kept and one[ID] in now:
                door.ask("DELETE", f"{base}/{old[ID]}/field_options/{one[ID]}")


_SERVICE_FIELDS: Final = "/services/custom_fields"


def _read_service_fields(door: Door, _id: str) -> list[Item]:
    bodies = door.ask("GET", _SERVICE_FIELDS, query=[("include[]", "field_options")])["fields"]
    return [Item("service_fields", body[ID], _picked(SERVICE_FIELDS.fields, _field_told(body))) for body in bodies]


def _read_types(door: Door, id_: str) -> list[Item]:
    found = []
    for body in door.ask("GET", "/incidents/types", query=[("filter", "all")])["incident_types"]:
        if id_ not in {"", body[ID]}:
            continue
        fields = door.ask("GET", f"/incidents/types/{body[ID]}/custom_fields", query=[("include[]", "field_options")])["fields"]
        own = [_field_told(one) for one in fields if one["incident_type"] == body[ID]]
        found.append(Item("incident_types", body[ID], _picked(INCIDENT_TYPES.fields, {**body, "custom_fields": own})))
    return found


def _create_type(door: Door, id_: str, after: Values) -> None:
    body = {name: value for name, value in after.items() if name not in {"custom_fields", "parent"}}
    door.ask("POST", "/incidents/types", body={"incident_type": {**body, "parent_type": after.get("parent") or ""}}, ids=[id_])


def _change_type(door: Door, id_: str, before: Values, after: Values) -> None:
    body = {name: value for name, value in after.items() if name != "custom_fields" and value != before.get(name)}
    for name in ("name", "parent"):
        if name in body:
            raise invalid(f"{name} of an incident type cannot be changed: make another type")
    door.ask("PUT", f"/incidents/types/{id_}", body={"incident_type": body})


def _put_type_fields(door: Door, id_: str, before: Values, after: Values) -> None:
    base, known = f"/incidents/types/{id_}/custom_fields", INCIDENT_TYPES.fields["custom_fields"]
    _drop_parts(door, base, known, before.get("custom_fields") or [], after["custom_fields"] or [], "")
    for old, new in matched(known, before.get("custom_fields") or [], after["custom_fields"] or []):
        if new is not None and new != old:
            _put_field(door, base, old, new)


# ------------------------------------------------------------------------------------------------------------- webhooks


def _webhook_told(body: Body) -> Values:
    method, chosen = body["delivery_method"], body["filter"]
    kind = chosen["type"].removesuffix("_reference")
    headers = [one["name"] for one in method["custom_headers"]]
    told = {"url": method["url"], "description": body["description"], "active": body["active"], "events": body["events"]}
    told["filter"] = {"type": kind} | ({kind: chosen["id"]} if "id" in chosen else {})
    client = body.get("oauth_client")
    return told | ({"custom_headers": headers} if headers else {}) | ({"oauth_client": client["summary"]} if client else {})


def _webhook_body(after: Values) -> Body:
    body: Body = {name: after[name] for name in ("description", "active", "events") if name in after}
    if "url" in after:
        body["delivery_method"] = {"type": "http_delivery_method", "url": after["url"]}
    if (chosen := after.get("filter")) is not None:
        kind = chosen.get("type") or next((one for one in ("service", "team") if chosen.get(one)), "account")
        body["filter"] = {"type": f"{kind}_reference"} | ({"id": chosen[kind]} if chosen.get(kind) else {})
    return body


def _create_webhook(door: Door, id_: str, after: Values) -> None:
    door.ask("POST", "/webhook_subscriptions", body={"webhook_subscription": _webhook_body(after)}, ids=[id_])


def _change_webhook(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    door.ask("PUT", f"/webhook_subscriptions/{id_}", body={"webhook_subscription": _webhook_body(after)})


# ------------------------------------------------------------------------------- dependencies of services, tags, add-ons

_KINDS_OF_SERVICES: Final = (("service", "/services", "services", "technical_services"), ("business_service", "/business_services", "business_services", "business_services"))
_TAGGED: Final = ("users", "teams", "escalation_policies")


def _read_dependencies(door: Door, _id: str) -> list[Item]:
    edges: dict[str, Values] = {}
    for _, path, plural, word in _KINDS_OF_SERVICES:
        for body in _all(door, path, plural):
            for one in door.ask("GET", f"/service_dependencies/{word}/{body[ID]}")["relationships"]:
                edges[one[ID]] = {**_end(one["dependent_service"], ""), **_end(one["supporting_service"], "needs_")}
    return [Item("service_dependencies", "service_dependencies", {"edges": list(edges.values())})]


def _end(one: Body, prefix: str) -> Values:
    return {f"{prefix}{'business_service' if one['type'].startswith('business') else 'service'}": one["id"]}


def _change_dependencies(door: Door, id_: str, before: Values, after: Values) -> None:  # noqa: ARG001 - the same for every room
    pairs = matched(DEPENDENCIES.fields["edges"], before.get("edges") or [], after.get("edges") or [])
    for word, edges in (
        ("disassociate", [old for old, new in pairs if old is not None and new is None]),
        ("associate", [new for old, new in pairs if new is not None and old is None]),
    ):
        for at in range(0, len(edges), PAGE):
            door.ask("POST", f"/service_dependencies/{word}", body={"relationships": [_edge(one) for one in edges[at : at + PAGE]]})


def _edge(one: Values) -> Body:
    ends = {}
    for name, prefix in (("dependent_service", ""), ("supporting_service", "needs_")):
        said = [(kind, one[f"{prefix}{kind}"]) for kind, *_ in _KINDS_OF_SERVICES if one.get(f"{prefix}{kind}")]
        if len(said) != 1:
            raise invalid("an edge names one service or business_service, and the one needs_service or needs_business_service that it needs")
        ends[name] = {"type": said[0][0], "id": said[0][1]}
    return ends


def _read_tags(door: Door, id_: str) -> list[Item]:
    found = []
    for body in _some(door, id_, "/tags", "tag"):
        of = {plural: [one[ID] for one in _all(door, f"/tags/{body[ID]}/{plural}", plural)] for plural in _TAGGED}
        found.append(Item("tags", body[ID], {"label": body["label"], **of}))
    return found


def _put_tagged(door: Door, id_: str, before: Values, after: Values) -> None:
    for plural in _TAGGED:
        if plural not in after:
            continue
        was, wanted = before.get(plural) or [], after[plural] or []
        for one in was:
            if one not in wanted:
                door.ask("POST", f"/{plural}/{one}/change_tags", body={"remove": [{"type": "tag_reference", "id": id_}]})
        for one in wanted:
            if one not in was:
                door.ask("POST", f"/{plural}/{one}/change_tags", body={"add": [{"type": "tag_reference", "id": id_}]})


def _extension_told(body: Body) -> Values:
    return _picked(EXTENSIONS.fields, {**body, "extension_schema": body["extension_schema"]["id"]})


def _extension_asked(_door: Door, body: Body, _id: str) -> Body:
    schema = body.get("extension_schema")
    return body | ({"extension_schema": {"id": schema, "type": "extension_schema_reference"}} if schema else {})


def _addon_told(body: Body) -> Values:
    return {**_picked(ADDONS.fields, body), "type": body["type"].removesuffix("_reference")}


# ---------------------------------------------------------------------------------------------------------- all of them


ROOMS: Final = (
    Room(
        kind=USERS, read=_read_users, create=_create_user, change=_change_user, delete=_deleted("/users"), parts=_put_ways,
        part_names=("contact_methods", *_RULES),
    ),
    Room(
        kind=ACCOUNT, read=_read_account, create=_unmade("the account is made by tocsin init"), change=_change_account,
        delete=_unmade("the account cannot be deleted"),
    ),
    _collection(PRIORITIES, "/priorities", "priority"),
    Room(
        kind=TEAMS, read=_read_teams, delete=_deleted("/teams"), parts=_put_members, part_names=("members",),
        create=lambda door, id_, after: door.ask("POST", "/teams", body={"team": _sent(TEAMS.fields, after, "members")}, ids=[id_]),
        change=lambda door, id_, _, after: door.ask("PUT", f"/teams/{id_}", body={"team": _sent(TEAMS.fields, after, "members")}),
    ),
    Room(kind=SCHEDULES, read=_read_schedules, create=_create_schedule, change=_change_schedule, delete=_deleted("/schedules")),
    Room(
        kind=SHIFT_SCHEDULES, read=_read_shift_schedules, delete=_deleted("/v3/schedules"), parts=_put_rotations,
        part_names=("rotations",),
        create=lambda door, id_, after: door.ask(
            "POST", "/v3/schedules", body={"schedule": _sent(SHIFT_SCHEDULES.fields, after, "rotations", "followed_calendar")}, ids=[id_]
        ),
        change=lambda door, id_, _, after: door.ask(
            "PUT", f"/v3/schedules/{id_}", body={"schedule": _sent(SHIFT_SCHEDULES.fields, after, "rotations", "followed_calendar")}
        ),
    ),
    Room(
        kind=POLICIES, read=_read_policies, create=_create_policy, change=_change_policy, delete=_deleted("/escalation_policies")
    ),
    Room(
        kind=TAGS, read=_read_tags, delete=_deleted("/tags"), parts=_put_tagged, part_names=_TAGGED,
        create=lambda door, id_, after: door.ask("POST", "/tags", body={"tag": {"label": after.get("label"), "type": "tag"}}, ids=[id_]),
        change=_unmade("the label of a tag cannot be changed: make another tag"),
    ),
    _collection(BUSINESS_SERVICES, "/business_services", "business_service"),
    Room(
        kind=SERVICE_FIELDS, read=_read_service_fields, delete=_deleted(_SERVICE_FIELDS),
        create=lambda door, id_, after: _put_field(door, _SERVICE_FIELDS, None, {**after, ID: id_}),
        change=lambda door, id_, before, after: _put_field(door, _SERVICE_FIELDS, {**before, ID: id_}, {**after, ID: id_}),
    ),
    Room(
        kind=INCIDENT_TYPES, read=_read_types, create=_create_type, change=_change_type, parts=_put_type_fields,
        part_names=("custom_fields",),
        delete=_unmade("an incident type is never deleted, as incidents have it: say `enabled: false` of it"),
    ),
    Room(
        kind=SERVICES, read=_read_services, create=_create_service, change=_change_service, delete=_deleted("/services"),
        parts=_put_service_parts, part_names=_SERVICE_PARTS,
    ),
    Room(
        kind=DEPENDENCIES, read=_read_dependencies, create=_unmade("service dependencies are always there"), change=_change_dependencies,
        delete=_unmade("service dependencies are always there"),
    ),
    _collection(ADDONS, "/addons", "addon", told=_addon_told),
    _collection(EXTENSIONS, "/extensions", "extension", told=_extension_told, asked=_extension_asked),
    _collection(GROUPINGS, "/alert_grouping_settings", "alert_grouping_setting", told=_grouping_told),
    _collection(WINDOWS, "/maintenance_windows", "maintenance_window", query=[("filter", "open")], asked=_window_asked),
    Room(
        kind=WEBHOOKS, delete=_deleted("/webhook_subscriptions"), create=_create_webhook, change=_change_webhook,
        read=lambda door, id_: [
            Item("webhook_subscriptions", body[ID], _webhook_told(body))
            for body in _some(door, id_, "/webhook_subscriptions", "webhook_subscription")
        ],
    ),
)  # fmt: skip
"""Every kind, in the order in which they can be made: what others refer to comes first."""

KINDS: Final = tuple(room.kind for room in ROOMS)
BY_KIND: Final = {room.kind.plural: room for room in ROOMS}
