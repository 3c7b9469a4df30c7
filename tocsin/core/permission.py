"""Who may do what: the one answer, for the API, the pages, chat and mail alike.

Laws:
1. `may` is pure and always says why, allowed or not.
2. A read-only key never changes anything, whoever owns it.
3. A team role adds to the base role for that team's things; it never takes away (stakeholders stay stakeholders).
4. Who has no base access, and who is no member of a private team, does not learn that its things exist.
Roles: PagerDuty's (BEHAVIOUR 6); who may do what: BEHAVIOUR 3.1 "Who".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from tocsin.core.events import TOCSIN, Agent


class Level(IntEnum):
    """How far somebody's power over a thing reaches; each level has all of the lower ones."""

    NONE = 0
    OBSERVER = 1
    RESPONDER = 2
    MANAGER = 3
    ADMIN = 4
    OWNER = 5

    @property
    def words(self) -> str:
        return {0: "no access", 1: "Observer", 2: "Responder", 3: "Manager", 4: "Global Admin", 5: "Account Owner"}[self]


BASE_ROLES: Final[Mapping[str, Level]] = {
    "owner": Level.OWNER,
    "admin": Level.ADMIN,
    "user": Level.MANAGER,
    "limited_user": Level.RESPONDER,
    "observer": Level.OBSERVER,
    "restricted_access": Level.NONE,
    "read_only_user": Level.OBSERVER,
    "read_only_limited_user": Level.OBSERVER,
}
"""PagerDuty's base roles, as `user.role` names them, and what they amount to."""

STAKEHOLDERS: Final = frozenset({"read_only_user", "read_only_limited_user"})
"""Roles that look on and never act, whatever team they are in."""

TEAM_ROLES: Final[Mapping[str, Level]] = {
    "manager": Level.MANAGER,
    "responder": Level.RESPONDER,
    "observer": Level.OBSERVER,
}

DEFAULT_TEAM_ROLE: Final[Mapping[str, str]] = {"limited_user": "responder", "observer": "observer"}
"""The team role a member gets when none is named, by base role; `manager` for the others (BEHAVIOUR 6)."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in whose name an account key acts (the `From` header)."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever asks: a user (by key, session, chat or mail), an account key, or the house itself.

    `role` is a base role; an account key has `admin`. `teams` maps team ids to team roles. `hidden_teams` are the
    private teams this actor is no member of. `method` is how it came: browser, api_token, oauth, mail, sms …
    """

    kind: str  # user | api_key | house
    id: str
    name: str
    email: str = ""
    role: str = "user"
    teams: Mapping[str, str] = field(default_factory=dict)
    hidden_teams: frozenset[str] = frozenset()
    is_read_only: bool = False
    key_last_four: str | None = None
    method: str = "other"
    on_behalf: Person | None = None

    @property
    def base(self) -> Level:
        return BASE_ROLES.get(self.role, Level.NONE)

    @property
    def user_id(self) -> str | None:
        """The user who acts, if a user it is: the key's owner, or the one an account key acts for."""
        if self.kind == "user":
            return self.id
        return self.on_behalf.id if self.on_behalf else None

    @property
    def agent(self) -> Agent:
        """What log entries name."""
        if self.on_behalf is not None:
            return Agent("user_reference", self.on_behalf.id, self.on_behalf.name)
        if self.kind == "house":
            return TOCSIN
        return Agent(f"{self.kind}_reference", self.id, self.name)


