"""The one outgoing HTTP client: time-outs, what is worth retrying, and no way into private networks.

Laws:
1. A name is looked up once, the addresses are checked, and the connection goes to a checked address: there is no second
   look-up in which it could become another. Every hop of a redirect is checked the same way.
2. Private, loopback, link-local (cloud metadata) and other special addresses are refused, unless their network is allowed.
3. At most `ANSWER_MAX` bytes of an answer (or what its asker says) are read, whatever it says its length is.
4. Proxies and credentials of the process's environment are not used.
Why aiohttp: docs/decisions/0013-outgoing-client.md.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

ANSWER_MAX: Final = 65_536
BODY_MAX: Final = 1_048_576
REDIRECTS_MAX: Final = 3
CONNECT_SECONDS: Final = 5.0
RETRIED: Final = frozenset({408, 409, 425, 429})
"""Client errors that may pass; with every 5xx they are worth another try. All other 4xx are refusals for good."""

CARRIED_ON: Final = frozenset({"content-type", "idempotency-key", "x-tocsin-signature", "x-pagerduty-signature", "x-webhook-id"})
"""Headers that a redirect to another origin may be told too: they are of use only to who knows the secret."""

Network = IPv4Network | IPv6Network

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_SPECIAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("100.64.0.0/10", "192.88.99.0/24", "3fff::/20")  # carriers' NAT, 6to4 relays, documentation
)
"""Special networks that the standard library of some Python versions takes for public ones."""
_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""Where IPv6's public addresses are; outside of it are old and local forms that lead inwards (NAT64 of one's own, `::a.b.c.d`)."""
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The third quarter of an IPv6 address that carries an IPv4 address in its last one."""


EVERYWHERE: Final = ("0.0.0.0/0", "::/0")
"""Networks to allow for a client that calls only what the operator has set."""


class Forbidden(Exception):
    """The address is one that Tocsin does not call; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is cut at `ANSWER_MAX`."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_fine(self) -> bool:
        return 200 <= self.status < 300

    @property
    def may_pass(self) -> bool:
        """Whether the same request may work later."""
        return self.status >= 500 or self.status in RETRIED

    @property
    def retry_after(self) -> timedelta | None:
        """How long the other side asks us to wait, when it says so in seconds."""
        text = self.headers.get("retry-after", "")
        return (
            timedelta(seconds=min(int(text), 86_400)) if text.isascii() and text.isdigit() and len(text) < 9 else None
        )

    def words(self) -> str:
        """The status and the beginning of the body, on one line, for a receipt."""
        beginning = " ".join(self.body[:300].decode("utf-8", "replace").split())
        return f"HTTP {self.status}" + (f": {beginning}" if beginning else "")


class Unreachable(Exception):
    """No answer: could not connect, was cut off, or took too long. The text says which."""


def why_forbidden(address: str, allowed: Sequence[Network]) -> str | None:
    """Why this IP address must not be called, or None when it may be."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return why_forbidden(str(ip.ipv4_mapped), allowed)
        if ip.sixtofour is not None:
            return why_forbidden(str(ip.sixtofour), allowed)
        if ip in _NAT64 or (int(ip) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return why_forbidden(str(ipaddress.ip_address(int(ip) & 0xFFFF_FFFF)), allowed)
    if any(ip.version == network.version and ip in network for network in allowed):
        return None
    is_special = any(ip.version == network.version and ip in network for network in _SPECIAL)
    is_local = isinstance(ip, IPv6Address) and ip not in _UNICAST
    if ip.is_global and not (ip.is_multicast or is_special or is_local):
        return None
    return f"{ip} is a private or special address; an administrator can allow its network in the settings"


class _CheckedResolver(AbstractResolver):
    """Looks names up and leaves out the addresses that may not be called; with none left it says so."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._inner = ThreadedResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        reasons = {result["host"]: why_forbidden(result["host"], self._allowed) for result in found}
        good = [result for result in found if reasons[result["host"]] is None]
        if not good:
            raise Forbidden(f"'{host}' leads to {next(iter(reasons.values()), 'no address')}")
        return good

    async def close(self) -> None:
        await self._inner.close()


class Outside:
    """The way out. Made once, inside a running event loop; `close` it there."""

    def __init__(self, *, allowed: Sequence[str] = (), connections: int = 512, user_agent: str = "Tocsin") -> None:
        """`allowed`: networks (CIDR) that may be called although they are private, such as `10.0.0.0/8`."""
        self._allowed = tuple(ipaddress.ip_network(network, strict=False) for network in allowed)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, resolver=_CheckedResolver(self._allowed), ttl_dns_cache=30, keepalive_timeout=30
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent},
            trust_env=False,
            auto_decompress=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: timedelta = timedelta(seconds=10),  # noqa: ASYNC109 - the limit of one exchange, kept by the client below
        answer_most: int = ANSWER_MAX,
        follow: bool = True,
    ) -> Answer:
        """One exchange, redirects included. Raises Forbidden, or Unreachable when there was no answer.

        `answer_most`: how many bytes of the answer are read; what is longer is cut there.
        `follow`: whether redirects are; without it one is the answer, for bodies that only the first address may read.
        """
        if len(body) > BODY_MAX:
            raise Forbidden(f"a body of {len(body)} bytes is larger than {BODY_MAX}")
        limits = aiohttp.ClientTimeout(total=timeout.total_seconds(), sock_connect=CONNECT_SECONDS)
        sent = dict(headers or {})
        for _ in range(REDIRECTS_MAX + 1):
            self._check(url)
            answer, onward = await self._exchange(method, url, body, sent, limits, answer_most)
            if onward is None or not follow:
                return answer
            target = urljoin(url, onward)
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                # Another origin is not told what was meant for the first one: keys stand in headers of any name.
                sent = {name: value for name, value in sent.items() if name.lower() in CARRIED_ON}
            url = target
        raise Forbidden(f"more than {REDIRECTS_MAX} redirects")

    def _check(self, url: str) -> None:
        """What can be said before any look-up: the scheme, and hosts that are addresses already."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise Forbidden(f"'{url[:200]}' is not an address") from error
        if parts.scheme not in {"http", "https"} or not host:
            raise Forbidden(f"'{url[:200]}' is not an http or https address")
        try:
            reason = why_forbidden(host, self._allowed)
        except ValueError:
            return  # a name: checked when it is looked up
        if reason is not None:
            raise Forbidden(reason)

    async def _exchange(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], limits: aiohttp.ClientTimeout,
        answer_most: int,
    ) -> tuple[Answer, str | None]:
        try:
            async with self._session.request(
                method, url, data=body if body or method != "GET" else None, headers=headers, allow_redirects=False, timeout=limits
            ) as response:
                read = await _read(response, answer_most)
                answer = Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, read)
        except Forbidden:
            raise
        except TimeoutError as error:
            raise Unreachable(f"no answer within {limits.total:g} s") from error
        except aiohttp.InvalidURL as error:
            raise Forbidden(f"'{url[:200]}' is not an address") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from error
        # 303 would turn a POST into a GET, and 301 and 302 are treated so by many: of a POST only the other two repeat the request.
        repeating = {301, 302, 303, 307, 308} if method == "GET" else {307, 308}
        onward = answer.headers.get("location") if answer.status in repeating else None
        return answer, onward


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body up to `most` bytes; what is longer costs the connection, not memory."""
    parts: list[bytes] = []
    room = most
    while room > 0:
        part = await response.content.read(room)
        if not part:
            return b"".join(parts)
        parts.append(part)
        room -= len(part)
    response.close()
    await asyncio.sleep(0)
    return b"".join(parts)
