"""Changes of a SCIM document: a document and a list of operations become another document (RFC 7644 section 3.5.2).

Laws:
1. All operations are done in order, or none: a wrong one is refused and the document is as it was.
2. What a directory may not change (`id`, `meta`, the groups of a user) is refused; `schemas` is passed over.
3. Names have no case, as in filters; what the document cannot hold is passed over, as RFC 7644 allows.
Directories say some things in their own way: operations in capitals, dotted names without a path, members to be removed as a value.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.core.scim_filter import Compare, Every, Filter, Path, ScimProblem, Target, holds, named, path_of, read_path

OPERATIONS_MOST: Final = 1000

Document = dict[str, Any]

NAMES: Final[Mapping[str, str]] = {
    name.lower(): name
    for name in (
        "externalId", "userName", "name", "displayName", "title", "timezone", "active", "emails", "roles", "members",
        "formatted", "givenName", "familyName", "value", "type", "primary", "display",
    )  # fmt: skip
}
"""What a document can hold, by lower case."""
LISTS: Final = frozenset({"emails", "roles", "members"})
_FIXED: Final = frozenset({"id", "meta", "groups"})


def patched(document: Mapping[str, Any], operations: object) -> Document:
    """The document after these operations. Raises ScimProblem for the first that cannot be done."""
    if not isinstance(operations, list) or not operations:
        raise ScimProblem("invalidSyntax", "Operations must be a list with at least one operation")
    if len(operations) > OPERATIONS_MOST:
        raise ScimProblem("tooMany", f"a request may have at most {OPERATIONS_MOST} operations")
    found: Document = _copied(document)
    for operation in operations:
        _do(found, operation)
    return found


def _do(document: Document, operation: object) -> None:
    if not isinstance(operation, Mapping):
        raise ScimProblem("invalidSyntax", "an operation must be an object")
    verb = str(operation.get("op", "")).lower()
    if verb not in {"add", "remove", "replace"}:
        raise ScimProblem("invalidSyntax", "op must be add, remove or replace")
    path, value = operation.get("path"), operation.get("value")
    if path is not None and not isinstance(path, str):
        raise ScimProblem("invalidPath", "path must be a text")
    if path:
        _at(document, verb, read_path(path), value)
    elif verb == "remove":
        raise ScimProblem("noTarget", "remove needs a path")
    elif not isinstance(value, Mapping):
        raise ScimProblem("invalidValue", "without a path the value must be an object of attributes")
    else:
        for name, one in value.items():
            if str(name).lower() != "schemas":
                _at(document, verb, Target(path_of(str(name))), one)


def _at(document: Document, verb: str, target: Target, value: Any) -> None:
    """Do one operation at one place."""
    name = target.path[0]
    if name in _FIXED:
        raise ScimProblem("mutability", f"{name} cannot be changed")
    if name not in NAMES:
        return  # an attribute or a schema that is not kept here
    if name in LISTS:
        _in_list(document, verb, target, value)
    elif target.chosen is not None:
        raise ScimProblem("invalidPath", f"{NAMES[name]} has one value: there is none to choose")
    elif verb == "remove":
        _remove(document, target.path)
    else:
        _set(document, target.path, value)


def _set(document: Document, path: Path, value: Any) -> None:
    key = NAMES.get(path[0])
    if key is None:
        return
    if len(path) == 1:
        if isinstance(value, Mapping):
            inside = document.get(key)
            document[key] = {**(inside if isinstance(inside, dict) else {}), **_regular(value)}
        else:
            document[key] = value
        return
    inside = document.setdefault(key, {})
    if not isinstance(inside, dict):
        raise ScimProblem("invalidPath", f"{key} has no parts")
    _set(inside, path[1:], value)


def _remove(document: Document, path: Path) -> None:
    key = named(document, path[0])
    if key is None:
        return
    if len(path) == 1:
        del document[key]
    elif isinstance(document[key], dict):
        _remove(document[key], path[1:])


def _in_list(document: Document, verb: str, target: Target, value: Any) -> None:
    """An operation on a list of values, on some of them, or on a part of those."""
    key = NAMES[target.path[0]]
    values = [dict(one) for one in document.get(key) or ()]
    part = target.part or (target.path[1] if len(target.path) > 1 else None)
    if part is not None and part not in NAMES:
        return
    if target.chosen is None and part is None:
        document[key] = _whole_list(values, verb, value, key)
        return
    chosen = [at for at, one in enumerate(values) if target.chosen is None or holds(target.chosen, one, target.path[:1])]
    if verb == "remove":
        document[key] = _without(values, chosen, part)
        return
    if not chosen and verb == "replace":
        raise ScimProblem("noTarget", f"no value of {key} is what the path chooses")
    if not chosen:
        values.append(_begun(target.chosen))
        chosen = [len(values) - 1]
    for at in chosen:
        if part is not None:
            values[at][NAMES[part]] = value
        elif isinstance(value, Mapping):
            values[at] |= _regular(value)
        else:
            raise ScimProblem("invalidValue", f"a value of {key} must be an object")
    document[key] = values


def _without(values: list[Document], chosen: Sequence[int], part: str | None) -> list[Document]:
    if part is None:
        return [one for at, one in enumerate(values) if at not in chosen]
    for at in chosen:
        values[at].pop(NAMES[part], None)
    return values


def _whole_list(values: list[Document], verb: str, value: Any, key: str) -> list[Document]:
    if verb == "remove":
        if value is None:
            return []
        gone = {str(one.get("value")) for one in _listed(value, key)}
        return [one for one in values if str(one.get("value")) not in gone]
    given = _listed(value, key)
    if verb == "replace":
        return given
    known = {str(one.get("value")).casefold() for one in values}
    return values + [one for one in given if str(one.get("value")).casefold() not in known]


def _listed(value: Any, key: str) -> list[Document]:
    """Values of a list as a directory sends them: a list, or only one; each an object, or only what it is."""
    found = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping):
            found.append(_regular(one))
        elif isinstance(one, str):
            found.append({"value": one})
        else:
            raise ScimProblem("invalidValue", f"a value of {key} must be an object")
    return found


def _regular(value: Mapping[Any, Any]) -> Document:
    """The parts of an object under the names we know them by; others are passed over."""
    return {NAMES[name.lower()]: one for name, one in value.items() if isinstance(name, str) and name.lower() in NAMES}


def _begun(chosen: Filter | None) -> Document:
    """A value for which the filter holds, as far as it says what is to be equal."""
    parts = chosen.parts if isinstance(chosen, Every) else (chosen,)
    return {
        NAMES[part.path[0]]: part.value for part in parts if isinstance(part, Compare) and part.operator == "eq" and part.path[0] in NAMES
    }


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list | tuple) else value
