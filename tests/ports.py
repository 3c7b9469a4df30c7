"""Ports for tests: never the same twice, and none that another worker of the same run may pick."""

import os
import socket
from itertools import count

FIRST, EACH, WORKERS = 20_000, 1_500, 8
"""Below what systems hand out by themselves (from 32,768), with a range for each worker of the run."""

_worker = int("0" + os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"))
_taken = count()


def free_port() -> int:
    """A port that nobody listens on, and that was not given before until the range is through."""
    for number in _taken:
        port = FIRST + (_worker % WORKERS) * EACH + (os.getpid() + number) % EACH
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("counting does not end")
