"""Promise 8, over time: what coverage proves for an instant is what an incident that opens then really does."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.world import World
from tocsin.base.times import Span
from tocsin.core.permission import HOUSE
from tocsin.service import coverage
from tocsin.store.tables.people import contact_method, user

MINUTE = timedelta(minutes=1)
HORIZON = timedelta(hours=6)

LATE: dict[str, Any] = {"rules": {"high": [("webhook", 25)]}}
LATER: dict[str, Any] = {"rules": {"high": [("webhook", 45)]}}


def unreachable(world: World, user_id: str) -> str:
    """Somebody whose only way is turned off."""
    with world.db.write() as tx:
        tx.execute(sa.update(contact_method).where(contact_method.c.user_id == user_id).values(is_enabled=False))
    return user_id


def disabled(world: World, user_id: str) -> str:
    with world.db.write() as tx:
        tx.execute(sa.update(user).where(user.c.id == user_id).values(is_disabled=True))
    return user_id


def company(world: World, name: str) -> str:
    """A policy of this kind; returns its id."""
    ada, late, later = world.person("Ada"), world.person("Lea", **LATE), world.person("Lou", **LATER)
    mute, mate, gone = (unreachable(world, world.person(one)) for one in ("Mia", "Max", "Mel"))
    disabled(world, gone)
    made: dict[str, Any] = {
        "at once": {"levels": [(30, [ada])]},
        "one mute of two": {"levels": [(30, [mute, ada])]},
        "mute first": {"levels": [(30, [mute]), (30, [ada])]},
        "disabled first": {"levels": [(30, [gone]), (30, [ada])]},
        "nobody": {"levels": [(30, [gone]), (30, [mute])]},
        "only disabled": {"levels": [(30, [gone])]},
        "mute for ever": {"levels": [(10, [mute]), (10, [mate])], "loops": 2},
        "late within the level": {"levels": [(30, [late]), (30, [ada])]},
        "late beyond the level": {"levels": [(30, [later]), (30, [ada])]},
        "late on the last level": {"levels": [(30, [later])]},
        "late on every pass": {"levels": [(30, [later]), (30, [mute])], "loops": 1},
        "late at the end of the passes": {"levels": [(30, [mute]), (30, [later])], "loops": 1},
        "round robin of the mute": {"levels": [(5, [mute, mate]), (5, [ada])], "strategy": "round_robin"},
    }
    return world.policy(*made[name]["levels"], loops=made[name].get("loops", 0), strategy=made[name].get("strategy", "assign_to_everyone"))


@pytest.mark.parametrize(
    ("name", "minutes"),
    [
        ("at once", 0),
        ("one mute of two", 0),
        ("mute first", 30),
        ("disabled first", 0),
        ("nobody", None),
        ("only disabled", None),
        ("mute for ever", None),
        ("late within the level", 25),
        ("late beyond the level", 30),
        ("late on the last level", 45),
        ("late on every pass", None),
        ("late at the end of the passes", 135),
        ("round robin of the mute", 10),
    ],
)
def test_what_is_proven_is_what_happens(world: World, name: str, minutes: int | None) -> None:
    policy_id = company(world, name)
    key = world.service(policy_id)
    with world.db.read() as tx:
        (proven,) = coverage.look(tx, HOUSE, Span(world.now, world.now + MINUTE), policy_ids=[policy_id]).policies
    (answer,) = proven.reached
    world.send(key)
    world.forward(seconds=HORIZON.total_seconds())
    told = [after for _, after in world.told()]
    assert (None if answer.wait is None else answer.wait // MINUTE) == minutes
    assert (told[0] if told else None) == minutes
