"""The life of an incident: what is asked (`Command`), what then happens (`decide`), and what it is afterwards (`evolve`).

Laws (BEHAVIOUR 3.1 and 4; DESIGN 3.5, 5 and 6):
1. `decide` is the only place where the life of an incident is decided; `evolve` only folds what it decided.
2. What is pending is read off the state (`pending`), so no timer can be forgotten or left behind.
3. A timer carries the instant it was set for; one that no longer agrees with the state decides to nothing.
4. Saying the same thing twice is harmless: it decides to nothing, with the reason.
5. Nobody is paged for an incident that is acknowledged or resolved: every way there drops what is still owed.
6. An incident nobody is on call for exists, is loud, and looks for somebody again and again.
7. The policy is the one the incident started with, whatever becomes of it later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from tocsin.base.errors import Refusal
from tocsin.base.times import human_duration
from tocsin.core import escalation as ladders
from tocsin.core import events as happened
from tocsin.core import responders as helpers
from tocsin.core.effects import AdvanceTurn, AskHelp, DropPages, DropRequests, Effect, LastResort, Page, ResolveAlerts
from tocsin.core.escalation import Climb, Exhausted, Ladder, Nobody, Policy, Step
from tocsin.core.events import TOCSIN, Agent, Event, FieldValue, Status, Urgency
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


# --- What can be asked -----------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done and why. `refusal` says that it was turned down; nothing else is in it then."""

    reason: str
    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None


def _nothing(reason: str) -> Decision:
    return Decision(reason)


def _refused(code: int, message: str, *errors: str) -> Decision:
    return Decision(errors[0] if errors else message, refusal=Refusal(400, code, message, list(errors)))


def refuse_merge(why: str) -> Refusal:
    """400/1019: these incidents cannot become one."""
    return Refusal(400, 1019, "Incident Cannot Be Merged", [why])


def _said(incident: Incident, now: datetime, agent: Agent, channel: str, reason: str) -> dict[str, Any]:
    """What every event of a decision says."""
    return {
        "incident_id": incident.id,
        "service_id": incident.service_id,
        "at": now,
        "agent": agent,
        "channel": channel,
        "reason": reason,
    }


# --- How it begins ---------------------------------------------------------------------------------------------------


def begin(command: Open, now: datetime) -> tuple[Incident, Decision]:
    """A new incident as it is before anything has happened to it, and what then happens."""
    incident = Incident(
        command.id,
        command.number,
        command.service_id,
        command.title[:MAX_TITLE],
        command.urgency,
        command.policy,
        now,
        now,
        key=command.key,
        is_manual=command.alert_id is None,
        opened_by=command.agent,
        details=command.details,
        priority_id=command.priority_id,
    )
    said = _said(incident, now, command.agent, command.channel, command.reason)
    timeout = command.rules.auto_resolve_timeout
    triggered = happened.Triggered(
        **said,
        title=incident.title,
        urgency=command.urgency,
        policy_id=command.policy.id,
        alert_id=command.alert_id,
        incident_key=command.key,
        resolve_at=now + timedelta(seconds=timeout) if timeout else None,
        details=command.details,
        type_name=command.type_name,
        values=dict(command.values) or None,
    )
    if command.assign_to:
        return incident, _begin_directly(incident, command, triggered, now)
    events, effects = _stand_on(
        incident, ladders.first(command.ladder), command.urgency, command.rules, now, command.agent, command.channel
    )
    return incident, Decision(command.reason, (triggered, *events), effects)


def _begin_directly(incident: Incident, command: Open, triggered: Event, now: datetime) -> Decision:
    said = _said(incident, now, command.agent, command.channel, "assigned directly when it was made")
    assigned = happened.Assigned(**said, user_ids=command.assign_to, via=VIA_DIRECT, level=-1)
    if command.agent.is_user and command.assign_to == (command.agent.id,):
        reason = f"{command.agent.summary} made it for themselves, so it begins acknowledged and pages nobody"
        acknowledged = _acknowledged(
            incident, command.assign_to, command.rules, now, command.agent, command.channel, reason
        )
        return Decision(reason, (triggered, assigned, acknowledged))
    page = Page(command.assign_to, command.urgency, assigned.reason)
    return Decision(command.reason, (triggered, assigned), (page,))


