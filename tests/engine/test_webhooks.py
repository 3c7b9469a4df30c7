"""Webhooks: told once, in order, signed, retried, dropped and disabled as BEHAVIOUR 8 says, on both databases."""

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from tests.people import ADA, BO, Persona
from tests.receiver import SECRET, Receiver
from tocsin.app.sinks import Reply, Sinks
from tocsin.base import json
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.channels.http import Answer, Forbidden, Unreachable
from tocsin.core.escalation import Target
from tocsin.core.events import Agent, Urgency
from tocsin.core.permission import HOUSE
from tocsin.engine import follow, webhooks
from tocsin.engine.followers.roll import FOLLOWERS
from tocsin.engine.followers.spec import Follower
from tocsin.service import extensions, oauth_clients, policies, services
from tocsin.service import webhooks as door
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.service.webhooks import Fate
from tocsin.store import events, leases
from tocsin.store import services as store_services
from tocsin.store import webhooks as store
from tocsin.store.db import Database, Tx
from tocsin.store.events import Entry
from tocsin.store.tables.attachments import extension as extension_table
from tocsin.store.tables.attachments import oauth_client
from tocsin.store.tables.services import webhook_delivery, webhook_subscription

AGENT = Agent("user_reference", ADA.id, "Ada")
ALL = sorted(door.EVENT_TYPES)
BASE = "https://tocsin.example.org"
FINE = Answer(200, {}, b"")


@dataclass
class Stage:
    """A service with its policy, people and a subscription, and a clock that is turned by hand."""

    db: Database
    seals: Seals
    now: datetime
    chance: Random
    service_id: str = ""
    subscription_id: str = ""
    secret: str = ""
    incidents: list[str] = field(default_factory=list)

    def subscribe(self, url: str = "https://hooks.example.org", **more: Any) -> str:
        with self.db.write() as tx:
            told: dict[str, Any] = {"events": ALL, **more}
            made = door.subscribe(tx, Deed(HOUSE, self.now, self.chance), self.seals, url=url, **told)
        self.subscription_id, self.secret = made.id, made.secret
        return made.id

    def open(self, title: str = "Disk full") -> str:
        with self.db.write() as tx, Desk(tx, now=self.now, chance=self.chance) as desk:
            service = store_services.load(tx, [self.service_id])[self.service_id]
            made = desk.open(
                service=service, title=title, urgency=Urgency.HIGH, agent=AGENT, channel="api", reason="a new problem"
            )
        self.incidents.append(made.id)
        return made.id

    def act(self, incident_id: str, what: str, *arguments: Any, **more: Any) -> None:
        with self.db.write() as tx, Desk(tx, now=self.now, chance=self.chance) as desk:
            getattr(desk, what)(incident_id, AGENT, "website", *arguments, **more)

    def follow(self) -> None:
        while follow.follow_pass(self.db, self.now, node="one", chance=self.chance):
            pass

    def owed(self) -> list[dict[str, Any]]:
        """The events of all webhooks there are, in order."""
        with self.db.read() as tx:
            return [json.decode(row.body)["event"] for row in tx.rows(sa.select(webhook_delivery).order_by(webhook_delivery.c.position))]

    def states(self) -> list[str]:
        with self.db.read() as tx:
            return [row.state for row in tx.rows(sa.select(webhook_delivery).order_by(webhook_delivery.c.position))]

    def take(self, node: str = "one") -> list[store.Due]:
        return webhooks.take(self.db, self.now, node=node, limit=100)

    def answer(self, due: store.Due, outcome: Any) -> Fate:
        attempt = webhooks.verdict_on(due, outcome, self.now)
        webhooks.keep(self.db, [attempt], chance=self.chance)
        return attempt.fate

    def later(self, **more: float) -> None:
        self.now += timedelta(**more)

    def row(self) -> sa.Row[Any]:
        with self.db.read() as tx:
            found = tx.one(sa.select(webhook_subscription).where(webhook_subscription.c.id == self.subscription_id))
        assert found is not None
        return found


