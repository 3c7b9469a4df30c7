"""Simulated worlds that CI lives through: the promises hold whatever comes; `make sim` runs as many others as you like."""

import pytest

from tests.sim.run import QUIET_FROM, databases, simulate

SEEDS = range(1, 15)
HOURS = 4.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_promises_hold_in_a_world_under_trouble(seed: int):
    with databases("sqlite") as urls:
        world, _ = simulate(next(urls), seed, HOURS)
    assert world.figures.accepted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [20, 21, QUIET_FROM + 4])
def test_the_promises_hold_on_postgresql(seed: int, blank_postgres_url: str):
    world, _ = simulate(blank_postgres_url, seed, HOURS)
    assert world.figures.accepted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(QUIET_FROM, QUIET_FROM + 4))
def test_the_promises_hold_where_alerts_are_held_back_and_services_are_quiet(seed: int):
    with databases("sqlite") as urls:
        world, _ = simulate(next(urls), seed, HOURS)
    assert world.figures.accepted


def test_a_seed_makes_the_same_world_every_time():
    with databases("sqlite") as urls:
        first, again = (simulate(next(urls), 3, 2.0)[0] for _ in range(2))
    assert list(first.story.lines) == list(again.story.lines)
    assert first.figures == again.figures
