"""Pictures made on the server, as SVG: where people would rather look than read.

Laws:
1. A picture carries no style of its own: classes say what a thing is, the style sheets how it looks.
2. Every picture has a name read aloud, and the same facts stand as a list or a table beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from markupsafe import Markup

from tocsin.base.times import Span, from_wall, to_wall

STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 129600, 525600)
)
"""Distances between the marks of an axis that people read easily."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something that lasts. `kind` becomes its class; `label` is written inside where there is room."""

    start: datetime
    end: datetime
    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at one instant."""

    at: datetime
    kind: str
    label: str


def ticks(span: Span, zone: ZoneInfo, most: int) -> list[datetime]:
    """Where an axis has its marks: at round wall-clock times, at most `most` of them."""
    length = span.end - span.start
    least = timedelta(days=1) if length > timedelta(days=2) else timedelta()  # over two days the words are days
    step = next((one for one in STEPS if one >= least and length / one <= most), STEPS[-1])
    wall = to_wall(span.start, zone)
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    at = day + ((wall - day) // step + 1) * step if step < timedelta(days=1) else day + timedelta(days=1)
    found = []
    while (instant := from_wall(at, zone)) < span.end:
        found.append(instant)
        at += step
    return found


def _tick_words(at: datetime, span: Span, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    if span.end - span.start > timedelta(days=2):
        return f"{local:%a} {local.day} {local:%b}"
    return f"{local:%H:%M}"


def incident_line(stretches: Sequence[Stretch], marks: Sequence[Mark], span: Span, zone: ZoneInfo) -> Markup:
    """An incident as a bar of its states from left to right, with a mark for whatever happened to it."""
    width, left, right = 960.0, 8.0, 8.0
    x = _scale(span, left, width - right)
    parts = [Markup('<rect class="s-{}" x="{:.1f}" y="26" width="{:.1f}" height="14" rx="2"><title>{}</title></rect>').format(
        one.kind, x(one.start), max(x(one.end) - x(one.start), 2), one.label) for one in stretches]  # fmt: skip
    for mark in marks:
        at = x(mark.at)
        parts.append(
            Markup('<g class="m-{}"><path d="M{:.1f} 20v24"/><circle cx="{:.1f}" cy="14" r="5"/><title>{}</title></g>').format(
                mark.kind, at, at, mark.label
            )
        )
    parts += [_tick(x(at), 40, 52, _tick_words(at, span, zone), width) for at in ticks(span, zone, 9)]
    return _svg(width, 58, "incident-line", "The incident's states and pages over time; the list below says the same", parts)


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a bar. `kind` becomes its class; `words` say what it is."""

    kind: str
    size: float
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of `bars`: its name, and its parts from left to right."""

    name: str
    slices: tuple[Slice, ...]


def bars(rows: Sequence[Bar], even: float, name: str) -> Markup:
    """Rows of hours from left to right, each in its parts, with a line where an even share would end; a table says the same."""
    width, left, right, height, top = 960.0, 150.0, 70.0, 30, 22
    most = max([even, *(sum(one.size for one in row.slices) for row in rows)], default=0) or 1
    bottom = top + height * len(rows)
    per_hour = (width - left - right) / most
    parts: list[Markup] = []
    for number, row in enumerate(rows):
        y, x = top + number * height, left
        parts.append(Markup('<text class="lane" x="0" y="{}">{}</text>').format(y + 19, _cut(row.name, 20)))
        for one in row.slices:
            if one.size > 0:
                parts.append(
                    Markup('<rect class="h-{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}: {:.1f} h</title></rect>').format(
                        one.kind, x, y + 5, max(one.size * per_hour, 1), height - 10, one.words, one.size
                    )
                )
            x += one.size * per_hour
        total = sum(one.size for one in row.slices)
        parts.append(Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="end">{:.0f} h</text>').format(width - 4, y + 19, total))
    at = left + even * per_hour
    parts.append(Markup('<path class="even" d="M{0:.1f} {1}V{2}"/>').format(at, top - 4, bottom))
    parts.append(Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">even share {:.0f} h</text>').format(at, top - 9, even))
    return _svg(width, bottom + 6, "bars", name, parts)


def clock_changes(span: Span, zone: ZoneInfo) -> list[datetime]:
    """The instants within the span at which the zone's offset changes, to the minute."""
    found = []
    at = span.start
    while at < span.end:
        after = min(at + timedelta(hours=12), span.end)
        if at.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = at, after
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
                    low = middle
                else:
                    high = middle
            found.append(high.replace(second=0, microsecond=0))
        at = after
    return found


