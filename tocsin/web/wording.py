"""What happened, in the words of the pages: one line, one icon and one colour for each event of the log."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tocsin.base.times import human_duration
from tocsin.core import events as happened
from tocsin.core.events import Event
from tocsin.service.browsing import Names


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a timeline. `tone` is a state colour or empty; `more` is somebody's own words; `reason` is left out where it says the same."""

    icon: str
    words: str
    tone: str = ""
    more: str = ""
    reason: str = ""


OUTCOMES = {
    "accepted": "handed over",
    "delivered": "arrived",
    "refused": "refused",
    "unreachable": "not reached",
    "unknown": "unclear",
}
"""The provider's answers in words."""

KINDS = {"email": "e-mail", "sms": "SMS", "phone": "a call", "webhook": "webhook", "ntfy": "ntfy", "push": "push"}
"""Channels in the middle of a sentence."""

OUTBOX_STATES = {"due": "to be sent", "sending": "on its way", "sent": "sent", "failed": "failed", "dropped": "not sent"}


def _people(names: Names, user_ids: tuple[str, ...]) -> str:
    return " and ".join(names(user_id) for user_id in user_ids) or "nobody"


_SELF_EVIDENT = (
    happened.Annotated, happened.PriorityChanged, happened.FieldChanged, happened.StatusUpdatePublished, happened.UserAsked,
    happened.PolicyAsked, happened.ResponderJoined, happened.ResponderDeclined, happened.RequestsCancelled, happened.TypeChanged,
    happened.ValuesChanged,
)  # fmt: skip


def line(event: Event, names: Names) -> Line:
    """The line for an event, with the reason of what it says."""
    said = _line(event, names)
    is_plain = isinstance(event, _SELF_EVIDENT) or event.reason.casefold() == said.words.casefold()
    return said if is_plain else replace(said, reason=event.reason)


def _line(event: Event, names: Names) -> Line:  # noqa: C901 - one flat case a kind of event
    who = event.agent.summary
    match event:
        case happened.Triggered():
            return Line("siren", f"Triggered by {who}", "triggered")
        case happened.AlertJoined():
            return Line("plus", "Another alert joined", more=event.summary)
        case happened.TriggeredAgain():
            return Line("siren", "Triggered again", more=event.summary)
        case happened.AlertResolved():
            return Line("check", "An alert is over", more=event.summary)
        case happened.AlertsMoved():
            way = "came from" if event.count > 0 else "went to"
            return Line("merge", f"{abs(event.count)} alerts {way} another incident")
        case happened.Assigned():
            level = f", level {event.level + 1}" if event.via == "escalation_policy" else " by hand"
            return Line("user-round", f"Assigned to {_people(names, event.user_ids)}{level}")
        case happened.Escalated():
            return Line("chevrons-up", f"Escalated to {_people(names, event.user_ids)}, level {event.level + 1}", "triggered")
        case happened.Delegated():
            return Line("route", f"Handed to {event.policy.name} by {who}")
        case happened.PolicyRepeated():
            return Line("history", f"The policy begins again, round {event.loop + 1}")
        case happened.PolicyExhausted():
            return Line("x", "The policy has ended", "triggered")
        case happened.LevelSkipped():
            return Line("chevron-right", f"Level {event.level + 1} stepped over")
        case happened.NobodyOnCall():
            return Line("wifi-off", "Nobody is on call", "triggered")
        case happened.Acknowledged():
            return Line("check", f"Acknowledged by {who}", "acknowledged")
        case happened.Unacknowledged():
            return Line("siren", "Triggered once more", "triggered")
        case happened.Snoozed():
            return Line("alarm-clock", f"Snoozed by {who} for {_length(event.seconds)}", "acknowledged")
        case happened.Resolved():
            return Line("check-check", f"Resolved by {who}", "resolved", event.resolution or "")
        case happened.Reopened():
            return Line("history", f"Opened again by {who}", "triggered")
        case happened.UrgencyChanged():
            return Line("gauge", f"Urgency {event.before.value} → {event.urgency.value}")
        case happened.PriorityChanged():
            return Line("flag", f"Priority set by {who}" if event.priority_id else f"Priority taken off by {who}")
        case happened.FieldChanged():
            return Line("pencil", f"{event.name.replace('_', ' ').capitalize()} changed by {who}")
        case happened.Annotated():
            return Line("message-square", f"{who} noted", more=event.content)
        case happened.StatusUpdatePublished():
            return Line("send", f"{who} told the subscribers", more=event.message)
        case happened.UserAsked():
            through = f" through {event.policy_name}" if event.policy_name else ""
            return Line("users-round", f"{names(event.user_id)} asked to help{through}, by {who}", more=event.message)
        case happened.PolicyAsked():
            where = f", level {event.level + 1}" if event.level >= 0 else ""
            return Line("users-round", f"{event.policy.name} asked to help{where}, by {who}")
        case happened.PolicyAskedInVain():
            return Line("wifi-off", "Nobody further to ask to help")
        case happened.ResponderJoined():
            return Line("check", f"{who} joined", "acknowledged")
        case happened.ResponderDeclined():
            return Line("x", f"{who} declined to help")
        case happened.RequestsCancelled():
            return Line("x", f"{_people(names, event.user_ids)} no longer asked to help, by {who}")
        case happened.TypeChanged():
            return Line("pencil", f"Type changed to {event.name} by {who}")
        case happened.ValuesChanged():
            changed = "; ".join(f"{one.display_name}: {field_words(one.value)}" for one in event.changes)
            return Line("pencil", f"Fields set by {who}", more=changed)
        case happened.Notified():
            kind = KINDS.get(event.kind, event.kind)
            outcome = OUTCOMES.get(event.outcome, event.outcome)
            is_bad = event.outcome in {"refused", "unreachable"}
            return Line("bell-ring", f"{names(event.user_id)} paged by {kind}: {outcome}", "triggered" if is_bad else "")
        case happened.PersonUnreachable():
            return Line("wifi-off", f"{names(event.user_id)} could not be reached", "triggered")
        case happened.LastResortPaged():
            return Line("bell-ring", f"Last resort: {_people(names, event.user_ids)}", "triggered")
        case _:
            return Line("circle-question-mark", type(event).__name__)


def field_words(value: object) -> str:
    """The value of a field in words."""
    if value is None or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def _length(seconds: int) -> str:
    return human_duration(timedelta(seconds=seconds))
