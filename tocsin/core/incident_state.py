"""What an incident is, what is pending for it, and how each event of the log changes it (`evolve`).

Laws:
1. `evolve` only folds what `core.incident` decided: it decides nothing.
2. What is pending is read off the state (`pending`), so no timer can be forgotten or left behind.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from tocsin.core import events as happened
from tocsin.core import responders as helpers
from tocsin.core.escalation import Policy
from tocsin.core.events import Agent, Event, Status, Urgency
from tocsin.core.responders import Request, Responder, State, Walk

MAX_ALERTS = 1000
MAX_NOTES = 2000
MAX_TITLE = 1024
MIN_SNOOZE_SECONDS = 1
MAX_SNOOZE_SECONDS = 604_800

BASE_TYPE = "incident_default"
"""The type of an incident that is of no other; all types are below it."""

VIA_POLICY = "escalation_policy"
VIA_DIRECT = "direct_assignment"


class Timer(StrEnum):
    """What can be pending for an incident, in PagerDuty's words of `pending_actions`."""

    ESCALATE = "escalate"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    ASK_FURTHER = "ask_further"  # ours: the next level of a policy that was asked to help


@dataclass(frozen=True, slots=True)
class Assignment:
    """Whose it is, and since when."""

    user_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who said they are on it, and when."""

    agent: Agent
    at: datetime


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """What the service says about its incidents, at the moment of asking."""

    acknowledgement_timeout: int | None = None  # seconds; None: an acknowledgement holds for ever
    auto_resolve_timeout: int | None = None  # seconds; None: never resolved by time
    escalates_low_urgency: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident, whole. `level` and `loop` count from 0; level -1: on no level (direct, or nobody yet)."""

    id: str
    number: int
    service_id: str
    title: str
    urgency: Urgency
    policy: Policy
    created_at: datetime
    updated_at: datetime
    status: Status = Status.TRIGGERED
    key: str | None = None
    is_manual: bool = False  # made by a person or a client, not by an alert
    level: int = -1
    loop: int = 0
    ring_tried: int = 0
    assignments: tuple[Assignment, ...] = ()
    assigned_via: str = VIA_POLICY
    acknowledgements: tuple[Acknowledgement, ...] = ()
    escalate_at: datetime | None = None
    unacknowledge_at: datetime | None = None
    resolve_at: datetime | None = None
    is_snoozed: bool = False
    is_exhausted: bool = False
    nobody_reason: str | None = None
    priority_id: str | None = None
    alerts_total: int = 0
    alerts_open: int = 0
    resolved_at: datetime | None = None
    resolved_by: Agent | None = None
    merged_into: str | None = None
    reopened_at: datetime | None = None
    last_status_at: datetime | None = None
    last_status_by: Agent | None = None
    opened_by: Agent | None = None
    conference_bridge: dict[str, str | None] | None = None
    details: dict[str, object] | str | None = None
    type_name: str = BASE_TYPE
    values: dict[str, object] = field(default_factory=dict)  # of the fields people added, by field id
    responders: tuple[Responder, ...] = ()
    requests: tuple[Request, ...] = ()
    walks: tuple[Walk, ...] = ()

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The people it is assigned to."""
        return tuple(assignment.user_id for assignment in self.assignments)

    @property
    def is_open(self) -> bool:
        return self.status is not Status.RESOLVED


def _helped(incident: Incident, event: Event) -> dict[str, Any]:
    """Responders, requests and walks after an event of asking for help."""
    responders, walks = incident.responders, incident.walks
    match event:
        case happened.UserAsked():
            request = Request(event.request_id, event.requester_id, event.message, event.at)
            through = ((event.policy_id, event.policy_name),) if event.policy_id else ()
            asked = Responder(
                event.user_id, State.PENDING, event.request_id, event.requester_id, event.message, event.at, event.at, through
            )  # fmt: skip
            told: dict[str, Any] = {"responders": helpers.with_asked(responders, asked)}
            if event.policy_id is None:
                told["requests"] = helpers.with_target(incident.requests, request, ("user", event.user_id, ""))
            return told
        case happened.PolicyAsked():
            request = Request(event.request_id, event.requester_id, event.message, event.at)
            target = ("escalation_policy", event.policy.id, event.policy.name)
            ours = (event.request_id, event.policy.id)
            before = next((walk for walk in walks if (walk.request_id, walk.policy.id) == ours), None)
            walks = tuple(walk for walk in walks if walk is not before)
            if event.next_at is not None:
                known = before.asked if before else ()
                walk = Walk(
                    event.request_id, event.requester_id, event.message, event.policy, event.level,
                    tuple(dict.fromkeys((*known, *event.user_ids))), event.user_ids, event.next_at,
                )  # fmt: skip
                walks = (*walks, walk)
            return {"walks": walks, "requests": helpers.with_target(incident.requests, request, target)}
        case happened.PolicyAskedInVain():
            ours = (event.request_id, event.policy_id)
            return {"walks": tuple(walk for walk in walks if (walk.request_id, walk.policy.id) != ours)}
        case happened.ResponderJoined():
            joined = helpers.with_state(responders, [event.user_id], State.JOINED, event.at)
            return {"responders": joined, "walks": helpers.after_joining(walks, event.user_id)}
        case happened.ResponderDeclined():
            declined = helpers.with_state(responders, [event.user_id], State.DECLINED, event.at)
            return {"responders": declined, "walks": helpers.after_declining(walks, declined, event.at)}
        case happened.RequestsCancelled():
            return {
                "responders": helpers.with_state(responders, event.user_ids, State.CANCELLED, event.at),
                "walks": tuple(walk for walk in walks if walk.policy.id not in event.policy_ids),
            }
        case _:
            return {}


def pending(incident: Incident) -> dict[Timer, datetime]:
    """What will happen to it by itself and when: the timers it must have, no more and no fewer."""
    if not incident.is_open:
        return {}
    times = {
        Timer.ESCALATE: incident.escalate_at,
        Timer.UNACKNOWLEDGE: incident.unacknowledge_at,
        Timer.RESOLVE: incident.resolve_at,
        Timer.ASK_FURTHER: helpers.next_at(incident.walks),
    }
    return {timer: at for timer, at in times.items() if at is not None}


def evolve(incident: Incident, event: Event) -> Incident:
    """The incident after `event`."""
    changes = _changes(incident, event)
    changes["updated_at"] = max(incident.updated_at, event.at)
    return replace(incident, **changes)


def _changes(incident: Incident, event: Event) -> dict[str, Any]:  # noqa: C901 - one flat case an event
    """The fields that have another value after `event`; what no case names changes nothing."""
    match event:
        case happened.Triggered():
            counted = 1 if event.alert_id else 0
            return {
                **_status(Status.TRIGGERED, event),
                "resolve_at": event.resolve_at,
                "alerts_total": counted,
                "alerts_open": counted,
                "type_name": event.type_name,
                "values": event.values or {},
            }
        case happened.AlertJoined():
            return {"alerts_total": incident.alerts_total + 1, "alerts_open": incident.alerts_open + 1}
        case happened.AlertResolved():
            return {"alerts_open": max(0, incident.alerts_open - 1)}
        case happened.AlertsMoved():
            return {
                "alerts_total": max(0, incident.alerts_total + event.count),
                "alerts_open": max(0, incident.alerts_open + event.open_count),
            }
        case happened.Assigned():
            return _assigned(event, event.via)
        case happened.Escalated():
            return _assigned(event, VIA_POLICY)
        case happened.Delegated():
            return {
                "policy": event.policy,
                "assignments": (),  # it is theirs no longer, even if nobody is on call there
                "assigned_via": VIA_POLICY,
                "level": -1,
                "loop": 0,
                "ring_tried": 0,
                "is_exhausted": False,
            }
        case happened.PolicyRepeated():
            return {"loop": event.loop}
        case happened.PolicyExhausted():
            return {"escalate_at": None, "is_exhausted": True}
        case happened.NobodyOnCall():
            return {"escalate_at": event.retry_at, "nobody_reason": event.reason}
        case happened.Acknowledged():
            return {
                **_status(Status.ACKNOWLEDGED, event),
                "assignments": _assignments(incident, event.user_ids, event.at),
                "acknowledgements": (*incident.acknowledgements, Acknowledgement(event.agent, event.at)),
                "unacknowledge_at": event.unacknowledge_at,
                "escalate_at": None,
                "nobody_reason": None if event.user_ids else incident.nobody_reason,
            }
        case happened.Unacknowledged():
            return {
                **_status(Status.TRIGGERED, event),
                "acknowledgements": (),
                "unacknowledge_at": None,
                "is_snoozed": False,
                "is_exhausted": False,
                "escalate_at": event.escalate_at,
            }
        case happened.Snoozed():
            return {"unacknowledge_at": event.until, "is_snoozed": True}
        case happened.Resolved():
            return _resolved(incident, event)
        case happened.Reopened():
            return {
                **_status(Status.TRIGGERED, event),
                "resolved_at": None,
                "resolved_by": None,
                "merged_into": None,
                "reopened_at": event.at,
                "resolve_at": event.resolve_at,
                "level": -1,
                "loop": 0,
                "ring_tried": 0,
                "is_exhausted": False,
            }
        case happened.UrgencyChanged():
            return {"urgency": event.urgency, "escalate_at": event.escalate_at}
        case happened.PriorityChanged():
            return {"priority_id": event.priority_id}
        case happened.FieldChanged():
            return _field(event)
        case happened.TypeChanged():
            return {"type_name": event.name, "values": {**event.values, **incident.values}}
        case happened.ValuesChanged():
            return {"values": {**incident.values, **{one.id: one.value for one in event.changes}}}
        case (
            happened.UserAsked()
            | happened.PolicyAsked()
            | happened.PolicyAskedInVain()
            | happened.ResponderJoined()
            | happened.ResponderDeclined()
            | happened.RequestsCancelled()
        ):
            return _helped(incident, event)
        case _:
            return {}


def _status(status: Status, event: Event) -> dict[str, Any]:
    return {"status": status, "last_status_at": event.at, "last_status_by": event.agent}


def _assignments(incident: Incident, user_ids: tuple[str, ...], at: datetime) -> tuple[Assignment, ...]:
    known = {assignment.user_id: assignment for assignment in incident.assignments}
    return tuple(known.get(user_id) or Assignment(user_id, at) for user_id in user_ids)


def _assigned(event: happened.Assigned | happened.Escalated, via: str) -> dict[str, Any]:
    return {
        "assignments": tuple(Assignment(user_id, event.at) for user_id in event.user_ids),
        "assigned_via": via,
        "level": event.level,
        "loop": event.loop,
        "ring_tried": event.ring_tried,
        "escalate_at": event.escalate_at,
        "is_exhausted": False,
        "nobody_reason": None,
    }


def _resolved(incident: Incident, event: happened.Resolved) -> dict[str, Any]:
    return {
        **_status(Status.RESOLVED, event),
        "assignments": (),
        "acknowledgements": (),
        "escalate_at": None,
        "unacknowledge_at": None,
        "resolve_at": None,
        "is_snoozed": False,
        "alerts_open": 0,
        "alerts_total": 0 if event.merged_into else incident.alerts_total,
        "resolved_at": event.at,
        "resolved_by": event.agent,
        "merged_into": event.merged_into,
        "nobody_reason": None,
        "walks": (),
    }


def _field(event: happened.FieldChanged) -> dict[str, Any]:
    if event.name == "title":
        return {"title": str(event.value)}
    if event.name == "service":
        return {"service_id": str(event.value)}
    return {"conference_bridge": event.value if isinstance(event.value, dict) else None}
