"""Pages as mails over SMTP: text and HTML, signed one-click links, one thread an incident.

Laws:
1. The Message-ID is made from the idempotency key: a mail server or reader that sees a repeat can drop it.
2. A mail about an incident answers to that incident's thread, so that a reader shows them together.
3. The links open a page with one button; fetching them changes nothing (readers and scanners prefetch links).
"""

import re
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any, Final

import aiosmtplib
from aiosmtplib import SMTP

from tocsin.channels import markup
from tocsin.channels.spec import (
    Ability,
    Accepted,
    Action,
    Channel,
    Field,
    Limits,
    Means,
    NotNow,
    Outcome,
    Parcel,
    Refused,
    Smtp,
)

LIMITS: Final = Limits(concurrency=16, bundle_seconds=30)
_ADDRESS: Final = re.compile(r"[^@\s<>,;\"\x00-\x1f]{1,64}@[^@\s<>,;\"\x00-\x1f]{1,255}")


async def send(means: Means, parcel: Parcel) -> Outcome:
    """Hand the mail to the configured server. 5xx answers are refusals for good, everything else is tried again."""
    if means.smtp is None:
        return Refused("this installation has no mail server: set one in the settings")
    server = means.smtp
    client = SMTP(
        hostname=server.host,
        port=server.port,
        use_tls=server.security == "tls",
        start_tls=server.security == "starttls",
        username=server.username,
        password=server.password,
        timeout=LIMITS.timeout.total_seconds(),
    )
    try:
        async with client:
            _, answer = await client.send_message(written(server, parcel), recipients=[parcel.address])
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        words = "; ".join(f"{one.code} {one.message}" for one in error.recipients)
        return Refused(words) if codes and all(code >= 500 for code in codes) else NotNow(words)
    except aiosmtplib.SMTPResponseException as error:
        words = f"{error.code} {error.message}"
        return Refused(words) if error.code >= 500 else NotNow(words)
    except aiosmtplib.SMTPNotSupported as error:
        return Refused(f"the mail server cannot do what is set: {error.message}")
    except (aiosmtplib.SMTPException, OSError) as error:
        return NotNow(f"{type(error).__name__}: {error}"[:300])
    return Accepted(provider_id=message_id(parcel.key, server), detail=answer[:300])


def message_id(key: str, server: Smtp) -> str:
    """`<key.page@domain of the sender>`."""
    return f"<{key}.page@{_domain(server)}>"


def thread_id(incident_id: str, server: Smtp) -> str:
    """What all mails about one incident answer to."""
    return f"<{incident_id}.incident@{_domain(server)}>"


def _domain(server: Smtp) -> str:
    return parseaddr(server.sender)[1].rpartition("@")[2] or "localhost"


def written(server: Smtp, parcel: Parcel) -> EmailMessage:
    """The whole mail."""
    message = parcel.message
    mail = EmailMessage()
    name, sender = parseaddr(server.sender)
    mail["From"] = Address(name or "Tocsin", addr_spec=sender)
    mail["To"] = Address(_one_line(parcel.user_name), addr_spec=parcel.address)
    mail["Subject"] = _one_line(message.subject)[:300]
    mail["Message-ID"] = message_id(parcel.key, server)
    mail["Date"] = format_datetime(parcel.at)
    if len(message.incident_ids) == 1:
        mail["In-Reply-To"] = mail["References"] = thread_id(message.incident_ids[0], server)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Tocsin-Incidents"] = ",".join(message.incident_ids[:20])
    mail.set_content(_text(parcel))
    mail.add_alternative(_html(parcel), subtype="html")
    return mail


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(parcel: Parcel) -> str:
    lines = [parcel.message.long]
    for incident_id, actions in _by_incident(parcel.actions).items():
        number = next((fact.number for fact in parcel.message.facts if fact.incident_id == incident_id), None)
        lines += ["", *(f"{action.label} #{number}: {action.url}" for action in actions)]
    return "\n".join(lines) + "\n"


def _by_incident(actions: tuple[Action, ...]) -> dict[str, list[Action]]:
    grouped: dict[str, list[Action]] = {}
    for action in actions:
        grouped.setdefault(action.incident_id, []).append(action)
    return grouped


_BODY: Final = "font:16px/1.5 system-ui,sans-serif;color:#1c1917;background:#fafaf9;padding:24px"
_CARD: Final = (
    "background:#fff;border:1px solid #d6d3d1;border-left:4px solid {};border-radius:6px;padding:16px;margin:0 0 16px"
)
_BUTTON: Final = "display:inline-block;padding:10px 18px;margin:8px 8px 0 0;border-radius:6px;text-decoration:none;font-weight:600;{}"
_LOOKS: Final = {
    "acknowledge": "background:#b45309;color:#fff",
    "resolve": "background:#fff;color:#15803d;border:1px solid #15803d",
    "join": "background:#1d4ed8;color:#fff",
    "decline": "background:#fff;color:#44403c;border:1px solid #a8a29e",
}


def _html(parcel: Parcel) -> str:
    message = parcel.message
    actions = _by_incident(parcel.actions)
    cards = []
    for fact in message.facts[:25]:
        facts = [f"Service: {escape(fact.service)}"] if fact.service else []
        if fact.since is not None:
            facts.append(f"Since {fact.since:%Y-%m-%d %H:%M:%S} UTC")
        facts.append(f"Why you: {escape(fact.reason)}")
        head = escape(f"#{fact.number} {fact.title}" if fact.number else fact.title)
        title = f'<a href="{escape(fact.link)}" style="color:#1c1917">{head}</a>' if fact.link else head
        words = markup.cleaned(fact.html) if fact.html else f"<p>{escape(fact.text)}</p>" if fact.text else ""
        buttons = "".join(
            f'<a href="{escape(action.url)}" style="{_BUTTON.format(_LOOKS.get(action.do, ""))}">{escape(action.label)}</a>'
            for action in actions.get(fact.incident_id or "", [])
        )
        color = "#b91c1c" if fact.urgency == "high" else "#a16207"
        cards.append(
            f'<div style="{_CARD.format(color)}"><h2 style="margin:0 0 8px;font-size:18px">{title}</h2>{words}'
            f'<p style="margin:0;color:#57534e">{"<br>".join(facts)}</p>{buttons}</div>'
        )
    more = message.count - len(cards)
    heading = f"<p><strong>{message.count} pages in one message</strong></p>" if message.count > 1 else ""
    rest = f"<p>... and {more} more.</p>" if more > 0 else ""
    return f'<!doctype html><html><body style="{_BODY}">{heading}{"".join(cards)}{rest}</body></html>\n'


def check(address: str, _country_code: int | None, _fields: Mapping[str, Any]) -> list[str]:
    """One plain address, without a name."""
    return [] if _ADDRESS.fullmatch(address) else ["Address must be an e-mail address, like ada@example.org"]


CHANNEL: Final = Channel(
    kind="email",
    label="Email",
    fields=(Field("address", "E-mail address", "ada@example.org", "email"),),
    send=send,
    check=check,
    limits=LIMITS,
    abilities=frozenset({Ability.ANSWERS, Ability.THREADS}),
)
