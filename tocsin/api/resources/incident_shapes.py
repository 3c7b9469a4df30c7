"""How incidents, alerts and log entries look on the wire, for the files that show one inside another (BEHAVIOUR 3)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body
from tocsin.api.resources import priorities, shapes, teams, users
from tocsin.api.resources.field_shapes import value_body
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.core import events as happened
from tocsin.core import permission
from tocsin.core.events import Agent, Event
from tocsin.core.incident_state import Incident, Timer, pending
from tocsin.core.responders import Request, Responder
from tocsin.service import incident_types
from tocsin.service.incident_types import Defined
from tocsin.store import alerts as store_alerts
from tocsin.store import events, incidents
from tocsin.store.alerts import Alert
from tocsin.store.events import Entry
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import services as service_tables
from tocsin.store.tables.responding import entry_channel

LOG_TYPES: Final[Mapping[str, str]] = {
    "triggered": "trigger",
    "alert_joined": "trigger",
    "triggered_again": "trigger",
    "alerts_moved": "merge",
    "assigned": "assign",
    "escalated": "escalate",
    "delegated": "delegate",
    "policy_repeated": "repeat_escalation_path",
    "policy_exhausted": "exhaust_escalation_path",
    "acknowledged": "acknowledge",
    "unacknowledged": "unacknowledge",
    "snoozed": "snooze",
    "resolved": "resolve",
    "reopened": "field_value_change",
    "urgency_changed": "urgency_change",
    "priority_changed": "priority_change",
    "field_changed": "field_value_change",
    "annotated": "annotate",
    "status_update": "status_update",
    "user_asked": "responder_request_for_user",
    "policy_asked": "responder_request_for_escalation_policy",
    "responder_joined": "responder_accept",
    "responder_declined": "responder_decline",
    "type_changed": "field_value_change",
    "values_changed": "custom_field_value_change",
    "notified": "notify",
}
"""Stored name of an event → PagerDuty's word for its log entry. Events that PagerDuty has no word for are not shown."""

OVERVIEW: Final = frozenset(
    {
        "triggered",
        "assigned",
        "escalated",
        "delegated",
        "acknowledged",
        "unacknowledged",
        "snoozed",
        "resolved",
        "reopened",
        "annotated",
    }
)
"""What `is_overview=true` leaves."""

_CHANNELS: Final[Mapping[str, str]] = {
    "phone": "phone",
    "voice": "phone",
    "sms": "sms",
    "email": "email",
    "push": "push",
}


def zone_of(call: Call) -> tzinfo:
    """The zone that times are asked for in. Raises 400/2002 for an unknown one."""
    name = call.query.one("time_zone")
    if name is None:
        return UTC
    try:
        return times.zone_named(name)
    except ValueError as error:
        raise invalid_arguments(f"time_zone: {error}") from error


