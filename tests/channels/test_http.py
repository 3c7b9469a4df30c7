"""The outgoing client: no way into private networks, and clear words for everything that goes wrong."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from aiohttp import web

from tocsin.channels.http import ANSWER_MAX, Answer, Forbidden, Outside, Unreachable, why_forbidden

LOOPBACK = ("127.0.0.0/8",)


def served(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ask: Callable[[int], Awaitable[Answer]],
    on: str = "127.0.0.1",
) -> Answer:
    """Ask something while a real server on 127.0.0.1 answers with `handler`."""

    async def run() -> Answer:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        with socket.socket() as listening:
            listening.bind((on, 0))
            await web.SockSite(runner, listening).start()
            try:
                return await ask(listening.getsockname()[1])
            finally:
                await runner.cleanup()

    return asyncio.run(run())


async def posted(url: str, allowed: tuple[str, ...] = (), timeout_s: float = 5) -> Answer:
    outside = Outside(allowed=allowed)
    try:
        return await outside.request("POST", url, body=b"{}", timeout=timedelta(seconds=timeout_s))
    finally:
        await outside.close()


async def fine(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="taken")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "64:ff9b:1::7f00:1", "::127.0.0.1", "::ffff:0:127.0.0.1", "fec0::1", "192.88.99.1", "2606:4700::5efe:7f00:1", "5f00::1",
        "3fff::1", "2001:0:7f00:1::1", "198.18.0.1", "240.0.0.1", "100::1",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_refused(address: str):
    assert why_forbidden(address, ()) is not None


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_called(address: str):
    assert why_forbidden(address, ()) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
    ],
)
def test_this_machine_is_refused_by_number_and_by_a_name_that_leads_to_it(url: str):
    with pytest.raises(Forbidden, match="private or special"):
        served(fine, lambda port: posted(url.format(port=port)))


def test_this_machine_is_called_when_its_network_is_allowed():
    for url in ("http://127.0.0.1:{port}/", "http://localhost:{port}/"):
        answer = served(fine, partial(_posted_to, url))
        assert (answer.status, answer.body) == (200, b"taken")


async def _posted_to(url: str, port: int) -> Answer:
    return await posted(url.format(port=port), LOOPBACK)


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::1]", "127.0.0.1", "localhost"])
def test_a_redirect_into_a_private_network_is_refused_by_number_and_by_name(host: str):
    reached: list[str] = []

    async def onward(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        return web.Response(status=307, headers={"Location": f"http://{host}:{request.url.port}/inside"})

    with pytest.raises(Forbidden, match="private or special"):
        # Only the first server's own address is allowed; the redirect leads to others.
        served(onward, lambda port: posted(f"http://127.0.0.5:{port}/", ("127.0.0.5/32",)), on="127.0.0.5")
    assert reached == ["/"]


def test_a_redirect_that_repeats_the_post_is_followed_with_its_body():
    async def twice(request: web.Request) -> web.StreamResponse:
        if request.path == "/a":
            return web.Response(status=307, headers={"Location": "/b"})
        return web.Response(text=f"{request.method} {await request.text()}")

    answer = served(twice, lambda port: posted(f"http://127.0.0.1:{port}/a", LOOPBACK))
    assert answer.body == b"POST {}"


def test_a_redirect_to_another_origin_is_not_told_what_was_meant_for_the_first():
    heard: list[dict[str, str]] = []

    async def onward(request: web.Request) -> web.StreamResponse:
        heard.append({name.lower(): value for name, value in request.headers.items()})
        if len(heard) < 2:
            return web.Response(status=307, headers={"Location": f"http://localhost:{request.url.port}/other"})
        return web.Response()

    async def ask(port: int) -> Answer:
        outside = Outside(allowed=LOOPBACK)
        headers = {"Authorization": "Bearer a", "X-Api-Key": "b", "Cookie": "c", "X-PagerDuty-Signature": "v1=d", "Content-Type": "e/f"}
        try:
            return await outside.request("POST", f"http://127.0.0.1:{port}/", headers=headers)
        finally:
            await outside.close()

    assert served(onward, ask).status == 200
    first, second = heard
    assert {"authorization", "x-api-key", "cookie"} <= first.keys()
    assert not {"authorization", "x-api-key", "cookie"} & second.keys()
    assert second["x-pagerduty-signature"] == "v1=d"


def test_a_redirect_that_would_become_a_get_is_an_answer_and_not_followed():
    async def moved(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    assert served(moved, lambda port: posted(f"http://127.0.0.1:{port}/", LOOPBACK)).status == 302


def test_a_circle_of_redirects_ends():
    async def round_and_round(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/"})

    with pytest.raises(Forbidden, match="redirects"):
        served(round_and_round, lambda port: posted(f"http://127.0.0.1:{port}/", LOOPBACK))


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "file:///etc/passwd", "http://", "nonsense", "http://[::1", "http://a:99999/"]
)
def test_what_is_no_web_address_is_refused(url: str):
    with pytest.raises(Forbidden, match="not an"):
        asyncio.run(posted(url))


@pytest.mark.parametrize("url", ["http://2130706433/", "http://127.1/", "http://0x7f000001/", "http://0177.0.0.1/"])
def test_odd_spellings_of_this_machine_do_not_get_through(url: str):
    with pytest.raises((Forbidden, Unreachable)):
        asyncio.run(posted(url))


def test_silence_is_reported_within_the_time_allowed():
    async def silent(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response()

    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        served(silent, lambda port: posted(f"http://127.0.0.1:{port}/", LOOPBACK, 0.2))


def test_a_closed_port_is_unreachable():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable):
        asyncio.run(posted(f"http://127.0.0.1:{port}/", LOOPBACK))


def test_an_endless_answer_is_cut():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(2000):
                await response.write(b"x" * 8192)
        except ConnectionError:
            pass
        return response

    answer = served(endless, lambda port: posted(f"http://127.0.0.1:{port}/", LOOPBACK))
    assert len(answer.body) == ANSWER_MAX


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False), (410, False)],
)
def test_which_answers_are_worth_another_try(status: int, may_pass: bool):
    assert Answer(status, {}, b"").may_pass is may_pass


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("", None), ("soon", None), ("-1", None), ("999999999999", None)]
)
def test_retry_after_is_read_in_seconds_only(text: str, seconds: int | None):
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert Answer(429, {"retry-after": text}, b"").retry_after == expected