@pytest.fixture
def stage(db: Database, seals: Seals, now: datetime, chance: Random, staff: tuple[Persona, ...]) -> Stage:
    made = Stage(db, seals, now, chance)
    deed = Deed(HOUSE, now, chance)
    with db.write() as tx:
        policy_id = policies.create_policy(
            tx, deed, name="Ladder", rules=[policies.level(5, Target("user", ADA.id)), policies.level(5, Target("user", BO.id))]
        )
        made.service_id = services.create_service(tx, deed, name="Payments", escalation_policy_id=policy_id)
    return made


def test_the_life_of_an_incident_is_told_in_order_as_it_stood_then(stage: Stage):
    stage.subscribe()
    incident_id = stage.open()
    stage.later(minutes=1)
    stage.act(incident_id, "acknowledge")
    stage.act(incident_id, "annotate", "Looking at it")
    stage.act(incident_id, "reassign", [BO.id])
    stage.act(incident_id, "resolve")
    stage.follow()
    told = stage.owed()
    assert [event["event_type"] for event in told] == [
        "incident.triggered",
        "incident.acknowledged",
        "incident.annotated",
        "incident.unacknowledged",
        "incident.reassigned",
        "incident.resolved",
    ]
    first, second, note, _, moved, last = (event["data"] for event in told)
    assert (first["status"], second["status"], last["status"]) == ("triggered", "acknowledged", "resolved")
    assert first["title"] == "Disk full"
    assert first["service"]["summary"] == "Payments"
    assert first["escalation_policy"]["summary"] == "Ladder"
    assert [person["summary"] for person in second["assignees"]] == ["Ada"]
    assert [person["summary"] for person in moved["assignees"]] == ["Bo"]
    assert (note["content"], note["incident"]["id"], note["trimmed"]) == ("Looking at it", incident_id, False)
    assert told[0]["occurred_at"] == "2026-11-23T09:00:00.000Z"
    assert told[1]["agent"]["summary"] == "Ada"


def test_each_entry_is_told_once_however_often_the_log_is_read(stage: Stage):
    stage.subscribe()
    stage.open()
    stage.follow()
    stage.follow()
    assert len(stage.owed()) == 1
    stage.open()
    stage.follow()
    assert len(stage.owed()) == 2


def test_a_follower_that_fails_is_read_again_from_where_it_was_and_holds_back_no_other(stage: Stage):
    stage.subscribe()
    stage.open()
    broken = True
    seen: list[int] = []

    def reads(tx: Tx, entries: Any, now: datetime, chance: Random) -> None:
        if broken:
            raise ValueError("not today")
        seen.extend(entry.position for entry in entries)

    everybody = (Follower("broken", reads), *FOLLOWERS)
    with pytest.raises(ExceptionGroup):
        follow.follow_pass(stage.db, stage.now, node="one", chance=stage.chance, followers=everybody)
    assert len(stage.owed()) == 1
    broken = False
    while follow.follow_pass(stage.db, stage.now, node="one", chance=stage.chance, followers=everybody, batch=1):
        pass
    with stage.db.read() as tx:
        assert seen == list(range(1, events.last_position(tx) + 1))
        assert len(stage.owed()) == 1


def test_without_a_subscription_the_log_is_passed_over_unread_and_nothing_is_missed_after(stage: Stage):
    stage.open()
    stage.follow()
    with stage.db.read() as tx:
        assert events.position_of(tx, "webhooks") == 0
    stage.later(seconds=1)
    stage.subscribe()
    stage.open("Later")
    stage.follow()
    assert [event["data"]["title"] for event in stage.owed()] == ["Later"]
    with stage.db.read() as tx:
        assert events.position_of(tx, "webhooks") == events.last_position(tx)


