"""Accepting events: look up whose key it is, put the event on disk together with its neighbours, then say so.

Laws:
1. `accept` returns only when its rows are on disk, and raises only when none of them is.
2. Everybody who waits shares one commit. While commits are quick they happen in the event loop's own turn, and only if
   nobody else is writing at that moment; otherwise (another writer, a slow disk) a thread waits, so that the loop never
   does for long.
3. One sender's bad row never takes its neighbours down: a batch that fails for a row's sake is tried request by request.
4. A key made a moment ago by another process works: what is not remembered is looked up; what is remembered is looked
   up again after `KEY_SECONDS`.
5. Every refusal is counted by day, reader and reason.

All methods but `figures` belong to the event loop that `start` ran in.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

import sqlalchemy as sa

from tocsin.base.clock import Clock
from tocsin.base.errors import overloaded
from tocsin.base.figures import EVENTS_ACCEPTED, EVENTS_REFUSED
from tocsin.store import hot, inbox
from tocsin.store.db import Database

KEY_SECONDS: Final = 2.0
"""How long a routing key's meaning is trusted before it is looked up again: a deleted key works at most this long."""
FLUSH_SECONDS: Final = 5.0
"""How often the counts of refused events are written down."""
QUEUE_SECONDS: Final = 10.0
"""How long a batch waits for this process's other writers before its senders are told to come again."""
MAX_WAITING: Final = 20_000
"""Requests that may wait for a commit at once; further ones are told to come again."""
QUICK_SECONDS: Final = 0.002
"""Commits that lately took longer than this on average are left to the thread."""
PACE_WEIGHT: Final = 0.1
"""How much the newest commit counts in that average."""
MAX_LOOKS: Final = 8
"""Rounds of the event loop that a commit waits while each round brings more requests; alone it waits for one."""
MAX_KEYS: Final = 100_000
"""Routing keys remembered at once; beyond it all are forgotten and looked up again."""

_log = logging.getLogger(__name__)

Columns = tuple[str, str, str | None, str | None, str | None, bytes]
"""routing_key, reader, action, dedup_key, summary, raw."""


class _Request(NamedTuple):
    rows: Sequence[Columns]
    answer: asyncio.Future[None]


@dataclass(slots=True)
class Figures:
    """How the group commits went since this process started. Numbers only grow (but `waiting`)."""

    commits: int = 0
    failed_commits: int = 0
    largest_commit: int = 0
    waiting: int = 0  # requests that wait for a commit at this moment


