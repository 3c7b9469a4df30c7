"""The catalogue of refusals: what was refused, with PagerDuty's number and words, one line each.

Laws:
1. A `Refusal` is the only exception meant for a caller of the API; it becomes a body in exactly one place
   (`api/kernel/envelope.py` for REST, `api/gate.py` for events, the page's error box for the web).
2. Words say what is wrong and, where it helps, what to do.
Source of numbers and texts: BEHAVIOUR section 7 (PagerDuty's published list of codes).
"""

from dataclasses import dataclass, field


@dataclass
class Refusal(Exception):
    """A request that was understood and turned down; nothing was changed.

    status  HTTP status to answer with
    code    PagerDuty's number for it
    message the one sentence
    errors  the particulars: a list of sentences, or (schedules v3) a map from field to sentences
    """

    status: int
    code: int
    message: str
    errors: list[str] | dict[str, list[str]] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)  # further fields of the error (the scopes a token lacks)
    plain: bool = False  # answer {"error": "<message>"}: the one shape the Python client recognises account keys by

    def __str__(self) -> str:
        return f"{self.message} ({self.code}): {self.errors}"


def invalid(*errors: str) -> Refusal:
    """400/2001: the input breaks a rule; each sentence says which."""
    return Refusal(400, 2001, "Invalid Input Provided", list(errors))


def invalid_arguments(*errors: str) -> Refusal:
    """400/2002: an argument of the query is wrong."""
    return Refusal(400, 2002, "Arguments Caused Error", list(errors))


def missing_arguments(*errors: str) -> Refusal:
    """400/2003: an argument of the query is missing."""
    return Refusal(400, 2003, "Missing Arguments", list(errors))


def not_found(what: str = "") -> Refusal:
    """404/2100: there is no such thing, or none that this actor may know of."""
    return Refusal(404, 2100, "Not Found", [f"{what} Not Found"] if what else [])


def unauthorized() -> Refusal:
    """401/2006: no key, a malformed one, or one that is unknown, revoked or expired."""
    return Refusal(401, 2006, "Authentication failed", ["The API key is missing, malformed, unknown or no longer valid"])


def forbidden(*errors: str) -> Refusal:
    """403/2010: the actor is known and may not do this."""
    return Refusal(403, 2010, "Access Denied", list(errors))


def conflict_already(code: int, message: str, *errors: str) -> Refusal:
    """400 with one of the incident codes 1001…1020."""
    return Refusal(400, code, message, list(errors))


def too_large(*errors: str) -> Refusal:
    """413: more was sent than one request may carry."""
    return Refusal(413, 2001, "Request Entity Too Large", list(errors))


def not_implemented(method: str, path: str, reason: str | None = None) -> Refusal:
    """400 for an operation of PagerDuty's API that Tocsin knows of and does not serve: not yet, or for a `reason` never.

    Never 404 or 501: PagerDuty's Terraform provider retries every other status for minutes (BEHAVIOUR section 7).
    """
    why = f"{method} {path} is not served by Tocsin: {reason}" if reason else f"{method} {path} is not implemented in Tocsin yet"
    return Refusal(400, 2015, "Invalid Operation", [why])


def from_missing() -> Refusal:
    """400/2016: an account key needs a `From` header for this."""
    return Refusal(400, 2016, 'You must specify a user\'s email address in the "From" header to perform this action')


def from_malformed() -> Refusal:
    return Refusal(400, 1028, 'Malformed "From" header')


def from_unknown() -> Refusal:
    return Refusal(400, 1008, "Requester User Not Found")


def overloaded(message: str) -> Refusal:
    """503: the server cannot take this now and nothing was kept; send it again."""
    return Refusal(503, 2000, "Temporarily unavailable", [message])
