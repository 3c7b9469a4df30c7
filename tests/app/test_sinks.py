"""The local sinks: a person can look at what arrived, and a port that is taken is said."""

import asyncio
from email.message import EmailMessage

import aiosmtplib
import httpx
import pytest

from tocsin.app.sinks import Sinks


def test_what_arrived_is_shown_on_a_page_and_as_json_newest_first():
    with Sinks() as sinks:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "t@example.org", "ada@example.org", "Disk <full>"
        mail.set_content("It is full.")
        asyncio.run(aiosmtplib.send(mail, hostname="127.0.0.1", port=sinks.smtp_port))
        assert (
            httpx.post(f"{sinks.url}/phone/ada", json={"subject": "Queue slow", "text": "x", "pages": []}).status_code
            == 200
        )
        page = httpx.get(sinks.url).text
        assert "Disk &lt;full&gt;" in page
        assert page.index("Queue slow") < page.index("Disk &lt;full&gt;")
        assert [one["way"] for one in httpx.get(f"{sinks.url}/arrived.json").json()] == ["email", "webhook"]


def test_orders_without_the_telephone_companys_credentials_are_refused():
    with Sinks() as sinks:
        answer = httpx.post(f"{sinks.url}/2010-04-01/Accounts/AC1/Messages.json", data={"To": "+1", "Body": "x"})
        assert answer.status_code == 401
        assert sinks.arrived() == []


def test_a_port_that_is_taken_is_an_error_at_the_start():
    with Sinks() as sinks:
        second = Sinks(http_port=sinks.http_port)
        with pytest.raises(OSError, match="in use"):
            second.start()
