"""The command line.

Exit codes: 0 done · 1 refused or failed, with the reason on stderr · 2 wrong words (what was typed) ·
3 wrong settings · 4 this installation is not ready (not set up, or a database of another shape) ·
5 the doctor found something to mend.
"""

import asyncio
import sys
from collections import Counter
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any, Final

import click
import httpx
import sqlalchemy as sa
import uvloop

from tocsin.api.kernel.operations import shape
from tocsin.app import config, copies, importing, logs, proofs, rota, wire
from tocsin.app import doctor as the_doctor
from tocsin.app import settings as told
from tocsin.app.demo import run as the_demo
from tocsin.app.http import AddressTaken, Listener
from tocsin.app.premises import NotReady, Premises, is_owned, open_up, set_up
from tocsin.app.tls import TlsTrouble
from tocsin.base import ids, json
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core import explain as reasons
from tocsin.core.escalation import Rule, Target
from tocsin.core.permission import HOUSE
from tocsin.service import account, people, policies, replacement
from tocsin.service import coverage as proving
from tocsin.service import explain as explaining
from tocsin.service import load as loads
from tocsin.service.audit import Deed
from tocsin.store import coverage as store_coverage
from tocsin.store import people as store_people

REFUSED: Final = 1
WRONG_SETTINGS: Final = 3
NOT_READY: Final = 4
TO_MEND: Final = 5

PASSWORD_LENGTH: Final = 20
FIRST_POLICY: Final = "Default"
"""The escalation policy that `init` makes, so that a service can be made at once; PagerDuty's new accounts have it too."""
FIRST_DELAY_MINUTES: Final = 30
SEND_SECONDS: Final = 10.0
"""How long `send` waits for an answer."""


class Said(click.ClickException):
    """An end with words on stderr and a code."""

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.code

    def show(self, file: Any = None) -> None:
        click.echo(f"tocsin: {self.message}", file=file or sys.stderr)


