"""Who is on call: one instant over 1,250 schedules, and the final schedule of one for a year; by turns, and by calendar rules.

python -m bench.on_call            a table
python -m bench.on_call --json     the same as JSON
"""

import argparse
import json
import random
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from tocsin.base import ids
from tocsin.base.times import Span
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import RecurringShift, Restriction
from tocsin.core.schedule import Layer, Model, Override, Rotation, Schedule, Version, final, from_layers, on_call_at

SCHEDULES: Final = 1_250
ZONES: Final = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
BEGAN: Final = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
NOW: Final = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY: Final = 86_400
RUNS: Final = 7


def schedule(chance: random.Random, number: int) -> tuple[Schedule, tuple[Override, ...]]:
    """Three layers (weeks, days, office hours) and a few overrides."""
    crew = tuple(ids.object_id(chance) for _ in range(6))
    office = (Restriction(None, 9 * 3600, 9 * 3600),)
    start = BEGAN + timedelta(hours=number % 24)
    layers = [
        Layer(ids.object_id(chance), "Weeks", start, None, start, 7 * DAY, crew, ()),
        Layer(ids.object_id(chance), "Days", start, None, start, DAY, crew[:4], ()),
        Layer(ids.object_id(chance), "Office", start, None, start, DAY, crew[2:], office),
    ]
    model = from_layers(ZONES[number % len(ZONES)], layers)
    days = [NOW + timedelta(days=chance.randrange(-100, 200)) for _ in range(5)]
    made = tuple(
        Override(ids.object_id(chance), day, day + timedelta(hours=8), chance.choice(crew), at) for at, day in enumerate(days)
    )
    return Schedule(ids.object_id(chance), f"Rota {number}", (Version(1, BEGAN, model),)), made


RULES: Final = (
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU,WE,TH,FR", 12 * 3600),
    ("FREQ=DAILY", DAY),
    ("FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=1,-1", DAY),
)


def by_rules(chance: random.Random, number: int) -> tuple[Schedule, tuple[Override, ...]]:
    """The same by calendar rules: office days, days and some weekends, in a zone that need not be the schedule's."""
    crew = tuple((ids.object_id(chance),) for _ in range(6))
    start = BEGAN + timedelta(hours=number % 24)
    rotations = []
    for rank, (text, seconds) in enumerate(RULES):
        rule = Rule(start, seconds, ZONES[(number + rank) % len(ZONES)], text, (start + timedelta(days=14),))
        shift = RecurringShift(ids.object_id(chance), "", rule, start, None, crew)
        rotations.append(Rotation(ids.object_id(chance), "", (shift,), rank))
    model = Model(ZONES[number % len(ZONES)], tuple(rotations))
    return Schedule(ids.object_id(chance), f"Rota {number}", (Version(1, BEGAN, model),)), ()


def measure() -> dict[str, float]:
    """Medians in milliseconds."""
    chance = random.Random(7)
    turns = measured([schedule(chance, number) for number in range(SCHEDULES)])
    rules = measured([by_rules(chance, number) for number in range(SCHEDULES)])
    return turns | {f"rules_{name}": value for name, value in rules.items()}


def measured(rotas: list[tuple[Schedule, tuple[Override, ...]]]) -> dict[str, float]:
    year = Span(NOW, NOW + timedelta(days=365))
    instants, years = [], []
    for run in range(RUNS):
        began = time.perf_counter()
        for rota, overrides in rotas:
            on_call_at(rota, overrides, NOW + timedelta(minutes=run))
        instants.append((time.perf_counter() - began) * 1000)
        rota, overrides = rotas[run]
        began = time.perf_counter()
        final(rota, overrides, year)
        years.append((time.perf_counter() - began) * 1000)
    return {"instant_ms": statistics.median(instants), "year_ms": statistics.median(years)}


def main() -> None:
    arguments = argparse.ArgumentParser(description="Who is on call")
    arguments.add_argument("--json", action="store_true")
    found = measure()
    words = {
        "instant_ms": f"one instant over {SCHEDULES:,} schedules, ms",
        "year_ms": "final schedule for a year, ms",
        "rules_instant_ms": "one instant, all by calendar rules, ms",
        "rules_year_ms": "final schedule for a year by rules, ms",
    }
    if arguments.parse_args().json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(f"{words[name]:44}{value:>10.1f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