def test_only_one_node_follows_at_a_time(stage: Stage):
    stage.subscribe()
    stage.open()
    with stage.db.write() as tx:
        assert leases.hold(tx, follow.LEASE, "two", now=stage.now, lasting=follow.LASTING)
    assert not follow.follow_pass(stage.db, stage.now, node="one", chance=stage.chance)
    assert stage.owed() == []
    stage.later(seconds=11)
    stage.follow()
    assert len(stage.owed()) == 1


def test_what_was_before_the_subscription_is_not_told(stage: Stage):
    stage.open()
    stage.later(seconds=1)
    stage.subscribe()
    stage.follow()
    assert stage.owed() == []


@pytest.mark.parametrize("kind", ["events", "service", "team", "inactive", "disabled"])
def test_nobody_hears_what_they_did_not_ask_for(stage: Stage, kind: str):
    with stage.db.write() as tx:
        deed = Deed(HOUSE, stage.now, stage.chance)
        tx.execute(sa.text("INSERT INTO teams (id, name, default_role, created_at) VALUES ('PTEAM01', 'Else', 'manager', 0)"))
        policy_id = policies.create_policy(tx, deed, name="Else", rules=[policies.level(5, Target("user", BO.id))])
        other = services.create_service(tx, deed, name="Else", escalation_policy_id=policy_id)
    told: dict[str, dict[str, Any]] = {
        "events": {"events": ["incident.resolved"]},
        "service": {"filter_type": "service_reference", "filter_id": other},
        "team": {"filter_type": "team_reference", "filter_id": "PTEAM01"},
        "inactive": {"is_active": False},
        "disabled": {},
    }
    stage.subscribe(**told[kind])
    if kind == "disabled":
        with stage.db.write() as tx:
            store.set_drops(tx, stage.subscription_id, 0, disabled_until=stage.now + timedelta(hours=1))
    stage.open()
    stage.follow()
    assert stage.owed() == []


def test_it_is_signed_and_carries_the_headers_a_receiver_expects(stage: Stage):
    stage.subscribe(custom_headers=[{"name": "X-Token", "value": "s3cret"}])
    stage.open()
    stage.follow()
    (due,) = stage.take()
    letter = webhooks.letter_of(due, seals=stage.seals, base_url=BASE)
    expected = hmac.new(stage.secret.encode(), letter.body, hashlib.sha256).hexdigest()
    assert letter.headers["X-PagerDuty-Signature"] == f"v1={expected}"
    assert letter.headers["X-Webhook-Subscription"] == stage.subscription_id
    assert letter.headers["X-Token"] == "s3cret"
    assert letter.headers["Content-Type"] == "application/json"
    data = json.decode(letter.body)["event"]["data"]
    assert data["self"] == f"{BASE}/incidents/{due.subject_id}"
    assert data["service"]["html_url"] == f"{BASE}/services/{stage.service_id}"


def test_later_ones_of_an_incident_wait_for_the_first_and_other_incidents_do_not(stage: Stage):
    stage.subscribe()
    one = stage.open("One")
    stage.act(one, "acknowledge")
    two = stage.open("Two")
    stage.follow()
    taken = stage.take()
    assert [(due.subject_id, due.event_type) for due in taken] == [(one, "incident.triggered"), (two, "incident.triggered")]
    assert stage.answer(taken[0], Answer(503, {}, b"")) is Fate.RETRY
    assert stage.answer(taken[1], FINE) is Fate.SENT
    assert stage.take() == []
    stage.later(seconds=11)
    (again,) = stage.take()
    assert (again.id, again.tries) == (taken[0].id, 1)
    stage.answer(again, FINE)
    (after,) = stage.take()
    assert (after.subject_id, after.event_type) == (one, "incident.acknowledged")
    stage.answer(after, FINE)
    assert stage.states() == ["sent"] * 3


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (Answer(200, {}, b""), Fate.SENT),
        (Answer(204, {}, b""), Fate.SENT),
        (Answer(429, {}, b""), Fate.RETRY),
        (Answer(500, {}, b""), Fate.RETRY),
        (Answer(503, {}, b""), Fate.RETRY),
        (Unreachable("no answer within 5 s"), Fate.RETRY),
        (Unreachable("ClientConnectorDNSError: no such host"), Fate.RETRY),
        (Unreachable("ClientConnectorCertificateError: certificate has expired"), Fate.RETRY),
        (Unreachable("ClientConnectorCertificateError: self-signed certificate"), Fate.DROP),
        (Forbidden("127.0.0.1 is a private address"), Fate.DROP),
        (Answer(301, {}, b""), Fate.DROP),
        (Answer(400, {}, b""), Fate.DROP),
        (Answer(404, {}, b""), Fate.DROP),
        (Answer(410, {}, b""), Fate.DROP),
        (ValueError("too large"), Fate.DROP),
    ],
)
def test_what_an_answer_means(stage: Stage, outcome: Any, fate: Fate):
    due = store.Due("id", "sub", "subject", "incident.triggered", "{}", stage.now, 0, "https://x", [], "")
    assert webhooks.verdict_on(due, outcome, stage.now).fate is fate


