"""Moving in from another system: what is wanted here of what was found there, and the account of everything that was read.

Laws:
1. Nothing is dropped silently: of each kind, what was read is what is carried and what is left, each with a reason and what
   to do by hand. `Account.check` raises when the sums do not agree.
2. What is wanted refers to other things by the ids of the system it came from; who keeps it finds ours.
3. Who is on call is compared by instants, not by entries: two lists are the same when the same people hold each instant.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from tocsin.base.times import Span
from tocsin.core.rotation import Restriction

USER, METHOD, RULE, TEAM, MEMBER = "user", "contact method", "notification rule", "team", "membership"
SCHEDULE, LAYER, ROTATION, OVERRIDE, SHIFT = "schedule", "schedule layer", "rotation", "override", "single shift"
POLICY, LEVEL, SERVICE, WAY, WINDOW = "escalation policy", "escalation level", "service", "integration", "maintenance window"
PRIORITY = "priority"

ORDER: Final = (
    PRIORITY, USER, METHOD, RULE, TEAM, MEMBER, SCHEDULE, LAYER, ROTATION, OVERRIDE, SHIFT, POLICY, LEVEL, SERVICE, WAY, WINDOW,
)  # fmt: skip
"""Kinds in the order in which they are made: what is referred to comes first."""


# ---------------------------------------------------------------------------------------------------------- what is wanted


@dataclass(frozen=True, slots=True)
class WantedUser:
    """A person. `own_methods`: whether the source said how they are reached; if not, they get what everybody new gets."""

    id: str
    name: str
    email: str
    role: str = "user"
    time_zone: str | None = None
    color: str | None = None
    job_title: str | None = None
    description: str | None = None
    own_methods: bool = False
    kind = USER


@dataclass(frozen=True, slots=True)
class WantedMethod:
    """A way to reach somebody."""

    id: str
    user: str
    channel: str
    label: str
    address: str
    country_code: int | None = None
    kind = METHOD

    @property
    def name(self) -> str:
        return f"{self.channel} of {self.user}"


@dataclass(frozen=True, slots=True)
class WantedRule:
    """So many minutes after an incident of this urgency is theirs, somebody is told this way."""

    id: str
    user: str
    method: str
    minutes: int
    urgency: str
    kind = RULE

    @property
    def name(self) -> str:
        return f"{self.urgency} after {self.minutes} min of {self.user}"


@dataclass(frozen=True, slots=True)
class WantedTeam:
    """A team."""

    id: str
    name: str
    description: str | None = None
    kind = TEAM


@dataclass(frozen=True, slots=True)
class WantedMember:
    """Somebody in a team. `role` None: the one that fits."""

    id: str
    team: str
    user: str
    role: str | None = None
    kind = MEMBER

    @property
    def name(self) -> str:
        return f"{self.user} in {self.team}"


@dataclass(frozen=True, slots=True)
class WantedLayer:
    """A layer of turns, as PagerDuty's v2 has it: turn 0 begins at `virtual_start`, which fixes its phase."""

    id: str
    name: str
    start: datetime
    virtual_start: datetime
    turn_seconds: int
    users: tuple[str, ...]
    restrictions: tuple[Restriction, ...] = ()
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class WantedEvent:
    """Shifts by a recurrence: `start` to `end` is the first; `members` take turns, or all of them have each shift."""

    name: str
    start: datetime
    end: datetime
    time_zone: str
    recurrence: tuple[str, ...]
    members: tuple[str | None, ...]
    since: datetime
    until: datetime | None = None
    everybody: bool = False
    shifts_per_member: int = 1


@dataclass(frozen=True, slots=True)
class WantedRotation:
    """Events that do not count at the same time, under one name."""

    id: str
    events: tuple[WantedEvent, ...]


@dataclass(frozen=True, slots=True)
class WantedSchedule:
    """A schedule: layers (lowest first; the highest wins), or rotations (all of them together), or a calendar it follows."""

    id: str
    name: str
    time_zone: str
    description: str | None = None
    team: str | None = None
    layers: tuple[WantedLayer, ...] = ()
    rotations: tuple[WantedRotation, ...] = ()
    has_rotations: bool = False
    calendar: str | None = None
    kind = SCHEDULE


