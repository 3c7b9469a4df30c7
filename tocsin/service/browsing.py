"""What people look at: lists and names for the pages, holding only what the viewer may see.

Laws:
1. Every list asks `service/access.py` what is visible; nothing is read around it.
2. Nothing is decided or written here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from tocsin.base.errors import not_found
from tocsin.core import permission
from tocsin.core.alert import Outcome
from tocsin.core.incident_state import Incident
from tocsin.core.message import TEST
from tocsin.core.permission import Actor
from tocsin.service import access
from tocsin.store import dialect, incident_lists, incidents
from tocsin.store.db import Tx
from tocsin.store.tables import engine as engine_tables
from tocsin.store.tables import incidents as incident_tables
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import schedules as schedule_tables
from tocsin.store.tables import services as service_tables

PAGE_LENGTH = 50
TESTS_LOOKED_AT = 100
PAGES_MOST = 200
"""Beyond this many pages a person narrows the list instead (the API pages by 10,000 too)."""

STATUSES: Mapping[str, tuple[str, ...]] = {
    "open": ("triggered", "acknowledged"),
    "triggered": ("triggered",),
    "acknowledged": ("acknowledged",),
    "resolved": ("resolved",),
    "all": ("triggered", "acknowledged", "resolved"),
}
"""What one may ask the list of incidents for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents somebody wants to see; an empty word does not narrow."""

    status: str = "open"
    urgency: str = ""
    service_id: str = ""
    team_id: str = ""
    user_id: str = ""
    words: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """One page of incidents, and how many of each open state there are under the same conditions."""

    incidents: list[Incident]
    triggered: int
    acknowledged: int
    has_more: bool


def list_incidents(tx: Tx, actor: Actor, wanted: Wanted) -> Found:
    """The incidents somebody wants to see: waiting ones first, then the newest."""
    asked = _asked(tx, actor, wanted)
    counts = {status: incident_lists.count(tx, replace(asked, statuses=(status,))) for status in STATUSES["open"]}
    offset = (min(max(wanted.page, 1), PAGES_MOST) - 1) * PAGE_LENGTH
    if wanted.status == "open":
        found = _in_turn(tx, asked, counts, offset)
    else:
        statuses = None if wanted.status == "all" else STATUSES.get(wanted.status, STATUSES["open"])
        found = incident_lists.page(tx, replace(asked, statuses=statuses), limit=PAGE_LENGTH + 1, offset=offset)
    loaded = incidents.load(tx, found[:PAGE_LENGTH])
    shown = [loaded[id_] for id_ in found[:PAGE_LENGTH]]
    return Found(shown, counts["triggered"], counts["acknowledged"], len(found) > PAGE_LENGTH)


def _in_turn(tx: Tx, asked: incident_lists.Wanted, counts: Mapping[str, int], offset: int) -> list[str]:
    """A page of the open ones: all that are triggered, and after them the acknowledged ones."""
    found: list[str] = []
    for status in STATUSES["open"]:
        room = PAGE_LENGTH + 1 - len(found)
        if room > 0 and offset < counts[status]:
            found += incident_lists.page(tx, replace(asked, statuses=(status,)), limit=room, offset=offset)
        offset = max(0, offset - counts[status])
    return found


def _asked(tx: Tx, actor: Actor, wanted: Wanted) -> incident_lists.Wanted:
    incident, policy = incident_tables.incident, service_tables.escalation_policy
    also: list[sa.ColumnElement[bool]] = []
    visible = access.visible(actor, "incident")
    if visible is not None:
        also.append(visible)
    if wanted.words.lstrip("#").isdecimal() and len(wanted.words) < 16:
        also.append(incident.c.number == int(wanted.words.lstrip("#")))
    elif wanted.words:
        also.append(dialect.contains(incident.c.title, wanted.words))
    policies: tuple[str, ...] | None = None
    if wanted.team_id:
        policies = tuple(row.id for row in tx.rows(sa.select(policy.c.id).where(policy.c.team_id == wanted.team_id)))
    return incident_lists.Wanted(
        urgencies=(wanted.urgency,) if wanted.urgency in incident_lists.URGENCIES else None,
        service_ids=(wanted.service_id,) if wanted.service_id else None,
        policy_ids=policies,
        user_ids=(wanted.user_id,) if wanted.user_id else None,
        also=tuple(also),
        sorts=(("created_at", True),),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id; an id that is gone is shown as itself."""

    by_id: Mapping[str, str]

    def __call__(self, id_: str | None) -> str:
        return self.by_id.get(id_ or "", id_ or "–")

    def __contains__(self, id_: object) -> bool:
        return id_ in self.by_id


