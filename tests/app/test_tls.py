"""The certificate in the box: made, kept, renewed, refused, and trusted."""

import socket
import ssl
import stat
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tocsin.app import tls


def test_a_first_start_makes_a_certificate_good_for_this_machine(tmp_path: Path, now: datetime) -> None:
    made = tls.local_certificate(tmp_path / "tls", now=now, names=["tocsin.example.org", "10.0.0.7", " "])
    assert set(made.names) == {
        "localhost",
        "127.0.0.1",
        "::1",
        socket.gethostname().lower(),
        "tocsin.example.org",
        "10.0.0.7",
    }
    assert made.ends_at == now + tls.CERTIFICATE_LIFE
    for file in (made.key, tmp_path / "tls" / "authority.key"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)


def test_a_second_start_changes_nothing(tmp_path: Path, now: datetime) -> None:
    first = tls.local_certificate(tmp_path, now=now)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert tls.local_certificate(tmp_path, now=now + timedelta(days=300)) == first
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_it_is_renewed_before_it_ends_and_the_authority_stays(tmp_path: Path, now: datetime) -> None:
    first = tls.local_certificate(tmp_path, now=now)
    assert first.authority is not None
    authority = first.authority.read_bytes()
    later = first.ends_at - tls.RENEW_BEFORE
    assert tls.local_certificate(tmp_path, now=later - timedelta(minutes=1)).ends_at == first.ends_at
    assert tls.local_certificate(tmp_path, now=later).ends_at == later + tls.CERTIFICATE_LIFE
    assert first.authority.read_bytes() == authority


def test_a_new_name_makes_a_new_certificate(tmp_path: Path, now: datetime) -> None:
    tls.local_certificate(tmp_path, now=now)
    assert "new.example.org" in tls.local_certificate(tmp_path, now=now, names=["new.example.org"]).names
    assert "new.example.org" in tls.local_certificate(tmp_path, now=now).names  # a name too many does no harm


@pytest.mark.parametrize("missing", ["authority.key", "authority.crt"])
def test_half_an_authority_is_explained_and_not_replaced(tmp_path: Path, now: datetime, missing: str) -> None:
    tls.local_certificate(tmp_path, now=now)
    (tmp_path / missing).unlink()
    with pytest.raises(tls.TlsTrouble, match="put it back, or remove both"):
        tls.local_certificate(tmp_path, now=now)


@pytest.mark.parametrize("damaged", ["authority.key", "authority.crt", "server.crt"])
def test_a_damaged_file_is_named(tmp_path: Path, now: datetime, damaged: str) -> None:
    tls.local_certificate(tmp_path, now=now)
    (tmp_path / damaged).write_text("nonsense")
    with pytest.raises(tls.TlsTrouble, match=damaged):
        tls.local_certificate(tmp_path, now=now)


def test_an_authority_that_ends_is_said_in_time(tmp_path: Path, now: datetime) -> None:
    tls.local_certificate(tmp_path, now=now)
    with pytest.raises(tls.TlsTrouble, match="ends on 2036"):
        tls.local_certificate(tmp_path, now=now + tls.AUTHORITY_LIFE - timedelta(days=10))


def test_a_name_that_cannot_be_is_said(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(tls.TlsTrouble, match="cannot stand in a certificate"):
        tls.local_certificate(tmp_path, now=now, names=["bücher.example.org"])


def test_a_folder_that_cannot_be_is_said(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(tls.TlsTrouble, match="cannot keep certificates"):
        tls.local_certificate(tmp_path / "file", now=now)


def test_an_own_certificate_is_used_as_it_is(tmp_path: Path, now: datetime) -> None:
    made = tls.local_certificate(tmp_path, now=now)
    own = tls.own_certificate(made.certificate, made.key, now=now)
    assert (own.authority, own.names, own.ends_at) == (None, made.names, made.ends_at)


def test_an_own_certificate_that_cannot_serve_is_explained(tmp_path: Path, now: datetime) -> None:
    made = tls.local_certificate(tmp_path, now=now)
    with pytest.raises(tls.TlsTrouble, match="ended on"):
        tls.own_certificate(made.certificate, made.key, now=now + timedelta(days=400))
    with pytest.raises(tls.TlsTrouble, match="is not the key of"):
        tls.own_certificate(made.certificate, tmp_path / "authority.key", now=now)
    with pytest.raises(tls.TlsTrouble, match="is no private key"):
        tls.own_certificate(made.certificate, made.certificate, now=now)
    with pytest.raises(tls.TlsTrouble, match="is no certificate"):
        tls.own_certificate(made.key, made.key, now=now)
    with pytest.raises(tls.TlsTrouble, match="does not exist"):
        tls.own_certificate(tmp_path / "none.crt", made.key, now=now)


def test_every_kind_of_client_is_told_how_to_trust_it(tmp_path: Path, now: datetime) -> None:
    made = tls.local_certificate(tmp_path, now=now)
    assert made.authority is not None
    told = "\n".join(words for _client, words in tls.how_to_trust(made.authority, "https://localhost:8443"))
    for word in ("SSL_CERT_FILE=", "REQUESTS_CA_BUNDLE=", "NODE_EXTRA_CA_CERTS=", "curl --cacert", "ca_file"):
        assert word in told
