"""How long a body may take to arrive: who sends a little and then nothing does not hold a connection for ever.

Laws:
1. It costs a request next to nothing: no timer each, one sweep over those whose bodies are still on their way.
2. Who took too long is answered 408, and the connection is closed.
"""

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any, Final

from granian._granian import RSGIProtocolClosed as ProtocolClosed

BODY_SECONDS: Final = 60.0
"""How long a body may take; up to a quarter longer, because sweeps are that far apart."""
_SWEEPS: Final = 4
"""Sweeps within that time."""

TOO_SLOW: Final = "The body did not arrive in time: send it again"


class Patience:
    """The requests of one event loop whose bodies are on their way."""

    def __init__(self, answer: bytes, *, seconds: float = BODY_SECONDS) -> None:
        """`answer`: the JSON that is said with 408."""
        self._answer = answer
        self._rest = seconds / _SWEEPS
        self._waiting: dict[int, tuple[int, Any, asyncio.Task[Any] | None]] = {}
        self._numbers = count()
        self._sweep_number = 0
        self._is_sweeping = False

    def begin(self, proto: Any) -> int:
        """The running task begins to read a body from `proto`. Returns what `end` takes."""
        number = next(self._numbers)
        self._waiting[number] = (self._sweep_number, proto, asyncio.current_task())
        if not self._is_sweeping:
            self._is_sweeping = True
            asyncio.get_running_loop().call_later(self._rest, self._sweep)
        return number

    def end(self, number: int) -> None:
        """The body is there, or nobody waits for it any more."""
        self._waiting.pop(number, None)

    def _sweep(self) -> None:
        self._sweep_number += 1
        for number, (since, proto, task) in list(self._waiting.items()):
            if self._sweep_number - since <= _SWEEPS:
                break  # they are in order: all others came later
            del self._waiting[number]
            with suppress(ProtocolClosed):  # it may be gone by itself
                proto.response_bytes(408, [("content-type", "application/json"), ("connection", "close")], self._answer)
            if task is not None:
                task.cancel()
        self._is_sweeping = bool(self._waiting)
        if self._is_sweeping:
            asyncio.get_running_loop().call_later(self._rest, self._sweep)
