"""The filter language of SCIM 2.0: read, and asked of a document (RFC 7644 section 3.4.2.2).

Laws:
1. Names and operators have no case; texts have none either, but for ids and what other systems call things.
2. A filter of ours reads in time that grows with its length: its length, its depth and its terms are limited.
3. What is no filter is refused with the place where it stops being one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LENGTH_MOST: Final = 2000
DEPTH_MOST: Final = 16
TERMS_MOST: Final = 64

CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:"
_EXACT: Final = frozenset({("id",), ("externalid",), ("members", "value"), ("members",), ("meta", "version")})
"""Attributes whose texts differ by case."""

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")
    | (?P<number>-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?)(?![\w.])
    | (?P<mark>[()\[\]])
    | (?P<word>(?:urn:[A-Za-z0-9:._-]+:)?[A-Za-z$_][A-Za-z0-9$_-]*(?:\.[A-Za-z$_][A-Za-z0-9$_-]*)?)
    )""",
    re.VERBOSE,
)
_ESCAPES: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
OPERATORS: Final = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")

Path = tuple[str, ...]
"""The names of an attribute and perhaps of its part, in lower case."""
Value = str | bool | int | float | None


class ScimProblem(Exception):
    """What a directory asks for cannot be: SCIM's word for it, and what is wrong in ours."""

    def __init__(self, scim_type: str, words: str) -> None:
        super().__init__(words)
        self.scim_type, self.words = scim_type, words


@dataclass(frozen=True, slots=True)
class Compare:
    path: Path
    operator: str
    value: Value


@dataclass(frozen=True, slots=True)
class Present:
    path: Path


@dataclass(frozen=True, slots=True)
class Every:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Without:
    part: "Filter"


@dataclass(frozen=True, slots=True)
class Within:
    """One value of a list for which all of the part holds."""

    path: Path
    part: "Filter"


Filter = Compare | Present | Every | Some | Without | Within


@dataclass(frozen=True, slots=True)
class Target:
    """Where a change is to go: an attribute, which of its values, and which part of them."""

    path: Path
    chosen: Filter | None = None
    part: str | None = None


def read(text: str) -> Filter:
    """The filter of this text. Raises ScimProblem (invalidFilter) with the place where it is none."""
    reader = _Reader(text, "invalidFilter")
    found = reader.either(0)
    reader.end()
    return found


def read_path(text: str) -> Target:
    """The target of a change: `active`, `name.givenName`, `members[value eq "P1"]`, `emails[type eq "work"].value`."""
    reader = _Reader(text, "invalidPath")
    path = reader.path()
    if not reader.takes("["):
        reader.end()
        return Target(path)
    chosen = reader.either(1)
    reader.needs("]")
    part = None
    if reader.rest().startswith("."):
        part = reader.rest()[1:].strip().lower()
        if not re.fullmatch(r"[a-z$_][a-z0-9$_-]*", part):
            raise reader.wrong("a name")
        return Target(path, chosen, part)
    reader.end()
    return Target(path, chosen, part)


