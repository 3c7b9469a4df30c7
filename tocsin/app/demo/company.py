"""Brightwater Market, a made-up online grocer: its people, teams, rotas, policies and services, made through the service floor.

Laws:
1. Everything is made by the functions that the API uses, so that nothing here can be what a customer could not have.
2. Ways of reaching people lead to this machine only (the local sinks); telephone numbers are from the range for fiction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Final

import sqlalchemy as sa

from tocsin.base import times
from tocsin.core.escalation import Rule, Strategy, Target
from tocsin.core.rotation import DAY, WEEK, Restriction
from tocsin.service import account, people, policies, schedules, services
from tocsin.service.audit import Deed
from tocsin.service.policies import level
from tocsin.service.schedules import AskedLayer
from tocsin.store import people as store_people
from tocsin.store.db import Tx
from tocsin.store.tables.services import integration, service

NAME: Final = "Brightwater Market"
DOMAIN: Final = "brightwater.example"
MAILBOX: Final = "reports"
"""Before the @ of the one service that takes mails."""
HOUR: Final = 3600

BERLIN, NEW_YORK, SINGAPORE = "Europe/Berlin", "America/New_York", "Asia/Singapore"


@dataclass(frozen=True, slots=True)
class Somebody:
    """One of the company's people. `team` is the first one of `TEAMS` they are in."""

    name: str
    title: str
    zone: str
    team: str
    role: str = "user"
    phone: str = ""

    @property
    def first(self) -> str:
        return self.name.split()[0]

    @property
    def email(self) -> str:
        return f"{self.first.lower()}@{DOMAIN}"


SRE, PAYMENTS, STOREFRONT, LOGISTICS, DATA = "Platform SRE", "Payments", "Storefront", "Logistics", "Data Platform"

TEAMS: Final[Mapping[str, str]] = {
    SRE: "Clusters, databases, edge and everything that watches them",
    PAYMENTS: "Checkout, cards and fraud",
    STOREFRONT: "What customers see: web, apps, search",
    LOGISTICS: "Delivery slots, warehouses and vans",
    DATA: "Warehouse, reports and the models behind recommendations",
}

OWNER: Final = Somebody("Maya Okafor", "Head of Reliability", NEW_YORK, SRE, "owner", "2025550101")