def _stand_on(
    incident: Incident,
    step: Step,
    urgency: Urgency,
    rules: ServiceRules,
    now: datetime,
    agent: Agent,
    channel: str,
    *,
    why: str = "",
) -> tuple[tuple[Event, ...], tuple[Effect, ...]]:
    """Go where the ladder says: the events that tell of it and the pages that follow."""
    events: list[Event] = []
    for skip in step.skipped:
        said = _said(incident, now, TOCSIN, "auto", f"level {skip.level + 1} is skipped: {skip.reason}")
        events.append(happened.LevelSkipped(**said, level=skip.level))
    match step:
        case Climb():
            return _climbed(incident, step, urgency, rules, now, agent, channel, why, events)
        case Exhausted():
            reason = "the last level of the policy has had its time and no repeats are left: nobody else will be paged"
            said = _said(incident, now, TOCSIN, "auto", reason)
            return (*events, happened.PolicyExhausted(**said)), ()
        case Nobody():
            reason = f"nobody is on call on any level of {incident.policy.name}"
            said = _said(incident, now, TOCSIN, "auto", reason)
            events.append(happened.NobodyOnCall(**said, retry_at=now + step.retry))
            loud: tuple[Effect, ...] = () if incident.nobody_reason else (LastResort(reason),)
            return tuple(events), loud
        case _:
            assert_never(step)


def _climbed(
    incident: Incident,
    step: Climb,
    urgency: Urgency,
    rules: ServiceRules,
    now: datetime,
    agent: Agent,
    channel: str,
    why: str,
    events: list[Event],
) -> tuple[tuple[Event, ...], tuple[Effect, ...]]:
    escalates = urgency is Urgency.HIGH or rules.escalates_low_urgency
    user_ids = tuple(person.user_id for person in step.people)
    place = f"level {step.level + 1} of {incident.policy.name}"
    turn = ", whose turn it is in the round robin" if step.ring_tried else ""
    reason = (f"{why}: " if why else "") + f"{place} is on call now{turn}"
    if step.repeats:
        again = f"the policy begins again: repeat {step.loop} of {incident.policy.num_loops}"
        events.append(happened.PolicyRepeated(**_said(incident, now, TOCSIN, "auto", again), loop=step.loop))
    place_in_ladder: dict[str, Any] = {
        "user_ids": user_ids,
        "level": step.level,
        "loop": step.loop,
        "ring_tried": step.ring_tried,
        "escalate_at": now + step.delay if escalates else None,
    }
    said = _said(incident, now, agent, channel, reason)
    if why:
        events.append(happened.Escalated(**said, **place_in_ladder))
    else:
        events.append(happened.Assigned(**said, **place_in_ladder, via=VIA_POLICY))
    effects: list[Effect] = [Page(user_ids, urgency, reason)]
    if incident.assignments:
        effects.insert(0, DropPages(None, f"the incident went on to {place}"))
    if step.advances:
        effects.append(AdvanceTurn(step.advances, step.turn_of))
    return tuple(events), tuple(effects)


# --- What is decided -------------------------------------------------------------------------------------------------

_WHEN_RESOLVED = (
    ChangePriority, ChangeField, ChangeType, ChangeValues, Annotate, PublishStatusUpdate, Reopen, RepeatAlert, EndAlert, GiveAlerts,
)  # fmt: skip
"""What may still be asked of a resolved incident: only log, notes and fields may change, and it may be reopened."""


