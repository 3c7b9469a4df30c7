"""The commands that move in from other systems: `tocsin import pagerduty`, `opsgenie` and `grafana-oncall`.

Laws:
1. A key comes from a setting or a file, never from the command line, and stands in no answer.
2. What was collected is kept in a folder only its owner can read; the folder can be moved in again without asking anybody.
3. A rehearsal (`--dry-run`) does everything in a transaction that is undone, so its report is what would be.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from tocsin.app import settings as told
from tocsin.app.premises import Premises, open_up
from tocsin.base import ids, json
from tocsin.base.times import human_duration, iso
from tocsin.channels.foreign import Asker, Trouble
from tocsin.core.moving_in import Account, Unbalanced
from tocsin.core.permission import HOUSE
from tocsin.inbound.importing import grafana_oncall, opsgenie, pagerduty
from tocsin.inbound.importing.fields import Dump, Unfit
from tocsin.service import collecting, moving_in
from tocsin.service.audit import Deed
from tocsin.service.coverage import undone
from tocsin.service.moving_in import Outcome

FILE_MOST: Final = 64 * 1024 * 1024
"""Bytes of one file of a folder."""
FILES_MOST: Final = 2_000
"""Files in a folder."""
OBJECTS_MOST: Final = 200_000
"""Objects of one kind."""
LINES_MOST: Final = 200
"""Lines of one part of the report for people; JSON has all of them."""
COMPLETE: Final = "complete"
"""The kind that says that everything was collected: what is collected then begins anew."""


class Failed(click.ClickException):
    """Moving in was refused; nothing was changed."""

    def show(self, file: Any = None) -> None:
        click.echo(f"tocsin: {self.message}", err=True)


class Folder:
    """A folder of JSON files, one a kind (a list, or an object that holds one). Files in folders of a kind's name are its objects."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, kind: str) -> list[Any] | None:
        file = self.path / f"{kind}.json"
        return _listed(file, kind) if file.is_file() else None

    def save(self, kind: str, found: list[Any]) -> None:
        self.path.mkdir(parents=True, mode=0o700, exist_ok=True)
        half = self.path / f".{kind}.half"
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.encode(found))
        half.replace(self.path / f"{kind}.json")

    def drop(self, kind: str) -> None:
        (self.path / f"{kind}.json").unlink(missing_ok=True)

    def begin(self) -> None:
        """Forget what was collected, if it was collected to the end; else it is gone on with."""
        if self.load(COMPLETE) is not None:
            for file in self.path.glob("*.json"):
                file.unlink()

    def everything(self) -> dict[str, list[Any]]:
        """All kinds there are. Raises Failed for a folder that has none, and for files that cannot be read."""
        found: dict[str, list[Any]] = {}
        files = sorted(self.path.glob("*.json")) + sorted(self.path.glob("*/*.json"))
        if not files:
            raise Failed(f"{self.path} holds no files that end in .json: is it the folder of an export?")
        if len(files) > FILES_MOST:
            raise Failed(f"{self.path} holds more than {FILES_MOST} files")
        for file in files:
            if file.is_symlink():
                raise Failed(f"{file} is a link: put the file itself there")
            kind = (file.stem if file.parent == self.path else file.parent.name).lower().replace("-", "_")
            found.setdefault(kind, []).extend(_listed(file, kind))
            if len(found[kind]) > OBJECTS_MOST:
                raise Failed(f"{file}: there may be at most {OBJECTS_MOST:,} {kind}")
        return found


def _listed(file: Path, kind: str) -> list[Any]:
    """The objects of a file. Raises Failed saying what is wrong with it."""
    if file.stat().st_size > FILE_MOST:
        raise Failed(f"{file} is larger than {FILE_MOST // 1024 // 1024} MiB")
    try:
        found = json.decode(file.read_bytes())
    except ValueError as error:
        raise Failed(f"{file} is no JSON: {error}") from error
    if json.depth(found) > json.MAX_DEPTH:
        raise Failed(f"{file} is nested too deeply")
    if isinstance(found, dict):
        held = next((found[name] for name in ("data", "results", kind) if isinstance(found.get(name), list | dict)), None)
        found = [found] if held is None else held
    return found if isinstance(found, list) else [found]


