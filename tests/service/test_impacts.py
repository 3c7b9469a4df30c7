"""Impacts of business services on both databases: computed through dependencies, told once, ended with what they stood on."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, CY, Persona
from tocsin.base.errors import Refusal
from tocsin.core.dependencies import BUSINESS, TECHNICAL, Edge
from tocsin.core.escalation import Target
from tocsin.core.events import Agent, Urgency
from tocsin.core.permission import HOUSE
from tocsin.engine import follow
from tocsin.service import (
    business_services,
    dependencies,
    extensions,
    impacts,
    oauth_clients,
    people,
    policies,
    priorities,
    services,
    subscriptions,
    tags,
    webhooks,
)
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store import dependencies as store
from tocsin.store import services as store_services
from tocsin.store import webhooks as store_webhooks
from tocsin.store.db import Database
from tocsin.store.tables.attachments import extension, oauth_client, tagged
from tocsin.store.tables.business import impact_told
from tocsin.store.tables.engine import outbox
from tocsin.store.tables.services import webhook_subscription

AGENT = Agent("user_reference", CY.id, "Cy")


@pytest.fixture
def deed(now: datetime, chance: Random) -> Deed:
    return Deed(HOUSE, now, chance)


@pytest.fixture
def service_id(db: Database, deed: Deed, staff: tuple[Persona, ...]) -> str:
    with db.write() as tx:
        rules = [policies.level(5, Target("user", ADA.id))]
        policy_id = policies.create_policy(tx, deed, name="Ladder", rules=rules)
        return services.create_service(tx, deed, name="Payments", escalation_policy_id=policy_id)


def test_what_begins_and_ends_is_told_once_whatever_ended_it(db: Database, deed: Deed, service_id: str) -> None:
    with db.write() as tx:
        people.add_contact_method(tx, deed, BO.id, kind="email", label="Work", address="bo@work.example.org")
        worst = priorities.add(tx, deed, name="P1", color="aa0000")
        shop = business_services.create(tx, deed, {"name": "Shop"})
        dependencies.associate(tx, deed, [Edge((TECHNICAL, service_id), (BUSINESS, shop))])
        subscriptions.subscribe(tx, deed, {"id": BO.id, "type": "user_reference", "summary": "Bo"}, [(BUSINESS, shop)])

    def told() -> int:
        while follow.follow_pass(db, deed.now, node="one", chance=deed.chance):
            pass
        with db.read() as tx:
            kept = len(tx.rows(sa.select(impact_told)))
            stands = len(impacts.impacted(tx))
            assert kept == stands
            chosen = sa.select(sa.func.count()).where(outbox.c.purpose == "status_update", outbox.c.user_id == BO.id)
            return int(tx.scalar(chosen) or 0)

    before = told()
    with db.write() as tx, Desk(tx, now=deed.now, chance=deed.chance) as desk:
        service = store_services.load(tx, [service_id])[service_id]
        one = desk.open(service=service, title="Disk", urgency=Urgency.HIGH, agent=AGENT, channel="api", reason="new")
        desk.change_priority(one.id, AGENT, "website", worst)
    begun = told()
    assert begun > before
    each = begun - before
    assert told() == begun
    with db.write() as tx:
        dependencies.disassociate(tx, deed, [Edge((TECHNICAL, service_id), (BUSINESS, shop))])
    assert told() == begun + each
    with db.write() as tx:
        dependencies.associate(tx, deed, [Edge((TECHNICAL, service_id), (BUSINESS, shop))])
    assert told() == begun + 2 * each
    with db.write() as tx:
        business_services.delete(tx, deed, business_services.row_of(tx, shop))
        assert store.near(tx, (TECHNICAL, service_id)) == []
    assert told() == begun + 2 * each


def test_a_chain_of_a_hundred_is_walked_to_its_end_and_no_further(db: Database, deed: Deed, service_id: str) -> None:
    with db.write() as tx:
        made = [(BUSINESS, business_services.create(tx, deed, {"name": f"Business {at}"})) for at in range(100)]
        nodes = [(TECHNICAL, service_id), *made]
        dependencies.associate(tx, deed, [Edge(nodes[at], nodes[at + 1]) for at in range(100)])
        assert len(store.above(tx, nodes[:1])) == len(store.below(tx, nodes[-1:])) == 100
        beyond = (BUSINESS, business_services.create(tx, deed, {"name": "Beyond"}))
    with pytest.raises(Refusal, match="at most 100 long"), db.write() as tx:
        dependencies.associate(tx, deed, [Edge(nodes[-1], beyond)])


def test_tags_extensions_and_clients_are_kept_alike_on_both(db: Database, deed: Deed, service_id: str, seals: Any) -> None:
    user = {"id": ADA.id, "type": "user_reference", "summary": "Ada"}
    wish = extensions.Wish("Hook", extensions.GENERIC.id, "https://x.example.org", {"headers": [{"name": "X", "value": "y"}]}, (service_id,))
    whole = {"name": "Ours", "client_id": "x", "secret": "hush", "scope": None, "token_url": "https://x.example.org/t", "grant_type": "client_credentials"}
    with db.write() as tx:
        tags.change(tx, deed, user, [tags.Wish(label="Night"), tags.Wish(label="Night")], [])
        extension_id = extensions.create(tx, deed, seals, wish)
        hook = webhooks.subscribe(tx, deed, seals, url="https://x.example.org", events=["incident.triggered"])
        client_id = oauth_clients.create(tx, deed, seals, whole)
        oauth_clients.name_for(tx, deed, webhooks.subscription_row(tx, hook.id), client_id)
    with db.write() as tx, Desk(tx, now=deed.now + timedelta(seconds=1), chance=deed.chance) as desk:
        service = store_services.load(tx, [service_id])[service_id]
        desk.open(service=service, title="Disk", urgency=Urgency.HIGH, agent=AGENT, channel="api", reason="new")
    while follow.follow_pass(db, deed.now, node="one", chance=deed.chance):
        pass
    with db.write() as tx:
        due = {one.subscription_id: one for one in store_webhooks.due(tx, deed.now + timedelta(hours=1), 10, per_subscription=10)}
        client = due[hook.id].client
        assert client is not None
        assert (client.id, client.revision, client.client_id, client.token_url) == (client_id, 1, "x", whole["token_url"])
        assert seals.open(client.sealed_secret) == "hush"
        assert seals.open(due[extension_id].sealed_endpoint or "") == wish.endpoint
        row = tx.one(sa.select(extension).where(extension.c.id == extension_id))
        assert row is not None
        assert extensions.opened(tx, seals, row) == wish
        extensions.change(tx, deed, seals, row, replace(wish, name="Other"))
        services.delete_service(tx, deed, service_id)
        assert extensions.services_of(tx, [extension_id]) == {extension_id: []}
        extensions.delete(tx, deed, seals, row)
        found = tx.one(sa.select(oauth_client))
        assert found is not None
        oauth_clients.delete(tx, deed, found)
        assert oauth_clients.of_subscriptions(tx, [hook.id]) == {}
        assert [one.id for one in tx.rows(sa.select(webhook_subscription))] == [hook.id]
        assert len(tx.rows(sa.select(tagged))) == 1
        tags.forget(tx, "user", ADA.id)
        assert tx.rows(sa.select(tagged)) == []