PEOPLE: Final = (
    OWNER,
    Somebody("Daniel Reyes", "Site Reliability Engineer", NEW_YORK, SRE, phone="2025550102"),
    Somebody("Lena Vogt", "Site Reliability Engineer", BERLIN, SRE, "admin", phone="2025550103"),
    Somebody("Marek Nowak", "Site Reliability Engineer", BERLIN, SRE, phone="2025550104"),
    Somebody("Wei Tan", "Site Reliability Engineer", SINGAPORE, SRE, phone="2025550105"),
    Somebody("Priya Raman", "Payments Engineer", NEW_YORK, PAYMENTS, phone="2025550106"),
    Somebody("Sofia Conti", "Payments Lead", BERLIN, PAYMENTS, phone="2025550107"),
    Somebody("Aiko Mori", "Payments Engineer", SINGAPORE, PAYMENTS, phone="2025550108"),
    Somebody("Jonas Berg", "Frontend Engineer", BERLIN, STOREFRONT, phone="2025550109"),
    Somebody("Tom Whitfield", "Frontend Engineer", NEW_YORK, STOREFRONT, phone="2025550110"),
    Somebody("Ravi Menon", "Search Engineer", SINGAPORE, STOREFRONT, phone="2025550111"),
    Somebody("Hana Kim", "Logistics Engineer", SINGAPORE, LOGISTICS, phone="2025550112"),
    Somebody("Amira Haddad", "Data Engineer", BERLIN, DATA, phone="2025550113"),
    Somebody("Grace Lin", "Data Engineer", NEW_YORK, DATA, "limited_user", phone="2025550114"),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One of the company's services."""

    name: str
    policy: str
    words: str
    auto_resolve: int | None = 4 * HOUR
    acknowledgement: int | None = 30 * 60
    urgency: str = "severity_based"
    grouping: Mapping[str, object] | None = None
    mailbox: str = ""  # what stands before the @ of the address that takes its mails; empty: it takes none


SERVICES: Final = (
    Offer("Kubernetes production", SRE, "Three clusters, about 240 nodes", grouping={"type": "time", "config": {"timeout": 5}}),
    Offer("Edge and CDN", SRE, "Load balancers, certificates, DNS, caching"),
    Offer("PostgreSQL clusters", SRE, "pg-main, pg-orders and pg-events with their replicas", urgency="high",
          grouping={"type": "content_based", "config": {"aggregate": "all", "fields": ["group"], "time_window": 1800}}),
    Offer("Observability", SRE, "Prometheus, Loki, Tempo: the monitoring that must itself be watched"),
    Offer("Checkout API", PAYMENTS, "From basket to order", urgency="high", grouping={"type": "time", "config": {"timeout": 10}}),
    Offer("Card payments", PAYMENTS, "Talks to the acquirers"),
    Offer("Fraud scoring", PAYMENTS, "Scores every order in under 150 ms", auto_resolve=24 * HOUR),
    Offer("Storefront web", STOREFRONT, "The shop"),
    Offer("Search", STOREFRONT, "Product search and suggestions"),
    Offer("Delivery slots", LOGISTICS, "Which van is where, and when it comes to you"),
    Offer("Warehouse sync", LOGISTICS, "Stock levels from eleven warehouses", urgency="severity_based"),
    Offer("Nightly reports", DATA, "dbt and Airflow: what everybody reads in the morning", auto_resolve=None, acknowledgement=None,
          mailbox=MAILBOX),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Company:
    """What was made: ids by name, and each service's routing key."""

    users: Mapping[str, str]
    services: Mapping[str, str]
    keys: Mapping[str, str] = field(repr=False)


def found(tx: Tx, deed: Deed, *, password: str, phone_url: str) -> Company:
    """Make the whole company in one transaction. `phone_url` is where webhook phones are: `<phone_url>/<first name>`."""
    owner_id = account.found(
        tx, deed, name=NAME, subdomain="brightwater", owner_name=OWNER.name, owner_email=OWNER.email, password=password,
        time_zone=BERLIN,
    )  # fmt: skip
    users = {OWNER.name: owner_id}
    people.update_user(tx, deed, owner_id, {"time_zone": OWNER.zone, "job_title": OWNER.title})
    for one in PEOPLE[1:]:
        users[one.name] = people.create_user(
            tx, deed, name=one.name, email=one.email, role=one.role, time_zone=one.zone, job_title=one.title
        )
    for one in PEOPLE:
        _reachable(tx, deed, users[one.name], one, phone_url)
    teams = {name: _team(tx, deed, name, words, users) for name, words in TEAMS.items()}
    rotas = _rotas(tx, deed, users, teams)
    ladders = _ladders(tx, deed, users, teams, rotas)
    made = {offer.name: _service(tx, deed, offer, ladders[offer.policy]) for offer in SERVICES}
    account.change(tx, deed, last_resort=[users["Maya Okafor"], users["Lena Vogt"]])
    return Company(users, made, keys_of(tx))


def keys_of(tx: Tx) -> dict[str, str]:
    """Each service's routing key: the one that was made first."""
    joined = sa.select(service.c.name, integration.c.routing_key).join(integration, integration.c.service_id == service.c.id)
    rows = tx.rows(joined.where(integration.c.type != services.EMAIL_TYPE).order_by(integration.c.created_at.desc(), integration.c.id))
    return {row.name: row.routing_key for row in rows}


def phones_of(tx: Tx) -> dict[str, str]:
    """By first name, the id of the webhook contact method: where that person's webhook phone is."""
    found_: dict[str, str] = {}
    for one in PEOPLE:
        row = store_people.user_by_email(tx, one.email)
        for method in store_people.contact_methods(tx, [row.id])[row.id] if row else []:
            if method.kind == "webhook":
                found_[one.first] = method.id
    return found_


def move_phones(tx: Tx, deed: Deed, phone_url: str) -> int:
    """Let everybody's webhook phone be at this address (the local sinks may have another port today). How many moved."""
    moved = 0
    for one in PEOPLE:
        row = store_people.user_by_email(tx, one.email)
        for method in store_people.contact_methods(tx, [row.id])[row.id] if row else []:
            address = f"{phone_url}/{one.first.lower()}"
            if method.kind == "webhook" and method.address.endswith(f"/phone/{one.first.lower()}") and method.address != address:
                people.change_contact_method(tx, deed, method, {"address": address})
                moved += 1
    return moved


def _reachable(tx: Tx, deed: Deed, user_id: str, one: Somebody, phone_url: str) -> None:
    """A webhook phone at once, an SMS after two minutes, a call after five; low urgency by mail, which everybody has."""
    address = f"{phone_url}/{one.first.lower()}"
    methods = [
        (people.add_contact_method(tx, deed, user_id, kind="webhook", label="Phone app", address=address), 0),
        (people.add_contact_method(tx, deed, user_id, kind="sms", label="Mobile", address=one.phone, country_code=1), 2),
        (people.add_contact_method(tx, deed, user_id, kind="phone", label="Mobile", address=one.phone, country_code=1), 5),
    ]
    for method_id, minutes in methods:
        people.add_notification_rule(
            tx, deed, user_id, contact_method_id=method_id, start_delay_in_minutes=minutes, urgency="high"
        )


def _team(tx: Tx, deed: Deed, name: str, words: str, users: Mapping[str, str]) -> str:
    team_id = people.create_team(tx, deed, name=name, description=words)
    for one in PEOPLE:
        if one.team == name:
            people.join_team(tx, deed, team_id, users[one.name], None)
    return team_id


def _rotas(tx: Tx, deed: Deed, users: Mapping[str, str], teams: Mapping[str, str]) -> dict[str, str]:
    monday = _monday(deed.now)

    def layer(
        name: str, zone: str, *names: str, turn: int = WEEK, hour: int = 9, restrictions: tuple[Restriction, ...] = ()
    ) -> AskedLayer:
        handoff = times.from_wall(datetime.combine(monday, time(hour)), times.zone_named(zone))
        return AskedLayer(
            name=name, start=deed.now, virtual_start=handoff, turn_seconds=turn,
            user_ids=tuple(users[one] for one in names), restrictions=restrictions,
        )  # fmt: skip

    def rota(name: str, zone: str, team: str, words: str, *layers: AskedLayer) -> str:
        return schedules.create(
            tx, deed, name=name, time_zone=zone, layers=layers, description=words, team_id=teams[team]
        )

    def daily(start_hour: int, hours: int) -> tuple[Restriction, ...]:
        return (Restriction(None, start_hour * HOUR, hours * HOUR),)

    def weekdays(start_hour: int, hours: int) -> tuple[Restriction, ...]:
        return tuple(Restriction(day, start_hour * HOUR, hours * HOUR) for day in range(1, 6))

    return {
        "sun": rota(
            "SRE follow the sun", "Etc/UTC", SRE, "Nobody of the platform team is woken at night",
            layer("Singapore", "Etc/UTC", "Wei Tan", hour=0, restrictions=daily(0, 8)),
            layer("Berlin", "Etc/UTC", "Lena Vogt", "Marek Nowak", hour=0, restrictions=daily(8, 7)),
            layer("New York", "Etc/UTC", "Daniel Reyes", "Maya Okafor", hour=0, restrictions=daily(15, 9)),
        ),
        "second": rota(
            "SRE second line", BERLIN, SRE, "Weekly, for when the first one does not answer",
            layer("Weekly", BERLIN, "Marek Nowak", "Daniel Reyes", "Lena Vogt", "Wei Tan"),
        ),
        "payments": rota(
            "Payments on call", BERLIN, PAYMENTS, "Weekly, Monday to Monday",
            layer("Weekly", BERLIN, "Sofia Conti", "Priya Raman", "Aiko Mori"),
        ),
        "logistics": rota(
            "Logistics on call", SINGAPORE, LOGISTICS, "Daily between the two who know the vans",
            layer("Daily", SINGAPORE, "Hana Kim", "Ravi Menon", turn=DAY),
        ),
        "desk": rota(
            "Warehouse night desk", SINGAPORE, LOGISTICS, "Not staffed yet: one hour on Sundays so that the rota exists",
            layer("Hiring", SINGAPORE, "Hana Kim", restrictions=(Restriction(7, 3 * HOUR, HOUR),)),
        ),
        "data": rota(
            "Data office hours", BERLIN, DATA, "Reports can wait until the morning",
            layer("Weekdays", BERLIN, "Amira Haddad", "Grace Lin", hour=0, restrictions=weekdays(8, 10)),
        ),
    }  # fmt: skip


def _ladders(
    tx: Tx, deed: Deed, users: Mapping[str, str], teams: Mapping[str, str], rotas: Mapping[str, str]
) -> dict[str, str]:
    def rota(name: str) -> Target:
        return Target("schedule", rotas[name])

    def person(name: str) -> Target:
        return Target("user", users[name])

    def ladder(name: str, words: str, *rules: Rule, loops: int = 1) -> str:
        return policies.create_policy(
            tx, deed, name=name, description=words, rules=rules, num_loops=loops, team_id=teams[name]
        )

    storefront = (person("Jonas Berg"), person("Tom Whitfield"), person("Ravi Menon"))
    return {
        SRE: ladder(
            SRE, "Follow the sun, then the second line, then Maya",
            level(5, rota("sun")), level(10, rota("second")), level(15, person("Maya Okafor")), loops=2,
        ),
        PAYMENTS: ladder(
            PAYMENTS, "Whoever is on call, then Sofia with the platform team",
            level(5, rota("payments")), level(10, person("Sofia Conti"), rota("sun")), level(15, person("Maya Okafor")),
        ),
        STOREFRONT: ladder(
            STOREFRONT, "Incidents go round among the three of the team",
            level(5, *storefront, strategy=Strategy.ROUND_ROBIN), level(10, rota("sun")),
        ),
        LOGISTICS: ladder(
            LOGISTICS, "The first level is not staffed yet and is stepped over",
            level(5, rota("desk")), level(10, rota("logistics")), level(15, rota("sun")),
        ),
        DATA: ladder(
            DATA, "In office hours the team; at night the platform team decides whether it can wait",
            level(15, rota("data")), level(15, rota("sun")),
        ),
    }  # fmt: skip


def _service(tx: Tx, deed: Deed, offer: Offer, policy_id: str) -> str:
    service_id = services.create_service(
        tx,
        deed,
        name=offer.name,
        escalation_policy_id=policy_id,
        description=offer.words,
        auto_resolve_timeout=offer.auto_resolve,
        acknowledgement_timeout=offer.acknowledgement,
        incident_urgency_rule={"type": "constant", "urgency": offer.urgency},
        alert_grouping_parameters=dict(offer.grouping) if offer.grouping else None,
    )
    services.add_integration(tx, deed, service_id, name="Prometheus", vendor_id="PVPROME")
    if offer.mailbox:
        address = f"{offer.mailbox}@{DOMAIN}"
        services.add_integration(tx, deed, service_id, name="Mail", type_=services.EMAIL_TYPE, vendor_id="PVEMAIL", email=address)
    return service_id


def _monday(instant: datetime) -> datetime:
    day = instant - timedelta(days=instant.weekday())
    return day.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
