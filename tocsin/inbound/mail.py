"""One mail taken apart, whatever is in it: who wrote, the subject, a text to read, and what was attached.

Laws:
1. Every sequence of bytes is a mail. What in it is broken is read as well as it can be; nothing raises.
2. The work grows with the size of the mail alone: headers are cut before they are decoded, parts before they are searched.
3. `body` is what rules look at: the plain text, or, of a mail that has none, its HTML as it stands (BEHAVIOUR 1.5). `text` is
   what people read. In both a null character is U+FFFD, and a line ends with one line feed.
4. Attachments are named, with their type and size; what is in them is not looked at.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from html import unescape
from typing import Any, Final

from tocsin.core.pattern import pattern

HEADER_MOST: Final = 8_000
"""Characters of one header that are looked at."""
HEAD_MOST: Final = 65_536
"""Bytes at the beginning of a mail in which its own headers are looked for."""
BODY_MOST: Final = 262_144
"""Characters of a body that are looked at."""
ADDRESSES_MOST: Final = 50
ATTACHMENTS_MOST: Final = 50
PARTS_MOST: Final = 1_000
"""Parts of a mail that are looked at."""
DEPTH_MOST: Final = 20
"""Containers in a mail; a mail with more of them is read as one text."""
SEPARATORS_MOST: Final = 10_000
"""Lines that may part one part from the next; likewise."""

_BROKEN: Final = (ValueError, LookupError, TypeError, AttributeError, MessageError, RecursionError, AssertionError)
"""What the standard library raises for mails that nobody should write."""
_CHARSETS_REFUSED: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7"})
"""Codecs that are no character sets of mails, or slow."""
_HIDDEN: Final = pattern(r"(?is)<(?:script|style|head)\b.*?</(?:script|style|head)\s*>|<!--.*?-->")
_LINE_END: Final = pattern(r"(?i)<(?:br|/p|/div|/tr|/li|/h[1-6])\b[^>]*>")
_TAG: Final = pattern(r"<[^>]*>")
_KIND_HEADER: Final = re.compile(rb"(?im)^content-(?:type|disposition):[^\n]*(?:\n[ \t][^\n]*)*")
_BOUNDARY: Final = re.compile(rb"(?i)boundary[*\d]{0,9}[ \t]{0,9}=")
_RECEIVED: Final = re.compile(rb"(?im)^received:")


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that came with a mail. `size` is in bytes."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, read.

    senders    the addresses of From, or, without any, that of the envelope
    to         the addresses of To
    automatic  why nobody should act on it, in words: it answers by itself, or is our own; empty for any other
    """

    subject: str
    senders: tuple[str, ...]
    to: tuple[str, ...]
    message_id: str
    body: str
    text: str
    attachments: tuple[Attachment, ...]
    automatic: str


def read(raw: bytes) -> Mail:
    """Take a mail apart."""
    message = parsed(raw)
    plain, html, attachments = _parts(message)
    source = plain if plain is not None else html or ""
    return Mail(
        subject=header(message, "Subject"),
        senders=addresses(message, "From") or addresses(message, "Return-Path"),
        to=addresses(message, "To"),
        message_id=header(message, "Message-ID"),
        body=source,
        text=source if plain is not None else readable(source),
        attachments=tuple(attachments),
        automatic=_automatic(message, raw),
    )


def parsed(raw: bytes) -> Message:
    """The mail as the standard library has it; one text without parts when that would take it too long (law 2)."""
    raw = _KIND_HEADER.sub(lambda found: found[0] if len(found[0]) <= HEADER_MOST else found[0][:1_000], raw)
    if len(_BOUNDARY.findall(raw)) <= DEPTH_MOST and raw.count(b"\n--") <= SEPARATORS_MOST:
        try:
            return message_from_bytes(raw)
        except _BROKEN:
            pass
    message = head(raw)
    for name in ("Content-Type", "Content-Transfer-Encoding"):
        del message[name]
    message.set_payload(raw[_end_of_head(raw) :].decode("ascii", "surrogateescape"))
    return message


def head(raw: bytes) -> Message:
    """Only the headers of a mail: quick, whatever follows."""
    cut = _KIND_HEADER.sub(b"", raw[: _end_of_head(raw)])
    return message_from_bytes(cut)


def _end_of_head(raw: bytes) -> int:
    cut = raw[:HEAD_MOST]
    return min((at for at in (cut.find(b"\r\n\r\n"), cut.find(b"\n\n")) if at >= 0), default=len(cut))


def header(message: Message, name: str) -> str:
    """What a header says, in one line; empty when it is not there."""
    found = _raw_header(message, name)
    try:
        decoded = "".join(_piece(text, charset) for text, charset in decode_header(found))
    except _BROKEN:
        decoded = found
    return " ".join(_clean(decoded).split())


def addresses(message: Message, name: str) -> tuple[str, ...]:
    """The mail addresses in a header, at most `ADDRESSES_MOST`."""
    try:
        found = [_clean(address).strip() for _, address in getaddresses([_raw_header(message, name)])]
    except _BROKEN:
        found = []
    return tuple(dict.fromkeys(one for one in found if "@" in one and not any(map(str.isspace, one))))[:ADDRESSES_MOST]


def _raw_header(message: Message, name: str) -> str:
    """A header as it stands, decoded where it holds bytes that no header should, and cut (law 2)."""
    try:
        value = message.get(name)
    except _BROKEN:
        return ""
    if value is None:
        return ""
    text = _as_written(value)[:HEADER_MOST]
    try:
        text.encode()
    except UnicodeEncodeError:  # 8-bit bytes, kept by the parser as surrogates
        return _decoded(text.encode("ascii", "surrogateescape") if _is_escaped(text) else text.encode("utf-8", "replace"), "")
    return text


