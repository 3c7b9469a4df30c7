"""Calendar rules: the shifts that an RFC 5545 recurrence makes in time, across clock changes, exceptions and additions.

Laws:
1. Shift k of the rule starts when the wall clock of the rule's zone shows start k of `wall_rule`, and lasts `seconds` on that
   clock; times that happen twice or never are placed by base/times law 2. A shift the clocks leave no length does not exist.
2. A rule of hours or minutes without BY parts, whose INTERVAL is no whole number of days, runs in elapsed time, as turns of
   such lengths do; its shifts last `seconds` of elapsed time.
3. A shift ends when the next one of its rule begins, if that is sooner: "the whole month" is 31 days, cut.
4. A shift taken out by EXDATE leaves a hole where it was and still uses up its turn. A shift put in by RDATE has the number
   of the last shift of the rule that began before it, taken out or not, so that it moves nobody's turn.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from operator import attrgetter
from typing import Final, Literal

from tocsin.base.times import Span, from_wall, to_wall, zone_named
from tocsin.core.wall_rule import Starts, parse, starts_of

MOST_EXCEPTIONS: Final = 1_000
"""The most shifts that may be taken out of a rule, and the most that may be put in."""

LONGEST_SHIFT: Final = 366 * 86_400
"""The longest shift of a rule, in seconds."""

LAST_YEAR: Final = 9_000
"""The last year in which a rule may begin: what it is followed for must still be a date."""

_REACH: Final = timedelta(hours=25)
"""Further than any clock change moves a time of the wall clock."""

_NO_TWO_CHANGES: Final = timedelta(days=5)
"""No zone has changed its clocks there and back again so soon: the soonest was Boa Vista in 2000, after a week."""

_DAY: Final = 86_400
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """Shifts by the calendar: an RRULE with its DTSTART, EXDATE and RDATE.

    first      DTSTART: no shift begins before it; it gives the time of day, and INTERVAL counts from it
    seconds    how long each shift lasts, by the wall clock (law 1)
    time_zone  in whose wall clock the rule runs; it may differ from the schedule's
    rule       an RRULE value, like "FREQ=WEEKLY;BYDAY=MO,TU"
    except_at  EXDATE: starts of shifts that do not take place
    added_at   RDATE: starts of shifts beside the rule's, each as long as the others
    """

    first: datetime
    seconds: int
    time_zone: str
    rule: str
    except_at: tuple[datetime, ...] = ()
    added_at: tuple[datetime, ...] = ()
    kind: Literal["rule"] = "rule"

    def __post_init__(self) -> None:
        """Raises ValueError in plain words for what cannot be a rule."""
        if self.first.microsecond or not 1900 <= self.first.year <= LAST_YEAR:
            raise ValueError(f"a recurrence rule begins on a whole second between the years 1900 and {LAST_YEAR}")
        if not 60 <= self.seconds <= LONGEST_SHIFT:
            raise ValueError("a shift of a recurrence rule lasts between a minute and 366 days")
        if max(len(self.except_at), len(self.added_at)) > MOST_EXCEPTIONS:
            raise ValueError(f"a recurrence rule has at most {MOST_EXCEPTIONS:,} EXDATEs and as many RDATEs")
        if any(added < self.first for added in self.added_at):
            raise ValueError("a shift added by RDATE cannot begin before the rule does")
        _clock_of(self)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One shift of a rule: [start, end), with the number by which its holder is found."""

    number: int
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Around:
    """What a rule says around an instant: the shift of this number, or between shifts None; None = without end there."""

    number: int | None
    start: datetime | None
    end: datetime | None


def around(rule: Rule, instant: datetime) -> Around:
    """The shift that `instant` falls in, or the time between two shifts around it."""
    return _clock_of(rule).around(instant)


