"""A simulated company under trouble: several nodes on one database, a clock of its own each, phones, senders and people.

Laws:
1. One seed makes one world, and the same one every time: no threads, no sleeping, no clock but the world's.
2. A node dies at the edges of its transactions and between sending and recording: whatever it had in memory is gone.
3. What a sender was told is accepted is remembered here, outside the database; so is what reached a phone.
4. The passes are the engine's own functions, called step by step.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

from tests.sim.dice import Dice
from tests.sim.story import Story
from tocsin.base.errors import Refusal
from tocsin.channels.spec import Accepted, NotNow, Outcome, Refused
from tocsin.engine.deliver import claim_due, kept_back, record_results, return_lost
from tocsin.engine.follow import follow_pass
from tocsin.engine.followers.roll import FOLLOWERS
from tocsin.engine.followers.spec import Follower
from tocsin.engine.ingest import ingest_pass
from tocsin.engine.timers import timers_pass
from tocsin.service import notify
from tocsin.service.incidents import Desk
from tocsin.service.notify import CLAIM_FOR, Claim, Result
from tocsin.store import inbox, outbox
from tocsin.store.db import Database, Tx
from tocsin.store.events import Entry
from tocsin.store.tables import engine

LANES = ("email", "webhook", "sms")
KINDS = ("ingest", "timers", "follow", "deliver")
STEPS_AT_ONE_INSTANT = 1500
"""Work that does not end within so many steps of one instant is a loop, which is a fault."""

_seen = sa.table("sim_seen", sa.column("follower", sa.Text), sa.column("position", sa.BigInteger))
SEEN = "CREATE TABLE sim_seen (number INTEGER PRIMARY KEY {}, follower TEXT, position BIGINT)"


class Broken(AssertionError):
    """A promise was broken."""


class Crash(BaseException):
    """The node dies here. No exception that a pass may catch: nobody outlives their own process."""


class Busy(Exception):
    """The database could not be used just now."""


class ShakyDatabase(Database):
    """A database as one node sees it: its transactions may end with the node's death, before or after the commit."""

    def __init__(self, url: str, dice: Dice) -> None:
        super().__init__(url, pool_size=1)
        self.dice = dice
        self.commits = 0

    @contextmanager
    def write(self) -> Iterator[Tx]:
        if self.dice.falls("database busy"):
            raise Busy
        with super().write() as tx:
            yield tx
            if self.dice.falls("crash before commit"):
                raise Crash
        self.commits += 1
        if self.dice.falls("crash after commit"):
            raise Crash


@dataclass
class Carried:
    """A message a node has claimed: not sent yet, or sent and not recorded yet (then it has an outcome)."""

    claim: Claim
    outcome: Outcome | None = None
    ready_at: datetime | None = None  # when the provider's answer is there

    def is_ready(self, now: datetime) -> bool:
        """Whether there is something to do about it: to send it, or to record the answer that is there."""
        return self.outcome is None or self.ready_at is None or self.ready_at <= now


@dataclass
class Node:
    """One process: its clock runs ahead or behind, and what it carries is only in its memory."""

    name: str
    db: ShakyDatabase
    chance: Random
    skew: timedelta = timedelta(0)
    still_until: datetime | None = None  # paused: lives, and does nothing
    down_until: datetime | None = None  # dead: has forgotten everything
    carrying: list[Carried] = field(default_factory=list)
    numbering: inbox.Numbering | None = None


@dataclass(frozen=True)
class Rang:
    """A phone rang."""

    at: datetime
    step: int
    claim: Claim


@dataclass(frozen=True)
class Look:
    """What waits in the database: events, the first timer, page and claim, and followers that are behind."""

    waits: bool
    timer_at: datetime | None
    due_at: datetime | None
    claimed_until: datetime | None
    is_behind: bool


@dataclass
class Sent:
    """An event that a sender sends until it is told that it is accepted."""

    routing_key: str
    action: str
    key: str
    row: tuple[Any, ...]


@dataclass
class Figures:
    """What a world has been through."""

    steps: int = 0
    crashes: int = 0
    pauses: int = 0
    jumps: int = 0
    failovers: int = 0
    accepted: int = 0
    pages: int = 0
    asked: int = 0
    refusals: int = 0
    incidents: int = 0


