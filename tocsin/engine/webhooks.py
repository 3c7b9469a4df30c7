"""Sending webhooks: the first of each line, signed, within five seconds; and keeping what became of it.

Laws (BEHAVIOUR 8):
1. A receiver sees one webhook of an incident at a time, in order; a slow or broken receiver holds back only itself.
2. A repeat carries the same `X-Webhook-Id`; a crash between sending and keeping repeats, it never loses.
3. One node sends at a time (a lease); stopping lets what is under way finish and be kept.
4. A token of an OAuth client is kept in memory only, and had anew once when the receiver answers 401 to it.
`take`, `letter_of`, `verdict_on` and `keep` are plain functions: a simulator calls them with its own time and send.
"""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final, TypeVar

import structlog

from tocsin.base.clock import Clock
from tocsin.base.figures import WEBHOOKS
from tocsin.base.secret import Seals, webhook_signature
from tocsin.channels import oauth
from tocsin.channels.http import Answer, Forbidden, Outside, Unreachable
from tocsin.channels.oauth import Credentials, NoToken
from tocsin.service import oauth_clients, webhooks
from tocsin.service.webhooks import Fate
from tocsin.store import leases
from tocsin.store import webhooks as store
from tocsin.store.db import Database
from tocsin.store.webhooks import Client, Due

_log = structlog.get_logger("tocsin.webhooks")

TIMEOUT: Final = timedelta(seconds=5)
"""How long a receiver may take to answer."""
UNDER_WAY_MOST: Final = 256
"""Webhooks being sent at once, over all subscriptions."""
PER_SUBSCRIPTION_MOST: Final = 16
"""Webhooks being sent at once to one receiver, each of another incident."""
LEASE: Final = "webhooks"
LASTING: Final = timedelta(seconds=30)
"""How long another node waits before it takes over; longer than any try lasts."""
VERSION: Final = 1
POLL: Final = timedelta(seconds=1)
REST_AFTER_FAILURE: Final = timedelta(milliseconds=500)
KEPT_AT_ONCE: Final = 256
"""Results kept in one transaction."""
USER_AGENT: Final = "PagerDuty-Webhook/V3.0 (Tocsin)"

UNAUTHORIZED: Final = 401
TOKEN_SPARE: Final = timedelta(seconds=60)
"""How long before its end a token is not used any more."""

_PASSING_TLS: Final = "certificate has expired"
_TLS_FAULTS: Final = ("ClientConnectorCertificateError", "ClientConnectorSSLError", "ClientSSLError")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Letter:
    """A webhook ready to be sent."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one try of one webhook, and when that was known."""

    due: Due
    fate: Fate
    detail: str
    ended_at: datetime
    retry_after: timedelta | None = None
    client_status: str | None = None  # of its OAuth client, when a token was asked for


# ---------------------------------------------------------------------------------------------------- plain functions


def take(
    db: Database, now: datetime, *, node: str, limit: int, busy: Collection[tuple[str, str]] = ()
) -> list[Due]:
    """The webhooks this node is to send now; none when another node has the lease. Asks before it writes anything."""
    with db.read() as tx:
        at = store.next_due(tx)
    if at is None or at > now:
        return []
    with db.write() as tx:
        if not leases.hold(tx, LEASE, node, now=now, lasting=LASTING, version=VERSION):
            return []
        return store.due(tx, now, limit, per_subscription=PER_SUBSCRIPTION_MOST, busy=busy)


def letter_of(due: Due, *, seals: Seals, base_url: str) -> Letter:
    """The webhook as it goes out. Raises ValueError when it is too large, or its secrets cannot be opened."""
    body = webhooks.finished(due.body, base_url)
    headers = {one["name"]: seals.open(one["sealed"]) for one in due.custom_headers}
    headers |= {"Content-Type": "application/json", "User-Agent": USER_AGENT, "X-Webhook-Id": due.id}
    if due.sealed_endpoint is not None:  # nobody was told an extension's secret, so nothing can be signed with it
        return Letter(seals.open(due.sealed_endpoint), body, headers)
    headers |= {
        "X-PagerDuty-Signature": webhook_signature(seals.open(due.sealed_secret), body),
        "X-Webhook-Subscription": due.subscription_id,
    }
    return Letter(due.url, body, headers)


