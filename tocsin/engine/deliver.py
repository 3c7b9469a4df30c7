"""Delivering: take what is due on each channel's lane, send it, record what became of it; promptly, and each lane alone.

Laws:
1. A try is written before it is made (`claim_due`), so a crash repeats a page (under the same key) and never loses one.
2. A lane waits for nobody: its own limit of messages under way, its own claims. Only the writing of results is shared.
   Within a lane one address gets at most a quarter of the room.
3. Bells wake it: a lane's own when a page is due at once (`deliver:<lane>`), `deliver` for all others; the poll is for what
   another node has made due.
4. Stopping takes no new work and lets what is under way finish and be recorded.
`claim_due`, `parcel_of` and `record_results` are plain functions: a simulator calls them with its own time and send.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final, TypeVar

import structlog
import uvloop

from tocsin.base.clock import Clock
from tocsin.base.figures import DELIVERIES, EVENT_TO_PAGE
from tocsin.base.secret import Seals
from tocsin.channels import keeping, roll
from tocsin.channels.http import EVERYWHERE, Outside
from tocsin.channels.spec import Accepted, Action, Channel, Means, NotNow, Outcome, Parcel, Refused, Smtp, Twilio
from tocsin.core import message
from tocsin.core.message import Facts
from tocsin.service import notify
from tocsin.service.notify import Claim, Result
from tocsin.store import outbox
from tocsin.store.db import Database, Tx

_log = structlog.get_logger("tocsin.deliver")

POLL: Final = timedelta(seconds=1)
"""How long a page that another node has made due may wait to be seen."""

RECORD_MAX: Final = 512
"""Messages recorded in one transaction."""

LINGER: Final = timedelta(milliseconds=20)
"""Under load, how long results and room gather so that one transaction serves many; a quiet lane never waits for it."""

REST_AFTER_FAILURE: Final = timedelta(milliseconds=500)
LINK_GOOD_FOR: Final = timedelta(days=7)
"""How long the acknowledge and resolve links of a message work."""

LINK_PURPOSE: Final = "mail-action"
SWAP_LINK_PURPOSE: Final = "swap-answer"
SWAP_LINK_GOOD_FOR: Final = timedelta(days=60)
"""How long the link to a request to take a shift works; the request itself ends with the shift's start."""
DEEDS: Final = (("acknowledge", "Acknowledge"), ("resolve", "Resolve"))
DEEDS_OF: Final = {message.HELP: (("join", "Join"), ("decline", "Decline"))}
"""What a link does and what it is called, by the purpose of the message."""

LINKED_MAX: Final = 25
"""Incidents of a bundle that get links of their own."""

_T = TypeVar("_T")
Send = Callable[[Parcel], Awaitable[Outcome]]


# ---------------------------------------------------------------------------------------------------- plain functions


def claim_due(
    db: Database,
    lane: str,
    *,
    now: datetime,
    node: str,
    limit: int,
    chance: Random,
    public_url: str = "",
    crowded: Collection[str] = frozenset(),
    most_each: int | None = None,
) -> list[Claim]:
    """The messages of a lane that are to be sent now, each try written down.

    At most `limit`; at most `most_each` to one contact method, and none to the `crowded` ones.
    """
    with db.write() as tx:
        return notify.claim(
            tx,
            lane,
            now=now,
            node=node,
            limit=limit,
            public_url=public_url,
            chance=chance,
            crowded=crowded,
            most_each=most_each,
        )


def record_results(db: Database, results: Sequence[Result], *, now: datetime, chance: Random) -> None:
    """Write what became of messages: receipts, retries, next ways, the incidents' log."""
    with db.write() as tx:
        notify.record(tx, results, now=now, chance=chance)


def return_lost(db: Database, *, now: datetime, holder: str | None = None) -> int:
    """Make due again what a dead node had claimed: by the clock, or everything of `holder`, known to be dead."""
    with db.write() as tx:
        count = outbox.return_lost(tx, now=now, holder=holder)
        if count:
            tx.wake("deliver")
        return count


def parcel_of(claim: Claim, *, seals: Seals, public_url: str, now: datetime) -> Parcel:
    """The message of a claim, with signed links when the world can reach us."""
    facts = [_linked(page.facts, claim.user_id, seals, public_url, now) for page in claim.pages]
    words = message.compose(claim.purpose, facts, more_link=f"{public_url}/incidents" if public_url else "")
    actions: list[Action] = []
    if public_url:
        for incident_id in words.incident_ids[:LINKED_MAX]:
            for do, label in DEEDS_OF.get(claim.purpose, DEEDS):
                claims: dict[str, object] = {"incident": incident_id, "user": claim.user_id, "do": do}
                signed = seals.sign(claims, purpose=LINK_PURPOSE, expires_at=now + LINK_GOOD_FOR)
                actions.append(Action(incident_id, do, label, f"{public_url}/act/{signed}"))
    return Parcel(
        key=claim.key,
        address=claim.address,
        country_code=claim.country_code,
        fields=keeping.opened(claim.fields, seals),
        user_id=claim.user_id,
        user_name=claim.user_name,
        message=words,
        at=now,
        actions=tuple(actions),
    )


