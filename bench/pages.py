"""From an event to a page: how many a second, how quickly when idle, how much memory, how soon after a crash.

Every event has a key of its own, opens an incident and pages somebody by a webhook. Beside it Alertmanager, whose
PagerDuty receiver makes one notification of every alert. Sender and receiver of pages run on the same machine.

    python -m bench.pages             a table
    python -m bench.pages --json      the same as JSON
    python -m bench.pages --alerts N  open alerts for memory and restart (100,000)
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import uvloop

from bench.accept import ALERTMANAGER, running
from tests import postgres
from tests.installation import Installation, free_port
from tests.world import World
from tocsin.base.clock import system_clock
from tocsin.store import timers
from tocsin.store.tables import engine, people

PEOPLE: Final = 200
SERVICES: Final = 50
CONNECTIONS: Final = 128
BURST: Final = 5_000
IDLE_SAMPLES: Final = 200
WAIT_SECONDS: Final = 300.0


# --- Posting


async def post_all(port: int, path: str, bodies: list[bytes], connections: int = CONNECTIONS) -> float:
    """Post each body once over keep-alive connections; how many seconds that took. Anything but 2xx is an error."""
    waiting = iter(bodies)

    async def sender() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            size = next(
                (int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            said = await reader.readexactly(size)
            if not answer.startswith(b"HTTP/1.1 2"):
                raise RuntimeError(f"{answer!r} {said!r}")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(sender() for _ in range(connections)))
    return time.perf_counter() - began


def event(routing_key: str, mark: str) -> bytes:
    payload = {"summary": f"Disk nearly full <<{mark}>>", "source": "db-3", "severity": "critical"}
    payload |= {"custom_details": {"free": "1%", "note": "x" * 200}}  # type: ignore[dict-item]
    return json.dumps(
        {"routing_key": routing_key, "event_action": "trigger", "dedup_key": mark, "payload": payload}
    ).encode()


def alert(mark: str) -> bytes:
    labels = {"alertname": "DiskFull", "severity": "critical", "instance": mark, "job": "node"}
    return json.dumps(
        [{"labels": labels, "annotations": {"summary": f"Disk nearly full <<{mark}>>", "note": "x" * 200}}]
    ).encode()


# --- The subjects


@contextmanager
def phone() -> Iterator[int]:
    port = free_port()
    with running([sys.executable, "-m", "bench.phone", str(port)], port):
        yield port


def ask_phone(port: int, what: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}", timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found


def company(house: Installation, phone_port: int) -> list[str]:
    """People with webhook phones, a service for each few of them; the routing keys."""
    db = house.db
    world = World(db, system_clock(), random.Random(1))
    user_ids = [world.person(f"Person{number}") for number in range(PEOPLE)]
    keys = [world.service(world.policy((1440, [user_ids[number % PEOPLE]]))) for number in range(SERVICES)]
    with db.write() as tx:
        method = people.contact_method
        address = sa.literal(f"http://127.0.0.1:{phone_port}/") + method.c.id
        tx.execute(sa.update(method).where(method.c.kind == "webhook").values(address=address))
    db.close()
    return keys


@contextmanager
def tocsin(folder: Path, phone_port: int, database: str = "") -> Iterator[tuple[Installation, list[str]]]:
    told = {"TOCSIN_ALLOW_PRIVATE": "127.0.0.0/8", "TOCSIN_LOG_LEVEL": "error", "TOCSIN_HTTPS": "off"}
    with Installation(folder, database, settings=told) as house:
        keys = company(house, phone_port)
        house.start()
        yield house, keys


_CONFIGURATION = """
global: {{resolve_timeout: 24h}}
route: {{receiver: pager, group_by: ['...'], group_wait: 0s, group_interval: 1h, repeat_interval: 24h}}
receivers:
- name: pager
  {receiver}
"""
_PAGERDUTY = """pagerduty_configs:
  - {{routing_key: 0123456789abcdef0123456789abcdef, url: 'http://127.0.0.1:{port}/v2/enqueue', description: '{{{{ .CommonAnnotations.summary }}}}'}}"""
_WEBHOOK = "webhook_configs:\n  - {{url: 'http://127.0.0.1:{port}/'}}"


@contextmanager
def alertmanager(phone_port: int, receiver: str) -> Iterator[tuple[int, int]]:
    """The peer, sending to the phone; its port and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "am.yml"
        config.write_text(_CONFIGURATION.format(receiver=receiver.format(port=phone_port)))
        command = [
            str(ALERTMANAGER), f"--config.file={config}", f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        with running(command, port) as process:
            yield port, process.pid


# --- The measures


def burst(port: int, path: str, phone_port: int, bodies: list[bytes]) -> dict[str, float]:
    """Events as fast as they are accepted; pages a second from the first event sent to the last page received."""
    ask_phone(phone_port, "clear")
    began = time.time()
    accepting = uvloop.run(post_all(port, path, bodies))
    wait_for(phone_port, len(bodies))
    took = ask_phone(phone_port, "stats")["last"] - began
    return {"pages_per_second": len(bodies) / took, "accepts_per_second": len(bodies) / accepting}


def wait_for(phone_port: int, count: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while ask_phone(phone_port, "stats")["count"] < count:
        if time.monotonic() > until:
            raise RuntimeError(f"only {ask_phone(phone_port, 'stats')['count']} of {count} pages came")
        time.sleep(0.05)


def idle(port: int, path: str, phone_port: int, bodies: dict[str, bytes]) -> dict[str, float]:
    """One event at a time, with pauses: from the start of its POST to the provider being called."""
    ask_phone(phone_port, "clear")
    sent: dict[str, float] = {}

    async def one_by_one() -> None:
        for mark, body in bodies.items():
            sent[mark] = time.time()
            await post_all(port, path, [body], 1)
            await asyncio.sleep(0.03)

    uvloop.run(one_by_one())
    wait_for(phone_port, len(bodies))
    came = ask_phone(phone_port, "times")
    waits = sorted((came[mark] - at) * 1000 for mark, at in sent.items())
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99) - 1]}


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def repeats(house: Installation, keys: list[str], count: int) -> float:
    """Duplicates of open alerts decided a second, from the first accepted to the last decided."""
    bodies = [event(keys[number % SERVICES], f"burst-{number % BURST}") for number in range(count)]
    db = house.db
    began = time.perf_counter()
    uvloop.run(post_all(house.http_port, "/v2/enqueue", bodies))
    while True:
        with db.read() as tx:
            waiting = tx.scalar(
                sa.select(sa.func.count()).select_from(engine.inbox).where(engine.inbox.c.outcome.is_(None))
            )
        if not waiting:
            break
        time.sleep(0.02)
    took = time.perf_counter() - began
    db.close()
    return count / took


