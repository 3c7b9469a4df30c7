"""Runs simulated worlds from the shell: `make sim SEED= RUNS= HOURS=`; a broken promise is told as a story."""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from random import Random

import sqlalchemy as sa

from tests import postgres
from tests.sim.checkers import Watch, at_the_end
from tests.sim.company import EDGES, founded
from tests.sim.dice import Dice
from tests.sim.world import SEEN, Node, ShakyDatabase, World
from tocsin.store.db import Database
from tocsin.store.tables.roll import METADATA

HOURS = 6.0
QUIET_FROM = 1000
"""From this seed on worlds have maintenance windows, alerts that are held back, and services that are grouped together."""
AFTERWARDS = timedelta(hours=7)
"""How long a world has to settle when its faults are over: longer than any acknowledgement, snooze and ladder in it."""


class Failure(AssertionError):
    """A promise was broken in a world; its words are the complaint, the story and how to see it again."""


def simulate(url: str, seed: int, hours: float = HOURS) -> tuple[World, Dice]:
    """One world on an empty database, from its founding until it has settled. Raises Failure."""
    dice = Dice(seed)
    quiet = Database(url, pool_size=1)
    with quiet.write() as tx:
        METADATA.create_all(tx.connection)
        tx.execute(sa.text(SEEN.format("" if url.startswith("sqlite") else "GENERATED ALWAYS AS IDENTITY")))
    start, zone = dice.chance.choice(EDGES)
    nodes = [
        Node(f"node{number}", ShakyDatabase(url, dice), Random(f"{seed} {number}"))
        for number in range(1, dice.chance.choice([1, 2, 2, 3]) + 1)
    ]
    for node in nodes[1:]:
        node.skew = timedelta(seconds=dice.chance.uniform(-10, 10))
    world = World(dice, start, nodes, quiet)
    watch = Watch()
    try:
        hush = Random(f"hush {seed}") if seed >= QUIET_FROM else None
        _live(world, dice, watch, zone, start, hours, hush)
    except Exception as error:  # whatever goes wrong in a world is a finding
        said = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
        words = f"{world.story.last()}\n\nBROKEN in seed {seed}: {said}\nsee it again: make sim SEED={seed} HOURS={hours:g}"
        raise Failure(words) from error
    finally:
        for database in (quiet, *(node.db for node in nodes)):
            database.close()
    return world, dice


def _live(
    world: World, dice: Dice, watch: Watch, zone: str, start: object, hours: float, hush: Random | None
) -> None:
    company = founded(world, dice, next(edge for edge, _ in EDGES if edge == start), zone, hush)
    world.after_step = watch
    until = world.now + timedelta(hours=hours)
    company.traffic(until, dice.chance.choice([2, 6, 20]))
    busy = dice.chance.choice([3, 10, 30])
    meddling = world.now + timedelta(hours=dice.chance.expovariate(busy))
    while company.waiting or meddling < until:
        at = min(company.waiting[0][0] if company.waiting else until, meddling)
        world.forward(at)
        if at == meddling:
            company.meddle()
            # Often at a bad moment: at once again, or just before or after something is due.
            meddling = world.now + (
                timedelta(seconds=dice.chance.choice([0, 0.2, 1])) if dice.one_in(3) else timedelta(hours=dice.chance.expovariate(busy))
            )
        else:
            company.waiting.pop(0)[1]()
    dice.is_calm = True
    for node in world.nodes:
        node.still_until, node.skew = None, timedelta(0)
        node.down_until = min(node.down_until, world.now) if node.down_until else None
    world.lanes_down.clear()
    world.forward(world.now + AFTERWARDS)
    at_the_end(world, watch)


@contextmanager
def databases(engine: str) -> Iterator[Iterator[str]]:
    """Addresses of empty databases, as many as are asked for."""
    with ExitStack() as stack:
        if engine == "postgresql":
            yield _on_postgres(stack.enter_context(postgres.cluster(postgres.CARELESS)))
        else:
            memory = Path("/dev/shm")  # a crash here is a process's, not a machine's: the files need no disk
            folder = Path(tempfile.mkdtemp(prefix="tocsin-sim-", dir=memory if memory.is_dir() else None))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            yield _on_files(folder)


def _on_files(folder: Path) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"sqlite:///{folder}/{number}.db"
        for left in folder.glob(f"{number}.db*"):
            left.unlink()


def _on_postgres(cluster: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        postgres.statement(cluster, f"CREATE DATABASE sim{number}")
        yield postgres.url(cluster, f"sim{number}")
        postgres.statement(cluster, f"DROP DATABASE sim{number} WITH (FORCE)")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first world")
    parser.add_argument("--runs", type=int, default=1, help="how many worlds, each with the next seed")
    parser.add_argument("--hours", type=float, default=HOURS, help="simulated hours of trouble in each world")
    parser.add_argument("--db", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep-going", action="store_true", help="after a broken promise go on with the next world")
    asked = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    broken = 0
    with databases(asked.db) as urls:
        for seed in range(asked.seed, asked.seed + asked.runs):
            try:
                world, dice = simulate(next(urls), seed, asked.hours)
            except Failure as failure:
                broken += 1
                print(failure if not asked.keep_going else str(failure).split("\n\n")[-1])
                if not asked.keep_going:
                    return 1
                continue
            total.update(asdict(world.figures))
            total.update(dice.thrown)
            total["simulated hours"] += round(asked.hours + AFTERWARDS.total_seconds() / 3600)
    print(f"{asked.runs} worlds, {broken} broken: " + ", ".join(f"{count} {name}" for name, count in total.items()))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
