"""From the configuration that files want, and what is there, to the ordered steps that make them the same, and why.

Laws:
1. What a file leaves out stays as it is; a list that it gives is the whole list; null empties a field.
2. A thing is known by its id, else by its key (a name, an address), else it is new. Every id is settled in the plan.
3. A plan of what is so already has no steps. Nothing is deleted unless that was asked for, and then only of kinds in the files.
4. What lies in the past is neither wanted nor compared: it cannot be changed any more.
5. What is wrong is told with its file and line, all of it at once, and then there are no steps.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from tocsin.base import times

Path = tuple[str | int, ...]
"""The way to a value inside an item: fields, and places in lists."""
Values = dict[str, Any]

CREATE, CHANGE, DELETE = "create", "change", "delete"
ABSENT: Final = "(absent)"
"""What stands for a value on the side where there is none."""
OBJECT, PART = "object", "part"
"""The two forms of ids: of seven characters, and the longer ones of parts of shift-based schedules."""
ID: Final = "id"
WORD_MOST: Final = 80
NEAR_MOST: Final = 300
"""Letters of a word, and words, that are compared to find the nearest: enough for slips, and soon done."""
_ELSEWHERE: Final = timezone(timedelta(hours=1))
_FORMS: Final = {OBJECT: re.compile(r"P[0-9A-Z]{6}"), PART: re.compile(r"[A-Z2-7]{27}")}
_FORM_WORDS: Final = {OBJECT: "P and six of 0-9 and A-Z, like PABC123", PART: "27 of A-Z and 2-7"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What may stand in a field.

    refers      it names another thing: a namespace of kinds, or with "@" a field of parts of the same item
    inside      it holds a mapping (or, with `many`, a list of them) of these fields; otherwise anything plain
    many        it is a list
    has_ids     the items of the list have ids of their own
    keys        by which fields an item without an id is known again; by its place when there are none
    any_order   the order of the list means nothing
    is_instant  a date and time
    drops_past  an instant that counts only while it lies ahead
    ends        the field inside by which an item of the list is over
    shape       the form of the items' ids
    is_told     exports tell of it, and nothing is done by it: what differs is a note
    is_secret   told only when that is asked for, and never shown
    """

    refers: str = ""
    inside: "Mapping[str, Field] | None" = None
    many: bool = False
    has_ids: bool = False
    keys: tuple[str, ...] = ()
    any_order: bool = False
    is_instant: bool = False
    drops_past: bool = False
    ends: str = ""
    shape: str = OBJECT
    is_told: bool = False
    is_secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of thing in the files.

    plural     its word in the files; `noun` its word in sentences
    key        the field by which an item without an id is known again; unique, as far as it is given
    namespace  what references call it: two kinds may share one
    folds      whether upper and lower case of the key are the same
    is_single  whether there is exactly one, always there
    ends       the field by which an item is over
    """

    plural: str
    noun: str
    fields: Mapping[str, Field]
    key: str = "name"
    namespace: str = ""
    folds: bool = False
    is_single: bool = False
    ends: str = ""

    @property
    def space(self) -> str:
        return self.namespace or self.noun

    def key_of(self, values: Mapping[str, Any]) -> str:
        """The key as it is compared; empty when there is none."""
        text = values.get(self.key)
        if not isinstance(text, str):
            return ""
        return text.strip().casefold() if self.folds else text.strip()


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that is there, its references as ids."""

    kind: str
    id: str
    values: Values