class _Reader:
    """Reads a filter from left to right; `not` binds closest, then `and`, then `or`."""

    def __init__(self, text: str, scim_type: str) -> None:
        self._scim_type = scim_type
        if len(text) > LENGTH_MOST:
            raise ScimProblem(scim_type, f"a filter may have at most {LENGTH_MOST} characters")
        self._text, self._at, self._terms = text, 0, 0

    def rest(self) -> str:
        return self._text[self._at :]

    def wrong(self, wanted: str) -> ScimProblem:
        got = self.rest().strip()[:20]
        return ScimProblem(self._scim_type, f"at character {self._at + 1} {wanted} is expected, not {got!r}" if got else f"{wanted} is missing at the end")

    def _next(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._at)

    def takes(self, word: str) -> bool:
        """Whether this mark or word comes next; then it is behind us."""
        found = self._next()
        if found is None or (found["mark"] or found["word"] or "").lower() != word:
            return False
        self._at = found.end()
        return True

    def needs(self, mark: str) -> None:
        if not self.takes(mark):
            raise self.wrong(f"'{mark}'")

    def end(self) -> None:
        if self.rest().strip():
            raise self.wrong("'and', 'or' or the end")

    def either(self, depth: int) -> Filter:
        parts = [self.both(depth)]
        while self.takes("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def both(self, depth: int) -> Filter:
        parts = [self.term(depth)]
        while self.takes("and"):
            parts.append(self.term(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def term(self, depth: int) -> Filter:
        self._terms += 1
        if depth > DEPTH_MOST or self._terms > TERMS_MOST:
            raise ScimProblem(self._scim_type, f"a filter may have at most {TERMS_MOST} terms, {DEPTH_MOST} deep")
        if self.takes("not"):
            self.needs("(")
            part = self.either(depth + 1)
            self.needs(")")
            return Without(part)
        if self.takes("("):
            part = self.either(depth + 1)
            self.needs(")")
            return part
        path = self.path()
        if self.takes("["):
            part = self.either(depth + 1)
            self.needs("]")
            return Within(path, part)
        found = self._next()
        operator = found["word"].lower() if found is not None and found["word"] else ""
        if operator == "pr":
            self.takes("pr")
            return Present(path)
        if operator not in OPERATORS:
            raise self.wrong(f"one of {', '.join(OPERATORS)} or pr")
        self.takes(operator)
        value = self._value()
        if operator not in {"eq", "ne"} and not (isinstance(value, str) or (operator[0] in "gl" and not isinstance(value, bool) and value is not None)):
            raise ScimProblem(self._scim_type, f"{operator} compares texts{' and numbers' if operator[0] in 'gl' else ''}, not {value!r}")
        return Compare(path, operator, value)

    def path(self) -> Path:
        found = self._next()
        if found is None or not found["word"]:
            raise self.wrong("the name of an attribute")
        self._at = found.end()
        return path_of(found["word"])

    def _value(self) -> Value:
        found = self._next()
        if found is None or found["mark"]:
            raise self.wrong("a value, a text in double quotes,")
        if found["word"]:
            known: dict[str, Value] = {"true": True, "false": False, "null": None}
            if found["word"].lower() not in known:
                raise self.wrong("a value, a text in double quotes,")
            self._at = found.end()
            return known[found["word"].lower()]
        self._at = found.end()
        if found["number"]:
            return float(found["number"]) if "." in found["number"] else int(found["number"])
        return _unescaped(found["text"][1:-1])


def path_of(word: str) -> Path:
    """The names in an attribute's full name: SCIM's own schema is left out, another one stays a name in front."""
    urn, _, name = word.rpartition(":")
    names = tuple(name.lower().split("."))
    return names if not urn or urn.lower().startswith(CORE.lower()) else (urn.lower(), *names)


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if code[0] == "u" else _ESCAPES.get(code, code)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text)


def holds(asked: Filter, document: Mapping[str, Any], above: Path = ()) -> bool:
    """Whether the filter holds for the document; `above` is the attribute the document is a value of."""
    match asked:
        case Every(parts):
            return all(holds(part, document, above) for part in parts)
        case Some(parts):
            return any(holds(part, document, above) for part in parts)
        case Without(part):
            return not holds(part, document, above)
        case Within(path, part):
            return any(isinstance(value, Mapping) and holds(part, value, (*above, *path)) for value in _values(document, path))
        case Present(path):
            return any(value not in (None, "", [], {}) for value in _values(document, path))
        case Compare(path, operator, value):
            is_exact = (*above, *path) in _EXACT
            found = [_plain(one) for one in _values(document, path)] or [None]
            if operator == "ne":
                return not any(_compares(one, "eq", value, is_exact=is_exact) for one in found)
            return any(_compares(one, operator, value, is_exact=is_exact) for one in found)


def named(document: Mapping[str, Any], name: str) -> str | None:
    """The key of the document with this name, whatever its case."""
    return next((key for key in document if key.lower() == name), None)


def _values(document: Mapping[str, Any], path: Path) -> Iterator[Any]:
    """The values at a path; a list stands for each of its values."""
    key = named(document, path[0])
    found = document[key] if key is not None else None
    for value in found if isinstance(found, list) else [found]:
        if len(path) == 1:
            if value is not None:
                yield value
        elif isinstance(value, Mapping):
            yield from _values(value, path[1:])


def _plain(value: Any) -> Any:
    """A value of a list as it is compared: by its `value`."""
    return value.get("value") if isinstance(value, Mapping) else value


def _compares(mine: Any, operator: str, theirs: Value, *, is_exact: bool) -> bool:
    if isinstance(mine, str) and isinstance(theirs, str):
        one, other = (mine, theirs) if is_exact else (mine.casefold(), theirs.casefold())
        return {
            "eq": one == other, "co": other in one, "sw": one.startswith(other), "ew": one.endswith(other),
            "gt": one > other, "ge": one >= other, "lt": one < other, "le": one <= other,
        }[operator]  # fmt: skip
    if isinstance(mine, bool) or isinstance(theirs, bool) or mine is None or theirs is None:
        return operator == "eq" and mine is theirs
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return {"eq": mine == theirs, "gt": mine > theirs, "ge": mine >= theirs, "lt": mine < theirs, "le": mine <= theirs}.get(operator, False)
    return False
