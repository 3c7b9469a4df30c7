"""Subscriptions: the one door by which users and teams say what they want to hear of, and stop it.

Laws:
1. Nobody subscribes to what they may not see; what is not there is answered as what may not be seen.
2. Subscribing twice changes nothing, and says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base.errors import invalid
from tocsin.core.permission import Actor
from tocsin.service import access, audit
from tocsin.service.audit import Deed
from tocsin.store import subscriptions as store
from tocsin.store.db import Tx
from tocsin.store.subscriptions import Thing
from tocsin.store.tables import business, incidents

SUCCESS, DUPLICATE, UNAUTHORIZED = "success", "duplicate", "unauthorized"

SUBSCRIBABLE: Final[Mapping[str, sa.Table]] = {"incident": incidents.incident, "business_service": business.business_service}
"""What can be subscribed to, by type."""
THINGS_MOST: Final = 100
"""Things that one request may name."""


def subscribe(tx: Tx, deed: Deed, subscriber: Mapping[str, Any], things: Sequence[Thing]) -> list[str]:
    """Subscribe a user or team (a reference) to these; for each, in order: success, duplicate or unauthorized."""
    _counted(things)
    who, known = _thing(subscriber), set(store.of_subscriber(tx, _thing(subscriber)))
    seen, results, fresh = _seen(tx, deed.actor, things), [], []
    for one in things:
        if one in known or one in fresh:
            results.append(DUPLICATE)
        elif one not in seen:
            results.append(UNAUTHORIZED)
        else:
            results.append(SUCCESS)
            fresh.append(one)
    store.add(tx, who, fresh, deed.now)
    if fresh:
        audit.record_link(tx, deed, subscriber, "notification_subscriptions", added=[_reference(one) for one in fresh])
    return results


def unsubscribe(tx: Tx, deed: Deed, subscriber: Mapping[str, Any], things: Sequence[Thing]) -> dict[str, int]:
    """End these subscriptions; how many were ended, how many were of what may not be seen, and how many there were not."""
    _counted(things)
    seen, ended, counts = _seen(tx, deed.actor, things), [], {SUCCESS: 0, UNAUTHORIZED: 0, "missing": 0}
    known = set(store.of_subscriber(tx, _thing(subscriber)))
    for one in dict.fromkeys(things):
        if one in known:
            store.remove(tx, _thing(subscriber), one)
            ended.append(one)
        else:
            counts["missing" if one in seen else UNAUTHORIZED] += 1
    if ended:
        audit.record_link(tx, deed, subscriber, "notification_subscriptions", removed=[_reference(one) for one in ended])
    return counts | {SUCCESS: len(ended)}


def of_subscriber(tx: Tx, actor: Actor, subscriber: Mapping[str, Any]) -> list[Thing]:
    """What a user or team (a reference) is subscribed to, as far as the actor may see it, the oldest first."""
    found = store.of_subscriber(tx, _thing(subscriber))
    seen = _seen(tx, actor, found)
    return [one for one in found if one in seen]


def _thing(subscriber: Mapping[str, Any]) -> Thing:
    return str(subscriber["type"]).removesuffix("_reference"), str(subscriber["id"])


def _reference(one: Thing) -> dict[str, Any]:
    return {"id": one[1], "type": f"{one[0]}_reference", "summary": None}


def _counted(things: Sequence[Thing]) -> None:
    if not 1 <= len(things) <= THINGS_MOST:
        raise invalid(f"subscribables must name between 1 and {THINGS_MOST} things")


def _seen(tx: Tx, actor: Actor, things: Sequence[Thing]) -> set[Thing]:
    """Of these the ones that are there for the actor."""
    seen: set[Thing] = set()
    for type_, table in SUBSCRIBABLE.items():
        ids = [id_ for kind, id_ in things if kind == type_]
        seen |= {(type_, id_) for id_ in access.known(tx, actor, type_, table, ids)}
    return seen