class Commands(click.Group):
    """All commands; what may go wrong in any of them becomes words and an exit code, without a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except told.WrongSettings as error:
            raise Said("wrong settings:\n  " + "\n  ".join(error.problems), WRONG_SETTINGS) from error
        except NotReady as error:
            raise Said(str(error), NOT_READY) from error
        except sa.exc.OperationalError as error:
            raise Said(f"the database does not answer: {error.orig}", NOT_READY) from error
        except sa.exc.DatabaseError as error:
            if type(error) is not sa.exc.DatabaseError:
                raise  # a statement of ours was wrong: that is for its trace to tell
            raise Said(f"the database cannot be used: {error.orig}. Put a backup back", NOT_READY) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise Said(f"{error.filename} cannot be used: {error.strerror}", NOT_READY) from error
        except (AddressTaken, TlsTrouble) as error:
            raise Said(str(error), REFUSED) from error
        except Refusal as refusal:
            raise Said("; ".join(map(str, refusal.errors)) or refusal.message, REFUSED) from refusal


as_json = click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")


@click.group(cls=Commands, epilog="Settings come from the environment: `tocsin settings` lists them. Exit codes: docs/COMMANDS.md.")
@click.version_option(package_name="tocsin")
def main() -> None:
    """Tocsin: incidents, on-call and paging."""


for command in (*copies.COMMANDS, *config.COMMANDS, *importing.COMMANDS):
    main.add_command(command)


def _answer(is_json: bool, facts: Any, words: str) -> None:
    """Say the facts to a machine or the words to a person."""
    click.echo(json.pretty(facts) if is_json else words)


def _deed(premises: Premises) -> Deed:
    """What the command line does, it does as the house itself."""
    return Deed(actor=HOUSE, now=premises.clock(), chance=premises.chance, request_id=ids.uuid_text(premises.chance))


# ------------------------------------------------------------------------------------------------------- an installation


@main.command()
@click.option("--email", help="The owner's e-mail address; needed the first time.")
@click.option("--name", default="Owner", show_default=True, help="The owner's name.")
@click.option("--account", "account_name", default="Tocsin", show_default=True, help="What this installation is called.")
@click.option("--time-zone", default="Etc/UTC", show_default=True, help="The account's time zone, like Europe/Paris.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the owner's password; otherwise one is made and shown once.")
@as_json
def init(email: str | None, name: str, account_name: str, time_zone: str, password_file: Path | None, *, is_json: bool) -> None:
    """Set up this installation: folder, master key, database, owner and a first key. Again: brings the database up to date."""
    logs.set_up("warning", "auto")
    premises, done = set_up(told.read())
    facts: dict[str, Any] = {"done": done, "owner": None}
    with premises.db.read() as tx:
        owner = store_people.owner(tx)
    if owner is None:
        if not email:
            raise Said("who owns this installation? Give --email (and --name)", 2)
        facts["owner"] = _first_owner(premises, email, name, account_name, time_zone, password_file)
        done.append(f"made the account {account_name} and its owner {email}")
    lines = [f"  {step}" for step in done] or ["  nothing was to do"]
    if owner is not None and email and owner.email != email.strip().lower():
        lines.append(f"  it belongs to {owner.email} already: others are invited on its pages, under People")
    if facts["owner"]:
        lines += ["", "Keep these; they are not shown again:"]
        lines += [f"  {what:<9} {secret}" for what, secret in facts["owner"].items()]
        lines += ["", "Next: `tocsin serve`, and `tocsin doctor` says what is still missing."]
    _answer(is_json, facts, "\n".join(lines))
    premises.db.close()


def _first_owner(
    premises: Premises, email: str, name: str, account_name: str, time_zone: str, password_file: Path | None
) -> dict[str, str]:
    """Make the account, its owner and a policy that pages them; their address, password (when it was made here) and first key."""
    password = password_file.read_text(encoding="utf-8").strip() if password_file else ids.token(premises.chance, PASSWORD_LENGTH)
    deed = _deed(premises)
    with premises.db.write() as tx:
        owner_id = account.found(
            tx, deed, name=account_name, subdomain="tocsin", owner_name=name, owner_email=email, password=password, time_zone=time_zone
        )
        key = people.create_key(tx, deed, premises.seals, label="first key", user_id=owner_id)
        rule = Rule(ids.object_id(deed.chance), FIRST_DELAY_MINUTES, (Target("user", owner_id),))
        policies.create_policy(tx, deed, name=FIRST_POLICY, description="Pages the owner, until it is said who else", rules=[rule])
        account.attest(tx, premises.seals)
    return {"e-mail": email, **({} if password_file else {"password": password}), "API key": key.text}


@main.command()
def serve() -> None:
    """Serve events, the API and the pages, and run the engine, until stopped."""
    settings = told.read()
    logs.set_up(settings.log_level, settings.log_format)
    premises = open_up(settings)
    if not is_owned(premises.db):
        premises.db.close()
        raise NotReady("nobody owns this installation yet: run `tocsin init --email YOUR-ADDRESS`")

    def ready(served: list[Listener]) -> None:
        where = ", ".join(listener.url for listener in served) or "no address"
        click.echo(f"tocsin: ready on {where}", err=True)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(wire.serve(premises, on_ready=ready))
    finally:
        premises.db.close()


@main.command()
@click.option("--hours", type=click.IntRange(1, 72), default=24, show_default=True, help="How much of its past is lived through the first time.")
def demo(hours: int) -> None:
    """Start a lifelike company on this machine, with a day behind it and places where its pages arrive."""
    settings = told.read_with(the_demo.DEFAULTS)
    logs.set_up("warning" if settings.log_level == "info" else settings.log_level, settings.log_format)
    the_demo.run(settings, click.echo, length=timedelta(hours=hours))


@main.command()
@as_json
def doctor(*, is_json: bool) -> None:
    """Look at everything an installation needs, and say how to mend what is wrong."""
    logs.set_up("error", "auto")
    premises = open_up(told.read())
    found = the_doctor.examine(premises)
    premises.db.close()
    marks = {the_doctor.Level.WELL: "  well", the_doctor.Level.CARE: "  care", the_doctor.Level.BAD: "  BAD "}
    lines = []
    for one in found:
        lines.append(f"{marks[one.level]}  {one.what}: {one.seen}")
        if one.mend:
            lines.append(f"          → {one.mend}")
    _answer(is_json, found, "\n".join(lines))
    if any(one.level is the_doctor.Level.BAD for one in found):
        sys.exit(TO_MEND)


@main.command()
@click.option("--markdown", is_flag=True, help="As the page docs/SETTINGS.md.")
@as_json
def settings(*, markdown: bool, is_json: bool) -> None:
    """List every setting and what it is now; secrets are not shown."""
    if markdown:
        click.echo(told.documentation(), nl=False)
        return
    now = told.read()
    facts = {}
    for name, rule in told.rules().items():
        value = getattr(now, name.removeprefix(told.PREFIX).lower())
        shown = str(value) if value not in {None, "", ()} else ""
        facts[name] = ("(set)" if shown else "") if rule.is_secret else shown
    _answer(is_json, facts, "\n".join(f"{name:<24} {value or '(' + told.rules()[name].default_words + ')'}" for name, value in facts.items()))


# ---------------------------------------------------------------------------------------------------------------- keys


@main.group()
def key() -> None:
    """Make and revoke API keys."""


@key.command()
@click.option("--user", "email", help="Whose key it is, by e-mail address.")
@click.option("--account", "is_account", is_flag=True, help="A key of the account.")
@click.option("--label", default="from the command line", show_default=True, help="What it is for.")
@click.option("--read-only", is_flag=True, help="It may look at everything and change nothing.")
@click.option("--days", type=click.IntRange(1), help="After how many days it ends by itself.")
@as_json
def create(email: str | None, label: str, days: int | None, *, is_account: bool, read_only: bool, is_json: bool) -> None:
    """Make a key and print it alone; it is shown this once."""
    if bool(email) == is_account:
        raise Said("say either --user EMAIL or --account", 2)
    premises = open_up(told.read())
    deed = _deed(premises)
    ends = deed.now + timedelta(days=days) if days else None
    with premises.db.write() as tx:
        user = store_people.user_by_email(tx, email) if email else None
        if email and user is None:
            raise Said(f"nobody here has the address {email}", REFUSED)
        made = people.create_key(
            tx, deed, premises.seals, label=label, user_id=user.id if user else None, is_read_only=read_only, expires_at=ends
        )
    premises.db.close()
    _answer(is_json, {"id": made.id, "key": made.text}, made.text)


@key.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key, by its id."""
    premises = open_up(told.read())
    with premises.db.write() as tx:
        people.revoke_key(tx, _deed(premises), key_id)
    premises.db.close()


