"""The engine: runs the passes, each in its own thread, woken by a bell or by the clock, and stops them gracefully.

Laws:
1. A pass is a plain function `(now) -> bool` that does one batch and says whether there may be more; the engine only
   decides when to call it. So a simulator can be the engine.
2. A pass that raises is logged with its reason, waits, and is called again: nothing ends for good by an exception.
3. A bell makes it prompt; the poll makes it sure (another node may have made the work).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from tocsin.base.clock import Clock
from tocsin.base.figures import PASS_FAILURES
from tocsin.store.db import Bell

_log = structlog.get_logger("tocsin.engine")

SHORTEST_REST: Final = timedelta(milliseconds=200)
LONGEST_REST: Final = timedelta(seconds=15)
"""A failing pass is tried again after a rest that doubles between these two."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One periodic job.

    bells  wake it at once
    every  the longest it sleeps without them
    pause  the least it rests between two rounds, so that one round serves many bells
    """

    name: str
    run: Callable[[datetime], bool]
    every: timedelta
    bells: tuple[str, ...] = ()
    pause: timedelta = timedelta(0)


@dataclass(slots=True)
class Health:
    """How a pass is doing, for `/readyz` and the figures."""

    last_ran_at: datetime | None = None
    last_error: str | None = None
    failures_in_a_row: int = 0
    rounds: int = 0


@dataclass(slots=True)
class Engine:
    """Passes being run. `start` once, `stop` once."""

    passes: Sequence[Pass]
    clock: Clock
    bell: Bell
    health: dict[str, Health] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _wakeups: list[threading.Event] = field(default_factory=list)

    def start(self) -> None:
        for one in self.passes:
            self.health[one.name] = Health()
            waking = self._waking(one)
            thread = threading.Thread(target=self._loop, args=(one, waking), name=f"tocsin-{one.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, within: timedelta = timedelta(seconds=10)) -> bool:
        """Let each pass finish its batch and end. True when all ended in time."""
        self._stopping.set()
        for waking in self._wakeups:
            waking.set()
        for thread in self._threads:
            thread.join(within.total_seconds())
        return not any(thread.is_alive() for thread in self._threads)

    def _waking(self, one: Pass) -> threading.Event:
        waking = self.bell.hear(*one.bells)
        self._wakeups.append(waking)
        return waking

    def _loop(self, one: Pass, waking: threading.Event) -> None:
        health = self.health[one.name]
        while not self._stopping.is_set():
            waking.clear()
            rest = self._round(one, health)
            if rest is not None:
                self._stopping.wait(rest.total_seconds())
            elif not self._stopping.is_set():
                if one.pause:
                    self._stopping.wait(one.pause.total_seconds())
                waking.wait(one.every.total_seconds())

    def _round(self, one: Pass, health: Health) -> timedelta | None:
        """Work until there is nothing more; after a failure, how long to rest."""
        try:
            while one.run(self.clock()) and not self._stopping.is_set():
                health.rounds += 1
                health.last_ran_at = self.clock()
        except Exception as error:  # noqa: BLE001 - law 2: the loop's top; the reason is logged and shown
            health.failures_in_a_row += 1
            PASS_FAILURES.labels(one.name).inc()
            health.last_error = f"{type(error).__name__}: {error}"
            rest: timedelta = min(LONGEST_REST, SHORTEST_REST * int(2 ** min(health.failures_in_a_row - 1, 10)))
            _log.error(
                "a pass failed and will be tried again", name=one.name, rest_s=rest.total_seconds(), exc_info=error
            )
            return rest
        health.last_ran_at = self.clock()
        health.failures_in_a_row = 0
        health.last_error = None
        return None