def decide(incident: Incident, command: Command, now: datetime) -> Decision:  # noqa: C901 - one flat case a command
    """What happens to `incident` when `command` is asked at `now`. Changes nothing."""
    if not incident.is_open and not isinstance(command, _WHEN_RESOLVED):
        if isinstance(command, TimerFired):
            return _nothing("the incident is resolved; this timer is stale")
        return _refused(1001, "Incident Already Resolved", f"incident #{incident.number} is already resolved")
    match command:
        case JoinAlert():
            return _join(incident, command, now)
        case RepeatAlert():
            reason = "this alert is open already: the trigger is counted and nobody is paged again"
            said = _said(incident, now, command.agent, command.channel, reason)
            return Decision(
                reason, (happened.TriggeredAgain(**said, alert_id=command.alert_id, summary=command.summary),)
            )
        case EndAlert():
            return _end_alert(incident, command, now)
        case Acknowledge():
            return _acknowledge(incident, command, now)
        case Unacknowledge():
            if incident.status is not Status.ACKNOWLEDGED:
                return _refused(1012, "Incident Not Acknowledged", "the incident is not acknowledged")
            reason = f"{command.agent.summary} took the acknowledgement back"
            return _unacknowledge(incident, command.ladder, command.rules, now, command.agent, command.channel, reason)
        case Resolve():
            return _resolve(
                incident,
                now,
                command.agent,
                command.channel,
                f"resolved by {command.agent.summary}",
                command.resolution,
            )
        case Reopen():
            return _reopen(incident, command, now)
        case Snooze():
            return _snooze(incident, command, now)
        case Reassign():
            return _reassign(incident, command, now)
        case Delegate():
            return _delegate(incident, command, now)
        case Escalate():
            return _escalate(incident, command, now)
        case ChangeUrgency():
            return _change_urgency(incident, command, now)
        case ChangePriority():
            return _change_priority(incident, command, now)
        case ChangeField():
            return _change_field(incident, command, now)
        case Annotate():
            said = _said(incident, now, command.agent, command.channel, f"{command.agent.summary} wrote a note")
            return Decision(
                said["reason"], (happened.Annotated(**said, note_id=command.note_id, content=command.content),)
            )
        case PublishStatusUpdate():
            said = _said(incident, now, command.agent, command.channel, f"{command.agent.summary} told how it stands")
            update = happened.StatusUpdatePublished(**said, update_id=command.update_id, message=command.message)
            return Decision(update.reason, (update,))
        case AskForHelp():
            return _ask_for_help(incident, command, now)
        case AnswerRequest():
            return _answer_request(incident, command, now)
        case CancelRequests():
            return _cancel_requests(incident, command, now)
        case ChangeType():
            return _change_type(incident, command, now)
        case ChangeValues():
            return _change_values(incident, command, now)
        case TakeAlerts():
            return _take_alerts(incident, command, now)
        case GiveAlerts():
            return _give_alerts(incident, command, now)
        case MergeInto():
            reason = f"merged into #{command.target_number} by {command.agent.summary}"
            return _resolve(
                incident,
                now,
                command.agent,
                command.channel,
                reason,
                merged_into=(command.target_id, command.target_number),
            )
        case TimerFired():
            return _timer_fired(incident, command, now)
        case _:
            assert_never(command)


def _join(incident: Incident, command: JoinAlert, now: datetime) -> Decision:
    said = _said(incident, now, command.agent, command.channel, command.reason)
    joined = happened.AlertJoined(**said, alert_id=command.alert_id, summary=command.summary)
    if command.urgency is Urgency.HIGH and incident.urgency is Urgency.LOW:
        raising = _urgency_events(
            incident,
            Urgency.HIGH,
            command.ladder,
            ServiceRules(),
            now,
            TOCSIN,
            "auto",
            "an alert of higher severity joined",
        )
        return Decision(command.reason, (joined, *raising.events), raising.effects)
    return Decision(command.reason, (joined,))


def _end_alert(incident: Incident, command: EndAlert, now: datetime) -> Decision:
    why = f"resolved by {command.agent.summary}" if command.agent.is_user else "its sender says it is over"
    said = _said(incident, now, command.agent, command.channel, why)
    ended = happened.AlertResolved(**said, alert_id=command.alert_id, summary=command.summary)
    if not incident.is_open or incident.alerts_open > 1:
        return Decision("other alerts of the incident are still open", (ended,))
    resolved = _resolve(incident, now, command.agent, command.channel, "its last open alert was resolved")
    drops = tuple(effect for effect in resolved.effects if not isinstance(effect, ResolveAlerts))
    return Decision(resolved.reason, (ended, *resolved.events), drops)


def _acknowledge(incident: Incident, command: Acknowledge, now: datetime) -> Decision:
    agent = command.agent
    if any(ack.agent.id == agent.id for ack in incident.acknowledgements):
        return _nothing(f"already acknowledged by {agent.summary}")
    user_ids = incident.user_ids
    if agent.is_user:
        before = tuple(ack.agent.id for ack in incident.acknowledgements if ack.agent.is_user)
        user_ids = (*before, agent.id)
    elif incident.status is Status.ACKNOWLEDGED:
        return _nothing("already acknowledged")
    reason = f"acknowledged by {agent.summary}"
    event = _acknowledged(incident, user_ids, command.rules, now, agent, command.channel, reason)
    if incident.is_snoozed:  # somebody joining in does not undo what was promised: it comes back when it was to
        event = replace(event, unacknowledge_at=incident.unacknowledge_at)
    return Decision(reason, (event,), (DropPages(None, reason),))


