"""The gate for mail: what is kept before 250, what is refused and how, with a real client on a real socket."""

import asyncio
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
import uvloop

from tests.serving import save_ways_in
from tocsin.api import mail_gate
from tocsin.api.mail_gate import MailGate
from tocsin.app import tls
from tocsin.base.clock import system_clock
from tocsin.inbound import email
from tocsin.service.ingest import Ingest
from tocsin.service.processing import work_off
from tocsin.service.services import EMAIL_TYPE
from tocsin.store.db import Database
from tocsin.store.tables import engine, services

MAIL_KEY = "0123456789abcdef0123456789abcd00"
ADDRESS = "checkout@acme.example.org"


@dataclass(frozen=True, slots=True)
class Listening:
    port: int
    db: Database

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=20)

    def send(self, mail: EmailMessage | bytes, *to: str, sender: str = "mon@example.org") -> None:
        with self.client() as client:
            client.sendmail(sender, to or (ADDRESS,), mail if isinstance(mail, bytes) else mail.as_bytes(policy=policy.SMTP))

    def journal(self, now: datetime | None = None) -> list[Any]:
        """Every event, after what waits was worked off."""
        with self.db.write() as tx:
            while work_off(tx, 100, now=now or system_clock(), chance=Random(5))[0]:
                pass
        with self.db.read() as tx:
            return list(tx.rows(sa.select(engine.inbox).order_by(engine.inbox.c.arrival)))


@contextmanager
def listening(db: Database, context: ssl.SSLContext | None = None) -> Iterator[Listening]:
    """A mail gate on a free port, in a loop like the server's, until the block ends."""
    held: dict[str, Any] = {}
    ready = threading.Event()

    async def run() -> None:
        held["loop"], held["stop"] = asyncio.get_running_loop(), asyncio.Event()
        ingest = Ingest(db, clock=system_clock, chance=Random(7))
        await ingest.start()
        gate = MailGate(ingest, clock=system_clock, chance=Random(8), name="tocsin.example.org", tls=context)
        held["port"] = await gate.start("127.0.0.1", 0)
        ready.set()
        await held["stop"].wait()
        await gate.stop()
        await ingest.stop()

    thread = threading.Thread(target=uvloop.run, args=(run(),), name="mail gate under test")
    thread.start()
    assert ready.wait(20)
    try:
        yield Listening(held["port"], db)
    finally:
        held["loop"].call_soon_threadsafe(held["stop"].set)
        thread.join(30)
        assert not thread.is_alive(), "the mail gate did not stop"


def save_address(db: Database, now: datetime, *, rules: dict[str, Any] | None = None) -> None:
    with db.write() as tx:
        save_ways_in(tx, now)
        row = {"id": "PMAIL01", "service_id": "PGATE02", "name": "Mail", "type": EMAIL_TYPE, "routing_key": MAIL_KEY, "email": ADDRESS}
        tx.execute(sa.insert(services.integration), [{**row, "settings": {"email": rules} if rules else {}, "created_at": now}])


@pytest.fixture
def at(db: Database, now: datetime) -> Iterator[Listening]:
    save_address(db, now)
    with listening(db) as found:
        yield found


