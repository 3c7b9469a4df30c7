"""Settings are read from the environment as documented, and everything wrong is said at once."""

from pathlib import Path

import pytest

from tocsin.app.settings import Address, Settings, WrongSettings, read, rules


def test_an_empty_environment_is_a_working_installation():
    told = read({})
    assert told == Settings()
    assert told.database_url.endswith("/var/tocsin.db")
    assert told.public_url.startswith("https://")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("8080", Address("127.0.0.1", 8080)),
        (":8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("[::1]:8080", Address("::1", 8080)),
        ("off", None),
    ],
)
def test_an_address_can_be_said_in_many_ways(said, meant):
    assert read({"TOCSIN_HTTP": said}).http == meant


@pytest.mark.parametrize(
    ("name", "said", "words"),
    [
        ("TOCSIN_HTTP", "everywhere", "must be a port"),
        ("TOCSIN_HTTP", "70000", "must be a port"),
        ("TOCSIN_DATABASE", "mysql://db/tocsin", "must begin with postgresql://"),
        ("TOCSIN_DATABASE", "sqlite:///tocsin.db", "kept in a file in TOCSIN_DATA"),
        ("TOCSIN_HTTP", "::1:8080", "must be a port"),
        ("TOCSIN_SMTP_PORT", "-1", "whole number"),
        ("TOCSIN_SMTP_SECURITY", "ssl", "must be one of"),
        ("TOCSIN_ROLE", "king", "must be one of"),
        ("TOCSIN_BASE_URL", "tocsin.example.org", "http:// or https://"),
        ("TOCSIN_ALLOW_PRIVATE", "10.0.0.0/99", "networks like"),
        ("TOCSIN_JOURNAL_DAYS", "many", "whole number"),
        ("TOCSIN_SMTP_PASWORD", "x", "is no setting"),
        ("TOCSIN_TLS_KEY", "key.pem", "belong together"),
        ("TOCSIN_TWILIO_ACCOUNT", "AC1", "needs TOCSIN_TWILIO_TOKEN"),
        ("TOCSIN_SMTP_USER", "ada", "needs TOCSIN_SMTP_PASSWORD"),
        ("TOCSIN_SMTP_PASSWORD_FILE", "/nowhere/at/all", "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(name, said, words):
    with pytest.raises(WrongSettings) as caught:
        read({name: said})
    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]


def test_everything_wrong_is_said_at_once():
    with pytest.raises(WrongSettings) as caught:
        read({"TOCSIN_HTTP": "x", "TOCSIN_ROLE": "y", "TOCSIN_COLOUR": "z"})
    assert len(caught.value.problems) == 3


def test_a_secret_can_come_from_a_file_and_only_from_one_place(tmp_path):
    file = tmp_path / "password"
    file.write_text("correct horse\n")
    assert read({"TOCSIN_SMTP_PASSWORD_FILE": str(file)}).smtp_password == "correct horse"
    with pytest.raises(WrongSettings, match="set twice"):
        read({"TOCSIN_SMTP_PASSWORD_FILE": str(file), "TOCSIN_SMTP_PASSWORD": "other"})


def test_what_is_no_secret_has_no_file():
    with pytest.raises(WrongSettings, match="TOCSIN_HTTP_FILE is no setting"):
        read({"TOCSIN_HTTP_FILE": "somewhere"})


def test_an_empty_variable_says_nothing():
    assert read({"TOCSIN_HTTP": "", "TOCSIN_DATA": ""}) == Settings()


def test_serving_nothing_is_refused_unless_the_node_is_an_engine():
    nothing = {"TOCSIN_HTTP": "off", "TOCSIN_HTTPS": "off"}
    with pytest.raises(WrongSettings, match="nothing would be served"):
        read(nothing)
    assert read({**nothing, "TOCSIN_ROLE": "engine", "TOCSIN_DATABASE": "postgresql://db/tocsin"}).role == "engine"


def test_a_database_for_one_process_does_everything_in_it():
    with pytest.raises(WrongSettings, match="TOCSIN_ROLE"):
        read({"TOCSIN_ROLE": "engine"})


def test_private_networks_are_closed_until_they_are_opened():
    assert read({}).allow_private == ()
    assert read({"TOCSIN_ALLOW_PRIVATE": "10.0.0.0/8, 127.0.0.1"}).allow_private == ("10.0.0.0/8", "127.0.0.1/32")
    assert "0.0.0.0/0" in read({"TOCSIN_ALLOW_PRIVATE": "yes"}).allow_private


def test_a_node_keeps_its_name_over_restarts_where_it_is_alone():
    assert read({}).node_name == read({}).node_name
    assert read({"TOCSIN_NODE": "tower"}).node_name == "tower"


def test_every_setting_has_words():
    assert [name for name, rule in rules().items() if len(rule.words) < 10] == []
    assert isinstance(read({"TOCSIN_DATA": "~/tocsin"}).data, Path)
    assert "~" not in str(read({"TOCSIN_DATA": "~/tocsin"}).data)
