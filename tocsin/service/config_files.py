"""Configuration as files: read from YAML, planned, carried out through the doors of the rooms, and read back.

Laws:
1. A step that the house takes otherwise than the file says is refused: what was applied reads back as what was wanted.
2. Every refusal names the file and the line of what was refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import PurePath
from typing import Any, Final

from tocsin.base import yaml
from tocsin.base.errors import Refusal, invalid
from tocsin.core import config_plan
from tocsin.core.config_plan import CHANGE, CREATE, DELETE, Item, Plan, Problem, Step, Wanted
from tocsin.service.config_rooms import BY_KIND, KINDS, ROOMS, Door, Room

FILES_MOST: Final = 200
"""Files read at once."""
ITEMS_MOST: Final = 20_000
"""Things in all the files together."""
ENDINGS: Final = (".yaml", ".yml")

class NotTaken(Exception):
    """A step that was refused: nothing of the plan is kept. `problem` says where it was wanted and why it cannot be."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_file(name: str, text: bytes) -> tuple[list[Wanted], list[Problem], frozenset[str]]:
    """What a file wants, what is wrong with it, and which kinds it speaks of."""
    try:
        document = yaml.decode(text)
    except yaml.Unreadable as error:
        return [], [Problem(name, error.line, error.words)], frozenset()
    if document is None:
        return [], [], frozenset()
    if not isinstance(document, yaml.Mapped):
        return [], [Problem(name, 1, f"a file is a mapping from kinds to lists: {', '.join(BY_KIND)}")], frozenset()
    wanted: list[Wanted] = []
    problems: list[Problem] = []
    for plural, items in document.items():
        line = document.lines[plural]
        kind = BY_KIND[plural].kind if plural in BY_KIND else None
        if kind is None:
            problems.append(Problem(name, line, f"there is no kind {plural[:60]}{config_plan.nearest(plural, BY_KIND)}"))
        elif kind.is_single and isinstance(items, yaml.Mapped):
            wanted.append(_wanted(plural, items, name, line))
        elif not kind.is_single and items is None:
            continue
        elif kind.is_single or not isinstance(items, yaml.Listed):
            problems.append(Problem(name, line, f"{plural} must be a {'mapping of fields' if kind.is_single else 'list'}"))
        else:
            for item, at in zip(items, items.lines, strict=True):
                if isinstance(item, yaml.Mapped):
                    wanted.append(_wanted(plural, item, name, at))
                else:
                    problems.append(Problem(name, at, f"an item of {plural} must be a mapping of fields"))
    return wanted, problems, frozenset(document)


def _wanted(plural: str, values: yaml.Mapped, file: str, line: int) -> Wanted:
    lines: dict[config_plan.Path, int] = {}

    def plain(value: Any, path: config_plan.Path) -> Any:
        if isinstance(value, yaml.Mapped):
            lines.update({(*path, key): at for key, at in value.lines.items()})
            return {key: plain(one, (*path, key)) for key, one in value.items()}
        if isinstance(value, yaml.Listed):
            lines.update({(*path, number): at for number, at in enumerate(value.lines)})
            return [plain(one, (*path, number)) for number, one in enumerate(value)]
        return value

    return Wanted(plural, plain(values, ()), file, line, lines)


def present(door: Door, kinds: Sequence[str] = ()) -> list[Item]:
    """Everything there is of these kinds, or of all."""
    return [item for room in ROOMS if not kinds or room.kind.plural in kinds for item in room.read(door, "")]


def exported(items: Sequence[Item], now: datetime, *, with_keys: bool) -> dict[str, Any]:
    """What is there as the documents of files, by kind; kinds of which there is nothing are left out."""
    found = config_plan.written(KINDS, items, now, with_secrets=with_keys)
    return {plural: (told[0] if BY_KIND[plural].kind.is_single else told) for plural, told in found.items() if told}


# ---------------------------------------------------------------------------------------------------------- doing it


def planned(wanted: Sequence[Wanted], items: Sequence[Item], *, fresh: config_plan.Fresh, now: datetime, prune: frozenset[str]) -> Plan:
    """The plan; whoever becomes the Account Owner comes first among people, as the owner so far cannot step down before."""
    made = config_plan.plan(KINDS, wanted, items, fresh=fresh, now=now, prune=prune)
    return replace(made, steps=tuple(sorted(made.steps, key=lambda step: not _is_handover(step))))