def test_it_is_tried_for_two_days_and_then_dropped(stage: Stage):
    stage.subscribe()
    stage.open()
    stage.follow()
    began = stage.now
    ids = set()
    while "due" in stage.states():
        stage.later(minutes=20)
        for due in stage.take():
            ids.add(due.id)
            stage.answer(due, Answer(503, {}, b"busy"))
    assert len(ids) == 1
    assert timedelta(hours=46) <= stage.now - began <= timedelta(hours=49)
    with stage.db.read() as tx:
        (row,) = store.of_subscription(tx, stage.subscription_id)
    assert row.state == "dropped"
    assert "HTTP 503: busy" in row.last_error


def test_a_receiver_that_refuses_three_in_a_row_is_left_alone_for_a_day(stage: Stage):
    stage.subscribe()
    for number in range(5):
        stage.open(f"Number {number}")
    stage.follow()
    for due in stage.take()[:3]:
        stage.answer(due, Answer(404, {}, b"gone"))
    row = stage.row()
    assert door.is_disabled(row, stage.now)
    assert stage.states() == ["dropped"] * 5
    stage.open("While it is disabled")
    stage.follow()
    assert len(stage.owed()) == 5
    stage.later(hours=24)
    assert not door.is_disabled(stage.row(), stage.now)
    stage.open("A day later")
    stage.follow()
    assert stage.states() == ["dropped"] * 5 + ["due"]


def test_a_success_between_refusals_keeps_it_enabled(stage: Stage):
    stage.subscribe()
    for number in range(5):
        stage.open(f"Number {number}")
    stage.follow()
    for due, outcome in zip(stage.take(), [404, 404, 200, 404, 404], strict=True):
        stage.answer(due, Answer(outcome, {}, b""))
    assert stage.row().disabled_until is None


def test_the_asked_for_wait_of_a_busy_receiver_is_kept(stage: Stage):
    stage.subscribe()
    stage.open()
    stage.follow()
    (due,) = stage.take()
    stage.answer(due, Answer(429, {"retry-after": "120"}, b""))
    stage.later(seconds=119)
    assert stage.take() == []
    stage.later(seconds=1)
    assert len(stage.take()) == 1


def test_what_is_too_large_is_told_without_its_details_or_not_at_all():
    def body(size: int, **more: Any) -> str:
        return json.text({"event": {"data": {"type": "incident", "conference_bridge": {"text": "x" * size}, **more}}})

    small = json.decode(door.finished(body(1000), BASE))["event"]["data"]
    assert small["conference_bridge"]["text"] == "x" * 1000
    cut = json.decode(door.finished(body(60_000), BASE))["event"]["data"]
    assert (cut["conference_bridge"], cut["conference_bridge_omitted"]) == (None, True)
    with pytest.raises(ValueError, match="not sent"):
        door.finished(body(10, assignees=["y" * 300_000]), BASE)