def _acknowledged(
    incident: Incident,
    user_ids: tuple[str, ...],
    rules: ServiceRules,
    now: datetime,
    agent: Agent,
    channel: str,
    reason: str,
) -> happened.Acknowledged:
    timeout = rules.acknowledgement_timeout
    return happened.Acknowledged(
        **_said(incident, now, agent, channel, reason),
        user_ids=user_ids,
        unacknowledge_at=now + timedelta(seconds=timeout) if timeout else None,
        acknowledgement_timeout=timeout,
    )


def _clock(incident: Incident, urgency: Urgency, ladder: Ladder, rules: ServiceRules, now: datetime) -> datetime | None:
    """When the level's time is over if it starts anew now; None when nothing escalates this incident by itself."""
    escalates = urgency is Urgency.HIGH or rules.escalates_low_urgency
    if incident.assigned_via != VIA_POLICY or not escalates or not ladder.rungs:
        return None
    return now + ladder.rungs[min(max(incident.level, 0), len(ladder.rungs) - 1)].delay


def _unacknowledge(
    incident: Incident, ladder: Ladder, rules: ServiceRules, now: datetime, agent: Agent, channel: str, reason: str
) -> Decision:
    said = _said(incident, now, agent, channel, reason)
    if not incident.assignments:
        event = happened.Unacknowledged(**said)
        anew = replace(incident, nobody_reason=None)  # who was told of it before must be told that it is back
        events, effects = _stand_on(anew, ladders.first(ladder), incident.urgency, rules, now, TOCSIN, "auto")
        return Decision(reason, (event, *events), effects)
    event = happened.Unacknowledged(**said, escalate_at=_clock(incident, incident.urgency, ladder, rules, now))
    return Decision(reason, (event,), (Page(incident.user_ids, incident.urgency, reason),))


def _resolve(
    incident: Incident,
    now: datetime,
    agent: Agent,
    channel: str,
    reason: str,
    resolution: str | None = None,
    *,
    merged_into: tuple[str, int] | None = None,
) -> Decision:
    target_id, target_number = merged_into or (None, None)
    resolved = happened.Resolved(
        **_said(incident, now, agent, channel, reason),
        resolution=resolution,
        merged_into=target_id,
        merged_into_number=target_number,
    )
    effects: tuple[Effect, ...] = (DropPages(None, reason),)
    if any(one.state is State.PENDING for one in incident.responders):
        effects = (*effects, DropRequests(None, reason))
    if incident.alerts_open and merged_into is None:
        effects = (*effects, ResolveAlerts(reason))
    return Decision(reason, (resolved,), effects)


def _reopen(incident: Incident, command: Reopen, now: datetime) -> Decision:
    if incident.is_open:
        return _refused(1003, "Invalid Status Provided", "only a resolved incident can be reopened")
    reason = f"reopened by {command.agent.summary}"
    said = _said(incident, now, command.agent, command.channel, reason)
    timeout = command.rules.auto_resolve_timeout
    reopened = happened.Reopened(**said, resolve_at=now + timedelta(seconds=timeout) if timeout else None)
    events: list[Event] = [reopened]
    fresh = replace(incident, assignments=(), nobody_reason=None, level=-1, loop=0, ring_tried=0)
    if command.policy is not None and command.policy != incident.policy:
        fresh = replace(fresh, policy=command.policy)
        events.append(happened.Delegated(**said, policy=command.policy))
    if command.acknowledged and command.agent.is_user:
        mine = (command.agent.id,)
        events.append(happened.Assigned(**said, user_ids=mine, via=VIA_DIRECT, level=-1))
        events.append(_acknowledged(fresh, mine, command.rules, now, command.agent, command.channel, reason))
        return Decision(reason, tuple(events))
    if command.assign_to:
        events.append(happened.Assigned(**said, user_ids=command.assign_to, via=VIA_DIRECT, level=-1))
        return Decision(reason, tuple(events), (Page(command.assign_to, incident.urgency, reason),))
    more, effects = _stand_on(
        fresh, ladders.first(command.ladder), incident.urgency, command.rules, now, command.agent, command.channel
    )
    return Decision(reason, (*events, *more), effects)


