"""A mail that was taken is processed exactly once, though the server is killed again and again while mails come in."""

import random
import smtplib
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.installation import Installation
from tests.ports import free_port
from tests.promises.test_kill import company
from tocsin.store.tables import engine, incidents

KILLS = 2
SENDERS = 2
COMPLETION_SECONDS = 60.0
ADDRESS = "payments@tocsin.example.org"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The address of an empty PostgreSQL database, or nothing for the embedded one."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("blank_postgres_url"))


class Sender(threading.Thread):
    """Sends distinct mails one after the other, each until it is taken, as a mail server does; remembers what was taken."""

    def __init__(self, port: int, name: str, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.port, self.stopping = port, stop
        self.taken: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            subject = f"{self.name} mail {number}"
            mail = f"From: mon@example.org\r\nSubject: {subject}\r\nMessage-ID: <{number}.{self.name}@example.org>\r\n\r\nIt is down.\r\n"
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=10) as client:
                    client.sendmail("mon@example.org", [ADDRESS], mail)
            except smtplib.SMTPRecipientsRefused:
                raise
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)
                continue  # the same mail again
            self.taken.append(subject)
            number += 1
            time.sleep(0.03)


@pytest.mark.timeout(200)
def test_a_server_killed_again_and_again_loses_no_mail_and_opens_none_twice(tmp_path: Path, database: str):
    dice, port = random.Random(9), free_port()
    with Installation(tmp_path / "house", database, settings={"TOCSIN_SMTP": f"127.0.0.1:{port}"}) as house:
        house.start()
        company(house, "http://127.0.0.1:9/phone")
        service = house.get("/services")["services"][0]
        integration = {
            "type": "generic_email_inbound_integration", "name": "Mail", "integration_email": ADDRESS,
            "email_incident_creation": "on_new_email",
        }  # fmt: skip
        house.ask("POST", f"/services/{service['id']}/integrations", {"integration": integration})
        stop = threading.Event()
        senders = [Sender(port, f"sender{number}", stop) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.3, 1.0))
            house.kill()
            house.start()
        time.sleep(0.5)
        stop.set()
        for sender in senders:
            sender.join(30)
        doctor = house.run("doctor", check=False).stdout
        assert f"mail to services 127.0.0.1:{port}" in doctor
        assert "mail is received, with STARTTLS" in doctor
        taken = {subject for sender in senders for subject in sender.taken}
        rows = settled(house)
        assert house.stop() == 0
    assert len(taken) > KILLS
    assert taken <= {row.summary for row in rows}
    alerts = [row.alert_id for row in rows if row.outcome == "alert"]
    assert len({row.summary for row in rows}) == len(alerts) == len(set(alerts)), "one alert a mail, delivered again or not"
    assert {row.outcome for row in rows} <= {"alert", "repeated"}


def settled(house: Installation) -> list[sa.Row[Any]]:
    """The journal, once nothing waits any more."""
    db, until = house.db, time.monotonic() + COMPLETION_SECONDS
    try:
        while True:
            with db.read() as tx:
                rows = list(tx.rows(sa.select(engine.inbox)))
                opened = tx.scalar(sa.select(sa.func.count()).select_from(incidents.incident))
            if all(row.outcome for row in rows):
                assert opened == sum(row.outcome == "alert" for row in rows)
                return rows
            assert time.monotonic() < until, "mails still wait"
            time.sleep(0.05)
    finally:
        db.close()
