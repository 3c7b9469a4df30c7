"""Page of one incident: who is on it, what comes next, what happened and why, and everything one can do about it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from tocsin.base.errors import invalid
from tocsin.base.times import Span
from tocsin.core import events as happened
from tocsin.core import permission
from tocsin.core.events import Urgency
from tocsin.core.incident import Decision
from tocsin.core.incident_state import MAX_SNOOZE_SECONDS, Incident
from tocsin.core.permission import READ, RESPOND
from tocsin.service import access, addons, browsing, explain, story
from tocsin.service.browsing import Wanted
from tocsin.service.incidents import Desk
from tocsin.service.story import Story
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables.incidents import incident as incident_table
from tocsin.web import wording
from tocsin.web.drawing import Mark, Stretch, incident_line
from tocsin.web.pages import incident_parts
from tocsin.web.pages.incidents import CHANNEL
from tocsin.web.visit import PREFIX, Page, View, Visit
from tocsin.web.wording import Line

TABS = ("timeline", "alerts", "pages", "fields", "alike", "why")
SNOOZES = (("30 min", 1800), ("1 h", 3600), ("4 h", 14_400), ("8 h", 28_800), ("24 h", 86_400), ("7 d", MAX_SNOOZE_SECONDS))
NOTE_LENGTH_MOST = 10_000
MERGE_OFFERS = 50


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    told = story.tell(tx, visit.who, visit.segment("id"), visit.now)
    tab = visit.asked("tab", "timeline")
    others = browsing.list_incidents(tx, visit.who, Wanted(status="open")).incidents if told.incident.is_open else []
    return {
        "story": told,
        "one": told.incident,
        "tab": tab if tab in TABS else "timeline",
        "chain": explain.explain(tx, visit.who, told.incident.id, visit.zone) if tab == "why" else None,
        "lines": timeline(told),
        "picture": picture(told, visit.now, visit),
        "people": [row for row in browsing.users(tx, visit.who) if not row.is_disabled],
        "policies": browsing.policies(tx, visit.who),
        "priorities": browsing.priorities(tx),
        "addons": addons.on_incidents_of(tx, [told.incident.service_id])[told.incident.service_id],
        "others": [other for other in others if other.id != told.incident.id][:MERGE_OFFERS],
        "snoozes": SNOOZES,
        "may_respond": _may_respond(visit, tx, told.incident),
        "wording": wording,
        **incident_parts.helping(visit, tx, told.incident),
        **incident_parts.fields(tx, told.incident),
        **(incident_parts.alike(visit, tx, told.incident) if tab == "alike" else {}),
    }


def _may_respond(visit: Visit, tx: Tx, incident: Incident) -> bool:
    row = access.find(tx, visit.who, "incident", incident_table, incident.id)
    return permission.may(visit.who, RESPOND, access.thing_of("incident", row)).allowed


def fingerprint(visit: Visit, tx: Tx) -> object:
    return story.change_mark(tx, visit.segment("id"))


def timeline(told: Story) -> list[tuple[Entry, Line, int]]:
    """The log as lines, newest first; repeats of one trigger become one line that counts them."""
    lines: list[tuple[Entry, Line, int]] = []
    for entry in told.entries:
        line = wording.line(entry.event, told.names)
        is_repeat = isinstance(entry.event, happened.TriggeredAgain)
        if is_repeat and lines and isinstance(lines[-1][0].event, happened.TriggeredAgain) and lines[-1][1].more == line.more:
            lines[-1] = (entry, line, lines[-1][2] + 1)
        else:
            lines.append((entry, line, 1))
    return lines[::-1]


_STATES: Mapping[type[happened.Event], str] = {
    happened.Triggered: "triggered",
    happened.Reopened: "triggered",
    happened.Unacknowledged: "triggered",
    happened.Acknowledged: "acknowledged",
    happened.Resolved: "resolved",
}


def picture(told: Story, now: datetime, visit: Visit) -> Any:
    """The bar of states, from the first event to the end or to now."""
    end = told.incident.resolved_at or now
    start = told.incident.created_at
    span = Span(start, max(end, start + timedelta(minutes=1)))
    stretches: list[Stretch] = []
    since, state = start, "triggered"
    for entry in told.entries:
        changed = _STATES.get(type(entry.event))
        if changed and changed != state:
            stretches.append(Stretch(since, entry.event.at, state, state.capitalize()))
            since, state = entry.event.at, changed
    if state != "resolved":
        stretches.append(Stretch(since, span.end, state, state.capitalize()))
    marks = [
        Mark(entry.event.at, "page" if isinstance(entry.event, happened.Notified) else "climb", wording.line(entry.event, told.names).words)
        for entry in told.entries
        if isinstance(entry.event, happened.Notified | happened.Escalated | happened.Assigned | happened.LastResortPaged)
    ]
    return incident_line(stretches, marks, span, visit.zone)


# --- What can be done ------------------------------------------------------------------------------------------------

Deed = Callable[[Visit, Desk, str], Decision | str]
"""Does one thing to the incident with this id; answers what was decided, or words."""


def _acknowledge(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.acknowledge(id_, visit.who.agent, CHANNEL)


def _unacknowledge(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.unacknowledge(id_, visit.who.agent, CHANNEL)


def _resolve(visit: Visit, desk: Desk, id_: str) -> Decision:
    words = visit.entry.text("resolution", "what solved it", most=NOTE_LENGTH_MOST)
    return desk.resolve(id_, visit.who.agent, CHANNEL, words or None)


def _reopen(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.reopen(id_, visit.who.agent, CHANNEL)


def _snooze(visit: Visit, desk: Desk, id_: str) -> Decision:
    seconds = visit.entry.number("seconds", "how long", least=1, most=MAX_SNOOZE_SECONDS)
    _stop_if_wrong(visit)
    return desk.snooze(id_, visit.who.agent, CHANNEL, seconds)


def _escalate(visit: Visit, desk: Desk, id_: str) -> Decision:
    level = visit.entry.typed("level")
    return desk.escalate(id_, visit.who.agent, CHANNEL, int(level) if level.isdecimal() and len(level) < 4 else None)


def _reassign(visit: Visit, desk: Desk, id_: str) -> Decision:
    user_id = visit.entry.typed("user")
    if not user_id:
        raise invalid("Choose who is to have it")
    return desk.reassign(id_, visit.who.agent, CHANNEL, [user_id])


def _delegate(visit: Visit, desk: Desk, id_: str) -> Decision:
    return desk.delegate(id_, visit.who.agent, CHANNEL, visit.entry.typed("policy"))


def _note(visit: Visit, desk: Desk, id_: str) -> str:
    words = visit.entry.text("note", "a note", least=1, most=NOTE_LENGTH_MOST)
    _stop_if_wrong(visit)
    desk.annotate(id_, visit.who.agent, CHANNEL, words)
    return "Noted"


def _priority(visit: Visit, desk: Desk, id_: str) -> Decision:
    wanted = visit.entry.typed("priority")
    if wanted and wanted not in {row.id for row in browsing.priorities(desk.tx)}:
        raise invalid("This priority does not exist any more")
    return desk.change_priority(id_, visit.who.agent, CHANNEL, wanted or None)


def _urgency(visit: Visit, desk: Desk, id_: str) -> Decision:
    urgency = visit.entry.choice("urgency", "an urgency", {"high", "low"})
    _stop_if_wrong(visit)
    return desk.change_urgency(id_, visit.who.agent, CHANNEL, Urgency(urgency))


def _merge(visit: Visit, desk: Desk, id_: str) -> str:
    sources = visit.entry.many("sources")
    if not sources:
        raise invalid("Tick the incidents that this one is to take in")
    for source in sources:
        access.find(desk.tx, visit.who, "incident", incident_table, source, RESPOND)
    desk.merge(id_, sources, visit.who.agent, CHANNEL)
    return f"{len(sources)} merged into this one"


def _stop_if_wrong(visit: Visit) -> None:
    if not visit.entry.is_good:
        raise invalid(*visit.entry.problems.values())


DEEDS: Mapping[str, Deed] = {
    "acknowledge": _acknowledge,
    "unacknowledge": _unacknowledge,
    "resolve": _resolve,
    "reopen": _reopen,
    "snooze": _snooze,
    "escalate": _escalate,
    "reassign": _reassign,
    "delegate": _delegate,
    "note": _note,
    "priority": _priority,
    "urgency": _urgency,
    "merge": _merge,
    **incident_parts.DEEDS,
    **incident_parts.OWN_DEEDS,
}
"""Everything the page's buttons do."""


def act(visit: Visit) -> Response:
    do = visit.entry.typed("do")
    deed = DEEDS.get(do)
    if deed is None:
        raise invalid("This page has no such button; load it again")
    incident_id = visit.segment("id")
    with visit.front.db.write() as tx, Desk(tx, now=visit.now, chance=visit.front.chance) as desk:
        access.find(tx, visit.who, "incident", incident_table, incident_id, READ if do in incident_parts.OWN_DEEDS else RESPOND)
        done = deed(visit, desk, incident_id)
    words = done if isinstance(done, str) else done.reason
    tab = visit.asked("tab")
    address = f"{PREFIX}/incidents/{incident_id}" + (f"?tab={tab}" if tab in TABS else "")
    return visit.go(address, said=words[:1].upper() + words[1:])


PAGES = (Page("/incidents/{id}", View("incident.html", facts, fingerprint), act),)
