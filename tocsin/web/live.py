"""Live pages: a stream that sends a page's changing part again as soon as something it shows has changed.

Laws:
1. The stream of a page has the page's own address; the browser asks for it with `Accept: text/event-stream`.
2. Rendering happens on the server, from the same template block as the page itself.
3. Changes made by other nodes ring no bell here; they are found by looking every `LOOK_EVERY`.
4. When the session ends, the stream says so and stops.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from tocsin.base.errors import Refusal
from tocsin.store.db import Database

LOOK_EVERY = 2.0
"""Seconds between looks when no bell rings."""
BREATH = 0.15
"""Seconds that are waited after a bell, so that a burst of changes becomes one swap."""
HEARTBEAT_EVERY = 15.0
"""Seconds after which a silent stream says that it is alive (proxies close silent ones)."""

Look = Callable[[], tuple[object, Callable[[], str]] | None]
"""Answers the fingerprint of what is shown and a function that renders it; None when the viewer may look no longer."""


class Pulse:
    """Tells every open stream of this process when any bell of the database rings."""

    def __init__(self, db: Database) -> None:
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        db.bell.listen(self._rung)

    def _rung(self, _name: str) -> None:
        for event, loop in tuple(self._waiting.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def join(self) -> asyncio.Event:
        event = asyncio.Event()
        self._waiting[event] = asyncio.get_running_loop()
        return event

    def leave(self, event: asyncio.Event) -> None:
        self._waiting.pop(event, None)


async def _swaps(look: Look, pulse: Pulse) -> AsyncIterator[str]:
    rung = pulse.join()
    shown: object = None
    sent, silent = "", 0.0
    try:
        while True:
            rung.clear()
            seen = await run_in_threadpool(look)
            if seen is None:
                yield "event: signed-out\ndata: -\n\n"
                return
            fingerprint, render = seen
            if fingerprint != shown or not sent:
                shown = fingerprint
                try:
                    html = await run_in_threadpool(render)
                except Refusal:  # the viewer may not see it (any more), or it is gone: the page itself says so when loaded again
                    yield "event: signed-out\ndata: -\n\n"
                    return
                digest = hashlib.blake2s(html.encode()).hexdigest()
                if digest != sent:
                    sent, silent = digest, 0.0
                    yield _event("swap", html)
            if silent >= HEARTBEAT_EVERY:
                silent = 0.0
                yield "event: beat\ndata: -\n\n"
            try:
                await asyncio.wait_for(rung.wait(), LOOK_EVERY)
                await asyncio.sleep(BREATH)
            except TimeoutError:
                silent += LOOK_EVERY
    finally:
        pulse.leave(rung)


def _event(name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    return f"event: {name}\n{lines}\n"


def stream(look: Look, pulse: Pulse) -> StreamingResponse:
    """Answer with the stream of what `look` sees."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_swaps(look, pulse), media_type="text/event-stream", headers=headers)
