"""Instants, ranges and wall-clock times: ISO 8601 in and out, and what a time zone says of a wall clock.

Laws:
1. An instant is always an aware `datetime`; inside the house it is in UTC. A naive one is refused.
2. A wall-clock time that happens twice is its first occurrence; one that never happens moves forward by the gap.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"\s*(?:(Z|z)|([+-])(\d\d):?(\d\d)?)?(?:\s+(?:UTC|[A-Z]{3,5}))?(?:\s+m=[+-][\d.]+)?",
)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time [start, end): the start belongs to it, the end does not."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlaps(self, other: "Span") -> bool:
        return self.start < other.end and other.start < self.end


def parse_instant(text: str, *, zone: tzinfo = UTC) -> datetime:
    """Read an instant in the forms real clients send and return it in UTC.

    Accepts ISO 8601 with `T` or a space, with or without seconds and fraction, offsets with or without a colon, a bare
    date (midnight), and Go's `time.String()` (`2026-11-24 20:00:00 +0000 UTC`), which Terraform's client sends.
    A text without an offset is a wall clock in `zone`.

    Raises ValueError, saying what was wrong, when the text is none of these.
    """
    text = text.strip()
    if _DATE.fullmatch(text):
        return from_wall(datetime.fromisoformat(text), zone)
    found = _ISO.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text[:64]}' is not an ISO 8601 date and time")
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hours, off_minutes = found.groups()
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    wall = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros)  # noqa: DTZ001
    if zulu:
        return wall.replace(tzinfo=UTC)
    if sign:
        offset = timedelta(hours=int(off_hours), minutes=int(off_minutes or 0))
        try:
            return wall.replace(tzinfo=timezone(-offset if sign == "-" else offset)).astimezone(UTC)
        except OverflowError as error:
            raise ValueError(f"'{text[:64]}' is out of the range of dates") from error
    return from_wall(wall, zone)


def iso(instant: datetime, zone: tzinfo = UTC) -> str:
    """An instant as PagerDuty writes it: RFC 3339 in whole seconds, `Z` for UTC, else the zone's numeric offset."""
    local = instant.astimezone(zone)
    text = local.strftime("%Y-%m-%dT%H:%M:%S")
    return text + ("Z" if zone is UTC or str(zone) in {"UTC", "Etc/UTC"} else _offset(local))


def _offset(local: datetime) -> str:
    offset = local.utcoffset() or timedelta()
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def from_wall(wall: datetime, zone: tzinfo) -> datetime:
    """The instant (UTC) at which a clock on the wall in `zone` shows the naive time `wall` (law 2)."""
    # Of a skipped time, fold=0 makes zoneinfo use the offset before the gap, which moves it forward.
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def to_wall(instant: datetime, zone: tzinfo) -> datetime:
    """What a clock on the wall in `zone` shows at `instant`, as a naive time."""
    return instant.astimezone(zone).replace(tzinfo=None)


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The time zone of the tz database with this name. Raises ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name[:64]}' is not a time zone of the tz database (like 'Europe/Paris')") from error


def human_duration(span: timedelta) -> str:
    """A duration in short words for people: `45 s`, `5 min`, `2 h 30 min`, `3 d 4 h`."""
    seconds = round(span.total_seconds())
    if seconds < 0:
        return "-" + human_duration(-span)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        rest = minutes % 60
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    rest = hours % 24
    return f"{days} d {rest} h" if rest else f"{days} d"