def verdict_on(due: Due, outcome: Answer | Forbidden | Unreachable | ValueError, ended_at: datetime) -> Attempt:
    """What an answer, or the lack of one, means (BEHAVIOUR 8)."""
    match outcome:
        case Answer():
            return Attempt(due, webhooks.fate_of(outcome.status), outcome.words(), ended_at, outcome.retry_after)
        case Unreachable():
            words = str(outcome)
            is_for_good = words.startswith(_TLS_FAULTS) and _PASSING_TLS not in words
            return Attempt(due, Fate.DROP if is_for_good else Fate.RETRY, words, ended_at)
        case _:
            return Attempt(due, Fate.DROP, str(outcome), ended_at)


def keep(db: Database, attempts: Sequence[Attempt], *, chance: Random) -> None:
    """Write what became of these webhooks, in one transaction."""
    with db.write() as tx:
        for one in attempts:
            webhooks.settle(
                tx, one.due, one.fate, one.detail, now=one.ended_at, chance=chance, retry_after=one.retry_after
            )
            if one.client_status is not None and one.due.client is not None:
                oauth_clients.note_status(tx, one.due.client.id, one.due.client.revision, one.client_status)


class Tokens:
    """The tokens of OAuth clients, each had when it is first wanted and again when it is nearly over."""

    def __init__(self, *, seals: Seals, clock: Clock) -> None:
        self._seals = seals
        self._clock = clock
        self._held: dict[tuple[str, int], tuple[str, datetime]] = {}

    async def of(self, client: Client, outside: Outside, *, anew: bool = False) -> tuple[str, bool]:
        """A token that is good for a while, and whether it was asked for just now. Raises NoToken."""
        key, now = (client.id, client.revision), self._clock()
        held = self._held.get(key)
        if held is not None and not anew and held[1] > now:
            return held[0], False
        credentials = Credentials(client.token_url, client.client_id, self._seals.open(client.sealed_secret), client.scope)
        token = await oauth.ask(outside, credentials)
        self._held = {other: kept for other, kept in self._held.items() if other[0] != client.id}
        self._held[key] = (token.text, now + token.lasting - min(TOKEN_SPARE, token.lasting / 2))
        return token.text, True


async def send(due: Due, outside: Outside, *, seals: Seals, base_url: str, clock: Clock, tokens: Tokens) -> Attempt:
    """Send one webhook once; to one that answers 401 to a token that was held, once more with a new one."""
    outcome: Answer | Forbidden | Unreachable | ValueError
    status = None
    try:
        letter = letter_of(due, seals=seals, base_url=base_url)
        outcome, status = await _exchange(letter, due.client, outside, tokens)
        attempt = verdict_on(due, outcome, clock())
    except (Forbidden, Unreachable, ValueError) as error:
        attempt = verdict_on(due, error, clock())
    except NoToken as error:
        status = oauth_clients.ERROR
        attempt = Attempt(due, Fate.RETRY, f"no token of its OAuth client: {error}", clock())
    attempt = replace(attempt, client_status=status)
    WEBHOOKS.labels(attempt.fate.value).inc()
    if attempt.fate is not Fate.SENT:
        _log.warning(
            "a webhook did not get through",
            subscription_id=due.subscription_id,
            webhook_id=due.id,
            incident_id=due.subject_id,
            fate=attempt.fate.value,
            reason=attempt.detail,
        )
    return attempt


async def _exchange(letter: Letter, client: Client | None, outside: Outside, tokens: Tokens) -> tuple[Answer, str | None]:
    """The receiver's answer, and how its OAuth client stands when a token was asked for."""
    if client is None:
        return await outside.request("POST", letter.url, body=letter.body, headers=letter.headers, timeout=TIMEOUT), None
    token, is_new = await tokens.of(client, outside)
    asked = is_new
    while True:
        kept = {name: value for name, value in letter.headers.items() if name.lower() != "authorization"}
        headers = kept | {"Authorization": f"Bearer {token}"}
        answer = await outside.request("POST", letter.url, body=letter.body, headers=headers, timeout=TIMEOUT)
        if answer.status != UNAUTHORIZED or is_new:
            return answer, oauth_clients.ACTIVE if asked else None
        token, is_new = await tokens.of(client, outside, anew=True)
        asked = True


# ------------------------------------------------------------------------------------------------------------- postman