class Ingest:
    """The accepting half of the house. One per process and database."""

    def __init__(self, db: Database, *, clock: Clock, chance: Random) -> None:
        self.figures = Figures()
        self._db = db
        self._clock = clock
        self._chance = chance
        self._requests: list[_Request] = []
        self._alone: deque[_Request] = deque()
        self._is_committing = False
        self._is_turn_due = False
        self._pace = 0.0  # seconds a commit takes lately
        self._seen = 0
        self._looks = 0
        self._ways: dict[str, tuple[float, inbox.Way | None]] = {}
        self._asking: dict[str, asyncio.Task[inbox.Way | None]] = {}
        self._unwritten: Counter[tuple[str, str, str]] = Counter()
        self._flushing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------------------------------------------- life

    async def start(self) -> None:
        """Open what accepting needs. Call once, in the loop that will serve."""
        self._loop = asyncio.get_running_loop()
        self._appender = hot.open_appender(self._db)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="accept")
        self._asker = ThreadPoolExecutor(2, thread_name_prefix="routing-keys")
        last = await self._loop.run_in_executor(self._asker, self._highest_arrival)
        self._numbering = inbox.Numbering(self._chance, not_before=last)
        self._flushing = self._loop.create_task(self._flush_for_ever())
        self._db.bell.listen(self._heard)

    async def stop(self) -> None:
        """Commit what waits, write the counts down, close. No request may come any more."""
        self._db.bell.unlisten(self._heard)
        while self._requests or self._alone or self._is_committing:  # noqa: ASYNC110 - once in a life: no event per commit
            await asyncio.sleep(0.005)
        if self._flushing is not None:
            self._flushing.cancel()
        await self._loop.run_in_executor(self._writer, self._flush_or_say)
        self._appender.close()
        self._writer.shutdown()
        self._asker.shutdown()

    # -------------------------------------------------------------------------------------------------- accepting

    async def accept(self, rows: Sequence[Columns]) -> None:
        """Put these events on disk, all or none. Raises `Refusal` (503) when that is not possible now."""
        if len(self._requests) >= MAX_WAITING:
            raise overloaded(
                "Too many events are waiting to be written; nothing of this request was kept, send it again"
            )
        answer: asyncio.Future[None] = self._loop.create_future()
        self._requests.append(_Request(rows, answer))
        self.figures.waiting += 1
        self._go_on()
        try:
            await answer
        finally:
            self.figures.waiting -= 1

    def _turn(self) -> None:
        """Commit everybody who waits: here and now if that is quick and nobody else is writing, else in the thread."""
        if len(self._requests) > self._seen and self._looks < MAX_LOOKS:  # others are just arriving: take them along
            self._seen = len(self._requests)
            self._looks += 1
            self._loop.call_soon(self._turn)
            return
        self._seen = self._looks = 0
        self._is_turn_due = False
        batch = self._take_batch()
        if not batch:
            return
        try:
            rows = self._numbered(batch)
            is_done = self._append_at_once(rows)
        except hot.NotKept as error:
            self._failed(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - the top of a loop: whatever it was, nobody may be left waiting for an answer
            _log.exception("accepting a batch of events failed")
            self._failed(batch, hot.NotKept(str(error)))
            return
        if is_done:
            self._kept(batch, len(rows))
        else:
            self._in_thread(batch, rows)

    def _append_at_once(self, rows: Sequence[hot.InboxTuple]) -> bool:
        """Commit without waiting for anybody; False when somebody else is writing, or commits take long here."""
        queue = self._db.writing
        if not self._appender.is_quick or self._pace > QUICK_SECONDS or queue is None:
            return False
        if not queue.acquire(blocking=False, first=True):
            return False
        try:
            self._append(rows, may_wait=False)
        except hot.Busy:
            return False
        finally:
            queue.release()
        return True

    def _in_thread(self, batch: Sequence[_Request], rows: Sequence[hot.InboxTuple]) -> None:
        self._is_committing = True

        def tell_loop(done: Future[None]) -> None:
            self._loop.call_soon_threadsafe(self._thread_is_done, batch, len(rows), done)

        self._writer.submit(self._append_in_thread, rows).add_done_callback(tell_loop)

    def _take_batch(self) -> list[_Request]:
        size = 0
        for at, request in enumerate(self._requests):
            size += len(request.rows)
            if size > inbox.MAX_BATCH:
                batch, self._requests = self._requests[:at], self._requests[at:]
                return batch
        batch, self._requests = self._requests, []
        return batch

    def _numbered(self, batch: Sequence[_Request]) -> list[hot.InboxTuple]:
        return self._numbering.number([row for request in batch for row in request.rows], self._clock())

    def _append_in_thread(self, rows: Sequence[hot.InboxTuple]) -> None:
        queue = self._db.writing
        if queue is not None and not queue.acquire(timeout=QUEUE_SECONDS, first=True):
            raise hot.NotKept(f"another writer of this process has held the database for {QUEUE_SECONDS:.0f} s")
        try:
            self._append(rows, may_wait=True)
        finally:
            if queue is not None:
                queue.release()

    def _append(self, rows: Sequence[hot.InboxTuple], *, may_wait: bool) -> None:
        began = self._clock()
        self._appender.append(rows, may_wait=may_wait)
        self._pace += PACE_WEIGHT * ((self._clock() - began).total_seconds() - self._pace)

    def _thread_is_done(self, batch: Sequence[_Request], size: int, done: Future[None]) -> None:
        self._is_committing = False
        error = done.exception()
        if error is None:
            self._kept(batch, size)
        elif isinstance(error, hot.NotKept):
            self._failed(batch, error)
        else:  # not foreseen: the senders still get their answer, and the log the whole story
            _log.error("accepting a batch of events failed", exc_info=error)
            self._failed(batch, hot.NotKept(str(error)))
        self._go_on()

    def _go_on(self) -> None:
        """See to whoever waits: first those that must go alone, then everybody else together."""
        if self._is_committing or self._is_turn_due:
            return
        if self._alone:
            request = self._alone.popleft()
            self._in_thread([request], self._numbered([request]))
        elif self._requests:
            self._is_turn_due = True
            self._loop.call_soon(self._turn)

    def _kept(self, batch: Sequence[_Request], size: int) -> None:
        figures = self.figures
        figures.commits += 1
        figures.largest_commit = max(figures.largest_commit, size)
        readers = Counter([row[1] for request in batch for row in request.rows])
        for reader, count in readers.items():
            EVENTS_ACCEPTED.labels(reader).inc(count)
        for request in batch:
            if not request.answer.done():  # a sender that hung up meanwhile
                request.answer.set_result(None)
        self._db.bell.ring("ingest")

    def _failed(self, batch: Sequence[_Request], error: hot.NotKept) -> None:
        self.figures.failed_commits += 1
        if error.is_rows_fault and len(batch) > 1:  # each request gets a commit of its own (law 3)
            self._alone.extend(batch)
            self._go_on()
            return
        _log.error("events were not kept, their senders were told so: %s", error)
        for request in batch:
            if not request.answer.done():
                request.answer.set_exception(
                    overloaded("The event could not be written to disk and was not kept; send it again")
                )

    def _highest_arrival(self) -> int:
        with self._db.read() as tx:
            return inbox.highest_arrival(tx)

    # ------------------------------------------------------------------------------------------------------- keys

    def way_at_once(self, routing_key: str) -> inbox.Way | None:
        """What a routing key stands for, if that is known freshly enough without asking the database."""
        known = self._ways.get(routing_key)
        return known[1] if known is not None and self._loop.time() - known[0] < KEY_SECONDS else None

    async def way(self, routing_key: str) -> inbox.Way | None:
        """What a routing key stands for; None when it belongs to nothing.

        When the database cannot be asked, what was known last is used; when nothing was, raises `Refusal` (503).
        """
        if not (routing_key.isascii() and routing_key.isalnum()):
            return None
        found = self.way_at_once(routing_key)
        if found is not None:
            return found
        asking = self._asking.get(routing_key)
        if asking is None:
            asking = self._asking[routing_key] = self._loop.create_task(self._ask(routing_key))
            asking.add_done_callback(lambda _done: self._asking.pop(routing_key, None))
        return await asyncio.shield(asking)

    async def _ask(self, routing_key: str) -> inbox.Way | None:
        asked_at = self._loop.time()
        try:
            found = await self._loop.run_in_executor(self._asker, self._look_up, routing_key)
        except sa.exc.DBAPIError as error:
            known = self._ways.get(routing_key)
            if known is not None:
                return known[1]
            raise overloaded("The routing key cannot be looked up now; nothing was kept, send it again") from error
        if found is None:
            self._ways.pop(routing_key, None)
        else:
            if len(self._ways) >= MAX_KEYS:
                self._ways.clear()
            self._ways[routing_key] = (asked_at, found)
        return found

    async def way_of_address(self, address: str, type_: str) -> inbox.Way | None:
        """Where mail to this address goes; None when no integration of this type has it.

        Nothing is remembered: mails are few. Raises `Refusal` (503) when the database cannot be asked.
        """
        try:
            return await self._loop.run_in_executor(self._asker, self._look_up_address, address, type_)
        except sa.exc.DBAPIError as error:
            raise overloaded("The address cannot be looked up now; nothing was kept, send it again") from error

    def _look_up_address(self, address: str, type_: str) -> inbox.Way | None:
        with self._db.read() as tx:
            return inbox.way_of_address(tx, address, type_)

    def _look_up(self, routing_key: str) -> inbox.Way | None:
        with self._db.read() as tx:
            return inbox.way(tx, routing_key)

    def _heard(self, bell: str) -> None:
        if bell == "integrations":  # whoever changes an integration may ring this, so that it counts at once
            self._loop.call_soon_threadsafe(self._ways.clear)

    # --------------------------------------------------------------------------------------------------- refusals

    def count_refused(self, reader: str, reasons: Sequence[str]) -> None:
        """One request was turned away; `reasons` are its error texts (the first one is what it is counted under)."""
        reason = reasons[0] if reasons else "refused"
        EVENTS_REFUSED.labels(reader, reason).inc()
        self._unwritten[self._clock().date().isoformat(), reader, reason] += 1

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            if self._unwritten:
                await self._loop.run_in_executor(self._asker, self._flush_or_say)

    def _flush_or_say(self) -> None:
        counts, self._unwritten = self._unwritten, Counter()
        try:
            with self._db.write() as tx:
                inbox.add_refused(tx, [inbox.Refused(*key, count) for key, count in sorted(counts.items())])
        except sa.exc.DBAPIError as error:
            _log.warning("the counts of refused events could not be written now, they are kept in memory: %s", error)
            self._unwritten.update(counts)
