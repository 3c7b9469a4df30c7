"""`tocsin demo`: a lifelike company on this machine, with a day behind it, and places where its pages really arrive.

Laws:
1. It is an installation like any other: what the demo sets differently is in `told`, and nowhere else.
2. What it keeps is in its data folder; started again on it, it goes on from there.
3. Everything it calls is on this machine: only the demo allows that.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Final

import msgspec
import sqlalchemy as sa

from tocsin.app import wire
from tocsin.app.demo import company, day
from tocsin.app.demo.live import Colleagues, Trickle
from tocsin.app.demo.replay import Replay
from tocsin.app.http import Listener
from tocsin.app.premises import NotReady, Premises, set_up
from tocsin.app.settings import Address, Settings
from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Sinks
from tocsin.base import ids, json
from tocsin.core.permission import HOUSE
from tocsin.service import account, webhooks
from tocsin.service.audit import Deed
from tocsin.store import people as store_people
from tocsin.store.tables.people import user
from tocsin.store.tables.services import webhook_subscription

Say = Callable[[str], None]

DATA: Final = "var/demo"
"""Where the demo keeps its things unless TOCSIN_DATA says otherwise."""
DEFAULTS: Final = {"TOCSIN_DATA": DATA, "TOCSIN_HTTPS": "127.0.0.1:8443"}
"""Settings of the demo that the environment may say otherwise."""
STATE_FILE: Final = "demo.json"
SINKS_PORT: Final = 8025
"""Where the page of what arrived is, if the port is free."""
MAIL_PORT: Final = 2525
"""Where mails for services are taken, if the port is free."""
HOOK: Final = "team-chat"
FOUNDED_AGO: Final = timedelta(days=60)
WORDS: Final = (
    "amber", "anchor", "basalt", "beacon", "birch", "buoy", "canyon", "cedar", "cobalt", "coral", "delta", "ember", "fjord", "garnet",
    "harbour", "heron", "indigo", "juniper", "kelp", "lantern", "lagoon", "maple", "marble", "meadow", "nectar", "ochre", "orchid",
    "pebble", "quartz", "raven", "saffron", "sierra", "tide", "tundra", "umber", "violet", "walnut", "willow", "yarrow", "zephyr",
)  # fmt: skip


@dataclass
class State:
    """What the demo must remember of itself."""

    password: str
    seed: int
    replays_from: datetime
    replays_until: datetime
    is_replayed: bool = False
    sinks_port: int = SINKS_PORT


def told(settings: Settings, sinks: Sinks) -> Settings:
    """The settings with what makes it a demo: mail, SMS, calls and webhooks stay on this machine (law 1)."""
    base_url, _ = wire.own_address(settings)
    return replace(
        settings,
        base_url=settings.base_url or base_url,
        smtp=settings.smtp or _mail_port(),
        mail_domain=settings.mail_domain or company.DOMAIN,
        smtp_host="127.0.0.1",
        smtp_port=sinks.smtp_port,
        smtp_security="none",
        smtp_from=f"tocsin@{company.DOMAIN}",
        twilio_url=sinks.url,
        twilio_account=ACCOUNT_SID,
        twilio_token=AUTH_TOKEN,
        twilio_from=OWN_NUMBER,
        allow_private=("127.0.0.0/8", "::1/128"),
    )


def _mail_port() -> Address:
    """Where the demo takes mails for its services: always the same port, if it is free."""
    for port in (MAIL_PORT, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return Address("127.0.0.1", probe.getsockname()[1])
    raise NotReady("this machine has no free port for mails")


def run(settings: Settings, say: Say, *, length: timedelta = day.DAY, serve: bool = True) -> None:
    """Run the demo until it is stopped. `length` is how much of the past is replayed the first time.

    Raises what `wire.serve` raises; `serve=False` only prepares.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = _read(settings.data / STATE_FILE)
    sinks = _open_sinks(state.sinks_port if state else SINKS_PORT)
    try:
        settings = told(settings, sinks)
        sinks.callback_url = settings.base_url
        with wire.alone(settings):
            premises, _ = set_up(settings)
            state = _prepare(premises, state, sinks, length, say)
        try:
            if serve:
                _serve(premises, state, sinks, say)
        finally:
            premises.db.close()
    finally:
        sinks.stop()


# ----------------------------------------------------------------------------------------------------------- preparing


def _prepare(premises: Premises, state: State | None, sinks: Sinks, length: timedelta, say: Say) -> State:
    """The company, its day and its hooks, as far as they are not there yet."""
    file = premises.settings.data / STATE_FILE
    now = premises.clock()
    with premises.db.read() as tx:
        is_founded = store_people.owner(tx) is not None
    if is_founded and state is None:
        raise NotReady(f"{premises.settings.data} holds an installation that is no demo: give the demo a folder of its own by TOCSIN_DATA")
    if state is None:
        chance = SystemRandom()
        password = f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{chance.randrange(1000, 10_000)}"
        state = State(password, chance.getrandbits(32), now - length, now)
    state.sinks_port = sinks.http_port
    _write(file, state)
    phones = f"{sinks.url}/phone"
    with premises.db.write() as tx:
        if is_founded:
            company.move_phones(tx, _deed(premises, now), phones)
        else:
            say(f"Founding {company.NAME}: {len(company.PEOPLE)} people, {len(company.TEAMS)} teams, {len(company.SERVICES)} services …")
            company.found(tx, _deed(premises, state.replays_from - FOUNDED_AGO), password=state.password, phone_url=phones)
            account.attest(tx, premises.seals)
    if not state.is_replayed:
        _replay(premises, state, say)
        state.is_replayed = True
        _write(file, state)
    _hook(premises, f"{phones}/{HOOK}", premises.clock())
    return state