class Named:
    """What a page of incidents and log entries refers to, read at once; whole where the call asks to include it."""

    def __init__(
        self,
        call: Call,
        *,
        user_ids: Iterable[str] = (),
        service_ids: Iterable[str] = (),
        policy_ids: Iterable[str] = (),
        priority_ids: Iterable[str | None] = (),
    ) -> None:
        self._call = call
        self.zone = zone_of(call)
        self.users = shapes.rows_by_id(call, people_tables.user, user_ids)
        self.services = shapes.rows_by_id(call, service_tables.service, service_ids)
        self.policies = shapes.rows_by_id(call, service_tables.escalation_policy, policy_ids)
        self.priorities = shapes.rows_by_id(call, service_tables.priority, priority_ids)
        self.teams = shapes.rows_by_id(call, people_tables.team, (row.team_id for row in self.policies.values()))
        asked = call.includes
        self._whole_users = self._whole(
            asked & {"users", "assignees", "acknowledgers", "agents"}, self.users, users.shown
        )
        self._whole_teams = self._whole(asked & {"teams"}, self.teams, teams.shown)
        self._whole_services = self._whole(asked & {"services"}, self.services, shapes.services)
        self._whole_policies = self._whole(asked & {"escalation_policies"}, self.policies, shapes.escalation_policies)
        self._whole_priorities = self._whole(asked & {"priorities"}, self.priorities, priorities.shown)

    def _whole(self, asked: Collection[str], rows: shapes.Refs, shown: Any) -> dict[str, Body]:
        listed = list(rows.values())
        return {body["id"]: body for body in shown(self._call, listed)} if asked and listed else {}

    def at(self, instant: datetime | None) -> str | None:
        return times.iso(instant, self.zone) if instant else None

    def name(self, user_id: str) -> str:
        row = self.users.get(user_id)
        return row.name if row is not None else user_id

    def user(self, user_id: str, *words: str) -> Body:
        """A person; whole when one of these words is among the includes."""
        if self._call.includes & {"users", *words} and user_id in self._whole_users:
            return self._whole_users[user_id]
        return shapes.reference_in(self._call, "user", user_id, self.users)

    def service(self, service_id: str) -> Body:
        return self._whole_services.get(service_id) or shapes.reference_in(
            self._call, "service", service_id, self.services
        )

    def policy(self, policy_id: str, name: str) -> Body:
        """The policy by its name of now; one that is gone by the name it had."""
        row = self.policies.get(policy_id)
        known = envelope.reference(
            self._call.house, "escalation_policy", policy_id, row.name if row is not None else name
        )
        return self._whole_policies.get(policy_id) or known

    def teams_of(self, policy_id: str) -> list[Body]:
        """The team of the policy, if it has one."""
        row = self.policies.get(policy_id)
        if row is None or row.team_id is None:
            return []
        whole = self._whole_teams.get(row.team_id)
        return [whole or shapes.reference_in(self._call, "team", row.team_id, self.teams)]

    def priority(self, priority_id: str | None) -> Body | None:
        if priority_id is None:
            return None
        whole = self._whole_priorities.get(priority_id)
        return whole or shapes.reference_in(self._call, "priority", priority_id, self.priorities)

    def agent(self, agent: Agent, service_id: str, *words: str, service_for_integration: bool = False) -> Body:
        """Who did it: a person, an integration, or (when it was a timer or a key) the service itself."""
        if agent.is_user:
            return self.user(agent.id, *words)
        if agent.type == "inbound_integration_reference" and not service_for_integration:
            path = f"/services/{service_id}/integrations/{agent.id}"
            return envelope.reference(self._call.house, "integration", agent.id, agent.summary, path=path)
        return shapes.reference_in(self._call, "service", service_id, self.services)


# ---------------------------------------------------------------------------------------------------------- incidents


def _flat(call: Call) -> Call:
    """The call without the includes by which an incident and its first entry would hold each other for ever."""
    return replace(call, includes=call.includes - {"incidents", "first_trigger_log_entries"})


def summary(incident: Incident) -> str:
    return f"[#{incident.number}] {incident.title}"


def incident_reference(call: Call, incident: Incident) -> Body:
    return envelope.reference(call.house, "incident", incident.id, summary(incident))


def incident_bodies(call: Call, listed: Sequence[Incident]) -> list[Body]:
    """Incidents as bodies, in this order."""
    people = {user_id for one in listed for user_id in one.user_ids}
    people |= {ack.agent.id for one in listed for ack in one.acknowledgements if ack.agent.is_user}
    people |= {one.last_status_by.id for one in listed if one.last_status_by and one.last_status_by.is_user}
    people |= {user_id for one in listed for user_id in _helpers(one)}
    named = Named(
        call,
        user_ids=people,
        service_ids={one.service_id for one in listed},
        policy_ids={one.policy.id for one in listed},
        priority_ids={one.priority_id for one in listed},
    )
    firsts = events.firsts(call.tx, [one.id for one in listed])
    whole = {}
    if "first_trigger_log_entries" in call.includes:
        shown = entry_bodies(_flat(call), list(firsts.values()), channels=True)
        whole = dict(zip(firsts, shown, strict=True))
    merged = incidents.load(call.tx, [one.merged_into for one in listed if one.merged_into])
    bodies = [_incident(call, one, named, firsts.get(one.id), whole.get(one.id), merged) for one in listed]
    if "custom_fields" in call.includes:
        fields = {name: incident_types.fields_of_type(call.tx, name) for name in {one.type_name for one in listed}}
        for body, one in zip(bodies, listed, strict=True):
            body["custom_fields"] = value_bodies(fields[one.type_name], one.values)
    return bodies