def occurrences_in(rule: Rule, span: Span) -> Iterator[Occurrence]:
    """The shifts that overlap `span`, in order, uncut by it, none overlapping the next."""
    return _clock_of(rule).within(span)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where a shift begins, and where it ends if nothing cuts it.

    is_out  taken out: nothing happens from `start` on, until the next one begins
    An end that is not after the start, of one not taken out: the clocks leave it no length, as if it were not there.
    """

    start: datetime
    number: int
    end: datetime
    is_out: bool = False

    @property
    def counts(self) -> bool:
        return self.is_out or self.start < self.end


@dataclass(frozen=True, slots=True)
class _Clock:
    """A rule made ready to be asked.

    may_cross  whether a clock change may put two of its starts in another order than the wall clock has them
    put_in     the added shifts, by start
    """

    starts: Starts
    zone: tzinfo
    length: timedelta
    may_cross: bool
    taken_out: frozenset[datetime]
    put_in: tuple[_Begin, ...] = ()

    def around(self, instant: datetime) -> Around:
        if (quick := self._quickly(instant)) is not None:
            return quick
        begun, following = self._before(instant), self._after(instant)
        if begun is not None and not begun.is_out:
            end = begun.end if following is None else min(begun.end, following.start)
            if instant < end:
                return Around(begun.number, begun.start, end)
        edge: datetime | None = None  # where the last shift before this time is cut, if it is
        while begun is not None and begun.is_out:
            edge, begun = begun.start, self._before(begun.start - _MICROSECOND)
        while following is not None and following.is_out:
            following = self._after(following.start)
        start = None if begun is None else begun.end if edge is None else min(begun.end, edge)
        return Around(None, start, None if following is None else following.start)

    def within(self, span: Span) -> Iterator[Occurrence]:
        begun = self._before(span.start)
        found = self._begins(span.start if begun is None else begun.start, span.end)
        for at, one in enumerate(found):
            following = found[at + 1] if at + 1 < len(found) else self._after(one.start)
            end = one.end if following is None else min(one.end, following.start)
            if not one.is_out and one.start < min(end, span.end) and span.start < end:
                yield Occurrence(one.number, one.start, end)

    def number_begun(self, instant: datetime) -> int:
        """The number of the last shift of the rule that began at or before `instant`; 0 before the first."""
        begun = self._before(instant)
        return 0 if begun is None else begun.number

    def _quickly(self, instant: datetime) -> Around | None:
        """What `around` says, where the shift before and the shift after it say it all; else None."""
        if self.put_in:
            return None
        number = self.starts.number_at(to_wall(instant, self.zone))
        begun, following = self._begin(number), self._begin(number + 1)
        if begun is None or following is None or not begun.start <= instant < following.start:
            return None
        if begun.is_out or following.is_out or not begun.counts or not following.counts:
            return None
        if self.may_cross and not self._is_even(begun.start, following.start):
            return None
        end = min(begun.end, following.start)
        return Around(number, begun.start, end) if instant < end else Around(None, end, following.start)

    def _is_even(self, start: datetime, end: datetime) -> bool:
        """Whether the clocks are known not to change from `start` to `end` or near them."""
        first, last = (start - _REACH).astimezone(self.zone), (end + _REACH).astimezone(self.zone)
        return last - first < _NO_TWO_CHANGES and first.utcoffset() == last.utcoffset()

    def _before(self, instant: datetime) -> _Begin | None:
        """The last that counts and begins at or before `instant`."""
        at = bisect_right(self.put_in, instant, key=_start_of)
        added = self.put_in[at - 1 : at]
        while begun := [one for one in self._of_rule(instant, instant) if one.start <= instant]:
            if counting := [one for one in begun if one.counts]:
                return max([counting[-1], *added], key=_order_of)
            instant = begun[0].start - _MICROSECOND
        return added[0] if added else None

    def _after(self, instant: datetime) -> _Begin | None:
        """The first that counts and begins after `instant`."""
        at = bisect_right(self.put_in, instant, key=_start_of)
        added = self.put_in[at : at + 1]
        while coming := [one for one in self._of_rule(instant, instant) if one.start > instant]:
            if counting := [one for one in coming if one.counts]:
                return min([counting[0], *added], key=_order_of)
            instant = coming[-1].start
        return added[0] if added else None

    def _begins(self, since: datetime, until: datetime) -> list[_Begin]:
        """All that count and begin in [since, until], in order."""
        first = bisect_left(self.put_in, since, key=_start_of)
        last = bisect_right(self.put_in, until, key=_start_of)
        found = [one for one in self._of_rule(since, until) if one.counts and since <= one.start <= until]
        return sorted([*found, *self.put_in[first:last]], key=_order_of)

    def _of_rule(self, since: datetime, until: datetime) -> list[_Begin]:
        """The rule's own from `since` to `until`, the last before and the first after, in order; more may be among them."""
        wall, later = to_wall(since, self.zone), to_wall(until, self.zone)
        if self.may_cross:
            low, high = self._crossing(wall, -_REACH), self._crossing(later, _REACH) + 1
        else:
            low, high = self.starts.number_at(wall) - 1, self.starts.number_at(later) + 2
        found = [one for one in map(self._begin, range(max(low, 0), high + 1)) if one is not None]
        return sorted(found, key=_order_of) if self.may_cross else found

    def _crossing(self, wall: datetime, reach: timedelta) -> int:
        """The number of a start so far from `wall` that all beyond it are beyond it in time, too."""
        number = self.starts.number_at(wall + reach)
        start = self.starts.start(max(number, 0) if reach < timedelta() else number + 1)
        return number if start is None else self.starts.number_at(start + reach)

    def _begin(self, number: int) -> _Begin | None:
        wall = self.starts.start(number)
        if wall is None:
            return None
        start = from_wall(wall, self.zone)
        return _Begin(start, number, from_wall(wall + self.length, self.zone), start in self.taken_out)


@lru_cache(maxsize=8192)
def _clock_of(rule: Rule) -> _Clock:
    parsed = parse(rule.rule)
    is_elapsed = parsed.is_finer_than_days and not parsed.has_parts and parsed.step % _DAY != 0
    own = zone_named(rule.time_zone)
    zone: tzinfo = UTC if is_elapsed else own
    until = parsed.until
    if until is not None and (parsed.until_is_utc or is_elapsed):
        until = to_wall(until.replace(tzinfo=UTC) if parsed.until_is_utc else from_wall(until, own), zone)
    starts = starts_of(rule.rule, to_wall(rule.first, zone), until)
    length = timedelta(seconds=rule.seconds)
    out = frozenset(rule.except_at)
    clock = _Clock(starts, zone, length, parsed.has_many_times and not is_elapsed, out)
    added = [_Begin(at, clock.number_begun(at), from_wall(to_wall(at, zone) + length, zone)) for at in set(rule.added_at) - out]
    put_in = tuple(sorted((one for one in added if one.counts), key=_order_of))
    return _Clock(starts, zone, length, clock.may_cross, out, put_in)


def _order_of(one: _Begin) -> tuple[datetime, int]:
    return one.start, one.number


_start_of = attrgetter("start")
