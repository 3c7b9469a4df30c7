"""Every setting of an installation: the only place that reads the environment.

Laws:
1. A setting `name` is read from the variable `TOCSIN_NAME`; a secret also from the file that `TOCSIN_NAME_FILE` names.
2. All that is wrong is told at once, each with what would be right; nothing is guessed from a wrong value.
3. A variable `TOCSIN_…` that is no setting is an error: a misspelt setting must not be silently without effect.
4. Every setting is documented in docs/SETTINGS.md, which is written from this file.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

PREFIX: Final = "TOCSIN_"
MAX_PORT: Final = 65535
NEW_ROLES: Final = ("user", "limited_user", "observer", "restricted_access", "read_only_user", "read_only_limited_user")
"""Base roles that somebody may get by only coming in: none that governs others' accounts."""


class WrongSettings(Exception):
    """The environment says something that cannot be; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Rule(NamedTuple):
    """How a setting is read, and what it means for people."""

    read: Callable[[str], Any]
    words: str
    default_words: str
    is_secret: bool = False


def text(raw: str) -> str:
    return raw


def whole(raw: str) -> int:
    if not raw.isdecimal():
        raise ValueError("must be a whole number, 0 or more")
    return int(raw)


def minutes(raw: str) -> int:
    found = whole(raw)
    if not 1 <= found <= 1440:
        raise ValueError("must be a whole number of minutes, 1 to 1440")
    return found


def yes_or_no(raw: str) -> bool:
    known = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}
    if raw.lower() not in known:
        raise ValueError("must be yes or no")
    return known[raw.lower()]


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if raw.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return raw.lower()

    return read


def words(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def path(raw: str) -> Path:
    return Path(raw).expanduser()


def url(raw: str) -> str:
    if not raw.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return raw.rstrip("/")


def issuer(raw: str) -> str:
    """Kept letter by letter, its last slash too: that is how a provider's name is compared."""
    try:
        parts = urlsplit(raw)
        is_local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    except ValueError as error:
        raise ValueError("must be an address such as https://login.example.org") from error
    if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        raise ValueError("must be an https address without a query, such as https://login.example.org (http only on this machine)")
    return raw


def new_role(raw: str) -> str:
    """A base role for people who are not known yet, or no."""
    if raw.lower() in {"no", "false", "0", "off"}:
        return ""
    if raw.lower() not in NEW_ROLES:
        raise ValueError(f"must be no or one of {', '.join(NEW_ROLES)}")
    return raw.lower()


def urls(raw: str) -> tuple[str, ...]:
    return tuple(url(part) for part in words(raw))


def database(raw: str) -> str:
    """Only a database that several processes may share is told; the one in a file belongs to the data folder."""
    if not re.match(r"postgres(ql)?(\+\w+)?://", raw):
        raise ValueError("must begin with postgresql://. Without it the data is kept in a file in TOCSIN_DATA")
    return raw


def address(raw: str) -> Address | None:
    """`8080`, `:8080`, `0.0.0.0:8080`, `[::1]:8080`, or `off`. A port alone listens on this machine only."""
    if raw.lower() == "off":
        return None
    host, _, port = raw.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or not 0 < int(port) <= MAX_PORT or (":" in host and not raw.startswith("[")):
        raise ValueError("must be a port, HOST:PORT, [IPV6]:PORT or off")
    return Address(host or "127.0.0.1", int(port))


def networks(raw: str) -> tuple[str, ...]:
    """`no`, `yes` (all private networks), or networks such as `10.0.0.0/8, 127.0.0.1`."""
    if raw.lower() in {"yes", "true", "1", "on"}:
        return ("0.0.0.0/0", "::/0")
    if raw.lower() in {"no", "false", "0", "off"}:
        return ()
    try:
        return tuple(str(ip_network(part)) for part in words(raw))
    except ValueError as error:
        raise ValueError(f"must be yes, no, or networks like 10.0.0.0/8 separated by commas ({error})") from error