def _snooze(incident: Incident, command: Snooze, now: datetime) -> Decision:
    if not MIN_SNOOZE_SECONDS <= command.seconds <= MAX_SNOOZE_SECONDS:
        return _refused(
            1013, "Invalid Snooze Duration", f"duration must be {MIN_SNOOZE_SECONDS} to {MAX_SNOOZE_SECONDS} seconds"
        )
    length = timedelta(seconds=command.seconds)
    reason = f"snoozed by {command.agent.summary} for {human_duration(length)}"
    said = _said(incident, now, command.agent, command.channel, reason)
    events: list[Event] = []
    if incident.status is not Status.ACKNOWLEDGED:
        user_ids = (command.agent.id,) if command.agent.is_user else incident.user_ids
        events.append(_acknowledged(incident, user_ids, ServiceRules(), now, command.agent, command.channel, reason))
    events.append(happened.Snoozed(**said, until=now + length, seconds=command.seconds))
    return Decision(reason, tuple(events), (DropPages(None, reason),))


def _reassign(incident: Incident, command: Reassign, now: datetime) -> Decision:
    if not command.user_ids:
        return _refused(1007, "Assignee Cannot Be Empty", "name at least one user to assign the incident to")
    is_theirs = incident.assigned_via == VIA_DIRECT and set(command.user_ids) == set(incident.user_ids)
    if is_theirs and incident.status is Status.TRIGGERED:
        return _nothing("it is assigned to them directly already")
    reason = f"reassigned by {command.agent.summary}"
    said = _said(incident, now, command.agent, command.channel, reason)
    assigned = happened.Assigned(**said, user_ids=command.user_ids, via=VIA_DIRECT, level=-1)
    events: tuple[Event, ...] = (assigned,)
    if incident.status is Status.ACKNOWLEDGED:
        events = (happened.Unacknowledged(**said), assigned)
    return Decision(reason, events, (DropPages(None, reason), Page(command.user_ids, incident.urgency, reason)))


def _stands_there(incident: Incident, step: Step) -> bool:
    """Whether the incident is where this step would take it, with these people and its time running: asked twice."""
    return (
        isinstance(step, Climb)
        and incident.status is Status.TRIGGERED
        and incident.assigned_via == VIA_POLICY
        and incident.level == step.level
        and (incident.loop == step.loop or step.repeats)  # asked for an empty level, it would go round to where it stands
        and {person.user_id for person in step.people} == set(incident.user_ids)
        and (incident.escalate_at is not None or incident.urgency is Urgency.LOW)
    )


def _delegate(incident: Incident, command: Delegate, now: datetime) -> Decision:
    step = ladders.first(command.ladder)
    if command.policy == incident.policy and _stands_there(incident, step):
        return _nothing(f"it is with the first level of {command.policy.name} already")
    reason = f"handed to {command.policy.name} by {command.agent.summary}"
    said = _said(incident, now, command.agent, command.channel, reason)
    events: list[Event] = []
    if incident.status is Status.ACKNOWLEDGED:
        events.append(happened.Unacknowledged(**said))
    events.append(happened.Delegated(**said, policy=command.policy))
    fresh = replace(incident, policy=command.policy, nobody_reason=None)
    more, effects = _stand_on(fresh, step, incident.urgency, command.rules, now, command.agent, command.channel)
    if not any(isinstance(effect, DropPages) for effect in effects):
        effects = (DropPages(None, reason), *effects)
    return Decision(reason, (*events, *more), effects)


