"""Succession: somebody takes somebody else's place on every policy and schedule, and what stands in the way of leaving.

Laws:
1. What was is not rewritten: a schedule gets a new version from now on, a running override is cut now.
2. Nobody is left out silently: what still names a person is listed, one sentence each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid
from tocsin.base.times import Span
from tocsin.core.rotation import People
from tocsin.core.schedule import Model
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import people as rows
from tocsin.store import schedules as store
from tocsin.store import shift_schedules as shifts
from tocsin.store.db import Tx
from tocsin.store.tables import incidents, schedules, services


def blocking(tx: Tx, user_id: str, now: datetime) -> list[str]:
    """Why this user cannot be deleted now: one sentence for each thing that would miss them."""
    incident, link = incidents.incident, incidents.assignee
    assigned = tx.rows(
        sa.select(incident.c.id, incident.c.number, incident.c.title)
        .where(incident.c.id.in_(sa.select(link.c.incident_id).where(link.c.user_id == user_id)))
        .where(incident.c.status != "resolved")
        .order_by(incident.c.number)
    )
    reasons = [f"User is assigned to open incident #{row.number} ({row.id}): {row.title}" for row in assigned]
    naming = rows.naming_user(tx, user_id)
    reasons += [f"User is on escalation policy '{row.name}' ({row.id})" for row in naming["escalation_policy"]]
    coming = shifts.naming(tx, shifts.shift_based(tx, [row.id for row in naming["schedule"]]), now)
    reasons += [
        f"User is on schedule '{row.name}' ({row.id})"
        for row in naming["schedule"]
        if row.id not in coming or user_id in coming[row.id]  # what is over by now holds nobody back
    ]
    reasons += [
        f"User has an override on schedule '{row.name}' ({row.schedule_id}) until {times.iso(row.end_at)}"
        for row in coming_overrides(tx, user_id, now)
    ]
    return reasons


def replace_everywhere(tx: Tx, deed: Deed, user_id: str, by: str) -> None:
    """Put `by` in the place of `user_id` on every policy and schedule, from now on. Raises 400 without such a user."""
    successor = rows.user(tx, by)
    if successor is None or by == user_id:
        raise invalid("replace_by must be the id of another user")
    replace_on_policies(tx, deed, user_id, by)
    replace_on_schedules(tx, deed, user_id, by)


def replace_on_schedules(tx: Tx, deed: Deed, user_id: str, by: str) -> None:
    """Put `by` in the place of `user_id` on every schedule, and on overrides that are running or to come."""
    link = schedules.schedule_user
    named = [row.schedule_id for row in tx.rows(sa.select(link.c.schedule_id).where(link.c.user_id == user_id))]
    for schedule_id, loaded in sorted(store.load_many(tx, named).items()):
        model = loaded.schedule.model
        store.save_version(tx, loaded.schedule, with_successor(model, user_id, by), deed.now)
        shifts.replace_person(tx, schedule_id, user_id, by, deed.now)
        _record(tx, deed, schedule_id, loaded.schedule.name, user_id, by)
    override = schedules.override
    for row in coming_overrides(tx, user_id, deed.now):
        if row.start_at < deed.now:
            store.end_override(tx, row.id, deed.now)
            store.add_overrides(tx, row.schedule_id, [(ids.object_id(deed.chance), Span(deed.now, row.end_at), by)], deed.now)
        else:
            tx.execute(sa.update(override).where(override.c.id == row.id).values(user_id=by))
        _record(tx, deed, row.schedule_id, row.name, user_id, by)


def with_successor(model: Model, user_id: str, by: str) -> Model:
    """The model with `by` wherever it named `user_id`; who would hold one slot twice holds it once."""

    def people(slot: People) -> People:
        return tuple(dict.fromkeys(by if one == user_id else one for one in slot))

    def person(one: str | None) -> str | None:
        return by if one == user_id else one

    rotations = tuple(
        replace(
            rotation,
            shifts=tuple(replace(shift, slots=tuple(people(slot) for slot in shift.slots)) for shift in rotation.shifts),
        )
        for rotation in model.rotations
    )
    extras = tuple(replace(extra, people=people(extra.people)) for extra in model.extra_shifts)
    standing = tuple(replace(one, member=person(one.member), by=person(one.by)) for one in model.replacements)
    return replace(model, rotations=rotations, extra_shifts=extras, replacements=standing)


def _record(tx: Tx, deed: Deed, schedule_id: str, name: str, user_id: str, by: str) -> None:
    reference = {"id": schedule_id, "type": "schedule_reference", "summary": name}
    people = rows.users(tx, [user_id, by])
    gone, come = ({"id": id_, "type": "user_reference", "summary": people[id_].name} for id_ in (user_id, by))
    audit.record_link(tx, deed, reference, "users", added=[come], removed=[gone])


def coming_overrides(tx: Tx, user_id: str, now: datetime) -> Sequence[sa.Row[Any]]:
    """Overrides of this user that are running or to come, with their schedules' names."""
    override, schedule = schedules.override, schedules.schedule
    return tx.rows(
        sa.select(override, schedule.c.name)
        .join_from(override, schedule, override.c.schedule_id == schedule.c.id)
        .where(override.c.user_id == user_id, override.c.end_at > now)
        .order_by(override.c.start_at, override.c.id)
    )


def replace_on_policies(tx: Tx, deed: Deed, user_id: str, by: str) -> None:
    """Put `by` in the place of `user_id` on every escalation policy."""
    policy, target = services.escalation_policy, services.policy_target
    for row in tx.rows(sa.select(policy).where(policy.c.id.in_(sa.select(target.c.policy_id).where(target.c.target_id == user_id)))):
        rules = [{**rule, "targets": _without_repeats(rule["targets"], user_id, by)} for rule in row.rules]
        tx.execute(sa.update(policy).where(policy.c.id == row.id).values(rules=rules, updated_at=deed.now))
        known = {link.target_id for link in tx.rows(sa.select(target.c.target_id).where(target.c.policy_id == row.id))}
        gone = sa.and_(target.c.policy_id == row.id, target.c.target_id == user_id)
        tx.execute(sa.delete(target).where(gone) if by in known else sa.update(target).where(gone).values(target_id=by))
        audit.record(
            tx,
            deed,
            {"id": row.id, "type": "escalation_policy_reference", "summary": row.name},
            before={"escalation_rules": row.rules},
            after={"escalation_rules": rules},
        )


def _without_repeats(targets: Sequence[Mapping[str, Any]], user_id: str, by: str) -> list[dict[str, Any]]:
    replaced = [{**target, "id": by} if target["id"] == user_id else dict(target) for target in targets]
    return list({(target["type"], target["id"]): target for target in replaced}.values())
