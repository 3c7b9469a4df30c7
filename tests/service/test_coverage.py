"""The proof of coverage is made of what is kept: schedules, overrides, people and their ways, on both databases."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tocsin.base.errors import Refusal
from tocsin.base.times import Span
from tocsin.core.coverage import Kind
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE, Actor
from tocsin.core.rotation import Restriction
from tocsin.service import coverage, policies, schedules
from tocsin.service.audit import Deed
from tocsin.service.coverage import Coverage
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.store.db import Database, Tx
from tocsin.store.tables.people import contact_method, notification_rule, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import service

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Shop:
    """A shop with a rota for office hours, people with an e-mail address each, and a policy on it."""

    def __init__(self, tx: Tx, now: datetime, chance: Random) -> None:
        self.tx, self.now, self.deed = tx, now, Deed(HOUSE, now, chance)
        for persona in (ADA, BO, CY):
            self.reachable(persona)

    def reachable(self, persona: Persona, minutes: int = 0) -> None:
        way: dict[str, Any] = {"id": f"PM{persona.id}", "user_id": persona.id, "kind": "email", "label": "Work"}
        self.tx.execute(sa.insert(contact_method).values(way | {"address": persona.email, "created_at": self.now}))
        rule = {"id": f"PR{persona.id}", "user_id": persona.id, "contact_method_id": way["id"], "created_at": self.now}
        self.tx.execute(sa.insert(notification_rule).values(rule | {"start_delay_in_minutes": minutes, "urgency": "high"}))

    def rota(self, *people: Persona, name: str = "Office hours", hours: tuple[int, int] | None = (9, 8)) -> str:
        restrictions = (Restriction(None, hours[0] * 3600, hours[1] * 3600),) if hours else ()
        midnight = self.now.replace(hour=0)
        layer = AskedLayer(
            start=midnight, virtual_start=midnight, turn_seconds=86_400, user_ids=tuple(one.id for one in people), restrictions=restrictions
        )
        return schedules.create(self.tx, self.deed, name=name, time_zone="UTC", layers=[layer])

    def policy(self, *levels: Target, name: str = "Shop", team_id: str | None = None) -> str:
        rules = [policies.level(30, target) for target in levels]
        return policies.create_policy(self.tx, self.deed, name=name, rules=rules, team_id=team_id)

    def serve(self, policy_id: str, name: str, *, is_disabled: bool = False) -> None:
        row = {"id": f"PS{name}", "name": name, "escalation_policy_id": policy_id, "is_disabled": is_disabled}
        row |= {"alert_creation": "create_alerts_and_incidents", "created_at": self.now, "updated_at": self.now}
        self.tx.execute(sa.insert(service).values(row | {"incident_urgency_rule": {"type": "constant", "urgency": "high"}}))

    def look(self, **narrowed: Any) -> Coverage:
        return coverage.look(self.tx, HOUSE, Span(self.now, self.now + DAY), **narrowed)


def test_the_gap_of_a_rota_is_found_for_the_services_that_use_it(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        policy_id = shop.policy(Target("schedule", shop.rota(ADA, BO)))
        shop.serve(policy_id, "Checkout")
        shop.serve(policy_id, "Old", is_disabled=True)
        (one,) = shop.look().policies
        assert [found.name for found in one.services] == ["Checkout"]
        (gap,) = one.gaps
        assert (gap.start, gap.end) == (now + 8 * HOUR, now + DAY)
        assert [cause.words for cause in gap.causes] == ["nobody is on call on Office hours"]
        assert one.covered_share == pytest.approx(100 * 8 / 24)


def test_an_override_closes_the_gap_it_was_made_for(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        rota = shop.rota(ADA, BO)
        shop.policy(Target("schedule", rota))
        schedules.add_overrides(tx, shop.deed, rota, [AskedOverride(now + 8 * HOUR, now + DAY, CY.id)])
        (one,) = shop.look().policies
        assert (one.gaps, one.weak, one.covered_share) == ((), (), 100)


def test_who_cannot_be_reached_is_named(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        shop.policy(Target("user", ADA.id), Target("user", BO.id), Target("user", CY.id))
        tx.execute(sa.update(contact_method).where(contact_method.c.user_id == ADA.id).values(is_enabled=False))
        tx.execute(sa.update(user).where(user.c.id == BO.id).values(is_disabled=True))
        (one,) = shop.look().policies
        (weak,) = one.weak
        assert weak.wait == timedelta(minutes=30)
        assert [(cause.kind, cause.about) for cause in weak.causes] == [(Kind.NO_WAY, ADA.id), (Kind.CANNOT_BE_PAGED, BO.id)]
        assert weak.causes[1].words == "Bo's account is disabled"


def test_who_stands_on_two_rotas_at_once_is_told(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        first, second = shop.rota(ADA, hours=None, name="First"), shop.rota(ADA, BO, name="Second")
        shop.policy(Target("schedule", first), Target("schedule", second))
        found = shop.look()
        (double,) = found.doubles
        assert (double.user_id, double.start, double.end) == (ADA.id, now, now + 8 * HOUR)
        assert {found.schedule_names[id_] for id_ in double.schedule_ids} == {"First", "Second"}


def test_policies_with_gaps_come_first_and_others_can_be_left_out(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        well = shop.policy(Target("user", ADA.id), name="Always")
        open_ = shop.policy(Target("schedule", shop.rota(ADA, BO)), name="Sometimes")
        shop.serve(well, "Checkout")
        assert [one.policy.name for one in shop.look().policies] == ["Sometimes", "Always"]
        assert [one.policy.name for one in shop.look(policy_ids=[open_]).policies] == ["Sometimes"]
        assert [one.policy.name for one in shop.look(service_ids=["PSCheckout"]).policies] == ["Always"]
        assert shop.look(team_ids=["PTNONE"]).policies == ()


def test_nobody_is_shown_what_they_may_not_see(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        shop.policy(Target("schedule", shop.rota(ADA, BO)))
        stranger = Actor(kind="user", id="PX", name="X", role="restricted_access")
        found = coverage.look(tx, stranger, Span(now, now + DAY))
        assert (found.policies, found.doubles, found.user_names, found.schedule_names) == ((), (), {}, {})


def test_a_schedule_of_a_private_team_counts_and_is_not_named(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    with db.write() as tx:
        shop = Shop(tx, now, chance)
        rota, other = shop.rota(ADA, name="Secret rota"), shop.rota(ADA, name="Open rota")
        shop.policy(Target("schedule", rota), Target("schedule", other))
        tx.execute(sa.update(schedule).where(schedule.c.id == rota).values(team_id="PTSECRET"))
        stranger = Actor(kind="user", id=BO.id, name="Bo", role="user", hidden_teams=frozenset({"PTSECRET"}))
        found = coverage.look(tx, stranger, Span(now, now + DAY))
        (one,) = found.policies
        assert [cause.words for cause in one.gaps[0].causes] == [
            "nobody is on call on a schedule of a private team",
            "nobody is on call on Open rota",
        ]
        assert (found.doubles, len(shop.look().doubles)) == ((), 1)


@pytest.mark.parametrize("days", [0, -1, 26 * 7 + 1])
def test_a_span_that_makes_no_sense_is_refused(db: Database, now: datetime, days: int) -> None:
    with db.read() as tx, pytest.raises(Refusal):
        coverage.look(tx, HOUSE, Span(now, now + days * DAY))