def mail(subject: str = "Disk full", body: str = "db1 has no space", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Monitor <mon@example.org>", ADDRESS, subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(body)
    return made


def test_a_mail_is_on_disk_when_it_is_taken_and_becomes_an_alert_as_it_came(at: Listening) -> None:
    at.send(mail(Message_ID="<1@example.org>"))
    with at.db.read() as tx:
        (row,) = tx.rows(sa.select(engine.inbox))
    assert (row.reader, row.routing_key, row.summary, row.outcome) == ("email", MAIL_KEY, "Disk full", None)
    assert bytes(row.raw).endswith(mail(Message_ID="<1@example.org>").as_bytes(policy=policy.SMTP))
    assert b"Return-Path: <mon@example.org>\r\nDelivered-To: checkout@acme.example.org\r\n" in bytes(row.raw)
    (row,) = at.journal()
    assert (row.outcome, row.service_id) == ("alert", "PGATE02")
    at.send(mail())  # the same subject: counted while it is open
    assert [row.outcome for row in at.journal()] == ["alert", "repeated"]


def test_an_address_that_nobody_has_is_refused_for_good_and_nothing_is_passed_on(at: Listening) -> None:
    with at.client() as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail("a@example.org", ["nobody@acme.example.org"], "Subject: x\r\n\r\nx")
    (code, words) = refused.value.recipients["nobody@acme.example.org"]
    assert (code, b"no e-mail integration" in words) == (550, True)
    with at.client() as client:
        told = client.sendmail("a@example.org", ["x@example.com", ADDRESS.upper(), f"{MAIL_KEY}@any.example.org"], "Subject: x\r\n\r\nx")
    assert list(told) == ["x@example.com"]
    assert len(at.journal()) == 1, "both addresses are of one integration"


def test_a_mail_too_large_or_for_too_many_is_refused_in_words(at: Listening) -> None:
    with at.client() as client:
        assert client.ehlo()[0] == 250
        assert int(client.esmtp_features["size"]) == email.MOST
        client.mail("a@example.org")
        client.rcpt(ADDRESS)
        code, words = client.data(b"Subject: x\r\n\r\n" + b"x" * 70 * 30_000 + b"\r\n" + (b"y" * 70 + b"\r\n") * 30_000)
        assert code in {500, 552}
        assert words
        client.mail("a@example.org")
        codes = [client.rcpt(ADDRESS)[0] for _ in range(mail_gate.RECIPIENTS_MOST + 1)]
        assert (codes[-2], codes[-1]) == (250, 452)
    assert at.journal() == []


def test_what_cannot_be_kept_now_is_to_be_sent_again(at: Listening) -> None:
    with at.client() as client:
        client.ehlo()
        client.mail("a@example.org")
        assert client.rcpt(ADDRESS)[0] == 250
        with at.db.write() as tx:
            tx.execute(sa.text("ALTER TABLE inbox RENAME TO inbox_away"))
        code, words = client.data(b"Subject: x\r\n\r\nx")
        assert (code, b"send it again" in words) == (451, True)
        with at.db.write() as tx:
            tx.execute(sa.text("ALTER TABLE inbox_away RENAME TO inbox"))
        client.mail("a@example.org")
        client.rcpt(ADDRESS)
        assert client.data(b"Subject: x\r\n\r\nx")[0] == 250
    assert [row.outcome for row in at.journal()] == ["alert"]


def test_a_mail_delivered_again_is_counted_not_opened_again(db: Database, now: datetime) -> None:
    save_address(db, now, rules={"email_incident_creation": "on_new_email"})
    with listening(db) as at:
        for message_id in ("<1@example.org>", "<1@example.org>", "<2@example.org>"):
            at.send(mail(Message_ID=message_id))
        at.send(mail())
        at.send(mail())  # without a Message-ID nobody can tell: a page too many beats a silence
        assert [row.outcome for row in at.journal()] == ["alert", "repeated", "alert", "alert", "alert"]


def test_only_one_incident_is_open_where_that_is_wanted(db: Database, now: datetime) -> None:
    save_address(db, now, rules={"email_incident_creation": "only_if_no_open_incidents"})
    with listening(db) as at:
        for subject in ("One", "Two", "Three"):
            at.send(mail(subject))
        rows = at.journal()
    assert [row.outcome for row in rows] == ["alert", "grouped", "grouped"]
    assert len({row.incident_id for row in rows}) == 1
    assert "only when none is open" in rows[1].reason


def test_what_the_rules_leave_out_stays_in_the_journal_with_its_reason(db: Database, now: datetime) -> None:
    filters = [{"subject_mode": "match", "subject_regex": "^CRIT", "body_mode": "always", "from_email_mode": "always"}]
    save_address(db, now, rules={"email_filter_mode": "and-rules-email", "email_filters": filters})
    with listening(db) as at:
        at.send(mail("Newsletter"))
        at.send(mail("CRIT disk"))
        at.send(mail("CRIT reply", Auto_Submitted="auto-replied"))
        at.send(mail("CRIT of ours", Auto_Submitted="auto-generated", X_Tocsin_Incidents="PABC"))
        rows = at.journal()
    assert [(row.outcome, row.summary) for row in rows] == [
        ("dropped", "Newsletter"), ("alert", "CRIT disk"), ("dropped", "CRIT reply"), ("dropped", "CRIT of ours"),
    ]  # fmt: skip
    assert "the subject does not match '^CRIT'" in rows[0].reason
    assert "one of our own pages" in rows[3].reason


def test_a_mail_comes_over_tls_with_the_box_certificate(sqlite_db: Database, now: datetime, tmp_path: Path) -> None:
    save_address(sqlite_db, now)
    made = tls.local_certificate(tmp_path / "tls", now=system_clock(), names=("localhost",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    assert made.authority is not None
    with listening(sqlite_db, context) as at, smtplib.SMTP("localhost", at.port, timeout=20) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(made.authority)))
        client.sendmail("a@example.org", [ADDRESS], mail().as_bytes(policy=policy.SMTP) + b"x" * 2000 + b"\r\n.\r\n..\r\nend\r\n")
        (row,) = at.journal()
    assert b"with ESMTPS;" in bytes(row.raw)
    assert bytes(row.raw).endswith(b"\r\n.\r\n..\r\nend\r\n")


def test_strange_clients_get_an_answer_and_take_nothing_from_others(sqlite_db: Database, now: datetime) -> None:
    save_address(sqlite_db, now)
    with listening(sqlite_db) as at:
        crowd = [socket.create_connection(("127.0.0.1", at.port), timeout=10) for _ in range(mail_gate.CONNECTIONS_OF_ONE)]
        assert all(one.recv(100).startswith(b"220 tocsin.example.org") for one in crowd)
        with socket.create_connection(("127.0.0.1", at.port), timeout=10) as late:
            assert late.recv(200).startswith(b"421 4.3.2")
        for one, words in zip(crowd, (b"\0\xff\r\n", b"GET / HTTP/1.1\r\n", b"MAIL FROM:<\xff\0>\r\n", b"RCPT TO:x\r\n", b"A" * 5000 + b"\r\n"), strict=False):
            one.sendall(words)
            assert one.recv(200)[:1] == b"5"
        flood = crowd[10]
        flood.sendall(b"EHLO x\r\nMAIL FROM:<>\r\n")
        flood.sendall(f"RCPT TO:<{ADDRESS}>\r\nDATA\r\n".encode())
        with pytest.raises(OSError, match=r"reset|[Bb]roken"):
            flood.sendall(b"x" * 4 * mail_gate.FLOOD)
        for one in crowd:
            one.close()
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", at.port), timeout=10) as again:
                if again.recv(200).startswith(b"220"):
                    break
        at.send(mail())
        assert [row.outcome for row in at.journal()] == ["alert"]