def test_a_receivers_share_is_limited_so_that_others_are_served(stage: Stage):
    slow = stage.subscribe()
    quick = stage.subscribe("https://quick.example.org")
    for number in range(webhooks.PER_SUBSCRIPTION_MOST + 5):
        stage.open(f"Number {number}")
    stage.follow()
    taken = stage.take()
    by = {name: sum(due.subscription_id == name for due in taken) for name in (slow, quick)}
    assert by == {slow: webhooks.PER_SUBSCRIPTION_MOST, quick: webhooks.PER_SUBSCRIPTION_MOST}
    busy = {(due.subscription_id, due.subject_id) for due in taken if due.subscription_id == slow}
    again = webhooks.take(stage.db, stage.now, node="one", limit=100, busy=busy)
    assert {due.subscription_id for due in again} == {quick}


def test_only_one_node_sends_at_a_time(stage: Stage):
    stage.subscribe()
    stage.open()
    stage.follow()
    assert len(stage.take("one")) == 1
    assert stage.take("two") == []
    stage.later(seconds=31)
    assert len(stage.take("two")) == 1


@pytest.fixture
def sinks() -> Iterator[Sinks]:
    with Sinks() as running:
        yield running


def test_a_webhook_leaves_at_once_and_a_repeat_carries_the_same_id(stage: Stage, sinks: Sinks):
    stage.now = system_clock()
    tries: list[str] = []

    def once_refusing(_way: str, to: str) -> Reply | None:
        tries.append(to)
        return Reply(503) if len(tries) == 1 else None

    sinks.answering = once_refusing
    stage.subscribe(f"{sinks.url}/phone/hooks")
    postman = webhooks.Postman(
        stage.db, seals=stage.seals, base_url=BASE, node="one", clock=system_clock, chance=Random(1), allowed_networks=["127.0.0.0/8"]
    )
    postman.start()
    try:
        stage.now = system_clock()
        stage.open()
        stage.follow()
        arrived = sinks.wait_for(1, "webhook", "hooks", within_s=15)[0]
    finally:
        assert postman.stop()
    assert len(tries) == 2
    assert arrived.headers["X-PagerDuty-Signature"].startswith("v1=")
    assert arrived.body["event"]["event_type"] == "incident.triggered"
    with stage.db.read() as tx:
        (row,) = store.of_subscription(tx, stage.subscription_id)
    assert (row.id, row.state, row.tries) == (arrived.headers["X-Webhook-Id"], "sent", 2)
    assert not [thread for thread in threading.enumerate() if thread.name == "tocsin-webhooks"]


def test_a_private_address_is_not_called_unless_it_is_allowed(stage: Stage, sinks: Sinks):
    stage.now = system_clock()
    stage.subscribe(f"{sinks.url}/phone/hooks")
    postman = webhooks.Postman(stage.db, seals=stage.seals, base_url=BASE, node="one", clock=system_clock, chance=Random(1))
    settled = threading.Event()
    postman.start()
    try:
        stage.now = system_clock()
        stage.open()
        stage.follow()
        for _ in range(100):
            if stage.states() == ["dropped"]:
                break
            settled.wait(0.05)
    finally:
        assert postman.stop()
    assert stage.states() == ["dropped"]
    assert sinks.arrived("webhook") == []


def test_entries_of_incidents_that_are_gone_are_passed_over(stage: Stage):
    stage.subscribe()
    incident_id = stage.open()
    with stage.db.write() as tx:
        tx.execute(sa.text("DELETE FROM incident_assignees"))
        tx.execute(sa.text("DELETE FROM incidents"))
    stage.follow()
    assert stage.owed() == []
    with stage.db.read() as tx:
        assert events.position_of(tx, "webhooks") == events.last_position(tx)
        assert isinstance(events.of_incident(tx, incident_id)[0], Entry)


