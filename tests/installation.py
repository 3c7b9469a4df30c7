"""A real installation for a test: its folder, `tocsin init`, and `tocsin serve` in a process of its own that can be killed."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.ports import free_port
from tocsin.store.db import Database

READY_SECONDS = 30.0
STOP_SECONDS = 30.0


@dataclass
class Installation:
    """One installation in `folder`. Use as a context: what was started is stopped at its end."""

    folder: Path
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)
    owner: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    # --- Life

    def __enter__(self) -> Self:
        found = self.run("init", "--email", "olga@example.org", "--name", "Olga", "--json")
        self.owner = json.loads(found.stdout)["owner"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What every command of this installation is told."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        return {
            **kept,
            "TOCSIN_DATA": str(self.folder),
            "TOCSIN_HTTP": f"127.0.0.1:{self.http_port}",
            "TOCSIN_HTTPS": f"127.0.0.1:{self.https_port}",
            "TOCSIN_BASE_URL": self.url,
            "TOCSIN_LOG_FORMAT": "json",
            **({"TOCSIN_DATABASE": self.database} if self.database else {}),
            **self.settings,
        }

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one command of `tocsin`; its answer."""
        command = [sys.executable, "-m", "tocsin.app", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode != 0:
            raise AssertionError(
                f"tocsin {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def start(self) -> None:
        """Serve, and wait until it answers."""
        command = [sys.executable, "-m", "tocsin.app", "serve"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                self.get("/healthz")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"it does not serve:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """End it without a warning (kill -9)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    # --- What can be asked of it

    @property
    def log(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https_url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def authority(self) -> Path:
        """The certificate a client has to trust."""
        return self.folder / "tls" / "authority.crt"

    @property
    def db(self) -> Database:
        """The database, opened from outside."""
        if self.database:
            return Database(self.database)
        return Database(f"sqlite:///{self.folder / 'tocsin.db'}", pool_size=2)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        return self.ask("GET", path, headers=headers)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """One request with the owner's key; the decoded answer. Raises HTTPError for 4xx and 5xx."""
        request = urllib.request.Request(self.url + path, method=method, headers={**self._headers(), **(headers or {})})
        if body is not None:
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            raw = answer.read()
        return json.loads(raw) if raw and "json" in answer.headers.get("Content-Type", "") else raw.decode()

    def _headers(self) -> dict[str, str]:
        found = {"Content-Type": "application/json", "Accept": "application/json"}
        return found | ({"Authorization": f"Token token={self.owner['API key']}"} if self.owner else {})

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))
