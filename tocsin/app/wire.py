"""Puts the house together: gate, API, pages, engine and channels on one database, served until told to stop.

Laws:
1. Every part gets what it needs as arguments; nothing below this floor looks for it.
2. Stopping goes in the order of the flow: no new connections, streams end, passes finish their batch, then the database.
3. Both signals (TERM and INT) stop gracefully; a second one ends at once.
"""

import asyncio
import fcntl
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.api import callbacks, edge, feeds, heartbeats, vitals
from tocsin.api.gate import Gate, RsgiApp
from tocsin.api.kernel.call import House
from tocsin.api.kernel.routes import Table
from tocsin.api.mail_gate import MailGate
from tocsin.api.resources.roll import DECLARED
from tocsin.app import http, tls
from tocsin.app.premises import NotReady, Premises
from tocsin.app.settings import Address, Settings
from tocsin.channels.oidc import Provider
from tocsin.channels.spec import Smtp, Twilio
from tocsin.core import self_watch
from tocsin.engine.calendars import calendars_pass, outside
from tocsin.engine.coverage import CoveragePass
from tocsin.engine.deliver import Courier, Delivery
from tocsin.engine.follow import follow_pass
from tocsin.engine.handoffs import handoffs_pass
from tocsin.engine.heartbeats import heartbeats_pass
from tocsin.engine.housekeeping import Keep, housekeeping_pass
from tocsin.engine.ingest import Sender, ingest_pass
from tocsin.engine.run import Engine, Pass
from tocsin.engine.self_tests import LOOKED_AT as TESTS_LOOKED_AT
from tocsin.engine.self_tests import SelfTests
from tocsin.engine.self_watch import LOOKED_AT, Pulse, queues_pass
from tocsin.engine.self_watch import outside as called_outside
from tocsin.engine.timers import timers_pass
from tocsin.engine.webhooks import Postman
from tocsin.service.followed_calendars import BELL
from tocsin.service.ingest import Ingest
from tocsin.service.self_watch import queues as own_queues
from tocsin.service.single_sign_on import SingleSignOn
from tocsin.web import app as web
from tocsin.web.pages import roll
from tocsin.web.visit import PREFIX, WebSettings

_log = structlog.get_logger("tocsin.app")

HEALTH: Final = ("/healthz", "/readyz", "/metrics")
TLS_FOLDER: Final = "tls"
"""Where in the data folder certificates are kept."""
ROOM_LEAST: Final = 64 << 20
"""Bytes free on the disk of a database in a file, below which this process is not ready: soon nothing can be kept."""

HANDOFFS_LOOKED_FOR: Final = timedelta(seconds=20)
COVERAGE_LOOKED_AT: Final = timedelta(seconds=30)
"""How soon after a change its coverage is proven anew."""
"""How often it is looked who is to be told of a hand-off: rules count in minutes."""


def make_table() -> Table:
    """Every operation of the API, served or known to be missing."""
    return Table(DECLARED)


def make_passes(
    premises: Premises, sender: Sender, ailing: Callable[[datetime], Sequence[str]] = lambda _now: ()
) -> list[Pass]:
    """The jobs of the engine, each with the bells that wake it and the longest it sleeps without them.

    ailing  what is wrong with this process, in words: while there is anything, it says nowhere that it is alive
    """
    db, chance, told = premises.db, premises.dice, premises.settings
    node = told.node_name
    fetch = outside(told.allow_private)
    keep = Keep(timedelta(days=told.journal_days), timedelta(days=told.incident_days) if told.incident_days else None)

    def ingest(now: datetime) -> bool:
        return ingest_pass(db, now, node=node, chance=chance, sender=sender)

    def timers(now: datetime) -> bool:
        return timers_pass(db, now, chance=chance)

    def follow(now: datetime) -> bool:
        return follow_pass(db, now, node=node, chance=chance)

    def handoffs(now: datetime) -> bool:
        return handoffs_pass(db, now, node=node, chance=chance, public_url=told.public_url)

    def silence(now: datetime) -> bool:
        return heartbeats_pass(db, now, node=node, chance=chance)

    def late(now: datetime) -> bool:
        return queues_pass(db, now, node=node, chance=chance, public_url=told.public_url)

    def housekeeping(now: datetime) -> bool:
        return housekeeping_pass(db, now, node=node, keep=keep)

    def calendars(now: datetime) -> bool:
        every = timedelta(minutes=told.calendar_minutes)
        return calendars_pass(db, now, node=node, chance=chance, seals=premises.seals, fetch=fetch, every=every)

    return [
        Pass("ingest", ingest, timedelta(milliseconds=500), ("ingest",)),
        Pass("timers", timers, timedelta(milliseconds=500), ("timers",)),
        Pass("follow", follow, timedelta(milliseconds=500), ("events",), pause=timedelta(milliseconds=100)),
        Pass("heartbeats", silence, timedelta(seconds=1)),
        Pass("handoffs", handoffs, HANDOFFS_LOOKED_FOR),
        Pass("calendars", calendars, timedelta(seconds=15), (BELL,)),
        Pass("coverage", CoveragePass(db, node), COVERAGE_LOOKED_AT),
        Pass("self tests", SelfTests(db, node, premises.chance, told.public_url, told.self_test), TESTS_LOOKED_AT),
        Pass("own queues", late, LOOKED_AT),
        Pass("pulse", Pulse(db, node, told.heartbeat_url, ailing, called_outside(told.allow_private)), LOOKED_AT),
        Pass("housekeeping", housekeeping, timedelta(minutes=1)),
    ]


