"""Writes into README.md how many of PagerDuty's operations are served, group by group: `make readme`."""

from collections import Counter
from pathlib import Path
from typing import Final

from tocsin.app import wire

README: Final = Path(__file__).resolve().parent.parent / "README.md"
BEGIN: Final = "operations: begin -->\n"
END: Final = "<!-- operations: end -->"


def served() -> str:
    """The table of the groups of which something is served, and a line of the others."""
    table = wire.make_table()
    published = [(one.tag, is_served) for one, is_served in table.checklist() if one.source == "openapi"]
    of_all = Counter(tag for tag, _ in published)
    here = Counter(tag for tag, is_served in published if is_served)
    rows = [f"| {tag} | {here[tag]} of {of_all[tag]} |" for tag in sorted(here)]
    others = ", ".join(f"{tag} ({count})" for tag, count in sorted(of_all.items()) if not here[tag])
    head = f"| {sum(here.values())} of {sum(of_all.values())}, by PagerDuty's groups | served |\n|---|---|\n"
    return f"\n{head}{chr(10).join(rows)}\n\nNothing yet of: {others}.\n\n"


def filled(page: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{served()}{END}{after}"


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
