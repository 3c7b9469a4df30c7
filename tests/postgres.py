"""A throw-away PostgreSQL for the tests: made in a temporary folder, quick and careless, gone at the end."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "autovacuum": "off"}
"""What makes it quick: nothing here must outlive the machine's next crash."""

CAREFUL = {"fsync": "on", "synchronous_commit": "on"}
"""What a real installation has: for measuring, and for tests that kill things."""


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, or None when PostgreSQL's server is not installed."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in candidates if (place / "postgres").exists() and (place / "initdb").exists()), None)


def unprivileged() -> str | None:
    """Whom to run as: PostgreSQL refuses root. None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def cluster(settings: dict[str, str]) -> Iterator[str]:
    """Start a cluster and give its folder, where its socket is; stop and delete it afterwards."""
    place = binaries()
    if place is None:
        raise RuntimeError("PostgreSQL's server is not installed: run `make system` as root")
    user = unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="tocsin-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    try:
        subprocess.run(
            [place / "initdb", "-D", folder / "data", "-U", "tocsin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "300", **settings}
        log = (folder / "log").open("wb")
        server = subprocess.Popen(
            [place / "postgres", "-D", folder / "data", *(f"-c{name}={value}" for name, value in options.items())],
            stdout=log, stderr=log, user=user, cwd=folder,
        )  # fmt: skip
        try:
            _wait_until_up(server, folder)
            yield str(folder)
        finally:
            server.send_signal(signal.SIGINT)  # "fast" shutdown: does not wait for those who forgot to hang up
            server.wait(timeout=30)
            log.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_up(server: subprocess.Popen[bytes], folder: Path) -> None:
    """Return when it takes connections. Raises RuntimeError with its log when it does not come up."""
    for _ in range(300):
        if server.poll() is not None:
            break
        try:
            psycopg.connect(host=str(folder), user="tocsin", dbname="postgres").close()
        except psycopg.OperationalError:
            try:
                server.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")


def statement(folder: str, words: str) -> None:
    """Say one administrative sentence (CREATE DATABASE …) to the cluster."""
    with psycopg.connect(host=folder, user="tocsin", dbname="postgres", autocommit=True) as connection:
        connection.execute(words.encode())


def url(folder: str, name: str) -> str:
    """The address of one database of the cluster, as `Database` takes it."""
    return f"postgresql+psycopg://tocsin@/{name}?host={folder}"