@dataclass
class World:
    """The company, its nodes, its time and what has become known outside of its database."""

    dice: Dice
    now: datetime
    nodes: list[Node]
    quiet: Database  # the same database without trouble: for building, for looking
    story: Story = field(default_factory=Story)
    figures: Figures = field(default_factory=Figures)
    accepted: dict[str, Sent] = field(default_factory=dict)  # inbox id → what was answered 202
    rang: list[Rang] = field(default_factory=list)
    lanes_down: dict[str, datetime] = field(default_factory=dict)
    after_step: Callable[["World"], None] = lambda _world: None
    sender_waits: list[Sent] = field(default_factory=list)
    has_webhooks: bool = False
    policies_edited: bool = False

    # --- Time and nodes

    def of(self, node: Node) -> datetime:
        """What this node takes for now."""
        return self.now + node.skew

    def is_up(self, node: Node) -> bool:
        return (node.down_until is None or node.down_until <= self.now) and (
            node.still_until is None or node.still_until <= self.now
        )

    @property
    def up(self) -> list[Node]:
        return [node for node in self.nodes if self.is_up(node)]

    def run_on(self, node: Node, what: str, work: Callable[[], object]) -> object:
        """Let a node do something; it may die of it. What it returned; None when it died or could not."""
        self.figures.steps += 1
        if node.down_until is not None:
            node.down_until = None
            self._start(node)
        done: object = None
        try:
            done = work()
        except Crash:
            self._die(node, what)
        except Busy:
            self.story.tell(self.now, node.name, f"{what}: the database is busy")
        except Refusal as refusal:
            self.figures.refusals += 1
            self.story.tell(self.now, node.name, f"{what}: refused, {refusal}")
        except ExceptionGroup as group:
            if not all(isinstance(error, Busy) for error in group.exceptions):
                raise
        self.after_step(self)
        return done

    def _die(self, node: Node, doing: str) -> None:
        rest = timedelta(seconds=self.dice.chance.choice([1, 5, 30, 120, 900]))
        node.down_until = self.now + rest
        lost = len(node.carrying)
        node.carrying.clear()
        node.numbering = None
        self.figures.crashes += 1
        self.story.tell(self.now, node.name, f"dies while it does: {doing} ({lost} messages under way); back in {rest}")

    def _start(self, node: Node) -> None:
        """A node begins its life: what an earlier one had claimed is given back."""
        self.story.tell(self.now, node.name, "starts")
        try:
            return_lost(node.db, now=self.of(node), holder=node.name)
        except Crash:
            self._die(node, "starting")
        except Busy:
            node.down_until = self.now  # tries again at once
        self.after_step(self)

    def trouble(self) -> None:
        """What may come over a node or a lane between two steps."""
        node = self.dice.chance.choice(self.nodes)
        if self.dice.falls("pause") and self.is_up(node):
            length = timedelta(seconds=self.dice.chance.choice([8, 15, 65, 200, 1200]))
            node.still_until = self.now + length
            self.figures.pauses += 1
            self.story.tell(self.now, node.name, f"stands still for {length}, {len(node.carrying)} messages in hand")
        if self.dice.falls("clock jump"):
            node.skew = timedelta(seconds=self.dice.chance.uniform(-25, 25))
            self.figures.jumps += 1
            self.story.tell(self.now, node.name, f"its clock is {node.skew.total_seconds():+.1f} s off from now on")
        if self.dice.falls("provider down"):
            lane = self.dice.chance.choice(LANES)
            length = timedelta(minutes=self.dice.chance.choice([1, 10, 90]))
            self.lanes_down[lane] = self.now + length
            self.story.tell(self.now, lane, f"the provider is down for {length}")

    # --- One step of a node

    def do(self, node: Node, kind: str) -> bool:
        """One step of one node. True when it found work."""
        now = self.of(node)
        match kind:
            case "ingest":
                sender = Hand(self, node) if self.dice.one_in(2) else None
                return bool(self.run_on(node, kind, lambda: ingest_pass(
                    node.db, now, node=node.name, chance=node.chance, batch=self.dice.chance.choice([1, 3, 50]), sender=sender)))  # fmt: skip
            case "timers":
                return bool(self.run_on(node, kind, lambda: timers_pass(
                    node.db, now, chance=node.chance, batch=self.dice.chance.choice([1, 2, 50]))))  # fmt: skip
            case "follow":
                return bool(self.run_on(node, kind, lambda: follow_pass(
                    node.db, now, node=node.name, chance=node.chance, followers=(*FOLLOWERS, RECORDER), batch=20)))  # fmt: skip
            case "deliver":
                return self._deliver(node, now)
            case _:
                raise AssertionError(kind)

    def _deliver(self, node: Node, now: datetime) -> bool:
        """Send something, record something or claim something; each is a step, so that others come between."""
        waiting = [one for one in node.carrying if one.outcome is None]
        answered = [
            one
            for one in node.carrying
            if one.outcome is not None and (one.ready_at is None or one.ready_at <= self.now)
        ]
        if waiting and not self.dice.one_in(3):
            self._send(node, self.dice.chance.choice(waiting), now)
            return True
        if answered:
            if self.dice.falls("crash while sending"):
                self._die(node, "sending, before it is recorded")
                return True
            return bool(self.run_on(node, "record", lambda: self._record(node, answered, now)))
        if waiting:
            return True
        return bool(self.run_on(node, "claim", lambda: self._claim(node, now)))

    def _claim(self, node: Node, now: datetime) -> bool:
        worked = False
        with node.db.read() as tx:
            due, lost = outbox.next_due(tx, LANES), outbox.has_lost(tx, now)
        if lost:
            worked = return_lost(node.db, now=now) > 0
        for lane in LANES:
            if lane in due and due[lane] <= now:
                found = claim_due(node.db, lane, now=now, node=node.name, limit=self.dice.chance.choice([1, 4, 32]), chance=node.chance)  # fmt: skip
                node.carrying += [Carried(claim) for claim in found]
                worked = True
        return worked

    def _send(self, node: Node, carried: Carried, now: datetime) -> None:
        """Hand a message to its provider: what the courier's `send_claim` does, without an event loop."""
        claim = carried.claim
        self.figures.steps += 1
        if (kept := kept_back(claim, now)) is not None:
            carried.outcome = kept
            return
        carried.outcome = self._provider(claim)
        if self.dice.falls("provider slow"):
            carried.ready_at = self.now + timedelta(seconds=self.dice.chance.uniform(1, CLAIM_FOR.total_seconds() - 30))

    def _provider(self, claim: Claim) -> Outcome:
        if self.lanes_down.get(claim.lane, self.now) > self.now:
            return NotNow("503 from the provider")
        if self.dice.falls("refused"):
            return Refused("no such number")
        if self.dice.falls("provider not now"):
            after = timedelta(seconds=self.dice.chance.choice([1, 30, 600])) if self.dice.one_in(3) else None
            return NotNow("429 from the provider", after)
        self.rang.append(Rang(self.now, self.figures.steps, claim))
        self.figures.pages += 1
        about = sorted({self.story.names.get(page.incident_id, "") for page in claim.pages if page.incident_id})
        self.story.tell(self.now, claim.lane, f"{claim.user_name}'s {claim.lane} rings: {claim.purpose} {', '.join(about)}")
        return NotNow("no answer within 10 s") if self.dice.falls("answer lost") else Accepted()

    def _record(self, node: Node, answered: Sequence[Carried], now: datetime) -> bool:
        record_results(
            node.db, [Result(one.claim, one.outcome, now) for one in answered if one.outcome], now=now, chance=node.chance
        )
        node.carrying = [one for one in node.carrying if one not in answered]
        return True

    # --- The world outside

    def send(self, event: Sent) -> None:
        """A sender sends until it is told 202: to some node, and after trouble again, maybe to another."""
        nodes = self.up
        if not nodes:
            self.sender_waits.append(event)
            return
        node = self.dice.chance.choice(nodes)
        accepted: list[str] = []

        def accept() -> bool:
            with node.db.write() as tx:
                node.numbering = node.numbering or inbox.Numbering(node.chance, not_before=inbox.highest_arrival(tx))
                rows = node.numbering.number([event.row], self.of(node))
                inbox.append(tx, rows)
            accepted.extend(row[0] for row in rows)
            return True

        if self.run_on(node, f"accept {event.action} {event.key}", accept):
            self.accepted[accepted[0]] = event
            self.figures.accepted += 1
        else:
            self.sender_waits.append(event)

    def ask(self, what: str, asked: Callable[[Desk], object]) -> None:
        """Somebody asks something of an incident, through some node."""
        self.configure(what, lambda tx, node: _at_desk(tx, self.of(node), node.chance, asked))

    def configure(self, what: str, change: Callable[[Tx, Node], object]) -> None:
        """Somebody changes something, through some node."""
        nodes = self.up
        if not nodes:
            return
        node = self.dice.chance.choice(nodes)
        self.figures.asked += 1
        self.story.tell(self.now, node.name, what)

        def work() -> bool:
            with node.db.write() as tx:
                change(tx, node)
            return True

        self.run_on(node, what, work)

    # --- Letting time pass

    def work(self) -> None:
        """Let the nodes work at this instant, in any order, until nothing is left or somebody looks away."""
        stuck: set[tuple[str, str]] = set()  # what found nothing to do although there is something: another's lease
        for _ in range(STEPS_AT_ONE_INSTANT):
            self.trouble()
            if self.sender_waits and self.up and self.dice.one_in(4):
                self.send(self.sender_waits.pop(0))
                continue
            doable = [(node, kind) for node, kind in self.doable() if (node.name, kind) not in stuck]
            if not doable:
                if self.sender_waits and self.up:
                    continue
                return
            node, kind = self.dice.chance.choice(doable)
            if self.dice.one_in(50):
                kind = self.dice.chance.choice(KINDS)
            if self.do(node, kind):
                stuck.clear()
            else:
                stuck.add((node.name, kind))
            if self.dice.one_in(10) and self.dice.falls("interrupted"):
                return
        raise Broken(f"the engine never comes to rest: {[(node.name, kind) for node, kind in self.doable()]}")

    def doable(self) -> list[tuple[Node, str]]:
        """What there is to do for whom at this instant."""
        look = self.look()
        found: list[tuple[Node, str]] = []
        for node in self.up:
            now = self.of(node)
            is_due = look.due_at is not None and look.due_at <= now
            is_lost = look.claimed_until is not None and look.claimed_until < now
            has = {
                "ingest": look.waits,
                "timers": look.timer_at is not None and look.timer_at <= now,
                "follow": look.is_behind,
                "deliver": is_due or is_lost or any(one.is_ready(self.now) for one in node.carrying),
            }
            found += [(node, kind) for kind in KINDS if has[kind]]
        return found

    def look(self) -> "Look":
        """What waits in the database, in one glance."""
        with self.quiet.read() as tx:
            row = tx.one(_LOOKING)
        assert row is not None
        return Look(
            row.waits is not None,
            row.timer_at,
            row.due_at,
            row.claimed_until,
            row.seen != row.last or (self.has_webhooks and row.told != row.last),
        )

    def next_at(self) -> datetime | None:
        """When, by the world's clock, some node that is up finds something due, or one comes back."""
        ahead = max((node.skew for node in self.up), default=timedelta(0))
        look = self.look()
        lost_at = look.claimed_until + timedelta(milliseconds=1) if look.claimed_until is not None else None
        soon = [at - ahead for at in (look.timer_at, look.due_at, lost_at) if at is not None]
        for node in self.nodes:
            soon += [at for at in (node.down_until, node.still_until) if at is not None and at > self.now]
            soon += [one.ready_at for one in node.carrying if one.ready_at is not None]
        if self.sender_waits or look.waits or look.is_behind:
            soon.append(self.now + timedelta(seconds=2))
        return min((max(at, self.now + timedelta(seconds=0.5)) for at in soon), default=None)

    def forward(self, until: datetime) -> None:
        """Let time pass, stopping wherever something is due."""
        while True:
            self.work()
            at = self.next_at()
            if at is None or at > until:
                break
            self.now = at
        self.now = max(self.now, until)
        self.work()


