"""Libraries: what is imported is required, what is required is explained, and everywhere it is the same list."""

import re
import sys
import tomllib

from tests.house.tree import ROOT, imports, python, text, tree

CALLED_OTHERWISE = {"argon2": "argon2-cffi", "re2": "google-re2", "dateutil": "python-dateutil", "yaml": "pyyaml", "jwt": "pyjwt", "OpenSSL": "pyopenssl"}
"""Modules whose library has another name."""

USED_WITHOUT_IMPORT = {
    "psycopg[binary]",  # by the database's address
    "python-multipart",  # by starlette, for forms
    "tzdata",  # by zoneinfo, where the machine has no zones
}


def asked_for() -> set[str]:
    lines = text(ROOT / "requirements.in").split("\n")
    return {line.strip() for line in lines if line.strip() and not line.startswith(("#", "-"))}


def test_every_list_of_libraries_is_the_same():
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    told = set(re.findall(r"^\| ([a-z0-9_-]+) \|", text(ROOT / "docs/decisions/0012-libraries.md"), re.MULTILINE)) - {"library"}
    assert sorted(project["dependencies"]) == sorted(asked_for())
    assert told == {name.partition("[")[0] for name in asked_for()}


def test_what_is_imported_is_required_and_what_is_required_is_used():
    modules = {module.partition(".")[0] for file in python("tocsin") for _, module in imports(tree(file))}
    outside = {CALLED_OTHERWISE.get(name, name) for name in modules - set(sys.stdlib_module_names) - {"tocsin"}}
    assert sorted(outside) == sorted(asked_for() - USED_WITHOUT_IMPORT)
