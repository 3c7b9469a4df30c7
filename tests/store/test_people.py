"""People's rows mean the same on both databases."""

from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, Persona
from tocsin.store import audit
from tocsin.store import people as rows
from tocsin.store.db import Database
from tocsin.store.tables import people
from tocsin.store.tables.engine import audit as records


def test_a_user_is_found_by_address_whatever_its_case(db: Database, staff: tuple[Persona, ...]) -> None:
    with db.read() as tx:
        found = rows.user_by_email(tx, " ADA@Example.org ")
        assert found is not None
        assert found.id == ADA.id
        assert rows.user_by_email(tx, "nobody@example.org") is None


def test_several_users_are_read_at_once_and_unknown_ones_left_out(db: Database, staff: tuple[Persona, ...]) -> None:
    with db.read() as tx:
        assert set(rows.users(tx, [ADA.id, BO.id, "PNOBODY", ADA.id])) == {ADA.id, BO.id}
        assert rows.users(tx, []) == {}


def test_memberships_come_by_user_in_the_order_of_team_names(db: Database, staff: tuple[Persona, ...], now: datetime) -> None:
    with db.write() as tx:
        for team_id, name in (("PT1", "Storage"), ("PT2", "Network")):
            tx.execute(sa.insert(people.team), {"id": team_id, "name": name, "default_role": "none", "created_at": now})
            tx.execute(sa.insert(people.team_member), {"team_id": team_id, "user_id": ADA.id, "role": "responder"})
    with db.read() as tx:
        found = rows.memberships(tx, [ADA.id, BO.id])
        assert [(row.name, row.role) for row in found[ADA.id]] == [("Network", "responder"), ("Storage", "responder")]
        assert found[BO.id] == []
        assert rows.private_teams(tx) == {"PT1", "PT2"}


def test_deleting_a_user_takes_what_is_theirs(db: Database, staff: tuple[Persona, ...], now: datetime) -> None:
    with db.write() as tx:
        tx.execute(
            sa.insert(people.contact_method),
            {"id": "PC1", "user_id": ADA.id, "kind": "email", "label": "Work", "address": "a@example.org", "fields": {}, "created_at": now},
        )
        tx.execute(
            sa.insert(people.notification_rule),
            {"id": "PN1", "user_id": ADA.id, "contact_method_id": "PC1", "start_delay_in_minutes": 0, "urgency": "high", "created_at": now},
        )
        tx.execute(sa.delete(people.user).where(people.user.c.id == ADA.id))
    with db.read() as tx:
        assert rows.contact_methods(tx, [ADA.id])[ADA.id] == []
        assert rows.notification_rules(tx, [ADA.id])[ADA.id] == []


def test_a_key_is_found_by_any_of_the_digests_it_may_have(db: Database, now: datetime) -> None:
    key = {"id": "PK1", "label": "k", "digest": "d2", "last_four": "abcd", "is_read_only": False, "created_at": now}
    with db.write() as tx:
        tx.execute(sa.insert(people.api_key), key)
        rows.note_key_use(tx, "PK1", now)
    with db.read() as tx:
        found = rows.key_by_digests(tx, ["d1", "d2"])
        assert found is not None
        assert (found.id, found.last_used_at) == ("PK1", now)
        assert rows.key_by_digests(tx, ["d3"]) is None


def test_of_two_users_with_one_address_the_second_is_refused(db: Database, staff: tuple[Persona, ...], now: datetime) -> None:
    twin = {"id": "PTWIN01", "name": "Twin", "email": "Ada@example.org", "email_folded": "ada@example.org", "color": "red", "role": "user"}
    with pytest.raises(sa.exc.IntegrityError), db.write() as tx:
        tx.execute(sa.insert(people.user), {**twin, "created_at": now})


def test_audit_records_come_newest_first_page_by_page(db: Database, now: datetime, chance: Random) -> None:
    with db.write() as tx:
        for number in range(5):
            row = {
                "at": now + timedelta(seconds=number // 2), "request_id": str(number), "actor_type": "user_reference",
                "actor_id": ADA.id, "actor_name": "Ada", "method": "other", "action": "update", "root_type": "user_reference",
                "root_id": BO.id, "details": {"number": number},
            }  # fmt: skip
            audit.append(tx, row, chance)
    with db.read() as tx:
        seen, after = [], None
        while page := audit.page(tx, [records.c.root_id == BO.id], limit=2, after=after):
            seen += [row.request_id for row in page]
            after = (page[-1].at, page[-1].id)
    assert [{*seen[:1]}, {*seen[1:3]}, {*seen[3:]}] == [{"4"}, {"2", "3"}, {"0", "1"}]
    with db.write() as tx:
        assert audit.drop_before(tx, now + timedelta(seconds=1)) == 2