def _incident(
    call: Call,
    one: Incident,
    named: Named,
    first: Entry | None,
    first_whole: Body | None,
    merged: Mapping[str, Incident],
) -> Body:
    target = merged.get(one.merged_into or "")
    told: Body = {
        **envelope.common(call.house, "incident", one.id, summary(one)),
        "incident_number": one.number,
        "title": one.title,
        "created_at": named.at(one.created_at),
        "updated_at": named.at(one.updated_at),
        "status": one.status.value,
        "incident_key": one.key,
        "service": named.service(one.service_id),
        "assignments": [
            {"at": named.at(each.at), "assignee": named.user(each.user_id, "assignees")} for each in one.assignments
        ],
        "assigned_via": one.assigned_via,
        "last_status_change_at": named.at(one.last_status_at or one.created_at),
        "last_status_change_by": named.agent(one.last_status_by, one.service_id, "agents")
        if one.last_status_by
        else None,
        "resolved_at": named.at(one.resolved_at),
        "first_trigger_log_entry": first_whole or (entry_reference(call, first) if first else None),
        "alert_counts": {
            "all": one.alerts_total,
            "triggered": one.alerts_open,
            "resolved": one.alerts_total - one.alerts_open,
        },
        "is_mergeable": one.merged_into is None,
        "incident_type": {"name": one.type_name},
        "escalation_policy": named.policy(one.policy.id, one.policy.name),
        "teams": named.teams_of(one.policy.id),
        "pending_actions": [
            {"type": timer.value, "at": named.at(at)}
            for timer, at in sorted(pending(one).items(), key=lambda item: item[1])
            if timer is not Timer.ASK_FURTHER
        ],
        "acknowledgements": [
            {
                "at": named.at(ack.at),
                "acknowledger": named.agent(ack.agent, one.service_id, "acknowledgers", service_for_integration=True),
            }
            for ack in one.acknowledgements
        ],
        "alert_grouping": None,
        "priority": named.priority(one.priority_id),
        "resolve_reason": {"type": "merge_resolve_reason", "incident": incident_reference(call, target)}
        if target
        else None,
        "conference_bridge": one.conference_bridge,
        "incidents_responders": [responder_body(call, one, each, named) for each in one.responders],
        "responder_requests": [request_body(call, one, each, named) for each in one.requests],
        "urgency": one.urgency.value,
    }
    if "body" in call.includes:
        told["body"] = {"type": "incident_body", "details": one.details}
    return told


def value_bodies(fields: Sequence[Defined], values: Mapping[str, Any]) -> list[Body]:
    """Fields with the values an incident holds for them; null where it holds none."""
    return [value_body(one, values.get(one.id)) for one in fields]


def _helpers(one: Incident) -> set[str]:
    """Everybody named by the incident's requests for help."""
    asked = {user_id for each in one.responders for user_id in (each.user_id, each.requester_id)}
    return asked | {each.requester_id for each in one.requests}


def responders_named(call: Call, one: Incident) -> Named:
    """The people that the incident's requests for help name, read at once."""
    return Named(call, user_ids=_helpers(one))


def responder_body(call: Call, one: Incident, each: Responder, named: Named) -> Body:
    """Somebody who was asked to help."""
    return {
        "state": each.state.value,
        "user": shapes.reference_in(call, "user", each.user_id, named.users),
        "incident": incident_reference(call, one),
        "updated_at": named.at(each.updated_at),
        "message": each.message,
        "requester": shapes.reference_in(call, "user", each.requester_id, named.users),
        "requested_at": named.at(each.requested_at),
        "escalation_policy_requests": [name for _, name in each.policies],
    }


def request_body(call: Call, one: Incident, each: Request, named: Named) -> Body:
    """A request for help, and whom each of its targets came to be."""
    return {
        "id": each.id,
        "incident": incident_reference(call, one),
        "requester": shapes.reference_in(call, "user", each.requester_id, named.users),
        "requested_at": named.at(each.at),
        "message": each.message,
        "responder_request_targets": [
            target_body(call, one, kind, id_, name, named) for kind, id_, name in each.targets
        ],
    }


