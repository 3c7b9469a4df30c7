"""Who was asked to help with an incident, how they answered, and how a policy that was asked is climbed (BEHAVIOUR 3.1).

Laws:
1. A person is asked once at a time: asked again, the new request stands in the place of the old one, unless they joined.
2. A policy that was asked is climbed level by level, once, until somebody asked through it joins or it is cancelled.
3. Everybody on a level declined: its time is over at once.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from tocsin.core.escalation import Policy

TARGETS_MOST: Final = 50
"""Targets of one request."""
REQUESTS_MOST: Final = 200
"""Requests of one incident."""
MESSAGE_MOST: Final = 2000


class State(StrEnum):
    """How a request to a person stands, in PagerDuty's words."""

    PENDING = "pending"
    JOINED = "joined"
    DECLINED = "declined"
    CANCELLED = "user_cancelled"


@dataclass(frozen=True, slots=True)
class Responder:
    """Somebody who was asked. `policies`: (id, name) of those through which they were."""

    user_id: str
    state: State
    request_id: str
    requester_id: str
    message: str
    requested_at: datetime
    updated_at: datetime
    policies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One request for help. `targets`: (user or escalation_policy, id, name of the policy)."""

    id: str
    requester_id: str
    message: str
    at: datetime
    targets: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Walk:
    """A policy that was asked, and the level it has got to; `asked` are all so far, `on_level` those of this level."""

    request_id: str
    requester_id: str
    message: str
    policy: Policy
    level: int
    asked: tuple[str, ...]
    on_level: tuple[str, ...]
    next_at: datetime


def state_of(responders: Collection[Responder], user_id: str) -> State | None:
    """How this person answered; None for one who was not asked."""
    return next((one.state for one in responders if one.user_id == user_id), None)


def with_target(requests: tuple[Request, ...], request: Request, target: tuple[str, str, str]) -> tuple[Request, ...]:
    """The requests, `request` (known by its id) naming this target too."""
    known = next((one for one in requests if one.id == request.id), None)
    if known is None:
        return (*requests, replace(request, targets=(target,)))
    if target in known.targets:
        return requests
    return tuple(replace(one, targets=(*one.targets, target)) if one.id == request.id else one for one in requests)


def with_asked(responders: tuple[Responder, ...], asked: Responder) -> tuple[Responder, ...]:
    """The responders, this person asked anew (law 1); their place in the list stays."""
    known = next((one for one in responders if one.user_id == asked.user_id), None)
    if known is None:
        return (*responders, asked)
    if known.state is State.JOINED:
        return responders
    policies = tuple(dict.fromkeys((*known.policies, *asked.policies)))
    fresh = replace(asked, policies=policies)
    return tuple(fresh if one.user_id == asked.user_id else one for one in responders)


def with_state(
    responders: tuple[Responder, ...], user_ids: Collection[str], state: State, at: datetime
) -> tuple[Responder, ...]:
    """The responders, these people having answered (or having been let go) at this instant."""
    return tuple(replace(one, state=state, updated_at=at) if one.user_id in user_ids else one for one in responders)


def after_joining(walks: tuple[Walk, ...], user_id: str) -> tuple[Walk, ...]:
    """Nobody further is asked through a policy once somebody asked through it joins (law 2)."""
    return tuple(walk for walk in walks if user_id not in walk.asked)


def after_declining(walks: tuple[Walk, ...], responders: Collection[Responder], at: datetime) -> tuple[Walk, ...]:
    """A level on which everybody declined has had its time (law 3)."""
    return tuple(
        replace(walk, next_at=min(walk.next_at, at))
        if walk.on_level and all(state_of(responders, user_id) is State.DECLINED for user_id in walk.on_level)
        else walk
        for walk in walks
    )


def next_at(walks: Collection[Walk]) -> datetime | None:
    """When somebody further is asked by itself; None: nobody is."""
    return min((walk.next_at for walk in walks), default=None)


def fate_if_cancelled(
    responders: Collection[Responder], walks: Collection[Walk], kind: str, id_: str
) -> str:
    """What cancelling the request to this target (`user` or `escalation_policy`) comes to: PagerDuty's four words."""
    if kind == "user":
        states = [one.state for one in responders if one.user_id == id_]
    else:
        states = [one.state for one in responders if any(policy_id == id_ for policy_id, _ in one.policies)]
        if any(walk.policy.id == id_ for walk in walks) and State.JOINED not in states:
            return "cancelled"
    if State.JOINED in states:
        return "joined"
    if State.PENDING in states:
        return "cancelled"
    return "declined" if State.DECLINED in states else "not_found"
