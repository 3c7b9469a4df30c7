"""Pages of one's own shifts: what comes next, asking for cover, and requests to answer; and the page behind a request's link."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base import times
from tocsin.base.errors import Refusal, invalid
from tocsin.base.times import Span
from tocsin.core import handoff
from tocsin.core.permission import CREATE, DELETE, Actor, Thing
from tocsin.core.schedule import Entry as Period
from tocsin.core.swap import NOTE_MOST, Status, Swap, double_booked
from tocsin.core.swap import Elsewhere as Duty
from tocsin.service import access, browsing, calendars, handoffs, people, roster, swaps
from tocsin.service.audit import Deed
from tocsin.service.swaps import Shift
from tocsin.store import account
from tocsin.store import handoffs as store_handoffs
from tocsin.store import people as store_people
from tocsin.store import swaps as store
from tocsin.store.db import Tx
from tocsin.store.tables.handoffs import handoff_rule
from tocsin.store.tables.schedules import schedule
from tocsin.web import wording
from tocsin.web.visit import PREFIX, Page, View, Visit

HERE = f"{PREFIX}/shifts"
AHEAD = timedelta(weeks=8)
"""How far ahead shifts are listed."""
SHOWN = 16
"""Shifts listed; a calendar program shows them all."""
ENDED_SHOWN = timedelta(days=14)
"""How long one's own requests are shown after they ended."""
EXCHANGE_AHEAD = timedelta(weeks=5)
"""How far ahead colleagues' shifts are offered in exchange."""
ADVANCES = (0, 15, 30, 60, 120, 240, 720, 1440, 2880, 10_080)
"""Minutes before a hand-off that are offered; the API takes any whole number."""
HANDOFFS = {handoff.BOTH: "going on and coming off call", handoff.ONCALL: "going on call", handoff.OFFCALL: "coming off call"}
WALL = "%Y-%m-%dT%H:%M"
PURPOSE = "swap-answer"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits for an answer: how it looks, and what to know before accepting."""

    swap: Swap
    schedule: str
    refusal: str
    warnings: list[str]


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    me, now = visit.who.id, visit.now
    shifts = swaps.shifts_of(tx, me, Span(now, now + AHEAD))
    mine = store.by_asker(tx, me, since=now - ENDED_SHOWN)
    asked = {(one.schedule_id, one.start, one.end): one for one in mine if one.status is Status.ASKED}
    row = store_people.user(tx, me)
    path = calendars.path(visit.front.seals, "user", me, row.calendar_digest if row is not None else None)
    address = visit.front.settings.base_url + path
    names = _schedule_names(tx, mine)
    return {
        "shifts": shifts[:SHOWN],
        "more": max(len(shifts) - SHOWN, 0),
        "weeks": AHEAD.days // 7,
        "open_on": {index: _open_on(one, asked.values()) for index, one in enumerate(shifts[:SHOWN])},
        "asking": _asking(visit, tx, shifts),
        "waiting": [waiting(tx, one, me, now) for one in store.open_for(tx, me)],
        "mine": mine,
        "schedule_name": names,
        "user_name": browsing.user_names(tx),
        "address": address,
        "webcal": "webcal://" + address.partition("://")[2],
        "methods": {row.id: row for row in store_people.contact_methods(tx, [me])[me]},
        "handoff_rules": store_handoffs.rules_of(tx, me),
        "advances": [(minutes, before(minutes)) for minutes in ADVANCES],
        "before": before,
        "handoffs": HANDOFFS,
        "wording": wording,
        "note_most": NOTE_MOST,
        "iso": times.iso,
        "day": lambda instant: _words(instant, visit.zone),
        "problem": "",
    }


def before(minutes: int) -> str:
    """How long before a hand-off, in words."""
    return f"{times.human_duration(timedelta(minutes=minutes))} before" if minutes else "at the hand-off"


def _open_on(shift: Shift, asked: Any) -> bool:
    """Whether a request about a part of this shift is open."""
    return any(one.schedule_id == shift.schedule_id and one.span.overlaps(Span(shift.start, shift.end)) for one in asked)


def _schedule_names(tx: Tx, found: list[Swap]) -> dict[str, str]:
    rows = tx.rows(sa.select(schedule.c.id, schedule.c.name).where(schedule.c.id.in_(sorted({one.schedule_id for one in found}))))
    return {row.id: row.name for row in rows}


def waiting(tx: Tx, swap: Swap, user_id: str, now: datetime) -> Waiting:
    """A request as the one who was asked looks at it."""
    refusal = swaps.refusal(tx, swap, user_id, now)
    warnings = [] if refusal else swaps.warnings(tx, user_id, swap.span, beside=swap.schedule_id)
    return Waiting(swap, _schedule_names(tx, [swap]).get(swap.schedule_id, ""), refusal, warnings)


def _asking(visit: Visit, tx: Tx, shifts: list[Shift]) -> Mapping[str, Any] | None:
    """What the form offers for the shift that cover is asked for, the next one of the schedule if the address does not say which;
    None when there is none of one's own.
    """
    wanted, start = visit.entry.typed("schedule", visit.asked("ask")), visit.entry.typed("shift", visit.asked("at"))
    shift = next((one for one in shifts if one.schedule_id == wanted and start in {"", times.iso(one.start)}), None)
    if shift is None:
        return None
    me, zone = visit.who.id, visit.zone
    soonest = (visit.now + timedelta(minutes=10)).replace(second=0, microsecond=0)
    first = max(shift.start, soonest) if shift.start <= visit.now else shift.start
    colleagues = swaps.colleagues(tx, shift.schedule_id, me)
    names = browsing.user_names(tx)
    span = Span(visit.now, visit.now + EXCHANGE_AHEAD)
    backs = []
    duties = [Duty(one.schedule, Period(one.start, one.end, me)) for one in shifts if one.schedule_id != shift.schedule_id]
    for colleague in colleagues:
        for one in swaps.shifts_of(tx, colleague, span, [shift.schedule_id]):
            if one.start > visit.now:
                double = "; you are on call elsewhere then" if double_booked(Span(one.start, one.end), duties) else ""
                words = f"{names(colleague)}: {_words(one.start, zone)} to {_words(one.end, zone)}{double}"
                backs.append((f"{colleague} {times.iso(one.start)} {times.iso(one.end)}", words))
    return {
        "shift": shift,
        "at": times.iso(shift.start),
        "start_text": f"{first.astimezone(zone):{WALL}}",
        "end_text": f"{shift.end.astimezone(zone):{WALL}}",
        "start_was": times.iso(first),
        "end_was": times.iso(shift.end),
        "colleagues": [("", "Anyone on the rota")] + [(one, names(one)) for one in colleagues],
        "backs": [("", "Nothing in exchange"), *backs],
    }


def _words(instant: datetime, zone: ZoneInfo) -> str:
    local = instant.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


def mark(visit: Visit, tx: Tx) -> object:
    """Shifts go by without an event: the page is looked at anew every minute, and when rotas or requests change."""
    minute = visit.now.replace(second=0, microsecond=0)
    rules = [row.id for row in store_handoffs.rules_of(tx, visit.who.id)]
    return minute, roster.change_mark(tx), store.change_mark(tx), rules


# --- What can be done ------------------------------------------------------------------------------------------------


def ask(visit: Visit, tx: Tx) -> str:
    """Ask for cover for a shift, or for the part of it that was typed."""
    entry = visit.entry
    start, end = (_typed_instant(visit, name, words) for name, words in (("start", "when it begins"), ("end", "when it ends")))
    expires = _typed_instant(visit, "expires", "until when it can be accepted") if entry.typed("expires").strip() else None
    note = entry.text("note", "the note", most=NOTE_MOST)
    user_id, back = entry.typed("user") or None, _typed_back(visit)
    if not entry.is_good or start is None or end is None:
        return ""
    if back is not None and user_id is None:
        user_id = back[0]
    if back is not None and back[0] != user_id:
        entry.problem("back", "This shift is another colleague's: ask that colleague, or choose another shift")
        return ""
    swaps.ask(
        tx, visit.deed, entry.typed("schedule"), Span(start, end), user_id=user_id, back=back[1] if back else None,
        expires_at=expires, note=note or None,
    )  # fmt: skip
    return "Asked. You are told as soon as somebody answers; until then the shift is yours"


def _typed_instant(visit: Visit, name: str, words: str) -> datetime | None:
    """A wall clock of the viewer's zone; one left as it was offered is that very instant, also when clocks change."""
    typed, was = visit.entry.typed(name).strip(), visit.entry.typed(f"{name}_was")
    try:
        if was:
            offered = times.parse_instant(was)
            if f"{offered.astimezone(visit.zone):{WALL}}" == typed:
                return offered
        return times.parse_instant(typed, zone=visit.zone)
    except (ValueError, OverflowError):
        visit.entry.problem(name, f"Enter {words} as a date and a time, like 2026-11-23T18:00")
        return None


