"""Hand-offs: the door for people's hand-off and status-update rules, and for telling people of the hand-offs that come.

Laws:
1. What is due is read off the schedules as they stand when it is due; nothing is planned ahead that an edit could belie.
2. A hand-off is told once for each rule: what was told is kept in the transaction that owes the page.
3. Only schedules that a policy uses count, and of policies only those that tell (`on_call_handoff_notifications`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.base.times import Span
from tocsin.core import handoff, message
from tocsin.core import schedule as rules
from tocsin.core.handoff import ONCALL, Handoff, Notice, Rule, Told
from tocsin.service import audit, notify
from tocsin.service.audit import Deed
from tocsin.store import account, people
from tocsin.store import handoffs as store
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Tx
from tocsin.store.schedules import Loaded
from tocsin.store.tables.handoffs import handoff_rule, status_update_rule
from tocsin.store.tables.people import contact_method

AHEAD: Final = timedelta(days=60)
"""How far ahead is looked for the end of a time on call, to say until when it lasts."""
RULES_MOST: Final = 100
"""Rules of one kind that one person may have."""
REPEATED: Final = "Channel Notify advance must be unique for a given contact method and handoff type"


# ------------------------------------------------------------------------------------------------------- the rules


def add_rule(tx: Tx, deed: Deed, user_id: str, *, contact_method_id: str, notify_advance_in_minutes: int, handoff_type: str) -> str:
    """A new rule: that many minutes before a hand-off of this type, tell of it there. Returns its id."""
    columns = {
        "contact_method_id": contact_method_id, "notify_advance_in_minutes": notify_advance_in_minutes,
        "handoff_type": handoff_type,
    }  # fmt: skip
    _check(tx, user_id, columns, None)
    rule_id = ids.object_id(deed.chance)
    tx.execute(sa.insert(handoff_rule), {"id": rule_id, "user_id": user_id, "created_at": deed.now, **columns})
    _audit(tx, deed, user_id, "oncall_handoff_notification_rule", rule_id, None, columns)
    return rule_id


def change_rule(tx: Tx, deed: Deed, rule: sa.Row[Any], changes: Mapping[str, Any]) -> None:
    """Change contact_method_id, notify_advance_in_minutes or handoff_type of a rule."""
    old = _columns(rule)
    columns = old | dict(changes)
    if columns == old:
        return
    _check(tx, rule.user_id, columns, rule.id)
    tx.execute(sa.update(handoff_rule).where(handoff_rule.c.id == rule.id).values(columns))
    _audit(tx, deed, rule.user_id, "oncall_handoff_notification_rule", rule.id, old, columns)


def remove_rule(tx: Tx, deed: Deed, rule: sa.Row[Any]) -> None:
    """Delete a rule."""
    tx.execute(sa.delete(handoff_rule).where(handoff_rule.c.id == rule.id))
    _audit(tx, deed, rule.user_id, "oncall_handoff_notification_rule", rule.id, _columns(rule), None)


def _columns(rule: sa.Row[Any]) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in ("contact_method_id", "notify_advance_in_minutes", "handoff_type")}


def _check(tx: Tx, user_id: str, columns: Mapping[str, Any], own_id: str | None) -> None:
    """Raise 400/2001 unless the rule makes sense, its contact method is the person's own, and no other rule says the same."""
    errors = _method_errors(tx, user_id, columns["contact_method_id"])
    if not 0 <= columns["notify_advance_in_minutes"] <= handoff.ADVANCE_MOST:
        errors.append(f"Notify advance must be between 0 and {handoff.ADVANCE_MOST} minutes")
    if columns["handoff_type"] not in handoff.TYPES:
        errors.append(f"Handoff type must be one of {', '.join(handoff.TYPES)}")
    if errors:
        raise invalid(*errors)
    _unrepeated(tx, handoff_rule, user_id, columns, own_id, REPEATED)


def add_status_update_rule(tx: Tx, deed: Deed, user_id: str, contact_method_id: str) -> str:
    """A new rule: tell of status updates on this contact method. Returns its id."""
    columns = {"contact_method_id": contact_method_id}
    _check_status_update(tx, user_id, columns, None)
    rule_id = ids.object_id(deed.chance)
    tx.execute(sa.insert(status_update_rule), {"id": rule_id, "user_id": user_id, "created_at": deed.now, **columns})
    _audit(tx, deed, user_id, "status_update_notification_rule", rule_id, None, columns)
    return rule_id