# ---------------------------------------------------------------------------------------- extensions and OAuth clients


def extend(stage: Stage, url: str = "https://hooks.example.org/v2", **config: Any) -> str:
    with stage.db.write() as tx:
        wish = extensions.Wish("Old hook", extensions.GENERIC.id, url, config, (stage.service_id,))
        return extensions.create(tx, Deed(HOUSE, stage.now, stage.chance), stage.seals, wish)


def messages(stage: Stage) -> list[dict[str, Any]]:
    with stage.db.read() as tx:
        rows = tx.rows(sa.select(webhook_delivery).order_by(webhook_delivery.c.position))
    return [one for row in rows for one in json.decode(row.body)["messages"]]


def test_an_extension_tells_the_life_of_its_services_incidents_in_the_older_shape(stage: Stage):
    extension_id = extend(stage, headers=[{"name": "X-Key", "value": "hush"}])
    incident_id = stage.open()
    stage.act(incident_id, "acknowledge")
    stage.act(incident_id, "annotate", "Looking at it")
    stage.act(incident_id, "resolve")
    stage.follow()
    told = messages(stage)
    assert [one["event"] for one in told] == [
        "incident.trigger", "incident.assign", "incident.acknowledge", "incident.annotate", "incident.resolve",
    ]  # fmt: skip
    assert [one["incident"]["status"] for one in told] == ["triggered", "triggered", "acknowledged", "acknowledged", "resolved"]
    assert {one["incident"]["id"] for one in told} == {incident_id}
    assert told[0]["incident"]["service"]["summary"] == "Payments"
    assert (told[0]["webhook"]["id"], told[0]["webhook"]["name"]) == (extension_id, "Old hook")
    assert told[0]["log_entries"][0]["type"] == "trigger_log_entry"
    assert told[3]["log_entries"][0]["channel"]["summary"] == "Looking at it"
    assert len({one["id"] for one in told}) == 5
    (due,) = stage.take()
    letter = webhooks.letter_of(due, seals=stage.seals, base_url=BASE)
    assert (letter.url, letter.headers["X-Key"], letter.headers["X-Webhook-Id"]) == ("https://hooks.example.org/v2", "hush", due.id)
    assert "X-PagerDuty-Signature" not in letter.headers
    assert json.decode(letter.body)["messages"][0]["incident"]["self"] == f"{BASE}/incidents/{incident_id}"
    assert "hush" not in due.body


def test_an_extension_hears_only_of_its_services_and_of_nothing_before_it(stage: Stage):
    stage.open()
    stage.later(seconds=1)
    extension_id = extend(stage)
    with stage.db.write() as tx:
        deed = Deed(HOUSE, stage.now, stage.chance)
        policy_id = policies.create_policy(tx, deed, name="Other", rules=[policies.level(5, Target("user", BO.id))])
        other = services.create_service(tx, deed, name="Else", escalation_policy_id=policy_id)
    stage.service_id, mine = other, stage.service_id
    stage.open("Elsewhere")
    stage.follow()
    assert messages(stage) == []
    stage.service_id = mine
    stage.open("Here")
    stage.follow()
    assert {one["incident"]["title"] for one in messages(stage)} == {"Here"}
    with stage.db.write() as tx:
        row = tx.one(sa.select(extension_table).where(extension_table.c.id == extension_id))
        assert row is not None
        extensions.delete(tx, Deed(HOUSE, stage.now, stage.chance), stage.seals, row)
    assert messages(stage) == []


