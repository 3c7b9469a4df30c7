"""The doctor sees what is wrong with an installation and says how to mend it."""

import socket
from datetime import timedelta
from random import Random

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from tests.people import ADA, save_people
from tests.ports import free_port
from tests.sending import save_service
from tocsin.app import doctor, wire
from tocsin.app.doctor import Level
from tocsin.app.premises import set_up
from tocsin.app.settings import read
from tocsin.core.permission import HOUSE
from tocsin.engine.self_watch import digest_of
from tocsin.service import followed_calendars, schedules, services
from tocsin.service.audit import Deed
from tocsin.store import self_tests, self_watch
from tocsin.store.tables import engine, people
from tocsin.store.tables.calendars import followed_calendar


@pytest.fixture
def environment(tmp_path):
    ports = {"TOCSIN_HTTP": str(free_port()), "TOCSIN_HTTPS": str(free_port())}
    return {"TOCSIN_DATA": str(tmp_path / "kept"), **ports}


def open_with(environment, now):
    return set_up(read(environment), clock=lambda: now)[0]


@pytest.fixture
def premises(environment, now):
    premises = open_with(environment, now)
    yield premises
    premises.db.close()


def seen(premises, what):
    found = [one for one in doctor.examine(premises) if one.what == what]
    assert len(found) == 1, [one.what for one in doctor.examine(premises)]
    return found[0]


def test_a_new_installation_has_nothing_worse_than_a_missing_last_resort(premises):
    bad = {one.what for one in doctor.examine(premises) if one.level is Level.BAD}
    assert bad == {"last resort"}


def test_whatever_is_not_well_says_how_to_mend_it(premises):
    assert [one.what for one in doctor.examine(premises) if (one.level is Level.WELL) == bool(one.mend)] == []


def test_a_service_that_reaches_nobody_now_is_named(premises, now):
    with premises.db.write() as tx:
        save_people(tx, [ADA], now)
    save_service(premises.db, now, [{"type": "user", "id": ADA.id}], name="Checkout")
    assert seen(premises, "escalation policies").level is Level.WELL
    with premises.db.write() as tx:
        tx.execute(sa.update(people.user).values(is_disabled=True))
    found = seen(premises, "service Checkout")
    assert found.level is Level.BAD
    assert "Ada's account is disabled" in found.seen


def test_people_who_cannot_be_reached_are_named(premises, now):
    with premises.db.write() as tx:
        save_people(tx, [ADA], now)
    assert "Ada" in seen(premises, "people").seen


def test_a_clock_that_went_back_is_seen(premises, now):
    later = {"position": 1, "id": "R1", "kind": "triggered", "at": now + timedelta(hours=1), "body": "{}"}
    with premises.db.write() as tx:
        tx.execute(sa.insert(engine.event), later)
    assert seen(premises, "clock").level is Level.BAD


def test_an_address_that_something_else_has_is_seen(premises):
    where = premises.settings.http
    assert seen(premises, f"http {where}").level is Level.WELL
    with socket.socket() as other:
        other.bind((where.host, where.port))
        other.listen()
        found = seen(premises, f"http {where}")
    assert found.level is Level.BAD
    assert "TOCSIN_HTTP" in found.mend


def test_a_certificate_of_ours_is_good_and_clients_are_told_how_to_trust_it(premises, now):
    assert seen(premises, "TLS").level is Level.CARE
    wire.certificate(premises.settings, now)
    assert seen(premises, "TLS").level is Level.WELL
    told = [one.seen for one in doctor.examine(premises) if one.what.startswith("trust: ")]
    assert any("SSL_CERT_FILE" in words for words in told)


def test_a_base_url_that_the_certificate_does_not_carry_is_seen(environment, premises, now, tmp_path):
    made = wire.certificate(premises.settings, now)
    own = {"TOCSIN_TLS_CERTIFICATE": str(made.certificate), "TOCSIN_TLS_KEY": str(made.key)}
    other = open_with({**environment, **own, "TOCSIN_BASE_URL": "https://elsewhere.example.org"}, now)
    assert "elsewhere.example.org" in seen(other, "TLS").seen
    assert seen(other, "TLS").level is Level.BAD
    other.db.close()


def test_a_mail_server_is_tried(environment, now):
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    told = {"TOCSIN_SMTP_HOST": "127.0.0.1", "TOCSIN_SMTP_PORT": str(server.port), "TOCSIN_SMTP_SECURITY": "none"}
    premises = open_with({**environment, **told}, now)
    try:
        assert seen(premises, "e-mail").level is Level.WELL
    finally:
        server.stop()
    assert seen(premises, "e-mail").level is Level.BAD
    premises.db.close()