def change_status_update_rule(tx: Tx, deed: Deed, rule: sa.Row[Any], contact_method_id: str) -> None:
    """Let a rule use another contact method."""
    old, columns = {"contact_method_id": rule.contact_method_id}, {"contact_method_id": contact_method_id}
    if columns == old:
        return
    _check_status_update(tx, rule.user_id, columns, rule.id)
    tx.execute(sa.update(status_update_rule).where(status_update_rule.c.id == rule.id).values(columns))
    _audit(tx, deed, rule.user_id, "status_update_notification_rule", rule.id, old, columns)


def remove_status_update_rule(tx: Tx, deed: Deed, rule: sa.Row[Any]) -> None:
    """Delete a rule."""
    tx.execute(sa.delete(status_update_rule).where(status_update_rule.c.id == rule.id))
    old = {"contact_method_id": rule.contact_method_id}
    _audit(tx, deed, rule.user_id, "status_update_notification_rule", rule.id, old, None)


def _check_status_update(tx: Tx, user_id: str, columns: Mapping[str, Any], own_id: str | None) -> None:
    if errors := _method_errors(tx, user_id, columns["contact_method_id"]):
        raise invalid(*errors)
    _unrepeated(tx, status_update_rule, user_id, columns, own_id, "Channel must be unique for status updates")


def _method_errors(tx: Tx, user_id: str, method_id: str) -> list[str]:
    if people.user(tx, user_id) is None:
        raise not_found("User")
    owned = sa.select(contact_method.c.id).where(contact_method.c.id == method_id, contact_method.c.user_id == user_id)
    return [] if tx.one(owned) is not None else ["Contact method must be one of this user's"]


def _unrepeated(tx: Tx, table: sa.Table, user_id: str, columns: Mapping[str, Any], own_id: str | None, repeated: str) -> None:
    others = [row for row in tx.rows(sa.select(table).where(table.c.user_id == user_id)) if row.id != own_id]
    if any(all(getattr(row, name) == value for name, value in columns.items()) for row in others):
        raise invalid(repeated)
    if len(others) >= RULES_MOST:
        raise invalid(f"A user may have at most {RULES_MOST} of these rules: delete one first")