def _as_written(value: Any) -> str:
    """The parser hands out a header with odd bytes as an object that would decode it badly."""
    chunks = getattr(value, "_chunks", None)
    if chunks is None:
        return str(value)
    return "".join(str(chunk[0]) for chunk in chunks)


def _is_escaped(text: str) -> bool:
    return all(ord(one) < 0x80 or 0xDC80 <= ord(one) <= 0xDCFF for one in text)


def _piece(text: bytes | str, charset: str | None) -> str:
    return text if isinstance(text, str) else _decoded(text, charset or "")


def _decoded(octets: bytes, charset: str) -> str:
    """Bytes as text: by what they say they are, else as UTF-8, else as the code that takes every byte."""
    for name in (charset, "utf-8"):
        try:
            found = codecs.lookup(name) if name else None
            if found is not None and found._is_text_encoding and found.name not in _CHARSETS_REFUSED:  # noqa: SLF001
                return octets.decode(name, "strict" if name == "utf-8" else "replace")
        except _BROKEN:
            continue
    return octets.decode("latin-1")


def _clean(text: str) -> str:
    """Text that every column takes, with plain line ends (law 3)."""
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if not text.isascii() else text
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


# -------------------------------------------------------------------------------------------------------------- parts


def _parts(message: Message) -> tuple[str | None, str | None, list[Attachment]]:
    """The first plain text, the first HTML, and what else came along."""
    plain: str | None = None
    html: str | None = None
    attached: list[Attachment] = []
    for part in _leaves(message):
        kind, name = _kind(part), _name(part)
        if kind.startswith("multipart/"):
            kind = "text/plain"  # it says so and has no parts
        is_attached = bool(name) or _said(part, "Content-Disposition").lower().startswith("attachment")
        if kind == "text/plain" and plain is None and not is_attached:
            plain = _text(part)
        elif kind == "text/html" and html is None and not is_attached:
            html = _text(part)
        elif len(attached) < ATTACHMENTS_MOST:
            attached.append(Attachment(name or "(no name)", kind, len(_octets(part))))
    if plain is not None and not plain.strip() and html is not None:
        plain = None
    if plain is None and html is None and not attached:
        plain = ""
    return plain, html, attached


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that are no containers, in order, at most `PARTS_MOST`."""
    waiting = [message]
    for _ in range(PARTS_MOST):
        if not waiting:
            return
        part = waiting.pop()
        inside = part.get_payload()
        if isinstance(inside, list):
            waiting += [one for one in reversed(inside) if isinstance(one, Message)]
        else:
            yield part


def _said(part: Message, name: str) -> str:
    return _raw_header(part, name).strip()


def _kind(part: Message) -> str:
    kind = _said(part, "Content-Type").partition(";")[0].strip().lower()
    return kind[:100] if re.fullmatch(r"[!-~]+/[!-~]+", kind) else "text/plain"


def _name(part: Message) -> str:
    try:
        found = part.get_filename() if len(_said(part, "Content-Disposition") + _said(part, "Content-Type")) < HEADER_MOST else None
        return " ".join(_clean("".join(_piece(*one) for one in decode_header(found))).split())[:255] if found else ""
    except _BROKEN:
        return ""


def _octets(part: Message) -> bytes:
    """What a part holds, its transfer encoding undone. Base64 only shrinks, so there is no bomb to open."""
    try:
        found = part.get_payload(decode=True)
    except _BROKEN:
        found = None
    return found if isinstance(found, bytes) else str(part.get_payload()).encode("utf-8", "replace")


def _text(part: Message) -> str:
    try:
        charset = str(part.get_param("charset") or "") if len(_said(part, "Content-Type")) < HEADER_MOST else ""
    except _BROKEN:
        charset = ""
    return _clean(_decoded(_octets(part)[: 4 * BODY_MOST], charset)[:BODY_MOST])


def readable(html: str) -> str:
    """What people can read of HTML: no tags, no scripts, no more than one empty line."""
    found = _TAG.without("", _LINE_END.without("\n", _HIDDEN.without(" ", html)))
    lines = (" ".join(line.split()) for line in _clean(unescape(found)).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


# ------------------------------------------------------------------------------------------------------- whose it is

HOPS_MOST: Final = 50
"""Servers a mail may have passed; beyond them it goes round in a circle (RFC 5321 6.3 asks for at least 100 lines to be borne,
which is for servers that pass mail on)."""


def _automatic(message: Message, raw: bytes) -> str:
    """Why nobody should act on this mail, so that mails about pages do not become pages; empty when there is no reason."""
    if message.get("X-Tocsin-Incidents") is not None:
        return "it is one of our own pages, which comes back to us: it opens nothing, or it would page for ever"
    answers = _said(message, "Auto-Submitted").partition(";")[0].strip().lower()
    if answers == "auto-replied" or message.get("X-Autoreply") is not None or message.get("X-Autorespond") is not None:
        return "it is an automatic answer to a mail (Auto-Submitted: auto-replied), such as a notice of absence"
    kind = _said(message, "Content-Type").lower()
    if kind.startswith("multipart/report") and "delivery-status" in kind:
        return "it is a mail server's report on the delivery of another mail"
    if len(_RECEIVED.findall(raw[:HEAD_MOST])) > HOPS_MOST:
        return f"it passed more than {HOPS_MOST} mail servers: it goes round in a circle"
    return ""