def _replay(premises: Premises, state: State, say: Say) -> None:
    """Live through the day before (again from where it was interrupted)."""
    with premises.db.read() as tx:
        keys = company.keys_of(tx)
        users = {row.name: row.id for row in tx.rows(sa.select(user.c.id, user.c.name))}
    signals = day.day(Random(state.seed), state.replays_from, state.replays_until - state.replays_from)
    say(f"Living through its last {round((state.replays_until - state.replays_from) / timedelta(hours=1))} hours: {len(signals)} events …")
    shown = 0

    def progress(share: float) -> None:
        nonlocal shown
        if share * 5 >= shown + 1:
            shown = int(share * 5)
            say(f"  {shown * 20} %")

    Replay(premises.db, keys, users, Random(state.seed + 1)).run(signals, state.replays_until, told=progress)


def _hook(premises: Premises, url: str, now: datetime) -> None:
    """One webhook subscription, to where the team's chat would be; another one when the sinks have moved."""
    with premises.db.write() as tx:
        deed = _deed(premises, now)
        known = tx.rows(sa.select(webhook_subscription.c.id, webhook_subscription.c.url))
        for row in known:
            if row.url.endswith(f"/phone/{HOOK}") and row.url != url:
                webhooks.unsubscribe(tx, deed, row.id)
        if url not in {row.url for row in known}:
            events = ["incident.triggered", "incident.acknowledged", "incident.escalated", "incident.resolved"]
            webhooks.subscribe(tx, deed, premises.seals, url=url, events=events, description="The team's chat")


def _open_sinks(port: int) -> Sinks:
    """The local sinks, at this port if it is free."""
    sinks = Sinks(http_port=port)
    with suppress(OSError):
        sinks.start()
        return sinks
    sinks = Sinks()
    sinks.start()
    return sinks


def _deed(premises: Premises, now: datetime) -> Deed:
    return Deed(actor=HOUSE, now=now, chance=premises.chance, request_id=ids.uuid_text(premises.chance))


def _read(file: Path) -> State | None:
    """What is remembered; None when the demo has not been here. Raises ValueError when the file is damaged."""
    try:
        return msgspec.convert(json.decode(file.read_bytes()), State)
    except FileNotFoundError:
        return None


def _write(file: Path, state: State) -> None:
    """Kept whole or not at all, and for our eyes only: it holds a password."""
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(json.pretty(state))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


# ------------------------------------------------------------------------------------------------------------- serving


def _serve(premises: Premises, state: State, sinks: Sinks, say: Say) -> None:
    stopping = threading.Event()
    threads: list[threading.Thread] = []
    with premises.db.read() as tx:
        keys = company.keys_of(tx)

    def ready(_served: list[Listener]) -> None:
        base_url, trust = wire.own_address(premises.settings)  # not before: the certificate is made when it is served
        chances = [Random(premises.chance.getrandbits(32)) for _ in range(2)]
        sending = Trickle(base_url, keys, chances[0], premises.clock, stopping, trust)
        at_work = Colleagues(premises.db, chances[1], premises.clock, stopping)
        authority = premises.settings.data.absolute() / wire.TLS_FOLDER / "authority.crt"
        trusting = f"--cacert {authority} " if base_url.startswith("https") and premises.settings.tls_certificate is None else ""
        mail_at = f"{premises.settings.smtp}" if premises.settings.smtp else ""
        say(welcome(base_url, state.password, sinks, keys["Card payments"], trusting, mail_at=mail_at))
        for name, run_ in (("demo-trickle", sending.run), ("demo-colleagues", at_work.run)):
            threads.append(threading.Thread(target=run_, name=name, daemon=True))
            threads[-1].start()

    try:
        asyncio.run(wire.serve(premises, on_ready=ready))
    finally:
        stopping.set()
        for thread in threads:
            thread.join(10)
        say(f"Stopped. Started again, it goes on from here ({premises.settings.data}).")


def welcome(base_url: str, password: str, sinks: Sinks, key: str, trusting: str = "", *, mail_at: str = "") -> str:
    """What a visitor is told: where, as whom, and three things to try.

    trusting  what curl needs to trust the server
    mail_at   where mails for services are taken; empty when they are not
    """
    mails = f"\n  mails go to      {company.MAILBOX}@{company.DOMAIN}   by SMTP at {mail_at}" if mail_at else ""
    return f"""
{company.NAME} is open.

  pages and API    {base_url}
  sign in          {company.OWNER.email}   password: {password}
  pages arrive at  {sinks.url}   (mail, SMS, calls and webhook phones of this machine){mails}

Three things to try:
  1. Open {base_url} and watch: within a minute new incidents arrive by themselves, live.
     Open one and ask why: the chain from the event to each page, or to why there was none.
  2. Break something yourself:
       curl {trusting}{base_url}/v2/enqueue -H 'Content-Type: application/json' -d '{{
         "routing_key": "{key}", "event_action": "trigger", "dedup_key": "mine",
         "payload": {{"summary": "Nobody can pay", "source": "me", "severity": "critical"}}}}'
  3. See the pages arrive at {sinks.url}: mail and webhook at once, an SMS after two minutes, a call after
     five, unless somebody was quicker. Acknowledge from the mail, or answer the SMS or the call: 4 acknowledges, 6 resolves.

Ctrl-C stops it.
"""

