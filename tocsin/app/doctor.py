"""The doctor: looks at everything an installation needs, says what is wrong and how to mend it.

Laws:
1. It changes nothing (but a certificate of ours that ends soon is renewed, as the next start would).
2. A finding says what was looked at, what was seen, and, unless all is well, what to do.
3. One look that fails does not stop the others.
4. `bad` means pages may be lost or late; `care` means something will become bad or is not as it could be.
"""

import os
import shutil
import smtplib
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa

from tocsin.app import rota, tls, wire
from tocsin.app.premises import KEY_FILE, Premises
from tocsin.app.settings import Address
from tocsin.core.permission import STAKEHOLDERS
from tocsin.engine.self_watch import digest_of
from tocsin.service import followed_calendars as service_calendars
from tocsin.service import vitals
from tocsin.service.services import EMAIL_TYPE
from tocsin.store import account, dialect
from tocsin.store import people as people_rows
from tocsin.store import policies as policy_rows
from tocsin.store import self_tests as self_test_rows
from tocsin.store import self_watch as self_watch_rows
from tocsin.store.tables import engine, people, services

SPACE_NEEDED: Final = 1 << 30
"""Bytes free on the data folder's disk below which the doctor warns."""
PATIENCE_SECONDS: Final = 5.0
"""How long another server may take to answer the doctor."""
PULSE_LATE: Final = timedelta(minutes=3)
"""How old the last call to an outside address may be: it is called every minute."""
CLOCK_TOLERANCE: Final = timedelta(seconds=5)