def target_body(call: Call, one: Incident, kind: str, id_: str, name: str, named: Named) -> Body:
    """A target of a request for help, with those it came to be."""
    if kind == "user":
        people = [each for each in one.responders if each.user_id == id_]
    else:
        people = [each for each in one.responders if any(policy_id == id_ for policy_id, _ in each.policies)]
    told = {
        "type": kind,
        "id": id_,
        "summary": named.name(id_) if kind == "user" else name,
        "incidents_responders": [responder_body(call, one, each, named) for each in people],
    }
    return {"responder_request_target": told}


# ------------------------------------------------------------------------------------------------------------- alerts


def alert_bodies(call: Call, listed: Sequence[Alert]) -> list[Body]:
    """Alerts as bodies, in this order."""
    named = Named(call, service_ids={one.service_id for one in listed})
    ways = shapes.rows_by_id(call, service_tables.integration, (one.integration_id for one in listed))
    incident_ids = sorted({one.incident_id for one in listed if one.incident_id})
    known = incidents.load(call.tx, incident_ids)
    whole: dict[str, Body] = {}
    if "incidents" in call.includes:
        whole = {body["id"]: body for body in incident_bodies(call, list(known.values()))}
    firsts = events.firsts_of_alerts(call.tx, incident_ids, {one.id for one in listed})
    shown = {}
    if "first_trigger_log_entries" in call.includes:
        shown = dict(zip(firsts, entry_bodies(_flat(call), list(firsts.values()), channels=True), strict=True))
    return [
        {
            **envelope.common(
                call.house, "alert", one.id, one.summary, path=f"/incidents/{one.incident_id}/alerts/{one.id}"
            ),
            "created_at": named.at(one.created_at),
            "updated_at": named.at(one.updated_at),
            "resolved_at": named.at(one.resolved_at),
            "status": one.status,
            "alert_key": one.dedup_key,
            "service": named.service(one.service_id),
            "body": _alert_body(one),
            "incident": _incident_of(call, one, known, whole),
            "suppressed": one.is_suppressed,
            "severity": one.severity,
            "integration": shapes.integration_reference(call, ways[one.integration_id])
            if one.integration_id and one.integration_id in ways
            else None,
            "first_trigger_log_entry": shown.get(one.id)
            or (entry_reference(call, firsts[one.id]) if one.id in firsts else None),
            "trigger_count": one.trigger_count,
        }
        for one in listed
    ]


def _incident_of(call: Call, one: Alert, known: Mapping[str, Incident], whole: Mapping[str, Body]) -> Body | None:
    found = known.get(one.incident_id or "")
    if found is None:
        return None
    return whole.get(found.id) or incident_reference(call, found)


def _alert_body(one: Alert) -> Body:
    content = one.content
    details = content.get("details")
    return {
        "type": "alert_body",
        "contexts": contexts(content),
        "details": details if details is not None else {},
        "cef_details": cef_details(one),
    }


def contexts(content: Mapping[str, Any]) -> list[Body]:
    """The links and pictures of an event."""
    links = [
        {"type": "link", "href": link["href"], "text": link.get("text") or link["href"]}
        for link in content.get("links") or ()
    ]
    images = [
        {"type": "image", "src": image["src"]} | {name: image[name] for name in ("href", "alt") if image.get(name)}
        for image in content.get("images") or ()
    ]
    return [*links, *images]


def cef_details(one: Alert) -> Body:
    """The event in PagerDuty's common event format."""
    content = one.content
    return {
        "contexts": contexts(content),
        "dedup_key": one.dedup_key,
        "description": content.get("summary"),
        "details": content.get("details"),
        "event_class": content.get("class_"),
        "message": content.get("summary"),
        "service_group": content.get("group"),
        "severity": one.severity,
        "source_component": content.get("component"),
        "source_origin": content.get("source"),
        "client": content.get("client"),
        "client_url": content.get("client_url"),
        "version": "1.0",
    }


# -------------------------------------------------------------------------------------------------------- log entries