# -------------------------------------------------------------------------------------------------------------- events


@main.command()
@click.argument("summary", required=False)
@click.option("--key", "routing_key", required=True, help="The routing key: which service it is for.")
@click.option("--action", type=click.Choice(["trigger", "acknowledge", "resolve"]), default="trigger", show_default=True)
@click.option("--dedup-key", help="What it is about; made anew for a trigger that has none.")
@click.option("--severity", type=click.Choice(["critical", "error", "warning", "info"]), default="critical", show_default=True)
@click.option("--source", default="the command line", show_default=True, help="What is wrong: a host, a service.")
@click.option("--detail", "details", multiple=True, metavar="NAME=VALUE", help="Something more about it; may be said again.")
@click.option("--to", help="The address of a Tocsin; this installation's own when nothing is said.")
@as_json
def send(
    summary: str | None, routing_key: str, action: str, dedup_key: str | None, severity: str, source: str,
    details: tuple[str, ...], to: str | None, *, is_json: bool,
) -> None:  # fmt: skip
    """Send an event to a running Tocsin and print its deduplication key."""
    if action == "trigger" and not summary:
        raise Said("what happened? Say it as SUMMARY", 2)
    if wrong := [detail for detail in details if "=" not in detail]:
        raise Said(f"a detail is NAME=VALUE, and this is not: {wrong[0]}", 2)
    event: dict[str, Any] = {"routing_key": routing_key, "event_action": action}
    if dedup_key:
        event["dedup_key"] = dedup_key
    if action == "trigger":
        custom = dict(detail.split("=", 1) for detail in details)
        event["payload"] = {"summary": summary, "severity": severity, "source": source, "custom_details": custom}
    base, trust = (to.rstrip("/"), True) if to else wire.own_address(told.read())
    try:
        answer = httpx.post(f"{base}/v2/enqueue", json=event, timeout=SEND_SECONDS, verify=trust, trust_env=False)
    except httpx.HTTPError as error:
        raise Said(f"{base} does not answer: {error}", REFUSED) from error
    if answer.status_code != 202:
        raise Said(f"{base} refused the event ({answer.status_code}): {answer.text}", REFUSED)
    facts = answer.json()
    _answer(is_json, facts, facts["dedup_key"])


