"""Fetching calendars: what the other side may do, within which time and size, and that no text repeats the address."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import web

from tocsin.channels.calendars import Fetched, Wanted, fetch

LOOPBACK = ("127.0.0.0/8",)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fetched(handler: Handler, *paths: str, size_most: int = 1000, timeout: timedelta = timedelta(seconds=5), **more: str) -> list[Fetched]:
    """Fetch these paths, with the scheme `http`, while a real server answers with `handler`."""

    async def run() -> list[Fetched]:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        wanted = [Wanted(f"http://127.0.0.1:{port}{path}", **more) for path in paths]
        try:
            return await asyncio.to_thread(fetch, wanted, size_most=size_most, allowed=LOOPBACK, timeout=timeout)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


async def odd(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/packed":
            return web.Response(body=gzip.compress(b"a calendar"), headers={"Content-Encoding": "gzip"})
        case "/bomb":
            return web.Response(body=gzip.compress(b"x" * 500_000), headers={"Content-Encoding": "gzip"})
        case "/torn":
            return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})
        case "/strange":
            return web.Response(body=b"x", headers={"Content-Encoding": "br"})
        case "/large":
            return web.Response(body=b"x" * 1001)
        case "/slow":
            await asyncio.sleep(1)
            return web.Response(body=b"late")
        case "/same":
            return web.Response(status=304)
        case "/away":
            return web.Response(status=302, headers={"Location": "http://10.0.0.1/hush.ics"})
        case _:
            return web.Response(body=b"a calendar", headers={"ETag": '"1"', "Last-Modified": "x" * 300})


def test_each_address_is_answered_by_itself_in_order_and_within_the_limits():
    paths = ["/plain?key=hush", "/packed", "/bomb", "/torn", "/strange", "/large", "/slow", "/away"]
    found = fetched(odd, *paths, timeout=timedelta(seconds=0.4))
    assert found[0] == Fetched(b"a calendar", '"1"', None)
    assert found[1].body == b"a calendar"
    for one, words in zip(found[2:], ("larger than", "cannot be unpacked", "not asked for", "larger than", "no answer within 0.4 s", "private or special"), strict=True):
        assert one.body is None
        assert words in str(one.error)
        assert "hush" not in str(one.error)


def test_an_unchanged_calendar_is_no_error_unless_nothing_was_said_of_a_copy():
    assert fetched(odd, "/same", etag='"1"') == [Fetched(etag='"1"')]
    assert "HTTP 304" in str(fetched(odd, "/same")[0].error)