def _is_handover(step: Step) -> bool:
    is_owner = step.after.get("role") == "owner" and step.before.get("role") != "owner"
    return step.kind == "users" and step.verb == CHANGE and is_owner


def carry_out(door: Door, plan: Plan) -> None:
    """Take every step of a plan. Raises NotTaken for the first that is refused; what came before it is the caller's to undo."""
    for step in plan.steps:
        door.begin(step.wanted.file if step.wanted is not None else "--prune")
        try:
            _take(door, step)
        except Refusal as refusal:
            raise NotTaken(_refused(step, refusal)) from refusal


def _take(door: Door, step: Step) -> None:
    room = BY_KIND[step.kind]
    if step.verb == DELETE:
        room.delete(door, step)
        return
    before = step.before
    if step.verb == CREATE:
        room.create(door, step.id, step.after)
        found = next((item for item in _made(room, door, step.id) if item.id == step.id), None)
        if found is None:
            raise invalid(f"the id {step.id} could not be given to it")
        before = config_plan.canonical(room.kind.fields, found.values, door.now)
    plain = {
        name: value for name, value in step.after.items() if name not in room.part_names and before.get(name, config_plan.ABSENT) != value
    }
    if plain:
        room.change(door, step.id, before, plain)
    parts = {name: value for name, value in step.after.items() if name in room.part_names and before.get(name) != value}
    if room.parts is not None and parts:
        room.parts(door, step.id, before, parts)


def _made(room: Room, door: Door, id_: str) -> list[Item]:
    try:
        return room.read(door, id_)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        return []


def _refused(step: Step, refusal: Refusal) -> Problem:
    """A refusal with the place in the files of what it is about, as far as its words name a field."""
    kind, errors = BY_KIND[step.kind].kind, refusal.errors
    if isinstance(errors, dict):
        errors = [f"{name}: {sentence}" for name, sentences in errors.items() for sentence in sentences]
    words = "; ".join(errors) or refusal.message
    what = f"{step.verb} {kind.noun} {step.title}: {words}"
    if step.wanted is None:
        return Problem("", 0, what)
    path = _named(step.wanted, words.casefold().replace("_", " "))
    place = f" ({config_plan.dotted(path)})" if path else ""
    return Problem(step.wanted.file, step.wanted.line_of(path), f"{what}{place}")


def _named(wanted: Wanted, words: str) -> config_plan.Path:
    """The way to what a sentence speaks of: a field that it names, an item of a list whose name it says, a field of that."""
    best: config_plan.Path = ()
    for path in wanted.lines:
        last, around = path[-1], path[:-1]
        if isinstance(last, int):
            item = _at(wanted.values, path)
            name = item.get("name") if isinstance(item, dict) else None
            is_meant = isinstance(name, str) and bool(name.strip()) and name.casefold().replace("_", " ") in words
        else:
            is_meant = last.replace("_", " ") in words and (not around or around == best)
        if is_meant and len(path) > len(best):
            best = path
    return best


def _at(values: Any, path: config_plan.Path) -> Any:
    for one in path:
        values = values[one]
    return values


def unlike(wanted: Sequence[Wanted], items: Sequence[Item], *, fresh: config_plan.Fresh, now: datetime, prune: frozenset[str]) -> list[Problem]:
    """What reads back otherwise than it was wanted, once a plan was carried out: the house keeps it in another form."""
    left = planned(wanted, items, fresh=fresh, now=now, prune=prune)
    found = list(left.problems)
    for step in left.steps:
        kind = BY_KIND[step.kind].kind
        for change in step.changes:
            words = f"{kind.noun} {step.title}: {change.path}: the house keeps {change.before!r} where {change.after!r} is written: write it so"
            path = tuple(one.partition("[")[0] for one in change.path.split(".")[:1])
            file, line = (step.wanted.file, step.wanted.line_of(path)) if step.wanted else ("", 0)
            found.append(Problem(file, line, words))
        if not step.changes:
            found.append(Problem("", 0, f"{kind.noun} {step.title}: is still there"))
    return found


def is_read(name: str) -> bool:
    """Whether a file of a folder is one of configuration."""
    path = PurePath(name)
    return path.suffix in ENDINGS and not path.name.startswith(".")