def _linked(facts: Facts, user_id: str, seals: Seals, public_url: str, now: datetime) -> Facts:
    """With the link by which this person answers a request to take a shift: signed when it leaves, so that it is kept nowhere."""
    if not facts.swap_id or not public_url:
        return facts
    claims: dict[str, object] = {"swap": facts.swap_id, "user": user_id}
    signed = seals.sign(claims, purpose=SWAP_LINK_PURPOSE, expires_at=now + SWAP_LINK_GOOD_FOR)
    return replace(facts, link=f"{public_url}/swap/{signed}")


def kept_back(claim: Claim, now: datetime) -> Outcome | None:
    """Why a claimed message must not leave after all; None when it may.

    A node that stood still (a suspended machine, a long pause) finds its claims run out: they are another's by now, and
    the incident may long be acknowledged.
    """
    if not claim.address:
        return Refused("the contact method is gone or switched off, or its person is disabled")
    if now >= claim.until:
        return NotNow("its claim had run out before it could leave")
    return None


async def send_claim(
    claim: Claim, wrap: Callable[[Claim], Parcel], send: Send, limit: timedelta, now: datetime
) -> Outcome:
    """Send one message. Whatever goes wrong in a channel is an outcome with a reason, so that no page is stuck on a fault."""
    if (kept := kept_back(claim, now)) is not None:
        return kept
    try:
        async with asyncio.timeout(limit.total_seconds()):
            return await send(wrap(claim))
    except TimeoutError:
        return NotNow(f"no answer within {limit.total_seconds():g} s")
    except Exception as error:  # noqa: BLE001 - a lane's loop top: the reason is logged and becomes the receipt
        _log.error("a channel failed", channel=claim.lane, key=claim.key, exc_info=error)
        return NotNow(f"the {claim.lane} channel failed: {type(error).__name__}: {error}"[:300])