@dataclass(frozen=True, slots=True)
class WantedOverride:
    """One person in place of whoever a schedule says; of a rotation's member when `rotation` names one (`instead` of them).

    everyone  of that rotation, or of all of the schedule's when it names none, whoever is on call makes way
    """

    id: str
    schedule: str
    start: datetime
    end: datetime
    user: str | None
    rotation: str | None = None
    instead: str | None = None
    everyone: bool = False
    kind = OVERRIDE

    @property
    def name(self) -> str:
        return f"from {self.start:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class WantedShift:
    """Somebody on call once, beside whoever else is."""

    id: str
    schedule: str
    start: datetime
    end: datetime
    user: str | None
    kind = SHIFT

    @property
    def name(self) -> str:
        return f"from {self.start:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class WantedLevel:
    """A level of a policy. `targets` are pairs of `user` or `schedule` and an id there."""

    minutes: int
    targets: tuple[tuple[str, str], ...]
    round_robin: bool = False


@dataclass(frozen=True, slots=True)
class WantedPolicy:
    """An escalation policy."""

    id: str
    name: str
    levels: tuple[WantedLevel, ...]
    description: str | None = None
    loops: int = 0
    handoffs: str = "if_has_services"
    team: str | None = None
    kind = POLICY


@dataclass(frozen=True, slots=True)
class WantedService:
    """A service; `columns` are further settings by the names that services have them under."""

    id: str
    name: str
    policy: str
    description: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    kind = SERVICE


@dataclass(frozen=True, slots=True)
class WantedWay:
    """A way into a service. With `key`, senders need not change what they send with."""

    id: str
    service: str
    name: str
    type: str
    vendor: str | None = None
    email: str | None = None
    key: str | None = field(default=None, repr=False)
    kind = WAY


@dataclass(frozen=True, slots=True)
class WantedWindow:
    """A maintenance window that is not over."""

    id: str
    start: datetime
    end: datetime
    services: tuple[str, ...]
    description: str = ""
    kind = WINDOW

    @property
    def name(self) -> str:
        return self.description or f"from {self.start:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class WantedPriority:
    """A priority; they come most severe first."""

    id: str
    name: str
    color: str
    kind = PRIORITY


Wanted = (
    WantedUser | WantedMethod | WantedRule | WantedTeam | WantedMember | WantedSchedule | WantedOverride | WantedShift
    | WantedPolicy | WantedService | WantedWay | WantedWindow | WantedPriority
)  # fmt: skip


def parts(wanted: Wanted) -> dict[str, int]:
    """How many parts of which kinds stand and fall with a thing."""
    if isinstance(wanted, WantedSchedule):
        found = {LAYER: len(wanted.layers), ROTATION: len(wanted.rotations)}
        return {kind: number for kind, number in found.items() if number}
    return {LEVEL: len(wanted.levels)} if isinstance(wanted, WantedPolicy) and wanted.levels else {}


# ------------------------------------------------------------------------------------------------------------- the account


@dataclass(frozen=True, slots=True)
class Left:
    """Something that is not carried: why, and what to do by hand. `count`: how many of its kind it stands for."""

    kind: str
    id: str
    name: str
    why: str
    by_hand: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is carried, and is not all that it was: what is different, and what to do by hand."""

    kind: str
    id: str
    name: str
    what: str
    by_hand: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody on call from `start` to `end`, as the source says itself. `user` None: on purpose nobody."""

    start: datetime
    end: datetime
    user: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """Who the source says is on call on a schedule over `span`: what ours is compared with."""

    schedule: str
    span: Span
    held: tuple[Held, ...]


class Unbalanced(Exception):
    """Something that was read is neither carried nor left: a fault of ours, so nothing is kept."""


