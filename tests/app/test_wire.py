"""What the wiring decides by itself: who answers an address, who may serve from a folder, where we are found."""

import pytest

from tocsin.app import wire
from tocsin.app.premises import NotReady
from tocsin.app.settings import read

BROWSER = [(b"accept", b"text/html,application/xhtml+xml")]
CLIENT = [(b"accept", b"application/vnd.pagerduty+json;version=2"), (b"authorization", b"Token token=x")]
CURL = [(b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("path", "headers", "is_page"),
    [
        ("/", CURL, True),
        ("/app/incidents", CURL, True),
        ("/act/signed", CURL, True),
        ("/incidents/Q1", BROWSER, True),
        ("/incidents/Q1", CLIENT, False),
        ("/incidents", CURL, False),
        ("/users/me", [*BROWSER, (b"authorization", b"Token token=x")], False),
        ("/api.pagerduty.com/users", BROWSER, False),
        ("/actions", CURL, False),
    ],
)
def test_browsers_get_pages_and_programs_get_the_api(path, headers, is_page):
    assert wire.is_for_pages(path, headers, ("/act/",)) is is_page


def test_two_servers_do_not_share_one_folder(tmp_path):
    told = read({"TOCSIN_DATA": str(tmp_path)})
    with wire.alone(told), pytest.raises(NotReady, match="already serves"), wire.alone(told):
        pass
    with wire.alone(told):
        pass


def test_a_disk_that_is_nearly_full_is_said_where_it_matters(tmp_path):
    here = {"TOCSIN_DATA": str(tmp_path)}
    assert wire.short_of_room(read(here), least=0) == ""
    assert "make room" in wire.short_of_room(read(here), least=1 << 60)
    assert wire.short_of_room(read({**here, "TOCSIN_DATABASE": "postgresql://db/tocsin"}), least=1 << 60) == ""


def test_the_courier_is_told_what_the_settings_say():
    told = wire.delivery(
        read(
            {
                "TOCSIN_BASE_URL": "https://tocsin.example.org/",
                "TOCSIN_SMTP_HOST": "mail.example.org",
                "TOCSIN_NODE": "tower",
                "TOCSIN_ALLOW_PRIVATE": "10.0.0.0/8",
            },
        ),
    )
    assert told.smtp is not None
    assert (told.smtp.sender, told.smtp.security, told.smtp.port) == ("tocsin@tocsin.example.org", "starttls", 587)
    assert (told.twilio, told.node, told.allowed_networks) == (None, "tower", ("10.0.0.0/8",))


def test_a_program_on_this_machine_finds_us_without_knowing_the_names(tmp_path):
    everywhere = {"TOCSIN_DATA": str(tmp_path), "TOCSIN_HTTP": "0.0.0.0:8080"}
    assert wire.own_address(read(everywhere))[0] == "http://127.0.0.1:8080"
    assert wire.own_address(read({**everywhere, "TOCSIN_HTTP": "off"}))[0] == "https://127.0.0.1:8443"


def test_the_certificate_carries_the_name_people_use(tmp_path, now):
    told = read(
        {"TOCSIN_DATA": str(tmp_path), "TOCSIN_BASE_URL": "https://alarm.example.org", "TOCSIN_TLS_NAMES": "10.1.2.3"}
    )
    made = wire.certificate(told, now)
    assert {"alarm.example.org", "10.1.2.3", "localhost"} <= set(made.names)
    plain, secured = wire.listeners(told, now)
    assert plain.certificate is None
    assert secured.certificate == made.certificate
