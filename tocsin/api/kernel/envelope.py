"""What answers look like: wrappers, the five common fields, references, and the one place where a refusal gets a body.

Laws:
1. `refused` is the only function that turns a Refusal into a body.
2. Every object carries id, type, summary, self and html_url; a reference is exactly these five (BEHAVIOUR 7).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from tocsin.api.kernel.call import House, Reply
from tocsin.base.errors import Refusal

PATHS: Final[Mapping[str, str]] = {
    "user": "/users",
    "team": "/teams",
    "service": "/services",
    "escalation_policy": "/escalation_policies",
    "schedule": "/schedules",
    "schedule_v3": "/v3/schedules",
    "incident": "/incidents",
    "alert": "/alerts",
    "log_entry": "/log_entries",
    "priority": "/priorities",
    "vendor": "/vendors",
    "webhook_subscription": "/webhook_subscriptions",
    "maintenance_window": "/maintenance_windows",
    "business_service": "/business_services",
    "tag": "/tags",
    "extension": "/extensions",
    "extension_schema": "/extension_schemas",
}
"""By type, the path of its collection: what `self` and `html_url` are made of. A type that is not here has neither."""

PAGES: Final = frozenset({"user", "team", "service", "escalation_policy", "schedule", "schedule_v3", "incident", "alert", "log_entry"})
"""Types with a page of their own for people."""

PAGES_ELSEWHERE: Final[Mapping[str, str]] = {"schedule_v3": "/schedules"}
"""Types whose page has another path than the API."""


_PLACED: Final = re.compile(r"([A-Za-z_$][\w.\[\]]*): (.+)", re.DOTALL)
"""A sentence that begins with the place of what it is about, as `verbs.shape_words` makes them."""


def common(house: House, kind: str, id_: str, summary: str | None, *, path: str | None = None) -> dict[str, Any]:
    """The five fields every object starts with. `path` overrides where `self` points (`/users/P1/contact_methods/P2`)."""
    at = path or (f"{PATHS[kind]}/{id_}" if kind in PATHS else None)
    return {
        "id": id_,
        "type": kind,
        "summary": summary,
        "self": f"{house.api_url}{at}" if at else None,
        "html_url": f"{house.base_url}{PAGES_ELSEWHERE.get(kind, PATHS[kind])}/{id_}" if kind in PAGES else None,
    }


def reference(house: House, kind: str, id_: str, summary: str | None, *, path: str | None = None) -> dict[str, Any]:
    """The same five fields as a reference: the type ends in `_reference`."""
    return {**common(house, kind, id_, summary, path=path), "type": f"{kind}_reference"}


def reference_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """A reference to an object whose whole body is at hand."""
    kind = str(body["type"])
    return {
        "id": body["id"],
        "type": kind if kind.endswith("_reference") else f"{kind}_reference",
        "summary": body.get("summary"),
        "self": body.get("self"),
        "html_url": body.get("html_url"),
    }


def error_body(refusal: Refusal) -> dict[str, Any]:
    """PagerDuty's error body. `errors` is left out when there are no particulars."""
    if refusal.plain:
        return {"error": refusal.message}
    error: dict[str, Any] = {"message": refusal.message, "code": refusal.code}
    if refusal.errors:
        error["errors"] = refusal.errors
    return {"error": error | refusal.more}


def mapped(refusal: Refusal) -> Refusal:
    """A refusal of a request with its errors as a map from field to sentences; what is about no field is about `request`."""
    if refusal.status != 400 or not isinstance(refusal.errors, list) or not refusal.errors:
        return refusal
    errors: dict[str, list[str]] = {}
    for sentence in refusal.errors:
        found = _PLACED.fullmatch(sentence)
        field = re.sub(r"\[(\d+|\.\.\.)\]", r".\1", found[1]) if found else "request"
        errors.setdefault(field, []).append(found[2] if found else sentence)
    message = "Invalid Request" if refusal.code == 2001 else refusal.message
    return Refusal(400, refusal.code, message, errors)


def refused(refusal: Refusal) -> Reply:
    """The answer to a request that was turned down."""
    return Reply(refusal.status, error_body(refusal))


def wrapped(name: str | None, value: Any, status: int = 200) -> Reply:
    """An answer in its wrapper; without a name the value is the whole body."""
    return Reply(status, {name: value} if name else value)


