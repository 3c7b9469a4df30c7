"""Mails to the address of an integration: each becomes an event, by the integration's rules (BEHAVIOUR 1.5).

Laws:
1. Every mail can be read; what the rules leave out says why, and stays in the journal.
2. A mail that is delivered again (its server never heard that we have it) has the same key, if it has a Message-ID: while
   its alert is open it is counted, not opened again.
3. Pages of our own, automatic answers and reports of mail servers open nothing: a page must not become the next page.
"""

from hashlib import sha256
from typing import Any, Final

from tocsin.inbound import email_rules, wording
from tocsin.inbound.email_rules import ON_SUBJECT, WHEN_NONE_OPEN
from tocsin.inbound.mail import Mail, head, header
from tocsin.inbound.mail import read as read_mail
from tocsin.inbound.spec import MAX_DEDUP_KEY, Accepted, AlertEvent, ChangeEvent, LeftOut, Payload, Reader

MOST: Final = 2 * 1024 * 1024
"""Bytes of a mail."""
TEXT_KEPT: Final = 32_768
"""Characters of a body that an alert holds; the journal has the whole mail."""
NO_SUBJECT: Final = "(no subject)"
_DETAILS: Final = frozenset({"from", "to", "subject", "plain_body", "attachments"})


def check(payload: Payload) -> list[Accepted]:
    """Accept the mail. Its action is decided by the rules, later."""
    message = head(payload.body)
    key = f"mail-{sha256(payload.body).hexdigest()[:32]}" if header(message, "Message-ID") else None
    subject = header(message, "Subject") or NO_SUBJECT
    return [Accepted(payload.routing_key, "trigger", key, wording.cut(subject), payload.body)]


def read(payload: Payload) -> list[AlertEvent | ChangeEvent]:
    """One stored mail in the house's words. Raises LeftOut (law 3, or the integration's rules)."""
    mail = read_mail(payload.body)
    if mail.automatic:
        raise LeftOut(mail.automatic)
    rules = email_rules.rules_of(payload.settings)
    taken = email_rules.judge(rules, mail)
    creation = rules["email_incident_creation"]
    key = payload.dedup_key or ""
    if taken.key is not None:
        key = _key(taken.key)
    elif creation == ON_SUBJECT:
        key = _key(mail.subject or NO_SUBJECT)
    subject = mail.subject or NO_SUBJECT
    values = {name if name not in _DETAILS else f"{name}_value": value for name, value in (taken.values or {}).items()}
    return [
        AlertEvent(
            action=taken.action,
            routing_key=payload.routing_key,
            dedup_key=key,
            summary=wording.cut(subject),
            source=mail.senders[0] if mail.senders else None,
            details=wording.with_full_summary({**_details(mail), **values}, subject),
            client="E-mail",
            joins_open=creation == WHEN_NONE_OPEN,
            channel="email",
        )
    ]


def _key(text: str) -> str:
    """A text as a key: one that is too long is told apart by all of it."""
    text = " ".join(text.split())
    if len(text) <= MAX_DEDUP_KEY:
        return text
    return f"{text[: MAX_DEDUP_KEY - 33]} {sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _details(mail: Mail) -> dict[str, Any]:
    """A mail as an alert holds it."""
    text = mail.text if len(mail.text) <= TEXT_KEPT else f"{mail.text[:TEXT_KEPT]} …"
    found: dict[str, Any] = {"from": list(mail.senders), "to": list(mail.to), "subject": mail.subject, "plain_body": text}
    if mail.attachments:
        found["attachments"] = [{"name": one.name, "type": one.kind, "bytes": one.size} for one in mail.attachments]
    return found


READER: Final = Reader(name="email", label="E-mail", check=check, read=read, verify=email_rules.verify, most=MOST)
