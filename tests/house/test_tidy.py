"""The laws of the house that a machine can see; each test says one, and names every file that breaks it."""

import ast
import os
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, calls, files, imports, name_of, python, text, tree

NO_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "handlers", "misc", "data", "info"}
"""Names that say nothing: a file with no better one has content without a home."""

ROLLS = {
    "tocsin/channels": "CHANNEL",
    "tocsin/inbound": "READER",
    "tocsin/api/resources": "DECLARED",
    "tocsin/engine/followers": "FOLLOWER",
    "tocsin/web/pages": "PAGES",
}
"""Folders with a roll-call, and the name that makes a file in them a member of it."""

DIALECT_WORDS = re.compile(r"sqlite|postgres|psycopg", re.IGNORECASE)
MAY_NAME_A_DIALECT = ("tocsin/store/dialect.py", "tocsin/store/types.py", "tocsin/store/db.py", "tocsin/store/hot.py", "tocsin/store/migrations/")

CLOCKS = re.compile(r"(^|\.)(datetime\.(now|utcnow|today)|date\.today|time\.(time|time_ns))$")
CHANCE = re.compile(r"^(random\.(random|choice|choices|randint|randrange|shuffle|uniform|sample|getrandbits)|uuid\.uuid[14])$")

HOSTS = re.compile(r"registry\.npmjs|npmjs\.(org|com)|pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.yarnpkg|crates\.io", re.IGNORECASE)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|opt)/[\w.-]|/home/[a-z]")


def parts(file: Path) -> list[str]:
    """The words a file is called by."""
    return [*file.relative_to(ROOT).parts[:-1], file.stem]


@pytest.mark.parametrize("folder", ["tocsin", "tests", "bench", "scripts"])
def test_every_file_says_in_its_first_line_what_it_is_for(folder):
    wrong = []
    for file in python(folder):
        if file.name == "__init__.py":
            continue
        first = text(file).split("\n", 1)[0]
        if not first.startswith('"""') or len(first) < 15:
            wrong.append(name_of(file))
    assert wrong == []


def test_package_files_are_empty():
    assert [name_of(file) for file in python("tocsin", "tests") if file.name == "__init__.py" and text(file).strip()] == []


def test_every_folder_of_code_is_a_package():
    folders = {file.parent for file in python("tocsin", "tests") if "fixtures" not in file.parts}
    assert sorted(name_of(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_no_file_has_a_name_that_says_nothing():
    assert [name_of(file) for file in python("tocsin", "tests", "bench", "scripts") if NO_NAMES & set(parts(file))] == []


@pytest.mark.parametrize("folder", sorted(ROLLS))
def test_every_member_answers_the_roll_call(folder):
    here = [file for file in python(folder) if file.parent == ROOT / folder and file.stem not in {"__init__", "roll"}]
    members = {file.stem for file in here if ROLLS[folder] in assigned(tree(file))}
    assert sorted(members - called(folder)) == [], f"not in {folder}/roll.py"


def test_every_file_of_tables_answers_the_roll_call():
    here = {file.stem for file in python("tocsin/store/tables")} - {"__init__", "roll", "base"}
    assert sorted(here - called("tocsin/store/tables")) == []


def assigned(module: ast.Module) -> set[str]:
    """The names that a module gives values to at its top."""
    targets = [target for node in module.body if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in module.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def called(folder: str) -> set[str]:
    """The neighbours that a folder's roll imports."""
    roll, package = ROOT / folder / "roll.py", folder.replace("/", ".") + "."
    if not roll.exists():
        return set()
    return {module.removeprefix(package).split(".")[0] for _, module in imports(tree(roll)) if module.startswith(package)}


def test_only_the_dialect_names_a_database():
    """Words in docstrings, comments and help are free; names, arguments and statements are not."""
    wrong = []
    for file in python("tocsin"):
        if name_of(file).startswith(MAY_NAME_A_DIALECT):
            continue
        words = set()
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
        words |= {module for _, module in imports(tree(file))}
        wrong += [f"{name_of(file)}: {word}" for word in sorted(words) if DIALECT_WORDS.search(word)]
    assert wrong == []


def test_only_the_clock_reads_the_time():
    wrong = [
        f"{name_of(file)}:{line} {name}"
        for file in python("tocsin")
        if name_of(file) != "tocsin/base/clock.py"
        for line, name in calls(tree(file))
        if CLOCKS.search(name)
    ]
    assert wrong == []


def test_chance_is_always_handed_in():
    wrong = [f"{name_of(file)}:{line} {name}" for file in python("tocsin") for line, name in calls(tree(file)) if CHANCE.match(name)]
    assert wrong == []


def test_only_the_settings_read_the_environment():
    wrong = [
        f"{name_of(file)}:{node.lineno}"
        for file in python("tocsin")
        if name_of(file) != "tocsin/app/settings.py"
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "environb"}
    ]
    assert wrong == []


def test_tests_use_real_parts():
    wrong = [
        f"{name_of(file)}:{line} {module}"
        for file in python("tests")
        for line, module in imports(tree(file))
        if module.startswith(("unittest.mock", "mock.", "pytest_mock"))
    ]
    wrong += [
        f"{name_of(file)} asks for {argument.arg}"
        for file in python("tests")
        for function in ast.walk(tree(file))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in function.args.args
        if argument.arg in {"monkeypatch", "mocker"}
    ]
    assert wrong == []


def test_what_is_caught_broadly_says_why():
    """`except Exception` stands at the top of a loop, with its reason on the line."""
    wrong = []
    for file in python("tocsin"):
        lines = text(file).split("\n")
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"}):
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if not raises and "#" not in lines[node.lineno - 1]:
                    wrong.append(f"{name_of(file)}:{node.lineno}")
    assert wrong == []


def test_no_file_names_a_registry_or_a_path_of_one_machine():
    wrong = []
    for file in files():
        if file == Path(__file__).resolve():
            continue
        try:
            words = text(file)
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{name_of(file)}: {found.group()}" for pattern in (HOSTS, MACHINE_PATHS) for found in pattern.finditer(words)
        ]
    assert wrong == []


def test_nothing_is_left_for_later_in_the_code():
    """Work to do is in the tracker, and the code does not refer to it: a reader of the code does not have it."""
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bissue #?\d+|\bthe brief\b")
    code = {".py", ".html", ".js", ".css", ".sh", ".toml", ".md"}
    wrong = [
        f"{name_of(file)}: {found.group()}"
        for file in files()
        if file.suffix in code and file != Path(__file__).resolve()
        for found in later.finditer(text(file))
    ]
    assert wrong == []


def test_requirements_are_exact_and_hashed():
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-pagerduty5.txt"):
        for line in text(ROOT / name).split("\n"):
            if line and not line.startswith((" ", "#")):
                assert re.match(r"^[A-Za-z0-9._\[\]-]+==\S+( ; .*)? \\$", line), f"{name}: {line}"


def test_scripts_can_be_run():
    assert [name_of(file) for file in files() if file.suffix == ".sh" and not os.access(file, os.X_OK)] == []
