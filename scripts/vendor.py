"""Fetch the libraries of the pages from npm, check every file against our own hashes, and put beside the pages what they use.

Laws:
1. Exact versions are in package.json, hashes in scripts/vendor.toml; npm's scripts are not run and no lock file is kept.
2. A file that differs from its hash stops everything: nothing unknown reaches a browser.
3. `--pin` writes the hashes anew, for whoever has looked at a new version.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tocsin.web.icons import NAMES

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
TARGET = ROOT / "tocsin" / "web" / "static" / "vendor"
LIST = ROOT / "scripts" / "vendor.toml"
HEAD = """\
# What the pages and their tests use of the libraries in package.json, with the hash (SHA-256) each file must have.
# `use` is "page" (copied beside the pages), "icons" (those of tocsin/web/icons.py are copied) or "test" (read in place).
# After changing a version: look at the new files, then `.venv/bin/python scripts/vendor.py --pin`.
"""


def main() -> int:
    wanted = tomllib.loads(LIST.read_text())
    if not fetched():
        command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if "--pin" in sys.argv:
        pin(wanted)
        return 0
    wrong = [source for source, rule in wanted.items() if digest(MODULES / source) != rule["sha256"]]
    if wrong:
        print(f"vendor: not what scripts/vendor.toml expects: {', '.join(wrong)}", file=sys.stderr)
        return 1
    shutil.rmtree(TARGET, ignore_errors=True)
    for source, rule in wanted.items():
        place(MODULES / source, rule["use"])
    return 0


def fetched() -> bool:
    """Whether the exact versions of package.json are already here."""
    package = json.loads((ROOT / "package.json").read_text())
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        here = MODULES / name / "package.json"
        if not here.exists() or json.loads(here.read_text())["version"] != version:
            return False
    return True


def digest(path: Path) -> str:
    """The hash of a file, or of all the files right in a folder with their names."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.iterdir()):
        whole.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def place(source: Path, use: str) -> None:
    """Put beside the pages what they use of this file or folder."""
    TARGET.mkdir(parents=True, exist_ok=True)
    if use == "page":
        shutil.copy(source, TARGET / source.name)
    elif use == "icons":
        folder = TARGET / "lucide"
        folder.mkdir()
        for name in NAMES:
            shutil.copy(source / f"{name}.svg", folder)


def pin(wanted: dict[str, dict[str, str]]) -> None:
    """Write the hashes of what is here now."""
    lines = [f'"{source}" = {{ use = "{rule["use"]}", sha256 = "{digest(MODULES / source)}" }}' for source, rule in wanted.items()]
    LIST.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
