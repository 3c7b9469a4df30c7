"""The gate for mail: an SMTP server that keeps a mail on disk before it says so, and takes none that is for nobody here.

Laws:
1. 250 is answered to a mail only after it is on disk for all its recipients; nothing is ever passed on to another server.
2. What cannot be kept now is answered with 4xx, so that the sender's server comes again; only an address that nobody has,
   and a mail that is too large, are refused for good, in words.
3. Sizes, recipients, connections and time are limited, each by a number below.
"""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Sequence
from email.utils import format_datetime
from random import Random
from typing import Final, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from tocsin.base import ids
from tocsin.base.clock import Clock
from tocsin.base.errors import Refusal
from tocsin.inbound import email
from tocsin.inbound.spec import Payload
from tocsin.service.ingest import Ingest
from tocsin.service.services import EMAIL_TYPE

RECIPIENTS_MOST: Final = 100
"""Integrations that one mail may be for."""
CONNECTIONS_MOST: Final = 64
"""Connections served at once."""
CONNECTIONS_OF_ONE: Final = 24
"""Of them, by one address."""
COMMAND_SECONDS: Final = 60.0
"""How long a command may take to come, and a whole mail."""
SESSION_SECONDS: Final = 900.0
"""How long one connection may last."""
LINE_MOST: Final = 65_536
"""Bytes of a line; the standard's 1,000 are not kept by every monitor."""
COMMANDS_MOST: Final = 1_000
"""How often one connection may give the same command."""
FLOOD: Final = 3 * email.MOST
"""Bytes after which a connection that does not stop sending one mail is cut off."""
GRACE_SECONDS: Final = 5.0
"""How long mails under way may take when the server is asked to stop."""

_log = logging.getLogger(__name__)