def _audit(
    tx: Tx, deed: Deed, user_id: str, type_: str, rule_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    person = people.user(tx, user_id)
    root = {"id": user_id, "type": "user_reference", "summary": person.name if person is not None else user_id}
    audit.record(tx, deed, {"id": rule_id, "type": f"{type_}_reference", "summary": None}, before=before, after=after, root=root)


def remove_rules_of_method(tx: Tx, deed: Deed, contact_method_id: str) -> None:
    """Delete the rules that use this contact method, which is about to go."""
    for rule in tx.rows(sa.select(handoff_rule).where(handoff_rule.c.contact_method_id == contact_method_id)):
        remove_rule(tx, deed, rule)
    for rule in tx.rows(sa.select(status_update_rule).where(status_update_rule.c.contact_method_id == contact_method_id)):
        remove_status_update_rule(tx, deed, rule)


# ------------------------------------------------------------------------------------------------ telling of hand-offs


@dataclass(frozen=True, slots=True)
class _Look:
    """The schedules that count at one instant, whole or in part, and what is to be told of them."""

    loaded: Mapping[str, Loaded]
    policies: Mapping[str, tuple[str, ...]]
    notices: tuple[Notice, ...]


def due(tx: Tx, now: datetime) -> tuple[Notice, ...]:
    """What is to be told now and has not been told yet."""
    return _look(tx, now, store.usable_rules(tx)).notices


def _look(tx: Tx, now: datetime, known: Sequence[Rule], only: Collection[str] | None = None) -> _Look:
    """What is due; with `only` nothing but what is due of these schedules."""
    if not known:
        return _Look({}, {}, ())
    span = handoff.looked_at(known, now)
    named = store.naming(tx, {rule.user_id for rule in known}, span.start)
    policies: dict[str, tuple[str, ...]] = {}
    for row in store.policies_on(tx, named if only is None else named & set(only)):
        if handoff.wants_notices(row.setting, has_services=row.has_services):
            policies[row.schedule_id] = (*policies.get(row.schedule_id, ()), row.name)
    loaded = store_schedules.load_many(tx, policies, Span(span.start, span.end))
    found: list[Handoff] = []
    for schedule_id, one in loaded.items():
        found += handoff.handoffs(schedule_id, rules.final(one.schedule, one.overrides, span), span)
    wanted = handoff.due(known, sorted(found, key=lambda one: (one.at, one.schedule_id)), now)
    told = store.told(tx, {one.rule.id for one in wanted}, span.start)
    return _Look(loaded, policies, tuple(one for one in wanted if one.key not in told))


Pages = dict[tuple[str, datetime, str], list[Notice]]
"""What is told together in one page: the hand-offs of one rule at one instant and of one kind."""


def _pages(notices: Sequence[Notice]) -> Pages:
    together: Pages = {}
    for one in notices:
        together.setdefault((one.rule.id, one.handoff.at, one.handoff.kind), []).append(one)
    return together


def first_of(notices: Sequence[Notice], most: int) -> set[str]:
    """The schedules of the first `most` pages that these notices make."""
    return {one.handoff.schedule_id for page in list(_pages(notices).values())[:most] for one in page}


def tell(tx: Tx, *, now: datetime, chance: Random, public_url: str = "", only: Collection[str] | None = None) -> int:
    """Owe the notices that are due (with `only`: of these schedules), one page for each rule, instant and kind; how many pages."""
    look = _look(tx, now, store.usable_rules(tx), only)
    pages = _pages(look.notices)
    if not pages:
        return 0
    homes = people.users(tx, {one.rule.user_id for one in look.notices})
    account_zone = account.load(tx).time_zone
    sayings = _sayings(tx, look)
    kept: list[tuple[Notice, str]] = []
    for (_, _, kind), notices in pages.items():
        rule = notices[0].rule
        zone = times.zone_named(homes[rule.user_id].time_zone or account_zone)
        told = [sayings[one.handoff] for one in notices]
        minutes = int(rule.advance.total_seconds()) // 60
        page_id = notify.owe_notice(
            tx, rule.user_id, rule.way_id, purpose=message.HANDOFF,
            facts={
                "title": handoff.title(kind, [one.schedule for one in told]),
                "text": handoff.words(told, now, zone),
                "link": f"{public_url}/app/shifts" if public_url else "",
            },
            reason=f"your hand-off rule: {minutes} min before" if minutes else "your hand-off rule: at the hand-off",
            now=now, chance=chance,
        )  # fmt: skip
        kept += [(one, page_id) for one in notices]
    store.keep_told(tx, kept, now)
    store.forget_told(tx, now - 2 * handoff.LATE - timedelta(days=1))
    return len(pages)


def _sayings(tx: Tx, look: _Look) -> dict[Handoff, Told]:
    """What is said of each hand-off: until when, and who was or will be there."""
    wanted = dict.fromkeys(one.handoff for one in look.notices)
    instants = [one.at for one in wanted]
    span = Span(min(instants) - timedelta(seconds=1), max(instants) + AHEAD)
    loaded = store_schedules.load_many(tx, {one.schedule_id for one in wanted}, span)
    entries = {id_: rules.final(one.schedule, one.overrides, span) for id_, one in loaded.items()}
    names = people.users(tx, {entry.user_id for found in entries.values() for entry in found})
    told = {}
    for one in wanted:
        found = entries[one.schedule_id]
        until = next((entry.end for entry in found if entry.user_id == one.user_id and entry.start == one.at), None)
        others = [entry.user_id for entry in found if (entry.end if one.kind == ONCALL else entry.start) == one.at]
        told[one] = Told(
            schedule=look.loaded[one.schedule_id].schedule.name,
            policies=look.policies[one.schedule_id],
            kind=one.kind,
            at=one.at,
            until=until if one.kind == ONCALL and until is not None and until < span.end else None,
            others=tuple(names[user_id].name for user_id in dict.fromkeys(others) if user_id in names),
        )
    return told