def setting(
    read: Callable[[str], Any], default: Any, words_: str, *, default_words: str | None = None, is_secret: bool = False
) -> Any:
    """One setting: how it is read, what it is when nothing is said, what it means."""
    shown = default_words if default_words is not None else (str(default) if default not in {"", None, ()} else "none")
    return field(default=default, metadata={"rule": Rule(read, words_, shown, is_secret)})


@dataclass(frozen=True, slots=True)
class Settings:
    """What this installation is told by its environment. Each line here is one line of docs/SETTINGS.md."""

    data: Path = setting(path, Path("var"), "The folder of everything kept on disk: the database, the master key, certificates.")
    database: str = setting(
        database, "", "The database's address, such as `postgresql://tocsin@db.example.org/tocsin`.",
        default_words="a SQLite file in the data folder", is_secret=True,
    )  # fmt: skip
    http: Address | None = setting(
        address, Address("127.0.0.1", 8080),
        "Where plain HTTP is served: a port, HOST:PORT, or `off`. It is for this machine and for trusted networks.",
    )  # fmt: skip
    https: Address | None = setting(
        address, Address("0.0.0.0", 8443),  # noqa: S104 - TLS is meant for everybody
        "Where HTTPS is served: a port, HOST:PORT, or `off`.",
    )  # fmt: skip
    base_url: str = setting(
        url, "", "The address under which people and senders reach this installation; links in mails begin with it.",
        default_words="made from the host's name and the addresses served",
    )  # fmt: skip
    tls_certificate: Path | None = setting(
        path, None, "Your own certificate (PEM, with its chain).", default_words="made by Tocsin's own authority in the data folder"
    )
    tls_key: Path | None = setting(path, None, "The private key of your own certificate (PEM).", default_words="made with the certificate")
    tls_names: tuple[str, ...] = setting(
        words, (), "Further host names and addresses for the certificate that Tocsin makes, separated by commas."
    )
    master_key: str = setting(
        text, "", "The key that seals secrets in the database. Several, separated by commas: the first seals, all open.",
        default_words="the file `master.key` in the data folder, made by `tocsin init`", is_secret=True,
    )  # fmt: skip
    role: str = setting(
        one_of("all", "web", "engine"), "all",
        "What this process does: `web` (gate, API, pages), `engine` (passes and deliveries; it serves only its health), or "
        "`all`. On SQLite only `all`.",
    )  # fmt: skip
    node: str = setting(text, "", "This node's name in leases and logs.", default_words="the host's name (on PostgreSQL with the process number)")
    smtp: Address | None = setting(
        address, None,
        "Where mail for e-mail integrations is received by SMTP, with STARTTLS: a port, HOST:PORT, or `off`. Your mail "
        "server passes on what is for the addresses of services.", default_words="off",
    )  # fmt: skip
    mail_domain: str = setting(
        text, "", "What stands after the @ in the addresses that the pages make for services, and the name the mail server greets with.",
        default_words="the host of the base URL",
    )  # fmt: skip
    smtp_host: str = setting(text, "", "The mail server that pages by e-mail go through. Without it there is no e-mail.")
    smtp_port: int = setting(whole, 587, "The mail server's port.")
    smtp_security: str = setting(
        one_of("starttls", "tls", "none"), "starttls", "How the connection to the mail server is secured: `starttls`, `tls` or `none`."
    )
    smtp_user: str = setting(text, "", "The user name at the mail server.")
    smtp_password: str = setting(text, "", "The password at the mail server.", is_secret=True)
    smtp_from: str = setting(text, "", "The sender's address of our mails.", default_words="`tocsin@` and the host of the base URL")
    twilio_url: str = setting(
        url, "https://api.twilio.com", "The SMS and voice provider's address; any that speaks Twilio's API (2010-04-01) will do."
    )
    twilio_account: str = setting(text, "", "The account's SID at the SMS and voice provider. Without it there is no SMS and no voice.")
    twilio_token: str = setting(text, "", "The account's token at the SMS and voice provider.", is_secret=True)
    twilio_from: str = setting(text, "", "The number that SMS and calls come from, like +15005550006.")
    webhook_secret: str = setting(
        text, "", "The secret that pages by webhook are signed with, so that their receiver can tell who sent them.", is_secret=True
    )
    allow_private: tuple[str, ...] = setting(
        networks, (),
        "Private networks that webhooks and channels may call: `yes` for all, or networks like `10.0.0.0/8`, separated by "
        "commas. Otherwise an address inside your network is refused, so that nobody can use Tocsin to reach it.",
    )  # fmt: skip
    import_key: str = setting(
        text, "", "The key of the account elsewhere that `tocsin import` asks: PagerDuty's or Grafana OnCall's.", is_secret=True
    )
    oidc_issuer: str = setting(
        issuer, "", "The sign-in provider (OpenID Connect) by which people sign in, exactly as it calls itself, such as `https://login.example.org`. "
        "Its redirect URI is the base URL and `/app/sign-in/company/back`.",
    )  # fmt: skip
    oidc_client_id: str = setting(text, "", "The name under which the sign-in provider knows this installation.")
    oidc_client_secret: str = setting(
        text, "", "The secret that proves it to the sign-in provider.", default_words="none: a public client, proven by PKCE alone", is_secret=True
    )
    oidc_name: str = setting(text, "", "What the button for signing in there says.", default_words="your company's account")
    oidc_domains: tuple[str, ...] = setting(
        words, (), "Domains whose e-mail addresses are let in, separated by commas. Each comes in the first time by its address.", default_words="any"
    )
    oidc_create: str = setting(
        new_role, "", "The base role of people who come in and are not known yet, such as `limited_user`; `no` lets in only those whose address is known.",
        default_words="no",
    )  # fmt: skip
    oidc_only: bool = setting(
        yes_or_no, False, "Whether passwords are closed for everybody but the Account Owner, whose password stays the emergency way in.", default_words="no"
    )
    oidc_trust_email: bool = setting(
        yes_or_no, False,
        "Whether addresses count that the provider does not say it verified. Only for a provider in which people cannot choose their address.",
        default_words="no",
    )  # fmt: skip
    calendar_minutes: int = setting(minutes, 15, "How often, in minutes, the calendars that schedules follow are looked at.")
    heartbeat_url: tuple[str, ...] = setting(
        urls, (),
        "Addresses, separated by commas, that are called every minute while the engine of this process is alive and keeps up: a "
        "heartbeat of another Tocsin, or of any service that tells when calls stop.", is_secret=True,
    )  # fmt: skip
    self_test: bool = setting(
        yes_or_no, False,
        "Whether the ways of reaching people are tested every week, unless a person chose otherwise: each way gets a message to "
        "confirm.", default_words="no",
    )  # fmt: skip
    journal_days: int = setting(whole, 90, "How many days accepted events stay in the journal.")
    incident_days: int = setting(whole, 0, "After how many days resolved incidents are deleted; 0 keeps them for ever.")
    log_level: str = setting(one_of("debug", "info", "warning", "error"), "info", "What is logged.")
    log_format: str = setting(
        one_of("auto", "text", "json"), "auto", "How it is logged: `text` for people, `json` for machines, `auto` by what stderr is."
    )

    @property
    def database_url(self) -> str:
        """The database's address, told or made from the data folder."""
        return self.database or f"sqlite:///{self.data.absolute() / 'tocsin.db'}"

    @property
    def public_url(self) -> str:
        """`base_url`, told or made."""
        if self.base_url:
            return self.base_url
        scheme, served = ("https", self.https) if self.https else ("http", self.http)
        if served is None:
            return f"http://{socket.gethostname()}"
        is_everywhere = served.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        return f"{scheme}://{Address(socket.gethostname() if is_everywhere else served.host, served.port)}"

    @property
    def mail_host(self) -> str:
        """`mail_domain`, told or made."""
        return self.mail_domain or urlsplit(self.public_url).hostname or "localhost"

    @property
    def node_name(self) -> str:
        """`node`, told or made: stable over restarts where one process has the database for itself."""
        return self.node or (f"{socket.gethostname()}-{os.getpid()}" if self.database else socket.gethostname())


