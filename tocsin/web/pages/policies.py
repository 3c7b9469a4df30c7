"""Pages of the escalation policies: who is paged first and who next, tried at any instant; and the editor of their levels."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.base.times import Span, from_wall, human_duration
from tocsin.core import permission
from tocsin.core.coverage import Cause, together
from tocsin.core.escalation import MAX_DELAY_MINUTES, MAX_LOOPS, MAX_RULES, MAX_TARGETS, Rule, Strategy, Target
from tocsin.core.events import Urgency
from tocsin.core.permission import CREATE, DELETE, UPDATE, Thing
from tocsin.service import access, browsing, coverage, dry_run, roster, story
from tocsin.service import policies as deeds
from tocsin.service.coverage import Change
from tocsin.store import policies
from tocsin.store.db import Tx
from tocsin.store.tables.people import team
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy
from tocsin.web import weighing, wording
from tocsin.web.forms import Entry
from tocsin.web.visit import PREFIX, Page, View, Visit

STRETCHES_SHOWN = 6
FRESH_LEVEL = {"minutes": "30", "strategy": Strategy.EVERYONE.value}
STRATEGIES = ((Strategy.EVERYONE.value, "Everybody on it"), (Strategy.ROUND_ROBIN.value, "One of them in turn"))
HANDOFFS = (("if_has_services", "When a service uses the policy"), ("always", "Always"))

_KEY = re.compile(r"[0-9]{1,4}")


# --- Looking ---------------------------------------------------------------------------------------------------------


def list_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    page = visit.asked("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 4 else 1
    words, asked_team = visit.asked("q").strip(), visit.asked("team")
    found = roster.look(tx, visit.who, Span(visit.now, visit.now + timedelta(minutes=1)), team_id=asked_team, words=words, page=number)
    teams = browsing.teams(tx, visit.who)
    return {
        "found": found,
        "number": number,
        "user_name": browsing.user_names(tx),
        "teams": teams,
        "team_name": {row.id: row.name for row in teams},
        "asked_team": asked_team,
        "words": words,
        "is_narrowed": bool(words or asked_team),
        "may_create": permission.may(visit.who, CREATE, Thing("escalation_policy")).allowed,
    }


def mark(visit: Visit, tx: Tx) -> object:
    """Anew when a schedule, an override or a policy changes, and every minute, as turns move on."""
    return visit.now.replace(second=0, microsecond=0), roster.change_mark(tx)


def one_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "escalation_policy", escalation_policy, visit.segment("id"))
    policy = policies.load(tx, [row.id])[row.id]
    at, wrong = _tried_at(visit)
    urgency = Urgency.LOW if visit.asked("urgency") == Urgency.LOW.value else Urgency.HIGH
    start = visit.now.replace(second=0, microsecond=0)
    proven = coverage.look(tx, visit.who, Span(start, start + timedelta(weeks=weighing.WEEKS_LOOKED_AT)), policy_ids=[row.id]).policies
    schedules = {target.id for rule in policy.rules for target in rule.targets if target.type != "user"}
    names = policies.schedule_names(tx, access.known(tx, visit.who, "schedule", schedule, schedules))
    thing = access.thing_of("escalation_policy", row)
    teams = access.known(tx, visit.who, "team", team, [row.team_id] if row.team_id else [])
    return {
        "row": row,
        "policy": policy,
        "ladder": story.ladder_of(tx, policy, visit.now),
        "team": next((one.name for one in browsing.teams(tx, visit.who) if one.id in teams), ""),
        "services": [one for one in browsing.services(tx, visit.who) if one.escalation_policy_id == row.id],
        "proven": proven[0] if proven else None,
        "run": dry_run.run(tx, visit.who, policy, at or visit.now, urgency=urgency),
        "tried": visit.asked("at") or visit.now.astimezone(visit.zone).strftime("%Y-%m-%dT%H:%M"),
        "wrong_at": wrong,
        "urgency": urgency.value,
        "is_tried": bool(visit.asked("at") or visit.asked("urgency")),
        "user_name": browsing.user_names(tx),
        "schedule_names": names,
        "hidden": coverage.HIDDEN,
        "weeks": weighing.WEEKS_LOOKED_AT,
        "wording": wording,
        "lasting": human_duration,
        "may_change": permission.may(visit.who, UPDATE, thing).allowed,
        "may_delete": permission.may(visit.who, DELETE, thing).allowed,
        "problem": "",
    }


def _tried_at(visit: Visit) -> tuple[datetime | None, str]:
    """The instant a dry run is asked for, on the viewer's wall; and what is wrong with what was typed."""
    typed = visit.asked("at")
    if not typed:
        return None, ""
    try:
        wall = datetime.fromisoformat(typed)
    except ValueError:
        return None, "Enter a date and a time, like 2026-11-24T03:00"
    if wall.tzinfo is not None or not 2000 <= wall.year <= 2100:
        return None, "Enter a date between 2000 and 2100 without a zone: it is read in yours"
    return from_wall(wall, visit.zone), ""


