"""TLS in the box: an authority and a certificate of this installation's own, made at first start and renewed in time.

Laws:
1. The authority lives for ten years and is made once; the server's certificate lives for 397 days (what clients accept)
   and is made again when it has less than 30 left, or when the names it should carry change.
2. Private keys are files that only their owner can read (0600), written whole or not at all.
3. Own certificates are used as they are: nothing is made beside them.
"""

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE: Final = timedelta(days=3650)
CERTIFICATE_LIFE: Final = timedelta(days=397)
RENEW_BEFORE: Final = timedelta(days=30)
CLOCK_SLACK: Final = timedelta(hours=1)
"""How much earlier than now a new certificate is valid from: clients' clocks differ."""
ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
"""Names that every certificate made here carries."""

_AUTHORITY_NAME: Final = "Tocsin local authority"


class TlsTrouble(Exception):
    """A certificate or key cannot be used; the message says which file, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server needs, and what its clients need.

    authority  the file a client must trust; None for an own certificate (whose authority is known outside, or is its owner's business)
    names      the names and addresses it is good for
    """

    certificate: Path
    key: Path
    authority: Path | None
    names: tuple[str, ...]
    ends_at: datetime


def local_certificate(folder: Path, *, now: datetime, names: Sequence[str] = ()) -> Certificate:
    """The certificate of this installation, made or renewed in `folder` as needed. Raises `TlsTrouble`.

    It is good for `localhost`, `127.0.0.1`, `::1`, the machine's own name, and `names`.
    """
    wanted = tuple(
        dict.fromkeys(
            [*ALWAYS, socket.gethostname().lower(), *(name.strip().lower() for name in names if name.strip())]
        )
    )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority, authority_key = _authority(folder, now)
        files = folder / "server.crt", folder / "server.key"
        old = _read_certificate(files[0]) if all(file.exists() for file in files) else None
        if old is None or not _is_good(old, authority, wanted, now):
            _make_server(files, authority, authority_key, wanted, now)
            old = _read_certificate(files[0])
    except OSError as error:
        raise TlsTrouble(
            f"cannot keep certificates in {folder}: {error.strerror}. Give this user the right to write there"
        ) from error
    return Certificate(files[0], files[1], folder / "authority.crt", names_of(old), old.not_valid_after_utc)


def own_certificate(certificate: Path, key: Path, *, now: datetime) -> Certificate:
    """A certificate from elsewhere, checked. Raises `TlsTrouble` when it cannot serve."""
    for file in (certificate, key):
        if not file.is_file():
            raise TlsTrouble(f"{file} does not exist")
    found = _read_certificate(certificate)
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError, OSError) as error:
        raise TlsTrouble(f"{key} is no private key in PEM without a password: {error}") from error
    if _spki(private.public_key()) != _spki(found.public_key()):
        raise TlsTrouble(f"{key} is not the key of {certificate}")
    if found.not_valid_after_utc <= now:
        raise TlsTrouble(f"{certificate} ended on {found.not_valid_after_utc:%Y-%m-%d}; renew it")
    return Certificate(certificate, key, None, names_of(found), found.not_valid_after_utc)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses a certificate is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*found.get_values_for_type(x509.DNSName), *(str(one) for one in found.get_values_for_type(x509.IPAddress)))


def how_to_trust(authority: Path, url: str) -> list[tuple[str, str]]:
    """(client, what to type) for everybody who shall trust the local authority and reach `url`."""
    file = str(authority.resolve())
    return [
        ("Python: the PagerDuty client from 6.0 on, httpx", f"export SSL_CERT_FILE={file}"),
        ("Python: requests, the PagerDuty client 5.x, PagerDuty's MCP server", f"export REQUESTS_CA_BUNDLE={file}"),
        ("Node.js: pdjs", f"export NODE_EXTRA_CA_CERTS={file}"),
        ("Go: Terraform, Alertmanager, go-pagerduty", f"export SSL_CERT_FILE={file}"),
        ("Alertmanager, in its configuration", f"http_config: {{tls_config: {{ca_file: {file}}}}}"),
        ("curl", f"curl --cacert {file} {url}/healthz"),
        (
            "The whole machine (Debian)",
            f"install -m 644 {file} /usr/local/share/ca-certificates/tocsin.crt && update-ca-certificates",
        ),
    ]


# ------------------------------------------------------------------------------------------------------------- making


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "authority.crt", folder / "authority.key"
    if certificate_file.exists() != key_file.exists():
        there, missing = (certificate_file, key_file) if certificate_file.exists() else (key_file, certificate_file)
        raise TlsTrouble(
            f"{there} is there and {missing} is not: put it back, or remove both to have a new authority made"
        )
    if not certificate_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{_AUTHORITY_NAME} ({socket.gethostname()[:32]})")])
        made = (
            _begun(name, name, key.public_key(), now, AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write_key(key_file, key)
        _write(certificate_file, made.public_bytes(serialization.Encoding.PEM), 0o644)
        return made, key
    certificate = _read_certificate(certificate_file)
    try:
        kept = serialization.load_pem_private_key(key_file.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise TlsTrouble(
            f"{key_file} is damaged ({error}): put it back, or remove it and {certificate_file.name}"
        ) from error
    if not isinstance(kept, ec.EllipticCurvePrivateKey) or _spki(kept.public_key()) != _spki(certificate.public_key()):
        raise TlsTrouble(f"{key_file} is not the key of {certificate_file}: remove both to have a new authority made")
    if certificate.not_valid_after_utc <= now + RENEW_BEFORE:
        raise TlsTrouble(
            f"the authority {certificate_file} ends on {certificate.not_valid_after_utc:%Y-%m-%d}: remove it and"
            f" {key_file.name}, start again, and give the new one to every client"
        )
    return certificate, kept


def _make_server(
    files: tuple[Path, Path],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        _begun(subject, authority.subject, key.public_key(), now, CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_key(files[1], key)
    chain = made.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
    _write(files[0], chain, 0o644)


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SLACK)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise TlsTrouble(f"'{name}' cannot stand in a certificate: write it as a plain (punycode) host name") from error


def _is_good(certificate: x509.Certificate, authority: x509.Certificate, wanted: Sequence[str], now: datetime) -> bool:
    """Whether a certificate made earlier still does: ours, not ending soon, good for every wanted name."""
    return (
        certificate.issuer == authority.subject
        and certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc > now + RENEW_BEFORE
        and {str(_plain(name)) for name in wanted} <= set(names_of(certificate))
    )


def _plain(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _read_certificate(file: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (ValueError, OSError) as error:
        raise TlsTrouble(f"{file} is no certificate in PEM ({error}): put it back, or remove it") from error


def _spki(key: object) -> bytes:
    found: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return found


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(file, pem, 0o600)


def _write(file: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, never readable by others for a moment (law 2)."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.chmod(mode)
    new.replace(file)
