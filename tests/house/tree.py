"""The tree of this project as the tests of the house see it: tracked files, and what they import."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, part of the project: tracked by git, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return tuple(sorted(ROOT / name for name in names if (ROOT / name).is_file()))


def name_of(file: Path) -> str:
    """A file's path as one would say it."""
    return file.relative_to(ROOT).as_posix()


@cache
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(text(file), filename=str(file))


def python(*folders: str) -> list[Path]:
    """The Python files below these folders, generated migrations left out."""
    return [
        file
        for file in files()
        if file.suffix == ".py" and name_of(file).startswith(folders) and "/migrations/versions/" not in name_of(file)
    ]


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import below a node: its line and the module's full name (`a.b` for `from a import b`)."""
    for one in ast.walk(node):
        if isinstance(one, ast.Import):
            yield from ((one.lineno, alias.name) for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            yield from ((one.lineno, f"{one.module}.{alias.name}") for alias in one.names)


def calls(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Every call below a node by its dotted name, with its line."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            yield one.lineno, dotted(one.func)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for an attribute of a name; what is no name becomes empty."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
