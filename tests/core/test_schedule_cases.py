"""Cases from other systems' own tests, translated into our model, where that collection lies beside the checkout.

The collection is no part of this project. Its place is said by SCHEDULE_CASES, or it lies beside the checkout.
"""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tocsin.base import json
from tocsin.base.times import Span, from_wall, parse_instant, to_wall, zone_named
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import (
    DAY,
    WEEK,
    Recurrence,
    RecurringShift,
    Restriction,
    Turns,
    stretch_at,
    turn_at,
    turns_in,
    week_windows,
)
from tocsin.core.schedule import (
    ExtraShift,
    Model,
    Override,
    Replacement,
    Rotation,
    Schedule,
    Version,
    on_call_at,
    timeline,
)

PLACE = Path(os.environ.get("SCHEDULE_CASES", Path(__file__).parents[3] / "shared/cases/schedule_cases.json"))
LONG_AGO = parse_instant("2000-01-01")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

Case = dict[str, Any]

MOVED_BY_THE_GAP = {"02:30": "2018-03-11T08:30:00Z"}
"""A skipped wall-clock time moves forward by the gap here, and to the gap's end there."""


def cases() -> list[Any]:
    if not PLACE.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="the collection of cases is not at hand"))]
    found = []
    for case in json.decode(PLACE.read_bytes())["cases"]:
        why = "peers disagree on it" if case.get("contested") else None
        found.append(pytest.param(case, id=case["id"], marks=[pytest.mark.skip(reason=why)] if why else []))
    return found


@pytest.mark.parametrize("case", cases())
def test_a_case_that_other_systems_agree_on(case: Case) -> None:
    READ[case["kind"]](case)


# ----------------------------------------------------------------------------------------------------- into our model


def seconds(clock: str) -> int:
    parts = [int(part) for part in clock.split(":")]
    return parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)


def turns_of(rotation: Case, zone_name: str) -> Turns:
    anchor = from_wall(datetime.fromisoformat(rotation["start_local"]), zone_named(zone_name))
    length = {"hourly": 3600, "daily": DAY, "weekly": WEEK}.get(rotation["type"])
    if length is None:
        return Turns(anchor, rotation["shift_length"], "months")
    return Turns(anchor, rotation["shift_length"] * length)


def shift(
    turns: Recurrence, slots: list[list[str]], restrictions: tuple[Restriction, ...] = (), **more: Any
) -> RecurringShift:
    dates = {"since": LONG_AGO, "until": None} | more
    return RecurringShift(
        id="S", name="S", recurrence=turns, slots=tuple(map(tuple, slots)), restrictions=restrictions, **dates
    )


def schedule(zone: str, *rotations: Rotation, **more: Any) -> Schedule:
    return Schedule("P", "P", (Version(1, LONG_AGO, Model(zone, rotations, **more)),))


def always(users: list[str]) -> tuple[Turns, list[list[str]]]:
    return Turns(LONG_AGO, WEEK), [users]


def daily_window(window: Case) -> tuple[Restriction, ...]:
    """A window with a start, an end (on the next day if it is no later) and the weekdays it begins on."""
    start, end = seconds(window["start"]), seconds(window["end"])
    length = (end - start) % DAY or DAY
    days = DAYS if window["weekdays_of_start"] == "ALL" else window["weekdays_of_start"]
    return tuple(Restriction(DAYS.index(day) + 1, start, length) for day in days)


