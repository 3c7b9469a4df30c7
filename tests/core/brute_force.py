"""A second opinion on who is on call: every minute looked at by itself, every turn walked to from the anchor, nothing shared."""

from calendar import isleap, monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import DAY, RecurringShift, Turns
from tocsin.core.schedule import Model, Override, Schedule

MINUTE = timedelta(minutes=1)
MIDNIGHT = time()


@lru_cache(maxsize=100_000)
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant whose wall clock reads `wall`, or as long after the gap's start as `wall` is; found by looking."""
    around = wall.replace(tzinfo=UTC) - timedelta(hours=38)
    offsets = {
        (around + timedelta(minutes=15 * step)).astimezone(zone).utcoffset() or timedelta() for step in range(4 * 76)
    }
    fits = [wall.replace(tzinfo=UTC) - offset for offset in offsets]
    real = [instant for instant in fits if instant.astimezone(zone).replace(tzinfo=None) == wall]
    if real:
        return min(real)
    before = around.astimezone(zone).utcoffset() or timedelta()
    return wall.replace(tzinfo=UTC) - before


def turn_start(turns: Turns, number: int, zone: ZoneInfo) -> datetime:
    if turns.unit == "months":
        wall = turns.anchor.astimezone(zone).replace(tzinfo=None)
        year, month = wall.year, wall.month
        for _ in range(abs(number) * turns.every):
            month += 1 if number > 0 else -1
            if month == 13:
                year, month = year + 1, 1
            if month == 0:
                year, month = year - 1, 12
        return instant_of(wall.replace(year=year, month=month, day=min(wall.day, monthrange(year, month)[1])), zone)
    if turns.every % DAY:
        return turns.anchor + number * timedelta(seconds=turns.every)
    wall = turns.anchor.astimezone(zone).replace(tzinfo=None)
    return instant_of(wall + number * timedelta(seconds=turns.every), zone)


def turn_number(turns: Turns, instant: datetime, zone: ZoneInfo) -> int:
    """Walk from the anchor to the instant, turn by turn."""
    number = 0
    while turn_start(turns, number, zone) > instant:
        number -= 1
    while turn_start(turns, number + 1, zone) <= instant:
        number += 1
    return number


