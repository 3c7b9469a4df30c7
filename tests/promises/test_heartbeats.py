"""What promised to call and does not opens an incident, once, whatever is killed; what calls again ends it; our own gap pages nobody."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.base.errors import Refusal
from tocsin.base.secret import Seals
from tocsin.core.heartbeat import Kind, Period
from tocsin.core.permission import HOUSE
from tocsin.engine.heartbeats import heartbeats_pass
from tocsin.service import heartbeats, services
from tocsin.service.audit import Deed
from tocsin.service.heartbeats import A_MINUTE, Heard, Ping
from tocsin.store import heartbeats as store
from tocsin.store.tables.services import integration
from tocsin.store.tables.watching import heartbeat_ping

MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Watched:
    """A world with one service, and heartbeats on it."""

    world: World
    seals: Seals
    service_id: str
    chance: Random = field(default_factory=lambda: Random(5))

    @property
    def deed(self) -> Deed:
        return Deed(HOUSE, self.world.now, self.chance)

    def promise(self, name: str = "Nightly backup", minutes: int = 10, grace: int = 2) -> str:
        with self.world.db.write() as tx:
            return heartbeats.create(
                tx, self.deed, self.seals, service_id=self.service_id, name=name, schedule=Period(minutes * MINUTE), grace=grace * MINUTE
            )  # fmt: skip

    def row(self, heartbeat_id: str):
        with self.world.db.read() as tx:
            return store.find(tx, heartbeat_id)

    def ping(self, heartbeat_id: str, kind: Kind = Kind.SUCCESS, **more) -> Heard:
        before, secret = self.said(), self.seals.open(self.row(heartbeat_id).sealed_secret)
        with self.world.db.write() as tx:
            heard = heartbeats.hear(tx, self.seals, secret, Ping(kind, **more), now=self.world.now, chance=self.chance)
        if self.said() != before:
            self.world.settle()
        return heard

    def look(self, node: str = "one", at: datetime | None = None) -> None:
        before = self.said()
        while heartbeats_pass(self.world.db, at or self.world.now, node=node, chance=self.chance):
            pass
        if self.said() != before:
            self.world.settle()

    def pass_time(self, minutes: float, node: str = "one") -> None:
        """The watch looks every minute, and at the end."""
        until = self.world.now + minutes * MINUTE
        while self.world.now < until:
            self.look(node)
            self.world.now = min(until, self.world.now + MINUTE)
        self.look(node)

    def said(self) -> list[str]:
        with self.world.db.read() as tx:
            return [row.action for row in tx.rows(sa.text("SELECT action FROM inbox ORDER BY arrival"))]


@pytest.fixture
def watched(world: World, seals: Seals) -> Watched:
    ada = world.person("Ada")
    key = world.service(world.policy((30, [ada])))
    with world.db.read() as tx:
        service_id = tx.scalar(sa.select(integration.c.service_id).where(integration.c.routing_key == key))
    return Watched(world, seals, str(service_id))


def test_silence_pages_once_and_a_ping_ends_it(watched: Watched) -> None:
    one = watched.promise()
    watched.pass_time(20)
    assert watched.said() == []  # nothing is expected of one that has never called
    watched.ping(one)
    watched.pass_time(11.5)
    assert watched.said() == []
    watched.pass_time(20)
    assert watched.said() == ["trigger"]
    assert watched.world.only().status.value == "triggered"
    assert [sent.to for sent in watched.world.phones] == ["Ada"]
    assert watched.row(one).reason.startswith("a ping was expected at")
    watched.ping(one)
    assert watched.said() == ["trigger", "resolve"]
    assert watched.world.only().status.value == "resolved"
    watched.pass_time(12)
    assert watched.said() == ["trigger", "resolve", "trigger"]


def test_a_failure_is_told_at_once_with_what_it_said(watched: Watched) -> None:
    one = watched.promise()
    watched.ping(one, Kind.START)
    watched.world.forward(seconds=20)
    watched.ping(one, Kind.FAIL, exit_status=3, body="disk\0 full", method="POST", remote_address="192.0.2.9")
    watched.ping(one, Kind.FAIL)
    assert watched.said() == ["trigger"]
    with watched.world.db.read() as tx:
        (_, failed, _) = reversed(store.pings(tx, [one])[one])
    assert (failed.exit_status, failed.body, failed.lasted_ms, failed.remote_address) == (3, "disk full", 20_000, "192.0.2.9")
    assert "exit status 3" in watched.world.only().title


def test_a_kill_at_the_commit_tells_neither_twice_nor_never(watched: Watched) -> None:
    one = watched.promise()
    watched.ping(one)
    watched.pass_time(5)
    watched.world.now += 8 * MINUTE - timedelta(seconds=20)
    watched.look()  # a gap of nearly eight minutes: what fell into it is waited for anew
    due = watched.row(one).due_at
    watched.pass_time((due - watched.world.now) / MINUTE - 0.5)
    watched.world.now = due
    with pytest.raises(Killed):
        _told_and_killed(watched, due)
    assert watched.said() == []
    watched.look()
    watched.look("two", due + timedelta(seconds=31))
    assert watched.said() == ["trigger"]


def _told_and_killed(watched: Watched, due: datetime) -> None:
    with watched.world.db.write() as tx:
        heartbeats.tell_silence(tx, due, chance=watched.chance, most=10)
        raise Killed


def test_of_several_nodes_one_tells(watched: Watched) -> None:
    one = watched.promise()
    watched.ping(one)
    for _ in range(26):
        for node, apart in (("one", 0), ("two", 40), ("three", -40)):
            watched.look(node, watched.world.now + timedelta(seconds=apart))
        watched.world.now += timedelta(seconds=30)
    assert watched.said() == ["trigger"]
    watched.ping(one)
    assert watched.said() == ["trigger", "resolve"]


def test_our_own_absence_pages_nobody_and_says_why(watched: Watched) -> None:
    promises = [watched.promise(f"Job {number}", minutes=5 + number) for number in range(12)]
    for one in promises:
        watched.ping(one)
    watched.pass_time(1)
    watched.world.now += timedelta(hours=7)  # killed, or the clock was set forward
    watched.look()
    assert watched.said() == []
    assert all("nobody could hear it" in watched.row(one).reason for one in promises)
    for one in promises[1:]:
        watched.ping(one)
    watched.pass_time(6.5)
    assert watched.said() == []
    watched.pass_time(0.75)
    assert watched.said() == ["trigger"]  # the one that really is silent


def test_a_clock_set_back_loses_no_silence(watched: Watched) -> None:
    one = watched.promise()
    watched.ping(one)
    watched.pass_time(1)
    watched.world.now -= timedelta(days=1)
    watched.pass_time(0.5)  # the lease of the clock before runs out a day later: the same node renews it
    assert watched.row(one).due_at <= watched.world.now + 12 * MINUTE
    watched.pass_time(12)
    assert watched.said() == ["trigger"]
    watched.ping(one)
    assert watched.said() == ["trigger", "resolve"]


def test_pausing_ends_the_incident_and_the_address_can_be_made_anew(watched: Watched) -> None:
    one = watched.promise()
    watched.ping(one, Kind.FAIL)
    old = watched.seals.open(watched.row(one).sealed_secret)
    with watched.world.db.write() as tx:
        heartbeats.pause(tx, watched.deed, one)
        heartbeats.regenerate(tx, watched.deed, watched.seals, one)
    watched.world.settle()
    assert watched.world.only().status.value == "resolved"
    with watched.world.db.write() as tx:
        heard = heartbeats.hear(tx, watched.seals, old, Ping(Kind.SUCCESS), now=watched.world.now, chance=watched.chance)
    assert heard is Heard.UNKNOWN
    watched.ping(one, Kind.FAIL)
    watched.pass_time(20)
    assert watched.said() == ["trigger", "resolve"]
    with watched.world.db.write() as tx:
        heartbeats.resume(tx, watched.deed, one)
    watched.pass_time(13)
    assert watched.said() == ["trigger", "resolve", "trigger"]


def test_too_many_pings_are_turned_away_and_only_the_last_are_kept(watched: Watched) -> None:
    one = watched.promise()
    heard = [watched.ping(one) for _ in range(A_MINUTE + 1)]
    assert heard == [Heard.TAKEN] * A_MINUTE + [Heard.TOO_MANY]
    watched.world.forward(minutes=1)
    assert [watched.ping(one) for _ in range(A_MINUTE)] == [Heard.TAKEN] * A_MINUTE
    with watched.world.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(heartbeat_ping)) == store.KEPT


def test_its_way_in_is_closed_with_it_and_not_without_it(watched: Watched) -> None:
    one = watched.promise()
    with pytest.raises(Refusal), watched.world.db.write() as tx:
        services.remove_integration(tx, watched.deed, watched.row(one).integration_id)
    watched.ping(one)
    with watched.world.db.write() as tx:
        heartbeats.remove(tx, watched.deed, one)
    assert watched.row(one) is None
    watched.pass_time(20)
    assert watched.said() == []
