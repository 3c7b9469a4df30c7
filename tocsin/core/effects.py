"""Everything a rule may ask the shell to do. Timers are not here: they are read off the state (`incident.pending`)."""

from dataclasses import dataclass

from tocsin.core.events import Urgency


@dataclass(frozen=True, slots=True)
class Page:
    """Reach these people by their rules for this urgency, counting from now."""

    user_ids: tuple[str, ...]
    urgency: Urgency
    reason: str


@dataclass(frozen=True, slots=True)
class DropPages:
    """Do not send what is still owed to these people (None: to anybody) for the incident."""

    user_ids: tuple[str, ...] | None
    reason: str


@dataclass(frozen=True, slots=True)
class LastResort:
    """Tell the account's last-resort people."""

    reason: str


@dataclass(frozen=True, slots=True)
class AdvanceTurn:
    """A round-robin level has used the turn of this target: the next incident begins with the one after it."""

    rule_id: str
    target_id: str


@dataclass(frozen=True, slots=True)
class ResolveAlerts:
    """Resolve every open alert of the incident with it."""

    reason: str


@dataclass(frozen=True, slots=True)
class AskHelp:
    """Ask these people to help, by their rules for high urgency, until they answer."""

    user_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class DropRequests:
    """Ask these people (None: anybody) no further to help."""

    user_ids: tuple[str, ...] | None
    reason: str


Effect = Page | DropPages | LastResort | AdvanceTurn | ResolveAlerts | AskHelp | DropRequests
