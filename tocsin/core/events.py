"""Everything that can have happened to an incident: what log entries, webhooks and figures are read from.

Laws:
1. An event is a fact and never changes. It carries all that folding it needs, times of what is pending included.
2. Every event that is a decision carries its `reason` in words a person at 3 a.m. understands.
3. `KINDS` names every event once; stored names never change.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin.core.escalation import Policy


class Status(StrEnum):
    """The three states of an incident (BEHAVIOUR 3.1)."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Urgency(StrEnum):
    """Which of a person's notification rules apply."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who did it: a PagerDuty reference type (`user_reference`, `service_reference` …), its id and name."""

    type: str
    id: str
    summary: str

    @property
    def is_user(self) -> bool:
        return self.type == "user_reference"


TOCSIN = Agent("service_reference", "TOCSIN", "Tocsin")
"""The house itself, when a timer did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share. `channel` is PagerDuty's word for the way it came: auto, api, website, sms, timeout …"""

    incident_id: str
    service_id: str
    at: datetime
    agent: Agent
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered(Event):
    """The incident began."""

    title: str
    urgency: Urgency
    policy_id: str
    alert_id: str | None = None
    incident_key: str | None = None
    resolve_at: datetime | None = None
    details: dict[str, object] | str | None = None
    type_name: str = "incident_default"
    values: dict[str, object] | None = None  # what its fields begin with, by field id


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertJoined(Event):
    """Another alert was grouped into the incident."""

    alert_id: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggeredAgain(Event):
    """A trigger event came for an alert that is open already: counted, nobody is paged for it."""

    alert_id: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertResolved(Event):
    """One alert of the incident is over."""

    alert_id: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsMoved(Event):
    """Alerts came from, or went to, another incident (`count` is negative when they went)."""

    count: int
    open_count: int
    other_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Event):
    """The incident is now these people's. `escalate_at` None: nothing escalates it from here by itself."""

    user_ids: tuple[str, ...]
    via: str  # escalation_policy | direct_assignment
    level: int
    loop: int = 0
    ring_tried: int = 0
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalated(Event):
    """The incident went to another level of its policy."""

    user_ids: tuple[str, ...]
    level: int
    loop: int
    ring_tried: int = 0
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegated(Event):
    """The incident was handed to another escalation policy."""

    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRepeated(Event):
    """The policy began again from its first level."""

    loop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyExhausted(Event):
    """The policy has ended; nobody else is reached by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelSkipped(Event):
    """A level was stepped over because nobody was there."""

    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodyOnCall(Event):
    """No level has anybody now; the account's last resort is told, and we look again at `retry_at`."""

    retry_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Event):
    """Somebody is on it. `unacknowledge_at` is when that runs out, if ever."""

    user_ids: tuple[str, ...]
    unacknowledge_at: datetime | None = None
    acknowledgement_timeout: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unacknowledged(Event):
    """Nobody is on it any more; its people are paged again and the level's time starts anew."""

    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snoozed(Event):
    """Put off until `until`, when it comes back triggered."""

    until: datetime
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Event):
    """It is over. `merged_into` names the incident that took its alerts, if that is why."""

    resolution: str | None = None
    merged_into: str | None = None
    merged_into_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened(Event):
    """It was resolved and is open again."""

    resolve_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgencyChanged(Event):
    """Which rules people are reached by has changed."""

    urgency: Urgency
    before: Urgency
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityChanged(Event):
    """How much it matters was set by somebody."""

    priority_id: str | None
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChanged(Event):
    """A plain field has a new value: `title`, `conference_bridge`, `service` …"""

    name: str
    value: object
    before: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated(Event):
    """Somebody wrote a note."""

    note_id: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdatePublished(Event):
    """Somebody told its subscribers how it stands."""

    update_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAsked(Event):
    """Somebody was asked to help; `policy_id` when it was through a policy that was asked."""

    request_id: str
    requester_id: str
    message: str
    user_id: str
    policy_id: str | None = None
    policy_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAsked(Event):
    """A policy was asked to help, and stands on this level; those on call there are asked, the next level at `next_at`."""

    request_id: str
    requester_id: str
    message: str
    policy: Policy
    level: int
    user_ids: tuple[str, ...]
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAskedInVain(Event):
    """Nobody further is asked through a policy: it has no further level with somebody on call."""

    request_id: str
    policy_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderJoined(Event):
    """Somebody who was asked joined."""

    request_id: str
    user_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderDeclined(Event):
    """Somebody who was asked declined."""

    request_id: str
    user_id: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestsCancelled(Event):
    """These people and policies are no longer asked."""

    user_ids: tuple[str, ...]
    policy_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChanged(Event):
    """The incident is of another type; `values` are what the fields it got by it begin with."""

    name: str
    before: str
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field that got another value, named as it was then."""

    id: str
    name: str
    display_name: str
    data_type: str
    field_type: str
    value: object
    before: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesChanged(Event):
    """Fields that people added to incidents have other values."""

    changes: tuple[FieldValue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified(Event):
    """A message about it left for a person. `kind` is the channel's, `outcome` the provider's answer."""

    user_id: str
    kind: str
    address: str
    outcome: str
    outbox_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonUnreachable(Event):
    """Every way of reaching this person has failed, or there is none."""

    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResortPaged(Event):
    """The account's last-resort people were told."""

    user_ids: tuple[str, ...]


KINDS: dict[str, type[Event]] = {
    "triggered": Triggered,
    "alert_joined": AlertJoined,
    "triggered_again": TriggeredAgain,
    "alert_resolved": AlertResolved,
    "alerts_moved": AlertsMoved,
    "assigned": Assigned,
    "escalated": Escalated,
    "delegated": Delegated,
    "policy_repeated": PolicyRepeated,
    "policy_exhausted": PolicyExhausted,
    "level_skipped": LevelSkipped,
    "nobody_on_call": NobodyOnCall,
    "acknowledged": Acknowledged,
    "unacknowledged": Unacknowledged,
    "snoozed": Snoozed,
    "resolved": Resolved,
    "reopened": Reopened,
    "urgency_changed": UrgencyChanged,
    "priority_changed": PriorityChanged,
    "field_changed": FieldChanged,
    "annotated": Annotated,
    "status_update": StatusUpdatePublished,
    "user_asked": UserAsked,
    "policy_asked": PolicyAsked,
    "policy_asked_in_vain": PolicyAskedInVain,
    "responder_joined": ResponderJoined,
    "responder_declined": ResponderDeclined,
    "requests_cancelled": RequestsCancelled,
    "type_changed": TypeChanged,
    "values_changed": ValuesChanged,
    "notified": Notified,
    "person_unreachable": PersonUnreachable,
    "last_resort": LastResortPaged,
}
"""Stored name → event. The name is for ever; the class may be renamed."""

NAMES: dict[type[Event], str] = {event: name for name, event in KINDS.items()}