def make_edge(premises: Premises, failing: Callable[[], dict[str, str]]) -> ASGIApp:
    """Everything but events, as one ASGI application: what machines ask of our health, the pages, and the API."""
    db, seals, clock, chance = premises.db, premises.seals, premises.clock, premises.chance
    base_url = premises.settings.public_url
    house = House(db=db, seals=seals, chance=chance, base_url=base_url, allowed_networks=premises.settings.allow_private)
    api = edge.make_app(make_table(), house, clock)
    pages = web.make_app(
        db, seals,
        WebSettings(
            base_url=base_url, allowed_networks=premises.settings.allow_private, single_sign_on=single_sign_on(premises.settings),
            mail_host=premises.settings.mail_host, receives_mail=premises.settings.smtp is not None,
        ),
        clock=clock, chance=chance,
    )  # fmt: skip
    health = make_health(premises, failing)
    calls = callbacks.Callbacks(public_url=base_url, twilio=delivery(premises.settings).twilio)
    bare = tuple(page.path.partition("{")[0] for page in roll.PAGES if page.is_bare)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in HEALTH:
            await health(scope, receive, send)
        elif path.startswith("/callbacks/"):
            request = await _callback(Request(scope, receive))
            found = await run_in_threadpool(callbacks.answer, db, calls, request, now=clock(), chance=chance)
            await Response(found.body, found.status, dict(found.headers))(scope, receive, send)
        elif path.startswith(heartbeats.PREFIX):
            request = await _callback(Request(scope, receive), most=heartbeats.BODY_MAX)
            client = scope.get("client")
            found = await run_in_threadpool(
                heartbeats.answer, db, seals, request.method, path, request.body, client[0] if client else None, now=clock(), chance=premises.dice
            )
            await Response(found.body, found.status, dict(found.headers))(scope, receive, send)
        elif path.startswith(feeds.PREFIX):
            found = await run_in_threadpool(feeds.answer, db, seals, base_url, scope["method"], path, now=clock())
            await Response(found.body, found.status, dict(found.headers))(scope, receive, send)
        elif is_for_pages(path, scope["headers"], bare):
            await pages(scope, receive, send)
        else:
            await api(scope, receive, send)

    return app