def _escalate(incident: Incident, command: Escalate, now: datetime) -> Decision:
    if incident.urgency is Urgency.LOW and not command.rules.escalates_low_urgency:
        return _refused(
            1006, "Cannot Escalate", "an incident of low urgency does not escalate; raise its urgency first"
        )
    if command.level is not None:
        if not 0 <= command.level < len(command.ladder.rungs):
            return _refused(
                1006, "Cannot Escalate", f"the policy has {len(command.ladder.rungs)} levels, not {command.level + 1}"
            )
        step = ladders.to_level(command.ladder, command.level, loop=incident.loop)
    else:
        step = ladders.following(command.ladder, level=incident.level, loop=incident.loop, ring_tried=0)
    if isinstance(step, Exhausted):
        return _refused(1006, "Cannot Escalate", "there is no further level to escalate to")
    if isinstance(step, Nobody):
        return _refused(
            1015, "Escalation Policy Has No User On Call", f"nobody is on call on any level of {incident.policy.name}"
        )
    if command.level is not None and _stands_there(incident, step):
        if step.repeats:
            return _nothing(f"nobody is on call from level {command.level + 1} on: it stays with those on level {incident.level + 1}")
        return _nothing(f"it is on level {command.level + 1} already")
    why = f"escalated by {command.agent.summary}"
    events, effects = _stand_on(
        incident, step, incident.urgency, command.rules, now, command.agent, command.channel, why=why
    )
    if incident.status is Status.ACKNOWLEDGED:
        said = _said(incident, now, command.agent, command.channel, why)
        events = (happened.Unacknowledged(**said), *events)
    return Decision(why, events, effects)


def _change_urgency(incident: Incident, command: ChangeUrgency, now: datetime) -> Decision:
    if command.urgency is incident.urgency:
        return _nothing(f"its urgency is {incident.urgency.value} already")
    return _urgency_events(
        incident,
        command.urgency,
        command.ladder,
        command.rules,
        now,
        command.agent,
        command.channel,
        command.reason,
    )


def _urgency_events(
    incident: Incident,
    urgency: Urgency,
    ladder: Ladder,
    rules: ServiceRules,
    now: datetime,
    agent: Agent,
    channel: str,
    reason: str,
) -> Decision:
    said = _said(incident, now, agent, channel, reason)
    changed: dict[str, Any] = {"urgency": urgency, "before": incident.urgency}
    if incident.status is Status.ACKNOWLEDGED:
        return Decision(reason, (happened.UrgencyChanged(**said, **changed),))
    if not incident.assignments:  # still looking for somebody: keep looking
        event = happened.UrgencyChanged(**said, **changed, escalate_at=incident.escalate_at)
        return Decision(reason, (event,))
    event = happened.UrgencyChanged(**said, **changed, escalate_at=_clock(incident, urgency, ladder, rules, now))
    return Decision(reason, (event,), (DropPages(None, reason), Page(incident.user_ids, urgency, reason)))


def _change_priority(incident: Incident, command: ChangePriority, now: datetime) -> Decision:
    if command.priority_id == incident.priority_id:
        return _nothing("it has this priority already")
    said = _said(incident, now, command.agent, command.channel, f"{command.agent.summary} set its priority")
    event = happened.PriorityChanged(**said, priority_id=command.priority_id, before=incident.priority_id)
    return Decision(event.reason, (event,))


def _change_field(incident: Incident, command: ChangeField, now: datetime) -> Decision:
    before = {"title": incident.title, "conference_bridge": incident.conference_bridge, "service": incident.service_id}
    if command.name not in before:
        raise ValueError(f"an incident has no plain field '{command.name}'")
    if before[command.name] == command.value:
        return _nothing(f"its {command.name} is this already")
    said = _said(incident, now, command.agent, command.channel, f"{command.agent.summary} changed its {command.name}")
    event = happened.FieldChanged(**said, name=command.name, value=command.value, before=before[command.name])
    return Decision(event.reason, (event,))


def _ask_for_help(incident: Incident, command: AskForHelp, now: datetime) -> Decision:
    if len(incident.requests) >= helpers.REQUESTS_MOST:
        return _refused(2019, "Product Limit Reached", f"an incident holds at most {helpers.REQUESTS_MOST} requests for help")
    reason = f"{command.agent.summary} asks for help: {command.message}"
    said = _said(incident, now, command.agent, command.channel, reason)
    asked: dict[str, Any] = {
        "request_id": command.request_id,
        "requester_id": command.requester_id,
        "message": command.message,
    }
    events: list[Event] = [
        happened.UserAsked(**said, **asked, user_id=user_id)
        for user_id in command.user_ids
        if helpers.state_of(incident.responders, user_id) is not State.JOINED
    ]
    for policy, ladder in command.policies:
        events += _asked_on(incident, ladders.first(ladder), policy, said, asked, is_first=True)
    return _asking(incident, reason, events)