# ------------------------------------------------------------------------------------------------------------- commands


class _Group(click.Group):
    """The commands of moving in."""


@click.group(name="import", cls=_Group)
def import_() -> None:
    """Move in from another system: people, schedules, policies, services; what is not carried is listed with its reason."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines."),
        click.option("--dry-run", "is_rehearsal", is_flag=True, help="Only say what would be; nothing is changed."),
        click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where what was collected is kept; without --address it is read from there."),
    ):
        command = option(command)
    return command


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the key; TOCSIN_IMPORT_KEY unless said."),
        click.option("--address", help="The address of the API."),
    ):
        command = option(command)
    return command


@import_.command(name="pagerduty")
@_asking
@_options
def from_pagerduty(folder: Path | None, address: str | None, key_file: Path | None, *, is_rehearsal: bool, is_json: bool) -> None:
    """Move in from a PagerDuty account through its REST API, or from a folder that was collected before."""
    premises = open_up(told.read())
    try:
        if folder is None or address is not None:
            folder = folder or premises.settings.data / "import-pagerduty"
            where = address or collecting.PAGERDUTY
            key = _key(premises, key_file)
            asker = Asker(where, collecting.pagerduty_headers(key), allowed=premises.settings.allow_private, tell=_say)
            _collect(asker, Folder(folder), premises.clock(), collecting.from_pagerduty)
        _move(premises, folder, pagerduty.read, is_rehearsal=is_rehearsal, is_json=is_json)
    finally:
        premises.db.close()


@import_.command(name="opsgenie")
@_options
def from_opsgenie(folder: Path | None, *, is_rehearsal: bool, is_json: bool) -> None:
    """Move in from a folder of JSON files as Opsgenie's REST API and its exports write them."""
    if folder is None:
        raise click.UsageError("say where the files are: --folder DIR")
    premises = open_up(told.read())
    try:
        _move(premises, folder, opsgenie.read, is_rehearsal=is_rehearsal, is_json=is_json)
    finally:
        premises.db.close()


@import_.command(name="grafana-oncall")
@_asking
@_options
def from_grafana(folder: Path | None, address: str | None, key_file: Path | None, *, is_rehearsal: bool, is_json: bool) -> None:
    """Move in from Grafana OnCall through its public API (its engine's address), or from a folder of JSON files."""
    if folder is None and address is None:
        raise click.UsageError("say where the files are (--folder DIR), or whom to ask (--address URL)")
    premises = open_up(told.read())
    try:
        if address is not None:
            folder = folder or premises.settings.data / "import-grafana-oncall"
            asker = Asker(address, {"Authorization": _key(premises, key_file)}, allowed=premises.settings.allow_private, tell=_say)
            _collect(asker, Folder(folder), premises.clock(), collecting.from_grafana)
        assert folder is not None  # one of the two was said
        _move(premises, folder, grafana_oncall.read, is_rehearsal=is_rehearsal, is_json=is_json)
    finally:
        premises.db.close()


COMMANDS: Final = (import_,)


def _key(premises: Premises, file: Path | None) -> str:
    """Law 1."""
    key = file.read_text(encoding="utf-8").strip() if file is not None else premises.settings.import_key
    if not key:
        raise Failed("with which key? Put it into TOCSIN_IMPORT_KEY, or into a file that TOCSIN_IMPORT_KEY_FILE or --key-file names")
    if not key.isascii() or not key.isprintable():
        raise Failed("the key is no key: it has characters that cannot be sent")
    return key


def _say(words: str) -> None:
    """Tell people how it goes."""
    click.echo(f"  {words}", err=True)


def _collect(asker: Asker, folder: Folder, now: datetime, collect: Callable[..., Any]) -> None:
    """Ask for everything there is, going on where it was interrupted."""

    async def collected() -> None:
        async with asker:
            await collect(asker, folder, now, lambda words: _say(f"read {words}"))

    folder.begin()
    try:
        asyncio.run(collected())
    except Trouble as error:
        raise Failed(f"{error}. What was read so far is kept: the same command goes on from there. Nothing was changed here") from error
    folder.save(COMPLETE, [iso(now)])


