"""Pictures made on the server, as SVG: where people would rather look than read.

Laws:
1. A picture carries no style of its own: classes say what a thing is, the style sheets how it looks.
2. Every picture has a name read aloud, and the same facts stand as a list or a table beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a strip."""

    name: str
    stretches: tuple[Stretch, ...]


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


def on_call_strip(lanes: Sequence[Lane], span: Span, now: datetime, zone: ZoneInfo) -> Markup:
    """Who is on call, a lane a level, over the days of `span`; gaps are drawn as gaps, a change of the clocks as a line."""
    width, left, lane_height, top = 960.0, 96.0, 34, 22
    x = _scale(span, left, width - 4)
    bottom = top + lane_height * len(lanes)
    parts: list[Markup] = []
    for at in [span.start, *ticks(span, zone, 9)]:
        words = _tick_words(at, span, zone) if at != span.start else ""
        parts.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(x(at), top - 6, bottom))
        if words and x(at) < width - 60:
            parts.append(Markup('<text class="axis" x="{:.1f}" y="{}">{}</text>').format(x(at) + 4, top - 8, words))
    for row, lane in enumerate(lanes):
        y = top + row * lane_height
        parts.append(Markup('<text class="lane" x="0" y="{}">{}</text>').format(y + 21, _cut(lane.name, 15)))
        parts += [_block(one, x, y + 4, lane_height - 8) for one in lane.stretches]
    for at in clock_changes(span, zone):
        words = f"The clocks change here: {at.astimezone(zone):%a %d %b %H:%M}"
        parts.append(Markup('<g class="dst"><path d="M{0:.1f} {1}V{2}"/><title>{3}</title></g>').format(x(at), top - 6, bottom, words))
    if now in span:
        parts.append(Markup('<path class="now" d="M{0:.1f} {1}V{2}"/>').format(x(now), top - 6, bottom))
    return _svg(width, bottom + 4, "strip", "Who is on call over the next days; the table says the same", parts)


def _block(one: Stretch, x: "_Scale", y: float, height: float) -> Markup:
    start, end = x(one.start), x(one.end)
    room = int((end - start - 8) / 7)
    label = _cut(one.label, room) if room >= 2 else ""
    return Markup(
        '<g class="b-{}"><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="3"/>'
        '<text x="{:.1f}" y="{}">{}</text><title>{}</title></g>'
    ).format(one.kind, start + 0.5, y, max(end - start - 1, 1), height, start + 6, y + height / 2 + 4, label, one.label)


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
