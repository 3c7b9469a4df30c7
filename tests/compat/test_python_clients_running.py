"""PagerDuty's Python client against a running server: the current version over HTTPS with our own authority, 5.x over HTTP."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pagerduty
import pytest

from tests.compat.company import Colleague, Office, Watched, until

ROOT = Path(__file__).resolve().parents[2]
TOUR = Path(__file__).with_name("client_tour.py")
OLDER = ROOT / ".venv5" / "bin" / "python"

CROWD = 1_050
"""More than one page of everything, and more than the thousand at which others lose some."""

REPEATS = 8


# --- The tour that both versions make

ON_CALL = {
    "v2_made": [], "v2_preview": [172_800, []], "v2_changed": [172_800, True], "v2_override": [201, []], "v2_undone": 204, "v3_made": [201, []],
    "policy_made": [], "policy_changed": [], "on_calls": [True, True], "deleted": [204, 204],
    "refused": ["Schedule can't be deleted if it's being used by escalation policies"],
}  # fmt: skip
"""What is read back of schedules and policies: the empty lists say that nothing reads otherwise than it was written."""


def tour(interpreter: str | Path, office: Office, url: str, **environment: str) -> dict[str, Any]:
    """What the client of this interpreter saw."""
    ada = office.person("Ada", ("webhook",), role="admin")
    service = office.service(ada)
    told = {
        "url": url, "name": ada.handle, "email": ada.email, "key": office.key_of(ada), "account_key": office.account_key(),
        "service_id": service.id, "service_name": service.name, "routing_key": service.routing_key,
        "people": [ada.id, office.person("Bo").id], "now": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    done = subprocess.run(
        [interpreter, TOUR], input=json.dumps(told), capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **environment}, cwd=TOUR.parent,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-4000:]}"
    saw: dict[str, Any] = json.loads(done.stdout)
    return {**saw, "_ada": ada, "_service": service}


def check(saw: dict[str, Any]) -> None:
    """Everything the tour saw is as PagerDuty would have shown it."""
    ada, service = saw["_ada"], saw["_service"]
    assert len(saw["dedup_key"]) >= 32
    assert (saw["acknowledged"], saw["resolved"]) == (True, True)
    assert saw["refused"][0] == 400
    assert "'payload.severity' is invalid" in saw["refused"][1][0]
    assert saw["shown"] == ["Queue is stuck", service.id, "high"]
    assert saw["by_object"] == "acknowledged"
    assert saw["by_account_key"] == "Queue is slow"
    assert saw["note"] == ["Looking at it", ada.id]
    assert saw["notes"] == ["Looking at it"]
    assert saw["snoozed"] == ["unacknowledge"]
    assert saw["many"] == ["resolved"]
    wanted = {"trigger", "assign", "acknowledge", "annotate", "snooze", "resolve", "notify", "field_value_change"}
    assert {f"{name}_log_entry" for name in wanted} <= set(saw["log"])
    assert saw["key_kind"] == "user"
    assert saw.get("account_key_kind", "account") == "account"
    assert saw["subdomain"]
    assert saw["ability"] is True
    assert (saw["me"], saw["found"]) == (ada.email, ada.id)
    assert len(set(saw["persisted"])) == 1
    assert saw["updated"] == "Discs"
    assert (saw["gone"], saw["unimplemented"], saw["wrong_key"]) == (404, 400, 401)
    assert saw["by_id"] is True
    assert saw["on_call"] == ON_CALL


def test_the_current_client_does_its_work_over_https_with_our_authority(office: Office):
    check(tour(sys.executable, office, office.house.https_url, SSL_CERT_FILE=str(office.house.authority)))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_client_of_version_5_does_its_work_over_plain_http_and_over_https(office: Office, scheme: str):
    if not OLDER.exists():
        reason = "version 5 of the client is not installed: run `make .venv5/.ready`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    url = {"http": office.house.url, "https": office.house.https_url}[scheme]
    saw = tour(OLDER, office, url, REQUESTS_CA_BUNDLE=str(office.house.authority))
    assert saw["version"].startswith("5.")
    check(saw)


def test_the_prefix_for_pdjs_serves_python_too(office: Office):
    prefixed = f"{office.house.https_url}/api.pagerduty.com"
    rest = pagerduty.RestApiV2Client(office.house.owner["API key"], base_url=prefixed, verify=office.house.trust())
    made = rest.rpost("teams", json={"type": "team", "name": "Prefixed"})
    assert rest.rput(made, json={"description": "by its own address"})["description"] == "by its own address"
    assert rest.rdelete(made).status_code == 204
    rest.close()


# --- The current client in this process


@dataclass(frozen=True)
class Desk:
    """Ada with her own key, at a service of hers; Bo is there to help."""

    rest: Any
    ada: Colleague
    bo: Colleague
    service: Watched

    def triggered(self, dedup_key: str) -> dict[str, Any]:
        self.service.send(dedup_key=dedup_key)


        def found() -> dict[str, Any] | None:
            return next((one for one in self.service.incidents() if one["incident_key"] == dedup_key), None)

        return dict(until(found, f"an incident of {dedup_key}"))


def client(office: Office, key: str) -> Any:
    return pagerduty.RestApiV2Client(key, base_url=office.house.https_url, verify=office.house.trust())


@pytest.fixture
def desk(office: Office) -> Iterator[Desk]:
    ada, bo = office.person("Ada", ("webhook",)), office.person("Bo", ("webhook",))
    service = office.service(ada)
    rest = client(office, office.key_of(ada))
    yield Desk(rest, ada, bo, service)
    rest.close()


def test_an_untrusted_certificate_is_refused_by_the_client(office: Office):
    stranger = pagerduty.RestApiV2Client("x", base_url=office.house.https_url)
    stranger.max_network_attempts = 1
    stranger.sleep_timer = 0.01
    with pytest.raises(pagerduty.Error, match=r"(?i)certificate|network"):
        stranger.get("/abilities")
    stranger.close()


def test_it_reassigns_and_the_new_person_is_paged(office: Office, desk: Desk):
    incident = desk.triggered("disk")
    wish = {"type": "incident_reference", "assignments": [{"assignee": {"id": desk.bo.id, "type": "user_reference"}}]}
    changed = desk.rest.rput(f"incidents/{incident['id']}", json=wish)
    assert [one["assignee"]["id"] for one in changed["assignments"]] == [desk.bo.id]
    assert changed["assigned_via"] == "direct_assignment"
    assert office.told(desk.bo)[0].body["pages"][0]["incident_id"] == incident["id"]


def test_it_merges_incidents(desk: Desk):
    first, *others = (desk.triggered(f"disk {number}") for number in range(3))
    sources = [{"id": one["id"], "type": "incident_reference"} for one in others]
    merged = desk.rest.rput(f"incidents/{first['id']}/merge", json=sources)
    assert (merged["id"], merged["type"]) == (first["id"], "incident_reference")
    assert desk.rest.rget(f"incidents/{merged['id']}")["alert_counts"] == {"all": 3, "triggered": 3, "resolved": 0}
    assert [desk.rest.rget(f"incidents/{one['id']}")["status"] for one in others] == ["resolved", "resolved"]
    assert len(desk.rest.list_all(f"incidents/{first['id']}/alerts")) == 3


def test_it_changes_many_incidents_at_once_or_none(desk: Desk):
    made = [desk.triggered(f"disk {number}") for number in range(3)]
    wishes = [{"id": one["id"], "type": "incident_reference", "status": "acknowledged"} for one in made]
    assert [one["status"] for one in desk.rest.rput("incidents", json=wishes)] == ["acknowledged"] * 3
    wishes = [{"id": one["id"], "type": "incident_reference", "status": "resolved"} for one in made]
    wishes[2]["id"] = "PNOBODY"
    with pytest.raises(pagerduty.HttpError):
        desk.rest.rput("incidents", json=wishes)
    assert {one["status"] for one in desk.service.incidents()} == {"acknowledged"}


def test_it_opens_an_incident_by_hand(desk: Desk):
    service = {"id": desk.service.id, "type": "service_reference"}
    wish = {"type": "incident", "title": "Customers cannot pay", "service": service, "body": {"type": "incident_body", "details": "Since nine"}}
    made = desk.rest.rpost("incidents", json=wish)
    assert (made["status"], made["title"]) == ("triggered", "Customers cannot pay")
    assert desk.rest.rget(made["self"], params={"include[]": ["body"]})["body"]["details"] == "Since nine"


def test_what_it_fetched_can_be_put_back_whole_and_nothing_changes(office: Office, desk: Desk):
    """`persist` with `update=True` sends an object back as it was fetched, with every field that only we write."""
    owner = client(office, office.house.owner["API key"])
    team = owner.rpost("teams", json={"type": "team", "name": f"Team of {desk.ada.handle}"})
    layer = {
        "name": "Weeks", "start": "2026-11-02T09:00:00Z", "rotation_virtual_start": "2026-11-02T09:00:00Z",
        "rotation_turn_length_seconds": 604_800,
        "users": [{"user": {"id": one.id, "type": "user_reference"}} for one in (desk.ada, desk.bo)],
        "restrictions": [{"type": "daily_restriction", "start_time_of_day": "08:00:00", "duration_seconds": 36_000}],
    }  # fmt: skip
    schedule = {"type": "schedule", "name": f"Turns of {desk.ada.handle}", "time_zone": "Europe/Berlin", "schedule_layers": [layer]}
    schedule = owner.rpost("schedules", json=schedule)
    hook = {
        "type": "webhook_subscription", "events": ["incident.triggered"], "filter": {"type": "account_reference"},
        "delivery_method": {"type": "http_delivery_method", "url": f"{office.sinks.url}/phone/hook"},
    }  # fmt: skip
    hook = owner.rpost("webhook_subscriptions", json=hook)
    service = owner.rget(f"services/{desk.service.id}")
    integration = owner.rget(service["integrations"][0])
    user = owner.rget(f"users/{desk.ada.id}")
    policy = owner.rget(f"escalation_policies/{desk.service.policy_id}")
    method = owner.rget(user["contact_methods"][0])
    rule = owner.rget(user["notification_rules"][0])
    for made in (team, schedule, hook, service, integration, user, policy, method, rule):
        before = owner.rget(made)
        owner.rput(before, json=before)
        after = owner.rget(made)
        changed = {name for name in before if before[name] != after[name]} - {"updated_at"}
        assert not changed, f"{before['type']}: {changed}"
    owner.rdelete(hook)
    owner.close()


# --- A thousand of each


@dataclass(frozen=True)
class Crowd:
    """More of everything than fits on ten pages."""

    service: Watched
    since: datetime
    until: datetime
    user_emails: frozenset[str]
    service_names: frozenset[str]
    dedup_keys: frozenset[str]


def post_all(office: Office, path: str, bodies: Sequence[Any], headers: dict[str, str], threads: int = 4) -> None:
    """Post each, on a few connections that stay open."""

    def some(part: Sequence[Any]) -> None:
        connection = HTTPConnection("127.0.0.1", office.house.http_port, timeout=30)
        for body in part:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            raw = answer.read()
            assert answer.status < 300, (answer.status, raw[:500])
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, [bodies[start::threads] for start in range(threads)]))


@pytest.fixture(scope="module")
def crowd(office: Office) -> Crowd:
    since = datetime.now(UTC).replace(microsecond=0)
    key = {"Authorization": f"Token token={office.house.owner['API key']}"}
    watcher = office.person("Ada", ("email",))
    service = office.service(watcher, name="Crowded")
    emails = [f"crowd{number}@example.org" for number in range(CROWD)]
    post_all(office, "/users", [{"user": {"type": "user", "name": f"Crowd {email}", "email": email}} for email in emails], key)
    names = [f"Crowd {number}" for number in range(CROWD)]
    policy = {"id": service.policy_id, "type": "escalation_policy_reference"}
    post_all(office, "/services", [{"service": {"type": "service", "name": name, "escalation_policy": policy}} for name in names], key)
    keys = [f"crowd-{number}" for number in range(CROWD)]
    alerts = [{"status": "firing", "labels": {"alertname": "Crowd", "instance": name}, "fingerprint": name} for name in keys]
    for _ in range(1 + REPEATS):
        packs = [{"version": "4", "status": "firing", "alerts": alerts[start : start + 350]} for start in range(0, CROWD, 350)]
        post_all(office, f"/integration/{service.routing_key}/alertmanager", packs, {}, threads=1)

    def settled() -> bool:
        found = office.house.get(f"/log_entries?since={since.isoformat().replace('+00:00', 'Z')}&total=true&limit=1")
        return bool(found["total"] >= CROWD * (2 + REPEATS))

    until(settled, "all events to be processed", 60)
    over = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)  # whole seconds: the client cuts off the rest
    until(lambda: datetime.now(UTC) > over, "the next second")
    return Crowd(service, since, over, frozenset(emails), frozenset(names), frozenset(keys))


@pytest.fixture(scope="module")
def walker(office: Office) -> Iterator[Any]:
    walker = client(office, office.house.owner["API key"])
    yield walker
    walker.close()


def each_once(found: Sequence[str], wanted: frozenset[str]) -> None:
    counted = Counter(found)
    assert not wanted - counted.keys(), "missing"
    assert not [one for one, times in counted.items() if times > 1], "twice"


def test_its_pager_walks_a_thousand_users(crowd: Crowd, walker: Any):
    each_once([user["email"] for user in walker.iter_all("users")], crowd.user_emails)


def test_its_pager_walks_a_thousand_services_in_odd_pages(crowd: Crowd, walker: Any):
    each_once([service["name"] for service in walker.iter_all("services", page_size=37, total=True)], crowd.service_names)


def test_its_pager_walks_a_thousand_incidents(crowd: Crowd, walker: Any):
    counted: list[int] = []
    wanted = {"service_ids[]": [crowd.service.id], "statuses[]": ["triggered"]}
    found = list(walker.iter_all("incidents", params=wanted, total=True, item_hook=lambda _one, _at, total: counted.append(total)))
    each_once([incident["incident_key"] for incident in found], crowd.dedup_keys)
    assert set(counted) == {CROWD}


def test_its_history_of_more_than_ten_thousand_entries_is_whole(crowd: Crowd, walker: Any):
    """The client cannot page beyond 10,000, so it halves the time until every half is smaller."""
    range_ = {"since": crowd.since.isoformat(), "until": crowd.until.isoformat()}
    total = walker.get_total("log_entries", params=range_)
    assert total > pagerduty.ITERATION_LIMIT
    found = [entry["id"] for entry in walker.iter_history("log_entries", crowd.since, crowd.until)]
    assert len(found) == len(set(found)) == total


def test_what_is_found_among_a_thousand_is_the_right_one(crowd: Crowd, walker: Any):
    assert walker.find("services", "crowd 777")["name"] == "Crowd 777"
    assert walker.find("users", "crowd1049@example.org", attribute="email")["name"] == "Crowd crowd1049@example.org"
    assert walker.find("services", "crowd") is None


def test_reaching_beyond_ten_thousand_is_refused_in_words(crowd: Crowd, walker: Any):
    answer = walker.get("log_entries", params={"offset": 9_950, "limit": 100})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 2002)