def _move(
    premises: Premises, folder: Path, read: Callable[[Dump, datetime], Account], *, is_rehearsal: bool, is_json: bool
) -> None:
    """Read a folder and make of it what is wanted, or rehearse that."""
    now = premises.clock()
    deed = Deed(actor=HOUSE, now=now, chance=premises.chance, request_id=ids.uuid_text(premises.chance))
    try:
        account = read(Folder(folder).everything(), now)
        account.check()
        with undone(premises.db) if is_rehearsal else premises.db.write() as tx:
            outcome = moving_in.move_in(tx, deed, premises.seals, account)
    except Unfit as error:
        raise Failed(f"{folder}: {error}. Nothing was changed") from error
    except Unbalanced as error:
        raise Failed(f"nothing was changed, because something would have been dropped silently: {error}. This is a fault of Tocsin's") from error
    click.echo(json.pretty({"dry_run": is_rehearsal, **_facts(outcome)}) if is_json else report(outcome, is_rehearsal=is_rehearsal))


# --------------------------------------------------------------------------------------------------------------- report


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {name: getattr(outcome, name) for name in ("source", "tallies", "done", "left", "remarks", "gone", "compared")}


def report(outcome: Outcome, *, is_rehearsal: bool = False) -> str:
    """The outcome for people: the sums, what is done, what is not carried and what to do by hand, who is on call otherwise."""
    lines = [f"{'What moving in would do' if is_rehearsal else 'Moved in'} from {outcome.source}", ""]
    lines += [f"  {'':<22}{'read':>7}{'carried':>9}{'left':>6}"]
    lines += [f"  {one.kind:<22}{one.read:>7}{one.carried:>9}{one.left:>6}" for one in outcome.tallies]
    counts: dict[str, int] = {}
    for one in outcome.done:
        counts[one.how] = counts.get(one.how, 0) + 1
    lines += ["", "Of what is carried: " + (", ".join(f"{number} {how}" for how, number in sorted(counts.items())) or "nothing") + "."]
    lines += _part("Made, changed or removed", [
        f"{one.how:<9}{one.kind} {one.name} ({one.own_id})" for one in outcome.done if one.how in {moving_in.MADE, moving_in.CHANGED, moving_in.REMOVED}
    ])  # fmt: skip
    lines += _part("NOT carried", [
        f"{one.kind} {one.name}{f' ({one.id})' if one.id else ''}{f' × {one.count}' if one.count > 1 else ''}: {one.why}"
        + (f"\n      → {one.by_hand}" if one.by_hand else "")
        for one in outcome.left
    ])  # fmt: skip
    lines += _part("Carried, and different", [
        f"{one.kind} {one.name}: {one.what}" + (f"\n      → {one.by_hand}" if one.by_hand else "") for one in outcome.remarks
    ])  # fmt: skip
    lines += _part("Gone there, still here", [f"{one.kind} {one.name} ({one.own_id})" for one in outcome.gone])
    if outcome.compared:
        weeks = max(one.span.end - one.span.start for one in outcome.compared)
        same = sum(not one.differences for one in outcome.compared)
        lines += ["", f"On call for the next {human_duration(weeks)}: {same} of {len(outcome.compared)} schedules say the same as there."]
        lines += _part("On call otherwise", [
            f"{one.name}, {each.start:%a %d %b %H:%M} to {each.end:%a %d %b %H:%M} UTC: "
            f"there {', '.join(each.there) or 'nobody'}, here {', '.join(each.here) or 'nobody'}"
            for one in outcome.compared for each in one.differences
        ])  # fmt: skip
    else:
        lines += ["", "The source did not say who is on call, so that was not compared: look at the schedules before you switch."]
    return "\n".join(lines)


def _part(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  … and {len(lines) - LINES_MOST} more (--json has all)"] if len(lines) > LINES_MOST else []
    return ["", f"{title}:", *(f"  {line}" for line in lines[:LINES_MOST]), *more]
