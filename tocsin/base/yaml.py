"""YAML read with line numbers and within bounds, and written: the text of configuration files.

Laws:
1. Only plain values are read: text, numbers, true, false, null, lists, mappings. Nothing of Python's is ever made.
2. What YAML 1.1 guesses at is text here, as in YAML 1.2: `no`, `on`, `09:00:00`, `2026-11-23`, `0o17`, `1_000`.
3. A key that is said twice is refused, with both lines; so is a document that is too large, too deep, or unfolds to too much.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

BYTES_MOST: Final = 4 * 1024 * 1024
"""Bytes of one file."""
DEPTH_MOST: Final = 32
"""Lists and mappings inside each other."""
NODES_MOST: Final = 500_000
"""Values in one file, with what aliases stand for counted each time they stand for it."""
ALIASES_MOST: Final = 1000
"""Aliases in one file."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?")
_PLAIN_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

# libyaml's parser is some twenty times quicker; both say the same events.
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Final[Any] = yaml.SafeDumper


class Unreadable(ValueError):
    """This is no YAML that is read here. `line` counts from 1."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(f"line {line}: {words}")
        self.line, self.words = line, words


class Mapped(dict[str, Any]):
    """A mapping that knows the line each of its keys stands on, and its own."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line, self.lines = line, dict[str, int]()


class Listed(list[Any]):
    """A list that knows the line each of its items stands on, and its own."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line, self.lines = line, list[int]()


def decode(text: bytes) -> Any:
    """The value of one document; None for an empty one. Raises Unreadable."""
    if len(text) > BYTES_MOST:
        raise Unreadable(1, f"the file is larger than {BYTES_MOST // (1024 * 1024)} MiB: split it into several")
    try:
        words = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(text.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from error
    try:
        return _Builder().built(yaml.parse(words, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable(1 if mark is None else mark.line + 1, what) from error
    except yaml.YAMLError as error:
        raise Unreadable(1, " ".join(str(error).split())) from error


def encode(value: Any) -> str:
    """A value as YAML that reads back as the same, here and elsewhere; mappings keep their order."""
    text: str = yaml.dump(value, Dumper=_Written, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
    return text


class _Written(_DUMPER):  # type: ignore[misc]
    """Writes without aliases, and indents lists, as people do."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


class _Builder:
    """Builds a value from a parser's events, with everything counted as it comes."""

    def __init__(self) -> None:
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = self.aliases = self.depth = 0

    def built(self, events: Iterator[Any]) -> Any:
        root: Any = None
        seen = 0
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    raise Unreadable(line, "a second document begins here: a file holds one, so leave the --- out")
                root = self._value(next(events), events)
        return root

    def _count(self, line: int, number: int) -> None:
        self.nodes += number
        if self.nodes > NODES_MOST:
            raise Unreadable(line, f"more than {NODES_MOST:,} values, with what aliases stand for: write less, or several files")

    def _value(self, event: Any, events: Iterator[Any]) -> Any:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event, line)
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            raise Unreadable(line, f"the tag {event.tag[:60]} means nothing here: write plain values")
        before = self.nodes
        self._count(line, 1)
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line)
        else:
            self.depth += 1
            if self.depth > DEPTH_MOST:
                raise Unreadable(line, f"nested more than {DEPTH_MOST} levels deep")
            value = self._mapping(line, events) if isinstance(event, yaml.MappingStartEvent) else self._list(line, events)
            self.depth -= 1
        if event.anchor is not None:
            self.anchors[event.anchor] = value, self.nodes - before
        return value

    def _aliased(self, event: Any, line: int) -> Any:
        self.aliases += 1
        if self.aliases > ALIASES_MOST:
            raise Unreadable(line, f"more than {ALIASES_MOST} aliases")
        if event.anchor not in self.anchors:
            raise Unreadable(line, f"the alias *{event.anchor[:60]} stands for nothing that was written before it")
        value, size = self.anchors[event.anchor]
        self._count(line, size)
        return value

    def _list(self, line: int, events: Iterator[Any]) -> Listed:
        made = Listed(line)
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            made.lines.append(event.start_mark.line + 1)
            made.append(self._value(event, events))
        return made

    def _mapping(self, line: int, events: Iterator[Any]) -> Mapped:
        made = Mapped(line)
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            at = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                raise Unreadable(at, "a key must be a plain word")
            key = event.value
            if key == "<<" and event.implicit[0]:
                raise Unreadable(at, "<< is not understood: use an alias for a whole value, or write it out")
            if key in made:
                raise Unreadable(at, f"{key[:60]} is said twice here: first on line {made.lines[key]}")
            self._count(at, 1)
            made.lines[key] = at
            made[key] = self._value(next(events), events)
        return made


def _scalar(event: Any, line: int) -> Any:
    text: str = event.value
    if "\0" in text:
        raise Unreadable(line, "a null character")
    if not event.implicit[0]:  # quoted, or said to be text
        return text
    if text in _NULL:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
