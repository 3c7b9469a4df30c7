"""What can be asked of an incident: one frozen `Command` for each way its life goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tocsin.core.escalation import Ladder, Policy
from tocsin.core.events import Agent, FieldValue, Urgency
from tocsin.core.incident_state import BASE_TYPE, ServiceRules, Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Begin an incident. `assign_to`: these people directly instead of the policy's ladder."""

    id: str
    number: int
    service_id: str
    title: str
    urgency: Urgency
    policy: Policy
    ladder: Ladder
    rules: ServiceRules
    agent: Agent
    channel: str
    reason: str
    key: str | None = None
    alert_id: str | None = None
    assign_to: tuple[str, ...] = ()
    priority_id: str | None = None
    details: dict[str, object] | str | None = None
    type_name: str = BASE_TYPE
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAlert:
    """Another alert belongs to it. `urgency` is what the alert alone would have had; it may only raise."""

    alert_id: str
    summary: str
    urgency: Urgency
    ladder: Ladder
    agent: Agent
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatAlert:
    """A trigger came for an alert of it that is open already."""

    alert_id: str
    summary: str
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAlert:
    """One of its alerts is resolved; the incident goes with its last one."""

    alert_id: str
    summary: str
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """Say that somebody is on it. By a user: it becomes theirs. By an integration: it stays whose it was."""

    agent: Agent
    channel: str
    rules: ServiceRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Unacknowledge:
    """Take the acknowledgement back by hand."""

    agent: Agent
    channel: str
    ladder: Ladder
    rules: ServiceRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    agent: Agent
    channel: str
    resolution: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """Open a resolved incident again, triggered (its people are reached) or acknowledged (by the caller)."""

    agent: Agent
    channel: str
    ladder: Ladder
    rules: ServiceRules
    acknowledged: bool = False
    assign_to: tuple[str, ...] = ()
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    agent: Agent
    channel: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign:
    """Give it to these people directly; nothing escalates it by itself afterwards."""

    user_ids: tuple[str, ...]
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Hand it to another policy, from its first level."""

    policy: Policy
    ladder: Ladder
    rules: ServiceRules
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate:
    """Send it to `level` (from 0), or to the next one."""

    ladder: Ladder
    rules: ServiceRules
    agent: Agent
    channel: str
    level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUrgency:
    urgency: Urgency
    ladder: Ladder
    rules: ServiceRules
    agent: Agent
    channel: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePriority:
    priority_id: str | None
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeField:
    """`title` (text), `conference_bridge` (map or None) or `service` (id): plain fields without further rules."""

    name: str
    value: object
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    note_id: str
    content: str
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStatusUpdate:
    update_id: str
    message: str
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForHelp:
    """Ask people, and those on call by policies, to help. `requester_id`: the user in whose name."""

    request_id: str
    requester_id: str
    message: str
    user_ids: tuple[str, ...]
    policies: tuple[tuple[Policy, Ladder], ...]
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """The agent, a user, joins or declines."""

    joins: bool
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequests:
    """Ask these people and policies no further, as far as they have not answered."""

    user_ids: tuple[str, ...]
    policy_ids: tuple[str, ...]
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeType:
    """Let it be of another type. `defaults`: by field id, what the fields of that type begin with."""

    name: str
    defaults: Mapping[str, object]
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeValues:
    """Give fields other values; what is wrong with a value was refused before (`core.custom_field`)."""

    changes: tuple[FieldValue, ...]
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeAlerts:
    """Alerts of another incident now belong to this one (the target of a merge or of a move)."""

    count: int
    open_count: int
    from_id: str
    from_number: int
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveAlerts:
    """Alerts of this incident now belong to another (a move that is no merge)."""

    count: int
    open_count: int
    to_id: str
    to_number: int
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeInto:
    """It ends because another incident took all that it was about."""

    target_id: str
    target_number: int
    agent: Agent
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer is due. `due_at` is what it was set for; `asked`: the ladders of the policies asked to help, by policy id."""

    timer: Timer
    due_at: datetime
    ladder: Ladder
    rules: ServiceRules
    asked: Mapping[str, Ladder] = field(default_factory=dict)


Command = (
    JoinAlert
    | RepeatAlert
    | EndAlert
    | Acknowledge
    | Unacknowledge
    | Resolve
    | Reopen
    | Snooze
    | Reassign
    | Delegate
    | Escalate
    | ChangeUrgency
    | ChangePriority
    | ChangeField
    | Annotate
    | PublishStatusUpdate
    | AskForHelp
    | AnswerRequest
    | CancelRequests
    | ChangeType
    | ChangeValues
    | TakeAlerts
    | GiveAlerts
    | MergeInto
    | TimerFired
)