# ------------------------------------------------------------------------------------------------------------ courier


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the courier of an installation is told.

    node              this process's name; no other living process has it (an earlier life's claims are given back at start)
    public_url        our own address as people and providers see it, without a slash at the end; empty: no links
    allowed_networks  private networks that webhooks may call, in CIDR form
    """

    node: str
    public_url: str = ""
    allowed_networks: tuple[str, ...] = ()
    webhook_secret: str = ""
    smtp: Smtp | None = None
    twilio: Twilio | None = None


class Courier:
    """Runs every channel's lane in one event loop of its own thread. `start` once, `stop` once."""

    def __init__(
        self,
        db: Database,
        told: Delivery,
        *,
        seals: Seals,
        clock: Clock,
        chance: Random,
        channels: Sequence[Channel] = roll.CHANNELS,
    ) -> None:
        self._db = db
        self._told = told
        self._seals = seals
        self._clock = clock
        self._chance = chance
        self._lanes = {channel.kind: _Lane(channel) for channel in channels}
        self._by_bell = {outbox.bell_of(kind): lane for kind, lane in self._lanes.items()}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._results: asyncio.Queue[Result | None] = asyncio.Queue()
        self._pool = ThreadPoolExecutor(max_workers=len(self._lanes) + 2, thread_name_prefix="tocsin-courier")

    def start(self) -> None:
        """Give back what an earlier life of this node had claimed, and begin."""
        lost = return_lost(self._db, now=self._clock(), holder=self._told.node)
        if lost:
            _log.warning("pages of an earlier run are sent again, with the same keys", pages=lost)
        self._thread = threading.Thread(target=self._run, name="tocsin-deliver", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self, within: timedelta = timedelta(seconds=20)) -> bool:
        """Take nothing new; let what is under way finish and be recorded. True when that was done in time."""
        if self._thread is None or self._loop is None:
            return True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join(within.total_seconds())
        return not self._thread.is_alive()

    def claim_in(self, tx: Tx, now: datetime) -> list[Claim]:
        """Claim what this transaction makes due at once, as far as the lanes have room: the pages leave one commit sooner.

        For any thread. After the commit `go` must be called with them, or `forget` when it did not come to that.
        """
        found: list[Claim] = []
        for bell in sorted(tx.rings & self._by_bell.keys()):
            lane = self._by_bell[bell]
            room = lane.promise()
            claims: list[Claim] = []
            try:
                if room:
                    claims = self._claim_in(tx, lane, now, room)
            except BaseException:
                self.forget(found)
                raise
            finally:
                lane.settle_promise(room, len(claims))
            if len(claims) < room:
                tx.rings.discard(bell)  # nothing is left for the lane to look for
            found += claims
        return found

    def _claim_in(self, tx: Tx, lane: "_Lane", now: datetime, limit: int) -> list[Claim]:
        return notify.claim(
            tx,
            lane.channel.kind,
            now=now,
            node=self._told.node,
            limit=limit,
            public_url=self._told.public_url,
            chance=self._chance,
            crowded=lane.crowded(),
            most_each=lane.most_each,
        )

    def go(self, claims: Sequence[Claim]) -> None:
        """Send these: their transaction is committed."""
        if claims and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._start_promised, claims)

    def forget(self, claims: Sequence[Claim]) -> None:
        """Their transaction was undone."""
        for claim in claims:
            self._lanes[claim.lane].settle_promise(1, 0)

    def _start_promised(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            lane = self._lanes[claim.lane]
            lane.settle_promise(1, 0)
            self._start(lane, claim)

    def _start(self, lane: "_Lane", claim: Claim) -> None:
        lane.to[claim.contact_method_id] += 1
        task = asyncio.create_task(self._carry(lane, claim, lane.send))
        lane.tasks.add(task)
        task.add_done_callback(lane.done)

    @property
    def under_way(self) -> Mapping[str, int]:
        """Messages being sent at this moment, by lane."""
        return {kind: len(lane.tasks) for kind, lane in self._lanes.items()}

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main())

    def _hear(self, name: str) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        if name == "deliver":
            self._loop.call_soon_threadsafe(self._wake.set)
        elif (lane := self._by_bell.get(name)) is not None:
            self._loop.call_soon_threadsafe(lane.wake.set)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        outside = Outside(allowed=self._told.allowed_networks)
        provider = Outside(allowed=EVERYWHERE)
        means = Means(
            outside,
            provider,
            public_url=self._told.public_url,
            smtp=self._told.smtp,
            twilio=self._told.twilio,
            webhook_secret=self._told.webhook_secret,
        )
        self._db.bell.listen(self._hear)
        recorder = asyncio.create_task(self._record())
        for lane in self._lanes.values():
            lane.send = partial(lane.channel.send, means)
        self._ready.set()
        lanes = [asyncio.create_task(self._work(lane)) for lane in self._lanes.values()]
        try:
            await self._watch()
            await asyncio.gather(*lanes)
            await self._results.put(None)
            await recorder
        finally:
            self._db.bell.unlisten(self._hear)
            await outside.close()
            await provider.close()
            self._pool.shutdown(wait=False)

    async def _watch(self) -> None:
        """Look which lanes have something due, wake them, and sleep until the next is due, the bell or the poll."""
        while not self._stopping.is_set():
            self._wake.clear()
            rest = POLL
            try:
                now = self._clock()
                due = await self._in_thread(partial(self._next_due, now))
                for kind, at in due.items():
                    if at <= now:
                        self._lanes[kind].wake.set()
                    else:
                        rest = min(rest, at - now)
            except Exception as error:  # noqa: BLE001 - the loop's top: logged, and looked again after a rest
                _log.error("could not look for due pages; trying again", exc_info=error)
                rest = REST_AFTER_FAILURE
            try:
                async with asyncio.timeout(rest.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                pass
        for lane in self._lanes.values():
            lane.wake.set()

    def _next_due(self, now: datetime) -> dict[str, datetime]:
        with self._db.read() as tx:
            due, lost = outbox.next_due(tx, tuple(self._lanes)), outbox.has_lost(tx, now)
        if lost:
            _log.warning("pages of a silent node are sent again", pages=return_lost(self._db, now=now))
        return due

    async def _work(self, lane: "_Lane") -> None:
        """One lane: claim as much as there is room for, start sending, and wait for more work or more room."""
        while not self._stopping.is_set():
            lane.wake.clear()
            room = lane.room
            if room <= 0:
                await lane.wake.wait()
                continue
            if room < lane.channel.limits.concurrency // 4:
                await self._linger(lane)
                room = lane.room
            try:
                claims = await self._in_thread(partial(self._claim, lane, room))
            except Exception as error:  # noqa: BLE001 - the loop's top: logged, and tried again after a rest
                _log.error("could not take due pages; trying again", lane=lane.channel.kind, exc_info=error)
                await asyncio.sleep(REST_AFTER_FAILURE.total_seconds())
                lane.wake.set()
                continue
            for claim in claims:
                self._start(lane, claim)
            if not claims:
                await lane.wake.wait()
        if lane.tasks:
            await asyncio.wait(lane.tasks)

    def _claim(self, lane: "_Lane", limit: int) -> list[Claim]:
        with self._db.read() as tx:
            at = outbox.next_due(tx, (lane.channel.kind,)).get(lane.channel.kind)
        now = self._clock()
        if at is None or at > now:
            return []
        with self._db.write() as tx:
            return self._claim_in(tx, lane, now, limit)

    async def _carry(self, lane: "_Lane", claim: Claim, send: Send) -> None:
        try:
            outcome = await send_claim(claim, self._wrap, send, lane.channel.limits.timeout, self._clock())
        finally:
            lane.sent_to(claim.contact_method_id)
        ended_at = self._clock()
        _measure(claim, outcome, ended_at)
        await self._results.put(Result(claim, outcome, ended_at))

    async def _linger(self, lane: "_Lane") -> None:
        """Let messages end until a quarter of the lane is free, for a moment at most."""
        deadline = asyncio.get_running_loop().time() + LINGER.total_seconds()
        while len(lane.tasks) > lane.channel.limits.concurrency * 3 // 4:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            lane.wake.clear()
            try:
                async with asyncio.timeout(left):
                    await lane.wake.wait()
            except TimeoutError:
                return

    def _wrap(self, claim: Claim) -> Parcel:
        return parcel_of(claim, seals=self._seals, public_url=self._told.public_url, now=self._clock())

    async def _record(self) -> None:
        """Write results as they come, all that wait in one transaction; a failed write is repeated until it is done."""
        while (first := await self._results.get()) is not None:
            batch = [first]
            if any(lane.tasks for lane in self._lanes.values()):
                await asyncio.sleep(LINGER.total_seconds())
            while len(batch) < RECORD_MAX and not self._results.empty():
                more = self._results.get_nowait()
                if more is None:
                    self._results.put_nowait(None)
                    break
                batch.append(more)
            while True:
                try:
                    await self._in_thread(partial(self._write, batch))
                    break
                except Exception as error:  # noqa: BLE001 - the loop's top: logged, and written again after a rest
                    _log.error("could not record results; trying again", results=len(batch), exc_info=error)
                    await asyncio.sleep(REST_AFTER_FAILURE.total_seconds())
                    if self._stopping.is_set():
                        break  # the claims run out and the pages are sent again: a repeat, not a silence

    def _write(self, batch: Sequence[Result]) -> None:
        record_results(self._db, batch, now=self._clock(), chance=self._chance)

    async def _in_thread(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


async def _not_started(_parcel: Parcel) -> Outcome:
    return NotNow("the courier has not started")


class _Lane:
    """One channel's traffic."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.wake = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.to: Counter[str] = Counter()  # messages under way to each contact method
        self.most_each = max(channel.limits.concurrency // 8, 1)
        self.send: Send = _not_started
        self._promised = 0  # messages claimed in other threads that have not begun yet
        self._guard = threading.Lock()

    @property
    def room(self) -> int:
        """How many messages more may be under way."""
        return self.channel.limits.concurrency - len(self.tasks) - self._promised

    def promise(self) -> int:
        """Keep all the room there is for a thread that is about to claim; how much that is."""
        with self._guard:
            room = max(self.room, 0)
            self._promised += room
            return room

    def settle_promise(self, promised: int, kept: int) -> None:
        """Of what was promised, this much is still to come."""
        with self._guard:
            self._promised -= promised - kept

    def crowded(self) -> frozenset[str]:
        """Contact methods with so much under way to them that others go first: one dead address does not fill the lane."""
        return frozenset(method for method, count in self.to.items() if count >= self.most_each)

    def sent_to(self, method_id: str) -> None:
        self.to[method_id] -= 1
        if self.to[method_id] <= 0:
            del self.to[method_id]

    def done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a message could not be carried; its claim runs out and it is sent again", exc_info=error)


def _measure(claim: Claim, outcome: Outcome, ended_at: datetime) -> None:
    if not isinstance(outcome, Accepted):
        word = "refused" if isinstance(outcome, Refused) else "unreachable"
        DELIVERIES.labels(claim.lane, word).inc()
        _log.warning(
            "a page did not get through",
            channel=claim.lane,
            outcome=word,
            # What the other side said may repeat whose address it is: that is in the receipt, not in the log.
            reason=outcome.reason.replace(claim.address or "\0", "(the address)"),
            key=claim.key,
            incident_ids=[page.incident_id for page in claim.pages[:20]],
        )
        return
    DELIVERIES.labels(claim.lane, "accepted").inc()
    for page in claim.pages:
        if page.facts.since is not None and page.is_prompt:
            EVENT_TO_PAGE.observe((ended_at - page.facts.since).total_seconds())