# --------------------------------------------------------------------------------------------------------------- asking


@main.command()
@click.argument("incident_or_event")
@as_json
def explain(incident_or_event: str, *, is_json: bool) -> None:
    """Why somebody was paged, or was not: the chain of reasons of an incident (number or id) or event (id or dedup key)."""
    premises = open_up(told.read())
    with premises.db.read() as tx:
        found = explaining.explain(tx, HOUSE, incident_or_event)
    premises.db.close()
    _answer(is_json, found, reasons.text(found, UTC))


@main.command()
@click.option("--policy", "wanted", help="Only this escalation policy, by name or id.")
@as_json
def oncall(wanted: str | None, *, is_json: bool) -> None:
    """Who is on call now, on each level of each escalation policy."""
    premises = open_up(told.read())
    with premises.db.read() as tx:
        facts = rota.now_on_call(tx, premises.clock(), wanted)
    premises.db.close()
    if wanted and not facts:
        raise Said(f"there is no escalation policy {wanted}", REFUSED)
    lines = []
    for policy in facts:
        lines.append(policy.name)
        for number, level in enumerate(policy.levels, start=1):
            names = ", ".join(person.name + (f" ({person.schedule})" if person.schedule else "") for person in level.people)
            lines.append(f"  {number}. {names or 'NOBODY: ' + level.nobody}")
        if not policy.levels:
            lines.append("  NOBODY: it has no levels")
    _answer(is_json, facts, "\n".join(lines) or "There are no escalation policies.")


@main.command()
@click.option("--weeks", type=click.IntRange(1, proving.WEEKS_MOST), default=4, show_default=True, help="How far to look.")
@as_json
def coverage(weeks: int, *, is_json: bool) -> None:
    """When nobody would be reached in the next weeks, for which services, and why; and who is on call at two places at once."""
    premises = open_up(told.read())
    start = premises.clock().replace(microsecond=0)
    with premises.db.read() as tx:
        facts = proving.look(tx, HOUSE, Span(start, start + timedelta(weeks=weeks)))
        known = store_coverage.holes(tx)
    premises.db.close()
    _answer(is_json, facts, proofs.coverage_words(facts, known))


@main.command()
@click.argument("email")
@click.option("--by", required=True, help="Who takes their place, by e-mail address.")
@click.option("--incidents", type=click.Choice(replacement.INCIDENTS), default=replacement.KEEP, show_default=True, help="What becomes of the open incidents they hold.")
@click.option("--teams", type=click.Choice(replacement.TEAMS), default=replacement.KEEP, show_default=True, help="What becomes of their teams: the successor joins, or joins and they leave.")
@click.option("--preview", "is_preview", is_flag=True, help="Only say what it would touch, open and close.")
@as_json
def replace(email: str, by: str, incidents: str, teams: str, *, is_preview: bool, is_json: bool) -> None:
    """Put somebody in another person's place everywhere, from now on: policies, schedules, overrides to come."""
    premises = open_up(told.read())
    with premises.db.read() as tx:
        found = {address: store_people.user_by_email(tx, address) for address in (email, by)}
    if missing := [address for address, row in found.items() if row is None]:
        raise Said(f"nobody here has the address {missing[0]}", REFUSED)
    user, successor = (found[address] for address in (email, by))
    assert user is not None  # it was looked for above
    assert successor is not None
    wish, deed = replacement.Wish(successor.id, incidents, teams), _deed(premises)
    touched: list[replacement.Place] = []
    span = Span(deed.now, deed.now + timedelta(weeks=4))
    changes = proving.rehearsed(premises.db, HOUSE, span, lambda tx: touched.extend(replacement.replace(tx, deed, user.id, wish)))
    if not is_preview:
        with premises.db.write() as tx:
            touched = list(replacement.replace(tx, deed, user.id, wish))
    premises.db.close()
    head = f"{successor.name} {'would take' if is_preview else 'takes'} the place of {user.name}:"
    _answer(is_json, {"places": touched, "coverage_changes": changes}, f"{head}\n{proofs.replacement_words(touched, changes)}")