def _asked_on(
    incident: Incident, step: Step, policy: Policy, said: dict[str, Any], asked: dict[str, Any], *, is_first: bool = False
) -> list[Event]:
    """The events of asking whoever is on call where the ladder of a policy that was asked says."""
    if not isinstance(step, Climb) or step.loop:
        why = "nobody on call" if is_first else "no further level with somebody on call"
        in_vain = happened.PolicyAskedInVain(
            **(said | {"reason": f"{policy.name} has {why}"}), request_id=asked["request_id"], policy_id=policy.id
        )
        began = happened.PolicyAsked(**said, **asked, policy=policy, level=-1, user_ids=(), next_at=None)
        return [began, in_vain] if is_first else [in_vain]
    user_ids = tuple(person.user_id for person in step.people)
    is_helped = any(helpers.state_of(incident.responders, user_id) is State.JOINED for user_id in user_ids)
    climbing = happened.PolicyAsked(
        **said, **asked, policy=policy, level=step.level, user_ids=user_ids,
        next_at=None if is_helped else said["at"] + step.delay,
    )  # fmt: skip
    people = [
        happened.UserAsked(**said, **asked, user_id=user_id, policy_id=policy.id, policy_name=policy.name)
        for user_id in user_ids
        if helpers.state_of(incident.responders, user_id) is not State.JOINED
    ]
    return [climbing, *people]


def _asking(incident: Incident, reason: str, events: list[Event]) -> Decision:
    """A decision of these events: those who are asked are paged, from the beginning if they were asked before."""
    user_ids = tuple(dict.fromkeys(event.user_id for event in events if isinstance(event, happened.UserAsked)))
    if not events:
        return _nothing("everybody who is asked has joined already")
    if not user_ids:
        return Decision(reason, tuple(events))
    again = tuple(one for one in user_ids if helpers.state_of(incident.responders, one) is State.PENDING)
    effects: tuple[Effect, ...] = (AskHelp(user_ids, reason),)
    if again:
        effects = (DropRequests(again, "they are asked anew"), *effects)
    return Decision(reason, tuple(events), effects)


def _ask_further(incident: Incident, command: TimerFired, now: datetime) -> Decision:
    """The time of a level of a policy that was asked is over, and nobody joined."""
    events: list[Event] = []
    for walk in incident.walks:
        if walk.next_at > now:
            continue
        reason = f"nobody joined on level {walk.level + 1} of {walk.policy.name} in time: {walk.message}"
        said = _said(incident, now, TOCSIN, "timeout", reason)
        asked = {"request_id": walk.request_id, "requester_id": walk.requester_id, "message": walk.message}
        ladder = command.asked.get(walk.policy.id)
        step: Step = Exhausted(())
        if ladder is not None:
            step = ladders.following(ladder, level=walk.level, loop=0, ring_tried=0)
        events += _asked_on(incident, step, walk.policy, said, asked)
    return _asking(incident, "the next level is asked to help", events)


def _answer_request(incident: Incident, command: AnswerRequest, now: datetime) -> Decision:
    agent = command.agent
    mine = next((one for one in incident.responders if one.user_id == agent.id and agent.is_user), None)
    if mine is None:
        return _refused(2001, "Invalid Input Provided", f"{agent.summary} was not asked to help with this incident")
    if mine.state is State.CANCELLED:
        return _refused(2001, "Invalid Input Provided", "this request for help was cancelled")
    if mine.state is (State.JOINED if command.joins else State.DECLINED):
        return _nothing(f"{agent.summary} has {mine.state.value} already")
    word, kind = ("joined", happened.ResponderJoined) if command.joins else ("declined", happened.ResponderDeclined)
    reason = f"{agent.summary} {word}"
    said = _said(incident, now, agent, command.channel, reason)
    event = kind(**said, request_id=mine.request_id, user_id=agent.id, message=mine.message)
    return Decision(reason, (event,), (DropRequests((agent.id,), reason),))


def _cancel_requests(incident: Incident, command: CancelRequests, now: datetime) -> Decision:
    through = {
        one.user_id for one in incident.responders if {policy_id for policy_id, _ in one.policies} & set(command.policy_ids)
    }
    user_ids = tuple(
        one.user_id
        for one in incident.responders
        if one.state is State.PENDING and one.user_id in through.union(command.user_ids)
    )
    policy_ids = tuple(dict.fromkeys(walk.policy.id for walk in incident.walks if walk.policy.id in command.policy_ids))
    if not user_ids and not policy_ids:
        return _nothing("nobody of them is asked any more")
    reason = f"{command.agent.summary} cancelled the request for help"
    said = _said(incident, now, command.agent, command.channel, reason)
    event = happened.RequestsCancelled(**said, user_ids=user_ids, policy_ids=policy_ids)
    return Decision(reason, (event,), (DropRequests(user_ids, reason),) if user_ids else ())


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