def user_names(tx: Tx, ids: Iterable[str] | None = None) -> Names:
    """Names of these users, or of all."""
    table = people_tables.user
    return _names(tx, table, ids)


def service_names(tx: Tx, ids: Iterable[str] | None = None) -> Names:
    return _names(tx, service_tables.service, ids)


def _names(tx: Tx, table: sa.Table, ids: Iterable[str] | None) -> Names:
    statement = sa.select(table.c.id, table.c.name)
    if ids is not None:
        wanted = sorted(set(ids))
        if not wanted:
            return Names({})
        statement = statement.where(table.c.id.in_(wanted))
    return Names({row.id: row.name for row in tx.rows(statement)})


def _listed(tx: Tx, actor: Actor, kind: str, table: sa.Table) -> Sequence[sa.Row[Any]]:
    statement = sa.select(table).order_by(sa.func.lower(table.c.name), table.c.id)
    visible = access.visible(actor, kind)
    return tx.rows(statement if visible is None else statement.where(visible))


def services(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """The services the viewer may see, by name."""
    return _listed(tx, actor, "service", service_tables.service)


def teams(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """The teams the viewer may see, by name."""
    return _listed(tx, actor, "team", people_tables.team)


def users(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """The people, by name."""
    return _listed(tx, actor, "user", people_tables.user)


def schedules(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """The schedules the viewer may see, by name."""
    return _listed(tx, actor, "schedule", schedule_tables.schedule)


def policies(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """The escalation policies the viewer may see, by name."""
    return _listed(tx, actor, "escalation_policy", service_tables.escalation_policy)


def priorities(tx: Tx) -> Sequence[sa.Row[Any]]:
    """The priorities, most severe first."""
    table = service_tables.priority
    return tx.rows(sa.select(table).order_by(table.c.order, table.c.id))


# --- The event journal -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """Which events of the journal somebody wants to see; `before` is the id of the last one of the page before."""

    words: str = ""
    outcome: str = ""
    service_id: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class FoundEvents:
    """One page of the journal, newest first; `next` asks for the one after it."""

    rows: Sequence[sa.Row[Any]]
    next: str


def _visible_events(actor: Actor) -> list[sa.ColumnElement[bool]]:
    """Events are seen by whoever sees their service; those of no service by whoever sees all services."""
    inbox = engine_tables.inbox
    visible = access.visible(actor, "service")
    if visible is None:
        return []
    return [inbox.c.service_id.in_(sa.select(service_tables.service.c.id).where(visible))]


def list_events(tx: Tx, actor: Actor, wanted: WantedEvents) -> FoundEvents:
    """The journal, newest first."""
    inbox = engine_tables.inbox
    columns = [column for column in inbox.c if column.name != "raw"]
    statement = sa.select(*columns).where(*_visible_events(actor))
    if wanted.words:
        is_key = inbox.c.dedup_key == wanted.words
        statement = statement.where(sa.or_(is_key, dialect.contains(inbox.c.summary, wanted.words), dialect.contains(inbox.c.reason, wanted.words)))
    if wanted.outcome:
        waits = wanted.outcome == "waiting"
        statement = statement.where(inbox.c.outcome.is_(None) if waits else inbox.c.outcome == wanted.outcome)
    if wanted.service_id:
        statement = statement.where(inbox.c.service_id == wanted.service_id)
    last = tx.one(sa.select(inbox.c.received_at, inbox.c.id).where(inbox.c.id == wanted.before)) if wanted.before else None
    if last is not None:
        is_older = sa.and_(inbox.c.received_at == last.received_at, inbox.c.id < last.id)
        statement = statement.where(sa.or_(inbox.c.received_at < last.received_at, is_older))
    rows = tx.rows(statement.order_by(inbox.c.received_at.desc(), inbox.c.id.desc()).limit(PAGE_LENGTH + 1))
    shown = rows[:PAGE_LENGTH]
    return FoundEvents(shown, shown[-1].id if len(rows) > PAGE_LENGTH else "")


def event(tx: Tx, actor: Actor, event_id: str) -> sa.Row[Any]:
    """One event with its raw body. Raises 404 when there is none that this actor may know of."""
    inbox = engine_tables.inbox
    row = tx.one(sa.select(inbox).where(inbox.c.id == event_id, *_visible_events(actor)))
    if row is None:
        raise not_found("Event")
    return row


def may_see_keys(tx: Tx, actor: Actor, service_id: str | None) -> bool:
    """Whether the viewer is shown the keys of this service's senders, which stand in the events they sent."""
    found = access.known(tx, actor, "service", service_tables.service, [service_id] if service_id else [])
    return permission.may(actor, permission.READ_KEY, found.get(service_id or "", permission.Thing("service"))).allowed


def journal_mark(tx: Tx) -> object:
    """A value that changes when an event is accepted or worked off."""
    inbox = engine_tables.inbox
    newest = tx.one(sa.select(inbox.c.id).order_by(inbox.c.received_at.desc(), inbox.c.id.desc()).limit(1))
    waiting = tx.scalar(sa.select(sa.func.count()).select_from(inbox).where(inbox.c.outcome.is_(None)))
    return (newest.id if newest is not None else "", waiting)


def event_outcomes() -> list[tuple[str, str]]:
    """What can become of an event, to choose from: stored name and words."""
    return [(outcome.value, outcome.value.replace("_", " ").capitalize()) for outcome in Outcome]


def incident_numbers(tx: Tx, ids: Iterable[str]) -> dict[str, int]:
    """Incident numbers by id."""
    incident = incident_tables.incident
    rows = tx.rows(sa.select(incident.c.id, incident.c.number).where(incident.c.id.in_(sorted(set(ids)))))
    return {row.id: row.number for row in rows}


# --- How somebody is reached -----------------------------------------------------------------------------------------


def latest_tests(tx: Tx, user_id: str) -> dict[str, tuple[sa.Row[Any], list[sa.Row[Any]]]]:
    """By contact method, the person's latest test and the receipts of its tries, oldest first."""
    outbox, delivery = engine_tables.outbox, engine_tables.delivery
    pages = tx.rows(
        sa.select(outbox)
        .where(outbox.c.user_id == user_id, outbox.c.purpose == TEST)
        .order_by(outbox.c.created_at.desc(), outbox.c.id)
        .limit(TESTS_LOOKED_AT)
    )
    latest: dict[str, sa.Row[Any]] = {}
    for page in pages:
        latest.setdefault(page.contact_method_id, page)
    tries: dict[str, list[sa.Row[Any]]] = {page.id: [] for page in latest.values()}
    receipts = sa.select(delivery).where(delivery.c.outbox_id.in_(sorted(tries))).order_by(delivery.c.started_at, delivery.c.id)
    for receipt in tx.rows(receipts):
        tries[receipt.outbox_id].append(receipt)
    return {method_id: (page, tries[page.id]) for method_id, page in latest.items()}


def reach_mark(tx: Tx, user_id: str) -> object:
    """A value that changes when the person's ways, rules or tests do."""
    method, rule = people_tables.contact_method.c, people_tables.notification_rule.c
    tests = [(page.id, page.state, [(one.outcome, one.detail) for one in tries]) for page, tries in latest_tests(tx, user_id).values()]
    methods = tx.rows(sa.select(method.id, method.label, method.failing_since_reason).where(method.user_id == user_id).order_by(method.id))
    rules = tx.rows(sa.select(rule.id).where(rule.user_id == user_id).order_by(rule.id))
    return tests, [tuple(row) for row in methods], [row.id for row in rules]


def members(tx: Tx, team_ids: Iterable[str]) -> dict[str, list[sa.Row[Any]]]:
    """By team, its people with `team_role`, by name."""
    link, user = people_tables.team_member, people_tables.user
    found: dict[str, list[sa.Row[Any]]] = {team_id: [] for team_id in team_ids}
    rows = tx.rows(
        sa.select(link.c.team_id, link.c.role.label("team_role"), user.c.id, user.c.name)
        .join(user, user.c.id == link.c.user_id)
        .where(link.c.team_id.in_(sorted(found)))
        .order_by(sa.func.lower(user.c.name), user.c.id)
    )
    for row in rows:
        found[row.team_id].append(row)
    return found


def keys(tx: Tx, actor: Actor) -> Sequence[sa.Row[Any]]:
    """Every API key the viewer may see, with its owner's name; usable ones first, the newest on top."""
    key, user = people_tables.api_key, people_tables.user
    visible = access.visible(actor, "api_key")
    statement = sa.select(key, user.c.name.label("owner_name")).outerjoin(user, user.c.id == key.c.user_id)
    if visible is not None:
        statement = statement.where(visible)
    return tx.rows(statement.order_by(key.c.revoked_at.is_not(None), key.c.created_at.desc(), key.c.id))