# ----------------------------------------------------------------------------------------------------------- the rota

WIDE, NARROW = 992.0, 340.0
"""Widths of pictures for a desk and for a phone, so that a letter is about as large as on the rest of the page."""
LETTER, CAPITAL = 6.5, 8.5
"""How wide the letters of a block are taken to be."""
LINK_LEAST = 24.0
"""Narrower blocks are no links: nobody would hit them; the list beside the picture has them all."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a rota. Of `names` (the longest first) the first that fits is written in it, and `under` below it.

    says  what is told on hover and aloud; href  where a click leads
    """

    start: datetime
    end: datetime
    kind: str
    names: tuple[str, ...] = ()
    under: str = ""
    says: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Track:
    """One row of a rota: several people at once stand below one another. `veils` dim what something above it replaces."""

    name: str
    blocks: tuple[Block, ...]
    kind: str = "layer"
    veils: tuple[Span, ...] = ()


def rota_board(tracks: Sequence[Track], span: Span, now: datetime, zone: ZoneInfo, *, name: str, key: str = "wide") -> Markup:
    """The final schedule, overrides and layers below one another over one span: days on top, today marked, gaps hatched.

    `key` tells it from other boards of the same page.
    """
    left, top = 138.0, 30.0
    x = _scale(span, left, WIDE - 2)
    laid = [(track, _piled(track.blocks)) for track in tracks]
    heights = [max(max((pile for _, pile in piled), default=0) + 1, 1) * _row_height(track) + 10 for track, piled in laid]
    bottom = top + sum(heights)
    parts = [_HATCH.format(key), *_days_behind(span, zone, now, x, top, bottom)]
    y = top
    for (track, piled), height in zip(laid, heights, strict=True):
        parts.append(Markup('<path class="grid" d="M0 {0:.1f}H{1:.0f}"/>').format(y, WIDE))
        words = Markup('<text class="lane lane-{0}" x="2" y="{1:.1f}">{2}<title>{3}</title></text>')
        parts.append(words.format(track.kind, y + 5 + _row_height(track) / 2 + 4, _cut(track.name, 20), track.name))
        for block, pile in piled:
            parts.append(_rota_block(block, x, y + 5 + pile * _row_height(track), _row_height(track) - 3, key))
        dimmed = Markup('<rect class="veil" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
        parts += [dimmed.format(x(veil.start), y + 3, max(x(veil.end) - x(veil.start), 1), height - 6) for veil in track.veils]
        y += height
    parts += _clocks_and_now(span, zone, now, x, top, bottom)
    return _group(WIDE, bottom + 2, "rota", name, parts)


def rota_rows(
    blocks: Sequence[Block], rows: Sequence[tuple[str, Span]], now: datetime, zone: ZoneInfo, *, name: str, is_wide: bool
) -> Markup:
    """The final schedule like a page of a calendar: a day or a week a row, named on its left."""
    width, left, top = (WIDE, 76.0, 24.0) if is_wide else (NARROW, 52.0, 24.0)
    pattern = "calendar" if is_wide else "narrow"
    one_high, parts, y = 36 if is_wide else 30, [_HATCH.format(pattern)], top
    parts += _heads_of_rows(rows, zone, left, width, top)
    for words, span in rows:
        x = _scale(span, left, width - 2)
        piled = _piled([block for block in blocks if block.start < span.end and block.end > span.start])
        height = max(max((pile for _, pile in piled), default=0) + 1, 1) * one_high + 6
        is_now = " row-now" if now in span else ""
        parts.append(Markup('<path class="grid" d="M0 {:.1f}H{:.0f}"/>').format(y, width))
        if is_now:
            parts.append(Markup('<rect class="today" x="0" y="{:.1f}" width="{:.0f}" height="{:.1f}"/>').format(y, width, height))
        parts.append(Markup('<text class="lane{}" x="2" y="{:.1f}">{}</text>').format(is_now, y + one_high / 2 + 7, words))
        parts += [_rota_block(block, x, y + 3 + pile * one_high, one_high - 3, pattern) for block, pile in piled]
        parts += _clocks_and_now(span, zone, now, x, y, y + height, with_words=False)
        y += height
    return _group(width, y + 2, "rota", name, parts)


_HATCH = Markup(
    '<defs><pattern id="hatch-{0}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="hatch-ground" width="7" height="7"/><rect class="hatch-line" width="2.5" height="7"/></pattern></defs>'
)


def _row_height(track: Track) -> int:
    return 46 if track.kind == "final" else 27


def _piled(blocks: Sequence[Block]) -> list[tuple[Block, int]]:
    """Each block with how many rows down it stands, so that none covers another."""
    ends: list[datetime] = []
    found = []
    for block in sorted(blocks, key=lambda one: one.start):
        pile = next((number for number, end in enumerate(ends) if end <= block.start), len(ends))
        ends[pile : pile + 1] = [block.end]
        found.append((block, pile))
    return found


def _days_behind(span: Span, zone: ZoneInfo, now: datetime, x: "_Scale", top: float, bottom: float) -> list[Markup]:
    """Columns of days with their names on top, the weekend shaded; hours when the span is short."""
    parts: list[Markup] = []
    if span.end - span.start <= timedelta(days=2):
        marks = [span.start, *ticks(span, zone, 13)]
        for at in marks:
            parts.append(Markup('<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x(at), top - 6, bottom))
            if x(at) < x.right - 30:
                parts.append(Markup('<text class="axis" x="{:.1f}" y="{:.1f}">{}</text>').format(x(at) + 3, top - 10, f"{at.astimezone(zone):%H:%M}"))
        return parts
    today = now.astimezone(zone).date()
    edges = [span.start, *_midnights(span, zone), span.end]
    for start, end in pairwise(edges):
        day = start.astimezone(zone)
        room = x(end) - x(start)
        if day.weekday() > 4:
            shade = Markup('<rect class="weekend" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
            parts.append(shade.format(x(start), top, room, bottom - top))
        parts.append(Markup('<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/>').format(x(start), top - 6, bottom))
        words = f"{day:%a} {day.day} {day:%b}" if room > 66 else f"{day:%a} {day.day}" if room > 40 else f"{day.day}" if room > 17 else ""
        kind = "axis axis-today" if day.date() == today else "axis"
        parts.append(Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(kind, x(start) + 3, top - 10, words))
    return parts


def _heads_of_rows(rows: Sequence[tuple[str, Span]], zone: ZoneInfo, left: float, width: float, top: float) -> list[Markup]:
    """Over rows of a day the hours; over rows of a week the weekdays."""
    if not rows:
        return []
    first = rows[0][1]
    is_week = first.end - first.start > timedelta(days=2)
    step = (width - 2 - left) / (7 if is_week else 24)
    parts = []
    for number in range(7) if is_week else range(0, 24, 6):
        at = left + number * step
        words = f"{(first.start.astimezone(zone) + timedelta(days=number)):%a}" if is_week else f"{number:02d}:00"
        parts.append(Markup('<text class="axis" x="{:.1f}" y="{:.1f}">{}</text>').format(at + 3, top - 8, words))
        parts.append(Markup('<path class="grid" d="M{:.1f} {:.1f}v6"/>').format(at, top - 6))
    return parts


def _clocks_and_now(
    span: Span, zone: ZoneInfo, now: datetime, x: "_Scale", top: float, bottom: float, *, with_words: bool = True
) -> list[Markup]:
    parts = []
    for at in clock_changes(span, zone):
        local = at.astimezone(zone)
        before = (at - timedelta(minutes=1)).astimezone(zone)
        hours = ((local.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())) / timedelta(hours=1)
        words = f"The clocks go {'forward' if hours > 0 else 'back'} by {abs(hours):g} h here: {local:%a} {local.day} {local:%b %H:%M}"
        parts.append(Markup('<g class="dst"><path d="M{0:.1f} {1:.1f}V{2:.1f}"/><title>{3}</title></g>').format(x(at), top - 4, bottom, words))
        if with_words:
            label = Markup('<text class="dst-words" x="{:.1f}" y="{:.1f}">{}</text>')
            parts.append(label.format(min(x(at) + 4, x.right - 74), bottom - 3, f"clocks {'+' if hours > 0 else '-'}{abs(hours):g} h"))
    if now in span:
        parts.append(Markup('<path class="now" d="M{0:.1f} {1:.1f}V{2:.1f}"/>').format(x(now), top - (4 if with_words else 0), bottom))
        if with_words:
            parts.append(Markup('<circle class="now-dot" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>now</title></circle>').format(x(now), top - 4))
    return parts


def _rota_block(one: Block, x: "_Scale", y: float, height: float, pattern: str) -> Markup:
    start, end = x(one.start), x(one.end)
    width = max(end - start - 1.5, 1)
    label = next((name for name in one.names if _width(name) + 10 <= width), "")
    is_gap = one.kind == "gap"
    fill = Markup(' fill="url(#hatch-{})"').format(pattern) if is_gap else ""
    middle = y + height / 2 + 4
    parts = [Markup('<rect class="body" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="4"{}/>').format(start + 0.75, y, width, height, fill)]
    if not is_gap and width > 6:
        parts.append(Markup('<rect class="edge" x="{:.1f}" y="{:.1f}" width="3" height="{:.1f}" rx="1.5"/>').format(start + 0.75, y, height))
    if label:
        under = one.under if height > 40 and len(one.under) * 5.4 + 12 <= width else ""
        baseline = middle - 7 if under else middle
        if is_gap:
            plate = Markup('<rect class="plate" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{}" rx="3"/>')
            room = max(len(label) * 7.4, len(under) * 5.6) + 6
            parts.append(plate.format(start + 4, baseline - 12, min(room, width - 6), 32 if under else 16))
        parts.append(Markup('<text x="{:.1f}" y="{:.1f}">{}</text>').format(start + 8, baseline, label))
        if under:
            parts.append(Markup('<text class="under" x="{:.1f}" y="{:.1f}">{}</text>').format(start + 8, baseline + 14, under))
    words = Markup("").join(parts)
    if one.href and width >= LINK_LEAST:
        return Markup('<a class="b-{}" href="{}" data-pop tabindex="-1">{}<title>{}</title></a>').format(one.kind, one.href, words, one.says)
    return Markup('<g class="b-{}">{}<title>{}</title></g>').format(one.kind, words, one.says)


def _width(words: str) -> float:
    return sum(CAPITAL if letter.isupper() else LETTER for letter in words)


def _midnights(span: Span, zone: ZoneInfo) -> list[datetime]:
    day = to_wall(span.start, zone).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    found = []
    while (at := from_wall(day, zone)) < span.end:
        if at > span.start:
            found.append(at)
        day += timedelta(days=1)
    return found


def _group(width: float, height: float, kind: str, name: str, parts: Sequence[Markup]) -> Markup:
    """A picture with links in it: read as a group, not as one image."""
    return Markup('<svg class="picture {}" viewBox="0 0 {:.0f} {:.0f}" role="group" aria-label="{}">{}</svg>').format(
        kind, width, height, name, Markup("").join(parts)
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start: datetime
    seconds: float
    left: float
    right: float

    def __call__(self, at: datetime) -> float:
        share = (at - self.start).total_seconds() / self.seconds
        return self.left + min(max(share, 0), 1) * (self.right - self.left)


def _scale(span: Span, left: float, right: float) -> _Scale:
    return _Scale(span.start, max((span.end - span.start).total_seconds(), 1), left, right)


def _tick(x: float, top: float, baseline: float, words: str, width: float) -> Markup:
    anchor = "start" if x < 24 else "end" if x > width - 24 else "middle"
    return Markup('<path class="grid" d="M{:.1f} {}v4"/><text class="axis" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
        x, top, x, baseline + 4, anchor, words
    )


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: max(most - 1, 1)] + "…"


def _svg(width: float, height: float, kind: str, name: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="picture {}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        kind, width, height, name, Markup("").join(parts)
    )