def rules() -> dict[str, Rule]:
    """Every setting by the name of its variable."""
    return {PREFIX + one.name.upper(): one.metadata["rule"] for one in fields(Settings)}


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises WrongSettings with every problem found (laws 2 and 3)."""
    given = os.environ if environment is None else environment
    known = rules()
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, rule in known.items():
        try:
            raw = _raw(given, name, rule)
            if raw is not None:
                values[name.removeprefix(PREFIX).lower()] = rule.read(raw)
        except ValueError as error:
            problems.append(f"{name} {error}")
    allowed = known.keys() | {f"{name}_FILE" for name, rule in known.items() if rule.is_secret}
    problems += [
        f"{name} is no setting of Tocsin: `tocsin settings` lists them"
        for name in sorted(given)
        if name.startswith(PREFIX) and name not in allowed
    ]
    problems += _contradictions(values)
    if problems:
        raise WrongSettings(problems)
    return Settings(**values)


def read_with(defaults: Mapping[str, str]) -> Settings:
    """The settings of this process, where `defaults` (by variable) stand for what its environment does not say."""
    return read({**defaults, **{name: value for name, value in os.environ.items() if value}})


def _raw(given: Mapping[str, str], name: str, rule: Rule) -> str | None:
    """What is said for this setting; an empty variable says nothing. Raises ValueError for a secret's file that cannot be read."""
    file = given.get(f"{name}_FILE") if rule.is_secret else None
    direct = given.get(name) or None
    if not file:
        return direct
    if direct:
        raise ValueError("is set twice: once directly and once by its _FILE")
    try:
        return Path(file).read_text(encoding="utf-8").strip() or None
    except OSError as error:
        raise ValueError(f"cannot be read from {file}: {error.strerror}") from error


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """What each setting allows alone and not together."""
    found = []
    if (values.get("tls_certificate") is None) != (values.get("tls_key") is None):
        found.append("TOCSIN_TLS_CERTIFICATE and TOCSIN_TLS_KEY belong together: set both or neither")
    if values.get("role") != "engine" and "http" in values and "https" in values and values["http"] is values["https"] is None:
        found.append("TOCSIN_HTTP and TOCSIN_HTTPS are both off: nothing would be served")
    if values.get("role", "all") != "all" and not values.get("database"):
        found.append("TOCSIN_ROLE can only be `all` on SQLite: one process has the file for itself. Set TOCSIN_DATABASE to share the work")
    if values.get("twilio_account") and not (values.get("twilio_token") and values.get("twilio_from")):
        found.append("TOCSIN_TWILIO_ACCOUNT needs TOCSIN_TWILIO_TOKEN and TOCSIN_TWILIO_FROM beside it")
    if bool(values.get("oidc_issuer")) != bool(values.get("oidc_client_id")):
        found.append("TOCSIN_OIDC_ISSUER and TOCSIN_OIDC_CLIENT_ID belong together: set both or neither")
    if not values.get("oidc_issuer"):
        others = [name for name in ("oidc_client_secret", "oidc_name", "oidc_domains", "oidc_create", "oidc_only", "oidc_trust_email") if values.get(name)]
        found += [f"TOCSIN_{name.upper()} needs TOCSIN_OIDC_ISSUER beside it" for name in others]
    if values.get("smtp_user") and not values.get("smtp_password"):
        found.append("TOCSIN_SMTP_USER needs TOCSIN_SMTP_PASSWORD beside it")
    return found


def documentation() -> str:
    """The text of docs/SETTINGS.md."""
    lines = [
        "# Settings",
        "",
        "Tocsin is told by environment variables where its things are and whom it speaks to; everything else is set in its",
        "pages. A secret can also be read from a file: put the file's path into the variable with `_FILE` after its name.",
        "A variable that begins with `TOCSIN_` and is not here is an error. This page is written from `tocsin/app/settings.py`",
        "by `tocsin settings --markdown`; a test compares them.",
        "",
        "| variable | meaning | when nothing is said |",
        "|---|---|---|",
    ]
    for name, rule in rules().items():
        secret = " Secret: `_FILE` works too." if rule.is_secret else ""
        lines.append(f"| `{name}` | {rule.words}{secret} | {rule.default_words} |")
    return "\n".join(lines) + "\n"