def entry_reference(call: Call, entry: Entry) -> Body:
    return envelope.reference_of(_entry_common(call, entry))


def _entry_common(call: Call, entry: Entry) -> Body:
    told = envelope.common(call.house, "log_entry", entry.id, _words(entry.event, None))
    told["type"] = f"{LOG_TYPES[entry.kind]}_log_entry"
    if told["self"]:
        told["self"] += f"?incident_id={entry.event.incident_id}"
    return told


def entry_bodies(call: Call, listed: Sequence[Entry], *, channels: bool = False) -> list[Body]:
    """Log entries as bodies. `channels`: with all that is known of the way each came, as `include[]=channels` asks."""
    known = incidents.load(call.tx, {entry.event.incident_id for entry in listed})
    named = Named(
        call,
        user_ids={user_id for entry in listed for user_id in _people(entry.event)},
        service_ids={entry.event.service_id for entry in listed},
        policy_ids={one.policy.id for one in known.values()},
    )
    about = store_alerts.load(
        call.tx, {alert_id for entry in listed if (alert_id := getattr(entry.event, "alert_id", None))}
    )
    whole: dict[str, Body] = {}
    if "incidents" in call.includes:
        whole = {body["id"]: body for body in incident_bodies(call, list(known.values()))}
    corrected = _corrected(call, [entry.id for entry in listed])
    shows_key = permission.may(call.actor, permission.READ_KEY, permission.Thing("service")).allowed
    has_channels = channels or "channels" in call.includes
    bodies = []
    for entry in listed:
        event = entry.event
        incident = known.get(event.incident_id)
        alert = about.get(getattr(event, "alert_id", None) or "")
        told = {
            **_entry_common(call, entry),
            "summary": _words(event, named),
            "created_at": named.at(event.at),
            "agent": named.agent(event.agent, event.service_id),
            "channel": _channel(event, alert, whole=has_channels, shows_key=shows_key),
            "service": named.service(event.service_id),
            "incident": whole.get(event.incident_id)
            or (
                incident_reference(call, incident)
                if incident
                else envelope.reference(call.house, "incident", event.incident_id, None)
            ),
            "teams": named.teams_of(incident.policy.id) if incident else [],
            "contexts": contexts(alert.content) if alert else [],
            "event_details": _event_details(event),
        }
        if entry.id in corrected:
            told["channel"]["details"] = corrected[entry.id]
        bodies.append(told | _extras(call, event, named))
    return bodies


def _corrected(call: Call, entry_ids: list[str]) -> dict[str, str]:
    """By entry, the details that were written over those of its channel."""
    of = entry_channel.c
    return {row.entry_id: row.details for row in call.tx.rows(sa.select(of.entry_id, of.details).where(of.entry_id.in_(entry_ids)))}


def _people(event: Event) -> set[str]:
    found = set(getattr(event, "user_ids", ()))
    if isinstance(event, happened.Notified | happened.UserAsked | happened.ResponderJoined | happened.ResponderDeclined):
        found.add(event.user_id)
    return found | ({event.agent.id} if event.agent.is_user else set())


def _event_details(event: Event) -> Body:
    match event:
        case happened.Triggered():
            return {"description": event.title}
        case happened.AlertJoined() | happened.TriggeredAgain():
            return {"description": event.summary}
        case _:
            return {}


def _channel(event: Event, alert: Alert | None, *, whole: bool, shows_key: bool) -> Body:
    told: Body = {"type": event.channel}
    match event:
        case happened.Triggered() if event.alert_id is None:
            told = {"type": "web_trigger", "summary": event.title, "subject": event.title}
            return told | ({"details": event.details} if whole else {})
        case happened.Annotated():
            return {"type": "note", "summary": event.content}
        case happened.Snoozed():
            told["duration"] = event.seconds
        case happened.Notified():
            kind = _CHANNELS.get(event.kind, event.kind)
            told["notification"] = {"type": f"{kind}_notification", "address": event.address, "status": event.outcome}
        case _:
            pass
    if whole and alert is not None:
        details = alert.content.get("details")
        told |= {
            "summary": alert.summary,
            "description": alert.summary,
            "service_key": alert.routing_key if shows_key else None,
            "incident_key": alert.dedup_key,
            "details": details if isinstance(details, dict) else {"details": details} if details else {},
            "cef_details": cef_details(alert),
        }
    return told


