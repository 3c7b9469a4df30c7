"""Times as people read them: the viewer's wall clock, how long ago, and always the instant in UTC beside it.

Laws:
1. Every time on a page is in the viewer's zone, which the page names; UTC is one hover or focus away.
2. A relative time never stands without the absolute one in reach.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from tocsin.base.times import human_duration


def absolute(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`14:05` today, `Mon 14:05` within the week around now, `3 Nov 14:05` within the year, else with the year."""
    local, today = at.astimezone(zone), now.astimezone(zone)
    clock = f"{local:%H:%M}"
    apart = abs((local.date() - today.date()).days)
    if apart == 0:
        return clock
    if apart < 7:
        return f"{local:%a} {clock}"
    if local.year == today.year:
        return f"{local.day} {local:%b} {clock}"
    return f"{local.day} {local:%b %Y} {clock}"


def relative(at: datetime, now: datetime) -> str:
    """`4 min ago`, `in 12 min`, `just now`."""
    gap = now - at
    if abs(gap) < timedelta(seconds=5):
        return "just now"
    words = human_duration(_coarse(abs(gap)))
    return f"{words} ago" if gap > timedelta() else f"in {words}"


def _coarse(gap: timedelta) -> timedelta:
    """Whole minutes over an hour, whole hours over a day: nobody reads seconds there."""
    if gap >= timedelta(days=3):
        return timedelta(days=gap.days)
    return gap


def utc_words(at: datetime) -> str:
    """The instant for the hover: `2026-11-23 13:05:09 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine(at: datetime) -> str:
    """The instant for the `datetime` attribute."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def absolute_tag(at: datetime | None, now: datetime, zone: ZoneInfo) -> Markup:
    """A `<time>` with the wall clock; a dash for no time at all."""
    if at is None:
        return Markup('<span class="none">–</span>')
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine(at), utc_words(at), absolute(at, now, zone))


def relative_tag(at: datetime | None, now: datetime, zone: ZoneInfo) -> Markup:
    """A `<time>` that live.js keeps counting; the wall clock and UTC are in its title."""
    if at is None:
        return Markup('<span class="none">–</span>')
    title = f"{absolute(at, now, zone)} · {utc_words(at)}"
    return Markup('<time datetime="{}" title="{}" data-rel>{}</time>').format(machine(at), title, relative(at, now))


def zone_words(zone: ZoneInfo, now: datetime) -> str:
    """`Europe/Paris (CET, UTC+1)`: what the clock on this page means."""
    local = now.astimezone(zone)
    minutes = round((local.utcoffset() or timedelta()).total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    offset = "UTC" if minutes == 0 else f"UTC{sign}{hours}" + (f":{rest:02d}" if rest else "")
    name = local.tzname() or ""
    if name == offset or not name.isalpha():
        return f"{zone.key} ({offset})" if zone.key != offset else offset
    return f"{zone.key} ({name}, {offset})"