class Postman:
    """Carries webhooks in an event loop of its own thread. `start` once, `stop` once."""

    def __init__(
        self,
        db: Database,
        *,
        seals: Seals,
        base_url: str,
        node: str,
        clock: Clock,
        chance: Random,
        allowed_networks: Sequence[str] = (),
    ) -> None:
        """`base_url`: our own address as receivers know it; `allowed_networks`: private ones that may be called (CIDR)."""
        self._db = db
        self._seals = seals
        self._base_url = base_url
        self._node = node
        self._clock = clock
        self._chance = chance
        self._allowed = tuple(allowed_networks)
        self._tokens = Tokens(seals=seals, clock=clock)
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._attempts: asyncio.Queue[Attempt | None] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tocsin-postman")

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="tocsin-webhooks", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self, within: timedelta = timedelta(seconds=15)) -> bool:
        """Send nothing new; let what is under way finish and be kept. True when that was done in time."""
        if self._thread is None or self._loop is None:
            return True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join(within.total_seconds())
        return not self._thread.is_alive()

    def _hear(self, name: str) -> None:
        if name == "webhooks" and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        outside = Outside(allowed=self._allowed)
        self._db.bell.listen(self._hear)
        self._ready.set()
        keeping = asyncio.create_task(self._keep())
        try:
            await self._work(outside)
            if self._busy:
                await asyncio.wait(tuple(self._busy.values()))
            await self._attempts.put(None)
            await keeping
            await self._in_thread(self._give_up)
        finally:
            self._db.bell.unlisten(self._hear)
            await outside.close()
            self._pool.shutdown(wait=False)

    async def _work(self, outside: Outside) -> None:
        """Take what is due and there is room for, send it, and sleep until the bell, the next due one or the poll."""
        while not self._stopping.is_set():
            self._wake.clear()
            rest = POLL
            try:
                taken = await self._in_thread(partial(self._take, UNDER_WAY_MOST - len(self._busy), set(self._busy)))
            except Exception as error:  # noqa: BLE001 - the loop's top: logged, and looked again after a rest
                _log.error("could not look for due webhooks; trying again", exc_info=error)
                taken, rest = [], REST_AFTER_FAILURE
            for due in taken:
                self._busy[due.subscription_id, due.subject_id] = asyncio.create_task(self._carry(due, outside))
            if not taken:
                try:
                    async with asyncio.timeout(rest.total_seconds()):
                        await self._wake.wait()
                except TimeoutError:
                    pass

    def _take(self, room: int, busy: Collection[tuple[str, str]]) -> list[Due]:
        return take(self._db, self._clock(), node=self._node, limit=room, busy=busy) if room > 0 else []

    async def _carry(self, due: Due, outside: Outside) -> None:
        try:
            attempt = await send(
                due, outside, seals=self._seals, base_url=self._base_url, clock=self._clock, tokens=self._tokens
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the loop's top: a fault of ours is tried again, and said
            _log.error("a webhook could not be carried", webhook_id=due.id, exc_info=error)
            attempt = Attempt(due, Fate.RETRY, f"{type(error).__name__}: {error}"[:300], self._clock())
        await self._attempts.put(attempt)

    async def _keep(self) -> None:
        """Write results as they come, all that wait in one transaction; then their lines are free."""
        is_over = False
        while not is_over and (first := await self._attempts.get()) is not None:
            batch = [first]
            while len(batch) < KEPT_AT_ONCE and not self._attempts.empty():
                more = self._attempts.get_nowait()
                if more is None:
                    is_over = True
                    break
                batch.append(more)
            while True:
                try:
                    await self._in_thread(partial(keep, self._db, batch, chance=self._chance))
                    break
                except Exception as error:  # noqa: BLE001 - the loop's top: logged, and written again after a rest
                    _log.error("could not keep what became of webhooks; trying again", exc_info=error)
                    await asyncio.sleep(REST_AFTER_FAILURE.total_seconds())
                    if self._stopping.is_set():
                        break  # they stay due and are sent again: a repeat, not a silence
            for one in batch:
                self._busy.pop((one.due.subscription_id, one.due.subject_id), None)
            self._wake.set()

    def _give_up(self) -> None:
        with self._db.write() as tx:
            leases.give_up(tx, LEASE, self._node)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