def remove(visit: Visit) -> Response:
    """Delete a policy that no service uses; one that is used says by which."""
    policy_id = visit.segment("id")
    if visit.entry.typed("do") != "delete":
        return visit.go(f"{PREFIX}/policies/{policy_id}")
    try:
        with visit.front.db.write() as tx:
            row = access.find(tx, visit.who, "escalation_policy", escalation_policy, policy_id, DELETE)
            deeds.delete_policy(tx, visit.deed, policy_id)
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        with visit.front.db.read() as tx:
            return visit.page("policy.html", {**one_facts(visit, tx), "problem": " · ".join(refusal.errors)}, status=422)
    return visit.go(f"{PREFIX}/policies", said=f"{row.name} is gone")


# --- The editor ------------------------------------------------------------------------------------------------------


def new_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    access.allow(visit.who, CREATE, Thing("escalation_policy"))
    return _form(visit, tx, None)


def edit_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "escalation_policy", escalation_policy, visit.segment("id"))
    access.allow(visit.who, UPDATE, access.thing_of("escalation_policy", row))
    return _form(visit, tx, row)


def _form(visit: Visit, tx: Tx, row: sa.Row[Any] | None, changes: list[Change] | None = None, problem: str = "") -> Mapping[str, Any]:
    """What the editor shows: what was typed, or the policy as it is."""
    entry = visit.entry
    schedules = browsing.schedules(tx, visit.who)
    people = [one for one in browsing.users(tx, visit.who) if not one.is_disabled]
    options = {f"schedule:{one.id}": one.name for one in schedules} | {f"user:{one.id}": one.name for one in people}
    levels = _typed(entry) if entry.posted else _kept(row)
    there = {value for level in levels for value in level["targets"]}
    gone = {value: _gone(tx, value) for value in there - options.keys()}
    return {
        "row": row,
        "as_of": "" if row is None else row.updated_at.isoformat() if "as_of" in entry.problems else entry.typed("as_of", row.updated_at.isoformat()),
        "levels": levels,
        "options": options | gone,
        "schedules": [(f"schedule:{one.id}", one.name) for one in schedules],
        "people": [(f"user:{one.id}", one.name) for one in people],
        "teams": browsing.teams(tx, visit.who),
        "strategies": STRATEGIES,
        "handoffs": HANDOFFS,
        "loops": [(str(number), "No" if not number else f"{number} more time{'s' if number > 1 else ''}") for number in range(MAX_LOOPS + 1)],
        "delay_most": MAX_DELAY_MINUTES,
        "levels_most": MAX_RULES,
        "changes": None if changes is None else [_told(one) for one in changes],
        "weeks": weighing.WEEKS_LOOKED_AT,
        "stretches_shown": STRETCHES_SHOWN,
        "lasting": human_duration,
        "why": _why,
        "user_name": browsing.user_names(tx),
        "problem": problem,
    }


def _told(change: Change) -> Mapping[str, Any]:
    """A change as it is shown: stretches that say the same are told once."""
    return {
        "service": change.service, "opens": together(change.opens), "later": together(change.later), "closes": together(change.closes),
    }  # fmt: skip


def _why(causes: tuple[Cause, ...]) -> str:
    return "; ".join(f"level {cause.level}: {cause.words}" if cause.level else cause.words for cause in causes)


def _gone(tx: Tx, value: str) -> str:
    """What to call a target that is named and cannot be chosen (any more)."""
    kind, _, id_ = value.partition(":")
    if kind == "user":
        return browsing.user_names(tx, [id_])(id_)
    return coverage.HIDDEN if policies.schedule_names(tx, [id_]) else "a schedule that no longer exists"


def _kept(row: sa.Row[Any] | None) -> list[dict[str, Any]]:
    """The levels as they are; one empty level for a new policy."""
    if row is None:
        return [{"key": "0", "id": "", "targets": [], **FRESH_LEVEL}]
    return [
        {
            "key": str(number), "id": rule.id, "minutes": str(rule.delay_minutes), "strategy": rule.strategy.value,
            "targets": [f"{target.type}:{target.id}" for target in rule.targets],
        }
        for number, rule in enumerate(policies.read_rules(row.rules))
    ]  # fmt: skip


def _typed(entry: Entry) -> list[dict[str, Any]]:
    """The levels as they were typed, after the button that was pressed has done its work."""
    keys = [key for key in entry.many("level") if _KEY.fullmatch(key)][:MAX_RULES]
    verb, _, which = entry.typed("do").partition(":")
    if which in keys:
        at = keys.index(which)
        if verb == "up" and at:
            keys[at - 1], keys[at] = keys[at], keys[at - 1]
        if verb == "down" and at + 1 < len(keys):
            keys[at + 1], keys[at] = keys[at], keys[at + 1]
        if verb == "drop":
            del keys[at]
    levels = [
        {
            "key": key, "id": entry.typed(f"id-{key}"), "minutes": entry.typed(f"minutes-{key}"), "strategy": entry.typed(f"strategy-{key}"),
            "targets": [value for value in dict.fromkeys([*entry.many(f"target-{key}"), entry.typed(f"add-{key}")]) if value],
        }
        for key in keys
    ]  # fmt: skip
    if (verb == "more" or not levels) and len(levels) < MAX_RULES:
        fresh = max((int(key) for key in keys), default=-1) + 1
        levels.append({"key": str(fresh), "id": "", "targets": [], **FRESH_LEVEL})
    return levels