def _extras(call: Call, event: Event, named: Named) -> Body:  # noqa: C901 - one flat case an event
    """The fields that only this type of entry has."""
    match event:
        case happened.Assigned() | happened.Escalated():
            return {"assignees": [named.user(user_id) for user_id in event.user_ids]}
        case happened.Delegated():
            return {
                "assignees": [envelope.reference(call.house, "escalation_policy", event.policy.id, event.policy.name)]
            }
        case happened.Acknowledged():
            return {"acknowledgement_timeout": event.acknowledgement_timeout} if event.acknowledgement_timeout else {}
        case happened.Snoozed():
            return {"changed_actions": [{"type": "unacknowledge", "at": named.at(event.until)}]}
        case happened.Resolved():
            return {"note": event.resolution} if event.resolution else {}
        case happened.Annotated():
            return {"note": event.content}
        case happened.Notified():
            return {"user": named.user(event.user_id)}
        case happened.Reopened():
            return {"changeset": ["status"]}
        case happened.FieldChanged():
            return {"changeset": [event.name], "event_details": {"old_value": event.before, "new_value": event.value}}
        case happened.UrgencyChanged():
            return {"event_details": {"old_value": event.before.value, "new_value": event.urgency.value}}
        case happened.PriorityChanged():
            return {"event_details": {"old_value": event.before, "new_value": event.priority_id}}
        case happened.StatusUpdatePublished():
            return {"message": event.message}
        case happened.UserAsked() | happened.ResponderJoined() | happened.ResponderDeclined():
            return {"user": named.user(event.user_id), "message": event.message}
        case happened.PolicyAsked():
            policy = envelope.reference(call.house, "escalation_policy", event.policy.id, event.policy.name)
            return {"escalation_policy": policy, "message": event.message}
        case happened.TypeChanged():
            return {"changeset": ["incident_type"], "event_details": {"old_value": event.before, "new_value": event.name}}
        case happened.ValuesChanged():
            return {
                "changeset": [one.name for one in event.changes],
                "custom_fields_changes": [
                    {"id": one.id, "name": one.name, "display_name": one.display_name, "data_type": one.data_type,
                     "field_type": one.field_type, "value": one.value, "old_value": one.before}
                    for one in event.changes
                ],
            }  # fmt: skip
        case _:
            return {}


def _words(event: Event, named: Named | None) -> str:  # noqa: C901 - one flat case an event
    """The entry in one sentence."""
    by = event.agent.summary

    def people(user_ids: Sequence[str]) -> str:
        return ", ".join(named.name(user_id) for user_id in user_ids) if named else "its people"

    match event:
        case happened.Triggered():
            return f"Triggered by {by}" if event.alert_id is None else "Triggered through the API"
        case happened.AlertJoined() | happened.TriggeredAgain():
            return "Triggered through the API"
        case happened.Assigned():
            return f"Assigned to {people(event.user_ids)}"
        case happened.Escalated():
            return f"Escalated to {people(event.user_ids)} (level {event.level + 1})"
        case happened.Delegated():
            return f"Delegated to {event.policy.name} by {by}"
        case happened.Acknowledged():
            return f"Acknowledged by {by}"
        case happened.Unacknowledged():
            return f"Unacknowledged: {event.reason}"
        case happened.Snoozed():
            return f"Snoozed by {by}"
        case happened.Resolved():
            return f"Resolved by {by}" if event.agent.is_user else f"Resolved: {event.reason}"
        case happened.Reopened():
            return f"Reopened by {by}"
        case happened.UrgencyChanged():
            return f"Urgency changed from {event.before.value} to {event.urgency.value}"
        case happened.Annotated():
            return f"Note by {by}"
        case happened.UserAsked():
            return f"{by} asked {people([event.user_id])} to help"
        case happened.PolicyAsked():
            return f"{by} asked {event.policy.name} to help"
        case happened.Notified():
            return f"Notified {people([event.user_id])} by {event.kind}"
        case _:
            return event.reason[:1].upper() + event.reason[1:]
