"""Writes what is served of PagerDuty's API: counts into README.md, every operation into docs/pagerduty-api.md: `make readme`."""

from collections import Counter
from pathlib import Path
from typing import Final

from tocsin.api.kernel.on_purpose import REASONS
from tocsin.app import wire

README: Final = Path(__file__).resolve().parent.parent / "README.md"
PAGE: Final = README.parent / "docs/pagerduty-api.md"
BEGIN: Final = "operations: begin -->\n"
END: Final = "<!-- operations: end -->"

PREFACE: Final = """# PagerDuty's API, operation by operation

{count} of {of_all} published operations are served. `make readme` writes this page from the table of routes, and a test
compares them; `tocsin operations` prints the same for the Tocsin at hand. *missing* is not built yet and answers 400;
*refused* answers 400 too, on purpose, for the reason that stands beside it.
"""


def served() -> str:
    """The table of the groups of which something is served, and a line of the others."""
    table = wire.make_table()
    published = [(one.tag, how == "served") for one, how in table.checklist() if one.source == "openapi"]
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


def page() -> str:
    """docs/pagerduty-api.md as it is now: every published operation, group by group, and how it stands."""
    table = wire.make_table()
    count, of_all = table.counted()
    groups: dict[str, list[str]] = {}
    for one, how in table.checklist():
        if one.source == "openapi":
            why = f": {REASONS[one.method, one.path]}" if how == "refused" else ""
            groups.setdefault(one.tag, []).append(f"| {one.method} | `{one.path}` | {how}{why} |")
    parts = [f"\n## {tag}\n\n| | path | |\n|---|---|---|\n" + "\n".join(groups[tag]) + "\n" for tag in sorted(groups)]
    return PREFACE.format(count=count, of_all=of_all) + "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
