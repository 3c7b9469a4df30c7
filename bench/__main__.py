"""Every figure that has a target, in one run, beside the peer.

python -m bench              tables
python -m bench --json       one JSON document
python -m bench --quick      shorter: one round of accepting, 10,000 open alerts
"""

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Callable
from os import cpu_count, getloadavg
from typing import Any, Final

from bench import accept, coverage, on_call, pages

Figure = tuple[str, float | None, str, float | None]
"""What, our figure, the target in words, the figure as a ratio to the peer's in the same run."""


def gathered(told: argparse.Namespace) -> dict[str, Any]:
    """All measures, one after the other, so that none disturbs another."""
    steps: dict[str, Callable[[], Any]] = {
        "accept": lambda: accept.measure(3 if told.quick else 6, 1 if told.quick else 3),
        "pages": lambda: pages.measure(10_000 if told.quick else 100_000),
        "on_call": on_call.measure,
        "coverage": coverage.measure,
    }
    machine = {"python": platform.python_version(), "cores": cpu_count(), "load_before": getloadavg()[0]}
    found: dict[str, Any] = {"machine": machine}
    for name, step in steps.items():
        print(f"bench: {name} …", file=sys.stderr, flush=True)
        found[name] = step()
    return found


SQLITE: Final = "Tocsin on SQLite"
POSTGRESQL: Final = "Tocsin on PostgreSQL"
PEER: Final = "Alertmanager"


def figures(found: dict[str, Any]) -> list[Figure]:
    """One line a figure: ours, the target, and the ratio to the peer."""
    accepts, sent = found["accept"], found["pages"]

    def ratio(group: dict[str, Any], who: str, name: str) -> float | None:
        ours, theirs = group.get(who, {}).get(name), group.get(PEER, {}).get(name)
        return ours / theirs if ours and theirs else None

    lines: list[Figure] = []
    for who, target in ((SQLITE, "≥ 1.0 × Alertmanager"), (POSTGRESQL, "≥ 0.9 × Alertmanager")):
        if who in accepts:
            one = accepts[who]
            lines.append((f"durable accepts a second, {who}", one["per_second"], target, ratio(accepts, who, "per_second")))
            lines.append((f"  p99, ms, {who}", one["p99_ms"], "≤ 15", ratio(accepts, who, "p99_ms")))
    for who in (SQLITE, POSTGRESQL):
        if who in sent:
            one = sent[who]
            lines += [
                (f"events to pages a second, {who}", one["pages_per_second"], "≥ 1,000, then ≥ 1.0 ×", ratio(sent, who, "pages_per_second")),
                (f"repeats of open alerts a second, {who}", one["repeats_per_second"], "≥ 10,000", None),
                (f"idle, event to provider, p50 ms, {who}", one["idle_p50_ms"], "≤ 5", ratio(sent, who, "idle_p50_ms")),
                (f"idle, event to provider, p99 ms, {who}", one["idle_p99_ms"], "≤ 20", ratio(sent, who, "idle_p99_ms")),
            ]
    one = sent[SQLITE]
    lines += [
        ("resident memory with the open alerts, MB", one.get("resident_mb"), "≤ 300", ratio(sent, SQLITE, "resident_mb")),
        ("start after kill -9 to the first timer, s", one.get("restart_s"), "≤ 3", None),
        ("on call at one instant, 1,250 schedules, ms", found["on_call"]["instant_ms"], "≤ 50", None),
        ("final schedule of one for a year, ms", found["on_call"]["year_ms"], "≤ 20", None),
        ("the same instant, all by calendar rules, ms", found["on_call"]["rules_instant_ms"], "", None),
        ("the same year by calendar rules, ms", found["on_call"]["rules_year_ms"], "", None),
        ("coverage of 500 services for 12 weeks, s", found["coverage"]["median_s"], "", None),
    ]
    return lines


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'':54}{'figure':>12}  {'target':<24}{'x peer':>8}"]
    for what, value, target, ratio in figures(found):
        shown = "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
        lines.append(f"{what:54}{shown:>12}  {target:<24}" + (f"{ratio:8.2f}" if ratio is not None else ""))
    machine = found["machine"]
    lines.append(f"\nPython {machine['python']}, {machine['cores']} cores, load before {machine['load_before']:.1f}")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description="All figures, beside the peer and the target")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--quick", action="store_true")
    told = arguments.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("the load generator `wrk` is not installed: `make system` as root, or apt-get install wrk")
    found = gathered(told)
    print(json.dumps(found, indent=2) if told.json else table(found))


if __name__ == "__main__":
    main()
