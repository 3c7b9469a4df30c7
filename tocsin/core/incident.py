"""The life of an incident: what is asked (`Command`), what then happens (`decide`), and what it is afterwards (`evolve`).

Laws (BEHAVIOUR 3.1 and 4; DESIGN 3.5, 5 and 6):
1. `decide` is the only place where the life of an incident is decided; `incident_state.evolve` only folds what it decided.
2. No timer is set: what is pending is read off the state (`incident_state.pending`).
3. A timer carries the instant it was set for; one that no longer agrees with the state decides to nothing.
4. Saying the same thing twice is harmless: it decides to nothing, with the reason.
5. Nobody is paged for an incident that is acknowledged or resolved: every way there drops what is still owed.
6. An incident nobody is on call for exists, is loud, and looks for somebody again and again.
7. The policy is the one the incident started with, whatever becomes of it later.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from tocsin.base.errors import Refusal
from tocsin.base.times import human_duration
from tocsin.core import escalation as ladders
from tocsin.core import events as happened
from tocsin.core import responders as helpers
from tocsin.core.effects import AdvanceTurn, AskHelp, DropPages, DropRequests, Effect, LastResort, Page, ResolveAlerts
from tocsin.core.escalation import Climb, Exhausted, Ladder, Nobody, Policy, Step
from tocsin.core.events import TOCSIN, Agent, Event, Status, Urgency
from tocsin.core.incident_commands import (
    Acknowledge,
    Annotate,
    AnswerRequest,
    AskForHelp,
    CancelRequests,
    ChangeField,
    ChangePriority,
    ChangeType,
    ChangeUrgency,
    ChangeValues,
    Command,
    Delegate,
    EndAlert,
    Escalate,
    GiveAlerts,
    JoinAlert,
    MergeInto,
    Open,
    PublishStatusUpdate,
    Reassign,
    Reopen,
    RepeatAlert,
    Resolve,
    Snooze,
    TakeAlerts,
    TimerFired,
    Unacknowledge,
)
from tocsin.core.incident_state import (
    MAX_ALERTS,
    MAX_SNOOZE_SECONDS,
    MAX_TITLE,
    MIN_SNOOZE_SECONDS,
    VIA_DIRECT,
    VIA_POLICY,
    Incident,
    ServiceRules,
    Timer,
    pending,
)
from tocsin.core.responders import State


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