HOUSE: Final = Actor(kind="house", id="TOCSIN", name="Tocsin", role="owner", method="other")
"""The system itself: set-up, demonstration data, the command line."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What is asked about: its kind (`service`, `incident` …), the teams it belongs to, the person it belongs to."""

    kind: str
    id: str = ""
    teams: frozenset[str] = frozenset()
    owner_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer and its reason. `is_visible` is False when the actor must not even learn that the thing exists."""

    allowed: bool
    reason: str
    is_visible: bool = True


READ, CREATE, UPDATE, DELETE = "read", "create", "update", "delete"
RESPOND: Final = "respond"
"""Acting on incidents and alerts: trigger, acknowledge, resolve, snooze, escalate, reassign, note, merge."""
READ_KEY: Final = "read_key"
"""Being shown what opens a thing (the key of a way into a service): for those who may change it, by a read-only key too."""
ASSIGN_ROLE: Final = "assign_role"
"""Giving a user another base role."""

OPEN_KINDS: Final = frozenset({"user", "team", "priority", "ability", "license", "vendor", "account", "schedule_preview"})
"""Kinds everybody who is known here may read, even without base access: names of colleagues and plain facts."""

RESPONDER_KINDS: Final = frozenset({"incident", "alert", "note", "override", "custom_shift", "swap", "maintenance_window", "change_event"})
"""What a Responder may create and change; all else is configuration and takes a Manager."""

ACCOUNT_KINDS: Final = frozenset({"user", "priority", "license", "account", "oauth_client", "scim_token", "webhook_oauth_client"})
"""What only Global Admins and the Account Owner may create, change or delete."""

PERSONAL_KINDS: Final = frozenset(
    {"contact_method", "notification_rule", "oncall_handoff_notification_rule", "status_update_notification_rule", "notification_subscription", "session", "api_key"},
)
"""What belongs to one person, who may change it whatever the role."""

ADMIN_READ_KINDS: Final = frozenset({"audit_record", "api_key", "session", "oauth_client", "scim_token", "webhook_oauth_client"})
"""What only Global Admins and the Account Owner may look at, besides the person it belongs to."""

MANAGER_READ_KINDS: Final = frozenset({"rota_load"})
"""What only Managers and above may look at, besides the people it is about."""


def level(actor: Actor, thing: Thing) -> Level:
    """How far the actor's power over this thing reaches: the base role, or a role in one of its teams if higher."""
    if actor.role in STAKEHOLDERS:
        return actor.base
    team_levels = [TEAM_ROLES.get(actor.teams[team], Level.NONE) for team in thing.teams if team in actor.teams]
    return max([actor.base, *team_levels])


def may(actor: Actor, action: str, thing: Thing) -> Verdict:
    """Whether `actor` may do `action` (read, create, update, delete, respond, assign_role) to `thing`, and why."""
    reach = level(actor, thing)
    is_own = thing.owner_id is not None and thing.owner_id == actor.user_id
    if reach < Level.ADMIN and thing.teams & actor.hidden_teams:
        return Verdict(False, "This belongs to a private team you are not a member of", is_visible=False)
    if action == READ:
        return _may_read(reach, thing, is_own=is_own)
    if actor.is_read_only and action != READ_KEY:
        return Verdict(False, "This is a read-only API key: use one that may write")
    if thing.kind in PERSONAL_KINDS and is_own:
        return Verdict(True, "It is your own")
    if thing.kind == "user" and is_own and action == UPDATE:
        return Verdict(True, "It is yourself")
    needed = _needed(action, thing)
    if reach >= needed:
        return Verdict(True, f"{reach.words}s may {action.replace('_', ' ')} this")
    is_visible = _may_read(reach, thing, is_own=is_own).allowed
    return Verdict(
        False,
        f"{reach.words}s may not {action.replace('_', ' ')} a {thing.kind.replace('_', ' ')}: that takes a {needed.words}"
        if reach
        else f"You have no base access: a team role is needed to {action.replace('_', ' ')} a {thing.kind.replace('_', ' ')}",
        is_visible=is_visible,
    )


def _may_read(reach: Level, thing: Thing, *, is_own: bool) -> Verdict:
    if is_own or thing.kind in OPEN_KINDS:
        return Verdict(True, "Everybody here may read this")
    needed = Level.ADMIN if thing.kind in ADMIN_READ_KINDS else Level.MANAGER if thing.kind in MANAGER_READ_KINDS else Level.OBSERVER
    if reach >= needed:
        return Verdict(True, f"{reach.words}s may read this")
    return Verdict(False, f"Reading this takes a {needed.words}", is_visible=False)


def _needed(action: str, thing: Thing) -> Level:
    """The least level for a change."""
    if action == RESPOND or thing.kind in RESPONDER_KINDS:
        return Level.RESPONDER
    if action == ASSIGN_ROLE or thing.kind in ACCOUNT_KINDS or thing.kind in PERSONAL_KINDS:
        return Level.ADMIN
    return Level.MANAGER
