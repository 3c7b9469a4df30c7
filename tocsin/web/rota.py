"""What the pages of schedules share: the range and zone somebody looks at, people's colours, and the pictures of a rota.

Laws:
1. Range and zone stand in the address (`days`, `from`, `zone`), so that every view can be linked.
2. A picture's link does what the link in the list beside it does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup

from tocsin.base import times
from tocsin.base.errors import Refusal
from tocsin.base.times import Span, from_wall, human_duration
from tocsin.core import schedule as rules
from tocsin.core.schedule import Entry
from tocsin.service.browsing import Names
from tocsin.service.rota import Board
from tocsin.store.schedules import Loaded
from tocsin.web.drawing import Block, Track, rota_board, rota_rows
from tocsin.web.visit import PREFIX, Visit

RANGES: Final = (("1", "Day"), ("7", "Week"), ("14", "2 weeks"), ("35", "Month"))
"""Days shown, and what that is called; a month is five whole weeks."""
DAYS_UNASKED: Final = "14"
WHOLE_WEEKS: Final = 35
CROWDED: Final = 0.05
"""The share of the days shown under which a stretch has no room for a name."""
YEARS: Final = range(1990, 2100)
"""Days outside these years are not gone to."""


@dataclass(frozen=True, slots=True)
class Looking:
    """From which day, for how many days and in which zone somebody looks; `zone_word` is how the address says the zone."""

    first: date
    days: int
    zone: ZoneInfo
    zone_word: str
    today: date

    @property
    def span(self) -> Span:
        """The days as a span: from midnight to midnight in the zone."""
        return Span(midnight(self.first, self.zone), midnight(self.first + timedelta(days=self.days), self.zone))

    @property
    def before(self) -> date:
        return self.first - timedelta(days=self.days)

    @property
    def after(self) -> date:
        return self.first + timedelta(days=self.days)

    @property
    def is_today(self) -> bool:
        return self.first <= self.today < self.after

    @property
    def words(self) -> str:
        """The days in words: `23 Nov – 6 Dec 2026`."""
        last = self.after - timedelta(days=1)
        if self.days == 1:
            return f"{self.first:%A} {self.first.day} {self.first:%b %Y}"
        year = "" if self.first.year == last.year else f" {self.first.year}"
        return f"{self.first.day} {self.first:%b}{year} – {last.day} {last:%b %Y}"

    def query(self) -> dict[str, str]:
        """The same, for the address."""
        return {"days": str(self.days), "from": self.first.isoformat()} | ({"zone": self.zone_word} if self.zone_word else {})


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When this day begins in the zone."""
    return from_wall(datetime.combine(day, time()), zone)


def looking(visit: Visit, own_zone: str) -> Looking:
    """What the address asks for; what makes no sense there is as if it were not said."""
    zone, word = zone_asked(visit, visit.asked("zone"), own_zone)
    today = visit.now.astimezone(zone).date()
    asked = visit.asked("days", DAYS_UNASKED)
    days = int(asked) if asked in dict(RANGES) else int(DAYS_UNASKED)
    first = day_asked(visit.asked("from")) or today
    if days == WHOLE_WEEKS:
        first -= timedelta(days=first.weekday())
    return Looking(first, days, zone, word, today)


def day_asked(text: str) -> date | None:
    """A day of the address; None when it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def zone_asked(visit: Visit, word: str, own_zone: str) -> tuple[ZoneInfo, str]:
    """The zone a word stands for (empty: the viewer's; `schedule`: the schedule's), and the word if it made sense."""
    if word == "schedule":
        return times.zone_named(own_zone), word
    if word:
        try:
            return times.zone_named(word), word
        except ValueError:
            return visit.zone, ""
    return visit.zone, ""


def at_asked(visit: Visit, own_zone: str) -> tuple[datetime | None, str, str]:
    """The instant that "who is on call at" asks for, the word of its zone, and what is wrong with it."""
    text = visit.asked("at").strip()
    zone, word = zone_asked(visit, visit.asked("at_zone"), own_zone or visit.zone.key)
    if not text:
        return None, word, ""
    try:
        at = times.parse_instant(text, zone=zone)
    except (ValueError, OverflowError):
        return None, word, "Enter a day and a time, like 2026-11-25T03:00"
    if at.year not in YEARS:
        return None, word, f"Choose a time in the years {YEARS.start} to {YEARS.stop - 1}"
    return at, word, ""


def zone_choices(visit: Visit, own_zone: str) -> list[tuple[str, str]]:
    """The zones that are offered first: mine, the schedule's, UTC."""
    found = [("", f"Mine: {times_of(visit)}")]
    if own_zone:
        found.append(("schedule", f"The schedule's: {own_zone}"))
    return [*found, ("UTC", "UTC")]


