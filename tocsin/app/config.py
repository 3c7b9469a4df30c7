"""The commands that keep configuration as files: export it, plan what files would change, apply them.

Laws:
1. Everything is read and done by the API's own operations, as the house itself: their checks, their audit records.
2. What is applied is one transaction, and what is planned is the same transaction undone: a refusal leaves everything as it was.
3. What was shown is what is done: when it would be something else by then, nothing is done.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import click
import sqlalchemy as sa

from tocsin.api.kernel.call import Call, House, Query, Request
from tocsin.api.kernel.routes import Route, Table
from tocsin.api.resources.roll import DECLARED
from tocsin.app import logs, proofs
from tocsin.app import settings as told
from tocsin.app.premises import NotReady, Premises, open_up, set_up
from tocsin.base import ids, json, yaml
from tocsin.base.errors import invalid
from tocsin.base.times import Span
from tocsin.core.config_plan import ABSENT, CHANGE, CREATE, DELETE, PART, Plan, Problem, Step, Wanted
from tocsin.core.permission import HOUSE
from tocsin.service import account, config_files
from tocsin.service import coverage as proving
from tocsin.service.audit import Deed
from tocsin.service.config_files import NotTaken
from tocsin.service.config_rooms import KINDS
from tocsin.store import people
from tocsin.store.db import Database, Tx, Within

WEEKS: Final = 4
"""How far ahead a plan says what it would do to who is reached."""
NAME_MOST: Final = 100
"""Letters of a file's name in the audit trail."""
PASSWORD_LENGTH: Final = 20
_MARKS: Final = {CREATE: "+", CHANGE: "~", DELETE: "-"}


class Failed(click.ClickException):
    """What the files want cannot be; nothing was changed."""

    def show(self, file: Any = None) -> None:
        click.echo(f"tocsin: {self.message}", err=True)


# ------------------------------------------------------------------------------------------------------------ the door