def _typed_back(visit: Visit) -> tuple[str, Span] | None:
    typed = visit.entry.typed("back")
    if not typed:
        return None
    try:
        user_id, start, end = typed.split(" ")
        return user_id, Span(times.parse_instant(start), times.parse_instant(end))
    except ValueError:
        visit.entry.problem("back", "Choose one of the shifts")
        return None


def accept(visit: Visit, tx: Tx) -> str:
    swaps.accept(tx, visit.deed, visit.entry.typed("swap"))
    return "The shift is yours now"


def decline(visit: Visit, tx: Tx) -> str:
    swaps.decline(tx, visit.deed, visit.entry.typed("swap"))
    return "Declined"


def withdraw(visit: Visit, tx: Tx) -> str:
    swaps.withdraw(tx, visit.deed, visit.entry.typed("swap"))
    return "Withdrawn; those who were asked are told"


def add_handoff(visit: Visit, tx: Tx) -> str:
    """Tell of hand-offs: when, of which, and where."""
    entry = visit.entry
    kind = entry.choice("handoff", "of what to tell", HANDOFFS)
    minutes = entry.number("advance", "the minutes", least=0, most=handoff.ADVANCE_MOST)
    if not entry.is_good:
        return ""
    access.allow(visit.who, CREATE, Thing("oncall_handoff_notification_rule", owner_id=visit.who.id))
    handoffs.add_rule(
        tx, visit.deed, visit.who.id, contact_method_id=entry.typed("method"), notify_advance_in_minutes=minutes, handoff_type=kind
    )
    return "The rule holds from the next hand-off on"


