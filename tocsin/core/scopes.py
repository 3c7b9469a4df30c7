"""OAuth scopes: what there is to ask for, what a request of scopes means, and whether a token's scopes are enough.

Laws:
1. A scope opens exactly the operations that name it: `incidents.write` does not contain `incidents.read`.
2. An operation that names no scope needs the one made of its path's first noun: nothing is open to every token by default.
3. What would let a token make a stronger one (keys, applications, directory tokens) has no scope that can be had.
Source: BEHAVIOUR 7, and the scopes of PagerDuty's published operations.
"""

import re
from collections.abc import Collection
from typing import Final

_BOTH: Final = (
    "account", "addons", "analytics", "change_events", "contextual_data", "custom_fields", "escalation_policies",
    "event_orchestrations", "event_rules", "extensions", "incident_types", "incident_workflows", "incidents", "ip_allow_lists",
    "oauth_delegations", "priorities", "recommendations", "schedules", "services", "session_configurations", "standards",
    "status_pages", "subscribers", "tags", "teams", "templates", "users", "users:contact_methods", "users:sessions",
    "webhook_subscriptions", "workflow_integrations:connections",
)  # fmt: skip
_READ: Final = (
    "abilities", "audit_records", "extension_schemas", "incident", "licenses", "oncalls", "status_dashboards",
    "users:notifications", "vendors", "workflow_integrations",
)  # fmt: skip
_WRITE: Final = ("incident_workflows:instances", "sre_agent")

KNOWN: Final = frozenset(
    [f"{noun}.{power}" for noun in _BOTH for power in ("read", "write")]
    + [f"{noun}.read" for noun in _READ]
    + [f"{noun}.write" for noun in _WRITE]
)
"""Every scope an application can be given."""

NEVER: Final = frozenset({"api_keys", "oauth_clients", "scim_tokens"})
"""Nouns whose scopes nobody can be given (law 3)."""

OPEN: Final = frozenset({("GET", "/users/me")})
"""What every token may ask: whether it has a user, which PagerDuty's clients do before anything else."""

_ACCOUNT: Final = re.compile(r"as_account-[A-Za-z0-9_.-]{1,200}")
_BEFORE_THE_NOUN: Final = frozenset({"api", "v1", "v3"})


def asked(text: str, held: Collection[str]) -> tuple[tuple[str, ...], str]:
    """The scopes that `text` asks for of those an application holds, and the scope the answer tells.

    `as_account-…` says of which account; there is one, so whichever is named is this one. Nothing asked for is all that
    is held. Raises ValueError, saying which, for a scope that is not held.
    """
    words = text.split()
    accounts = [word for word in words if _ACCOUNT.fullmatch(word)]
    wanted = dict.fromkeys(word for word in words if word not in accounts)
    if lacking := [word for word in wanted if word not in held]:
        raise ValueError(f"this application does not have {', '.join(word[:80] for word in lacking[:5])}")
    granted = tuple(sorted(wanted or held))
    return granted, " ".join([*accounts[:1], *granted])


def needed(method: str, path: str, scope: str | None, *, writes: bool) -> str | None:
    """The scope an operation asks a token for; None for what every token may ask."""
    if (method, path) in OPEN:
        return None
    if scope is not None:
        return scope
    noun = next(part for part in path.strip("/").split("/") if part not in _BEFORE_THE_NOUN)
    return f"{noun}.{'write' if writes else 'read'}"


def problems(scopes: Collection[str]) -> list[str]:
    """Why an application cannot be given these scopes: one sentence for each that there is not."""
    if not scopes:
        return ["scopes must name at least one scope, such as incidents.read"]
    return [
        f"{scope[:80]} is a scope no application can be given: it could make itself a stronger key"
        if scope.partition(".")[0] in NEVER
        else f"{scope[:80]} is no scope: they are like incidents.read and incidents.write"
        for scope in sorted(set(scopes) - KNOWN)
    ]
