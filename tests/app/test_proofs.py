"""What was proven, as the command line says it: a line for each kind of hole, and nothing of what is well but how much it is."""

from datetime import timedelta

from tests.core.test_coverage import DAY, HOUR
from tests.core.test_schedule import START
from tocsin.app.proofs import coverage_words
from tocsin.base.times import Span
from tocsin.core.coverage import Cause, Double, Kind, Reached
from tocsin.core.escalation import Policy
from tocsin.service.coverage import Coverage, PolicyCoverage, Served, ServiceCoverage
from tocsin.store.coverage import Cause as Known
from tocsin.store.coverage import Hole

GAP = Cause(Kind.GAP, 1, "PS1", "nobody is on call on Days")
LOW = Cause(Kind.LOW_URGENCY, 0, "PSVC", "incidents of Till are of low urgency then, and do not escalate")


def test_each_kind_of_hole_has_one_line() -> None:
    nights = tuple(Reached(START + number * DAY, START + number * DAY + 8 * HOUR, None, (GAP,)) for number in range(3))
    late = Reached(START + 4 * DAY, START + 4 * DAY + HOUR, timedelta(hours=1), (LOW,))
    till = Served("PSVC", "Till")
    shop = PolicyCoverage(nights, Policy("PP1", "Shop", ()), (till, Served("PS2", "Web")), (ServiceCoverage((late,), till),))
    well = PolicyCoverage((Reached(START, START + DAY, timedelta()),), Policy("PP2", "Well", ()), ())
    twice = tuple(Double("PADA", START + number * DAY, START + number * DAY + HOUR, ("PS1", "PS2")) for number in range(2))
    found = Coverage(Span(START, START + 7 * DAY), (shop, well), twice, {"PADA": "Ada"}, {"PS1": "Days", "PS2": "Desk"})
    known = {Known("PP1", "", "gap_in_schedule", 1, "PS1"): Hole("", START, "Ada: delete override")}
    lines = coverage_words(found, known).split("\n")
    assert lines[0].startswith("From ")
    assert lines[1:] == [
        "Shop (Till, Web): 0.00 % covered",
        f"  NOBODY  {START:%a %d %b %H:%M} to {START + 8 * HOUR:%a %d %b %H:%M}, 3 times, 1 d in all: level 1: nobody is on call on Days (known since {START:%a %d %b %H:%M}, after Ada: delete override)",
        f"  weak    Till: after 1 h, {START + 4 * DAY:%a %d %b %H:%M} to {START + 4 * DAY + HOUR:%a %d %b %H:%M}: incidents of Till are of low urgency then, and do not escalate",
        f"TWICE   Ada is on call at two places, {START:%a %d %b %H:%M} to {START + HOUR:%a %d %b %H:%M}, 2 times: Days and Desk",
        "1 policy reaches somebody by the first level at every instant.",
    ]