def make_health(premises: Premises, failing: Callable[[], dict[str, str]]) -> ASGIApp:
    """What machines ask of our health, and nothing else: all that a node serves that only runs the engine."""
    db, clock = premises.db, premises.clock
    asked: Mapping[str, Callable[[], vitals.Answer]] = {
        "/healthz": vitals.healthz,
        "/readyz": lambda: vitals.readyz(db, clock(), failing),
        "/metrics": lambda: vitals.metrics(db, clock()),
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in asked:
            status, kind, body = await run_in_threadpool(asked[scope["path"]])
        else:
            status, kind, body = 404, "text/plain", b"This node runs the engine; the pages and the API are on another one\n"
        await Response(body, status, media_type=kind)(scope, receive, send)

    return app


async def _callback(request: Request, most: int = callbacks.BODY_MAX) -> callbacks.Callback:
    """What a provider or a heartbeat tells us, read as far as it may go."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            break
    headers = {name.lower(): value for name, value in request.headers.items()}
    return callbacks.Callback(request.method, request.url.path, request.url.query, headers, body)


def is_for_pages(path: str, headers: Sequence[tuple[bytes, bytes]], bare: Sequence[str]) -> bool:
    """Whether a request is for the pages rather than for the API, with which they share a root.

    The pages have their own prefix, a few addresses of their own (`bare`), and what a browser asks for at an address that
    the API gives as `html_url`.
    """
    if path in {"/", PREFIX, "/favicon.ico"} or path.startswith((f"{PREFIX}/", *bare)):
        return True
    plain = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    return "text/html" in plain.get("accept", "") and not edge.is_api_request(path, plain)


def single_sign_on(settings: Settings) -> SingleSignOn | None:
    """The company's door, if one is set."""
    if not settings.oidc_issuer:
        return None
    return SingleSignOn(
        provider=Provider(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, allowed=settings.allow_private),
        base_url=settings.public_url,
        name=settings.oidc_name or "your company's account",
        domains=settings.oidc_domains,
        new_role=settings.oidc_create,
        is_only=settings.oidc_only,
        trusts_unverified=settings.oidc_trust_email,
    )


def delivery(settings: Settings) -> Delivery:
    """What the courier is told."""
    host = urlsplit(settings.public_url).hostname or "localhost"
    return Delivery(
        node=settings.node_name,
        public_url=settings.public_url,
        allowed_networks=settings.allow_private,
        webhook_secret=settings.webhook_secret,
        smtp=Smtp(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.smtp_from or f"tocsin@{host}",
            username=settings.smtp_user or None,
            password=settings.smtp_password or None,
            security=settings.smtp_security,
        )
        if settings.smtp_host
        else None,
        twilio=Twilio(
            account_sid=settings.twilio_account,
            auth_token=settings.twilio_token,
            from_number=settings.twilio_from,
            base_url=settings.twilio_url,
        )
        if settings.twilio_account
        else None,
    )


def certificate(settings: Settings, now: datetime) -> tls.Certificate:
    """The certificate HTTPS is served with: the own one, or one made (or renewed) by our authority. Raises TlsTrouble."""
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return tls.own_certificate(settings.tls_certificate, settings.tls_key, now=now)
    public = urlsplit(settings.base_url).hostname if settings.base_url else None
    names = (*settings.tls_names, *((public,) if public else ()))
    return tls.local_certificate(settings.data / TLS_FOLDER, now=now, names=names)


def listeners(settings: Settings, now: datetime) -> list[http.Listener]:
    """The addresses the settings ask for. Raises TlsTrouble when HTTPS is wanted and its certificate cannot be used."""
    found = []
    if settings.http is not None:
        found.append(http.Listener(settings.http.host, settings.http.port))
    if settings.https is not None:
        made = certificate(settings, now)
        found.append(http.Listener(settings.https.host, settings.https.port, made.certificate, made.key))
    return found


@asynccontextmanager
async def mail_gate(premises: Premises, ingest: Ingest) -> AsyncIterator[None]:
    """Receive mail for e-mail integrations, if the settings say where. Raises AddressTaken, and TlsTrouble."""
    told = premises.settings
    if told.smtp is None or told.role == "engine":
        yield
        return
    made = certificate(told, premises.clock())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    gate = MailGate(ingest, clock=premises.clock, chance=premises.dice, name=told.mail_host, tls=context)
    try:
        await gate.start(told.smtp.host, told.smtp.port)
    except OSError as error:
        raise http.AddressTaken(f"cannot receive mail on {told.smtp}: {error.strerror or error}. Set TOCSIN_SMTP to another port, or off") from error
    _log.info("receiving mail", address=str(told.smtp))
    try:
        yield
    finally:
        await gate.stop()


def own_address(settings: Settings) -> tuple[str, ssl.SSLContext | bool]:
    """Where a program on this machine finds this installation, and what it should trust there."""
    if settings.http is not None:
        return f"http://{local(settings.http)}", True
    if settings.https is None:
        return settings.public_url, True
    authority = settings.data / TLS_FOLDER / "authority.crt"
    trust = ssl.create_default_context(cafile=str(authority)) if authority.exists() else True
    return f"https://{local(settings.https)}", trust


def local(served: Address) -> Address:
    """How an address that is served is reached from this machine."""
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(served.host, served.host), served.port)  # noqa: S104


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """On a database that belongs to one process: make sure this is the one. Raises NotReady when another is at work."""
    if settings.database:
        yield
        return
    with (settings.data / "serving.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotReady(f"another Tocsin already serves from {settings.data}: stop it, or give this one its own TOCSIN_DATA") from error
        yield


async def serve(premises: Premises, *, on_ready: Callable[[list[http.Listener]], None] = lambda _served: None) -> None:
    """Run this installation until a signal stops it; `on_ready` hears where it is served.

    Raises AddressTaken when an address is another's, TlsTrouble when a certificate cannot be used, NotReady when another
    process serves from the same folder.
    """
    with alone(premises.settings):
        await _serve(premises, on_ready)


async def _serve(premises: Premises, on_ready: Callable[[list[http.Listener]], None]) -> None:
    settings = premises.settings
    stop = asyncio.Event()
    _stop_on_signals(stop)
    stopping = http.Stopping()
    ingest = Ingest(premises.db, clock=premises.clock, chance=premises.dice)
    courier = Courier(
        premises.db, delivery(settings), seals=premises.seals, clock=premises.clock, chance=premises.dice
    )

    def ailing(now: datetime) -> list[str]:
        return ails(premises, engine, now)

    passes = make_passes(premises, courier, ailing) if settings.role != "web" else ()
    engine = Engine(passes, premises.clock, premises.db.bell)
    postman = Postman(
        premises.db, seals=premises.seals, base_url=settings.public_url, node=settings.node_name, clock=premises.clock,
        chance=premises.dice, allowed_networks=settings.allow_private,
    )  # fmt: skip
    failing = partial(_failing, engine, settings)
    served = listeners(settings, premises.clock())
    app: RsgiApp | Gate = (
        http.as_rsgi(make_health(premises, failing), stopping)
        if settings.role == "engine"
        else Gate(ingest, http.as_rsgi(make_edge(premises, failing), stopping), chance=premises.chance)
    )
    await ingest.start()
    try:
        if settings.role != "web":
            await asyncio.to_thread(courier.start)
            await asyncio.to_thread(postman.start)
        engine.start()
        async with mail_gate(premises, ingest):
            if served:
                await http.serve(app, served, stop, stopping=stopping, on_ready=lambda: on_ready(served))
            else:
                on_ready(served)
                await stop.wait()
    finally:
        await ingest.stop()
        if not await asyncio.to_thread(engine.stop):
            _log.warning("a pass did not finish its batch in time; what it held is undone and done again after the next start")
        if not await asyncio.to_thread(courier.stop):
            _log.warning("messages under way were not recorded in time; they are sent again after the next start, under the same keys")
        if not await asyncio.to_thread(postman.stop):
            _log.warning("webhooks under way were not recorded in time; they are sent again after the next start, under the same ids")


def _failing(engine: Engine, settings: Settings) -> dict[str, str]:
    """What is wrong with this process, and in which way: passes that fail, and a disk too full to keep events."""
    found = {f"the {name} pass is failing": health.last_error for name, health in engine.health.items() if health.last_error}
    if trouble := short_of_room(settings):
        found["the disk is full, or nearly"] = trouble
    return found


def ails(premises: Premises, engine: Engine, now: datetime) -> list[str]:
    """What is wrong with this process or with what waits: passes that fail or are stuck, queues over their bound, a full disk."""
    # The pass that asks is running, and has not come to its end.
    ran_at = {name: health.last_ran_at for name, health in engine.health.items() if name != "pulse"}
    stuck = self_watch.stuck(ran_at, {one.name: one.every for one in engine.passes}, now)
    failing = [f"{what}: {how}" for what, how in _failing(engine, premises.settings).items()]
    with premises.db.read() as tx:
        late = [one.words for one in own_queues(tx, now) if one.age > self_watch.BOUND]
    return [*stuck, *failing, *late]


def short_of_room(settings: Settings, least: int = ROOM_LEAST) -> str:
    """Where events are kept in the data folder: that fewer than `least` bytes are free there, in words; empty when all is well."""
    free = shutil.disk_usage(settings.data).free
    return "" if settings.database or free >= least else f"{free >> 20} MiB are free: make room, or events are refused"


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def asked(number: signal.Signals) -> None:
        _log.info("stopping", signal=number.name)
        stop.set()
        loop.remove_signal_handler(number)  # the second one ends at once

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked, number)
