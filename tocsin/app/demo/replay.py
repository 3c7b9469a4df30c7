"""Replays a day through the real house with a clock that is turned: what was lived through before somebody looks at it.

Laws:
1. The passes are the engine's own; only the clock is turned, and what would be sent is kept instead of sent.
2. People answer pages as people do: most soon, some late, some not at all. What they do goes through the one door.
3. The same seed and company live through the same day.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Final

import sqlalchemy as sa

from tocsin.app.demo.company import PEOPLE
from tocsin.app.demo.day import Signal, post_of
from tocsin.base import json
from tocsin.base.errors import Refusal
from tocsin.channels.spec import Accepted, NotNow, Outcome
from tocsin.core.events import Agent
from tocsin.engine.deliver import claim_due, record_results
from tocsin.engine.follow import follow_pass
from tocsin.engine.ingest import ingest_pass
from tocsin.engine.timers import timers_pass
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import Payload
from tocsin.service.incidents import Desk
from tocsin.service.notify import Claim, ClaimedPage, Result
from tocsin.store import inbox, outbox, timers
from tocsin.store.db import Database
from tocsin.store.hot import InboxTuple
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables.services import priority

TIMERS: Final = "timers"
NODE: Final = "replay"
LANES: Final = ("email", "webhook", "sms", "phone")
TOGETHER: Final = timedelta(seconds=2)
"""Signals this close to one another are worked off together, which is quicker and makes no difference that matters."""
ROUNDS_MAX: Final = 200
"""Rounds of the passes at one instant; more would be a loop, which is a fault."""

CHANNELS: Final[Mapping[str, str]] = {"sms": "sms", "phone": "phone", "email": "email"}
"""How somebody answers a page that came this way; otherwise in the pages."""

_ANYWHERE: Final = ("Looking at it.", "Watching the graphs for ten minutes before I close this.", "Follow-up is in the tracker.")

NOTES: Final[Mapping[str, tuple[str, ...]]] = {
    "Kubernetes production": ("Cordoned the node and moved its pods; the provider has a ticket.", "It is the new release: limits were cut in half by mistake."),
    "Edge and CDN": ("Probes from two other places are fine: one transit provider.", "Traffic moved to the other point of presence until it settles."),
    "PostgreSQL clusters": ("A long report holds back the replica. Cancelled it.", "Old WAL was not archived; archiving runs again and the disk empties."),
    "Observability": ("One tenant logs at debug level. Asked them, and limited the stream.", "Added a shard; rule evaluation catches up."),
    "Checkout API": ("It began with the deployment. Rolling back.", "Retries pile up behind the pool: raised it for now."),
    "Card payments": ("The acquirer's maintenance was not announced. Asked them.", "Routed to the second acquirer until they are back."),
    "Fraud scoring": ("The new model needs more memory than it is given. Raised the limit.", "Scores fall back to rules, orders go through."),
    "Storefront web": ("One region only; cache refilled, errors are falling.", "A tile query without a limit. Feature flag is off."),
    "Search": ("A shard is being moved. Should be over in minutes.", "Suggestions are switched off to give the query path some air."),
    "Delivery slots": ("The carrier's feed is late. Their on-call is on it.", "Slots of that warehouse are closed for the next hour."),
    "Warehouse sync": ("Their SFTP was full. They are cleaning up.", "File came by hand, importing."),
    "Nightly reports": ("A column was renamed upstream. Fixing the model.", "Rerunning the three models; the morning mail will be late."),
}  # fmt: skip
"""What people note on incidents, by service."""


def note_on(service: str, chance: Random) -> str:
    """A note that fits this service."""
    return chance.choice(NOTES.get(service, ()) + _ANYWHERE)


def answered(claim: Claim, chance: Random) -> Outcome:
    """What a provider answers: nearly always yes; a telephone is sometimes engaged."""
    if claim.lane == "phone" and chance.random() < 0.15:
        return NotNow("the line is engaged")
    return Accepted(provider_id=f"replayed-{claim.key}")


@dataclass
class Replay:
    """One replay. `keys` are the routing keys and `users` the ids of people, both by name."""

    db: Database
    keys: Mapping[str, str]
    users: Mapping[str, str]
    chance: Random
    answering: Callable[[Claim, Random], Outcome] = answered
    now: datetime | None = None
    _agenda: list[tuple[datetime, int, Callable[[Desk], object]]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _met: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbering = inbox.Numbering(self.chance)
        self._names = {user_id: name for name, user_id in self.users.items()}
        with self.db.read() as tx:
            self._priorities = [row.id for row in tx.rows(sa.select(priority.c.id).order_by(priority.c.order))]

    def run(
        self, signals: Sequence[Signal], until: datetime, *, told: Callable[[float], None] = lambda _share: None
    ) -> None:
        """Live through these signals, in order, up to `until`. `told` hears from time to time which share is done.

        What this database has lived through already (an interrupted replay) is not lived through again.
        """
        with self.db.read() as tx:
            last = tx.scalar(sa.select(sa.func.max(engine_tables.inbox.c.received_at)))
        waiting = [one for one in signals if last is None or one.at > last][::-1]
        total = max(1, len(waiting))
        due = self._due()
        while (instant := self._next(waiting, due, until)) is not None:
            self.now = instant
            arriving = []
            while waiting and waiting[-1].at <= instant + TOGETHER:
                arriving.append(waiting.pop())
            if arriving:
                self.now = instant = max(instant, min(arriving[-1].at, until))
                self._accept(arriving)
                while ingest_pass(self.db, instant, node=NODE, chance=self.chance):
                    pass
                told(1 - len(waiting) / total)
            while self._agenda and self._agenda[0][0] <= instant:
                self._do(heapq.heappop(self._agenda)[2], instant)
            due = self._settle(instant)
        while follow_pass(self.db, until, node=NODE, chance=self.chance):
            pass

    def _due(self) -> dict[str, datetime]:
        """When the next timer and the next page of each lane are due."""
        with self.db.read() as tx:
            at = timers.next_due(tx)
            return dict(outbox.next_due(tx, LANES)) | ({TIMERS: at} if at is not None else {})

    def _next(self, waiting: Sequence[Signal], due: Mapping[str, datetime], until: datetime) -> datetime | None:
        """The next instant at which anything happens; None when that is not before `until`."""
        found = [*due.values(), *(one.at for one in waiting[-1:]), *(at for at, _, _ in self._agenda[:1])]
        first = min(found, default=None)
        if first is None or first >= until:
            return None
        return first if self.now is None else max(first, self.now)

    def _accept(self, signals: Sequence[Signal]) -> None:
        """The signals stand in the inbox, each received at its own instant, as the gate would have put them there."""
        rows: list[InboxTuple] = []
        for signal in signals:
            reader = reader_named(signal.reader)
            assert reader is not None, f"there is no reader {signal.reader}"
            key = self.keys[signal.service]
            _, body = post_of(signal, key)
            accepted = reader.check(Payload(json.encode(body), key))
            columns = [(one.routing_key, reader.name, one.action, one.dedup_key, one.summary, one.raw) for one in accepted]
            rows += self._numbering.number(columns, signal.at)
        with self.db.write() as tx:
            inbox.append(tx, rows)

    def _settle(self, now: datetime) -> dict[str, datetime]:
        """Let the passes work until nothing more is to be done at this instant; what is due later."""
        for _ in range(ROUNDS_MAX):
            due = self._due()
            wanted = [name for name, at in due.items() if at <= now]
            worked = TIMERS in wanted and timers_pass(self.db, now, chance=self.chance)
            if not (self._deliver([name for name in wanted if name != TIMERS], now) or worked):
                return due
        raise RuntimeError(f"the passes did not come to rest at {now}")

    def _deliver(self, lanes: Sequence[str], now: datetime) -> bool:
        worked = False
        for lane in lanes:
            claims = claim_due(self.db, lane, now=now, node=NODE, limit=100, chance=self.chance)
            results = [Result(claim, self.answering(claim, self.chance), now) for claim in claims]
            if results:
                worked = True
                record_results(self.db, results, now=now, chance=self.chance)
            for result in results:
                if isinstance(result.outcome, Accepted):
                    self._meet(result.claim, now)
        return worked

    # --- What people do

    def _meet(self, claim: Claim, now: datetime) -> None:
        """Somebody got a message: decide what they will do about each incident that nobody has taken on yet."""
        for page in claim.pages:
            if page.incident_id is not None and page.incident_id not in self._met:
                self._react(claim, page, page.incident_id, now)

    def _react(self, claim: Claim, page: ClaimedPage, incident_id: str, now: datetime) -> None:
        chance = self.chance
        is_high = page.facts.urgency == "high"
        if chance.random() > (0.62 if is_high else 0.35):
            return  # not seen, or left to somebody else: the next page may fare better
        self._met.add(incident_id)
        who = Agent("user_reference", claim.user_id, claim.user_name)
        channel = CHANNELS.get(claim.lane, "website")
        seen = now + timedelta(seconds=chance.uniform(20, 190) if is_high else chance.uniform(180, 2400))
        self._later(seen, lambda desk: desk.acknowledge(incident_id, who, channel))
        done = seen + timedelta(minutes=chance.uniform(6, 40))
        if chance.random() < 0.5:
            words = note_on(page.facts.service, chance)
            self._later(seen + (done - seen) * chance.uniform(0.1, 0.8), lambda desk: _note(desk, incident_id, who, words))
        if is_high and chance.random() < 0.4 and self._priorities:
            chosen = chance.choice(self._priorities[:4])
            self._later(seen + timedelta(seconds=40), lambda desk: desk.change_priority(incident_id, who, "website", chosen))
        odds = chance.random()
        if odds < 0.08:
            colleague = chance.choice([one.name for one in PEOPLE if self.users.get(one.name, who.id) != who.id])
            to = [self.users[colleague]]
            self._later(seen + timedelta(seconds=90), lambda desk: desk.reassign(incident_id, who, "website", to))
        elif odds < 0.14:
            self._later(seen + timedelta(seconds=30), lambda desk: desk.snooze(incident_id, who, "website", 3600))
        elif odds < 0.75:
            self._later(done, lambda desk: desk.resolve(incident_id, who, channel))

    def _later(self, at: datetime, deed: Callable[[Desk], object]) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), deed))

    def _do(self, deed: Callable[[Desk], object], now: datetime) -> None:
        """Somebody asks something of an incident; that it was over already is no news to people who come late."""
        try:
            with self.db.write() as tx, Desk(tx, now=now, chance=self.chance) as desk:
                deed(desk)
        except Refusal:
            return


def _note(desk: Desk, incident_id: str, who: Agent, words: str) -> None:
    """Write a note, unless it is over meanwhile."""
    if desk.incident(incident_id).is_open:
        desk.annotate(incident_id, who, "website", words)