def restart(house: Installation) -> float:
    """Seconds from starting a killed server to its first due timer being fired."""
    house.kill()
    db = house.db
    with db.write() as tx:
        subject = tx.one(sa.select(engine.timer.c.subject_id, engine.timer.c.kind).limit(1))
        assert subject is not None
        timers.set_many(tx, [timers.Due(subject.subject_id, subject.kind, system_clock() - timedelta(seconds=1))])
    began = time.perf_counter()
    house.start()
    while True:
        with db.read() as tx:
            left = timers.of_subject(tx, subject.subject_id).get(subject.kind)
        if left is None or left > system_clock():
            break
        time.sleep(0.005)
    took = time.perf_counter() - began
    db.close()
    return took


def of_tocsin(folder: Path, alerts: int, database: str = "") -> dict[str, float]:
    with phone() as phone_port, tocsin(folder, phone_port, database) as (house, keys):
        path = "/v2/enqueue"
        idle(house.http_port, path, phone_port, {f"w-{n}": event(keys[n % SERVICES], f"w-{n}") for n in range(20)})
        found = {
            f"idle_{name}": value
            for name, value in idle(
                house.http_port,
                path,
                phone_port,
                {f"i-{n}": event(keys[n % SERVICES], f"i-{n}") for n in range(IDLE_SAMPLES)},
            ).items()
        }
        bodies = [event(keys[n % SERVICES], f"burst-{n}") for n in range(BURST)]
        found |= burst(house.http_port, path, phone_port, bodies)
        found["repeats_per_second"] = repeats(house, keys, 4 * BURST)
        if alerts:
            more = [event(keys[n % SERVICES], f"open-{n}") for n in range(alerts - BURST)]
            burst(house.http_port, path, phone_port, more)
            assert house.process is not None
            found["resident_mb"] = resident_mb(house.process.pid)
            found["restart_s"] = restart(house)
        return found


def of_alertmanager(alerts: int) -> dict[str, float]:
    with phone() as phone_port:
        path = "/api/v2/alerts"
        with alertmanager(phone_port, _PAGERDUTY) as (port, _):
            idle(port, path, phone_port, {f"w-{n}": alert(f"w-{n}") for n in range(20)})
            quiet = idle(port, path, phone_port, {f"i-{n}": alert(f"i-{n}") for n in range(IDLE_SAMPLES)})
            found = {f"idle_{name}": value for name, value in quiet.items()}
            found |= burst(port, path, phone_port, [alert(f"burst-{n}") for n in range(BURST)])
        if alerts:
            with alertmanager(phone_port, _WEBHOOK) as (port, pid):
                burst(port, path, phone_port, [alert(f"open-{n}") for n in range(alerts)])
                found["resident_mb"] = resident_mb(pid)
    return found


def measure(alerts: int) -> dict[str, dict[str, float]]:
    """Every subject once."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        found = {"Tocsin on SQLite": of_tocsin(Path(folder) / "sqlite", alerts)}
        if postgres.binaries():
            with postgres.cluster(postgres.CAREFUL) as cluster:
                postgres.statement(cluster, "CREATE DATABASE pages")
                found["Tocsin on PostgreSQL"] = of_tocsin(Path(folder) / "pg", 0, postgres.url(cluster, "pages"))
    if ALERTMANAGER:
        found["Alertmanager"] = of_alertmanager(alerts)
    return found


COLUMNS: Final = (
    ("pages_per_second", "events to pages a second", "{:,.0f}"),
    ("repeats_per_second", "repeats of open alerts a second", "{:,.0f}"),
    ("idle_p50_ms", "idle, event to provider, p50 ms", "{:.1f}"),
    ("idle_p99_ms", "idle, event to provider, p99 ms", "{:.1f}"),
    ("resident_mb", "resident memory, MB", "{:,.0f}"),
    ("restart_s", "start after kill -9 to first timer, s", "{:.1f}"),
)


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures for people."""
    lines = [f"{'':40}" + "".join(f"{name:>22}" for name in found)]
    for key, words, form in COLUMNS:
        cells = [form.format(one[key]) if key in one else "-" for one in found.values()]
        lines.append(f"{words:40}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Events to pages")
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--alerts", type=int, default=100_000)
    told = arguments.parse_args()
    found = measure(told.alerts)
    print(json.dumps(found, indent=2) if told.json else table(found))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