def save(visit: Visit) -> Response:
    """Do what a button says: change the form, look at what an edit would do, or keep it."""
    entry = visit.entry
    policy_id = visit.request.path_params.get("id")
    with visit.front.db.read() as tx:
        row = _found(visit, tx, policy_id)
        verb = entry.typed("do")
        if verb not in {"save", "look", "sure"}:
            return visit.page("policy-edit.html", _form(visit, tx, row), status=200)
        sent = _read(visit, row)
        if not entry.is_good:
            return visit.page("policy-edit.html", _form(visit, tx, row), status=422)

    def keep(tx: Tx) -> str:
        row = _found(visit, tx, policy_id)
        if sent["team_id"] and sent["team_id"] != (row.team_id if row else None):
            access.find(tx, visit.who, "team", team, sent["team_id"])
        if row is None:
            return deeds.create_policy(tx, visit.deed, **sent)
        deeds.change_policy(tx, visit.deed, row.id, sent)
        return str(row.id)

    try:
        if verb != "sure":
            changes = weighing.changes(visit, keep)
            if verb == "look" or any(one.opens or one.later for one in changes):
                with visit.front.db.read() as tx:
                    return visit.page("policy-edit.html", _form(visit, tx, row, changes))
        with visit.front.db.write() as tx:
            kept = keep(tx)
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        errors = refusal.errors if isinstance(refusal.errors, list) else []
        if refusal.message == deeds.NAME_TAKEN:
            entry.problem("name", "Another policy has this name already")
        with visit.front.db.read() as tx:
            problem = "" if entry.problems else " · ".join(errors) or refusal.message
            return visit.page("policy-edit.html", _form(visit, tx, row, problem=problem), status=422)
    return visit.go(f"{PREFIX}/policies/{kept}", said=f"{sent['name']} is kept. Open incidents keep the policy they started with")


def _found(visit: Visit, tx: Tx, policy_id: str | None) -> sa.Row[Any] | None:
    """The policy to be changed, or None for a new one, when the visitor may."""
    if policy_id is None:
        access.allow(visit.who, CREATE, Thing("escalation_policy"))
        return None
    row = access.find(tx, visit.who, "escalation_policy", escalation_policy, visit.segment("id"))
    access.allow(visit.who, UPDATE, access.thing_of("escalation_policy", row))
    return row


def _read(visit: Visit, row: sa.Row[Any] | None) -> dict[str, Any]:
    """The policy that was typed; each mistake is noted beside its field."""
    entry = visit.entry
    if row is not None and entry.typed("as_of") not in {"", row.updated_at.isoformat()}:
        entry.problem("as_of", "Somebody else has changed this policy meanwhile: load the page again, or look below and save once more")
    rules = []
    for level in _typed(entry):
        key = level["key"]
        minutes = entry.number(f"minutes-{key}", "the minutes", least=1, most=MAX_DELAY_MINUTES)
        strategy = entry.choice(f"strategy-{key}", "who is paged", dict(STRATEGIES))
        targets = [Target(kind, id_) for kind, _, id_ in (value.partition(":") for value in level["targets"])]
        if not targets:
            entry.problem(f"add-{key}", "Choose at least one person or schedule, or remove this level")
        if len(targets) > MAX_TARGETS:
            entry.problem(f"add-{key}", f"A level may have at most {MAX_TARGETS} people and schedules")
        if entry.is_good:
            rules.append(Rule(level["id"], minutes, tuple(targets), Strategy(strategy)))
    return {
        "name": entry.text("name", "a name", least=1, most=deeds.NAME_MOST),
        "description": entry.text("description", "the description", most=deeds.DESCRIPTION_MOST) or None,
        "team_id": entry.typed("team") or None,
        "num_loops": entry.number("loops", "how often it begins again", least=0, most=MAX_LOOPS),
        "on_call_handoff_notifications": entry.choice("handoffs", "when hand-offs are told", dict(HANDOFFS)),
        "rules": [replace(rule, targets=tuple(dict.fromkeys(rule.targets))) for rule in rules],
    }


PAGES = (
    Page("/policies", View("policies.html", list_facts, mark)),
    Page("/policies/new", View("policy-edit.html", new_facts), save),
    Page("/policies/{id}", View("policy.html", one_facts, mark), remove),
    Page("/policies/{id}/edit", View("policy-edit.html", edit_facts), save),
)