@dataclass
class Hand:
    """What takes the pages of a batch along in the batch's own transaction, as the courier does."""

    world: World
    node: Node

    def claim_in(self, tx: Tx, now: datetime) -> list[Claim]:
        limit, chance = self.world.dice.chance.choice([1, 4, 32]), self.node.chance
        return [
            one for lane in LANES for one in notify.claim(tx, lane, now=now, node=self.node.name, limit=limit, chance=chance)
        ]

    def go(self, claims: Sequence[Claim]) -> None:
        self.node.carrying += [Carried(claim) for claim in claims]

    def forget(self, claims: Sequence[Claim]) -> None:
        """Their transaction was undone: there is nothing to forget."""


def _at_desk(tx: Tx, now: datetime, chance: Random, asked: Callable[[Desk], object]) -> None:
    with Desk(tx, now=now, chance=chance) as desk:
        asked(desk)


def _record_seen(tx: Tx, entries: Sequence[Entry], now: datetime, chance: Random) -> None:
    tx.execute(sa.insert(_seen), [{"follower": "recorder", "position": entry.position} for entry in entries])


RECORDER = Follower("recorder", _record_seen)
"""A follower that keeps what it saw, in the transaction of its position."""

_inbox, _outbox, _follower = engine.inbox.c, engine.outbox.c, engine.follower.c


def _position(name: str) -> sa.ScalarSelect[Any]:
    return sa.select(sa.func.coalesce(sa.func.max(_follower.position), 0)).where(_follower.name == name).scalar_subquery()


_LOOKING = sa.select(
    sa.select(sa.func.min(_inbox.arrival)).where(_inbox.outcome.is_(None)).scalar_subquery().label("waits"),
    sa.select(sa.func.min(engine.timer.c.due_at)).scalar_subquery().label("timer_at"),
    sa.select(sa.func.min(_outbox.due_at)).where(_outbox.state == "due").scalar_subquery().label("due_at"),
    sa.select(sa.func.min(_outbox.claimed_until)).where(_outbox.state == "sending").scalar_subquery().label("claimed_until"),
    sa.select(sa.func.coalesce(sa.func.max(engine.event.c.position), 0)).scalar_subquery().label("last"),
    _position("recorder").label("seen"),
    _position("webhooks").label("told"),
)
