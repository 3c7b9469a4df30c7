"""People's one door: the first owner, handing over, keys shown once, and what an account starts with."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, CY, Persona
from tocsin.base import secret
from tocsin.base.errors import Refusal
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import account, people
from tocsin.service.audit import Deed
from tocsin.store import people as rows
from tocsin.store import sessions
from tocsin.store.db import Database
from tocsin.store.tables import people as tables
from tocsin.store.tables.engine import audit as records
from tocsin.store.tables.services import priority


@pytest.fixture
def deed(now: datetime, chance: Random) -> Deed:
    return Deed(HOUSE, now, chance)


def founded(db: Database, deed: Deed) -> str:
    with db.write() as tx:
        return account.found(
            tx, deed, name="Example", subdomain="example", owner_name="Olu", owner_email="olu@example.org",
            password="correct horse battery",
        )  # fmt: skip


def test_an_account_starts_with_an_owner_who_can_sign_in_and_five_priorities(db: Database, deed: Deed) -> None:
    owner_id = founded(db, deed)
    with db.read() as tx:
        owner = rows.owner(tx)
        assert owner is not None
        assert (owner.id, owner.role) == (owner_id, "owner")
        assert secret.check_password(owner.password_hash, "correct horse battery")
        names = [row.name for row in tx.rows(sa.select(priority.c.name).order_by(priority.c.order))]
        assert names == ["P1", "P2", "P3", "P4", "P5"]
        assert [method.address for method in rows.contact_methods(tx, [owner_id])[owner_id]] == ["olu@example.org"]


def test_there_is_one_account_and_one_owner(db: Database, deed: Deed) -> None:
    founded(db, deed)
    with pytest.raises(Refusal, match="has an account already"):
        founded(db, deed)
    with pytest.raises(Refusal, match="has an Account Owner already"), db.write() as tx:
        people.create_owner(tx, deed, name="Second", email="second@example.org", password=None)


def test_the_owner_hands_over_and_becomes_an_admin(db: Database, deed: Deed, staff: tuple[Persona, ...]) -> None:
    owner_id = founded(db, deed)
    with db.write() as tx:
        actor = people.actor_of_user(tx, owner_id, method="browser")
        assert actor is not None
        people.update_user(tx, replace(deed, actor=actor), ADA.id, {"role": "owner"})
    with db.read() as tx:
        roles = {row.id: row.role for row in rows.users(tx, [owner_id, ADA.id]).values()}
    assert roles == {owner_id: "admin", ADA.id: "owner"}


def test_the_owner_is_neither_deleted_nor_demoted(db: Database, deed: Deed) -> None:
    owner_id = founded(db, deed)
    with db.write() as tx:
        with pytest.raises(Refusal, match="cannot be deleted"):
            people.delete_user(tx, deed, owner_id)
        with pytest.raises(Refusal, match="There must be one Account Owner"):
            people.update_user(tx, deed, owner_id, {"role": "user"})


def test_a_bad_password_is_refused_with_advice(db: Database, deed: Deed) -> None:
    with pytest.raises(Refusal) as refused, db.write() as tx:
        people.create_user(tx, deed, name="Dee", email="dee@example.org", password="short")
    assert refused.value.errors
    with db.read() as tx:
        assert rows.user_by_email(tx, "dee@example.org") is None


def test_a_new_password_signs_the_person_out_everywhere(db: Database, deed: Deed, staff: tuple[Persona, ...], now: datetime) -> None:
    with db.write() as tx:
        sessions.add(tx, sessions.Session("S1", ADA.id, now, now, now, None, None), "digest")
        people.set_password(tx, deed, ADA.id, "three quiet words")
    with db.read() as tx:
        assert sessions.of_user(tx, ADA.id) == []
        found = rows.user(tx, ADA.id)
        assert found is not None
        assert secret.check_password(found.password_hash, "three quiet words")
        assert "three quiet" not in str(tx.rows(sa.select(records)))


def test_a_key_is_shown_once_and_afterwards_known_by_its_last_four(
    db: Database, deed: Deed, seals: Seals, staff: tuple[Persona, ...]
) -> None:
    with db.write() as tx:
        key = people.create_key(tx, deed, seals, label=" Terraform ", user_id=CY.id)
        (kept,) = people.keys_of(tx, CY.id)
        assert people.keys_of(tx, None) == []
    assert (kept.label, kept.last_four, kept.digest) == ("Terraform", key.text[-4:], seals.digest(key.text))
    assert len(key.text) == people.KEY_LENGTH
    with db.write() as tx:
        people.revoke_key(tx, deed, key.id)
        people.revoke_key(tx, replace(deed, now=deed.now + timedelta(days=1)), key.id)
        assert people.keys_of(tx, CY.id)[0].revoked_at == deed.now
        assert tx.scalar(sa.select(sa.func.count()).select_from(records).where(records.c.root_id == key.id)) == 2


@pytest.mark.parametrize("wrong", [{"label": " "}, {"label": "x" * 101}, {"user_id": "PNOBODY"}, {"expires_at": "now"}])
def test_a_wrong_key_is_not_made(db: Database, deed: Deed, seals: Seals, wrong: dict[str, Any]) -> None:
    more: dict[str, Any] = {"label": "k", "user_id": None, **wrong}
    if "expires_at" in more:
        more["expires_at"] = deed.now
    with pytest.raises(Refusal), db.write() as tx:
        people.create_key(tx, deed, seals, **more)
    with db.read() as tx:
        assert tx.rows(sa.select(tables.api_key)) == []


def test_a_disabled_user_is_no_actor(db: Database, staff: tuple[Persona, ...]) -> None:
    with db.write() as tx:
        tx.execute(sa.update(tables.user).where(tables.user.c.id == ADA.id).values(is_disabled=True))
        assert people.actor_of_user(tx, ADA.id, method="browser") is None
        assert people.actor_of_user(tx, "PNOBODY", method="browser") is None


def test_an_actor_knows_its_teams_and_the_private_ones_it_is_kept_out_of(
    db: Database, staff: tuple[Persona, ...], now: datetime
) -> None:
    with db.write() as tx:
        for team_id in ("PT1", "PT2"):
            tx.execute(sa.insert(tables.team), {"id": team_id, "name": team_id, "default_role": "none", "created_at": now})
        tx.execute(sa.insert(tables.team_member), {"team_id": "PT1", "user_id": ADA.id, "role": "observer"})
        actor = people.actor_of_user(tx, ADA.id, method="browser")
    assert actor is not None
    assert dict(actor.teams) == {"PT1": "observer"}
    assert actor.hidden_teams == {"PT2"}
