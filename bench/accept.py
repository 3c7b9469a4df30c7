"""How many events a second are accepted durably, and how quickly each: SQLite, PostgreSQL, beside Alertmanager.

One event a request, 632 bytes, keys all different, 64 keep-alive connections; the load generator is `wrk` on the same
machine. Alertmanager holds alerts in memory; Tocsin answers when the event is on disk.

    python -m bench.accept            a table
    python -m bench.accept --json     the same as JSON
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import uvloop

from tests import postgres
from tocsin.api.gate import Gate
from tocsin.app import http
from tocsin.base.clock import system_clock
from tocsin.service.ingest import Ingest
from tocsin.store.db import Database
from tocsin.store.tables import engine, services
from tocsin.store.tables.roll import METADATA

KEY: Final = "0123456789abcdef0123456789abcdef"
EVENT_BYTES: Final = 632
CONNECTIONS: Final = 64
ALERTMANAGER: Final = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
_QUIET = "route: {receiver: none}\nreceivers: [{name: none}]\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def nowhere(_scope: Any, proto: Any) -> None:
    """The edge of a server that only accepts."""
    proto.response_bytes(404, [], b"")


def prepare(url: str) -> None:
    """Every table, and one service with one key."""
    db = Database(url)
    now = system_clock()
    with db.write() as tx:
        METADATA.create_all(tx.connection)
        tx.execute(
            sa.insert(services.escalation_policy).values(
                id="PBENCH1", name="Bench", num_loops=0, on_call_handoff_notifications="if_has_services", rules=[],
                created_at=now, updated_at=now,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(services.service).values(
                id="PBENCH2", name="Bench", escalation_policy_id="PBENCH1", alert_creation="create_alerts_and_incidents",
                incident_urgency_rule={}, created_at=now, updated_at=now,
            )
        )  # fmt: skip
        tx.execute(
            sa.insert(services.integration).values(
                id="PBENCH3", service_id="PBENCH2", name="Bench", type="events_api_v2_inbound_integration",
                routing_key=KEY, settings={}, created_at=now,
            )
        )  # fmt: skip
    db.close()


async def accept_only(url: str, port: int) -> None:
    """A server that accepts and does nothing else: what is measured."""
    db = Database(url)
    chance = random.SystemRandom()
    ingest = Ingest(db, clock=system_clock, chance=chance)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await ingest.start()
    gate = Gate(ingest, nowhere, chance=chance)
    await http.serve(gate, [http.Listener("127.0.0.1", port)], stop)
    await ingest.stop()
    print(json.dumps({"commits": ingest.figures.commits, "largest": ingest.figures.largest_commit}), flush=True)
    db.close()


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[str]]:
    """The process, once its port answers; asked to stop afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise RuntimeError(f"{command[0]} does not answer on port {port}")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def load(kind: str, port: int, seconds: float) -> dict[str, Any]:
    """One run of the load generator."""
    told = {**os.environ, "TOCSIN_BENCH_KIND": kind, "TOCSIN_BENCH_KEY": KEY, "TOCSIN_BENCH_BYTES": str(EVENT_BYTES)}
    script = str(Path(__file__).with_name("accept.lua"))
    out = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", script, f"http://127.0.0.1:{port}"],
        check=True, capture_output=True, text=True, env=told,
    ).stdout  # fmt: skip
    line = next(line for line in out.splitlines() if line.startswith("RESULT "))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return {
        "per_second": found["requests"] / (found["micros"] / 1e6),
        "p50_ms": found["p50"] / 1000,
        "p99_ms": found["p99"] / 1000,
        "worst_ms": found["worst"] / 1000,
        "requests": found["requests"],
        "not_accepted": found["refused"] + found["broken"],
    }


def of_tocsin(url: str, seconds: float) -> dict[str, Any]:
    """One run on a fresh database; what was answered must be on disk."""
    prepare(url)
    port = free_port()
    with running([sys.executable, "-m", "bench.accept", "--serve", url, str(port)], port) as process:
        load("tocsin", port, 1)
        found = load("tocsin", port, seconds)
    said = json.loads((process.stdout.read() if process.stdout else "").strip() or "{}")
    db = Database(url)
    with db.read() as tx:
        found["on_disk"] = tx.scalar(sa.select(sa.func.count()).select_from(engine.inbox))
    db.close()
    if found["on_disk"] < found["requests"] - found["not_accepted"]:
        raise RuntimeError(f"{found['requests']} events were answered and only {found['on_disk']} are on disk")
    found["events_a_commit"] = found["on_disk"] / max(said.get("commits", 1), 1)
    return found


def of_alertmanager(seconds: float) -> dict[str, Any]:
    """One run of the peer."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "am.yml").write_text(_QUIET)
        command = [
            str(ALERTMANAGER), f"--config.file={folder}/am.yml", f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        with running(command, port):
            load("alertmanager", port, 1)
            return load("alertmanager", port, seconds)


def measure(seconds: float, rounds: int) -> dict[str, dict[str, Any]]:
    """Every subject in turn, `rounds` times; of each the round with the median throughput."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-bench-")))
        cluster = stack.enter_context(postgres.cluster(postgres.CAREFUL)) if postgres.binaries() else None
        runs: dict[str, list[dict[str, Any]]] = {}
        for turn in range(rounds):
            runs.setdefault("Tocsin on SQLite", []).append(of_tocsin(f"sqlite:///{folder}/{turn}.db", seconds))
            if cluster is not None:
                postgres.statement(cluster, f"CREATE DATABASE bench{turn}")
                runs.setdefault("Tocsin on PostgreSQL", []).append(of_tocsin(postgres.url(cluster, f"bench{turn}"), seconds))
            if ALERTMANAGER:
                runs.setdefault("Alertmanager", []).append(of_alertmanager(seconds))
    return {name: _median(found) for name, found in runs.items()}


def _median(found: list[dict[str, Any]]) -> dict[str, Any]:
    middle = statistics.median_low([one["per_second"] for one in found])
    return next(one for one in found if one["per_second"] == middle)


def table(found: dict[str, dict[str, Any]]) -> str:
    """The figures for people."""
    peer = found.get("Alertmanager", {}).get("per_second")
    lines = [f"{'':24}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}{'x peer':>8}"]
    for name, one in found.items():
        ratio = f"{one['per_second'] / peer:8.2f}" if peer else ""
        lines.append(
            f"{name:24}{one['per_second']:12,.0f}{one['p50_ms']:9.1f}{one['p99_ms']:9.1f}{one['worst_ms']:10.1f}{ratio}"
        )
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Durable accepts a second")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--seconds", type=float, default=6)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--serve", nargs=2, metavar=("URL", "PORT"), help=argparse.SUPPRESS)
    told = arguments.parse_args()
    if told.serve:
        uvloop.run(accept_only(told.serve[0], int(told.serve[1])))
        return
    if shutil.which("wrk") is None:
        sys.exit("the load generator `wrk` is not installed: apt-get install wrk")
    found = measure(told.seconds, told.rounds)
    print(json.dumps(found, indent=2) if told.json else table(found))


if __name__ == "__main__":
    main()
