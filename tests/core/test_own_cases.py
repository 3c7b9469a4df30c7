"""Cases of our own, worked out by hand: each says in a sentence what it promises, and who is on call when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from tocsin.base.times import Span, parse_instant, zone_named
from tocsin.core.calendar_rule import Rule
from tocsin.core.rotation import DAY, WEEK, RecurringShift, Restriction, Turns
from tocsin.core.schedule import (
    ExtraShift,
    Model,
    Override,
    Replacement,
    Rotation,
    Schedule,
    Version,
    final,
    on_call_at,
)

HOUR = 3600
PARIS, NEW_YORK, SYDNEY, LORD_HOWE, APIA = "Europe/Paris", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Apia"
LONG_AGO = "2000-01-01 00:00"


@dataclass(frozen=True, slots=True)
class Case:
    """Who is on call ("" = nobody) at times of the wall clock in `zone`."""

    promise: str
    model: Model
    asked: Mapping[str, str]
    overrides: tuple[Override, ...] = ()
    later: tuple[tuple[str, Model], ...] = ()

    @property
    def schedule(self) -> Schedule:
        versions = [Version(1, wall(LONG_AGO), self.model)]
        versions += [Version(number, wall(since), model) for number, (since, model) in enumerate(self.later, start=2)]
        return Schedule("PSCHED1", "", tuple(versions))


def wall(text: str, zone: str = "UTC") -> datetime:
    """A time of the wall clock; one that ends in Z is UTC whatever the zone."""
    return parse_instant(text, zone=zone_named(zone))


def slots(names: str) -> tuple[tuple[str, ...], ...]:
    """`Ada, Bo Cy, -` is Ada, then Bo and Cy together, then nobody."""
    return tuple(tuple(name for name in slot.split() if name != "-") for slot in names.split(","))


def turns(names: str, first: str, every: int = DAY, zone: str = "UTC", *, rank: int = 0, unit: str = "seconds", id_: str = "", **more: object) -> Rotation:  # fmt: skip
    recurrence = Turns(wall(first, zone), every, unit)  # type: ignore[arg-type]
    return rotation(recurrence, names, id_ or f"turns {rank}", rank, zone, more)


def rule(names: str, first: str, text: str, hours: float = 24, zone: str = "UTC", *, out: str = "", added: str = "", rank: int = 0, id_: str = "", **more: object) -> Rotation:  # fmt: skip
    taken_out = tuple(wall(one.strip(), zone) for one in out.split(",") if one)
    put_in = tuple(wall(one.strip(), zone) for one in added.split(",") if one)
    recurrence = Rule(wall(first, zone), round(hours * HOUR), zone, text, taken_out, put_in)
    return rotation(recurrence, names, id_ or f"rule {rank}", rank, zone, more)


def rotation(recurrence: Turns | Rule, names: str, id_: str, rank: int, zone: str, more: dict[str, object]) -> Rotation:
    since, until = str(more.pop("since", LONG_AGO)), more.pop("until", None)
    dates = {"since": wall(since, zone), "until": None if until is None else wall(str(until), zone)}
    return Rotation(id_, id_, (RecurringShift(id_, id_, recurrence, slots=slots(names), **dates, **more),), rank)  # type: ignore[arg-type]


def daily(start: float, hours: float) -> tuple[Restriction, ...]:
    return (Restriction(None, round(start * HOUR), round(hours * HOUR)),)


def weekly(day: int, start: float, hours: float) -> tuple[Restriction, ...]:
    return (Restriction(day, round(start * HOUR), round(hours * HOUR)),)


def own(name: str, start: str, end: str, made: int = 1) -> Override:
    return Override(f"O{made}", wall(start), wall(end), name, made)


def swap(source: str, member: str | None, by: str | None, start: str, end: str, made: int = 1) -> Replacement:
    return Replacement(f"W{made}", source, wall(start), wall(end), member, by, made)


CASES = [
    # ------------------------------------------------------------------------------------------------------- turns
    Case("three people share days in their order", Model("UTC", (turns("Ada, Bo, Cy", "2026-06-01 09:00"),)),
         {"2026-06-01 09:00": "Ada", "2026-06-02 08:59": "Ada", "2026-06-02 09:00": "Bo", "2026-06-03 09:00": "Cy", "2026-06-04 09:00": "Ada"}),
    Case("turns go on backwards before their anchor", Model("UTC", (turns("Ada, Bo, Cy", "2026-06-01 00:00"),)),
         {"2026-05-31 12:00": "Cy", "2026-05-30 12:00": "Bo"}),
    Case("a person named twice has two of four turns", Model("UTC", (turns("Ada, Bo, Ada, Cy", "2026-06-01 00:00"),)),
         {"2026-06-01 12:00": "Ada", "2026-06-02 12:00": "Bo", "2026-06-03 12:00": "Ada", "2026-06-04 12:00": "Cy"}),
    Case("two turns in a row, then the next", Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", turns_per_slot=2),)),
         {"2026-06-02 12:00": "Ada", "2026-06-03 12:00": "Bo", "2026-06-04 12:00": "Bo", "2026-06-05 12:00": "Ada"}),
    Case("a pair holds a turn together, an empty slot nobody", Model("UTC", (turns("Ada Bo, -", "2026-06-01 00:00"),)),
         {"2026-06-01 12:00": "Ada Bo", "2026-06-02 12:00": ""}),
    Case("a turn of twelve hours is elapsed time", Model(PARIS, (turns("Ada, Bo", "2026-03-28 09:00", 12 * HOUR, PARIS),)),
         {"2026-03-28 20:59": "Ada", "2026-03-28 21:00": "Bo", "2026-03-29 09:30": "Bo", "2026-03-29 10:00": "Ada"}),
    Case("a layer counts from its start and keeps the order of its anchor",
         Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", since="2026-06-02 06:00", until="2026-06-04 00:00"),)),
         {"2026-06-02 05:59": "", "2026-06-02 06:00": "Bo", "2026-06-03 12:00": "Ada", "2026-06-04 00:00": ""}),
    # ------------------------------------------------------------------------------------------- clocks, both ways
    Case("a week handed over on Monday at nine stays at nine when Paris springs forward",
         Model(PARIS, (turns("Ada, Bo", "2026-03-23 09:00", WEEK, PARIS),)),
         {"2026-03-30T06:59Z": "Ada", "2026-03-30T07:00Z": "Bo", "2026-03-23T07:59Z": "Bo", "2026-03-23T08:00Z": "Ada"}),
    Case("and when it falls back", Model(PARIS, (turns("Ada, Bo", "2026-10-19 09:00", WEEK, PARIS),)),
         {"2026-10-26T07:59Z": "Ada", "2026-10-26T08:00Z": "Bo"}),
    Case("a hand-off in the hour that New York leaves out moves forward by an hour",
         Model(NEW_YORK, (turns("Ada, Bo", "2026-03-07 02:30", DAY, NEW_YORK),)),
         {"2026-03-08T07:29Z": "Ada", "2026-03-08T07:30Z": "Bo", "2026-03-09T06:29Z": "Bo", "2026-03-09T06:30Z": "Ada"}),
    Case("a hand-off in the hour that New York has twice is at the first",
         Model(NEW_YORK, (turns("Ada, Bo", "2026-10-31 01:30", DAY, NEW_YORK),)),
         {"2026-11-01T05:29Z": "Ada", "2026-11-01T05:30Z": "Bo", "2026-11-01T06:30Z": "Bo"}),
    Case("Lord Howe moves its clocks by half an hour", Model(LORD_HOWE, (turns("Ada, Bo", "2026-10-03 08:00", DAY, LORD_HOWE),)),
         {"2026-10-03T20:59Z": "Ada", "2026-10-03T21:00Z": "Bo"}),
    Case("the day that Apia left out uses up its turn", Model(APIA, (turns("Ada, Bo, Cy", "2011-12-29 10:00", DAY, APIA),)),
         {"2011-12-29 12:00": "Ada", "2011-12-31 09:00": "Ada", "2011-12-31 10:00": "Cy"}),
    # ------------------------------------------------------------------------------------------------------ months
    Case("months of turns begin on the anchor's day", Model("UTC", (turns("Ada, Bo", "2026-01-15 00:00", 1, unit="months"),)),
         {"2026-02-14 23:59": "Ada", "2026-02-15 00:00": "Bo", "2026-03-15 00:00": "Ada"}),
    Case("a month without the 31st hands over on its last day", Model("UTC", (turns("Ada, Bo", "2026-01-31 00:00", 1, unit="months"),)),
         {"2026-02-27 12:00": "Ada", "2026-02-28 00:00": "Bo", "2026-03-30 12:00": "Bo", "2026-03-31 00:00": "Ada"}),
    Case("a quarter is three months", Model("UTC", (turns("Ada, Bo", "2026-01-01 00:00", 3, unit="months"),)),
         {"2026-03-31 12:00": "Ada", "2026-04-01 00:00": "Bo", "2026-07-01 00:00": "Ada"}),
    # ------------------------------------------------------------------------------------------------ restrictions
    Case("a night reaches over midnight", Model("UTC", (turns("Ada", "2026-06-01 00:00", restrictions=daily(20, 12)),)),
         {"2026-06-01 19:59": "", "2026-06-01 20:00": "Ada", "2026-06-02 07:59": "Ada", "2026-06-02 08:00": ""}),
    Case("the turn changes in the middle of the night, where its hand-off is",
         Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", restrictions=daily(20, 12)),)),
         {"2026-06-01 23:59": "Ada", "2026-06-02 00:00": "Bo"}),
    Case("a weekend reaches over the week's end", Model("UTC", (turns("Ada", "2026-06-01 00:00", WEEK, restrictions=weekly(5, 18, 63)),)),
         {"2026-06-05 17:59": "", "2026-06-05 18:00": "Ada", "2026-06-08 08:59": "Ada", "2026-06-08 09:00": ""}),
    Case("days outside the hours use up turns", Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", restrictions=weekly(1, 9, 8)),)),
         {"2026-06-01 10:00": "Ada", "2026-06-08 10:00": "Bo", "2026-06-15 10:00": "Ada"}),
    Case("unless they are skipped", Model("UTC", (turns("Ada, Bo, Cy", "2026-06-01 00:00", restrictions=weekly(1, 9, 8), skips_restricted=True),)),
         {"2026-06-01 10:00": "Ada", "2026-06-08 10:00": "Bo", "2026-06-15 10:00": "Cy"}),
    Case("office hours stay office hours on the day the clocks change", Model(PARIS, (turns("Ada", "2026-03-01 00:00", DAY, PARIS, restrictions=daily(9, 8)),)),
         {"2026-03-28T08:00Z": "Ada", "2026-03-29T07:00Z": "Ada", "2026-03-29T06:59Z": "", "2026-03-29T15:00Z": ""}),
    # ------------------------------------------------------------------------------------- layers and side by side
    Case("the highest layer with somebody in it has the pager", Model("UTC", (turns("Ada", "2026-06-01 00:00"), turns("Bo", "2026-06-01 00:00", rank=1, restrictions=daily(9, 8)))),
         {"2026-06-01 08:59": "Ada", "2026-06-01 09:00": "Bo", "2026-06-01 17:00": "Ada"}),
    Case("an empty slot of a higher layer lets the lower one through", Model("UTC", (turns("Ada", "2026-06-01 00:00"), turns("Bo, -", "2026-06-01 00:00", rank=1))),
         {"2026-06-01 12:00": "Bo", "2026-06-02 12:00": "Ada"}),
    Case("rotations of one rank add their people up", Model("UTC", (turns("Ada", "2026-06-01 00:00", id_="A"), turns("Bo, Ada", "2026-06-01 00:00", id_="B"))),
         {"2026-06-01 12:00": "Ada Bo", "2026-06-02 12:00": "Ada"}),
    # ------------------------------------------------------------------ overrides, replacements, extra shifts, versions
    Case("an override owns the schedule, and the later made of two wins", Model("UTC", (turns("Ada", "2026-06-01 00:00"),)),
         {"2026-06-01 09:00": "Bo", "2026-06-01 11:00": "Cy", "2026-06-01 13:00": "Bo", "2026-06-01 16:00": "Ada"},
         (own("Bo", "2026-06-01 08:00", "2026-06-01 16:00", 1), own("Cy", "2026-06-01 10:00", "2026-06-01 12:00", 2))),
    Case("an override fills a gap", Model("UTC", ()), {"2026-06-01 09:00": "Bo", "2026-06-01 10:00": ""},
         (own("Bo", "2026-06-01 08:00", "2026-06-01 10:00"),)),
    Case("a replacement takes one member's place and leaves the other",
         Model("UTC", (turns("Ada Bo", "2026-06-01 00:00", id_="A"),), (), (swap("A", "Ada", "Cy", "2026-06-01 08:00", "2026-06-01 10:00"),)),
         {"2026-06-01 09:00": "Bo Cy", "2026-06-01 10:00": "Ada Bo"}),
    Case("a replacement of a member who is not there does nothing",
         Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", id_="A"),), (), (swap("A", "Ada", "Cy", "2026-06-01 00:00", "2026-06-09 00:00"),)),
         {"2026-06-01 09:00": "Cy", "2026-06-02 09:00": "Bo"}),
    Case("nobody may take a place, and somebody an empty one",
         Model("UTC", (turns("Ada, -", "2026-06-01 00:00", id_="A"),), (), (swap("A", "Ada", None, "2026-06-01 00:00", "2026-06-02 00:00"), swap("A", None, "Bo", "2026-06-02 00:00", "2026-06-03 00:00", 2))),
         {"2026-06-01 09:00": "", "2026-06-02 09:00": "Bo"}),
    Case("an extra shift adds its people", Model("UTC", (turns("Ada", "2026-06-01 00:00"),), (ExtraShift("X", wall("2026-06-01 08:00"), wall("2026-06-01 10:00"), ("Bo",)),)),
         {"2026-06-01 09:00": "Ada Bo", "2026-06-01 10:00": "Ada"}),
    Case("an edit changes nothing before it", Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00"),)),
         {"2026-06-02 12:00": "Bo", "2026-06-03 11:59": "Ada", "2026-06-03 12:00": "Cy"},
         later=(("2026-06-03 12:00", Model("UTC", (turns("Cy", "2026-06-01 00:00"),))),)),
    # ------------------------------------------------------------------------------------------------------- rules
    Case("working days: the weekend is nobody's and uses up no turn", Model("UTC", (rule("Ada, Bo, Cy", "2026-06-01 09:00", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", 8),)),
         {"2026-06-05 10:00": "Bo", "2026-06-05 17:00": "", "2026-06-06 10:00": "", "2026-06-08 10:00": "Cy", "2026-06-09 10:00": "Ada"}),
    Case("every other week counts weeks from that of the first shift", Model("UTC", (rule("Ada, Bo", "2026-06-03 00:00", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE"),)),
         {"2026-06-03 12:00": "Ada", "2026-06-08 12:00": "", "2026-06-15 12:00": "Bo", "2026-06-17 12:00": "Ada", "2026-06-22 12:00": ""}),
    Case("weeks that begin on Sunday count a Sunday into the next week", Model("UTC", (rule("Ada", "2026-06-01 00:00", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU"),)),
         {"2026-06-07 12:00": "", "2026-06-14 12:00": "Ada"}),
    Case("a shift taken out uses up its turn and leaves a hole", Model("UTC", (rule("Ada, Bo, Cy", "2026-06-01 00:00", "FREQ=DAILY", out="2026-06-02 00:00"),)),
         {"2026-06-01 12:00": "Ada", "2026-06-02 12:00": "", "2026-06-03 12:00": "Cy"}),
    Case("an added shift is held by whose turn it is and moves nobody's", Model("UTC", (rule("Ada, Bo", "2026-06-01 09:00", "FREQ=WEEKLY", 8, added="2026-06-04 09:00"),)),
         {"2026-06-01 10:00": "Ada", "2026-06-04 10:00": "Ada", "2026-06-04 17:00": "", "2026-06-08 10:00": "Bo"}),
    Case("an added shift after one taken out is held by who missed his", Model("UTC", (rule("Ada, Bo", "2026-06-01 09:00", "FREQ=WEEKLY", 8, out="2026-06-08 09:00", added="2026-06-10 09:00"),)),
         {"2026-06-08 10:00": "", "2026-06-10 10:00": "Bo", "2026-06-15 10:00": "Ada"}),
    Case("the last working day of a month", Model("UTC", (rule("Ada, Bo", "2026-05-01 00:00", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),)),
         {"2026-05-29 12:00": "Ada", "2026-05-31 12:00": "", "2026-06-30 12:00": "Bo", "2026-07-31 12:00": "Ada"}),
    Case("the second Tuesday of every third month", Model("UTC", (rule("Ada, Bo", "2026-01-01 00:00", "FREQ=MONTHLY;INTERVAL=3;BYDAY=2TU"),)),
         {"2026-01-13 12:00": "Ada", "2026-02-10 12:00": "", "2026-04-14 12:00": "Bo", "2026-07-14 12:00": "Ada"}),
    Case("a rule that names the 31st skips months without one", Model("UTC", (rule("Ada, Bo", "2026-01-31 00:00", "FREQ=MONTHLY;BYMONTHDAY=31"),)),
         {"2026-01-31 12:00": "Ada", "2026-02-28 12:00": "", "2026-03-31 12:00": "Bo"}),
    Case("a rule that leaves the day to its first shift takes the last of shorter months", Model("UTC", (rule("Ada, Bo", "2026-01-31 00:00", "FREQ=MONTHLY"),)),
         {"2026-02-28 12:00": "Bo", "2026-03-31 12:00": "Ada", "2026-04-30 12:00": "Bo", "2026-04-29 12:00": ""}),
    Case("Christmas has its own order", Model("UTC", (rule("Ada, Bo, Cy", "2026-01-01 00:00", "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24,25,26"),)),
         {"2026-12-24 12:00": "Ada", "2026-12-26 12:00": "Cy", "2026-12-27 12:00": "", "2027-12-25 12:00": "Bo"}),
    Case("whole months are 31 days, cut where the next begins", Model("UTC", (rule("Ada, Bo", "2026-01-01 00:00", "FREQ=MONTHLY;BYMONTHDAY=1", 31 * 24),)),
         {"2026-02-28 23:59": "Bo", "2026-03-01 00:00": "Ada", "2026-03-31 23:59": "Ada"}),
    Case("nights keep the wall clock through both changes", Model(PARIS, (rule("Ada, Bo", "2026-03-27 20:00", "FREQ=DAILY", 12, PARIS),)),
         {"2026-03-28T19:00Z": "Bo", "2026-03-29T05:59Z": "Bo", "2026-03-29T06:00Z": "", "2026-03-29T18:00Z": "Ada", "2026-10-25T06:59Z": "Bo", "2026-10-25T07:00Z": ""}),
    Case("a rule runs in its own zone, whatever the schedule's", Model(PARIS, (rule("Ada, Bo", "2026-06-01 09:00", "FREQ=WEEKLY;BYDAY=MO,TU", 8, SYDNEY),)),
         {"2026-05-31T23:00Z": "Ada", "2026-06-01T06:59Z": "Ada", "2026-06-01T07:00Z": "", "2026-06-01T23:00Z": "Bo", "2026-10-04T22:00Z": "Ada", "2026-10-04T21:59Z": ""}),
    Case("a shift in the hour that is skipped moves forward with its end", Model(NEW_YORK, (rule("Ada", "2026-03-07 02:30", "FREQ=DAILY", 0.25, NEW_YORK),)),
         {"2026-03-08T07:29Z": "", "2026-03-08T07:30Z": "Ada", "2026-03-08T07:45Z": ""}),
    Case("a shift in the hour that comes twice is in the first", Model(NEW_YORK, (rule("Ada", "2026-10-31 01:30", "FREQ=DAILY", 0.25, NEW_YORK),)),
         {"2026-11-01T05:30Z": "Ada", "2026-11-01T05:45Z": "", "2026-11-01T06:30Z": ""}),
    Case("hours are elapsed time", Model(PARIS, (rule("Ada, Bo", "2026-03-28 20:00", "FREQ=HOURLY;INTERVAL=8", 8, PARIS),)),
         {"2026-03-29T03:00Z": "Bo", "2026-03-29T02:59Z": "Ada", "2026-03-29T11:00Z": "Ada"}),
    Case("a rule ends after its COUNT, and a shift taken out is one of them", Model("UTC", (rule("Ada, Bo, Cy", "2026-06-01 00:00", "FREQ=DAILY;COUNT=3", out="2026-06-02 00:00"),)),
         {"2026-06-02 12:00": "", "2026-06-03 12:00": "Cy", "2026-06-04 12:00": ""}),
    Case("UNTIL is the last time at which a shift may begin", Model("UTC", (rule("Ada", "2026-06-01 20:00", "FREQ=DAILY;UNTIL=20260603T200000Z", 12),)),
         {"2026-06-03 20:00": "Ada", "2026-06-04 07:59": "Ada", "2026-06-04 20:00": ""}),
    Case("between the shifts of a rule above, the layer below has the pager", Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00", WEEK), rule("Cy", "2026-06-01 09:00", "FREQ=WEEKLY;BYDAY=TU", 8, rank=1))),
         {"2026-06-02 08:59": "Ada", "2026-06-02 09:00": "Cy", "2026-06-02 17:00": "Ada", "2026-06-09 12:00": "Cy", "2026-06-09 18:00": "Bo"}),
    Case("a replacement in a rule's rotation takes one member's place for a while",
         Model("UTC", (rule("Ada, Bo", "2026-06-01 00:00", "FREQ=DAILY", id_="A"),), (), (swap("A", "Bo", "Cy", "2026-06-01 00:00", "2026-06-03 00:00"),)),
         {"2026-06-01 12:00": "Ada", "2026-06-02 12:00": "Cy", "2026-06-04 12:00": "Bo"}),
    Case("turns become a rule from the edit on, and not before", Model("UTC", (turns("Ada, Bo", "2026-06-01 00:00"),)),
         {"2026-06-02 12:00": "Bo", "2026-06-06 11:59": "Bo", "2026-06-06 12:00": "", "2026-06-08 12:00": "Ada"},
         later=(("2026-06-06 12:00", Model("UTC", (rule("Ada, Bo", "2026-06-08 00:00", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),))),)),
    Case("two people of a slot work the first weekend of each month", Model("UTC", (rule("Ada Bo, Cy", "2026-06-06 00:00", "FREQ=MONTHLY;BYDAY=1SA", 48),)),
         {"2026-06-06 12:00": "Ada Bo", "2026-06-07 23:59": "Ada Bo", "2026-06-08 00:00": "", "2026-07-04 12:00": "Cy"}),
    Case("two shifts in a row for each member of a rule", Model("UTC", (rule("Ada, Bo", "2026-06-01 00:00", "FREQ=WEEKLY;BYDAY=MO,TU", turns_per_slot=2),)),
         {"2026-06-01 12:00": "Ada", "2026-06-02 12:00": "Ada", "2026-06-08 12:00": "Bo", "2026-06-09 12:00": "Bo", "2026-06-15 12:00": "Ada"}),
]  # fmt: skip


def test_there_are_enough_cases_and_each_promises_something_else() -> None:
    assert len(CASES) >= 40
    assert len({case.promise for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.promise for case in CASES])
def test_a_case_worked_out_by_hand(case: Case) -> None:
    one, zone = case.schedule, case.model.time_zone
    for text, names in case.asked.items():
        instant = wall(text, zone)
        assert sorted(period.user_id for period in on_call_at(one, case.overrides, instant)) == names.split(), text
        entries = final(one, case.overrides, Span(instant - timedelta(days=3), instant + timedelta(days=3)))
        assert sorted(entry.user_id for entry in entries if entry.start <= instant < entry.end) == names.split(), text