@main.command()
@click.argument("schedule")
@click.option("--since", help="From when, like 2026-10-01; 13 weeks before the end unless said.")
@click.option("--until", help="Until when; now unless said.")
@click.option("--by", type=click.Choice(["person", "shift"]), default="person", show_default=True, help="What a row of the table is.")
@click.option("--csv", "is_csv", is_flag=True, help="Answer as a table for a spreadsheet.")
@as_json
def load(schedule: str, since: str | None, until: str | None, by: str, *, is_csv: bool, is_json: bool) -> None:
    """How long each person on a schedule (its name or id) was on call, at night, at weekends and on holidays, beside an even share."""
    premises = open_up(told.read())
    with premises.db.read() as tx:
        found = rota.load_of(tx, HOUSE, schedule, since, until, premises.clock().replace(microsecond=0))
    premises.db.close()
    if found is None:
        raise Said(f"there is no schedule {schedule}, or several of that name: give its id", REFUSED)
    if is_csv:
        click.echo(loads.as_csv(found, by_shift=by == "shift"), nl=False)
        return
    facts = loads.facts(found) | ({"shifts": loads.shift_facts(found)} if by == "shift" else {})
    _answer(is_json, facts, rota.load_words(found, by_shift=by == "shift"))


@main.command()
@click.option("--missing", is_flag=True, help="Only those that are not served.")
@click.option("--tags", is_flag=True, help="Only how many of each of PagerDuty's groups are served.")
@as_json
def operations(*, missing: bool, tags: bool, is_json: bool) -> None:
    """List every operation of PagerDuty's API and how it stands here: served, refused on purpose, missing; and our own."""
    table = wire.make_table()
    checklist = [fact for fact in table.checklist() if not (missing and fact[1] == "served")]
    known = {(one.method, shape(one.path)) for one, _ in table.checklist()}
    own = [] if missing else [route for route in table.routes if (route.method, shape(route.path)) not in known]
    served, published = table.counted()
    count = f"{served} of PagerDuty's {published} published operations are served."
    if tags:
        here: Counter[str] = Counter(one.tag for one, how in table.checklist() if how == "served" and one.source == "openapi")
        groups = Counter(one.tag for one, _ in checklist if one.source == "openapi")
        of_all = Counter(one.tag for one, _ in table.checklist() if one.source == "openapi")
        counts = [{"tag": tag, "served": here[tag], "published": of_all[tag]} for tag in sorted(groups)]
        _answer(is_json, counts, "\n".join([*(f"{one['served']:>3} of {one['published']:>3}  {one['tag']}" for one in counts), count]))
        return
    facts = [
        *({"method": one.method, "path": one.path, "tag": one.tag, "source": one.source, "standing": how} for one, how in checklist),
        *({"method": one.method, "path": one.path, "tag": one.tag, "source": "tocsin", "standing": "served"} for one in own),
    ]
    facts.sort(key=lambda fact: (str(fact["path"]), str(fact["method"])))
    lines = [f"{fact['standing']:<7} {fact['method']:<6} {fact['path']}" for fact in facts]
    _answer(is_json, facts, "\n".join([*lines, count]))
