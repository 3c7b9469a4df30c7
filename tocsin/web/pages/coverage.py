"""Page of coverage: when nobody would be reached in the next weeks, and why; when only late; and who is at two places at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from tocsin.base.times import Span, human_duration
from tocsin.core.coverage import Repeated, together
from tocsin.service import browsing, coverage, coverage_watch, roster
from tocsin.service.coverage import PolicyCoverage
from tocsin.store import coverage as store_coverage
from tocsin.store.db import Tx
from tocsin.web.visit import Page, View, Visit

WEEKS = (1, 2, 4, 8, 12, 26)
WEEKS_UNASKED = 4
STRETCHES_SHOWN = 20
"""Stretches shown of one policy; how many more there are is said."""
DOUBLES_SHOWN = 50


def is_whole(one: PolicyCoverage) -> bool:
    """Whether the first level reaches somebody at every instant, for every service."""
    return not (one.gaps or one.weak or any(own.gaps or own.weak for own in one.own))


@dataclass(frozen=True, slots=True)
class Part:
    """What is shown of a policy, or of one of its services with a proof of its own (`service_id` not empty)."""

    name: str
    service_id: str
    gaps: list[Repeated]
    weak: list[Repeated]


@dataclass(frozen=True, slots=True)
class Shown:
    """A policy that has something to show, and its parts."""

    one: PolicyCoverage
    parts: list[Part]

    @classmethod
    def of(cls, one: PolicyCoverage) -> "Shown":
        parts = [Part("", "", together(one.gaps), together(one.weak))]
        parts += [Part(own.service.name, own.service.id, together(own.gaps), together(own.weak)) for own in one.own]
        return cls(one, [part for part in parts if part.gaps or part.weak])

    @property
    def has_gaps(self) -> bool:
        """Whether nobody is reached at some time."""
        return any(part.gaps for part in self.parts)


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    asked = visit.asked("weeks", str(WEEKS_UNASKED))
    weeks = int(asked) if asked in {str(number) for number in WEEKS} else WEEKS_UNASKED
    team = visit.asked("team")
    start = visit.now.replace(second=0, microsecond=0)
    found = coverage.look(tx, visit.who, Span(start, start + timedelta(weeks=weeks)), team_ids=[team] if team else ())
    return {
        "found": found,
        "since": partial(coverage_watch.since, store_coverage.holes(tx, [one.policy.id for one in found.policies])),
        "hidden": coverage.HIDDEN,
        "open": [Shown.of(one) for one in found.policies if not is_whole(one)],
        "whole": [one for one in found.policies if is_whole(one)],
        "gap_count": sum(len(one.gaps) + sum(len(own.gaps) for own in one.own) for one in found.policies),
        "weeks": weeks,
        "choices": [(str(number), f"{number} week{'s' if number > 1 else ''}") for number in WEEKS],
        "teams": browsing.teams(tx, visit.who),
        "asked_team": team,
        "stretches_shown": STRETCHES_SHOWN,
        "doubles_shown": DOUBLES_SHOWN,
        "lasting": human_duration,
    }


def mark(visit: Visit, tx: Tx) -> object:
    """Anew when a schedule, override or policy changes, when a hole is found or closed, and every hour, as the weeks move on."""
    return visit.now.replace(minute=0, second=0, microsecond=0), roster.change_mark(tx), store_coverage.change_mark(tx)


PAGES = (Page("/coverage", View("coverage.html", facts, mark)),)