def weekly_window(restriction: Case) -> tuple[Restriction, ...]:
    if "weekdays" in restriction:
        return tuple(Restriction(DAYS.index(day) + 1, 0, DAY) for day in restriction["weekdays"])
    if "daily" in restriction:
        start, end = map(seconds, restriction["daily"])
        return (Restriction(None, start, (end - start) % DAY or DAY),)
    (first_day, first), (last_day, last) = restriction["from"].split(), restriction["to"].split()
    start = DAYS.index(first_day) * DAY + seconds(first)
    end = DAYS.index(last_day) * DAY + seconds(last)
    return (Restriction(start // DAY + 1, start % DAY, (end - start) % WEEK or WEEK),)


def instant(text: str) -> datetime:
    return parse_instant(text)


def users_at(one: Schedule, overrides: tuple[Override, ...], text: str) -> list[str]:
    return sorted(period.user_id for period in on_call_at(one, overrides, instant(text)))


def compare(case: Case, one: Schedule, overrides: tuple[Override, ...] = ()) -> None:
    """Everything the case expects that a schedule can be asked."""
    expect, checked = case["expect"], False
    for row in expect.get("on_call_at", []):
        assert users_at(one, overrides, row["at"]) == sorted(row["users"]), row["at"]
        checked = True
    for day, users in expect.get("first_on_day", {}).items():
        assert users_at(one, overrides, f"{day}T00:00:00Z") == sorted(users), day
    for name in ("segments", "segments_on_call_only"):
        if name in expect and "window" in case["input"]:
            span = Span(*map(instant, case["input"]["window"]))
            found: list[list[Any]] = []
            for stretch in timeline(one, overrides, span):
                users = sorted(holder.user_id for holder in stretch.holders)
                if found and found[-1][1:] == [stretch.start, users]:
                    found[-1][1] = stretch.end
                elif users or name == "segments":
                    found.append([stretch.start, stretch.end, users])
            assert found == [[instant(row["start"]), instant(row["end"]), sorted(row["users"])] for row in expect[name]]
            checked = True
    if "next_on_call_after" in expect:
        row = expect["next_on_call_after"]
        later = timeline(one, overrides, Span(instant(row["at"]), instant(row["at"]) + timedelta(days=30)))
        assert [holder.user_id for holder in next(stretch for stretch in later if stretch.holders).holders] == row[
            "users"
        ]
    if "segment_at_query" in expect:
        (period,) = on_call_at(one, overrides, instant(case["input"]["query"]))
        row = expect["segment_at_query"]
        assert (period.start, period.end, [period.user_id]) == (
            instant(row["start"]),
            instant(row["end"]),
            row["users"],
        )
        checked = True
    assert checked, "nothing of this case was compared"


# ------------------------------------------------------------------------------------------------------ kinds of cases


def rotation_handoffs(case: Case) -> None:
    zone, rotation = case["time_zone"], case["input"]["rotation"]
    turns = turns_of(rotation, zone)
    handoffs = [instant(text) for text in case["expect"].get("handoffs", [])]
    if handoffs:
        span = Span(handoffs[0], handoffs[-1] + timedelta(seconds=1))
        assert [turn.start for turn in turns_in(turns, span, zone_named(zone))] == handoffs
    for row in case["expect"].get("segments", []):
        turn = turn_at(turns, instant(row["start"]), zone_named(zone))
        assert (turn.start, turn.end) == (instant(row["start"]), instant(row["end"]))
    compare(case, schedule(zone, Rotation("R", "R", (shift(turns, [[user] for user in rotation["users"]]),))))


def turn_end(case: Case) -> None:
    for row in case["expect"]["rows"]:
        rotation = {
            "type": case["input"]["rotation_type"],
            "start_local": row["start_local"],
            "shift_length": row["shift_length"],
        }
        turn = turn_at(turns_of(rotation, case["time_zone"]), instant(row["start"]), zone_named(case["time_zone"]))
        assert (turn.start, turn.end) == (instant(row["start"]), instant(row["end"]))
        assert (turn.end - turn.start).total_seconds() == row["duration_seconds"]
        assert to_wall(turn.end, zone_named(case["time_zone"])) == datetime.fromisoformat(row["end_local"])


def restriction(case: Case) -> None:
    one = shift(*always(case["input"]["users"]), daily_window(case["input"]["window"]))
    compare(case, schedule(case["time_zone"], Rotation("R", "R", (one,))))


def read_restrictions(rows: list[Case]) -> tuple[Restriction, ...]:
    return tuple(
        Restriction(
            row["start_day_of_week_0mon"] + 1 if row["type"] == "weekly_restriction" else None,
            seconds(row["start_time_of_day"]),
            row["duration_seconds"],
        )
        for row in rows
    )


def restriction_window(case: Case) -> None:
    one = shift(*always(["u"]), read_restrictions(case["input"]["restrictions"]))
    for row in case["expect"]["rows"]:
        stretch = stretch_at(one, instant(row["at"]), zone_named(case["time_zone"]))
        if stretch.people is None:
            assert stretch.end == instant(row["start"]), row["at"]
        else:  # hand-offs of the one person every week cut the window
            before = stretch
            while before.people is not None:
                assert before.start is not None
                start = before.start
                before = stretch_at(one, start - timedelta(seconds=1), zone_named(case["time_zone"]))
            assert start == instant(row["start"]), row["at"]


def restriction_merge(case: Case) -> None:
    found = week_windows(read_restrictions(case["input"]["restrictions"]))
    wanted = set()
    for start, end in case["expect"]["merged_daily"]:
        next_day = "next day" in end
        wanted.add((seconds(start), seconds(end.split()[0]) + (DAY if next_day else 0)))
    assert {(start % DAY, end - start + start % DAY) for start, end in found} == wanted
    assert len(found) == 7 * len(wanted)


def final_schedule(case: Case) -> None:
    told, zone = case["input"], case["time_zone"]
    limits = weekly_window(told["restriction"]) if "restriction" in told else ()
    rotations: list[Rotation] = []
    if "rotation" in told:
        slots = [[user] for user in told["rotation"]["users"]]
        rotations.append(Rotation("R", "R", (shift(turns_of(told["rotation"], zone), slots, limits),)))
    elif "users" in told:
        rotations.append(Rotation("R", "R", (shift(*always(told["users"]), limits),)))
    for number, rule in enumerate(told.get("rules", [])):
        turns, slots = always(rule["users"]) if "users" in rule else (turns_of(rule["rotation"], zone), [[user] for user in rule["rotation"]["users"]])  # fmt: skip
        rotations.append(Rotation(f"R{number}", "R", (shift(turns, slots, daily_window(rule["window"])),)))
    for number, layer in enumerate(told.get("layers_high_to_low", [])):
        rotations.append(
            Rotation(f"R{number}", "R", (shift(*always([layer["user"]]), since=instant(layer["start"])),), -number)
        )
    for number, layer in enumerate(told.get("layers", [])):
        hours = layer.get("duration_hours")
        window = (Restriction(None, layer["daily_start_hour"] * 3600, hours * 3600),)
        rotations.append(Rotation(f"R{number}", "R", (shift(*always([layer["user"]]), window),), layer["priority"]))
    overrides, replacements = [], []
    for number, row in enumerate(told.get("overrides", []), start=1):
        start, end = instant(row["start"]), instant(row["end"])
        if "user" in row:
            overrides.append(Override(f"O{number}", start, end, row["user"], number))
        else:
            replacements.append(Replacement(f"O{number}", rotations[0].id, start, end, row["remove"], None, number))
    compare(case, schedule(zone, *rotations, replacements=tuple(replacements)), tuple(overrides))


def override_map(case: Case) -> None:
    start, end = LONG_AGO, LONG_AGO + timedelta(days=9000)
    extras, replacements = [], []
    for number, row in enumerate(case["input"]["overrides"], start=1):
        if "add" in row:
            extras.append(ExtraShift(f"X{number}", start, end, (row["add"],)))
        else:
            by = row.get("with")
            replacements.append(
                Replacement(f"O{number}", "R", start, end, row.get("replace", row.get("remove")), by, number)
            )
    rotation = Rotation("R", "R", (shift(*always(case["input"]["on_call"])),))
    one = schedule("UTC", rotation, extra_shifts=tuple(extras), replacements=tuple(replacements))
    assert users_at(one, (), "2020-01-01T00:00:00Z") == sorted(case["expect"]["users"])


def rolling_shift(case: Case) -> None:
    """A daily shift whose people change by the unit of its frequency, on some weekdays only."""
    told = case["input"]["shift"]
    start = instant(told["start"])
    length = told.get("duration_seconds") or told["duration_hours"] * 3600
    clock = start.hour * 3600 + start.minute * 60
    days = told.get("by_day") or DAYS
    windows = tuple(Restriction(DAYS.index(day) + 1, clock, length) for day in days)
    slots, interval = told["rolling_users"], told["interval"]
    since = instant(told["rotation_start"]) if "rotation_start" in told else start
    until = instant(told["until"]) + timedelta(seconds=length) if "until" in told else None
    dates: dict[str, Any] = {"since": since, "until": until}
    if told["frequency"] == "daily":
        one = shift(Turns(start, DAY), slots, windows, turns_per_slot=interval, skips_restricted=True, **dates)
    else:
        # Every second week is a week of nobody in between.
        slots = [slot for people in slots for slot in [people, *[[]] * (interval - 1)]]
        if told["frequency"] == "weekly":
            monday = start - timedelta(days=start.weekday())
            one = shift(Turns(monday, WEEK), slots, windows, **dates)
        elif interval > 1:
            # One day of every other month: turns cannot say it, a calendar rule does.
            rule = Rule(start, length, case["time_zone"], f"FREQ=MONTHLY;INTERVAL={interval}")
            one = shift(rule, told["rolling_users"], **dates)
        else:
            one = shift(Turns(start.replace(day=1), 1, "months"), slots, windows, **dates)
    compare(case, schedule(case["time_zone"], Rotation("R", "R", (one,))))


def wall_clock_to_instant(case: Case) -> None:
    """The first instant of a wall-clock time; the last one is not ours (the first occurrence counts)."""
    for row in case["expect"]["rows"]:
        found = from_wall(datetime.fromisoformat(f"{row['date']}T{row['wall']}"), zone_named(case["time_zone"]))
        is_skipped = to_wall(found, zone_named(case["time_zone"])).strftime("%H:%M") != row["wall"]
        wanted = MOVED_BY_THE_GAP.get(row["wall"], row["first"]) if is_skipped else row["first"]
        assert found == instant(wanted), row


def interval_rotation(name: str, interval: Case, zone_name: str) -> Rotation:
    """A named window of time as a rotation that its name holds: one shift for each of its ranges of hours and of years."""
    zone = interval.get("location", zone_name)
    parts = {"FREQ": "DAILY"}
    if "weekdays" in interval:
        long_names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        parts["BYDAY"] = ",".join(DAYS[day] for day in spelt_out(interval["weekdays"], long_names))
    if "months" in interval:
        parts["BYMONTH"] = ",".join(str(month + 1) for month in spelt_out(interval["months"], MONTHS))
    if "days_of_month" in interval:
        parts["BYMONTHDAY"] = ",".join(map(str, days_of_month(interval["days_of_month"])))
    shifts = []
    for years in interval.get("years", ["2000:2099"]):
        first_year, _, last_year = years.partition(":")
        dates: dict[str, Any] = {"since": year_start(int(first_year), zone), "until": year_start(int(last_year or first_year) + 1, zone)}
        for start, end in interval.get("times", [["00:00", "24:00"]]):
            first = from_wall(datetime(2000, 1, 1) + timedelta(seconds=seconds(start)), zone_named(zone))  # noqa: DTZ001
            rule = Rule(first, seconds(end) - seconds(start), zone, ";".join(f"{key}={value}" for key, value in parts.items()))
            shifts.append(shift(rule, [[name]], **dates))
    return Rotation(name, name, tuple(shifts))


MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]  # fmt: skip


def year_start(year: int, zone_name: str) -> datetime:
    return from_wall(datetime(year, 1, 1), zone_named(zone_name))  # noqa: DTZ001


def spelt_out(ranges: list[str], names: list[str]) -> list[int]:
    found: set[int] = set()
    for one in ranges:
        first, _, last = one.partition(":")
        found |= set(range(names.index(first), names.index(last or first) + 1))
    return sorted(found)


def days_of_month(ranges: list[str]) -> list[int]:
    """Ranges of days; negative ones count from the month's end. Days that a month has not are days on which nothing is."""
    found: set[int] = set()
    for one in ranges:
        first_text, _, last_text = one.partition(":")
        first, last = int(first_text), int(last_text or first_text)
        if first < 0 < last:
            assert first == -31, "a range from the month's end to its beginning is only understood where it is the whole month"
            first = 1
        if last == -1 and first > 0:
            last = 31
        found |= set(range(first, last + 1))
    return sorted(found)


def time_interval(case: Case) -> None:
    one = schedule(case["time_zone"], interval_rotation("window", case["input"]["interval"], case["time_zone"]))
    for row in case["expect"]["active_at"]:
        assert users_at(one, (), row["at"]) == ["window"] * row["active"], row["at"]


def time_interval_named(case: Case) -> None:
    intervals = case["input"]["intervals"]
    one = schedule(
        case["time_zone"],
        *(interval_rotation(name, interval, case["time_zone"]) for name, interval in intervals.items()),
    )
    for row in case["expect"]["rows"]:
        assert users_at(one, (), row["at"]) == sorted(row["muted_by"]), row["at"]


READ: dict[str, Callable[[Case], None]] = {
    "rotation_handoffs": rotation_handoffs,
    "turn_end": turn_end,
    "restriction": restriction,
    "restriction_window": restriction_window,
    "restriction_merge": restriction_merge,
    "final_schedule": final_schedule,
    "override_map": override_map,
    "rolling_shift": rolling_shift,
    "wall_clock_to_instant": wall_clock_to_instant,
    "time_interval": time_interval,
    "time_interval_named": time_interval_named,
}