def remove_handoff(visit: Visit, tx: Tx) -> str:
    row = access.find(tx, visit.who, "oncall_handoff_notification_rule", handoff_rule, visit.entry.typed("rule"), DELETE)
    handoffs.remove_rule(tx, visit.deed, row)
    return "The rule is gone"


DEEDS: Mapping[str, Callable[[Visit, Tx], str]] = {
    "add-handoff": add_handoff, "remove-handoff": remove_handoff, "ask": ask, "accept": accept, "decline": decline, "withdraw": withdraw,
}  # fmt: skip


def act(visit: Visit) -> Response:
    """Do what a button of the page says; a form that cannot be used comes back as it was typed."""
    deed = DEEDS.get(visit.entry.typed("do"))
    if deed is None:
        raise invalid("This page has no such button; load it again")
    said, problem = "", ""
    try:
        with visit.front.db.write() as tx:
            said = deed(visit, tx)
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        problem = " ".join(refusal.errors if isinstance(refusal.errors, list) else [refusal.message])
    if said:
        return visit.go(HERE, said=said)
    with visit.front.db.read() as tx:
        return visit.page("shifts.html", {**facts(visit, tx), "problem": problem}, status=422)


# --- The page behind the link of a request ----------------------------------------------------------------------------


def _linked(visit: Visit, tx: Tx) -> tuple[Swap, Actor]:
    """The request and the person that a link names. Raises Refusal 400 when it is forged, too old, or its person is gone."""
    try:
        claims = visit.front.seals.verify(visit.segment("signed"), purpose=PURPOSE, now=visit.now)
    except ValueError as error:
        raise Refusal(400, 2001, str(error).capitalize(), ["Open Tocsin to see how the request stands"]) from error
    actor = people.actor_of_user(tx, str(claims.get("user", "")), method="mail")
    if actor is None:
        raise invalid("The person this link was sent to is no longer here")
    return swaps.find(tx, actor, str(claims.get("swap", ""))), actor


def link_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    swap, actor = _linked(visit, tx)
    shown, person = waiting(tx, swap, actor.id, visit.now), store_people.user(tx, actor.id)
    home = account.load(tx)
    zone = times.zone_named((person.time_zone if person is not None else None) or home.time_zone)
    return {
        "one": shown,
        "asked": actor,
        "account": home.name,
        "zone": zone,
        "words": lambda instant: _words(instant, zone),
        "user_name": browsing.user_names(tx),
        "is_waiting": actor.id in swap.waiting_for or (swap.status is Status.ASKED and actor.id in swap.asked),
        "outcome": "",
        "problem": "",
    }


def link_act(visit: Visit) -> Response:
    """Accept or decline as the person the link was sent to."""
    done, problem = "", ""
    answers = {"accept": (swaps.accept, "The shift is yours now"), "decline": (swaps.decline, "You have declined")}
    run = answers.get(visit.entry.typed("do"))
    if run is None:
        raise invalid("This page has no such button; open the link again")
    try:
        with visit.front.db.write() as tx:
            swap, actor = _linked(visit, tx)
            client = visit.request.client
            run[0](tx, Deed(actor, visit.now, visit.front.chance, "", client.host if client else None), swap.id)
            done = run[1]
    except Refusal as refusal:
        if refusal.status != 400 or not isinstance(refusal.errors, list):
            raise
        problem = " ".join(refusal.errors) or refusal.message
    with visit.front.db.read() as tx:
        return visit.page("swap.html", {**link_facts(visit, tx), "outcome": done, "problem": problem}, status=422 if problem else 200)


PAGES = (
    Page("/shifts", View("shifts.html", facts, mark), act),
    Page("/swap/{signed}", View("swap.html", link_facts), link_act, is_public=True, is_bare=True, needs_token=False),
)
