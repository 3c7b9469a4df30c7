"""Incidents like one: past ones of its service, open ones beside it, and how unusual it is there (BEHAVIOUR 3.1).

Laws:
1. Only what the actor may see is looked at and counted.
2. Work is bounded however many incidents there are: walks along an index, the newest first, at most so many (below).
3. What is said is computed from titles by `core.similar`; the same incidents always give the same answer.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core import dependencies, similar
from tocsin.core.dependencies import TECHNICAL
from tocsin.core.incident_state import Incident
from tocsin.core.permission import Actor
from tocsin.service import access
from tocsin.store import dependencies as store_dependencies
from tocsin.store import incident_lists
from tocsin.store.db import Tx
from tocsin.store.incident_lists import Wanted
from tocsin.store.tables.incidents import incident as table

PAST: Final = timedelta(days=183)
"""How far back past incidents are looked for."""
PAST_LOOKED_AT: Final = 2000
"""Past incidents of the service that are compared, the newest first."""
PAST_LEAST: Final = 15.0
"""The score (0 to 100) from which a past incident is shown."""

BESIDE: Final = timedelta(hours=24)
"""How far apart two incidents may have begun to be related by what they say."""
RELATED_LOOKED_AT: Final = 1000
"""Open incidents that are compared, the newest first."""
RELATED_MOST: Final = 20
RELATED_LEAST: Final = 35.0
"""The score from which an open incident is related by what it says."""

OUTLIER_DAYS: Final = timedelta(days=30)
OUTLIER_LOOKED_AT: Final = 5000
"""Incidents of the service that are counted, the newest first."""

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Brief:
    """An incident as far as a comparison shows it."""

    id: str
    number: int
    title: str
    created_at: datetime
    service_id: str


@dataclass(frozen=True, slots=True)
class Alike:
    """An incident like the one asked about, and how much (0 to 100)."""

    incident: Brief
    score: float


@dataclass(frozen=True, slots=True)
class Linked:
    """An incident whose service hangs together with that of the one asked about: which of the two depends on which."""

    incident: Brief
    supporting_id: str
    dependent_id: str


@dataclass(frozen=True, slots=True)
class Outlier:
    """How often the service had incidents like this one from `since` until it began.

    category  anomaly (never), rare, frequent; None: neither
    """

    count: int
    frequency: float
    category: str | None
    since: datetime
    until: datetime
    mined_text: str

    @property
    def template_id(self) -> str:
        return _id_of(self.mined_text)

    @property
    def cluster_id(self) -> str:
        """The same for templates that differ only in what is masked."""
        return _id_of(" ".join(word for word in self.mined_text.casefold().split() if "<" not in word))


def past(tx: Tx, actor: Actor, incident: Incident) -> list[Alike]:
    """Earlier incidents of the service that say much the same, the most alike first."""
    wanted = Wanted(
        service_ids=(incident.service_id,), since=incident.created_at - PAST, until=incident.created_at,
        sorts=(("created_at", True),),
    )  # fmt: skip
    found = _seen(tx, actor, wanted, PAST_LOOKED_AT)
    return _ranked(incident, [one for one in found if one.id != incident.id], PAST_LEAST)


def related(tx: Tx, actor: Actor, incident: Incident) -> list[Alike]:
    """Open incidents that began about the same time and say much the same, on any service; the newest first."""
    wanted = Wanted(
        statuses=incident_lists.STATUSES[:2], since=incident.created_at - BESIDE, until=incident.created_at + BESIDE,
        sorts=(("created_at", True),),
    )  # fmt: skip
    found = _seen(tx, actor, wanted, RELATED_LOOKED_AT)
    alike = _ranked(incident, [one for one in found if one.id != incident.id], RELATED_LEAST)
    newest = sorted(alike, key=lambda one: (one.incident.created_at, one.incident.id), reverse=True)
    return newest[:RELATED_MOST]


def linked(tx: Tx, actor: Actor, incident: Incident) -> list[Linked]:
    """Open incidents that began about the same time on services which depend on its service, or on which it depends, near or
    far; the newest first.
    """
    start = (TECHNICAL, incident.service_id)
    above = {id_ for kind, id_ in dependencies.reached([start], store_dependencies.above(tx, [start])) if kind == TECHNICAL}
    below = {
        id_ for kind, id_ in dependencies.reached([start], store_dependencies.below(tx, [start]), downward=True) if kind == TECHNICAL
    }
    if not above | below:
        return []
    wanted = Wanted(
        statuses=incident_lists.STATUSES[:2], service_ids=tuple(sorted(above | below)), since=incident.created_at - BESIDE,
        until=incident.created_at + BESIDE, sorts=(("created_at", True),),
    )  # fmt: skip
    found = _seen(tx, actor, wanted, RELATED_MOST)
    mine = incident.service_id
    return [Linked(one, one.service_id, mine) if one.service_id in below else Linked(one, mine, one.service_id) for one in found]


def outlier(tx: Tx, actor: Actor, incident: Incident, since: datetime | None = None) -> Outlier:
    """How unusual the incident is on its service, counted from `since` (30 days before it began by default)."""
    since = since or incident.created_at - OUTLIER_DAYS
    wanted = Wanted(
        service_ids=(incident.service_id,), since=since, until=incident.created_at, sorts=(("created_at", True),)
    )
    found = _seen(tx, actor, wanted, OUTLIER_LOOKED_AT)
    counted = Counter(similar.template(one.title) for one in found if one.id != incident.id)
    mined = similar.template(incident.title)
    count, total = counted[mined], counted.total()
    return Outlier(
        count,
        round(count / total, 4) if total else 0.0,
        similar.rarity(count, total),
        since,
        incident.created_at,
        mined,
    )


def _ranked(incident: Incident, found: Sequence[Brief], least: float) -> list[Alike]:
    scores = similar.likeness(incident.title, [one.title for one in found])
    alike = [Alike(one, round(100 * score, 4)) for one, score in zip(found, scores, strict=True)]
    return sorted((one for one in alike if one.score >= least), key=lambda one: -one.score)


def _seen(tx: Tx, actor: Actor, wanted: Wanted, most: int) -> list[Brief]:
    """At most so many of the wanted incidents, in their order, that the actor may see."""
    ids = incident_lists.page(tx, wanted, limit=most, offset=0)
    rows: dict[str, Any] = {}
    condition = access.visible(actor, "incident")
    for at in range(0, len(ids), _AT_ONCE):
        chosen = sa.select(table.c.id, table.c.number, table.c.title, table.c.created_at, table.c.service_id)
        chosen = chosen.where(table.c.id.in_(ids[at : at + _AT_ONCE]))
        rows |= {row.id: row for row in tx.rows(chosen if condition is None else chosen.where(condition))}
    return [Brief(**rows[id_]._asdict()) for id_ in ids if id_ in rows]


def _id_of(text: str) -> str:
    """An id that is the same whenever the text is."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return "P" + "".join(letters[byte % len(letters)] for byte in sha256(text.encode("utf-8", "replace")).digest()[:6])