@dataclass(slots=True)
class Account:
    """Everything that was read of a source, and what becomes of it."""

    source: str
    wanted: list[Wanted] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def want(self, wanted: Wanted) -> None:
        """Take one thing in."""
        self.wanted.append(wanted)

    def read(self, kind: str, number: int = 1) -> None:
        """So many things of this kind were found."""
        self.found[kind] += number

    def leave(self, kind: str, id_: str, name: str, why: str, by_hand: str = "", *, count: int = 1) -> None:
        """Leave something that was read."""
        if count:
            self.left.append(Left(kind, id_, name, why, by_hand, count))

    def remark(self, kind: str, id_: str, name: str, what: str, by_hand: str = "") -> None:
        """Say what is different about something that is carried."""
        self.remarks.append(Remark(kind, id_, name, what, by_hand))

    def take(self, other: "Account") -> None:
        """Take in all of another account, read of the same source."""
        self.wanted += other.wanted
        self.found.update(other.found)
        self.left += other.left
        self.remarks += other.remarks
        self.said += other.said

    def carried(self) -> Counter[str]:
        """How many of each kind are wanted, parts too."""
        counted: Counter[str] = Counter()
        for one in self.wanted:
            counted[one.kind] += 1
            counted.update(parts(one))
        return counted

    def check(self, more: Iterable[Left] = ()) -> None:
        """Law 1; `more` was left on the way in, of what was wanted. Raises Unbalanced."""
        check(self.found, self.carried(), self.left)
        wanted = self.carried()
        for one in more:
            if one.count > wanted[one.kind]:
                raise Unbalanced(f"more of the kind {one.kind} was left than was wanted")
            wanted[one.kind] -= one.count


def check(found: Mapping[str, int], carried: Mapping[str, int], left: Iterable[Left]) -> None:
    """Law 1. Raises Unbalanced, naming each kind whose sums do not agree."""
    gone: Counter[str] = Counter()
    for one in left:
        gone[one.kind] += one.count
    wrong = [
        f"{kind}: {found.get(kind, 0)} read, {carried.get(kind, 0)} carried, {gone[kind]} left"
        for kind in sorted({*found, *carried, *gone})
        if found.get(kind, 0) != carried.get(kind, 0) + gone[kind]
    ]
    if wrong:
        raise Unbalanced("; ".join(wrong))


# -------------------------------------------------------------------------------------------------------------- comparing


@dataclass(frozen=True, slots=True)
class Difference:
    """From `start` to `end` these people are on call there and those here."""

    start: datetime
    end: datetime
    there: tuple[str, ...]
    here: tuple[str, ...]


def differences(there: Sequence[Held], here: Sequence[Held], span: Span) -> list[Difference]:
    """Where two lists of who is on call disagree within `span`, neighbours with the same answer joined (law 3)."""
    edges = {span.start, span.end}
    for one in (*there, *here):
        edges |= {edge for edge in (one.start, one.end) if span.start < edge < span.end}
    cuts = sorted(edges)
    at_start = [_by_cut(side, cuts) for side in (there, here)]
    found: list[Difference] = []
    for number, (start, end) in enumerate(pairwise(cuts)):
        theirs, ours = (tuple(sorted(side[number])) for side in at_start)
        if theirs == ours:
            continue
        last = found[-1] if found else None
        if last is not None and last.end == start and (last.there, last.here) == (theirs, ours):
            found[-1] = Difference(last.start, end, theirs, ours)
        else:
            found.append(Difference(start, end, theirs, ours))
    return found


def _by_cut(side: Sequence[Held], cuts: Sequence[datetime]) -> list[set[str]]:
    """The people of each stretch between two cuts."""
    place = {cut: number for number, cut in enumerate(cuts)}
    people: list[set[str]] = [set() for _ in cuts]
    for one in side:
        if one.user is None or one.end <= cuts[0] or one.start >= cuts[-1]:
            continue
        first, last = place[max(one.start, cuts[0])], place[min(one.end, cuts[-1])]
        for number in range(first, last):
            people[number].add(one.user)
    return people