@dataclass(frozen=True, slots=True)
class Wanted:
    """A thing as a file wants it, its references as they are written. `lines` says where each value stands."""

    kind: str
    values: Values
    file: str
    line: int
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """The line of a value, or of the nearest one around it."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return self.line


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, and where."""

    file: str
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.words}" if self.file else self.words


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is to be another one. ABSENT stands for none."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to make, change or delete. `before` is all of it as it is; `after` what is said of it, references as ids."""

    verb: str
    kind: str
    id: str
    title: str
    before: Values
    after: Values
    changes: tuple[Change, ...] = ()
    wanted: Wanted | None = None
    reason: str = ""

    @property
    def signature(self) -> object:
        """What must be the same in a later plan for the same step."""
        return self.verb, self.kind, self.id, self.changes


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order they can be taken; what is wrong; and what is worth saying. `names`: by id, what people call it."""

    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def count(self, verb: str) -> int:
        return sum(step.verb == verb for step in self.steps)


Fresh = Callable[[str, str], str]
"""An id for something new: from what it is for (the same question has the same answer) and the form it is to have."""


def plan(
    kinds: Sequence[Kind], wanted: Sequence[Wanted], there: Sequence[Item], *, fresh: Fresh, now: datetime, prune: Iterable[str] = ()
) -> Plan:
    """The plan by which what is there becomes what is wanted. `prune`: kinds of which nothing else is to be left."""
    return _Planning(kinds, there, fresh, now).made(wanted, frozenset(prune))


# --------------------------------------------------------------------------------------------------------- the planning


class _Planning:
    def __init__(self, kinds: Sequence[Kind], there: Sequence[Item], fresh: Fresh, now: datetime) -> None:
        self.kinds = {kind.plural: kind for kind in kinds}
        self.there = [
            Item(one.kind, one.id, canonical(self.kinds[one.kind].fields, one.values, now)) for one in there if one.kind in self.kinds
        ]
        self.by_id = {(one.kind, one.id): one for one in self.there}
        self.by_key: dict[tuple[str, str], list[Item]] = {}
        for one in self.there:
            if key := self.kinds[one.kind].key_of(one.values):
                self.by_key.setdefault((one.kind, key), []).append(one)
        self.fresh, self.now = fresh, now
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.names: dict[str, dict[str, set[str]]] = {}
        self.aliases: dict[tuple[str, str], str] = {}

    def made(self, wanted: Sequence[Wanted], prune: frozenset[str]) -> Plan:
        sensible = {id(one) for one in wanted if self._makes_sense(one)}
        kept = [one for one in wanted if id(one) in sensible or not self._is_past(one)]
        pairs = [(one, self._settled(one, tells=id(one) in sensible)) for one in self._claimed(kept)]
        self._learn_names(pairs)
        steps: dict[str, list[Step]] = {plural: [] for plural in self.kinds}
        for one, id_ in pairs:
            if id(one) in sensible and (step := self._step(one, id_)) is not None:
                steps[one.kind].append(step)
        claimed = {(one.kind, id_) for one, id_ in pairs}
        if self.problems:
            return Plan(problems=_sorted(self.problems), notes=_sorted(self.notes))
        ordered = [step for plural, found in steps.items() for step in in_order(found, self.kinds[plural])]
        for plural in reversed(list(self.kinds)):
            kind = self.kinds[plural]
            gone = [] if plural not in prune or kind.is_single else [
                Step(DELETE, plural, one.id, title(kind, one.values, one.id), one.values, {}, reason="no file has it")
                for one in self.there if one.kind == plural and (plural, one.id) not in claimed
            ]  # fmt: skip
            ordered += reversed(in_order(gone, kind))
        names = {id_: text for space in self.names.values() for text, ids in space.items() for id_ in ids}
        return Plan(tuple(ordered), (), _sorted(self.notes), names)

    def _wrong(self, one: Wanted, path: Path, words: str) -> None:
        where = f"{self.kinds[one.kind].noun} {title(self.kinds[one.kind], one.values, '')}".strip()
        place = dotted(path)
        self.problems.append(Problem(one.file, one.line_of(path), f"{where}: {place}: {words}" if place else f"{where}: {words}"))

    # ------------------------------------------------------------------------------------------- what a file may say

    def _makes_sense(self, one: Wanted) -> bool:
        """Whether the fields are known and have the right form; and whether it is not over."""
        before = len(self.problems)
        kind = self.kinds[one.kind]
        self._check(one, kind.fields, one.values, (), has_id=not kind.is_single)
        if len(self.problems) > before:
            return False
        if self._is_past(one):
            self.notes.append(Problem(one.file, one.line, f"{kind.noun} {title(kind, one.values, '')} is over and passed by"))
            return False
        return True

    def _check(self, one: Wanted, fields: Mapping[str, Field], values: Mapping[str, Any], path: Path, *, has_id: bool) -> None:
        for name, value in values.items():
            at = (*path, name)
            if name == ID and has_id:
                if not isinstance(value, str) or not value or len(value) > 64 or not value.isascii() or not value.isalnum():
                    self._wrong(one, at, "an id is a text of letters and digits; leave it out for a new one")
                continue
            known = fields.get(name)
            if known is None:
                self._wrong(one, at, f"there is no such field{nearest(name, [*fields, *([ID] if has_id else [])])}")
            elif value is not None:
                self._check_value(one, known, value, at)

    def _check_value(self, one: Wanted, known: Field, value: Any, at: Path) -> None:
        if known.many and (known.inside is not None or known.refers):
            if not isinstance(value, list):
                self._wrong(one, at, "must be a list")
                return
            for number, item in enumerate(value):
                if item is not None or known.inside is not None:  # an empty place is the house's to judge
                    self._check_one(one, known, item, (*at, number))
        else:
            self._check_one(one, known, value, at)

    def _check_one(self, one: Wanted, known: Field, value: Any, at: Path) -> None:
        if known.inside is not None:
            if isinstance(value, dict):
                self._check(one, known.inside, value, at, has_id=known.has_ids)
            else:
                self._wrong(one, at, "must be a mapping of fields")
        elif known.refers and not isinstance(value, str):
            self._wrong(one, at, "must be the name or the id of something: a text")
        elif known.is_instant:
            try:
                has_offset = times.parse_instant(str(value)) == times.parse_instant(str(value), zone=_ELSEWHERE)
            except (ValueError, OverflowError) as error:
                self._wrong(one, at, str(error))
                return
            if not has_offset:
                self._wrong(one, at, "say the offset, as in 2026-11-23T09:00:00+01:00 or 2026-11-23T08:00:00Z")

    def _is_past(self, one: Wanted) -> bool:
        """Whether it is over; what cannot be read is not."""
        value = one.values.get(self.kinds[one.kind].ends)
        try:
            return isinstance(value, str) and times.parse_instant(value) <= self.now
        except (ValueError, OverflowError):
            return False

    # --------------------------------------------------------------------------------------- which thing is meant

    def _claimed(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """All of them, once it is sure that no two are the same."""
        seen: dict[tuple[str, str, str], Wanted] = {}
        for one in wanted:
            kind = self.kinds[one.kind]
            marks = [(what, text) for what, text in ((ID, str(one.values.get(ID) or "")), (kind.key, kind.key_of(one.values))) if text]
            for what, text in [("", "the one")] if kind.is_single else marks:
                first = seen.setdefault((one.kind, what, text), one)
                is_other = what == kind.key and bool(one.values.get(ID)) and bool(first.values.get(ID))  # two of one name
                if first is not one and not is_other:
                    said = "is in the files already" if kind.is_single else f"{what} {text} is in the files already"
                    self._wrong(one, (what,) if what else (), f"{said}: {first.file}:{first.line}")
        return list(wanted)

    def _settled(self, one: Wanted, *, tells: bool) -> str:
        """The id of what is meant: by id, by key, or a new one. `tells`: whether what is wrong with it is told."""
        kind = self.kinds[one.kind]
        if kind.is_single:
            return next((item.id for item in self.there if item.kind == one.kind), kind.plural)
        said = str(one.values.get(ID) or "")
        if (one.kind, said) in self.by_id:
            return said
        key = kind.key_of(one.values)
        found = self.by_key.get((one.kind, key), [])
        if len(found) > 1 and tells:
            self._wrong(one, (kind.key,), f"there are {len(found)} of this {kind.key}: say which by its id ({', '.join(item.id for item in found)})")
        if found:
            if said:
                self.aliases[kind.space, said] = found[0].id
                words = f"{kind.noun} {title(kind, one.values, '')} has the id {found[0].id} here, not {said}: it keeps it"
                self.notes.append(Problem(one.file, one.line_of((ID,)), words))
            return found[0].id
        if said and tells and not _FORMS[OBJECT].fullmatch(said):
            self._wrong(one, (ID,), f"{said} is not here, and no id for a new one: that is {_FORM_WORDS[OBJECT]}; or leave it out")
        return said or self.fresh(f"{one.kind}/{key or one.line}", OBJECT)

    def _learn_names(self, pairs: Sequence[tuple[Wanted, str]]) -> None:
        """By namespace, what each text means: the keys of what is wanted, and of what is there and not wanted otherwise."""
        renamed = {(one.kind, id_) for one, id_ in pairs if self.kinds[one.kind].key in one.values}
        said = [(self.kinds[one.kind], one.values, id_) for one, id_ in pairs]
        said += [(self.kinds[item.kind], item.values, item.id) for item in self.there if (item.kind, item.id) not in renamed]
        for kind, values, id_ in said:
            space = self.names.setdefault(kind.space, {})
            if text := kind.key_of(values):
                space.setdefault(text, set()).add(id_)
        self.known: dict[str, set[str]] = {}
        for kind, _, id_ in said:
            self.known.setdefault(kind.space, set()).add(id_)

    # --------------------------------------------------------------------------------------- what is to become of it

    def _step(self, one: Wanted, id_: str) -> Step | None:
        kind = self.kinds[one.kind]
        item = self.by_id.get((one.kind, id_))
        before = item.values if item is not None else {}
        after = self._normal(one, kind.fields, one.values, before, before, ())
        after.pop(ID, None)
        after = canonical(kind.fields, after, self.now)
        for name in [name for name in after if kind.fields[name].is_told]:
            if after.pop(name) != before.get(name):
                words = f"{kind.noun} {title(kind, one.values, '')}: {name} is told by exports and not set by files: do it by hand"
                self.notes.append(Problem(one.file, one.line_of((name,)), words))
        words = title(kind, {**before, **after}, id_)
        if item is None:
            return Step(CREATE, one.kind, id_, words, {}, after, tuple(differences(kind.fields, {}, after)), one, "it is not there")
        found = tuple(differences(kind.fields, before, after))
        return Step(CHANGE, one.kind, id_, words, before, after, found, one, "the file says otherwise") if found else None

    def _normal(
        self, one: Wanted, fields: Mapping[str, Field], values: Mapping[str, Any], there: Mapping[str, Any], top: Mapping[str, Any], path: Path
    ) -> Values:
        """The values with references as ids, parts with their ids, and what parts leave out as it is."""
        made: Values = {}
        for name in [*fields, ID]:
            if name not in values:
                continue
            value, known, at = values[name], fields.get(name), (*path, name)
            local = {**top, **made} if not path else top
            if value is None or known is None:
                made[name] = value
            elif known.inside is not None and known.many:
                made[name] = self._parts(one, known, value, there.get(name) or [], local, at)
            elif known.inside is not None:
                made[name] = self._normal(one, known.inside, value, there.get(name) or {}, local, at)
            elif known.refers and known.many:
                made[name] = [text if text is None else self._id_of(one, known, text, local, (*at, number)) for number, text in enumerate(value)]
            elif known.refers:
                made[name] = self._id_of(one, known, value, local, at)
            else:
                made[name] = value
        return made

    def _parts(self, one: Wanted, known: Field, values: Sequence[Any], there: Sequence[Any], top: Mapping[str, Any], path: Path) -> list[Values]:
        """The items of a list: each with the id of the one it is, if it is one that is there."""
        assert known.inside is not None
        left = list(there)
        rough = [self._normal(one, known.inside, value, {}, top, (*path, number)) for number, value in enumerate(values)]
        rough = [canonical(known.inside, value, self.now) for value in rough]
        met: dict[int, Any] = {}
        for number, value in enumerate(rough):
            for item in left:
                if known.has_ids and value.get(ID) and value[ID] == item.get(ID):
                    met[number] = item
                    left.remove(item)
                    break
        for number, value in enumerate(rough):
            if number in met:
                continue
            found: Any = None
            if known.keys:
                found = next((item for item in left if all(value.get(key) == item.get(key) for key in known.keys)), None)
            elif number < len(there) and there[number] in left:
                found = there[number]
            if found is not None:
                met[number] = found
                left.remove(found)
        made = []
        for number, value in enumerate(values):
            item = met.get(number, {})
            whole = {**item, **self._normal(one, known.inside, value, item, top, (*path, number))}
            if known.has_ids:
                what = f"{one.kind}/{title(self.kinds[one.kind], one.values, '')}/{dotted(path)}/{part_title(known, whole) or number}"
                whole[ID] = item.get(ID) or value.get(ID) or self.fresh(what, known.shape)
                if not item and not _FORMS[known.shape].fullmatch(str(whole[ID])):
                    self._wrong(one, (*path, number, ID), f"{whole[ID]} is not here, and no id for a new one: that is {_FORM_WORDS[known.shape]}; or leave it out")
            made.append(whole)
        return made

    def _id_of(self, one: Wanted, known: Field, text: str, top: Mapping[str, Any], path: Path) -> str:
        """What a reference means. What it cannot mean is a problem, told with what is nearest."""
        if known.refers.startswith("@"):
            return self._local_id(one, known.refers[1:], text, top, path)
        text = text.strip()
        if text in self.known.get(known.refers, ()):
            return text
        if (known.refers, text) in self.aliases:
            return self.aliases[known.refers, text]
        names = self.names.get(known.refers, {})
        folds = any(kind.folds and kind.space == known.refers for kind in self.kinds.values())
        found = names.get(text.casefold() if folds else text, set())
        if len(found) == 1:
            return next(iter(found))
        what = known.refers.replace("_", " ")
        if found:
            self._wrong(one, path, f"there are {len(found)} of the name {text}: say which by its id ({', '.join(sorted(found))})")
        else:
            self._wrong(one, path, f"there is no {what} {text}, here or in the files{nearest(text, names)}")
        return text

    def _local_id(self, one: Wanted, name: str, text: str, top: Mapping[str, Any], path: Path) -> str:
        parts = top.get(name) or []
        known = self.kinds[one.kind].fields[name]
        words = {str(part.get(ID)): part_title(known, part) for part in parts}
        found = [id_ for id_, said in words.items() if text in {id_, said}]
        if not found:
            self._wrong(one, path, f"none of the {name.replace('_', ' ')} is {text}{nearest(text, list(words.values()))}")
            return text
        return found[0]


# --------------------------------------------------------------------------------------------------------- comparing


def canonical(fields: Mapping[str, Field], values: Mapping[str, Any], now: datetime) -> Values:
    """The values in the one form in which the same compares equal: instants in UTC, what is past left out, free orders sorted."""
    made: Values = {}
    for name, value in values.items():
        known = fields.get(name)
        if known is None or value is None:
            made[name] = value
        elif known.is_instant:
            instant = times.parse_instant(str(value)).replace(microsecond=0)
            if not (known.drops_past and instant <= now):
                made[name] = times.iso(instant)
        elif known.inside is not None and known.many:
            items = [canonical(known.inside, item, now) for item in value]
            if known.ends:
                items = [item for item in items if not (item.get(known.ends) and times.parse_instant(item[known.ends]) <= now)]
            made[name] = sorted(items, key=lambda item: (part_title(known, item), str(item.get(ID)))) if known.any_order else items
        elif known.inside is not None:
            made[name] = canonical(known.inside, value, now)
        elif known.any_order and isinstance(value, list):
            made[name] = sorted(value, key=str)
        else:
            made[name] = value
    return made


def differences(fields: Mapping[str, Field], before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[Change]:
    """What `after` says otherwise than `before`, value by value; what it does not mention is no difference."""
    found: list[Change] = []
    for name, value in after.items():
        known, was, at = fields.get(name), before.get(name, ABSENT), f"{path}{name}"
        if was == value and type(was) is type(value):
            continue
        if known is not None and known.inside is not None and not known.many and isinstance(was, dict) and isinstance(value, dict):
            found += differences(known.inside, was, value, f"{at}.")
        elif known is not None and known.inside is not None and known.many and isinstance(was, list) and isinstance(value, list):
            found += _list_differences(known, was, value, at)
        else:
            found.append(Change(at, _bare(known, was), _bare(known, value)))
    return found


def _bare(known: Field | None, value: Any) -> Any:
    """A value as it may be shown: without secrets."""
    if known is None or value in (None, ABSENT):
        return value
    if known.is_secret:
        return "****"
    if known.inside is not None and isinstance(value, list | dict):
        inside = known.inside
        return [without_secrets(inside, one) for one in value] if isinstance(value, list) else without_secrets(inside, value)
    return value


def matched(known: Field, before: Sequence[Values], after: Sequence[Values]) -> list[tuple[Values | None, Values | None]]:
    """The items of two lists side by side: the same, then what is only wanted (None, item), then what is only there (item, None)."""
    names = (ID,) if known.has_ids else known.keys

    def mark(item: Values, number: int) -> object:
        return tuple(str(item.get(name)) for name in names) if names else number

    old = {mark(item, number): item for number, item in enumerate(before)}
    new = {mark(item, number): item for number, item in enumerate(after)}
    both: list[tuple[Values | None, Values | None]] = [(old.get(one), item) for one, item in new.items()]
    return both + [(item, None) for one, item in old.items() if one not in new]


def _list_differences(known: Field, before: Sequence[Values], after: Sequence[Values], path: str) -> list[Change]:
    assert known.inside is not None
    found: list[Change] = []
    pairs = matched(known, before, after)
    for number, (old, new) in enumerate(pairs):
        at = f"{path}[{part_title(known, new or old or {}) or number + 1}]"
        if old is None or new is None:
            found.append(Change(at, _shown(known.inside, old), _shown(known.inside, new)))
        else:
            found += differences(known.inside, old, new, f"{at}.")
    if not found:
        words = [part_title(known, item) or str(number + 1) for number, item in enumerate(after)]
        was = [part_title(known, item) or str(number + 1) for number, item in enumerate(before)]
        found.append(Change(f"{path} (order)", was, words) if was != words else Change(path, list(before), list(after)))
    return found


def _shown(fields: Mapping[str, Field], item: Values | None) -> Any:
    if item is None:
        return ABSENT
    return {name: value for name, value in without_secrets(fields, item).items() if name != ID}


def in_order(steps: Sequence[Step], kind: Kind) -> list[Step]:
    """The steps of one kind so that what others of it refer to comes first; otherwise as they were."""
    own = [name for name, known in kind.fields.items() if known.refers == kind.space and not known.many]
    waiting = {step.id: step for step in steps}
    done: list[Step] = []

    def take(step: Step) -> None:
        if waiting.pop(step.id, None) is None:
            return
        for name in own:
            for values in (step.after, step.before):
                if isinstance(above := values.get(name), str) and above in waiting:
                    take(waiting[above])
        done.append(step)

    for step in steps:
        take(step)
    return done


# --------------------------------------------------------------------------------------------------------- for files


def written(kinds: Sequence[Kind], items: Sequence[Item], now: datetime, *, with_secrets: bool = False) -> dict[str, list[Values]]:
    """What is there as files say it: by kind, references by name where that can mean only one thing, else by id."""
    known = {kind.plural: kind for kind in kinds}
    names: dict[str, dict[str, str]] = {}
    for item in items:
        kind = known[item.kind]
        names.setdefault(kind.space, {})[item.id] = str(item.values.get(kind.key) or "")
    plain: dict[str, dict[str, str]] = {}
    for space, by_id in names.items():
        texts = [text.strip().casefold() for text in by_id.values()]
        plain[space] = {
            id_: text if text == text.strip() and text and texts.count(text.casefold()) == 1 and text not in by_id else id_
            for id_, text in by_id.items()
        }
    found: dict[str, list[Values]] = {kind.plural: [] for kind in kinds}
    for item in items:
        kind = known[item.kind]
        values = canonical(kind.fields, item.values, now)
        told = _told(kind.fields, values, values, kind, plain)
        if not with_secrets:
            told = without_secrets(kind.fields, told)
        found[item.kind].append(told if kind.is_single else {ID: item.id, **told})
    for plural, told_ones in found.items():
        kind = known[plural]
        told_ones.sort(key=lambda one, kind=kind: (kind.key_of(one).casefold(), str(one.get(ID))))  # type: ignore[misc]
    return found


def _told(fields: Mapping[str, Field], values: Values, top: Values, kind: Kind, plain: Mapping[str, Mapping[str, str]]) -> Values:
    made: Values = {}
    for name in [ID, *fields]:
        if name not in values or (name == ID and values is top):
            continue
        value, known = values[name], fields.get(name)
        if value is None or known is None:
            made[name] = value
        elif known.inside is not None and known.many:
            made[name] = [_told(known.inside, item, top, kind, plain) for item in value]
        elif known.inside is not None:
            made[name] = _told(known.inside, value, top, kind, plain)
        elif known.refers.startswith("@"):
            parts, of = top.get(known.refers[1:]) or [], kind.fields[known.refers[1:]]
            words = {part[ID]: part_title(of, part) for part in parts}
            said = words.get(value, str(value))
            made[name] = said if list(words.values()).count(said) == 1 else value
        elif known.refers and known.many:
            made[name] = [plain.get(known.refers, {}).get(str(one), one) for one in value]
        elif known.refers:
            made[name] = plain.get(known.refers, {}).get(value, value)
        else:
            made[name] = value
    return made


def without_secrets(fields: Mapping[str, Field], values: Values) -> Values:
    """The values without the secret ones."""
    made: Values = {}
    for name, value in values.items():
        known = fields.get(name)
        if known is not None and known.is_secret:
            continue
        if known is not None and known.inside is not None and value is not None:
            inside = known.inside
            made[name] = [without_secrets(inside, item) for item in value] if known.many else without_secrets(inside, value)
        else:
            made[name] = value
    return made


# -------------------------------------------------------------------------------------------------------------- words


def title(kind: Kind, values: Mapping[str, Any], id_: str) -> str:
    """What people call it."""
    return str(values.get(kind.key) or id_ or values.get(ID) or "")


def part_title(known: Field, part: Mapping[str, Any]) -> str:
    """What an item of a list is called: its keys."""
    return " ".join(str(part[key]) for key in known.keys if part.get(key) is not None)


def dotted(path: Path) -> str:
    """A path in words: `escalation_rules[2].targets[1].user`, counted from 1."""
    text = ""
    for one in path:
        text += f"[{one + 1}]" if isinstance(one, int) else f".{one}"
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str:
    """`: did you mean …?`, or what is known when nothing is near and there is little."""
    candidates, word = sorted(set(known)), word.casefold()[:WORD_MOST]
    most = max(2, len(word) // 3)
    near = [one for one in candidates if abs(len(one) - len(word)) <= most][:NEAR_MOST]
    marks = {one: _distance(word, one.casefold()[:WORD_MOST]) for one in near}
    best = min(near, key=lambda one: (marks[one], one), default="")
    if best and marks[best] <= most:
        return f": did you mean {best}?"
    if not candidates:
        return ""
    return f": known are {', '.join(candidates)}" if len(candidates) <= 30 else ""


def _distance(one: str, other: str) -> int:
    """How many letters must be changed, added or left out."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, start=1):
        last, row[0] = row[0], number
        for at, against in enumerate(other, start=1):
            last, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, last + (letter != against))
    return row[-1]


def _sorted(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(set(problems), key=lambda one: (one.file, one.line, one.words)))
