"""What a notification says: the facts of one page or of several, in a short, a long and a spoken form.

Laws:
1. Here are words and facts, never a format: no HTML, no JSON, no TwiML (those belong to the channels).
2. The short form is at most `SHORT` characters, so that with the hint how to answer it is one SMS of 160.
3. A message for several pages says how many they are, first and always; what does not fit is counted, never left out silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

SHORT: Final = 130
"""Characters of the short form. An SMS holds 160; the other 30 are for ` Reply 4 to ack, 6 to resolve`."""

LISTED_MAX: Final = 25
"""How many pages of a bundle the long form lists one by one; the rest is counted."""

PAGE: Final = "page"
TEST: Final = "test"
LAST_RESORT: Final = "last_resort"
HANDOFF: Final = "handoff"
SWAP: Final = "swap"
HELP: Final = "help"
STATUS_UPDATE: Final = "status_update"
"""The purposes a message can have: a page about an incident, a test, the last resort's page, a change of who is on call, a
request to take a shift and what became of it, a request to help with an incident, and word of how an incident stands."""

# An SMS with one character outside its own alphabet is cut to 70 characters: the usual typographic ones are replaced.
_PLAIN: Final = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2026": "...",
    "\u00a0": " ", "\u2192": "->", "\u2022": "*", "\u2265": ">=", "\u2264": "<=", "\t": " ", "\n": " ", "\r": " ",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What one page is about.

    reason  why this person is told, in words
    since   when the incident began; None for pages that are about no incident
    text    the words of a page that is about no incident
    link    where a person sees more; empty when the installation has no address yet
    swap_id the request to take a shift that this person may answer; empty for everything else
    html    somebody's own words for a mail, as they wrote them: whoever shows them cleans them first
    """

    title: str
    reason: str
    incident_id: str | None = None
    number: int | None = None
    service: str = ""
    urgency: str = "high"
    since: datetime | None = None
    text: str = ""
    link: str = ""
    swap_id: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one person, ready for any channel to put into its own form."""

    purpose: str
    subject: str
    short: str
    long: str
    spoken: str
    facts: tuple[Facts, ...]

    @property
    def count(self) -> int:
        """How many pages it stands for."""
        return len(self.facts)

    @property
    def incident_ids(self) -> tuple[str, ...]:
        return tuple(fact.incident_id for fact in self.facts if fact.incident_id is not None)

    @property
    def can_be_answered(self) -> bool:
        """Whether an acknowledgement makes sense: it is about an incident."""
        return bool(self.incident_ids)


def compose(purpose: str, facts: Sequence[Facts], *, more_link: str = "") -> Message:
    """The message for these pages, the oldest first. `more_link` shows all of a bundle. Raises ValueError for no pages."""
    if not facts:
        raise ValueError("a message is about at least one page")
    tidy = [
        replace(fact, title=_one_line(fact.title) or "(no title)", service=_one_line(fact.service)) for fact in facts
    ]
    ordered = tuple(sorted(tidy, key=lambda fact: (fact.number or 0, fact.incident_id or "")))
    if len(ordered) == 1:
        return _about_one(purpose, ordered[0])
    return _about_several(purpose, ordered, more_link)


def _about_one(purpose: str, fact: Facts) -> Message:
    if fact.incident_id is None:
        words = fact.text or fact.title
        long = "\n\n".join(part for part in (words, fact.link, fact.reason) if part)
        return Message(purpose, fact.title, shortened(plain(words), SHORT), long, plain(words), (fact,))
    head = f"{_label(purpose)}#{fact.number}"
    tail = f" ({fact.service})" if fact.service else ""
    lines = [fact.title, "", f"Incident #{fact.number}, {fact.urgency} urgency"]
    if fact.service:
        lines.append(f"Service: {fact.service}")
    if fact.since is not None:
        lines.append(f"Since: {fact.since:%Y-%m-%d %H:%M:%S} UTC")
    lines.append(f"Why you: {fact.reason}")
    if fact.link:
        lines += ["", fact.link]
    where = f" on {fact.service}" if fact.service else ""
    return Message(
        purpose,
        subject=f"[{head}] {fact.title}{tail}",
        short=_fitted(f"{head} ", plain(fact.title), f" ({plain(fact.service)})" if fact.service else "", SHORT),
        long="\n".join(lines),
        spoken=f"This is Tocsin with incident {fact.number}{where}. {shortened(plain(fact.title), 200)}.",
        facts=(fact,),
    )


def _about_several(purpose: str, facts: tuple[Facts, ...], more_link: str) -> Message:
    count = len(facts)
    services = sorted({fact.service for fact in facts if fact.service})
    across = "" if not services else f" on {services[0]}" if len(services) == 1 else f" on {len(services)} services"
    head = f"{_label(purpose)}{count} pages{across}"
    listed = [f"#{fact.number} {fact.title} ({fact.service})" if fact.number else fact.title
              for fact in facts[:LISTED_MAX]]  # fmt: skip
    if count > LISTED_MAX:
        listed.append(f"... and {count - LISTED_MAX} more")
    reasons = sorted({fact.reason for fact in facts})
    lines = [f"{head}:", "", *listed, "", *(f"Why you: {reason}" for reason in reasons[:3])]
    if more_link:
        lines += ["", more_link]
    return Message(
        purpose,
        subject=f"[{head}] {facts[0].title} and {count - 1} more",
        short=_short_list(plain(head), facts),
        long="\n".join(lines),
        spoken=f"This is Tocsin with {count} pages{across}. The first is incident {facts[0].number}. "
        f"{shortened(plain(facts[0].title), 150)}.",
        facts=facts,
    )


def _short_list(head: str, facts: tuple[Facts, ...]) -> str:
    """`5 pages on Payments: #12 Disk full; #13 Queue slow; +3 more`, within `SHORT`."""
    words = f"{head}:"
    for at, fact in enumerate(facts):
        rest = len(facts) - at
        part = (
            f" #{fact.number} {shortened(plain(fact.title), 40)}"
            if fact.number
            else f" {shortened(plain(fact.title), 40)}"
        )
        closing = f"; +{rest - 1} more" if rest > 1 else ""
        if len(words) + len(part) + len(closing) + 1 > SHORT:
            return shortened(f"{words} +{rest} more" if at else f"{head}", SHORT)
        words += part + (";" if rest > 1 else "")
    return words


def _label(purpose: str) -> str:
    return {LAST_RESORT: "LAST RESORT ", HELP: "HELP WANTED "}.get(purpose, "")


def _fitted(head: str, title: str, tail: str, limit: int) -> str:
    room = limit - len(head)
    if len(title) + len(tail) <= room:
        return head + title + tail
    if len(tail) > room // 2:
        tail = shortened(tail, room // 2)
    return head + shortened(title, room - len(tail)) + tail


def _one_line(text: str) -> str:
    return " ".join(text.split())


def plain(text: str) -> str:
    """One line in the letters that a simple phone knows, where that loses nothing."""
    return _one_line(text.translate(_PLAIN))


def shortened(text: str, limit: int) -> str:
    """The text in at most `limit` characters, ending in `...` when it was cut."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)].rstrip() + "..."[:limit]
