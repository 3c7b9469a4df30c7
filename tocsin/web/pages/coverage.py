"""Page of coverage: when nobody would be reached in the next weeks, and why; when only late; and who is at two places at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tocsin.base.times import Span, human_duration
from tocsin.core.coverage import Reached
from tocsin.service import browsing, coverage, roster
from tocsin.store.db import Tx
from tocsin.web.visit import Page, View, Visit

WEEKS = (1, 2, 4, 8, 12, 26)
WEEKS_UNASKED = 4
STRETCHES_SHOWN = 20
"""Stretches shown of one policy; how many more there are is said."""
DOUBLES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Repeated:
    """Stretches that say the same, told together: the first of them, how many there are, and how long they last in all."""

    first: Reached
    count: int
    lasting: timedelta


def together(stretches: Iterable[Reached]) -> list[Repeated]:
    """Weak stretches are often the same every night: each kind once, the longest in all first."""
    found: dict[object, list[Reached]] = {}
    for one in stretches:
        found.setdefault((one.wait, one.causes), []).append(one)
    rows = [Repeated(same[0], len(same), sum((one.end - one.start for one in same), timedelta())) for same in found.values()]
    return sorted(rows, key=lambda row: row.lasting, reverse=True)


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    asked = visit.asked("weeks", str(WEEKS_UNASKED))
    weeks = int(asked) if asked in {str(number) for number in WEEKS} else WEEKS_UNASKED
    team = visit.asked("team")
    start = visit.now.replace(second=0, microsecond=0)
    found = coverage.look(tx, visit.who, Span(start, start + timedelta(weeks=weeks)), team_ids=[team] if team else ())
    return {
        "found": found,
        "hidden": coverage.HIDDEN,
        "open": [(one, together(one.weak)) for one in found.policies if one.gaps or one.weak],
        "whole": [one for one in found.policies if not one.gaps and not one.weak],
        "gap_count": sum(len(one.gaps) for one in found.policies),
        "weeks": weeks,
        "choices": [(str(number), f"{number} week{'s' if number > 1 else ''}") for number in WEEKS],
        "teams": browsing.teams(tx, visit.who),
        "asked_team": team,
        "stretches_shown": STRETCHES_SHOWN,
        "doubles_shown": DOUBLES_SHOWN,
        "lasting": human_duration,
    }


def mark(visit: Visit, tx: Tx) -> object:
    """Anew when a schedule, override or policy changes, and every hour, as the weeks move on."""
    return visit.now.replace(minute=0, second=0, microsecond=0), roster.change_mark(tx)


PAGES = (Page("/coverage", View("coverage.html", facts, mark)),)
