"""The only door to a thing: what an actor may not know of is not there, and lists hold no more than the door gives."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from tests.people import ADA, Persona
from tocsin.base.errors import Refusal
from tocsin.core import permission
from tocsin.core.permission import Actor
from tocsin.service import access
from tocsin.store.db import Database, Tx
from tocsin.store.tables import people, services

TEAMS = {"PTOPEN1": "manager", "PTSHUT1": "none"}


@pytest.fixture
def things(db: Database, staff: tuple[Persona, ...], now: datetime) -> Database:
    """A service of an open team, one of a private team, and one of no team."""
    with db.write() as tx:
        for team_id, default in TEAMS.items():
            tx.execute(sa.insert(people.team), {"id": team_id, "name": team_id, "default_role": default, "created_at": now})
        for number, team in enumerate((*TEAMS, None)):
            policy = {
                "id": f"PPOL00{number}", "name": f"Policy {number}", "num_loops": 0, "on_call_handoff_notifications": "always",
                "rules": [], "team_id": team, "created_at": now, "updated_at": now,
            }  # fmt: skip
            tx.execute(sa.insert(services.escalation_policy), policy)
            service = {
                "id": f"PSVC00{number}", "name": f"Service {number}", "escalation_policy_id": policy["id"],
                "alert_creation": "create_alerts_and_incidents", "incident_urgency_rule": {}, "created_at": now, "updated_at": now,
            }  # fmt: skip
            tx.execute(sa.insert(services.service), service)
    return db


def actor(role: str, **teams: str) -> Actor:
    return Actor(kind="user", id=ADA.id, name="Ada", role=role, teams=teams, hidden_teams=frozenset({"PTSHUT1"} - teams.keys()))


def listed(tx: Tx, who: Actor) -> list[str]:
    condition = access.visible(who, "service")
    statement = sa.select(services.service.c.id).order_by(services.service.c.id)
    return [row.id for row in tx.rows(statement if condition is None else statement.where(condition))]


CASES = [
    (actor("user"), ["PSVC000", "PSVC002"]),
    (actor("observer"), ["PSVC000", "PSVC002"]),
    (actor("user", PTSHUT1="observer"), ["PSVC000", "PSVC001", "PSVC002"]),
    (actor("admin"), ["PSVC000", "PSVC001", "PSVC002"]),
    (actor("restricted_access"), []),
    (actor("restricted_access", PTOPEN1="observer"), ["PSVC000"]),
    (actor("restricted_access", PTSHUT1="manager"), ["PSVC001"]),
]


@pytest.mark.parametrize(("who", "seen"), CASES)
def test_a_list_holds_exactly_what_the_door_gives(things: Database, who: Actor, seen: list[str]) -> None:
    with things.read() as tx:
        assert listed(tx, who) == seen
        for id_ in ("PSVC000", "PSVC001", "PSVC002"):
            if id_ in seen:
                assert access.find(tx, who, "service", services.service, id_).id == id_
            else:
                with pytest.raises(Refusal) as refused:
                    access.find(tx, who, "service", services.service, id_)
                assert refused.value.status == 404


def test_what_must_not_be_known_of_is_refused_as_what_is_not_there(things: Database) -> None:
    refusals = []
    with things.read() as tx:
        for id_ in ("PSVC001", "PNOTHIN"):
            with pytest.raises(Refusal) as refused:
                access.find(tx, actor("user"), "service", services.service, id_)
            refusals.append((refused.value.status, refused.value.code, refused.value.message, refused.value.errors))
    assert refusals[0] == refusals[1]


def test_what_may_be_seen_and_not_changed_is_refused_with_the_reason(things: Database) -> None:
    with things.write() as tx, pytest.raises(Refusal) as refused:
        access.find(tx, actor("observer"), "service", services.service, "PSVC000", permission.UPDATE)
    assert (refused.value.status, refused.value.code) == (403, 2010)
    assert refused.value.errors == ["Observers may not update a service: that takes a Manager"]


def test_a_team_role_opens_the_door_to_that_teams_things(things: Database) -> None:
    with things.write() as tx:
        who = actor("restricted_access", PTSHUT1="manager")
        assert access.find(tx, who, "service", services.service, "PSVC001", permission.UPDATE).name == "Service 1"
