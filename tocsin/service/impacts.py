"""What impacts business services: open incidents below them, what people say of single incidents, and who is told of it.

Laws:
1. An open incident impacts every business service that depends on its service, near or far, if its priority is at least
   the threshold; without a threshold every priority is enough, and no priority never is.
2. What somebody says of one incident and one business service goes before that, for that business service alone.
3. Impacts are computed when they are asked for; what is kept is only who was told what, so that each change is told once.
4. Only who may see a business service is told of it, and nothing of the incidents but the priority.
Source: BEHAVIOUR 10 (business services).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import times
from tocsin.base.errors import conflict_already, invalid
from tocsin.core import dependencies as rules
from tocsin.core import events as happened
from tocsin.core import permission
from tocsin.core.dependencies import BUSINESS, TECHNICAL, Edge, Node, Trouble
from tocsin.core.permission import Actor
from tocsin.service import access, audit, people, status_updates
from tocsin.service.audit import Deed
from tocsin.store import counters
from tocsin.store import dependencies as store
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables.business import business_service, impact_mark, impact_threshold, impact_told
from tocsin.store.tables.incidents import incident
from tocsin.store.tables.people import user
from tocsin.store.tables.services import priority

SHOWN_MOST: Final = 200
"""Business services, or incidents, that one answer holds."""
MARKED_MOST: Final = 2000
"""Open incidents of which something was said that are looked at, the newest first."""
WITHOUT_PRIORITY: Final = 2**31 - 1
"""The order of an incident without a priority that is said to impact: after all others."""

_AT_ONCE: Final = 400
_GLOBAL: Final = "global"
_OPEN: Final = ("triggered", "acknowledged")


@dataclass(frozen=True, slots=True)
class Standing:
    """A business service, and the trouble it feels; None when it is not impacted."""

    id: str
    name: str
    trouble: Trouble | None


# ----------------------------------------------------------------------------------------------------------- threshold


def threshold(tx: Tx) -> sa.Row[Any] | None:
    """The least priority that impacts (id, name, order); None: every one does."""
    chosen = sa.select(priority.c.id, priority.c.name, priority.c.order).join(impact_threshold, impact_threshold.c.priority_id == priority.c.id)
    return tx.one(chosen)


def set_threshold(tx: Tx, deed: Deed, priority_id: str | None) -> None:
    """Let this priority be the least that impacts; None: every one does. Raises 400."""
    before = threshold(tx)
    if (before.id if before else None) == priority_id:
        return
    row = None
    if priority_id is not None:
        row = tx.one(sa.select(priority).where(priority.c.id == priority_id))
        if row is None:
            raise invalid("global_threshold names a priority that does not exist")
    tx.execute(sa.delete(impact_threshold))
    if row is not None:
        tx.execute(sa.insert(impact_threshold), {"name": _GLOBAL, "priority_id": row.id, "set_at": deed.now})
    told = [{"priority": one.name} if one else {"priority": None} for one in (before, row)]
    reference = {"id": _GLOBAL, "type": "priority_threshold_reference", "summary": "Priority threshold of business services"}
    audit.record(tx, deed, reference, before=told[0], after=told[1])
    settle(tx, deed.now, deed.chance)


def _enough(tx: Tx) -> sa.ColumnElement[bool]:
    """The condition that an incident is open and its priority (joined) impacts."""
    least = threshold(tx)
    is_open = incident.c.status.in_(_OPEN)
    return is_open if least is None else sa.and_(is_open, priority.c.order <= least.order)


# -------------------------------------------------------------------------------------------------------- how they stand


def impacted(tx: Tx) -> dict[str, Trouble]:
    """Every business service that is impacted now, by id."""
    is_marked = incident.c.id.in_(sa.select(impact_mark.c.incident_id))
    rows = tx.rows(
        sa.select(incident.c.service_id, priority.c.id, priority.c.order, sa.func.max(incident.c.created_at).label("newest"))
        .join(priority, priority.c.id == incident.c.priority_id)
        .where(_enough(tx), sa.not_(is_marked))
        .group_by(incident.c.service_id, priority.c.id, priority.c.order)
    )
    troubles: dict[Node, Trouble] = {}
    for row in rows:
        node = (TECHNICAL, row.service_id)
        troubles[node] = _worse(troubles.get(node), Trouble(row.order, row.newest, row.id))
    marked = _marked(tx)
    edges = store.above(tx, [*troubles, *((TECHNICAL, one.service_id) for one, _ in marked)]) if troubles or marked else []
    found = {id_: trouble for (kind, id_), trouble in rules.felt(troubles, edges).items() if kind == BUSINESS}
    for one, said in marked:
        trouble = Trouble(WITHOUT_PRIORITY if one.order is None else one.order, one.created_at, one.priority_id or "")
        for id_ in _of_marked(one, said, edges):
            found[id_] = _worse(found.get(id_), trouble)
    return found


def _worse(one: Trouble | None, other: Trouble) -> Trouble:
    if one is None:
        return other
    worst = min(one, other, key=lambda trouble: trouble.order)
    return Trouble(worst.order, max(one.since, other.since), worst.priority_id)


def _marked(tx: Tx) -> list[tuple[sa.Row[Any], dict[str, bool]]]:
    """Open incidents of which something was said, with `is_enough`, and what was said by business service."""
    least = threshold(tx)
    chosen = (
        sa.select(incident.c.id, incident.c.service_id, incident.c.created_at, priority.c.order, priority.c.id.label("priority_id"))
        .outerjoin(priority, priority.c.id == incident.c.priority_id)
        .where(incident.c.status.in_(_OPEN), incident.c.id.in_(sa.select(impact_mark.c.incident_id)))
        .add_columns(
            sa.case((priority.c.order <= (least.order if least is not None else WITHOUT_PRIORITY), sa.true()), else_=sa.false()).label("is_enough")
        )
    )
    rows = tx.rows(chosen.order_by(incident.c.created_at.desc(), incident.c.id).limit(MARKED_MOST))
    marks = marks_of(tx, [row.id for row in rows])
    return [(row, marks[row.id]) for row in rows]


def marks_of(tx: Tx, incident_ids: Sequence[str]) -> dict[str, dict[str, bool]]:
    """By incident, what was said of it: by business service, whether it is impacted."""
    marks: dict[str, dict[str, bool]] = {id_: {} for id_ in incident_ids}
    for at in range(0, len(incident_ids), _AT_ONCE):
        for row in tx.rows(sa.select(impact_mark).where(impact_mark.c.incident_id.in_(incident_ids[at : at + _AT_ONCE]))):
            marks[row.incident_id][row.business_service_id] = row.is_impacted
    return marks


def _of_marked(one: sa.Row[Any], said: Mapping[str, bool], edges: Collection[Edge]) -> set[str]:
    """The business services that an incident impacts, of which something was said (law 2)."""
    by_rule = {id_ for kind, id_ in rules.reached([(TECHNICAL, one.service_id)], edges) if kind == BUSINESS} if one.is_enough else set()
    return (by_rule - {id_ for id_, is_impacted in said.items() if not is_impacted}) | {id_ for id_, is_impacted in said.items() if is_impacted}


def standings(tx: Tx, actor: Actor, ids: Collection[str] | None) -> list[Standing]:
    """How business services stand, those of `ids` that the actor may see, or all at the top: impacted first, by the worst
    priority, the newest trouble, then by name.
    """
    chosen = sa.select(business_service.c.id, business_service.c.name)
    condition = access.visible(actor, BUSINESS)
    rows = tx.rows(chosen if condition is None else chosen.where(condition))
    if ids is None:
        below = store.supporting_something(tx)
        rows = [row for row in rows if row.id not in below]
    else:
        rows = [row for row in rows if row.id in ids]
    now = impacted(tx)
    found = [Standing(row.id, row.name, now.get(row.id)) for row in rows]
    return sorted(found, key=_order)


def _order(one: Standing) -> tuple[Any, ...]:
    if one.trouble is None:
        return (1, 0, 0.0, one.name, one.id)
    return (0, one.trouble.order, -one.trouble.since.timestamp(), one.name, one.id)


def supporting(tx: Tx, id_: str) -> set[str]:
    """The business services that this one depends on immediately."""
    rows = store.near(tx, (BUSINESS, id_))
    return {row.supporting_id for row in rows if row.supporting_kind == BUSINESS and row.dependent_id == id_}


# ------------------------------------------------------------------------------------------------------------ impactors


def impactors(tx: Tx, actor: Actor, ids: Collection[str]) -> tuple[list[str], bool]:
    """The incidents that impact any of these business services and that the actor may see: the worst priority first, then
    the newest; at most `SHOWN_MOST`, and whether there are more.
    """
    tops: set[Node] = {(BUSINESS, id_) for id_ in ids}
    edges = store.below(tx, tops)
    services = sorted(id_ for kind, id_ in rules.reached(tops, edges, downward=True) if kind == TECHNICAL)
    seen = access.visible(actor, "incident")
    more = [] if seen is None else [seen]
    found: list[tuple[int, float, str]] = []
    unmarked = sa.not_(incident.c.id.in_(sa.select(impact_mark.c.incident_id)))
    for at in range(0, len(services), _AT_ONCE):
        chosen = (
            sa.select(incident.c.id, incident.c.created_at, priority.c.order)
            .join(priority, priority.c.id == incident.c.priority_id)
            .where(_enough(tx), unmarked, incident.c.service_id.in_(services[at : at + _AT_ONCE]), *more)
            .order_by(priority.c.order, incident.c.created_at.desc(), incident.c.id)
            .limit(SHOWN_MOST + 1)
        )
        found += [(row.order, -row.created_at.timestamp(), row.id) for row in tx.rows(chosen)]
    marked = _marked(tx)
    up = store.above(tx, {(TECHNICAL, one.service_id) for one, _ in marked}) if marked else []
    mine = [one for one, said in marked if _of_marked(one, said, up) & set(ids)]
    known = access.known(tx, actor, "incident", incident, (one.id for one in mine))
    found += [
        (WITHOUT_PRIORITY if one.order is None else one.order, -one.created_at.timestamp(), one.id) for one in mine if one.id in known
    ]
    found.sort()
    return [id_ for _, _, id_ in found[:SHOWN_MOST]], len(found) > SHOWN_MOST


def of_incident(tx: Tx, actor: Actor, incident_id: str) -> list[tuple[str, str, bool]]:
    """The business services that an incident impacts, and those of which somebody said that it does not: (id, name,
    is_impacted), by name. A resolved one impacts none.
    """
    least = threshold(tx)
    row = tx.one(
        sa.select(incident.c.id, incident.c.service_id, incident.c.status, priority.c.order)
        .outerjoin(priority, priority.c.id == incident.c.priority_id)
        .where(incident.c.id == incident_id)
    )
    if row is None or row.status not in _OPEN:
        return []
    said = marks_of(tx, [incident_id])[incident_id]
    is_enough = row.order is not None and (least is None or row.order <= least.order)
    start = (TECHNICAL, row.service_id)
    by_rule = {id_ for kind, id_ in rules.reached([start], store.above(tx, [start])) if kind == BUSINESS} if is_enough else set()
    stands = dict.fromkeys(by_rule, True) | said
    known = access.known(tx, actor, BUSINESS, business_service, stands)
    names = _names(tx, known)
    return sorted(((id_, names[id_], stands[id_]) for id_ in known), key=lambda one: (one[1], one[0]))


def mark(tx: Tx, deed: Deed, incident_row: sa.Row[Any], business: sa.Row[Any], *, is_impacted: bool) -> None:
    """Say that an incident does, or does not, impact a business service (law 2). Raises 400 when it is resolved."""
    if incident_row.status not in _OPEN:
        raise conflict_already(1001, "Incident Already Resolved", "A resolved incident impacts nothing: open it again first")
    before = next((stands for id_, _, stands in of_incident(tx, deed.actor, incident_row.id) if id_ == business.id), False)
    said = marks_of(tx, [incident_row.id])[incident_row.id].get(business.id)
    if said == is_impacted:
        return
    key = {"incident_id": incident_row.id, "business_service_id": business.id}
    if said is None:
        tx.execute(sa.insert(impact_mark), {**key, "is_impacted": is_impacted, "marked_at": deed.now})
    else:
        ours = (impact_mark.c.incident_id == incident_row.id, impact_mark.c.business_service_id == business.id)
        tx.execute(sa.update(impact_mark).where(*ours).values(is_impacted=is_impacted, marked_at=deed.now))
    reference = {"id": incident_row.id, "type": "incident_reference", "summary": incident_row.title}
    name = f"impact on {business.name}"
    audit.record(tx, deed, reference, before={name: _word(is_impacted=before)}, after={name: _word(is_impacted=is_impacted)})
    settle(tx, deed.now, deed.chance)


def _word(*, is_impacted: bool) -> str:
    return "impacted" if is_impacted else "not_impacted"


def _names(tx: Tx, ids: Collection[str]) -> dict[str, str]:
    chosen = sa.select(business_service.c.id, business_service.c.name).where(business_service.c.id.in_(sorted(ids)))
    return {row.id: row.name for row in tx.rows(chosen)} if ids else {}


# ------------------------------------------------------------------------------------------------------------ telling


_MATTERS: Final = (happened.Triggered, happened.Resolved, happened.Reopened, happened.PriorityChanged)


def follow(tx: Tx, entries: Sequence[Entry], now: datetime, chance: Random) -> None:
    """Tell whom it concerns, when any of these entries may have changed what is impacted."""
    if any(isinstance(one.event, _MATTERS) or (isinstance(one.event, happened.FieldChanged) and one.event.name == "service") for one in entries):
        settle(tx, now, chance)


def is_idle(tx: Tx) -> bool:
    """Whether there is no business service at all."""
    return tx.one(sa.select(business_service.c.id).limit(1)) is None


def settle(tx: Tx, now: datetime, chance: Random) -> None:
    """Tell the subscribers of each business service that is impacted, or not any more, since they were last told (law 3)."""
    counters.take(tx, "business_impacts", 1)
    stands = impacted(tx)
    told = {row.business_service_id for row in tx.rows(sa.select(impact_told.c.business_service_id))}
    began, ended = sorted(stands.keys() - told), sorted(told - stands.keys())
    if began:
        tx.execute(sa.insert(impact_told), [{"business_service_id": id_, "since": now} for id_ in began])
    for at in range(0, len(ended), _AT_ONCE):
        tx.execute(sa.delete(impact_told).where(impact_told.c.business_service_id.in_(ended[at : at + _AT_ONCE])))
    names = {row.id: row.name for row in tx.rows(sa.select(priority.c.id, priority.c.name))} if began else {}
    for id_ in began:
        worst = names.get(stands[id_].priority_id)
        why = f"an open incident of the priority {worst} impacts it" if worst else "somebody said of an open incident that it impacts it"
        _tell(tx, id_, "is impacted", f"since {times.iso(stands[id_].since)}: {why}", now, chance)
    for id_ in ended:
        _tell(tx, id_, "is not impacted any more", f"as of {times.iso(now)}", now, chance)


def _tell(tx: Tx, id_: str, stands: str, more: str, now: datetime, chance: Random) -> None:
    row = tx.one(sa.select(business_service).where(business_service.c.id == id_))
    if row is None:
        return
    told = status_updates.hearers(tx, (BUSINESS, id_))
    if row.is_account_subscribed:
        told += [one.id for one in tx.rows(sa.select(user.c.id).order_by(user.c.created_at, user.c.id).limit(status_updates.RECIPIENTS_MOST))]
    wanted = [one for one in list(dict.fromkeys(told))[: status_updates.RECIPIENTS_MOST] if _sees(tx, one, id_)]
    facts = {"title": f"{row.name} {stands}", "text": f"{row.name} {stands}, {more}", "link": ""}
    reason = f"You subscribed to the business service {row.name}, or the whole account did"
    status_updates.send(tx, wanted, facts, (reason, reason), now=now, chance=chance)


def _sees(tx: Tx, user_id: str, id_: str) -> bool:
    actor = people.actor_of_user(tx, user_id, method="other")
    if actor is None:
        return False
    thing = access.known(tx, actor, BUSINESS, business_service, [id_]).get(id_)
    return thing is not None and permission.may(actor, permission.READ, thing).allowed