class MailGate:
    """One SMTP server. `start` and `stop` belong to the event loop that `ingest` runs in.

    name  the host's name, as the server greets with it
    """

    def __init__(self, ingest: Ingest, *, clock: Clock, chance: Random, name: str, tls: ssl.SSLContext | None = None) -> None:
        self._ingest = ingest
        self._clock = clock
        self._chance = chance
        self._name = name
        self._tls = tls
        self._server: asyncio.Server | None = None
        self.open: set[_Connection] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; the port. Raises OSError when that is not possible."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, self._name, self._tls, loop), host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no new connection, let mails under way be answered, close the others."""
        if self._server is None:
            return
        self._server.close()
        for one in [one for one in self.open if not one.is_busy]:
            one.cut_off()
        until = asyncio.get_running_loop().time() + GRACE_SECONDS
        while any(one.is_busy for one in self.open) and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - once in a life
            await asyncio.sleep(0.01)
        for one in list(self.open):
            one.cut_off()

    # --- What the server asks (the names are aiosmtpd's)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        """Whether there is an integration with this address (law 2)."""
        if len(envelope.rcpt_tos) >= RECIPIENTS_MOST:
            return f"452 4.5.3 A mail may have at most {RECIPIENTS_MOST} recipients here: send it to the others separately"
        try:
            way = await self._ingest.way_of_address(_sound(address), EMAIL_TYPE)
        except Refusal as busy:
            return f"451 4.3.0 {_words(busy)}"
        if way is None:
            self._ingest.count_refused(email.READER.name, ["No integration has this address"])
            return f"550 5.1.1 <{_sound(address)[:200]}>: no e-mail integration of a service here has this address, and no mail is passed on"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: "_Connection", session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the mail for all its recipients, and only then say so (law 1)."""
        server.is_busy = True
        try:
            return await self._keep(session, envelope, server.peer)
        except Refusal as busy:
            self._ingest.count_refused(email.READER.name, [busy.message])
            return f"451 4.3.0 {_words(busy)}"
        finally:
            server.is_busy = False

    async def _keep(self, session: Session, envelope: Envelope, peer: str) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        rows = {}
        for address in envelope.rcpt_tos:
            way = await self._ingest.way_of_address(_sound(address), EMAIL_TYPE)
            if way is None or way.routing_key in rows:
                continue
            (one,) = email.READER.check(Payload(content, way.routing_key, settings=way.settings))
            key = one.dedup_key or ids.uuid_text(self._chance)
            raw = self._traced(session, envelope, address, peer) + one.raw
            rows[way.routing_key] = (one.routing_key, email.READER.name, one.action, key, one.summary, raw)
        if not rows:
            return "550 5.1.1 The integration with this address was deleted just now; nothing was kept"
        await self._ingest.accept(list(rows.values()))
        return "250 2.0.0 Kept; what became of it is in the event journal"

    def _traced(self, session: Session, envelope: Envelope, address: str, peer: str) -> bytes:
        """What a server that delivers a mail writes before it (RFC 5321 4.4)."""
        said = _sound(str(session.host_name or "unknown"))[:200]
        way = "ESMTPS" if session.ssl is not None else "ESMTP"
        lines = [
            f"Return-Path: <{_sound(envelope.mail_from or '')[:300]}>",
            f"Delivered-To: {_sound(address)[:300]}",
            f"Received: from {said} ([{peer}]) by {self._name} (Tocsin) with {way};\r\n\t{format_datetime(self._clock())}",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")

    async def handle_exception(self, error: Exception) -> str:
        """Something nobody foresaw: the mail is not kept, its server comes again, and the log has the story."""
        _log.error("a mail could not be taken, its sender was told to come again", exc_info=error)
        return "451 4.3.0 Something went wrong here; nothing was kept, send it again"

    def is_too_much(self, peer: str) -> str:
        """Why one more connection of this peer is not served; empty when it is."""
        if len(self.open) >= CONNECTIONS_MOST:
            return f"at most {CONNECTIONS_MOST} connections are served at once"
        if Counter(one.peer for one in self.open)[peer] >= CONNECTIONS_OF_ONE:
            return f"at most {CONNECTIONS_OF_ONE} connections of one address are served at once"
        return ""


def _words(busy: Refusal) -> str:
    return _sound("; ".join(busy.errors) or busy.message)


def _sound(text: str) -> str:
    """What a client said, as one line of text that can be written."""
    return "".join(one if one.isprintable() else "?" for one in text.encode("utf-8", "replace").decode())


class _Connection(SMTP):
    """One connection, with our limits beside the library's."""

    line_length_limit = LINE_MOST

    def __init__(self, gate: MailGate, name: str, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop) -> None:
        self.is_busy = False
        self.peer = ""
        self._gate = gate
        self._bare: asyncio.Transport | None = None
        self._is_refused = False
        self._taken = 0
        self._over: asyncio.TimerHandle | None = None
        super().__init__(
            gate, data_size_limit=email.MOST, enable_SMTPUTF8=True, hostname=name, ident="Tocsin", tls_context=tls,
            timeout=COMMAND_SECONDS, command_call_limit=COMMANDS_MOST, auth_exclude_mechanism=["LOGIN", "PLAIN"], loop=loop,
        )  # fmt: skip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._bare is not None:  # the same connection, now under TLS
            super().connection_made(transport)
            return
        bare = cast("asyncio.Transport", transport)  # what the loop hands to servers
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        if why := self._gate.is_too_much(self.peer):
            self._is_refused = True
            bare.write(f"421 4.3.2 {self.hostname} is busy: {why}; come again\r\n".encode())
            bare.close()
            return
        self._bare = bare
        self._gate.open.add(self)
        self._over = self.loop.call_later(SESSION_SECONDS, self.cut_off)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._taken += len(data)
        if self._taken > FLOOD:
            self.cut_off()
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        return False if self._is_refused else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._gate.open.discard(self)
        if self._over is not None:
            self._over.cancel()
        if not self._is_refused:
            super().connection_lost(error)

    def _set_post_data_state(self) -> None:
        self._taken = 0
        super()._set_post_data_state()  # type: ignore[no-untyped-call]

    def cut_off(self) -> None:
        """End the connection at once."""
        if self._bare is not None:
            self._bare.abort()