def test_mail_for_services_that_nobody_receives_is_seen(environment, now):
    premises = open_with(environment, now)
    assert "off" in seen(premises, "mail to services").seen
    save_service(premises.db, now, [])
    deed = Deed(actor=HOUSE, now=now, chance=Random(1), request_id="test")
    with premises.db.write() as tx:
        services.add_integration(tx, deed, "PSRV001", name="Mail", type_=services.EMAIL_TYPE, email="db@example.org")
    assert (seen(premises, "mail to services").level, "TOCSIN_SMTP" in seen(premises, "mail to services").mend) == (Level.BAD, True)
    premises.db.close()
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    premises = open_with({**environment, "TOCSIN_SMTP": str(server.port)}, now)
    try:
        assert seen(premises, f"mail to services 127.0.0.1:{server.port}").seen == "another mail server answers"
    finally:
        server.stop()
    assert "free" in seen(premises, f"mail to services 127.0.0.1:{server.port}").seen
    premises.db.close()


def test_mail_that_should_be_secured_is_not_sent_in_the_open(environment, now):
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    told = {"TOCSIN_SMTP_HOST": "127.0.0.1", "TOCSIN_SMTP_PORT": str(server.port)}
    premises = open_with({**environment, **told}, now)
    try:
        assert "STARTTLS" in seen(premises, "e-mail").seen
    finally:
        server.stop()
        premises.db.close()


def test_a_provider_of_sms_that_does_not_answer_is_seen(environment, now):
    account = {"TOCSIN_TWILIO_ACCOUNT": "AC1", "TOCSIN_TWILIO_TOKEN": "t", "TOCSIN_TWILIO_FROM": "+15005550006"}
    premises = open_with({**environment, **account, "TOCSIN_TWILIO_URL": f"http://127.0.0.1:{free_port()}"}, now)
    assert seen(premises, "SMS and voice").level is Level.BAD
    premises.db.close()


def test_one_look_that_fails_does_not_stop_the_others(premises):
    with premises.db.write() as tx:
        tx.execute(sa.text("DROP TABLE escalation_policies"))
    found = {one.what: one for one in doctor.examine(premises)}
    assert found["policies"].level is Level.BAD
    assert "engine" in found


def test_a_calendar_that_cannot_be_read_is_named_with_what_holds_instead(premises, now):
    text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Ada\nDTSTART:20261201T090000Z\nDURATION:PT8H\nEND:VEVENT\nEND:VCALENDAR\n"
    deed = Deed(HOUSE, now, Random(3))
    with premises.db.write() as tx:
        save_people(tx, [ADA], now)
        schedule_id = schedules.create(tx, deed, name="Team", time_zone="UTC", layers=[])
        followed_calendars.follow_file(tx, deed, schedule_id, text)
    assert (seen(premises, "calendar of Team").level, seen(premises, "calendar of Team").seen) == (Level.WELL, "1 shifts ahead")
    with premises.db.write() as tx:
        tx.execute(sa.update(followed_calendar).values(last_error="HTTP 503"))
    found = seen(premises, "calendar of Team")
    assert (found.level, found.seen) == (Level.CARE, "HTTP 503; the copy of 2026-11-23 09:00 UTC is used")
    with premises.db.write() as tx:
        tx.execute(sa.update(followed_calendar).values(copied_at=None))
    assert seen(premises, "calendar of Team").level is Level.BAD


def test_who_is_on_call_and_was_never_proven_is_named_until_they_confirm(premises, now):
    with premises.db.write() as tx:
        save_people(tx, [ADA], now)
    save_service(premises.db, now, [{"type": "user", "id": ADA.id}])
    method = {"id": "PMETH01", "user_id": ADA.id, "kind": "email", "label": "Work", "address": "ada@example.org", "is_enabled": True, "created_at": now}
    with premises.db.write() as tx:
        tx.execute(sa.insert(people.contact_method), [method])
    assert (seen(premises, "weekly tests").level, "Ada" in seen(premises, "weekly tests").seen) == (Level.CARE, True)
    row = {"id": "x" * 20, "user_id": ADA.id, "contact_method_id": "PMETH01", "outbox_id": "N1", "sent_at": now, "answer_by": now}
    with premises.db.write() as tx:
        self_tests.add(tx, row)
        self_tests.mark(tx, row["id"], confirmed_at=now)
    assert seen(premises, "weekly tests").level is Level.WELL


def test_an_outside_address_that_hears_nothing_is_told(environment, now):
    url = "https://watch.example.org/secret"
    premises = open_with(environment | {"TOCSIN_HEARTBEAT_URL": url}, now)
    assert seen(premises, "pulse to watch.example.org").level is Level.CARE
    for trouble, level in (("HTTP 500", Level.BAD), (None, Level.WELL)):
        with premises.db.write() as tx:
            self_watch.keep_pulses(tx, "one", [{"digest": digest_of(url), "host": "watch.example.org", "trouble": trouble}], now)
        assert seen(premises, "pulse to watch.example.org").level is level
    assert not any("secret" in one.seen for one in doctor.examine(premises))
    premises.db.close()
