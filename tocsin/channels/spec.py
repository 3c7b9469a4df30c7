"""What a channel declares about itself, what it is handed to send, and what it answers.

Laws:
1. A channel is one file with one `CHANNEL`, and one line in `roll.py`; forms, validation, lanes and docs derive from it.
2. `send` never raises for what the world does: it answers `Accepted`, `NotNow` or `Refused`, each with words.
3. A repeated parcel carries the same idempotency key, and the channel passes it on in whatever way its provider knows.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from tocsin.channels.http import Outside
from tocsin.core.message import Message


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a contact method of this kind asks for. `name` is `address`, `country_code` or a key of its `fields`."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"  # text | email | number | url | phone | secret
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a channel takes.

    concurrency     messages under way at once on its lane
    bundle_seconds  how long pages for one person are gathered after a message left; 0: every page alone.
                    A contact method may say otherwise in its fields (`bundle_seconds`).
    timeout         how long one try may last
    """

    concurrency: int = 16
    bundle_seconds: int = 10
    timeout: timedelta = timedelta(seconds=15)


class Ability(StrEnum):
    """What else a channel can do beside carrying a message."""

    ANSWERS = "answers"  # a person can acknowledge and resolve from it
    RECEIPTS = "receipts"  # the provider tells later whether it arrived
    THREADS = "threads"  # messages about one incident hang together


@dataclass(frozen=True, slots=True)
class Action:
    """One thing the reader may do at once. `url` is signed and good for this person and incident only."""

    incident_id: str
    do: str  # acknowledge | resolve
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message for one address."""

    key: str  # idempotency key: the same on every repeat
    address: str
    country_code: int | None
    fields: Mapping[str, Any]
    user_id: str
    user_name: str
    message: Message
    at: datetime  # when this try began
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it, under its own id if it gave one."""

    provider_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotNow:
    """It did not work and may work later."""

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never work this way: the person's next way is used at once."""

    reason: str


Outcome = Accepted | NotNow | Refused


@dataclass(frozen=True, slots=True)
class Smtp:
    """The mail server that takes our mails. `security`: `none`, `starttls` or `tls`."""

    host: str
    port: int = 25
    sender: str = "tocsin@localhost"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: str = "none"


@dataclass(frozen=True, slots=True)
class Twilio:
    """A provider that speaks Twilio's HTTP API of 2010-04-01. `base_url` is the provider's, without a slash at the end."""

    account_sid: str
    auth_token: str = field(repr=False)
    from_number: str = ""
    base_url: str = "https://api.twilio.com"


@dataclass(frozen=True, slots=True)
class Means:
    """What the channels of one installation work with. None: this installation has not been given one.

    outside     to addresses that people give: guarded against private networks
    provider    to addresses that the operator's settings give: these may be private
    public_url  our own address as the world sees it, for links and call-backs; empty when there is none
    """

    outside: Outside
    provider: Outside
    public_url: str = ""
    smtp: Smtp | None = None
    twilio: Twilio | None = None
    webhook_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """A way into the world.

    check  what is wrong with a contact method's address and fields, in sentences; empty when it can be used
    """

    kind: str
    label: str
    fields: tuple[Field, ...]
    send: Callable[[Means, Parcel], Awaitable[Outcome]]
    check: Callable[[str, int | None, Mapping[str, Any]], list[str]]
    limits: Limits = Limits()
    abilities: frozenset[Ability] = frozenset()
