"""Who may do what: PagerDuty's roles, decided in one place."""

import pytest

from tocsin.core.events import TOCSIN
from tocsin.core.permission import CREATE, DELETE, HOUSE, READ, RESPOND, UPDATE, Actor, Person, Thing, may


def person(role: str, *, teams: dict[str, str] | None = None, hidden: frozenset[str] = frozenset(), read_only: bool = False) -> Actor:
    return Actor(kind="user", id="PADA001", name="Ada", role=role, teams=teams or {}, hidden_teams=hidden, is_read_only=read_only)


SERVICE = Thing("service", "PSVC001", frozenset({"PTEAM01"}))
INCIDENT = Thing("incident", "Q1", frozenset({"PTEAM01"}))

ROLES = ("owner", "admin", "user", "limited_user", "observer", "read_only_user", "read_only_limited_user", "restricted_access")

TABLE = {
    # role: reads a service, responds to an incident, changes a service, makes a user
    "owner": (True, True, True, True),
    "admin": (True, True, True, True),
    "user": (True, True, True, False),
    "limited_user": (True, True, False, False),
    "observer": (True, False, False, False),
    "read_only_user": (True, False, False, False),
    "read_only_limited_user": (True, False, False, False),
    "restricted_access": (False, False, False, False),
    "nonsense": (False, False, False, False),
}


@pytest.mark.parametrize("role", TABLE)
def test_a_base_role_reaches_as_far_as_pagerdutys_does(role: str) -> None:
    asked = (
        may(person(role), READ, SERVICE),
        may(person(role), RESPOND, INCIDENT),
        may(person(role), UPDATE, SERVICE),
        may(person(role), CREATE, Thing("user")),
    )
    assert tuple(verdict.allowed for verdict in asked) == TABLE[role]
    assert all(verdict.reason for verdict in asked)


@pytest.mark.parametrize(
    ("base", "team_role", "responds", "configures"),
    [
        ("restricted_access", "manager", True, True),
        ("restricted_access", "responder", True, False),
        ("restricted_access", "observer", False, False),
        ("observer", "manager", True, True),
        ("user", "observer", True, True),
        ("read_only_user", "manager", False, False),
    ],
)
def test_a_team_role_adds_to_the_base_role_and_never_takes_away(base: str, team_role: str, responds: bool, configures: bool) -> None:
    member = person(base, teams={"PTEAM01": team_role})
    assert may(member, RESPOND, INCIDENT).allowed is responds
    assert may(member, UPDATE, SERVICE).allowed is configures
    assert may(member, UPDATE, Thing("service", "PSVC002", frozenset({"PTEAM02"}))).allowed is (base == "user")


def test_who_has_no_access_does_not_learn_that_a_thing_exists() -> None:
    verdict = may(person("restricted_access"), READ, SERVICE)
    assert (verdict.allowed, verdict.is_visible) == (False, False)
    assert may(person("observer"), UPDATE, SERVICE).is_visible


@pytest.mark.parametrize("role", ["user", "limited_user", "observer"])
def test_a_private_team_is_hidden_from_those_outside_it(role: str) -> None:
    outsider = person(role, hidden=frozenset({"PTEAM01"}))
    for action in (READ, UPDATE, RESPOND, DELETE):
        verdict = may(outsider, action, SERVICE)
        assert (verdict.allowed, verdict.is_visible) == (False, False)


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_admins_see_into_private_teams(role: str) -> None:
    assert may(person(role, hidden=frozenset({"PTEAM01"})), UPDATE, SERVICE).allowed


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", [CREATE, UPDATE, DELETE, RESPOND])
def test_a_read_only_key_changes_nothing_whoever_owns_it(role: str, action: str) -> None:
    reader = person(role, read_only=True)
    for thing in (SERVICE, INCIDENT, Thing("user", "PADA001", owner_id="PADA001"), Thing("contact_method", owner_id="PADA001")):
        assert not may(reader, action, thing).allowed


@pytest.mark.parametrize("role", ROLES)
def test_everybody_may_change_how_they_are_reached_and_nobody_but_admins_that_of_others(role: str) -> None:
    own, others = Thing("contact_method", owner_id="PADA001"), Thing("contact_method", owner_id="PBO0002")
    assert may(person(role), UPDATE, own).allowed
    assert may(person(role), UPDATE, others).allowed is (role in {"owner", "admin"})


@pytest.mark.parametrize("role", ROLES)
def test_the_audit_trail_and_keys_are_for_admins(role: str) -> None:
    for kind in ("audit_record", "api_key"):
        assert may(person(role), READ, Thing(kind)).allowed is (role in {"owner", "admin"})


def test_an_account_key_speaks_for_the_person_it_names() -> None:
    key = Actor(kind="api_key", id="PKEY001", name="Terraform", role="admin", on_behalf=Person("PBO0002", "Bo", "bo@example.org"))
    assert (key.agent.type, key.agent.id, key.user_id) == ("user_reference", "PBO0002", "PBO0002")
    assert HOUSE.agent == TOCSIN
    alone = Actor(kind="api_key", id="PKEY001", name="Terraform", role="admin")
    assert (alone.agent.type, alone.agent.id, alone.user_id) == ("api_key_reference", "PKEY001", None)