def is_allowed(shift: RecurringShift, instant: datetime, zone: ZoneInfo) -> bool:
    """Whether the instant is inside a run of allowed wall-clock minutes of the fortnight around it."""
    if not shift.restrictions:
        return True
    allowed = [False] * (7 * 24 * 60)
    for restriction in shift.restrictions:
        for day in range(7) if restriction.start_day is None else [restriction.start_day - 1]:
            first = day * 1440 + restriction.start_second // 60
            for minute in range(first, first + restriction.seconds // 60):
                allowed[minute % len(allowed)] = True
    if all(allowed):
        return True
    wall = instant.astimezone(zone).replace(tzinfo=None)
    monday = wall.replace(hour=0, minute=0) - timedelta(days=wall.weekday())
    runs: list[list[int]] = []
    for minute in range(-len(allowed), 2 * len(allowed)):
        if allowed[minute % len(allowed)]:
            if runs and runs[-1][1] == minute:
                runs[-1][1] = minute + 1
            else:
                runs.append([minute, minute + 1])
    return any(
        instant_of(monday + start * MINUTE, zone) <= instant < instant_of(monday + end * MINUTE, zone)
        for start, end in runs
    )


# ---------------------------------------------------------------------- calendar rules: every day is asked by itself


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@lru_cache(maxsize=1000)
def parts_of(rule: str) -> dict[str, str]:
    return dict(part.split("=") for part in rule.split(";"))


def numbers(parts: dict[str, str], name: str) -> list[int]:
    return [int(one) for one in parts[name].split(",")] if name in parts else []


def period_of(parts: dict[str, str], first: date, day: date) -> tuple[int, list[date]]:
    """Which period of the rule's frequency, counted from that of `first`, a day is in; and all the days of it."""
    week_start = WEEKDAYS.index(parts.get("WKST", "MO"))

    def week(one: date) -> date:
        while one.weekday() != week_start:
            one -= timedelta(days=1)
        return one

    match parts["FREQ"]:
        case "YEARLY":
            days = [date(day.year, 1, 1) + timedelta(days=ahead) for ahead in range(366 if isleap(day.year) else 365)]
            return day.year - first.year, days
        case "MONTHLY":
            days = [day.replace(day=number) for number in range(1, monthrange(day.year, day.month)[1] + 1)]
            return (day.year - first.year) * 12 + day.month - first.month, days
        case "WEEKLY":
            return (week(day) - week(first)).days // 7, [week(day) + timedelta(days=ahead) for ahead in range(7)]
        case _:
            return (day - first).days, [day]


def is_day_of_rule(parts: dict[str, str], first: date, day: date) -> bool:
    """Whether the BY parts about days, or `first` where they leave it open, allow a day."""
    frequency = parts["FREQ"]
    length = monthrange(day.year, day.month)[1]
    year_length = 366 if isleap(day.year) else 365
    of_year = day.timetuple().tm_yday
    months, month_days = numbers(parts, "BYMONTH"), numbers(parts, "BYMONTHDAY")
    year_days, weeks = numbers(parts, "BYYEARDAY"), numbers(parts, "BYWEEKNO")
    if months and day.month not in months:
        return False
    if month_days and day.day not in month_days and day.day - length - 1 not in month_days:
        return False
    if year_days and of_year not in year_days and of_year - year_length - 1 not in year_days:
        return False
    if weeks:
        week_start = WEEKDAYS.index(parts.get("WKST", "MO"))
        middle = day - timedelta(days=(day.weekday() - week_start) % 7) + timedelta(days=3)
        number = (middle.timetuple().tm_yday + 6) // 7
        last = (middle + timedelta(days=7)).year != middle.year
        if number not in weeks and not (last and -1 in weeks):
            return False
        if "BYDAY" not in parts:
            return day.weekday() == first.weekday()
    if "BYDAY" in parts:
        return any(is_weekday_of(one, parts, day, length, of_year, year_length) for one in parts["BYDAY"].split(","))
    if month_days or year_days or weeks:
        return True
    if frequency == "WEEKLY":
        return day.weekday() == first.weekday()
    if frequency == "YEARLY" and not months and day.month != first.month:
        return False
    if frequency in {"MONTHLY", "YEARLY"}:
        return day.day == min(first.day, length)
    return True


def is_weekday_of(one: str, parts: dict[str, str], day: date, length: int, of_year: int, year_length: int) -> bool:
    if WEEKDAYS[day.weekday()] != one[-2:]:
        return False
    if len(one) == 2:
        return True
    if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts:
        place, size = day.day, length
    else:
        place, size = of_year, year_length
    return int(one[:-2]) in {(place + 6) // 7, -((size - place) // 7 + 1)}


def times_of_day(parts: dict[str, str], first: datetime) -> list[timedelta]:
    return [
        timedelta(hours=hour, minutes=minute, seconds=first.second)
        for hour in sorted(numbers(parts, "BYHOUR")) or [first.hour]
        for minute in sorted(numbers(parts, "BYMINUTE")) or [first.minute]
    ]


def starts_on(rule: Rule, first: datetime, day: date) -> list[datetime]:
    """The wall-clock starts of a rule on one day."""
    parts = parts_of(rule.rule)
    interval = int(parts.get("INTERVAL", "1"))
    midnight = datetime.combine(day, MIDNIGHT)
    if parts["FREQ"] in {"HOURLY", "MINUTELY"}:
        step = interval * (3600 if parts["FREQ"] == "HOURLY" else 60)
        if not is_day_of_rule(parts, first.date(), day):
            return []
        of_hour = range(60) if parts["FREQ"] == "MINUTELY" else [first.minute]
        every = [midnight + timedelta(hours=hour, minutes=minute, seconds=first.second) for hour in range(24) for minute in of_hour]
        hours, minutes = numbers(parts, "BYHOUR"), numbers(parts, "BYMINUTE")
        return [
            one
            for one in every
            if ((one - first).total_seconds() % step == 0)
            and (not hours or one.hour in hours)
            and (not minutes or one.minute in minutes)
        ]
    period, days = period_of(parts, first.date(), day)
    if period % interval:
        return []
    if "BYSETPOS" not in parts:
        days = [day]
    found = [
        datetime.combine(one, MIDNIGHT) + into_day
        for one in days
        if is_day_of_rule(parts, first.date(), one)
        for into_day in times_of_day(parts, first)
    ]
    if "BYSETPOS" in parts:
        wanted = numbers(parts, "BYSETPOS")
        found = [one for at, one in enumerate(found) if at + 1 in wanted or at - len(found) in wanted]
    return [one for one in found if one.date() == day]


def is_elapsed(rule: Rule) -> bool:
    parts = parts_of(rule.rule)
    seconds = int(parts.get("INTERVAL", "1")) * {"HOURLY": 3600, "MINUTELY": 60}.get(parts["FREQ"], DAY)
    return seconds % DAY != 0 and not any(name.startswith("BY") for name in parts)


@lru_cache(maxsize=2000)
def starts_of_month(rule: Rule, year: int, month: int) -> tuple[datetime, ...]:
    """The wall-clock starts of a rule in one month, without regard to COUNT."""
    first = rule.first.astimezone(ZoneInfo(rule.time_zone)).replace(tzinfo=None)
    days = [date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1)]
    return tuple(one for day in days if day >= first.date() for one in starts_on(rule, first, day) if one >= first)


def starts_until(rule: Rule, wall: datetime) -> list[datetime]:
    """All wall-clock starts of a rule up to a time, in order: the place in the list is the number."""
    parts = parts_of(rule.rule)
    zone = ZoneInfo(rule.time_zone)
    first = rule.first.astimezone(zone).replace(tzinfo=None)
    if is_elapsed(rule):
        step = timedelta(seconds=int(parts.get("INTERVAL", "1")) * (3600 if parts["FREQ"] == "HOURLY" else 60))
        found = []
        at = rule.first.astimezone(UTC).replace(tzinfo=None)
        while at <= wall:
            found.append(at)
            at += step
    else:
        months = [divmod(month, 12) for month in range(first.year * 12 + first.month - 1, wall.year * 12 + wall.month)]
        found = [one for year, month in months for one in starts_of_month(rule, year, month + 1) if one <= wall]
    if "COUNT" in parts:
        found = found[: int(parts["COUNT"])]
    if "UNTIL" in parts:
        until = datetime.fromisoformat(parts["UNTIL"].removesuffix("Z"))
        if parts["UNTIL"].endswith("Z") and not is_elapsed(rule):
            until = until.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
        elif not parts["UNTIL"].endswith("Z") and is_elapsed(rule):
            until = instant_of(until, zone).replace(tzinfo=None)
        found = [one for one in found if one <= until]
    return found


def shift_of_rule(rule: Rule, instant: datetime) -> int | None:
    """The number of the shift that the instant is in: the last one begun, unless it is over or was taken out."""
    zone = ZoneInfo("UTC") if is_elapsed(rule) else ZoneInfo(rule.time_zone)
    length = timedelta(seconds=rule.seconds)
    begun = begun_of_rule(rule, instant, zone, length)
    for added in rule.added_at:
        if added <= instant and added not in rule.except_at:
            end = instant_of(added.astimezone(zone).replace(tzinfo=None) + length, zone)
            before = begun_of_rule(rule, added, zone, length)
            if added < end:
                begun.append((added, before[-1][1] if before else 0, end, False))
    if not begun:
        return None
    _, number, end, is_out = max(begun)
    return number if instant < end and not is_out else None


def begun_of_rule(
    rule: Rule, instant: datetime, zone: ZoneInfo, length: timedelta
) -> list[tuple[datetime, int, datetime, bool]]:
    """The shifts of the rule itself that have begun, of those whose wall-clock start is near, in order."""
    wall = instant.astimezone(zone).replace(tzinfo=None)
    starts = list(enumerate(starts_until(rule, wall + timedelta(days=2))))
    near = [(number, start) for number, start in starts if start > wall - timedelta(days=2)]
    near = starts[max(len(starts) - len(near) - 4, 0) :]
    found = []
    for number, start in near:
        begin, end = instant_of(start, zone), instant_of(start + length, zone)
        is_out = begin in rule.except_at
        if begin <= instant and (is_out or begin < end):
            found.append((begin, number, end, is_out))
    return sorted(found)


def number_of_shift(shift: RecurringShift, instant: datetime, zone: ZoneInfo) -> int | None:
    """The number of the turn that the instant is in; None = the shift does not apply."""
    if instant < shift.since or (shift.until is not None and instant >= shift.until):
        return None
    if not is_allowed(shift, instant, zone):
        return None
    if isinstance(shift.recurrence, Rule):
        return shift_of_rule(shift.recurrence, instant)
    return turn_number(shift.recurrence, instant, zone)


def people_of_shift(shift: RecurringShift, instant: datetime, zone: ZoneInfo) -> tuple[str, ...] | None:
    number = number_of_shift(shift, instant, zone)
    if number is None:
        return None
    return shift.slots[(number // shift.turns_per_slot + shift.phase) % len(shift.slots)]


def people_of_model(model: Model, overrides: Sequence[Override], instant: datetime) -> set[str]:
    owners = [one for one in overrides if one.start <= instant < one.end]
    if owners:
        return {max(owners, key=lambda one: one.sequence).user_id}
    zone = ZoneInfo(model.time_zone)

    def swapped(source_id: str, people: tuple[str, ...]) -> set[str]:
        stand_ins: dict[str | None, str | None] = {}
        for one in sorted(model.replacements, key=lambda one: one.sequence):
            if one.source_id == source_id and one.start <= instant < one.end:
                stand_ins[one.member] = one.by
        members: tuple[str | None, ...] = people or (None,)
        return {user for user in (stand_ins.get(member, member) for member in members) if user is not None}

    on_call: set[str] = set()
    for rank in sorted({rotation.rank for rotation in model.rotations}, reverse=True):
        for rotation in model.rotations:
            if rotation.rank == rank:
                for shift in rotation.shifts:
                    people = people_of_shift(shift, instant, zone)
                    if people is not None:
                        on_call |= swapped(rotation.id, people)
        if on_call:
            break
    for extra in model.extra_shifts:
        if extra.start <= instant < extra.end:
            on_call |= swapped(extra.id, extra.people)
    return on_call


def people_at(schedule: Schedule, overrides: Sequence[Override], instant: datetime) -> set[str]:
    ruling = [version for version in schedule.versions if version.effective_at <= instant]
    return people_of_model(ruling[-1].model, overrides, instant) if ruling else set()


# ------------------------------------------------------------------------------------ whether a shift outlives an edit

Grounds = tuple[str | None, frozenset[object]]
"""Through which replacement somebody is on call by a source, and everything else that would cut that if it changed."""


def grounds_of(model: Model, instant: datetime) -> dict[tuple[str, str], Grounds]:
    """Why everybody is on call by one version, without overrides: by user and source, in the model's order."""
    zone = ZoneInfo(model.time_zone)
    found: dict[tuple[str, str], Grounds] = {}

    def standing(sources: set[str]) -> set[object]:
        return {one.id for one in model.replacements if one.source_id in sources and one.start <= instant < one.end}

    def take(source_id: str, people: tuple[str, ...], what_cuts: set[object]) -> None:
        for member in people or (None,):
            user, by = member, None
            for one in sorted(model.replacements, key=lambda one: one.sequence):
                if one.source_id == source_id and one.member == member and one.start <= instant < one.end:
                    user, by = one.by, one.id
            if user is not None:
                found[user, source_id] = (by, frozenset(what_cuts))

    for rank in sorted({rotation.rank for rotation in model.rotations}, reverse=True):
        above = [rotation for rotation in model.rotations if rotation.rank > rank]
        turns_above: set[object] = {(shift.id, number_of_shift(shift, instant, zone)) for one in above for shift in one.shifts}
        for rotation in model.rotations:
            for shift in rotation.shifts if rotation.rank == rank else ():
                number = number_of_shift(shift, instant, zone)
                if number is not None:
                    people = shift.slots[(number // shift.turns_per_slot + shift.phase) % len(shift.slots)]
                    take(rotation.id, people, {*turns_above, (shift.id, number), *standing({rotation.id, *(one.id for one in above)})})
        if found:
            break
    for extra in model.extra_shifts:
        if extra.start <= instant < extra.end:
            take(extra.id, extra.people, standing({extra.id}))
    return found


def outlives(old: Model, new: Model, edge: datetime, user: str, source_id: str) -> bool:
    """Whether a user's time on call by a source goes on across an edit: the same replacement, and neither version ends or begins it there."""
    before = edge - MINUTE
    was, would_be, had_been, is_now = (
        grounds.get((user, source_id))
        for grounds in (grounds_of(old, before), grounds_of(old, edge), grounds_of(new, before), grounds_of(new, edge))
    )
    return was is not None and is_now is not None and was == would_be and had_been == is_now and was[0] == is_now[0]
