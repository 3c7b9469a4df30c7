"""What the documents say is so: paths exist, settings, commands and make targets are told of, links lead somewhere."""

import re
from pathlib import Path

import click
import pytest

from scripts import readme
from tests.house.tree import ROOT, files, name_of, text
from tocsin.app import cli, settings

PATH = re.compile(r"`((?:tocsin|tests|docs|scripts|bench|\.ci)/[\w./-]*[\w/])`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def documents() -> list[Path]:
    return [file for file in files() if file.suffix == ".md"]


def test_every_path_that_a_document_names_exists():
    wrong = [
        f"{name_of(file)}: {path}"
        for file in documents()
        if "<" not in file.name
        for path in PATH.findall(text(file))
        if not (ROOT / path).exists()
    ]
    assert wrong == []


def test_every_document_that_a_file_of_code_names_exists():
    named = re.compile(r"docs/[\w./-]*\.md")
    wrong = [
        f"{name_of(file)}: {path}"
        for file in files()
        if file.suffix in {".py", ".sh", ".toml", ".html", ".js", ".css"} or file.name == "Makefile"
        for path in named.findall(text(file))
        if not (ROOT / path).exists()
    ]
    assert wrong == []


def test_every_link_between_documents_leads_somewhere():
    wrong = [
        f"{name_of(file)}: {target}"
        for file in documents()
        for target in LINK.findall(text(file))
        if "://" not in target and not target.startswith("mailto:") and not (file.parent / target).exists()
    ]
    assert wrong == []


def test_the_page_of_settings_is_the_one_the_settings_write():
    assert text(ROOT / "docs/SETTINGS.md") == settings.documentation(), "tocsin settings --markdown > docs/SETTINGS.md"


def test_the_readme_says_which_operations_are_served_now():
    page = text(ROOT / "README.md")
    assert page == readme.filled(page), "make readme"
    assert readme.PAGE.read_text(encoding="utf-8") == readme.page(), "make readme"


def test_every_picture_that_a_page_shows_is_taken_by_our_own_script():
    script = text(ROOT / "scripts/pictures.py")
    wrong = [file.name for file in (ROOT / "docs/pictures").glob("*.png") if f'"{file.stem}"' not in script]
    assert wrong == []


def commands(group: click.Group, before: str = "tocsin") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    for name, command in group.commands.items():
        found += commands(command, f"{before} {name}") if isinstance(command, click.Group) else [(f"{before} {name}", command)]
    return found


def test_every_command_and_its_options_are_documented():
    page = text(ROOT / "docs/COMMANDS.md")
    sections = {part.split("\n", 1)[0].strip("` "): part for part in page.split("\n## ")}
    missing = []
    for name, command in commands(cli.main):
        if name not in sections:
            missing.append(name)
            continue
        options = [option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts]
        missing += [f"{name} {option}" for option in options if f"`{option}" not in sections[name]]
    assert missing == []


def test_every_exit_code_is_documented():
    page = text(ROOT / "docs/COMMANDS.md")
    for code in (0, cli.REFUSED, 2, cli.WRONG_SETTINGS, cli.NOT_READY, cli.TO_MEND):
        assert f"| {code} |" in page


@pytest.mark.parametrize("page", ["README.md", "docs/HACKING.md"])
def test_every_make_target_that_a_page_names_exists(page):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text(ROOT / "Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]+)", text(ROOT / page), re.MULTILINE))
    assert sorted(named - targets) == []


def test_every_make_target_is_in_its_help():
    makefile = text(ROOT / "Makefile")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    told = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", makefile, re.MULTILINE))
    assert set(phony.group(1).split()) == told
