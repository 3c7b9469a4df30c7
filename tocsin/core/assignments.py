"""What each source of a schedule says by itself: every shift with who has it, empty places too (PagerDuty's final schedule).

Laws:
1. At every instant the people named here are those that `core/schedule.py` puts on call, as long as all rotations share one
   rank and nobody owns the schedule by an override: both read the same shifts and replace by the same rule.
2. A shift is told once: what an edit of the schedule cut without changing who has it is joined again.
Source: BEHAVIOUR 5.4, `computed_shift_assignments`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from tocsin.base.times import Span, zone_named
from tocsin.core.rotation import People, pieces_in, stretch_at
from tocsin.core.schedule import Model, Replacement, Schedule, Version

ASSIGNMENTS_MOST: Final = 50_000
"""Assignments that are told at once."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One place of one shift: who has it from `start` to `end`, and through what.

    user_id         None = an empty place
    source_id       the rotation or the extra shift
    is_extra        whether the source is an extra shift
    replacement_id  what put `user_id` there in the place of another, if so
    """

    start: datetime
    end: datetime
    user_id: str | None
    source_id: str
    is_extra: bool
    replacement_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Shift:
    """A stretch of one source within one version, and the start of the whole shift it is part of."""

    start: datetime
    end: datetime
    people: People
    source_id: str
    is_extra: bool
    began: datetime


def assignments(schedule: Schedule, span: Span) -> tuple[Assignment, ...]:
    """Every assignment of `span`, cut at its bounds, by start. Raises ValueError for more than ASSIGNMENTS_MOST."""
    found: list[Assignment] = []
    latest: dict[tuple[object, ...], int] = {}
    for part, version in _parts(schedule, span):
        for shift in sorted(_shifts(version.model, part), key=_started):
            for one in _assigned(shift, version.model.replacements):
                key = (one.user_id, one.source_id, one.replacement_id, shift.began)
                at = latest.get(key)
                if at is not None and found[at].end == one.start:
                    found[at] = replace(found[at], end=one.end)
                else:
                    latest[key] = len(found)
                    found.append(one)
                    if len(found) > ASSIGNMENTS_MOST:
                        raise ValueError(f"there are more than {ASSIGNMENTS_MOST} shifts: ask for a shorter range")
    return tuple(sorted(found, key=_begun))


def overflowing(schedule: Schedule, span: Span, reach: timedelta) -> tuple[Assignment, ...]:
    """The assignments of `span`, those cut at its bounds as long as they are, up to `reach` beyond each bound.

    Raises ValueError for more than ASSIGNMENTS_MOST on the way.
    """
    wide = assignments(schedule, Span(span.start - reach, span.end + reach))
    return tuple(one for one in wide if one.start < span.end and one.end > span.start)


def _parts(schedule: Schedule, span: Span) -> Iterator[tuple[Span, Version]]:
    """`span` cut at the versions' edges; without what lies before the first."""
    for at, version in enumerate(schedule.versions):
        following = schedule.versions[at + 1].effective_at if at + 1 < len(schedule.versions) else span.end
        start, end = max(span.start, version.effective_at), min(span.end, following)
        if start < end:
            yield Span(start, end), version


def _shifts(model: Model, span: Span) -> Iterator[_Shift]:
    zone = zone_named(model.time_zone)
    for rotation in model.rotations:
        for shift in rotation.shifts:
            for piece in pieces_in(shift, span, zone):
                whole = stretch_at(shift, piece.start, zone).start
                yield _Shift(piece.start, piece.end, piece.people, rotation.id, False, whole or piece.start)
    for extra in model.extra_shifts:
        if (start := max(extra.start, span.start)) < (end := min(extra.end, span.end)):
            yield _Shift(start, end, extra.people, extra.id, True, extra.start)


def _assigned(shift: _Shift, replacements: Iterable[Replacement]) -> Iterator[Assignment]:
    """A shift's places, cut where a replacement begins or ends. Of two for one member the later made one stands."""
    standing = [
        one
        for one in sorted(replacements, key=_made)
        if one.source_id == shift.source_id and one.start < shift.end and one.end > shift.start
    ]
    edges = {shift.start, shift.end}
    edges |= {edge for one in standing for edge in (one.start, one.end) if shift.start < edge < shift.end}
    for member in shift.people or (None,):
        yield from _place(shift, member, standing, sorted(edges))


def _place(
    shift: _Shift, member: str | None, standing: Sequence[Replacement], edges: Sequence[datetime]
) -> Iterator[Assignment]:
    last: Assignment | None = None
    for start, end in pairwise(edges):
        chosen = None
        for one in standing:
            if one.member == member and one.start <= start < one.end:
                chosen = one
        user_id = member if chosen is None else chosen.by
        id_ = None if chosen is None else chosen.id
        if last is not None and (last.user_id, last.replacement_id) == (user_id, id_):
            last = replace(last, end=end)
            continue
        if last is not None:
            yield last
        last = Assignment(start, end, user_id, shift.source_id, shift.is_extra, id_)
    if last is not None:
        yield last


def _started(shift: _Shift) -> datetime:
    return shift.start


def _begun(one: Assignment) -> datetime:
    return one.start


def _made(one: Replacement) -> int:
    return one.sequence