def test_an_extension_whose_receiver_refuses_three_in_a_row_is_disabled(stage: Stage):
    extension_id = extend(stage)
    for number in range(3):
        stage.open(f"Number {number}")
    stage.follow()
    for due in stage.take():
        stage.answer(due, Answer(404, {}, b""))
    with stage.db.read() as tx:
        assert extensions.disabled(tx, [extension_id], stage.now) == {extension_id}
    before = len(messages(stage))
    stage.open("While it is disabled")
    stage.follow()
    assert len(messages(stage)) == before
    stage.later(hours=24)
    stage.open("A day later")
    stage.follow()
    assert len(messages(stage)) > before


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def with_client(stage: Stage, receiver: Receiver) -> str:
    """A subscription to the receiver's hook whose webhooks carry the tokens of a client."""
    stage.now = system_clock()
    stage.subscribe(f"{receiver.url}/hook", events=["incident.triggered", "incident.acknowledged"], custom_headers=[{"name": "authorization", "value": "old"}])
    with stage.db.write() as tx:
        deed = Deed(HOUSE, stage.now, stage.chance)
        whole = {
            "name": "Ours", "client_id": "tocsin", "secret": SECRET, "scope": None, "token_url": f"{receiver.url}/token",
            "grant_type": "client_credentials",
        }  # fmt: skip
        client_id = oauth_clients.create(tx, deed, stage.seals, whole)
        oauth_clients.name_for(tx, deed, door.subscription_row(tx, stage.subscription_id), client_id)
    return client_id


def carry(stage: Stage, receiver: Receiver, count: int, *, settled: Callable[[], bool] | None = None) -> None:
    """Let a postman carry until so many came, or until what is asked for is so."""
    postman = webhooks.Postman(
        stage.db, seals=stage.seals, base_url=BASE, node="one", clock=system_clock, chance=Random(1), allowed_networks=["127.0.0.0/8"]
    )
    postman.start()
    try:
        stage.follow()
        receiver.wait_for(count)
        waiting = threading.Event()
        for _ in range(200):
            if settled is None or settled():
                break
            waiting.wait(0.05)
    finally:
        assert postman.stop()


def test_webhooks_carry_a_token_had_once_and_anew_when_it_is_taken_no_more(stage: Stage, receiver: Receiver):
    with_client(stage, receiver)
    one, two = stage.open("One"), stage.open("Two")
    carry(stage, receiver, 2, settled=lambda: stage.states() == ["sent"] * 2)
    assert {headers["authorization"] for headers, _ in receiver.arrived} <= {f"Bearer {token}" for token in receiver.tokens}
    receiver.spoiled = set(receiver.tokens)
    stage.now = system_clock()
    stage.act(one, "acknowledge")
    carry(stage, receiver, 3, settled=lambda: stage.states() == ["sent"] * 3)
    assert receiver.arrived[2][0]["authorization"] == f"Bearer {receiver.tokens[-1]}"
    assert receiver.arrived[2][1]["event"]["data"]["id"] == one != two


def test_without_a_token_a_webhook_is_tried_again_and_the_client_says_that_it_is_in_error(stage: Stage, receiver: Receiver):
    client_id = with_client(stage, receiver)
    receiver.secret = "another one by now"
    stage.open()

    def status() -> str:
        with stage.db.read() as tx:
            return str(tx.scalar(sa.select(oauth_client.c.status).where(oauth_client.c.id == client_id)))

    carry(stage, receiver, 0, settled=lambda: status() == "error")
    with stage.db.read() as tx:
        (row,) = store.of_subscription(tx, stage.subscription_id)
    assert (status(), row.state, receiver.arrived) == ("error", "due", [])
    assert "no token of its OAuth client" in row.last_error
    assert SECRET not in row.last_error
    receiver.secret = SECRET
    with stage.db.write() as tx:
        tx.execute(sa.update(webhook_delivery).values(due_at=stage.now))
    carry(stage, receiver, 1, settled=lambda: status() == "active")
    assert (status(), stage.states()) == ("active", ["sent"])


def test_a_second_401_drops_it(stage: Stage, receiver: Receiver):
    with_client(stage, receiver)
    stage.open()
    receiver.spoiled = {"token-1", "token-2"}
    carry(stage, receiver, 0, settled=lambda: stage.states() == ["dropped"])
    assert (stage.states(), receiver.arrived) == (["dropped"], [])
