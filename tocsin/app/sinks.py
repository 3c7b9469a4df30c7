"""Local places where pages arrive, for the demo and the tests: a mail server, a webhook phone, an ntfy server, a telephone company.

Laws:
1. They are real servers on 127.0.0.1 that speak the real protocols; Tocsin cannot tell them from others.
2. They keep what arrived, so that a person can look at it on a small page (`/`) and a test can ask for it.
3. How they answer is a function that is handed in: a test makes one that refuses, is slow, or hangs up.
"""

import asyncio
import base64
import hashlib
import hmac
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from tocsin.base import json
from tocsin.base.clock import Clock, system_clock

KEPT_MAX: Final = 20_000
"""How many arrivals are kept; the oldest go first."""

ACCOUNT_SID: Final = "ACtocsinlocalsink"
AUTH_TOKEN: Final = "local-sink-token"  # noqa: S105 - the made-up password of a made-up telephone company on this machine
OWN_NUMBER: Final = "+15550100"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One thing that arrived. `way` is email, webhook, ntfy, sms, call or answer (what a person did with a phone)."""

    way: str
    at: datetime
    to: str
    title: str
    text: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """How a sink answers one request: status, body, headers, and how long it takes."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


Answering = Callable[[str, str], Reply | None]
"""(way, to) → how to answer; None: as the real thing does when all is well."""


def all_is_well(_way: str, _to: str) -> Reply | None:
    """Everything is taken."""
    return None


