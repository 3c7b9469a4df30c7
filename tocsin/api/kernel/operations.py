"""Every operation of PagerDuty's published REST API, one line each in operations.txt: the checklist we are measured by.

A line is method, path, tag, scope and source, separated by tabs; the source is `openapi` (version of 2026-08-14) or
`clients` (called by PagerDuty's own clients although it is not published).
"""

import re
from dataclasses import dataclass
from importlib import resources
from typing import Final


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as PagerDuty publishes it. `scope` is the OAuth scope it asks for, None without one."""

    method: str
    path: str
    tag: str
    scope: str | None
    source: str


def shape(path: str) -> str:
    """The path with its ids unnamed, to compare paths that name them differently."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def read_operations(text: str) -> tuple[Operation, ...]:
    """The operations in the text of the list."""
    operations = []
    for line in text.splitlines():
        method, path, tag, scope, source = line.split("\t")
        operations.append(Operation(method, path, tag, None if scope == "-" else scope, source))
    return tuple(operations)


OPERATIONS: Final = read_operations(resources.files("tocsin.api.kernel").joinpath("operations.txt").read_text())