def times_of(visit: Visit) -> str:
    """The viewer's own zone."""
    return visit.zone.key


def in_zone(visit: Visit, zone: ZoneInfo) -> Visit:
    """The visit with its times told in another zone."""
    return replace(visit, zone=zone)


# ------------------------------------------------------------------------------------------------------------ pictures


@dataclass(frozen=True, slots=True)
class Painter:
    """What the pictures and lists need to show people of a rota: their names and colours, and the zone of the clock.

    override  where a click on a stretch leads; empty = nowhere
    """

    names: Names
    tones: Mapping[str, int]
    zone: ZoneInfo
    now: datetime
    override: str = ""
    query: Mapping[str, str] | None = None

    def labels(self, user_id: str) -> tuple[str, ...]:
        """A name, and what stands for it where there is less room."""
        name = self.names(user_id)
        words = name.split() or [name]
        return tuple(dict.fromkeys((name, words[0], initials(name))))

    def kind(self, user_id: str) -> str:
        return f"who tone{self.tones.get(user_id, 0)}"

    def says(self, start: datetime, end: datetime, who: str) -> str:
        """A stretch in words: `Ada, Mon 23 Nov 09:00 to Tue 24 Nov 09:00 (1 d)`."""
        return f"{who}, {self.day_clock(start)} to {self.day_clock(end)} ({human_duration(end - start)})"

    def day_clock(self, at: datetime) -> str:
        return day_clock(at, self.zone)

    def stretch(self, start: datetime, end: datetime) -> str:
        """From when to when, in a line: `Mon 23 Nov 06:00–08:00`, `Mon 23 Nov 06:00 to Tue 24 Nov 08:00`."""
        if start.astimezone(self.zone).date() == end.astimezone(self.zone).date():
            return f"{self.day_clock(start)}–{end.astimezone(self.zone):%H:%M}"
        return f"{self.day_clock(start)} to {self.day_clock(end)}"

    def hours(self, start: datetime, end: datetime) -> str:
        """From when to when, as short as it can be understood under a name."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        if end - start <= timedelta(days=1):
            return f"{first:%H:%M}–{last:%H:%M}"
        return f"{first:%a %H:%M} – {last:%a %H:%M}"

    def link(self, start: datetime, end: datetime) -> str:
        """Where somebody else is put on call for this stretch; nowhere for what is over."""
        if not self.override or end <= self.now:
            return ""
        start = max(start, self.now.replace(second=0, microsecond=0))
        return f"{self.override}?{urlencode({**(self.query or {}), 'start': times.iso(start), 'end': times.iso(end)})}"

    def final(self, entries: Sequence[Entry], gaps: Sequence[Span]) -> tuple[Block, ...]:
        """The final schedule as blocks, gaps among them."""
        blocks = [
            Block(
                one.start, one.end, self.kind(one.user_id), self.labels(one.user_id), self.hours(one.start, one.end),
                self.says(one.start, one.end, self.names(one.user_id)) + (": put somebody else on call" if self.link(one.start, one.end) else ""),
                self.link(one.start, one.end),
            )
            for one in entries
        ]  # fmt: skip
        blocks += [
            Block(
                one.start, one.end, "gap", ("Nobody",), self.hours(one.start, one.end),
                self.says(one.start, one.end, "Nobody") + (": fill this gap" if self.link(one.start, one.end) else ""), self.link(one.start, one.end),
            )
            for one in gaps
        ]  # fmt: skip
        return tuple(sorted(blocks, key=lambda block: block.start))


def words_of(refusal: Refusal) -> str:
    """What a refusal says is wrong, in one line."""
    errors = refusal.errors if isinstance(refusal.errors, list) else [words for some in refusal.errors.values() for words in some]
    return " ".join(errors) or refusal.message


def day_clock(at: datetime, zone: ZoneInfo) -> str:
    """`Mon 23 Nov 14:05`."""
    local = at.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def clock_in(zone: ZoneInfo) -> Callable[[datetime], str]:
    """What tells instants by the wall clock of this zone."""

    def told(at: datetime) -> str:
        return day_clock(at, zone)

    return told


def initials(name: str) -> str:
    """`AL` of Ada Lovelace, `Bo` of Bo."""
    words = name.split()
    return "".join(word[0] for word in words[:2]).upper() if len(words) > 1 else name[:2]


def whole_entries(loaded: Loaded, board: Board) -> tuple[Entry, ...]:
    """The entries of the final schedule, those cut by the days shown as long as they really are."""
    return rules.overflowing(loaded.schedule, loaded.overrides, board.entries, board.span)


def tracks(painter: Painter, board: Board, entries: Sequence[Entry], *, with_layers: bool = True) -> list[Track]:
    """The rows of the wide picture."""
    found = [Track("Final schedule", painter.final(entries, board.gaps), "final")]
    if board.overrides:
        blocks = [
            Block(
                one.start, one.end, painter.kind(one.user_id) + " override" if one.user_id else "gap", painter.labels(one.user_id) if one.user_id else ("Nobody",), "",
                painter.says(one.start, one.end, f"Override: {painter.names(one.user_id) if one.user_id else 'nobody'}"),
            )
            for one in board.overrides
        ]  # fmt: skip
        found.append(Track("Overrides", tuple(blocks), "overrides"))
    if with_layers:
        for row in board.rows:
            blocks = [
                Block(
                    one.start, one.end, painter.kind(one.user_id), painter.labels(one.user_id), "",
                    painter.says(one.start, one.end, f"{row.name}: {painter.names(one.user_id)}"),
                )
                for one in row.entries
            ]  # fmt: skip
            found.append(Track(row.name, tuple(blocks), "layer", row.hidden))
    return found


def pictures(painter: Painter, looked: Looking, board: Board, entries: Sequence[Entry], name: str) -> dict[str, Markup]:
    """The pictures of a schedule: `stack` for a desk, `calendar` for a month there, `days` for a phone."""
    blocks = painter.final(entries, board.gaps)
    drawn = {"stack": rota_board(tracks(painter, board, entries), board.span, painter.now, painter.zone, name=f"{name}: who is on call, and by which layer; the list below says the same")}
    drawn["days"] = rota_rows(blocks, rows_of(looked, 1), painter.now, painter.zone, name=f"{name}: who is on call, a day a row", is_wide=False)
    if looked.days == WHOLE_WEEKS or (looked.days > 7 and is_crowded(board)):
        drawn["calendar"] = rota_rows(blocks, rows_of(looked, 7), painter.now, painter.zone, name=f"{name}: who is on call, a week a row", is_wide=True)
    return drawn


def is_crowded(board: Board) -> bool:
    """Whether the stretches are too short for names to be read when all the days stand in one row."""
    lengths = sorted(one.end - one.start for one in board.stretches)
    typical = lengths[len(lengths) // 2]
    return typical / (board.span.end - board.span.start) < CROWDED


def rows_of(looked: Looking, days: int) -> list[tuple[str, Span]]:
    """The days looked at in rows of so many days each, with the words that name each row."""
    rows = []
    for number in range(0, looked.days, days):
        day = looked.first + timedelta(days=number)
        words = f"{day.day} {day:%b}" if days > 1 else f"{day:%a} {day.day}"
        rows.append((words, Span(midnight(day, looked.zone), midnight(day + timedelta(days=days), looked.zone))))
    return rows


def address(schedule_id: str, query: Mapping[str, str | None] | None = None) -> str:
    """The page of a schedule as somebody looks at it; words of the query that are None are left out."""
    pairs = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{PREFIX}/schedules/{schedule_id}" + (f"?{urlencode(pairs)}" if pairs else "")