class Foretold(Random):
    """A source of chance that first says the ids that something is to have, each when an id of its form is drawn."""

    def __init__(self, source: Random, wanted: Sequence[str | None]) -> None:
        super().__init__(0)
        self._source = source
        self._waiting: dict[tuple[str, int], list[str | None]] = {}
        for one in wanted:
            self._waiting.setdefault(_form(one), []).append(one)

    def random(self) -> float:
        return self._source.random()

    def getrandbits(self, k: int, /) -> int:
        return self._source.getrandbits(k)

    def choices(self, population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> list[Any]:
        waiting = self._waiting.get((population, k)) if isinstance(population, str) else None
        said = waiting.pop(0) if waiting else None
        if said is not None:
            return list(said[-k:])
        return self._source.choices(population, weights, cum_weights=cum_weights, k=k)


def _form(one: str | None) -> tuple[str, int]:
    """The alphabet and the length by which an id is drawn (base/ids.py)."""
    if one is not None and len(one) == 27:
        return ids.BASE32, 27
    return (ids.HEX, 32) if one is not None and len(one) == 32 else (ids.ALPHABET, 6)


class Doors:
    """The API's operations within one transaction, done by the house for a file."""

    def __init__(self, table: Table, premises: Premises, tx: Tx, now: datetime) -> None:
        settings = premises.settings
        self._table, self._tx, self._now = table, tx, now
        self._house = House(
            db=Within(tx), seals=premises.seals, chance=premises.chance, base_url=settings.public_url, allowed_networks=settings.allow_private
        )
        self._request_id = ids.uuid_text(premises.chance)
        self._actor = HOUSE

    @property
    def now(self) -> datetime:
        return self._now

    def begin(self, file: str) -> None:
        name = f"tocsin apply {file}"
        self._actor = replace(HOUSE, name=name if len(name) <= NAME_MOST else f"{name[:20]}…{name[21 - NAME_MOST:]}")

    def ask(
        self, method: str, path: str, *, query: Sequence[tuple[str, str]] = (), body: Any = None, ids: Sequence[str | None] = ()
    ) -> Any:
        matched = self._table.match(method, path)
        if matched is None or not isinstance(matched[0], Route):
            raise LookupError(f"there is no operation {method} {path}")
        route, params = matched[0], matched[1]
        request = Request(
            method=method, path=path, now=self._now, request_id=self._request_id, query=query,
            headers={"content-type": "application/json"} if body is not None else {}, body=b"" if body is None else json.encode(body),
        )  # fmt: skip
        house = replace(self._house, chance=Foretold(self._house.chance, ids) if ids else self._house.chance)
        call = Call(house=house, request=request, actor=self._actor, tx=self._tx, params=params, query=Query(query))
        try:
            reply = route.handler(call)
        except sa.exc.IntegrityError as error:
            raise invalid("the database has something of this id or name already, or what it refers to is gone") from error
        return json.decode(json.encode(reply.body))  # as it goes over the wire


# ------------------------------------------------------------------------------------------------------- what is wanted


@dataclass
class Work:
    """What the files want, and the ids settled for what is new: the same in every look at it."""

    premises: Premises
    wanted: list[Wanted]
    prune: frozenset[str]
    table: Table
    fresh_ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def fresh(self, what: str, form: str) -> str:
        if (what, form) not in self.fresh_ids:
            chance = self.premises.chance
            self.fresh_ids[what, form] = ids.part_id(chance) if form == PART else ids.object_id(chance)
        return self.fresh_ids[what, form]

    def planned(self, door: Doors) -> Plan:
        return config_files.planned(self.wanted, config_files.present(door), fresh=self.fresh, now=door.now, prune=self.prune)

    def carry_out(self, tx: Tx, now: datetime, plan: Plan) -> None:
        """Take the steps of the plan and look whether what is there afterwards is what is wanted. Raises NotTaken."""
        door = Doors(self.table, self.premises, tx, now)
        config_files.carry_out(door, plan)
        if problems := config_files.unlike(self.wanted, config_files.present(door), fresh=self.fresh, now=now, prune=self.prune):
            raise NotTaken(problems[0])


def read(paths: Sequence[Path]) -> tuple[list[Wanted], frozenset[str]]:
    """What these files, and the files of these folders, want, and which kinds they speak of. Raises Failed with every mistake."""
    files: list[Path] = []
    for path in paths:
        found = sorted(one for one in path.iterdir() if one.is_file() and config_files.is_read(one.name)) if path.is_dir() else [path]
        if not found:
            raise Failed(f"{path} holds no file that ends in {' or '.join(config_files.ENDINGS)}")
        files += found
    if len(files) > config_files.FILES_MOST:
        raise Failed(f"{len(files)} files: at most {config_files.FILES_MOST} are read at once")
    wanted: list[Wanted] = []
    problems: list[Problem] = []
    kinds: frozenset[str] = frozenset()
    for path in files:
        with path.open("rb") as file:
            text = file.read(yaml.BYTES_MOST + 1)
        some, wrong, spoken = config_files.read_file(str(path), text)
        wanted += some
        problems += wrong
        kinds |= spoken
    if problems:
        raise Failed(_lines("nothing was changed:", problems))
    if len(wanted) > config_files.ITEMS_MOST:
        raise Failed(f"{len(wanted):,} things: at most {config_files.ITEMS_MOST:,} are applied at once")
    return wanted, kinds


def planned(work: Work, db: Database, now: datetime) -> tuple[Plan, list[proving.Change]]:
    """The plan, tried out and undone, and what it would open and close. Raises Failed with what is wrong."""
    with db.read() as tx:
        plan = work.planned(Doors(work.table, work.premises, tx, now))
    if plan.problems:
        raise Failed(_lines("nothing was changed:", plan.problems))
    if not plan.steps:
        return plan, []
    try:
        span = Span(now.replace(microsecond=0), now.replace(microsecond=0) + timedelta(weeks=WEEKS))
        return plan, proving.rehearsed(db, HOUSE, span, lambda tx: work.carry_out(tx, now, plan))
    except NotTaken as error:
        raise Failed(_lines("nothing was changed:", [error.problem])) from error


def applied(work: Work, tx: Tx, now: datetime, plan: Plan) -> None:
    """Do what was planned, if it is still what would be planned. Raises Failed."""
    again = work.planned(Doors(work.table, work.premises, tx, now))
    if [step.signature for step in again.steps] != [step.signature for step in plan.steps]:
        before = {(step.kind, step.id): step.signature for step in plan.steps}
        after = {(step.kind, step.id): step.signature for step in again.steps}
        moved = [step for step in (*plan.steps, *again.steps) if before.get((step.kind, step.id)) != after.get((step.kind, step.id))]
        names = ", ".join(dict.fromkeys(f"{_noun(step)} {step.title}" for step in moved))
        raise Failed(f"nothing was changed: somebody else changed {names or 'something'} since the plan was made; look at a new plan")
    try:
        work.carry_out(tx, now, plan)
    except NotTaken as error:
        raise Failed(_lines("nothing was changed:", [error.problem])) from error


# ------------------------------------------------------------------------------------------------------------- commands

as_json = click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
files_named = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
pruned = click.option("--prune", "is_pruned", is_flag=True, help="Delete what no file has, of the kinds that the files speak of.")


@click.command()
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="A folder: one file for each kind is written there, and replaced.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([kind.plural for kind in KINDS]), help="Only this kind; may be given several times.")
@click.option("--with-keys", is_flag=True, help="Tell the routing keys of integrations too: whoever reads the files may send events.")
@as_json
def export(folder: Path | None, kinds: tuple[str, ...], *, with_keys: bool, is_json: bool) -> None:
    """Write the whole configuration as YAML, as `tocsin apply` reads it, with the ids of everything. Without secrets."""
    premises = open_up(told.read())
    now = premises.clock()
    with closing(premises.db), premises.db.read() as tx:
        door = Doors(Table(DECLARED), premises, tx, now)
        found = config_files.exported(config_files.present(door), now, with_keys=with_keys)
    found = {plural: value for plural, value in found.items() if not kinds or plural in kinds}
    if folder is None:
        click.echo(json.pretty(found) if is_json else yaml.encode(found), nl=is_json)
        return
    folder.mkdir(parents=True, exist_ok=True)
    done = {}
    for kind in KINDS:
        path = folder / f"{kind.plural}.yaml"
        if kind.plural in found or (path.exists() and (not kinds or kind.plural in kinds)):
            value = found.get(kind.plural, [])
            _write(path, yaml.encode({kind.plural: value}), is_private=with_keys)
            done[str(path)] = 1 if kind.is_single else len(value)
    click.echo(json.pretty(done) if is_json else "\n".join(f"  {number:>6}  {path}" for path, number in done.items()))


@click.command()
@files_named
@pruned
@as_json
def plan(files: tuple[Path, ...], *, is_pruned: bool, is_json: bool) -> None:
    """Say what applying FILES (or the files of folders) would change, and what that opens and closes. Nothing is kept."""
    premises = open_up(told.read())
    with closing(premises.db):
        work = _work(premises, files, is_pruned=is_pruned)
        found, changes = planned(work, premises.db, premises.clock())
    click.echo(json.pretty(facts(found, changes)) if is_json else words(found, changes))


@click.command()
@files_named
@pruned
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask before it is done.")
@click.option("--new", "is_new", is_flag=True, help="Set this installation up from the files first; its owner is their user with the role owner.")
@as_json
def apply(files: tuple[Path, ...], *, is_pruned: bool, is_agreed: bool, is_new: bool, is_json: bool) -> None:
    """Make the configuration what FILES (or the files of folders) say: all of it, or nothing. The plan is shown first."""
    if is_json and not is_agreed:
        raise click.UsageError("--json asks nobody: give --yes too")
    logs.set_up("warning", "auto")
    if is_new:
        _apply_to_new(files, is_agreed=is_agreed, is_json=is_json)
        return
    premises = open_up(told.read())
    with closing(premises.db):
        with premises.db.read() as tx:
            if people.owner(tx) is None:
                raise NotReady("this installation has no owner yet: run `tocsin init`, or give --new to set it up from the files")
        work = _work(premises, files, is_pruned=is_pruned)
        found, changes = planned(work, premises.db, premises.clock())
        if not is_json:
            click.echo(words(found, changes))
        if found.steps:
            if not is_agreed:
                click.confirm("Apply this?", abort=True)
            with premises.db.write() as tx:
                applied(work, tx, premises.clock(), found)
    if is_json:
        click.echo(json.pretty(facts(found, changes)))
    elif found.steps:
        click.echo("Done.")


def _apply_to_new(files: Sequence[Path], *, is_agreed: bool, is_json: bool) -> None:
    """Set an installation up and fill it: nothing else than what the files have is left on it."""
    wanted, _ = read(files)
    if not is_agreed:
        click.confirm(f"Set up a new installation with the {len(wanted)} things of these files?", abort=True)
    premises, _ = set_up(told.read())
    with closing(premises.db):
        with premises.db.read() as tx:
            if people.owner(tx) is not None:
                raise Failed("this installation is set up already: leave --new out")
        work = _work(premises, files, is_pruned=True)
        password = ids.token(premises.chance, PASSWORD_LENGTH)
        with premises.db.write() as tx:
            now = premises.clock()
            found_account(work, tx, now, password)
            found = work.planned(Doors(work.table, premises, tx, now))
            if found.problems:
                raise Failed(_lines("nothing was changed:", found.problems))
            applied(work, tx, now, found)
    secret = f"The owner's password, shown this once: {password}"
    click.echo(json.pretty({"password": password, **facts(found, [])}) if is_json else f"{words(found, [])}\n{secret}")


COMMANDS: Final = (export, plan, apply)


def _work(premises: Premises, files: Sequence[Path], *, is_pruned: bool) -> Work:
    wanted, kinds = read(files)
    return Work(premises, wanted, kinds if is_pruned else frozenset(), Table(DECLARED))


def found_account(work: Work, tx: Tx, now: datetime, password: str) -> None:
    """Make the account of the files with their owner, with the ids that the files have for them. Raises Failed."""
    owners = [one for one in work.wanted if one.kind == "users" and one.values.get("role") == "owner"]
    if len(owners) != 1:
        raise Failed(f"the files have {len(owners)} users with the role owner: one is needed to set an installation up")
    owner = owners[0].values
    house = next((one.values for one in work.wanted if one.kind == "account"), {})
    priorities = sorted((one.values for one in work.wanted if one.kind == "priorities"), key=lambda one: one.get("order") or 0)
    first = [one.get("id") for one in priorities[: len(account.PRIORITIES)]]
    first += [None] * (len(account.PRIORITIES) - len(first))
    mail: dict[str, Any] = next((one for one in owner.get("contact_methods") or [] if one.get("type") == "email" and one.get("address") == owner.get("email")), {})
    rules = {
        rule.get("urgency"): rule.get("id") for rule in owner.get("notification_rules") or []
        if rule.get("start_delay_in_minutes") == 0 and rule.get("contact_method") in {mail.get("id"), f"email {mail.get('address')}"}
    }  # fmt: skip
    chance = Foretold(work.premises.chance, [*first, owner.get("id"), mail.get("id"), rules.get("high"), rules.get("low")])
    deed = Deed(HOUSE, now, chance, ids.uuid_text(chance))
    account.found(
        tx, deed, name=house.get("name") or "Tocsin", subdomain="tocsin", owner_name=str(owner.get("name") or ""),
        owner_email=str(owner.get("email") or ""), password=password, time_zone=house.get("time_zone") or "Etc/UTC",
    )  # fmt: skip
    account.attest(tx, work.premises.seals)


def _write(path: Path, text: str, *, is_private: bool) -> None:
    half = path.with_name(f".{path.name}.half")
    half.write_text(text, encoding="utf-8")
    if is_private:
        half.chmod(0o600)
    half.replace(path)


# ---------------------------------------------------------------------------------------------------------------- words


def _noun(step: Step) -> str:
    return next(kind.noun for kind in KINDS if kind.plural == step.kind)


def _lines(head: str, problems: Sequence[Problem]) -> str:
    return "\n".join([head, *(f"  {one}" for one in problems)])


def words(found: Plan, changes: Sequence[proving.Change]) -> str:
    """A plan for people: each step with what it changes, and what that opens and closes."""
    lines = [f"note: {one}" for one in found.notes]
    for step in found.steps:
        where = f"  {step.wanted.file}:{step.wanted.line}" if step.wanted is not None else ""
        lines.append(f"{_MARKS[step.verb]} {_noun(step)} {step.title} ({step.id}): {step.reason}{where}")
        for change in step.changes:
            before, after = (_value(one, found) for one in (change.before, change.after))
            arrow = after if change.before == ABSENT else f"{before} → {after if change.after != ABSENT else 'gone'}"
            lines.append(f"    {change.path}: {arrow}")
    if not found.steps:
        return "\n".join([*lines, "Nothing to do: everything is as the files say."])
    if opened := proofs.changed_words(changes):
        lines += [f"In the next {WEEKS} weeks:", *opened]
    lines.append(f"{found.count(CREATE)} to make, {found.count(CHANGE)} to change, {found.count(DELETE)} to delete.")
    return "\n".join(lines)


def _value(value: Any, found: Plan) -> str:
    """A value as people read it: things by their names."""

    def named(one: Any) -> Any:
        if isinstance(one, dict):
            return {name: named(each) for name, each in one.items()}
        if isinstance(one, list):
            return [named(each) for each in one]
        return found.names.get(one, one) if isinstance(one, str) else one

    shown = named(value)
    return shown if isinstance(shown, str) else json.text(shown)


def facts(found: Plan, changes: Sequence[proving.Change]) -> dict[str, Any]:
    """A plan for machines."""
    return {
        "steps": [
            {
                "verb": step.verb, "kind": step.kind, "id": step.id, "title": step.title, "reason": step.reason,
                "file": step.wanted.file if step.wanted else None, "line": step.wanted.line if step.wanted else None,
                "changes": [
                    {"field": one.path, "before": None if one.before == ABSENT else one.before, "after": None if one.after == ABSENT else one.after}
                    for one in step.changes
                ],
            }
            for step in found.steps
        ],
        "notes": [{"file": one.file, "line": one.line, "words": one.words} for one in found.notes],
        "coverage_changes": list(changes),
    }  # fmt: skip
