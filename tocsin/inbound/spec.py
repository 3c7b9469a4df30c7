"""What an inbound reader is: it turns what a sender posted into events in the house's own words, without any I/O.

Laws:
1. A reader is pure: the same payload gives the same events, and it never looks at a clock, a database or the network.
2. `check` runs before the answer, once a request: it either accepts (one `Accepted` for each event in the request) or
   raises `Unreadable` with every fault it found. What it accepts, `read` must understand: nothing accepted is lost.
3. `read` runs later, on one `Accepted.raw`, and gives exactly one event, or raises `LeftOut` with the reason. Everything it needs is in `raw` and in the
   columns beside it, so that a stored event can be read again (replayed) at any time.
4. Whether an event opens or closes something is said by an exact value in an exact place, never guessed from words.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

Action = Literal["trigger", "acknowledge", "resolve"]
ACTIONS: Final = ("trigger", "acknowledge", "resolve")
CHANGE: Final = "change"
"""What stands in the inbox's action column for a change event."""

MAX_BODY: Final = 524_288
"""Bytes a request with one event may carry (BEHAVIOUR 1.1, decided)."""
MAX_NOTIFICATION: Final = 16 * MAX_BODY
"""Bytes a notification with many alerts may carry (8 MiB). Alertmanager and Grafana send a whole group at once and give
up on what is refused: a body too large would lose a whole data centre."""
MAX_ALERTS: Final = 20_000
"""Alerts one notification may carry: as many as are put on disk in one go."""
MAX_SUMMARY: Final = 1024
"""Characters of a summary; a longer one is cut, and kept whole in the details (BEHAVIOUR 1.1, decided)."""
MAX_DEDUP_KEY: Final = 255
"""Characters of a deduplication key (BEHAVIOUR 1.1)."""
KEY_LENGTH: Final = 32
"""Characters of a routing key (BEHAVIOUR 1.1)."""
FULL_SUMMARY: Final = "full_summary"
"""The name in the details under which a summary that had to be cut is kept whole."""


@dataclass(frozen=True, slots=True)
class Link:
    """Something to look at, shown on the alert."""

    href: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture shown on the alert; `src` is always https."""

    src: str
    href: str | None = None
    alt: str | None = None


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What a sender says of one thing: that it is wrong, seen to, or right again.

    severity   critical, error, warning, info, or None when the sender has no such word (Events API v1)
    timestamp  when the sender saw it; None means when it was received
    details    the sender's own object, or a bare text (both are allowed by BEHAVIOUR 1.1)
    joins_open whether it joins an incident that is open on its service rather than open another one
    channel    how it came, as the log of an incident calls it (BEHAVIOUR 3.2): api, or email
    """

    action: Action
    routing_key: str
    dedup_key: str
    summary: str
    source: str | None = None
    severity: str | None = None
    timestamp: datetime | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = None
    details: Mapping[str, Any] | str | None = None
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    client: str | None = None
    client_url: str | None = None
    joins_open: bool = False
    channel: str = "api"


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """What a sender says was changed (a deployment, a setting). It never opens an incident and never pages anybody."""

    routing_key: str
    summary: str
    source: str | None = None
    timestamp: datetime | None = None
    details: Mapping[str, Any] | str | None = None
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """What a reader is given: a request's body at the gate, or one stored event later.

    routing_key  from the address at the gate, from the inbox row later; empty when the body must say it
    dedup_key    the key the row was stored under (the gate makes one when the sender sent none)
    settings     of the integration that the address names: a generic reader's mapping
    """

    body: bytes
    routing_key: str = ""
    dedup_key: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


class Accepted(NamedTuple):
    """One event found sound: the columns of its inbox row that are known before it is processed."""

    routing_key: str
    action: str
    dedup_key: str | None
    summary: str | None
    raw: bytes


class Unreadable(Exception):
    """What was posted breaks the rules. `errors` are sentences for the sender, all that were found.

    is_event is False when it is not even a document that could be an event (not JSON, not an object).
    """

    def __init__(self, errors: Sequence[str], *, is_event: bool = True) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)
        self.is_event = is_event


class LeftOut(Exception):
    """What was sent is understood, and the rules of its integration leave it out; the message says which and why."""


NOT_JSON: Final = "JSON parse error"
"""PagerDuty's whole explanation for a body that is not JSON (BEHAVIOUR 1.1)."""


def no_settings_needed(_settings: Mapping[str, Any]) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Reader:
    """One way in.

    name    what stands in the inbox row and in `/integration/<key>/<name>`
    label   what people read
    check   at the gate: the request → its events, or `Unreadable`
    read    later: one stored event → one event in the house's words
    verify  what is wrong with an integration's settings for this reader (sentences; empty = nothing)
    most    bytes a request may carry
    """

    name: str
    label: str
    check: Callable[[Payload], list[Accepted]]
    read: Callable[[Payload], list[AlertEvent | ChangeEvent]]
    verify: Callable[[Mapping[str, Any]], list[str]] = no_settings_needed
    most: int = MAX_BODY