def _change_type(incident: Incident, command: ChangeType, now: datetime) -> Decision:
    if command.name == incident.type_name:
        return _nothing(f"it is of the type {incident.type_name} already")
    reason = f"{command.agent.summary} changed its type to {command.name}"
    said = _said(incident, now, command.agent, command.channel, reason)
    fresh = {field_id: value for field_id, value in command.defaults.items() if field_id not in incident.values}
    event = happened.TypeChanged(**said, name=command.name, before=incident.type_name, values=fresh)
    return Decision(reason, (event,))


def _change_values(incident: Incident, command: ChangeValues, now: datetime) -> Decision:
    changes = tuple(
        replace(one, before=incident.values.get(one.id))
        for one in command.changes
        if not _is_same(incident.values.get(one.id), one.value)
    )
    if not changes:
        return _nothing("its fields have these values already")
    reason = f"{command.agent.summary} set {', '.join(one.display_name for one in changes)}"
    said = _said(incident, now, command.agent, command.channel, reason)
    return Decision(reason, (happened.ValuesChanged(**said, changes=changes),))


def _is_same(one: object, other: object) -> bool:
    """Whether two values are the same on the wire, where `true` is not 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _take_alerts(incident: Incident, command: TakeAlerts, now: datetime) -> Decision:
    if incident.alerts_total + command.count > MAX_ALERTS:
        return _refused(2019, "Product Limit Reached", f"an incident holds at most {MAX_ALERTS} alerts")
    reason = f"{command.count} alerts came from #{command.from_number}"
    said = _said(incident, now, command.agent, command.channel, reason)
    event = happened.AlertsMoved(**said, count=command.count, open_count=command.open_count, other_id=command.from_id)
    return Decision(reason, (event,))


def _give_alerts(incident: Incident, command: GiveAlerts, now: datetime) -> Decision:
    reason = f"{command.count} alerts went to #{command.to_number}"
    said = _said(incident, now, command.agent, command.channel, reason)
    moved = happened.AlertsMoved(**said, count=-command.count, open_count=-command.open_count, other_id=command.to_id)
    if incident.is_open and incident.alerts_total > 0 and incident.alerts_open - command.open_count <= 0:
        over = _resolve(incident, now, command.agent, command.channel, "none of its alerts is open any more")
        return Decision(reason, (moved, *over.events), (DropPages(None, reason),))
    return Decision(reason, (moved,))


def _timer_fired(incident: Incident, command: TimerFired, now: datetime) -> Decision:
    if pending(incident).get(command.timer) != command.due_at:
        return _nothing("this timer was set for something that is no longer so")
    match command.timer:
        case Timer.RESOLVE:
            return _resolve(incident, now, TOCSIN, "timeout", "open for longer than its service's auto-resolve time")
        case Timer.UNACKNOWLEDGE:
            reason = "its snooze is over" if incident.is_snoozed else "the acknowledgement ran out"
            return _unacknowledge(incident, command.ladder, command.rules, now, TOCSIN, "timeout", reason)
        case Timer.ASK_FURTHER:
            return _ask_further(incident, command, now)
        case Timer.ESCALATE:
            if incident.level < 0 or incident.nobody_reason:  # law 6: whoever is on call by now, from the first level
                step, why = ladders.first(command.ladder), ""
            else:
                step = ladders.following(
                    command.ladder,
                    level=incident.level,
                    loop=incident.loop,
                    ring_tried=incident.ring_tried,
                    holders=incident.user_ids,
                )
                why = f"nobody acknowledged on level {incident.level + 1} in time"
            events, effects = _stand_on(
                incident, step, incident.urgency, command.rules, now, TOCSIN, "timeout", why=why
            )
            return Decision(why or "looking again for somebody on call", events, effects)
        case _:
            assert_never(command.timer)


# --- What it is afterwards -------------------------------------------------------------------------------------------


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
