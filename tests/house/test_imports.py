"""Who may import what, beyond the contracts of pyproject.toml: the core's own list, and imports only at the top."""

import ast

from tests.house.tree import imports, name_of, python, tree

CORE_MAY_IMPORT = {
    "collections", "dataclasses", "datetime", "enum", "functools", "heapq", "itertools", "math", "re", "typing", "zoneinfo",
    "bisect", "operator",
    "calendar.isleap", "calendar.monthrange",
    "random.Random",  # the type of the argument by which chance is handed in; nothing is drawn from the module
    "re2",  # expressions that people write, in linear time (core/pattern.py)
    "tocsin.base", "tocsin.core",
}  # fmt: skip
"""The core is rules over values: the standard library's data parts, and the two lowest floors."""

BASE_THE_CORE_MAY_NOT_USE = {"tocsin.base.clock", "tocsin.base.secret", "tocsin.base.figures"}
"""Time is an argument; seals and figures are the shell's."""


def test_the_core_imports_only_what_computes():
    wrong = [
        f"{name_of(file)}:{line} imports {module}"
        for file in python("tocsin/core")
        for line, module in imports(tree(file))
        if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in CORE_MAY_IMPORT)
        or any(module.startswith(banned) for banned in BASE_THE_CORE_MAY_NOT_USE)
    ]
    assert wrong == []


def test_nothing_is_imported_inside_a_function():
    wrong = [
        f"{name_of(file)}:{line} imports {module} inside {function.name}"
        for file in python("tocsin", "tests", "bench", "scripts")
        for function in ast.walk(tree(file))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for line, module in imports(function)
    ]
    assert wrong == []