class Sinks:
    """All local sinks in one thread. Use as a context, or `start` and `stop`. Ports 0 are chosen by the system.

    callback_url  Tocsin's own address, where the telephone company reports replies and receipts; set it when it is known
    """

    def __init__(
        self, *, http_port: int = 0, smtp_port: int = 0, answering: Answering = all_is_well, clock: Clock = system_clock
    ) -> None:
        self.http_port = http_port
        self.smtp_port = smtp_port
        self.answering = answering
        self.callback_url = ""
        self._clock = clock
        self._arrived: list[Arrived] = []
        self._changed = threading.Condition()
        self._calls: dict[str, dict[str, str]] = {}
        self._count = 0
        self._tasks: set[asyncio.Future[None]] = set()  # calls and receipts on their way
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None
        self._failure: BaseException | None = None

    # --- Life

    def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        self._thread = threading.Thread(target=self._run, name="tocsin-sinks", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        if self._loop is not None and self._over is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the page and all HTTP sinks are."""
        return f"http://127.0.0.1:{self.http_port}"

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=4_194_304)
        app.add_routes([
            web.get("/", self._page),
            web.get("/arrived.json", self._listing),
            web.post("/phone/{name}", self._webhook),
            web.post("/ntfy", self._ntfy),
            web.post("/ntfy/", self._ntfy),
            web.post("/2010-04-01/Accounts/{sid}/Messages.json", self._message),
            web.post("/2010-04-01/Accounts/{sid}/Calls.json", self._call),
            web.post("/answer/sms", self._answer_sms),
            web.post("/answer/call", self._answer_call),
        ])  # fmt: skip
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.http_port)
        await site.start()
        self.http_port = _port_of(site)
        mail = await self._loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True), "127.0.0.1", self.smtp_port)
        self.smtp_port = mail.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        mail.close()
        await runner.cleanup()

    # --- What arrived

    def arrived(self, way: str = "", to: str = "") -> list[Arrived]:
        """What arrived so far, oldest first: all of it, or what came this way and for this address."""
        with self._changed:
            return [one for one in self._arrived if (not way or one.way == way) and (not to or one.to == to)]

    def wait_for(self, count: int, way: str = "", to: str = "", within_s: float = 10.0) -> list[Arrived]:
        """What arrived, as soon as it is `count`. Raises TimeoutError, with what is there, when it does not become so."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.arrived(way, to)) >= count, within_s)
        found = self.arrived(way, to)
        if len(found) < count:
            raise TimeoutError(f"{len(found)} of {count} arrived ({way or 'any way'}, {to or 'anybody'}): {found[-3:]}")
        return found

    def clear(self) -> None:
        with self._changed:
            self._arrived.clear()

    def _keep(self, way: str, to: str, title: str, text: str, headers: Mapping[str, str], body: Any) -> None:
        with self._changed:
            plain = {name: str(value) for name, value in headers.items()}  # a mail's header values are objects
            self._arrived.append(Arrived(way, self._clock(), to, title, text, plain, body))
            del self._arrived[:-KEPT_MAX]
            self._changed.notify_all()

    # --- Mail

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Sequence[str]
    ) -> str:
        reply = self.answering("email", address)
        if reply is not None:
            await asyncio.sleep(reply.delay_s)
            if reply.status >= 400:
                return f"{reply.status} {reply.body or 'not taken'}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = envelope.content
        mail = message_from_bytes(
            content if isinstance(content, bytes) else str(content).encode(), policy=policy.default
        )
        assert isinstance(mail, EmailMessage)
        plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
        text = plain.get_content() if plain else ""
        for to in envelope.rcpt_tos:
            self._keep("email", to, str(mail["subject"]), text, dict(mail.items()), html.get_content() if html else "")
        self._count += 1
        return f"250 kept as {self._count}"

    # --- The webhook phone and ntfy

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        name, raw = request.match_info["name"], await request.read()
        reply = self.answering("webhook", name)
        if reply is not None:
            await asyncio.sleep(reply.delay_s)
        if reply is None or reply.status < 300:
            body = json.decode(raw)
            title, text = _told(body)
            self._keep("webhook", name, title, text, request.headers, body)
        return _answer(reply, {"status": "ok"})

    async def _ntfy(self, request: web.Request) -> web.StreamResponse:
        body = json.decode(await request.read())
        topic = str(body.get("topic", ""))
        reply = self.answering("ntfy", topic)
        if reply is not None:
            await asyncio.sleep(reply.delay_s)
        if reply is None or reply.status < 300:
            self._keep("ntfy", topic, str(body.get("title", "")), str(body.get("message", "")), request.headers, body)
        self._count += 1
        return _answer(reply, {"id": f"ntfy{self._count}", "event": "message", "topic": topic})

    # --- The telephone company

    async def _message(self, request: web.Request) -> web.StreamResponse:
        if not _is_ours(request):
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        form = {key: str(value) for key, value in (await request.post()).items()}
        reply = self.answering("sms", form.get("To", ""))
        if reply is not None:
            await asyncio.sleep(reply.delay_s)
        if reply is not None and reply.status >= 300:
            return _answer(reply, {})
        self._count += 1
        sid = f"SM{self._count:032x}"
        self._keep("sms", form.get("To", ""), "SMS", form.get("Body", ""), request.headers, form | {"Sid": sid})
        self._soon(self._report(form, {"MessageSid": sid, "MessageStatus": "delivered", "To": form.get("To", "")}))
        return web.json_response({"sid": sid, "status": "queued"}, status=201)

    async def _call(self, request: web.Request) -> web.StreamResponse:
        if not _is_ours(request):
            return web.json_response({"code": 20003, "message": "Authenticate"}, status=401)
        form = {key: str(value) for key, value in (await request.post()).items()}
        reply = self.answering("call", form.get("To", ""))
        if reply is not None:
            await asyncio.sleep(reply.delay_s)
        if reply is not None and reply.status >= 300:
            return _answer(reply, {})
        self._count += 1
        sid = f"CA{self._count:032x}"
        self._calls[sid] = form
        self._soon(self._ring(sid, form))
        return web.json_response({"sid": sid, "status": "queued"}, status=201)

    async def _ring(self, sid: str, form: dict[str, str]) -> None:
        """The phone is picked up: ask Tocsin what to say, keep what is heard, and report that the call is over."""
        said = await self._post_signed(
            form["Url"], {"CallSid": sid, "To": form.get("To", ""), "CallStatus": "in-progress"}
        )
        words, action = _heard(said)
        self._calls[sid] = form | {"Action": action}
        self._keep("call", form.get("To", ""), "Call", words, {}, form | {"Sid": sid, "Action": action, "Twiml": said})
        await self._report(form, {"CallSid": sid, "CallStatus": "completed", "To": form.get("To", "")})

    async def _report(self, form: Mapping[str, str], values: dict[str, str]) -> None:
        if form.get("StatusCallback"):
            await self._post_signed(form["StatusCallback"], values)

    async def _post_signed(self, url: str, values: dict[str, str]) -> str:
        form = {"AccountSid": ACCOUNT_SID, **values}
        headers = {
            "X-Twilio-Signature": signature_of(url, form, AUTH_TOKEN),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            async with (
                aiohttp.ClientSession() as client,
                client.post(url, data=urlencode(form).encode(), headers=headers) as response,
            ):
                return await response.text()
        except aiohttp.ClientError as error:
            return f"<!-- no answer: {error} -->"

    def _soon(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reply_sms(self, number: str, text: str) -> None:
        """Answer as the person with this telephone number: an SMS to Tocsin. Returns when Tocsin has been told."""
        self._from_outside(self._reply_sms(number, text))

    def press(self, call_sid: str, digits: str) -> None:
        """Press keys during (or after) a call. Returns when Tocsin has been told."""
        self._from_outside(self._press(call_sid, digits))

    def _from_outside(self, work: Any) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work, self._loop).result(15)

    async def _reply_sms(self, number: str, text: str) -> None:
        self._count += 1
        values = {"MessageSid": f"SM{self._count:032x}", "From": number, "To": OWN_NUMBER, "Body": text}
        said = await self._post_signed(f"{self.callback_url}/callbacks/twilio/sms", values)
        self._keep("answer", number, f"SMS reply: {text}", _heard(said)[0], {}, said)

    async def _press(self, call_sid: str, digits: str) -> None:
        form = self._calls[call_sid]
        said = await self._post_signed(
            form.get("Action", ""), {"CallSid": call_sid, "Digits": digits, "To": form.get("To", "")}
        )
        self._keep("answer", form.get("To", ""), f"Pressed {digits}", _heard(said)[0], {}, said)

    async def _answer_sms(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        await self._reply_sms(str(form["number"]), str(form["text"]))
        raise web.HTTPSeeOther("/")

    async def _answer_call(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        await self._press(str(form["sid"]), str(form["digits"]))
        raise web.HTTPSeeOther("/")

    # --- The page

    async def _listing(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=json.encode(self.arrived()[-500:]), content_type="application/json")

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        cards = "".join(_card(one) for one in reversed(self.arrived()[-200:]))
        counts: dict[str, int] = {}
        for one in self.arrived():
            counts[one.way] = counts.get(one.way, 0) + 1
        summary = ", ".join(f"{count} {way}" for way, count in sorted(counts.items())) or "nothing yet"
        return web.Response(text=_PAGE.format(summary=escape(summary), cards=cards), content_type="text/html")


def signature_of(url: str, form: Mapping[str, str], token: str) -> str:
    """How the telephone company signs what it posts: HMAC-SHA1 over the address and the sorted fields, in base64."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _told(body: Mapping[str, Any]) -> tuple[str, str]:
    """What a webhook says: a page of ours, or an event of a webhook subscription (v3)."""
    event = body.get("event")
    if not isinstance(event, Mapping):
        return str(body.get("subject", "")), str(body.get("text", ""))
    told = event.get("data") or {}
    number = f"#{told['number']} " if "number" in told else ""
    return str(event.get("event_type", "")), number + str(
        told.get("title") or told.get("summary") or told.get("message") or ""
    )


def _is_ours(request: web.Request) -> bool:
    expected = aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)
    return hmac.compare_digest(request.headers.get("Authorization", ""), expected)


def _answer(reply: Reply | None, otherwise: Any) -> web.Response:
    if reply is None:
        return web.json_response(otherwise)
    body = otherwise if reply.body is None else reply.body
    text = body if isinstance(body, str) else json.text(body)
    return web.Response(text=text, status=reply.status, headers=dict(reply.headers), content_type="application/json")


def _heard(twiml: str) -> tuple[str, str]:
    """The words of an answer of Tocsin's, and where pressed keys go."""
    try:
        root = ET.fromstring(twiml)  # noqa: S314 - it comes from our own server on this machine
    except ET.ParseError:
        return twiml, ""
    words = " ".join(element.text or "" for element in root.iter() if element.tag in {"Say", "Message"})
    gather = root.find("Gather")
    return words, gather.get("action", "") if gather is not None else ""


def _port_of(site: web.TCPSite) -> int:
    server = site._server  # noqa: SLF001 - aiohttp has no public word for the port the system chose
    assert isinstance(server, asyncio.Server)
    return int(server.sockets[0].getsockname()[1])


def _card(one: Arrived) -> str:
    extra = ""
    if one.way == "email":
        extra = f'<iframe sandbox="allow-popups" srcdoc="{escape(str(one.body), quote=True)}"></iframe>'
    elif one.way == "sms":
        number = escape(one.to, quote=True)
        extra = "".join(
            f'<form method="post" action="/answer/sms"><input type="hidden" name="number" value="{number}">'
            f'<button name="text" value="{digit}">Reply {digit} ({word})</button></form>'
            for digit, word in (("4", "acknowledge"), ("6", "resolve"))
        )
    elif one.way == "call":
        sid = escape(str(one.body["Sid"]), quote=True)
        extra = "".join(
            f'<form method="post" action="/answer/call"><input type="hidden" name="sid" value="{sid}">'
            f'<button name="digits" value="{digit}">Press {digit} ({word})</button></form>'
            for digit, word in (("4", "acknowledge"), ("6", "resolve"))
        )
    elif one.way == "webhook" and isinstance(one.body, dict):
        links = [(page.get("number"), page) for page in one.body.get("pages", [])[:5]]
        extra = "".join(
            f'<p>#{number} <a href="{escape(page["acknowledge_url"])}">Acknowledge</a> '
            f'<a href="{escape(page.get("resolve_url", ""))}">Resolve</a></p>'
            for number, page in links
            if "acknowledge_url" in page
        )
    words = "" if one.way == "email" else f"<pre>{escape(one.text)}</pre>"
    return (
        f"<article><header><b>{escape(one.way)}</b> to {escape(one.to)} <time>{one.at:%H:%M:%S}</time></header>"
        f"<h2>{escape(one.title)}</h2>{words}{extra}</article>"
    )


_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What arrived</title><style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }}
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
article {{ border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 8px; padding: .75rem 1rem; margin: 1rem 0 }}
header {{ display: flex; gap: .5rem }} header time {{ margin-left: auto; opacity: .7 }}
h2 {{ font-size: 1rem; margin: .25rem 0 }} pre {{ white-space: pre-wrap; margin: 0; overflow-wrap: anywhere }}
iframe {{ width: 100%; height: 18rem; border: 0; background: #fff; border-radius: 6px }}
form {{ display: inline-block; margin: .5rem .5rem 0 0 }} button {{ font: inherit; padding: .35rem .8rem }}
</style></head><body><h1>What arrived</h1>
<p>Mails, calls and messages that Tocsin sent to the local sinks: {summary}. Newest first. <a href="/">Look again</a></p>
{cards}</body></html>
"""