class Level(StrEnum):
    """How it stands with one thing."""

    WELL = "well"
    CARE = "care"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `mend` says what to do; empty when all is well."""

    what: str
    level: Level
    seen: str
    mend: str = ""


Look = Callable[[Premises], Iterator[Finding]]


def examine(premises: Premises) -> list[Finding]:
    """Look at everything, in the order in which one would mend it."""
    found: list[Finding] = []
    for look in LOOKS:
        what = look.__name__.replace("_", " ")
        try:
            found += look(premises)
        except (OSError, ValueError, sa.exc.SQLAlchemyError, httpx.HTTPError) as error:
            found.append(Finding(what, Level.BAD, f"could not be looked at: {error}", "mend this first, then ask again"))
    return found


def data_folder(premises: Premises) -> Iterator[Finding]:
    folder = premises.settings.data
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.W_OK):
        yield Finding("data folder", Level.BAD, f"{folder} cannot be written", "give it to the user that Tocsin runs as")
    elif mode & 0o077:
        yield Finding("data folder", Level.CARE, f"{folder} can be read by others (mode {mode:o})", f"chmod 700 {folder}")
    else:
        yield Finding("data folder", Level.WELL, str(folder))
    free = shutil.disk_usage(folder).free
    seen = f"{free / (1 << 30):.1f} GiB free"
    if free < SPACE_NEEDED:
        yield Finding("disk", Level.BAD, seen, "make room: events that cannot be kept are refused")
    else:
        yield Finding("disk", Level.WELL, seen)


def master_key(premises: Premises) -> Iterator[Finding]:
    if premises.settings.master_key:
        yield Finding("master key", Level.WELL, "from TOCSIN_MASTER_KEY")
        return
    file = premises.settings.data / KEY_FILE
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        yield Finding("master key", Level.BAD, f"{file} can be read by others (mode {mode:o})", f"chmod 600 {file}")
    else:
        yield Finding("master key", Level.WELL, str(file))


def database(premises: Premises) -> Iterator[Finding]:
    """Its shape was checked when it was opened; here: can it be written, and does it keep what it was given?"""
    with premises.db.engine.connect() as connection:
        dialect.begin_write(connection)
        connection.execute(sa.delete(engine.lease).where(engine.lease.c.name == "the doctor was here"))
        connection.rollback()
        problems = dialect.durability_problems(connection)
        connection.rollback()
    address = sa.make_url(premises.db.url).render_as_string(hide_password=True)
    if problems:
        yield Finding("database", Level.BAD, f"{address}: {'; '.join(problems)}", "set these back, or accepted events may be lost")
    else:
        yield Finding("database", Level.WELL, f"{address} can be written and keeps what it is given")


def clock(premises: Premises) -> Iterator[Finding]:
    """Nothing kept may lie in the future: then this clock is behind one that wrote before."""
    now = premises.clock()
    with premises.db.read() as tx:
        newest = tx.scalar(sa.select(sa.func.max(engine.event.c.at)))
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        seen = f"it shows {now:%Y-%m-%d %H:%M:%S} UTC, and something was kept at {newest:%Y-%m-%d %H:%M:%S}"
        yield Finding("clock", Level.BAD, seen, "set the clock of this machine (chrony or systemd-timesyncd)")
    else:
        yield Finding("clock", Level.WELL, f"{now:%Y-%m-%d %H:%M:%S} UTC")


def addresses(premises: Premises) -> Iterator[Finding]:
    """Each address is either free, or served by a Tocsin."""
    told = premises.settings
    for scheme, where in (("http", told.http), ("https", told.https)):
        if where is None:
            continue
        if _is_free(where):
            yield Finding(f"{scheme} {where}", Level.WELL, "free: no server runs here now")
        elif _is_alive(scheme, where):
            yield Finding(f"{scheme} {where}", Level.WELL, "a Tocsin answers")
        else:
            mend = f"stop what listens there, or set TOCSIN_{scheme.upper()} to another port"
            yield Finding(f"{scheme} {where}", Level.BAD, "something that is no Tocsin answers", mend)
    if not told.base_url:
        mend = "set TOCSIN_BASE_URL to the address that people's phones can reach"
        yield Finding("base URL", Level.CARE, f"not told; links in mails begin with {told.public_url}", mend)


def certificates(premises: Premises) -> Iterator[Finding]:
    """What HTTPS is served with, until when, and how its clients are told to trust it."""
    told, now = premises.settings, premises.clock()
    if told.https is None:
        yield Finding("TLS", Level.CARE, "HTTPS is off", "serve it, or have a proxy before Tocsin that does")
        return
    if told.tls_certificate is None and not (told.data / wire.TLS_FOLDER / "authority.crt").exists():
        yield Finding("TLS", Level.CARE, "no certificate has been made yet", "`tocsin serve` makes it at its first start")
        return
    try:
        found = wire.certificate(told, now)
    except tls.TlsTrouble as error:
        yield Finding("TLS", Level.BAD, str(error), "mend or replace the certificate")
        return
    seen = f"good for {', '.join(found.names)} until {found.ends_at:%Y-%m-%d}"
    host = urlsplit(told.public_url).hostname or ""
    if found.ends_at <= now + tls.RENEW_BEFORE:
        yield Finding("TLS", Level.CARE, seen, "renew it")
    elif told.base_url.startswith("https://") and host not in found.names:
        yield Finding("TLS", Level.BAD, f"{seen}, and not for {host} of the base URL", "put that name into the certificate")
    else:
        yield Finding("TLS", Level.WELL, seen)
    if found.authority is not None:
        for client, words in tls.how_to_trust(found.authority, told.public_url):
            yield Finding(f"trust: {client}", Level.WELL, words)


def mail(premises: Premises) -> Iterator[Finding]:
    told = premises.settings
    if not told.smtp_host:
        yield Finding("e-mail", Level.CARE, "no mail server is set", "set TOCSIN_SMTP_HOST to page by e-mail")
        return
    where = f"{told.smtp_host}:{told.smtp_port}"
    try:
        if told.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                told.smtp_host, told.smtp_port, timeout=PATIENCE_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(told.smtp_host, told.smtp_port, timeout=PATIENCE_SECONDS)
        with server:
            if told.smtp_security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if told.smtp_user:
                server.login(told.smtp_user, told.smtp_password)
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding("e-mail", Level.BAD, f"{where}: {error}", "check the TOCSIN_SMTP_… settings and the way to that server")
    else:
        yield Finding("e-mail", Level.WELL, f"{where} takes our mail")


def mail_in(premises: Premises) -> Iterator[Finding]:
    """Whether mail for e-mail integrations is received, and whether any of them waits for it in vain."""
    where, integration = premises.settings.smtp, services.integration.c
    with premises.db.read() as tx:
        waiting = tx.scalar(sa.select(sa.func.count()).select_from(services.integration).where(integration.type == EMAIL_TYPE)) or 0
    if where is None and waiting:
        seen = f"no mail is received, and {waiting} e-mail integrations wait for some"
        yield Finding("mail to services", Level.BAD, seen, "set TOCSIN_SMTP to a port, and have your mail server pass their mail on to it")
        return
    if where is None:
        yield Finding("mail to services", Level.WELL, "off (TOCSIN_SMTP), and no integration waits for any")
        return
    name = f"mail to services {where}"
    if _is_free(where):
        yield Finding(name, Level.WELL, "free: no server runs here now")
        return
    try:
        with smtplib.SMTP(timeout=PATIENCE_SECONDS) as server:
            is_ours = b"Tocsin" in server.connect(wire.local(where).host, where.port)[1]
            is_safe = server.ehlo()[0] == 250 and server.has_extn("starttls")
    except (OSError, smtplib.SMTPException) as error:
        yield Finding(name, Level.BAD, f"no mail server answers: {error}", "stop what listens there, or set TOCSIN_SMTP to another port")
    else:
        if is_ours:
            yield Finding(name, Level.WELL, f"mail is received{', with STARTTLS' if is_safe else ''}")
        else:
            yield Finding(name, Level.BAD, "another mail server answers", "stop it, or set TOCSIN_SMTP to another port")


def sms_and_voice(premises: Premises) -> Iterator[Finding]:
    told = premises.settings
    if not told.twilio_account:
        yield Finding("SMS and voice", Level.CARE, "no provider is set", "set TOCSIN_TWILIO_ACCOUNT, _TOKEN and _FROM to page by SMS and voice")
        return
    where = f"{told.twilio_url}/2010-04-01/Accounts/{told.twilio_account}.json"
    try:
        answer = httpx.get(where, auth=(told.twilio_account, told.twilio_token), timeout=PATIENCE_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        yield Finding("SMS and voice", Level.BAD, f"{told.twilio_url}: {error}", "check the way to that server")
        return
    if answer.status_code in {401, 403}:
        yield Finding("SMS and voice", Level.BAD, "the provider refuses our account", "check TOCSIN_TWILIO_ACCOUNT and _TOKEN")
    elif answer.status_code >= 500:
        yield Finding("SMS and voice", Level.BAD, f"the provider answers {answer.status_code}", "ask it, or wait")
    else:
        yield Finding("SMS and voice", Level.WELL, f"{told.twilio_url} knows our account")


def last_resort(premises: Premises) -> Iterator[Finding]:
    with premises.db.read() as tx:
        chosen = account.load(tx).last_resort
        reachable = set(tx.connection.scalars(sa.select(people.contact_method.c.user_id).where(people.contact_method.c.is_enabled)))
        deciders = set(tx.connection.scalars(sa.select(people.user.c.id).where(people.user.c.role.in_(("owner", "admin")))))
    if chosen and not reachable.intersection(chosen):
        seen = "nobody chosen as last resort has a contact method"
        yield Finding("last resort", Level.BAD, seen, "give them one, or choose others")
    elif chosen:
        yield Finding("last resort", Level.WELL, f"{len(chosen)} chosen")
    elif reachable & deciders:
        seen = "nobody is chosen; the owner and the admins would be paged"
        yield Finding("last resort", Level.CARE, seen, "choose in the account's settings who is paged when nobody else can be")
    else:
        seen = "neither a last resort nor an owner or admin with a contact method"
        yield Finding("last resort", Level.BAD, seen, "give the owner a contact method: a page that reaches nobody ends there")


def contact_methods(premises: Premises) -> Iterator[Finding]:
    """Everybody who may be on call can be reached somehow."""
    user, method = people.user.c, people.contact_method.c
    with premises.db.read() as tx:
        silent = tx.rows(
            sa.select(user.name)
            .where(
                user.is_disabled.is_(False),
                user.role.not_in(sorted(STAKEHOLDERS)),
                user.id.not_in(sa.select(method.user_id).where(method.is_enabled)),
            )
            .order_by(user.name)
        )
    if silent:
        names = ", ".join(row.name for row in silent[:10]) + (" …" if len(silent) > 10 else "")
        seen = f"{len(silent)} cannot be reached: {names}"
        yield Finding("people", Level.CARE, seen, "each needs a contact method before going on call")
    else:
        yield Finding("people", Level.WELL, "everybody has a contact method")


def policies(premises: Premises) -> Iterator[Finding]:
    """A service whose policy reaches nobody now pages nobody now."""
    service = services.service.c
    with premises.db.read() as tx:
        policies = rota.now_on_call(tx, premises.clock())
        used = tx.rows(sa.select(service.name, service.escalation_policy_id).order_by(service.name))
    silent = {policy.id: policy for policy in policies if policy.reaches_nobody}
    for row in used:
        if policy := silent.get(row.escalation_policy_id):
            why = "; ".join(level.nobody for level in policy.levels) or "it has no levels"
            seen = f"its policy {policy.name} reaches nobody now: {why}"
            yield Finding(f"service {row.name}", Level.BAD, seen, "put a user or a schedule with somebody on call on that policy")
    if not silent.keys() & {row.escalation_policy_id for row in used}:
        yield Finding("escalation policies", Level.WELL, f"each of {len(used)} services reaches somebody now")


def followed_calendars(premises: Premises) -> Iterator[Finding]:
    """A calendar that cannot be read any more goes on with its last good copy; one that never was leaves the schedule as it was."""
    with premises.db.read() as tx:
        states = service_calendars.states(tx, premises.clock())
        names = policy_rows.schedule_names(tx, {one.schedule_id for one in states})
    for one in states:
        name = f"calendar of {names.get(one.schedule_id, one.schedule_id)}"
        if one.is_stale:
            since = f"the copy of {one.copied_at:%Y-%m-%d %H:%M} UTC is used" if one.copied_at else "there has never been a good copy"
            why = one.last_error or "it has not been looked at: is `tocsin serve` running?"
            yield Finding(name, Level.CARE if one.copied_at else Level.BAD, f"{why}; {since}", "mend what is at that address, or follow another one")
        elif one.complaint_count:
            first = one.complaints[0]
            seen = f"{one.complaint_count} things are not understood; the first, '{first.summary}': {first.words}"
            yield Finding(name, Level.CARE, seen, "mend the events, or add the people they name")
        else:
            yield Finding(name, Level.WELL, f"{one.shift_count} shifts ahead")


def backlog(premises: Premises) -> Iterator[Finding]:
    complaints = vitals.take(premises.db, premises.clock()).complaints
    for words in complaints:
        yield Finding("engine", Level.BAD, words, "is `tocsin serve` running? Its log says what fails")
    if not complaints:
        yield Finding("engine", Level.WELL, "nothing waits too long")


def proven_ways(premises: Premises) -> Iterator[Finding]:
    """Whoever is on call now has confirmed that a test reached them."""
    with premises.db.read() as tx:
        standing = rota.now_on_call(tx, premises.clock())
        on_call = {person.id for policy in standing for level in policy.levels for person in level.people}
        if not on_call:
            return
        proofs = self_test_rows.proofs(tx, on_call)
        ways = people_rows.contact_methods(tx, sorted(on_call))
        names = people_rows.users(tx, on_call)
    unproven = sorted(
        names[user_id].name
        for user_id, mine in ways.items()
        if user_id in names and not any(way.id in proofs and proofs[way.id].confirmed_at for way in mine if way.is_enabled)
    )
    if unproven:
        seen = f"on call, and no way of theirs was ever proven: {', '.join(unproven[:10])}" + (" …" if len(unproven) > 10 else "")
        yield Finding("weekly tests", Level.CARE, seen, "have them turn the weekly test on and confirm it, or set TOCSIN_SELF_TEST=yes")
    else:
        yield Finding("weekly tests", Level.WELL, "everybody on call has confirmed a test")


def pulse(premises: Premises) -> Iterator[Finding]:
    """Somebody outside notices when this installation stops; and what it says of itself now."""
    told, now = premises.settings, premises.clock()
    with premises.db.read() as tx:
        alarm = self_watch_rows.words(tx)
        rows = {row.digest: row for row in sorted(self_watch_rows.pulses(tx), key=lambda row: row.tried_at)}
    if alarm is not None:
        yield Finding("own alarm", Level.BAD, alarm, "is `tocsin serve` running? Its log says what fails")
    if not told.heartbeat_url:
        seen = "nobody outside would notice if this installation stopped"
        yield Finding("pulse", Level.CARE, seen, "set TOCSIN_HEARTBEAT_URL to what tells when its calls stop")
    for url in told.heartbeat_url:
        row, host = rows.get(digest_of(url)), urlsplit(url).hostname or "?"
        if row is None or row.tried_at < now - PULSE_LATE:
            seen = "not called yet" if row is None else f"last called {row.tried_at:%Y-%m-%d %H:%M} UTC"
            yield Finding(f"pulse to {host}", Level.CARE, seen, "start `tocsin serve`: it calls every minute")
        elif row.trouble:
            yield Finding(f"pulse to {host}", Level.BAD, row.trouble, "mend what is not well, or the way to that address")
        else:
            yield Finding(f"pulse to {host}", Level.WELL, f"heard at {row.heard_at:%Y-%m-%d %H:%M} UTC")


LOOKS: Final[Sequence[Look]] = (
    data_folder, master_key, database, clock, addresses, certificates, mail, mail_in, sms_and_voice, last_resort, contact_methods, policies, followed_calendars,
    backlog, proven_ways, pulse,
)  # fmt: skip


def _is_free(where: Address) -> bool:
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((where.host, where.port))
        except OSError:
            return False
        return True


def _is_alive(scheme: str, where: Address) -> bool:
    host = "127.0.0.1" if where.host in {"0.0.0.0", "::"} else where.host  # noqa: S104 - compared, not bound
    try:
        # Who it is does not matter here, only that it is one of us; the certificate is another look's business.
        answer = httpx.get(
            f"{scheme}://{Address(host, where.port)}/healthz", timeout=PATIENCE_SECONDS, trust_env=False, verify=False  # noqa: S501
        )
        return answer.status_code == 200 and answer.json() == {"status": "alive"}
    except (httpx.HTTPError, ValueError):
        return False
